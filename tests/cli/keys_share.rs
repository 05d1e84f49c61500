//! `aimux keys show`, `exec`, `export`, `import`: keys on their way to a program or a person, and back.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output};

use super::{aimux, assert_exit, feed, stderr, stdout};

const KEY: &str = "sk-ant-api03-0123456789abcdef";

fn keys(home: &Path, args: &[&str], input: &str) -> Output {
    let mut command = aimux(home);
    command.arg("keys").args(args);
    feed(command, input)
}

fn home(names: &[&str]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for name in names {
        assert_exit(&keys(home.path(), &["add", name], &format!("{KEY}-{name}")), 0);
    }
    home
}

/// Runs a program of the age package, which `tests/run` installs.
fn age(program: &str, args: &[&str], input: &str) -> String {
    let mut command = Command::new(program);
    command.args(args);
    let output = feed(command, input);
    assert!(output.status.success(), "{program} {args:?}: {}", stderr(&output));
    stdout(&output)
}

/// Another person's identity: its file and its public key.
fn other_person(home: &Path) -> (String, String) {
    let file = home.join("other.txt").to_str().unwrap().to_owned();
    age("age-keygen", &["-o", &file], "");
    let public = age("age-keygen", &["-y", &file], "");
    (file, public.trim().to_owned())
}

#[test]
fn a_program_gets_the_key_and_keeps_its_exit_code_and_signal() {
    let home = home(&["anthropic", "work"]);
    let script = "echo $ANTHROPIC_API_KEY $MINE; echo $HOME >&2; exit 7";
    let output = keys(home.path(), &["exec", "anthropic", "work=MINE", "--", "sh", "-c", script], "");
    assert_exit(&output, 7);
    assert_eq!(stdout(&output), format!("{KEY}-anthropic {KEY}-work\n"));
    assert_eq!(stderr(&output).trim(), home.path().to_str().unwrap(), "the rest of the environment stays");
    let output = keys(home.path(), &["exec", "anthropic", "--", "sh", "-c", "kill -TERM $$"], "");
    assert_eq!(output.status.signal(), Some(15));
    let output = keys(home.path(), &["exec", "anthropic", "--", "cat"], "typed\n");
    assert_eq!(stdout(&output), "typed\n", "its input is ours");
}

#[test]
fn a_program_that_cannot_be_run_is_told_as_a_shell_does() {
    let home = home(&["anthropic"]);
    let output = keys(home.path(), &["exec", "anthropic", "--", "no-such-program"], "");
    assert_exit(&output, 127);
    assert!(stderr(&output).contains("no-such-program could not be started") && !stderr(&output).contains(KEY));
    assert_exit(&keys(home.path(), &["exec", "anthropic", "--", "/"], ""), 126);
    assert_exit(&keys(home.path(), &["exec", "nobody", "--", "true"], ""), 78);
    assert_exit(&keys(home.path(), &["exec", "anthropic"], ""), 64);
    assert_exit(&keys(home.path(), &["exec", "anthropic", "anthropic", "--", "true"], ""), 64);
}

#[test]
fn a_key_of_the_config_is_its_providers_variable() {
    let home = home(&["mine"]);
    std::fs::write(home.path().join("c.yaml"), "version: 1\nproviders: { groq: { key: mine } }\n").unwrap();
    let exec = ["--config", "c.yaml", "keys", "exec", "mine", "--", "printenv", "GROQ_API_KEY"];
    let output = aimux(home.path()).args(exec).output().unwrap();
    assert_exit(&output, 0);
    assert_eq!(stdout(&output), format!("{KEY}-mine\n"));
}

#[test]
fn a_key_is_shown_masked_and_in_a_pipe_never_in_clear() {
    let home = home(&["anthropic"]);
    let output = keys(home.path(), &["show", "anthropic"], "");
    assert_exit(&output, 0);
    let said = stdout(&output);
    assert!(said.starts_with("key       sk-a…ic\n") && said.contains("variable  ANTHROPIC_API_KEY\n") && !said.contains(KEY), "{said}");
    let told: serde_json::Value = serde_json::from_str(&stdout(&keys(home.path(), &["show", "anthropic", "--json"], ""))).unwrap();
    assert_eq!((&told["masked"], &told["providers"]), (&"sk-a…ic".into(), &serde_json::json!(["anthropic"])));
    let output = keys(home.path(), &["show", "anthropic", "--reveal"], "");
    assert_exit(&output, 64);
    assert!(!(stdout(&output) + &stderr(&output)).contains(KEY));
    // `script` gives it a terminal.
    let line = format!("{} keys show anthropic --reveal", assert_cmd::cargo::cargo_bin("aimux").display());
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home.path());
    assert_eq!(stdout(&feed(script, "")).trim(), format!("{KEY}-anthropic"));
}

#[test]
fn an_exported_key_is_opened_by_whom_it_is_for_and_nobody_else() {
    let home = home(&["anthropic"]);
    let (identity, public) = other_person(home.path());
    let output = keys(home.path(), &["export", "anthropic", "--to", &public], "");
    assert_exit(&output, 0);
    assert!(stdout(&output).starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));
    let plain = age("age", &["-d", "-i", &identity], &stdout(&output));
    assert_eq!(plain.lines().next(), Some(format!("{KEY}-anthropic").as_str()));
    std::fs::write(home.path().join("back.age"), &output.stdout).unwrap();
    let refused = keys(home.path(), &["import", "back.age"], "");
    assert_exit(&refused, 1);
    assert_eq!(stdout(&refused), "left out \"back\": it is encrypted for another identity\n");
}

#[test]
fn nothing_leaves_in_clear_unless_it_is_said_twice() {
    let home = home(&["anthropic"]);
    let output = keys(home.path(), &["export", "anthropic"], "");
    assert_exit(&output, 64);
    assert!(output.stdout.is_empty() && stderr(&output).contains("--plaintext"), "{}", stderr(&output));
    let output = keys(home.path(), &["export", "anthropic", "--plaintext"], "");
    assert_eq!(stdout(&output), format!("{KEY}-anthropic\n"));
    assert_exit(&keys(home.path(), &["export", "anthropic", "--to", "age1nonsense"], ""), 74);
    let log = stdout(&keys(home.path(), &["audit", "--json"], ""));
    assert!(log.contains("key.exported") && log.contains("in clear") && !log.contains(KEY), "{log}");
}

#[test]
fn a_file_is_written_for_its_owner_alone_and_never_over_another() {
    let home = home(&["anthropic"]);
    let (_, public) = other_person(home.path());
    let export = ["export", "anthropic", "--to", public.as_str(), "-o", "out.age"];
    assert_exit(&keys(home.path(), &export, ""), 0);
    let file = home.path().join("out.age");
    let (mode, before) = (file.metadata().unwrap().permissions().mode() & 0o777, std::fs::read(&file).unwrap());
    assert_eq!(mode, 0o600);
    assert_exit(&keys(home.path(), &export, ""), 74);
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn an_env_file_is_imported_by_its_variables() {
    let home = home(&["openai"]);
    let text = format!("export ANTHROPIC_API_KEY=\"{KEY}\"\nOPENAI_API_KEY={KEY}\nFOO_API_KEY={KEY}\nDATABASE_URL={KEY}\n");
    for force in [false, true] {
        let args: &[&str] = if force { &["import", "-", "--force"] } else { &["import", "-"] };
        let output = keys(home.path(), args, &text);
        assert!(!(stdout(&output) + &stderr(&output)).contains(KEY), "{}", stdout(&output));
        assert_exit(&output, i32::from(!force));
        let taken = if force { "imported \"openai\" (sk-a…ef)" } else { "left out \"openai\": there is a key \"openai\" already" };
        let rest = "left out FOO_API_KEY: no provider is known that has it; add it with `aimux keys add NAME`";
        assert_eq!(stdout(&output), format!("imported \"anthropic\" (sk-a…ef)\n{taken}\n{rest}\n"));
        assert_exit(&keys(home.path(), &["remove", "anthropic"], ""), 0);
    }
    assert_exit(&keys(home.path(), &["import", "-"], "DATABASE_URL=x\n"), 64);
    assert_exit(&keys(home.path(), &["import", "nowhere"], ""), 64);
}

#[test]
fn age_files_are_imported_alone_and_by_the_folder() {
    let home = home(&["first"]);
    let own = age("age-keygen", &["-y", home.path().join(".config/aimux/identity.txt").to_str().unwrap()], "");
    let store = home.path().join("store");
    std::fs::create_dir_all(store.join("llm/.git")).unwrap();
    for name in ["zai", "llm/anthropic", "llm/.git/hidden", "bad name"] {
        let file = store.join(format!("{name}.age"));
        age("age", &["-r", own.trim(), "-o", file.to_str().unwrap()], &format!("{KEY}\nnote: mine\n"));
    }
    std::fs::write(store.join("broken.age"), "nonsense").unwrap();
    let output = keys(home.path(), &["import", "store"], "");
    assert_exit(&output, 1);
    let said = stdout(&output);
    assert!(said.contains("imported \"llm-anthropic\" (sk-a…ef)\n") && said.contains("imported \"zai\" (sk-a…ef)\n"), "{said}");
    assert!(said.contains("left out \"broken\": it is damaged or no age file"), "{said}");
    assert!(said.contains("its name is none that a key may have") && !said.contains("hidden") && !said.contains(KEY), "{said}");
    assert_exit(&keys(home.path(), &["import", "store/zai.age", "--name", "zai-2"], ""), 0);
    assert_eq!(stdout(&keys(home.path(), &["export", "zai-2", "--plaintext"], "")), format!("{KEY}\n"));
}
