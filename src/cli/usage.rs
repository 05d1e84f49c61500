//! `aimux usage`: what requests took and cost, from the ledger; a server may run or not.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use serde::Serialize;

use super::{CliError, known, output};
use crate::config::{self, Environment, LoadError, Options};
use crate::date;
use crate::error::{Code, Error};
use crate::ledger::{self, By, CacheBreaks, Report, Row, Settings, Span, Unpriced};

/// Arguments of `aimux usage`.
#[derive(Debug, Args)]
#[command(
    after_help = "Money is US dollars by the price table, cache reads and writes included; `≥` stands where a price is unknown, and \
    the last lines name what has none. Days and hours are those of the local clock. The exit code is 74 when the ledger cannot be read."
)]
pub(crate) struct UsageArgs {
    /// What requests are grouped by
    #[arg(long, value_parser = groups(), default_value = "model")]
    by: By,
    /// From when on: `24h`, `7d`, `today`, `2026-01-31`, `2026-01-31T12:00` [default: all that is kept]
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<u64>,
    /// Up to when, itself not included
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<u64>,
    /// Print JSON; money in millionths of a dollar
    #[arg(long)]
    json: bool,
}

/// The words of `--by`, each with its help.
fn groups() -> impl TypedValueParser<Value = By> {
    let words = By::ALL.map(By::told).map(|(name, help)| PossibleValue::new(name).help(help));
    PossibleValuesParser::new(words).map(|word| By::ALL.into_iter().find(|by| by.told().0 == word).unwrap_or(By::Model))
}

pub(super) fn moment(text: &str) -> Result<u64, &'static str> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    ledger::moment(text, now).ok_or("expected `24h`, `7d`, `today`, `2026-01-31` or `2026-01-31T12:00`")
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    ledger: String,
    by: &'static str,
    since: Option<String>,
    until: Option<String>,
    groups: &'a [Row],
    total: &'a Row,
    unpriced: &'a [Unpriced],
    cache_breaks: &'a [CacheBreaks],
}

/// Prints the table.
pub(crate) fn run(args: &UsageArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let Span { since_ms, until_ms } = Span { since_ms: args.since, until_ms: args.until };
    if since_ms.zip(until_ms).is_some_and(|(since, until)| since >= until) {
        return Err(Error::new(Code::Usage, "--until is not after --since").hint("name an earlier --since").into());
    }
    let (ledger, is_config_read) = settings(path, environment);
    if !is_config_read {
        output::error("note: the config cannot be used; the usual place is looked at. `aimux config validate` says what is wrong\n");
    }
    let report = ledger::usage(&ledger.place, args.by, Span { since_ms, until_ms })?.unwrap_or_default();
    let (by, _) = args.by.told();
    let place = ledger.place.to_string();
    if args.json {
        let moment = |ms: Option<u64>| ms.map(|ms| date::rfc3339(ms / 1000));
        let Report { groups, total, unpriced, cache_breaks } = &report;
        let (since, until) = (moment(since_ms), moment(until_ms));
        let shown = Shown { ledger: place, by, since, until, groups, total, unpriced, cache_breaks };
        output::print(&output::json(&shown)?);
    } else if report.total.requests == 0 {
        let off = if ledger.enabled { "" } else { "; the config turns the ledger off" };
        output::print(&output::printable(&format!("no requests in {place}{off}\n")));
    } else {
        output::print(&output::printable(&table(by, &report)));
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the ledger of a config is, and whether the config was read. What is wrong with a config does not hide the ledger,
/// unless it says where that is.
pub(super) fn settings(path: Option<PathBuf>, environment: &Environment) -> (Settings, bool) {
    let usual = Settings::usual(&environment.state_folder());
    match config::outline(&Options { path, listen: None }, environment, &known::store(environment)) {
        Ok(mut ready) => {
            known::open_database(&mut ready, environment);
            (ready.ledger, true)
        }
        Err(LoadError::Other(error)) if error.code == Code::ConfigMissing => (usual, true),
        Err(_) => (usual, false),
    }
}

/// The table for people: aligned, a row a group, the total, and what the figures leave out.
fn table(by: &str, report: &Report) -> String {
    let heading = [by, "requests", "errors", "input", "output", "cache read", "cache write", "cached", "cost", "first p50", "first p95"];
    let mut lines: Vec<Vec<String>> = vec![heading.iter().map(|word| word.to_uppercase()).collect()];
    lines.extend(report.groups.iter().map(|row| cells(if row.name.is_empty() { "(unknown)" } else { &row.name }, row)));
    if report.groups.len() > 1 {
        lines.push(cells("total", &report.total));
    }
    let widths: Vec<usize> = (0..heading.len())
        .map(|column| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for line in &lines {
        for (index, (cell, width)) in line.iter().zip(&widths).enumerate() {
            text += &if index == 0 { format!("{cell:width$}") } else { format!("  {cell:>width$}") };
        }
        text.push('\n');
    }
    let total = &report.total;
    if total.estimated > 0 || total.unpriced > 0 || total.cache_breaks > 0 {
        text.push('\n');
    }
    if total.cache_breaks > 0 {
        let causes: Vec<String> =
            report.cache_breaks.iter().map(|broken| format!("{} {}", broken.cause, grouped(broken.requests))).collect();
        let (tokens, cost) = (grouped(total.cache_break_tokens), dollars(total.cache_break_micro_usd));
        let missed = counted(total.cache_breaks, "request");
        text += &format!("{missed} missed what the session had in a cache: {tokens} tokens, {cost} more ({})\n", causes.join(", "));
    }
    if total.estimated > 0 {
        text += &format!("{} ended before the provider said what was used: estimated\n", counted(total.estimated, "request"));
    }
    if total.unpriced > 0 {
        let names: Vec<String> = report.unpriced.iter().take(8).map(|left| format!("{} ({})", left.target, left.requests)).collect();
        let more = report.unpriced.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        text += &format!("{} without a known price: {}{more}\n", counted(total.unpriced, "request"), names.join(", "));
    }
    text
}

fn cells(name: &str, row: &Row) -> Vec<String> {
    let share = row.cache_share.map_or_else(dash, |share| format!("{:.0} %", share * 100.0));
    let wait = |ms: Option<u64>| ms.map_or_else(dash, seconds);
    vec![
        name.to_owned(),
        grouped(row.requests),
        grouped(row.errors),
        grouped(row.input_tokens),
        grouped(row.output_tokens),
        grouped(row.cache_read_tokens),
        grouped(row.cache_write_tokens),
        share,
        cost(row),
        wait(row.first_content_p50_ms),
        wait(row.first_content_p95_ms),
    ]
}

fn dash() -> String {
    "–".to_owned()
}

/// What requests cost, as it is shown: `≥` where some of them have no price, a dash where none has.
pub(super) fn cost(row: &Row) -> String {
    if row.unpriced == row.requests {
        return dash();
    }
    let at_least = if row.unpriced > 0 { "≥" } else { "" };
    format!("{at_least}{}", dollars(row.cost_micro_usd))
}

fn dollars(micro_usd: u64) -> String {
    match (micro_usd / 1_000_000, micro_usd % 1_000_000) {
        // Rounded up to the last digit shown, so that nothing that cost something looks free.
        (0, micro) => format!("${}.{:04}", micro.div_ceil(100) / 10_000, micro.div_ceil(100) % 10_000),
        _ => {
            let cents = micro_usd.saturating_add(5_000) / 10_000;
            format!("${}.{:02}", grouped(cents / 100), cents % 100)
        }
    }
}

/// `1 request`, `2 requests`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

fn seconds(ms: u64) -> String {
    if ms < 1000 { format!("{ms} ms") } else { format!("{}.{} s", ms / 1000, ms % 1000 / 100) }
}

/// A number with a comma between thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    digits.bytes().enumerate().fold(String::with_capacity(digits.len() + 4), |mut text, (index, digit)| {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(char::from(digit));
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_rounded_to_what_is_shown_and_unknown_prices_are_told() {
        let shown = |requests, unpriced, cost_micro_usd| cost(&Row { requests, unpriced, cost_micro_usd, ..Row::default() });
        for (micro, text) in [
            (0, "$0.0000"),
            (1, "$0.0001"),
            (100, "$0.0001"),
            (8040, "$0.0081"),
            (999_999, "$1.0000"),
            (1_000_000, "$1.00"),
            (1_994_999, "$1.99"),
            (1_995_000, "$2.00"),
            (1_234_567_890_000, "$1,234,567.89"),
        ] {
            assert_eq!(shown(1, 0, micro), text);
        }
        assert_eq!((shown(2, 1, 100).as_str(), shown(2, 2, 0).as_str()), ("≥$0.0001", "–"));
    }

    #[test]
    fn figures_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (u64::MAX, "18,446,744,073,709,551,615")]
        {
            assert_eq!(grouped(number), text);
        }
        assert_eq!((seconds(999), seconds(1000), seconds(61_950)), ("999 ms".to_owned(), "1.0 s".to_owned(), "61.9 s".to_owned()));
    }
}
