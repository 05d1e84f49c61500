//! `aimux route PROMPT`: the program against scripted upstreams, from here and through a running server.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::faults::{BOTH, Case, FAULTS, config as faulty, fault};
use crate::gateway::{Gateway, aimux, config, until};
use crate::replies::{Speaks, text, thinking};
use crate::upstream::{Act, Answer, Outcome, Upstream};

/// A home with a config.
pub(crate) fn home(config: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/aimux");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.yaml"), config).unwrap();
    home
}

/// The command, with nothing on standard input.
pub(crate) fn route(home: &Path, args: &[&str]) -> Command {
    let mut command = aimux(home);
    command.arg("route").args(args).current_dir(home).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn run(home: &Path, args: &[&str]) -> Output {
    route(home, args).output().unwrap()
}

pub(crate) fn feed(home: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut child = route(home, args).stdin(Stdio::piped()).spawn().unwrap();
    // What it does not want it does not read.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What it said besides, but for a ledger that a busy disk kept from being written in time.
pub(crate) fn stderr(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    text.split_inclusive('\n').filter(|line| !line.contains("AIMUX-E0604")).collect()
}

/// What it printed, which must be all well.
pub(crate) fn said(home: &Path, args: &[&str]) -> String {
    let output = run(home, args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}{}", stdout(&output), stderr(&output));
    assert_eq!(stderr(&output), "", "{args:?}");
    stdout(&output)
}

/// One upstream that serves every name.
pub(crate) fn before(speaks: Speaks, upstream: &Upstream) -> tempfile::TempDir {
    home(&config(&[(speaks, upstream)], "\"*\": [up0/up-model]", ""))
}

/// An upstream that says this.
pub(crate) fn saying(speaks: Speaks, words: &'static str) -> Upstream {
    Upstream::start(move |seen, _| speaks.answer(seen, &[text(words)]))
}

fn usage(home: &Path) -> Value {
    let output = aimux(home).args(["usage", "--json", "--by", "client"]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}{}", stdout(&output), stderr(&output)))
}

#[test]
fn a_prompt_is_answered_in_both_dialects_streamed_and_whole() {
    for speaks in BOTH {
        let upstream = saying(speaks, "the answer");
        let home = before(speaks, &upstream);
        for (args, is_stream) in
            [(&["hello", "-s", "be brief", "-m", "claude-x"][..], true), (&["hello", "-s", "be brief", "--no-stream"], false)]
        {
            assert_eq!(said(home.path(), args), "the answer\n");
            let seen = upstream.seen().pop().unwrap();
            let body = seen.json();
            assert_eq!((seen.is_stream(), &body["model"]), (is_stream, &json!("up-model")));
            let whole = body.to_string();
            assert!(whole.contains("\"hello\"") && whole.contains("\"be brief\""), "{whole}");
            assert!(seen.headers.iter().any(|(_, value)| value.contains("sk-upstream-0123456789abcdef")));
        }
    }
}

#[test]
fn standard_input_is_the_prompt_or_stands_before_it() {
    let upstream = saying(Speaks::Chat, "fine");
    let home = before(Speaks::Chat, &upstream);
    let output = feed(home.path(), &[], b"what is this?\n");
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "fine\n"));
    let output = feed(home.path(), &["explain it"], b"fn main() {}\n");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let bodies: Vec<String> = upstream.seen().iter().map(|seen| seen.json()["messages"].to_string()).collect();
    assert!(bodies[0].contains("what is this?"), "{}", bodies[0]);
    let (code, prompt) = (bodies[1].find("fn main").unwrap(), bodies[1].find("explain it").unwrap());
    assert!(code < prompt, "{}", bodies[1]);
}

#[test]
fn no_fault_before_content_is_noticed_but_for_one_line_on_standard_error() {
    let scripts = BOTH.map(|speaks| {
        Upstream::start(move |seen, _| match seen.json()["model"].as_str().unwrap_or_default() {
            "healthy" => speaks.answer(seen, &[text("from the second")]),
            name => fault(&name.replace('_', " "), speaks, seen),
        })
    });
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(fault) = FAULTS.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let cases = BOTH.map(|upstream| Case { fault, upstream, client: upstream, is_stream: true });
                    let home = home(&faulty(&cases, &scripts));
                    for (index, args) in
                        [&["hi", "-n"][..], &["hi", "-n", "--no-stream"], &["hi", "-n"], &["hi", "-n", "--no-stream"]].iter().enumerate()
                    {
                        // Each with a memory of its own: a rest of the one would hide the fault from the next.
                        let _ = std::fs::remove_dir_all(home.path().join(".local"));
                        let output = run(home.path(), &[args, &["-m", &format!("case-{}", index / 2)][..]].concat());
                        let (out, err) = (stdout(&output), stderr(&output));
                        assert_eq!((output.status.code(), out.as_str()), (Some(0), "from the second\n"), "{fault} {args:?}: {err}");
                        assert_eq!(err.lines().count(), 1, "{fault} {args:?}: {err}");
                        assert!(
                            err.starts_with("aimux: ") && err.contains("healthy is asked") && err.contains("AIMUX-E05"),
                            "{fault}: {err}"
                        );
                    }
                }
            });
        }
    });
}

#[test]
fn through_a_server_and_from_here_the_answer_is_the_same() {
    let dead = Upstream::start(|_, _| Speaks::Chat.refusal(500, "oops"));
    for speaks in BOTH {
        let good = Upstream::start(move |seen, _| speaks.answer(seen, &[thinking("hm"), text("the answer")]));
        let text = config(&[(Speaks::Chat, &dead), (speaks, &good)], "\"claude-*\": [up0/bad, up1/claude-opus-4-8]", "");
        let gateway = Gateway::start(&text);
        let home = gateway.home();
        let path = home.join("aimux.yaml");
        let path = path.to_str().unwrap();
        let ask = |args: &[&str]| run(&home, &[&["hi", "-m", "claude-opus-4-8", "--config", path][..], args].concat());
        let (served, direct) = (ask(&[]), ask(&["--direct"]));
        assert_eq!((stdout(&served).as_str(), stdout(&direct).as_str()), ("the answer\n", "the answer\n"), "{}", stderr(&served));
        for output in [&served, &direct] {
            let err = stderr(output);
            assert!(err.lines().count() == 1 && err.contains("up0") && err.contains("up1/claude-opus-4-8 is asked"), "{err}");
        }
        let [mut served, mut direct] = [&["--json"][..], &["--json", "--direct"]].map(|args| {
            let output = ask(args);
            serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)))
        });
        assert_eq!((&served["via"], &direct["via"]), (&json!("server"), &json!("direct")));
        assert_eq!((&served["attempts"], &served["reasoning"]), (&json!(2), &json!("hm")));
        assert_eq!(served["failed"][0]["target"], "up0/bad");
        for answer in [&mut served, &mut direct] {
            let answer = answer.as_object_mut().unwrap();
            for own in ["via", "request_id", "first_content_ms", "total_ms"] {
                assert!(answer.remove(own).is_some_and(|value| !value.is_null()), "{own}");
            }
            answer["failed"][0]["message"].take();
        }
        assert_eq!(served, direct);
    }
}

#[test]
fn what_it_took_is_remembered_as_by_a_server_and_not_with_n() {
    let upstream = saying(Speaks::Chat, "fine");
    let home = before(Speaks::Chat, &upstream);
    said(home.path(), &["hello", "-n"]);
    assert!(!home.path().join(".local/state/aimux/ledger.sqlite").exists());
    said(home.path(), &["hello", "--header", "x-aimux-project: acme"]);
    let rows = usage(home.path()).to_string();
    assert!(rows.contains("aimux-route") && rows.contains("\"requests\":1"), "{rows}");
}

#[test]
fn what_rests_is_known_to_the_next_prompt() {
    let limited = Upstream::start(|_, _| Speaks::Chat.refusal(429, "slow down").header("retry-after", "60"));
    let good = saying(Speaks::Chat, "fine");
    let home = home(&config(&[(Speaks::Chat, &limited), (Speaks::Chat, &good)], "\"*\": [up0/a, up1/b]", ""));
    assert!(stderr(&run(home.path(), &["one"])).contains("up1/b is asked"));
    assert_eq!(said(home.path(), &["two"]), "fine\n");
    assert_eq!(limited.seen().len(), 1);
}

#[test]
fn a_missing_key_matters_only_where_it_is_needed() {
    let upstream = saying(Speaks::Chat, "fine");
    let extra = "  other: { preset: openai, key: { env: NOT_SET } }\n";
    let text =
        config(&[(Speaks::Chat, &upstream)], "mine: [up0/a]\n  theirs: [other/b]", "").replace("models:", &format!("{extra}models:"));
    let home = home(&text);
    assert_eq!(said(home.path(), &["hi", "-m", "mine"]), "fine\n");
    let output = run(home.path(), &["hi", "-m", "theirs"]);
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
    assert!(stderr(&output).contains("NOT_SET"), "{}", stderr(&output));
}

#[test]
fn exit_codes_are_those_of_the_table() {
    let answering = |answer: Answer| Upstream::start(move |_, _| answer.clone());
    let limits = "limits: { first_byte_s: 1, first_byte_whole_s: 1, body_mb: 1 }\nretry: { attempts_per_target: 1 }";
    for (answer, args, code, words) in [
        (Answer::json(200, "{}"), &["-m", "absent/x"][..], 65, "AIMUX-E0202"),
        (Speaks::Chat.refusal(400, "bad field"), &["hi"], 69, "AIMUX-E0501"),
        (Speaks::Chat.refusal(500, "oops"), &["hi"], 69, "AIMUX-E0502"),
        (Speaks::Chat.refusal(429, "slow").header("retry-after", "50"), &["hi"], 75, "AIMUX-E0503"),
        (Speaks::Chat.refusal(401, "who"), &["hi"], 77, "AIMUX-E0507"),
        (Answer::json(200, "{}").late(Duration::from_secs(9)), &["hi"], 75, "AIMUX-E0504"),
        (Answer::dead(), &["hi"], 69, "AIMUX-E0505"),
        (Answer::json(200, "<p>"), &["hi"], 69, "AIMUX-E0506"),
    ] {
        let upstream = answering(answer);
        let home = home(&config(&[(Speaks::Chat, &upstream)], "default: [up0/m]", limits));
        let output = run(home.path(), &[&["a prompt"], args][..].concat()[usize::from(args == ["hi"])..]);
        assert_eq!(output.status.code(), Some(code), "{words}: {}{}", stdout(&output), stderr(&output));
        assert!(output.stdout.is_empty() && stderr(&output).contains(words), "{words}: {}", stderr(&output));
        let json = run(home.path(), &[&["hi", "--json"], args][..].concat()[..2 + args.len() * usize::from(args != ["hi"])]);
        assert_eq!(json.status.code(), Some(code));
        if !json.stdout.is_empty() {
            let answer: Value = serde_json::from_slice(&json.stdout).unwrap();
            assert!(answer["error"]["code"] == words && answer["complete"] == false, "{answer}");
        }
    }
    let upstream = answering(Answer::json(200, "{}"));
    let home = home(&config(&[(Speaks::Chat, &upstream)], "default: [up0/m]", limits));
    for (input, code, words) in [(&b""[..], 64, "PROMPT"), (&vec![b'x'; 1 << 20], 65, "AIMUX-E0203"), (b"\xff\xfe\x00", 64, "no text")] {
        let output = feed(home.path(), &[], input);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn standard_input_is_read_no_further_than_the_limit() {
    let upstream = saying(Speaks::Chat, "no");
    let home = home(&config(&[(Speaks::Chat, &upstream)], "default: [up0/m]", "limits: { body_mb: 1 }"));
    let output = feed(home.path(), &["sum up"], &vec![b'x'; (1 << 20) + 1]);
    assert!(output.status.code() == Some(65) && stderr(&output).contains("standard input is longer than"), "{}", stderr(&output));
    // What has no end is not read to it.
    let endless = std::fs::File::open("/dev/zero").unwrap();
    let output = route(home.path(), &["sum up"]).stdin(endless).output().unwrap();
    assert!(output.status.code() == Some(65) && stderr(&output).contains("standard input is longer than"), "{}", stderr(&output));
    assert!(upstream.seen().is_empty());
}

#[test]
fn ten_megabytes_are_sent_where_the_limits_let_them() {
    let upstream = saying(Speaks::Chat, "fine");
    let home = before(Speaks::Chat, &upstream);
    let output = feed(home.path(), &["sum up"], &b"ten bytes \n".repeat(1 << 20)[..10 << 20]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "fine\n"), "{}", stderr(&output));
    assert!(upstream.only().body.len() > 10 << 20);
}

#[test]
fn an_answer_that_breaks_off_is_printed_and_told() {
    for speaks in BOTH {
        let upstream = Upstream::start(move |seen, _| {
            let answer = speaks.answer(seen, &[text("half of it and more")]);
            let count = answer.acts.len() - 3;
            answer.after(count, Act::Cut)
        });
        let home = before(speaks, &upstream);
        let output = run(home.path(), &["hi"]);
        assert_eq!(output.status.code(), Some(69), "{}", stderr(&output));
        assert!(stdout(&output).ends_with('\n') && stdout(&output).len() > 1, "{:?}", stdout(&output));
        assert!(stderr(&output).contains("AIMUX-E0505"), "{}", stderr(&output));
        assert_eq!(upstream.seen().len(), 1, "after content nothing is tried again");
    }
}

/// An upstream that says a little and then nothing for long.
fn pausing(speaks: Speaks) -> Upstream {
    Upstream::start(move |seen, _| {
        let answer = speaks.answer(seen, &[text("one two three four five six")]);
        let first =
            answer.acts.iter().position(|act| matches!(act, Act::Bytes(bytes) if String::from_utf8_lossy(bytes).contains("one"))).unwrap();
        answer.pause(first + 1, Duration::from_secs(30))
    })
}

/// Starts it and reads its first piece.
fn begun(home: &Path, args: &[&str]) -> (Child, String) {
    let mut child = route(home, args).spawn().unwrap();
    let mut piece = [0; 64];
    let length = child.stdout.as_mut().unwrap().read(&mut piece).unwrap();
    (child, String::from_utf8_lossy(&piece[..length]).into_owned())
}

#[test]
fn each_piece_is_printed_when_it_comes_and_ctrl_c_ends_it_cleanly() {
    for speaks in BOTH {
        let upstream = pausing(speaks);
        let home = before(speaks, &upstream);
        let (mut child, piece) = begun(home.path(), &["hi"]);
        assert!(piece.starts_with("one") || piece == "o", "{piece}");
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
        until("the upstream sees it go", Duration::from_secs(1), || upstream.only().outcome == Outcome::ClientGone);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        let rows = usage(home.path()).to_string();
        assert!(rows.contains("aimux-route"), "what was begun is in the ledger: {rows}");
    }
}

#[test]
fn an_attempt_that_is_given_up_is_cut_while_the_next_one_answers() {
    let silent = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("late")]).late(Duration::from_secs(30)));
    let slow = pausing(Speaks::Chat);
    let limits = "limits: { first_byte_s: 1 }";
    let home = home(&config(&[(Speaks::Chat, &silent), (Speaks::Chat, &slow)], "\"*\": [up0/a, up1/b]", limits));
    let (mut child, piece) = begun(home.path(), &["hi"]);
    assert!(piece.starts_with("one"), "{piece}");
    until("the first upstream sees it go", Duration::from_secs(1), || silent.only().outcome == Outcome::ClientGone);
    assert!(child.try_wait().unwrap().is_none(), "it still answers");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_reader_that_leaves_ends_it_and_the_upstream() {
    let upstream = Upstream::start(|seen, _| {
        let answer = Speaks::Chat.answer(seen, &[text(&"word ".repeat(40))]);
        (1..60).fold(
            answer,
            |answer, index| if index * 2 < answer.acts.len() { answer.pause(index * 2, Duration::from_millis(100)) } else { answer },
        )
    });
    let home = before(Speaks::Chat, &upstream);
    let (mut child, _) = begun(home.path(), &["hi"]);
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    until("the upstream sees it go", Duration::from_secs(1), || upstream.only().outcome == Outcome::ClientGone);
}

#[test]
fn escape_sequences_are_shown_wherever_they_come_from() {
    const HOSTILE: &str = "a\u{1b}[2Jb\u{1b}]0;title\u{7}c\rd\u{9b}31m";
    let upstream =
        Upstream::start(
            |seen, index| {
                if index == 0 { Speaks::Chat.answer(seen, &[text(HOSTILE)]) } else { Speaks::Chat.refusal(400, HOSTILE) }
            },
        );
    let home = before(Speaks::Chat, &upstream);
    for (args, code) in [(&["hi"][..], 0), (&["hi"], 69), (&["hi", "-m", "evil\u{1b}[31m/x\u{7}"], 69)] {
        let output = run(home.path(), args);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        let all = stdout(&output) + &stderr(&output);
        assert!(!all.contains(['\u{1b}', '\u{7}', '\r', '\u{9b}']), "{all:?}");
        assert!(all.contains("\\u{1b}["), "{all:?}");
    }
}

#[test]
fn a_key_that_the_provider_repeats_is_printed_nowhere() {
    for (is_error, args) in [(false, &["hi"][..]), (false, &["hi", "--no-stream"]), (true, &["hi"]), (true, &["hi", "--json"])] {
        let words = format!("your key is {}!", crate::gateway::KEY);
        let upstream = Upstream::start(move |seen, _| match is_error {
            true => Speaks::Chat.refusal(400, &words),
            false => Answer { acts: joined(Speaks::Chat.answer(seen, &[text(&words)])), ..Speaks::Chat.answer(seen, &[text(&words)]) },
        });
        let home = before(Speaks::Chat, &upstream);
        let output = run(home.path(), args);
        let all = stdout(&output) + &stderr(&output);
        assert!(!all.contains(crate::gateway::KEY) && all.contains("your key is"), "{all}");
    }
}

/// The same in one write.
fn joined(answer: Answer) -> Vec<Act> {
    let bytes = answer.acts.iter().flat_map(|act| if let Act::Bytes(bytes) = act { bytes.clone() } else { Vec::new() });
    vec![Act::Bytes(bytes.collect())]
}

#[test]
fn the_demo_answers_without_config_account_or_key() {
    let home = tempfile::tempdir().unwrap();
    let words = said(home.path(), &["hello", "--demo"]);
    assert!(words.ends_with("You said: hello\n"), "{words}");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "nothing is written down");
    for args in [&["hello"][..], &["--explain", "hello"]] {
        let output = run(home.path(), args);
        assert!(output.status.code() == Some(78) && stderr(&output).contains("`aimux route --demo`"), "{}", stderr(&output));
    }
}

/// What the commands of docs/route.md find in their folder.
fn prepared(home: &Path) {
    let folder = home.join(".config/aimux");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(home.join("notes.txt"), "one line\n").unwrap();
    std::fs::write(home.join("cat.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    std::fs::create_dir_all(home.join("src")).unwrap();
    std::fs::write(home.join("src/main.rs"), "fn main() {}\n").unwrap();
    std::fs::create_dir_all(home.join(".config/io.datasette.llm")).unwrap();
    let git = "git init -q . && git add notes.txt && echo another >> notes.txt";
    assert!(crate::readme::bash(home, git, &[]).status().unwrap().success());
}

/// The id of the latest conversation.
fn latest(home: &Path) -> String {
    let output = aimux(home).args(["logs", "--json"]).output().unwrap();
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    listed["conversations"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn every_command_of_the_page_answers() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/route.md")).unwrap();
    let commands = crate::readme::commands(&page);
    assert!(commands.len() > 5, "{commands:?}");
    let upstream = saying(Speaks::Chat, "an answer");
    let home = crate::readme::sandbox();
    prepared(home.path());
    let models = "models: { m: { price_input: 1, price_output: 10, output_max: 1000 } }";
    let text = config(&[(Speaks::Chat, &upstream)], "\"claude-*\": [up0/m]\n  default: [up0/m]", "");
    let text = text.replace("key: { env: UPSTREAM_KEY } }", &format!("key: {{ env: UPSTREAM_KEY }}, {models} }}"));
    std::fs::write(home.path().join(".config/aimux/config.yaml"), text).unwrap();
    let env = [("UPSTREAM_KEY", crate::gateway::KEY), ("AIMUX_CLIENT_TOKEN", crate::gateway::TOKEN)];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    for command in commands {
        let command = if command.contains("01kaj5") { command.replace("01kaj5", &latest(home.path())) } else { command };
        let output = crate::readme::bash(home.path(), &command, &env).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{command}: {}{}", stdout(&output), stderr(&output));
        let (words, told) = match command.as_str() {
            _ if command.contains("--schema") => ("\"age\":", ""),
            _ if command.contains("--demo") => ("You said: hello", ""),
            _ if command.contains("--compare") => ("FIRST TOKEN", ""),
            _ if command.contains("import llm") => ("logs       none", ""),
            _ if command.contains("--save") => ("", "saved "),
            _ => ("an answer", ""),
        };
        assert!(stdout(&output).contains(words), "{command}: {}{}", stdout(&output), stderr(&output));
        assert!(stderr(&output).starts_with(told) && stderr(&output).is_empty() == told.is_empty(), "{command}: {}", stderr(&output));
    }
}
