//! The seam in a text where another model goes on with what the first left: what it repeats of it is taken out.
//!
//! A repetition is exact: the end of what was said, again at the beginning of what follows, long enough to be no chance, or
//! the very words that the model was asked to begin with. Lacks everything about requests. Start with [`Seam::push`].

/// The least characters that count as a repetition, where no words were asked for.
const OVERLAP_MIN: usize = 16;
/// Letters and digits among them: a row of dashes or of closing brackets is often meant twice.
const LETTERS_MIN: usize = 8;
/// The most bytes that are held back for want of a verdict, where not all that was said is expected again.
const HELD_MAX: usize = 4096;
/// About how many characters a model is asked to begin with.
const QUOTE: usize = 60;

/// The last words of a text, for a model to begin with: from a word's beginning on, without white space around them.
pub(crate) fn quote(said: &str) -> &str {
    let said = said.trim_end();
    let Some((from, _)) = said.char_indices().rev().nth(QUOTE) else { return said.trim_start() };
    let tail = said.get(from..).unwrap_or_default();
    // A text without blanks, Chinese say, begins anywhere.
    tail.split_once(char::is_whitespace).map_or(tail, |(_, words)| words).trim_start()
}

/// The place where the text of another model is joined to what the client has.
#[derive(Debug, Clone)]
pub(crate) struct Seam {
    /// What the client has, without white space at its end.
    said: String,
    /// That white space.
    blank: String,
    /// What the model was asked to begin with, or may begin with; empty: nothing.
    expected: String,
    held: String,
    is_settled: bool,
}

impl Seam {
    /// After `said`. `expected`: how the model was asked to begin, or how its server is known to.
    pub(crate) fn new(said: &str, expected: &str) -> Self {
        let text = said.trim_end();
        Self {
            said: text.to_owned(),
            blank: said.get(text.len()..).unwrap_or_default().to_owned(),
            expected: expected.trim().to_owned(),
            held: String::new(),
            // A text that begins here has no seam.
            is_settled: said.is_empty(),
        }
    }

    /// Takes a piece of the other's text; gives what the client gets now.
    pub(crate) fn push(&mut self, piece: &str) -> String {
        if self.is_settled {
            return piece.to_owned();
        }
        self.held.push_str(piece);
        if self.is_open() { String::new() } else { self.settle() }
    }

    /// No more text follows: gives what was held.
    pub(crate) fn finish(&mut self) -> String {
        if self.is_settled { String::new() } else { self.settle() }
    }

    /// Whether more text could make another verdict.
    fn is_open(&self) -> bool {
        let held = self.held.trim_start();
        if held.is_empty() {
            return self.held.len() <= HELD_MAX;
        }
        let is_whole_expected = !self.expected.is_empty() && self.said.trim_start() == self.expected;
        if self.held.len() > if is_whole_expected { self.said.len() + HELD_MAX } else { HELD_MAX } {
            return false;
        }
        let grows = |whole: &str| whole.len() > held.len() && whole.starts_with(held);
        if grows(&self.expected) {
            return true;
        }
        let mut places = memchr::memmem::find_iter(self.said.as_bytes(), held.as_bytes());
        if places.any(|at| at + held.len() < self.said.len()) {
            return true;
        }
        // The white space behind what is repeated may be repeated too.
        let rest = held.get(self.repeated(held)..).unwrap_or_default();
        rest.len() < held.len() && rest.trim_start().is_empty() && !self.blank.is_empty() && rest.len() < self.blank.len()
    }

    /// Bytes at the beginning of `text` that repeat the end of what was said.
    fn repeated(&self, text: &str) -> usize {
        if !self.expected.is_empty() && text.starts_with(&self.expected) {
            return self.expected.len();
        }
        let ends = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= self.said.len());
        let mut ends: Vec<usize> = ends.collect();
        while let Some(end) = ends.pop() {
            let head = text.get(..end).unwrap_or_default();
            if self.said.ends_with(head) && is_repetition(head) {
                return end;
            }
        }
        0
    }

    fn settle(&mut self) -> String {
        self.is_settled = true;
        let held = std::mem::take(&mut self.held);
        let bare = held.trim_start();
        let repeated = self.repeated(bare);
        let rest = if repeated > 0 { bare.get(repeated..).unwrap_or_default() } else { &held };
        // White space that the client has already is not said again.
        let same = rest.chars().zip(self.blank.chars()).take_while(|(one, other)| one == other);
        let same: usize = same.map(|(one, _)| one.len_utf8()).sum();
        rest.get(same..).unwrap_or_default().to_owned()
    }
}

/// Whether so much is no chance.
fn is_repetition(head: &str) -> bool {
    head.chars().count() >= OVERLAP_MIN && head.chars().filter(|c| c.is_alphanumeric()).count() >= LETTERS_MIN
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the client gets of `text`, which comes in pieces of so many characters.
    fn joined(said: &str, expected: &str, text: &str, piece: usize) -> String {
        let mut seam = Seam::new(said, expected);
        let chars: Vec<char> = text.chars().collect();
        let mut out = said.to_owned();
        for piece in chars.chunks(piece) {
            out.push_str(&seam.push(&piece.iter().collect::<String>()));
        }
        out + &seam.finish()
    }

    #[test]
    fn what_is_repeated_at_the_seam_is_said_once() {
        const SAID: &str = "The quick brown fox jumps over the la";
        for (expected, text, whole) in [
            ("", "zy dog.", "The quick brown fox jumps over the lazy dog."),
            // Sixteen characters or more, in whatever pieces.
            ("", "jumps over the lazy dog.", "The quick brown fox jumps over the lazy dog."),
            ("", "\n\nfox jumps over the lazy dog.", "The quick brown fox jumps over the lazy dog."),
            ("", "The quick brown fox jumps over the lazy dog.", "The quick brown fox jumps over the lazy dog."),
            // Fewer may be meant.
            ("", "the la", "The quick brown fox jumps over the lathe la"),
            // But where they were asked for.
            ("the la", "the lazy dog.", "The quick brown fox jumps over the lazy dog."),
            ("the la", "zy dog.", "The quick brown fox jumps over the lazy dog."),
            // What stands in the middle is no repetition of the end.
            ("", "The quick brown fox sleeps.", "The quick brown fox jumps over the laThe quick brown fox sleeps."),
        ] {
            for piece in [1, 2, 3, 7, 100] {
                assert_eq!(joined(SAID, expected, text, piece), whole, "{expected:?} {text:?} {piece}");
            }
        }
    }

    #[test]
    fn white_space_at_the_seam_is_neither_lost_nor_doubled() {
        for (said, expected, text, whole) in [
            ("One. ", "", "Two.", "One. Two."),
            ("One. ", "", " Two.", "One. Two."),
            ("One.\n\n", "", "\n\nTwo.", "One.\n\nTwo."),
            ("One.\n", "", "\n\nTwo.", "One.\n\nTwo."),
            ("One.", "", "\n\nTwo.", "One.\n\nTwo."),
            ("One.\n\n", "One.", "One.\n\nTwo.", "One.\n\nTwo."),
            ("One.\n\n", "One.", "One. Two.", "One.\n\n Two."),
            ("One.", "One.", "One.", "One."),
            ("One.", "", "", "One."),
        ] {
            for piece in [1, 2, 100] {
                assert_eq!(joined(said, expected, text, piece), whole, "{said:?} {text:?} {piece}");
            }
        }
    }

    #[test]
    fn a_row_of_signs_may_be_meant_twice() {
        let said = format!("Title\n{}", "-".repeat(20));
        assert_eq!(joined(&said, "", &format!("{}\nText", "-".repeat(20)), 3), format!("{said}{}\nText", "-".repeat(20)));
    }

    #[test]
    fn nothing_is_held_once_the_texts_differ() {
        let mut seam = Seam::new("The quick brown fox", "");
        assert_eq!((seam.push("The quick"), seam.push(" red")), (String::new(), "The quick red".to_owned()));
        assert_eq!(seam.push("The quick brown fox"), "The quick brown fox", "far from the seam");
        // A text that begins has no seam.
        assert_eq!(Seam::new("", "").push(" a"), " a");
    }

    #[test]
    fn what_is_held_has_a_limit() {
        let said = "abc ".repeat(10_000);
        let mut seam = Seam::new(&said, "");
        let held = (0..10_000).take_while(|_| seam.push("abc ").is_empty()).count();
        assert!((1000..2000).contains(&held), "{held}");
    }

    #[test]
    fn a_quote_is_the_last_words_from_a_words_beginning() {
        assert_eq!(quote("One two. "), "One two.");
        let long = "word ".repeat(40) + "end\n";
        let quoted = quote(&long);
        assert!(long.trim_end().ends_with(quoted) && quoted.starts_with("word ") && quoted.len() <= QUOTE, "{quoted:?}");
        let chinese = "字".repeat(100);
        assert_eq!(quote(&chinese).chars().count(), QUOTE + 1);
        assert_eq!(quote(" \n"), "");
    }

    proptest! {
        /// However it is cut into pieces, the client gets the same; and where nothing could be a repetition, all of it.
        #[test]
        fn pieces_make_no_difference(said in "[ab \n]{0,40}", expected in "[ab]{0,4}", text in "[ab \n]{0,40}", piece in 1usize..9) {
            let whole = joined(&said, &expected, &text, usize::MAX);
            prop_assert_eq!(joined(&said, &expected, &text, piece), whole.clone());
            prop_assert!(whole.starts_with(&said));
        }

        #[test]
        fn a_text_that_shares_no_letter_comes_whole(said in "[ab]{1,40}", text in "[cd][cd \n]{0,40}", piece in 1usize..9) {
            prop_assert_eq!(joined(&said, "", &text, piece), said + &text);
        }
    }
}
