//! Tokens of the last minute: an estimate is reserved when a request is sent, and settled when its usage is known.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
/// What is spent within so long of each other is kept as one sum: a minute is never more than 60 of them.
const SUM: Duration = Duration::from_secs(1);

/// What one provider was sent in the last minute.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    sums: VecDeque<Sum>,
}

#[derive(Debug)]
struct Sum {
    first: Instant,
    /// The whole sum counts for a minute from here.
    last: Instant,
    tokens: u64,
}

/// Tokens set aside for a request under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reserved {
    at: Instant,
    tokens: u64,
}

impl Tokens {
    /// How long until `wanted` more fit under `limit`; `None`: they do. What is larger than the limit fits an empty minute.
    pub(super) fn wait(&mut self, limit: u64, wanted: u64, now: Instant) -> Option<Duration> {
        while self.sums.front().is_some_and(|sum| now.saturating_duration_since(sum.last) >= MINUTE) {
            self.sums.pop_front();
        }
        let spent = self.sums.iter().fold(0_u64, |spent, sum| spent.saturating_add(sum.tokens));
        let mut excess = spent.saturating_add(wanted.min(limit)).saturating_sub(limit);
        let frees = self.sums.iter().find(|sum| {
            let freed = excess.min(sum.tokens);
            excess -= freed;
            excess == 0 && freed > 0
        })?;
        Some(MINUTE.saturating_sub(now.saturating_duration_since(frees.last)))
    }

    /// Sets tokens aside.
    pub(super) fn reserve(&mut self, tokens: u64, now: Instant) -> Reserved {
        self.spend(tokens, now);
        Reserved { at: now, tokens }
    }

    /// The request took so many. What was set aside in excess is given back to its own moment; a debt counts from now.
    pub(super) fn settle(&mut self, reserved: Reserved, used: u64, now: Instant) {
        if used > reserved.tokens {
            return self.spend(used - reserved.tokens, now);
        }
        if let Some(sum) = self.sums.iter_mut().find(|sum| (sum.first..=sum.last).contains(&reserved.at)) {
            sum.tokens = sum.tokens.saturating_sub(reserved.tokens - used);
        }
    }

    fn spend(&mut self, tokens: u64, now: Instant) {
        match self.sums.back_mut() {
            Some(sum) if now.saturating_duration_since(sum.first) < SUM => {
                sum.last = sum.last.max(now);
                sum.tokens = sum.tokens.saturating_add(tokens);
            }
            _ => self.sums.push_back(Sum { first: now, last: now, tokens }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn what_does_not_fit_waits_for_the_oldest_to_leave() {
        let (mut tokens, start) = (Tokens::default(), Instant::now());
        for n in 0..3 {
            assert_eq!(tokens.wait(100, 30, start + n * 10 * S), None);
            tokens.reserve(30, start + n * 10 * S);
        }
        let now = start + 25 * S;
        assert_eq!(tokens.wait(100, 10, now), None);
        assert_eq!(tokens.wait(100, 20, now), Some(35 * S));
        assert_eq!(tokens.wait(100, 60, now), Some(45 * S));
        assert_eq!(tokens.wait(100, 60, start + 70 * S), None);
    }

    #[test]
    fn what_exceeds_the_limit_alone_waits_for_an_empty_minute() {
        let (mut tokens, start) = (Tokens::default(), Instant::now());
        assert_eq!(tokens.wait(100, u64::MAX, start), None);
        let one = tokens.reserve(1, start);
        assert_eq!(tokens.wait(100, u64::MAX, start), Some(60 * S));
        tokens.settle(one, 0, start);
        assert_eq!(tokens.wait(100, u64::MAX, start), None);
    }

    #[test]
    fn a_refund_counts_at_once_and_a_debt_from_when_it_is_known() {
        let (mut tokens, start) = (Tokens::default(), Instant::now());
        let (a, b) = (tokens.reserve(60, start), tokens.reserve(40, start));
        assert_eq!(tokens.wait(100, 1, start), Some(60 * S));
        tokens.settle(a, 10, start + 5 * S);
        assert_eq!(tokens.wait(100, 50, start + 5 * S), None);
        tokens.settle(b, 90, start + 30 * S);
        assert_eq!(tokens.wait(100, 1, start + 30 * S), Some(30 * S));
        assert_eq!(tokens.wait(100, 51, start + 60 * S), Some(30 * S));
        // Too late to give back, never too late to owe.
        tokens.settle(a, 0, start + 100 * S);
        tokens.settle(b, 140, start + 100 * S);
        assert_eq!(tokens.wait(100, 1, start + 100 * S), Some(60 * S));
    }

    #[test]
    fn a_minute_is_sixty_sums_whatever_is_sent() {
        let (mut tokens, start) = (Tokens::default(), Instant::now());
        for n in 0..100_000_u32 {
            let now = start + n * Duration::from_millis(7);
            if tokens.wait(u64::MAX, 1, now).is_none() {
                tokens.reserve(u64::MAX / 1_000_000, now);
            }
        }
        assert!(tokens.sums.len() <= 61, "{}", tokens.sums.len());
    }
}
