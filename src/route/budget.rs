//! The retry budget: repeats may be a share of the traffic and a few per second, so that a failing provider is not
//! buried under them.

use std::time::Instant;

use super::table::Retry;

/// A bucket of repeats, shared by all requests.
#[derive(Debug, Default)]
pub(super) struct Budget {
    tokens: f64,
    filled: Option<Instant>,
}

impl Budget {
    /// A request has come: it earns its share of a repeat.
    pub(super) fn request(&mut self, now: Instant, retry: &Retry) {
        self.fill(now, retry);
        self.tokens = (self.tokens + retry.budget_ratio).min(capacity(retry));
    }

    /// Takes one repeat, if there is one.
    pub(super) fn take(&mut self, now: Instant, retry: &Retry) -> bool {
        let has = self.has(now, retry);
        if has {
            self.tokens -= 1.0;
        }
        has
    }

    /// Whether a repeat is left.
    pub(super) fn has(&mut self, now: Instant, retry: &Retry) -> bool {
        self.fill(now, retry);
        self.tokens >= 1.0
    }

    /// The first call finds a second's worth.
    fn fill(&mut self, now: Instant, retry: &Retry) {
        let seconds = self.filled.map_or(1.0, |then| now.saturating_duration_since(then).as_secs_f64());
        self.tokens = (self.tokens + seconds * retry.budget_per_s).min(capacity(retry));
        self.filled = Some(self.filled.map_or(now, |then| then.max(now)));
    }
}

/// Two seconds' worth and what a hundred requests earn: enough for a burst, too little for a storm.
fn capacity(retry: &Retry) -> f64 {
    2.0 * retry.budget_per_s + 100.0 * retry.budget_ratio
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn repeats_are_a_share_of_the_traffic_and_some_per_second() {
        let retry = Retry::default();
        let mut budget = Budget::default();
        let now = Instant::now();
        assert_eq!((0..100).filter(|_| budget.take(now, &retry)).count(), 10);
        for _ in 0..50 {
            budget.request(now, &retry);
        }
        assert_eq!((0..100).filter(|_| budget.take(now + Duration::from_millis(1), &retry)).count(), 10);
        assert_eq!((0..100).filter(|_| budget.take(now + Duration::from_secs(3600), &retry)).count(), 40);
    }

    #[test]
    fn a_budget_of_nothing_gives_nothing() {
        let retry = Retry { budget_ratio: 0.0, budget_per_s: 0.0, ..Retry::default() };
        let mut budget = Budget::default();
        budget.request(Instant::now(), &retry);
        assert!(!budget.take(Instant::now() + Duration::from_secs(60), &retry));
    }
}
