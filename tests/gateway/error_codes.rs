//! Walks the table of errors: each code is provoked through the program, once in each client's dialect where a client is
//! answered. A code without a row here fails the test, and a row without a code does.
//!
//! Start with [`row`]; its `match` is what the compiler holds to the table. E0901's answer, the 500 after a panic, is tested
//! where it is made, in `server/handler.rs`.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::time::{Duration, Instant};

use aimux::error::Code;
use serde_json::{Value, json};

use crate::gateway::{Gateway, KEY, TOKEN, aimux, until};
use crate::http::{self, Whole};
use crate::replies::{Speaks, text};
use crate::upstream::{Act, Answer, Upstream};

/// How a code is provoked, and what comes of it.
enum Provocation {
    /// A command that fails.
    Command(fn() -> Output),
    /// A request that is refused.
    Request(fn(&Stage, Speaks) -> Told),
}

/// What a refused client was told, and the log.
struct Told {
    reply: Whole,
    log: String,
}

use Provocation::{Command, Request};

/// One row per code.
fn row(code: Code) -> Provocation {
    match code {
        Code::Usage => Command(|| run(&["keys", "add", "zai", "more"])),
        Code::ConfigInvalid => Command(|| serve("version: 1\nproviders: { anthropic: {} }\nmodels: { a: [nowhere/b] }\n")),
        Code::ConfigMissing => Command(|| run(&["serve"])),
        Code::ConfigUnreadable => Command(|| run(&["serve", "--config", "absent.yaml"])),
        Code::AddressInUse => Command(address_in_use),
        Code::CannotBind => Command(|| serve(&format!("{ANY}server: {{ listen: \"192.0.2.1:1\", tls: terminated }}\n"))),
        Code::KeyUnavailable => Command(|| run(&["keys", "remove", "absent"])),
        Code::Permission => Command(|| with_file(".local/state/aimux/client-token", 0o644, &["env", "--shell", "bash"])),
        Code::ClientMissing => Command(client_missing),
        Code::ServiceManager => Command(|| {
            let home = tempfile::tempdir().unwrap();
            aimux(home.path()).env("PATH", home.path()).args(["service", "start"]).output().unwrap()
        }),
        Code::OverBudget => Command(|| {
            let home = tempfile::tempdir().unwrap();
            let mut command = aimux(home.path());
            command.env("ANTHROPIC_API_KEY", KEY).args(["route", "hi", "-m", "claude-opus-4-8", "--max-cost", "0.0001"]);
            command.stdin(std::process::Stdio::null()).output().unwrap()
        }),
        Code::BadRequest => Request(|stage, client| stage.post(client, b"{")),
        Code::UnknownModel => Request(|stage, client| stage.ask(client, "absent")),
        Code::BodyTooLarge => Request(|stage, client| stage.post(client, &vec![b' '; (1 << 20) + 1])),
        Code::TooDeep => Request(|stage, client| stage.post(client, "[".repeat(100).as_bytes())),
        Code::Unsupported => Request(unsupported),
        Code::NoSuchRoute => Request(|stage, client| stage.send("POST", &format!("{}/absent", path(client)), client, &[])),
        Code::MethodNotAllowed => Request(|stage, client| stage.send("DELETE", path(client), client, &[])),
        Code::BodyTimeout => Request(body_timeout),
        Code::HeadersTooLarge => Request(|stage, client| stage.send("POST", path(client), client, &[("x-long", &"x".repeat(9 << 10))])),
        Code::NoneCan => Request(|stage, client| {
            let mut body = question("small/m", false);
            body["tools"] = match client {
                Speaks::Chat => json!([{"type": "function", "function": {"name": "a"}}]),
                Speaks::Anthropic => json!([{"name": "a", "input_schema": {"type": "object"}}]),
            };
            stage.post(client, body.to_string().as_bytes())
        }),
        Code::PromptTooLong => Request(|stage, client| {
            let mut body = question("small/m", false);
            body["messages"][0]["content"] = json!("x".repeat(9000));
            stage.post(client, body.to_string().as_bytes())
        }),
        Code::Unauthorized => Request(|stage, client| stage.send("POST", path(client), client, &[("authorization", "Bearer other")])),
        Code::HostRefused => Request(|stage, client| stage.send("POST", path(client), client, &[("host", "evil.example")])),
        Code::OriginRefused => Request(|stage, client| stage.send("POST", path(client), client, &[("origin", "https://evil.example")])),
        Code::Denied => Request(|stage, client| stage.ask(client, "a/denied")),
        Code::TooManyInFlight => Request(|stage, client| {
            stage.ask(client, "full/healthy");
            stage.ask(client, "full/healthy")
        }),
        Code::UpstreamRejected => Request(|stage, client| stage.ask(client, "a/rejects")),
        Code::UpstreamFailed => Request(|stage, client| stage.ask(client, "nobody/m")),
        Code::UpstreamLimited => Request(|stage, client| stage.ask(client, "b/limits")),
        Code::UpstreamTimeout => Request(|stage, client| stage.ask(client, "a/waits")),
        Code::UpstreamBroken => Request(|stage, client| stage.post(client, question("a/breaks", true).to_string().as_bytes())),
        Code::UpstreamNonsense => Request(|stage, client| stage.ask(client, "a/rambles")),
        Code::UpstreamAuth => Request(|stage, client| stage.ask(client, "c/knows-no-key")),
        Code::UpstreamTls => Request(|stage, client| stage.ask(client, "tls/m")),
        Code::TokenExpired => Request(|stage, client| stage.ask(client, "spent/m")),
        Code::LoginFailed => Command(|| run(&["keys", "login", "openrouter", "--no-browser", "--login-timeout", "1"])),
        Code::KeyStore => Command(|| with_file(".config/aimux/identity.txt", 0o600, &["keys", "init"])),
        Code::StateFolder => Command(|| with_file(".local/state/aimux", 0o600, &["env", "--shell", "bash"])),
        Code::AuditLog => Command(|| with_file(".local/state/aimux/audit.jsonl", 0o600, &["keys", "audit", "verify"])),
        Code::Ledger => Command(|| with_file(".local/state/aimux/ledger.sqlite", 0o600, &["usage"])),
        Code::History => Command(|| with_file(".local/state/aimux/history.sqlite", 0o600, &["logs"])),
        Code::IdentityLocked => Command(identity_locked),
        Code::Overloaded => Request(overloaded),
        Code::Draining => Request(draining),
        Code::ToolServer => Command(|| crate::tools::stopped("exec false", 8)),
        Code::ToolSteps => Command(|| crate::tools::stopped(crate::tools::SERVER, 1)),
        Code::Bug => Command(no_descriptors),
    }
}

/// A provider, for configs that are about something else.
const ANY: &str = "version: 1\nproviders: { anthropic: { key: { env: UPSTREAM_KEY } } }\n";

#[test]
fn every_code_is_provoked_and_told_as_the_table_says() {
    let stage = Stage::new();
    std::thread::scope(|scope| {
        for &code in Code::ALL {
            let stage = &stage;
            match row(code) {
                Command(provoke) => drop(scope.spawn(move || assert_said(code, &provoke()))),
                Request(provoke) => {
                    for client in [Speaks::Anthropic, Speaks::Chat] {
                        scope.spawn(move || assert_told(code, client, &provoke(stage, client)));
                    }
                }
            }
        }
    });
    let page = include_str!("../../docs/error-codes.md");
    for code in Code::ALL {
        assert!(page.contains(&format!("| {code} | ")), "{code} is not in docs/error-codes.md");
    }
}

#[test]
fn a_body_that_breaks_its_dialects_rules_is_the_clients_mistake_and_not_the_targets_lack() {
    let stage = Stage::new();
    for (client, model) in [(Speaks::Anthropic, "a/m"), (Speaks::Chat, "messages/m")] {
        let body = json!({"model": model, "max_tokens": 9, "messages": [{"role": "nobody", "content": "hi"}]}).to_string();
        assert_told(Code::BadRequest, client, &stage.post(client, body.as_bytes()));
    }
}

/// The classes of the error policy: what a code's number says about its exit and its status.
#[test]
fn a_codes_class_fixes_its_exit_and_status() {
    for row in Code::ALL.iter().map(|code| code.row()) {
        let (exits, statuses): (&[u8], &[u16]) = match &row.id[..3] {
            "E01" => (&[64, 69, 77, 78], &[0]),
            "E02" => (&[65], &[400, 404, 405, 408, 413, 431]),
            "E03" => (&[77], &[401, 403, 421]),
            "E04" => (&[75], &[402, 429]),
            "E05" => (&[69, 75, 77], &[400, 401, 429, 502, 504]),
            "E06" => (&[74], &[0]),
            "E07" => (&[75], &[503, 529]),
            "E08" => (&[69, 75], &[0]),
            "E09" => (&[70], &[500]),
            other => panic!("{other} is no class"),
        };
        assert!(exits.contains(&row.exit), "{}: exit {}", row.id, row.exit);
        assert!(statuses.contains(&row.status), "{}: status {}", row.id, row.status);
    }
}

/// The command ended with the code's exit and names it.
fn assert_said(code: Code, output: &Output) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(&format!("error[{code}]: ")), "{code}: {stderr}");
    assert_eq!(output.status.code(), Some(code.row().exit.into()), "{code}: {stderr}");
}

/// The answer has the code, its status in the client's dialect and that dialect's shape; the log has the code; neither the key.
fn assert_told(code: Code, client: Speaks, told: &Told) {
    let Told { reply, log } = told;
    let what = format!("{code} {client:?}: {} {:?} {}\n{log}", reply.status, reply.headers, reply.text());
    assert_eq!(reply.header("x-aimux-error"), Some(code.to_string().as_str()), "{what}");
    let status = if client == Speaks::Chat && code.row().status == 529 { 503 } else { code.row().status };
    assert_eq!(reply.status, status, "{what}");
    let body = reply.json();
    assert!(body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}");
    assert_eq!(body["type"] == "error", client == Speaks::Anthropic, "{what}");
    let id = reply.header("x-request-id").unwrap();
    let of_request = |line: &&str| line.contains(&code.to_string()) && line.contains(id);
    assert!(log.lines().any(|line| of_request(&line)), "no line of the log has code and request: {what}");
    assert!(![KEY, TOKEN].iter().any(|secret| log.contains(secret) || reply.text().contains(secret)), "a secret is out: {what}");
    let is_later = matches!(code.row().retry, aimux::error::Retry::Later);
    assert!(!is_later || reply.header("retry-after").is_some(), "when to come back: {what}");
}

/// A server whose providers do wrong what their models' names say.
struct Stage {
    gateway: Gateway,
}

impl Stage {
    fn new() -> Self {
        let upstream = Upstream::start(|seen, _| {
            if seen.path == "/token" {
                return Answer::json(400, r#"{"error":"invalid_grant"}"#);
            }
            let speaks = if seen.path.contains("messages") { Speaks::Anthropic } else { Speaks::Chat };
            match seen.json()["model"].as_str().unwrap_or_default() {
                "rejects" => speaks.refusal(400, "no such field"),
                "limits" => speaks.refusal(429, "slow down").header("retry-after", "30"),
                "waits" => speaks.answer(seen, &[text("late")]).late(Duration::from_secs(20)),
                "breaks" => speaks.answer(seen, &[text("never")]).after(0, Act::Cut),
                "rambles" => Answer::json(200, "<html>welcome</html>"),
                "knows-no-key" => speaks.refusal(401, &format!("{KEY} is not a key")),
                _ => speaks.answer(seen, &[text("fine")]),
            }
        });
        let (url, plain) = (upstream.url(), upstream.url().replace("http:", "https:"));
        let provider = |name: &str, base: &str, more: &str| {
            format!("  {name}: {{ dialect: openai-chat, base_url: \"{base}/v1\", key: {{ env: UPSTREAM_KEY }}{more} }}\n")
        };
        let mut config = format!("{SERVER}providers:\n");
        for name in ["a", "b", "c"] {
            config += &provider(name, &url, "");
        }
        config += &provider("full", &url, ", limits: { requests_per_minute: 1 }");
        config += &provider("small", &url, ", models: { m: { tools: false, context: 1000 } }");
        config += &provider("nobody", "http://127.0.0.1:1", "");
        config += &provider("tls", &plain, "");
        config += &format!("  messages: {{ dialect: anthropic, base_url: \"{url}\", key: {{ env: UPSTREAM_KEY }} }}\n");
        config += &provider("spent", &url, &format!(", oauth: {{ client_id: c, auth_url: \"{url}/a\", token_url: \"{url}/token\" }}"))
            .replace("{ env: UPSTREAM_KEY }", "spent");
        config += "policies: [{ name: never, deny: { model: denied } }]\n";
        config += "limits: { body_mb: 1, json_depth: 32, header_kb: 8, body_read_s: 1, first_byte_s: 4, first_byte_whole_s: 4 }\n";
        let home = tempfile::tempdir().unwrap();
        crate::renewal::store(home.path(), "spent", "access-0", 10);
        Self { gateway: Gateway::start_in(home, &(config + "retry: { attempts_per_target: 1 }\nbreaker: off\n"), &[]) }
    }

    fn told(&self, reply: Whole) -> Told {
        told(&self.gateway, reply)
    }

    /// A request with a client's body, as it is.
    fn post(&self, client: Speaks, body: &[u8]) -> Told {
        self.told(self.gateway.call("POST", path(client), body))
    }

    fn ask(&self, client: Speaks, model: &str) -> Told {
        self.post(client, question(model, false).to_string().as_bytes())
    }

    /// A healthy request but for a header, path or method.
    fn send(&self, method: &str, path: &str, client: Speaks, headers: &[(&str, &str)]) -> Told {
        let bearer = format!("Bearer {TOKEN}");
        let mut all = headers.to_vec();
        if !all.iter().any(|(name, _)| *name == "authorization") {
            all.push(("authorization", &bearer));
        }
        if client == Speaks::Anthropic {
            all.push(("anthropic-version", "2023-06-01"));
        }
        let body = question("a/healthy", false).to_string();
        self.told(http::send(self.gateway.port, method, path, &all, body.as_bytes()).whole())
    }
}

/// Waits for the request's line in the log: it is written when the exchange is settled, which is after the answer.
fn told(gateway: &Gateway, reply: Whole) -> Told {
    if let Some(id) = reply.header("x-request-id") {
        until("the request is logged", Duration::from_secs(5), || gateway.log().contains(id));
    }
    Told { reply, log: gateway.log() }
}

const SERVER: &str = "version: 1\nserver: { listen: \"127.0.0.1:0\", token: { env: AIMUX_CLIENT_TOKEN } }\n";

fn path(client: Speaks) -> &'static str {
    match client {
        Speaks::Anthropic => "/v1/messages",
        Speaks::Chat => "/v1/chat/completions",
    }
}

fn question(model: &str, is_stream: bool) -> Value {
    json!({"model": model, "max_tokens": 9, "stream": is_stream, "messages": [{"role": "user", "content": "hi"}]})
}

/// What the other dialect has no word for.
fn unsupported(stage: &Stage, client: Speaks) -> Told {
    let mut body = question(if client == Speaks::Chat { "messages/m" } else { "a/m" }, false);
    match client {
        Speaks::Chat => body["n"] = json!(2),
        Speaks::Anthropic => body["tools"] = json!([{"type": "web_fetch_20990101", "name": "web_fetch"}]),
    }
    stage.post(client, body.to_string().as_bytes())
}

/// The head of a request whose body is not sent.
fn head(port: u16, client: Speaks, length: usize) -> String {
    let path = path(client);
    format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {length}\r\n\r\n")
}

fn body_timeout(stage: &Stage, client: Speaks) -> Told {
    let port = stage.gateway.port;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(head(port, client, 100).as_bytes()).unwrap();
    stage.told(http::read_head(stream, "POST", Instant::now()).whole())
}

/// One provider that takes its time, one place.
fn slow(limits: &str) -> (Upstream, Gateway) {
    let upstream = Upstream::start(|seen, _| {
        Speaks::Chat.answer(seen, &[text("before the pause, and after the pause")]).pause(4, Duration::from_secs(20))
    });
    let url = upstream.url();
    let provider = format!("  slow: {{ dialect: openai-chat, base_url: \"{url}/v1\", key: {{ env: UPSTREAM_KEY }} }}");
    let gateway = Gateway::start(&format!("{SERVER}providers:\n{provider}\nlimits: {{ {limits} }}\n"));
    (upstream, gateway)
}

fn overloaded(_: &Stage, client: Speaks) -> Told {
    let (_upstream, gateway) = slow("requests_in_flight: 1, queue_wait_s: 0");
    let mut first = gateway.send("POST", path(client), question("slow/m", true).to_string().as_bytes());
    assert!(first.piece().is_some());
    let reply = gateway.call("POST", path(client), question("slow/m", true).to_string().as_bytes());
    told(&gateway, reply)
}

/// A request whose head was on its way when the signal came.
fn draining(_: &Stage, client: Speaks) -> Told {
    let (_upstream, gateway) = slow("drain_s: 5");
    let head = head(gateway.port, client, 0);
    let (begun, rest) = head.split_at(head.len() / 2);
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    stream.write_all(begun.as_bytes()).unwrap();
    let port = stream.local_addr().unwrap().port();
    until("the server has read it", Duration::from_secs(5), || unread(gateway.port, port) == Some(0));
    gateway.terminate();
    until("the server drains", Duration::from_secs(5), || gateway.log().contains("draining"));
    stream.write_all(rest.as_bytes()).unwrap();
    told(&gateway, http::read_head(stream, "POST", Instant::now()).whole())
}

/// Bytes that wait in the server's socket of a connection, by Linux's table; elsewhere none are seen.
fn unread(server: u16, client: u16) -> Option<u32> {
    let Ok(table) = std::fs::read_to_string("/proc/net/tcp") else { return Some(0) };
    let row = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find(|row| {
        row.get(1).is_some_and(|local| local.ends_with(&format!(":{server:04X}")))
            && row.get(2).is_some_and(|remote| remote.ends_with(&format!(":{client:04X}")))
    })?;
    u32::from_str_radix(row.get(4)?.split(':').nth(1)?, 16).ok()
}

fn run(args: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    aimux(home.path()).current_dir(home.path()).args(args).output().unwrap()
}

fn serve(config: &str) -> Output {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("aimux.yaml"), config).unwrap();
    aimux(home.path()).current_dir(home.path()).args(["serve", "--config", "aimux.yaml"]).output().unwrap()
}

/// A command in a home where a file stands at `path`.
fn with_file(path: &str, mode: u32, args: &[&str]) -> Output {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(path);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "something").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    aimux(home.path()).env_remove("AIMUX_CLIENT_TOKEN").env("ANTHROPIC_API_KEY", KEY).args(args).output().unwrap()
}

fn address_in_use() -> Output {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    serve(&format!("{ANY}server: {{ listen: \"{address}\" }}\n"))
}

/// A server whose identity was exchanged for a protected one by somebody who could not reach it.
fn identity_locked() -> Output {
    let feed = |command: &mut std::process::Command, input: &str| {
        let mut child = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    };
    let home = tempfile::tempdir().unwrap();
    feed(aimux(home.path()).args(["keys", "add", "mine"]), "sk-old-0123456789");
    let text =
        format!("{ANY}server: {{ listen: \"127.0.0.1:0\", watch: false }}\n").replace("providers: {", "providers: { zai: { key: mine },");
    let gateway = Gateway::start_in(home, &text, &[]);
    let elsewhere = gateway.home().join("elsewhere");
    feed(aimux(&gateway.home()).args(["keys", "rotate", "--identity", "--passphrase"]).env("XDG_RUNTIME_DIR", elsewhere), "correct horse");
    aimux(&gateway.home()).args(["config", "reload", "--config"]).arg(gateway.home().join("aimux.yaml")).output().unwrap()
}

fn client_missing() -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = aimux(home.path());
    command.env("ANTHROPIC_API_KEY", KEY).env("AIMUX_SERVER__LISTEN", "127.0.0.1:0").env("PATH", "/nonexistent");
    let output = command.env("XDG_RUNTIME_DIR", home.path()).args(["run", "claude"]).output().unwrap();
    // A server may have been started for it already.
    let _ = aimux::server::control::stop(&home.path().join("aimux/default.sock"));
    output
}

/// Without file descriptors the async runtime cannot be made, which is no state that aimux has an answer for.
fn no_descriptors() -> Output {
    let home = tempfile::tempdir().unwrap();
    let program = assert_cmd::cargo::cargo_bin("aimux");
    let script = format!("ulimit -n 4; exec '{}' serve --demo", program.display());
    std::process::Command::new("sh").env_clear().env("HOME", home.path()).args(["-c", &script]).output().unwrap()
}
