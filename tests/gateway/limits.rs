//! `limits` of a provider: who has no room is passed over; where nobody has, the client is told when to come back.

use std::time::Duration;

use serde_json::{Value, json};

use crate::gateway::{Gateway, config};
use crate::replies::{Speaks, text};
use crate::upstream::Upstream;

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
