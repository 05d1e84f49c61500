//! A folder of secret files: opened once, checked, then read and written relative to the open descriptor, so that nothing
//! that is swapped under the path afterwards can lead a read or a write elsewhere.
//!
//! A write is staged under a temporary name, synced, renamed over the old file, and the folder synced: whoever reads, and
//! whatever dies in between, finds the old content or the new one. It knows nothing of age. Start with [`Folder::open`].

#[cfg(test)]
pub(crate) mod faults;

use std::fs::{DirBuilder, File, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Mode, OFlags};
use zeroize::Zeroizing;

use crate::error::{Code, Error};

/// The longest file that is read, in bytes: a key file is about 300.
pub(crate) const FILE_MAX: u64 = 64 * 1024;
/// How long a writer waits for another one.
const LOCK_WAIT: Duration = Duration::from_secs(10);
const STAGED: &str = ".aimux-tmp-";
const LOCK: &str = ".lock";

/// How much is asked of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Ours alone: no symlink, no bit for group or world.
    Private,
    /// A folder that the user chose, such as `~/.config`: nobody else may write to it.
    Shared,
    /// What the system hands to a service: root's or ours, a group bit being what an access list for us looks like.
    Given,
}

/// An open folder. The path is for messages only.
#[derive(Debug)]
pub(crate) struct Folder {
    handle: File,
    path: PathBuf,
}

/// A file's content and the time of its last change, in seconds since 1970.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    pub(crate) changed: u64,
}

/// Held while the folder is written to; another writer waits.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Folder {
    /// Opens a folder; `None` when there is none.
    pub(crate) fn open(path: &Path, trust: Trust) -> Result<Option<Self>, Error> {
        let mut flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if trust == Trust::Private {
            flags |= OFlags::NOFOLLOW;
        }
        let handle = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(handle) => File::from(handle),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR) => {
                return Err(
                    Error::new(Code::Permission, format!("{} is a symlink or no folder", path.display())).hint("put a real folder there")
                );
            }
            Err(error) => return Err(failed("open", path, error.into())),
        };
        let folder = Self { handle, path: path.to_path_buf() };
        folder.check(trust)?;
        Ok(Some(folder))
    }

    /// Opens a folder, made with mode 0700 where it is absent.
    pub(crate) fn open_or_make(path: &Path, trust: Trust) -> Result<Self, Error> {
        if let Some(folder) = Self::open(path, trust)? {
            return Ok(folder);
        }
        let made = step().and_then(|()| DirBuilder::new().recursive(true).mode(0o700).create(path));
        made.map_err(|error| failed("make", path, error))?;
        if let Some(parent) = path.parent().and_then(|parent| File::open(parent).ok()) {
            step().and_then(|()| parent.sync_all()).map_err(|error| failed("sync the folder of", path, error))?;
        }
        Self::open(path, trust)?.ok_or_else(|| Error::new(Code::KeyStore, format!("{} vanished", path.display())))
    }

    fn check(&self, trust: Trust) -> Result<(), Error> {
        let metadata = self.handle.metadata().map_err(|error| failed("examine", &self.path, error))?;
        let (forbidden, mend) = match trust {
            Trust::Private => (0o077, "700"),
            Trust::Shared | Trust::Given => (0o022, "go-w"),
        };
        check_owner(&self.path, metadata.uid(), trust)?;
        check_mode(&self.path, metadata.mode(), forbidden, mend)
    }

    /// Where a file of the folder lies, for messages.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads a file after checking what was opened: a regular file of ours with no bit for group or world. `None` when
    /// there is none.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Content>, Error> {
        self.read_trusting(name, Trust::Private)
    }

    /// The same for a folder that was opened with [`Trust::Given`].
    pub(crate) fn read_given(&self, name: &str) -> Result<Option<Content>, Error> {
        self.read_trusting(name, Trust::Given)
    }

    fn read_trusting(&self, name: &str, trust: Trust) -> Result<Option<Content>, Error> {
        let path = self.path_of(name);
        // NONBLOCK: opening a pipe that somebody put there must not hang.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.handle, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(rustix::io::Errno::LOOP) => {
                return Err(Error::new(Code::Permission, format!("{} is a symlink", path.display())).hint("put the file itself there"));
            }
            Err(error) => return Err(failed("open", &path, error.into())),
        };
        let metadata = file.metadata().map_err(|error| failed("examine", &path, error))?;
        if !metadata.is_file() {
            return Err(Error::new(Code::Permission, format!("{} is not a regular file", path.display())));
        }
        check_owner(&path, metadata.uid(), trust)?;
        let forbidden = if trust == Trust::Given { 0o037 } else { 0o077 };
        check_mode(&path, metadata.mode(), forbidden, "600")?;
        // The capacity is fixed beforehand: a vector that grows leaves copies of its content behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(FILE_MAX).unwrap_or(usize::MAX).saturating_add(1)));
        file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(|error| failed("read", &path, error))?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_MAX {
            return Err(Error::new(Code::KeyStore, format!("{} is longer than {FILE_MAX} bytes", path.display())));
        }
        Ok(Some(Content { bytes, changed: u64::try_from(metadata.mtime()).unwrap_or(0) }))
    }

    /// Whether something of that name is there, be it a symlink that leads nowhere.
    pub(crate) fn has(&self, name: &str) -> bool {
        rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Whether a folder of that name is there.
    pub(crate) fn is_folder(&self, name: &str) -> bool {
        let about = rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW);
        about.is_ok_and(|about| rustix::fs::FileType::from_raw_mode(about.st_mode) == rustix::fs::FileType::Directory)
    }

    /// The names of what is in the folder, in no order. A name that is not UTF-8 is left out.
    pub(crate) fn list(&self) -> Result<Vec<String>, Error> {
        let broken = |error: rustix::io::Errno| failed("list", &self.path, error.into());
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.handle).map_err(broken)? {
            if let Ok(name) = entry.map_err(broken)?.file_name().to_str() {
                names.push(name.to_owned());
            }
        }
        names.retain(|name| name != "." && name != "..");
        Ok(names)
    }

    /// Puts `bytes` under `name` in one step, with mode 0600, whatever was there before.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.stage(bytes)?.commit(name)
    }

    /// Writes and syncs `bytes` under a temporary name; nothing is visible until [`Staged::commit`].
    pub(crate) fn stage(&self, bytes: &[u8]) -> Result<Staged<'_>, Error> {
        let name = temporary_name()?;
        let file = self.make(&name)?;
        let staged = Staged { folder: self, name };
        self.fill(file, bytes)?;
        Ok(staged)
    }

    /// Writes a file that is not there yet, with mode 0600, and syncs it. Not in one step: whoever dies leaves a part.
    pub(crate) fn create(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.fill(self.make(name)?, bytes)?;
        self.sync()
    }

    fn make(&self, name: &str) -> Result<File, Error> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = step().and_then(|()| Ok(rustix::fs::openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR)?));
        made.map(File::from).map_err(|error| failed("write to", &self.path, error))
    }

    fn fill(&self, mut file: File, bytes: &[u8]) -> Result<(), Error> {
        file.set_permissions(Permissions::from_mode(0o600))
            .and_then(|()| write(&mut file, bytes))
            .and_then(|()| step())
            .and_then(|()| file.sync_all())
            .map_err(|error| failed("write to", &self.path, error))
    }

    /// Renames a file of the folder over another one, in one step, and syncs the folder.
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        let renamed = step().and_then(|()| Ok(rustix::fs::renameat(&self.handle, from, &self.handle, to)?));
        renamed.map_err(|error| failed("write", &self.path_of(to), error))?;
        self.sync()
    }

    /// Deletes a file; whether there was one.
    pub(crate) fn remove(&self, name: &str) -> Result<bool, Error> {
        match step().and_then(|()| Ok(rustix::fs::unlinkat(&self.handle, name, AtFlags::empty())?)) {
            Ok(()) => self.sync().map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("remove", &self.path_of(name), error)),
        }
    }

    /// Waits, for a limited time, until no other process writes here, and clears away what a killed one left.
    pub(crate) fn lock(&self) -> Result<Lock, Error> {
        let lock = self.turn(LOCK)?;
        self.sweep()?;
        Ok(lock)
    }

    /// Waits, for a limited time, until nobody else holds the lock of that name. It says nothing about writes.
    pub(crate) fn turn(&self, name: &str) -> Result<Lock, Error> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| failed("open", &self.path_of(name), error.into()))?;
        let file = File::from(file);
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_WAIT => std::thread::sleep(Duration::from_millis(20)),
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::new(Code::KeyStore, "another aimux is writing keys").hint("wait for it to end, then try again"));
                }
                Err(TryLockError::Error(error)) => return Err(failed("lock", &self.path_of(name), error)),
            }
        }
    }

    /// Whether another process writes here now.
    pub(crate) fn is_locked(&self) -> bool {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = rustix::fs::openat(&self.handle, LOCK, flags, Mode::empty()).map(File::from);
        lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Whether a writer staged something, be it at work or killed.
    pub(crate) fn has_staged(&self) -> Result<bool, Error> {
        Ok(self.list()?.iter().any(|name| name.starts_with(STAGED)))
    }

    /// Deletes what a killed writer staged. Only for who holds the lock.
    pub(crate) fn sweep(&self) -> Result<(), Error> {
        for name in self.list()?.iter().filter(|name| name.starts_with(STAGED)) {
            self.remove(name)?;
        }
        Ok(())
    }

    /// Waits until the names of the folder are on the disk.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        step().and_then(|()| self.handle.sync_all()).map_err(|error| failed("sync", &self.path, error))
    }
}

/// Content that is on the disk under a temporary name. Dropped without a commit, it is deleted.
#[derive(Debug)]
pub(crate) struct Staged<'a> {
    folder: &'a Folder,
    name: String,
}

impl Staged<'_> {
    /// Gives the content its name, in one step, and syncs the folder.
    pub(crate) fn commit(mut self, name: &str) -> Result<(), Error> {
        let folder = self.folder;
        let renamed = step().and_then(|()| Ok(rustix::fs::renameat(&folder.handle, self.name.as_str(), &folder.handle, name)?));
        renamed.map_err(|error| failed("write", &folder.path_of(name), error))?;
        self.name.clear();
        folder.sync()
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if !self.name.is_empty() && step().is_ok() {
            // Nothing to be done about a failure: the next writer clears it away.
            let _ = rustix::fs::unlinkat(&self.folder.handle, self.name.as_str(), AtFlags::empty());
        }
    }
}

/// Asked before everything that changes the disk: here a test makes it fail.
#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "what a test puts in its place fails")]
fn step() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
fn step() -> io::Result<()> {
    faults::step()
}

fn write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    if let Err(error) = step() {
        // What a disk that fills up leaves of a write.
        file.write_all(bytes.get(..bytes.len() / 2).unwrap_or_default())?;
        return Err(error);
    }
    file.write_all(bytes)
}

fn temporary_name() -> Result<String, Error> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)
        .map_err(|error| Error::new(Code::KeyStore, "the system gives no random bytes").caused_by(error.to_string()))?;
    Ok(format!("{STAGED}{:016x}", u64::from_le_bytes(random)))
}

fn check_owner(path: &Path, owner: u32, trust: Trust) -> Result<(), Error> {
    if owner == rustix::process::geteuid().as_raw() || (owner == 0 && trust == Trust::Given) {
        return Ok(());
    }
    Err(Error::new(Code::Permission, format!("{} belongs to another user", path.display()))
        .hint("run aimux as its owner, or make the file again as yourself"))
}

fn check_mode(path: &Path, mode: u32, forbidden: u32, mend: &str) -> Result<(), Error> {
    if mode & forbidden == 0 {
        return Ok(());
    }
    let can = if forbidden & 0o044 == 0 { "written by others" } else { "open to others" };
    let path = path.display();
    Err(Error::new(Code::Permission, format!("{path} is {can}: its mode is {:03o}", mode & 0o777)).hint(format!("chmod {mend} {path}")))
}

fn failed(verb: &str, path: &Path, error: io::Error) -> Error {
    let code = if error.kind() == io::ErrorKind::PermissionDenied { Code::Permission } else { Code::KeyStore };
    Error::new(code, format!("cannot {verb} {}: {error}", path.display())).caused_by(error)
}

#[cfg(test)]
mod tests;
