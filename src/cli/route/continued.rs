//! `-c` and `--cid`: a conversation that goes on. What was said before stands before the prompt; what does not fit into the model's
//! window is folded, the oldest first: of each such exchange a line is left.
//!
//! Start with [`Before::find`].

use super::args::RouteArgs;
use super::attach::Attachment;
use super::past::PastCalls;
use crate::chat::request::{Block, BlockKind, Role, Turn};
use crate::cli::{output, visible};
use crate::error::{Code, Error};
use crate::history::{Call, Exchange, History, Settings};

/// The most folded exchanges of which a line is left.
const LINES_MAX: usize = 40;
/// What is left of a folded prompt or answer, in characters.
const LINE_MAX: usize = 160;

/// What was said before.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// The conversation, where it is kept.
    pub(super) id: Option<String>,
    /// The exchanges that have an answer.
    exchanges: Vec<Past>,
    /// So many of them, the oldest, are folded.
    folded: usize,
    /// The model is offered tools: what it called before goes on as calls.
    has_tools: bool,
}

/// An exchange, with what stood beside its prompt and what tools did before its answer.
#[derive(Debug)]
struct Past {
    exchange: Exchange,
    attachments: Vec<Attachment>,
    calls: PastCalls,
}

impl Before {
    /// The conversation that the arguments mean; `None`: a new one.
    ///
    /// # Errors
    /// When there is no such conversation, or it cannot be read.
    pub(super) fn find(args: &RouteArgs, settings: &Settings) -> Result<Option<Self>, Error> {
        if !args.continued && args.cid.is_none() {
            return Ok(None);
        }
        let nothing = || {
            Error::new(Code::Usage, "there is no conversation to go on with")
                .hint("`aimux logs` lists them; `aimux route PROMPT` begins one")
        };
        let history = History::read(settings)?.ok_or_else(nothing)?;
        let id = match &args.cid {
            Some(begin) => history.find(begin)?,
            None => history.latest()?.ok_or_else(nothing)?,
        };
        let answered = history.exchanges(&id)?.into_iter().filter(|exchange| !exchange.answer.trim().is_empty());
        let exchanges = answered
            .enumerate()
            .map(|(at, exchange)| Past { attachments: attached(&exchange), calls: PastCalls::of(&exchange, at), exchange })
            .collect();
        Ok(Some(Self { id: Some(id), exchanges, folded: 0, has_tools: false }))
    }

    fn last(&self) -> Option<&Exchange> {
        self.exchanges.last().map(|past| &past.exchange)
    }

    /// The model that was asked for last.
    pub(super) fn model(&self) -> Option<&str> {
        self.last().map(|last| last.asked.as_str()).filter(|asked| !asked.is_empty())
    }

    /// What the model was told last.
    pub(super) fn system(&self) -> Option<&str> {
        self.last().map(|last| last.system.as_str()).filter(|system| !system.trim().is_empty())
    }

    /// The model is offered tools, each by the name that is told of it.
    pub(super) fn offer(&mut self, offered: &dyn Fn(&Call) -> Option<String>) {
        self.has_tools = true;
        self.exchanges.iter_mut().for_each(|past| past.calls.rename(offered));
    }

    /// What was said, as turns.
    pub(super) fn turns(&self) -> Vec<Turn<'_>> {
        let mut turns = Vec::new();
        for (index, Past { exchange, attachments, calls }) in self.exchanges.iter().enumerate().skip(self.folded) {
            let digest = (index == self.folded).then(|| self.digest()).flatten();
            let prompt = (!exchange.prompt.trim().is_empty()).then(|| text(exchange.prompt.as_str()));
            let told = if self.has_tools { None } else { calls.told() };
            let blocks = digest.into_iter().chain(attachments.iter().map(Attachment::block)).chain(prompt).chain(told).collect();
            turns.push(Turn { role: Role::User, name: None, blocks });
            if self.has_tools {
                turns.extend(calls.turns());
            }
            turns.push(Turn { role: Role::Assistant, name: None, blocks: vec![text(exchange.answer.as_str())] });
        }
        turns
    }

    /// What is left of the folded ones, where none of the others is there to have it before its prompt.
    pub(super) fn left_over(&self) -> Option<Block<'_>> {
        if self.folded == self.exchanges.len() { self.digest() } else { None }
    }

    fn digest(&self) -> Option<Block<'_>> {
        if self.folded == 0 {
            return None;
        }
        let mut lines = format!("[{} of this conversation, left out for want of room:", counted(self.folded));
        for Past { exchange, .. } in self.exchanges.iter().take(self.folded).skip(self.folded.saturating_sub(LINES_MAX)) {
            lines += &format!("\n- asked: {}\n  answered: {}", cut(&exchange.prompt), cut(&exchange.answer));
        }
        lines.push(']');
        Some(BlockKind::Text(lines.into()).into())
    }

    /// Takes in what was said now, if there was an answer.
    pub(super) fn push(&mut self, exchange: Exchange, attachments: &[Attachment]) {
        if !exchange.answer.trim().is_empty() {
            let calls = PastCalls::of(&exchange, self.exchanges.len());
            self.exchanges.push(Past { exchange, attachments: attachments.to_vec(), calls });
        }
    }

    /// The exchanges with an answer, those that are folded, too.
    pub(super) fn exchanges(&self) -> impl Iterator<Item = &Exchange> {
        self.exchanges.iter().map(|past| &past.exchange)
    }

    /// How many exchanges are not folded.
    pub(super) fn left(&self) -> usize {
        self.exchanges.len().saturating_sub(self.folded)
    }

    /// How many exchanges there are to fold.
    pub(super) fn count(&self) -> usize {
        self.exchanges.len()
    }

    /// Folds so many of them.
    pub(super) fn fold(&mut self, count: usize) {
        self.folded = count.min(self.exchanges.len());
    }

    /// Says what is folded.
    pub(super) fn tell(&self) {
        if self.folded > 0 {
            let of = self.exchanges.len();
            let line = format!("the conversation does not fit the model's window: the oldest {} of {of} are folded", counted(self.folded));
            output::error(&format!("aimux: {}\n", visible::line(&line)));
        }
    }
}

/// What stood beside a prompt, as far as it is kept; what is not, is said.
fn attached(exchange: &Exchange) -> Vec<Attachment> {
    let mut found = Vec::new();
    for attachment in &exchange.attachments {
        match attachment.content.as_deref().and_then(|content| Attachment::of(content, &attachment.name)) {
            Some(attachment) => found.push(attachment),
            None => output::error(&format!("aimux: {} is not kept, and left out\n", visible::line(&attachment.name))),
        }
    }
    found
}

fn counted(count: usize) -> String {
    if count == 1 { "exchange".to_owned() } else { format!("{count} exchanges") }
}

fn cut(said: &str) -> String {
    let joined = said.split_whitespace().collect::<Vec<_>>().join(" ");
    match joined.char_indices().nth(LINE_MAX) {
        Some((at, _)) => format!("{}…", joined.get(..at).unwrap_or_default()),
        None => joined,
    }
}

fn text(text: &str) -> Block<'_> {
    BlockKind::Text(text.into()).into()
}
