//! The ledger as its writers and readers meet it: whole rows, faults of the disk, time.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;

use super::sqlite::schema::{self, testing};
use super::*;
use crate::database::Fault;
use crate::error::Code;

fn settings(path: &Path) -> Settings {
    Settings { enabled: true, place: path.into(), keep_days: 90 }
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
        let error = usage(&path.as_path().into(), By::Model, Span::default()).unwrap_err();
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
fn an_empty_file_is_a_ledger_that_nobody_wrote_yet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    std::fs::write(&path, "").unwrap();
    assert!(matches!(schema::open_to_read(&path), Err(Fault::Absent)));
    flushed(&Ledger::start(&settings(&path)).unwrap());
    assert_eq!(count(&path), 0);
}

#[test]
fn the_file_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::start(&settings(&folder.path().join("state/ledger.sqlite"))).unwrap();
    ledger.put(entry("1"));
    flushed(&ledger);
    for (file, mode) in [("state", 0o700), ("state/ledger.sqlite", 0o600), ("state/ledger.sqlite-wal", 0o600)] {
        let about = std::fs::metadata(folder.path().join(file)).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, mode, "{file}");
    }
}
