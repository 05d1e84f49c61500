//! Reads an upstream's Chat stream: frames in, events out. Also a whole answer, asked for or not.

use super::answer::Answer;
use crate::chat::{ChatResponse, Event, Failure, FailureKind};
use crate::dialect::{Quirks, ReplyMap, StreamDecoder, failure};
use crate::wire::read;
use crate::wire::sse::Frame;

/// The most bytes of a body that is no event stream, as it is gathered.
const BODY_MAX: usize = 16 << 20;

/// The decoder.
pub(super) struct Decoder {
    answer: Answer,
    /// What came without `data:`, in case it is a whole answer or an error page.
    body: Vec<u8>,
}

impl Decoder {
    pub(super) fn new(map: &ReplyMap, quirks: &Quirks) -> Self {
        Self { answer: Answer::new(map, quirks), body: Vec::new() }
    }

    /// A body that is no event stream: one JSON answer, an error, a web page.
    fn body(&mut self, out: &mut Vec<Event>) {
        let body = std::mem::take(&mut self.body);
        if let Some(failure) = failure::disguised_failure(&body) {
            return self.answer.fail(failure, out);
        }
        self.answer.chunk(&body, out);
        self.answer.done(out);
    }
}

/// Whether a frame's data is the sentinel at the end.
pub(super) fn is_done(data: &[u8]) -> bool {
    data.trim_ascii() == b"[DONE]"
}

impl StreamDecoder for Decoder {
    fn frame(&mut self, frame: &Frame, out: &mut Vec<Event>) {
        if self.answer.is_over() {
            return;
        }
        let data = frame.data.trim_ascii();
        if frame.is_foreign() || (!self.body.is_empty() && data.is_empty()) {
            if self.body.len() + frame.raw.len() <= BODY_MAX {
                self.body.extend_from_slice(&frame.raw);
            }
            if !self.answer.is_started() && read::from_slice::<&serde_json::value::RawValue>(&self.body).is_ok() {
                self.body(out);
            }
        } else if is_done(data) {
            self.answer.done(out);
        } else if &*frame.event == b"error" {
            self.answer.fail(failure::read_failure(200, data), out);
        } else if !data.is_empty() {
            self.answer.chunk(data, out);
        }
    }

    fn end(&mut self, out: &mut Vec<Event>) {
        if !self.answer.is_over() && !self.answer.is_started() && !self.body.is_empty() {
            self.body(out);
        }
        self.answer.end(out);
    }

    fn is_finished(&self) -> bool {
        self.answer.is_finished()
    }
}

/// Reads a whole answer.
///
/// # Errors
/// The failure that the body really is: an error object, a web page, an answer without choices.
pub(super) fn whole(body: &[u8], map: &ReplyMap, quirks: &Quirks) -> Result<ChatResponse, Failure> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii();
    if body.starts_with(b"data:") || body.starts_with(b":") {
        // Some servers stream whatever they are asked for.
        return ChatResponse::from_events(Decoder::new(map, quirks).whole(body, body.len().max(1)));
    }
    if let Some(failure) = failure::disguised_failure(body) {
        return Err(failure);
    }
    let has_choices = read::from_slice::<super::chunk::Chunk<'_>>(body).is_ok_and(|chunk| !chunk.choices().is_empty());
    if !has_choices {
        return Err(Failure::new(FailureKind::Server, "the provider's answer has no choices"));
    }
    let mut events = Vec::new();
    let mut answer = Answer::new(map, quirks);
    answer.chunk(body, &mut events);
    answer.done(&mut events);
    ChatResponse::from_events(events)
}
