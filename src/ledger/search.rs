//! Requests found by words: session, project, model, error code and whatever else of a request's text is remembered.
//!
//! There is no index of these words: the latest requests are looked at first, until there are enough. Start with [`Sought`].

use super::report::Span;
use crate::chat::Usage;

/// What is searched for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sought {
    /// Texts that must all be there, word for word, each perhaps (`true`) with a last word that only begins so. None: nothing
    /// is found.
    pub terms: Vec<(String, bool)>,
    /// When.
    pub span: Span,
    /// A part of the model asked for, or of `provider/model`.
    pub model: Option<String>,
    /// What it cost, in millionths of a US dollar, at least.
    pub cost_min: Option<u64>,
}

/// A request that was found. Empty text stands for "unknown".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// When it came, in milliseconds since 1970.
    pub time_ms: u64,
    /// Its id.
    pub request_id: String,
    /// The client's dialect.
    pub dialect: String,
    /// The client's program.
    pub program: String,
    /// What it was for, in the client's own work.
    pub role: String,
    /// The client's session.
    pub session: String,
    /// The agent within the session.
    pub agent: String,
    /// The project.
    pub project: String,
    /// The model that was asked for.
    pub asked: String,
    /// What decided where it went.
    pub route: String,
    /// Who was asked last: `provider/model`.
    pub target: String,
    /// With which key: its name.
    pub key: String,
    /// The status that the client got.
    pub status: u64,
    /// Why it failed: `AIMUX-E0505`.
    pub code: String,
    /// `complete`, `failed` or `client_gone`.
    pub ending: String,
    /// Who was asked before, or beside the last one, in order.
    pub earlier: Vec<EarlierTarget>,
    /// What it took.
    pub usage: Usage,
    /// Whether some of that is an estimate.
    pub is_estimated: bool,
    /// What it cost, in millionths of a US dollar; `None`: a price is unknown.
    pub cost: Option<u64>,
    /// Milliseconds to the first content.
    pub content_ms: Option<u64>,
    /// Milliseconds to the end.
    pub total_ms: u64,
}

/// Who was asked before the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierTarget {
    /// `provider/model`.
    pub target: String,
    /// The key's name.
    pub key: String,
    /// Why it failed: `AIMUX-E0505`; empty: it did not, it was cancelled.
    pub code: String,
}

/// Whether a text has what was searched for in it.
#[must_use]
pub fn has_term(text: &str, term: &(String, bool)) -> bool {
    Term::of(term).is_in(text)
}

/// Words that stand one behind the other.
pub(super) struct Term {
    pub(super) words: Vec<String>,
    is_begin: bool,
}

impl Term {
    pub(super) fn of((text, is_begin): &(String, bool)) -> Self {
        Self { words: words(text).collect(), is_begin: *is_begin }
    }

    fn is_in(&self, text: &str) -> bool {
        let there: Vec<String> = words(text).collect();
        let Some((last, before)) = self.words.split_last() else { return true };
        there.windows(self.words.len()).any(|window| {
            window
                .split_last()
                .is_some_and(|(word, first)| first == before && if self.is_begin { word.starts_with(last.as_str()) } else { word == last })
        })
    }
}

/// The words of a text, as the index of conversations has them: letters and digits, small.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

impl Request {
    /// Whether it has all of them.
    pub(super) fn has(&self, terms: &[Term]) -> bool {
        let status = self.status.to_string();
        terms.iter().all(|term| self.texts().chain([status.as_str()]).any(|text| term.is_in(text)))
    }

    /// All that is searched, a text each.
    fn texts(&self) -> impl Iterator<Item = &str> {
        let Self { request_id, dialect, program, role, session, agent, project, asked, route, target, key, code, ending, .. } = self;
        let own = [request_id, dialect, program, role, session, agent, project, asked, route, target, key, code, ending];
        let earlier = self.earlier.iter().flat_map(|one| [&one.target, &one.key, &one.code]);
        own.into_iter().chain(earlier).map(String::as_str)
    }
}
