//! Calls in the text of a relayed stream: where one may stand, frames wait until it is clear.
//!
//! A stream without such calls leaves as it came, byte for byte, if a little later where its text has a tag's beginning.
//! Only the frames that a call stands in are written anew. Lacks the judgement of text, which is
//! [`TextCalls`]'. Start with [`Tap::hear`], then [`Tap::with_text`].

use bytes::Bytes;

use super::{Tap, reparse};
use crate::dialect::openai_chat::chunk::{Chunk, Delta};
use crate::dialect::openai_chat::renumber::{self, Edits};
use crate::dialect::openai_chat::text_calls::{Found, TextCalls};
use crate::dialect::tap::Verdict;
use crate::wire::read;

/// The most bytes of frames that wait.
const WAITING_MAX: usize = 4 << 20;

/// What is known of the text.
pub(super) struct TextRelay {
    finder: TextCalls,
    /// What became clear of the frames that wait.
    found: Vec<Found>,
    /// Frames with text that may still become a call, as they leave if it does not.
    waiting: Vec<Bytes>,
    /// A call was found: from then on each frame gets what text is clear, and none waits.
    has_calls: bool,
    /// The frame under judgement, as it came.
    pub(super) raw: Bytes,
}

impl TextRelay {
    pub(super) fn new(finder: TextCalls) -> Self {
        Self { finder, found: Vec::new(), waiting: Vec::new(), has_calls: false, raw: Bytes::new() }
    }

    /// Whether a call has been found.
    pub(super) fn has_calls(&self) -> bool {
        self.has_calls || self.found.iter().any(|found| matches!(found, Found::Call { .. }))
    }
}

impl Tap {
    /// Takes the text of a frame. `is_end`: none follows that could belong to it.
    pub(super) fn hear(&mut self, text: &str, is_end: bool) {
        let Some(relay) = &mut self.text else { return };
        relay.finder.push(text, &mut relay.found);
        let waiting: usize = relay.waiting.iter().map(Bytes::len).sum();
        if is_end || waiting > WAITING_MAX {
            relay.finder.end(&mut relay.found);
        }
    }

    /// What becomes of the frame whose `text` was heard, and of those that wait.
    pub(super) fn with_text(&mut self, verdict: Verdict, text: &str) -> Verdict {
        let Some(relay) = &mut self.text else { return verdict };
        let found = std::mem::take(&mut relay.found);
        let is_clear = relay.finder.held().is_empty();
        let is_as_it_came = match found.as_slice() {
            [] => text.is_empty() && (is_clear || relay.has_calls),
            [Found::Text(clear)] => is_clear && clear == text && relay.waiting.is_empty(),
            _ => false,
        };
        if is_as_it_came {
            return verdict;
        }
        let has_new_calls = found.iter().any(|found| matches!(found, Found::Call { .. }));
        if !has_new_calls && !relay.has_calls && is_clear {
            relay.waiting.drain(..).for_each(|frame| self.released.extend_from_slice(&frame));
            return verdict;
        }
        match verdict {
            Verdict::Pass => relay.waiting.push(relay.raw.clone()),
            Verdict::Replace(with) => relay.waiting.push(with.into()),
            Verdict::Drop => {}
        }
        if has_new_calls || relay.has_calls {
            relay.has_calls = true;
            self.write_found(found);
        } else {
            relay.found = found;
        }
        Verdict::Drop
    }

    /// Lets go of what waits; `is_end`: as the calls that it may be.
    pub(super) fn release_text(&mut self, is_end: bool) {
        if is_end {
            self.hear("", true);
        }
        let Some(relay) = &mut self.text else { return };
        let mut found = std::mem::take(&mut relay.found);
        if relay.has_calls() || found.iter().any(|found| matches!(found, Found::Call { .. })) {
            relay.has_calls = true;
            found.extend(Some(relay.finder.held().to_owned()).filter(|held| !held.is_empty()).map(Found::Text));
            self.write_found(found);
        } else {
            relay.waiting.drain(..).for_each(|frame| self.released.extend_from_slice(&frame));
        }
    }

    /// Writes what was found in place of the text of the frames that wait.
    fn write_found(&mut self, found: Vec<Found>) {
        let mut frames: Vec<Bytes> = self.text.as_mut().map(|relay| std::mem::take(&mut relay.waiting)).unwrap_or_default();
        let mut found = found.into_iter().peekable();
        // What stands before the first call stays in its frame, unless that says what must come last.
        if frames.first().is_some_and(says_text_alone) {
            let lead = match found.next_if(|found| matches!(found, Found::Text(_))) {
                Some(Found::Text(text)) => text,
                _ => String::new(),
            };
            let first = frames.remove(0);
            if !lead.is_empty() || memchr::memmem::find(&first, b"\"role\"").is_some() {
                self.released.extend_from_slice(&with_content(&first, &lead));
            }
        }
        for found in found {
            let delta = match found {
                Found::Text(text) => serde_json::json!({ "content": text }),
                Found::Call { name, arguments } => {
                    let (index, id) = self.calls.whole(&name, &arguments);
                    let function = serde_json::json!({ "name": name, "arguments": arguments });
                    serde_json::json!({ "tool_calls": [{ "index": index, "id": id, "type": "function", "function": function }] })
                }
            };
            let own = self.own_chunk(&delta.to_string());
            self.released.extend_from_slice(&own);
        }
        for frame in frames.iter().filter(|frame| !says_text_alone(frame)) {
            self.released.extend_from_slice(&with_content(frame, ""));
        }
    }
}

/// Whether a frame says nothing but text, so that it can be done without when that is taken out.
fn says_text_alone(frame: &Bytes) -> bool {
    let Some(frame) = reparse(frame) else { return false };
    let Ok(chunk) = read::from_slice::<Chunk<'_>>(&frame.data) else { return false };
    let choices = chunk.choices();
    chunk.usage(&choices).is_none()
        && matches!(choices.as_slice(), [only] if only.finish_reason.is_none_or(|raw| raw.get() == "null"))
        && !choices.iter().filter_map(|choice| choice.delta).any(super::says_more_than_text)
}

/// The frame with other text.
fn with_content(frame: &Bytes, text: &str) -> Vec<u8> {
    let Some(frame) = reparse(frame) else { return Vec::new() };
    let mut edits = Edits::new();
    if let Ok(chunk) = read::from_slice::<Chunk<'_>>(&frame.data) {
        for choice in chunk.choices().iter().filter(|choice| choice.is_first()) {
            let delta = choice.delta.and_then(|raw| read::from_str::<Delta<'_>>(raw.get()).ok());
            if let Some(token) = delta.and_then(|delta| delta.content).filter(|raw| raw.get().starts_with('"')) {
                edits.push((token.get(), serde_json::to_string(text).unwrap_or_default()));
            }
        }
    }
    renumber::replaced(&frame.data, edits)
}
