//! What comes from elsewhere, as a terminal may have it: characters that would be obeyed or would hide something are shown.
//!
//! Control characters (ESC, BEL, backspace, a lone CR, C1), those that turn the direction of what follows, the invisible
//! "tags" in which text can be smuggled, and separators that only some terminals obey, each as `\u{1b}`. Joiners and
//! direction marks stay: emoji and right-to-left scripts are written with them. Meant for people: JSON goes out exact.

use std::borrow::Cow;

/// Whether `c` is shown by its number instead of itself. Tab and line feed count; the functions below keep them as they say.
pub(crate) fn is_hidden(c: char) -> bool {
    match c {
        ' '..='~' => false,
        // Embeddings, overrides and isolates of direction: text that reads otherwise than it is.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        // Line and paragraph separator, zero-width and invisible operators, the byte order mark, annotations.
        '\u{2028}' | '\u{2029}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}' => true,
        '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        c => c.is_control(),
    }
}

/// Appends `c` as it is shown.
pub(crate) fn push(shown: &mut String, c: char) {
    if is_hidden(c) {
        shown.extend(c.escape_default());
    } else {
        shown.push(c);
    }
}

/// One line: a model's name, a path, a message. Line feeds and tabs are shown, too.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    shown(text, &[])
}

/// Lines of a report: line feeds stay.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    shown(text, &['\n'])
}

/// Somebody's text: line feeds and tabs stay.
pub(crate) fn prose(text: &str) -> Cow<'_, str> {
    shown(text, &['\n', '\t'])
}

fn shown<'a>(text: &'a str, kept: &[char]) -> Cow<'a, str> {
    let is_bad = |c: char| is_hidden(c) && !kept.contains(&c);
    let Some(first) = text.find(is_bad) else { return Cow::Borrowed(text) };
    let (plain, rest) = text.split_at(first);
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(plain);
    for c in rest.chars() {
        if kept.contains(&c) { out.push(c) } else { push(&mut out, c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        for (raw, seen) in [
            ("a\u{1b}[31mb", "a\\u{1b}[31mb"),
            ("\u{1b}]8;;http://x\u{7}x\u{1b}\\", "\\u{1b}]8;;http://x\\u{7}x\\u{1b}\\"),
            ("\u{9b}2J \u{9d}0;t\u{9c}", "\\u{9b}2J \\u{9d}0;t\\u{9c}"),
            ("safe\rrm\u{8}\u{7f}\0", "safe\\rrm\\u{8}\\u{7f}\\u{0}"),
            ("\u{202e}gpj.exe\u{202c} \u{2066}x\u{2069}", "\\u{202e}gpj.exe\\u{202c} \\u{2066}x\\u{2069}"),
            ("a\u{e0041}\u{200b}\u{feff}\u{2028}b", "a\\u{e0041}\\u{200b}\\u{feff}\\u{2028}b"),
        ] {
            assert_eq!((line(raw).as_ref(), lines(raw).as_ref(), prose(raw).as_ref()), (seen, seen, seen));
        }
    }

    #[test]
    fn text_of_any_script_is_left_alone() {
        for text in
            ["plain ~ text", "naïve e\u{301}", "日本語 한국어", "می\u{200c}خواهم \u{200f}שלום", "👩\u{200d}👩\u{200d}👧 👍🏽 ❤\u{fe0f}"]
        {
            assert!(matches!(line(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn each_keeps_the_space_that_it_says() {
        assert_eq!(line("a\tb\nc"), "a\\tb\\nc");
        assert_eq!(lines("a\tb\nc\u{7}"), "a\\tb\nc\\u{7}");
        assert_eq!(prose("a\tb\nc\u{7}"), "a\tb\nc\\u{7}");
    }
}
