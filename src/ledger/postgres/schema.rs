//! The tables: those of a file (`sqlite/schema.rs`), with the instance that wrote a row, and the numbers by which none is written twice.

use crate::database::postgres::Format;

/// What makes the next version of the tables out of the one before.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE aimux.requests (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        instance TEXT NOT NULL,
        writer BIGINT NOT NULL,
        sequence BIGINT NOT NULL,
        time BIGINT NOT NULL,
        request_id TEXT NOT NULL,
        dialect TEXT NOT NULL,
        program TEXT NOT NULL,
        role TEXT NOT NULL,
        session TEXT NOT NULL,
        agent TEXT NOT NULL,
        project TEXT NOT NULL,
        asked TEXT NOT NULL,
        route TEXT NOT NULL,
        stream BOOLEAN NOT NULL,
        provider TEXT NOT NULL,
        model TEXT NOT NULL,
        key TEXT NOT NULL,
        status BIGINT NOT NULL,
        code TEXT,
        ending TEXT NOT NULL,
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
        losses BIGINT NOT NULL,
        break_cause TEXT,
        break_detail TEXT,
        break_tokens BIGINT,
        break_cost BIGINT,
        UNIQUE (writer, sequence)
    );
    CREATE INDEX requests_time ON aimux.requests (time);
    CREATE INDEX requests_session ON aimux.requests (session, time);
    CREATE TABLE aimux.attempts (
        request BIGINT NOT NULL REFERENCES aimux.requests (id) ON DELETE CASCADE,
        number BIGINT NOT NULL,
        provider TEXT NOT NULL,
        model TEXT NOT NULL,
        key TEXT NOT NULL,
        start_ms BIGINT NOT NULL,
        ms BIGINT NOT NULL,
        status BIGINT,
        code TEXT,
        reused BOOLEAN,
        ending TEXT,
        cost BIGINT,
        input BIGINT,
        output BIGINT,
        cache_read BIGINT,
        cache_write BIGINT,
        thinking BIGINT,
        PRIMARY KEY (request, number)
    );
"];

/// A ledger.
pub(in crate::ledger) const FORMAT: Format<'_> = Format { kind: "ledger", migrations: MIGRATIONS };
