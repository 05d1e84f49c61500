//! Markdown as a model writes it, set for a terminal while it comes.
//!
//! No I/O: text goes in by [`Markdown::push`], cut anywhere, and what is to be appended to the terminal's output comes out.
//! **Nothing that came out is ever taken back**: no row is cleared or written again, so the scrollback is never damaged, the
//! output may go to a file or a pager, and how the text was cut makes no difference to a single byte (a test holds it to that).
//! The price is that what is not settled waits: the last word, a mark of emphasis up to its counterpart (`inline.rs`), a line
//! whose beginning may mean several things (`lines.rs`), a line of code up to its end, a table up to its end (`table.rs`); each
//! of them bounded. So that nobody looks at a silent screen, [`Live`] shows what waits at the end of the current row, and takes
//! just that away before the next text comes.
//!
//! Why not a parser of whole documents: a block that grows would be parsed anew for each word, and what it gives for a part
//! of a document is no part of what it gives for the whole. Tests compare with one (`pulldown-cmark`) what both understand.
//!
//! Differences from CommonMark, all of them for text that comes from a model: a line's end in a paragraph stays one; numbers
//! of a list stay as they were written; a heading's underline is drawn below the text, which is out already; definitions of
//! links and footnotes, references to them, HTML and formulas are shown as they stand. Start with [`Markdown::push`].

mod blocks;
mod code;
mod emphasis;
mod flow;
mod inline;
mod languages;
mod leaves;
mod lines;
mod live;
mod look;
mod paint;
mod run;
mod source;
mod spans;
mod syntax;
mod table;
#[cfg(test)]
mod tests;
mod width;

use code::Code;
use flow::Flow;
use inline::Inline;
use lines::{Block, Container, Line, Open, Wait};
use look::{Ink, Pen, Style};
use run::Keep;
use table::Table;

pub(crate) use live::Live;
pub(crate) use look::{Links, Look, Paint};
pub(crate) use width::of as columns;

/// A whole document, set.
pub(crate) fn set(text: &str, look: Look) -> String {
    let mut document = Markdown::new(look, Tone::Normal);
    document.push(text) + &document.finish()
}

/// A line whose kind is not known after so many bytes is text.
const LINE_MAX: usize = 8 * 1024;

/// What code by its indentation is indented by.
const INDENT: usize = 4;

/// Whether a text is in the foreground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Normal,
    /// A model's reasoning.
    Dim,
}

/// A document while it comes.
#[derive(Debug)]
pub(crate) struct Markdown {
    look: Look,
    flow: Flow,
    containers: Vec<Container>,
    leaf: Leaf,
    /// The line, as far as it has come and is not part of the leaf yet.
    line: String,
    place: Place,
    /// An empty row is due before the next block.
    is_apart: bool,
    is_begun: bool,
    /// A carriage return that may belong to a line feed.
    has_return: bool,
}

/// Where in a line the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At its beginning: what it is is not known.
    Start,
    /// The same, and only its end will tell.
    Whole,
    /// The leaf takes what comes.
    Inside,
    /// There is nothing more in it.
    Behind,
}

/// The block that is open.
#[derive(Debug)]
enum Leaf {
    None,
    /// With its last line, if a table's head could be in it.
    Paragraph(Inline, String),
    /// A line that is a table's head, if the next one says so.
    Head(String),
    Table(Table),
    Fenced(lines::Fence, Code),
    Indented(Code),
    Html,
    Formula(&'static str),
}

impl Markdown {
    pub(crate) fn new(look: Look, tone: Tone) -> Self {
        let base = if tone == Tone::Dim { Style::DIM } else { Style::PLAIN };
        Self {
            look,
            flow: Flow::new(look, base),
            containers: Vec::new(),
            leaf: Leaf::None,
            line: String::new(),
            place: Place::Start,
            is_apart: false,
            is_begun: false,
            has_return: false,
        }
    }

    /// Takes more of the text; gives what is settled, to be appended to the output.
    pub(crate) fn push(&mut self, text: &str) -> String {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if std::mem::take(&mut self.has_return) && first != '\n' {
                self.take("\r");
            }
            let end = rest.find('\r').unwrap_or(rest.len());
            self.has_return = end < rest.len();
            self.take(rest.get(..end).unwrap_or_default());
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        self.flow.ink.drain()
    }

    /// The text ends: gives the rest, which ends with a line feed. What comes next begins anew.
    pub(crate) fn finish(&mut self) -> String {
        if !self.line.is_empty() {
            self.begin(true);
        }
        self.end_line();
        self.close(0);
        (self.is_apart, self.is_begun, self.has_return) = (false, false, false);
        self.flow.ink.drain()
    }

    /// The terminal is `width` columns wide from now on.
    pub(crate) fn resize(&mut self, width: usize) {
        self.look.width = width;
        self.flow.look.width = width;
    }

    /// Takes text without a carriage return.
    fn take(&mut self, text: &str) {
        for piece in text.split_inclusive('\n') {
            let part = piece.strip_suffix('\n').unwrap_or(piece);
            let is_end = part.len() < piece.len();
            if self.place == Place::Inside {
                self.put(part);
            } else if self.place != Place::Behind {
                self.line.push_str(part);
                if is_end || self.place == Place::Start || self.line.len() > LINE_MAX {
                    self.begin(is_end);
                }
            }
            if is_end {
                self.end_line();
            }
        }
    }

    /// Reads the beginning of the line, if there is enough of it.
    fn begin(&mut self, is_whole: bool) {
        let line = std::mem::take(&mut self.line);
        let is_long = line.len() > LINE_MAX;
        let mut end = line.len().min(LINE_MAX);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        let read = lines::read(line.get(..end).unwrap_or_default(), is_whole && !is_long, &self.containers, self.open());
        match read {
            Err(wait) if !is_whole && !is_long => {
                self.line = line;
                self.place = if wait == Wait::End { Place::Whole } else { Place::Start };
            }
            Ok(read) => {
                self.place = Place::Inside;
                self.enter(&read, line.get(read.text_at..).unwrap_or_default());
            }
            Err(_) => {
                self.place = Place::Inside;
                if !matches!(self.leaf, Leaf::Paragraph(..) | Leaf::Head(_)) {
                    self.close_leaf();
                }
                let text = Line { matched: self.containers.len(), opened: Vec::new(), block: Block::Text, text_at: 0, spaces: 0 };
                self.enter(&text, &line);
            }
        }
    }

    fn open(&self) -> Open<'_> {
        match &self.leaf {
            Leaf::None => Open::None,
            Leaf::Paragraph(_, last) => Open::Paragraph(last),
            Leaf::Head(line) => Open::Head(line),
            Leaf::Table(_) => Open::Table,
            Leaf::Fenced(fence, _) => Open::Fenced(*fence),
            Leaf::Indented(_) => Open::Indented,
            Leaf::Html => Open::Html,
            Leaf::Formula(end) => Open::Formula(end),
        }
    }

    /// A line of this kind begins, with `text` of it so far.
    fn enter(&mut self, line: &Line, text: &str) {
        let is_lazy = line.matched < self.containers.len() && line.opened.is_empty() && line.block == Block::Text;
        if is_lazy && matches!(self.leaf, Leaf::Paragraph(..)) {
            return self.more(text);
        }
        let is_inside = line.matched == self.containers.len() && line.opened.is_empty();
        match (&line.block, &mut self.leaf) {
            (Block::Blank, Leaf::Indented(_)) if is_inside => self.is_apart = true,
            (Block::Blank, _) if line.opened.is_empty() => {
                self.close(line.matched);
                self.is_apart = self.is_begun;
                self.place = Place::Behind;
            }
            (Block::Verbatim, Leaf::Fenced(_, code)) => code.push(&spaced(line.spaces, text), &mut self.flow),
            (Block::Verbatim, Leaf::Indented(code)) => {
                self.is_apart = false;
                code.push(&spaced(line.spaces + INDENT, text), &mut self.flow);
            }
            (Block::FenceEnd, Leaf::Fenced(..)) => self.close_leaf(),
            (Block::Verbatim, _) => self.raw(text),
            (Block::FenceEnd, _) => {
                self.raw(text);
                self.leaf = Leaf::None;
            }
            (Block::Text, Leaf::Paragraph(..)) if is_inside => self.more(text),
            (Block::Text, Leaf::Head(_)) if is_inside => {
                self.head_is_text();
                self.more(text);
            }
            (Block::Text | Block::Head, Leaf::Table(table)) if is_inside => table.push(text, &mut self.flow),
            (Block::Columns, _) => self.columns(text),
            (Block::Underline(sign), _) => self.underline(*sign),
            _ => self.fresh(line, text),
        }
    }

    fn keep(&self) -> Keep {
        if self.look.is_plain() { Keep::Marks } else { Keep::Text }
    }

    /// More of the line that the leaf takes as it comes.
    fn put(&mut self, text: &str) {
        match &mut self.leaf {
            Leaf::Paragraph(inline, last) => {
                if last.len() < LINE_MAX {
                    last.push_str(text);
                }
                paint::runs(inline.push(text), Style::PLAIN, self.look, &mut self.flow);
            }
            Leaf::Fenced(_, code) | Leaf::Indented(code) => code.push(text, &mut self.flow),
            _ => {}
        }
    }

    /// A further line of the paragraph.
    fn more(&mut self, text: &str) {
        if let Leaf::Paragraph(inline, last) = &mut self.leaf {
            last.clear();
            let runs = inline.push("\n");
            paint::runs(runs, Style::PLAIN, self.look, &mut self.flow);
        }
        self.put(text);
    }

    fn end_line(&mut self) {
        if self.place == Place::Inside
            && let Leaf::Fenced(_, code) | Leaf::Indented(code) = &mut self.leaf
        {
            code.end_line(&mut self.flow);
        }
        self.place = Place::Start;
    }

    /// What is held, as it is likely to look, in at most the room that the current row has; empty if nothing is held.
    pub(super) fn waiting(&self) -> String {
        let (column, word, pen) = self.flow.waiting();
        let mut parts = vec![(self.flow.next_margin(), Pen::default())];
        let has_word = !word.trim().is_empty();
        parts.push((word, pen));
        match &self.leaf {
            Leaf::Fenced(_, code) | Leaf::Indented(code) if self.place == Place::Inside => parts.extend(code.waiting()),
            Leaf::Paragraph(inline, _) if self.line.is_empty() => {
                let runs = inline.guess().into_iter().filter(|run| !paint::is_left_out(run, self.look));
                parts.extend(runs.map(|run| (run.text.replace('\n', " "), paint::pen(&run, Style::PLAIN))));
            }
            _ if !self.line.trim().is_empty() => {
                let mark = self.line.trim_start().trim_start_matches('#');
                let style = if mark.len() < self.line.len() { Style::BOLD } else { Style::DIM };
                parts.push((mark.trim().to_owned(), style.into()));
            }
            _ if !has_word => return String::new(),
            _ => {}
        }
        let room = self.look.room().saturating_sub(column);
        live::cut(&parts, room, Ink::new(self.look, Style::PLAIN))
    }

    /// The escape sequences that lead from no style to that of the text that is out.
    pub(super) fn resumed(&self) -> String {
        self.flow.ink.resumed()
    }
}

fn spaced(spaces: usize, text: &str) -> String {
    " ".repeat(spaces) + text
}
