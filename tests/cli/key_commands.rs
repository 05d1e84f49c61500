//! `key: { cmd: [...] }`: a program that prints a key, and when it is run.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::provider::Provider;
use super::{aimux, assert_exit, stderr, stdout};

const KEY: &str = "good-key-0123456789";

/// A program that leaves a mark when it is run, and a config that names it.
fn home(url: &str, script: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let program = home.path().join("vault");
    std::fs::write(&program, format!("#!/bin/sh\necho run >> \"$(dirname \"$0\")/marks\"\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = format!(
        "version: 1\nproviders:\n  one: {{ dialect: openai-chat, base_url: \"{url}/v1\", key: {{ cmd: [{}, read, a b] }} }}\n",
        program.display()
    );
    std::fs::write(home.path().join("c.yaml"), config).unwrap();
    home
}

fn marks(home: &Path) -> usize {
    std::fs::read_to_string(home.join("marks")).map_or(0, |text| text.lines().count())
}

#[test]
fn a_program_of_the_config_prints_the_key_and_is_run_only_where_keys_are_opened() {
    let provider = Provider::taking(KEY);
    let home = home(&provider.url, &format!("[ \"$1-$2\" = 'read-a b' ] && [ -z \"$OPENAI_API_KEY\" ] && echo {KEY}"));
    for args in [&["config", "validate"][..], &["config", "validate", "--strict"], &["config", "show"], &["env"], &["status"]] {
        let output = aimux(home.path()).arg("--config").arg("c.yaml").args(args).output().unwrap();
        assert!(output.status.code() == Some(0) || output.status.code() == Some(3), "{args:?}: {}", stderr(&output));
        assert_eq!(marks(home.path()), 0, "{args:?} ran it");
    }
    let output = aimux(home.path()).args(["--config", "c.yaml", "keys", "test"]).env("OPENAI_API_KEY", "sk-other").output().unwrap();
    assert_exit(&output, 0);
    assert!(stdout(&output).contains("one       good") && stdout(&output).contains("cmd:vault#"), "{}", stdout(&output));
    assert_eq!(marks(home.path()), 1);
}

#[test]
fn a_program_that_fails_is_named_without_its_words() {
    let home = home("http://127.0.0.1:1", &format!("echo {KEY}; echo {KEY} >&2; exit 4"));
    let output = aimux(home.path()).args(["--config", "c.yaml", "serve", "--listen", "127.0.0.1:0"]).output().unwrap();
    assert_exit(&output, 78);
    let said = stdout(&output) + &stderr(&output);
    assert!(said.contains("vault\" that prints a key failed (exit status: 4)") && !said.contains(KEY), "{said}");
}

#[test]
fn mistakes_in_a_command_are_found_where_they_stand() {
    let home = tempfile::tempdir().unwrap();
    for (cmd, found) in [
        ("[]", "is an empty list"),
        ("op read", "expected a list of a program and its arguments"),
        ("[5]", "providers.zai.key.cmd[0] is a number"),
        ("[./op]", "neither a name nor an absolute path"),
        ("[op, sk-ant-api03-0123456789abcdef]", "holds a secret in clear text"),
        ("[op], env: A", "unknown key \"env\""),
    ] {
        std::fs::write(home.path().join("c.yaml"), format!("version: 1\nproviders: {{ zai: {{ key: {{ cmd: {cmd} }} }} }}\n")).unwrap();
        let output = aimux(home.path()).args(["--config", "c.yaml", "config", "validate"]).output().unwrap();
        assert_exit(&output, 78);
        let said = stdout(&output) + &stderr(&output);
        assert!(said.contains(found) && !said.contains("sk-ant"), "{cmd}: {said}");
    }
}

/// The keychains of Linux and macOS as docs/keys.md has them: programs that stand in for theirs take the words as those do.
#[test]
fn the_systems_keychain_gives_a_key_as_the_documentation_says() {
    let docs = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/keys.md")).unwrap();
    for (program, script) in [
        ("secret-tool", format!("[ \"$*\" = 'lookup service aimux account zai' ] && printf %s {KEY}")),
        ("security", format!("[ \"$*\" = 'find-generic-password -s aimux -a zai -w' ] && echo {KEY}")),
    ] {
        let line = docs.lines().find(|line| line.starts_with("key: { cmd: [") && line.contains(program)).unwrap();
        let provider = Provider::taking(KEY);
        let home = home(&provider.url, "exit 1");
        let config =
            format!("version: 1\nproviders:\n  one:\n    dialect: openai-chat\n    base_url: \"{}/v1\"\n    {line}\n", provider.url);
        std::fs::write(home.path().join("c.yaml"), config).unwrap();
        let test = |script: &str| {
            std::fs::write(home.path().join(program), format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(home.path().join(program), std::fs::Permissions::from_mode(0o755)).unwrap();
            let path = format!("{}:{}", home.path().display(), std::env::var("PATH").unwrap());
            aimux(home.path()).args(["--config", "c.yaml", "keys", "test"]).env("PATH", path).output().unwrap()
        };
        let output = test(&script);
        assert_exit(&output, 0);
        assert!(stdout(&output).contains("one       good"), "{}", stdout(&output));
        // Locked, or without the entry.
        let output = test("echo locked >&2; exit 1");
        assert_exit(&output, 1);
        assert!(stdout(&output).contains(&format!("the program \"{program}\" that prints a key failed")), "{}", stdout(&output));
    }
}
