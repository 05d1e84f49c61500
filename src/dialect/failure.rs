//! Reads an error body of any provider, whatever dialect it speaks and however it is wrapped.
//!
//! Providers answer in each other's shapes (and in HTML), so one reader serves every dialect. It lacks the headers, which
//! are the caller's, and the way back to a client, which is each dialect's `encode_error`. Start with [`read_failure`].

use serde_json::{Map, Value};

use crate::chat::{Failure, FailureKind, RetryAfter};

/// The longest plain text or nested message that is taken over, in characters.
const MESSAGE_MAX: usize = 4000;

/// Reads the body of an answer with an error status; never fails. For a status outside 400–599 (an error event inside a
/// stream, a 200 in disguise) the status follows from what the body says, 502 where it says nothing.
pub(crate) fn read_failure(status: u16, body: &[u8]) -> Failure {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    let found = match serde_json::from_str::<Value>(text) {
        Ok(value) => Found::read(&value, 0),
        Err(_) => Found { message: plain_message(text), ..Found::default() },
    };
    found.into_failure(status)
}

/// The failure that a body of status 200 really is: an error object of any shape, HTML, text, nothing at all. `None` for
/// JSON that may be an answer; whether it is one is the dialect's to say.
pub(crate) fn disguised_failure(body: &[u8]) -> Option<Failure> {
    let Ok(shallow) = serde_json::from_slice::<Shallow<'_>>(body.trim_ascii()) else {
        // Doubled members are no reason to refuse an answer; everything else that does not parse is.
        return match serde_json::from_slice::<Value>(body.trim_ascii()) {
            Ok(Value::Object(whole)) if !is_error(&whole) => None,
            Ok(Value::Array(list)) if list.iter().all(|item| item.as_object().is_some_and(|item| !is_error(item))) && !list.is_empty() => {
                None
            }
            _ => Some(read_failure(200, body)),
        };
    };
    let has =
        |raw: Option<&serde_json::value::RawValue>| raw.is_some_and(|raw| !matches!(raw.get(), "null" | "\"\"" | "{}" | "false" | "[]"));
    let is_suspect = has(shallow.error)
        || has(shallow.base_resp)
        || has(shallow.detail)
        || has(shallow.errors)
        || shallow.kind.is_some_and(|raw| raw.get() == "\"error\"")
        || shallow.object.is_some_and(|raw| raw.get() == "\"error\"")
        || (!has(shallow.choices) && !has(shallow.content));
    if !is_suspect {
        return None;
    }
    match serde_json::from_slice::<Value>(body.trim_ascii()) {
        Ok(Value::Object(whole)) if !is_error(&whole) => None,
        _ => Some(read_failure(200, body)),
    }
}

/// What decides at a glance whether a body deserves a closer look.
#[derive(serde::Deserialize)]
struct Shallow<'a> {
    #[serde(borrow, default)]
    error: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow, default)]
    errors: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow, default)]
    base_resp: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow, default)]
    detail: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow, default)]
    object: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow, default)]
    choices: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a serde_json::value::RawValue>,
}

fn is_error(whole: &Map<String, Value>) -> bool {
    let is_set = |name: &str| whole.get(name).is_some_and(is_something);
    let says_error = |name: &str| whole.get(name).and_then(Value::as_str) == Some("error");
    let has_answer =
        ["choices", "content", "candidates", "output", "data"].iter().any(|name| whole.get(*name).is_some_and(|v| !v.is_null()));
    let broken_base = whole.get("base_resp").and_then(|base| base.get("status_code")).and_then(Value::as_i64).is_some_and(|code| code != 0);
    let bare = !has_answer && ["detail", "message", "msg", "errors"].iter().any(|name| is_set(name));
    is_set("error") || says_error("type") || says_error("object") || broken_base || bare
}

fn is_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

/// What was found in a body, before it is judged.
#[derive(Default)]
struct Found {
    message: String,
    kind_word: Option<String>,
    code: Option<String>,
    param: Option<String>,
    status: Option<u16>,
    retry_ms: Option<u64>,
    numbers: Option<(u64, u64)>,
}

impl Found {
    /// Reads a value; `depth` bounds wrappers in wrappers.
    fn read(value: &Value, depth: u8) -> Self {
        match value {
            Value::String(text) => Self::from_text(text, depth),
            Value::Array(list) => list.first().map(|first| Self::read(first, depth + 1)).unwrap_or_default(),
            Value::Object(map) => Self::from_object(map, depth),
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::default(),
        }
    }

    /// Some proxies put the provider's body as text into their own message.
    fn from_text(text: &str, depth: u8) -> Self {
        if depth < 4
            && text.trim_start().starts_with('{')
            && let Ok(inner @ Value::Object(_)) = serde_json::from_str::<Value>(text)
        {
            let found = Self::read(&inner, depth + 1);
            if !found.message.is_empty() {
                return found;
            }
        }
        Self { message: cut(text), ..Self::default() }
    }

    fn from_object(map: &Map<String, Value>, depth: u8) -> Self {
        let mut found = Self::default();
        if depth < 4 {
            for wrapper in ["error", "errors", "detail", "base_resp"] {
                if let Some(inner) = map.get(wrapper).filter(|inner| is_something(inner)) {
                    found = Self::read(inner, depth + 1);
                    break;
                }
            }
        }
        let text = |name: &str| map.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if found.message.is_empty()
            && let Some(said) = ["message", "msg", "status_msg", "error_message", "reason", "Message"].iter().find_map(|name| text(name))
        {
            let inner = Self::from_text(said, depth);
            found = Self { kind_word: found.kind_word.or(inner.kind_word.clone()), ..inner };
        }
        found.add_provider_words(map, depth);
        found.kind_word =
            found.kind_word.or_else(|| text("type").filter(|word| *word != "error").or_else(|| text("status")).map(str::to_owned));
        found.code = found.code.or_else(|| code_word(map));
        found.param = found.param.or_else(|| text("param").map(str::to_owned)).or_else(|| location(map));
        found.status = found.status.or_else(|| status_inside(map));
        found.retry_ms = found.retry_ms.or_else(|| retry_inside(map));
        let number = |name: &str| map.get(name).and_then(Value::as_u64);
        found.numbers = found.numbers.or_else(|| number("n_prompt_tokens").zip(number("n_ctx")));
        found
    }

    /// OpenRouter names the provider's own words beside its own, which say nothing.
    fn add_provider_words(&mut self, map: &Map<String, Value>, depth: u8) {
        let Some(raw) = map.get("metadata").and_then(|metadata| metadata.get("raw")) else { return };
        let inner = Self::read(raw, depth + 1);
        if !inner.message.is_empty() && !self.message.contains(&inner.message) {
            self.message = if self.message.is_empty() { inner.message } else { format!("{}: {}", self.message, inner.message) };
        }
        self.retry_ms = self.retry_ms.or(inner.retry_ms);
    }

    fn into_failure(self, status: u16) -> Failure {
        let word_kind = [&self.kind_word, &self.code].into_iter().flatten().find_map(|word| kind_of_word(word));
        let (mut status, mut kind) = match (status, self.status, word_kind) {
            (400..=599, ..) => (status, FailureKind::from_status(status)),
            (_, Some(inside), _) => (inside, FailureKind::from_status(inside)),
            (_, None, Some(kind)) => (kind.status(), kind),
            (_, None, None) => (502, FailureKind::Server),
        };
        // A vague status yields to a precise word: a missing model behind a 400 is a missing model.
        let is_vague = matches!(kind, FailureKind::InvalidRequest | FailureKind::Server);
        let meant = word_kind
            .filter(|kind| !matches!(kind, FailureKind::InvalidRequest | FailureKind::Server))
            .or_else(|| kind_of_message(&self.message));
        if let (true, Some(meant)) = (is_vague, meant) {
            kind = meant;
            if matches!(status, 400 | 422 | 500 | 502) {
                status = meant.status();
            }
        }
        let is_input_error = is_vague || matches!(kind, FailureKind::TooLarge);
        let mut code = self.code;
        if is_input_error && is_context_overflow(&self.message, code.as_deref(), self.kind_word.as_deref()) {
            (status, kind, code) = (400, FailureKind::ContextLength, Some("context_length_exceeded".to_owned()));
        }
        let mut message =
            if self.message.is_empty() { format!("the provider answered with status {status} and no explanation") } else { self.message };
        if let (FailureKind::ContextLength, Some((asked, limit)), None) = (kind, self.numbers, context_numbers(&message)) {
            message = format!("{message} ({asked} tokens, limit {limit})");
        }
        let retry_ms = self
            .retry_ms
            .or_else(|| retry_in_words(&message))
            .filter(|_| !matches!(kind, FailureKind::InvalidRequest | FailureKind::ContextLength));
        let retry_after = retry_ms.map(|ms| RetryAfter { text: ms.div_ceil(1000).to_string(), ms: Some(ms) });
        Failure { status, kind, message, code, param: self.param, retry_after }
    }
}

/// The machine word of an error object, if it has one.
fn code_word(map: &Map<String, Value>) -> Option<String> {
    if map.contains_key("failed_generation") {
        return Some("tool_use_failed".to_owned());
    }
    let word = ["code", "status_code", "error_code"].iter().find_map(|name| match map.get(*name)? {
        Value::String(word) if !word.is_empty() => Some(word.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })?;
    // An HTTP status is no word; Gemini has one beside it.
    match (word.parse::<u16>(), map.get("status").and_then(Value::as_str)) {
        (Ok(400..=599), Some(status)) => Some(status.to_owned()),
        (Ok(400..=599), None) => None,
        _ => Some(word),
    }
}

/// FastAPI's `loc`, as a path.
fn location(map: &Map<String, Value>) -> Option<String> {
    let parts: Vec<String> =
        map.get("loc")?.as_array()?.iter().map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned)).collect();
    Some(parts.join("."))
}

/// A number from 400 to 599 where a status may stand.
fn status_inside(map: &Map<String, Value>) -> Option<u16> {
    ["code", "status", "status_code", "http_status", "statusCode"].iter().find_map(|name| {
        let number = match map.get(*name)? {
            Value::Number(number) => number.as_u64()?,
            Value::String(text) => text.parse().ok()?,
            _ => return None,
        };
        u16::try_from(number).ok().filter(|status| (400..=599).contains(status))
    })
}

/// Gemini's RetryInfo, or a plain member.
fn retry_inside(map: &Map<String, Value>) -> Option<u64> {
    let seconds = |value: &Value| match value {
        Value::Number(number) => number.as_f64().map(milliseconds),
        Value::String(text) => text.trim_end_matches('s').parse::<f64>().ok().map(milliseconds),
        _ => None,
    };
    map.get("retry_after_ms")
        .and_then(Value::as_u64)
        .or_else(|| map.get("retry_after").and_then(seconds))
        .or_else(|| map.get("details")?.as_array()?.iter().find_map(|detail| detail.get("retryDelay").and_then(seconds)))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a day before")]
fn milliseconds(seconds: f64) -> u64 {
    (seconds.clamp(0.0, 86_400.0) * 1000.0).ceil() as u64
}

/// "try again in 7.66s", "in 1m2.5s", "in 20ms", "in 6 seconds".
fn retry_in_words(message: &str) -> Option<u64> {
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

/// The kind behind the words that providers use in `type`, `code` and `status`.
fn kind_of_word(word: &str) -> Option<FailureKind> {
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
fn kind_of_message(message: &str) -> Option<FailureKind> {
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

/// Whether an error says that the input is longer than the model's window, in any provider's words.
fn is_context_overflow(message: &str, code: Option<&str>, kind_word: Option<&str>) -> bool {
    const WORDS: [&str; 4] = ["context_length_exceeded", "exceed_context_size_error", "model_context_window_exceeded", "1261"];
    if [code, kind_word].into_iter().flatten().any(|word| WORDS.contains(&word)) {
        return true;
    }
    // Each entry: all of its parts stand in the sentence. Collected from the providers' public error texts.
    const SENTENCES: [&[&str]; 19] = [
        &["prompt is too long"],
        &["context_length_exceeded"],
        &["maximum context length"],
        &["context window", "exceed"],
        &["context window", "too long"],
        &["context window", "larger than"],
        &["context length", "exceed"],
        &["context limit", "exceed"],
        &["context size", "exceed"],
        &["input is too long"],
        &["input token count", "exceeds"],
        &["prompt token count", "exceeds"],
        &["maximum prompt length"],
        &["prompt exceeds max length"],
        &["too many tokens", "prompt"],
        &["reduce the length of the messages"],
        &["exceeded model token limit"],
        &["prompt", "too large for model"],
        &["`inputs` tokens + `max_new_tokens` must be"],
    ];
    let lower = message.to_ascii_lowercase();
    SENTENCES.iter().any(|parts| parts.iter().all(|part| lower.contains(part)))
}

/// The tokens asked for and the limit, from an overflow message in any wording; `None` when they cannot be told apart.
pub(crate) fn context_numbers(message: &str) -> Option<(u64, u64)> {
    let lower = message.to_ascii_lowercase();
    let numbers = numbers_with_surroundings(&lower);
    let asked = numbers.iter().map(|(number, ..)| *number).max()?;
    let is_limit = |before: &str, after: &str| {
        let names = ["max", "limit", "allowed", "context size", "context length", "window", "must be <="];
        names.iter().any(|name| before.contains(name)) || after.trim_start().starts_with("max")
    };
    let named = numbers.iter().find(|(number, before, after)| *number < asked && is_limit(before, after)).map(|(number, ..)| *number);
    let other = || (numbers.len() == 2).then(|| numbers.iter().map(|(number, ..)| *number).min()).flatten();
    let limit = named.or_else(other)?;
    (asked > limit).then_some((asked, limit))
}

/// Every count in the text (256 or more, no part of a name), with what stands before it since the last one, and after it.
fn numbers_with_surroundings(text: &str) -> Vec<(u64, &str, &str)> {
    let mut found = Vec::new();
    let (mut at, mut before_from) = (0, 0);
    while let Some(start) = text.get(at..).and_then(|rest| rest.find(|c: char| c.is_ascii_digit())).map(|n| at + n) {
        let end = text
            .get(start..)
            .and_then(|rest| rest.find(|c: char| !c.is_ascii_digit() && c != ',' && c != '_'))
            .map_or(text.len(), |n| start + n);
        let digits: String = text.get(start..end).unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
        let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        let in_name = text.get(..start).and_then(|head| head.chars().next_back()).is_some_and(is_part)
            || text.get(end..).and_then(|tail| tail.chars().next()).is_some_and(is_part);
        if let (Ok(number @ 256..), false) = (digits.parse::<u64>(), in_name) {
            found.push((number, text.get(before_from..start).unwrap_or_default(), text.get(end..).unwrap_or_default()));
            before_from = end;
        }
        at = end;
    }
    found
}

/// The message for a body that is no JSON.
fn plain_message(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    if text.starts_with('<') {
        let lower = text.to_ascii_lowercase();
        let title = lower.find("<title>").zip(lower.find("</title>")).and_then(|(from, to)| text.get(from + 7..to)).map(str::trim);
        return match title {
            Some(title) if !title.is_empty() => format!("the provider answered with a web page: {}", short(title, 200)),
            _ => "the provider answered with a web page".to_owned(),
        };
    }
    short(text, 500)
}

fn cut(text: &str) -> String {
    short(text.trim(), MESSAGE_MAX)
}

fn short(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
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
