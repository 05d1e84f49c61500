//! What differs from an earlier run: by a bootstrap over the blocks of both.
//!
//! Something is worse when the whole interval says so and it is by more than five hundredths; small but certain changes are told, and
//! fail nothing. Start with [`compare`].

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::measure::PAIRED;
use super::paired::{Interval, change, median};
use super::report::{Report, TargetReport};
use crate::error::{Code, Error};

/// The longest baseline, in bytes.
const FILE_MAX: u64 = 64 << 20;
/// Less than this is no matter, as a part of what it was.
const MATTERS: f64 = 0.05;
/// The same for what aimux adds, in milliseconds.
const MATTERS_MS: f64 = 0.05;

/// What became of one figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    /// The target.
    pub(super) of: String,
    /// `direct`, `aimux`, or `overhead` for what aimux adds.
    pub(super) via: String,
    /// `ttfb`, `ttft` or `total`.
    pub(super) figure: String,
    /// As a part of what it was; of what aimux adds in milliseconds. `None`: too few blocks.
    pub(super) by: Option<Interval>,
}

impl Change {
    fn limit(&self) -> f64 {
        if self.via == "overhead" { MATTERS_MS } else { MATTERS }
    }

    /// Whether it is worse for certain, and by more than is let pass.
    pub(super) fn is_worse(&self) -> bool {
        self.by.is_some_and(|by| by.low > 0.0 && by.estimate > self.limit())
    }

    fn verdict(&self) -> &'static str {
        match self.by {
            None => "too few blocks to tell",
            Some(_) if self.is_worse() => "WORSE",
            Some(by) if by.is_told() && by.estimate < -self.limit() => "better",
            Some(_) => "no difference that matters",
        }
    }

    pub(super) fn row(&self) -> [String; 7] {
        let told = |value: f64| if self.via == "overhead" { format!("{value:+.3} ms") } else { format!("{:+.1} %", value * 100.0) };
        let [by, low, high] = self.by.map_or_else(Default::default, |Interval { estimate, low, high }| [estimate, low, high].map(told));
        [self.of.clone(), self.via.clone(), self.figure.clone(), by, low, high, self.verdict().to_owned()]
    }
}

/// Reads an earlier run.
///
/// # Errors
/// When it is none.
pub(super) fn read(path: &Path) -> Result<Report, Error> {
    let wrong =
        |what: String| Error::new(Code::Usage, format!("--baseline {}: {what}", path.display())).hint("`aimux bench --json` writes one");
    let about = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    if about.len() > FILE_MAX {
        return Err(wrong("it is too long to be a report".to_owned()));
    }
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let report: Report = serde_json::from_slice(&bytes).map_err(|error| wrong(format!("it is no report: {error}")))?;
    if report.targets.is_empty() { Err(wrong("it measured no target".to_owned())) } else { Ok(report) }
}

/// What differs, target by target; one that only one run has is left out.
pub(super) fn compare(before: &Report, now: &Report) -> Vec<Change> {
    let pairs = now.targets.iter().filter_map(|now| Some((before.targets.iter().find(|before| before.name == now.name)?, now)));
    pairs.flat_map(|(before, now)| of_target(before, now)).collect()
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
