//! `aimux doctor`: each finding that its user would meet, with its cause and what mends it.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aimux::error::Code;
use aimux::ledger::{Ending, Entry, Ledger, Place, Settings};
use serde_json::Value;

use super::provider::Provider;
use super::{aimux, assert_exit, feed, stderr, stdout};

const KEY: &str = "good-key-0123456789";

struct Home(tempfile::TempDir);

impl Home {
    /// A config with one provider on `url`, whose key is there, and a listening address.
    fn with(url: &str, listen: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        let mut command = aimux(home.0.path());
        command.args(["keys", "add", "one"]);
        assert_exit(&feed(command, KEY), 0);
        fs::create_dir(home.path("bin")).unwrap();
        home.config(&format!(
            "version: 1\nserver: {{ listen: \"{listen}\" }}\nproviders:\n  one: {{ dialect: openai-chat, base_url: \"{url}/v1\", key: one }}\nmodels:\n  main: [one/large]\n"
        ));
        home
    }

    fn new() -> Self {
        Self::with("http://127.0.0.1:1", "127.0.0.1:0")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn config(&self, text: &str) {
        fs::write(self.path(".config/aimux/config.yaml"), text).unwrap();
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The command with no client of this machine in its path.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = aimux(self.0.path());
        command.env("PATH", self.path("bin")).env("LANG", "C.UTF-8").arg("doctor").args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn offline(&self) -> Told {
        Told::of(&self.command(&["--offline", "--json"]).output().unwrap())
    }
}

/// What `--json` told.
struct Told(Value, Option<i32>);

impl Told {
    fn of(output: &Output) -> Self {
        let told = serde_json::from_str(&stdout(output)).unwrap_or_else(|error| panic!("{error}: {}{}", stdout(output), stderr(output)));
        Self(told, output.status.code())
    }

    /// The finding of a check that is not in order, by a part of what it says.
    fn finding(&self, check: &str, part: &str) -> &Value {
        let findings = self.0["findings"].as_array().unwrap();
        let is_it = |finding: &&Value| finding["check"] == check && finding["what"].as_str().unwrap().contains(part);
        findings.iter().find(is_it).unwrap_or_else(|| panic!("no {check} with {part:?} in {:#}", self.0))
    }

    fn level(&self, check: &str, part: &str) -> &str {
        self.finding(check, part)["level"].as_str().unwrap()
    }

    fn mend(&self, check: &str, part: &str) -> &str {
        self.finding(check, part)["mend"].as_str().unwrap()
    }
}

/// Without what differs from machine to machine.
fn normal(text: &str, home: &Path) -> String {
    let text = text.replace(&home.display().to_string(), "HOME");
    let number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    let line = |line: &str| {
        let is_figure = line.contains("MiB are free") || line.contains("may be open") || line.contains("answers on");
        let words: Vec<&str> = line.split(' ').map(|word| if is_figure && !word.is_empty() && number(word) { "N" } else { word }).collect();
        words.join(" ") + "\n"
    };
    text.lines().map(line).collect()
}

#[test]
fn a_healthy_home_is_told_in_whole() {
    let provider = Provider::start(|_| ("200 OK", r#"{"data":[{"id":"large"}]}"#.to_owned()));
    let home = Home::with(&provider.url, "127.0.0.1:0");
    home.program("claude", "echo '2.1.197 (Claude Code)'");
    fs::create_dir_all(home.path(".local/state/aimux")).unwrap();
    let output = home.run(&[]);
    assert_exit(&output, 0);
    assert_eq!(stderr(&output), "", "progress is for terminals");
    let host = provider.url.trim_start_matches("http://");
    assert_eq!(
        normal(&stdout(&output), home.0.path()).replace(host, "HOST"),
        "\
Config
  ✓ HOME/.config/aimux/config.yaml is valid
  ✓ 6 values come from the file, all others are defaults

Keys
  ✓ HOME/.config/aimux/identity.txt opens 1 key file

Server
  ✓ none runs; `aimux run` and `aimux serve` start one
  ✓ no units are installed; `aimux service install` has the system start the server
  ✓ N files may be open

State
  ✓ HOME/.local/state/aimux can be written
  ✓ the ledger: nothing is kept yet
  ✓ the conversations: nothing is kept yet
  ✓ the audit log has 2 entries, as they were written
  ✓ N MiB are free for HOME/.local/state/aimux

Clients
  ✓ 2.1.197 (Claude Code), HOME/bin/claude

Providers
  ✓ one answers on HOST in N ms
  ✓ one accepts the key \"one\"
  ✓ one lists the config's 1 model

15 in order, 0 warnings, 0 errors
"
    );
    let asked = provider.asked.lock().unwrap();
    assert!(
        asked.iter().all(|head| head.is_empty() || head.starts_with("GET /v1/models ")),
        "nothing is asked that costs money: {asked:?}"
    );
}

#[test]
fn marks_are_ascii_and_without_colour_where_that_is_wanted() {
    let home = Home::new();
    let ascii = home.command(&["--offline"]).env("LC_ALL", "C").output().unwrap();
    assert!(stdout(&ascii).contains("\n  + ") && stdout(&ascii).is_ascii(), "{}", stdout(&ascii));
    assert!(!stdout(&home.run(&["--offline"])).contains('\u{1b}'));
}

#[test]
fn the_exit_code_says_the_worst_and_json_counts() {
    let home = Home::new();
    fs::create_dir_all(home.path(".local/state/aimux")).unwrap();
    let fine = home.offline();
    assert_eq!((fine.1, &fine.0["worst"]), (Some(0), &Value::from("ok")), "{:#}", fine.0);
    let both = home.command(&["--offline", "--json"]).env("ANTHROPIC_API_KEY", "a").env("ANTHROPIC_AUTH_TOKEN", "b").output().unwrap();
    let both = Told::of(&both);
    assert_eq!((both.1, &both.0["worst"], &both.0["counts"]["warnings"]), (Some(1), &Value::from("warning"), &Value::from(1)));
    home.config("version: 2\n");
    let broken = home.offline();
    assert_eq!((broken.1, &broken.0["worst"]), (Some(2), &Value::from("error")));
}

#[test]
fn a_broken_config_is_told_by_line_and_its_code_explained() {
    let home = Home::new();
    home.config("version: 1\nprovider: {}\nproviders: { one: { dialect: openai-chat, base_url: \"http://127.0.0.1:1/v1\" } }\n");
    let told = home.offline();
    assert_eq!(told.level("config", "config.yaml:2: "), "error");
    assert!(told.mend("config", "config.yaml:2: ").starts_with("aimux config validate --"));
}

#[test]
fn without_config_and_keys_only_that_is_an_error() {
    let home = Home(tempfile::tempdir().unwrap());
    fs::create_dir(home.path("bin")).unwrap();
    let told = home.offline();
    assert_eq!(told.mend("config", "no config"), "aimux keys add anthropic");
    assert_eq!(told.0["counts"]["errors"], 1, "{:#}", told.0);
    assert!(!home.path(".local").exists() && !home.path(".config").exists(), "it leaves nothing behind");
}

#[test]
fn overrides_by_the_environment_are_named() {
    let home = Home::new();
    let output = home.command(&["--offline", "--json"]).env("AIMUX_SERVER__LISTEN", "127.0.0.1:0").output().unwrap();
    let told = Told::of(&output);
    assert_eq!(told.finding("origin", "1 from the environment")["why"], "AIMUX_SERVER__LISTEN sets server.listen");
}

#[test]
fn a_key_that_others_can_read_is_told_and_mended() {
    let home = Home::new();
    home.mode(".config/aimux/keys/one.age", 0o640);
    home.mode(".config/aimux/keys", 0o755);
    let told = home.offline();
    assert_eq!(told.level("key-file", "mode 640"), "error");
    assert!(told.mend("key-file", "mode 640").starts_with("chmod 600 "));
    assert_eq!(told.level("key-folder", "mode 755"), "error");
    let asked = home.run(&["--offline", "--fix"]);
    assert_exit(&asked, 64);
    assert!(stderr(&asked).contains("no terminal to ask on"), "{}", stderr(&asked));
    let mended = home.run(&["--offline", "--fix", "--yes"]);
    assert_exit(&mended, 0);
    assert_eq!(stderr(&mended).matches("mended: ").count(), 2, "{}", stderr(&mended));
    let mode = |name: &str| fs::metadata(home.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(".config/aimux/keys/one.age"), mode(".config/aimux/keys")), (0o600, 0o700));
}

#[test]
fn a_key_that_the_identity_does_not_open_is_told() {
    let home = Home::new();
    fs::remove_file(home.path(".config/aimux/identity.txt")).unwrap();
    let told = home.offline();
    assert_eq!(told.level("identity", "there is no identity"), "error");
}

#[test]
fn a_file_of_somebody_else_and_a_link_are_no_keys() {
    let home = Home::new();
    fs::copy(home.path(".config/aimux/keys/one.age"), home.path("elsewhere.age")).unwrap();
    std::os::unix::fs::symlink(home.path("elsewhere.age"), home.path(".config/aimux/keys/two.age")).unwrap();
    let told = home.offline();
    assert_eq!(told.level("key-file", "two.age is a symlink"), "error");
    assert!(told.mend("key-file", "two.age is a symlink").starts_with("ls -l "));
    fs::remove_file(home.path(".config/aimux/keys/two.age")).unwrap();
    // Root can give a file away; for anybody else a file of root's is a stranger's.
    let (told, owner) = if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(home.path(".config/aimux/keys/one.age"), Some(12345), None).unwrap();
        (home.offline(), 12345)
    } else {
        let output = home.command(&["--offline", "--json"]).env("AIMUX_IDENTITY", "/etc/passwd").output().unwrap();
        (Told::of(&output), 0)
    };
    assert_eq!(told.level("key-file", &format!("belongs to user {owner}, not to you")), "error");
    assert!(told.mend("key-file", "belongs to user").starts_with("sudo chown "));
}

#[test]
fn too_few_open_files_and_a_folder_that_is_not_there_are_told() {
    let home = Home::new();
    let mut command = Command::new("/bin/sh");
    let program = assert_cmd::cargo::cargo_bin("aimux");
    command.args(["-c", "ulimit -n 512 && exec \"$0\" doctor --offline --json"]).arg(program).env_clear().env("HOME", home.0.path());
    let told = Told::of(&command.env("PATH", home.path("bin")).output().unwrap());
    assert_eq!((told.level("open-files", "may have 512 files open"), told.mend("open-files", "512")), ("warning", "ulimit -n 8192"));
    let config = fs::read_to_string(home.path(".config/aimux/config.yaml")).unwrap();
    let ledger = home.path("far/away/ledger.sqlite");
    home.config(&format!("{config}ledger: {{ path: {} }}\n", ledger.display()));
    assert!(home.offline().mend("ledger", "is not there").starts_with("mkdir -p -m 700 "));
    let mended = home.run(&["--offline", "--fix", "--yes"]);
    assert_exit(&mended, 0);
    assert!(stderr(&mended).contains("mended: mkdir -p -m 700 "), "{}", stderr(&mended));
    assert_eq!(ledger.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_server_of_another_version_is_told() {
    let home = Home::new();
    let config = fs::canonicalize(home.path(".config/aimux/config.yaml")).unwrap();
    let folder = home.path(".local/state/aimux/run");
    fs::create_dir_all(&folder).unwrap();
    home.mode(".local/state/aimux/run", 0o700);
    let socket = aimux::server::control::socket_path(&folder, &config);
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let lock = fs::File::create(socket.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut byte = [0];
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && std::io::Read::read_exact(&mut stream, &mut byte).is_ok() {
                head.extend(byte);
            }
            let body = r#"{"version":"0.0.1","pid":1,"address":"127.0.0.1:9","on_demand":false}"#;
            // Whoever has gone is told nothing.
            let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        }
    });
    let told = home.offline();
    assert_eq!(told.level("server", "aimux 0.0.1 runs on http://127.0.0.1:9"), "warning");
    assert_eq!(told.mend("server", "aimux 0.0.1 runs"), "aimux stop", "one that cannot hand over");
}

#[test]
fn a_service_manager_that_hangs_does_not_hold_the_doctor_up() {
    let home = Home::new();
    home.program("systemctl", "exec /bin/sleep 60");
    let folder = home.path(".config/systemd/user");
    fs::create_dir_all(&folder).unwrap();
    for unit in ["aimux.socket", "aimux.service"] {
        fs::write(folder.join(unit), "[Unit]\n").unwrap();
    }
    let began = std::time::Instant::now();
    let told = home.offline();
    assert!((5..30).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert_eq!(told.level("service", "systemctl does not answer in 5 s"), "warning");
}

#[test]
fn a_port_that_is_taken_is_told_with_its_owner() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = Home::with("http://127.0.0.1:1", &address);
    let told = home.offline();
    assert_eq!(told.level("port", "is in use by"), "error");
    if cfg!(target_os = "linux") {
        assert_eq!(told.mend("port", &format!("{address} is in use by")), format!("kill {}", std::process::id()));
    }
    drop(taken);
    assert_eq!(home.offline().level("port", "is free"), "ok");
}

#[test]
fn what_a_dead_server_left_is_removed_and_a_live_lock_is_not() {
    let home = Home::new();
    let config = fs::canonicalize(home.path(".config/aimux/config.yaml")).unwrap();
    let folder = home.path(".local/state/aimux/run");
    fs::create_dir_all(&folder).unwrap();
    home.mode(".local/state/aimux/run", 0o700);
    let socket = aimux::server::control::socket_path(&folder, &config);
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let lock = fs::File::create(socket.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(home.offline().level("server", "has the lock"), "error");
    home.run(&["--offline", "--fix", "--yes"]);
    assert!(socket.exists(), "somebody has the lock");
    drop(lock);
    assert_eq!(home.offline().level("server", "is dead left its socket"), "warning");
    home.run(&["--offline", "--fix", "--yes"]);
    assert!(!socket.exists());
}

#[test]
fn a_ledger_that_is_damaged_is_told() {
    let home = Home::new();
    fs::create_dir_all(home.path(".local/state/aimux")).unwrap();
    fs::write(home.path(".local/state/aimux/ledger.sqlite"), "this is no database, whatever its name may say").unwrap();
    home.mode(".local/state/aimux/ledger.sqlite", 0o600);
    let told = home.offline();
    assert_eq!(told.level("ledger", "is damaged"), "error");
    assert!(told.mend("ledger", "is damaged").starts_with("mv "));
}

#[test]
fn what_leads_claude_code_past_aimux_is_told() {
    let home = Home::with("http://127.0.0.1:1", "127.0.0.1:24683");
    fs::create_dir(home.path(".claude")).unwrap();
    fs::write(
        home.path(".claude/settings.json"),
        r#"{"env":{"ANTHROPIC_BASE_URL":"http://127.0.0.1:3456","CLAUDE_CODE_USE_VERTEX":"1"},"apiKeyHelper":"x"}"#,
    )
    .unwrap();
    let mut command = home.command(&["--offline", "--json"]);
    command.env("ANTHROPIC_BASE_URL", "http://127.0.0.1:24683/v1").env("CLAUDE_CODE_USE_BEDROCK", "1");
    let told = Told::of(&command.output().unwrap());
    assert_eq!(told.mend("base-url", "/v1"), "eval \"$(aimux env)\"");
    assert_eq!(told.mend("cloud", "CLAUDE_CODE_USE_BEDROCK"), "unset CLAUDE_CODE_USE_BEDROCK");
    assert!(
        told.finding("settings", "http://127.0.0.1:3456, aimux is on http://127.0.0.1:24683")["why"]
            .as_str()
            .unwrap()
            .contains("another address")
    );
    assert_eq!(told.level("settings", "sets CLAUDE_CODE_USE_VERTEX"), "warning");
    assert_eq!(told.level("settings", "apiKeyHelper"), "warning");
    let mut command = home.command(&["--offline", "--json"]);
    fs::create_dir_all(home.path(".local/state/aimux")).unwrap();
    fs::write(home.path(".local/state/aimux/client-token"), "aimux-own").unwrap();
    home.mode(".local/state/aimux/client-token", 0o600);
    command.env("ANTHROPIC_BASE_URL", "http://127.0.0.1:24683").env("ANTHROPIC_AUTH_TOKEN", "aimux-other");
    assert_eq!(Told::of(&command.output().unwrap()).level("tokens", "not the token of this server"), "error");
}

#[test]
fn a_client_that_hangs_or_fails_does_not_hold_the_doctor_up() {
    let home = Home::new();
    home.program("claude", "echo broken >&2; exit 3");
    home.program("aider", "echo 'aider 0.86.1'");
    home.program("codex", "exec /bin/sleep 60");
    let began = std::time::Instant::now();
    let told = home.offline();
    assert!((10..40).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert_eq!(told.level("program", "does not tell its version: nothing in 10 s"), "warning");
    assert_eq!(told.level("program", "does not tell its version"), "warning");
    assert_eq!(told.level("program", "aider 0.86.1, "), "ok");
}

/// What answers a TLS greeting with something else, at once.
fn speaks_no_tls() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever has gone meanwhile is told nothing.
            let _ = stream.unwrap().write_all(b"220 mail.example ESMTP\r\n");
        }
    });
    url
}

#[test]
fn a_dead_provider_a_refused_key_and_a_model_that_is_not_listed_are_told() {
    let provider = Provider::taking(KEY);
    let home = Home::with(&provider.url, "127.0.0.1:0");
    let mut command = aimux(home.0.path());
    command.args(["keys", "add", "bad"]);
    assert_exit(&feed(command, "bad-key-0123456789"), 0);
    home.config(&format!(
        "version: 1\nserver: {{ listen: \"127.0.0.1:0\" }}\nproviders:
  one: {{ dialect: openai-chat, base_url: \"{0}/v1\", keys: [one, bad] }}
  dead: {{ dialect: openai-chat, base_url: \"http://127.0.0.1:1/v1\" }}
  nowhere: {{ dialect: openai-chat, base_url: \"https://nowhere.invalid/v1\" }}
  plain: {{ dialect: openai-chat, base_url: \"{1}/v1\" }}
models:\n  main: [one/large]\n",
        provider.url,
        speaks_no_tls()
    ));
    let told = Told::of(&home.run(&["--json"]));
    assert_eq!(told.level("connect", "dead: 127.0.0.1:1 takes no connection"), "error");
    assert_eq!(told.level("dns", "nowhere: the name nowhere.invalid"), "error");
    assert_eq!(told.level("tls", "plain: "), "error");
    assert_eq!(told.level("key", "accepts the key \"one\""), "ok");
    assert_eq!(told.mend("key", "refuses the key \"bad\": 401"), "aimux keys rotate bad");
    assert_eq!(told.level("models", "one does not list large"), "warning");
    assert!(!told.0.to_string().contains("bad-key-0123456789"));
    let proxied = home.command(&["--json"]).env("HTTPS_PROXY", "http://127.0.0.1:1").output().unwrap();
    assert_eq!(Told::of(&proxied).level("proxy", "HTTPS_PROXY is set"), "warning");
}

#[test]
fn a_clock_that_is_wrong_is_told_by_the_providers() {
    let provider = Provider::start(|_| ("200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT", r#"{"data":[{"id":"large"}]}"#.to_owned()));
    let home = Home::with(&provider.url, "127.0.0.1:0");
    let told = Told::of(&home.run(&["--json"]));
    assert_eq!(told.level("clock", "s ahead of a provider's"), "warning");
}

#[test]
fn a_report_for_others_has_no_secret_in_it() {
    let provider =
        Provider::start(|head| ("401 Unauthorized", format!("{{\"error\":{{\"message\":\"no: {}\"}}}}", head.replace("\r\n", " "))));
    let home = Home::with(&provider.url, "127.0.0.1:0");
    let marker = "marker-of-a-secret-1";
    fs::create_dir(home.path(".claude")).unwrap();
    fs::write(home.path(".claude/settings.json"), format!("{{\"env\":{{\"ANTHROPIC_BASE_URL\":\"http://{marker}.example\"}}}}")).unwrap();
    let mut command = home.command(&["--bundle", "report.json"]);
    command
        .env("ANTHROPIC_API_KEY", marker)
        .env("ANTHROPIC_AUTH_TOKEN", format!("{marker}-longer"))
        .env("AIMUX_SERVER__LISTEN", "127.0.0.1:24684");
    let output = command.output().unwrap();
    assert!(stderr(&output).contains("wrote report.json"), "{}", stderr(&output));
    let text = fs::read_to_string(home.path("report.json")).unwrap();
    for secret in [KEY, marker, home.0.path().to_str().unwrap()] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let report: Value = serde_json::from_str(&text).unwrap();
    assert!(text.contains("[redacted]") && report["doctor"]["findings"].as_array().unwrap().len() > 8, "{text}");
    assert!(report["config"].as_array().unwrap().iter().any(|row| row["origin"] == "AIMUX_SERVER__LISTEN"), "{text}");
    assert_eq!(fs::metadata(home.path("report.json")).unwrap().permissions().mode() & 0o777, 0o600);
    let again = home.run(&["--offline", "--bundle", "report.json"]);
    assert_exit(&again, 74);
    assert_eq!(fs::read_to_string(home.path("report.json")).unwrap(), text, "a file that is there stays as it is");
}

#[test]
fn every_check_stands_in_the_page_on_troubleshooting() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/troubleshooting.md")).unwrap();
    let mut names = std::collections::BTreeSet::new();
    let files = |folder: &str| fs::read_dir(root.join(folder)).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file());
    for file in files("src/cli/doctor") {
        let text: String = fs::read_to_string(file).unwrap().split_whitespace().collect();
        for level in ["ok", "warning", "error"] {
            for rest in text.split(&format!("Finding::{level}(Group::")).skip(1) {
                let after = rest.split_once(',').unwrap().1;
                names.extend(after.strip_prefix('"').and_then(|after| after.split('"').next()).map(str::to_owned));
            }
        }
    }
    // The checks of --live have their names as literals alone.
    let suite = fs::read_to_string(root.join("src/cli/doctor/live/suite.rs")).unwrap();
    let in_suite = suite.split("Check::new(\"").skip(1).filter_map(|after| after.split('"').next()).filter(|name| *name != "rest");
    names.extend(in_suite.map(str::to_owned));
    assert!(names.len() > 28, "{names:?}");
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "{name} is not in docs/troubleshooting.md");
    }
}

#[test]
fn what_was_measured_long_ago_is_told_and_what_is_of_another_address_is_not() {
    let home = Home::new();
    fs::create_dir_all(home.path(".local/state/aimux")).unwrap();
    let kept = |model: &str, base_url: &str, day: &str| {
        format!(
            r#"{{"provider":"one","model":"{model}","dialect":"openai-chat","base_url":"{base_url}","findings":[
                {{"ability":"tools","supported":false,"measured":"{day}T01:02:03Z","aimux":"0.1.0","why":"none"}}]}}"#
        )
    };
    let write = |targets: &[String]| {
        let text = format!(r#"{{"version":1,"targets":[{}]}}"#, targets.join(","));
        fs::write(home.path(".local/state/aimux/measured.json"), text).unwrap();
    };
    let other = kept("large", "http://127.0.0.1:2/v1", "2020-01-01");
    write(std::slice::from_ref(&other));
    let told = home.offline();
    assert!(told.0["findings"].as_array().unwrap().iter().all(|finding| finding["check"] != "measured"), "{:#}", told.0);
    write(&[other.clone(), kept("large", "http://127.0.0.1:1/v1", "2020-01-01")]);
    let told = home.offline();
    assert_eq!(told.level("measured", "one/large was measured"), "warning");
    assert_eq!(told.mend("measured", "one/large was measured"), "aimux doctor --live one/large");
    write(&[other, kept("large", "http://127.0.0.1:1/v1", "2999-01-01")]);
    assert_eq!(home.offline().level("measured", "1 model was measured"), "ok");
}

#[test]
fn what_failed_of_late_is_told_by_code_with_its_cause() {
    let home = Home::new();
    let path = home.path(".local/state/aimux/ledger.sqlite");
    let ledger = Ledger::start(&Settings { enabled: true, place: Place::File(path), keep_days: 30 }).unwrap();
    let now_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    for (age_h, code) in [(1, Some(Code::UpstreamAuth)), (2, Some(Code::UpstreamAuth)), (3, None), (48, Some(Code::UpstreamTls))] {
        ledger.put(Box::new(Entry {
            time_ms: now_ms - age_h * 3_600_000,
            provider: "one".to_owned(),
            model: "large".to_owned(),
            code,
            ending: Ending::Failed,
            ..Entry::default()
        }));
    }
    assert!(ledger.flush(Duration::from_secs(10)));
    let told = home.offline();
    assert_eq!(told.level("ledger", "is sound"), "ok");
    let refused = told.finding("errors", "2 requests of the last day failed: the provider refused the key (AIMUX-E0507)");
    assert!(refused["what"].as_str().unwrap().ends_with(", at one/large"), "{refused}");
    assert!(refused["why"].as_str().unwrap().contains("does not accept the key"), "{refused}");
    assert_eq!(told.level("errors", "1 request of the last day failed: broke off;"), "warning");
    assert!(!told.0.to_string().contains("E0508"), "the day before yesterday is over");
}

#[test]
fn units_that_start_a_program_which_is_gone_are_told() {
    let home = Home::new();
    home.program("systemctl", "exit 0");
    let folder = home.path(".config/systemd/user");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("aimux.socket"), "[Socket]\nListenStream=127.0.0.1:1\n").unwrap();
    fs::write(folder.join("aimux.service"), "[Service]\nExecStart=\"/gone 100%%/aimux\" serve\n").unwrap();
    let told = home.offline();
    assert_eq!(told.mend("service", "/gone 100%/aimux, which is not there"), "aimux service install");
    fs::remove_file(folder.join("aimux.socket")).unwrap();
    assert_eq!(home.offline().mend("service", "some of the units are missing"), "aimux service install");
}

#[test]
fn a_proxy_that_clients_would_ask_for_the_loopback_address_is_told() {
    let home = Home::new();
    let told = |pairs: &[(&str, &str)]| Told::of(&home.command(&["--offline", "--json"]).envs(pairs.iter().copied()).output().unwrap());
    let proxied = told(&[("HTTP_PROXY", "http://proxy:1")]);
    assert_eq!(proxied.mend("proxy", "NO_PROXY does not except"), "export NO_PROXY=127.0.0.1,localhost");
    let excepted = told(&[("HTTP_PROXY", "http://proxy:1"), ("no_proxy", "example.com, localhost")]);
    assert_eq!(excepted.0["counts"]["warnings"], 0, "{:#}", excepted.0);
}

#[test]
fn nobody_is_asked_for_a_passphrase_where_there_is_no_terminal() {
    let home = Home::new();
    for file in ["identity.txt", "keys/one.age", "keys/.age-recipients"] {
        fs::remove_file(home.path(".config/aimux").join(file)).unwrap();
    }
    let mut command = aimux(home.0.path());
    command.args(["keys", "init", "--passphrase"]);
    assert_exit(&feed(command, "correct horse battery\n"), 0);
    let mut command = aimux(home.0.path());
    command.args(["keys", "add", "one"]);
    assert_exit(&feed(command, KEY), 0);
    assert_eq!(home.offline().level("identity", "a passphrase protects the identity; the 1 key file"), "ok");
    let provider = Provider::taking(KEY);
    home.config(&format!("version: 1\nproviders: {{ one: {{ dialect: openai-chat, base_url: \"{}/v1\", key: one }} }}\n", provider.url));
    let told = Told::of(&home.run(&["--json"]));
    assert!(told.finding("key", "cannot be had")["what"].as_str().unwrap().contains("no terminal to ask on"));
}
