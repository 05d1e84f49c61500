//! The text of one paragraph, heading or cell: emphasis, code, links, in runs of one style each.
//!
//! [`Inline::push`] gives whatever is settled: a mark that may still open something holds back what is behind it, until its
//! counterpart comes, or does not within [`REACH`] bytes. So what was given is never taken back, and a row of text does not
//! wait for the end of its paragraph. The rules are CommonMark's and GitHub's, but for the reach, and: links by reference and
//! HTML are shown as they stand, `<br>` ends a row, and between `$…$`, `\(…\)` and `\[…\]` nothing is a mark.
//! Start with [`scan`]; `emphasis.rs` pairs marks, `spans.rs` finds the ends of code, links, tags and formulas.

use std::rc::Rc;

use super::emphasis::Marks;
use super::run::{Keep, Kind, Run, Token};
use super::source::{End, Found, REACH, Source};
use super::spans;

/// The text of one paragraph while it comes.
#[derive(Debug)]
pub(super) struct Inline {
    keep: Keep,
    held: String,
    /// What stands before `held`.
    before: char,
    /// Bytes of `held` that were looked at in vain.
    seen: usize,
}

impl Inline {
    pub(super) fn new(keep: Keep) -> Self {
        Self { keep, held: String::new(), before: '\n', seen: 0 }
    }

    /// Takes more text; gives what is settled.
    pub(super) fn push(&mut self, text: &str) -> Vec<Run> {
        self.held.push_str(text);
        // Letters settle nothing: a mark waits for another one, or for the end of its reach.
        let fresh = self.held.get(self.seen..).unwrap_or_default();
        if self.seen > 0 && self.held.len() < 2 * REACH && fresh.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Vec::new();
        }
        self.settle(End::Open)
    }

    /// The text ends: gives the rest.
    pub(super) fn finish(mut self) -> Vec<Run> {
        self.settle(End::Closed)
    }

    /// What is held, as it will look if the mark it waits for comes next.
    pub(super) fn guess(&self) -> Vec<Run> {
        let mark: String = match self.held.chars().next() {
            Some(mark @ ('*' | '_' | '~' | '`' | '$')) => self.held.chars().take_while(|c| *c == mark).collect(),
            _ => String::new(),
        };
        let text = self.held.trim_end_matches(['*', '_', '~', '`']).trim_end();
        scan(&format!("{text}{mark}"), self.before, End::Closed, self.keep).0
    }

    fn settle(&mut self, end: End) -> Vec<Run> {
        let (runs, used) = scan(&self.held, self.before, end, self.keep);
        let rest = self.held.split_off(used.min(self.held.len()));
        if let Some(last) = self.held.chars().next_back() {
            self.before = last;
        }
        self.held = rest;
        self.seen = self.held.len();
        runs
    }
}

/// All of a text that is there as a whole: a cell of a table.
pub(super) fn whole(text: &str, keep: Keep) -> Vec<Run> {
    scan(text, '\n', End::Closed, keep).0
}

/// A `[` that waits for its `]`.
struct Bracket {
    token: usize,
    at: usize,
    /// The first mark behind it.
    mark: usize,
    is_image: bool,
}

/// Where the scan of a text is.
struct Scan<'a> {
    source: Source<'a>,
    keep: Keep,
    at: usize,
    tokens: Vec<Token>,
    marks: Marks,
    brackets: Vec<Bracket>,
    /// The text since here is plain, and no token yet.
    plain_from: usize,
    before: char,
}

/// The runs of `text` that are settled, and how many of its bytes they are.
fn scan(text: &str, before: char, end: End, keep: Keep) -> (Vec<Run>, usize) {
    let scan = Scan {
        source: Source::new(text, end),
        keep,
        at: 0,
        tokens: Vec::new(),
        marks: Marks::default(),
        brackets: Vec::new(),
        plain_from: 0,
        before,
    };
    scan.run()
}

impl Scan<'_> {
    fn run(mut self) -> (Vec<Run>, usize) {
        let mut stuck = self.source.text.len();
        while let Some(byte) = self.source.byte(self.at) {
            let start = self.at;
            self.drop_far_brackets();
            let found = match byte {
                b'\\' => self.backslash(),
                b'`' => self.code(),
                b'*' | b'_' | b'~' => self.mark(byte),
                b'!' | b'[' => self.open_bracket(byte),
                b']' => self.close_bracket(),
                b'<' => self.angle(),
                b'&' => self.entity(),
                b'$' => self.formula(),
                b'h' => self.address(),
                b'\n' => self.line_end(),
                _ => {
                    self.at += 1;
                    continue;
                }
            };
            if found == Found::Unknown {
                stuck = start;
                self.at = start;
                break;
            }
            if self.at == start {
                self.at += 1;
            }
        }
        self.flush(stuck);
        self.settled(stuck)
    }

    /// Pairs what can be paired and cuts where something waits.
    fn settled(mut self, stuck: usize) -> (Vec<Run>, usize) {
        if self.source.end == End::Closed {
            self.brackets.clear();
        }
        let mut used = stuck;
        match self.brackets.first() {
            Some(bracket) => used = used.min(bracket.at),
            None => self.marks.pair(0, &mut self.tokens, self.keep),
        }
        if self.source.end == End::Open {
            let far = self.source.text.len().saturating_sub(REACH);
            used = used.min(self.marks.first_open(far).unwrap_or(used));
        }
        let runs = self.tokens.into_iter().take_while(|token| token.at < used).map(|token| token.run).filter(|run| !run.text.is_empty());
        (runs.collect(), used)
    }

    fn char_before(&self) -> char {
        self.source.text.get(..self.at).and_then(|text| text.chars().next_back()).unwrap_or(self.before)
    }

    /// Makes a token of the plain text up to `at`.
    fn flush(&mut self, at: usize) {
        if self.plain_from < at {
            let text = self.source.text.get(self.plain_from..at).unwrap_or_default().to_owned();
            self.tokens.push(Token { at: self.plain_from, run: Run { text, kind: Kind::TEXT, link: None } });
        }
        self.plain_from = at;
    }

    /// Makes a token of what stands from here up to `end`.
    fn token(&mut self, end: usize, text: &str, kind: Kind) -> Found {
        self.flush(self.at);
        self.tokens.push(Token { at: self.at, run: Run { text: text.to_owned(), kind, link: None } });
        (self.at, self.plain_from) = (end, end);
        Found::Ends(end)
    }

    /// A `[` whose end is out of reach is text.
    fn drop_far_brackets(&mut self) {
        while self.brackets.first().is_some_and(|bracket| self.at > bracket.at + REACH) {
            self.brackets.remove(0);
        }
    }

    fn backslash(&mut self) -> Found {
        let Some(next) = self.source.byte(self.at + 1) else { return self.source.short() };
        match next {
            b'\n' => {
                self.flush(self.at);
                self.plain_from = self.at + 1;
                Found::None
            }
            b'(' | b'[' => match spans::formula(&self.source, self.at, 2, if next == b'(' { "\\)" } else { "\\]" }) {
                Found::Ends(end) => self.verbatim(end),
                Found::Unknown => Found::Unknown,
                Found::None => self.token(self.at + 2, if next == b'(' { "(" } else { "[" }, Kind::TEXT),
            },
            next if next.is_ascii_punctuation() => self.token(self.at + 2, char::from(next).encode_utf8(&mut [0; 4]), Kind::TEXT),
            _ => Found::None,
        }
    }

    /// A token of the text as it stands.
    fn verbatim(&mut self, end: usize) -> Found {
        let text = self.source.text.get(self.at..end).unwrap_or_default().to_owned();
        self.token(end, &text, Kind::TEXT)
    }

    fn code(&mut self) -> Found {
        let ticks = spans::run_length(self.source.from(self.at), b'`');
        let start = self.at + ticks;
        match spans::code(&mut self.source, self.at, ticks) {
            Found::Ends(end) if self.keep == Keep::Marks => {
                let text = self.source.text.get(self.at..end).unwrap_or_default().replace('\n', " ");
                self.token(end, &text, Kind::CODE)
            }
            Found::Ends(end) => {
                let inner = self.source.text.get(start..end - ticks).unwrap_or_default().replace('\n', " ");
                let is_padded = inner.len() > 2 && inner.starts_with(' ') && inner.ends_with(' ') && !inner.trim().is_empty();
                let inner = if is_padded { inner.get(1..inner.len() - 1).unwrap_or_default() } else { &inner };
                self.token(end, inner, Kind::CODE)
            }
            Found::None => self.verbatim(start),
            Found::Unknown => Found::Unknown,
        }
    }

    fn mark(&mut self, byte: u8) -> Found {
        let length = spans::run_length(self.source.from(self.at), byte);
        let end = self.at + length;
        if length == spans::RUN_MAX {
            return self.verbatim(end);
        }
        let next = match self.source.from(end).chars().next() {
            None if self.source.end == End::Open => return Found::Unknown,
            next => next.unwrap_or('\n'),
        };
        self.flush(self.at);
        self.marks.add(byte, length, self.at, self.tokens.len(), self.char_before(), next);
        self.verbatim(end)
    }

    fn open_bracket(&mut self, byte: u8) -> Found {
        let is_image = byte == b'!';
        if is_image {
            match self.source.byte(self.at + 1) {
                Some(b'[') => {}
                Some(_) => return Found::None,
                None => return self.source.short(),
            }
        }
        self.flush(self.at);
        self.brackets.push(Bracket { token: self.tokens.len(), at: self.at, mark: self.marks.len(), is_image });
        self.verbatim(self.at + if is_image { 2 } else { 1 })
    }

    fn close_bracket(&mut self) -> Found {
        if self.brackets.is_empty() {
            return Found::None;
        }
        match self.source.byte(self.at + 1) {
            None if self.source.end == End::Open => return Found::Unknown,
            Some(b'(') => {}
            _ => {
                self.brackets.pop();
                return Found::None;
            }
        }
        match spans::destination(&self.source, self.at + 1) {
            (Found::Unknown, _) => Found::Unknown,
            (Found::Ends(end), Some(address)) => self.link(end, &address),
            _ => {
                self.brackets.pop();
                Found::None
            }
        }
    }

    /// What the last bracket holds is a link.
    fn link(&mut self, end: usize, address: &str) -> Found {
        let Some(bracket) = self.brackets.pop() else { return Found::None };
        self.flush(self.at);
        self.marks.pair(bracket.mark, &mut self.tokens, self.keep);
        self.marks.truncate(bracket.mark);
        let (kind, link): (Kind, Rc<str>) = (if bracket.is_image { Kind::IMAGE } else { Kind::LINK }, address.into());
        let mut shown = String::new();
        for token in self.tokens.iter_mut().skip(bracket.token + 1) {
            token.run.kind.add(kind);
            token.run.link = Some(link.clone());
            shown.push_str(&token.run.text);
        }
        if let Some(token) = self.tokens.get_mut(bracket.token) {
            token.run.text.clear();
        }
        if !bracket.is_image {
            // No link holds another.
            self.brackets.retain(|outer| outer.is_image);
        }
        let found = self.token(end, if shown == address { "" } else { address }, Kind::ADDRESS);
        if let Some(last) = self.tokens.last_mut() {
            last.run.link = Some(link);
            last.run.kind.add(kind);
        }
        found
    }

    fn angle(&mut self) -> Found {
        let (found, what) = spans::angle(&self.source, self.at);
        match (found, what) {
            (Found::Ends(end), spans::Angle::Address) => {
                let text = self.source.text.get(self.at + 1..end - 1).unwrap_or_default().to_owned();
                self.plain_link(end, &text)
            }
            (Found::Ends(end), spans::Angle::Break) => self.token(end, "\n", Kind::BREAK),
            (Found::Ends(end), spans::Angle::Tag) => self.verbatim(end),
            (found, _) => found,
        }
    }

    fn address(&mut self) -> Found {
        if self.char_before().is_alphanumeric() {
            return Found::None;
        }
        match spans::address(&self.source, self.at) {
            Found::Ends(end) => {
                let text = self.source.text.get(self.at..end).unwrap_or_default().to_owned();
                self.plain_link(end, &text)
            }
            found => found,
        }
    }

    /// An address that is its own text.
    fn plain_link(&mut self, end: usize, text: &str) -> Found {
        let found = self.token(end, text, Kind::LINK);
        if let Some(last) = self.tokens.last_mut() {
            let is_mail = !text.contains(':') && text.contains('@');
            last.run.link = Some(if is_mail { format!("mailto:{text}").into() } else { text.into() });
        }
        found
    }

    fn entity(&mut self) -> Found {
        match spans::entity(&self.source, self.at) {
            (Found::Ends(end), Some(c)) => self.token(end, c.encode_utf8(&mut [0; 4]), Kind::TEXT),
            (Found::Ends(_), None) => Found::None,
            (found, _) => found,
        }
    }

    fn formula(&mut self) -> Found {
        let dollars = spans::run_length(self.source.from(self.at), b'$');
        match self.source.byte(self.at + dollars) {
            _ if dollars == spans::RUN_MAX => return self.verbatim(self.at + dollars),
            None if self.source.end == End::Open => return Found::Unknown,
            // An amount of money.
            Some(next) if dollars == 1 && (next.is_ascii_whitespace() || next.is_ascii_digit()) => return Found::None,
            Some(_) if dollars <= 2 => {}
            _ => return self.verbatim(self.at + dollars),
        }
        match spans::formula(&self.source, self.at, dollars, if dollars == 2 { "$$" } else { "$" }) {
            Found::Ends(end) => self.verbatim(end),
            Found::None => self.verbatim(self.at + dollars),
            Found::Unknown => Found::Unknown,
        }
    }

    fn line_end(&mut self) -> Found {
        self.token(self.at + 1, "\n", Kind::BREAK)
    }
}
