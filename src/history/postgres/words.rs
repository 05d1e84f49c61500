//! What is searched, in words of letters and digits, without case and accents, as the index of a file has them: a word of a path or
//! of a name with dashes is a word. The server's own parser would take these whole.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::history::MARKS;

/// So many bytes of a text's words are indexed: an index of more than a mebibyte is refused.
const INDEXED_MAX: usize = 128 << 10;
/// A longer word is none.
const WORD_MAX: usize = 512;
/// How many words a piece has.
const PIECE: usize = 16;
/// How many of them stand before the first that was found.
const LEAD: usize = 4;

/// A word of a text, and where it stands.
struct Word {
    folded: String,
    at: Range<usize>,
}

/// The words of a text, one blank between two, as many as are indexed.
pub(super) fn indexed(text: &str) -> String {
    let mut all = String::new();
    for word in words(text) {
        if all.len() + word.folded.len() >= INDEXED_MAX {
            break;
        }
        all.push_str(&word.folded);
        all.push(' ');
    }
    all
}

/// The terms in the server's words; empty: there is nothing to search for.
pub(super) fn query(terms: &[(String, bool)]) -> String {
    let one = |(text, is_begin): &(String, bool)| {
        let mut quoted: Vec<String> = words(text).map(|word| format!("'{}'", word.folded)).collect();
        if let (true, Some(last)) = (*is_begin, quoted.last_mut()) {
            last.push_str(":*");
        }
        (!quoted.is_empty()).then(|| format!("({})", quoted.join(" <-> ")))
    };
    terms.iter().filter_map(one).collect::<Vec<_>>().join(" & ")
}

/// A piece of a text around what was found, that between [`MARKS`]; the text's begin where nothing was.
pub(super) fn piece(text: &str, terms: &[(String, bool)]) -> String {
    let all: Vec<Word> = words(text).collect();
    let wanted: Vec<(Vec<String>, bool)> =
        terms.iter().map(|(text, is_begin)| (words(text).map(|word| word.folded).collect(), *is_begin)).collect();
    let found: Vec<Range<usize>> =
        (0..all.len()).filter_map(|start| longest(all.get(start..)?, &wanted).map(|length| start..start + length)).collect();
    let first = found.first().map_or(0, |range| range.start).saturating_sub(LEAD).min(all.len().saturating_sub(PIECE));
    let end = (first + PIECE).min(all.len());
    let from = if first == 0 { 0 } else { all.get(first).map_or(0, |word| word.at.start) };
    let to = if end == all.len() { text.len() } else { all.get(end.saturating_sub(1)).map_or(text.len(), |word| word.at.end) };
    let mut out = String::from(if first == 0 { "" } else { "…" });
    let mut done = from;
    for range in found.iter().filter(|range| range.start >= first && range.end <= end) {
        let (Some(begin), Some(last)) = (all.get(range.start), all.get(range.end.saturating_sub(1))) else { continue };
        // One that overlaps the one before is shown with it.
        if begin.at.start < done {
            continue;
        }
        out.push_str(text.get(done..begin.at.start).unwrap_or_default());
        out.push(MARKS[0]);
        out.push_str(text.get(begin.at.start..last.at.end).unwrap_or_default());
        out.push(MARKS[1]);
        done = last.at.end;
    }
    out.push_str(text.get(done..to).unwrap_or_default());
    if end < all.len() {
        out.push('…');
    }
    out
}

/// How many words at the begin are one of those wanted, the longest that fits.
fn longest(all: &[Word], wanted: &[(Vec<String>, bool)]) -> Option<usize> {
    let fits = |(words, is_begin): &&(Vec<String>, bool)| {
        let last = words.len().checked_sub(1);
        last.is_some_and(|last| {
            words.iter().enumerate().all(|(index, word)| {
                let is_open = *is_begin && index == last;
                all.get(index).is_some_and(|found| if is_open { found.folded.starts_with(word) } else { found.folded == *word })
            })
        })
    };
    wanted.iter().filter(fits).map(|(words, _)| words.len()).max()
}

fn words(text: &str) -> impl Iterator<Item = Word> {
    let is_part = |c: char| c.is_alphanumeric() || is_combining_mark(c);
    let mut rest = text.char_indices().peekable();
    std::iter::from_fn(move || {
        loop {
            let (start, _) = rest.find(|(_, c)| is_part(*c))?;
            let mut end = text.len();
            while let Some((at, c)) = rest.peek().copied() {
                if !is_part(c) {
                    end = at;
                    break;
                }
                rest.next();
            }
            let word = text.get(start..end).unwrap_or_default();
            if word.len() > WORD_MAX {
                continue;
            }
            let folded: String =
                word.nfd().filter(|c| c.is_alphanumeric() && !is_combining_mark(*c)).flat_map(char::to_lowercase).collect();
            if !folded.is_empty() {
                return Some(Word { folded, at: start..end });
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::words::terms;

    #[test]
    fn words_are_those_of_a_files_index() {
        assert_eq!(indexed("Prüfe src/ledger/mod.rs: E-Mail, foo_bar; x=3.5 'O\\"), "prufe src ledger mod rs e mail foo bar x 3 5 o ");
        assert_eq!(indexed("e\u{301}t\u{e9} — \0 …"), "ete ");
        assert!(indexed(&"word ".repeat(100_000)).len() <= INDEXED_MAX);
        assert_eq!(indexed(&"y".repeat(600)), "");
    }

    #[test]
    fn a_query_is_made_of_letters_and_digits_alone() {
        let of = |text: &str| query(&terms(text));
        assert_eq!(of("Rust \"borrow checker\" life*"), "('rust') & ('borrow' <-> 'checker') & ('life':*)");
        assert_eq!(of("a'b & !c | (d) <-> \\e:*"), "('a' <-> 'b') & ('c') & ('d') & ('e':*)");
        assert_eq!(of("' -- ; \""), "");
    }

    #[test]
    fn a_piece_shows_what_was_found_where_it_stands() {
        let of = |text: &str, sought: &str| piece(text, &terms(sought)).replace(MARKS[0], "[").replace(MARKS[1], "]");
        assert_eq!(of("the borrow checker borrows", "borrow"), "the [borrow] checker borrows");
        assert_eq!(of("the borrow checker borrows", "\"borrow checker\" borrow*"), "the [borrow checker] [borrows]");
        let long: Vec<String> = (0..40).map(|n| format!("w{n}")).collect();
        assert_eq!(of(&long.join(" "), "w20"), "…w16 w17 w18 w19 [w20] w21 w22 w23 w24 w25 w26 w27 w28 w29 w30 w31…");
        assert_eq!(of(&long.join(" "), "absent"), "w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15…");
        assert_eq!((of("", "x"), of("¡été!", "ete")), (String::new(), "¡[été]!".to_owned()));
    }
}
