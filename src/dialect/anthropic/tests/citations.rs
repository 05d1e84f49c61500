//! What an answer cites: read from an upstream, written for a client, whole and streamed.

use serde_json::{Value, json};

use super::{assert_grammar, cuts, decode, encode, events_of, reply};
use crate::chat::response::ResponseBlock;
use crate::chat::{ChatResponse, Citation, Event, ForeignCitation, Loss, Opaque, UrlCitation};
use crate::dialect::Quirks;

/// A search by Anthropic's own tool: blocks of the tool, cited and plain text, a page of a document.
const SEARCH: &str = include_str!("../../../../tests/fixtures/anthropic/web_search.sse");

fn page(url: &str, title: Option<&str>, cited_text: &str, state: &str) -> Citation {
    let (title, opaque) = (title.map(str::to_owned), Some(Opaque::new("anthropic", state)));
    Citation::Url(UrlCitation { url: url.to_owned(), title, cited_text: Some(cited_text.to_owned()), span: None, opaque })
}

/// The blocks of [`SEARCH`].
fn blocks() -> Vec<ResponseBlock> {
    let in_pdf =
        r#"{"type":"page_location","cited_text":"p","document_index":0,"document_title":"D","start_page_number":1,"end_page_number":2}"#;
    vec![
        ResponseBlock::text("I look it up. "),
        ResponseBlock::text("Grüße: 🌍 "),
        ResponseBlock::Text {
            text: "Łódź is from 1423".to_owned(),
            citations: vec![
                page("https://a.example/1", Some("A"), "Łódź was founded in 1423.", "Eo8B+/="),
                page("https://b.example/2", None, "In 1423 \"Łódź\" …", "EpAB"),
            ],
        },
        ResponseBlock::Text {
            text: ".".to_owned(),
            citations: vec![Citation::Foreign(ForeignCitation { kind: "page_location".to_owned(), raw: in_pdf.to_owned() })],
        },
    ]
}

fn losses() -> Vec<Loss> {
    ["server_tool_use", "web_search_tool_result"].map(|kind| Loss::dropped(format!("answer.content[].{kind}"))).into()
}

#[test]
fn a_cited_stream_folds_to_its_answer_however_it_is_cut() {
    let whole = decode(&[SEARCH.as_bytes()], &reply());
    for parts in cuts(SEARCH) {
        assert_eq!(decode(&parts, &reply()), whole);
    }
    let answer = ChatResponse::from_events(whole).expect("an answer");
    assert_eq!(answer.blocks, blocks());
    assert_eq!(answer.losses, losses(), "the blocks of the provider's own tool are named");
}

#[test]
fn a_cited_answer_reads_the_same_again_streamed_and_whole() {
    let answer = ChatResponse::from_events(decode(&[SEARCH.as_bytes()], &reply())).expect("an answer");
    let stream = encode(answer.clone().into_events());
    assert_eq!(assert_grammar(&stream), "message_stop");
    assert_eq!(ChatResponse::from_events(decode(&[stream.as_bytes()], &reply())).expect("an answer").blocks, blocks());
    let mut lost = Vec::new();
    let whole = (super::super::CODEC.encode_response)(&answer, &reply(), &mut lost);
    assert_eq!(lost, losses());
    let quirks = Quirks { family: "anthropic", ..Quirks::ANTHROPIC };
    let again = (super::super::CODEC.decode_response)(&whole, &reply(), &quirks).expect("an answer");
    assert_eq!((again.blocks, again.losses), (blocks(), Vec::new()));
}

#[test]
fn citations_that_stand_in_a_blocks_start_are_read() {
    let start = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "a", "citations": [
        {"type": "web_search_result_location", "url": "https://a.example/1", "title": "", "cited_text": "", "encrypted_index": ""}]}});
    let stream = format!("data: {start}\n\ndata: {{\"type\":\"message_stop\"}}\n\n");
    let citation = UrlCitation { url: "https://a.example/1".to_owned(), title: None, cited_text: None, span: None, opaque: None };
    let block = ResponseBlock::Text { text: "a".to_owned(), citations: vec![Citation::Url(citation)] };
    assert_eq!(ChatResponse::from_events(decode(&[stream.as_bytes()], &reply())).expect("an answer").blocks, [block]);
}

/// An answer of another dialect.
fn foreign() -> ChatResponse {
    let opaque = Some(Opaque::new("openai", ""));
    let citation =
        UrlCitation { url: "https://a.example/1".to_owned(), title: Some("A".to_owned()), cited_text: None, span: Some(2..5), opaque };
    let file = ForeignCitation::new("file_citation", r#"{"type":"file_citation"}"#);
    let citations = vec![Citation::Url(citation), Citation::Foreign(file)];
    ChatResponse { blocks: vec![ResponseBlock::Text { text: "Grüße".to_owned(), citations }], ..ChatResponse::default() }
}

#[test]
fn a_citation_from_elsewhere_has_every_member_and_our_envelope() {
    let envelope = Opaque::new("openai", "2-5").seal();
    let expected = json!({"type": "web_search_result_location", "cited_text": "", "url": "https://a.example/1", "title": "A", "encrypted_index": envelope});
    let mut lost = Vec::new();
    let whole = (super::super::CODEC.encode_response)(&foreign(), &reply(), &mut lost);
    let whole: Value = serde_json::from_slice(&whole).expect("JSON");
    assert_eq!(whole["content"], json!([{"type": "text", "text": "Grüße", "citations": [expected]}]));
    assert_eq!(lost, [Loss::dropped("answer.citations.file_citation")]);
    let stream = encode(foreign().into_events());
    assert_eq!(assert_grammar(&stream), "message_stop");
    let deltas: Vec<Value> = events_of(&stream).into_iter().map(|event| event["delta"].clone()).collect();
    let cited: Vec<&Value> = deltas.iter().filter(|delta| delta["type"] == "citations_delta").collect();
    assert_eq!(cited, [&json!({"type": "citations_delta", "citation": expected})]);
}

#[test]
fn a_stream_names_what_it_could_not_say_once() {
    let mut encoder = (super::super::CODEC.stream_encoder)(&reply());
    let mut lost = Vec::new();
    let twice = foreign().into_events().into_iter().flat_map(|event| match event {
        Event::Delta { index: _, delta: _ } => vec![event.clone(), event],
        event => vec![event],
    });
    twice.for_each(|event| encoder.event(event, &mut Vec::new(), &mut lost));
    assert_eq!(lost, [Loss::dropped("answer.citations.file_citation")]);
}

#[test]
fn a_kind_that_is_no_word_is_not_repeated() {
    assert_eq!(Loss::of_kind("citations", "a\r\nb").to_string(), "answer.citations.unknown;dropped");
    assert_eq!(Loss::of_kind("citations", &"a".repeat(100)).to_string(), "answer.citations.unknown;dropped");
}
