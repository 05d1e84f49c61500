//! `aimux keys rotate` and `recipients`: what they say, files of the `age` program, and two hundred kills.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::provider::Provider;
use super::{aimux, assert_exit, feed, stderr, stdout};

const OLD: &str = "sk-test-old-0123456789";
const NEW: &str = "sk-test-new-0123456789";

/// A home with a key `zai`.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    assert_exit(&keys(home.path(), "add zai", OLD), 0);
    home
}

fn keys(home: &Path, words: &str, input: &str) -> Output {
    let mut command = aimux(home);
    command.arg("keys").args(words.split_whitespace());
    feed(command, input)
}

fn folder(home: &Path) -> PathBuf {
    home.join(".config/aimux")
}

fn store(home: &Path) -> aimux::keys::Store {
    aimux::keys::Store::new(&folder(home), None)
}

/// The key as it opens with what is there, without any command that would mend something first.
fn current(home: &Path) -> String {
    let mut nobody = || panic!("nobody should be asked");
    store(home).read("zai", &mut nobody).unwrap().expose().to_owned()
}

/// Opens a file with the `age` program.
fn age(home: &Path, file: &Path) -> String {
    let identity = folder(home).join("identity.txt");
    let output = Command::new("age").arg("-d").arg("-i").arg(identity).arg(file).output().unwrap();
    assert!(output.status.success(), "{}: {}", file.display(), stderr(&output));
    stdout(&output)
}

fn files(folder: PathBuf) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "age"));
    files.sort();
    files
}

#[test]
fn a_rotation_says_what_it_did_and_the_age_program_opens_both_keys() {
    let home = home();
    let output = keys(home.path(), "rotate zai --no-probe", NEW);
    assert_exit(&output, 0);
    let said = stdout(&output).replace(&home.path().display().to_string(), "~");
    let (lines, former) = said.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(
        lines,
        "rotated key \"zai\" (sk-t…89)\nno provider was asked about it\nno server runs for this config: the next one uses it"
    );
    assert!(former.starts_with("the former one is ~/.config/aimux/keys/.retired/zai.2") && former.contains(", until 2"), "{former}");
    assert_eq!(age(home.path(), &folder(home.path()).join("keys/zai.age")).lines().next(), Some(NEW));
    let retired = files(folder(home.path()).join("keys/.retired"));
    assert_eq!(age(home.path(), &retired[0]).lines().next(), Some(OLD));
    let log = stdout(&keys(home.path(), "audit", ""));
    let steps = ["begun", "switched", "done"].map(|step| log.find(step).unwrap_or_else(|| panic!("{step}: {log}")));
    assert!(steps.is_sorted() && !log.contains(NEW), "{log}");
}

#[test]
fn a_file_that_the_age_program_wrote_is_rotated_and_encrypted_anew() {
    let home = home();
    let file = folder(home.path()).join("keys/zai.age");
    for armor in [&["-a"][..], &[]] {
        let public = store(home.path()).recipients().unwrap().remove(0);
        let mut command = Command::new("age");
        command.args(armor).args(["-r", &public, "-o", file.to_str().unwrap()]);
        assert_exit(&feed(command, "sk-made-by-age-0123456789\n"), 0);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let same = keys(home.path(), "rotate zai --no-probe", "sk-made-by-age-0123456789");
        assert!(stderr(&same).contains("is in use already"), "{}", stderr(&same));
        assert_exit(&keys(home.path(), "rotate --identity --keep 0", ""), 0);
        assert_eq!(age(home.path(), &file), "sk-made-by-age-0123456789\n");
        assert_eq!(std::fs::read(&file).unwrap().starts_with(b"-----BEGIN"), !armor.is_empty(), "its form stays");
        let public_now = store(home.path()).recipients().unwrap();
        assert!(public_now.len() == 1 && public_now[0] != public);
        let keygen = Command::new("age-keygen").arg("-y").arg(folder(home.path()).join("identity.txt")).output().unwrap();
        assert_eq!(stdout(&keygen).trim(), public_now[0]);
    }
}

/// A config whose only provider is at the URL.
fn config(home: &Path, url: &str) {
    let text = format!("version: 1\nproviders:\n  mine: {{ dialect: openai-chat, base_url: \"{url}/v1\", key: zai }}\n");
    std::fs::write(folder(home).join("config.yaml"), text).unwrap();
}

#[test]
fn each_mistake_is_told_and_changes_nothing() {
    let home = home();
    let before = files(folder(home.path()).join("keys"));
    let refused = |words: &str, input: &str, code: i32, said: &str| {
        let output = keys(home.path(), words, input);
        assert_exit(&output, code);
        assert!(stderr(&output).contains(said), "{words}: {}", stderr(&output));
        assert!(!(stdout(&output) + &stderr(&output)).contains(NEW), "{words}: the key is repeated");
    };
    refused("rotate", "", 64, "required");
    refused("rotate openai", NEW, 78, "key \"openai\" does not exist");
    refused(&format!("rotate zai {NEW}"), "", 64, "a key does not belong on the command line");
    refused(&format!("rotate {NEW}"), "", 64, "the name looks like a key itself");
    refused("rotate zai --no-probe", OLD, 64, "this is the key \"zai\" that is in use already");
    refused("rotate zai --no-probe", "", 64, "nothing was given");
    refused("rotate zai --keep 1w", NEW, 64, "a number with s, m, h or d");
    refused("rotate zai --passphrase", NEW, 64, "--identity");
    refused("rotate zai --identity", "", 64, "takes one name, or --identity");
    refused("recipients add age1nonsense", "", 64, "a recipient is a public key age1…");
    refused("recipients add AGE-SECRET-KEY-1QQQQQQQQQQQ", "", 64, "not a public key; it is not repeated here");
    let own = store(home.path()).recipients().unwrap().remove(0);
    refused(&format!("recipients remove {own}"), "", 64, "this is the last recipient");
    refused(&format!("recipients remove {own} --force"), "", 64, "this is the last recipient");
    assert_eq!((files(folder(home.path()).join("keys")), current(home.path()).as_str()), (before, OLD));
    assert!(!folder(home.path()).join("keys/.retired").exists(), "nothing was retired");
}

#[test]
fn a_provider_that_refuses_the_new_key_or_is_away_stops_it() {
    let home = home();
    config(home.path(), &Provider::taking(OLD).url);
    let output = keys(home.path(), "rotate zai", NEW);
    assert_exit(&output, 77);
    assert!(stderr(&output).contains("mine refuses the new key (401"), "{}", stderr(&output));
    config(home.path(), "http://127.0.0.1:1");
    let output = keys(home.path(), "rotate zai", NEW);
    assert_exit(&output, 69);
    assert!(stderr(&output).contains("--no-probe"), "{}", stderr(&output));
    assert_eq!(current(home.path()), OLD);
    config(home.path(), &Provider::taking(NEW).url);
    let output = keys(home.path(), "rotate zai --json", NEW);
    assert_exit(&output, 0);
    let said: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(said["probed"], serde_json::json!([{ "provider": "mine", "result": "good" }]));
    assert_eq!((said["server"].as_str(), current(home.path()).as_str()), (Some("none"), NEW));
}

#[test]
fn former_keys_are_listed_and_go_when_their_time_is_over() {
    let home = home();
    assert_exit(&keys(home.path(), "rotate zai --no-probe --keep 1s", NEW), 0);
    let list = |words: &str| {
        let output = keys(home.path(), words, "");
        (serde_json::from_str::<serde_json::Value>(&stdout(&output)).unwrap(), stderr(&output))
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let (listed, said) = list("list --json --stale-after 0");
        assert_eq!(listed["keys"][0]["stale"], true);
        let retired = listed["retired"].as_array().unwrap();
        if retired.is_empty() {
            assert_eq!(said, "former keys whose time was over were deleted: 1\n");
            break;
        }
        assert_eq!((&retired[0]["name"], retired[0]["until"].as_str().map(str::len)), (&serde_json::json!("zai"), Some(20)));
        assert!(Instant::now() < deadline, "it stays");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_second_machine_opens_the_keys_until_it_is_taken_out() {
    let (home, other) = (home(), home());
    assert_exit(&keys(home.path(), "rotate zai --no-probe", NEW), 0);
    let theirs = store(other.path()).recipients().unwrap().remove(0);
    let opened = |place: &Path| {
        let identity = folder(other.path()).join("identity.txt");
        Command::new("age").arg("-d").arg("-i").arg(identity).arg(place).output().unwrap().status.success()
    };
    let key = folder(home.path()).join("keys/zai.age");
    let former = files(folder(home.path()).join("keys/.retired")).remove(0);
    let output = keys(home.path(), &format!("recipients add {theirs}"), "");
    assert_eq!(stdout(&output), format!("added {theirs}\n2 files encrypted anew\n"));
    assert!(opened(&key) && opened(&former));
    let listed = stdout(&keys(home.path(), "recipients list", ""));
    assert!(listed.ends_with(&format!("  this machine's own\n{theirs}\n")), "{listed}");
    // A new identity of ours leaves theirs in, and does not give them our former one.
    assert_exit(&keys(home.path(), "rotate --identity", ""), 0);
    let identities: Vec<PathBuf> = files(folder(home.path()).join("keys/.retired"))
        .into_iter()
        .filter(|path| path.display().to_string().contains("/.identity."))
        .collect();
    assert!(opened(&key) && identities.len() == 1 && !opened(&identities[0]));
    assert!(age(home.path(), &identities[0]).contains("AGE-SECRET-KEY-1"));
    let output = keys(home.path(), &format!("recipients remove {theirs}"), "");
    assert!(stdout(&output).contains("rotate the keys too"), "{}", stdout(&output));
    assert!(!opened(&key) && !opened(&former));
    assert_eq!(current(home.path()), NEW);
}

#[test]
fn a_second_writer_waits_and_says_so() {
    let home = home();
    let lock = std::fs::File::options().read(true).write(true).open(folder(home.path()).join("keys/.lock")).unwrap();
    lock.lock().unwrap();
    let mut command = aimux(home.path());
    command.args(["keys", "rotate", "--identity"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = [0; 16];
    std::io::Read::read_exact(child.stderr.as_mut().unwrap(), &mut said).unwrap();
    assert_eq!(&said, b"another aimux is");
    assert!(child.try_wait().unwrap().is_none(), "it waits");
    lock.unlock().unwrap();
    assert_exit(&child.wait_with_output().unwrap(), 0);
    assert_eq!(current(home.path()), OLD);
}

/// How long a command takes from start to end, without a kill.
fn measured(home: &Path, words: &str, input: &str) -> Duration {
    let started = Instant::now();
    assert_exit(&keys(home, words, input), 0);
    started.elapsed()
}

/// Kills the command after a time. Gives whether it was still running.
fn killed(home: &Path, words: &str, input: &str, after: Duration) -> bool {
    let mut command = aimux(home);
    command.arg("keys").args(words.split_whitespace()).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    // Not a wait for something to happen: the moment of the kill is what is tried.
    std::thread::sleep(after.saturating_sub(started.elapsed()));
    child.kill().unwrap();
    child.wait().unwrap().code().is_none()
}

/// The unit tests fail each write, sync and rename in turn; here the real program dies at real moments.
#[test]
fn two_hundred_kills_leave_two_hundred_stores_that_open() {
    const LANES: u32 = 4;
    const KILLS: u32 = 100 / LANES;
    let lane = |lane: u32| {
        let home = home();
        let (mut dead, mut switched, mut last) = (0, 0, OLD.to_owned());
        let mut whole = measured(home.path(), "rotate zai --no-probe --keep 0", NEW);
        assert_eq!(std::mem::replace(&mut last, NEW.to_owned()), OLD);
        let mut whole_identity = measured(home.path(), "rotate --identity --keep 0", "");
        for kill in 0..KILLS {
            if kill % 5 == 4 {
                // The machine is busier at times.
                last = format!("sk-test-{lane:02}-{kill:08}-whole");
                whole = measured(home.path(), "rotate zai --no-probe --keep 0", &last);
                whole_identity = measured(home.path(), "rotate --identity --keep 0", "");
            }
            // A little beyond the end: how long it takes is not known beforehand.
            let at = |whole: Duration| whole * (kill * LANES + lane + 1) / 85;
            let next = format!("sk-test-{lane:02}-{kill:08}");
            dead += u32::from(killed(home.path(), "rotate zai --no-probe --keep 1h", &next, at(whole)));
            let now = current(home.path());
            assert!(now == last || now == next, "lane {lane}, kill {kill}: neither the old key nor the new one");
            switched += u32::from(now == next);
            last = now;
            dead += u32::from(killed(home.path(), "rotate --identity --keep 0", "", at(whole_identity)));
            assert_eq!(current(home.path()), last, "lane {lane}, kill {kill}, of the identity");
        }
        // The next command ends all that was begun.
        assert_exit(&keys(home.path(), "rotate --identity", ""), 0);
        assert_eq!((current(home.path()), store(home.path()).recipients().unwrap().len()), (last, 1));
        for file in files(folder(home.path()).join("keys/.retired")).iter().take(5) {
            age(home.path(), file);
        }
        let left = |folder: PathBuf| {
            std::fs::read_dir(folder).unwrap().any(|entry| entry.unwrap().file_name().to_string_lossy().contains(".aimux-"))
        };
        let config = folder(home.path());
        assert!(!left(config.join("keys")) && !left(config.join("keys/.retired")) && !left(config), "something half-written stays");
        (dead, switched)
    };
    let lane = &lane;
    let counts: Vec<(u32, u32)> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|number| scope.spawn(move || lane(number))).collect();
        lanes.into_iter().map(|lane| lane.join().unwrap()).collect()
    });
    let (dead, switched) = counts.iter().fold((0, 0), |all, lane| (all.0 + lane.0, all.1 + lane.1));
    assert!(dead > 60, "only {dead} of 200 died before their end");
    assert!((1..=99).contains(&switched), "of 100 keys {switched} were switched: the kills are not spread");
}
