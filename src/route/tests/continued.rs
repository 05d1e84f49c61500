//! Answers that break off after their content: who goes on, and who may not.

use super::Answer::Good;
use super::{World, plan, sent, targets};
use crate::chat::FailureKind;
use crate::dialect::said::Bar;
use crate::route::plan::Plan;
use crate::route::step::{Cut, Happened, Stay, Step, Verdict};
use crate::route::table::{Continue, Retry};

/// An answer that broke off in its text.
const CUT: Happened = Happened::Cut(Cut { bar: None, status: 502, kind: FailureKind::Server });

fn going_on(plan: Plan) -> Plan {
    Plan { continues: Continue::Text, ..plan }
}

#[test]
fn a_text_that_breaks_off_goes_on_at_the_next_target_and_is_a_failure_of_the_first() {
    let mut world = World::new();
    let plan = going_on(plan(2, 1));
    for round in 0..5 {
        let mut attempts = sent(&mut world, &plan);
        assert_eq!(attempts.next(world.now, &Happened::Content, &mut world.health), Step::Commit);
        assert_eq!(attempts.next(world.now, &CUT, &mut world.health), Step::Send { target: 1, key: 0 }, "{round}");
        assert_eq!(attempts.next(world.now, &Happened::Content, &mut world.health), Step::Commit);
        assert_eq!((attempts.continued, attempts.attempts(), world.health.in_flight("p0")), (1, 2, 0));
        attempts.finish(world.now, &mut world.health, true);
    }
    world.idle(&plan);
    assert_eq!(targets(&world.request(&plan, |_, _| Good)), [1], "the breaker of the first is open");
}

#[test]
fn without_the_rule_or_with_a_call_begun_a_broken_answer_is_over() {
    let call = Happened::Cut(Cut { bar: Some(Bar::ToolCall), status: 502, kind: FailureKind::Server });
    let fault = Happened::Cut(Cut { bar: None, status: 400, kind: FailureKind::InvalidRequest });
    for (plan, cut, stay) in
        [(plan(2, 1), CUT, Stay::Off), (going_on(plan(2, 1)), call, Stay::Said(Bar::ToolCall)), (going_on(plan(2, 1)), fault, Stay::Fault)]
    {
        let mut world = World::new();
        let mut attempts = sent(&mut world, &plan);
        attempts.next(world.now, &Happened::Content, &mut world.health);
        assert_eq!(attempts.next(world.now, &cut, &mut world.health), Step::Fail(Verdict::Broken(stay)));
        assert_eq!((attempts.attempts(), world.health.in_flight("p0")), (1, 1), "to be finished as ever");
        attempts.finish(world.now, &mut world.health, false);
        world.idle(&plan);
    }
}

#[test]
fn going_on_is_paid_from_the_budget_and_bounded() {
    let mut world = World::new();
    world.retry = Retry { budget_ratio: 0.0, budget_per_s: 2.0, ..world.retry };
    let plan = going_on(plan(4, 1));
    let mut attempts = sent(&mut world, &plan);
    for target in 1..3 {
        attempts.next(world.now, &Happened::Content, &mut world.health);
        assert_eq!(attempts.next(world.now, &CUT, &mut world.health), Step::Send { target, key: 0 });
    }
    attempts.next(world.now, &Happened::Content, &mut world.health);
    assert_eq!(attempts.next(world.now, &CUT, &mut world.health), Step::Fail(Verdict::Broken(Stay::Often)));
    attempts.finish(world.now, &mut world.health, false);
    let mut other = sent(&mut world, &plan);
    other.next(world.now, &Happened::Content, &mut world.health);
    assert_eq!(other.next(world.now, &CUT, &mut world.health), Step::Fail(Verdict::Broken(Stay::Budget)), "two a second");
    other.finish(world.now, &mut world.health, false);
    world.idle(&plan);
}

#[test]
fn after_the_deadline_nobody_goes_on() {
    let mut world = World::new();
    let plan = going_on(plan(2, 1));
    let mut attempts = sent(&mut world, &plan);
    attempts.next(world.now, &Happened::Content, &mut world.health);
    world.now += world.retry.deadline;
    assert_eq!(attempts.next(world.now, &CUT, &mut world.health), Step::Fail(Verdict::Deadline));
    attempts.finish(world.now, &mut world.health, false);
    world.idle(&plan);
}
