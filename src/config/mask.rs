//! What may be shown of a config's text: no key, no control character.

use std::ops::Range;

/// What stands for a hidden text.
pub(crate) const DOTS: &str = "••••••";

/// Beginnings of well-known credentials; eight more characters make one.
const PREFIXES: &[&str] = &[
    "sk-",
    "sk_",
    "pk-",
    "rk_",
    "xai-",
    "gsk_",
    "csk-",
    "fw_",
    "AIza",
    "AKIA",
    "ASIA",
    "ghp_",
    "gho_",
    "github_pat_",
    "glpat-",
    "hf_",
    "r8_",
    "pplx-",
    "nvapi-",
    "xoxb-",
    "xoxp-",
    "syn_",
    "eyJ",
    "AGE-SECRET-KEY-",
    "tgp_",
    "bedrock-api-key-",
];

/// Ranges of `text`, in bytes, that look like a key.
pub(crate) fn keys_in(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    let bytes = text.as_bytes();
    let part_of_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+' | b'=');
    while start < bytes.len() {
        let length = bytes.iter().skip(start).take_while(|byte| part_of_word(**byte)).count();
        if length > 0 && text.get(start..start + length).is_some_and(is_key) {
            found.push(start..start + length);
        }
        start += length.max(1);
    }
    found
}

/// Whether a text is, by its looks, a credential.
pub(crate) fn looks_like_key(text: &str) -> bool {
    !keys_in(text).is_empty()
}

/// Whether a field of that name usually holds a secret.
pub(crate) fn looks_like_secret_field(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let names =
        ["key", "keys", "token", "secret", "password", "passwd", "authorization", "cookie", "credential", "credentials", "auth", "apikey"];
    name.split('-').any(|part| names.contains(&part)) || ["token", "secret", "password", "apikey"].iter().any(|end| name.ends_with(end))
}

/// Whether a text begins as well-known credentials do; an id may be as random as one.
pub(crate) fn begins_as_key(text: &str) -> bool {
    PREFIXES.iter().any(|prefix| text.strip_prefix(prefix).is_some_and(|rest| rest.len() >= 8))
}

fn is_key(word: &str) -> bool {
    begins_as_key(word) || word.split(['-', '.', '=', '+']).any(is_random)
}

/// A long run of letters and digits without any order to it. Names of models have dashes and dots in between.
fn is_random(run: &str) -> bool {
    let letters = run.bytes().any(|byte| byte.is_ascii_alphabetic());
    let digits = run.bytes().filter(u8::is_ascii_digit).count() >= 2;
    let mut seen = [false; 256];
    for byte in run.bytes() {
        if let Some(slot) = seen.get_mut(usize::from(byte)) {
            *slot = true;
        }
    }
    run.len() >= 24 && letters && digits && seen.iter().filter(|seen| **seen).count() >= 8
}

/// A text as a message may show it: keys hidden, control characters escaped, cut after 300 characters.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut at = 0;
    for range in keys_in(text) {
        out.push_str(text.get(at..range.start).unwrap_or_default());
        out.push_str(DOTS);
        at = range.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    let mut line = String::new();
    for (count, c) in out.chars().enumerate() {
        if count == 300 {
            line.push('…');
            break;
        }
        push_visible(&mut line, c);
    }
    line
}

/// Appends a character so that no terminal obeys it.
pub(crate) fn push_visible(out: &mut String, c: char) {
    match c {
        '\t' => out.push(' '),
        c if c.is_control() || is_format(c) => out.extend(c.escape_unicode()),
        c => out.push(c),
    }
}

/// Characters that turn the direction of the text or are not seen at all.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_hidden_and_model_names_are_not() {
        for key in [
            "sk-ant-api03-abcdef",
            "gsk_0123456789",
            "0123456789abcdef0123456789abcdef.Qx9",
            "AKIDEXAMPLE0123456789012345",
            "Bearer sk-12345678",
        ] {
            assert!(looks_like_key(key), "{key}");
            assert!(shown(key).contains(DOTS), "{key}");
        }
        for name in [
            "claude-haiku-4-5-20251001",
            "openrouter/qwen3-coder-480b-a35b-instruct",
            "hf:zai-org/GLM-4.6",
            "http://127.0.0.1:11434/v1",
            "ANTHROPIC_API_KEY",
            "sk-fake",
            "anthropic/claude-opus-4-8",
        ] {
            assert!(!looks_like_key(name), "{name}");
            assert_eq!(shown(name), name);
        }
    }

    #[test]
    fn no_control_character_reaches_the_terminal() {
        assert_eq!(shown("a\u{1b}[31mb\n\u{202e}c"), "a\\u{1b}[31mb\\u{a}\\u{202e}c");
    }
}
