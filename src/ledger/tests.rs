//! The ledger as its writers and readers meet it: whole rows, faults of the disk, time.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;

use super::schema::{self, testing};
use super::*;
use crate::chat::Usage;
use crate::database::Fault;
use crate::error::Code;

const DAY_MS: u64 = 86_400_000;

fn settings(path: &Path) -> Settings {
    Settings { enabled: true, path: path.to_owned(), keep_days: 90 }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

fn entry(id: &str) -> Box<Entry> {
    Box::new(Entry { time_ms: now_ms(), request_id: id.to_owned(), dialect: "anthropic", status: 200, ..Entry::default() })
}

fn flushed(ledger: &Ledger) {
    assert!(ledger.flush(Duration::from_secs(20)), "{:?}", ledger.counters());
}

fn count(path: &Path) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection.query_row("SELECT count(*) FROM requests", [], |row| row.get(0)).unwrap()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Every column of a table's rows, as text.
fn rows(path: &Path, table: &str) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let read = statement.query_map([], |row| {
        let cell = |(index, name): (usize, &String)| {
            let value = match row.get_ref(index).unwrap() {
                rusqlite::types::ValueRef::Null => "NULL".to_owned(),
                rusqlite::types::ValueRef::Integer(value) => value.to_string(),
                rusqlite::types::ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
                other => panic!("{other:?}"),
            };
            format!("{name}={value}")
        };
        Ok(names.iter().enumerate().map(cell).collect::<Vec<_>>().join(" "))
    });
    read.unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_request_and_its_attempts_are_written_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/ledger.sqlite");
    let ledger = Ledger::start(&settings(&path)).unwrap();
    let went = |start_ms, ms, status, code, is_reused| Attempt { start_ms, ms, status, code, is_reused };
    let full = Entry {
        time_ms: 1_795_000_000_123,
        request_id: "req_1".to_owned(),
        dialect: "anthropic",
        program: "claude-cli".to_owned(),
        role: "subagent",
        session: "s1".to_owned(),
        agent: "a1".to_owned(),
        project: "p1".to_owned(),
        asked: "claude-opus-4-8".to_owned(),
        route: "claude-*".to_owned(),
        stream: true,
        provider: "zai".to_owned(),
        model: "glm-5.1".to_owned(),
        key: "zai-a".to_owned(),
        status: 502,
        code: Some(Code::UpstreamBroken),
        ending: Ending::Failed,
        usage: Usage {
            input: Some(11),
            cache_read: Some(22),
            cache_write: Some(33),
            cache_write_1h: Some(3),
            output: Some(44),
            reasoning: Some(5),
        },
        is_estimated: true,
        cost: Some(66),
        content_ms: Some(77),
        total_ms: 88,
        losses: 9,
        earlier: vec![Earlier {
            provider: "cerebras".to_owned(),
            model: "gpt".to_owned(),
            key: "c".to_owned(),
            went: went(1, 2, Some(429), Some(Code::UpstreamLimited), Some(true)),
            ..Earlier::default()
        }],
        hedge: None,
        last: Some(went(4, 84, Some(200), Some(Code::UpstreamBroken), Some(false))),
        cache_break: Some(CacheBreak { cause: "messages", detail: "messages[3] changed".to_owned(), tokens: 99, cost: Some(98) }),
    };
    ledger.put(Box::new(full));
    ledger.put(entry("req_2"));
    flushed(&ledger);
    let requests = rows(&path, "requests");
    assert_eq!(
        requests[0],
        "id=1 time=1795000000123 request_id=req_1 dialect=anthropic program=claude-cli role=subagent session=s1 agent=a1 project=p1 \
         asked=claude-opus-4-8 route=claude-* stream=1 provider=zai model=glm-5.1 key=zai-a status=502 code=E0505 ending=failed \
         attempts=2 input=11 output=44 cache_read=22 cache_write=33 thinking=5 estimated=1 cost=66 content_ms=77 total_ms=88 losses=9 \
         break_cause=messages break_detail=messages[3] changed break_tokens=99 break_cost=98"
    );
    let unknown = "attempts=0 input=NULL output=NULL cache_read=NULL cache_write=NULL thinking=NULL estimated=0 cost=NULL content_ms=NULL";
    assert!(requests[1].contains(unknown) && requests[1].contains("code=NULL ending=client_gone"), "{}", requests[1]);
    assert_eq!(
        rows(&path, "attempts"),
        [
            "request=1 number=1 provider=cerebras model=gpt key=c start_ms=1 ms=2 status=429 code=E0503 reused=1 ending=NULL cost=NULL input=NULL output=NULL \
             cache_read=NULL cache_write=NULL thinking=NULL",
            "request=1 number=2 provider=zai model=glm-5.1 key=zai-a start_ms=4 ms=84 status=200 code=E0505 reused=0 ending=NULL cost=66 input=11 output=44 \
             cache_read=22 cache_write=33 thinking=5",
        ]
    );
    assert_eq!(ledger.counters(), Counters { written: 2, dropped: 0, queued: 0 });
    for (file, mode) in [("state", 0o700), ("state/ledger.sqlite", 0o600), ("state/ledger.sqlite-wal", 0o600)] {
        let about = std::fs::metadata(folder.path().join(file)).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, mode, "{file}");
    }
}

#[test]
fn a_key_is_told_when_it_was_used_and_how_it_last_failed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    assert_eq!(key_records(&path).unwrap(), std::collections::HashMap::new(), "nobody wrote one yet");
    let ledger = Ledger::start(&settings(&path)).unwrap();
    let fine = Attempt { status: Some(200), ..Attempt::default() };
    let bad = |status, code, start_ms| Attempt { status, code: Some(code), start_ms, ..Attempt::default() };
    let earlier = |key: &str, went| Earlier { key: key.to_owned(), went, ..Earlier::default() };
    let put = |time_ms, earlier, key: &str, last| {
        ledger.put(Box::new(Entry { time_ms, earlier, key: key.to_owned(), last: Some(last), ..*entry("r") }));
    };
    put(now_ms() - 9_000, vec![], "a", bad(Some(401), Code::UpstreamAuth, 0));
    put(
        now_ms() - 5_000,
        vec![earlier("a", bad(Some(429), Code::UpstreamLimited, 5)), earlier("a", bad(None, Code::UpstreamTimeout, 50))],
        "b",
        fine,
    );
    let used_ms = now_ms();
    put(used_ms, vec![], "a", fine);
    put(used_ms, vec![], "", fine);
    flushed(&ledger);
    let records = key_records(&path).unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!((records["a"].used_ms, &records["b"].error), (used_ms, &None));
    let error = records["a"].error.clone().unwrap();
    assert_eq!(
        (error.status, error.code.as_str()),
        (None, Code::UpstreamTimeout.row().id),
        "the last attempt, not the first of its request"
    );
    assert!(error.time_ms < used_ms - 4_000, "{error:?}");
}

#[test]
fn a_ledger_that_is_turned_off_makes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    assert!(Ledger::start(&Settings { enabled: false, ..settings(&path) }).is_none());
    assert!(!path.exists());
}

#[test]
fn a_locked_database_delays_rows_and_loses_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let ledger = Ledger::start(&settings(&path)).unwrap();
    flushed(&ledger);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let started = Instant::now();
    for id in 0..3000 {
        ledger.put(entry(&id.to_string()));
    }
    assert!(started.elapsed() < Duration::from_secs(1), "who puts never waits: {:?}", started.elapsed());
    // Longer than a writer waits for another: it has failed and will try again.
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(ledger.counters(), Counters { written: 0, dropped: 0, queued: 3000 });
    other.execute_batch("COMMIT").unwrap();
    until("the rows come after the lock", || ledger.counters().written == 3000);
    assert_eq!(count(&path), 3000);
}

#[test]
fn what_cannot_be_written_is_dropped_and_counted_and_never_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    std::fs::write(&path, "this is a text, of which a database is not made. ".repeat(100)).unwrap();
    let ledger = Ledger::start(&settings(&path)).unwrap();
    let total = 20_000;
    let started = Instant::now();
    for id in 0..total {
        ledger.put(entry(&id.to_string()));
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    let Counters { written, dropped, queued } = ledger.counters();
    assert_eq!((written, dropped + queued), (0, total), "each is accounted for");
    assert!(dropped > 10_000 && queued >= 8192, "{dropped} dropped, {queued} queued");
    assert!(!ledger.flush(Duration::from_secs(1)), "nothing was flushed");

    std::fs::rename(&path, folder.path().join("damaged")).unwrap();
    until("a new file is begun once the damaged one is away", || ledger.counters().written == queued);
    assert_eq!(count(&path), i64::try_from(queued).unwrap());
    assert_eq!(ledger.counters().dropped, dropped);
    ledger.put(entry("after"));
    flushed(&ledger);
}

#[test]
fn a_file_that_was_taken_away_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let ledger = Ledger::start(&settings(&path)).unwrap();
    ledger.put(entry("1"));
    flushed(&ledger);
    std::fs::rename(&path, folder.path().join("away.sqlite")).unwrap();
    for id in ["2", "3"] {
        ledger.put(entry(id));
        flushed(&ledger);
    }
    drop(ledger);
    assert_eq!(count(&path), 2);
    let sound: String = Connection::open(&path).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

#[test]
fn several_writers_of_one_file_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let ledgers: Vec<Ledger> = (0..8).filter_map(|_| Ledger::start(&settings(&path))).collect();
    for id in 0..200 {
        ledgers.iter().for_each(|ledger| ledger.put(entry(&id.to_string())));
    }
    ledgers.iter().for_each(|ledger| until("all are written", || ledger.counters().written == 200));
    assert_eq!(count(&path), 1600);
    assert_eq!(ledgers.iter().map(|ledger| ledger.counters().dropped).sum::<u64>(), 0);
}

#[test]
fn the_last_holders_drop_writes_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let ledger = Ledger::start(&settings(&path)).unwrap();
    ledger.put(entry("1"));
    drop(ledger);
    until("it is written", || {
        path.exists() && usage(&path, By::Day, Span::default()).is_ok_and(|told| told.is_some_and(|told| told.total.requests == 1))
    });
}

#[test]
fn requests_are_forgotten_when_they_are_older_than_the_days_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let now = now_ms();
    // A minute on either side of the edge, which moves while the test runs.
    let ages = [("old", 2 * DAY_MS + 60_000), ("young", 2 * DAY_MS - 60_000), ("new", 0)];
    let ledger = Ledger::start(&settings(&path)).unwrap();
    for (id, age) in ages {
        let last = Some(Attempt::default());
        ledger.put(Box::new(Entry { time_ms: now - age, last, ..*entry(id) }));
    }
    flushed(&ledger);
    drop(ledger);
    let ids = || rows(&path, "requests").iter().map(|row| row.split(' ').nth(2).unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(), ["request_id=old", "request_id=young", "request_id=new"]);

    flushed(&Ledger::start(&Settings { keep_days: 2, ..settings(&path) }).unwrap());
    assert_eq!(ids(), ["request_id=young", "request_id=new"]);
    assert_eq!(rows(&path, "attempts").len(), 2, "the attempts go with their requests");
    flushed(&Ledger::start(&Settings { keep_days: 1, ..settings(&path) }).unwrap());
    assert_eq!(ids(), ["request_id=new"]);
    flushed(&Ledger::start(&Settings { keep_days: 36_500, ..settings(&path) }).unwrap());
    assert_eq!(ids(), ["request_id=new"], "a hundred years before now is not before 1970's begin, or all would go");
}

#[test]
fn many_old_requests_go_in_several_steps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let ledger = Ledger::start(&settings(&path)).unwrap();
    for id in 0..4500 {
        ledger.put(Box::new(Entry { time_ms: 1000 + id, ..*entry("old") }));
    }
    ledger.put(entry("new"));
    until("all are written", || ledger.counters().written == 4501);
    drop(ledger);
    flushed(&Ledger::start(&settings(&path)).unwrap());
    assert_eq!(count(&path), 1);
}

#[test]
fn a_database_of_another_program_or_of_a_newer_aimux_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign.sqlite");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)").unwrap();
    let newer = folder.path().join("newer.sqlite");
    flushed(&Ledger::start(&settings(&newer)).unwrap());
    // Its thread closes the file, and with that writes to it, in its own time.
    until("the first writer is gone", || !folder.path().join("newer.sqlite-wal").exists());
    let version = i64::try_from(testing::VERSION).unwrap();
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", version + 1).unwrap();
    for (path, reason) in [(&foreign, "another program"), (&newer, "newer aimux")] {
        let before = std::fs::read(path).unwrap();
        let ledger = Ledger::start(&settings(path)).unwrap();
        ledger.put(entry("1"));
        assert!(!ledger.flush(Duration::from_secs(5)) && ledger.counters().written == 0);
        assert_eq!(std::fs::read(path).unwrap(), before, "{reason}");
        let error = usage(path, By::Model, Span::default()).unwrap_err();
        assert!(error.code == Code::Ledger && error.message.contains(reason), "{}", error.message);
    }
}

#[test]
fn a_migration_runs_once_and_keeps_what_was_there() {
    let mut connection = Connection::open_in_memory().unwrap();
    testing::migrate_with(&mut connection, testing::ALL);
    connection
        .execute_batch("INSERT INTO attempts (request, number, provider, model, key, start_ms, ms) VALUES (1, 1, 'p', 'm', 'k', 0, 0)")
        .unwrap();
    let next = [testing::ALL, &["ALTER TABLE attempts ADD COLUMN more TEXT NOT NULL DEFAULT 'x'"]].concat();
    for _ in 0..2 {
        testing::migrate_with(&mut connection, &next);
    }
    let (provider, more): (String, String) =
        connection.query_row("SELECT provider, more FROM attempts", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!((provider.as_str(), more.as_str()), ("p", "x"));
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, i64::try_from(next.len()).unwrap());
}

#[test]
fn texts_of_clients_are_cut_at_a_character() {
    assert_eq!(kept("claude".to_owned()), "claude");
    assert_eq!(kept("é".repeat(100)).len(), 200);
    assert_eq!(kept("é".repeat(101)), "é".repeat(100));
    assert_eq!(kept(format!("x{}", "é".repeat(100))).len(), 199);
}

#[test]
fn usage_is_summed_by_group_and_told_apart_from_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    assert_eq!(usage(&path, By::Model, Span::default()).unwrap(), None);
    assert_eq!(today(&path), None);
    let ledger = Ledger::start(&settings(&path)).unwrap();
    let base = 1_795_000_000_000;
    let put = |time_ms: u64, model: &str, tokens: [u64; 4], cost: Option<u64>, content_ms: Option<u64>, ending: Ending| {
        let [input, output, cache_read, cache_write] = tokens.map(Some);
        let usage = Usage { input, output, cache_read, cache_write, reasoning: Some(1), ..Usage::default() };
        let (provider, model, key) = ("zai".to_owned(), model.to_owned(), "k".to_owned());
        let project = if time_ms > base { "late" } else { "" }.to_owned();
        ledger.put(Box::new(Entry { time_ms, provider, model, key, project, usage, cost, content_ms, ending, ..*entry("x") }));
    };
    put(base, "a", [10, 20, 30, 40], Some(500), Some(100), Ending::Complete);
    put(base, "a", [0, 0, 20, 0], Some(250), Some(300), Ending::Complete);
    put(base + 1000, "a", [0, 0, 0, 0], Some(0), None, Ending::Failed);
    put(base + 2000, "b", [1, 2, 0, 0], None, Some(50), Ending::ClientGone);
    flushed(&ledger);
    let told = |by, span| usage(&path, by, span).unwrap().unwrap();
    let by_model = told(By::Model, Span::default());
    let a = Row {
        name: "zai/a".to_owned(),
        requests: 3,
        errors: 1,
        input_tokens: 10,
        output_tokens: 20,
        cache_read_tokens: 50,
        cache_write_tokens: 40,
        thinking_tokens: 3,
        cost_micro_usd: 750,
        cache_share: Some(0.5),
        first_content_p50_ms: Some(100),
        first_content_p95_ms: Some(300),
        ..Row::default()
    };
    assert_eq!(by_model.groups[0], a);
    let b = &by_model.groups[1];
    assert_eq!((b.name.as_str(), b.requests, b.errors, b.cost_micro_usd, b.unpriced), ("zai/b", 1, 0, 0, 1));
    assert_eq!((by_model.total.requests, by_model.total.cost_micro_usd, by_model.total.unpriced), (4, 750, 1));
    assert_eq!(by_model.total.first_content_p50_ms, Some(100), "of 50, 100 and 300");
    assert_eq!(by_model.unpriced, [Unpriced { target: "zai/b".to_owned(), requests: 1 }]);

    let names = |by| told(by, Span::default()).groups.iter().map(|row| (row.name.clone(), row.requests)).collect::<Vec<_>>();
    let one = |name: &str| vec![(name.to_owned(), 4)];
    assert_eq!((names(By::Provider), names(By::Key), names(By::Client)), (one("zai"), one("zai k"), one("anthropic")));
    assert_eq!((names(By::Route), names(By::Session), names(By::Agent)), (one(""), one(""), one("")));
    assert_eq!(names(By::Project), [(String::new(), 2), ("late".to_owned(), 2)]);
    let [day, hour] = [By::Day, By::Hour].map(|by| names(by).remove(0).0);
    assert!(hour.starts_with(&day) && day.starts_with("2026-11-1") && hour.ends_with(":00"), "{hour}");

    let within = |since_ms, until_ms| told(By::Model, Span { since_ms, until_ms }).total.requests;
    assert_eq!(within(Some(base), Some(base + 2000)), 3, "the begin is in it, the end is not");
    assert_eq!(within(Some(base + 1), None), 2);
    assert_eq!(within(None, Some(base)), 0);
    assert_eq!(told(By::Model, Span { since_ms: Some(base + 9000), until_ms: None }), Report::default());
}

#[test]
fn what_each_attempt_took_is_told_of_whom_it_was_taken_by() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let ledger = Ledger::start(&settings(&path)).unwrap();
    let tokens = |input, output| Usage { input: Some(input), output: Some(output), ..Usage::default() };
    let by = |provider: &str| Earlier { provider: provider.to_owned(), model: "m".to_owned(), key: "k".to_owned(), ..Earlier::default() };
    let cancelled = |provider, cost| Earlier { cost: Some(0), cancelled: Some(Cancelled { cost }), ..by(provider) };
    let broke = |provider, cost| Earlier { took: tokens(5, 7), cost, ..by(provider) };
    let put = |usage, cost, earlier| {
        let (provider, model, key) = ("b".to_owned(), "m".to_owned(), "k".to_owned());
        let last = Some(Attempt { status: Some(200), ..Attempt::default() });
        ledger.put(Box::new(Entry { provider, model, key, usage, cost, earlier, last, ..*entry("x") }));
    };
    // Of 130 the first half took 30; the one that was refused took nothing.
    put(tokens(15, 17), Some(130), vec![Earlier { cost: Some(0), ..by("c") }, broke("a", Some(30))]);
    // Beside what the request cost itself.
    put(tokens(1, 1), Some(40), vec![cancelled("a", Some(2))]);
    // The price of the one that was late is not known, so that the request's is not.
    put(tokens(1, 1), Some(1000), vec![cancelled("u", None)]);
    flushed(&ledger);
    let told = |by| usage(&path, by, Span::default()).unwrap().unwrap();
    for (by, names) in [(By::Provider, ["b", "a", "u"]), (By::Model, ["b/m", "a/m", "u/m"]), (By::Key, ["b k", "a k", "u k"])] {
        let Report { groups, total, unpriced, .. } = told(by);
        let rows: Vec<_> = groups
            .iter()
            .map(|row| (row.name.as_str(), row.requests, row.input_tokens, row.output_tokens, row.cost_micro_usd, row.unpriced))
            .collect();
        assert_eq!(rows, [(names[0], 3, 12, 12, 1140, 0), (names[1], 0, 5, 7, 32, 0), (names[2], 0, 0, 0, 0, 1)]);
        assert_eq!((total.requests, total.input_tokens, total.cost_micro_usd, total.unpriced), (3, 17, 1172, 1));
        assert_eq!(unpriced, [Unpriced { target: "u/m".to_owned(), requests: 1 }]);
    }
    let all = told(By::Session).groups.remove(0);
    assert_eq!((all.requests, all.input_tokens, all.cost_micro_usd, all.unpriced, all.estimated), (3, 17, 1172, 1, 2));
    let failovers = session(&path, "").unwrap().unwrap().failovers;
    assert_eq!(failovers, 1, "one that was late has not failed");
}

#[test]
fn the_nearest_rank_is_the_wait_that_so_many_stayed_at_or_below() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let ledger = Ledger::start(&settings(&path)).unwrap();
    for wait in (1..=100).rev() {
        ledger.put(Box::new(Entry { content_ms: Some(wait), ..*entry("x") }));
    }
    flushed(&ledger);
    let total = usage(&path, By::Model, Span::default()).unwrap().unwrap().total;
    assert_eq!((total.first_content_p50_ms, total.first_content_p95_ms, total.cache_share), (Some(50), Some(95), None));
}

#[test]
fn an_empty_file_is_a_ledger_that_nobody_wrote_yet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    std::fs::write(&path, "").unwrap();
    assert!(matches!(schema::open_to_read(&path), Err(Fault::Absent)));
    flushed(&Ledger::start(&settings(&path)).unwrap());
    assert_eq!(count(&path), 0);
}

#[test]
fn requests_are_found_by_words_the_latest_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let ledger = Ledger::start(&settings(&path)).unwrap();
    let now = now_ms();
    let failed = Earlier {
        provider: "zai".to_owned(),
        model: "glm-5.1".to_owned(),
        key: "spare".to_owned(),
        went: Attempt { code: Some(Code::ALL[0]), ..Attempt::default() },
        ..Earlier::default()
    };
    let of = |id: &str, days: u64, cost: Option<u64>| Entry {
        time_ms: now - days * DAY_MS,
        program: "claude-cli".to_owned(),
        session: format!("11-{id}"),
        project: "Größe".to_owned(),
        asked: "claude-opus-4-8".to_owned(),
        provider: "anthropic".to_owned(),
        model: "opus".to_owned(),
        cost,
        ending: Ending::Complete,
        last: Some(Attempt::default()),
        ..*entry(id)
    };
    ledger.put(Box::new(of("req_a", 2, Some(10))));
    ledger.put(Box::new(Entry { earlier: vec![failed], ..of("req_b", 1, Some(5_000)) }));
    let refused =
        Entry { status: 503, code: Some(Code::ToolSteps), ending: Ending::Failed, provider: String::new(), ..of("req_c", 0, None) };
    ledger.put(Box::new(refused));
    flushed(&ledger);
    let found = |terms: &[(&str, bool)], sought: &Sought, limit: usize| -> Vec<String> {
        let terms = terms.iter().map(|(text, is_begin)| ((*text).to_owned(), *is_begin)).collect();
        let found = search(&path, &Sought { terms, ..sought.clone() }, limit).unwrap();
        found.into_iter().map(|request| request.request_id).collect()
    };
    let all = Sought::default();
    for (term, ids) in [
        ("claude-opus-4-8", &["req_c", "req_b", "req_a"][..]),
        ("Claude CLI", &["req_c", "req_b", "req_a"]),
        ("grösse", &[]),
        ("GRÖßE", &["req_c", "req_b", "req_a"]),
        ("11-req_b", &["req_b"]),
        ("503", &["req_c"]),
        ("AIMUX-E0802", &["req_c"]),
        ("e0802", &["req_c"]),
        ("failed", &["req_c"]),
        ("zai/glm-5.1", &["req_b"]),
        ("spare", &["req_b"]),
        (Code::ALL[0].row().id, &["req_b"]),
        // A part of a word is none.
        ("opu", &[]),
        ("--", &[]),
    ] {
        assert_eq!(found(&[(term, false)], &all, 9), ids, "{term}");
    }
    assert_eq!(found(&[("opu", true)], &all, 2), ["req_c", "req_b"]);
    assert_eq!(found(&[("opus", false), ("503", false)], &all, 9), ["req_c"]);
    assert_eq!(found(&[], &all, 9), [""; 0]);
    let span = Span { since_ms: Some(now - DAY_MS - 1), until_ms: Some(now) };
    for (sought, ids) in [
        (Sought { span, ..all.clone() }, &["req_b"][..]),
        (Sought { model: Some("ANTHROPIC/op".to_owned()), ..all.clone() }, &["req_b", "req_a"]),
        (Sought { cost_min: Some(11), ..all.clone() }, &["req_b"]),
        (Sought { cost_min: Some(0), ..all.clone() }, &["req_c", "req_b", "req_a"]),
    ] {
        assert_eq!(found(&[("claude", false)], &sought, 9), ids, "{sought:?}");
    }
    let request = search(&path, &Sought { terms: vec![("spare".to_owned(), false)], ..all.clone() }, 9).unwrap().remove(0);
    assert_eq!((request.target.as_str(), request.cost, request.earlier.len()), ("anthropic/opus", Some(5_000), 1));
    assert_eq!(search(&folder.path().join("absent.sqlite"), &Sought { terms: vec![("a".to_owned(), false)], ..all }, 9).unwrap(), []);
}
