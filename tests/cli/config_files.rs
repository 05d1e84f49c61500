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
    assert!(run(home.path(), &["validate"], 0).contains("valid\n"));
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
