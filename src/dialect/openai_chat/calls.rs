//! Puts the pieces of tool calls together: which call a piece belongs to, under which id and name it is announced, and
//! what its arguments are, however the upstream cuts, numbers and encodes them.
//!
//! A piece belongs to a call by its id, else by its index, else by being next. It starts a new call when it names one
//! although the call in question is already named and complete. Start with [`Calls::piece`].

use serde_json::value::RawValue;

use crate::wire::Text;
use crate::wire::json::{Members, count, is_object};
use crate::wire::read;

/// A call under way.
#[derive(Debug, Default)]
pub(super) struct Call {
    index: Option<u64>,
    /// The upstream's id, empty until it comes.
    id: String,
    pub(super) name: String,
    /// All arguments so far.
    arguments: String,
    /// Bytes of the arguments that have been given out.
    given: usize,
    /// Arguments of a form that only the end makes clear.
    is_held: bool,
    /// The block that it is, once announced.
    pub(super) block: Option<u32>,
    pub(super) is_closed: bool,
    /// Neither announced nor given out.
    pub(super) is_ignored: bool,
}

/// What a piece says.
pub(super) struct Piece {
    index: Option<u64>,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

impl Piece {
    /// A whole call, found in text.
    pub(super) fn whole(name: String, arguments: String) -> Self {
        Self { index: None, id: String::new(), name, arguments }
    }

    /// Reads a member of `tool_calls`, or a legacy `function_call`.
    pub(super) fn read(raw: &RawValue) -> Option<Self> {
        let members = Members::of(raw)?;
        let function = members.get("function").and_then(Members::of);
        let function = function.as_ref().unwrap_or(&members);
        let arguments = match function.get("arguments") {
            Some(raw) if is_object(raw) => raw.get().to_owned(),
            Some(raw) => Text::from_raw(raw).map(|text| text.read().into_owned()).unwrap_or_default(),
            None => String::new(),
        };
        Some(Self {
            index: members.get("index").and_then(count),
            id: members.str("id").unwrap_or_default().into_owned(),
            name: function.str("name").unwrap_or_default().into_owned(),
            arguments,
        })
    }
}

/// The calls of an answer.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub(super) list: Vec<Call>,
    /// The declared tools, as the upstream knows them; empty where they are not known.
    tools: Vec<String>,
}

impl Calls {
    /// Calls of these tools.
    pub(super) fn of(tools: Vec<String>) -> Self {
        Self { list: Vec::new(), tools }
    }

    /// Whether the call at `at` can be announced: its id is known, or not coming any more; its name is known and whole.
    pub(super) fn is_ready(&self, at: usize) -> bool {
        self.list
            .get(at)
            .is_some_and(|call| !call.name.is_empty() && (!call.arguments.is_empty() || (self.has_whole_name(at) && !call.id.is_empty())))
    }

    /// Whether the call at `at` has the name of a declared tool that no other's goes on with.
    pub(super) fn has_whole_name(&self, at: usize) -> bool {
        let Some(Call { name, .. }) = self.list.get(at) else { return false };
        let may_grow = self.tools.iter().any(|tool| tool.len() > name.len() && tool.starts_with(name.as_str()));
        self.tools.contains(name) && !may_grow
    }

    /// Takes a piece; gives the place of its call. `touched` holds the calls that had a piece in the same chunk.
    pub(super) fn piece(&mut self, piece: Piece, touched: &mut Vec<usize>) -> Option<usize> {
        let at = match self.owner(&piece, touched) {
            Some(at) => at,
            None => {
                self.list.push(Call { index: piece.index, ..Call::default() });
                self.list.len() - 1
            }
        };
        touched.push(at);
        let call = self.list.get_mut(at)?;
        if call.id.is_empty() {
            call.id = piece.id;
        }
        if call.name != piece.name {
            // Some servers send a name in fragments, as they send arguments.
            call.name.push_str(&piece.name);
        }
        // Some servers begin with an empty object and then send the real one.
        if call.arguments.trim() == "{}" && call.given == 0 && !piece.arguments.trim().is_empty() {
            call.arguments.clear();
        }
        call.arguments.push_str(&piece.arguments);
        Some(at)
    }

    /// The call that a piece goes on with; `None` for a new one.
    fn owner(&self, piece: &Piece, touched: &[usize]) -> Option<usize> {
        let find = |is: &dyn Fn(&Call) -> bool| self.list.iter().rposition(is);
        let by_index = piece.index.and_then(|index| find(&|call| call.index == Some(index)));
        if !piece.id.is_empty() {
            let is_own = |call: &Call| {
                let may_be_here = piece.name.is_empty() || piece.index.is_none() || call.index.is_none() || call.index == piece.index;
                call.id == piece.id && may_be_here && !self.starts_anew(call, piece)
            };
            return find(&is_own).or_else(|| by_index.filter(|at| self.list.get(*at).is_some_and(|call| self.takes_id(call, piece))));
        }
        let last = self.list.len().checked_sub(1)?;
        let at = match (by_index, piece.index) {
            (Some(at), _) => at,
            (None, Some(_)) if !piece.name.is_empty() => return None,
            // The tail of a call under a wrong index; a call whose name is still to come begins anew.
            (None, Some(_)) => return self.list.get(last).filter(|call| !call.name.is_empty() && !call.is_complete()).map(|_| last),
            (None, None) if !piece.name.is_empty() && touched.contains(&last) => return None,
            (None, None) => last,
        };
        let call = self.list.get(at)?;
        (!self.starts_anew(call, piece)).then_some(at)
    }

    /// A named piece for a named call: the same call repeats its name only while it is incomplete.
    fn starts_anew(&self, call: &Call, piece: &Piece) -> bool {
        !piece.name.is_empty() && !call.name.is_empty() && (call.is_complete() || call.name != piece.name) && !self.is_fragment(call, piece)
    }

    /// Whether a piece's name goes on with the call's: nothing else may have come for it, and the name is no tool by itself.
    fn is_fragment(&self, call: &Call, piece: &Piece) -> bool {
        let is_same = piece.index.is_some() && piece.index == call.index && (piece.id.is_empty() || piece.id == call.id);
        is_same && call.arguments.is_empty() && !self.tools.contains(&piece.name)
    }

    /// Whether a piece with a new id may be the head or a further part of a call that stands under its index.
    fn takes_id(&self, call: &Call, piece: &Piece) -> bool {
        if call.id.is_empty() { !self.starts_anew(call, piece) } else { piece.name.is_empty() }
    }

    /// An id for the call at `at` that no other call of the answer has.
    pub(super) fn unique_id(&self, at: usize, answer: &str) -> String {
        let id = self.list.get(at).map(|call| call.id.as_str()).unwrap_or_default();
        let base = if id.is_empty() { format!("call_{answer}_{at}") } else { id.to_owned() };
        let earlier = self.list.iter().take(at).filter(|call| !id.is_empty() && call.id == id).count();
        if earlier == 0 { base } else { format!("{base}_{}", earlier + 1) }
    }
}

impl Call {
    /// Whether the arguments are a whole JSON value.
    fn is_complete(&self) -> bool {
        !self.arguments.is_empty() && read::from_str::<&RawValue>(&self.arguments).is_ok()
    }

    /// The arguments that can be given out now.
    pub(super) fn next_arguments(&mut self) -> Option<String> {
        if self.given == 0 {
            let start = self.arguments.trim_start();
            // A string or a bare word is settled at the end; so is an empty object, which may be a mere beginning.
            self.is_held = !start.starts_with('{') || start.trim_end() == "{}" || start.trim_end() == "{";
        }
        if self.is_held {
            return None;
        }
        self.take_rest()
    }

    fn take_rest(&mut self) -> Option<String> {
        let rest = self.arguments.get(self.given..).filter(|rest| !rest.is_empty())?.to_owned();
        self.given = self.arguments.len();
        Some(rest)
    }

    /// The arguments that are still owed at the end: `{}` where there were none.
    pub(super) fn last_arguments(&mut self) -> Option<String> {
        if self.given > 0 {
            return self.take_rest();
        }
        let trimmed = self.arguments.trim();
        let whole = match trimmed {
            "" | "null" | "\"\"" => "{}".to_owned(),
            // Encoded twice.
            quoted if quoted.starts_with('"') => match serde_json::from_str::<String>(quoted) {
                Ok(inner) if inner.trim().is_empty() => "{}".to_owned(),
                Ok(inner) => inner,
                Err(_) => quoted.to_owned(),
            },
            other => other.to_owned(),
        };
        self.given = self.arguments.len().max(1);
        Some(whole)
    }

    /// Whether it can take no more, so that it may be closed when another begins.
    pub(super) fn is_finished(&self) -> bool {
        self.block.is_some() && !self.is_held && self.is_complete()
    }
}
