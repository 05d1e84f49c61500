//! Where a request goes and why: the rules, then the model's name. What was looked at is kept as a [`Record`] (`record.rs`).
//!
//! It lacks words: [`super::explain`] tells a record in text and JSON. Nothing here calls anybody or reads a clock, so that an
//! explanation is the decision itself. Start with [`decide`].

use std::sync::Arc;
use std::time::Instant;

use super::ability::left_out;
use super::cache::Served;
use super::estimate::expected_output;
use super::facts::Facts;
use super::figures::{Figures, Form};
use super::health::{Health, State};
use super::place::{self, Found, Standing};
use super::plan::{Named, Plan, Target, named, targets};
use super::policy::Denial;
use super::record::{Chosen, Considered, Fate, Reason, Record, Refused, Tried};
use super::sticky::{Id, Why};
use super::strategy::{Candidate, Figure, Member, cost, order, rank};
use super::table::{Choice, Continue, Hedge, Strategy, Table};

/// Where a request goes, and why.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The targets, in the order in which they are tried.
    pub plan: Plan,
    /// How it came about.
    pub record: Record,
}

impl Decision {
    /// The request goes on: where a route shares its requests out, the first target has had its turn. To be called under the
    /// same lock as [`decide`], and not for what is only explained.
    pub fn taken(&self, table: &Table, health: &mut Health) {
        let Some(of) = self.record.chosen.of(table) else { return };
        if !matches!(self.record.strategy, Strategy::Weighted | Strategy::RoundRobin) {
            return;
        }
        let (mut members, mut by) = (Vec::new(), None);
        for target in &self.record.targets {
            let Figure::Share(weight, _) = target.figure else { continue };
            by = if target.fate == Fate::Place(0) { Some(members.len()) } else { by };
            let weight = u32::try_from(weight).unwrap_or(u32::MAX);
            members.push(Member { provider: &target.provider.name, model: &target.model, weight });
        }
        if let Some(by) = by {
            health.turns.taken(of, &members, by);
        }
    }
}

/// Decides where a request goes: the first rule that fits, else what the model's name says; of its targets, those that the
/// policies let pass and that can do what is needed.
///
/// # Errors
/// When no target serves it, none may, or none can.
pub fn decide(table: &Table, facts: Facts, health: &mut Health, now: Instant) -> Result<Decision, Box<Refused>> {
    let (tried, by_rule) = rules(table, &facts);
    let policies = table.policies.iter().enumerate().map(|(rule, policy)| Tried { rule, failed: policy.fails(&facts) }).collect();
    let (chosen, strategy) = (Chosen::Nothing, Strategy::default());
    let continues = Continue::Off;
    let mut record = Record { facts, tried, policies, chosen, strategy, stick: None, continues, targets: Vec::new(), hedge: None };
    let targets = match by_rule {
        Some((index, targets)) => {
            record.chosen = Chosen::Rule(index);
            targets
        }
        None => match named(table, &record.facts.model, record.facts.dialect) {
            Ok((Named::Entry(index), targets)) => {
                record.chosen = Chosen::Entry(index);
                targets
            }
            Ok((Named::Direct, targets)) => {
                record.chosen = Chosen::Direct;
                targets
            }
            Err(error) => return Err(Box::new(Refused { record, reason: Reason::UnknownModel(error) })),
        },
    };
    let targets = left(table, targets, &mut record, health, now);
    if targets.is_empty() {
        let is_denied = record.targets.iter().all(|target| matches!(target.fate, Fate::Denied(..)));
        let reason = if is_denied { Reason::Denied } else { Reason::NoneCan };
        return Err(Box::new(Refused { record, reason }));
    }
    let choice = record.chosen.choice(table);
    let mut targets = match choice {
        Some(choice) => {
            record.continues = choice.continues;
            arranged(table, choice, targets, &mut record, health, now)
        }
        None => targets,
    };
    stick(table, &mut targets, &mut record, health, now);
    let hedge = choice.and_then(|choice| choice.hedge).filter(|_| targets.len() > 1);
    let on_context = choice.map(|choice| choice.on_context).unwrap_or_default();
    let form = Form::of(record.facts.stream);
    let patience = |hedge: Hedge, first: &Target| health.patience(hedge.after, [&first.provider.name, &first.model], form, now);
    record.hedge = hedge.zip(targets.first()).map(|(hedge, first)| (hedge, patience(hedge, first)));
    let plan = Plan { targets, route: record.chosen.name(table).to_owned(), continues: record.continues, on_context, hedge };
    Ok(Decision { plan, record })
}

/// The targets in the strategy's order; what it goes by is noted.
fn arranged(table: &Table, choice: &Choice, targets: Vec<Target>, record: &mut Record, health: &Health, now: Instant) -> Vec<Target> {
    record.strategy = choice.strategy;
    if choice.strategy == Strategy::Order {
        return targets;
    }
    let weight = |index: usize| choice.weights.get(index).copied().unwrap_or(1);
    let is_left = |target: &Considered| matches!((target.fate, target.state), (Fate::Place(_), State::Ready(_)));
    let sum = record.targets.iter().enumerate().filter(|(_, target)| is_left(target)).map(|(index, _)| u64::from(weight(index))).sum();
    let mut candidates = Vec::with_capacity(targets.len());
    for index in 0..record.targets.len() {
        let Some(target) = record.targets.get(index).filter(|target| matches!(target.fate, Fate::Place(_))) else { continue };
        let is_ready = is_left(target);
        let (figure, rank) =
            if is_ready { figure(table, choice.strategy, target, (weight(index), sum), record, health, now) } else { (Figure::None, 0) };
        candidates.push(Candidate { is_ready, rank });
        if let Some(target) = record.targets.get_mut(index) {
            target.figure = figure;
        }
    }
    let order = order(choice.strategy, &candidates);
    for target in &mut record.targets {
        if let Fate::Place(place) = &mut target.fate {
            *place = order.iter().position(|index| index == place).unwrap_or(*place);
        }
    }
    let mut targets: Vec<Option<Target>> = targets.into_iter().map(Some).collect();
    order.into_iter().filter_map(|index| targets.get_mut(index)?.take()).collect()
}

/// What a strategy goes by at a target that is ready, and the rank that it gives: the lowest goes first.
fn figure(
    table: &Table,
    strategy: Strategy,
    target: &Considered,
    (weight, sum): (u32, u64),
    record: &Record,
    health: &Health,
    now: Instant,
) -> (Figure, i64) {
    let (provider, model) = (target.provider.name.as_str(), target.model.as_str());
    let figures = health.figures(provider, model);
    match strategy {
        Strategy::Order => (Figure::None, 0),
        Strategy::Weighted | Strategy::RoundRobin => {
            let member = Member { provider, model, weight };
            let owed = record.chosen.of(table).map_or(0, |of| health.turns.owed(of, member));
            (Figure::Share(u64::from(weight), sum), owed.saturating_neg())
        }
        Strategy::LeastBusy => {
            let in_flight = figures.map_or(0, Figures::in_flight);
            (Figure::InFlight(in_flight), i64::from(in_flight))
        }
        Strategy::Latency => {
            let form = Form::of(record.facts.stream);
            let latency = figures.and_then(|figures| figures.latency(form, now));
            let is_new = figures.is_none_or(|figures| figures.is_unexplored(form, now));
            let micros = latency.map(|latency| u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
            (Figure::Content(latency), if is_new { -1 } else { rank(micros) })
        }
        Strategy::Cost => {
            let cost = cost(&target.info.price, record.facts.input_tokens, 0, expected_output(record.facts.output_tokens));
            (Figure::Cost(cost), rank(cost))
        }
    }
}

/// The targets that may be used and can do what the request needs; all of them are noted.
fn left(table: &Table, targets: Vec<Target>, record: &mut Record, health: &mut Health, now: Instant) -> Vec<Target> {
    let denials: Vec<Option<(usize, Denial)>> = targets.iter().map(|target| denial(table, &record.policies, target)).collect();
    let is_allowed: Vec<bool> = denials.iter().map(Option::is_none).collect();
    let lacks = left_out(&targets, &is_allowed, &record.facts);
    let mut left = Vec::with_capacity(targets.len());
    record.targets.reserve(targets.len());
    for ((target, denial), lack) in targets.into_iter().zip(denials).zip(lacks) {
        let fate = match (denial, lack) {
            (Some((policy, denial)), _) => Fate::Denied(policy, denial),
            (None, Some(need)) => Fate::Lacks(need),
            (None, None) => Fate::Place(left.len()),
        };
        record.targets.push(Considered {
            provider: Arc::clone(&target.provider),
            endpoint: target.endpoint,
            model: target.model.clone(),
            info: target.info,
            state: health.state(&target.provider, &target.model, now),
            figure: Figure::None,
            fate,
        });
        if matches!(fate, Fate::Place(_)) {
            left.push(target);
        }
    }
    left
}

/// A session's own target goes to the front, if it stays.
fn stick(table: &Table, targets: &mut [Target], record: &mut Record, health: &Health, now: Instant) {
    let Some(sticky) = table.sticky.as_ref().filter(|_| record.chosen.choice(table).is_none_or(|choice| !choice.is_loose)) else { return };
    let route = record.chosen.name(table);
    let name = if record.chosen == Chosen::Direct { record.facts.model.as_str() } else { "" };
    let (Some(id), Some(first)) = (Id::of(&record.facts, [route, name]), targets.first()) else { return };
    let found = |served: &Served| {
        let found = record.targets.iter().find(|target| served.is(&target.provider.name, &target.model));
        match found.map(|target| (target.fate, target.state)) {
            Some((Fate::Place(at), state)) => Found::At(at, matches!(state, State::Ready(_))),
            Some((Fate::Lacks(need), _)) => Found::Out(Why::Lacks(need)),
            Some((Fate::Denied(..), _)) => Found::Out(Why::Denied),
            None => Found::Out(Why::Gone),
        }
    };
    let is_preferred = matches!(record.strategy, Strategy::Order | Strategy::Cost);
    let standing = Standing { sessions: &health.sessions, sticky, input: record.facts.input_tokens, is_preferred, now };
    let (stick, at) = place::place(id, standing, first, found, targets);
    record.stick = Some(stick);
    if let Some(moving) = at.and_then(|at| targets.get_mut(..=at)) {
        moving.rotate_right(1);
        for target in &mut record.targets {
            if let Fate::Place(place) = &mut target.fate {
                *place = match at {
                    Some(at) if *place == at => 0,
                    Some(at) if *place < at => *place + 1,
                    _ => *place,
                };
            }
        }
    }
}

/// The first policy for the request that denies a target.
fn denial(table: &Table, tried: &[Tried], target: &Target) -> Option<(usize, Denial)> {
    let policies = tried.iter().filter(|tried| tried.failed.is_none());
    policies.filter_map(|tried| Some((tried.rule, table.policies.get(tried.rule)?.denies(target)?))).next()
}

/// The rule that is asked for by its name, as a model is; an entry of that very name goes before.
fn asked_for(table: &Table, facts: &Facts) -> Option<(usize, Vec<Target>)> {
    let index = table.rules.iter().position(|rule| rule.name == facts.model)?;
    if table.models.iter().any(|entry| entry.name.text() == facts.model) {
        return None;
    }
    let targets = targets(table, &table.rules.get(index)?.targets, facts.dialect);
    (!targets.is_empty()).then_some((index, targets))
}

/// The rules in their order, up to the first that fits, and its targets. A rule whose targets are all gone is no rule.
fn rules(table: &Table, facts: &Facts) -> (Vec<Tried>, Option<(usize, Vec<Target>)>) {
    if let Some((index, targets)) = asked_for(table, facts) {
        return (vec![Tried { rule: index, failed: None }], Some((index, targets)));
    }
    let mut tried = Vec::new();
    for (index, rule) in table.rules.iter().enumerate() {
        let failed = rule.fails(facts);
        tried.push(Tried { rule: index, failed });
        if failed.is_none() {
            let targets = targets(table, &rule.targets, facts.dialect);
            if !targets.is_empty() {
                return (tried, Some((index, targets)));
            }
        }
    }
    (tried, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::route::explain::Told;
    use crate::route::facts::Role;
    use crate::route::glob::Glob;
    use crate::route::policy::{Effect, Policy, Trait};
    use crate::route::rule::{Bounds, Condition, Fact, Rule, Test};
    use crate::route::table::{ModelEntry, TargetRef};
    use crate::route::tests::provider;

    fn refs(table: &Table, targets: &[&str]) -> Vec<TargetRef> {
        let found = targets.iter().map(|text| {
            let (left, model) = text.split_once('/').unwrap();
            TargetRef { provider: table.providers.iter().position(|known| known.name == left).unwrap(), model: model.to_owned() }
        });
        found.collect()
    }

    /// Two rules before one entry.
    fn table() -> Table {
        let mut table = Table { providers: ["anthropic", "zai"].map(|name| Arc::new(provider(name, 1))).into(), ..Table::default() };
        let rule = |name: &str, fact, test, targets: &[&str]| Rule {
            name: name.to_owned(),
            when: vec![Condition { fact, test }],
            targets: refs(&table, targets),
            choice: Choice::default(),
        };
        let background = Test::Words(vec![Glob::new("background")]);
        let long = Test::Numbers(vec![Bounds { min: 150_001, max: u64::MAX }]);
        table.rules = vec![
            rule("background", Fact::Role, background, &["zai/glm-4.7-flashx"]),
            rule("long", Fact::InputTokens, long, &["anthropic/claude-opus-4-8", "zai/glm-5.2"]),
        ];
        let targets = refs(&table, &["zai/glm-5.2"]);
        table.models = vec![ModelEntry { name: Glob::new("claude-*"), targets, choice: Choice::default() }];
        table
    }

    fn decided(facts: Facts) -> (Table, Result<Decision, Box<Refused>>) {
        let table = table();
        let decision = decide(&table, facts, &mut Health::default(), Instant::now());
        (table, decision)
    }

    fn asking(model: &str) -> Facts {
        Facts { model: model.to_owned(), ..Facts::default() }
    }

    #[test]
    fn a_rule_is_asked_for_by_its_name_unless_an_entry_has_it() {
        let mut table = table();
        let decided = |table: &Table, model: &str| {
            let Decision { plan, record } = decide(table, asking(model), &mut Health::default(), Instant::now()).unwrap();
            (plan.route, record.chosen.word())
        };
        assert_eq!(decided(&table, "long"), ("long".to_owned(), "rule"));
        let targets = refs(&table, &["zai/glm-5.2"]);
        table.models.push(ModelEntry { name: Glob::new("long"), targets, choice: Choice::default() });
        assert_eq!(decided(&table, "long"), ("long".to_owned(), "entry"));
    }

    #[test]
    fn the_first_rule_that_fits_goes_before_the_name() {
        for (facts, route, first) in [
            (Facts { role: Role::Background, ..asking("claude-opus-4-8") }, "background", "zai/glm-4.7-flashx"),
            (Facts { role: Role::Background, input_tokens: 200_000, ..asking("x") }, "background", "zai/glm-4.7-flashx"),
            (Facts { input_tokens: 150_001, ..asking("nobody") }, "long", "anthropic/claude-opus-4-8"),
            (Facts { input_tokens: 150_000, ..asking("claude-x") }, "claude-*", "zai/glm-5.2"),
            (asking("anthropic/claude-sonnet-5"), "direct", "anthropic/claude-sonnet-5"),
        ] {
            let what = format!("{facts:?}");
            let (_, decision) = decided(facts);
            let plan = decision.unwrap().plan;
            let target = &plan.targets[0];
            assert_eq!((plan.route.as_str(), format!("{}/{}", target.provider.name, target.model)), (route, first.to_owned()), "{what}");
        }
    }

    #[test]
    fn a_record_tells_each_rule_and_why_it_does_not_fit() {
        let (table, decision) = decided(Facts { tools: 3, input_tokens: 9, ..asking("claude-x") });
        let told = Told::of(&decision.unwrap().record, &table);
        let expected = "request  role main, dialect anthropic, model claude-x, tools 3, input_tokens 9
role     main: nothing says otherwise
needs    tools, a window of 9 tokens
unsure   role: nothing that this program sends tells it (a model could be asked to judge; aimux asks none)
rules    background: no: role is main, not background
         long: no: input_tokens is 9, not >150000
decided  by models.\"claude-*\"; strategy order: as the config lists them
targets  1 zai/glm-5.2: ready
";
        assert_eq!(told.text(), expected);
        assert_eq!(
            told.line(),
            "entry claude-*: zai/glm-5.2 (ready); not background: role is main, not background; not long: input_tokens is 9, not >150000"
        );
        let json = serde_json::to_value(&told).unwrap();
        assert_eq!(json["rules"][0]["why"], "role is main, not background");
        assert_eq!((&json["by"], &json["route"], &json["targets"][0]["place"]), (&"entry".into(), &"claude-*".into(), &1.into()));
        assert_eq!(json["facts"].as_array().unwrap().len(), Fact::ALL.len());
    }

    #[test]
    fn a_name_that_leads_nowhere_is_refused_with_what_was_tried() {
        let (table, decision) = decided(asking("glm-5.3"));
        let refused = decision.unwrap_err();
        assert_eq!(refused.record.tried.len(), 2);
        assert_eq!((refused.error(&table).code, refused.record.chosen), (Code::UnknownModel, Chosen::Nothing));
        assert!(refused.error(&table).advice().contains("glm-5.2"), "{}", refused.error(&table).advice());
        assert!(Told::of(&refused.record, &table).text().contains("nothing: no target serves the model"));
    }

    #[test]
    fn a_rule_without_conditions_takes_everything_and_one_without_targets_nothing() {
        let mut table = table();
        table.rules[0].when.clear();
        table.rules[0].targets.clear();
        table.rules[1].when.clear();
        let decision = decide(&table, asking("whatever"), &mut Health::default(), Instant::now()).unwrap();
        assert_eq!((decision.plan.route.as_str(), decision.plan.targets.len()), ("long", 2));
    }

    #[test]
    fn policies_are_asked_of_each_target_and_the_first_that_denies_is_named() {
        let mut table = table();
        let policy = |name: &str, project: Option<&str>, effect, of| Policy {
            name: name.to_owned(),
            when: project.map(|glob| Condition { fact: Fact::Project, test: Test::Words(vec![Glob::new(glob)]) }).into_iter().collect(),
            effect,
            of: vec![of],
        };
        table.policies = vec![
            policy("no-zai-for-acme", Some("acme-*"), Effect::Deny, Trait::Provider(vec![Glob::new("zai")])),
            policy("cheap", None, Effect::Allow, Trait::PriceOutput(0.0, 10.0)),
            policy("also", Some("acme-*"), Effect::Deny, Trait::Model(vec![Glob::new("glm-*")])),
        ];
        let long = Facts { input_tokens: 160_000, ..asking("claude-x") };
        let acme = Facts { project: Some("acme-web".to_owned()), ..long.clone() };
        let decide = |facts: &Facts| decide(&table, facts.clone(), &mut Health::default(), Instant::now());
        // claude-opus costs more than ten dollars.
        assert_eq!(decide(&long).unwrap().plan.targets.iter().map(|target| target.model.as_str()).collect::<Vec<_>>(), ["glm-5.2"]);
        let refused = decide(&acme).unwrap_err();
        assert_eq!((&refused.reason, refused.error(&table).code), (&Reason::Denied, Code::Denied));
        let sentence = "no target of \"claude-x\" may be used: anthropic/claude-opus-4-8 is denied by the policy \"cheap\", \
                        zai/glm-5.2 is denied by the policy \"no-zai-for-acme\"";
        assert_eq!(refused.error(&table).message, sentence);
        let told = Told::of(&refused.record, &table);
        assert!(told.text().contains("- zai/glm-5.2: left out: denied by the policy no-zai-for-acme"), "{}", told.text());
        assert!(told.policies.iter().all(|policy| policy.fits));
        assert!(Told::of(&decide(&long).unwrap().record, &table).policies[0].why.contains("project is not known"));
    }

    #[test]
    fn a_target_that_may_and_one_that_can_are_not_the_same_target() {
        let mut table = table();
        table.policies = vec![Policy {
            name: "no-anthropic".to_owned(),
            when: Vec::new(),
            effect: Effect::Deny,
            of: vec![Trait::Provider(vec![Glob::new("anthropic")])],
        }];
        // glm-5.2 sees no images, and the other one may not.
        let facts = Facts { input_tokens: 160_000, images: 1, images_now: 1, ..asking("claude-x") };
        let refused = decide(&table, facts, &mut Health::default(), Instant::now()).unwrap_err();
        assert_eq!(refused.error(&table).code, Code::NoneCan);
        let message = refused.error(&table).message;
        assert!(message.contains("zai/glm-5.2 sees no images") && message.contains("policy \"no-anthropic\""), "{message}");
    }
}
