//! SQLite files of ours: opened for their owner alone, told from others', brought to this version, read while others write.
//!
//! `user_version` counts the migrations that a file has had; a new one is a text at the end of [`Format::migrations`], and those
//! before it never change. `application_id` tells one kind of file from other databases. Start with [`Format`].

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::{Fault, Health};

/// How long a writer or a reader waits for others: on a busy disk, SQLite lets one of several writers starve for seconds.
const BUSY: Duration = Duration::from_secs(10);

/// A kind of file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format<'a> {
    /// What tells it from other databases.
    pub(crate) application: i32,
    /// What makes the next version of a file out of the one before.
    pub(crate) migrations: &'a [&'a str],
}

/// Looks through a file that was opened, or tells why it was not. Blocks for as long as reading the file takes.
pub(crate) fn health(opened: Result<Connection, Fault>) -> Health {
    let looked = opened.and_then(|connection| Ok(connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))?));
    looked.and_then(|word| if word == "ok" { Ok(()) } else { Err(Fault::Damaged(word)) }).into()
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Gives the room of what was deleted back to the disk.
pub(crate) fn give_room_back(connection: &Connection) -> Result<(), Fault> {
    // Each step gives back one page.
    let mut statement = connection.prepare("PRAGMA incremental_vacuum")?;
    let mut steps = statement.query([])?;
    while steps.next()?.is_some() {}
    Ok(())
}

impl Format<'_> {
    /// A database to write to: made, with its folder, or brought to this version where need be. Blocks.
    ///
    /// # Errors
    /// When it cannot be opened, is of another kind, or was written by a newer aimux.
    pub(crate) fn open(&self, path: &Path) -> Result<Connection, Fault> {
        let failed = |error: std::io::Error| Fault::Failed(error.to_string());
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        // SQLite gives its other files the mode of this one.
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(failed)?;
        let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY)?;
        match self.version(&connection)? {
            0 => {
                // Nothing can be lost yet: one wait for the disk is enough, where each step of the making would have its own.
                connection.pragma_update(None, "synchronous", "OFF")?;
                self.migrate(&mut connection)?;
                file.sync_all().map_err(failed)?;
            }
            version if version < self.migrations.len() => self.migrate(&mut connection)?,
            _ => {}
        }
        // Of a process that is killed nothing is lost that was committed; of a machine that loses power, the last seconds are.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        Ok(connection)
    }

    /// The version of a file, 0 for an empty one.
    fn version(&self, connection: &Connection) -> Result<usize, Fault> {
        // In this order: whoever makes the file in between has it ours before we look.
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        if application != self.application && (application != 0 || tables > 0) {
            return Err(Fault::Failed("it is the database of another program; name another file".to_owned()));
        }
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let version = usize::try_from(version).unwrap_or(usize::MAX);
        let known = self.migrations.len();
        if version > known {
            return Err(Fault::Failed(format!("it was written by a newer aimux (version {version}, this one knows {known})")));
        }
        Ok(version)
    }

    /// Runs the migrations that the file has not had. Several processes may try at a time; one does.
    pub(crate) fn migrate(&self, connection: &mut Connection) -> Result<(), Fault> {
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for migration in self.migrations.iter().skip(self.version(&transaction)?) {
            transaction.execute_batch(migration)?;
        }
        transaction.pragma_update(None, "application_id", self.application)?;
        transaction.pragma_update(None, "user_version", i64::try_from(self.migrations.len()).unwrap_or(i64::MAX))?;
        Ok(transaction.commit()?)
    }

    /// A database to read from; others may write to it meanwhile.
    ///
    /// # Errors
    /// When there is none yet, or it cannot be read.
    pub(crate) fn open_to_read(&self, path: &Path) -> Result<Connection, Fault> {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Fault::Absent),
            Err(error) => return Err(Fault::Failed(error.to_string())),
            Ok(_) => {}
        }
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY)?;
        self.readable(connection)
    }

    /// The same for a glance that waits for nobody and makes no file: a reader would else leave SQLite's own ones beside it.
    ///
    /// # Errors
    /// As for [`Format::open_to_read`], and when somebody has it locked.
    pub(crate) fn glance(&self, path: &Path) -> Result<Connection, Fault> {
        let beside = |end: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            Path::new(&name).exists()
        };
        match (path.is_file(), beside("-wal"), beside("-shm")) {
            (false, _, _) => Err(Fault::Absent),
            // Nobody writes, and nothing stands elsewhere: the file alone is all.
            (true, false, _) => {
                let address = format!("file:{}?immutable=1", in_address(path));
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
                self.readable(Connection::open_with_flags(address, flags)?)
            }
            (true, true, true) => {
                let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
                connection.busy_timeout(Duration::ZERO)?;
                self.readable(connection)
            }
            (true, true, false) => Err(Fault::Failed("its writer was killed".to_owned())),
        }
    }

    /// The connection, if its file is of this version.
    fn readable(&self, connection: Connection) -> Result<Connection, Fault> {
        match self.version(&connection)? {
            // Somebody has just made the file.
            0 => Err(Fault::Absent),
            version if version < self.migrations.len() => {
                Err(Fault::Failed("it was written by an older aimux; a request through this one brings it up to date".to_owned()))
            }
            _ => Ok(connection),
        }
    }
}

/// A path as a part of SQLite's `file:` addresses.
fn in_address(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.iter().fold(String::new(), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => text.push(char::from(*byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
        text
    })
}
