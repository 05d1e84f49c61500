//! `aimux env`: what each shell reads, in the shells themselves, and word for word in any case.

use std::path::Path;
use std::process::Command;

use super::{aimux, assert_exit, stderr, stdout};

/// A token with all that shells stumble over.
const ODD: &str = r#"it's "$HOME" \ `x` & %PATH% #é"#;

fn home(token: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let config = "version: 1\nserver: { listen: \"127.0.0.1:4711\", token: { env: TOKEN } }\nproviders: { ollama: {} }\n";
    std::fs::write(home.path().join("c.yaml"), config).unwrap();
    std::fs::write(home.path().join("token"), token).unwrap();
    home
}

fn env(home: &Path, args: &[&str]) -> Command {
    let mut command = aimux(home);
    command.env("TOKEN", std::fs::read_to_string(home.join("token")).unwrap()).args(["env", "--config", "c.yaml"]).args(args);
    command
}

fn lines(home: &Path, args: &[&str]) -> String {
    let output = env(home, args).output().unwrap();
    assert_exit(&output, 0);
    stdout(&output)
}

#[test]
fn each_shell_gets_its_own_quotes_word_for_word() {
    let home = home(ODD);
    let posix = r#"export ANTHROPIC_BASE_URL=http://127.0.0.1:4711
export ANTHROPIC_AUTH_TOKEN='it'\''s "$HOME" \ `x` & %PATH% #é'
"#;
    let fish = r#"set -gx ANTHROPIC_BASE_URL 'http://127.0.0.1:4711'
set -gx ANTHROPIC_AUTH_TOKEN 'it\'s "$HOME" \\ `x` & %PATH% #é'
"#;
    let powershell = r#"$env:ANTHROPIC_BASE_URL = 'http://127.0.0.1:4711'
$env:ANTHROPIC_AUTH_TOKEN = 'it''s "$HOME" \ `x` & %PATH% #é'
"#;
    for (args, expected) in [
        (&[][..], posix),
        (&["--shell", "bash"], posix),
        (&["--shell", "zsh"], posix),
        (&["--shell", "fish"], fish),
        (&["--shell", "powershell"], powershell),
    ] {
        assert_eq!(lines(home.path(), args), expected, "{args:?}");
    }
}

/// What a shell makes of the lines: PowerShell is tried where it is.
#[test]
fn a_shell_that_reads_the_lines_has_the_values() {
    let shells: [(&str, &str, &str); 5] = [
        (
            "bash",
            r#"eval "$("$AIMUX" env --config c.yaml --shell bash)""#,
            r#"printf '%s|%s' "$ANTHROPIC_BASE_URL" "$ANTHROPIC_AUTH_TOKEN""#,
        ),
        ("sh", r#"eval "$("$AIMUX" env --config c.yaml)""#, r#"printf '%s|%s' "$ANTHROPIC_BASE_URL" "$ANTHROPIC_AUTH_TOKEN""#),
        ("zsh", r#"eval "$("$AIMUX" env --config c.yaml --shell zsh)""#, r#"printf '%s|%s' "$ANTHROPIC_BASE_URL" "$ANTHROPIC_AUTH_TOKEN""#),
        (
            "fish",
            r#""$AIMUX" env --config c.yaml --shell fish | source"#,
            r#"printf '%s|%s' "$ANTHROPIC_BASE_URL" "$ANTHROPIC_AUTH_TOKEN""#,
        ),
        (
            "pwsh",
            "& $env:AIMUX env --config c.yaml --shell powershell | Out-String | Invoke-Expression",
            r#"[Console]::Write("$env:ANTHROPIC_BASE_URL|$env:ANTHROPIC_AUTH_TOKEN")"#,
        ),
    ];
    let home = home(ODD);
    let mut tried = Vec::new();
    for (shell, read, print) in shells {
        let mut command = Command::new(shell);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home.path()).env("TOKEN", ODD);
        command.env("AIMUX", assert_cmd::cargo::cargo_bin("aimux")).env("LC_ALL", "C.UTF-8").current_dir(home.path());
        let Ok(output) = command.args(["-c", &format!("{read}\n{print}")]).output() else { continue };
        assert_exit(&output, 0);
        assert_eq!(stdout(&output), format!("http://127.0.0.1:4711|{ODD}"), "{shell}");
        tried.push(shell);
    }
    assert!(tried.starts_with(&["bash", "sh", "zsh", "fish"]), "{tried:?}");
}

#[test]
fn a_token_that_is_not_set_here_is_not_made_up() {
    let home = home("");
    let output = env(home.path(), &[]).output().unwrap();
    assert_exit(&output, 78);
    assert!(stderr(&output).contains("TOKEN") && output.stdout.is_empty(), "{}", stderr(&output));
}

#[test]
fn an_address_of_every_interface_is_reached_by_loopback() {
    let home = home("t");
    for (listen, url) in
        [("0.0.0.0:4711", "http://127.0.0.1:4711"), ("[::]:4711", "http://[::1]:4711"), ("[::1]:4711", "http://[::1]:4711")]
    {
        let output = env(home.path(), &[]).env("AIMUX_SERVER__LISTEN", listen).env("AIMUX_SERVER__TLS", "terminated").output().unwrap();
        assert_exit(&output, 0);
        assert!(stdout(&output).contains(url), "{}", stdout(&output));
    }
}
