//! An error in a 200: an error object of any shape, HTML, text, or nothing where an answer should be.
//!
//! Lacks the reading of the error itself, which is [`super::read_failure`]'s. Start with [`disguised_failure`].

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::body::is_something;
use super::read_failure;
use crate::chat::Failure;
use crate::wire::read;

/// The failure that a body of status 200 really is: an error object of any shape, HTML, text, nothing at all. `None` for
/// JSON that may be an answer; whether it is one is the dialect's to say.
pub(crate) fn disguised_failure(body: &[u8]) -> Option<Failure> {
    let Ok(shallow) = read::from_slice::<Shallow<'_>>(body.trim_ascii()) else {
        // Doubled members are no reason to refuse an answer; everything else that does not parse is.
        return match serde_json::from_slice::<Value>(body.trim_ascii()) {
            Ok(Value::Object(whole)) if !is_error(&whole) => None,
            Ok(Value::Array(list)) if list.iter().all(|item| item.as_object().is_some_and(|item| !is_error(item))) && !list.is_empty() => {
                None
            }
            _ => Some(read_failure(200, body)),
        };
    };
    let has = |raw: Option<&RawValue>| raw.is_some_and(|raw| !matches!(raw.get(), "null" | "\"\"" | "{}" | "false" | "[]"));
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
#[derive(Deserialize)]
struct Shallow<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    errors: Option<&'a RawValue>,
    #[serde(borrow, default)]
    base_resp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    detail: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    choices: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
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
