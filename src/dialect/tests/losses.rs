//! Nothing of a request vanishes unsaid: whatever a decoder has no use for is a loss, wherever it stands.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::dialect::transcode::{Rendered, render};
use crate::dialect::{Dialect, Quirks, Upstream};
use crate::wire::peek::peek;

/// A name that no dialect knows, and never will.
const STRANGE: &str = "zz_strange";

/// One of everything that a Messages client can say and a Chat upstream can be told.
fn messages_request() -> Value {
    json!({
        "model": "m", "max_tokens": 5000, "stream": true, "temperature": 0.5, "top_p": 0.9, "top_k": 3,
        "stop_sequences": ["END"], "metadata": { "user_id": "u1" }, "service_tier": "auto",
        "system": [{ "type": "text", "text": "Be brief.", "cache_control": { "type": "ephemeral" } }],
        "tools": [{
            "name": "look", "description": "Looks.", "strict": true, "cache_control": { "type": "ephemeral" },
            "input_schema": { "type": "object", "properties": { "x": { "type": "string" } }, "required": ["x"], "additionalProperties": false }
        }],
        "tool_choice": { "type": "tool", "name": "look", "disable_parallel_tool_use": true },
        "thinking": { "type": "enabled", "budget_tokens": 2000 },
        "output_config": {
            "effort": "high",
            "format": { "type": "json_schema", "name": "n", "schema": { "type": "object", "properties": {}, "additionalProperties": false } }
        },
        "messages": [
            { "role": "user", "content": "Hello." },
            { "role": "assistant", "content": [
                { "type": "thinking", "thinking": "Hm.", "signature": "c2ln" },
                { "type": "redacted_thinking", "data": "ZGF0YQ==" },
                { "type": "text", "text": "I look.", "citations": [{ "type": "char_location", "cited_text": "x" }] },
                { "type": "tool_use", "id": "t1", "name": "look", "input": { "x": "y", "deep": { "er": 1 } } },
                { "type": "server_tool_use", "id": "s1", "name": "web_search", "input": { "query": "q" } }
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": [
                    { "type": "text", "text": "seen" },
                    { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AAAA" } },
                    { "type": "document", "source": { "type": "text", "media_type": "text/plain", "data": "d" } }
                ] },
                { "type": "image", "source": { "type": "url", "url": "https://h/i.png" } },
                { "type": "document", "title": "T", "context": "C", "citations": { "enabled": true },
                  "source": { "type": "text", "media_type": "text/plain", "data": "plain" } },
                { "type": "document", "source": { "type": "content", "content": [{ "type": "text", "text": "part" }] } },
                { "type": "document", "source": { "type": "base64", "media_type": "application/pdf", "data": "AAAA" } },
                { "type": "text", "text": "Go on.", "cache_control": { "type": "ephemeral" } }
            ] }
        ]
    })
}

/// One of everything that a Chat client can say and a Messages upstream can be told.
fn chat_request() -> Value {
    json!({
        "model": "m", "max_completion_tokens": 5000, "stream": true, "stream_options": { "include_usage": true },
        "temperature": 0.5, "stop": ["END"], "user": "u1", "parallel_tool_calls": false, "logit_bias": { "5": 1 },
        "reasoning": { "effort": "low" }, "thinking": { "type": "enabled" },
        "response_format": { "type": "json_schema", "json_schema": {
            "name": "n", "description": "D.", "strict": true,
            "schema": { "type": "object", "properties": {}, "additionalProperties": false }
        } },
        "tools": [{ "type": "function", "function": {
            "name": "look", "description": "Looks.", "strict": true,
            "parameters": { "type": "object", "properties": { "x": { "type": "string" } }, "required": ["x"], "additionalProperties": false }
        } }],
        "functions": [{ "name": "old", "parameters": { "type": "object", "properties": {} } }],
        "tool_choice": { "type": "function", "function": { "name": "look" } },
        "messages": [
            { "role": "system", "content": [{ "type": "text", "text": "Be brief." }] },
            { "role": "user", "content": "Hello." },
            { "role": "assistant", "content": null, "reasoning_content": "Hm.",
              "reasoning_details": [{ "type": "reasoning.encrypted", "data": "aimux1.anthropic.73", "index": 0, "length": 3 }],
              "tool_calls": [{ "id": "t1", "type": "function", "function": { "name": "look", "arguments": "{\"x\":\"y\"}" } },
                             { "id": "t2", "type": "function", "function": { "name": "look", "arguments": { "x": "z" } } }] },
            { "role": "tool", "tool_call_id": "t1", "content": [{ "type": "text", "text": "seen" }] },
            { "role": "tool", "tool_call_id": "t2", "content": "seen" },
            { "role": "developer", "content": "A note." },
            { "role": "assistant", "content": [
                { "type": "thinking", "thinking": [{ "type": "text", "text": "Hm." }] },
                { "type": "text", "text": "So." }, { "type": "refusal", "refusal": "No." }
            ], "function_call": { "name": "old", "arguments": "{}" } },
            { "role": "function", "name": "old", "content": "done" },
            { "role": "user", "content": [
                { "type": "text", "text": "See.", "cache_control": { "type": "ephemeral" } },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA", "detail": "low" } },
                { "type": "input_image", "image_url": "https://h/i.png", "detail": "high" },
                { "type": "file", "file": { "filename": "f.pdf", "file_data": "data:application/pdf;base64,AAAA" } },
                { "type": "input_file", "filename": "g.pdf", "file_data": "data:application/pdf;base64,AAAA" }
            ] },
            { "role": "user", "content": [] }
        ]
    })
}

/// Where members are the client's or the provider's own matter: they go as they are, or go with what holds them.
const VERBATIM: [&str; 8] = ["input", "input_schema", "schema", "parameters", "arguments", "cache_control", "citations", "logit_bias"];

/// Every object of a value: its pointer, and its path as a loss names it.
fn objects(value: &Value, pointer: &str, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            found.push((pointer.to_owned(), path.to_owned()));
            for (name, value) in members.iter().filter(|(name, _)| !VERBATIM.contains(&name.as_str())) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                objects(value, &format!("{pointer}/{name}"), &path, found);
            }
        }
        Value::Array(items) => {
            for (nth, value) in items.iter().enumerate() {
                objects(value, &format!("{pointer}/{nth}"), &format!("{path}[]"), found);
            }
        }
        _ => {}
    }
}

/// The request as the other dialect's upstream gets it, and what was lost on the way.
fn translated(request: &Value, from: Dialect) -> (Value, Vec<String>) {
    let (to, quirks) = match from {
        Dialect::AnthropicMessages => (Dialect::OpenAiChat, Quirks::CHAT),
        Dialect::OpenAiChat => (Dialect::AnthropicMessages, Quirks { family: "anthropic", full_anthropic: true, ..Quirks::ANTHROPIC }),
    };
    let upstream = Upstream {
        provider: "p",
        model: "m",
        quirks: &quirks,
        output_max: None,
        sees_images: None,
        thinks: None,
        enforces_schemas: None,
        client: from,
    };
    let body = Bytes::from(serde_json::to_vec(request).unwrap());
    match render(&body, &peek(&body, 64).unwrap(), from, to, &upstream) {
        Ok(Rendered::Translated { body, losses, .. }) => {
            (serde_json::from_slice(&body).unwrap(), losses.into_iter().map(|loss| loss.field.into_owned()).collect())
        }
        Ok(Rendered::Passthrough(_)) => panic!("passed through"),
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn a_strange_member_is_a_loss_wherever_it_stands() {
    for (from, request) in [(Dialect::AnthropicMessages, messages_request()), (Dialect::OpenAiChat, chat_request())] {
        let mut places = Vec::new();
        objects(&request, "", "", &mut places);
        assert!(places.len() > 25, "{places:?}");
        let (_, before) = translated(&request, from);
        for (pointer, path) in places {
            let mut request = request.clone();
            request.pointer_mut(&pointer).unwrap()[STRANGE] = json!("x");
            let (body, losses) = translated(&request, from);
            // What has no equivalent as a whole is told of in words.
            let is_told = body.to_string().contains(STRANGE) && path.ends_with("content[]");
            let expected = if path.is_empty() { STRANGE.to_owned() } else { format!("{path}.{STRANGE}") };
            assert!(is_told || losses.contains(&expected), "{expected} vanished: {losses:?}");
            assert!(is_told || losses.len() == before.len() + 1, "{expected} hides another loss: {losses:?}");
        }
    }
}

#[test]
fn what_a_request_says_in_vain_is_a_loss() {
    let said = |from, path: &str, value: Value| {
        let mut request = if from == Dialect::OpenAiChat { chat_request() } else { messages_request() };
        let (parent, name) = path.rsplit_once('/').unwrap();
        request.pointer_mut(parent).unwrap()[name] = value;
        translated(&request, from).1
    };
    // Members that are known, but not there, or not in this form.
    for (from, path, value, loss) in [
        (Dialect::AnthropicMessages, "/messages/2/content/5/tool_use_id", json!("t9"), "messages[].content[].tool_use_id"),
        (Dialect::AnthropicMessages, "/messages/1/content/3/title", json!("T"), "messages[].content[].title"),
        (Dialect::AnthropicMessages, "/output_config/effort", json!("extreme"), "output_config.effort"),
        (Dialect::AnthropicMessages, "/messages/2/content/1/source/data", json!("AAAA"), "messages[].content[].source.data"),
        (Dialect::OpenAiChat, "/messages/1/tool_call_id", json!("t1"), "messages[].tool_call_id"),
        (Dialect::OpenAiChat, "/messages/0/name", json!("boss"), "messages[].name"),
        (Dialect::OpenAiChat, "/messages/6/name", json!("other"), "messages[].name"),
        (Dialect::OpenAiChat, "/messages/2/reasoning_details/0/data", json!("foreign"), "messages[].reasoning_details[]"),
        (Dialect::OpenAiChat, "/messages/8/content/1/image_url/detail", json!(5), "messages[].content[].image_url.detail"),
        (Dialect::OpenAiChat, "/messages/8/content/3/file/file_id", json!(5), "messages[].content[].file.file_id"),
        (Dialect::OpenAiChat, "/safety_identifier", json!("s1"), "user"),
        (Dialect::OpenAiChat, "/reasoning", json!("high"), "reasoning"),
        (Dialect::OpenAiChat, "/thinking/type", json!("sometimes"), "thinking.type"),
        (Dialect::OpenAiChat, "/stream_options", json!("usage"), "stream_options"),
    ] {
        let losses = said(from, path, value);
        assert!(losses.contains(&loss.to_owned()), "{loss} vanished: {losses:?}");
    }
}

#[test]
fn what_says_nothing_is_no_loss() {
    for (from, request) in [(Dialect::AnthropicMessages, messages_request()), (Dialect::OpenAiChat, chat_request())] {
        let (_, before) = translated(&request, from);
        for nothing in [json!(null), json!(false), json!([]), json!({}), json!("")] {
            let mut places = Vec::new();
            objects(&request, "", "", &mut places);
            let mut request = request.clone();
            for (pointer, _) in places {
                request.pointer_mut(&pointer).unwrap()[STRANGE] = nothing.clone();
            }
            assert_eq!(translated(&request, from).1, before, "{nothing}");
        }
    }
}
