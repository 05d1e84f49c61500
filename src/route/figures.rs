//! What is measured of one target: requests in flight, and the time that they wait for their first content.
//!
//! It is bounded, costs no allocation per request and lives as long as the process. Lacks the choice that is made by it, which
//! is `strategy.rs`. Start with [`Figures`].

use std::time::{Duration, Instant};

/// A figure loses half its weight in so long, against a newer one and against none.
const HALF_LIFE: Duration = Duration::from_secs(120);
/// What a measurement weighs at least.
const WEIGHT_LEAST: f64 = 0.2;
/// The measurements that the 95th percentile is taken of.
const RECENT_MAX: usize = 64;
/// Fewer tell nothing about one in twenty.
pub(super) const RECENT_LEAST: usize = 20;
/// What is older tells nothing any more.
const RECENT_AGE: Duration = Duration::from_secs(1800);

/// How an answer comes: the time to its first content is another thing for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// Piece by piece.
    #[default]
    Stream,
    /// Whole: its first content is its last.
    Whole,
}

impl Form {
    /// The form of an answer that is streamed, or not.
    #[must_use]
    pub fn of(is_streamed: bool) -> Self {
        if is_streamed { Self::Stream } else { Self::Whole }
    }
}

/// One target.
#[derive(Debug)]
pub(super) struct Figures {
    in_flight: u32,
    stream: Waits,
    whole: Waits,
    /// When it was last asked.
    pub(super) asked: Instant,
}

/// The waits for content of one form.
#[derive(Debug)]
struct Waits {
    /// Times are counted from here.
    base: Instant,
    /// How many wait now, and the sum of the milliseconds at which they began.
    waiting: u32,
    since_sum: u64,
    /// The mean, in milliseconds, and when it was last touched.
    mean: Option<(f64, Instant)>,
    /// The last ones: how long, in milliseconds, and when, in seconds. A ring once it is full.
    recent: Vec<(u32, u32)>,
    next: usize,
    /// When a wait last ended without content.
    failed: Option<Instant>,
}

impl Figures {
    pub(super) fn new(now: Instant) -> Self {
        Self { in_flight: 0, stream: Waits::new(now), whole: Waits::new(now), asked: now }
    }

    /// Requests in flight.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// A request is sent.
    pub(super) fn started(&mut self, form: Form, now: Instant) {
        self.in_flight = self.in_flight.saturating_add(1);
        self.asked = now;
        self.waits(form).started(now);
    }

    /// The content of a request that was sent at `since` has begun.
    pub(super) fn content(&mut self, form: Form, since: Instant, now: Instant) {
        let waits = self.waits(form);
        waits.over(since);
        waits.measured(now.saturating_duration_since(since), now);
    }

    /// A request is no longer in flight. `waited`: since when, for one that had no content yet. Its wait counts as far as it
    /// was longer than what was known: a target that hangs or breaks off late is slow, one that refuses at once is not quick.
    pub(super) fn ended(&mut self, form: Form, waited: Option<Instant>, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(since) = waited else { return };
        let waits = self.waits(form);
        waits.over(since);
        waits.failed = Some(now);
        let wait = now.saturating_duration_since(since);
        if waits.mean.is_some_and(|(mean, _)| millis(wait) > mean) {
            waits.blend(wait, now);
        }
        if waits.p95(now).is_some_and(|p95| wait >= p95) {
            waits.remember(wait, now);
        }
    }

    /// How long its first content is to be waited for, by what was measured; `None`: nothing was.
    ///
    /// A figure halves in each [`HALF_LIFE`] without a newer one, so that a target which was slow is asked again; by one request
    /// at a time, since the full figure counts while one waits. Those that wait now count by how long they have.
    pub(super) fn latency(&self, form: Form, now: Instant) -> Option<Duration> {
        let waits = self.waits_of(form);
        let so_far = waits.so_far(now);
        let known = waits.mean.map(|(mean, at)| if waits.waiting > 0 { mean } else { mean * faded(at, now) });
        let millis = known?.max(so_far);
        Some(Duration::from_secs_f64((millis / 1000.0).clamp(0.0, 1e6)))
    }

    /// Whether nothing is known of it and a request should find out: one at a time, and not soon after one that did not.
    pub(super) fn is_unexplored(&self, form: Form, now: Instant) -> bool {
        let waits = self.waits_of(form);
        let is_quiet = waits.failed.is_none_or(|failed| now.saturating_duration_since(failed) >= HALF_LIFE);
        waits.mean.is_none() && waits.waiting == 0 && is_quiet
    }

    /// Whether nothing is under way.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight == 0 && [&self.stream, &self.whole].iter().all(|waits| waits.waiting == 0 && waits.since_sum == 0)
    }

    /// The wait that 19 of 20 stay under; `None`: too few are known.
    pub(super) fn p95(&self, form: Form, now: Instant) -> Option<Duration> {
        self.waits_of(form).p95(now)
    }

    fn waits(&mut self, form: Form) -> &mut Waits {
        match form {
            Form::Stream => &mut self.stream,
            Form::Whole => &mut self.whole,
        }
    }

    fn waits_of(&self, form: Form) -> &Waits {
        match form {
            Form::Stream => &self.stream,
            Form::Whole => &self.whole,
        }
    }
}

impl Waits {
    fn new(now: Instant) -> Self {
        Self { base: now, waiting: 0, since_sum: 0, mean: None, recent: Vec::new(), next: 0, failed: None }
    }

    fn started(&mut self, now: Instant) {
        self.waiting = self.waiting.saturating_add(1);
        self.since_sum = self.since_sum.saturating_add(self.at(now));
    }

    fn over(&mut self, since: Instant) {
        self.waiting = self.waiting.saturating_sub(1);
        self.since_sum = if self.waiting == 0 { 0 } else { self.since_sum.saturating_sub(self.at(since)) };
    }

    fn measured(&mut self, wait: Duration, now: Instant) {
        self.blend(wait, now);
        self.remember(wait, now);
    }

    /// The mean takes a measurement in: a fifth at least, and more the longer ago the one before it was.
    fn blend(&mut self, wait: Duration, now: Instant) {
        let wait = millis(wait);
        let mean = match self.mean {
            None => wait,
            Some((mean, at)) => {
                let weight = WEIGHT_LEAST.max(1.0 - faded(at, now));
                mean + weight * (wait - mean)
            }
        };
        self.mean = Some((mean, now));
    }

    fn remember(&mut self, wait: Duration, now: Instant) {
        let wait = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        let at = u32::try_from(self.at(now) / 1000).unwrap_or(u32::MAX);
        match self.recent.get_mut(self.next) {
            Some(oldest) => *oldest = (wait, at),
            None => self.recent.push((wait, at)),
        }
        self.next = (self.next + 1) % RECENT_MAX;
    }

    fn p95(&self, now: Instant) -> Option<Duration> {
        let young = (self.at(now) / 1000).saturating_sub(RECENT_AGE.as_secs());
        let mut waits: Vec<u32> = self.recent.iter().filter(|(_, at)| u64::from(*at) >= young).map(|(wait, _)| *wait).collect();
        if waits.len() < RECENT_LEAST {
            return None;
        }
        // The nearest rank: of twenty the nineteenth.
        let rank = (waits.len() * 95).div_ceil(100).saturating_sub(1);
        let (_, wait, _) = waits.select_nth_unstable(rank);
        Some(Duration::from_millis(u64::from(*wait)))
    }

    /// The mean of how long those that wait have waited so far, in milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "times of a process")]
    fn so_far(&self, now: Instant) -> f64 {
        if self.waiting == 0 {
            return 0.0;
        }
        (self.at(now) as f64 - self.since_sum as f64 / f64::from(self.waiting)).max(0.0)
    }

    /// Milliseconds from the base.
    fn at(&self, time: Instant) -> u64 {
        u64::try_from(time.saturating_duration_since(self.base).as_millis()).unwrap_or(u64::MAX)
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// What is left of a figure's weight.
fn faded(at: Instant, now: Instant) -> f64 {
    (-now.saturating_duration_since(at).as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    fn seen(figures: &mut Figures, wait: Duration, now: Instant) {
        figures.started(Form::Stream, now - wait);
        figures.content(Form::Stream, now - wait, now);
        figures.ended(Form::Stream, None, now);
    }

    #[test]
    fn a_mean_follows_what_is_measured_and_an_old_one_weighs_less() {
        let start = Instant::now() + 100 * S;
        let mut figures = Figures::new(start - 100 * S);
        assert_eq!(figures.latency(Form::Stream, start), None);
        seen(&mut figures, S, start);
        assert_eq!(figures.latency(Form::Stream, start), Some(S));
        seen(&mut figures, 2 * S, start);
        assert_eq!(figures.latency(Form::Stream, start), Some(1200 * MS));
        assert_eq!(figures.latency(Form::Stream, start + HALF_LIFE), Some(600 * MS), "half of it after a half-life");
        assert_eq!(figures.latency(Form::Whole, start), None, "whole answers are another thing");
        // After two half-lives three quarters are the new one's.
        seen(&mut figures, 2 * S, start + 2 * HALF_LIFE);
        assert_eq!(figures.latency(Form::Stream, start + 2 * HALF_LIFE), Some(1800 * MS));
    }

    #[test]
    fn those_that_wait_count_by_how_long_they_have() {
        let start = Instant::now();
        let mut figures = Figures::new(start);
        seen(&mut figures, S, start + S);
        figures.started(Form::Stream, start + S);
        figures.started(Form::Stream, start + 3 * S);
        assert!(!figures.is_unexplored(Form::Stream, start) && figures.is_unexplored(Form::Whole, start));
        assert_eq!(figures.latency(Form::Stream, start + 3 * S), Some(S), "the mean of 2 s and none");
        assert_eq!(figures.latency(Form::Stream, start + 10 * S), Some(8 * S), "the mean of 9 s and 7 s");
        figures.ended(Form::Stream, Some(start + S), start + 10 * S);
        figures.ended(Form::Stream, Some(start + 3 * S), start + 10 * S);
        assert!(figures.latency(Form::Stream, start + 10 * S).unwrap() > 3 * S, "what hung is remembered");
        assert_eq!(figures.in_flight(), 0);
    }

    #[test]
    fn a_quick_refusal_is_not_a_quick_answer() {
        let start = Instant::now();
        let mut figures = Figures::new(start);
        figures.started(Form::Stream, start);
        figures.ended(Form::Stream, Some(start), start + MS);
        assert_eq!(figures.latency(Form::Stream, start + MS), None);
        assert!(!figures.is_unexplored(Form::Stream, start + S) && figures.is_unexplored(Form::Stream, start + HALF_LIFE + S));
        seen(&mut figures, S, start + 2 * S);
        figures.started(Form::Stream, start + 2 * S);
        figures.ended(Form::Stream, Some(start + 2 * S), start + 2 * S + MS);
        let mean = figures.latency(Form::Stream, start + 2 * S).unwrap();
        assert!(mean > 999 * MS, "{mean:?}");
    }

    #[test]
    fn the_95th_percentile_wants_twenty_young_measurements() {
        let start = Instant::now() + 100 * S;
        let mut figures = Figures::new(start - 100 * S);
        for n in 1..RECENT_LEAST {
            seen(&mut figures, S * u32::try_from(n).unwrap(), start);
            assert_eq!(figures.p95(Form::Stream, start), None);
        }
        seen(&mut figures, 20 * S, start);
        assert_eq!(figures.p95(Form::Stream, start), Some(19 * S));
        assert_eq!(figures.p95(Form::Stream, start + RECENT_AGE + 2 * S), None);
        for _ in 0..RECENT_MAX {
            seen(&mut figures, S, start + S);
        }
        assert_eq!(figures.p95(Form::Stream, start + S), Some(S));
        assert_eq!(figures.stream.recent.len(), RECENT_MAX);
        // One that was given up at the percentile stays in it; else hedges would push it ever lower.
        for _ in 0..5 {
            figures.started(Form::Stream, start + S);
            figures.ended(Form::Stream, Some(start + S), start + 4 * S);
        }
        assert_eq!(figures.p95(Form::Stream, start + 4 * S), Some(3 * S));
    }
}
