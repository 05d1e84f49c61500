//! What `aimux route` keeps of its prompts, for `aimux logs`.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::faults::BOTH;
use crate::gateway::{Gateway, aimux, config};
use crate::oneshot::{before, home, route, run, said, saying, stderr, stdout};
use crate::replies::{Speaks, text};
use crate::terminal::Terminal;
use crate::upstream::{Act, Seen, Upstream};

fn place(home: &Path) -> PathBuf {
    home.join(".local/state/aimux/history.sqlite")
}

/// Runs `aimux logs` with JSON; what it prints.
fn logs(home: &Path, args: &[&str]) -> Value {
    let output = aimux(home).arg("logs").args(args).arg("--json").output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}{}", stdout(&output), stderr(&output)))
}

/// The exchanges of the latest conversation.
pub(crate) fn exchanges(home: &Path) -> Vec<Value> {
    let id = logs(home, &["-n", "1"])["conversations"][0]["id"].as_str().unwrap().to_owned();
    logs(home, &["show", &id])["exchanges"].as_array().unwrap().clone()
}

fn count(home: &Path) -> usize {
    logs(home, &["-n", "10000"])["conversations"].as_array().unwrap().len()
}

#[test]
fn a_prompt_and_its_answer_are_kept_from_here_and_through_a_server() {
    let upstream = saying(Speaks::Anthropic, "the answer");
    let yaml = config(&[(Speaks::Anthropic, &upstream)], "\"*\": [up0/up-model]", "");
    let direct = home(&yaml);
    let gateway = Gateway::start(&yaml);
    for (folder, config) in [(direct.path(), ".config/aimux/config.yaml"), (&gateway.home(), "aimux.yaml")] {
        let args =
            ["--config", folder.join(config).to_str().unwrap(), "-m", "claude-x", "-s", "be brief", "say something"].map(str::to_owned);
        assert_eq!(said(folder, &args.each_ref().map(String::as_str)), "the answer\n");
        let kept = exchanges(folder).remove(0);
        let expected = json!({
            "system": "be brief", "prompt": "say something", "answer": "the answer", "asked": "claude-x", "target": "up0/up-model", "route": "*",
            "ending": "whole", "code": null, "attempts": 1
        });
        for (member, value) in expected.as_object().unwrap() {
            assert_eq!(&kept[member], value, "{member}: {kept}");
        }
        assert!(kept["usage"]["output_tokens"].is_u64() && !kept["request_id"].as_str().unwrap().is_empty(), "{kept}");
    }
}

#[test]
fn nothing_is_kept_of_a_prompt_that_is_not_to_be_nor_of_the_demo() {
    let upstream = saying(Speaks::Chat, "fine");
    let folder = before(Speaks::Chat, &upstream);
    said(folder.path(), &["-n", "secret"]);
    assert_eq!(aimux(folder.path()).args(["route", "--demo", "hello"]).output().unwrap().status.code(), Some(0));
    assert!(!place(folder.path()).exists());
    let off = home(&config(&[(Speaks::Chat, &upstream)], "\"*\": [up0/up-model]", "history: { enabled: false }\n"));
    said(off.path(), &["secret"]);
    assert!(!place(off.path()).exists());
}

#[test]
fn an_answer_that_breaks_off_is_kept_as_far_as_it_came_and_a_refused_prompt_too() {
    for speaks in BOTH {
        let upstream = Upstream::start(move |seen, _| match seen.json()["model"].as_str().unwrap_or_default() {
            "breaks" => {
                let answer = speaks.answer(seen, &[text("half of it and more")]);
                let count = answer.acts.len() - 3;
                answer.after(count, Act::Cut)
            }
            _ => speaks.refusal(400, "that cannot be"),
        });
        let folder = home(&config(&[(speaks, &upstream)], "breaks: [up0/breaks]\n  refuses: [up0/refuses]", ""));
        let output = run(folder.path(), &["-m", "refuses", "please"]);
        assert_eq!(output.status.code(), Some(69), "{}", stderr(&output));
        let said = |kept: &Value| ["ending", "code", "prompt", "answer"].map(|member| kept[member].as_str().unwrap_or("–").to_owned());
        assert_eq!(said(&exchanges(folder.path())[0]), ["failed", "E0501", "please", ""]);
        let output = run(folder.path(), &["-m", "breaks", "go"]);
        let printed = stdout(&output);
        assert_eq!(said(&exchanges(folder.path())[0]), ["partial", "E0505", "go", printed.trim_end_matches('\n')]);
        assert!(printed.len() > 1);
    }
}

/// Starts a prompt whose answer begins and then pauses, and reads its first piece.
fn begun(home: &Path) -> std::process::Child {
    let mut child = route(home, &["go"]).spawn().unwrap();
    assert!(child.stdout.as_mut().unwrap().read(&mut [0; 64]).unwrap() > 0);
    child
}

fn pausing() -> Upstream {
    Upstream::start(move |seen, _| {
        let answer = Speaks::Chat.answer(seen, &[text("one two three four five six")]);
        let is_first = |act: &Act| matches!(act, Act::Bytes(bytes) if String::from_utf8_lossy(bytes).contains("one"));
        let first = answer.acts.iter().position(is_first).unwrap();
        answer.pause(first + 1, Duration::from_secs(30))
    })
}

#[test]
fn what_ctrl_c_ends_is_kept_as_far_as_it_came() {
    let upstream = pausing();
    let folder = before(Speaks::Chat, &upstream);
    let mut child = begun(folder.path());
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let kept = exchanges(folder.path()).remove(0);
    assert_eq!((&kept["ending"], &kept["code"]), (&json!("partial"), &Value::Null));
    assert!(kept["answer"].as_str().unwrap().starts_with("one"), "{kept}");
}

#[test]
fn a_file_that_cannot_be_written_costs_nobody_the_answer() {
    let upstream = saying(Speaks::Chat, "fine");
    let folder = before(Speaks::Chat, &upstream);
    std::fs::create_dir_all(place(folder.path()).parent().unwrap()).unwrap();
    std::fs::write(place(folder.path()), "no database".repeat(500)).unwrap();
    let output = run(folder.path(), &["hello"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "fine\n"));
    let told = stderr(&output);
    assert!(told.starts_with("aimux: warning: this is not kept for `aimux logs`: the conversations, "), "{told}");
    assert!(told.contains("move it away") && told.ends_with("[AIMUX-E0606]\n") && told.lines().count() == 1, "{told}");
    // Once it is away, a new one is begun.
    std::fs::rename(place(folder.path()), folder.path().join("damaged")).unwrap();
    said(folder.path(), &["hello"]);
    assert_eq!(count(folder.path()), 1);
}

#[test]
fn processes_that_keep_at_the_same_time_lose_nothing() {
    let upstream = saying(Speaks::Chat, "fine");
    let folder = before(Speaks::Chat, &upstream);
    std::thread::scope(|scope| {
        for process in 0..4 {
            let path = folder.path();
            scope.spawn(move || {
                for n in 0..5 {
                    assert_eq!(said(path, &[&format!("prompt {process} {n}")]), "fine\n");
                }
            });
        }
    });
    assert_eq!(count(folder.path()), 20);
    assert_eq!(logs(folder.path(), &["search", "prompt", "-n", "100"])["hits"].as_array().unwrap().len(), 20);
}

#[test]
fn whoever_is_killed_at_any_moment_leaves_a_file_that_opens() {
    let upstream = saying(Speaks::Chat, "fine");
    let folder = before(Speaks::Chat, &upstream);
    said(folder.path(), &["first"]);
    // Around the moment at which a prompt is kept, whenever that is on this machine.
    let began = Instant::now();
    said(folder.path(), &["second"]);
    let usual = began.elapsed();
    for step in 0..24 {
        let mut child = route(folder.path(), &["third"]).spawn().unwrap();
        std::thread::sleep(usual * (step + 12) / 32);
        child.kill().unwrap();
        child.wait().unwrap();
        let kept = count(folder.path());
        assert!((2..=step as usize + 3).contains(&kept), "{kept} after {step}");
    }
    said(folder.path(), &["last"]);
    let connection = rusqlite::Connection::open(place(folder.path())).unwrap();
    let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    connection.execute_batch("INSERT INTO search (search) VALUES ('integrity-check')").unwrap();
    assert_eq!(sound, "ok");
}

/// What a request says before its prompt: who, and what.
pub(crate) fn turns(seen: &Seen) -> Vec<(String, String)> {
    let text = |content: &Value| match content {
        Value::String(text) => text.clone(),
        blocks => blocks.as_array().into_iter().flatten().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join(" | "),
    };
    let body = seen.json();
    let system = body.get("system").map(|system| ("system".to_owned(), text(system)));
    let messages = body["messages"].as_array().unwrap().iter();
    system.into_iter().chain(messages.map(|turn| (turn["role"].as_str().unwrap().to_owned(), text(&turn["content"])))).collect()
}

pub(crate) fn pairs(turns: &[(String, String)]) -> Vec<(&str, &str)> {
    turns.iter().map(|(role, text)| (role.as_str(), text.as_str())).collect()
}

#[test]
fn a_conversation_goes_on_with_all_that_was_said() {
    for speaks in BOTH {
        let upstream = Upstream::start(move |seen, _| speaks.answer(seen, &[text(&format!("answer {}", turns(seen).len()))]));
        let folder = home(&config(&[(speaks, &upstream)], "mine: [up0/one]\n  other: [up0/two]\n  default: [up0/three]", ""));
        let here = folder.path();
        assert_eq!(said(here, &["-m", "mine", "-s", "be brief", "first"]), "answer 2\n");
        assert_eq!(said(here, &["-c", "second"]), "answer 4\n");
        let seen = upstream.seen().pop().unwrap();
        assert_eq!(seen.json()["model"], "one", "the model goes on, too");
        assert_eq!(pairs(&turns(&seen)), [("system", "be brief"), ("user", "first"), ("assistant", "answer 2"), ("user", "second")]);
        assert_eq!(count(here), 1);
        let first = logs(here, &[])["conversations"][0]["id"].as_str().unwrap().to_owned();

        said(here, &["something else"]);
        assert_eq!((count(here), said(here, &["--cid", &first, "-m", "other", "-s", "be long", "third"]).as_str()), (2, "answer 6\n"));
        let seen = upstream.seen().pop().unwrap();
        assert_eq!((&seen.json()["model"], turns(&seen)[0].1.as_str()), (&json!("two"), "be long"));
        said(here, &["-c", "fourth"]);
        assert_eq!(exchanges(here).len(), 4, "the one that went on last is the latest");
        // What is not to be kept goes on all the same.
        said(here, &["-c", "-n", "fifth"]);
        assert_eq!((exchanges(here).len(), turns(&upstream.seen().pop().unwrap()).len()), (4, 10));
    }
}

#[test]
fn what_has_no_answer_is_not_said_again() {
    let upstream = Upstream::start(|seen, _| match seen.json()["model"].as_str().unwrap_or_default() {
        "refuses" => Speaks::Chat.refusal(400, "no"),
        _ => Speaks::Chat.answer(seen, &[text("yes")]),
    });
    let folder = home(&config(&[(Speaks::Chat, &upstream)], "default: [up0/m]\n  refuses: [up0/refuses]", ""));
    said(folder.path(), &["first"]);
    for args in [&["-m", "refuses", "lost"][..], &["-c", "-m", "refuses", "lost too"]] {
        assert_eq!(run(folder.path(), args).status.code(), Some(69));
    }
    said(folder.path(), &["-c", "-m", "default", "second"]);
    assert_eq!(pairs(&turns(&upstream.seen().pop().unwrap())), [("user", "first"), ("assistant", "yes"), ("user", "second")]);
}

#[test]
fn what_does_not_fit_into_the_window_is_folded_the_oldest_first_and_said() {
    let upstream = Upstream::start(|seen, _| {
        let last = turns(seen).pop().unwrap().1;
        Speaks::Chat.answer(seen, &[text(&format!("re {}", last.split(' ').next().unwrap()))])
    });
    let base = format!("{}/v1", upstream.url());
    let folder = home(&format!(
        "version: 1\nproviders:\n  p: {{ dialect: openai-chat, base_url: \"{base}\", models: {{ small: {{ context: 3000 }}, large: {{ context: 100000 }} }} }}\n\
         models: {{ default: [p/small], roomy: [p/small, p/large] }}\n"
    ));
    let long = |n: usize| format!("prompt{n} {}", "lorem ipsum ".repeat(300));
    said(folder.path(), &[&long(0)]);
    for n in 1..6 {
        let output = run(folder.path(), &["-c", &long(n)]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let seen = upstream.seen().pop().unwrap();
        let all = turns(&seen);
        let folded = n - (all.len() - 1) / 2;
        assert!(seen.body.len() < 3000 * 4, "{n}: {}", seen.body.len());
        if n == 5 {
            assert!(folded >= 3, "{folded}");
            let told = stderr(&output);
            let expected =
                format!("aimux: the conversation does not fit the model's window: the oldest {folded} exchanges of 5 are folded\n");
            assert_eq!(told, expected);
            assert!(
                all[0]
                    .1
                    .starts_with(&format!("[{folded} exchanges of this conversation, left out for want of room:\n- asked: prompt0 lorem"))
            );
            assert!(all[0].1.contains("answered: re prompt0"), "{}", all[0].1);
            assert!(all.last().unwrap().1.ends_with(long(5).trim_end()) || all.last().unwrap().1.ends_with(&long(5)));
        }
    }
    assert_eq!(exchanges(folder.path()).len(), 6, "what is kept is whole");
    assert_eq!(said(folder.path(), &["-c", "-m", "roomy", "short"]), "re short\n", "where a target has room nothing is folded");
    assert_eq!(turns(&upstream.seen().pop().unwrap()).len(), 13);
}

#[test]
fn room_is_left_for_the_answer() {
    let upstream = saying(Speaks::Chat, "fine");
    let base = format!("{}/v1", upstream.url());
    let folder = home(&format!(
        "version: 1\nproviders:\n  p: {{ dialect: openai-chat, base_url: \"{base}\", models: {{ small: {{ context: 3000 }} }} }}\nmodels: {{ default: [p/small] }}\n"
    ));
    // Two of them are about 2,500 tokens: they fit into the window, and leave no quarter of it.
    let long = "lorem ipsum ".repeat(370);
    said(folder.path(), &[&long]);
    let output = run(folder.path(), &["-c", &long]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("the oldest exchange of 1 are folded"), "{}", stderr(&output));
    let explained = stdout(&run(folder.path(), &["--explain", &long.repeat(2)]));
    assert!(explained.contains("p/small: ready"), "without a conversation it is not too long: {explained}");
}

#[test]
fn what_the_provider_finds_too_long_is_folded_further_and_asked_again() {
    for speaks in BOTH {
        let upstream = Upstream::start(move |seen, _| match turns(seen).len() {
            0..=3 => speaks.answer(seen, &[text("fine")]),
            _ => speaks.refusal(400, "prompt is too long: 5000 tokens > 4000 maximum"),
        });
        let yaml = config(&[(speaks, &upstream)], "default: [up0/m]", "");
        let direct = home(&yaml);
        let gateway = Gateway::start(&yaml);
        for (folder, config) in [(direct.path(), ".config/aimux/config.yaml"), (&gateway.home(), "aimux.yaml")] {
            let ask = |args: &[&str]| run(folder, &[&["--config", folder.join(config).to_str().unwrap()], args].concat());
            let mut last = ask(&["prompt 0"]);
            for n in 1..6 {
                last = ask(&["-c", &format!("prompt {n}")]);
                assert_eq!((last.status.code(), stdout(&last).as_str()), (Some(0), "fine\n"), "{n}: {}", stderr(&last));
            }
            let told = stderr(&last);
            let lines: Vec<&str> = told.lines().collect();
            assert!(lines[0].ends_with("the oldest 3 exchanges of 5 are folded") && lines.len() == 2, "half of what is left: {told}");
            let sent = turns(&upstream.seen().pop().unwrap());
            assert!(sent.len() == 3 && sent[0].1.contains("[4 exchanges of this conversation"), "{sent:?}");
            assert_eq!(exchanges(folder).len(), 6, "what is kept is whole");
        }
    }
}

#[test]
fn deleting_asks_whoever_sits_there() {
    let upstream = saying(Speaks::Chat, "fine");
    let folder = before(Speaks::Chat, &upstream);
    said(folder.path(), &["hello"]);
    for (keys, words, left) in [("\r", "nothing was deleted", 1), ("n\r", "nothing was deleted", 1), ("yes\r", "deleted 1 conversation", 0)]
    {
        let mut command = aimux(folder.path());
        command.args(["logs", "delete", "--all"]).current_dir(folder.path());
        let mut terminal = Terminal::start(&command, 80, &[]);
        terminal.until("Delete 1 conversation for good? [y/N]");
        terminal.types(keys);
        let (code, screen, _) = terminal.end();
        assert!(code == Some(0) && screen.contents().contains(words), "{}", screen.contents());
        assert_eq!(count(folder.path()), left);
    }
}

#[test]
fn going_on_with_nothing_says_what_to_do() {
    let upstream = saying(Speaks::Chat, "fine");
    let folder = before(Speaks::Chat, &upstream);
    for args in [&["-c", "hello"][..], &["--cid", "01k", "hello"]] {
        let output = run(folder.path(), args);
        assert_eq!(output.status.code(), Some(64), "{}", stderr(&output));
        assert!(stderr(&output).contains("there is no conversation to go on with"), "{}", stderr(&output));
    }
    said(folder.path(), &["hello"]);
    let output = run(folder.path(), &["--cid", "zzzz", "hello"]);
    assert!(output.status.code() == Some(64) && stderr(&output).contains("there is no conversation \"zzzz\""), "{}", stderr(&output));
    assert_eq!(upstream.seen().len(), 1);
}
