//! `aimux config init`, `backup`, `restore`, `list` and `migrate`: what they write, and what they refuse.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{aimux, assert_exit, feed, stderr, stdout};

const KEY: &str = "sk-0123456789-marker";

fn config(home: &Path) -> std::path::PathBuf {
    home.join(".config/aimux/config.yaml")
}

fn run(home: &Path, args: &[&str], code: i32) -> String {
    let output = aimux(home).env("ANTHROPIC_API_KEY", KEY).args(["config"]).args(args).output().unwrap();
    assert_exit(&output, code);
    let said = stdout(&output) + &stderr(&output);
    assert!(!said.contains(KEY) && !said.contains("panicked"), "{said}");
    said
}

#[test]
fn init_writes_what_passes_once_and_never_over_it() {
    let home = tempfile::tempdir().unwrap();
    let printed = run(home.path(), &["init", "--yes", "--dry-run"], 0);
    assert!(!config(home.path()).exists());
    let said = run(home.path(), &["init", "--from-env"], 0);
    assert!(said.contains("wrote ") && said.contains("next: "), "{said}");
    let text = std::fs::read_to_string(config(home.path())).unwrap();
    assert_eq!(text, printed);
    assert!(text.starts_with("# yaml-language-server: $schema=./config.schema.json\n"), "{text}");
    assert_eq!(std::fs::metadata(config(home.path())).unwrap().permissions().mode() & 0o777, 0o600);
    let schema = std::fs::read_to_string(home.path().join(".config/aimux/config.schema.json")).unwrap();
    assert_eq!(schema, run(home.path(), &["schema"], 0));
    run(home.path(), &["validate", "--strict"], 0);
    assert!(run(home.path(), &["init", "--yes"], 64).contains("--force"));
    std::fs::write(config(home.path()), "mine").unwrap();
    assert!(run(home.path(), &["init", "--yes", "--force"], 0).contains("the former one is the backup "));
    assert!(run(home.path(), &["init"], 64).contains("there is a config already"));
}

#[test]
fn init_without_a_terminal_or_a_key_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    assert!(run(home.path(), &["init"], 64).contains("--from-env"));
    let output = aimux(home.path()).args(["config", "init", "--yes"]).output().unwrap();
    assert_exit(&output, 78);
    assert!(stderr(&output).contains("aimux keys add anthropic"), "{}", stderr(&output));
    assert!(!config(home.path()).exists());
}

#[test]
fn a_version_is_backed_up_and_restored_with_its_key() {
    let home = tempfile::tempdir().unwrap();
    let add = |key: &str| {
        let mut command = aimux(home.path());
        command.args(["keys", "add", "anthropic", "--force"]);
        assert_exit(&feed(command, key), 0);
    };
    let file = |name: &str| std::fs::read(home.path().join(".config/aimux").join(name)).unwrap();
    add("sk-version-one");
    run(home.path(), &["init", "--yes"], 0);
    let (one, key_one) = (file("config.yaml"), file("keys/anthropic.age"));
    assert!(run(home.path(), &["backup"], 0).contains("the keys anthropic"));
    std::fs::write(config(home.path()), "version: 1\nproviders: { ollama: {} }\n").unwrap();
    add("sk-version-two");
    assert!(run(home.path(), &["restore"], 0).contains("--keys"));
    assert_eq!((file("config.yaml"), file("keys/anthropic.age") == key_one), (one.clone(), false));
    let list: serde_json::Value = serde_json::from_str(&run(home.path(), &["list", "--json"], 0)).unwrap();
    let first = list[0]["name"].as_str().unwrap();
    assert!(run(home.path(), &["restore", first, "--keys"], 0).contains("put back the keys anthropic"));
    assert_eq!((file("config.yaml"), file("keys/anthropic.age")), (one, key_one));
    assert!(run(home.path(), &["restore", "20200101T000000Z"], 64).contains("aimux config list"));
    assert!(run(home.path(), &["backup", "--keep", "0"], 64).contains("--keep"));
    assert!(run(home.path(), &["list"], 0).lines().count() >= 3);
}

#[test]
fn migrate_has_nothing_to_do_twice_and_sends_foreign_files_to_import() {
    let home = tempfile::tempdir().unwrap();
    for (text, code, word) in [
        ("version: 1\nproviders: { ollama: {} }\n", 0, "nothing to do"),
        ("version: 7\n", 78, "is of version 7"),
        ("providers: {}\n", 78, "says no version"),
        (
            "{\"providers\": {\"zai\": {\"api_key\": \"sk-0123456789-marker\", \"endpoint\": \"https://api.z.ai\"}}}",
            78,
            "import aimux2 c.yaml",
        ),
        ("{\"providers\": {\"z-ai\": {\"apiKey\": \"sk-0123456789-marker\"}}}", 78, "import aimux1 c.yaml"),
    ] {
        std::fs::write(home.path().join("c.yaml"), text).unwrap();
        for args in [&["migrate", "c.yaml", "--dry-run"][..], &["migrate", "c.yaml"], &["migrate", "c.yaml"]] {
            assert!(run(home.path(), args, code).contains(word), "{text}");
        }
        assert_eq!(std::fs::read_to_string(home.path().join("c.yaml")).unwrap(), text);
    }
    assert!(run(home.path(), &["migrate"], 78).contains("aimux config init"));
}

const CCR: &str = r#"{ // comments are theirs
    "APIKEY": "sk-0123456789-marker",
    "Providers": [{ "name": "openrouter", "api_base_url": "https://openrouter.ai/api/v1/chat/completions", "api_key": "sk-0123456789-marker", "models": ["anthropic/claude-opus-4.8"] }],
    "Router": { "default": "openrouter,anthropic/claude-opus-4.8", "think": "openrouter,anthropic/claude-opus-4.8" }
}"#;

#[test]
fn import_puts_keys_into_age_files_and_nowhere_else() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("ccr.json"), CCR).unwrap();
    let dry = run(home.path(), &["import", "ccr", "ccr.json", "--dry-run"], 0);
    assert!(dry.contains("would store the keys openrouter") && dry.contains("{ name: think, when: { thinking: true }, use: ["), "{dry}");
    assert!(!home.path().join(".config").exists(), "a dry run writes nothing");
    let said = run(home.path(), &["import", "ccr", "ccr.json"], 0);
    assert!(said.contains("stored the keys openrouter") && said.contains("lost: ccr.json:2: APIKEY: "), "{said}");
    run(home.path(), &["validate", "--strict"], 0);
    let mut folders = vec![home.path().join(".config")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                assert!(!bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes()), "{}", path.display());
            }
        }
    }
    let opened = aimux(home.path()).args(["keys", "list"]).output().unwrap();
    assert!(stdout(&opened).contains("sk-0…er"), "{}", stdout(&opened));
    // Twice: nothing is replaced without being told.
    assert!(run(home.path(), &["import", "ccr", "ccr.json"], 64).contains("--force"));
    assert!(run(home.path(), &["import", "ccr", "ccr.json", "-o", "other.yaml"], 74).contains("there is a key \"openrouter\" already"));
    assert!(!home.path().join("other.yaml").exists());
    run(home.path(), &["import", "ccr", "ccr.json", "--force"], 0);
    assert_eq!(run(home.path(), &["list"], 0).lines().count(), 1);
}

#[test]
fn import_of_something_else_writes_nothing() {
    let home = tempfile::tempdir().unwrap();
    for text in ["version: 1\n", "[]", "{\"api_key\": \"sk-0123456789-marker\", ]", "", "\u{1b}[31m"] {
        std::fs::write(home.path().join("x"), text).unwrap();
        for format in ["litellm", "ccr", "aimux1", "aimux2"] {
            run(home.path(), &["import", format, "x"], 78);
        }
    }
    assert!(!home.path().join(".config").exists());
}

#[test]
fn diff_ends_with_0_1_or_78_and_tells_what_goes_elsewhere() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    let base = "version: 1\nproviders: { anthropic: {}, zai: {} }\nmodels: { \"claude-*\": anthropic/claude-opus-4-8 }\n";
    write("a.yaml", base);
    write("b.yaml", &base.replace("anthropic/claude-opus-4-8", "[zai/glm-5.2]").replace("zai: {}", "zai: { limits: { concurrent: 2 } }"));
    write("bad.yaml", "version: 2\n");
    assert!(run(home.path(), &["diff", "a.yaml", "a.yaml"], 0).starts_with("the same: "));
    let said = run(home.path(), &["diff", "a.yaml", "b.yaml"], 1);
    assert!(said.contains("  - anthropic/claude-opus-4-8\n  + zai/glm-5.2\n    $5 in, $25 out per million tokens → $"), "{said}");
    assert!(said.contains("providers.zai.limits.concurrent: no limit → 2\n"), "{said}");
    let json: serde_json::Value = serde_json::from_str(&run(home.path(), &["diff", "--json", "a.yaml", "b.yaml"], 1)).unwrap();
    assert!(json["same"] == false && json["names"].as_array().unwrap().len() > 10, "{json}");
    run(home.path(), &["diff", "a.yaml", "bad.yaml"], 78);
    run(home.path(), &["diff", "a.yaml", "absent.yaml"], 78);
}
