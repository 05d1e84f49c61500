//! What went wrong of late: failed requests by code, for `aimux doctor`.

use super::store;
use crate::database::Place;
use crate::error::Error;

/// One code, and how often requests ended with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentError {
    /// `E0502`; empty: the request broke off without one.
    pub code: String,
    /// How many requests.
    pub requests: u64,
    /// When the last one was, in milliseconds since 1970.
    pub last_ms: u64,
    /// `provider/model` of the last one; empty: none was reached.
    pub target: String,
}

/// The codes that requests failed with since a moment, in milliseconds since 1970; the most frequent first. Empty where there
/// is no ledger yet.
///
/// # Errors
/// When it cannot be read.
pub fn recent_errors(place: &Place, since_ms: u64) -> Result<Vec<RecentError>, Error> {
    Ok(store::read(place, |store| store.recent_errors(since_ms))?.unwrap_or_default())
}
