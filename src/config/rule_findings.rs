//! What the rules and policies mean together: rules that are never reached, rules whose targets cannot do what they are for,
//! policies that cannot judge. Each is a warning: a request still goes somewhere, or is refused with a reason.
//!
//! Start with [`look`].

use super::diagnostic::{Diagnostic, Finding, Span};
use super::providers::Provider;
use super::reader::Reader;
use crate::provider::models::Known;
use crate::route::glob::Glob;
use crate::route::policy::{Policy, Trait};
use crate::route::rule::{Bounds, Condition, Fact, Rule, Test};
use crate::route::table::TargetRef;

/// A rule or policy and where it stands.
pub(crate) struct Placed<T> {
    /// The rule or policy.
    pub(crate) what: T,
    /// Its path, `routes[0]` say.
    pub(crate) path: String,
    /// Where its name stands.
    pub(crate) name: Span,
    /// Where its targets, or its verdict, stand.
    pub(crate) targets: Span,
}

/// Looks at rules and policies.
pub(crate) fn look(
    reader: &mut Reader<'_>,
    rules: &[Placed<Rule>],
    policies: &[Placed<Policy>],
    used: &[TargetRef],
    providers: &[Provider],
) {
    for (index, rule) in rules.iter().enumerate() {
        if let Some(first) = rules.iter().take(index).find(|first| takes_all(&first.what, &rule.what)) {
            let (line, _) = reader.report.position(first.name);
            let message =
                format!("rule \"{}\" is never reached: \"{}\" in line {line} takes all that fits it", rule.what.name, first.what.name);
            reader.found(Finding::RuleUnreached, rule.name, &rule.path, message, "never reached");
        }
        lacks(reader, rule, providers);
    }
    for policy in policies {
        blind(reader, policy, used, providers);
    }
}

/// Whether every request that fits the second rule fits the first.
fn takes_all(first: &Rule, second: &Rule) -> bool {
    first.when.iter().all(|condition| is_always(condition) || second.when.iter().any(|other| implies(other, condition)))
}

/// Whether a condition holds for every request.
fn is_always(condition: &Condition) -> bool {
    let is_known = matches!(condition.fact, Fact::Role | Fact::Model | Fact::Dialect);
    match &condition.test {
        Test::Words(globs) => is_known && globs.iter().any(|glob| glob.matches("\u{0}")),
        Test::Numbers(bounds) => bounds.contains(&Bounds::ALL),
        Test::Flag(_) => false,
    }
}

/// Whether what fits `condition` fits `wanted`.
fn implies(condition: &Condition, wanted: &Condition) -> bool {
    // What has come since the user last spoke is in the conversation.
    let of_now = matches!((condition.fact, wanted.fact), (Fact::ImagesNow, Fact::Images) | (Fact::DocumentsNow, Fact::Documents));
    if condition.fact != wanted.fact && !of_now {
        return false;
    }
    let max = |bounds: &Bounds| if of_now { u64::MAX } else { bounds.max };
    match (&condition.test, &wanted.test) {
        (Test::Flag(one), Test::Flag(other)) => one == other,
        (Test::Words(words), Test::Words(others)) => words.iter().all(|word| others.iter().any(|other| takes(other, word))),
        (Test::Numbers(all), Test::Numbers(others)) => {
            all.iter().all(|bounds| others.iter().any(|other| other.min <= bounds.min && max(bounds) <= other.max))
        }
        _ => false,
    }
}

/// Whether every name that fits `narrow` fits `wide`: no pattern has this character as a literal, so only a star takes it.
fn takes(wide: &Glob, narrow: &Glob) -> bool {
    wide.matches(&narrow.text().replace('*', "\u{0}"))
}

/// Finds targets of a rule that cannot do what the rule is for.
fn lacks(reader: &mut Reader<'_>, rule: &Placed<Rule>, providers: &[Provider]) {
    let at_least = |fact: Fact| {
        let condition = rule.what.when.iter().find(|condition| condition.fact == fact)?;
        if let Test::Numbers(bounds) = &condition.test { bounds.iter().map(|bounds| bounds.min).min() } else { None }
    };
    let wants = |fact: Fact| at_least(fact).is_some_and(|min| min > 0);
    for target in &rule.what.targets {
        let Some(provider) = providers.get(target.provider) else { continue };
        let known = Known::of(provider.catalog, &provider.facts, &target.model);
        let place = format!("{}/{}", provider.name.text, target.model);
        let mut found = |finding, why: String| {
            let message = format!("rule \"{}\" is for {why}", rule.what.name);
            reader.found(finding, rule.targets, &rule.path, message, format!("{place} is left out"));
        };
        if wants(Fact::Tools) && known.tools == Some(false) {
            found(Finding::RuleTools, format!("requests with tools, and {place} takes none"));
        }
        if (wants(Fact::Images) || wants(Fact::ImagesNow)) && known.images == Some(false) {
            found(Finding::RuleImages, format!("requests with images, and {place} sees none"));
        }
        if (wants(Fact::Documents) || wants(Fact::DocumentsNow)) && known.pdf == Some(false) {
            found(Finding::RuleImages, format!("requests with documents, and {place} is not known to read any"));
        }
        if let (Some((promised, amount)), Some(window)) = (promised(&rule.what), known.context)
            && window < promised
        {
            found(Finding::RuleContext, format!("{amount} tokens of input, and {place} has a window of {window}"));
        }
    }
}

/// The longest input that a rule says it is for: its upper bound, else its lower one. And the same in words.
fn promised(rule: &Rule) -> Option<(u64, String)> {
    let condition = rule.when.iter().find(|condition| condition.fact == Fact::InputTokens)?;
    let Test::Numbers(bounds) = &condition.test else { return None };
    let largest = bounds.iter().max_by_key(|bounds| if bounds.max == u64::MAX { bounds.min } else { bounds.max })?;
    Some(match largest.max {
        u64::MAX => (largest.min, format!("{} and more", largest.min)),
        max => (max, format!("up to {max}")),
    })
}

/// Finds what a policy asks of targets and nobody has said.
fn blind(reader: &mut Reader<'_>, policy: &Placed<Policy>, used: &[TargetRef], providers: &[Provider]) {
    for part in &policy.what.of {
        let mut blind: Vec<String> = Vec::new();
        for provider in providers {
            let lacks = match part {
                Trait::Region(_) => provider.region.is_empty(),
                Trait::Data(_) => provider.data.is_empty(),
                _ => false,
            };
            if lacks {
                blind.push(provider.name.text.clone());
            }
        }
        for target in used {
            let Some(provider) = providers.get(target.provider) else { continue };
            let known = Known::of(provider.catalog, &provider.facts, &target.model);
            let lacks = match part {
                Trait::PriceInput(..) => known.price.input.is_none(),
                Trait::PriceOutput(..) => known.price.output.is_none(),
                Trait::Context(..) => known.context.is_none(),
                _ => false,
            };
            let place = format!("{}/{}", provider.name.text, target.model);
            if lacks && !blind.contains(&place) {
                blind.push(place);
            }
        }
        if blind.is_empty() {
            continue;
        }
        let shown: Vec<&str> = blind.iter().take(SHOWN_MAX).map(String::as_str).collect();
        let more = if blind.len() > SHOWN_MAX { format!(" and {} more", blind.len() - SHOWN_MAX) } else { String::new() };
        let message =
            format!("policy \"{}\" goes by the {}, which is not known of {}{more}", policy.what.name, part.word(), shown.join(", "));
        let diagnostic = Diagnostic::new(Finding::PolicyBlind, policy.targets, &policy.path, message, "they are denied");
        reader.found_with(diagnostic);
    }
}

/// How many providers or targets a finding names.
const SHOWN_MAX: usize = 5;
