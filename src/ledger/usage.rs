//! What the ledger tells: requests, tokens, cost and waits, grouped. Read in one pass, from a file that a server may be
//! writing to.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::schema;
use crate::database::Fault;
use crate::error::Error;

/// What requests are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Provider and model that answered, or were asked last.
    Model,
    /// The provider.
    Provider,
    /// The day, by the local clock.
    Day,
    /// The hour, by the local clock.
    Hour,
    /// The client's session.
    Session,
    /// What they are for, in the client's own work.
    Role,
    /// The agent within the session.
    Agent,
    /// The project.
    Project,
    /// The client's program, else its dialect.
    Client,
    /// What decided where they went.
    Route,
    /// The provider's key.
    Key,
}

impl By {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 11] = [
        Self::Model,
        Self::Provider,
        Self::Day,
        Self::Hour,
        Self::Session,
        Self::Role,
        Self::Agent,
        Self::Project,
        Self::Client,
        Self::Route,
        Self::Key,
    ];

    /// Its name and what it is, for users.
    #[must_use]
    pub const fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::Model => ("model", "Provider and model"),
            Self::Provider => ("provider", "Provider"),
            Self::Day => ("day", "Day"),
            Self::Hour => ("hour", "Hour"),
            Self::Session => ("session", "The client's session"),
            Self::Role => ("role", "What they are for, in the client's own work: main, background, subagent"),
            Self::Agent => ("agent", "The agent within a session"),
            Self::Project => ("project", "Project"),
            Self::Client => ("client", "The client's program"),
            Self::Route => ("route", "What decided where they went"),
            Self::Key => ("key", "The provider's key"),
        }
    }

    /// The group of a request, in SQL; for who was asked `of` is the table: `requests` for the last one, `attempts` for each.
    fn column(self, of: &str) -> String {
        let same = match self {
            Self::Model => return target(of),
            Self::Provider => return format!("{of}.provider"),
            Self::Key => return format!("iif({of}.key = '', '', {of}.provider || ' ' || {of}.key)"),
            Self::Day => "strftime('%Y-%m-%d', time / 1000, 'unixepoch', 'localtime')",
            Self::Hour => "strftime('%Y-%m-%d %H:00', time / 1000, 'unixepoch', 'localtime')",
            Self::Session => "session",
            Self::Role => "role",
            Self::Agent => "agent",
            Self::Project => "project",
            Self::Client => "iif(program = '', dialect, program)",
            Self::Route => "route",
        };
        same.to_owned()
    }

    /// Whether the groups follow each other in time.
    fn is_time(self) -> bool {
        matches!(self, Self::Day | Self::Hour)
    }
}

/// `provider/model` of a table's row, in SQL.
fn target(of: &str) -> String {
    format!("iif({of}.provider = '', '', {of}.provider || '/' || {of}.model)")
}

/// A stretch of time, in milliseconds since 1970; the end is not in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// Its begin; `None`: all.
    pub since_ms: Option<u64>,
    /// Its end; `None`: now.
    pub until_ms: Option<u64>,
}

/// Some requests, together.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Row {
    /// What they have in common; empty: unknown.
    pub name: String,
    /// How many.
    pub requests: u64,
    /// Of these, those whose client got an error.
    pub errors: u64,
    /// Input tokens that no cache had.
    pub input_tokens: u64,
    /// Output tokens, thinking included.
    pub output_tokens: u64,
    /// Input tokens read from a cache.
    pub cache_read_tokens: u64,
    /// Input tokens written to a cache.
    pub cache_write_tokens: u64,
    /// Output tokens of thinking, where told.
    pub thinking_tokens: u64,
    /// What the priced ones cost, in millionths of a US dollar.
    pub cost_micro_usd: u64,
    /// Requests whose price is unknown.
    pub unpriced: u64,
    /// Requests whose usage is, at least in part, an estimate.
    pub estimated: u64,
    /// The share of the input that came from a cache, 0 to 1; `None`: no input.
    pub cache_share: Option<f64>,
    /// Requests that read less from a cache than the session's request before had left there.
    pub cache_breaks: u64,
    /// Tokens that these would have read from it.
    pub cache_break_tokens: u64,
    /// What that cost, in millionths of a US dollar, where the price is known; it is part of the cost.
    pub cache_break_micro_usd: u64,
    /// Milliseconds to the first content that half of them stayed below, by the nearest rank.
    pub first_content_p50_ms: Option<u64>,
    /// The same for 95 of 100.
    pub first_content_p95_ms: Option<u64>,
}

/// A row under way.
#[derive(Debug, Default)]
struct Group {
    row: Row,
    /// Milliseconds to the first content.
    waits: Vec<u64>,
}

/// What the ledger tells.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// The groups: the dearest first, or by time.
    pub groups: Vec<Row>,
    /// All of them.
    pub total: Row,
    /// Whose price is unknown, most requests first.
    pub unpriced: Vec<Unpriced>,
    /// Why caches had less than they could, the dearest first.
    pub cache_breaks: Vec<CacheBreaks>,
}

/// Requests that read less from a cache than they could, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CacheBreaks {
    /// The reason: one of the words of the metric `aimux_cache_breaks_total`.
    pub cause: String,
    /// How many.
    pub requests: u64,
    /// Tokens that they would have read.
    pub tokens: u64,
    /// What that cost, where the price is known, in millionths of a US dollar.
    pub micro_usd: u64,
}

/// Requests whose price is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unpriced {
    /// `provider/model`.
    pub target: String,
    /// How many.
    pub requests: u64,
}

/// Reads a ledger. `None`: there is none yet.
///
/// # Errors
/// When it cannot be read.
pub fn usage(path: &Path, by: By, span: Span) -> Result<Option<Report>, Error> {
    schema::read(path, |connection| read(connection, by, span))
}

/// What one session came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SessionSum {
    /// Who answered its last request with a conversation in it.
    pub provider: String,
    /// The model that did.
    pub model: String,
    /// Its requests.
    pub requests: u64,
    /// What the priced ones cost, in millionths of a US dollar.
    pub cost_micro_usd: u64,
    /// Requests whose price is unknown.
    pub unpriced: u64,
    /// The share of the input that came from a cache, 0 to 1; `None`: no input.
    pub cache_share: Option<f64>,
    /// Requests that were answered after another target or key had failed.
    pub failovers: u64,
}

/// What a client's session came to. `None`: the ledger has nothing of it, or there is none.
///
/// # Errors
/// When it cannot be read.
pub fn session(path: &Path, session: &str) -> Result<Option<SessionSum>, Error> {
    Ok(schema::read(path, |connection| sum(connection, session))?.flatten())
}

fn sum(connection: &Connection, session: &str) -> Result<Option<SessionSum>, Fault> {
    let mut statement = connection.prepare(
        "SELECT count(*), ifnull(sum(cost), 0), sum(cost IS NULL), sum(attempts > 1 AND ending != 'failed' AND EXISTS (
                SELECT 1 FROM attempts WHERE attempts.request = requests.id AND number < requests.attempts AND attempts.ending IS NULL)),
            ifnull(sum(input), 0), ifnull(sum(cache_read), 0), ifnull(sum(cache_write), 0)
         FROM requests WHERE session = ?1",
    )?;
    let mut figures = [0_u64; 7];
    let mut rows = statement.query([session])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    for (index, figure) in figures.iter_mut().enumerate() {
        *figure = u64::try_from(row.get::<_, Option<i64>>(index)?.unwrap_or(0)).unwrap_or(0);
    }
    let [requests, cost_micro_usd, unpriced, failovers, fresh, read, written] = figures;
    if requests == 0 {
        return Ok(None);
    }
    let mut statement = connection.prepare(
        "SELECT provider, model FROM requests WHERE session = ?1 AND provider != '' ORDER BY role NOT IN ('main', 'plan'), time DESC, id DESC LIMIT 1",
    )?;
    let mut rows = statement.query([session])?;
    let (provider, model) = match rows.next()? {
        Some(row) => (row.get(0)?, row.get(1)?),
        None => Default::default(),
    };
    let input = fresh.saturating_add(read).saturating_add(written);
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let cache_share = (input > 0).then(|| read as f64 / input as f64);
    Ok(Some(SessionSum { provider, model, requests, cost_micro_usd, unpriced, cache_share, failovers }))
}

/// Requests, cost and errors since midnight, where there is a ledger that can be read.
#[must_use]
pub fn today(path: &Path) -> Option<Row> {
    let since_ms = super::moment("today", 0);
    usage(path, By::Provider, Span { since_ms, until_ms: None }).ok().flatten().map(|report| report.total)
}

fn read(connection: &Connection, by: By, span: Span) -> Result<Report, Fault> {
    let sql = format!(
        "SELECT {}, ending = 'failed', ifnull(input, 0), ifnull(output, 0), ifnull(cache_read, 0), ifnull(cache_write, 0),
            ifnull(thinking, 0), cost, estimated, content_ms, provider, model, break_cause, ifnull(break_tokens, 0), ifnull(break_cost, 0)
         FROM requests WHERE time >= ?1 AND time < ?2",
        by.column("requests")
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(span.bounds())?;
    let mut groups: HashMap<String, Group> = HashMap::new();
    let mut total = Group::default();
    let mut unpriced: HashMap<String, u64> = HashMap::new();
    let mut breaks: HashMap<String, [u64; 3]> = HashMap::new();
    while let Some(row) = rows.next()? {
        let figure = |index| row.get::<_, i64>(index).map(|figure| u64::try_from(figure).unwrap_or(0));
        let cost = row.get::<_, Option<i64>>(7)?.map(|cost| u64::try_from(cost).unwrap_or(0));
        let wait = row.get::<_, Option<i64>>(9)?.map(|wait| u64::try_from(wait).unwrap_or(0));
        let broken: Option<String> = row.get(12)?;
        let one = Row {
            name: String::new(),
            requests: 1,
            errors: figure(1)?,
            input_tokens: figure(2)?,
            output_tokens: figure(3)?,
            cache_read_tokens: figure(4)?,
            cache_write_tokens: figure(5)?,
            thinking_tokens: figure(6)?,
            cost_micro_usd: cost.unwrap_or(0),
            unpriced: u64::from(cost.is_none()),
            estimated: figure(8)?,
            cache_breaks: u64::from(broken.is_some()),
            cache_break_tokens: figure(13)?,
            cache_break_micro_usd: figure(14)?,
            ..Row::default()
        };
        if cost.is_none() {
            let [provider, model] = [row.get_ref(10)?.as_str(), row.get_ref(11)?.as_str()].map(|text| text.unwrap_or_default());
            *unpriced.entry(format!("{provider}/{model}")).or_default() += 1;
        }
        if let Some(cause) = broken {
            let sum = breaks.entry(cause).or_default();
            *sum = [sum[0] + 1, sum[1].saturating_add(one.cache_break_tokens), sum[2].saturating_add(one.cache_break_micro_usd)];
        }
        total.add(&one, wait);
        let name = row.get_ref(0)?.as_str().unwrap_or_default();
        match groups.get_mut(name) {
            Some(group) => group.add(&one, wait),
            None => groups.entry(name.to_owned()).or_default().add(&one, wait),
        }
    }
    drop(rows);
    share_out(connection, by, span, &mut Sums { groups: &mut groups, total: &mut total.row, unpriced: &mut unpriced })?;
    unpriced.retain(|_, requests| *requests > 0);
    let mut groups: Vec<Row> = groups.into_iter().map(|(name, group)| Row { name, ..group.settled() }).collect();
    groups.sort_by(|a, b| {
        let by_cost = || (b.cost_micro_usd, b.requests).cmp(&(a.cost_micro_usd, a.requests));
        if by.is_time() { a.name.cmp(&b.name) } else { by_cost().then_with(|| a.name.cmp(&b.name)) }
    });
    let mut unpriced: Vec<Unpriced> = unpriced.into_iter().map(|(target, requests)| Unpriced { target, requests }).collect();
    unpriced.sort_by(|a, b| b.requests.cmp(&a.requests).then_with(|| a.target.cmp(&b.target)));
    let told = |(cause, [requests, tokens, micro_usd]): (String, [u64; 3])| CacheBreaks { cause, requests, tokens, micro_usd };
    let mut cache_breaks: Vec<CacheBreaks> = breaks.into_iter().map(told).collect();
    cache_breaks.sort_by(|a, b| (b.micro_usd, b.tokens).cmp(&(a.micro_usd, a.tokens)).then_with(|| a.cause.cmp(&b.cause)));
    Ok(Report { groups, total: total.settled(), unpriced, cache_breaks })
}

impl Span {
    pub(super) fn bounds(self) -> [i64; 2] {
        let bound = |ms: Option<u64>, other: i64| ms.map_or(other, |ms| i64::try_from(ms).unwrap_or(i64::MAX));
        [bound(self.since_ms, i64::MIN), bound(self.until_ms, i64::MAX)]
    }
}

/// The sums so far.
struct Sums<'a> {
    groups: &'a mut HashMap<String, Group>,
    total: &'a mut Row,
    unpriced: &'a mut HashMap<String, u64>,
}

/// What was taken before the last attempt, or beside it, goes to whom it was taken by: a request's row names the last one alone,
/// and has no cost at all where one of the prices is unknown.
fn share_out(connection: &Connection, by: By, span: Span, sums: &mut Sums<'_>) -> Result<(), Fault> {
    let sql = format!(
        "SELECT requests.id, {}, {}, {}, {}, requests.cost, own.cost, attempts.cost, ifnull(attempts.input, 0),
            ifnull(attempts.output, 0), ifnull(attempts.cache_read, 0), ifnull(attempts.cache_write, 0), ifnull(attempts.thinking, 0)
         FROM requests JOIN attempts ON attempts.request = requests.id AND attempts.number < requests.attempts
            LEFT JOIN attempts AS own ON own.request = requests.id AND own.number = requests.attempts
         WHERE time >= ?1 AND time < ?2 AND requests.attempts > 1 AND (attempts.ending IS NOT NULL OR attempts.input IS NOT NULL)
         ORDER BY requests.id",
        by.column("requests"),
        by.column("attempts"),
        target("requests"),
        target("attempts"),
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(span.bounds())?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let text = |index| row.get::<_, String>(index);
        let money = |index| row.get::<_, Option<i64>>(index).map(|cost| cost.map(|cost| u64::try_from(cost).unwrap_or(0)));
        let (from, to) = (text(1)?, text(2)?);
        let (all, own, part) = (money(5)?, money(6)?, money(7)?);
        let request: i64 = row.get(0)?;
        let is_first = last.replace(request) != Some(request);
        if all.is_none() {
            let known = own.filter(|_| is_first).unwrap_or(0).saturating_add(part.unwrap_or(0));
            sums.total.cost_micro_usd = sums.total.cost_micro_usd.saturating_add(known);
            if let Some(own) = own.filter(|_| is_first) {
                let answered = &mut sums.groups.entry(from.clone()).or_default().row;
                answered.cost_micro_usd = answered.cost_micro_usd.saturating_add(own);
                answered.unpriced = answered.unpriced.saturating_sub(1);
                sums.unpriced.entry(text(3)?).and_modify(|requests| *requests = requests.saturating_sub(1));
            }
            let asked = &mut sums.groups.entry(to.clone()).or_default().row;
            asked.cost_micro_usd = asked.cost_micro_usd.saturating_add(part.unwrap_or(0));
            if part.is_none() {
                asked.unpriced += 1;
                *sums.unpriced.entry(text(4)?).or_default() += 1;
            }
        }
        if from == to {
            continue;
        }
        let cost = part.filter(|_| all.is_some()).and_then(|part| i64::try_from(part).ok()).unwrap_or(0);
        let figures = [row.get(8)?, row.get(9)?, row.get(10)?, row.get(11)?, row.get(12)?, cost];
        let figures = figures.map(|figure: i64| u64::try_from(figure).unwrap_or(0));
        let answered = sums.groups.entry(from).or_default().row.parts();
        answered.into_iter().zip(figures).for_each(|(sum, figure)| *sum = sum.saturating_sub(figure));
        let asked = sums.groups.entry(to).or_default().row.parts();
        asked.into_iter().zip(figures).for_each(|(sum, figure)| *sum = sum.saturating_add(figure));
    }
    Ok(())
}

impl Row {
    /// What is shared out among the attempts of a request.
    fn parts(&mut self) -> [&mut u64; 6] {
        [
            &mut self.input_tokens,
            &mut self.output_tokens,
            &mut self.cache_read_tokens,
            &mut self.cache_write_tokens,
            &mut self.thinking_tokens,
            &mut self.cost_micro_usd,
        ]
    }
}

impl Group {
    fn add(&mut self, other: &Row, wait: Option<u64>) {
        let row = &mut self.row;
        let sum = |to: &mut u64, figure: u64| *to = to.saturating_add(figure);
        sum(&mut row.requests, other.requests);
        sum(&mut row.errors, other.errors);
        sum(&mut row.input_tokens, other.input_tokens);
        sum(&mut row.output_tokens, other.output_tokens);
        sum(&mut row.cache_read_tokens, other.cache_read_tokens);
        sum(&mut row.cache_write_tokens, other.cache_write_tokens);
        sum(&mut row.thinking_tokens, other.thinking_tokens);
        sum(&mut row.cost_micro_usd, other.cost_micro_usd);
        sum(&mut row.unpriced, other.unpriced);
        sum(&mut row.estimated, other.estimated);
        sum(&mut row.cache_breaks, other.cache_breaks);
        sum(&mut row.cache_break_tokens, other.cache_break_tokens);
        sum(&mut row.cache_break_micro_usd, other.cache_break_micro_usd);
        self.waits.extend(wait);
    }

    /// The row, with what follows from the sums.
    fn settled(mut self) -> Row {
        let Self { row, waits } = &mut self;
        waits.sort_unstable();
        // The nearest rank: the smallest wait that so many percent stayed at or below.
        let rank = |percent: usize| (waits.len() * percent).div_ceil(100).checked_sub(1).and_then(|rank| waits.get(rank)).copied();
        let input = row.input_tokens.saturating_add(row.cache_read_tokens).saturating_add(row.cache_write_tokens);
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let cache_share = (input > 0).then(|| row.cache_read_tokens as f64 / input as f64);
        let (first_content_p50_ms, first_content_p95_ms) = (rank(50), rank(95));
        Row { cache_share, first_content_p50_ms, first_content_p95_ms, ..self.row }
    }
}
