//! Client and provider speak different dialects.

use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::http::Event;
use crate::replies::{Block, Speaks, text, thinking, tool};
use crate::upstream::{Answer, Upstream};

/// A conversation with tools in the middle, as Claude Code sends it.
fn agent_body() -> Value {
    json!({
        "model": "claude-x", "max_tokens": 4000, "stream": true,
        "system": [{"type": "text", "text": "You are a test.", "cache_control": {"type": "ephemeral"}}],
        "thinking": {"type": "adaptive"},
        "tools": [{"name": "Bash", "description": "run", "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}}],
        "messages": [
            {"role": "user", "content": "start"},
            {"role": "system", "content": "Agents: none."},
            {"role": "assistant", "content": [{"type": "text", "text": "two tools"},
                {"type": "tool_use", "id": "toolu_a", "name": "Bash", "input": {"command": "echo 1", "timeout": 10000000000000001u64}},
                {"type": "tool_use", "id": "toolu_b", "name": "Bash", "input": {"command": "echo 2"}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_b", "content": "out b"},
                {"type": "tool_result", "tool_use_id": "toolu_a", "content": [{"type": "text", "text": "out a"}], "is_error": true},
                {"type": "text", "text": "go on"}]}
        ]
    })
}

fn deltas(events: &[Event], kind: &str, field: &str) -> String {
    let of_kind = events.iter().filter(|event| event.data["delta"]["type"] == kind);
    of_kind.filter_map(|event| event.data["delta"][field].as_str()).collect()
}

/// What must hold of every finished Anthropic stream.
fn assert_balanced(events: &[Event]) {
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names.first(), Some(&"message_start"), "{names:?}");
    assert_eq!(names.last(), Some(&"message_stop"), "{names:?}");
    assert_eq!(names.iter().filter(|name| **name == "message_start").count(), 1);
    assert!(events.iter().all(|event| event.data["type"] == event.name.as_str()), "event and type differ");
    assert!(events[0].data["message"]["usage"]["input_tokens"].is_u64(), "{}", events[0].data);
    let (mut open, mut next) = (None, 0);
    for event in events {
        let index = event.data["index"].as_u64();
        match event.name.as_str() {
            "content_block_start" => {
                assert_eq!((open, index), (None, Some(next)), "blocks follow each other");
                open = index;
                next += 1;
            }
            "content_block_delta" => assert_eq!(index, open, "a delta of a block that is not open"),
            "content_block_stop" => assert_eq!(open.take(), index),
            "message_delta" => {
                assert_eq!(open, None);
                assert!(event.data["usage"]["output_tokens"].is_u64());
                assert!(event.data["delta"]["stop_reason"].is_string());
            }
            _ => {}
        }
    }
}

#[test]
fn anthropic_asks_and_a_chat_upstream_answers_whole() {
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("hello there")]));
    let gateway = Gateway::before(Speaks::Chat, &upstream);
    let reply = gateway.messages(&json!({"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}));
    let body = reply.json();
    assert_eq!((reply.status, &body["type"], &body["role"]), (200, &json!("message"), &json!("assistant")));
    assert_eq!(body["content"], json!([{"type": "text", "text": "hello there"}]));
    assert_eq!(body["stop_reason"], "end_turn");
    let usage = &body["usage"];
    assert_eq!(
        (&usage["input_tokens"], &usage["output_tokens"], &usage["cache_read_input_tokens"]),
        (&json!(445), &json!(56), &json!(789))
    );
    let seen = upstream.only();
    assert_eq!(seen.path, "/v1/chat/completions");
    assert_eq!(seen.json()["model"], "up-model");
    assert_eq!(seen.header("anthropic-version"), None, "the client's headers stay behind");
}

#[test]
fn a_history_with_tools_reaches_a_chat_upstream_in_order() {
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("done")]));
    let gateway = Gateway::before(Speaks::Chat, &upstream);
    assert_eq!(gateway.messages(&agent_body()).status, 200);
    let body = upstream.only().json();
    let messages = body["messages"].as_array().unwrap();
    let roles: Vec<&str> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert!(roles[0] == "system" || roles[0] == "developer", "{roles:?}");
    let assistant = roles.iter().position(|role| *role == "assistant").unwrap();
    let calls = messages[assistant]["tool_calls"].as_array().unwrap();
    assert_eq!(calls.iter().map(|call| call["id"].as_str().unwrap()).collect::<Vec<_>>(), ["toolu_a", "toolu_b"]);
    assert!(
        calls[0]["function"]["arguments"].as_str().unwrap().contains("10000000000000001"),
        "a number lost digits: {}",
        calls[0]["function"]["arguments"]
    );
    assert_eq!(&roles[assistant + 1..assistant + 3], ["tool", "tool"], "results follow their calls at once");
    let result = |id: &str| messages.iter().find(|message| message["tool_call_id"] == id).unwrap().to_string();
    assert!(result("toolu_a").contains("out a") && result("toolu_b").contains("out b"));
    assert!(body.to_string().contains("Agents: none."), "the system message in the middle is lost");
    assert!(messages.last().unwrap().to_string().contains("go on"));
    assert_eq!(body["tools"][0]["function"]["name"], "Bash");
    assert_eq!(body["stream_options"]["include_usage"], true);
}

#[test]
fn parallel_tools_and_thinking_stream_back_as_balanced_blocks() {
    let answer = [
        thinking("I think about it for a while."),
        text("Two tools at once, Grüße 👋."),
        tool("call_1", "Bash", json!({"command": "printf 'ä\"\\\\'"})),
        tool("call_2", "Bash", json!({"command": "two", "deep": {"a": [1, 2.50, null]}})),
    ];
    for size in [1, 7, 100_000] {
        let parts = answer.clone();
        let upstream = Upstream::start(move |seen, _| Speaks::Chat.answer(seen, &parts).chunks_of(size));
        let gateway = Gateway::before(Speaks::Chat, &upstream);
        let reply = gateway.messages(&agent_body());
        let events = reply.events();
        assert_balanced(&events);
        assert_eq!(deltas(&events, "thinking_delta", "thinking"), "I think about it for a while.");
        assert_eq!(deltas(&events, "text_delta", "text"), "Two tools at once, Grüße 👋.");
        let starts: Vec<&Value> =
            events.iter().filter(|event| event.name == "content_block_start").map(|event| &event.data["content_block"]).collect();
        let kinds: Vec<&str> = starts.iter().map(|block| block["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["thinking", "text", "tool_use", "tool_use"]);
        assert_eq!((&starts[2]["id"], &starts[2]["name"], &starts[2]["input"]), (&json!("call_1"), &json!("Bash"), &json!({})));
        for index in [2_usize, 3] {
            let Block::Tool { input, .. } = &answer[index] else { panic!("a tool") };
            let pieces = events.iter().filter(|event| event.data["index"] == index);
            let joined: String = pieces.filter_map(|event| event.data["delta"]["partial_json"].as_str()).collect();
            assert_eq!(joined, input.to_string(), "arguments are text, end to end");
        }
        let last = &events[events.len() - 2].data;
        assert_eq!((&last["delta"]["stop_reason"], &last["usage"]["output_tokens"]), (&json!("tool_use"), &json!(56)));
    }
}

#[test]
fn a_whole_answer_with_tools_is_translated() {
    let upstream = Upstream::start(|seen, _| {
        Speaks::Chat.answer(seen, &[thinking("hm"), text("one"), tool("call_1", "Bash", json!({"command": "x"}))])
    });
    let gateway = Gateway::before(Speaks::Chat, &upstream);
    let mut ask = agent_body();
    ask["stream"] = false.into();
    let body = gateway.messages(&ask).json();
    let kinds: Vec<&str> = body["content"].as_array().unwrap().iter().map(|block| block["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["thinking", "text", "tool_use"]);
    assert_eq!(body["content"][2]["input"], json!({"command": "x"}));
    assert_eq!(body["stop_reason"], "tool_use");
}

#[test]
fn an_image_reaches_a_chat_upstream() {
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("seen")]));
    let gateway = Gateway::before(Speaks::Chat, &upstream);
    let source = json!({"type": "base64", "media_type": "image/png", "data": "aGVsbG8="});
    let content = json!([{"type": "text", "text": "look"}, {"type": "image", "source": source}]);
    let reply = gateway.messages(&json!({"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": content}]}));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(upstream.only().json()["messages"][0]["content"][1]["image_url"]["url"], "data:image/png;base64,aGVsbG8=");
}

#[test]
fn chat_asks_and_an_anthropic_upstream_answers_whole() {
    let upstream = Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[text("hello"), tool("toolu_1", "f", json!({"a": [1]}))]));
    let gateway = Gateway::before(Speaks::Anthropic, &upstream);
    let reply = gateway.chat(&json!({
        "model": "gpt-x", "messages": [
            {"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "c0", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1.0}"}}]},
            {"role": "tool", "tool_call_id": "c0", "content": "result"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    }));
    let body = reply.json();
    assert_eq!((reply.status, &body["object"]), (200, &json!("chat.completion")), "{body}");
    let choice = &body["choices"][0];
    assert_eq!((&choice["message"]["content"], &choice["finish_reason"]), (&json!("hello"), &json!("tool_calls")));
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!((&call["id"], &call["function"]["arguments"]), (&json!("toolu_1"), &json!("{\"a\":[1]}")));
    assert_eq!((&body["usage"]["prompt_tokens"], &body["usage"]["completion_tokens"]), (&json!(1234 + 789 + 12), &json!(56)));
    let seen = upstream.only();
    assert_eq!(seen.path, "/v1/messages");
    assert!(seen.header("anthropic-version").is_some());
    let sent = seen.json();
    assert!(sent["max_tokens"].as_u64().is_some_and(|tokens| tokens > 0), "Anthropic asks for max_tokens");
    assert!(sent["system"].to_string().contains("be brief"));
    assert!(seen.text().contains("\"a\":1.0"), "the arguments were printed again: {sent}");
    assert_eq!(sent["messages"][2]["content"][0]["tool_use_id"], "c0");
}

#[test]
fn chat_asks_and_an_anthropic_upstream_streams() {
    let upstream = Upstream::start(|seen, _| {
        Speaks::Anthropic
            .answer(seen, &[text("hello 日本語 there"), tool("toolu_1", "f", json!({"a": 1})), tool("toolu_2", "g", json!({"b": 2}))])
            .chunks_of(5)
    });
    let gateway = Gateway::before(Speaks::Anthropic, &upstream);
    let ask = json!({"model": "gpt-x", "stream": true, "stream_options": {"include_usage": true}, "messages": [{"role": "user", "content": "hi"}]});
    let events = gateway.chat(&ask).events();
    assert_eq!(events.last().unwrap().data, "[DONE]");
    let choices: Vec<&Value> = events.iter().map(|event| &event.data["choices"][0]).collect();
    let content: String = choices.iter().filter_map(|choice| choice["delta"]["content"].as_str()).collect();
    assert_eq!(content, "hello 日本語 there");
    for (index, arguments) in [(0, "{\"a\":1}"), (1, "{\"b\":2}")] {
        let calls = choices.iter().filter_map(|choice| choice["delta"]["tool_calls"].get(0)).filter(|call| call["index"] == index);
        let joined: String = calls.filter_map(|call| call["function"]["arguments"].as_str()).collect();
        assert_eq!(joined, arguments);
    }
    assert_eq!(choices.iter().filter_map(|choice| choice["finish_reason"].as_str()).collect::<Vec<_>>(), ["tool_calls"]);
    let usage: Vec<&Value> = events.iter().map(|event| &event.data["usage"]).filter(|usage| usage.is_object()).collect();
    assert_eq!((usage.len(), &usage[0]["prompt_tokens"]), (1, &json!(2035)));
}

#[test]
fn an_unknown_finish_reason_becomes_a_known_one() {
    let upstream = Upstream::start(|_, _| {
        let chunk = |delta: Value, reason: Value| {
            format!("data: {}\n\n", json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}))
        };
        Answer::stream([chunk(json!({"content": "text"}), Value::Null), chunk(json!({}), json!("weird")), "data: [DONE]\n\n".to_owned()])
    });
    let gateway = Gateway::before(Speaks::Chat, &upstream);
    let events = gateway.messages(&agent_body()).events();
    assert_balanced(&events);
    let delta = events.iter().find(|event| event.name == "message_delta").unwrap();
    assert_eq!(delta.data["delta"]["stop_reason"], "end_turn");
}

#[test]
fn too_long_a_prompt_is_refused_in_the_words_that_claude_code_knows() {
    let body = r#"{"error":{"message":"This model's maximum context length is 200000 tokens. However, your messages resulted in 250000 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;
    let upstream = Upstream::start(move |_, _| Answer::json(400, body));
    let gateway = Gateway::before(Speaks::Chat, &upstream);
    let reply = gateway.messages(&agent_body());
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["error"]["message"], "prompt is too long: 250000 tokens > 200000 maximum");
}

#[test]
fn a_refusal_keeps_its_words_in_the_clients_shape() {
    for (client_path, speaks) in [("/v1/messages", Speaks::Chat), ("/v1/chat/completions", Speaks::Anthropic)] {
        let upstream = Upstream::start(move |_, _| speaks.refusal(400, "zebra refusal"));
        let gateway = Gateway::before(speaks, &upstream);
        let body = json!({"model": "x", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}).to_string();
        let reply = gateway.call("POST", client_path, body.as_bytes());
        assert_eq!(reply.status, 400);
        assert!(reply.json()["error"]["message"].as_str().unwrap().contains("zebra refusal"), "{}", reply.text());
        assert_eq!(reply.json()["type"] == "error", client_path == "/v1/messages");
        assert_eq!(upstream.seen().len(), 1);
    }
}

#[test]
fn what_the_target_cannot_carry_is_named_in_a_header() {
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine")]));
    let gateway = Gateway::before(Speaks::Chat, &upstream);
    let reply =
        gateway.messages(&json!({"model": "claude-x", "max_tokens": 9, "top_k": 5, "messages": [{"role": "user", "content": "hi"}]}));
    assert!(reply.header("x-aimux-loss").is_some_and(|loss| loss.contains("top_k")), "{:?}", reply.headers);
}

#[test]
fn count_tokens_is_estimated_for_a_chat_upstream() {
    let upstream = Upstream::start(|_, _| Answer::dead());
    let gateway = Gateway::before(Speaks::Chat, &upstream);
    let count = |words: usize| {
        let content = "some words ".repeat(words);
        let body = json!({"model": "claude-x", "messages": [{"role": "user", "content": content}]}).to_string();
        gateway.call("POST", "/v1/messages/count_tokens", body.as_bytes()).json()["input_tokens"].as_u64().unwrap()
    };
    let (few, many) = (count(1), count(2000));
    assert!(few > 0 && many > few * 10 && (1000..20_000).contains(&many), "{few}, {many}");
    assert!(upstream.seen().is_empty(), "an estimate costs no request");
}
