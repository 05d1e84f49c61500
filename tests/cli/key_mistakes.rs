//! `aimux keys`: each mistake with its whole output, stored files of the `age` program, and a store that survives any kill.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{aimux, feed, stderr, stdout};

/// A home folder that nothing else uses.
struct Home {
    root: tempfile::TempDir,
}

/// What a command gave back, the home's path replaced by `~`.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Home {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    /// A path in aimux's config folder.
    fn config(&self, name: &str) -> PathBuf {
        self.root.path().join(".config/aimux").join(name)
    }

    fn command(&self, words: &str) -> Command {
        let mut command = aimux(self.root.path());
        command.args(words.split_whitespace());
        command
    }

    /// Starts `aimux` with the words as arguments, and the input written and closed.
    fn start(&self, words: &str, input: &str) -> Child {
        let mut child = self.command(words).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child
    }

    fn aimux(&self, words: &str, input: &str) -> Outcome {
        let output = feed(self.command(words), input);
        let text = |text: String| text.replace(&self.root.path().display().to_string(), "~");
        Outcome { code: output.status.code(), out: text(stdout(&output)), err: text(stderr(&output)) }
    }

    /// Copies a fixture to a place in the config folder, 0600, its folder 0700.
    fn put(&self, fixture: &str, name: &str) {
        let to = self.config(name);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(to.parent().unwrap()).unwrap();
        std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(fixture), &to).unwrap();
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// Said on standard output, with success.
fn said(out: &str) -> Outcome {
    Outcome { code: Some(0), out: out.to_owned(), err: String::new() }
}

/// Refused on standard error, with this exit code.
fn refused(code: i32, err: &str) -> Outcome {
    Outcome { code: Some(code), out: String::new(), err: err.to_owned() }
}

#[test]
fn a_key_that_is_piped_in_is_listed_masked() {
    let home = Home::new();
    let first = home.aimux("keys add zai", "sk-0123456789abcdef\n");
    assert!(first.out.starts_with("made the identity ~/.config/aimux/identity.txt (public key age1"), "{first:?}");
    assert_eq!(home.aimux("keys add openai", "sk-0123456789abcdef"), said("added key \"openai\" (sk-0…ef)\n"));
    let list = home.aimux("keys list", "").out;
    assert!(list.starts_with("NAME    KEY         AGE\nopenai  sk-0…ef     0 days\nzai     sk-0…ef     0 days\n"), "{list}");
}

#[test]
fn a_key_in_argv_is_refused_and_never_repeated() {
    let home = Home::new();
    let as_name = "error[AIMUX-E0101]: the name looks like a key itself; it is not repeated here\n  = help: name the provider, as in `aimux keys add anthropic`, and paste the key when asked; if it was in your shell's history, replace it\n";
    assert_eq!(home.aimux("keys add sk-ant-api03-0123456789", ""), refused(64, as_name));
    let as_rest = "error[AIMUX-E0101]: `keys add` takes one name and nothing else; a key does not belong on the command line\n  = help: leave it out and paste it when asked, or pipe it in; a key that stands in your shell's history should be replaced\n";
    assert_eq!(home.aimux("keys add zai sk-ant-api03-0123456789", ""), refused(64, as_rest));
    assert!(!home.config("").exists(), "nothing was made");
}

#[test]
fn a_taken_name_and_a_missing_one_are_named() {
    let home = Home::new();
    home.aimux("keys add zai", "sk-one");
    let taken = "error[AIMUX-E0601]: there is a key \"zai\" already\n  = help: `aimux keys rotate zai` exchanges it; --force replaces it unseen, and keeps the former one in keys/.retired\n";
    assert_eq!(home.aimux("keys add zai", "sk-two"), refused(74, taken));
    assert_eq!(home.aimux("keys remove zai", ""), said("removed key \"zai\"\n"));
    let missing = "error[AIMUX-E0107]: key \"zai\" does not exist\n  = help: add it with `aimux keys add zai`\n";
    assert_eq!(home.aimux("keys remove zai", ""), refused(78, missing));
}

#[test]
fn what_is_no_key_is_refused() {
    let home = Home::new();
    let hint = "  = help: type or paste it at the prompt, or pipe it in: one line\n";
    let refused_with = |words: &str| refused(64, &format!("error[AIMUX-E0101]: {words}\n{hint}"));
    assert_eq!(home.aimux("keys add zai", " \n"), refused_with("nothing was given"));
    assert_eq!(home.aimux("keys add zai", "sk-one\nsk-two\n"), refused_with("more than one line was given"));
    assert_eq!(home.aimux("keys add zai", "sk-\u{1b}[1m"), refused_with("what was given holds control characters"));
}

#[test]
fn an_identity_is_made_once() {
    let home = Home::new();
    let made = home.aimux("keys init --passphrase", "correct horse\n");
    assert!(made.out.starts_with("made the identity ~/.config/aimux/identity.txt\npublic key age1"), "{made:?}");
    let again = "error[AIMUX-E0601]: there is an identity already: ~/.config/aimux/identity.txt\n  = help: it opens the keys that you have; to begin anew, move it away first\n";
    assert_eq!(home.aimux("keys init", ""), refused(74, again));
}

#[test]
fn files_that_others_may_read_are_refused() {
    let home = Home::new();
    home.aimux("keys add zai", "sk-0123456789abcdef");
    let chmod = |name: &str, mode| std::fs::set_permissions(home.config(name), std::fs::Permissions::from_mode(mode)).unwrap();
    chmod("identity.txt", 0o640);
    let open = "error[AIMUX-E0108]: ~/.config/aimux/identity.txt is open to others: its mode is 640\n  = help: chmod 600 ~/.config/aimux/identity.txt\n";
    assert_eq!(home.aimux("keys list", ""), refused(77, open));
    chmod("identity.txt", 0o600);
    chmod("keys", 0o750);
    let open = "error[AIMUX-E0108]: ~/.config/aimux/keys is open to others: its mode is 750\n  = help: chmod 700 ~/.config/aimux/keys\n";
    assert_eq!(home.aimux("keys list", ""), refused(77, open));
}

#[test]
fn files_of_the_age_program_are_opened() {
    let home = Home::new();
    home.put("age/identity.txt", "identity.txt");
    for name in ["binary", "armored", "two"] {
        home.put(&format!("age/{name}.age"), &format!("keys/{name}.age"));
    }
    let list = home.aimux("keys list --json", "");
    let listed: serde_json::Value = serde_json::from_str(&list.out).unwrap();
    let keys = listed["keys"].as_array().unwrap();
    let masked: Vec<_> = keys.iter().map(|key| (key["name"].as_str().unwrap(), key["masked"].as_str().unwrap())).collect();
    assert_eq!(masked, [("armored", "sk-m…ed"), ("binary", "sk-m…ry"), ("two", "sk-m…wo")]);
    assert_eq!(keys[0]["problem"], serde_json::Value::Null);
}

/// A replacement that is killed at any moment leaves the former key or the new one, and the next one works.
#[test]
fn a_store_survives_a_kill_at_any_moment() {
    let home = Home::new();
    home.aimux("keys add zai", "sk-0000-0123456700");
    let started = Instant::now();
    home.aimux("keys add zai --force", "sk-0000-0123456700");
    let whole = started.elapsed();
    let (mut killed, mut last) = (0, "00".to_owned());
    for round in 0..40_u32 {
        let next = format!("{:02}", round + 1);
        let mut child = home.start("keys add zai --force", &format!("sk-0000-01234567{next}"));
        // Not a wait for something to happen: the moment of the kill is what is tried.
        std::thread::sleep(whole * round / 40 + Duration::from_micros(u64::from(round * 37 % 100)));
        child.kill().unwrap();
        killed += u32::from(child.wait().unwrap().code().is_none());
        let list: serde_json::Value = serde_json::from_str(&home.aimux("keys list --json", "").out).unwrap();
        let masked = list["keys"][0]["masked"].as_str().unwrap_or_else(|| panic!("round {round}: {list}"));
        let now = masked.trim_start_matches("sk-0…");
        assert!(now == last || now == next, "round {round}: {masked}");
        last = now.to_owned();
    }
    assert!(killed > 5, "only {killed} were killed");
    assert_eq!(home.aimux("keys add zai --force", "sk-0000-0123456799").code, Some(0));
    let left = |folder: &str| {
        std::fs::read_dir(home.config(folder))
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".aimux-tmp-"))
            .count()
    };
    assert_eq!((left("keys"), left("keys/.retired")), (0, 0), "nothing half-written stays");
}
