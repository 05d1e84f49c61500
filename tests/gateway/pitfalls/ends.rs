//! How answers end, and how they do not. The numbers are those of the list of pitfalls.

use serde_json::{Value, json};

use super::{CLIENTS, chat, chunk, delta, done, event, finish, hear, hear_answer, pieces, read};
use crate::replies::{Speaks, anthropic_body, anthropic_frames, chat_frames, text, tool};
use crate::upstream::{Act, Answer};

fn call() -> Value {
    pieces(json!([{"index": 0, "id": "a", "function": {"name": "run", "arguments": "{\"n\":1}"}}]))
}

/// Pitfall 19.
#[test]
fn calls_are_the_reason_though_the_server_says_stop_but_length_stays_length() {
    for (word, heard) in [("stop", "tool_calls"), ("tool_calls", "tool_calls"), ("length", "length")] {
        assert_eq!(hear(Speaks::Anthropic, Speaks::Chat, chat([call()], word)).word(), heard, "{word}");
        let message = json!({"content": "", "tool_calls": [{"id": "a", "function": {"name": "run", "arguments": "{}"}}]});
        let whole = read(Speaks::Anthropic, Speaks::Chat, &json!({"choices": [{"message": message, "finish_reason": word}]}));
        assert_eq!(whole["stop_reason"] == "tool_use", heard == "tool_calls", "{whole}");
    }
    for (word, heard) in [("end_turn", "tool_calls"), ("tool_use", "tool_calls"), ("max_tokens", "length")] {
        let frames = anthropic_frames(&[tool("a", "run", json!({}))])
            .into_iter()
            .map(|frame| frame.replace("\"tool_use\",\"stop_seq", &format!("\"{word}\",\"stop_seq")));
        let said = hear(Speaks::Chat, Speaks::Anthropic, frames);
        assert_eq!(said.word(), heard, "{word}: {said:?}");
    }
}

/// Pitfall 20.
#[test]
fn an_empty_reason_in_every_chunk_is_no_end() {
    let say = |text: &str| chunk(&json!({"index": 0, "delta": {"content": text}, "finish_reason": ""}));
    for client in CLIENTS {
        let said = hear(client, Speaks::Chat, [say("one "), say("two "), say("three"), finish("stop"), done()]);
        assert_eq!((said.text.as_str(), said.word()), ("one two three", "stop"), "{client:?}");
        let said = hear(client, Speaks::Chat, [say("one "), say("two")]);
        assert!(!said.error.is_null(), "an empty reason was taken for an end: {said:?}");
    }
}

/// Pitfall 21.
#[test]
fn a_sentinel_without_a_reason_is_an_end() {
    for client in CLIENTS {
        let said = hear(client, Speaks::Chat, [delta(json!({"content": "all"})), done()]);
        assert_eq!((said.text.as_str(), said.is_ended), ("all", true), "{client:?}");
    }
    let said = hear(Speaks::Anthropic, Speaks::Chat, [delta(call()), done()]);
    assert_eq!((said.word(), said.called()), ("tool_calls", vec![("run", "{\"n\":1}")]));
    let said = hear(Speaks::Anthropic, Speaks::Chat, [delta(json!({"content": "all"})), done()]);
    assert_eq!(said.word(), "stop");
}

/// Pitfall 22.
#[test]
fn an_end_without_reason_or_sentinel_is_an_error() {
    for speaks in CLIENTS {
        let (frames, count) = if speaks == Speaks::Chat {
            (chat_frames(&[text("half of it, no more")]), 2)
        } else {
            (anthropic_frames(&[text("half of it, no more")]), 4)
        };
        for client in CLIENTS {
            for (how, answer) in [
                ("an early end", Answer::stream(frames[..count].to_vec())),
                ("a cut", Answer::stream(frames.clone()).after(count, Act::Cut)),
            ] {
                let said = hear_answer("", client, speaks, &answer);
                assert!(!said.error.is_null() && !said.is_ended && said.text.starts_with("half"), "{how} {client:?} {speaks:?}: {said:?}");
            }
        }
    }
}

/// Pitfall 23.
#[test]
fn a_second_reason_does_not_undo_the_first() {
    for client in CLIENTS {
        let said = hear(client, Speaks::Chat, [delta(call()), finish("tool_calls"), finish("stop"), done()]);
        assert_eq!(said.called(), [("run", "{\"n\":1}")]);
        assert_eq!(said.word(), "tool_calls", "{client:?}");
    }
    let said = hear(Speaks::Anthropic, Speaks::Chat, [delta(json!({"content": "x"})), finish("length"), finish("stop"), done()]);
    assert_eq!(said.word(), "length");
}

/// Pitfall 24.
#[test]
fn unknown_words_never_leak_and_known_ones_keep_their_meaning() {
    let words = [
        ("eos", "stop"),
        ("weird", "stop"),
        ("max_output_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("sensitive", "content_filter"),
        ("content_filter", "content_filter"),
        ("stop_sequence", "stop"),
    ];
    for (word, heard) in words {
        for client in CLIENTS {
            let said = hear(client, Speaks::Chat, chat([json!({"content": "x"})], word));
            assert_eq!(said.word(), heard, "{word} {client:?}: {said:?}");
        }
        let whole = json!({"choices": [{"message": {"content": "x"}, "finish_reason": word}]});
        let reason = read(Speaks::Anthropic, Speaks::Chat, &whole)["stop_reason"].clone();
        assert!(
            ["end_turn", "stop_sequence", "max_tokens", "model_context_window_exceeded", "refusal"].contains(&reason.as_str().unwrap()),
            "{reason}"
        );
    }
    for word in ["function_call", "tool_use"] {
        assert_eq!(hear(Speaks::Anthropic, Speaks::Chat, chat([call()], word)).word(), "tool_calls", "{word}");
    }
    for word in ["error", "network_error"] {
        for client in CLIENTS {
            assert!(!hear(client, Speaks::Chat, chat([json!({"content": "x"})], word)).error.is_null(), "{word} {client:?}");
        }
    }
    let words = [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "stop"),
        ("unheard_of", "stop"),
    ];
    for (word, heard) in words {
        let said =
            hear(Speaks::Chat, Speaks::Anthropic, anthropic_frames(&[text("x")]).into_iter().map(|frame| frame.replace("end_turn", word)));
        assert_eq!(said.word(), heard, "{word}");
        let mut whole = anthropic_body(&[text("x")]);
        whole["stop_reason"] = word.into();
        assert_eq!(read(Speaks::Chat, Speaks::Anthropic, &whole)["choices"][0]["finish_reason"], heard, "{word}");
    }
}

/// Pitfall 25: no reason although the server is done, which proto-minded servers leave out. On both dialects here an end
/// of the stream alone is no end, but a whole answer is whole.
#[test]
fn a_whole_answer_without_a_reason_has_ended() {
    let whole = json!({"choices": [{"message": {"content": "x"}}]});
    assert_eq!(read(Speaks::Anthropic, Speaks::Chat, &whole)["stop_reason"], "end_turn");
    let whole = json!({"choices": [{"message": {"tool_calls": [{"id": "a", "function": {"name": "run", "arguments": "{}"}}]}, "finish_reason": null}]});
    assert_eq!(read(Speaks::Anthropic, Speaks::Chat, &whole)["stop_reason"], "tool_use");
    let mut whole = anthropic_body(&[text("x")]);
    whole["stop_reason"] = Value::Null;
    assert_eq!(read(Speaks::Chat, Speaks::Anthropic, &whole)["choices"][0]["finish_reason"], "stop");
    // The call first, its reason in a later chunk.
    assert_eq!(hear(Speaks::Anthropic, Speaks::Chat, [delta(call()), delta(json!({})), finish("stop"), done()]).word(), "tool_calls");
}

/// Pitfall 26, and what else the form of a Messages stream may lack.
#[test]
fn a_messages_stream_with_a_sentinel_without_names_or_without_its_stop_is_mended() {
    let frames = anthropic_frames(&[text("all of it"), tool("a", "run", json!({"n": 1}))]);
    let unnamed = |frame: &String| frame.split_once('\n').unwrap().1.to_owned();
    let without_stop = frames[..frames.len() - 1].to_vec();
    let variants: [(&str, Vec<String>); 5] = [
        ("a sentinel at the end", frames.iter().cloned().chain([done()]).collect()),
        ("a sentinel in place of the stop", without_stop.iter().cloned().chain([done()]).collect()),
        ("no names", frames.iter().map(unnamed).collect()),
        ("no stop", without_stop),
        ("no start", frames[2..].to_vec()),
    ];
    for (fault, frames) in variants {
        for client in CLIENTS {
            let said = hear(client, Speaks::Anthropic, frames.clone());
            assert_eq!((said.text.as_str(), said.word()), ("all of it", "tool_calls"), "{fault} {client:?}");
            assert_eq!(said.called(), [("run", "{\"n\":1}")], "{fault} {client:?}");
        }
    }
    let pinged = [event(json!({"type": "ping"}))].into_iter().chain(anthropic_frames(&[text("x")]));
    let said = hear(Speaks::Chat, Speaks::Anthropic, pinged);
    assert_eq!(said.text, "x");
}
