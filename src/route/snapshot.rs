//! What [`Health`] knows, as a file can hold it: breakers, rests, what was taken of limits. A restart begins with it.
//!
//! Times are kept as spans before or after the moment of saving, since a process's clock means nothing to the next one.
//! Lacks the file itself, which is the server's; requests in flight and lines, which end with the process.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::breaker::Circuit;
use super::health::{Health, PROVIDERS_MAX, Why};
use super::quota::{Meter, Span};
use super::saved_sessions::{self as sessions, SavedSession};
use super::standing::{CIRCUITS_MAX, KEYS_MAX, KeyHealth, KeyRest, ProviderHealth};

/// The form of the file; another one is not read.
pub const VERSION: u32 = 1;
/// What is older says nothing any more: the longest window is a week.
const AGE_MAX: Duration = Duration::from_secs(8 * 24 * 3600);
/// A clock may have been set back by so much meanwhile.
const SET_BACK_MAX: Duration = Duration::from_secs(60);

/// The memory of all providers at one moment.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The form: [`VERSION`].
    pub version: u32,
    /// When it was taken, in milliseconds since 1970.
    pub saved_ms: u64,
    pub(super) providers: Vec<SavedProvider>,
    #[serde(default)]
    pub(super) sessions: Vec<SavedSession>,
}

impl Snapshot {
    /// Whether it tells of nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.providers.is_empty()
    }
}

/// Why a snapshot is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// Another version of aimux wrote it.
    Version(u32),
    /// It is too old to say anything.
    Old,
    /// It comes from the future: the clock was set back.
    Future,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SavedProvider {
    name: String,
    keys: Vec<SavedKey>,
    models: Vec<SavedCircuit>,
    taken: Taken,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct SavedKey {
    name: String,
    rest: Option<SavedRest>,
    /// 429s in a row.
    limited: u32,
    used_up_ms: u64,
    taken: Taken,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SavedRest {
    left_ms: u64,
    is_refused: bool,
    model: String,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SavedCircuit {
    model: String,
    failures: u32,
    opened: u32,
    /// How long it is open still; `None`: it is closed.
    open_ms: Option<u64>,
}

/// What was taken in each of [`Span::ALL`]: how long ago, in milliseconds, and how much.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Taken {
    requests: [Vec<(u64, u64)>; 3],
    tokens: [Vec<(u64, u64)>; 3],
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Health {
    /// What is worth remembering; `unix_ms` is the time of day, in milliseconds since 1970.
    #[must_use]
    pub fn snapshot(&self, now: Instant, unix_ms: u64) -> Snapshot {
        let providers = self.providers.iter().map(|(name, health)| SavedProvider {
            name: name.clone(),
            keys: health.keys.iter().map(|key| saved_key(key, now)).collect(),
            models: health.circuits.iter().map(|(model, circuit)| saved_circuit(model, circuit, now)).collect(),
            taken: Taken::of(&health.meter, now),
        });
        let is_news = |saved: &SavedProvider| {
            let is_news = |key: &SavedKey| SavedKey { name: String::new(), ..SavedKey::default() } != key.nameless();
            !saved.models.is_empty() || saved.taken != Taken::default() || saved.keys.iter().any(is_news)
        };
        Snapshot {
            version: VERSION,
            saved_ms: unix_ms,
            providers: providers.filter(is_news).collect(),
            sessions: sessions::saved(&self.sessions, now),
        }
    }

    /// Begins with what an earlier process knew. For a memory in which nothing is yet.
    ///
    /// # Errors
    /// Why it is not used.
    pub fn restore(&mut self, snapshot: Snapshot, now: Instant, unix_ms: u64) -> Result<(), Unusable> {
        if snapshot.version != VERSION {
            return Err(Unusable::Version(snapshot.version));
        }
        if snapshot.saved_ms > unix_ms.saturating_add(ms(SET_BACK_MAX)) {
            return Err(Unusable::Future);
        }
        let age = Duration::from_millis(unix_ms.saturating_sub(snapshot.saved_ms));
        if age > AGE_MAX {
            return Err(Unusable::Old);
        }
        for saved in snapshot.providers.into_iter().take(PROVIDERS_MAX) {
            self.providers.insert(saved.name.clone(), saved.restored(now, age));
        }
        sessions::restore(&mut self.sessions, snapshot.sessions, now, age);
        Ok(())
    }
}

fn saved_key(key: &KeyHealth, now: Instant) -> SavedKey {
    let left = |until: Instant| ms(until.saturating_duration_since(now));
    let rest = key.rest.as_ref().filter(|rest| rest.until > now);
    SavedKey {
        name: key.name.clone(),
        rest: rest.map(|rest| SavedRest { left_ms: left(rest.until), is_refused: rest.why == Why::Refused, model: rest.model.clone() }),
        limited: key.limited,
        used_up_ms: key.used_up.map_or(0, left),
        taken: Taken::of(&key.meter, now),
    }
}

fn saved_circuit(model: &str, circuit: &Circuit, now: Instant) -> SavedCircuit {
    let (failures, opened, open) = circuit.saved(now);
    SavedCircuit { model: model.to_owned(), failures, opened, open_ms: open.map(ms) }
}

impl SavedKey {
    fn nameless(&self) -> Self {
        let rest = self.rest.as_ref().map(|rest| SavedRest { left_ms: rest.left_ms, is_refused: rest.is_refused, model: String::new() });
        Self { name: String::new(), rest, limited: self.limited, used_up_ms: self.used_up_ms, taken: Taken::default() }
    }

    fn restored(self, now: Instant, age: Duration) -> KeyHealth {
        let until = |left_ms: u64| now + Duration::from_millis(left_ms).min(AGE_MAX).saturating_sub(age);
        let rest = self.rest.map(|rest| KeyRest {
            until: until(rest.left_ms),
            why: if rest.is_refused { Why::Refused } else { Why::Limited },
            model: rest.model,
        });
        KeyHealth {
            name: self.name,
            rest,
            limited: self.limited,
            used_up: (self.used_up_ms > 0).then(|| until(self.used_up_ms)),
            meter: self.taken.restored(now, age),
            ..KeyHealth::default()
        }
    }
}

impl SavedProvider {
    fn restored(self, now: Instant, age: Duration) -> ProviderHealth {
        let circuit = |saved: SavedCircuit| {
            let open = saved.open_ms.map(|ms| Duration::from_millis(ms).min(AGE_MAX).saturating_sub(age));
            (saved.model, Circuit::restored(saved.failures, saved.opened, open, now))
        };
        ProviderHealth {
            keys: self.keys.into_iter().take(KEYS_MAX).map(|key| key.restored(now, age)).collect(),
            meter: self.taken.restored(now, age),
            circuits: self.models.into_iter().take(CIRCUITS_MAX).map(circuit).collect(),
            ..ProviderHealth::default()
        }
    }
}

impl Taken {
    fn of(meter: &Meter, now: Instant) -> Self {
        let sums = |windows: &[super::window::Window; 3]| {
            windows.each_ref().map(|window| window.sums(now).map(|(age, amount)| (ms(age), amount)).collect())
        };
        Self { requests: sums(&meter.requests), tokens: sums(&meter.tokens) }
    }

    fn restored(self, now: Instant, age: Duration) -> Meter {
        let mut meter = Meter::default();
        for (windows, saved) in [(&mut meter.requests, self.requests), (&mut meter.tokens, self.tokens)] {
            for ((window, sums), span) in windows.iter_mut().zip(saved).zip(Span::ALL) {
                for (ago, amount) in sums {
                    let ago = Duration::from_millis(ago).saturating_add(age);
                    if let Some(at) = now.checked_sub(ago).filter(|_| ago < span.length()) {
                        window.restore(at, amount);
                    }
                }
            }
        }
        meter
    }
}
