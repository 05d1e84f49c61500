//! Servers without a terminal, and one in the place of another: nobody who asks meanwhile is refused, and no stream is cut.

use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::gateway::{TOKEN, config, until};
use crate::http;
use crate::replies::{Speaks, text};
use crate::run::Home;
use crate::upstream::{Act, Upstream};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn run(home: &Home, args: &[&str]) -> Output {
    home.aimux(args).output().unwrap()
}

fn status(home: &Home) -> Value {
    serde_json::from_slice(&run(home, &["status", "--json"]).stdout).unwrap()
}

fn port(status: &Value) -> u16 {
    status["url"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap()
}

fn body(is_stream: bool) -> String {
    json!({"model": "m", "max_tokens": 9, "stream": is_stream, "messages": [{"role": "user", "content": "hi"}]}).to_string()
}

/// One request on a connection that is kept as long as the server lets it; what went wrong, in words.
fn ask(port: u16, kept: &mut Option<TcpStream>) -> Result<(), String> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => TcpStream::connect(("127.0.0.1", port)).map_err(|error| format!("connect: {error}"))?,
    };
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let body = body(false);
    let head =
        format!("POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).map_err(|error| format!("write: {error}"))?;
    let reading = stream.try_clone().unwrap();
    let whole =
        std::panic::catch_unwind(|| http::read_head(reading, "POST", Instant::now()).whole()).map_err(|_| "no answer".to_owned())?;
    if whole.status != 200 || !whole.is_complete {
        return Err(format!("{}: {}", whole.status, whole.text()));
    }
    if whole.header("connection") != Some("close") {
        *kept = Some(stream);
    }
    Ok(())
}

const HANDOVERS: usize = 20;
const STREAMS: usize = 50;
const RATE: usize = 200;
const ASKERS: usize = 8;

#[test]
fn twenty_handovers_under_load_cost_no_request_and_no_stream() {
    let is_over = AtomicBool::new(false);
    // A stream says a word each quarter of a second.
    let upstream = Upstream::start(|seen, _| {
        let mut answer = Speaks::Chat.answer(seen, &[text("one two three four five six")]);
        if seen.json()["stream"] == true {
            for pause in 0..80 {
                let at = 2 + pause;
                answer.acts.insert(at, Act::Pause(Duration::from_millis(250)));
                if pause % 2 == 0 {
                    answer.acts.insert(at, answer.acts[1].clone());
                }
            }
        }
        answer
    });
    let home = Home::new(&config(&[(Speaks::Chat, &upstream)], "\"*\": [up0/m]", "limits: { drain_s: 60, drain_stream_s: 60 }"));
    let output = run(&home, &["serve", "--background"]);
    assert!(output.status.success(), "{}", said(&output));
    let port = port(&status(&home));
    let (asked, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let headers = [("authorization", format!("Bearer {TOKEN}"))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let began = Instant::now();
    std::thread::scope(|scope| {
        let streams: Vec<_> = (0..STREAMS)
            .map(|_| scope.spawn(|| http::send(port, "POST", "/v1/messages", &headers, body(true).as_bytes()).whole()))
            .collect();
        let askers: Vec<_> = (0..ASKERS)
            .map(|asker| {
                let (is_over, asked, failures) = (&is_over, &asked, &failures);
                scope.spawn(move || {
                    let mut kept = None;
                    let mut next = Instant::now();
                    while !is_over.load(Ordering::Relaxed) {
                        // Half of them connect anew each time.
                        if asker % 2 == 0 {
                            kept = None;
                        }
                        if let Err(failure) = ask(port, &mut kept) {
                            failures.lock().unwrap().push(failure);
                        }
                        asked.fetch_add(1, Ordering::Relaxed);
                        next += Duration::from_millis((1000 * ASKERS / RATE) as u64);
                        std::thread::sleep(next.saturating_duration_since(Instant::now()));
                    }
                })
            })
            .collect();
        let mut pids = vec![status(&home)["pid"].clone()];
        for number in 0..HANDOVERS {
            let output = run(&home, &["restart"]);
            assert!(output.status.success(), "handover {number}: {}", said(&output));
            let pid = status(&home)["pid"].clone();
            assert!(!pids.contains(&pid), "handover {number}: {}", said(&output));
            pids.push(pid);
            // So that each has some load of its own.
            std::thread::sleep(Duration::from_millis(200));
        }
        let (handed, count) = (began.elapsed(), asked.load(Ordering::Relaxed));
        is_over.store(true, Ordering::Relaxed);
        askers.into_iter().for_each(|asker| asker.join().unwrap());
        println!("{HANDOVERS} handovers in {handed:?}, {count} requests");
        for stream in streams {
            let whole = stream.join().unwrap();
            assert!(whole.is_complete && whole.text().contains("event: message_stop"), "{}", whole.text());
        }
        for pid in &pids[..HANDOVERS] {
            until("the former servers end", Duration::from_secs(20), || {
                std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
                    || !std::path::Path::new(&format!("/proc/{pid}")).exists()
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {}: {:?}", failures.len(), asked.load(Ordering::Relaxed), &failures[..failures.len().min(5)]);
    assert!(asked.load(Ordering::Relaxed) > 20 * HANDOVERS, "there was load: {asked:?}");
}

#[test]
fn a_server_that_does_not_come_up_leaves_the_old_one_serving() {
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine")]));
    let good = config(&[(Speaks::Chat, &upstream)], "\"*\": [up0/m]", "");
    let home = Home::new(&good);
    assert!(run(&home, &["serve", "--background"]).status.success());
    let before = status(&home);
    let path = home.path().join("aimux.yaml");
    // The config is broken; then it is sound, but what the new server would listen on is another's.
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = good.replace("127.0.0.1:0\"", &format!("{}\"", busy.local_addr().unwrap()));
    for (broken, code) in [("version: 1\nproviders: { x: { dialekt: y } }\n".to_owned(), 78), (elsewhere, 69)] {
        std::fs::write(&path, broken).unwrap();
        let output = run(&home, &["restart"]);
        assert!(!output.status.success(), "{}", said(&output));
        assert!(output.status.code() == Some(code) && said(&output).contains("goes on"), "{:?} {}", output.status, said(&output));
        let after = status(&home);
        assert_eq!((&after["pid"], &after["url"]), (&before["pid"], &before["url"]));
        assert_eq!(ask(port(&before), &mut None), Ok(()));
    }
    std::fs::write(&path, good).unwrap();
    let output = run(&home, &["restart"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_ne!(status(&home)["pid"], before["pid"]);
    assert_eq!(status(&home)["url"], before["url"], "a free port stays the same one");
}

#[test]
fn another_address_is_taken_on_by_a_restart() {
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine")]));
    let home = Home::new(&config(&[(Speaks::Chat, &upstream)], "\"*\": [up0/m]", "server_: 0").replace("server_: 0", ""));
    assert!(run(&home, &["restart"]).status.success(), "none ran");
    let before = status(&home);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = std::fs::read_to_string(home.path().join("aimux.yaml")).unwrap().replace("127.0.0.1:0\"", &format!("{free}\""));
    std::fs::write(home.path().join("aimux.yaml"), text).unwrap();
    let output = run(&home, &["restart"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(port(&status(&home)), free.port());
    until("the former address is free", Duration::from_secs(10), || TcpStream::connect(("127.0.0.1", port(&before))).is_err());
}

#[test]
fn ten_starters_in_the_background_give_one_server() {
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine")]));
    let home = Home::new(&config(&[(Speaks::Chat, &upstream)], "\"*\": [up0/m]", ""));
    let children: Vec<_> =
        (0..10).map(|_| home.aimux(&["serve", "--background"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()).collect();
    let outputs: Vec<String> = children
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", said(&output));
            said(&output)
        })
        .collect();
    let address = |said: &str| said.split("on http://").nth(1).unwrap().trim().to_owned();
    assert!(outputs.iter().all(|said| address(said) == address(&outputs[0])), "{outputs:?}");
    assert_eq!(outputs.iter().filter(|said| said.contains("serves on")).count(), 1, "{outputs:?}");
    let log = home.path().join(".local/state/aimux/serve.log");
    assert_eq!(ask(port(&status(&home)), &mut None), Ok(()));
    until("the log has its file", Duration::from_secs(5), || std::fs::read_to_string(&log).unwrap_or_default().contains("aimux::access"));
    assert!(run(&home, &["stop"]).status.success());
}

/// The commands of docs/deployment.md, with programs in place of the service manager's that agree to all.
#[test]
fn every_command_of_the_page_on_deployment_runs() {
    use std::os::unix::fs::PermissionsExt;
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/deployment.md")).unwrap();
    let commands = crate::readme::commands(&page);
    assert!(commands.len() > 10, "{commands:?}");
    let home = crate::readme::sandbox();
    for name in ["systemctl", "journalctl", "launchctl"] {
        let path = home.path().join("bin").join(name);
        std::fs::write(&path, "#!/bin/sh\nexit 0\n").unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine")]));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = config(&[(Speaks::Chat, &upstream)], "\"*\": [up0/m]", "").replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
    std::fs::create_dir_all(home.path().join(".config/aimux")).unwrap();
    std::fs::write(home.path().join("new.yaml"), &config).unwrap();
    std::fs::write(home.path().join(".config/aimux/config.yaml"), config).unwrap();
    let variables =
        [("AIMUX_SERVER__LISTEN", format!("127.0.0.1:{port}")), ("AIMUX_CLIENT_TOKEN", TOKEN.to_owned()), ("UPSTREAM_KEY", "k".to_owned())];
    let variables = variables.map(|(name, value)| (name.to_owned(), value));
    let mut is_asked = false;
    for command in &commands {
        if command.contains(" switch ") && !is_asked {
            assert_eq!(in_session(port, "s-1").status, 200);
            is_asked = true;
        }
        let output = crate::readme::bash(home.path(), command, &variables).output().unwrap();
        assert!(output.status.success(), "{command}: {}", said(&output));
    }
    assert!(is_asked && commands.iter().any(|command| command == "aimux stop"), "{commands:?}");
}

/// A client's session, as Claude Code names it.
fn in_session(port: u16, session: &str) -> http::Whole {
    let token = format!("Bearer {TOKEN}");
    let headers = [("authorization", token.as_str()), ("x-claude-code-session-id", session)];
    http::send(port, "POST", "/v1/messages", &headers, body(false).as_bytes()).whole()
}

#[test]
fn a_session_is_switched_and_its_line_says_what_answers() {
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine")]));
    let home = Home::new(&config(&[(Speaks::Chat, &upstream)], "\"*\": [up0/usual]\n  other: [up0/special]", ""));
    let output = run(&home, &["switch", "other"]);
    assert!(output.status.code() == Some(74) && said(&output).contains("no server runs"), "{}", said(&output));
    assert!(run(&home, &["serve", "--background"]).status.success());
    let port = port(&status(&home));
    let output = run(&home, &["switch", "other"]);
    assert!(output.status.code() == Some(64) && said(&output).contains("no session has asked"), "{}", said(&output));
    let model = |session: &str| in_session(port, session).header("x-aimux-model").unwrap().to_owned();
    assert_eq!((model("s-2"), model("s-1")), ("usual".to_owned(), "usual".to_owned()));
    let output = run(&home, &["switch", "other"]);
    assert!(output.status.success() && said(&output).contains("session s-1 is answered by other"), "{}", said(&output));
    assert_eq!((model("s-2"), model("s-1")), ("usual".to_owned(), "special".to_owned()));
    assert_eq!(in_session(port, "s-1").json()["model"], "m", "the client reads what it asked for");
    let line = |input: &str| {
        let mut child = home.aimux(&["statusline"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    // The ledger writes a little later than the answer comes.
    let input = r#"{"session_id":"s-1","model":{"id":"m","display_name":"M"},"workspace":{}}"#;
    until("the line is there", Duration::from_secs(10), || line(input).starts_with("up0/special · "));
    assert!(line(input).ends_with(" · switched to other\n"), "{}", line(input));
    assert!(line(r#"{"session_id":"s-2"}"#).starts_with("up0/usual"));
    // It is called after each of the client's turns. The program here is not optimised, and the machine does other work too.
    let ten = "TIMEFORMAT='%U %S'; time for _ in 1 2 3 4 5 6 7 8 9 10; do printf '{\"session_id\":\"s-1\"}' | \"$AIMUX\" statusline >/dev/null; done";
    let mut timed = Command::new("bash");
    timed.args(["-c", ten]).envs(home.aimux(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = timed.env("AIMUX", assert_cmd::cargo::cargo_bin("aimux")).output().unwrap();
    let seconds: f64 = said(&output).split_whitespace().filter_map(|part| part.replace(',', ".").parse::<f64>().ok()).sum();
    assert!(output.status.success() && seconds < 2.0, "ten took {seconds} s: {}", said(&output));
    for nothing in ["", "{", r#"{"session_id":"../x y"}"#, r#"{"session_id":"unheard-of"}"#] {
        assert_eq!(line(nothing), "aimux\n", "{nothing}");
    }
    let output = run(&home, &["switch", "othre"]);
    assert!(output.status.success(), "`*` leads everywhere: {}", said(&output));
    assert!(run(&home, &["switch", "--back", "--session", "s-1"]).status.success());
    assert_eq!(model("s-1"), "usual");
    assert!(run(&home, &["stop"]).status.success());
    assert_eq!(line(input), "aimux: no server runs\n");
}
