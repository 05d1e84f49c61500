//! A second target beside a first that is late: whose content comes first answers, the other one is cancelled and accounted for.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::exposition::Exposition;
use crate::gateway::{Gateway, until};
use crate::http::Whole;
use crate::replies::{Speaks, text};
use crate::upstream::{Act, Answer, Outcome, Upstream};

const NEVER: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(10);
const MS: Duration = Duration::from_millis(1);

const WORDS: &str = "an answer of more than a few words";

/// A config with one provider per upstream, `up0` and so on, which costs so many dollars for a million tokens either way.
fn config(upstreams: &[&Upstream], hedge: &str, extra: &str) -> String {
    let mut text = "version: 1\nserver: { listen: \"127.0.0.1:0\", token: { env: AIMUX_CLIENT_TOKEN } }\nproviders:\n".to_owned();
    for (index, upstream) in upstreams.iter().enumerate() {
        let models = "{ up-model: { price_input: 1000, price_output: 1000 } }";
        text += &format!(
            "  up{index}: {{ dialect: anthropic, base_url: \"{}\", key: {{ env: UPSTREAM_KEY }}, models: {models} }}\n",
            upstream.url()
        );
    }
    let targets: Vec<String> = (0..upstreams.len()).map(|index| format!("up{index}/up-model")).collect();
    text + &format!("models:\n  \"*\": {{ use: [{}], hedge: {hedge} }}\n{extra}\n", targets.join(", "))
}

/// One that answers after a wait, stream or not.
fn after(wait: Duration) -> Upstream {
    Upstream::start(move |seen, _| Speaks::Anthropic.answer(seen, &[text(WORDS)]).late(wait))
}

fn ask(stream: bool) -> Value {
    json!({"model": "claude-opus-4-8", "max_tokens": 9, "stream": stream, "messages": [{"role": "user", "content": "hello"}]})
}

/// Asks in a dialect; gives the answer and how long it took.
fn asked(gateway: &Gateway, speaks: Speaks, stream: bool) -> (Whole, Duration) {
    let began = Instant::now();
    let reply = match speaks {
        Speaks::Anthropic => gateway.messages(&ask(stream)),
        Speaks::Chat => gateway.chat(&ask(stream)),
    };
    (reply, began.elapsed())
}

/// The answer is whole and one answer alone.
fn is_one_answer(speaks: Speaks, stream: bool, reply: &Whole) {
    assert_eq!((reply.status, reply.is_complete), (200, true), "{}", reply.text());
    let said: String = if !stream {
        match speaks {
            Speaks::Anthropic => reply.json()["content"][0]["text"].as_str().unwrap().to_owned(),
            Speaks::Chat => reply.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned(),
        }
    } else {
        let events = reply.events();
        if speaks == Speaks::Anthropic {
            let starts = events.iter().filter(|event| event.name == "message_start").count();
            assert_eq!((starts, events.last().unwrap().name.as_str()), (1, "message_stop"), "{}", reply.text());
        }
        let texts = events.iter().filter_map(|event| match speaks {
            Speaks::Anthropic => event.data["delta"]["text"].as_str().map(str::to_owned),
            Speaks::Chat => event.data["choices"][0]["delta"]["content"].as_str().map(str::to_owned),
        });
        texts.collect()
    };
    assert_eq!(said, WORDS);
}

/// Provider, status, how it ended, its cost.
type Row = (String, Option<i64>, Option<String>, Option<i64>);

/// The attempts in the ledger.
fn attempts(home: &Path) -> Vec<Row> {
    let path = home.join(".local/state/aimux/ledger.sqlite");
    let Ok(connection) = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY) else { return Vec::new() };
    connection.busy_timeout(SOON).unwrap();
    let sql = "SELECT provider, status, ending, cost FROM attempts ORDER BY request, number";
    let Ok(mut statement) = connection.prepare(sql) else { return Vec::new() };
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

/// The one request in the ledger: provider, ending, attempts, cost, whether that is an estimate.
fn request(home: &Path) -> (String, String, i64, Option<i64>, bool) {
    let path = home.join(".local/state/aimux/ledger.sqlite");
    let connection = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let sql = "SELECT provider, ending, attempts, cost, estimated FROM requests";
    connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))).unwrap()
}

fn is_cancelled(upstream: &Upstream) {
    until("the upstream sees its client go", SOON, || upstream.only().outcome == Outcome::ClientGone);
}

#[test]
fn a_second_target_answers_where_the_first_is_late_and_the_first_is_cancelled() {
    for speaks in [Speaks::Anthropic, Speaks::Chat] {
        for stream in [true, false] {
            let (first, second) = (after(NEVER), after(Duration::ZERO));
            let gateway = Gateway::start(&config(&[&first, &second], "{ after: 0.2, max_cost: 20 }", ""));
            let (reply, took) = asked(&gateway, speaks, stream);
            is_one_answer(speaks, stream, &reply);
            assert_eq!((reply.header("x-aimux-provider"), reply.header("x-aimux-attempts")), (Some("up1"), Some("2")));
            assert!(took >= 200 * MS && took < SOON, "{took:?}");
            is_cancelled(&first);
            assert_eq!(second.only().outcome, Outcome::Done);
            // The one that was cancelled is not forgotten: its row, its input's cost, the count, the log.
            until("both attempts are remembered", SOON, || attempts(&gateway.home()).len() == 2);
            let rows = attempts(&gateway.home());
            let cancelled = rows[0].3.unwrap();
            assert_eq!((rows[0].0.as_str(), rows[0].1, rows[0].2.as_deref()), ("up0", None, Some("hedged")));
            assert!(cancelled > 0, "{rows:?}");
            let own = rows[1].3.unwrap();
            assert_eq!((rows[1].0.as_str(), rows[1].1, rows[1].2.as_deref()), ("up1", Some(200), None));
            let (provider, ending, count, cost, is_estimated) = request(&gateway.home());
            assert_eq!((provider.as_str(), ending.as_str(), count, is_estimated), ("up1", "complete", 2, true));
            assert_eq!(cost, Some(cancelled + own));
            assert!(gateway.log().contains("hedge=\"won\""), "{}", gateway.log());
            let page = Exposition::read(&gateway.call("GET", "/metrics", b"").text());
            assert_eq!(page.value("aimux_hedges_total", &[("outcome", "won")]), 1.0);
            assert_eq!(page.value("aimux_attempts_total", &[("provider", "up0"), ("model", "up-model"), ("status", "none")]), 1.0);
            assert_eq!(page.sum("aimux_failovers_total"), 0.0, "to be late is no failure");
            // What each took itself is told alike by both.
            let usage = usage_by_provider(&gateway);
            for provider in ["up0", "up1"] {
                let counted = page.value("aimux_cost_dollars_total", &[("provider", provider), ("model", "up-model")]) * 1e6;
                assert!(counted > 0.0 && (counted - usage[provider]).abs() < 1.0, "{provider}: {counted} {usage:?}");
            }
        }
    }
}

/// What `aimux usage --by provider` says that each cost, in millionths of a dollar.
fn usage_by_provider(gateway: &Gateway) -> BTreeMap<String, f64> {
    let config = gateway.home().join("aimux.yaml");
    let arguments = ["usage", "--by", "provider", "--json", "--config", config.to_str().unwrap()];
    let output = crate::gateway::aimux(&gateway.home()).args(arguments).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let cost = |row: &Value| (row["name"].as_str().unwrap().to_owned(), row["cost_micro_usd"].as_f64().unwrap());
    told["groups"].as_array().unwrap().iter().map(cost).collect()
}

#[test]
fn a_session_whose_target_is_overtaken_is_told_so_and_stays_with_the_quicker_one() {
    let first =
        Upstream::start(|seen, count| Speaks::Anthropic.answer(seen, &[text(WORDS)]).late(if count == 0 { Duration::ZERO } else { NEVER }));
    let second = after(Duration::ZERO);
    let gateway = Gateway::start(&config(&[&first, &second], "{ after: 0.2, max_cost: 20 }", ""));
    let token = format!("Bearer {}", crate::gateway::TOKEN);
    let headers = [("authorization", token.as_str()), ("x-session-id", "session-1")];
    for (place, session) in [("up0", "new"), ("up1", "moved (hedged)"), ("up1", "kept")] {
        let reply = crate::http::send(gateway.port, "POST", "/v1/messages", &headers, ask(true).to_string().as_bytes()).whole();
        is_one_answer(Speaks::Anthropic, true, &reply);
        assert_eq!((reply.header("x-aimux-provider"), reply.header("x-aimux-session")), (Some(place), Some(session)));
    }
}

#[test]
fn a_target_of_two_that_finds_the_prompt_too_long_leaves_it_to_a_larger_one() {
    let small = |wait: Duration| {
        let words = "prompt is too long: 61709 tokens > 40960 maximum";
        Upstream::start(move |_, _| Speaks::Anthropic.refusal(400, words).late(wait))
    };
    let (soon, later) = (600 * MS, 1200 * MS);
    let larger = |config: String| {
        let windows = [40_960, 50_000, 200_000];
        let config = config.replacen("hedge:", "on_context: larger, hedge:", 1);
        windows.iter().fold(config, |config, window| config.replacen("{ price_input", &format!("{{ context: {window}, price_input"), 1))
    };
    for (upstreams, answers) in [
        // The first says so while the second is asked, the second while the first is, and both.
        ([small(soon), after(later), after(Duration::ZERO)], "up1"),
        ([after(later), small(Duration::ZERO), after(Duration::ZERO)], "up0"),
        ([small(soon), small(later), after(Duration::ZERO)], "up2"),
    ] {
        for stream in [true, false] {
            let [first, second, third] = &upstreams;
            let gateway = Gateway::start(&larger(config(&[first, second, third], "{ after: 0.2, max_cost: 20 }", "")));
            let (reply, _) = asked(&gateway, Speaks::Anthropic, stream);
            is_one_answer(Speaks::Anthropic, stream, &reply);
            assert_eq!(reply.header("x-aimux-provider"), Some(answers));
        }
    }
}

#[test]
fn a_first_that_is_quicker_after_all_answers_and_the_second_is_cancelled() {
    for stream in [true, false] {
        let (first, second) = (after(1000 * MS), after(NEVER));
        let gateway = Gateway::start(&config(&[&first, &second], "{ after: 0.2, max_cost: 20 }", ""));
        let (reply, _) = asked(&gateway, Speaks::Anthropic, stream);
        is_one_answer(Speaks::Anthropic, stream, &reply);
        assert_eq!((reply.header("x-aimux-provider"), reply.header("x-aimux-attempts")), (Some("up0"), Some("2")));
        is_cancelled(&second);
        assert!(gateway.log().contains("hedge=\"lost\""), "{}", gateway.log());
    }
}

#[test]
fn a_start_without_content_is_no_answer() {
    // The first says who it is, and nothing more.
    let first = Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[text("never said")]).pause(2, NEVER));
    let second = after(Duration::ZERO);
    let gateway = Gateway::start(&config(&[&first, &second], "{ after: 0.2, max_cost: 20 }", ""));
    let (reply, _) = asked(&gateway, Speaks::Anthropic, true);
    is_one_answer(Speaks::Anthropic, true, &reply);
    assert_eq!(reply.header("x-aimux-provider"), Some("up1"));
    is_cancelled(&first);
}

#[test]
fn a_second_whose_start_came_before_the_clients_stream_was_started_without_it_answers_all_the_same() {
    // After 15 s the client's stream is started with a start of aimux' own; that of the second is not wanted then.
    let first = after(NEVER);
    let second = Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[text(WORDS)]).pause(2, 17_000 * MS));
    let gateway = Gateway::start(&config(&[&first, &second], "{ after: 0.2, max_cost: 20 }", ""));
    let (reply, took) = asked(&gateway, Speaks::Anthropic, true);
    assert!(took > 16_000 * MS, "{took:?}");
    is_one_answer(Speaks::Anthropic, true, &reply);
    is_cancelled(&first);
}

#[test]
fn no_second_target_is_asked_where_it_would_cost_too_much_or_the_budget_is_empty() {
    let dear = "{ after: 0.1, max_cost: 0.01 }";
    let empty = "retry: { budget_percent: 0, budget_per_s: 0 }";
    for (hedge, extra) in [(dear, ""), ("{ after: 0.1, max_cost: 20 }", empty)] {
        let (first, second) = (after(800 * MS), after(Duration::ZERO));
        let gateway = Gateway::start(&config(&[&first, &second], hedge, extra));
        let (reply, _) = asked(&gateway, Speaks::Anthropic, true);
        is_one_answer(Speaks::Anthropic, true, &reply);
        assert_eq!((reply.header("x-aimux-provider"), second.seen().len()), (Some("up0"), 0), "{hedge} {extra}");
        assert!(!gateway.log().contains("hedge="), "{}", gateway.log());
    }
}

#[test]
fn the_failure_of_one_does_not_end_the_other() {
    let refuses = |wait: Duration, status: u16| Upstream::start(move |_, _| Speaks::Anthropic.refusal(status, "zebra").late(wait));
    let soon = Duration::ZERO;
    for (first, second, third, answers, outcome) in [
        (after(1000 * MS), refuses(soon, 500), after(soon), "up0", "failed"),
        // What the second says of the request, the first has not said.
        (after(1000 * MS), refuses(soon, 400), after(soon), "up0", "failed"),
        (refuses(600 * MS, 500), after(1200 * MS), after(soon), "up1", "won"),
        (refuses(600 * MS, 500), refuses(1200 * MS, 503), after(soon), "up2", "failed"),
        (Upstream::start(move |_, _| Answer::dead().late(600 * MS)), refuses(1200 * MS, 503), after(soon), "up2", "failed"),
    ] {
        for stream in [true, false] {
            let gateway = Gateway::start(&config(&[&first, &second, &third], "{ after: 0.2, max_cost: 20 }", ""));
            let (reply, _) = asked(&gateway, Speaks::Anthropic, stream);
            is_one_answer(Speaks::Anthropic, stream, &reply);
            assert_eq!(reply.header("x-aimux-provider"), Some(answers));
            let word = format!("hedge=\"{outcome}\"");
            until("the request is logged", SOON, || gateway.log().contains(&word));
        }
    }
}

#[test]
fn the_start_of_a_first_that_fails_is_forgotten() {
    // It says who it is, then that it failed; the second has begun by then.
    let first = Upstream::start(|seen, _| {
        let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"zebra\"}}\n\n";
        Speaks::Anthropic.answer(seen, &[text("never said")]).pause(1, 600 * MS).after(2, Act::Bytes(error.into()))
    });
    let second = after(1200 * MS);
    let gateway = Gateway::start(&config(&[&first, &second], "{ after: 0.2, max_cost: 20 }", ""));
    let (reply, _) = asked(&gateway, Speaks::Anthropic, true);
    is_one_answer(Speaks::Anthropic, true, &reply);
    assert_eq!(reply.header("x-aimux-provider"), Some("up1"));
}

#[test]
fn a_first_that_finds_the_request_at_fault_ends_it() {
    let first = Upstream::start(|_, _| Speaks::Anthropic.refusal(400, "zebra").late(600 * MS));
    let second = after(NEVER);
    let gateway = Gateway::start(&config(&[&first, &second], "{ after: 0.2, max_cost: 20 }", ""));
    let (reply, took) = asked(&gateway, Speaks::Anthropic, true);
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert!(reply.text().contains("zebra") && took < SOON, "{}", reply.text());
    is_cancelled(&second);
}

#[test]
fn a_client_that_leaves_takes_both_along() {
    let (first, second) = (after(NEVER), after(NEVER));
    let gateway = Gateway::start(&config(&[&first, &second], "{ after: 0.2, max_cost: 20 }", ""));
    let stream = std::net::TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    let body = ask(true).to_string();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        crate::gateway::TOKEN,
        body.len()
    );
    std::io::Write::write_all(&mut &stream, (head + &body).as_bytes()).unwrap();
    until("both are asked", SOON, || first.seen().len() == 1 && second.seen().len() == 1);
    drop(stream);
    is_cancelled(&first);
    is_cancelled(&second);
    until("both attempts are remembered", SOON, || attempts(&gateway.home()).len() == 2);
    let (provider, ending, count, ..) = request(&gateway.home());
    assert_eq!((provider.as_str(), ending.as_str(), count), ("up0", "client_gone", 2));
}

#[test]
fn the_95th_percentile_is_learnt_before_anybody_is_asked_second() {
    // Twenty requests teach it; one among them is late, and is waited for.
    let first = Upstream::start(|seen, count| {
        let wait = match count {
            5 => 600 * MS,
            20.. => NEVER,
            _ => Duration::ZERO,
        };
        Speaks::Anthropic.answer(seen, &[text(WORDS)]).late(wait)
    });
    let second = after(Duration::ZERO);
    let gateway = Gateway::start(&config(&[&first, &second], "{ max_cost: 20 }", ""));
    for count in 0..20 {
        let (reply, _) = asked(&gateway, Speaks::Anthropic, true);
        assert_eq!((reply.header("x-aimux-provider"), reply.header("x-aimux-attempts")), (Some("up0"), Some("1")), "{count}");
    }
    let (reply, took) = asked(&gateway, Speaks::Anthropic, true);
    is_one_answer(Speaks::Anthropic, true, &reply);
    assert_eq!(reply.header("x-aimux-provider"), Some("up1"));
    assert!(took < SOON, "{took:?}");
}
