//! `aimux route import llm`: a folder as `llm` 0.27 leaves it becomes ours, once.

use std::path::Path;
use std::process::Output;

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::conversations::{exchanges, pairs, turns};
use crate::gateway::{aimux, config};
use crate::oneshot::{feed, home, run, said, saying, stderr, stdout};
use crate::replies::Speaks;

/// The tables of `llm` 0.27's logs that exchanges are read from.
const TABLES: &str = r#"
    CREATE TABLE conversations (id TEXT PRIMARY KEY, name TEXT, model TEXT);
    CREATE TABLE attachments (id TEXT PRIMARY KEY, type TEXT, path TEXT, url TEXT, content BLOB);
    CREATE TABLE prompt_attachments (response_id TEXT REFERENCES responses(id), attachment_id TEXT REFERENCES attachments(id),
        "order" INTEGER, PRIMARY KEY (response_id, attachment_id));
    CREATE TABLE schemas (id TEXT PRIMARY KEY, content TEXT);
    CREATE TABLE responses (id TEXT PRIMARY KEY, model TEXT, prompt TEXT, system TEXT, prompt_json TEXT, options_json TEXT, response TEXT,
        response_json TEXT, conversation_id TEXT REFERENCES conversations(id), duration_ms INTEGER, datetime_utc TEXT, input_tokens INTEGER,
        output_tokens INTEGER, token_details TEXT, schema_id TEXT REFERENCES schemas(id), resolved_model TEXT);
    CREATE TABLE fragments (id INTEGER PRIMARY KEY, hash TEXT, content TEXT, datetime_utc TEXT, source TEXT);
    CREATE TABLE prompt_fragments (response_id TEXT, fragment_id INTEGER, "order" INTEGER, PRIMARY KEY (response_id, fragment_id, "order"));
    CREATE TABLE system_fragments (response_id TEXT, fragment_id INTEGER, "order" INTEGER, PRIMARY KEY (response_id, fragment_id, "order"));
    CREATE TABLE tool_calls (id INTEGER PRIMARY KEY, response_id TEXT, tool_id INTEGER, name TEXT, arguments TEXT, tool_call_id TEXT);
"#;

/// The tables of its first version with conversations.
const OLD_TABLES: &str = "
    CREATE TABLE conversations (id TEXT PRIMARY KEY, name TEXT, model TEXT);
    CREATE TABLE responses (id TEXT PRIMARY KEY, model TEXT, prompt TEXT, system TEXT, prompt_json TEXT, options_json TEXT, response TEXT,
        response_json TEXT, conversation_id TEXT REFERENCES conversations(id), duration_ms INTEGER, datetime_utc TEXT);
";

/// Adds a response, `days` ago.
fn respond(db: &Connection, id: &str, conversation: &str, days: i64, prompt: &str, system: Option<&str>, response: &str) {
    db.execute("INSERT OR IGNORE INTO conversations VALUES (?1, 'x', 'm')", [conversation]).unwrap();
    db.execute(
        "INSERT INTO responses (id, model, prompt, system, options_json, response, conversation_id, duration_ms, datetime_utc)
         VALUES (?1, 'gpt-x', ?2, ?3, '{}', ?4, ?5, 1234, strftime('%Y-%m-%dT%H:%M:%S.123456+00:00', 'now', ?6))",
        params![id, prompt, system, response, conversation, format!("-{days} days")],
    )
    .unwrap();
}

fn logs(folder: &Path) -> Connection {
    let db = Connection::open(folder.join("logs.db")).unwrap();
    db.execute_batch(TABLES).unwrap();
    db.execute_batch("INSERT INTO schemas VALUES ('s', '{}')").unwrap();
    respond(&db, "r1", "c1", 3, "first", Some("be brief"), "re first");
    respond(&db, "r2", "c1", 2, "look", Some("be brief"), "");
    respond(&db, "r3", "c1", 2, "", None, "it is a cat");
    respond(&db, "r4", "c2", 1, "with a fragment", None, "fine");
    respond(&db, "r5", "c3", 900, "long ago", None, "forgotten");
    db.execute("UPDATE responses SET input_tokens = 7, output_tokens = 5, options_json = '{\"temperature\": 0.5}' WHERE id = 'r1'", [])
        .unwrap();
    db.execute("UPDATE responses SET schema_id = 's' WHERE id = 'r4'", []).unwrap();
    db.execute("INSERT INTO tool_calls (response_id, name) VALUES ('r2', 'see')", []).unwrap();
    db.execute_batch("INSERT INTO fragments (id, content) VALUES (1, 'the fragment'), (2, 'its rules')").unwrap();
    db.execute_batch("INSERT INTO prompt_fragments VALUES ('r4', 1, 0); INSERT INTO system_fragments VALUES ('r4', 2, 0)").unwrap();
    db.execute("INSERT INTO attachments VALUES ('a1', 'image/png', NULL, NULL, ?1)", params![b"\x89PNG\r\n\x1a\n"]).unwrap();
    db.execute("INSERT INTO attachments VALUES ('a2', 'image/png', NULL, 'https://x.example/y.png', NULL)", []).unwrap();
    db.execute_batch("INSERT INTO prompt_attachments VALUES ('r2', 'a1', 0), ('r2', 'a2', 1)").unwrap();
    db
}

/// A folder of `llm`'s in a home.
fn folder(home: &Path) -> std::path::PathBuf {
    let folder = home.join(".config/io.datasette.llm");
    std::fs::create_dir_all(folder.join("templates")).unwrap();
    for (name, text) in [
        ("tr", "prompt: 'Translate to $lang: $input'\nsystem: be $tone\ndefaults:\n    tone: brief\nextract: true\n"),
        ("person", "system: x\nschema_object:\n    type: object\n    properties:\n        name:\n            type: string\n"),
        ("tools", "prompt: p\nmodel: gpt-x\ntools:\n- llm_time\nfunctions: 'def f(): pass'\n"),
        ("bare", "just a prompt\n"),
        ("broken", "prompt: [\n"),
    ] {
        std::fs::write(folder.join(format!("templates/{name}.yaml")), text).unwrap();
    }
    std::fs::write(folder.join("aliases.json"), r#"{"quick": "mine", "gone": "gpt-x", "mine": "gpt-x"}"#).unwrap();
    folder
}

fn import(home: &Path, args: &[&str]) -> Output {
    aimux(home).args(["route", "import", "llm"]).args(args).current_dir(home).output().unwrap()
}

fn done(home: &Path, args: &[&str]) -> String {
    let output = import(home, args);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    stdout(&output)
}

#[test]
fn templates_aliases_and_logs_are_taken_once_and_what_is_lost_is_told() {
    let upstream = saying(Speaks::Chat, "the answer");
    let home = home(&config(&[(Speaks::Chat, &upstream)], "mine: [up0/m]\n  default: [up0/m]", ""));
    let here = home.path();
    let folder = folder(here);
    let db = logs(&folder);
    let templates = here.join(".config/aimux/templates");
    let place = here.join(".local/state/aimux/history.sqlite");

    let told = done(here, &["--dry-run"]);
    assert!(told.contains("nothing is written") && told.contains("templates  4 taken: bare, person, tools, tr"), "{told}");
    assert!(!templates.exists() && !place.exists());

    std::fs::create_dir_all(&templates).unwrap();
    std::fs::write(templates.join("bare.yaml"), "prompt: mine\n").unwrap();
    let told = done(here, &[]);
    let expected = format!(
        "{}
templates  3 taken: person, tools, tr
templates  1 left, since yours of that name are others (--overwrite replaces them): bare
templates  1 that cannot be taken: broken (",
        folder.display()
    );
    assert!(told.starts_with(&expected), "{told}");
    let rest = told.split_once(")\n").unwrap().1;
    assert_eq!(
        rest,
        "templates  1 taken without: tools (tools, functions)
templates  1 taken that ask for a model which nothing in the config serves: tools (gpt-x)
aliases    1 that the config has already: mine
aliases    1 to put under `models:` of the config:
  \"quick\": [\"up0/m\"]
aliases    1 whose model nothing in the config serves: gone (gpt-x)
logs       2 conversations taken, with 3 exchanges
logs       1 exchanges left: older than history.keep_days
logs       1 answers to tools joined to the exchange before
logs       1 calls of tools lost: there is no place for them
logs       1 schemas lost
logs       1 attachments without their content: it is an address, or the file is another by now
"
    );
    assert_eq!(std::fs::read_to_string(templates.join("bare.yaml")).unwrap(), "prompt: mine\n");

    // They are used as ours are.
    let output = feed(here, &["-n", "-t", "tr", "-p", "lang=French"], b"good morning");
    assert_eq!(stdout(&output), "the answer\n", "{}", stderr(&output));
    let seen = upstream.seen().pop().unwrap();
    let sent = turns(&seen);
    assert_eq!(pairs(&sent), [("system", "be brief"), ("user", "Translate to French: good morning")]);

    let latest = exchanges(here);
    assert_eq!(
        (latest.len(), &latest[0]["prompt"], &latest[0]["system"]),
        (1, &json!("the fragment\n\nwith a fragment"), &json!("its rules"))
    );
    let found: Value = serde_json::from_slice(&aimux(here).args(["logs", "search", "cat", "--json"]).output().unwrap().stdout).unwrap();
    let id = found["hits"][0]["conversation"].as_str().unwrap().to_owned();
    let output = run(here, &["--cid", &id, "and now?"]);
    let (answer, told) = (stdout(&output), stderr(&output));
    assert_eq!((answer.as_str(), told.as_str()), ("the answer\n", "aimux: https://x.example/y.png is not kept, and left out\n"));
    let seen = upstream.seen().pop().unwrap();
    let sent = turns(&seen);
    assert_eq!(
        pairs(&sent),
        [
            ("system", "be brief"),
            ("user", "first"),
            ("assistant", "re first"),
            ("user", "look"),
            ("assistant", "it is a cat"),
            ("user", "and now?")
        ]
    );
    assert!(seen.text().contains("data:image/png;base64,"), "what is kept goes along");
    assert_eq!(seen.json()["model"], "m", "a model that nothing serves is not asked for");
    let kept: Value = serde_json::from_slice(&aimux(here).args(["logs", "show", &id, "--json"]).output().unwrap().stdout).unwrap();
    let first = &kept["exchanges"][0];
    assert_eq!((&first["target"], &first["usage"]["input_tokens"], &first["total_ms"]), (&json!("llm/gpt-x"), &json!(7), &json!(1234)));

    // Again: what came since is taken, and nothing twice.
    respond(&db, "r6", "c2", 0, "one more", None, "yes");
    let told = done(here, &["--overwrite"]);
    for words in [
        "templates  3 there already: person, tools, tr\n",
        "templates  1 replaced: bare\n",
        "logs       1 conversation taken, with 1 exchange\n",
        "logs       3 exchanges there already\n",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let told: Value = serde_json::from_str(&done(here, &["--json"])).unwrap();
    assert_eq!((&told["logs"]["exchanges"], &told["templates"]["taken"], &told["logs"]["there"]), (&json!(0), &json!([]), &json!(4)));
}

#[test]
fn an_old_log_lacks_columns_and_what_is_none_is_told() {
    let home = tempfile::tempdir().unwrap();
    let here = home.path();
    let output = import(here, &[]);
    assert!(output.status.code() == Some(64) && stderr(&output).contains("io.datasette.llm"), "{}", stderr(&output));
    let folder = here.join("elsewhere");
    std::fs::create_dir(&folder).unwrap();
    let db = Connection::open(folder.join("logs.db")).unwrap();
    db.execute_batch("CREATE TABLE log (prompt TEXT)").unwrap();
    let output = import(here, &["elsewhere"]);
    assert!(output.status.code() == Some(64) && stderr(&output).contains("`llm logs`"), "{}", stderr(&output));
    db.execute_batch(OLD_TABLES).unwrap();
    respond(&db, "r1", "c1", 1, "old", None, "answer");
    let told = done(here, &["elsewhere"]);
    assert!(told.ends_with("templates  none\naliases    none\nlogs       1 conversation taken, with 1 exchange\n"), "{told}");
    std::fs::write(folder.join("logs.db"), "no database at all").unwrap();
    assert_eq!(import(here, &["elsewhere"]).status.code(), Some(64));
}

#[test]
fn a_log_that_cannot_be_taken_whole_is_not_taken() {
    let upstream = saying(Speaks::Chat, "the answer");
    let home = home(&config(&[(Speaks::Chat, &upstream)], "default: [up0/m]", ""));
    let here = home.path();
    let db = logs(&folder(here));
    said(here, &["something"]);
    // The last of its exchanges meets a disk that refuses it.
    let ours = Connection::open(here.join(".local/state/aimux/history.sqlite")).unwrap();
    let trigger =
        "CREATE TRIGGER full BEFORE INSERT ON exchanges WHEN new.request_id = 'llm-r4' BEGIN SELECT RAISE(ABORT, 'disk full'); END";
    ours.execute_batch(trigger).unwrap();
    let output = import(here, &[]);
    assert!(output.status.code() == Some(74) && stderr(&output).contains("disk full"), "{}", stderr(&output));
    let count = |db: &Connection| db.query_row("SELECT count(*) FROM exchanges", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count(&ours), 1, "nothing of it is there");
    ours.execute_batch("DROP TRIGGER full").unwrap();
    assert!(done(here, &[]).contains("logs       2 conversations taken, with 3 exchanges\n"));
    assert_eq!(count(&ours), 4);
    drop(db);
}
