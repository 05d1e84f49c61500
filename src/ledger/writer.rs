//! The thread that writes: it gathers entries for a moment, then writes them in one transaction. Where that fails it keeps
//! them, says so once, and tries again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::ask::open;
use super::entry::Entry;
use super::store::{Mark, NOUN, Store};
use super::{Message, Shared};
use crate::database::{Fault, Place};
use crate::error::Code;

/// So long is gathered before a transaction: a busy server then has few, and a quiet one's entries are soon there.
const GATHER: Duration = Duration::from_millis(150);
/// The most entries of a transaction; others wait in the queue.
const BATCH_MAX: usize = 1024;
/// The pause after a failure; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How often what is too old is looked for.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
const DAY_MS: u64 = 86_400_000;

pub(super) struct Writer {
    place: Place,
    shared: Arc<Shared>,
    store: Option<Box<dyn Store>>,
    mark: Mark,
    /// What is to be written, oldest first.
    #[expect(clippy::vec_box, reason = "entries come boxed, and moving a box is cheaper than copying an entry")]
    batch: Vec<Box<Entry>>,
    waiting: Vec<SyncSender<bool>>,
    pause: Duration,
    /// Entries that had been dropped when that was last logged.
    dropped: u64,
    forgot: Option<Instant>,
}

impl Writer {
    pub(super) fn new(place: Place, shared: Arc<Shared>) -> Self {
        let mark = Mark { writer: getrandom::u64().unwrap_or_else(|_| std::process::id().into()), first: 0 };
        Self { place, shared, store: None, mark, batch: Vec::new(), waiting: Vec::new(), pause: Duration::ZERO, dropped: 0, forgot: None }
    }

    /// Writes until nobody holds the ledger any more.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        // Whoever reads the file finds it, and a fault is known before the first request.
        self.write();
        loop {
            let wait = if self.batch.is_empty() { FORGET_EVERY } else { self.pause };
            match messages.recv_timeout(wait) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.gather(messages);
            self.write();
        }
        self.write();
        self.give_up();
    }

    /// Takes what else has come; lets a moment pass before, so that there is more than one, or the pause after a failure. Who
    /// waits for a flush does not wait for that.
    fn gather(&mut self, messages: &Receiver<Message>) {
        let until = Instant::now() + self.pause.max(GATHER);
        let left = || until.saturating_duration_since(Instant::now());
        if !self.pause.is_zero() {
            while self.waiting.is_empty()
                && self.batch.len() < BATCH_MAX
                && let Ok(message) = messages.recv_timeout(left())
            {
                self.take(message);
            }
        }
        if self.waiting.is_empty() {
            // Not by waiting for messages: each would wake this thread, and cost its sender that.
            std::thread::sleep(left());
        }
        while self.batch.len() < BATCH_MAX
            && let Ok(message) = messages.try_recv()
        {
            self.take(message);
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Entry(entry) => self.batch.push(entry),
            Message::Flush(done) => self.waiting.push(done),
        }
    }

    /// Writes the batch, forgets what is too old. What fails stays in the batch.
    fn write(&mut self) {
        match self.try_write() {
            Ok(()) if !self.pause.is_zero() => {
                self.pause = Duration::ZERO;
                tracing::info!(place = %self.place, "the ledger can be written again");
            }
            Ok(()) => {}
            Err(fault) => {
                // The next attempt begins anew: what was wrong may have been the file that was open.
                self.store = None;
                if self.pause.is_zero() {
                    let reason = fault.reason(NOUN);
                    tracing::error!(code = %Code::Ledger, place = %self.place, %reason,
                        "the ledger cannot be written; requests are served all the same");
                }
                self.pause = (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
            }
        }
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        if dropped > self.dropped {
            tracing::warn!(code = %Code::Ledger, dropped = dropped - self.dropped, "requests are missing in the ledger");
            self.dropped = dropped;
        }
        let is_written = self.batch.is_empty();
        for done in self.waiting.drain(..) {
            // That nobody waits any more is as good.
            let _ = done.try_send(is_written);
        }
    }

    fn try_write(&mut self) -> Result<(), Fault> {
        // A file that was moved away or deleted is still open, and nobody would find what is written to it. It is closed first:
        // that deletes the log beside the path, which must not be the new file's.
        let store = match self.store.take_if(|store| store.is_there()) {
            Some(store) => self.store.insert(store),
            None => {
                self.store = None;
                self.store.insert(open(&self.place)?)
            }
        };
        if !self.batch.is_empty() {
            store.insert(self.mark, &self.batch)?;
            let count = self.batch.len() as u64;
            self.shared.written.fetch_add(count, Ordering::Relaxed);
            self.mark.first += count;
            self.batch.clear();
        }
        if self.forgot.is_none_or(|then| then.elapsed() >= FORGET_EVERY) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
            store.forget(now.saturating_sub(u64::from(self.shared.keep_days.load(Ordering::Relaxed)) * DAY_MS))?;
            self.forgot = Some(Instant::now());
        }
        Ok(())
    }

    /// Nothing more is tried: what is left is lost.
    fn give_up(mut self) {
        let lost = self.batch.len();
        self.shared.dropped.fetch_add(lost as u64, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(code = %Code::Ledger, dropped = lost, "requests are missing in the ledger");
        }
        if let Some(store) = self.store.take() {
            store.close();
        }
    }
}
