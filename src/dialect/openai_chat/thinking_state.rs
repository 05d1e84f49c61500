//! Thinking in the hands of a Chat client: visible as `reasoning_content`, its opaque state as `reasoning_details`.
//!
//! A foreign state travels as our envelope in an item of OpenRouter's form, with the number of characters of
//! `reasoning_content` that it vouches for, so that blocks fall apart again where they were joined, and with its place
//! among text and calls: interleaved thinking must go back in the order it came in. Items carry `index`: without one the
//! stream helper of openai-python raises.

use std::collections::VecDeque;

use serde::Serialize;

use crate::chat::request::{Block, BlockKind, Thinking};
use crate::chat::{Opaque, Unread};
use crate::wire::json::{Members, count, items};

/// What an answer had said before a block of thinking.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Characters of text.
    pub(super) chars: usize,
    /// Calls.
    pub(super) calls: usize,
}

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
    /// Characters of `content` before it.
    #[serde(skip_serializing_if = "is_zero")]
    chars_before: usize,
    /// Calls before it.
    #[serde(skip_serializing_if = "is_zero")]
    calls_before: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Detail {
    /// The state of thinking of `length` characters.
    pub(super) fn of_thinking(opaque: &Opaque, index: u32, length: usize, place: Place) -> Self {
        let Place { chars, calls } = place;
        Self { kind: "reasoning.encrypted", data: opaque.seal(), index, length, redacted: false, chars_before: chars, calls_before: calls }
    }

    /// Hidden thinking, which has no text.
    pub(super) fn of_redacted(opaque: &Opaque, index: u32, place: Place) -> Self {
        Self { redacted: true, ..Self::of_thinking(opaque, index, 0, place) }
    }
}

/// The thinking of an assistant message, block by block, each with its place.
pub(super) fn thinking<'a>(members: &Members<'a>, unread: &mut Unread) -> Vec<(Place, Block<'a>)> {
    // Both at once say the same.
    let (content, reasoning) = (members.text("reasoning_content"), members.text("reasoning"));
    let text = content.or(reasoning).filter(|text| !text.is_empty());
    let details = members.get("reasoning_details").and_then(items).unwrap_or_default();
    let mut states = Vec::new();
    for raw in details {
        let members = Members::of(raw);
        match members.as_ref().and_then(|members| Some((State::open(members)?, members))) {
            Some((state, members)) => {
                unread.note("messages[].reasoning_details[]", members.unread());
                states.push(state);
            }
            None => unread.note_value("messages[].reasoning_details[]"),
        }
    }
    let block = |place, thinking| (place, Block::from(BlockKind::Thinking(thinking)));
    match (text, states.as_slice()) {
        (None, []) => Vec::new(),
        (Some(text), []) => vec![block(Place::default(), Thinking { text, opaque: None, is_redacted: false })],
        (Some(text), [only]) if !only.is_redacted => {
            vec![block(only.place, Thinking { text, opaque: Some(only.opaque.clone()), is_redacted: false })]
        }
        (text, _) => {
            let text = text.map(|text| text.read()).unwrap_or_default();
            let mut rest = &*text;
            let last = states.last().map(|state| state.place).unwrap_or_default();
            let mut blocks = Vec::with_capacity(states.len());
            for State { opaque, length, is_redacted, place } in states {
                let end = rest.char_indices().nth(length).map_or(rest.len(), |(at, _)| at);
                let (own, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
                blocks.push(block(place, Thinking { text: own.to_owned().into(), opaque: Some(opaque), is_redacted }));
                rest = after;
            }
            if !rest.is_empty() {
                blocks.push(block(last, Thinking { text: rest.to_owned().into(), opaque: None, is_redacted: false }));
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
    place: Place,
}

impl State {
    /// `None` for an item that is not ours.
    fn open(members: &Members<'_>) -> Option<Self> {
        let sealed = members.str("data").or_else(|| members.str("signature"))?;
        let number = |name: &str| members.get(name).and_then(count).and_then(|n| usize::try_from(n).ok());
        let length = number("length").unwrap_or(usize::MAX);
        let place = Place { chars: number("chars_before").unwrap_or(0), calls: number("calls_before").unwrap_or(0) };
        let is_redacted = members.get("redacted").is_some_and(|raw| raw.get() == "true");
        // Their kind and order are what aimux wrote.
        let _ = (members.get("type"), members.get("index"));
        Some(Self { opaque: Opaque::open(&sealed)?, length, is_redacted, place })
    }
}

/// The blocks of an answer with each thought back in its place: texts of `content` are parted for it, `calls` follow.
pub(super) fn in_place<'a>(thoughts: Vec<(Place, Block<'a>)>, content: Vec<Block<'a>>, calls: Vec<Block<'a>>) -> Vec<Block<'a>> {
    let mut blocks = Vec::with_capacity(thoughts.len() + content.len() + calls.len());
    let mut thoughts = VecDeque::from(thoughts);
    let mut chars = 0;
    for block in content {
        // Text is read only where a thought may stand in it or after it.
        let text = match &block.kind {
            BlockKind::Text(text) if thoughts.iter().any(|(place, _)| place.chars > chars) => text.read().into_owned(),
            _ => String::new(),
        };
        let (mut rest, end) = (text.as_str(), chars + text.chars().count());
        while let Some((place, thought)) = next_if(&mut thoughts, |place| place.calls == 0 && place.chars < end.max(chars + 1)) {
            let at = rest.char_indices().nth(place.chars.saturating_sub(chars)).map_or(0, |(at, _)| at);
            if let Some((own, after)) = rest.split_at_checked(at).filter(|(own, _)| !own.is_empty()) {
                // What it cites goes with its end.
                blocks.push(Block { kind: BlockKind::Text(own.to_owned().into()), cache: block.cache, citations: Vec::new() });
                (rest, chars) = (after, chars + own.chars().count());
            }
            blocks.push(thought);
        }
        chars = end;
        let is_parted = rest.len() < text.len();
        blocks.push(if is_parted { Block { kind: BlockKind::Text(rest.to_owned().into()), ..block } } else { block });
    }
    for (nth, call) in calls.into_iter().enumerate() {
        while let Some((_, thought)) = next_if(&mut thoughts, |place| place.calls <= nth) {
            blocks.push(thought);
        }
        blocks.push(call);
    }
    blocks.extend(thoughts.into_iter().map(|(_, thought)| thought));
    blocks
}

/// The first thought, where its place is right.
fn next_if<'a>(thoughts: &mut VecDeque<(Place, Block<'a>)>, is_here: impl Fn(&Place) -> bool) -> Option<(Place, Block<'a>)> {
    if thoughts.front().is_some_and(|(place, _)| is_here(place)) { thoughts.pop_front() } else { None }
}
