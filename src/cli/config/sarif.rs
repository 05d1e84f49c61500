//! SARIF 2.1.0, what code-scanning services read. A rule for each code that was found, with its page as help.
//!
//! Start with [`sarif`].

use serde_json::{Value, json};

use crate::cli::sarif::{log_of, uri};
use crate::config::{FindingLine, Page, Place, Validation, pages};

/// Where the pages of the codes are; the package says it, once it has a repository.
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// The whole log, JSON with line breaks.
pub(super) fn sarif(files: &[Validation]) -> String {
    log(files, REPOSITORY)
}

fn log(files: &[Validation], repository: &str) -> String {
    let findings: Vec<&FindingLine> = files.iter().flat_map(|file| &file.findings).collect();
    let rules: Vec<Page> =
        pages().into_iter().filter(|page| findings.iter().any(|found| found.code.strip_prefix("AIMUX-") == Some(page.id))).collect();
    let results: Vec<Value> = findings.iter().map(|found| result(found, &rules)).collect();
    let mut driver = json!({
        "name": "aimux",
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "rules": rules.iter().map(|page| rule(page, repository)).collect::<Vec<_>>(),
    });
    if !repository.is_empty() {
        put(&mut driver, "informationUri", json!(repository));
    }
    let artifacts: Vec<Value> = files.iter().map(|file| json!({ "location": { "uri": uri(&file.name) } })).collect();
    let run = json!({
        "tool": { "driver": driver },
        "columnKind": "unicodeCodePoints",
        "invocations": [{ "executionSuccessful": true }],
        "artifacts": artifacts,
        "results": results,
    });
    log_of(&run)
}

fn rule(page: &Page, repository: &str) -> Value {
    let mut rule = json!({
        "id": format!("AIMUX-{}", page.id),
        "shortDescription": { "text": page.title },
        "fullDescription": { "text": page.cause },
        "help": { "text": page.text(), "markdown": page.markdown() },
        "defaultConfiguration": { "level": page.severity },
    });
    if !repository.is_empty() {
        put(&mut rule, "helpUri", json!(format!("{}/blob/main/docs/codes/{}.md", repository.trim_end_matches('/'), page.id)));
    }
    rule
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), value);
    }
}

fn result(found: &FindingLine, rules: &[Page]) -> Value {
    let index = rules.iter().position(|page| found.code.strip_prefix("AIMUX-") == Some(page.id));
    let text = if found.help.is_empty() { found.message.clone() } else { format!("{}\n{}", found.message, found.help) };
    let mut location = json!({});
    if found.place == Place::File {
        let region = json!({
            "startLine": found.line, "startColumn": found.column, "endLine": found.end_line, "endColumn": found.end_column,
        });
        put(&mut location, "physicalLocation", json!({ "artifactLocation": { "uri": uri(&found.file) }, "region": region }));
    }
    // What a variable sets has no line in a file; its name is where to look.
    let name = if found.place == Place::Override { &found.file } else { &found.path };
    if !name.is_empty() {
        put(&mut location, "logicalLocations", json!([{ "fullyQualifiedName": name }]));
    }
    let mut result = json!({
        "ruleId": found.code,
        "level": found.severity,
        "message": { "text": text },
        "locations": [location],
    });
    if let Some(index) = index {
        put(&mut result, "ruleIndex", json!(index));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_leads_to_its_page_where_the_package_has_a_repository() {
        let page = pages().into_iter().find(|page| page.id == "E0114").unwrap();
        assert_eq!(rule(&page, "https://example.com/a/b/")["helpUri"], "https://example.com/a/b/blob/main/docs/codes/E0114.md");
        assert!(rule(&page, "").get("helpUri").is_none());
    }
}
