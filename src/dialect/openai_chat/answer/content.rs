//! What stands in an answer's `content`: text, thinking at its beginning, calls that the server did not read.
//!
//! Start with [`Answer::content`].

use serde_json::value::RawValue;

use super::Answer;
use crate::chat::{Event, Unread};
use crate::dialect::openai_chat::calls::Piece;
use crate::dialect::openai_chat::inline_think;
use crate::dialect::openai_chat::messages_in::nested_text;
use crate::dialect::openai_chat::text_calls::Found;
use crate::wire::Text;
use crate::wire::json::{Members, items};

impl Answer {
    /// Content is a string, or a list of parts (Mistral); an empty list is nothing (Groq).
    pub(super) fn content(&mut self, raw: Option<&RawValue>, out: &mut Vec<Event>) {
        let Some(raw) = raw else { return };
        if let Some(text) = Text::from_raw(raw) {
            self.plain(&text.read(), out);
            return;
        }
        for part in items(raw).unwrap_or_default() {
            let Some(members) = Members::of(part) else { continue };
            match members.str("type").as_deref() {
                Some("thinking") => {
                    let thought = members.get("thinking").map(|raw| nested_text(raw, &mut Unread::default())).unwrap_or_default();
                    self.thinking(&thought, out);
                }
                _ => {
                    if let Some(text) = members.str("text") {
                        self.plain(&text, out);
                    }
                }
            }
        }
    }

    /// Text that may have thinking at its beginning.
    fn plain(&mut self, text: &str, out: &mut Vec<Event>) {
        self.cited.came(text);
        let Some(inline) = &mut self.inline else { return self.said(text, out) };
        let mut pieces = Vec::new();
        inline.push(text, &mut pieces);
        self.pieces(pieces, out);
    }

    fn pieces(&mut self, pieces: Vec<inline_think::Piece>, out: &mut Vec<Event>) {
        for piece in pieces {
            match piece {
                inline_think::Piece::Text(text) => self.said(&text, out),
                inline_think::Piece::Thinking(text) => self.thinking(&text, out),
            }
        }
    }

    /// Text that may have calls in it.
    fn said(&mut self, text: &str, out: &mut Vec<Event>) {
        let Some(finder) = &mut self.text_calls else { return self.text(text, out) };
        let mut found = Vec::new();
        finder.push(text, &mut found);
        self.found(found, out);
    }

    fn found(&mut self, found: Vec<Found>, out: &mut Vec<Event>) {
        for found in found {
            match found {
                Found::Text(text) => self.text(&text, out),
                Found::Call { name, arguments } => {
                    if let Some(at) = self.calls.piece(Piece::whole(name, arguments), &mut Vec::new()) {
                        self.call(at, out);
                    }
                }
            }
        }
    }

    pub(super) fn flush_text_calls(&mut self, out: &mut Vec<Event>) {
        let mut found = Vec::new();
        if let Some(finder) = &mut self.text_calls {
            finder.end(&mut found);
        }
        self.found(found, out);
    }

    pub(super) fn flush_inline(&mut self, out: &mut Vec<Event>) {
        if let Some(mut inline) = self.inline.take() {
            let mut pieces = Vec::new();
            inline.end(&mut pieces);
            self.pieces(pieces, out);
        }
    }
}
