//! The latest conversations at a glance, for who types an id: nobody is waited for, and nothing is made.

use std::path::Path;

use super::sqlite::schema;
use crate::database::Fault;

/// A conversation, by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// Its id.
    pub id: String,
    /// The begin of its first prompt.
    pub name: String,
}

/// The conversations that went on last, the latest first, `limit` at most; none where the file cannot be read at once.
#[must_use]
pub fn last(path: &Path, limit: u32) -> Vec<Last> {
    look(path, limit).unwrap_or_default()
}

fn look(path: &Path, limit: u32) -> Result<Vec<Last>, Fault> {
    let connection = schema::glance(path)?;
    let mut statement = connection.prepare("SELECT id, name FROM conversations ORDER BY updated DESC, id DESC LIMIT ?1")?;
    let rows = statement.query_map([limit], |row| Ok(Last { id: row.get(0)?, name: row.get(1)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
