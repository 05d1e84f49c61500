//! Client and provider speak the same dialect: bytes pass.

use std::time::Duration;

use serde_json::json;

use crate::gateway::{Gateway, KEY, TOKEN, config, until};
use crate::http;
use crate::replies::{Speaks, anthropic_frames, chat_frames, text, thinking, tool};
use crate::upstream::{Answer, Outcome, Upstream};

/// A body in an order and with fields, spaces and escapes that no serialiser would print.
const ODD_BODY: &str = r#"{ "zebra":{"b":1.0,"a":[ 1e2 ,"\u00e9\/"]}, "model" : "claude-odd[1m]","max_tokens":5 ,
 "messages":[{"role":"user","content":[{"type":"text","text":"hi \ud83d\ude00","cache_control":{"type":"ephemeral"}}]},{"role":"system","content":"in the middle"}],
 "future_field":{"x":null},"stream":false}"#;

#[test]
fn a_request_passes_byte_for_byte_but_for_the_model() {
    let upstream = Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[text("fine")]));
    let gateway = Gateway::before(Speaks::Anthropic, &upstream);
    assert_eq!(gateway.call("POST", "/v1/messages?beta=true", ODD_BODY.as_bytes()).status, 200);
    assert_eq!(upstream.only().text(), ODD_BODY.replace("claude-odd[1m]", "up-model"));
    assert_eq!((upstream.only().method.as_str(), upstream.only().path.as_str()), ("POST", "/v1/messages?beta=true"));
}

#[test]
fn a_whole_answer_passes_byte_for_byte_but_for_an_aliass_name() {
    let body = r#"{ "model":"up-model-2099", "zebra":1.50,"type":"message","content":[{"type":"text","text":"\u00e9 \"model\":\"up-model-2099\""}],
 "stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1} }"#;
    let upstream = Upstream::start(move |_, _| Answer::json(200, body));
    let gateway = Gateway::before(Speaks::Anthropic, &upstream);
    let ask = |asked: &str| gateway.messages(&json!({"model": asked, "max_tokens": 9, "messages": []})).text();
    assert_eq!(ask("up-model"), body);
    assert_eq!(ask("claude-odd"), body.replacen("up-model-2099", "claude-odd", 1));
}

#[test]
fn headers_pass_and_credentials_do_not() {
    let upstream = Upstream::start(|seen, _| {
        Speaks::Anthropic.answer(seen, &[text("fine")]).header("anthropic-ratelimit-requests-remaining", "7").header("set-cookie", "a=b")
    });
    let gateway = Gateway::before(Speaks::Anthropic, &upstream);
    let token = format!("Bearer {TOKEN}");
    let headers = [
        ("authorization", token.as_str()),
        ("x-api-key", TOKEN),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "claude-code-20250219,unheard-of-2031-01-01"),
        ("x-claude-code-session-id", "abc"),
        ("x-stainless-timeout", "600"),
        ("cookie", "secret=1"),
        ("accept-encoding", "gzip, br, zstd"),
        ("connection", "keep-alive, x-hop"),
        ("x-hop", "1"),
    ];
    let reply = http::send(gateway.port, "POST", "/v1/messages", &headers, ODD_BODY.as_bytes()).whole();
    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = upstream.only();
    assert_eq!(seen.header("anthropic-beta"), Some("claude-code-20250219,unheard-of-2031-01-01"));
    assert_eq!(seen.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(seen.header("x-claude-code-session-id"), Some("abc"));
    assert_eq!(seen.header("x-api-key").or(seen.header("authorization")).map(|key| key.trim_start_matches("Bearer ")), Some(KEY));
    assert!(seen.headers.iter().all(|(_, value)| !value.contains(TOKEN)), "the client's token reached the provider");
    for gone in ["cookie", "x-hop"] {
        assert_eq!(seen.header(gone), None, "{gone}");
    }
    assert!(seen.header("accept-encoding").is_none_or(|value| value == "identity"));
    assert_eq!(reply.header("anthropic-ratelimit-requests-remaining"), Some("7"));
    assert_eq!(reply.header("set-cookie"), None);
    assert!(reply.headers.iter().all(|(_, value)| !value.contains(KEY)), "the provider's key reached the client");
    assert!(reply.header("x-request-id").is_some());
    assert_eq!(reply.header("x-aimux-provider"), Some("up0"));
    assert_eq!(reply.header("x-aimux-attempts"), Some("1"));
    assert!(!gateway.log().contains(KEY) && !gateway.log().contains(TOKEN), "a secret is in the log");
}

#[test]
fn a_stream_passes_byte_for_byte_however_it_is_cut() {
    let mut frames =
        anthropic_frames(&[thinking("hm, 日本語 👩‍👩‍👧‍👦"), text("Grüße und mehr"), tool("toolu_1", "Bash", json!({"command": "ls"}))]);
    frames.insert(1, "event: unheard_of\ndata: {\"type\":\"unheard_of\", \"x\":1.50}\n\n".to_owned());
    let sent = frames.concat();
    for size in [1, 3, 17, 100_000] {
        let frames = vec![sent.clone()];
        let upstream = Upstream::start(move |_, _| Answer::stream(frames.clone()).chunks_of(size));
        // Of a server that nobody knows, signatures would be put into envelopes.
        let config = config(&[(Speaks::Anthropic, &upstream)], "\"*\": [up0/up-model]", "");
        let gateway = Gateway::start(&config.replace("up0: {", "up0: { preset: anthropic,"));
        for asked in ["up-model", "claude-x"] {
            let reply = gateway.messages(&json!({"model": asked, "max_tokens": 9, "stream": true, "messages": []}));
            assert!(reply.is_complete && reply.header("content-type").unwrap().starts_with("text/event-stream"));
            assert_eq!(reply.text(), sent.replace("\"model\":\"up-model\"", &format!("\"model\":\"{asked}\"")), "in chunks of {size}");
        }
    }
}

#[test]
fn chat_to_chat_passes_both_ways() {
    let body = r#"{"messages":[{"role":"user","content":"hi"}],"model":"gpt-x","logit_bias":{"1":2.50},"unheard_of":[1,2]}"#;
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine")]).header("x-ratelimit-remaining-requests", "3"));
    let gateway = Gateway::before(Speaks::Chat, &upstream);
    let reply = gateway.call("POST", "/v1/chat/completions", body.as_bytes());
    assert_eq!(reply.json()["choices"][0]["message"]["content"], "fine");
    assert_eq!(reply.header("x-ratelimit-remaining-requests"), Some("3"));
    let seen = upstream.only();
    assert_eq!(seen.text(), body.replace("gpt-x", "up-model"));
    assert_eq!(seen.path, "/v1/chat/completions");
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
}

#[test]
fn a_chat_stream_passes_with_its_done() {
    let upstream =
        Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("one two three four five"), tool("c1", "f", json!({"a": 1}))]));
    let gateway = Gateway::before(Speaks::Chat, &upstream);
    let ask = json!({"model": "gpt-x", "stream": true, "stream_options": {"include_usage": true}, "messages": []});
    let reply = gateway.chat(&ask);
    let sent = chat_frames(&[text("one two three four five"), tool("c1", "f", json!({"a": 1}))]).concat();
    assert_eq!(reply.text(), sent);
}

#[test]
fn the_first_content_does_not_wait_for_what_came_with_it() {
    let long = "a word or two ".repeat(400);
    for (speaks, frames) in [(Speaks::Anthropic, anthropic_frames(&[text(&long)])), (Speaks::Chat, chat_frames(&[text(&long)]))] {
        let at_once = vec![frames.concat()];
        let upstream = Upstream::start(move |_, _| Answer::stream(at_once.clone()));
        let gateway = Gateway::before(speaks, &upstream);
        let ask = json!({"model": "up-model", "max_tokens": 9, "stream": true, "stream_options": {"include_usage": true}, "messages": [{"role": "user", "content": "hi"}]});
        for path in ["/v1/messages", "/v1/chat/completions"] {
            let mut reply = gateway.send("POST", path, ask.to_string().as_bytes());
            let first = String::from_utf8(reply.piece().unwrap()).unwrap();
            assert!(first.matches("\"a word or tw").count() == 1 && first.len() < 2000, "{path} from {speaks:?}: {first}");
            let whole = reply.whole();
            assert!(whole.is_complete, "{path} from {speaks:?}");
            let said: String = whole.events().iter().filter_map(|event| said(&event.data)).collect();
            assert!(long.ends_with(&said) && long.len() - said.len() <= 24, "{path} from {speaks:?}: {said}");
        }
    }
}

/// The text of a delta, of either dialect.
fn said(data: &serde_json::Value) -> Option<String> {
    let text = data["delta"]["text"].as_str().or_else(|| data["choices"][0]["delta"]["content"].as_str())?;
    Some(text.to_owned())
}

#[test]
fn content_is_forwarded_when_it_comes() {
    let upstream = Upstream::start(|seen, _| {
        Speaks::Anthropic.answer(seen, &[text("first piece, second piece, third piece")]).pause(4, Duration::from_secs(3))
    });
    let gateway = Gateway::before(Speaks::Anthropic, &upstream);
    let reply = gateway.messages(&json!({"model": "claude-x", "max_tokens": 9, "stream": true, "messages": []}));
    let early = reply.times.iter().filter(|(when, _)| *when < Duration::from_secs(2)).map(|(_, length)| *length).max().unwrap_or(0);
    assert!(String::from_utf8_lossy(&reply.body[..early]).contains("first piece,"), "the first delta was held back: {:?}", reply.times);
    assert!(reply.times.last().unwrap().0 >= Duration::from_secs(3));
}

#[test]
fn an_upstreams_own_refusal_is_relayed_unchanged() {
    let body = r#"{"type":"error","error":{"type":"invalid_request_error","message":"zebra refusal"}, "request_id":"req_theirs"}"#;
    let upstream = Upstream::start(move |_, _| Answer::json(400, body));
    let gateway = Gateway::before(Speaks::Anthropic, &upstream);
    let reply = gateway.call("POST", "/v1/messages", ODD_BODY.as_bytes());
    assert_eq!((reply.status, reply.text().as_str()), (400, body));
    assert_eq!(upstream.seen().len(), 1, "a client's mistake is not tried again");
}

#[test]
fn a_client_that_leaves_cancels_the_upstream_within_a_second() {
    for speaks in [Speaks::Anthropic, Speaks::Chat] {
        let upstream =
            Upstream::start(move |seen, _| speaks.answer(seen, &[text("a long answer that goes on")]).pause(3, Duration::from_secs(30)));
        let gateway = Gateway::before(speaks, &upstream);
        let body = json!({"model": "claude-x", "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "hi"}]});
        let mut reply = gateway.send("POST", "/v1/messages", body.to_string().as_bytes());
        assert!(reply.piece().is_some());
        drop(reply);
        until("the upstream sees the client go", Duration::from_secs(1), || upstream.only().outcome == Outcome::ClientGone);
    }
}

#[test]
fn a_client_that_leaves_before_the_head_cancels_too() {
    use std::io::Write;
    let upstream = Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[text("late")]).late(Duration::from_secs(30)));
    let gateway = Gateway::before(Speaks::Anthropic, &upstream);
    let body = json!({"model": "claude-x", "max_tokens": 9, "messages": []}).to_string();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    write!(stream, "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: {TOKEN}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        .unwrap();
    until("the upstream is asked", Duration::from_secs(5), || !upstream.seen().is_empty());
    drop(stream);
    until("the upstream sees the client go", Duration::from_secs(1), || upstream.only().outcome == Outcome::ClientGone);
}

#[test]
fn count_tokens_is_asked_of_an_anthropic_upstream() {
    let upstream = Upstream::start(|seen, _| {
        if seen.path.starts_with("/v1/messages/count_tokens") { Answer::json(200, r#"{"input_tokens":4242}"#) } else { Answer::dead() }
    });
    let gateway = Gateway::before(Speaks::Anthropic, &upstream);
    let body = json!({"model": "claude-x", "messages": [{"role": "user", "content": "count me"}]}).to_string();
    let reply = gateway.call("POST", "/v1/messages/count_tokens?beta=true", body.as_bytes());
    assert_eq!((reply.status, reply.json()["input_tokens"].as_u64()), (200, Some(4242)), "{}", reply.text());
}

#[test]
fn two_entries_reach_two_providers() {
    let one = Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[text("one")]));
    let two = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("two")]));
    let models = "\"claude-*\": [up0/a]\n  \"claude-haiku-*\": [up1/b]\n  exact: up1/c";
    let gateway = Gateway::start(&config(&[(Speaks::Anthropic, &one), (Speaks::Chat, &two)], models, ""));
    let ask = |model: &str| gateway.messages(&json!({"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}));
    for (model, provider, served) in
        [("claude-opus-9", "up0", "a"), ("claude-haiku-9", "up1", "b"), ("exact", "up1", "c"), ("up0/plain/x", "up0", "plain/x")]
    {
        let reply = ask(model);
        assert_eq!(reply.status, 200, "{model}: {}", reply.text());
        assert_eq!((reply.header("x-aimux-provider"), reply.header("x-aimux-model")), (Some(provider), Some(served)), "{model}");
    }
}

#[test]
fn the_name_of_a_declared_tool_leaves_at_once() {
    let call = [tool("c1", "look", json!({"a": 1}))];
    let sent = call.clone();
    let upstream = Upstream::start(move |seen, _| Speaks::Chat.answer(seen, &sent).pause(2, Duration::from_secs(2)));
    let gateway = Gateway::before(Speaks::Chat, &upstream);
    let tools = json!([{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]);
    let reply =
        gateway.chat(&json!({"model": "gpt-x", "stream": true, "stream_options": {"include_usage": true}, "tools": tools, "messages": []}));
    assert!(reply.text().ends_with("data: [DONE]\n\n"), "{}", reply.text());
    let early = reply.times.iter().filter(|(when, _)| *when < Duration::from_secs(1)).map(|(_, length)| *length).max().unwrap_or(0);
    assert!(String::from_utf8_lossy(&reply.body[..early]).contains("\"look\""), "the name was held back: {:?}", reply.times);
}
