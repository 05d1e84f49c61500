//! What every SARIF 2.1.0 log has, whatever command writes it: the frame around its one run, and paths as URIs.

use serde_json::{Value, json};

/// The log of one run, JSON with line breaks.
pub(crate) fn log_of(run: &Value) -> String {
    let log = json!({ "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run] });
    format!("{log:#}\n")
}

/// A path as a URI reference; an absolute one as a `file:` URI.
pub(crate) fn uri(path: &str) -> String {
    let mut out = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_uris() {
        assert_eq!(uri("a b/ü:%.yaml"), "a%20b/%C3%BC%3A%25.yaml");
        assert_eq!(uri("/etc/aimux/c.yaml"), "file:///etc/aimux/c.yaml");
    }
}
