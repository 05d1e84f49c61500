//! A provider's own `headers` and `query`: what may be sent with each request as it stands, and no secret.

use super::diagnostic::{Diagnostic, Finding, Span};
use super::mask;
use super::reader::{Reader, Section, Text, join};
use super::tree::{Key, Node, Value};
use crate::wire::percent;

/// Headers that aimux sets itself, or that belong to one connection.
const OWN_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "accept-encoding",
    "proxy-connection",
];

/// Whether aimux sets a header of that name itself.
pub(crate) fn is_own(name: &str) -> bool {
    OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// Reads `headers`; what cannot be sent is noted and left out.
pub(crate) fn headers(reader: &mut Reader<'_>, section: &Section<'_>) -> Vec<(String, String)> {
    let entries = entries(reader, section, "headers", "a mapping of header names to text");
    entries.into_iter().filter_map(|entry| header(reader, &entry)).collect()
}

/// Reads `query` into what follows the question mark, percent-encoded; empty when there is none.
pub(crate) fn query(reader: &mut Reader<'_>, section: &Section<'_>) -> String {
    let entries = entries(reader, section, "query", "a mapping of names to text");
    let pair = |entry: &Entry| format!("{}={}", percent::encode(&entry.key.text), percent::encode(&entry.value.text));
    entries.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// One of them, found to hold no secret.
struct Entry {
    key: Key,
    value: Text,
    path: String,
}

fn entries(reader: &mut Reader<'_>, section: &Section<'_>, name: &str, what: &str) -> Vec<Entry> {
    let Some(node) = section.get(name) else { return Vec::new() };
    let path = section.at(name);
    let entries = reader.map(node, &path, what).unwrap_or_default();
    entries.iter().filter_map(|(key, node)| entry(reader, key, node, join(&path, &key.text))).collect()
}

fn entry(reader: &mut Reader<'_>, key: &Key, node: &Node, path: String) -> Option<Entry> {
    let secret_value = matches!(&node.value, Value::Scalar { text, .. } if mask::looks_like_key(text));
    if mask::looks_like_secret_field(&key.text) || secret_value {
        reader.secret(node);
        let message = format!("{path} holds a credential");
        let help = "give the key with `key`; aimux sends it the provider's way";
        reader.found_with(Diagnostic::new(Finding::ClearKey, node.span, path, message, "a secret in clear").help(help));
        return None;
    }
    let value = reader.text_of(node, &path, "text")?;
    Some(Entry { key: key.clone(), value, path })
}

fn header(reader: &mut Reader<'_>, Entry { key, value, path }: &Entry) -> Option<(String, String)> {
    let bad = |reason: String, span: Span| Diagnostic::new(Finding::BadHeader, span, path, reason, "cannot be sent");
    if http::HeaderName::from_bytes(key.text.as_bytes()).is_err() {
        reader.found_with(bad(format!("\"{}\" is not a header's name", key.text), key.span));
        return None;
    }
    let name = key.text.to_ascii_lowercase();
    if OWN_HEADERS.contains(&name.as_str()) {
        reader.found_with(bad(format!("header \"{name}\" is set by aimux itself"), key.span));
        return None;
    }
    if http::HeaderValue::from_str(&value.text).is_err() {
        reader.found_with(bad(format!("the value of header \"{name}\" has a character that no header may have"), value.span));
        return None;
    }
    Some((name, value.text.clone()))
}
