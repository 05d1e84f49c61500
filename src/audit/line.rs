//! A line of the log: how it is written, and whether it follows from the one before it.
//!
//! The hash is over the bytes of the line before it and its own bytes up to the hash, so nothing has to be printed again
//! in the same way to check it. Start with [`write()`].

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Entry, broken};
use crate::date;
use crate::error::{Code, Error};

/// The longest line, in bytes: a hundred changes of the longest texts, escaped.
pub(super) const LINE_MAX: usize = 512 * 1024;
/// The most changed fields that are named one by one.
const CHANGES_MAX: usize = 100;
/// The longest text in a line, in characters.
const TEXT_MAX: usize = 256;
/// What stands between a line's own bytes and its hash.
const MARK: &[u8] = b",\"hash\":\"";
const END: &[u8] = b"\"}\n";
const HEX: usize = 64;

/// A field that changed: what it was and what it is, `None` where it was or is not given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its path, `limits.body_mb`.
    pub field: String,
    /// What it was.
    pub old: Option<String>,
    /// What it is.
    pub new: Option<String>,
}

/// A line as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number, from one.
    pub n: u64,
    /// When, in UTC.
    pub at: String,
    /// The part of aimux that wrote it.
    pub by: String,
    /// Its process.
    pub pid: u32,
    /// Its user's number.
    pub uid: u32,
    /// What was done, `key.added`.
    pub action: String,
    /// To what: a key's name, a config's path.
    pub subject: String,
    /// Whether it could not be done after all; a line before this one announced it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
    /// A few words more.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The fields that changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// The line of an entry, with its line feed, and its hash.
pub(super) fn write(n: u64, by: &str, entry: &Entry, before: &str) -> Result<(Vec<u8>, String), Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    let mut changes: Vec<Change> = entry.changes.iter().take(CHANGES_MAX).map(shortened).collect();
    if entry.changes.len() > CHANGES_MAX {
        let more = format!("{} more fields", entry.changes.len() - CHANGES_MAX);
        changes.push(Change { field: "…".to_owned(), old: None, new: Some(more) });
    }
    let record = Record {
        n,
        at: date::rfc3339(now),
        by: by.to_owned(),
        pid: std::process::id(),
        uid: rustix::process::getuid().as_raw(),
        action: entry.action.name().to_owned(),
        subject: cut(&entry.subject),
        failed: entry.failed,
        note: cut(&entry.note),
        changes,
    };
    let mut bytes =
        serde_json::to_vec(&record).map_err(|error| Error::new(Code::Bug, "an audit line cannot be written").caused_by(error))?;
    let hash = hash(before, &bytes);
    // The closing brace gives way to the hash.
    bytes.pop();
    bytes.extend_from_slice(MARK);
    bytes.extend_from_slice(hash.as_bytes());
    bytes.extend_from_slice(END);
    Ok((bytes, hash))
}

fn shortened(change: &Change) -> Change {
    Change { field: cut(&change.field), old: change.old.as_deref().map(cut), new: change.new.as_deref().map(cut) }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn hash(before: &str, body: &[u8]) -> String {
    let mut sha = Sha256::new();
    sha.update(before.as_bytes());
    sha.update(body);
    sha.finalize().iter().fold(String::with_capacity(HEX), |hex, byte| format!("{hex}{byte:02x}"))
}

/// A chain, read so far: how many lines, and the last one's hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) count: u64,
    pub(super) hash: String,
}

impl Default for Checked {
    fn default() -> Self {
        Self { count: 0, hash: "0".repeat(HEX) }
    }
}

impl Checked {
    /// Takes the next line, line feed included, if it follows.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Numbered {
            n: u64,
        }
        let line = self.count + 1;
        if !bytes.ends_with(b"\n") {
            return Err(broken(line, "it has no end"));
        }
        let no_entry = || broken(line, "it is no entry");
        let (body, own) = parts(bytes).ok_or_else(no_entry)?;
        let Numbered { n } = serde_json::from_slice(&body).map_err(|_| no_entry())?;
        if n > line {
            return Err(broken(line, &format!("it is entry {n}: what was before it is missing, or it was moved")));
        }
        if n < line {
            return Err(broken(line, &format!("it is entry {n}: it was moved, or something was inserted before it")));
        }
        if hash(&self.hash, &body).as_bytes() != own {
            return Err(broken(line, "it does not follow from the line before it: one of the two was edited, or it was inserted"));
        }
        *self = Self { count: line, hash: String::from_utf8_lossy(own).into_owned() };
        Ok(())
    }
}

/// A line's own bytes, as they were hashed, and its hash.
fn parts(line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let rest = line.strip_suffix(END)?;
    let (rest, own) = rest.split_at_checked(rest.len().checked_sub(HEX)?)?;
    let mut body = rest.strip_suffix(MARK)?.to_vec();
    body.push(b'}');
    Some((body, own))
}
