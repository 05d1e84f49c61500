//! The ages of the requests in flight, without a lock: a slot a request, given back when its ticket is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Slots. Where more requests are in flight some go without: they are younger than most.
const SLOTS: usize = 4096;
/// Slots that are looked at for a free one.
const TRIES: usize = 8;

/// When the requests in flight began.
#[derive(Debug)]
pub struct InFlight {
    epoch: Instant,
    next: AtomicUsize,
    /// Milliseconds since the epoch, plus one; 0: free.
    slots: Box<[AtomicU64]>,
}

/// A request in flight.
#[derive(Debug)]
pub struct Ticket {
    all: Arc<InFlight>,
    slot: Option<usize>,
}

impl Default for InFlight {
    fn default() -> Self {
        Self { epoch: Instant::now(), next: AtomicUsize::new(0), slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl InFlight {
    /// A request begins.
    #[must_use]
    pub fn enter(self: &Arc<Self>, now: Instant) -> Ticket {
        let began = self.millis(now) + 1;
        let first = self.next.fetch_add(1, Relaxed);
        let mut tried = (first..first.saturating_add(TRIES)).map(|slot| slot % SLOTS);
        let slot = tried.find(|slot| self.slots.get(*slot).is_some_and(|slot| slot.compare_exchange(0, began, Relaxed, Relaxed).is_ok()));
        Ticket { all: Arc::clone(self), slot }
    }

    /// The age of the oldest one; `None`: there is none.
    #[must_use]
    pub fn oldest(&self, now: Instant) -> Option<Duration> {
        let began = self.slots.iter().map(|slot| slot.load(Relaxed)).filter(|began| *began > 0).min()?;
        Some(Duration::from_millis((self.millis(now) + 1).saturating_sub(began)))
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX - 1)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.and_then(|slot| self.all.slots.get(slot)) {
            slot.store(0, Relaxed);
        }
    }
}
