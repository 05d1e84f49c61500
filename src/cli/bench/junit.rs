//! A run as JUnit: a suite for each target and one for what was asked of the figures.

use std::fmt::Write as _;

use super::baseline::Change;
use super::report::{Report, table};
use super::threshold::Verdict;
use crate::cli::config::xml;

/// One case: its name, and why it failed.
type Case = (String, Option<String>);

/// The whole file.
pub(super) fn junit(report: &Report) -> String {
    let mut suites: Vec<(String, Vec<Case>)> = Vec::new();
    for target in &report.targets {
        let case = |side: &super::report::SideReport| {
            let failed = side.failed() == side.requests && side.requests > 0;
            let errors: Vec<String> = side.errors.iter().map(|(code, count)| format!("{count} × {code}")).collect();
            (format!("{} answers", side.via), failed.then(|| errors.join(", ")))
        };
        suites.push((target.name.clone(), target.sides.iter().map(case).collect()));
    }
    if report.own.is_some() {
        suites.push(("self".to_owned(), vec![("measured".to_owned(), None)]));
    }
    let threshold = |verdict: &Verdict| {
        let [text, of, measured, _] = verdict.row();
        let name = if of.is_empty() { text } else { format!("{text} of {of}") };
        (name, (!verdict.is_met).then(|| format!("measured: {measured}")))
    };
    suites.push(("thresholds".to_owned(), report.thresholds.iter().map(threshold).collect()));
    let change = |change: &Change| {
        let row = change.row();
        let mut told = String::new();
        table(&mut told, &["target", "via", "figure", "change", "from", "to", "verdict"], std::iter::once(row));
        (format!("{} {} {}", change.of, change.via, change.figure), change.is_worse().then_some(told))
    };
    suites.push(("baseline".to_owned(), report.changes.iter().map(change).collect()));
    suites.retain(|(_, cases)| !cases.is_empty());
    let failures = |cases: &[Case]| cases.iter().filter(|(_, failure)| failure.is_some()).count();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (tests, failed) = suites.iter().fold((0, 0), |(tests, failed), (_, cases)| (tests + cases.len(), failed + failures(cases)));
    let _ = writeln!(out, "<testsuites name=\"aimux bench\" tests=\"{tests}\" failures=\"{failed}\" errors=\"0\">");
    for (name, cases) in &suites {
        let (name, tests, failed) = (xml(name), cases.len(), failures(cases));
        let _ = writeln!(out, "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failed}\" errors=\"0\" skipped=\"0\">");
        for (case, failure) in cases {
            let _ = match failure {
                None => writeln!(out, "    <testcase name=\"{}\" classname=\"{name}\"/>", xml(case)),
                Some(why) => writeln!(
                    out,
                    "    <testcase name=\"{}\" classname=\"{name}\"><failure type=\"bench\" message=\"{}\"/></testcase>",
                    xml(case),
                    xml(why)
                ),
            };
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}
