//! The program under test: a config, a fresh home, a running `aimux serve`, and requests to it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::{self, Reply, Whole};
use crate::replies::Speaks;
use crate::upstream::Upstream;

/// What clients of the tests send.
pub(crate) const TOKEN: &str = "client-token-0123456789abcdef";
/// What aimux sends to the scripted upstreams.
pub(crate) const KEY: &str = "sk-upstream-0123456789abcdef";

/// A running server, killed when dropped.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) port: u16,
    home: tempfile::TempDir,
    /// What it printed before it was ready.
    pub(crate) greeting: Vec<String>,
}

/// The program with an environment of its own.
pub(crate) fn aimux(home: &Path) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("aimux"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home)
        .env("AIMUX_CLIENT_TOKEN", TOKEN)
        .env("UPSTREAM_KEY", KEY);
    command
}

/// A config with one provider per upstream, named `up0`, `up1`, …, and `extra` lines.
pub(crate) fn config(upstreams: &[(Speaks, &Upstream)], models: &str, extra: &str) -> String {
    let mut text = "version: 1\nserver: { listen: \"127.0.0.1:0\", token: { env: AIMUX_CLIENT_TOKEN } }\nproviders:\n".to_owned();
    for (index, (speaks, upstream)) in upstreams.iter().enumerate() {
        let base = upstream.url() + if *speaks == Speaks::Chat { "/v1" } else { "" };
        text += &format!("  up{index}: {{ dialect: {}, base_url: \"{base}\", key: {{ env: UPSTREAM_KEY }} }}\n", speaks.dialect());
    }
    if !models.is_empty() {
        text += &format!("models:\n  {models}\n");
    }
    text + extra + "\n"
}

impl Gateway {
    /// Starts with a config's text and waits until it is ready.
    pub(crate) fn start(config: &str) -> Self {
        Self::start_with(config, &[])
    }

    /// The same with more variables.
    pub(crate) fn start_with(config: &str, variables: &[(&str, &Path)]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), config, variables)
    }

    /// The same in a home that has something in it already.
    pub(crate) fn start_in(home: tempfile::TempDir, config: &str, variables: &[(&str, &Path)]) -> Self {
        let path = home.path().join("aimux.yaml");
        std::fs::write(&path, config).unwrap();
        Self::spawn(home, &["serve", "--config", path.to_str().unwrap()], variables)
    }

    /// In a home that has an `aimux.yaml` and whatever else it needs, with more arguments.
    pub(crate) fn in_home(home: tempfile::TempDir, args: &[&str]) -> Self {
        let path = home.path().join("aimux.yaml");
        let args = [&["serve", "--config", path.to_str().unwrap()], args].concat();
        Self::spawn(home, &args, &[])
    }

    /// In a home without a config: what the variables give is served.
    pub(crate) fn without_config(home: tempfile::TempDir, variables: &[(&str, &Path)]) -> Self {
        Self::spawn(home, &["serve", "--listen", "127.0.0.1:0"], variables)
    }

    /// One upstream; every model goes to `up0/up-model`.
    pub(crate) fn before(speaks: Speaks, upstream: &Upstream) -> Self {
        Self::start(&config(&[(speaks, upstream)], "\"*\": [up0/up-model]", ""))
    }

    /// `aimux serve --demo`.
    pub(crate) fn demo() -> Self {
        Self::spawn(tempfile::tempdir().unwrap(), &["serve", "--demo", "--listen", "127.0.0.1:0"], &[])
    }

    fn spawn(home: tempfile::TempDir, args: &[&str], variables: &[(&str, &Path)]) -> Self {
        let (child, port, greeting) = launch(home.path(), args, variables);
        Self { child, port, home, greeting }
    }

    /// Ends it, changes something in its home, and starts it again there with the same config.
    pub(crate) fn restart(&mut self, between: impl FnOnce(&Path)) {
        self.terminate();
        self.wait(Duration::from_secs(20));
        between(self.home.path());
        let path = self.home.path().join("aimux.yaml");
        (self.child, self.port, self.greeting) = launch(self.home.path(), &["serve", "--config", path.to_str().unwrap()], &[]);
    }

    /// What `aimux status` says of its tasks.
    pub(crate) fn tasks(&self) -> Value {
        let path = self.home.path().join("aimux.yaml");
        let output = aimux(self.home.path()).args(["status", "--json", "--config", path.to_str().unwrap()]).output().unwrap();
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        status["tasks"].clone()
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The folder that holds its config and state.
    pub(crate) fn home(&self) -> PathBuf {
        self.home.path().to_owned()
    }

    /// How many file descriptors it holds; Linux only.
    pub(crate) fn descriptors(&self) -> Option<usize> {
        Some(std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).ok()?.count())
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("stderr")).unwrap()
    }

    /// A request with the right token.
    pub(crate) fn send(&self, method: &str, path: &str, body: &[u8]) -> Reply {
        let token = format!("Bearer {TOKEN}");
        let headers = [("authorization", token.as_str()), ("content-type", "application/json"), ("anthropic-version", "2023-06-01")];
        http::send(self.port, method, path, &headers, body)
    }

    /// A request with the right token, read to its end.
    pub(crate) fn call(&self, method: &str, path: &str, body: &[u8]) -> Whole {
        self.send(method, path, body).whole()
    }

    /// A Messages request.
    pub(crate) fn messages(&self, body: &Value) -> Whole {
        self.call("POST", "/v1/messages", body.to_string().as_bytes())
    }

    /// A Chat Completions request.
    pub(crate) fn chat(&self, body: &Value) -> Whole {
        self.call("POST", "/v1/chat/completions", body.to_string().as_bytes())
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self, time: Duration) -> ExitStatus {
        let end = Instant::now() + time;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "the server did not end in {time:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Starts the program and waits until it is ready.
fn launch(home: &Path, args: &[&str], variables: &[(&str, &Path)]) -> (Child, u16, Vec<String>) {
    let log = std::fs::File::create(home.join("stderr")).unwrap();
    let mut child =
        aimux(home).args(args).envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(log).stdin(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut greeting = Vec::new();
    for line in lines.by_ref().map_while(Result::ok) {
        let address = line.split_once("ready on http://").map(|(_, address)| address.trim().to_owned());
        greeting.push(line);
        if let Some(address) = address {
            let port = address.rsplit(':').next().unwrap().parse().unwrap();
            // The pipe must be read on: a full one would block the server.
            let (send, receive) = std::sync::mpsc::channel();
            std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| send.send(line).unwrap_or_default()));
            greeting.extend(std::iter::from_fn(|| receive.recv_timeout(Duration::from_millis(150)).ok()));
            return (child, port, greeting);
        }
    }
    let status = child.wait().unwrap();
    panic!("the server ended ({status}):\n{}", std::fs::read_to_string(home.join("stderr")).unwrap_or_default());
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            println!("the server's log:\n{}", lines[lines.len().saturating_sub(30)..].join("\n"));
        }
    }
}

/// Waits until something holds.
pub(crate) fn until(what: &str, time: Duration, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + time;
    while !holds() {
        assert!(Instant::now() < end, "not within {time:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
