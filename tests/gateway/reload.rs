//! A new config or key under a running server: by command, by signal, by a file that changes; under load; and refused.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aimux::config::LoadError;
use aimux::error::Code;
use aimux::server::control;
use aimux::server::reload::Reloaded;
use serde_json::{Value, json};

use crate::gateway::{Gateway, TOKEN, aimux, config, until};
use crate::http::{self, Reply};
use crate::replies::{Speaks, text};
use crate::upstream::{Seen, Upstream};

/// A running server whose files are changed under it.
struct Running {
    gateway: Gateway,
}

impl Running {
    fn new(config: &str) -> Self {
        Self { gateway: Gateway::start(config) }
    }

    fn path(&self) -> PathBuf {
        self.gateway.home().join("aimux.yaml")
    }

    fn write(&self, config: &str) {
        std::fs::write(self.path(), config).unwrap();
    }

    /// As editors do: a new file, renamed over the old one.
    fn replace(&self, config: &str) {
        let beside = self.gateway.home().join(".aimux.yaml.swp");
        std::fs::write(&beside, config).unwrap();
        std::fs::rename(beside, self.path()).unwrap();
    }

    fn ask(&self, drain: Duration) -> Result<Option<Reloaded>, LoadError> {
        let runtime = self.gateway.home().join(".local/state/aimux/run");
        control::reload(&control::socket_path(&runtime, &self.path()), drain)
    }

    fn reload(&self) -> Reloaded {
        self.ask(Duration::ZERO).unwrap().unwrap()
    }

    fn refused(&self) -> LoadError {
        self.ask(Duration::ZERO).unwrap_err()
    }

    fn command(&self, args: &[&str]) -> Output {
        aimux(&self.gateway.home()).args(args).args(["--config", self.path().to_str().unwrap()]).stdin(Stdio::null()).output().unwrap()
    }

    fn hang_up(&self) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.gateway.pid()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    }

    /// Who answers a request now.
    fn provider(&self) -> String {
        let reply = self.gateway.messages(&body(false));
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.header("x-aimux-provider").unwrap().to_owned()
    }

    /// The entries of the audit log about reloads.
    fn audit(&self) -> Vec<Value> {
        let output = self.command(&["keys", "audit", "list", "--json", "--last", "1000"]);
        let lines = String::from_utf8(output.stdout).unwrap();
        let entries = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        entries.filter(|entry| entry["action"] == "config.reloaded").collect()
    }

    fn stream(&self) -> Reply {
        let mut reply = self.gateway.send("POST", "/v1/messages", body(true).to_string().as_bytes());
        assert_eq!(reply.status, 200);
        assert!(reply.piece().is_some());
        reply
    }
}

fn body(is_stream: bool) -> Value {
    json!({"model": "claude-x", "max_tokens": 9, "stream": is_stream, "messages": [{"role": "user", "content": "hi"}]})
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn answering() -> Upstream {
    Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[text("one two three four")]))
}

/// A stream that stays in its middle for so long.
fn pausing(pause: Duration) -> Upstream {
    Upstream::start(move |seen, _| {
        let answer = Speaks::Anthropic.answer(seen, &[text("one two three four")]);
        if seen.is_stream() { answer.pause(4, pause) } else { answer }
    })
}

/// Two providers, every model at the one with that number; the files are not watched.
fn unwatched(upstreams: [&Upstream; 2], chosen: usize, extra: &str) -> String {
    watched(upstreams, chosen, extra).replacen("server: {", "server: { watch: false,", 1)
}

fn watched(upstreams: [&Upstream; 2], chosen: usize, extra: &str) -> String {
    config(&upstreams.map(|upstream| (Speaks::Anthropic, upstream)), &format!("\"*\": [up{chosen}/m]"), extra)
}

const SOON: Duration = Duration::from_secs(15);

#[test]
fn fifty_reloads_and_as_many_bad_configs_under_load_lose_no_request() {
    let one = pausing(Duration::from_millis(20));
    let two = answering();
    let both = [&one, &two];
    let running = Running::new(&unwatched(both, 0, ""));
    let (is_over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let (running, is_over, asked) = (&running, &is_over, &asked);
                scope.spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        let is_stream = (asked.fetch_add(1, Ordering::Relaxed) + client) % 2 == 0;
                        let reply = running.gateway.call("POST", "/v1/messages", body(is_stream).to_string().as_bytes());
                        let is_whole = if is_stream { reply.text().contains("message_stop") } else { reply.json()["content"].is_array() };
                        assert!(reply.status == 200 && reply.is_complete && is_whole, "{}: {}", reply.status, reply.text());
                    }
                })
            })
            .collect();
        for round in 1..=50 {
            running.write(&unwatched(both, round % 2, &format!("limits: {{ requests_in_flight: {} }}", 8 + round % 3 * 100)));
            assert_eq!(running.reload().generation, round as u64);
            running.write("version: 1\nproviders: { x: { dialekt: anthropic } }\n");
            assert!(matches!(running.refused(), LoadError::Invalid { errors: 1.., .. }));
            assert!(clients.iter().all(|client| !client.is_finished()), "a client has failed in round {round}");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let asked = asked.into_inner();
    assert!(asked > 100, "only {asked} requests");
    let answered = one.seen().len() + two.seen().len();
    assert_eq!(answered, asked, "each was sent once");
    assert!(one.seen().len() > 10 && two.seen().len() > 10);
    assert_eq!(running.audit().len(), 50);
    assert_eq!(running.command(&["keys", "audit", "verify"]).status.code(), Some(0));
}

#[test]
fn a_command_reloads_and_tells_what_has_changed() {
    let (one, two) = (answering(), answering());
    let running = Running::new(&unwatched([&one, &two], 0, ""));
    assert_eq!(running.provider(), "up0");
    let nothing = running.command(&["config", "reload"]);
    assert_eq!((nothing.status.code(), said(&nothing).as_str()), (Some(0), "nothing has changed\n"));
    running.write(&unwatched([&one, &two], 1, "limits: { body_mb: 64 }"));
    let reloaded = running.command(&["config", "reload"]);
    assert_eq!(reloaded.status.code(), Some(0), "{}", said(&reloaded));
    assert_eq!(said(&reloaded), "reloaded: 2 changes\n  limits.body_mb: not given -> 64\n  models.\"*\"[0]: up0/m -> up1/m\n");
    assert_eq!(running.provider(), "up1");
    running.write(&unwatched([&one, &two], 1, ""));
    let json: Value = serde_json::from_slice(&running.command(&["config", "reload", "--json", "--drain", "9"]).stdout).unwrap();
    assert_eq!(json["changes"], json!([{"field": "limits.body_mb", "old": "64", "new": null}]));
    assert_eq!((&json["drained"], &json["generation"]), (&json!(true), &json!(2)));
    let told = running.audit();
    assert_eq!((told.len(), &told[0]["note"], told[0]["changes"].as_array().unwrap().len()), (2, &json!("by command"), 2));
    assert_eq!(told[0]["subject"], running.path().to_str().unwrap());
}

#[test]
fn a_bad_config_is_refused_with_every_mistake_and_the_last_good_one_goes_on() {
    let (one, two) = (answering(), answering());
    let running = Running::new(&unwatched([&one, &two], 0, ""));
    running.write(&(unwatched([&one, &two], 1, "limits: { body_mb: 0 }") + "typo: 1\n"));
    let refused = running.command(&["config", "reload"]);
    assert_eq!(refused.status.code(), Some(78));
    let told = said(&refused);
    assert!(told.contains("limits.body_mb") && told.contains("typo") && told.contains("aimux.yaml:"), "{told}");
    assert_eq!(running.provider(), "up0");
    let log = running.gateway.log();
    assert!(log.contains("the last good one goes on") && log.contains("body_mb") && log.contains("typo"), "{log}");
    assert!(running.audit().is_empty());
    // A file that is not there, a key that is not there, a file that everybody may write.
    std::fs::remove_file(running.path()).unwrap();
    assert!(matches!(running.refused(), LoadError::Other(error) if error.code == Code::ConfigUnreadable));
    running.write(&unwatched([&one, &two], 1, "").replace("{ env: UPSTREAM_KEY }", "absent"));
    assert!(matches!(running.refused(), LoadError::Invalid { .. }));
    running.write(&unwatched([&one, &two], 1, ""));
    std::fs::set_permissions(running.path(), std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    assert!(matches!(running.refused(), LoadError::Other(error) if error.message.contains("everybody")));
    assert_eq!(running.provider(), "up0");
    std::fs::set_permissions(running.path(), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    running.reload();
    assert_eq!(running.provider(), "up1");
}

#[test]
fn a_hangup_reloads() {
    let (one, two) = (answering(), answering());
    let running = Running::new(&unwatched([&one, &two], 0, ""));
    running.write(&unwatched([&one, &two], 1, ""));
    running.hang_up();
    until("the config is taken on", SOON, || running.provider() == "up1");
    running.write("version: 7\n");
    running.hang_up();
    until("it is refused", SOON, || running.gateway.log().contains("the last good one goes on"));
    assert_eq!(running.provider(), "up1");
    assert_eq!(running.audit()[0]["note"], "by signal");
}

#[test]
fn a_file_that_is_written_or_renamed_over_is_taken_on_by_itself_and_only_once() {
    let (one, two) = (answering(), answering());
    let running = Running::new(&watched([&one, &two], 0, ""));
    running.write(&watched([&one, &two], 1, ""));
    until("the written one is taken on", SOON, || running.provider() == "up1");
    running.replace(&watched([&one, &two], 0, ""));
    until("the renamed one is taken on", SOON, || running.provider() == "up0");
    // A bad one is refused, once.
    running.replace("version: 1\n");
    until("it is refused", SOON, || running.gateway.log().contains("the last good one goes on"));
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(running.gateway.log().matches("the last good one goes on").count(), 1);
    assert_eq!((running.provider().as_str(), running.audit().len()), ("up0", 2));
    // Without the watch nothing happens by itself, and a command turns it on again.
    running.replace(&unwatched([&one, &two], 0, ""));
    until("the watch is off", SOON, || running.audit().len() == 3);
    running.replace(&watched([&one, &two], 1, ""));
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(running.provider(), "up0");
    running.reload();
    assert_eq!(running.provider(), "up1");
}

#[test]
fn a_file_that_is_being_written_is_waited_for() {
    let (one, two) = (answering(), answering());
    let running = Running::new(&watched([&one, &two], 0, ""));
    let new = watched([&one, &two], 1, "limits: { body_mb: 64 }");
    // Cut where the rest is a sound config without a word of `models`: taken on, it would serve nothing.
    let cut = new.find("models:").unwrap();
    for end in (cut..new.len()).step_by(8) {
        running.write(&new[..end]);
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(running.gateway.messages(&body(false)).status, 200);
    }
    running.write(&new);
    until("the whole file is taken on", SOON, || running.provider() == "up1");
    assert_eq!(running.audit().len(), 1, "none of the pieces was");
    // One that stays half is refused, where it is no config, until the rest comes.
    running.write(&new[..new.len() / 4]);
    until("half a file is refused", SOON, || running.gateway.log().contains("the last good one goes on"));
    assert_eq!(running.provider(), "up1");
    running.write(&watched([&one, &two], 0, ""));
    until("the rest is taken on", SOON, || running.provider() == "up0");
}

#[test]
fn reloads_at_once_take_turns() {
    let (one, two) = (answering(), answering());
    let running = Running::new(&unwatched([&one, &two], 0, ""));
    running.write(&unwatched([&one, &two], 1, ""));
    let reloaded: Vec<Reloaded> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8).map(|_| scope.spawn(|| running.reload())).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert!(reloaded.iter().all(|reloaded| reloaded.generation == 1));
    assert_eq!(reloaded.iter().filter(|reloaded| !reloaded.changes.is_empty()).count(), 1, "one of them has exchanged it");
    assert_eq!(running.audit().len(), 1);
}

fn add_key(home: &std::path::Path, args: &[&str], key: &str) {
    use std::io::Write;
    let mut child = aimux(home).args(["keys", "add"]).args(args).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(key.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// The keys that an upstream was sent, in order.
fn keys_seen(upstream: &Upstream) -> Vec<String> {
    let key = |seen: &Seen| seen.header("x-api-key").or(seen.header("authorization")).unwrap_or_default().replace("Bearer ", "");
    upstream.seen().iter().map(key).collect()
}

#[test]
fn a_replaced_key_is_used_at_once_and_the_drain_waits_for_the_streams_on_the_old_one() {
    let upstream = pausing(Duration::from_secs(4));
    let home = tempfile::tempdir().unwrap();
    add_key(home.path(), &["mine"], "sk-old-key-0123456789");
    let text = unwatched([&upstream, &upstream], 0, "").replace("{ env: UPSTREAM_KEY }", "mine");
    let running = Running { gateway: Gateway::start_in(home, &text, &[]) };
    let stream = running.stream();
    add_key(&running.gateway.home(), &["mine", "--force"], "sk-new-key-0123456789");
    let reloaded = running.reload();
    assert_eq!(reloaded.changes.iter().map(|change| change.field.as_str()).collect::<Vec<_>>(), ["key \"mine\""]);
    assert!(!reloaded.drained);
    assert_eq!(running.provider(), "up0");
    assert_eq!(keys_seen(&upstream), ["sk-old-key-0123456789", "sk-new-key-0123456789"]);
    let early = running.ask(Duration::from_secs(1)).unwrap().unwrap();
    assert!(early.changes.is_empty() && !early.drained, "the stream still runs");
    let drained = running.ask(Duration::from_secs(20)).unwrap().unwrap();
    assert!(drained.drained);
    let whole = stream.whole();
    assert!(whole.is_complete && whole.text().contains("message_stop"), "{}", whole.text());
    let told = running.audit();
    assert_eq!(told.len(), 1);
    let everything = format!("{told:?}{}", running.gateway.log());
    assert!(!everything.contains("sk-old-key") && !everything.contains("sk-new-key"));
}

#[test]
fn a_replaced_key_file_is_taken_on_by_itself() {
    let upstream = answering();
    let home = tempfile::tempdir().unwrap();
    add_key(home.path(), &["mine"], "sk-old-key-0123456789");
    let text = watched([&upstream, &upstream], 0, "").replace("{ env: UPSTREAM_KEY }", "mine");
    let running = Running { gateway: Gateway::start_in(home, &text, &[]) };
    running.provider();
    add_key(&running.gateway.home(), &["mine", "--force"], "sk-new-key-0123456789");
    until("the new key is used", SOON, || {
        running.provider();
        keys_seen(&upstream).contains(&"sk-new-key-0123456789".to_owned())
    });
}

#[test]
fn a_protected_identity_is_not_asked_for_again() {
    use std::io::{BufRead, Write};
    let upstream = answering();
    let home = tempfile::tempdir().unwrap();
    let with_input = |args: &[&str], input: &str| {
        let mut child = aimux(home.path()).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child
    };
    assert!(with_input(&["keys", "init", "--passphrase"], "correct horse").wait().unwrap().success());
    add_key(home.path(), &["mine"], "sk-old-key-0123456789");
    let path = home.path().join("aimux.yaml");
    std::fs::write(&path, unwatched([&upstream, &upstream], 0, "").replace("{ env: UPSTREAM_KEY }", "mine")).unwrap();
    let mut server = with_input(&["serve", "--passphrase-stdin", "--config", path.to_str().unwrap()], "correct horse");
    let mut line = String::new();
    std::io::BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().rsplit(':').next().unwrap().parse().unwrap();
    add_key(home.path(), &["mine", "--force"], "sk-new-key-0123456789");
    let socket = control::socket_path(&home.path().join(".local/state/aimux/run"), &path);
    let reloaded = control::reload(&socket, Duration::ZERO).unwrap().unwrap();
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(http::send(port, "POST", "/v1/messages", &headers, body(false).to_string().as_bytes()).whole().status, 200);
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(reloaded.changes.len(), 1);
    assert_eq!(keys_seen(&upstream), ["sk-new-key-0123456789"]);
}

#[test]
fn a_new_client_token_is_taken_on_and_the_old_one_no_longer() {
    let upstream = answering();
    let text = unwatched([&upstream, &upstream], 0, "").replace(", token: { env: AIMUX_CLIENT_TOKEN }", "");
    let running = Running::new(&text);
    let file = running.gateway.home().join(".local/state/aimux/client-token");
    let status = |token: &str| {
        let bearer = format!("Bearer {token}");
        http::send(running.gateway.port, "GET", "/v1/models", &[("authorization", &bearer)], b"").whole().status
    };
    let old = std::fs::read_to_string(&file).unwrap();
    assert_eq!((status(&old), status("aimux-another")), (200, 401));
    std::fs::write(&file, "aimux-another").unwrap();
    assert_eq!(running.reload().changes[0].field, "the client token");
    assert_eq!((status(&old), status("aimux-another")), (401, 200));
}

#[test]
fn the_address_stays_until_a_restart_and_that_is_said() {
    let (one, two) = (answering(), answering());
    let running = Running::new(&unwatched([&one, &two], 0, ""));
    running.write(&unwatched([&one, &two], 1, "").replace("127.0.0.1:0", "127.0.0.1:9"));
    let told = said(&running.command(&["config", "reload"]));
    assert!(told.contains("server.listen is 127.0.0.1:9 now; the server listens on 127.0.0.1:0 until it is restarted"), "{told}");
    assert_eq!(running.provider(), "up1");
}

#[test]
fn limits_grow_and_shrink_under_requests_that_hold_their_places() {
    let upstream = pausing(Duration::from_secs(3));
    let with = |places: usize| {
        let limits = format!("limits: {{ requests_in_flight: {places}, queue_wait_s: 0 }}");
        unwatched([&upstream, &upstream], 0, &limits)
    };
    let running = Running::new(&with(1));
    let is_let_in = || running.gateway.messages(&body(false)).status == 200;
    let first = running.stream();
    assert!(!is_let_in());
    running.write(&with(2));
    running.reload();
    let second = running.stream();
    assert!(!is_let_in());
    running.write(&with(1));
    running.reload();
    first.whole();
    assert!(second.whole().is_complete);
    until("both places are given back", SOON, is_let_in);
    let third = running.stream();
    assert!(!is_let_in(), "one place is left of two");
    third.whole();
}

#[test]
fn what_cannot_be_recorded_is_not_taken_on_and_requests_go_on() {
    let (one, two) = (answering(), answering());
    let running = Running::new(&unwatched([&one, &two], 0, ""));
    running.write(&unwatched([&one, &two], 1, ""));
    let log = running.gateway.home().join(".local/state/aimux/audit.jsonl");
    std::fs::write(&log, "forged\n").unwrap();
    let refused = running.command(&["config", "reload"]);
    assert_eq!(refused.status.code(), Some(74), "{}", said(&refused));
    assert!(said(&refused).contains("AIMUX-E0603"), "{}", said(&refused));
    assert_eq!(running.provider(), "up0");
    std::fs::remove_file(&log).unwrap();
    running.reload();
    assert_eq!(running.provider(), "up1");
}

#[test]
fn a_server_without_a_config_takes_on_the_one_that_appears_and_does_not_go_back() {
    let upstream = answering();
    let gateway = Gateway::without_config(tempfile::tempdir().unwrap(), &[("ZAI_API_KEY", std::path::Path::new("sk-zai-0123456789"))]);
    let command = |args: &[&str]| {
        let mut command = aimux(&gateway.home());
        command.env("ZAI_API_KEY", "sk-zai-0123456789").args(args).stdin(Stdio::null()).output().unwrap()
    };
    assert_eq!(command(&["status"]).status.code(), Some(0), "it is found without a config");
    let path = gateway.home().join(".config/aimux/config.yaml");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text = unwatched([&upstream, &upstream], 0, "");
    std::fs::write(&path, "version: 2\n").unwrap();
    let refused = command(&["config", "reload"]);
    assert!(!refused.status.success(), "{}", said(&refused));
    std::fs::write(&path, &text).unwrap();
    let reloaded = command(&["config", "reload"]);
    assert!(reloaded.status.success(), "{}", said(&reloaded));
    assert_eq!(gateway.call("POST", "/v1/messages", body(false).to_string().as_bytes()).status, 200);
    assert_eq!(command(&["status"]).status.code(), Some(0), "and with one");
    std::fs::remove_file(&path).unwrap();
    assert!(!command(&["config", "reload"]).status.success());
    assert_eq!(gateway.call("POST", "/v1/messages", body(false).to_string().as_bytes()).status, 200);
}

#[test]
fn a_server_is_found_by_a_config_that_becomes_a_link_or_is_pointed_elsewhere() {
    let upstream = answering();
    let gateway = Gateway::without_config(tempfile::tempdir().unwrap(), &[("ZAI_API_KEY", std::path::Path::new("sk-zai-0123456789"))]);
    let home = gateway.home();
    let (path, dotfiles) = (home.join(".config/aimux/config.yaml"), home.join("dotfiles"));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    for generation in ["one", "two"] {
        let file = dotfiles.join(generation).join("aimux.yaml");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, unwatched([&upstream, &upstream], 0, &format!("# {generation}"))).unwrap();
        let _ = std::fs::remove_file(&path);
        std::os::unix::fs::symlink(&file, &path).unwrap();
        let reloaded = aimux(&home).args(["config", "reload"]).output().unwrap();
        assert!(reloaded.status.success(), "{generation}: {}", said(&reloaded));
        assert_eq!(gateway.call("POST", "/v1/messages", body(false).to_string().as_bytes()).status, 200, "{generation}");
    }
    // And by a link to the file that it was started with.
    let started = Gateway::start(&unwatched([&upstream, &upstream], 0, ""));
    let link = started.home().join("link.yaml");
    std::os::unix::fs::symlink("aimux.yaml", &link).unwrap();
    let status = aimux(&started.home()).args(["status", "--config"]).arg(&link).output().unwrap();
    assert!(status.status.success() && said(&status).contains(&started.port.to_string()), "{}", said(&status));
    // And the other way round: the one that was started by the link, by its file and by another link.
    let behind = dotfiles.join("two").join("aimux.yaml");
    let other = home.join("other.yaml");
    std::os::unix::fs::symlink(&behind, &other).unwrap();
    for path in [&behind, &other] {
        let status = aimux(&home).args(["status", "--config"]).arg(path).output().unwrap();
        assert!(status.status.success() && said(&status).contains(&gateway.port.to_string()), "{}", said(&status));
    }
    let former = dotfiles.join("one").join("aimux.yaml");
    let status = aimux(&home).args(["status", "--config"]).arg(&former).output().unwrap();
    assert_eq!(status.status.code(), Some(3), "the link leads elsewhere now: {}", said(&status));
}

#[test]
fn without_a_server_and_for_the_demo_there_is_nothing_to_reload() {
    let home = tempfile::tempdir().unwrap();
    let output = aimux(home.path()).args(["config", "reload"]).output().unwrap();
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(3), "no server runs for this config\n"));
    let demo = Gateway::demo();
    let socket = control::demo_socket_path(&demo.home().join(".local/state/aimux/run"));
    assert!(matches!(control::reload(&socket, Duration::ZERO), Err(LoadError::Other(error)) if error.message.contains("demo")));
}
