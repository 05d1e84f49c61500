//! Writing: an exchange is put in whole or not at all; what is too old or too much is forgotten, what is deleted overwritten.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::record::Exchange;
use super::{History, failed, id, number};
use crate::database::{Fault, give_room_back};
use crate::error::Error;

const DAY_MS: u64 = 86_400_000;
/// Conversations forgotten at a time, so that nobody waits long for a prompt that is over.
const FORGET_MAX: u32 = 200;
/// The longest name of a conversation, in characters.
const NAME_MAX: usize = 120;

impl History {
    /// Writes an exchange into its conversation, or begins one with it; gives the conversation's id.
    ///
    /// # Errors
    /// When it cannot be written: the disk is full, another process holds the file, or it is damaged.
    pub fn put(&mut self, conversation: Option<&str>, exchange: &Exchange) -> Result<String, Error> {
        let with_contents = self.settings.attachments;
        let put = insert(&mut self.connection, conversation, exchange, with_contents);
        let id = put.map_err(|fault| failed(&self.settings, "written", fault))?;
        // What is too much today will be forgotten tomorrow: the exchange is safe.
        let _ = self.forget(&id);
        Ok(id)
    }

    /// Deletes conversations, their words in the index and their attachments' content; gives how many there were.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn delete(&mut self, ids: &[String]) -> Result<usize, Error> {
        let deleted = delete(&mut self.connection, ids).and_then(|count| sweep(&self.connection).map(|()| count));
        deleted.map_err(|fault| failed(&self.settings, "written", fault))
    }

    /// Forgets the conversations that are too old, then, while the file is too large, the oldest; never `current`.
    pub(super) fn forget(&mut self, current: &str) -> Result<(), Fault> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let end = number(now.saturating_sub(u64::from(self.settings.keep_days) * DAY_MS));
        let old = {
            let mut statement =
                self.connection.prepare_cached("SELECT id FROM conversations WHERE updated < ?1 AND id <> ?2 ORDER BY updated LIMIT ?3")?;
            let rows = statement.query_map(params![end, current, FORGET_MAX], |row| row.get(0))?;
            rows.collect::<Result<Vec<String>, _>>()?
        };
        let mut is_changed = !old.is_empty();
        if is_changed {
            delete(&mut self.connection, &old)?;
        }
        let most = i64::from(self.settings.keep_mb) << 20;
        let mut left = FORGET_MAX;
        while used(&self.connection)? > most && left > 0 {
            let sql = "SELECT id FROM conversations WHERE id <> ?1 ORDER BY updated LIMIT 1";
            let Some(oldest) = self.connection.query_row(sql, [current], |row| row.get(0)).optional()? else { break };
            delete(&mut self.connection, &[oldest])?;
            is_changed = true;
            left -= 1;
        }
        if is_changed { sweep(&self.connection) } else { Ok(()) }
    }
}

/// Bytes of the file that hold something.
fn used(connection: &Connection) -> Result<i64, Fault> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
}

/// Gives the room of what was deleted back; what the log had of it goes as well.
fn sweep(connection: &Connection) -> Result<(), Fault> {
    give_room_back(connection)?;
    // Where another process reads, the log stays until it has done so.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

fn delete(connection: &mut Connection, ids: &[String]) -> Result<usize, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut count = 0;
    for id in ids {
        // Exchanges and attachments go with it, and the triggers take index and contents along.
        count += transaction.execute("DELETE FROM conversations WHERE id = ?1", [id])?;
    }
    transaction.commit()?;
    Ok(count)
}

fn insert(connection: &mut Connection, conversation: Option<&str>, exchange: &Exchange, with_contents: bool) -> Result<String, Fault> {
    let id = conversation.map_or_else(|| id::fresh(exchange.time_ms), str::to_owned);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    insert_into(&transaction, &id, exchange, with_contents)?;
    transaction.commit()?;
    Ok(id)
}

/// The same as a part of a transaction.
pub(super) fn insert_into(transaction: &Connection, id: &str, exchange: &Exchange, with_contents: bool) -> Result<(), Fault> {
    let time = number(exchange.time_ms);
    transaction.execute(
        "INSERT INTO conversations (id, name, created, updated) VALUES (?1, ?2, ?3, ?3)
         ON CONFLICT (id) DO UPDATE SET updated = max(updated, ?3)",
        params![id, name(exchange), time],
    )?;
    let usage = &exchange.usage;
    transaction.execute(
        "INSERT INTO exchanges (conversation, time, request_id, system, prompt, answer, reasoning, asked, provider, model, route, options,
            ending, code, attempts, input, output, cache_read, cache_write, thinking, estimated, cost, content_ms, total_ms, steps)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25)",
        params![
            id,
            time,
            exchange.request_id,
            exchange.system,
            exchange.prompt,
            exchange.answer,
            exchange.reasoning,
            exchange.asked,
            exchange.provider,
            exchange.model,
            exchange.route,
            exchange.options,
            exchange.ending.name(),
            exchange.code,
            number(exchange.attempts),
            usage.input.map(number),
            usage.output.map(number),
            usage.cache_read.map(number),
            usage.cache_write.map(number),
            usage.reasoning.map(number),
            exchange.is_estimated,
            exchange.cost.map(number),
            exchange.content_ms.map(number),
            number(exchange.total_ms),
            exchange.steps,
        ],
    )?;
    let row = transaction.last_insert_rowid();
    for (at, attachment) in (1_i64..).zip(&exchange.attachments) {
        transaction.execute(
            "INSERT INTO attachments (exchange, number, name, type, size, sha256) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![row, at, attachment.name, attachment.media_type, number(attachment.size), attachment.sha256],
        )?;
        if let (true, Some(content)) = (with_contents, &attachment.content) {
            transaction.execute("INSERT OR IGNORE INTO contents (sha256, content) VALUES (?1, ?2)", params![attachment.sha256, content])?;
        }
    }
    Ok(())
}

/// What a conversation is called: the first line of its first prompt that says something.
fn name(exchange: &Exchange) -> String {
    let line = exchange.prompt.lines().map(str::trim).find(|line| !line.is_empty());
    let attached = || exchange.attachments.first().map(|attachment| attachment.name.as_str());
    line.or_else(attached).unwrap_or_default().chars().take(NAME_MAX).collect()
}
