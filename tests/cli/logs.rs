//! `aimux logs`: conversations listed, shown, searched, exported and deleted; `route_logs.rs` has how they come about.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{SystemTime, UNIX_EPOCH};

use aimux::chat::Usage;
use aimux::history::{Attachment, Ending, Exchange, History, Place, Settings};
use aimux::ledger::{Entry, Ledger};
use serde_json::{Value, json};

use super::{aimux, assert_exit, feed, stderr, stdout};

const HOUR_MS: u64 = 3_600_000;
const ESCAPE: &str = "\u{1b}]0;owned\u{7}";

fn place(home: &Path) -> PathBuf {
    home.join(".local/state/aimux/history.sqlite")
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

/// Three conversations: of two days ago, of three hours ago with two exchanges, and one that failed just now.
fn fill(path: &Path) -> [String; 3] {
    let settings = Settings { place: Place::File(path.to_owned()), ..Settings::usual(path) };
    let mut history = History::open(&settings).unwrap();
    let said = |hours: u64, prompt: &str, answer: &str| Exchange {
        time_ms: now_ms() - hours * HOUR_MS,
        request_id: format!("req_{hours}"),
        prompt: prompt.to_owned(),
        answer: answer.to_owned(),
        asked: "default".to_owned(),
        provider: "zai".to_owned(),
        model: "glm-5.1".to_owned(),
        route: "default".to_owned(),
        ending: Ending::Whole,
        attempts: 1,
        usage: Usage { input: Some(100), output: Some(20), ..Usage::default() },
        cost: Some(8_040),
        content_ms: Some(120),
        total_ms: 900,
        ..Exchange::default()
    };
    let cat = Exchange {
        system: "be brief".to_owned(),
        attachments: vec![Attachment::new("cat.png", "image/png", vec![1, 2, 3])],
        options: r#"{"temperature":0.5}"#.to_owned(),
        reasoning: "whiskers".to_owned(),
        ..said(48, "what is on the picture?\nsay it in one word", &format!("A cat.{ESCAPE}"))
    };
    let first = history.put(None, &cat).unwrap();
    let opus =
        |exchange| Exchange { provider: "anthropic".to_owned(), model: "claude-opus-4-8".to_owned(), cost: Some(1_500_000), ..exchange };
    let second = history
        .put(None, &opus(said(3, "explain lifetimes in Rust, at length, with examples and exercises", "A **lifetime** is …")))
        .unwrap();
    let partial = Exchange { ending: Ending::Partial, code: Some("E0505".to_owned()), ..opus(said(2, "go on", "Well, a li")) };
    history.put(Some(&second), &partial).unwrap();
    let failed = Exchange {
        provider: String::new(),
        model: String::new(),
        ending: Ending::Failed,
        code: Some("E0503".to_owned()),
        cost: None,
        ..said(0, "hello", "")
    };
    [first, second, history.put(None, &failed).unwrap()]
}

fn home() -> (tempfile::TempDir, [String; 3]) {
    let home = tempfile::tempdir().unwrap();
    let ids = fill(&place(home.path()));
    (home, ids)
}

fn run(home: &Path, args: &[&str]) -> Output {
    aimux(home).arg("logs").args(args).output().unwrap()
}

fn logs(home: &Path, args: &[&str]) -> String {
    let output = run(home, args);
    assert_exit(&output, 0);
    assert_eq!(stderr(&output), "", "{args:?}");
    stdout(&output)
}

fn ids(home: &Path, args: &[&str]) -> Vec<String> {
    let value: Value = serde_json::from_str(&logs(home, &[args, &["--json"]].concat())).unwrap();
    value["conversations"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn conversations_are_listed_the_latest_first_in_eighty_columns() {
    let (home, [first, second, third]) = home();
    let expected = format!(
        "\
ID                   AGE    N      COST  PROMPT
{third:16}     now    1         –  hello (1 unfinished)
{second:16}     2 h    2     $3.00  explain lifetimes in Ru… (1 unfinished)
{first:16}     2 d    1   $0.0081  what is on the picture?
"
    );
    for args in [&["list"][..], &[]] {
        let table = logs(home.path(), args);
        assert_eq!(table, expected);
        assert!(table.lines().all(|line| line.chars().count() <= 80));
    }
    assert_eq!(ids(home.path(), &["-n", "1"]), std::slice::from_ref(&third));
    for (args, found) in [
        (&["--since", "24h"][..], vec![&third, &second]),
        (&["--until", "24h"], vec![&first]),
        (&["--model", "opus"], vec![&second]),
        (&["--min-cost", "0.008"], vec![&second, &first]),
        (&["--min-cost", "0.01"], vec![&second]),
        (&["-q", "CAT"], vec![&first]),
        (&["list", "-q", "life*", "--model", "zai"], vec![]),
    ] {
        assert_eq!(ids(home.path(), args).iter().collect::<Vec<_>>(), found, "{args:?}");
    }
    assert_eq!(logs(home.path(), &["--model", "absent"]), "no conversation is so\n");
    for wrong in [&["--since", "yesterday"][..], &["--min-cost", "-1"], &["nonsense"], &["delete"], &["search"]] {
        assert_exit(&run(home.path(), wrong), 64);
    }
}

#[test]
fn a_conversation_is_shown_whole_and_nothing_in_it_is_obeyed() {
    let (home, [first, second, third]) = home();
    let shown = logs(home.path(), &["show", &first[..12]]);
    let time = shown.lines().nth(2).unwrap().strip_prefix("── 1 ── ").unwrap().split(',').next().unwrap();
    let expected = format!(
        "conversation {first}\n\n── 1 ── {time}, zai/glm-5.1 for default, $0.0081\ns be brief\n> what is on the picture?\n> say it in one word\n\
         > [attached: cat.png, image/png, 3 bytes]\n\nA cat.\\u{{1b}}]0;owned\\u{{7}}\n"
    );
    assert_eq!(shown, expected);
    assert!(logs(home.path(), &["show", &first, "--reasoning"]).contains("\n~ whiskers\n"));
    // Without an id the latest one that has an answer.
    let latest = logs(home.path(), &["show"]);
    assert!(latest.starts_with(&format!("conversation {second}\n")), "{latest}");
    assert!(latest.ends_with("\n> go on\n\nWell, a li\n\n[the answer is not whole: AIMUX-E0505]\n"), "{latest}");
    assert!(logs(home.path(), &["show", &third]).ends_with("> hello\n\n[there was no answer: AIMUX-E0503]\n"));
    assert_eq!(logs(home.path(), &["show", &first, "-r"]), format!("A cat.{ESCAPE}\n"), "in a pipe it is what it was");
    for absent in ["zzzz", "\u{1b}[31m"] {
        let output = run(home.path(), &["show", absent]);
        assert_exit(&output, 64);
        assert!(stderr(&output).contains("there is no conversation") && !stderr(&output).contains('\u{1b}'), "{}", stderr(&output));
    }
}

#[test]
fn programs_read_every_member_that_is_documented() {
    let (home, [first, ..]) = home();
    let mut shown: Value = serde_json::from_str(&logs(home.path(), &["show", &first, "--json"])).unwrap();
    let time = shown["exchanges"][0]["time"].take();
    assert!(time.as_str().unwrap().ends_with('Z'));
    assert_eq!(
        shown,
        json!({ "id": first, "exchanges": [{
            "time": null, "request_id": "req_48", "system": "be brief", "prompt": "what is on the picture?\nsay it in one word",
            "attachments": [{
                "name": "cat.png", "type": "image/png", "size": 3,
                "sha256": "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81"
            }],
            "answer": format!("A cat.{ESCAPE}"), "reasoning": "whiskers", "asked": "default", "target": "zai/glm-5.1", "route": "default",
            "options": { "temperature": 0.5 }, "steps": null, "ending": "whole", "code": null, "attempts": 1,
            "usage": {
                "input_tokens": 100, "cache_read_tokens": null, "cache_write_tokens": null, "output_tokens": 20, "reasoning_tokens": null,
                "estimated": false
            },
            "cost_micro_usd": 8040, "first_content_ms": 120, "total_ms": 900
        }] })
    );
    let listed: Value = serde_json::from_str(&logs(home.path(), &["--json"])).unwrap();
    assert_eq!(listed["file"], place(home.path()).display().to_string());
    let one = &listed["conversations"][1];
    assert_eq!(
        (&one["targets"], &one["cost_micro_usd"], &one["unfinished"]),
        (&json!(["anthropic/claude-opus-4-8"]), &json!(3_000_000), &json!(1))
    );
    let page = include_str!("../../docs/logs.md");
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let all = [one, &shown, &shown["exchanges"][0], &shown["exchanges"][0]["attachments"][0], &shown["exchanges"][0]["usage"]];
    for member in all.into_iter().flat_map(members) {
        assert!(page.contains(&format!("`{member}`")), "docs/logs.md does not say what {member} is");
    }
}

#[test]
fn a_search_finds_pieces_of_what_was_said() {
    let (home, [first, second, _]) = home();
    assert_eq!(
        logs(home.path(), &["search", "lifetime"]),
        format!(
            "{second}  3 h  #1  anthropic/claude-opus-4-8\n  > explain lifetimes in Rust, at length, with examples and exercises\n    A **lifetime** is …\n"
        )
    );
    let found = logs(home.path(), &["search", "cat"]);
    assert!(found.starts_with(&first) && found.contains("A cat.\\u{1b}]0;owned\\u{7}") && !found.contains('\u{1b}'), "{found}");
    assert_eq!(logs(home.path(), &["search", "cat", "--model", "opus"]), "nothing was found\n");
    assert_eq!(logs(home.path(), &["search", "\"in Rust\"", "leng*"]).lines().count(), 3);
    let value: Value = serde_json::from_str(&logs(home.path(), &["search", "go", "on", "--json"])).unwrap();
    assert_eq!((&value["query"], value["hits"].as_array().unwrap().len()), (&json!("go on"), 1));
    assert_eq!((&value["hits"][0]["exchange"], &value["hits"][0]["prompt"]), (&json!(2), &json!("go on")));
    assert_eq!(logs(home.path(), &["search", "NEAR ( -"]), "nothing was found\n");
}

/// Two requests of a server's clients, in the ledger.
fn fill_ledger(home: &Path) {
    let path = home.join(".local/state/aimux/ledger.sqlite");
    let ledger = Ledger::start(&aimux::ledger::Settings { place: Place::File(path), ..aimux::ledger::Settings::usual(home) }).unwrap();
    let entry = |hours: u64, id: &str, project: &str| Entry {
        time_ms: now_ms() - hours * HOUR_MS,
        request_id: id.to_owned(),
        dialect: "anthropic",
        program: format!("claude-cli{ESCAPE}"),
        session: "5e55-10".to_owned(),
        project: project.to_owned(),
        asked: "claude-opus-4-8".to_owned(),
        provider: "zai".to_owned(),
        model: "glm-5.1".to_owned(),
        status: 200,
        cost: Some(20_000),
        ..Entry::default()
    };
    ledger.put(Box::new(Entry { ending: aimux::ledger::Ending::Complete, ..entry(1, "req_one", "lifetime") }));
    let code = aimux::error::Code::ALL.iter().copied().find(|code| code.row().id == "E0503");
    let refused =
        Entry { status: 503, code, ending: aimux::ledger::Ending::Failed, provider: String::new(), ..entry(30, "req_two", "cats") };
    ledger.put(Box::new(refused));
    assert!(ledger.flush(std::time::Duration::from_secs(20)));
}

#[test]
fn a_search_finds_requests_of_the_ledger_beside_what_was_said() {
    let (home, [_, second, _]) = home();
    fill_ledger(home.path());
    let said = format!(
        "{second}  3 h  #1  anthropic/claude-opus-4-8\n  > explain lifetimes in Rust, at length, with examples and exercises\n    A **lifetime** is …\n"
    );
    let asked = "request  1 h  zai/glm-5.1 for claude-opus-4-8, $0.0200, 200\n    \
        id req_one, session 5e55-10, project lifetime, client claude-cli\\u{1b}]0;owned\\u{7}\n";
    let search = |args: &[&str]| logs(home.path(), &[&["search"], args].concat());
    assert_eq!(search(&["lifetime"]), format!("{said}\n{asked}"));
    assert_eq!(search(&["lifetime", "--in", "conversations"]), said);
    assert_eq!(search(&["lifetime", "--in", "requests"]), asked);
    let refused = search(&["AIMUX-E0503"]);
    assert!(
        refused.starts_with("request  30 h  claude-opus-4-8 (nobody was asked), $0.0200, 503 AIMUX-E0503\n") || refused.contains("1 d"),
        "{refused}"
    );
    assert!(refused.contains("project cats") && refused.contains("ended failed"), "{refused}");
    for (args, requests) in [
        (&["session:", "5e55-10"][..], 0),
        (&["5e55*"], 2),
        (&["5e55-10", "--since", "12h"], 1),
        (&["5e55-10", "--until", "12h"], 1),
        (&["5e55-10", "--model", "zai"], 1),
        (&["5e55-10", "--model", "absent"], 0),
        (&["5e55-10", "--min-cost", "0.02"], 2),
        (&["5e55-10", "--min-cost", "0.03"], 0),
        (&["5e55-10", "-n", "1"], 1),
        (&["5e55-10", "--in", "conversations"], 0),
    ] {
        let value: Value = serde_json::from_str(&search(&[args, &["--json"]].concat())).unwrap();
        assert_eq!((value["requests"].as_array().unwrap().len(), &value["hits"]), (requests, &json!([])), "{args:?}: {value}");
    }
    let value: Value = serde_json::from_str(&search(&["lifetime", "--json"])).unwrap();
    assert_eq!((&value["hits"][0]["kind"], &value["requests"][0]["kind"]), (&json!("exchange"), &json!("request")), "{value}");
    assert_eq!(value["requests"][0]["program"], format!("claude-cli{ESCAPE}"));
    let page = include_str!("../../docs/logs.md");
    for member in [&value["hits"][0], &value["requests"][0]].into_iter().flat_map(|hit| hit.as_object().unwrap().keys()) {
        assert!(page.contains(&format!("`{member}`")), "docs/logs.md does not say what {member} is");
    }
}

#[test]
fn a_file_that_cannot_be_searched_does_not_hide_the_other() {
    let (with_said, _) = home();
    let with_asked = tempfile::tempdir().unwrap();
    fill_ledger(with_asked.path());
    for (home, broken, there) in [(with_said, "ledger.sqlite", "explain lifetimes"), (with_asked, "history.sqlite", "req_one")] {
        std::fs::write(home.path().join(".local/state/aimux").join(broken), "no database, but long enough for its header ".repeat(9))
            .unwrap();
        let output = run(home.path(), &["search", "lifetime"]);
        assert_exit(&output, 74);
        assert!(
            stdout(&output).contains(there) && stderr(&output).contains("AIMUX-E060"),
            "{broken}: {}{}",
            stdout(&output),
            stderr(&output)
        );
    }
}

#[test]
fn an_export_is_lines_of_json_or_markdown() {
    let (home, [first, second, third]) = home();
    let lines = logs(home.path(), &["export"]);
    let exported: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(exported.iter().map(|one| one["id"].as_str().unwrap()).collect::<Vec<_>>(), [&first, &second, &third], "the oldest first");
    let mut whole: Value = serde_json::from_str(&logs(home.path(), &["show", &second, "--json"])).unwrap();
    assert_eq!(exported[1], whole);
    assert_eq!(logs(home.path(), &["export", "--model", "opus"]).lines().count(), 1);
    let with = logs(home.path(), &["export", &first, "--contents"]);
    assert!(with.contains(r#""content":"AQID""#), "{with}");

    let file = home.path().join("out.md");
    assert_eq!(logs(home.path(), &["export", "--format", "markdown", "-o", file.to_str().unwrap()]), "");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.starts_with(&format!("# Conversation {first}\n\n## System\n\nbe brief\n\n## Prompt\n\nwhat is on the picture?\n")),
        "{text}"
    );
    assert!(text.contains("[attached: cat.png, image/png, 3 bytes]") && !text.contains('\u{1b}'), "{text}");
    assert!(text.contains(&format!("\n---\n\n# Conversation {second}\n")) && text.contains("\nA **lifetime** is …\n"), "{text}");
    assert!(text.contains("*(the answer is not whole: AIMUX-E0505)*"), "{text}");
    whole["id"].take();
}

#[test]
fn a_deletion_asks_unless_it_is_told_yes() {
    let (home, [first, second, third]) = home();
    let output = run(home.path(), &["delete", &first]);
    assert_exit(&output, 64);
    assert!(stderr(&output).contains("nobody is there to be asked whether 1 conversation may be deleted"), "{}", stderr(&output));
    let mut command = aimux(home.path());
    command.args(["logs", "delete", "--all"]);
    assert_exit(&feed(command, "y\n"), 64);
    assert_eq!(ids(home.path(), &[]).len(), 3, "a pipe is nobody");
    assert_eq!(logs(home.path(), &["delete", "--older-than", "24h", "--yes"]), "deleted 1 conversation\n");
    assert_eq!(ids(home.path(), &[]), [third.clone(), second.clone()]);
    assert_exit(&run(home.path(), &["delete", &second, "absent", "--yes"]), 64);
    assert_eq!(ids(home.path(), &[]).len(), 2, "all or none");
    assert_eq!(logs(home.path(), &["delete", &second, &third, "--yes"]), "deleted 2 conversations\n");
    assert_eq!(logs(home.path(), &["delete", "--all", "--yes"]), "nothing is to be deleted\n");
}

#[test]
fn without_conversations_there_is_nothing_and_no_file_is_made() {
    let home = tempfile::tempdir().unwrap();
    let said = format!("there are no conversations in {}", place(home.path()).display());
    assert_eq!(logs(home.path(), &[]), format!("{said}\n"));
    assert_eq!(logs(home.path(), &["search", "x"]), "nothing was found\n");
    assert_eq!(ids(home.path(), &[]), Vec::<String>::new());
    for args in [&["show"][..], &["export"], &["delete", "--all"]] {
        let output = run(home.path(), args);
        assert_exit(&output, 64);
        assert!(stderr(&output).contains(&said), "{}", stderr(&output));
    }
    assert!(!place(home.path()).exists());
    std::fs::write(home.path().join("c.yaml"), "version: 1\nproviders: { ollama: {} }\nhistory: { enabled: false, path: /x/h.sqlite }\n")
        .unwrap();
    let output = aimux(home.path()).args(["--config", "c.yaml", "logs"]).output().unwrap();
    assert_eq!(stdout(&output), "there are no conversations in /x/h.sqlite; the config keeps none\n");
}

#[test]
fn a_damaged_file_is_exit_74_with_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(place(home.path()).parent().unwrap()).unwrap();
    std::fs::write(place(home.path()), "no database".repeat(300)).unwrap();
    for args in [&[][..], &["show"], &["search", "x"], &["export"], &["delete", "--all", "--yes"]] {
        let output = run(home.path(), args);
        assert_exit(&output, 74);
        let said = stderr(&output);
        assert!(said.starts_with("error[AIMUX-E0606]: the conversations, ") && said.contains("move it away"), "{said}");
    }
}

#[test]
fn a_broken_config_does_not_hide_them() {
    let (home, _) = home();
    std::fs::write(home.path().join("c.yaml"), "version: 1\nhistory: { path: relative, keep_mb: 0 }\n").unwrap();
    let output = aimux(home.path()).args(["--config", "c.yaml", "logs"]).output().unwrap();
    assert_exit(&output, 0);
    assert!(stdout(&output).contains("hello") && stderr(&output).starts_with("note: the config cannot be used"), "{}", stderr(&output));
}

#[test]
fn every_command_of_the_page_runs() {
    let (home, [first, ..]) = home();
    let page = include_str!("../../docs/logs.md");
    let block = page.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let mut count = 0;
    for line in block.lines() {
        let line = line.split(" #").next().unwrap().replace("01kaj5", &first[..12]);
        let output = std::process::Command::new("sh")
            .arg("-c")
            .arg(line.replacen("aimux", "\"$AIMUX\"", 1))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("AIMUX", assert_cmd::cargo::cargo_bin("aimux"))
            .env("HOME", home.path())
            .current_dir(home.path())
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {}", stderr(&output));
        count += 1;
    }
    assert_eq!(count, 12);
}
