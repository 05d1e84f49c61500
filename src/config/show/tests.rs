//! Every field shown, wherever it comes from, and no secret.

use super::*;

const BASE: &str = "version: 1\nproviders:\n  p: { dialect: openai-chat, base_url: \"http://127.0.0.1:1/v1\" }\nmodels:\n  main: [p/m]\n";

fn shown(text: &str, variables: &[(String, String)], extent: Extent) -> Shown {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.yaml");
    std::fs::write(&path, text).unwrap();
    let options = Options { path: Some(path), listen: None };
    let environment = Environment::new(variables.iter().cloned());
    show(&options, &environment, &Store::new(folder.path(), None), extent).unwrap()
}

/// Every field as a variable spells it, with a value that fits.
fn variables(fields: &'static [Field], path: &str, out: &mut Vec<(String, String)>) {
    for field in fields.iter().filter(|field| field.name != "version") {
        let name = if path.is_empty() { field.name.to_owned() } else { format!("{path}__{}", field.name) };
        let value = match field.kind {
            Kind::Integer { max, .. } if field.name == "buffered_mb" => max.to_string(),
            Kind::Integer { .. } if field.name == "rest_max_s" => "3600".to_owned(),
            Kind::Integer { min, .. } => min.to_string(),
            Kind::Integers { .. } => "[1]".to_owned(),
            Kind::Flag => "true".to_owned(),
            Kind::Text(_) => match field.name {
                "cwd" | "command" => "/tmp",
                "key_in" => "X_KEY",
                "listen" => "[::1]:9",
                "preset" => "openai",
                "path" | "ca" => "/tmp/ledger.sqlite",
                "host" => "db",
                _ => "http://127.0.0.1:9/v1",
            }
            .to_owned(),
            Kind::Choice(words) => words.last().unwrap().to_string(),
            Kind::Variable => "{ env: HOME }".to_owned(),
            Kind::Key => "a-key".to_owned(),
            Kind::Keys => "[a-key, { env: HOME }]".to_owned(),
            Kind::List(_) if field.name == "use" => "[p/n]".to_owned(),
            Kind::List(_) if field.name == "write" => "[/tmp]".to_owned(),
            Kind::List(_) => "[m]".to_owned(),
            Kind::Texts(_) if field.name == "env" => "{ X_A: b }".to_owned(),
            Kind::Texts(_) => "{ x-a: b }".to_owned(),
            Kind::SectionOrOff(_) => "off".to_owned(),
            Kind::Section(_) => "{}".to_owned(),
            Kind::SectionOrNone(_) => "{ host: db }".to_owned(),
            Kind::Named(_) if field.name == "mcp" => "{ p: { command: x } }".to_owned(),
            Kind::Named(_) => "{ p: { dialect: openai-chat, base_url: \"http://127.0.0.1:9/v1\" } }".to_owned(),
            Kind::Models(_) => "{ main: p/n }".to_owned(),
            Kind::Items(_) if field.name == "tests" => "[{ request: { model: main }, expect: main }]".to_owned(),
            Kind::Items(_) if field.name == "policies" => "[{ name: n, deny: { provider: x } }]".to_owned(),
            Kind::Items(_) => "[{ name: all, use: [p/n] }]".to_owned(),
            Kind::ListOrNamed(..) => "[m]".to_owned(),
            Kind::Patience => "p95".to_owned(),
            Kind::Amount => "0.5".to_owned(),
            Kind::Words(_) | Kind::Choices(_) | Kind::Numbers => unreachable!("fields of a list"),
        };
        // What stands in a list has no name, and the models of the base have none either.
        if let Some(inner) = field.kind.fields().filter(|_| !matches!(field.kind, Kind::Items(_) | Kind::ListOrNamed(..))) {
            let entry = match field.kind {
                Kind::Named(_) => "__p",
                Kind::Models(_) => "__main",
                _ => "",
            };
            variables(inner, &format!("{name}{entry}"), out);
        }
        out.push((name, value));
    }
}

#[test]
fn every_field_may_come_from_the_environment_and_says_so() {
    let mut all = Vec::new();
    variables(fields::ROOT, "", &mut all);
    assert!(all.len() > 50, "{all:?}");
    for (name, value) in all {
        let variable = format!("AIMUX_{}", name.to_ascii_uppercase());
        let mut text = BASE.to_owned();
        if name == "providers__p__dialect" {
            // The last of them is no fit for the URL's `/v1` in every case; the preset then says where it is.
            text = text.replace("base_url: \"http://127.0.0.1:1/v1\"", "preset: openai");
        }
        if name.starts_with("providers__p__oauth__") {
            let rest = "key: { env: HOME }, oauth: { client_id: c, auth_url: \"https://a.example/a\", token_url: \"https://a.example/t\" }";
            text = text.replace("dialect:", &format!("{rest}, dialect:"));
        }
        if name.starts_with("postgres") {
            text += "postgres: { host: db }\nledger: { store: postgres }\n";
        }
        if name.ends_with("__store") {
            text += "postgres: { host: db }\n";
        }
        if name.starts_with("mcp__p__") {
            let is_of_program = ["command", "args", "env", "cwd", "sandbox"].iter().any(|field| name.contains(field));
            let rest = if is_of_program { "command: x" } else { "url: \"https://a.example/mcp\", key: { env: HOME }" };
            text += &format!("mcp: {{ p: {{ {} }} }}\n", if name.ends_with("__command") { "" } else { rest });
        }
        let shown = shown(&text, &[(variable.clone(), value.clone())], Extent::Resolved);
        assert_eq!(shown.errors, 0, "{variable}={value}: {}", shown.rendered);
        assert!(!shown.rendered.contains("E0139"), "{variable}: {}", shown.rendered);
        let is_from = |row: &ShownRow| matches!(&row.value, ShownValue::Given { origin: Origin::Variable(from), .. } if *from == variable);
        let is_empty_section = value == "{}";
        assert!(is_empty_section || shown.rows.iter().any(is_from), "{variable}={value}: {:?}", shown.rows);
    }
}

#[test]
fn a_variable_that_nothing_reads_is_said_with_what_was_meant() {
    for (name, near) in [
        ("AIMUX_SERVER_LISTEN", "AIMUX_SERVER__LISTEN"),
        ("AIMUX_CONFG", "AIMUX_CONFIG"),
        ("AIMUX_LOGFORMAT", "AIMUX_LOG_FORMAT"),
        ("AIMUX_BRAEKER", "AIMUX_BREAKER"),
        ("AIMUX_SERVER__LISTN", "\"listen\""),
    ] {
        let shown = shown(BASE, &[(name.to_owned(), "hunter2".to_owned())], Extent::Given);
        assert!(shown.rendered.contains(name) && shown.rendered.contains(near), "{name}: {}", shown.rendered);
        assert!(shown.errors == 0 && !shown.rendered.contains("hunter2"), "{}", shown.rendered);
    }
    for name in ["AIMUX_VERSION", "AIMUX_WHATEVER"] {
        assert!(shown(BASE, &[(name.to_owned(), "1".to_owned())], Extent::Given).rendered.contains("E0139"), "{name}");
    }
    let own = BASE.replace("dialect:", "key: { env: AIMUX_MY_KEY }, dialect:");
    for (text, name) in [(BASE, "AIMUX_LOG"), (BASE, "AIMUX_CLIENT_TOKEN"), (BASE, "AIMUX_TEST_X"), (&own, "AIMUX_MY_KEY")] {
        assert_eq!(shown(text, &[(name.to_owned(), "1".to_owned())], Extent::Given).rendered, "", "{name}");
    }
}

#[test]
fn the_names_that_the_program_reads_are_all_known() {
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    let mut read = std::collections::BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if let Ok(text) = std::fs::read_to_string(&entry) {
                let calls = text.split("get(\"AIMUX_").skip(1).filter_map(|rest| rest.split_once('"'));
                read.extend(calls.map(|(name, _)| format!("AIMUX_{name}")));
            }
        }
    }
    assert!(read.contains("AIMUX_CONFIG"), "{read:?}");
    for name in read.iter().filter(|name| !name.starts_with("AIMUX_TEST_")) {
        assert!(super::super::environment::OWN.contains(&name.as_str()), "{name} is missing in environment::OWN");
    }
}

#[test]
fn no_secret_is_shown_whatever_it_came_from() {
    let text = "version: 1\nserver: { token: hunter2hunter2, hosts: [sk-ant-api03-0123456789] }\nproviders:\n  p:\n    base_url: \"http://me:hunter2hunter2@h/v1\"\n    dialect: openai-chat\n    key: sk-ant-api03-0123456789abcdef\n    headers: { authorization: hunter2hunter2, x-a: \"${MY_SECRET}\" }\n    query: { api_key: hunter2hunter2 }\n";
    for extent in [Extent::Given, Extent::Resolved] {
        let shown = shown(text, &[("MY_SECRET".to_owned(), "hunter2hunter2".to_owned())], extent);
        let all = format!("{shown:?}");
        assert!(!all.contains("hunter2") && !all.contains("0123456789"), "{all}");
        assert!(all.contains(mask::DOTS));
    }
}

#[test]
fn two_defaults_follow_another_field() {
    let shown = shown(&format!("{BASE}limits: {{ body_mb: 512 }}\nbreaker: {{ rest_s: 400 }}\n"), &[], Extent::Resolved);
    let value = |path: &str| match &shown.rows.iter().find(|row| row.path == path).unwrap().value {
        ShownValue::Given { yaml, .. } => yaml.clone(),
        other => format!("{other:?}"),
    };
    assert_eq!((value("limits.buffered_mb").as_str(), value("breaker.rest_max_s").as_str()), ("512", "400"));
}
