//! What a driver and the attempt machine say to each other.

use std::time::Duration;

use crate::chat::FailureKind;
use crate::dialect::said::Bar;

/// What a driver reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// Nothing yet: the request has been planned.
    Begin,
    /// The upstream refused: an HTTP status other than 2xx, or an error in a 200 before the first content.
    Refused {
        /// The status, or the one that the error means.
        status: u16,
        /// Its class.
        kind: FailureKind,
        /// The upstream's Retry-After in milliseconds.
        retry_after_ms: Option<u64>,
        /// The model failed to make a tool call (Groq's `tool_use_failed`), which another may do.
        tool_call_failed: bool,
    },
    /// The connection failed or broke, or a limit of time was met, before the first content.
    Broken,
    /// The first content has come.
    Content,
    /// The answer broke off after its first content.
    Cut(Cut),
    /// The wait that was asked for is over.
    Tick,
    /// The client has gone.
    ClientGone,
}

/// An answer that broke off, and what the client has of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// What stands in the way of going on with it.
    pub bar: Option<Bar>,
    /// The status that its failure means.
    pub status: u16,
    /// Its class.
    pub kind: FailureKind,
}

/// What a driver does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Sends to the target, with the key (index into the provider's keys; 0 where it has none).
    Send {
        /// Index into the plan's targets.
        target: usize,
        /// Index into the provider's keys.
        key: usize,
    },
    /// Waits, then reports [`Happened::Tick`].
    Wait(Duration),
    /// Stands in line for a place: waits until one gets free, for so long at most, then reports [`Happened::Tick`].
    Queue(Duration),
    /// Goes on with the other of two attempts, which is still under way.
    Await,
    /// Relays the answer under way to the client; nothing is tried again, unless it breaks off and may be gone on with.
    Commit,
    /// Gives up.
    Fail(Verdict),
}

/// How it ends without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The last failure is what the client gets.
    LastFailure,
    /// Every target rests; the shortest rest.
    AllResting(Duration),
    /// The config's own limits leave no room at any target; when the first has some.
    Full(Duration),
    /// The request's deadline has passed.
    Deadline,
    /// Nobody is left to answer.
    ClientGone,
    /// The answer broke off, and is not gone on with.
    Broken(Stay),
}

/// Why an answer that broke off is not gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// Nothing says that it may be.
    Off,
    /// For what was said.
    Said(Bar),
    /// The failure is the request's own: nobody would answer it.
    Fault,
    /// It was gone on with as often as may be.
    Often,
    /// The budget of repeats is used up.
    Budget,
    /// No target is left to ask.
    Nobody,
}

impl Stay {
    /// The same in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Off => "no rule says so",
            Self::Said(Bar::ToolCall) => "a tool call has begun",
            Self::Said(Bar::Other) => "more than text was said",
            Self::Said(Bar::Length) => "too much was said",
            Self::Fault => "the request itself is at fault",
            Self::Often => "as often as retry.continuations allows",
            Self::Budget => "the budget of repeats is used up",
            Self::Nobody => "no target is left",
        }
    }
}
