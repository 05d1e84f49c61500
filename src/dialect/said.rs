//! What a client has been sent of an answer, read back from the very bytes: what another model could go on with.
//!
//! Only for answers that may be gone on with: it reads every event a second time. Start with `Said::hear`.

use super::{Dialect, Quirks, ReplyMap, StreamDecoder};
use crate::chat::{BlockStart, Delta, Event};
use crate::wire::sse::Splitter;

/// The most bytes of text that are kept; a longer answer is not gone on with.
const TEXT_MAX: usize = 4 << 20;

/// What a client has been sent.
pub(crate) struct Said {
    splitter: Splitter,
    decoder: Box<dyn StreamDecoder>,
    events: Vec<Event>,
    /// The text so far, that of several blocks joined.
    pub(crate) text: String,
    /// Bytes of thinking so far.
    pub(crate) thought: usize,
    /// What stands in the way of going on; `None`: nothing but text and thinking was said.
    pub(crate) bar: Option<Bar>,
}

/// What an answer may have said that nobody else can go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bar {
    /// A call of a tool has begun.
    ToolCall,
    /// Something that is neither text nor thinking, or that could not be read.
    Other,
    /// More text than is kept.
    Length,
}

impl Said {
    /// For an answer to a client of this dialect, of events of at most so many bytes.
    pub(crate) fn new(client: Dialect, frame_max: usize) -> Self {
        let quirks = match client {
            Dialect::AnthropicMessages => Quirks::ANTHROPIC,
            Dialect::OpenAiChat => Quirks::CHAT,
        };
        let decoder = (client.codec().stream_decoder)(&ReplyMap::default(), &quirks);
        Self { splitter: Splitter::new(frame_max), decoder, events: Vec::new(), text: String::new(), thought: 0, bar: None }
    }

    /// Takes what the client is sent.
    pub(crate) fn hear(&mut self, sent: &[u8]) {
        if self.bar.is_some() {
            return;
        }
        self.splitter.push(sent);
        loop {
            match self.splitter.next_frame() {
                Ok(Some(frame)) => self.decoder.frame(&frame, &mut self.events),
                Ok(None) => break,
                Err(_) => {
                    self.bar = Some(Bar::Other);
                    return;
                }
            }
        }
        for event in self.events.drain(..) {
            let bar = match event {
                Event::BlockStart { index: _, block: BlockStart::ToolCall { id: _, name: _ } } => Some(Bar::ToolCall),
                Event::Delta { index: _, delta: Delta::Arguments(_) } => Some(Bar::ToolCall),
                Event::Lost(_) | Event::Failed(_) => Some(Bar::Other),
                Event::Delta { index: _, delta: Delta::Text(text) } => {
                    self.text.push_str(&text);
                    (self.text.len() > TEXT_MAX).then_some(Bar::Length)
                }
                Event::Delta { index: _, delta: Delta::Thinking(text) } => {
                    self.thought += text.len();
                    None
                }
                Event::BlockStart { index: _, block: BlockStart::Text | BlockStart::Thinking | BlockStart::RedactedThinking(_) }
                | Event::Delta { index: _, delta: Delta::Signature(_) | Delta::Citation(_) }
                | Event::Start { id: _, model: _ }
                | Event::BlockStop { index: _ }
                | Event::Usage(_)
                | Event::Finish { reason: _, stop_sequence: _ }
                | Event::End => None,
            };
            self.bar = self.bar.or(bar);
        }
    }
}
