//! `aimux keys`, and the files that it shares with the `age` program.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{aimux, assert_exit, feed, stderr, stdout};

const KEY: &str = "sk-test-0123456789abcdefghij";

fn keys(home: &Path, args: &[&str], input: &str) -> Output {
    let mut command = aimux(home);
    command.arg("keys").args(args);
    feed(command, input)
}

fn folder(home: &Path) -> PathBuf {
    home.join(".config/aimux")
}

/// Runs a program of the age package, which `tests/run` installs.
fn age(program: &str, args: &[&str], input: &str) -> Output {
    let mut command = Command::new(program);
    command.args(args);
    let output = feed(command, input);
    assert!(output.status.success(), "{program} {args:?}: {}", stderr(&output));
    output
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A server of `c.yaml` that opens its keys and then, all being well, finds its port taken: exit 69.
fn open(home: &Path) -> std::process::Output {
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    aimux(home).args(["serve", "--config", "c.yaml", "--listen", &address]).output().unwrap()
}

#[test]
fn the_age_program_opens_what_aimux_wrote() {
    let home = tempfile::tempdir().unwrap();
    assert_exit(&keys(home.path(), &["add", "zai"], &format!("{KEY}\n")), 0);
    let file = folder(home.path()).join("keys/zai.age");
    let identity = folder(home.path()).join("identity.txt");
    let plain = stdout(&age("age", &["-d", "-i", identity.to_str().unwrap(), file.to_str().unwrap()], ""));
    assert_eq!(plain.lines().next(), Some(KEY));
    assert_eq!((mode(&file), mode(&identity), mode(&folder(home.path()).join("keys"))), (0o600, 0o600, 0o700));
    let bytes = std::fs::read(&file).unwrap();
    assert!(!bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes()), "plaintext on disk");
}

#[test]
fn aimux_opens_what_the_age_program_wrote() {
    let home = tempfile::tempdir().unwrap();
    assert_exit(&keys(home.path(), &["init"], ""), 0);
    let identity = folder(home.path()).join("identity.txt");
    let public = stdout(&age("age-keygen", &["-y", identity.to_str().unwrap()], ""));
    let file = folder(home.path()).join("keys/zai.age");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    for armor in [&["-a"][..], &[]] {
        let args = [armor, &["-r", public.trim(), "-o", file.to_str().unwrap()]].concat();
        age("age", &args, &format!("{KEY}\n"));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let config = home.path().join("c.yaml");
        std::fs::write(&config, "version: 1\nproviders: { zai: { key: zai } }\n").unwrap();
        assert_exit(&open(home.path()), 69);
    }
    std::fs::write(&file, b"age-encryption.org/v1\nnonsense").unwrap();
    let output = open(home.path());
    assert_exit(&output, 74);
    assert!(stderr(&output).contains("zai"), "{}", stderr(&output));
}

#[test]
fn keys_are_listed_masked_and_removed() {
    let home = tempfile::tempdir().unwrap();
    assert_exit(&keys(home.path(), &["add", "zai"], KEY), 0);
    assert_exit(&keys(home.path(), &["add", "anthropic"], KEY), 0);
    for args in [&["list"][..], &["list", "--json"]] {
        let output = keys(home.path(), args, "");
        assert_exit(&output, 0);
        let said = stdout(&output) + &stderr(&output);
        assert!(said.contains("zai") && said.contains("anthropic") && !said.contains(KEY), "{said}");
    }
    serde_json::from_str::<serde_json::Value>(&stdout(&keys(home.path(), &["list", "--json"], ""))).unwrap();
    assert_exit(&keys(home.path(), &["remove", "zai"], ""), 0);
    assert!(!stdout(&keys(home.path(), &["list"], "")).contains("zai"));
    assert!(!keys(home.path(), &["remove", "zai"], "").status.success(), "it is gone already");
}

#[test]
fn an_existing_key_is_replaced_only_by_force_and_kept() {
    let home = tempfile::tempdir().unwrap();
    assert_exit(&keys(home.path(), &["add", "zai"], KEY), 0);
    let output = keys(home.path(), &["add", "zai"], "sk-other-0123456789");
    assert!(!output.status.success() && stderr(&output).contains("--force"), "{}", stderr(&output));
    assert_exit(&keys(home.path(), &["add", "zai", "--force"], "sk-other-0123456789"), 0);
    let identity = folder(home.path()).join("identity.txt");
    let open = |file: &Path| {
        let plain = stdout(&age("age", &["-d", "-i", identity.to_str().unwrap(), file.to_str().unwrap()], ""));
        plain.lines().next().unwrap().to_owned()
    };
    assert_eq!(open(&folder(home.path()).join("keys/zai.age")), "sk-other-0123456789");
    let retired: Vec<PathBuf> =
        std::fs::read_dir(folder(home.path()).join("keys/.retired")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(retired.iter().map(|file| open(file)).collect::<Vec<_>>(), [KEY]);
}

#[test]
fn a_key_in_argv_is_refused_without_repeating_it() {
    let home = tempfile::tempdir().unwrap();
    for args in [&["add", "zai", KEY][..], &["add", KEY]] {
        let output = keys(home.path(), args, "");
        assert!(!output.status.success());
        assert!(!(stdout(&output) + &stderr(&output)).contains(KEY), "the key is repeated: {}", stderr(&output));
    }
}

#[test]
fn unusable_names_and_keys_are_refused() {
    let home = tempfile::tempdir().unwrap();
    for name in ["../x", "", ".hidden", "a/b", "UPPER", &"x".repeat(65)] {
        assert!(!keys(home.path(), &["add", name], KEY).status.success(), "{name:?}");
    }
    for secret in ["", "\n", "sk-\u{1}0123456789", "ä-key-0123456789"] {
        assert!(!keys(home.path(), &["add", "zai"], secret).status.success(), "{secret:?}");
    }
    assert!(!folder(home.path()).join("keys/zai.age").exists());
}

#[test]
fn an_identity_that_others_can_read_is_refused() {
    let home = tempfile::tempdir().unwrap();
    assert_exit(&keys(home.path(), &["add", "zai"], KEY), 0);
    let identity = folder(home.path()).join("identity.txt");
    std::fs::set_permissions(&identity, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(home.path().join("c.yaml"), "version: 1\nproviders: { zai: { key: zai } }\n").unwrap();
    let output = open(home.path());
    assert_exit(&output, 77);
    assert!(stderr(&output).contains("AIMUX-E0108"), "{}", stderr(&output));
}
