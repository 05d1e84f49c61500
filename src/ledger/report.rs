//! What a ledger tells of requests, together: how they are grouped, and the figures of each group. Start with [`Report`].

use serde::{Deserialize, Serialize};

use crate::database::number;

/// What requests are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Provider and model that answered, or were asked last.
    Model,
    /// The provider.
    Provider,
    /// The day, by the local clock.
    Day,
    /// The hour, by the local clock.
    Hour,
    /// The client's session.
    Session,
    /// What they are for, in the client's own work.
    Role,
    /// The agent within the session.
    Agent,
    /// The project.
    Project,
    /// The client's program, else its dialect.
    Client,
    /// What decided where they went.
    Route,
    /// The provider's key.
    Key,
}

impl By {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 11] = [
        Self::Model,
        Self::Provider,
        Self::Day,
        Self::Hour,
        Self::Session,
        Self::Role,
        Self::Agent,
        Self::Project,
        Self::Client,
        Self::Route,
        Self::Key,
    ];

    /// Its name and what it is, for users.
    #[must_use]
    pub const fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::Model => ("model", "Provider and model"),
            Self::Provider => ("provider", "Provider"),
            Self::Day => ("day", "Day"),
            Self::Hour => ("hour", "Hour"),
            Self::Session => ("session", "The client's session"),
            Self::Role => ("role", "What they are for, in the client's own work: main, background, subagent"),
            Self::Agent => ("agent", "The agent within a session"),
            Self::Project => ("project", "Project"),
            Self::Client => ("client", "The client's program"),
            Self::Route => ("route", "What decided where they went"),
            Self::Key => ("key", "The provider's key"),
        }
    }

    /// Whether the groups follow each other in time.
    pub(super) fn is_time(self) -> bool {
        matches!(self, Self::Day | Self::Hour)
    }
}

/// A stretch of time, in milliseconds since 1970; the end is not in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// Its begin; `None`: all.
    pub since_ms: Option<u64>,
    /// Its end; `None`: now.
    pub until_ms: Option<u64>,
}

/// Some requests, together.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Row {
    /// What they have in common; empty: unknown.
    pub name: String,
    /// How many.
    pub requests: u64,
    /// Of these, those whose client got an error.
    pub errors: u64,
    /// Input tokens that no cache had.
    pub input_tokens: u64,
    /// Output tokens, thinking included.
    pub output_tokens: u64,
    /// Input tokens read from a cache.
    pub cache_read_tokens: u64,
    /// Input tokens written to a cache.
    pub cache_write_tokens: u64,
    /// Output tokens of thinking, where told.
    pub thinking_tokens: u64,
    /// What the priced ones cost, in millionths of a US dollar.
    pub cost_micro_usd: u64,
    /// Requests whose price is unknown.
    pub unpriced: u64,
    /// Requests whose usage is, at least in part, an estimate.
    pub estimated: u64,
    /// The share of the input that came from a cache, 0 to 1; `None`: no input.
    pub cache_share: Option<f64>,
    /// Requests that read less from a cache than the session's request before had left there.
    pub cache_breaks: u64,
    /// Tokens that these would have read from it.
    pub cache_break_tokens: u64,
    /// What that cost, in millionths of a US dollar, where the price is known; it is part of the cost.
    pub cache_break_micro_usd: u64,
    /// Milliseconds to the first content that half of them stayed below, by the nearest rank.
    pub first_content_p50_ms: Option<u64>,
    /// The same for 95 of 100.
    pub first_content_p95_ms: Option<u64>,
}

impl Span {
    /// Its begin and its end, as stores have times.
    pub(super) fn bounds(self) -> [i64; 2] {
        [self.since_ms.map_or(i64::MIN, number), self.until_ms.map_or(i64::MAX, number)]
    }
}

/// What the ledger tells.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// The groups: the dearest first, or by time.
    pub groups: Vec<Row>,
    /// All of them.
    pub total: Row,
    /// Whose price is unknown, most requests first.
    pub unpriced: Vec<Unpriced>,
    /// Why caches had less than they could, the dearest first.
    pub cache_breaks: Vec<CacheBreaks>,
}

/// Requests that read less from a cache than they could, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CacheBreaks {
    /// The reason: one of the words of the metric `aimux_cache_breaks_total`.
    pub cause: String,
    /// How many.
    pub requests: u64,
    /// Tokens that they would have read.
    pub tokens: u64,
    /// What that cost, where the price is known, in millionths of a US dollar.
    pub micro_usd: u64,
}

/// Requests whose price is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unpriced {
    /// `provider/model`.
    pub target: String,
    /// How many.
    pub requests: u64,
}

/// What one session came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SessionSum {
    /// Who answered its last request with a conversation in it.
    pub provider: String,
    /// The model that did.
    pub model: String,
    /// Its requests.
    pub requests: u64,
    /// What the priced ones cost, in millionths of a US dollar.
    pub cost_micro_usd: u64,
    /// Requests whose price is unknown.
    pub unpriced: u64,
    /// The share of the input that came from a cache, 0 to 1; `None`: no input.
    pub cache_share: Option<f64>,
    /// Requests that were answered after another target or key had failed.
    pub failovers: u64,
}

impl SessionSum {
    /// Of the sums over a session's requests: their number, cost, those without a price, those answered after a failure, and the
    /// input that was fresh, read from a cache and written to it; and of its last request with a conversation in it.
    pub(super) fn of([requests, cost_micro_usd, unpriced, failovers, fresh, read, written]: [u64; 7], last: (String, String)) -> Self {
        let input = fresh.saturating_add(read).saturating_add(written);
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let cache_share = (input > 0).then(|| read as f64 / input as f64);
        Self { provider: last.0, model: last.1, requests, cost_micro_usd, unpriced, cache_share, failovers }
    }
}
