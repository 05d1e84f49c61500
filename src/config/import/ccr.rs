//! claude-code-router: `Providers`, `Router` and the capitals beside them (its README and server documentation, 2026-11).
//!
//! Every request goes to the `default` route, small models' names to `background`; the routes by kind of request become rules, in
//! the order in which that program asks: long input, small models, a search of the web, thinking. Pictures come before these.

use super::draft::{Draft, Found, owner, place};
use super::litellm::token;
use super::source::{At, Reading};
use crate::dialect::Dialect;
use crate::provider::preset;

const NO_FIELD: &str = "aimux has nothing that corresponds to it";
/// The names of small models.
const SMALL: &str = "claude-*haiku*";
/// From how many tokens on input is long, where the file does not say.
const LONG_CONTEXT: u64 = 60_000;

pub(super) fn read(reading: &mut Reading, draft: &mut Draft, root: &At<'_>) {
    let mut top = root.fields();
    let mut names: Vec<(String, usize)> = Vec::new();
    for at in top.take(&["Providers", "providers"]).map(|at| at.items()).unwrap_or_default() {
        names.extend(provider(reading, draft, &at));
    }
    let fallback = top.take(&["fallback"]);
    if let Some(router) = top.take(&["Router", "router"]) {
        routes(reading, draft, &router, fallback.as_ref(), &names);
    } else if let Some(at) = fallback {
        reading.lose(&at, "there is no Router beside it");
    }
    listen(reading, draft, top.take(&["HOST"]), top.take(&["PORT"]));
    if let Some(at) = top.take(&["APIKEY"]) {
        token(reading, draft, &at, variable);
    }
    if let Some(ms) = top.take(&["API_TIMEOUT_MS"]).and_then(|at| at.number()) {
        draft.number("limits", "first_byte_whole_s", ms.div_ceil(1000));
    }
    for (spelling, what) in [
        ("LOG", "logs are set with AIMUX_LOG"),
        ("LOG_LEVEL", "logs are set with AIMUX_LOG"),
        ("PROXY_URL", "aimux does not send through a proxy yet"),
        ("CUSTOM_ROUTER_PATH", "aimux runs no scripts"),
        ("transformers", "transformers are JavaScript; aimux knows its providers' peculiarities itself"),
        ("Transformers", "transformers are JavaScript; aimux knows its providers' peculiarities itself"),
    ] {
        if let Some(at) = top.take(&[spelling]).filter(|at| at.text().is_some() || !at.items().is_empty()) {
            reading.lose(&at, what);
        }
    }
    reading.lose_rest(top, NO_FIELD);
}

/// `$NAME` or `${NAME}`.
pub(super) fn variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    Some(name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name))
}

/// The address that clients know. Off loopback aimux wants TLS in front, which no import can set up.
pub(super) fn listen(reading: &mut Reading, draft: &mut Draft, host: Option<At<'_>>, port: Option<At<'_>>) {
    let address = host.as_ref().and_then(|at| at.text()).map(|text| if text == "localhost" { "127.0.0.1".to_owned() } else { text });
    let is_loopback = address.as_deref().is_none_or(|text| text.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()));
    if let Some(at) = host.filter(|_| !is_loopback) {
        reading.lose(&at, "it listens on this machine only: off it aimux needs TLS in front (`tls: terminated`)");
    }
    let ip = address.filter(|_| is_loopback).unwrap_or_else(|| "127.0.0.1".to_owned());
    let ip = if ip.contains(':') { format!("[{ip}]") } else { ip };
    match port.as_ref().and_then(|at| at.number()) {
        Some(number @ 1..=65535) => draft.listen = Some(format!("{ip}:{number}")),
        Some(_) => {
            if let Some(at) = port {
                reading.lose(&at, "it is no port");
            }
        }
        None => {}
    }
}

fn provider(reading: &mut Reading, draft: &mut Draft, at: &At<'_>) -> Option<(String, usize)> {
    let mut fields = at.fields();
    let name = fields.take(&["name"]).and_then(|at| at.text()).unwrap_or_else(|| "provider".to_owned());
    let Some(address_at) = fields.take(&["api_base_url", "baseUrl", "api_base", "base_url"]) else {
        reading.lose(at, "it has no api_base_url");
        return None;
    };
    let address = address_at.text().unwrap_or_default();
    let transformer = fields.take(&["transformer"]);
    let uses = transformer.as_ref().map(transformers).unwrap_or_default();
    let speaks = |word: &str| uses.iter().any(|(name, _)| name.eq_ignore_ascii_case(word));
    if ["gemini", "vertex-gemini", "vertex-claude", "openai-response", "openai-responses"].iter().any(|word| speaks(word))
        || address.contains("v1beta")
    {
        reading.lose(&address_at, format!("provider \"{name}\" does not come along: aimux does not speak its protocol"));
        return None;
    }
    let dialect = speaks("anthropic").then_some(Dialect::AnthropicMessages);
    let place = match place(&address, preset(&name.to_lowercase()), dialect) {
        Ok(place) => place,
        Err(reason) => {
            reading.lose(&address_at, format!("provider \"{name}\" does not come along: {reason}"));
            return None;
        }
    };
    let found = match fields.take(&["api_key", "apiKey"]).and_then(|at| Some((at.text()?, at))) {
        None => Found::Nothing,
        Some((text, at)) => Found::read(&text, variable).unwrap_or_else(|| {
            reading.lose(&at, "it is no key and no variable's name");
            Found::Nothing
        }),
    };
    // A server of one's own is told by the name it has; a key for it would only be a dummy's.
    for (used, at) in &uses {
        let own = place.preset.is_some_and(|preset| preset.eq_ignore_ascii_case(used)) || used.eq_ignore_ascii_case("anthropic");
        if !own {
            reading.lose(at, format!("transformer \"{used}\": aimux knows its providers' peculiarities itself"));
        }
    }
    if let Some(transformer) = transformer {
        let mut rest = transformer.fields();
        rest.take(&["use"]);
        reading.lose_rest(rest, "transformers of one model: aimux knows its providers' peculiarities itself");
    }
    let is_known = place.preset.is_some() && place.base_url.is_none();
    let wanted = if name.trim().is_empty() { owner(&address).to_owned() } else { name.clone() };
    let index = draft.provider(&wanted, place, found);
    let models = fields.take(&["models"]).map(|at| at.texts()).unwrap_or_default();
    if let Some(provider) = draft.providers.get_mut(index).filter(|_| !is_known) {
        for model in models {
            if !provider.models.contains(&model) {
                provider.models.push(model);
            }
        }
    }
    reading.lose_rest(fields, NO_FIELD);
    Some((name, index))
}

/// The names of the transformers in `use`; one with options is a list that begins with its name.
fn transformers<'a>(at: &At<'a>) -> Vec<(String, At<'a>)> {
    let items = at.fields().take(&["use"]).map(|at| at.items()).unwrap_or_default();
    items.into_iter().filter_map(|at| Some((at.text().or_else(|| at.items().first().and_then(At::text))?, at))).collect()
}

fn routes(reading: &mut Reading, draft: &mut Draft, router: &At<'_>, fallback: Option<&At<'_>>, names: &[(String, usize)]) {
    let mut fields = router.fields();
    let mut fallback = fallback.map(At::fields);
    let long = fields.take(&["longContextThreshold"]).and_then(|at| at.number()).unwrap_or(LONG_CONTEXT);
    let mut of = |reading: &mut Reading, draft: &mut Draft, route: &str| {
        let mut targets = Vec::new();
        let first = fields.take(&[route]);
        let others = fallback.as_mut().and_then(|fallback| fallback.take(&[route]));
        for (text, at) in first.iter().filter_map(|at| Some((at.text()?, at))) {
            targets.extend(target(reading, draft, &text, at, names));
        }
        for at in others.iter().flat_map(At::items) {
            targets.extend(at.text().and_then(|text| target(reading, draft, &text, &at, names)));
        }
        targets
    };
    let [image, long_context, background, web_search, think, default] =
        ["image", "longContext", "background", "webSearch", "think", "default"].map(|route| of(reading, draft, route));
    let is_before = !(web_search.is_empty() && think.is_empty());
    draft.rule("image", "images_now: true", image);
    draft.rule("long-context", format!("input_tokens: \">{long}\""), long_context);
    if is_before {
        // A rule goes before any name, and small models' names went before these two.
        draft.rule("background", format!("model: \"{SMALL}\""), background.clone());
    }
    draft.rule("web-search", "web_search: true", web_search);
    draft.rule("think", "thinking: true", think);
    draft.serve(SMALL, &background);
    draft.serve("claude-*", &default);
    draft.serve("*", &default);
    reading.lose_rest(fields, NO_FIELD);
    if let Some(fallback) = fallback {
        reading.lose_rest(fallback, NO_FIELD);
    }
}

/// `provider,model`.
fn target(reading: &mut Reading, draft: &mut Draft, text: &str, at: &At<'_>, names: &[(String, usize)]) -> Option<String> {
    let pair = text.split_once(',').map(|(provider, model)| (provider.trim(), model.trim()));
    let found = pair.and_then(|(name, model)| names.iter().find(|(other, _)| other == name).map(|(_, index)| (*index, model)));
    let target = found.and_then(|(index, model)| {
        let target = draft.target(index, model)?;
        if let Some(provider) = draft.providers.get_mut(index).filter(|provider| !provider.models.is_empty())
            && !provider.models.iter().any(|known| known == model)
        {
            provider.models.push(model.to_owned());
        }
        Some(target)
    });
    if target.is_none() {
        reading.lose(at, "it names no provider that came along");
    }
    target
}
