//! Separates `<think>…</think>` at the beginning of a text from the text itself, wherever the stream is cut.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// A piece of text, told apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Thinking(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but white space and perhaps a part of the tag so far.
    Undecided,
    /// The tag is open; line ends before the thinking are skipped.
    Opened,
    Thinking,
    /// The tag is closed; line ends before the text are skipped.
    Closed,
    Text,
}

/// The separator.
#[derive(Debug)]
pub(super) struct InlineThink {
    state: State,
    held: String,
}

impl InlineThink {
    pub(super) fn new() -> Self {
        Self { state: State::Undecided, held: String::new() }
    }

    /// Takes more text; what may still become a tag is held.
    pub(super) fn push(&mut self, more: &str, out: &mut Vec<Piece>) {
        if self.state == State::Text {
            out.push(Piece::Text(more.to_owned()));
            return;
        }
        self.held.push_str(more);
        while self.step(out) {}
    }

    /// Gives what is still held.
    pub(super) fn end(&mut self, out: &mut Vec<Piece>) {
        let rest = std::mem::take(&mut self.held);
        if rest.is_empty() {
            return;
        }
        out.push(if self.state == State::Thinking { Piece::Thinking(rest) } else { Piece::Text(rest) });
    }

    /// One change of state; false when more text is needed.
    fn step(&mut self, out: &mut Vec<Piece>) -> bool {
        let trimmed = self.held.trim_start();
        match self.state {
            State::Undecided => {
                if let Some(rest) = trimmed.strip_prefix(OPEN) {
                    self.held = rest.to_owned();
                    self.state = State::Opened;
                    return true;
                }
                if OPEN.starts_with(trimmed) {
                    return false;
                }
                self.state = State::Text;
                true
            }
            State::Opened => {
                self.held = self.held.trim_start_matches('\n').to_owned();
                if !self.held.is_empty() {
                    self.state = State::Thinking;
                }
                !self.held.is_empty()
            }
            State::Thinking => {
                if let Some((thought, rest)) = self.held.split_once(CLOSE) {
                    if !thought.is_empty() {
                        out.push(Piece::Thinking(thought.to_owned()));
                    }
                    self.held = rest.to_owned();
                    self.state = State::Closed;
                    return true;
                }
                let keep = (1..CLOSE.len()).rev().find(|n| CLOSE.get(..*n).is_some_and(|part| self.held.ends_with(part))).unwrap_or(0);
                let thought: String = self.held.drain(..self.held.len() - keep).collect();
                if !thought.is_empty() {
                    out.push(Piece::Thinking(thought));
                }
                false
            }
            State::Closed => {
                if trimmed.is_empty() {
                    self.held.clear();
                    return false;
                }
                self.held = trimmed.to_owned();
                self.state = State::Text;
                true
            }
            State::Text => {
                if !self.held.is_empty() {
                    out.push(Piece::Text(std::mem::take(&mut self.held)));
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_apart(parts: &[&str]) -> (String, String) {
        let (mut think, mut out) = (InlineThink::new(), Vec::new());
        for part in parts {
            think.push(part, &mut out);
        }
        think.end(&mut out);
        let (mut thinking, mut text) = (String::new(), String::new());
        for piece in out {
            match piece {
                Piece::Text(more) => text.push_str(&more),
                Piece::Thinking(more) => thinking.push_str(&more),
            }
        }
        (thinking, text)
    }

    #[test]
    fn every_split_tells_the_same_apart() {
        for (whole, thinking, text) in [
            ("<think>\nhm </th é</think>\n\nAnswer <think>x</think>", "hm </th é", "Answer <think>x</think>"),
            ("  <think>a</think>b", "a", "b"),
            ("<thin air", "", "<thin air"),
            ("<thi", "", "<thi"),
            ("plain", "", "plain"),
            ("<think>never closed", "never closed", ""),
        ] {
            for (at, _) in whole.char_indices() {
                let (a, b) = whole.split_at(at);
                assert_eq!(told_apart(&[a, b]), (thinking.to_owned(), text.to_owned()), "{whole} at {at}");
            }
            let single: Vec<String> = whole.chars().map(String::from).collect();
            let single: Vec<&str> = single.iter().map(String::as_str).collect();
            assert_eq!(told_apart(&single), (thinking.to_owned(), text.to_owned()), "{whole}");
        }
    }
}
