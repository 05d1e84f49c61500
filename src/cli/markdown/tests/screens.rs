//! Short texts and their rows.

use super::*;

#[test]
fn blocks_stand_where_their_marks_say() {
    for (text, rows) in [
        ("one\ntwo  \nthree", "one\ntwo\nthree\n"),
        ("a\n\n\n\nb", "a\n\nb\n"),
        ("# T\ntext", "# T\ntext\n"),
        ("text\n## T ##\n", "text\n\n## T\n"),
        ("- a\n- b\n  - c\n    d\n- e", "• a\n• b\n  ◦ c\n    d\n• e\n"),
        ("1. a\n2. b\n10. c\n    more", "1. a\n2. b\n10. c\n    more\n"),
        ("1. a\n  - b\n2. c", "1. a\n   ◦ b\n2. c\n"),
        ("- [ ] a\n- [x] b\n1. [X] c", "☐ a\n☑ b\n1. ☑ c\n"),
        ("-\n- a", "• \n• a\n"),
        ("> a\n> > b\n>\n> c\nlazy", "│ a\n│ │ b\n│\n│ c\n│ lazy\n"),
        ("> a\n\nb", "│ a\n\nb\n"),
        ("- a\n\n  b\n\nc", "• a\n\n  b\n\nc\n"),
        ("***", "───────────────────────────────────────\n"),
        ("a\n---\nb", "a\n───────────────────────────────────────\nb\n"),
        ("<details>\n<b>x</b> *y*\n\n*z*", "<details>\n<b>x</b> *y*\n\n*z*\n"),
        ("$$\na_1 * b_1\n$$\nx", "$$\na_1 * b_1\n$$\nx\n"),
        ("[^1] x\n\n[^1]: y", "[^1] x\n\n[^1]: y\n"),
        ("a&nbsp;b &lt;c&gt; &#65; &#x1b; &unknown;", "a\u{a0}b <c> A \\u{1b} &unknown;\n"),
        ("see [a](http://b) or [http://c](http://c)", "see a (http://b) or http://c\n"),
        ("![pic](http://b/c.png)", "pic (http://b/c.png)\n"),
        ("    code\n\n    more\ntext", "    code\n\n    more\ntext\n"),
        ("a\rb\r\nc", "a\\rb\nc\n"),
        ("", ""),
        ("\n\n", ""),
    ] {
        assert_eq!(plain(text), rows, "{text:?}");
    }
}

#[test]
fn code_is_left_as_it_is() {
    let rule = "─".repeat(39);
    let code = |inner: &str, name: &str| format!("── {name} {}\n{inner}\n{rule}\n", "─".repeat(35 - name.len()));
    assert_eq!(plain("```rs\na  **b**\n\n\tc\n```"), code("a  **b**\n\n    c", "rs"));
    assert_eq!(plain("~~~py\n```\n~~~~"), code("```", "py"));
    assert_eq!(plain("```sh\nnever closed"), code("never closed", "sh"));
    let long = "x ".repeat(60) + "y";
    assert_eq!(plain(&format!("```sh\n{long}\n```")), code(&long, "sh"), "a long line is left to the terminal");
    assert_eq!(
        plain("1. a\n   ```sh\n   b\n   ```\n2. c"),
        format!("1. a\n   ── sh {}\n   b\n   {}\n2. c\n", "─".repeat(30), "─".repeat(36))
    );
}

#[test]
fn tables_are_aligned_and_wrapped() {
    assert_eq!(
        plain("| a | b | c |\n|:-:|--:|---|\n| long | 1 | x |\n| y | 22 |"),
        " a   │  b │ c\n─────┼────┼──\nlong │  1 │ x\n y   │ 22 │ \n"
    );
    assert_eq!(
        plain("x|y\n-|-\n1|2\n\nend"),
        "x|y\n──┼──\n1 │ 2\n\nend\n",
        "a head without its first pipe is out when the table is known, and is not shown twice"
    );
    assert_eq!(plain("| not a table |\nmore"), "| not a table |\nmore\n");
    let wrapped = plain("| key | value |\n|---|---|\n| a | some words that do not fit into forty columns |\n| b | `x` |");
    assert_eq!(
        wrapped,
        "key │ value\n────┼──────────────────────────────────\na   │ some words that do not fit into\n    │ forty columns\n────┼──────────────────────────────────\nb   │ `x`\n"
    );
    let wide = format!("|{}\n|{}\n|{}", "h|".repeat(12), "-|".repeat(12), "v|".repeat(12));
    assert_eq!(plain(&wide), "h: v\n".repeat(12) + "\n", "too many columns are a list");
}

#[test]
fn links_are_live_where_the_terminal_has_them() {
    let look = Look { links: Links::Live, ..LOOK };
    assert_eq!(set("[a](https://b/ü)", look), "\u{1b}]8;;https://b/%C3%BC\u{1b}\\\u{1b}[4ma\u{1b}]8;;\u{1b}\\\u{1b}[0m\n");
    assert_eq!(set("[a](file:///etc)", look), "\u{1b}[4ma\u{1b}[0m\u{1b}[2m (file:///etc)\u{1b}[0m\n", "only the web and mail");
    let evil = set("[a](<https://b/\u{1b}\\\u{7}>)", look);
    assert_eq!(evil, "\u{1b}]8;;https://b/%1B\\%07\u{1b}\\\u{1b}[4ma\u{1b}]8;;\u{1b}\\\u{1b}[0m\n");
}

#[test]
fn escape_sequences_are_shown_wherever_they_stand() {
    let evil = "\u{1b}[2J";
    for text in [
        format!("a{evil}"),
        format!("# {evil}"),
        format!("- {evil}"),
        format!("`{evil}`"),
        format!("```{evil}\n{evil}\n```"),
        format!("| {evil} |\n|---|\n| {evil} |"),
        format!("[{evil}](http://{evil})"),
        format!("<{evil}>"),
        format!("**{evil}"),
        format!("<div {evil}>\n"),
    ] {
        let mut live = Live::new(Look { paint: Paint::Plain, ..LOOK }, Tone::Normal);
        let mut out: String = text.split_inclusive(' ').map(|piece| live.push(piece)).collect();
        out += &live.finish();
        assert!(!out.contains(evil) && out.contains("\\u{1b}"), "{text:?}: {out:?}");
    }
}

#[test]
fn reasoning_is_dimmed_as_a_whole() {
    let mut markdown = Markdown::new(LOOK, Tone::Dim);
    let out = markdown.push("a **b** `c`\n") + &markdown.finish();
    assert_eq!(out, "\u{1b}[2ma \u{1b}[0m\u{1b}[1;2mb\u{1b}[0m\u{1b}[2m c\u{1b}[0m\n");
}

#[test]
fn a_window_that_becomes_another_is_heeded_from_the_next_row_on() {
    let mut markdown = Markdown::new(Look { width: 60, paint: Paint::Plain, ..LOOK }, Tone::Normal);
    let mut out = markdown.push(&"word ".repeat(20));
    markdown.resize(30);
    out += &(markdown.push(&"word ".repeat(20)) + &markdown.finish());
    let rows: Vec<usize> = out.lines().map(str::len).collect();
    assert!(rows[0] == 59 && rows[2..].iter().all(|row| *row <= 29), "{rows:?}");
}
