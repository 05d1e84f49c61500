//! What was spent within a span of time, sliding: an estimate is reserved when a request is sent, and settled when its
//! usage is known.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What is spent within this part of the span is kept as one sum: a window is never more than so many of them and one.
const SUMS: u32 = 60;

/// What was spent lately.
#[derive(Debug)]
pub(super) struct Window {
    span: Duration,
    spent: u64,
    sums: VecDeque<Sum>,
}

#[derive(Debug, Clone, Copy)]
struct Sum {
    first: Instant,
    /// The whole sum counts for a span from here.
    last: Instant,
    amount: u64,
}

/// An amount set aside for a request under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reserved {
    pub(super) at: Instant,
    pub(super) amount: u64,
}

impl Window {
    pub(super) fn new(span: Duration) -> Self {
        Self { span, spent: 0, sums: VecDeque::new() }
    }

    /// How long until `wanted` more fit under `limit`; `None`: they do. What is larger than the limit fits an empty window.
    pub(super) fn wait(&mut self, limit: u64, wanted: u64, now: Instant) -> Option<Duration> {
        self.forget_old(now);
        let mut excess = self.spent.saturating_add(wanted.min(limit)).saturating_sub(limit);
        if excess == 0 {
            return None;
        }
        let frees = self.sums.iter().find(|sum| {
            let freed = excess.min(sum.amount);
            excess -= freed;
            excess == 0 && freed > 0
        })?;
        Some(self.span.saturating_sub(now.saturating_duration_since(frees.last)))
    }

    /// The sums, each with its age and what it came to, for a file.
    pub(super) fn sums(&self, now: Instant) -> impl Iterator<Item = (Duration, u64)> {
        self.sums.iter().map(move |sum| (now.saturating_duration_since(sum.last), sum.amount))
    }

    /// Puts back what [`Window::sums`] gave, oldest first.
    pub(super) fn restore(&mut self, at: Instant, amount: u64) {
        if self.sums.len() <= SUMS as usize && self.sums.back().is_none_or(|sum| sum.last <= at) {
            let amount = amount.min(u64::MAX - self.spent);
            self.spent += amount;
            self.sums.push_back(Sum { first: at, last: at, amount });
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    /// What was spent within the span before [`Window::wait`] was asked last.
    pub(super) fn spent(&self) -> u64 {
        self.spent
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some(sum) = self.sums.front().filter(|sum| now.saturating_duration_since(sum.last) >= self.span) {
            self.spent = self.spent.saturating_sub(sum.amount);
            self.sums.pop_front();
        }
    }

    /// The request took so much. What was set aside in excess is given back to its own moment; a debt counts from now.
    pub(super) fn settle(&mut self, reserved: Reserved, used: u64, now: Instant) {
        if used > reserved.amount {
            return self.spend(used - reserved.amount, now);
        }
        if let Some(sum) = self.sums.iter_mut().find(|sum| (sum.first..=sum.last).contains(&reserved.at)) {
            let back = sum.amount.min(reserved.amount - used);
            sum.amount -= back;
            self.spent = self.spent.saturating_sub(back);
        }
    }

    pub(super) fn spend(&mut self, amount: u64, now: Instant) {
        self.forget_old(now);
        // Whatever is asked for, the sum of the sums is a number.
        let amount = amount.min(u64::MAX - self.spent);
        self.spent += amount;
        match self.sums.back_mut() {
            Some(sum) if now.saturating_duration_since(sum.first) < self.span / SUMS => {
                sum.last = sum.last.max(now);
                sum.amount += amount;
            }
            _ => self.sums.push_back(Sum { first: now, last: now, amount }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn window() -> (Window, Instant) {
        (Window::new(60 * S), Instant::now())
    }

    fn reserve(window: &mut Window, amount: u64, at: Instant) -> Reserved {
        window.spend(amount, at);
        Reserved { at, amount }
    }

    #[test]
    fn what_does_not_fit_waits_for_the_oldest_to_leave() {
        let (mut window, start) = window();
        for n in 0..3 {
            assert_eq!(window.wait(100, 30, start + n * 10 * S), None);
            window.spend(30, start + n * 10 * S);
        }
        let now = start + 25 * S;
        assert_eq!(window.wait(100, 10, now), None);
        assert_eq!(window.wait(100, 20, now), Some(35 * S));
        assert_eq!(window.wait(100, 60, now), Some(45 * S));
        assert_eq!(window.wait(100, 60, start + 70 * S), None);
    }

    #[test]
    fn what_exceeds_the_limit_alone_waits_for_an_empty_window() {
        let (mut window, start) = window();
        assert_eq!(window.wait(100, u64::MAX, start), None);
        let one = reserve(&mut window, 1, start);
        assert_eq!(window.wait(100, u64::MAX, start), Some(60 * S));
        window.settle(one, 0, start);
        assert_eq!(window.wait(100, u64::MAX, start), None);
    }

    #[test]
    fn a_refund_counts_at_once_and_a_debt_from_when_it_is_known() {
        let (mut window, start) = window();
        let (a, b) = (reserve(&mut window, 60, start), reserve(&mut window, 40, start));
        assert_eq!(window.wait(100, 1, start), Some(60 * S));
        window.settle(a, 10, start + 5 * S);
        assert_eq!(window.wait(100, 50, start + 5 * S), None);
        window.settle(b, 90, start + 30 * S);
        assert_eq!(window.wait(100, 1, start + 30 * S), Some(30 * S));
        assert_eq!(window.wait(100, 51, start + 60 * S), Some(30 * S));
        // Too late to give back, never too late to owe.
        window.settle(a, 0, start + 100 * S);
        window.settle(b, 140, start + 100 * S);
        assert_eq!(window.wait(100, 1, start + 100 * S), Some(60 * S));
    }

    #[test]
    fn a_window_is_sixty_sums_whatever_is_sent() {
        let (mut window, start) = window();
        for n in 0..100_000_u32 {
            let now = start + n * Duration::from_millis(7);
            if window.wait(u64::MAX, 1, now).is_none() {
                window.spend(u64::MAX / 1_000_000, now);
            }
        }
        assert!(window.sums.len() <= 61, "{}", window.sums.len());
        window.forget_old(start + 2000 * S);
        assert_eq!((window.spent, window.sums.len()), (0, 0), "what has left counts no more");
    }

    #[test]
    fn a_week_slides_too() {
        let week = 7 * 24 * 3600 * S;
        let (mut window, start) = (Window::new(week), Instant::now());
        window.spend(10, start);
        window.spend(10, start + week / 2);
        assert_eq!(window.wait(20, 1, start + week / 2), Some(week / 2));
        assert_eq!(window.wait(20, 10, start + week), None);
    }
}
