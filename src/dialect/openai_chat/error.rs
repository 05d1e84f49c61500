//! Writes errors as OpenAI's clients read them. Reading is [`crate::dialect::failure`]'s part.

use bytes::Bytes;
use serde::Serialize;

use crate::chat::{Failure, FailureKind};
use crate::wire::sse;

#[derive(Serialize)]
struct Envelope<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

/// The error body.
pub(super) fn encode(failure: &Failure) -> Bytes {
    let body = Body {
        message: &failure.message,
        kind: kind(failure.kind),
        param: failure.param.as_deref(),
        code: failure.code.as_deref().or_else(|| code(failure.kind)),
    };
    serde_json::to_vec(&Envelope { error: body }).unwrap_or_default().into()
}

/// The error as the last event of a stream; no `[DONE]` follows.
pub(super) fn write_event(failure: &Failure, out: &mut Vec<u8>) {
    sse::write(out, "", &encode(failure));
}

fn kind(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::InvalidRequest | FailureKind::ContextLength | FailureKind::TooLarge | FailureKind::NotFound => "invalid_request_error",
        FailureKind::Authentication => "authentication_error",
        FailureKind::Permission => "permission_error",
        FailureKind::Billing => "insufficient_quota",
        FailureKind::RateLimit => "rate_limit_error",
        FailureKind::Timeout => "timeout_error",
        FailureKind::Overloaded | FailureKind::Server => "server_error",
    }
}

/// The word that clients look for, where the upstream gave none.
fn code(kind: FailureKind) -> Option<&'static str> {
    Some(match kind {
        FailureKind::ContextLength => "context_length_exceeded",
        FailureKind::Authentication => "invalid_api_key",
        FailureKind::Billing => "insufficient_quota",
        FailureKind::NotFound => "model_not_found",
        FailureKind::RateLimit => "rate_limit_exceeded",
        _ => return None,
    })
}
