//! Brings a foreign conversation into the order that Messages demands: turns alternate, results lead the user turn right
//! after their calls, every call has one result, ids are unique and clean, no text is blank.
//!
//! What cannot be kept is repaired and named as a loss, never refused: histories are compacted and cut by clients all
//! the time. Lacks the writing itself, which is in `request_out`. Start with [`messages`].

use std::collections::HashSet;

use serde_json::value::RawValue;

use crate::chat::request::{Block, BlockKind, ChatRequest, Role, ToolCall, ToolResult};
use crate::chat::{Loss, Opaque, lose};
use crate::dialect::history::ORPHAN;
use crate::dialect::names::call_id;
use crate::dialect::quirks::ToolIds;
use crate::dialect::{Quirks, Upstream};
use crate::wire::Text;

/// A message, ready to be written.
pub(super) struct Message<'r> {
    pub(super) is_user: bool,
    pub(super) pieces: Vec<Piece<'r>>,
}

/// A block, ready to be written.
pub(super) struct Piece<'r> {
    pub(super) kind: PieceKind<'r>,
    pub(super) cache: Option<&'r RawValue>,
}

/// What a block is.
pub(super) enum PieceKind<'r> {
    Text(Text<'r>),
    /// An image or document, written from the request's own block.
    Media(&'r Block<'r>),
    /// Thinking that its own family gets back.
    Thinking {
        text: &'r Text<'r>,
        state: &'r Opaque,
        is_redacted: bool,
    },
    Call {
        id: String,
        call: &'r ToolCall<'r>,
    },
    /// `None` stands for a result that never came.
    Result {
        id: String,
        result: Option<&'r ToolResult<'r>>,
    },
}

impl Piece<'_> {
    /// Whether a cache mark may stand on it.
    pub(super) fn takes_mark(&self) -> bool {
        self.cache.is_some() && !matches!(self.kind, PieceKind::Thinking { .. })
    }
}

impl PieceKind<'_> {
    fn is_call(&self) -> bool {
        matches!(self, Self::Call { .. })
    }
}

impl<'r> From<PieceKind<'r>> for Piece<'r> {
    fn from(kind: PieceKind<'r>) -> Self {
        Self { kind, cache: None }
    }
}

/// The conversation of `request`, in order and legal.
pub(super) fn messages<'r>(request: &'r ChatRequest<'r>, upstream: &Upstream<'_>, losses: &mut Vec<Loss>) -> Vec<Message<'r>> {
    let mut merged: Vec<Message<'r>> = Vec::with_capacity(request.turns.len());
    for turn in &request.turns {
        let mut pieces: Vec<Piece<'r>> = Vec::with_capacity(turn.blocks.len());
        for block in &turn.blocks {
            pieces.extend(piece(block, turn.role, upstream.quirks, losses));
        }
        let is_user = turn.role != Role::Assistant;
        if pieces.is_empty() || (!is_user && pieces.iter().all(|piece| matches!(piece.kind, PieceKind::Thinking { .. }))) {
            continue;
        }
        match merged.last_mut().filter(|last| last.is_user == is_user) {
            Some(last) => last.pieces.append(&mut pieces),
            None => merged.push(Message { is_user, pieces }),
        }
    }
    let mut messages = pair(merged, upstream.quirks, losses);
    if messages.first().is_none_or(|first| !first.is_user) {
        losses.push(Loss::normalised("messages"));
        messages.insert(0, Message { is_user: true, pieces: vec![PieceKind::Text(".".into()).into()] });
    }
    if let Some(last) = messages.last_mut().filter(|last| !last.is_user) {
        trim_end(last);
        if last.pieces.is_empty() {
            messages.pop();
        }
    }
    messages
}

/// One block, or nothing where it says nothing or may not go back.
fn piece<'r>(block: &'r Block<'r>, role: Role, quirks: &Quirks, losses: &mut Vec<Loss>) -> Option<Piece<'r>> {
    let kind = match &block.kind {
        BlockKind::Text(text) if text.is_blank() => return None,
        BlockKind::Text(text) if role == Role::System => {
            lose(losses, Loss::normalised("messages[].role"));
            PieceKind::Text(format!("<system-reminder>\n{}\n</system-reminder>", text.read().trim()).into())
        }
        BlockKind::Text(text) => PieceKind::Text(text.clone()),
        BlockKind::Image(_) | BlockKind::Document(_) | BlockKind::Audio(_) => PieceKind::Media(block),
        BlockKind::ToolCall(call) => PieceKind::Call { id: call.id.clone().into_owned(), call },
        BlockKind::ToolResult(result) => PieceKind::Result { id: result.call_id.clone().into_owned(), result: Some(result) },
        BlockKind::Thinking(thinking) => match &thinking.opaque {
            Some(state) if state.family == quirks.family && !state.state.is_empty() => {
                PieceKind::Thinking { text: &thinking.text, state, is_redacted: thinking.is_redacted }
            }
            _ => {
                lose(losses, Loss::dropped("messages[].content[].thinking"));
                return None;
            }
        },
        BlockKind::Foreign(foreign) => {
            lose(losses, Loss::dropped(format!("messages[].content[].{}", foreign.kind)));
            return None;
        }
    };
    Some(Piece { kind, cache: block.cache.filter(|_| quirks.cache_control) })
}

/// A call that waits for its result.
struct Pending {
    original: String,
    id: String,
    is_answered: bool,
}

/// Pairs calls and results under clean, unique ids; results move to the front of the turn after their calls.
fn pair<'r>(merged: Vec<Message<'r>>, quirks: &Quirks, losses: &mut Vec<Loss>) -> Vec<Message<'r>> {
    let mut taken: HashSet<String> = HashSet::new();
    let mut pending: Vec<Pending> = Vec::new();
    let mut out: Vec<Message<'r>> = Vec::with_capacity(merged.len() + 1);
    for mut message in merged {
        if message.is_user {
            message.pieces = answered(message.pieces, &mut pending, losses);
        } else {
            for piece in &mut message.pieces {
                if let PieceKind::Call { id, .. } = &mut piece.kind {
                    let original = std::mem::take(id);
                    *id = clean_id(&original, quirks.tool_ids, &mut taken);
                    pending.push(Pending { original, id: id.clone(), is_answered: false });
                }
            }
            order_calls_last(&mut message.pieces);
        }
        out.push(message);
    }
    let rest = answered(Vec::new(), &mut pending, losses);
    if !rest.is_empty() {
        out.push(Message { is_user: true, pieces: rest });
    }
    out
}

/// A user turn with the results of `pending` in front, invented where they never came; other results become text.
fn answered<'r>(pieces: Vec<Piece<'r>>, pending: &mut Vec<Pending>, losses: &mut Vec<Loss>) -> Vec<Piece<'r>> {
    let mut results = Vec::with_capacity(pending.len());
    let mut others = Vec::with_capacity(pieces.len());
    for mut piece in pieces {
        let PieceKind::Result { id, result } = &mut piece.kind else {
            others.push(piece);
            continue;
        };
        match pending.iter_mut().find(|call| !call.is_answered && call.original == *id) {
            Some(call) => {
                call.is_answered = true;
                id.clone_from(&call.id);
                results.push(piece);
            }
            None => {
                lose(losses, Loss::normalised("messages[].tool_result"));
                others.extend(result.map(orphan).into_iter().flatten());
            }
        }
    }
    for call in pending.drain(..).filter(|call| !call.is_answered) {
        lose(losses, Loss::normalised("messages[].tool_calls"));
        results.push(PieceKind::Result { id: call.id, result: None }.into());
    }
    results.append(&mut others);
    results
}

/// A result whose call is gone, as user content.
fn orphan<'r>(result: &'r ToolResult<'r>) -> Vec<Piece<'r>> {
    let mut text = String::from(ORPHAN.trim_end());
    let mut media: Vec<Piece<'r>> = Vec::new();
    for block in &result.content {
        match &block.kind {
            BlockKind::Text(part) => {
                text.push(' ');
                text.push_str(&part.read());
            }
            BlockKind::Image(_) | BlockKind::Document(_) => media.push(PieceKind::Media(block).into()),
            _ => {}
        }
    }
    media.insert(0, PieceKind::Text(text.into()).into());
    media
}

/// Text after a call would part it from its result; thinking, text, then calls is the order that every model writes.
fn order_calls_last(pieces: &mut [Piece<'_>]) {
    let is_ordered = pieces.windows(2).all(|two| matches!(two, [a, b] if !a.kind.is_call() || b.kind.is_call()));
    if !is_ordered {
        pieces.sort_by_key(|piece| piece.kind.is_call());
    }
}

/// The last assistant turn may end neither in white space nor in thinking.
fn trim_end(message: &mut Message<'_>) {
    while let Some(last) = message.pieces.last_mut() {
        match &mut last.kind {
            PieceKind::Text(text) => {
                let whole = text.read();
                let trimmed = whole.trim_end();
                if trimmed.is_empty() {
                    message.pieces.pop();
                    continue;
                }
                if trimmed.len() < whole.len() {
                    *text = trimmed.to_owned().into();
                }
                return;
            }
            PieceKind::Thinking { .. } => {
                message.pieces.pop();
            }
            _ => return,
        }
    }
}

/// An id of legal characters and length that is not taken, always the same for the same history.
fn clean_id(original: &str, rule: ToolIds, taken: &mut HashSet<String>) -> String {
    let mut id = call_id(original, rule).into_owned();
    let mut n = 1_u32;
    while taken.contains(&id) {
        n += 1;
        id = call_id(&format!("{original}_{n}"), rule).into_owned();
    }
    taken.insert(id.clone());
    id
}
