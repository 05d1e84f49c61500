//! A contract for every preset: an upstream at the preset's own path that refuses what the real one refuses, says things
//! in its form, and gives up on a history that the real one would not take.
//!
//! What each row claims stands in a comment with its source in `src/provider/table.rs`. Start with [`ROWS`].

use serde_json::{Value, json};

use crate::gateway::{Gateway, KEY};
use crate::http::Whole;
use crate::replies::{Block, text, thinking, tool};
use crate::upstream::{Answer, Seen, Upstream};

/// How a Chat provider says what it thinks, and takes it back.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Thoughts {
    /// Says nothing of it.
    Hidden,
    /// In a member, which the history may not have.
    Told(&'static str),
    /// In a member, which a history with tool calls must have.
    Wanted(&'static str),
    /// At the beginning of the text.
    Inline,
}

/// Where a Chat provider's stream has its usage.
#[derive(Clone, Copy, PartialEq, Debug)]
enum UsageAt {
    /// In a chunk without choices, where `stream_options` asks for it.
    Asked,
    /// In the last chunk with a choice.
    Finish,
    /// In the choice itself.
    Choice,
    /// In `x_groq`.
    Groq,
}

/// What a Chat provider makes of `tool_choice`.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Choices {
    Any,
    /// No object.
    Words(&'static str),
    /// Nothing is forced while the model thinks.
    NotThinking,
}

struct Row {
    preset: &'static str,
    /// The path of its own base URL.
    base: &'static str,
    auth: &'static str,
    model: &'static str,
    /// Members beyond the common ones.
    takes: &'static [&'static str],
    /// Common members that are refused.
    refuses: &'static [&'static str],
    thoughts: Thoughts,
    usage: UsageAt,
    choices: Choices,
    /// Its model sees images, as far as the catalog knows.
    sees: bool,
    temperature_max: f64,
    stop_max: usize,
    ids: fn(&str) -> bool,
    /// Comments and further members of its chunks.
    noise: (&'static str, &'static str),
}

const COMMON: &[&str] = &[
    "model",
    "messages",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "max_tokens",
    "stop",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "user",
    "seed",
];

fn any_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 40
}

fn nine(id: &str) -> bool {
    id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A provider without peculiarities.
const PLAIN: Row = Row {
    preset: "",
    base: "/v1",
    auth: "authorization",
    model: "",
    takes: &[],
    refuses: &[],
    thoughts: Thoughts::Hidden,
    usage: UsageAt::Asked,
    choices: Choices::Any,
    sees: true,
    temperature_max: 2.0,
    stop_max: usize::MAX,
    ids: any_id,
    noise: ("", ""),
};

use Thoughts::{Hidden, Inline, Told, Wanted};

const ROWS: &[Row] = &[
    Row {
        preset: "openai",
        model: "gpt-5.5",
        takes: &["max_completion_tokens", "reasoning_effort"],
        refuses: &["max_tokens", "temperature", "top_p", "stop"],
        ..PLAIN
    },
    Row {
        preset: "cerebras",
        model: "zai-glm-4.7",
        takes: &["reasoning_effort"],
        thoughts: Told("reasoning"),
        usage: UsageAt::Finish,
        sees: false,
        temperature_max: 1.5,
        stop_max: 4,
        noise: ("", r#""time_info":{"queue_time":0.1},"#),
        ..PLAIN
    },
    Row { preset: "zai", base: "/api/paas/v4", ..ZAI },
    Row { preset: "zai-coding", base: "/api/coding/paas/v4", ..ZAI },
    Row {
        preset: "minimax",
        model: "MiniMax-M3",
        takes: &["reasoning_split", "max_completion_tokens"],
        thoughts: Wanted("reasoning_details"),
        temperature_max: 1.0,
        noise: ("", r#""base_resp":{"status_code":0,"status_msg":""},"#),
        ..PLAIN
    },
    Row {
        preset: "synthetic",
        base: "/openai/v1",
        model: "hf:zai-org/GLM-5.2",
        sees: false,
        thoughts: Wanted("reasoning_content"),
        ..PLAIN
    },
    Row { preset: "xai", model: "grok-4.3", refuses: &["stop"], thoughts: Told("reasoning_content"), usage: UsageAt::Finish, ..PLAIN },
    Row {
        preset: "groq",
        sees: false,
        stop_max: 4,
        base: "/openai/v1",
        model: "openai/gpt-oss-120b",
        thoughts: Told("reasoning"),
        usage: UsageAt::Groq,
        ..PLAIN
    },
    Row {
        preset: "mistral",
        model: "mistral-medium-2604",
        takes: &["random_seed"],
        refuses: &["stream_options", "seed", "user"],
        usage: UsageAt::Finish,
        temperature_max: 1.5,
        ids: nine,
        ..PLAIN
    },
    Row {
        preset: "deepseek",
        base: "",
        model: "deepseek-v4-pro",
        takes: &["thinking"],
        refuses: &["parallel_tool_calls", "seed"],
        thoughts: Wanted("reasoning_content"),
        sees: false,
        stop_max: 16,
        noise: (": keep-alive\n\n", ""),
        ..PLAIN
    },
    MOONSHOT,
    Row {
        preset: "openrouter",
        base: "/api/v1",
        model: "anthropic/claude-opus-4.8",
        takes: &["reasoning", "top_k"],
        thoughts: Wanted("reasoning_details"),
        noise: (": OPENROUTER PROCESSING\n\n", r#""provider":"Somebody","#),
        ..PLAIN
    },
    Row { preset: "ollama", auth: "", model: "qwen3:8b", thoughts: Told("reasoning"), ..PLAIN },
    Row {
        preset: "lmstudio",
        auth: "",
        model: "qwen3-8b",
        takes: &["top_k"],
        thoughts: Inline,
        choices: Choices::Words("required"),
        ..PLAIN
    },
    Row {
        preset: "llama.cpp",
        auth: "",
        model: "qwen3",
        takes: &["top_k", "chat_template_kwargs"],
        thoughts: Told("reasoning_content"),
        noise: ("", r#""timings":{"prompt_n":1},"#),
        ..PLAIN
    },
    Row { preset: "vllm", auth: "", model: "qwen3", takes: &["top_k", "chat_template_kwargs"], thoughts: Told("reasoning"), ..PLAIN },
];

const MOONSHOT: Row = Row {
    preset: "moonshot",
    model: "kimi-k2.5",
    takes: &["thinking", "max_completion_tokens"],
    refuses: &["temperature"],
    thoughts: Wanted("reasoning_content"),
    usage: UsageAt::Choice,
    choices: Choices::NotThinking,
    stop_max: 5,
    ..PLAIN
};

const ZAI: Row = Row {
    sees: false,
    model: "glm-5.2",
    takes: &["thinking", "tool_stream"],
    refuses: &["parallel_tool_calls", "seed", "user"],
    thoughts: Wanted("reasoning_content"),
    usage: UsageAt::Finish,
    choices: Choices::Words("auto"),
    temperature_max: 1.0,
    stop_max: 1,
    ..PLAIN
};

impl Row {
    /// What the provider would refuse a request for; `None`: it answers.
    fn refusal(&self, seen: &Seen) -> Option<String> {
        if seen.path != format!("{}/chat/completions", self.base) {
            return Some(format!("there is nothing at {}", seen.path));
        }
        let sent = (seen.header("authorization"), seen.header("x-api-key"));
        let expected = format!("Bearer {KEY}");
        if sent != (Some(expected.as_str()).filter(|_| !self.auth.is_empty()), None) {
            return Some(format!("the key is not where it belongs: {sent:?}"));
        }
        let body = seen.json();
        let members = body.as_object()?;
        if body["model"] != self.model {
            return Some(format!("no model {}", body["model"]));
        }
        let is_known = |name: &str| (COMMON.contains(&name) || self.takes.contains(&name)) && !self.refuses.contains(&name);
        if let Some(unknown) = members.keys().find(|name| !is_known(name)) {
            return Some(format!("unknown member {unknown}"));
        }
        if body["temperature"].as_f64().is_some_and(|value| value > self.temperature_max) {
            return Some("temperature is too high".to_owned());
        }
        if body["stop"].as_array().is_some_and(|stop| stop.len() > self.stop_max) {
            return Some("too many stop words".to_owned());
        }
        self.bad_choice(&body).or_else(|| self.bad_history(body["messages"].as_array()?))
    }

    fn bad_choice(&self, body: &Value) -> Option<String> {
        let choice = &body["tool_choice"];
        if self.model.starts_with("kimi-k2.7") && body["thinking"]["type"] == "disabled" {
            return Some("invalid thinking type".to_owned());
        }
        let is_bad = match self.choices {
            Choices::Any => false,
            Choices::Words(most) => !(choice.is_null() || choice == "auto" || choice == most || (most != "auto" && choice == "none")),
            Choices::NotThinking => !(choice.is_null() || choice == "auto" || choice == "none" || body["thinking"]["type"] == "disabled"),
        };
        is_bad.then(|| format!("tool_choice {choice} is not possible"))
    }

    fn bad_history(&self, messages: &[Value]) -> Option<String> {
        let (mut open, mut last_role) = (Vec::new(), "");
        for message in messages {
            let role = message["role"].as_str()?;
            if self.preset == "mistral" && last_role == "tool" && role == "user" {
                return Some("Unexpected role 'user' after role 'tool'".to_owned());
            }
            last_role = role;
            let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
            let thought = ["reasoning_content", "reasoning", "reasoning_details"].into_iter().find(|name| !message[*name].is_null());
            let is_well = match self.thoughts {
                Wanted(member) => calls.is_empty() || !message[member].is_null(),
                Told("reasoning") => thought.is_none_or(|name| name == "reasoning"),
                Told(_) | Hidden | Inline => thought.is_none(),
            };
            if !is_well {
                return Some(format!("thinking is missing or not wanted: {message}"));
            }
            if let Some(id) = calls.iter().filter_map(|call| call["id"].as_str()).find(|id| !(self.ids)(id)) {
                return Some(format!("{id} is not the id of a call"));
            }
            open.extend(calls.iter().map(|call| call["id"].clone()));
            if role == "tool" && open.iter().position(|id| *id == message["tool_call_id"]).map(|at| open.remove(at)).is_none() {
                return Some(format!("no call for {message}"));
            }
            let parts = message["content"].as_array().into_iter().flatten();
            if !self.sees && parts.into_iter().any(|part| part["type"] == "image_url") {
                return Some("images are not supported".to_owned());
            }
        }
        (!open.is_empty()).then(|| format!("no results for {open:?}"))
    }

    /// A chunk's or a message's thinking.
    fn thought(&self, words: &str) -> Value {
        match self.thoughts {
            Hidden => json!({}),
            Inline => json!({"content": format!("<think>{words}</think>")}),
            Told(name) | Wanted(name) if name == "reasoning_details" => {
                json!({name: [{"type": "reasoning.text", "id": "r1", "format": "x", "index": 0, "text": words}]})
            }
            Told(name) | Wanted(name) => json!({name: words}),
        }
    }

    fn stream(&self, seen: &Seen, blocks: &[Block]) -> Vec<String> {
        let usage = json!({"prompt_tokens": 1234, "completion_tokens": 56, "total_tokens": 1290});
        let chunk = |choices: Value, more: &str| {
            let (comment, noise) = self.noise;
            format!(
                "{comment}data: {{{noise}{more}\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":{choices}}}\n\n"
            )
        };
        let delta = |delta: Value| chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}]), "");
        let mut frames = vec![delta(json!({"role": "assistant", "content": ""}))];
        let mut calls = 0;
        for block in blocks {
            frames.push(match block {
                Block::Thinking(words) => delta(self.thought(words)),
                Block::Text(words) => delta(json!({"content": words})),
                // In one piece, as most of them do.
                Block::Tool { id, name, input } => {
                    calls += 1;
                    let function = json!({"name": name, "arguments": input.to_string()});
                    delta(json!({"tool_calls": [{"index": calls - 1, "id": id, "type": "function", "function": function}]}))
                }
            });
        }
        let reason = if calls > 0 { "tool_calls" } else { "stop" };
        let mut last = json!([{"index": 0, "delta": {}, "finish_reason": reason}]);
        match self.usage {
            UsageAt::Asked => {
                frames.push(chunk(last, ""));
                if seen.json()["stream_options"]["include_usage"] == true {
                    frames.push(chunk(json!([]), &format!("\"usage\":{usage},")));
                }
            }
            UsageAt::Finish => frames.push(chunk(last, &format!("\"usage\":{usage},"))),
            UsageAt::Groq => frames.push(chunk(last, &format!("\"x_groq\":{{\"id\":\"r\",\"usage\":{usage}}},"))),
            UsageAt::Choice => {
                last[0]["usage"] = usage;
                frames.push(chunk(last, ""));
            }
        }
        frames.push("data: [DONE]\n\n".to_owned());
        frames
    }

    fn whole(&self, blocks: &[Block]) -> Value {
        let mut message = json!({"role": "assistant", "content": ""});
        let mut calls = Vec::new();
        for block in blocks {
            match block {
                Block::Thinking(words) => message.as_object_mut().unwrap().extend(self.thought(words).as_object().unwrap().clone()),
                Block::Text(words) => message["content"] = (message["content"].as_str().unwrap().to_owned() + words).into(),
                Block::Tool { id, name, input } => {
                    calls.push(json!({"id": id, "type": "function", "function": {"name": name, "arguments": input.to_string()}}));
                }
            }
        }
        let reason = if calls.is_empty() { "stop" } else { "tool_calls" };
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        json!({"id": "c1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
            "usage": {"prompt_tokens": 1234, "completion_tokens": 56, "total_tokens": 1290}})
    }

    fn answer(&self, seen: &Seen, blocks: &[Block]) -> Answer {
        match self.refusal(seen) {
            Some(reason) => Answer::json(400, json!({"error": {"message": reason, "type": "invalid_request_error"}}).to_string()),
            None if seen.is_stream() => Answer::stream(self.stream(seen, blocks)),
            None => Answer::json(200, self.whole(blocks).to_string()),
        }
    }
}

/// The program before one upstream under a preset's row.
pub(crate) fn before(preset: &str, dialect: &str, base: &str, has_key: bool, upstream: &Upstream) -> Gateway {
    let key = if has_key { ", key: { env: UPSTREAM_KEY }" } else { "" };
    Gateway::start(&format!(
        "version: 1\nserver: {{ listen: \"127.0.0.1:0\", token: {{ env: AIMUX_CLIENT_TOKEN }} }}\nproviders:\n  \
         up: {{ preset: {preset}, dialect: {dialect}, base_url: \"{}{base}\"{key} }}\n",
        upstream.url()
    ))
}

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// Everything that a Messages client may set.
fn ask(model: &str, is_stream: bool) -> Value {
    let tools: Vec<Value> = ["look", "note"]
        .iter()
        .map(|name| json!({"name": name, "description": "d", "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}}))
        .collect();
    json!({"model": format!("up/{model}"), "max_tokens": 9000, "stream": is_stream, "system": "be brief", "temperature": 1.0, "top_k": 40,
        "stop_sequences": ["A", "B", "C", "D", "E", "F"], "metadata": {"user_id": "u".repeat(80)}, "tools": tools,
        "messages": [{"role": "user", "content": "hi"}]})
}

/// The answer, if it is no stream.
fn whole(reply: &Whole) -> Value {
    serde_json::from_slice(&reply.body).unwrap_or_default()
}

/// The blocks of a whole or streamed answer of the Messages API.
fn blocks(reply: &Whole) -> Vec<Value> {
    if let Some(content) = whole(reply)["content"].as_array() {
        return content.clone();
    }
    let mut blocks: Vec<Value> = Vec::new();
    let mut inputs: Vec<String> = Vec::new();
    for event in reply.events() {
        let data = &event.data;
        let index = data["index"].as_u64().unwrap_or_default() as usize;
        match event.name.as_str() {
            "content_block_start" => {
                blocks.push(data["content_block"].clone());
                inputs.push(String::new());
            }
            "content_block_delta" => {
                for name in ["text", "thinking", "signature"] {
                    if let Some(piece) = data["delta"][name].as_str() {
                        let so_far = blocks[index][name].as_str().unwrap_or_default().to_owned();
                        blocks[index][name] = (so_far + piece).into();
                    }
                }
                inputs[index] += data["delta"]["partial_json"].as_str().unwrap_or_default();
            }
            _ => {}
        }
    }
    for (block, input) in blocks.iter_mut().zip(&inputs).filter(|(_, input)| !input.is_empty()) {
        block["input"] = serde_json::from_str(input).unwrap();
    }
    blocks
}

pub(crate) fn calls() -> [Block; 4] {
    [thinking("Let me see."), text("Two."), tool("call00001", "look", json!({"a": "ä"})), tool("call00002", "note", json!({"a": "2"}))]
}

/// Calls in parallel, with thinking, and their results on the way back, from a client of the Messages API.
fn tools_go_round(row: &Row, gateway: &Gateway, is_stream: bool) {
    let what = format!("{} {is_stream}", row.preset);
    let mut request = ask(row.model, is_stream);
    request["thinking"] = json!({"type": "enabled", "budget_tokens": 2000});
    let reply = gateway.messages(&request);
    assert_eq!(reply.status, 200, "{what}: {}", reply.text());
    let said = blocks(&reply);
    let of = |kind: &str| said.iter().filter(|block| block["type"] == kind).cloned().collect::<Vec<_>>();
    let thought = if row.thoughts == Hidden { 0 } else { 1 };
    assert_eq!(of("thinking").len(), thought, "{what}: {said:?}");
    assert!(of("thinking").iter().all(|block| block["thinking"] == "Let me see."), "{what}: {said:?}");
    assert_eq!(of("text").iter().map(|block| block["text"].as_str().unwrap()).collect::<String>(), "Two.", "{what}");
    let inputs: Vec<Value> = of("tool_use").iter().map(|call| call["input"].clone()).collect();
    assert_eq!(inputs, [json!({"a": "ä"}), json!({"a": "2"})], "{what}");
    let results: Vec<Value> =
        of("tool_use").iter().map(|call| json!({"type": "tool_result", "tool_use_id": call["id"], "content": "ok"})).collect();
    let mut user = results;
    user.push(json!({"type": "text", "text": "go on"}));
    request["messages"] =
        json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": said}, {"role": "user", "content": user}]);
    let reply = gateway.messages(&request);
    assert_eq!(reply.status, 200, "{what}: {}", reply.text());
}

fn told_usage(reply: &Whole) -> (u64, u64) {
    let count = |usage: &Value, name: &str| usage[name].as_u64().unwrap_or_default();
    let whole = whole(reply);
    if whole["usage"].is_object() {
        return (count(&whole["usage"], "input_tokens"), count(&whole["usage"], "output_tokens"));
    }
    let last = reply.events().into_iter().rfind(|event| event.name == "message_delta").unwrap().data;
    (count(&last["usage"], "input_tokens"), count(&last["usage"], "output_tokens"))
}

fn keeps_the_contract(row: &'static Row) {
    let what = row.preset;
    let upstream = Upstream::start(|seen, _| row.answer(seen, &calls()));
    let gateway = before(row.preset, "openai-chat", row.base, !row.auth.is_empty(), &upstream);
    for is_stream in [false, true] {
        // Whatever a client sets, the provider gets nothing that it refuses.
        for choice in [
            json!({"type": "auto", "disable_parallel_tool_use": true}),
            json!({"type": "any"}),
            json!({"type": "tool", "name": "note"}),
            json!({"type": "none"}),
        ] {
            let mut request = ask(row.model, is_stream);
            request["tool_choice"] = choice.clone();
            let reply = gateway.messages(&request);
            assert_eq!(reply.status, 200, "{what} {choice}: {}", reply.text());
            assert_eq!(told_usage(&reply), (1234, 56), "{what}: {}", reply.text());
        }
        tools_go_round(row, &gateway, is_stream);
    }
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}});
    let mut request = ask(row.model, false);
    request["messages"] = json!([{"role": "user", "content": [{"type": "text", "text": "see"}, image]}]);
    let reply = gateway.messages(&request);
    if row.sees {
        assert!(
            reply.status == 200 && upstream.seen().pop().unwrap().text().contains("data:image/png;base64,"),
            "{what}: {}",
            reply.text()
        );
    } else {
        assert!(reply.status == 400 && reply.text().contains("sees no images"), "{what}: {}", reply.text());
    }
    // A client of the same dialect sends what it likes: a refusal is relayed in the provider's own words.
    let chat = json!({"model": format!("up/{}", row.model), "zebra": 1, "messages": []});
    let reply = gateway.chat(&chat);
    assert_eq!((reply.status, reply.json()["error"]["message"].as_str()), (400, Some("unknown member zebra")), "{what}");
    let counted = gateway.call("POST", "/v1/messages/count_tokens", ask(row.model, false).to_string().as_bytes());
    assert!(counted.status == 200 && counted.json()["input_tokens"].as_u64() > Some(0), "{what}: {}", counted.text());
}

/// Kimi's model whose thinking cannot be switched off, and whose tools cannot be forced.
#[test]
fn moonshot_that_always_thinks() {
    const ALWAYS: &Row = &Row { model: "kimi-k2.7-code", ..MOONSHOT };
    keeps_the_contract(ALWAYS);
}

/// A test for each row, by its place.
macro_rules! contracts {
    ($($name:ident: $preset:literal)*) => {
        $(#[test] fn $name() { keeps_the_contract(ROWS.iter().find(|row| row.preset == $preset).unwrap()); })*

        #[test]
        fn every_preset_has_a_contract() {
            let tested = [$($preset),*];
            assert_eq!(tested.to_vec(), ROWS.iter().map(|row| row.preset).collect::<Vec<_>>());
            let chat = aimux::provider::table::PRESETS.iter().filter(|preset| preset.name != "anthropic").map(|preset| preset.name);
            assert_eq!(chat.collect::<Vec<_>>(), tested);
        }
    };
}

contracts! {
    openai: "openai"
    cerebras: "cerebras"
    zai: "zai"
    zai_coding: "zai-coding"
    minimax: "minimax"
    synthetic: "synthetic"
    xai: "xai"
    groq: "groq"
    mistral: "mistral"
    deepseek: "deepseek"
    moonshot: "moonshot"
    openrouter: "openrouter"
    ollama: "ollama"
    lmstudio: "lmstudio"
    llama_cpp: "llama.cpp"
    vllm: "vllm"
}
