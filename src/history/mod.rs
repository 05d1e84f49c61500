//! The conversations of `aimux route`: what was asked, what was answered, by whom and at what cost. One SQLite
//! file in the state folder, for its owner alone. `serve` never writes here: of its clients' prompts nothing is kept.
//!
//! A conversation is a row with exchanges; an exchange is a prompt and its answer, whole or not. Their text is indexed for
//! search. Several processes may write at a time. What is deleted is overwritten. Start with [`History`], then `schema.rs`.

mod id;
mod last;
mod reader;
mod record;
mod schema;
mod steps;
mod take;
#[cfg(test)]
mod tests;
mod words;
mod writer;

use std::path::{Path, PathBuf};

use rusqlite::Connection;

pub use last::{Last, last};
pub use reader::{Conversation, Filter, Hit, MARKS};
pub use record::{Attachment, Ending, Exchange};
pub use steps::{Call, Step};
pub use take::Taken;
pub use words::terms;

use crate::database::{Fault, Health, health as health_of};
use crate::error::{Code, Error};

/// `history:` of the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether conversations are kept.
    pub enabled: bool,
    /// The file.
    pub path: PathBuf,
    /// Days after whose last exchange a conversation is forgotten.
    pub keep_days: u32,
    /// Mebibytes that the file may have; the oldest conversations make way.
    pub keep_mb: u32,
    /// Whether attachments are kept with their content, not only by name, type, size and hash.
    pub attachments: bool,
}

/// How the file is, by a quick look through all of it.
pub(crate) fn health(path: &std::path::Path) -> Health {
    health_of(schema::open_to_read(path))
}

impl Settings {
    /// What holds where the config says nothing.
    #[must_use]
    pub fn usual(state_folder: &Path) -> Self {
        Self { enabled: true, path: state_folder.join("history.sqlite"), keep_days: 365, keep_mb: 512, attachments: true }
    }

    /// Nothing is kept.
    #[must_use]
    pub fn off() -> Self {
        Self { enabled: false, ..Self::usual(Path::new("/")) }
    }
}

/// The open file.
#[derive(Debug)]
pub struct History {
    connection: Connection,
    settings: Settings,
}

impl History {
    /// Opens the file to write to it, and makes it where there is none. Blocks.
    ///
    /// # Errors
    /// When it cannot be opened, is another program's or a newer aimux's, or is damaged.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let connection = schema::open(&settings.path).map_err(|fault| failed(settings, "opened", fault))?;
        Ok(Self { connection, settings: settings.clone() })
    }

    /// Opens the file to read it. `None`: there is none yet. Blocks.
    ///
    /// # Errors
    /// As for [`History::open`].
    pub fn read(settings: &Settings) -> Result<Option<Self>, Error> {
        match schema::open_to_read(&settings.path) {
            Ok(connection) => Ok(Some(Self { connection, settings: settings.clone() })),
            Err(Fault::Absent) => Ok(None),
            Err(fault) => Err(failed(settings, "read", fault)),
        }
    }
}

fn failed(settings: &Settings, what: &str, fault: Fault) -> Error {
    let reason = fault.reason(schema::NOUN);
    Error::new(Code::History, format!("the conversations, {}, cannot be {what}: {reason}", settings.path.display()))
}

/// SQLite's integers have a sign.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
