//! Whole files of each format, and texts that nobody would write.

use std::path::Path;

use super::*;
use crate::config::{Environment, check_text};
use crate::keys::Store;

const LITELLM: &str = r#"
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: os.environ/OPENAI_API_KEY
      rpm: 480
      tpm: 100000
      weight: 2
  - model_name: gpt-4o
    litellm_params: { model: azure/gpt-4o-eu, api_base: "https://eu.openai.azure.com", api_key: os.environ/AZURE_KEY }
  - model_name: claude
    litellm_params: { model: anthropic/claude-opus-4-8, api_key: sk-ant-api03-cleartext0, temperature: 0.2 }
  - model_name: house
    litellm_params: { model: openai/facebook/opt-125m, api_base: "http://10.0.0.5:8000/v1", api_key: os.environ/HOUSE, extra_headers: { x-team: a, authorization: Bearer cleartext1 } }
  - model_name: "openai/*"
    litellm_params: { model: "openai/*", api_key: os.environ/OPENAI_API_KEY }
  - model_name: embed
    litellm_params: { model: openai/text-embedding-3-small }
    model_info: { mode: embedding }
  - model_name: fast
    litellm_params: { model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY }
  - model_name: fast
    litellm_params: { model: anthropic/claude-haiku-4-5, api_key: sk-ant-api03-cleartext0 }
  - model_name: own
    litellm_params: { model: groq/openai/gpt-oss-120b, api_key: os.environ/MY_GROQ }
router_settings:
  routing_strategy: latency-based-routing
  model_group_alias: { gpt-4: gpt-4o, hidden: { model: claude, hidden: true }, ghost: nothing }
  fallbacks: [{ gpt-4o: [claude, gpt-4o] }, { claude: [gpt-4o] }]
  num_retries: 3
  allowed_fails: 2
  cooldown_time: 60
  redis_password: cleartext2
litellm_settings: { drop_params: true, request_timeout: 300, success_callback: [langfuse] }
general_settings: { master_key: sk-cleartext3-0123456, database_url: "postgres://u:cleartext4@h/d" }
environment_variables: { MY_GROQ: gsk_cleartext5 }
"#;

const CCR: &str = r#"// mine
{
	"LOG": true, "HOST": "0.0.0.0", "PORT": 3456, "APIKEY": "cleartext6", "API_TIMEOUT_MS": "600000",
	"PROXY_URL": "http://127.0.0.1:7890",
	"Providers": [
		{ "name": "openrouter", "api_base_url": "https://openrouter.ai/api/v1/chat/completions", "api_key": "sk-or-cleartext7",
		  "models": ["google/gemini-2.5-pro"], "transformer": { "use": ["openrouter"], "x": { "use": ["y"] } } },
		{ "name": "DeepSeek", "api_base_url": "https://api.deepseek.com/chat/completions", "api_key": "$DEEPSEEK_API_KEY",
		  "models": ["deepseek-chat"], "transformer": { "use": ["deepseek", ["maxtoken", { "max_tokens": 8192 }]] } },
		{ "name": "ollama", "api_base_url": "http://localhost:11434/v1/chat/completions", "api_key": "ollama", "models": ["qwen3:8b"], },
		{ "name": "gemini", "api_base_url": "https://generativelanguage.googleapis.com/v1beta/models/", "api_key": "cleartext8",
		  "models": ["gemini-2.5-pro"], "transformer": { "use": ["gemini"] } },
		{ "name": "My Server", "api_base_url": "https://llm.example.com/v1/messages", "api_key": "${HOUSE_KEY}", "models": ["big"] } /* , */
	],
	"Router": { "default": "My Server,huge", "background": "ollama,qwen3:8b", "think": "DeepSeek,deepseek-chat", "longContext": "openrouter,google/gemini-2.5-pro",
		"longContextThreshold": 70000, "webSearch": "openrouter,google/gemini-2.5-pro:online", "image": "", "forceUseImageAgent": true },
	"fallback": { "default": ["DeepSeek,deepseek-chat", "nobody,x"] }
}
"#;

const AIMUX1: &str = r#"{
  "selectedModel": "", "cacheDurationHours": 24,
  "multiProvider": {
    "providers": {
      "minimax-m2": { "name": "Minimax M2", "apiKey": "cleartext9-0", "baseUrl": "https://api.minimax.chat", "priority": 9, "timeout": 30000, "maxRetries": 4,
        "models": [{ "id": "abab6.5s-chat" }], "rateLimit": { "requestsPerMinute": 60, "tokensPerMinute": 100000 } },
      "z-ai": { "name": "Z", "apiKey": "${ZAI_KEY}", "baseUrl": "https://api.z.ai", "priority": 5, "timeout": 60500 },
      "mine": { "apiKey": "", "baseUrl": "http://localhost:9000/v1", "models": ["m1"], "capabilities": ["tools"] },
      "off": { "enabled": false, "apiKey": "cleartext10" }
    },
    "routing": { "defaultProvider": "z-ai", "thinkingProvider": "mine", "visionProvider": "gone", "strategy": "cost", "enableFailover": true },
    "fallback": { "enabled": true, "maxFailures": 3, "healthCheck": true }
  }
}"#;

const AIMUX2: &str = r#"
default_provider: nobody
thinking_provider: zai
providers:
  - { name: cerebras, api_key: cleartext11, endpoint: "https://api.cerebras.ai", models: [gpt-oss-120b, llama3.1-70b], priority: 2, retry_attempts: 3, timeout_ms: 30000, max_requests_per_minute: 300 }
  - { name: minimax, api_key: cleartext12, endpoint: "https://api.minimax.io/anthropic", group_id: "77", priority: 1, custom_settings: { a: 1 } }
load_balancing: { strategy: adaptive, failover_enabled: true, circuit_breaker: { enabled: true, failure_threshold: 4, recovery_timeout: 60 } }
server: { bind_address: 0.0.0.0, port: 8080, webui_enabled: true }
security: { api_key_encryption: true }
system: { max_concurrent_requests: 1000 }
"#;

fn made(format: Format, text: &str) -> Imported {
    let imported = import(format, "f", text.as_bytes()).unwrap();
    let store = Store::new(Path::new("/nonexistent"), None);
    let checked = check_text("new", &imported.text, &Environment::default(), &store);
    assert!(checked.is_ok(), "{checked:?}\n{}", imported.text);
    let said = format!("{}{:?}{:?}", imported.text, imported.losses, imported.keys);
    assert!(!said.contains("cleartext"), "{said}");
    imported
}

fn keys(imported: &Imported) -> Vec<(&str, &str)> {
    imported.keys.iter().map(|key| (key.name.as_str(), key.secret.expose())).collect()
}

#[track_caller]
fn has(imported: &Imported, lines: &[&str], lost: &[&str]) {
    for line in lines {
        assert!(imported.text.lines().any(|other| other.trim() == *line), "{line}\n{}", imported.text);
    }
    for path in lost {
        assert!(imported.losses.iter().any(|loss| loss.path == *path), "{path}: {:#?}", imported.losses);
    }
}

#[test]
fn litellm_keeps_models_fallbacks_aliases_limits_and_keys() {
    let imported = made(Format::LiteLlm, LITELLM);
    assert_eq!(keys(&imported), [("anthropic", "sk-ant-api03-cleartext0"), ("groq", "gsk_cleartext5")]);
    let lines = [
        "key: { env: OPENAI_API_KEY }",
        "limits: { requests_per_minute: 480, tokens_per_minute: 100000 }",
        "gpt-4o: [openai/gpt-4o, anthropic/claude-opus-4-8]",
        "claude: [anthropic/claude-opus-4-8, openai/gpt-4o]",
        "house: [local/facebook/opt-125m]",
        "gpt-4: [openai/gpt-4o]",
        "hidden: [anthropic/claude-opus-4-8]",
        "own: [groq/openai/gpt-oss-120b]",
        "fast: { use: [openai/gpt-4o-mini, anthropic/claude-haiku-4-5], strategy: latency }",
        "base_url: \"http://10.0.0.5:8000/v1\"",
        "plain_http: true",
        "headers: { x-team: \"a\" }",
        "attempts_per_target: 4",
        "failures: 3",
        "rest_s: 60",
        "first_byte_whole_s: 300",
    ];
    let lost = [
        "model_list[0].litellm_params.weight",
        "model_list[1].litellm_params.model",
        "model_list[2].litellm_params.temperature",
        "model_list[3].litellm_params.extra_headers.authorization",
        "model_list[4].litellm_params.model",
        "model_list[5].model_info.mode",
        "router_settings.routing_strategy",
        "router_settings.model_group_alias.ghost",
        "router_settings.redis_password",
        "litellm_settings.success_callback",
        "general_settings.master_key",
        "general_settings.database_url",
    ];
    has(&imported, &lines, &lost);
    let place = imported.losses.iter().find(|loss| loss.path.ends_with("weight")).unwrap().line;
    assert_eq!(LITELLM.lines().nth(place - 1).unwrap().trim(), "weight: 2");
}

#[test]
fn ccr_keeps_providers_and_routes() {
    let imported = made(Format::Ccr, CCR);
    assert_eq!(keys(&imported), [("openrouter", "sk-or-cleartext7"), ("ollama", "ollama")]);
    let lines = [
        "listen: \"127.0.0.1:3456\"",
        "deepseek:",
        "key: { env: DEEPSEEK_API_KEY }",
        "my-server:",
        "dialect: anthropic",
        "base_url: \"https://llm.example.com\"",
        "models: [big, huge]",
        "- { name: long-context, when: { input_tokens: \">70000\" }, use: [openrouter/google/gemini-2.5-pro] }",
        "- { name: background, when: { model: \"claude-*haiku*\" }, use: [\"ollama/qwen3:8b\"] }",
        "- { name: web-search, when: { web_search: true }, use: [\"openrouter/google/gemini-2.5-pro:online\"] }",
        "- { name: think, when: { thinking: true }, use: [deepseek/deepseek-chat] }",
        "\"claude-*haiku*\": [\"ollama/qwen3:8b\"]",
        "\"claude-*\": [my-server/huge, deepseek/deepseek-chat]",
        "\"*\": [my-server/huge, deepseek/deepseek-chat]",
        "first_byte_whole_s: 600",
    ];
    let lost = [
        "HOST",
        "APIKEY",
        "PROXY_URL",
        "LOG",
        "Router.forceUseImageAgent",
        "fallback.default[1]",
        "Providers[3].api_base_url",
        "Providers[1].transformer.use[1]",
        "Providers[0].transformer.x",
    ];
    has(&imported, &lines, &lost);
}

#[test]
fn aimux1_puts_the_default_first_then_the_highest_priority() {
    let imported = made(Format::Aimux1, AIMUX1);
    assert_eq!(keys(&imported), [("minimax", "cleartext9-0")]);
    let lines = [
        "\"claude-*\": { use: [zai/glm-5.2, minimax/MiniMax-M3, mine/m1], strategy: cost }",
        "- { name: thinking, when: { thinking: true }, use: [mine/m1, zai/glm-5.2, minimax/MiniMax-M3] }",
        "key: { env: ZAI_KEY }",
        "limits: { requests_per_minute: 60, tokens_per_minute: 100000 }",
        "attempts_per_target: 5",
        "first_byte_whole_s: 61",
        "failures: 3",
        "base_url: \"http://127.0.0.1:9000/v1\"",
    ];
    let lost = [
        "multiProvider.providers.off.enabled",
        "multiProvider.providers.minimax-m2.models[0]",
        "multiProvider.routing.visionProvider",
        "cacheDurationHours",
    ];
    has(&imported, &lines, &lost);
}

#[test]
fn aimux2_puts_the_lowest_priority_first() {
    let imported = made(Format::Aimux2, AIMUX2);
    assert_eq!(keys(&imported), [("cerebras", "cleartext11"), ("minimax", "cleartext12")]);
    let lines = [
        "\"claude-*\": [minimax/MiniMax-M3, cerebras/gpt-oss-120b]",
        "query: { GroupId: \"77\" }",
        "limits: { requests_per_minute: 300 }",
        "failures: 4",
        "rest_s: 60",
        "requests_in_flight: 1000",
        "listen: \"127.0.0.1:8080\"",
    ];
    has(&imported, &lines, &["providers[0].models[1]", "thinking_provider", "security", "server.bind_address", "load_balancing.strategy"]);
}

#[test]
fn the_oldest_form_with_one_provider_is_read() {
    let imported = made(Format::Aimux1, r#"{"apiKey": "cleartext13", "baseUrl": "https://api.synthetic.new", "firstRunCompleted": true}"#);
    assert_eq!(keys(&imported), [("synthetic", "cleartext13")]);
    has(&imported, &["synthetic:"], &["firstRunCompleted"]);
}

#[test]
fn whatever_is_imported_passes_the_validator_and_nothing_panics() {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % limit
    };
    let all = [(Format::LiteLlm, LITELLM), (Format::Ccr, CCR), (Format::Aimux1, AIMUX1), (Format::Aimux2, AIMUX2)];
    let store = Store::new(Path::new("/nonexistent"), None);
    for round in 0..2000 {
        let mut bytes = all[round % 4].1.as_bytes().to_vec();
        for _ in 0..=round % 5 {
            let place = next(bytes.len());
            match next(3) {
                0 => bytes[place] = b"{}[]:,#&*!|>'\"%@`-\t\n 0aZ$/"[next(26)],
                1 => {
                    bytes.remove(place);
                }
                _ => bytes.insert(place, b"{}[]:,\"-\n 0a$/"[next(14)]),
            }
        }
        // Each file is also read as one of another kind.
        let Ok(imported) = import(all[(round / 4) % 4].0, "f", &bytes) else { continue };
        if imported.providers > 0 {
            let checked = check_text("new", &imported.text, &Environment::default(), &store);
            assert!(checked.is_ok(), "{checked:?}\n{}\n{}", imported.text, String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn a_file_that_is_neither_yaml_nor_json_is_not_repeated() {
    let Err(LoadError::Invalid { rendered, .. }) = import(Format::Ccr, "f", b"{\"api_key\": \"cleartext14\", ]") else { panic!("invalid") };
    assert!(!rendered.contains("cleartext") && rendered.contains("not YAML"), "{rendered}");
}
