//! `aimux keys test`: what providers say to the keys.

use std::path::Path;
use std::process::Output;

use super::provider::Provider;
use super::{aimux, assert_exit, feed, stderr, stdout};

const GOOD: &str = "good-key-0123456789";
const BAD: &str = "bad-key-0123456789";
const LIMITED: &str = "limited-key-0123456789";

fn add(home: &Path, name: &str, key: &str) {
    let mut command = aimux(home);
    command.args(["keys", "add", name]);
    assert_exit(&feed(command, key), 0);
}

fn test(home: &Path, args: &[&str]) -> Output {
    aimux(home).args(["--config", "c.yaml", "keys", "test"]).args(args).env("FROM_ENV", GOOD).output().unwrap()
}

/// Four keys at one provider that takes one of them, and one that nobody uses.
fn home(provider: &Provider, dead: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for (name, key) in [("good", GOOD), ("bad", BAD), ("limited", LIMITED), ("idle", GOOD)] {
        add(home.path(), name, key);
    }
    let url = &provider.url;
    let config = format!(
        "version: 1\nproviders:\n  one: {{ dialect: openai-chat, base_url: \"{url}/v1\", keys: [good, bad, limited, {{ env: FROM_ENV }}] }}\n{dead}"
    );
    std::fs::write(home.path().join("c.yaml"), config).unwrap();
    home
}

#[test]
fn each_key_is_told_what_its_provider_says() {
    let provider = Provider::taking(GOOD);
    let home = home(&provider, "  two: { dialect: openai-chat, base_url: \"http://127.0.0.1:1/v1\", key: good }\n");
    let output = test(home.path(), &[]);
    assert_exit(&output, 1);
    assert_eq!(
        stdout(&output),
        "\
NAME      PROVIDER  RESULT
good      one       good
bad       one       refused: 401: no such key: [redacted]
limited   one       rate-limited: known, but limited now
FROM_ENV  one       good
good      two       unreachable: 127.0.0.1:1 cannot be talked to: Connection refused (os error 111)
idle      —         unused: no provider of the config uses it
"
    );
    assert_eq!(stderr(&output), "", "a progress bar is for terminals");
    assert!(provider.asked.lock().unwrap().iter().all(|head| head.starts_with("GET /v1/models HTTP/1.1")));
}

#[test]
fn the_exit_code_tells_the_worst() {
    let provider = Provider::taking(GOOD);
    let home = home(&provider, "  two: { dialect: openai-chat, base_url: \"http://127.0.0.1:1/v1\", keys: [idle] }\n");
    for (names, code) in [(&["FROM_ENV"][..], 0), (&["limited"], 0), (&["limited", "bad"], 1), (&["idle"], 69), (&["idle", "bad"], 1)] {
        assert_exit(&test(home.path(), names), code);
    }
    assert_exit(&test(home.path(), &["nobody"]), 78);
    std::fs::remove_file(home.path().join(".config/aimux/keys/bad.age")).unwrap();
    let output = test(home.path(), &[]);
    assert_exit(&output, 1);
    assert!(stdout(&output).contains("bad       one       unopened: key \"bad\" does not exist"), "{}", stdout(&output));
}

#[test]
fn programs_read_json() {
    let provider = Provider::taking(GOOD);
    let home = home(&provider, "");
    let output = test(home.path(), &["--json", "bad", "idle"]);
    assert_exit(&output, 1);
    let told: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let expected = serde_json::json!({ "keys": [
        { "name": "bad", "kind": "file", "provider": "one", "result": "refused", "reason": "401: no such key: [redacted]" },
        { "name": "idle", "kind": "file", "provider": null, "result": "unused", "reason": "no provider of the config uses it" },
    ]});
    assert_eq!(told, expected);
}

#[test]
fn a_key_in_place_of_a_name_is_not_repeated() {
    let home = home(&Provider::taking(GOOD), "");
    let output = test(home.path(), &[BAD]);
    assert_exit(&output, 78);
    assert!(!(stdout(&output) + &stderr(&output)).contains(BAD), "{}", stderr(&output));
}

#[test]
fn without_keys_there_is_nothing_to_test() {
    let home = tempfile::tempdir().unwrap();
    let output = aimux(home.path()).args(["keys", "test"]).output().unwrap();
    assert_exit(&output, 0);
    assert_eq!(stdout(&output), "no keys to test; add one with `aimux keys add anthropic`\n");
}
