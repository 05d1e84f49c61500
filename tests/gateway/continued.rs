//! Streams that break off in their text and are gone on with at another target, where the rule says so: what the client gets is
//! one answer, whoever said which part of it; and what must not be gone on with is not.

use std::time::Duration;

use serde_json::{Value, json};

use crate::exposition::Exposition;
use crate::gateway::{Gateway, config, until};
use crate::http::Whole;
use crate::replies::{Speaks, text, thinking, tool};
use crate::upstream::{Act, Answer, Outcome, Seen, Upstream};

const BOTH: [Speaks; 2] = [Speaks::Anthropic, Speaks::Chat];
/// What the first one says before it dies, in four pieces, and what it would have said.
const FIRST: &str = "The quick brown fox jumps over the lazy dog and more that nobody hears";
const HEARD: &str = "The quick brown fox jumps over the lazy dog and ";
const REST: &str = "then sleeps until noon.";
const NEVER: Duration = Duration::from_secs(60);

/// How many frames of a stream say [`HEARD`].
fn frames(speaks: Speaks) -> usize {
    // Anthropic: start, ping, block; Chat: the role.
    if speaks == Speaks::Anthropic { 3 + 4 } else { 1 + 4 }
}

/// Some of it is on its way before it dies: what comes along with the first content is no more than a failed attempt.
fn first(speaks: Speaks, seen: &Seen, death: Act) -> Answer {
    speaks.answer(seen, &[text(FIRST)]).after(frames(speaks), death).pause(frames(speaks) - 2, Duration::from_millis(60))
}

/// What a model says that goes on as it is asked to: the words that it is to begin with, then `rest`.
fn goes_on(speaks: Speaks, seen: &Seen, rest: &str) -> Answer {
    let words = last_words(seen).unwrap_or_default();
    speaks.answer(seen, &[text(&format!("{words}{rest}"))])
}

/// The words that a request asks to begin with.
fn last_words(seen: &Seen) -> Option<String> {
    let body = seen.json();
    let asked = body["messages"].as_array()?.last()?["content"].as_str()?.to_owned();
    Some(asked.split_once("<last-words>")?.1.split_once("</last-words>")?.0.to_owned())
}

fn entry(targets: &str) -> String {
    format!("\"*\": {{ use: [{targets}], continue: text }}")
}

fn ask(gateway: &Gateway, client: Speaks, more: &Value) -> Whole {
    let mut body = json!({"model": "x", "max_tokens": 1000, "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    if client == Speaks::Anthropic { gateway.messages(&body) } else { gateway.chat(&body) }
}

/// What a client understood of a stream.
#[derive(Debug, Default, PartialEq)]
struct Understood {
    id: String,
    /// Kind and content of each block; of a Chat stream, thinking, text and calls.
    blocks: Vec<(String, String)>,
    reason: String,
    usage: Value,
    error: String,
    signatures: Vec<String>,
}

impl Understood {
    fn text(&self) -> String {
        self.blocks.iter().filter(|(kind, _)| kind == "text").map(|(_, text)| text.as_str()).collect()
    }
}

/// Reads a stream as strictly as its dialect may be read.
fn understood(client: Speaks, reply: &Whole) -> Understood {
    assert_eq!((reply.status, reply.is_complete), (200, true), "{}", reply.text());
    if client == Speaks::Anthropic { messages(reply) } else { chat(reply) }
}

fn messages(reply: &Whole) -> Understood {
    let (mut got, mut open, mut is_over) = (Understood::default(), None, false);
    for (nth, event) in reply.events().into_iter().enumerate() {
        let data = &event.data;
        assert!(!is_over, "after the end: {data}");
        assert_eq!(data["type"], event.name.as_str());
        assert_eq!(nth == 0, event.name == "message_start", "one start, at the start: {}", reply.text());
        match event.name.as_str() {
            "message_start" => got.id = data["message"]["id"].as_str().unwrap().to_owned(),
            "content_block_start" => {
                assert_eq!((open, data["index"].as_u64()), (None, Some(got.blocks.len() as u64)), "{}", reply.text());
                open = data["index"].as_u64();
                let kind = data["content_block"]["type"].as_str().unwrap();
                got.blocks.push((kind.to_owned(), String::new()));
            }
            "content_block_delta" => {
                assert!(open.is_some() && data["index"].as_u64() == open, "{}", reply.text());
                let (kind, content) = got.blocks.last_mut().unwrap();
                let member = match (kind.as_str(), data["delta"]["type"].as_str().unwrap()) {
                    ("text", "text_delta") => "text",
                    ("thinking", "thinking_delta") => "thinking",
                    ("tool_use", "input_json_delta") => "partial_json",
                    ("thinking", "signature_delta") => {
                        got.signatures.push(data["delta"]["signature"].as_str().unwrap().to_owned());
                        continue;
                    }
                    odd => panic!("{odd:?} in {}", reply.text()),
                };
                content.push_str(data["delta"][member].as_str().unwrap());
            }
            "content_block_stop" => assert_eq!(open.take(), data["index"].as_u64()),
            "message_delta" => {
                assert_eq!(open, None);
                got.reason = data["delta"]["stop_reason"].as_str().unwrap().to_owned();
                got.usage = data["usage"].clone();
            }
            "message_stop" => is_over = true,
            "error" => {
                got.error = data["error"]["message"].as_str().unwrap().to_owned();
                is_over = true;
            }
            "ping" => {}
            other => panic!("{other}"),
        }
    }
    assert!(is_over, "{}", reply.text());
    got
}

fn chat(reply: &Whole) -> Understood {
    let (mut got, mut is_over) = (Understood::default(), false);
    let (mut thoughts, mut said, mut calls) = (String::new(), String::new(), String::new());
    let events = reply.events();
    for event in &events {
        assert!(!is_over, "after the end: {}", reply.text());
        if event.data == "[DONE]" || !event.data["error"].is_null() {
            got.error = event.data["error"]["message"].as_str().unwrap_or_default().to_owned();
            is_over = true;
            continue;
        }
        let id = event.data["id"].as_str().unwrap();
        assert!(got.id.is_empty() || got.id == id, "one id: {}", reply.text());
        id.clone_into(&mut got.id);
        if event.data["usage"].is_object() {
            got.usage = event.data["usage"].clone();
        }
        let choice = &event.data["choices"][0];
        assert!(got.reason.is_empty() || choice.is_null(), "something after the reason: {}", reply.text());
        thoughts += choice["delta"]["reasoning_content"].as_str().unwrap_or_default();
        said += choice["delta"]["content"].as_str().unwrap_or_default();
        calls += choice["delta"]["tool_calls"][0]["function"]["arguments"].as_str().unwrap_or_default();
        if let Some(reason) = choice["finish_reason"].as_str() {
            reason.clone_into(&mut got.reason);
        }
    }
    assert!(is_over, "{}", reply.text());
    let roles = events.iter().filter(|event| event.data["choices"][0]["delta"]["role"].is_string()).count();
    assert_eq!(roles, 1, "{}", reply.text());
    let all = [("thinking", thoughts), ("text", said), ("tool_use", calls)];
    got.blocks = all.into_iter().filter(|(_, content)| !content.is_empty()).map(|(kind, content)| (kind.to_owned(), content)).collect();
    got
}

fn ended(client: Speaks) -> &'static str {
    if client == Speaks::Anthropic { "end_turn" } else { "stop" }
}

/// The line of the access log of the only request.
fn line(gateway: &Gateway) -> String {
    let mut found = String::new();
    until("the request is in the log", Duration::from_secs(5), || {
        found = gateway.log().lines().find(|line| line.contains("aimux::access")).unwrap_or_default().to_owned();
        !found.is_empty()
    });
    found
}

#[test]
fn a_text_that_breaks_off_is_gone_on_with_in_every_pair_of_dialects() {
    for (one, other, client) in (0..8).map(|n| (BOTH[n & 1], BOTH[n >> 1 & 1], BOTH[n >> 2])) {
        let what = format!("{one:?} then {other:?} for {client:?}");
        let dies = Upstream::start(move |seen, _| first(one, seen, Act::Cut));
        let goes = Upstream::start(move |seen, _| goes_on(other, seen, REST));
        let gateway = Gateway::start(&config(&[(one, &dies), (other, &goes)], &entry("up0/m, up1/m"), ""));
        let reply = ask(&gateway, client, &json!({"stream_options": {"include_usage": true}}));
        let got = understood(client, &reply);
        assert_eq!(got.error, "", "{what}");
        assert_eq!(got.blocks, [("text".to_owned(), format!("{HEARD}{REST}"))], "{what}");
        assert_eq!(got.reason, ended(client), "{what}");
        // What the first one said is about twelve tokens, and the second one tells 56.
        let output = got.usage["output_tokens"].as_u64().or(got.usage["completion_tokens"].as_u64()).unwrap();
        assert!((57..90).contains(&output), "{what}: {}", got.usage);
        let seen = goes.seen().pop().unwrap();
        let body = seen.json();
        let asked = body["messages"].as_array().unwrap();
        assert_eq!((asked.len(), asked[1]["role"].as_str()), (3, Some("assistant")), "{what}: {body}");
        assert_eq!(asked[1]["content"].as_str(), Some(HEARD), "{what}");
        assert_eq!(last_words(&seen).as_deref(), Some(HEARD.trim_end()), "{what}");
        assert!(body["max_tokens"].as_u64().unwrap() < 1000, "what was said counts: {what}");
        let line = line(&gateway);
        assert!(line.contains("continued=1") && line.contains("attempts=2") && line.contains("ending=\"complete\""), "{what}: {line}");
        assert!(line.contains("provider=up1"), "{what}: {line}");
        assert_eq!((dies.seen().len(), goes.seen().len()), (1, 1), "{what}");
    }
}

#[test]
fn the_request_of_the_same_dialect_is_the_clients_own_but_for_what_was_said() {
    let dies = Upstream::start(|seen, _| first(Speaks::Anthropic, seen, Act::Cut));
    let goes = Upstream::start(|seen, _| goes_on(Speaks::Anthropic, seen, REST));
    let pair = [(Speaks::Anthropic, &dies), (Speaks::Anthropic, &goes)];
    let gateway = Gateway::start(&config(&pair, &entry("up0/x, up1/x"), ""));
    let body = r#"{"stream":true ,"unheard_of":[1e2],"messages":[{"content":"\u0068i","role":"user"} ],"model":"x"}"#;
    assert_eq!(gateway.call("POST", "/v1/messages", body.as_bytes()).status, 200);
    let (one, other) = (dies.seen().remove(0).text(), goes.seen().remove(0).text());
    assert_eq!(one, body);
    let (head, tail) = body.split_once("],\"model\"").unwrap();
    assert!(other.starts_with(head) && other.ends_with(&format!("],\"model\"{tail}")), "{other}");
}

/// An event that says that the provider is overloaded.
fn error_event(speaks: Speaks) -> Vec<u8> {
    match speaks {
        Speaks::Anthropic => {
            b"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"zebra\"}}\n\n".to_vec()
        }
        Speaks::Chat => b"data: {\"error\":{\"message\":\"zebra\",\"code\":529}}\n\n".to_vec(),
    }
}

/// How an upstream of a dialect dies.
type Death = fn(Speaks) -> Act;

#[test]
fn every_way_to_die_in_mid_text_is_gone_on_from() {
    let deaths: [(&str, Death); 7] = [
        ("cut", |_| Act::Cut),
        ("reset", |_| Act::Reset),
        ("an end without a reason", |_| Act::Bytes(b": end\n\n".to_vec())),
        ("an error event", |speaks| Act::Bytes(error_event(speaks))),
        ("nonsense", |_| Act::Bytes(b"event: content_block_start\ndata: {what\n\n".to_vec())),
        ("silence", |_| Act::Pause(NEVER)),
        ("an endless line", |_| Act::Bytes([b"data: ".as_slice(), &[b'x'; (1 << 20) + 1]].concat())),
    ];
    let limits = "limits: { stream_idle_s: 1, frame_mb: 1, keep_alive_s: 1 }";
    for (name, death) in deaths {
        for (speaks, client) in (0..4).map(|n| (BOTH[n & 1], BOTH[n >> 1])) {
            let dies = Upstream::start(move |seen, _| first(speaks, seen, death(speaks)));
            let goes = Upstream::start(move |seen, _| goes_on(speaks, seen, REST));
            let gateway = Gateway::start(&config(&[(speaks, &dies), (speaks, &goes)], &entry("up0/m, up1/m"), limits));
            let got = understood(client, &ask(&gateway, client, &json!({})));
            assert_eq!((got.text(), got.error.as_str()), (format!("{HEARD}{REST}"), ""), "{name} of {speaks:?} for {client:?}");
            assert_eq!(got.blocks.len(), 1, "{name} of {speaks:?} for {client:?}");
        }
    }
}

/// Two upstreams of which the first dies as `dies` says, and the second would go on.
fn scene(speaks: Speaks, dies: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> (Upstream, Upstream, Gateway) {
    let dies = Upstream::start(move |seen, _| dies(seen));
    let goes = Upstream::start(move |seen, _| goes_on(speaks, seen, REST));
    let gateway = Gateway::start(&config(&[(speaks, &dies), (speaks, &goes)], &entry("up0/m, up1/m"), ""));
    (dies, goes, gateway)
}

#[test]
fn a_call_that_has_begun_is_never_gone_on_with() {
    for (speaks, client) in (0..4).map(|n| (BOTH[n & 1], BOTH[n >> 1])) {
        for blocks in [vec![tool("toolu_1", "run", json!({"command": "ls -la"}))], vec![text("I look."), tool("t", "run", json!({"a": 1}))]]
        {
            let (dies, goes, gateway) = scene(speaks, move |seen| {
                let answer = speaks.answer(seen, &blocks);
                let count = answer.acts.len() - 3;
                answer.after(count, Act::Cut)
            });
            let tools = match client {
                Speaks::Anthropic => json!([{"name": "run", "input_schema": {"type": "object"}}]),
                Speaks::Chat => json!([{"type": "function", "function": {"name": "run", "parameters": {"type": "object"}}}]),
            };
            let got = understood(client, &ask(&gateway, client, &json!({"tools": tools})));
            assert!(got.error.contains("AIMUX-E0505"), "{speaks:?} for {client:?}: {got:?}");
            let line = line(&gateway);
            assert!(line.contains("not_continued=\"a tool call has begun\"") && !line.contains(" continued="), "{line}");
            assert_eq!((dies.seen().len(), goes.seen().len()), (1, 0), "{speaks:?} for {client:?}");
        }
    }
}

#[test]
fn an_answer_whose_reason_to_end_is_known_is_ended_and_not_gone_on_with() {
    for (speaks, client) in (0..4).map(|n| (BOTH[n & 1], BOTH[n >> 1])) {
        let (_dies, goes, gateway) = scene(speaks, move |seen| {
            let answer = speaks.answer(seen, &[text("All of it.")]);
            // All but `message_stop`; all but usage and `[DONE]`.
            let count = answer.acts.len() - if speaks == Speaks::Anthropic { 1 } else { 2 };
            answer.after(count, Act::Cut)
        });
        let got = understood(client, &ask(&gateway, client, &json!({})));
        assert_eq!((got.text().as_str(), got.reason.as_str(), got.error.as_str()), ("All of it.", ended(client), ""), "{speaks:?}");
        assert_eq!(goes.seen().len(), 0);
    }
}

#[test]
fn without_the_rule_a_broken_stream_ends_with_its_error() {
    for client in BOTH {
        let dies = Upstream::start(|seen, _| first(Speaks::Chat, seen, Act::Cut));
        let goes = Upstream::start(|seen, _| goes_on(Speaks::Chat, seen, REST));
        for models in ["\"*\": [up0/m, up1/m]", "\"*\": { use: [up0/m, up1/m], continue: off }"] {
            let gateway = Gateway::start(&config(&[(Speaks::Chat, &dies), (Speaks::Chat, &goes)], models, ""));
            let got = understood(client, &ask(&gateway, client, &json!({})));
            assert!(got.error.contains("AIMUX-E0505") && got.text() == HEARD, "{got:?}");
            assert!(!line(&gateway).contains("continued"));
        }
        assert_eq!(goes.seen().len(), 0);
    }
}

#[test]
fn what_was_thought_is_left_out_of_the_request_and_never_shown_twice() {
    const THOUGHT: &str = "Let me think it over";
    for (speaks, client) in (0..4).map(|n| (BOTH[n & 1], BOTH[n >> 1])) {
        let what = format!("{speaks:?} for {client:?}");
        // The second one thinks too.
        let second = move |seen: &Seen| {
            let words = last_words(seen).unwrap_or_default();
            speaks.answer(seen, &[thinking("I go on"), text(&format!("{words}{REST}"))])
        };
        // Death after the text has begun: what the second one thinks has no place any more.
        let dies = Upstream::start(move |seen, _| {
            let more = if speaks == Speaks::Anthropic { 2 + 2 + 2 + 1 } else { 1 + 2 };
            speaks.answer(seen, &[thinking(THOUGHT), text(FIRST)]).after(more + 4, Act::Cut)
        });
        let goes = Upstream::start(move |seen, _| second(seen));
        let gateway = Gateway::start(&config(&[(speaks, &dies), (speaks, &goes)], &entry("up0/m, up1/m"), ""));
        let got = understood(client, &ask(&gateway, client, &json!({})));
        let said = got.text();
        assert!(said.starts_with("The quick brown fox") && said.ends_with(REST) && got.error.is_empty(), "{what}: {got:?}");
        assert_eq!(got.blocks.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), ["thinking", "text"], "{what}");
        assert_eq!(got.blocks[0].1, THOUGHT, "{what}");
        assert!(!goes.seen()[0].text().contains(THOUGHT), "{what}");
        assert!(line(&gateway).contains("answer.thinking"), "the loss is told: {what}");

        // Death while it thinks: nothing was said, so the request is as it was.
        let dies = Upstream::start(move |seen, _| {
            speaks.answer(seen, &[thinking(THOUGHT), text(FIRST)]).after(if speaks == Speaks::Anthropic { 4 } else { 2 }, Act::Cut)
        });
        let goes = Upstream::start(move |seen, _| second(seen));
        let gateway = Gateway::start(&config(&[(speaks, &dies), (speaks, &goes)], &entry("up0/m, up1/m"), ""));
        let got = understood(client, &ask(&gateway, client, &json!({})));
        assert_eq!((got.text().as_str(), got.error.as_str()), (REST, ""), "{what}: {got:?}");
        let thoughts: Vec<&str> = got.blocks.iter().filter(|(kind, _)| kind == "thinking").map(|(_, text)| text.as_str()).collect();
        if client == Speaks::Anthropic {
            // Each in a block of its own, and nobody's signature under the half of the first.
            assert_eq!(thoughts, ["Let me think", "I go on"], "{what}");
            assert!(got.signatures[0].starts_with("aimux1.unsigned."), "{what}: {:?}", got.signatures);
        } else {
            assert_eq!(thoughts, ["Let me think"], "{what}");
        }
        let messages = goes.seen()[0].json()["messages"].clone();
        assert_eq!(messages.as_array().unwrap().len(), 1, "{what}: {messages}");
    }
}

/// The answer with other words in its frames.
fn replaced(answer: Answer, from: &str, to: &str) -> Answer {
    let acts = answer.acts.into_iter().map(|act| match act {
        Act::Bytes(bytes) => Act::Bytes(String::from_utf8(bytes).unwrap().replace(from, to).into_bytes()),
        other => other,
    });
    Answer { acts: acts.collect(), ..answer }
}

#[test]
fn it_is_gone_on_with_as_often_as_the_config_says() {
    for (most, client) in [(0, Speaks::Anthropic), (1, Speaks::Chat), (2, Speaks::Anthropic), (2, Speaks::Chat)] {
        let speaks = Speaks::Anthropic;
        let upstreams = ["one two three four five ", "six seven eight nine ten ", "eleven twelve thirteen "].map(|said| {
            Upstream::start(move |seen, _| {
                let answer = goes_on(speaks, seen, &format!("{said}{}", "and so on ".repeat(9)));
                let words = last_words(seen).map_or(0, |words| words.chars().count());
                // The second one counts otherwise.
                let answer = if said.starts_with("six") { replaced(answer, "1234", "4321") } else { answer };
                answer.after(3 + (words + said.len()).div_ceil(12), Act::Cut)
            })
        });
        let last = Upstream::start(move |seen, _| goes_on(speaks, seen, "the end."));
        let all = [&upstreams[0], &upstreams[1], &last].map(|upstream| (speaks, upstream));
        let text = config(&all, &entry("up0/m, up1/m, up2/m"), &format!("retry: {{ continuations: {most} }}"));
        let gateway = Gateway::start(&text);
        let got = understood(client, &ask(&gateway, client, &json!({})));
        let line = line(&gateway);
        if most == 2 {
            assert!(got.error.is_empty() && got.text().ends_with("the end."), "{got:?}");
            assert!(line.contains("continued=2") && line.contains("attempts=3"), "{line}");
            assert!(client == Speaks::Chat || got.usage["input_tokens"] == 1234, "the input of the first is told: {}", got.usage);
        } else {
            assert!(got.error.contains("AIMUX-E0505"), "{most}: {got:?}");
            assert!(line.contains("not_continued=\"as often as retry.continuations allows\""), "{line}");
            assert_eq!(last.seen().len(), 0);
        }
        assert!(got.text().starts_with("one two three four five "), "{got:?}");
        assert_eq!(got.text().matches("three four").count(), 1, "{got:?}");
        assert_eq!(got.text().contains("eight nine"), most > 0, "{got:?}");
        assert_eq!(got.blocks.len(), 1);
    }
}

#[test]
fn who_refuses_to_go_on_is_followed_by_the_next_and_when_all_refuse_the_first_failure_is_told() {
    for (speaks, client) in (0..4).map(|n| (BOTH[n & 1], BOTH[n >> 1])) {
        let dies = Upstream::start(move |seen, _| first(speaks, seen, Act::Bytes(error_event(speaks))));
        let refuses = Upstream::start(move |_, _| speaks.refusal(500, "giraffe"));
        let goes = Upstream::start(move |seen, _| goes_on(speaks, seen, REST));
        let all = [(speaks, &dies), (speaks, &refuses), (speaks, &goes)];
        let gateway = Gateway::start(&config(&all, &entry("up0/m, up1/m, up2/m"), ""));
        let got = understood(client, &ask(&gateway, client, &json!({})));
        assert_eq!((got.text(), got.error.as_str()), (format!("{HEARD}{REST}"), ""), "{speaks:?} for {client:?}");
        assert!(line(&gateway).contains("attempts=3"));

        let text = config(&all, &entry("up0/m, up1/m"), "retry: { attempts_per_target: 1 }");
        let gateway = Gateway::start(&text);
        let got = understood(client, &ask(&gateway, client, &json!({})));
        assert!(got.error.contains("zebra") && !got.error.contains("giraffe"), "{speaks:?} for {client:?}: {got:?}");
        assert_eq!(got.text(), HEARD);
        let line = line(&gateway);
        assert!(line.contains("ending=\"failed\"") && line.contains("attempts=2"), "{line}");
    }
}

#[test]
fn the_only_target_may_go_on_with_its_own_answer() {
    let upstream = Upstream::start(|seen, count| match count {
        0 => first(Speaks::Chat, seen, Act::Reset),
        _ => goes_on(Speaks::Chat, seen, REST),
    });
    let gateway = Gateway::start(&config(&[(Speaks::Chat, &upstream)], &entry("up0/m"), ""));
    let got = understood(Speaks::Anthropic, &ask(&gateway, Speaks::Anthropic, &json!({})));
    assert_eq!((got.text(), got.error.as_str()), (format!("{HEARD}{REST}"), ""));
    assert_eq!(upstream.seen().len(), 2);
}

#[test]
fn repeats_stay_within_their_budget() {
    let goes = Upstream::start(|seen, _| goes_on(Speaks::Chat, seen, REST));
    let dies = Upstream::start(|seen, _| first(Speaks::Chat, seen, Act::Cut));
    let extra = "retry: { budget_percent: 0, budget_per_s: 0 }";
    let gateway = Gateway::start(&config(&[(Speaks::Chat, &dies), (Speaks::Chat, &goes)], &entry("up0/m, up1/m"), extra));
    let got = understood(Speaks::Chat, &ask(&gateway, Speaks::Chat, &json!({})));
    assert!(got.error.contains("AIMUX-E0505"), "{got:?}");
    assert!(line(&gateway).contains("not_continued=\"the budget of repeats is used up\""));
    assert_eq!(goes.seen().len(), 0);
}

#[test]
fn a_client_that_leaves_meanwhile_ends_it_and_one_that_waits_is_kept_patient() {
    let speaks = Speaks::Anthropic;
    let dies = Upstream::start(move |seen, _| first(speaks, seen, Act::Cut));
    let slow = Upstream::start(move |seen, _| goes_on(speaks, seen, REST).late(Duration::from_secs(3)));
    let pair = [(speaks, &dies), (speaks, &slow)];
    let gateway = Gateway::start(&config(&pair, &entry("up0/m, up1/m"), "limits: { keep_alive_s: 1 }"));
    let reply = ask(&gateway, speaks, &json!({}));
    let empty = reply.events().iter().filter(|event| event.data["delta"]["text"] == "").count();
    assert!(empty >= 2, "{}", reply.text());
    assert_eq!(understood(speaks, &reply).text(), format!("{HEARD}{REST}"));

    let body = json!({"model": "x", "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "hi"}]}).to_string();
    let mut reply = gateway.send("POST", "/v1/messages", body.as_bytes());
    assert!(reply.piece().is_some());
    until("the second is asked", Duration::from_secs(5), || slow.seen().len() == 2);
    drop(reply);
    until("it is told to stop", Duration::from_secs(2), || slow.seen()[1].outcome == Outcome::ClientGone);
    until("nothing is left", Duration::from_secs(5), || gateway.tasks()["requests"] == 0);
    assert!(gateway.log().contains("ending=\"client_gone\""), "{}", gateway.log());
}

#[test]
fn the_deadline_of_the_whole_request_holds() {
    let dies = Upstream::start(|seen, _| first(Speaks::Chat, seen, Act::Cut));
    let slow = Upstream::start(|seen, _| goes_on(Speaks::Chat, seen, REST).late(NEVER));
    for client in BOTH {
        let pair = [(Speaks::Chat, &dies), (Speaks::Chat, &slow)];
        let gateway = Gateway::start(&config(&pair, &entry("up0/m, up1/m"), "retry: { deadline_s: 2 }"));
        let began = std::time::Instant::now();
        let got = understood(client, &ask(&gateway, client, &json!({})));
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        assert!(got.error.contains("deadline_s") && got.error.contains("AIMUX-E0504"), "{got:?}");
    }
}

#[test]
fn who_goes_on_may_call_a_tool() {
    for (speaks, client) in (0..4).map(|n| (BOTH[n & 1], BOTH[n >> 1])) {
        let dies = Upstream::start(move |seen, _| first(speaks, seen, Act::Cut));
        let calls = Upstream::start(move |seen, _| {
            let words = last_words(seen).unwrap();
            speaks.answer(seen, &[text(&format!("{words}I look.")), tool("toolu_9", "run", json!({"command": "ls"}))])
        });
        let gateway = Gateway::start(&config(&[(speaks, &dies), (speaks, &calls)], &entry("up0/m, up1/m"), ""));
        let tools = match client {
            Speaks::Anthropic => json!([{"name": "run", "input_schema": {"type": "object"}}]),
            Speaks::Chat => json!([{"type": "function", "function": {"name": "run", "parameters": {"type": "object"}}}]),
        };
        let got = understood(client, &ask(&gateway, client, &json!({"tools": tools})));
        let call = ("tool_use".to_owned(), r#"{"command":"ls"}"#.to_owned());
        assert_eq!(got.blocks, [("text".to_owned(), format!("{HEARD}I look.")), call], "{speaks:?} for {client:?}");
        assert_eq!(got.reason, if client == Speaks::Anthropic { "tool_use" } else { "tool_calls" });
    }
}

#[test]
fn an_answer_that_comes_whole_goes_on_as_well_and_what_is_repeated_is_said_once() {
    for client in BOTH {
        let dies = Upstream::start(|seen, _| first(Speaks::Chat, seen, Act::Cut));
        // It says everything again, and all at once.
        let whole = Upstream::start(|_, _| Answer::json(200, crate::replies::chat_body(&[text(&format!("{HEARD}{REST}"))]).to_string()));
        let gateway = Gateway::start(&config(&[(Speaks::Chat, &dies), (Speaks::Chat, &whole)], &entry("up0/m, up1/m"), ""));
        let got = understood(client, &ask(&gateway, client, &json!({})));
        assert_eq!((got.text(), got.reason.as_str(), got.error.as_str()), (format!("{HEARD}{REST}"), ended(client), ""));
    }
}

#[test]
fn what_is_more_than_text_is_not_gone_on_with() {
    let (dies, goes, gateway) = scene(Speaks::Chat, |seen| first(Speaks::Chat, seen, Act::Cut));
    let format = json!({"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}});
    for more in [json!({"n": 2}), json!({"logprobs": true}), json!({"response_format": format})] {
        let got = understood(Speaks::Chat, &ask(&gateway, Speaks::Chat, &more));
        assert!(got.error.contains("AIMUX-E0505"), "{more}: {got:?}");
    }
    assert_eq!((dies.seen().len(), goes.seen().len()), (3, 0));
}

/// A config whose providers are presets at upstreams of ours, each asked for one model.
fn presets(upstreams: &[(&str, &str, &Upstream)], extra: &str) -> String {
    let mut text = "version: 1\nserver: { listen: \"127.0.0.1:0\", token: { env: AIMUX_CLIENT_TOKEN } }\nproviders:\n".to_owned();
    let mut targets = Vec::new();
    for (nth, (preset, model, upstream)) in upstreams.iter().enumerate() {
        let dialect = if *preset == "anthropic" { "anthropic" } else { "openai-chat" };
        let url = upstream.url() + if dialect == "anthropic" { "" } else { "/v1" };
        text += &format!("  p{nth}: {{ preset: {preset}, dialect: {dialect}, base_url: \"{url}\", key: {{ env: UPSTREAM_KEY }} }}\n");
        targets.push(format!("p{nth}/{model}"));
    }
    text + &format!("models:\n  {}\n{extra}\n", entry(&targets.join(", ")))
}

#[test]
fn who_takes_the_beginning_of_its_answer_gets_just_that() {
    let said = json!({"role": "assistant", "content": HEARD.trim_end()});
    let marked = |mark: &str| {
        let mut said = said.clone();
        said[mark] = true.into();
        said
    };
    let cases: [(&str, &str, Value, bool); 6] = [
        ("anthropic", "claude-haiku-4-5", said.clone(), false),
        ("mistral", "mistral-large-latest", marked("prefix"), true),
        ("moonshot", "kimi-k2-0905-preview", marked("partial"), false),
        // These take none.
        ("anthropic", "claude-opus-4-8", Value::Null, false),
        ("openai", "gpt-5", Value::Null, false),
        ("moonshot", "kimi-k2.6", Value::Null, false),
    ];
    for (preset, model, last, echoes) in cases {
        let speaks = if preset == "anthropic" { Speaks::Anthropic } else { Speaks::Chat };
        let dies = Upstream::start(|seen, _| first(Speaks::Chat, seen, Act::Cut));
        let goes = Upstream::start(move |seen, _| {
            let words = last_words(seen).unwrap_or_else(|| if echoes { HEARD.to_owned() } else { String::new() });
            speaks.answer(seen, &[text(&format!("{words}{REST}"))])
        });
        let gateway = Gateway::start(&presets(&[("openai", "gpt-5", &dies), (preset, model, &goes)], ""));
        let got = understood(Speaks::Chat, &ask(&gateway, Speaks::Chat, &json!({})));
        assert_eq!((got.text(), got.error.as_str()), (format!("{HEARD}{REST}"), ""), "{model}");
        let messages = goes.seen()[0].json()["messages"].clone();
        let got = messages.as_array().unwrap().last().unwrap();
        if last.is_null() {
            assert_eq!(got["role"], "user", "{model}: {messages}");
            assert!(last_words(&goes.seen()[0]).is_some(), "{model}");
        } else {
            assert_eq!(got, &last, "{model}: {messages}");
        }
    }
    // A model that thinks takes no beginning either.
    let dies = Upstream::start(|seen, _| first(Speaks::Anthropic, seen, Act::Cut));
    let goes = Upstream::start(|seen, _| goes_on(Speaks::Anthropic, seen, REST));
    let both = [("anthropic", "claude-haiku-4-5", &dies), ("anthropic", "claude-haiku-4-5", &goes)];
    let gateway = Gateway::start(&presets(&both, ""));
    let thinks = json!({"thinking": {"type": "enabled", "budget_tokens": 995}});
    let got = understood(Speaks::Anthropic, &ask(&gateway, Speaks::Anthropic, &thinks));
    assert_eq!(got.text(), format!("{HEARD}{REST}"));
    let body = goes.seen()[0].json();
    assert!(last_words(&goes.seen()[0]).is_some(), "{body}");
    assert_eq!(body["max_tokens"], 996, "never below the budget");
}

#[test]
fn both_halves_are_counted_and_paid_for_where_they_were_said() {
    let dies = Upstream::start(|seen, _| first(Speaks::Anthropic, seen, Act::Cut));
    let goes = Upstream::start(|seen, _| goes_on(Speaks::Anthropic, seen, REST));
    let both = [("anthropic", "claude-opus-4-8", &dies), ("anthropic", "claude-haiku-4-5", &goes)];
    let gateway = Gateway::start(&presets(&both, ""));
    let got = understood(Speaks::Anthropic, &ask(&gateway, Speaks::Anthropic, &json!({})));
    let usage = &got.usage;
    assert_eq!((&usage["input_tokens"], &usage["cache_read_input_tokens"]), (&1234.into(), &789.into()), "the input is told once");
    let output = usage["output_tokens"].as_u64().unwrap();
    let place = gateway.home().join(".local/state/aimux/ledger.sqlite");
    let mut found = None;
    until("the request is remembered", Duration::from_secs(10), || {
        let Ok(connection) = rusqlite::Connection::open_with_flags(&place, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY) else {
            return false;
        };
        let columns = "input, output, cost, estimated, attempts";
        let row = connection.query_row(&format!("SELECT {columns} FROM requests"), [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?, row.get::<_, i64>(4)?))
        });
        let attempts = connection.prepare("SELECT provider, status, code FROM attempts ORDER BY 1, 2").and_then(|mut statement| {
            let read =
                |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Option<u16>>(1)?, row.get::<_, Option<String>>(2)?));
            statement.query_map([], read)?.collect::<Result<Vec<_>, _>>()
        });
        found = row.ok().zip(attempts.ok());
        found.is_some()
    });
    let ((input, sum, cost, estimated, _), attempts) = found.unwrap();
    assert_eq!((input, sum, estimated), (2 * 1234, output.cast_signed(), 1), "both inputs were paid for");
    // 1234 fresh, 789 read and 12 written at each, in millionths: five dollars a million and one; the outputs at 25 and 5.
    let inputs = |fresh: f64| 1234.0 * fresh + 789.0 * fresh / 10.0 + 12.0 * fresh * 1.25;
    let expected = inputs(5.0) + inputs(1.0) + (output - 56) as f64 * 25.0 + 56.0 * 5.0;
    assert!((cost as f64 - expected).abs() < 3.0, "{cost} is not {expected}");
    assert_eq!(attempts[0], ("p0".to_owned(), Some(200), Some("E0505".to_owned())));
    assert_eq!((attempts[1].0.as_str(), attempts[1].1), ("p1", Some(200)));
    let page = Exposition::read(&gateway.call("GET", "/metrics", b"").text());
    let of = |name: &str, provider: &str, model: &str| page.value(name, &[("provider", provider), ("model", model)]);
    assert_eq!(of("aimux_continued_total", "p0", "claude-opus-4-8"), 1.0);
    let tokens = |provider, model| page.value("aimux_tokens_total", &[("provider", provider), ("model", model), ("kind", "output")]);
    assert_eq!(tokens("p1", "claude-haiku-4-5"), 56.0);
    assert_eq!(tokens("p0", "claude-opus-4-8"), (output - 56) as f64);
}

#[test]
fn a_seam_holds_in_a_stream_that_was_begun_by_aimux() {
    // Nothing comes for so long that the client's stream is begun, with an empty block; then a text that breaks off.
    for client in BOTH {
        let speaks = Speaks::Anthropic;
        let dies = Upstream::start(move |seen, _| first(speaks, seen, Act::Cut).pause(2, Duration::from_secs(4)));
        let goes = Upstream::start(move |seen, _| goes_on(speaks, seen, REST));
        let pair = [(speaks, &dies), (speaks, &goes)];
        let gateway = Gateway::start(&config(&pair, &entry("up0/m, up1/m"), "limits: { keep_alive_s: 1 }"));
        let got = understood(client, &ask(&gateway, client, &json!({})));
        assert_eq!((got.text(), got.error.as_str()), (format!("{HEARD}{REST}"), ""), "{client:?}");
    }
}
