//! A new config put into its place: checked as text, the one it replaces backed up.

use std::path::Path;

use super::backup::{self, Wanted};
use super::environment::Environment;
use super::{LoadError, Options, load};
use crate::error::{Code, Error};
use crate::keys::Store;

/// How many backups stay when one is made on the way.
const KEEP: usize = 10;

/// How a config is put into its place.
#[derive(Debug, Clone, Copy)]
pub struct Placing<'a> {
    /// Where folders are.
    pub environment: &'a Environment,
    /// The keys that go into a backup.
    pub store: &'a Store,
    /// Whether one that is there is replaced, after a backup.
    pub replace: bool,
    /// Seconds since 1970.
    pub now: u64,
}

/// Checks a text as `serve` would, without the environment's overrides. Returns its warnings, one text for the terminal.
///
/// # Errors
/// With its diagnostics when it has errors.
pub fn check_text(name: &str, text: &str, environment: &Environment, store: &Store) -> Result<String, LoadError> {
    let (_, report) = load::examine(name, text.as_bytes(), &Options::default(), &environment.without_overrides(), store);
    if report.errors() > 0 { Err(LoadError::Invalid { errors: report.errors(), rendered: report.render() }) } else { Ok(report.render()) }
}

/// Writes a config, mode 0600, in one step. Returns the name of the backup of the one that was there.
///
/// # Errors
/// When one is there and is not to be replaced, or nothing can be written.
pub fn place_config(path: &Path, bytes: &[u8], placing: &Placing<'_>) -> Result<Option<String>, Error> {
    place_config_after(path, bytes, placing, &mut || Ok(()))
}

/// The same, with something done between the backup and the writing: what a config names must be there before it is.
///
/// # Errors
/// The same, and what `first` fails with; the config is not written then.
pub fn place_config_after(
    path: &Path,
    bytes: &[u8],
    placing: &Placing<'_>,
    first: &mut dyn FnMut() -> Result<(), Error>,
) -> Result<Option<String>, Error> {
    let &Placing { environment, store, replace, now } = placing;
    let mut former = None;
    if path.symlink_metadata().is_ok() {
        if !replace {
            let message = format!("there is a file already: {}", path.display());
            return Err(Error::new(Code::Usage, message).hint("put --force to replace it; the former one is backed up"));
        }
        former = Some(backup::backup(&Wanted { config: path, environment, store, keep: KEEP, now })?.backup.name);
    }
    first()?;
    backup::write_file(path, bytes)?;
    Ok(former)
}

/// Writes a file beside a config, mode 0600, over the one that is there.
///
/// # Errors
/// When it cannot be written.
pub fn write_beside(config: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    backup::write_file(&config.with_file_name(name), bytes)
}

/// The bytes of a config file.
///
/// # Errors
/// When it is no file, too large, or everybody may write to it.
pub fn read_config(path: &Path) -> Result<Vec<u8>, Error> {
    load::read(path)
}
