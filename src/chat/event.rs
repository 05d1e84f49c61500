//! An answer as it streams: start, indexed blocks with deltas, one terminal. Owned, because it outlives the chunk.

use super::{citation::Citation, failure::Failure, loss::Loss, opaque::Opaque};

/// One step of an answer.
///
/// A decoder promises: `Start` first; each block is started once, gets its deltas and is stopped once; several blocks
/// may be open at a time; `Usage` (cumulative) and `Lost` at any time; then exactly one of `Finish` followed by `End`, or `Failed`.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The answer begins. Id and model may be missing.
    Start {
        /// The upstream's id of the answer.
        id: Option<String>,
        /// The model that answers, in the upstream's words.
        model: Option<String>,
    },
    /// A block begins.
    BlockStart {
        /// Its number, from 0, rising with each new block.
        index: u32,
        /// What it is.
        block: BlockStart,
    },
    /// A block goes on.
    Delta {
        /// The block's number.
        index: u32,
        /// What comes.
        delta: Delta,
    },
    /// A block is complete.
    BlockStop {
        /// The block's number.
        index: u32,
    },
    /// What the answer has cost so far.
    Usage(Usage),
    /// The upstream said something that has no place here.
    Lost(Loss),
    /// The reason to end, once.
    Finish {
        /// Why.
        reason: StopReason,
        /// The stop sequence that was met.
        stop_sequence: Option<String>,
    },
    /// Nothing follows.
    End,
    /// The upstream broke; nothing follows.
    Failed(Failure),
}

/// What a new block is.
#[derive(Debug, Clone, PartialEq)]
pub enum BlockStart {
    /// Text.
    Text,
    /// Thinking.
    Thinking,
    /// Thinking that the provider hides: its whole state comes with the start.
    RedactedThinking(Opaque),
    /// A call; id and name are known and not empty.
    ToolCall {
        /// The call's id, unique in the answer.
        id: String,
        /// The tool, in the client's own name for it.
        name: String,
    },
}

/// What a block gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Delta {
    /// More text.
    Text(String),
    /// More thinking.
    Thinking(String),
    /// The thinking block's opaque state, once, whole, before its stop.
    Signature(Opaque),
    /// More JSON text of a call's arguments.
    Arguments(String),
    /// What the text rests on, before, among or after its pieces. Rare, and boxed so that a piece of text stays small.
    Citation(Box<Citation>),
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// It was complete.
    End,
    /// A stop sequence was met.
    StopSequence,
    /// The output limit was met.
    Length,
    /// The context window was full.
    ContextFull,
    /// The model calls tools.
    ToolUse,
    /// A filter or the model refused.
    Refusal,
    /// A long server-side turn was paused.
    Paused,
}

/// Tokens, each an absolute count since the answer began; `None` where the upstream has not said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input that was neither read from nor written to a cache.
    pub input: Option<u64>,
    /// Input read from the cache.
    pub cache_read: Option<u64>,
    /// Input written to the cache, of any lifetime.
    pub cache_write: Option<u64>,
    /// Of these, written for an hour.
    pub cache_write_1h: Option<u64>,
    /// Output, thinking included.
    pub output: Option<u64>,
    /// Of these, thinking.
    pub reasoning: Option<u64>,
}

impl Usage {
    /// Takes over what `later` knows: values are snapshots, the last one counts.
    pub fn merge(&mut self, later: &Self) {
        let keep = |old: &mut Option<u64>, new: Option<u64>| *old = new.or(*old);
        keep(&mut self.input, later.input);
        keep(&mut self.cache_read, later.cache_read);
        keep(&mut self.cache_write, later.cache_write);
        keep(&mut self.cache_write_1h, later.cache_write_1h);
        keep(&mut self.output, later.output);
        keep(&mut self.reasoning, later.reasoning);
    }

    /// All input, cached or not (what Chat calls `prompt_tokens`).
    #[must_use]
    pub fn input_total(&self) -> u64 {
        [self.input, self.cache_read, self.cache_write].iter().flatten().fold(0, |sum, n| sum.saturating_add(*n))
    }
}
