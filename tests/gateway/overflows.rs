//! A prompt that is longer than a model's window, told by providers in words of their own.

use serde_json::{Value, json};

use crate::gateway::{Gateway, config};
use crate::replies::{Speaks, text};
use crate::upstream::{Answer, Upstream};

/// An upstream that finds every prompt too long, in these words.
fn small(speaks: Speaks, words: &'static str) -> Upstream {
    Upstream::start(move |_, _| speaks.refusal(400, words))
}

fn ask(stream: bool) -> Value {
    json!({"model": "claude-x", "max_tokens": 9, "stream": stream, "messages": [{"role": "user", "content": "hello"}]})
}

const SGLANG: &str = "The input (61709 tokens) is longer than the model's context length (40960 tokens).";

#[test]
fn each_client_reads_that_its_prompt_is_too_long_in_the_words_it_acts_on() {
    for (words, told) in [
        (SGLANG, "prompt is too long: 61709 tokens > 40960 maximum"),
        ("Input length 203743 exceeds the maximum length 202752", "prompt is too long: 203743 tokens > 202752 maximum"),
        ("Range of input length should be [1, 30720]", "prompt is too long: Range of input length should be [1, 30720]"),
    ] {
        for speaks in [Speaks::Anthropic, Speaks::Chat] {
            let gateway = Gateway::before(speaks, &small(speaks, words));
            for stream in [false, true] {
                let answer = gateway.messages(&ask(stream));
                let error = serde_json::from_slice::<Value>(&answer.body).unwrap();
                assert_eq!((answer.status, error["error"]["message"].as_str()), (400, Some(told)), "{speaks:?} {error}");
                assert_eq!(error["error"]["type"], "invalid_request_error");
                let answer = gateway.chat(&ask(stream));
                let error = serde_json::from_slice::<Value>(&answer.body).unwrap();
                assert_eq!((answer.status, error["error"]["code"].as_str()), (400, Some("context_length_exceeded")), "{speaks:?} {error}");
            }
        }
    }
}

#[test]
fn a_refusal_that_the_client_understands_is_relayed_as_it_came() {
    let body =
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 5000 tokens > 4096 maximum","x":1}}"#;
    let gateway = Gateway::before(Speaks::Anthropic, &Upstream::start(move |_, _| Answer::json(400, body)));
    assert_eq!(gateway.messages(&ask(true)).text(), body);
}

#[test]
fn a_prompt_that_is_too_long_for_one_goes_to_a_larger_where_the_entry_says_so() {
    let (small, large) = (small(Speaks::Chat, SGLANG), Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[text("hello")])));
    let upstreams = [(Speaks::Chat, &small), (Speaks::Anthropic, &large)];
    let start = |on_context: &str| {
        let models = format!("\"claude-*\": {{ use: [up0/a, up1/b], on_context: {on_context} }}");
        let facts = |model: &str, window: u32| format!("key: {{ env: UPSTREAM_KEY }}, models: {{ {model}: {{ context: {window} }} }} }}");
        let config = config(&upstreams, &models, "");
        let config = config.replacen("key: { env: UPSTREAM_KEY } }", &facts("a", 40_960), 1);
        Gateway::start(&config.replacen("key: { env: UPSTREAM_KEY } }", &facts("b", 200_000), 1))
    };
    let answer = start("larger").messages(&ask(true));
    assert_eq!((answer.status, answer.header("x-aimux-provider")), (200, Some("up1")), "{}", answer.text());
    let answer = start("refuse").messages(&ask(true));
    assert_eq!((answer.status, answer.header("x-aimux-provider")), (400, Some("up0")));
    assert!(answer.text().contains("prompt is too long: 61709 tokens > 40960 maximum"), "{}", answer.text());
}
