//! A whole answer: a fold of events.

use super::{
    citation::Citation,
    event::{BlockStart, Delta, Event, StopReason, Usage},
    failure::Failure,
    loss::{Loss, lose},
    opaque::Opaque,
};

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChatResponse {
    /// The upstream's id of the answer.
    pub id: Option<String>,
    /// The model, in the upstream's words.
    pub model: Option<String>,
    /// What was said, in order.
    pub blocks: Vec<ResponseBlock>,
    /// Why it ended; `None` until it has.
    pub stop: Option<StopReason>,
    /// The stop sequence that was met.
    pub stop_sequence: Option<String>,
    /// What it cost.
    pub usage: Usage,
    /// What the upstream said that has no place here.
    pub losses: Vec<Loss>,
}

/// A complete block of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ResponseBlock {
    /// Text.
    Text {
        /// What is said.
        text: String,
        /// What it rests on.
        citations: Vec<Citation>,
    },
    /// Thinking.
    Thinking {
        /// Its text.
        text: String,
        /// Its opaque state.
        opaque: Option<Opaque>,
    },
    /// Hidden thinking.
    RedactedThinking(Opaque),
    /// A call.
    ToolCall {
        /// Its id.
        id: String,
        /// The tool.
        name: String,
        /// JSON text of the arguments; empty for none.
        arguments: String,
    },
}

impl ResponseBlock {
    /// Text that cites nothing.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), citations: Vec::new() }
    }
}

impl ChatResponse {
    /// Folds a decoder's events.
    ///
    /// # Errors
    /// The upstream's failure, when the events end in one.
    pub fn from_events(events: impl IntoIterator<Item = Event>) -> Result<Self, Failure> {
        let mut whole = Self::default();
        for event in events {
            match event {
                Event::Start { id, model } => (whole.id, whole.model) = (id, model),
                Event::BlockStart { block, .. } => whole.blocks.push(match block {
                    BlockStart::Text => ResponseBlock::text(String::new()),
                    BlockStart::Thinking => ResponseBlock::Thinking { text: String::new(), opaque: None },
                    BlockStart::RedactedThinking(opaque) => ResponseBlock::RedactedThinking(opaque),
                    BlockStart::ToolCall { id, name } => ResponseBlock::ToolCall { id, name, arguments: String::new() },
                }),
                Event::Delta { index, delta } => {
                    match (whole.blocks.get_mut(index as usize), delta) {
                        (Some(ResponseBlock::Text { text, .. }), Delta::Text(more))
                        | (Some(ResponseBlock::Thinking { text, .. }), Delta::Thinking(more)) => text.push_str(&more),
                        (Some(ResponseBlock::Text { citations, .. }), Delta::Citation(citation)) => citations.push(*citation),
                        (Some(ResponseBlock::Thinking { opaque, .. }), Delta::Signature(state)) => *opaque = Some(state),
                        (Some(ResponseBlock::ToolCall { arguments, .. }), Delta::Arguments(more)) => arguments.push_str(&more),
                        // A delta of another kind than its block breaks the decoder's promise; there is nowhere to put it.
                        _ => {}
                    }
                }
                Event::BlockStop { .. } | Event::End => {}
                Event::Usage(usage) => whole.usage.merge(&usage),
                Event::Lost(loss) => lose(&mut whole.losses, loss),
                Event::Finish { reason, stop_sequence } => (whole.stop, whole.stop_sequence) = (Some(reason), stop_sequence),
                Event::Failed(failure) => return Err(failure),
            }
        }
        Ok(whole)
    }

    /// The events that a stream of this answer would have been, for an upstream that answers a stream request whole.
    #[must_use]
    pub fn into_events(self) -> Vec<Event> {
        let mut events = vec![Event::Start { id: self.id, model: self.model }];
        events.extend(self.losses.into_iter().map(Event::Lost));
        for (index, block) in (0u32..).zip(self.blocks) {
            let delta = |delta| Event::Delta { index, delta };
            match block {
                ResponseBlock::Text { text, citations } => {
                    events.push(Event::BlockStart { index, block: BlockStart::Text });
                    events.push(delta(Delta::Text(text)));
                    events.extend(citations.into_iter().map(|citation| delta(Delta::Citation(Box::new(citation)))));
                }
                ResponseBlock::Thinking { text, opaque } => {
                    events.push(Event::BlockStart { index, block: BlockStart::Thinking });
                    events.push(delta(Delta::Thinking(text)));
                    events.extend(opaque.map(|state| delta(Delta::Signature(state))));
                }
                ResponseBlock::RedactedThinking(opaque) => {
                    events.push(Event::BlockStart { index, block: BlockStart::RedactedThinking(opaque) });
                }
                ResponseBlock::ToolCall { id, name, arguments } => {
                    events.push(Event::BlockStart { index, block: BlockStart::ToolCall { id, name } });
                    events.push(delta(Delta::Arguments(arguments)));
                }
            }
            events.push(Event::BlockStop { index });
        }
        events.push(Event::Usage(self.usage));
        let reason = self.stop.unwrap_or(StopReason::End);
        events.extend([Event::Finish { reason, stop_sequence: self.stop_sequence }, Event::End]);
        events
    }
}
