//! The thread that writes: it gathers entries for a moment, then writes them in one transaction. Where that fails it keeps
//! them, says so once, and tries again.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, TransactionBehavior, params};

use super::entry::{Attempt, Entry};
use super::schema;
use super::{Message, Shared};
use crate::database::{Fault, give_room_back};
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
/// Requests forgotten in one transaction, so that no other process waits for long.
const FORGET_MAX: u32 = 2000;
const DAY_MS: u64 = 86_400_000;
/// How an attempt ended that was cancelled because another one's content came first.
const HEDGED: &str = "hedged";

pub(super) struct Writer {
    path: PathBuf,
    shared: Arc<Shared>,
    connection: Option<Connection>,
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
    pub(super) fn new(path: PathBuf, shared: Arc<Shared>) -> Self {
        Self { path, shared, connection: None, batch: Vec::new(), waiting: Vec::new(), pause: Duration::ZERO, dropped: 0, forgot: None }
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
                tracing::info!(path = %self.path.display(), "the ledger can be written again");
            }
            Ok(()) => {}
            Err(fault) => {
                // The next attempt begins anew: what was wrong may have been the file that was open.
                self.connection = None;
                if self.pause.is_zero() {
                    let reason = schema::reason(fault);
                    tracing::error!(code = %Code::Ledger, path = %self.path.display(), %reason,
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
        let connection = match self.connection.take_if(|_| self.path.exists()) {
            Some(connection) => self.connection.insert(connection),
            None => {
                self.connection = None;
                self.connection.insert(schema::open(&self.path)?)
            }
        };
        if !self.batch.is_empty() {
            insert(connection, &self.batch)?;
            self.shared.written.fetch_add(self.batch.len() as u64, Ordering::Relaxed);
            self.batch.clear();
        }
        if self.forgot.is_none_or(|then| then.elapsed() >= FORGET_EVERY) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
            forget(connection, now.saturating_sub(u64::from(self.shared.keep_days.load(Ordering::Relaxed)) * DAY_MS))?;
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
        if let Some(connection) = self.connection.take() {
            // The log is taken into the file; that it stays beside it does no harm.
            drop(connection.close());
        }
    }
}

/// Writes entries in one transaction.
fn insert(connection: &mut Connection, entries: &[Box<Entry>]) -> Result<(), Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut request = transaction.prepare_cached(
            "INSERT INTO requests (time, request_id, dialect, program, role, session, agent, project, asked, route, stream, provider, model,
                key, status, code, ending, attempts, input, output, cache_read, cache_write, thinking, estimated, cost, content_ms,
                total_ms, losses, break_cause, break_detail, break_tokens, break_cost)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24,
                ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32)",
        )?;
        let mut attempt = transaction.prepare_cached(
            "INSERT INTO attempts (request, number, provider, model, key, start_ms, ms, status, code, reused, ending, cost,
                input, output, cache_read, cache_write, thinking)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?;
        for entry in entries {
            let usage = &entry.usage;
            let last = entry.last.map(|went| ([entry.provider.as_str(), &entry.model, &entry.key], went, None, entry.own()));
            let earlier = entry.earlier.iter().map(|one| {
                let ending = one.cancelled.map(|_| HEDGED);
                ([one.provider.as_str(), &one.model, &one.key], one.went, ending, (one.took, one.own_cost()))
            });
            let is_estimated = entry.is_estimated || entry.earlier.iter().any(|one| one.cancelled.is_some());
            let broken = entry.cache_break.as_ref();
            let id = request.insert(params![
                number(entry.time_ms),
                entry.request_id,
                entry.dialect,
                entry.program,
                entry.role,
                entry.session,
                entry.agent,
                entry.project,
                entry.asked,
                entry.route,
                entry.stream,
                entry.provider,
                entry.model,
                entry.key,
                entry.status,
                entry.code.map(|code| code.row().id),
                entry.ending.name(),
                number(entry.earlier.len() as u64 + u64::from(entry.last.is_some())),
                usage.input.map(number),
                usage.output.map(number),
                usage.cache_read.map(number),
                usage.cache_write.map(number),
                usage.reasoning.map(number),
                is_estimated,
                entry.cost_in_all().map(number),
                entry.content_ms.map(number),
                number(entry.total_ms),
                number(entry.losses),
                broken.map(|broken| broken.cause),
                broken.map(|broken| broken.detail.as_str()),
                broken.map(|broken| number(broken.tokens)),
                broken.and_then(|broken| broken.cost).map(number),
            ])?;
            for (count, ([provider, model, key], went, ending, (took, cost))) in (1_i64..).zip(earlier.chain(last)) {
                let Attempt { start_ms, ms, status, code, is_reused } = went;
                attempt.execute(params![
                    id,
                    count,
                    provider,
                    model,
                    key,
                    number(start_ms),
                    number(ms),
                    status,
                    code.map(|code| code.row().id),
                    is_reused,
                    ending,
                    cost.map(number),
                    took.input.map(number),
                    took.output.map(number),
                    took.cache_read.map(number),
                    took.cache_write.map(number),
                    took.reasoning.map(number),
                ])?;
            }
        }
    }
    Ok(transaction.commit()?)
}

/// SQLite's integers have a sign.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Deletes the requests that came before `end_ms`, and gives their room back.
fn forget(connection: &mut Connection, end_ms: u64) -> Result<(), Fault> {
    loop {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let old = "SELECT id FROM requests WHERE time < ?1 ORDER BY time LIMIT ?2";
        transaction.execute(&format!("DELETE FROM attempts WHERE request IN ({old})"), params![number(end_ms), FORGET_MAX])?;
        let gone = transaction.execute(&format!("DELETE FROM requests WHERE id IN ({old})"), params![number(end_ms), FORGET_MAX])?;
        transaction.commit()?;
        if gone < FORGET_MAX as usize {
            break;
        }
    }
    give_room_back(connection)
}
