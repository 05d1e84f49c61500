//! What was found as text and as JSON.

use serde::Serialize;

use super::verdict::{Check, Verdict};
use crate::cli::doctor::finding::Level;
use crate::cli::doctor::show::{Marks, line};
use crate::cli::{output, wrap};
use crate::error::Error;
use crate::provider::models::usd;

/// Columns before what was seen: the mark and the check's name.
const INDENT: usize = 20;

/// What was found of one target.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    /// `provider/model`.
    pub(super) target: String,
    pub(super) dialect: &'static str,
    pub(super) base_url: String,
    /// When it was measured, as RFC 3339 has it.
    pub(super) measured: String,
    pub(super) requests: u32,
    /// Millionths of a dollar; `None`: the price is not known.
    pub(super) micro_usd: Option<u64>,
    pub(super) checks: Vec<Check>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Shown<'a> {
    version: &'static str,
    worst: Level,
    kept: Option<String>,
    targets: &'a [Found],
}

/// The worst of all.
pub(super) fn worst(found: &[Found]) -> Level {
    found.iter().flat_map(|found| &found.checks).map(|check| check.level).max().unwrap_or(Level::Ok)
}

/// The report for programs. `kept`: the file that keeps it.
///
/// # Errors
/// When it cannot be written as JSON.
pub(super) fn json(found: &[Found], kept: Option<String>) -> Result<String, Error> {
    output::json(&Shown { version: env!("CARGO_PKG_VERSION"), worst: worst(found), kept, targets: found })
}

/// The report for people.
pub(super) fn text(found: &[Found], kept: Option<&str>, marks: Marks, width: usize) -> String {
    let said = |text: &str| wrap::rows(&line(text, marks), width.saturating_sub(INDENT)).join(&format!("\n{:INDENT$}", ""));
    let mut out = String::new();
    for Found { target, dialect, base_url, requests, micro_usd, checks, .. } in found {
        let cost = micro_usd.map_or_else(|| "its price is not known".to_owned(), usd);
        out += &format!("\x1b[1m{}\x1b[0m\n", line(&format!("{target} ({dialect}, {base_url})"), marks));
        for check in checks {
            let (mark, colour) = match check.verdict {
                Verdict::NotApplicable => (marks.dash(), 2),
                _ => (marks.mark(check.level), check.level.colour()),
            };
            let word = match check.verdict {
                Verdict::Supported | Verdict::NotApplicable => "",
                Verdict::Unsupported => "not supported: ",
                Verdict::Wrong => "wrong: ",
                Verdict::Unknown => "not known: ",
            };
            out += &format!("  \x1b[{colour}m{mark}\x1b[0m {:15} {}\n", check.check, said(&format!("{word}{}", check.why)));
        }
        out += &format!("  {requests} requests, {cost}\n\n");
    }
    out += &match kept {
        Some(path) => line(&format!("kept in {path}, which routing goes by; a running server takes it on"), marks),
        None => "nothing was kept: nothing could be told for certain".to_owned(),
    };
    out.push('\n');
    out
}
