//! Conversations in a database of Postgres, which all who share it read.
//!
//! Its search finds what that of a file finds; the order of hits is the server's.

mod schema;
mod words;
mod write;

use super::record::{Attachment, Ending};
use super::store::{Keep, Store};
use super::words::terms;
use super::{Conversation, Exchange, Filter, Hit, Taken};
use crate::chat::Usage;
use crate::database::postgres::{Link, Param, Row, Server, column};
use crate::database::{Fault, Health, figure, number};
use write::Hand;

/// The open database.
pub(super) struct Postgres {
    link: Link,
    instance: String,
    with_contents: bool,
}

/// What a filter means, over `c`, with the first four parameters.
const WANTED: &str = "c.id IN (SELECT conversation FROM aimux.exchanges WHERE time >= $1 AND time < $2
        AND ($3 = '' OR strpos(lower(asked || ' ' || provider || '/' || model), lower($3)) > 0))
    AND $4 <= (SELECT coalesce(sum(cost), 0) FROM aimux.exchanges WHERE conversation = c.id)";

impl Postgres {
    pub(super) fn open(server: &Server, with_contents: bool) -> Result<Self, Fault> {
        Ok(Self { link: schema::FORMAT.open(server)?, instance: server.instance.clone(), with_contents })
    }

    pub(super) fn open_to_read(server: &Server) -> Result<Self, Fault> {
        Ok(Self { link: schema::FORMAT.open_to_read(server)?, instance: server.instance.clone(), with_contents: false })
    }

    fn hand(&self) -> Hand<'_> {
        Hand { link: &self.link, instance: &self.instance, with_contents: self.with_contents }
    }
}

/// Whether it takes rows.
pub(super) fn health(server: &Server) -> Health {
    schema::FORMAT.look(server, "aimux.exchanges").into()
}

impl Store for Postgres {
    fn put(&mut self, conversation: &str, exchange: &Exchange) -> Result<(), Fault> {
        self.hand().put(conversation, exchange)
    }

    fn take(&mut self, conversations: &[(String, Vec<Exchange>)]) -> Result<Taken, Fault> {
        self.hand().take(conversations)
    }

    fn would_take(&self, conversations: &[(String, Vec<Exchange>)]) -> Result<Taken, Fault> {
        let mut taken = Taken::default();
        for (id, exchanges) in conversations {
            taken.add(exchanges.len(), write::new(&self.link, id, exchanges)?.len());
        }
        Ok(taken)
    }

    fn delete(&mut self, ids: &[String]) -> Result<usize, Fault> {
        self.hand().delete(ids)
    }

    fn forget(&mut self, keep: Keep<'_>) -> Result<(), Fault> {
        self.hand().forget(keep)
    }

    fn conversations(&self, filter: &Filter, limit: usize) -> Result<Vec<Conversation>, Fault> {
        let query = filter.text.as_deref().map(|text| words::query(&terms(text)));
        // A query without words finds nothing.
        if query.as_deref() == Some("") {
            return Ok(Vec::new());
        }
        let model = filter.model.as_deref().unwrap_or_default();
        let [query, limit] = [Param::Text(query.as_deref().unwrap_or_default()), Param::Number(number(limit as u64))];
        let [since, until, model, cost] = wanted(filter, model);
        let rows = self.link.query(
            &format!(
                "SELECT c.id, c.name, c.created, c.updated, count(*), count(*) FILTER (WHERE ending <> 'whole'),
                    coalesce(sum(cost), 0)::bigint, count(*) FILTER (WHERE cost IS NULL),
                    array_agg(CASE provider WHEN '' THEN asked ELSE provider || '/' || model END ORDER BY e.id)
                 FROM aimux.conversations AS c JOIN aimux.exchanges AS e ON e.conversation = c.id
                 WHERE {WANTED} AND ($5 = '' OR c.id IN (SELECT conversation FROM aimux.exchanges WHERE words @@ to_tsquery('simple', $5)))
                 GROUP BY c.id ORDER BY c.updated DESC, c.id DESC LIMIT $6"
            ),
            &[since, until, model, cost, query, limit],
        )?;
        rows.iter().map(conversation).collect()
    }

    fn search(&self, text: &str, filter: &Filter, limit: usize) -> Result<Vec<Hit>, Fault> {
        let terms = terms(text);
        let query = words::query(&terms);
        if query.is_empty() {
            return Ok(Vec::new());
        }
        let [since, until, model, cost] = wanted(filter, filter.model.as_deref().unwrap_or_default());
        let rows = self.link.query(
            &format!(
                "SELECT e.conversation, e.time, CASE e.provider WHEN '' THEN e.asked ELSE e.provider || '/' || e.model END, e.prompt, e.answer,
                    (SELECT count(*) FROM aimux.exchanges AS b WHERE b.conversation = e.conversation AND b.id <= e.id)
                 FROM aimux.exchanges AS e JOIN aimux.conversations AS c ON c.id = e.conversation
                 WHERE e.words @@ to_tsquery('simple', $5) AND {WANTED}
                 ORDER BY ts_rank(e.words, to_tsquery('simple', $5)) DESC, e.id DESC LIMIT $6"
            ),
            &[since, until, model, cost, Param::Text(&query), Param::Number(number(limit as u64))],
        )?;
        let hit = |row: &Row| {
            Ok(Hit {
                conversation: column(row, 0)?,
                number: figure(column(row, 5)?),
                time_ms: figure(column(row, 1)?),
                target: column(row, 2)?,
                prompt: words::piece(column(row, 3)?, &terms),
                answer: words::piece(column(row, 4)?, &terms),
            })
        };
        rows.iter().map(hit).collect()
    }

    fn beginning(&self, begin: &str) -> Result<Vec<String>, Fault> {
        let sql = "SELECT id FROM aimux.conversations WHERE id >= $1 AND id < $1 || '~' ORDER BY id DESC LIMIT 5";
        self.link.query(sql, &[Param::Text(begin)])?.iter().map(|row| column(row, 0)).collect()
    }

    fn latest(&self) -> Result<Option<String>, Fault> {
        // Not what somebody else was just told elsewhere.
        let sql = "SELECT id FROM aimux.conversations AS c
            WHERE EXISTS (SELECT 1 FROM aimux.exchanges WHERE conversation = c.id AND answer <> '' AND instance = $1)
            ORDER BY updated DESC, id DESC LIMIT 1";
        self.link.query(sql, &[Param::Text(&self.instance)])?.first().map(|row| column(row, 0)).transpose()
    }

    fn exchanges(&self, conversation: &str) -> Result<Vec<Exchange>, Fault> {
        let rows = self.link.query(
            "SELECT id, time, request_id, system, prompt, answer, reasoning, asked, provider, model, route, options, steps, ending, code,
                attempts, input, output, cache_read, cache_write, thinking, estimated, cost, content_ms, total_ms
             FROM aimux.exchanges WHERE conversation = $1 ORDER BY id",
            &[Param::Text(conversation)],
        )?;
        let attached = self.link.query(
            "SELECT exchange, name, type, size, a.sha256, content FROM aimux.attachments AS a JOIN aimux.exchanges AS e ON e.id = exchange
                LEFT JOIN aimux.contents AS c ON c.sha256 = a.sha256
             WHERE conversation = $1 ORDER BY exchange, number",
            &[Param::Text(conversation)],
        )?;
        let each = |row: &Row| {
            let id: i64 = column(row, 0)?;
            let of_it = attached.iter().filter(|other| column::<i64>(other, 0).is_ok_and(|exchange| exchange == id));
            Ok(Exchange { attachments: of_it.map(attachment).collect::<Result<_, Fault>>()?, ..exchange(row)? })
        };
        rows.iter().map(each).collect()
    }
}

fn wanted<'a>(filter: &Filter, model: &'a str) -> [Param<'a>; 4] {
    let bound = |ms: Option<u64>, other: i64| Param::Number(ms.map_or(other, number));
    let cost = Param::Number(filter.cost_min.map_or(0, number));
    [bound(filter.since_ms, i64::MIN), bound(filter.until_ms, i64::MAX), Param::Text(model), cost]
}

fn conversation(row: &Row) -> Result<Conversation, Fault> {
    let mut targets: Vec<String> = Vec::new();
    for target in column::<Vec<String>>(row, 8)? {
        if !target.is_empty() && !targets.contains(&target) {
            targets.push(target);
        }
    }
    Ok(Conversation {
        id: column(row, 0)?,
        name: column(row, 1)?,
        created_ms: figure(column(row, 2)?),
        updated_ms: figure(column(row, 3)?),
        exchanges: figure(column(row, 4)?),
        unfinished: figure(column(row, 5)?),
        targets,
        cost_micro_usd: figure(column(row, 6)?),
        unpriced: figure(column(row, 7)?),
    })
}

fn exchange(row: &Row) -> Result<Exchange, Fault> {
    let known = |index| column::<Option<i64>>(row, index).map(|found| found.map(figure));
    Ok(Exchange {
        time_ms: figure(column(row, 1)?),
        request_id: column(row, 2)?,
        system: column(row, 3)?,
        prompt: column(row, 4)?,
        attachments: Vec::new(),
        answer: column(row, 5)?,
        reasoning: column(row, 6)?,
        asked: column(row, 7)?,
        provider: column(row, 8)?,
        model: column(row, 9)?,
        route: column(row, 10)?,
        options: column(row, 11)?,
        steps: column(row, 12)?,
        ending: Ending::of(column(row, 13)?),
        code: column(row, 14)?,
        attempts: figure(column(row, 15)?),
        usage: Usage {
            input: known(16)?,
            output: known(17)?,
            cache_read: known(18)?,
            cache_write: known(19)?,
            cache_write_1h: None,
            reasoning: known(20)?,
        },
        is_estimated: column(row, 21)?,
        cost: known(22)?,
        content_ms: known(23)?,
        total_ms: figure(column(row, 24)?),
    })
}

fn attachment(row: &Row) -> Result<Attachment, Fault> {
    Ok(Attachment {
        name: column(row, 1)?,
        media_type: column(row, 2)?,
        size: figure(column(row, 3)?),
        sha256: column(row, 4)?,
        content: column(row, 5)?,
    })
}
