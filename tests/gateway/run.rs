//! `aimux run`: a server on demand, and what the client is given. A script that writes down what it gets plays Claude Code;
//! the real one answers a prompt in `real_clients`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::gateway::{TOKEN, aimux, config, until};
use crate::http;
use crate::replies::{Speaks, text};
use crate::upstream::Upstream;

/// A home with a config and a `claude` in its path; the server that was started in it is stopped at the end.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    /// With a config for `aimux run`.
    pub(crate) fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        let home = Self { folder };
        home.write("aimux.yaml", config);
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap_or_default()
    }

    /// Puts a script in place of Claude Code.
    fn claude(self, script: &str) -> Self {
        self.script("claude", script)
    }

    /// Puts a script in place of a program.
    fn script(self, name: &str, script: &str) -> Self {
        let path = self.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    /// `aimux …` with the home's config and its `bin` first in the path.
    pub(crate) fn aimux(&self, args: &[&str]) -> Command {
        self.aimux_of("aimux.yaml", args)
    }

    fn aimux_of(&self, config: &str, args: &[&str]) -> Command {
        let mut command = aimux(self.path());
        let path = format!("{}:{}", self.path().join("bin").display(), std::env::var("PATH").unwrap());
        command.env("PATH", path).env("AIMUX_CONFIG", self.path().join(config)).args(args).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.aimux(&[&["run", "claude"], args].concat()).output().unwrap()
    }

    fn status(&self, config: &str) -> Value {
        let output = self.aimux_of(config, &["status", "--json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)))
    }

    /// The settings that the script was given.
    fn settings(&self) -> Value {
        serde_json::from_str(&self.read("settings")).unwrap()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for entry in fs::read_dir(self.path()).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if name.ends_with(".yaml") {
                let _ = self.aimux_of(&name, &["stop"]).output();
            }
        }
        if std::thread::panicking() {
            println!("the server's log:\n{}", self.read(".local/state/aimux/serve.log"));
        }
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A script that keeps what it is given in the home.
const WITNESS: &str = r#"env > "$HOME/env"; printf '%s\n' "$@" > "$HOME/argv"; cp "$2" "$HOME/settings"; stat -c %a "$2" > "$HOME/mode""#;

fn upstream() -> Upstream {
    Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine")]))
}

fn plain(upstream: &Upstream) -> String {
    config(&[(Speaks::Chat, upstream)], "\"*\": [up0/m]", "")
}

#[test]
fn the_client_gets_the_server_the_token_and_its_own_arguments() {
    let upstream = upstream();
    let home = Home::new(&plain(&upstream)).claude(WITNESS);
    let mut command = home.aimux(&["run", "claude", "--", "-p", "two words", "--model", "x"]);
    let output = command
        .env("ANTHROPIC_API_KEY", "sk-of-the-user")
        .env("CLAUDE_CODE_USE_BEDROCK", "1")
        .env("CLAUDE_CODE_USE_POWERSHELL_TOOL", "1")
        .env("KEPT", "yes")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let url = home.status("aimux.yaml")["url"].as_str().unwrap().to_owned();
    let env = home.read("env");
    for line in
        [&format!("ANTHROPIC_BASE_URL={url}"), &format!("ANTHROPIC_AUTH_TOKEN={TOKEN}"), "KEPT=yes", "CLAUDE_CODE_USE_POWERSHELL_TOOL=1"]
    {
        assert!(env.lines().any(|found| found == line), "{line}: {env}");
    }
    assert!(!env.contains("ANTHROPIC_API_KEY") && !env.contains("CLAUDE_CODE_USE_BEDROCK"), "{env}");
    let argv = home.read("argv");
    let argv: Vec<&str> = argv.lines().collect();
    assert_eq!((argv[0], &argv[2..]), ("--settings", &["-p", "two words", "--model", "x"][..]));
    assert!(!argv.iter().any(|word| word.contains(TOKEN)), "{argv:?}");
    assert_eq!(home.read("mode").trim(), "600");
    assert!(!Path::new(argv[1]).exists(), "the settings file goes with the client");
    let settings = home.settings();
    assert_eq!((&settings["env"]["ANTHROPIC_BASE_URL"], &settings["env"]["ANTHROPIC_AUTH_TOKEN"]), (&json!(url), &json!(TOKEN)));
    assert_eq!((&settings["env"]["ANTHROPIC_API_KEY"], &settings["env"]["CLAUDE_CODE_USE_BEDROCK"]), (&json!(""), &json!("")));
}

#[test]
fn the_smallest_context_that_can_be_reached_is_believed() {
    let config = concat!(
        "version: 1\nserver: { listen: \"127.0.0.1:0\", token: { env: AIMUX_CLIENT_TOKEN } }\n",
        "providers:\n  anthropic: { key: { env: UPSTREAM_KEY } }\n  cerebras: { key: { env: UPSTREAM_KEY } }\n",
        "models:\n  \"claude-*\": [anthropic/claude-opus-4-8]\n  \"claude-haiku-*\": [cerebras/gpt-oss-120b]\n  far: [cerebras/zai-glm-4.7]\n",
    );
    let home = Home::new(config).claude(WITNESS);
    let window = |home: &Home| home.settings()["env"]["CLAUDE_CODE_AUTO_COMPACT_WINDOW"].clone();
    let output = home.run(&[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let smallest = aimux::provider::models::model("cerebras", "gpt-oss-120b").unwrap().context.to_string();
    assert_eq!(window(&home), json!(smallest));
    assert_eq!(home.settings()["env"]["CLAUDE_CODE_MAX_CONTEXT_TOKENS"], json!(smallest));
    assert!(home.aimux(&["run", "claude"]).env("CLAUDE_CODE_AUTO_COMPACT_WINDOW", "77").status().unwrap().success());
    assert_eq!(window(&home), Value::Null, "what the user says stands");
}

#[test]
fn a_users_own_settings_are_kept_beside_ours() {
    let upstream = upstream();
    let home = Home::new(&plain(&upstream)).claude(WITNESS);
    let own = home.write("own.json", r#"{"model": "opus", "env": {"MINE": "1", "ANTHROPIC_BASE_URL": "http://elsewhere"}}"#);
    assert!(home.run(&["--", "--settings", own.to_str().unwrap(), "-p"]).status.success());
    let settings = home.settings();
    assert_eq!((&settings["model"], &settings["env"]["MINE"]), (&json!("opus"), &json!("1")));
    assert_ne!(settings["env"]["ANTHROPIC_BASE_URL"], json!("http://elsewhere"));
    assert_eq!(home.read("argv").lines().count(), 3, "one --settings, and -p");
}

#[test]
fn exit_codes_and_deaths_by_a_signal_are_passed_on() {
    let upstream = upstream();
    for (script, code) in [("exit 0", 0), ("exit 1", 1), ("exit 42", 42), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
        let home = Home::new(&plain(&upstream)).claude(script);
        let output = home.run(&[]);
        assert_eq!(output.status.code(), Some(code), "{script}: {}", stderr(&output));
    }
}

#[test]
fn an_interrupt_is_the_clients_affair() {
    let upstream = upstream();
    let script = r#"trap 'echo caught > "$HOME/caught"; exit 5' INT; echo > "$HOME/up"; while :; do sleep 0.05; done"#;
    let home = Home::new(&plain(&upstream)).claude(script);
    // As a terminal does it: the signal goes to the whole group.
    let mut child = home.aimux(&["run", "claude"]).process_group(0).spawn().unwrap();
    until("the client runs", Duration::from_secs(20), || home.path().join("up").exists());
    rustix::process::kill_process_group(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
    assert_eq!(home.read("caught").trim(), "caught");
    assert_eq!(home.status("aimux.yaml")["running"], true, "the server is no part of the group");
}

#[test]
fn a_signal_to_the_command_alone_reaches_the_client() {
    let upstream = upstream();
    let script = r#"trap 'exit 7' TERM; echo > "$HOME/up"; while :; do sleep 0.05; done"#;
    let home = Home::new(&plain(&upstream)).claude(script);
    let mut child = home.aimux(&["run", "claude"]).spawn().unwrap();
    until("the client runs", Duration::from_secs(20), || home.path().join("up").exists());
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

/// As Claude Code does it when its user presses Ctrl-Z: it stops its whole group, and the shell's `fg` continues that.
#[test]
fn a_client_that_is_suspended_comes_back() {
    let upstream = upstream();
    let home = Home::new(&plain(&upstream)).claude("kill -TSTP 0; exit 9");
    let mut child = home.aimux(&["run", "claude"]).process_group(0).spawn().unwrap();
    let stat = format!("/proc/{}/stat", child.id());
    let is_stopped = || fs::read_to_string(&stat).is_ok_and(|stat| stat.rsplit(") ").next().unwrap().starts_with('T'));
    until("the shell would have its terminal back", Duration::from_secs(20), is_stopped);
    rustix::process::kill_process_group(rustix::process::Pid::from_child(&child), rustix::process::Signal::CONT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

#[test]
fn ten_at_once_share_one_server() {
    let upstream = upstream();
    let home = Home::new(&plain(&upstream)).claude(r#"echo "$ANTHROPIC_BASE_URL" >> "$HOME/urls""#);
    let children: Vec<_> = (0..10).map(|_| home.aimux(&["run", "claude"]).stderr(Stdio::piped()).spawn().unwrap()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let urls = home.read("urls");
    let status = home.status("aimux.yaml");
    assert_eq!(urls.lines().count(), 10);
    assert!(urls.lines().all(|url| status["url"] == url), "{urls}{status}");
    let pid = status["pid"].clone();
    assert!(home.run(&[]).status.success());
    assert_eq!(home.status("aimux.yaml")["pid"], pid, "found again");
}

#[test]
fn another_config_has_its_own_server() {
    let upstream = upstream();
    let home = Home::new(&plain(&upstream)).claude("exit 0");
    home.write("other.yaml", &plain(&upstream));
    assert!(home.run(&[]).status.success());
    assert_eq!(home.status("other.yaml")["running"], false);
    assert!(home.aimux_of("other.yaml", &["run", "claude"]).status().unwrap().success());
    let (one, other) = (home.status("aimux.yaml"), home.status("other.yaml"));
    assert!(one["running"] == true && other["running"] == true && one["url"] != other["url"], "{one} {other}");
}

#[test]
fn the_server_is_detached_and_stops_when_told() {
    let upstream = upstream();
    let home = Home::new(&plain(&upstream)).claude("exit 0");
    assert!(home.run(&[]).status.success());
    let status = home.status("aimux.yaml");
    let pid = status["pid"].as_u64().unwrap();
    let about = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // After the name: state, parent, group, session.
    let session = about.rsplit(") ").next().unwrap().split(' ').nth(3).unwrap().to_owned();
    assert_eq!(session, pid.to_string(), "it leads a session of its own");
    assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), Path::new("/"));
    let socket = PathBuf::from(status["socket"].as_str().unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&socket), mode(socket.parent().unwrap())), (0o600, 0o700));
    assert_eq!(fs::read_to_string(socket.with_extension("pid")).unwrap().trim(), pid.to_string());
    let port = status["url"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(http::send(port, "GET", "/livez", &[], b"").whole().status, 200);
    let stopped = home.aimux(&["stop"]).output().unwrap();
    assert!(stopped.status.success() && String::from_utf8_lossy(&stopped.stdout).starts_with("stopped the server on http://"));
    assert!(!socket.exists() && !socket.with_extension("pid").exists());
    assert_eq!(home.aimux(&["status"]).output().unwrap().status.code(), Some(3));
    assert!(home.aimux(&["stop"]).output().unwrap().status.success(), "stopping twice is no error");
}

#[test]
fn other_clients_are_given_what_they_read_and_unserved_ones_are_told() {
    let upstream = upstream();
    let home = Home::new(&plain(&upstream)).script("aider", r#"env > "$HOME/env"; printf '%s\n' "$@" > "$HOME/argv""#);
    let home = home.script("opencode", r#"cp "$OPENCODE_CONFIG" "$HOME/settings"; stat -c %a "$OPENCODE_CONFIG" > "$HOME/mode""#);
    for (client, api) in [("codex", "Responses API"), ("gemini", "Gemini API")] {
        let output = home.aimux(&["run", client]).output().unwrap();
        assert!(output.status.code() == Some(65) && stderr(&output).contains(api), "{client}: {}", stderr(&output));
    }
    assert_eq!(home.status("aimux.yaml")["running"], false, "no server was started for those");
    let output = home.aimux(&["run", "aider", "--", "--model", "openai/x"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let url = home.status("aimux.yaml")["url"].as_str().unwrap().to_owned();
    let env = home.read("env");
    for line in [format!("OPENAI_API_BASE={url}/v1"), format!("ANTHROPIC_API_BASE={url}"), format!("OPENAI_API_KEY={TOKEN}")] {
        assert!(env.lines().any(|found| found == line), "{line}: {env}");
    }
    assert_eq!(home.read("argv"), "--model\nopenai/x\n");
    assert!(home.aimux(&["run", "opencode"]).status().unwrap().success());
    let provider = &home.settings()["provider"]["anthropic"]["options"];
    assert_eq!((&provider["baseURL"], &provider["apiKey"]), (&json!(format!("{url}/v1")), &json!(TOKEN)));
    assert_eq!(home.read("mode").trim(), "600");
}

#[test]
fn a_running_client_keeps_an_idle_server() {
    let upstream = upstream();
    let idle = plain(&upstream).replace("127.0.0.1:0\",", "127.0.0.1:0\", idle_exit_s: 1,");
    let home = Home::new(&idle).claude("sleep 3");
    let mut child = home.aimux(&["run", "claude"]).spawn().unwrap();
    until("the server runs", Duration::from_secs(20), || home.status("aimux.yaml")["running"] == true);
    let pid = home.status("aimux.yaml")["pid"].clone();
    std::thread::sleep(Duration::from_millis(2000));
    assert!(child.try_wait().unwrap().is_none());
    assert_eq!(home.status("aimux.yaml")["pid"], pid);
    assert!(child.wait().unwrap().success());
    until("it ends after its client", Duration::from_secs(10), || home.status("aimux.yaml")["running"] == false);
}

#[test]
fn a_runtime_folder_that_others_may_write_in_is_not_trusted() {
    let upstream = upstream();
    let home = Home::new(&plain(&upstream)).claude("exit 0");
    let runtime = home.path().join("runtime");
    fs::create_dir_all(runtime.join("aimux")).unwrap();
    fs::set_permissions(runtime.join("aimux"), fs::Permissions::from_mode(0o777)).unwrap();
    let output = home.aimux(&["run", "claude"]).env("XDG_RUNTIME_DIR", &runtime).output().unwrap();
    assert_eq!(output.status.code(), Some(77), "{}", stderr(&output));
    assert!(stderr(&output).contains("may be written by others"), "{}", stderr(&output));
}

#[test]
fn what_a_killed_command_left_behind_is_swept() {
    let upstream = upstream();
    let home = Home::new(&plain(&upstream)).claude("exit 0");
    assert!(home.run(&[]).status.success());
    let runtime = PathBuf::from(home.status("aimux.yaml")["socket"].as_str().unwrap()).parent().unwrap().to_owned();
    // No process has the highest number that a pid can be.
    let left = runtime.join(format!("claude-{}.json", i32::MAX));
    fs::write(&left, "{}").unwrap();
    assert!(home.run(&[]).status.success());
    assert!(!left.exists(), "it holds a token");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let upstream = upstream();
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = plain(&upstream).replace("127.0.0.1:0", &busy.local_addr().unwrap().to_string());
    let home = Home::new(&config).claude("exit 0");
    let output = home.run(&[]);
    assert_eq!(output.status.code(), Some(69), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("in use by") && said.contains(&std::process::id().to_string()) && said.contains("serve.log"), "{said}");
}

#[test]
fn a_config_with_mistakes_starts_nothing() {
    let home = Home::new("version: 1\nproviders: { x: { dialekt: anthropic } }\n").claude("exit 0");
    let output = home.run(&[]);
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
    assert!(stderr(&output).contains("dialekt") && home.status("aimux.yaml")["running"] == false);
}

#[test]
fn a_newer_program_takes_over_from_its_own_older_server_only() {
    let upstream = upstream();
    let home = Home::new(&plain(&upstream)).claude("exit 0");
    let socket = PathBuf::from(home.status("aimux.yaml")["socket"].as_str().unwrap());
    for (on_demand, is_used) in [(false, true), (true, false)] {
        let old = OldServer::start(&socket, on_demand);
        let output = home.run(&[]);
        assert!(output.status.success(), "{}", stderr(&output));
        let version = home.status("aimux.yaml")["version"].clone();
        assert_eq!(version == "0.0.1", is_used, "{version}");
        old.end();
    }
}

/// A server of another version, as far as the command line can tell.
struct OldServer {
    thread: std::thread::JoinHandle<()>,
    socket: PathBuf,
}

impl OldServer {
    fn start(socket: &Path, on_demand: bool) -> Self {
        use std::io::{Read, Write};
        let folder = socket.parent().unwrap();
        fs::create_dir_all(folder).unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
        let lock = fs::File::create(socket.with_extension("lock")).unwrap();
        lock.lock().unwrap();
        let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
        let path = socket.to_owned();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut byte = [0];
                // A command that holds its connection while its client runs asks nothing.
                while !request.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                    request.extend(byte);
                }
                if request.is_empty() {
                    continue;
                }
                let body = json!({"version": "0.0.1", "pid": 1, "address": "127.0.0.1:9", "on_demand": on_demand}).to_string();
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
                if request.starts_with(b"POST /api/stop") {
                    fs::remove_file(&path).unwrap();
                    drop(lock);
                    return;
                }
            }
        });
        Self { thread, socket: socket.to_owned() }
    }

    /// Stops it, if that was not done yet.
    fn end(self) {
        if !self.thread.is_finished() {
            aimux::server::control::stop(&self.socket).unwrap();
        }
        self.thread.join().unwrap();
    }
}

#[test]
fn a_passphrase_is_asked_for_once_and_reaches_the_server() {
    let upstream = upstream();
    let keyed = plain(&upstream).replace("{ env: UPSTREAM_KEY }", "upstream");
    let home = Home::new(&keyed).claude(r#"echo "$ANTHROPIC_BASE_URL" >> "$HOME/urls""#);
    typed(home.aimux(&["keys", "init", "--passphrase"]), &[("Passphrase", "correct horse"), ("again", "correct horse")], 0);
    let mut child = home.aimux(&["keys", "add", "upstream"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), crate::gateway::KEY.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());

    let output = home.aimux(&["env"]).output().unwrap();
    assert!(output.status.code() == Some(64) && stderr(&output).contains("chosen when it starts"), "env asks nobody: {}", stderr(&output));
    let output = home.run(&[]);
    assert!(output.status.code() == Some(78) && stderr(&output).contains("no terminal to ask on"), "{}", stderr(&output));
    let said = typed(home.aimux(&["run", "claude"]), &[("Passphrase of the identity", "wrong")], 78);
    assert!(said.contains("the passphrase does not open the identity"), "{said}");
    let said = typed(home.aimux(&["run", "claude"]), &[("Passphrase of the identity", "correct horse")], 0);
    assert!(!said.contains("correct horse"), "it is not echoed: {said}");
    let status = home.status("aimux.yaml");
    let port = status["url"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    let body = json!({"model": "x", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}).to_string();
    let token = format!("Bearer {TOKEN}");
    assert_eq!(http::send(port, "POST", "/v1/messages", &[("authorization", &token)], body.as_bytes()).whole().status, 200);
    assert_eq!(upstream.seen()[0].header("authorization").unwrap(), format!("Bearer {}", crate::gateway::KEY), "the key was opened");
    let pid = status["pid"].as_u64().unwrap();
    for name in ["cmdline", "environ"] {
        let bytes = fs::read(format!("/proc/{pid}/{name}")).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("correct horse"), "{name}");
    }
    let again = home.run(&[]);
    assert!(again.status.success(), "a running server needs no passphrase: {}", stderr(&again));
    assert!(home.aimux(&["env"]).output().unwrap().status.success());
}

/// Runs a command on a terminal of its own, answers its questions, and gives what the terminal showed.
pub(crate) fn typed(command: Command, answers: &[(&str, &str)], code: i32) -> String {
    use std::io::{Read, Write};
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--flush", "--command", &line.join(" "), "/dev/null"]).env_clear();
    script.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TERM", "dumb").env("SHELL", "/bin/sh");
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script of bsdutils gives a terminal");
    let mut keyboard = child.stdin.take().unwrap();
    let mut screen = child.stdout.take().unwrap();
    let (send, shown) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut piece = [0; 1024];
        while let Ok(length @ 1..) = screen.read(&mut piece) {
            let _ = send.send(String::from_utf8_lossy(&piece[..length]).into_owned());
        }
    });
    let (mut seen, mut from) = (String::new(), 0);
    for (question, answer) in answers {
        let end = Instant::now() + Duration::from_secs(30);
        while !seen[from..].contains(question) {
            assert!(Instant::now() < end, "not asked {question:?}: {seen}");
            seen += &shown.recv_timeout(Duration::from_millis(100)).unwrap_or_default();
        }
        from = seen.len();
        until("the terminal hides what is typed", Duration::from_secs(10), || hides_input(child.id()));
        writeln!(keyboard, "{answer}").unwrap();
    }
    seen.extend(shown.iter());
    assert_eq!(child.wait().unwrap().code(), Some(code), "{seen}");
    seen
}

/// Whether the terminal that `script` made shows what is typed.
fn hides_input(script: u32) -> bool {
    let children = fs::read_to_string(format!("/proc/{script}/task/{script}/children")).unwrap();
    let terminal = children.split_whitespace().next().map(|child| format!("/proc/{child}/fd/0"));
    let about = terminal.map(|terminal| Command::new("stty").args(["-a", "-F", &terminal]).output().unwrap());
    about.is_some_and(|about| String::from_utf8_lossy(&about.stdout).split_whitespace().any(|word| word == "-echo"))
}
