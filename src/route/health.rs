//! What is known of targets and keys: breakers, rests, the retry budget, requests in flight.
//!
//! Start with `Health::admit`. Everything is found by the provider's name, so that it outlives a reload of the config.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::breaker::Circuit;
use super::budget::Budget;
use super::table::{Breaker, Provider};
use super::tokens::{Reserved, Tokens};

/// The memory that all requests share. A driver keeps it behind a lock that is held for one step.
#[derive(Debug, Default)]
pub struct Health {
    providers: HashMap<String, ProviderHealth>,
    pub(super) budget: Budget,
}

/// Failing models remembered per provider; a client may name any.
const CIRCUITS_MAX: usize = 512;
/// Keys remembered per provider; more than this only after reloads with other names.
const KEYS_MAX: usize = 256;
/// Providers remembered; more than this only after reloads with other names.
const PROVIDERS_MAX: usize = 256;
/// How long a key without a Retry-After rests at first after a 429.
const LIMITED_FIRST: Duration = Duration::from_secs(1);
/// The longest rest after a 429.
const LIMITED_MAX: Duration = Duration::from_secs(300);
/// How long to wait for a place at a provider that is full, before looking again.
const FULL_WAIT: Duration = Duration::from_millis(50);
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct ProviderHealth {
    keys: Vec<KeyHealth>,
    /// When the requests of the last minute were sent; kept only where there is a limit, and no longer than it.
    minute: VecDeque<Instant>,
    tokens: Tokens,
    circuits: HashMap<String, Circuit>,
}

#[derive(Debug, Default)]
struct KeyHealth {
    name: String,
    in_flight: u32,
    rest: Option<KeyRest>,
    /// 429s in a row.
    limited: u32,
}

#[derive(Debug)]
struct KeyRest {
    until: Instant,
    why: Why,
    /// The model that was asked for when it was refused.
    model: String,
}

/// Why a key rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// 401, 402 or 403.
    Refused,
    /// 429.
    Limited,
}

/// Which rests a request overlooks because nothing better is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Overlook {
    Nothing,
    /// An open breaker: the last usable target is never ejected.
    Breaker,
    /// A 429 that another model earned: limits are often per model.
    OtherModels,
    /// A refused key: only the provider can say that it is still refused, and why.
    Refused,
}

/// Whether a request may go to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// With this key.
    Key(usize),
    /// All keys rest, or the provider is full; worth a look after so long.
    Wait(Duration),
    /// All keys were refused; the shortest rest.
    Refused(Duration),
    /// The breaker is open, or its probe is under way.
    Open(Duration),
}

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
        match self.admit(provider, model, 0, now, Overlook::Nothing) {
            Admission::Key(_) => State::Ready(self.in_flight(&provider.name)),
            Admission::Wait(rest) => State::Limited(rest),
            Admission::Refused(rest) => State::KeysRefused(rest),
            Admission::Open(rest) => State::Open(rest),
        }
    }

    /// What rests now, in no order.
    #[must_use]
    pub fn resting(&self, now: Instant) -> Vec<Resting> {
        let mut found = Vec::new();
        for (provider, health) in &self.providers {
            for (key, rest, left) in health.keys.iter().filter_map(|key| Some((key, key.rest.as_ref()?, key.rests(now)?))) {
                let (provider, key) = (provider.clone(), key.name.clone());
                found.push(Resting { provider, model: String::new(), key, why: Some(rest.why), rest: left });
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
            key.rest = None;
            key.limited = 0;
        }
    }

    /// Whether and with which key a request for `model` that takes so many tokens may go to the provider.
    pub(super) fn admit(&mut self, provider: &Provider, model: &str, tokens: u64, now: Instant, overlook: Overlook) -> Admission {
        let health = self.provider(provider);
        if let Some(wait) = health.is_full(provider, tokens, now) {
            return Admission::Wait(wait);
        }
        if let Some(circuit) = health.circuits.get(model).filter(|circuit| overlook < Overlook::Breaker && !circuit.admits(now)) {
            return Admission::Open(circuit.rest(now).unwrap_or(FULL_WAIT));
        }
        // After a reload with fewer keys, the rows of the former ones stay until they are out of use.
        let keys = health.keys.get(..provider.keys.len().max(1)).unwrap_or_default();
        let free = keys.iter().enumerate().filter(|(_, key)| key.is_free(model, now, overlook));
        if let Some((index, _)) = free.min_by_key(|(_, key)| key.in_flight) {
            return Admission::Key(index);
        }
        let limited = keys.iter().filter(|key| key.rest.as_ref().is_some_and(|rest| rest.why == Why::Limited));
        match limited.filter_map(|key| key.rests(now)).min() {
            Some(rest) => Admission::Wait(rest),
            None => Admission::Refused(keys.iter().filter_map(|key| key.rests(now)).min().unwrap_or(FULL_WAIT)),
        }
    }

    /// Whether the provider's own limits in the config leave no room now.
    pub(super) fn is_full(&mut self, provider: &Provider, tokens: u64, now: Instant) -> bool {
        self.provider(provider).is_full(provider, tokens, now).is_some()
    }

    /// A request is sent. Gives whether it probes a half-open breaker, and what it reserves of the provider's tokens.
    pub(super) fn started(&mut self, provider: &Provider, key: usize, model: &str, tokens: u64, now: Instant) -> (bool, Option<Reserved>) {
        let health = self.provider(provider);
        if let Some(key) = health.keys.get_mut(key) {
            key.in_flight = key.in_flight.saturating_add(1);
        }
        if provider.requests_per_minute.is_some() {
            health.minute.push_back(now);
        }
        let reserved = provider.tokens_per_minute.map(|_| health.tokens.reserve(tokens, now));
        (health.circuits.get_mut(model).is_some_and(|circuit| circuit.started(now)), reserved)
    }

    /// What a request took of the tokens that were reserved for it.
    pub(super) fn took(&mut self, provider: &str, reserved: Option<Reserved>, tokens: u64, now: Instant) {
        if let (Some(health), Some(reserved)) = (self.providers.get_mut(provider), reserved) {
            health.tokens.settle(reserved, tokens, now);
        }
    }

    /// A request is no longer in flight.
    pub(super) fn ended(&mut self, provider: &str, key: usize) {
        if let Some(key) = self.providers.get_mut(provider).and_then(|health| health.keys.get_mut(key)) {
            key.in_flight = key.in_flight.saturating_sub(1);
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
        let guess = LIMITED_FIRST.saturating_mul(1 << times.saturating_sub(1).min(6)).min(MINUTE);
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
        let (Some(health), Some(limits)) = (self.providers.get_mut(provider), breaker) else { return };
        if !health.circuits.contains_key(model) {
            health.make_room();
            health.circuits.insert(model.to_owned(), Circuit::default());
        }
        if let Some(circuit) = health.circuits.get_mut(model) {
            circuit.failed(now, limits, is_probe);
        }
    }

    /// The probe of a half-open breaker ended without a verdict.
    pub(super) fn probe_released(&mut self, provider: &str, model: &str) {
        if let Some(circuit) = self.circuit(provider, model) {
            circuit.probe_released();
        }
    }

    /// How many failing models are remembered.
    #[cfg(test)]
    pub(super) fn circuits(&self) -> usize {
        self.providers.values().map(|health| health.circuits.len()).sum()
    }

    fn rest(&mut self, provider: &str, key: usize, rest: KeyRest) {
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
        health.keys.resize_with(health.keys.len().max(provider.keys.len()).max(1), KeyHealth::default);
        for (index, key) in provider.keys.iter().enumerate() {
            if health.keys.get(index).is_some_and(|known| known.name != key.name) {
                health.put(index, &key.name);
            }
        }
        health
    }
}

impl ProviderHealth {
    /// Gives a place to the key of a name after a reload, with what is known of it if it had another one. What is in flight
    /// stays with the places: requests count themselves out by them.
    fn put(&mut self, index: usize, name: &str) {
        let known = self.keys.iter().position(|key| key.name == name);
        if known.is_none()
            && let Some(unnamed) = self.keys.get_mut(index).filter(|key| key.name.is_empty())
        {
            name.clone_into(&mut unnamed.name);
            return;
        }
        let former = known.unwrap_or_else(|| {
            if self.keys.len() >= KEYS_MAX {
                // After very many names the one that left first makes way; requests that count themselves out there no longer do.
                self.keys.pop();
            }
            self.keys.push(KeyHealth { name: name.to_owned(), ..KeyHealth::default() });
            self.keys.len().saturating_sub(1)
        });
        if let Ok([one, other]) = self.keys.get_disjoint_mut([index, former]) {
            std::mem::swap(one, other);
            std::mem::swap(&mut one.in_flight, &mut other.in_flight);
        }
    }

    fn in_flight(&self) -> u32 {
        self.keys.iter().map(|key| key.in_flight).sum()
    }

    /// How long to wait for a place, if there is none.
    fn is_full(&mut self, provider: &Provider, tokens: u64, now: Instant) -> Option<Duration> {
        if provider.concurrent_max.is_some_and(|max| self.in_flight() >= max) {
            return Some(FULL_WAIT);
        }
        let for_tokens = provider.tokens_per_minute.and_then(|limit| self.tokens.wait(limit, tokens, now));
        self.requests_wait(provider, now).max(for_tokens)
    }

    fn requests_wait(&mut self, provider: &Provider, now: Instant) -> Option<Duration> {
        let limit = provider.requests_per_minute? as usize;
        while self.minute.front().is_some_and(|sent| now.saturating_duration_since(*sent) >= MINUTE) {
            self.minute.pop_front();
        }
        let oldest = self.minute.front().filter(|_| self.minute.len() >= limit)?;
        Some(MINUTE.saturating_sub(now.saturating_duration_since(*oldest)))
    }

    /// Forgets the model that has been quiet longest, if there are too many.
    fn make_room(&mut self) {
        if self.circuits.len() < CIRCUITS_MAX {
            return;
        }
        if let Some(oldest) = self.circuits.iter().min_by_key(|(_, circuit)| circuit.changed).map(|(model, _)| model.clone()) {
            self.circuits.remove(&oldest);
        }
    }
}

impl KeyHealth {
    fn rests(&self, now: Instant) -> Option<Duration> {
        self.rest.as_ref().map(|rest| rest.until.saturating_duration_since(now)).filter(|rest| !rest.is_zero())
    }

    fn is_free(&self, model: &str, now: Instant, overlook: Overlook) -> bool {
        let Some(rest) = self.rest.as_ref().filter(|rest| rest.until > now) else { return true };
        match rest.why {
            Why::Limited => overlook >= Overlook::OtherModels && rest.model != model,
            Why::Refused => overlook >= Overlook::Refused,
        }
    }
}
