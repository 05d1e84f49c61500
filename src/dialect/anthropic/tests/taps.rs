//! Streams relayed within the dialect.

use bytes::Bytes;

use super::{CLAUDE, HEALTHY, assert_grammar, cuts, tap};
use crate::chat::{Failure, FailureKind};
use crate::dialect::ReplyMap;

fn new() -> Box<dyn crate::dialect::ReplyStream> {
    (super::super::CODEC.tap)(&ReplyMap::default(), &CLAUDE, 1 << 20)
}

#[test]
fn only_the_start_is_touched_where_an_alias_was_asked_for() {
    let map = ReplyMap { model: "claude \"asked\"".to_owned(), is_alias: true, ..ReplyMap::default() };
    let said = format!("\"{}\"", HEALTHY.split("\"model\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap());
    for parts in cuts(HEALTHY) {
        let mut tap = (super::super::CODEC.tap)(&map, &CLAUDE, 1 << 20);
        let mut out: Vec<u8> = parts.iter().flat_map(|part| tap.push(Bytes::copy_from_slice(part))).collect();
        out.extend_from_slice(&tap.end());
        assert_eq!(String::from_utf8(out).unwrap(), HEALTHY.replacen(&said, r#""claude \"asked\"""#, 1));
    }
}

#[test]
fn a_start_that_says_the_asked_name_is_not_touched() {
    let said = HEALTHY.split("\"model\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let map = ReplyMap { model: said.to_owned(), is_alias: true, ..ReplyMap::default() };
    let mut tap = (super::super::CODEC.tap)(&map, &CLAUDE, 1 << 20);
    let whole = Bytes::from_static(HEALTHY.as_bytes());
    assert_eq!(tap.push(whole.clone()).as_ptr(), whole.as_ptr());
}

#[test]
fn a_healthy_stream_passes_byte_for_byte_however_it_is_cut() {
    for parts in cuts(HEALTHY) {
        assert_eq!(tap(&parts), HEALTHY);
    }
    let crlf = HEALTHY.replace('\n', "\r\n");
    assert_eq!(tap(&[crlf.as_bytes()]), crlf);
}

#[test]
fn whole_healthy_frames_pass_uncopied_and_are_noted() {
    let mut tap = new();
    let chunk = Bytes::from_static(HEALTHY.as_bytes());
    assert_eq!(tap.push(chunk.clone()).as_ptr(), chunk.as_ptr());
    let progress = tap.progress();
    assert!(progress.content && progress.finished && progress.failure.is_none());
    assert_eq!((progress.usage.input, progress.usage.output), (Some(12), Some(31)));
    assert!(tap.end().is_empty());
}

#[test]
fn a_partial_frame_is_held_so_that_an_error_never_lands_in_it() {
    let mut tap = new();
    let at = HEALTHY.find("I look").expect("there");
    let sent = tap.push(Bytes::from_static(&HEALTHY.as_bytes()[..at]));
    assert!(sent.ends_with(b"\n\n"));
    let error = tap.fail(&Failure::new(FailureKind::Timeout, "slow"));
    let stream = format!("{}{}", String::from_utf8_lossy(&sent), String::from_utf8_lossy(&error));
    assert_eq!(assert_grammar(&stream), "error");
    assert!(tap.push(Bytes::from_static(b"event: ping\ndata: {}\n\n")).is_empty() && tap.end().is_empty());
    assert!(tap.fail(&Failure::new(FailureKind::Timeout, "again")).is_empty());
}

#[test]
fn a_stream_cut_short_ends_in_an_error_never_in_a_stop() {
    let finish = HEALTHY.find("event: message_delta").expect("there");
    for at in 0..=finish {
        let mut tap = new();
        let mut out = tap.push(Bytes::copy_from_slice(&HEALTHY.as_bytes()[..at])).to_vec();
        out.extend_from_slice(&tap.end());
        assert!(tap.progress().failure.is_some(), "cut at {at}");
        assert_eq!(assert_grammar(&String::from_utf8(out).expect("UTF-8")), "error", "cut at {at}");
    }
}

#[test]
fn faults_of_form_are_mended() {
    let nameless = HEALTHY.lines().filter(|line| !line.starts_with("event:")).map(|line| format!("{line}\n")).collect::<String>();
    let broken = nameless
        .replace(r#","usage":{"output_tokens":31}"#, "")
        .replace(r#","usage":{"input_tokens":12,"cache_creation_input_tokens":3,"cache_read_input_tokens":40,"output_tokens":1}"#, "")
        .replace("data: {\"type\":\"message_stop\"}\n", "data: [DONE]\n");
    for parts in cuts(&broken).step_by(7) {
        assert_eq!(assert_grammar(&tap(&parts)), "message_stop");
    }
}

#[test]
fn nothing_follows_an_error_event() {
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n";
    let mut tap = new();
    let stream = format!("{error}{HEALTHY}");
    let out = tap.push(Bytes::from(stream));
    assert_eq!(out, error);
    assert!(tap.end().is_empty());
    assert_eq!(tap.progress().failure.as_ref().map(|failure| failure.status), Some(529));
}

#[test]
fn a_body_that_is_no_stream_is_a_failure_or_the_whole_message() {
    for body in [r#"{"error":{"message":"no","code":503}}"#, "<html></html>", "upstream connect error"] {
        let mut tap = new();
        let mut out = tap.push(Bytes::copy_from_slice(body.as_bytes())).to_vec();
        out.extend_from_slice(&tap.end());
        assert!(tap.progress().failure.is_some(), "{body}");
        assert_eq!(assert_grammar(&String::from_utf8(out).expect("UTF-8")), "error", "{body}");
    }
    let whole = r#"{"id":"m","type":"message","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}"#;
    let out = tap(&[whole.as_bytes()]);
    assert_eq!(assert_grammar(&out), "message_stop");
    assert!(out.contains("\"hi\""));
    let mut tap = new();
    let mut out = tap.early_start().to_vec();
    (0..2).for_each(|_| out.extend_from_slice(&tap.keep_alive()));
    out.extend_from_slice(&tap.push(Bytes::from_static(whole.as_bytes())));
    out.extend_from_slice(&tap.end());
    assert_eq!(assert_grammar(&String::from_utf8(out).expect("UTF-8")), "message_stop");
}

#[test]
fn an_early_start_swallows_the_upstreams_and_keep_alive_blocks_shift_the_rest() {
    let mut tap = new();
    let mut out = tap.early_start().to_vec();
    assert!(tap.early_start().is_empty());
    for _ in 0..3 {
        out.extend_from_slice(&tap.keep_alive());
    }
    assert!(!tap.progress().content);
    for line in HEALTHY.split_inclusive("\n\n") {
        out.extend_from_slice(&tap.push(Bytes::copy_from_slice(line.as_bytes())));
        out.extend_from_slice(&tap.keep_alive());
    }
    out.extend_from_slice(&tap.end());
    let stream = String::from_utf8(out).expect("UTF-8");
    assert_eq!(assert_grammar(&stream), "message_stop");
    assert!(stream.contains(r#""name":"get_weather""#) && stream.contains("9007199254740993"), "{stream}");
}

#[test]
fn a_start_of_our_own_names_the_model_that_was_asked_for_and_an_id_like_no_other() {
    let start = |map: &ReplyMap| {
        let mut tap = (super::super::CODEC.tap)(map, &CLAUDE, 1 << 20);
        let start = String::from_utf8(tap.early_start().to_vec()).unwrap();
        super::events_of(&start)[0]["message"].clone()
    };
    let map = ReplyMap { model: "claude-asked".to_owned(), id: "abc".to_owned(), input_estimate: 7, ..ReplyMap::default() };
    let message = start(&map);
    assert_eq!((&message["model"], &message["id"]), (&"claude-asked".into(), &"msg_abc".into()));
    assert_eq!(message["usage"]["input_tokens"], 7);
    let (one, other) = (start(&ReplyMap::default()), start(&ReplyMap::default()));
    assert!(one["id"].as_str().is_some_and(|id| id.starts_with("msg_")));
    assert_ne!(one["id"], other["id"]);
}
