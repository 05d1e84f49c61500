//! What the providers' words mean: a kind behind a machine word or a sentence, a wait behind "try again in 1m2.5s".

use crate::chat::FailureKind;

/// The kind behind the words that providers use in `type`, `code` and `status`.
pub(super) fn kind_of_word(word: &str) -> Option<FailureKind> {
    use FailureKind as K;
    Some(match word.to_ascii_lowercase().as_str() {
        "authentication_error"
        | "invalid_api_key"
        | "unauthenticated"
        | "unauthorized"
        | "invalid_authentication_error"
        | "incorrect_api_key" => K::Authentication,
        "permission_error" | "permission_denied" | "forbidden" | "access_denied" => K::Permission,
        "billing_error"
        | "insufficient_quota"
        | "payment_required"
        | "insufficient_balance"
        | "insufficient_credits"
        | "exceeded_current_quota_error"
        | "billing_hard_limit_reached" => K::Billing,
        "not_found_error" | "model_not_found" | "not_found" | "notfounderror" | "resource_not_found_error" => K::NotFound,
        "request_too_large" | "payload_too_large" => K::TooLarge,
        "rate_limit_error"
        | "rate_limit_exceeded"
        | "resource_exhausted"
        | "too_many_requests"
        | "rate_limit"
        | "throttling"
        | "rate_limit_reached_error"
        | "tokens"
        | "requests"
        | "ratelimiterror" => K::RateLimit,
        "timeout_error" | "deadline_exceeded" | "timeout" | "request_timeout" => K::Timeout,
        "overloaded_error"
        | "overloaded"
        | "unavailable"
        | "service_unavailable"
        | "engine_overloaded_error"
        | "engine_overloaded"
        | "server_overloaded" => K::Overloaded,
        "invalid_request_error"
        | "invalid_argument"
        | "bad_request"
        | "badrequesterror"
        | "invalid_request"
        | "failed_precondition"
        | "unprocessable_entity" => K::InvalidRequest,
        "api_error" | "server_error" | "internal" | "internal_error" | "internal_server_error" => K::Server,
        _ => return None,
    })
}

/// The kind that only the sentence tells.
pub(super) fn kind_of_message(message: &str) -> Option<FailureKind> {
    let lower = message.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&["api key not valid", "invalid api key", "incorrect api key"]) {
        Some(FailureKind::Authentication)
    } else if lower.contains("model") && has(&["does not exist", "model not found", "model_not_found", "unknown model"]) {
        Some(FailureKind::NotFound)
    } else if has(&["credit balance is too low", "insufficient balance", "insufficient credits"]) {
        Some(FailureKind::Billing)
    } else {
        None
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a day before")]
pub(super) fn milliseconds(seconds: f64) -> u64 {
    (seconds.clamp(0.0, 86_400.0) * 1000.0).ceil() as u64
}

/// "try again in 7.66s", "in 1m2.5s", "in 20ms", "in 6 seconds".
pub(super) fn retry_in_words(message: &str) -> Option<u64> {
    let lower = message.to_ascii_lowercase();
    let mut rest = ["try again in ", "retry in ", "retry after "].iter().find_map(|lead| lower.split_once(lead)).map(|(_, rest)| rest)?;
    let mut total = None;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = match rest.get(..digits).and_then(|digits| digits.trim_end_matches('.').parse().ok()) {
            Some(number) => number,
            None => return total,
        };
        let unit_and_rest = rest.get(digits..).unwrap_or_default().trim_start();
        let letters = unit_and_rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit_and_rest.len());
        let factor = match unit_and_rest.get(..letters).unwrap_or_default() {
            "ms" | "milliseconds" => 0.001,
            "s" | "sec" | "second" | "seconds" => 1.0,
            "m" | "min" | "minute" | "minutes" => 60.0,
            "h" | "hour" | "hours" => 3600.0,
            _ => return total,
        };
        total = Some(total.unwrap_or(0) + milliseconds(number * factor));
        rest = unit_and_rest.get(letters..).unwrap_or_default();
    }
}
