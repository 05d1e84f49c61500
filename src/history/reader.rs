//! Reading: lists of conversations, their exchanges, and what a search finds.

use super::record::Exchange;
use super::{History, id};
use crate::error::{Code, Error};

/// What stands before and behind a word that was searched for, in [`Hit`]'s texts: characters that no text has in its own right.
pub const MARKS: [char; 2] = ['\u{1}', '\u{2}'];

/// A conversation, as a list has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: String,
    /// The begin of its first prompt.
    pub name: String,
    /// When it began, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it last went on.
    pub updated_ms: u64,
    /// How many exchanges it has.
    pub exchanges: u64,
    /// Of these, those whose answer is not whole.
    pub unfinished: u64,
    /// Who answered: `provider/model`, each once.
    pub targets: Vec<String>,
    /// What the priced exchanges cost, in millionths of a US dollar.
    pub cost_micro_usd: u64,
    /// Exchanges whose price is unknown.
    pub unpriced: u64,
}

/// Which conversations are wanted. Nothing: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// With an exchange at or after it, in milliseconds since 1970.
    pub since_ms: Option<u64>,
    /// With an exchange before it.
    pub until_ms: Option<u64>,
    /// A part of the model asked for, or of `provider/model`, in an exchange of that time.
    pub model: Option<String>,
    /// What it cost, in millionths of a US dollar, at least.
    pub cost_min: Option<u64>,
    /// What is in a prompt or an answer: words, `"a phrase"`, `begin*`.
    pub text: Option<String>,
}

/// An exchange that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Its conversation.
    pub conversation: String,
    /// Which of its exchanges it is, from 1.
    pub number: u64,
    /// When it was asked, in milliseconds since 1970.
    pub time_ms: u64,
    /// Who answered: `provider/model`.
    pub target: String,
    /// A piece of the prompt, what was found between [`MARKS`].
    pub prompt: String,
    /// A piece of the answer, likewise.
    pub answer: String,
}

impl History {
    /// The conversations that are wanted, the latest first, `limit` at most.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn conversations(&self, filter: &Filter, limit: usize) -> Result<Vec<Conversation>, Error> {
        self.store.conversations(filter, limit).map_err(|fault| self.failed("read", fault))
    }

    /// What a search finds in the conversations that are wanted, the best first, `limit` at most.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn search(&self, text: &str, filter: &Filter, limit: usize) -> Result<Vec<Hit>, Error> {
        self.store.search(text, filter, limit).map_err(|fault| self.failed("read", fault))
    }

    /// The id of the one conversation whose id begins so.
    ///
    /// # Errors
    /// When there is none, or several; or they cannot be read.
    pub fn find(&self, begin: &str) -> Result<String, Error> {
        let found = match id::meant(begin) {
            Some(begin) => self.store.beginning(&begin).map_err(|fault| self.failed("read", fault))?,
            None => Vec::new(),
        };
        match found.as_slice() {
            [only] => Ok(only.clone()),
            [] => {
                let shown: String = begin.chars().take(40).collect();
                Err(Error::new(Code::Usage, format!("there is no conversation \"{shown}\"")).hint("`aimux logs` lists them"))
            }
            several => Err(Error::new(Code::Usage, format!("several conversations begin with \"{begin}\": {}", several.join(", ")))
                .hint("write more of it")),
        }
    }

    /// The conversation that went on last and has an answer in it; `None`: there is none.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn latest(&self) -> Result<Option<String>, Error> {
        self.store.latest().map_err(|fault| self.failed("read", fault))
    }

    /// The exchanges of a conversation, in their order, with their attachments.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn exchanges(&self, conversation: &str) -> Result<Vec<Exchange>, Error> {
        self.store.exchanges(conversation).map_err(|fault| self.failed("read", fault))
    }
}
