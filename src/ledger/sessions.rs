//! The latest sessions at a glance, for who types the id of one: nobody is waited for, and nothing is made.

use std::path::Path;

use super::sqlite::schema;
use crate::database::Fault;

/// So many of the latest requests are looked at.
const REQUESTS: u32 = 2000;

/// A client's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSession {
    /// The client's id of it.
    pub id: String,
    /// `provider/model` of its last request.
    pub target: String,
}

/// The sessions that asked last, the latest first; none where the ledger cannot be read at once.
#[must_use]
pub fn last_sessions(path: &Path) -> Vec<LastSession> {
    look(path).unwrap_or_default()
}

fn look(path: &Path) -> Result<Vec<LastSession>, Fault> {
    let connection = schema::glance(path)?;
    let mut statement = connection.prepare("SELECT session, provider, model FROM requests ORDER BY id DESC LIMIT ?1")?;
    let mut rows = statement.query([REQUESTS])?;
    let mut found: Vec<LastSession> = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        if !id.is_empty() && found.iter().all(|known| known.id != id) {
            let (provider, model): (String, String) = (row.get(1)?, row.get(2)?);
            found.push(LastSession { id, target: if provider.is_empty() { provider } else { format!("{provider}/{model}") } });
        }
    }
    Ok(found)
}
