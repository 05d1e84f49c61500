//! Requests found by words: session, project, model, error code and whatever else of a request's text is remembered.
//!
//! There is no index of these words: the latest requests are looked at first, until there are enough. Start with [`search`].

use std::path::Path;

use rusqlite::{Connection, Row, params_from_iter, types::Value};

use super::{Span, schema};
use crate::chat::Usage;
use crate::database::Fault;
use crate::error::Error;

/// What is searched for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sought {
    /// Texts that must all be there, word for word, each perhaps (`true`) with a last word that only begins so. None: nothing
    /// is found.
    pub terms: Vec<(String, bool)>,
    /// When.
    pub span: Span,
    /// A part of the model asked for, or of `provider/model`.
    pub model: Option<String>,
    /// What it cost, in millionths of a US dollar, at least.
    pub cost_min: Option<u64>,
}

/// A request that was found. Empty text stands for "unknown".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// When it came, in milliseconds since 1970.
    pub time_ms: u64,
    /// Its id.
    pub request_id: String,
    /// The client's dialect.
    pub dialect: String,
    /// The client's program.
    pub program: String,
    /// What it was for, in the client's own work.
    pub role: String,
    /// The client's session.
    pub session: String,
    /// The agent within the session.
    pub agent: String,
    /// The project.
    pub project: String,
    /// The model that was asked for.
    pub asked: String,
    /// What decided where it went.
    pub route: String,
    /// Who was asked last: `provider/model`.
    pub target: String,
    /// With which key: its name.
    pub key: String,
    /// The status that the client got.
    pub status: u64,
    /// Why it failed: `AIMUX-E0505`.
    pub code: String,
    /// `complete`, `failed` or `client_gone`.
    pub ending: String,
    /// Who was asked before, or beside the last one, in order.
    pub earlier: Vec<EarlierTarget>,
    /// What it took.
    pub usage: Usage,
    /// Whether some of that is an estimate.
    pub is_estimated: bool,
    /// What it cost, in millionths of a US dollar; `None`: a price is unknown.
    pub cost: Option<u64>,
    /// Milliseconds to the first content.
    pub content_ms: Option<u64>,
    /// Milliseconds to the end.
    pub total_ms: u64,
}

/// Who was asked before the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierTarget {
    /// `provider/model`.
    pub target: String,
    /// The key's name.
    pub key: String,
    /// Why it failed: `AIMUX-E0505`; empty: it did not, it was cancelled.
    pub code: String,
}

/// The requests that have all that is sought, the latest first, `limit` at most. Empty where there is no ledger yet.
///
/// # Errors
/// When it cannot be read.
pub fn search(path: &Path, sought: &Sought, limit: usize) -> Result<Vec<Request>, Error> {
    let terms: Vec<Term> = sought.terms.iter().map(Term::of).collect();
    if terms.iter().all(|term| term.words.is_empty()) {
        return Ok(Vec::new());
    }
    Ok(schema::read(path, |connection| read(connection, sought, &terms, limit))?.unwrap_or_default())
}

/// Whether a text has what was searched for in it.
#[must_use]
pub fn has_term(text: &str, term: &(String, bool)) -> bool {
    Term::of(term).is_in(text)
}

/// Words that stand one behind the other.
struct Term {
    words: Vec<String>,
    is_begin: bool,
}

impl Term {
    fn of((text, is_begin): &(String, bool)) -> Self {
        Self { words: words(text).collect(), is_begin: *is_begin }
    }

    fn is_in(&self, text: &str) -> bool {
        let there: Vec<String> = words(text).collect();
        let Some((last, before)) = self.words.split_last() else { return true };
        there.windows(self.words.len()).any(|window| {
            window
                .split_last()
                .is_some_and(|(word, first)| first == before && if self.is_begin { word.starts_with(last.as_str()) } else { word == last })
        })
    }
}

/// The words of a text, as the index of conversations has them: letters and digits, small.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

impl Request {
    /// All that is searched, a text each.
    fn texts(&self) -> impl Iterator<Item = &str> {
        let Self { request_id, dialect, program, role, session, agent, project, asked, route, target, key, code, ending, .. } = self;
        let own = [request_id, dialect, program, role, session, agent, project, asked, route, target, key, code, ending];
        let earlier = self.earlier.iter().flat_map(|one| [&one.target, &one.key, &one.code]);
        own.into_iter().chain(earlier).map(String::as_str)
    }
}

/// What a look finds that may be what is sought: SQLite knows neither words nor letters beyond ASCII.
fn candidates(sought: &Sought, terms: &[Term]) -> (String, Vec<Value>) {
    let [since, until] = sought.span.bounds();
    let cost = sought.cost_min.map_or(-1, |cost| i64::try_from(cost).unwrap_or(i64::MAX));
    let mut values = vec![since.into(), until.into(), sought.model.clone().unwrap_or_default().into(), cost.into()];
    let mut sql = "SELECT * FROM requests WHERE time >= ?1 AND time < ?2
        AND (?3 = '' OR instr(lower(asked || ' ' || provider || '/' || model), lower(?3)) > 0) AND ifnull(cost, 0) >= ?4"
        .to_owned();
    for word in terms.iter().flat_map(|term| &term.words).filter(|word| word.is_ascii()) {
        values.push(word.clone().into());
        let at = values.len();
        let own = "request_id, dialect, program, role, session, agent, project, asked, route, provider, model, key, ending";
        sql += &format!(
            " AND (instr(lower(concat_ws(' ', {own}, status, 'AIMUX-' || code)), ?{at}) > 0 OR attempts > 1 AND EXISTS (SELECT 1 FROM attempts
            WHERE request = requests.id AND instr(lower(concat_ws(' ', provider, model, key, 'AIMUX-' || code)), ?{at}) > 0))"
        );
    }
    (sql + " ORDER BY time DESC, id DESC", values)
}

fn read(connection: &Connection, sought: &Sought, terms: &[Term], limit: usize) -> Result<Vec<Request>, Fault> {
    let (sql, values) = candidates(sought, terms);
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()?
        && found.len() < limit
    {
        let mut request = request(row)?;
        if row.get::<_, i64>("attempts")? > 1 {
            request.earlier = earlier(connection, row.get("id")?)?;
        }
        let status = request.status.to_string();
        if terms.iter().all(|term| request.texts().chain([status.as_str()]).any(|text| term.is_in(text))) {
            found.push(request);
        }
    }
    Ok(found)
}

fn request(row: &Row<'_>) -> rusqlite::Result<Request> {
    let figure = |column| row.get::<_, i64>(column).map(|figure| u64::try_from(figure).unwrap_or(0));
    let known = |column| row.get::<_, Option<i64>>(column).map(|figure| figure.map(|figure| u64::try_from(figure).unwrap_or(0)));
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
