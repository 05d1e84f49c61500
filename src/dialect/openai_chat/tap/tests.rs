//! Calls in the text of a relayed stream, however it is cut.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::chat::{Failure, FailureKind};
use crate::dialect::openai_chat::CODEC;
use crate::dialect::{Quirks, ReplyMap, ReplyStream, TextTool};

fn tap() -> Box<dyn ReplyStream> {
    let tools = vec![TextTool { name: "run".to_owned(), typed: vec!["n".to_owned()] }];
    (CODEC.tap)(&ReplyMap { text_tools: tools, ..ReplyMap::default() }, &Quirks::CHAT, 1 << 20)
}

fn relayed(parts: &[&[u8]]) -> String {
    let (mut tap, mut out) = (tap(), Vec::new());
    for part in parts {
        out.extend_from_slice(&tap.push(Bytes::copy_from_slice(part)));
    }
    out.extend_from_slice(&tap.end());
    String::from_utf8(out).expect("UTF-8")
}

fn chunk(delta: &Value, finish: Option<&str>) -> String {
    let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
    format!("data: {}\n\n", json!({ "id": "c", "model": "m", "choices": [choice] }))
}

fn stream(texts: &[&str], finish: &str) -> String {
    let start = chunk(&json!({ "role": "assistant", "content": "" }), None);
    let says = texts.iter().map(|text| chunk(&json!({ "content": text }), None));
    std::iter::once(start).chain(says).chain([chunk(&json!({}), Some(finish)), "data: [DONE]\n\n".to_owned()]).collect()
}

/// What a client reads: text, calls by id, name and arguments, the reason to stop.
#[derive(Debug, PartialEq, Default)]
struct Read {
    text: String,
    calls: Vec<(String, String, String)>,
    finish: Vec<String>,
}

fn read(stream: &str) -> Read {
    let mut read = Read::default();
    let lines: Vec<&str> = stream.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(lines.last(), Some(&"[DONE]"), "{stream}");
    for line in &lines[..lines.len() - 1] {
        let chunk: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(chunk["id"], "c", "{stream}");
        let choice = &chunk["choices"][0];
        assert!(read.finish.is_empty() || choice.is_null(), "{stream}");
        read.text += choice["delta"]["content"].as_str().unwrap_or_default();
        for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
            assert_eq!(call["index"], read.calls.len(), "{stream}");
            let said = |value: &Value| value.as_str().expect("a string").to_owned();
            read.calls.push((said(&call["id"]), said(&call["function"]["name"]), said(&call["function"]["arguments"])));
        }
        read.finish.extend(choice["finish_reason"].as_str().map(str::to_owned));
    }
    read
}

const JSON: &str = r#"<tool_call>{"name":"run","arguments":{"n":9007199254740993}}</tool_call>"#;
const GLM: &str = "<tool_call>run\n<arg_key>n</arg_key>\n<arg_value>5</arg_value>\n</tool_call>";

#[test]
fn calls_in_the_text_are_calls_wherever_the_text_is_cut() {
    let big = r#"{"n":9007199254740993}"#;
    for (whole, text, calls) in [
        (format!("I run it.\n{JSON}\n"), "I run it.\n", vec![big]),
        (format!("{JSON}{GLM}"), "", vec![big, r#"{"n":5}"#]),
        (format!("a < b {GLM} and `{JSON}` x"), "a < b  and `", vec![]),
        (format!("<think>{JSON}</think>\n{GLM}"), "", vec![]),
    ] {
        let all: Vec<&str> = whole.split("").filter(|char| !char.is_empty()).collect();
        let expected = read(&relayed(&[stream(&[&whole], "stop").as_bytes()]));
        if !calls.is_empty() {
            assert_eq!(expected.text, text);
            assert_eq!(expected.calls.iter().map(|(_, _, arguments)| arguments.as_str()).collect::<Vec<_>>(), calls);
        }
        assert!(!expected.calls.is_empty() && expected.finish == ["tool_calls"], "{expected:?}");
        let ids: std::collections::HashSet<&String> = expected.calls.iter().map(|(id, ..)| id).collect();
        assert!(ids.len() == expected.calls.len() && ids.iter().all(|id| id.starts_with("call_")), "{expected:?}");
        let same = |parts: &[&str]| {
            let sent = stream(parts, "stop");
            let got = read(&relayed(&[sent.as_bytes()]));
            let named = |read: &Read| read.calls.iter().map(|(_, name, arguments)| (name.clone(), arguments.clone())).collect::<Vec<_>>();
            assert_eq!((&got.text, named(&got), &got.finish), (&expected.text, named(&expected), &expected.finish), "{parts:?}");
        };
        same(&all);
        for (at, _) in whole.char_indices() {
            same(&[&whole[..at], &whole[at..]]);
        }
    }
}

#[test]
fn the_bytes_of_a_stream_without_calls_are_its_own() {
    let odd = "data:{\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"\\u0020\"}}],\"x\":1.0}\n\n";
    for texts in [
        &["a <", "b>", " <tool", "_x> <function", "s> </tool_call>"][..],
        &["\n\n", " a", "<tool_call>", "{\"name\":", "\"other\"}", "</tool_call>", " b"],
        &["<tool_call>", "run", " fast</tool_call>"],
        &["`<tool_call>` ```", "<tool_call>{\"name\":\"run\"}</tool_call>", "```"],
        &["<think>", "or <tool_call>{\"name\":\"run\"}</tool_call>", "</think>", "no"],
        &["half a <tool_call>{\"name\":\"run\",\"arg"],
        &["<"],
    ] {
        let sent = stream(texts, "stop");
        let with_odd = format!("{odd}{sent}");
        for sent in [sent, with_odd] {
            for at in (0..sent.len()).step_by(7) {
                let (a, b) = sent.as_bytes().split_at(at);
                assert_eq!(relayed(&[a, b]), sent, "cut at {at}");
            }
        }
    }
}

#[test]
fn what_is_clear_leaves_at_once_and_what_is_not_waits() {
    let mut tap = tap();
    let say = |text: &str| Bytes::from(chunk(&json!({ "content": text }), None));
    for text in ["a", " < b", "<div>"] {
        assert_eq!(tap.push(say(text)), say(text));
    }
    assert!(tap.push(say("<tool")).is_empty());
    // Silence is filled, but nothing that waits is given away.
    let alive = String::from_utf8(tap.keep_alive().to_vec()).expect("UTF-8");
    assert!(alive.contains("\"delta\":{}") && !alive.contains("tool"), "{alive}");
    assert_eq!(tap.push(say("s>")), [say("<tool"), say("s>")].concat());
    // A failure keeps what was said before it.
    assert!(tap.push(say("<tool_call>{")).is_empty());
    let failed = tap.fail(&Failure::new(FailureKind::Server, "gone"));
    assert!(failed.starts_with(&say("<tool_call>{")) && !tap.keep_alive().starts_with(b"data"), "{failed:?}");
}

#[test]
fn frames_keep_what_else_they_say() {
    let usage = json!({ "prompt_tokens": 1, "completion_tokens": 2 });
    let mut last: Value = json!({ "id": "c", "choices": [{ "index": 0, "delta": { "role": "assistant", "content": format!("So. {GLM}") }, "finish_reason": "stop" }] });
    last["usage"] = usage.clone();
    let got = relayed(&[format!("data: {last}\n\ndata: [DONE]\n\n").as_bytes()]);
    let heard = read(&got);
    assert_eq!((heard.text.as_str(), heard.calls.len(), heard.finish), ("So. ", 1, vec!["tool_calls".to_owned()]), "{got}");
    assert!(got.contains("\"prompt_tokens\":1") && got.matches("\"role\"").count() == 1, "{got}");
    // A call that the server did read follows one that it did not.
    let read_one = json!({ "tool_calls": [{ "index": 0, "id": "a", "function": { "name": "run", "arguments": "{}" } }] });
    let sent = [
        chunk(&json!({ "content": GLM }), None),
        chunk(&read_one, None),
        chunk(&json!({}), Some("tool_calls")),
        "data: [DONE]\n\n".to_owned(),
    ];
    let heard = read(&relayed(&[sent.concat().as_bytes()]));
    assert_eq!((heard.calls.len(), heard.calls[1].0.as_str()), (2, "a"));
    // Cut off is cut off.
    assert_eq!(read(&relayed(&[stream(&[GLM], "length").as_bytes()])).finish, ["length"]);
    let cut = stream(&["I run.", &JSON[..20]], "length");
    assert_eq!(relayed(&[cut.as_bytes()]), cut);
}
