//! The tables: those of a file (`sqlite/schema.rs`), but for the index of words, which is a column.

use crate::database::postgres::Format;

/// What makes the next version of the tables out of the one before.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE aimux.conversations (
        id TEXT COLLATE \"C\" PRIMARY KEY,
        name TEXT NOT NULL,
        created BIGINT NOT NULL,
        updated BIGINT NOT NULL,
        bytes BIGINT NOT NULL
    );
    CREATE INDEX conversations_updated ON aimux.conversations (updated);
    CREATE TABLE aimux.exchanges (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        instance TEXT NOT NULL,
        conversation TEXT COLLATE \"C\" NOT NULL REFERENCES aimux.conversations (id) ON DELETE CASCADE,
        time BIGINT NOT NULL,
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
        steps TEXT NOT NULL,
        ending TEXT NOT NULL,
        code TEXT,
        attempts BIGINT NOT NULL,
        input BIGINT,
        output BIGINT,
        cache_read BIGINT,
        cache_write BIGINT,
        thinking BIGINT,
        estimated BOOLEAN NOT NULL,
        cost BIGINT,
        content_ms BIGINT,
        total_ms BIGINT NOT NULL,
        words TSVECTOR NOT NULL
    );
    CREATE INDEX exchanges_conversation ON aimux.exchanges (conversation, id);
    CREATE INDEX exchanges_time ON aimux.exchanges (time);
    CREATE INDEX exchanges_words ON aimux.exchanges USING gin (words);
    CREATE TABLE aimux.contents (
        sha256 TEXT PRIMARY KEY,
        content BYTEA NOT NULL
    );
    CREATE TABLE aimux.attachments (
        exchange BIGINT NOT NULL REFERENCES aimux.exchanges (id) ON DELETE CASCADE,
        number BIGINT NOT NULL,
        name TEXT NOT NULL,
        type TEXT NOT NULL,
        size BIGINT NOT NULL,
        sha256 TEXT NOT NULL,
        PRIMARY KEY (exchange, number)
    );
    CREATE INDEX attachments_sha256 ON aimux.attachments (sha256);
"];

/// Conversations.
pub(super) const FORMAT: Format<'_> = Format { kind: "history", migrations: MIGRATIONS };
