//! The validator as a whole: every field of the table, whole reports, the examples, and texts that nobody would write.

mod malformed;
mod ranges;
mod rules;

use std::path::{Path, PathBuf};

use self::ranges::all_fields;
use super::diagnostic::{Finding, Report};
use super::fields::{Field, Kind};
use super::load::{self, examine};
use super::{Environment, LoadError, Options, Ready, Strict, ready, reference, validate};
use crate::dialect::Dialect;
use crate::error::Code;
use crate::keys::Store;
use crate::provider::Auth;
use crate::route::table::{After, Choice, Continue, Hedge, OnContext, Strategy};
use crate::secret::Secret;

const P: &str = "p: { dialect: openai-chat, base_url: \"http://127.0.0.1:1/v1\" }";

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::new(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn no_keys() -> Store {
    Store::new(Path::new("/nonexistent"), None)
}

fn report_with(text: &str, variables: &[(&str, &str)]) -> Report {
    examine("config.yaml", text.as_bytes(), &Options::default(), &environment(variables), &no_keys()).1
}

fn report(text: &str) -> Report {
    report_with(text, &[])
}

fn findings(text: &str) -> Vec<Finding> {
    report(text).diagnostics.iter().map(|found| found.finding).collect()
}

/// A valid config but for what is given: `providers` has `p`, and the section's line is added.
fn with(section: &str) -> String {
    format!("version: 1\nproviders:\n  {P}\n{section}\n")
}

fn provider(fields: &str) -> String {
    format!("version: 1\nproviders:\n  p: {{ {fields} }}\n")
}

fn bless(path: &Path, text: &str) -> String {
    if std::env::var_os("AIMUX_TEST_BLESS").is_some() {
        std::fs::write(path, text).unwrap();
    }
    std::fs::read_to_string(path).unwrap_or_default()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn all_mistakes_of_a_file_are_found_in_one_run() {
    let fixtures = root().join("tests/fixtures/config");
    let text = std::fs::read_to_string(fixtures.join("mistakes.yaml")).unwrap();
    let report = report_with(&text, &[("OPENAI_API_KEY", "x")]);
    let rendered = report.render();
    assert_eq!(rendered, bless(&fixtures.join("mistakes.txt"), &rendered), "AIMUX_TEST_BLESS=1 writes it anew; read it then");
    assert!(report.errors() >= 12, "{rendered}");
    assert!(!rendered.contains("not-a-real-key") && !rendered.contains("Bearer abc"), "{rendered}");
    for found in &report.diagnostics {
        let (line, column) = report.position(found.span);
        assert!(line > 1 && column >= 1, "{found:?}");
    }
}

#[test]
fn the_reference_in_docs_is_the_tables() {
    let page = reference();
    assert_eq!(page, bless(&root().join("docs/config.md"), &page), "run `aimux config reference > docs/config.md`");
}

#[test]
fn the_schema_knows_every_field_and_its_range() {
    let schema: serde_json::Value = serde_json::from_str(&super::schema()).unwrap();
    let at = |section: &str| match section {
        "" => "/properties".to_owned(),
        "provider" => "/properties/providers/additionalProperties/properties".to_owned(),
        "provider.limits" => "/properties/providers/additionalProperties/properties/limits/properties".to_owned(),
        "provider.oauth" => "/properties/providers/additionalProperties/properties/oauth/properties".to_owned(),
        "provider.models" => {
            "/properties/providers/additionalProperties/properties/models/oneOf/1/additionalProperties/properties".to_owned()
        }
        "models" => "/properties/models/additionalProperties/oneOf/2/properties".to_owned(),
        "breaker" => "/properties/breaker/oneOf/0/properties".to_owned(),
        "policy" => "/properties/policies/items/properties".to_owned(),
        "policy.allow" => "/properties/policies/items/properties/allow/properties".to_owned(),
        "test" => "/properties/tests/items/properties".to_owned(),
        "route" => "/properties/routes/items/properties".to_owned(),
        "route.when" => "/properties/routes/items/properties/when/properties".to_owned(),
        "route.hedge" => "/properties/routes/items/properties/hedge/properties".to_owned(),
        "mcp" => "/properties/mcp/additionalProperties/properties".to_owned(),
        "mcp.sandbox" => "/properties/mcp/additionalProperties/properties/sandbox/oneOf/0/properties".to_owned(),
        section => format!("/properties/{section}/properties"),
    };
    for (section, field) in all_fields() {
        let found = schema.pointer(&format!("{}/{}", at(section), field.name)).unwrap_or_else(|| panic!("{section}.{}", field.name));
        assert_eq!(found["description"], field.doc);
        if let Kind::Integer { min, max } = field.kind {
            assert_eq!((found["minimum"].as_u64(), found["maximum"].as_u64()), (Some(min), Some(max)));
        }
    }
}

#[test]
fn the_examples_have_no_mistake() {
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let options = Options { path: Some(path.clone()), listen: None };
        let found = validate(&options, &environment(&[("HOME", "/home/u")]), &no_keys(), Strict::No).unwrap();
        assert_eq!(found.errors, 0, "{}\n{}", path.display(), found.rendered);
        let absent = found.findings.iter().all(|finding| ["AIMUX-E0136", "AIMUX-E0124"].contains(&finding.code.as_str()));
        assert!(absent, "{}\n{}", path.display(), found.rendered);
        seen += 1;
    }
    assert!(seen >= 4);
}

#[test]
fn each_mistake_has_its_code() {
    use Finding::*;
    let cases: &[(&str, Finding)] = &[
        ("version: 1", Missing),
        ("providers: { ollama: {} }", Missing),
        ("- 1", WrongType),
        ("version: 1\nproviders: {}", Empty),
        ("version: 1\nproviders:\n", Empty),
        ("version: 2\nproviders: { ollama: {} }", Version),
        (&provider("dialect: openai-chat"), Incomplete),
        (&provider("base_url: \"https://a.example\""), Incomplete),
        (&provider(""), Incomplete),
        (&provider("preset: opnai"), UnknownPreset),
        (&provider("preset: zai, base_url: \"https://a.example\""), Incomplete),
        (&provider("dialect: openai-chat, base_url: \"http://a.example/v1\""), PlainHttp),
        (&provider("dialect: openai-chat, base_url: \"a.example/v1\""), BadUrl),
        (&provider("dialect: anthropic, base_url: \"https://a.example/v1\""), BadUrl),
        (&provider("dialect: openai-chat, base_url: \"https://u:p@a.example/v1\""), ClearKey),
        (&provider("preset: ollama, key: sk-0123456789abcdef"), ClearKey),
        (&provider("preset: ollama, key: 0123456789abcdef0123456789abcdef"), ClearKey),
        (&provider("preset: ollama, key: { env: sk-0123456789abcdef }"), ClearKey),
        (&provider("preset: ollama, key: { env: \"A B\" }"), BadName),
        (&provider("preset: ollama, key: { file: a }"), Missing),
        (&provider("preset: ollama, key: \"A B\""), BadName),
        (&provider("preset: ollama, key: a, keys: [b]"), Contradiction),
        (&provider("preset: ollama, keys: []"), Empty),
        (&provider("preset: ollama, keys: [a, a]"), Repeated),
        (&provider("preset: ollama, key: nowhere"), KeyAbsent),
        (&provider("preset: ollama, key: { env: NOWHERE }"), KeyAbsent),
        (&provider("preset: openai"), KeyAbsent),
        (&provider("preset: ollama, headers: { x-api-key: a }"), ClearKey),
        (&provider("preset: ollama, headers: { x-tag: sk-0123456789abcdef }"), ClearKey),
        (&provider("preset: ollama, query: { api_key: a }"), ClearKey),
        (&provider("preset: ollama, query: { a: sk-0123456789abcdef }"), ClearKey),
        (&provider("preset: ollama, query: { a: [b] }"), WrongType),
        (&provider("preset: ollama, headers: { \"x y\": a }"), BadHeader),
        (&provider("preset: ollama, headers: { host: a }"), BadHeader),
        (&provider("preset: ollama, headers: { x-a: \"b\\nc: d\" }"), BadHeader),
        (&provider("preset: ollama, base_url: \"http://10.0.0.1/v1\", plain_http: true, http2: true"), NotEnforced),
        ("version: 1\nproviders: { \"O P\": { preset: ollama } }", BadName),
        (&with("server: { listen: \"0.0.0.0:1\" }"), Exposed),
        (&with("server: { listen: \"0.0.0.0:1\", tls: terminated }"), ExposedBehindProxy),
        (&with("server: { listen: \"127.0.0.1\" }"), BadAddress),
        (&with("server: { listen: \"here:80\" }"), BadAddress),
        (&with("server: { token: clear }"), ClearKey),
        (&with("server: { hosts: [\"http://a\"] }"), BadValue),
        (&with("server: { hosts: [a, a] }"), Repeated),
        (&with("server: { tls: maybe }"), BadValue),
        (&with("models: { a: q/x }"), UnknownProvider),
        (&with("models: { a: nothing }"), UnknownProvider),
        (&with("models: { a: openai/gpt-5 }"), UnknownProvider),
        (&with("models: { a: p/ }"), BadValue),
        (&with("models: { a: \"p/*\" }"), BadValue),
        (&with("models: { a: [] }"), Empty),
        (&with("models: { a: \"\" }"), Empty),
        (&with("models: { a: { use: [] } }"), Empty),
        (&with("models: { a: {} }"), Missing),
        (&with("models: { a: [p/x, p/x] }"), Repeated),
        (&with("models: { \"a b\": p/x }"), BadName),
        (&with("models: { a: a }"), Cycle),
        (&with("models: { a: b, b: c, c: [p/x, a] }"), Cycle),
        (&with("models: { a: \"p/${NOWHERE}\" }"), Variable),
        (&with("models: { a: \"p/${NOWHERE\" }"), Variable),
        (&with("models: { a: { use: [p/x], strategy: fastest } }"), BadValue),
        (&provider("preset: ollama, models: [a] }\nmodels: { m: p/b"), UnlistedModel),
        ("version: 1\nproviders: { anthropic: {} }\nmodels: { m: anthropic/claude-opus-4-9 }", UnknownModel),
        (&with("limits: { body_mb: 100, buffered_mb: 50 }"), OutOfRange),
        (&with("breaker: { rest_s: 100, rest_max_s: 50 }"), OutOfRange),
        (&with("breaker: on"), BadValue),
        (&with("<<: { a: 1 }"), UnknownKey),
        (&with("ledger: { store: postgres }"), Missing),
        (&with("ledger: { store: postgre }"), BadValue),
        (&with("postgres: { host: db.example }"), NotEnforced),
        (&with("postgres: {}\nledger: { store: postgres }"), Missing),
        (&with("postgres: { host: \"postgres://u:p@db.example/x\" }\nledger: { store: postgres }"), ClearKey),
        (&with("postgres: { host: \"db.example/x\" }\nledger: { store: postgres }"), BadValue),
        (&with("postgres: { host: db, key: sk-0123456789abcdef }\nledger: { store: postgres }"), ClearKey),
        (&with("postgres: { host: db, key: { env: NOWHERE } }\nledger: { store: postgres }"), KeyAbsent),
        (&with("postgres: { host: db, ca: here.pem }\nhistory: { store: postgres }"), BadValue),
        (&with("postgres: { host: db, tls: off, ca: /a.pem }\nhistory: { store: postgres }"), NotEnforced),
        (&with("postgres: { host: db }\nledger: { store: postgres, path: /a.sqlite }"), NotEnforced),
        (&with("postgres: { host: db, password: x }\nledger: { store: postgres }"), UnknownKey),
        (&with("mcp: { a.b: { command: x } }"), BadName),
        (&with("mcp: { a__b: { command: x } }"), BadName),
        (&with("mcp: { A: { command: x } }"), BadName),
        (&with(&format!("mcp: {{ {}: {{ command: x }} }}", "a".repeat(33))), BadName),
        (&with("mcp: { a: {} }"), Missing),
        (&with("mcp: { a: { command: x, url: \"https://a.example\" } }"), Contradiction),
        (&with("mcp: { a: { command: x }, b: { command: x } }"), Repeated),
        (&with("mcp: { a: { command: ./x } }"), BadValue),
        (&with("mcp: { a: { command: x, cwd: y } }"), BadValue),
        (&with("mcp: { a: { command: x, sandbox: on } }"), BadValue),
        (&with("mcp: { a: { command: x, sandbox: { write: [y] } } }"), BadValue),
        (&with("mcp: { a: { command: x, headers: { x-a: b } } }"), NotEnforced),
        (&with("mcp: { a: { url: \"https://a.example\", args: [b] } }"), NotEnforced),
        (&with("mcp: { a: { url: \"https://a.example\", key_in: x-key } }"), NotEnforced),
        (&with("mcp: { a: { url: a.example } }"), BadUrl),
        (&with("mcp: { a: { url: \"http://a.example\" } }"), PlainHttp),
        (&with("mcp: { a: { url: \"https://a.example\", headers: { x-api-key: b } } }"), ClearKey),
        (&with("mcp: { a: { url: \"https://a.example\", key: { env: HOME }, key_in: \"a b\" } }"), BadName),
        (&with("mcp: { a: { command: x, key: { env: HOME } } }"), Missing),
        (&with("mcp: { a: { command: x, key: { env: HOME }, key_in: a-b } }"), BadName),
        (&with("mcp: { a: { command: x, key: sk-0123456789abcdef, key_in: K } }"), ClearKey),
        (&with("mcp: { a: { command: x, args: [sk-0123456789abcdef] } }"), ClearKey),
        (&with("mcp: { a: { command: x, env: { TOKEN: abc } } }"), ClearKey),
        (&with("mcp: { a: { command: x, env: { A: sk-0123456789abcdef } } }"), ClearKey),
        (&with("mcp: { a: { command: x, env: { \"A B\": c } } }"), BadName),
    ];
    for (text, finding) in cases {
        let found = findings(text);
        assert!(found.contains(finding), "{text}: {finding:?} is not in {found:?}");
    }
}

#[test]
fn what_is_right_has_no_finding() {
    for text in [
        with(""),
        with("server:\nmodels:\nlimits:\nretry:\nbreaker:\n"),
        with("sticky: { enabled: false }"),
        with("postgres: { host: db.example }\nledger: { store: postgres }\nhistory: { store: postgres }"),
        with(
            "postgres: { host: \"::1\", port: 5433, database: a, user: b, tls: verify, ca: /a.pem, instance: c }\nhistory: { store: postgres }",
        ),
        with("ledger: { store: sqlite, path: /a.sqlite }"),
        with("models: { m: { use: [p/x], stick: false, on_context: larger } }"),
        with("breaker: off"),
        with("breaker: \"off\""),
        with("breaker: false"),
        with("breaker: { failures: 3 }"),
        with("server: { listen: \"localhost:80\", hosts: [a.example, \"::1\", 10.0.0.1] }"),
        with("server: { listen: \"[::1]:0\" }"),
        with("models: { a: p/x, \"b*\": [p/w, a], c: { use: [b*, p/x/y] }, \"x/y\": p/z, d: x/y }"),
        with("models: { a: &t [p/x], b: *t }"),
        provider("preset: ollama, headers: { x-title: \"my app\" }"),
        provider("preset: openai, dialect: openai-chat, base_url: \"http://127.0.0.1:9/v1\""),
        provider("dialect: openai-chat, base_url: \"http://10.0.0.7/v1\", plain_http: true"),
        with("mcp:"),
        with(
            "mcp: { a: { command: npx, args: [-y, b, b], cwd: /tmp, env: { A: \"1\" }, sandbox: off }, b-2: { command: /x, args: [], sandbox: } }",
        ),
        with("mcp: { a: { command: x, sandbox: { network: true, write: [/tmp], by: landlock } } }"),
        with("mcp: { a: { url: \"http://127.0.0.1:9/mcp\", headers: { x-team: b }, timeout_s: 5, start_s: 5, output_kb: 1 } }"),
        "{\"version\":1,\"providers\":{\"p\":{\"preset\":\"ollama\"}}}".to_owned(),
        "\u{feff}---\nversion: 1\nproviders:\n  ollama:\n...\n".to_owned(),
    ] {
        let report = report(&text);
        assert!(report.diagnostics.is_empty(), "{text}\n{}", report.render());
    }
}

#[test]
fn variables_are_filled_in_after_parsing() {
    let text = with("models: { a: \"p/${MODEL}\", b: \"p/$${MODEL}\" }\nretry:\n  attempts_per_target: ${N}");
    let environment = environment(&[("MODEL", "x: [y"), ("N", "3")]);
    let (checked, report) = examine("c", text.as_bytes(), &Options::default(), &environment, &no_keys());
    assert_eq!(report.diagnostics.iter().map(|found| found.finding).collect::<Vec<_>>(), [Finding::BadValue], "{}", report.render());
    assert!(!report.render().contains("x: [y"), "what a variable holds is not shown: {}", report.render());
    let checked = checked.unwrap();
    assert_eq!(checked.table.models[1].targets[0].model, "${MODEL}");
    assert_eq!(checked.table.retry.attempts_per_target, 3);
}

#[test]
fn the_environment_overrides_the_file_and_a_slip_is_said() {
    let variables = [
        ("AIMUX_SERVER__LISTEN", "127.0.0.1:7"),
        ("AIMUX_BREAKER__FAILURES", "9"),
        ("AIMUX_PROVIDERS__P__CONCURRENT", "3"),
        ("AIMUX_PROVIDERS__P__LIMITS__CONCURRENT", "3"),
        ("AIMUX_LIMITS__BODY_MB", "0"),
        ("AIMUX_SERVER__LISTN", "sk-0123456789"),
        ("AIMUX_CLIENT_TOKEN", "not an override"),
        ("AIMUX_SERVER__TOKEN", "hunter2"),
    ];
    let (checked, report) = examine("c", with("breaker: off").as_bytes(), &Options::default(), &environment(&variables), &no_keys());
    let checked = checked.unwrap();
    assert_eq!(checked.server.listen.port(), 7);
    assert_eq!(checked.table.breaker.unwrap().failures, 9);
    assert_eq!(checked.providers[0].limits.concurrent, Some(3));
    let found: Vec<(Finding, &str)> = report.diagnostics.iter().map(|found| (found.finding, report.name(found.span))).collect();
    let expected = [
        (Finding::OutOfRange, "AIMUX_LIMITS__BODY_MB"),
        (Finding::Override, "AIMUX_PROVIDERS__P__CONCURRENT"),
        (Finding::Override, "AIMUX_SERVER__LISTN"),
        (Finding::ClearKey, "AIMUX_SERVER__TOKEN"),
    ];
    assert_eq!(found, expected, "{}", report.render());
    assert!(!report.render().contains("hunter2") && !report.render().contains("sk-0"), "{}", report.render());
}

#[test]
fn the_flag_overrides_the_environment_and_is_checked_as_well() {
    let variables = environment(&[("AIMUX_SERVER__LISTEN", "127.0.0.1:7")]);
    let examine = |listen: &str| {
        let options = Options { path: None, listen: Some(listen.parse().unwrap()) };
        examine("c", with("").as_bytes(), &options, &variables, &no_keys())
    };
    assert_eq!(examine("[::1]:8").0.unwrap().server.listen.port(), 8);
    assert_eq!(examine("0.0.0.0:8").1.diagnostics[0].finding, Finding::Exposed);
}

#[test]
fn a_secret_is_in_no_report_even_where_the_file_is_not_yaml() {
    for text in [
        "version: 1\nproviders:\n  a: { key: hunter2hunter2, base_ur: [ }\n",
        "server: { token: hunter2hunter2 \n",
        "providers: { a: { keys: [hunter2hunter2], keys: [b], dialect: 1 } }\nserver: { token: hunter2hunter2 }\n",
        "providers: { a: { api_key: hunter2hunter2, base: 1 } }\n",
        "providers: { a: { headers: { authorization: hunter2hunter2, \"x y\": 1 } } }\n",
    ] {
        let report = report(text);
        assert!(report.errors() > 0);
        let shown = report.render();
        // A short lower-case word may be a key file's name, which is no secret.
        if text.contains("keys: [hunter2") {
            continue;
        }
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn a_rule_or_an_entry_that_names_one_entry_alone_chooses_as_it_does_but_for_what_it_says_itself() {
    let text = "models:
  base: { use: [p/x, p/y], strategy: weighted, weights: [3, 1], stick: false, continue: text, on_context: larger, hedge: { after: 2, max_cost: 0.5 } }
  alias: base
  says: { use: base, strategy: latency, stick: true, continue: off, on_context: refuse, hedge: { after: p95, max_cost: 0.25 } }
  two: [base, p/z]
routes:
  - { name: same, when: { tools: true }, use: base }
  - { name: through, when: { stream: true }, use: alias }
  - { name: own, when: { role: main }, use: base, hedge: { max_cost: 1 } }
";
    let checked = examine("config.yaml", with(text).as_bytes(), &Options::default(), &environment(&[]), &no_keys());
    let table = checked.0.unwrap_or_else(|| panic!("{:?}", checked.1.diagnostics)).table;
    let entry = |name: &str| table.models.iter().find(|entry| entry.name.text() == name).unwrap().choice.clone();
    let rule = |name: &str| table.rules.iter().find(|rule| rule.name == name).unwrap().choice.clone();
    let base = Choice {
        strategy: Strategy::Weighted,
        weights: vec![3, 1],
        is_loose: true,
        continues: Continue::Text,
        on_context: OnContext::Larger,
        hedge: Some(Hedge { after: After::Time(std::time::Duration::from_secs(2)), max_cost: 500_000 }),
    };
    for choice in [entry("base"), entry("alias"), rule("same"), rule("through")] {
        assert_eq!(choice, base);
    }
    let other = Hedge { after: After::P95, max_cost: 250_000 };
    let says = Choice {
        strategy: Strategy::Latency,
        weights: Vec::new(),
        is_loose: false,
        continues: Continue::Off,
        on_context: OnContext::Refuse,
        hedge: Some(other),
    };
    assert_eq!(entry("says"), says);
    assert_eq!(rule("own"), Choice { hedge: Some(Hedge { max_cost: 1_000_000, ..other }), ..base });
    assert_eq!(entry("two"), Choice::default(), "of several targets none is asked how");
}

fn ready_of(text: &str, variables: &[(&str, &str)]) -> Result<Ready, LoadError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, text).unwrap();
    let store = Store::new(folder.path(), None);
    let options = Options { path: Some(path), listen: None };
    ready(&options, &environment(variables), &store, &mut || Ok(Secret::new(String::new())))
}

#[test]
fn the_configs_of_test_tools_are_ready() {
    let text = r#"{"version":1,"server":{"listen":"127.0.0.1:1234","token":{"env":"AIMUX_CLIENT_TOKEN"}},
        "retry":{"attempts_per_target":1},"breaker":"off","providers":{
        "compat":{"dialect":"openai-chat","base_url":"http://127.0.0.1:9/v1","key":{"env":"FAKE_KEY"}},
        "openai":{"preset":"openai","dialect":"openai-chat","base_url":"http://127.0.0.1:9/v1","key":{"env":"FAKE_KEY"}},
        "minimax":{"preset":"minimax","dialect":"openai-chat","base_url":"http://127.0.0.1:9/v1","key":{"env":"FAKE_KEY"}},
        "anthropic":{"preset":"anthropic","dialect":"anthropic","base_url":"http://127.0.0.1:9","key":{"env":"FAKE_KEY"}}}}"#;
    let ready = ready_of(text, &[("FAKE_KEY", "sk-fake"), ("AIMUX_CLIENT_TOKEN", "sk-test")]).unwrap();
    assert!(ready.server.token.unwrap().matches("sk-test"));
    assert_eq!(ready.server.listen.port(), 1234);
    assert!(ready.table.breaker.is_none() && ready.notes.is_empty(), "{:?}", ready.notes);
    let names: Vec<&str> = ready.table.providers.iter().map(|provider| provider.name.as_str()).collect();
    assert_eq!(names, ["compat", "openai", "minimax", "anthropic"]);
    for provider in &ready.table.providers {
        assert_eq!(provider.endpoints.len(), 1);
        assert!(provider.endpoints[0].base_url.starts_with("http://127.0.0.1:9"));
        assert!(provider.keys[0].secret.matches("sk-fake") && provider.keys[0].name == "FAKE_KEY");
    }
    assert_eq!(ready.table.providers[3].endpoints[0].dialect, Dialect::AnthropicMessages);
    assert_eq!(ready.table.providers[3].endpoints[0].auth, Auth::XApiKey);
}

#[test]
fn an_absent_key_stops_serve_and_errors_come_rendered() {
    let LoadError::Invalid { rendered, errors } = ready_of("version: 1\nproviders: { openai: {} }", &[]).unwrap_err() else {
        panic!("invalid")
    };
    assert_eq!(errors, 1);
    assert!(rendered.starts_with("error[AIMUX-E0136]: provider \"openai\" has no key"), "{rendered}");
}

#[test]
fn a_preset_takes_its_usual_variable_and_brings_all_its_dialects() {
    let ready = ready_of("version: 1\nproviders: { zai: {} }", &[("ZHIPU_API_KEY", "k")]).unwrap();
    assert_eq!(ready.table.providers[0].endpoints.len(), 2);
    assert_eq!(ready.table.providers[0].keys[0].name, "ZHIPU_API_KEY");
}

#[test]
fn warnings_become_notes() {
    let text = "version: 1\nproviders: { anthropic: {}, far: { dialect: openai-chat, base_url: \"http://10.0.0.1/v1\", plain_http: true, http2: true } }";
    let ready = ready_of(text, &[("ANTHROPIC_API_KEY", "k")]).unwrap();
    assert_eq!(ready.notes.len(), 1);
    assert!(ready.notes[0].contains("warning[AIMUX-E0140]"), "{:?}", ready.notes);
}

#[test]
fn a_model_may_be_named_in_the_manner_of_hugging_face() {
    let text = "version: 1\nproviders: { zai: {} }\nmodels: { m: \"zai/hf:zai-org/GLM-5.2\" }";
    assert_eq!(ready_of(text, &[("ZAI_API_KEY", "k")]).unwrap().notes, Vec::<String>::new());
}

#[test]
fn names_of_entries_are_followed_to_their_targets() {
    let text = with("models: { main: [p/a, p/b], \"c*\": [small, main], small: p/s }");
    let (checked, report) = examine("c", text.as_bytes(), &Options::default(), &environment(&[]), &no_keys());
    assert!(report.diagnostics.is_empty(), "{}", report.render());
    let models: Vec<String> = checked.unwrap().table.models[1].targets.iter().map(|target| target.model.clone()).collect();
    assert_eq!(models, ["s", "a", "b"]);
}

#[test]
fn chains_of_names_are_followed_at_any_length_and_do_not_explode() {
    let chain: String = (0..20_000).map(|index| format!("  m{index}: m{}\n", index + 1)).collect();
    let text = with(&format!("models:\n{chain}  m20000: p/x"));
    assert!(report(&text).diagnostics.is_empty());
    let doubled: String =
        (0..60).map(|index| format!("  m{index}: [m{next}, n{next}]\n  n{index}: [n{next}, m{next}]\n", next = index + 1)).collect();
    let text = with(&format!("models:\n{doubled}  m60: p/x\n  n60: p/y"));
    assert!(findings(&text).iter().all(|found| *found == Finding::Repeated));
}

#[test]
fn without_a_file_one_is_made_of_the_keys_at_hand() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    let store = Store::new(folder.path(), None);
    let mut ask = || Ok(Secret::new(String::new()));
    let all: Vec<(&str, &str)> = crate::provider::table::PRESETS.iter().flat_map(|preset| preset.env).map(|name| (*name, "k")).collect();
    for keys in [vec![("ANTHROPIC_API_KEY", "k")], vec![("CEREBRAS_API_KEY", "k"), ("ZAI_API_KEY", "k")], all] {
        let variables: Vec<(&str, &str)> = keys.into_iter().chain([("HOME", home), ("XDG_CONFIG_HOME", home)]).collect();
        let ready = ready(&Options::default(), &environment(&variables), &store, &mut ask).unwrap();
        assert!(ready.path.is_none());
        assert!(ready.notes.len() == 1 && ready.notes[0].contains("made one"), "{:?}", ready.notes);
        for model in ["claude-opus-4-8", "claude-haiku-4-5-20251001", "whatever"] {
            assert!(crate::route::plan(&ready.table, model, Dialect::AnthropicMessages).is_ok(), "{model}");
        }
    }
    let variables = environment(&[("HOME", home), ("XDG_CONFIG_HOME", home)]);
    match ready(&Options::default(), &variables, &store, &mut ask) {
        Err(LoadError::Other(error)) => assert_eq!(error.code, Code::ConfigMissing),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_preset_with_a_key_of_its_own_is_made_without_a_finding() {
    for preset in crate::provider::table::PRESETS.iter().filter(|preset| !preset.is_local) {
        let variables = environment(&[(preset.env[0], "k")]);
        let made = super::made::make(&variables, &no_keys()).unwrap();
        let (_, report) = examine("made", made.text.as_bytes(), &Options::default(), &variables, &no_keys());
        assert!(report.diagnostics.is_empty(), "{}\n{}", made.text, report.render());
    }
}
