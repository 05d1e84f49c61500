//! What a look finds, what it refuses, and that serde_json agrees.

use proptest::prelude::*;
use serde::de::IgnoredAny;

use bytes::Bytes;

use super::*;
use crate::wire::splice::splice;

fn look(body: &str) -> Peek {
    peek(body.as_bytes(), 64).unwrap_or_else(|error| panic!("{body}: {error}"))
}

fn fault(body: &str) -> String {
    peek(body.as_bytes(), 64).map(|found| found.model).expect_err(body).to_string()
}

/// What is left of the body when the cuts are made, having checked that it parses.
fn after_cuts(body: &str) -> String {
    let found = look(body);
    let edits: Vec<_> = found.cuts.into_iter().map(|span| (span, b"".as_slice())).collect();
    let out = splice(&Bytes::copy_from_slice(body.as_bytes()), &edits).into_bytes();
    let text = String::from_utf8(out.to_vec()).expect("UTF-8");
    serde_json::from_str::<IgnoredAny>(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    text
}

/// A body with one assistant turn of these blocks between two other turns.
fn turns(blocks: &str) -> String {
    format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":"q"}},{{"role":"assistant","content":[{blocks}]}},{{"role":"user","content":"r"}}]}}"#
    )
}

#[test]
fn model_and_stream_are_found_wherever_they_stand() {
    let body = "\n{\"messages\":[{\"model\":1}],\"model\" : \"a/b\",\"stream\":true}\n";
    let found = look(body);
    assert_eq!((found.model.as_str(), &body[found.model_at], found.stream), ("a/b", "\"a/b\"", true));
    let found = look(r#"{"mod\u0065l":"caf\u00e9","stream":null}"#);
    assert_eq!((found.model.as_str(), found.stream), ("café", false));
    assert_eq!(look(r#"{"model":"m","x":{"model":"n"}}"#).model, "m");
}

#[test]
fn each_fault_has_its_sentence() {
    for (body, sentence) in [
        ("{}", "model is missing"),
        (r#"{"model":null}"#, "model is not a string"),
        (r#"{"model":"a","model":"b"}"#, "two members are called model"),
        (r#"{"model":"a","mode\u006c":3}"#, "two members are called model"),
        (r#"{"model":"a","stream":"yes"}"#, "stream is not true or false"),
        (r#"{"model":"a","stream":true,"stream":false}"#, "two members are called stream"),
        ("[1]", "the body is not a JSON object"),
        ("", "the body is not JSON: the text ends early at byte 0"),
        (r#"{"model":"a"} x"#, "the body is not JSON: something follows the end at byte 14"),
        (r#"{"model":"a",}"#, "the body is not JSON: a key is expected at byte 13"),
        (r#"{"model" "a"}"#, "the body is not JSON: a colon is expected at byte 9"),
        (r#"{"model":"a" "b"}"#, "the body is not JSON: a comma or the end of an object is expected at byte 13"),
        (r#"{"model":[1 2]}"#, "the body is not JSON: a comma or the end of an array is expected at byte 12"),
        (r#"{"model":"a"#, "the body is not JSON: a string does not end at byte 11"),
        ("{\"model\":\"a\nb\"}", "the body is not JSON: a string holds a control character at byte 11"),
        (r#"{"model":"\x"}"#, "the body is not JSON: an escape is not valid at byte 10"),
        (r#"{"model":"\u00g0"}"#, "the body is not JSON: an escape is not valid at byte 10"),
        (r#"{"n":-}"#, "the body is not JSON: a digit is expected at byte 6"),
        (r#"{"n":1.}"#, "the body is not JSON: a digit is expected at byte 7"),
        (r#"{"n":01}"#, "the body is not JSON: a comma or the end of an object is expected at byte 6"),
        (r#"{"n":nul}"#, "the body is not JSON: a value is expected at byte 5"),
    ] {
        assert_eq!(fault(body), sentence, "{body}");
    }
    assert_eq!(peek(b"{\"model\":\"\xff\"}", 64), Err(PeekError::Syntax { at: 10, reason: "the text is not UTF-8" }));
}

#[test]
fn depth_is_counted_in_objects_and_arrays_and_never_ends_the_stack() {
    let nested = |depth: usize| format!(r#"{{"model":"m","x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(peek(nested(3).as_bytes(), 4).is_ok());
    assert_eq!(peek(nested(4).as_bytes(), 4), Err(PeekError::TooDeep(4)));
    assert_eq!(peek(nested(100_000).as_bytes(), usize::MAX), Err(PeekError::TooDeep(512)));
    assert!(peek(nested(511).as_bytes(), usize::MAX).is_ok());
}

#[test]
fn our_own_blocks_are_cut_with_the_comma_that_must_go() {
    let ours = r#"{"type":"thinking","thinking":"t","signature":"aimux1.zai.00"}"#;
    let redacted = r#"{"data":"aimux1.zai.00","type":"redacted_thinking"}"#;
    let empty = r#"{"type":"text","text":""}"#;
    let theirs = r#"{"type":"thinking","thinking":"t","signature":"EqoB"}"#;
    let text = r#"{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}"#;
    for (before, after) in [
        (format!("{ours},{text}"), text.to_owned()),
        (format!("{text} , {empty}"), text.to_owned()),
        (format!(" {ours} , {empty},{text}, {redacted},{theirs},{empty},{ours} "), format!(" {text}, {theirs} ")),
        (format!("{theirs},{text}"), format!("{theirs},{text}")),
    ] {
        assert_eq!(after_cuts(&turns(&before)), turns(&after));
    }
}

#[test]
fn citations_and_reasoning_of_ours_are_cut_and_the_rest_stays() {
    let mine = r#"{"type":"web_search_result_location","url":"u","encrypted_index":"aimux1.zai.302d31"}"#;
    let theirs = r#"{"type":"web_search_result_location","url":"u","encrypted_index":"Eo8B"}"#;
    let text = |citations: &str| turns(&format!(r#"{{"type":"text","text":"x"{citations}}}"#));
    for (before, after) in [
        (format!(r#","citations":[{mine} , {theirs}]"#), format!(r#","citations":[{theirs}]"#)),
        (format!(r#" , "citations":[{mine},{mine}]"#), String::new()),
        (format!(r#","citations":[{mine}],"cache_control":{{}}"#), r#","cache_control":{}"#.to_owned()),
        (format!(r#","citations":[{theirs}]"#), format!(r#","citations":[{theirs}]"#)),
        (r#","citations":[]"#.to_owned(), r#","citations":[]"#.to_owned()),
        (r#","citations":{"enabled":true}"#.to_owned(), r#","citations":{"enabled":true}"#.to_owned()),
    ] {
        assert_eq!(after_cuts(&text(&before)), text(&after));
    }
    let message = |members: &str| format!(r#"{{"model":"m","messages":[{{{members}"role":"assistant","content":"x"}}]}}"#);
    let page = |state: &str| format!(r#"{{"type":"url_citation","url_citation":{{"url":"u"{state},"start_index":0}}}}"#);
    let state = r#","encrypted_index":"aimux1.anthropic.45""#;
    let sealed = r#"{"type":"reasoning.encrypted","data":"aimux1.anthropic.45","index":0}"#;
    let open = r#"{"type":"reasoning.text","text":"t","signature":"s"}"#;
    for (before, after) in [
        (format!(r#""annotations":[{},{}],"#, page(state), page("")), format!(r#""annotations":[{},{}],"#, page(""), page(""))),
        (format!(r#""reasoning_details":[{sealed},{open}],"#), format!(r#""reasoning_details":[{open}],"#)),
        (format!(r#""reasoning_details":[{sealed}] , "#), String::new()),
        (r#""annotations":[{"url_citation":{"encrypted_index":"aimux1.a.45"}}],"#.to_owned(), String::new()),
    ] {
        assert_eq!(after_cuts(&message(&before)), message(&after));
    }
    // The arguments of a call and what a tool gave are not ours, whatever they look like.
    let input = format!(r#"{{"type":"tool_use","id":"t","name":"n","input":{{"citations":[{mine}],"annotations":[{}]}}}}"#, page(state));
    assert_eq!(after_cuts(&turns(&input)), turns(&input));
    let user = message(&format!(r#""annotations":[{}],"#, page(state))).replace("assistant", "user");
    assert_eq!(after_cuts(&user), user);
}

#[test]
fn an_assistant_turn_that_is_all_ours_goes_as_a_whole() {
    let empty = r#"{"type":"text","text":""}"#;
    let kept = r#"{"model":"m","messages":[{"role":"user","content":"q"},{"role":"user","content":"r"}]}"#;
    assert_eq!(after_cuts(&turns(&format!("{empty},{empty}"))), kept);
    // Nothing would be left of the conversation: the upstream may say what it thinks of it.
    let alone = format!(r#"{{"model":"m","messages":[{{"role":"assistant","content":[{empty}]}}]}}"#);
    assert_eq!(after_cuts(&alone), alone);
    assert_eq!(after_cuts(&turns("")), turns(""));
}

#[test]
fn other_roles_and_strings_are_left_alone() {
    for body in [
        r#"{"model":"m","messages":[{"content":[{"type":"text","text":""},{"type":"text","text":"x"}],"role":"user"}]}"#,
        r#"{"model":"m","messages":[{"role":"assistant","content":"{\"type\":\"text\",\"text\":\"\"}"}]}"#,
        r#"{"model":"m","messages":{"role":"assistant","content":[{"type":"text","text":""}]}}"#,
    ] {
        assert!(look(body).cuts.is_empty(), "{body}");
    }
}

#[test]
fn images_and_base64_are_counted_at_any_depth() {
    let found = look(
        r#"{"model":"m","messages":[{"role":"user","content":[
            {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},
            {"type":"tool_result","content":[{"type":"image","source":{"data":"AAAABBBB","type":"base64"}}]},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},
            {"type":"text","text":"data: here","data":"not counted"}]}]}"#,
    );
    assert_eq!((found.images, found.base64_bytes), (3, 4 + 8 + 26));
}

/// JSON-like text, mostly valid.
fn json() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("model"),
        Just("stream"),
        Just("messages"),
        Just("role"),
        Just("content"),
        Just("type"),
        Just("text"),
        Just("signature"),
        Just("data"),
        Just("citations"),
        Just("annotations"),
        Just("url_citation"),
        Just("encrypted_index"),
        Just("reasoning_details"),
        Just("mod\\u0065l"),
        Just("x")
    ];
    let leaf = prop_oneof![
        Just("\"assistant\"".to_owned()),
        Just("\"text\"".to_owned()),
        Just("\"\"".to_owned()),
        Just("\"thinking\"".to_owned()),
        Just("\"aimux1.a.00\"".to_owned()),
        Just("\"\\ud800 \\n é\"".to_owned()),
        Just("true".to_owned()),
        Just("null".to_owned()),
        "-?[0-9]{1,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?",
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|all| format!("[{}]", all.join(" , "))),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|all| {
                let members: Vec<_> = all.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", members.join(", "))
            }),
        ]
    })
}

/// Peek and serde_json agree on what is JSON and on the model; what is cut leaves JSON.
fn agrees(text: &str) {
    let theirs = serde_json::from_str::<IgnoredAny>(text).is_ok();
    match peek(text.as_bytes(), 100) {
        Ok(found) => {
            let value: serde_json::Value = match serde_json::from_str(text) {
                Ok(value) => value,
                Err(error) => {
                    assert!(theirs, "{text}: {error}");
                    return;
                }
            };
            assert_eq!(value["model"].as_str(), Some(found.model.as_str()), "{text}");
            after_cuts(text);
        }
        Err(PeekError::Syntax { .. }) => assert!(!theirs, "{text}"),
        Err(PeekError::TooDeep(_)) => {}
        Err(_) => assert!(theirs, "{text}"),
    }
}

proptest! {
    #[test]
    fn peek_agrees_with_serde_json(text in json()) {
        agrees(&text);
        agrees(&format!(r#"{{"messages":[{{"role":"assistant","content":[{text},{{"type":"text","text":""}}]}}],"model":"m","x":{text}}}"#));
        agrees(&format!(r#"{{"messages":[{{"annotations":[{text}],"reasoning_details":[{text},{{"data":"aimux1.a.00"}}],"role":"assistant","content":[{{"citations":[{text},{{"data":"aimux1.a.00"}}]}}]}}],"model":"m"}}"#));
    }

    #[test]
    fn a_mutated_body_agrees_too(text in json(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = format!(r#"{{"model":"m\"\u0041","messages":[{text}]}}"#).into_bytes();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        match String::from_utf8(bytes) {
            Ok(text) => agrees(&text),
            Err(error) => assert!(peek(error.as_bytes(), 100).is_err()),
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = peek(&bytes, 8);
    }
}
