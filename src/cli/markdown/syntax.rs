//! The colours of code, by a small lexer: comments, strings, numbers and keywords, as a language writes them.
//!
//! Not a parser: what it cannot tell by looking at a line and at what is open from the line before stays plain. A row of
//! `languages.rs` says what a language's comments, strings and keywords are; one it does not know has strings and numbers only.

use super::languages::{Language, language};
use super::look::Style;

const COMMENT: Style = Style::DIM;
const STRING: Style = Style::GREEN;
const NUMBER: Style = Style::CYAN;
const KEYWORD: Style = Style::MAGENTA;
const NAME: Style = Style::BOLD;

/// Colours the lines of one block of code, in order.
#[derive(Debug, Clone)]
pub(super) struct Lexer {
    kind: Kind,
    /// What goes on from the line before.
    open: Open,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Code(&'static Language),
    Diff,
    /// `key: value` and `[section]`.
    Keys(&'static Language),
    /// Commands behind a prompt, and what they printed.
    Console,
    Plain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Comment(&'static str),
    Text(&'static str),
}

impl Lexer {
    /// For the language that the fence names.
    pub(super) fn new(name: &str) -> Self {
        let name = name.trim_start_matches('.').to_ascii_lowercase();
        let kind = match name.as_str() {
            "diff" | "patch" | "udiff" => Kind::Diff,
            "console" | "terminal" | "shell-session" | "sh-session" => Kind::Console,
            "" | "text" | "txt" | "plain" | "plaintext" | "output" | "log" | "markdown" | "md" => Kind::Plain,
            name => match language(name) {
                Some(found) if found.has_keys => Kind::Keys(found),
                Some(found) => Kind::Code(found),
                None => Kind::Plain,
            },
        };
        Self { kind, open: Open::Nothing }
    }

    /// The line's parts, each with its style.
    pub(super) fn line<'a>(&mut self, line: &'a str) -> Vec<(&'a str, Style)> {
        match self.kind {
            Kind::Plain => vec![(line, Style::PLAIN)],
            Kind::Diff => vec![(line, diff(line))],
            Kind::Console => console(line),
            Kind::Code(language) => self.code(line, language),
            Kind::Keys(language) => self.keys(line, language),
        }
    }

    fn keys<'a>(&mut self, line: &'a str, language: &'static Language) -> Vec<(&'a str, Style)> {
        let start = line.len() - line.trim_start_matches([' ', '-']).len();
        let rest = line.get(start..).unwrap_or_default();
        if rest.starts_with('[') && rest.trim_end().ends_with(']') && !rest.contains(',') {
            return vec![(line, KEYWORD)];
        }
        let end = rest.find([':', '=']).filter(|end| {
            let (key, value) = rest.split_at(*end);
            let is_value = value.len() == 1 || value.starts_with('=') || value.starts_with(": ");
            is_value && !key.is_empty() && !key.contains(['#', '{', '('])
        });
        let Some(end) = end.filter(|_| self.open == Open::Nothing) else { return self.code(line, language) };
        let (key, value) = line.split_at(start + end);
        let mut parts = vec![(key, NAME)];
        parts.extend(self.code(value, language));
        parts
    }

    fn code<'a>(&mut self, line: &'a str, language: &'static Language) -> Vec<(&'a str, Style)> {
        let mut parts = Vec::new();
        let (mut at, mut plain) = (0, 0);
        while at < line.len() {
            let rest = line.get(at..).unwrap_or_default();
            let before = line.get(..at).and_then(|text| text.chars().next_back());
            let (length, style) = self.token(rest, before, language);
            if style != Style::PLAIN {
                parts.push((line.get(plain..at).unwrap_or_default(), Style::PLAIN));
                parts.push((line.get(at..at + length).unwrap_or_default(), style));
                plain = at + length;
            }
            at += length.max(1);
        }
        parts.push((line.get(plain..).unwrap_or_default(), Style::PLAIN));
        parts.retain(|(text, _)| !text.is_empty());
        parts
    }

    /// The token that `rest` begins with: its bytes and style.
    fn token(&mut self, rest: &str, before: Option<char>, language: &'static Language) -> (usize, Style) {
        match self.open {
            Open::Comment(end) => return (self.until(rest, 0, end, COMMENT), COMMENT),
            Open::Text(end) => return (self.until(rest, 0, end, STRING), STRING),
            Open::Nothing => {}
        }
        if let Some(comment) = language.comments.iter().find(|comment| rest.starts_with(**comment)) {
            // In a shell `$#` and `a#b` are none.
            let is_comment = *comment != "#" || before.is_none_or(char::is_whitespace) || !language.is_shell;
            if is_comment {
                return (rest.len(), COMMENT);
            }
        }
        if let Some((begin, end)) = language.blocks.iter().find(|(begin, _)| rest.starts_with(*begin)) {
            self.open = Open::Comment(end);
            return (self.until(rest, begin.len(), end, COMMENT), COMMENT);
        }
        if let Some((begin, end)) = language.long_strings.iter().find(|(begin, _)| rest.starts_with(*begin)) {
            self.open = Open::Text(end);
            return (self.until(rest, begin.len(), end, STRING), STRING);
        }
        let Some(first) = rest.chars().next() else { return (1, Style::PLAIN) };
        if language.quotes.contains(first) {
            return match string_end(rest, first) {
                Some(end) => (end, STRING),
                None => (first.len_utf8(), Style::PLAIN),
            };
        }
        if is_word(first) {
            if first.is_ascii_digit() {
                let end = rest.find(|c| !is_word(c) && c != '.').unwrap_or(rest.len());
                // Not the 5 of `glm-5`.
                return (end, if before.is_some_and(|c| matches!(c, '-' | '.' | '/' | '@')) { Style::PLAIN } else { NUMBER });
            }
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            return (end, word_style(rest, end, language));
        }
        (first.len_utf8(), Style::PLAIN)
    }

    /// Bytes up to the end of what is open, looked for from `from` on.
    fn until(&mut self, rest: &str, from: usize, end: &str, style: Style) -> usize {
        let mut at = from;
        while let Some(found) = rest.get(at..).and_then(|rest| rest.find(end)) {
            let escapes = rest.get(..at + found).map_or(0, |text| text.len() - text.trim_end_matches('\\').len());
            at += found + end.len();
            if style == COMMENT || escapes % 2 == 0 {
                self.open = Open::Nothing;
                return at;
            }
        }
        rest.len()
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word_style(rest: &str, end: usize, language: &Language) -> Style {
    let (word, after) = rest.split_at(end);
    let mut keywords = language.keywords.split(' ');
    let is_keyword = match language.ignores_case {
        true => keywords.any(|keyword| keyword.eq_ignore_ascii_case(word)),
        false => keywords.any(|keyword| keyword == word),
    };
    if is_keyword {
        KEYWORD
    } else if after.starts_with('(') && !language.has_keys {
        NAME
    } else {
        Style::PLAIN
    }
}

/// Bytes of the string that `text` begins with; `None`: it does not end on the line, as an apostrophe does not.
fn string_end(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            c if c == quote => return Some(at + c.len_utf8()),
            _ => {}
        }
    }
    None
}

fn diff(line: &str) -> Style {
    match line.as_bytes().first() {
        _ if line.starts_with("+++") || line.starts_with("---") || line.starts_with("diff ") || line.starts_with("index ") => Style::BOLD,
        Some(b'+') => Style::GREEN,
        Some(b'-') => Style::RED,
        Some(b'@') => Style::CYAN,
        _ => Style::PLAIN,
    }
}

/// A command stands out from what it prints.
fn console(line: &str) -> Vec<(&str, Style)> {
    match line.split_once("$ ") {
        Some((before, command)) if !before.contains(' ') || before.ends_with(':') => {
            vec![(line.get(..line.len() - command.len()).unwrap_or_default(), Style::DIM), (command, Style::BOLD)]
        }
        _ => vec![(line, Style::PLAIN)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(language: &str, text: &str) -> String {
        let mut lexer = Lexer::new(language);
        let sign = |style| match style {
            COMMENT => "c",
            STRING => "s",
            NUMBER => "n",
            KEYWORD => "k",
            NAME => "f",
            Style::RED => "-",
            _ => "",
        };
        let lines: Vec<String> = text
            .lines()
            .map(|line| {
                let parts = lexer.line(line);
                assert_eq!(parts.iter().map(|(text, _)| *text).collect::<String>(), line, "nothing is lost");
                parts
                    .iter()
                    .map(|(text, style)| if sign(*style).is_empty() { (*text).to_owned() } else { format!("{}<{text}>", sign(*style)) })
                    .collect()
            })
            .collect();
        lines.join("\n")
    }

    #[test]
    fn code_of_several_languages_is_told_apart() {
        for (language, code, seen) in [
            ("rust", "let x: &'a str = f(\"it\\\"s\", 1_000); // end", "k<let> x: &'a str = f<f>(s<\"it\\\"s\">, n<1_000>); c<// end>"),
            ("rs", "/* a\nb */ pub fn go()", "c</* a>\nc<b */> k<pub> k<fn> f<go>()"),
            (
                "python",
                "def f(x): # no\n    return '''a\nb''' + \"#\"",
                "k<def> f<f>(x): c<# no>\n    k<return> s<'''a>\ns<b'''> + s<\"#\">",
            ),
            ("js", "const a = `x\ny`; // z", "k<const> a = s<`x>\ns<y`>; c<// z>"),
            ("bash", "echo \"$#\" $# a#b # c", "k<echo> s<\"$#\"> $# a#b c<# c>"),
            ("sql", "select 'a' FROM t -- x", "k<select> s<'a'> k<FROM> t c<-- x>"),
            ("yaml", "- key: \"v\" # c\n  n: 3", "f<- key>: s<\"v\"> c<# c>\nf<  n>: n<3>"),
            ("toml", "[a.b]\nk = 'x'", "k<[a.b]>\nf<k >= s<'x'>"),
            ("json", "{\"a\": [1, true]}", "{s<\"a\">: [n<1>, k<true>]}"),
            ("diff", "-a\n b", "-<-a>\n b"),
            ("nothing", "let x = 1", "let x = 1"),
            ("c", "char c = '\\''; // don't", "k<char> c = s<'\\''>; c<// don't>"),
        ] {
            assert_eq!(marked(language, code), seen, "{language}");
        }
    }
}
