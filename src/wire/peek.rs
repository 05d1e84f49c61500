//! A shallow look into a request body: the few members that routing and same-dialect relays need, with their places.

use std::ops::Range;

use bytes::Bytes;

/// What the gateway reads of a body on its way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peek {
    /// The decoded `model`.
    pub model: String,
    /// Where the model's JSON string token stands in the body, quotes included.
    pub model_at: Range<usize>,
    /// `stream`, false when absent.
    pub stream: bool,
    /// Our own envelopes and empty keep-alive blocks coming back: spans to cut out, in order, not overlapping, each
    /// with the comma that must go with it.
    pub cuts: Vec<Range<usize>>,
    /// Bytes inside base64 strings, which count little as tokens.
    pub base64_bytes: usize,
    /// Images in the body.
    pub images: usize,
}

/// Why a body cannot be looked into.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeekError {
    /// Not JSON; the byte offset of the fault and what is wrong there.
    #[error("the body is not JSON: {reason} at byte {at}")]
    Syntax {
        /// Byte offset.
        at: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// JSON, but no object.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// A required member is missing, doubled or of the wrong type.
    #[error("{0}")]
    Member(&'static str),
    /// Nested deeper than the limit.
    #[error("the body is nested deeper than {0}")]
    TooDeep(usize),
}

/// Looks into `body`, without copying it. `depth_max` bounds the nesting.
///
/// # Errors
/// When the body is no JSON object, has no `model` string, or has two.
pub fn peek(body: &[u8], depth_max: usize) -> Result<Peek, PeekError> {
    let _ = (body, depth_max);
    Err(PeekError::NotAnObject)
}

/// Copies `body` with each span replaced by its bytes. Spans are in order and do not overlap.
#[must_use]
pub fn splice(body: &Bytes, edits: &[(Range<usize>, &[u8])]) -> Bytes {
    let added: usize = edits.iter().map(|(_, with)| with.len()).sum();
    let mut out = Vec::with_capacity(body.len() + added);
    let mut from = 0;
    for (span, with) in edits {
        out.extend_from_slice(&body[from..span.start]);
        out.extend_from_slice(with);
        from = span.end;
    }
    out.extend_from_slice(&body[from..]);
    out.into()
}
