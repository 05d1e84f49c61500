//! What a provider does wrong, and what the client sees of it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::gateway::{Gateway, config, until};
use crate::replies::{Block, Speaks, text, tool};
use crate::upstream::{Act, Answer, Upstream};

/// What an upstream of a dialect does wrong.
type Fault = fn(Speaks) -> Answer;

const BOTH: [Speaks; 2] = [Speaks::Anthropic, Speaks::Chat];

fn ask(is_stream: bool) -> Value {
    json!({"model": "claude-x", "max_tokens": 9, "stream": is_stream, "messages": [{"role": "user", "content": "hi"}]})
}

/// Two upstreams of one dialect, tried in order.
fn pair(speaks: Speaks, first: &Upstream, second: &Upstream, extra: &str) -> Gateway {
    Gateway::start(&config(&[(speaks, first), (speaks, second)], "\"*\": [up0/one, up1/two]", extra))
}

fn healthy(speaks: Speaks) -> Upstream {
    Upstream::start(move |seen, _| speaks.answer(seen, &[text("from the second")]))
}

#[test]
fn every_failure_before_content_goes_to_the_next_target_unseen() {
    let faults: [(&str, Fault); 9] = [
        ("dead", |_| Answer::dead()),
        ("401", |speaks| speaks.refusal(401, "bad key")),
        ("403", |speaks| speaks.refusal(403, "no")),
        ("429", |speaks| speaks.refusal(429, "slow down").header("retry-after", "30")),
        ("500", |speaks| speaks.refusal(500, "oops")),
        ("503", |_| Answer::json(503, "<html>busy</html>")),
        ("529", |speaks| speaks.refusal(529, "overloaded")),
        ("model", |speaks| match speaks {
            Speaks::Anthropic => speaks.refusal(404, "model: one"),
            Speaks::Chat => Answer::json(404, r#"{"error":{"message":"The model `one` does not exist","code":"model_not_found"}}"#),
        }),
        ("402", |speaks| speaks.refusal(402, "insufficient credits")),
    ];
    for speaks in BOTH {
        for (name, fault) in faults {
            let first = Upstream::start(move |_, _| fault(speaks));
            let second = healthy(speaks);
            let gateway = pair(speaks, &first, &second, "");
            for is_stream in [false, true] {
                let reply = gateway.messages(&ask(is_stream));
                assert_eq!(reply.status, 200, "{name} {speaks:?}: {}", reply.text());
                assert!(reply.text().contains("from the") && !reply.text().contains("error"), "{name} {speaks:?}: {}", reply.text());
                assert_eq!(reply.header("x-aimux-provider"), Some("up1"), "{name} {speaks:?}");
            }
            assert!(!first.seen().is_empty(), "{name} {speaks:?}: the first was never asked");
        }
    }
}

#[test]
fn a_refused_connection_goes_to_the_next_target() {
    let second = healthy(Speaks::Chat);
    let base = second.url();
    let gateway = Gateway::start(&format!(
        "version: 1\nserver: {{ listen: \"127.0.0.1:0\", token: {{ env: AIMUX_CLIENT_TOKEN }} }}\nproviders:\n  dead: {{ dialect: openai-chat, base_url: \"http://127.0.0.1:1/v1\", key: {{ env: UPSTREAM_KEY }} }}\n  live: {{ dialect: openai-chat, base_url: \"{base}/v1\", key: {{ env: UPSTREAM_KEY }} }}\nmodels:\n  \"*\": [dead/one, live/two]\n"
    ));
    let reply = gateway.messages(&ask(true));
    assert!(reply.text().contains("from the"), "{}", reply.text());
    assert_eq!(reply.header("x-aimux-provider"), Some("live"));
    assert_eq!(reply.header("x-aimux-attempts"), Some("2"));
}

#[test]
fn a_stream_that_fails_before_content_is_replaced_unseen() {
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n";
    let chat_error = "data: {\"error\":{\"message\":\"busy\",\"type\":\"server_error\",\"code\":500}}\n\n";
    for speaks in BOTH {
        for (name, count, act) in [
            ("an error event", 1, Act::Bytes(if speaks == Speaks::Anthropic { error } else { chat_error }.as_bytes().to_vec())),
            ("a cut", 1, Act::Cut),
            ("a reset", 1, Act::Reset),
            ("an empty stream", 0, Act::Bytes(b": nothing\n\n".to_vec())),
        ] {
            let first = Upstream::start(move |seen, _| speaks.answer(seen, &[text("from the first")]).after(count, act.clone()));
            let second = healthy(speaks);
            let gateway = pair(speaks, &first, &second, "");
            let reply = gateway.messages(&ask(true));
            let events = reply.events();
            assert!(reply.text().contains("from the"), "{name} {speaks:?}: {}", reply.text());
            assert!(!reply.text().contains("error"), "{name} {speaks:?}: {}", reply.text());
            assert_eq!(events.iter().filter(|event| event.name == "message_start").count(), 1, "{name} {speaks:?}");
            assert_eq!(events.last().unwrap().name, "message_stop", "{name} {speaks:?}");
            assert_eq!(reply.header("x-aimux-provider"), Some("up1"), "{name} {speaks:?}");
        }
    }
}

/// The blocks and how many frames of them come before the end: in mid-text, and in the middle of a tool's arguments.
fn interrupted(speaks: Speaks) -> [(&'static str, Vec<Block>, usize); 2] {
    let long = text("a text that is long enough to be cut in the middle of it");
    let call = tool("toolu_1", "Bash", json!({"command": "echo something long enough"}));
    let (text_at, tool_at) = if speaks == Speaks::Anthropic { (5, 8) } else { (3, 5) };
    [("mid-text", vec![long, text("more")], text_at), ("mid-tool", vec![text("one"), call], tool_at)]
}

#[test]
fn a_death_after_content_is_an_error_and_never_a_polite_end() {
    for speaks in BOTH {
        for (place, blocks, count) in interrupted(speaks) {
            for (how, act) in [("cut", Act::Cut), ("reset", Act::Reset), ("early end", Act::Bytes(b": end\n\n".to_vec()))] {
                let parts = blocks.clone();
                let act = act.clone();
                let first = Upstream::start(move |seen, _| speaks.answer(seen, &parts).after(count, act.clone()));
                let second = healthy(speaks);
                let gateway = pair(speaks, &first, &second, "");
                let what = format!("{place} {how} {speaks:?}");
                let reply = gateway.messages(&ask(true));
                let events = reply.events();
                assert!(events.iter().any(|event| event.name == "content_block_delta"), "{what}: content came");
                let last = events.last().unwrap();
                assert_eq!((last.name.as_str(), &last.data["type"]), ("error", &json!("error")), "{what}: {}", reply.text());
                assert!(last.data["error"]["message"].as_str().is_some_and(|message| message.contains("AIMUX-E0505")), "{what}: {last:?}");
                until("the log has the code", Duration::from_secs(5), || gateway.log().contains("code=AIMUX-E0505"));
                assert!(!reply.text().contains("message_stop"), "{what}");
                assert!(second.seen().is_empty(), "{what}: tried again after content");
            }
        }
    }
}

#[test]
fn a_death_after_content_gets_no_done_in_the_chat_dialect() {
    for speaks in BOTH {
        for (place, blocks, count) in interrupted(speaks) {
            for act in [Act::Cut, Act::Bytes(b": end\n\n".to_vec())] {
                let parts = blocks.clone();
                let upstream = Upstream::start(move |seen, _| speaks.answer(seen, &parts).after(count, act.clone()));
                let gateway = Gateway::before(speaks, &upstream);
                let reply = gateway.chat(&ask(true));
                assert!(!reply.text().contains("[DONE]"), "{place} {speaks:?}: {}", reply.text());
                let last = reply.events().last().unwrap().data.clone();
                assert!(last["error"]["message"].is_string() || !reply.is_complete, "{place} {speaks:?}: {}", reply.text());
                assert!(!reply.text().contains("\"finish_reason\":\"stop\""), "{place} {speaks:?}");
            }
        }
    }
}

#[test]
fn an_error_event_after_content_keeps_its_words() {
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"zebra busy\"}}\n\n";
    let upstream = Upstream::start(move |seen, _| {
        Speaks::Anthropic.answer(seen, &[text("some text that goes on and on")]).after(5, Act::Bytes(error.into()))
    });
    let gateway = Gateway::before(Speaks::Anthropic, &upstream);
    for reply in [gateway.messages(&ask(true)), gateway.chat(&ask(true))] {
        assert!(reply.text().contains("zebra busy"), "{}", reply.text());
        assert!(!reply.text().contains("message_stop") && !reply.text().contains("[DONE]"), "{}", reply.text());
    }
}

#[test]
fn a_limit_is_relayed_with_its_retry_after() {
    for speaks in BOTH {
        let upstream = Upstream::start(move |_, _| speaks.refusal(429, "zebra limit").header("retry-after", "17"));
        let gateway = Gateway::before(speaks, &upstream);
        let reply = gateway.messages(&ask(true));
        assert_eq!((reply.status, reply.header("retry-after")), (429, Some("17")), "{speaks:?} {}", reply.text());
        assert_eq!(reply.json()["type"], "error");
        assert!(reply.text().contains("zebra limit"), "{}", reply.text());
    }
}

#[test]
fn a_short_retry_after_is_waited_for_inside() {
    let upstream = Upstream::start(|seen, before| match before {
        0 => Speaks::Anthropic.refusal(429, "a moment").header("retry-after", "1"),
        _ => Speaks::Anthropic.answer(seen, &[text("after the wait")]),
    });
    let gateway = Gateway::before(Speaks::Anthropic, &upstream);
    let reply = gateway.messages(&ask(true));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.text().contains("after the "), "{}", reply.text());
    assert_eq!(upstream.seen().len(), 2);
}

#[test]
fn overload_is_529_for_anthropic_clients_and_503_for_others() {
    for speaks in BOTH {
        let upstream = Upstream::start(move |_, _| speaks.refusal(529, "overloaded"));
        let gateway = Gateway::before(speaks, &upstream);
        assert_eq!(gateway.messages(&ask(false)).status, 529, "{speaks:?}");
        let chat = gateway.chat(&ask(false)).status;
        assert!(chat == 503 || (speaks == Speaks::Chat && chat == 529), "{speaks:?}: {chat}");
    }
}

#[test]
fn a_total_failure_costs_few_attempts() {
    let upstream = Upstream::start(|_, _| Speaks::Chat.refusal(500, "oops"));
    let gateway = Gateway::before(Speaks::Chat, &upstream);
    let reply = gateway.messages(&ask(false));
    assert!((500..=504).contains(&reply.status), "{}", reply.status);
    assert!(upstream.seen().len() <= 3, "{} attempts", upstream.seen().len());
}

#[test]
fn silence_is_filled_with_what_counts_as_life() {
    for speaks in BOTH {
        let upstream = Upstream::start(move |seen, _| {
            speaks.answer(seen, &[text("before the silence, and after the silence")]).pause(4, Duration::from_millis(3500))
        });
        let gateway = Gateway::start(&config(&[(speaks, &upstream)], "\"*\": [up0/m]", "limits: { keep_alive_s: 1 }"));
        let reply = gateway.messages(&ask(true));
        let events = reply.events();
        let empty = events.iter().filter(|event| event.data["delta"]["text"] == "").count();
        assert!((2..=4).contains(&empty), "{speaks:?}: {empty} empty deltas: {}", reply.text());
        let whole: String = events.iter().filter_map(|event| event.data["delta"]["text"].as_str()).collect();
        assert_eq!(whole, "before the silence, and after the silence");
        assert_eq!(events.last().unwrap().name, "message_stop");

        let reply = gateway.chat(&ask(true));
        let chunks = reply.events();
        let life = chunks.iter().filter(|event| {
            let delta = &event.data["choices"][0]["delta"];
            delta.is_object() && event.data["choices"][0]["finish_reason"].is_null() && delta["content"].as_str().unwrap_or("").is_empty()
        });
        assert!(life.count() >= 2, "{speaks:?}: {}", reply.text());
        assert_eq!(chunks.last().unwrap().data, "[DONE]");
    }
}

#[test]
fn silence_before_any_content_keeps_the_client_too() {
    for speaks in BOTH {
        let upstream = Upstream::start(move |seen, _| speaks.answer(seen, &[text("at last")]).late(Duration::from_secs(18)));
        let gateway = Gateway::start(&config(&[(speaks, &upstream)], "\"*\": [up0/m]", "limits: { keep_alive_s: 1 }"));
        let reply = gateway.messages(&ask(true));
        let events = reply.events();
        assert!(reply.times[0].0 < Duration::from_millis(16_500), "the start is sent after 15 s: {:?}", reply.times[0]);
        assert_eq!(events.iter().filter(|event| event.name == "message_start").count(), 1, "{}", reply.text());
        assert_eq!(events.last().unwrap().name, "message_stop", "{}", reply.text());
        let whole: String = events.iter().filter_map(|event| event.data["delta"]["text"].as_str()).collect();
        assert_eq!(whole, "at last");
        let indexes: Vec<u64> =
            events.iter().filter(|event| event.name == "content_block_start").map(|event| event.data["index"].as_u64().unwrap()).collect();
        assert_eq!(indexes, (0..indexes.len() as u64).collect::<Vec<_>>(), "{}", reply.text());
    }
}

#[test]
fn a_stream_that_stays_silent_is_given_up_with_an_error() {
    let upstream = Upstream::start(|seen, _| {
        Speaks::Anthropic.answer(seen, &[text("before the silence, and after the silence")]).pause(4, Duration::from_secs(30))
    });
    let gateway = Gateway::start(&config(&[(Speaks::Anthropic, &upstream)], "\"*\": [up0/m]", "limits: { stream_idle_s: 2 }"));
    let reply = gateway.messages(&ask(true));
    assert_eq!(reply.events().last().unwrap().name, "error", "{}", reply.text());
    assert!(reply.times.last().unwrap().0 < Duration::from_secs(6));
}

#[test]
fn a_whole_answer_that_comes_late_goes_to_the_next_target_after_its_limit() {
    let first = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("late")]).late(Duration::from_secs(30)));
    let second = healthy(Speaks::Chat);
    let gateway = pair(Speaks::Chat, &first, &second, "limits: { first_byte_s: 1, first_byte_whole_s: 1 }");
    for is_stream in [false, true] {
        let reply = gateway.messages(&ask(is_stream));
        assert!(reply.status == 200 && reply.text().contains("from the "), "{}", reply.text());
    }
}

#[test]
fn nonsense_from_a_provider_is_a_502_that_says_so() {
    for body in ["", "<html>hello</html>", "[1,2", "{\"unexpected\":true}"] {
        let upstream = Upstream::start(move |_, _| Answer::json(200, body));
        let gateway = Gateway::before(Speaks::Chat, &upstream);
        let reply = gateway.messages(&ask(false));
        assert_eq!(reply.status, 502, "{body:?}: {}", reply.text());
        assert_eq!(reply.json()["type"], "error");
    }
}

#[test]
fn a_parked_connection_that_died_costs_nothing() {
    let upstream = Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[text("fine")]).header("connection", "close"));
    let gateway = Gateway::before(Speaks::Anthropic, &upstream);
    for _ in 0..5 {
        let reply = gateway.messages(&ask(false));
        assert_eq!((reply.status, reply.header("x-aimux-attempts")), (200, Some("1")), "{}", reply.text());
    }
}
