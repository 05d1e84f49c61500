//! An answer on its way in: bytes become events, and what they tell of its progress is kept.

use bytes::Bytes;

use crate::chat::{ChatResponse, Event, Failure};
use crate::dialect::transcode::note;
use crate::dialect::{Codec, Progress, Quirks, ReplyMap, StreamDecoder};
use crate::upstream::echo::Echo;
use crate::wire::sse::Splitter;

/// Reads a stream.
pub(in crate::upstream) struct Decode {
    splitter: Splitter,
    /// Takes the provider's key out, should it come back.
    echo: Option<Echo>,
    decoder: Box<dyn StreamDecoder>,
    pub(in crate::upstream) progress: Progress,
    /// The terminal event has come.
    pub(in crate::upstream) is_over: bool,
}

impl Decode {
    /// Of a stream in this dialect, of which one event has `frame_max` bytes at most.
    pub(in crate::upstream) fn new(codec: &Codec, map: &ReplyMap, quirks: &Quirks, frame_max: usize, echo: Option<Echo>) -> Self {
        let decoder = (codec.stream_decoder)(map, quirks);
        Self { splitter: Splitter::new(frame_max), echo, decoder, progress: Progress::default(), is_over: false }
    }

    /// Takes what came.
    pub(in crate::upstream) fn push(&mut self, chunk: Bytes, out: &mut Vec<Event>) {
        let from = out.len();
        let chunk = match &mut self.echo {
            Some(echo) => echo.taken_out_of(chunk),
            None => chunk,
        };
        self.splitter.push(&chunk);
        self.frames(out);
        self.note(from, out);
    }

    fn frames(&mut self, out: &mut Vec<Event>) {
        loop {
            match self.splitter.next_frame() {
                Ok(Some(frame)) => self.decoder.frame(&frame, out),
                Ok(None) => break,
                Err(error) => {
                    out.push(Event::Failed(Failure::nonsense(error)));
                    break;
                }
            }
        }
    }

    /// The body has ended.
    pub(in crate::upstream) fn end(&mut self, out: &mut Vec<Event>) {
        let from = out.len();
        if let Some(echo) = &mut self.echo {
            self.splitter.push(&echo.rest());
            self.frames(out);
        }
        if let Some(frame) = self.splitter.finish() {
            self.decoder.frame(&frame, out);
        }
        self.decoder.end(out);
        self.note(from, out);
    }

    /// Takes an answer that came whole.
    pub(in crate::upstream) fn whole(&mut self, response: ChatResponse, out: &mut Vec<Event>) {
        let from = out.len();
        out.extend(response.into_events());
        self.note(from, out);
        self.progress.content = true;
    }

    fn note(&mut self, from: usize, out: &mut Vec<Event>) {
        let over_at = out.iter().skip(from).position(|event| matches!(event, Event::End | Event::Failed(_)));
        if self.is_over {
            out.truncate(from);
        } else if let Some(at) = over_at {
            out.truncate(from + at + 1);
            self.is_over = true;
        }
        for event in out.iter().skip(from) {
            note(event, &mut self.progress);
            if let Event::Lost(loss) = event {
                crate::chat::lose(&mut self.progress.losses, loss.clone());
            }
        }
    }
}
