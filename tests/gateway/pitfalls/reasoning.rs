//! Thinking: where it stands, who gets it back, what excludes it. The numbers are those of the list of pitfalls.

use serde_json::{Value, json};

use super::{CLIENTS, ask, call, chat, gateway_for, hear_answer, read, sent};
use crate::replies::{SIGNATURE, Speaks, anthropic_body, anthropic_frames, text, thinking, tool};
use crate::upstream::{Answer, Upstream};

/// What a Messages client hears of a Chat stream.
fn heard(preset: &str, deltas: impl IntoIterator<Item = Value>) -> (String, String) {
    let said = hear_answer(preset, Speaks::Anthropic, Speaks::Chat, &Answer::stream(chat(deltas, "stop")));
    (said.thinking, said.text)
}

fn both(thinking: &str, text: &str) -> (String, String) {
    (thinking.to_owned(), text.to_owned())
}

/// Pitfall 40.
#[test]
fn thinking_is_read_under_every_name_and_never_twice() {
    for name in ["reasoning", "reasoning_content"] {
        assert_eq!(
            heard("", [json!({name: "let me "}), json!({name: "see"}), json!({"content": "yes"})]),
            both("let me see", "yes"),
            "{name}"
        );
        let message = json!({"content": "yes", name: "let me see"});
        let whole = read(Speaks::Anthropic, Speaks::Chat, &json!({"choices": [{"message": message, "finish_reason": "stop"}]}));
        assert_eq!((&whole["content"][0]["thinking"], &whole["content"][1]["text"]), (&json!("let me see"), &json!("yes")));
    }
    let twice = |text: &str| json!({"reasoning": text, "reasoning_content": text, "reasoning_details": [{"type": "reasoning.text", "text": text, "index": 0}]});
    assert_eq!(heard("", [twice("let me "), twice("see"), json!({"content": "yes"})]), both("let me see", "yes"));
    let details = |text: &str| json!({"reasoning_details": [{"type": "reasoning.text", "text": text, "index": 0}]});
    assert_eq!(heard("", [details("let me "), details("see"), json!({"content": "yes"})]), both("let me see", "yes"));
    let parts =
        json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "let me see"}]}, {"type": "text", "text": "yes"}]});
    assert_eq!(heard("mistral", [parts]), both("let me see", "yes"));
}

/// Pitfall 41.
#[test]
fn thinking_and_text_in_one_delta_both_arrive_and_thinking_alone_is_an_answer() {
    assert_eq!(
        heard("", [json!({"reasoning_content": "hm", "content": "yes"}), json!({"reasoning_content": " again", "content": " and no"})]),
        both("hm again", "yes and no")
    );
    assert_eq!(
        heard("", [json!({"reasoning_content": "hm", "content": null}), json!({"reasoning_content": " hm", "content": ""})]),
        both("hm hm", "")
    );
}

/// Pitfall 42.
#[test]
fn thinking_in_the_text_is_parted_only_where_the_provider_writes_so_and_only_at_the_start() {
    let cut = |whole: &str| whole.chars().map(|c| json!({"content": c.to_string()})).collect::<Vec<_>>();
    let whole = "<think>\nlet me see\n</think>\n\nyes, <think>this</think> is text";
    for deltas in [
        vec![json!({"content": whole})],
        cut(whole),
        vec![
            json!({"content": "<th"}),
            json!({"content": "ink>\nlet me see\n</thi"}),
            json!({"content": "nk>\n\nyes, <think>this</think> is text"}),
        ],
    ] {
        assert_eq!(heard("minimax", deltas.clone()), both("let me see\n", "yes, <think>this</think> is text"));
        let kept = hear_answer("openai", Speaks::Anthropic, Speaks::Chat, &Answer::stream(chat(deltas, "stop")));
        assert_eq!((kept.text.as_str(), kept.thinking.as_str()), (whole, ""), "a provider that has a place for it means what it writes");
    }
    assert_eq!(heard("minimax", cut("<thin air")), both("", "<thin air"));
}

/// Pitfall 43.
#[test]
fn the_first_piece_of_thinking_comes_once() {
    for speaks in CLIENTS {
        for client in CLIENTS {
            let upstream = Upstream::start(move |seen, _| speaks.answer(seen, &[thinking("First I consider, then I see."), text("Yes.")]));
            let reply = call(&gateway_for("", speaks, &upstream), client, &ask(client, true));
            let said = super::read_stream(client, &reply);
            assert_eq!((said.thinking.as_str(), said.text.as_str()), ("First I consider, then I see.", "Yes."), "{client:?} {speaks:?}");
        }
    }
}

/// A tool loop's second request, with the thinking of the first answer in it.
fn loop_of(client: Speaks, answer: &Value) -> Value {
    let mut body = ask(client, false);
    let list = body["messages"].as_array_mut().unwrap();
    match client {
        Speaks::Anthropic => {
            let id = answer["content"].as_array().unwrap().last().unwrap()["id"].clone();
            list.push(json!({"role": "assistant", "content": answer["content"]}));
            list.push(json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "1"}]}));
        }
        Speaks::Chat => {
            let message = answer["choices"][0]["message"].clone();
            let id = message["tool_calls"][0]["id"].clone();
            list.push(message);
            list.push(json!({"role": "tool", "tool_call_id": id, "content": "1"}));
        }
    }
    body
}

/// The body of the second request of a tool loop whose first answer was `message`.
fn after(preset: &str, client: Speaks, speaks: Speaks, first: &Value) -> Value {
    let script = first.to_string();
    let upstream = Upstream::start(move |_, _| Answer::json(200, script.clone()));
    let gateway = gateway_for(preset, speaks, &upstream);
    let answer = call(&gateway, client, &ask(client, false)).json();
    assert_eq!(call(&gateway, client, &loop_of(client, &answer)).status, 200);
    upstream.seen()[1].json()
}

/// A Chat answer that thinks and calls.
fn thought(members: &Value) -> Value {
    let mut message = json!({"role": "assistant", "content": "so", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "run", "arguments": "{}"}}]});
    for (name, value) in members.as_object().unwrap() {
        message[name] = value.clone();
    }
    json!({"id": "c", "object": "chat.completion", "created": 1, "model": "u", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
}

/// Pitfall 44.
#[test]
fn signed_thinking_survives_a_tool_loop() {
    let blocks = [thinking("hm"), text("so"), tool("a", "run", json!({}))];
    for client in CLIENTS {
        // As the provider's own: a signature goes back to the family that made it.
        let body = after("anthropic", client, Speaks::Anthropic, &anthropic_body(&blocks));
        let turn = &body["messages"][1]["content"];
        assert_eq!(turn[0], json!({"type": "thinking", "thinking": "hm", "signature": SIGNATURE}), "{client:?}: {body}");
        assert_eq!((&turn[1]["type"], &turn[2]["type"]), (&json!("text"), &json!("tool_use")), "{client:?}: {body}");
    }
    // Through a stream too, for a client that keeps `reasoning_details`.
    let said = hear_answer("anthropic", Speaks::Anthropic, Speaks::Anthropic, &Answer::stream(anthropic_frames(&blocks)));
    assert_eq!((said.thinking.as_str(), said.signature.as_str()), ("hm", SIGNATURE));
}

/// Pitfall 45.
#[test]
fn no_signature_is_invented_and_a_foreign_one_never_reaches_claude() {
    // Thinking that was made elsewhere comes back under our envelope, and is left out on the way to Claude.
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[thinking("hm"), text("so"), tool("a", "run", json!({}))]));
    let answer = gateway_for("", Speaks::Chat, &upstream).messages(&ask(Speaks::Anthropic, false)).json();
    assert!(answer["content"][0]["signature"].as_str().unwrap().starts_with("aimux1."), "{answer}");
    let (body, _) = sent("anthropic", Speaks::Anthropic, Speaks::Anthropic, &loop_of(Speaks::Anthropic, &answer));
    let kinds: Vec<&str> = body["messages"][1]["content"].as_array().unwrap().iter().map(|block| block["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["text", "tool_use"], "{body}");
    // What another family signed stays away too, through a Chat client.
    let signed = anthropic_body(&[thinking("hm"), text("so"), tool("a", "run", json!({}))]).to_string();
    let upstream = Upstream::start(move |_, _| Answer::json(200, signed.clone()));
    let answer = gateway_for("zai", Speaks::Anthropic, &upstream).chat(&ask(Speaks::Chat, false)).json();
    assert!(answer["choices"][0]["message"]["reasoning_details"][0]["data"].as_str().unwrap().starts_with("aimux1.zai."), "{answer}");
    let (body, losses) = sent("anthropic", Speaks::Chat, Speaks::Anthropic, &loop_of(Speaks::Chat, &answer));
    assert!(!body.to_string().contains("\"thinking\"") && losses.contains("thinking;dropped"), "{body} {losses}");
    // A Chat client's own reasoning has no signature at all: it is left out as well, never sent with an empty one.
    let (body, losses) =
        sent("anthropic", Speaks::Chat, Speaks::Anthropic, &loop_of(Speaks::Chat, &thought(&json!({"reasoning_content": "hm"}))));
    assert!(!body.to_string().contains("\"thinking\"") && losses.contains("thinking"), "{body} {losses}");
    // A block that is a signature and nothing else (display omitted) keeps it through a Chat client.
    let omitted = json!({"type": "message", "id": "m", "role": "assistant", "model": "u", "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 1},
        "content": [{"type": "thinking", "thinking": "", "signature": SIGNATURE}, {"type": "tool_use", "id": "a", "name": "run", "input": {}}]});
    let body = after("anthropic", Speaks::Chat, Speaks::Anthropic, &omitted);
    assert_eq!(body["messages"][1]["content"][0], json!({"type": "thinking", "thinking": "", "signature": SIGNATURE}), "{body}");
    let redacted = json!({"type": "message", "id": "m", "role": "assistant", "model": "u", "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 1},
        "content": [{"type": "redacted_thinking", "data": "c2VjcmV0"}, {"type": "tool_use", "id": "a", "name": "run", "input": {}}]});
    let body = after("anthropic", Speaks::Chat, Speaks::Anthropic, &redacted);
    assert_eq!(body["messages"][1]["content"][0], json!({"type": "redacted_thinking", "data": "c2VjcmV0"}), "{body}");
}

/// Pitfall 47.
#[test]
fn thinking_goes_back_under_the_name_that_the_provider_takes() {
    let back = |preset: &str, members: Value| after(preset, Speaks::Anthropic, Speaks::Chat, &thought(&members))["messages"][1].clone();
    for preset in ["deepseek", "zai", "moonshot", "synthetic"] {
        let turn = back(preset, json!({"reasoning_content": "hm"}));
        assert_eq!((&turn["reasoning_content"], turn.get("reasoning")), (&json!("hm"), None), "{preset}: {turn}");
    }
    let turn = back("cerebras", json!({"reasoning": "hm"}));
    assert_eq!((&turn["reasoning"], turn.get("reasoning_content")), (&json!("hm"), None), "{turn}");
    for preset in ["openai", "groq", "mistral", "xai", ""] {
        let turn = back(preset, json!({"reasoning_content": "hm"}));
        assert!(
            turn.get("reasoning").is_none() && turn.get("reasoning_content").is_none() && !turn.to_string().contains("hm"),
            "{preset}: {turn}"
        );
    }
}

/// Pitfall 48.
#[test]
fn details_go_back_unmodified() {
    let details =
        json!([{"type": "reasoning.text", "id": "r1", "format": "MiniMax-response-v1", "index": 0, "text": "hm", "odd": [1, null]}]);
    for preset in ["minimax", "openrouter"] {
        let turn = after(preset, Speaks::Anthropic, Speaks::Chat, &thought(&json!({"reasoning_details": details})))["messages"][1].clone();
        assert_eq!(turn["reasoning_details"], details, "{preset}: {turn}");
        assert_eq!(turn["content"], "so");
    }
}

fn thinks(mode: &Value) -> Value {
    let mut body = ask(Speaks::Anthropic, true);
    body["thinking"] = mode.clone();
    body
}

/// Pitfall 49.
#[test]
fn zai_gets_an_object_and_tool_stream_and_always_thinking_models_are_not_told_to_stop() {
    let (body, _) = sent("zai", Speaks::Anthropic, Speaks::Chat, &thinks(&json!({"type": "enabled", "budget_tokens": 2000})));
    assert_eq!((&body["thinking"], &body["tool_stream"]), (&json!({"type": "enabled"}), &json!(true)), "{body}");
    let (body, _) = sent("zai", Speaks::Anthropic, Speaks::Chat, &thinks(&json!({"type": "disabled"})));
    assert_eq!(body["thinking"], json!({"type": "disabled"}));
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[thinking("only thinking")]));
    let base = upstream.url();
    let gateway = crate::gateway::Gateway::start(&format!(
        "version: 1\nserver: {{ listen: \"127.0.0.1:0\", token: {{ env: AIMUX_CLIENT_TOKEN }} }}\nproviders:\n  z: {{ preset: zai, dialect: openai-chat, base_url: \"{base}/v1\", key: {{ env: UPSTREAM_KEY }} }}\nmodels:\n  \"*\": [z/glm-5.3]\n"
    ));
    let reply = gateway.messages(&thinks(&json!({"type": "disabled"})));
    assert_eq!(upstream.only().json()["thinking"], json!({"type": "enabled"}));
    assert!(reply.header("x-aimux-loss").unwrap().contains("thinking;normalised"));
    // An answer of thinking alone is an answer.
    let said = super::read_stream(Speaks::Anthropic, &reply);
    assert_eq!((said.thinking.as_str(), said.text.as_str(), said.word()), ("only thinking", "", "stop"));
}

/// Pitfall 50.
#[test]
fn thinking_at_claude_excludes_a_forced_tool_and_a_sampler_and_fits_into_the_output() {
    for choice in [json!("required"), json!({"type": "function", "function": {"name": "run"}})] {
        let mut body = ask(Speaks::Chat, false);
        body["reasoning_effort"] = "high".into();
        body["tool_choice"] = choice.clone();
        body["temperature"] = json!(0.3);
        body["top_p"] = json!(0.5);
        body["max_tokens"] = json!(2000);
        let (body, losses) = sent("anthropic", Speaks::Chat, Speaks::Anthropic, &body);
        let budget = body["thinking"]["budget_tokens"].as_u64().unwrap();
        assert!(budget >= 1024 && budget < body["max_tokens"].as_u64().unwrap(), "{body}");
        assert_eq!(body["tool_choice"], json!({"type": "auto"}), "{choice}");
        assert!(body.get("temperature").is_none() && body.get("top_p").is_none(), "{body}");
        for lost in ["tool_choice;normalised", "temperature;dropped", "top_p;dropped", "max_tokens;normalised"] {
            assert!(losses.contains(lost), "{lost}: {losses}");
        }
    }
    // Without a limit of the client's the budget yields.
    let mut body = ask(Speaks::Chat, false);
    body.as_object_mut().unwrap().remove("max_tokens");
    body["reasoning_effort"] = "xhigh".into();
    let (body, _) = sent("anthropic", Speaks::Chat, Speaks::Anthropic, &body);
    assert!(body["thinking"]["budget_tokens"].as_u64().unwrap() < body["max_tokens"].as_u64().unwrap(), "{body}");
}

/// Pitfall 50 at Chat upstreams: DeepSeek and Kimi think unless told not to, and refuse a forced tool while they do.
#[test]
fn a_forced_tool_switches_thinking_off_where_both_are_refused() {
    let mut body = ask(Speaks::Anthropic, false);
    body["tool_choice"] = json!({"type": "any"});
    for (model, preset) in [("deepseek-v4-pro", "deepseek"), ("kimi-k2.6", "moonshot")] {
        let (body, _) = super::fields::sent_to(model, preset, Speaks::Anthropic, Speaks::Chat, &body);
        assert_eq!((&body["tool_choice"], &body["thinking"]), (&json!("required"), &json!({"type": "disabled"})), "{model}");
    }
    for (model, preset) in [("deepseek-reasoner", "deepseek"), ("kimi-k2-thinking", "moonshot")] {
        let (body, losses) = super::fields::sent_to(model, preset, Speaks::Anthropic, Speaks::Chat, &body);
        assert!(body["tool_choice"] == "auto" && losses.contains("tool_choice;normalised"), "{model}: {body} {losses}");
    }
}
