//! A prompt that a target finds too long.

use super::Answer::Good;
use super::*;
use crate::route::table::OnContext;

/// Targets with these windows.
fn windows(windows: &[Option<u64>]) -> Plan {
    let mut plan = plan(windows.len(), 1);
    plan.targets.iter_mut().zip(windows).for_each(|(target, window)| target.info.context = *window);
    plan
}

/// Which targets are asked, where those of `small` find the prompt too long, and how it ends.
fn asked(plan: &Plan, on_context: OnContext, small: &[usize]) -> (Vec<usize>, Step) {
    let mut world = World::new();
    let plan = &Plan { on_context, ..plan.clone() };
    let mut attempts = world.attempts(plan).of_input(150);
    let (mut sent, mut happened) = (Vec::new(), Happened::Begin);
    loop {
        match attempts.next(world.now, &happened, &mut world.health) {
            Step::Send { target, .. } => {
                sent.push(target);
                let too_long = Status(400, FailureKind::ContextLength, None);
                happened = if small.contains(&target) { too_long } else { Good }.happened();
            }
            Step::Wait(_) | Step::Queue(_) => panic!("nothing is to be waited for"),
            end => {
                attempts.finish(world.now, &mut world.health, end == Step::Commit);
                world.idle(plan);
                return (sent, end);
            }
        }
    }
}

#[test]
fn a_prompt_that_is_too_long_goes_to_a_larger_window_only_where_the_route_says_so() {
    let refused = Step::Fail(Verdict::LastFailure);
    let plan = windows(&[Some(200), None, Some(100), Some(1000), Some(500)]);
    assert_eq!(asked(&plan, OnContext::Refuse, &[0]), (vec![0], refused.clone()));
    assert_eq!(asked(&plan, OnContext::Larger, &[0]), (vec![0, 3], Step::Commit), "what is not known to be larger is not asked");
    assert_eq!(asked(&plan, OnContext::Larger, &[0, 3]), (vec![0, 3], refused.clone()), "nor what is smaller than the last");
    assert_eq!(asked(&windows(&[Some(200)]), OnContext::Larger, &[0]), (vec![0], refused));
    let unknown = windows(&[None, Some(120), Some(160)]);
    assert_eq!(asked(&unknown, OnContext::Larger, &[0]), (vec![0, 2], Step::Commit), "by the estimate, where the window is not known");
}
