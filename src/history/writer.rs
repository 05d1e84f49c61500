//! Writing: an exchange is put in whole or not at all; what is too old or too much is forgotten.

use std::time::{SystemTime, UNIX_EPOCH};

use super::record::Exchange;
use super::store::Keep;
use super::{History, id};
use crate::database::Fault;
use crate::error::Error;

const DAY_MS: u64 = 86_400_000;

impl History {
    /// Writes an exchange into its conversation, or begins one with it; gives the conversation's id.
    ///
    /// # Errors
    /// When it cannot be written: the disk is full, another process holds the file, or it is damaged.
    pub fn put(&mut self, conversation: Option<&str>, exchange: &Exchange) -> Result<String, Error> {
        let id = conversation.map_or_else(|| id::fresh(exchange.time_ms), str::to_owned);
        self.store.put(&id, exchange).map_err(|fault| self.failed("written", fault))?;
        // What is too much today will be forgotten tomorrow: the exchange is safe.
        let _ = self.forget(&id);
        Ok(id)
    }

    /// Deletes conversations, their words in the index and their attachments' content; gives how many there were.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn delete(&mut self, ids: &[String]) -> Result<usize, Error> {
        self.store.delete(ids).map_err(|fault| self.failed("written", fault))
    }

    /// Forgets the conversations that are too old, then, while they are too much, the oldest; never `current`.
    pub(super) fn forget(&mut self, current: &str) -> Result<(), Fault> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let since_ms = now.saturating_sub(u64::from(self.settings.keep_days) * DAY_MS);
        self.store.forget(Keep { since_ms, bytes_max: u64::from(self.settings.keep_mb) << 20, current })
    }
}
