//! Fields of requests: which a target takes, under which name, within which limits, and what has no equivalent. The
//! numbers are those of the list of pitfalls; the tables of fields are in `rows`.

use serde_json::{Value, json};

use super::{ask, refused, sent};
use crate::gateway::Gateway;
use crate::replies::{Speaks, text};
use crate::upstream::Upstream;

/// A question with these members more.
pub(super) fn with(client: Speaks, members: Value) -> Value {
    let mut body = ask(client, false);
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// A bare question, no tools.
pub(super) fn bare(members: Value) -> Value {
    let mut body = json!({"model": "m", "max_tokens": 4000, "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// What a model of a provider is sent.
pub(super) fn sent_to(target: &str, preset: &str, client: Speaks, speaks: Speaks, body: &Value) -> (Value, String) {
    let upstream = Upstream::start(move |seen, _| speaks.answer(seen, &[text("fine")]));
    let base = upstream.url() + if speaks == Speaks::Chat { "/v1" } else { "" };
    let gateway = Gateway::start(&format!(
        "version: 1\nserver: {{ listen: \"127.0.0.1:0\", token: {{ env: AIMUX_CLIENT_TOKEN }} }}\nproviders:\n  p: {{ preset: {preset}, dialect: {}, base_url: \"{base}\", key: {{ env: UPSTREAM_KEY }} }}\nmodels:\n  \"*\": [\"p/{target}\"]\n",
        speaks.dialect()
    ));
    let reply = super::call(&gateway, client, body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    (upstream.only().json(), reply.header("x-aimux-loss").unwrap_or_default().to_owned())
}

pub(super) fn strict_schema() -> Value {
    json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false})
}

/// Pitfall 63.
#[test]
fn strict_is_asked_for_only_where_the_schema_is_strict() {
    let loose = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a"]});
    let tool = |schema: &Value| with(Speaks::Anthropic, json!({"tools": [{"name": "run", "input_schema": schema, "strict": true}]}));
    let (body, losses) = sent("openai", Speaks::Anthropic, Speaks::Chat, &tool(&strict_schema()));
    assert_eq!((&body["tools"][0]["function"]["strict"], losses.contains("strict")), (&json!(true), false), "{losses}");
    let (body, losses) = sent("openai", Speaks::Anthropic, Speaks::Chat, &tool(&loose));
    assert!(
        body["tools"][0]["function"].get("strict").is_none_or(|strict| strict == false) && losses.contains("strict"),
        "{body} {losses}"
    );
    let format = |schema: &Value| bare(json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}}));
    let (body, _) = sent("openai", Speaks::Anthropic, Speaks::Chat, &format(&strict_schema()));
    let asked = &body["response_format"];
    assert_eq!(
        (&asked["type"], &asked["json_schema"]["strict"], &asked["json_schema"]["name"]),
        (&json!("json_schema"), &json!(true), &json!("output")),
        "{body}"
    );
    let (body, _) = sent("openai", Speaks::Anthropic, Speaks::Chat, &format(&loose));
    assert!(body["response_format"]["json_schema"].get("strict").is_none_or(|strict| strict == false), "{body}");
}

/// Pitfall 64.
#[test]
fn long_names_and_ids_are_shortened_everywhere_and_mapped_back() {
    let long = format!("mcp__{}", "server__".repeat(12));
    let id = "toolu_".to_owned() + &"x".repeat(60);
    let script = long.clone();
    let upstream = Upstream::start(move |seen, _| {
        let name = seen.json()["tools"][0]["function"]["name"].as_str().unwrap_or(&script).to_owned();
        Speaks::Chat.answer(seen, &[crate::replies::tool("call_1", &name, json!({}))])
    });
    let gateway = super::gateway_for("openai", Speaks::Chat, &upstream);
    let body = json!({"model": "m", "max_tokens": 9, "tools": [{"name": long, "input_schema": {"type": "object"}}], "tool_choice": {"type": "tool", "name": long},
        "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": long, "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "1"}]}]});
    let answer = gateway.messages(&body).json();
    assert_eq!(answer["content"][0]["name"], long.as_str(), "{answer}");
    let body = upstream.only().json();
    let short = body["tools"][0]["function"]["name"].as_str().unwrap();
    assert!(short.len() <= 64, "{short}");
    assert_eq!(
        (&body["tool_choice"]["function"]["name"], &body["messages"][1]["tool_calls"][0]["function"]["name"]),
        (&json!(short), &json!(short))
    );
    let id = body["messages"][1]["tool_calls"][0]["id"].as_str().unwrap();
    assert!(id.len() <= 40 && body["messages"][2]["tool_call_id"] == id, "{body}");
}

/// Pitfall 65.
#[test]
fn lm_studio_gets_a_word_and_no_tools_no_choice() {
    let named = with(Speaks::Anthropic, json!({"tool_choice": {"type": "tool", "name": "look"}}));
    let (body, losses) = sent("lmstudio", Speaks::Anthropic, Speaks::Chat, &named);
    assert_eq!(body["tool_choice"], "required");
    assert_eq!(
        body["tools"].as_array().unwrap().iter().map(|tool| tool["function"]["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["look"]
    );
    assert!(losses.contains("tool_choice;emulated"), "{losses}");
    for preset in ["lmstudio", "openai"] {
        let (body, _) = sent(preset, Speaks::Anthropic, Speaks::Chat, &bare(json!({"tool_choice": {"type": "any"}, "tools": []})));
        assert!(body.get("tool_choice").is_none() && body.get("tools").is_none(), "{body}");
    }
    let (body, _) = sent("", Speaks::Chat, Speaks::Anthropic, &bare(json!({"tool_choice": "required"})));
    assert!(body.get("tool_choice").is_none(), "{body}");
}

/// Pitfall 66.
#[test]
fn the_parallel_flag_alone_means_auto_and_is_never_lost() {
    let (body, _) = sent("", Speaks::Chat, Speaks::Anthropic, &with(Speaks::Chat, json!({"parallel_tool_calls": false})));
    assert_eq!(body["tool_choice"], json!({"type": "auto", "disable_parallel_tool_use": true}));
    let (body, _) =
        sent("", Speaks::Chat, Speaks::Anthropic, &with(Speaks::Chat, json!({"parallel_tool_calls": false, "tool_choice": "required"})));
    assert_eq!(body["tool_choice"], json!({"type": "any", "disable_parallel_tool_use": true}));
    let single = with(Speaks::Anthropic, json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}));
    let (body, _) = sent("openai", Speaks::Anthropic, Speaks::Chat, &single);
    assert_eq!((&body["tool_choice"], &body["parallel_tool_calls"]), (&json!("auto"), &json!(false)));
    // Where the provider has no such switch, the second call is left out.
    let upstream = Upstream::start(|seen, _| {
        Speaks::Chat.answer(seen, &[crate::replies::tool("a", "run", json!({})), crate::replies::tool("b", "look", json!({}))])
    });
    let reply = super::gateway_for("zai", Speaks::Chat, &upstream).messages(&single);
    assert!(upstream.only().json().get("parallel_tool_calls").is_none());
    assert_eq!(reply.json()["content"].as_array().unwrap().len(), 1, "{}", reply.text());
}

/// Pitfall 67.
#[test]
fn reasoning_models_get_their_own_limit_and_no_sampler() {
    let asked = bare(json!({"temperature": 0.3, "top_p": 0.5, "stop_sequences": ["END"], "max_tokens": 77}));
    for model in ["gpt-5.5", "o3", "o4-mini"] {
        let (body, losses) = sent_to(model, "openai", Speaks::Anthropic, Speaks::Chat, &asked);
        assert_eq!((&body["max_completion_tokens"], body.get("max_tokens")), (&json!(77), None), "{body}");
        assert!(["temperature", "top_p", "stop"].iter().all(|name| body.get(*name).is_none()), "{body}");
        assert!(losses.contains("temperature;dropped") && losses.contains("top_p;dropped"), "{losses}");
    }
    let (body, _) = sent_to("gpt-4.1", "openai", Speaks::Anthropic, Speaks::Chat, &asked);
    assert_eq!((&body["max_tokens"], body.get("max_completion_tokens")), (&json!(77), None));
    assert_eq!((&body["temperature"], &body["top_p"], &body["stop"]), (&json!(0.3), &json!(0.5), &json!(["END"])));
    // Either of a Chat client's two fields is the limit; Claude demands one in any case.
    for name in ["max_tokens", "max_completion_tokens"] {
        let mut asked = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        asked[name] = 77.into();
        let (body, _) = sent("", Speaks::Chat, Speaks::Anthropic, &asked);
        assert_eq!((&body["max_tokens"], body.get("max_completion_tokens")), (&json!(77), None));
    }
    let (body, _) = sent("", Speaks::Chat, Speaks::Anthropic, &json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]}));
    assert!(body["max_tokens"].as_u64().is_some_and(|max| max >= 4096), "{body}");
}

/// Pitfall 68.
#[test]
fn an_end_users_id_fits_the_limit_and_is_no_address() {
    let long = "user_".to_owned() + &"x".repeat(150);
    let user = |preset: &str, id: &str| {
        sent(preset, Speaks::Anthropic, Speaks::Chat, &bare(json!({"metadata": {"user_id": id}}))).0["user"].clone()
    };
    assert_eq!(user("openai", "plain"), "plain");
    let hashed = user("openai", &long);
    assert_eq!((hashed.as_str().unwrap().len(), &hashed), (64, &user("openai", &long)), "always the same");
    assert_eq!(user("openrouter", &"x".repeat(120)), "x".repeat(120), "128 are allowed there");
    let id = |id: &str| sent("anthropic", Speaks::Chat, Speaks::Anthropic, &bare(json!({"user": id}))).0["metadata"]["user_id"].clone();
    assert_eq!(id("plain"), "plain");
    for unfit in ["someone@example.com", "+49 170 1234567", &"x".repeat(300)] {
        let sent = id(unfit);
        assert!(sent.as_str().unwrap().len() == 64 && sent != unfit, "{unfit}: {sent}");
    }
    let (body, losses) = sent("mistral", Speaks::Anthropic, Speaks::Chat, &bare(json!({"metadata": {"user_id": "plain"}})));
    assert!(body.get("user").is_none() && losses.contains("user;dropped"), "{losses}");
    // OpenAI's own metadata is something else.
    let (body, losses) = sent("", Speaks::Chat, Speaks::Anthropic, &bare(json!({"metadata": {"tag": "x"}})));
    assert!(body.get("metadata").is_none() && losses.contains("metadata;dropped"), "{body} {losses}");
}

/// Pitfall 69.
#[test]
fn the_last_four_cache_marks_stay_and_hosts_without_a_cache_get_none() {
    let mark = json!({"type": "ephemeral"});
    let content: Vec<Value> = (0..6).map(|n| json!({"type": "text", "text": format!("part {n}"), "cache_control": mark})).collect();
    let (body, losses) = sent("", Speaks::Chat, Speaks::Anthropic, &bare(json!({"messages": [{"role": "user", "content": content}]})));
    let marked: Vec<usize> = (0..6).filter(|n| body["messages"][0]["content"][n].get("cache_control").is_some()).collect();
    assert_eq!(marked, [2, 3, 4, 5], "{body}");
    assert!(losses.contains("cache_control;normalised"), "{losses}");
    let asked = bare(
        json!({"system": [{"type": "text", "text": "s", "cache_control": mark}], "messages": [{"role": "user", "content": content[..2]}]}),
    );
    let (body, _) = sent("openai", Speaks::Anthropic, Speaks::Chat, &asked);
    assert!(!body.to_string().contains("cache_control"), "{body}");
    let (body, _) = sent("openrouter", Speaks::Anthropic, Speaks::Chat, &asked);
    assert_eq!(body.to_string().matches("cache_control").count(), 3, "{body}");
}

/// Pitfall 70.
#[test]
fn betas_and_unknown_members_stay_with_their_dialect() {
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("fine")]));
    let gateway = super::gateway_for("openai", Speaks::Chat, &upstream);
    let token = format!("Bearer {}", crate::gateway::TOKEN);
    let headers = [("authorization", token.as_str()), ("anthropic-version", "2023-06-01"), ("anthropic-beta", "context-1m-2025-08-07")];
    let body = bare(json!({"context_management": {"edits": [{"type": "x"}]}, "future": {"a": 1}, "top_k": 5}));
    let reply = crate::http::send(gateway.port, "POST", "/v1/messages", &headers, body.to_string().as_bytes()).whole();
    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = upstream.only();
    assert_eq!((seen.header("anthropic-beta"), seen.header("anthropic-version")), (None, None));
    for name in ["context_management", "future", "top_k"] {
        assert!(seen.json().get(name).is_none() && reply.header("x-aimux-loss").unwrap().contains(&format!("{name};dropped")), "{name}");
    }
    let (body, losses) = sent(
        "anthropic",
        Speaks::Chat,
        Speaks::Anthropic,
        &bare(json!({"future": {"a": 1}, "store": true, "verbosity": "low", "prediction": {"type": "content", "content": "x"}})),
    );
    for name in ["future", "store", "verbosity", "prediction"] {
        assert!(body.get(name).is_none() && losses.contains(&format!("{name};dropped")), "{name}: {losses}");
    }
    // The features that need a beta get it, on the dialect's own route: see `headers_pass_and_credentials_do_not`.
    for name in ["container", "mcp_servers"] {
        let value = if name == "container" { json!("c_1") } else { json!([{"type": "url", "url": "https://x", "name": "x"}]) };
        assert!(refused("openai", Speaks::Anthropic, Speaks::Chat, &bare(json!({name: value}))).contains(name));
    }
}

/// Pitfall 71.
#[test]
fn servers_without_stream_options_or_the_parallel_flag_do_not_get_them() {
    let mut asked = with(Speaks::Anthropic, json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}));
    asked["stream"] = true.into();
    let (body, _) = sent("mistral", Speaks::Anthropic, Speaks::Chat, &asked);
    assert!(body.get("stream_options").is_none(), "{body}");
    let (body, _) = sent("zai", Speaks::Anthropic, Speaks::Chat, &asked);
    assert!(body.get("parallel_tool_calls").is_none(), "{body}");
    let (body, _) = sent("openai", Speaks::Anthropic, Speaks::Chat, &asked);
    assert_eq!((&body["stream_options"]["include_usage"], &body["parallel_tool_calls"]), (&json!(true), &json!(false)));
}
