//! HTTP/2 connections. One carries many requests at a time, so it is driven by a task of its own, which ends with the last
//! of its users. A request counts in the place of a connection: its [`Lease`].

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::Origin;
use super::stream::Watched;
use crate::wire::splice::Spliced;

/// Requests at a time on one connection, whatever its upstream allows; the next one opens another.
const STREAMS_MAX: usize = 100;
/// While answers are awaited, an upstream that says nothing is asked so often whether it is there,
const PING_EVERY: Duration = Duration::from_secs(15);
/// and given up after so long.
const PING_PATIENCE: Duration = Duration::from_secs(20);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection.
struct Line {
    sender: SendRequest<Full<Spliced>>,
    load: Mutex<Load>,
    /// Driven by its task; here to be asked how many requests the upstream allows at a time.
    connection: Arc<Mutex<Driven>>,
}

type Driven = Connection<TokioIo<Watched>, Full<Spliced>, TokioExecutor>;

struct Load {
    in_flight: usize,
    /// When the last one began or ended.
    changed: Instant,
}

/// A request's place on a connection, given back when dropped.
pub(super) struct Lease {
    line: Arc<Line>,
}

impl Line {
    fn load(&self) -> MutexGuard<'_, Load> {
        locked(&self.load)
    }

    fn is_worth_keeping(&self, idle_max: Duration) -> bool {
        let load = self.load();
        !self.sender.is_closed() && (load.in_flight > 0 || load.changed.elapsed() <= idle_max)
    }

    fn lease(self: &Arc<Self>) -> Option<Lease> {
        let mut load = self.load();
        if load.in_flight >= locked(&self.connection).current_max_send_streams().clamp(1, STREAMS_MAX) {
            return None;
        }
        load.in_flight += 1;
        load.changed = Instant::now();
        Some(Lease { line: Arc::clone(self) })
    }
}

impl Lease {
    /// The half that takes requests.
    pub(super) fn sender(&self) -> SendRequest<Full<Spliced>> {
        self.line.sender.clone()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut load = self.line.load();
        load.in_flight = load.in_flight.saturating_sub(1);
        load.changed = Instant::now();
    }
}

/// The open HTTP/2 connections of every origin.
#[derive(Default)]
pub(super) struct Lines {
    open: Mutex<HashMap<Origin, Vec<Arc<Line>>>>,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

impl Lines {
    fn open(&self) -> MutexGuard<'_, HashMap<Origin, Vec<Arc<Line>>>> {
        locked(&self.open)
    }

    /// A place on an open connection to `origin`. Closes what has been idle for too long.
    pub(super) fn take(&self, origin: &Origin, idle_max: Duration) -> Option<Lease> {
        let mut open = self.open();
        if open.is_empty() {
            return None;
        }
        open.retain(|_, lines| {
            lines.retain(|line| line.is_worth_keeping(idle_max));
            !lines.is_empty()
        });
        open.get(origin)?.iter().find_map(|line| line.lease())
    }

    /// Begins HTTP/2 on a fresh stream and gives the first place on it. Requests that come while none is open open one each.
    pub(super) async fn begin(&self, origin: &Origin, stream: Watched) -> hyper::Result<Lease> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).keep_alive_interval(PING_EVERY).keep_alive_timeout(PING_PATIENCE);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        let load = Mutex::new(Load { in_flight: 1, changed: Instant::now() });
        let connection = Arc::new(Mutex::new(connection));
        let line = Arc::new(Line { sender, load, connection: Arc::clone(&connection) });
        // Its errors reach whoever waits for an answer. It ends when the last sender and the last answer are gone.
        tokio::spawn(poll_fn(move |cx| Pin::new(&mut *locked(&connection)).poll(cx)));
        self.open().entry(origin.clone()).or_default().push(Arc::clone(&line));
        Ok(Lease { line })
    }
}

/// Whether the upstream ended this one request and not the connection. hyper tells the two apart in words only. A stream
/// that was refused was not processed, and is as good as not sent (RFC 9113, 8.7).
pub(super) fn is_reset(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    cause.starts_with("stream error") && !cause.contains("refused")
}
