//! A text that may not be there as a whole yet, as far as one scan of it goes.

/// The most bytes between a mark and its counterpart. Also the most that is held back.
pub(super) const REACH: usize = 1000;

/// Whether more may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Open,
    Closed,
}

/// The outcome of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The byte behind the span's last one.
    Ends(usize),
    None,
    /// More text is needed.
    Unknown,
}

/// What is scanned.
pub(super) struct Source<'a> {
    pub(super) text: &'a str,
    pub(super) end: End,
    /// Lengths of runs of backticks that have no counterpart up to a byte.
    pub(super) lonely: Vec<(usize, usize)>,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str, end: End) -> Self {
        Self { text, end, lonely: Vec::new() }
    }

    pub(super) fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    pub(super) fn from(&self, at: usize) -> &'a str {
        self.text.get(at..).unwrap_or_default()
    }

    /// The outcome where the text ends too early.
    pub(super) fn short(&self) -> Found {
        if self.end == End::Open { Found::Unknown } else { Found::None }
    }

    /// What stands from `at` on, as far as is looked; whether the span could end behind that.
    pub(super) fn ahead(&self, at: usize) -> (&'a str, Found) {
        let mut end = (at + REACH).min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let is_cut = end < self.text.len() || self.text.len() - at > REACH;
        let outcome = if is_cut || self.end == End::Closed { Found::None } else { Found::Unknown };
        (self.text.get(at..end).unwrap_or_default(), outcome)
    }
}
