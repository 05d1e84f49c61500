//! Where an answer goes while it comes: text and thinking, piece by piece, exactly as the model sent them.
//!
//! A sink decides how that looks; it is the one place where a model's words meet the terminal, so it is the sink that shows
//! what a terminal would obey. Start with [`Sink`].

use std::io;

use crate::cli::{output, visible};

/// Takes an answer. An error is that of standard output: most often, nobody reads any more.
pub(crate) trait Sink {
    /// The next piece of the answer's text.
    fn text(&mut self, piece: &str) -> io::Result<()>;
    /// The next piece of what the model thinks aloud.
    fn reasoning(&mut self, piece: &str) -> io::Result<()>;
    /// Whether thinking is shown: then nothing else may move on the terminal.
    fn shows_reasoning(&self) -> bool {
        false
    }
    /// Nothing follows: the answer is complete, or broken off.
    fn end(&mut self) -> io::Result<()>;
}

/// Shows nothing: the answer is printed when it is over.
pub(crate) struct Held;

impl Sink for Held {
    fn text(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn reasoning(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The text as it is, flushed piece by piece, with a line feed at its end; thinking is left out, or goes to standard error.
#[derive(Default)]
pub(crate) struct Raw {
    /// Thinking goes to standard error.
    has_reasoning: bool,
    /// A CR that may belong to a line's end.
    has_cr: bool,
    has_text: bool,
    is_at_start: bool,
}

impl Raw {
    /// With thinking on standard error.
    pub(super) fn with_reasoning() -> Self {
        Self { has_reasoning: true, ..Self::default() }
    }

    /// The piece as it is shown. The CR of a line's end is no news to a terminal; any other could overwrite the line.
    fn shown(&mut self, piece: &str) -> String {
        let joined = if std::mem::take(&mut self.has_cr) { format!("\r{piece}") } else { piece.to_owned() };
        let held = match joined.strip_suffix('\r') {
            Some(rest) => {
                self.has_cr = true;
                rest
            }
            None => &joined,
        };
        visible::prose(&held.replace("\r\n", "\n")).into_owned()
    }

    fn write(&mut self, shown: &str) -> io::Result<()> {
        if shown.is_empty() {
            return Ok(());
        }
        self.has_text = true;
        self.is_at_start = shown.ends_with('\n');
        output::stream(shown)
    }
}

impl Sink for Raw {
    fn text(&mut self, piece: &str) -> io::Result<()> {
        let shown = self.shown(piece);
        self.write(&shown)
    }

    fn reasoning(&mut self, piece: &str) -> io::Result<()> {
        if self.has_reasoning {
            output::error(&visible::prose(piece));
        }
        Ok(())
    }

    fn shows_reasoning(&self) -> bool {
        self.has_reasoning
    }

    fn end(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.has_cr) {
            self.write(&visible::prose("\r"))?;
        }
        if self.has_text && !self.is_at_start {
            self.write("\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cr_is_shown_unless_it_ends_a_line_however_it_is_cut() {
        for pieces in [&["a\r\nb\rc\x1b[2J\t\r"][..], &["a\r", "\nb", "\r", "c\x1b", "[2J\t", "\r"]] {
            let mut raw = Raw::default();
            let mut shown: String = pieces.iter().map(|piece| raw.shown(piece)).collect();
            assert!(raw.has_cr);
            shown += &raw.shown("");
            assert_eq!(shown, "a\nb\\rc\\u{1b}[2J\t");
        }
    }
}
