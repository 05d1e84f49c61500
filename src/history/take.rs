//! Taking over what another program kept: all of it or nothing, and each exchange once, by its request's id.

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use sha2::{Digest as _, Sha256};

use super::record::Exchange;
use super::writer::insert_into;
use super::{History, Settings, failed, id};
use crate::database::Fault;
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
    /// When the file cannot be written.
    pub fn take(&mut self, conversations: &[(String, Vec<Exchange>)]) -> Result<Taken, Error> {
        let with_contents = self.settings.attachments;
        let taken = take(&mut self.connection, conversations, with_contents);
        let taken = taken.map_err(|fault| failed(&self.settings, "written", fault))?;
        // What is too much today will be forgotten tomorrow.
        let _ = self.forget("");
        Ok(taken)
    }

    /// What [`History::take`] would do; nothing is written, and no file made.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn would_take(settings: &Settings, conversations: &[(String, Vec<Exchange>)]) -> Result<Taken, Error> {
        let Some(history) = Self::read(settings)? else {
            let exchanges = conversations.iter().map(|(_, exchanges)| exchanges.len() as u64).sum();
            return Ok(Taken { conversations: conversations.len() as u64, exchanges, there: 0 });
        };
        let mut taken = Taken::default();
        for (id, exchanges) in conversations {
            let fresh = new(&history.connection, id, exchanges).map_err(|fault| failed(settings, "read", fault))?;
            taken.add(exchanges.len(), fresh.len());
        }
        Ok(taken)
    }
}

impl Taken {
    fn add(&mut self, all: usize, fresh: usize) {
        self.conversations += u64::from(fresh > 0);
        self.exchanges += fresh as u64;
        self.there += (all - fresh) as u64;
    }
}

fn take(connection: &mut Connection, conversations: &[(String, Vec<Exchange>)], with_contents: bool) -> Result<Taken, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut taken = Taken::default();
    for (id, exchanges) in conversations {
        let fresh = new(&transaction, id, exchanges)?;
        for exchange in &fresh {
            insert_into(&transaction, id, exchange, with_contents)?;
        }
        taken.add(exchanges.len(), fresh.len());
    }
    transaction.commit()?;
    Ok(taken)
}

/// Those that the conversation does not have.
fn new<'a>(connection: &Connection, id: &str, exchanges: &'a [Exchange]) -> Result<Vec<&'a Exchange>, Fault> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM exchanges WHERE conversation = ?1 AND request_id = ?2")?;
    let mut fresh = Vec::new();
    for exchange in exchanges {
        if statement.query_row(params![id, exchange.request_id], |_| Ok(())).optional()?.is_none() {
            fresh.push(exchange);
        }
    }
    Ok(fresh)
}
