//! What a model says, in the words of either dialect: frames of a stream or one JSON body.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::upstream::{Answer, Seen};

/// Counts the answers to agents: no two have the same id.
static TURN: AtomicUsize = AtomicUsize::new(0);

/// A part of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Block {
    Thinking(String),
    Text(String),
    Tool { id: String, name: String, input: Value },
}

pub(crate) fn text(text: &str) -> Block {
    Block::Text(text.to_owned())
}

pub(crate) fn thinking(text: &str) -> Block {
    Block::Thinking(text.to_owned())
}

pub(crate) fn tool(id: &str, name: &str, input: Value) -> Block {
    Block::Tool { id: id.to_owned(), name: name.to_owned(), input }
}

/// The signature that the scripted Anthropic upstream puts under its thinking.
pub(crate) const SIGNATURE: &str = "c2lnbmVkIGJ5IHRoZSBzY3JpcHQ=";

/// The language that an upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    Anthropic,
    Chat,
}

impl Speaks {
    /// As the config names it.
    pub(crate) fn dialect(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Chat => "openai-chat",
        }
    }

    /// The answer to a request, streamed when it asks for that.
    pub(crate) fn answer(self, request: &Seen, blocks: &[Block]) -> Answer {
        // Claude Code sends thinking back only to the model that it asked, and joins turns that have the same id.
        let asked = request.json()["model"].as_str().unwrap_or_default().to_owned();
        let turn = if request.has_tools() { TURN.fetch_add(1, Ordering::Relaxed).to_string() } else { String::new() };
        let named = |text: String| {
            let ided =
                text.replace("\"msg_up\"", &format!("\"msg_up{turn}\"")).replace("\"chatcmpl-up\"", &format!("\"chatcmpl-up{turn}\""));
            if turn.is_empty() { ided } else { ided.replace("\"model\":\"up-model\"", &format!("\"model\":\"{asked}\"")) }
        };
        match (self, request.is_stream()) {
            (Self::Anthropic, true) => Answer::stream(anthropic_frames(blocks).into_iter().map(named)),
            (Self::Anthropic, false) => Answer::json(200, named(anthropic_body(blocks).to_string())),
            (Self::Chat, true) => Answer::stream(chat_frames(blocks).into_iter().map(named)),
            (Self::Chat, false) => Answer::json(200, named(chat_body(blocks).to_string())),
        }
    }

    /// A refusal in the dialect's own shape.
    pub(crate) fn refusal(self, status: u16, message: &str) -> Answer {
        let kind = match status {
            429 => "rate_limit_error",
            529 => "overloaded_error",
            404 => "not_found_error",
            401 => "authentication_error",
            400 => "invalid_request_error",
            _ => "api_error",
        };
        let body = match self {
            Self::Anthropic => json!({"type": "error", "error": {"type": kind, "message": message}}),
            Self::Chat => json!({"error": {"message": message, "type": kind, "param": null, "code": null}}),
        };
        Answer::json(status, body.to_string())
    }
}

pub(crate) fn anthropic_frames(blocks: &[Block]) -> Vec<String> {
    let frame = |data: Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
    let usage = json!({"input_tokens": 1234, "output_tokens": 1, "cache_read_input_tokens": 789, "cache_creation_input_tokens": 12});
    let mut frames = vec![
        frame(json!({"type": "message_start", "message": {"id": "msg_up", "type": "message", "role": "assistant", "model": "up-model",
            "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage}})),
        frame(json!({"type": "ping"})),
    ];
    for (index, block) in blocks.iter().enumerate() {
        let start = |block: Value| frame(json!({"type": "content_block_start", "index": index, "content_block": block}));
        let delta = |delta: Value| frame(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        match block {
            Block::Thinking(text) => {
                frames.push(start(json!({"type": "thinking", "thinking": "", "signature": ""})));
                frames.extend(pieces(text).map(|piece| delta(json!({"type": "thinking_delta", "thinking": piece}))));
                frames.push(delta(json!({"type": "signature_delta", "signature": SIGNATURE})));
            }
            Block::Text(text) => {
                frames.push(start(json!({"type": "text", "text": ""})));
                frames.extend(pieces(text).map(|piece| delta(json!({"type": "text_delta", "text": piece}))));
            }
            Block::Tool { id, name, input } => {
                frames.push(start(json!({"type": "tool_use", "id": id, "name": name, "input": {}})));
                let input = input.to_string();
                frames.extend(pieces(&input).map(|piece| delta(json!({"type": "input_json_delta", "partial_json": piece}))));
            }
        }
        frames.push(frame(json!({"type": "content_block_stop", "index": index})));
    }
    let usage = json!({"output_tokens": 56});
    frames.push(frame(
        json!({"type": "message_delta", "delta": {"stop_reason": anthropic_stop(blocks), "stop_sequence": null}, "usage": usage}),
    ));
    frames.push(frame(json!({"type": "message_stop"})));
    frames
}

pub(crate) fn anthropic_body(blocks: &[Block]) -> Value {
    let content: Vec<Value> = blocks
        .iter()
        .map(|block| match block {
            Block::Thinking(text) => json!({"type": "thinking", "thinking": text, "signature": SIGNATURE}),
            Block::Text(text) => json!({"type": "text", "text": text}),
            Block::Tool { id, name, input } => json!({"type": "tool_use", "id": id, "name": name, "input": input}),
        })
        .collect();
    json!({"id": "msg_up", "type": "message", "role": "assistant", "model": "up-model", "content": content,
        "stop_reason": anthropic_stop(blocks), "stop_sequence": null,
        "usage": {"input_tokens": 1234, "output_tokens": 56, "cache_read_input_tokens": 789, "cache_creation_input_tokens": 12}})
}

fn has_tool(blocks: &[Block]) -> bool {
    blocks.iter().any(|block| matches!(block, Block::Tool { .. }))
}

fn anthropic_stop(blocks: &[Block]) -> &'static str {
    if has_tool(blocks) { "tool_use" } else { "end_turn" }
}

fn chat_usage() -> Value {
    json!({"prompt_tokens": 1234, "completion_tokens": 56, "total_tokens": 1290, "prompt_tokens_details": {"cached_tokens": 789}})
}

pub(crate) fn chat_frames(blocks: &[Block]) -> Vec<String> {
    let chunk = |choices: Value, usage: Value| {
        let data = json!({"id": "chatcmpl-up", "object": "chat.completion.chunk", "created": 1, "model": "up-model", "choices": choices, "usage": usage});
        format!("data: {data}\n\n")
    };
    let delta = |delta: Value| chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}]), Value::Null);
    let mut frames = vec![delta(json!({"role": "assistant", "content": ""}))];
    let mut call = 0;
    for block in blocks {
        match block {
            Block::Thinking(text) => frames.extend(pieces(text).map(|piece| delta(json!({"reasoning_content": piece})))),
            Block::Text(text) => frames.extend(pieces(text).map(|piece| delta(json!({"content": piece})))),
            Block::Tool { id, name, input } => {
                let function = json!({"name": name, "arguments": ""});
                frames.push(delta(json!({"tool_calls": [{"index": call, "id": id, "type": "function", "function": function}]})));
                let input = input.to_string();
                frames
                    .extend(pieces(&input).map(|piece| delta(json!({"tool_calls": [{"index": call, "function": {"arguments": piece}}]}))));
                call += 1;
            }
        }
    }
    let reason = if has_tool(blocks) { "tool_calls" } else { "stop" };
    frames.push(chunk(json!([{"index": 0, "delta": {}, "finish_reason": reason}]), Value::Null));
    frames.push(chunk(json!([]), chat_usage()));
    frames.push("data: [DONE]\n\n".to_owned());
    frames
}

pub(crate) fn chat_body(blocks: &[Block]) -> Value {
    let texts: String = blocks.iter().filter_map(|block| if let Block::Text(text) = block { Some(text.as_str()) } else { None }).collect();
    let mut message = json!({"role": "assistant", "content": texts});
    let thoughts: String =
        blocks.iter().filter_map(|block| if let Block::Thinking(text) = block { Some(text.as_str()) } else { None }).collect();
    if !thoughts.is_empty() {
        message["reasoning_content"] = thoughts.into();
    }
    let calls: Vec<Value> = blocks
        .iter()
        .filter_map(|block| match block {
            Block::Tool { id, name, input } => {
                Some(json!({"id": id, "type": "function", "function": {"name": name, "arguments": input.to_string()}}))
            }
            _ => None,
        })
        .collect();
    let reason = if calls.is_empty() { "stop" } else { "tool_calls" };
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    json!({"id": "chatcmpl-up", "object": "chat.completion", "created": 1, "model": "up-model",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}], "usage": chat_usage()})
}

/// The text in pieces of twelve characters.
fn pieces(text: &str) -> impl Iterator<Item = String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(12).map(|piece| piece.iter().collect()).collect::<Vec<String>>().into_iter()
}
