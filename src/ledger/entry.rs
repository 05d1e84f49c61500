//! One request, as it is remembered.

use crate::chat::Usage;
use crate::error::Code;

/// The longest text of a client's that is kept, in bytes.
const TEXT_MAX: usize = 200;

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ending {
    /// The client went before the end; also what a drop without a word means.
    #[default]
    ClientGone,
    /// The whole answer was relayed.
    Complete,
    /// The client got an error.
    Failed,
}

impl Ending {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::ClientGone, Self::Complete, Self::Failed];

    /// The word in files and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientGone => "client_gone",
            Self::Complete => "complete",
            Self::Failed => "failed",
        }
    }
}

/// How it went with a second target that was asked beside the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hedged {
    /// Its content came first.
    Won,
    /// The first one's content came first, or nobody waited any more.
    Lost,
    /// It failed.
    Failed,
}

impl Hedged {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Won, Self::Lost, Self::Failed];

    /// The word in metrics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Won => "won",
            Self::Lost => "lost",
            Self::Failed => "failed",
        }
    }
}

/// One request. Empty text stands for "unknown".
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// When it came, in milliseconds since 1970.
    pub time_ms: u64,
    /// Its id, which may be the client's.
    pub request_id: String,
    /// The client's dialect.
    pub dialect: &'static str,
    /// The client's program.
    pub program: String,
    /// What it is for, in the client's own work.
    pub role: &'static str,
    /// The client's session.
    pub session: String,
    /// The agent within the session.
    pub agent: String,
    /// The project.
    pub project: String,
    /// The model that was asked for.
    pub asked: String,
    /// What decided where it went.
    pub route: String,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Who was asked last.
    pub provider: String,
    /// For which model, in the provider's words.
    pub model: String,
    /// With which key: its name.
    pub key: String,
    /// The status that the client got.
    pub status: u16,
    /// Why it failed.
    pub code: Option<Code>,
    /// How it ended.
    pub ending: Ending,
    /// What it took; what nobody reported or estimated is `None`.
    pub usage: Usage,
    /// Whether some of the usage is our estimate: the provider had not reported it when the answer ended.
    pub is_estimated: bool,
    /// What it cost, in millionths of a US dollar, attempts that were cancelled aside; `None`: the price is unknown.
    pub cost: Option<u64>,
    /// How it went with a second target, if one was asked beside the first.
    pub hedge: Option<Hedged>,
    /// Milliseconds to the first content.
    pub content_ms: Option<u64>,
    /// Milliseconds to the end.
    pub total_ms: u64,
    /// What the target could not carry.
    pub losses: u64,
    /// The attempts before the last one, or beside it.
    pub earlier: Vec<Earlier>,
    /// The last one; `None`: nobody was asked.
    pub last: Option<Attempt>,
    /// Less came from a cache than the session's request before had left there; `None`: no less.
    pub cache_break: Option<CacheBreak>,
}

/// Input that a cache would have had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheBreak {
    /// Why it had not, in a word.
    pub cause: &'static str,
    /// The same in a few words: which block, from where.
    pub detail: String,
    /// Tokens.
    pub tokens: u64,
    /// What they cost more, in millionths of a US dollar; `None`: a price is unknown.
    pub cost: Option<u64>,
}

/// An attempt that was followed by another, or lost against one.
#[derive(Debug, Clone, Default)]
pub struct Earlier {
    /// Who was asked.
    pub provider: String,
    /// For which model.
    pub model: String,
    /// With which key: its name.
    pub key: String,
    /// How it went.
    pub went: Attempt,
    /// What it took, where its answer broke off and another target went on with it: a part of the entry's usage.
    pub took: Usage,
    /// What that cost, in millionths of a US dollar: a part of the entry's cost. `None`: the price is unknown.
    pub cost: Option<u64>,
    /// Of one that was cancelled because another one's content came first: what it cost.
    pub cancelled: Option<Cancelled>,
}

/// What an attempt cost that was cancelled before its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancelled {
    /// Its input, by our estimate, in millionths of a US dollar; `None`: the price is unknown.
    pub cost: Option<u64>,
}

impl Entry {
    /// What the last attempt took and what that cost, without those before it that broke off.
    #[must_use]
    pub fn own(&self) -> (Usage, Option<u64>) {
        let broken = self.earlier.iter().filter(|one| one.took != Usage::default());
        broken.fold((self.usage, self.cost), |(usage, cost), one| {
            (minus(&usage, &one.took), cost.zip(one.cost).map(|(sum, part)| sum.saturating_sub(part)))
        })
    }

    /// Whether some of what is said of it is an estimate: of an attempt that was cancelled, all is.
    #[must_use]
    pub fn is_partly_estimated(&self) -> bool {
        self.is_estimated || self.earlier.iter().any(|one| one.cancelled.is_some())
    }

    /// What it cost with the attempts that were cancelled, in millionths of a US dollar; `None`: a price is unknown.
    #[must_use]
    pub fn cost_in_all(&self) -> Option<u64> {
        let cancelled = self.earlier.iter().filter_map(|one| one.cancelled);
        cancelled.fold(self.cost, |sum, one| Some(sum?.saturating_add(one.cost?)))
    }
}

/// What is left of a sum without one of its parts.
fn minus(sum: &Usage, part: &Usage) -> Usage {
    let sub = |sum: Option<u64>, part: Option<u64>| sum.map(|sum| sum.saturating_sub(part.unwrap_or(0)));
    Usage {
        input: sub(sum.input, part.input),
        cache_read: sub(sum.cache_read, part.cache_read),
        cache_write: sub(sum.cache_write, part.cache_write),
        cache_write_1h: sub(sum.cache_write_1h, part.cache_write_1h),
        output: sub(sum.output, part.output),
        reasoning: sub(sum.reasoning, part.reasoning),
    }
}

impl Earlier {
    /// What it cost; `None`: the price is unknown.
    #[must_use]
    pub fn own_cost(&self) -> Option<u64> {
        self.cancelled.map_or(self.cost, |cancelled| cancelled.cost)
    }
}

/// How an attempt went; whom it asked stands beside it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Milliseconds from the request's arrival to its start.
    pub start_ms: u64,
    /// Milliseconds that it took.
    pub ms: u64,
    /// The provider's status, or what it stands for; `None`: no answer.
    pub status: Option<u16>,
    /// Why it failed.
    pub code: Option<Code>,
    /// Whether its connection had been used before; `None`: no answer.
    pub is_reused: Option<bool>,
}

/// The text, cut to what is kept. No client fills the memory of the queue.
#[must_use]
pub fn kept(mut text: String) -> String {
    if text.len() > TEXT_MAX {
        let end = (0..=TEXT_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.shrink_to_fit();
    }
    text
}
