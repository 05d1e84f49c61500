//! `--threshold 'ttft.p99<300ms'`: what a figure must stay below or above, for who wants an exit code of it.
//!
//! `NAME OPERATOR NUMBER[UNIT]`; docs/bench.md has the names. A figure that was not measured does not meet its threshold.
//! Start with [`Threshold::parse`].

use serde::{Deserialize, Serialize};

use super::report::Report;

const OPERATORS: [&str; 4] = ["<=", ">=", "<", ">"];

/// One threshold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Threshold {
    /// As it was typed.
    text: String,
    name: String,
    operator: &'static str,
    /// In the figure's own unit.
    limit: f64,
    kind: Kind,
}

/// What a figure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Milliseconds.
    Time,
    /// MiB.
    Memory,
    /// Hundredths.
    Part,
    /// Dollars.
    Money,
    /// A number alone.
    Plain,
}

/// A threshold, and what was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Verdict {
    /// The threshold, as it was typed.
    pub(super) threshold: String,
    /// The target, where it is a target's.
    pub(super) of: String,
    /// What was measured, in the figure's own unit; `None`: nothing.
    pub(super) measured: Option<f64>,
    /// Whether it holds.
    pub(super) is_met: bool,
}

impl Threshold {
    /// Reads a threshold.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let found = OPERATORS.iter().filter_map(|operator| text.find(operator).map(|at| (at, *operator)));
        // Of two at one place the longer stands first in the list.
        let (at, operator) = found
            .min_by_key(|(at, _)| *at)
            .ok_or("expected NAME<NUMBER or NAME>NUMBER, `ttft.p99<300ms` say; docs/bench.md has the names")?;
        let (name, limit) = (text.get(..at).unwrap_or_default().trim(), text.get(at + operator.len()..).unwrap_or_default().trim());
        let kind = kind(name).ok_or_else(|| format!("no figure is called {name:?}; docs/bench.md has the names"))?;
        let limit = number(limit, kind)?;
        Ok(Self { text: text.trim().to_owned(), name: name.to_owned(), operator, limit, kind })
    }

    /// What a report says to it: once for each target, or once.
    pub(super) fn judge(&self, report: &Report) -> Vec<Verdict> {
        let verdict = |of: &str, measured: Option<f64>| Verdict {
            threshold: self.text.clone(),
            of: of.to_owned(),
            measured,
            is_met: measured.is_some_and(|value| self.holds(value)),
        };
        if report.targets.is_empty() || is_of_the_run(&self.name) {
            return vec![verdict("", report.figure(&self.name))];
        }
        report.targets.iter().map(|target| verdict(&target.name, target.figure(&self.name))).collect()
    }

    fn holds(&self, value: f64) -> bool {
        match self.operator {
            "<" => value < self.limit,
            "<=" => value <= self.limit,
            ">" => value > self.limit,
            _ => value >= self.limit,
        }
    }
}

impl Verdict {
    pub(super) fn row(&self) -> [String; 4] {
        let measured = self.measured.map_or_else(|| "nothing".to_owned(), |value| format!("{value:.3}"));
        [self.threshold.clone(), self.of.clone(), measured, if self.is_met { "met" } else { "NOT MET" }.to_owned()]
    }
}

fn is_of_the_run(name: &str) -> bool {
    name.starts_with("rss.") || name.starts_with("fds.")
}

/// What the figure of a name is counted in; `None`: there is none of this name.
fn kind(name: &str) -> Option<Kind> {
    let of_side = name.strip_prefix("direct.").or_else(|| name.strip_prefix("aimux.")).unwrap_or(name);
    let parts: Vec<&str> = name.split('.').collect();
    match (of_side, parts.as_slice()) {
        ("errors" | "tools.valid" | "cache.hits", _) => return Some(Kind::Part),
        ("cost", _) => return Some(Kind::Money),
        (_, ["overhead", "ttfb" | "ttft" | "total"] | ["overhead", "ttfb" | "ttft" | "total", "high"]) => return Some(Kind::Time),
        (_, ["rss", "max" | "slope"] | ["rest" | "bodies" | "streams", "rss"]) => return Some(Kind::Memory),
        (_, ["fds", "max" | "slope"]) => return Some(Kind::Plain),
        (_, ["ready"]) => return Some(Kind::Time),
        (_, ["small" | "130kb" | "stream", "bare" | "same" | "chat", figure]) => {
            return match *figure {
                "cpu" | "added" => Some(Kind::Time),
                "ratio" | "fds" => Some(Kind::Plain),
                "rss" => Some(Kind::Memory),
                _ => None,
            };
        }
        _ => {}
    }
    let (figure, rank) = of_side.split_once('.')?;
    if !matches!(rank, "mean" | "min" | "max" | "p50" | "p90" | "p95" | "p99" | "p99.9") {
        return None;
    }
    match figure {
        "ttfb" | "ttft" | "gap" | "total" => Some(Kind::Time),
        "tps" => Some(Kind::Plain),
        _ => None,
    }
}

/// A number with its unit, in the figure's own.
fn number(text: &str, kind: Kind) -> Result<f64, String> {
    let text = if kind == Kind::Money { text.trim_start_matches('$') } else { text };
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let number: f64 = digits.parse().map_err(|_| format!("{text:?} is no number with a unit"))?;
    let unit = unit.trim().trim_end_matches("/h");
    let factor = match (kind, unit) {
        (Kind::Time, "ms" | "") | (Kind::Memory, "MiB" | "") | (Kind::Part, "%" | "") | (Kind::Money | Kind::Plain, "") => 1.0,
        (Kind::Time, "us" | "µs") => 1e-3,
        (Kind::Time, "s") => 1e3,
        (Kind::Memory, "KiB") => 1.0 / 1024.0,
        (Kind::Memory, "GiB") => 1024.0,
        (Kind::Time, _) => return Err(format!("{unit:?} is no unit of time: us, ms, s")),
        (Kind::Memory, _) => return Err(format!("{unit:?} is no unit of memory: KiB, MiB, GiB")),
        _ => return Err(format!("{unit:?} does not belong here")),
    };
    Ok(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_read_with_their_units() {
        for (text, name, operator, limit) in [
            ("ttft.p99<300ms", "ttft.p99", "<", 300.0),
            ("direct.total.p99.9 <= 2s", "direct.total.p99.9", "<=", 2000.0),
            ("overhead.ttft.high<500us", "overhead.ttft.high", "<", 0.5),
            ("errors<1%", "errors", "<", 1.0),
            ("tps.p50>=20", "tps.p50", ">=", 20.0),
            ("tools.valid>99%", "tools.valid", ">", 99.0),
            ("cost<$0.5", "cost", "<", 0.5),
            ("rss.slope<1MiB/h", "rss.slope", "<", 1.0),
            ("streams.rss<0.1GiB", "streams.rss", "<", 102.4),
            ("130kb.chat.ratio<6", "130kb.chat.ratio", "<", 6.0),
        ] {
            let threshold = Threshold::parse(text).unwrap();
            assert_eq!((threshold.name.as_str(), threshold.operator), (name, operator), "{text}");
            assert!((threshold.limit - limit).abs() < 1e-9, "{text}: {}", threshold.limit);
        }
    }

    #[test]
    fn what_is_no_threshold_is_told_why() {
        for (text, why) in [
            ("ttft.p99", "expected NAME<NUMBER"),
            ("ttft.p98<1ms", "no figure is called \"ttft.p98\""),
            ("tftt.p99<1ms", "no figure is called"),
            ("<1ms", "no figure is called"),
            ("ttft.p99<", "no number"),
            ("ttft.p99<fast", "no number"),
            ("ttft.p99<3MiB", "no unit of time"),
            ("rss.max<3ms", "no unit of memory"),
            ("errors<1ms", "does not belong here"),
            ("small.other.cpu<1", "no figure is called"),
        ] {
            let told = Threshold::parse(text).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
    }

    #[test]
    fn a_figure_that_was_not_measured_meets_nothing() {
        let verdicts = Threshold::parse("rss.max<1GiB").unwrap().judge(&Report::new());
        assert_eq!((verdicts.len(), verdicts[0].measured, verdicts[0].is_met), (1, None, false));
    }
}
