//! `aimux usage`, and what `aimux status` says of today.

use std::path::Path;
use std::time::Duration;

use aimux::chat::Usage;
use aimux::ledger::{Attempt, CacheBreak, Ending, Entry, Ledger, Place, Settings};
use serde_json::{Value, json};

use super::{aimux, assert_exit, stderr, stdout};

/// 2026-11-18T13:46:40Z, a Wednesday.
const NOON: u64 = 1_795_009_600_000;

/// A ledger with seven requests of two days, at `path`.
fn fill(path: &Path) {
    let ledger = Ledger::start(&Settings { enabled: true, place: Place::File(path.to_owned()), keep_days: 36_500 }).unwrap();
    let put = |hours: u64, target: [&str; 2], tokens: [u64; 4], cost: Option<u64>, content_ms: Option<u64>, ending: Ending| {
        let [provider, model] = target.map(str::to_owned);
        let [input, output, cache_read, cache_write] = tokens.map(Some);
        let usage = Usage { input, output, cache_read, cache_write, ..Usage::default() };
        ledger.put(Box::new(Entry {
            time_ms: NOON + hours * 3_600_000,
            request_id: format!("req_{hours}"),
            dialect: "anthropic",
            program: if hours < 10 { "claude-cli".to_owned() } else { String::new() },
            role: if hours == 3 { "background" } else { "main" },
            session: format!("session-{}", hours / 10),
            key: provider.clone(),
            provider,
            model,
            route: "claude-*".to_owned(),
            status: if ending == Ending::Failed { 502 } else { 200 },
            usage,
            cost,
            is_estimated: ending == Ending::ClientGone,
            content_ms,
            ending,
            last: Some(Attempt::default()),
            cache_break: (hours == 1).then(|| CacheBreak {
                cause: "messages",
                detail: "messages[3] changed".to_owned(),
                tokens: 12_000,
                cost: Some(69_000),
            }),
            ..Entry::default()
        }));
    };
    let (opus, glm) = (["anthropic", "claude-opus-4-8"], ["zai", "glm-5.1"]);
    put(0, opus, [1_200, 300, 80_000, 4_000], Some(85_500), Some(1_234), Ending::Complete);
    put(1, opus, [100, 900, 90_000, 1_000], Some(74_250), Some(950), Ending::Complete);
    put(2, opus, [0, 0, 0, 0], Some(0), None, Ending::Failed);
    put(3, glm, [2_000, 100, 0, 0], Some(3_060), Some(420), Ending::Complete);
    put(14, glm, [1_000, 50, 3_000, 0], Some(2_160), Some(380), Ending::ClientGone);
    put(15, ["local", "qwen3"], [500, 20, 0, 0], None, Some(90), Ending::Complete);
    put(16, ["local", "qwen3"], [500, 20, 0, 0], None, Some(80), Ending::Complete);
    assert!(ledger.flush(Duration::from_secs(10)));
}

/// A home with a filled ledger at the usual place.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fill(&home.path().join(".local/state/aimux/ledger.sqlite"));
    home
}

fn usage(home: &Path, args: &[&str]) -> String {
    let output = aimux(home).env("TZ", "UTC").arg("usage").args(args).output().unwrap();
    assert_exit(&output, 0);
    assert_eq!(stderr(&output), "");
    stdout(&output)
}

#[test]
fn usage_is_an_aligned_table_by_model_with_what_it_leaves_out() {
    let expected = "\
MODEL                      REQUESTS  ERRORS  INPUT  OUTPUT  CACHE READ  CACHE WRITE  CACHED      COST  FIRST P50  FIRST P95
anthropic/claude-opus-4-8         3       1  1,300   1,200     170,000        5,000    96 %   $0.1598     950 ms      1.2 s
zai/glm-5.1                       2       0  3,000     150       3,000            0    50 %   $0.0053     380 ms     420 ms
local/qwen3                       2       0  1,000      40           0            0     0 %         –      80 ms      90 ms
total                             7       1  5,300   1,390     173,000        5,000    94 %  ≥$0.1650     380 ms      1.2 s

1 request missed what the session had in a cache: 12,000 tokens, $0.0690 more (messages 1)
1 request ended before the provider said what was used: estimated
2 requests without a known price: local/qwen3 (2)
";
    assert_eq!(usage(home().path(), &[]), expected);
}

#[test]
fn usage_is_grouped_by_what_is_asked_for() {
    let home = home();
    let names = |by: &str| {
        let text = usage(home.path(), &["--by", by]);
        assert!(text.starts_with(&by.to_uppercase()), "{text}");
        let rows = text.lines().skip(1).take_while(|line| !line.is_empty() && !line.starts_with("total"));
        rows.map(|line| line.split("  ").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("provider"), ["anthropic", "zai", "local"]);
    assert_eq!(names("day"), ["2026-11-18", "2026-11-19"]);
    assert_eq!(names("hour")[..3], ["2026-11-18 13:00", "2026-11-18 14:00", "2026-11-18 15:00"]);
    assert_eq!(names("session"), ["session-0", "session-1"]);
    assert_eq!(names("role"), ["main", "background"]);
    assert_eq!(names("client"), ["claude-cli", "anthropic"]);
    assert_eq!(names("key"), ["anthropic anthropic", "zai zai", "local local"]);
    assert_eq!(names("route"), ["claude-*"]);
    for by in ["project", "agent"] {
        assert_eq!(names(by), ["(unknown)"]);
    }
}

#[test]
fn a_span_begins_at_its_begin_and_ends_before_its_end() {
    let home = home();
    let count = |args: &[&str]| {
        let value: Value = serde_json::from_str(&usage(home.path(), &[args, &["--json"]].concat())).unwrap();
        value["total"]["requests"].as_u64().unwrap()
    };
    assert_eq!(count(&["--since", "2026-11-19"]), 3, "14, 15 and 16 hours later are the next day");
    assert_eq!(count(&["--until", "2026-11-19"]), 4);
    assert_eq!(count(&["--since", "2026-11-18T13:46:40Z"]), 7);
    assert_eq!(count(&["--since", "2026-11-18T13:46:41Z"]), 6);
    assert_eq!(count(&["--since", "2026-11-18T14:46:40Z", "--until", "2026-11-18T16:46:40Z"]), 2);
    assert_eq!(count(&["--since", "0m"]), 0, "from now on");
    for wrong in [&["--since", "yesterday"][..], &["--since", "2026-02-30"], &["--by", "colour"], &["--since", "1h", "--until", "2h"]] {
        let output = aimux(home.path()).arg("usage").args(wrong).output().unwrap();
        assert_exit(&output, 64);
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{wrong:?}");
    }
}

#[test]
fn json_has_every_figure_and_unknown_ones_are_null() {
    let home = home();
    let shown: Value = serde_json::from_str(&usage(home.path(), &["--json", "--since", "2026-11-18", "--by", "provider"])).unwrap();
    assert_eq!(shown["ledger"], home.path().join(".local/state/aimux/ledger.sqlite").display().to_string());
    assert_eq!((&shown["by"], &shown["since"], &shown["until"]), (&json!("provider"), &json!("2026-11-18T00:00:00Z"), &Value::Null));
    assert_eq!(
        shown["groups"][0],
        json!({
            "name": "anthropic", "requests": 3, "errors": 1, "input_tokens": 1300, "output_tokens": 1200, "cache_read_tokens": 170_000,
            "cache_write_tokens": 5000, "thinking_tokens": 0, "cost_micro_usd": 159_750, "unpriced": 0, "estimated": 0,
            "cache_share": 170_000.0 / 176_300.0, "cache_breaks": 1, "cache_break_tokens": 12_000, "cache_break_micro_usd": 69_000, "first_content_p50_ms": 950, "first_content_p95_ms": 1234
        })
    );
    assert_eq!((&shown["total"]["unpriced"], &shown["total"]["estimated"]), (&json!(2), &json!(1)));
    assert_eq!(shown["cache_breaks"], json!([{ "cause": "messages", "requests": 1, "tokens": 12_000, "micro_usd": 69_000 }]));
    assert_eq!(shown["unpriced"], json!([{ "target": "local/qwen3", "requests": 2 }]));
    let none: Value = serde_json::from_str(&usage(tempfile::tempdir().unwrap().path(), &["--json"])).unwrap();
    assert_eq!((&none["groups"], &none["total"]["cache_share"], &none["total"]["requests"]), (&json!([]), &Value::Null, &json!(0)));
}

#[test]
fn without_a_ledger_there_are_no_requests() {
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join(".local/state/aimux/ledger.sqlite");
    assert_eq!(usage(home.path(), &[]), format!("no requests in {}\n", place.display()));
    assert!(!place.exists(), "asking makes no file");
    let config = home.path().join("aimux.yaml");
    std::fs::write(&config, "version: 1\nproviders: { ollama: {} }\nledger: { enabled: false }\n").unwrap();
    let said = usage(home.path(), &["--config", config.to_str().unwrap()]);
    assert_eq!(said, format!("no requests in {}; the config turns the ledger off\n", place.display()));
}

#[test]
fn the_config_says_where_the_ledger_is_and_a_broken_one_does_not_hide_it() {
    let home = home();
    let config = home.path().join("aimux.yaml");
    let elsewhere = home.path().join("elsewhere/l.sqlite");
    fill(&elsewhere);
    std::fs::write(&config, format!("version: 1\nproviders: {{ ollama: {{}} }}\nledger: {{ path: \"{}\" }}\n", elsewhere.display()))
        .unwrap();
    assert!(usage(home.path(), &["--json", "--config", config.to_str().unwrap()]).contains("elsewhere/l.sqlite"));
    std::fs::write(&config, "version: 1\nproviders: { ollama: {} }\nledger: { path: l.sqlite }\n").unwrap();
    let output = aimux(home.path()).env("AIMUX_CONFIG", &config).arg("usage").output().unwrap();
    assert_exit(&output, 0);
    assert!(stdout(&output).contains("local/qwen3"), "{}", stdout(&output));
    assert!(stderr(&output).starts_with("note: the config cannot be used"), "{}", stderr(&output));
}

#[test]
fn a_ledger_that_cannot_be_read_is_exit_74() {
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join(".local/state/aimux/ledger.sqlite");
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::write(&place, "not one".repeat(300)).unwrap();
    let output = aimux(home.path()).arg("usage").output().unwrap();
    assert_exit(&output, 74);
    let said = stderr(&output);
    assert!(said.starts_with("error[AIMUX-E0604]: the ledger ") && said.contains("move it away"), "{said}");
}

#[test]
fn status_says_what_came_today_and_nothing_where_nothing_did() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".local/state/aimux/ledger.sqlite");
    let status = |args: &[&str]| {
        let output = aimux(home.path()).arg("status").args(args).output().unwrap();
        assert_exit(&output, 3);
        assert_eq!(stderr(&output), "");
        stdout(&output)
    };
    assert_eq!(status(&[]), "no server runs for this config\n");
    let ledger = Ledger::start(&Settings { enabled: true, place: Place::File(path), keep_days: 90 }).unwrap();
    let put = |time_ms: u64, cost: Option<u64>, ending: Ending| {
        ledger.put(Box::new(Entry { time_ms, dialect: "anthropic", role: "main", cost, ending, ..Entry::default() }));
        assert!(ledger.flush(Duration::from_secs(10)));
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = u64::try_from(now.as_millis()).unwrap();
    put(now - 25 * 3_600_000, Some(1_000_000), Ending::Complete);
    assert_eq!(status(&[]), "no server runs for this config\n", "yesterday is not today");
    put(now, Some(250_000), Ending::Complete);
    put(now, None, Ending::Failed);
    assert_eq!(status(&[]), "no server runs for this config\ntoday: 2 requests, 1 error, ≥$0.2500\n");
    let shown: Value = serde_json::from_str(&status(&["--json"])).unwrap();
    assert_eq!((&shown["today"]["requests"], &shown["today"]["cost_micro_usd"]), (&json!(2), &json!(250_000)));
}
