//! Reads an error body of any provider, whatever dialect it speaks and however it is wrapped.
//!
//! Providers answer in each other's shapes (and in HTML), so one reader serves every dialect. It lacks the headers, which
//! are the caller's, and the way back to a client, which is each dialect's `encode_error`. Start with [`read_failure`]:
//! `body` finds what is said, `words` and `context` know what the providers' words mean, `disguise` tells an error in a 200.

use serde_json::Value;

use self::body::Found;
use self::words::{kind_of_message, kind_of_word, retry_in_words};
use crate::chat::{Failure, FailureKind, RetryAfter};

mod body;
mod context;
mod disguise;
mod words;

pub(crate) use context::context_numbers;
pub(crate) use disguise::disguised_failure;

/// Reads the body of an answer with an error status; never fails. For a status outside 400–599 (an error event inside a
/// stream, a 200 in disguise) the status follows from what the body says, 502 where it says nothing.
pub(crate) fn read_failure(status: u16, body: &[u8]) -> Failure {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    let found = match serde_json::from_str::<Value>(text) {
        Ok(value) => Found::read(&value, 0),
        Err(_) => Found { message: body::plain_message(text), ..Found::default() },
    };
    judge(found, status)
}

/// Judges what was found, in the light of the status.
fn judge(found: Found, status: u16) -> Failure {
    let word_kind = [&found.kind_word, &found.code].into_iter().flatten().find_map(|word| kind_of_word(word));
    let (mut status, mut kind) = match (status, found.status, word_kind) {
        (400..=599, ..) => (status, FailureKind::from_status(status)),
        (_, Some(inside), _) => (inside, FailureKind::from_status(inside)),
        (_, None, Some(kind)) => (kind.status(), kind),
        (_, None, None) => (502, FailureKind::Server),
    };
    // A vague status yields to a precise word: a missing model behind a 400 is a missing model.
    let is_vague = matches!(kind, FailureKind::InvalidRequest | FailureKind::Server);
    let meant = word_kind
        .filter(|kind| !matches!(kind, FailureKind::InvalidRequest | FailureKind::Server))
        .or_else(|| kind_of_message(&found.message));
    if let (true, Some(meant)) = (is_vague, meant) {
        kind = meant;
        if matches!(status, 400 | 422 | 500 | 502) {
            status = meant.status();
        }
    }
    let is_input_error = is_vague || matches!(kind, FailureKind::TooLarge);
    let mut code = found.code;
    if is_input_error && context::is_overflow(&found.message, code.as_deref(), found.kind_word.as_deref()) {
        (status, kind, code) = (400, FailureKind::ContextLength, Some("context_length_exceeded".to_owned()));
    }
    let mut message =
        if found.message.is_empty() { format!("the provider answered with status {status} and no explanation") } else { found.message };
    if let (FailureKind::ContextLength, Some((asked, limit)), None) = (kind, found.numbers, context_numbers(&message)) {
        message = format!("{message} ({asked} tokens, limit {limit})");
    }
    let retry_ms = found
        .retry_ms
        .or_else(|| retry_in_words(&message))
        .filter(|_| !matches!(kind, FailureKind::InvalidRequest | FailureKind::ContextLength));
    let retry_after = retry_ms.map(|ms| RetryAfter { text: ms.div_ceil(1000).to_string(), ms: Some(ms) });
    Failure { status, kind, message, code, param: found.param, retry_after }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_gives_its_sentence() {
        for (body, message) in [
            (r#"{"type":"error","error":{"type":"invalid_request_error","message":"m"},"request_id":"r"}"#, "m"),
            (r#"{"error":{"message":"m","type":"invalid_request_error","param":null,"code":null}}"#, "m"),
            (r#"{"error":"m"}"#, "m"),
            (r#"{"detail":"m"}"#, "m"),
            (r#"{"detail":[{"loc":["body","x"],"msg":"m"}]}"#, "m"),
            (r#"{"object":"error","message":"m","code":400}"#, "m"),
            (r#"[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]"#, "m"),
            (r#"{"error":{"message":"{\"error\":{\"message\":\"m\"}}"}}"#, "m"),
            (r#"{"base_resp":{"status_code":1004,"status_msg":"m"}}"#, "m"),
            ("m", "m"),
            ("<html><title>m</title></html>", "the provider answered with a web page: m"),
            ("", "the provider answered with status 400 and no explanation"),
        ] {
            assert_eq!(read_failure(400, body.as_bytes()).message, message, "{body}");
        }
    }

    #[test]
    fn a_disguised_error_gets_the_status_that_it_means() {
        let status = |body: &str| disguised_failure(body.as_bytes()).map(|failure| failure.status);
        assert_eq!(status(r#"{"error":{"message":"m","code":429}}"#), Some(429));
        assert_eq!(status(r#"{"error":{"message":"m","code":"503"}}"#), Some(503));
        assert_eq!(status(r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#), Some(529));
        assert_eq!(status(r#"{"choices":null,"base_resp":{"status_code":1002,"status_msg":"m"}}"#), Some(502));
        assert_eq!(status("<html>"), Some(502));
        assert_eq!(status(""), Some(502));
        assert_eq!(status(r#"{"choices":[{"message":{}}],"error":null}"#), None);
        assert_eq!(status(r#"{"choices":[{"message":{}}],"base_resp":{"status_code":0}}"#), None);
        assert_eq!(status(r#"{"type":"message","content":[]}"#), None);
    }

    #[test]
    fn context_overflow_is_recognised_in_the_providers_words() {
        for (message, numbers) in [
            ("prompt is too long: 210000 tokens > 200000 maximum", Some((210_000, 200_000))),
            (
                "This model's maximum context length is 4097 tokens. However, you requested 5000 tokens (4500 in the messages, 500 in the completion).",
                Some((5000, 4097)),
            ),
            ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", Some((1_200_000, 1_048_576))),
            ("This model's maximum prompt length is 131072 but the request contains 537812 tokens.", Some((537_812, 131_072))),
            (
                "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
                Some((40_000, 32_768)),
            ),
            ("Please reduce the length of the messages or completion. Current length is 8500 while limit is 8192", Some((8500, 8192))),
            ("Your input exceeds the context window of this model.", None),
            ("<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]", None),
            ("The input (61709 tokens) is longer than the model's context length (40960 tokens).", Some((61_709, 40_960))),
            ("Input length 203743 exceeds the maximum length 202752", Some((203_743, 202_752))),
            ("Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens).", Some((160_062, 59_862))),
            (
                "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 13055>= n_ctx: 4096).",
                Some((13_055, 4096)),
            ),
            (
                "Trying to keep the first 15857 tokens when context the overflows. However, the model is loaded with context length of only 7866 tokens, which is not enough.",
                Some((15_857, 7866)),
            ),
            ("Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)", Some((15_028, 7424))),
            ("`inputs` must have less than 1024 tokens. Given: 1500", Some((1500, 1024))),
            ("prompt is too long for gpt-4-32768-0613", None),
        ] {
            let failure = read_failure(400, serde_json::json!({"error": {"message": message}}).to_string().as_bytes());
            assert_eq!(failure.kind, FailureKind::ContextLength, "{message}");
            assert_eq!(context_numbers(message), numbers, "{message}");
        }
        assert_eq!(
            read_failure(429, br#"{"error":{"message":"too many tokens per minute, maximum context length"}}"#).kind,
            FailureKind::RateLimit
        );
        let llama = br#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":8192}}"#;
        assert_eq!(context_numbers(&read_failure(400, llama).message), Some((9000, 8192)));
    }

    #[test]
    fn a_precise_word_beats_a_vague_status() {
        let failure = read_failure(400, br#"{"error":{"message":"The model `x` does not exist","code":"model_not_found"}}"#);
        assert_eq!((failure.status, failure.kind), (404, FailureKind::NotFound));
        let groq = read_failure(400, br#"{"error":{"message":"Failed to call a function.","type":"invalid_request_error","code":"tool_use_failed","failed_generation":"x"}}"#);
        assert_eq!((groq.kind, groq.code.as_deref()), (FailureKind::InvalidRequest, Some("tool_use_failed")));
    }

    #[test]
    fn retry_hints_are_read_from_members_and_sentences() {
        let ms = |body: &str| read_failure(429, body.as_bytes()).retry_after.and_then(|retry| retry.ms);
        assert_eq!(ms(r#"{"error":{"code":429,"message":"m","details":[{"@type":"x"},{"retryDelay":"17.5s"}]}}"#), Some(17_500));
        assert_eq!(ms(r#"{"error":{"message":"Please try again in 1m2.5s. Visit"}}"#), Some(62_500));
        assert_eq!(ms(r#"{"error":{"message":"Please try again in 20ms"}}"#), Some(20));
        assert_eq!(ms(r#"{"error":{"message":"slow down"}}"#), None);
    }
}
