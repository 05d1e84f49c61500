//! Writing a file: an exchange is put in whole or not at all; what is deleted is overwritten.

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use crate::database::sqlite::give_room_back;
use crate::database::{Fault, number};
use crate::history::Taken;
use crate::history::record::Exchange;
use crate::history::store::{FORGET_MAX, Keep};

pub(super) fn forget(connection: &mut Connection, keep: Keep<'_>) -> Result<(), Fault> {
    let (end, most, current) = (number(keep.since_ms), number(keep.bytes_max), keep.current);
    let old = {
        let mut statement =
            connection.prepare_cached("SELECT id FROM conversations WHERE updated < ?1 AND id <> ?2 ORDER BY updated LIMIT ?3")?;
        let rows = statement.query_map(params![end, current, FORGET_MAX], |row| row.get(0))?;
        rows.collect::<Result<Vec<String>, _>>()?
    };
    let mut is_changed = !old.is_empty();
    if is_changed {
        delete(connection, &old)?;
    }
    let mut left = FORGET_MAX;
    while used(connection)? > most && left > 0 {
        let sql = "SELECT id FROM conversations WHERE id <> ?1 ORDER BY updated LIMIT 1";
        let Some(oldest) = connection.query_row(sql, [current], |row| row.get(0)).optional()? else { break };
        delete(connection, &[oldest])?;
        is_changed = true;
        left -= 1;
    }
    if is_changed { sweep(connection) } else { Ok(()) }
}

/// Bytes of the file that hold something.
fn used(connection: &Connection) -> Result<i64, Fault> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
}

/// Gives the room of what was deleted back; what the log had of it goes as well.
pub(super) fn sweep(connection: &Connection) -> Result<(), Fault> {
    give_room_back(connection)?;
    // Where another process reads, the log stays until it has done so.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

pub(super) fn delete(connection: &mut Connection, ids: &[String]) -> Result<usize, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut count = 0;
    for id in ids {
        // Exchanges and attachments go with it, and the triggers take index and contents along.
        count += transaction.execute("DELETE FROM conversations WHERE id = ?1", [id])?;
    }
    transaction.commit()?;
    Ok(count)
}

pub(super) fn put(connection: &mut Connection, id: &str, exchange: &Exchange, with_contents: bool) -> Result<(), Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    insert_into(&transaction, id, exchange, with_contents)?;
    Ok(transaction.commit()?)
}

/// The same as a part of a transaction.
fn insert_into(transaction: &Connection, id: &str, exchange: &Exchange, with_contents: bool) -> Result<(), Fault> {
    let time = number(exchange.time_ms);
    transaction.execute(
        "INSERT INTO conversations (id, name, created, updated) VALUES (?1, ?2, ?3, ?3)
         ON CONFLICT (id) DO UPDATE SET updated = max(updated, ?3)",
        params![id, exchange.title(), time],
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

pub(super) fn take(connection: &mut Connection, conversations: &[(String, Vec<Exchange>)], with_contents: bool) -> Result<Taken, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut taken = Taken::default();
    for (id, exchanges) in conversations {
        let fresh = new(&transaction, id, exchanges)?;
        for exchange in &fresh {
            insert_into(&transaction, id, exchange, with_contents)?;
        }
        taken.add(exchanges.len(), fresh.len());
    }
    transaction.commit()?;
    Ok(taken)
}

/// Those that the conversation does not have.
pub(super) fn new<'a>(connection: &Connection, id: &str, exchanges: &'a [Exchange]) -> Result<Vec<&'a Exchange>, Fault> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM exchanges WHERE conversation = ?1 AND request_id = ?2")?;
    let mut fresh = Vec::new();
    for exchange in exchanges {
        if statement.query_row(params![id, exchange.request_id], |_| Ok(())).optional()?.is_none() {
            fresh.push(exchange);
        }
    }
    Ok(fresh)
}
