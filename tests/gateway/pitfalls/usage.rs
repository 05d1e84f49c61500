//! Where servers put their counts and what they mean by them. The numbers are those of the list of pitfalls.

use serde_json::{Value, json};

use super::{CLIENTS, delta, done, event, finish, hear, read};
use crate::replies::{Speaks, anthropic_body, anthropic_frames, chat_body, text};

fn chat_usage(usage: &Value) -> String {
    format!("data: {}\n\n", json!({"id": "c1", "choices": [], "usage": usage}))
}

/// A Messages stream with these usages in its start and its end.
fn messages_stream(start: &Value, end: &Value) -> Vec<String> {
    let message = |usage: &Value| {
        let mut message = json!({"id": "m", "type": "message", "role": "assistant", "model": "u", "content": [], "stop_reason": null, "stop_sequence": null});
        if !usage.is_null() {
            message["usage"] = usage.clone();
        }
        message
    };
    let mut last = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}});
    if !end.is_null() {
        last["usage"] = end.clone();
    }
    vec![
        event(json!({"type": "message_start", "message": message(start)})),
        event(json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})),
        event(json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}})),
        event(json!({"type": "content_block_stop", "index": 0})),
        event(last),
        event(json!({"type": "message_stop"})),
    ]
}

fn numbers(usage: &Value, names: &[&str]) -> Vec<u64> {
    names.iter().map(|name| usage[name].as_u64().unwrap_or_else(|| panic!("no {name}: {usage}"))).collect()
}

const MESSAGES: [&str; 4] = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens"];

/// Pitfall 35.
#[test]
fn usage_in_a_last_chunk_without_choices_is_counted() {
    let usage = json!({"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107, "prompt_tokens_details": {"cached_tokens": 60}});
    for client in CLIENTS {
        let said = hear(client, Speaks::Chat, [delta(json!({"content": "x"})), finish("stop"), chat_usage(&usage), done()]);
        match client {
            Speaks::Anthropic => assert_eq!(numbers(&said.usage, &MESSAGES), [40, 60, 0, 7]),
            Speaks::Chat => assert_eq!(numbers(&said.usage, &["prompt_tokens", "completion_tokens"]), [100, 7]),
        }
    }
    // Kimi's and Groq's own places for it.
    let in_choice =
        format!("data: {}\n\n", json!({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": usage}]}));
    let in_x_groq = format!(
        "data: {}\n\n",
        json!({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "x_groq": {"usage": usage}})
    );
    for last in [in_choice, in_x_groq] {
        let said = hear(Speaks::Anthropic, Speaks::Chat, [delta(json!({"content": "x"})), last, done()]);
        assert_eq!(numbers(&said.usage, &MESSAGES), [40, 60, 0, 7]);
    }
    // A client that did not ask for it does not get the chunk that was asked for on its behalf.
    let upstream = crate::upstream::Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[text("x")]));
    let gateway = super::gateway_for("", Speaks::Anthropic, &upstream);
    let reply = gateway.chat(&json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "hi"}]}));
    assert!(!reply.text().contains("prompt_tokens"), "{}", reply.text());
}

/// Pitfall 36.
#[test]
fn cumulative_counts_are_not_added_up() {
    let start = json!({"input_tokens": 40, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 5, "output_tokens": 1});
    let end = json!({"input_tokens": 40, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 5, "output_tokens": 9});
    let said = hear(Speaks::Chat, Speaks::Anthropic, messages_stream(&start, &end));
    assert_eq!(numbers(&said.usage, &["prompt_tokens", "completion_tokens", "total_tokens"]), [105, 9, 114]);
    assert_eq!(said.usage["prompt_tokens_details"]["cached_tokens"], 60);
    // The same with counts in every chunk of a Chat stream.
    let usage = |output: u64| json!({"prompt_tokens": 100, "completion_tokens": output, "prompt_tokens_details": {"cached_tokens": 60}});
    let said = hear(
        Speaks::Anthropic,
        Speaks::Chat,
        [chat_usage(&usage(1)), delta(json!({"content": "x"})), chat_usage(&usage(4)), finish("stop"), chat_usage(&usage(9)), done()],
    );
    assert_eq!(numbers(&said.usage, &MESSAGES), [40, 60, 0, 9]);
}

/// Pitfall 37.
#[test]
fn input_may_stand_in_the_start_or_in_the_end_and_the_end_is_right() {
    for (start, end, input) in [
        (json!({"input_tokens": 40, "output_tokens": 0}), json!({"output_tokens": 9}), 40),
        (json!({"input_tokens": 0, "output_tokens": 0}), json!({"input_tokens": 40, "output_tokens": 9}), 40),
        (
            json!({"input_tokens": 100, "output_tokens": 0}),
            json!({"input_tokens": 40, "cache_read_input_tokens": 60, "output_tokens": 9}),
            40,
        ),
        (Value::Null, json!({"input_tokens": 40, "output_tokens": 9}), 40),
        (json!({"input_tokens": 40, "output_tokens": 0}), json!({"input_tokens": 0, "output_tokens": 9}), 40),
    ] {
        let said = hear(Speaks::Chat, Speaks::Anthropic, messages_stream(&start, &end));
        let cached = end["cache_read_input_tokens"].as_u64().unwrap_or(0);
        assert_eq!(numbers(&said.usage, &["prompt_tokens", "completion_tokens"]), [input + cached, 9], "{start} {end}");
    }
}

/// Pitfall 38.
#[test]
fn cached_input_is_inside_the_count_of_one_dialect_and_beside_that_of_the_other() {
    // replies: 1234 fresh, 789 read, 12 written in Messages; 1234 in all, 789 of them cached, in Chat.
    let usage = read(Speaks::Chat, Speaks::Anthropic, &anthropic_body(&[text("x")]))["usage"].clone();
    assert_eq!(numbers(&usage, &["prompt_tokens", "completion_tokens", "total_tokens"]), [2035, 56, 2091]);
    assert_eq!(numbers(&usage["prompt_tokens_details"], &["cached_tokens", "cache_write_tokens"]), [789, 12]);
    let usage = read(Speaks::Anthropic, Speaks::Chat, &chat_body(&[text("x")]))["usage"].clone();
    assert_eq!(numbers(&usage, &MESSAGES), [445, 789, 0, 56]);
    let said = hear(Speaks::Chat, Speaks::Anthropic, anthropic_frames(&[text("x")]));
    assert_eq!(numbers(&said.usage, &["prompt_tokens", "completion_tokens"]), [2035, 56]);
    // More cached than there is in all: never below zero.
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 60}});
    let said = hear(Speaks::Anthropic, Speaks::Chat, [delta(json!({"content": "x"})), finish("stop"), chat_usage(&usage), done()]);
    assert_eq!(said.usage["input_tokens"], 0);
}

/// Pitfall 39.
#[test]
fn null_and_absent_counts_are_zeros_and_never_null() {
    for usage in [
        Value::Null,
        json!({}),
        json!({"prompt_tokens": null, "completion_tokens": null, "prompt_tokens_details": null}),
        json!({"prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": null}, "completion_tokens_details": {"reasoning_tokens": null}}),
    ] {
        let said = hear(Speaks::Anthropic, Speaks::Chat, [delta(json!({"content": "x"})), finish("stop"), chat_usage(&usage), done()]);
        numbers(&said.usage, &MESSAGES);
        let mut whole = chat_body(&[text("x")]);
        whole["usage"] = usage.clone();
        numbers(&read(Speaks::Anthropic, Speaks::Chat, &whole)["usage"], &MESSAGES);
    }
    for usage in [Value::Null, json!({}), json!({"input_tokens": null, "output_tokens": null})] {
        for client in CLIENTS {
            // For a Messages client the reader demands both counts, in the start and in the end.
            let said = hear(client, Speaks::Anthropic, messages_stream(&usage, &usage));
            assert_eq!(said.text, "x");
            if client == Speaks::Chat {
                numbers(&said.usage, &["prompt_tokens", "completion_tokens", "total_tokens"]);
            }
        }
        let mut whole = anthropic_body(&[text("x")]);
        whole["usage"] = usage.clone();
        numbers(&read(Speaks::Chat, Speaks::Anthropic, &whole)["usage"], &["prompt_tokens", "completion_tokens", "total_tokens"]);
    }
    // DeepSeek's and Kimi's own names.
    for usage in [
        json!({"prompt_tokens": 100, "completion_tokens": 1, "prompt_cache_hit_tokens": 60}),
        json!({"prompt_tokens": 100, "completion_tokens": 1, "cached_tokens": 60}),
    ] {
        let mut whole = chat_body(&[text("x")]);
        whole["usage"] = usage;
        assert_eq!(numbers(&read(Speaks::Anthropic, Speaks::Chat, &whole)["usage"], &MESSAGES), [40, 60, 0, 1]);
    }
}
