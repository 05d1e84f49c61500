//! `install.sh`, into a prefix of its own, with the program under test as its artefact; and what it installs, as shells read it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{assert_exit, stderr, stdout};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn program() -> PathBuf {
    assert_cmd::cargo::cargo_bin("aimux")
}

fn install(home: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home).current_dir(home);
    command.arg(root().join("install.sh")).args(args).output().unwrap()
}

/// The files under a folder, relative to it.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                open.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn sha256(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().unwrap();
    stdout(&output).split(' ').next().unwrap().to_owned()
}

#[test]
fn a_program_whose_checksum_is_right_is_installed_with_its_pages() {
    let home = tempfile::tempdir().unwrap();
    let program = program();
    let from = program.to_str().unwrap();
    for _ in 0..2 {
        let output = install(home.path(), &["--from", from, "--sha256", &sha256(&program)]);
        assert_exit(&output, 0);
        assert!(stdout(&output).starts_with(concat!("installed aimux ", env!("CARGO_PKG_VERSION"))), "{}", stdout(&output));
    }
    let files = files(&home.path().join(".local"));
    for name in [
        "bin/aimux",
        "share/man/man1/aimux.1",
        "share/man/man1/aimux-serve.1",
        "share/bash-completion/completions/aimux",
        "share/zsh/site-functions/_aimux",
        "share/fish/vendor_completions.d/aimux.fish",
    ] {
        assert!(files.iter().any(|file| file == name), "{name}: {files:?}");
    }
    assert!(files.iter().all(|file| !file.ends_with(".new")), "{files:?}");
    let output = Command::new(home.path().join(".local/bin/aimux")).arg("--version").output().unwrap();
    assert!(stdout(&output).starts_with("aimux "));
}

#[test]
fn a_checksum_beside_the_program_is_read() {
    let home = tempfile::tempdir().unwrap();
    let artefact = home.path().join("aimux");
    std::fs::copy(program(), &artefact).unwrap();
    let output = install(home.path(), &["--from", "aimux"]);
    assert_exit(&output, 65);
    assert!(stderr(&output).contains("--sha256"), "{}", stderr(&output));
    std::fs::write(home.path().join("aimux.sha256"), format!("{}  aimux\n", sha256(&artefact))).unwrap();
    let prefix = home.path().join("with blanks");
    assert_exit(&install(home.path(), &["--from", "aimux", "--prefix", prefix.to_str().unwrap()]), 0);
    assert!(prefix.join("bin/aimux").is_file());
}

#[test]
fn a_wrong_checksum_installs_nothing() {
    let home = tempfile::tempdir().unwrap();
    let program = program();
    let wrong = "0".repeat(64);
    for args in [&["--sha256", &wrong][..], &["--sha256", ""], &["--sha256", "x", "--dry-run"]] {
        let output = install(home.path(), &[&["--from", program.to_str().unwrap()], args].concat());
        assert_exit(&output, 65);
        assert!(output.stdout.is_empty() && stderr(&output).starts_with("install.sh: "), "{args:?}: {}", stderr(&output));
    }
    assert_eq!(files(home.path()), Vec::<String>::new());
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let home = tempfile::tempdir().unwrap();
    let program = program();
    for args in [&["--dry-run"][..], &["--dry-run", "--from", program.to_str().unwrap(), "--sha256", &sha256(&program)]] {
        let output = install(home.path(), args);
        assert_exit(&output, 0);
        let said = stdout(&output);
        assert!(said.contains(".local/share/man/man1/aimux.1") && said.lines().all(|line| line.starts_with("would ")), "{said}");
    }
    assert_eq!(files(home.path()), Vec::<String>::new());
}

#[test]
fn what_was_installed_is_taken_away_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let (program, prefix) = (program(), home.path().join("prefix"));
    let from = ["--from", program.to_str().unwrap(), "--sha256", &sha256(&program), "--prefix", prefix.to_str().unwrap()];
    let gone = ["--uninstall", "--prefix", prefix.to_str().unwrap()];
    assert_exit(&install(home.path(), &gone), 0);
    for others in [&[][..], &["bin/other", "share/man/man1/other.1"]] {
        assert_exit(&install(home.path(), &from), 0);
        for file in others {
            std::fs::write(prefix.join(file), "x").unwrap();
        }
        let before = files(&prefix);
        let said = stdout(&install(home.path(), &[&gone[..], &["--dry-run"]].concat()));
        assert!(said.contains("would run: rm -f") && files(&prefix) == before, "{said}");
        assert_exit(&install(home.path(), &gone), 0);
        assert_eq!(files(&prefix), others);
        assert_eq!(prefix.exists(), !others.is_empty(), "no empty folder is left");
    }
    assert_exit(&install(home.path(), &["--uninstall", "--from", "x"]), 64);
}

#[test]
fn an_archive_is_installed_and_pages_are_left_out_by_choice() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    std::fs::create_dir_all(at("aimux-1/man")).unwrap();
    std::fs::copy(program(), at("aimux-1/aimux")).unwrap();
    std::fs::write(at("aimux-1/man/aimux.1"), "its own page").unwrap();
    std::fs::write(at("nothing"), "x").unwrap();
    for (archive, content) in [("aimux-1.tar.gz", "aimux-1"), ("empty.tgz", "nothing")] {
        let packed = Command::new("tar").args(["-czf", archive, content]).current_dir(home.path()).output().unwrap();
        assert_exit(&packed, 0);
        std::fs::write(at(&format!("{archive}.sha256")), sha256(&at(archive))).unwrap();
    }
    let installed = |prefix: &str, args: &[&str]| {
        let prefix = at(prefix);
        assert_exit(&install(home.path(), &[&["--from", "aimux-1.tar.gz", "--prefix", prefix.to_str().unwrap()], args].concat()), 0);
        files(&prefix)
    };
    assert_eq!(installed("one", &[]), ["bin/aimux", "share/man/man1/aimux.1"]);
    assert_eq!(std::fs::read_to_string(at("one/share/man/man1/aimux.1")).unwrap(), "its own page");
    assert_eq!(installed("two", &["--no-man"]), ["bin/aimux"]);
    let whole = ["--from", at("aimux-1/aimux").to_str().unwrap(), "--sha256", &sha256(&program()), "--no-completions"].map(str::to_owned);
    let whole: Vec<&str> = whole.iter().map(String::as_str).collect();
    assert_exit(&install(home.path(), &whole), 0);
    assert!(files(&at(".local")).iter().all(|file| file == "bin/aimux" || file.starts_with("share/man/")));
    let empty = install(home.path(), &["--from", "empty.tgz"]);
    assert_exit(&empty, 65);
    assert!(stderr(&empty).contains("there is no aimux in"), "{}", stderr(&empty));
}

/// A root with the system's programs and nothing else, in which nobody is more than a plain user, to run a script in as `/home/me`.
/// The checkout is `/checkout`, the program `/program` with its checksum in `SUM`; `more` are further arguments of `bwrap`.
pub(super) fn in_an_empty_root(script: &str, more: &[&str]) -> Output {
    let program = program();
    let mut inside = Command::new("bwrap");
    inside.args(["--unshare-all", "--uid", "1000", "--gid", "1000", "--die-with-parent", "--clearenv", "--tmpfs", "/"]);
    for system in ["/usr", "/bin", "/lib", "/lib64"] {
        inside.args(["--ro-bind-try", system, system]);
    }
    inside.arg("--ro-bind").arg(&program).arg("/program").arg("--ro-bind").arg(root()).arg("/checkout");
    inside.args(["--proc", "/proc", "--dev", "/dev", "--dir", "/home/me", "--dir", "/tmp", "--setenv", "HOME", "/home/me"]);
    inside.args(["--setenv", "PATH", "/usr/bin:/bin", "--setenv", "SUM", &sha256(&program), "--chdir", "/home/me"]).args(more);
    inside.args(["sh", "-c", &format!("set -eu\n{script}")]).stdin(std::process::Stdio::null()).output().unwrap()
}

/// What is installed there is well but for the keys that are missing, and leaves nothing but what it recorded itself.
#[test]
fn in_an_empty_root_a_plain_user_installs_looks_and_uninstalls() {
    let script = r#"
        /checkout/install.sh --from /program --sha256 "$SUM"
        PATH=$HOME/.local/bin:$PATH
        aimux doctor --offline || [ $? = 2 ] || exit 9
        aimux route --demo hello
        mkdir /tmp/bin
        cat >/tmp/bin/claude <<'END'
#!/bin/sh
curl -s "$ANTHROPIC_BASE_URL/v1/messages" -H "authorization: Bearer $ANTHROPIC_AUTH_TOKEN" -H 'content-type: application/json' \
    -d '{"model":"claude-demo","max_tokens":100,"messages":[{"role":"user","content":"from a client"}]}'
exit 7
END
        chmod +x /tmp/bin/claude
        PATH=/tmp/bin:$PATH aimux run --demo claude || [ $? = 7 ] || exit 8
        /checkout/install.sh --uninstall
        find "$HOME"
    "#;
    let output = in_an_empty_root(script, &[]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let said = stdout(&output);
    assert!(
        said.contains("no provider's key at hand")
            && said.contains(" 0 warnings, 1 error\n")
            && said.contains("You said: hello")
            && said.contains("You said: from a client"),
        "{said}"
    );
    let (_, left) = said.split_once("aimux is gone from").unwrap_or_else(|| panic!("{said}"));
    let left: Vec<&str> = left.lines().skip(1).collect();
    let records = ["/home/me", "/home/me/.config", "/home/me/.local", "/home/me/.local/state"];
    let is_record = |path: &&str| {
        records.contains(path) || path.starts_with("/home/me/.local/state/aimux") || path.starts_with("/home/me/.config/aimux")
    };
    assert!(left.iter().all(is_record), "{left:?}");
}

#[test]
fn wrong_usage_of_the_installer_is_said() {
    let home = tempfile::tempdir().unwrap();
    for args in [&["--nonsense"][..], &["--prefix"], &["--prefix", "relative"], &["--sha256", "x"]] {
        assert_exit(&install(home.path(), args), 64);
    }
    assert_exit(&install(home.path(), &["--from", "absent", "--sha256", "x"]), 66);
    let help = install(home.path(), &["--help"]);
    assert_exit(&help, 0);
    assert!(stdout(&help).contains("--dry-run"));
}

#[test]
fn the_scripts_are_sound() {
    for (shell, script) in [
        ("sh", "install.sh"),
        ("sh", "packaging/deb"),
        ("bash", "install.sh"),
        ("bash", "tests/run"),
        ("bash", ".ci/run"),
        ("bash", "completions/aimux.bash"),
        ("zsh", "completions/_aimux"),
        ("fish", "completions/aimux.fish"),
    ] {
        assert_exit(&Command::new(shell).arg("-n").arg(root().join(script)).output().unwrap(), 0);
    }
    // An extra pair of eyes where it is installed; that the scripts work is shown above.
    if let Ok(output) = Command::new("shellcheck")
        .args(["--severity=warning", "install.sh", "packaging/deb", "tests/run", ".ci/run"])
        .current_dir(root())
        .output()
    {
        assert_exit(&output, 0);
    }
}

#[test]
fn the_man_pages_and_the_completions_without_names_know_every_command() {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).unwrap();
    let (powershell, elvish, page) = (read("completions/_aimux.ps1"), read("completions/aimux.elv"), read("man/aimux.1"));
    for command in ["serve", "run", "keys", "config", "env", "status", "stop"] {
        assert!(powershell.contains(&format!("[CompletionResult]::new('{command}'")), "{command}");
        assert!(elvish.contains(&format!("cand {command} ")), "{command}");
        assert!(page.contains(&format!("aimux\\-{command}(1)")), "{command}");
        assert!(read(&format!("man/aimux-{command}.1")).starts_with(".ie \\n(.g .ds Aq"), "{command}");
    }
}
