//! The file: its tables, and how they came about; `database/sqlite.rs` has how it is opened.
//!
//! Times are milliseconds since 1970, money is millionths of a US dollar, and an unknown figure is NULL, never 0.

use std::path::Path;

use rusqlite::Connection;

use crate::database::Fault;
use crate::database::sqlite::Format;

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
    "
    ALTER TABLE attempts ADD COLUMN ending TEXT;
    ALTER TABLE attempts ADD COLUMN cost INTEGER;
",
    "
    ALTER TABLE attempts ADD COLUMN input INTEGER;
    ALTER TABLE attempts ADD COLUMN output INTEGER;
    ALTER TABLE attempts ADD COLUMN cache_read INTEGER;
    ALTER TABLE attempts ADD COLUMN cache_write INTEGER;
    ALTER TABLE attempts ADD COLUMN thinking INTEGER;
",
    "
    CREATE INDEX requests_session ON requests (session, time);
",
];

/// A ledger.
const LEDGER: Format<'_> = Format { application: APPLICATION, migrations: MIGRATIONS };

/// A ledger to write to; see [`Format::open`].
pub(in crate::ledger) fn open(path: &Path) -> Result<Connection, Fault> {
    LEDGER.open(path)
}

/// A ledger to read from; see [`Format::open_to_read`].
pub(in crate::ledger) fn open_to_read(path: &Path) -> Result<Connection, Fault> {
    LEDGER.open_to_read(path)
}

/// A ledger to glance at; see [`Format::glance`].
pub(in crate::ledger) fn glance(path: &Path) -> Result<Connection, Fault> {
    LEDGER.glance(path)
}

#[cfg(test)]
pub(in crate::ledger) mod testing {
    use super::*;

    pub(in crate::ledger) const VERSION: usize = MIGRATIONS.len();

    /// As an aimux would leave the file that knows these migrations.
    pub(in crate::ledger) fn migrate_with(connection: &mut Connection, migrations: &[&str]) {
        Format { migrations, ..LEDGER }.migrate(connection).unwrap_or_else(|_| panic!("it migrates"));
    }

    pub(in crate::ledger) const ALL: &[&str] = MIGRATIONS;
}
