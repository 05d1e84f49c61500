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
fn a_second_signal_does_not_wait_for_running_streams() {
    use rustix::process::{Pid, Signal, kill_process};
    for (second, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let upstream = Upstream::start(|seen, _| {
            Speaks::Anthropic.answer(seen, &[text("before the stop, and long after it")]).pause(4, Duration::from_secs(20))
        });
        let mut gateway = Gateway::before(Speaks::Anthropic, &upstream);
        let body = json!({"model": "claude-x", "max_tokens": 9, "stream": true, "messages": []}).to_string();
        let mut reply = gateway.send("POST", "/v1/messages", body.as_bytes());
        assert!(reply.piece().is_some());
        let pid = Pid::from_raw(i32::try_from(gateway.pid()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        until("it drains", Duration::from_secs(5), || gateway.log().contains("draining"));
        kill_process(pid, second).unwrap();
        assert_eq!(gateway.wait(Duration::from_secs(3)).code(), Some(code));
    }
}

#[test]
fn the_address_may_be_ipv6_and_its_port_any() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("aimux.yaml"), "version: 1\nproviders: { ollama: {} }\n").unwrap();
    let mut server = Started::serve(home.path(), &["--config", "aimux.yaml", "--listen", "[::1]:0"]);
    let line = server.line();
    let address = line.trim().strip_prefix("aimux is ready on http://").unwrap_or_else(|| panic!("{line}")).to_owned();
    assert!(address.starts_with("[::1]:") && !address.ends_with(":0"), "{address}");
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    std::io::Write::write_all(&mut stream, format!("GET /livez HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_second_server_is_told_of_the_first() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("aimux.yaml"), "version: 1\nproviders: { ollama: {} }\n").unwrap();
    let mut server = Started::serve(home.path(), &["--config", "aimux.yaml", "--listen", "127.0.0.1:0"]);
    let address = server.line().trim().rsplit('/').next().unwrap().to_owned();
    for listen in [address.as_str(), "127.0.0.1:0"] {
        let mut command = aimux(home.path());
        command.current_dir(home.path()).args(["serve", "--config", "aimux.yaml", "--listen", listen]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(69), "{said}");
        assert!(said.contains(&server.0.id().to_string()) && said.contains("AIMUX-E0105") && said.contains("= help: "), "{said}");
    }
}

#[test]
fn a_server_goes_on_when_nobody_reads_what_it_prints() {
    let home = tempfile::tempdir().unwrap();
    let mut server = Started::serve(home.path(), &["--demo", "--listen", "127.0.0.1:0"]);
    let address = server.line().trim().rsplit('/').next().unwrap().to_owned();
    drop(server.0.stdout.take());
    until("it answers", Duration::from_secs(5), || std::net::TcpStream::connect(&address).is_ok());
    assert!(server.0.try_wait().unwrap().is_none(), "it has ended");
}

#[test]
fn the_log_is_a_json_object_a_line_where_that_is_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log");
    let mut command = aimux(home.path());
    command.args(["serve", "--demo", "--listen", "127.0.0.1:0"]).env("AIMUX_LOG_FORMAT", "json").stdout(Stdio::piped());
    let mut server = Started(command.stderr(std::fs::File::create(&path).unwrap()).spawn().unwrap());
    let port = server.line().trim().rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(crate::http::send(port, "POST", "/v1/messages", &[], b"{}").whole().status, 401);
    let lines = || std::fs::read_to_string(&path).unwrap();
    until("the request is logged", Duration::from_secs(5), || lines().contains("401"));
    for line in lines().lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(event["timestamp"].is_string() && event["level"].is_string(), "{line}");
    }
}

/// A server that is killed when dropped.
struct Started(std::process::Child);

impl Started {
    fn serve(home: &std::path::Path, args: &[&str]) -> Self {
        let mut command = aimux(home);
        command.current_dir(home).arg("serve").args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// The first line that it prints.
    fn line(&mut self) -> String {
        let mut line = Vec::new();
        let out = self.0.stdout.as_mut().unwrap();
        let mut byte = [0];
        while out.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
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
