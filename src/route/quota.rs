//! How much a provider, or one of its keys, may be asked for: at a time, in a minute, in five hours, in a week.
//!
//! [`Quota`] is what the config says, `Meter` what was taken of it. A provider's plan is often counted in all three spans.

use std::time::{Duration, Instant};

use super::window::{Reserved, Window};

/// A span of time that is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Sixty seconds.
    Minute,
    /// What coding plans call a session.
    FiveHours,
    /// Seven days.
    Week,
}

impl Span {
    /// Every span, the shortest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::FiveHours, Self::Week];

    /// How long it is.
    #[must_use]
    pub fn length(self) -> Duration {
        match self {
            Self::Minute => Duration::from_secs(60),
            Self::FiveHours => Duration::from_secs(5 * 3600),
            Self::Week => Duration::from_secs(7 * 24 * 3600),
        }
    }
}

/// What may be taken; without a number, as much as is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quota {
    /// Requests at a time.
    pub concurrent: Option<u32>,
    /// Requests begun within each of [`Span::ALL`].
    pub requests: [Option<u64>; 3],
    /// Tokens within each of [`Span::ALL`], input and output.
    pub tokens: [Option<u64>; 3],
}

impl Quota {
    /// Whether tokens are counted, so that a request's must be estimated.
    #[must_use]
    pub fn counts_tokens(&self) -> bool {
        self.tokens.iter().any(Option::is_some)
    }
}

/// What a request asks for: itself, and about so many tokens. With those that wait before it, what they ask for too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Asks {
    pub(super) requests: u64,
    pub(super) tokens: u64,
}

/// What was taken of a quota.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) requests: [Window; 3],
    pub(super) tokens: [Window; 3],
}

impl Default for Meter {
    fn default() -> Self {
        let windows = || Span::ALL.map(|span| Window::new(span.length()));
        Self { requests: windows(), tokens: windows() }
    }
}

impl Meter {
    /// How long until what is asked for fits; `None`: it does.
    pub(super) fn wait(&mut self, quota: &Quota, asks: Asks, now: Instant) -> Option<Duration> {
        let requests = wait(&mut self.requests, &quota.requests, asks.requests, now);
        requests.max(wait(&mut self.tokens, &quota.tokens, asks.tokens, now))
    }

    /// For how many requests there is room, once [`Meter::wait`] has said that there is some. Where tokens are counted it is
    /// one, since what the next one takes is its own affair.
    pub(super) fn places(&self, quota: &Quota) -> u64 {
        let counted = self.requests.iter().zip(&quota.requests);
        let left = counted.filter_map(|(window, limit)| Some((*limit)?.saturating_sub(window.spent()))).min();
        let most = if quota.counts_tokens() { 1 } else { u64::MAX };
        left.map_or(most, |left| left.min(most))
    }

    /// A request begins. Gives what it reserves, if its tokens are counted.
    pub(super) fn take(&mut self, quota: &Quota, tokens: u64, now: Instant) -> Option<Reserved> {
        spend(&mut self.requests, &quota.requests, 1, now);
        spend(&mut self.tokens, &quota.tokens, tokens, now);
        quota.counts_tokens().then_some(Reserved { at: now, amount: tokens })
    }

    /// What a request took of the tokens that it had reserved.
    pub(super) fn settle(&mut self, quota: &Quota, reserved: Reserved, tokens: u64, now: Instant) {
        let counted = self.tokens.iter_mut().zip(&quota.tokens).filter(|(_, limit)| limit.is_some());
        counted.for_each(|(window, _)| window.settle(reserved, tokens, now));
    }
}

fn wait(windows: &mut [Window; 3], limits: &[Option<u64>; 3], wanted: u64, now: Instant) -> Option<Duration> {
    let counted = windows.iter_mut().zip(limits);
    counted.filter_map(|(window, limit)| window.wait((*limit)?, wanted, now)).max()
}

/// Only what has a limit is counted.
fn spend(windows: &mut [Window; 3], limits: &[Option<u64>; 3], amount: u64, now: Instant) {
    let counted = windows.iter_mut().zip(limits).filter(|(_, limit)| limit.is_some());
    counted.for_each(|(window, _)| window.spend(amount, now));
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn one(tokens: u64) -> Asks {
        Asks { requests: 1, tokens }
    }

    #[test]
    fn each_span_has_a_limit_of_its_own_and_the_longest_wait_holds() {
        let quota = Quota { requests: [Some(1), Some(2), None], tokens: [None, None, Some(100)], ..Quota::default() };
        let (mut meter, start) = (Meter::default(), Instant::now());
        assert_eq!(meter.wait(&quota, one(50), start), None);
        let first = meter.take(&quota, 50, start).unwrap();
        assert_eq!(meter.wait(&quota, one(50), start), Some(60 * S), "the minute");
        meter.settle(&quota, first, 60, start);
        assert_eq!(meter.wait(&quota, one(50), start + 60 * S), Some(Span::Week.length() - 60 * S), "the week, with its debt");
        assert_eq!(meter.wait(&quota, one(40), start + 60 * S), None);
        meter.take(&quota, 40, start + 60 * S);
        // What is spent within five minutes counts from its end.
        assert_eq!(meter.wait(&quota, one(0), start + 120 * S), Some(Span::FiveHours.length() - 60 * S), "the session");
    }

    #[test]
    fn what_has_no_limit_is_not_kept() {
        let (mut meter, now) = (Meter::default(), Instant::now());
        assert!(meter.take(&Quota::default(), 1000, now).is_none());
        assert!(meter.requests.iter().chain(&meter.tokens).all(Window::is_empty));
    }
}
