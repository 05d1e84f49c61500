//! Programs of this machine, as a shell would find them.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use crate::config::Environment;

/// The program of that name in PATH; `None`: there is none.
pub(crate) fn in_path(name: &str, environment: &Environment) -> Option<PathBuf> {
    let folders = environment.get("PATH").map(std::env::split_paths).into_iter().flatten();
    let is_program = |path: &PathBuf| path.metadata().is_ok_and(|about| about.is_file() && about.mode() & 0o111 != 0);
    folders.map(|folder| folder.join(name)).find(is_program)
}
