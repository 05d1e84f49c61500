//! What is made of a request before any rule is asked: what it needs, how its role was told, and how sure that is.
//!
//! A model is never asked to judge a request. Where one would be, because rules go by something that the request does not tell, the
//! analysis says so. Start with [`Analysis::of`].

use serde::{Deserialize, Serialize};

use super::ability::Need;
use super::facts::{Evidence, Facts};
use super::record::Record;
use super::rule::{Bounds, Condition, Fact, Test};
use super::table::Table;

/// What is made of a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Analysis {
    /// What a target must be able to do.
    pub needs: Vec<String>,
    /// What tells the role.
    pub role_by: String,
    /// What the rules go by and is not sure, a sentence each.
    pub unsure: Vec<String>,
    /// Whether a model-based judge would be asked, if there were one.
    pub judge: bool,
}

/// How far off an estimate of tokens may be.
const DOUBT_PERCENT: u64 = 15;

impl Analysis {
    /// The analysis of a record's request, for the rules of `table`.
    #[must_use]
    pub fn of(record: &Record, table: &Table) -> Self {
        let facts = &record.facts;
        let rules = record.tried.iter().filter_map(|tried| table.rules.get(tried.rule)).flat_map(|rule| &rule.when);
        let policies = record.policies.iter().filter_map(|tried| table.policies.get(tried.rule)).flat_map(|policy| &policy.when);
        let mut unsure: Vec<String> = rules.chain(policies).filter_map(|condition| doubt(condition, facts)).collect();
        unsure.sort();
        unsure.dedup();
        Self {
            needs: Need::ALL.into_iter().filter(|need| need.is_wanted(facts)).map(|need| need.name().to_owned()).collect(),
            role_by: facts.role_by.words().to_owned(),
            judge: !unsure.is_empty(),
            unsure,
        }
    }
}

/// Why it is not sure that a condition holds, or that it does not.
fn doubt(condition: &Condition, facts: &Facts) -> Option<String> {
    match (condition.fact, &condition.test) {
        (Fact::Role, _) if facts.role_by == Evidence::Nothing => Some("role: nothing that this program sends tells it".to_owned()),
        (Fact::InputTokens, Test::Numbers(bounds)) => {
            let edge = bounds.iter().flat_map(|Bounds { min, max }| [*min, *max]).find(|edge| is_near(facts.input_tokens, *edge))?;
            Some(format!("input_tokens: the estimate of {} is within {DOUBT_PERCENT} % of {edge}", facts.input_tokens))
        }
        _ => None,
    }
}

fn is_near(estimate: u64, edge: u64) -> bool {
    let is_edge = edge > 0 && edge < u64::MAX;
    is_edge && estimate.abs_diff(edge).saturating_mul(100) <= edge.saturating_mul(DOUBT_PERCENT)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::route::facts::Role;
    use crate::route::glob::Glob;
    use crate::route::rule::Rule;
    use crate::route::{Health, decide};

    fn analysed(when: Vec<Condition>, facts: Facts) -> Analysis {
        let rule = Rule { name: "r".to_owned(), when, targets: Vec::new(), choice: crate::route::table::Choice::default() };
        let table = Table { rules: vec![rule], ..Table::default() };
        let refused = decide(&table, facts, &mut Health::default(), Instant::now()).unwrap_err();
        Analysis::of(&refused.record, &table)
    }

    #[test]
    fn a_judge_would_be_asked_only_for_what_the_rules_go_by() {
        let role = || vec![Condition { fact: Fact::Role, test: Test::Words(vec![Glob::new("background")]) }];
        let of = |role_by| Facts { role: Role::Main, role_by, ..Facts::default() };
        let unsure = analysed(role(), of(Evidence::Nothing));
        assert!(unsure.judge && unsure.unsure[0].starts_with("role: "), "{unsure:?}");
        assert!(!analysed(role(), of(Evidence::Program)).judge);
        assert!(!analysed(Vec::new(), of(Evidence::Nothing)).judge);
    }

    #[test]
    fn an_estimate_near_a_bound_is_not_sure() {
        let long = || vec![Condition { fact: Fact::InputTokens, test: Test::Numbers(vec![Bounds { min: 1000, max: u64::MAX }]) }];
        for (input_tokens, judge) in [(849, false), (850, true), (1000, true), (1150, true), (1151, false), (u64::MAX, false)] {
            assert_eq!(analysed(long(), Facts { input_tokens, ..Facts::default() }).judge, judge, "{input_tokens}");
        }
    }

    #[test]
    fn needs_are_those_that_a_target_is_held_to() {
        let facts = Facts { tools: 1, images_now: 1, documents_now: 1, structured: true, input_tokens: 9, ..Facts::default() };
        assert_eq!(analysed(Vec::new(), facts).needs, ["tools", "images", "documents", "structured", "context"]);
        assert_eq!(analysed(Vec::new(), Facts { images: 3, input_tokens: 0, ..Facts::default() }).needs, Vec::<String>::new());
    }
}
