//! `aimux models`: what is known of models, without the network and with the providers' own lists.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use super::provider::Provider;
use super::{aimux, assert_exit, stderr, stdout};

const CONFIG: &str = r#"version: 1
providers:
  anthropic: { key: { env: KEY } }
  local: { dialect: openai-chat, base_url: "http://127.0.0.1:9/v1", models: { qwen3: { context: 32768, tools: true, price_input: 0, price_output: 0 } } }
models:
  "claude-opus-*": [anthropic/claude-opus-4-8, local/qwen3]
  default: [local/qwen3]
routes:
  - { name: long, when: { input_tokens: ">150k" }, use: [anthropic/claude-opus-4-8] }
"#;

fn home(config: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("c.yaml"), config).unwrap();
    home
}

fn run(home: &Path, args: &[&str]) -> Output {
    aimux(home).args(["--config", "c.yaml", "models"]).args(args).env("KEY", "good-key-0123456789").output().unwrap()
}

fn models(home: &Path, args: &[&str]) -> String {
    let output = run(home, args);
    assert_exit(&output, 0);
    assert_eq!(stderr(&output), "", "{args:?}");
    stdout(&output)
}

fn names(home: &Path, args: &[&str]) -> Vec<String> {
    let value: Value = serde_json::from_str(&models(home, &[args, &["--json"]].concat())).unwrap();
    value["models"].as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_table_fits_eighty_columns_and_says_what_leads_to_a_model() {
    let config =
        format!("{}  long-names: {{ dialect: anthropic, base_url: \"http://127.0.0.1:9\" }}\n", CONFIG.split("models:\n").next().unwrap());
    let rest = CONFIG.split_once("\nmodels:\n").unwrap().1;
    let home =
        home(&format!("{config}models:\n{rest}  - {{ name: all, use: [\"long-names/a-model-with-a-name-of-forty-characters\"] }}\n"));
    let table = models(home.path(), &[]);
    let expected = "\
anthropic/claude-opus-4-8               1M   128k    5.00   25.00    0.50  tr·id
    asked for as claude-opus-*
    by the rules long
";
    assert!(table.starts_with("MODEL                               WINDOW    OUT    $ IN   $ OUT   $ HIT  CAN\n"), "{table}");
    assert!(table.contains(expected), "{table}");
    let expected = "\
local/qwen3                            33k      –    0.00    0.00       –  t????
    asked for as claude-opus-*, default
long-names/a-model-with-a-name-of-forty-characters
                                         –      –       –       –       –  ?????
    by the rules all

20 models

catalog of 2026-07, ";
    assert!(table.contains(expected), "{table}");
    assert!(table.ends_with(" old\nno own list of anthropic, local, long-names; `aimux models --refresh` asks\n"), "{table}");
    for line in table.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn a_name_is_a_model_a_name_of_the_config_or_a_part_of_one() {
    let home = home(CONFIG);
    assert_eq!(names(home.path(), &["opus-4-1"]), ["anthropic/claude-opus-4-1", "anthropic/claude-opus-4-1-20250805"]);
    assert_eq!(names(home.path(), &["OPUS-*"]), ["anthropic/claude-opus-4-8", "local/qwen3"], "by what it is asked for as");
    assert_eq!(names(home.path(), &["long"]), ["anthropic/claude-opus-4-8"], "by the rule that leads to it");
    assert_eq!(names(home.path(), &["claude-opus-5"]), ["anthropic/claude-opus-4-8", "local/qwen3"]);
    let served = models(home.path(), &["claude-opus-5"]);
    assert!(served.starts_with("\"claude-opus-5\" is served by anthropic/claude-opus-4-8, then local/qwen3\n\nMODEL "), "{served}");
    let card = models(home.path(), &["anthropic/claude-opus-4-8"]);
    let expected = "\
anthropic/claude-opus-4-8
  window    1,000,000 tokens
  output    128,000 tokens
  price     $5.00 in, $25.00 out, $0.50 from a cache, $6.25 into one; per million tokens
  can       tools, thinking, images, documents
  cannot    schemas of answers
  said by   the catalog of 2026-07
  asked as  claude-opus-*
  rules     long
";
    assert!(card.starts_with(expected), "{card}");
}

#[test]
fn a_name_that_nobody_knows_exits_65_with_what_was_meant() {
    let home = home(CONFIG);
    for (name, meant) in [
        ("claude-sonet-5", "did you mean \"claude-sonnet-5\""),
        ("antropic/claude-fable-5", "did you mean \"anthropic/claude-fable-5\""),
        ("fable_claude-5", "did you mean \"anthropic/claude-fable-5\""),
        ("zzz\u{1b}[31m", "`aimux models --all` lists what is known"),
    ] {
        let output = run(home.path(), &[name]);
        assert_exit(&output, 65);
        let said = stderr(&output);
        assert!(said.starts_with("error[AIMUX-E0202]: nobody knows a model \"") && said.contains(meant), "{name}: {said}");
        assert!(output.stdout.is_empty() && !said.contains('\u{1b}'), "{said}");
    }
}

#[test]
fn filters_pass_what_is_known_to_be_so() {
    let home = home(CONFIG);
    assert_eq!(
        names(home.path(), &["--capability", "vision,tools", "--max-price", "10", "--context", "1M"]),
        ["anthropic/claude-sonnet-5"]
    );
    assert_eq!(names(home.path(), &["--max-price", "0"]), ["local/qwen3"]);
    assert!(names(home.path(), &["--capability", "images"]).iter().all(|name| name.starts_with("anthropic/")), "qwen3's eyes are unknown");
    assert_eq!(names(home.path(), &["--capability", "structured"]), Vec::<String>::new());
    assert!(models(home.path(), &["--capability", "schema"]).starts_with("none of 19 models is so\n"));
    let all = names(home.path(), &["--all", "--capability", "structured", "--max-price", "0.2"]);
    assert!(all.contains(&"openrouter/qwen/qwen3.5-9b".to_owned()), "{all:?}");
    for wrong in [&["--capability", "smell"][..], &["--max-price", "cheap"], &["--context", "-1"], &["a", "b"]] {
        assert_exit(&run(home.path(), wrong), 64);
    }
}

#[test]
fn json_has_every_member_that_is_documented() {
    let home = home(CONFIG);
    let value: Value = serde_json::from_str(&models(home.path(), &["qwen3", "--json"])).unwrap();
    assert_eq!(
        value["models"],
        json!([{
            "name": "local/qwen3", "provider": "local", "model": "qwen3", "configured": true, "context": 32768, "output_max": null,
            "price_input": 0.0, "price_output": 0.0, "price_cache_read": null, "price_cache_write": null, "tools": true, "thinking": null,
            "structured": null, "images": null, "documents": null, "sources": ["config"], "measured": [], "listed": null,
            "asked_as": ["claude-opus-*", "default"], "routes": []
        }])
    );
    let never = |provider: &str| json!({ "provider": provider, "fetched": null, "age_days": null, "models": null, "error": null });
    assert_eq!(value["lists"], json!([never("anthropic"), never("local")]));
    assert_eq!(value["catalog"]["as_of"], "2026-07");
    assert!(value["catalog"]["age_days"].as_u64().is_some());
    let page = include_str!("../../docs/models.md");
    for member in value["models"][0].as_object().unwrap().keys().chain(value["lists"][0].as_object().unwrap().keys()) {
        assert!(
            page.contains(&format!("`{member}`")) || page.contains(&format!(".{member}`")),
            "docs/models.md does not say what {member} is"
        );
    }
}

#[test]
fn the_providers_own_lists_are_asked_for_kept_and_shown() {
    let provider = Provider::start(|head| {
        if !head.contains("Bearer good-key-0123456789") && !head.contains("x-api-key: good-key-0123456789") {
            return ("401 Unauthorized", r#"{"error":{"message":"no key good-key-0123456789"}}"#.to_owned());
        }
        match head.split(' ').nth(1).unwrap() {
            "/one/models" => {
                ("200 OK", r#"{"data":[{"id":"new","context_length":9000,"pricing":{"prompt":"0.000001"}},{"id":"m"}]}"#.to_owned())
            }
            "/two/v1/models?limit=1000" => {
                ("200 OK", r#"{"data":[{"id":"claude-x","max_input_tokens":200000}],"has_more":false}"#.to_owned())
            }
            _ => ("404 Not Found", "{}".to_owned()),
        }
    });
    let url = &provider.url;
    let config = format!(
        "version: 1\nproviders:\n  one: {{ dialect: openai-chat, base_url: \"{url}/one\", key: {{ env: KEY }}, models: {{ m: {{ context: 5 }} }} }}\n  \
         two: {{ dialect: anthropic, base_url: \"{url}/two\", key: {{ env: KEY }} }}\n  \
         three: {{ dialect: openai-chat, base_url: \"{url}/one\", key: {{ env: OTHER }} }}\n  \
         four: {{ dialect: openai-chat, base_url: \"{url}/one\", key: {{ env: UNSET }} }}\nmodels: {{ gone: [two/claude-old] }}\n"
    );
    let home = home(&config);
    let refresh = || {
        let mut command = aimux(home.path());
        command.args(["--config", "c.yaml", "models", "--refresh", "--json"]);
        command.env("KEY", "good-key-0123456789").env("OTHER", "bad-key-0123456789").output().unwrap()
    };
    let output = refresh();
    assert_exit(&output, 0);
    let said = stderr(&output);
    assert!(said.contains("note: three gave no list: /one/models is answered with 401: no key "), "{said}");
    assert!(said.contains("note: four gave no list: the variable UNSET, "), "{said}");
    assert!(!(stdout(&output) + &said).contains("bad-key"), "{said}");
    let place = home.path().join(".local/state/aimux/model-lists.json");
    assert_eq!(std::fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);

    // Without the network the same is shown.
    drop(provider);
    let value: Value = serde_json::from_str(&models(home.path(), &["--json"])).unwrap();
    let listed: Vec<(&str, &Value, &Value)> = value["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| (model["name"].as_str().unwrap(), &model["listed"], &model["sources"]))
        .collect();
    let (yes, no, list) = (json!(true), json!(false), json!(["list"]));
    assert_eq!(
        listed,
        [("one/m", &yes, &json!(["config"])), ("one/new", &yes, &list), ("two/claude-old", &no, &json!([])), ("two/claude-x", &yes, &list)]
    );
    assert_eq!(value["models"][1]["price_input"], 1.0);
    assert_eq!(
        (&value["lists"][0]["models"], &value["lists"][0]["age_days"], &value["lists"][2]["fetched"]),
        (&json!(2), &json!(0), &Value::Null)
    );
    let text = models(home.path(), &[]);
    assert!(text.contains("    asked for as gone\n    not on its provider's own list\n"), "{text}");
    assert!(
        text.ends_with(
            "own lists of one (asked just now), two (asked just now)\nno own list of three, four; `aimux models --refresh` asks\n"
        ),
        "{text}"
    );

    // An old list says its age, a damaged file what to do, and asking anew replaces it.
    let mut kept: Value = serde_json::from_str(&std::fs::read_to_string(&place).unwrap()).unwrap();
    for list in kept["lists"].as_array_mut().unwrap() {
        list["fetched_s"] = json!(list["fetched_s"].as_u64().unwrap() - 3 * 86_400);
    }
    std::fs::write(&place, kept.to_string()).unwrap();
    assert!(models(home.path(), &[]).contains("own lists of one (asked 3 days ago), two (asked 3 days ago)\n"));
    std::fs::write(&place, "{").unwrap();
    let output = run(home.path(), &[]);
    assert_exit(&output, 74);
    assert!(stderr(&output).contains("AIMUX-E0602") && stderr(&output).contains("remove the file"), "{}", stderr(&output));
}

#[test]
fn refreshing_reaches_nobody_exits_69_and_keeps_what_there_was() {
    let home = home("version: 1\nproviders:\n  dead: { dialect: openai-chat, base_url: \"http://127.0.0.1:9/v1\", models: [m] }\n");
    let output = run(home.path(), &["--refresh"]);
    assert_exit(&output, 69);
    assert!(stderr(&output).starts_with("note: dead gave no list: 127.0.0.1:9 cannot be talked to"), "{}", stderr(&output));
    assert!(stdout(&output).contains("dead/m"), "what is known is shown all the same");
    assert!(!home.path().join(".local/state/aimux/model-lists.json").exists());
}

#[test]
fn without_a_config_the_whole_catalog_is_shown() {
    let home = tempfile::tempdir().unwrap();
    let output = aimux(home.path()).arg("models").output().unwrap();
    assert_exit(&output, 0);
    let said = stdout(&output);
    assert!(said.contains("openai/gpt-4o") && said.contains("there is no config yet, so these are all that are known"), "{said}");
    let broken = home_with_broken_config();
    assert_exit(&run(broken.path(), &[]), 78);
}

fn home_with_broken_config() -> tempfile::TempDir {
    home("version: 1\nproviders: { anthropic: {} }\nmodels: { a: [nowhere/b] }\n")
}

#[test]
fn every_command_of_the_page_runs() {
    let home = home(CONFIG);
    let page = include_str!("../../docs/models.md");
    let block = page.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let mut count = 0;
    for line in block.lines() {
        let words: Vec<&str> = line.split('#').next().unwrap().split_whitespace().skip(2).collect();
        // Nobody is reached from here.
        let code = if words.contains(&"--refresh") { 69 } else { 0 };
        let output = aimux(home.path())
            .args(["--config", "c.yaml", "models"])
            .args(&words)
            .env("KEY", "good-key-0123456789")
            .env("AIMUX_PROVIDERS__ANTHROPIC__BASE_URL", "http://127.0.0.1:9")
            .output()
            .unwrap();
        assert_exit(&output, code);
        count += 1;
    }
    assert_eq!(count, 8);
}
