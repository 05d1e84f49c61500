//! What is known of targets and keys: breakers, rests, the retry budget, requests in flight.
//!
//! Start with `Health::admit`, then `standing.rs` for one provider. Everything is found by the provider's name, so that it
//! outlives a reload of the config.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::breaker::Circuit;
use super::budget::Budget;
use super::figures::{Figures, Form};
use super::room::Room;
pub use super::standing::Why;
use super::standing::{Admission, Guest, KeyHealth, KeyRest, Overlook, ProviderHealth};
use super::sticky::{self, Answered, Before, Id, Sessions, Sticky, Taken};
use super::strategy::Turns;
use super::table::{After, Breaker, Provider};
use super::window::Reserved;
use crate::wire::prefix::Prefix;

/// The memory that all requests share. A driver keeps it behind a lock that is held for one step.
#[derive(Debug, Default)]
pub struct Health {
    pub(super) providers: HashMap<String, ProviderHealth>,
    pub(super) budget: Budget,
    pub(super) turns: Turns,
    pub(super) sessions: Sessions,
    /// The last number that was given to a request which waits in line.
    tickets: u64,
    /// How many places in lines are taken.
    in_line: usize,
    /// Counts what would be remembered across a restart.
    changes: u64,
}

/// Providers remembered; more than this only after reloads with other names.
pub(super) const PROVIDERS_MAX: usize = 256;
/// How long a key without a Retry-After rests at first after a 429.
const LIMITED_FIRST: Duration = Duration::from_secs(1);
/// The longest such guess.
const LIMITED_GUESS: Duration = Duration::from_secs(60);
/// The longest rest after a 429.
const LIMITED_MAX: Duration = Duration::from_secs(300);

/// How a target stands, for an explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It takes requests; so many are in flight at its provider.
    Ready(u32),
    /// Its keys are limited, or its provider's own limits are met; for so long still.
    Limited(Duration),
    /// Its keys were refused; for so long still.
    KeysRefused(Duration),
    /// Its breaker is open; for so long still.
    Open(Duration),
}

/// A resting key or target, for a status page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resting {
    /// The provider.
    pub provider: String,
    /// The model whose breaker is open; empty for a key.
    pub model: String,
    /// The key's name; empty for a breaker.
    pub key: String,
    /// Why the key rests; `None` for a breaker.
    pub why: Option<Why>,
    /// How long still.
    pub rest: Duration,
}

impl Health {
    /// Requests in flight at a provider.
    #[must_use]
    pub fn in_flight(&self, provider: &str) -> u32 {
        self.providers.get(provider).map_or(0, ProviderHealth::in_flight)
    }

    /// How a target stands.
    pub fn state(&mut self, provider: &Provider, model: &str, now: Instant) -> State {
        let guest = Guest { model, tokens: 0, ticket: None, overlook: Overlook::Nothing, prefers: "" };
        match self.admit(provider, guest, now) {
            Admission::Key(_) => State::Ready(self.in_flight(&provider.name)),
            Admission::Wait(rest) | Admission::Full(rest) => State::Limited(rest),
            Admission::Refused(rest) => State::KeysRefused(rest),
            Admission::Open(rest) => State::Open(rest),
        }
    }

    /// What rests now, in no order.
    #[must_use]
    pub fn resting(&self, now: Instant) -> Vec<Resting> {
        let mut found = Vec::new();
        for (provider, health) in &self.providers {
            for (key, why, left) in health.keys.iter().filter_map(|key| Some((key, key.why(now)?, key.rests(now)?))) {
                let (provider, key) = (provider.clone(), key.name.clone());
                found.push(Resting { provider, model: String::new(), key, why: Some(why), rest: left });
            }
            for (model, left) in health.circuits.iter().filter_map(|(model, circuit)| Some((model, circuit.rest(now)?))) {
                found.push(Resting { provider: provider.clone(), model: model.clone(), key: String::new(), why: None, rest: left });
            }
        }
        found
    }

    /// Forgets the rests of a provider's keys of these names: they have been replaced.
    pub fn keys_replaced(&mut self, provider: &str, names: &[&str]) {
        let keys = self.providers.get_mut(provider).into_iter().flat_map(|health| &mut health.keys);
        for key in keys.filter(|key| names.contains(&key.name.as_str())) {
            // What was taken of a limit belongs to the account, which stays.
            (key.rest, key.used_up, key.limited) = (None, None, 0);
        }
    }

    /// Whether and with which key a request may go to the provider.
    pub(super) fn admit(&mut self, provider: &Provider, guest: Guest<'_>, now: Instant) -> Admission {
        self.provider(provider).admit(provider, guest, now)
    }

    /// Stands in the provider's line for a place, unless it is too long; `tickets` are given by [`Health::ticket`].
    pub(super) fn queue(&mut self, provider: &Provider, ticket: u64, tokens: u64, most: usize) -> bool {
        let longer = self.provider(provider).queue(ticket, tokens, most);
        self.in_line += longer.unwrap_or(0);
        longer.is_some()
    }

    /// Leaves the provider's line.
    pub(super) fn leave(&mut self, provider: &str, ticket: u64) {
        if let Some(health) = self.providers.get_mut(provider) {
            self.in_line = self.in_line.saturating_sub(health.leave(ticket));
        }
    }

    /// A number for a request that waits in line.
    pub(super) fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// How many requests wait in lines for a place; one that waits in two counts twice.
    #[must_use]
    pub fn in_line(&self) -> usize {
        self.in_line
    }

    /// A number that differs when there is something new to remember across a restart.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// What is measured of a target; `None`: nothing.
    pub(super) fn figures(&self, provider: &str, model: &str) -> Option<&Figures> {
        self.providers.get(provider)?.figures.get(model)
    }

    /// How long a target is waited for before a second one is asked; `None`: that is not known yet.
    pub(super) fn patience(&self, after: After, [provider, model]: [&str; 2], form: Form, now: Instant) -> Option<Duration> {
        match after {
            After::Time(time) => Some(time),
            After::P95 => self.figures(provider, model)?.p95(form, now),
        }
    }

    /// The content of a request that was sent at `since` has begun.
    pub(super) fn content(&mut self, provider: &str, model: &str, form: Form, since: Instant, now: Instant) {
        if let Some(figures) = self.providers.get_mut(provider).and_then(|health| health.figures.get_mut(model)) {
            figures.content(form, since, now);
        }
    }

    /// A request is sent. Gives whether it probes a half-open breaker, and what it reserves of the provider's tokens.
    pub(super) fn started(
        &mut self,
        provider: &Provider,
        key: usize,
        model: &str,
        (tokens, form): (u64, Form),
        now: Instant,
    ) -> (bool, Option<Reserved>) {
        self.changes += 1;
        let health = self.provider(provider);
        health.started(model, form, now);
        let mut reserved = health.meter.take(&provider.limits, tokens, now);
        if let Some(key) = health.keys.get_mut(key) {
            key.in_flight = key.in_flight.saturating_add(1);
            reserved = key.meter.take(&provider.key_limits, tokens, now).or(reserved);
        }
        (health.circuits.get_mut(model).is_some_and(|circuit| circuit.started(now)), reserved)
    }

    /// What a request took of the tokens that were reserved for it.
    pub(super) fn took(&mut self, provider: &Provider, key: usize, reserved: Option<Reserved>, tokens: u64, now: Instant) {
        let (Some(health), Some(reserved)) = (self.providers.get_mut(&provider.name), reserved) else { return };
        health.meter.settle(&provider.limits, reserved, tokens, now);
        if let Some(key) = health.keys.get_mut(key) {
            key.meter.settle(&provider.key_limits, reserved, tokens, now);
        }
    }

    /// The headers of an answer have told what is left of a key's limits.
    pub(super) fn told(&mut self, provider: &str, key: usize, room: Room, now: Instant) {
        if let Some(key) = self.key(provider, key) {
            key.told(room, now);
        }
    }

    /// A request is no longer in flight. `waited`: since when, for one that had no content yet.
    pub(super) fn ended(&mut self, provider: &str, key: usize, model: &str, (form, waited): (Form, Option<Instant>), now: Instant) {
        let Some(health) = self.providers.get_mut(provider) else { return };
        if let Some(key) = health.keys.get_mut(key) {
            key.in_flight = key.in_flight.saturating_sub(1);
        }
        if let Some(figures) = health.figures.get_mut(model) {
            figures.ended(form, waited, now);
        }
    }

    /// The key was not accepted.
    pub(super) fn key_refused(&mut self, provider: &str, key: usize, model: &str, now: Instant, rest: Duration) {
        self.rest(provider, key, KeyRest { until: now.checked_add(rest).unwrap_or(now), why: Why::Refused, model: model.to_owned() });
    }

    /// The key is limited, for as long as the provider said, else twice as long each time.
    pub(super) fn key_limited(&mut self, provider: &str, key: usize, model: &str, now: Instant, retry_after: Option<Duration>) {
        let times = self.key(provider, key).map_or(0, |key| {
            // What was under way when its rest began says nothing new.
            if key.rests(now).is_none() {
                key.limited = key.limited.saturating_add(1);
            }
            key.limited
        });
        let guess = LIMITED_FIRST.saturating_mul(1 << times.saturating_sub(1).min(6)).min(LIMITED_GUESS);
        let rest = retry_after.unwrap_or(guess).clamp(LIMITED_FIRST, LIMITED_MAX);
        self.rest(provider, key, KeyRest { until: now + rest, why: Why::Limited, model: model.to_owned() });
    }

    /// The target answered: its key and its model are well.
    pub(super) fn succeeded(&mut self, provider: &str, key: usize, model: &str) {
        if let Some(health) = self.providers.get_mut(provider) {
            health.circuits.remove(model);
            if let Some(key) = health.keys.get_mut(key) {
                key.limited = 0;
                // A long answer that began before a 429 says nothing against that.
                key.rest.take_if(|rest| rest.why == Why::Refused);
            }
        }
    }

    /// The target has brought content: a half-open breaker lets others through again.
    pub(super) fn revived(&mut self, provider: &str, model: &str, now: Instant, breaker: Option<&Breaker>) {
        if let (Some(circuit), Some(limits)) = (self.circuit(provider, model), breaker) {
            circuit.revived(now, limits);
        }
    }

    /// The target failed in a way that is its own fault.
    pub(super) fn failed(&mut self, provider: &str, model: &str, now: Instant, breaker: Option<&Breaker>, is_probe: bool) {
        self.changes += 1;
        let (Some(health), Some(limits)) = (self.providers.get_mut(provider), breaker) else { return };
        health.circuit(model).failed(now, limits, is_probe);
    }

    /// The probe of a half-open breaker ended without a verdict.
    pub(super) fn probe_released(&mut self, provider: &str, model: &str) {
        if let Some(circuit) = self.circuit(provider, model) {
            circuit.probe_released();
        }
    }

    /// The answer to a request of a session has begun: it stays with who gives it.
    pub fn answered(&mut self, answered: &Answered<'_>, sticky: &Sticky, now: Instant) -> Before {
        self.changes += 1;
        self.sessions.answered(answered, sticky, now)
    }

    /// How a session's last request began.
    #[must_use]
    pub fn prefix_before(&self, id: sticky::Id) -> Option<Arc<Prefix>> {
        self.sessions.prefix(id)
    }

    /// The sessions that were answered last, `most` at most.
    #[must_use]
    pub fn sessions(&self, most: usize, now: Instant) -> sticky::Known {
        self.sessions.last(most, now)
    }

    /// The answer to a request of a session is over.
    pub fn session_took(&mut self, id: Id, taken: &Taken<'_>) {
        self.changes += 1;
        self.sessions.took(id, taken);
    }

    /// How many failing models are remembered.
    #[cfg(test)]
    pub(super) fn circuits(&self) -> usize {
        self.providers.values().map(|health| health.circuits.len()).sum()
    }

    fn rest(&mut self, provider: &str, key: usize, rest: KeyRest) {
        self.changes += 1;
        if let Some(key) = self.key(provider, key)
            && key.rest.as_ref().is_none_or(|old| old.until <= rest.until)
        {
            key.rest = Some(rest);
        }
    }

    fn key(&mut self, provider: &str, key: usize) -> Option<&mut KeyHealth> {
        self.providers.get_mut(provider)?.keys.get_mut(key)
    }

    fn circuit(&mut self, provider: &str, model: &str) -> Option<&mut Circuit> {
        self.providers.get_mut(provider)?.circuits.get_mut(model)
    }

    fn provider(&mut self, provider: &Provider) -> &mut ProviderHealth {
        if !self.providers.contains_key(&provider.name) && self.providers.len() >= PROVIDERS_MAX {
            self.providers.retain(|_, health| health.in_flight() > 0);
        }
        let health = self.providers.entry(provider.name.clone()).or_default();
        health.name_keys(provider);
        health
    }
}
