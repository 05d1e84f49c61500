//! Connections that rest between two exchanges.
//!
//! A resting one is not polled: that its upstream has closed it is noticed by one poll when it is taken out. What is too
//! old goes whenever another is put in; after the last request a few sockets stay open until then.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Context;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::client::conn::http1::{Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::runtime;

use super::Origin;
use super::stream::{Crossed, Traffic, Watched};
use crate::wire::splice::Spliced;

/// Of so many times that a thread could borrow a connection, once it opens one of its own instead.
const LENT_BEFORE_OWN: u32 = 4;

/// One connection: the half that takes requests and the half that must be polled.
pub(super) struct Link {
    pub(super) sender: SendRequest<Full<Spliced>>,
    connection: Connection<TokioIo<Watched>, Full<Spliced>>,
    traffic: Arc<Traffic>,
    is_over: bool,
    /// The runtime that watches its socket.
    home: Option<runtime::Id>,
}

impl Link {
    /// A fresh connection.
    pub(super) fn new(
        sender: SendRequest<Full<Spliced>>,
        connection: Connection<TokioIo<Watched>, Full<Spliced>>,
        traffic: Arc<Traffic>,
    ) -> Self {
        Self { sender, connection, traffic, is_over: false, home: here() }
    }

    /// What has crossed the connection so far.
    pub(super) fn traffic(&self) -> Crossed {
        self.traffic.crossed()
    }

    /// Lets the connection work. Its errors reach whoever waits for the answer or the body, so they are not repeated here.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.is_over {
            self.is_over = Pin::new(&mut self.connection).poll(cx).is_ready();
        }
    }

    /// Whether the next request may be sent.
    fn is_ready(&self) -> bool {
        !self.is_over && self.sender.is_ready()
    }

    /// Lets the connection finish an exchange whose body has ended. False: it cannot be used again.
    pub(super) fn settle(&mut self, cx: &mut Context<'_>) -> bool {
        // One poll reads the end, the next makes ready. Where that is not enough, the request is still being written:
        // the upstream answered without reading it, and such a connection is not worth the wait.
        (0..3).any(|_| {
            self.drive(cx);
            self.is_ready()
        })
    }
}

/// A connection at rest.
struct Resting {
    link: Box<Link>,
    since: Instant,
}

/// The runtime that this thread works for: it watches the sockets that are opened here.
fn here() -> Option<runtime::Id> {
    runtime::Handle::try_current().ok().map(|handle| handle.id())
}

/// The resting connections of every origin, the most recently used last.
pub(super) struct Pool {
    resting: Mutex<HashMap<Origin, VecDeque<Resting>>>,
    idle_max: Duration,
    per_origin_max: usize,
    /// How often a thread found none of its own among some.
    lent: AtomicU32,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Pool {
    /// An empty pool.
    pub(super) fn new(idle_max: Duration, per_origin_max: usize) -> Self {
        Self { resting: Mutex::default(), idle_max, per_origin_max, lent: AtomicU32::new(0) }
    }

    /// The most recently used connection to `origin` that is still alive, rather one that this thread's runtime watches:
    /// another's wakes two threads at each chunk. Such a one is lent, which saves a handshake, but now and then is not, so
    /// that who borrows comes to as many of its own as it needs.
    pub(super) fn take(&self, origin: &Origin, cx: &mut Context<'_>) -> Option<Box<Link>> {
        let here = here();
        loop {
            let Resting { mut link, since } = {
                let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
                let queue = resting.get_mut(origin)?;
                let own = queue.iter().rposition(|resting| resting.link.home == here);
                match own {
                    Some(at) => queue.remove(at)?,
                    None if queue.is_empty() => return None,
                    None if self.lent.fetch_add(1, Ordering::Relaxed) % LENT_BEFORE_OWN == LENT_BEFORE_OWN - 1 => return None,
                    None => queue.pop_back()?,
                }
            };
            link.drive(cx);
            if link.is_ready() && since.elapsed() <= self.idle_max {
                return Some(link);
            }
        }
    }

    /// How many connections rest.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner).values().map(VecDeque::len).sum()
    }

    /// Takes in a connection that is ready for its next request.
    pub(super) fn put(&self, origin: Origin, link: Box<Link>) {
        let now = Instant::now();
        let mut closed = Vec::new();
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.retain(|_, queue| {
            while queue.front().is_some_and(|oldest| now.duration_since(oldest.since) > self.idle_max) {
                closed.extend(queue.pop_front());
            }
            !queue.is_empty()
        });
        let queue = resting.entry(origin).or_default();
        queue.push_back(Resting { link, since: now });
        if queue.len() > self.per_origin_max {
            closed.extend(queue.pop_front());
        }
        // Sockets are closed with the lock released.
        drop(resting);
        drop(closed);
    }
}
