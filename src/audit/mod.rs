//! The audit log: who changed keys or config, and when, as a chain of lines that shows what was done to it afterwards.
//!
//! `audit.jsonl` in the state folder has one JSON object a line, each with the SHA-256 over the line before it and itself.
//! `audit.head` has how many lines there are and the last one's hash, so that lines that are cut off at the end are missed.
//! Several programs write: each takes the lock, reads the last hash, appends and syncs before it goes on.
//!
//! What it lacks: a key of its own. Whoever may write both files can make another chain; only a hash that was noted
//! elsewhere tells ([`Log::verify`]). Names of keys stand in it, never keys. Start with [`Log::append`].

mod files;
mod line;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use self::line::{Change, Record};

use self::files::{Files, Head};
use self::line::Checked;
use crate::error::{Code, Error};

/// The log of a state folder.
#[derive(Debug, Clone)]
pub struct Log {
    folder: PathBuf,
    by: &'static str,
}

/// What is recorded. A new one is a row here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The identity was made.
    IdentityMade,
    /// The identity was exchanged; every key is encrypted anew.
    IdentityRotated,
    /// A public key may open the keys from now on.
    RecipientAdded,
    /// A public key may no longer open the keys.
    RecipientRemoved,
    /// A key was added.
    KeyAdded,
    /// A key took the place of one of the same name.
    KeyReplaced,
    /// A key was deleted.
    KeyRemoved,
    /// A rotation began.
    KeyRotating,
    /// A rotation is complete.
    KeyRotated,
    /// A rotation was undone.
    KeyRotationUndone,
    /// A key that expires was exchanged for the next one by its provider's login.
    KeyRefreshed,
    /// A key was printed or written in clear.
    KeyExported,
    /// A key was taken from elsewhere.
    KeyImported,
    /// A key was given to a program.
    KeyLent,
    /// A running server took a new config or new keys.
    ConfigReloaded,
    /// A config was put back from a backup.
    ConfigRestored,
    /// A config was written by `migrate`, `import` or `init`.
    ConfigWritten,
}

impl Action {
    /// Its name in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::IdentityMade => "identity.made",
            Self::IdentityRotated => "identity.rotated",
            Self::RecipientAdded => "recipient.added",
            Self::RecipientRemoved => "recipient.removed",
            Self::KeyAdded => "key.added",
            Self::KeyReplaced => "key.replaced",
            Self::KeyRemoved => "key.removed",
            Self::KeyRotating => "key.rotating",
            Self::KeyRotated => "key.rotated",
            Self::KeyRotationUndone => "key.rotation_undone",
            Self::KeyRefreshed => "key.refreshed",
            Self::KeyExported => "key.exported",
            Self::KeyImported => "key.imported",
            Self::KeyLent => "key.lent",
            Self::ConfigReloaded => "config.reloaded",
            Self::ConfigRestored => "config.restored",
            Self::ConfigWritten => "config.written",
        }
    }
}

/// What a line is to say; time, user and process are added.
#[derive(Debug, Clone)]
pub struct Entry {
    action: Action,
    subject: String,
    note: String,
    failed: bool,
    changes: Vec<Change>,
}

impl Entry {
    /// Something done to `subject`: a key's name, a config's path. Never a secret.
    #[must_use]
    pub fn new(action: Action, subject: impl Into<String>) -> Self {
        Self { action, subject: subject.into(), note: String::new(), failed: false, changes: Vec::new() }
    }

    /// The same with a few words more. Never a secret.
    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// The same with the fields that changed, secrets masked by the caller.
    #[must_use]
    pub fn changes(self, changes: Vec<Change>) -> Self {
        Self { changes, ..self }
    }
}

/// The end of a sound chain.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// How many lines there are.
    pub lines: u64,
    /// The hash of the last one, in hexadecimal; zeros for an empty log. Noted elsewhere, it proves later what was there.
    pub hash: String,
    /// Lines that a writer which was ended half-way could not count.
    pub uncounted: u64,
}

impl Log {
    /// The log in a state folder. `by` names the part of aimux that writes, `keys` or `serve`.
    #[must_use]
    pub fn new(state_folder: &Path, by: &'static str) -> Self {
        Self { folder: state_folder.to_path_buf(), by }
    }

    /// The log's file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join(files::LOG)
    }

    /// Appends a line; it is on the disk when this returns. Blocks, ten seconds at most for other writers.
    ///
    /// # Errors
    /// When it cannot be written, or the log is not as its last writer left it. Then what it tells of must not be done.
    pub fn append(&self, entry: &Entry) -> Result<(), Error> {
        let files = Files::open_or_make(&self.folder)?;
        let _lock = files.lock()?;
        let (mut log, end) = files.tail()?;
        let (bytes, hash) = line::write(end.count + 1, self.by, entry, &end.hash)?;
        log.append(&end, &bytes)?;
        files.write_head(&Head { count: end.count + 1, bytes: end.bytes + bytes.len() as u64, hash })
    }

    /// Records what is about to be done, then does it. Where it fails, a second line says so.
    ///
    /// # Errors
    /// When the line cannot be written, and nothing is done; or what `act` says.
    pub fn record<T>(&self, entry: &Entry, act: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        self.append(entry)?;
        act().map_err(|error| {
            let failed = Entry { failed: true, note: error.code.to_string(), changes: Vec::new(), ..entry.clone() };
            match self.append(&failed) {
                Ok(()) => error,
                Err(unwritten) => {
                    let advice = error.advice();
                    let message = format!("{}; and the audit log could not take it back: {}", error.message, unwritten.message);
                    Error { message, ..error }.hint(advice)
                }
            }
        })
    }

    /// Reads the whole chain. `seen`: a hash of an earlier [`Verified`], which must still be in it.
    ///
    /// # Errors
    /// With the first line that is not what was written there, or when the log cannot be read.
    pub fn verify(&self, seen: Option<&str>) -> Result<Verified, Error> {
        let Some(files) = Files::open(&self.folder)? else { return nothing(seen) };
        let _lock = files.lock()?;
        let head = files.head()?;
        let Some(log) = files.log()? else {
            return if head.is_some_and(|head| head.count > 0) { Err(gone()) } else { nothing(seen) };
        };
        let mut chain = Checked::default();
        let mut seen = seen.filter(|hash| *hash != chain.hash);
        let mut lines = log.lines();
        while let Some(bytes) = lines.next()? {
            chain.take(&bytes)?;
            seen = seen.filter(|hash| !hash.eq_ignore_ascii_case(&chain.hash));
            if let Some(head) = head.as_ref().filter(|head| head.count == chain.count && head.hash != chain.hash) {
                return Err(broken(head.count, "it is not the one that was written last"));
            }
        }
        let Some(head) = head else {
            return if chain.count == 0 { nothing(seen) } else { Err(headless()) };
        };
        if chain.count < head.count {
            let what = format!("the log ends before it, and {} lines were written: its end was cut off", head.count);
            return Err(broken(chain.count + 1, &what));
        }
        match seen {
            Some(_) => Err(not_seen()),
            None => Ok(Verified { lines: chain.count, hash: chain.hash, uncounted: chain.count - head.count }),
        }
    }

    /// The last lines, as they are written, unverified; `None` for a line that cannot be read.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn last(&self, lines_max: usize) -> Result<Vec<(String, Option<Record>)>, Error> {
        let Some(files) = Files::open(&self.folder)? else { return Ok(Vec::new()) };
        let _lock = files.lock()?;
        let Some(log) = files.log()? else { return Ok(Vec::new()) };
        let mut last = std::collections::VecDeque::new();
        let mut lines = log.lines();
        while let Some(bytes) = lines.next()? {
            let text = String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned();
            last.push_back((text, serde_json::from_slice(&bytes).ok()));
            if last.len() > lines_max {
                last.pop_front();
            }
        }
        Ok(last.into())
    }
}

fn nothing(seen: Option<&str>) -> Result<Verified, Error> {
    let hash = Checked::default().hash;
    match seen.filter(|seen| *seen != hash) {
        Some(_) => Err(not_seen()),
        None => Ok(Verified { lines: 0, hash, uncounted: 0 }),
    }
}

fn not_seen() -> Error {
    Error::new(Code::AuditLog, "the audit log does not hold the hash that was seen earlier: another chain was put in its place")
        .hint("look for the former log in a backup")
}

fn gone() -> Error {
    Error::new(Code::AuditLog, "the audit log is gone, and its head is still there").hint(BEGIN_ANEW)
}

fn headless() -> Error {
    Error::new(Code::AuditLog, "the audit log has lost its head file: whether its end was cut off cannot be told").hint(BEGIN_ANEW)
}

/// A line, from one, that is not what was written there.
fn broken(line: u64, what: &str) -> Error {
    Error::new(Code::AuditLog, format!("line {line} of the audit log: {what}")).hint(BEGIN_ANEW)
}

/// What to do about a chain that does not hold.
const BEGIN_ANEW: &str =
    "find out who changed it; to begin anew, move audit.jsonl and audit.head in the state folder aside together, and keep them";
