//! Writes whole answers for a client, and the words that streams share with them: stop reasons, usage, signatures.
//!
//! Start with [`encode_response`].

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::citation::{is_sayable, write_citation};
use super::response_in::settle_stop;
use super::wire::FAMILY;
use crate::chat::response::ResponseBlock;
use crate::chat::{ChatResponse, Citation, Loss, Opaque, StopReason, Usage, lose};
use crate::dialect::ReplyMap;
use crate::dialect::names::answer_id;
use crate::wire::Text;
use crate::wire::object::{Object, list};
use crate::wire::read;

/// Writes a whole answer for a client.
pub(super) fn encode_response(response: &ChatResponse, reply: &ReplyMap, losses: &mut Vec<Loss>) -> Bytes {
    // The model is the one that the client asked for.
    let ChatResponse { id, model: _, blocks, stop, stop_sequence, usage, losses: said } = response;
    said.iter().for_each(|loss| lose(losses, loss.clone()));
    let mut out = Vec::with_capacity(1024);
    let mut message = Object::open(&mut out);
    message
        .str("id", &answer_id(super::ID, &reply.id, id.as_deref()))
        .str("type", "message")
        .str("role", "assistant")
        .str("model", &reply.model);
    list(message.key("content"), blocks.iter().filter(|block| !is_empty(block)), |out, block| write_block(out, block, losses));
    let has_calls = blocks.iter().any(|block| matches!(block, ResponseBlock::ToolCall { id: _, name: _, arguments: _ }));
    let reason = stop_reason(stop.unwrap_or(StopReason::End), has_calls);
    message.str("stop_reason", reason);
    match stop_sequence {
        Some(sequence) if reason == "stop_sequence" => message.str("stop_sequence", sequence),
        _ => message.raw("stop_sequence", "null"),
    };
    write_usage(message.key("usage"), usage, reply.input_estimate);
    message.close();
    out.into()
}

fn is_empty(block: &ResponseBlock) -> bool {
    match block {
        ResponseBlock::Text { text, citations } => text.is_empty() && citations.is_empty(),
        ResponseBlock::Thinking { text, opaque } => text.is_empty() && opaque.is_none(),
        ResponseBlock::RedactedThinking(_) | ResponseBlock::ToolCall { id: _, name: _, arguments: _ } => false,
    }
}

fn write_block(out: &mut Vec<u8>, block: &ResponseBlock, losses: &mut Vec<Loss>) {
    let mut object = Object::open(out);
    match block {
        ResponseBlock::Text { text, citations } => {
            object.str("type", "text").str("text", text);
            write_citations(&mut object, citations, losses);
        }
        ResponseBlock::Thinking { text, opaque } => {
            let signature = opaque.as_ref().map_or_else(|| Opaque::new("unsigned", "").seal().into(), signature);
            object.str("type", "thinking").str("thinking", text).str("signature", &signature);
        }
        ResponseBlock::RedactedThinking(opaque) => {
            object.str("type", "redacted_thinking").str("data", &signature(opaque));
        }
        ResponseBlock::ToolCall { id, name, arguments } => {
            let input = object_arguments(arguments).0;
            object.str("type", "tool_use").str("id", id).str("name", name).raw("input", &input);
        }
    }
    object.close();
}

/// The member is there only where something is cited.
fn write_citations(object: &mut Object<'_>, citations: &[Citation], losses: &mut Vec<Loss>) {
    let sayable: Vec<&Citation> = citations.iter().filter(|citation| is_sayable(citation, losses)).collect();
    if !sayable.is_empty() {
        list(object.key("citations"), sayable, write_citation);
    }
}

/// Arguments as a JSON object, text to text: nothing becomes `{}`, an encoded object is unwrapped, anything else is put
/// under `_raw`. The second part tells whether it had to be.
pub(super) fn object_arguments(arguments: &str) -> (Cow<'_, str>, bool) {
    let text = arguments.trim();
    if text.is_empty() || text == "null" {
        return (Cow::Borrowed("{}"), false);
    }
    if let Ok(raw) = read::from_str::<&RawValue>(text) {
        if text.starts_with('{') {
            return (Cow::Borrowed(text), false);
        }
        if let Some(inner) = Text::from_raw(raw).map(|inner| inner.read().trim().to_owned()) {
            if inner.is_empty() {
                return (Cow::Borrowed("{}"), false);
            }
            if inner.starts_with('{') && read::from_str::<&RawValue>(&inner).is_ok() {
                return (Cow::Owned(inner), false);
            }
        }
    }
    let mut out = Vec::new();
    let mut object = Object::open(&mut out);
    object.str("_raw", arguments);
    object.close();
    (Cow::Owned(String::from_utf8(out).unwrap_or_default()), true)
}

/// What a client gets as signature: Anthropic's own as it is, any other state in our envelope.
pub(super) fn signature(opaque: &Opaque) -> Cow<'_, str> {
    if opaque.family == FAMILY && !opaque.state.is_empty() { Cow::Borrowed(&opaque.state) } else { Cow::Owned(opaque.seal()) }
}

/// The dialect's word for a reason.
pub(super) fn stop_reason(reason: StopReason, has_calls: bool) -> &'static str {
    match settle_stop(reason, has_calls) {
        StopReason::End => "end_turn",
        StopReason::StopSequence => "stop_sequence",
        StopReason::Length => "max_tokens",
        StopReason::ContextFull => "model_context_window_exceeded",
        StopReason::ToolUse => "tool_use",
        StopReason::Refusal => "refusal",
        StopReason::Paused => "pause_turn",
    }
}

/// Writes usage; what the upstream never said is zero, and its input the estimate.
pub(super) fn write_usage(out: &mut Vec<u8>, usage: &Usage, input_estimate: u64) {
    // Output includes thinking, and what was written to the cache is told in one sum.
    let Usage { input, cache_read, cache_write, cache_write_1h: _, output, reasoning: _ } = usage;
    let is_unknown = input.is_none() && cache_read.is_none() && cache_write.is_none();
    let mut object = Object::open(out);
    object.json("input_tokens", input.unwrap_or(if is_unknown { input_estimate } else { 0 }));
    object.json("cache_creation_input_tokens", cache_write.unwrap_or(0));
    object.json("cache_read_input_tokens", cache_read.unwrap_or(0));
    object.json("output_tokens", output.unwrap_or(0));
    object.close();
}
