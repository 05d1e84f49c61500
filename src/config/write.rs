//! Values as the YAML that aimux writes: one line each, quoted where a reader of YAML might see something else in them.

use super::tree::{Node, Value};

/// A text as a scalar: plain where nothing in it means anything to YAML, else in double quotes.
pub(crate) fn text(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '+');
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/');
    let is_special =
        matches!(text.to_ascii_lowercase().as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n" | "inf" | "nan");
    if begins && !is_special && text.chars().all(is_word) { text.to_owned() } else { quoted(text) }
}

/// A text in double quotes; JSON's escapes are YAML's too.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}') =>
            {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A value on one line. `shown` is asked what may be seen of each scalar, which is written as it says.
pub(crate) fn flow(node: &Node, shown: &dyn Fn(&Node, &str) -> String) -> String {
    match &node.value {
        Value::Scalar { plain: true, .. } if node.is_null() => "null".to_owned(),
        Value::Scalar { text: value, plain } => {
            let seen = shown(node, value);
            let is_literal = *plain && seen == *value && (node.flag().is_some() || node.is_number() || value == "off");
            if is_literal { seen } else { text(&seen) }
        }
        Value::List(nodes) => format!("[{}]", nodes.iter().map(|node| flow(node, shown)).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Map(entries) => {
            let entries: Vec<String> = entries.iter().map(|(key, node)| format!("{}: {}", text(&key.text), flow(node, shown))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree;

    #[test]
    fn what_is_written_is_read_as_the_same_text() {
        for value in [
            "",
            "a",
            "off",
            "true",
            "1",
            "1.5",
            "-x",
            "0x10",
            "a b",
            "a: b",
            "a #b",
            "*",
            "&a",
            "[a]",
            "{a}",
            "\"q\"",
            "a\\b",
            "~",
            "null",
            "é",
            "line\nline",
            "\u{1b}[31m",
            "http://127.0.0.1:1/v1",
            "hf:zai-org/GLM-5.2",
            "${HOME}",
            "claude-*",
            "a,b",
            "\u{202e}x",
            "1_000",
            ".5",
        ] {
            let node = tree::parse(&format!("{{ k: {}, l: [{}] }}", text(value), text(value)), 0).unwrap();
            let tree::Value::Map(entries) = node.value else { panic!("a mapping") };
            let node = &entries[0].1;
            assert!(matches!(&node.value, Value::Scalar { text, .. } if text == value), "{value:?}: {node:?}");
            assert!(!node.is_number() && !node.is_null() && node.flag().is_none(), "{value:?}");
        }
    }
}
