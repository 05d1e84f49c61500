//! A ledger in a file of SQLite's: one for each machine, and several processes may write to it.

pub(super) mod schema;
mod search;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior, params};

use super::entry::{Attempt, Entry};
use super::errors::RecentError;
use super::keys::{KeyError, KeyRecord};
use super::report::{By, Row, SessionSum, Span};
use super::search::{Request, Sought};
use super::store::{FORGET_MAX, HEDGED, Mark, Part, Seen, Store};
use crate::database::sqlite::{give_room_back, health as health_of};
use crate::database::{Fault, Health, figure, number};

/// The open file.
pub(super) struct Sqlite {
    path: PathBuf,
    connection: Connection,
}

impl Sqlite {
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        Ok(Self { connection: schema::open(path)?, path: path.to_owned() })
    }

    pub(super) fn open_to_read(path: &Path) -> Result<Self, Fault> {
        Ok(Self { connection: schema::open_to_read(path)?, path: path.to_owned() })
    }
}

/// How the file is, by a quick look through all of it.
pub(super) fn health(path: &Path) -> Health {
    health_of(schema::open_to_read(path))
}

impl Store for Sqlite {
    fn is_there(&self) -> bool {
        self.path.exists()
    }

    fn insert(&mut self, _: Mark, entries: &[Box<Entry>]) -> Result<(), Fault> {
        insert(&mut self.connection, entries)
    }

    fn forget(&mut self, end_ms: u64) -> Result<(), Fault> {
        forget(&mut self.connection, end_ms)
    }

    fn requests(&mut self, by: By, span: Span, each: &mut dyn FnMut(Seen<'_>)) -> Result<(), Fault> {
        requests(&self.connection, by, span, each)
    }

    fn parts(&mut self, by: By, span: Span, each: &mut dyn FnMut(Part)) -> Result<(), Fault> {
        parts(&self.connection, by, span, each)
    }

    fn search(&mut self, sought: &Sought, words: &[&str], each: &mut dyn FnMut(Request) -> bool) -> Result<(), Fault> {
        search::search(&self.connection, sought, words, each)
    }

    fn session(&mut self, id: &str) -> Result<Option<SessionSum>, Fault> {
        session(&self.connection, id)
    }

    fn recent_errors(&mut self, since_ms: u64) -> Result<Vec<RecentError>, Fault> {
        recent_errors(&self.connection, since_ms)
    }

    fn key_records(&mut self) -> Result<HashMap<String, KeyRecord>, Fault> {
        key_records(&self.connection)
    }

    fn close(self: Box<Self>) {
        // The log is taken into the file; that it stays beside it does no harm.
        drop(self.connection.close());
    }
}

/// Writes entries in one transaction.
fn insert(connection: &mut Connection, entries: &[Box<Entry>]) -> Result<(), Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut request = transaction.prepare_cached(
            "INSERT INTO requests (time, request_id, dialect, program, role, session, agent, project, asked, route, stream, provider, model,
                key, status, code, ending, attempts, input, output, cache_read, cache_write, thinking, estimated, cost, content_ms,
                total_ms, losses, break_cause, break_detail, break_tokens, break_cost)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24,
                ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32)",
        )?;
        let mut attempt = transaction.prepare_cached(
            "INSERT INTO attempts (request, number, provider, model, key, start_ms, ms, status, code, reused, ending, cost,
                input, output, cache_read, cache_write, thinking)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?;
        for entry in entries {
            let usage = &entry.usage;
            let last = entry.last.map(|went| ([entry.provider.as_str(), &entry.model, &entry.key], went, None, entry.own()));
            let earlier = entry.earlier.iter().map(|one| {
                let ending = one.cancelled.map(|_| HEDGED);
                ([one.provider.as_str(), &one.model, &one.key], one.went, ending, (one.took, one.own_cost()))
            });
            let broken = entry.cache_break.as_ref();
            let id = request.insert(params![
                number(entry.time_ms),
                entry.request_id,
                entry.dialect,
                entry.program,
                entry.role,
                entry.session,
                entry.agent,
                entry.project,
                entry.asked,
                entry.route,
                entry.stream,
                entry.provider,
                entry.model,
                entry.key,
                entry.status,
                entry.code.map(|code| code.row().id),
                entry.ending.name(),
                number(entry.earlier.len() as u64 + u64::from(entry.last.is_some())),
                usage.input.map(number),
                usage.output.map(number),
                usage.cache_read.map(number),
                usage.cache_write.map(number),
                usage.reasoning.map(number),
                entry.is_partly_estimated(),
                entry.cost_in_all().map(number),
                entry.content_ms.map(number),
                number(entry.total_ms),
                number(entry.losses),
                broken.map(|broken| broken.cause),
                broken.map(|broken| broken.detail.as_str()),
                broken.map(|broken| number(broken.tokens)),
                broken.and_then(|broken| broken.cost).map(number),
            ])?;
            for (count, ([provider, model, key], went, ending, (took, cost))) in (1_i64..).zip(earlier.chain(last)) {
                let Attempt { start_ms, ms, status, code, is_reused } = went;
                attempt.execute(params![
                    id,
                    count,
                    provider,
                    model,
                    key,
                    number(start_ms),
                    number(ms),
                    status,
                    code.map(|code| code.row().id),
                    is_reused,
                    ending,
                    cost.map(number),
                    took.input.map(number),
                    took.output.map(number),
                    took.cache_read.map(number),
                    took.cache_write.map(number),
                    took.reasoning.map(number),
                ])?;
            }
        }
    }
    Ok(transaction.commit()?)
}

/// Deletes the requests that came before `end_ms`, and gives their room back.
fn forget(connection: &mut Connection, end_ms: u64) -> Result<(), Fault> {
    loop {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let old = "SELECT id FROM requests WHERE time < ?1 ORDER BY time LIMIT ?2";
        transaction.execute(&format!("DELETE FROM attempts WHERE request IN ({old})"), params![number(end_ms), FORGET_MAX])?;
        let gone = transaction.execute(&format!("DELETE FROM requests WHERE id IN ({old})"), params![number(end_ms), FORGET_MAX])?;
        transaction.commit()?;
        if gone < FORGET_MAX as usize {
            break;
        }
    }
    give_room_back(connection)
}

/// The group of a request, in SQL; for who was asked `of` is the table: `requests` for the last one, `attempts` for each.
fn column(by: By, of: &str) -> String {
    let same = match by {
        By::Model => return target(of),
        By::Provider => return format!("{of}.provider"),
        By::Key => return format!("iif({of}.key = '', '', {of}.provider || ' ' || {of}.key)"),
        By::Day => "strftime('%Y-%m-%d', time / 1000, 'unixepoch', 'localtime')",
        By::Hour => "strftime('%Y-%m-%d %H:00', time / 1000, 'unixepoch', 'localtime')",
        By::Session => "session",
        By::Role => "role",
        By::Agent => "agent",
        By::Project => "project",
        By::Client => "iif(program = '', dialect, program)",
        By::Route => "route",
    };
    same.to_owned()
}

/// `provider/model` of a table's row, in SQL.
fn target(of: &str) -> String {
    format!("iif({of}.provider = '', '', {of}.provider || '/' || {of}.model)")
}

fn requests(connection: &Connection, by: By, span: Span, each: &mut dyn FnMut(Seen<'_>)) -> Result<(), Fault> {
    let sql = format!(
        "SELECT {}, ending = 'failed', ifnull(input, 0), ifnull(output, 0), ifnull(cache_read, 0), ifnull(cache_write, 0),
            ifnull(thinking, 0), cost, estimated, content_ms, provider, model, break_cause, ifnull(break_tokens, 0), ifnull(break_cost, 0)
         FROM requests WHERE time >= ?1 AND time < ?2",
        column(by, "requests")
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(span.bounds())?;
    while let Some(row) = rows.next()? {
        let at = |index| row.get::<_, i64>(index).map(figure);
        let text = |index| row.get_ref(index).map(|value| value.as_str().unwrap_or_default());
        let cost = row.get::<_, Option<i64>>(7)?.map(figure);
        let broken = row.get_ref(12)?.as_str_or_null().unwrap_or_default();
        let one = Row {
            requests: 1,
            errors: at(1)?,
            input_tokens: at(2)?,
            output_tokens: at(3)?,
            cache_read_tokens: at(4)?,
            cache_write_tokens: at(5)?,
            thinking_tokens: at(6)?,
            cost_micro_usd: cost.unwrap_or(0),
            unpriced: u64::from(cost.is_none()),
            estimated: at(8)?,
            cache_breaks: u64::from(broken.is_some()),
            cache_break_tokens: at(13)?,
            cache_break_micro_usd: at(14)?,
            ..Row::default()
        };
        let wait = row.get::<_, Option<i64>>(9)?.map(figure);
        each(Seen { group: text(0)?, provider: text(10)?, model: text(11)?, row: one, wait, broken });
    }
    Ok(())
}

fn parts(connection: &Connection, by: By, span: Span, each: &mut dyn FnMut(Part)) -> Result<(), Fault> {
    let sql = format!(
        "SELECT requests.id, {}, {}, {}, {}, requests.cost, own.cost, attempts.cost, ifnull(attempts.input, 0),
            ifnull(attempts.output, 0), ifnull(attempts.cache_read, 0), ifnull(attempts.cache_write, 0), ifnull(attempts.thinking, 0)
         FROM requests JOIN attempts ON attempts.request = requests.id AND attempts.number < requests.attempts
            LEFT JOIN attempts AS own ON own.request = requests.id AND own.number = requests.attempts
         WHERE time >= ?1 AND time < ?2 AND requests.attempts > 1 AND (attempts.ending IS NOT NULL OR attempts.input IS NOT NULL)
         ORDER BY requests.id",
        column(by, "requests"),
        column(by, "attempts"),
        target("requests"),
        target("attempts"),
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(span.bounds())?;
    while let Some(row) = rows.next()? {
        let text = |index| row.get::<_, String>(index);
        let money = |index| row.get::<_, Option<i64>>(index).map(|cost| cost.map(figure));
        let at = |index| row.get::<_, i64>(index).map(figure);
        each(Part {
            request: row.get(0)?,
            groups: [text(1)?, text(2)?],
            targets: [text(3)?, text(4)?],
            costs: [money(5)?, money(6)?, money(7)?],
            tokens: [at(8)?, at(9)?, at(10)?, at(11)?, at(12)?],
        });
    }
    Ok(())
}

fn session(connection: &Connection, session: &str) -> Result<Option<SessionSum>, Fault> {
    let mut statement = connection.prepare(
        "SELECT count(*), ifnull(sum(cost), 0), sum(cost IS NULL), sum(attempts > 1 AND ending != 'failed' AND EXISTS (
                SELECT 1 FROM attempts WHERE attempts.request = requests.id AND number < requests.attempts AND attempts.ending IS NULL)),
            ifnull(sum(input), 0), ifnull(sum(cache_read), 0), ifnull(sum(cache_write), 0)
         FROM requests WHERE session = ?1",
    )?;
    let mut sums = [0_u64; 7];
    let mut rows = statement.query([session])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    for (index, sum) in sums.iter_mut().enumerate() {
        *sum = row.get::<_, Option<i64>>(index)?.map_or(0, figure);
    }
    if sums[0] == 0 {
        return Ok(None);
    }
    let mut statement = connection.prepare(
        "SELECT provider, model FROM requests WHERE session = ?1 AND provider != '' ORDER BY role NOT IN ('main', 'plan'), time DESC, id DESC LIMIT 1",
    )?;
    let mut rows = statement.query([session])?;
    let last = match rows.next()? {
        Some(row) => (row.get(0)?, row.get(1)?),
        None => Default::default(),
    };
    Ok(Some(SessionSum::of(sums, last)))
}

fn recent_errors(connection: &Connection, since_ms: u64) -> Result<Vec<RecentError>, Fault> {
    // Of a group, SQLite gives the other columns of the row that has the maximum.
    let mut statement = connection.prepare(
        "SELECT ifnull(code, ''), count(*), max(time), provider, model FROM requests
         WHERE ending = 'failed' AND time >= ?1 GROUP BY code ORDER BY count(*) DESC, code",
    )?;
    let mut rows = statement.query([number(since_ms)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (provider, model): (String, String) = (row.get(3)?, row.get(4)?);
        let target = if provider.is_empty() { String::new() } else { format!("{provider}/{model}") };
        found.push(RecentError { code: row.get(0)?, requests: figure(row.get(1)?), last_ms: figure(row.get(2)?), target });
    }
    Ok(found)
}

fn key_records(connection: &Connection) -> Result<HashMap<String, KeyRecord>, Fault> {
    let mut records: HashMap<String, KeyRecord> = HashMap::new();
    // Of a group, SQLite gives the other columns of the row that has the maximum.
    let attempts = "FROM attempts JOIN requests ON requests.id = attempts.request WHERE attempts.key != ''";
    let mut used = connection.prepare(&format!("SELECT attempts.key, max(time) {attempts} GROUP BY attempts.key"))?;
    let mut rows = used.query([])?;
    while let Some(row) = rows.next()? {
        records.insert(row.get(0)?, KeyRecord { used_ms: figure(row.get(1)?), error: None });
    }
    let failed = format!(
        "SELECT attempts.key, max(time + start_ms), time, attempts.status, attempts.code {attempts} AND attempts.code IS NOT NULL GROUP BY attempts.key"
    );
    let mut failed = connection.prepare(&failed)?;
    let mut rows = failed.query([])?;
    while let Some(row) = rows.next()? {
        let status = row.get::<_, Option<i64>>(3)?.and_then(|status| u16::try_from(status).ok());
        let error = KeyError { time_ms: figure(row.get(2)?), status, code: row.get(4)? };
        if let Some(record) = records.get_mut(row.get_ref(0)?.as_str().unwrap_or_default()) {
            record.error = Some(error);
        }
    }
    Ok(records)
}
