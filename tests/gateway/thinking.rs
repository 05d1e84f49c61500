//! Who gets whose thinking back, in a session with tools that goes from one provider to the next: each family its own as it was,
//! what it demands of the others' in its own words, and never another's signature.

use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::http::Whole;
use crate::replies::{SIGNATURE, Speaks, thinking, tool};
use crate::upstream::{Act, Answer, Seen, Upstream};

/// What the scripted z.ai signs with: bytes that want escapes, too.
const ZAI: &str = "zai-sig+/=";

/// An upstream that thinks and calls a tool, in the name of `who`.
fn thinker(speaks: Speaks, who: &'static str) -> Upstream {
    Upstream::start(move |seen, turn| {
        let answer =
            speaks.answer(seen, &[thinking(&format!("{who} thinks {turn}")), tool(&format!("call_{who}_{turn}"), "run", json!({}))]);
        if who == "zai" { signed(answer, ZAI) } else { answer }
    })
}

fn signed(answer: Answer, with: &str) -> Answer {
    let acts = answer.acts.into_iter().map(|act| match act {
        Act::Bytes(bytes) => Act::Bytes(String::from_utf8(bytes).unwrap().replace(SIGNATURE, with).into_bytes()),
        other => other,
    });
    Answer { acts: acts.collect(), ..answer }
}

/// The blocks of an answer, as a client keeps them.
fn content(reply: &Whole, is_stream: bool) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.text());
    if !is_stream {
        return reply.json()["content"].clone();
    }
    let (mut blocks, mut input): (Vec<Value>, String) = (Vec::new(), String::new());
    for event in reply.events() {
        let delta = &event.data["delta"];
        match event.name.as_str() {
            "content_block_start" => blocks.push(event.data["content_block"].clone()),
            "content_block_delta" => {
                let block = blocks.last_mut().unwrap();
                match delta["type"].as_str().unwrap() {
                    "thinking_delta" => {
                        block["thinking"] =
                            format!("{}{}", block["thinking"].as_str().unwrap(), delta["thinking"].as_str().unwrap()).into();
                    }
                    "signature_delta" => block["signature"] = delta["signature"].clone(),
                    "input_json_delta" => input += delta["partial_json"].as_str().unwrap(),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    assert!(!blocks.is_empty() && !input.is_empty(), "{}", reply.text());
    blocks.into()
}

/// The thinking that a request brings: text and signature of each block, in order.
fn thoughts(body: &Value) -> Vec<(String, String)> {
    let blocks = body["messages"].as_array().unwrap().iter().filter_map(|message| message["content"].as_array()).flatten();
    let thoughts = blocks.filter(|block| block["type"] == "thinking");
    thoughts.map(|block| (block["thinking"].as_str().unwrap().to_owned(), block["signature"].as_str().unwrap().to_owned())).collect()
}

fn last(upstream: &Upstream) -> Seen {
    upstream.seen().pop().unwrap()
}

#[test]
fn in_a_session_over_three_providers_each_gets_its_own_thinking_back_and_nobody_anothers() {
    for is_stream in [false, true] {
        let upstreams = [thinker(Speaks::Anthropic, "claude"), thinker(Speaks::Anthropic, "zai"), thinker(Speaks::Chat, "deepseek")];
        let [claude, zai, deepseek] = &upstreams;
        let config = format!(
            "version: 1\nserver: {{ listen: \"127.0.0.1:0\", token: {{ env: AIMUX_CLIENT_TOKEN }} }}\nproviders:\n  \
             anthropic: {{ base_url: \"{}\", key: {{ env: UPSTREAM_KEY }} }}\n  \
             zai: {{ dialect: anthropic, base_url: \"{}\", key: {{ env: UPSTREAM_KEY }} }}\n  \
             deepseek: {{ dialect: openai-chat, base_url: \"{}/v1\", key: {{ env: UPSTREAM_KEY }} }}\n\
             models: {{ a: anthropic/claude-opus-4-8, b: zai/glm-5.2, c: deepseek/deepseek-reasoner }}\n",
            claude.url(),
            zai.url(),
            deepseek.url()
        );
        let gateway = Gateway::start(&config);
        let mut messages = vec![json!({"role": "user", "content": "go on"})];
        for turn in 0..9 {
            let model = ["a", "b", "c"][turn % 3];
            let tools = json!([{"name": "run", "input_schema": {"type": "object"}}]);
            let body = json!({"model": model, "max_tokens": 100, "stream": is_stream, "tools": tools, "messages": messages});
            let content = content(&gateway.messages(&body), is_stream);
            let id = content.as_array().unwrap().last().unwrap()["id"].clone();
            messages.push(json!({"role": "assistant", "content": content}));
            messages.push(json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "done"}]}));
            let seen = last(&upstreams[turn % 3]);
            let what = format!("turn {turn}, stream {is_stream}: {}", seen.text());
            assert!(!seen.text().contains("aimux1."), "no envelope leaves: {what}");
            let own = |who: &str, signature: &str| -> Vec<(String, String)> {
                (0..turn / 3).map(|nth| (format!("{who} thinks {nth}"), signature.to_owned())).collect()
            };
            match model {
                "a" => assert_eq!(thoughts(&seen.json()), own("claude", SIGNATURE), "{what}"),
                "b" => assert_eq!(thoughts(&seen.json()), own("zai", ZAI), "{what}"),
                _ => {
                    // It wants what was thought before each call, whoever thought it, and has no signatures.
                    let body = seen.json();
                    let calls = body["messages"].as_array().unwrap().iter().filter(|message| message["tool_calls"].is_array());
                    let thought: Vec<&str> = calls.map(|message| message["reasoning_content"].as_str().unwrap_or("none")).collect();
                    let all = (0..turn).map(|turn| format!("{} thinks {}", ["claude", "zai", "deepseek"][turn % 3], turn / 3));
                    assert_eq!(thought, all.collect::<Vec<_>>(), "{what}");
                    assert!(!seen.text().contains(SIGNATURE) && !seen.text().contains(ZAI), "{what}");
                }
            }
        }
        // What the client keeps of z.ai's is told from Claude's by its envelope alone.
        let kept = serde_json::to_string(&messages).unwrap();
        assert!(kept.contains("aimux1.zai.") && kept.contains(SIGNATURE) && !kept.contains(ZAI), "{kept}");
    }
}

#[test]
fn a_signature_of_a_server_that_nobody_knows_comes_back_to_it_and_never_reaches_anthropic() {
    let upstream = thinker(Speaks::Anthropic, "unknown");
    let claude = thinker(Speaks::Anthropic, "claude");
    let config = crate::gateway::config(&[(Speaks::Anthropic, &upstream)], "x: up0/m\n  y: anthropic/claude-opus-4-8", "");
    let anthropic = format!("providers:\n  anthropic: {{ base_url: \"{}\", key: {{ env: UPSTREAM_KEY }} }}\n", claude.url());
    let gateway = Gateway::start(&config.replacen("providers:\n", &anthropic, 1));
    for is_stream in [false, true] {
        let body = json!({"model": "x", "max_tokens": 9, "stream": is_stream, "tools": [{"name": "run", "input_schema": {"type": "object"}}],
            "messages": [{"role": "user", "content": "hi"}]});
        let content = content(&gateway.messages(&body), is_stream);
        assert!(content[0]["signature"].as_str().unwrap().starts_with("aimux1.other."), "{content}");
        let result = json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": content[1]["id"], "content": "done"}]});
        let mut next = body.clone();
        next["messages"] = json!([body["messages"][0], {"role": "assistant", "content": content}, result]);
        assert_eq!(gateway.messages(&next).status, 200);
        let own = vec![(content[0]["thinking"].as_str().unwrap().to_owned(), SIGNATURE.to_owned())];
        assert_eq!(thoughts(&last(&upstream).json()), own);
        // Anthropic would refuse the whole request for it.
        next["model"] = "y".into();
        assert_eq!(gateway.messages(&next).status, 200);
        assert_eq!(thoughts(&last(&claude).json()), []);
        // What is in no envelope may have been handed on by it.
        next["model"] = "x".into();
        next["messages"][1]["content"][0]["signature"] = SIGNATURE.into();
        assert_eq!(gateway.messages(&next).status, 200);
        assert_eq!(thoughts(&last(&upstream).json()), own);
    }
}
