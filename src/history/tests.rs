//! The file of conversations as its writers and readers meet it: whole exchanges, faults of the disk, time, several at once.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::Connection;

use super::*;

const DAY_MS: u64 = 86_400_000;

fn settings(folder: &Path) -> Settings {
    Settings { place: Place::File(folder.join("state/history.sqlite")), ..Settings::usual(folder) }
}

fn file(settings: &Settings) -> &Path {
    settings.place.file().unwrap()
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

fn exchange(prompt: &str, answer: &str) -> Exchange {
    Exchange { time_ms: now_ms(), prompt: prompt.to_owned(), answer: answer.to_owned(), ending: Ending::Whole, ..Exchange::default() }
}

fn ids(history: &History, filter: &Filter) -> Vec<String> {
    history.conversations(filter, 100).unwrap().into_iter().map(|conversation| conversation.id).collect()
}

fn sound(path: &Path) -> String {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("INSERT INTO search (search) VALUES ('integrity-check')").unwrap();
    connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
}

#[test]
fn what_is_deleted_is_nowhere_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let mut history = History::open(&settings).unwrap();
    let secret = "xylophonesecret";
    let kept = history.put(None, &exchange("kept", "keptanswer")).unwrap();
    let said = Exchange {
        system: format!("sys {secret}"),
        reasoning: format!("thought {secret}"),
        attachments: vec![Attachment::new("a.txt", "text/plain", format!("{secret} ").repeat(5000).into_bytes())],
        ..exchange(&format!("{secret} ").repeat(3000), &format!("answer {secret}"))
    };
    let gone = history.put(None, &said).unwrap();
    let bytes = || {
        let files = std::fs::read_dir(file(&settings).parent().unwrap()).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect::<Vec<u8>>()
    };
    let has = |bytes: &[u8], text: &str| memchr::memmem::find(bytes, text.as_bytes()).is_some();
    assert!(has(&bytes(), secret));
    assert_eq!(history.delete(&[gone.clone(), "absent".to_owned()]).unwrap(), 1);
    assert!(!has(&bytes(), secret) && !has(&bytes(), "xylophone"), "words are in the index, too");
    assert!(has(&bytes(), "keptanswer"));
    assert_eq!((ids(&history, &Filter::default()), history.exchanges(&gone).unwrap()), (vec![kept], vec![]));
    drop(history);
    assert_eq!(sound(file(&settings)), "ok");
}

#[test]
fn what_is_forgotten_leaves_the_file_and_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let all = Settings { keep_days: 36_500, ..settings(folder.path()) };
    let mut history = History::open(&all).unwrap();
    let words = "forgettable ".repeat(40_000);
    history.put(None, &Exchange { time_ms: now_ms() - 9 * DAY_MS, ..exchange("long ago", &words) }).unwrap();
    let mut history = History::open(&Settings { keep_days: 2, ..all.clone() }).unwrap();
    history.put(None, &exchange("now", "kept")).unwrap();
    for name in ["history.sqlite", "history.sqlite-wal"] {
        let bytes = std::fs::read(folder.path().join("state").join(name)).unwrap();
        assert!(!bytes.windows(11).any(|part| part == b"forgettable"), "{name}");
        assert!(bytes.len() < 200_000, "{name} gives the room back: {}", bytes.len());
    }
}

/// The file and its log as a process leaves them that is killed now.
fn killed(settings: &Settings, to: &Path) -> Settings {
    std::fs::create_dir_all(to).unwrap();
    let path = to.join("history.sqlite");
    for suffix in ["", "-wal"] {
        let named = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        if named(file(settings)).exists() {
            std::fs::copy(named(file(settings)), named(&path)).unwrap();
        }
    }
    Settings { place: Place::File(path), ..settings.clone() }
}

#[test]
fn whoever_is_killed_while_writing_leaves_what_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let mut history = History::open(&settings).unwrap();
    let other = Connection::open(file(&settings)).unwrap();
    for n in 0..20 {
        history.put(None, &exchange(&format!("number{n}"), "y")).unwrap();
        // In the middle of the next one.
        other.execute_batch("BEGIN IMMEDIATE; INSERT INTO conversations VALUES ('half', '', 0, 0)").unwrap();
        let left = killed(&settings, &folder.path().join(format!("killed{n}")));
        other.execute_batch("ROLLBACK").unwrap();
        let mut after = History::open(&left).unwrap();
        assert_eq!(ids(&after, &Filter::default()).len(), n + 1);
        after.put(None, &exchange("after", "y")).unwrap();
        drop(after);
        assert_eq!(sound(file(&left)), "ok");
    }
    // A log whose end never reached the disk.
    let left = killed(&settings, &folder.path().join("torn"));
    let wal = PathBuf::from(format!("{}-wal", file(&left).display()));
    let length = std::fs::metadata(&wal).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&wal).unwrap().set_len(length - 1000).unwrap();
    let after = History::open(&left).unwrap();
    assert!((1..=20).contains(&ids(&after, &Filter::default()).len()));
    drop(after);
    assert_eq!(sound(file(&left)), "ok");
}

#[test]
fn a_file_that_is_not_ours_or_is_damaged_is_left_alone_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let here = |name: &str| Settings { place: Place::File(folder.path().join(name)), ..settings(folder.path()) };
    let (foreign, newer, text, cut) = (here("foreign"), here("newer"), here("text"), here("cut"));
    Connection::open(file(&foreign)).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    drop(History::open(&newer).unwrap());
    let version = i64::try_from(sqlite::schema::testing::VERSION).unwrap();
    Connection::open(file(&newer)).unwrap().pragma_update(None, "user_version", version + 1).unwrap();
    std::fs::write(file(&text), "no database at all. ".repeat(100)).unwrap();
    let mut history = History::open(&cut).unwrap();
    for _ in 0..50 {
        history.put(None, &exchange(&"word ".repeat(200), "y")).unwrap();
    }
    drop(history);
    // Whoever closes it last takes the log into the file.
    assert_eq!(sound(file(&cut)), "ok");
    let mut bytes = std::fs::read(file(&cut)).unwrap();
    let half = bytes.len() / 2;
    bytes[4096..half].fill(0xa5);
    std::fs::write(file(&cut), &bytes).unwrap();
    for (settings, reason) in
        [(&foreign, "another program"), (&newer, "newer aimux"), (&text, "move it away and a new one is begun"), (&cut, "move it away")]
    {
        let before = std::fs::read(file(settings)).unwrap();
        let written = History::open(settings).and_then(|mut history| history.put(None, &exchange("x", "y")));
        let error = written.unwrap_err();
        assert!(error.code == Code::History && error.message.contains(reason), "{}", error.message);
        let error = History::read(settings).and_then(|history| history.unwrap().conversations(&Filter::default(), 9)).unwrap_err();
        assert!(error.code == Code::History && error.message.contains(reason), "{}", error.message);
        assert_eq!(std::fs::read(file(settings)).unwrap(), before, "{reason}");
    }
}

#[test]
fn a_migration_keeps_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    History::open(&settings).unwrap().put(None, &exchange("kept", "y")).unwrap();
    let mut connection = Connection::open(file(&settings)).unwrap();
    for _ in 0..2 {
        sqlite::schema::testing::migrate_further(&mut connection, &["ALTER TABLE exchanges ADD COLUMN more TEXT NOT NULL DEFAULT 'x'"]);
    }
    let (prompt, more): (String, String) =
        connection.query_row("SELECT prompt, more FROM exchanges", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!((prompt.as_str(), more.as_str()), ("kept", "x"));
    assert!(History::read(&settings).unwrap_err().message.contains("newer aimux"));
}

#[test]
fn the_file_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let mut history = History::open(&settings).unwrap();
    history.put(None, &exchange("x", "y")).unwrap();
    for (file, mode) in [("state", 0o700), ("state/history.sqlite", 0o600), ("state/history.sqlite-wal", 0o600)] {
        assert_eq!(std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode() & 0o777, mode, "{file}");
    }
    std::fs::set_permissions(file(&settings), std::fs::Permissions::from_mode(0o644)).unwrap();
    drop(History::open(&settings).unwrap());
    assert_eq!(std::fs::metadata(file(&settings)).unwrap().permissions().mode() & 0o777, 0o600, "a mode that was widened is mended");
}
