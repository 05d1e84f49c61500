//! An answer that goes on with another: its events are joined to what the client has, by the encoder that said it.
//!
//! Until it is given that encoder it says nothing, so that an attempt which fails leaves no trace. Start with
//! [`Continued::new`]; [`ReplyStream::go_on`] joins it.

use std::collections::HashSet;

use bytes::Bytes;

use super::transcode::{note, read_frames};
use super::{Progress, ReplyStream, StreamDecoder, StreamEncoder};
use crate::chat::seam::Seam;
use crate::chat::{BlockStart, Delta, Event, Failure, Loss, Usage, lose};
use crate::wire::sse::Splitter;

/// What is known of the answer before this one.
#[derive(Debug, Clone)]
pub(crate) struct Before {
    /// Where its text is joined.
    pub(crate) seam: Seam,
    /// What it took: what the client is told is the sum of both outputs, and the input once.
    pub(crate) usage: Usage,
    /// What is thought now may be shown: the client has no text yet, and tells blocks of thinking apart.
    pub(crate) shows_thinking: bool,
}

/// The reply.
pub(crate) struct Continued {
    splitter: Splitter,
    decoder: Box<dyn StreamDecoder>,
    before: Before,
    /// The block whose text is at the seam.
    at_seam: Option<u32>,
    /// Blocks that the client is not shown.
    hidden: HashSet<u32>,
    /// What the decoder gave and is not joined yet.
    events: Vec<Event>,
    /// What waits for the encoder.
    waiting: Vec<Event>,
    encoder: Option<Box<dyn StreamEncoder>>,
    progress: Progress,
    is_over: bool,
    /// A failure that is not said yet.
    withheld: Option<Failure>,
    withholds: bool,
}

impl Continued {
    /// For what `decoder` reads, in events of at most so many bytes.
    pub(crate) fn new(decoder: Box<dyn StreamDecoder>, before: Before, frame_max: usize) -> Self {
        Self {
            splitter: Splitter::new(frame_max),
            decoder,
            before,
            at_seam: None,
            hidden: HashSet::new(),
            events: Vec::new(),
            waiting: Vec::new(),
            encoder: None,
            progress: Progress::default(),
            is_over: false,
            withheld: None,
            withholds: true,
        }
    }

    /// Takes events that are there whole.
    pub(crate) fn take(&mut self, events: impl IntoIterator<Item = Event>) {
        self.events.extend(events);
        let _ = self.join();
    }

    /// Joins what the decoder gave; gives what the client gets now.
    fn join(&mut self) -> Bytes {
        for event in std::mem::take(&mut self.events) {
            if self.is_over {
                break;
            }
            note(&event, &mut self.progress);
            self.is_over = matches!(event, Event::End | Event::Failed(_));
            match event {
                Event::Failed(failure) if self.withholds => self.withheld = Some(failure),
                event => self.joined(event),
            }
        }
        self.say()
    }

    fn joined(&mut self, event: Event) {
        match event {
            Event::Start { id: _, model: _ } => {}
            Event::BlockStart { index, block: BlockStart::Thinking | BlockStart::RedactedThinking(_) } if !self.before.shows_thinking => {
                lose(&mut self.progress.losses, Loss::dropped("answer.thinking"));
                self.hidden.insert(index);
            }
            Event::BlockStart { index, block } => {
                match block {
                    BlockStart::Text => self.at_seam = self.at_seam.or(Some(index)),
                    BlockStart::ToolCall { id: _, name: _ } => self.close_seam(),
                    BlockStart::Thinking | BlockStart::RedactedThinking(_) => {}
                }
                self.waiting.push(Event::BlockStart { index, block });
            }
            Event::Delta { index, delta: _ } | Event::BlockStop { index } if self.hidden.contains(&index) => {}
            Event::Delta { index, delta: Delta::Text(text) } if self.at_seam == Some(index) => {
                let text = self.before.seam.push(&text);
                self.waiting.push(Event::Delta { index, delta: Delta::Text(text) });
            }
            Event::BlockStop { index } => {
                if self.at_seam == Some(index) {
                    self.close_seam();
                }
                self.waiting.push(Event::BlockStop { index });
            }
            Event::Usage(usage) => self.waiting.push(Event::Usage(sum(&self.before.usage, &usage))),
            Event::Finish { reason, stop_sequence } => {
                self.close_seam();
                self.waiting.push(Event::Finish { reason, stop_sequence });
            }
            event => self.waiting.push(event),
        }
    }

    /// No text follows at the seam: what was held there is said.
    fn close_seam(&mut self) {
        if let Some(index) = self.at_seam {
            let text = self.before.seam.finish();
            self.waiting.push(Event::Delta { index, delta: Delta::Text(text) });
        }
    }

    fn say(&mut self) -> Bytes {
        let mut out = Vec::new();
        if let Some(encoder) = &mut self.encoder {
            for event in self.waiting.drain(..) {
                encoder.event(event, &mut out, &mut self.progress.losses);
            }
        }
        out.into()
    }
}

/// What an answer of two parts took, as its client is told: the input of the first, where it said so, and all of the output.
fn sum(before: &Usage, now: &Usage) -> Usage {
    let add = |one: Option<u64>, other: Option<u64>| match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    };
    let input = if before.input.is_some() { before } else { now };
    Usage { output: add(before.output, now.output), reasoning: add(before.reasoning, now.reasoning), ..*input }
}

impl ReplyStream for Continued {
    fn push(&mut self, chunk: Bytes) -> Bytes {
        read_frames(&mut self.splitter, &chunk, self.decoder.as_mut(), &mut self.events);
        self.progress.finished |= self.decoder.is_finished();
        self.join()
    }

    fn end(&mut self) -> Bytes {
        if let Some(frame) = self.splitter.finish() {
            self.decoder.frame(&frame, &mut self.events);
        }
        self.decoder.end(&mut self.events);
        self.join()
    }

    fn fail(&mut self, failure: &Failure) -> Bytes {
        let failure = self.withheld.take().or_else(|| (!self.is_over).then(|| failure.clone()));
        self.is_over = true;
        self.progress.failure = self.progress.failure.take().or_else(|| failure.clone());
        self.waiting.extend(failure.map(Event::Failed));
        self.say()
    }

    fn keep_alive(&mut self) -> Bytes {
        let mut out = Vec::new();
        if let Some(encoder) = self.encoder.as_mut().filter(|_| !self.is_over) {
            encoder.keep_alive(&mut out);
        }
        out.into()
    }

    fn early_start(&mut self) -> Bytes {
        Bytes::new()
    }

    fn progress(&self) -> &Progress {
        &self.progress
    }

    fn withhold(&mut self) {
        self.withholds = true;
    }

    fn hand_over(&mut self, _: usize) -> Option<Box<dyn StreamEncoder>> {
        let mut encoder = self.encoder.take()?;
        encoder.change_source();
        Some(encoder)
    }

    fn go_on(&mut self, encoder: Box<dyn StreamEncoder>) -> Bytes {
        self.encoder = Some(encoder);
        self.say()
    }
}
