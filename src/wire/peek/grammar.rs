//! JSON's grammar under the look: values, objects, arrays, numbers. What they mean is the parent's.

use super::{PeekError, Scanner, Token};
use crate::wire::scan::string_end;

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
            Some(b'{') => self.record().map(drop),
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
        self.enter()?;
        if self.next_byte() != Some(b'}') {
            loop {
                if self.next_byte() != Some(b'"') {
                    return Err(self.syntax("a key is expected"));
                }
                let key = self.string()?;
                if self.next_byte() != Some(b':') {
                    return Err(self.syntax("a colon is expected"));
                }
                self.at += 1;
                self.next_byte();
                member(self, &key.decoded())?;
                match self.next_byte() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => break,
                    _ => return Err(self.syntax("a comma or the end of an object is expected")),
                }
            }
        }
        self.leave();
        Ok(())
    }

    /// An array. `element` consumes an element and says whether it is to be cut; a cut takes the comma with it that keeps
    /// the array valid. True: there are elements, and all would go: then none is cut, and the caller decides.
    pub(super) fn array(&mut self, element: impl Fn(&mut Self) -> Result<bool, PeekError>) -> Result<bool, PeekError> {
        self.enter()?;
        // Where a run of cut elements began, and where the last kept one and the last of all ended.
        let (mut run_from, mut kept_to, mut last_to) = (None, None, self.at);
        if self.next_byte() != Some(b']') {
            loop {
                self.next_byte();
                let from = self.at;
                let cuts_before = self.seen.cuts.len();
                if element(self)? {
                    self.seen.cuts.truncate(cuts_before);
                    run_from.get_or_insert(from);
                } else {
                    if let Some(run_from) = run_from.take() {
                        self.seen.cuts.insert(cuts_before, run_from..from);
                    }
                    kept_to = Some(self.at);
                }
                last_to = self.at;
                match self.next_byte() {
                    Some(b',') => self.at += 1,
                    Some(b']') => break,
                    _ => return Err(self.syntax("a comma or the end of an array is expected")),
                }
            }
        }
        self.leave();
        if let (Some(_), Some(kept_to)) = (run_from, kept_to) {
            self.seen.cuts.push(kept_to..last_to);
        }
        Ok(run_from.is_some() && kept_to.is_none())
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
