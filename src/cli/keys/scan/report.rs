//! What a scan found, as text, JSON and SARIF. A key is masked in each.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Finding, Found};
use crate::cli::output;
use crate::cli::sarif::{log_of, uri};

/// A line for each key, then what was looked at.
pub(super) fn text(found: &Found) -> String {
    let mut said = String::new();
    for finding in &found.findings {
        let Finding { provider, masked, path, line, column, commit, .. } = finding;
        let commit = commit.as_ref().map_or_else(String::new, |hash| format!(" (commit {})", hash.get(..12).unwrap_or(hash)));
        said.push_str(&format!("{path}:{line}:{column}: {provider} key {masked}{commit}\n"));
    }
    let count = found.findings.len();
    let noun = if count == 1 { "key" } else { "keys" };
    let accepted = if found.accepted > 0 { format!(", besides {} that are accepted", found.accepted) } else { String::new() };
    said.push_str(&format!("{count} {noun} in {} files and {} commits{accepted}\n", found.files, found.commits));
    said.push_str(&notes(found));
    if count > 0 {
        said.push_str("a key that was committed or shared is known: replace it at its provider; deleting the line is not enough\n");
    }
    output::printable(&said)
}

/// What was left out.
pub(super) fn notes(found: &Found) -> String {
    let mut said: String = found.notes.iter().map(|note| format!("note: {note}\n")).collect();
    if found.untold > 0 {
        said.push_str(&format!("note: {} further ones are not told\n", found.untold));
    }
    output::printable(&said)
}

pub(super) fn json(found: &Found) -> String {
    let finding = |finding: &Finding| {
        let Finding { provider, masked, path, line, column, commit, fingerprint } = finding;
        json!({
            "provider": provider, "masked": masked, "path": path, "line": line, "column": column, "commit": commit,
            "fingerprint": fingerprint,
        })
    };
    let findings: Vec<Value> = found.findings.iter().map(finding).collect();
    let all = json!({
        "findings": findings, "accepted": found.accepted, "untold": found.untold, "files": found.files, "commits": found.commits, "notes": found.notes,
    });
    format!("{all:#}\n")
}

/// SARIF 2.1.0, a rule for each provider.
pub(super) fn sarif(found: &Found) -> String {
    let providers: BTreeSet<&str> = found.findings.iter().map(|finding| finding.provider).collect();
    let rule = |provider: &&str| {
        json!({
            "id": rule_id(provider),
            "shortDescription": { "text": format!("A key of {provider} in clear text") },
            "help": { "text": "Replace the key at its provider: whoever can read the repository has it. Keep the new one with `aimux keys add`." },
            "defaultConfiguration": { "level": "error" },
        })
    };
    let rules: Vec<Value> = providers.iter().map(rule).collect();
    let results: Vec<Value> = found.findings.iter().map(result).collect();
    let driver = json!({ "name": "aimux", "semanticVersion": env!("CARGO_PKG_VERSION"), "rules": rules });
    let run = json!({ "tool": { "driver": driver }, "columnKind": "unicodeCodePoints", "results": results });
    log_of(&run)
}

fn result(finding: &Finding) -> Value {
    let Finding { provider, masked, path, line, column, commit, fingerprint } = finding;
    let since = commit.as_ref().map_or_else(String::new, |hash| format!(", brought by commit {hash} and not in the file now"));
    let region = json!({ "startLine": line, "startColumn": column });
    json!({
        "ruleId": rule_id(provider),
        "level": "error",
        "message": { "text": format!("{provider} key {masked}{since}") },
        "locations": [{ "physicalLocation": { "artifactLocation": { "uri": uri(path) }, "region": region } }],
        "partialFingerprints": { "aimuxKey/v1": fingerprint },
    })
}

fn rule_id(provider: &str) -> String {
    format!("key/{}", provider.replace(' ', "-"))
}
