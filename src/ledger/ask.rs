//! What is asked of a ledger, whatever it is kept in. Start with [`usage`].

use std::collections::HashMap;

use super::errors::RecentError;
use super::keys::KeyRecord;
use super::postgres::Postgres;
use super::report::{By, Report, Row, SessionSum, Span};
use super::search::{Request, Sought, Term};
use super::sqlite::Sqlite;
use super::store::{NOUN, Store};
use super::usage::report;
use crate::database::{Fault, Health, Place};
use crate::error::{Code, Error};

/// Reads a ledger. `None`: there is none yet.
///
/// # Errors
/// When it cannot be read.
pub fn usage(place: &Place, by: By, span: Span) -> Result<Option<Report>, Error> {
    read(place, |store| report(store, by, span))
}

/// What a client's session came to. `None`: the ledger has nothing of it, or there is none.
///
/// # Errors
/// When it cannot be read.
pub fn session(place: &Place, session: &str) -> Result<Option<SessionSum>, Error> {
    Ok(read(place, |store| store.session(session))?.flatten())
}

/// Requests, cost and errors since midnight, where there is a ledger that can be read.
#[must_use]
pub fn today(place: &Place) -> Option<Row> {
    let since_ms = super::moment("today", 0);
    usage(place, By::Provider, Span { since_ms, until_ms: None }).ok().flatten().map(|report| report.total)
}

/// The codes that requests failed with since a moment, in milliseconds since 1970; the most frequent first. Empty where there
/// is no ledger yet.
///
/// # Errors
/// When it cannot be read.
pub fn recent_errors(place: &Place, since_ms: u64) -> Result<Vec<RecentError>, Error> {
    Ok(read(place, |store| store.recent_errors(since_ms))?.unwrap_or_default())
}

/// The keys that requests used, by name. Empty where there is no ledger yet.
///
/// # Errors
/// When it cannot be read.
pub fn key_records(place: &Place) -> Result<HashMap<String, KeyRecord>, Error> {
    Ok(read(place, |store| store.key_records())?.unwrap_or_default())
}

/// The requests that have all that is sought, the latest first, `limit` at most. Empty where there is no ledger yet.
///
/// # Errors
/// When it cannot be read.
pub fn search(place: &Place, sought: &Sought, limit: usize) -> Result<Vec<Request>, Error> {
    let terms: Vec<Term> = sought.terms.iter().map(Term::of).collect();
    if terms.iter().all(|term| term.words.is_empty()) {
        return Ok(Vec::new());
    }
    // A store knows neither words nor letters beyond ASCII: what it finds may be what is sought.
    let words: Vec<&str> = terms.iter().flat_map(|term| &term.words).filter(|word| word.is_ascii()).map(String::as_str).collect();
    let found = read(place, |store| {
        let mut found = Vec::new();
        store.search(sought, &words, &mut |request| {
            if found.len() < limit && request.has(&terms) {
                found.push(request);
            }
            found.len() < limit
        })?;
        Ok(found)
    })?;
    Ok(found.unwrap_or_default())
}

/// A ledger to write to: made or brought to this version where need be.
pub(super) fn open(place: &Place) -> Result<Box<dyn Store>, Fault> {
    match place {
        Place::File(path) => Ok(Box::new(Sqlite::open(path)?)),
        Place::Postgres(server) => Ok(Box::new(Postgres::open(server)?)),
    }
}

/// A ledger to read from; others may write to it meanwhile.
pub(super) fn open_to_read(place: &Place) -> Result<Box<dyn Store>, Fault> {
    match place {
        Place::File(path) => Ok(Box::new(Sqlite::open_to_read(path)?)),
        Place::Postgres(server) => Ok(Box::new(Postgres::open_to_read(server)?)),
    }
}

/// How it is, by a quick look.
pub(super) fn health(place: &Place) -> Health {
    match place {
        Place::File(path) => super::sqlite::health(path),
        Place::Postgres(server) => super::postgres::health(server),
    }
}

/// What `look` finds in the ledger; `None`: there is none yet.
pub(super) fn read<T>(place: &Place, look: impl FnOnce(&mut dyn Store) -> Result<T, Fault>) -> Result<Option<T>, Error> {
    match open_to_read(place).and_then(|mut store| look(&mut *store)) {
        Ok(found) => Ok(Some(found)),
        Err(Fault::Absent) => Ok(None),
        Err(fault) => Err(Error::new(Code::Ledger, format!("the ledger {place} cannot be read: {}", fault.reason(NOUN)))),
    }
}
