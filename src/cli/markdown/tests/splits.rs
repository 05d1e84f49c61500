//! However a text is cut, the same bytes come out, and on a screen the same signs stand.

use proptest::prelude::*;

use super::*;
use crate::cli::markdown::source::REACH;

/// The text in pieces of the given lengths, again and again, none of them cutting a sign.
fn pieces<'a>(text: &'a str, lengths: &[usize]) -> Vec<&'a str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let mut end = (*length).clamp(1, rest.len());
        while !rest.is_char_boundary(end) {
            end += 1;
        }
        let (piece, more) = rest.split_at(end);
        pieces.push(piece);
        rest = more;
    }
    pieces
}

fn set_in_pieces(pieces: &[&str], look: Look) -> String {
    let mut markdown = Markdown::new(look, Tone::Normal);
    let out: String = pieces.iter().map(|piece| markdown.push(piece)).collect();
    out + &markdown.finish()
}

/// Text of what Markdown is made of, mostly.
fn markdown() -> impl Strategy<Value = String> {
    let parts = [
        "*",
        "**",
        "***",
        "_",
        "__",
        "~~",
        "`",
        "``",
        "```",
        "[",
        "](",
        ")",
        "![",
        "<",
        ">",
        "<br>",
        "<b>",
        "https://a.b/c_d",
        "http",
        "&amp;",
        "&",
        "$",
        "$$",
        "\\(",
        "\\)",
        "\\",
        "\\*",
        "|",
        "|---|",
        "| a | b |\n|---|--:|\n",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        " ",
        "  ",
        "    ",
        "\t",
        "- ",
        "* ",
        "1. ",
        "2) ",
        "- [ ] ",
        "> ",
        "# ",
        "###",
        "---",
        "===",
        "~~~",
        "```rust\n",
        "a",
        "word",
        "two words",
        "日本",
        "。",
        "é",
        "e\u{301}",
        "👩\u{200d}👧",
        "\u{1b}[2J",
        "\u{7}",
        "\u{202e}",
        "5",
        "x_y",
        "(",
        ".",
        ",",
        "!",
        "\"t\"",
        "$$\n",
        "<div>\n",
        "[^1]: ",
    ];
    prop::collection::vec(prop::sample::select(parts.to_vec()), 0..60).prop_map(|parts| parts.concat())
}

/// A screen of 60 columns, as if it had so many rows that nothing scrolls away.
fn screen(bytes: &str) -> String {
    let mut parser = vt100::Parser::new(400, 60, 0);
    parser.process(bytes.replace('\n', "\r\n").as_bytes());
    parser.screen().contents()
}

const NARROW: Look = Look { width: 60, ..LOOK };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_cut_gives_the_same_bytes(text in markdown(), lengths in prop::collection::vec(1..9_usize, 1..5)) {
        prop_assert_eq!(set_in_pieces(&pieces(&text, &lengths), NARROW), set(&text, NARROW));
    }

    #[test]
    fn nothing_that_a_terminal_obeys_comes_through(text in markdown()) {
        let out = set(&text, Look { paint: Paint::Plain, ..LOOK });
        let bad = out.chars().find(|c| visible::is_hidden(*c) && *c != '\n');
        prop_assert_eq!(bad, None, "{:?}", out);
    }

    #[test]
    fn what_waits_leaves_no_trace_on_the_screen(text in markdown(), lengths in prop::collection::vec(1..9_usize, 1..5)) {
        let mut live = Live::new(NARROW, Tone::Normal);
        let shown: String = pieces(&text, &lengths).iter().map(|piece| live.push(piece)).collect();
        prop_assert_eq!(screen(&(shown + &live.finish())), screen(&set(&text, NARROW)));
    }

    #[test]
    fn no_row_of_prose_is_wider_than_the_terminal(text in "[a-z *_`>é日\\-1.]{0,200}(\n[a-z *_`>日\\-1.]{0,200}){0,4}", width in 20..120_usize) {
        let out = set(&text, Look { width, paint: Paint::Plain, links: Links::Spelt });
        let is_code = out.contains("──") || text.lines().any(|line| line.contains("    ") || line.contains("``"));
        for line in out.lines().filter(|_| !is_code) {
            prop_assert!(width::of(line) <= width, "{:?} in {}", line, width);
        }
    }
}

#[test]
fn documents_are_the_same_sign_by_sign() {
    for text in DOCUMENTS {
        for look in [NARROW, Look { width: 200, links: Links::Live, ..LOOK }, Look { paint: Paint::Plain, ..LOOK }] {
            assert_eq!(set_in_pieces(&pieces(text, &[1]), look), set(text, look));
            assert_eq!(set_in_pieces(&pieces(text, &[3, 7]), look), set(text, look));
        }
    }
}

#[test]
fn a_mark_and_its_counterpart_are_joined_up_to_their_reach_however_they_are_cut() {
    for length in [REACH - 40, REACH - 2, REACH, REACH + 40] {
        for (open, close) in [("**", "**"), ("`", "`"), ("[", "](http://a)"), ("<a ", ">"), ("\\(", "\\)"), ("$", "$"), ("https://", " ")] {
            let text = format!("so {open}{} {close} *x* `y` and on", "a_b".repeat(length / 3));
            assert_eq!(set_in_pieces(&pieces(&text, &[1]), LOOK), set(&text, LOOK), "{open} {length}");
        }
    }
}

#[test]
fn text_comes_word_by_word_and_not_by_the_paragraph() {
    let mut markdown = Markdown::new(Look { paint: Paint::Plain, ..LOOK }, Tone::Normal);
    assert_eq!(markdown.push("One word"), "One");
    assert_eq!(markdown.push("s and more"), " words and");
    assert_eq!(markdown.push(" **of"), " more");
    assert_eq!(markdown.push(" it** and"), " **of it**");
    assert_eq!(markdown.finish(), " and\n");
}

#[test]
fn what_waits_is_shown_and_taken_away() {
    let mut live = Live::new(Look { paint: Paint::Plain, ..LOOK }, Tone::Normal);
    let mut out = live.push("a **bo");
    assert!(screen(&out).ends_with("a **bo**"), "{out:?}");
    assert_eq!(live.push(""), "", "what has not changed is not written again");
    out += &live.push("ld** `co");
    assert!(screen(&out).ends_with("a **bold** `co`"), "{out:?}");
    out += &live.finish();
    assert_eq!(screen(&out), "a **bold** `co");
    let mut live = Live::new(LOOK, Tone::Normal);
    let rows = live.push("| a | b |\n|---|---|\n| 1 | 2");
    assert!(screen(&rows).contains("| 1 | 2"), "{rows:?}");
    assert!(screen(&(rows + &live.finish())).contains("1 │ 2"));
}
