//! A run of text of one kind.

use std::rc::Rc;

/// What a run of text is, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Kind(u8);

impl Kind {
    pub(super) const TEXT: Self = Self(0);
    pub(super) const STRONG: Self = Self(1);
    pub(super) const EMPHASIS: Self = Self(1 << 1);
    pub(super) const STRIKE: Self = Self(1 << 2);
    pub(super) const CODE: Self = Self(1 << 3);
    pub(super) const LINK: Self = Self(1 << 4);
    /// The address of a link, behind its text.
    pub(super) const ADDRESS: Self = Self(1 << 5);
    pub(super) const IMAGE: Self = Self(1 << 6);
    /// The end of a row.
    pub(super) const BREAK: Self = Self(1 << 7);

    pub(super) fn has(self, kind: Self) -> bool {
        self.0 & kind.0 != 0
    }

    pub(super) fn add(&mut self, kind: Self) {
        self.0 |= kind.0;
    }
}

/// Text of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) text: String,
    pub(super) kind: Kind,
    /// Where a link leads, as it was written.
    pub(super) link: Option<Rc<str>>,
}

/// A run, and the byte of the text that it begins at.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) run: Run,
}

/// Whether marks that were understood stay in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Text,
    Marks,
}
