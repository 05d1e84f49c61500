//! The process groups of running servers, for whoever must end them without waiting for anything: a second Ctrl-C.

use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

/// The groups. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Groups {
    running: Arc<Mutex<Vec<Pid>>>,
}

impl Groups {
    /// Kills all of them, at once.
    pub fn kill(&self) {
        for group in self.running.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // One that is gone needs nothing.
            let _ = kill_process_group(*group, Signal::KILL);
        }
    }

    pub(super) fn add(&self, group: Pid) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push(group);
    }

    /// Once its number may be another's.
    pub(super) fn remove(&self, group: Pid) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).retain(|running| *running != group);
    }
}
