//! What a provider said to one request, read into what the checks ask about.

use serde_json::Value;

use crate::chat::request::{Arguments, Block, BlockKind, Role, Thinking, ToolCall, Turn};
use crate::chat::{BlockStart, Delta, Event, Failure, Opaque, StopReason, Usage};
use crate::dialect::Dialect;
use crate::wire::sse::Splitter;

/// One event of a stream is no longer than this, in bytes.
pub(super) const FRAME_MAX: usize = 8 << 20;

/// A well-formed answer.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) parts: Vec<Part>,
    pub(super) usage: Usage,
    pub(super) reason: Option<StopReason>,
    pub(super) content_type: String,
    /// The bytes of its body.
    pub(super) body: Vec<u8>,
}

/// A block of it.
#[derive(Debug)]
pub(super) enum Part {
    Text(String),
    Thinking { text: String, opaque: Option<Opaque>, is_redacted: bool },
    Call { id: String, name: String, arguments: String },
}

impl Reply {
    /// What events make of an answer.
    ///
    /// # Errors
    /// With the failure that the answer is, or ends in.
    pub(super) fn of(events: Vec<Event>) -> Result<Self, Failure> {
        let mut reply = Self::default();
        let mut blocks: Vec<(u32, Part)> = Vec::new();
        let mut is_over = false;
        for event in events {
            match event {
                Event::BlockStart { index, block } => blocks.push((index, part(block))),
                Event::Delta { index, delta } => {
                    if let Some((_, part)) = blocks.iter_mut().find(|(known, _)| *known == index) {
                        grow(part, delta);
                    }
                }
                Event::Usage(usage) => reply.usage.merge(&usage),
                Event::Finish { reason, .. } => reply.reason = Some(reason),
                Event::End => is_over = true,
                Event::Failed(failure) => return Err(failure),
                Event::Start { .. } | Event::BlockStop { .. } | Event::Lost(_) => {}
            }
        }
        if !is_over {
            return Err(Failure::broken_off("the answer has no end"));
        }
        reply.parts = blocks.into_iter().map(|(_, part)| part).collect();
        Ok(reply)
    }

    /// Its text, without thinking.
    pub(super) fn text(&self) -> String {
        self.parts.iter().filter_map(|part| if let Part::Text(text) = part { Some(text.as_str()) } else { None }).collect()
    }

    /// Its calls: id, name, arguments.
    pub(super) fn calls(&self) -> Vec<(&str, &str, &str)> {
        let calls = self.parts.iter().filter_map(|part| match part {
            Part::Call { id, name, arguments } => Some((id.as_str(), name.as_str(), arguments.as_str())),
            Part::Text(_) | Part::Thinking { .. } => None,
        });
        calls.collect()
    }

    /// Whether it thought, as far as it shows.
    pub(super) fn has_thought(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Thinking { .. })) || self.usage.reasoning.is_some_and(|tokens| tokens > 0)
    }

    /// Whether some of its thinking came with the provider's proof.
    pub(super) fn is_signed(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Thinking { opaque: Some(opaque), .. } if !opaque.state.is_empty()))
    }

    /// Whether it ended at the output limit.
    pub(super) fn is_cut(&self) -> bool {
        matches!(self.reason, Some(StopReason::Length | StopReason::ContextFull))
    }

    /// Its content as it goes back in the history.
    pub(super) fn turn(&self) -> Turn<'_> {
        let blocks = self.parts.iter().map(|part| {
            Block::from(match part {
                Part::Text(text) => BlockKind::Text(text.as_str().into()),
                Part::Thinking { text, opaque, is_redacted } => {
                    BlockKind::Thinking(Thinking { text: text.as_str().into(), opaque: opaque.clone(), is_redacted: *is_redacted })
                }
                Part::Call { id, name, arguments } => BlockKind::ToolCall(ToolCall {
                    id: id.as_str().into(),
                    name: name.as_str().into(),
                    arguments: Arguments::Encoded(arguments.as_str().into()),
                    opaque: None,
                }),
            })
        });
        Turn { role: Role::Assistant, name: None, blocks: blocks.collect() }
    }
}

fn part(block: BlockStart) -> Part {
    match block {
        BlockStart::Text => Part::Text(String::new()),
        BlockStart::Thinking => Part::Thinking { text: String::new(), opaque: None, is_redacted: false },
        BlockStart::RedactedThinking(opaque) => Part::Thinking { text: String::new(), opaque: Some(opaque), is_redacted: true },
        BlockStart::ToolCall { id, name } => Part::Call { id, name, arguments: String::new() },
    }
}

fn grow(part: &mut Part, delta: Delta) {
    match (part, delta) {
        (Part::Text(text), Delta::Text(more)) | (Part::Thinking { text, .. }, Delta::Thinking(more)) => text.push_str(&more),
        (Part::Thinking { opaque, .. }, Delta::Signature(state)) => *opaque = Some(state),
        (Part::Call { arguments, .. }, Delta::Arguments(more)) => arguments.push_str(&more),
        _ => {}
    }
}

/// What is wrong with the order of a stream's events; `None`: nothing.
pub(super) fn disorder(dialect: Dialect, body: &[u8]) -> Option<String> {
    let mut splitter = Splitter::new(FRAME_MAX);
    splitter.push(body);
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = splitter.next_frame() {
        frames.push(frame);
    }
    frames.extend(splitter.finish());
    let data: Vec<&[u8]> = frames.iter().filter(|frame| !frame.is_comment()).map(|frame| &frame.data[..]).collect();
    match dialect {
        Dialect::AnthropicMessages => messages_disorder(&data),
        Dialect::OpenAiChat => chat_disorder(&data),
    }
}

fn messages_disorder(data: &[&[u8]]) -> Option<String> {
    let events: Vec<Value> = data.iter().filter_map(|data| serde_json::from_slice(data).ok()).collect();
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).filter(|kind| *kind != "ping").collect();
    if kinds.first() != Some(&"message_start") {
        return Some(format!("the stream begins with {}, not message_start", kinds.first().unwrap_or(&"nothing")));
    }
    if kinds.last() != Some(&"message_stop") {
        return Some(format!("the stream ends with {}, not message_stop", kinds.last().unwrap_or(&"nothing")));
    }
    let mut open = Vec::new();
    for event in &events {
        let index = &event["index"];
        match event["type"].as_str() {
            Some("content_block_start") => open.push(index),
            Some("content_block_delta") if !open.contains(&index) => return Some(format!("a delta of block {index}, which is not open")),
            Some("content_block_stop") if !open.contains(&index) => return Some(format!("the end of block {index}, which is not open")),
            Some("content_block_stop") => open.retain(|known| *known != index),
            Some("message_delta") if !open.is_empty() => return Some("message_delta before the last block's end".to_owned()),
            _ => {}
        }
    }
    let has_reason = events.iter().any(|event| event["type"] == "message_delta" && event["delta"]["stop_reason"].is_string());
    (!has_reason).then(|| "no message_delta tells why it ended".to_owned())
}

fn chat_disorder(data: &[&[u8]]) -> Option<String> {
    if data.last().is_none_or(|data| data.trim_ascii() != b"[DONE]") {
        return Some("the stream does not end with [DONE]".to_owned());
    }
    let mut is_finished = false;
    for chunk in data.iter().filter_map(|data| serde_json::from_slice::<Value>(data).ok()) {
        let choice = &chunk["choices"][0];
        let says = |member: &str| choice["delta"][member].as_str().is_some_and(|text| !text.is_empty());
        if is_finished && (says("content") || says("reasoning_content") || choice["delta"]["tool_calls"].is_array()) {
            return Some("content after finish_reason".to_owned());
        }
        is_finished |= choice["finish_reason"].is_string();
    }
    (!is_finished).then(|| "no chunk has a finish_reason".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(dialect: Dialect, data: &[&str]) -> String {
        let body: String = data.iter().map(|data| format!("data: {data}\n\n")).collect();
        disorder(dialect, body.as_bytes()).unwrap_or_default()
    }

    #[test]
    fn a_messages_stream_out_of_order_is_told() {
        let start = r#"{"type":"message_start","message":{}}"#;
        let block = r#"{"type":"content_block_start","index":0}"#;
        let delta = r#"{"type":"content_block_delta","index":0}"#;
        let stop = r#"{"type":"content_block_stop","index":0}"#;
        let reason = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#;
        let end = r#"{"type":"message_stop"}"#;
        for (data, fault) in [
            (&[start, r#"{"type":"ping"}"#, block, delta, stop, reason, end][..], ""),
            (&[block, delta, stop, reason, end], "begins with content_block_start"),
            (&[start, delta, reason, end], "a delta of block 0"),
            (&[start, stop, reason, end], "the end of block 0"),
            (&[start, block, reason, stop, end], "message_delta before"),
            (&[start, block, stop, end], "why it ended"),
            (&[start, block, stop, reason], "ends with message_delta"),
            (&[], "begins with nothing"),
        ] {
            let told = told(Dialect::AnthropicMessages, data);
            assert!(if fault.is_empty() { told.is_empty() } else { told.contains(fault) }, "{fault}: {told}");
        }
    }

    #[test]
    fn a_chat_stream_out_of_order_is_told() {
        let text = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
        let finish = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
        for (data, fault) in [
            (&[text, finish, r#"{"choices":[],"usage":{}}"#, "[DONE]"][..], ""),
            (&[text, finish], "[DONE]"),
            (&[finish, text, "[DONE]"], "content after"),
            (&[text, "[DONE]"], "finish_reason"),
        ] {
            let told = told(Dialect::OpenAiChat, data);
            assert!(if fault.is_empty() { told.is_empty() } else { told.contains(fault) }, "{fault}: {told}");
        }
    }
}
