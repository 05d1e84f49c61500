//! A provider's own `headers`: what may be sent as it stands, and no secret.

use super::diagnostic::{Diagnostic, Finding, Span};
use super::mask;
use super::reader::{Reader, Section, join};
use super::tree::{Key, Node, Value};

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

/// Reads them; what cannot be sent is noted and left out.
pub(crate) fn headers(reader: &mut Reader<'_>, section: &Section<'_>) -> Vec<(String, String)> {
    let Some(node) = section.get("headers") else { return Vec::new() };
    let path = section.at("headers");
    let mut headers: Vec<(String, String)> = Vec::new();
    for (key, node) in reader.map(node, &path, "a mapping of header names to text").unwrap_or_default() {
        let path = join(&path, &key.text);
        headers.extend(header(reader, key, node, &path));
    }
    headers
}

fn header(reader: &mut Reader<'_>, key: &Key, node: &Node, path: &str) -> Option<(String, String)> {
    let secret_value = matches!(&node.value, Value::Scalar { text, .. } if mask::looks_like_key(text));
    if mask::looks_like_secret_field(&key.text) || secret_value {
        reader.secret(node);
        let message = format!("header \"{}\" holds a credential", key.text);
        let help = "give the key with `key`; aimux sends it the provider's way";
        reader.found_with(Diagnostic::new(Finding::ClearKey, node.span, path, message, "a secret in clear").help(help));
        return None;
    }
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
    let value = reader.text_of(node, path, "text")?;
    if http::HeaderValue::from_str(&value.text).is_err() {
        reader.found_with(bad(format!("the value of header \"{name}\" has a character that no header may have"), value.span));
        return None;
    }
    Some((name, value.text))
}
