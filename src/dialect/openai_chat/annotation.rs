//! Annotations of an answer: what its text rests on, by character of the whole `content`.
//!
//! The canonical model counts within a block, so every reader and writer here is told where its block begins. A foreign
//! provider's state travels in our envelope as `url_citation.encrypted_index`; the page's own words as `content`, which is
//! OpenRouter's name for them. Sources: platform.openai.com, "Web search", chat completions reference; openrouter.ai,
//! "Web search" (2026-07).

use std::borrow::Cow;
use std::ops::Range;

use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::chat::{Citation, ForeignCitation, Loss, Opaque, Unread, UrlCitation};
use crate::wire::json::{Members, count};
use crate::wire::read;

/// The kind that other dialects have too.
const URL: &str = "url_citation";
/// The kinds that are this dialect's alone.
const OWN: [&str; 4] = ["file", "file_citation", "file_path", "container_file_citation"];

/// Whether there is a word for a citation; what there is none for is recorded.
pub(super) fn is_sayable(citation: &Citation, losses: &mut Vec<Loss>) -> bool {
    citation.is_sayable(&OWN, losses)
}

/// Who is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// A client, which keeps what another dialect's provider wants back.
    Client,
    /// An upstream, which gets what OpenAI's own annotations have.
    Upstream,
}

/// A citation that [`is_sayable`], as it is written.
pub(super) struct Annotation<'a> {
    pub(super) citation: &'a Citation,
    /// The characters of the content that are the citation's block.
    pub(super) block: Range<usize>,
    pub(super) to: Audience,
}

impl Serialize for Annotation<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Typed<'a> {
            #[serde(rename = "type")]
            kind: &'static str,
            url_citation: Url<'a>,
        }
        #[derive(serde::Serialize)]
        struct Url<'a> {
            url: &'a str,
            // OpenAI's SDKs want one.
            title: &'a str,
            start_index: usize,
            end_index: usize,
            #[serde(skip_serializing_if = "Option::is_none")]
            content: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            encrypted_index: Option<String>,
        }
        let Range { start: from, end: to } = self.block;
        match self.citation {
            Citation::Url(UrlCitation { url, title, cited_text, span, opaque }) => {
                let is_kept = self.to == Audience::Client;
                let at = |offset: usize| from.saturating_add(offset).min(to);
                let (start_index, end_index) = span.as_ref().map_or((from, to), |span| (at(span.start), at(span.end)));
                let url_citation = Url {
                    url,
                    title: title.as_deref().unwrap_or_default(),
                    start_index,
                    end_index,
                    content: cited_text.as_deref().filter(|_| is_kept),
                    encrypted_index: opaque.as_ref().filter(|opaque| is_kept && !opaque.state.is_empty()).map(Opaque::seal),
                };
                Typed { kind: URL, url_citation }.serialize(serializer)
            }
            Citation::Foreign(ForeignCitation { kind: _, raw }) => {
                read::from_str::<&RawValue>(raw).map_err(S::Error::custom)?.serialize(serializer)
            }
        }
    }
}

/// An annotation as it comes.
pub(super) struct Found {
    pub(super) citation: Citation,
    /// The characters of the whole content that it covers.
    pub(super) span: Option<Range<usize>>,
}

impl Found {
    /// `None` where `raw` is no annotation. State is known by our envelope; else `family` is the maker.
    pub(super) fn read(raw: &RawValue, family: Option<&str>, unread: &mut Unread) -> Option<Self> {
        let members = Members::of(raw)?;
        let kind = members.str("type").unwrap_or_default();
        // Some servers leave out the inner object.
        let nested = members.get(URL).and_then(Members::of);
        let page = nested.as_ref().unwrap_or(&members);
        let own = |name: &str| page.str(name).filter(|text| !text.is_empty()).map(Cow::into_owned);
        let Some(url) = own("url").filter(|_| kind == URL) else {
            let citation = Citation::Foreign(ForeignCitation::new(kind, raw.get()));
            return Some(Self { citation, span: None });
        };
        let at = |name: &str| page.get(name).and_then(count).and_then(|at| usize::try_from(at).ok());
        let span = at("start_index").zip(at("end_index")).filter(|(from, to)| from < to).map(|(from, to)| from..to);
        let opaque = page.str("encrypted_index").and_then(|index| Opaque::open(&index)).or_else(|| Some(Opaque::new(family?, "")));
        let citation = UrlCitation { url, title: own("title"), cited_text: own("content"), span: None, opaque };
        unread.note("messages[].annotations[]", members.unread());
        nested.iter().for_each(|page| unread.note("messages[].annotations[].url_citation", page.unread()));
        Some(Self { citation: Citation::Url(citation), span })
    }

    /// The citation of the text that stands at `place`, which may go on.
    pub(super) fn within(mut self, place: &Range<usize>) -> Citation {
        if let (Citation::Url(page), Some(span)) = (&mut self.citation, self.span.filter(|span| span != place)) {
            page.span = span.start.checked_sub(place.start).map(|start| start..span.end.saturating_sub(place.start));
        }
        self.citation
    }
}
