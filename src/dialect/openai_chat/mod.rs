//! Placeholder until the codec lands.
use super::{Codec, Progress, ReplyStream, TranslateError};
use crate::chat::{Event, Failure};
use crate::wire::sse::Frame;
use bytes::Bytes;
struct Nothing(Progress);
impl super::StreamDecoder for Nothing {
    fn frame(&mut self, _: &Frame, _: &mut Vec<Event>) {}
    fn end(&mut self, _: &mut Vec<Event>) {}
}
impl super::StreamEncoder for Nothing {
    fn event(&mut self, _: Event, _: &mut Vec<u8>) {}
    fn keep_alive(&mut self, _: &mut Vec<u8>) {}
    fn early_start(&mut self, _: &mut Vec<u8>) {}
}
impl ReplyStream for Nothing {
    fn push(&mut self, chunk: Bytes) -> Bytes {
        chunk
    }
    fn end(&mut self) -> Bytes {
        Bytes::new()
    }
    fn fail(&mut self, _: &Failure) -> Bytes {
        Bytes::new()
    }
    fn keep_alive(&mut self) -> Bytes {
        Bytes::new()
    }
    fn early_start(&mut self) -> Bytes {
        Bytes::new()
    }
    fn progress(&self) -> &Progress {
        &self.0
    }
}
/// The codec.
pub static CODEC: Codec = Codec {
    decode_request: |_| Err(TranslateError::new("", "not yet")),
    encode_request: |_, _, _| Err(TranslateError::new("", "not yet")),
    stream_decoder: |_, _| Box::new(Nothing(Progress::default())),
    stream_encoder: |_| Box::new(Nothing(Progress::default())),
    decode_response: |_, _, _| Err(Failure::from_status(502, "not yet")),
    encode_response: |_, _| Bytes::new(),
    decode_error: |status, _| Failure::from_status(status, "not yet"),
    encode_error: |_, _| Bytes::new(),
    tap: |_| Box::new(Nothing(Progress::default())),
};
