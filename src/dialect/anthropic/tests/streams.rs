//! Streams decoded from an upstream and encoded for a client.

use super::{HEALTHY, assert_grammar, cuts, decode, encode, events_of, reply};
use crate::chat::response::ResponseBlock;
use crate::chat::{BlockStart, ChatResponse, Delta, Event, Failure, Opaque, StopReason, Usage};
use crate::dialect::{Quirks, ReplyMap};

fn fold(stream: &str) -> ChatResponse {
    ChatResponse::from_events(decode(&[stream.as_bytes()], &reply())).expect("a whole answer")
}

fn failure(stream: &str) -> Failure {
    ChatResponse::from_events(decode(&[stream.as_bytes()], &reply())).expect_err("a failure")
}

fn data(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("data: {line}\n\n")).collect()
}

#[test]
fn a_healthy_stream_folds_to_its_answer() {
    let answer = fold(HEALTHY);
    assert_eq!(answer.id.as_deref(), Some("msg_1"));
    assert_eq!(answer.stop, Some(StopReason::ToolUse));
    assert_eq!(answer.usage, Usage { input: Some(12), cache_read: Some(40), cache_write: Some(3), output: Some(31), ..Usage::default() });
    assert_eq!(
        answer.blocks,
        [
            ResponseBlock::Thinking { text: "I look it up.".to_owned(), opaque: Some(Opaque::new("anthropic", "EqoBCkgI")) },
            ResponseBlock::text("Grüße 🌍 \u{2028} done\n"),
            ResponseBlock::ToolCall {
                id: "toolu_1".to_owned(),
                name: "get_weather".to_owned(),
                arguments: "{\"id\": 9007199254740993}".to_owned()
            },
        ]
    );
}

#[test]
fn every_cut_decodes_to_the_same_events() {
    let whole = decode(&[HEALTHY.as_bytes()], &reply());
    for parts in cuts(HEALTHY) {
        assert_eq!(decode(&parts, &reply()), whole);
    }
    assert_eq!(decode(&[HEALTHY.replace('\n', "\r\n").as_bytes()], &reply()), whole);
}

#[test]
fn what_was_decoded_encodes_to_the_clients_grammar() {
    let stream = encode(decode(&[HEALTHY.as_bytes()], &reply()));
    assert_eq!(assert_grammar(&stream), "message_stop");
    let again = ChatResponse::from_events(decode(&[stream.as_bytes()], &reply())).expect("whole");
    assert_eq!(again.id.as_deref(), Some("msg_abc"));
    assert_eq!(ChatResponse { id: None, model: None, ..again }, ChatResponse { id: None, model: None, ..fold(HEALTHY) });
}

#[test]
fn a_stream_cut_short_anywhere_fails_and_never_ends_politely() {
    let finish = HEALTHY.find("event: message_delta").expect("there");
    let first_data = HEALTHY.find("data:").expect("there");
    for at in 0..=finish {
        if !HEALTHY.is_char_boundary(at) {
            continue;
        }
        let events = decode(&[&HEALTHY.as_bytes()[..at]], &reply());
        let terminals = events.iter().filter(|event| matches!(event, Event::End | Event::Failed(_))).count();
        assert_eq!(terminals, 1, "cut at {at}");
        assert!(matches!(events.last(), Some(Event::Failed(_))), "cut at {at}");
        if at > first_data {
            assert_eq!(assert_grammar(&encode(events)), "error", "cut at {at}");
        }
    }
}

#[test]
fn what_servers_forget_is_made_up_for() {
    let stream = data(&[
        r#"{"type":"message_start","message":{"usage":null}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#,
        "[DONE]",
        r#"{"type":"something_new","x":1}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"weird"},"usage":{"input_tokens":5,"output_tokens":2}}"#,
    ]);
    let answer = fold(&stream);
    assert_eq!(answer.blocks, [ResponseBlock::text("a")]);
    assert_eq!((answer.stop, answer.usage.input, answer.usage.output), (Some(StopReason::End), Some(5), Some(2)));
    assert_eq!(assert_grammar(&encode(decode(&[stream.as_bytes()], &reply()))), "message_stop");
}

#[test]
fn errors_are_seen_in_every_disguise() {
    let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#;
    for stream in [
        format!("event: error\ndata: {overloaded}\n\n"),
        format!("data: {overloaded}\n\n"),
        overloaded.to_owned(),
        r#"{"error":{"message":"busy","code":529}}"#.to_owned(),
        "data: {\"error\":{\"message\":\"busy\",\"code\":529}}\n\n".to_owned(),
    ] {
        let failure = failure(&stream);
        assert_eq!((failure.status, failure.message.as_str()), (529, "busy"), "{stream}");
    }
    assert_eq!(failure("<html><title>no</title></html>").status, 502);
    assert_eq!(failure("").status, 502);
    assert_eq!(failure("event: error\ndata: plain words\n\n").message, "plain words");
}

#[test]
fn a_whole_message_to_a_stream_request_is_streamed() {
    let body = r#"{"id":"m","type":"message","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}"#;
    assert_eq!(fold(body).blocks, [ResponseBlock::text("hi")]);
}

#[test]
fn the_schema_tools_call_comes_out_as_text() {
    let reply = ReplyMap { schema_tool: Some("get_weather".to_owned()), ..reply() };
    let answer = ChatResponse::from_events(decode(&[HEALTHY.as_bytes()], &reply)).expect("whole");
    assert_eq!(answer.blocks[2], ResponseBlock::text("{\"id\": 9007199254740993}"));
    assert_eq!(answer.stop, Some(StopReason::End));
}

#[test]
fn shortened_names_are_restored_and_arguments_in_the_start_are_kept() {
    let reply = ReplyMap { names: vec![("short".to_owned(), "a.long name".to_owned())], ..reply() };
    let stream = data(&[
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"","name":"short","input":{"n":18014398509481985}}}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
    ]);
    let answer = ChatResponse::from_events(decode(&[stream.as_bytes()], &reply)).expect("whole");
    let [ResponseBlock::ToolCall { id, name, arguments }] = answer.blocks.as_slice() else { panic!("{answer:?}") };
    assert_eq!((name.as_str(), arguments.as_str()), ("a.long name", "{\"n\":18014398509481985}"));
    assert!(!id.is_empty());
    assert_eq!(answer.stop, Some(StopReason::ToolUse));
}

fn call(index: u32, id: &str) -> Event {
    Event::BlockStart { index, block: BlockStart::ToolCall { id: id.to_owned(), name: "f".to_owned() } }
}

fn arguments(index: u32, text: &str) -> Event {
    Event::Delta { index, delta: Delta::Arguments(text.to_owned()) }
}

#[test]
fn interleaved_calls_come_out_one_after_the_other() {
    let finish = Event::Finish { reason: StopReason::End, stop_sequence: None };
    let events = [
        Event::Start { id: None, model: None },
        Event::BlockStart { index: 0, block: BlockStart::Text },
        call(1, "a"),
        call(2, "b"),
        arguments(1, "{\"x\""),
        arguments(2, "{\"y\":2}"),
        arguments(1, ":1}"),
        Event::BlockStop { index: 2 },
        Event::BlockStop { index: 1 },
        Event::BlockStop { index: 0 },
        finish,
        Event::Usage(Usage { input: Some(3), output: Some(4), ..Usage::default() }),
        Event::End,
    ];
    let stream = encode(events);
    assert_eq!(assert_grammar(&stream), "message_stop");
    let mut inputs = [String::new(), String::new()];
    for event in events_of(&stream) {
        if let (Some(index), Some(part)) = (event["index"].as_u64(), event["delta"]["partial_json"].as_str()) {
            inputs[usize::try_from(index).expect("small")].push_str(part);
        }
        if event["type"] == "message_delta" {
            assert_eq!(event["delta"]["stop_reason"], "tool_use");
            assert_eq!(event["usage"]["input_tokens"], 3);
        }
    }
    assert_eq!(inputs, ["{\"x\":1}", "{\"y\":2}"]);
}

#[test]
fn foreign_thinking_is_signed_with_our_envelope() {
    let signed = |signature: Option<Opaque>| {
        let mut events = vec![
            Event::BlockStart { index: 0, block: BlockStart::Thinking },
            Event::Delta { index: 0, delta: Delta::Thinking("hm".to_owned()) },
        ];
        events.extend(signature.map(|state| Event::Delta { index: 0, delta: Delta::Signature(state) }));
        events.extend([Event::BlockStop { index: 0 }, Event::End]);
        let stream = encode(events);
        assert_grammar(&stream);
        events_of(&stream).iter().find_map(|event| event["delta"]["signature"].as_str().map(str::to_owned)).expect("a signature")
    };
    assert_eq!(signed(Some(Opaque::new("anthropic", "EqoB"))), "EqoB");
    assert_eq!(Opaque::open(&signed(Some(Opaque::new("zai", "s")))), Some(Opaque::new("zai", "s")));
    assert!(Opaque::open(&signed(None)).is_some_and(|opaque| opaque.state.is_empty()));
}

#[test]
fn keep_alives_say_something_real_and_keep_the_grammar() {
    let mut encoder = (super::super::CODEC.stream_encoder)(&reply());
    let mut out = Vec::new();
    encoder.keep_alive(&mut out);
    encoder.keep_alive(&mut out);
    encoder.keep_alive(&mut out);
    let early = String::from_utf8(out.clone()).expect("UTF-8");
    let kinds: Vec<String> = events_of(&early).iter().map(|event| event["type"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(kinds, ["message_start", "ping", "content_block_start", "content_block_delta", "content_block_delta"]);
    for event in decode(&[HEALTHY.as_bytes()], &reply()) {
        let is_over = matches!(event, Event::End);
        encoder.event(event, &mut out, &mut Vec::new());
        if !is_over {
            encoder.keep_alive(&mut out);
        }
    }
    encoder.keep_alive(&mut out);
    let stream = String::from_utf8(out).expect("UTF-8");
    assert_eq!(assert_grammar(&stream), "message_stop");
    assert!(stream.contains(r#""content_block":{"type":"tool_use""#), "{stream}");
}

#[test]
fn whole_answers_keep_what_streams_keep() {
    let body = br#"{"id":"m","type":"message","role":"assistant","model":"x","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"text","text":"hi"},{"type":"server_tool_use","id":"s","name":"w","input":{}},{"type":"tool_use","id":"a","name":"f","input":{"n":9007199254740993}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":2}}"#;
    let quirks = Quirks { family: "anthropic", ..Quirks::ANTHROPIC };
    let answer = (super::super::CODEC.decode_response)(body, &reply(), &quirks).expect("an answer");
    assert_eq!(answer.stop, Some(StopReason::ToolUse));
    let encoded = (super::super::CODEC.encode_response)(&answer, &reply(), &mut Vec::new());
    let text = String::from_utf8_lossy(&encoded);
    assert!(text.contains(r#""input":{"n":9007199254740993}"#), "{text}");
    assert!(
        text.contains(r#""signature":"s""#) && text.contains(r#""stop_reason":"tool_use""#) && text.contains(r#""model":"claude-x""#),
        "{text}"
    );
    for (body, status) in [("", 502), ("<html>", 502), (r#"{"error":{"message":"m","code":429}}"#, 429), (r#"{"x":1}"#, 502), ("[]", 502)] {
        let failure = (super::super::CODEC.decode_response)(body.as_bytes(), &reply(), &quirks).expect_err(body);
        assert_eq!(failure.status, status, "{body}");
    }
}

proptest::proptest! {
    #[test]
    fn events_lost_doubled_or_out_of_order_still_encode_to_the_grammar(order in proptest::collection::vec(0..15_usize, 0..40), alive in 0..40_usize) {
        let frames: Vec<&str> = HEALTHY.split_inclusive("\n\n").collect();
        let stream: String = order.iter().filter_map(|at| frames.get(*at).copied()).collect();
        let events = decode(&[stream.as_bytes()], &reply());
        let terminals = events.iter().filter(|event| matches!(event, Event::End | Event::Failed(_))).count();
        proptest::prop_assert_eq!(terminals, 1);
        let mut encoder = (super::super::CODEC.stream_encoder)(&reply());
        let mut out = Vec::new();
        for (n, event) in events.into_iter().enumerate() {
            if n >= alive {
                encoder.keep_alive(&mut out);
            }
            encoder.event(event, &mut out, &mut Vec::new());
        }
        assert_grammar(&String::from_utf8(out).expect("UTF-8"));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200), at in 0..2000_usize) {
        let _ = (super::super::CODEC.decode_request)(&bytes);
        let mut stream = HEALTHY.as_bytes().to_vec();
        let at = at.min(stream.len());
        stream.splice(at..(at + bytes.len() / 2).min(stream.len()), bytes);
        decode(&[&stream], &reply());
        let mut tap = (super::super::CODEC.tap)(&ReplyMap::default(), &Quirks::ANTHROPIC, 1 << 20);
        tap.push(bytes::Bytes::from(stream));
        tap.end();
    }
}
