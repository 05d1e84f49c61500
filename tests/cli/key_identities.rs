//! Where the identity comes from: a file, `AIMUX_IDENTITY`, a systemd credential; several in one file.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use super::{aimux, assert_exit, feed, stderr, stdout};

const KEY: &str = "sk-test-0123456789abcdefghij";

fn keys(home: &Path, variables: &[(&str, &Path)], args: &[&str], input: &str) -> Output {
    let mut command = aimux(home);
    command.arg("keys").args(args).envs(variables.iter().copied());
    feed(command, input)
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A home with a key whose identity lies in a folder of systemd's.
fn with_credential() -> (tempfile::TempDir, std::path::PathBuf) {
    let home = tempfile::tempdir().unwrap();
    assert_exit(&keys(home.path(), &[], &["add", "zai"], KEY), 0);
    let credentials = home.path().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    std::fs::rename(home.path().join(".config/aimux/identity.txt"), credentials.join("aimux-identity")).unwrap();
    chmod(&credentials.join("aimux-identity"), 0o440);
    chmod(&credentials, 0o500);
    (home, credentials)
}

#[test]
fn a_credential_of_systemd_opens_the_keys() {
    let (home, credentials) = with_credential();
    assert_exit(&keys(home.path(), &[], &["export", "zai", "--plaintext"], ""), 78);
    let given: &[(&str, &Path)] = &[("CREDENTIALS_DIRECTORY", &credentials)];
    assert_eq!(stdout(&keys(home.path(), given, &["export", "zai", "--plaintext"], "")), format!("{KEY}\n"));
    assert_exit(&keys(home.path(), given, &["add", "second"], KEY), 0);
    let output = keys(home.path(), given, &["rotate", "--identity"], "");
    assert_exit(&output, 74);
    assert!(stderr(&output).contains("read-only"), "{}", stderr(&output));
    assert!(!home.path().join(".config/aimux/identity.txt").exists());
}

#[test]
fn a_credential_that_all_may_read_is_refused_and_one_that_is_not_there_is_no_obstacle() {
    let (home, credentials) = with_credential();
    let given: &[(&str, &Path)] = &[("CREDENTIALS_DIRECTORY", &credentials)];
    chmod(&credentials.join("aimux-identity"), 0o444);
    assert_exit(&keys(home.path(), given, &["export", "zai", "--plaintext"], ""), 77);
    let other = tempfile::tempdir().unwrap();
    let elsewhere: &[(&str, &Path)] = &[("CREDENTIALS_DIRECTORY", other.path())];
    assert_exit(&keys(other.path(), elsewhere, &["add", "zai"], KEY), 0);
    assert!(other.path().join(".config/aimux/identity.txt").exists());
}

#[test]
fn a_named_identity_comes_first_and_may_be_one_of_several() {
    let (home, credentials) = with_credential();
    let identity = std::fs::read_to_string(credentials.join("aimux-identity")).unwrap();
    let several = home.path().join("several.txt");
    let output = Command::new("age-keygen").output().unwrap();
    std::fs::write(&several, format!("# another\n{}\n# the one\n{identity}", stdout(&output))).unwrap();
    chmod(&several, 0o600);
    let named: &[(&str, &Path)] = &[("AIMUX_IDENTITY", &several), ("CREDENTIALS_DIRECTORY", Path::new("/nonexistent"))];
    assert_eq!(stdout(&keys(home.path(), named, &["export", "zai", "--plaintext"], "")), format!("{KEY}\n"));
}
