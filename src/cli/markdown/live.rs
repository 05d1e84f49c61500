//! Markdown on a terminal that a person watches: behind the settled text stands what waits to be settled.
//!
//! The place of the settled text's end is saved by the terminal (`ESC 7`); before anything else is written it is gone back
//! to (`ESC 8`), and the rest of that one row is cleared. What waits never reaches the row's end, so no other row is touched,
//! however wide the terminal believes a sign to be.

use super::look::{Ink, Pen};
use super::{Look, Markdown, Tone, width};
use crate::cli::visible;

const SAVE: &str = "\u{1b}7\u{1b}[0m\u{1b}]8;;\u{1b}\\";
const RESTORE: &str = "\u{1b}8\u{1b}[0m\u{1b}]8;;\u{1b}\\\u{1b}[K";

/// A document on the screen.
#[derive(Debug)]
pub(crate) struct Live {
    text: Markdown,
    /// What stands behind the settled text.
    shown: String,
    /// What leads back to the settled text's style.
    resumed: String,
}

impl Live {
    pub(crate) fn new(look: Look, tone: Tone) -> Self {
        Self { text: Markdown::new(look, tone), shown: String::new(), resumed: String::new() }
    }

    /// Takes more of the text; gives what is to be written now.
    pub(crate) fn push(&mut self, text: &str) -> String {
        let settled = self.text.push(text);
        let waiting = self.text.waiting();
        if settled.is_empty() && waiting == self.shown {
            return String::new();
        }
        let mut out = self.hide();
        out.push_str(&settled);
        if !waiting.is_empty() {
            out.push_str(SAVE);
            out.push_str(&waiting);
            (self.shown, self.resumed) = (waiting, self.text.resumed());
        }
        out
    }

    /// The terminal is `width` columns wide from now on.
    pub(crate) fn resize(&mut self, width: usize) {
        self.text.resize(width);
    }

    /// The text ends: what is to be written, up to a line feed.
    pub(crate) fn finish(&mut self) -> String {
        let mut out = self.hide();
        out.push_str(&self.text.finish());
        out
    }

    /// What takes away what waits.
    fn hide(&mut self) -> String {
        if std::mem::take(&mut self.shown).is_empty() { String::new() } else { format!("{RESTORE}{}", self.resumed) }
    }
}

/// The parts in at most `room` columns on any terminal; of longer ones the end, which is what has come last.
pub(super) fn cut(parts: &[(String, Pen)], room: usize, mut ink: Ink) -> String {
    let shown: Vec<(String, &Pen)> = parts.iter().map(|(text, pen)| (visible::line(text).into_owned(), pen)).collect();
    let mut left: usize = shown.iter().map(|(text, _)| width::most(text)).sum();
    if left > room && room < 8 {
        return String::new();
    }
    let is_cut = left > room;
    if is_cut {
        ink.write("…", &Pen::default());
    }
    for (text, pen) in &shown {
        let columns = width::most(text);
        left -= columns;
        let kept = if is_cut { width::tail(text, (room - 1).saturating_sub(left)) } else { text };
        ink.write(kept, pen);
    }
    ink.rest();
    ink.drain()
}
