//! A database's requests that may be what is sought, the latest first, a page at a time: who has found enough asks for no more.

use crate::chat::Usage;
use crate::database::postgres::{Link, Param, Row, column as at};
use crate::database::{Fault, figure, number};
use crate::ledger::search::{EarlierTarget, Request, Sought};

/// Requests of a page.
const PAGE: usize = 500;

/// What a request looks like; of those before the last attempt each a place in three lists.
const COLUMNS: &str = "id, time, request_id, dialect, program, role, session, agent, project, asked, route,
    CASE provider WHEN '' THEN '' ELSE provider || '/' || model END, key, status, coalesce('AIMUX-' || code, ''), ending, input, output,
    cache_read, cache_write, thinking, estimated, cost, content_ms, total_ms,
    ARRAY(SELECT CASE a.provider WHEN '' THEN '' ELSE a.provider || '/' || a.model END FROM aimux.attempts AS a
        WHERE a.request = requests.id AND a.number < requests.attempts ORDER BY a.number),
    ARRAY(SELECT a.key FROM aimux.attempts AS a WHERE a.request = requests.id AND a.number < requests.attempts ORDER BY a.number),
    ARRAY(SELECT coalesce('AIMUX-' || a.code, '') FROM aimux.attempts AS a
        WHERE a.request = requests.id AND a.number < requests.attempts ORDER BY a.number)";

/// The first six values: the span, a part of a model, a cost, and the place of the last request of the page before.
fn sql(words: usize) -> String {
    let mut sql = format!(
        "SELECT {COLUMNS} FROM aimux.requests AS requests WHERE time >= $1 AND time < $2
            AND ($3 = '' OR strpos(lower(asked || ' ' || provider || '/' || model), lower($3)) > 0) AND coalesce(cost, 0) >= $4
            AND (time, id) < ($5, $6)"
    );
    for word in 7..7 + words {
        sql += &format!(
            " AND (strpos(lower(concat_ws(' ', request_id, dialect, program, role, session, agent, project, asked, route, provider, model, key,
                    ending, status, 'AIMUX-' || code)), ${word}) > 0
                OR attempts > 1 AND EXISTS (SELECT 1 FROM aimux.attempts AS a WHERE a.request = requests.id
                    AND strpos(lower(concat_ws(' ', a.provider, a.model, a.key, 'AIMUX-' || a.code)), ${word}) > 0))"
        );
    }
    sql + &format!(" ORDER BY time DESC, id DESC LIMIT {PAGE}")
}

pub(super) fn search(link: &Link, sought: &Sought, words: &[&str], each: &mut dyn FnMut(Request) -> bool) -> Result<(), Fault> {
    let sql = sql(words.len());
    let [since, until] = sought.span.bounds().map(Param::Number);
    let model = Param::Text(sought.model.as_deref().unwrap_or_default());
    let cost = Param::Number(sought.cost_min.map_or(-1, number));
    let mut before = [i64::MAX; 2];
    loop {
        let mut params = vec![since, until, model, cost];
        params.extend(before.map(Param::Number));
        params.extend(words.iter().map(|word| Param::Text(word)));
        let rows = link.query(&sql, &params)?;
        for row in &rows {
            if !each(request(row)?) {
                return Ok(());
            }
        }
        match rows.last() {
            Some(last) if rows.len() == PAGE => before = [at(last, 1)?, at(last, 0)?],
            _ => return Ok(()),
        }
    }
}

fn request(row: &Row) -> Result<Request, Fault> {
    let known = |index| at::<Option<i64>>(row, index).map(|found| found.map(figure));
    let earlier = at::<Vec<String>>(row, 25)?.into_iter().zip(at::<Vec<String>>(row, 26)?).zip(at::<Vec<String>>(row, 27)?);
    Ok(Request {
        time_ms: figure(at(row, 1)?),
        request_id: at(row, 2)?,
        dialect: at(row, 3)?,
        program: at(row, 4)?,
        role: at(row, 5)?,
        session: at(row, 6)?,
        agent: at(row, 7)?,
        project: at(row, 8)?,
        asked: at(row, 9)?,
        route: at(row, 10)?,
        target: at(row, 11)?,
        key: at(row, 12)?,
        status: figure(at(row, 13)?),
        code: at(row, 14)?,
        ending: at(row, 15)?,
        earlier: earlier.map(|((target, key), code)| EarlierTarget { target, key, code }).collect(),
        usage: Usage {
            input: known(16)?,
            output: known(17)?,
            cache_read: known(18)?,
            cache_write: known(19)?,
            cache_write_1h: None,
            reasoning: known(20)?,
        },
        is_estimated: at(row, 21)?,
        cost: known(22)?,
        content_ms: known(23)?,
        total_ms: figure(at(row, 24)?),
    })
}
