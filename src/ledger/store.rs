//! What a ledger is kept in: the one interface to it, for its writer and for who reads.
//!
//! A store keeps rows and finds them; what they come to is summed up above it, once for all stores. Start with [`Store`].

use std::collections::HashMap;

use super::entry::Entry;
use super::errors::RecentError;
use super::keys::KeyRecord;
use super::report::{By, Row, SessionSum, Span};
use super::search::{Request, Sought};
use crate::database::Fault;

/// What it is called in messages.
pub(super) const NOUN: &str = "ledger";
/// Requests forgotten in one transaction, so that no other process waits for long.
pub(super) const FORGET_MAX: u32 = 2000;
/// How an attempt ended that was cancelled because another one's content came first.
pub(super) const HEDGED: &str = "hedged";

/// A batch of entries, as its writer counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Whose they are: chance, one for each writer.
    pub(super) writer: u64,
    /// Which of its entries the first one is. Each keeps its number when it is written again.
    pub(super) first: u64,
}

/// A request, as a report takes it in.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    /// The group that it is in.
    pub(super) group: &'a str,
    /// Who was asked last.
    pub(super) provider: &'a str,
    /// For which model.
    pub(super) model: &'a str,
    /// Its figures; of the name and what is worked out nothing.
    pub(super) row: Row,
    /// Milliseconds to the first content.
    pub(super) wait: Option<u64>,
    /// Why it read less from a cache than it could.
    pub(super) broken: Option<&'a str>,
}

/// An attempt before the last one, or beside it, that took something; with what is known of its request.
#[derive(Debug)]
pub(super) struct Part {
    /// The request.
    pub(super) request: i64,
    /// The groups of the request and of the attempt.
    pub(super) groups: [String; 2],
    /// `provider/model` of the request and of the attempt.
    pub(super) targets: [String; 2],
    /// What the request, its last attempt and this one cost; `None`: a price is unknown.
    pub(super) costs: [Option<u64>; 3],
    /// What this one took: input, output, read from a cache, written to it, thinking.
    pub(super) tokens: [u64; 5],
}

/// A ledger that is open. Each call is one transaction, and blocks.
pub(super) trait Store: Send {
    /// Whether what is open is still what its place names.
    fn is_there(&self) -> bool;
    /// Writes all entries or none. Where others share the store, those that are there already are left as they are.
    fn insert(&mut self, mark: Mark, entries: &[Box<Entry>]) -> Result<(), Fault>;
    /// Deletes the requests that came before `end_ms`, and gives their room back; in steps of [`FORGET_MAX`].
    fn forget(&mut self, end_ms: u64) -> Result<(), Fault>;
    /// Each request of a time, in any order.
    fn requests(&mut self, by: By, span: Span, each: &mut dyn FnMut(Seen<'_>)) -> Result<(), Fault>;
    /// Each part of a request of a time; those of one request follow each other.
    fn parts(&mut self, by: By, span: Span, each: &mut dyn FnMut(Part)) -> Result<(), Fault>;
    /// Requests, the latest first, of a time, a model and a cost, that have these letters in what is searched of them; until `each` wants
    /// no more.
    fn search(&mut self, sought: &Sought, words: &[&str], each: &mut dyn FnMut(Request) -> bool) -> Result<(), Fault>;
    /// What a session came to.
    fn session(&mut self, id: &str) -> Result<Option<SessionSum>, Fault>;
    /// The failed requests since a moment by code, the most frequent first.
    fn recent_errors(&mut self, since_ms: u64) -> Result<Vec<RecentError>, Fault>;
    /// The keys that attempts used, by name.
    fn key_records(&mut self) -> Result<HashMap<String, KeyRecord>, Fault>;
    /// Ends in good order; one that is just dropped loses nothing either.
    fn close(self: Box<Self>);
}
