//! `aimux keys audit`: what the other commands leave in it, and what is said of one that was changed.

use std::path::{Path, PathBuf};
use std::process::Output;

use super::{aimux, assert_exit, feed, stderr, stdout};

const KEY: &str = "sk-test-0123456789abcdefghij";

fn keys(home: &Path, args: &[&str], input: &str) -> Output {
    let mut command = aimux(home);
    command.arg("keys").args(args);
    feed(command, input)
}

fn log(home: &Path) -> PathBuf {
    home.join(".local/state/aimux/audit.jsonl")
}

/// A home whose log has an identity, two keys and a removal.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    assert_exit(&keys(home.path(), &["init"], ""), 0);
    assert_exit(&keys(home.path(), &["add", "zai"], KEY), 0);
    assert_exit(&keys(home.path(), &["add", "zai", "--force"], KEY), 0);
    assert_exit(&keys(home.path(), &["remove", "zai"], ""), 0);
    home
}

#[test]
fn changes_of_keys_are_listed_by_name_and_never_by_value() {
    let home = home();
    let listed = keys(home.path(), &["audit"], "");
    assert_exit(&listed, 0);
    let text = stdout(&listed);
    let actions: Vec<&str> = text.lines().filter_map(|line| line.split("  ").last()).collect();
    assert!(actions[0].starts_with("identity.made "), "{text}");
    assert_eq!(&actions[1..], ["key.added zai", "key.replaced zai", "key.removed zai"]);
    let json = stdout(&keys(home.path(), &["audit", "list", "--last", "1", "--json"], ""));
    let entry: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((entry["n"].as_u64(), entry["action"].as_str()), (Some(4), Some("key.removed")));
    let written = std::fs::read_to_string(log(home.path())).unwrap();
    assert!(!written.contains(KEY) && !text.contains(KEY));
}

#[test]
fn a_sound_log_is_said_to_be_one_and_its_hash_is_known_again() {
    let home = home();
    let verified = keys(home.path(), &["audit", "verify"], "");
    assert_exit(&verified, 0);
    assert!(stdout(&verified).contains("4 entries, all as they were written\nlast hash "), "{}", stdout(&verified));
    let hash = stdout(&verified).split("last hash ").nth(1).unwrap().trim().to_owned();
    assert_exit(&keys(home.path(), &["add", "zai"], KEY), 0);
    let json = stdout(&keys(home.path(), &["audit", "verify", "--json", "--seen", &hash], ""));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["lines"], 5);
    assert_exit(&keys(home.path(), &["audit", "verify", "--seen", &"0".repeat(63)], ""), 64);
    assert_exit(&keys(home.path(), &["audit", "verify", "--seen", &"a".repeat(64)], ""), 74);
}

#[test]
fn a_line_that_was_edited_or_cut_off_is_named_and_ends_with_74() {
    let home = home();
    let whole = std::fs::read_to_string(log(home.path())).unwrap();
    std::fs::write(log(home.path()), whole.replacen("key.replaced", "key.admired!", 1)).unwrap();
    let edited = keys(home.path(), &["audit", "verify"], "");
    assert_exit(&edited, 74);
    assert!(stderr(&edited).starts_with("error[AIMUX-E0603]: line 3 of the audit log: "), "{}", stderr(&edited));
    std::fs::write(log(home.path()), whole.split_inclusive('\n').take(3).collect::<String>()).unwrap();
    let cut = keys(home.path(), &["audit", "verify"], "");
    assert_exit(&cut, 74);
    assert!(stderr(&cut).contains("line 4 of the audit log") && stderr(&cut).contains("cut off"), "{}", stderr(&cut));
}

#[test]
fn no_key_is_added_or_removed_that_the_log_cannot_tell_of() {
    let home = home();
    assert_exit(&keys(home.path(), &["add", "zai"], KEY), 0);
    std::fs::write(log(home.path()), "").unwrap();
    for args in [&["add", "cerebras"][..], &["remove", "zai"], &["add", "zai", "--force"]] {
        let refused = keys(home.path(), args, KEY);
        assert_exit(&refused, 74);
        assert!(stderr(&refused).contains("AIMUX-E0603"), "{}", stderr(&refused));
    }
    let names: Vec<_> = std::fs::read_dir(home.path().join(".config/aimux/keys")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(names.contains(&"zai.age".into()) && !names.contains(&"cerebras.age".into()), "{names:?}");
}

#[test]
fn an_empty_log_is_sound() {
    let home = tempfile::tempdir().unwrap();
    assert!(stdout(&keys(home.path(), &["audit", "verify"], "")).contains("0 entries"));
    assert!(stdout(&keys(home.path(), &["audit"], "")).starts_with("no entries in "));
    assert!(!home.path().join(".local").exists(), "a look makes nothing");
}
