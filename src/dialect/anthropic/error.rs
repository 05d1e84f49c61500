//! Error bodies and error events in Anthropic's words.

use bytes::Bytes;

use crate::chat::{Failure, FailureKind};
use crate::dialect::failure::context_numbers;
use crate::wire::object::Object;

/// The dialect's word for a kind of failure. Source: docs.anthropic.com, "Errors" (2026-06).
pub(super) fn error_type(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::InvalidRequest | FailureKind::ContextLength => "invalid_request_error",
        FailureKind::Authentication => "authentication_error",
        FailureKind::Permission => "permission_error",
        FailureKind::Billing => "billing_error",
        FailureKind::NotFound => "not_found_error",
        FailureKind::TooLarge => "request_too_large",
        FailureKind::RateLimit => "rate_limit_error",
        FailureKind::Timeout => "timeout_error",
        FailureKind::Overloaded => "overloaded_error",
        FailureKind::Server => "api_error",
    }
}

/// The error object, `{"type":"error","error":{…}}`, with the request's id when there is one.
pub(super) fn encode_error(failure: &Failure, request_id: &str) -> Bytes {
    let mut out = Vec::with_capacity(160);
    write_error(&mut out, failure, request_id);
    out.into()
}

/// Appends the `error` event that ends a broken stream; never followed by `message_stop`.
pub(super) fn write_error_event(out: &mut Vec<u8>, failure: &Failure) {
    out.extend_from_slice(b"event: error\ndata: ");
    write_error(out, failure, "");
    out.extend_from_slice(b"\n\n");
}

fn write_error(out: &mut Vec<u8>, failure: &Failure, request_id: &str) {
    let mut body = Object::open(out);
    body.str("type", "error");
    let mut error = Object::open(body.key("error"));
    error.str("type", error_type(failure.kind)).str("message", &message(failure));
    error.close();
    if !request_id.is_empty() {
        body.str("request_id", request_id);
    }
    body.close();
}

/// The sentence. Claude Code knows a full context by the words "prompt is too long: A tokens > B maximum", and lowers
/// `max_tokens` on "exceed context limit"; both are an interface.
fn message(failure: &Failure) -> String {
    let sentence = &failure.message;
    if failure.kind != FailureKind::ContextLength {
        return sentence.clone();
    }
    let lower = sentence.to_ascii_lowercase();
    match context_numbers(sentence) {
        _ if lower.starts_with("prompt is too long") || lower.contains("exceed context limit") => sentence.clone(),
        Some((asked, limit)) => format!("prompt is too long: {asked} tokens > {limit} maximum"),
        None => format!("prompt is too long: {sentence}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_context_is_told_in_the_words_that_claude_code_knows() {
        let told = |sentence: &str| message(&Failure::new(FailureKind::ContextLength, sentence));
        assert_eq!(
            told("This model's maximum context length is 8192 tokens. However, you requested 9000 tokens"),
            "prompt is too long: 9000 tokens > 8192 maximum"
        );
        assert_eq!(told("Your input exceeds the context window"), "prompt is too long: Your input exceeds the context window");
        assert_eq!(told("prompt is too long: 5 tokens > 4 maximum"), "prompt is too long: 5 tokens > 4 maximum");
    }

    #[test]
    fn the_body_names_type_message_and_request() {
        let body = encode_error(&Failure::from_status(529, "busy \"now\""), "req_1");
        assert_eq!(body, r#"{"type":"error","error":{"type":"overloaded_error","message":"busy \"now\""},"request_id":"req_1"}"#);
    }
}
