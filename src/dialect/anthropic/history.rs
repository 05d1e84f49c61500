//! Brings a foreign conversation into the order that Messages demands: turns alternate, the user begins, calls stand last
//! in their turn, no text is blank.
//!
//! What cannot be kept is named as a loss, never refused. Lacks the pairing of calls and results, which
//! [`crate::dialect::history`] has done, and the writing, which is `messages_out`'s part. Start with [`messages`].

use serde_json::value::RawValue;

use crate::chat::request::{Block, BlockKind, Role, Thinking, ToolCall, ToolResult, Turn};
use crate::chat::{Citation, Loss, Opaque, UrlCitation, lose};
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
    /// Pages that a text cites, each with the state that its family gets back.
    pub(super) citations: Vec<(&'r UrlCitation, &'r str)>,
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
    Call(&'r ToolCall<'r>),
    Result(&'r ToolResult<'r>),
}

impl Piece<'_> {
    /// Whether a cache mark may stand on it.
    pub(super) fn takes_mark(&self) -> bool {
        self.cache.is_some() && !self.kind.is_thinking()
    }
}

impl PieceKind<'_> {
    pub(super) fn is_thinking(&self) -> bool {
        matches!(self, Self::Thinking { text: _, state: _, is_redacted: _ })
    }

    fn is_call(&self) -> bool {
        matches!(self, Self::Call(_))
    }
}

impl<'r> From<PieceKind<'r>> for Piece<'r> {
    fn from(kind: PieceKind<'r>) -> Self {
        Self { kind, citations: Vec::new(), cache: None }
    }
}

/// The conversation, in order and legal. `turns` are a request's, repaired.
pub(super) fn messages<'r>(turns: &'r [Turn<'r>], upstream: &Upstream<'_>, losses: &mut Vec<Loss>) -> Vec<Message<'r>> {
    let mut messages: Vec<Message<'r>> = Vec::with_capacity(turns.len());
    for turn in turns {
        let Turn { role, name, blocks } = turn;
        let mut pieces: Vec<Piece<'r>> = Vec::with_capacity(blocks.len());
        if name.is_some() {
            lose(losses, Loss::dropped("messages[].name"));
        }
        for block in blocks {
            pieces.extend(piece(block, *role, upstream.quirks, losses));
        }
        let is_user = *role != Role::Assistant;
        if pieces.is_empty() || (!is_user && pieces.iter().all(|piece| piece.kind.is_thinking())) {
            continue;
        }
        match messages.last_mut().filter(|last| last.is_user == is_user) {
            Some(last) => last.pieces.append(&mut pieces),
            None => messages.push(Message { is_user, pieces }),
        }
    }
    messages.iter_mut().for_each(|message| order_calls_last(&mut message.pieces));
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
    let Block { kind, cache, citations } = block;
    let is_answer = role == Role::Assistant && matches!(kind, BlockKind::Text(_));
    let citations = if is_answer { own_citations(citations, quirks, losses) } else { Vec::new() };
    if !is_answer {
        block.lose_citations(ANNOTATIONS, losses);
    }
    let kind = match kind {
        BlockKind::Text(text) if text.is_blank() => return None,
        BlockKind::Text(text) if role == Role::System => {
            lose(losses, Loss::normalised("messages[].role"));
            PieceKind::Text(format!("<system-reminder>\n{}\n</system-reminder>", text.read().trim()).into())
        }
        BlockKind::Text(text) => PieceKind::Text(text.clone()),
        BlockKind::Image(_) | BlockKind::Document(_) | BlockKind::Audio(_) => PieceKind::Media(block),
        BlockKind::ToolCall(call) => PieceKind::Call(call),
        BlockKind::ToolResult(result) => PieceKind::Result(result),
        BlockKind::Thinking(Thinking { text, opaque, is_redacted }) => match opaque {
            Some(state) if state.family == quirks.family && !state.state.is_empty() => {
                PieceKind::Thinking { text, state, is_redacted: *is_redacted }
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
    Some(Piece { kind, citations, cache: cache.filter(|_| quirks.cache_control) })
}

/// Where a client of another dialect has citations.
pub(super) const ANNOTATIONS: &str = "messages[].annotations";

/// The citations that the upstream's own family made, which alone it can check. The others are lost.
fn own_citations<'r>(citations: &'r [Citation], quirks: &Quirks, losses: &mut Vec<Loss>) -> Vec<(&'r UrlCitation, &'r str)> {
    let mut own = Vec::new();
    for citation in citations {
        match citation {
            Citation::Url(page) => match &page.opaque {
                Some(Opaque { family, state }) if family == quirks.family && !state.is_empty() => own.push((page, state.as_str())),
                _ => lose(losses, Loss::dropped(ANNOTATIONS)),
            },
            Citation::Foreign(_) => lose(losses, Loss::dropped(ANNOTATIONS)),
        }
    }
    own
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
            PieceKind::Thinking { text: _, state: _, is_redacted: _ } => {
                message.pieces.pop();
            }
            _ => return,
        }
    }
}
