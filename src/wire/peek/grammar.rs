//! JSON's grammar under the look: values, objects, arrays, numbers. What they mean is the parent's.

use std::ops::Range;

use super::{PeekError, Scanner, Token};
use crate::wire::scan::string_end;

/// The elements or members of one thing, as they are consumed; those that go become cuts.
struct Run {
    /// Where a run of them began.
    from: Option<usize>,
    /// Where the last kept one ended, and the last of all.
    kept_to: Option<usize>,
    last_to: usize,
}

impl Run {
    fn new(at: usize) -> Self {
        Self { from: None, kept_to: None, last_to: at }
    }

    /// Takes the next one. What was to be cut inside of it is behind `cuts_before`.
    #[inline]
    fn take(&mut self, span: Range<usize>, is_cut: bool, cuts_before: usize, cuts: &mut Vec<Range<usize>>) {
        if is_cut {
            cuts.truncate(cuts_before);
            self.from.get_or_insert(span.start);
        } else {
            if let Some(from) = self.from.take() {
                cuts.insert(cuts_before, from..span.start);
            }
            self.kept_to = Some(span.end);
        }
        self.last_to = span.end;
    }

    /// Ends the last run. True: all would go.
    #[inline]
    fn end(self, cuts: &mut Vec<Range<usize>>) -> bool {
        if let (Some(_), Some(kept_to)) = (self.from, self.kept_to) {
            cuts.push(kept_to..self.last_to);
        }
        self.from.is_some() && self.kept_to.is_none()
    }
}

impl<'a> Scanner<'a> {
    /// Any value.
    pub(super) fn value(&mut self) -> Result<(), PeekError> {
        match self.next_byte() {
            Some(b'"') => {
                let token = self.string()?;
                if token.inner.starts_with(b"data:") {
                    let head = token.inner.get(..token.inner.len().min(128)).unwrap_or_default();
                    if memchr::memmem::find(head, b";base64,").is_some() {
                        self.seen.base64_bytes += token.inner.len();
                    }
                }
                Ok(())
            }
            Some(b'{') => {
                // Below a block's own level nothing is ours to cut.
                let cuts_before = self.seen.cuts.len();
                self.record()?;
                self.seen.cuts.truncate(cuts_before);
                Ok(())
            }
            Some(b'[') => self.array(|scanner| scanner.value().map(|()| false)).map(drop),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => Err(self.syntax("a value is expected")),
            None => Err(self.syntax("the text ends early")),
        }
    }

    /// Any value; the token when it is a string.
    pub(super) fn string_or_value(&mut self) -> Result<Option<Token<'a>>, PeekError> {
        if self.next_byte() == Some(b'"') { self.string().map(Some) } else { self.value().map(|()| None) }
    }

    /// An object. `member` gets each decoded key, standing on the first byte of the value, and consumes the value.
    pub(super) fn object(&mut self, mut member: impl FnMut(&mut Self, &[u8]) -> Result<(), PeekError>) -> Result<(), PeekError> {
        self.pruned(|scanner, key| member(scanner, key).map(|()| false)).map(drop)
    }

    /// An object whose `member` also says whether the member is to be cut, with the comma that must go with it. True: there
    /// are members, and all would go: then none is cut, and the caller decides.
    pub(super) fn pruned(&mut self, mut member: impl FnMut(&mut Self, &[u8]) -> Result<bool, PeekError>) -> Result<bool, PeekError> {
        self.enter()?;
        let mut run = Run::new(self.at);
        if self.next_byte() != Some(b'}') {
            loop {
                if self.next_byte() != Some(b'"') {
                    return Err(self.syntax("a key is expected"));
                }
                let (from, cuts_before) = (self.at, self.seen.cuts.len());
                let key = self.string()?;
                if self.next_byte() != Some(b':') {
                    return Err(self.syntax("a colon is expected"));
                }
                self.at += 1;
                self.next_byte();
                let is_cut = member(self, &key.decoded())?;
                run.take(from..self.at, is_cut, cuts_before, &mut self.seen.cuts);
                match self.next_byte() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => break,
                    _ => return Err(self.syntax("a comma or the end of an object is expected")),
                }
            }
        }
        self.leave();
        Ok(run.end(&mut self.seen.cuts))
    }

    /// An array. `element` consumes an element and says whether it is to be cut; a cut takes the comma with it that keeps
    /// the array valid. True: there are elements, and all would go: then none is cut, and the caller decides.
    pub(super) fn array(&mut self, element: impl Fn(&mut Self) -> Result<bool, PeekError>) -> Result<bool, PeekError> {
        self.enter()?;
        let mut run = Run::new(self.at);
        if self.next_byte() != Some(b']') {
            loop {
                self.next_byte();
                let from = self.at;
                let cuts_before = self.seen.cuts.len();
                let is_cut = element(self)?;
                run.take(from..self.at, is_cut, cuts_before, &mut self.seen.cuts);
                match self.next_byte() {
                    Some(b',') => self.at += 1,
                    Some(b']') => break,
                    _ => return Err(self.syntax("a comma or the end of an array is expected")),
                }
            }
        }
        self.leave();
        Ok(run.end(&mut self.seen.cuts))
    }

    /// Steps into an object or array.
    fn enter(&mut self) -> Result<(), PeekError> {
        self.depth_left = self.depth_left.checked_sub(1).ok_or(PeekError::TooDeep(self.depth_max))?;
        self.at += 1;
        Ok(())
    }

    /// Steps out of an object or array.
    fn leave(&mut self) {
        self.depth_left += 1;
        self.at += 1;
    }

    /// A string, from quote to quote.
    fn string(&mut self) -> Result<Token<'a>, PeekError> {
        let from = self.at + 1;
        let end = string_end(self.body, from).map_err(|fault| PeekError::Syntax { at: fault.at, reason: fault.reason })?;
        let inner = self.body.get(from..end.at).unwrap_or_default();
        self.at = end.at + 1;
        Ok(Token { inner, has_escapes: end.has_escapes })
    }

    /// `-`, digits without a leading zero, a fraction, an exponent.
    fn number(&mut self) -> Result<(), PeekError> {
        if self.peek_byte() == Some(b'-') {
            self.at += 1;
        }
        if self.peek_byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek_byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek_byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek_byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), PeekError> {
        let from = self.at;
        while self.peek_byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == from { Err(self.syntax("a digit is expected")) } else { Ok(()) }
    }

    /// `true`, `false` or `null`.
    fn word(&mut self, word: &[u8]) -> Result<(), PeekError> {
        if !self.body.get(self.at..).unwrap_or_default().starts_with(word) {
            return Err(self.syntax("a value is expected"));
        }
        self.at += word.len();
        Ok(())
    }

    /// The byte here.
    fn peek_byte(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    /// The first byte from here that is no white space, having gone there.
    pub(super) fn next_byte(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.body.get(self.at) {
            self.at += 1;
        }
        self.peek_byte()
    }

    pub(super) fn syntax(&self, reason: &'static str) -> PeekError {
        PeekError::Syntax { at: self.at, reason }
    }
}
