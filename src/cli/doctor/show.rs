//! The findings as text and as JSON.

use serde::Serialize;

use super::finding::{Finding, Group, Level};
use crate::cli::{output, wrap};
use crate::config::Environment;
use crate::error::Error;

/// The marks before the findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    Unicode,
    /// For terminals and locales that have no others.
    Ascii,
}

impl Marks {
    /// Those that the terminal can show, by the variables that say so.
    pub(super) fn of(environment: &Environment) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| environment.get(name)).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        let is_utf8 = locale.contains("utf-8") || locale.contains("utf8");
        let is_dumb = matches!(environment.get("TERM"), Some("dumb" | "linux"));
        if is_utf8 && !is_dumb { Self::Unicode } else { Self::Ascii }
    }

    pub(super) fn mark(self, level: Level) -> &'static str {
        match (self, level) {
            (Self::Unicode, Level::Ok) => "✓",
            (Self::Unicode, Level::Error) => "✗",
            (Self::Ascii, Level::Ok) => "+",
            (Self::Ascii, Level::Error) => "x",
            (_, Level::Warning) => "!",
        }
    }
}

impl Marks {
    /// The mark of what does not apply.
    pub(super) fn dash(self) -> &'static str {
        if self == Self::Unicode { "–" } else { "-" }
    }
}

/// Columns before what is said of a finding.
const INDENT: usize = 4;

/// How many of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Counts {
    ok: usize,
    warnings: usize,
    errors: usize,
}

fn counts(findings: &[Finding]) -> Counts {
    let of = |level: Level| findings.iter().filter(|finding| finding.level == level).count();
    Counts { ok: of(Level::Ok), warnings: of(Level::Warning), errors: of(Level::Error) }
}

/// The worst of all.
pub(super) fn worst(findings: &[Finding]) -> Level {
    findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
}

/// The report for people. Its colours are taken out where nobody wants them, by whoever writes it.
///
/// Prose is wrapped at `width` columns; a command stays on its line, to be copied.
pub(super) fn text(findings: &[Finding], marks: Marks, width: usize) -> String {
    let wrapped = |text: &str| wrap::rows(&line(text, marks), width.saturating_sub(INDENT)).join(&format!("\n{:INDENT$}", ""));
    let mut out = String::new();
    for group in Group::ALL {
        let of_group: Vec<&Finding> = findings.iter().filter(|finding| finding.group == group).collect();
        if of_group.is_empty() {
            continue;
        }
        out += &format!("\x1b[1m{}\x1b[0m\n", group.title());
        for finding in of_group {
            let colour = finding.level.colour();
            out += &format!("  \x1b[{colour}m{}\x1b[0m {}\n", marks.mark(finding.level), wrapped(&finding.what));
            for why in finding.why.iter().flat_map(|why| why.lines()) {
                out += &format!("{:INDENT$}{}\n", "", wrapped(why));
            }
            if let Some(mend) = &finding.mend {
                out += &format!("    mend: {}\n", line(mend, marks));
            }
        }
        out.push('\n');
    }
    let Counts { ok, warnings, errors } = counts(findings);
    let noun = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    out += &format!("{ok} in order, {}, {}\n", noun(warnings, "warning"), noun(errors, "error"));
    out
}

/// One line, with nothing in it that a terminal would obey.
pub(super) fn line(text: &str, marks: Marks) -> String {
    let text = output::printable(text).replace('\n', " ");
    if marks == Marks::Unicode {
        text
    } else {
        text.replace('…', "...").replace(['–', '—'], "-").replace('→', "->").replace('•', "*")
    }
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Shown<'a> {
    version: &'static str,
    worst: Level,
    counts: Counts,
    findings: &'a [Finding],
}

impl<'a> Shown<'a> {
    pub(super) fn new(findings: &'a [Finding]) -> Self {
        Self { version: env!("CARGO_PKG_VERSION"), worst: worst(findings), counts: counts(findings), findings }
    }
}

/// The report for programs.
///
/// # Errors
/// When it cannot be written as JSON.
pub(super) fn json(findings: &[Finding]) -> Result<String, Error> {
    output::json(&Shown::new(findings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_ascii_where_the_locale_or_the_terminal_wants_it() {
        for (pairs, marks) in [
            (&[("LANG", "en_GB.UTF-8")][..], Marks::Unicode),
            (&[("LC_ALL", "C.utf8"), ("LANG", "C")], Marks::Unicode),
            (&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")], Marks::Ascii),
            (&[("LANG", "en_GB.UTF-8"), ("TERM", "dumb")], Marks::Ascii),
            (&[], Marks::Ascii),
        ] {
            let environment = Environment::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            assert_eq!(Marks::of(&environment), marks, "{pairs:?}");
        }
    }

    #[test]
    fn a_finding_is_one_line_that_no_terminal_obeys() {
        let finding = Finding::error(Group::Keys, "key-file", "a\u{1b}[31m\nb").why("because").mend("rm x");
        let text = text(&[finding], Marks::Ascii, usize::MAX);
        assert!(!text.contains("a\u{1b}["), "{text:?}");
        assert!(text.ends_with("    because\n    mend: rm x\n\n0 in order, 0 warnings, 1 error\n"), "{text:?}");
    }
}
