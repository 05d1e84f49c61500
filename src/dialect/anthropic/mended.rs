//! The events that a tap writes in place of the upstream's: empty deltas, shifted block numbers, usage filled in.

use bytes::Bytes;
use serde_json::Value;

use super::stream_out::write_event;
use super::wire::{WireBlock, WireEvent, read};
use crate::chat::Usage;
use crate::wire::read;
use crate::wire::sse;

/// The empty delta of a block's kind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Nothing {
    Text,
    Thinking,
    Arguments,
    /// The kind has none.
    Ping,
}

impl Nothing {
    /// That of the block which `event` starts.
    pub(super) fn of(event: &WireEvent<'_>) -> Self {
        let kind = event.content_block.and_then(|raw| read::from_str::<WireBlock<'_>>(raw.get()).ok()).and_then(|block| read(block.kind));
        match kind.as_deref() {
            Some("text") => Self::Text,
            Some("thinking") => Self::Thinking,
            Some("tool_use" | "server_tool_use" | "mcp_tool_use") => Self::Arguments,
            _ => Self::Ping,
        }
    }

    /// Appends it for the block `at`.
    pub(super) fn write(self, out: &mut Vec<u8>, at: u64) {
        let (kind, member) = match self {
            Self::Text => ("text_delta", "text"),
            Self::Thinking => ("thinking_delta", "thinking"),
            Self::Arguments => ("input_json_delta", "partial_json"),
            Self::Ping => return write_event(out, "ping", |_| {}),
        };
        write_event(out, "content_block_delta", |event| {
            event.json("index", at).json("delta", format_args!(r#"{{"type":"{kind}","{member}":""}}"#));
        });
    }
}

/// The event with another block number, the rest of its data verbatim.
pub(super) fn write_shifted(out: &mut Vec<u8>, kind: &str, data: &Bytes, token: &str, index: u64) {
    let at = (token.as_ptr() as usize).saturating_sub(data.as_ptr() as usize);
    let (head, tail) = (data.get(..at).unwrap_or_default(), data.get(at + token.len()..).unwrap_or_default());
    sse::write(out, kind, &[head, index.to_string().as_bytes(), tail].concat());
}

/// The event with a usage object that has both counts, zeros where nothing is known: without them three SDKs crash.
pub(super) fn with_usage(kind: &str, data: &Bytes, path: &[&str], usage: Usage) -> Vec<u8> {
    let mut out = Vec::new();
    let Ok(mut whole) = serde_json::from_slice::<Value>(data) else {
        sse::write(&mut out, kind, data);
        return out;
    };
    let mut place = &mut whole;
    for name in path {
        if !place.is_object() {
            *place = Value::Object(serde_json::Map::new());
        }
        place = &mut place[*name];
    }
    if !place.is_object() {
        *place = Value::Object(serde_json::Map::new());
    }
    for (name, known) in [("input_tokens", usage.input), ("output_tokens", usage.output)] {
        if !place[name].is_u64() {
            place[name] = known.unwrap_or(0).into();
        }
    }
    sse::write(&mut out, kind, whole.to_string().as_bytes());
    out
}
