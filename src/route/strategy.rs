//! Which of several targets goes first: the strategies that a rule or an entry may name. Pure; the figures come from
//! [`super::health`].
//!
//! What rests is behind what is ready, but for `order`, whose places the attempts skip by themselves. Between equals the config's
//! order decides, so the same state always gives the same order. Start with [`order`].

use std::collections::HashMap;
use std::time::Duration;

use super::table::Strategy;
use crate::chat::Usage;
use crate::provider::models::Price;

/// What a strategy went by, of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Figure {
    /// Nothing: the place in the config, or the target rests.
    #[default]
    None,
    /// So many of so many requests are its own, among the targets that are ready.
    Share(u64, u64),
    /// Requests in flight at the target.
    InFlight(u32),
    /// The time to the first content; `None`: it was not measured yet, or not by enough.
    Content(Option<Duration>),
    /// What the request would cost, in millionths of a US dollar; `None`: the price is not known.
    Cost(Option<u64>),
}

/// A target as its strategy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Whether it takes requests now.
    pub is_ready: bool,
    /// The lowest goes first.
    pub rank: i64,
}

/// The order in which targets are tried, as indexes: what is ready by its rank, then what rests.
#[must_use]
pub fn order(strategy: Strategy, candidates: &[Candidate]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    if strategy != Strategy::Order {
        // Stable: of equals the first stays the first.
        order.sort_by_key(|index| candidates.get(*index).map(|candidate| (!candidate.is_ready, candidate.rank)));
    }
    order
}

/// What a request costs, in millionths of a US dollar: so much input, of which so much comes from the provider's cache, and so
/// much output. `None`: a price is not known.
#[must_use]
pub fn cost(price: &Price, input: u64, cached: u64, output: u64) -> Option<u64> {
    let cached = cached.min(input);
    let usage = Usage { input: Some(input - cached), cache_read: Some(cached), output: Some(output), ..Usage::default() };
    // A price that is not known is none, however small the part.
    price.input?;
    price.output?;
    price.micro_usd(&usage)
}

/// A number of a figure's own unit, as a rank; what is not known is last.
#[must_use]
pub fn rank(figure: Option<u64>) -> i64 {
    figure.and_then(|figure| i64::try_from(figure).ok()).unwrap_or(i64::MAX)
}

/// Whose turn it is on each route that shares its requests out. Bounded.
#[derive(Debug, Default)]
pub(super) struct Turns {
    rules: HashMap<String, Vec<Turn>>,
    entries: HashMap<String, Vec<Turn>>,
}

/// Which route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of<'a> {
    Rule(&'a str),
    Entry(&'a str),
}

/// What a target of a route is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Turn {
    provider: String,
    model: String,
    weight: u32,
    /// In requests times the sum of the weights.
    owed: i64,
}

/// A target that takes part in a turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'a> {
    pub(super) provider: &'a str,
    pub(super) model: &'a str,
    pub(super) weight: u32,
}

/// Routes remembered; more than this only after reloads with other names.
const ROUTES_MAX: usize = 1024;
/// Targets remembered of a route.
const TARGETS_MAX: usize = 256;

impl Turns {
    /// What the target is owed with this request; the most goes first.
    pub(super) fn owed(&self, of: Of<'_>, member: Member<'_>) -> i64 {
        let turns = match of {
            Of::Rule(name) => self.rules.get(name),
            Of::Entry(name) => self.entries.get(name),
        };
        let known = turns.into_iter().flatten().find(|turn| turn.is(member));
        known.map_or(0, |turn| turn.owed).saturating_add(i64::from(member.weight))
    }

    /// A request has gone to one of the members: each of them is owed its weight more, and that one their sum less. Over as
    /// many requests as the sum of the weights, each gets just its weight, spread as evenly as can be.
    pub(super) fn taken(&mut self, of: Of<'_>, members: &[Member<'_>], by: usize) {
        let (routes, name) = match of {
            Of::Rule(name) => (&mut self.rules, name),
            Of::Entry(name) => (&mut self.entries, name),
        };
        if !routes.contains_key(name) && routes.len() >= ROUTES_MAX {
            routes.clear();
        }
        if !routes.contains_key(name) {
            routes.insert(name.to_owned(), Vec::new());
        }
        let Some(turns) = routes.get_mut(name) else { return };
        // Another weight is another reckoning.
        let is_changed = |turn: &Turn| members.iter().any(|member| turn.names(*member) && turn.weight != member.weight);
        if turns.len() > TARGETS_MAX || turns.iter().any(is_changed) {
            turns.clear();
        }
        let sum: i64 = members.iter().map(|member| i64::from(member.weight)).sum();
        for (index, member) in members.iter().enumerate() {
            let less = if index == by { sum } else { 0 };
            let more = i64::from(member.weight) - less;
            match turns.iter_mut().find(|turn| turn.is(*member)) {
                Some(turn) => turn.owed = turn.owed.saturating_add(more),
                None => turns.push(Turn {
                    provider: member.provider.to_owned(),
                    model: member.model.to_owned(),
                    weight: member.weight,
                    owed: more,
                }),
            }
        }
    }
}

impl Turn {
    fn names(&self, member: Member<'_>) -> bool {
        self.provider == member.provider && self.model == member.model
    }

    fn is(&self, member: Member<'_>) -> bool {
        self.names(member) && self.weight == member.weight
    }
}
