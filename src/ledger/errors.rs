//! What went wrong of late: failed requests by code, for `aimux doctor`.

use std::path::Path;

use super::schema;
use crate::database::Fault;
use crate::error::Error;

/// One code, and how often requests ended with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentError {
    /// `E0502`; empty: the request broke off without one.
    pub code: String,
    /// How many requests.
    pub requests: u64,
    /// When the last one was, in milliseconds since 1970.
    pub last_ms: u64,
    /// `provider/model` of the last one; empty: none was reached.
    pub target: String,
}

/// The codes that requests failed with since a moment, in milliseconds since 1970; the most frequent first. Empty where there
/// is no ledger yet.
///
/// # Errors
/// When it cannot be read.
pub fn recent_errors(path: &Path, since_ms: u64) -> Result<Vec<RecentError>, Error> {
    Ok(schema::read(path, |connection| read(connection, since_ms))?.unwrap_or_default())
}

fn read(connection: &rusqlite::Connection, since_ms: u64) -> Result<Vec<RecentError>, Fault> {
    let number = |value: i64| u64::try_from(value).unwrap_or(0);
    // Of a group, SQLite gives the other columns of the row that has the maximum.
    let mut statement = connection.prepare(
        "SELECT ifnull(code, ''), count(*), max(time), provider, model FROM requests
         WHERE ending = 'failed' AND time >= ?1 GROUP BY code ORDER BY count(*) DESC, code",
    )?;
    let mut rows = statement.query([i64::try_from(since_ms).unwrap_or(i64::MAX)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (provider, model): (String, String) = (row.get(3)?, row.get(4)?);
        let target = if provider.is_empty() { String::new() } else { format!("{provider}/{model}") };
        found.push(RecentError { code: row.get(0)?, requests: number(row.get(1)?), last_ms: number(row.get(2)?), target });
    }
    Ok(found)
}
