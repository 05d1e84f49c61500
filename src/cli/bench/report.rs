//! What a bench has found, as its users read it: tables in Markdown, and the same as JSON.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

/// Writes a table, its columns as wide as their widest cells.
pub(super) fn table<const N: usize>(out: &mut String, head: &[&str; N], rows: impl Iterator<Item = [String; N]>) {
    let rows: Vec<[String; N]> = rows.collect();
    let head = head.map(str::to_owned);
    let mut widths = head.each_ref().map(|cell| cell.width());
    for row in &rows {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = cell.width().max(*width));
    }
    let line = |out: &mut String, cells: &[String; N]| {
        for (cell, width) in cells.iter().zip(widths) {
            let _ = write!(out, "| {cell}{} ", " ".repeat(width.saturating_sub(cell.width())));
        }
        out.push_str("|\n");
    };
    line(out, &head);
    line(out, &widths.map(|width| "-".repeat(width)));
    rows.iter().for_each(|row| line(out, row));
}
