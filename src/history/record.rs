//! One exchange, as it is remembered.

use sha2::{Digest as _, Sha256};

use crate::chat::Usage;

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ending {
    /// The answer is all there.
    Whole,
    /// It broke off, or was broken off: what had come is kept.
    #[default]
    Partial,
    /// There is none.
    Failed,
}

impl Ending {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Whole, Self::Partial, Self::Failed];

    /// The word in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }

    /// The ending of a word; a word that is not known means that something is missing.
    pub(super) fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|ending| ending.name() == name).unwrap_or_default()
    }
}

/// A prompt and its answer. Empty text stands for "none" or "unknown".
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exchange {
    /// When it was asked, in milliseconds since 1970.
    pub time_ms: u64,
    /// The request's id.
    pub request_id: String,
    /// What the model was told before the prompt.
    pub system: String,
    /// The prompt.
    pub prompt: String,
    /// What stood beside it.
    pub attachments: Vec<Attachment>,
    /// The answer.
    pub answer: String,
    /// What the model thought.
    pub reasoning: String,
    /// The model that was asked for.
    pub asked: String,
    /// Who answered, or was asked last.
    pub provider: String,
    /// For which model, in the provider's words.
    pub model: String,
    /// What decided where it went.
    pub route: String,
    /// What else was asked for, as JSON; empty: nothing.
    pub options: String,
    /// What tools did before the answer, as JSON; empty: nothing.
    pub steps: String,
    /// How it ended.
    pub ending: Ending,
    /// Why it failed: `E0505`.
    pub code: Option<String>,
    /// Targets that were asked.
    pub attempts: u64,
    /// What it took.
    pub usage: Usage,
    /// Whether some of the usage is our estimate.
    pub is_estimated: bool,
    /// What it cost, in millionths of a US dollar; `None`: the price is unknown.
    pub cost: Option<u64>,
    /// Milliseconds to the first content.
    pub content_ms: Option<u64>,
    /// Milliseconds to the end.
    pub total_ms: u64,
}

/// The longest name of a conversation, in characters.
const NAME_MAX: usize = 120;

impl Exchange {
    /// What a conversation is called that begins with it: the first line of its prompt that says something.
    pub(super) fn title(&self) -> String {
        let line = self.prompt.lines().map(str::trim).find(|line| !line.is_empty());
        let attached = || self.attachments.first().map(|attachment| attachment.name.as_str());
        line.or_else(attached).unwrap_or_default().chars().take(NAME_MAX).collect()
    }

    /// `provider/model`; empty where nobody was asked.
    #[must_use]
    pub fn target(&self) -> String {
        if self.provider.is_empty() { String::new() } else { format!("{}/{}", self.provider, self.model) }
    }
}

/// A file that stood beside a prompt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachment {
    /// Its name, as the user gave it.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its size, in bytes.
    pub size: u64,
    /// The SHA-256 over it, in hexadecimal digits.
    pub sha256: String,
    /// Its bytes; `None`: they are not kept.
    pub content: Option<Vec<u8>>,
}

impl Attachment {
    /// An attachment with its content.
    #[must_use]
    pub fn new(name: &str, media_type: &str, content: Vec<u8>) -> Self {
        let sha256 = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { name: name.to_owned(), media_type: media_type.to_owned(), size: content.len() as u64, sha256, content: Some(content) }
    }
}
