//! A batch of entries as one statement: the rows go as JSON, so that it is one text and one wait for the network, however many they are.
//!
//! An entry whose numbers are there already was written by a statement whose answer was lost; neither it nor its attempts are written
//! again. Start with [`SQL`].

use serde::{Serialize, Serializer};

use crate::database::number;
use crate::database::postgres::Param;
use crate::ledger::entry::{Attempt, Entry};
use crate::ledger::store::HEDGED;

/// Instance and writer, then the requests, then their attempts.
pub(super) const SQL: &str = "
    WITH fresh AS (
        INSERT INTO aimux.requests (instance, writer, sequence, time, request_id, dialect, program, role, session, agent, project, asked,
            route, stream, provider, model, key, status, code, ending, attempts, input, output, cache_read, cache_write, thinking,
            estimated, cost, content_ms, total_ms, losses, break_cause, break_detail, break_tokens, break_cost)
        SELECT $1, $2, r.* FROM json_to_recordset($3::json) AS r (sequence BIGINT, time BIGINT, request_id TEXT, dialect TEXT,
            program TEXT, role TEXT, session TEXT, agent TEXT, project TEXT, asked TEXT, route TEXT, stream BOOLEAN, provider TEXT,
            model TEXT, key TEXT, status BIGINT, code TEXT, ending TEXT, attempts BIGINT, input BIGINT, output BIGINT,
            cache_read BIGINT, cache_write BIGINT, thinking BIGINT, estimated BOOLEAN, cost BIGINT, content_ms BIGINT,
            total_ms BIGINT, losses BIGINT, break_cause TEXT, break_detail TEXT, break_tokens BIGINT, break_cost BIGINT)
        ON CONFLICT (writer, sequence) DO NOTHING
        RETURNING id, sequence
    )
    INSERT INTO aimux.attempts (request, number, provider, model, key, start_ms, ms, status, code, reused, ending, cost, input, output,
        cache_read, cache_write, thinking)
    SELECT fresh.id, a.number, a.provider, a.model, a.key, a.start_ms, a.ms, a.status, a.code, a.reused, a.ending, a.cost, a.input,
        a.output, a.cache_read, a.cache_write, a.thinking
    FROM fresh JOIN json_to_recordset($4::json) AS a (sequence BIGINT, number BIGINT, provider TEXT, model TEXT, key TEXT,
        start_ms BIGINT, ms BIGINT, status BIGINT, code TEXT, reused BOOLEAN, ending TEXT, cost BIGINT, input BIGINT, output BIGINT,
        cache_read BIGINT, cache_write BIGINT, thinking BIGINT) ON a.sequence = fresh.sequence";

/// A request, its columns in the statement's words.
#[derive(Serialize)]
struct Request<'a> {
    sequence: u64,
    time: i64,
    request_id: Clean<'a>,
    dialect: &'a str,
    program: Clean<'a>,
    role: &'a str,
    session: Clean<'a>,
    agent: Clean<'a>,
    project: Clean<'a>,
    asked: Clean<'a>,
    route: Clean<'a>,
    stream: bool,
    provider: Clean<'a>,
    model: Clean<'a>,
    key: Clean<'a>,
    status: u16,
    code: Option<&'a str>,
    ending: &'a str,
    attempts: usize,
    input: Option<i64>,
    output: Option<i64>,
    cache_read: Option<i64>,
    cache_write: Option<i64>,
    thinking: Option<i64>,
    estimated: bool,
    cost: Option<i64>,
    content_ms: Option<i64>,
    total_ms: i64,
    losses: i64,
    break_cause: Option<&'a str>,
    break_detail: Option<Clean<'a>>,
    break_tokens: Option<i64>,
    break_cost: Option<i64>,
}

/// An attempt, likewise.
#[derive(Serialize)]
struct Asked<'a> {
    sequence: u64,
    number: usize,
    provider: Clean<'a>,
    model: Clean<'a>,
    key: Clean<'a>,
    start_ms: i64,
    ms: i64,
    status: Option<u16>,
    code: Option<&'a str>,
    reused: Option<bool>,
    ending: Option<&'a str>,
    cost: Option<i64>,
    input: Option<i64>,
    output: Option<i64>,
    cache_read: Option<i64>,
    cache_write: Option<i64>,
    thinking: Option<i64>,
}

/// Text without what Postgres has no place for: the character 0.
struct Clean<'a>(&'a str);

impl Serialize for Clean<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.contains('\0') {
            true => serializer.serialize_str(&self.0.replace('\0', "\u{fffd}")),
            false => serializer.serialize_str(self.0),
        }
    }
}

/// Requests and attempts as JSON; `first` is the first one's number.
pub(super) fn rows(first: u64, entries: &[Box<Entry>]) -> Result<[String; 2], serde_json::Error> {
    let numbered = || (first..).zip(entries);
    let requests: Vec<Request<'_>> = numbered().map(|(sequence, entry)| request(sequence, entry)).collect();
    let attempts: Vec<Asked<'_>> = numbered().flat_map(|(sequence, entry)| attempts(sequence, entry)).collect();
    Ok([serde_json::to_string(&requests)?, serde_json::to_string(&attempts)?])
}

/// The statement's values.
pub(super) fn params<'a>(instance: &'a str, writer: u64, [requests, attempts]: &'a [String; 2]) -> [Param<'a>; 4] {
    [Param::Text(instance), Param::Number(writer.cast_signed()), Param::Text(requests), Param::Text(attempts)]
}

fn request(sequence: u64, entry: &Entry) -> Request<'_> {
    let usage = &entry.usage;
    let broken = entry.cache_break.as_ref();
    Request {
        sequence,
        time: number(entry.time_ms),
        request_id: Clean(&entry.request_id),
        dialect: entry.dialect,
        program: Clean(&entry.program),
        role: entry.role,
        session: Clean(&entry.session),
        agent: Clean(&entry.agent),
        project: Clean(&entry.project),
        asked: Clean(&entry.asked),
        route: Clean(&entry.route),
        stream: entry.stream,
        provider: Clean(&entry.provider),
        model: Clean(&entry.model),
        key: Clean(&entry.key),
        status: entry.status,
        code: entry.code.map(|code| code.row().id),
        ending: entry.ending.name(),
        attempts: entry.earlier.len() + usize::from(entry.last.is_some()),
        input: usage.input.map(number),
        output: usage.output.map(number),
        cache_read: usage.cache_read.map(number),
        cache_write: usage.cache_write.map(number),
        thinking: usage.reasoning.map(number),
        estimated: entry.is_partly_estimated(),
        cost: entry.cost_in_all().map(number),
        content_ms: entry.content_ms.map(number),
        total_ms: number(entry.total_ms),
        losses: number(entry.losses),
        break_cause: broken.map(|broken| broken.cause),
        break_detail: broken.map(|broken| Clean(&broken.detail)),
        break_tokens: broken.map(|broken| number(broken.tokens)),
        break_cost: broken.and_then(|broken| broken.cost).map(number),
    }
}

fn attempts(sequence: u64, entry: &Entry) -> impl Iterator<Item = Asked<'_>> {
    let last = entry.last.map(|went| ([entry.provider.as_str(), &entry.model, &entry.key], went, None, entry.own()));
    let earlier = entry.earlier.iter().map(|one| {
        let ending = one.cancelled.map(|_| HEDGED);
        ([one.provider.as_str(), &one.model, &one.key], one.went, ending, (one.took, one.own_cost()))
    });
    (1..).zip(earlier.chain(last)).map(move |(at, ([provider, model, key], went, ending, (took, cost)))| {
        let Attempt { start_ms, ms, status, code, is_reused } = went;
        Asked {
            sequence,
            number: at,
            provider: Clean(provider),
            model: Clean(model),
            key: Clean(key),
            start_ms: number(start_ms),
            ms: number(ms),
            status,
            code: code.map(|code| code.row().id),
            reused: is_reused,
            ending,
            cost: cost.map(number),
            input: took.input.map(number),
            output: took.output.map(number),
            cache_read: took.cache_read.map(number),
            cache_write: took.cache_write.map(number),
            thinking: took.reasoning.map(number),
        }
    })
}
