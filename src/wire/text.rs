//! A JSON string that stays escaped until somebody reads it.
//!
//! Most text crosses the gateway unread. Kept as the JSON token it came as, it is copied once into the request that
//! leaves and never decoded.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A text, borrowed from a body as its JSON token, or plain where aimux wrote it.
#[derive(Clone, Debug)]
pub enum Text<'a> {
    /// The JSON string token, quotes included, as it stood in the body.
    Escaped(&'a RawValue),
    /// Text that is not escaped.
    Plain(Cow<'a, str>),
}

impl<'a> Text<'a> {
    /// The token's text when `raw` is a JSON string, `None` for any other kind of value.
    #[must_use]
    pub fn from_raw(raw: &'a RawValue) -> Option<Self> {
        raw.get().starts_with('"').then_some(Self::Escaped(raw))
    }

    /// The decoded text. A lone surrogate, which JSON allows and Rust does not, reads as U+FFFD.
    #[must_use]
    pub fn read(&self) -> Cow<'a, str> {
        match self {
            Self::Plain(text) => text.clone(),
            Self::Escaped(raw) => unescape(raw.get()),
        }
    }

    /// Whether there is no character at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Plain(text) => text.is_empty(),
            Self::Escaped(raw) => raw.get() == "\"\"",
        }
    }

    /// Whether there is nothing but white space.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Plain(text) => text.trim().is_empty(),
            Self::Escaped(raw) => {
                let inner = raw.get().trim_matches('"');
                // The first byte that is neither white space nor the start of an escape settles it without decoding.
                match inner.trim_start().bytes().next() {
                    None => true,
                    Some(b'\\') => self.read().trim().is_empty(),
                    Some(_) => false,
                }
            }
        }
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self::Plain(Cow::Owned(text))
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self::Plain(Cow::Borrowed(text))
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Escaped(raw) => raw.serialize(serializer),
            Self::Plain(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        Self::from_raw(raw).ok_or_else(|| serde::de::Error::custom("expected a string"))
    }
}

/// Decodes a JSON string token.
fn unescape(token: &str) -> Cow<'_, str> {
    let inner = token.get(1..token.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    match serde_json::from_str::<String>(token) {
        Ok(text) => Cow::Owned(text),
        Err(_) => Cow::Owned(unescape_lossy(inner)),
    }
}

/// Decodes what serde_json refuses: lone surrogates become U+FFFD.
fn unescape_lossy(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = rest[at..].chars().nth(1).unwrap_or('\\');
        let mut taken = 1 + escape.len_utf8();
        match escape {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'u' => {
                let unit = |from: usize| rest.get(from..from + 4).and_then(|hex| u16::from_str_radix(hex, 16).ok());
                let high = unit(at + 2).unwrap_or(0xFFFD);
                taken = 6;
                let pair = (rest.get(at + 6..at + 8) == Some("\\u")).then(|| unit(at + 8)).flatten();
                match (char::decode_utf16([high]).next(), pair) {
                    (Some(Ok(c)), _) => out.push(c),
                    (_, Some(low)) => match char::decode_utf16([high, low]).next() {
                        Some(Ok(c)) => {
                            out.push(c);
                            taken = 12;
                        }
                        _ => out.push('\u{FFFD}'),
                    },
                    _ => out.push('\u{FFFD}'),
                }
            }
            other => out.push(other),
        }
        rest = rest.get(at + taken..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(token: &str) -> Text<'_> {
        serde_json::from_str(token).expect("a JSON string")
    }

    #[test]
    fn text_reads_as_json_says() {
        assert_eq!(escaped(r#""a\n\u00e9\ud83d\ude00\"""#).read(), "a\né😀\"");
        assert_eq!(escaped(r#""x\ud83dy""#).read(), "x\u{FFFD}y");
    }

    #[test]
    fn blank_is_seen_through_escapes() {
        assert!(escaped(r#"" \n\t ""#).is_blank());
        assert!(escaped(r#""""#).is_blank());
        assert!(!escaped(r#"" \"x""#).is_blank());
    }
}
