//! The annotations of a client's earlier answer, given back to the texts that they are about.
//!
//! What a foreign provider cited by block was told to the client by characters; the block is parted out again where its
//! state came back, since only then can it be told to that provider. Start with [`attach`].

use std::ops::Range;

use super::annotation::Found;
use crate::chat::Unread;
use crate::chat::request::{Block, BlockKind};
use crate::chat::{Citation, UrlCitation};
use crate::wire::json::{Members, items};

/// The most annotations of one message that are looked at: each is compared with every text.
const ANNOTATIONS_MAX: usize = 512;

/// The blocks of a message's content with what its `annotations` say of them.
pub(super) fn attach<'a>(content: Vec<Block<'a>>, members: &Members<'a>, unread: &mut Unread) -> Vec<Block<'a>> {
    let Some(raw) = members.get("annotations") else { return content };
    let list = items(raw).unwrap_or_else(|| vec![raw]);
    let mut all = Vec::new();
    for raw in list.iter().take(ANNOTATIONS_MAX) {
        match Found::read(raw, None, unread) {
            Some(found) => all.push(found),
            None => unread.note_value("messages[].annotations[]"),
        }
    }
    let has_text = content.iter().any(|block| matches!(block.kind, BlockKind::Text(_)));
    if list.len() > ANNOTATIONS_MAX || (!has_text && !all.is_empty()) {
        unread.note_value("messages[].annotations");
    }
    if has_text && !all.is_empty() { place(content, all) } else { content }
}

/// Parts the texts where a citation with its state begins and ends, and gives each citation to the text that it begins in.
fn place<'a>(content: Vec<Block<'a>>, all: Vec<Found>) -> Vec<Block<'a>> {
    let mut cuts: Vec<usize> =
        all.iter().filter(|found| has_state(found)).filter_map(|found| found.span.clone()).flat_map(|s| [s.start, s.end]).collect();
    cuts.sort_unstable();
    let mut blocks = Vec::with_capacity(content.len());
    // Where each text stands among the characters of the content.
    let mut texts: Vec<(usize, Range<usize>)> = Vec::new();
    let mut chars = 0;
    for block in content {
        let BlockKind::Text(text) = &block.kind else {
            blocks.push(block);
            continue;
        };
        let text = text.read().into_owned();
        let place = chars..chars + text.chars().count();
        chars = place.end;
        let pieces = parted(&text, &place, &cuts);
        if let [_] = pieces.as_slice() {
            texts.push((blocks.len(), place));
            blocks.push(block);
            continue;
        }
        for (piece, place) in pieces {
            texts.push((blocks.len(), place));
            blocks.push(Block { kind: BlockKind::Text(piece.to_owned().into()), ..block.clone() });
        }
    }
    for found in all {
        let begins = |(_, place): &&(usize, Range<usize>)| found.span.as_ref().is_some_and(|span| place.contains(&span.start));
        let Some((at, place)) = texts.iter().find(begins).or(texts.first()).cloned() else { continue };
        if let Some(block) = blocks.get_mut(at) {
            block.citations.push(found.within(&place));
        }
    }
    blocks
}

/// Whether a provider's state came back with it.
fn has_state(found: &Found) -> bool {
    match &found.citation {
        Citation::Url(UrlCitation { opaque, .. }) => opaque.is_some(),
        Citation::Foreign(_) => false,
    }
}

/// `text`, which stands at `place`, in the pieces between `cuts`.
fn parted<'t>(text: &'t str, place: &Range<usize>, cuts: &[usize]) -> Vec<(&'t str, Range<usize>)> {
    let mut pieces = Vec::new();
    let (mut rest, mut from) = (text, place.start);
    for cut in cuts {
        if *cut <= from || *cut >= place.end {
            continue;
        }
        let at = rest.char_indices().nth(cut - from).map_or(rest.len(), |(at, _)| at);
        let (own, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        pieces.push((own, from..*cut));
        (rest, from) = (after, *cut);
    }
    pieces.push((rest, from..place.end));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(span: Range<usize>) -> Found {
        let raw = format!(
            r#"{{"type":"url_citation","url_citation":{{"url":"u","start_index":{},"end_index":{},"encrypted_index":"aimux1.anthropic.45"}}}}"#,
            span.start, span.end
        );
        let raw: &serde_json::value::RawValue = serde_json::from_str(&raw).expect("JSON");
        Found::read(raw, None, &mut Unread::default()).expect("an annotation")
    }

    fn sketch(texts: &[&'static str], spans: &[Range<usize>]) -> Vec<(String, usize)> {
        let content = texts.iter().map(|text| Block::from(BlockKind::Text((*text).into()))).collect();
        let blocks = place(content, spans.iter().cloned().map(found).collect());
        let text = |block: &Block<'_>| match &block.kind {
            BlockKind::Text(text) => text.read().into_owned(),
            _ => String::new(),
        };
        blocks.iter().map(|block| (text(block), block.citations.len())).collect()
    }

    #[test]
    fn texts_are_parted_where_citations_begin_and_end() {
        let is = |text: &str, citations| (text.to_owned(), citations);
        assert_eq!(sketch(&["Grüße 🌍!"], &[6..7, 6..7]), [is("Grüße ", 0), is("🌍", 2), is("!", 0)]);
        assert_eq!(sketch(&["ab", "cd"], &[2..4, 2..4]), [is("ab", 0), is("cd", 2)]);
        assert_eq!(sketch(&["abcd"], &[0..2, 1..3]), [is("a", 1), is("b", 1), is("c", 0), is("d", 0)]);
        // What points past the end, or over several texts, stands where it begins, else at the first.
        assert_eq!(sketch(&["ab", "cd"], &[1..3, 7..9]), [is("a", 1), is("b", 1), is("c", 0), is("d", 0)]);
    }
}
