//! The contract of `providers.rs` for the presets' addresses that speak Messages: path, key, thinking that comes back,
//! usage in each one's form, and nothing that is refused.

use serde_json::{Value, json};

use crate::gateway::{Gateway, KEY};
use crate::http::Whole;
use crate::providers::{before, calls};
use crate::replies::{SIGNATURE, Speaks, anthropic_body, anthropic_frames, text};
use crate::upstream::{Answer, Seen, Upstream};

struct Row {
    preset: &'static str,
    /// The path of its own base URL.
    base: &'static str,
    auth: &'static str,
    model: &'static str,
    /// Members that it ignores or refuses.
    refuses: &'static [&'static str],
    temperature_max: f64,
    /// The input is told at the end of a stream, not at its start.
    usage_is_late: bool,
}

const PLAIN: Row = Row { preset: "", base: "", auth: "authorization", model: "", refuses: &[], temperature_max: 1.0, usage_is_late: false };

const ROWS: &[Row] = &[
    Row { preset: "anthropic", auth: "x-api-key", model: "claude-opus-4-5", ..PLAIN },
    Row { preset: "zai", base: "/api/anthropic", model: "glm-5.2", usage_is_late: true, ..PLAIN },
    Row { preset: "zai-coding", base: "/api/anthropic", model: "glm-5.2", usage_is_late: true, ..PLAIN },
    Row { preset: "minimax", base: "/anthropic", model: "MiniMax-M3", refuses: &["top_k", "stop_sequences"], ..PLAIN },
    Row { preset: "synthetic", base: "/anthropic", model: "hf:zai-org/GLM-5.2", ..PLAIN },
    Row {
        preset: "deepseek",
        base: "/anthropic",
        auth: "x-api-key",
        model: "deepseek-v4-pro",
        refuses: &["top_k", "metadata"],
        temperature_max: 2.0,
        ..PLAIN
    },
    Row { preset: "moonshot", base: "/anthropic", model: "kimi-k2.5", refuses: &["temperature"], ..PLAIN },
    Row { preset: "openrouter", base: "/api", model: "anthropic/claude-opus-4.8", ..PLAIN },
];

impl Row {
    /// What the provider would refuse a request of a Chat client for; `None`: it answers.
    fn refusal(&self, seen: &Seen) -> Option<String> {
        if seen.path != format!("{}/v1/messages", self.base) {
            return Some(format!("there is nothing at {}", seen.path));
        }
        let bearer = format!("Bearer {KEY}");
        let expected = if self.auth == "x-api-key" { (None, Some(KEY)) } else { (Some(bearer.as_str()), None) };
        if (seen.header("authorization"), seen.header("x-api-key")) != expected {
            return Some("the key is not where it belongs".to_owned());
        }
        let body = seen.json();
        let known = [
            "model",
            "messages",
            "max_tokens",
            "stream",
            "system",
            "tools",
            "tool_choice",
            "thinking",
            "temperature",
            "top_p",
            "top_k",
            "stop_sequences",
            "metadata",
            "output_config",
            "cache_control",
        ];
        let is_refused = |name: &String| !known.contains(&name.as_str()) || self.refuses.contains(&name.as_str());
        if let Some(name) = body.as_object()?.keys().find(|name| is_refused(name)) {
            return Some(format!("unknown member {name}"));
        }
        if body["model"] != self.model || !body["max_tokens"].is_u64() || seen.header("anthropic-version").is_none() {
            return Some(format!("model, limit or version is missing: {}", body["model"]));
        }
        if body["temperature"].as_f64().is_some_and(|value| value > self.temperature_max) {
            return Some("temperature is too high".to_owned());
        }
        // A call comes back with the thinking before it, unchanged.
        let turns = body["messages"].as_array()?.iter().filter(|message| message["role"] == "assistant");
        let thought = json!({"type": "thinking", "thinking": "Let me see.", "signature": SIGNATURE});
        turns.into_iter().find(|turn| turn["content"][0] != thought).map(|turn| format!("the thinking is not what it was: {turn}"))
    }

    fn answer(&self, seen: &Seen) -> Answer {
        if seen.path.ends_with("/count_tokens") {
            return Answer::json(404, r#"{"error":{"message":"no such path"}}"#);
        }
        if let Some(reason) = self.refusal(seen) {
            let body = json!({"type": "error", "error": {"type": "invalid_request_error", "message": reason}});
            return Answer::json(400, body.to_string());
        }
        if !seen.is_stream() {
            return Answer::json(200, anthropic_body(&calls()).to_string());
        }
        let frames = anthropic_frames(&calls()).into_iter();
        if !self.usage_is_late {
            return Answer::stream(frames);
        }
        let late = r#""input_tokens":1234,"cache_read_input_tokens":789,"output_tokens":56"#;
        Answer::stream(frames.map(|frame| match frame.split_once("\"usage\":{") {
            Some((head, _)) if frame.contains("message_start") => {
                format!("{head}\"usage\":{{\"input_tokens\":0,\"output_tokens\":0}}}},\"type\":\"message_start\"}}\n\n")
            }
            Some((head, _)) => format!("{head}\"usage\":{{{late}}}}}\n\n"),
            None => frame,
        }))
    }
}

/// The message and the usage of a Chat answer, whole or streamed.
fn heard(reply: &Whole) -> (Value, Value) {
    if let Ok(whole) = serde_json::from_slice::<Value>(&reply.body) {
        return (whole["choices"][0]["message"].clone(), whole["usage"].clone());
    }
    let (mut message, mut usage) = (json!({"role": "assistant", "content": "", "tool_calls": []}), Value::Null);
    for event in reply.events() {
        let delta = &event.data["choices"][0]["delta"];
        for name in ["content", "reasoning_content"] {
            if let Some(piece) = delta[name].as_str() {
                message[name] = (message[name].as_str().unwrap_or_default().to_owned() + piece).into();
            }
        }
        if let Some(details) = delta["reasoning_details"].as_array() {
            let mut all = message["reasoning_details"].as_array().cloned().unwrap_or_default();
            all.extend(details.iter().cloned());
            message["reasoning_details"] = all.into();
        }
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let calls = message["tool_calls"].as_array_mut().unwrap();
            let index = call["index"].as_u64().unwrap() as usize;
            if index == calls.len() {
                calls.push(json!({"id": call["id"], "type": "function", "function": {"name": call["function"]["name"], "arguments": ""}}));
            }
            let so_far = calls[index]["function"]["arguments"].as_str().unwrap().to_owned();
            calls[index]["function"]["arguments"] = (so_far + call["function"]["arguments"].as_str().unwrap_or_default()).into();
        }
        if event.data["usage"].is_object() {
            usage = event.data["usage"].clone();
        }
    }
    (message, usage)
}

fn keeps_the_contract(row: &'static Row) {
    let what = row.preset;
    let upstream = Upstream::start(|seen, _| row.answer(seen));
    let gateway = before(row.preset, "anthropic", row.base, true, &upstream);
    let parameters = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let tools: Vec<Value> =
        ["look", "note"].iter().map(|name| json!({"type": "function", "function": {"name": name, "parameters": parameters}})).collect();
    for is_stream in [false, true] {
        for choice in [json!("auto"), json!("none"), json!("required"), json!({"type": "function", "function": {"name": "note"}})] {
            let mut request = json!({"model": format!("up/{}", row.model), "stream": is_stream, "temperature": 1.8, "top_p": 0.9,
                "stop": ["A", "B", "C", "D"], "user": "somebody", "seed": 1, "presence_penalty": 0.5, "tools": tools,
                "tool_choice": choice, "parallel_tool_calls": true, "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]});
            if is_stream {
                request["stream_options"] = json!({"include_usage": true});
            }
            let reply = gateway.chat(&request);
            assert_eq!(reply.status, 200, "{what} {choice}: {}", reply.text());
            let (message, usage) = heard(&reply);
            assert_eq!(message["reasoning_content"], "Let me see.", "{what}: {message}");
            let arguments: Vec<Value> = message["tool_calls"]
                .as_array()
                .unwrap()
                .iter()
                .map(|call| serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap())
                .collect();
            assert_eq!(arguments, [json!({"a": "ä"}), json!({"a": "2"})], "{what}: {message}");
            assert_eq!(usage["completion_tokens"], 56, "{what}: {usage}");
            assert!(usage["prompt_tokens"].as_u64() >= Some(1234 + 789), "{what}: {usage}");
            if choice != "auto" {
                continue;
            }
            let results = message["tool_calls"]
                .as_array()
                .unwrap()
                .iter()
                .map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": "ok"}));
            let turns = request["messages"].as_array_mut().unwrap();
            turns.push(message.clone());
            turns.extend(results);
            let reply = gateway.chat(&request);
            assert_eq!(reply.status, 200, "{what}, second round: {}", reply.text());
        }
    }
    let ask =
        json!({"model": format!("up/{}", row.model), "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    let reply = gateway.messages(&ask);
    // Anthropic's own as it is, any other's in an envelope.
    let hex: String = SIGNATURE.bytes().map(|byte| format!("{byte:02x}")).collect();
    let is_there = reply.text().contains(&format!("\"signature\":\"{SIGNATURE}\"")) || reply.text().contains(&format!(".{hex}\""));
    assert!(reply.status == 200 && is_there, "{what}: {}", reply.text());
    // A refusal in the provider's own words, to a client of either dialect; a count even where nobody counts.
    let unknown = json!({"model": "up/unheard-of", "max_tokens": 9, "messages": []});
    for reply in
        [gateway.messages(&unknown), gateway.chat(&json!({"model": "up/unheard-of", "messages": [{"role": "user", "content": "hi"}]}))]
    {
        let message = reply.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(reply.status == 400 && message.contains("model, limit or version"), "{what}: {}", reply.text());
    }
    let counted = gateway.call("POST", "/v1/messages/count_tokens", ask.to_string().as_bytes());
    assert!(counted.status == 200 && counted.json()["input_tokens"].is_u64(), "{what}: {}", counted.text());
}

#[test]
fn a_configured_query_goes_before_the_clients_own() {
    let upstream = Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[text("fine")]));
    let gateway = Gateway::start(&format!(
        "version: 1\nserver: {{ listen: \"127.0.0.1:0\", token: {{ env: AIMUX_CLIENT_TOKEN }} }}\nproviders:\n  \
         up: {{ preset: minimax, dialect: anthropic, base_url: \"{}/anthropic\", query: {{ GroupId: \"17\", a: \"b&ü\" }} }}\n",
        upstream.url()
    ));
    let body = json!({"model": "up/MiniMax-M3", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(gateway.call("POST", "/v1/messages?beta=true", body.to_string().as_bytes()).status, 200);
    let chat = json!({"model": "up/MiniMax-M3", "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(gateway.chat(&chat).status, 200);
    let paths: Vec<String> = upstream.seen().into_iter().map(|seen| seen.path).collect();
    let base = "/anthropic/v1/messages?GroupId=17&a=b%26%C3%BC";
    assert_eq!(paths, [format!("{base}&beta=true"), base.to_owned()]);
}

/// A test for each row, by its place.
macro_rules! contracts {
    ($($name:ident: $preset:literal)*) => {
        $(#[test] fn $name() { keeps_the_contract(ROWS.iter().find(|row| row.preset == $preset).unwrap()); })*

        #[test]
        fn every_address_that_speaks_messages_has_a_contract() {
            let speaks = |preset: &&aimux::provider::Preset| preset.endpoints.iter().any(|endpoint| endpoint.dialect == aimux::dialect::Dialect::AnthropicMessages);
            let presets = aimux::provider::table::PRESETS.iter().filter(speaks).map(|preset| preset.name);
            assert_eq!(presets.collect::<Vec<_>>(), [$($preset),*]);
        }
    };
}

contracts! {
    anthropic: "anthropic"
    zai: "zai"
    zai_coding: "zai-coding"
    minimax: "minimax"
    synthetic: "synthetic"
    deepseek: "deepseek"
    moonshot: "moonshot"
    openrouter: "openrouter"
}
