//! Taking over what another program kept: all of it or nothing, and each exchange once, by its request's id.

use sha2::{Digest as _, Sha256};

use super::record::Exchange;
use super::{History, Settings, id};
use crate::error::Error;

/// How much was taken over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Conversations with a new exchange.
    pub conversations: u64,
    /// New exchanges.
    pub exchanges: u64,
    /// Exchanges that were there already.
    pub there: u64,
}

impl History {
    /// The id of a conversation that another program began then, in milliseconds since 1970, and names so: the same each time.
    #[must_use]
    pub fn id_of(began_ms: u64, name: &str) -> String {
        let digest = Sha256::digest(name.as_bytes());
        let number = digest.iter().take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        id::of(began_ms, number)
    }

    /// Writes those exchanges that are not there yet, each with its conversation's id; all of them or none.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn take(&mut self, conversations: &[(String, Vec<Exchange>)]) -> Result<Taken, Error> {
        let taken = self.store.take(conversations).map_err(|fault| self.failed("written", fault))?;
        // What is too much today will be forgotten tomorrow.
        let _ = self.forget("");
        Ok(taken)
    }

    /// What [`History::take`] would do; nothing is written, and no file made.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn would_take(settings: &Settings, conversations: &[(String, Vec<Exchange>)]) -> Result<Taken, Error> {
        let Some(history) = Self::read(settings)? else {
            let exchanges = conversations.iter().map(|(_, exchanges)| exchanges.len() as u64).sum();
            return Ok(Taken { conversations: conversations.len() as u64, exchanges, there: 0 });
        };
        history.store.would_take(conversations).map_err(|fault| history.failed("read", fault))
    }
}

impl Taken {
    pub(super) fn add(&mut self, all: usize, fresh: usize) {
        self.conversations += u64::from(fresh > 0);
        self.exchanges += fresh as u64;
        self.there += (all - fresh) as u64;
    }
}
