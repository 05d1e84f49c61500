//! The state folder: rights, room, log, databases, and what went wrong of late.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::At;
use super::finding::{Finding, Fix, Group, quoted};
use super::keys::private;
use crate::audit::Log;
use crate::cli::known;
use crate::database::Health;
use crate::database::postgres::Server;
use crate::date;
use crate::error::Code;
use crate::ledger::{Place, RecentError, recent_errors};
use crate::provider::measured::{self, Measured, MeasuredTarget, OLD_DAYS};
use crate::{history, ledger};

/// Less room than this is told of, in bytes.
const ROOM_LOW: u64 = 200 << 20;
/// With less than this nothing can be relied on.
const ROOM_NONE: u64 = 10 << 20;
/// A log that is longer was never put aside.
const LOG_LONG: u64 = 64 << 20;
const DAY_S: u64 = 86_400;
/// How far back errors are told of.
pub(super) const RECENT_MS: u64 = 24 * 3_600_000;

pub(super) fn check(at: &At<'_>) -> Vec<Finding> {
    let folder = at.environment.state_folder();
    let (ledger, history) = at.remembered();
    let mut found = match fs::metadata(&folder) {
        Ok(about) if !about.is_dir() => {
            return vec![
                Finding::error(Group::State, "state-folder", format!("{} is no folder", folder.display()))
                    .mend(format!("ls -l {}", quoted(&folder))),
            ];
        }
        Ok(_) if rustix::fs::access(&folder, rustix::fs::Access::WRITE_OK).is_err() => {
            let found = Finding::error(Group::State, "state-folder", format!("{} cannot be written", folder.display()));
            vec![found.why("token, ledger and log belong there").mend(format!("ls -ld {}", quoted(&folder)))]
        }
        Ok(_) => vec![Finding::ok(Group::State, "state-folder", format!("{} can be written", folder.display()))],
        Err(_) => {
            let what = format!("{} is not there yet; the first start makes it", folder.display());
            vec![Finding::ok(Group::State, "state-folder", what)]
        }
    };
    let token = folder.join("client-token");
    let files = [Some(token.as_path()), ledger.place.file(), history.place.file()];
    found.extend(files.into_iter().flatten().filter_map(|file| private(file, &fs::symlink_metadata(file).ok()?, "state-file", 0o600)));
    for (is_on, place, noun, check, health) in [
        (ledger.enabled, &ledger.place, "the ledger", "ledger", ledger::health as fn(&Place) -> Health),
        (history.enabled, &history.place, "the conversations", "history", history::health),
    ] {
        found.extend(is_on.then(|| match place {
            Place::File(path) => database(path, noun, check, &health(place)),
            Place::Postgres(server) => shared(server, noun, check, &health(place)),
        }));
    }
    found.extend(audit(&folder));
    found.extend(measured(&folder, at));
    found.extend(log(&known::log_path(at.environment)));
    found.extend(room(&folder));
    found.extend(errors(&ledger.place));
    found
}

fn database(path: &Path, noun: &str, check: &'static str, health: &Health) -> Finding {
    let shown = path.display();
    match health {
        Health::Sound => Finding::ok(Group::State, check, format!("{noun}, {shown}, is sound")),
        Health::Absent => match path.parent().filter(|parent| !parent.is_dir() && parent.file_name().is_some_and(|name| name != "aimux")) {
            Some(parent) => {
                let found = Finding::warning(Group::State, check, format!("the folder of {noun}, {}, is not there", parent.display()));
                found.fix(Fix::Folder(parent.to_owned()))
            }
            None => Finding::ok(Group::State, check, format!("{noun}: nothing is kept yet")),
        },
        Health::Closed(reason) => Finding::warning(Group::State, check, format!("{noun}, {shown}, cannot be looked at: {reason}"))
            .why("requests are answered all the same; what they cost is not written down as long as that lasts")
            .mend(format!("ls -l {}", quoted(path))),
        Health::Damaged(reason) => Finding::error(Group::State, check, format!("{noun}, {shown}, is damaged: {reason}"))
            .why("move it away, and a new one is begun; `sqlite3 FILE .recover` may save what is in it")
            .mend(format!("mv {0} {0}.damaged", quoted(path))),
    }
}

/// What several instances share.
fn shared(server: &Server, noun: &str, check: &'static str, health: &Health) -> Finding {
    match health {
        Health::Sound => Finding::ok(Group::State, check, format!("{noun}, {server}, can be written by \"{}\"", server.instance)),
        Health::Absent => Finding::ok(Group::State, check, format!("{noun}, {server}: nothing is kept yet")),
        Health::Closed(reason) | Health::Damaged(reason) => {
            let what = format!("{noun}, {server}, cannot be used: {reason}");
            Finding::warning(Group::State, check, what)
                .why("requests are answered all the same; what they cost waits in memory, then is lost, as long as that lasts")
                .mend("aimux config show")
        }
    }
}

fn audit(folder: &Path) -> Option<Finding> {
    let log = Log::new(folder, "doctor");
    log.path().symlink_metadata().ok()?;
    Some(match log.verify(None) {
        Ok(verified) => {
            let noun = if verified.lines == 1 { "entry" } else { "entries" };
            Finding::ok(Group::State, "audit", format!("the audit log has {} {noun}, as they were written", verified.lines))
        }
        Err(error) => Finding::error(Group::State, "audit", &error.message).why(error.advice()).mend("aimux keys audit verify"),
    })
}

/// What `--live` found, and what of it is old or of another version.
fn measured(folder: &Path, at: &At<'_>) -> Vec<Finding> {
    let path = folder.join(measured::FILE);
    let all = match Measured::load(&path) {
        Ok(all) => all,
        Err(error) => {
            let found = Finding::warning(Group::State, "measured", &error.message);
            return vec![found.why("routing goes by the catalog as long as that lasts").mend(format!("mv {0} {0}.damaged", quoted(&path)))];
        }
    };
    let is_used = |target: &&MeasuredTarget| {
        let table = at.outline().map(|ready| &ready.table);
        table.is_none_or(|table| table.providers.iter().any(|provider| provider.measured.iter().any(|known| known == *target)))
    };
    let used: Vec<&MeasuredTarget> = all.targets().iter().filter(is_used).collect();
    if used.is_empty() {
        return Vec::new();
    }
    let now_s = now_ms() / 1000;
    let stale = |target: &&&MeasuredTarget| now_s.saturating_sub(target.newest_s()) / DAY_S > OLD_DAYS;
    let warning = |target: &&MeasuredTarget| {
        let name = format!("{}/{}", target.provider, target.model);
        let days = now_s.saturating_sub(target.newest_s()) / DAY_S;
        let found = Finding::warning(Group::State, "measured", format!("{name} was measured {days} days ago"));
        found
            .why("providers change models under the same name; routing goes by what was found then")
            .mend(format!("aimux doctor --live {name}"))
    };
    let old: Vec<Finding> = used.iter().filter(stale).map(warning).collect();
    if !old.is_empty() {
        return old;
    }
    let noun = if used.len() == 1 { "model was" } else { "models were" };
    vec![Finding::ok(Group::State, "measured", format!("{} {noun} measured; routing goes by it", used.len()))]
}

fn log(path: &Path) -> Option<Finding> {
    let length = fs::metadata(path).ok()?.len();
    (length > LOG_LONG).then(|| {
        let found = Finding::warning(Group::State, "log", format!("{} has {} MiB", path.display(), length >> 20));
        found.why("it is put aside when a server is started on demand, which has not happened for long").mend("aimux stop")
    })
}

fn room(folder: &Path) -> Option<Finding> {
    let there = folder.ancestors().find(|path| path.is_dir())?;
    let about = rustix::fs::statvfs(there).ok()?;
    let free = about.f_bavail.saturating_mul(about.f_frsize);
    let what = format!("{} MiB are free for {}", free >> 20, folder.display());
    let why = "ledger, log and the audit log of keys are written there";
    Some(if free < ROOM_NONE {
        Finding::error(Group::State, "disk", what).why(why).mend(format!("df -h {}", quoted(there)))
    } else if free < ROOM_LOW {
        Finding::warning(Group::State, "disk", what).why(why).mend(format!("df -h {}", quoted(there)))
    } else {
        Finding::ok(Group::State, "disk", what)
    })
}

fn errors(ledger: &Place) -> Vec<Finding> {
    // A ledger that cannot be read has been told of.
    recent_errors(ledger, now_ms().saturating_sub(RECENT_MS)).unwrap_or_default().iter().map(recent).collect()
}

/// A code of the ledger, with the table's words for it.
fn recent(error: &RecentError) -> Finding {
    let RecentError { code, requests, last_ms, target } = error;
    let row = Code::ALL.iter().map(|code| code.row()).find(|row| row.id == code);
    let title = row.map_or("broke off", |row| row.title);
    let noun = if *requests == 1 { "request" } else { "requests" };
    let code = if code.is_empty() { String::new() } else { format!(" (AIMUX-{code})") };
    let at = if target.is_empty() { String::new() } else { format!(", at {target}") };
    let what = format!("{requests} {noun} of the last day failed: {title}{code}; the last at {}{at}", date::rfc3339(last_ms / 1000));
    let found = Finding::warning(Group::State, "errors", what);
    match row {
        Some(row) => found.why(format!("{}\n{}", row.cause, row.action)).mend("aimux usage --since 24h --by provider"),
        None => found.mend("aimux usage --since 24h --by provider"),
    }
}

pub(super) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
