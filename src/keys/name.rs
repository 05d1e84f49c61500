//! What a key may be called, and what looks like a key itself.

use crate::error::{Code, Error};

/// How the keys of well-known providers and tokens begin.
const PREFIXES: &[&str] = &[
    "sk-",
    "sk_",
    "pk-",
    "csk-",
    "gsk_",
    "xai-",
    "aiza",
    "eyj",
    "syn_",
    "hf_",
    "r8_",
    "fw_",
    "nvapi-",
    "pplx-",
    "tp-",
    "ghp_",
    "github_pat_",
    "akia",
    "bearer",
    "age-secret-key-",
    "aimux_",
    "aimux-",
];

/// Whether a text that stands where a name belongs is rather a secret: it begins as providers' keys do, or holds a long
/// run of mixed letters and digits.
#[must_use]
pub fn looks_like_secret(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let known = text.len() >= 16 && PREFIXES.iter().any(|prefix| lower.starts_with(prefix));
    known || text.split(|c: char| !c.is_ascii_alphanumeric()).any(is_random)
}

fn is_random(run: &str) -> bool {
    run.len() >= 20 && run.bytes().any(|byte| byte.is_ascii_digit()) && run.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Checks a key's name: 1 to 64 of `a-z`, `0-9`, `.`, `_`, `-`, not beginning with a dot or a dash. The error never repeats
/// the text: it may be a key that was put in the wrong place.
///
/// # Errors
/// When it is none.
pub fn check(name: &str) -> Result<(), Error> {
    if looks_like_secret(name) {
        return Err(Error::new(Code::Usage, "the name looks like a key itself; it is not repeated here")
            .hint("name the provider, as in `aimux keys add anthropic`, and paste the key when asked; if it was in your shell's history, replace it"));
    }
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > 64 || name.starts_with(['.', '-']) || !name.bytes().all(allowed) {
        return Err(Error::new(
            Code::Usage,
            "a key's name is 1 to 64 of a-z, 0-9, dot, dash and underscore, and begins with a letter, digit or underscore",
        )
        .hint("as in `aimux keys add anthropic`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_providers_are_names() {
        for name in [
            "anthropic",
            "zai-coding",
            "cerebras_2",
            "a",
            "openai.work",
            "0",
            "sk-learn",
            "minimax-international-subscription-2",
            &"a".repeat(64),
        ] {
            check(name).unwrap();
        }
    }

    #[test]
    fn other_names_are_refused_without_being_repeated() {
        for name in ["", "Anthropic", "a/b", "../a", ".a", "-a", "a b", "ä", "a\nb", &"a".repeat(65)] {
            let error = check(name).unwrap_err();
            assert!(name.len() < 2 || !error.message.contains(name), "{}", error.message);
        }
    }

    #[test]
    fn keys_in_the_place_of_a_name_are_refused_without_being_repeated() {
        let keys = [
            "sk-ant-api03-abcdefghij",
            "sk-proj-0123456789abcdef",
            "0123456789abcdef0123456789abcdef.abcdefgh12345678", // aimux: allow
            "AIzaSyA0123456789abcdefghijk",
            "csk-abcdefghijklmnopqrst",
            "AGE-SECRET-KEY-1QQQQQQQQQQQQQQ",
        ];
        for key in keys {
            assert!(looks_like_secret(key), "{key}");
            let error = check(key).unwrap_err();
            assert!(!format!("{} {:?}", error.message, error.hint).contains(key));
        }
    }
}
