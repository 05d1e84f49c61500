//! `limits` of a provider: who has no room is passed over; where nobody has, the client is told when to come back.

use std::time::Duration;

use serde_json::{Value, json};

use crate::gateway::{Gateway, config};
use crate::replies::{Speaks, text};
use crate::upstream::{Seen, Upstream};

/// Two providers, each with these limits, and one name for both.
fn start(limits: &str, upstream: &Upstream) -> Gateway {
    let text = config(&[(Speaks::Anthropic, upstream), (Speaks::Chat, upstream)], "\"*\": [up0/m, up1/m]", "");
    Gateway::start(&text.replace("key: {", &format!("limits: {{ {limits} }}, key: {{")))
}

fn ask() -> Value {
    json!({"model": "x", "max_tokens": 100, "messages": [{"role": "user", "content": "x".repeat(36_000)}]})
}

fn upstream() -> Upstream {
    Upstream::start(|seen, _| {
        let speaks = if seen.path.contains("messages") { Speaks::Anthropic } else { Speaks::Chat };
        speaks.answer(seen, &[text("fine")])
    })
}

/// Asks until nobody has room; gives who answered, and the refusal's Retry-After.
fn answered(gateway: &Gateway) -> (Vec<String>, u64) {
    let mut providers = Vec::new();
    loop {
        assert!(providers.len() < 50, "no end");
        let reply = gateway.messages(&ask());
        if reply.status != 200 {
            assert_eq!((reply.status, reply.json()["error"]["type"].as_str()), (429, Some("rate_limit_error")), "{}", reply.text());
            return (providers, reply.header("retry-after").unwrap().parse().unwrap());
        }
        providers.push(reply.header("x-aimux-provider").unwrap().to_owned());
    }
}

#[test]
fn requests_per_minute_pass_on_to_the_next_target() {
    let upstream = upstream();
    let (providers, rest) = answered(&start("requests_per_minute: 2", &upstream));
    assert_eq!(providers, ["up0", "up0", "up1", "up1"]);
    assert!((50..=60).contains(&rest), "{rest}");
    assert_eq!(upstream.seen().len(), 4);
}

#[test]
fn tokens_per_minute_are_reserved_by_estimate_and_settled_by_usage() {
    // Some 10,100 are reserved for a request, 2,091 of Anthropic's and 1,290 of the Chat provider's are used.
    let (providers, rest) = answered(&start("tokens_per_minute: 15000", &upstream()));
    assert_eq!(providers, ["up0", "up0", "up0", "up1", "up1", "up1", "up1"]);
    assert!((50..=60).contains(&rest), "{rest}");
}

#[test]
fn concurrent_requests_pass_on_to_the_next_target() {
    let upstream = Upstream::start(|seen, _| {
        let speaks = if seen.path.contains("messages") { Speaks::Anthropic } else { Speaks::Chat };
        speaks.answer(seen, &[text("fine")]).late(Duration::from_secs(4))
    });
    let gateway = start("concurrent: 1", &upstream);
    let replies = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..3)
            .map(|n| {
                let gateway = &gateway;
                scope.spawn(move || {
                    std::thread::sleep(Duration::from_millis(300 * n));
                    gateway.messages(&ask())
                })
            })
            .collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let provider = |reply: &crate::http::Whole| reply.header("x-aimux-provider").map(str::to_owned);
    assert_eq!(replies.iter().map(|reply| reply.status).collect::<Vec<_>>(), [200, 200, 429]);
    assert_eq!((provider(&replies[0]).as_deref(), provider(&replies[1]).as_deref()), (Some("up0"), Some("up1")));
}

#[test]
fn requests_over_the_limit_stand_in_line_and_none_fails() {
    const LATE: Duration = Duration::from_millis(50);
    let upstream = Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[text("fine")]).late(LATE));
    let text = config(&[(Speaks::Anthropic, &upstream)], "\"*\": [up0/m]", "limits: { queue_wait_s: 30 }");
    let gateway = Gateway::start(&text.replace("key: {", "limits: { concurrent: 3 }, key: {"));
    let statuses = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..40).map(|_| scope.spawn(|| gateway.messages(&ask()).status)).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(statuses, [200; 40]);
    let seen = upstream.seen();
    // No answer leaves earlier; when its end was noted says less, since the upstream may be kept waiting for its turn.
    let is_under_way = |other: &Seen, one: &Seen| other.began <= one.began && one.began < other.began + LATE;
    let most = seen.iter().map(|one| seen.iter().filter(|other| is_under_way(other, one)).count()).max();
    assert!(most.is_some_and(|most| (2..=3).contains(&most)), "{most:?} at a time");
}

/// A provider with two keys, `first` and `second`.
fn pool(limits: &str, script: fn(&str, &crate::upstream::Seen) -> crate::upstream::Answer) -> (Gateway, Upstream) {
    let upstream = Upstream::start(move |seen, _| {
        let key = seen.header("authorization").or(seen.header("x-api-key")).unwrap_or_default().trim_start_matches("Bearer ").to_owned();
        script(&key, seen)
    });
    let text = config(&[(Speaks::Chat, &upstream)], "\"*\": [up0/m]", "limits: { queue_wait_s: 0 }");
    let text = text.replace("key: { env: UPSTREAM_KEY }", &format!("{limits}keys: [{{ env: FIRST }}, {{ env: SECOND }}]"));
    let keys = [("FIRST", "first-key".as_ref()), ("SECOND", "second-key".as_ref())];
    (Gateway::start_with(&text, &keys), upstream)
}

fn keys_of(upstream: &Upstream) -> Vec<String> {
    upstream.seen().iter().map(|seen| seen.header("authorization").unwrap().replace("Bearer ", "").replace("-key", "")).collect()
}

#[test]
fn a_key_that_is_refused_or_limited_rests_and_its_sister_answers() {
    for status in [401, 402, 429] {
        let script = match status {
            401 => |key: &str, seen: &_| answer_second(401, key, seen),
            402 => |key: &str, seen: &_| answer_second(402, key, seen),
            _ => |key: &str, seen: &_| answer_second(429, key, seen),
        };
        let (gateway, upstream) = pool("", script);
        for _ in 0..3 {
            assert_eq!(gateway.messages(&ask()).status, 200, "{status}");
        }
        assert_eq!(keys_of(&upstream), ["first", "second", "second", "second"], "{status}");
    }
}

fn answer_second(status: u16, key: &str, seen: &crate::upstream::Seen) -> crate::upstream::Answer {
    match key {
        "first-key" => Speaks::Chat.refusal(status, "no").header("retry-after", "30"),
        _ => Speaks::Chat.answer(seen, &[text("fine")]),
    }
}

#[test]
fn what_an_answers_headers_say_is_left_steers_the_next_request() {
    let (gateway, upstream) = pool("", |key, seen| {
        let (remaining, reset) = if key == "first-key" { ("0", "2m0s") } else { ("7", "1m0s") };
        let answer = Speaks::Chat.answer(seen, &[text("fine")]).header("x-ratelimit-limit-requests", "10");
        answer.header("x-ratelimit-remaining-requests", remaining).header("x-ratelimit-reset-requests", reset)
    });
    for _ in 0..3 {
        assert_eq!(gateway.messages(&ask()).status, 200);
    }
    assert_eq!(keys_of(&upstream), ["first", "second", "second"]);
}

#[test]
fn each_key_has_its_own_five_hours() {
    let (gateway, upstream) = pool("key_limits: { requests_per_5h: 2 }, ", |_, seen| Speaks::Chat.answer(seen, &[text("fine")]));
    let statuses: Vec<u16> = (0..5).map(|_| gateway.messages(&ask()).status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 429]);
    assert_eq!(keys_of(&upstream), ["first", "first", "second", "second"]);
}
