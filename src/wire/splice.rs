//! A body with spans replaced, which shares the bytes of the original instead of copying them.
//!
//! Start with [`splice`].

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// More parts than this are copied into one: each costs a place in the list of a write.
const PARTS_MAX: usize = 16;

/// Bytes in parts that are sent one after the other.
#[derive(Debug, Clone, Default)]
pub struct Spliced {
    /// None is empty.
    parts: VecDeque<Bytes>,
    length: usize,
}

impl Spliced {
    fn push(&mut self, part: Bytes) {
        if !part.is_empty() {
            self.length += part.len();
            self.parts.push_back(part);
        }
    }

    /// All bytes in one piece; copied unless they are already.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        match self.parts.len() {
            0 | 1 => self.parts.pop_front().unwrap_or_default(),
            _ => self.copy_to_bytes(self.length),
        }
    }
}

impl From<Bytes> for Spliced {
    fn from(whole: Bytes) -> Self {
        let mut spliced = Self::default();
        spliced.push(whole);
        spliced
    }
}

impl From<&'static [u8]> for Spliced {
    fn from(whole: &'static [u8]) -> Self {
        Bytes::from_static(whole).into()
    }
}

impl Buf for Spliced {
    fn remaining(&self) -> usize {
        self.length
    }

    fn chunk(&self) -> &[u8] {
        self.parts.front().map_or(&[], |part| part)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        slices.iter_mut().zip(&self.parts).map(|(slice, part)| *slice = IoSlice::new(part)).count()
    }

    fn advance(&mut self, mut bytes: usize) {
        self.length = self.length.saturating_sub(bytes);
        while let Some(part) = self.parts.front_mut() {
            if bytes < part.len() {
                part.advance(bytes);
                return;
            }
            bytes -= part.len();
            self.parts.pop_front();
        }
    }

    fn copy_to_bytes(&mut self, length: usize) -> Bytes {
        let mut all = BytesMut::with_capacity(length);
        all.put(self.take(length));
        all.freeze()
    }
}

/// `body` with each span replaced by its bytes. Spans are in order and do not overlap; what they leave is not copied
/// where it is long.
#[must_use]
pub fn splice(body: &Bytes, edits: &[(Range<usize>, &[u8])]) -> Spliced {
    if edits.len() * 2 >= PARTS_MAX {
        return copied(body, edits).into();
    }
    let mut spliced = Spliced::default();
    let mut from = 0;
    for (span, with) in edits {
        spliced.push(body.slice(from..span.start));
        spliced.push(Bytes::copy_from_slice(with));
        from = span.end;
    }
    spliced.push(body.slice(from..));
    spliced
}

/// The same in one piece.
fn copied(body: &Bytes, edits: &[(Range<usize>, &[u8])]) -> Bytes {
    let added: usize = edits.iter().map(|(_, with)| with.len()).sum();
    let mut out = Vec::with_capacity(body.len() + added);
    let mut from = 0;
    for (span, with) in edits {
        out.extend_from_slice(&body[from..span.start]);
        out.extend_from_slice(with);
        from = span.end;
    }
    out.extend_from_slice(&body[from..]);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `step`th byte of `body` replaced by two.
    fn edited(body: &Bytes, step: usize) -> (Spliced, Bytes) {
        let spans = (0..body.len()).step_by(step).map(|at| at..at + 1);
        let edits: Vec<(Range<usize>, &[u8])> = spans.map(|span| (span, b"<>".as_slice())).collect();
        (splice(body, &edits), copied(body, &edits))
    }

    #[test]
    fn parts_and_copies_say_the_same_however_they_are_read() {
        let body = Bytes::from_static(b"0123456789abcdefghijklmnopqrstuvwxyz");
        for step in [1, 4, 7, 11, 36] {
            let (spliced, whole) = edited(&body, step);
            assert_eq!(spliced.clone().into_bytes(), whole);
            for stride in 1..=whole.len() {
                let (mut left, mut read) = (spliced.clone(), Vec::new());
                while left.has_remaining() {
                    assert_eq!(left.remaining(), whole.len() - read.len());
                    let taken = stride.min(left.remaining());
                    let mut slices = [IoSlice::new(&[]); 20];
                    let filled = left.chunks_vectored(&mut slices);
                    let ahead: Vec<u8> = slices.iter().take(filled).flat_map(|slice| slice.iter().copied()).collect();
                    assert_eq!(ahead, whole[read.len()..]);
                    read.extend_from_slice(&ahead[..taken]);
                    left.advance(taken);
                }
                assert_eq!(read, whole);
            }
        }
        assert!(Spliced::from(Bytes::new()).into_bytes().is_empty());
    }
}
