//! Why a session does not stay with its target.

use std::fmt::{self, Display, Formatter};

use super::ability::Need;

/// Why a session does not stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The route has that target no longer.
    Gone,
    /// It lacks what the request needs.
    Lacks(Need),
    /// A policy denies it.
    Denied,
    /// It rests, or its keys do.
    Rests,
    /// Another costs so much less, in millionths of a US dollar, that it pays to move.
    Saves(u64),
    /// It was asked and failed.
    Failed,
    /// Another was asked beside it and was quicker.
    Hedged,
    /// It had no place, or came to rest meanwhile.
    Busy,
}

impl Why {
    /// The word of logs and metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Lacks(_) => "lacks",
            Self::Denied => "denied",
            Self::Rests => "rests",
            Self::Saves(_) => "saves",
            Self::Failed => "failed",
            Self::Hedged => "hedged",
            Self::Busy => "busy",
        }
    }
}

impl Display for Why {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the route has it no longer"),
            Self::Lacks(need) => write!(f, "it {}", need.lacking()),
            Self::Denied => f.write_str("a policy denies it"),
            Self::Rests => f.write_str("it rests"),
            Self::Saves(micro_usd) => {
                write!(f, "the other saves some ${}.{:04}", micro_usd / 1_000_000, micro_usd % 1_000_000 / 100)
            }
            Self::Failed => f.write_str("it failed"),
            Self::Hedged => f.write_str("another was asked beside it and was quicker"),
            Self::Busy => f.write_str("it had no place"),
        }
    }
}
