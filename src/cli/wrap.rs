//! Lines of prose for a terminal, broken at spaces before its edge. No I/O, no styles: those come around what is wrapped.

use super::markdown::columns;

/// Fewer columns than these are not wrapped for: every row would be a word.
const ROOM_MIN: usize = 20;

/// One line as rows of at most `room` columns. A word longer than a row stands on one of its own, whole: it may be there to be copied.
pub(crate) fn rows(line: &str, room: usize) -> Vec<&str> {
    if room < ROOM_MIN || columns(line) <= room {
        return vec![line];
    }
    let (mut rows, mut from, mut end) = (Vec::new(), 0, 0);
    for (at, word) in words(line) {
        let row = line.get(from..at + word.len()).unwrap_or_default();
        if end > from && columns(row) > room {
            rows.push(line.get(from..end).unwrap_or_default());
            from = at;
        }
        end = at + word.len();
    }
    rows.push(line.get(from..).unwrap_or_default());
    rows
}

/// Each line of `text` in a terminal of `width` columns; rows that go on with a line are indented by `indent`.
pub(crate) fn hanging(text: &str, indent: usize, width: usize) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let (head, rest) = line.char_indices().nth(indent).map_or((line, ""), |(at, _)| line.split_at(at));
        out += head;
        out += &rows(rest, width.saturating_sub(indent)).join(&format!("\n{:indent$}", ""));
        out.push('\n');
    }
    out
}

/// The words of a line and where each begins.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut next = 0;
    let placed = line.split(' ').map(move |word| {
        let at = next;
        next = at + word.len() + 1;
        (at, word)
    });
    placed.filter(|(_, word)| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_ends_before_the_word_that_has_no_room() {
        assert_eq!(rows("no units are installed; the system starts it", 24), ["no units are installed;", "the system starts it"]);
        assert_eq!(rows("exactly twenty four wide", 24), ["exactly twenty four wide"]);
        assert_eq!(rows("see https://example.com/a/long/address there", 20), ["see", "https://example.com/a/long/address", "there"]);
        assert_eq!(rows("", 24), [""]);
        assert_eq!(rows("日本語 日本語 日本語 日本語", 21), ["日本語 日本語 日本語", "日本語"], "two columns a sign");
        assert_eq!(rows("too narrow to wrap", 3), ["too narrow to wrap"]);
    }

    #[test]
    fn rows_that_go_on_with_a_line_are_indented() {
        let text = "note     decided here, with what is known\nneeds    a window\n";
        let wrapped = "note     decided here, with what\n         is known\nneeds    a window\n";
        assert_eq!(hanging(text, 9, 32), wrapped);
    }
}
