//! Comments that allow a warning: `# aimux: allow E0136` on a line of its own holds for the file, at the end of a line for
//! that line. Errors cannot be allowed, nor what `serve` and `--strict` take as an error.
//!
//! Start with [`apply`].

use std::ops::Range;

use super::diagnostic::{Diagnostic, Finding, Report, Severity, Span};

/// What begins an allowance, behind the `#`.
const WORDS: &str = "aimux: allow ";

/// A code that a comment allows, and for which bytes of the file.
struct Allowance {
    code: Span,
    holds: Range<usize>,
}

/// Takes allowed warnings out of a report, and notes allowances of what is no warning.
pub(crate) fn apply(report: &mut Report) {
    let Some(text) = report.sources.first().map(|source| source.text.clone()) else { return };
    for allowance in allowances(&text) {
        let written = text.get(allowance.code.start..allowance.code.end).unwrap_or_default().to_ascii_uppercase();
        let id = written.strip_prefix("AIMUX-").unwrap_or(&written);
        let row = Finding::ALL.iter().map(|finding| finding.row()).find(|row| row.id == id);
        if row.is_some_and(|row| row.severity == Severity::Warning) {
            report.diagnostics.retain(|found| {
                let is_meant = found.severity == Severity::Warning && found.finding.row().id == id;
                !(is_meant && found.span.source == 0 && allowance.holds.contains(&found.span.start))
            });
        } else {
            let what = if row.is_some() { "is the code of an error, which cannot be allowed" } else { "is the code of no warning" };
            let message = format!("\"{written}\" {what}");
            report.push(Diagnostic::new(Finding::IdleAllowance, allowance.code, "", message, "allows nothing"));
        }
    }
    report.diagnostics.sort_by_key(|found| (found.span.source, found.span.start, found.finding.row().id));
}

fn allowances(text: &str) -> Vec<Allowance> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let range = start..start + line.len();
        start = range.end;
        let Some((before, comment)) = line.split_once('#') else { continue };
        let Some(codes) = comment.trim_start().strip_prefix(WORDS) else { continue };
        if before.ends_with(|c: char| !c.is_whitespace()) {
            continue;
        }
        let holds = if before.trim().is_empty() { 0..text.len() + 1 } else { range.clone() };
        let mut at = range.end - codes.len();
        // Codes come first, with commas between; what follows the last one says why.
        for part in codes.split(',') {
            let word = part.split_whitespace().next().unwrap_or_default();
            let from = at + (part.len() - part.trim_start().len());
            at += part.len() + 1;
            found.push(Allowance { code: Span { source: 0, start: from, end: from + word.len() }, holds: holds.clone() });
            if part.trim() != word {
                break;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::diagnostic::Source;

    /// The codes that are left of two warnings and an error in the second and third line.
    fn left(text: &str) -> Vec<(&'static str, usize)> {
        let mut report = Report { sources: vec![Source { name: "c.yaml".into(), text: text.into() }], ..Report::default() };
        let lines: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        for (line, finding) in [(0, Finding::KeyAbsent), (1, Finding::Repeated), (1, Finding::Empty)] {
            let span = Span { source: 0, start: lines[line], end: lines[line] + 1 };
            report.push(Diagnostic::new(finding, span, "", "", ""));
        }
        apply(&mut report);
        report.diagnostics.iter().map(|found| (found.finding.row().id, report.position(found.span).0)).collect()
    }

    #[test]
    fn a_line_of_its_own_holds_for_the_file_and_the_end_of_a_line_for_it() {
        let all = [("E0136", 2), ("E0133", 3), ("E0134", 3)];
        assert_eq!(left("# allow E0136\na\nb\n"), all);
        assert_eq!(left("# aimux: allow E0136, aimux-e0134 as CI has none\na\nb\n"), [("E0133", 3)]);
        assert_eq!(left("x\na # aimux: allow E0136\nb\n"), [("E0133", 3), ("E0134", 3)]);
        assert_eq!(left("x # aimux: allow E0136\na\nb\n"), all);
        assert_eq!(left("x#aimux: allow E0136\na\nb\n"), all);
    }

    #[test]
    fn errors_and_strange_codes_cannot_be_allowed() {
        let text = "# aimux: allow E0133,E9999\na\nb\n";
        assert_eq!(left(text), [("E0145", 1), ("E0145", 1), ("E0136", 2), ("E0133", 3), ("E0134", 3)]);
    }
}
