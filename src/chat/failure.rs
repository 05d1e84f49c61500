//! A failure as a client reads it or an upstream reports it, between dialects.

use std::fmt;

use crate::error::Code;

/// What an error body says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// HTTP status; for an error inside a stream, the one that it means.
    pub status: u16,
    /// The class.
    pub kind: FailureKind,
    /// The sentence for the reader.
    pub message: String,
    /// A machine word (`context_length_exceeded`, say).
    pub code: Option<String>,
    /// The request's field that is at fault.
    pub param: Option<String>,
    /// When to try again.
    pub retry_after: Option<RetryAfter>,
}

/// The classes of failures; each dialect has its word for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The request is wrong.
    InvalidRequest,
    /// Input longer than the model's window.
    ContextLength,
    /// The key is not accepted.
    Authentication,
    /// The key is not enough.
    Permission,
    /// Money or plan has run out.
    Billing,
    /// No such model or resource.
    NotFound,
    /// The body is too large.
    TooLarge,
    /// Too many requests or tokens.
    RateLimit,
    /// Too slow.
    Timeout,
    /// The provider is overloaded.
    Overloaded,
    /// Anything else on the server's side.
    Server,
}

/// `Retry-After`, relayed as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryAfter {
    /// The header's value, verbatim: seconds or an HTTP date.
    pub text: String,
    /// The same in milliseconds from when it was read, where it could be.
    pub ms: Option<u64>,
}

impl Failure {
    /// A failure of `kind`, with the status that the kind usually has.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { status: kind.status(), kind, message: message.into(), code: None, param: None, retry_after: None }
    }

    /// A failure in aimux's own words inside a stream, where no header has room for the code: the sentence ends with it.
    #[must_use]
    pub fn own(code: Code, kind: FailureKind, message: impl fmt::Display) -> Self {
        Self { code: Some(code.to_string()), ..Self::new(kind, format!("{message} ({code})")) }
    }

    /// A stream that ended in the middle of its answer.
    #[must_use]
    pub fn broken_off(message: &str) -> Self {
        Self::own(Code::UpstreamBroken, FailureKind::Server, message)
    }

    /// A stream that is not what its dialect says.
    #[must_use]
    pub fn nonsense(message: impl fmt::Display) -> Self {
        Self::own(Code::UpstreamNonsense, FailureKind::Server, message)
    }

    /// The code of a failure that is aimux's own.
    #[must_use]
    pub fn own_code(&self) -> Option<Code> {
        let word = self.code.as_deref()?.strip_prefix("AIMUX-")?;
        Code::ALL.iter().copied().find(|code| code.row().id == word)
    }

    /// A failure with an HTTP status; the kind follows from it.
    #[must_use]
    pub fn from_status(status: u16, message: impl Into<String>) -> Self {
        Self { status, ..Self::new(FailureKind::from_status(status), message) }
    }
}

impl FailureKind {
    /// The usual HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidRequest | Self::ContextLength => 400,
            Self::Authentication => 401,
            Self::Billing => 402,
            Self::Permission => 403,
            Self::NotFound => 404,
            Self::TooLarge => 413,
            Self::RateLimit => 429,
            Self::Timeout => 504,
            Self::Overloaded => 529,
            Self::Server => 502,
        }
    }

    /// The kind that a status means.
    #[must_use]
    pub fn from_status(status: u16) -> Self {
        match status {
            401 => Self::Authentication,
            402 => Self::Billing,
            403 => Self::Permission,
            404 => Self::NotFound,
            408 | 504 => Self::Timeout,
            413 => Self::TooLarge,
            429 => Self::RateLimit,
            503 | 529 => Self::Overloaded,
            400..=499 => Self::InvalidRequest,
            _ => Self::Server,
        }
    }
}
