//! Rows of prose: words are set one behind the other as they come, and a row ends before the word that it has no room for.
//!
//! Only the last word is held back: what follows may belong to it. A word longer than a row is cut, between signs.

use super::look::{Ink, Look, Pen, Style};
use super::width;
use crate::cli::visible;

/// What stands left of a block's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Margin {
    /// The bar of a quote.
    Bar,
    /// A list's item: its mark on the first row, then space of the same width.
    Item { mark: Option<String>, width: usize },
}

/// The longest word that is held, in bytes.
const WORD_MAX: usize = 512;

#[derive(Debug)]
pub(super) struct Flow {
    pub(super) ink: Ink,
    pub(super) look: Look,
    pub(super) margins: Vec<Margin>,
    /// Columns of the row that are taken; `None`: no row is open.
    column: Option<usize>,
    /// The same on a terminal that takes the most columns for what is in it.
    most: usize,
    /// Columns of the open row's margin.
    left: usize,
    /// A space is due before the word.
    space: Option<Pen>,
    word: Vec<(String, Pen)>,
    word_width: usize,
    last: Option<char>,
}

impl Flow {
    pub(super) fn new(look: Look, base: Style) -> Self {
        let ink = Ink::new(look, base);
        Self { ink, look, margins: Vec::new(), column: None, most: 0, left: 0, space: None, word: Vec::new(), word_width: 0, last: None }
    }

    /// Sets text. Line feeds in it end a row.
    pub(super) fn text(&mut self, text: &str, pen: &Pen) {
        for c in text.chars() {
            match c {
                ' ' | '\t' => self.space(pen),
                '\n' => self.end_row(),
                c if visible::is_hidden(c) => c.escape_default().for_each(|c| self.sign(c, pen)),
                c => self.sign(c, pen),
            }
        }
    }

    /// Sets text that is never broken at a space and shown as it is, whatever stands in it.
    pub(super) fn unbroken(&mut self, text: &str, pen: &Pen) {
        visible::line(text).chars().for_each(|c| self.sign(c, pen));
    }

    /// Ends the row, if one is open or something is held.
    pub(super) fn end_row(&mut self) {
        self.put_word();
        self.space = None;
        if self.column.take().is_some() {
            self.ink.end_row();
        }
    }

    /// A row of its own with `parts` in it. The text is not wrapped: what is longer goes on as the terminal has it.
    pub(super) fn row(&mut self, parts: &[(String, Pen)]) {
        self.end_row();
        self.part_row(parts);
        self.end_parts();
    }

    /// A part of such a row, that [`Flow::end_parts`] ends.
    pub(super) fn part_row(&mut self, parts: &[(String, Pen)]) {
        self.open_row();
        for (text, pen) in parts {
            self.ink.write(text, pen);
        }
    }

    pub(super) fn end_parts(&mut self) {
        self.column = None;
        self.ink.end_row();
    }

    /// An empty row, but for the bars of the quotes it stands in.
    pub(super) fn empty_row(&mut self) {
        self.end_row();
        // An item's mark waits for its text: it does not go onto an empty row.
        let bars = self.margins.iter().filter(|margin| **margin == Margin::Bar).count();
        let only_bars = self.margins.iter().take_while(|margin| **margin == Margin::Bar).count();
        if bars > 0 && bars == only_bars {
            let row = vec!["│"; bars.min(self.look.measure() / 4)].join(" ");
            self.ink.write(&row, &Style::DIM.into());
        } else if bars > 0 {
            self.margin(false);
        }
        self.ink.end_row();
    }

    /// Columns that a row of the block has for text, out of `whole`.
    pub(super) fn room_of(&self, whole: usize) -> usize {
        whole.saturating_sub(self.margin_width()).max(8)
    }

    /// Begins a row, with its margin, if none is open.
    pub(super) fn open_row(&mut self) {
        if self.column.is_none() {
            self.left = self.margin(true);
            (self.column, self.most) = (Some(self.left), self.left);
        }
    }

    /// The column that the row has reached at most, and the word that waits, with the space before it.
    pub(super) fn waiting(&self) -> (usize, String, Pen) {
        let mut text: String = self.space.iter().map(|_| ' ').collect();
        text.extend(self.word.iter().map(|(part, _)| part.as_str()));
        let pen = self.word.first().map(|(_, pen)| pen.clone()).unwrap_or_default();
        (self.column.map_or(0, |_| self.most), text, pen)
    }

    /// The margin of a first row that is not begun yet.
    pub(super) fn next_margin(&self) -> String {
        if self.column.is_some() { String::new() } else { self.margin_parts().into_iter().map(|(text, _)| text).collect() }
    }

    /// Writes what a last word is that nothing can follow.
    pub(super) fn put_word(&mut self) {
        if !self.word.is_empty() {
            let space = self.space.take();
            let needed = usize::from(space.is_some()) + self.word_width;
            let limit = self.look.measure();
            match self.column {
                Some(column) if column + needed > limit && column > self.left => {
                    self.ink.end_row();
                    self.column = None;
                    self.open_row();
                }
                Some(_) => {
                    if let Some(pen) = &space {
                        self.ink.write(" ", pen);
                        self.column = self.column.map(|column| column + 1);
                        self.most += 1;
                    }
                }
                None => self.open_row(),
            }
            for (part, pen) in self.word.drain(..) {
                self.ink.write(&part, &pen);
                self.most += width::most(&part);
            }
            self.column = self.column.map(|column| column + self.word_width);
            self.word_width = 0;
        }
        self.last = None;
    }

    fn space(&mut self, pen: &Pen) {
        self.put_word();
        if self.column.is_some() {
            self.space = Some(pen.clone());
        }
    }

    fn sign(&mut self, c: char, pen: &Pen) {
        if let Some(last) = self.last {
            if !width::is_joined(last, c) && width::may_break(last, c) {
                self.put_word();
            } else if self.is_full() {
                // Longer than a row: what there is fills the row, the rest goes on behind it.
                self.put_word();
            }
        }
        self.last = Some(c);
        match self.word.last_mut() {
            Some((part, held)) if held == pen => {
                let before = if c.is_ascii() { 0 } else { width::of(part) };
                part.push(c);
                self.word_width += if c.is_ascii() { 1 } else { width::of(part).saturating_sub(before) };
            }
            _ => {
                self.word.push((c.to_string(), pen.clone()));
                self.word_width += width::of(c.encode_utf8(&mut [0; 4]));
            }
        }
    }

    /// Whether the word has no room for another sign in a row of its own, or is longer than any word: of marks without a width, say.
    fn is_full(&self) -> bool {
        let measure = self.look.measure();
        let is_wide = self.word_width + 2 > measure / 2 && self.word_width + 2 > self.room_of(measure);
        is_wide || self.word.iter().map(|(part, _)| part.len()).sum::<usize>() > WORD_MAX
    }

    /// Writes the margin; `is_first` takes the marks that wait. Gives its columns.
    fn margin(&mut self, is_first: bool) -> usize {
        let parts = self.margin_parts();
        if is_first {
            for margin in &mut self.margins {
                if let Margin::Item { mark, .. } = margin {
                    *mark = None;
                }
            }
        }
        parts.iter().for_each(|(text, pen)| self.ink.write(text, pen));
        parts.iter().map(|(text, _)| width::of(text)).sum()
    }

    fn margin_width(&self) -> usize {
        self.margin_parts().iter().map(|(text, _)| width::of(text)).sum()
    }

    /// The margin's parts. Past half of the row only marks are shown: something must be left for the text.
    fn margin_parts(&self) -> Vec<(String, Pen)> {
        let half = self.look.measure() / 2;
        let mut taken = 0;
        let mut parts = Vec::with_capacity(self.margins.len());
        for margin in &self.margins {
            let (text, style) = match margin {
                Margin::Bar => ("│ ".to_owned(), Style::DIM),
                Margin::Item { mark: Some(mark), .. } => (mark.clone(), Style::CYAN),
                Margin::Item { mark: None, width } => (" ".repeat(*width), Style::PLAIN),
            };
            taken += width::of(&text);
            if taken <= half {
                parts.push((text, style.into()));
            }
        }
        parts
    }
}
