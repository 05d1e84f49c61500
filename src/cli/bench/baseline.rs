//! What differs from an earlier run: by a bootstrap over the blocks of both.
//!
//! Something is worse when the whole interval says so and it is by more than five hundredths; small but certain changes are told, and
//! fail nothing. Start with [`compare`].

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::measure::PAIRED;
use super::own::Own;
use super::paired::{Interval, change, median};
use super::report::{Report, TargetReport};
use crate::error::{Code, Error};

/// The longest baseline, in bytes.
const FILE_MAX: u64 = 64 << 20;
/// Less than this is no matter, as a part of what it was.
const MATTERS: f64 = 0.05;
/// The same of `--self`, whose processes start anew in each run.
const MATTERS_SELF: f64 = 0.1;
/// The same for what aimux adds, in milliseconds.
const MATTERS_MS: f64 = 0.05;

/// What became of one figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    /// The target; with `--self`, what is sent, or the process.
    pub(super) of: String,
    /// `direct`, `aimux`, or `overhead` for what aimux adds; with `--self`, the path, or `self`.
    pub(super) via: String,
    /// `ttfb`, `ttft` or `total`; with `--self`, `cpu`, `added` or the figure's name.
    pub(super) figure: String,
    /// As a part of what it was; of what aimux adds in milliseconds. `None`: too few blocks.
    pub(super) by: Option<Interval>,
}

/// The verdict where there is no interval.
const TOO_FEW: &str = "too few blocks to tell";

impl Change {
    fn limit(&self) -> f64 {
        match self.figure.as_str() {
            _ if self.is_ms() => MATTERS_MS,
            "ttfb" | "ttft" | "total" => MATTERS,
            _ => MATTERS_SELF,
        }
    }

    /// Whether it is told in milliseconds, and not as a part.
    fn is_ms(&self) -> bool {
        self.via == "overhead" || self.figure == "added"
    }

    /// Whether it is worse for certain, and by more than is let pass.
    pub(super) fn is_worse(&self) -> bool {
        self.by.is_some_and(|by| by.low > 0.0 && by.estimate > self.limit())
    }

    fn verdict(&self) -> &'static str {
        match self.by {
            None => TOO_FEW,
            Some(_) if self.is_worse() => "WORSE",
            Some(by) if by.is_told() && by.estimate < -self.limit() => "better",
            Some(_) => "no difference that matters",
        }
    }

    pub(super) fn row(&self) -> [String; 7] {
        let told = |value: f64| if self.is_ms() { format!("{value:+.3} ms") } else { format!("{:+.1} %", value * 100.0) };
        let [by, low, high] = self.by.map_or_else(Default::default, |Interval { estimate, low, high }| [estimate, low, high].map(told));
        [self.of.clone(), self.via.clone(), self.figure.clone(), by, low, high, self.verdict().to_owned()]
    }
}

/// Reads an earlier run, one of `--self` if `is_own`.
///
/// # Errors
/// When it is none.
pub(super) fn read(path: &Path, is_own: bool) -> Result<Report, Error> {
    let wrong =
        |what: String| Error::new(Code::Usage, format!("--baseline {}: {what}", path.display())).hint("`aimux bench --json` writes one");
    let about = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    if about.len() > FILE_MAX {
        return Err(wrong("it is too long to be a report".to_owned()));
    }
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let report: Report = serde_json::from_slice(&bytes).map_err(|error| wrong(format!("it is no report: {error}")))?;
    match (is_own, &report.own, report.targets.is_empty()) {
        (true, None, _) => Err(wrong("it is of no run with --self".to_owned())),
        (false, _, true) => Err(wrong("it measured no target".to_owned())),
        _ => Ok(report),
    }
}

/// What differs, target by target; one that only one run has is left out.
pub(super) fn compare(before: &Report, now: &Report) -> Vec<Change> {
    let pairs = now.targets.iter().filter_map(|now| Some((before.targets.iter().find(|before| before.name == now.name)?, now)));
    let mut changes: Vec<Change> = pairs.flat_map(|(before, now)| of_target(before, now)).collect();
    if let (Some(before), Some(now)) = (&before.own, &now.own) {
        changes.extend(of_own(before, now));
    }
    changes
}

/// What differs of `--self`, work by work and figure by figure.
fn of_own(before: &Own, now: &Own) -> Vec<Change> {
    let mut changes = Vec::new();
    let told = |of: &str, via: &str, figure: &str, by| Change { of: of.to_owned(), via: via.to_owned(), figure: figure.to_owned(), by };
    let part = |before: &[f64], now: &[f64]| {
        let base = median(&mut before.to_vec()).filter(|base| *base > 0.0);
        base.and_then(|base| change(before, now, base))
    };
    for row in &now.works {
        let Some(former) = before.works.iter().find(|former| former.work == row.work && former.path == row.path) else { continue };
        changes.push(told(&row.work, &row.path, "cpu", part(&former.cpu_blocks, &row.cpu_blocks)));
        changes.push(told(&row.work, &row.path, "added", change(&former.added_blocks, &row.added_blocks, 1.0)));
    }
    for figure in &now.figures {
        if let Some(former) = before.figures.iter().find(|former| former.name == figure.name) {
            changes.push(told("aimux", "self", &figure.name, part(&former.blocks, &figure.blocks)));
        }
    }
    changes
}

fn of_target(before: &TargetReport, now: &TargetReport) -> Vec<Change> {
    let mut changes = Vec::new();
    let told = |via: &str, figure: &str, by| Change { of: now.name.clone(), via: via.to_owned(), figure: figure.to_owned(), by };
    for side in &now.sides {
        let Some(former) = before.sides.iter().find(|former| former.via == side.via) else { continue };
        for ((figure, before), now) in PAIRED.iter().zip(&former.blocks).zip(&side.blocks) {
            let base = median(&mut before.clone()).filter(|base| *base > 0.0);
            changes.push(told(&side.via, figure, base.and_then(|base| change(before, now, base))));
        }
    }
    for overhead in &now.overhead {
        if let Some(former) = before.overhead.iter().find(|former| former.figure == overhead.figure) {
            changes.push(told("overhead", &overhead.figure, change(&former.blocks, &overhead.blocks, 1.0)));
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(figure: &str, via: &str, by: [f64; 3]) -> Change {
        let [estimate, low, high] = by;
        Change { of: "a".to_owned(), via: via.to_owned(), figure: figure.to_owned(), by: Some(Interval { estimate, low, high }) }
    }

    #[test]
    fn worse_is_what_is_certain_and_matters() {
        for (change, is_worse, verdict) in [
            (of("ttft", "direct", [0.06, 0.01, 0.2]), true, "WORSE"),
            (of("ttft", "direct", [0.06, -0.01, 0.2]), false, "no difference that matters"),
            (of("ttft", "direct", [0.04, 0.03, 0.05]), false, "no difference that matters"),
            (of("ttft", "direct", [-0.5, -0.6, -0.4]), false, "better"),
            (of("ttft", "overhead", [0.06, 0.01, 0.2]), true, "WORSE"),
            (of("cpu", "same dialect", [0.06, 0.01, 0.2]), false, "no difference that matters"),
            (of("cpu", "same dialect", [0.11, 0.01, 0.2]), true, "WORSE"),
            (of("added", "same dialect", [0.06, 0.01, 0.2]), true, "WORSE"),
            (Change { by: None, ..of("cpu", "x", [0.0; 3]) }, false, TOO_FEW),
        ] {
            assert_eq!((change.is_worse(), change.row()[6].as_str()), (is_worse, verdict), "{change:?}");
        }
        assert_eq!(of("added", "same dialect", [0.06, 0.01, 0.2]).row()[3], "+0.060 ms");
        assert_eq!(of("cpu", "same dialect", [0.06, 0.01, 0.2]).row()[3], "+6.0 %");
    }

    #[test]
    fn slower_blocks_are_worse_and_faster_ones_better() {
        let slow: Vec<f64> = (0..12).map(|n| 20.0 + f64::from(n % 3)).collect();
        let fast: Vec<f64> = slow.iter().map(|ms| ms / 2.0).collect();
        let by = |before: &[f64], now: &[f64]| change(before, now, median(&mut before.to_vec()).unwrap()).unwrap();
        assert!(by(&fast, &slow).low > 0.8 && by(&slow, &fast).high < -0.4, "the later run is the one that changed");
        assert!(change(&fast[..5], &slow, 1.0).is_none(), "fewer than six blocks tell nothing");
    }
}
