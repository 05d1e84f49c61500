//! Reads an upstream's Messages stream, whatever it forgets: event names, indexes, starts, stops, usage.
//!
//! Source of the forms survived: public reports against compatible servers; each has a test here or in `tests`.
//! Start with [`Decoder`].

use bytes::Bytes;

use super::citation::read_citation;
use super::response_in::{citations, decode_response, read_stop_reason, read_usage, server_block, settle_stop, unique_id};
use super::wire::{Raw, WireBlock, WireDelta, WireEvent, WireStart, parse_event, read};
use crate::chat::{BlockStart, Citation, Delta, Event, Failure, Opaque, StopReason, Unread, Usage};
use crate::dialect::failure::{disguised_failure, read_failure};
use crate::dialect::{Quirks, ReplyMap, StreamDecoder};
use crate::wire::Text;
use crate::wire::read;
use crate::wire::sse::Frame;

/// The failure of a stream that ends in the middle.
pub(super) fn broken_off() -> Failure {
    Failure::broken_off("the provider's stream ended before the answer was complete")
}

/// The state of one stream from an upstream.
pub(super) struct Decoder {
    reply: ReplyMap,
    quirks: Quirks,
    /// An event has come: what carries no data after it is no body.
    has_events: bool,
    has_started: bool,
    has_finished: bool,
    is_over: bool,
    usage: Usage,
    blocks: Vec<Entry>,
    next_index: u32,
    call_ids: Vec<String>,
}

/// A block that the upstream has begun.
struct Entry {
    /// The upstream's number for it.
    wire_index: u64,
    /// Ours; `None` while the block is skipped.
    index: Option<u32>,
    kind: Kind,
    signature: String,
    /// Arguments that came whole with the start.
    input: String,
    has_arguments: bool,
    is_stopped: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Call,
    /// A call of the tool that stands for an output schema: its arguments are the answer's text.
    Schema,
    Skipped,
}

impl Decoder {
    pub(super) fn new(reply: &ReplyMap, quirks: &Quirks) -> Self {
        Self {
            reply: reply.clone(),
            quirks: quirks.clone(),
            has_events: false,
            has_started: false,
            has_finished: false,
            is_over: false,
            usage: Usage::default(),
            blocks: Vec::new(),
            next_index: 0,
            call_ids: Vec::new(),
        }
    }

    fn fail(&mut self, failure: Failure, out: &mut Vec<Event>) {
        if !self.is_over {
            self.is_over = true;
            out.push(Event::Failed(failure));
        }
    }

    /// A server that answers a stream request with a whole body: an error, or the message at once.
    fn whole_body(&mut self, body: &[u8], out: &mut Vec<Event>) {
        match decode_response(body, &self.reply, &self.quirks) {
            Ok(response) => {
                out.extend(response.into_events());
                self.is_over = true;
            }
            Err(failure) => self.fail(failure, out),
        }
    }

    fn event(&mut self, kind: &str, event: &WireEvent<'_>, data: &Bytes, out: &mut Vec<Event>) {
        match kind {
            "message_start" => self.message_start(event, out),
            "content_block_start" if !self.has_finished => self.block_start(event, out),
            "content_block_delta" if !self.has_finished => self.block_delta(event, out),
            "content_block_stop" => {
                if let Some(at) = self.entry(event) {
                    self.stop(at, out);
                }
            }
            "message_delta" => self.message_delta(event, out),
            "message_stop" => {
                self.finish(StopReason::End, None, out);
                self.is_over = true;
                out.push(Event::End);
            }
            "error" => self.fail(read_failure(0, data), out),
            _ if event.error.is_some() => self.fail(disguised_failure(data).unwrap_or_else(broken_off), out),
            _ => {}
        }
    }

    fn start(&mut self, id: Option<String>, model: Option<String>, out: &mut Vec<Event>) {
        if !self.has_started {
            self.has_started = true;
            out.push(Event::Start { id, model });
        }
    }

    fn message_start(&mut self, event: &WireEvent<'_>, out: &mut Vec<Event>) {
        let start: Option<WireStart<'_>> = event.message.and_then(|raw| read::from_str(raw.get()).ok());
        let (id, model, usage) = start.map_or((None, None, None), |start| (read(start.id), read(start.model), start.usage));
        self.start(id.filter(|id| !id.is_empty()), model, out);
        self.take_usage(usage, out);
    }

    fn take_usage(&mut self, raw: Raw<'_>, out: &mut Vec<Event>) {
        let Some(raw) = raw else { return };
        merge_usage(&mut self.usage, read_usage(raw));
        out.push(Event::Usage(self.usage));
    }

    /// The latest block of the event's number; without a number, the one open.
    fn entry(&self, event: &WireEvent<'_>) -> Option<usize> {
        match wire_index(event) {
            Some(index) => self.blocks.iter().rposition(|entry| entry.wire_index == index),
            None => self.blocks.iter().rposition(|entry| !entry.is_stopped),
        }
    }

    /// Begins a block of `kind`; gives its place.
    fn begin(&mut self, event: &WireEvent<'_>, kind: Kind, start: Option<BlockStart>, out: &mut Vec<Event>) -> usize {
        if let Some(at) = self.entry(event) {
            self.stop(at, out);
        }
        self.start(None, None, out);
        let index = start.map(|block| {
            let index = self.next_index;
            self.next_index += 1;
            out.push(Event::BlockStart { index, block });
            index
        });
        let wire_index = wire_index(event).unwrap_or(self.blocks.len() as u64);
        let (signature, input) = (String::new(), String::new());
        self.blocks.push(Entry { wire_index, index, kind, signature, input, has_arguments: false, is_stopped: false });
        self.blocks.len() - 1
    }

    fn block_start(&mut self, event: &WireEvent<'_>, out: &mut Vec<Event>) {
        let Some(block) = event.content_block.and_then(|raw| read::from_str::<WireBlock<'_>>(raw.get()).ok()) else { return };
        match read(block.kind).as_deref() {
            Some("text") => {
                let at = self.begin(event, Kind::Text, Some(BlockStart::Text), out);
                self.push(at, Delta::Text(read(block.text).unwrap_or_default()), out);
                for citation in citations(block.citations, &self.quirks) {
                    self.cite(at, citation, out);
                }
            }
            Some("thinking") => {
                let at = self.begin(event, Kind::Thinking, Some(BlockStart::Thinking), out);
                self.push(at, Delta::Thinking(read(block.thinking).unwrap_or_default()), out);
                if let Some(entry) = self.blocks.get_mut(at) {
                    entry.signature = read(block.signature).unwrap_or_default();
                }
            }
            Some("redacted_thinking") => {
                let state = Opaque::new(self.quirks.family, read(block.data).unwrap_or_default());
                self.begin(event, Kind::Skipped, Some(BlockStart::RedactedThinking(state)), out);
            }
            Some("tool_use") => self.call_start(event, &block, out),
            kind => {
                self.begin(event, Kind::Skipped, None, out);
                out.push(Event::Lost(server_block(kind.unwrap_or_default())));
            }
        }
    }

    fn call_start(&mut self, event: &WireEvent<'_>, block: &WireBlock<'_>, out: &mut Vec<Event>) {
        let name = read(block.name).unwrap_or_default();
        let at = if self.reply.schema_tool.as_ref() == Some(&name) {
            self.begin(event, Kind::Schema, Some(BlockStart::Text), out)
        } else if name.is_empty() || (self.reply.single_tool_call && !self.call_ids.is_empty()) {
            self.begin(event, Kind::Skipped, None, out)
        } else {
            let id = unique_id(&read(block.id).unwrap_or_default(), &self.call_ids);
            self.call_ids.push(id.clone());
            let name = self.reply.original_name(&name).to_owned();
            self.begin(event, Kind::Call, Some(BlockStart::ToolCall { id, name }), out)
        };
        let input = block.input.map(|raw| Text::from_raw(raw).map_or_else(|| raw.get().to_owned(), |text| text.read().into_owned()));
        if let (Some(entry), Some(input)) = (self.blocks.get_mut(at), input.filter(|input| input.trim() != "{}")) {
            entry.input = input;
        }
    }

    fn block_delta(&mut self, event: &WireEvent<'_>, out: &mut Vec<Event>) {
        let Some(delta) = event.delta.and_then(|raw| read::from_str::<WireDelta<'_>>(raw.get()).ok()) else { return };
        let entry = self.entry(event).filter(|at| self.blocks.get(*at).is_some_and(|entry| !entry.is_stopped));
        let kind = entry.and_then(|at| self.blocks.get(at)).map(|entry| entry.kind);
        match (read(delta.kind).as_deref(), entry, kind) {
            (Some("text_delta"), ..) => {
                let text = read(delta.text).unwrap_or_default();
                let at = match (entry, kind) {
                    (Some(at), Some(Kind::Text | Kind::Skipped)) => at,
                    _ if text.is_empty() => return,
                    // A delta for a block that was never opened, or of another kind, opens one: text is never lost.
                    _ => self.begin(event, Kind::Text, Some(BlockStart::Text), out),
                };
                self.push(at, Delta::Text(text), out);
            }
            (Some("thinking_delta"), ..) => {
                let text = read(delta.thinking).unwrap_or_default();
                let at = match (entry, kind) {
                    (Some(at), Some(Kind::Thinking | Kind::Skipped)) => at,
                    _ if text.is_empty() => return,
                    _ => self.begin(event, Kind::Thinking, Some(BlockStart::Thinking), out),
                };
                self.push(at, Delta::Thinking(text), out);
            }
            (Some("signature_delta"), Some(at), Some(Kind::Thinking)) => {
                if let Some(entry) = self.blocks.get_mut(at) {
                    entry.signature.push_str(&read(delta.signature).unwrap_or_default());
                }
            }
            (Some("citations_delta"), Some(at), Some(Kind::Text)) => {
                if let Some(citation) = delta.citation.and_then(|raw| read_citation(raw, self.quirks.family, &mut Unread::default())) {
                    self.cite(at, citation, out);
                }
            }
            (Some("input_json_delta"), Some(at), Some(Kind::Call | Kind::Schema)) => {
                self.push(at, Delta::Arguments(read(delta.partial_json).unwrap_or_default()), out);
            }
            _ => {}
        }
    }

    fn cite(&mut self, at: usize, citation: Citation, out: &mut Vec<Event>) {
        if let Some(index) = self.blocks.get(at).and_then(|entry| entry.index) {
            out.push(Event::Delta { index, delta: Delta::Citation(Box::new(citation)) });
        }
    }

    /// Passes a delta on, if it says something and its block is not skipped.
    fn push(&mut self, at: usize, delta: Delta, out: &mut Vec<Event>) {
        let Some(entry) = self.blocks.get_mut(at) else { return };
        let (Some(index), Delta::Text(text) | Delta::Thinking(text) | Delta::Arguments(text)) = (entry.index, &delta) else { return };
        if text.is_empty() || entry.kind == Kind::Skipped {
            return;
        }
        entry.has_arguments |= matches!(delta, Delta::Arguments(_));
        let delta = match delta {
            Delta::Arguments(text) if entry.kind == Kind::Schema => Delta::Text(text),
            delta => delta,
        };
        out.push(Event::Delta { index, delta });
    }

    fn stop(&mut self, at: usize, out: &mut Vec<Event>) {
        let Some(entry) = self.blocks.get_mut(at).filter(|entry| !entry.is_stopped) else { return };
        entry.is_stopped = true;
        let (index, signature, input) = (entry.index, std::mem::take(&mut entry.signature), std::mem::take(&mut entry.input));
        let Some(index) = index else { return };
        if !signature.is_empty() {
            let delta = Delta::Signature(Opaque::new(self.quirks.family, signature));
            out.push(Event::Delta { index, delta });
        }
        if !entry.has_arguments && !input.is_empty() {
            self.push(at, Delta::Arguments(input), out);
        }
        out.push(Event::BlockStop { index });
    }

    fn message_delta(&mut self, event: &WireEvent<'_>, out: &mut Vec<Event>) {
        self.start(None, None, out);
        let delta: Option<WireDelta<'_>> = event.delta.and_then(|raw| read::from_str(raw.get()).ok());
        self.take_usage(event.usage.or(delta.as_ref().and_then(|delta| delta.usage)), out);
        let Some(delta) = delta else { return };
        if let Some(word) = read(delta.stop_reason).filter(|word| !word.is_empty()) {
            self.finish(read_stop_reason(&word), read(delta.stop_sequence), out);
        }
    }

    fn finish(&mut self, reason: StopReason, stop_sequence: Option<String>, out: &mut Vec<Event>) {
        if self.has_finished {
            return;
        }
        self.has_finished = true;
        self.start(None, None, out);
        for at in 0..self.blocks.len() {
            self.stop(at, out);
        }
        out.push(Event::Finish { reason: settle_stop(reason, !self.call_ids.is_empty()), stop_sequence });
    }
}

impl StreamDecoder for Decoder {
    fn frame(&mut self, frame: &Frame, out: &mut Vec<Event>) {
        if self.is_over {
            return;
        }
        if !self.has_events && frame.is_foreign() {
            return self.whole_body(&frame.raw, out);
        }
        let data = frame.data.trim_ascii();
        if data.is_empty() || data == b"[DONE]" {
            return;
        }
        self.has_events = true;
        match parse_event(&frame.data) {
            Some(event) => {
                let kind = read(event.kind).unwrap_or_else(|| String::from_utf8_lossy(&frame.event).into_owned());
                self.event(&kind, &event, &frame.data, out);
            }
            None if frame.event.as_ref() == b"ping" || self.has_finished => {}
            None if frame.event.as_ref() == b"error" => self.fail(read_failure(0, data), out),
            None => self.fail(Failure::nonsense("the provider sent an event that is no JSON object"), out),
        }
    }

    fn end(&mut self, out: &mut Vec<Event>) {
        if self.is_over {
            return;
        }
        if self.has_finished {
            self.is_over = true;
            out.push(Event::End);
        } else {
            self.fail(broken_off(), out);
        }
    }
}

fn wire_index(event: &WireEvent<'_>) -> Option<u64> {
    event.index.and_then(|raw| raw.get().parse().ok())
}

/// Takes over later values. Some servers repeat the input as 0 in `message_delta`: a zero takes nothing back.
pub(super) fn merge_usage(usage: &mut Usage, later: Usage) {
    let input = later.input.filter(|input| *input > 0 || usage.input.is_none() || later.cache_read.is_some_and(|read| read > 0));
    usage.merge(&Usage { input, ..later });
}
