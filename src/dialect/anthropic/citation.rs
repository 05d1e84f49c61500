//! Citations of a text, in answers and in the history: pages of the web have their like elsewhere, places in the request's
//! documents have none.
//!
//! `encrypted_index` is the state that Anthropic wants back with a citation. A citation that was made elsewhere has our
//! envelope there, which keeps its maker and the characters that it covers. Source: docs.anthropic.com, "Web search tool"
//! and "Citations" (2026-06).

use std::borrow::Cow;
use std::ops::Range;

use serde_json::value::RawValue;

use super::wire::FAMILY;
use crate::chat::{Citation, ForeignCitation, Loss, Opaque, Unread, UrlCitation};
use crate::wire::json::Members;
use crate::wire::object::Object;

/// The kind that other dialects have too.
const URL: &str = "web_search_result_location";
/// The kinds that are this dialect's alone.
const OWN: [&str; 4] = ["char_location", "page_location", "content_block_location", "search_result_location"];

/// Reads a citation whose state belongs to `family`, unless it is in an envelope of ours. `None` where it is none.
pub(super) fn read_citation(raw: &RawValue, family: &str, unread: &mut Unread) -> Option<Citation> {
    let members = Members::of(raw)?;
    let kind = members.str("type")?;
    let own = |name: &str| members.str(name).filter(|text| !text.is_empty()).map(Cow::into_owned);
    Some(match own("url").filter(|_| kind == URL) {
        Some(url) => {
            let (opaque, span) = members.str("encrypted_index").map_or((None, None), |index| open(&index, family));
            let page = UrlCitation { url, title: own("title"), cited_text: own("cited_text"), span, opaque };
            unread.note("messages[].content[].citations[]", members.unread());
            Citation::Url(page)
        }
        None => Citation::Foreign(ForeignCitation::new(kind, raw.get())),
    })
}

/// The state and the characters of the text that an `encrypted_index` tells of.
fn open(index: &str, family: &str) -> (Option<Opaque>, Option<Range<usize>>) {
    match Opaque::open(index) {
        Some(Opaque { family, state }) => match state.split_once('-').and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?)) {
            Some(span) => (Some(Opaque::new(family, "")), Some(span)),
            None => (Some(Opaque::new(family, state)), None),
        },
        None => ((!index.is_empty()).then(|| Opaque::new(family, index)), None),
    }
}

/// The `encrypted_index` for a client: Anthropic's own as it is, else our envelope.
fn seal(opaque: Option<&Opaque>, span: Option<&Range<usize>>) -> String {
    match opaque {
        Some(Opaque { family, state }) if family == FAMILY && !state.is_empty() => state.clone(),
        Some(opaque @ Opaque { family: _, state }) if !state.is_empty() => opaque.seal(),
        other => {
            let family = other.map_or("unsigned", |opaque| &opaque.family);
            Opaque::new(family, span.map(|Range { start, end }| format!("{start}-{end}")).unwrap_or_default()).seal()
        }
    }
}

/// Whether a client can be told of a citation; what it cannot be told of is recorded.
pub(super) fn is_sayable(citation: &Citation, losses: &mut Vec<Loss>) -> bool {
    citation.is_sayable(&OWN, losses)
}

/// Writes a citation for a client, one that [`is_sayable`].
pub(super) fn write_citation(out: &mut Vec<u8>, citation: &Citation) {
    match citation {
        Citation::Url(UrlCitation { url, title, cited_text, span, opaque }) => {
            write_url(out, url, title.as_deref(), cited_text.as_deref(), &seal(opaque.as_ref(), span.as_ref()));
        }
        Citation::Foreign(ForeignCitation { kind: _, raw }) => out.extend_from_slice(raw.as_bytes()),
    }
}

/// Writes a page of the web. The API and its SDKs want every member.
pub(super) fn write_url(out: &mut Vec<u8>, url: &str, title: Option<&str>, cited_text: Option<&str>, index: &str) {
    let mut object = Object::open(out);
    object.str("type", URL).str("cited_text", cited_text.unwrap_or_default()).str("url", url);
    match title {
        Some(title) => object.str("title", title),
        None => object.raw("title", "null"),
    };
    object.str("encrypted_index", index);
    object.close();
}
