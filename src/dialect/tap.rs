//! What the taps of all dialects share: the relay of a stream within one dialect judges it frame by frame.

/// What becomes of a frame.
pub(crate) enum Verdict {
    /// It leaves as the bytes it came as.
    Pass,
    /// The client does not see it.
    Drop,
    /// This leaves in its place.
    Replace(Vec<u8>),
}

impl Verdict {
    /// Appends what leaves of the frame whose bytes are `raw`.
    pub(crate) fn write(self, raw: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Pass => out.extend_from_slice(raw),
            Self::Drop => {}
            Self::Replace(mut with) => out.append(&mut with),
        }
    }
}
