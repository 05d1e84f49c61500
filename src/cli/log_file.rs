//! A log in a file: whole lines, put aside when it is long or old, as many kept as was asked for, none lost.
//!
//! Several processes may write one file, as at a handover: each line is appended in one call, and only one of them puts the
//! file aside. A file that somebody else moved away is opened anew within a second, or at SIGHUP. Start with [`LogFile::open`].

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How often is looked whether the file is still the one at its path.
const LOOK: Duration = Duration::from_secs(1);

/// When a file is put aside, and how many are kept then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rotation {
    /// Bytes; 0: never.
    pub(crate) length_max: u64,
    /// Zero: never.
    pub(crate) age_max: Duration,
    /// Files besides the current one.
    pub(crate) keep: u32,
}

/// The log.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    length: u64,
    begun: SystemTime,
    looked: Instant,
}

impl Open {
    fn new(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let about = file.metadata()?;
        // Some file systems do not know when a file was made.
        let begun = about.created().or_else(|_| about.modified()).unwrap_or_else(|_| SystemTime::now());
        Ok(Self { length: about.len(), file, begun, looked: Instant::now() })
    }

    /// Whether the file is still what its path leads to.
    fn is_at(&self, path: &Path) -> bool {
        let same = |own: &fs::Metadata, there: &fs::Metadata| (own.dev(), own.ino()) == (there.dev(), there.ino());
        matches!((self.file.metadata(), fs::metadata(path)), (Ok(own), Ok(there)) if same(&own, &there))
    }
}

impl LogFile {
    /// Opens the file, and makes its folder if need be.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn open(path: &Path, rotation: Rotation) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        Ok(Self { path: path.to_owned(), rotation, open: Mutex::new(Open::new(path)?) })
    }

    /// Opens the path anew: what is there now is written from here on.
    ///
    /// # Errors
    /// When it cannot be opened; then the former file is written further.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        *open = Open::new(&self.path)?;
        Ok(())
    }

    /// Appends a line.
    fn append(&self, line: &[u8]) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now.duration_since(open.looked) >= LOOK {
            open.looked = now;
            if let Ok(about) = open.file.metadata() {
                // Another process writes it too.
                open.length = about.len();
            }
            if !open.is_at(&self.path)
                && let Ok(anew) = Open::new(&self.path)
            {
                *open = anew;
            }
        }
        let added = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if open.length > 0 && self.is_due(&open, added) {
            // A folder that cannot be changed leaves one long file: better than none.
            let _ = self.put_aside(&open);
            if let Ok(anew) = Open::new(&self.path) {
                *open = anew;
            }
        }
        open.file.write_all(line)?;
        open.length = open.length.saturating_add(added);
        Ok(())
    }

    fn is_due(&self, open: &Open, added: u64) -> bool {
        let Rotation { length_max, age_max, .. } = self.rotation;
        let is_long = length_max > 0 && open.length.saturating_add(added) > length_max;
        is_long || (!age_max.is_zero() && open.begun.elapsed().is_ok_and(|age| age >= age_max))
    }

    /// Moves the file to `.1`, what is there to `.2`, and so on; the last one goes.
    fn put_aside(&self, open: &Open) -> io::Result<()> {
        // Whoever waited for this finds another file at the path, and leaves it there.
        open.file.lock()?;
        if !open.is_at(&self.path) {
            return Ok(());
        }
        let numbered = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        if self.rotation.keep == 0 {
            return fs::remove_file(&self.path);
        }
        for number in (1..self.rotation.keep).rev() {
            match fs::rename(numbered(number), numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, numbered(1))
    }
}

impl Write for &LogFile {
    /// A line at a time, as the log gives them.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.append(line).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(length_max: u64, keep: u32) -> Rotation {
        Rotation { length_max, age_max: Duration::ZERO, keep }
    }

    fn read(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join(name)).unwrap_or_default()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_long_file_is_put_aside_and_so_many_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = LogFile::open(&path, rotation(20, 2)).unwrap();
        for number in 0..9 {
            (&log).write_all(format!("line {number}..\n").as_bytes()).unwrap();
        }
        assert_eq!(names(folder.path()), ["log", "log.1", "log.2"]);
        assert_eq!(read(folder.path(), "log"), "line 8..\n");
        assert_eq!(read(folder.path(), "log.1"), "line 6..\nline 7..\n");
        assert_eq!(read(folder.path(), "log.2"), "line 4..\nline 5..\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_old_file_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = LogFile::open(&path, Rotation { length_max: 0, age_max: Duration::from_secs(60), keep: 3 }).unwrap();
        (&log).write_all(b"one\n").unwrap();
        log.open.lock().unwrap().begun -= Duration::from_secs(61);
        (&log).write_all(b"two\n").unwrap();
        assert_eq!((read(folder.path(), "log.1").as_str(), read(folder.path(), "log").as_str()), ("one\n", "two\n"));
    }

    #[test]
    fn two_writers_and_many_threads_lose_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let logs = [LogFile::open(&path, rotation(2000, 1000)).unwrap(), LogFile::open(&path, rotation(2000, 1000)).unwrap()];
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let log = &logs[thread % 2];
                scope.spawn(move || {
                    for number in 0..500 {
                        let mut log = log;
                        log.write_all(format!("thread {thread} line {number}\n").as_bytes()).unwrap();
                    }
                });
            }
        });
        let mut lines: Vec<String> =
            names(folder.path()).iter().flat_map(|name| read(folder.path(), name).lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        lines.sort();
        lines.dedup();
        assert_eq!(lines.len(), 8 * 500);
        assert!(lines.iter().all(|line| line.starts_with("thread ") && line.contains(" line ")));
    }

    #[test]
    fn a_file_that_was_moved_away_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = LogFile::open(&path, rotation(0, 1)).unwrap();
        (&log).write_all(b"one\n").unwrap();
        fs::rename(&path, folder.path().join("moved")).unwrap();
        (&log).write_all(b"two\n").unwrap();
        log.reopen().unwrap();
        (&log).write_all(b"three\n").unwrap();
        fs::rename(&path, folder.path().join("again")).unwrap();
        log.open.lock().unwrap().looked -= LOOK;
        (&log).write_all(b"four\n").unwrap();
        let all = ["moved", "again", "log"].map(|name| read(folder.path(), name));
        assert_eq!(all, ["one\ntwo\n", "three\n", "four\n"]);
    }
}
