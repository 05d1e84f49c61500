//! Wrong usage, help and version.

use super::{aimux, assert_exit, stderr, stdout};

#[test]
fn wrong_usage_exits_64_and_says_what_is_known() {
    let home = tempfile::tempdir().unwrap();
    for args in [&["nonsense"][..], &["serve", "--nonsense"], &["keys"], &["serve", "--listen", "nowhere"], &["run", "emacs"]] {
        let output = aimux(home.path()).args(args).output().unwrap();
        assert_exit(&output, 64);
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let home = tempfile::tempdir().unwrap();
    for args in [&["--help"][..], &["serve", "--help"], &["keys", "add", "--help"], &["config", "validate", "--help"], &["--version"]] {
        let output = aimux(home.path()).args(args).output().unwrap();
        assert_exit(&output, 0);
        assert!(stdout(&output).to_lowercase().contains("aimux") && output.stderr.is_empty(), "{args:?}: {}", stderr(&output));
    }
    let version = stdout(&aimux(home.path()).arg("--version").output().unwrap());
    assert_eq!(version.trim(), concat!("aimux ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_command_of_the_help_has_help() {
    let home = tempfile::tempdir().unwrap();
    let help = stdout(&aimux(home.path()).arg("--help").output().unwrap());
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.contains(&"serve") && commands.contains(&"keys"), "{help}");
    assert!(!commands.contains(&"generate"), "hidden: {help}");
    for command in commands {
        let args = if command == "help" { ["help", "keys"] } else { [command, "--help"] };
        assert_exit(&aimux(home.path()).args(args).output().unwrap(), 0);
    }
}

#[test]
fn env_speaks_each_shell_and_makes_a_token_that_only_its_owner_reads() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let env = |shell: &str| {
        let output = aimux(home.path()).env("ANTHROPIC_API_KEY", "sk-0123456789").args(["env", "--shell", shell]).output().unwrap();
        assert_exit(&output, 0);
        stdout(&output)
    };
    let bash = env("bash");
    assert!(bash.contains("export ANTHROPIC_BASE_URL=http://127.0.0.1:24689\n"), "{bash}");
    let token = bash.lines().find_map(|line| line.strip_prefix("export ANTHROPIC_AUTH_TOKEN=")).unwrap();
    assert!(token.len() > 40, "{token}");
    assert!(env("fish").contains(&format!("set -gx ANTHROPIC_AUTH_TOKEN '{token}'")), "the same token each time");
    let path = home.path().join(".local/state/aimux/client-token");
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_client_program_that_is_not_there_exits_69() {
    let home = tempfile::tempdir().unwrap();
    let output = aimux(home.path())
        .env("ANTHROPIC_API_KEY", "sk-0123456789")
        .env("AIMUX_SERVER__LISTEN", "127.0.0.1:0")
        .env("PATH", "/nonexistent")
        .args(["run", "claude"])
        .output()
        .unwrap();
    assert_exit(&output, 69);
    assert!(stderr(&output).contains("AIMUX-E0109"), "{}", stderr(&output));
}
