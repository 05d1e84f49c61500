//! The two earlier programs called aimux. The first spells in humps (`apiKey`, `baseUrl`, `maxRetries`, `multiProvider`), the
//! second with underscores (`api_key`, `endpoint`, `retry_attempts`, `load_balancing`); both may stand in YAML or JSON, and
//! either spelling is read in both. Of the first a higher priority comes first, of the second a lower one (their own sources and
//! configuration reference, 2025-11).

use super::ccr::{listen, variable};
use super::draft::{Draft, Found, known, name_like, owner, place};
use super::source::{At, Reading};
use crate::dialect::Dialect;
use crate::provider::models::model;
use crate::provider::{Preset, preset};

const NO_FIELD: &str = "aimux has nothing that corresponds to it";

/// What sends a request of one kind to one provider, in either spelling: the rule's name and what it asks.
const KINDS: [(&str, &str, &[&str]); 3] = [
    ("vision", "images_now: true", &["visionProvider", "vision_provider"]),
    ("thinking", "thinking: true", &["thinkingProvider", "thinking_provider"]),
    ("tools", "tools: true", &["toolsProvider", "tools_provider"]),
];

/// Those programs' ways to choose, and ours.
const STRATEGIES: &[(&str, &str)] = &[
    ("round_robin", "round_robin"),
    ("round-robin", "round_robin"),
    ("least_latency", "latency"),
    ("latency", "latency"),
    ("least_connections", "least_busy"),
    ("least_busy", "least_busy"),
    ("cost", "cost"),
    ("weighted", "weighted"),
];

/// Whose priority comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    Highest,
    Lowest,
}

/// A provider that came along.
struct Known {
    name: String,
    index: usize,
    rank: i64,
    main: Option<String>,
    fast: Option<String>,
}

/// What is one setting here and was one for each provider there.
#[derive(Default)]
struct Common {
    retries: Option<u64>,
    timeout_ms: Option<u64>,
}

pub(super) fn read(reading: &mut Reading, draft: &mut Draft, root: &At<'_>, first: First) {
    let mut top = root.fields();
    top.take(&["version"]);
    let multi = top.take(&["multiProvider"]);
    let mut inner = multi.as_ref().map(At::fields);
    let mut take = |names: &[&str]| inner.as_mut().and_then(|inner| inner.take(names)).or_else(|| top.take(names));
    let providers = take(&["providers"]);
    let routing: Vec<At<'_>> =
        [take(&["routing"]), take(&["router"]), take(&["load_balancing"]), take(&["fallback"])].into_iter().flatten().collect();
    let listed: Vec<(String, At<'_>)> = match &providers {
        Some(at) if at.is_list() => at.items().into_iter().map(|at| (String::new(), at)).collect(),
        Some(at) => at.entries(),
        None => Vec::new(),
    };
    let mut common = Common::default();
    let mut all: Vec<Known> = Vec::new();
    for (name, at) in &listed {
        all.extend(provider(reading, draft, name, at, first, &mut common));
    }
    if let Some(inner) = inner {
        reading.lose_rest(inner, NO_FIELD);
    }
    let single = (top.take(&["apiKey"]), top.take(&["baseUrl"]), top.take(&["anthropicBaseUrl"]));
    if all.is_empty()
        && let (Some(key), base, _) = &single
    {
        all.extend(legacy(reading, draft, key, base.as_ref()));
    }
    all.sort_by_key(|known| known.rank);
    let mut preferred = top.take(&["defaultProvider", "default_provider"]).and_then(|at| at.text());
    let (mut failover, mut strategy) = (true, None);
    let mut kinds: [Option<At<'_>>; 3] = KINDS.map(|(_, _, spellings)| top.take(spellings).filter(|at| at.text().is_some()));
    for at in &routing {
        let said = settings(reading, draft, at);
        preferred = preferred.or(said.preferred);
        failover &= said.failover;
        strategy = strategy.or(said.strategy);
        for (kind, said) in kinds.iter_mut().zip(said.kinds) {
            *kind = kind.take().or(said);
        }
    }
    if let Some(at) = preferred.and_then(|wanted| all.iter().position(|known| known.name == wanted)) {
        let known = all.remove(at);
        all.insert(0, known);
    }
    if let Some(model) = top.take(&["selectedModel"]).and_then(|at| at.text())
        && let Some(known) = all.first_mut()
    {
        known.main = draft.target(known.index, &model).or(known.main.take());
    }
    for ((rule, when, _), at) in KINDS.into_iter().zip(&kinds) {
        let Some((wanted, at)) = at.as_ref().and_then(|at| Some((at.text()?, at))) else { continue };
        let first = all.iter().find(|known| known.name == wanted).and_then(|known| known.main.clone());
        match first {
            Some(first) => {
                let others = all.iter().filter(|known| failover && known.name != wanted).filter_map(|known| known.main.clone());
                draft.rule(rule, when, std::iter::once(first).chain(others).collect());
            }
            None => reading.lose(at, "it names no provider that came along"),
        }
    }
    all.truncate(if failover { all.len() } else { 1 });
    let mains: Vec<String> = all.iter().filter_map(|known| known.main.clone()).collect();
    let fasts: Vec<String> = all.iter().filter_map(|known| known.fast.clone().or(known.main.clone())).collect();
    draft.serve("claude-*haiku*", &fasts);
    draft.serve("claude-*", &mains);
    draft.serve("*", &mains);
    if let Some(strategy) = strategy {
        ["claude-*haiku*", "claude-*", "*"].into_iter().for_each(|name| draft.choose(name, strategy));
    }
    if let Some(retries) = common.retries {
        draft.number("retry", "attempts_per_target", retries.saturating_add(1));
    }
    if let Some(ms) = common.timeout_ms {
        draft.number("limits", "first_byte_whole_s", ms.div_ceil(1000));
    }
    if let Some(mut server) = top.take(&["server"]).map(|at| at.fields()) {
        listen(reading, draft, server.take(&["bind_address", "host"]), server.take(&["port"]));
        reading.lose_rest(server, NO_FIELD);
    }
    if let Some(mut system) = top.take(&["system"]).map(|at| at.fields()) {
        if let Some(requests) = system.take(&["max_concurrent_requests"]).and_then(|at| at.number()) {
            draft.number("limits", "requests_in_flight", requests);
        }
        reading.lose_rest(system, NO_FIELD);
    }
    for (spelling, what) in [
        ("selectedThinkingModel", "put a rule with `when: { thinking: true }` under `routes`"),
        ("routingRules", "write them under `routes`"),
    ] {
        if let Some(at) = top.take(&[spelling]).filter(|at| at.text().is_some() || !at.entries().is_empty()) {
            reading.lose(&at, what);
        }
    }
    reading.lose_rest(top, NO_FIELD);
}

/// The preset that a name of those programs means.
fn meant(name: &str) -> Option<&'static Preset> {
    preset(match name {
        "minimax-m2" => "minimax",
        "z-ai" | "z.ai" => "zai",
        "synthetic-new" => "synthetic",
        name => name,
    })
}

fn provider(reading: &mut Reading, draft: &mut Draft, key: &str, at: &At<'_>, first: First, common: &mut Common) -> Option<Known> {
    let mut fields = at.fields();
    let called = fields.take(&["name"]).and_then(|at| at.text());
    // In a list the name is a field; in a mapping that field is for people.
    let name = if key.is_empty() { called.unwrap_or_default() } else { key.to_owned() };
    if let Some(at) = fields.take(&["enabled"]).filter(|at| at.flag() == Some(false)) {
        reading.lose(&at, format!("provider \"{name}\" is switched off and does not come along"));
        return None;
    }
    let hint = meant(&name_like(&name));
    let address = fields.take(&["baseUrl", "endpoint", "base_url"]).filter(|at| at.text().is_some());
    let messages = fields.take(&["anthropicBaseUrl"]).filter(|at| at.text().is_some());
    fields.take(&["modelsApiUrl"]);
    let place = match (address.as_ref(), messages.as_ref(), hint) {
        (Some(at), messages, hint) => whereabouts(reading, at, messages, hint),
        (None, Some(at), hint) => whereabouts(reading, at, None, hint),
        (None, None, Some(hint)) => known(hint.name),
        (None, None, None) => None,
    };
    let Some(place) = place else {
        reading.lose(at, format!("provider \"{name}\" does not come along: it has no address that could be used"));
        return None;
    };
    let found = match fields.take(&["apiKey", "api_key"]).and_then(|at| Some((at.text()?, at))) {
        None => Found::Nothing,
        Some((text, at)) => Found::read(&text, variable).unwrap_or_else(|| {
            reading.lose(&at, "it is no key and no variable's name");
            Found::Nothing
        }),
    };
    let preset = place.preset.and_then(preset);
    let index = draft.provider(preset.map_or(name.as_str(), |preset| preset.name), place, found);
    if let Some(provider) = draft.providers.get_mut(index) {
        let mut rate = fields.take(&["rateLimit"]).map(|at| at.fields());
        provider.requests_per_minute = fields
            .take(&["max_requests_per_minute"])
            .or_else(|| rate.as_mut()?.take(&["requestsPerMinute"]))
            .and_then(|at| at.number())
            .filter(|value| *value > 0);
        provider.tokens_per_minute =
            rate.as_mut().and_then(|rate| rate.take(&["tokensPerMinute"])).and_then(|at| at.number()).filter(|value| *value > 0);
        provider.concurrent = fields.take(&["max_concurrent_requests"]).and_then(|at| at.number()).filter(|value| *value > 0);
        if let Some(group) = fields.take(&["group_id", "groupId"]).and_then(|at| at.text()) {
            provider.query.push(("GroupId".to_owned(), group));
        }
        if let Some(rate) = rate {
            reading.lose_rest(rate, NO_FIELD);
        }
    }
    let rank = rank(fields.take(&["priority"]), fields.take(&["priority_score"]), first);
    let most = |one: Option<u64>, other: Option<At<'_>>| one.max(other.and_then(|at| at.number()));
    common.retries = most(common.retries, fields.take(&["maxRetries", "retry_attempts", "max_retries"]));
    common.timeout_ms = most(common.timeout_ms, fields.take(&["timeout", "timeout_ms"]));
    let (main, fast) = models(reading, draft, index, preset, [fields.take(&["model"]), fields.take(&["models"])]);
    for told in ["capabilities", "supports_thinking", "supports_vision", "supports_tools", "supports_streaming"] {
        fields.take(&[told]);
    }
    reading.lose_rest(fields, NO_FIELD);
    Some(Known { name, index, rank, main, fast })
}

/// The place of a provider: a known one at its own addresses, whichever of them the file has.
fn whereabouts(
    reading: &mut Reading,
    at: &At<'_>,
    messages: Option<&At<'_>>,
    hint: Option<&'static Preset>,
) -> Option<super::draft::Place> {
    let address = at.text()?;
    let same_owner =
        hint.filter(|hint| hint.endpoints.iter().any(|endpoint| owner(endpoint.base_url) == owner(&address)) && owner(&address) != "local");
    let plain = place(&address, hint, None);
    if let Some(hint) = same_owner {
        if plain.as_ref().is_ok_and(|place| place.base_url.is_some()) {
            reading.lose(at, format!("aimux uses the addresses of \"{}\" that it knows", hint.name));
        }
        return known(hint.name);
    }
    let dialect = messages.is_some().then_some(Dialect::AnthropicMessages);
    let address = messages.and_then(At::text).unwrap_or(address);
    match place(&address, None, dialect) {
        Ok(place) => {
            if place.base_url.is_some() && dialect.is_none() {
                reading.lose(at, format!("which protocol it speaks is not said; {} is assumed", place.dialect.map_or("", Dialect::name)));
            }
            Some(place)
        }
        Err(reason) => {
            reading.lose(at, reason);
            None
        }
    }
}

fn rank(priority: Option<At<'_>>, score: Option<At<'_>>, first: First) -> i64 {
    let number = |at: Option<At<'_>>| at.and_then(|at| at.number()).and_then(|value| i64::try_from(value).ok());
    match (number(priority), number(score), first) {
        (Some(priority), _, First::Lowest) => priority,
        (Some(priority), _, First::Highest) => -priority,
        (None, Some(score), _) => -score,
        // What those programs take for a provider that says nothing.
        (None, None, First::Lowest) => 1,
        (None, None, First::Highest) => -5,
    }
}

/// The main and the fast model: the first one listed that the provider has, else the preset's own.
fn models(
    reading: &mut Reading,
    draft: &mut Draft,
    index: usize,
    preset: Option<&'static Preset>,
    listed: [Option<At<'_>>; 2],
) -> (Option<String>, Option<String>) {
    let mut found: Vec<String> = Vec::new();
    for at in listed.iter().flatten() {
        let items = if at.is_list() { at.items() } else { vec![at.clone()] };
        for item in items {
            let Some(id) = item.text().or_else(|| item.fields().take(&["id", "name"]).and_then(|at| at.text())) else { continue };
            let is_served = preset.is_none_or(|preset| preset.catalog.is_empty() || model(preset.catalog, &id).is_some());
            if !is_served {
                reading.lose(&item, "the provider has no such model now");
            } else if !found.contains(&id) {
                found.push(id);
            }
        }
    }
    if preset.is_none()
        && let Some(provider) = draft.providers.get_mut(index)
    {
        provider.models.clone_from(&found);
    }
    let own = |id: &'static str| draft.target(index, id);
    let main = found.first().and_then(|id| draft.target(index, id)).or_else(|| preset.and_then(|preset| own(preset.main)));
    let fast = preset.and_then(|preset| own(preset.fast)).or_else(|| main.clone());
    (main, fast)
}

/// What the sections about routing say together.
struct Said<'a> {
    preferred: Option<String>,
    failover: bool,
    strategy: Option<&'static str>,
    /// The providers of [`KINDS`].
    kinds: [Option<At<'a>>; 3],
}

fn settings<'a>(reading: &mut Reading, draft: &mut Draft, at: &At<'a>) -> Said<'a> {
    let mut fields = at.fields();
    let preferred = fields.take(&["defaultProvider", "default_provider"]).and_then(|at| at.text());
    let failover = fields.take(&["enableFailover", "failoverEnabled", "failover_enabled"]).and_then(|at| at.flag()).unwrap_or(true);
    if let Some(retries) = fields.take(&["max_retries", "maxRetries"]).and_then(|at| at.number()) {
        draft.number("retry", "attempts_per_target", retries.saturating_add(1));
    }
    if fields.take(&["retry_on_failure"]).and_then(|at| at.flag()) == Some(false) {
        draft.number("retry", "attempts_per_target", 1);
    }
    if let Some(ms) = fields.take(&["timeout"]).and_then(|at| at.number()) {
        draft.number("limits", "first_byte_whole_s", ms.div_ceil(1000));
    }
    if let Some(failures) = fields.take(&["maxFailures"]).and_then(|at| at.number()) {
        draft.number("breaker", "failures", failures);
    }
    let (host, port) = (fields.take(&["host"]), fields.take(&["port"]));
    if host.is_some() || port.is_some() {
        listen(reading, draft, host, port);
    }
    if let Some(mut breaker) = fields.take(&["circuit_breaker", "circuitBreaker"]).map(|at| at.fields()) {
        draft.breaker_off = breaker.take(&["enabled"]).and_then(|at| at.flag()) == Some(false);
        for (names, field) in [(["failure_threshold", "failureThreshold"], "failures"), (["recovery_timeout", "recoveryTimeout"], "rest_s")]
        {
            if let Some(value) = breaker.take(&names).and_then(|at| at.number()) {
                draft.number("breaker", field, value);
            }
        }
        reading.lose_rest(breaker, NO_FIELD);
    }
    let kinds = KINDS.map(|(_, _, spellings)| fields.take(spellings).filter(|at| at.text().is_some()));
    if let Some(at) = fields.take(&["fallbackProvider"]).filter(|at| at.text().is_some()) {
        reading.lose(&at, "every further provider is one");
    }
    let mut strategy = None;
    for spelling in ["strategy", "loadBalancing"] {
        let Some(at) = fields.take(&[spelling]).filter(|at| at.flag() != Some(false)) else { continue };
        let wanted = at.text().unwrap_or_default();
        let known = STRATEGIES.iter().find(|(name, _)| *name == wanted).map(|(_, ours)| *ours);
        // By priority is in order, which is what holds without a word.
        if known.is_none() && !matches!(wanted.as_str(), "priority" | "failover") {
            reading.lose(&at, "aimux has no such way to choose: the targets of a name are asked in order");
        }
        strategy = strategy.or(known);
    }
    reading.lose_rest(fields, NO_FIELD);
    Said { preferred, failover, strategy, kinds }
}

/// The oldest form: one provider at the top, Synthetic unless it says otherwise.
fn legacy(reading: &mut Reading, draft: &mut Draft, key: &At<'_>, base: Option<&At<'_>>) -> Option<Known> {
    let text = key.text()?;
    let place = match base.filter(|at| at.text().is_some()) {
        Some(base) => whereabouts(reading, base, None, preset("synthetic"))?,
        None => known("synthetic")?,
    };
    let found = Found::read(&text, variable)?;
    let preset = place.preset.and_then(preset);
    let index = draft.provider(preset.map_or("provider", |preset| preset.name), place, found);
    let own = |id: &str| draft.target(index, id);
    let (main, fast) = (preset.and_then(|preset| own(preset.main)), preset.and_then(|preset| own(preset.fast)));
    Some(Known { name: String::new(), index, rank: 0, main, fast })
}
