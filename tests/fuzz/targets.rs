//! What must hold for any input at all. Each target takes bytes and panics when its promise is broken.

use aimux::chat::{BlockStart, ChatResponse, Delta, Event};
use aimux::config::{self, Environment, Options, Strict};
use aimux::dialect::{Dialect, Quirks, ReplyMap, TextTool, Upstream, transcode};
use aimux::wire::peek::{PeekError, peek};
use aimux::wire::splice::splice;
use aimux::wire::sse::Splitter;
use bytes::Bytes;
use serde::de::IgnoredAny;

/// The promises of the splitter: where the bytes are cut makes no difference.
pub(crate) fn fuzz_sse(input: &[u8]) {
    let whole = frames([input]);
    for size in [1, 7] {
        assert_eq!(frames(input.chunks(size)), whole, "in pieces of {size}");
    }
}

fn frames<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<(Bytes, Bytes)> {
    let mut splitter = Splitter::new(1 << 20);
    let mut found = Vec::new();
    for part in parts {
        splitter.push(part);
        while let Some(frame) = splitter.next_frame().expect("the input is short") {
            found.push((frame.event, frame.data));
        }
    }
    found.extend(splitter.finish().map(|frame| (frame.event, frame.data)));
    found
}

/// Peek and a JSON parser agree on what is JSON; what is spliced stays JSON.
pub(crate) fn fuzz_peek(input: &[u8]) {
    let is_json = std::str::from_utf8(input).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    match peek(input, 64) {
        Ok(found) => {
            assert!(is_json);
            let model: String = serde_json::from_slice(&input[found.model_at.clone()]).unwrap_or_else(|_| found.model.clone());
            assert_eq!(model, found.model);
            let mut edits: Vec<_> = found.cuts.into_iter().map(|span| (span, b"".as_slice())).collect();
            edits.push((found.model_at, b"\"other\""));
            edits.sort_by_key(|(span, _)| span.start);
            let out = splice(&Bytes::copy_from_slice(input), &edits).into_bytes();
            assert!(serde_json::from_slice::<IgnoredAny>(&out).is_ok(), "{}", String::from_utf8_lossy(&out));
            assert_eq!(peek(&out, 64).expect("as before").model, "other");
        }
        Err(PeekError::Syntax { .. }) => assert!(!is_json),
        Err(_) => {}
    }
}

pub(crate) fn fuzz_anthropic_decode(input: &[u8]) {
    request(Dialect::AnthropicMessages, input);
}

pub(crate) fn fuzz_chat_decode(input: &[u8]) {
    request(Dialect::OpenAiChat, input);
}

/// A request that is understood is written in every dialect as JSON that the same dialect reads again.
fn request(from: Dialect, input: &[u8]) {
    let body = Bytes::copy_from_slice(input);
    let Ok(found) = peek(&body, 64) else { return };
    for to in Dialect::ALL {
        let quirks = quirks(to);
        let upstream = Upstream {
            provider: "p",
            model: "other",
            quirks: &quirks,
            output_max: Some(4096),
            sees_images: None,
            thinks: None,
            enforces_schemas: None,
            client: from,
        };
        let out = match transcode::render(&body, &found, from, to, &upstream) {
            Ok(transcode::Rendered::Passthrough(out)) => out.into_bytes(),
            Ok(transcode::Rendered::Translated { body, .. }) => body,
            Err(_) => continue,
        };
        assert_eq!(peek(&out, 200).expect("JSON with a model").model, "other");
        if from != to {
            let again = (to.codec().decode_request)(&out).err();
            // An address is the client's own: only one of the dialects looks at its form.
            let is_fine = again.as_ref().is_none_or(|error| error.path.ends_with("image_url"));
            assert!(is_fine, "{again:?}: {}", String::from_utf8_lossy(&out));
        }
    }
}

/// Whole answers and errors, of whatever dialect, are read by both codecs and written by both.
pub(crate) fn fuzz_answer(input: &[u8]) {
    for from in Dialect::ALL {
        for status in [200, 400, 429, 503] {
            let failure = (from.codec().decode_error)(status, input);
            for to in Dialect::ALL {
                json(&(to.codec().encode_error)(&failure, "req_1"));
            }
        }
        if let Ok(answer) = (from.codec().decode_response)(input, &ReplyMap::default(), &quirks(from)) {
            for to in Dialect::ALL {
                json(&(to.codec().encode_response)(&answer, &ReplyMap::default(), &mut Vec::new()));
            }
        }
        if serde_json::from_slice::<IgnoredAny>(input).is_ok()
            && let Ok((answer, _)) = (from.codec().relay)(Bytes::copy_from_slice(input), &with_text_tools(), &quirks(from))
        {
            json(&answer);
        }
    }
}

pub(crate) fn fuzz_anthropic_stream(input: &[u8]) {
    stream(Dialect::AnthropicMessages, input);
}

pub(crate) fn fuzz_chat_stream(input: &[u8]) {
    stream(Dialect::OpenAiChat, input);
}

/// A stream keeps the promises of [`Event`] and is written as events of JSON. The same dialect's tap only must not panic.
fn stream(from: Dialect, input: &[u8]) {
    let events = decode(from, input);
    check(&events);
    let _ = ChatResponse::from_events(events.clone());
    for to in Dialect::ALL {
        let mut encoder = (to.codec().stream_encoder)(&ReplyMap::default());
        let (mut out, mut losses) = (Vec::new(), Vec::new());
        for event in &events {
            encoder.event(event.clone(), &mut out, &mut losses);
            encoder.keep_alive(&mut out);
        }
        for (_, data) in frames([out.as_slice()]) {
            if !data.is_empty() && data != "[DONE]" {
                json(&data);
            }
        }
    }
    for map in [ReplyMap { model: "asked".into(), is_alias: true, ..ReplyMap::default() }, with_text_tools()] {
        let mut tap = (from.codec().tap)(&map, &quirks(from), 1 << 20);
        for part in input.chunks(50) {
            tap.push(Bytes::copy_from_slice(part));
            tap.keep_alive();
        }
        tap.end();
    }
}

fn with_text_tools() -> ReplyMap {
    let tools = vec![TextTool { name: "read".to_owned(), typed: vec!["n".to_owned()] }];
    ReplyMap { text_tools: tools, ..ReplyMap::default() }
}

fn decode(from: Dialect, input: &[u8]) -> Vec<Event> {
    let mut decoder = (from.codec().stream_decoder)(&with_text_tools(), &quirks(from));
    let mut splitter = Splitter::new(1 << 20);
    let mut events = Vec::new();
    splitter.push(input);
    while let Some(frame) = splitter.next_frame().expect("the input is short") {
        decoder.frame(&frame, &mut events);
    }
    if let Some(frame) = splitter.finish() {
        decoder.frame(&frame, &mut events);
    }
    decoder.end(&mut events);
    events
}

/// Any file is a config or has findings with a place; none repeats a secret that it found.
pub(crate) fn fuzz_config(input: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, input).unwrap();
    let options = Options { path: Some(path), listen: None };
    let keys = aimux::keys::Store::new(folder.path(), None);
    let Ok(found) = config::validate(&options, &Environment::new([]), &keys, Strict::No) else { return };
    assert_eq!(found.findings.iter().filter(|finding| finding.severity == "error").count(), found.errors);
    assert!(found.findings.iter().all(|finding| finding.line > 0 && finding.column > 0), "{}", found.rendered);
    assert!(!found.rendered.contains(super::seeds::SECRET), "{}", found.rendered);
}

/// A key's file, what is in one, an identity and a list of recipients of any content are read or refused; a key that is read is
/// what stands on the first line.
pub(crate) fn fuzz_key_file(input: &[u8]) {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    let folder = tempfile::tempdir().unwrap();
    std::fs::DirBuilder::new().mode(0o700).create(folder.path().join("keys")).unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(folder.path().join(name));
        std::io::Write::write_all(&mut file.unwrap(), bytes).unwrap();
    };
    let mut nobody = || Err(aimux::error::Error::new(aimux::error::Code::IdentityLocked, "nobody is asked"));
    let store = aimux::keys::Store::new(folder.path(), None);
    // One of them a round: each reading wipes a large buffer behind it.
    match input.len() % 3 {
        0 => {
            let identity = age::x25519::Identity::generate();
            put("identity.txt", age::secrecy::ExposeSecret::expose_secret(&identity.to_string()).as_bytes());
            put("keys/raw.age", input);
            put("keys/inner.age", &age::encrypt(&identity.to_public(), input).unwrap());
            let opener = store.opener(&mut nobody).unwrap();
            assert!(opener.read("raw").is_err(), "nobody encrypted it to this identity");
            if let Ok(key) = opener.read("inner") {
                let line = std::str::from_utf8(input).unwrap().lines().next().unwrap();
                assert_eq!(key.secret.expose(), line.trim());
                assert!(key.refresh.is_none_or(|refresh| !refresh.expose().is_empty() && !refresh.expose().contains('\n')));
            }
        }
        1 => {
            put("keys/.age-recipients", input);
            // Whatever is read can be written down again.
            let listed = store.recipients().unwrap_or_default();
            put("keys/.age-recipients", (listed.join("\n") + "\n").as_bytes());
            assert!(listed.is_empty() || store.recipients().unwrap() == listed, "{listed:?}");
        }
        _ => {
            put("identity.txt", input);
            let is_protected = store.protected().unwrap_or(None) == Some(true);
            assert!(store.opener(&mut nobody).is_err() || !is_protected, "nobody was asked");
            let _ = (store.plugins(), aimux::keys::wants_passphrase(input), aimux::keys::is_age_file(input));
        }
    }
}

/// The grammar of events.
fn check(events: &[Event]) {
    let is_terminal = |event: &&Event| matches!(event, Event::End | Event::Failed(_));
    assert_eq!(events.iter().filter(is_terminal).count(), 1, "one terminal: {events:?}");
    assert!(events.last().as_ref().is_some_and(is_terminal), "the terminal is last: {events:?}");
    let has_failed = matches!(events.last(), Some(Event::Failed(_)));
    let starts = events.iter().filter(|event| matches!(event, Event::Start { .. })).count();
    assert!(starts <= 1 && (has_failed || starts == 1), "one start: {events:?}");
    let finishes = events.iter().filter(|event| matches!(event, Event::Finish { .. })).count();
    assert!(finishes <= 1 && (has_failed || finishes == 1), "one finish: {events:?}");
    let mut blocks: Vec<(&BlockStart, bool)> = Vec::new();
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Start { .. } => assert_eq!(at, 0, "the start is first: {events:?}"),
            Event::BlockStart { index, block } => {
                assert_eq!(*index as usize, blocks.len(), "indexes rise: {events:?}");
                if let BlockStart::ToolCall { id, name } = block {
                    assert!(!id.is_empty() && !name.is_empty(), "a call has id and name: {events:?}");
                }
                blocks.push((block, true));
            }
            Event::Delta { index, delta } => {
                let (block, is_open) = blocks.get(*index as usize).expect("a delta's block was started");
                assert!(is_open, "a delta's block is open: {events:?}");
                let fits = match delta {
                    Delta::Text(_) | Delta::Citation(_) => matches!(block, BlockStart::Text),
                    Delta::Thinking(_) | Delta::Signature(_) => matches!(block, BlockStart::Thinking),
                    Delta::Arguments(_) => matches!(block, BlockStart::ToolCall { .. }),
                };
                assert!(fits, "a delta is of its block's kind: {events:?}");
            }
            Event::BlockStop { index } => {
                let (_, is_open) = blocks.get_mut(*index as usize).expect("what stops was started");
                assert!(*is_open, "a block stops once: {events:?}");
                *is_open = false;
            }
            Event::Finish { .. } => assert!(blocks.iter().all(|(_, is_open)| !is_open), "no block is open at the finish: {events:?}"),
            Event::Usage(_) | Event::Lost(_) | Event::End | Event::Failed(_) => {}
        }
    }
}

fn quirks(dialect: Dialect) -> Quirks {
    match dialect {
        Dialect::AnthropicMessages => Quirks::ANTHROPIC,
        Dialect::OpenAiChat => Quirks { inline_think: true, ..Quirks::CHAT },
    }
}

fn json(bytes: &[u8]) {
    assert!(serde_json::from_slice::<IgnoredAny>(bytes).is_ok(), "{}", String::from_utf8_lossy(bytes));
}
