//! Joins any two codecs: a request rendered for its target, a reply translated on its way back.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::memmem;

use super::{Codec, Dialect, Progress, Quirks, ReplyMap, ReplyStream, StreamDecoder, StreamEncoder, TranslateError, Upstream};
use crate::chat::{BlockStart, Delta, Event, Failure, Loss, Opaque};
use crate::wire::object::string;
use crate::wire::peek::{Family, Peek, peek_for};
use crate::wire::splice::{Spliced, splice};
use crate::wire::sse::Splitter;

/// A request, ready for its target.
#[derive(Debug)]
pub enum Rendered {
    /// The client's own bytes, with spans replaced.
    Passthrough(Spliced),
    /// Written anew in another dialect.
    Translated {
        /// The body.
        body: Bytes,
        /// What could not be carried.
        losses: Vec<Loss>,
        /// What must be undone in the reply.
        reply: ReplyMap,
    },
}

/// Why a request could not be rendered.
#[derive(Debug)]
pub enum Unrendered {
    /// The body breaks its dialect's rules: the client's mistake.
    Unreadable(TranslateError),
    /// The target cannot do what is asked.
    Unsayable(TranslateError),
}

/// Renders `body` for a target of dialect `to`. A fallback renders again from the original bytes.
///
/// # Errors
/// When the body breaks its dialect's rules, or asks for what the target cannot do.
pub fn render(body: &Bytes, peek: &Peek, from: Dialect, to: Dialect, upstream: &Upstream<'_>) -> Result<Rendered, Unrendered> {
    if from == to {
        let own = own_thinking(body, peek, from, upstream);
        let peek = own.as_ref().unwrap_or(peek);
        let states: Vec<Vec<u8>> = peek.returns.iter().map(|span| unsealed(body, span)).collect();
        let token =
            serde_json::to_vec(upstream.model).map_err(|error| Unrendered::Unsayable(TranslateError::new("model", error.to_string())))?;
        let mut edits: Vec<(std::ops::Range<usize>, &[u8])> = vec![(peek.model_at.clone(), token.as_slice())];
        edits.extend(peek.cuts.iter().map(|span| (span.clone(), b"".as_slice())));
        edits.extend(peek.returns.iter().cloned().zip(states.iter().map(Vec::as_slice)));
        edits.sort_by_key(|(span, _)| span.start);
        // What goes needs no state any more.
        edits.dedup_by(|later, earlier| later.0.start < earlier.0.end);
        return Ok(Rendered::Passthrough(splice(body, &edits)));
    }
    let request = (from.codec().decode_request)(body).map_err(Unrendered::Unreadable)?;
    let mut losses = Vec::new();
    let (body, reply) = (to.codec().encode_request)(&request, upstream, &mut losses).map_err(Unrendered::Unsayable)?;
    Ok(Rendered::Translated { body, losses, reply })
}

/// A look at thinking in the history with this target's eyes, where there is any that is or is not its own: each family
/// gets its own back as it was, and no other's.
fn own_thinking(body: &Bytes, peek: &Peek, dialect: Dialect, upstream: &Upstream<'_>) -> Option<Peek> {
    let is_bare = || !upstream.quirks.owns_bare() && memmem::find(body, b"\"signature\"").is_some();
    if dialect != Dialect::AnthropicMessages || (peek.cuts.is_empty() && !is_bare()) {
        return None;
    }
    let family = Family { name: upstream.quirks.family, owns_bare: upstream.quirks.owns_bare() };
    // Its depth has been found good.
    peek_for(body, usize::MAX, family).ok()
}

/// The state in an envelope, as a JSON string.
fn unsealed(body: &Bytes, span: &std::ops::Range<usize>) -> Vec<u8> {
    let token = body.get(span.clone()).unwrap_or_default();
    let sealed: Option<String> = serde_json::from_slice(token).ok();
    let state = sealed.and_then(|sealed| Opaque::open(&sealed)).map(|opaque| opaque.state).unwrap_or_default();
    let mut out = Vec::new();
    string(&mut out, &state);
    out
}

/// A reply that is translated event by event.
pub struct Transcoder {
    splitter: Splitter,
    decoder: Box<dyn StreamDecoder>,
    encoder: Box<dyn StreamEncoder>,
    events: Vec<Event>,
    progress: Progress,
    is_over: bool,
    withholds: bool,
    /// A failure that is not said yet.
    withheld: Option<Failure>,
}

impl Transcoder {
    /// From the upstream's codec to the client's. `frame_max` bounds one event, in bytes.
    #[must_use]
    pub fn new(upstream: &Codec, client: &Codec, reply: &ReplyMap, quirks: &Quirks, frame_max: usize) -> Self {
        Self {
            splitter: Splitter::new(frame_max),
            decoder: (upstream.stream_decoder)(reply, quirks),
            encoder: (client.stream_encoder)(reply),
            events: Vec::new(),
            progress: Progress::default(),
            is_over: false,
            withholds: false,
            withheld: None,
        }
    }

    fn encode(&mut self, out: &mut Vec<u8>) {
        for event in self.events.drain(..) {
            if self.is_over {
                break;
            }
            note(&event, &mut self.progress);
            self.is_over = matches!(event, Event::End | Event::Failed(_));
            match event {
                Event::Failed(failure) if self.withholds => self.withheld = Some(failure),
                event => self.encoder.event(event, out, &mut self.progress.losses),
            }
        }
    }
}

/// Keeps the progress up to date with one event.
pub(crate) fn note(event: &Event, progress: &mut Progress) {
    match event {
        Event::BlockStart { block, .. } => {
            progress.content |= !matches!(block, BlockStart::Text | BlockStart::Thinking);
        }
        Event::Delta { delta, .. } => {
            progress.content |= match delta {
                Delta::Text(text) | Delta::Thinking(text) | Delta::Arguments(text) => !text.is_empty(),
                Delta::Signature(_) | Delta::Citation(_) => true,
            };
        }
        Event::Usage(usage) => progress.usage.merge(usage),
        Event::Finish { .. } => progress.finished = true,
        Event::Failed(failure) => progress.failure = Some(failure.clone()),
        // Losses come from the encoder, which passes these on.
        Event::Start { .. } | Event::BlockStop { .. } | Event::Lost(_) | Event::End => {}
    }
}

/// Reads the frames that a chunk makes whole; one that is too long is a failure, and ends the reading.
pub(super) fn read_frames(splitter: &mut Splitter, chunk: &[u8], decoder: &mut dyn StreamDecoder, events: &mut Vec<Event>) {
    splitter.push(chunk);
    loop {
        match splitter.next_frame() {
            Ok(Some(frame)) => decoder.frame(&frame, events),
            Ok(None) => return,
            Err(error) => return events.push(Event::Failed(Failure::nonsense(error))),
        }
    }
}

impl ReplyStream for Transcoder {
    fn push(&mut self, chunk: Bytes) -> Bytes {
        let mut out = Vec::new();
        read_frames(&mut self.splitter, &chunk, self.decoder.as_mut(), &mut self.events);
        self.encode(&mut out);
        self.progress.finished |= self.decoder.is_finished();
        out.into()
    }

    fn end(&mut self) -> Bytes {
        let mut out = Vec::new();
        if let Some(frame) = self.splitter.finish() {
            self.decoder.frame(&frame, &mut self.events);
        }
        self.decoder.end(&mut self.events);
        self.encode(&mut out);
        out.into()
    }

    fn fail(&mut self, failure: &Failure) -> Bytes {
        let mut out = Vec::new();
        self.withholds = false;
        match self.withheld.take() {
            Some(failure) => self.encoder.event(Event::Failed(failure), &mut out, &mut self.progress.losses),
            None => {
                self.events.push(Event::Failed(failure.clone()));
                self.encode(&mut out);
            }
        }
        out.into()
    }

    fn keep_alive(&mut self) -> Bytes {
        let mut out = Vec::new();
        if !self.is_over {
            self.encoder.keep_alive(&mut out);
        }
        out.into()
    }

    fn early_start(&mut self) -> Bytes {
        let mut out = Vec::new();
        self.encoder.early_start(&mut out);
        out.into()
    }

    fn progress(&self) -> &Progress {
        &self.progress
    }

    fn withhold(&mut self) {
        self.withholds = true;
    }

    fn hand_over(&mut self, _: usize) -> Option<Box<dyn StreamEncoder>> {
        let mut encoder = std::mem::replace(&mut self.encoder, Box::new(Mute));
        encoder.change_source();
        self.is_over = true;
        Some(encoder)
    }
}

/// Says nothing: it stands for an encoder that was given away.
struct Mute;

impl StreamEncoder for Mute {
    fn event(&mut self, _: Event, _: &mut Vec<u8>, _: &mut Vec<Loss>) {}

    fn keep_alive(&mut self, _: &mut Vec<u8>) {}

    fn early_start(&mut self, _: &mut Vec<u8>) {}

    fn change_source(&mut self) {}
}

/// An error body for a client, from one that an upstream sent; unchanged where the dialects match and it is one.
#[must_use]
pub fn error_body<'a>(body: &'a [u8], status: u16, from: Dialect, to: Dialect, request_id: &str) -> Cow<'a, [u8]> {
    let failure = (from.codec().decode_error)(status, body);
    if from == to && !body.is_empty() { Cow::Borrowed(body) } else { Cow::Owned((to.codec().encode_error)(&failure, request_id).to_vec()) }
}
