//! Conversations in a file of SQLite's, for its owner alone; several processes may write to it.

mod read;
pub(super) mod schema;
mod write;

use std::path::Path;

use rusqlite::Connection;

use super::store::{Keep, Store};
use super::{Conversation, Exchange, Filter, Hit, Taken};
use crate::database::sqlite::health as health_of;
use crate::database::{Fault, Health};

/// The open file.
pub(super) struct Sqlite {
    connection: Connection,
    with_contents: bool,
}

impl Sqlite {
    pub(super) fn open(path: &Path, with_contents: bool) -> Result<Self, Fault> {
        Ok(Self { connection: schema::open(path)?, with_contents })
    }

    pub(super) fn open_to_read(path: &Path) -> Result<Self, Fault> {
        Ok(Self { connection: schema::open_to_read(path)?, with_contents: false })
    }
}

/// How the file is, by a quick look through all of it.
pub(super) fn health(path: &Path) -> Health {
    health_of(schema::open_to_read(path))
}

impl Store for Sqlite {
    fn put(&mut self, conversation: &str, exchange: &Exchange) -> Result<(), Fault> {
        write::put(&mut self.connection, conversation, exchange, self.with_contents)
    }

    fn take(&mut self, conversations: &[(String, Vec<Exchange>)]) -> Result<Taken, Fault> {
        write::take(&mut self.connection, conversations, self.with_contents)
    }

    fn would_take(&self, conversations: &[(String, Vec<Exchange>)]) -> Result<Taken, Fault> {
        let mut taken = Taken::default();
        for (id, exchanges) in conversations {
            taken.add(exchanges.len(), write::new(&self.connection, id, exchanges)?.len());
        }
        Ok(taken)
    }

    fn delete(&mut self, ids: &[String]) -> Result<usize, Fault> {
        let count = write::delete(&mut self.connection, ids)?;
        write::sweep(&self.connection)?;
        Ok(count)
    }

    fn forget(&mut self, keep: Keep<'_>) -> Result<(), Fault> {
        write::forget(&mut self.connection, keep)
    }

    fn conversations(&self, filter: &Filter, limit: usize) -> Result<Vec<Conversation>, Fault> {
        read::conversations(&self.connection, filter, limit)
    }

    fn search(&self, text: &str, filter: &Filter, limit: usize) -> Result<Vec<Hit>, Fault> {
        read::search(&self.connection, text, filter, limit)
    }

    fn beginning(&self, begin: &str) -> Result<Vec<String>, Fault> {
        read::beginning(&self.connection, begin)
    }

    fn latest(&self) -> Result<Option<String>, Fault> {
        read::latest(&self.connection)
    }

    fn exchanges(&self, conversation: &str) -> Result<Vec<Exchange>, Fault> {
        read::exchanges(&self.connection, conversation)
    }
}
