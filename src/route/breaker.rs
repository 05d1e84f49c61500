//! The breaker of one target: closed, open for a rest that grows, then half open for one probe.

use std::time::{Duration, Instant};

use super::table::Breaker;

/// A probe that has not reported for so long is forgotten, and another may go.
const PROBE_MAX: Duration = Duration::from_secs(600);

/// What is known of one target; nothing is kept of a healthy one.
#[derive(Debug, Clone, Default)]
pub(super) struct Circuit {
    failures: u32,
    opened: u32,
    open_until: Option<Instant>,
    probing_since: Option<Instant>,
    /// When it last changed.
    pub(super) changed: Option<Instant>,
}

impl Circuit {
    /// Whether a request may go there.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let Some(until) = self.open_until else { return true };
        let is_probed = self.probing_since.is_some_and(|since| now.saturating_duration_since(since) < PROBE_MAX);
        now >= until && !is_probed
    }

    /// How long it is still open; `None`: closed, or ready for its probe.
    pub(super) fn rest(&self, now: Instant) -> Option<Duration> {
        self.open_until.map(|until| until.saturating_duration_since(now)).filter(|rest| !rest.is_zero())
    }

    /// A request goes there. Gives whether it is the probe.
    pub(super) fn started(&mut self, now: Instant) -> bool {
        let is_probe = self.open_until.is_some_and(|until| now >= until) && self.admits(now);
        if is_probe {
            self.probing_since = Some(now);
        }
        is_probe
    }

    /// Failures in a row, openings, and how long it is open still, for a file.
    pub(super) fn saved(&self, now: Instant) -> (u32, u32, Option<Duration>) {
        (self.failures, self.opened, self.open_until.map(|until| until.saturating_duration_since(now)))
    }

    /// Puts back what [`Circuit::saved`] gave. A probe that was under way is not.
    pub(super) fn restored(failures: u32, opened: u32, open: Option<Duration>, now: Instant) -> Self {
        Self { failures, opened, open_until: open.map(|left| now + left), probing_since: None, changed: Some(now) }
    }

    /// A request failed there.
    pub(super) fn failed(&mut self, now: Instant, limits: &Breaker, is_probe: bool) {
        self.changed = Some(now);
        self.failures = self.failures.saturating_add(1);
        let is_open = self.open_until.is_some();
        // What was already under way when it opened says nothing new.
        if is_open && !is_probe {
            return;
        }
        if is_probe || self.failures >= limits.failures {
            self.opened = self.opened.saturating_add(1);
            self.probing_since = None;
            self.open_until = now.checked_add(limits.rest.saturating_mul(self.opened).min(limits.rest_max));
        }
    }

    /// The probe ended without a verdict on the target.
    pub(super) fn probe_released(&mut self) {
        self.probing_since = None;
    }

    /// The probe has brought content: others may go again, but one failure opens it again.
    pub(super) fn revived(&mut self, now: Instant, limits: &Breaker) {
        if self.open_until.take().is_some() {
            self.probing_since = None;
            self.failures = limits.failures.saturating_sub(1);
            self.changed = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Breaker = Breaker { failures: 3, rest: Duration::from_secs(30), rest_max: Duration::from_secs(70) };

    #[test]
    fn it_opens_half_opens_and_rests_longer_each_time() {
        let mut now = Instant::now();
        let mut circuit = Circuit::default();
        for _ in 0..2 {
            circuit.failed(now, &LIMITS, false);
            assert!(circuit.admits(now));
        }
        circuit.failed(now, &LIMITS, false);
        for rest in [30, 60, 70, 70] {
            assert_eq!(circuit.rest(now), Some(Duration::from_secs(rest)));
            assert!(!circuit.admits(now + Duration::from_secs(rest - 1)));
            now += Duration::from_secs(rest);
            assert!(circuit.admits(now));
            assert!(circuit.started(now), "the first one is the probe");
            assert!(!circuit.admits(now), "one probe at a time");
            circuit.failed(now, &LIMITS, true);
        }
    }

    #[test]
    fn a_probe_that_brings_content_closes_it_on_trial() {
        let now = Instant::now();
        let mut circuit = Circuit::default();
        for _ in 0..3 {
            circuit.failed(now, &LIMITS, false);
        }
        let later = now + Duration::from_secs(30);
        assert!(circuit.started(later));
        circuit.revived(later, &LIMITS);
        assert!(circuit.admits(later));
        circuit.failed(later, &LIMITS, false);
        assert!(!circuit.admits(later));
    }

    #[test]
    fn a_probe_that_vanishes_does_not_keep_it_open_for_ever() {
        let now = Instant::now();
        let mut circuit = Circuit::default();
        for _ in 0..3 {
            circuit.failed(now, &LIMITS, false);
        }
        let later = now + Duration::from_secs(30);
        assert!(circuit.started(later));
        assert!(circuit.admits(later + PROBE_MAX));
        circuit.probe_released();
        assert!(circuit.admits(later));
    }

    #[test]
    fn stragglers_do_not_prolong_the_rest() {
        let now = Instant::now();
        let mut circuit = Circuit::default();
        for _ in 0..20 {
            circuit.failed(now, &LIMITS, false);
        }
        assert_eq!(circuit.rest(now), Some(LIMITS.rest));
    }
}
