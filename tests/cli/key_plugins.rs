//! Identities and recipients of age's plugins, post-quantum ones among them, with a plugin that the `age` program runs as well.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{aimux, assert_exit, feed, stderr, stdout};

const KEY: &str = "sk-test-0123456789abcdefghij";
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/age");

/// `PATH` with the plugin on it.
fn path() -> String {
    format!("{FOLDER}:{}", std::env::var("PATH").unwrap())
}

fn keys(home: &Path, args: &[&str], input: &str) -> Output {
    keys_with(home, &[], args, input)
}

fn keys_with(home: &Path, variables: &[(&str, &str)], args: &[&str], input: &str) -> Output {
    let mut command = aimux(home);
    command.arg("keys").args(args).env("PATH", path()).envs(variables.iter().copied());
    feed(command, input)
}

/// An identity of the plugin's in a file, 0600, and its public key.
fn make_identity(file: &Path) -> String {
    let made = Command::new(format!("{FOLDER}/age-plugin-test")).arg("--keygen").output().unwrap();
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, &made.stdout).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    stdout(&made).lines().next().unwrap().strip_prefix("# public key: ").unwrap().to_owned()
}

/// A home whose identity is the plugin's, with a key.
fn home() -> (tempfile::TempDir, String) {
    let home = tempfile::tempdir().unwrap();
    let public = make_identity(&identity(home.path()));
    assert_exit(&keys(home.path(), &["add", "zai"], KEY), 0);
    (home, public)
}

fn identity(home: &Path) -> PathBuf {
    home.join(".config/aimux/identity.txt")
}

fn file(home: &Path, name: &str) -> PathBuf {
    home.join(".config/aimux/keys").join(name)
}

fn plain(home: &Path, variables: &[(&str, &str)]) -> String {
    let output = keys_with(home, variables, &["export", "zai", "--plaintext"], "");
    assert_exit(&output, 0);
    stdout(&output)
}

#[test]
fn a_plugins_identity_opens_keys_as_the_age_program_does_and_the_other_way_round() {
    let (home, public) = home();
    assert_eq!(plain(home.path(), &[]), format!("{KEY}\n"));
    assert_eq!(std::fs::read_to_string(file(home.path(), ".age-recipients")).unwrap(), format!("{public}\n"));
    let age = |args: &[&str]| Command::new("age").args(args).env("PATH", path()).output().unwrap();
    let (own, key) = (identity(home.path()), file(home.path(), "zai.age"));
    let opened = age(&["-d", "-i", own.to_str().unwrap(), key.to_str().unwrap()]);
    assert!(stdout(&opened).starts_with(&format!("{KEY}\n")), "{}", stderr(&opened));
    let text = home.path().join("plain");
    std::fs::write(&text, "sk-made-by-age-0123456789\n").unwrap();
    let made = age(&["-r", &public, "-o", file(home.path(), "other.age").to_str().unwrap(), text.to_str().unwrap()]);
    assert_exit(&made, 0);
    std::fs::set_permissions(file(home.path(), "other.age"), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(stdout(&keys(home.path(), &["export", "other", "--plaintext"], "")), "sk-made-by-age-0123456789\n");
}

#[test]
fn a_list_names_the_plugin_and_runs_it_for_no_key() {
    let (home, public) = home();
    let log = home.path().join("runs");
    let variables = [("AIMUX_TEST_PLUGIN_LOG", log.to_str().unwrap())];
    let list = stdout(&keys_with(home.path(), &variables, &["list"], ""));
    assert!(list.contains("zai   —"), "{list}");
    assert!(list.contains("identity.txt, opened by age-plugin-test\n"), "{list}");
    let json: serde_json::Value = serde_json::from_slice(&keys_with(home.path(), &variables, &["list", "--json"], "").stdout).unwrap();
    assert_eq!((&json["identity"]["plugins"][0], &json["recipients"][0]), (&"test".into(), &public.as_str().into()));
    let rows = keys_with(home.path(), &variables, &["recipients", "list", "--json"], "");
    let rows: serde_json::Value = serde_json::from_slice(&rows.stdout).unwrap();
    let row = serde_json::json!({ "public_key": public, "kind": "plugin", "plugin": "test", "own": true });
    assert_eq!(rows["recipients"][0], row);
    let text = stdout(&keys_with(home.path(), &variables, &["recipients", "list"], ""));
    assert!(text.ends_with("  age-plugin-test  this machine's own\n"), "{text}");
    assert!(!log.exists(), "a list asks nobody");
    let secret = [("ZAI_API_KEY", "sk-other"), variables[0]];
    assert_eq!(plain(home.path(), &secret), format!("{KEY}\n"));
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "--age-plugin=identity-v1\n", "once, without a provider's variable");
}

#[test]
fn a_plugins_recipient_is_added_to_a_store_and_taken_out_of_it() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert_exit(&keys(ours.path(), &["add", "zai"], KEY), 0);
    let public = make_identity(&identity(theirs.path()));
    let added = keys(ours.path(), &["recipients", "add", &public], "");
    assert_exit(&added, 0);
    let opened = |folder: &Path| {
        let key = file(folder, "zai.age");
        let age = Command::new("age").args(["-d", "-i"]).arg(identity(theirs.path())).arg(key).env("PATH", path()).output().unwrap();
        stdout(&age).starts_with(KEY)
    };
    assert!(opened(ours.path()) && plain(ours.path(), &[]).starts_with(KEY));
    assert_exit(&keys(ours.path(), &["recipients", "remove", &public], ""), 0);
    assert!(!opened(ours.path()) && plain(ours.path(), &[]).starts_with(KEY));
}

#[test]
fn a_plugin_that_is_not_installed_is_named_with_what_to_do() {
    let (home, public) = home();
    let mut command = aimux(home.path());
    command.args(["keys", "export", "zai", "--plaintext"]);
    let output = command.output().unwrap();
    assert_exit(&output, 78);
    assert_eq!(
        stderr(&output),
        "error[AIMUX-E0107]: key \"zai\" cannot be opened: age's plugin \"test\" is not installed: there is no program age-plugin-test on PATH\n  \
        = help: install age-plugin-test where this PATH finds it; a service has a PATH of its own\n"
    );
    // A recipient that cannot be encrypted to is refused before a file is touched.
    let other = tempfile::tempdir().unwrap();
    assert_exit(&keys(other.path(), &["add", "zai"], KEY), 0);
    let before = std::fs::read(file(other.path(), "zai.age")).unwrap();
    let output = aimux(other.path()).args(["keys", "recipients", "add", &public]).output().unwrap();
    assert_exit(&output, 78);
    assert!(stderr(&output).contains("there is no program age-plugin-test on PATH"), "{}", stderr(&output));
    assert_eq!(std::fs::read(file(other.path(), "zai.age")).unwrap(), before);
    assert!(!file(other.path(), ".rotation").exists());
}

#[test]
fn a_plugin_that_asks_finds_nobody_without_a_terminal() {
    let (home, _) = home();
    let asks = [("AIMUX_TEST_PLUGIN", "ask")];
    std::fs::write(home.path().join("c.yaml"), "version: 1\nproviders: { zai: { key: zai } }\n").unwrap();
    for args in [&["keys", "export", "zai", "--plaintext"][..], &["serve", "--config", "c.yaml", "--listen", "127.0.0.1:0"]] {
        let output = aimux(home.path()).args(args).env("PATH", path()).envs(asks).output().unwrap();
        assert_exit(&output, 78);
        assert!(
            stderr(&output).contains("age's plugin \"test\" asks something, and there is no terminal to ask on"),
            "{}",
            stderr(&output)
        );
    }
    let check = aimux(home.path()).args(["config", "validate", "c.yaml"]).env("PATH", path()).envs(asks).output().unwrap();
    assert_exit(&check, 0);
    assert!(stderr(&check).contains("the identity needs age-plugin-test, and a check runs no plugin"), "{}", stderr(&check));
}

/// What every key file's head says.
fn heads(home: &Path) -> Vec<String> {
    let folders = [file(home, ""), file(home, ".retired")];
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().map(|entry| entry.unwrap().path());
    let keys = files.filter(|path| path.extension().is_some_and(|extension| extension == "age"));
    keys.map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()).collect()
}

#[test]
fn a_store_goes_over_to_a_post_quantum_identity_and_back() {
    let home = tempfile::tempdir().unwrap();
    let pq = [("AIMUX_TEST_PLUGIN", "pq")];
    for name in ["zai", "other"] {
        assert_exit(&keys(home.path(), &["add", name], KEY), 0);
    }
    let new = home.path().join("new.txt");
    let public = make_identity(&new);
    let refused = keys_with(home.path(), &pq, &["recipients", "add", &public], "");
    assert_exit(&refused, 74);
    assert!(stderr(&refused).contains("post-quantum recipients and others cannot share the keys"), "{}", stderr(&refused));
    assert!(!file(home.path(), ".rotation").exists() && plain(home.path(), &pq).starts_with(KEY));
    let rotated = keys_with(home.path(), &pq, &["rotate", "--identity", "--from", "new.txt"], "");
    assert_exit(&rotated, 0);
    assert!(stdout(&rotated).starts_with("put the new identity into "), "{}", stdout(&rotated));
    assert_eq!(std::fs::read(identity(home.path())).unwrap(), std::fs::read(&new).unwrap());
    assert_eq!(std::fs::read_to_string(file(home.path(), ".age-recipients")).unwrap(), format!("{public}\n"));
    assert_eq!(heads(home.path()).len(), 3, "two keys and the former identity");
    assert!(heads(home.path()).iter().all(|head| head.contains("-> test argument") && !head.contains("X25519")));
    assert!(plain(home.path(), &pq).starts_with(KEY));
    let same = keys_with(home.path(), &pq, &["rotate", "--identity", "--from", "new.txt"], "");
    assert_exit(&same, 64);
    assert_exit(&keys_with(home.path(), &pq, &["rotate", "--identity"], ""), 0);
    assert!(heads(home.path()).iter().all(|head| head.contains("-> X25519") && !head.contains("-> test")));
    assert!(plain(home.path(), &[]).starts_with(KEY));
}

#[test]
fn an_identity_that_would_not_open_the_keys_is_not_taken() {
    let home = tempfile::tempdir().unwrap();
    assert_exit(&keys(home.path(), &["add", "zai"], KEY), 0);
    let (one, other) = (home.path().join("one.txt"), home.path().join("other.txt"));
    let public = make_identity(&one);
    make_identity(&other);
    let secret = |path: &Path| std::fs::read_to_string(path).unwrap().lines().last().unwrap().to_owned();
    let before = std::fs::read(identity(home.path())).unwrap();
    for (text, why) in [
        (secret(&one), "the public key of the new identity is not known"),
        (format!("# public key: {public}\n{}", secret(&other)), "does not open what is encrypted to the public key above it"),
        (String::new(), "holds no AGE-SECRET-KEY-1"),
        ("hunter2".to_owned(), "line 1 of the identity file is no AGE-SECRET-KEY-1"),
    ] {
        let output = keys(home.path(), &["rotate", "--identity", "--from", "-"], &text);
        assert_exit(&output, 74);
        assert!(stderr(&output).contains(why) && !stderr(&output).contains("hunter2"), "{}", stderr(&output));
        assert_eq!(std::fs::read(identity(home.path())).unwrap(), before);
    }
    assert!(plain(home.path(), &[]).starts_with(KEY));
}
