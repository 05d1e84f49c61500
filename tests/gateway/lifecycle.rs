//! Start, stop, and what is in the way of either.

use std::io::Read;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::gateway::{Gateway, TOKEN, aimux, config, until};
use crate::replies::{Speaks, text};
use crate::upstream::Upstream;

fn serve(config: &str, more: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("aimux.yaml");
    std::fs::write(&path, config).unwrap();
    aimux(home.path()).args(["serve", "--config", path.to_str().unwrap()]).args(more).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn a_config_with_mistakes_never_binds_and_exits_78() {
    let output =
        serve("version: 1\nserver: { listen: \"127.0.0.1:0\" }\nproviders:\n  x: { dialekt: anthropic }\nmodels:\n  a: [nowhere/b]\n", &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{stderr}");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(stderr.contains("dialekt") && stderr.contains("nowhere"), "every mistake at once: {stderr}");
}

#[test]
fn a_missing_key_stops_the_start() {
    let output = serve("version: 1\nserver: { listen: \"127.0.0.1:0\" }\nproviders:\n  anthropic: { key: absent }\n", &[]);
    assert_eq!(output.status.code(), Some(78), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("absent"));
}

#[test]
fn nothing_to_serve_is_said_with_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let output = aimux(home.path()).args(["serve"]).stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{stderr}");
    assert!(stderr.contains("AIMUX-E0103") && stderr.contains("--demo"), "{stderr}");
}

#[test]
fn a_config_that_others_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("aimux.yaml");
    std::fs::write(&path, "version: 1\nproviders: { anthropic: { key: { env: UPSTREAM_KEY } } }\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let output = aimux(home.path()).args(["serve", "--listen", "127.0.0.1:0", "--config", path.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(78), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_busy_port_names_its_owner() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let output = serve("version: 1\nproviders: { anthropic: { key: { env: UPSTREAM_KEY } } }\n", &["--listen", &address]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{stderr}");
    assert!(stderr.contains("AIMUX-E0105") && stderr.contains(&std::process::id().to_string()), "{stderr}");
}

#[test]
fn a_stop_lets_running_streams_end() {
    let upstream = Upstream::start(|seen, _| {
        Speaks::Anthropic.answer(seen, &[text("before the stop, and after the stop")]).pause(4, Duration::from_secs(2))
    });
    // Streams get longer than `drain_s`.
    let mut gateway = Gateway::start(&config(&[(Speaks::Anthropic, &upstream)], "\"*\": [up0/m]", "limits: { drain_s: 1 }"));
    let body = json!({"model": "claude-x", "max_tokens": 9, "stream": true, "messages": []}).to_string();
    let mut reply = gateway.send("POST", "/v1/messages", body.as_bytes());
    assert!(reply.piece().is_some());
    gateway.terminate();
    let port = gateway.port;
    until("new connections are refused", Duration::from_secs(1), || {
        let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else { return true };
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        matches!(stream.read(&mut [0]), Ok(0))
    });
    let whole = reply.whole();
    assert!(whole.is_complete && whole.text().contains("message_stop"), "{}", whole.text());
    assert_eq!(gateway.wait(Duration::from_secs(3)).code(), Some(0));
}

#[test]
fn an_idle_server_stops_at_once() {
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine")]));
    let mut gateway = Gateway::before(Speaks::Chat, &upstream);
    assert_eq!(
        gateway.messages(&json!({"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]})).status,
        200
    );
    gateway.terminate();
    assert_eq!(gateway.wait(Duration::from_secs(2)).code(), Some(0));
}

#[test]
fn the_demo_answers_without_a_key() {
    use crate::http;
    let gateway = Gateway::demo();
    let line = |name: &str| {
        let mut lines = gateway.greeting.iter().filter_map(|line| line.strip_prefix("export ")?.strip_prefix(name)?.strip_prefix('='));
        lines.next_back().unwrap_or_else(|| panic!("no {name} in {:?}", gateway.greeting)).trim_matches('\'').to_owned()
    };
    assert_eq!(line("ANTHROPIC_BASE_URL"), gateway.url());
    let token = format!("Bearer {}", line("ANTHROPIC_AUTH_TOKEN"));
    let ask = |path: &str, is_stream: bool| {
        let body =
            json!({"model": "claude-demo", "max_tokens": 100, "stream": is_stream, "messages": [{"role": "user", "content": "hello"}]});
        http::send(gateway.port, "POST", path, &[("authorization", &token)], body.to_string().as_bytes()).whole()
    };
    let whole = ask("/v1/messages", false).json();
    assert!(whole["content"][0]["text"].as_str().is_some_and(|text| !text.is_empty()), "{whole}");
    assert_eq!(ask("/v1/messages", true).events().last().unwrap().name, "message_stop");
    assert!(ask("/v1/chat/completions", false).json()["choices"][0]["message"]["content"].is_string());
    assert_eq!(ask("/v1/chat/completions", true).events().last().unwrap().data, "[DONE]");
}

#[test]
fn env_prints_what_a_client_needs() {
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine")]));
    let gateway = Gateway::start(&config(&[(Speaks::Chat, &upstream)], "\"*\": [up0/m]", ""));
    let path = gateway.home().join("aimux.yaml");
    let output = aimux(&gateway.home()).args(["env", "--config", path.to_str().unwrap()]).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains(&format!("export ANTHROPIC_BASE_URL={}\n", gateway.url())), "the running server's address: {stdout}");
    assert!(stdout.contains(&format!("export ANTHROPIC_AUTH_TOKEN={TOKEN}\n")), "{stdout}");
}
