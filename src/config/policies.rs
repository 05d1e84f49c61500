//! `policies`: reads for which requests they are and what they say of targets.
//!
//! Start with [`read`].

use std::collections::HashMap;

use super::diagnostic::{Diagnostic, Finding};
use super::fields;
use super::reader::{Reader, Section};
use super::routes::{conditions, name, words_of};
use super::rule_findings::Placed;
use super::tree::Node;
use crate::route::glob::Glob;
use crate::route::policy::{Effect, Policy, Trait};

/// Reads the policies. One that is not whole is left out, and has been reported as an error: no config goes on without it.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Vec<Placed<Policy>> {
    let mut policies = Vec::new();
    let mut names: HashMap<String, usize> = HashMap::new();
    if node.is_null() {
        return policies;
    }
    for (index, node) in reader.list(node, "policies", "a list of policies").unwrap_or_default().iter().enumerate() {
        let section = reader.section(node, &format!("policies[{index}]"), fields::POLICY);
        let name = name(reader, &section, "policy", &mut names);
        let when = reader.inner(&section, "when").map(|when| conditions(reader, &when)).unwrap_or_default();
        let verdict = verdict(reader, &section);
        if let (Some(name), Some((effect, of))) = (name, verdict) {
            let path = section.path.clone();
            let at = |field: &str| section.get(field).map(|node| node.span);
            let (named, verdict) = (at("name").unwrap_or(section.span), at("deny").or_else(|| at("allow")).unwrap_or(section.span));
            policies.push(Placed { what: Policy { name, when, effect, of }, path, name: named, targets: verdict });
        }
    }
    policies
}

fn verdict(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<(Effect, Vec<Trait>)> {
    let (effect, word) = match (section.get("deny"), section.get("allow")) {
        (Some(_), None) => (Effect::Deny, "deny"),
        (None, Some(_)) => (Effect::Allow, "allow"),
        (Some(_), Some(allow)) => {
            let message = format!("{} has `deny` and `allow`", section.path);
            let diagnostic = Diagnostic::new(Finding::Contradiction, allow.span, &section.path, message, "a second verdict");
            reader.found_with(diagnostic.help("make two policies of it"));
            return None;
        }
        (None, None) => {
            if section.lacks("deny") && section.lacks("allow") {
                let message = format!("{} has neither `deny` nor `allow`", section.path);
                reader.found(Finding::Missing, section.span, &section.path, message, "no verdict");
            }
            return None;
        }
    };
    let inner = reader.inner(section, word)?;
    let traits = traits(reader, &inner);
    let node = section.get(word)?;
    if traits.is_empty() && !inner.has_entries() {
        let path = section.at(word);
        let diagnostic = Diagnostic::new(Finding::Empty, node.span, &path, format!("{path} names no targets"), "empty");
        reader.found_with(diagnostic.help("`provider: \"*\"` stands for all of them"));
    }
    Some((effect, traits))
}

fn traits(reader: &mut Reader<'_>, section: &Section<'_>) -> Vec<Trait> {
    let globs = |reader: &mut Reader<'_>, name: &str| -> Option<Vec<Glob>> {
        let path = section.at(name);
        Some(words_of(reader, section.get(name)?, &path, None))
    };
    let words = [
        globs(reader, "provider").map(Trait::Provider),
        globs(reader, "model").map(Trait::Model),
        globs(reader, "region").map(Trait::Region),
        globs(reader, "data").map(Trait::Data),
    ];
    let prices = |reader: &mut Reader<'_>, low: &str, high: &str| {
        let (min, max) = (reader.amount(section, low), reader.amount(section, high));
        (min.is_some() || max.is_some()).then(|| ordered(reader, section, high, min.unwrap_or(0.0), max.unwrap_or(f64::INFINITY)))
    };
    let (min, max) = (reader.integer(section, "context_min"), reader.integer(section, "context_max"));
    let context =
        (min.is_some() || max.is_some()).then(|| ordered(reader, section, "context_max", min.unwrap_or(0), max.unwrap_or(u64::MAX)));
    let numbers = [
        prices(reader, "price_input_min", "price_input_max").map(|(min, max)| Trait::PriceInput(min, max)),
        prices(reader, "price_output_min", "price_output_max").map(|(min, max)| Trait::PriceOutput(min, max)),
        context.map(|(min, max)| Trait::Context(min, max)),
    ];
    words.into_iter().chain(numbers).flatten().collect()
}

/// Both bounds, having found a lower one that is above the other.
fn ordered<T: PartialOrd>(reader: &mut Reader<'_>, section: &Section<'_>, high: &str, min: T, max: T) -> (T, T) {
    if min > max
        && let Some(node) = section.get(high)
    {
        let path = section.at(high);
        let message = format!("{path} is lower than {}", path.replace("_max", "_min"));
        reader.found(Finding::OutOfRange, node.span, &path, message, "too low");
    }
    (min, max)
}
