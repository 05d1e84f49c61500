//! No image of this process's memory reaches the disk, or another process: keys are in it.

/// Makes the process one that the system writes no core dump of and that other processes of the same user may not look into.
/// A program that takes its place is as it would have been.
pub(crate) fn forbid() {
    // A system that refuses leaves things as they are without this program.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// The same by the limit on core files, which children inherit.
pub(crate) fn forbid_for_good() {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn nobody_may_look_into_the_process_any_more() {
        use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};
        super::forbid();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        super::forbid_for_good();
        assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
    }
}
