//! Writes a stream for a Messages client: lazily opened blocks, one open at a time, exactly one terminal.
//!
//! Deltas of other blocks than the open one wait until it closes; the SDKs know only one open block. Lacks framing
//! repairs of same-dialect streams, which are in `tap`. Start with [`Encoder`].

use std::borrow::Cow;

use super::citation::{is_sayable, write_citation};
use super::error::write_error_event;
use super::mended::Nothing;
use super::response_out::{self, write_usage};
use crate::chat::{BlockStart, Citation, Delta, Event, Loss, Opaque, StopReason, Usage, lose};
use crate::dialect::names::answer_id;
use crate::dialect::{ReplyMap, StreamEncoder};
use crate::wire::object::Object;

/// The state of one stream on its way to a client.
pub(super) struct Encoder {
    id: String,
    model: String,
    input_estimate: u64,
    usage: Usage,
    has_started: bool,
    has_pinged: bool,
    has_called: bool,
    is_over: bool,
    next_index: u32,
    open: Option<Open>,
    waiting: Vec<Waiting>,
    finish: Option<(StopReason, Option<String>)>,
}

/// The one block that the client sees open.
struct Open {
    at: u32,
    /// The source's number; `None` for an empty text block of our own, opened to keep the client's patience, and for one whose
    /// source has broken off.
    source: Option<u32>,
    kind: Kind,
    is_stopped: bool,
    is_signed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Arguments,
    Sealed,
}

/// A block that the client has not seen yet.
struct Waiting {
    index: u32,
    start: BlockStart,
    held: Vec<Delta>,
    is_stopped: bool,
}

impl Waiting {
    /// Whether the block has something to show: an empty text or thinking is never opened.
    fn speaks(&self) -> bool {
        !matches!(self.start, BlockStart::Text | BlockStart::Thinking) || self.held.iter().any(says_something)
    }
}

fn says_something(delta: &Delta) -> bool {
    match delta {
        Delta::Text(text) | Delta::Thinking(text) | Delta::Arguments(text) => !text.is_empty(),
        Delta::Signature(_) | Delta::Citation(_) => true,
    }
}

impl Encoder {
    pub(super) fn new(reply: &ReplyMap) -> Self {
        Self {
            id: reply.id.clone(),
            model: reply.model.clone(),
            input_estimate: reply.input_estimate,
            usage: Usage::default(),
            has_started: false,
            has_pinged: false,
            has_called: false,
            is_over: false,
            next_index: 0,
            open: None,
            waiting: Vec::new(),
            finish: None,
        }
    }

    /// Goes on with a stream whose start the client has seen already, from block `next_index`.
    pub(super) fn resume(&mut self, next_index: u32) {
        (self.has_started, self.next_index) = (true, next_index);
    }

    /// The same in the middle of an answer of which this block is open. Of a kind that is not known it is closed as it is.
    pub(super) fn resume_in(&mut self, next_index: u32, open: Option<(u32, Nothing)>) {
        self.resume(next_index);
        self.open = open.map(|(at, nothing)| {
            let kind = match nothing {
                Nothing::Text => Kind::Text,
                Nothing::Thinking => Kind::Thinking,
                Nothing::Arguments | Nothing::Ping => Kind::Sealed,
            };
            Open { at, source: None, kind, is_stopped: false, is_signed: false }
        });
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if !self.has_started {
            self.has_started = true;
            self.id = answer_id(super::ID, &self.id, None);
            write_message_start(out, &self.id, &self.model, &self.usage, self.input_estimate);
        }
    }

    fn delta(&mut self, index: u32, delta: Delta, out: &mut Vec<u8>) {
        if let Some(open) = self.open.as_mut().filter(|open| open.source == Some(index)) {
            if says_something(&delta) {
                write_delta(out, open, &delta);
            }
        } else if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.index == index) {
            waiting.held.push(delta);
            self.advance(out);
        }
    }

    fn stop(&mut self, index: u32, out: &mut Vec<u8>) {
        if let Some(open) = self.open.as_mut().filter(|open| open.source == Some(index)) {
            open.is_stopped = true;
        } else if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.index == index) {
            waiting.is_stopped = true;
        }
        self.advance(out);
    }

    /// Closes what is complete and opens what may be shown next, as far as it goes.
    fn advance(&mut self, out: &mut Vec<u8>) {
        loop {
            if self.open.as_ref().is_some_and(|open| open.source.is_some() && !open.is_stopped) {
                return;
            }
            if self.open.as_ref().is_some_and(|open| open.is_stopped) {
                self.close(out);
            }
            self.waiting.retain(|waiting| waiting.speaks() || !waiting.is_stopped);
            let Some(next) = self.waiting.iter().position(Waiting::speaks) else { return };
            let waiting = self.waiting.remove(next);
            self.show(waiting, out);
        }
    }

    fn show(&mut self, waiting: Waiting, out: &mut Vec<u8>) {
        self.start(out);
        let kind = match waiting.start {
            BlockStart::Text => Kind::Text,
            BlockStart::Thinking => Kind::Thinking,
            BlockStart::RedactedThinking(_) => Kind::Sealed,
            BlockStart::ToolCall { id: _, name: _ } => Kind::Arguments,
        };
        self.has_called |= kind == Kind::Arguments;
        // A text may go on in the empty text block that kept the client waiting, or in that of an answer which broke off.
        let is_ours = |open: &mut Open| open.source.is_none() && open.kind == Kind::Text && kind == Kind::Text;
        let adopted = self.open.take_if(is_ours).map(|open| open.at);
        self.close(out);
        let at = adopted.unwrap_or_else(|| self.next_index());
        if adopted.is_none() {
            write_block_start(out, at, &waiting.start);
        }
        let mut open = Open { at, source: Some(waiting.index), kind, is_stopped: waiting.is_stopped, is_signed: false };
        for delta in waiting.held.iter().filter(|delta| says_something(delta)) {
            write_delta(out, &mut open, delta);
        }
        self.open = Some(open);
    }

    fn next_index(&mut self) -> u32 {
        self.next_index += 1;
        self.next_index - 1
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        let Some(mut open) = self.open.take() else { return };
        if open.kind == Kind::Thinking && !open.is_signed {
            write_delta(out, &mut open, &Delta::Signature(Opaque::new("unsigned", "")));
        }
        write_event(out, "content_block_stop", |event| {
            event.json("index", open.at);
        });
    }

    /// Closes all blocks; what was held is shown first.
    fn close_all(&mut self, out: &mut Vec<u8>) {
        for waiting in &mut self.waiting {
            waiting.is_stopped = true;
        }
        if let Some(open) = &mut self.open {
            open.is_stopped = true;
        }
        self.advance(out);
        self.close(out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        self.close_all(out);
        let (reason, sequence) = self.finish.take().unwrap_or((StopReason::End, None));
        let reason = response_out::stop_reason(reason, self.has_called);
        write_event(out, "message_delta", |event| {
            let mut delta = Object::open(event.key("delta"));
            delta.str("stop_reason", reason);
            match &sequence {
                Some(sequence) if reason == "stop_sequence" => delta.str("stop_sequence", sequence),
                _ => delta.raw("stop_sequence", "null"),
            };
            delta.close();
            write_usage(event.key("usage"), &self.usage, self.input_estimate);
        });
        write_event(out, "message_stop", |_| {});
        self.is_over = true;
    }
}

impl StreamEncoder for Encoder {
    fn event(&mut self, event: Event, out: &mut Vec<u8>, losses: &mut Vec<Loss>) {
        if self.is_over {
            return;
        }
        match event {
            // The model is the one that the client asked for.
            Event::Start { id, model: _ } => {
                if !self.has_started {
                    self.id = answer_id(super::ID, &self.id, id.as_deref());
                }
                self.start(out);
            }
            Event::BlockStart { index, block } => {
                self.waiting.push(Waiting { index, start: block, held: Vec::new(), is_stopped: false });
                self.advance(out);
            }
            Event::Delta { index: _, delta: Delta::Citation(citation) } if !is_sayable(&citation, losses) => {}
            Event::Delta { index, delta } => self.delta(index, delta, out),
            Event::BlockStop { index } => self.stop(index, out),
            Event::Usage(usage) => self.usage.merge(&usage),
            Event::Lost(loss) => lose(losses, loss),
            Event::Finish { reason, stop_sequence } => {
                self.start(out);
                self.close_all(out);
                // Usage may still follow; the message's own end is written with it.
                self.finish.get_or_insert((reason, stop_sequence));
            }
            Event::End => self.end(out),
            Event::Failed(failure) => {
                write_error_event(out, &failure);
                self.is_over = true;
            }
        }
    }

    fn keep_alive(&mut self, out: &mut Vec<u8>) {
        if self.is_over || self.finish.is_some() {
            return;
        }
        self.start(out);
        if self.open.is_none() {
            if !self.has_pinged {
                self.has_pinged = true;
                return write_event(out, "ping", |_| {});
            }
            let at = self.next_index();
            write_block_start(out, at, &BlockStart::Text);
            self.open = Some(Open { at, source: None, kind: Kind::Text, is_stopped: false, is_signed: false });
        }
        if let Some(open) = &mut self.open {
            let nothing = match open.kind {
                Kind::Text => Delta::Text(String::new()),
                Kind::Thinking => Delta::Thinking(String::new()),
                Kind::Arguments => Delta::Arguments(String::new()),
                Kind::Sealed => return write_event(out, "ping", |_| {}),
            };
            write_delta(out, open, &nothing);
        }
    }

    fn early_start(&mut self, out: &mut Vec<u8>) {
        if !self.is_over {
            self.start(out);
        }
    }

    fn change_source(&mut self) {
        self.waiting.clear();
        self.finish = None;
        if let Some(open) = &mut self.open {
            (open.source, open.is_stopped) = (None, false);
        }
    }
}

/// Appends one event: its name, and a data object that begins with the same word as `type`.
pub(super) fn write_event(out: &mut Vec<u8>, name: &str, fill: impl FnOnce(&mut Object<'_>)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    let mut event = Object::open(out);
    event.str("type", name);
    fill(&mut event);
    event.close();
    out.extend_from_slice(b"\n\n");
}

/// Appends a `message_start`; usage is what is known, or the estimate.
pub(super) fn write_message_start(out: &mut Vec<u8>, id: &str, model: &str, usage: &Usage, input_estimate: u64) {
    write_event(out, "message_start", |event| {
        let mut message = Object::open(event.key("message"));
        message.str("id", id).str("type", "message").str("role", "assistant").str("model", model);
        message.raw("content", "[]").raw("stop_reason", "null").raw("stop_sequence", "null");
        write_usage(message.key("usage"), usage, input_estimate);
        message.close();
    });
}

/// Appends a `content_block_start`.
pub(super) fn write_block_start(out: &mut Vec<u8>, index: u32, start: &BlockStart) {
    write_event(out, "content_block_start", |event| {
        let mut block = Object::open(event.json("index", index).key("content_block"));
        match start {
            BlockStart::Text => block.str("type", "text").str("text", ""),
            BlockStart::Thinking => block.str("type", "thinking").str("thinking", "").str("signature", ""),
            BlockStart::RedactedThinking(opaque) => block.str("type", "redacted_thinking").str("data", &response_out::signature(opaque)),
            BlockStart::ToolCall { id, name } => block.str("type", "tool_use").str("id", id).str("name", name).raw("input", "{}"),
        };
        block.close();
    });
}

fn write_delta(out: &mut Vec<u8>, open: &mut Open, delta: &Delta) {
    let (kind, member, value) = match (open.kind, delta) {
        (Kind::Text, Delta::Text(text)) => ("text_delta", "text", Cow::Borrowed(text.as_str())),
        (Kind::Thinking, Delta::Thinking(text)) => ("thinking_delta", "thinking", Cow::Borrowed(text.as_str())),
        (Kind::Arguments, Delta::Arguments(text)) => ("input_json_delta", "partial_json", Cow::Borrowed(text.as_str())),
        (Kind::Thinking, Delta::Signature(opaque)) if !open.is_signed => {
            open.is_signed = true;
            ("signature_delta", "signature", response_out::signature(opaque))
        }
        (Kind::Text, Delta::Citation(citation)) => return write_citations_delta(out, open.at, citation),
        // A delta of another kind than its block breaks the decoder's promise; the client's grammar has no place for it.
        _ => return,
    };
    write_event(out, "content_block_delta", |event| {
        let mut body = Object::open(event.json("index", open.at).key("delta"));
        body.str("type", kind).str(member, &value);
        body.close();
    });
}

fn write_citations_delta(out: &mut Vec<u8>, at: u32, citation: &Citation) {
    write_event(out, "content_block_delta", |event| {
        let mut body = Object::open(event.json("index", at).key("delta"));
        write_citation(body.str("type", "citations_delta").key("citation"), citation);
        body.close();
    });
}
