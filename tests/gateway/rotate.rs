//! A key exchanged under a running server: no request fails, each ends with the key that it began with.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::gateway::{Gateway, aimux};
use crate::replies::{Speaks, text};
use crate::upstream::{Answer, Outcome, Upstream};

/// A provider with a list of keys that it accepts, and a server whose key is a file.
struct Stage {
    upstream: Upstream,
    gateway: Gateway,
    valid: Arc<Mutex<BTreeSet<String>>>,
    refused: Arc<AtomicUsize>,
}

fn key(number: usize) -> String {
    format!("sk-rotated-0123456789-{number:02}")
}

impl Stage {
    /// Streams stay in their middle for `pause`.
    fn new(pause: Duration) -> Self {
        let valid = Arc::new(Mutex::new(BTreeSet::from([key(0)])));
        let refused = Arc::new(AtomicUsize::new(0));
        let (known, refusals) = (Arc::clone(&valid), Arc::clone(&refused));
        let upstream = Upstream::start(move |seen, _| {
            if !known.lock().unwrap().contains(seen.header("x-api-key").unwrap_or_default()) {
                refusals.fetch_add(1, Ordering::Relaxed);
                return Answer::json(401, r#"{"type":"error","error":{"type":"authentication_error","message":"no such key"}}"#);
            }
            if seen.method == "GET" {
                return Answer::json(200, r#"{"data":[]}"#);
            }
            let answer = Speaks::Anthropic.answer(seen, &[text("one two three four")]);
            if seen.is_stream() { answer.pause(4, pause) } else { answer }
        });
        let home = tempfile::tempdir().unwrap();
        assert!(feed(aimux(home.path()).args(["keys", "add", "mine"]), &key(0)).status.success());
        let config = format!(
            "version: 1\nserver: {{ listen: \"127.0.0.1:0\", token: {{ env: AIMUX_CLIENT_TOKEN }}, watch: false }}\nproviders:\n  \
             up: {{ dialect: anthropic, base_url: \"{}\", key: mine }}\nmodels:\n  \"*\": [up/m]\n",
            upstream.url()
        );
        let gateway = Gateway::start_in(home, &config, &[]);
        Self { upstream, gateway, valid, refused }
    }

    fn keys(&self, words: &str, input: &str) -> Output {
        let mut command = aimux(&self.gateway.home());
        let config = self.gateway.home().join("aimux.yaml");
        feed(command.arg("keys").args(words.split_whitespace()).arg("--config").arg(config), input)
    }

    /// Rotates to a key that the provider has just made; gives what the command says.
    fn rotate(&self, number: usize) -> Value {
        self.valid.lock().unwrap().insert(key(number));
        let output = self.keys("rotate mine --json", &key(number));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn revoke(&self, number: usize) {
        assert!(self.valid.lock().unwrap().remove(&key(number)));
    }

    /// Whether a request is answered wholly.
    fn assert_answered(&self, is_stream: bool) {
        let reply = self.gateway.call("POST", "/v1/messages", body(is_stream).to_string().as_bytes());
        let is_whole = if is_stream { reply.text().contains("message_stop") } else { reply.json()["content"].is_array() };
        assert!(reply.status == 200 && reply.is_complete && is_whole, "{}: {}", reply.status, reply.text());
    }

    /// The key of the last request for an answer.
    fn last_key(&self) -> String {
        self.assert_answered(false);
        let seen = self.upstream.seen();
        seen.iter().rev().find(|seen| seen.method == "POST").unwrap().header("x-api-key").unwrap().to_owned()
    }
}

fn feed(command: &mut std::process::Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn body(is_stream: bool) -> Value {
    json!({"model": "claude-x", "max_tokens": 9, "stream": is_stream, "messages": [{"role": "user", "content": "hi"}]})
}

#[test]
fn twenty_rotations_under_load_lose_no_request_though_each_former_key_is_revoked_at_once() {
    const ROTATIONS: usize = 20;
    let stage = Stage::new(Duration::from_millis(20));
    let (is_over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for client in 0..4 {
            let (stage, is_over, asked) = (&stage, &is_over, &asked);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    stage.assert_answered((asked.fetch_add(1, Ordering::Relaxed) + client) % 2 == 0);
                }
            });
        }
        let rotated = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for number in 1..=ROTATIONS {
                let said = stage.rotate(number);
                assert_eq!((&said["server"], &said["drained"]), (&json!("told"), &json!(true)), "{said}");
                assert_eq!(said["probed"], json!([{ "provider": "up", "result": "good" }]));
                // The command says that nobody uses it any more: so nobody misses it.
                stage.revoke(number - 1);
            }
        }));
        is_over.store(true, Ordering::Relaxed);
        rotated.unwrap();
    });
    assert_eq!(stage.refused.load(Ordering::Relaxed), 0, "the provider refused a key");
    assert!(asked.load(Ordering::Relaxed) > ROTATIONS, "hardly any load");
    assert_eq!(stage.last_key(), key(ROTATIONS));
    let log = String::from_utf8(stage.keys("audit list --json --last 1000", "").stdout).unwrap();
    assert_eq!(log.matches("\"key.rotated\"").count(), ROTATIONS, "{log}");
    assert!(!log.contains("sk-rotated"), "a key is in the log");
}

#[test]
fn a_stream_ends_with_the_key_that_it_began_with_and_the_command_waits_for_it() {
    let stage = Stage::new(Duration::from_millis(1_500));
    let mut stream = stage.gateway.send("POST", "/v1/messages", body(true).to_string().as_bytes());
    assert_eq!(stream.status, 200);
    assert!(stream.piece().is_some());
    let started = Instant::now();
    let said = stage.rotate(1);
    assert_eq!(said["drained"], true, "{said}");
    assert!(started.elapsed() > Duration::from_millis(500), "it has not waited");
    let seen = stage.upstream.seen();
    let streamed = seen.iter().find(|seen| seen.is_stream()).unwrap();
    assert_eq!((streamed.header("x-api-key"), streamed.outcome), (Some(key(0).as_str()), Outcome::Done));
    let rest = stream.whole();
    assert!(rest.is_complete && rest.text().contains("message_stop"), "{}", rest.text());
    assert_eq!(stage.last_key(), key(1));
}

#[test]
fn a_key_that_the_provider_refuses_changes_nothing_for_the_server() {
    let stage = Stage::new(Duration::ZERO);
    let output = stage.keys("rotate mine", &key(7));
    assert_eq!(output.status.code(), Some(77), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((stage.last_key(), stage.refused.load(Ordering::Relaxed)), (key(0), 1));
}

#[test]
fn a_server_that_refuses_makes_the_rotation_undone() {
    let stage = Stage::new(Duration::ZERO);
    let path = stage.gateway.home().join("aimux.yaml");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, good.replace("anthropic", "nonsense")).unwrap();
    let output = stage.keys("rotate mine --no-probe", &key(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("the running server does not take the new key: the config has 1 error\n"), "{said}");
    assert_eq!(stage.last_key(), key(0));
    std::fs::write(&path, good).unwrap();
    // The disk has the former key, too: rotating to it is refused.
    let output = stage.keys("rotate mine", &key(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("in use already"));
    let list: Value = serde_json::from_slice(&stage.keys("list --json", "").stdout).unwrap();
    assert_eq!(list["retired"], json!([]));
}

#[test]
fn a_new_identity_is_no_matter_for_the_server_and_its_next_rotation() {
    let stage = Stage::new(Duration::ZERO);
    assert!(stage.keys("rotate --identity", "").status.success());
    assert_eq!(stage.last_key(), key(0));
    stage.rotate(1);
    assert_eq!(stage.last_key(), key(1));
}

/// The server's reload, asked for as the command line does.
fn reload(stage: &Stage) -> Output {
    let config = stage.gateway.home().join("aimux.yaml");
    aimux(&stage.gateway.home()).args(["config", "reload", "--config"]).arg(config).output().unwrap()
}

#[test]
fn a_running_server_is_handed_the_passphrase_of_a_new_identity() {
    const PASSPHRASE: &str = "correct horse battery staple";
    let stage = Stage::new(Duration::ZERO);
    let output = stage.keys("rotate --identity --passphrase", PASSPHRASE);
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("the running server was handed the passphrase, and has opened it"), "{said}");
    // Nobody types it again: the server reads the next key by itself.
    assert!(stage.keys("add mine --force", &key(1)).status.success());
    stage.valid.lock().unwrap().insert(key(1));
    let reloaded = reload(&stage);
    assert!(reloaded.status.success(), "{}", String::from_utf8_lossy(&reloaded.stderr));
    assert_eq!(stage.last_key(), key(1));
    let log = stage.gateway.log();
    let audit = std::fs::read_to_string(stage.gateway.home().join(".local/state/aimux/audit.jsonl")).unwrap();
    assert!(log.contains("the identity was opened by command") && !(log + &audit + &said).contains(PASSPHRASE));
}

#[test]
fn a_server_that_was_not_handed_the_passphrase_gets_it_at_a_terminal() {
    let stage = Stage::new(Duration::ZERO);
    let home = stage.gateway.home();
    let elsewhere = home.join("run");
    // A command that finds no server, as it is for the server of another config.
    let mut command = aimux(&home);
    let rotated =
        feed(command.args(["keys", "rotate", "--identity", "--passphrase", "--json"]).env("XDG_RUNTIME_DIR", &elsewhere), "correct horse");
    let told: Value = serde_json::from_slice(&rotated.stdout).unwrap();
    assert_eq!((&told["server"], &told["protected"]), (&json!("none"), &json!(true)));
    assert!(stage.keys("add mine --force", &key(1)).status.success());
    stage.valid.lock().unwrap().insert(key(1));
    let refused = reload(&stage);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(74) && said.contains("error[AIMUX-E0605]: the identity is protected"), "{said}");
    assert_eq!(stage.last_key(), key(0));
    let config = home.join("aimux.yaml").display().to_string();
    let ask = "Passphrase of the identity";
    let mut command = aimux(&home);
    command.args(["config", "reload", "--config", &config]);
    let said = crate::run::typed(command, &[(ask, "wrong")], 78);
    assert!(said.contains("the passphrase does not open the identity"), "{said}");
    let mut command = aimux(&home);
    command.args(["config", "reload", "--config", &config]);
    let said = crate::run::typed(command, &[(ask, "correct horse")], 0);
    assert!(said.contains("reloaded: 1 change") && !said.contains("horse"), "{said}");
    assert_eq!(stage.last_key(), key(1));
}

#[test]
fn a_rotation_hands_over_the_passphrase_that_it_was_typed() {
    let stage = Stage::new(Duration::ZERO);
    let home = stage.gateway.home();
    let mut command = aimux(&home);
    let rotated =
        feed(command.args(["keys", "rotate", "--identity", "--passphrase"]).env("XDG_RUNTIME_DIR", home.join("run")), "correct horse");
    assert!(rotated.status.success());
    stage.valid.lock().unwrap().insert(key(1));
    let mut command = aimux(&home);
    command.args(["keys", "rotate", "mine", "--config"]).arg(home.join("aimux.yaml"));
    let said = crate::run::typed(command, &[("New key for mine", &key(1)), ("Passphrase of the identity", "correct horse")], 0);
    assert!(said.contains("the running server uses it"), "{said}");
    assert_eq!(stage.last_key(), key(1));
}
