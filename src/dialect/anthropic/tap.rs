//! Relays a stream of the same dialect: healthy frames byte for byte, the faults of the stream's form mended.
//!
//! Mended: missing event names, `[DONE]`, a missing `message_stop`, missing usage, a whole body instead of a stream. A
//! stream that ends without a stop reason gets an error event, never a polite end: clients would take the half for the
//! whole. Deltas, which are nearly everything, are told by their event name and not parsed. Start with [`Tap::push`].

use bytes::Bytes;

use super::error::write_error_event;
use super::mended::{Nothing, with_usage, write_shifted};
use super::response_in::{decode_response, read_usage, with_model};
use super::sealed;
use super::stream_in::{broken_off, merge_usage};
use super::stream_out::{Encoder, write_block_start, write_event, write_message_start};
use super::wire::{WireDelta, WireEvent, WireStart, parse_event, read};
use crate::chat::{BlockStart, Failure};
use crate::dialect::failure::{disguised_failure, read_failure};
use crate::dialect::names::answer_id;
use crate::dialect::tap::Verdict;
use crate::dialect::{Progress, Quirks, ReplyMap, ReplyStream, StreamEncoder};
use crate::wire::read;
use crate::wire::sse::{self, Frame, Splitter};

/// The state of one relayed stream.
pub(super) struct Tap {
    splitter: Splitter,
    map: ReplyMap,
    quirks: Quirks,
    progress: Progress,
    /// An event has come: what carries no data after it is no body.
    has_events: bool,
    has_started: bool,
    has_pinged: bool,
    is_over: bool,
    /// The block that the client sees open, and what an empty delta for it is.
    open: Option<(u64, Nothing)>,
    /// The open block is our own.
    is_ours: bool,
    next_index: u64,
    /// How far the upstream's block numbers are behind ours.
    shift: u64,
    withholds: bool,
    /// The end of a stream that failed, not said yet.
    withheld: Vec<u8>,
}

impl Tap {
    pub(super) fn new(map: &ReplyMap, quirks: &Quirks, frame_max: usize) -> Self {
        Self {
            splitter: Splitter::new(frame_max),
            map: map.clone(),
            quirks: quirks.clone(),
            progress: Progress::default(),
            has_events: false,
            has_started: false,
            has_pinged: false,
            is_over: false,
            open: None,
            is_ours: false,
            next_index: 0,
            shift: 0,
            withholds: false,
            withheld: Vec::new(),
        }
    }

    fn frame(&mut self, frame: &Frame) -> Verdict {
        if self.is_over {
            return Verdict::Drop;
        }
        if !self.has_events && frame.is_foreign() {
            return self.whole_body(&frame.raw);
        }
        if frame.data.is_empty() {
            return Verdict::Drop;
        }
        self.has_events = true;
        match frame.event.as_ref() {
            b"content_block_delta" if self.shift == 0 && !self.is_ours && self.has_started && !self.may_be_signed(&frame.data) => {
                self.progress.content = true;
                return Verdict::Pass;
            }
            b"ping" => return Verdict::Pass,
            _ => {}
        }
        if frame.data.trim_ascii() == b"[DONE]" {
            return Verdict::Drop;
        }
        let sealed = if self.quirks.seals() { sealed::event(&frame.data, self.quirks.family) } else { None };
        let data = sealed.as_ref().unwrap_or(&frame.data);
        let Some(event) = parse_event(data) else {
            let failure = if frame.event.as_ref() == b"error" {
                read_failure(0, &frame.data)
            } else {
                Failure::nonsense("the provider sent an event that is no JSON object")
            };
            return Verdict::Replace(self.broken(failure));
        };
        let named = read(event.kind).unwrap_or_else(|| String::from_utf8_lossy(&frame.event).into_owned());
        let verdict = self.event(&named, &event, data);
        match verdict {
            Verdict::Pass if sealed.is_some() => {
                let mut out = Vec::with_capacity(data.len() + 32);
                sse::write(&mut out, &named, data);
                Verdict::Replace(out)
            }
            Verdict::Pass if frame.event.is_empty() && !named.is_empty() => {
                let mut named_frame = format!("event: {named}\n").into_bytes();
                named_frame.extend_from_slice(&frame.raw);
                Verdict::Replace(named_frame)
            }
            verdict => verdict,
        }
    }

    /// Whether a delta may hold a signature that is to be sealed.
    fn may_be_signed(&self, data: &[u8]) -> bool {
        self.quirks.seals() && memchr::memmem::find(data, b"signature_delta").is_some()
    }

    fn event(&mut self, kind: &str, event: &WireEvent<'_>, data: &Bytes) -> Verdict {
        match kind {
            "message_start" => self.message_start(event, data),
            "content_block_start" | "content_block_delta" | "content_block_stop" => self.block_event(kind, event, data),
            "message_delta" => self.message_delta(event, data),
            "message_stop" => {
                self.progress.finished = true;
                self.is_over = true;
                self.after_ours("message_stop", data)
            }
            "ping" => Verdict::Pass,
            "error" => {
                self.progress.failure = Some(read_failure(0, data));
                self.is_over = true;
                if !self.withholds {
                    return Verdict::Pass;
                }
                sse::write(&mut self.withheld, "error", data);
                Verdict::Drop
            }
            // An error in another dialect's shape, which the client's SDK would not see.
            _ if event.error.is_some() => {
                let failure = disguised_failure(data).unwrap_or_else(broken_off);
                Verdict::Replace(self.broken(failure))
            }
            _ => Verdict::Pass,
        }
    }

    fn message_start(&mut self, event: &WireEvent<'_>, data: &Bytes) -> Verdict {
        let start = event.message.and_then(|raw| read::from_str::<WireStart<'_>>(raw.get()).ok());
        let usage = start.as_ref().and_then(|start| start.usage).map(read_usage).unwrap_or_default();
        merge_usage(&mut self.progress.usage, usage);
        if std::mem::replace(&mut self.has_started, true) {
            return Verdict::Drop;
        }
        let named = if self.map.is_alias { start.and_then(|start| with_model(data, start.model?, &self.map.model)) } else { None };
        if usage.input.is_none() || usage.output.is_none() {
            return Verdict::Replace(with_usage("message_start", named.as_ref().unwrap_or(data), &["message", "usage"], usage));
        }
        let Some(named) = named else { return Verdict::Pass };
        let mut out = Vec::with_capacity(named.len() + 32);
        sse::write(&mut out, "message_start", &named);
        Verdict::Replace(out)
    }

    fn block_event(&mut self, kind: &str, event: &WireEvent<'_>, data: &Bytes) -> Verdict {
        let index = event.index.and_then(|raw| raw.get().parse::<u64>().ok());
        let mut before = Vec::new();
        if kind == "content_block_stop" {
            self.open = None;
        } else {
            self.progress.content = true;
            self.start(&mut before);
        }
        if kind == "content_block_start" {
            self.close_ours(&mut before);
            let at = index.unwrap_or(self.next_index.saturating_sub(self.shift)) + self.shift;
            self.open = Some((at, Nothing::of(event)));
            self.next_index = at + 1;
        }
        if self.shift > 0
            && let Some((raw, index)) = event.index.zip(index)
        {
            write_shifted(&mut before, kind, data, raw.get(), index + self.shift);
            return Verdict::Replace(before);
        }
        if before.is_empty() {
            return Verdict::Pass;
        }
        sse::write(&mut before, kind, data);
        Verdict::Replace(before)
    }

    fn message_delta(&mut self, event: &WireEvent<'_>, data: &Bytes) -> Verdict {
        let delta: Option<WireDelta<'_>> = event.delta.and_then(|raw| read::from_str(raw.get()).ok());
        let stopped = delta.and_then(|delta| read(delta.stop_reason)).is_some_and(|word| !word.is_empty());
        self.progress.finished |= stopped;
        let usage = event.usage.map(read_usage).unwrap_or_default();
        merge_usage(&mut self.progress.usage, usage);
        if usage.output.is_some() {
            return self.after_ours("message_delta", data);
        }
        let mut out = self.before_end();
        out.append(&mut with_usage("message_delta", data, &["usage"], usage));
        Verdict::Replace(out)
    }

    /// What must be said before the message's own end: our start, the end of a block of ours.
    fn before_end(&mut self) -> Vec<u8> {
        let mut before = Vec::new();
        self.start(&mut before);
        self.close_ours(&mut before);
        before
    }

    fn after_ours(&mut self, kind: &str, data: &Bytes) -> Verdict {
        let mut out = self.before_end();
        if out.is_empty() {
            return Verdict::Pass;
        }
        sse::write(&mut out, kind, data);
        Verdict::Replace(out)
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.has_started, true) {
            let id = answer_id(super::ID, &self.map.id, None);
            write_message_start(out, &id, &self.map.model, &self.progress.usage, self.map.input_estimate);
        }
    }

    fn close_ours(&mut self, out: &mut Vec<u8>) {
        if !std::mem::take(&mut self.is_ours) {
            return;
        }
        if let Some((at, _)) = self.open.take() {
            write_event(out, "content_block_stop", |event| {
                event.json("index", at);
            });
        }
    }

    /// A provider that answers a stream request with a whole body: an error, or the message at once.
    fn whole_body(&mut self, body: &[u8]) -> Verdict {
        let response = match decode_response(body, &self.map, &self.quirks) {
            Ok(response) => response,
            Err(failure) => return Verdict::Replace(self.broken(failure)),
        };
        self.is_over = true;
        (self.progress.content, self.progress.finished, self.progress.usage) = (true, true, response.usage);
        let mut encoder = Encoder::new(&self.map);
        let mut out = Vec::new();
        if self.has_started {
            self.close_ours(&mut out);
            encoder.resume(u32::try_from(self.next_index).unwrap_or(u32::MAX));
        }
        for event in response.into_events() {
            encoder.event(event, &mut out, &mut self.progress.losses);
        }
        self.has_started = true;
        Verdict::Replace(out)
    }

    /// Ends the stream with an error event.
    fn broken(&mut self, failure: Failure) -> Vec<u8> {
        let mut out = Vec::new();
        write_error_event(&mut out, &failure);
        self.progress.failure = Some(failure);
        self.is_over = true;
        if self.withholds {
            self.withheld = std::mem::take(&mut out);
        }
        out
    }
}

impl ReplyStream for Tap {
    fn push(&mut self, chunk: Bytes) -> Bytes {
        if self.is_over {
            return Bytes::new();
        }
        let was_empty = self.splitter.pending().is_empty();
        self.splitter.push(&chunk);
        let mut healthy = 0;
        let mut frames: Vec<Bytes> = Vec::new();
        let mut is_identity = was_empty;
        loop {
            match self.splitter.next_frame() {
                Ok(Some(frame)) => match self.frame(&frame) {
                    Verdict::Pass => {
                        healthy += frame.raw.len();
                        frames.push(frame.raw);
                    }
                    Verdict::Drop => is_identity = false,
                    Verdict::Replace(with) => {
                        is_identity = false;
                        frames.push(with.into());
                    }
                },
                Ok(None) => break,
                Err(error) => {
                    is_identity = false;
                    if !self.is_over {
                        let event = self.broken(Failure::nonsense(error));
                        frames.push(event.into());
                    }
                    break;
                }
            }
        }
        match frames.len() {
            _ if is_identity && healthy == chunk.len() => chunk,
            0 => Bytes::new(),
            1 => frames.swap_remove(0),
            _ => frames.concat().into(),
        }
    }

    fn end(&mut self) -> Bytes {
        let mut out = Vec::new();
        if let Some(frame) = self.splitter.finish() {
            // A last frame without its blank line counts when it is whole.
            let is_body = !self.has_events && frame.is_foreign();
            let is_whole = is_body || read::from_slice::<&serde_json::value::RawValue>(&frame.data).is_ok();
            if is_whole {
                match self.frame(&frame) {
                    Verdict::Pass => {
                        out.extend_from_slice(&frame.raw);
                        out.extend_from_slice(b"\n\n");
                    }
                    Verdict::Drop => {}
                    Verdict::Replace(mut with) => {
                        if !with.ends_with(b"\n\n") {
                            with.extend_from_slice(b"\n\n");
                        }
                        out.append(&mut with);
                    }
                }
            }
        }
        if !self.is_over {
            if self.progress.finished {
                self.is_over = true;
                write_event(&mut out, "message_stop", |_| {});
            } else {
                out.append(&mut self.broken(broken_off()));
            }
        }
        out.into()
    }

    fn fail(&mut self, failure: &Failure) -> Bytes {
        self.withholds = false;
        if self.is_over { std::mem::take(&mut self.withheld).into() } else { self.broken(failure.clone()).into() }
    }

    fn keep_alive(&mut self) -> Bytes {
        let mut out = Vec::new();
        if self.is_over || self.progress.finished {
            return Bytes::new();
        }
        self.start(&mut out);
        if self.open.is_none() {
            if !std::mem::replace(&mut self.has_pinged, true) {
                write_event(&mut out, "ping", |_| {});
                return out.into();
            }
            let at = self.next_index;
            write_block_start(&mut out, u32::try_from(at).unwrap_or(u32::MAX), &BlockStart::Text);
            self.open = Some((at, Nothing::Text));
            self.is_ours = true;
            self.next_index += 1;
            self.shift += 1;
        }
        if let Some((at, nothing)) = self.open {
            nothing.write(&mut out, at);
        }
        out.into()
    }

    fn early_start(&mut self) -> Bytes {
        let mut out = Vec::new();
        if !self.is_over {
            self.start(&mut out);
        }
        out.into()
    }

    fn progress(&self) -> &Progress {
        &self.progress
    }

    fn withhold(&mut self) {
        self.withholds = true;
    }

    fn hand_over(&mut self, _: usize) -> Option<Box<dyn StreamEncoder>> {
        let place = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let mut encoder = Encoder::new(&self.map);
        encoder.resume_in(place(self.next_index), self.open.map(|(at, nothing)| (place(at), nothing)));
        self.is_over = true;
        Some(Box::new(encoder))
    }
}
