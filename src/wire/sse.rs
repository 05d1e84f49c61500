//! Server-sent events, incrementally: bytes in, complete frames out.
//!
//! Lines end at LF, CRLF or CR and nowhere else: U+2028 and U+0085 are text. Comments, a BOM, several `data:` lines, a
//! missing blank after the colon and UTF-8 cut anywhere are all in order. Source: the WHATWG HTML standard, section
//! "Server-sent events".

use bytes::{Buf, Bytes, BytesMut};

/// One complete event, with the bytes that it came as.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The exact bytes, closing blank line included.
    pub raw: Bytes,
    /// The `event:` field, empty when there is none.
    pub event: Bytes,
    /// The `data:` lines, joined by LF; empty when there is none (a comment, say).
    pub data: Bytes,
}

impl Frame {
    /// Whether the frame carries no data: a comment or a lone field.
    #[must_use]
    pub fn is_comment(&self) -> bool {
        self.data.is_empty()
    }

    /// Whether it is no event at all but a piece of another body: JSON or a web page in place of an event stream.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        let raw = self.raw.trim_ascii();
        let fields: [&[u8]; 5] = [b":", b"data", b"event", b"id", b"retry"];
        self.data.is_empty() && !raw.is_empty() && !fields.iter().any(|field| raw.starts_with(field))
    }
}

/// A frame grew past the limit, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a server-sent event is longer than {0} bytes")]
pub struct FrameTooLong(pub usize);

/// Cuts a byte stream into frames. What is incomplete waits for more bytes.
#[derive(Debug)]
pub struct Splitter {
    held: BytesMut,
    scanned: usize,
    at_line_start: bool,
    limit: usize,
    begun: bool,
}

impl Splitter {
    /// A splitter that refuses frames of more than `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { held: BytesMut::new(), scanned: 0, at_line_start: true, limit, begun: false }
    }

    /// Takes the next bytes, wherever they were cut.
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        if !self.begun && self.held.len() >= 3 {
            self.begun = true;
            if self.held.starts_with(b"\xEF\xBB\xBF") {
                self.held.advance(3);
                // A mark that came in pieces was looked at already, as if it began a line.
                self.scanned = 0;
                self.at_line_start = true;
            }
        }
    }

    /// The next complete frame, or `None` until more bytes come.
    ///
    /// # Errors
    /// When the frame under way is longer than the limit.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameTooLong> {
        while let Some(found) = memchr::memchr2(b'\n', b'\r', &self.held[self.scanned..]) {
            let at = self.scanned + found;
            let line_is_empty = found == 0 && self.at_line_start;
            let end = match (self.held[at], self.held.get(at + 1)) {
                (b'\r', Some(b'\n')) => at + 2,
                // A CR at the very end may be half of a CRLF: only the next byte tells.
                (b'\r', None) => return Ok(None),
                _ => at + 1,
            };
            self.scanned = end;
            self.at_line_start = true;
            if line_is_empty {
                let raw = self.held.split_to(end).freeze();
                self.scanned = 0;
                if let Some(frame) = parse(raw) {
                    return Ok(Some(frame));
                }
            }
        }
        self.at_line_start = self.at_line_start && self.scanned == self.held.len();
        self.scanned = self.held.len();
        if self.held.len() > self.limit { Err(FrameTooLong(self.limit)) } else { Ok(None) }
    }

    /// What is left when the stream has ended: a last frame whose blank line never came.
    pub fn finish(&mut self) -> Option<Frame> {
        let rest = self.held.split().freeze();
        self.scanned = 0;
        parse(rest)
    }

    /// The bytes of the frame under way, for a look at a body that is no event stream at all.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        &self.held
    }
}

/// Reads the fields of one frame; `None` for blank lines alone.
fn parse(raw: Bytes) -> Option<Frame> {
    let mut event = Bytes::new();
    let mut data: Vec<Bytes> = Vec::new();
    let mut seen = false;
    let mut start = 0;
    while start < raw.len() {
        let end = memchr::memchr2(b'\n', b'\r', &raw[start..]).map_or(raw.len(), |n| start + n);
        let line = &raw[start..end];
        if !line.is_empty() {
            seen = true;
            let colon = memchr::memchr(b':', line).unwrap_or(line.len());
            let mut value_at = (start + colon + 1).min(end);
            if raw.get(value_at) == Some(&b' ') && value_at < end {
                value_at += 1;
            }
            match &line[..colon] {
                b"data" => data.push(raw.slice(value_at..end)),
                b"event" => event = raw.slice(value_at..end),
                _ => {}
            }
        }
        start = end + 1;
    }
    let data = match data.len() {
        0 => Bytes::new(),
        1 => data.swap_remove(0),
        _ => Bytes::from(data.join(&b'\n')),
    };
    seen.then_some(Frame { raw, event, data })
}

/// Appends one event as every client reads it: `event:` when `event` is not empty, one `data:` line per line, a blank line.
pub fn write(out: &mut Vec<u8>, event: &str, data: &[u8]) {
    if !event.is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event.as_bytes());
        out.push(b'\n');
    }
    for line in data.split(|byte| *byte == b'\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str =
        "\u{feff}: hello\n\nevent:a\ndata:{\"x\":\"\u{2028}\u{85}é\"}\r\n\r\ndata: 1\ndata: 2\n\n\n\rdata: [DONE]\r\rdata: tail";

    fn frames(parts: &[&[u8]]) -> Vec<(String, String)> {
        let mut splitter = Splitter::new(1 << 20);
        let mut found = Vec::new();
        let text = |b: &Bytes| String::from_utf8_lossy(b).into_owned();
        for part in parts {
            splitter.push(part);
            while let Some(frame) = splitter.next_frame().expect("short") {
                found.push((text(&frame.event), text(&frame.data)));
            }
        }
        found.extend(splitter.finish().map(|frame| (text(&frame.event), text(&frame.data))));
        found
    }

    #[test]
    fn every_split_gives_the_same_frames() {
        let whole = frames(&[STREAM.as_bytes()]);
        assert_eq!(whole.len(), 5);
        assert_eq!(whole[1], ("a".to_owned(), "{\"x\":\"\u{2028}\u{85}é\"}".to_owned()));
        assert_eq!(whole[2].1, "1\n2");
        assert_eq!(whole[4].1, "tail");
        for at in 0..STREAM.len() {
            let (a, b) = STREAM.as_bytes().split_at(at);
            assert_eq!(frames(&[a, b]), whole, "cut at {at}");
        }
        let bytes: Vec<&[u8]> = STREAM.as_bytes().chunks(1).collect();
        assert_eq!(frames(&bytes), whole);
    }

    #[test]
    fn a_frame_without_end_is_refused_at_the_limit() {
        let mut splitter = Splitter::new(100);
        splitter.push(&[b'x'; 101]);
        assert_eq!(splitter.next_frame().map(|_| ()), Err(FrameTooLong(100)));
    }
}
