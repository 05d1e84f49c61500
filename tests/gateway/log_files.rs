//! The log in a file, as logrotate treats it: moved away and SIGHUP, under load. No line is lost, none is torn.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::gateway::{Gateway, TOKEN, config, until};
use crate::http;
use crate::replies::{Speaks, text};
use crate::upstream::Upstream;

/// Clients at a time, and how often the file is moved away while they ask.
const CLIENTS: usize = 4;
const ROTATIONS: usize = 25;

/// Every line of the log and of what was put aside of it.
fn lines(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found = Vec::new();
    for path in files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("serve.log")) {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{}: its last line is torn", path.display());
        found.extend(text.lines().map(str::to_owned));
    }
    found
}

#[test]
fn a_log_that_is_moved_away_under_load_loses_no_line_and_tears_none() {
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine")]));
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("aimux.yaml"), config(&[(Speaks::Chat, &upstream)], "\"*\": [up0/m]", "")).unwrap();
    let log = home.path().join("serve.log");
    let mut gateway = Gateway::in_home(home, &["--log-format", "json", "--log-mb", "0", "--log-file", log.to_str().unwrap()]);
    let (port, done, asked) = (gateway.port, AtomicUsize::new(0), AtomicUsize::new(0));
    let body = json!({ "model": "m", "max_tokens": 9, "messages": [{ "role": "user", "content": "hi" }] }).to_string();
    let token = format!("Bearer {TOKEN}");
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (body, token, done, asked) = (&body, &token, &done, &asked);
            scope.spawn(move || {
                while done.load(Ordering::Relaxed) < ROTATIONS {
                    let id = format!("load-{client}-{}", asked.fetch_add(1, Ordering::Relaxed));
                    let headers = [("authorization", token.as_str()), ("x-request-id", id.as_str()), ("connection", "close")];
                    assert_eq!(http::send(port, "POST", "/v1/messages", &headers, body.as_bytes()).whole().status, 200);
                }
            });
        }
        for number in 1..=ROTATIONS {
            let before = asked.load(Ordering::Relaxed);
            until("some are asked between two", Duration::from_secs(20), || asked.load(Ordering::Relaxed) > before + CLIENTS);
            std::fs::rename(&log, log.with_extension(format!("log.{number}"))).unwrap();
            let pid = Pid::from_raw(i32::try_from(gateway.pid()).unwrap()).unwrap();
            kill_process(pid, Signal::HUP).unwrap();
            until("there is a new one", Duration::from_secs(20), || log.exists());
            done.store(number, Ordering::Relaxed);
        }
    });
    gateway.terminate();
    gateway.wait(Duration::from_secs(20));
    let asked = asked.into_inner();
    assert!(asked > ROTATIONS * CLIENTS, "{asked}");
    let mut told = HashSet::new();
    for line in lines(log.parent().unwrap()) {
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("torn: {line}"));
        let id = line.pointer("/fields/request_id").or(line.get("request_id")).and_then(Value::as_str).filter(|id| id.starts_with("load-"));
        if let Some(id) = id {
            assert!(told.insert(id.to_owned()), "twice: {id}");
        }
    }
    assert_eq!(told.len(), asked, "each request has its line");
}
