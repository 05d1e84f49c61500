//! A server that a service manager starts by its socket, and that tells it how it fares. A manager of the test's own stands in for
//! systemd and launchd, so that this holds where neither runs.

use std::fs::File;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::gateway::{TOKEN, aimux, config, until};
use crate::http::{self, Reply};
use crate::replies::{Speaks, text};
use crate::upstream::Upstream;

/// Keeps a socket open and starts the server when somebody connects; hears what it says.
struct Manager {
    home: tempfile::TempDir,
    socket: TcpListener,
    ear: UnixDatagram,
    child: Option<Child>,
    heard: Vec<String>,
}

impl Manager {
    fn new(config: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("aimux.yaml"), config).unwrap();
        let ear = UnixDatagram::bind(home.path().join("notify")).unwrap();
        ear.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        Self { home, socket: TcpListener::bind("127.0.0.1:0").unwrap(), ear, child: None, heard: Vec::new() }
    }

    fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    /// Whether somebody waits to be accepted.
    fn is_called(&self) -> bool {
        let mut polled = [PollFd::new(&self.socket, PollFlags::IN)];
        poll(&mut polled, Some(&Timespec { tv_sec: 5, tv_nsec: 0 })).unwrap() == 1
    }

    /// Starts the server as systemd does: the socket is descriptor 3, and the variables say so.
    fn start(&mut self, variables: &[(&str, &str)]) {
        let passed: OwnedFd = self.socket.try_clone().unwrap().into();
        self.child = Some(
            self.command(Stdio::from(passed), "LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES=http")
                .envs(variables.iter().copied())
                .spawn()
                .unwrap(),
        );
    }

    /// A shell that moves its standard input to descriptor 3, sets the variables, and becomes the server.
    fn command(&self, passed: Stdio, variables: &str) -> Command {
        let aimux = aimux(self.home.path());
        let mut command = Command::new("sh");
        command.env_clear().envs(aimux.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let script = format!("exec 3<&0 0</dev/null; export {variables}; exec \"$0\" serve --config \"$1\"");
        command.args(["-c", &script]).arg(aimux.get_program()).arg(self.home.path().join("aimux.yaml"));
        command.env("NOTIFY_SOCKET", self.home.path().join("notify"));
        command.stdin(passed).stdout(Stdio::null()).stderr(File::create(self.home.path().join("stderr")).unwrap());
        command
    }

    /// Waits until the server says something.
    fn hear(&mut self, word: &str) {
        let mut buffer = [0; 1000];
        let end = Instant::now() + Duration::from_secs(10);
        while !self.heard.iter().any(|said| said.lines().any(|line| line == word)) {
            assert!(Instant::now() < end, "{word} was not heard: {:?}\n{}", self.heard, self.log());
            if let Ok(length) = self.ear.recv(&mut buffer) {
                self.heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
            }
        }
    }

    /// Its exit code; it must end in time.
    fn ended(&mut self, time: Duration) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        until("the server ends", time, || child.try_wait().unwrap().is_some());
        child.wait().unwrap().code()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("stderr")).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), signal).unwrap();
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            println!("the server's log:\n{}", self.log());
        }
    }
}

const MESSAGE: &str = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;

/// Sends a message on a connection of its own, which is open already.
fn ask(mut stream: TcpStream, body: &str) -> Reply {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    std::io::Write::write_all(&mut stream, (head + body).as_bytes()).unwrap();
    http::read_head(stream, "POST", Instant::now())
}

fn idle_after_1_s(upstream: &Upstream) -> String {
    config(&[(Speaks::Chat, upstream)], "\"*\": [up0/m]", "").replace("127.0.0.1:0\",", "127.0.0.1:0\", idle_exit_s: 1,")
}

#[test]
fn a_first_connection_starts_the_server_which_is_gone_after_its_idle_time() {
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine")]));
    let mut manager = Manager::new(&idle_after_1_s(&upstream));
    for round in 0..2 {
        let stream = TcpStream::connect(("127.0.0.1", manager.port())).unwrap();
        assert!(manager.is_called() && manager.child.is_none());
        manager.start(&[]);
        let reply = ask(stream, MESSAGE).whole();
        assert_eq!((reply.status, reply.is_complete), (200, true), "{}", reply.text());
        manager.hear("READY=1");
        manager.hear("STOPPING=1");
        assert_eq!(manager.ended(Duration::from_secs(5)), Some(0), "round {round}");
        manager.heard.clear();
    }
    assert!(manager.log().contains("nobody is connected"), "{}", manager.log());
}

#[test]
fn a_stream_and_a_command_at_the_control_socket_keep_the_server() {
    let upstream =
        Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("before the pause, and after it")]).pause(3, Duration::from_secs(3)));
    let mut manager = Manager::new(&idle_after_1_s(&upstream));
    manager.start(&[]);
    let stream = TcpStream::connect(("127.0.0.1", manager.port())).unwrap();
    let body = json!({"model": "m", "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "hi"}]}).to_string();
    let reply = ask(stream, &body).whole();
    assert!(reply.is_complete && reply.text().contains("message_stop"), "{}", reply.text());
    let output = aimux(manager.home.path())
        .args(["status", "--json", "--config", manager.home.path().join("aimux.yaml").to_str().unwrap()])
        .output()
        .unwrap();
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(status["url"].as_str().unwrap().ends_with(&format!(":{}", manager.port())), "{status}");
    let control = std::os::unix::net::UnixStream::connect(status["socket"].as_str().unwrap()).unwrap();
    std::thread::sleep(Duration::from_millis(2500));
    assert!(manager.child.as_mut().unwrap().try_wait().unwrap().is_none(), "a command is there");
    drop(control);
    assert_eq!(manager.ended(Duration::from_secs(5)), Some(0));
}

#[test]
fn a_watchdog_is_fed_while_the_server_lives_and_a_reload_is_told() {
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine")]));
    let mut manager = Manager::new(&config(&[(Speaks::Chat, &upstream)], "\"*\": [up0/m]", ""));
    manager.start(&[("WATCHDOG_USEC", "100000")]);
    for _ in 0..3 {
        manager.hear("WATCHDOG=1");
        manager.heard.clear();
    }
    manager.signal(Signal::HUP);
    manager.hear("RELOADING=1");
    manager.heard.clear();
    manager.hear("READY=1");
    manager.signal(Signal::STOP);
    std::thread::sleep(Duration::from_millis(300));
    while manager.ear.recv(&mut [0; 100]).is_ok() {}
    std::thread::sleep(Duration::from_millis(300));
    assert!(manager.ear.recv(&mut [0; 100]).is_err(), "a server that hangs says nothing");
    manager.signal(Signal::CONT);
    manager.heard.clear();
    manager.hear("WATCHDOG=1");
    manager.signal(Signal::TERM);
    manager.hear("STOPPING=1");
    assert_eq!(manager.ended(Duration::from_secs(5)), Some(0));
}

/// As launchd (`inetdCompatibility`, `Wait`) and inetd do: the socket is standard input, output and error at once.
#[test]
fn the_socket_may_be_standard_input() {
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine")]));
    let mut manager = Manager::new(&idle_after_1_s(&upstream));
    let stream = TcpStream::connect(("127.0.0.1", manager.port())).unwrap();
    let passed = || Stdio::from(OwnedFd::from(manager.socket.try_clone().unwrap()));
    let mut command = aimux(manager.home.path());
    command.args(["serve", "--stdin-socket", "--config"]).arg(manager.home.path().join("aimux.yaml"));
    manager.child = Some(command.stdin(passed()).stdout(passed()).stderr(passed()).spawn().unwrap());
    assert_eq!(ask(stream, MESSAGE).whole().status, 200);
    let pid = manager.child.as_ref().unwrap().id();
    for number in 0..3 {
        let link = std::fs::read_link(format!("/proc/{pid}/fd/{number}")).unwrap();
        assert_eq!(link, Path::new("/dev/null"), "descriptor {number}");
    }
    assert_eq!(manager.ended(Duration::from_secs(5)), Some(0));
}

#[test]
fn what_is_no_listening_socket_is_refused() {
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine")]));
    let manager = Manager::new(&config(&[(Speaks::Chat, &upstream)], "\"*\": [up0/m]", ""));
    let connected = TcpStream::connect(manager.socket.local_addr().unwrap()).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let file = || File::open("/dev/null").unwrap();
    let one = "LISTEN_FDS=1 LISTEN_PID=$$";
    let cases: [(OwnedFd, &str); 5] = [
        (connected.into(), one),
        (udp.into(), one),
        (file().into(), one),
        (manager.socket.try_clone().unwrap().into(), "LISTEN_FDS=4000000000 LISTEN_PID=$$"),
        (manager.socket.try_clone().unwrap().into(), "LISTEN_FDS=one LISTEN_PID=$$"),
    ];
    for (passed, variables) in cases {
        let mut child = manager.command(Stdio::from(passed), variables).spawn().unwrap();
        until("it ends", Duration::from_secs(10), || child.try_wait().unwrap().is_some());
        assert!(!child.wait().unwrap().success(), "{variables}");
        assert!(manager.log().contains("AIMUX-E0106"), "{variables}: {}", manager.log());
    }
}

#[test]
fn a_socket_for_another_process_is_left_alone() {
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine")]));
    let mut manager = Manager::new(&config(&[(Speaks::Chat, &upstream)], "\"*\": [up0/m]", ""));
    let passed: OwnedFd = manager.socket.try_clone().unwrap().into();
    manager.child = Some(manager.command(Stdio::from(passed), "LISTEN_FDS=1 LISTEN_PID=1").spawn().unwrap());
    manager.hear("READY=1");
    let said = manager.heard.join("\n");
    assert!(said.contains("serving on http://127.0.0.1:") && !said.contains(&format!(":{}", manager.port())), "{said}");
}
