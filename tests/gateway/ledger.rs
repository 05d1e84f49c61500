//! What is remembered of requests: each exactly once, however it ended, and never what was said.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::gateway::{Gateway, KEY, TOKEN, aimux, config, until};
use crate::http;
use crate::replies::{Speaks, text};
use crate::upstream::{Act, Answer, Upstream};

const OPUS: &str = "claude-opus-4-8";

/// A row, each column as text.
type Row = BTreeMap<String, String>;

/// Where a home's ledger is.
fn place(home: &Path) -> std::path::PathBuf {
    home.join(".local/state/aimux/ledger.sqlite")
}

/// All rows of a table, in order; none where there is no file yet.
fn rows(ledger: &Path, table: &str) -> Vec<Row> {
    let Ok(connection) = rusqlite::Connection::open_with_flags(ledger, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY) else {
        return Vec::new();
    };
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    let Ok(mut statement) = connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")) else { return Vec::new() };
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let text = |row: &rusqlite::Row<'_>, index: usize| match row.get_ref(index).unwrap() {
        rusqlite::types::ValueRef::Null => "NULL".to_owned(),
        rusqlite::types::ValueRef::Integer(value) => value.to_string(),
        other => other.as_str().unwrap().to_owned(),
    };
    let read = statement.query_map([], |row| Ok(names.iter().enumerate().map(|(index, name)| (name.clone(), text(row, index))).collect()));
    read.unwrap().map(Result::unwrap).collect()
}

/// The requests, once there are so many.
fn requests(ledger: &Path, count: usize) -> Vec<Row> {
    let mut found = Vec::new();
    until(&format!("{count} requests are remembered"), Duration::from_secs(10), || {
        found = rows(ledger, "requests");
        found.len() >= count
    });
    assert_eq!(found.len(), count, "no more than that");
    found
}

/// Some columns of a row.
fn columns<const N: usize>(row: &Row, names: [&str; N]) -> [String; N] {
    names.map(|name| row[name].clone())
}

const TOKENS: [&str; 6] = ["input", "output", "cache_read", "cache_write", "cost", "estimated"];

/// A config whose first provider is Anthropic's preset, prices and all, at an upstream of ours; and one without prices.
fn priced(anthropic: &Upstream, other: &Upstream, extra: &str) -> String {
    format!(
        "version: 1\nserver: {{ listen: \"127.0.0.1:0\", token: {{ env: AIMUX_CLIENT_TOKEN }} }}\nproviders:\n  \
         anthropic: {{ base_url: \"{}\", key: {{ env: UPSTREAM_KEY }} }}\n  \
         other: {{ dialect: openai-chat, base_url: \"{}/v1\", key: {{ env: UPSTREAM_KEY }} }}\n\
         models:\n  \"claude-*\": [anthropic/{OPUS}, other/plain]\n  plain: other/plain\nretry: {{ attempts_per_target: 1 }}\n{extra}\n",
        anthropic.url(),
        other.url()
    )
}

fn fine(speaks: Speaks) -> Upstream {
    Upstream::start(move |seen, _| speaks.answer(seen, &[text("a fine answer of the model")]))
}

fn ask(model: &str, stream: bool) -> Value {
    json!({"model": model, "max_tokens": 9, "stream": stream, "messages": [{"role": "user", "content": "the user's own words"}]})
}

#[test]
fn each_request_is_remembered_once_with_its_tokens_and_its_cost() {
    let (anthropic, other) = (fine(Speaks::Anthropic), fine(Speaks::Chat));
    let gateway = Gateway::start(&priced(&anthropic, &other, ""));
    let token = format!("Bearer {TOKEN}");
    let headers = [
        ("authorization", token.as_str()),
        ("user-agent", "claude-cli/2.1.197 (external, cli)"),
        ("x-claude-code-session-id", "session-1"),
        ("x-claude-code-agent-id", "agent-1"),
        ("x-aimux-project", "acme"),
        ("x-request-id", "req-of-mine"),
    ];
    let body = ask(OPUS, true).to_string();
    assert_eq!(http::send(gateway.port, "POST", "/v1/messages", &headers, body.as_bytes()).whole().status, 200);
    assert_eq!(gateway.messages(&ask(OPUS, false)).status, 200);
    assert_eq!(gateway.chat(&ask(OPUS, true)).status, 200);
    assert_eq!(gateway.messages(&ask("plain", true)).status, 200);
    assert_eq!(gateway.chat(&ask("other/straight", false)).status, 200);

    let ledger = place(&gateway.home());
    let found = requests(&ledger, 5);
    // 1234 × 5 + 56 × 25 + 789 × 0.5 + 12 × 6.25 = 8039.5 millionths of a dollar.
    let opus = ["1234", "56", "789", "12", "8040", "0"];
    let plain = ["445", "56", "789", "NULL", "NULL", "0"];
    for (row, tokens) in found.iter().zip([opus, opus, opus, plain, plain]) {
        assert_eq!(columns(row, TOKENS), tokens, "{row:?}");
        assert_eq!(columns(row, ["status", "code", "ending", "attempts", "losses"])[..4], ["200", "NULL", "complete", "1"], "{row:?}");
        let [content, total] = ["content_ms", "total_ms"].map(|name| row[name].parse::<u64>().ok());
        assert_eq!(content.is_some(), row["stream"] == "1", "{row:?}");
        assert!(content <= total && total.unwrap() < 30_000, "{row:?}");
    }
    let first = columns(&found[0], ["request_id", "dialect", "program", "role", "session", "agent", "project", "asked", "route", "stream"]);
    assert_eq!(first, ["req-of-mine", "anthropic", "claude-code", "subagent", "session-1", "agent-1", "acme", OPUS, "claude-*", "1"]);
    assert_eq!(columns(&found[0], ["provider", "model", "key"]), ["anthropic", OPUS, "UPSTREAM_KEY"]);
    assert_eq!(columns(&found[2], ["dialect", "stream", "provider"]), ["openai-chat", "1", "anthropic"]);
    let last = columns(&found[4], ["dialect", "asked", "route", "stream", "provider", "model"]);
    assert_eq!(last, ["openai-chat", "other/straight", "direct", "0", "other", "straight"]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    assert!(found.iter().all(|row| now.abs_diff(row["time"].parse().unwrap()) < 60_000), "{:?}", found[0]["time"]);
    let attempts = rows(&ledger, "attempts");
    assert_eq!(attempts.len(), 5);
    let reused: Vec<&str> = attempts.iter().map(|row| row["reused"].as_str()).collect();
    assert_eq!(reused, ["0", "1", "1", "0", "1"]);

    let bytes = [ledger.clone(), ledger.with_extension("sqlite-wal")].map(|path| std::fs::read(path).unwrap_or_default()).concat();
    let bytes = String::from_utf8_lossy(&bytes);
    assert!(bytes.contains("req-of-mine"));
    for secret in ["own words", "fine answer", KEY, TOKEN] {
        assert!(!bytes.contains(secret), "the ledger holds {secret:?}");
    }
}

#[test]
fn a_failover_is_one_request_and_two_attempts() {
    let limited = Upstream::start(|_, _| Speaks::Anthropic.refusal(529, "overloaded"));
    let gateway = Gateway::start(&priced(&limited, &fine(Speaks::Chat), ""));
    assert_eq!(gateway.messages(&ask(OPUS, true)).status, 200);
    let ledger = place(&gateway.home());
    let found = requests(&ledger, 1);
    assert_eq!(columns(&found[0], ["provider", "model", "status", "attempts", "cost"]), ["other", "plain", "200", "2", "NULL"]);
    let attempts: Vec<_> =
        rows(&ledger, "attempts").iter().map(|row| columns(row, ["number", "provider", "model", "key", "status", "code"])).collect();
    assert_eq!(
        attempts,
        [["1", "anthropic", OPUS, "UPSTREAM_KEY", "529", "E0502"], ["2", "other", "plain", "UPSTREAM_KEY", "200", "NULL"]]
    );
}

#[test]
fn what_nobody_answered_costs_nothing_and_says_why() {
    let (down, broken) = (Upstream::start(|_, _| Answer::dead()), Upstream::start(|_, _| Speaks::Chat.refusal(500, "no")));
    let gateway = Gateway::start(&priced(&down, &broken, ""));
    assert_eq!(gateway.messages(&ask(OPUS, true)).status, 500);
    let ledger = place(&gateway.home());
    let row = &requests(&ledger, 1)[0];
    assert_eq!(columns(row, ["status", "code", "ending", "attempts", "cost"]), ["500", "E0502", "failed", "2", "0"]);
    assert_eq!(columns(row, ["input", "output", "estimated", "content_ms"]), ["NULL", "NULL", "0", "NULL"]);
    let attempts: Vec<_> = rows(&ledger, "attempts").iter().map(|row| columns(row, ["status", "code"])).collect();
    assert_eq!(attempts, [["NULL", "E0505"], ["500", "E0502"]]);
}

#[test]
fn an_answer_that_breaks_off_is_paid_for_by_estimate() {
    let anthropic = Upstream::start(|seen, _| {
        let words = "word ".repeat(200);
        Speaks::Anthropic.answer(seen, &[text(&words)]).after(60, Act::Cut)
    });
    let gateway = Gateway::start(&priced(&anthropic, &fine(Speaks::Chat), ""));
    let whole = gateway.messages(&ask(OPUS, true));
    assert!(whole.text().contains("event: error"), "{}", whole.text());
    let row = &requests(&place(&gateway.home()), 1)[0];
    assert_eq!(columns(row, ["status", "code", "ending"]), ["200", "E0505", "failed"]);
    assert_eq!(columns(row, ["input", "cache_read", "cache_write", "estimated"]), ["1234", "789", "12", "1"]);
    // 57 pieces of twelve characters, of about three tokens each.
    let output: u64 = row["output"].parse().unwrap();
    assert!((57..=57 * 5).contains(&output), "{output}");
    let cost: u64 = row["cost"].parse().unwrap();
    assert_eq!(cost, (6640 + output * 25).max(1), "1234 × 5 + 789 × 0.5 + 12 × 6.25 = 6639.5, and the output");
}

#[test]
fn a_client_that_leaves_is_remembered_with_what_it_took() {
    let slow =
        |seen: &crate::upstream::Seen, _| Speaks::Anthropic.answer(seen, &[text(&"word ".repeat(100))]).pause(20, Duration::from_secs(20));
    let silent = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("late")]).late(Duration::from_secs(20)));
    let gateway = Gateway::start(&priced(&Upstream::start(slow), &silent, ""));
    let mut reply = gateway.send("POST", "/v1/messages", ask(OPUS, true).to_string().as_bytes());
    let mut read = 0;
    while read < 1500 {
        read += reply.piece().unwrap().len();
    }
    drop(reply);
    let ledger = place(&gateway.home());
    let row = requests(&ledger, 1).remove(0);
    assert_eq!(columns(&row, ["status", "code", "ending", "attempts"]), ["200", "NULL", "client_gone", "1"]);
    assert_eq!(columns(&row, ["input", "cache_read", "cache_write", "estimated"]), ["1234", "789", "12", "1"]);
    assert!((8..200).contains(&row["output"].parse::<u64>().unwrap()), "{row:?}");

    // Before any word came, nothing but the input can be told.
    let body = ask("plain", false).to_string();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {}\r\n\r\n{body}",
        gateway.port,
        body.len()
    );
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    until("the provider is asked", Duration::from_secs(10), || silent.seen().len() == 1);
    drop(stream);
    let row = requests(&ledger, 2).remove(1);
    assert_eq!(columns(&row, ["ending", "attempts", "output", "estimated", "cost"]), ["client_gone", "1", "0", "1", "NULL"]);
    assert!((20..60).contains(&row["input"].parse::<u64>().unwrap()), "{row:?}");
}

#[test]
fn a_killed_server_leaves_a_sound_file_and_the_next_one_goes_on() {
    let gateway = Gateway::before(Speaks::Anthropic, &fine(Speaks::Anthropic));
    let ledger = place(&gateway.home());
    for _ in 0..5 {
        gateway.messages(&ask("m", false));
    }
    requests(&ledger, 5);
    for _ in 0..20 {
        gateway.messages(&ask("m", false));
    }
    let pid = rustix::process::Pid::from_raw(i32::try_from(gateway.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let kept = rows(&ledger, "requests").len();
    assert!((5..=25).contains(&kept), "{kept}");
    let connection = rusqlite::Connection::open(&ledger).unwrap();
    let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    drop(connection);
    let second = Gateway::start(&config(
        &[(Speaks::Anthropic, &fine(Speaks::Anthropic))],
        "\"*\": [up0/up-model]",
        &format!("ledger: {{ path: \"{}\" }}", ledger.display()),
    ));
    second.messages(&ask("m", false));
    requests(&ledger, kept + 1);
}

#[test]
fn a_server_that_ends_has_written_everything() {
    let mut gateway = Gateway::before(Speaks::Anthropic, &fine(Speaks::Anthropic));
    for _ in 0..20 {
        gateway.messages(&ask("m", false));
    }
    gateway.terminate();
    assert!(gateway.wait(Duration::from_secs(10)).success());
    assert_eq!(rows(&place(&gateway.home()), "requests").len(), 20);
}

#[test]
fn two_servers_share_one_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("shared.sqlite");
    let upstream = fine(Speaks::Anthropic);
    let text = config(&[(Speaks::Anthropic, &upstream)], "\"*\": [up0/up-model]", &format!("ledger: {{ path: \"{}\" }}", ledger.display()));
    let gateways = [Gateway::start(&text), Gateway::start(&text)];
    std::thread::scope(|scope| {
        for gateway in &gateways {
            scope.spawn(|| (0..30).for_each(|_| assert_eq!(gateway.messages(&ask("m", false)).status, 200)));
        }
    });
    requests(&ledger, 60);
    assert!(gateways.iter().all(|gateway| !gateway.log().contains("AIMUX-E0604")), "{}", gateways[0].log());
}

#[test]
fn a_ledger_that_cannot_be_written_stops_nobody_and_is_told_once() {
    let home = tempfile::tempdir().unwrap();
    let ledger = place(home.path());
    std::fs::create_dir_all(ledger.parent().unwrap()).unwrap();
    std::fs::write(&ledger, "no database at all".repeat(100)).unwrap();
    let text = config(&[(Speaks::Anthropic, &fine(Speaks::Anthropic))], "\"*\": [up0/up-model]", "");
    let gateway = Gateway::start_in(home, &text, &[]);
    for _ in 0..10 {
        assert_eq!(gateway.messages(&ask("m", false)).status, 200);
    }
    // Longer than the first pauses: it has been tried again, and says nothing new.
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(gateway.log().matches("AIMUX-E0604").count(), 1, "{}", gateway.log());
    assert!(gateway.log().contains("the ledger cannot be written"), "{}", gateway.log());
    std::fs::rename(&ledger, ledger.with_extension("damaged")).unwrap();
    assert_eq!(requests(&ledger, 10).len(), 10, "what waited is written when it can be");
    until("the log says so", Duration::from_secs(5), || gateway.log().contains("the ledger can be written again"));
}

#[test]
fn a_full_disk_stops_nobody() {
    let home = tempfile::tempdir().unwrap();
    let text = config(&[(Speaks::Anthropic, &fine(Speaks::Anthropic))], "\"*\": [up0/up-model]", "");
    let path = home.path().join("aimux.yaml");
    std::fs::write(&path, text).unwrap();
    // A limit on the length of files is what a full disk is to who writes. 40 blocks of 512 bytes are too few for the ledger.
    let program = assert_cmd::cargo::cargo_bin("aimux");
    let script = format!("trap '' XFSZ; ulimit -f 40; exec {} serve --config {} 2>/dev/null", program.display(), path.display());
    let mut child = std::process::Command::new("sh")
        .args(["-c", &script])
        .env_clear()
        .envs(aimux(home.path()).get_envs().filter_map(|(name, value)| Some((name, value?))))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    let port = line.trim().rsplit(':').next().unwrap().parse().unwrap();
    let token = format!("Bearer {TOKEN}");
    for _ in 0..50 {
        let body = ask("m", false).to_string();
        let reply = http::send(port, "POST", "/v1/messages", &[("authorization", token.as_str())], body.as_bytes()).whole();
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let written = rows(&place(home.path()), "requests").len();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(written < 50, "the limit was met: {written} rows");
}

#[test]
fn the_ledger_can_be_turned_off_and_moved_while_the_server_runs() {
    let home = tempfile::tempdir().unwrap();
    let upstream = fine(Speaks::Anthropic);
    let text = |ledger: &str| config(&[(Speaks::Anthropic, &upstream)], "\"*\": [up0/up-model]", ledger);
    let gateway = Gateway::start_in(home, &text("ledger: { enabled: false }"), &[]);
    gateway.messages(&ask("m", false));
    let usual = place(&gateway.home());
    let moved = gateway.home().join("moved/here.sqlite");
    let exchange = |ledger: &str| {
        std::fs::write(gateway.home().join("aimux.yaml"), text(ledger)).unwrap();
        let reload = aimux(&gateway.home()).args(["config", "reload", "--config"]).arg(gateway.home().join("aimux.yaml")).output().unwrap();
        assert!(reload.status.success(), "{}", String::from_utf8_lossy(&reload.stderr));
        gateway.messages(&ask("m", false));
    };
    exchange("");
    requests(&usual, 1);
    exchange("ledger: { keep_days: 1 }");
    requests(&usual, 2);
    exchange(&format!("ledger: {{ path: \"{}\" }}", moved.display()));
    requests(&moved, 1);
    exchange("ledger: { enabled: false }");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!((rows(&usual, "requests").len(), rows(&moved, "requests").len()), (2, 1));
}
