//! Reads whole answers, and the words that streams share with them: stop reasons, usage, ids.
//!
//! Start with [`decode_response`]; `response_out` writes them.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::citation::read_citation;
use super::wire::{Raw, WireBlock};
use crate::chat::response::ResponseBlock;
use crate::chat::{ChatResponse, Citation, Failure, FailureKind, Loss, Opaque, StopReason, Unread, Usage, lose};
use crate::dialect::failure::disguised_failure;
use crate::dialect::{Quirks, ReplyMap};
use crate::wire::Text;
use crate::wire::json::items;
use crate::wire::read;
use crate::wire::splice::splice;

/// A whole answer, as far as it is read.
#[derive(Deserialize)]
struct WireResponse<'a> {
    #[serde(borrow, default)]
    id: Raw<'a>,
    #[serde(borrow, default)]
    model: Raw<'a>,
    #[serde(borrow, default)]
    content: Raw<'a>,
    #[serde(borrow, default)]
    stop_reason: Raw<'a>,
    #[serde(borrow, default)]
    stop_sequence: Raw<'a>,
    #[serde(borrow, default)]
    usage: Raw<'a>,
}

/// Reads an upstream's whole answer of status 2xx.
///
/// # Errors
/// When the body is an error in disguise, or no message.
pub(super) fn decode_response(body: &[u8], reply: &ReplyMap, quirks: &Quirks) -> Result<ChatResponse, Failure> {
    if let Some(failure) = disguised_failure(body) {
        return Err(failure);
    }
    let nonsense = || Failure::new(FailureKind::Server, "the provider answered 200 with JSON that is no message");
    let wire: WireResponse<'_> = read::from_slice(body.trim_ascii()).map_err(|_| nonsense())?;
    let content = wire.content.ok_or_else(nonsense)?;
    let (mut blocks, mut losses) = (Vec::new(), Vec::new());
    if let Some(text) = Text::from_raw(content) {
        blocks.push(ResponseBlock::text(text.read()));
    } else {
        let wire_blocks: Vec<WireBlock<'_>> = read::from_str(content.get()).map_err(|_| nonsense())?;
        blocks.extend(wire_blocks.iter().filter_map(|wire| block(wire, quirks, &mut losses)));
    }
    finish_calls(&mut blocks, reply);
    let has_calls = blocks.iter().any(|block| matches!(block, ResponseBlock::ToolCall { .. }));
    let stop = read(wire.stop_reason).filter(|word| !word.is_empty()).map_or(StopReason::End, |word| read_stop_reason(&word));
    Ok(ChatResponse {
        id: read(wire.id).filter(|id| !id.is_empty()).map(Cow::into_owned),
        model: read(wire.model).map(Cow::into_owned),
        blocks,
        stop: Some(settle_stop(stop, has_calls)),
        stop_sequence: read(wire.stop_sequence).map(Cow::into_owned),
        usage: wire.usage.map(read_usage).unwrap_or_default(),
        losses,
    })
}

/// The JSON with another model in the place of `token`, which points into it; `None` where it says so already.
pub(super) fn with_model(json: &Bytes, token: &RawValue, model: &str) -> Option<Bytes> {
    let name = serde_json::to_vec(model).ok().filter(|name| name != token.get().as_bytes())?;
    let start = (token.get().as_ptr() as usize).checked_sub(json.as_ptr() as usize)?;
    let span = start..start + token.get().len();
    (span.end <= json.len()).then(|| splice(json, &[(span, name.as_slice())]).into_bytes())
}

/// The reason that fits what was said: calls with a plain end are calls; without any they are none.
pub(super) fn settle_stop(stop: StopReason, has_calls: bool) -> StopReason {
    match (stop, has_calls) {
        (StopReason::End, true) => StopReason::ToolUse,
        (StopReason::ToolUse, false) => StopReason::End,
        (stop, _) => stop,
    }
}

fn read(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    Text::from_raw(raw?).map(|text| text.read())
}

/// What a text cites; `None` and members of other kinds cite nothing.
pub(super) fn citations(raw: Raw<'_>, quirks: &Quirks) -> Vec<Citation> {
    raw.and_then(items)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|raw| read_citation(raw, quirks.family, &mut Unread::default()))
        .collect()
}

/// The loss of a block of one of the provider's own tools. These work for the model alone; what they found comes as text.
pub(super) fn server_block(kind: &str) -> Loss {
    Loss::of_kind("content[]", kind)
}

/// A block of an answer; what has no equivalent is left out and recorded.
fn block(wire: &WireBlock<'_>, quirks: &Quirks, losses: &mut Vec<Loss>) -> Option<ResponseBlock> {
    let text = |raw: Raw<'_>| read(raw).unwrap_or_default().into_owned();
    Some(match read(wire.kind)?.as_ref() {
        "text" => ResponseBlock::Text { text: text(wire.text), citations: citations(wire.citations, quirks) },
        "thinking" => {
            let state = text(wire.signature);
            let opaque = (!state.is_empty()).then(|| Opaque::new(quirks.family, state));
            ResponseBlock::Thinking { text: text(wire.thinking), opaque }
        }
        "redacted_thinking" => ResponseBlock::RedactedThinking(Opaque::new(quirks.family, text(wire.data))),
        "tool_use" => ResponseBlock::ToolCall {
            id: text(wire.id),
            name: read(wire.name).filter(|name| !name.is_empty())?.into_owned(),
            arguments: match wire.input {
                Some(raw) => Text::from_raw(raw).map_or_else(|| raw.get().to_owned(), |text| text.read().into_owned()),
                None => String::new(),
            },
        },
        kind => {
            lose(losses, server_block(kind));
            return None;
        }
    })
}

/// Restores names, fills in ids, unwraps the schema tool, keeps one call where one was asked for.
fn finish_calls(blocks: &mut Vec<ResponseBlock>, reply: &ReplyMap) {
    let mut ids: Vec<String> = Vec::new();
    blocks.retain_mut(|block| {
        let ResponseBlock::ToolCall { id, name, arguments } = block else { return true };
        if reply.schema_tool.as_ref() == Some(name) {
            let text = std::mem::take(arguments);
            *block = ResponseBlock::text(text);
            return true;
        }
        if reply.single_tool_call && !ids.is_empty() {
            return false;
        }
        *name = reply.original_name(name).to_owned();
        *id = unique_id(id, &ids);
        ids.push(id.clone());
        true
    });
}

/// `id`, or a new one where it is missing or taken.
pub(super) fn unique_id(id: &str, taken: &[String]) -> String {
    if !id.is_empty() && !taken.iter().any(|other| other == id) {
        return id.to_owned();
    }
    let stem = if id.is_empty() { "toolu" } else { id };
    (taken.len() + 1..).map(|n| format!("{stem}_{n}")).find(|new| !taken.contains(new)).unwrap_or_default()
}

/// The reason behind a word; compatible servers mix in OpenAI's. What is not known is an end: an unknown word makes
/// clients ask again for ever.
pub(super) fn read_stop_reason(word: &str) -> StopReason {
    match word {
        "stop_sequence" => StopReason::StopSequence,
        "max_tokens" | "length" | "max_output_tokens" => StopReason::Length,
        "model_context_window_exceeded" => StopReason::ContextFull,
        "tool_use" | "tool_calls" | "function_call" => StopReason::ToolUse,
        "refusal" | "content_filter" | "sensitive" => StopReason::Refusal,
        "pause_turn" => StopReason::Paused,
        _ => StopReason::End,
    }
}

/// Reads a usage object; null and members of other kinds count as unsaid.
pub(super) fn read_usage(raw: &RawValue) -> Usage {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(borrow, default)]
        input_tokens: Raw<'a>,
        #[serde(borrow, default)]
        output_tokens: Raw<'a>,
        #[serde(borrow, default)]
        cache_read_input_tokens: Raw<'a>,
        #[serde(borrow, default)]
        cache_creation_input_tokens: Raw<'a>,
        #[serde(borrow, default)]
        cache_creation: Raw<'a>,
    }
    #[derive(Deserialize)]
    struct Creation<'a> {
        #[serde(borrow, default)]
        ephemeral_1h_input_tokens: Raw<'a>,
    }
    let Ok(wire) = read::from_str::<Wire<'_>>(raw.get()) else { return Usage::default() };
    let count = |raw: Raw<'_>| raw.and_then(|raw| raw.get().parse().ok());
    let creation = wire.cache_creation.and_then(|raw| read::from_str::<Creation<'_>>(raw.get()).ok());
    Usage {
        input: count(wire.input_tokens),
        cache_read: count(wire.cache_read_input_tokens),
        cache_write: count(wire.cache_creation_input_tokens),
        cache_write_1h: creation.and_then(|creation| count(creation.ephemeral_1h_input_tokens)),
        output: count(wire.output_tokens),
        reasoning: None,
    }
}
