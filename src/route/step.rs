//! What a driver and the attempt machine say to each other.

use std::time::Duration;

use crate::chat::FailureKind;

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
    /// The wait that was asked for is over.
    Tick,
    /// The client has gone.
    ClientGone,
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
    /// Relays the answer under way to the client; nothing is tried again.
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
}
