//! Tables: rows are gathered until the table ends, then set in columns that fit.
//!
//! A table that is longer than [`ROWS_MAX`] rows is set by its first ones; those that follow come out one by one, in the same
//! columns. One with more columns than fit is shown as a list of its rows. Cells hold inline Markdown and are wrapped.

use super::flow::Flow;
use super::inline;
use super::look::{Look, Pen, Style};
use super::paint;
use super::run::{Keep, Kind};
use super::width;
use crate::cli::visible;

/// Rows by which the columns are laid out, at most.
const ROWS_MAX: usize = 200;
/// Bytes of rows that are held, at most.
const HELD_MAX: usize = 256 * 1024;
/// More columns than this are not laid out.
const COLUMNS_MAX: usize = 64;
/// The narrowest that a column is made.
const COLUMN_MIN: usize = 6;
const GAP: &str = " │ ";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Middle,
    Right,
}

/// A cell's text, sign by sign what a row may be broken between.
type Cell = Vec<(String, Pen)>;

#[derive(Debug)]
pub(super) struct Table {
    look: Look,
    sides: Vec<Side>,
    head: Vec<Cell>,
    rows: Vec<Vec<Cell>>,
    held: usize,
    /// Once the first rows are out.
    layout: Option<Layout>,
    /// Rows that are out.
    count: usize,
    /// The head is out as well, as text.
    has_head: bool,
}

#[derive(Debug)]
enum Layout {
    /// The columns' widths; whether rules stand between the rows, since some take more than one.
    Columns { widths: Vec<usize>, is_ruled: bool },
    /// One line a cell.
    List,
}

/// Whether the line says how a table's columns are aligned, as many as `head` has, if it is known.
pub(super) fn is_columns(line: &str, head: Option<&str>) -> bool {
    let cells = cells(line);
    let is_mark = |cell: &String| {
        let dashes = cell.trim_start_matches(':').trim_end_matches(':');
        !dashes.is_empty() && dashes.bytes().all(|byte| byte == b'-') && cell.len() - dashes.len() <= 2
    };
    line.contains('|') && cells.iter().all(is_mark) && head.is_none_or(|head| self::cells(head).len() == cells.len())
}

/// The texts of a row's cells.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim();
    let line = line.strip_prefix('|').unwrap_or(line);
    let mut cells = vec![String::new()];
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('|')) => {
                chars.next();
                cells.last_mut().into_iter().for_each(|cell| cell.push('|'));
            }
            ('|', None) => {}
            ('|', Some(_)) => cells.push(String::new()),
            (c, _) => cells.last_mut().into_iter().for_each(|cell| cell.push(c)),
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

impl Table {
    pub(super) fn new(look: Look, head: &str, columns: &str) -> Self {
        let marks = cells(columns);
        let sides = marks.iter().map(|mark| match (mark.starts_with(':'), mark.ends_with(':')) {
            (true, true) => Side::Middle,
            (false, true) => Side::Right,
            _ => Side::Left,
        });
        let mut table =
            Self { look, sides: sides.collect(), head: Vec::new(), rows: Vec::new(), held: 0, layout: None, count: 0, has_head: false };
        table.head = table.row(head, Style::BOLD);
        table
    }

    /// The same, where the head is out already, as text: it is not shown again.
    pub(super) fn below(look: Look, head: &str, columns: &str) -> Self {
        Self { has_head: true, ..Self::new(look, head, columns) }
    }

    /// Takes a row in; sets what is due.
    pub(super) fn push(&mut self, line: &str, flow: &mut Flow) {
        let row = self.row(line, Style::PLAIN);
        if self.layout.is_some() {
            self.set(&row, flow);
            return;
        }
        self.held += line.len();
        self.rows.push(row);
        if self.rows.len() >= ROWS_MAX || self.held > HELD_MAX {
            self.lay_out(flow);
        }
    }

    /// The table ends.
    pub(super) fn finish(mut self, flow: &mut Flow) {
        if self.layout.is_none() {
            self.lay_out(flow);
        }
    }

    fn row(&self, line: &str, base: Style) -> Vec<Cell> {
        let keep = if self.look.is_plain() { Keep::Marks } else { Keep::Text };
        let mut row: Vec<Cell> = cells(line).iter().map(|cell| self.cell(cell, keep, base)).collect();
        row.resize(self.sides.len(), Cell::new());
        row
    }

    fn cell(&self, text: &str, keep: Keep, base: Style) -> Cell {
        let runs = inline::whole(text, keep).into_iter().filter(|run| !paint::is_left_out(run, self.look));
        runs.map(|run| {
            let pen = paint::pen(&run, base);
            let text = if run.kind.has(Kind::ADDRESS) {
                format!(" ({})", visible::line(&run.text))
            } else {
                visible::lines(&run.text).into_owned()
            };
            (text, pen)
        })
        .collect()
    }

    fn lay_out(&mut self, flow: &mut Flow) {
        let room = flow.room_of(self.look.room());
        let widths = self.widths(room);
        let rows = std::mem::take(&mut self.rows);
        let is_ruled = widths.as_ref().is_some_and(|widths| rows.iter().any(|row| lines_of(row, widths) > 1));
        match widths {
            Some(widths) => {
                if !self.has_head {
                    set_columns(&self.head, &widths, &self.sides, flow);
                }
                rule(&widths, flow);
                self.layout = Some(Layout::Columns { widths, is_ruled });
            }
            None => self.layout = Some(Layout::List),
        }
        rows.iter().for_each(|row| self.set(row, flow));
    }

    fn set(&mut self, row: &[Cell], flow: &mut Flow) {
        match &self.layout {
            Some(Layout::Columns { widths, is_ruled }) => {
                if *is_ruled && self.count > 0 {
                    rule(widths, flow);
                }
                set_columns(row, widths, &self.sides, flow);
            }
            _ => self.set_list(row, flow),
        }
        self.count += 1;
    }

    fn set_list(&self, row: &[Cell], flow: &mut Flow) {
        flow.end_row();
        for (head, cell) in self.head.iter().zip(row) {
            for (text, pen) in head.iter().chain(&[(": ".to_owned(), Pen::default())]).chain(cell) {
                flow.text(text, pen);
            }
            flow.end_row();
        }
        flow.empty_row();
    }

    /// The columns' widths in `room`, each at most what its widest cell takes, one at least; `None`: there are too many.
    fn widths(&self, room: usize) -> Option<Vec<usize>> {
        let count = self.sides.len();
        let room = room.checked_sub(count.saturating_sub(1) * width::of(GAP))?;
        if count > COLUMNS_MAX || room < count * COLUMN_MIN {
            return None;
        }
        let rows = || Some(&self.head).filter(|_| !self.has_head).into_iter().chain(&self.rows);
        let natural: Vec<usize> =
            (0..count).map(|column| rows().filter_map(|row| row.get(column)).map(cell_width).max().unwrap_or(0).max(1)).collect();
        let words: Vec<usize> =
            (0..count).map(|column| rows().filter_map(|row| row.get(column)).map(word_width).max().unwrap_or(0).max(1)).collect();
        if natural.iter().sum::<usize>() <= room {
            return Some(natural);
        }
        // Each column gets its longest word, if there is room; what is left goes, one by one, to that which is wrapped most.
        let mut widths = words;
        for _ in room..widths.iter().sum() {
            let widest = widths.iter_mut().max_by_key(|width| **width).filter(|width| **width > COLUMN_MIN);
            widest.into_iter().for_each(|width| *width -= 1);
        }
        for _ in widths.iter().sum::<usize>()..room {
            let wanting = widths.iter_mut().zip(&natural).filter(|(width, natural)| **width < **natural);
            let neediest = wanting.max_by_key(|(width, natural)| **natural * 1000 / **width);
            neediest.into_iter().for_each(|(width, _)| *width += 1);
        }
        (widths.iter().sum::<usize>() <= room).then_some(widths)
    }
}

fn cell_width(cell: &Cell) -> usize {
    let text: String = cell.iter().map(|(text, _)| text.as_str()).collect();
    text.split('\n').map(width::of).max().unwrap_or(0)
}

fn word_width(cell: &Cell) -> usize {
    let text: String = cell.iter().map(|(text, _)| text.as_str()).collect();
    text.split([' ', '\n']).map(width::of).max().unwrap_or(0)
}

fn lines_of(row: &[Cell], widths: &[usize]) -> usize {
    row.iter().zip(widths).map(|(cell, width)| wrapped(cell, *width).len()).max().unwrap_or(1)
}

/// The cell in rows of at most `room` columns, each with those it takes.
fn wrapped(cell: &Cell, room: usize) -> Vec<(Cell, usize)> {
    let mut rows = Rows { room, done: Vec::new(), row: Cell::new(), taken: 0, space: None };
    for (text, pen) in cell {
        for piece in text.split_inclusive([' ', '\n']) {
            rows.word(piece.trim_end_matches([' ', '\n']), pen);
            match piece.as_bytes().last() {
                Some(b'\n') => rows.end_row(),
                Some(b' ') => rows.space = Some(pen.clone()),
                _ => {}
            }
        }
    }
    rows.end_row();
    rows.done
}

/// The rows of a cell while they are filled.
struct Rows {
    room: usize,
    done: Vec<(Cell, usize)>,
    row: Cell,
    taken: usize,
    space: Option<Pen>,
}

impl Rows {
    fn end_row(&mut self) {
        self.done.push((std::mem::take(&mut self.row), std::mem::take(&mut self.taken)));
        self.space = None;
    }

    fn word(&mut self, word: &str, pen: &Pen) {
        // Longer than a row, or of a script without spaces: broken anywhere.
        let is_splittable = width::of(word) > self.room || word.chars().next().is_some_and(width::is_cjk);
        let mut rest = word;
        while !rest.is_empty() {
            let gap = usize::from(self.space.is_some() && self.taken > 0);
            let left = self.room.saturating_sub(self.taken + gap);
            let (head, columns) = if width::of(rest) <= left || is_splittable { width::head(rest, left) } else { ("", 0) };
            if self.taken > 0 && (head.is_empty() || columns > left || left == 0) {
                self.end_row();
                continue;
            }
            if gap == 1 {
                self.row.push((" ".to_owned(), self.space.take().unwrap_or_default()));
            }
            self.space = None;
            let head = if head.is_empty() { rest } else { head };
            self.row.push((head.to_owned(), pen.clone()));
            self.taken += gap + columns;
            rest = rest.get(head.len()..).unwrap_or_default();
        }
    }
}

fn set_columns(row: &[Cell], widths: &[usize], sides: &[Side], flow: &mut Flow) {
    let cells: Vec<Vec<(Cell, usize)>> = row.iter().zip(widths).map(|(cell, width)| wrapped(cell, *width)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(1);
    for line in 0..height {
        let mut parts = Cell::new();
        let last = cells.len().saturating_sub(1);
        for (column, ((cell, width), side)) in cells.iter().zip(widths).zip(sides).enumerate() {
            let (text, taken) = cell.get(line).map_or((&[][..], 0), |(text, taken)| (text.as_slice(), *taken));
            let space = width.saturating_sub(taken);
            let left = match side {
                Side::Left => 0,
                Side::Middle => space / 2,
                Side::Right => space,
            };
            parts.push((" ".repeat(left), Pen::default()));
            parts.extend(text.iter().cloned());
            if column < last {
                parts.push((" ".repeat(space - left), Pen::default()));
                parts.push((GAP.to_owned(), Style::DIM.into()));
            }
        }
        flow.row(&parts);
    }
}

fn rule(widths: &[usize], flow: &mut Flow) {
    let dashes: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
    flow.row(&[(dashes.join("─┼─"), Style::DIM.into())]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_split_at_pipes_that_are_not_escaped() {
        assert_eq!(cells("| a | b \\| c | |"), ["a", "b | c", ""]);
        assert_eq!(cells("a|b"), ["a", "b"]);
        assert!(is_columns("|:--|--:|", Some("|a|b|")) && is_columns(":-:|-", None));
        assert!(!is_columns("|:--|--:|", Some("|a|")) && !is_columns("| - a |", None) && !is_columns("---", None));
    }
}
