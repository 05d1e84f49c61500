//! How servers frame their events. The numbers are those of the list of pitfalls.

use serde_json::{Value, json};

use super::{CLIENTS, chat, done, hear, hear_answer, pieces};
use crate::replies::{Speaks, anthropic_body, anthropic_frames, chat_body, chat_frames, text, thinking, tool};
use crate::upstream::{Act, Answer};

/// Text with characters of two, three and four bytes, and line ends that JSON knows and SSE does not.
const ODD: &str = "Grüße 日本 👩‍👩‍👧 a\u{2028}b\u{2029}c\u{85}d";

fn frames_of(speaks: Speaks, said: &str) -> Vec<String> {
    if speaks == Speaks::Chat { chat_frames(&[text(said)]) } else { anthropic_frames(&[text(said)]) }
}

/// Pitfall 27.
#[test]
fn comments_of_a_provider_are_neither_data_nor_sent_on() {
    for speaks in CLIENTS {
        let comment = ": OPENROUTER PROCESSING\n\n";
        let mut frames: Vec<String> = frames_of(speaks, "said").into_iter().flat_map(|frame| [comment.to_owned(), frame]).collect();
        frames.insert(0, ": keep-alive\n: and another\n\n".to_owned());
        for client in CLIENTS {
            let mut frames = frames.clone();
            if client != speaks {
                frames[4].insert_str(0, ": in one frame with data\n");
            }
            // `read_stream` refuses every line that is a comment.
            let said = hear(client, speaks, frames);
            assert_eq!((said.text.as_str(), said.is_ended), ("said", true), "{client:?} {speaks:?}");
        }
    }
}

/// Pitfall 28.
#[test]
fn data_without_a_blank_and_data_over_several_lines_is_data() {
    for speaks in CLIENTS {
        let spread = |frame: &String| {
            let (head, data) = frame.split_once("data: ").unwrap();
            let value: Value = serde_json::from_str(data.trim()).unwrap_or_else(|_| data.trim().into());
            match value {
                Value::String(word) => format!("data:{word}\n\n"),
                value => format!("{head}data\ndata:{}\n\n", serde_json::to_string_pretty(&value).unwrap().replace('\n', "\ndata:")),
            }
        };
        let tight = |frame: &String| frame.replace("data: ", "data:").replace("event: ", "event:");
        for frames in
            [frames_of(speaks, "said so").iter().map(spread).collect::<Vec<_>>(), frames_of(speaks, "said so").iter().map(tight).collect()]
        {
            for client in CLIENTS {
                let upstream = frames.clone();
                let said = hear(client, speaks, upstream);
                assert_eq!((said.text.as_str(), said.is_ended), ("said so", true), "{client:?} {speaks:?}: {frames:?}");
            }
        }
    }
}

/// Pitfalls 29 and 30.
#[test]
fn pieces_of_every_size_give_the_same_text_even_inside_a_character() {
    for speaks in CLIENTS {
        let parts = [thinking("hm, ä"), text(ODD), tool("a", "run", json!({"command": ODD}))];
        let frames = if speaks == Speaks::Chat { chat_frames(&parts) } else { anthropic_frames(&parts) };
        for size in [1, 2, 3, 5, 64, 1_000_000] {
            for client in CLIENTS {
                let said = hear_answer("", client, speaks, &Answer::stream(frames.clone()).chunks_of(size));
                assert_eq!((said.text.as_str(), said.thinking.as_str()), (ODD, "hm, ä"), "{client:?} {speaks:?} in {size}");
                assert_eq!(said.calls[0].arguments, json!({"command": ODD}).to_string());
            }
        }
    }
}

/// Pitfall 31.
#[test]
fn only_real_line_ends_part_lines() {
    for speaks in CLIENTS {
        for end in ["\n", "\r\n", "\r"] {
            let frames: Vec<String> = frames_of(speaks, ODD).iter().map(|frame| frame.replace('\n', end)).collect();
            for client in CLIENTS {
                if client == speaks && end != "\n" {
                    // A relay leaves healthy line ends as they are; the plain reader of these tests knows LF alone.
                    continue;
                }
                let said = hear(client, speaks, frames.clone());
                assert_eq!(said.text, ODD, "{client:?} {speaks:?} {end:?}");
            }
        }
        let mut frames = frames_of(speaks, ODD);
        frames[0].insert(0, '\u{feff}');
        assert_eq!(
            hear(if speaks == Speaks::Chat { Speaks::Anthropic } else { Speaks::Chat }, speaks, frames).text,
            ODD,
            "a mark of byte order"
        );
    }
}

/// Pitfall 32.
#[test]
fn azures_chunks_without_choices_or_delta_and_with_an_empty_id_are_borne() {
    let chunks = [
        json!({"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}),
        json!({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}], "id": "chatcmpl-az", "model": "gpt"}),
        json!({"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": null}], "id": "chatcmpl-az", "model": "gpt"}),
        json!({"choices": [{"index": 0, "content_filter_offsets": {"check_offset": 1}, "content_filter_results": {}, "finish_reason": null}], "id": "", "model": ""}),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "id": "chatcmpl-az", "model": "gpt"}),
    ];
    let frames: Vec<String> = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).chain([done()]).collect();
    for client in CLIENTS {
        let said = hear(client, Speaks::Chat, frames.clone());
        assert_eq!((said.text.as_str(), said.word()), ("Hello", "stop"), "{client:?}");
    }
}

/// Pitfall 33.
#[test]
fn lists_in_a_chat_delta_that_aimux_writes_carry_an_index() {
    let upstream = crate::upstream::Upstream::start(|seen, _| {
        Speaks::Anthropic.answer(seen, &[thinking("one"), text("so"), tool("a", "run", json!({})), tool("b", "run", json!({}))])
    });
    let gateway = super::gateway_for("", Speaks::Anthropic, &upstream);
    let reply = gateway.chat(&super::ask(Speaks::Chat, true));
    let mut lists = 0;
    for event in reply.events().iter().filter(|event| event.data.is_object()) {
        for (name, value) in event.data["choices"][0]["delta"].as_object().into_iter().flatten() {
            for item in value.as_array().into_iter().flatten() {
                assert!(item["index"].is_u64(), "{name}: {item}");
                lists += 1;
            }
        }
    }
    assert!(lists >= 3, "{}", reply.text());
}

/// Pitfall 34.
#[test]
fn a_json_answer_to_a_stream_request_is_streamed_and_padding_is_no_fault() {
    for speaks in CLIENTS {
        let body = if speaks == Speaks::Chat {
            chat_body(&[text("whole"), tool("a", "run", json!({"n": 1}))])
        } else {
            anthropic_body(&[text("whole"), tool("a", "run", json!({"n": 1}))])
        };
        let body = body.to_string();
        for client in CLIENTS {
            for answer in [
                Answer::json(200, body.clone()),
                Answer::json(200, format!("\n\n   \n{body}\n")),
                Answer::stream([body.clone()]),
                Answer::stream(["\n\n".to_owned(), "   \n\n".to_owned(), body.clone()]),
            ] {
                let said = hear_answer("", client, speaks, &answer);
                assert_eq!((said.text.as_str(), said.word()), ("whole", "tool_calls"), "{client:?} {speaks:?} {answer:?}: {said:?}");
                assert_eq!(said.called(), [("run", "{\"n\":1}")]);
            }
            // A stream under the wrong name, after padding.
            let mut answer = Answer::stream(frames_of(speaks, "said"));
            answer.headers[0].1 = "application/json".to_owned();
            answer.acts.insert(0, Act::Bytes(b"\n\n".to_vec()));
            let said = hear_answer("", client, speaks, &answer);
            assert_eq!((said.text.as_str(), said.is_ended), ("said", true), "{client:?} {speaks:?}: {said:?}");
        }
    }
    // A client that wants it whole is given it whole, padding or stream.
    let whole = |answer: &Answer, client: Speaks, speaks: Speaks| {
        let script = answer.clone();
        let upstream = crate::upstream::Upstream::start(move |_, _| script.clone());
        super::call(&super::gateway_for("", speaks, &upstream), client, &super::ask(client, false)).json()
    };
    let padded = Answer::json(200, format!("   \n\n{}", chat_body(&[text("padded")])));
    assert_eq!(whole(&padded, Speaks::Anthropic, Speaks::Chat)["content"][0]["text"], "padded");
    assert_eq!(whole(&padded, Speaks::Chat, Speaks::Chat)["choices"][0]["message"]["content"], "padded");
    let streamed = Answer::stream(chat(
        [json!({"content": "streamed"}), pieces(json!([{"index": 0, "id": "a", "function": {"name": "run", "arguments": "{}"}}]))],
        "tool_calls",
    ));
    let answer = whole(&streamed, Speaks::Anthropic, Speaks::Chat);
    assert_eq!((&answer["content"][0]["text"], &answer["stop_reason"]), (&json!("streamed"), &json!("tool_use")), "{answer}");
}
