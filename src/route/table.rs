//! The compiled config: what the request path reads. Built once per config, shared, never changed.

use std::sync::Arc;
use std::time::Duration;

use super::glob::Glob;
use super::policy::Policy;
use super::quota::Quota;
use super::rule::Rule;
use super::sticky::Sticky;
use crate::dialect::{Dialect, Quirks};
use crate::keys::oauth::OAuth;
use crate::provider::measured::{self, MeasuredFinding, MeasuredTarget};
use crate::provider::models::{Known, model};
use crate::provider::{Auth, Check};
use crate::secret::Secret;

/// Everything that routing reads.
#[derive(Debug, Default)]
pub struct Table {
    /// The providers, in the config's order.
    pub providers: Vec<Arc<Provider>>,
    /// What is tried before the models, in the config's order.
    pub rules: Vec<Rule>,
    /// What clients ask for and what serves it, in the config's order.
    pub models: Vec<ModelEntry>,
    /// Where what must not go.
    pub policies: Vec<Policy>,
    /// How often and how long is tried.
    pub retry: Retry,
    /// When a target is taken out; `None`: never.
    pub breaker: Option<Breaker>,
    /// How long sessions stay with their targets; `None`: they do not.
    pub sticky: Option<Sticky>,
}

/// One entry under `models`.
#[derive(Debug)]
pub struct ModelEntry {
    /// What clients ask for.
    pub name: Glob,
    /// What serves it, in order.
    pub targets: Vec<TargetRef>,
    /// How one of them is chosen.
    pub choice: Choice,
}

/// How one of a rule's or an entry's targets is chosen, and what is done with the request there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Choice {
    /// Which goes first.
    pub strategy: Strategy,
    /// How many of the requests each target gets, in the order of the targets; empty: as many each.
    pub weights: Vec<u32>,
    /// Sessions do not stay with a target.
    pub is_loose: bool,
    /// What is done where an answer breaks off.
    pub continues: Continue,
    /// What is done where a target finds the prompt too long.
    pub on_context: OnContext,
    /// When a second target is asked beside the first; `None`: never.
    pub hedge: Option<Hedge>,
}

/// What is done with a prompt that is too long for a target's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnContext {
    /// The client is told, and compacts.
    #[default]
    Refuse,
    /// A target with a larger window is asked, where there is one.
    Larger,
}

impl OnContext {
    /// Each of them, with its word in the config.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Refuse, "refuse"), (Self::Larger, "larger")];

    /// The one of that word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, word)| *word == name).map(|(way, _)| *way)
    }
}

/// When a second target is asked beside the first, and for how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hedge {
    /// When no content has come by then.
    pub after: After,
    /// What the second one may cost at most, in millionths of a US dollar, by estimate.
    pub max_cost: u64,
}

/// How long the first is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// As long as 19 of 20 of its own answers took; unknown: for ever.
    P95,
    /// So long.
    Time(Duration),
}

/// How one of several targets is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// The first that can, in the order of the config.
    #[default]
    Order,
    /// Each its share, by weights.
    Weighted,
    /// In turn.
    RoundRobin,
    /// The one with the fewest requests in flight.
    LeastBusy,
    /// The one whose first content comes soonest.
    Latency,
    /// The one that costs least, by the price table and the request's size.
    Cost,
}

impl Strategy {
    /// Every strategy, with its word in the config.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Order, "order"),
        (Self::Weighted, "weighted"),
        (Self::RoundRobin, "round_robin"),
        (Self::LeastBusy, "least_busy"),
        (Self::Latency, "latency"),
        (Self::Cost, "cost"),
    ];

    /// The word in the config.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(strategy, _)| *strategy == self).map_or("order", |(_, name)| name)
    }

    /// Who goes first by it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Order => "as the config lists them",
            Self::Weighted => "each its share",
            Self::RoundRobin => "each in turn",
            Self::LeastBusy => "who has the fewest requests first",
            Self::Latency => "whose content comes soonest first",
            Self::Cost => "who is cheapest for this request first",
        }
    }

    /// The strategy of that word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, word)| *word == name).map(|(strategy, _)| *strategy)
    }
}

/// What is done where an answer breaks off after its content has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Continue {
    /// It ends with the dialect's error.
    #[default]
    Off,
    /// Another target goes on with it, as long as nothing but text was said.
    Text,
}

impl Continue {
    /// Every way, with its word in the config.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Off, "off"), (Self::Text, "text")];

    /// The word in the config.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(way, _)| *way == self).map_or("off", |(_, name)| name)
    }

    /// The way of that word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, word)| *word == name).map(|(way, _)| *way)
    }
}

/// A target as the config writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRef {
    /// Index into [`Table::providers`].
    pub provider: usize,
    /// The model, in the provider's words.
    pub model: String,
}

/// A configured provider.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name in the config.
    pub name: String,
    /// Its dialects; the first is preferred when the client's own is not among them.
    pub endpoints: Vec<Endpoint>,
    /// Its keys; empty where none is needed.
    pub keys: Vec<Key>,
    /// The catalog whose models it serves; empty: unknown.
    pub catalog: &'static str,
    /// Models that it is said to serve; empty: any.
    pub models: Vec<String>,
    /// Where it is, by the config, for policies; empty: not known.
    pub region: String,
    /// The classes of data that it may be given, by the config, for policies; empty: not known.
    pub data: Vec<String>,
    /// What the config knows better of some models, by their ids; what it leaves open is the catalog's.
    pub facts: Vec<(String, Known)>,
    /// What its models were found to do, at its addresses.
    pub measured: Vec<MeasuredTarget>,
    /// Headers of the config's, sent with each request.
    pub headers: Vec<(String, String)>,
    /// The config's part of each request's query, percent-encoded; may be empty.
    pub query: String,
    /// What it may be asked for, with all its keys.
    pub limits: Quota,
    /// What each of its keys may be asked for.
    pub key_limits: Quota,
    /// Whether HTTP/2 is offered to it.
    pub http2: bool,
    /// How it is logged in to, and its tokens refreshed.
    pub oauth: Option<Arc<OAuth>>,
}

impl Provider {
    /// One of which nothing is said but where it is: no key, no catalog, no limits.
    #[must_use]
    pub fn new(name: &str, endpoints: Vec<Endpoint>) -> Self {
        Self {
            name: name.to_owned(),
            endpoints,
            keys: Vec::new(),
            catalog: "",
            models: Vec::new(),
            region: String::new(),
            data: Vec::new(),
            facts: Vec::new(),
            measured: Vec::new(),
            headers: Vec::new(),
            query: String::new(),
            limits: Quota::default(),
            key_limits: Quota::default(),
            http2: false,
            oauth: None,
        }
    }

    /// What is known of a model at the endpoint of that index: by the config, else as it was measured, else by the catalog.
    #[must_use]
    pub fn known(&self, endpoint: usize, id: &str) -> Known {
        let measured = self.measured(endpoint, id).map_or(Known::NOTHING, MeasuredTarget::known);
        Known::said(&self.facts, id).or(measured).or(model(self.catalog, id).map_or(Known::NOTHING, Known::from))
    }

    /// What a model was found to do at the endpoint of that index.
    #[must_use]
    pub fn measured(&self, endpoint: usize, id: &str) -> Option<&MeasuredTarget> {
        let base_url = &self.endpoints.get(endpoint)?.base_url;
        self.measured.iter().find(|measured| measured.model == id && measured.base_url == *base_url)
    }

    /// The measurement by which it is decided whether a model has an ability, `tools` say; `None`: there is none, or the config
    /// knows better.
    #[must_use]
    pub fn decided_by(&self, endpoint: usize, id: &str, ability: &str) -> Option<&MeasuredFinding> {
        let own = Known::said(&self.facts, id);
        let said = match ability {
            measured::TOOLS => own.tools,
            measured::THINKING => own.reasoning,
            measured::IMAGES => own.images,
            measured::STRUCTURED => own.structured,
            _ => None,
        };
        if said.is_some() { None } else { self.measured(endpoint, id)?.finding(ability) }
    }
}

/// One dialect of a configured provider.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The dialect.
    pub dialect: Dialect,
    /// The base URL, without a slash at the end.
    pub base_url: String,
    /// How the key is sent.
    pub auth: Auth,
    /// How it differs from the dialect.
    pub quirks: Quirks,
    /// What tells whether a key is accepted.
    pub check: Check,
}

/// A key of a provider.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its name, for messages: the file's, or the variable's.
    pub name: String,
    /// The key.
    pub secret: Secret,
    /// What is known of one that expires and can be refreshed; `None`: it lasts.
    pub token: Option<Token>,
}

/// A key that expires.
#[derive(Debug, Clone)]
pub struct Token {
    /// Where the next one is fetched.
    pub oauth: Arc<OAuth>,
    /// When somebody logged in for it, in seconds since 1970: what is refreshed stays the same login's.
    pub login: u64,
    /// When it was fetched, in seconds since 1970.
    pub fetched: u64,
    /// When it expires, in seconds since 1970; `None`: nobody knows.
    pub expires: Option<u64>,
}

/// How often and how long is tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// Attempts per target, the first one included; 1 to 10.
    pub attempts_per_target: u32,
    /// Share of the traffic that may be repeats, 0 to 1.
    pub budget_ratio: f64,
    /// Repeats per second that are always allowed.
    pub budget_per_s: f64,
    /// The whole request's deadline.
    pub deadline: Duration,
    /// The longest Retry-After that is waited for inside.
    pub wait_max: Duration,
    /// How long a refused key rests.
    pub key_rest: Duration,
    /// How long a request stands in line for a place at a provider.
    pub queue_wait: Duration,
    /// How many stand in the line of one provider.
    pub queue_length: usize,
    /// How often an answer that broke off may be gone on with, where a rule says so.
    pub continuations: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts_per_target: 2,
            budget_ratio: 0.2,
            budget_per_s: 10.0,
            deadline: Duration::from_secs(3600),
            wait_max: Duration::from_secs(2),
            key_rest: Duration::from_secs(300),
            queue_wait: Duration::from_secs(1),
            queue_length: 256,
            continuations: 2,
        }
    }
}

/// When a target is taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// Failures in a row.
    pub failures: u32,
    /// The first rest; it grows with each further one.
    pub rest: Duration,
    /// The longest rest.
    pub rest_max: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 5, rest: Duration::from_secs(30), rest_max: Duration::from_secs(300) }
    }
}
