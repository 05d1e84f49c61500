//! Histories that clients compact, cut and fill with what some provider refuses. The numbers are those of the list of
//! pitfalls.

use serde_json::{Value, json};

use super::{CLIENTS, sent};
use crate::replies::Speaks;

/// A conversation in Chat's words.
fn chat(messages: Value) -> Value {
    json!({"model": "m", "messages": messages})
}

/// A conversation in Messages' words.
fn messages(messages: Value) -> Value {
    json!({"model": "m", "max_tokens": 100, "messages": messages})
}

fn roles(body: &Value) -> Vec<&str> {
    body["messages"].as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect()
}

fn tool_use(id: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": "run", "input": {}})
}

fn tool_result(id: &str, text: &str) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": text})
}

fn tool_call(id: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "run", "arguments": "{}"}})
}

/// Pitfall 51.
#[test]
fn a_result_whose_call_was_compacted_away_becomes_text() {
    let (body, losses) = sent(
        "",
        Speaks::Anthropic,
        Speaks::Chat,
        &messages(json!([{"role": "user", "content": [tool_result("gone", "42"), {"type": "text", "text": "go on"}]}])),
    );
    assert_eq!(roles(&body), ["user"]);
    assert!(body.to_string().contains("[result of an earlier tool call] 42") && body.to_string().contains("go on"), "{body}");
    assert!(losses.contains("tool_result"), "{losses}");
    let (body, losses) = sent(
        "",
        Speaks::Chat,
        Speaks::Anthropic,
        &chat(json!([{"role": "tool", "tool_call_id": "gone", "content": "42"}, {"role": "user", "content": "go on"}])),
    );
    assert_eq!(roles(&body), ["user"]);
    assert!(body.to_string().contains("[result of an earlier tool call] 42") && !body.to_string().contains("\"tool_result\""), "{body}");
    assert!(losses.contains("tool_result"), "{losses}");
}

/// Pitfall 52.
#[test]
fn a_call_that_was_never_answered_gets_a_result_that_says_so() {
    let history = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": [tool_use("a"), tool_use("b")]},
        {"role": "user", "content": [tool_result("a", "1"), {"type": "text", "text": "stop that"}]}]);
    let (body, losses) = sent("", Speaks::Anthropic, Speaks::Chat, &messages(history));
    assert_eq!(roles(&body), ["user", "assistant", "tool", "tool", "user"], "{body}");
    assert!(body["messages"][3]["content"].as_str().unwrap().contains("[no result: interrupted]"), "{body}");
    assert!(losses.contains("tool_result"), "{losses}");
    let history = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": [tool_call("a"), tool_call("b")]},
        {"role": "tool", "tool_call_id": "a", "content": "1"}, {"role": "user", "content": "stop that"}]);
    let (body, _) = sent("", Speaks::Chat, Speaks::Anthropic, &chat(history));
    let last = &body["messages"][2]["content"];
    assert_eq!(
        (&last[0]["tool_use_id"], &last[1]["tool_use_id"], &last[1]["is_error"]),
        (&json!("a"), &json!("b"), &json!(true)),
        "{body}"
    );
}

/// Pitfall 53.
#[test]
fn results_lead_what_the_user_says_in_both_dialects() {
    let history = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": [tool_use("a"), tool_use("b")]},
        {"role": "user", "content": [{"type": "text", "text": "by the way"}, tool_result("b", "2"), tool_result("a", "1")]}]);
    let (body, _) = sent("", Speaks::Anthropic, Speaks::Chat, &messages(history));
    assert_eq!(roles(&body), ["user", "assistant", "tool", "tool", "user"], "{body}");
    assert!(body["messages"][4].to_string().contains("by the way"));
    let history = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": [tool_call("a"), tool_call("b")]},
        {"role": "tool", "tool_call_id": "b", "content": "2"}, {"role": "user", "content": "by the way"}, {"role": "tool", "tool_call_id": "a", "content": "1"}]);
    let (body, _) = sent("", Speaks::Chat, Speaks::Anthropic, &chat(history));
    assert_eq!(roles(&body), ["user", "assistant", "user"], "{body}");
    let kinds: Vec<&str> = body["messages"][2]["content"].as_array().unwrap().iter().map(|block| block["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["tool_result", "tool_result", "text"], "{body}");
}

/// Pitfall 56's half that concerns a Chat upstream: Mistral's rows.
#[test]
fn mistral_gets_a_bridge_between_results_and_the_user() {
    let history = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": [tool_use("toolu_01Abc")]},
        {"role": "user", "content": [tool_result("toolu_01Abc", "1"), {"type": "text", "text": "and now"}]}, {"role": "user", "content": "please"}]);
    let (body, _) = sent("mistral", Speaks::Anthropic, Speaks::Chat, &messages(history));
    assert_eq!(roles(&body), ["user", "assistant", "tool", "assistant", "user"], "{body}");
    let id = body["messages"][1]["tool_calls"][0]["id"].as_str().unwrap();
    assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
    assert_eq!(body["messages"][2]["tool_call_id"], id);
}

/// Pitfall 57.
#[test]
fn empty_and_blank_text_never_reaches_claude() {
    let history = json!([{"role": "system", "content": ""}, {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "hi"}]},
        {"role": "assistant", "content": "  \n"}, {"role": "user", "content": " "}, {"role": "assistant", "content": "", "tool_calls": [tool_call("a")]},
        {"role": "tool", "tool_call_id": "a", "content": ""}, {"role": "user", "content": "go on"}]);
    let (body, _) = sent("", Speaks::Chat, Speaks::Anthropic, &chat(history));
    fn texts<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("text").and_then(Value::as_str));
                map.values().for_each(|value| texts(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| texts(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    texts(&body, &mut found);
    assert!(found.iter().all(|text| !text.trim().is_empty()), "{body}");
    assert!(body.get("system").is_none(), "{body}");
    for message in body["messages"].as_array().unwrap() {
        let content = &message["content"];
        assert!(
            content.as_str().is_none_or(|text| !text.trim().is_empty()) && content.as_array().is_none_or(|list| !list.is_empty()),
            "{body}"
        );
    }
    assert!(roles(&body).windows(2).all(|two| two[0] != two[1]), "{body}");
    // The empty block with which aimux keeps a client waiting is taken out again, on the way to any dialect.
    for speaks in CLIENTS {
        let history = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "so"}]}, {"role": "user", "content": "go on"}]);
        let (body, _) = sent("", Speaks::Anthropic, speaks, &messages(history));
        assert!(!body.to_string().contains("\"text\":\"\"") && body.to_string().contains("so"), "{speaks:?}: {body}");
    }
}

/// Pitfall 58.
#[test]
fn white_space_at_the_end_of_a_prefill_is_cut_for_claude() {
    let (body, _) = sent(
        "",
        Speaks::Chat,
        Speaks::Anthropic,
        &chat(json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "I say  \n"}])),
    );
    assert_eq!(body["messages"][1]["content"], "I say");
    let (body, _) = sent(
        "",
        Speaks::Chat,
        Speaks::Anthropic,
        &chat(json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "  \n"}])),
    );
    assert_eq!(roles(&body), ["user"]);
}

/// Pitfall 59.
#[test]
fn images_in_tool_results_arrive() {
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}});
    let history = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": [tool_use("a")]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "a picture:"}, image]}]}]);
    let (body, losses) = sent("", Speaks::Anthropic, Speaks::Chat, &messages(history));
    assert_eq!(roles(&body), ["user", "assistant", "tool", "user"], "{body}");
    assert!(body["messages"][2]["content"].as_str().unwrap().starts_with("a picture:"), "a tool message holds text: {body}");
    assert!(body["messages"][3].to_string().contains("data:image/png;base64,aGVsbG8="), "{body}");
    assert!(losses.contains("tool_result.content;emulated"), "{losses}");
    // A Chat client has no such result; a picture that follows in a user message stays in the same turn for Claude.
    let history = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": [tool_call("a")]}, {"role": "tool", "tool_call_id": "a", "content": "see below"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}}]}]);
    let (body, _) = sent("", Speaks::Chat, Speaks::Anthropic, &chat(history));
    assert_eq!(roles(&body), ["user", "assistant", "user"]);
    assert_eq!(
        (&body["messages"][2]["content"][0]["type"], &body["messages"][2]["content"][1]["type"]),
        (&json!("tool_result"), &json!("image")),
        "{body}"
    );
}

/// Pitfall 60.
#[test]
fn content_is_never_null_and_an_empty_list_is_read() {
    // Old LM Studio refuses `content: null` beside calls.
    let history = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": [tool_use("a")]}, {"role": "user", "content": [tool_result("a", "")]}]);
    for preset in ["lmstudio", "openai", ""] {
        let (body, _) = sent(preset, Speaks::Anthropic, Speaks::Chat, &messages(history.clone()));
        for message in body["messages"].as_array().unwrap() {
            assert!(message.get("content").is_none_or(Value::is_string), "{preset}: {message}");
        }
        assert_ne!(body["messages"][2]["content"], "", "a result that is empty is refused by some: {body}");
    }
    let history = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": null, "tool_calls": [tool_call("a")]}, {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "assistant", "content": []}, {"role": "user", "content": "go on"}]);
    let (body, _) = sent("", Speaks::Chat, Speaks::Anthropic, &chat(history));
    assert_eq!(roles(&body), ["user", "assistant", "user"], "{body}");
    let said = super::read(
        Speaks::Anthropic,
        Speaks::Chat,
        &json!({"choices": [{"message": {"content": [], "tool_calls": [tool_call("a")]}, "finish_reason": "tool_calls"}]}),
    );
    assert_eq!(said["content"], json!([tool_use("a")]));
}
