//! What is known of one provider: its keys, its failing models, what was taken of its limits, who waits for a place.
//!
//! Lacks the memory of all of them, which is [`super::health`]. Start with [`ProviderHealth::admit`].

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::breaker::Circuit;
use super::figures::{Figures, Form};
use super::quota::{Asks, Meter};
use super::room::Room;
use super::table::Provider;

/// Failing models remembered per provider; a client may name any.
pub(super) const CIRCUITS_MAX: usize = 512;
/// Models measured per provider; a client may name any.
pub(super) const FIGURES_MAX: usize = 128;
/// Keys remembered per provider; more than this only after reloads with other names.
pub(super) const KEYS_MAX: usize = 256;
/// How long to wait for a place at a provider that is full, before looking again.
pub(super) const FULL_WAIT: Duration = Duration::from_millis(50);
/// The longest that a key is left out because its headers said that nothing is left.
const USED_UP_MAX: Duration = Duration::from_secs(300);
/// How long the share that headers tell is believed.
const SHARE_FRESH: Duration = Duration::from_secs(60);
/// The share below which they are all alike: nearly nothing.
const SHARE_LEAST: f32 = 0.02;

/// One provider.
#[derive(Debug, Default)]
pub(super) struct ProviderHealth {
    pub(super) keys: Vec<KeyHealth>,
    pub(super) meter: Meter,
    pub(super) circuits: HashMap<String, Circuit>,
    /// What is measured of each model.
    pub(super) figures: HashMap<String, Figures>,
    /// Who waits for a place, the longest first.
    pub(super) line: VecDeque<Waiting>,
}

/// A request that waits for a place.
#[derive(Debug)]
pub(super) struct Waiting {
    ticket: u64,
    tokens: u64,
}

/// One key.
#[derive(Debug, Default)]
pub(super) struct KeyHealth {
    pub(super) name: String,
    pub(super) in_flight: u32,
    pub(super) rest: Option<KeyRest>,
    /// 429s in a row.
    pub(super) limited: u32,
    pub(super) meter: Meter,
    /// Until when its headers said that nothing is left.
    pub(super) used_up: Option<Instant>,
    /// The share that they said was left, and when.
    pub(super) share: Option<(f32, Instant)>,
}

/// Why a key is left out, and how long.
#[derive(Debug, Clone)]
pub(super) struct KeyRest {
    pub(super) until: Instant,
    pub(super) why: Why,
    /// The model that was asked for when it was refused.
    pub(super) model: String,
}

/// Why a key rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// 401, 402 or 403.
    Refused,
    /// 429.
    Limited,
    /// Its headers said that nothing is left.
    UsedUp,
}

/// Which rests a request overlooks because nothing better is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Overlook {
    Nothing,
    /// An open breaker, since the last usable target is never ejected; and what headers said of the room that is left.
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
    /// The limits in the config leave no room, or others wait for it; worth a look after so long.
    Full(Duration),
    /// All keys rest; the shortest rest.
    Wait(Duration),
    /// All keys were refused; the shortest rest.
    Refused(Duration),
    /// The breaker is open, or its probe is under way.
    Open(Duration),
}

/// Who asks for a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guest<'a> {
    pub(super) model: &'a str,
    pub(super) tokens: u64,
    /// Its place in the lines, if it has been waiting.
    pub(super) ticket: Option<u64>,
    pub(super) overlook: Overlook,
    /// The key that goes first if it can, whatever it carries: its account has the session's cache. Empty: none does.
    pub(super) prefers: &'a str,
}

impl ProviderHealth {
    /// Whether and with which key a request may be sent.
    pub(super) fn admit(&mut self, provider: &Provider, guest: Guest<'_>, now: Instant) -> Admission {
        let Guest { model, overlook, .. } = guest;
        if let Some(circuit) = self.circuits.get(model).filter(|circuit| overlook < Overlook::Breaker && !circuit.admits(now)) {
            return Admission::Open(circuit.rest(now).unwrap_or(FULL_WAIT));
        }
        if !self.usable(provider).iter().any(|key| key.is_free(model, now, overlook)) {
            return self.resting(provider, now);
        }
        let ahead = self.ahead(guest.ticket);
        let asks = Asks { requests: ahead.requests.saturating_add(1), tokens: ahead.tokens.saturating_add(guest.tokens) };
        if let Some(wait) = self.is_full(provider, asks, now) {
            return Admission::Full(wait);
        }
        self.roomy_key(provider, guest, ahead, now)
    }

    /// The key with the least load among those that are free and have room.
    fn roomy_key(&mut self, provider: &Provider, guest: Guest<'_>, ahead: Asks, now: Instant) -> Admission {
        let (most, asks) = (provider.key_limits.concurrent, Asks { requests: 1, tokens: guest.tokens });
        let (mut places, mut soonest, mut best) = (0_u64, None::<Duration>, None::<(usize, f32)>);
        let count = provider.keys.len().max(1);
        for (index, key) in self.keys.iter_mut().take(count).enumerate().filter(|(_, key)| key.is_free(guest.model, now, guest.overlook)) {
            let room = most.map_or(u64::MAX, |most| u64::from(most.saturating_sub(key.in_flight)));
            let wait = if room == 0 { Some(FULL_WAIT) } else { key.meter.wait(&provider.key_limits, asks, now) };
            if let Some(wait) = wait {
                soonest = Some(soonest.map_or(wait, |best| best.min(wait)));
                continue;
            }
            places = places.saturating_add(room.min(key.meter.places(&provider.key_limits)));
            let load = if !guest.prefers.is_empty() && key.name == guest.prefers { f32::NEG_INFINITY } else { key.load(now) };
            if best.is_none_or(|(_, least)| load < least) {
                best = Some((index, load));
            }
        }
        match best {
            // Places that those before will take are not there.
            Some(_) if places <= ahead.requests => Admission::Full(FULL_WAIT),
            Some((index, _)) => Admission::Key(index),
            None => Admission::Full(soonest.unwrap_or(FULL_WAIT)),
        }
    }

    fn resting(&self, provider: &Provider, now: Instant) -> Admission {
        let keys = self.usable(provider);
        let limited = keys.iter().filter(|key| key.rest(now).is_none_or(|rest| rest.why == Why::Limited));
        match limited.filter_map(|key| key.rests(now)).min() {
            Some(rest) => Admission::Wait(rest),
            None => Admission::Refused(keys.iter().filter_map(|key| key.rests(now)).min().unwrap_or(FULL_WAIT)),
        }
    }

    /// After a reload with fewer keys, the rows of the former ones stay until they are out of use.
    fn usable(&self, provider: &Provider) -> &[KeyHealth] {
        self.keys.get(..provider.keys.len().max(1)).unwrap_or_default()
    }

    /// How long to wait for a place, if the provider's own limits leave none.
    fn is_full(&mut self, provider: &Provider, asks: Asks, now: Instant) -> Option<Duration> {
        let taken = u64::from(self.in_flight()).saturating_add(asks.requests);
        if provider.limits.concurrent.is_some_and(|most| taken > u64::from(most)) {
            return Some(FULL_WAIT);
        }
        self.meter.wait(&provider.limits, asks, now)
    }

    /// Requests in flight.
    pub(super) fn in_flight(&self) -> u32 {
        self.keys.iter().map(|key| key.in_flight).sum()
    }

    /// What those ask for who wait before this one; a newcomer has all of them before it.
    fn ahead(&self, ticket: Option<u64>) -> Asks {
        let before = self.line.iter().take_while(|waiting| Some(waiting.ticket) != ticket);
        before.fold(Asks::default(), |sum, waiting| Asks {
            requests: sum.requests.saturating_add(1),
            tokens: sum.tokens.saturating_add(waiting.tokens),
        })
    }

    /// Stands in line, at its end, unless it is in it already. Gives how much longer the line is; `None`: it is too long.
    pub(super) fn queue(&mut self, ticket: u64, tokens: u64, most: usize) -> Option<usize> {
        if self.line.iter().any(|waiting| waiting.ticket == ticket) {
            return Some(0);
        }
        if self.line.len() >= most {
            return None;
        }
        self.line.push_back(Waiting { ticket, tokens });
        Some(1)
    }

    /// Leaves the line. Gives how much shorter it is.
    pub(super) fn leave(&mut self, ticket: u64) -> usize {
        let before = self.line.len();
        self.line.retain(|waiting| waiting.ticket != ticket);
        before - self.line.len()
    }

    /// Makes the rows fit the keys that the provider has now.
    pub(super) fn name_keys(&mut self, provider: &Provider) {
        self.keys.resize_with(self.keys.len().max(provider.keys.len()).max(1), KeyHealth::default);
        for (index, key) in provider.keys.iter().enumerate() {
            if self.keys.get(index).is_some_and(|known| known.name != key.name) {
                self.put(index, &key.name);
            }
        }
    }

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

    /// The breaker of a model, made where there is none.
    pub(super) fn circuit(&mut self, model: &str) -> &mut Circuit {
        if !self.circuits.contains_key(model) {
            self.make_room();
        }
        self.circuits.entry(model.to_owned()).or_default()
    }

    /// A request for a model is sent.
    pub(super) fn started(&mut self, model: &str, form: Form, now: Instant) {
        if let Some(figures) = self.figures.get_mut(model) {
            figures.started(form, now);
            return;
        }
        if self.figures.len() >= FIGURES_MAX {
            let idle = self.figures.iter().min_by_key(|(_, figures)| (figures.in_flight() > 0, figures.asked));
            if let Some(model) = idle.map(|(model, _)| model.clone()) {
                self.figures.remove(&model);
            }
        }
        let mut figures = Figures::new(now);
        figures.started(form, now);
        self.figures.insert(model.to_owned(), figures);
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
    /// Its rest, while it lasts.
    fn rest(&self, now: Instant) -> Option<&KeyRest> {
        self.rest.as_ref().filter(|rest| rest.until > now)
    }

    /// How long it still rests, for whatever reason.
    pub(super) fn rests(&self, now: Instant) -> Option<Duration> {
        let until = self.rest(now).map(|rest| rest.until).max(self.used_up)?;
        Some(until.saturating_duration_since(now)).filter(|rest| !rest.is_zero())
    }

    /// Why it rests.
    pub(super) fn why(&self, now: Instant) -> Option<Why> {
        let used_up = self.used_up.filter(|until| *until > now).map(|_| Why::UsedUp);
        self.rest(now).map(|rest| rest.why).or(used_up)
    }

    fn is_free(&self, model: &str, now: Instant, overlook: Overlook) -> bool {
        if overlook < Overlook::Breaker && self.used_up.is_some_and(|until| until > now) {
            return false;
        }
        let Some(rest) = self.rest(now) else { return true };
        match rest.why {
            Why::Limited => overlook >= Overlook::OtherModels && rest.model != model,
            Why::Refused | Why::UsedUp => overlook >= Overlook::Refused,
        }
    }

    /// What it carries for what it can: requests in flight and this one, by the share that is left of its limits.
    #[expect(clippy::cast_precision_loss, reason = "a comparison of small numbers")]
    fn load(&self, now: Instant) -> f32 {
        let fresh = self.share.filter(|(_, told)| now.saturating_duration_since(*told) < SHARE_FRESH);
        (self.in_flight as f32 + 1.0) / fresh.map_or(1.0, |(share, _)| share.max(SHARE_LEAST))
    }

    /// Its headers have told what is left.
    pub(super) fn told(&mut self, room: Room, now: Instant) {
        self.share = Some((room.share, now));
        self.used_up = room.rest.map(|rest| now + rest.min(USED_UP_MAX));
    }
}
