//! What went wrong of late: failed requests by code, for `aimux doctor`.

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
