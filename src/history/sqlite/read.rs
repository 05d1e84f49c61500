//! Reading a file: what a filter means in SQL, and rows as conversations, exchanges and hits.

use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};

use crate::chat::Usage;
use crate::database::{Fault, figure as unsigned, number};
use crate::history::record::{Attachment, Ending, Exchange};
use crate::history::{Conversation, Filter, Hit, MARKS, words};

/// What a filter means in SQL, over `c`, with its parameters.
struct Where {
    sql: String,
    values: Vec<Box<dyn ToSql>>,
}

impl Where {
    fn of(filter: &Filter) -> Self {
        let bound = |ms: Option<u64>, other: i64| ms.map_or(other, number);
        let mut wanted = Self {
            sql: "c.id IN (SELECT conversation FROM exchanges WHERE time >= ?1 AND time < ?2
                AND (?3 = '' OR instr(lower(asked || ' ' || provider || '/' || model), lower(?3)) > 0))
                AND ?4 <= (SELECT ifnull(sum(cost), 0) FROM exchanges WHERE conversation = c.id)"
                .to_owned(),
            values: vec![
                Box::new(bound(filter.since_ms, i64::MIN)),
                Box::new(bound(filter.until_ms, i64::MAX)),
                Box::new(filter.model.clone().unwrap_or_default()),
                Box::new(filter.cost_min.map_or(0, number)),
            ],
        };
        if let Some(text) = &filter.text {
            let query = words::query(text);
            // A query without words finds nothing; asked for in FTS5, it would be an error.
            wanted.sql += if query.is_empty() {
                " AND 0"
            } else {
                " AND c.id IN (SELECT conversation FROM exchanges WHERE id IN (SELECT rowid FROM search WHERE search MATCH ?5))"
            };
            if !query.is_empty() {
                wanted.values.push(Box::new(query));
            }
        }
        wanted
    }
}

/// A figure that SQLite keeps with a sign.
fn figure(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(unsigned)
}

fn known_figure(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<u64>> {
    row.get::<_, Option<i64>>(column).map(|figure| figure.map(unsigned))
}

pub(super) fn conversations(connection: &Connection, filter: &Filter, limit: usize) -> Result<Vec<Conversation>, Fault> {
    let Where { sql, values } = Where::of(filter);
    let mut statement = connection.prepare(&format!(
        "SELECT c.id, c.name, c.created, c.updated, count(*) AS exchanges, sum(ifnull(cost, 0)) AS cost, sum(cost IS NULL) AS unpriced,
            sum(ending <> 'whole') AS unfinished, group_concat(DISTINCT iif(provider = '', asked, provider || '/' || model)) AS targets
         FROM conversations c JOIN exchanges e ON e.conversation = c.id WHERE {sql}
         GROUP BY c.id ORDER BY c.updated DESC, c.id DESC LIMIT {limit}"
    ))?;
    let rows = statement.query_map(rusqlite::params_from_iter(values), |row| {
        Ok(Conversation {
            id: row.get("id")?,
            name: row.get("name")?,
            created_ms: figure(row, "created")?,
            updated_ms: figure(row, "updated")?,
            exchanges: figure(row, "exchanges")?,
            unfinished: figure(row, "unfinished")?,
            targets: row.get::<_, String>("targets")?.split(',').filter(|target| !target.is_empty()).map(str::to_owned).collect(),
            cost_micro_usd: figure(row, "cost")?,
            unpriced: figure(row, "unpriced")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn search(connection: &Connection, text: &str, filter: &Filter, limit: usize) -> Result<Vec<Hit>, Fault> {
    let query = words::query(text);
    if query.is_empty() {
        return Ok(Vec::new());
    }
    let Where { sql, mut values } = Where::of(&Filter { text: None, ..filter.clone() });
    values.push(Box::new(query));
    let [begin, end] = MARKS.map(|mark| mark as u32);
    let piece = |column: u8| format!("snippet(search, {column}, char({begin}), char({end}), '…', 16)");
    let mut statement = connection.prepare(&format!(
        "SELECT e.conversation, e.time, iif(e.provider = '', e.asked, e.provider || '/' || e.model) AS target,
            {} AS prompt, {} AS answer,
            (SELECT count(*) FROM exchanges b WHERE b.conversation = e.conversation AND b.id <= e.id) AS number
         FROM search JOIN exchanges e ON e.id = search.rowid JOIN conversations c ON c.id = e.conversation
         WHERE search MATCH ?5 AND {sql} ORDER BY search.rank, e.id DESC LIMIT {limit}",
        piece(0),
        piece(1)
    ))?;
    let rows = statement.query_map(rusqlite::params_from_iter(values), |row| {
        Ok(Hit {
            conversation: row.get("conversation")?,
            number: figure(row, "number")?,
            time_ms: figure(row, "time")?,
            target: row.get("target")?,
            prompt: row.get("prompt")?,
            answer: row.get("answer")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn beginning(connection: &Connection, begin: &str) -> Result<Vec<String>, Fault> {
    let mut statement = connection.prepare("SELECT id FROM conversations WHERE id >= ?1 AND id < ?1 || '~' ORDER BY id DESC LIMIT 5")?;
    let rows = statement.query_map([begin], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn latest(connection: &Connection) -> Result<Option<String>, Fault> {
    let sql = "SELECT id FROM conversations c WHERE EXISTS (SELECT 1 FROM exchanges WHERE conversation = c.id AND answer <> '')
        ORDER BY updated DESC, id DESC LIMIT 1";
    Ok(connection.query_row(sql, [], |row| row.get(0)).optional()?)
}

pub(super) fn exchanges(connection: &Connection, conversation: &str) -> Result<Vec<Exchange>, Fault> {
    let mut statement = connection.prepare("SELECT * FROM exchanges WHERE conversation = ?1 ORDER BY id")?;
    let rows = statement.query_map([conversation], |row| Ok((row.get::<_, i64>("id")?, exchange(row)?)))?;
    let mut all = Vec::new();
    for row in rows {
        let (id, exchange) = row?;
        all.push(Exchange { attachments: attachments(connection, id)?, ..exchange });
    }
    Ok(all)
}

fn exchange(row: &Row<'_>) -> rusqlite::Result<Exchange> {
    Ok(Exchange {
        time_ms: figure(row, "time")?,
        request_id: row.get("request_id")?,
        system: row.get("system")?,
        prompt: row.get("prompt")?,
        attachments: Vec::new(),
        answer: row.get("answer")?,
        reasoning: row.get("reasoning")?,
        asked: row.get("asked")?,
        provider: row.get("provider")?,
        model: row.get("model")?,
        route: row.get("route")?,
        options: row.get("options")?,
        // A file that nobody has written to since has no such column.
        steps: row.get("steps").unwrap_or_default(),
        ending: Ending::of(&row.get::<_, String>("ending")?),
        code: row.get("code")?,
        attempts: figure(row, "attempts")?,
        usage: Usage {
            input: known_figure(row, "input")?,
            output: known_figure(row, "output")?,
            cache_read: known_figure(row, "cache_read")?,
            cache_write: known_figure(row, "cache_write")?,
            cache_write_1h: None,
            reasoning: known_figure(row, "thinking")?,
        },
        is_estimated: row.get("estimated")?,
        cost: known_figure(row, "cost")?,
        content_ms: known_figure(row, "content_ms")?,
        total_ms: figure(row, "total_ms")?,
    })
}

fn attachments(connection: &Connection, exchange: i64) -> Result<Vec<Attachment>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT name, type, size, a.sha256, content FROM attachments a LEFT JOIN contents c ON c.sha256 = a.sha256
         WHERE exchange = ?1 ORDER BY number",
    )?;
    let rows = statement.query_map(params![exchange], |row| {
        Ok(Attachment {
            name: row.get("name")?,
            media_type: row.get("type")?,
            size: figure(row, "size")?,
            sha256: row.get("sha256")?,
            content: row.get("content")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
