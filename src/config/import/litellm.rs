//! LiteLLM's proxy: `model_list`, `router_settings`, `litellm_settings`, `general_settings` (docs.litellm.ai, proxy configs
//! and router configuration, 2026-11).
//!
//! Deployments of one name become its targets, fallbacks follow them. How one is chosen comes along where there are no fallbacks: a
//! choice among all would ask those as often. A deployment's limits become its provider's.

use std::collections::HashMap;

use super::draft::{Draft, Found, known, owner, place};
use super::source::{At, Reading};
use crate::provider::models::model;
use crate::provider::{Preset, preset, table::PRESETS};

const NO_FIELD: &str = "aimux has nothing that corresponds to it";

/// LiteLLM's names of providers and aimux's presets.
const PREFIXES: &[(&str, &str)] = &[
    ("anthropic", "anthropic"),
    ("openai", "openai"),
    ("groq", "groq"),
    ("openrouter", "openrouter"),
    ("deepseek", "deepseek"),
    ("mistral", "mistral"),
    ("xai", "xai"),
    ("cerebras", "cerebras"),
    ("ollama", "ollama"),
    ("ollama_chat", "ollama"),
    ("hosted_vllm", "vllm"),
    ("lm_studio", "lmstudio"),
    ("moonshot", "moonshot"),
    ("minimax", "minimax"),
    ("zai", "zai"),
    ("synthetic", "synthetic"),
];

/// Providers with a protocol of their own.
const OTHERS: &[&str] = &[
    "azure",
    "azure_ai",
    "bedrock",
    "cohere",
    "cohere_chat",
    "gemini",
    "huggingface",
    "palm",
    "replicate",
    "sagemaker",
    "sagemaker_chat",
    "vertex_ai",
    "vertex_ai_beta",
    "watsonx",
];

/// LiteLLM's ways to choose, and ours.
const STRATEGIES: &[(&str, &str)] =
    &[("simple-shuffle", "weighted"), ("least-busy", "least_busy"), ("latency-based-routing", "latency"), ("cost-based-routing", "cost")];

/// A deployment that came along: its place in the order, its target.
type Group = Vec<(u64, String)>;

pub(super) fn read(reading: &mut Reading, draft: &mut Draft, root: &At<'_>) {
    let mut top = root.fields();
    let variables: HashMap<String, String> = top
        .take(&["environment_variables"])
        .map(|at| at.entries().into_iter().filter_map(|(name, at)| Some((name, at.text()?))).collect())
        .unwrap_or_default();
    let mut groups: Vec<(String, Group)> = Vec::new();
    for at in top.take(&["model_list"]).map(|at| at.items()).unwrap_or_default() {
        let Some((name, order, target)) = deployment(reading, draft, &at, &variables) else { continue };
        match groups.iter_mut().find(|(other, _)| *other == name) {
            Some((_, group)) => group.push((order, target)),
            None => groups.push((name, vec![(order, target)])),
        }
    }
    for (_, group) in &mut groups {
        group.sort_by_key(|(order, _)| *order);
    }
    for (name, group) in &groups {
        draft.serve(name, &targets(group));
    }
    for section in ["router_settings", "litellm_settings"] {
        if let Some(at) = top.take(&[section]) {
            settings(reading, draft, &at, &groups);
        }
    }
    if let Some(at) = top.take(&["general_settings"]) {
        let mut fields = at.fields();
        if let Some(at) = fields.take(&["master_key"]) {
            token(reading, draft, &at, variable);
        }
        reading.lose_rest(fields, NO_FIELD);
    }
    reading.lose_rest(top, NO_FIELD);
}

/// The client token: a variable is taken over, a token in clear is not.
pub(super) fn token(reading: &mut Reading, draft: &mut Draft, at: &At<'_>, variable: fn(&str) -> Option<&str>) {
    match at.text().map(|text| Found::read(&text, variable)) {
        None => {}
        Some(Some(Found::Variable(name))) => draft.token = Some(name),
        Some(_) => reading.lose(at, "a client token in clear is not taken over: aimux makes its own, `aimux env` shows it"),
    }
}

fn variable(text: &str) -> Option<&str> {
    text.strip_prefix("os.environ/")
}

fn targets(group: &Group) -> Vec<String> {
    group.iter().map(|(_, target)| target.clone()).collect()
}

fn deployment(reading: &mut Reading, draft: &mut Draft, at: &At<'_>, variables: &HashMap<String, String>) -> Option<(String, u64, String)> {
    let mut fields = at.fields();
    let name = fields.take(&["model_name"]).and_then(|at| at.text());
    let params = fields.take(&["litellm_params"]);
    let (Some(name), Some(params)) = (name, params) else {
        reading.lose(at, "it has no model_name or no litellm_params");
        return None;
    };
    if let Some(info) = fields.take(&["model_info"]) {
        let mut info = info.fields();
        let mode = info.take(&["mode"]).and_then(|at| Some((at.text()?, at)));
        if let Some((mode, at)) = mode.filter(|(mode, _)| !matches!(mode.as_str(), "chat" | "completion" | "responses")) {
            reading.lose(&at, format!("model \"{name}\" does not come along: aimux serves no {mode}"));
            return None;
        }
        reading.lose_rest(info, "aimux takes what it knows of a model from its catalog");
    }
    let mut inner = params.fields();
    let model_at = inner.take(&["model"])?;
    let (provider, id) = match provider(&model_at, inner.take(&["api_base", "base_url"]).as_ref()) {
        Ok((hint, place, id)) => {
            let key = inner.take(&["api_key"]);
            let found = key.as_ref().and_then(|at| key_of(reading, at, variables)).unwrap_or_default();
            let wanted = place.preset.map_or_else(|| hint.to_owned(), str::to_owned);
            (draft.provider(&wanted, place, found), id)
        }
        Err(reason) => {
            reading.lose(&model_at, format!("model \"{name}\" does not come along: {reason}"));
            return None;
        }
    };
    for (spelling, is_outer) in [("rpm", false), ("tpm", false), ("rpm", true), ("tpm", true), ("max_parallel_requests", false)] {
        let value = if is_outer { fields.take(&[spelling]) } else { inner.take(&[spelling]) };
        let (Some(value), Some(provider)) = (value.and_then(|at| at.number()), draft.providers.get_mut(provider)) else { continue };
        let slot = match spelling {
            "rpm" => &mut provider.requests_per_minute,
            "tpm" => &mut provider.tokens_per_minute,
            _ => &mut provider.concurrent,
        };
        // Several models of one provider: the provider's limit is what they had together.
        *slot = Some(slot.unwrap_or(0).saturating_add(value));
    }
    if let Some(headers) = inner.take(&["extra_headers", "headers"]) {
        headers_of(reading, draft, provider, &headers);
    }
    let order = inner.take(&["order"]).and_then(|at| at.number()).unwrap_or(0);
    for (spelling, what) in [
        ("weight", "put `strategy: weighted` and `weights` on the name"),
        ("timeout", "a time limit holds for all models: limits.first_byte_whole_s"),
        ("stream_timeout", "a time limit holds for all models: limits.first_byte_s"),
    ] {
        if let Some(at) = inner.take(&[spelling]) {
            reading.lose(&at, what);
        }
    }
    reading.lose_rest(inner, NO_FIELD);
    reading.lose_rest(fields, NO_FIELD);
    let target = draft.target(provider, &id);
    if target.is_none() {
        reading.lose(&model_at, "a pattern needs no entry: clients ask for `provider/model`");
    }
    Some((name, order, target?))
}

fn key_of(reading: &mut Reading, at: &At<'_>, variables: &HashMap<String, String>) -> Option<Found> {
    let text = at.text()?;
    // A variable that the file sets itself is a key in clear with a detour.
    let text = variable(&text).and_then(|name| variables.get(name)).cloned().unwrap_or(text);
    let found = Found::read(&text, variable);
    if found.is_none() {
        reading.lose(at, "it is no key and no variable's name");
    }
    found
}

/// Headers, but for those that carry a secret.
pub(super) fn headers_of(reading: &mut Reading, draft: &mut Draft, provider: usize, at: &At<'_>) {
    for (name, at) in at.entries() {
        let value = at.text().unwrap_or_default();
        let is_secret = crate::config::mask::looks_like_secret_field(&name) || crate::config::mask::looks_like_key(&value);
        let is_sendable = http::HeaderName::from_bytes(name.as_bytes()).is_ok() && http::HeaderValue::from_str(&value).is_ok();
        if is_secret || !is_sendable || value.is_empty() || super::super::sent::is_own(&name) {
            reading.lose(&at, "a header that holds a secret, or that aimux sets itself");
        } else if let Some(provider) = draft.providers.get_mut(provider)
            && !provider.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name))
        {
            provider.headers.push((name.to_ascii_lowercase(), value));
        }
    }
}

/// What a deployment's provider is called after, where it is, and the model's own id.
fn provider(model_at: &At<'_>, base: Option<&At<'_>>) -> Result<(String, super::draft::Place, String), String> {
    let full = model_at.text().unwrap_or_default();
    let (prefix, id) = full.split_once('/').unwrap_or(("", &full));
    let hint: Option<&'static Preset> = PREFIXES.iter().find(|(name, _)| *name == prefix).and_then(|(_, name)| preset(name));
    if OTHERS.contains(&prefix) {
        return Err(format!("aimux does not speak the protocol of {prefix}"));
    }
    let address = base.and_then(|at| at.text());
    if let Some(address) = address {
        if address.starts_with("os.environ/") {
            return Err("its address is in a variable; write it with `${NAME}` as base_url".to_owned());
        }
        // `openai/` with an address of its own means any server that speaks so.
        let is_openai = hint.is_none_or(|hint| hint.name == "openai");
        let dialect = hint.filter(|_| !is_openai).and_then(|hint| hint.endpoints.first()).map(|endpoint| endpoint.dialect);
        let place = place(&address, hint.filter(|_| !is_openai), dialect)?;
        let id = if hint.is_some() || matches!(prefix, "litellm_proxy" | "custom_openai" | "openai_like") { id } else { full.as_str() };
        return Ok((owner(&address).to_owned(), place, id.to_owned()));
    }
    let guessed = || {
        let of_catalog =
            PRESETS.iter().find(|preset| model(preset.catalog, &full).is_some() && matches!(preset.name, "openai" | "anthropic"));
        of_catalog.map(|preset| preset.name).or(match full.as_str() {
            id if id.starts_with("claude") => Some("anthropic"),
            id if ["gpt-", "o1", "o3", "o4", "chatgpt"].iter().any(|begin| id.starts_with(begin)) => Some("openai"),
            _ => None,
        })
    };
    let (name, id) = match hint {
        Some(hint) => (hint.name, id),
        None if prefix.is_empty() => (guessed().ok_or("it names no provider and no address")?, full.as_str()),
        None => return Err(format!("aimux has no preset \"{prefix}\", and no address is given")),
    };
    let place = known(name).ok_or("it names no provider")?;
    Ok((name.to_owned(), place, id.to_owned()))
}

/// `router_settings` and `litellm_settings`: the same names mean the same in both.
fn settings(reading: &mut Reading, draft: &mut Draft, at: &At<'_>, groups: &[(String, Group)]) {
    let mut fields = at.fields();
    for fallbacks in fields.take(&["fallbacks"]).map(|at| at.items()).unwrap_or_default() {
        for (name, at) in fallbacks.entries() {
            let names: Vec<String> = if name == "*" { groups.iter().map(|(name, _)| name.clone()).collect() } else { vec![name] };
            for name in names {
                fall_back(reading, draft, groups, &name, &at);
            }
        }
    }
    if let Some(at) = fields.take(&["default_fallbacks"]) {
        for (name, _) in groups {
            fall_back(reading, draft, groups, name, &at);
        }
    }
    for (alias, at) in fields.take(&["model_group_alias"]).map(|at| at.entries()).unwrap_or_default() {
        let wanted = at.text().or_else(|| at.fields().take(&["model"]).and_then(|at| at.text()));
        match wanted.and_then(|wanted| groups.iter().find(|(name, _)| *name == wanted)) {
            Some((_, group)) if draft.serve(&alias, &targets(group)) => {}
            _ => reading.lose(&at, "it names no model that came along"),
        }
    }
    if let Some(retries) = fields.take(&["num_retries"]).and_then(|at| at.number()) {
        draft.number("retry", "attempts_per_target", retries.saturating_add(1));
    }
    for (spelling, section, field, plus) in [
        ("timeout", "limits", "first_byte_whole_s", 0),
        ("request_timeout", "limits", "first_byte_whole_s", 0),
        ("stream_timeout", "limits", "first_byte_s", 0),
        ("allowed_fails", "breaker", "failures", 1),
        ("cooldown_time", "breaker", "rest_s", 0),
    ] {
        if let Some(value) = fields.take(&[spelling]).and_then(|at| at.number()) {
            draft.number(section, field, value.saturating_add(plus));
        }
    }
    if let Some(at) = fields.take(&["routing_strategy"]) {
        chosen(reading, draft, &at, groups);
    }
    for (spelling, what) in [
        (
            "context_window_fallbacks",
            "fallbacks for one kind of failure; `on_context: larger` on a name asks a target with a larger window",
        ),
        ("content_policy_fallbacks", "aimux has no fallbacks for one kind of failure"),
        ("drop_params", "aimux leaves out what a target cannot take, and says so in x-aimux-loss"),
    ] {
        if let Some(at) = fields.take(&[spelling]) {
            reading.lose(&at, what);
        }
    }
    reading.lose_rest(fields, NO_FIELD);
}

/// How the deployments of a name are chosen from; those with fallbacks behind them are asked in order.
fn chosen(reading: &mut Reading, draft: &mut Draft, at: &At<'_>, groups: &[(String, Group)]) {
    let wanted = at.text().unwrap_or_default();
    let Some((_, strategy)) = STRATEGIES.iter().find(|(name, _)| *name == wanted) else {
        reading.lose(at, "aimux has no such way to choose: the targets of a name are asked in order");
        return;
    };
    for (name, group) in groups {
        let served = draft.models.iter().find(|(other, _)| other == name).map_or(0, |(_, targets)| targets.len());
        if served > group.len() {
            reading.lose(at, format!("the targets of \"{name}\" are asked in order, for there are fallbacks among them"));
        } else {
            draft.choose(name, strategy);
        }
    }
}

/// Adds the deployments of other names behind a name's own. One level: what those fall back to is theirs.
fn fall_back(reading: &mut Reading, draft: &mut Draft, groups: &[(String, Group)], name: &str, at: &At<'_>) {
    let is_there = groups.iter().any(|(other, _)| other == name);
    for other in at.texts() {
        match groups.iter().find(|(group, _)| *group == other) {
            Some((_, group)) if is_there && other != name => {
                draft.serve(name, &targets(group));
            }
            Some(_) if is_there => {}
            _ => reading.lose(at, "a fallback that names a model which did not come along"),
        }
    }
}
