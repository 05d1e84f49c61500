//! What a text of an answer rests on: pages of the web, which several dialects can name, and places that only one can.
//!
//! Lacks what a request says about its documents (whether they may be cited): that belongs to one dialect alone.

use std::ops::Range;

use super::loss::{Loss, lose};
use super::opaque::Opaque;

/// A source that a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Citation {
    /// A page of the web.
    Url(UrlCitation),
    /// A place that only one dialect has a word for: a page of a document in the request, an uploaded file.
    Foreign(ForeignCitation),
}

impl Citation {
    /// Whether a dialect has a word for it, whose own kinds these are; what it has none for is recorded.
    pub(crate) fn is_sayable(&self, own: &[&str], losses: &mut Vec<Loss>) -> bool {
        match self {
            Self::Foreign(ForeignCitation { kind, raw: _ }) if !own.contains(&kind.as_str()) => {
                lose(losses, Loss::of_kind("citations", kind));
                false
            }
            Self::Foreign(_) | Self::Url(_) => true,
        }
    }
}

/// A page of the web.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlCitation {
    /// Its address; not empty.
    pub url: String,
    /// Its title.
    pub title: Option<String>,
    /// The page's own words.
    pub cited_text: Option<String>,
    /// The characters of the block's text that rest on it; `None`: all of them.
    pub span: Option<Range<usize>>,
    /// The provider's state, which its family wants back; empty where only the origin is known.
    pub opaque: Option<Opaque>,
}

/// A citation that only its own dialect knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignCitation {
    /// Its `type`.
    pub kind: String,
    /// The citation as JSON without line breaks: it may leave as part of an event.
    pub raw: String,
}

impl ForeignCitation {
    /// The citation `json` of this `kind`.
    pub(crate) fn new(kind: impl Into<String>, json: &str) -> Self {
        // Between JSON's tokens a blank is as good, and in a string no line break stands unescaped.
        Self { kind: kind.into(), raw: json.replace(['\n', '\r'], " ") }
    }
}
