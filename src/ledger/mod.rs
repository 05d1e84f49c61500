//! The ledger: what each request was, who answered it, what it took and what it cost. One SQLite file in the state folder
//! is what holds without a word in the config.
//!
//! A request's driver hands an [`Entry`] over and goes on: [`Ledger::put`] never waits. One thread writes them, several in a
//! transaction. What it cannot write it keeps for a while and then drops, which is counted and logged; no request ever waits
//! for it or fails with it. `aimux usage` reads the file through [`usage()`], whether a server runs or not.
//!
//! It lacks prompts, answers and keys: of a key it holds the name. Start with [`Entry`], then `store.rs`; `sqlite/schema.rs` has the columns.

mod ask;
mod entry;
mod errors;
mod keys;
mod moment;
mod postgres;
mod report;
mod search;
mod sessions;
mod sqlite;
mod store;
#[cfg(test)]
mod tests;
mod usage;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::time::Duration;

pub use ask::{key_records, recent_errors, search, session, today, usage};
pub use entry::{Attempt, CacheBreak, Cancelled, Earlier, Ending, Entry, Hedged, kept};
pub use errors::RecentError;
pub use keys::{KeyError, KeyRecord};
pub use moment::moment;
pub use report::{By, CacheBreaks, Report, Row, SessionSum, Span, Unpriced};
pub use search::{EarlierTarget, Request, Sought, has_term};
pub use sessions::{LastSession, last_sessions};

pub use crate::database::Place;

use crate::database::Health;

/// Entries that wait to be written. With a database that cannot be written, so many are kept for when it can.
const QUEUE_MAX: usize = 8192;

/// `ledger:` of the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether requests are recorded.
    pub enabled: bool,
    /// Where they are.
    pub place: Place,
    /// Days after which a request is forgotten.
    pub keep_days: u32,
}

/// How the ledger fares, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests that are in the file.
    pub written: u64,
    /// Requests that were left out: the file could not be written for too long.
    pub dropped: u64,
    /// Requests that wait.
    pub queued: u64,
}

/// The way into the ledger. Clones are the same ledger.
#[derive(Debug, Clone)]
pub struct Ledger {
    sender: SyncSender<Message>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    put: AtomicU64,
    written: AtomicU64,
    dropped: AtomicU64,
    keep_days: AtomicU32,
}

#[derive(Debug)]
enum Message {
    Entry(Box<Entry>),
    /// Write what is there; then say whether it is written. The ledger goes on.
    Flush(SyncSender<bool>),
}

/// How it is, by a quick look.
pub(crate) fn health(place: &Place) -> Health {
    ask::health(place)
}

impl Settings {
    /// What holds where the config says nothing.
    #[must_use]
    pub fn usual(state_folder: &Path) -> Self {
        Self { enabled: true, place: Place::File(state_folder.join("ledger.sqlite")), keep_days: 90 }
    }

    /// No ledger.
    #[must_use]
    pub fn off() -> Self {
        Self { enabled: false, ..Self::usual(Path::new("/")) }
    }
}

impl Ledger {
    /// Starts the thread; it opens the store by itself, so that nobody waits for a disk. `None` where the system gives no
    /// thread, or the settings turn it off.
    #[must_use]
    pub fn start(settings: &Settings) -> Option<Self> {
        if !settings.enabled {
            return None;
        }
        let (sender, receiver) = mpsc::sync_channel(QUEUE_MAX);
        let shared = Arc::new(Shared { keep_days: AtomicU32::new(settings.keep_days), ..Shared::default() });
        let (place, counted) = (settings.place.clone(), Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("ledger".to_owned());
        match thread.spawn(move || writer::Writer::new(place, counted).run(&receiver)) {
            Ok(_) => Some(Self { sender, shared }),
            Err(error) => {
                tracing::error!(code = %crate::error::Code::Ledger, %error, "the ledger's thread could not be started; no request is recorded");
                None
            }
        }
    }

    /// Hands an entry over. Never waits: where too many wait already, it is dropped and counted.
    pub fn put(&self, entry: Box<Entry>) {
        self.shared.put.fetch_add(1, Ordering::Relaxed);
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.sender.try_send(Message::Entry(entry)) {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// After how many days a request is forgotten, from now on.
    pub fn keep(&self, days: u32) {
        self.shared.keep_days.store(days, Ordering::Relaxed);
    }

    /// How it fares.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let Shared { put, written, dropped, .. } = &*self.shared;
        let [written, dropped] = [written, dropped].map(|count| count.load(Ordering::Relaxed));
        Counters { written, dropped, queued: put.load(Ordering::Relaxed).saturating_sub(written + dropped) }
    }

    /// Waits until all that was put so far is in the file, for `limit` at most. Whether it is. Blocks.
    #[must_use]
    pub fn flush(&self, limit: Duration) -> bool {
        let (done, is_done) = mpsc::sync_channel(1);
        self.sender.try_send(Message::Flush(done)).is_ok() && is_done.recv_timeout(limit).unwrap_or(false)
    }
}
