//! Every field of the table: its range at both ends, wrong types, unknown and doubled keys.

use super::*;
use crate::config::fields;

/// The text of a config that has `value` in a field.
fn placed(section: &str, field: &Field, value: &str) -> String {
    let name = field.name;
    match (section, name) {
        ("", "version") => format!("version: {value}\nproviders:\n  {P}\n"),
        ("", "providers") => format!("version: 1\nproviders: {value}\n"),
        ("", _) => with(&format!("{name}: {value}")),
        ("provider", "dialect") => provider(&format!("base_url: \"http://127.0.0.1:1/v1\", dialect: {value}")),
        ("provider", "base_url") => provider(&format!("dialect: openai-chat, base_url: {value}")),
        ("provider", _) => provider(&format!("dialect: openai-chat, base_url: \"http://127.0.0.1:1/v1\", {name}: {value}")),
        ("provider.limits", _) => {
            provider(&format!("dialect: openai-chat, base_url: \"http://127.0.0.1:1/v1\", limits: {{ {name}: {value} }}"))
        }
        ("provider.oauth", _) => {
            provider(&format!("dialect: openai-chat, base_url: \"http://127.0.0.1:1/v1\", oauth: {{ {name}: {value} }}"))
        }
        ("provider.models", _) => {
            provider(&format!("dialect: openai-chat, base_url: \"http://127.0.0.1:1/v1\", models: {{ x: {{ {name}: {value} }} }}"))
        }
        ("models", "use") => with(&format!("models: {{ m: {{ use: {value} }} }}")),
        ("models", _) => with(&format!("models: {{ m: {{ use: [p/x], {name}: {value} }} }}")),
        ("route", "name") => with(&format!("routes: [{{ use: [p/x], {name}: {value} }}]")),
        ("route", "use") => with(&format!("routes: [{{ name: r, {name}: {value} }}]")),
        ("route", _) => with(&format!("routes: [{{ name: r, use: [p/x], {name}: {value} }}]")),
        ("test", _) => with(&format!("tests: [{{ {name}: {value} }}]")),
        ("policy", "name") => with(&format!("policies: [{{ deny: {{ provider: p }}, {name}: {value} }}]")),
        ("policy", "when") => with(&format!("policies: [{{ name: n, deny: {{ provider: p }}, {name}: {value} }}]")),
        ("policy", _) => with(&format!("policies: [{{ name: n, {name}: {value} }}]")),
        ("policy.allow", _) => with(&format!("policies: [{{ name: n, allow: {{ {name}: {value} }} }}]")),
        ("route.hedge", _) => with(&format!("routes: [{{ name: r, use: [p/x], hedge: {{ {name}: {value} }} }}]")),
        ("route.when", _) => with(&format!("routes: [{{ name: r, use: [p/x], when: {{ {name}: {value} }} }}]")),
        ("mcp", "command" | "url" | "key_in") => with(&format!("mcp: {{ m: {{ {name}: {value} }} }}")),
        ("mcp", "headers" | "plain_http") => with(&format!("mcp: {{ m: {{ url: \"https://a.example/mcp\", {name}: {value} }} }}")),
        ("mcp", _) => with(&format!("mcp: {{ m: {{ command: x, {name}: {value} }} }}")),
        ("mcp.sandbox", _) => with(&format!("mcp: {{ m: {{ command: x, sandbox: {{ {name}: {value} }} }} }}")),
        // These must not be lower than a neighbour.
        (_, "buffered_mb") => with(&format!("limits: {{ body_mb: 1, buffered_mb: {value} }}")),
        (_, "rest_max_s") => with(&format!("breaker: {{ rest_s: 1, rest_max_s: {value} }}")),
        _ => with(&format!("{section}: {{ {name}: {value} }}")),
    }
}

pub(super) fn all_fields() -> Vec<(&'static str, &'static Field)> {
    let sections = [
        ("", fields::ROOT),
        ("server", fields::SERVER),
        ("provider", fields::PROVIDER),
        ("provider.limits", fields::PROVIDER_LIMITS),
        ("provider.oauth", fields::OAUTH),
        ("provider.models", fields::MODEL_FACTS),
        ("models", fields::MODEL),
        ("route", fields::ROUTE),
        ("route.when", fields::WHEN),
        ("route.hedge", fields::HEDGE),
        ("policy", fields::POLICY),
        ("test", fields::TEST),
        ("policy.allow", fields::TRAITS),
        ("limits", fields::LIMITS),
        ("retry", fields::RETRY),
        ("breaker", fields::BREAKER),
        ("sticky", fields::STICKY),
        ("mcp", fields::MCP),
        ("mcp.sandbox", fields::MCP_SANDBOX),
    ];
    sections.into_iter().flat_map(|(name, fields)| fields.iter().map(move |field| (name, field))).collect()
}

#[test]
fn each_range_holds_at_both_ends_and_not_beyond() {
    let mut tried = 0;
    for (section, field) in all_fields() {
        let Kind::Integer { min, max } = field.kind else { continue };
        for inside in [min, max] {
            let report = report(&placed(section, field, &inside.to_string()));
            assert_eq!(report.errors(), 0, "{section}.{} = {inside}\n{}", field.name, report.render());
        }
        let below = if min == 0 { "-1".to_owned() } else { (min - 1).to_string() };
        for outside in [below, (max + 1).to_string(), "99999999999999999999999999".to_owned(), "-5".to_owned()] {
            let found = findings(&placed(section, field, &outside));
            let expected = if field.name == "version" { Finding::Version } else { Finding::OutOfRange };
            assert!(found.contains(&expected), "{section}.{} = {outside}: {found:?}", field.name);
        }
        tried += 1;
    }
    assert!(tried > 25, "{tried}");
}

#[test]
fn a_wrong_type_is_found_in_every_field() {
    for (section, field) in all_fields() {
        let wrong: &[&str] = match field.kind {
            Kind::Integer { .. } => &["[1]", "{ a: 1 }", "\"5\"", "true", "~", "many", "0x10", "1_000"],
            Kind::Integers { .. } => &["a", "5", "true", "~", "{ a: 1 }", "[a]", "[1.5]"],
            Kind::Flag => &["[true]", "{ a: 1 }", "\"true\"", "1", "~", "maybe", "yes"],
            Kind::Text(_) | Kind::Choice(_) | Kind::Key => &["[a]", "5", "true", "~", "1.5"],
            Kind::Variable => &["[a]", "true", "~"],
            Kind::Keys => &["a", "5", "true", "~", "{ env: A }"],
            Kind::List(_) if section == "models" || section == "route" => &["5", "true", "~", "{ a: 1 }"],
            Kind::Items(_) => &["a", "5", "true", "{ a: 1 }"],
            Kind::ListOrNamed(..) => &["a", "5", "true"],
            Kind::Amount => &["a", "\"5\"", "true", "~", "[1]", "{ a: 1 }"],
            Kind::Patience => &["true", "~", "[1]", "{ a: 1 }"],
            Kind::Words(_) | Kind::Choices(_) => &["5", "true", "~", "{ a: 1 }", "[[a]]"],
            Kind::Numbers => &["~", "{ a: 1 }", "[true]", "[[1]]"],
            Kind::List(_) => &["a", "5", "true", "~", "{ a: 1 }", "[1]"],
            Kind::Texts(_) | Kind::Section(_) | Kind::SectionOrNone(_) | Kind::Named(_) | Kind::Models(_) => &["a", "5", "true", "[a]"],
            Kind::SectionOrOff(_) => &["5", "true", "[a]"],
        };
        for value in wrong {
            let report = report(&placed(section, field, value));
            let at_field = |found: &&crate::config::diagnostic::Diagnostic| found.path.split(['.', '[']).any(|part| part == field.name);
            let found: Vec<Finding> = report.diagnostics.iter().filter(at_field).map(|found| found.finding).collect();
            assert!(found.contains(&Finding::WrongType), "{section}.{} = {value}: {}", field.name, report.render());
        }
    }
}

#[test]
fn unknown_and_doubled_keys_are_found_in_every_section() {
    for (section, field) in all_fields() {
        if section.is_empty() || section == "models" {
            continue;
        }
        let text =
            placed(section, field, "x, no_such_field: 1, no_such_field: 2").replace("no_such_field: 2", &format!("{}: x", field.name));
        let found = findings(&text);
        assert!(found.contains(&Finding::UnknownKey) && found.contains(&Finding::DuplicateKey), "{text}: {found:?}");
    }
    let report = report(&with("serve: {}"));
    assert_eq!(report.diagnostics[0].finding, Finding::UnknownKey);
    assert_eq!(report.diagnostics[0].help.as_deref(), Some("did you mean \"server\"?"));
}

#[test]
fn each_number_of_a_list_is_within_its_range() {
    let mut tried = 0;
    for (section, field) in all_fields() {
        let Kind::Integers { min, max } = field.kind else { continue };
        for (number, is_inside) in [(min, true), (max, true), (max + 1, false), (min.wrapping_sub(1), false)] {
            let found = findings(&placed(section, field, &format!("[{number}]")));
            assert_eq!(found.contains(&Finding::OutOfRange), !is_inside, "{section}.{} = [{number}]: {found:?}", field.name);
        }
        tried += 1;
    }
    assert_eq!(tried, 2);
}
