//! What a bench has found: the members of its JSON, and the same as tables in Markdown for a terminal.
//!
//! Members are never renamed: `--baseline` reads what an earlier aimux wrote. Start with [`Report`].

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use unicode_width::UnicodeWidthStr as _;

use super::baseline::Change;
use super::histogram::Histogram;
use super::measure::{Measured, PAIRED, Tally};
use super::own::{self, Own};
use super::paired::{Interval, interval};
use super::soak::Soak;
use super::subject::Subject;
use super::threshold::Verdict;
use crate::provider::models::usd;

/// The ranks that are told, with their names.
const RANKS: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)];
/// The ranks of a curve.
const CURVE: [f64; 13] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999];

/// A whole run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Report {
    /// The program's version.
    pub(super) aimux: String,
    /// Whether it was built to be released: only then do times mean much.
    pub(super) optimised: bool,
    /// The end came as planned.
    pub(super) complete: bool,
    /// Each target.
    pub(super) targets: Vec<TargetReport>,
    /// aimux itself.
    #[serde(rename = "self")]
    pub(super) own: Option<Own>,
    /// What the measured aimux held.
    pub(super) soak: Option<Soak>,
    /// What was asked of the figures, and what they are.
    pub(super) thresholds: Vec<Verdict>,
    /// What differs from the baseline.
    pub(super) changes: Vec<Change>,
}

/// One target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TargetReport {
    /// As it was asked for.
    pub(super) name: String,
    /// `provider/model`, as it is asked directly.
    pub(super) target: String,
    /// What was asked, and how: `chat, streamed, 1 at a time`.
    pub(super) load: String,
    /// How long it took.
    pub(super) seconds: f64,
    /// Why it ended before its time.
    pub(super) cut: Option<String>,
    /// The ways, `direct` first.
    pub(super) sides: Vec<SideReport>,
    /// What aimux adds.
    pub(super) overhead: Vec<Overhead>,
    /// Pairs that this is told from.
    pub(super) pairs: u64,
}

/// One way to a target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SideReport {
    /// `direct` or `aimux`.
    pub(super) via: String,
    pub(super) requests: u64,
    pub(super) errors: Vec<(String, u64)>,
    /// To the head of the answer, in milliseconds.
    pub(super) ttfb: Option<Summary>,
    /// To the first content.
    pub(super) ttft: Option<Summary>,
    /// Between pieces of content.
    pub(super) gap: Option<Summary>,
    /// To the end.
    pub(super) total: Option<Summary>,
    /// Tokens of output a second.
    pub(super) tps: Option<Summary>,
    pub(super) calls_valid: u64,
    pub(super) calls_invalid: u64,
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) cache_read_tokens: u64,
    /// Answers that read from a cache.
    pub(super) cache_hits: u64,
    /// Answers of another target.
    pub(super) elsewhere: u64,
    /// `None`: a price is not known.
    pub(super) cost_micro_usd: Option<u64>,
    /// For each block the medians of ttfb, ttft and total.
    pub(super) blocks: [Vec<f64>; 3],
}

/// How values are spread.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Summary {
    pub(super) count: u64,
    pub(super) mean: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    /// At each of p50, p90, p95, p99, p99.9.
    pub(super) ranks: [f64; 5],
    /// At each tenth, then 0.95, 0.99, 0.999.
    pub(super) curve: Vec<f64>,
}

/// What aimux adds to one figure, in milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Overhead {
    /// `ttfb`, `ttft` or `total`.
    pub(super) figure: String,
    /// The median difference of the pairs; `None`: too few.
    pub(super) added_ms: Option<Interval>,
    /// For each block its median difference.
    pub(super) blocks: Vec<f64>,
}

impl Summary {
    fn of(histogram: &Histogram, unit: f64) -> Option<Self> {
        let at = |rank| histogram.at(rank).map_or(0.0, |value| value as f64 / unit);
        Some(Self {
            count: histogram.count(),
            mean: histogram.mean()? / unit,
            min: histogram.min()? as f64 / unit,
            max: histogram.max()? as f64 / unit,
            ranks: RANKS.map(|(_, rank)| at(rank)),
            curve: CURVE.into_iter().map(at).collect(),
        })
    }

    /// A figure of it by its name: `p99`, `mean`.
    fn named(&self, name: &str) -> Option<f64> {
        match name {
            "mean" => Some(self.mean),
            "min" => Some(self.min),
            "max" => Some(self.max),
            name => RANKS.iter().zip(self.ranks).find(|((known, _), _)| *known == name).map(|(_, value)| value),
        }
    }
}

impl SideReport {
    fn of(via: &str, tally: &Tally) -> Self {
        let [calls_valid, calls_invalid] = tally.calls;
        Self {
            via: via.to_owned(),
            requests: tally.requests,
            errors: tally.errors.clone().into_iter().collect(),
            ttfb: Summary::of(&tally.ttfb, 1e6),
            ttft: Summary::of(&tally.ttft, 1e6),
            gap: Summary::of(&tally.gap, 1e6),
            total: Summary::of(&tally.total, 1e6),
            tps: Summary::of(&tally.tps, 1e3),
            calls_valid,
            calls_invalid,
            input_tokens: tally.usage.input_total(),
            output_tokens: tally.usage.output.unwrap_or(0),
            cache_read_tokens: tally.usage.cache_read.unwrap_or(0),
            cache_hits: tally.with_cache,
            elsewhere: tally.elsewhere,
            cost_micro_usd: tally.micro_usd,
            blocks: tally.blocks.each_ref().map(|series| series.values().to_vec()),
        }
    }

    /// Requests that failed.
    pub(super) fn failed(&self) -> u64 {
        self.errors.iter().map(|(_, count)| count).sum()
    }

    fn summaries(&self) -> [(&'static str, &'static str, Option<&Summary>); 5] {
        [
            ("ttfb", "ms", self.ttfb.as_ref()),
            ("ttft", "ms", self.ttft.as_ref()),
            ("gap", "ms", self.gap.as_ref()),
            ("total", "ms", self.total.as_ref()),
            ("tps", "/s", self.tps.as_ref()),
        ]
    }

    /// A figure by the name that thresholds have for it.
    fn figure(&self, name: &str) -> Option<f64> {
        let part = |some: u64, all: u64| (all > 0).then(|| some as f64 * 100.0 / all as f64);
        let good = self.requests - self.failed();
        match name {
            "errors" => part(self.failed(), self.requests),
            "tools.valid" => part(self.calls_valid, self.calls_valid + self.calls_invalid),
            "cache.hits" => part(self.cache_hits, good),
            "cost" => self.cost_micro_usd.map(|micro| micro as f64 / 1e6),
            name => {
                let (figure, rank) = name.split_once('.')?;
                let summaries = self.summaries();
                summaries.iter().find(|(known, ..)| *known == figure).and_then(|(.., summary)| (*summary)?.named(rank))
            }
        }
    }
}

impl TargetReport {
    pub(super) fn of(subject: &Subject, measured: &Measured, load: String) -> Self {
        let sides = subject.sides.iter().zip(&measured.sides).map(|(side, tally)| SideReport::of(side.via, tally)).collect();
        let overhead = |(figure, series): (&&str, &super::paired::Series)| Overhead {
            figure: (*figure).to_owned(),
            added_ms: interval(series.values()),
            blocks: series.values().to_vec(),
        };
        let overhead = if subject.sides.len() == 2 { PAIRED.iter().zip(&measured.differences).map(overhead).collect() } else { Vec::new() };
        Self {
            name: subject.name.clone(),
            target: subject.target.clone(),
            load,
            seconds: measured.took.as_secs_f64(),
            cut: measured.cut.map(str::to_owned),
            sides,
            overhead,
            pairs: measured.pairs,
        }
    }

    /// A figure by the name that thresholds have for it: of a way that is named, else of aimux, else of the only one.
    pub(super) fn figure(&self, name: &str) -> Option<f64> {
        if let Some(rest) = name.strip_prefix("overhead.") {
            let (figure, end) = rest.split_once('.').unwrap_or((rest, ""));
            let added = self.overhead.iter().find(|overhead| overhead.figure == figure)?.added_ms?;
            return Some(if end == "high" { added.high } else { added.estimate });
        }
        if let Some((via, rest)) = name.split_once('.')
            && matches!(via, "direct" | "aimux")
        {
            return self.sides.iter().find(|side| side.via == via)?.figure(rest);
        }
        self.sides.last()?.figure(name)
    }

    fn text(&self, out: &mut String) {
        let _ = writeln!(out, "{}: {}, {:.1} s", crate::cli::visible::line(&self.target), self.load, self.seconds);
        if let Some(cut) = &self.cut {
            let _ = writeln!(out, "It ended early: {cut}.");
        }
        out.push('\n');
        let ms = |value: f64| if value < 10.0 { format!("{value:.2}") } else { format!("{value:.1}") };
        let rows = self.sides.iter().enumerate().flat_map(|(at, side)| {
            side.summaries().into_iter().enumerate().filter_map(move |(row, (name, unit, summary))| {
                let Summary { mean, max, ranks: [p50, p90, p95, p99, p999], .. } = summary?;
                let cells = [*mean, *p50, *p90, *p95, *p99, *p999, *max].map(ms);
                let [mean, p50, p90, p95, p99, p999, max] = cells;
                Some(((row, at), [format!("{name} {unit}"), side.via.clone(), mean, p50, p90, p95, p99, p999, max]))
            })
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by_key(|(place, _)| *place);
        let head = ["figure", "via", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"];
        table(out, &head, rows.into_iter().map(|(_, row)| row));
        out.push('\n');
        let rows = self.sides.iter().map(|side| {
            let errors: Vec<String> = side.errors.iter().map(|(code, count)| format!("{count} × {code}")).collect();
            [
                side.via.clone(),
                side.requests.to_string(),
                if errors.is_empty() { "0".to_owned() } else { errors.join(", ") },
                format!("{} in, {} out", side.input_tokens, side.output_tokens),
                format!("{} hits, {} tokens", side.cache_hits, side.cache_read_tokens),
                format!("{} valid, {} not", side.calls_valid, side.calls_invalid),
                side.cost_micro_usd.map_or_else(|| "not known".to_owned(), usd),
            ]
        });
        table(out, &["via", "requests", "errors", "tokens", "cache", "tool calls", "cost"], rows);
        if let Some(elsewhere) = self.sides.iter().map(|side| side.elsewhere).find(|elsewhere| *elsewhere > 0) {
            let _ = writeln!(out, "\n{elsewhere} answers came from another target than {}; they are in no pair.", self.target);
        }
        if !self.overhead.is_empty() {
            out.push('\n');
            let rows = self.overhead.iter().map(|Overhead { figure, added_ms, .. }| {
                let [added, low, high] = match added_ms {
                    Some(Interval { estimate, low, high }) => [estimate, low, high].map(|value| format!("{value:+.3}")),
                    None => ["too few pairs", "", ""].map(str::to_owned),
                };
                [figure.clone(), added, low, high]
            });
            table(out, &["added by aimux, ms", "median", "95 % from", "to"], rows);
            let _ = writeln!(out, "{} pairs.", self.pairs);
            if self.overhead.iter().any(|overhead| overhead.added_ms.is_none()) {
                let _ = writeln!(out, "{FEW}");
            }
        }
    }
}

/// Said where an interval is missing: of so few, one that looks narrow may be far off.
const FEW: &str = "Fewer than 6 blocks give no interval: let it make more requests.";

impl Report {
    /// A report of this program, with nothing in it yet.
    pub(super) fn new() -> Self {
        Self { aimux: env!("CARGO_PKG_VERSION").to_owned(), optimised: !cfg!(debug_assertions), ..Self::default() }
    }

    /// A figure that does not belong to a target.
    pub(super) fn figure(&self, name: &str) -> Option<f64> {
        let soak = self.soak.as_ref();
        match name {
            "rss.max" => soak.map(|soak| soak.rss_max_mib),
            "rss.slope" => soak.map(|soak| soak.rss_mib_per_hour),
            "fds.max" => soak.map(|soak| soak.fds_max),
            "fds.slope" => soak.map(|soak| soak.fds_per_hour),
            name => self.own.as_ref().and_then(|own| own::figure_named(own, name)),
        }
    }

    /// For a terminal.
    pub(super) fn text(&self) -> String {
        let mut out = self.own.as_ref().map(Own::text).unwrap_or_default();
        for (at, target) in self.targets.iter().enumerate() {
            out.push_str(if at > 0 { "\n" } else { "" });
            target.text(&mut out);
        }
        if let Some(Soak { looks, rss_max_mib, rss_mib_per_hour, fds_max, fds_per_hour, .. }) = &self.soak {
            let _ = writeln!(
                out,
                "\nMemory: {rss_max_mib:.1} MiB at most, {rss_mib_per_hour:+.2} MiB an hour. Descriptors: {fds_max} at most, \
                {fds_per_hour:+.2} an hour. {looks} looks."
            );
        }
        if !self.changes.is_empty() {
            out.push('\n');
            let rows = self.changes.iter().map(Change::row);
            table(&mut out, &["against the baseline", "via", "figure", "change", "95 % from", "to", "verdict"], rows);
            if self.changes.iter().any(|change| change.by.is_none()) {
                let _ = writeln!(out, "{FEW}");
            }
        }
        if !self.thresholds.is_empty() {
            out.push('\n');
            let rows = self.thresholds.iter().map(Verdict::row);
            table(&mut out, &["threshold", "of", "measured", "verdict"], rows);
        }
        out
    }

    /// Whether a threshold is not met, or something is worse than before.
    pub(super) fn is_failed(&self) -> bool {
        self.thresholds.iter().any(|verdict| !verdict.is_met) || self.changes.iter().any(Change::is_worse)
    }

    /// Whether a way gave nothing but errors.
    pub(super) fn is_dead(&self) -> bool {
        self.targets.iter().flat_map(|target| &target.sides).any(|side| side.requests > 0 && side.failed() == side.requests)
    }
}

/// Writes a table, its columns as wide as their widest cells.
pub(super) fn table<const N: usize>(out: &mut String, head: &[&str; N], rows: impl Iterator<Item = [String; N]>) {
    let rows: Vec<[String; N]> = rows.collect();
    let head = head.map(str::to_owned);
    let mut widths = head.each_ref().map(|cell| cell.width());
    for row in &rows {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = cell.width().max(*width));
    }
    let line = |out: &mut String, cells: &[String; N]| {
        for (cell, width) in cells.iter().zip(widths) {
            let _ = write!(out, "| {cell}{} ", " ".repeat(width.saturating_sub(cell.width())));
        }
        out.push_str("|\n");
    };
    line(out, &head);
    line(out, &widths.map(|width| "-".repeat(width)));
    rows.iter().for_each(|row| line(out, row));
}
