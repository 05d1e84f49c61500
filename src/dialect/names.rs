//! Names and ids that fit a target's rules, always the same for the same input, so that a history stays one history.
//!
//! A name that fits is left alone. Any other becomes its readable beginning and eight hex digits of its hash. What was
//! changed is remembered in [`super::ReplyMap`], not here.

use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::fmt::Write;
use std::hash::{BuildHasher, Hasher};

use sha2::{Digest, Sha256};

use super::quirks::ToolIds;

/// Separator and hash.
const TAIL: usize = 9;

/// `name` as a tool's name of letters, digits, `_` and `-`, at most `max` long.
pub(crate) fn tool_name(name: &str, max: usize) -> Cow<'_, str> {
    if fits(name, max) { Cow::Borrowed(name) } else { Cow::Owned(shortened(name, max)) }
}

/// `id` as the target takes call ids. The empty id, which names nothing, gets a name too.
pub(crate) fn call_id(id: &str, rule: ToolIds) -> Cow<'_, str> {
    match rule {
        ToolIds::UpTo(max) if fits(id, max) => Cow::Borrowed(id),
        ToolIds::UpTo(max) => Cow::Owned(shortened(id, max)),
        ToolIds::Nine if id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Cow::Borrowed(id),
        ToolIds::Nine => Cow::Owned(hash(id, 9)),
    }
}

/// An id like no other, behind `prefix`: 24 hex digits.
pub(crate) fn fresh_id(prefix: &str) -> String {
    // It wants to be unlike any other, not to be a secret: the seeds of the standard library's maps are random once a
    // thread and differ ever after, and cost no call of the system.
    let word = || RandomState::new().build_hasher().finish();
    let mut id = String::with_capacity(prefix.len() + 24);
    id.push_str(prefix);
    // By hand: twice a request, the usual formatter would cost more than all the rest of it.
    for (word, digits) in [(word(), 16), (word(), 8)] {
        id.extend((0..digits).map(|place| char::from(b"0123456789abcdef"[(word >> (place * 4)) as usize & 15])));
    }
    id
}

/// The id of an answer, in the manner of the dialect whose ids begin with `prefix`: ours, else the upstream's, else a fresh
/// one. Ours comes first because some servers give every answer the same id, and clients join what has one id.
pub(crate) fn answer_id(prefix: &str, ours: &str, upstream: Option<&str>) -> String {
    match upstream {
        _ if ours.starts_with(prefix) => ours.to_owned(),
        _ if !ours.is_empty() => format!("{prefix}{ours}"),
        Some(id) if !id.is_empty() => id.to_owned(),
        _ => fresh_id(prefix),
    }
}

/// The SHA-256 of `text` in hex, cut to `len` of its 64 digits.
pub(crate) fn hash(text: &str, len: usize) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex.truncate(len);
    hex
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn fits(name: &str, max: usize) -> bool {
    !name.is_empty() && name.len() <= max && name.bytes().all(is_plain)
}

fn shortened(name: &str, max: usize) -> String {
    let room = max.saturating_sub(TAIL);
    let plain = |c: char| if u8::try_from(c).is_ok_and(is_plain) { c } else { '_' };
    let mut short: String = name.chars().map(plain).take(room).collect();
    short.push('_');
    short.push_str(&hash(name, 8));
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_ids_differ() {
        let ids: std::collections::HashSet<String> = (0..1000).map(|_| fresh_id("x_")).collect();
        assert!(ids.len() == 1000 && ids.iter().all(|id| id.len() == 26));
    }

    #[test]
    fn names_that_fit_are_left_alone() {
        assert!(matches!(tool_name("mcp__a-b__C9", 64), Cow::Borrowed("mcp__a-b__C9")));
        assert!(matches!(call_id("toolu_01AbC", ToolIds::UpTo(40)), Cow::Borrowed(_)));
        assert!(matches!(call_id("abcDEF123", ToolIds::Nine), Cow::Borrowed(_)));
    }

    #[test]
    fn other_names_become_a_beginning_and_a_hash() {
        let long = "mcp__server__".repeat(10);
        let short = tool_name(&long, 64);
        assert_eq!(short.len(), 64);
        assert!(short.starts_with("mcp__server__mcp__"));
        assert_eq!(short, tool_name(&long, 64));
        assert_ne!(tool_name("a.b", 64), tool_name("a:b", 64));
        assert!(tool_name("wétter", 64).starts_with("w_tter_"));
        assert_eq!(tool_name("", 64).len(), 9);
    }

    #[test]
    fn ids_follow_the_rule_of_the_target() {
        let nine = call_id("functions.Bash:0", ToolIds::Nine);
        assert_eq!(nine.len(), 9);
        assert!(nine.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(call_id(&"x".repeat(90), ToolIds::UpTo(40)).len(), 40);
        assert!(!call_id("", ToolIds::UpTo(40)).is_empty());
    }
}
