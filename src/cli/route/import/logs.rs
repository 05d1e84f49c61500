//! `logs.db`: each response is an exchange of ours, with a request id that says which it was, so that it is taken once.
//!
//! The tables are those of `llm` 0.13 (January 2024) and later; columns and tables that came after it may be missing. The file is read
//! in one transaction and never written.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, params};
use serde::Serialize;

use super::args::LlmArgs;
use super::taken::Leads;
use crate::chat::Usage;
use crate::cli::usage::{counted, grouped};
use crate::date;
use crate::error::{Code, Error};
use crate::history::{Attachment, Ending, Exchange, History, Settings, Taken as Put};

/// The largest attachment that is read from where it was, in bytes.
const ATTACHMENT_MAX: u64 = 32 << 20;
const DAY_MS: u64 = 86_400_000;

#[derive(Debug, Default, Serialize)]
pub(super) struct Taken {
    conversations: u64,
    exchanges: u64,
    /// Exchanges that were there already.
    there: u64,
    /// Exchanges of conversations that `history.keep_days` would forget at once.
    too_old: u64,
    /// Answers to tools' results, joined to the exchange before.
    joined: u64,
    /// Calls of tools, and schemas: not kept.
    tool_calls: u64,
    schemas: u64,
    /// Attachments of which only the name is there any more.
    nameless: u64,
    /// Why nothing was taken.
    refused: Option<String>,
}

/// Takes what is not there yet; `None`: there is no file.
pub(super) fn take(folder: &Path, args: &LlmArgs, leads: Leads<'_>, settings: &Settings) -> Result<Option<Taken>, Error> {
    let path = folder.join("logs.db");
    if !path.is_file() {
        return Ok(None);
    }
    if !settings.enabled {
        let refused = Some("history.enabled is false".to_owned());
        return Ok(Some(Taken { refused, ..Taken::default() }));
    }
    let failed = |error: rusqlite::Error| Error::new(Code::Usage, format!("{} cannot be read: {error}", path.display())).caused_by(error);
    let connection =
        Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    connection.execute_batch("BEGIN").map_err(failed)?;
    let source = Source { connection: &connection };
    if !source.has("responses", "conversation_id").map_err(failed)? {
        let message = format!("{} is of an old `llm`, or no log", path.display());
        return Err(Error::new(Code::Usage, message).hint("run `llm logs` once with a newer one, which brings it up to date"));
    }
    let mut taken = Taken::default();
    let oldest = now_ms().saturating_sub(u64::from(settings.keep_days) * DAY_MS);
    let mut conversations = Vec::new();
    for id in source.conversations().map_err(failed)? {
        let exchanges = source.exchanges(&id, leads, &mut taken).map_err(failed)?;
        let Some((first, last)) = exchanges.first().zip(exchanges.last()) else { continue };
        if last.time_ms < oldest {
            taken.too_old += exchanges.len() as u64;
            continue;
        }
        conversations.push((History::id_of(first.time_ms, &format!("llm {id}")), exchanges));
    }
    let put = if args.dry_run { History::would_take(settings, &conversations)? } else { History::open(settings)?.take(&conversations)? };
    let Put { conversations, exchanges, there } = put;
    Ok(Some(Taken { conversations, exchanges, there, ..taken }))
}

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// The file of `llm`.
struct Source<'a> {
    connection: &'a Connection,
}

impl Source<'_> {
    fn has(&self, table: &str, column: &str) -> rusqlite::Result<bool> {
        let sql = "SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2";
        Ok(self.connection.query_row(sql, [table, column], |_| Ok(())).optional()?.is_some())
    }

    /// Their ids, the oldest first.
    fn conversations(&self) -> rusqlite::Result<Vec<String>> {
        let sql = "SELECT conversation_id FROM responses WHERE conversation_id IS NOT NULL GROUP BY conversation_id ORDER BY min(rowid)";
        self.connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
    }

    fn exchanges(&self, conversation: &str, leads: Leads<'_>, taken: &mut Taken) -> rusqlite::Result<Vec<Exchange>> {
        let or_null = |column: &'static str| Ok::<_, rusqlite::Error>(if self.has("responses", column)? { column } else { "NULL" });
        let sql = format!(
            "SELECT id, model, prompt, system, response, options_json, duration_ms, datetime_utc, {} AS input, {} AS output, {} AS schema
             FROM responses WHERE conversation_id = ?1 ORDER BY datetime_utc, rowid",
            or_null("input_tokens")?,
            or_null("output_tokens")?,
            or_null("schema_id")?
        );
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([conversation])?;
        let mut exchanges: Vec<Exchange> = Vec::new();
        while let Some(row) = rows.next()? {
            let (id, mut exchange) = (row.get::<_, String>("id")?, exchange(row, leads)?);
            taken.schemas += u64::from(row.get::<_, Option<String>>("schema")?.is_some());
            taken.tool_calls += self.count("tool_calls", &id)?;
            exchange.attachments = self.attachments(&id, taken)?;
            exchange.prompt = joined(&self.fragments("prompt_fragments", &id)?, &exchange.prompt);
            exchange.system = joined(&self.fragments("system_fragments", &id)?, &exchange.system);
            match exchanges.last_mut() {
                // What tools gave back is no prompt of anybody's.
                Some(former) if exchange.prompt.trim().is_empty() && exchange.attachments.is_empty() => {
                    taken.joined += 1;
                    join(former, exchange);
                }
                _ => exchanges.push(exchange),
            }
        }
        Ok(exchanges)
    }

    fn count(&self, table: &str, response: &str) -> rusqlite::Result<u64> {
        if !self.has(table, "response_id")? {
            return Ok(0);
        }
        let sql = format!("SELECT count(*) FROM {table} WHERE response_id = ?1");
        self.connection.query_row(&sql, [response], |row| row.get::<_, i64>(0)).map(|count| u64::try_from(count).unwrap_or(0))
    }

    fn fragments(&self, table: &str, response: &str) -> rusqlite::Result<Vec<String>> {
        if !self.has(table, "fragment_id")? {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT f.content FROM {table} t JOIN fragments f ON f.id = t.fragment_id WHERE t.response_id = ?1 ORDER BY t.\"order\""
        );
        self.connection.prepare_cached(&sql)?.query_map([response], |row| row.get(0))?.collect()
    }

    fn attachments(&self, response: &str, taken: &mut Taken) -> rusqlite::Result<Vec<Attachment>> {
        if !self.has("prompt_attachments", "attachment_id")? {
            return Ok(Vec::new());
        }
        let sql = "SELECT a.id, a.type, a.path, a.url, a.content FROM prompt_attachments p JOIN attachments a ON a.id = p.attachment_id
            WHERE p.response_id = ?1 ORDER BY p.\"order\"";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![response], |row| {
            let text = |column: &str| row.get::<_, Option<String>>(column).map(Option::unwrap_or_default);
            let (sha256, media_type, path, url) = (text("id")?, text("type")?, text("path")?, text("url")?);
            let content = row.get::<_, Option<Vec<u8>>>("content")?.filter(|content| !content.is_empty());
            let name = if path.is_empty() { url } else { path.rsplit('/').next().unwrap_or_default().to_owned() };
            let content = content.or_else(|| unchanged(Path::new(&path), &sha256));
            Ok(match content {
                Some(content) => Attachment::new(&name, &media_type, content),
                None => Attachment { name, media_type, size: 0, sha256, content: None },
            })
        })?;
        let found: Vec<Attachment> = rows.collect::<Result<_, _>>()?;
        taken.nameless += found.iter().filter(|attachment| attachment.content.is_none()).count() as u64;
        Ok(found)
    }
}

/// The file that was attached, if it is still the same.
fn unchanged(path: &Path, sha256: &str) -> Option<Vec<u8>> {
    let about = std::fs::metadata(path).ok().filter(|about| about.is_file() && about.len() <= ATTACHMENT_MAX)?;
    let content = std::fs::read(PathBuf::from(path)).ok()?;
    (about.len() > 0 && Attachment::new("", "", content.clone()).sha256 == sha256).then_some(content)
}

fn exchange(row: &Row<'_>, leads: Leads<'_>) -> rusqlite::Result<Exchange> {
    let text = |column: &str| row.get::<_, Option<String>>(column).map(Option::unwrap_or_default);
    let number = |column: &str| row.get::<_, Option<i64>>(column).map(|number| number.and_then(|number| u64::try_from(number).ok()));
    let (model, answer, options) = (text("model")?, text("response")?, text("options_json")?);
    let moment = text("datetime_utc")?;
    let seconds = moment.get(..19).and_then(|moment| date::parse(&format!("{moment}Z"))).unwrap_or(0);
    let ms: u64 = moment.get(20..23).and_then(|ms| ms.parse().ok()).unwrap_or(0);
    Ok(Exchange {
        time_ms: seconds * 1000 + ms,
        request_id: format!("llm-{}", text("id")?),
        system: text("system")?,
        prompt: text("prompt")?,
        ending: if answer.is_empty() { Ending::Failed } else { Ending::Whole },
        answer,
        // A model that nothing here serves is not asked for when the conversation goes on.
        asked: leads(&model).map(|_| model.clone()).unwrap_or_default(),
        provider: "llm".to_owned(),
        model,
        options: if options == "{}" { String::new() } else { options },
        attempts: 1,
        usage: Usage { input: number("input")?, output: number("output")?, ..Usage::default() },
        total_ms: number("duration_ms")?.unwrap_or(0),
        ..Exchange::default()
    })
}

fn joined(fragments: &[String], text: &str) -> String {
    let all: Vec<&str> = fragments.iter().map(String::as_str).chain([text]).filter(|text| !text.is_empty()).collect();
    all.join("\n\n")
}

fn join(former: &mut Exchange, next: Exchange) {
    let gap = if former.answer.is_empty() || next.answer.is_empty() { "" } else { "\n\n" };
    former.answer = format!("{}{gap}{}", former.answer, next.answer);
    former.ending = if former.answer.is_empty() { Ending::Failed } else { Ending::Whole };
    let add = |one: Option<u64>, other: Option<u64>| one.map(|one| one.saturating_add(other.unwrap_or(0))).or(other);
    former.usage.input = add(former.usage.input, next.usage.input);
    former.usage.output = add(former.usage.output, next.usage.output);
    former.total_ms = former.total_ms.saturating_add(next.total_ms);
    former.attempts += 1;
}

impl Taken {
    pub(super) fn text(&self) -> String {
        let head = "logs";
        if let Some(why) = &self.refused {
            return format!("{head:<10} not taken: {why}\n");
        }
        let mut text =
            format!("{head:<10} {} taken, with {}\n", counted(self.conversations, "conversation"), counted(self.exchanges, "exchange"));
        for (count, words) in [
            (self.there, "exchanges there already"),
            (self.too_old, "exchanges left: older than history.keep_days"),
            (self.joined, "answers to tools joined to the exchange before"),
            (self.tool_calls, "calls of tools lost: there is no place for them"),
            (self.schemas, "schemas lost"),
            (self.nameless, "attachments without their content: it is an address, or the file is another by now"),
        ] {
            if count > 0 {
                text += &format!("{head:<10} {} {words}\n", grouped(count));
            }
        }
        text
    }
}
