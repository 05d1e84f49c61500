//! `aimux service`: what it writes, by the judgement of systemd's and Python's own readers, and what it asks of a service manager,
//! which a script that writes down its arguments plays.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{aimux, assert_exit, stderr, stdout};

const CONFIG: &str = "version: 1\nserver: { listen: \"127.0.0.1:24681\" }\nproviders: { ollama: {} }\n";

struct Home(tempfile::TempDir);

impl Home {
    /// With a config, and scripts in place of the programs of service managers.
    fn new() -> Self {
        let home = Self(tempfile::Builder::new().prefix("aimux 100% $HOME ").tempdir().unwrap());
        fs::create_dir(home.path("bin")).unwrap();
        fs::write(home.path("aimux.yaml"), CONFIG).unwrap();
        for name in ["systemctl", "journalctl", "launchctl"] {
            home.script(name, "exit 0");
        }
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A program that writes down its arguments, one in brackets each.
    fn script(&self, name: &str, then: &str) {
        let path = self.path("bin").join(name);
        let log = self.path("calls");
        fs::write(&path, format!("#!/bin/sh\n{{ printf {name}; printf ' [%s]' \"$@\"; echo; }} >> '{}'\n{then}\n", log.display())).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = aimux(self.0.path());
        command.env("PATH", format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap()));
        command.args(["--config", "aimux.yaml", "service"]).args(args).output().unwrap()
    }

    /// What was asked of service managers since the last time.
    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.path("calls"));
        text.lines().map(str::to_owned).collect()
    }

    fn unit(&self, name: &str) -> PathBuf {
        self.path(".config/systemd/user").join(name)
    }
}

const LISTENS: &[&str] = &["systemctl [--user] [daemon-reload]", "systemctl [--user] [enable] [--now] [aimux.socket]"];

#[test]
fn units_are_written_once_and_go_without_a_trace() {
    let home = Home::new();
    let output = home.run(&["install"]);
    assert_exit(&output, 0);
    assert_eq!(stdout(&output).matches("wrote ").count(), 2, "{}", stdout(&output));
    assert_eq!(home.calls(), LISTENS);
    let before = [fs::metadata(home.unit("aimux.socket")).unwrap(), fs::metadata(home.unit("aimux.service")).unwrap()];
    let output = home.run(&["install"]);
    assert_exit(&output, 0);
    assert_eq!(stdout(&output).matches("is as it should be").count(), 2, "{}", stdout(&output));
    let after = [fs::metadata(home.unit("aimux.socket")).unwrap(), fs::metadata(home.unit("aimux.service")).unwrap()];
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.modified().unwrap(), after.modified().unwrap(), "nothing was written again");
    }
    fs::write(home.path("aimux.yaml"), CONFIG.replace("24681", "24682")).unwrap();
    assert!(stdout(&home.run(&["install"])).contains("changed "));
    assert!(fs::read_to_string(home.unit("aimux.socket")).unwrap().contains("ListenStream=127.0.0.1:24682\n"));
    home.calls();
    let output = home.run(&["uninstall"]);
    assert_exit(&output, 0);
    assert_eq!(
        home.calls(),
        [
            "systemctl [--user] [disable] [--now] [aimux.socket]",
            "systemctl [--user] [stop] [aimux.service]",
            "systemctl [--user] [daemon-reload]"
        ]
    );
    assert!(!home.unit("aimux.socket").exists() && !home.unit("aimux.service").exists());
    let output = home.run(&["uninstall"]);
    assert_exit(&output, 0);
    assert_eq!((stdout(&output).as_str(), home.calls().len()), ("not installed\n", 0));
}

#[test]
fn a_dry_run_writes_nothing_and_asks_for_nothing() {
    let home = Home::new();
    let output = home.run(&["install", "--dry-run"]);
    assert_exit(&output, 0);
    let said = stdout(&output);
    assert!(said.contains("    ListenStream=127.0.0.1:24681\n") && said.contains("would run `systemctl --user daemon-reload`"), "{said}");
    assert!(!home.path(".config").exists() && home.calls().is_empty());
    assert_exit(&home.run(&["install"]), 0);
    home.calls();
    for command in ["uninstall", "start", "stop"] {
        let output = home.run(&[command, "--dry-run"]);
        assert_exit(&output, 0);
        assert!(stdout(&output).contains("would "), "{command}: {}", stdout(&output));
    }
    assert!(home.unit("aimux.socket").exists() && home.calls().is_empty());
}

#[test]
fn units_of_somebody_else_are_left_alone() {
    let home = Home::new();
    fs::create_dir_all(home.unit("")).unwrap();
    fs::write(home.unit("aimux.service"), "[Service]\nExecStart=/bin/true\n").unwrap();
    for command in ["install", "uninstall"] {
        let output = home.run(&[command]);
        assert_exit(&output, 77);
        assert!(stderr(&output).contains("was not written by aimux"), "{}", stderr(&output));
    }
    assert!(fs::read_to_string(home.unit("aimux.service")).unwrap().contains("/bin/true") && !home.unit("aimux.socket").exists());
}

#[test]
fn status_start_stop_and_logs_ask_the_manager() {
    let home = Home::new();
    assert_exit(&home.run(&["status"]), 3);
    assert_exit(&home.run(&["install"]), 0);
    home.calls();
    let output = home.run(&["status", "--json"]);
    assert_exit(&output, 0);
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(status["installed"] == true && status["listening"] == true && status["running"] == false, "{status}");
    home.script("systemctl", "exit 3");
    assert_exit(&home.run(&["status"]), 3);
    let output = home.run(&["start"]);
    assert_exit(&output, 69);
    assert!(stderr(&output).contains("AIMUX-E0181") && stderr(&output).contains("start aimux.socket"), "{}", stderr(&output));
    home.script("systemctl", "exit 0");
    home.calls();
    for (args, call) in [
        (&["start"][..], "systemctl [--user] [start] [aimux.socket]"),
        (&["stop"], "systemctl [--user] [stop] [aimux.socket] [aimux.service]"),
        (&["stop", "--system"], "systemctl [stop] [aimux.socket] [aimux.service]"),
        (&["logs", "-n", "5", "-f"], "journalctl [--user] [--unit] [aimux.service] [--lines] [5] [-f] [--no-pager]"),
    ] {
        assert_exit(&home.run(args), 0);
        assert_eq!(home.calls(), [call], "{args:?}");
    }
}

#[test]
fn what_cannot_be_a_service_is_said() {
    let home = Home::new();
    let output = home.run(&["install", "--system", "--dry-run"]);
    assert_exit(&output, 64);
    assert!(stderr(&output).contains("--as"), "{}", stderr(&output));
    fs::write(home.path("aimux.yaml"), CONFIG.replace("24681", "0")).unwrap();
    let output = home.run(&["install"]);
    assert_exit(&output, 64);
    assert!(stderr(&output).contains("chooses its port") || stderr(&output).contains("choose its port"), "{}", stderr(&output));
    fs::write(home.path("aimux.yaml"), "version: 1\nproviders: { zai: { key: { env: ZAI_API_KEY } } }\n").unwrap();
    let output = home.run(&["install", "--dry-run"]);
    assert!(stderr(&output).contains("$ZAI_API_KEY is a variable of this shell"), "{}", stderr(&output));
}

/// systemd's own judgement of the units, in a folder with these names.
fn verified(folder: &Path, whose: &str) {
    let runtime = tempfile::tempdir().unwrap();
    let mut command = Command::new("systemd-analyze");
    command.env("XDG_RUNTIME_DIR", runtime.path()).env("SYSTEMD_UNIT_PATH", format!("{}:", folder.display()));
    let output =
        command.args([whose, "--man=no", "verify"]).args([folder.join("aimux.socket"), folder.join("aimux.service")]).output().unwrap();
    // It complains of this machine's other units, too.
    let faults: Vec<String> = stderr(&output).lines().filter(|line| line.contains("aimux")).map(str::to_owned).collect();
    assert!(output.status.success() && faults.is_empty(), "{faults:?}\n{}", stderr(&output));
}

/// The units' texts, from a dry run, as files.
fn texts(said: &str, folder: &Path) {
    let mut name = String::new();
    for line in said.lines() {
        match line.strip_prefix("    ") {
            Some(text) => {
                let path = folder.join(&name);
                fs::write(&path, fs::read_to_string(&path).unwrap_or_default() + text + "\n").unwrap();
            }
            None => name = line.rsplit('/').next().unwrap().to_owned(),
        }
    }
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let home = Home::new();
    fs::write(home.path("identity"), "AGE-SECRET-KEY-1\n").unwrap();
    assert_exit(&home.run(&["install"]), 0);
    verified(&home.unit(""), "--user");
    let output = home.run(&["install", "--system", "--as", "daemon", "--dry-run"]);
    let folder = tempfile::tempdir().unwrap();
    texts(&stdout(&output), folder.path());
    assert!(fs::read_to_string(folder.path().join("aimux.service")).unwrap().contains("User=daemon\n"));
    verified(folder.path(), "--system");
    let unit = folder.path().join("aimux.service");
    let security = Command::new("systemd-analyze").args(["security", "--offline=yes", "--threshold=40"]).arg(&unit).output().unwrap();
    assert!(security.status.success(), "{}{}", stdout(&security), stderr(&security));
    fs::write(&unit, fs::read_to_string(&unit).unwrap().replace("Type=notify", "Type=notifies")).unwrap();
    let output = Command::new("systemd-analyze").args(["--man=no", "verify"]).arg(&unit).output().unwrap();
    assert!(stderr(&output).contains("notifies"), "it would have been seen: {}", stderr(&output));
}

#[test]
fn the_property_list_is_one() {
    let home = Home::new();
    let output = home.run(&["install", "--manager", "launchd"]);
    assert_exit(&output, 0);
    let path = home.path("Library/LaunchAgents/aimux.plist");
    let script = "import json, plistlib, sys\nprint(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))";
    let output = Command::new("python3").args(["-c", script]).arg(&path).output().unwrap();
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    assert_eq!((&list["Label"], &list["inetdCompatibility"]["Wait"]), (&"aimux".into(), &true.into()));
    let socket = &list["Sockets"]["http"];
    assert_eq!((&socket["SockNodeName"], &socket["SockServiceName"]), (&"127.0.0.1".into(), &"24681".into()));
    let words: Vec<&str> = list["ProgramArguments"].as_array().unwrap().iter().filter_map(|word| word.as_str()).collect();
    assert_eq!(words[1..4], ["serve", "--stdin-socket", "--log-file"]);
    assert_eq!(words[words.len() - 1], home.path("aimux.yaml").to_str().unwrap());
    assert!(home.run(&["uninstall", "--manager", "launchd"]).status.success() && !path.exists());
}

/// The socket by systemd's own activator: the server that the unit starts answers on it.
#[test]
fn systemds_own_activator_starts_the_server() {
    let home = Home::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    fs::write(home.path("aimux.yaml"), CONFIG.replace("listen: \"127.0.0.1:24681\"", "idle_exit_s: 1")).unwrap();
    let program = aimux(home.0.path());
    let mut command = Command::new("systemd-socket-activate");
    command.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.args(["--listen", &format!("127.0.0.1:{port}"), "--fdname=http"]).arg(program.get_program());
    let mut child = command
        .args(["serve", "--config"])
        .arg(home.path("aimux.yaml"))
        .stderr(fs::File::create(home.path("err")).unwrap())
        .spawn()
        .unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let mut answer = String::new();
    while answer.is_empty() && std::time::Instant::now() < end {
        if let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) {
            use std::io::{Read, Write};
            stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
            let _ = stream.read_to_string(&mut answer);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // It becomes the server that it starts, which ends by itself.
    let mut status = None;
    while status.is_none() && std::time::Instant::now() < end {
        status = child.try_wait().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}{}", fs::read_to_string(home.path("err")).unwrap());
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}
