//! How things look: the styles of a text's parts, and the escape sequences that switch between them.
//!
//! Sixteen colours at most, by their numbers, since the terminal's owner has chosen what reads on the background: bold, dim,
//! italic and underline carry the structure, and of the colours only red, green, magenta and cyan are used: yellow and white
//! vanish on a light background, blue on a dark one.

use std::rc::Rc;

/// How much of a terminal there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// Columns of the terminal.
    pub(crate) width: usize,
    pub(crate) paint: Paint,
    pub(crate) links: Links,
}

/// Whether styles may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Colour,
    /// No escape sequence at all: the marks of the text stay, that it says what is emphasised.
    Plain,
}

/// How a link is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// As a hyperlink of the terminal (OSC 8).
    Live,
    /// By its address behind the text.
    Spelt,
}

/// The widest that prose is set: longer rows are hard to read.
const MEASURE: usize = 100;
/// A terminal narrower than this is taken to be this wide.
const WIDTH_MIN: usize = 20;

impl Look {
    /// Columns of a row of prose. The last column of the terminal stays free: some wrap when it is written.
    pub(super) fn measure(self) -> usize {
        self.room().min(MEASURE)
    }

    /// Columns of a row of a table.
    pub(super) fn room(self) -> usize {
        self.width.max(WIDTH_MIN) - 1
    }

    pub(super) fn is_plain(self) -> bool {
        self.paint == Paint::Plain
    }
}

/// Attributes and a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Style(u16);

impl Style {
    pub(super) const PLAIN: Self = Self(0);
    pub(super) const BOLD: Self = Self(1);
    pub(super) const DIM: Self = Self(1 << 1);
    pub(super) const ITALIC: Self = Self(1 << 2);
    pub(super) const UNDERLINE: Self = Self(1 << 3);
    pub(super) const STRIKE: Self = Self(1 << 4);
    pub(super) const RED: Self = Self(31 << 8);
    pub(super) const GREEN: Self = Self(32 << 8);
    pub(super) const MAGENTA: Self = Self(35 << 8);
    pub(super) const CYAN: Self = Self(36 << 8);

    /// Both styles; of two colours `self`'s.
    pub(super) const fn with(self, other: Self) -> Self {
        let colour = if self.0 >> 8 == 0 { other.0 & 0xff00 } else { 0 };
        Self(self.0 | (other.0 & 0xff) | colour)
    }

    /// The SGR parameters that set the style, from none.
    fn parameters(self) -> String {
        let attributes = [(1, "1"), (2, "2"), (4, "3"), (8, "4"), (16, "9")];
        let mut set: Vec<String> = attributes.iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, code)| (*code).to_owned()).collect();
        if self.0 >> 8 != 0 {
            set.push((self.0 >> 8).to_string());
        }
        set.join(";")
    }
}

/// What a character is written with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Pen {
    pub(super) style: Style,
    pub(super) link: Option<Rc<str>>,
}

impl From<Style> for Pen {
    fn from(style: Style) -> Self {
        Self { style, link: None }
    }
}

/// Text with escape sequences, as it is appended to what the terminal has already.
#[derive(Debug)]
pub(super) struct Ink {
    look: Look,
    /// Under all styles: what is dimmed as a whole.
    base: Style,
    pen: Pen,
    out: String,
}

impl Ink {
    pub(super) fn new(look: Look, base: Style) -> Self {
        Self { look, base, pen: Pen::default(), out: String::new() }
    }

    /// Writes `text`, which holds nothing that a terminal would obey.
    pub(super) fn write(&mut self, text: &str, pen: &Pen) {
        if !text.is_empty() {
            self.take(pen);
            self.out.push_str(text);
        }
    }

    /// Ends the row, with no style open.
    pub(super) fn end_row(&mut self) {
        self.rest();
        self.out.push('\n');
    }

    /// Closes whatever style is open.
    pub(super) fn rest(&mut self) {
        self.switch(Pen::default());
    }

    /// What was written since the last call.
    pub(super) fn drain(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    /// The sequences that lead from no style to the present one.
    pub(super) fn resumed(&self) -> String {
        let mut fresh = Self::new(self.look, self.base);
        fresh.switch(self.pen.clone());
        fresh.out
    }

    fn take(&mut self, pen: &Pen) {
        let link = if self.look.links == Links::Live { pen.link.clone() } else { None };
        // What is dimmed as a whole is dimmed only: no colour shouts out of it.
        let style = if self.base == Style::PLAIN { pen.style } else { Style(pen.style.0 & 0xff).with(self.base) };
        self.switch(Pen { style, link });
    }

    fn switch(&mut self, pen: Pen) {
        if self.look.is_plain() || self.pen == pen {
            return;
        }
        if self.pen.link != pen.link {
            self.out.push_str("\u{1b}]8;;");
            self.out.push_str(pen.link.as_deref().unwrap_or_default());
            self.out.push_str("\u{1b}\\");
        }
        if self.pen.style != pen.style {
            if self.pen.style != Style::PLAIN {
                self.out.push_str("\u{1b}[0m");
            }
            if pen.style != Style::PLAIN {
                self.out.push_str("\u{1b}[");
                self.out.push_str(&pen.style.parameters());
                self.out.push('m');
            }
        }
        self.pen = pen;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look = Look { width: 80, paint: Paint::Colour, links: Links::Live };

    #[test]
    fn styles_are_switched_only_where_they_change() {
        let mut ink = Ink::new(LOOK, Style::PLAIN);
        let bold = Pen::from(Style::BOLD.with(Style::RED));
        ink.write("a", &bold);
        ink.write("b", &bold);
        ink.write("c", &Pen::default());
        ink.write("d", &Pen { style: Style::UNDERLINE, link: Some("http://x".into()) });
        ink.end_row();
        assert_eq!(ink.drain(), "\u{1b}[1;31mab\u{1b}[0mc\u{1b}]8;;http://x\u{1b}\\\u{1b}[4md\u{1b}]8;;\u{1b}\\\u{1b}[0m\n");
    }

    #[test]
    fn plain_has_no_escape_sequence_and_dimmed_no_colour() {
        let mut ink = Ink::new(Look { paint: Paint::Plain, ..LOOK }, Style::DIM);
        ink.write("a", &Style::BOLD.into());
        assert_eq!(ink.drain(), "a");
        let mut ink = Ink::new(LOOK, Style::DIM);
        ink.write("a", &Style::BOLD.with(Style::GREEN).into());
        assert_eq!(ink.drain(), "\u{1b}[1;2ma");
    }
}
