//! Mends the pieces of calls for a Chat client on the way from a Chat upstream.
//!
//! OpenAI's SDKs put pieces together by `index` alone, and their stream helpers join whatever strings they find under it:
//! a missing or wrong index, an id or name that every piece repeats, and arguments that are an object break them. A piece
//! that needs none of this stays as it is. Which call a piece belongs to is [`Calls`]' decision.
//!
//! A name in fragments breaks them too: one SDK joins the fragments, another keeps the last. The relay holds the frame that
//! begins a name until the next one shows whether it goes on ([`Naming`]), unless it is the name of a declared tool.

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

/// What a frame means for the name of a call.
#[derive(Debug, Default)]
pub(super) enum Naming<'a> {
    /// Nothing: what was held may go.
    #[default]
    Nothing,
    /// Its one piece begins a call whose name may go on.
    Begins {
        /// The call's place.
        call: usize,
        /// The name as it stands in the frame.
        token: &'a str,
    },
    /// Its one piece goes on with the name that is held.
    GoesOn {
        /// The name so far.
        name: String,
        /// The name is complete: arguments begin.
        has_arguments: bool,
    },
}

/// What a name in a piece is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    /// The first that is heard of it.
    First,
    /// The whole name once more.
    Again,
    /// A further fragment.
    Further,
}

/// What the client has been told of a call.
#[derive(Clone, Copy, Default)]
struct Told {
    id: bool,
    name: bool,
}

impl Renumber {
    /// For calls of these tools; empty where they are not known.
    pub(super) fn of(tools: Vec<String>) -> Self {
        Self { calls: Calls::of(tools), ..Self::default() }
    }

    /// Takes the `tool_calls` of one delta; adds the edits that it needs. `held` is the call whose beginning the client has
    /// not seen yet.
    pub(super) fn mend<'a>(&mut self, raw: &'a RawValue, held: Option<usize>, edits: &mut Edits<'a>) -> Naming<'a> {
        let mut touched = Vec::new();
        let pieces = items(raw).unwrap_or_default();
        let is_lone = pieces.len() == 1;
        let mut naming = Naming::Nothing;
        for raw in pieces {
            match self.piece(raw, held, &mut touched, edits) {
                // With others beside it, it cannot wait.
                Some(Naming::GoesOn { name, has_arguments }) => {
                    naming = Naming::GoesOn { name, has_arguments: has_arguments || !is_lone };
                }
                Some(begins) if is_lone => naming = begins,
                _ => {}
            }
        }
        naming
    }

    /// A whole call that the upstream did not make one of: its index, and its id, which nobody has told.
    pub(super) fn whole(&mut self, name: &str, arguments: &str) -> (usize, String) {
        let at = self.calls.piece(Piece::whole(name.to_owned(), arguments.to_owned()), &mut Vec::new()).unwrap_or_default();
        self.told.resize(self.told.len().max(at + 1), Told::default());
        if let Some(told) = self.told.get_mut(at) {
            *told = Told { id: true, name: true };
        }
        (at, self.unique_id(at))
    }

    fn unique_id(&mut self, at: usize) -> String {
        if self.answer.is_empty() {
            self.answer = super::fresh_id("");
        }
        self.calls.unique_id(at, &self.answer)
    }

    fn piece<'a>(&mut self, raw: &'a RawValue, held: Option<usize>, touched: &mut Vec<usize>, edits: &mut Edits<'a>) -> Option<Naming<'a>> {
        let members = Members::of(raw).filter(|members| !members.is_empty())?;
        let piece = Piece::read(raw)?;
        let brace = raw.get().get(..1)?;
        let (id, name, has_arguments) = (piece.id.clone(), piece.name.clone(), !piece.arguments.is_empty());
        let at = self.calls.piece(piece, touched)?;
        if self.told.len() <= at {
            self.told.resize(at + 1, Told::default());
        }
        let mut missing = String::new();
        match members.token("index") {
            Some(index) if count(index) == u64::try_from(at).ok() => {}
            Some(index) => edits.push((index.get(), at.to_string())),
            None => missing = format!("\"index\":{at},"),
        }
        match (members.token("id"), self.own_id(at, &id, &name)) {
            (_, None) => {}
            (Some(token), Some(own)) => edits.push((token.get(), own)),
            (None, Some(own)) => missing += &format!("\"id\":{own},"),
        }
        if !missing.is_empty() {
            edits.push((brace, format!("{{{missing}")));
        }
        let function = members.get("function").and_then(Members::of)?;
        if let Some(object) = function.get("arguments").filter(|raw| is_object(raw)) {
            edits.push((object.get(), serde_json::to_string(object.get()).unwrap_or_default()));
        }
        let token = function.get("name").filter(|_| !name.is_empty())?;
        let (said, is_held) = (self.said(at, &name)?, held == Some(at));
        if said == Said::Again || (said == Said::Further && is_held) {
            edits.push((token.get(), "null".to_owned()));
        }
        match said {
            Said::First if !has_arguments && !self.calls.has_whole_name(at) => Some(Naming::Begins { call: at, token: token.get() }),
            Said::Further if is_held => Some(Naming::GoesOn { name: self.calls.list.get(at)?.name.clone(), has_arguments }),
            _ => None,
        }
    }

    fn said(&mut self, at: usize, name: &str) -> Option<Said> {
        let is_whole = self.calls.list.get(at)?.name == name;
        let is_told = std::mem::replace(&mut self.told.get_mut(at)?.name, true);
        Some(match (is_told, is_whole) {
            (false, _) => Said::First,
            (true, true) => Said::Again,
            (true, false) => Said::Further,
        })
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
        let unique = self.unique_id(at);
        (unique != id).then(|| serde_json::to_string(&unique).unwrap_or_default())
    }
}

/// A frame of `data` with tokens exchanged. `edits` point into `data`.
pub(super) fn replaced(data: &[u8], edits: Edits<'_>) -> Vec<u8> {
    let mut frame = Vec::with_capacity(data.len() + 40);
    crate::wire::sse::write(&mut frame, "", &exchanged(data, edits));
    frame
}

/// JSON with tokens exchanged. `edits` point into `data`; nothing else is written anew.
pub(super) fn exchanged(data: &[u8], mut edits: Edits<'_>) -> Vec<u8> {
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
    written
}
