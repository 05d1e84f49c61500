//! What the ledger tells of each key: when it was last used, and how it last failed.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::Connection;

use super::schema;
use crate::database::Fault;
use crate::error::Error;

/// A key, as attempts found it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRecord {
    /// When a request last used it, in milliseconds since 1970.
    pub used_ms: u64,
    /// How it last failed; `None`: not as far as the ledger goes back.
    pub error: Option<KeyError>,
}

/// An attempt with a key that failed, for whatever reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError {
    /// When its request came, in milliseconds since 1970.
    pub time_ms: u64,
    /// The provider's status; `None`: no answer.
    pub status: Option<u16>,
    /// aimux's code, `E0507` say.
    pub code: String,
}

/// The keys that requests used, by name. Empty where there is no ledger yet.
///
/// # Errors
/// When it cannot be read.
pub fn key_records(path: &Path) -> Result<HashMap<String, KeyRecord>, Error> {
    Ok(schema::read(path, read)?.unwrap_or_default())
}

fn read(connection: &Connection) -> Result<HashMap<String, KeyRecord>, Fault> {
    let number = |value: i64| u64::try_from(value).unwrap_or(0);
    let mut records: HashMap<String, KeyRecord> = HashMap::new();
    // Of a group, SQLite gives the other columns of the row that has the maximum.
    let attempts = "FROM attempts JOIN requests ON requests.id = attempts.request WHERE attempts.key != ''";
    let mut used = connection.prepare(&format!("SELECT attempts.key, max(time) {attempts} GROUP BY attempts.key"))?;
    let mut rows = used.query([])?;
    while let Some(row) = rows.next()? {
        records.insert(row.get(0)?, KeyRecord { used_ms: number(row.get(1)?), error: None });
    }
    let failed = format!(
        "SELECT attempts.key, max(time + start_ms), time, attempts.status, attempts.code {attempts} AND attempts.code IS NOT NULL GROUP BY attempts.key"
    );
    let mut failed = connection.prepare(&failed)?;
    let mut rows = failed.query([])?;
    while let Some(row) = rows.next()? {
        let status = row.get::<_, Option<i64>>(3)?.and_then(|status| u16::try_from(status).ok());
        let error = KeyError { time_ms: number(row.get(2)?), status, code: row.get(4)? };
        if let Some(record) = records.get_mut(row.get_ref(0)?.as_str().unwrap_or_default()) {
            record.error = Some(error);
        }
    }
    Ok(records)
}
