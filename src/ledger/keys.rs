//! What the ledger tells of each key: when it was last used, and how it last failed.

/// A key, as attempts found it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRecord {
    /// When a request last used it, in milliseconds since 1970.
    pub used_ms: u64,
    /// How it last failed; `None`: not as far as the ledger goes back.
    pub error: Option<KeyError>,
}

/// An attempt with a key that failed, for whatever reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError {
    /// When its request came, in milliseconds since 1970.
    pub time_ms: u64,
    /// The provider's status; `None`: no answer.
    pub status: Option<u16>,
    /// aimux's code, `E0507` say.
    pub code: String,
}
