//! Tests of the codec as a whole: requests, streams cut at every byte, the tap. The parts' own tests stand beside them.

use bytes::Bytes;
use serde_json::Value;

use crate::chat::Event;
use crate::dialect::{Quirks, ReplyMap, Upstream};
use crate::wire::sse::Splitter;

mod citations;
mod requests;
mod streams;
mod taps;

/// A stream with thinking, text, a call and usage, as the API sends it.
const HEALTHY: &str = include_str!("../../../../tests/fixtures/anthropic/thinking_text_tool.sse");

fn reply() -> ReplyMap {
    ReplyMap { model: "claude-x".to_owned(), id: "abc".to_owned(), input_estimate: 7, ..ReplyMap::default() }
}

fn upstream(quirks: &Quirks) -> Upstream<'_> {
    upstream_of("m", quirks)
}

fn upstream_of<'a>(model: &'a str, quirks: &'a Quirks) -> Upstream<'a> {
    let client = crate::dialect::Dialect::OpenAiChat;
    Upstream { provider: "p", model, quirks, output_max: None, sees_images: None, thinks: None, enforces_schemas: None, client }
}

/// What the decoder makes of `parts`.
fn decode(parts: &[&[u8]], reply: &ReplyMap) -> Vec<Event> {
    let mut decoder = (super::CODEC.stream_decoder)(reply, &Quirks { family: "anthropic", ..Quirks::ANTHROPIC });
    let mut splitter = Splitter::new(1 << 20);
    let mut events = Vec::new();
    for part in parts {
        splitter.push(part);
        while let Some(frame) = splitter.next_frame().expect("short") {
            decoder.frame(&frame, &mut events);
        }
    }
    if let Some(frame) = splitter.finish() {
        decoder.frame(&frame, &mut events);
    }
    decoder.end(&mut events);
    events
}

/// What the encoder makes of `events`.
fn encode(events: impl IntoIterator<Item = Event>) -> String {
    let mut encoder = (super::CODEC.stream_encoder)(&reply());
    let mut out = Vec::new();
    for event in events {
        encoder.event(event, &mut out, &mut Vec::new());
    }
    String::from_utf8(out).expect("UTF-8")
}

/// The events of a stream: name and data; the name must be the data's type.
fn events_of(stream: &str) -> Vec<Value> {
    let mut splitter = Splitter::new(1 << 20);
    splitter.push(stream.as_bytes());
    let mut found = Vec::new();
    while let Some(frame) = splitter.next_frame().expect("short") {
        let data: Value = serde_json::from_slice(&frame.data).unwrap_or_else(|_| panic!("not JSON: {:?}", frame.data));
        assert_eq!(data["type"].as_str().map(str::as_bytes), Some(frame.event.as_ref()), "{data}");
        found.push(data);
    }
    assert!(splitter.pending().is_empty(), "an unfinished frame: {:?}", String::from_utf8_lossy(splitter.pending()));
    found
}

/// Asserts the grammar that the SDKs rely on; gives the last event's type.
fn assert_grammar(stream: &str) -> String {
    let events = events_of(stream);
    let (mut open, mut next, mut started, mut ended) = (None, 0, false, None);
    for event in &events {
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        assert!(ended.is_none(), "{kind} after {ended:?}:\n{stream}");
        match kind.as_str() {
            "message_start" => {
                assert!(!std::mem::replace(&mut started, true), "started twice:\n{stream}");
                assert!(
                    event["message"]["usage"]["input_tokens"].is_u64() && event["message"]["usage"]["output_tokens"].is_u64(),
                    "{stream}"
                );
            }
            "content_block_start" => {
                assert!(started && open.is_none(), "{stream}");
                assert_eq!(event["index"], next, "{stream}");
                open = Some(next);
                next += 1;
            }
            "content_block_delta" => assert_eq!(event["index"].as_i64(), open, "{stream}"),
            "content_block_stop" => assert_eq!(event["index"].as_i64(), open.take(), "{stream}"),
            "message_delta" => assert!(open.is_none() && event["usage"]["output_tokens"].is_u64(), "{stream}"),
            "message_stop" | "error" => ended = Some(kind.clone()),
            "ping" => {}
            other => panic!("unknown event {other}"),
        }
    }
    ended.unwrap_or_else(|| panic!("no terminal:\n{stream}"))
}

/// Anthropic itself, whose signatures are in no envelope of ours.
const CLAUDE: Quirks = Quirks { family: "anthropic", ..Quirks::ANTHROPIC };

/// What the tap makes of `parts`.
fn tap(parts: &[&[u8]]) -> String {
    let mut tap = (super::CODEC.tap)(&ReplyMap::default(), &CLAUDE, 1 << 20);
    let mut out = Vec::new();
    for part in parts {
        out.extend_from_slice(&tap.push(Bytes::copy_from_slice(part)));
    }
    out.extend_from_slice(&tap.end());
    String::from_utf8(out).expect("UTF-8")
}

/// Every way to cut `stream` in two, and into single bytes.
fn cuts(stream: &str) -> impl Iterator<Item = Vec<&[u8]>> {
    let bytes = stream.as_bytes();
    (0..=bytes.len()).map(|at| vec![&bytes[..at], &bytes[at..]]).chain(std::iter::once(bytes.chunks(1).collect()))
}
