//! Mends the pieces of calls for a Chat client on the way from a Chat upstream.
//!
//! OpenAI's SDKs put pieces together by `index` alone, and their stream helpers join whatever strings they find under it:
//! a missing or wrong index, an id or name that every piece repeats, and arguments that are an object break them. A piece
//! that needs none of this stays as it is. Which call a piece belongs to is [`Calls`]' decision.

use serde_json::value::RawValue;

use super::calls::{Calls, Piece};
use crate::wire::json::{Members, count, is_object, items};

/// Tokens of the data, each with what stands in its place.
pub(super) type Edits<'a> = Vec<(&'a str, String)>;

/// The calls of a relayed stream.
#[derive(Default)]
pub(super) struct Renumber {
    calls: Calls,
    told: Vec<Told>,
    /// Makes ids of our own unlike those of other answers.
    answer: String,
}

/// What the client has been told of a call.
#[derive(Clone, Copy, Default)]
struct Told {
    id: bool,
    name: bool,
}

impl Renumber {
    /// Takes the `tool_calls` of one delta; adds the edits that it needs.
    pub(super) fn mend<'a>(&mut self, raw: &'a RawValue, edits: &mut Edits<'a>) {
        let mut touched = Vec::new();
        for raw in items(raw).unwrap_or_default() {
            self.piece(raw, &mut touched, edits);
        }
    }

    fn piece<'a>(&mut self, raw: &'a RawValue, touched: &mut Vec<usize>, edits: &mut Edits<'a>) {
        let (Some(members), Some(piece)) = (Members::of(raw).filter(|members| !members.0.is_empty()), Piece::read(raw)) else { return };
        let Some(brace) = raw.get().get(..1) else { return };
        let (id, name) = (piece.id.clone(), piece.name.clone());
        let Some(at) = self.calls.piece(piece, touched) else { return };
        if self.told.len() <= at {
            self.told.resize(at + 1, Told::default());
        }
        let mut missing = String::new();
        match token(&members, "index") {
            Some(index) if count(index) == u64::try_from(at).ok() => {}
            Some(index) => edits.push((index.get(), at.to_string())),
            None => missing = format!("\"index\":{at},"),
        }
        match (token(&members, "id"), self.own_id(at, &id, &name)) {
            (_, None) => {}
            (Some(token), Some(own)) => edits.push((token.get(), own)),
            (None, Some(own)) => missing += &format!("\"id\":{own},"),
        }
        if !missing.is_empty() {
            edits.push((brace, format!("{{{missing}")));
        }
        if let Some(function) = members.get("function").and_then(Members::of) {
            self.function(at, &function, &name, edits);
        }
    }

    fn function<'a>(&mut self, at: usize, function: &Members<'a>, name: &str, edits: &mut Edits<'a>) {
        // A fragment is left to the client, which joins what it gets; a whole name that comes again is not.
        let is_whole = self.calls.list.get(at).is_some_and(|call| call.name == name);
        if let (false, Some(told), Some(token)) = (name.is_empty(), self.told.get_mut(at), function.get("name"))
            && std::mem::replace(&mut told.name, true)
            && is_whole
        {
            edits.push((token.get(), "null".to_owned()));
        }
        if let Some(object) = function.get("arguments").filter(|raw| is_object(raw)) {
            edits.push((object.get(), serde_json::to_string(object.get()).unwrap_or_default()));
        }
    }

    /// The token that belongs in place of the piece's id; `None` where that is right as it is.
    fn own_id(&mut self, at: usize, id: &str, name: &str) -> Option<String> {
        let told = self.told.get_mut(at)?;
        if told.id {
            return (!id.is_empty()).then(|| "null".to_owned());
        }
        if id.is_empty() && name.is_empty() {
            // It may still come: only a name makes a call of it.
            return None;
        }
        told.id = true;
        if self.answer.is_empty() {
            self.answer = super::fresh_id("");
        }
        let unique = self.calls.unique_id(at, &self.answer);
        (unique != id).then(|| serde_json::to_string(&unique).unwrap_or_default())
    }
}

/// The member's value, null too.
fn token<'a>(members: &Members<'a>, name: &str) -> Option<&'a RawValue> {
    members.0.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
}

/// A frame of `data` with tokens exchanged. `edits` point into `data`.
pub(super) fn replaced(data: &[u8], mut edits: Edits<'_>) -> Vec<u8> {
    let base = data.as_ptr() as usize;
    edits.sort_by_key(|(token, _)| token.as_ptr() as usize);
    let mut written = Vec::with_capacity(data.len() + 32);
    let mut from = 0;
    for (token, with) in edits {
        let Some(start) = (token.as_ptr() as usize).checked_sub(base).filter(|start| *start >= from && start + token.len() <= data.len())
        else {
            continue;
        };
        written.extend_from_slice(data.get(from..start).unwrap_or_default());
        written.extend_from_slice(with.as_bytes());
        from = start + token.len();
    }
    written.extend_from_slice(data.get(from..).unwrap_or_default());
    let mut frame = Vec::with_capacity(written.len() + 8);
    crate::wire::sse::write(&mut frame, "", &written);
    frame
}
