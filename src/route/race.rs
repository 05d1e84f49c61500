//! Hedging: a second target is asked beside the first where no content has come in time, and the one whose content comes first
//! answers.
//!
//! A request does so once, and only where the retry budget, the config's limits and its cap on the cost allow it. Of two attempts
//! under way one is told of at a time: [`Attempts::turn`] changes to the other. Start with [`Attempts::hedge_at`].

use std::time::Instant;

use super::attempts::{ATTEMPTS_MAX, Attempts, Live};
use super::estimate::expected_output;
use super::facts::Facts;
use super::health::Health;
use super::plan::Plan;
use super::standing::{Admission, Overlook};
use super::strategy::cost;
use super::table::Hedge;

/// What a request knows that may ask a second target.
#[derive(Debug)]
pub(super) struct Race {
    hedge: Hedge,
    /// What it costs at each target, in millionths of a US dollar; `None`: the price is not known.
    costs: Vec<Option<u64>>,
    /// It has been asked for, or cannot be.
    is_over: bool,
    /// The attempt under way beside the live one.
    rival: Option<Live>,
}

impl Attempts {
    /// The same for a route that asks a second target beside the first.
    #[must_use]
    pub fn hedging(mut self, plan: &Plan, facts: &Facts) -> Self {
        if let Some(hedge) = plan.hedge {
            let output = expected_output(facts.output_tokens);
            let costs = plan.targets.iter().map(|target| cost(&target.info.price, facts.input_tokens, 0, output)).collect();
            self.race = Some(Box::new(Race { hedge, costs, is_over: false, rival: None }));
        }
        self
    }

    /// When to ask a second target beside the one that was just sent to, unless content has come; `None`: never.
    #[must_use]
    pub fn hedge_at(&self, health: &Health) -> Option<Instant> {
        let race = self.race.as_ref().filter(|race| !race.is_over)?;
        let live = self.live?;
        let slot = self.slots.get(live.slot)?;
        let wait = health.patience(race.hedge.after, [&slot.provider.name, &slot.model], self.form, live.since)?;
        (0..self.slots.len()).any(|index| self.may_race(race, index)).then_some(live.since + wait)
    }

    /// Asks a second target now: gives its index and the key's; `None`: there is none, or it would be too much.
    pub fn hedge(&mut self, now: Instant, health: &mut Health) -> Option<(usize, usize)> {
        let mut race = self.race.take_if(|race| !race.is_over && self.ended.is_none() && self.live.is_some())?;
        race.is_over = true;
        let second = self.second(&race, now, health);
        if let Some((target, key)) = second {
            race.rival = self.started(target, key, now, health);
            race.rival.iter_mut().for_each(|rival| rival.is_hedge = true);
        }
        self.race = Some(race);
        second
    }

    /// The first target that has not been tried, takes the request, and may be asked.
    fn second(&mut self, race: &Race, now: Instant, health: &mut Health) -> Option<(usize, usize)> {
        if self.is_late(now) || self.made >= ATTEMPTS_MAX {
            return None;
        }
        let found =
            self.slots.iter().enumerate().filter(|(index, _)| self.may_race(race, *index)).find_map(|(index, slot)| {
                match health.admit(&slot.provider, self.guest(slot, Overlook::Nothing), now) {
                    Admission::Key(key) => Some((index, key)),
                    _ => None,
                }
            })?;
        health.budget.take(now, &self.retry).then_some(found)
    }

    /// Whether a target could be the second: not tried yet, and cheap enough.
    fn may_race(&self, race: &Race, index: usize) -> bool {
        let is_new = self.slots.get(index).is_some_and(|slot| slot.keys_asked == 0 && !slot.is_out);
        is_new && race.costs.get(index).copied().flatten().is_some_and(|cost| cost <= race.hedge.max_cost)
    }

    /// Turns to the other of two attempts under way: what is told next is of that one.
    pub fn turn(&mut self) {
        if let Some(race) = &mut self.race
            && race.rival.is_some()
        {
            std::mem::swap(&mut self.live, &mut race.rival);
        }
    }

    /// Whether two attempts are under way.
    #[must_use]
    pub fn is_raced(&self) -> bool {
        self.live.is_some() && self.race.as_ref().is_some_and(|race| race.rival.is_some())
    }

    /// The live attempt has failed: the other one takes its place, if there is one.
    pub(super) fn goes_on(&mut self) -> bool {
        let rival = self.race.as_mut().and_then(|race| race.rival.take());
        let is_on = rival.is_some();
        if is_on {
            self.live = rival;
        }
        is_on
    }

    /// Lets the other attempt go: it lost, or nobody waits any more. That is no fault of its target's; its wait counts as far as
    /// it was longer than what was known.
    pub(super) fn release_rival(&mut self, now: Instant, health: &mut Health) {
        if self.race.as_ref().is_some_and(|race| race.rival.is_some()) {
            let winner = self.live.take();
            self.goes_on();
            self.release(now, health);
            self.live = winner;
        }
    }
}
