//! Who is asked next: the first target of a round that takes the request, a place in line, a pause before another round, or the end.
//!
//! It lacks what a failure means, which is [`super::attempts`]. Start with `Attempts::choose`.

use std::time::{Duration, Instant};

use super::attempts::{ATTEMPTS_MAX, Attempts, Live, Slot};
use super::health::Health;
use super::standing::{Admission, Guest, Overlook};
use super::step::{Step, Verdict};

/// What a target may lack. A place is waited for in line, and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lack {
    Rest,
    RestOrPlace,
}

/// Targets that rest and are tried all the same, for want of a better one: enough for the last usable target, too few to
/// make a total failure worse.
const FORCED_MAX: u32 = 2;
/// The pause before the second round; it doubles with each further one.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
/// The longest pause between rounds.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How often those in line look by themselves, should nobody call them.
const LINE_LOOK: Duration = Duration::from_millis(100);
/// The shortest rest that a client is told of.
const REST_MIN: Duration = Duration::from_secs(1);
/// The longest.
const RESTING_MAX: Duration = Duration::from_secs(60);

impl Attempts {
    /// The next target, a wait, or the end.
    pub(super) fn choose(&mut self, now: Instant, health: &mut Health) -> Step {
        if self.is_late(now) {
            return Step::Fail(Verdict::Deadline);
        }
        if self.made >= ATTEMPTS_MAX {
            return Step::Fail(Verdict::LastFailure);
        }
        if let Some((slot, key)) = self.admitted(now, Overlook::Nothing, health) {
            return self.send(slot, key, now, health);
        }
        if let Some(wait) = self.in_line(now, health) {
            return Step::Queue(wait);
        }
        if self.forced < FORCED_MAX {
            // With a failure behind it, the request may also ask for another model with a key that this one's model tired.
            let most = if self.made > 0 { Overlook::OtherModels } else { Overlook::Breaker };
            for overlook in [Overlook::Breaker, most] {
                if let Some((slot, key)) = self.admitted(now, overlook, health) {
                    self.forced += 1;
                    return self.send(slot, key, now, health);
                }
            }
        }
        if let Some(pause) = self.next_round(now, health) {
            return Step::Wait(pause);
        }
        let rest = self.shortest_rest(now, self.round, health, Lack::Rest);
        if let Some(rest) = rest.filter(|rest| self.may_wait(now, *rest)) {
            // A little later than the rest says, so that not all who wait for it come at once.
            let wait = rest + Duration::from_millis(1 + self.random.up_to(25));
            self.waited += wait;
            return Step::Wait(wait);
        }
        if rest.is_none()
            && self.made == 0
            && let Some((slot, key)) = self.admitted(now, Overlook::Refused, health)
        {
            return self.send(slot, key, now, health);
        }
        self.give_up(now, health)
    }

    fn give_up(&self, now: Instant, health: &mut Health) -> Step {
        let rest = self.shortest_rest(now, u32::MAX, health, Lack::RestOrPlace);
        let is_full = |slot: &Slot| matches!(health.admit(&slot.provider, self.guest(slot, Overlook::Breaker), now), Admission::Full(_));
        if self.made == 0 && !self.slots.is_empty() && self.slots.iter().all(is_full) {
            return Step::Fail(Verdict::Full(whole_seconds(rest.unwrap_or_default()).clamp(REST_MIN, RESTING_MAX)));
        }
        let all_are_limited = self.last_was_limit && self.slots.len() > 1 && self.slots.iter().all(|slot| !slot.is_out);
        match rest {
            Some(rest) if self.made == 0 || all_are_limited => {
                Step::Fail(Verdict::AllResting(whole_seconds(rest).clamp(REST_MIN, RESTING_MAX)))
            }
            None if self.made == 0 => Step::Fail(Verdict::AllResting(REST_MIN)),
            _ => Step::Fail(Verdict::LastFailure),
        }
    }

    /// Stands in line where there is no place, until the config's patience with that is over; gives when to look again.
    fn in_line(&mut self, now: Instant, health: &mut Health) -> Option<Duration> {
        let stood = self.queued.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let left = self.retry.queue_wait.saturating_sub(stood);
        let mut soonest: Option<Duration> = None;
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get(index).filter(|slot| slot.is_due(self.round, now)) else { continue };
            let wait = match health.admit(&slot.provider, self.guest(slot, Overlook::Nothing), now) {
                Admission::Full(wait) if wait <= left && !left.is_zero() && self.fits_deadline(now, wait) => wait,
                _ => {
                    self.ticket.into_iter().for_each(|ticket| health.leave(&slot.provider.name, ticket));
                    continue;
                }
            };
            let ticket = *self.ticket.get_or_insert_with(|| health.ticket());
            if health.queue(&slot.provider, ticket, self.tokens, self.retry.queue_length) {
                soonest = Some(soonest.map_or(wait, |soonest| soonest.min(wait)));
            }
        }
        let wait = soonest?;
        self.queued.get_or_insert(now);
        Some(wait.min(LINE_LOOK))
    }

    pub(super) fn leave_lines(&mut self, health: &mut Health) {
        let Some(ticket) = self.ticket.take() else { return };
        self.slots.iter().for_each(|slot| health.leave(&slot.provider.name, ticket));
    }

    pub(super) fn guest<'a>(&self, slot: &'a Slot, overlook: Overlook) -> Guest<'a> {
        Guest { model: &slot.model, tokens: self.tokens, ticket: self.ticket, overlook, prefers: &slot.prefers }
    }

    /// The first target of this round that takes the request.
    fn admitted(&mut self, now: Instant, overlook: Overlook, health: &mut Health) -> Option<(usize, usize)> {
        let (round, repeats) = (self.round, self.repeats_overlook());
        self.slots.iter().enumerate().filter(|(_, slot)| slot.is_due(round, now)).find_map(|(index, slot)| {
            let overlook = if slot.tries == 0 { overlook } else { overlook.min(repeats) };
            match health.admit(&slot.provider, self.guest(slot, overlook), now) {
                Admission::Key(key) => Some((index, key)),
                _ => None,
            }
        })
    }

    fn send(&mut self, target: usize, key: usize, now: Instant, health: &mut Health) -> Step {
        let Some(slot) = self.slots.get_mut(target) else { return Step::Fail(Verdict::LastFailure) };
        let bit = 1_u64 << key.min(63);
        // A key whose rest ended while its sisters had no place is a repeat too.
        let is_repeat = slot.tries > 0 || slot.keys_asked & bit != 0;
        if is_repeat && !health.budget.take(now, &self.retry) {
            if slot.tries > 0 {
                return Step::Fail(Verdict::LastFailure);
            }
            slot.tries = 1;
            return self.choose(now, health);
        }
        self.leave_lines(health);
        self.live = self.started(target, key, now, health);
        Step::Send { target, key }
    }

    /// An attempt begins.
    pub(super) fn started(&mut self, target: usize, key: usize, now: Instant, health: &mut Health) -> Option<Live> {
        let slot = self.slots.get_mut(target)?;
        slot.keys_asked |= 1_u64 << key.min(63);
        slot.tries += 1;
        let (is_probe, reserved) = health.started(&slot.provider, key, &slot.model, (self.tokens, self.form), now);
        self.made += 1;
        Some(Live { slot: target, key, since: now, has_content: false, is_hedge: false, is_probe, reserved })
    }

    /// Begins another round, if a target may be repeated; gives the pause before it.
    fn next_round(&mut self, now: Instant, health: &mut Health) -> Option<Duration> {
        let next = self.round + 1;
        if next >= self.retry.attempts_per_target || !health.budget.has(now, &self.retry) {
            return None;
        }
        let repeatable = self.slots.iter().filter(|slot| slot.tries == next && !slot.is_out);
        let mut ready: Option<Duration> = None;
        for slot in repeatable {
            let rest = match health.admit(&slot.provider, self.guest(slot, self.repeats_overlook()), now) {
                Admission::Key(_) => slot.not_before.map_or(Duration::ZERO, |then| then.saturating_duration_since(now)),
                Admission::Wait(rest) | Admission::Full(rest) => rest,
                Admission::Refused(_) | Admission::Open(_) => continue,
            };
            ready = Some(ready.map_or(rest, |best| best.min(rest)));
        }
        let ready = ready.filter(|rest| *rest <= self.retry.wait_max)?;
        let pause = PAUSE_FIRST.saturating_mul(1 << self.round.min(8)).min(PAUSE_MAX);
        let half = u64::try_from(pause.as_millis() / 2).unwrap_or(0);
        let pause = (Duration::from_millis(half + self.random.up_to(half))).max(ready);
        if !self.fits_deadline(now, pause) {
            return None;
        }
        self.round = next;
        Some(pause)
    }

    /// The shortest time after which a target that has been tried so often at most may be free; `None` where only refusals
    /// are in the way.
    fn shortest_rest(&self, now: Instant, tries: u32, health: &mut Health, lack: Lack) -> Option<Duration> {
        let due = self.slots.iter().filter(|slot| !slot.is_out && slot.tries <= tries);
        let rests = due.filter_map(|slot| {
            let own = slot.not_before.map(|then| then.saturating_duration_since(now)).filter(|rest| !rest.is_zero());
            match health.admit(&slot.provider, self.guest(slot, Overlook::Breaker), now) {
                Admission::Full(_) if lack == Lack::Rest => None,
                Admission::Wait(rest) | Admission::Full(rest) => Some(own.map_or(rest, |own| own.max(rest))),
                Admission::Key(_) => own,
                Admission::Refused(_) | Admission::Open(_) => None,
            }
        });
        rests.min()
    }

    /// What a repeat overlooks: where several targets have failed, those that fail for others too are not asked again.
    fn repeats_overlook(&self) -> Overlook {
        if self.slots.len() > 1 { Overlook::Nothing } else { Overlook::Breaker }
    }

    /// Whether the deadline has passed.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| now >= deadline)
    }

    fn may_wait(&self, now: Instant, rest: Duration) -> bool {
        self.waited + rest <= self.retry.wait_max && self.fits_deadline(now, rest)
    }

    fn fits_deadline(&self, now: Instant, wait: Duration) -> bool {
        self.deadline.is_none_or(|deadline| now.checked_add(wait).is_some_and(|then| then < deadline))
    }
}

/// A Retry-After has no fractions; rounded down, it would bring the client back too early.
fn whole_seconds(rest: Duration) -> Duration {
    Duration::from_secs(rest.as_secs() + u64::from(rest.subsec_nanos() > 0))
}

impl Slot {
    pub(super) fn is_due(&self, round: u32, now: Instant) -> bool {
        !self.is_out && self.tries <= round && self.not_before.is_none_or(|then| then <= now)
    }
}
