//! Long and odd texts: the time grows with the length, and what is held is bounded.

use std::time::{Duration, Instant};

use super::*;

/// Far more than any of these takes, even without optimisation on a busy machine; less than anything quadratic would.
const LONG: Duration = Duration::from_secs(60);

/// Sets `bytes` of the pattern, in pieces; the most that is held afterwards.
fn held(pattern: &str, bytes: usize, piece: usize) -> usize {
    let text = pattern.repeat(bytes / pattern.len() + 1);
    let start = Instant::now();
    let mut markdown = Markdown::new(LOOK, Tone::Normal);
    let (mut at, mut written, mut most) = (0, 0, 0);
    while at < text.len() {
        let mut end = (at + piece).min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        written += markdown.push(&text[at..end]).len();
        at = end;
        if written < at {
            most = most.max(at - written);
        }
        assert!(start.elapsed() < LONG, "{pattern:?} is slow: {at} bytes took {:?}", start.elapsed());
    }
    markdown.finish();
    most
}

#[test]
fn odd_texts_take_time_that_grows_with_their_length() {
    for pattern in [
        "*",
        "_",
        "`",
        "``a",
        "[",
        "](",
        "[a](",
        "![",
        "<",
        "<a ",
        "&",
        "$",
        "$$",
        "\\(",
        "\\",
        "~",
        "#",
        "-",
        "|",
        "=",
        ">",
        "> ",
        "- ",
        " ",
        "\t",
        "1. ",
        "*a ",
        "*a _b ",
        "a* ",
        "a_ b* ",
        "**a* ",
        "`a ``b ",
        "*a `b [c ",
        "| a ",
        "|-",
        "\u{301}",
        "日",
        "👩\u{200d}",
        "\u{1b}",
        "a",
        "http://",
        "https://a",
        "\r",
        "a\r",
        "```\n",
        "> > > > > > > > > > > > > > > > > > > > > > > > > > > > a\n",
        "- - - - - - - - - - - - - - - - - - - - - - - - a\n",
        "- a\n",
        "| a | b |\n|---|---|\n",
        "| a |\n",
        "$$\na\n",
        "<div>\n",
        "***a*** b [c](d) `e`\n",
        "a|b\n---|---\n",
        "[a]: b\n",
        "<!-- a\n",
    ] {
        let most = held(pattern, 60_000, 16 * 1024);
        assert!(most < 600_000, "{pattern:?} holds {most} bytes");
    }
}

#[test]
fn words_one_by_one_take_time_that_grows_with_their_length() {
    for pattern in ["*a _b ", "`a ``b ", "[a](b ", "-", "a* b_ ", "<a "] {
        held(pattern, 12_000, 3);
    }
}

#[test]
fn a_long_document_holds_a_block_and_not_more() {
    let most = held(&DOCUMENTS.concat(), 400_000, 64);
    assert!(most < 64 * 1024, "{most}");
    let most = held("| a cell | another |\n", 1_000_000, 64);
    assert!(most < 1_000_000, "a table without an end is set by its first rows");
}

#[test]
fn a_line_of_a_megabyte_is_set_in_rows_and_a_line_of_code_is_left_whole() {
    let line = "word ".repeat(200_000);
    assert!(set(&line, LOOK).lines().count() > 10_000);
    let code = format!("```\n{}\n```\n", "x".repeat(1_000_000));
    let longest = set(&code, LOOK).lines().map(str::len).max();
    assert_eq!(longest, Some(1_000_000));
}
