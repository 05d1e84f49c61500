//! The arguments of `aimux bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::measure::Pace;
use super::scenario::Kind;
use super::subject::Via;
use super::threshold::Threshold;
use crate::cli::named::Named;
use crate::cli::route::{Speech, dollars};

/// The most requests on each way.
const REQUESTS_MAX: usize = 1_000_000;
/// The most at a time.
const WORKERS_MAX: usize = 4096;
/// The most in a second.
const RATE_MAX: f64 = 10_000.0;
/// The longest run.
const DAYS_MAX: u64 = 30;

/// Arguments of `aimux bench`.
#[derive(Debug, Args)]
#[command(
    after_help = "Each target is asked directly and through aimux in turn, so that what aimux adds is told from pairs. Nothing is spent that \
    was not shown and allowed. docs/bench.md tells of the figures, of thresholds and baselines.\n\n\
    With --self nothing is asked of anybody: the upstream and the pass-through are aimux's own. Its parts are works, ready, \
    bodies and streams. docs/performance.md has what was found.\n\n\
    The exit code is 1 where a threshold is not met or something is worse than the baseline, 69 where a way gave nothing but errors, 130 \
    after Ctrl-C, which prints what was measured so far."
)]
pub(crate) struct BenchArgs {
    /// Models, as clients name them [default: the first provider's main one]; with --self, parts of it [default: all]
    #[arg(value_name = "TARGET", add = Named::Models)]
    pub(super) targets: Vec<String>,
    /// Which ways are measured
    #[arg(long, value_enum, default_value_t = Via::Both)]
    pub(super) via: Via,
    /// Requests at a time: each waits for an answer before the next [default: 1]
    #[arg(short, long, value_name = "N", value_parser = workers, conflicts_with = "rate")]
    pub(super) concurrency: Option<usize>,
    /// Requests a second, whatever becomes of those before; times count from when one was due
    #[arg(short, long, value_name = "R", value_parser = rate)]
    pub(super) rate: Option<f64>,
    /// For how long: 30s, 5m, 2h, 1d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) duration: Option<Duration>,
    /// Requests on each way [default: 30, or as many as --duration has room for]; with --self, of a measurement [default: 2000]
    #[arg(short = 'n', long, value_name = "N", value_parser = requests)]
    pub(super) requests: Option<usize>,
    /// How long one request may take
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2m")]
    pub(super) timeout: Duration,
    /// The prompt, instead of the scenario's last; of a .jsonl one a line, as JSON strings, in turn
    #[arg(long, value_name = "FILE")]
    pub(super) prompt_file: Option<PathBuf>,
    /// Whether answers are streamed
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(super) stream: bool,
    /// What is asked
    #[arg(long, value_enum, default_value_t = Kind::Chat)]
    pub(super) scenario: Kind,
    /// The most tokens of an answer
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(super) max_tokens: u64,
    /// The dialect that is spoken to aimux
    #[arg(long, value_enum, default_value_t = Speech::Anthropic)]
    pub(super) client: Speech,
    /// Ask before more than this is spent, in dollars; without a terminal, refuse
    #[arg(long, value_name = "USD", value_parser = dollars, default_value = "0")]
    pub(super) max_cost: u64,
    /// Spend what is shown without being asked
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Measure the built-in demo model: needs no config, account or key
    #[arg(long, conflicts_with_all = ["targets", "own"])]
    pub(super) demo: bool,
    /// Measure aimux itself against a bare pass-through: needs no network, config or key
    #[arg(
        long = "self",
        conflicts_with_all = ["via", "concurrency", "rate", "duration", "prompt_file", "scenario", "soak", "max_cost"]
    )]
    pub(super) own: bool,
    /// Work for so long and watch memory and descriptors of the aimux that is asked
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "duration")]
    pub(super) soak: Option<Duration>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Write JUnit into a file
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// Write a page with charts into a file
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Compare with an earlier run's --json
    #[arg(long, value_name = "FILE")]
    pub(super) baseline: Option<PathBuf>,
    /// What a figure must be, `ttft.p99<300ms` say; may be repeated
    #[arg(long = "threshold", value_name = "EXPRESSION", value_parser = Threshold::parse)]
    pub(super) thresholds: Vec<Threshold>,
    /// Be the upstream, or a pass-through to TARGET
    #[arg(long, hide = true, value_name = "PART")]
    pub(super) part: Option<String>,
    /// Another aimux to measure: an earlier one, say
    #[arg(long, hide = true, value_name = "FILE")]
    pub(super) program: Option<PathBuf>,
}

impl BenchArgs {
    /// How requests follow each other.
    pub(super) fn pace(&self) -> Pace {
        self.rate.map_or(Pace::Closed(self.concurrency.unwrap_or(1)), Pace::Open)
    }

    /// How long it goes on at most.
    pub(super) fn time(&self) -> Option<Duration> {
        self.soak.or(self.duration)
    }

    /// Requests on each way at most.
    pub(super) fn count(&self) -> u64 {
        match (self.requests, self.time(), self.rate) {
            (Some(count), ..) => count as u64,
            // Two ways share the time.
            (None, Some(time), Some(rate)) => ((time.as_secs_f64() * rate).ceil() as u64).max(1),
            (None, Some(time), None) if time > Duration::from_secs(3600) => u64::MAX >> 16,
            (None, Some(_), None) => REQUESTS_MAX as u64,
            (None, None, _) => 30,
        }
    }
}

fn within(text: &str, most: usize) -> Result<usize, String> {
    text.parse().ok().filter(|count| (1..=most).contains(count)).ok_or_else(|| format!("it takes a number from 1 to {most}"))
}

fn requests(text: &str) -> Result<usize, String> {
    within(text, REQUESTS_MAX)
}

fn workers(text: &str) -> Result<usize, String> {
    within(text, WORKERS_MAX)
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| (0.01..=RATE_MAX).contains(rate));
    rate.ok_or_else(|| format!("it takes a number from 0.01 to {RATE_MAX}"))
}

/// The value of a flag that takes a time.
pub(in crate::cli) fn duration(text: &str) -> Result<Duration, &'static str> {
    const EXPECTED: &str = "expected a time from 100ms to 30d: 30s, 5m, 2h";
    let end = text.find(|c: char| !c.is_ascii_digit()).ok_or(EXPECTED)?;
    let (digits, unit) = text.split_at(end);
    let number: u64 = digits.parse().map_err(|_| EXPECTED)?;
    let ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(EXPECTED),
    };
    let time = number.checked_mul(ms).filter(|ms| (100..=DAYS_MAX * 86_400_000).contains(ms)).ok_or(EXPECTED)?;
    Ok(Duration::from_millis(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_bounds() {
        for (text, ms) in [("100ms", 100), ("30s", 30_000), ("5m", 300_000), ("24h", 86_400_000), ("30d", 2_592_000_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "30", "s", "99ms", "31d", "1w", "-1s", "1.5s", "99999999999999999999s", "9999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
