//! The key that a session was answered with.

use super::Answer::Good;
use super::*;

#[test]
fn the_key_of_a_session_goes_first_if_it_can_though_it_carries_more() {
    let plan = plan(2, 3);
    let mut world = World::new();
    let mut sent = |key: &str, answers: Answer| {
        let mut attempts = world.attempts(&plan).preferring(key);
        let Step::Send { target, key } = attempts.next(world.now, &Happened::Begin, &mut world.health) else { panic!("a target") };
        attempts.next(world.now, &answers.happened(), &mut world.health);
        // It stays in flight: the key carries it.
        (attempts, (target, key)).1
    };
    assert_eq!([sent("p0-2", Good), sent("p0-2", Good), sent("p0-2", Good)], [(0, 2); 3]);
    assert_eq!([sent("", Good), sent("gone", Good)], [(0, 0), (0, 1)], "without one, the least loaded");
    assert_eq!(sent("p0-2", limited(60_000)), (0, 2));
    assert_ne!(sent("p0-2", Good), (0, 2), "it rests");
}
