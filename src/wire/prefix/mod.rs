//! What a provider's cache goes by in a request: a hash of each block of its beginning, in the order in which caches read it.
//!
//! One pass over a body that [`super::peek`] has found to be JSON: tools, system, each message. Markers of what to cache
//! (`cache_control`) move on with every turn and are no part of what is cached, so they are left out and noted apart; text
//! alone and text in a list of one block are the same. A session's next request repeats most of the one before: what stands
//! there byte for byte is found by one hash of it and not looked into again. It lacks any judgement of what a change costs.
//! Start with [`Prefix::after`].

mod pass;
#[cfg(test)]
mod tests;

use pass::Pass;

/// The beginning of a request, as far as caches go by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefix {
    /// All tools; 0: none.
    pub tools: u32,
    /// The blocks of `system`.
    pub system: Vec<u32>,
    /// The messages. Those after the first [`MESSAGES_MAX`] are one.
    pub messages: Vec<u32>,
    /// How many of them, from the first on, are instructions: Chat has its system prompt there.
    pub lead: u32,
    /// What else the answer depends on: thinking, effort, the choice of a tool.
    pub settings: u32,
    /// Where the markers stand, by the count of blocks before each, the first [`MARKS_MAX`] of them.
    pub marks: Vec<u32>,
    /// Whether a marker asks for an hour.
    pub is_long: bool,
    /// What a later request is compared with before it is looked into.
    pub bytes: Spans,
}

/// The bytes of what [`Prefix`] has hashes of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spans {
    /// The whole list.
    tools: Option<Span>,
    /// As many as in [`Prefix::system`], or none.
    system: Vec<Span>,
    /// As many as in [`Prefix::messages`] at most.
    messages: Vec<Span>,
}

/// A stretch of a body that is one JSON value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Span {
    /// In bytes; 0: its like is not known.
    length: u32,
    /// A hash of the bytes as they are.
    raw: u32,
    /// Blocks in it.
    blocks: u16,
    is_instruction: bool,
    /// A marker stands at its end.
    is_marked: bool,
    /// One that asks for an hour.
    is_long: bool,
}

/// The messages that are told apart.
pub const MESSAGES_MAX: usize = 4096;
/// The markers that are noted; providers take four.
pub const MARKS_MAX: usize = 16;
/// How many blocks before a marker a cache looks for what it has (Anthropic's page on prompt caching, July 2026).
pub const LOOK_BACK: u32 = 20;

/// The first block in which a request differs from an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The tools.
    Tools,
    /// A block of `system`, from 0.
    System(usize),
    /// A message, from 0.
    Message(usize),
    /// No block, but thinking, effort or the choice of a tool.
    Settings,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tools => f.write_str("tools"),
            Self::System(index) => write!(f, "system[{index}]"),
            Self::Message(index) => write!(f, "messages[{index}]"),
            Self::Settings => f.write_str("thinking, effort or tool_choice"),
        }
    }
}

impl Prefix {
    /// The prefix of a body. Of what is no JSON it is as much as was understood.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self::after(body, &Self::default())
    }

    /// The same, where `earlier` is that of a request which this one may go on from: what both have costs a hash of its bytes.
    #[must_use]
    pub fn after(body: &[u8], earlier: &Self) -> Self {
        Pass::of(body, earlier).prefix()
    }

    /// The first block that `later` has otherwise. One that only goes on, or stops earlier, differs in none.
    #[must_use]
    pub fn change(&self, later: &Self) -> Option<Place> {
        if self.tools != later.tools {
            return Some(Place::Tools);
        }
        let differs = |old: &[u32], new: &[u32]| old.iter().zip(new).position(|(old, new)| old != new);
        if let Some(index) = differs(&self.system, &later.system) {
            return Some(Place::System(index));
        }
        if self.system.len() != later.system.len() {
            return Some(Place::System(self.system.len().min(later.system.len())));
        }
        if let Some(index) = differs(&self.messages, &later.messages) {
            // What is beyond the most that are told apart goes on under one number.
            return Some(Place::Message(index)).filter(|_| index < MESSAGES_MAX);
        }
        (self.settings != later.settings).then_some(Place::Settings)
    }

    /// Whether `later` is another conversation: no message that somebody said is the same. A change of the first one alone is none.
    #[must_use]
    pub fn is_other(&self, later: &Self) -> bool {
        let said = |prefix: &Self| prefix.messages.get(prefix.lead as usize..).unwrap_or_default().to_vec();
        let (old, new) = (said(self), said(later));
        !old.is_empty() && !new.is_empty() && old.iter().zip(&new).all(|(old, new)| old != new)
    }

    /// Whether the markers of `later` reach back to what was cached by those of this one. Without any here, they do.
    #[must_use]
    pub fn is_reached_by(&self, later: &Self) -> bool {
        self.marks.last().is_none_or(|last| later.marks.iter().any(|mark| (*last..last.saturating_add(LOOK_BACK)).contains(mark)))
    }
}
