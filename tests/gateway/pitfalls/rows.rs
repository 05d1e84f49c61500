//! The tables of fields, row by row: what becomes of each between the dialects, and at providers that differ.

use serde_json::{Value, json};

use super::fields::{bare, sent_to, strict_schema, with};
use super::{refused, sent};
use crate::replies::Speaks;
use crate::upstream::Upstream;

/// A row of the table: what a provider takes as a choice of tools.
#[test]
fn the_choice_of_a_tool_keeps_its_meaning() {
    for (messages, chat) in [
        (json!({"type": "auto"}), json!("auto")),
        (json!({"type": "any"}), json!("required")),
        (json!({"type": "none"}), json!("none")),
        (json!({"type": "tool", "name": "look"}), json!({"type": "function", "function": {"name": "look"}})),
    ] {
        let (body, _) = sent("openai", Speaks::Anthropic, Speaks::Chat, &with(Speaks::Anthropic, json!({"tool_choice": messages})));
        assert_eq!(body["tool_choice"], chat);
        let (body, _) = sent("anthropic", Speaks::Chat, Speaks::Anthropic, &with(Speaks::Chat, json!({"tool_choice": chat})));
        assert_eq!(body["tool_choice"], messages);
    }
    let (body, _) = sent("mistral", Speaks::Anthropic, Speaks::Chat, &with(Speaks::Anthropic, json!({"tool_choice": {"type": "any"}})));
    assert_eq!(body["tool_choice"], "any");
    assert!(
        refused("", Speaks::Anthropic, Speaks::Chat, &with(Speaks::Anthropic, json!({"tool_choice": {"type": "tool", "name": "nobody"}})))
            .contains("nobody")
    );
    let named = json!({"tool_choice": {"type": "function", "function": {"name": "nobody"}}});
    assert!(refused("", Speaks::Chat, Speaks::Anthropic, &with(Speaks::Chat, named)).contains("nobody"));
}

/// Z.AI refuses every word but `auto`: vectorize-io/hindsight#4246 (2026-09).
#[test]
fn zai_gets_no_choice_but_auto() {
    let choice = |choice: Value| sent("zai", Speaks::Anthropic, Speaks::Chat, &with(Speaks::Anthropic, json!({"tool_choice": choice})));
    let (body, losses) = choice(json!({"type": "any"}));
    assert!(body["tool_choice"] == "auto" && losses.contains("tool_choice"), "{body} {losses}");
    let (body, losses) = choice(json!({"type": "tool", "name": "look"}));
    assert!(body["tool_choice"] == "auto" && losses.contains("tool_choice"), "{body} {losses}");
    assert_eq!(body["tools"].as_array().unwrap().len(), 1);
    let (body, losses) = choice(json!({"type": "none"}));
    assert!(body.get("tool_choice").is_none() && body.get("tools").is_none() && losses.contains("tool_choice"), "{body} {losses}");
}

/// Rows of the table: what no target can do is refused before it is asked.
#[test]
fn what_has_no_equivalent_is_refused_by_name() {
    for (member, value) in [
        ("n", json!(2)),
        ("logprobs", json!(true)),
        ("top_logprobs", json!(3)),
        ("audio", json!({"voice": "alloy", "format": "wav"})),
        ("modalities", json!(["text", "audio"])),
        ("web_search_options", json!({})),
    ] {
        let message = refused("", Speaks::Chat, Speaks::Anthropic, &bare(json!({member: value})));
        let named = member.trim_start_matches("top_");
        assert!(message.contains(named) || message.contains("up0"), "{member}: {message}");
    }
    let tool = json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]});
    assert!(refused("", Speaks::Anthropic, Speaks::Chat, &bare(tool)).contains("web_search"));
    // One answer and text alone are what everybody gives.
    let (_, losses) = sent("", Speaks::Chat, Speaks::Anthropic, &bare(json!({"n": 1, "logprobs": false, "modalities": ["text"]})));
    assert_eq!(losses, "");
}

/// Rows of the table: numbers within the target's limits.
#[test]
fn numbers_are_brought_into_the_targets_range() {
    let temperature = |preset: &str, speaks: Speaks, client: Speaks, value: f64| {
        let (body, losses) = sent(preset, client, speaks, &bare(json!({"temperature": value})));
        (body["temperature"].as_f64().unwrap(), losses.contains("temperature;normalised"))
    };
    assert_eq!(temperature("anthropic", Speaks::Anthropic, Speaks::Chat, 1.7), (1.0, true));
    assert_eq!(temperature("minimax", Speaks::Chat, Speaks::Anthropic, 0.0), (0.01, true));
    assert_eq!(temperature("minimax", Speaks::Anthropic, Speaks::Chat, 0.0), (0.01, true));
    assert_eq!(temperature("deepseek", Speaks::Anthropic, Speaks::Chat, 1.7), (1.7, false));
    assert_eq!(temperature("openai", Speaks::Chat, Speaks::Anthropic, 0.7), (0.7, false));
    let (body, losses) = sent("openai", Speaks::Anthropic, Speaks::Chat, &bare(json!({"stop_sequences": ["a", "b", "c", "d", "e"]})));
    assert_eq!((body["stop"].as_array().unwrap().len(), losses.contains("stop;normalised")), (4, true), "{losses}");
    let (body, losses) = sent("anthropic", Speaks::Chat, Speaks::Anthropic, &bare(json!({"stop": "one"})));
    assert_eq!((&body["stop_sequences"], losses.as_str()), (&json!(["one"]), ""));
    let (body, _) = sent("anthropic", Speaks::Chat, Speaks::Anthropic, &bare(json!({"stop": [" ", "\n", "one"]})));
    assert_eq!(body["stop_sequences"], json!(["one"]));
    for (member, value) in
        [("seed", json!(7)), ("presence_penalty", json!(0.5)), ("frequency_penalty", json!(0.5)), ("logit_bias", json!({"1": 5}))]
    {
        let (body, losses) = sent("anthropic", Speaks::Chat, Speaks::Anthropic, &bare(json!({member: value})));
        assert!(body.get(member).is_none() && losses.contains(member), "{member}: {losses}");
    }
    // Claude from 4.1 on takes temperature or top_p: open-webui/open-webui#17922, BerriAI/litellm#15097 (2025-10).
    let both = bare(json!({"temperature": 0.3, "top_p": 0.5}));
    let (body, losses) = sent_to("claude-sonnet-4-5", "anthropic", Speaks::Chat, Speaks::Anthropic, &both);
    assert!(body["temperature"] == 0.3 && body.get("top_p").is_none() && losses.contains("top_p;dropped"), "{body}");
    let (body, losses) = sent_to("claude-sonnet-4-0", "anthropic", Speaks::Chat, Speaks::Anthropic, &both);
    assert_eq!((&body["temperature"], &body["top_p"], losses.as_str()), (&json!(0.3), &json!(0.5), ""));
    let (body, losses) = sent_to("claude-opus-4-8", "anthropic", Speaks::Chat, Speaks::Anthropic, &both);
    assert!(body.get("temperature").is_none() && body.get("top_p").is_none() && losses.contains("temperature;dropped"), "{body}");
}

/// Rows of the table: an output schema where the provider has none of its own.
#[test]
fn an_output_schema_is_asked_for_in_the_way_that_the_provider_knows() {
    let chat = bare(json!({"response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": strict_schema()}}}));
    let (body, _) = sent("anthropic", Speaks::Chat, Speaks::Anthropic, &chat);
    assert_eq!(body["output_config"]["format"]["schema"], strict_schema(), "{body}");
    // A Messages server that is not Claude: one forced tool, whose arguments are the answer.
    let upstream = Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[crate::replies::tool("a", "city", json!({"a": "x"}))]));
    let gateway = super::gateway_for("", Speaks::Anthropic, &upstream);
    for is_stream in [false, true] {
        let mut asked = chat.clone();
        asked["stream"] = is_stream.into();
        let reply = gateway.chat(&asked);
        let content = if is_stream {
            super::read_stream(Speaks::Chat, &reply).text
        } else {
            reply.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
        };
        assert_eq!(content, r#"{"a":"x"}"#);
        assert!(reply.text().contains("\"stop\"") && !reply.text().contains("tool_calls"), "{}", reply.text());
    }
    assert_eq!(upstream.seen()[0].json()["tool_choice"], json!({"type": "tool", "name": "city"}));
    // DeepSeek and Z.AI refuse `json_schema`, and the latter every forced tool; MiniMax does neither: JSON mode, and the
    // schema in words.
    let messages = bare(json!({"output_config": {"format": {"type": "json_schema", "schema": strict_schema()}}}));
    for preset in ["deepseek", "zai", "minimax"] {
        let (body, losses) = sent(preset, Speaks::Anthropic, Speaks::Chat, &messages);
        assert_eq!(body["response_format"], json!({"type": "json_object"}), "{preset}");
        assert!(body["messages"][0]["content"].as_str().unwrap().contains("additionalProperties"), "{preset}: {body}");
        assert!(losses.contains("emulated"), "{preset}: {losses}");
    }
    let (body, losses) = sent("minimax", Speaks::Chat, Speaks::Anthropic, &chat);
    assert!(body.get("output_config").is_none() && body.get("tool_choice").is_none() && losses.contains("emulated"), "{body} {losses}");
    assert!(body["system"].as_str().unwrap().contains("additionalProperties"), "{body}");
    // Groq knows schemas neither in a stream nor beside tools; at Synthetic it is the model's matter.
    let forced = |preset: &str, model: &str| {
        let (body, _) = sent_to(model, preset, Speaks::Anthropic, Speaks::Chat, &messages);
        assert_eq!(body["tool_choice"].is_object(), body.get("response_format").is_none(), "{body}");
        body["tool_choice"].is_object()
    };
    assert!(forced("groq", "openai/gpt-oss-120b") && forced("synthetic", "hf:zai-org/GLM-4.7") && forced("synthetic", "hf:new/one"));
    assert!(!forced("synthetic", "hf:zai-org/GLM-5.2") && !forced("moonshot", "kimi-k2.6"));
    let (body, losses) = sent("anthropic", Speaks::Chat, Speaks::Anthropic, &bare(json!({"response_format": {"type": "json_object"}})));
    assert!(body["system"].as_str().unwrap().contains("JSON") && losses.contains("response_format;emulated"), "{body} {losses}");
}

/// Rows of the table: how much a model thinks.
#[test]
fn budgets_and_efforts_become_each_other() {
    for (budget, effort) in [(1024, "low"), (2048, "low"), (4096, "medium"), (8192, "medium"), (16_384, "high"), (31_999, "high")] {
        let asked = bare(json!({"max_tokens": 64_000, "thinking": {"type": "enabled", "budget_tokens": budget}}));
        let (body, _) = sent_to("gpt-5.5", "openai", Speaks::Anthropic, Speaks::Chat, &asked);
        assert_eq!(body["reasoning_effort"], effort, "{budget}");
    }
    for (effort, budget) in [("minimal", 1024), ("low", 1024), ("medium", 4096), ("high", 16_384), ("xhigh", 32_000)] {
        let (body, _) = sent_to(
            "claude-sonnet-4-5",
            "anthropic",
            Speaks::Chat,
            Speaks::Anthropic,
            &bare(json!({"reasoning_effort": effort, "max_tokens": 60_000})),
        );
        assert_eq!(body["thinking"]["budget_tokens"], budget, "{effort}");
        let word = if effort == "minimal" { "low" } else { effort };
        let (body, _) =
            sent_to("claude-opus-4-8", "anthropic", Speaks::Chat, Speaks::Anthropic, &bare(json!({"reasoning_effort": effort})));
        assert_eq!((&body["thinking"]["type"], &body["output_config"]["effort"]), (&json!("adaptive"), &json!(word)), "{effort}");
    }
    let (body, _) = sent_to("claude-sonnet-4-5", "anthropic", Speaks::Chat, Speaks::Anthropic, &bare(json!({"reasoning_effort": "none"})));
    assert_eq!(body["thinking"], json!({"type": "disabled"}));
    let asked = bare(json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}));
    let (body, _) = sent_to("gpt-5.5", "openai", Speaks::Anthropic, Speaks::Chat, &asked);
    assert_eq!(body["reasoning_effort"], "medium");
    let budget = bare(json!({"thinking": {"type": "enabled", "budget_tokens": 3000}}));
    assert_eq!(sent("openrouter", Speaks::Anthropic, Speaks::Chat, &budget).0["reasoning"], json!({"max_tokens": 3000}));
    assert_eq!(sent("vllm", Speaks::Anthropic, Speaks::Chat, &budget).0["chat_template_kwargs"], json!({"enable_thinking": true}));
    assert_eq!(sent("minimax", Speaks::Anthropic, Speaks::Chat, &budget).0["reasoning_split"], true);
}

/// Rows of the table: tools without parameters, long descriptions, the system prompt, the tier.
#[test]
fn the_rest_of_the_envelope_is_carried() {
    let (body, _) = sent("", Speaks::Chat, Speaks::Anthropic, &bare(json!({"tools": [{"type": "function", "function": {"name": "now"}}]})));
    assert_eq!(body["tools"][0]["input_schema"], json!({"type": "object", "properties": {}}));
    // OpenAI lifted its limit of 1024: run-llama/llama_index#18784 (2025-05). Nothing is cut.
    let long = "words ".repeat(1000);
    let (body, _) = sent(
        "openai",
        Speaks::Anthropic,
        Speaks::Chat,
        &bare(json!({"tools": [{"name": "run", "description": long, "input_schema": {"type": "object"}}]})),
    );
    assert_eq!(body["tools"][0]["function"]["description"], long.as_str());
    let system = json!({"messages": [{"role": "system", "content": "one"}, {"role": "developer", "content": "two"}, {"role": "user", "content": "hi"}, {"role": "system", "content": "late"}, {"role": "user", "content": "go on"}]});
    let (body, losses) = sent("", Speaks::Chat, Speaks::Anthropic, &bare(system));
    assert_eq!(body["system"], "one\n\ntwo");
    let said = body["messages"].to_string();
    assert!(
        said.find("hi").unwrap() < said.find("late").unwrap()
            && said.find("late").unwrap() < said.find("go on").unwrap()
            && losses.contains("role"),
        "{body}"
    );
    for (client, speaks) in [(Speaks::Anthropic, Speaks::Chat), (Speaks::Chat, Speaks::Anthropic)] {
        let (_, losses) = sent("", client, speaks, &bare(json!({"service_tier": "auto"})));
        assert_eq!(losses, "", "auto is what everybody does");
        let tier = if client == Speaks::Chat { "flex" } else { "standard_only" };
        let (body, losses) = sent("", client, speaks, &bare(json!({"service_tier": tier})));
        assert!(body.get("service_tier").is_none() && losses.contains("service_tier;dropped"), "{losses}");
    }
}
