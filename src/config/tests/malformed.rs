//! Texts that nobody would write: mutated, malformed and huge ones. Nothing panics, and each finding has a place.

use super::*;

/// Small, fast and the same everywhere: what matters is that a failure can be played again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides.max(1) as u64).unwrap()
    }
}

/// A text with a few characters or lines removed, doubled, moved or replaced.
fn mutated(text: &str, dice: &mut Dice) -> Vec<u8> {
    const PIECES: &[&str] = &[
        ":",
        "- ",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "'",
        "\n",
        "\t",
        "  ",
        "&a ",
        "*a",
        "!!int ",
        "|",
        ">",
        "#",
        "---\n",
        "? ",
        "<<: ",
        "${",
        "${HOME}",
        "$$",
        "~",
        "-1",
        "999999999999999999999",
        "1e999",
        ".nan",
        "\u{1b}[2J",
        "\u{202e}",
        "ä",
        "\u{0}",
        "\r\n",
        "%YAML 9.9\n",
        "true",
        "off",
        "/",
        "@",
        "sk-0123456789abcdef",
    ];
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=dice.roll(6) {
        let at = dice.roll(bytes.len() + 1);
        let end = (at + dice.roll(20)).min(bytes.len());
        match dice.roll(5) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let copy = bytes[at..end].to_vec();
                let to = dice.roll(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            2 => drop(bytes.splice(at..at, PIECES[dice.roll(PIECES.len())].bytes())),
            3 if at < bytes.len() => bytes[at] = u8::try_from(dice.roll(256)).unwrap(),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

#[test]
fn mutated_configs_never_panic_and_always_render() {
    let seed = std::env::var("AIMUX_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5eed_u64);
    let mut texts: Vec<String> = vec![std::fs::read_to_string(root().join("tests/fixtures/config/mistakes.yaml")).unwrap()];
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        texts.push(std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    let variables = environment(&[("HOME", "x"), ("AIMUX_SERVER__LISTEN", "127.0.0.1:1")]);
    for round in 0..4000_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (round + 1));
        let text = &texts[dice.roll(texts.len())];
        let bytes = mutated(text, &mut dice);
        let (checked, report) = examine("fuzz", &bytes, &Options::default(), &variables, &no_keys());
        assert!(checked.is_some() || report.errors() > 0, "seed {seed} round {round}");
        let shown = report.render();
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "seed {seed} round {round}: {shown:?}");
        for found in &report.diagnostics {
            report.position(found.span);
        }
    }
}

#[test]
fn a_malformed_corpus_is_refused_with_a_place() {
    let deep = format!("a: {}1{}", "[".repeat(500), "]".repeat(500));
    let wide = format!("a: [{}]", "x,".repeat(60_000));
    let corpus: &[&[u8]] = &[
        b"\xff\xfe\x00",
        b"\x00",
        b"version: 1\xc3",
        b"{",
        b"}",
        b"[",
        b"]",
        b"\"",
        b"'",
        b"- - - -",
        b"? ?",
        b": :",
        b"&",
        b"*a",
        b"!",
        b"|",
        b">",
        b"%",
        b"@",
        b"`",
        b"a: 'b",
        b"a: \"\\q\"",
        b"a:\n b\n  c: d",
        b"a: b\n  c: d",
        b"a: [b\nc: d",
        b"{a: b, a}",
        b"--- a\n--- b",
        b"a: &x {b: *x}",
        b"\t",
        b"a: b: c",
        deep.as_bytes(),
        wide.as_bytes(),
        b"",
        b"null",
        b"[]",
        b"5",
        b"version",
        b"version:",
        b"? {a: b}\n: c",
    ];
    for bytes in corpus {
        let (_, report) = examine("corpus", bytes, &Options::default(), &environment(&[]), &no_keys());
        assert!(report.errors() > 0, "{:?}", String::from_utf8_lossy(bytes));
        let (line, column) = report.position(report.diagnostics[0].span);
        assert!(line >= 1 && column >= 1 && report.render().contains(&format!("corpus:{line}:{column}")));
    }
}

#[test]
fn a_file_of_the_largest_size_is_checked_in_reasonable_time() {
    let line = "  m: [p/x, p/y]\n";
    let lines: String = (0..).map(|index| line.replace("m:", &format!("m{index}:"))).take(12_000).collect();
    let text = with(&format!("models:\n{lines}"));
    assert!((text.len() as u64) < load::FILE_MAX);
    let started = std::time::Instant::now();
    report(&text);
    assert!(started.elapsed().as_secs() < 20);
}
