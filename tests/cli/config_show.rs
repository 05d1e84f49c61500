//! `aimux config show`: what it prints is a config that means the same.

use std::path::{Path, PathBuf};

use super::{aimux, assert_exit, feed, stderr, stdout};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn show(home: &Path, text: &str, args: &[&str]) -> String {
    let mut command = aimux(home);
    command.env("SET_KEY", "sk-0123456789").args(["config", "show", "-"]).args(args);
    let output = feed(command, text);
    assert_exit(&output, 0);
    stdout(&output)
}

/// The lines that are no comments, without those at their end.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split("  #").next().unwrap().trim_end().to_owned()).filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn what_is_shown_is_a_valid_config_that_is_shown_alike() {
    let home = tempfile::tempdir().unwrap();
    let mut texts = vec![std::fs::read_to_string(root().join("tests/cli/config/fine_full.yaml")).unwrap()];
    texts.extend(std::fs::read_dir(root().join("examples")).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()));
    for text in texts {
        for args in [&["--origin"][..], &["--resolved", "--origin"], &["--resolved"]] {
            let shown = show(home.path(), &text, args);
            assert_eq!(lines(&show(home.path(), &shown, &args[..1])), lines(&show(home.path(), &shown, args)), "{shown}");
            let resolved = |text: &str| lines(&show(home.path(), text, &["--resolved"]));
            assert_eq!(resolved(&shown), resolved(&text), "{args:?}: {shown}");
        }
    }
}

#[test]
fn origins_are_a_place_in_the_file_a_variable_a_flag_or_the_default() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("c.yaml"), "version: 1\nproviders:\n  ollama: {}\nlimits:\n  body_mb: 3\n  connect_s: 4\n").unwrap();
    let output = aimux(home.path())
        .env("AIMUX_LIMITS__BODY_MB", "5")
        .args(["config", "show", "--resolved", "--origin", "--listen", "127.0.0.1:7", "c.yaml"])
        .output()
        .unwrap();
    assert_exit(&output, 0);
    let shown = stdout(&output);
    for (value, origin) in [
        ("listen: \"127.0.0.1:7\"", "--listen"),
        ("body_mb: 5", "AIMUX_LIMITS__BODY_MB"),
        ("connect_s: 4", "c.yaml:6"),
        ("body_read_s: 60", "default"),
        ("preset: ollama", "default"),
    ] {
        let line = shown.lines().find(|line| line.trim().starts_with(value)).unwrap_or_else(|| panic!("{value}: {shown}"));
        assert!(line.ends_with(&format!("# {origin}")), "{line}");
    }
    let output = aimux(home.path()).args(["config", "show", "--json", "--config", "c.yaml"]).output().unwrap();
    let json: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let expected = serde_json::json!({ "path": "limits.body_mb", "value": 3, "origin": "file", "place": "c.yaml:5" });
    assert!(json["values"].as_array().unwrap().contains(&expected), "{json}");
}

#[test]
fn a_wrong_config_is_shown_with_what_is_wrong_and_ends_with_78() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("c.yaml"), "version: 1\nproviders: { ollama: { key: sk-ant-api03-0123456789abcdef } }\n").unwrap();
    let output = aimux(home.path()).env("AIMUX_SERVER_LISTEN", "hunter2").args(["config", "show", "c.yaml"]).output().unwrap();
    assert_exit(&output, 78);
    let said = stdout(&output) + &stderr(&output);
    assert!(
        said.contains("key: \"••••••\"") && said.contains("AIMUX-E0126") && said.contains("did you mean AIMUX_SERVER__LISTEN?"),
        "{said}"
    );
    assert!(!said.contains("0123456789") && !said.contains("hunter2"), "{said}");
}
