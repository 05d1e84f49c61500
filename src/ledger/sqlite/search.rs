//! A file's requests that may be what is sought, the latest first.

use rusqlite::{Connection, Row, params_from_iter, types::Value};

use crate::chat::Usage;
use crate::database::{Fault, figure as unsigned, number};
use crate::ledger::search::{EarlierTarget, Request, Sought};

fn candidates(sought: &Sought, words: &[&str]) -> (String, Vec<Value>) {
    let [since, until] = sought.span.bounds();
    let cost = sought.cost_min.map_or(-1, number);
    let mut values = vec![since.into(), until.into(), sought.model.clone().unwrap_or_default().into(), cost.into()];
    let mut sql = "SELECT * FROM requests WHERE time >= ?1 AND time < ?2
        AND (?3 = '' OR instr(lower(asked || ' ' || provider || '/' || model), lower(?3)) > 0) AND ifnull(cost, 0) >= ?4"
        .to_owned();
    for word in words {
        values.push((*word).to_owned().into());
        let at = values.len();
        let own = "request_id, dialect, program, role, session, agent, project, asked, route, provider, model, key, ending";
        sql += &format!(
            " AND (instr(lower(concat_ws(' ', {own}, status, 'AIMUX-' || code)), ?{at}) > 0 OR attempts > 1 AND EXISTS (SELECT 1 FROM attempts
            WHERE request = requests.id AND instr(lower(concat_ws(' ', provider, model, key, 'AIMUX-' || code)), ?{at}) > 0))"
        );
    }
    (sql + " ORDER BY time DESC, id DESC", values)
}

pub(super) fn search(connection: &Connection, sought: &Sought, words: &[&str], each: &mut dyn FnMut(Request) -> bool) -> Result<(), Fault> {
    let (sql, values) = candidates(sought, words);
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        let mut request = request(row)?;
        if row.get::<_, i64>("attempts")? > 1 {
            request.earlier = earlier(connection, row.get("id")?)?;
        }
        if !each(request) {
            break;
        }
    }
    Ok(())
}

fn request(row: &Row<'_>) -> rusqlite::Result<Request> {
    let figure = |column| row.get::<_, i64>(column).map(unsigned);
    let known = |column| row.get::<_, Option<i64>>(column).map(|figure| figure.map(unsigned));
    Ok(Request {
        time_ms: figure("time")?,
        request_id: row.get("request_id")?,
        dialect: row.get("dialect")?,
        program: row.get("program")?,
        role: row.get("role")?,
        session: row.get("session")?,
        agent: row.get("agent")?,
        project: row.get("project")?,
        asked: row.get("asked")?,
        route: row.get("route")?,
        target: target(row)?,
        key: row.get("key")?,
        status: figure("status")?,
        code: code(row)?,
        ending: row.get("ending")?,
        earlier: Vec::new(),
        usage: Usage {
            input: known("input")?,
            output: known("output")?,
            cache_read: known("cache_read")?,
            cache_write: known("cache_write")?,
            cache_write_1h: None,
            reasoning: known("thinking")?,
        },
        is_estimated: row.get("estimated")?,
        cost: known("cost")?,
        content_ms: known("content_ms")?,
        total_ms: figure("total_ms")?,
    })
}

fn earlier(connection: &Connection, request: i64) -> Result<Vec<EarlierTarget>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT provider, model, attempts.key, attempts.code FROM attempts
         WHERE request = ?1 AND number < (SELECT attempts FROM requests WHERE id = ?1) ORDER BY number",
    )?;
    let rows = statement.query_map([request], |row| Ok(EarlierTarget { target: target(row)?, key: row.get("key")?, code: code(row)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn target(row: &Row<'_>) -> rusqlite::Result<String> {
    let (provider, model): (String, String) = (row.get("provider")?, row.get("model")?);
    Ok(if provider.is_empty() { String::new() } else { format!("{provider}/{model}") })
}

fn code(row: &Row<'_>) -> rusqlite::Result<String> {
    Ok(row.get::<_, Option<String>>("code")?.map(|code| format!("AIMUX-{code}")).unwrap_or_default())
}
