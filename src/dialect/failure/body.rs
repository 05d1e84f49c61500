//! What an error body says, in whichever shape: its message, its machine words, a status, a wait.
//!
//! Lacks every judgement of what that means. Start with [`Found::read`].

use serde_json::{Map, Value};

use super::words::milliseconds;

/// The longest plain text or nested message that is taken over, in characters.
const MESSAGE_MAX: usize = 4000;

/// What was found in a body, before it is judged.
#[derive(Default)]
pub(super) struct Found {
    pub(super) message: String,
    pub(super) kind_word: Option<String>,
    pub(super) code: Option<String>,
    pub(super) param: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) retry_ms: Option<u64>,
    pub(super) numbers: Option<(u64, u64)>,
}

impl Found {
    /// Reads a value; `depth` bounds wrappers in wrappers.
    pub(super) fn read(value: &Value, depth: u8) -> Self {
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

pub(super) fn is_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

/// The message for a body that is no JSON.
pub(super) fn plain_message(text: &str) -> String {
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
