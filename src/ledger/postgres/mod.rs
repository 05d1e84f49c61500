//! A ledger in a database of Postgres, which several instances write to.

mod insert;
mod schema;
mod search;

use std::collections::HashMap;

use super::entry::Entry;
use super::errors::RecentError;
use super::keys::{KeyError, KeyRecord};
use super::moment::Clock;
use super::report::{By, Row as Sum, SessionSum, Span};
use super::search::{Request, Sought};
use super::store::{FORGET_MAX, Mark, Part, Seen, Store};
use crate::database::postgres::{Link, Param, Row, Server, column as at};
use crate::database::{Fault, Health, figure, number};

/// The lock of who forgets: `aimx`.
const FORGETTING: i64 = 0x6169_6d78;
/// Days and hours are told from quarters of an hour: no zone of today's is off by less.
const QUARTER_MS: u64 = 900_000;

/// The open database.
pub(super) struct Postgres {
    link: Link,
    instance: String,
}

impl Postgres {
    pub(super) fn open(server: &Server) -> Result<Self, Fault> {
        Ok(Self { link: schema::FORMAT.open(server)?, instance: server.instance.clone() })
    }

    pub(super) fn open_to_read(server: &Server) -> Result<Self, Fault> {
        Ok(Self { link: schema::FORMAT.open_to_read(server)?, instance: server.instance.clone() })
    }
}

/// Whether it takes rows.
pub(super) fn health(server: &Server) -> Health {
    schema::FORMAT.look(server, "aimux.requests").into()
}

impl Store for Postgres {
    fn is_there(&self) -> bool {
        self.link.is_up()
    }

    fn insert(&mut self, mark: Mark, entries: &[Box<Entry>]) -> Result<(), Fault> {
        let rows = insert::rows(mark.first, entries).map_err(|error| Fault::Failed(error.to_string()))?;
        self.link.execute(insert::SQL, &insert::params(&self.instance, mark.writer, &rows)).map(|_| ())
    }

    fn forget(&mut self, end_ms: u64) -> Result<(), Fault> {
        // Who comes while another instance does it leaves it to that one. The room is given back by the server's own vacuum.
        let sql = "DELETE FROM aimux.requests WHERE id IN (SELECT id FROM aimux.requests
            WHERE time < $1 AND (SELECT pg_try_advisory_xact_lock($2)) ORDER BY time LIMIT $3)";
        let params = [Param::Number(number(end_ms)), Param::Number(FORGETTING), Param::Number(FORGET_MAX.into())];
        while self.link.execute(sql, &params)? >= FORGET_MAX.into() {}
        Ok(())
    }

    fn requests(&mut self, by: By, span: Span, each: &mut dyn FnMut(Seen<'_>)) -> Result<(), Fault> {
        let sql = format!(
            "SELECT {}, ending = 'failed', coalesce(input, 0), coalesce(output, 0), coalesce(cache_read, 0), coalesce(cache_write, 0),
                coalesce(thinking, 0), cost, estimated, content_ms, provider, model, break_cause, coalesce(break_tokens, 0),
                coalesce(break_cost, 0)
             FROM aimux.requests AS requests WHERE time >= $1 AND time < $2",
            group(by, "requests")
        );
        let mut clock = Clock::default();
        self.link.each(&sql, &span.bounds().map(Param::Number), &mut |row| {
            let figure = |index| at::<i64>(row, index).map(figure);
            let maybe = |index| at::<Option<i64>>(row, index).map(|found| found.map(crate::database::figure));
            let (cost, broken) = (maybe(7)?, at::<Option<&str>>(row, 12)?);
            let one = Sum {
                requests: 1,
                errors: at::<bool>(row, 1)?.into(),
                input_tokens: figure(2)?,
                output_tokens: figure(3)?,
                cache_read_tokens: figure(4)?,
                cache_write_tokens: figure(5)?,
                thinking_tokens: figure(6)?,
                cost_micro_usd: cost.unwrap_or(0),
                unpriced: cost.is_none().into(),
                estimated: at::<bool>(row, 8)?.into(),
                cache_breaks: broken.is_some().into(),
                cache_break_tokens: figure(13)?,
                cache_break_micro_usd: figure(14)?,
                ..Sum::default()
            };
            let group = named(&mut clock, by, at(row, 0)?);
            each(Seen { group, provider: at(row, 10)?, model: at(row, 11)?, row: one, wait: maybe(9)?, broken });
            Ok(())
        })
    }

    fn parts(&mut self, by: By, span: Span, each: &mut dyn FnMut(Part)) -> Result<(), Fault> {
        let sql = format!(
            "SELECT requests.id, {}, {}, {}, {}, requests.cost, own.cost, attempts.cost, coalesce(attempts.input, 0),
                coalesce(attempts.output, 0), coalesce(attempts.cache_read, 0), coalesce(attempts.cache_write, 0),
                coalesce(attempts.thinking, 0)
             FROM aimux.requests AS requests
                JOIN aimux.attempts AS attempts ON attempts.request = requests.id AND attempts.number < requests.attempts
                LEFT JOIN aimux.attempts AS own ON own.request = requests.id AND own.number = requests.attempts
             WHERE time >= $1 AND time < $2 AND requests.attempts > 1 AND (attempts.ending IS NOT NULL OR attempts.input IS NOT NULL)
             ORDER BY requests.id",
            group(by, "requests"),
            group(by, "attempts"),
            group(By::Model, "requests"),
            group(By::Model, "attempts"),
        );
        let mut clock = Clock::default();
        self.link.each(&sql, &span.bounds().map(Param::Number), &mut |row| {
            let text = |index| at::<String>(row, index);
            let money = |index| at::<Option<i64>>(row, index).map(|found| found.map(figure));
            let figure = |index| at::<i64>(row, index).map(figure);
            let groups = [named(&mut clock, by, at(row, 1)?).to_owned(), named(&mut clock, by, at(row, 2)?).to_owned()];
            each(Part {
                request: at(row, 0)?,
                groups,
                targets: [text(3)?, text(4)?],
                costs: [money(5)?, money(6)?, money(7)?],
                tokens: [figure(8)?, figure(9)?, figure(10)?, figure(11)?, figure(12)?],
            });
            Ok(())
        })
    }

    fn search(&mut self, sought: &Sought, words: &[&str], each: &mut dyn FnMut(Request) -> bool) -> Result<(), Fault> {
        search::search(&self.link, sought, words, each)
    }

    fn session(&mut self, id: &str) -> Result<Option<SessionSum>, Fault> {
        let sums = self.link.query(
            "SELECT count(*), coalesce(sum(cost), 0)::bigint, count(*) FILTER (WHERE cost IS NULL),
                count(*) FILTER (WHERE attempts > 1 AND ending <> 'failed' AND EXISTS (SELECT 1 FROM aimux.attempts AS one
                    WHERE one.request = requests.id AND one.number < requests.attempts AND one.ending IS NULL)),
                coalesce(sum(input), 0)::bigint, coalesce(sum(cache_read), 0)::bigint, coalesce(sum(cache_write), 0)::bigint
             FROM aimux.requests AS requests WHERE session = $1",
            &[Param::Text(id)],
        )?;
        let mut figures = [0_u64; 7];
        for (index, sum) in figures.iter_mut().enumerate() {
            *sum = sums.first().map_or(Ok(0), |row| at::<i64>(row, index)).map(figure)?;
        }
        if figures[0] == 0 {
            return Ok(None);
        }
        let last = self.link.query(
            "SELECT provider, model FROM aimux.requests WHERE session = $1 AND provider <> ''
             ORDER BY role NOT IN ('main', 'plan'), time DESC, id DESC LIMIT 1",
            &[Param::Text(id)],
        )?;
        let last = match last.first() {
            Some(row) => (at(row, 0)?, at(row, 1)?),
            None => Default::default(),
        };
        Ok(Some(SessionSum::of(figures, last)))
    }

    fn recent_errors(&mut self, since_ms: u64) -> Result<Vec<RecentError>, Fault> {
        let rows = self.link.query(
            "SELECT DISTINCT ON (code) coalesce(code, ''), count(*) OVER (PARTITION BY code), time, provider, model FROM aimux.requests
             WHERE ending = 'failed' AND time >= $1 ORDER BY code, time DESC, id DESC",
            &[Param::Number(number(since_ms))],
        )?;
        let each = |row: &Row| {
            let (provider, model) = (at::<&str>(row, 3)?, at::<&str>(row, 4)?);
            let target = if provider.is_empty() { String::new() } else { format!("{provider}/{model}") };
            Ok(RecentError { code: at(row, 0)?, requests: figure(at(row, 1)?), last_ms: figure(at(row, 2)?), target })
        };
        let mut found = rows.iter().map(each).collect::<Result<Vec<_>, Fault>>()?;
        found.sort_by(|a, b| b.requests.cmp(&a.requests).then_with(|| a.code.cmp(&b.code)));
        Ok(found)
    }

    fn key_records(&mut self) -> Result<HashMap<String, KeyRecord>, Fault> {
        let attempts =
            "FROM aimux.attempts AS attempts JOIN aimux.requests AS requests ON requests.id = attempts.request WHERE attempts.key <> ''";
        let mut records = HashMap::new();
        for row in self.link.query(&format!("SELECT attempts.key, max(time) {attempts} GROUP BY attempts.key"), &[])? {
            records.insert(at(&row, 0)?, KeyRecord { used_ms: figure(at(&row, 1)?), error: None });
        }
        let failed = format!(
            "SELECT DISTINCT ON (attempts.key) attempts.key, time, attempts.status, attempts.code {attempts}
                AND attempts.code IS NOT NULL ORDER BY attempts.key, time + start_ms DESC"
        );
        for row in self.link.query(&failed, &[])? {
            let status = at::<Option<i64>>(&row, 2)?.and_then(|status| u16::try_from(status).ok());
            let error = KeyError { time_ms: figure(at(&row, 1)?), status, code: at(&row, 3)? };
            if let Some(record) = records.get_mut(at::<&str>(&row, 0)?) {
                record.error = Some(error);
            }
        }
        Ok(records)
    }

    fn close(self: Box<Self>) {}
}

/// The group of a request, in SQL, as `sqlite/mod.rs` has it; of a day or an hour its quarter of an hour, since the server does not know
/// the reader's zone.
fn group(by: By, of: &str) -> String {
    let same = match by {
        By::Model => return format!("CASE {of}.provider WHEN '' THEN '' ELSE {of}.provider || '/' || {of}.model END"),
        By::Provider => return format!("{of}.provider"),
        By::Key => return format!("CASE {of}.key WHEN '' THEN '' ELSE {of}.provider || ' ' || {of}.key END"),
        By::Day | By::Hour => return format!("(time / {QUARTER_MS})::text"),
        By::Session => "session",
        By::Role => "role",
        By::Agent => "agent",
        By::Project => "project",
        By::Client => "CASE program WHEN '' THEN dialect ELSE program END",
        By::Route => "route",
    };
    same.to_owned()
}

/// The name of a group, a day or an hour by the local clock.
fn named<'a>(clock: &'a mut Clock, by: By, group: &'a str) -> &'a str {
    let quarter = || group.parse::<u64>().unwrap_or(0).saturating_mul(QUARTER_MS);
    match by {
        By::Day => clock.day(quarter()),
        By::Hour => clock.hour(quarter()),
        _ => group,
    }
}
