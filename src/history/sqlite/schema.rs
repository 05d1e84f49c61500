//! The file: its tables, and how they came about; `database/sqlite.rs` has how it is opened.
//!
//! Times are milliseconds since 1970, money is millionths of a US dollar, an unknown figure is NULL, never 0. The index of words
//! (`search`) has no text of its own; triggers keep it in step with the exchanges. `contents` has each attachment once.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::database::Fault;
use crate::database::sqlite::Format;

/// What makes the next version of a file out of the one before.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE conversations (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        created INTEGER NOT NULL,
        updated INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX conversations_updated ON conversations (updated);
    CREATE TABLE exchanges (
        id INTEGER PRIMARY KEY,
        conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        time INTEGER NOT NULL,
        request_id TEXT NOT NULL,
        system TEXT NOT NULL,
        prompt TEXT NOT NULL,
        answer TEXT NOT NULL,
        reasoning TEXT NOT NULL,
        asked TEXT NOT NULL,
        provider TEXT NOT NULL,
        model TEXT NOT NULL,
        route TEXT NOT NULL,
        options TEXT NOT NULL,
        ending TEXT NOT NULL,
        code TEXT,
        attempts INTEGER NOT NULL,
        input INTEGER,
        output INTEGER,
        cache_read INTEGER,
        cache_write INTEGER,
        thinking INTEGER,
        estimated INTEGER NOT NULL,
        cost INTEGER,
        content_ms INTEGER,
        total_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX exchanges_conversation ON exchanges (conversation, id);
    CREATE INDEX exchanges_time ON exchanges (time);
    CREATE TABLE contents (
        sha256 TEXT PRIMARY KEY,
        content BLOB NOT NULL
    ) STRICT;
    CREATE TABLE attachments (
        exchange INTEGER NOT NULL REFERENCES exchanges (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        name TEXT NOT NULL,
        type TEXT NOT NULL,
        size INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        PRIMARY KEY (exchange, number)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX attachments_sha256 ON attachments (sha256);
    CREATE VIRTUAL TABLE search USING fts5 (prompt, answer, content = 'exchanges', content_rowid = 'id',
        tokenize = 'unicode61 remove_diacritics 2');
    INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
    CREATE TRIGGER exchanges_insert AFTER INSERT ON exchanges BEGIN
        INSERT INTO search (rowid, prompt, answer) VALUES (new.id, new.prompt, new.answer);
    END;
    CREATE TRIGGER exchanges_delete AFTER DELETE ON exchanges BEGIN
        INSERT INTO search (search, rowid, prompt, answer) VALUES ('delete', old.id, old.prompt, old.answer);
    END;
    CREATE TRIGGER attachments_delete AFTER DELETE ON attachments
        WHEN NOT EXISTS (SELECT 1 FROM attachments WHERE sha256 = old.sha256) BEGIN
        DELETE FROM contents WHERE sha256 = old.sha256;
    END;
",
    "
    ALTER TABLE exchanges ADD COLUMN steps TEXT NOT NULL DEFAULT '';
",
];

const FORMAT: Format<'_> = Format {
    // `aimh`.
    application: 0x6169_6d68,
    migrations: MIGRATIONS,
};

/// A file to write to; see [`Format::open`].
pub(in crate::history) fn open(path: &Path) -> Result<Connection, Fault> {
    let connection = FORMAT.open(path)?;
    // What people said to models is nobody else's, whatever became of the file's mode.
    let about = std::fs::metadata(path).map_err(|error| Fault::Failed(error.to_string()))?;
    if about.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|error| Fault::Failed(error.to_string()))?;
    }
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "secure_delete", true)?;
    // An answer was paid for: it is on the disk when the command ends. That the log goes into the file is left to one of the next
    // exchanges, so that each waits for the disk once.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// A file to read from; see [`Format::open_to_read`].
pub(in crate::history) fn open_to_read(path: &Path) -> Result<Connection, Fault> {
    FORMAT.open_to_read(path)
}

/// A file to glance at; see [`Format::glance`].
pub(in crate::history) fn glance(path: &Path) -> Result<Connection, Fault> {
    FORMAT.glance(path)
}

#[cfg(test)]
pub(in crate::history) mod testing {
    use super::*;

    pub(in crate::history) const VERSION: usize = MIGRATIONS.len();

    /// As an aimux would leave the file that knows these migrations too.
    pub(in crate::history) fn migrate_further(connection: &mut Connection, more: &[&str]) {
        let migrations = [MIGRATIONS, more].concat();
        Format { migrations: &migrations, ..FORMAT }.migrate(connection).unwrap_or_else(|_| panic!("it migrates"));
    }
}
