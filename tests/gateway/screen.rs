//! `aimux route` on a terminal: keys are typed and the screen is read, as a terminal emulator understands it.

use std::path::Path;
use std::time::Duration;

use crate::oneshot::{before, route, run, saying, stderr, stdout};
use crate::replies::{Speaks, text, thinking};
use crate::terminal::{Terminal, place};
use crate::upstream::{Act, Upstream};

const DOCUMENTS: [(&str, &str); 4] = [
    ("review", include_str!("../fixtures/markdown/review.md")),
    ("models", include_str!("../fixtures/markdown/models.md")),
    ("prose", include_str!("../fixtures/markdown/prose.md")),
    ("lists", include_str!("../fixtures/markdown/lists.md")),
];

/// What a screen of so many columns shows of an answer, which must be all well.
fn shown(home: &Path, args: &[&str], columns: u16, variables: &[(&str, &str)]) -> (vt100::Screen, String) {
    let (code, screen, bytes) = Terminal::start(&route(home, args), columns, variables).end();
    assert_eq!(code, Some(0), "{bytes}");
    (screen, bytes)
}

#[test]
fn answers_are_set_as_markdown_at_80_and_200_columns() {
    for (name, document) in DOCUMENTS {
        let upstream = saying(Speaks::Chat, document);
        let home = before(Speaks::Chat, &upstream);
        for columns in [80, 200] {
            let (screen, _) = shown(home.path(), &["hi"], columns, &[]);
            let rows: String = screen.rows(0, columns).map(|row| row.trim_end().to_owned() + "\n").collect();
            let seen = rows.trim_end().to_owned() + "\n";
            let path = format!("{}/tests/fixtures/markdown/{name}.{columns}.txt", env!("CARGO_MANIFEST_DIR"));
            if std::env::var_os("AIMUX_TEST_BLESS").is_some() {
                std::fs::write(&path, &seen).unwrap();
            }
            let stored = std::fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(seen, stored, "{path}: look at it, then run the test once with AIMUX_TEST_BLESS=1");
        }
    }
}

#[test]
fn what_is_emphasised_stands_out_on_the_screen() {
    let upstream = saying(Speaks::Anthropic, DOCUMENTS[0].1);
    let home = before(Speaks::Anthropic, &upstream);
    let (screen, _) = shown(home.path(), &["hi"], 80, &[]);
    let cell = |words: &str| {
        let (row, column) = place(&screen, 80, words);
        screen.cell(row, column).unwrap().clone()
    };
    assert!(cell("Review of").bold() && cell("Review of").underline());
    assert!(cell("mostly right").bold() && cell("taste").italic() && !cell("things should").bold());
    assert!(cell("// The permit").dim() && cell("async fn").fgcolor() == vt100::Color::Idx(5));
    let (removed, added) = (cell("-        self"), cell("+        // After"));
    assert!(removed.fgcolor() == vt100::Color::Idx(1) && added.fgcolor() == vt100::Color::Idx(2));
}

#[test]
fn answers_that_are_compared_are_set_like_one_alone() {
    let upstream = saying(Speaks::Chat, "# Found\n\nIt is **here**.");
    let home = before(Speaks::Chat, &upstream);
    let (screen, _) = shown(home.path(), &["hi", "--compare", "a,b"], 80, &[]);
    let rows: Vec<String> = screen.rows(0, 80).map(|row| row.trim_end().to_owned()).collect();
    assert_eq!(rows[..10], ["── a ──", "", "Found", "", "It is here.", "", "── b ──", "", "Found", ""], "{rows:#?}");
    assert!(rows[12].starts_with("MODEL  ANSWERED BY   FIRST TOKEN"), "{rows:#?}");
    let (row, column) = place(&screen, 80, "here");
    assert!(screen.cell(row, column).unwrap().bold());
}

#[test]
fn what_is_explained_is_wrapped_behind_its_labels() {
    let upstream = saying(Speaks::Chat, "");
    let home = before(Speaks::Chat, &upstream);
    let (screen, _) = shown(home.path(), &["hi", "--explain"], 60, &[]);
    let rows: Vec<String> = screen.rows(0, 60).map(|row| row.trim_end().to_owned()).collect();
    assert!(
        rows[0].starts_with("request  role main, ") && rows[1].starts_with("         ") && rows.iter().all(|row| row.len() < 60),
        "{rows:#?}"
    );
}

#[test]
fn options_and_variables_say_how_it_looks() {
    let upstream = saying(Speaks::Chat, "# T\n\n**b** [a](http://u)\n");
    let home = before(Speaks::Chat, &upstream);
    let on_terminal =
        |args: &[&str], variables: &[(&str, &str)]| shown(home.path(), &[&["hi"], args].concat(), 80, variables).1.replace('\r', "");
    let coloured = on_terminal(&[], &[]);
    assert!(coloured.contains("\u{1b}[1mb\u{1b}[0m") && coloured.contains("(http://u)"), "{coloured:?}");
    assert!(on_terminal(&[], &[("TERM", "xterm-kitty")]).contains("\u{1b}]8;;http://u\u{1b}\\"));
    for (args, variables) in [(&["--color", "never"][..], &[][..]), (&[], &[("NO_COLOR", "1")])] {
        let out = on_terminal(args, variables);
        let styles = out.replace("\u{1b}[0m", "").contains("\u{1b}[1");
        assert!(!styles && out.contains("**b**") && !out.contains("](http"), "{out:?}");
    }
    let (dumb, bytes) = shown(home.path(), &["hi"], 80, &[("TERM", "dumb")]);
    assert_eq!(dumb.contents().trim_end(), "# T\n\n**b** a (http://u)");
    assert!(!bytes.contains("\u{1b}7"), "a dumb terminal cannot go back: {bytes:?}");
    let (raw, _) = shown(home.path(), &["hi", "--raw"], 80, &[]);
    assert_eq!(raw.contents().trim_end(), "# T\n\n**b** [a](http://u)");
    let piped = |args: &[&str]| stdout(&run(home.path(), &[&["hi"], args].concat()));
    assert_eq!(piped(&[]), "# T\n\n**b** [a](http://u)\n");
    assert_eq!(piped(&["--color", "always", "--raw"]), "# T\n\n**b** [a](http://u)\n");
    assert_eq!(
        piped(&["--color", "always"]),
        "\u{1b}[1;4;35mT\u{1b}[0m\n\n\u{1b}[1mb\u{1b}[0m \u{1b}[4ma\u{1b}[0m\u{1b}[2m (http://u)\u{1b}[0m\n"
    );
}

#[test]
fn reasoning_is_dimmed_on_a_terminal_and_left_out_in_a_pipe() {
    let upstream = Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[thinking("let me *see*"), text("the answer")]));
    let home = before(Speaks::Anthropic, &upstream);
    let (screen, _) = shown(home.path(), &["hi"], 80, &[]);
    assert_eq!(screen.contents().trim_end(), "let me see\n\nthe answer");
    assert!(screen.cell(0, 0).unwrap().dim() && !screen.cell(2, 0).unwrap().dim());
    let (screen, _) = shown(home.path(), &["hi", "--reasoning", "hide"], 80, &[]);
    assert_eq!(screen.contents().trim_end(), "the answer");
    let output = run(home.path(), &["hi"]);
    assert_eq!((stdout(&output).as_str(), stderr(&output).as_str()), ("the answer\n", ""));
    let output = run(home.path(), &["hi", "--reasoning", "show"]);
    assert_eq!(stdout(&output), "the answer\n");
    assert!(stderr(&output).contains("let me *see*"));
}

#[test]
fn what_waits_is_on_the_screen_until_ctrl_c_ends_it_cleanly() {
    let upstream = Upstream::start(move |seen, _| {
        let answer = Speaks::Chat.answer(seen, &[text("one **two thr"), text("ee** four")]);
        let is_last = |act: &Act| matches!(act, Act::Bytes(bytes) if String::from_utf8_lossy(bytes).contains("ee** four"));
        let last = answer.acts.iter().position(is_last).unwrap_or(answer.acts.len() - 1);
        answer.pause(last, Duration::from_secs(60))
    });
    let home = before(Speaks::Chat, &upstream);
    let mut terminal = Terminal::start(&route(home.path(), &["hi"]), 80, &[]);
    terminal.until("one two");
    let (row, column) = place(&terminal.screen(), 80, "two");
    assert!(terminal.screen().cell(row, column).unwrap().bold(), "it is shown as it is likely to be");
    terminal.types("\u{3}");
    let (code, screen, bytes) = terminal.end();
    assert_eq!(code, Some(130), "{bytes:?}");
    assert!(screen.contents().starts_with("one **two"), "what was not settled is text: {:?}", screen.contents());
    assert!(!bytes.rsplit('\n').next().unwrap().contains("\u{1b}["), "no style is left open: {bytes:?}");
}

#[test]
fn escape_sequences_of_an_answer_are_shown_on_a_terminal() {
    let upstream =
        saying(Speaks::Chat, "a\u{1b}[2Jb\u{1b}]0;title\u{7}\n\n`c\u{9b}31m`\n\n```\n\u{1b}[1A\n```\n\n| \u{8}x |\n|---|\n| \u{202e} |\n");
    let home = before(Speaks::Chat, &upstream);
    let (screen, bytes) = shown(home.path(), &["hi"], 80, &[]);
    let contents = screen.contents();
    for words in ["a\\u{1b}[2Jb\\u{1b}]0;title\\u{7}", "c\\u{9b}31m", "\\u{1b}[1A", "\\u{8}x", "\\u{202e}"] {
        assert!(contents.contains(words), "{words}: {contents}");
    }
    assert!(!bytes.contains("\u{1b}[2J") && !bytes.contains("\u{1b}]0") && !bytes.contains(['\u{9b}', '\u{8}', '\u{202e}']));
}
