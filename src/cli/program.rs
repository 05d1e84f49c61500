//! Programs of this machine, as a shell would find them.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use crate::config::Environment;

/// The program of that name in PATH; `None`: there is none.
pub(crate) fn in_path(name: &str, environment: &Environment) -> Option<PathBuf> {
    let folders = environment.get("PATH").map(std::env::split_paths).into_iter().flatten();
    let is_program = |path: &PathBuf| path.metadata().is_ok_and(|about| about.is_file() && about.mode() & 0o111 != 0);
    folders.map(|folder| folder.join(name)).find(is_program)
}

/// How often is looked whether a program has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Waits for a program, for `limit` at most; then it is ended. `None`: it had to be, or cannot be waited for.
pub(crate) fn waited(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < end => std::thread::sleep(LOOK),
            _ => {
                // Whatever cannot be ended has ended.
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    }
}
