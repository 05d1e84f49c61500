//! A line of bash up to the cursor: its words as the program would get them, and what is inserted for the last of them.
//!
//! bash's own words are of no use here: readline parts them at `:` and `=`, which stand in names of models, and leaves
//! quotes in. It lacks what a shell would expand (`$HOME`, `*`): such a word is taken as it stands. Start with [`Line::read`].

/// The words of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The words; the last one is being typed, and may be empty.
    pub(super) words: Vec<String>,
    /// The last word as it was typed, quotes and all.
    raw: String,
    /// The quote that is open at the end of it.
    quote: Option<char>,
}

impl Line {
    /// Parts a line into words.
    pub(super) fn read(line: &str) -> Self {
        let (mut words, mut word) = (Vec::new(), String::new());
        let (mut begin, mut quote) = (None, None);
        let mut rest = line.char_indices().peekable();
        while let Some((at, c)) = rest.next() {
            if quote.is_none() && matches!(c, ' ' | '\t' | '\n') {
                if begin.take().is_some() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            begin.get_or_insert(at);
            match (quote, c) {
                (None, '\'' | '"') => quote = Some(c),
                (Some(open), c) if open == c => quote = None,
                (None, '\\') => word.extend(rest.next().map(|(_, c)| c)),
                // In double quotes, a backslash stands for itself but before these.
                (Some('"'), '\\') => match rest.next_if(|(_, c)| matches!(c, '"' | '\\' | '$' | '`')) {
                    Some((_, c)) => word.push(c),
                    None => word.push('\\'),
                },
                (_, c) => word.push(c),
            }
        }
        words.push(word);
        let raw = begin.and_then(|begin| line.get(begin..)).unwrap_or_default().to_owned();
        Self { words, raw, quote }
    }

    /// What readline is to put in the place of `replaced`, the end of the word as it was typed, so that `word` stands there in
    /// the end; `None`: it cannot.
    pub(super) fn inserted(&self, word: &str, replaced: &str) -> Option<String> {
        let kept = self.raw.strip_suffix(replaced).unwrap_or_default();
        let rest = word.strip_prefix(Self::read(kept).words.concat().as_str())?;
        Some(rest.chars().fold(String::new(), |mut text, c| {
            match (self.quote, c) {
                (Some('\''), '\'') => text.push_str("'\\''"),
                (Some('\''), c) => text.push(c),
                (Some(_), '"' | '\\' | '$' | '`') => text.extend(['\\', c]),
                (Some(_), c) => text.push(c),
                (None, c) if c.is_alphanumeric() || "_-./:@%+,=".contains(c) => text.push(c),
                (None, c) => text.extend(['\\', c]),
            }
            text
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_that_bash_would_pass_on() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[""]),
            ("aimux", &["aimux"]),
            ("aimux  route\t-m ", &["aimux", "route", "-m", ""]),
            (r"aimux my\ model", &["aimux", "my model"]),
            (r#"aimux "my \"m\" \x" 'a\b' c"d"e"#, &["aimux", r#"my "m" \x"#, r"a\b", "cde"]),
            ("aimux 'local/qwen3:8", &["aimux", "local/qwen3:8"]),
            (r"aimux \", &["aimux", ""]),
            ("aimux '' é", &["aimux", "", "é"]),
        ];
        for (line, words) in cases {
            assert_eq!(Line::read(line).words, *words, "{line}");
        }
    }

    #[test]
    fn a_word_stands_there_in_the_end_whatever_was_typed_of_it() {
        let cases = [
            ("aimux -m lo", "lo", "local/qwen3:8b", Some("local/qwen3:8b")),
            ("aimux -m local/qwen3:8", "8", "local/qwen3:8b", Some("8b")),
            ("aimux -m local/qwen3:", "", "local/qwen3:8b", Some("8b")),
            ("aimux --model=local/qwen3:", "", "--model=local/qwen3:8b", Some("8b")),
            ("aimux -m \"local/qwen3:8", "local/qwen3:8", "local/qwen3:8b", Some("local/qwen3:8b")),
            ("aimux -m my", "my", "my \"m\" $x", Some(r#"my\ \"m\"\ \$x"#)),
            (r"aimux -m my\ ", r"my\ ", "my model", Some(r"my\ model")),
            ("aimux -m \"my", "my", "my \"m\" $x", Some(r#"my \"m\" \$x"#)),
            ("aimux -m 'my", "my", "my it's", Some(r"my it'\''s")),
            ("aimux -m 'local'/q:", "", "local/q:8b", Some("8b")),
            ("aimux -m x:", "", "local/q:8b", None),
        ];
        for (line, replaced, word, inserted) in cases {
            assert_eq!(Line::read(line).inserted(word, replaced).as_deref(), inserted, "{line}");
        }
    }
}
