//! Thinking in the hands of a Chat client: visible as `reasoning_content`, its opaque state as `reasoning_details`.
//!
//! A foreign state travels as our envelope in an item of OpenRouter's form, with the number of characters of
//! `reasoning_content` that it vouches for, so that blocks fall apart again where they were joined. Items carry `index`:
//! without one the stream helper of openai-python raises.

use serde::Serialize;

use crate::chat::Opaque;
use crate::chat::request::{Block, BlockKind, Thinking};
use crate::wire::json::{Members, count, items};

/// One item of `reasoning_details` as aimux writes it.
#[derive(Serialize)]
pub(super) struct Detail {
    #[serde(rename = "type")]
    kind: &'static str,
    /// The envelope.
    data: String,
    /// The block's place among the thinking blocks.
    index: u32,
    /// Characters of `reasoning_content` that belong to it.
    length: usize,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    redacted: bool,
}

impl Detail {
    /// The state of thinking of `length` characters.
    pub(super) fn of_thinking(opaque: &Opaque, index: u32, length: usize) -> Self {
        Self { kind: "reasoning.encrypted", data: opaque.seal(), index, length, redacted: false }
    }

    /// Hidden thinking, which has no text.
    pub(super) fn of_redacted(opaque: &Opaque, index: u32) -> Self {
        Self { redacted: true, ..Self::of_thinking(opaque, index, 0) }
    }
}

/// The thinking of an assistant message, block by block.
pub(super) fn thinking<'a>(members: &Members<'a>) -> Vec<Block<'a>> {
    let text = members.text("reasoning_content").or_else(|| members.text("reasoning")).filter(|text| !text.is_empty());
    let details = members.get("reasoning_details").and_then(items).unwrap_or_default();
    let states: Vec<State> = details.into_iter().filter_map(|raw| State::open(&Members::of(raw)?)).collect();
    let block = |thinking| Block::from(BlockKind::Thinking(thinking));
    match (text, states.as_slice()) {
        (None, []) => Vec::new(),
        (Some(text), []) => vec![block(Thinking { text, opaque: None, is_redacted: false })],
        (Some(text), [only]) if !only.is_redacted => {
            vec![block(Thinking { text, opaque: Some(only.opaque.clone()), is_redacted: false })]
        }
        (text, _) => {
            let text = text.map(|text| text.read()).unwrap_or_default();
            let mut rest = &*text;
            let mut blocks = Vec::with_capacity(states.len());
            for State { opaque, length, is_redacted } in states {
                let end = rest.char_indices().nth(length).map_or(rest.len(), |(at, _)| at);
                let (own, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
                blocks.push(block(Thinking { text: own.to_owned().into(), opaque: Some(opaque), is_redacted }));
                rest = after;
            }
            if !rest.is_empty() {
                blocks.push(block(Thinking { text: rest.to_owned().into(), opaque: None, is_redacted: false }));
            }
            blocks
        }
    }
}

/// An item that came back.
struct State {
    opaque: Opaque,
    length: usize,
    is_redacted: bool,
}

impl State {
    /// `None` for an item that is not ours.
    fn open(members: &Members<'_>) -> Option<Self> {
        let sealed = members.str("data").or_else(|| members.str("signature"))?;
        let length = members.get("length").and_then(count).and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
        let is_redacted = members.get("redacted").is_some_and(|raw| raw.get() == "true");
        Some(Self { opaque: Opaque::open(&sealed)?, length, is_redacted })
    }
}
