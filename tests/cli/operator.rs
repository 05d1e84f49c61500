//! What whoever runs the program leans on: addresses, exit codes, pipes, machine-readable output, plain text.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::{aimux, assert_exit, feed, stderr, stdout};

const CONFIG: &str = "version: 1\nproviders: { ollama: {} }\n";

/// A home with a config and a key.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/aimux");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.yaml"), CONFIG).unwrap();
    let mut add = aimux(home.path());
    add.args(["keys", "add", "zai"]);
    assert_exit(&feed(add, "sk-0123456789abcdef\n"), 0);
    home
}

/// Every command that prints something.
const PRINTING: &[&[&str]] = &[
    &["--help"],
    &["--version"],
    &["help", "serve"],
    &["keys", "list"],
    &["keys", "list", "--json"],
    &["config", "validate", "--format", "sarif"],
    &["config", "validate", "--json"],
    &["config", "validate", "--explain", "E0114"],
    &["config", "schema"],
    &["config", "reference"],
    &["env"],
    &["env", "--json"],
    &["status"],
    &["status", "--json"],
    &["usage"],
    &["usage", "--json"],
    &["stop"],
];

fn shell(home: &Path, script: &str, args: &[&str]) -> Output {
    let mut bash = Command::new("bash");
    bash.env_clear().env("HOME", home).env("PATH", std::env::var_os("PATH").unwrap()).env("AIMUX", assert_cmd::cargo::cargo_bin("aimux"));
    bash.args(["--norc", "-o", "pipefail", "-c", script, "bash"]).args(args).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn a_reader_that_has_gone_is_a_clean_end() {
    let home = home();
    for args in PRINTING {
        // The pipe has no reader before the program begins.
        let output = shell(home.path(), r#"exec 3> >(exec true); wait $!; "$AIMUX" "$@" >&3"#, args);
        let is_clean = matches!(output.status.code(), Some(0) | Some(3));
        assert!(is_clean && output.stderr.is_empty(), "{args:?}: {:?} {}", output.status, stderr(&output));
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let home = home();
    for args in [&["keys", "list"][..], &["config", "schema"], &["env"], &["status", "--json"]] {
        let output = shell(home.path(), r#""$AIMUX" "$@" > /dev/full"#, args);
        assert_exit(&output, 74);
        assert!(stderr(&output).contains("standard output cannot be written"), "{}", stderr(&output));
    }
}

#[test]
fn json_is_json_and_nothing_else() {
    let home = home();
    for args in PRINTING.iter().filter(|args| args.contains(&"--json") || args.contains(&"schema")) {
        let output = aimux(home.path()).args(*args).output().unwrap();
        let value: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap_or_else(|error| panic!("{args:?}: {error}"));
        assert!(value.is_object() && stdout(&output).ends_with('\n') && output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn nothing_is_coloured_but_on_a_terminal_without_no_color() {
    let home = home();
    for args in PRINTING.iter().copied().chain([&["nonsense"][..], &["serve", "--config", "absent"]]) {
        let output = aimux(home.path()).args(args).output().unwrap();
        assert!(!(stdout(&output) + &stderr(&output)).contains('\u{1b}'), "{args:?}");
        let words: Vec<String> = args.iter().map(|word| format!("'{word}'")).collect();
        let script = format!("NO_COLOR=1 script --quiet --flush --command \"$AIMUX {}\" /dev/null", words.join(" "));
        let output = shell(home.path(), &script, &[]);
        assert!(!stdout(&output).contains('\u{1b}') && !output.stdout.is_empty(), "{args:?}: {}", stdout(&output));
    }
}

#[test]
fn an_address_that_is_none_is_refused_with_the_reason() {
    let home = home();
    for (given, reason) in [
        ("127.0.0.1", "it has no port"),
        ("::1", "it has no port"),
        ("localhost", "it has no port"),
        ("8080", "it has no address"),
        (":8080", "it has no address"),
        ("unix:/tmp/x.sock", "a Unix socket cannot be listened on"),
        ("/tmp/x.sock", "a Unix socket cannot be listened on"),
        ("http://127.0.0.1:1", "it is a URL"),
        ("127.0.0.1:99999", "it is not an IP address with a port"),
        ("example.com:80", "it is not an IP address with a port"),
        ("", "it is not an IP address with a port"),
    ] {
        let output = aimux(home.path()).args(["serve", "--listen", given]).output().unwrap();
        assert_exit(&output, 64);
        assert!(stderr(&output).contains(reason), "{given}: {}", stderr(&output));
        let output = aimux(home.path()).env("AIMUX_SERVER__LISTEN", given).args(["config", "validate"]).output().unwrap();
        // An empty variable is an unset one.
        assert_exit(&output, if given.is_empty() { 0 } else { 78 });
        let reason = if given == "8080" { "this is a number" } else { reason };
        assert!(given.is_empty() || stdout(&output).contains(reason), "{given}: {}", stdout(&output));
    }
}

#[test]
fn empty_variables_are_unset_ones() {
    let home = home();
    let output = aimux(home.path()).env("AIMUX_CONFIG", "").env("AIMUX_IDENTITY", "").args(["config", "validate"]).output().unwrap();
    assert_exit(&output, 0);
    // Nothing was found: there is nothing to say.
    assert_eq!(stdout(&output) + &stderr(&output), "");
    let output = aimux(home.path()).env("AIMUX_CONFIG", "").args(["config", "validate", "--json"]).output().unwrap();
    assert!(stdout(&output).contains(".config/aimux/config.yaml"), "{}", stdout(&output));
}

#[test]
fn every_failure_says_what_to_do() {
    let home = home();
    std::fs::write(home.path().join("wide.yaml"), CONFIG).unwrap();
    std::os::unix::fs::symlink("/dev/null", home.path().join("null.yaml")).unwrap();
    for (args, code) in [
        (&["serve", "--config", "absent.yaml"][..], 78),
        (&["serve", "--log", "a=b=c"], 64),
        (&["serve", "--config", "null.yaml"], 78),
        (&["config", "validate", "--explain", "E9999"], 64),
        (&["keys", "remove", "absent"], 78),
        (&["keys", "add", "UPPER"], 64),
        (&["run", "claude", "--config", "absent.yaml"], 69),
    ] {
        let mut command = aimux(home.path());
        command.args(args);
        if args[0] == "run" {
            command.env("PATH", "/nonexistent");
        }
        let output = command.output().unwrap();
        assert_exit(&output, code);
        let said = stderr(&output);
        assert!(said.starts_with("error[AIMUX-E") && said.contains("  = help: ") && output.stdout.is_empty(), "{args:?}: {said}");
    }
}

#[test]
fn the_exit_codes_of_the_docs_are_those_of_the_table() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/error-codes.md")).unwrap();
    for (args, id) in [
        (&["serve", "--config", "absent.yaml"][..], "E0104"),
        (&["keys", "remove", "absent"], "E0107"),
        (&["serve", "--log", "a=b=c"], "E0101"),
    ] {
        let home = home();
        let output = aimux(home.path()).args(args).output().unwrap();
        let row = page.lines().find(|line| line.starts_with(&format!("| AIMUX-{id} |"))).unwrap();
        let exit = row.split('|').nth(4).unwrap().trim();
        assert_eq!(output.status.code().unwrap().to_string(), exit, "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(id), "{}", stderr(&output));
    }
}
