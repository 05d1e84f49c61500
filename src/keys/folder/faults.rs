//! Makes the disk fail, in this thread, at a step that is counted.

use std::cell::Cell;
use std::io;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// One step fails, and the program has its chance to undo.
    Once,
    /// Every step from there on fails: all that a killed process leaves.
    Dead,
}

thread_local! {
    static PLAN: Cell<(usize, Option<(usize, Fault)>)> = const { Cell::new((0, None)) };
}

/// Runs `work` with a fault at step `at`, from zero. Gives what it gave, and whether the step was reached.
pub(crate) fn at<T>(at: usize, fault: Fault, work: impl FnOnce() -> T) -> (T, bool) {
    PLAN.set((0, Some((at, fault))));
    let given = work();
    let (steps, _) = PLAN.replace((0, None));
    (given, steps > at)
}

pub(super) fn step() -> io::Result<()> {
    let (count, plan) = PLAN.get();
    PLAN.set((count + 1, plan));
    match plan {
        Some((at, Fault::Once)) if count == at => Err(io::Error::other("a fault of the test")),
        Some((at, Fault::Dead)) if count >= at => Err(io::Error::other("a fault of the test")),
        _ => Ok(()),
    }
}
