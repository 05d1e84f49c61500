//! Where a span ends whose inside is no Markdown: code, a link's destination, a tag, an address, an entity, a formula.
//!
//! Each looks at most [`REACH`](super::source::REACH) bytes ahead, and says [`Found::Unknown`] where text that has not come yet decides.

use super::source::{End, Found, Source};

/// What `<…>` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Angle {
    Address,
    Break,
    Tag,
}

/// The longest run of one sign that is a mark. Of a longer one so many are text, and the rest is looked at anew.
pub(super) const RUN_MAX: usize = 64;

/// How many bytes `sign` the text begins with, up to [`RUN_MAX`].
pub(super) fn run_length(text: &str, sign: u8) -> usize {
    text.bytes().take(RUN_MAX).take_while(|byte| *byte == sign).count()
}

/// The end of code that begins with `ticks` backticks at `at`.
pub(super) fn code(source: &mut Source<'_>, at: usize, ticks: usize) -> Found {
    let start = at + ticks;
    let is_lonely = source.lonely.iter().any(|(length, upto)| *length == ticks && start < *upto);
    if is_lonely || ticks == RUN_MAX {
        return Found::None;
    }
    if start == source.text.len() && source.end == End::Open {
        return Found::Unknown;
    }
    let (text, outcome) = source.ahead(start);
    let mut from = 0;
    while let Some(next) = text.get(from..).and_then(|rest| rest.find('`')) {
        let tick = start + from + next;
        let length = run_length(source.from(tick), b'`');
        let is_open = tick + length == source.text.len() && source.end == End::Open;
        if is_open && length <= ticks {
            return Found::Unknown;
        }
        if length == ticks {
            return Found::Ends(tick + length);
        }
        from += next + length;
    }
    if outcome == Found::None {
        let upto = start + text.len();
        source.lonely.push((ticks, upto));
    }
    outcome
}

/// The end of a formula whose opening takes `open` bytes at `at`, on one line.
pub(super) fn formula(source: &Source<'_>, at: usize, open: usize, close: &str) -> Found {
    let (text, outcome) = source.ahead(at + open);
    let is_money = |end: usize| close == "$" && text.as_bytes().get(end).is_some_and(u8::is_ascii_digit);
    let mut from = 0;
    let line = text.find('\n').filter(|_| close.starts_with('$') && close.len() == 1).unwrap_or(text.len());
    while let Some(next) = text.get(from..).and_then(|rest| rest.find(close)) {
        let (start, end) = (from + next, from + next + close.len());
        if start > line {
            return Found::None;
        }
        if close == "$" && end == text.len() && outcome == Found::Unknown {
            return Found::Unknown;
        }
        let is_spaced = close == "$" && text.get(..start).is_some_and(|inner| inner.ends_with([' ', '\\']));
        if start > 0 && !is_spaced && !is_money(end) {
            return Found::Ends(at + open + end);
        }
        from = end;
    }
    if line < text.len() { Found::None } else { outcome }
}

/// The end of a link's `(destination "title")` that begins at `at`, and the destination.
pub(super) fn destination(source: &Source<'_>, at: usize) -> (Found, Option<String>) {
    let (text, outcome) = source.ahead(at + 1);
    let inner = text.trim_start_matches([' ', '\n']);
    let skipped = text.len() - inner.len();
    let (address, length) = match inner.strip_prefix('<') {
        Some(rest) => match rest.find(['>', '\n']) {
            Some(end) if rest.as_bytes().get(end) == Some(&b'>') => (rest.get(..end), end + 2),
            Some(_) => return (Found::None, None),
            None => return (outcome, None),
        },
        None => match bare_end(inner) {
            Some(end) => (inner.get(..end), end),
            None => return (outcome, None),
        },
    };
    let rest = inner.get(length..).unwrap_or_default();
    match title_end(rest) {
        Ok(end) => (Found::Ends(at + 1 + skipped + length + end), address.map(unescaped)),
        Err(Short) => (outcome, None),
    }
    .or_none(rest)
}

/// The text ends before the span does.
struct Short;

trait OrNone {
    fn or_none(self, rest: &str) -> Self;
}

impl OrNone for (Found, Option<String>) {
    /// Nothing but a title or the end may follow a destination.
    fn or_none(self, rest: &str) -> Self {
        let next = rest.trim_start_matches([' ', '\n']).chars().next();
        if matches!(next, None | Some(')' | '"' | '\'' | '(')) { self } else { (Found::None, None) }
    }
}

/// The end of a destination that is not in angles: a space or the parenthesis that is not its own.
fn bare_end(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '(' => depth += 1,
            ')' if depth == 0 => return Some(at),
            ')' => depth -= 1,
            c if c.is_ascii_whitespace() || c.is_ascii_control() => return Some(at),
            _ => {}
        }
    }
    None
}

/// The byte behind the closing parenthesis, a title being before it or not.
fn title_end(text: &str) -> Result<usize, Short> {
    let rest = text.trim_start_matches([' ', '\n']);
    let skipped = text.len() - rest.len();
    let close = match rest.chars().next().ok_or(Short)? {
        ')' => return Ok(skipped + 1),
        '(' => ')',
        quote => quote,
    };
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            c if c == close => {
                let after = rest.get(at + 1..).unwrap_or_default();
                let end = after.find(|c: char| c != ' ' && c != '\n').ok_or(Short)?;
                return if after.as_bytes().get(end) == Some(&b')') { Ok(skipped + at + 1 + end + 1) } else { Err(Short) };
            }
            _ => {}
        }
    }
    Err(Short)
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(next) if c == '\\' && next.is_ascii_punctuation() => out.extend(chars.next()),
            _ => out.push(c),
        }
    }
    out
}

/// The end of `<…>`: an address, a tag, a comment.
pub(super) fn angle(source: &Source<'_>, at: usize) -> (Found, Angle) {
    let (text, outcome) = source.ahead(at + 1);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '+' | '_');
    match text.chars().next() {
        None => return (outcome, Angle::Tag),
        Some(c) if c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?') => {}
        Some(_) => return (Found::None, Angle::Tag),
    }
    let is_closing = text.starts_with(['/', '!', '?']);
    let name = text.get(usize::from(is_closing)..).unwrap_or_default();
    let (what, is_possible) = match name.find(|c| !is_name(c)) {
        None => (Angle::Tag, outcome == Found::Unknown),
        Some(end) => match name.as_bytes().get(end) {
            Some(b':' | b'@') if !is_closing && end > 1 => (Angle::Address, true),
            Some(b'>' | b'/' | b' ' | b'\n' | b'-') => (Angle::Tag, true),
            _ => (Angle::Tag, is_closing && !text.starts_with('/')),
        },
    };
    if !is_possible {
        return (Found::None, what);
    }
    let ends = match text.find(['>', '<']) {
        Some(end) if text.as_bytes().get(end) == Some(&b'>') => end,
        Some(_) => return (Found::None, what),
        None => return (outcome, what),
    };
    let inner = text.get(..ends).unwrap_or_default();
    let what = if inner.trim_end_matches(['/', ' ']).eq_ignore_ascii_case("br") { Angle::Break } else { what };
    if what == Angle::Address && inner.contains([' ', '\n']) {
        return (Found::None, what);
    }
    (Found::Ends(at + ends + 2), what)
}

/// The end of an address that stands in the text, at `at`. A `]` is part of it only if its `[` is.
pub(super) fn address(source: &Source<'_>, at: usize) -> Found {
    let (text, outcome) = source.ahead(at);
    let Some(scheme) = ["https://", "http://"].iter().find(|scheme| text.starts_with(**scheme)) else {
        let could_be = ["https://", "http://"].iter().any(|scheme| scheme.starts_with(text));
        return if could_be { outcome } else { Found::None };
    };
    let mut depth = 0_usize;
    let is_end = |c: char| {
        depth += usize::from(c == '[');
        let is_foreign = c == ']' && depth == 0;
        depth = depth.saturating_sub(usize::from(c == ']'));
        let is_mark = matches!(c, '<' | '>' | '`' | '"' | '|' | '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ffef}');
        is_foreign || is_mark || c.is_whitespace() || c.is_control()
    };
    let mut end = match text.find(is_end) {
        Some(end) => end,
        None if outcome == Found::Unknown => return Found::Unknown,
        None => text.len(),
    };
    while let Some(last) = text.get(..end).and_then(|text| text.chars().next_back()) {
        let inner = text.get(..end).unwrap_or_default();
        let is_foreign = matches!(last, '.' | ',' | ':' | ';' | '!' | '?' | '*' | '_' | '~' | '\'' | '\\')
            || (last == ')' && inner.matches(')').count() > inner.matches('(').count());
        if !is_foreign {
            break;
        }
        end -= last.len_utf8();
    }
    if end > scheme.len() { Found::Ends(at + end) } else { Found::None }
}

/// The end of `&name;` at `at`, and what it stands for, if that is known.
pub(super) fn entity(source: &Source<'_>, at: usize) -> (Found, Option<char>) {
    let (text, outcome) = source.ahead(at + 1);
    let text = text.get(..text.len().min(NAME_MAX)).unwrap_or(text);
    let Some(end) = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '#') else {
        return (if text.len() < NAME_MAX { outcome } else { Found::None }, None);
    };
    if text.as_bytes().get(end) != Some(&b';') {
        return (Found::None, None);
    }
    let name = text.get(..end).unwrap_or_default();
    let number = match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(number) => u32::from_str_radix(number, 16).ok(),
            None => number.parse().ok(),
        },
        None => ENTITIES.iter().find(|(known, _)| *known == name).map(|(_, c)| u32::from(*c)),
    };
    (Found::Ends(at + 1 + end + 1), number.and_then(char::from_u32))
}

/// The longest name of an entity that is looked for, in bytes.
const NAME_MAX: usize = 12;

/// The entities that are met in answers; any other is shown as it stands.
const ENTITIES: [(&str, char); 26] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", '\u{a0}'),
    ("ensp", '\u{2002}'),
    ("emsp", '\u{2003}'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("hellip", '…'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bull", '•'),
    ("middot", '·'),
    ("times", '×'),
    ("deg", '°'),
    ("copy", '©'),
    ("rarr", '→'),
    ("larr", '←'),
    ("le", '≤'),
    ("ge", '≥'),
    ("ne", '≠'),
    ("euro", '€'),
];
