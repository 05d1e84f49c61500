//! Tool calls, in pieces, out of order, under wrong names. The numbers are those of the list of pitfalls.

use serde_json::{Value, json};

use super::{CLIENTS, Said, chat, done, hear, hear_answer, pieces, read, sent};
use crate::replies::{Speaks, anthropic_frames, text, tool};
use crate::upstream::Answer;

/// What both clients hear of a Chat upstream, which must be these calls and a reason that says so.
fn assert_calls(frames: &[String], expected: &[(&str, &str)]) -> [Said; 2] {
    CLIENTS.map(|client| {
        let said = hear(client, Speaks::Chat, frames.to_vec());
        assert_eq!(said.called(), expected, "{client:?}");
        said.assert_ids_are_unique();
        said
    })
}

/// Pitfall 1.
#[test]
fn a_call_without_an_index_reaches_both_clients() {
    let frames = chat(
        [
            pieces(json!([{"id": "a", "type": "function", "function": {"name": "run", "arguments": "{\"n\""}}])),
            pieces(json!([{"function": {"arguments": ":1}"}}])),
        ],
        "tool_calls",
    );
    assert_calls(&frames, &[("run", "{\"n\":1}")]);
}

/// Pitfall 2.
#[test]
fn several_calls_without_an_index_stay_apart() {
    let one = json!({"id": "a", "function": {"name": "run", "arguments": "{\"n\":1}"}});
    let two = json!({"id": "b", "function": {"name": "look", "arguments": "{\"n\":2}"}});
    let three = json!({"id": "c", "function": {"name": "look", "arguments": "{\"n\":3}"}});
    let expected = [("run", "{\"n\":1}"), ("look", "{\"n\":2}"), ("look", "{\"n\":3}")];
    assert_calls(&chat([pieces(json!([one, two, three]))], "tool_calls"), &expected);
    assert_calls(&chat([pieces(json!([one])), pieces(json!([two])), pieces(json!([three]))], "tool_calls"), &expected);
}

/// Pitfall 3.
#[test]
fn a_wrong_index_does_not_move_a_piece_to_another_call() {
    let frames = chat(
        [
            pieces(json!([{"index": 0, "id": "a", "function": {"name": "run", "arguments": ""}}])),
            pieces(json!([{"index": 0, "function": {"arguments": "{\"n\":1}"}}])),
            pieces(json!([{"index": 0, "id": "b", "function": {"name": "look", "arguments": ""}}])),
            pieces(json!([{"index": 1, "function": {"arguments": "{\"n\":2}"}}])),
        ],
        "tool_calls",
    );
    let [messages, chat] = assert_calls(&frames, &[("run", "{\"n\":1}"), ("look", "{\"n\":2}")]);
    assert_eq!((&*messages.calls[1].id, &*chat.calls[1].id), ("b", "b"));
}

/// Pitfall 4.
#[test]
fn pieces_of_several_calls_in_one_chunk_stay_apart() {
    let frames = chat(
        [
            pieces(
                json!([{"index": 0, "id": "a", "function": {"name": "run", "arguments": "{\"n\""}}, {"index": 1, "id": "b", "function": {"name": "look", "arguments": "{\"n\""}}]),
            ),
            pieces(json!([{"index": 0, "function": {"arguments": ":1}"}}, {"index": 1, "function": {"arguments": ":2}"}}])),
        ],
        "tool_calls",
    );
    assert_calls(&frames, &[("run", "{\"n\":1}"), ("look", "{\"n\":2}")]);
}

/// Pitfall 5.
#[test]
fn an_id_in_every_piece_and_an_id_in_the_first_alone_are_one_call() {
    for repeated in [json!("a"), Value::Null, json!("")] {
        let tail = |text: &str| pieces(json!([{"index": 0, "id": repeated, "function": {"arguments": text}}]));
        let head = pieces(json!([{"index": 0, "id": "a", "type": "function", "function": {"name": "run", "arguments": ""}}]));
        let [messages, chat] = assert_calls(&chat([head, tail("{\"n\":"), tail("1}")], "tool_calls"), &[("run", "{\"n\":1}")]);
        assert_eq!((&*messages.calls[0].id, &*chat.calls[0].id), ("a", "a"));
    }
}

/// Pitfall 6.
#[test]
fn an_empty_name_in_later_pieces_changes_nothing_and_id_and_name_may_come_apart() {
    for name in [json!(""), Value::Null] {
        let tail = pieces(json!([{"index": 0, "function": {"name": name, "arguments": "{\"n\":1}"}}]));
        let head = pieces(json!([{"index": 0, "id": "a", "function": {"name": "run", "arguments": ""}}]));
        assert_calls(&chat([head, tail.clone()], "tool_calls"), &[("run", "{\"n\":1}")]);
        let id = pieces(json!([{"index": 0, "id": "a", "function": {"name": name}}]));
        let named = pieces(json!([{"index": 0, "function": {"name": "run"}}]));
        assert_calls(&chat([id, named, tail], "tool_calls"), &[("run", "{\"n\":1}")]);
    }
}

/// Pitfall 7.
#[test]
fn arguments_before_the_name_are_kept_for_it() {
    let frames = chat(
        [
            pieces(json!([{"index": 0, "id": "a", "function": {"arguments": "{\"n\""}}])),
            pieces(json!([{"index": 0, "function": {"name": "run", "arguments": ":1"}}])),
            pieces(json!([{"index": 0, "function": {"arguments": "}"}}])),
        ],
        "tool_calls",
    );
    assert_calls(&frames, &[("run", "{\"n\":1}")]);
}

/// Pitfall 8.
#[test]
fn a_call_without_an_id_gets_one() {
    for id in [Value::Null, json!("")] {
        let frames = chat(
            [
                pieces(json!([{"index": 0, "id": id, "function": {"name": "run", "arguments": "{\"n\":1}"}}])),
                pieces(json!([{"index": 1, "id": id, "function": {"name": "look", "arguments": "{\"n\":2}"}}])),
            ],
            "tool_calls",
        );
        assert_calls(&frames, &[("run", "{\"n\":1}"), ("look", "{\"n\":2}")]);
    }
    let frames = chat([pieces(json!([{"function": {"name": "run", "arguments": "{\"n\":1}"}}]))], "tool_calls");
    assert_calls(&frames, &[("run", "{\"n\":1}")]);
    // A client that was given empty ids before sends them back: each call is paired with its own result.
    let call = |name: &str| json!({"id": "", "type": "function", "function": {"name": name, "arguments": "{}"}});
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"},
        {"role": "assistant", "content": null, "tool_calls": [call("run"), call("look")]},
        {"role": "tool", "tool_call_id": "", "content": "1"}, {"role": "tool", "tool_call_id": "", "content": "2"}]});
    let (body, _) = sent("", Speaks::Chat, Speaks::Anthropic, &body);
    let ids: Vec<&str> = body["messages"][1]["content"].as_array().unwrap().iter().map(|block| block["id"].as_str().unwrap()).collect();
    assert!(!ids[0].is_empty() && !ids[1].is_empty() && ids[0] != ids[1], "{body}");
    for (at, said) in [(0, "1"), (1, "2")] {
        let result = &body["messages"][2]["content"][at];
        assert_eq!((result["tool_use_id"].as_str(), result["content"].as_str()), (Some(ids[at]), Some(said)), "{body}");
    }
}

/// Pitfall 9.
#[test]
fn calls_that_share_an_id_get_one_each() {
    let frames = chat(
        [
            pieces(json!([{"index": 0, "id": "same", "function": {"name": "run", "arguments": "{\"n\":1}"}}])),
            pieces(json!([{"index": 1, "id": "same", "function": {"name": "look", "arguments": "{\"n\":2}"}}])),
        ],
        "tool_calls",
    );
    let said = hear(Speaks::Anthropic, Speaks::Chat, frames);
    assert_eq!(said.called(), [("run", "{\"n\":1}"), ("look", "{\"n\":2}")]);
    said.assert_ids_are_unique();
    let said = hear(Speaks::Chat, Speaks::Anthropic, anthropic_frames(&[tool("same", "run", json!({})), tool("same", "look", json!({}))]));
    said.assert_ids_are_unique();
}

/// Pitfall 10.
#[test]
fn interleaved_pieces_come_out_block_by_block() {
    let piece = |index: u8, text: &str| pieces(json!([{"index": index, "function": {"arguments": text}}]));
    let frames = chat(
        [
            pieces(json!([{"index": 0, "id": "a", "function": {"name": "run", "arguments": ""}}])),
            pieces(json!([{"index": 1, "id": "b", "function": {"name": "look", "arguments": ""}}])),
            piece(0, "{\"n\""),
            piece(1, "{\"n\""),
            piece(0, ":1}"),
            json!({"content": "and a word"}),
            piece(1, ":2}"),
        ],
        "tool_calls",
    );
    for said in assert_calls(&frames, &[("run", "{\"n\":1}"), ("look", "{\"n\":2}")]) {
        assert_eq!((said.text.as_str(), said.word()), ("and a word", "tool_calls"));
    }
}

/// Pitfall 11.
#[test]
fn a_whole_call_with_its_finish_in_one_chunk_is_a_call() {
    let call = json!([{"index": 0, "id": "a", "function": {"name": "run", "arguments": "{\"n\":1}"}}]);
    let frames =
        [super::chunk(&json!({"index": 0, "delta": {"role": "assistant", "tool_calls": call}, "finish_reason": "tool_calls"})), done()];
    for said in assert_calls(&frames, &[("run", "{\"n\":1}")]) {
        assert_eq!(said.word(), "tool_calls");
    }
}

/// Pitfall 12.
#[test]
fn a_call_without_arguments_has_an_empty_object() {
    for function in [
        json!({"name": "run", "arguments": ""}),
        json!({"name": "run"}),
        json!({"name": "run", "arguments": null}),
        json!({"name": "run", "arguments": "{}"}),
    ] {
        let frames = chat([pieces(json!([{"index": 0, "id": "a", "function": function}]))], "tool_calls");
        assert_eq!(hear(Speaks::Anthropic, Speaks::Chat, frames).called(), [("run", "{}")], "{function}");
        let whole = json!({"id": "c", "choices": [{"message": {"content": null, "tool_calls": [{"id": "a", "function": function}]}, "finish_reason": "tool_calls"}]});
        assert_eq!(read(Speaks::Anthropic, Speaks::Chat, &whole)["content"][0]["input"], json!({}), "{function}");
    }
    let said = hear(Speaks::Chat, Speaks::Anthropic, anthropic_frames(&[tool("a", "run", json!({}))]));
    assert_eq!(said.called(), [("run", "{}")]);
    // A history in which a client repeats the nothing that it was given.
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"},
        {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "run", "arguments": ""}}]}, {"role": "tool", "tool_call_id": "a", "content": "1"}]});
    assert_eq!(sent("", Speaks::Chat, Speaks::Anthropic, &body).0["messages"][1]["content"][0]["input"], json!({}));
}

/// Pitfall 13.
#[test]
fn arguments_that_come_as_an_object_are_its_text() {
    let frames =
        chat([pieces(json!([{"index": 0, "id": "a", "function": {"name": "run", "arguments": {"command": "ls"}}}]))], "tool_calls");
    assert_calls(&frames, &[("run", "{\"command\":\"ls\"}")]);
    let whole = json!({"choices": [{"message": {"tool_calls": [{"id": "a", "function": {"name": "run", "arguments": {"command": "ls"}}}]}, "finish_reason": "stop"}]});
    assert_eq!(read(Speaks::Anthropic, Speaks::Chat, &whole)["content"][0]["input"], json!({"command": "ls"}));
}

/// Pitfall 14.
#[test]
fn arguments_encoded_twice_are_decoded_and_input_is_an_object() {
    let twice = json!({"command": "ls"}).to_string();
    let twice = Value::String(twice).to_string();
    let (head, tail) = twice.split_at(5);
    let frames = chat(
        [
            pieces(json!([{"index": 0, "id": "a", "function": {"name": "run", "arguments": head}}])),
            pieces(json!([{"index": 0, "function": {"arguments": tail}}])),
        ],
        "tool_calls",
    );
    assert_eq!(hear(Speaks::Anthropic, Speaks::Chat, frames).called(), [("run", "{\"command\":\"ls\"}")]);
    let whole = json!({"choices": [{"message": {"tool_calls": [{"id": "a", "function": {"name": "run", "arguments": twice}}]}, "finish_reason": "tool_calls"}]});
    assert_eq!(read(Speaks::Anthropic, Speaks::Chat, &whole)["content"][0]["input"], json!({"command": "ls"}));
    // What is no object at all is never a bare string.
    for bad in ["ls -l", "[1]", "{\"a\":"] {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"},
            {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "run", "arguments": bad}}]}, {"role": "tool", "tool_call_id": "a", "content": "1"}]});
        let (body, losses) = sent("", Speaks::Chat, Speaks::Anthropic, &body);
        assert_eq!(body["messages"][1]["content"][0]["input"], json!({"_raw": bad}));
        assert!(losses.contains("arguments"), "{losses}");
    }
}

/// Pitfall 15.
#[test]
fn cut_arguments_arrive_as_far_as_they_came_and_say_so() {
    let piece = pieces(json!([{"index": 0, "id": "a", "function": {"name": "run", "arguments": "{\"command\":\"ec"}}]));
    for said in assert_calls(&chat([piece], "length"), &[("run", "{\"command\":\"ec")]) {
        assert_eq!(said.word(), "length");
    }
    let whole = json!({"choices": [{"message": {"tool_calls": [{"id": "a", "function": {"name": "run", "arguments": "{\"command\":\"ec"}}]}, "finish_reason": "length"}]});
    let answer = read(Speaks::Anthropic, Speaks::Chat, &whole);
    assert!(answer["content"][0]["input"].is_object() && answer["stop_reason"] == "max_tokens", "{answer}");
    // The other way round every piece of the input arrives too.
    let input = json!({"command": "echo a long command that comes in pieces"});
    let said = hear(Speaks::Chat, Speaks::Anthropic, anthropic_frames(&[text("so"), tool("a", "run", input.clone())]));
    assert_eq!(said.called(), [("run", input.to_string().as_str())]);
}

/// Pitfall 16.
#[test]
fn large_integers_and_odd_numbers_keep_every_digit() {
    let odd = r#"{"n":9007199254740993,"m":1.10,"x":[1e400,-0.0],"n2":123456789012345678901234567890}"#;
    let frames = chat([pieces(json!([{"index": 0, "id": "a", "function": {"name": "run", "arguments": odd}}]))], "tool_calls");
    assert_calls(&frames, &[("run", odd)]);
    let whole = format!(
        r#"{{"type":"message","id":"m","role":"assistant","model":"u","content":[{{"type":"tool_use","id":"a","name":"run","input":{odd}}}],"stop_reason":"tool_use","usage":{{"input_tokens":1,"output_tokens":1}}}}"#
    );
    let upstream = crate::upstream::Upstream::start(move |_, _| Answer::json(200, whole.clone()));
    let gateway = super::gateway_for("", Speaks::Anthropic, &upstream);
    let answer = gateway.chat(&super::ask(Speaks::Chat, false));
    assert_eq!(answer.json()["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"], odd);
    let body = format!(
        r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"hi"}},{{"role":"assistant","content":[{{"type":"tool_use","id":"a","name":"run","input":{odd}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"a","content":"1"}}]}}]}}"#
    );
    let upstream = crate::upstream::Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine")]));
    let gateway = super::gateway_for("", Speaks::Chat, &upstream);
    assert_eq!(gateway.call("POST", "/v1/messages", body.as_bytes()).status, 200);
    assert_eq!(upstream.only().json()["messages"][1]["tool_calls"][0]["function"]["arguments"], odd);
}

/// Pitfall 17.
#[test]
fn a_call_written_as_text_is_a_call_where_the_provider_is_known_to_do_that() {
    let forms = [
        "I run it.\n<tool_call>\n{\"name\": \"run\", \"arguments\": {\"command\":\"ls > a\",\"n\":5}}\n</tool_call>",
        "I run it.\n<tool_call>\n<function=run>\n<parameter=command>\nls > a\n</parameter>\n<parameter=n>\n5\n</parameter>\n</function>\n</tool_call>",
        "I run it.\n<function=run>\n<parameter=command>\nls > a\n</parameter>\n<parameter=n>\n5\n</parameter>\n</function>\n</tool_call>",
        "I run it.\n<tool_call>run\n<arg_key>command</arg_key>\n<arg_value>ls > a</arg_value>\n<arg_key>n</arg_key>\n<arg_value>5</arg_value>\n</tool_call>",
    ];
    for form in forms {
        for size in [1, 7, 1000] {
            let cut: Vec<char> = form.chars().collect();
            let deltas: Vec<Value> = cut.chunks(size).map(|piece| json!({"content": piece.iter().collect::<String>()})).collect();
            for preset in ["lmstudio", "vllm", "llama.cpp", "ollama"] {
                let said = hear_answer(preset, Speaks::Anthropic, Speaks::Chat, &Answer::stream(chat(deltas.clone(), "stop")));
                assert_eq!(said.called(), [("run", "{\"command\":\"ls > a\",\"n\":5}")], "{preset} {form:?} in {size}");
                assert_eq!((said.text.as_str(), said.word()), ("I run it.\n", "tool_calls"), "{preset} {form:?}");
                said.assert_ids_are_unique();
            }
            // For a client of the same dialect too.
            let said = hear_answer("vllm", Speaks::Chat, Speaks::Chat, &Answer::stream(chat(deltas.clone(), "stop")));
            assert_eq!(said.called(), [("run", "{\"command\":\"ls > a\",\"n\":5}")], "{form:?} in {size}");
            assert_eq!((said.text.as_str(), said.word()), ("I run it.\n", "tool_calls"), "{form:?} in {size}");
            // Elsewhere it is what a model says about calls.
            let said = hear_answer("openai", Speaks::Anthropic, Speaks::Chat, &Answer::stream(chat(deltas, "stop")));
            assert_eq!((said.text.as_str(), said.word()), (form, "stop"), "{form:?} in {size}");
        }
        let script = json!({"choices": [{"message": {"content": form}, "finish_reason": "stop"}]}).to_string();
        let upstream = crate::upstream::Upstream::start(move |_, _| Answer::json(200, script.clone()));
        let gateway = super::gateway_for("vllm", Speaks::Chat, &upstream);
        let whole = gateway.messages(&super::ask(Speaks::Anthropic, false)).json();
        assert_eq!(
            (&whole["content"][1]["input"], &whole["stop_reason"]),
            (&json!({"command": "ls > a", "n": 5}), &json!("tool_use")),
            "{whole}"
        );
        let relayed = gateway.chat(&super::ask(Speaks::Chat, false)).json();
        let (message, word) = (&relayed["choices"][0]["message"], &relayed["choices"][0]["finish_reason"]);
        assert_eq!((&message["content"], word), (&json!("I run it.\n"), &json!("tool_calls")), "{relayed}");
        assert_eq!(message["tool_calls"][0]["function"], json!({"name": "run", "arguments": "{\"command\":\"ls > a\",\"n\":5}"}));
        // Without tools there is nothing to call.
        let mut bare = super::ask(Speaks::Anthropic, false);
        bare["tools"] = json!([]);
        assert_eq!(gateway.messages(&bare).json()["content"][0]["text"], form);
    }
    for no_call in [
        "<tool_call>{\"name\":\"other\",\"arguments\":{}}</tool_call>",
        "<function=other></function>",
        "a <tool_call> is half",
        "<tool_call>{\"name\":\"run\",\"arg",
    ] {
        let said = hear_answer("vllm", Speaks::Anthropic, Speaks::Chat, &Answer::stream(chat([json!({"content": no_call})], "stop")));
        assert_eq!((said.text.as_str(), said.calls.len()), (no_call, 0));
    }
}

/// Pitfall 18.
#[test]
fn two_equal_calls_stay_two() {
    let call = |index: u8, id: &str| pieces(json!([{"index": index, "id": id, "function": {"name": "run", "arguments": "{\"n\":1}"}}]));
    assert_calls(&chat([call(0, "a"), call(1, "b")], "tool_calls"), &[("run", "{\"n\":1}"), ("run", "{\"n\":1}")]);
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "run", "arguments": "{\"n\":1}"}});
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": [call("a"), call("b")]},
        {"role": "tool", "tool_call_id": "a", "content": "1"}, {"role": "tool", "tool_call_id": "b", "content": "1"}]});
    let (body, _) = sent("", Speaks::Chat, Speaks::Anthropic, &body);
    assert_eq!(body["messages"][1]["content"].as_array().unwrap().len(), 2, "{body}");
    assert_eq!(body["messages"][2]["content"].as_array().unwrap().len(), 2, "{body}");
}
