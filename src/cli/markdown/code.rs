//! A block of code: its lines as they are, coloured, between rules that are no part of what is copied.
//!
//! A line that is longer than the terminal is left to the terminal, so that it is still one line where it is copied.

use super::flow::Flow;
use super::look::{Pen, Style};
use super::syntax::Lexer;
use crate::cli::visible;

/// Bytes of a line that are held, at most: of a longer one so many are written at a time.
const HELD_MAX: usize = 8 * 1024;
/// Columns between the stops of tabs.
const TAB: usize = 4;

#[derive(Debug)]
pub(super) struct Code {
    lexer: Lexer,
    line: String,
    /// Bytes of the line went out already.
    is_cut: bool,
    /// Empty lines that wait for another one: those at the end of indented code are not its own.
    empty: usize,
}

impl Code {
    pub(super) fn new(language: &str) -> Self {
        Self { lexer: Lexer::new(language), line: String::new(), is_cut: false, empty: 0 }
    }

    /// Takes a piece of a line.
    pub(super) fn push(&mut self, text: &str, flow: &mut Flow) {
        self.line.push_str(text);
        while self.line.len() > HELD_MAX {
            let mut cut = HELD_MAX;
            while !self.line.is_char_boundary(cut) {
                cut -= 1;
            }
            let rest = self.line.split_off(cut);
            let parts = self.parts();
            if !self.is_cut {
                self.empty_rows(flow);
            }
            flow.part_row(&parts);
            (self.line, self.is_cut) = (rest, true);
        }
    }

    /// The line ends.
    pub(super) fn end_line(&mut self, flow: &mut Flow) {
        let parts = self.parts();
        if self.is_cut {
            flow.part_row(&parts);
            flow.end_parts();
        } else if parts.iter().all(|(text, _)| text.trim().is_empty()) {
            self.empty += 1;
            return;
        } else {
            self.empty_rows(flow);
            flow.row(&parts);
        }
        (self.is_cut, self.line) = (false, String::new());
    }

    /// Writes the empty lines that turned out to be part of the code.
    pub(super) fn empty_rows(&mut self, flow: &mut Flow) {
        (0..std::mem::take(&mut self.empty)).for_each(|_| flow.empty_row());
    }

    /// The line as far as it has come, coloured.
    pub(super) fn waiting(&self) -> Vec<(String, Pen)> {
        styled(&mut self.lexer.clone(), &self.line)
    }

    fn parts(&mut self) -> Vec<(String, Pen)> {
        let line = std::mem::take(&mut self.line);
        styled(&mut self.lexer, &line)
    }
}

fn styled(lexer: &mut Lexer, line: &str) -> Vec<(String, Pen)> {
    let mut column = 0;
    let spaced: String = if line.contains('\t') {
        let expand = |c| {
            let count = if c == '\t' { TAB - column % TAB } else { 1 };
            column += count;
            std::iter::repeat_n(if c == '\t' { ' ' } else { c }, count)
        };
        line.chars().flat_map(expand).collect()
    } else {
        line.to_owned()
    };
    lexer.line(&spaced).into_iter().map(|(text, style)| (visible::line(text).into_owned(), style.into())).collect()
}

/// The rule above code, with the name of its language, or below it.
pub(super) fn rule(language: &str, flow: &mut Flow, measure: usize) {
    let room = flow.room_of(measure);
    let name = visible::line(language);
    let label = if name.is_empty() { String::new() } else { format!("── {} ", super::width::head(&name, 30).0) };
    let rest = "─".repeat(room.saturating_sub(super::width::of(&label)));
    flow.row(&[(format!("{label}{rest}"), Style::DIM.into())]);
}
