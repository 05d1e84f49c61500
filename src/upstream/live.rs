//! The requests under way, so that one which never ends is seen.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The requests under way, the oldest first, and how the runtime fared.
#[derive(Debug, Default)]
pub struct Live {
    last: u64,
    under_way: BTreeMap<u64, (Instant, String)>,
    /// The longest that the runtime stood still.
    pub stalled: Duration,
}

/// A request that has been under way for too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// Its number, among all of this process.
    pub number: u64,
    /// Its id.
    pub request_id: String,
    /// How long it has been under way.
    pub age: Duration,
}

impl Live {
    /// A request begins. Gives its number, by which it [`Live::ended`].
    pub(super) fn began(&mut self, received: Instant, request_id: &str) -> u64 {
        self.last += 1;
        self.under_way.insert(self.last, (received, request_id.to_owned()));
        self.last
    }

    pub(super) fn ended(&mut self, number: u64) {
        self.under_way.remove(&number);
    }

    /// How many are under way.
    #[must_use]
    pub fn count(&self) -> usize {
        self.under_way.len()
    }

    /// How long the oldest has been.
    #[must_use]
    pub fn oldest(&self, now: Instant) -> Duration {
        self.under_way.values().next().map_or(Duration::ZERO, |(received, _)| now.saturating_duration_since(*received))
    }

    /// Those that have been under way for longer than `limit`.
    #[must_use]
    pub fn stuck(&self, limit: Duration, now: Instant) -> Vec<Stuck> {
        let aged = self.under_way.iter().map(|(number, (received, id))| (*number, id, now.saturating_duration_since(*received)));
        // In the order of their numbers, which is nearly that of their age.
        let stuck = aged.filter(|(_, _, age)| *age > limit).take(100);
        stuck.map(|(number, id, age)| Stuck { number, request_id: id.clone(), age }).collect()
    }

    /// The runtime stood still for so long.
    pub fn note_stall(&mut self, time: Duration) {
        self.stalled = self.stalled.max(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_end_is_stuck_and_what_ended_is_not() {
        let (mut live, start) = (Live::default(), Instant::now());
        let (one, _two) = (live.began(start, "one"), live.began(start + Duration::from_secs(5), "two"));
        let later = start + Duration::from_secs(11);
        assert_eq!((live.count(), live.oldest(later)), (2, Duration::from_secs(11)));
        let stuck = live.stuck(Duration::from_secs(10), later);
        assert_eq!(stuck, [Stuck { number: one, request_id: "one".to_owned(), age: Duration::from_secs(11) }]);
        live.ended(one);
        assert_eq!((live.stuck(Duration::from_secs(10), later), live.count()), (vec![], 1));
    }
}
