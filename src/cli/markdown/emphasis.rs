//! Pairs the marks of emphasis: CommonMark's rules of runs that open and close, within a reach.
//!
//! One difference: beside Chinese and Japanese characters `*` is not asked for a space, since none is written there.

use super::run::{Keep, Kind, Token};
use super::source::REACH;
use super::width;

/// A run of `*`, `_` or `~`.
#[derive(Debug)]
struct Mark {
    sign: u8,
    /// Signs of the run as it came, and those that are not paired.
    length: usize,
    left: usize,
    at: usize,
    /// Where the pairs begin that it closes.
    since: usize,
    token: usize,
    opens: bool,
    closes: bool,
}

/// The marks of a text, in order.
#[derive(Debug, Default)]
pub(super) struct Marks {
    all: Vec<Mark>,
    /// Marks before this one were tried as closing ones.
    tried: usize,
}

impl Marks {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Takes a run in, with the characters on both its sides.
    pub(super) fn add(&mut self, sign: u8, length: usize, at: usize, token: usize, before: char, after: char) {
        let is_sign = |c: char| !c.is_alphanumeric() && !c.is_whitespace();
        let is_free = sign != b'_';
        let left =
            !after.is_whitespace() && (!is_sign(after) || before.is_whitespace() || is_sign(before) || (is_free && width::is_cjk(before)));
        let right =
            !before.is_whitespace() && (!is_sign(before) || after.is_whitespace() || is_sign(after) || (is_free && width::is_cjk(after)));
        let (opens, closes) = match sign {
            b'_' => (left && (!right || is_sign(before)), right && (!left || is_sign(after))),
            b'~' => (left && length <= 2, right && length <= 2),
            _ => (left, right),
        };
        self.all.push(Mark { sign, length, left: length, at, since: at, token, opens, closes });
    }

    /// Forgets the marks from `first` on: they are inside of something that is complete.
    pub(super) fn truncate(&mut self, first: usize) {
        self.all.truncate(first);
        self.tried = self.tried.min(first);
    }

    /// Where the first mark stands that may still open something, among those from `far` on. One that has closed something
    /// with a part of its signs is not told from a shorter one when it is looked at again, so that pair waits, too.
    pub(super) fn first_open(&self, far: usize) -> Option<usize> {
        self.all.iter().filter(|mark| mark.left > 0 && mark.opens && mark.at >= far).map(|mark| mark.since).min()
    }

    /// Pairs the marks from `bottom` on, and tells the tokens between what they are.
    pub(super) fn pair(&mut self, bottom: usize, tokens: &mut [Token], keep: Keep) {
        for closer in self.tried.max(bottom)..self.all.len() {
            while self.is_closing(closer)
                && let Some(opener) = self.opener_of(closer, bottom)
            {
                self.join(opener, closer, tokens, keep);
            }
        }
        if bottom == 0 {
            self.tried = self.all.len();
        }
    }

    fn is_closing(&self, mark: usize) -> bool {
        self.all.get(mark).is_some_and(|mark| mark.closes && mark.left > 0)
    }

    fn opener_of(&self, closer: usize, bottom: usize) -> Option<usize> {
        let close = self.all.get(closer)?;
        let before = self.all.get(bottom..closer)?.iter().enumerate().rev();
        let mut near = before.take_while(|(_, mark)| close.at - mark.at <= REACH);
        let (index, _) = near.find(|(_, open)| {
            let is_alike = open.sign == close.sign && open.opens && open.left > 0;
            // Runs that could do both pair only if their lengths do not add up to a multiple of three, or are ones.
            let is_odd =
                (open.closes || close.opens) && (open.length + close.length) % 3 == 0 && (open.length % 3 != 0 || close.length % 3 != 0);
            is_alike && if close.sign == b'~' { open.left == close.left } else { !is_odd }
        })?;
        Some(bottom + index)
    }

    fn join(&mut self, opener: usize, closer: usize, tokens: &mut [Token], keep: Keep) {
        let lefts = (self.all.get(opener).map_or(0, |mark| mark.left), self.all.get(closer).map_or(0, |mark| mark.left));
        let taken = if lefts.0 >= 2 && lefts.1 >= 2 { 2 } else { 1 };
        let mut bounds = (0, 0);
        let since = self.all.get(opener).map_or(0, |mark| mark.since);
        if let Some(mark) = self.all.get_mut(closer) {
            mark.since = mark.since.min(since);
        }
        let mut kind = Kind::TEXT;
        for (index, mark) in self.all.iter_mut().enumerate().take(closer + 1).skip(opener) {
            if index == opener || index == closer {
                mark.left -= taken;
                kind = match (mark.sign, taken) {
                    (b'~', _) => Kind::STRIKE,
                    (_, 2) => Kind::STRONG,
                    _ => Kind::EMPHASIS,
                };
                bounds = if index == opener { (mark.token, 0) } else { (bounds.0, mark.token) };
                let token = tokens.get_mut(mark.token).filter(|_| keep == Keep::Text);
                if let Some(token) = token {
                    token.run.text.truncate(mark.left);
                }
            } else {
                // What is between cannot be paired with what is outside.
                (mark.opens, mark.closes) = (false, false);
            }
        }
        for token in tokens.get_mut(bounds.0 + 1..bounds.1).unwrap_or_default() {
            token.run.kind.add(kind);
        }
    }
}
