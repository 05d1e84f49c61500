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
