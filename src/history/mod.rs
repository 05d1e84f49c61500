//! The conversations of `aimux route`: what was asked, what was answered, by whom and at what cost. One SQLite
//! file in the state folder, for its owner alone, is what holds without a word in the config. `serve` never writes here: of its clients' prompts nothing is kept.
//!
//! A conversation is a row with exchanges; an exchange is a prompt and its answer, whole or not. Their text is indexed for
//! search. Several processes may write at a time. What is deleted is overwritten. Start with [`History`], then `store.rs`; `sqlite/schema.rs` has the columns.

mod id;
mod last;
mod open;
mod postgres;
mod reader;
mod record;
mod sqlite;
mod steps;
mod store;
mod take;
#[cfg(test)]
mod tests;
mod words;
mod writer;

use std::path::Path;

pub use last::{Last, last};
pub use reader::{Conversation, Filter, Hit, MARKS};
pub use record::{Attachment, Ending, Exchange};
pub use steps::{Call, Step};
pub use take::Taken;
pub use words::terms;

pub use crate::database::Place;

use self::store::{NOUN, Store};
use crate::database::{Fault, Health};
use crate::error::{Code, Error};

/// `history:` of the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether conversations are kept.
    pub enabled: bool,
    /// Where they are.
    pub place: Place,
    /// Days after whose last exchange a conversation is forgotten.
    pub keep_days: u32,
    /// Mebibytes that they may have; the oldest conversations make way.
    pub keep_mb: u32,
    /// Whether attachments are kept with their content, not only by name, type, size and hash.
    pub attachments: bool,
}

/// How they are, by a quick look.
pub(crate) fn health(place: &Place) -> Health {
    open::health(place)
}

impl Settings {
    /// What holds where the config says nothing.
    #[must_use]
    pub fn usual(state_folder: &Path) -> Self {
        Self { enabled: true, place: Place::File(state_folder.join("history.sqlite")), keep_days: 365, keep_mb: 512, attachments: true }
    }

    /// Nothing is kept.
    #[must_use]
    pub fn off() -> Self {
        Self { enabled: false, ..Self::usual(Path::new("/")) }
    }
}

/// The conversations, opened.
pub struct History {
    store: Box<dyn Store>,
    settings: Settings,
}

impl History {
    /// Opens them to write to them, and makes what they are kept in where there is nothing. Blocks.
    ///
    /// # Errors
    /// When that cannot be opened, is another program's or a newer aimux's, or is damaged.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let store = open::open(settings).map_err(|fault| failed(settings, "opened", fault))?;
        Ok(Self { store, settings: settings.clone() })
    }

    /// Opens them to read them. `None`: there are none yet. Blocks.
    ///
    /// # Errors
    /// As for [`History::open`].
    pub fn read(settings: &Settings) -> Result<Option<Self>, Error> {
        match open::open_to_read(settings) {
            Ok(store) => Ok(Some(Self { store, settings: settings.clone() })),
            Err(Fault::Absent) => Ok(None),
            Err(fault) => Err(failed(settings, "read", fault)),
        }
    }

    fn failed(&self, what: &str, fault: Fault) -> Error {
        failed(&self.settings, what, fault)
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").field("settings", &self.settings).finish_non_exhaustive()
    }
}

fn failed(settings: &Settings, what: &str, fault: Fault) -> Error {
    Error::new(Code::History, format!("the conversations, {}, cannot be {what}: {}", settings.place, fault.reason(NOUN)))
}
