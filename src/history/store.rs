//! What conversations are kept in: the one interface to it. What is found is the same whatever it is kept in.
//!
//! Start with [`Store`].

use super::{Conversation, Exchange, Filter, Hit, Taken};
use crate::database::Fault;

/// What it is called in messages.
pub(super) const NOUN: &str = "file of conversations";
/// Conversations forgotten at a time, so that nobody waits long for a prompt that is over.
pub(super) const FORGET_MAX: u32 = 200;

/// What may stay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep<'a> {
    /// What went on after it, in milliseconds since 1970.
    pub(super) since_ms: u64,
    /// So many bytes.
    pub(super) bytes_max: u64,
    /// This conversation, however old and long it is.
    pub(super) current: &'a str,
}

/// Conversations that are open. Each call is one transaction, and blocks.
pub(super) trait Store: Send {
    /// Writes an exchange into its conversation, or begins one with it.
    fn put(&mut self, conversation: &str, exchange: &Exchange) -> Result<(), Fault>;
    /// Writes those exchanges that are not there yet, by their request's id.
    fn take(&mut self, conversations: &[(String, Vec<Exchange>)]) -> Result<Taken, Fault>;
    /// What [`Store::take`] would do.
    fn would_take(&self, conversations: &[(String, Vec<Exchange>)]) -> Result<Taken, Fault>;
    /// Deletes conversations with all that they have; gives how many there were.
    fn delete(&mut self, ids: &[String]) -> Result<usize, Fault>;
    /// Deletes what may not stay: what is too old, then, while it is too much, the oldest; [`FORGET_MAX`] of each at most.
    fn forget(&mut self, keep: Keep<'_>) -> Result<(), Fault>;
    /// The conversations that are wanted, the latest first.
    fn conversations(&self, filter: &Filter, limit: usize) -> Result<Vec<Conversation>, Fault>;
    /// What a search finds in the conversations that are wanted, the best first.
    fn search(&self, text: &str, filter: &Filter, limit: usize) -> Result<Vec<Hit>, Fault>;
    /// Up to five ids that begin so; the id itself alone.
    fn beginning(&self, begin: &str) -> Result<Vec<String>, Fault>;
    /// The conversation that went on last here and has an answer in it.
    fn latest(&self) -> Result<Option<String>, Fault>;
    /// The exchanges of a conversation, in their order, with their attachments.
    fn exchanges(&self, conversation: &str) -> Result<Vec<Exchange>, Fault>;
}
