//! Conversations with a real plugin, `tests/fixtures/age/age-plugin-test`, and with programs that are none.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use age::armor::Format;

use super::*;
use crate::keys::identity::{self, Identity, IdentityFile};
use crate::keys::recipient::{Mixture, Recipient};

const PLUGIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/age/age-plugin-test");

/// A folder with a plugin that behaves in one of the ways that the fixture knows.
fn plugins(modes: &str) -> (tempfile::TempDir, Plugins) {
    script(&format!("AIMUX_TEST_PLUGIN={modes} exec {PLUGIN} \"$@\""))
}

fn script(text: &str) -> (tempfile::TempDir, Plugins) {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "age-plugin-test", text);
    let plugins = Plugins { folder: Some(folder.path().to_owned()), ..Plugins::default() };
    (folder, plugins)
}

fn put(folder: &Path, name: &str, text: &str) {
    // Written by a process of its own: a file that is open for writing anywhere, a fork of another test included, cannot be run.
    let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" >\"$2\" && chmod 700 \"$2\"";
    let status = Command::new("sh").args(["-c", write, "sh", text]).arg(folder.join(name)).status().unwrap();
    assert!(status.success() && folder.join(name).metadata().unwrap().permissions().mode() & 0o100 != 0);
}

/// An identity of the plugin's, and its public key.
fn identity() -> (Identity, String) {
    let made = Command::new(PLUGIN).arg("--keygen").output().unwrap();
    let IdentityFile::Open(mut identities) = identity::parse(&made.stdout).unwrap() else { panic!("it is protected") };
    let identity = identities.pop().unwrap();
    let public = identity.public().unwrap();
    (identity, public)
}

fn seal(public: &[&str], plugins: &Plugins) -> Result<Vec<u8>, Error> {
    let recipients: Vec<Recipient> = public.iter().map(|public| public.parse().unwrap()).collect();
    identity::seal(b"sk-secret\n", &recipients, Mixture::Refuse, plugins, Format::Binary)
}

/// What went wrong, as users read it.
fn trouble(file: &[u8], identity: &Identity, plugins: &Plugins) -> String {
    let error = identity::open(file, std::slice::from_ref(identity), plugins).unwrap_err();
    failure_in(&error).unwrap_or_else(|| panic!("{error}")).message
}

#[test]
fn what_a_plugin_encrypts_it_opens_and_another_identity_does_not() {
    let (_folder, plugins) = plugins("");
    let ((one, public), (other, second)) = (identity(), identity());
    let file = seal(&[&public, &second], &plugins).unwrap();
    for identity in [&one, &other] {
        assert_eq!(identity::open(&file, std::slice::from_ref(identity), &plugins).unwrap().as_slice(), b"sk-secret\n");
    }
    let (third, _) = identity();
    let refused = identity::open(&file, &[third], &plugins).unwrap_err();
    assert!(matches!(refused, DecryptError::NoMatchingKeys));
}

#[test]
fn an_identity_without_a_public_key_is_encrypted_to_all_the_same() {
    let (_folder, plugins) = plugins("");
    let Identity::Plugin(identity) = identity().0 else { panic!("it is none of a plugin's") };
    let identity = Identity::Plugin(identity.with_public(None));
    let recipient = Recipient::from(&identity);
    let file = identity::seal(b"sk-secret\n", &[recipient], Mixture::Refuse, &plugins, Format::Binary).unwrap();
    assert_eq!(identity::open(&file, &[identity], &plugins).unwrap().as_slice(), b"sk-secret\n");
}

#[derive(Default)]
struct Script {
    answer: &'static str,
    heard: Mutex<Vec<String>>,
}

impl Person for Script {
    fn tell(&self, message: &str) {
        self.heard.lock().unwrap().push(message.to_owned());
    }

    fn ask(&self, message: &str, secret: bool) -> Option<Secret> {
        self.heard.lock().unwrap().push(format!("{message}, {secret}"));
        Some(Secret::new(self.answer.to_owned()))
    }

    fn choose(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        None
    }
}

#[test]
fn a_plugin_that_asks_is_answered_by_the_person_at_the_terminal_or_not_at_all() {
    let (_folder, alone) = plugins("ask");
    let (identity, public) = identity();
    let asks = "age's plugin \"test\" asks something, and there is no terminal to ask on";
    assert_eq!(seal(&[&public], &alone).unwrap_err().message, asks);
    let person = Arc::new(Script { answer: "1234", ..Script::default() });
    let attended = Plugins { person: Some(person.clone()), ..alone.clone() };
    let file = seal(&[&public], &attended).unwrap();
    assert_eq!(*person.heard.lock().unwrap(), ["the test plugin is at work", "Number of the test plugin, true"]);
    assert_eq!(trouble(&file, &identity, &alone), asks);
    let wrong = Plugins { person: Some(Arc::new(Script { answer: "4321", ..Script::default() })), ..alone };
    assert_eq!(trouble(&file, &identity, &wrong), "age's plugin \"test\" failed: the number is wrong");
    assert!(identity::open(&file, &[identity], &attended).is_ok());
}

#[test]
fn what_a_plugin_says_wrong_is_told_without_the_identity() {
    let (folder, plugins) = plugins("");
    let (identity, public) = identity();
    let file = seal(&[&public], &plugins).unwrap();
    for (text, told) in [
        (format!("AIMUX_TEST_PLUGIN=refuses exec {PLUGIN} \"$@\""), "failed: it is broken: AGE-PLUGIN-…"),
        (format!("AIMUX_TEST_PLUGIN=dies exec {PLUGIN} \"$@\""), "ended before it had answered"),
        (format!("AIMUX_TEST_PLUGIN=nonsense exec {PLUGIN} \"$@\""), "does not speak the protocol of age's plugins"),
        ("while :; do printf -- '-> msg\\n\\n'; done".to_owned(), "does not speak the protocol of age's plugins"),
        ("yes".to_owned(), "does not speak the protocol of age's plugins"),
        ("tr '\\n' x </dev/zero".to_owned(), "ended before it had answered"),
        ("printf -- '-> file-key 0\\nQUJD\\n-> done\\n\\n'".to_owned(), ""),
    ] {
        put(folder.path(), "age-plugin-test", &text);
        if told.is_empty() {
            // A key of the wrong length is none.
            let error = identity::open(&file, std::slice::from_ref(&identity), &plugins).unwrap_err();
            assert!(matches!(error, DecryptError::NoMatchingKeys), "{error}");
            continue;
        }
        assert_eq!(trouble(&file, &identity, &plugins), format!("age's plugin \"test\" {told}"), "{text}");
    }
    std::fs::remove_file(folder.path().join("age-plugin-test")).unwrap();
    let error = seal(&[&public], &plugins).unwrap_err();
    assert_eq!(error.message, "age's plugin \"test\" is not installed: there is no program age-plugin-test on PATH");
    assert!(error.advice().contains("install age-plugin-test"), "{}", error.advice());
}

#[test]
fn a_plugin_that_is_silent_is_ended_with_what_it_started() {
    let marker = format!("{}", 400_000 + std::process::id());
    let (_folder, plugins) = script(&format!("sleep {marker} & sleep {marker}"));
    let plugins = Plugins { silence: Some(Duration::from_secs(1)), ..plugins };
    let begun = Instant::now();
    let (_, public) = identity();
    assert!(seal(&[&public], &plugins).unwrap_err().message.contains("said nothing for "));
    assert!(begun.elapsed() < Duration::from_secs(60));
    let is_alive = |entry: std::fs::DirEntry| {
        std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default() == format!("sleep\0{marker}\0")
    };
    let until = Instant::now() + Duration::from_secs(5);
    while std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).filter(|entry| !entry.path().is_file()).any(is_alive) {
        assert!(Instant::now() < until, "a sleep goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_plugin_may_open_what_another_one_cannot() {
    let (folder, plugins) = plugins("");
    let ((one, public), (two, _)) = (identity(), identity());
    let file = seal(&[&public], &plugins).unwrap();
    // The same plugin under a second name, which is asked first and is broken.
    put(folder.path(), "age-plugin-absent", "exit 1");
    let Identity::Plugin(two) = two else { panic!("it is none of a plugin's") };
    let two = Identity::Plugin(PluginIdentity { plugin: "absent".to_owned(), ..two });
    assert!(identity::open(&file, &[two.clone(), one], &plugins).is_ok());
    assert_eq!(trouble(&file, &two, &plugins), "age's plugin \"absent\" ended before it had answered");
}

#[test]
fn post_quantum_recipients_and_others_do_not_share_a_file() {
    let (_folder, plugins) = plugins("pq");
    let (_, public) = identity();
    let classic = age::x25519::Identity::generate().to_public().to_string();
    assert!(seal(&[&public, &classic], &plugins).unwrap_err().message.starts_with("post-quantum recipients and others"));
    let tagpq = include_str!("../../../tests/fixtures/age/tagpq.txt").trim();
    assert!(seal(&[tagpq, &classic], &plugins).unwrap_err().message.starts_with("post-quantum recipients and others"));
    let file = seal(&[tagpq, &public], &plugins).unwrap();
    let header = String::from_utf8_lossy(&file);
    assert!(header.contains("-> mlkem768p256tag ") && header.contains("-> test argument"), "{header}");
    let recipients: Vec<Recipient> = [&public, &classic].map(|public| public.parse().unwrap()).to_vec();
    identity::seal(b"", &recipients, Mixture::Allow, &plugins, Format::Binary).unwrap();
}

#[test]
fn names_that_lead_out_of_the_path_are_no_plugins() {
    for name in ["../../bin/sh", "a/b", "", "a b"] {
        let text = bech32::Hrp::parse(&format!("age1{name}")).map(|prefix| bech32_encode(prefix, b"x"));
        assert!(text.map_or(true, |text| text.parse::<PluginRecipient>().is_err()), "{name}");
    }
    assert_eq!(bech32_encode(bech32::Hrp::parse("age1yk-1.x").unwrap(), b"x").parse::<PluginRecipient>().unwrap().plugin, "yk-1.x");
}

#[test]
fn a_post_quantum_identity_of_ages_own_kind_is_for_the_plugin_pq() {
    let native = bech32_encode(bech32::Hrp::parse(PQ_NATIVE).unwrap(), &[7; 32]).to_uppercase();
    let identity: PluginIdentity = native.parse().unwrap();
    let expected = bech32_encode(bech32::Hrp::parse(PQ_PLUGIN).unwrap(), &[7; 32]).to_uppercase();
    assert_eq!((identity.plugin.as_str(), identity.text.as_str()), ("pq", expected.as_str()));
    assert!(!format!("{identity:?}").contains("PQ-1"));
}
