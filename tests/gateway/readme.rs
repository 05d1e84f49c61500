//! Every command of the README's shell blocks, in the order in which it stands there, in a home of its own.
//!
//! A line that is not in the table below fails the test: it is run, or the reason why not is written here.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::gateway::{Gateway, until};

/// What is done about a command.
enum How {
    /// It runs to its end and says this.
    Says(&'static str),
    /// It runs until the test is over, and is ready when it says this.
    Stays(&'static str),
    /// It is not run, and why.
    Not(&'static str),
}

/// The commands, without their comments.
const COMMANDS: &[(&str, How)] = &[
    (
        "cargo run --release -- serve --demo",
        How::Not("it builds the release program for minutes; `aimux serve --demo` is what the next commands talk to"),
    ),
    ("./tests/run", How::Not("it runs this test")),
    (
        "curl -s \"$ANTHROPIC_BASE_URL/v1/messages\" -H \"authorization: Bearer $ANTHROPIC_AUTH_TOKEN\" -H 'content-type: application/json' -d '{\"model\":\"claude-demo\",\"max_tokens\":100,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}'",
        How::Says("\"type\":\"message\""),
    ),
    ("aimux keys add anthropic", How::Says("added key \"anthropic\"")),
    ("aimux serve", How::Stays("aimux is ready on http://")),
    ("aimux run --demo claude", How::Says("claude was started with http://127.0.0.1:")),
    ("aimux run claude", How::Says("claude was started with http://127.0.0.1:")),
    ("aimux status", How::Says(" runs on http://127.0.0.1:")),
    ("aimux models", How::Says("anthropic/")),
    ("aimux route \"hello\"", How::Not("it asks a provider itself; `tests/gateway/oneshot.rs` runs each command of docs/route.md")),
    ("aimux chat", How::Not("it asks a provider itself; `tests/gateway/chat.rs` runs each command of docs/chat.md")),
    ("aimux usage", How::Says("ledger.sqlite")),
    ("aimux restart", How::Not("what it starts would outlive the test; tests/gateway/handover.rs runs it")),
    ("aimux switch zai/glm-5.1", How::Not("no session has asked anything here; tests/gateway/handover.rs has one")),
    ("aimux logs", How::Says("there are no conversations")),
    ("aimux service install --dry-run", How::Not("the home's config has no fixed port; tests/cli/service.rs runs it")),
    ("aimux bench --demo", How::Says("added by aimux, ms")),
    ("aimux doctor", How::Not("it asks the providers themselves; tests/cli/doctor.rs has one of its own")),
    ("aimux bench --self", How::Not("it takes minutes; tests/cli/bench.rs runs it with few requests")),
    ("aimux config init --yes", How::Says("wrote ")),
    (
        "aimux config import ccr ~/.claude-code-router/config.json",
        How::Not("it needs a file of that program; tests/cli/config_files.rs has one"),
    ),
    ("aimux config diff old.yaml new.yaml", How::Not("it needs two files; tests/cli/config_files.rs has them")),
    ("aimux config backup", How::Says("backed up ")),
    ("aimux keys add zai", How::Says("added key \"zai\"")),
    ("aimux keys login openrouter", How::Not("it opens a browser; tests/cli/login.rs has a provider of its own")),
    ("aimux keys list", How::Says("anthropic")),
    ("aimux keys test", How::Not("it asks the providers themselves; `tests/cli/keys_test.rs` has one of its own")),
    ("aimux keys rotate zai", How::Not("it asks the provider itself; tests/cli/rotate.rs has one of its own")),
    ("aimux keys rotate --identity", How::Says("made a new identity")),
];

/// The commands of a page's `sh` blocks: continued lines joined, comments and blank lines left out.
pub(crate) fn commands(page: &str) -> Vec<String> {
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let joined: Vec<String> = blocks.map(|block| block.replace("\\\n", " ")).collect();
    let lines = joined.iter().flat_map(|block| block.lines());
    lines
        .map(|line| line.split("  #").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

/// The commands of docs/getting-started.md.
const FIRST: &[(&str, How)] = &[
    ("./install.sh --dry-run", How::Not("tests/cli/install.rs runs it")),
    ("./install.sh", How::Not("it builds the release program for minutes; tests/cli/install.rs installs the one that is tested")),
    ("aimux doctor", How::Not("it asks the providers themselves; tests/cli/doctor.rs has one of its own")),
    ("aimux keys add anthropic", How::Says("added key \"anthropic\"")),
    ("aimux serve", How::Stays("aimux is ready on http://")),
    ("eval \"$(aimux env)\"", How::Says("")),
    ("aimux run claude", How::Says("claude was started with http://127.0.0.1:")),
    ("aimux run claude -- -p \"what is in this folder?\"", How::Says("-p what is in this folder?")),
    ("aimux run --demo claude -- -p \"hello\"", How::Says("-p hello")),
    ("aimux run opencode", How::Says("opencode was started with")),
    ("aimux run aider -- --model openai/claude-opus-4-8", How::Says("aider was started with http://127.0.0.1:")),
    (
        "curl -s \"$ANTHROPIC_BASE_URL/v1/messages\" -H \"authorization: Bearer $ANTHROPIC_AUTH_TOKEN\" -H 'content-type: application/json' -d '{\"model\":\"claude-opus-4-8\",\"max_tokens\":100,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}'",
        How::Says("\"type\":\"message\""),
    ),
    (
        "curl -s \"$ANTHROPIC_BASE_URL/v1/chat/completions\" -H \"authorization: Bearer $ANTHROPIC_AUTH_TOKEN\" -H 'content-type: application/json' -d '{\"model\":\"claude-opus-4-8\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}'",
        How::Says("\"chat.completion\""),
    ),
    ("curl -s \"$ANTHROPIC_BASE_URL/v1/models\" -H \"authorization: Bearer $ANTHROPIC_AUTH_TOKEN\"", How::Says("\"data\"")),
];

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A home with `aimux` and a `claude` in its path.
pub(crate) fn sandbox() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(assert_cmd::cargo::cargo_bin("aimux"), bin.join("aimux")).unwrap();
    for client in ["claude", "opencode", "aider"] {
        fs::write(bin.join(client), format!("#!/bin/sh\necho \"{client} was started with $ANTHROPIC_BASE_URL $*\"\n")).unwrap();
        fs::set_permissions(bin.join(client), fs::Permissions::from_mode(0o755)).unwrap();
    }
    // What would be typed when a key is asked for.
    fs::write(home.path().join("typed"), "sk-0123456789abcdef\n").unwrap();
    home
}

pub(crate) fn bash(home: &Path, command: &str, env: &[(String, String)]) -> Command {
    let path = format!("{}:{}", home.join("bin").display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.env_clear().env("HOME", home).env("PATH", path).env("AIMUX_SERVER__LISTEN", "127.0.0.1:0").current_dir(home);
    bash.envs(env.iter().cloned()).args(["--norc", "-c", command]).stdin(fs::File::open(home.join("typed")).unwrap());
    bash
}

#[test]
fn every_command_of_the_readme_does_what_is_said_there() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let found = commands(&readme);
    let known: Vec<&str> = COMMANDS.iter().map(|(command, _)| *command).collect();
    assert_eq!(found, known, "the README's commands and the table here");
    runs(COMMANDS);
}

/// Runs the commands of a page in one home, whose shell has what the demo prints.
fn runs(commands: &[(&str, How)]) {
    let demo = Gateway::demo();
    let exports: Vec<(String, String)> = demo
        .greeting
        .iter()
        .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(exports.len(), 2, "{:?}", demo.greeting);
    let home = sandbox();
    let mut running = Vec::new();
    for (command, how) in commands {
        match how {
            How::Not(reason) => assert!(!reason.is_empty()),
            How::Says(words) => {
                let output = bash(home.path(), command, &exports).output().unwrap();
                let said = String::from_utf8_lossy(&output.stdout);
                assert!(output.status.success() && said.contains(words), "{command}: {said}{}", String::from_utf8_lossy(&output.stderr));
            }
            How::Stays(words) => {
                let out = home.path().join("out");
                let file = fs::File::create(&out).unwrap();
                running.push(Running(
                    bash(home.path(), &format!("exec {command}"), &exports).stdout(file).stderr(Stdio::null()).spawn().unwrap(),
                ));
                until(command, Duration::from_secs(20), || fs::read_to_string(&out).unwrap().contains(words));
            }
        }
    }
}

#[test]
fn the_readme_names_the_rust_that_cargo_asks_for() {
    let read = |name: &str| fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let asked =
        read("Cargo.toml").lines().find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"').map(str::to_owned)).unwrap();
    assert!(read("README.md").contains(&format!("Rust {asked} or newer")), "{asked}");
}

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn every_command_of_the_page_for_beginners_does_what_is_said_there() {
    let found = commands(&page("docs/getting-started.md"));
    let known: Vec<&str> = FIRST.iter().map(|(command, _)| *command).collect();
    assert_eq!(found, known, "the page's commands and the table here");
    runs(FIRST);
}

/// The config of each section, and below it requests, each with its target as a comment.
#[test]
fn each_recipe_is_a_config_and_its_requests_go_where_it_says() {
    let page = page("docs/recipes.md");
    let sections: Vec<&str> = page.split("\n## ").skip(1).collect();
    assert!(sections.len() >= 10, "{}", sections.len());
    for section in sections {
        let block = |language: &str| section.split(&format!("```{language}\n")).nth(1).and_then(|rest| rest.split("```").next());
        let (config, requests) = (block("yaml").unwrap(), block("sh").unwrap());
        let home = sandbox();
        fs::create_dir_all(home.path().join(".config/aimux")).unwrap();
        fs::write(home.path().join(".config/aimux/config.yaml"), config).unwrap();
        fs::write(home.path().join("cat.png"), b"\x89PNG\r\n\x1a\n").unwrap();
        for line in requests.lines() {
            let (command, target) = line.split_once("  # ").map(|(command, target)| (command.trim(), target.trim())).unwrap();
            let output = bash(home.path(), command, &[]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            let first = said.lines().find_map(|line| line.strip_prefix("targets  1 ")).unwrap_or_default();
            assert!(first.starts_with(&format!("{target}: ")), "{command}: {said}{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
