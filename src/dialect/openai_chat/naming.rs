//! The frame that begins a tool's name, held back until the next frame shows whether the name goes on.
//!
//! Lacks the judgement of names, which is `renumber`'s. Start with [`Held`].

use std::ops::Range;

use bytes::Bytes;

use super::renumber::{Edits, replaced};

/// A frame that waits.
pub(super) struct Held {
    /// The place of its call.
    pub(super) call: usize,
    /// As it came, where nothing is to be changed; empty until it is known.
    pub(super) raw: Bytes,
    data: Vec<u8>,
    edits: Vec<(Range<usize>, String)>,
    name_at: Range<usize>,
    /// The whole name, once it was joined from fragments.
    name: Option<String>,
}

impl Held {
    /// A frame of this data. `edits` and the name's `token` point into it.
    pub(super) fn new(call: usize, data: &[u8], edits: Edits<'_>, token: &str) -> Self {
        let at = |token: &str| {
            let start = (token.as_ptr() as usize).saturating_sub(data.as_ptr() as usize);
            start..start + token.len()
        };
        let edits = edits.into_iter().map(|(token, with)| (at(token), with)).collect();
        Self { call, raw: Bytes::new(), data: data.to_vec(), edits, name_at: at(token), name: None }
    }

    /// The name so far.
    pub(super) fn joined(&mut self, name: String) {
        self.name = Some(name);
    }

    /// The frame as the client gets it.
    pub(super) fn into_frame(self) -> Bytes {
        let Self { call: _, raw, data, mut edits, name_at, name } = self;
        if let Some(name) = name {
            edits.push((name_at, serde_json::to_string(&name).unwrap_or_default()));
        }
        if edits.is_empty() && !raw.is_empty() {
            return raw;
        }
        let text = std::str::from_utf8(&data).unwrap_or_default();
        let edits = edits.into_iter().filter_map(|(span, with)| Some((text.get(span)?, with))).collect();
        replaced(&data, edits).into()
    }
}
