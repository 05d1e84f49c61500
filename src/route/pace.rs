//! The pace of a stream: whether an upstream that has begun to answer still brings enough to be worth waiting for.
//!
//! Counts bytes in windows, one after the other. It must be asked only while the upstream has nothing to give: a client that
//! reads slowly holds the upstream back, and what lies ready for it is counted before the question.

use std::time::{Duration, Instant};

/// The bytes of one window, and how many there must be.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    least: u64,
    over: Duration,
    since: Instant,
    bytes: u64,
}

impl Pace {
    /// A stream that begins now; `None` where no pace is asked for. Bytes per second, counted over so many seconds.
    #[must_use]
    pub fn new(bytes_per_s: u64, over_s: u64, now: Instant) -> Option<Self> {
        let least = bytes_per_s.saturating_mul(over_s);
        (least > 0).then_some(Self { least, over: Duration::from_secs(over_s), since: now, bytes: 0 })
    }

    /// So many bytes have come.
    pub fn took(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// When the window ends and the question is worth asking.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.since + self.over
    }

    /// Whether a window has ended with too little in it; if one has ended, another begins.
    pub fn is_too_slow(&mut self, now: Instant) -> bool {
        if now < self.due() {
            return false;
        }
        let is_too_slow = self.bytes < self.least;
        (self.since, self.bytes) = (now, 0);
        is_too_slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_window_with_too_little_is_too_slow_and_one_with_enough_begins_anew() {
        let start = Instant::now();
        let mut pace = Pace::new(10, 5, start).unwrap();
        pace.took(50);
        assert!(!pace.is_too_slow(start + 4 * S) && !pace.is_too_slow(start + 5 * S), "just enough");
        pace.took(49);
        assert!(!pace.is_too_slow(start + 9 * S), "the window is not over");
        assert_eq!(pace.due(), start + 10 * S);
        assert!(pace.is_too_slow(start + 10 * S));
    }

    #[test]
    fn without_a_pace_nothing_is_counted() {
        assert!(Pace::new(0, 30, Instant::now()).is_none());
        assert!(Pace::new(1, 0, Instant::now()).is_none());
    }
}
