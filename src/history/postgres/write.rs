//! Writing: each call is one transaction, and one instance writes at a time, so that no content goes with the last of its attachments
//! while another instance attaches it again.

use std::borrow::Cow;

use super::words;
use crate::database::postgres::{Link, Param, column};
use crate::database::{Fault, number};
use crate::history::Taken;
use crate::history::record::Exchange;
use crate::history::store::{FORGET_MAX, Keep};

/// The lock of who writes: `aimh`.
const WRITING: i64 = 0x6169_6d68;

/// As whom, and how much.
#[derive(Clone, Copy)]
pub(super) struct Hand<'a> {
    pub(super) link: &'a Link,
    pub(super) instance: &'a str,
    pub(super) with_contents: bool,
}

impl Hand<'_> {
    pub(super) fn put(self, id: &str, exchange: &Exchange) -> Result<(), Fault> {
        self.alone(|| self.insert(id, exchange))
    }

    pub(super) fn take(self, conversations: &[(String, Vec<Exchange>)]) -> Result<Taken, Fault> {
        self.alone(|| {
            let mut taken = Taken::default();
            for (id, exchanges) in conversations {
                let fresh = new(self.link, id, exchanges)?;
                for exchange in &fresh {
                    self.insert(id, exchange)?;
                }
                taken.add(exchanges.len(), fresh.len());
            }
            Ok(taken)
        })
    }

    pub(super) fn delete(self, ids: &[String]) -> Result<usize, Fault> {
        self.alone(|| {
            let mut count = 0;
            for id in ids {
                count += self.delete_one(id)?;
            }
            Ok(count)
        })
    }

    /// One transaction for each conversation that goes, so that nobody waits for long.
    pub(super) fn forget(self, keep: Keep<'_>) -> Result<(), Fault> {
        let (end, most) = (Param::Number(number(keep.since_ms)), Param::Number(number(keep.bytes_max)));
        for _ in 0..FORGET_MAX {
            let sql = "SELECT id FROM aimux.conversations WHERE id <> $1
                AND (updated < $2 OR (SELECT coalesce(sum(bytes), 0) FROM aimux.conversations) > $3) ORDER BY updated LIMIT 1";
            let found = self.link.query(sql, &[Param::Text(keep.current), end, most])?;
            let Some(row) = found.first() else { return Ok(()) };
            self.delete(&[column(row, 0)?])?;
        }
        Ok(())
    }

    fn alone<T>(self, body: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        self.link.transaction(|| {
            self.link.query("SELECT pg_advisory_xact_lock($1)", &[Param::Number(WRITING)])?;
            body()
        })
    }

    /// Exchanges and attachments go with it; contents that nobody else has, too.
    fn delete_one(self, id: &str) -> Result<usize, Fault> {
        self.link.execute(
            "DELETE FROM aimux.contents WHERE sha256 IN (SELECT sha256 FROM aimux.attachments JOIN aimux.exchanges ON exchanges.id = exchange
                WHERE conversation = $1) AND NOT EXISTS (SELECT 1 FROM aimux.attachments AS other JOIN aimux.exchanges ON exchanges.id = exchange
                WHERE other.sha256 = contents.sha256 AND conversation <> $1)",
            &[Param::Text(id)],
        )?;
        let gone = self.link.execute("DELETE FROM aimux.conversations WHERE id = $1", &[Param::Text(id)])?;
        Ok(usize::try_from(gone).unwrap_or(usize::MAX))
    }

    fn insert(self, id: &str, exchange: &Exchange) -> Result<(), Fault> {
        let time = Param::Number(number(exchange.time_ms));
        self.link.execute(
            "INSERT INTO aimux.conversations AS c (id, name, created, updated, bytes) VALUES ($1, $2, $3, $3, $4)
             ON CONFLICT (id) DO UPDATE SET updated = greatest(c.updated, $3), bytes = c.bytes + $4",
            &[Param::Text(id), Param::Text(&clean(&exchange.title())), time, Param::Number(self.bytes(exchange))],
        )?;
        let row = self.exchange(id, exchange, time)?;
        for (at, attachment) in (1_i64..).zip(&exchange.attachments) {
            self.link.execute(
                "INSERT INTO aimux.attachments (exchange, number, name, type, size, sha256) VALUES ($1, $2, $3, $4, $5, $6)",
                &[
                    Param::Number(row),
                    Param::Number(at),
                    Param::Text(&clean(&attachment.name)),
                    Param::Text(&clean(&attachment.media_type)),
                    Param::Number(number(attachment.size)),
                    Param::Text(&attachment.sha256),
                ],
            )?;
            if let (true, Some(content)) = (self.with_contents, &attachment.content) {
                let sql = "INSERT INTO aimux.contents (sha256, content) VALUES ($1, $2) ON CONFLICT (sha256) DO NOTHING";
                self.link.execute(sql, &[Param::Text(&attachment.sha256), Param::Bytes(content)])?;
            }
        }
        Ok(())
    }

    /// Gives the row's number.
    fn exchange(self, id: &str, exchange: &Exchange, time: Param<'_>) -> Result<i64, Fault> {
        let usage = &exchange.usage;
        let texts = [&exchange.request_id, &exchange.system, &exchange.prompt, &exchange.answer, &exchange.reasoning, &exchange.asked];
        let more = [&exchange.provider, &exchange.model, &exchange.route, &exchange.options, &exchange.steps];
        let [texts, more]: [Vec<Cow<'_, str>>; 2] = [texts.map(|text| clean(text)).into(), more.map(|text| clean(text)).into()];
        let (prompt, answer) = (words::indexed(&exchange.prompt), words::indexed(&exchange.answer));
        let maybe = |value: Option<u64>| Param::MaybeNumber(value.map(number));
        let mut params = vec![Param::Text(self.instance), Param::Text(id), time];
        params.extend(texts.iter().chain(&more).map(|text| Param::Text(text)));
        params.extend([
            Param::Text(exchange.ending.name()),
            Param::Text(exchange.code.as_deref().unwrap_or_default()),
            Param::Number(number(exchange.attempts)),
            maybe(usage.input),
            maybe(usage.output),
            maybe(usage.cache_read),
            maybe(usage.cache_write),
            maybe(usage.reasoning),
            Param::Flag(exchange.is_estimated),
            maybe(exchange.cost),
            maybe(exchange.content_ms),
            Param::Number(number(exchange.total_ms)),
            Param::Text(&prompt),
            Param::Text(&answer),
        ]);
        let rows = self.link.query(
            "INSERT INTO aimux.exchanges (instance, conversation, time, request_id, system, prompt, answer, reasoning, asked, provider, model,
                route, options, steps, ending, code, attempts, input, output, cache_read, cache_write, thinking, estimated, cost,
                content_ms, total_ms, words)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, nullif($16, ''), $17, $18, $19, $20, $21, $22, $23,
                $24, $25, $26, setweight(to_tsvector('simple', $27), 'A') || setweight(to_tsvector('simple', $28), 'B'))
             RETURNING id",
            &params,
        )?;
        rows.first().map_or(Err(Fault::Failed("the row was not written".to_owned())), |row| column(row, 0))
    }

    fn bytes(self, exchange: &Exchange) -> i64 {
        let Exchange { system, prompt, answer, reasoning, steps, attachments, .. } = exchange;
        let texts: usize = [system, prompt, answer, reasoning, steps].iter().map(|text| text.len()).sum();
        let contents = attachments.iter().filter_map(|attachment| attachment.content.as_ref().filter(|_| self.with_contents));
        number((texts + contents.map(Vec::len).sum::<usize>()) as u64)
    }
}

/// Those that the conversation does not have.
pub(super) fn new<'a>(link: &Link, id: &str, exchanges: &'a [Exchange]) -> Result<Vec<&'a Exchange>, Fault> {
    let rows = link.query("SELECT request_id FROM aimux.exchanges WHERE conversation = $1", &[Param::Text(id)])?;
    let there = rows.iter().map(|row| column(row, 0)).collect::<Result<Vec<&str>, _>>()?;
    Ok(exchanges.iter().filter(|exchange| !there.contains(&&*clean(&exchange.request_id))).collect())
}

/// Text without what Postgres has no place for: the character 0.
fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}
