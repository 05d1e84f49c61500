//! What is counted when an exchange has ended: atomics, found by a look into maps that hardly ever change.
//!
//! Start with [`Counts::settle`].

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;

use super::histogram::{DURATION, FIRST, Histogram, TOKENS};
use crate::chat::Usage;
use crate::error::Code;

/// What a label says of names that the config does not have.
pub(super) const OTHER: &str = "other";
/// What it says where nobody was asked.
pub(super) const NONE: &str = "none";
/// Targets, and routes of a target, that are told apart; names of former configs stay, so that counters do not fall.
const TARGETS_MAX: usize = 2000;
const ROUTES_MAX: usize = 200;
/// The classes of a status.
pub(super) const CLASSES: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", NONE];
/// How requests end.
pub(super) const ENDINGS: [&str; 3] = ["complete", "failed", "client_gone"];
/// Why caches had less than they could.
pub const BREAKS: [&str; 9] = ["moved", "key", "tools", "system", "messages", "settings", "markers", "idle", "dropped"];
/// How second targets fare.
pub(super) const HEDGES: [&str; 3] = ["won", "lost", "failed"];
/// The kinds of tokens.
pub(super) const KINDS: [&str; 5] = ["input", "output", "cache_read", "cache_write", "thinking"];

/// An exchange that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// Who answered, or was asked last; `None`: nobody was.
    pub target: Option<[&'a str; 2]>,
    /// What decided where it went.
    pub route: &'a str,
    /// The status that the client got.
    pub status: u16,
    /// How it ended.
    pub ending: &'static str,
    /// Why it failed.
    pub code: Option<Code>,
    /// What it took.
    pub usage: &'a Usage,
    /// Whether an answer began.
    pub is_answered: bool,
    /// Whether some of the usage is our estimate.
    pub is_estimated: bool,
    /// What it cost, in millionths of a US dollar.
    pub cost: Option<u64>,
    /// How it went with a second target, if one was asked beside the first: one of `won`, `lost`, `failed`.
    pub hedge: Option<&'static str>,
    /// Milliseconds to the first content of a stream.
    pub content_ms: Option<u64>,
    /// Milliseconds to the end.
    pub total_ms: u64,
    /// What the target could not carry.
    pub losses: u64,
    /// Input that a cache would have had: why not, tokens, and what they cost more, in millionths of a US dollar.
    pub cache_break: Option<(&'static str, u64, Option<u64>)>,
}

/// An attempt that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who was asked: provider and model.
    pub target: [&'a str; 2],
    /// The provider's status; `None`: no answer.
    pub status: Option<u16>,
    /// Of one that was cancelled because another one's content came first: what it cost, in millionths of a US dollar, where
    /// its price is known.
    pub cancelled: Option<Option<u64>>,
}

/// The names that labels may say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Models by provider.
    pub models: HashMap<String, HashSet<String>>,
    /// What decides where requests go.
    pub routes: HashSet<String>,
}

/// The counts of a server.
#[derive(Debug)]
pub struct Counts {
    names: ArcSwap<Names>,
    targets: ArcSwap<HashMap<Box<str>, Models>>,
    /// Held while a target is added.
    adding: Mutex<()>,
    errors: Box<[AtomicU64]>,
    endings: [AtomicU64; ENDINGS.len()],
    hedges: [AtomicU64; HEDGES.len()],
    started_s: u64,
}

type Models = HashMap<Box<str>, Arc<Target>>;

/// The counts of a provider's model.
#[derive(Debug)]
pub(super) struct Target {
    routes: ArcSwap<HashMap<Box<str>, Arc<Classes>>>,
    adding: Mutex<()>,
    pub(super) attempts: Classes,
    pub(super) failovers: AtomicU64,
    pub(super) continued: AtomicU64,
    pub(super) tokens: [AtomicU64; KINDS.len()],
    /// In millionths of a US dollar.
    pub(super) cost: AtomicU64,
    pub(super) unpriced: AtomicU64,
    pub(super) estimated: AtomicU64,
    pub(super) losses: AtomicU64,
    /// Cache breaks by their cause.
    pub(super) breaks: [AtomicU64; BREAKS.len()],
    pub(super) break_tokens: AtomicU64,
    /// In millionths of a US dollar.
    pub(super) break_cost: AtomicU64,
    pub(super) duration: Histogram,
    pub(super) first: Histogram,
    pub(super) input: Histogram,
    pub(super) output: Histogram,
}

/// A count a class of status.
pub(super) type Classes = [AtomicU64; CLASSES.len()];

impl Default for Target {
    fn default() -> Self {
        Self {
            routes: ArcSwap::default(),
            adding: Mutex::default(),
            attempts: Default::default(),
            failovers: AtomicU64::new(0),
            continued: AtomicU64::new(0),
            tokens: Default::default(),
            cost: AtomicU64::new(0),
            unpriced: AtomicU64::new(0),
            estimated: AtomicU64::new(0),
            losses: AtomicU64::new(0),
            breaks: Default::default(),
            break_tokens: AtomicU64::new(0),
            break_cost: AtomicU64::new(0),
            duration: Histogram::new(DURATION),
            first: Histogram::new(FIRST),
            input: Histogram::new(TOKENS),
            output: Histogram::new(TOKENS),
        }
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            names: ArcSwap::default(),
            targets: ArcSwap::default(),
            adding: Mutex::default(),
            errors: Code::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            endings: Default::default(),
            hedges: Default::default(),
            started_s: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        }
    }
}

impl Counts {
    /// Takes the names of a new config; what is counted already stays.
    pub fn name(&self, names: Names) {
        self.names.store(Arc::new(names));
    }

    /// A request was refused before it was routed.
    pub fn refused(&self, code: Code) {
        if let Some(count) = self.errors.get(code as usize) {
            add(count, 1);
        }
    }

    /// A request has ended.
    pub fn settle(&self, exchange: &Exchange<'_>) {
        if let Some(count) = HEDGES.iter().position(|hedge| Some(*hedge) == exchange.hedge).and_then(|at| self.hedges.get(at)) {
            add(count, 1);
        }
        if let Some(count) = ENDINGS.iter().position(|ending| *ending == exchange.ending).and_then(|at| self.endings.get(at)) {
            add(count, 1);
        }
        if let Some(code) = exchange.code {
            self.refused(code);
        }
        let [provider, model] = exchange.target.unwrap_or([NONE; 2]);
        let target = self.target(provider, model);
        class(&target.route(exchange.route, &self.names.load()), Some(exchange.status));
        target.duration.observe(exchange.total_ms);
        if let Some(wait) = exchange.content_ms {
            target.first.observe(wait);
        }
        add(&target.losses, exchange.losses);
        add(&target.estimated, u64::from(exchange.is_estimated));
        let usage = exchange.usage;
        target.took(usage, exchange.cost);
        if let Some((cause, tokens, cost)) = exchange.cache_break {
            if let Some(count) = BREAKS.iter().position(|word| *word == cause).and_then(|at| target.breaks.get(at)) {
                add(count, 1);
            }
            add(&target.break_tokens, tokens);
            add(&target.break_cost, cost.unwrap_or(0));
        }
        if exchange.is_answered {
            target.input.observe(usage.input_total());
            target.output.observe(usage.output.unwrap_or(0));
        }
    }

    /// A target's answer broke off, and another went on with it: what it took.
    pub fn broken(&self, [provider, model]: [&str; 2], usage: &Usage, cost: Option<u64>) {
        let target = self.target(provider, model);
        add(&target.continued, 1);
        target.took(usage, cost);
    }

    /// The attempts of a request, in order.
    pub fn asked<'a>(&self, attempts: impl Iterator<Item = Asked<'a>>) {
        let mut former: Option<([&str; 2], Arc<Target>)> = None;
        for Asked { target: name, status, cancelled } in attempts {
            if let Some(cost) = cancelled {
                let target = self.target(name[0], name[1]);
                class(&target.attempts, status);
                add(&target.cost, cost.unwrap_or(0));
                continue;
            }
            let target = match former {
                Some((known, target)) if known == name => target,
                other => {
                    if let Some((_, left)) = other {
                        add(&left.failovers, 1);
                    }
                    self.target(name[0], name[1])
                }
            };
            class(&target.attempts, status);
            former = Some((name, target));
        }
    }

    /// What labels say of a target.
    pub(super) fn shown<'a>(&self, names: &Names, provider: &'a str, model: &'a str) -> (&'a str, &'a str) {
        match names.models.get(provider) {
            _ if provider == NONE => (NONE, NONE),
            None => (OTHER, OTHER),
            Some(models) if models.contains(model) => (provider, model),
            Some(_) => (provider, OTHER),
        }
    }

    fn target(&self, provider: &str, model: &str) -> Arc<Target> {
        let known = |provider: &str, model: &str| self.targets.load().get(provider).and_then(|models| models.get(model)).cloned();
        known(provider, model).unwrap_or_else(|| {
            let (provider, model) = self.shown(&self.names.load(), provider, model);
            known(provider, model).unwrap_or_else(|| self.add(provider, model))
        })
    }

    /// The first request of a target.
    #[cold]
    fn add(&self, provider: &str, model: &str) -> Arc<Target> {
        let _one_at_a_time = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = HashMap::clone(&self.targets.load());
        let is_full = all.values().map(HashMap::len).sum::<usize>() >= TARGETS_MAX;
        let (provider, model) = if is_full { (OTHER, OTHER) } else { (provider, model) };
        let target = Arc::clone(all.entry(provider.into()).or_default().entry(model.into()).or_default());
        self.targets.store(Arc::new(all));
        target
    }

    /// Each target's counts, sorted by name.
    pub(super) fn targets(&self) -> Vec<(Box<str>, Box<str>, Arc<Target>)> {
        let mut targets = Vec::new();
        for (provider, models) in self.targets.load().iter() {
            targets.extend(models.iter().map(|(model, target)| (provider.clone(), model.clone(), Arc::clone(target))));
        }
        targets.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        targets
    }

    /// The names that labels may say.
    pub(super) fn names(&self) -> Arc<Names> {
        self.names.load_full()
    }

    /// Second targets by how they fared.
    pub(super) fn hedges(&self) -> [u64; HEDGES.len()] {
        self.hedges.each_ref().map(|count| count.load(Relaxed))
    }

    /// Requests by how they ended.
    pub(super) fn endings(&self) -> [u64; ENDINGS.len()] {
        self.endings.each_ref().map(|count| count.load(Relaxed))
    }

    /// The codes that were met, with how often.
    pub(super) fn errors(&self) -> impl Iterator<Item = (Code, u64)> {
        Code::ALL.iter().copied().zip(self.errors.iter().map(|count| count.load(Relaxed))).filter(|(_, count)| *count > 0)
    }

    /// When the server began, in seconds since 1970.
    pub(super) fn started_s(&self) -> u64 {
        self.started_s
    }
}

impl Target {
    /// What an answer took.
    fn took(&self, usage: &Usage, cost: Option<u64>) {
        match cost {
            Some(cost) => add(&self.cost, cost),
            None => add(&self.unpriced, 1),
        }
        let kinds = [usage.input, usage.output, usage.cache_read, usage.cache_write, usage.reasoning];
        self.tokens.iter().zip(kinds).for_each(|(count, tokens)| add(count, tokens.unwrap_or(0)));
    }

    /// The requests of a route.
    fn route(&self, name: &str, names: &Names) -> Arc<Classes> {
        let known = |name: &str| self.routes.load().get(name).cloned();
        known(name).unwrap_or_else(|| {
            let name = if names.routes.contains(name) { name } else { OTHER };
            known(name).unwrap_or_else(|| {
                let _one_at_a_time = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
                let mut all = HashMap::clone(&self.routes.load());
                let name = if all.len() >= ROUTES_MAX { OTHER } else { name };
                let classes = Arc::clone(all.entry(name.into()).or_default());
                self.routes.store(Arc::new(all));
                classes
            })
        })
    }

    /// The routes' requests, sorted by name.
    pub(super) fn routes(&self) -> Vec<(Box<str>, Arc<Classes>)> {
        let mut routes: Vec<_> = self.routes.load().iter().map(|(name, classes)| (name.clone(), Arc::clone(classes))).collect();
        routes.sort_by(|a, b| a.0.cmp(&b.0));
        routes
    }
}

fn add(count: &AtomicU64, more: u64) {
    // Most of what is added is nothing, and a cache line that is not written is not fetched from another processor.
    if more > 0 {
        count.fetch_add(more, Relaxed);
    }
}

/// Counts a status into its class.
fn class(classes: &Classes, status: Option<u16>) {
    let at = match status {
        Some(status @ 200..=599) => usize::from(status / 100 - 2),
        _ => CLASSES.len() - 1,
    };
    if let Some(count) = classes.get(at) {
        add(count, 1);
    }
}
