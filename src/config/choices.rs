//! `strategy`, `weights`, `stick`, `on_context`, `continue` and `hedge` of a rule or an entry: how one of its targets is chosen,
//! whether that can be, and what is done where its answer is late or breaks off.
//!
//! Start with [`read`], then [`Written::choice`], which knows the targets too.

use std::time::Duration;

use super::diagnostic::{Diagnostic, Finding, Span};
use super::fields::Kind;
use super::providers::Provider;
use super::reader::{Reader, Section};
use crate::provider::models::Known;
use crate::route::table::{After, Choice, Continue, Hedge, OnContext, Strategy, TargetRef};

/// What is said of the choice among the targets, as far as it is.
#[derive(Default)]
pub(crate) struct Written {
    path: String,
    strategy: Option<(Strategy, Span)>,
    weights: Option<(Vec<u32>, Span)>,
    /// Weights are there, be they wrong.
    has_weights: bool,
    stick: Option<bool>,
    continues: Option<Continue>,
    on_context: Option<OnContext>,
    hedge: Option<(Hedge, Span)>,
}

/// Reads what a rule or an entry says of the choice.
pub(crate) fn read(reader: &mut Reader<'_>, section: &Section<'_>) -> Written {
    let span = |name: &str| section.get(name).map_or(section.span, |node| node.span);
    let strategy = reader.choice(section, "strategy").and_then(Strategy::from_name);
    let weights = reader.integers(section, "weights");
    let hedge = reader.inner(section, "hedge").map(|hedge| Hedge {
        after: reader.patience(&hedge, "after").unwrap_or(After::P95),
        max_cost: reader.amount(&hedge, "max_cost").map_or(COST_MAX, micro_usd),
    });
    Written {
        path: section.path.clone(),
        continues: reader.choice(section, "continue").and_then(Continue::from_name),
        has_weights: section.get("weights").is_some(),
        stick: reader.flag(section, "stick"),
        on_context: reader.choice(section, "on_context").and_then(OnContext::from_name),
        hedge: hedge.map(|hedge| (hedge, span("hedge"))),
        strategy: strategy.map(|strategy| (strategy, span("strategy"))),
        weights: weights.map(|weights| (weights.into_iter().filter_map(|weight| u32::try_from(weight).ok()).collect(), span("weights"))),
    }
}

impl Written {
    /// How the choice among the targets is made; what is not said is as the one entry says that all of them come from.
    pub(crate) fn choice(self, reader: &mut Reader<'_>, of: Option<&Choice>, targets: &[TargetRef], providers: &[Provider]) -> Choice {
        let inherited = of.cloned().unwrap_or_default();
        let strategy = self.strategy.map_or(inherited.strategy, |(strategy, _)| strategy);
        let weights = match &self.weights {
            Some((weights, _)) => weights.clone(),
            None if strategy == inherited.strategy => inherited.weights,
            None => Vec::new(),
        };
        self.look(reader, strategy, targets, providers);
        Choice {
            strategy,
            weights,
            is_loose: self.stick.map_or(inherited.is_loose, |stick| !stick),
            continues: self.continues.unwrap_or(inherited.continues),
            on_context: self.on_context.unwrap_or(inherited.on_context),
            hedge: self.hedge.map(|(hedge, _)| hedge).or(inherited.hedge),
        }
    }

    /// Finds what does not fit, or does nothing. Targets that lead nowhere have been reported.
    fn look(&self, reader: &mut Reader<'_>, strategy: Strategy, targets: &[TargetRef], providers: &[Provider]) {
        let mut idle = |span: Span, field: &str, message: String, label: &str| {
            reader.found(Finding::IdleChoice, span, &format!("{}.{field}", self.path), message, label);
        };
        if let Some((_, span)) = &self.weights
            && strategy != Strategy::Weighted
        {
            let message = format!("{} has weights, and the strategy `{}` goes by none", self.path, strategy.name());
            idle(*span, "weights", message, "without effect");
        }
        if let Some((strategy, span)) = self.strategy
            && strategy != Strategy::Order
            && targets.len() == 1
        {
            let message = format!("{} has one target, which leaves the strategy `{}` no choice", self.path, strategy.name());
            idle(span, "strategy", message, "without effect");
        }
        if let Some((Strategy::Weighted, span)) = self.strategy
            && !self.has_weights
        {
            let message = format!("{} is `weighted` and has no weights: each target gets as many requests", self.path);
            idle(span, "strategy", message, "the same as `round_robin`");
        }
        if let Some((_, span)) = self.hedge
            && targets.len() == 1
        {
            let message = format!("{} has one target, and no second one could be asked beside it", self.path);
            idle(span, "hedge", message, "without effect");
        }
        if let Some((weights, span)) = self.weights.as_ref().filter(|(weights, _)| !targets.is_empty() && weights.len() != targets.len()) {
            let path = format!("{}.weights", self.path);
            let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
            let message = format!("{} has {} for {}", self.path, count(weights.len(), "weight"), count(targets.len(), "target"));
            let names = targets.iter().take(SHOWN_MAX).filter_map(|target| place(target, providers));
            let help = format!("one each, in this order: {}", names.collect::<Vec<_>>().join(", "));
            reader.found_with(Diagnostic::new(Finding::Weights, *span, &path, message, "not one for each target").help(help));
        }
        let by_cost = self.strategy.filter(|(strategy, _)| *strategy == Strategy::Cost);
        if by_cost.is_none() && self.hedge.is_none() {
            return;
        }
        let unknown = targets.iter().filter(|target| targets.len() > 1 && !is_priced(target, providers));
        let names: Vec<String> = unknown.filter_map(|target| place(target, providers)).take(SHOWN_MAX).collect();
        if names.is_empty() {
            return;
        }
        if let Some((_, span)) = by_cost {
            let message = format!("{} chooses by cost, and no price is known of {}", self.path, names.join(", "));
            reader.found(Finding::CostBlind, span, &format!("{}.strategy", self.path), message, "they are tried last");
        }
        if let Some((_, span)) = self.hedge {
            let message = format!("{} asks a second target up to a cost, and no price is known of {}", self.path, names.join(", "));
            reader.found(Finding::CostBlind, span, &format!("{}.hedge", self.path), message, "they are never the second");
        }
    }
}

/// What a second target may cost without a word, in millionths of a US dollar.
const COST_MAX: u64 = 50_000;
/// The shortest and the longest wait for the first one, in seconds.
const WAITS: (f64, f64) = (0.1, 600.0);
/// How many targets a finding names.
const SHOWN_MAX: usize = 5;

fn place(target: &TargetRef, providers: &[Provider]) -> Option<String> {
    Some(format!("{}/{}", providers.get(target.provider)?.name.text, target.model))
}

fn is_priced(target: &TargetRef, providers: &[Provider]) -> bool {
    let Some(provider) = providers.get(target.provider) else { return true };
    let price = Known::of(provider.catalog, &provider.facts, &target.model).price;
    price.input.is_some() && price.output.is_some()
}

/// An amount of the config's in millionths of a US dollar.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the bounds of an amount")]
fn micro_usd(dollars: f64) -> u64 {
    (dollars * 1e6).round() as u64
}

impl Reader<'_> {
    /// `p95`, or a number of seconds.
    fn patience(&mut self, section: &Section<'_>, name: &str) -> Option<After> {
        let (field, node) = section.field(name)?;
        let (path, expected) = (section.at(name), field.kind.describe());
        let written = self.written(node.span);
        if let Some(number) = node.number() {
            let seconds = number.parse::<f64>().ok().filter(|seconds| (WAITS.0..=WAITS.1).contains(seconds));
            if seconds.is_none() {
                let message = format!("{path} is {written}, expected {expected}");
                self.found(Finding::OutOfRange, node.span, &path, message, "out of range");
            }
            return seconds.map(|seconds| After::Time(Duration::from_secs_f64(seconds)));
        }
        let text = self.text_of(node, &path, &expected)?;
        if text.text == "p95" {
            return Some(After::P95);
        }
        let message = format!("{path} is \"{written}\", expected {expected}");
        self.found(Finding::BadValue, node.span, &path, message, "neither");
        None
    }

    /// A list of whole numbers within the field's range; `None`: there is none, or it has been reported.
    fn integers(&mut self, section: &Section<'_>, name: &str) -> Option<Vec<u64>> {
        let (field, node) = section.field(name)?;
        let Kind::Integers { min, max } = field.kind else { return None };
        let (path, expected) = (section.at(name), field.kind.describe());
        let nodes = self.list(node, &path, &expected)?;
        let one = Kind::Integer { min, max }.describe();
        let numbers: Vec<u64> = nodes
            .iter()
            .enumerate()
            .filter_map(|(index, node)| self.integer_of(node, &format!("{path}[{index}]"), (min, max), &one))
            .collect();
        (numbers.len() == nodes.len()).then_some(numbers)
    }
}
