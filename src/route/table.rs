//! The compiled config: what the request path reads. Built once per config, shared, never changed.

use std::sync::Arc;
use std::time::Duration;

pub use super::choice::{After, Choice, Continue, Hedge, OnContext, Strategy, TargetRef};
pub use super::configured::{Endpoint, Key, Provider, Token};
use super::glob::Glob;
use super::policy::Policy;
use super::rule::Rule;
use super::sticky::Sticky;

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
