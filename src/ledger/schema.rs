//! The file: its tables, how they came about, and how it is opened for writing and for reading.
//!
//! `user_version` counts the migrations that a file has had; a new one is a text at the end of [`MIGRATIONS`], and those
//! before it never change. `application_id` tells a ledger from other databases. Times are milliseconds since 1970, money
//! is millionths of a US dollar, and an unknown figure is NULL, never 0.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::error::{Code, Error};

/// `aimx`.
const APPLICATION: i32 = 0x6169_6d78;

/// What makes the next version of a file out of the one before.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE requests (
        id INTEGER PRIMARY KEY,
        time INTEGER NOT NULL,
        request_id TEXT NOT NULL,
        dialect TEXT NOT NULL,
        program TEXT NOT NULL,
        role TEXT NOT NULL,
        session TEXT NOT NULL,
        agent TEXT NOT NULL,
        project TEXT NOT NULL,
        asked TEXT NOT NULL,
        route TEXT NOT NULL,
        stream INTEGER NOT NULL,
        provider TEXT NOT NULL,
        model TEXT NOT NULL,
        key TEXT NOT NULL,
        status INTEGER NOT NULL,
        code TEXT,
        ending TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        input INTEGER,
        output INTEGER,
        cache_read INTEGER,
        cache_write INTEGER,
        thinking INTEGER,
        estimated INTEGER NOT NULL,
        cost INTEGER,
        content_ms INTEGER,
        total_ms INTEGER NOT NULL,
        losses INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX requests_time ON requests (time);
    CREATE TABLE attempts (
        request INTEGER NOT NULL,
        number INTEGER NOT NULL,
        provider TEXT NOT NULL,
        model TEXT NOT NULL,
        key TEXT NOT NULL,
        start_ms INTEGER NOT NULL,
        ms INTEGER NOT NULL,
        status INTEGER,
        code TEXT,
        reused INTEGER,
        PRIMARY KEY (request, number)
    ) STRICT, WITHOUT ROWID;
",
    "
    ALTER TABLE requests ADD COLUMN break_cause TEXT;
    ALTER TABLE requests ADD COLUMN break_detail TEXT;
    ALTER TABLE requests ADD COLUMN break_tokens INTEGER;
    ALTER TABLE requests ADD COLUMN break_cost INTEGER;
",
];

/// How long a writer or a reader waits for another process.
const BUSY: Duration = Duration::from_secs(2);

/// Why there is no database to work with.
#[derive(Debug)]
pub(super) enum Fault {
    /// The system or SQLite says no; it may say yes later.
    Failed(String),
    /// Nobody wrote one yet.
    Absent,
}

impl Fault {
    /// In words.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Failed(reason) => reason,
            Self::Absent => "there is none".to_owned(),
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(said(&error))
    }
}

/// What SQLite says, in a line.
fn said(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            format!("it is damaged or no ledger ({error}); move it away and a new one is begun")
        }
        _ => error.to_string(),
    }
}

/// A database to write to: made, with its folder, or brought to this version where need be. Blocks.
///
/// # Errors
/// When it cannot be opened, is no ledger, or was written by a newer aimux.
pub(super) fn open(path: &Path) -> Result<Connection, Fault> {
    let failed = |error: std::io::Error| Fault::Failed(error.to_string());
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    // SQLite gives its other files the mode of this one.
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(failed)?;
    let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    if version(&connection, MIGRATIONS.len())? < MIGRATIONS.len() {
        migrate(&mut connection, MIGRATIONS)?;
    }
    // Of a process that is killed nothing is lost that was committed; of a machine that loses power, the last seconds are.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}

/// The version of a ledger, 0 for an empty file. So many are known.
fn version(connection: &Connection, known: usize) -> Result<usize, Fault> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION && (application != 0 || tables > 0) {
        return Err(Fault::Failed("it is the database of another program; name another file".to_owned()));
    }
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    if version > known {
        return Err(Fault::Failed(format!("it was written by a newer aimux (version {version}, this one knows {known})")));
    }
    Ok(version)
}

/// Runs the migrations that the file has not had. Several processes may try at a time; one does.
fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), Fault> {
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for migration in migrations.iter().skip(version(&transaction, migrations.len())?) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", i64::try_from(migrations.len()).unwrap_or(i64::MAX))?;
    Ok(transaction.commit()?)
}

/// A database to read from; a server may write to it meanwhile.
///
/// # Errors
/// When there is none yet, or it cannot be read.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, Fault> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Fault::Absent),
        Err(error) => return Err(Fault::Failed(error.to_string())),
        Ok(_) => {}
    }
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    match version(&connection, MIGRATIONS.len())? {
        // A server that has just made the file.
        0 => Err(Fault::Absent),
        version if version < MIGRATIONS.len() => {
            Err(Fault::Failed("it was written by an older aimux; a request through this one brings it up to date".to_owned()))
        }
        _ => Ok(connection),
    }
}

/// The fault as an error of a command.
pub(super) fn error(path: &Path, reason: &str) -> Error {
    Error::new(Code::Ledger, format!("the ledger {} cannot be read: {reason}", path.display()))
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    pub(in crate::ledger) const VERSION: usize = MIGRATIONS.len();

    /// As an aimux would leave the file that knows these migrations.
    pub(in crate::ledger) fn migrate_with(connection: &mut Connection, migrations: &[&str]) {
        migrate(connection, migrations).unwrap_or_else(|_| panic!("it migrates"));
    }

    pub(in crate::ledger) const ALL: &[&str] = MIGRATIONS;
}
