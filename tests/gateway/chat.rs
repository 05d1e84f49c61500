//! `aimux chat`: keys are typed at a terminal, the screen is read; and lines come through a pipe.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::conversations::{exchanges, pairs, turns};
use crate::gateway::{aimux, config, until};
use crate::oneshot::{before, home, saying, stderr, stdout};
use crate::replies::{Speaks, text};
use crate::terminal::Terminal;
use crate::upstream::{Act, Outcome, Upstream};

const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";

fn chat(home: &Path, args: &[&str]) -> Command {
    let mut command = aimux(home);
    command.arg("chat").args(args).current_dir(home);
    command
}

fn at_terminal(home: &Path, args: &[&str]) -> Terminal {
    let mut terminal = Terminal::start(&chat(home, args), 100, &[]);
    terminal.until("> ");
    terminal
}

fn feed(home: &Path, args: &[&str], input: &str) -> Output {
    let mut command = chat(home, args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // What it does not want it does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Says how many turns a request has, so that each answer can be told from the next.
fn counting() -> Upstream {
    Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text(&format!("answer *{}*", turns(seen).len()))]))
}

#[test]
fn prompt_follows_prompt_and_all_of_it_is_kept() {
    let upstream = counting();
    let home = home(&config(&[(Speaks::Chat, &upstream)], "default: [up0/m]", ""));
    let mut terminal = at_terminal(home.path(), &["-s", "be brief", "-o", "temperature=0.3"]);
    terminal.until("default (up0/m); /help lists");
    terminal.types("first\r");
    terminal.until("answer 2");
    terminal.until_end("\n>");
    terminal.types("second\r");
    terminal.until("answer 4");
    terminal.until_end("\n>");
    terminal.types(CTRL_D);
    let (code, screen, _) = terminal.end();
    assert_eq!(code, Some(0));
    assert!(screen.contents().contains("> first\nanswer 2\n\n> second\nanswer 4\n\n>"), "{}", screen.contents());
    let last = upstream.seen().pop().unwrap();
    assert_eq!(last.json()["temperature"], 0.3);
    let all = turns(&last);
    assert_eq!(pairs(&all), [("system", "be brief"), ("user", "first"), ("assistant", "answer *2*"), ("user", "second")]);
    let kept = exchanges(home.path());
    assert_eq!((kept.len(), &kept[1]["prompt"], &kept[1]["system"]), (2, &json!("second"), &json!("be brief")));
    let lines = home.path().join(".local/state/aimux/chat-lines");
    assert_eq!(std::fs::metadata(&lines).unwrap().permissions().mode() & 0o777, 0o600);

    let mut terminal = at_terminal(home.path(), &["-c"]);
    terminal.until("2 exchanges: first");
    // The arrow up has the last line of the last chat.
    terminal.types("\u{1b}[A\r");
    terminal.until("answer 6");
    terminal.until_end("\n>");
    terminal.types("/exit\r");
    assert_eq!(terminal.end().0, Some(0));
    assert_eq!(turns(&upstream.seen().pop().unwrap()).last().unwrap().1, "second");
    assert_eq!(exchanges(home.path()).len(), 3);
}

#[test]
fn a_prompt_may_have_several_lines() {
    let upstream = counting();
    let home = before(Speaks::Chat, &upstream);
    let mut terminal = at_terminal(home.path(), &["-n"]);
    for (keys, answer) in [
        ("one \\\rtwo\\\rthree\r", "answer 1"),
        ("\"\"\"\rfn a() {\r\r  b \\\r}\r\"\"\"\r", "answer 3"),
        ("\u{1b}[200~pasted\nin \\\nlines\n\u{1b}[201~\r", "answer 5"),
        ("//model is no command\r", "answer 7"),
    ] {
        terminal.types(keys);
        terminal.until(answer);
        terminal.until_end("\n>");
    }
    terminal.types(CTRL_D);
    assert_eq!(terminal.end().0, Some(0));
    let last = turns(&upstream.seen().pop().unwrap());
    let prompts: Vec<&str> = last.iter().filter(|(role, _)| role == "user").map(|(_, text)| text.as_str()).collect();
    assert_eq!(prompts, ["one \ntwo\nthree", "fn a() {\n\n  b \\\n}", "pasted\nin \\\nlines\n", "/model is no command"]);
    assert!(!home.path().join(".local/state/aimux/chat-lines").exists() && !home.path().join(".local/state/aimux/history.sqlite").exists());
}

#[test]
fn ctrl_c_ends_the_answer_and_not_the_chat() {
    let upstream = Upstream::start(|seen, index| {
        let answer = Speaks::Chat.answer(seen, &[text("one two three four")]);
        let is_first = |act: &Act| matches!(act, Act::Bytes(bytes) if String::from_utf8_lossy(bytes).contains("one"));
        let first = answer.acts.iter().position(is_first).unwrap();
        if index == 0 { answer.pause(first + 1, Duration::from_secs(60)) } else { answer }
    });
    let home = before(Speaks::Chat, &upstream);
    let mut terminal = at_terminal(home.path(), &[]);
    terminal.types("half a line");
    terminal.until("half a line");
    terminal.types(CTRL_C);
    terminal.until("Ctrl-D or /exit ends the chat");
    terminal.until_end("\n>");
    terminal.types("go\r");
    terminal.until("one two");
    terminal.types(CTRL_C);
    terminal.until("interrupted: what came is kept");
    terminal.until_end("\n>");
    until("the upstream sees it go", Duration::from_secs(2), || {
        upstream.seen().first().is_some_and(|seen| seen.outcome == Outcome::ClientGone)
    });
    terminal.types("go on\r");
    terminal.until("two three four");
    terminal.until_end("\n>");
    terminal.types("/exit\r");
    assert_eq!(terminal.end().0, Some(0));
    let kept = exchanges(home.path());
    assert_eq!((kept.len(), &kept[0]["ending"], &kept[1]["ending"]), (2, &json!("partial"), &json!("whole")));
    let last = turns(&upstream.seen().pop().unwrap());
    assert!(last.len() == 3 && last[1].1.starts_with("one") && last[2].1 == "go on", "what came belongs to it: {last:?}");
}

#[test]
fn commands_change_what_is_asked_and_tell_what_there_is() {
    let upstream = counting();
    let models = "models: { other: { price_input: 1000, price_output: 1000, context: 100000 } }";
    let yaml = config(&[(Speaks::Chat, &upstream)], "default: [up0/m]\n  second: [up0/other]", "");
    let home = home(&yaml.replace("key: { env: UPSTREAM_KEY } }", &format!("key: {{ env: UPSTREAM_KEY }}, {models} }}")));
    std::fs::write(home.path().join("cat one.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    std::fs::write(home.path().join("notes.txt"), "a note\n").unwrap();
    std::fs::write(home.path().join("there.md"), "mine").unwrap();
    let mut terminal = at_terminal(home.path(), &[]);
    for (keys, words) in [
        ("/modle x\r", "did you mean /model?"),
        ("/model absent/x\r", "AIMUX-E0202"),
        ("/cost\r", "this chat  0 prompts, 0 tokens of input, 0 of output: $0.0000"),
        // Tab completes the command, then the model.
        ("/mod\tsec\t\r", "asks second (up0/other)"),
        ("/system be kind\r", "the model is told before: be kind"),
        ("/attach absent.png\r", "absent.png"),
        ("/attach cat\t\r", "beside the next prompt stands cat one.png"),
        ("/attach notes.txt\r", "beside the next prompt stands cat one.png, notes.txt"),
        ("/explain what is it\r", "up0/other: ready"),
        ("/save there.md\r", "there is no answer to save yet"),
        ("what is it\r", "answer 2"),
        ("/attach\r", "beside the next prompt stands nothing"),
        ("/system -\r", "the model is told nothing before"),
        ("and now\r", "answer 3"),
        ("/cost\r", " of 100,000 tokens ("),
        ("/save there.md\r", "there.md is there already"),
        ("/save talk.md\r", "saved talk.md"),
        ("once more\r", "answer 5"),
        ("/save\r", "/save needs the name of a file"),
        ("/save absent/talk.md\r", "absent/talk.md: "),
        // Its own file is written anew, and no other.
        ("/save talk.md\r", "saved talk.md"),
        ("/help\r", "/attach [FILE]"),
    ] {
        terminal.types(keys);
        terminal.until(words);
        terminal.until_end("\n>");
    }
    terminal.types("/exit\r");
    assert_eq!(terminal.end().0, Some(0));
    let seen = upstream.seen();
    assert_eq!(seen.len(), 3);
    let first = seen[0].json();
    let sent = first["messages"].to_string();
    assert!(first["model"] == "other" && sent.contains("be kind") && sent.contains("data:image/png;base64,") && sent.contains("a note"));
    assert!(turns(&seen[1]).iter().all(|(role, _)| role != "system"), "{:?}", turns(&seen[1]));
    let saved = std::fs::read_to_string(home.path().join("talk.md")).unwrap();
    assert!(saved.contains("## Prompt") && saved.contains("cat one.png") && saved.contains("answer *3*"), "{saved}");
    assert_eq!((saved.matches("## Prompt").count(), saved.matches("answer *5*").count()), (3, 1), "{saved}");
    let mode = std::fs::metadata(home.path().join("talk.md")).unwrap().permissions().mode();
    assert_eq!((mode & 0o777, std::fs::read_to_string(home.path().join("there.md")).unwrap().as_str()), (0o600, "mine"));
}

#[test]
fn from_a_pipe_each_line_is_a_prompt_and_only_answers_are_on_standard_output() {
    let upstream = Upstream::start(|seen, _| match turns(seen).last().unwrap().1.as_str() {
        "fail" => Speaks::Chat.refusal(400, "that cannot be"),
        _ => Speaks::Chat.answer(seen, &[text(&format!("answer {}", turns(seen).len()))]),
    });
    let home = home(&config(&[(Speaks::Chat, &upstream)], "default: [up0/m]", ""));
    let output = feed(home.path(), &[], "one\n\n/cost\n\"\"\"\ntwo\nlines\n\"\"\"\nlast without end");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "answer 1\nanswer 3\nanswer 5\n");
    assert!(stderr(&output).starts_with("this chat  1 prompt, ") && stderr(&output).lines().count() == 2, "{}", stderr(&output));
    let last = turns(&upstream.seen().pop().unwrap());
    assert_eq!((last[2].1.as_str(), last[4].1.as_str()), ("two\nlines", "last without end"));
    assert_eq!(exchanges(home.path()).len(), 3);
    assert!(!home.path().join(".local/state/aimux/chat-lines").exists(), "nobody typed these");

    let output = feed(home.path(), &[], "fail\none\n/nonsense\n");
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(69), "answer 1\n"), "what failed is no turn: {}", stderr(&output));
    assert!(stderr(&output).contains("that cannot be") && stderr(&output).contains("/nonsense"), "{}", stderr(&output));
    let output = feed(home.path(), &["-c"], "/model absent/model\n");
    assert_eq!(output.status.code(), Some(65), "{}", stderr(&output));
    let output = feed(home.path(), &["-o", "temprature=1"], "one\n");
    assert_eq!(output.status.code(), Some(64), "{}", stderr(&output));
}

#[test]
fn a_line_longer_than_a_request_is_refused() {
    let upstream = saying(Speaks::Chat, "no");
    let home = home(&config(&[(Speaks::Chat, &upstream)], "default: [up0/m]", "limits: { body_mb: 1 }"));
    let output = feed(home.path(), &[], &"x".repeat((1 << 20) + 1));
    assert!(output.status.code() == Some(65) && stderr(&output).contains("a line of standard input"), "{}", stderr(&output));
    assert!(upstream.seen().is_empty());
}

#[test]
fn the_demo_chats_without_config_and_writes_nothing_down() {
    let home = tempfile::tempdir().unwrap();
    let output = feed(home.path(), &["--demo"], "hello\nand again\n");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("You said: hello") && stdout(&output).contains("You said: and again"), "{}", stdout(&output));
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    let output = feed(home.path(), &[], "hello\n");
    assert!(output.status.code() == Some(78) && stderr(&output).contains("`aimux chat --demo`"), "{}", stderr(&output));
}

#[test]
fn a_chat_goes_through_a_running_server() {
    let upstream = counting();
    let gateway = crate::gateway::Gateway::before(Speaks::Chat, &upstream);
    let config = gateway.home().join("aimux.yaml");
    let output = feed(&gateway.home(), &["--config", config.to_str().unwrap()], "one\n/explain two\ntwo\n");
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "answer *1*\nanswer *3*\n"), "{}", stderr(&output));
    assert!(stderr(&output).contains("decided by the running server (pid "), "{}", stderr(&output));
}

#[test]
fn every_command_of_the_page_works() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/chat.md")).unwrap();
    let upstream = saying(Speaks::Chat, "an answer");
    let home = crate::readme::sandbox();
    std::fs::create_dir_all(home.path().join(".config/aimux")).unwrap();
    let text = config(&[(Speaks::Chat, &upstream)], "\"claude-*\": [up0/m]\n  default: [up0/m]", "");
    std::fs::write(home.path().join(".config/aimux/config.yaml"), text).unwrap();
    for (name, bytes) in [("cat.png", &b"\x89PNG\r\n\x1a\n"[..]), ("typed", b"hello\n/exit\n"), ("questions.txt", b"one\ntwo\n")] {
        std::fs::write(home.path().join(name), bytes).unwrap();
    }
    let env = [("UPSTREAM_KEY", crate::gateway::KEY), ("AIMUX_CLIENT_TOKEN", crate::gateway::TOKEN)];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let commands = crate::readme::commands(&page);
    assert!(commands.len() > 3, "{commands:?}");
    for command in commands {
        let output = crate::readme::bash(home.path(), &command, &env).output().unwrap();
        let said = stdout(&output) + &std::fs::read_to_string(home.path().join("answers.txt")).unwrap_or_default();
        assert!(output.status.success() && said.contains("answer") | said.contains("You said"), "{command}: {}", stderr(&output));
    }
    let help = stderr(&feed(home.path(), &["--demo"], "/help\n"));
    for line in help.lines().filter(|line| line.starts_with('/')) {
        let head = line.split("  ").next().unwrap();
        assert!(page.contains(&format!("`{head}`")), "{head} is not told on the page");
    }
}
