//! The strategies over thousands of made-up requests: what share of them each target gets.
//!
//! A request is decided and sent at once, and ends after a time that is its target's own: nothing fails here. What failure does
//! to an order is the attempts' affair.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{MS, Random, S, provider};
use crate::provider::models::{Known, Price};
use crate::route::attempts::Attempts;
use crate::route::decide::{Decision, decide};
use crate::route::explain::Told;
use crate::route::facts::Facts;
use crate::route::figures::Form;
use crate::route::glob::Glob;
use crate::route::health::Health;
use crate::route::plan::Target;
use crate::route::step::{Happened, Step};
use crate::route::table::{After, Choice, Hedge, ModelEntry, Strategy, Table, TargetRef};

/// Providers `p0`, `p1`, …, each with one model, behind one name.
pub(super) fn table(strategy: Strategy, weights: &[u32], prices: &[Option<(f64, f64)>]) -> Table {
    let providers = prices.iter().enumerate().map(|(index, price)| {
        let price = price.map_or(Known::NOTHING.price, |(input, output)| Price {
            input: Some(input),
            output: Some(output),
            ..Known::NOTHING.price
        });
        let facts = vec![("m".to_owned(), Known { price, ..Known::NOTHING })];
        Arc::new(crate::route::Provider { catalog: "", facts, ..provider(&format!("p{index}"), 1) })
    });
    let targets = (0..prices.len()).map(|provider| TargetRef { provider, model: "m".to_owned() }).collect();
    let choice = Choice { strategy, weights: weights.to_vec(), ..Choice::default() };
    let models = vec![ModelEntry { name: Glob::new("*"), targets, choice }];
    Table { providers: providers.collect(), models, ..Table::default() }
}

/// A world in which every target answers, each in its own time.
struct World {
    table: Table,
    health: Health,
    now: Instant,
    /// What is under way: when it has its content, or ends.
    events: BinaryHeap<Reverse<(Instant, usize)>>,
    asks: Vec<(Attempts, usize, bool)>,
    /// Requests by target.
    got: Vec<usize>,
}

impl World {
    fn new(strategy: Strategy, weights: &[u32], count: usize) -> Self {
        let table = table(strategy, weights, &vec![None; count]);
        let (events, asks, got) = (BinaryHeap::new(), Vec::new(), vec![0; count]);
        Self { table, health: Health::default(), now: Instant::now(), events, asks, got }
    }

    fn decide(&mut self, facts: Facts) -> Decision {
        decide(&self.table, facts, &mut self.health, self.now).unwrap()
    }

    /// A request arrives; its content comes and it ends after what the target says. Gives the target.
    fn ask(&mut self, times: impl Fn(usize) -> (Duration, Duration)) -> usize {
        let decision = self.decide(Facts { model: "x".to_owned(), stream: true, ..Facts::default() });
        decision.taken(&self.table, &mut self.health);
        let mut attempts = Attempts::new(&decision.plan, &self.table.retry, self.table.breaker.as_ref(), self.now, 1).in_form(Form::Stream);
        let step = attempts.next(self.now, &Happened::Begin, &mut self.health);
        let Step::Send { target, .. } = step else { panic!("{step:?}") };
        let target = number(&decision.plan.targets[target]);
        self.got[target] += 1;
        let (content, end) = times(target);
        self.events.push(Reverse((self.now + content, self.asks.len())));
        self.asks.push((attempts, target, false));
        let index = self.asks.len() - 1;
        self.events.push(Reverse((self.now + content.max(end), index)));
        target
    }

    /// Time passes.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(Reverse((at, _))) = self.events.peek()
            && *at <= until
        {
            let Some(Reverse((at, index))) = self.events.pop() else { return };
            self.now = at;
            let (attempts, _, has_content) = &mut self.asks[index];
            if *has_content {
                attempts.finish(at, &mut self.health, true);
            } else {
                *has_content = true;
                assert_eq!(attempts.next(at, &Happened::Content, &mut self.health), Step::Commit);
            }
        }
        self.now = until;
    }

    /// The shares in percent.
    fn shares(&mut self) -> Vec<usize> {
        let sum: usize = self.got.iter().sum();
        std::mem::take(&mut self.got).iter().map(|got| (got * 100 + sum / 2) / sum).collect()
    }

    fn run(&mut self, count: usize, every: Duration, times: impl Fn(usize) -> (Duration, Duration)) -> Vec<usize> {
        self.got = vec![0; self.table.providers.len()];
        for _ in 0..count {
            self.ask(&times);
            self.pass(every);
        }
        self.shares()
    }
}

fn number(target: &Target) -> usize {
    target.provider.name.trim_start_matches('p').parse().unwrap()
}

const REQUESTS: usize = 10_000;

#[test]
fn order_sends_all_to_the_first() {
    let mut world = World::new(Strategy::Order, &[], 3);
    assert_eq!(world.run(REQUESTS, 10 * MS, |_| (S, 2 * S)), [100, 0, 0]);
}

#[test]
fn round_robin_gives_each_as_many_in_turn() {
    let mut world = World::new(Strategy::RoundRobin, &[], 3);
    let first: Vec<usize> = (0..6).map(|_| world.ask(|_| (MS, MS))).collect();
    assert_eq!(first, [0, 1, 2, 0, 1, 2]);
    world.got = vec![0; 3];
    (0..9_999).for_each(|_| _ = world.ask(|_| (MS, MS)));
    assert_eq!(world.got, [3333, 3333, 3333]);
}

#[test]
fn weights_are_kept_to_the_request_and_spread_evenly() {
    let mut world = World::new(Strategy::Weighted, &[5, 1, 1], 3);
    let first: Vec<usize> = (0..7).map(|_| world.ask(|_| (MS, MS))).collect();
    assert_eq!(first, [0, 0, 1, 0, 2, 0, 0]);
    world.got = vec![0; 3];
    (0..7 * 1429).for_each(|_| _ = world.ask(|_| (MS, MS)));
    assert_eq!(world.got, [5 * 1429, 1429, 1429]);
}

#[test]
fn weights_without_a_share_for_who_rests_are_shared_by_the_others() {
    let mut world = World::new(Strategy::Weighted, &[2, 1, 1], 3);
    let now = world.now;
    world.health.started(&world.table.providers[0], 0, "m", (0, Form::Stream), now);
    world.health.key_limited("p0", 0, "m", now, Some(60 * S));
    assert_eq!(world.run(1000, 10 * MS, |_| (MS, MS)), [0, 50, 50]);
    world.pass(60 * S);
    assert_eq!(world.run(REQUESTS, MS, |_| (MS, MS)), [50, 25, 25], "what was missed is not made up for");
}

#[test]
fn other_weights_after_a_reload_begin_anew() {
    let mut world = World::new(Strategy::Weighted, &[1000, 1], 2);
    (0..500).for_each(|_| _ = world.ask(|_| (MS, MS)));
    world.table.models[0].choice.weights = vec![1, 1];
    world.got = vec![0; 2];
    (0..10).for_each(|_| _ = world.ask(|_| (MS, MS)));
    assert_eq!(world.got, [5, 5]);
}

#[test]
fn an_explanation_takes_no_turn() {
    let mut world = World::new(Strategy::RoundRobin, &[], 2);
    for _ in 0..10 {
        let facts = Facts { model: "x".to_owned(), ..Facts::default() };
        assert_eq!(number(&world.decide(facts).plan.targets[0]), 0);
    }
    assert_eq!((world.ask(|_| (MS, MS)), world.ask(|_| (MS, MS))), (0, 1));
}

#[test]
fn least_busy_gives_to_each_by_how_soon_it_is_done() {
    let mut world = World::new(Strategy::LeastBusy, &[], 2);
    // Twenty a second, of which each takes a second here and three there.
    let shares = world.run(REQUESTS, 50 * MS, |target| (MS, [S, 3 * S][target]));
    assert!((73..=77).contains(&shares[0]), "{shares:?}");
    let most = (0..2).map(|target| world.health.figures(&format!("p{target}"), "m").unwrap().in_flight()).collect::<Vec<_>>();
    assert!(most[0].abs_diff(most[1]) <= 1, "{most:?}");
}

#[test]
fn latency_prefers_the_quick_and_comes_back_to_one_that_recovered() {
    let mut world = World::new(Strategy::Latency, &[], 3);
    let slow = |target: usize| ([300 * MS, 2 * S, 900 * MS][target], 3 * S);
    let shares = world.run(REQUESTS, 50 * MS, slow);
    assert!(shares[0] >= 98, "{shares:?}");
    assert!(world.asks.iter().any(|ask| ask.1 == 1) && world.asks.iter().any(|ask| ask.1 == 2), "each is measured");
    // The quick one gets slow: it is left at once, and looked at now and then.
    let changed = |target: usize| ([5 * S, 2 * S, 900 * MS][target], 6 * S);
    let shares = world.run(REQUESTS, 50 * MS, changed);
    assert!(shares[2] >= 95 && shares[0] <= 3, "{shares:?}");
    // It recovers, and gets them again within some half-lives.
    world.run(REQUESTS, 50 * MS, slow);
    let shares = world.run(REQUESTS, 50 * MS, slow);
    assert!(shares[0] >= 98, "{shares:?}");
}

#[test]
fn latency_leaves_a_target_that_hangs_before_any_request_has_ended() {
    let mut world = World::new(Strategy::Latency, &[], 2);
    world.run(100, 100 * MS, |target| ([300 * MS, 900 * MS][target], S));
    let hangs = |target: usize| ([600 * S, 900 * MS][target], S);
    let before = world.got.len();
    assert_eq!(before, 0);
    let shares = world.run(1000, 100 * MS, hangs);
    assert!(shares[1] >= 97, "{shares:?}");
}

#[test]
fn cost_goes_by_the_requests_size() {
    let prices = [Some((1.0, 20.0)), Some((3.0, 4.0)), None, Some((0.5, 100.0))];
    let table = table(Strategy::Cost, &[], &prices);
    let mut health = Health::default();
    let mut first = |input_tokens: u64, output_tokens: u64| {
        let facts = Facts { model: "x".to_owned(), input_tokens, output_tokens, ..Facts::default() };
        let decision = decide(&table, facts, &mut health, Instant::now()).unwrap();
        let order: Vec<usize> = decision.plan.targets.iter().map(number).collect();
        assert_eq!(order.last(), Some(&2), "an unknown price is last");
        (order[0], Told::of(&decision.record, &table).line())
    };
    assert_eq!(first(1_000, 0).0, 1);
    assert_eq!(first(20_000, 0).0, 0);
    assert_eq!(first(1_000_000, 0).0, 3);
    let (target, line) = first(7_000, 100);
    assert_eq!(target, 0, "little output is asked for");
    assert_eq!(
        line,
        "entry *: p0/m (ready, about $0.0090) p3/m (ready, about $0.0135) p1/m (ready, about $0.0214) p2/m (ready, its price not known)"
    );
}

#[test]
fn each_strategy_tells_what_it_went_by() {
    for (strategy, told, name) in [
        (Strategy::Weighted, "targets  1 p0/m: ready, 3 of 4 requests\n         2 p1/m: ready, 1 of 4 requests\n", Some("share_percent")),
        (Strategy::RoundRobin, "targets  1 p1/m: ready, 1 of 2 requests\n         2 p0/m: ready, 1 of 2 requests\n", Some("share_percent")),
        (Strategy::LeastBusy, "targets  1 p1/m: ready\n         2 p0/m: ready, 1 in flight\n", Some("in_flight")),
        (Strategy::Latency, "targets  1 p1/m: ready, content in 0.30 s\n         2 p0/m: ready, content in 0.60 s\n", Some("content_ms")),
        (Strategy::Cost, "targets  1 p0/m: ready, its price not known\n         2 p1/m: ready, its price not known\n", Some("micro_usd")),
        (Strategy::Order, "targets  1 p0/m: ready, 1 in flight\n         2 p1/m: ready\n", None),
    ] {
        let weights: &[u32] = if strategy == Strategy::Weighted { &[3, 1] } else { &[] };
        let mut world = World::new(strategy, weights, 2);
        for provider in 0..2 {
            let (provider, now) = (Arc::clone(&world.table.providers[provider]), world.now);
            world.health.started(&provider, 0, "m", (0, Form::Stream), now);
            let wait = if provider.name == "p0" { 600 * MS } else { 300 * MS };
            world.health.content(&provider.name, "m", Form::Stream, now - wait, now);
            world.health.ended(&provider.name, 0, "m", (Form::Stream, None), now);
        }
        if strategy != Strategy::Latency {
            world.ask(|_| (10 * S, 10 * S));
        }
        let decision = world.decide(Facts { model: "x".to_owned(), stream: true, ..Facts::default() });
        let told_of = Told::of(&decision.record, &world.table);
        assert!(told_of.text().ends_with(told), "{strategy:?}: {}", told_of.text());
        assert_eq!(told_of.targets[0].figure.as_ref().map(|figure| figure.name.as_ref()), name);
        let json: serde_json::Value = serde_json::to_value(&told_of).unwrap();
        assert_eq!(json["targets"][0]["target"], "p0/m", "in the config's order");
    }
}

#[test]
fn a_decision_tells_when_a_second_target_is_asked() {
    let mut world = World::new(Strategy::Order, &[], 2);
    let told = |world: &mut World, after| {
        world.table.models[0].choice.hedge = Some(Hedge { after, max_cost: 20_000 });
        let decision = world.decide(Facts { model: "x".to_owned(), stream: true, ..Facts::default() });
        let text = Told::of(&decision.record, &world.table).text();
        text.lines().last().unwrap().to_owned()
    };
    assert_eq!(
        told(&mut world, After::P95),
        "hedge    no second target yet: how long the first takes is not known; later for $0.0200 at most"
    );
    assert_eq!(told(&mut world, After::Time(1500 * MS)), "hedge    a second target after 1.50 s without content, for $0.0200 at most");
    world.run(30, S, |_| (700 * MS, 700 * MS));
    assert_eq!(told(&mut world, After::P95), "hedge    a second target after 0.70 s without content, for $0.0200 at most");
    let mut alone = World::new(Strategy::Order, &[], 1);
    assert!(told(&mut alone, After::P95).starts_with("targets"), "nobody is there to be second");
}

/// Whatever is asked in whatever order, of whichever targets: nobody is ever far from its share.
#[test]
fn turns_stay_fair_whoever_takes_part() {
    for seed in 1..200 {
        let mut random = Random::new(seed);
        let count = 2 + usize::try_from(random.below(4)).unwrap();
        let weights: Vec<u32> = (0..count).map(|_| 1 + u32::try_from(random.below(9)).unwrap()).collect();
        let mut world = World::new(Strategy::Weighted, &weights, count);
        let sum: u32 = weights.iter().sum();
        let mut got = vec![0_u32; count];
        for round in 1..=2 * sum {
            got[world.ask(|_| (MS, MS))] += 1;
            for (target, weight) in weights.iter().enumerate() {
                let due = f64::from(round * weight) / f64::from(sum);
                assert!((f64::from(got[target]) - due).abs() < 2.0, "seed {seed}: {got:?} of {weights:?} after {round}");
            }
            if round % sum == 0 {
                assert_eq!(got, weights.iter().map(|weight| weight * round / sum).collect::<Vec<_>>(), "seed {seed}");
            }
        }
    }
}
