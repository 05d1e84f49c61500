//! The wire records of Anthropic Messages: flat, borrowed, every member raw until somebody asks for its kind.
//!
//! Source: the Messages API reference (docs.anthropic.com, 2026-06).

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::TranslateError;
use crate::wire::Text;
use crate::wire::json::says_something;
use crate::wire::read;

/// The family whose signatures come without an envelope of ours.
pub(super) const FAMILY: &str = "anthropic";

/// A member as it stands in the body; JSON null reads as absent.
pub(super) type Raw<'a> = Option<&'a RawValue>;

/// Declares a record that can tell what its reader had no use for: members that are none of its own, and those of its own
/// that were not taken out. What says nothing (null, say) is not told.
macro_rules! record_with_rest {
    ($(#[$doc:meta])* $record:ident { $($field:ident: $name:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(super) struct $record<'a> {
            $(pub(super) $field: Raw<'a>,)+
            /// Names of members that are not among these.
            strange: Vec<Cow<'a, str>>,
        }

        impl $record<'_> {
            /// The names of members that stand here still.
            pub(super) fn unread(&self) -> impl Iterator<Item = &str> {
                let own = [$(($name, self.$field)),+].into_iter();
                let left = own.filter(|(_, value)| value.is_some_and(says_something)).map(|(name, _)| name);
                left.chain(self.strange.iter().map(|name| &**name))
            }
        }

        impl<'de: 'a, 'a> Deserialize<'de> for $record<'a> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Collect;
                impl<'de> serde::de::Visitor<'de> for Collect {
                    type Value = $record<'de>;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$record<'de>, A::Error> {
                        let mut record = $record::default();
                        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                            let value = Some(value).filter(|value| value.get() != "null");
                            match &*name {
                                $($name => record.$field = value,)+
                                _ if value.is_some_and(says_something) => record.strange.push(name),
                                _ => {}
                            }
                        }
                        Ok(record)
                    }
                }
                deserializer.deserialize_map(Collect)
            }
        }
    };
}

/// A member's name, borrowed where it holds no escape.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

record_with_rest! {
    /// One message of the history.
    WireMessage {
        role: "role",
        content: "content",
    }
}

record_with_rest! {
    /// A content block of any type.
    WireBlock {
        kind: "type",
        text: "text",
        source: "source",
        title: "title",
        context: "context",
        citations: "citations",
        id: "id",
        name: "name",
        input: "input",
        tool_use_id: "tool_use_id",
        content: "content",
        is_error: "is_error",
        thinking: "thinking",
        signature: "signature",
        data: "data",
        cache_control: "cache_control",
    }
}

/// The data of any event.
#[derive(Deserialize)]
pub(super) struct WireEvent<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) message: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) index: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) content_block: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) delta: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) usage: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) error: Raw<'a>,
}

/// The `message` of `message_start`.
#[derive(Deserialize)]
pub(super) struct WireStart<'a> {
    #[serde(borrow, default)]
    pub(super) id: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) model: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) usage: Raw<'a>,
}

/// The `delta` of `content_block_delta` and `message_delta`.
#[derive(Deserialize)]
pub(super) struct WireDelta<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) text: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) thinking: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) signature: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) partial_json: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) citation: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) stop_reason: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) stop_sequence: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) usage: Raw<'a>,
}

/// A string member, `None` when missing, null or no string.
pub(super) fn read(raw: Raw<'_>) -> Option<String> {
    Text::from_raw(raw?).map(|text| text.read().into_owned())
}

/// Parses an event's data; `None` when it is no JSON object.
pub(super) fn parse_event(data: &Bytes) -> Option<WireEvent<'_>> {
    read::from_slice(data).ok()
}

/// Parses `raw` as `T`, an object or list of a known shape.
pub(super) fn parse<'a, T: Deserialize<'a>>(raw: &'a RawValue, path: &'static str, expected: &str) -> Result<T, TranslateError> {
    read::from_str(raw.get()).map_err(|_| TranslateError::new(path, format!("expected {expected}")))
}

/// A string member that must be there.
pub(super) fn required<'a>(raw: Raw<'a>, path: &'static str) -> Result<Text<'a>, TranslateError> {
    optional(raw, path)?.ok_or_else(|| TranslateError::new(path, "the field is missing"))
}

/// A string member that may be missing.
pub(super) fn optional<'a>(raw: Raw<'a>, path: &'static str) -> Result<Option<Text<'a>>, TranslateError> {
    raw.map(|raw| Text::from_raw(raw).ok_or_else(|| TranslateError::new(path, "expected a string"))).transpose()
}

/// A boolean member that may be missing.
pub(super) fn boolean(raw: Raw<'_>, path: &'static str) -> Result<Option<bool>, TranslateError> {
    raw.map(|raw| parse(raw, path, "true or false")).transpose()
}

/// A count that may be missing. `5.0` counts as 5.
pub(super) fn count(raw: Raw<'_>, path: &'static str) -> Result<Option<u64>, TranslateError> {
    let Some(raw) = raw else { return Ok(None) };
    let text = raw.get();
    let whole = text.split_once('.').filter(|(_, fraction)| fraction.bytes().all(|digit| digit == b'0')).map_or(text, |(whole, _)| whole);
    whole.parse().map(Some).map_err(|_| TranslateError::new(path, "expected a non-negative integer"))
}

/// A number that may be missing.
pub(super) fn number(raw: Raw<'_>, path: &'static str) -> Result<Option<f64>, TranslateError> {
    raw.map(|raw| parse(raw, path, "a number")).transpose()
}

/// Puts `prefix` in front of a fault's path.
pub(super) fn under(prefix: impl std::fmt::Display) -> impl FnOnce(TranslateError) -> TranslateError {
    move |error| {
        let path = if error.path.is_empty() { prefix.to_string() } else { format!("{prefix}.{}", error.path) };
        TranslateError::new(path, error.reason)
    }
}
