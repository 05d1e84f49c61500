//! A request on its way up, as every phase of its life sees it, and what all requests share.
//!
//! Lacks the phases themselves: an attempt, the relay, the settling. Start with [`Job`].

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use arc_swap::ArcSwapOption;

use super::client::Client;
use super::live::Live;
use super::preamble::Preamble;
use super::renewals::Renewals;
use super::resume::Partial;
use crate::config::Limits;
use crate::dialect::{Dialect, ReplyMap};
use crate::ledger::{self, Ledger};
use crate::route::{Health, Plan, Record, Table};
use crate::telemetry::Counts;
use crate::wire::peek::Peek;
use crate::wire::prefix::Prefix;

/// What all requests share: connections and the memory of targets.
#[derive(Debug)]
pub struct Upstreams {
    /// Connections.
    pub client: Client,
    health: Mutex<Health>,
    ledger: ArcSwapOption<Ledger>,
    /// Calls those who stand in line: a place may be free.
    freed: Notify,
    /// What is counted of requests that have ended.
    pub counts: Counts,
    live: Mutex<Live>,
    renewals: Arc<Renewals>,
}

impl Upstreams {
    /// With an empty memory.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            health: Mutex::default(),
            ledger: ArcSwapOption::empty(),
            freed: Notify::new(),
            counts: Counts::default(),
            live: Mutex::default(),
            renewals: Arc::default(),
        }
    }

    /// Remembers requests as the settings say, from now on; those under way too.
    pub fn remember(&self, settings: &ledger::Settings) {
        self.ledger.store(Ledger::start(settings).map(Arc::new));
    }

    /// Where requests are remembered; `None`: nowhere.
    pub fn ledger(&self) -> arc_swap::Guard<Option<Arc<Ledger>>> {
        self.ledger.load()
    }

    /// The keys that expire, as they are now.
    pub(crate) fn renewals(&self) -> &Arc<Renewals> {
        &self.renewals
    }

    /// The memory of targets and keys, locked for one step.
    pub fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upstreams {
    /// Waits until a place may be free, for so long at most.
    pub(super) async fn place_or(&self, wait: Duration) {
        // One that is freed just before is found when the wait is over, which is short.
        let _ = tokio::time::timeout(wait, self.freed.notified()).await;
    }

    /// The requests under way.
    pub fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place may be free: whoever stands in line looks.
    pub(super) fn call_line(&self) {
        if self.health().in_line() > 0 {
            self.freed.notify_waiters();
        }
    }
}

/// One request on its way up.
pub struct Job {
    /// What all requests share.
    pub upstreams: Arc<Upstreams>,
    /// The compiled config.
    pub table: Arc<Table>,
    /// The limits.
    pub limits: Arc<Limits>,
    /// The client's dialect.
    pub client: Dialect,
    /// The client's body.
    pub body: Bytes,
    /// What was seen in it.
    pub peek: Peek,
    /// Where it may go.
    pub plan: Plan,
    /// How that was decided.
    pub record: Record,
    /// The client's headers.
    pub headers: HeaderMap,
    /// The client's query, without the question mark.
    pub query: Option<String>,
    /// The request's id, which may be the client's.
    pub request_id: String,
    /// What the id of the reply is made of, where it is ours to give.
    pub reply_id: String,
    /// When it came.
    pub received: Instant,
    /// The input in tokens, estimated.
    pub input_estimate: u64,
    /// The body's blocks, for the cache guard: made when there is time.
    pub prefix: OnceLock<Arc<Prefix>>,
    /// What may be said before the first content.
    pub preamble: Arc<Preamble>,
    /// The request's places among those in flight and, if it is one, among the streams; given back when the answer has ended.
    pub places: [Option<OwnedSemaphorePermit>; 2],
    /// Its part of the memory for bodies, given back with the body.
    pub held: Option<OwnedSemaphorePermit>,
    /// The answer so far, where another target is to go on with it.
    pub partial: Option<Partial>,
}

/// How long silence is borne.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// The upstream's silence after which the answer is given up.
    pub(super) idle: Duration,
    /// The silence towards the client after which it gets an empty delta.
    pub(super) keep_alive: Duration,
    /// The least pace of a stream that has begun, in bytes per second over so many seconds; 0: any.
    pub(super) pace: (u64, u64),
    /// When the whole request is given up; `None`: never.
    pub(super) until: Option<tokio::time::Instant>,
}

impl Job {
    pub(super) fn patience(&self) -> Patience {
        Patience {
            idle: Duration::from_secs(self.limits.stream_idle_s),
            keep_alive: Duration::from_secs(self.limits.keep_alive_s),
            pace: (self.limits.pace_bytes_per_s, self.limits.pace_over_s),
            until: self.received.checked_add(self.table.retry.deadline).map(tokio::time::Instant::from_std),
        }
    }

    /// The body's blocks, looked at once, and only where a session wants them.
    pub(super) fn prefix(&self) -> Option<&Arc<Prefix>> {
        let stick = self.record.stick.as_ref()?;
        Some(self.prefix.get_or_init(|| {
            let before = self.upstreams.health().prefix_before(stick.id).unwrap_or_default();
            Arc::new(Prefix::after(&self.body, &before))
        }))
    }

    /// What the reply of a translated request must undo, or an early start must say.
    #[must_use]
    pub fn reply_map(&self) -> ReplyMap {
        ReplyMap { model: self.peek.model.clone(), id: self.reply_id.clone(), input_estimate: self.input_estimate, ..ReplyMap::default() }
    }
}
