//! The log's two files and its lock, in a state folder of one's own. Nothing here knows what a line says, but for the
//! lines behind the head, which a writer left that was ended before it could count them.
//!
//! Start with [`Files::tail`].

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::line::{Checked, LINE_MAX};
use super::{broken, gone, headless};
use crate::error::{Code, Error};

pub(super) const LOG: &str = "audit.jsonl";
const HEAD: &str = "audit.head";
const LOCK: &str = "audit.lock";
/// How long a writer waits for another one.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// The longest head file, in bytes.
const HEAD_MAX: u64 = 1024;
/// Bytes behind the head that are read; a writer that was ended leaves one line.
const TAIL_MAX: u64 = 1 << 20;

/// The end of the log as its last writer left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// Lines.
    pub(super) count: u64,
    /// Their length.
    pub(super) bytes: u64,
    /// The hash of the last one.
    pub(super) hash: String,
}

/// The state folder.
pub(super) struct Files<'a> {
    folder: &'a Path,
}

/// The open log.
pub(super) struct LogFile {
    file: File,
    path: PathBuf,
}

/// Its lines, one at a time.
pub(super) struct Lines {
    reader: BufReader<File>,
    path: PathBuf,
    count: u64,
}

impl<'a> Files<'a> {
    /// The folder; `None` when there is none.
    pub(super) fn open(folder: &'a Path) -> Result<Option<Self>, Error> {
        match std::fs::metadata(folder) {
            Ok(_) => Ok(Some(Self { folder })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("open", folder, error)),
        }
    }

    /// The folder, made with mode 0700 where it is absent.
    pub(super) fn open_or_make(folder: &'a Path) -> Result<Self, Error> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed("make", folder, error))?;
        Ok(Self { folder })
    }

    /// Waits, for a limited time, until nobody else writes or reads.
    pub(super) fn lock(&self) -> Result<File, Error> {
        let path = self.folder.join(LOCK);
        let lock = options().read(true).append(true).create(true).open(&path).map_err(|error| failed("lock", &path, error))?;
        let started = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_WAIT => std::thread::sleep(Duration::from_millis(5)),
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::new(Code::AuditLog, "another aimux holds the audit log").hint("wait for it to end, then try again"));
                }
                Err(TryLockError::Error(error)) => return Err(failed("lock", &path, error)),
            }
        }
    }

    /// The head; `None` when there is none.
    pub(super) fn head(&self) -> Result<Option<Head>, Error> {
        let path = self.folder.join(HEAD);
        let Some(file) = checked(&path, options().read(true))? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(HEAD_MAX).read_to_end(&mut bytes).map_err(|error| failed("read", &path, error))?;
        serde_json::from_slice(&bytes).map(Some).map_err(|error| headless().caused_by(error))
    }

    /// The log, to be read; `None` when there is none.
    pub(super) fn log(&self) -> Result<Option<LogFile>, Error> {
        let path = self.folder.join(LOG);
        Ok(checked(&path, options().read(true))?.map(|file| LogFile { file, path }))
    }

    /// The log, to be appended to, and its end. What a writer left unfinished is taken away; it told nobody that it was done.
    pub(super) fn tail(&self) -> Result<(LogFile, Head), Error> {
        let path = self.folder.join(LOG);
        let log = checked(&path, options().read(true).append(true))?;
        let (log, head) = match (log, self.head()?) {
            (Some(log), Some(head)) => (log, head),
            (None, Some(head)) if head.count > 0 => return Err(gone()),
            (Some(log), None) if log.metadata().map_or(1, |about| about.len()) > 0 => return Err(headless()),
            (log, _) => {
                let Checked { count, hash } = Checked::default();
                let head = Head { count, bytes: 0, hash };
                // Before the log: a log without a head is one that somebody tampered with.
                self.write_head(&head)?;
                (log.map_or_else(|| make(&path), Ok)?, head)
            }
        };
        let mut log = LogFile { file: log, path };
        let end = log.end(head)?;
        Ok((log, end))
    }

    /// Replaces the head in one step.
    pub(super) fn write_head(&self, head: &Head) -> Result<(), Error> {
        let path = self.folder.join(HEAD);
        let write = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::with_prefix_in(".audit-", self.folder)?;
            file.write_all(&serde_json::to_vec(head)?)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            File::open(self.folder)?.sync_all()
        };
        write().map_err(|error| failed("write", &path, error))
    }
}

impl LogFile {
    /// From the head to the real end: whole lines behind it count, half of one goes.
    fn end(&mut self, head: Head) -> Result<Head, Error> {
        let length = self.file.metadata().map_err(|error| failed("examine", &self.path, error))?.len();
        if length < head.bytes {
            return Err(Error::new(Code::AuditLog, "the audit log is shorter than it was").hint(super::BEGIN_ANEW));
        }
        self.check_last(&head)?;
        let mut behind = Vec::new();
        self.file.seek(SeekFrom::Start(head.bytes)).map_err(|error| failed("read", &self.path, error))?;
        (&self.file).take(TAIL_MAX).read_to_end(&mut behind).map_err(|error| failed("read", &self.path, error))?;
        let mut chain = Checked { count: head.count, hash: head.hash };
        let mut end = head.bytes;
        for line in behind.split_inclusive(|byte| *byte == b'\n') {
            if !line.ends_with(b"\n") {
                self.cut_to(end).map_err(|error| failed("mend", &self.path, error))?;
                break;
            }
            chain.take(line)?;
            end += line.len() as u64;
        }
        Ok(Head { count: chain.count, bytes: end, hash: chain.hash })
    }

    /// Whether the line that the head names ends where it says.
    fn check_last(&mut self, head: &Head) -> Result<(), Error> {
        let end = format!("{}\"}}\n", head.hash);
        let mut found = Vec::new();
        if head.count > 0 {
            let start = head.bytes.saturating_sub(end.len() as u64);
            let read = self.file.seek(SeekFrom::Start(start)).and_then(|_| (&self.file).take(end.len() as u64).read_to_end(&mut found));
            read.map_err(|error| failed("read", &self.path, error))?;
            if found != end.as_bytes() {
                return Err(broken(head.count, "it is not the one that was written last"));
            }
        }
        Ok(())
    }

    /// Appends and syncs; where that fails, nothing of it stays.
    pub(super) fn append(&mut self, end: &Head, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len() > LINE_MAX {
            return Err(Error::new(Code::AuditLog, "an entry is too long for the audit log"));
        }
        self.file.write_all(bytes).and_then(|()| self.file.sync_all()).map_err(|error| {
            // Half a line is cut off by the next writer, too.
            let _ = self.cut_to(end.bytes);
            failed("write to", &self.path, error)
        })
    }

    fn cut_to(&self, end: u64) -> io::Result<()> {
        self.file.set_len(end).and_then(|()| self.file.sync_all())
    }

    /// Its lines from the first one.
    pub(super) fn lines(self) -> Lines {
        Lines { reader: BufReader::new(self.file), path: self.path, count: 0 }
    }
}

impl Lines {
    /// The next line, its line feed included.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let mut line = Vec::new();
        let limit = LINE_MAX as u64 + 1;
        self.reader.by_ref().take(limit).read_until(b'\n', &mut line).map_err(|error| failed("read", &self.path, error))?;
        self.count += 1;
        if line.len() > LINE_MAX {
            return Err(broken(self.count, "it is longer than any entry"));
        }
        Ok((!line.is_empty()).then_some(line))
    }
}

/// How each of the files is opened: not by others, not through a link, never waiting for a pipe.
fn options() -> OpenOptions {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
    options
}

fn make(path: &Path) -> Result<File, Error> {
    options().read(true).append(true).create_new(true).open(path).map_err(|error| failed("make", path, error))
}

/// Opens a file and checks what was opened: a regular file of ours, with no bit for group or world. `None`: there is none.
fn checked(path: &Path, options: &OpenOptions) -> Result<Option<File>, Error> {
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", path, error)),
    };
    let about = file.metadata().map_err(|error| failed("examine", path, error))?;
    if !about.is_file() || about.uid() != rustix::process::geteuid().as_raw() {
        return Err(Error::new(Code::AuditLog, format!("{} is no file of this user's", path.display())));
    }
    if about.mode() & 0o077 != 0 {
        return Err(Error::new(Code::AuditLog, format!("{} is open to others: its mode is {:03o}", path.display(), about.mode() & 0o777))
            .hint(format!("chmod 600 {}", path.display())));
    }
    Ok(Some(file))
}

fn failed(verb: &str, path: &Path, error: io::Error) -> Error {
    Error::new(Code::AuditLog, format!("cannot {verb} {}: {error}", path.display())).caused_by(error)
}
