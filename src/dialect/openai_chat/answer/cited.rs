//! What an answer's text cites. Servers tell it before, with or after the text, at times twice.
//!
//! Start with [`Answer::cite`].

use super::Answer;
use crate::chat::{Citation, Delta, Event, Loss, Unread};
use crate::dialect::openai_chat::annotation::Found;
use crate::dialect::openai_chat::chunk;
use crate::wire::json::items;

/// The most citations of one answer: what is told twice is looked for among them.
const CITATIONS_MAX: usize = 512;

/// The citations of an answer, and how far its text has come.
#[derive(Default)]
pub(super) struct Cited {
    /// Characters of content that have come.
    content: usize,
    /// Characters of text that were said of it, and before the block that is open.
    text: usize,
    block_from: usize,
    /// What came while no text was open.
    waiting: Vec<Found>,
    /// What has been told, verbatim.
    seen: Vec<Box<str>>,
}

impl Cited {
    /// A text block begins.
    pub(super) fn begin_text(&mut self) {
        self.block_from = self.text;
    }

    /// Content has come.
    pub(super) fn came(&mut self, content: &str) {
        self.content += content.chars().count();
    }

    /// Text was said.
    pub(super) fn said(&mut self, text: &str) {
        self.text += text.chars().count();
    }

    /// Where thinking or calls were taken out of the content, or wait to be, its indexes are not the text's.
    fn within_block(&self, mut found: Found) -> Citation {
        found.span = found.span.filter(|_| self.content == self.text);
        found.within(&(self.block_from..usize::MAX))
    }
}

/// The loss of annotations that belong to no text.
fn lost() -> Event {
    Event::Lost(Loss::dropped("answer.annotations"))
}

impl Answer {
    /// Takes the annotations of a delta.
    pub(super) fn cite(&mut self, delta: &chunk::Delta<'_>, out: &mut Vec<Event>) {
        if delta.images.and_then(items).is_some_and(|images| !images.is_empty()) {
            self.start_anyway(out);
            out.push(Event::Lost(Loss::dropped("answer.images")));
        }
        for raw in delta.annotations.and_then(items).unwrap_or_default() {
            if self.cited.seen.iter().any(|seen| **seen == *raw.get()) {
                continue;
            }
            self.start_anyway(out);
            match Found::read(raw, Some(self.family), &mut Unread::default()) {
                Some(found) if self.cited.seen.len() < CITATIONS_MAX => {
                    self.cited.seen.push(raw.get().into());
                    self.cited.waiting.push(found);
                }
                _ => out.push(lost()),
            }
        }
        self.cite_waiting(out);
    }

    /// Says what was held until a text is open.
    pub(super) fn cite_waiting(&mut self, out: &mut Vec<Event>) {
        let Some(index) = self.text.filter(|_| !self.cited.waiting.is_empty()) else { return };
        for found in std::mem::take(&mut self.cited.waiting) {
            let citation = Box::new(self.cited.within_block(found));
            out.push(Event::Delta { index, delta: Delta::Citation(citation) });
        }
    }

    /// Annotations that no text has come for.
    pub(super) fn lose_waiting(&mut self, out: &mut Vec<Event>) {
        if !std::mem::take(&mut self.cited.waiting).is_empty() {
            out.push(lost());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::chat::response::ResponseBlock;
    use crate::chat::{ChatResponse, Citation, Loss};
    use crate::dialect::openai_chat::CODEC;
    use crate::dialect::{Quirks, ReplyMap};

    fn answer(deltas: &[&str]) -> ChatResponse {
        let chunk = |delta: &&str| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}\n\n");
        let stream: String = deltas.iter().map(chunk).chain(["data: [DONE]\n\n".to_owned()]).collect();
        let mut decoder = (CODEC.stream_decoder)(&ReplyMap::default(), &Quirks::CHAT);
        ChatResponse::from_events(decoder.whole(stream.as_bytes(), 1 << 20)).expect("an answer")
    }

    type Span = Option<(usize, usize)>;

    /// The text of each text block with the characters of it that are cited.
    fn cited(answer: &ChatResponse) -> Vec<(&str, Vec<Span>)> {
        let span = |citation: &Citation| match citation {
            Citation::Url(page) => page.span.as_ref().map(|span| (span.start, span.end)),
            Citation::Foreign(_) => None,
        };
        let texts = answer.blocks.iter().filter_map(|block| match block {
            ResponseBlock::Text { text, citations } => Some((text.as_str(), citations.iter().map(span).collect())),
            _ => None,
        });
        texts.collect()
    }

    const PAGE: &str = r#"{"annotations":[{"type":"url_citation","url_citation":{"url":"u","start_index":3,"end_index":5}}]}"#;
    const CALL: &str = r#"{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}]}"#;

    #[test]
    fn characters_count_from_the_block_that_they_are_in() {
        let found = answer(&[r#"{"content":"éa"}"#, CALL, r#"{"content":"bcde"}"#, PAGE]);
        assert_eq!(cited(&found), [("éa", vec![]), ("bcde", vec![Some((1, 3))])]);
        // Before the block: no characters of it can be named.
        let found = answer(&[r#"{"content":"abcde"}"#, CALL, r#"{"content":"f"}"#, PAGE]);
        assert_eq!(cited(&found), [("abcde", vec![]), ("f", vec![None])]);
    }

    #[test]
    fn what_no_text_comes_for_is_named_as_lost() {
        for deltas in [&[r#"{"content":"abcde"}"#, CALL, PAGE][..], &[PAGE, CALL]] {
            let found = answer(deltas);
            assert!(cited(&found).iter().all(|(_, spans)| spans.is_empty()));
            assert_eq!(found.losses, [Loss::dropped("answer.annotations")]);
        }
        assert_eq!(answer(&[r#"{"content":"a","images":[{"type":"image_url"}]}"#]).losses, [Loss::dropped("answer.images")]);
    }

    #[test]
    fn the_number_of_citations_has_a_limit() {
        let page = |n: usize| format!(r#"{{"type":"url_citation","url_citation":{{"url":"u{n}"}}}}"#);
        let many: Vec<String> = (0..600).map(page).collect();
        let found = answer(&[r#"{"content":"a"}"#, &format!(r#"{{"annotations":[{}]}}"#, many.join(","))]);
        assert_eq!(cited(&found).first().map(|(_, spans)| spans.len()), Some(super::CITATIONS_MAX));
        assert_eq!(found.losses, [Loss::dropped("answer.annotations")]);
    }
}
