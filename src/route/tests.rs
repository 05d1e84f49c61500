//! The attempt machine against a made-up upstream and a made-up clock: what must hold whatever happens.

mod continued;
mod preferred;
mod simulation;
mod strategies;
mod windows;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::attempts::Attempts;
use super::health::{Health, Why};
use super::plan::{Plan, Target};
use super::quota::Quota;
use super::room::Room;
use super::step::{Happened, Step, Verdict};
use super::table::{Breaker, Endpoint, Key, Provider, Retry};
use crate::chat::FailureKind;
use crate::provider::models::Known;
use crate::provider::preset;
use crate::secret::Secret;

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

/// A provider like the preset of that name, else like `openai`, with so many keys.
pub(super) fn provider(name: &str, keys: usize) -> Provider {
    let preset = preset(name).or_else(|| preset("openai")).unwrap();
    let endpoint = |e: &crate::provider::Endpoint| Endpoint {
        dialect: e.dialect,
        base_url: e.base_url.to_owned(),
        auth: e.auth,
        quirks: e.quirks.clone(),
        check: e.check,
    };
    let keys = (0..keys).map(|n| Key { name: format!("{name}-{n}"), secret: Secret::new(format!("secret-{n}")), token: None }).collect();
    Provider { keys, catalog: preset.catalog, ..Provider::new(name, preset.endpoints.iter().map(endpoint).collect()) }
}

/// What a made-up upstream answers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Answer {
    Good,
    Breaks,
    Status(u16, FailureKind, Option<u64>),
    ToolCallFailed,
}

use Answer::{Breaks, Good, Status, ToolCallFailed};

const E500: Answer = Status(500, FailureKind::Server, None);
const E529: Answer = Status(529, FailureKind::Overloaded, None);
const E401: Answer = Status(401, FailureKind::Authentication, None);
const E402: Answer = Status(402, FailureKind::Billing, None);
const E404: Answer = Status(404, FailureKind::NotFound, None);
const E400: Answer = Status(400, FailureKind::InvalidRequest, None);
const fn limited(ms: u64) -> Answer {
    Status(429, FailureKind::RateLimit, Some(ms))
}

impl Answer {
    fn happened(self) -> Happened {
        match self {
            Good => Happened::Content,
            Breaks => Happened::Broken,
            Status(status, kind, retry_after_ms) => Happened::Refused { status, kind, retry_after_ms, tool_call_failed: false },
            ToolCallFailed => {
                Happened::Refused { status: 400, kind: FailureKind::InvalidRequest, retry_after_ms: None, tool_call_failed: true }
            }
        }
    }
}

/// The world of one simulation.
struct World {
    now: Instant,
    health: Health,
    retry: Retry,
    breaker: Option<Breaker>,
    seed: u64,
}

/// How one request went.
#[derive(Debug, PartialEq)]
struct Outcome {
    sent: Vec<(usize, usize)>,
    waited: Duration,
    end: Step,
}

impl World {
    fn new() -> Self {
        Self { now: Instant::now(), health: Health::default(), retry: Retry::default(), breaker: Some(Breaker::default()), seed: 1 }
    }

    fn attempts(&mut self, plan: &Plan) -> Attempts {
        self.seed += 1;
        Attempts::new(plan, &self.retry, self.breaker.as_ref(), self.now, self.seed)
    }

    /// One request from begin to end; `upstream` answers by target and key.
    fn request(&mut self, plan: &Plan, mut upstream: impl FnMut(usize, usize) -> Answer) -> Outcome {
        let mut attempts = self.attempts(plan);
        let mut outcome = Outcome { sent: Vec::new(), waited: Duration::ZERO, end: Step::Fail(Verdict::LastFailure) };
        let mut happened = Happened::Begin;
        for steps in 0.. {
            assert!(steps < 1000, "the machine does not end: {outcome:?}");
            match attempts.next(self.now, &happened, &mut self.health) {
                Step::Send { target, key } => {
                    outcome.sent.push((target, key));
                    self.now += MS;
                    happened = upstream(target, key).happened();
                }
                Step::Wait(wait) | Step::Queue(wait) => {
                    outcome.waited += wait;
                    self.now += wait;
                    happened = Happened::Tick;
                }
                end => {
                    outcome.end = end;
                    break;
                }
            }
        }
        attempts.finish(self.now, &mut self.health, outcome.end == Step::Commit);
        assert_eq!(attempts.attempts() as usize, outcome.sent.len());
        outcome
    }

    fn idle(&self, plan: &Plan) {
        for target in &plan.targets {
            assert_eq!(self.health.in_flight(&target.provider.name), 0, "every place is given back");
        }
    }
}

fn plan_of(providers: Vec<Provider>) -> Plan {
    let target = |provider: Provider| Target { provider: Arc::new(provider), endpoint: 0, model: "m".to_owned(), info: Known::NOTHING };
    Plan::new(providers.into_iter().map(target).collect(), "test")
}

fn plan(targets: usize, keys: usize) -> Plan {
    plan_of((0..targets).map(|n| provider(&format!("p{n}"), keys)).collect())
}

fn targets(outcome: &Outcome) -> Vec<usize> {
    outcome.sent.iter().map(|(target, _)| *target).collect()
}

#[test]
fn a_healthy_second_target_gets_the_request_at_once_whatever_the_first_does() {
    for fault in [E500, E529, E401, E402, E404, Breaks, ToolCallFailed, limited(60_000), Status(403, FailureKind::Permission, None)]
        .into_iter()
        .chain(
            [(408, FailureKind::Timeout), (409, FailureKind::InvalidRequest), (503, FailureKind::Overloaded)]
                .map(|(s, k)| Status(s, k, None)),
        )
    {
        let outcome = World::new().request(&plan(2, 1), |target, _| if target == 0 { fault } else { Good });
        assert_eq!(targets(&outcome), [0, 1], "{fault:?}");
        assert_eq!((outcome.end, outcome.waited), (Step::Commit, Duration::ZERO), "{fault:?}");
    }
}

#[test]
fn the_clients_own_mistakes_are_never_tried_again() {
    for (status, kind) in [
        (400, FailureKind::InvalidRequest),
        (400, FailureKind::ContextLength),
        (413, FailureKind::TooLarge),
        (422, FailureKind::InvalidRequest),
    ] {
        let outcome = World::new().request(&plan(3, 2), |_, _| Status(status, kind, None));
        assert_eq!((outcome.sent.len(), outcome.end), (1, Step::Fail(Verdict::LastFailure)), "{status}");
    }
}

#[test]
fn a_single_target_that_fails_is_repeated_after_a_pause() {
    let mut world = World::new();
    let mut answers = [E529, Good].into_iter();
    let outcome = world.request(&plan(1, 1), |_, _| answers.next().unwrap());
    assert_eq!((outcome.sent.len(), &outcome.end), (2, &Step::Commit));
    assert!((125 * MS..=250 * MS).contains(&outcome.waited), "{outcome:?}");
    world.retry.attempts_per_target = 5;
    let outcome = world.request(&plan(1, 1), |_, _| Breaks);
    assert_eq!((outcome.sent.len(), outcome.end), (5, Step::Fail(Verdict::LastFailure)));
    assert!(outcome.waited <= (250 + 500 + 1000 + 2000) * MS, "{:?}", outcome.waited);
}

#[test]
fn a_failing_targets_retry_after_is_waited_for_only_when_short() {
    let answer = |ms| Status(503, FailureKind::Overloaded, Some(ms));
    let outcome = World::new().request(&plan(1, 1), |_, _| answer(1500));
    assert_eq!(outcome.sent.len(), 2);
    assert!(outcome.waited >= 1500 * MS);
    let outcome = World::new().request(&plan(1, 1), |_, _| answer(20_000));
    assert_eq!((outcome.sent.len(), outcome.waited), (1, Duration::ZERO));
}

#[test]
fn a_short_retry_after_is_waited_for_and_a_long_one_relayed() {
    let mut answers = [limited(1000), Good].into_iter();
    let outcome = World::new().request(&plan(1, 1), |_, _| answers.next().unwrap());
    assert_eq!(outcome.end, Step::Commit);
    assert!((S..=2 * S).contains(&outcome.waited));
    let mut world = World::new();
    let outcome = world.request(&plan(1, 1), |_, _| limited(120_000));
    assert_eq!((outcome.sent.len(), outcome.end), (1, Step::Fail(Verdict::LastFailure)), "the refusal itself");
    let outcome = world.request(&plan(1, 1), |_, _| Good);
    assert_eq!((outcome.sent.len(), outcome.end), (0, Step::Fail(Verdict::AllResting(60 * S))), "the next one, told at most a minute");
    world.now += 121 * S;
    assert_eq!(world.request(&plan(1, 1), |_, _| Good).end, Step::Commit);
}

#[test]
fn when_every_target_is_limited_the_shortest_rest_is_told() {
    let mut world = World::new();
    let waits = [30_000, 7_000];
    let outcome = world.request(&plan(2, 1), |target, _| limited(waits[target]));
    assert_eq!(targets(&outcome), [0, 1]);
    let Step::Fail(Verdict::AllResting(rest)) = outcome.end else { panic!("{outcome:?}") };
    assert_eq!(rest, 7 * S);
}

#[test]
fn a_refused_key_makes_way_for_its_sister_and_rests() {
    for fault in [E401, E402, limited(30_000)] {
        let mut world = World::new();
        let plan = plan(1, 3);
        let outcome = world.request(&plan, |_, key| if key < 2 { fault } else { Good });
        assert_eq!(outcome.sent, [(0, 0), (0, 1), (0, 2)], "{fault:?}");
        assert_eq!((outcome.end, outcome.waited), (Step::Commit, Duration::ZERO));
        assert_eq!(world.request(&plan, |_, _| Good).sent, [(0, 2)], "{fault:?}");
        world.now += 301 * S;
        assert_eq!(world.request(&plan, |_, _| Good).sent, [(0, 0)], "{fault:?}");
        world.idle(&plan);
    }
}

#[test]
fn the_only_key_is_asked_again_since_only_the_provider_knows_why_it_was_refused() {
    let mut world = World::new();
    let plan = plan(1, 1);
    for _ in 0..2 {
        let outcome = world.request(&plan, |_, _| E402);
        assert_eq!((outcome.sent.len(), outcome.end), (1, Step::Fail(Verdict::LastFailure)));
    }
    assert_eq!(world.health.resting(world.now).first().and_then(|rest| rest.why), Some(Why::Refused));
    assert_eq!(world.request(&plan, |_, _| Good).end, Step::Commit);
    assert_eq!(world.health.resting(world.now), [], "an answer ends the rest");
}

#[test]
fn another_model_is_asked_with_a_key_that_the_first_model_tired() {
    let mut plan = plan(1, 1);
    let first = plan.targets[0].clone();
    plan.targets.push(Target { model: "smaller".to_owned(), ..first });
    let outcome = World::new().request(&plan, |target, _| if target == 0 { limited(60_000) } else { Good });
    assert_eq!((targets(&outcome), outcome.end), (vec![0, 1], Step::Commit));
}

#[test]
fn the_breaker_opens_half_opens_and_closes() {
    let mut world = World::new();
    let plan = plan(2, 1);
    let first_fails = |target, _| if target == 0 { E500 } else { Good };
    for _ in 0..5 {
        assert_eq!(targets(&world.request(&plan, first_fails)), [0, 1]);
    }
    assert_eq!(targets(&world.request(&plan, first_fails)), [1], "open");
    world.now += 31 * S;
    assert_eq!(targets(&world.request(&plan, first_fails)), [0, 1], "one probe");
    world.now += 31 * S;
    assert_eq!(targets(&world.request(&plan, first_fails)), [1], "the second rest is longer");
    world.now += 31 * S;
    assert_eq!(targets(&world.request(&plan, |_, _| Good)), [0], "a probe that succeeds");
    for _ in 0..4 {
        assert_eq!(targets(&world.request(&plan, first_fails)), [0, 1], "closed: it counts from the start");
    }
}

#[test]
fn only_one_request_probes_a_half_open_breaker() {
    let mut world = World::new();
    let plan = plan(2, 1);
    for _ in 0..5 {
        world.request(&plan, |target, _| if target == 0 { E500 } else { Good });
    }
    world.now += 31 * S;
    let (mut probe, mut other) = (world.attempts(&plan), world.attempts(&plan));
    assert_eq!(probe.next(world.now, &Happened::Begin, &mut world.health), Step::Send { target: 0, key: 0 });
    assert_eq!(other.next(world.now, &Happened::Begin, &mut world.health), Step::Send { target: 1, key: 0 });
    assert_eq!(probe.next(world.now, &Happened::ClientGone, &mut world.health), Step::Fail(Verdict::ClientGone));
    let mut third = world.attempts(&plan);
    assert_eq!(third.next(world.now, &Happened::Begin, &mut world.health), Step::Send { target: 0, key: 0 });
    for mut attempts in [probe, other, third] {
        attempts.finish(world.now, &mut world.health, false);
    }
    world.idle(&plan);
}

#[test]
fn the_last_usable_target_is_never_ejected() {
    let mut world = World::new();
    for targets in 1..=2 {
        let plan = plan(targets, 1);
        for _ in 0..50 {
            assert!(world.request(&plan, |_, _| E500).sent.len() >= targets);
        }
        assert_eq!(world.request(&plan, |target, _| if target + 1 == targets { Good } else { E500 }).end, Step::Commit);
    }
}

#[test]
fn answers_that_break_after_their_content_open_the_breaker_too() {
    let mut world = World::new();
    let plan = plan(2, 1);
    for _ in 0..5 {
        let mut attempts = world.attempts(&plan);
        assert_eq!(attempts.next(world.now, &Happened::Begin, &mut world.health), Step::Send { target: 0, key: 0 });
        assert_eq!(attempts.next(world.now, &Happened::Content, &mut world.health), Step::Commit);
        attempts.finish(world.now, &mut world.health, false);
    }
    assert_eq!(targets(&world.request(&plan, |_, _| Good)), [1]);
}

#[test]
fn nothing_is_tried_after_content() {
    let mut world = World::new();
    let plan = plan(2, 1);
    let mut attempts = world.attempts(&plan);
    attempts.next(world.now, &Happened::Begin, &mut world.health);
    for happened in [Happened::Content, Happened::Broken, E500.happened(), Happened::Tick, Happened::ClientGone, Happened::Begin] {
        assert_eq!(attempts.next(world.now, &happened, &mut world.health), Step::Commit, "{happened:?}");
    }
    assert_eq!((attempts.attempts(), world.health.in_flight("p0")), (1, 1));
    attempts.finish(world.now, &mut world.health, true);
    attempts.finish(world.now, &mut world.health, true);
    world.idle(&plan);
}

#[test]
fn a_provider_that_is_full_is_passed_over_or_waited_for() {
    let mut world = World::new();
    let full = plan_of(vec![Provider { limits: at_a_time(1), ..provider("full", 1) }, provider("other", 1)]);
    let mut first = world.attempts(&full);
    assert_eq!(first.next(world.now, &Happened::Begin, &mut world.health), Step::Send { target: 0, key: 0 });
    assert_eq!(targets(&world.request(&full, |_, _| Good)), [1]);
    let alone = Plan { targets: vec![full.targets[0].clone()], ..full.clone() };
    let outcome = world.request(&alone, |_, _| Good);
    assert_eq!((outcome.sent.len(), outcome.end), (0, Step::Fail(Verdict::Full(S))));
    assert!(outcome.waited <= world.retry.wait_max + 50 * MS, "{:?}", outcome.waited);
    first.next(world.now, &Happened::Content, &mut world.health);
    first.finish(world.now, &mut world.health, true);
    assert_eq!(world.request(&alone, |_, _| Good).end, Step::Commit);
}

fn at_a_time(concurrent: u32) -> Quota {
    Quota { concurrent: Some(concurrent), ..Quota::default() }
}

/// A request that has been sent and is under way.
fn sent(world: &mut World, plan: &Plan) -> Attempts {
    let mut attempts = world.attempts(plan);
    assert!(matches!(attempts.next(world.now, &Happened::Begin, &mut world.health), Step::Send { .. }));
    attempts
}

fn end(world: &mut World, mut attempts: Attempts) {
    attempts.next(world.now, &Happened::Content, &mut world.health);
    attempts.finish(world.now, &mut world.health, true);
}

#[test]
fn who_came_first_gets_the_place_and_nobody_passes_the_line() {
    let mut world = World::new();
    let plan = plan_of(vec![Provider { limits: at_a_time(1), ..provider("full", 1) }]);
    let under_way = sent(&mut world, &plan);
    let mut line: Vec<Attempts> = (0..3).map(|_| world.attempts(&plan)).collect();
    for attempts in &mut line {
        assert!(matches!(attempts.next(world.now, &Happened::Begin, &mut world.health), Step::Queue(_)));
        world.now += MS;
    }
    assert_eq!(world.health.in_line(), 3);
    end(&mut world, under_way);
    let mut newcomer = world.attempts(&plan);
    assert!(matches!(newcomer.next(world.now, &Happened::Begin, &mut world.health), Step::Queue(_)), "three stand before it");
    // The second one leaves; the third looks first, and has one before it still.
    let mut gone = line.remove(1);
    gone.next(world.now, &Happened::ClientGone, &mut world.health);
    assert!(matches!(line[1].next(world.now, &Happened::Tick, &mut world.health), Step::Queue(_)));
    for mut attempts in line.into_iter().chain([newcomer]) {
        assert_eq!(attempts.next(world.now, &Happened::Tick, &mut world.health), Step::Send { target: 0, key: 0 });
        end(&mut world, attempts);
    }
    assert_eq!(world.health.in_line(), 0);
    world.idle(&plan);
}

#[test]
fn a_line_has_an_end_in_time_and_in_length() {
    let mut world = World::new();
    world.retry.queue_length = 2;
    let plan = plan_of(vec![Provider { limits: at_a_time(1), ..provider("full", 1) }]);
    let _under_way = sent(&mut world, &plan);
    let mut line: Vec<Attempts> = (0..2).map(|_| world.attempts(&plan)).collect();
    for attempts in &mut line {
        attempts.next(world.now, &Happened::Begin, &mut world.health);
    }
    let outcome = world.request(&plan, |_, _| Good);
    assert_eq!((outcome.end, outcome.waited), (Step::Fail(Verdict::Full(S)), Duration::ZERO), "the line is too long");
    world.now += world.retry.queue_wait;
    for mut attempts in line {
        assert_eq!(attempts.next(world.now, &Happened::Tick, &mut world.health), Step::Fail(Verdict::Full(S)));
    }
    assert_eq!(world.health.in_line(), 0);
    world.retry.queue_wait = Duration::ZERO;
    assert_eq!(world.request(&plan, |_, _| Good).waited, Duration::ZERO, "no patience");
}

#[test]
fn a_failure_elsewhere_still_waits_for_a_place_at_the_healthy_one() {
    let mut world = World::new();
    let plan = plan_of(vec![provider("failing", 1), Provider { limits: at_a_time(1), ..provider("full", 1) }]);
    let other = Plan { targets: vec![plan.targets[1].clone()], ..plan.clone() };
    let under_way = sent(&mut world, &other);
    let mut attempts = sent(&mut world, &plan);
    assert!(matches!(attempts.next(world.now, &Happened::Broken, &mut world.health), Step::Queue(_)));
    end(&mut world, under_way);
    assert_eq!(attempts.next(world.now, &Happened::Tick, &mut world.health), Step::Send { target: 1, key: 0 });
}

#[test]
fn a_large_request_in_line_is_not_starved_by_small_ones() {
    let mut world = World::new();
    world.retry.queue_wait = 60 * S;
    let limits = Quota { tokens: [Some(1000), None, None], ..Quota::default() };
    let plan = plan_of(vec![Provider { limits, ..provider("slow", 1) }]);
    let ask = |tokens, world: &mut World| {
        let mut attempts = world.attempts(&plan).of_tokens(tokens);
        let step = attempts.next(world.now, &Happened::Begin, &mut world.health);
        (attempts, step)
    };
    assert!(matches!(ask(600, &mut world).1, Step::Send { .. }));
    world.now += 10 * S;
    let (mut large, step) = ask(900, &mut world);
    assert!(matches!(step, Step::Queue(_)), "{step:?}");
    assert!(matches!(ask(200, &mut world).1, Step::Queue(_)), "it would fit, and stands behind");
    world.now += 50 * S;
    assert!(matches!(large.next(world.now, &Happened::Tick, &mut world.health), Step::Send { .. }));
}

#[test]
fn each_key_has_limits_of_its_own() {
    let week = Quota { requests: [None, None, Some(2)], concurrent: Some(1), ..Quota::default() };
    let mut world = World::new();
    world.retry.queue_wait = Duration::ZERO;
    let plan = plan_of(vec![Provider { key_limits: week, ..provider("pool", 2) }]);
    let (first, second) = (sent(&mut world, &plan), sent(&mut world, &plan));
    assert_eq!(world.request(&plan, |_, _| Good).end, Step::Fail(Verdict::Full(S)), "each carries one");
    end(&mut world, first);
    end(&mut world, second);
    let keys: Vec<(usize, usize)> = (0..2).flat_map(|_| world.request(&plan, |_, _| Good).sent).collect();
    assert_eq!(keys, [(0, 0), (0, 1)], "each has one left");
    assert_eq!(world.request(&plan, |_, _| Good).end, Step::Fail(Verdict::Full(60 * S)), "the week is used up");
    world.now += 8 * 24 * 3600 * S;
    assert_eq!(world.request(&plan, |_, _| Good).end, Step::Commit);
}

#[test]
fn tokens_of_each_key_are_settled_with_debt_and_refund() {
    let hours = Quota { tokens: [None, Some(1000), None], ..Quota::default() };
    let mut world = World::new();
    let plan = plan_of(vec![Provider { key_limits: hours, ..provider("pool", 2) }]);
    let mut spend = |used: u64| {
        let mut attempts = world.attempts(&plan).of_tokens(500);
        let step = attempts.next(world.now, &Happened::Begin, &mut world.health);
        attempts.next(world.now, &Happened::Content, &mut world.health);
        attempts.took(world.now, &mut world.health, used);
        attempts.finish(world.now, &mut world.health, true);
        step
    };
    let key = |key| Step::Send { target: 0, key };
    assert_eq!([spend(100), spend(900)], [key(0), key(0)], "400 came back");
    assert_eq!([spend(3000), spend(10)], [key(1), Step::Fail(Verdict::Full(60 * S))], "a debt of 2500");
}

#[test]
fn what_headers_say_is_left_steers_and_nothing_left_rests() {
    let mut world = World::new();
    let plan = plan(1, 2);
    let tell = |world: &mut World, share: f32, rest: Option<Duration>| {
        let mut attempts = world.attempts(&plan);
        let step = attempts.next(world.now, &Happened::Begin, &mut world.health);
        attempts.told(world.now, &mut world.health, Room { share, rest });
        attempts.next(world.now, &Happened::Content, &mut world.health);
        attempts.finish(world.now, &mut world.health, true);
        step
    };
    let key = |key| Step::Send { target: 0, key };
    assert_eq!([tell(&mut world, 0.1, None), tell(&mut world, 0.9, None)], [key(0), key(1)], "the fuller one is spared");
    assert_eq!(tell(&mut world, 0.0, Some(90 * S)), key(1));
    assert_eq!(world.health.resting(world.now)[0].why, Some(Why::UsedUp));
    assert_eq!(tell(&mut world, 0.0, Some(30 * S)), key(0));
    assert_eq!(tell(&mut world, 0.0, Some(30 * S)), key(0), "all are used up: the provider may know better");
    world.now += 31 * S;
    assert_eq!(tell(&mut world, 1.0, None), key(0), "the other one rests still");
    world.now += 60 * S;
    assert_eq!(world.health.resting(world.now), []);
}

#[test]
fn requests_per_minute_are_kept() {
    let mut world = World::new();
    let plan = plan_of(vec![Provider { limits: Quota { requests: [Some(3), None, None], ..Quota::default() }, ..provider("slow", 1) }]);
    for _ in 0..3 {
        assert_eq!(world.request(&plan, |_, _| Good).end, Step::Commit);
    }
    let Step::Fail(Verdict::Full(rest)) = world.request(&plan, |_, _| Good).end else { panic!("a fourth one went through") };
    assert!((59 * S..=60 * S).contains(&rest));
    world.now += rest;
    assert_eq!(world.request(&plan, |_, _| Good).end, Step::Commit);
}

#[test]
fn tokens_per_minute_are_kept_and_settled() {
    let mut world = World::new();
    let limited = |name| Provider { limits: Quota { tokens: [Some(1000), None, None], ..Quota::default() }, ..provider(name, 1) };
    let plan = plan_of(vec![limited("one"), limited("two")]);
    let sent = |world: &mut World, estimate: u64, used: Option<u64>| {
        let mut attempts = world.attempts(&plan).of_tokens(estimate);
        let step = attempts.next(world.now, &Happened::Begin, &mut world.health);
        if let Step::Send { .. } = step {
            attempts.next(world.now, &Happened::Content, &mut world.health);
            used.into_iter().for_each(|used| attempts.took(world.now, &mut world.health, used));
            attempts.finish(world.now, &mut world.health, true);
        }
        step
    };
    let to = |target| Step::Send { target, key: 0 };
    assert_eq!(sent(&mut world, 700, Some(100)), to(0));
    assert_eq!(sent(&mut world, 700, None), to(0), "what was not used is given back");
    assert_eq!(sent(&mut world, 700, Some(5000)), to(1), "the next target has room");
    let Step::Fail(Verdict::Full(rest)) = sent(&mut world, 300, None) else { panic!("both are over their limit") };
    assert_eq!(rest, 60 * S);
    assert_eq!(sent(&mut world, 200, None), to(0), "a smaller one still fits");
    world.now += rest;
    assert_eq!(sent(&mut world, 300, None), to(0));
    // What a provider did not answer does not count.
    let alone = Plan { targets: vec![plan.targets[1].clone()], ..plan.clone() };
    for answer in [E529, Breaks] {
        let mut attempts = world.attempts(&alone).of_tokens(1000);
        assert_eq!(attempts.next(world.now, &Happened::Begin, &mut world.health), to(0));
        attempts.next(world.now, &answer.happened(), &mut world.health);
        attempts.finish(world.now, &mut world.health, false);
    }
}

#[test]
fn keys_share_the_load() {
    let mut world = World::new();
    let plan = plan(1, 3);
    let used: Vec<Step> = (0..3)
        .map(|_| {
            let mut attempts = world.attempts(&plan);
            attempts.next(world.now, &Happened::Begin, &mut world.health)
        })
        .collect();
    assert_eq!(used, [0, 1, 2].map(|key| Step::Send { target: 0, key }));
}

#[test]
fn a_deadline_ends_it() {
    let mut world = World::new();
    world.retry.deadline = 5 * S;
    let plan = plan(3, 1);
    let mut attempts = world.attempts(&plan);
    attempts.next(world.now, &Happened::Begin, &mut world.health);
    world.now += 5 * S;
    assert_eq!(attempts.next(world.now, &Happened::Broken, &mut world.health), Step::Fail(Verdict::Deadline));
    world.idle(&plan);
}

#[test]
fn a_key_that_changes_places_takes_its_rest_along() {
    let mut world = World::new();
    let of = |names: &[&str]| {
        let mut provider = provider("p0", names.len());
        provider.keys.iter_mut().zip(names).for_each(|(key, name)| (*name).clone_into(&mut key.name));
        plan_of(vec![provider])
    };
    world.request(&of(&["a"]), |_, _| limited(300_000));
    let sent = |world: &mut World, names: &[&str]| world.request(&of(names), |_, _| Good).sent;
    assert_eq!(sent(&mut world, &["b", "a"]), [(0, 0)], "a rests still");
    assert_eq!(sent(&mut world, &["a", "b"]), [(0, 1)]);
    assert_eq!(sent(&mut world, &["c"]), [(0, 0)]);
    assert_eq!(sent(&mut world, &["c", "a"]), [(0, 0)], "it was away and comes back");
    world.idle(&of(&["a", "b", "c"]));
}

#[test]
fn a_replaced_key_does_not_inherit_its_predecessors_rest() {
    let mut world = World::new();
    world.request(&plan(1, 1), |_, _| limited(300_000));
    world.health.keys_replaced("p0", &["other"]);
    assert!(!world.health.resting(world.now).is_empty(), "another key's rest is its own");
    world.health.keys_replaced("p0", &["p0-0"]);
    assert_eq!(world.request(&plan(1, 1), |_, _| Good).end, Step::Commit);
    world.request(&plan(1, 1), |_, _| limited(300_000));
    let mut renamed = provider("p0", 1);
    "another".clone_into(&mut renamed.keys[0].name);
    assert_eq!(world.request(&plan_of(vec![renamed]), |_, _| Good).end, Step::Commit);
}

#[test]
fn a_total_failure_costs_at_most_two_point_four_attempts_per_request() {
    for targets in [1, 2, 4] {
        for fault in [E500, Breaks, E529, E401, limited(1000), limited(60_000)] {
            let mut world = World::new();
            let (plan, requests) = (plan(targets, 1), 5000);
            let mut attempts = 0;
            for _ in 0..requests {
                // Time stands still but for what the machine asks for: a thousand requests per second.
                let before = world.now;
                attempts += world.request(&plan, |_, _| fault).sent.len();
                world.now = before + MS;
            }
            let per_request = f64::from(u32::try_from(attempts).unwrap()) / f64::from(requests);
            assert!(per_request <= 2.4, "{targets} targets, {fault:?}: {per_request}");
        }
    }
}

#[test]
fn requests_at_once_do_not_repeat_what_fails_for_all_of_them() {
    let mut world = World::new();
    let plan = plan(2, 1);
    let mut under_way: Vec<Attempts> = (0..50).map(|_| world.attempts(&plan)).collect();
    let mut happened = Happened::Begin;
    let mut sent = 0;
    for _ in 0..8 {
        for attempts in &mut under_way {
            sent += u32::from(matches!(attempts.next(world.now, &happened, &mut world.health), Step::Send { .. }));
        }
        world.now += S;
        happened = Happened::Broken;
    }
    assert_eq!(sent, 100, "each target once");
}

#[test]
fn requests_that_wait_for_the_last_repeat_do_not_all_get_it() {
    let mut world = World::new();
    world.retry = Retry { budget_ratio: 0.0, budget_per_s: 1.0, ..world.retry };
    let plan = plan(1, 1);
    let mut waiting: Vec<Attempts> = (0..3).map(|_| world.attempts(&plan)).collect();
    for attempts in &mut waiting {
        attempts.next(world.now, &Happened::Begin, &mut world.health);
        assert!(matches!(attempts.next(world.now, &Happened::Broken, &mut world.health), Step::Wait(_)));
    }
    world.now += 300 * MS;
    let steps: Vec<Step> = waiting.iter_mut().map(|attempts| attempts.next(world.now, &Happened::Tick, &mut world.health)).collect();
    assert_eq!(steps.iter().filter(|step| matches!(step, Step::Send { .. })).count(), 1);
}

#[test]
fn a_probe_that_says_nothing_of_the_target_makes_room_for_another() {
    for silent in [E400, E404, limited(1000), ToolCallFailed] {
        let mut world = World::new();
        let plan = plan(2, 1);
        for _ in 0..5 {
            world.request(&plan, |target, _| if target == 0 { E500 } else { Good });
        }
        world.now += 31 * S;
        assert_eq!(world.request(&plan, |target, _| if target == 0 { silent } else { Good }).sent[0], (0, 0));
        world.now += 2 * S;
        assert_eq!(targets(&world.request(&plan, |_, _| Good)), [0], "{silent:?}");
    }
}

#[test]
fn a_limited_key_rests_for_other_models_too_when_a_request_begins_with_them() {
    let mut world = World::new();
    let mut plan = plan(1, 1);
    world.request(&plan, |_, _| limited(60_000));
    "other".clone_into(&mut plan.targets[0].model);
    assert!(matches!(world.request(&plan, |_, _| Good).end, Step::Fail(Verdict::AllResting(_))));
}

#[test]
fn a_missing_model_is_not_asked_for_twice() {
    assert_eq!(World::new().request(&plan(1, 1), |_, _| E404).sent.len(), 1);
    assert_eq!(targets(&World::new().request(&plan(2, 1), |target, _| if target == 0 { E404 } else { E500 })), [0, 1, 1]);
}

#[test]
fn nothing_but_time_ends_a_rest_after_a_429() {
    let mut world = World::new();
    let plan = plan(1, 1);
    let mut three: Vec<Attempts> = (0..3).map(|_| world.attempts(&plan)).collect();
    for attempts in &mut three {
        attempts.next(world.now, &Happened::Begin, &mut world.health);
    }
    three[0].next(world.now, &Happened::Content, &mut world.health);
    three[1].next(world.now, &limited(900_000).happened(), &mut world.health);
    three[2].next(world.now, &limited(1000).happened(), &mut world.health);
    three[0].finish(world.now, &mut world.health, true);
    world.now += 290 * S;
    assert_eq!(world.request(&plan, |_, _| Good).sent, [], "neither a shorter rest nor an older answer");
    world.now += 10 * S;
    assert_eq!(world.request(&plan, |_, _| Good).end, Step::Commit, "five minutes at most");
}

#[test]
fn a_429_without_a_retry_after_rests_longer_each_time() {
    let mut world = World::new();
    world.retry.attempts_per_target = 1;
    world.retry.wait_max = Duration::ZERO;
    let plan = plan(1, 1);
    for seconds in [1, 2, 4, 8] {
        assert_eq!(world.request(&plan, |_, _| Status(429, FailureKind::RateLimit, None)).sent.len(), 1);
        let Step::Fail(Verdict::AllResting(rest)) = world.request(&plan, |_, _| Good).end else { panic!("it does not rest") };
        assert_eq!(rest, seconds * S);
        world.now += rest;
    }
    world.request(&plan, |_, _| Good);
    world.request(&plan, |_, _| Status(429, FailureKind::RateLimit, None));
    assert_eq!(world.health.resting(world.now)[0].rest, S, "an answer starts it anew");
}

#[test]
fn fifty_429s_at_once_are_one() {
    let mut world = World::new();
    let plan = plan(1, 1);
    let mut under_way: Vec<Attempts> = (0..50).map(|_| world.attempts(&plan)).collect();
    for happened in [Happened::Begin, Status(429, FailureKind::RateLimit, None).happened()] {
        for attempts in &mut under_way {
            attempts.next(world.now, &happened, &mut world.health);
        }
    }
    assert_eq!(world.health.resting(world.now)[0].rest, S);
}

#[test]
fn what_is_known_survives_a_restart() {
    let mut world = World::new();
    let week = Quota { requests: [None, None, Some(3)], tokens: [None, Some(1000), None], ..Quota::default() };
    let plan = plan_of(vec![provider("failing", 1), provider("limited", 2), Provider { limits: week, ..provider("plan", 1) }]);
    for _ in 0..5 {
        world.request(&plan, |target, _| if target == 0 { E500 } else { Good });
    }
    let limited = Plan { targets: vec![plan.targets[1].clone()], ..plan.clone() };
    world.request(&limited, |_, key| if key == 0 { limited_for(250) } else { Good });
    let last = Plan { targets: vec![plan.targets[2].clone()], ..plan.clone() };
    for _ in 0..3 {
        assert_eq!(world.request(&last, |_, _| Good).end, Step::Commit);
    }
    // Ten seconds later, by the clock on the wall, another process with a clock of its own begins.
    let text = serde_json::to_vec(&world.health.snapshot(world.now, 1_000_000)).unwrap();
    let mut next = World { now: world.now + 12_345 * S, ..World::new() };
    next.health.restore(serde_json::from_slice(&text).unwrap(), next.now, 1_010_000).unwrap();
    let rests = |health: &Health, now| {
        let mut rests: Vec<_> = health.resting(now).into_iter().map(|rest| (rest.provider, rest.key, rest.rest.as_secs())).collect();
        rests.sort();
        rests
    };
    let expected = rests(&world.health, world.now + 10 * S);
    assert_eq!(expected.len(), 2, "{expected:?}");
    assert_eq!(rests(&next.health, next.now), expected);
    assert_eq!(targets(&next.request(&plan, |_, _| Good)), [1], "the first is open still");
    assert!(matches!(next.request(&last, |_, _| Good).end, Step::Fail(Verdict::Full(_))), "the week is used up");
    next.now += 21 * S;
    assert_eq!(targets(&next.request(&plan, |_, _| Good)), [0], "its rest was half over");
}

fn limited_for(seconds: u64) -> Answer {
    limited(seconds * 1000)
}

#[test]
fn a_snapshot_that_is_old_foreign_or_from_the_future_is_not_used() {
    use super::snapshot::{Snapshot, Unusable};
    let mut world = World::new();
    world.request(&plan(1, 1), |_, _| limited(60_000));
    let taken = |saved_ms| Snapshot { saved_ms, ..world.health.snapshot(world.now, 0) };
    let restore = |snapshot, unix_ms| Health::default().restore(snapshot, Instant::now(), unix_ms);
    let week = 7 * 24 * 3600 * 1000;
    assert_eq!(restore(taken(0), week), Ok(()));
    assert_eq!(restore(taken(0), 2 * week), Err(Unusable::Old));
    assert_eq!(restore(taken(61_000), 0), Err(Unusable::Future));
    assert_eq!(restore(taken(60_000), 0), Ok(()), "a clock may be corrected a little");
    assert_eq!(restore(Snapshot { version: 2, ..taken(0) }, 0), Err(Unusable::Version(2)));
    assert_eq!(World::new().health.snapshot(Instant::now(), 0), Snapshot { version: 1, ..Snapshot::default() });
}

#[test]
fn memory_is_bounded_whatever_models_are_asked_for() {
    let mut world = World::new();
    let mut plan = plan(1, 1);
    for n in 0..5000 {
        plan.targets[0].model = format!("model-{n}");
        world.request(&plan, |_, _| E500);
    }
    assert!(world.health.circuits() <= 512);
}

/// A generator for the random worlds below: xorshift64*.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9) | 1)
    }

    pub(super) fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % most
    }

    fn answer(&mut self) -> Answer {
        let all = [E500, E529, E401, E402, E404, E400, Breaks, ToolCallFailed, limited(1000), limited(5000), limited(900_000), Good, Good];
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "shown for a failed test only, where it is the line to replay")]
fn whatever_the_upstreams_do_the_machine_keeps_its_promises() {
    let seed = std::env::var("AIMUX_SIMULATION_SEED").ok().and_then(|text| text.parse().ok());
    let seeds = seed.map_or(1..400, |seed: u64| seed..seed + 1);
    for seed in seeds {
        println!("AIMUX_SIMULATION_SEED={seed}");
        random_world(seed);
    }
}

fn random_world(seed: u64) {
    let mut random = Random::new(seed);
    let mut world = World::new();
    world.seed = seed;
    world.retry.attempts_per_target = 1 + u32::try_from(random.below(4)).unwrap();
    world.breaker = (random.below(4) > 0).then(Breaker::default);
    let keys = usize::try_from(random.below(4)).unwrap();
    let plan = plan(1 + usize::try_from(random.below(4)).unwrap(), keys);
    let healthy = (random.below(2) == 0).then(|| plan.targets.len() - 1);
    for _ in 0..60 {
        let mut answers: Vec<Answer> = Vec::new();
        let outcome = world.request(&plan, |target, _| {
            let answer = if healthy == Some(target) { Good } else { random.answer() };
            answers.push(answer);
            answer
        });
        let bound = plan.targets.len() * (world.retry.attempts_per_target as usize + keys);
        assert!(outcome.sent.len() <= bound.min(32), "{seed}: {outcome:?}");
        let is_final = |answer: &Answer| [Good, E400].contains(answer);
        let finals = answers.iter().position(is_final);
        assert!(finals.is_none_or(|at| at + 1 == answers.len()), "{seed}: tried again after {answers:?}");
        assert_eq!(outcome.end == Step::Commit, answers.last() == Some(&Good), "{seed}: {outcome:?} {answers:?}");
        if healthy.is_some() && !answers.contains(&E400) {
            assert_eq!(outcome.end, Step::Commit, "{seed}: a healthy target was left out: {outcome:?} {answers:?}");
        }
        if let Step::Fail(Verdict::AllResting(rest)) = outcome.end {
            assert!((S..=60 * S).contains(&rest), "{seed}: {rest:?}");
        }
        assert_ne!(outcome.end, Step::Fail(Verdict::ClientGone));
        world.idle(&plan);
        world.now += Duration::from_millis(random.below(20_000));
    }
}
