//! Mends what can only have been meant in one way: a misspelt field, a number in quotes, text that looks like a number, tabs.
//!
//! Only bytes of the mistake itself change; comments and everything else stay. Never mended: where requests or keys go
//! (`http`, a preset, a provider, a model), for a wrong guess there is worse than a mistake. Start with [`fix`].

use super::diagnostic::{Finding, Report};
use super::environment::Environment;
use super::{Options, load, mask};
use crate::keys::Store;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The line, from one.
    pub line: usize,
    /// The finding's code, `AIMUX-E0114`.
    pub code: String,
    /// What stood there, as it may be shown.
    pub before: String,
    /// What stands there now.
    pub after: String,
}

/// A mended text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// All of it.
    pub text: String,
    /// What was changed, in the order of the file.
    pub applied: Vec<Applied>,
}

/// How often a text is looked at again: a misspelt section hides the mistakes in it.
const ROUNDS_MAX: usize = 8;
/// The byte order mark.
const MARK: &str = "\u{feff}";

/// Mends a config; `None` where nothing is to be mended, or a change would not leave fewer findings.
#[must_use]
pub fn fix(bytes: &[u8], environment: &Environment, store: &Store) -> Option<Fixed> {
    let whole = std::str::from_utf8(bytes).ok()?;
    // A byte order mark is no part of the text that spans count in.
    let mut text = whole.strip_prefix(MARK).unwrap_or(whole).to_owned();
    let mark = if whole.starts_with(MARK) { MARK } else { "" };
    let mut applied = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let Some((next, changes)) = round(&text, environment, store) else { break };
        text = next;
        applied.extend(changes);
    }
    applied.sort_by_key(|change: &Applied| change.line);
    (!applied.is_empty()).then(|| Fixed { text: format!("{mark}{text}"), applied })
}

fn examine(text: &str, environment: &Environment, store: &Store) -> Report {
    load::examine("", text.as_bytes(), &Options::default(), environment, store).1
}

fn round(text: &str, environment: &Environment, store: &Store) -> Option<(String, Vec<Applied>)> {
    let report = examine(text, environment, store);
    if let [only] = report.diagnostics.as_slice()
        && only.finding == Finding::Syntax
    {
        return untabbed(text).filter(|(next, _)| {
            let after = examine(next, environment, store);
            after.diagnostics.iter().all(|found| !matches!(found.finding, Finding::Syntax | Finding::Documents | Finding::TooMuch))
        });
    }
    let all = edits(text, &report);
    if let Some(done) = accepted(text, &report, &all, environment, store) {
        return Some(done);
    }
    // Together they do harm: the first one that does none by itself.
    all.iter().find_map(|edit| accepted(text, &report, std::slice::from_ref(edit), environment, store))
}

/// An edit of bytes of the file.
struct Edit {
    start: usize,
    end: usize,
    text: String,
    change: Applied,
}

/// The edits that the findings offer, in order, none over another.
fn edits(text: &str, report: &Report) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    for found in report.diagnostics.iter().filter(|found| found.span.source == 0) {
        let Some(after) = &found.fix else { continue };
        let (start, end) = (found.span.start, found.span.end);
        let Some(before) = text.get(start..end) else { continue };
        // An alias repeats a finding at the same place.
        if before == after || edits.last().is_some_and(|last| last.end > start) {
            continue;
        }
        let (line, code) = (report.position(found.span).0, format!("AIMUX-{}", found.finding.row().id));
        let change = Applied { line, code, before: mask::shown(before), after: mask::shown(after) };
        edits.push(Edit { start, end, text: after.clone(), change });
    }
    edits
}

/// The text with edits, where that leaves fewer findings and no new kind of error.
fn accepted(text: &str, report: &Report, edits: &[Edit], environment: &Environment, store: &Store) -> Option<(String, Vec<Applied>)> {
    let mut next = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        next.push_str(text.get(at..edit.start)?);
        next.push_str(&edit.text);
        at = edit.end;
    }
    next.push_str(text.get(at..)?);
    let after = examine(&next, environment, store);
    let mended = edits.len();
    let is_broken = after.diagnostics.iter().any(|found| matches!(found.finding, Finding::Syntax | Finding::DuplicateKey))
        && !report.diagnostics.iter().any(|found| found.finding == Finding::DuplicateKey);
    // What a misspelt section held is checked only now: findings inside of it are no harm done, those elsewhere are.
    let is_better = mended > 0 && !is_broken && edits.iter().all(|edit| is_gone(edit, edits, &after));
    is_better.then(|| (next, edits.iter().map(|edit| edit.change.clone()).collect()))
}

/// Whether the finding that an edit answers is not there any more.
fn is_gone(edit: &Edit, edits: &[Edit], after: &Report) -> bool {
    let shift: isize = edits
        .iter()
        .filter(|other| other.start < edit.start)
        .map(|other| other.text.len().cast_signed() - (other.end - other.start).cast_signed())
        .sum();
    let start = edit.start.checked_add_signed(shift).unwrap_or(edit.start);
    !after.diagnostics.iter().any(|found| found.span.source == 0 && found.span.start == start && found.fix.is_some())
}

/// Tabs at the beginnings of lines as two blanks each, where no line is indented with blanks: else nobody knows how wide a
/// tab was meant to be.
fn untabbed(text: &str) -> Option<(String, Vec<Applied>)> {
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let is_mixed = text.lines().any(|line| line.get(..indent(line)).is_some_and(|indent| indent.contains(' ')) && !line.trim().is_empty());
    let has_block = text.lines().any(|line| line.trim_end().ends_with(['|', '>']));
    if is_mixed || has_block || !text.lines().any(|line| line.starts_with('\t')) {
        return None;
    }
    let mut next = String::with_capacity(text.len() + text.len() / 8);
    let mut applied = Vec::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let tabs = line.len() - line.trim_start_matches('\t').len();
        next.push_str(&"  ".repeat(tabs));
        next.push_str(line.get(tabs..).unwrap_or_default());
        if tabs > 0 {
            let (code, before, after) = ("AIMUX-E0110".to_owned(), "tabs".to_owned(), "blanks".to_owned());
            applied.push(Applied { line: index + 1, code, before, after });
        }
    }
    Some((next, applied))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(text: &str) -> Option<String> {
        let store = Store::new(std::path::Path::new("/nonexistent"), None);
        let environment = Environment::default();
        let once = fix(text.as_bytes(), &environment, &store)?;
        assert_eq!(fix(once.text.as_bytes(), &environment, &store), None, "mended twice: {}", once.text);
        Some(once.text)
    }

    const LOCAL: &str = "providers: { ollama: {} }\n";

    #[test]
    fn only_the_mistake_itself_changes() {
        for (before, after) in [
            ("version: \"1\"  # one\n", "version: 1  # one\n"),
            ("version: 1\r\nlimts: {body_mb:   '64'}\r\n# the end", "version: 1\r\nlimits: {body_mb:   64}\r\n# the end"),
            ("version: 1\nretry: &r { \"deadlin_s\": 60 }\n", "version: 1\nretry: &r { deadline_s: 60 }\n"),
            ("\u{feff}version: 1\nlimits: { body_bm: 1 }\n", "\u{feff}version: 1\nlimits: { body_mb: 1 }\n"),
            (
                "version: 1\nmodels: { m: { use: [ollama/x], strategy: oder } }\n",
                "version: 1\nmodels: { m: { use: [ollama/x], strategy: order } }\n",
            ),
        ] {
            assert_eq!(
                fixed(&format!("{before}{}{LOCAL}", if before.ends_with('\n') { "" } else { "\n" })).unwrap(),
                format!("{after}{}{LOCAL}", if after.ends_with('\n') { "" } else { "\n" })
            );
        }
        let text = "version: 1\nproviders:\n  ollama: { headers: { x-tenant: 007 }, plain_http: yes }\n";
        let mended = "version: 1\nproviders:\n  ollama: { headers: { x-tenant: \"007\" }, plain_http: true }\n";
        assert_eq!(fixed(text).unwrap(), mended);
    }

    #[test]
    fn what_is_inside_of_a_misspelt_section_is_mended_too() {
        let text = format!("version: 1\n{LOCAL}limts:\n  body_bm: \"64\" # sixty-four\n");
        assert_eq!(fixed(&text).unwrap(), format!("version: 1\n{LOCAL}limits:\n  body_mb: 64 # sixty-four\n"));
    }

    #[test]
    fn tabs_become_blanks_where_nothing_else_indents() {
        assert_eq!(
            fixed("version: 1\nproviders:\n\tollama:\n\t\tmodels:\n\t\t\t- a\n").unwrap(),
            "version: 1\nproviders:\n  ollama:\n    models:\n      - a\n"
        );
        assert_eq!(fixed("version: 1\nproviders:\n\tollama:\n    \tmodels: [a]\n"), None);
    }

    #[test]
    fn what_may_mean_two_things_or_sends_requests_elsewhere_is_left_alone() {
        for text in [
            "version: 1\nproviders: { olama: {} }\n",
            "version: 1\nproviders: { local: { preset: olama } }\n",
            "version: 1\nproviders: { ollama: { models: [a] } }\nmodels: { m: olama/a }\n",
            "version: 1\nproviders: { x: { dialect: openai-chat, base_url: \"http://10.0.0.1/v1\" } }\n",
            "version: 1\nproviders: { ollama: {} }\nlimits: { drain: 4 }\n",
            "version: 1\nproviders: { ollama: {} }\nlimits: { body_bm: 4, body_mb: 5 }\n",
            "version: 1\nproviders: { ollama: {} }\nlimits: { body_bm: 4, body_md: 5 }\n",
            "version: 2\nproviders: { ollama: {} }\n",
            "version: 1\nproviders: { ollama: {} }\nlimits: { body_mb: \"9999\" }\n",
            "version: 1\nproviders: { ollama: {} }\n",
            "",
            "[",
        ] {
            assert_eq!(fixed(text), None, "{text}");
        }
    }

    #[test]
    fn whatever_is_mended_is_mended_once_and_breaks_nothing() {
        let store = Store::new(std::path::Path::new("/nonexistent"), None);
        let environment = Environment::default();
        let broken = |text: &str| {
            let found = examine(text, &environment, &store).diagnostics;
            found.iter().any(|found| matches!(found.finding, Finding::Syntax | Finding::DuplicateKey))
        };
        let base = "version: 1 # a\nserver: { listen: \"127.0.0.1:1\" }\nproviders:\n  ollama: { plain_http: true, headers: { x-a: \"1\" } }\nmodels:\n  \"m*\": { use: [ollama/x], strategy: order }\nlimits:\n  body_mb: 64 # b\n  drain_s: 3\nretry: { deadline_s: 60 }\nbreaker: off\n";
        let mut seed = 7_u64;
        let mut next = |limit: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % limit
        };
        let mut mended = 0;
        for _ in 0..600 {
            let mut text: Vec<char> = base.chars().collect();
            for _ in 0..=next(3) {
                let place = next(text.len() - 1);
                match next(4) {
                    0 => text.swap(place, place + 1),
                    1 => drop(text.remove(place)),
                    2 => text.insert(place, ['"', '\'', '1', 's', '_', '\t', ' ', ':'][next(8)]),
                    _ => text[place] = ['y', 'e', 's', '0', '"', '#'][next(6)],
                }
            }
            let text: String = text.into_iter().collect();
            let Some(fixed) = fix(text.as_bytes(), &environment, &store) else { continue };
            assert_eq!(fix(fixed.text.as_bytes(), &environment, &store), None, "{text}\n{}", fixed.text);
            // A section that is named right is read, mistakes included; but it is read.
            assert!(!broken(&fixed.text) || broken(&text), "{text}\n{}", fixed.text);
            assert!(fixed.text.matches(" #").count() == text.matches(" #").count(), "a comment was lost: {text}\n{}", fixed.text);
            mended += 1;
        }
        assert!(mended > 20, "{mended}");
    }
}
