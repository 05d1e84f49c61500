//! How many columns text takes, and where it may be broken.
//!
//! Terminals disagree about some emoji (joined ones, those made wide by a selector); the widths here are the Unicode
//! standard's, which most of them follow by now.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns of `text`, which holds no control character.
pub(crate) fn of(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

/// The most columns that any terminal takes for `text`: one that does not know how signs are joined shows each of them.
pub(super) fn most(text: &str) -> usize {
    let columns = |c: char| if c == '\u{fe0f}' { 1 } else { c.width().unwrap_or(0) };
    if text.is_ascii() { text.len() } else { text.chars().map(columns).sum() }
}

/// Whether `next` belongs to the same sign on the screen as what ends with `last`.
pub(super) fn is_joined(last: char, next: char) -> bool {
    let is_flag = |c: char| ('\u{1f1e6}'..='\u{1f1ff}').contains(&c);
    next.width() == Some(0) || last == '\u{200d}' || ('\u{1f3fb}'..='\u{1f3ff}').contains(&next) || (is_flag(last) && is_flag(next))
}

/// Whether a character is of a script that is written without spaces: Chinese, Japanese, and Korean with its wide forms.
pub(super) fn is_cjk(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}'
        | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3fffd}')
}

/// Whether a row may end between the two, without a space. Korean is broken at its spaces.
pub(super) fn may_break(last: char, next: char) -> bool {
    let is_hangul = |c: char| ('\u{ac00}'..='\u{d7a3}').contains(&c);
    let is_loose = |c: char| is_cjk(c) && !is_hangul(c);
    (is_loose(last) || is_loose(next)) && !NOT_LAST.contains(last) && !NOT_FIRST.contains(next)
}

/// What no row begins with.
const NOT_FIRST: &str = "、。，．：；！？）」』】〕》〉］｝ゝ々ーぁぃぅぇぉっゃゅょァィゥェォッャュョ,.:;!?)]}'\"%…";
/// What no row ends with.
const NOT_LAST: &str = "（「『【〔《〈［｛([{'\"";

/// The longest head of `text` that takes at most `room` columns and cuts no sign; with its columns. Never empty, if `text` is not.
pub(super) fn head(text: &str, room: usize) -> (&str, usize) {
    let (mut end, mut taken) = (0, 0);
    while let Some(sign) = first_sign(text.get(end..).unwrap_or_default()) {
        let columns = of(sign);
        if taken + columns > room && end > 0 {
            break;
        }
        (end, taken) = (end + sign.len(), taken + columns);
        if taken >= room {
            break;
        }
    }
    (text.get(..end).unwrap_or(text), taken)
}

/// The longest tail of `text` that takes at most `room` columns on any terminal, and cuts no sign.
pub(super) fn tail(text: &str, room: usize) -> &str {
    // Nothing is wider than two columns and few things are longer than eight bytes: no need to look at all of a long text.
    let mut from = text.len().saturating_sub(room.saturating_mul(8));
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let mut rest = text.get(from..).unwrap_or_default();
    while most(rest) > room {
        rest = first_sign(rest).and_then(|sign| rest.get(sign.len()..)).unwrap_or_default();
    }
    rest
}

fn first_sign(text: &str) -> Option<&str> {
    let mut last = text.chars().next()?;
    for (count, (at, next)) in text.char_indices().enumerate().skip(1) {
        // Two letters are a flag, a third begins another one.
        if !is_joined(last, next) || (count == 2 && ('\u{1f1e6}'..='\u{1f1ff}').contains(&next)) {
            return text.get(..at);
        }
        last = next;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_signs() {
        assert_eq!(head("abc", 2), ("ab", 2));
        assert_eq!(head("日本語", 5), ("日本", 4));
        assert_eq!(head("日", 1), ("日", 2));
        assert_eq!(head("e\u{301}e\u{301}", 1), ("e\u{301}", 1));
        assert_eq!(head("👩\u{200d}👧x", 3).0, "👩\u{200d}👧x");
        assert_eq!(head("🇩🇪🇫🇷", 2), ("🇩🇪", 2));
        assert_eq!((tail("abc", 2), tail("日本語", 5), tail("ab", 9)), ("bc", "本語", "ab"));
        assert_eq!(head("", 3), ("", 0));
    }

    #[test]
    fn rows_do_not_begin_with_a_full_stop() {
        assert!(may_break('日', '本') && may_break('a', '日') && !may_break('a', 'b'));
        assert!(!may_break('語', '。') && !may_break('「', '日') && !may_break('한', '국'));
    }
}
