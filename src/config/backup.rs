//! Backups of a config and its key files: made, listed and restored.
//!
//! A backup is a folder `backups/<time>` in aimux's config folder, 0700: the config's bytes, the key files as they lie
//! encrypted, and what was saved when. The identity never goes into one: whoever holds a backup holds no key. A folder appears
//! whole, by a rename; no symlink is followed. Start with [`backup`] and [`restore`].

use std::fs::{DirBuilder, File};
use std::io::Read as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::environment::Environment;
use super::{LoadError, Options, load};
use crate::date;
use crate::error::{Code, Error};
use crate::keys::{Folder, Store, Trust};
use crate::secret::Secret;

const CONFIG: &str = "config.yaml";
const ABOUT: &str = "about.json";
const KEYS: &str = "keys";
/// What the name of a folder begins with that is not whole yet, or not any more.
const UNFINISHED: &str = ".new-";

/// A backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Its name, the time: `20260131T120000Z`.
    pub name: String,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// The config that it is of.
    pub config: PathBuf,
    /// Bytes of the config.
    pub bytes: u64,
    /// The names of the keys in it.
    pub keys: Vec<String>,
}

/// What [`backup`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The backup.
    pub backup: Backup,
    /// The names of older ones that were removed.
    pub removed: Vec<String>,
}

/// What a backup says of itself.
#[derive(serde::Serialize, serde::Deserialize)]
struct About {
    config: PathBuf,
    created: u64,
    aimux: String,
}

/// Whose backups, and how they are made.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The config.
    pub config: &'a Path,
    /// Where folders are.
    pub environment: &'a Environment,
    /// The keys that go along.
    pub store: &'a Store,
    /// How many backups of this config stay, the new one included.
    pub keep: usize,
    /// Seconds since 1970.
    pub now: u64,
}

/// Where backups of every config are.
#[must_use]
pub fn backups_folder(environment: &Environment) -> PathBuf {
    environment.config_folder().join("backups")
}

/// Saves a config and the store's key files; then removes older backups of the same config.
///
/// # Errors
/// When the config is absent, a symlink or too large, a key file is unsafe, or nothing can be written.
pub fn backup(wanted: &Wanted<'_>) -> Result<Made, Error> {
    let backup = save(wanted)?;
    let removed = prune(&backup.config, wanted.environment, wanted.keep, &backup.name)?;
    Ok(Made { backup, removed })
}

fn save(&Wanted { config, environment, store, now, .. }: &Wanted<'_>) -> Result<Backup, Error> {
    let config = absolute(config)?;
    let bytes = read_file(&config)?;
    let root = backups_folder(environment);
    let folder = Folder::open_or_make(&root, Trust::Private).map_err(state)?;
    let _lock = folder.lock().map_err(state)?;
    sweep(&folder, &root)?;
    let stamp: String = date::rfc3339(now).chars().filter(|c| !matches!(c, '-' | ':')).collect();
    let free = (0..1000).map(|count| if count == 0 { stamp.clone() } else { format!("{stamp}-{count:03}") });
    let Some(name) = free.into_iter().find(|name| !folder.has(name)) else {
        return Err(Error::new(Code::StateFolder, "too many backups of this second"));
    };
    let unfinished = root.join(format!("{UNFINISHED}{name}"));
    DirBuilder::new().mode(0o700).create(&unfinished).map_err(|error| failed("make", &unfinished, error))?;
    let inner = Folder::open_or_make(&unfinished, Trust::Private).map_err(state)?;
    inner.replace(CONFIG, &bytes).map_err(state)?;
    let keys = store.copy_into(&unfinished.join(KEYS))?;
    let about = About { config: config.clone(), created: now, aimux: env!("CARGO_PKG_VERSION").to_owned() };
    let text = serde_json::to_vec_pretty(&about).map_err(|error| Error::new(Code::Bug, "a backup cannot be described").caused_by(error))?;
    inner.replace(ABOUT, &text).map_err(state)?;
    let place = root.join(&name);
    std::fs::rename(&unfinished, &place).map_err(|error| failed("make", &place, error))?;
    sync(&root)?;
    Ok(Backup { name, created: now, config, bytes: bytes.len() as u64, keys })
}

/// The backups of a config, the oldest first.
///
/// # Errors
/// When the folder is unsafe or cannot be read.
pub fn backups(config: &Path, environment: &Environment) -> Result<Vec<Backup>, Error> {
    let config = absolute(config)?;
    let root = backups_folder(environment);
    let Some(folder) = Folder::open(&root, Trust::Private).map_err(state)? else { return Ok(Vec::new()) };
    let mut names: Vec<String> = folder.list().map_err(state)?.into_iter().filter(|name| is_name(name)).collect();
    names.sort();
    let mut found = Vec::new();
    for name in names {
        // What is no backup of aimux's is not its business, and is left alone.
        let place = root.join(&name);
        let Ok(Some(inner)) = Folder::open(&place, Trust::Private) else { continue };
        let Ok(Some(about)) = inner.read(ABOUT) else { continue };
        let Ok(about) = serde_json::from_slice::<About>(&about.bytes) else { continue };
        if about.config != config {
            continue;
        }
        let bytes = place.join(CONFIG).symlink_metadata().map_or(0, |about| about.len());
        let keys = Store::new(&place, None).names().unwrap_or_default();
        found.push(Backup { name, created: about.created, config: about.config, bytes, keys });
    }
    Ok(found)
}

/// What is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// The config alone: a key that was replaced since stays replaced.
    Config,
    /// The key files too.
    ConfigAndKeys,
}

/// What [`restore`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The backup that holds now.
    pub backup: Backup,
    /// The backup of what it replaced; `None`: there was no config.
    pub former: Option<Backup>,
    /// The keys that were put back.
    pub keys: Vec<String>,
    /// Warnings about the config, one text for the terminal.
    pub rendered: String,
}

/// Restores a backup, the last one without a name, after it has passed the validator and, where keys are restored, each of
/// them has been opened. What it replaces is saved first.
///
/// # Errors
/// When there is no such backup, it does not pass, or nothing can be written; nothing has changed then.
pub fn restore(
    name: Option<&str>,
    parts: Parts,
    wanted: &Wanted<'_>,
    passphrase: &mut dyn FnMut() -> Result<Secret, Error>,
) -> Result<Restored, LoadError> {
    let &Wanted { config, environment, store, keep, now } = wanted;
    let chosen = choose(name, config, environment).map_err(LoadError::Other)?;
    let place = backups_folder(environment).join(&chosen.name);
    let bytes = read_file(&place.join(CONFIG)).map_err(LoadError::Other)?;
    let saved_keys = store.elsewhere(&place);
    // Keys that the backup brings along are not absent.
    let present = if parts == Parts::ConfigAndKeys { &saved_keys } else { store };
    let shown = format!("backup {}", chosen.name);
    let (_, report) = load::examine(&shown, &bytes, &Options::default(), environment, present);
    if report.errors() > 0 {
        return Err(LoadError::Invalid { errors: report.errors(), rendered: report.render() });
    }
    if parts == Parts::ConfigAndKeys && !chosen.keys.is_empty() {
        let opener = saved_keys.opener(passphrase).map_err(LoadError::Other)?;
        for key in &chosen.keys {
            opener.read(key).map_err(LoadError::Other)?;
        }
    }
    let swap = || -> Result<(Option<Backup>, Vec<String>), Error> {
        let former = if config.symlink_metadata().is_ok() { Some(save(wanted)?) } else { None };
        let keys = if parts == Parts::ConfigAndKeys { store.put_back(&saved_keys, now)?.written } else { Vec::new() };
        write_file(config, &bytes)?;
        prune(&chosen.config, environment, keep.max(2), &chosen.name)?;
        Ok((former, keys))
    };
    let (former, keys) = swap().map_err(LoadError::Other)?;
    Ok(Restored { backup: chosen, former, keys, rendered: report.render() })
}

fn choose(name: Option<&str>, config: &Path, environment: &Environment) -> Result<Backup, Error> {
    let mut all = backups(config, environment)?;
    let found = match name {
        None => all.pop(),
        Some(name) => all.into_iter().find(|backup| backup.name == name),
    };
    let missing = match name {
        None => format!("there is no backup of {}", config.display()),
        Some(name) if is_name(name) => format!("there is no backup {name} of {}", config.display()),
        Some(_) => "that is not the name of a backup".to_owned(),
    };
    found.ok_or_else(|| Error::new(Code::Usage, missing).hint("`aimux config list` shows them; name another config with --config"))
}

/// Removes the oldest backups of a config until `keep` are left; `spared` stays in any case.
fn prune(config: &Path, environment: &Environment, keep: usize, spared: &str) -> Result<Vec<String>, Error> {
    let root = backups_folder(environment);
    let all = backups(config, environment)?;
    let excess = all.len().saturating_sub(keep.max(1));
    let mut removed = Vec::new();
    for backup in all.into_iter().filter(|backup| backup.name != spared).take(excess) {
        let (place, doomed) = (root.join(&backup.name), root.join(format!("{UNFINISHED}{}", backup.name)));
        std::fs::rename(&place, &doomed)
            .and_then(|()| std::fs::remove_dir_all(&doomed))
            .map_err(|error| failed("remove", &place, error))?;
        removed.push(backup.name);
    }
    Ok(removed)
}

/// Clears away what a killed process left. Only for who holds the lock.
fn sweep(folder: &Folder, root: &Path) -> Result<(), Error> {
    for name in folder.list().map_err(state)?.iter().filter(|name| name.starts_with(UNFINISHED)) {
        let place = root.join(name);
        std::fs::remove_dir_all(&place).map_err(|error| failed("remove", &place, error))?;
    }
    Ok(())
}

/// Whether a name may be a backup's: nothing that leads out of the folder.
fn is_name(name: &str) -> bool {
    let begins = name.starts_with(|c: char| c.is_ascii_digit());
    begins && name.len() <= 24 && name.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'T' | b'Z' | b'-'))
}

/// Reads a config's bytes, whatever they are; a symlink is not followed.
///
/// # Errors
/// When it is absent, a symlink, no regular file or too large.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = |what: String| Error::new(Code::ConfigUnreadable, format!("config {}: {what}", path.display()));
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::LOOP) => return Err(unreadable("is a symlink".to_owned()).hint("name the file itself with --config")),
        Err(rustix::io::Errno::NOENT) => return Err(unreadable("is not there".to_owned()).hint("make one with `aimux config init`")),
        Err(error) => return Err(unreadable(format!("cannot be opened: {error}"))),
    };
    let about = file.metadata().map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    if !about.is_file() {
        return Err(unreadable("is no regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(load::FILE_MAX + 1).read_to_end(&mut bytes).map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > load::FILE_MAX {
        return Err(unreadable(format!("is larger than {} bytes", load::FILE_MAX)));
    }
    Ok(bytes)
}

/// Puts bytes in the place of a config in one step, mode 0600. A symlink there is refused, not followed.
///
/// # Errors
/// When the folder can be written to by others, or nothing can be written.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let path = absolute(path)?;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Err(Error::new(Code::Usage, format!("{} is no file", path.display())));
    };
    if let Ok(about) = path.symlink_metadata()
        && !about.is_file()
    {
        return Err(Error::new(Code::Permission, format!("{} is a symlink or no regular file", path.display()))
            .hint("name the file itself with --config"));
    }
    Folder::open_or_make(parent, Trust::Shared).and_then(|folder| folder.replace(name, bytes)).map_err(state)
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|error| Error::new(Code::Usage, format!("{} is no path: {error}", path.display())))
}

fn sync(folder: &Path) -> Result<(), Error> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed("sync", folder, error))
}

fn failed(verb: &str, path: &Path, error: std::io::Error) -> Error {
    Error::new(Code::StateFolder, format!("cannot {verb} {}: {error}", path.display())).caused_by(error)
}

/// A failure of a folder, said of the folder and not of keys.
fn state(error: Error) -> Error {
    if error.code == Code::KeyStore { Error { code: Code::StateFolder, ..error } } else { error }
}

#[cfg(test)]
mod tests;
