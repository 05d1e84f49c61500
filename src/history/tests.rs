//! The file of conversations as its writers and readers meet it: whole exchanges, faults of the disk, time, several at once.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::Connection;

use super::*;
use crate::chat::Usage;

const DAY_MS: u64 = 86_400_000;

fn settings(folder: &Path) -> Settings {
    Settings { path: folder.join("state/history.sqlite"), ..Settings::usual(folder) }
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
fn an_exchange_is_kept_whole_and_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    assert!(History::read(&settings).unwrap().is_none());
    let mut history = History::open(&settings).unwrap();
    let full = Exchange {
        request_id: "req_1".to_owned(),
        system: "be brief".to_owned(),
        attachments: vec![
            Attachment::new("cat.png", "image/png", vec![0, 159, 146, 150]),
            Attachment { content: None, ..Attachment::new("https://a/b.pdf", "application/pdf", Vec::new()) },
        ],
        reasoning: "hmm".to_owned(),
        asked: "default".to_owned(),
        provider: "zai".to_owned(),
        model: "glm-5.1".to_owned(),
        route: "default".to_owned(),
        options: r#"{"temperature":0.5}"#.to_owned(),
        ending: Ending::Partial,
        code: Some("E0505".to_owned()),
        attempts: 2,
        usage: Usage {
            input: Some(1),
            output: Some(2),
            cache_read: Some(3),
            cache_write: Some(4),
            cache_write_1h: None,
            reasoning: Some(5),
        },
        is_estimated: true,
        cost: Some(77),
        content_ms: Some(8),
        total_ms: 9,
        ..exchange("\n  what is it?\nsay", "a \0 cat \u{1b}[31m")
    };
    let id = history.put(None, &full).unwrap();
    let second = Exchange { time_ms: full.time_ms + 1, ..exchange("and now?", "") };
    assert_eq!(history.put(Some(&id), &second).unwrap(), id);
    let read = History::read(&settings).unwrap().unwrap();
    assert_eq!(read.exchanges(&id).unwrap(), [full.clone(), second]);
    assert_eq!(
        read.conversations(&Filter::default(), 10).unwrap(),
        [Conversation {
            id: id.clone(),
            name: "what is it?".to_owned(),
            created_ms: full.time_ms,
            updated_ms: full.time_ms + 1,
            exchanges: 2,
            unfinished: 1,
            targets: vec!["zai/glm-5.1".to_owned()],
            cost_micro_usd: 77,
            unpriced: 1,
        }]
    );
    for (file, mode) in [("state", 0o700), ("state/history.sqlite", 0o600), ("state/history.sqlite-wal", 0o600)] {
        assert_eq!(std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode() & 0o777, mode, "{file}");
    }
    std::fs::set_permissions(&settings.path, std::fs::Permissions::from_mode(0o644)).unwrap();
    drop(History::open(&settings).unwrap());
    assert_eq!(std::fs::metadata(&settings.path).unwrap().permissions().mode() & 0o777, 0o600, "a mode that was widened is mended");
}

#[test]
fn content_is_kept_once_and_only_where_it_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let with = |name: &str| Exchange { attachments: vec![Attachment::new(name, "text/plain", b"the same".to_vec())], ..exchange("x", "y") };
    let mut history = History::open(&settings).unwrap();
    let ids = ["a", "b"].map(|name| history.put(None, &with(name)).unwrap());
    let contents =
        |path: &Path| -> i64 { Connection::open(path).unwrap().query_row("SELECT count(*) FROM contents", [], |row| row.get(0)).unwrap() };
    assert_eq!(contents(&settings.path), 1);
    history.delete(&ids[..1]).unwrap();
    assert_eq!(contents(&settings.path), 1, "the other one needs it");
    assert_eq!(history.exchanges(&ids[1]).unwrap()[0].attachments[0].content.as_deref(), Some(b"the same".as_slice()));
    history.delete(&ids[1..]).unwrap();
    assert_eq!(contents(&settings.path), 0);
    let mut history = History::open(&Settings { attachments: false, ..settings.clone() }).unwrap();
    let id = history.put(None, &with("c")).unwrap();
    let kept = history.exchanges(&id).unwrap().remove(0).attachments.remove(0);
    assert_eq!((kept.name.as_str(), kept.size, kept.sha256.len(), kept.content), ("c", 8, 64, None));
}

#[test]
fn conversations_are_found_by_time_model_cost_and_text() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::open(&settings(folder.path())).unwrap();
    let base = now_ms() - 10 * DAY_MS;
    let mut put = |days: u64, target: [&str; 2], cost: Option<u64>, prompt: &str, answer: &str| {
        let [provider, model] = target.map(str::to_owned);
        history
            .put(
                None,
                &Exchange { time_ms: base + days * DAY_MS, asked: "default".to_owned(), provider, model, cost, ..exchange(prompt, answer) },
            )
            .unwrap()
    };
    let a = put(0, ["zai", "glm-5.1"], Some(900), "Explain borrow checking", "The borrow checker …");
    let b = put(1, ["zai", "GLM-5.2"], None, "Wie heißt das Café?", "Café Müller");
    let c = put(2, ["anthropic", "claude-opus-4-8"], Some(5_000), "checking the borrow", "no");
    let found = |filter: Filter| ids(&history, &filter);
    let all = Filter::default;
    assert_eq!(found(all()), [c.clone(), b.clone(), a.clone()], "the latest first");
    assert_eq!(found(Filter { since_ms: Some(base + DAY_MS), ..all() }), [c.clone(), b.clone()]);
    assert_eq!(found(Filter { until_ms: Some(base + DAY_MS), ..all() }), std::slice::from_ref(&a));
    assert_eq!(found(Filter { model: Some("glm".to_owned()), ..all() }), [b.clone(), a.clone()]);
    assert_eq!(found(Filter { model: Some("DEFAULT".to_owned()), ..all() }).len(), 3);
    assert_eq!(found(Filter { cost_min: Some(1000), ..all() }), std::slice::from_ref(&c));
    assert_eq!(found(Filter { cost_min: Some(900), since_ms: Some(base), ..all() }), [c.clone(), a.clone()]);
    let text = |text: &str| Filter { text: Some(text.to_owned()), ..all() };
    assert_eq!(found(text("cafe muller")), std::slice::from_ref(&b), "without accents");
    assert_eq!(found(text("borrow check*")), [c.clone(), a.clone()]);
    assert_eq!(found(text("\"borrow checking\"")), std::slice::from_ref(&a));
    for nothing in ["absent", "", "\"", "*", "AND", "prompt:borrow NOT", "(((", "' OR 1=1 --"] {
        assert_eq!(found(text(nothing)), Vec::<String>::new(), "{nothing}");
        assert_eq!(history.search(nothing, &all(), 9).unwrap(), [], "{nothing}");
    }
    let hits = history.search("borrow", &all(), 9).unwrap();
    assert_eq!(hits.len(), 2);
    let hit = hits.iter().find(|hit| hit.conversation == c).unwrap();
    assert_eq!((hit.prompt.as_str(), hit.target.as_str(), hit.number), ("checking the \u{1}borrow\u{2}", "anthropic/claude-opus-4-8", 1));
    assert_eq!(history.search("borrow", &Filter { model: Some("opus".to_owned()), ..all() }, 9).unwrap().len(), 1);
    assert_eq!(history.search("borrow", &all(), 1).unwrap().len(), 1);
    assert_eq!(history.conversations(&all(), 2).unwrap().len(), 2);
}

#[test]
fn an_id_may_be_cut_short_where_it_is_the_only_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::open(&Settings { keep_days: 36_500, ..settings(folder.path()) }).unwrap();
    let at = |time_ms| Exchange { time_ms, ..exchange("x", "y") };
    let early = history.put(None, &at(1_000)).unwrap();
    let (a, b) = (history.put(None, &at(now_ms())).unwrap(), history.put(None, &at(now_ms())).unwrap());
    assert_eq!(history.find(&early[..9]).unwrap(), early);
    assert_eq!(history.find(&a.to_uppercase()).unwrap(), a);
    let error = history.find(&a[..4]).unwrap_err();
    assert!(error.code == Code::Usage && error.message.contains(&a) && error.message.contains(&b), "{}", error.message);
    for absent in ["zzzz", "", "%", "0' OR 1", "\u{1b}[31m"] {
        assert!(history.find(absent).unwrap_err().message.starts_with("there is no conversation"), "{absent}");
    }
}

#[test]
fn the_latest_is_one_with_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::open(&settings(folder.path())).unwrap();
    assert_eq!(history.latest().unwrap(), None);
    let now = now_ms();
    let at = |time_ms, answer: &str| Exchange { time_ms, ..exchange("x", answer) };
    let first = history.put(None, &at(now - 9, "yes")).unwrap();
    let second = history.put(None, &at(now - 8, "yes")).unwrap();
    assert_eq!(history.latest().unwrap().as_ref(), Some(&second));
    history.put(None, &at(now - 7, "")).unwrap();
    assert_eq!(history.latest().unwrap(), Some(second), "nobody answered that one");
    history.put(Some(&first), &at(now, "more")).unwrap();
    assert_eq!(history.latest().unwrap(), Some(first));
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
        let files = std::fs::read_dir(settings.path.parent().unwrap()).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect::<Vec<u8>>()
    };
    let has = |bytes: &[u8], text: &str| memchr::memmem::find(bytes, text.as_bytes()).is_some();
    assert!(has(&bytes(), secret));
    assert_eq!(history.delete(&[gone.clone(), "absent".to_owned()]).unwrap(), 1);
    assert!(!has(&bytes(), secret) && !has(&bytes(), "xylophone"), "words are in the index, too");
    assert!(has(&bytes(), "keptanswer"));
    assert_eq!((ids(&history, &Filter::default()), history.exchanges(&gone).unwrap()), (vec![kept], vec![]));
    drop(history);
    assert_eq!(sound(&settings.path), "ok");
}

#[test]
fn old_conversations_are_forgotten_and_the_current_one_never() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { keep_days: 2, ..settings(folder.path()) };
    let all = Settings { keep_days: 36_500, ..settings.clone() };
    let mut history = History::open(&all).unwrap();
    let at = |age| Exchange { time_ms: now_ms() - age, ..exchange("x", "y") };
    let old = history.put(None, &at(2 * DAY_MS + 60_000)).unwrap();
    let young = history.put(None, &at(2 * DAY_MS - 60_000)).unwrap();
    let went_on = history.put(None, &at(9 * DAY_MS)).unwrap();
    history.put(Some(&went_on), &at(DAY_MS)).unwrap();
    assert_eq!(ids(&history, &Filter::default()), [went_on.clone(), young.clone(), old]);
    let mut history = History::open(&settings).unwrap();
    let new = history.put(None, &at(5 * DAY_MS)).unwrap();
    assert_eq!(ids(&history, &Filter::default()), [went_on, young, new]);
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

#[test]
fn the_oldest_make_way_where_the_file_grows_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { keep_mb: 1, ..settings(folder.path()) };
    let mut history = History::open(&settings).unwrap();
    let large = |n: u64| Exchange { time_ms: now_ms() - 1000 + n, ..exchange("x", &"z".repeat(200 << 10)) };
    let put: Vec<String> = (0..12).map(|n| history.put(None, &large(n)).unwrap()).collect();
    let left = ids(&history, &Filter::default());
    assert!((2..6).contains(&left.len()), "{left:?}");
    assert_eq!(left, put.iter().rev().take(left.len()).cloned().collect::<Vec<_>>(), "the latest stay");
    assert!(std::fs::metadata(&settings.path).unwrap().len() < 2 << 20, "the room is given back");
    let huge = history.put(None, &exchange("x", &"y".repeat(3 << 20))).unwrap();
    assert_eq!(ids(&history, &Filter::default()), [huge], "one that is larger by itself stays alone");
}

#[test]
fn several_writers_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let settings = &settings;
            scope.spawn(move || {
                let mut history = History::open(settings).unwrap();
                for n in 0..25 {
                    history.put(None, &exchange(&format!("writer{writer} prompt{n}"), "y")).unwrap();
                }
            });
        }
    });
    let history = History::read(&settings).unwrap().unwrap();
    assert_eq!(history.conversations(&Filter::default(), 1000).unwrap().len(), 100);
    assert_eq!(history.search("writer3", &Filter::default(), 1000).unwrap().len(), 25);
    assert_eq!(sound(&settings.path), "ok");
}

/// The file and its log as a process leaves them that is killed now.
fn killed(settings: &Settings, to: &Path) -> Settings {
    std::fs::create_dir_all(to).unwrap();
    let path = to.join("history.sqlite");
    for suffix in ["", "-wal"] {
        let named = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        if named(&settings.path).exists() {
            std::fs::copy(named(&settings.path), named(&path)).unwrap();
        }
    }
    Settings { path, ..settings.clone() }
}

#[test]
fn whoever_is_killed_while_writing_leaves_what_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let mut history = History::open(&settings).unwrap();
    for n in 0..20 {
        history.put(None, &exchange(&format!("number{n}"), "y")).unwrap();
        // In the middle of the next one.
        history.connection.execute_batch("BEGIN IMMEDIATE; INSERT INTO conversations VALUES ('half', '', 0, 0)").unwrap();
        let left = killed(&settings, &folder.path().join(format!("killed{n}")));
        history.connection.execute_batch("ROLLBACK").unwrap();
        let mut after = History::open(&left).unwrap();
        assert_eq!(ids(&after, &Filter::default()).len(), n + 1);
        after.put(None, &exchange("after", "y")).unwrap();
        drop(after);
        assert_eq!(sound(&left.path), "ok");
    }
    // A log whose end never reached the disk.
    let left = killed(&settings, &folder.path().join("torn"));
    let wal = PathBuf::from(format!("{}-wal", left.path.display()));
    let length = std::fs::metadata(&wal).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&wal).unwrap().set_len(length - 1000).unwrap();
    let after = History::open(&left).unwrap();
    assert!((1..=20).contains(&ids(&after, &Filter::default()).len()));
    drop(after);
    assert_eq!(sound(&left.path), "ok");
}

#[test]
fn a_file_that_is_not_ours_or_is_damaged_is_left_alone_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let here = |name: &str| Settings { path: folder.path().join(name), ..settings(folder.path()) };
    let (foreign, newer, text, cut) = (here("foreign"), here("newer"), here("text"), here("cut"));
    Connection::open(&foreign.path).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    drop(History::open(&newer).unwrap());
    let version = i64::try_from(schema::testing::VERSION).unwrap();
    Connection::open(&newer.path).unwrap().pragma_update(None, "user_version", version + 1).unwrap();
    std::fs::write(&text.path, "no database at all. ".repeat(100)).unwrap();
    let mut history = History::open(&cut).unwrap();
    for _ in 0..50 {
        history.put(None, &exchange(&"word ".repeat(200), "y")).unwrap();
    }
    drop(history);
    // Whoever closes it last takes the log into the file.
    assert_eq!(sound(&cut.path), "ok");
    let mut bytes = std::fs::read(&cut.path).unwrap();
    let half = bytes.len() / 2;
    bytes[4096..half].fill(0xa5);
    std::fs::write(&cut.path, &bytes).unwrap();
    for (settings, reason) in
        [(&foreign, "another program"), (&newer, "newer aimux"), (&text, "move it away and a new one is begun"), (&cut, "move it away")]
    {
        let before = std::fs::read(&settings.path).unwrap();
        let written = History::open(settings).and_then(|mut history| history.put(None, &exchange("x", "y")));
        let error = written.unwrap_err();
        assert!(error.code == Code::History && error.message.contains(reason), "{}", error.message);
        let error = History::read(settings).and_then(|history| history.unwrap().conversations(&Filter::default(), 9)).unwrap_err();
        assert!(error.code == Code::History && error.message.contains(reason), "{}", error.message);
        assert_eq!(std::fs::read(&settings.path).unwrap(), before, "{reason}");
    }
}

#[test]
fn a_migration_keeps_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    History::open(&settings).unwrap().put(None, &exchange("kept", "y")).unwrap();
    let mut connection = Connection::open(&settings.path).unwrap();
    for _ in 0..2 {
        schema::testing::migrate_further(&mut connection, &["ALTER TABLE exchanges ADD COLUMN more TEXT NOT NULL DEFAULT 'x'"]);
    }
    let (prompt, more): (String, String) =
        connection.query_row("SELECT prompt, more FROM exchanges", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!((prompt.as_str(), more.as_str()), ("kept", "x"));
    assert!(History::read(&settings).unwrap_err().message.contains("newer aimux"));
}
