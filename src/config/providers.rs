//! `providers`: reads and checks them; what comes out has its addresses, and knows where its keys are.

use std::sync::Arc;

use super::diagnostic::{Diagnostic, Finding};
use super::fields;
use super::key_sources::{Source, keys};
use super::model_facts;
use super::near::nearest;
use super::oauth;
use super::reader::{Reader, Section, Text, is_name, join};
use super::sent;
use super::tree::{Key, Node, Value};
use super::url;
use crate::dialect::{Dialect, Quirks};
use crate::keys::Store;
use crate::keys::oauth::{Gives, OAuth};
use crate::provider::models::Known;
use crate::provider::{Auth, Check, Preset, preset, table::PRESETS};
use crate::route::quota::Quota;
use crate::route::table::{self, Endpoint};

/// A provider that has been read.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    /// Its name and place.
    pub(crate) name: Text,
    /// Its dialects.
    pub(crate) endpoints: Vec<Endpoint>,
    /// Where its keys are.
    pub(crate) keys: Vec<Source>,
    /// The catalog of its models; empty: unknown.
    pub(crate) catalog: &'static str,
    /// The models that it lists; empty: any.
    pub(crate) models: Vec<String>,
    /// Where it is; empty: not said.
    pub(crate) region: String,
    /// The classes of data that it may be given; empty: not said.
    pub(crate) data: Vec<String>,
    /// What the file says of models.
    pub(crate) facts: Vec<(String, Known)>,
    /// Headers to send.
    pub(crate) headers: Vec<(String, String)>,
    /// What each request's query begins with, encoded; may be empty.
    pub(crate) query: String,
    /// What it may be asked for.
    pub(crate) limits: Quota,
    /// What each of its keys may be asked for.
    pub(crate) key_limits: Quota,
    /// Offers HTTP/2.
    pub(crate) http2: bool,
    /// How it is logged in to.
    pub(crate) oauth: Option<OAuth>,
}

/// A provider as routing reads it, without its keys.
pub(crate) fn closed(provider: Provider) -> table::Provider {
    table::Provider {
        name: provider.name.text,
        endpoints: provider.endpoints,
        keys: Vec::new(),
        catalog: provider.catalog,
        models: provider.models,
        facts: provider.facts,
        measured: Vec::new(),
        region: provider.region,
        data: provider.data,
        headers: provider.headers,
        query: provider.query,
        limits: provider.limits,
        key_limits: provider.key_limits,
        http2: provider.http2,
        oauth: provider.oauth.map(Arc::new),
    }
}

/// Reads the providers. `store` is asked which keys are there; none is opened.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node, store: &Store) -> Vec<Provider> {
    let entries = reader.map(node, "providers", "a mapping of names").unwrap_or_default();
    if entries.is_empty() && (node.is_null() || matches!(node.value, Value::Map(_))) {
        reader.found(Finding::Empty, node.span, "providers", "providers is empty, expected at least one", "no provider");
    }
    entries.into_iter().map(|(key, node)| provider(reader, key, node, store)).collect()
}

fn provider(reader: &mut Reader<'_>, key: &Key, node: &Node, store: &Store) -> Provider {
    let path = join("providers", &key.text);
    if !is_name(&key.text) {
        let message = format!("\"{}\" is not a provider's name", key.text);
        let diagnostic = Diagnostic::new(Finding::BadName, key.span, &path, message, "not a name");
        reader.found_with(match preset(&key.text.to_lowercase()) {
            Some(preset) => diagnostic.help(format!("did you mean \"{}\"?", preset.name)),
            None => diagnostic.help("choose one of a-z, 0-9, `.`, `_` and `-`"),
        });
    }
    let mut section = reader.section(node, &path, fields::PROVIDER);
    if node.is_null() {
        section.span = key.span;
    }
    let preset = chosen_preset(reader, &section, &key.text);
    let addresses = endpoints(reader, &section, key, preset);
    let with_usual_key = preset.filter(|preset| !preset.is_local && !addresses.own_loopback);
    let keys = keys(reader, &section, key, with_usual_key, store);
    let oauth = oauth::read(reader, &section, preset, &keys);
    let gives_tokens = oauth.as_ref().is_some_and(|oauth| oauth.gives == Gives::Tokens);
    // A local server needs no key, but some are given one. A token of OAuth's is borne, whatever the dialect (RFC 6750).
    let auth = |mut endpoint: Endpoint| {
        if gives_tokens {
            endpoint.auth = Auth::Bearer;
        }
        if !keys.is_empty() && endpoint.auth == Auth::None {
            endpoint.auth = usual_auth(endpoint.dialect);
        }
        endpoint
    };
    let endpoints: Vec<Endpoint> = addresses.endpoints.into_iter().map(auth).collect();
    if let Some(node) = section.get("http2").filter(|node| node.flag() == Some(true))
        && endpoints.iter().any(|endpoint| url::parse(&endpoint.base_url).is_ok_and(|base| base.is_plain && !base.is_loopback))
    {
        let path = section.at("http2");
        let message = format!("{path} has no effect over plain http to another machine");
        reader.found(Finding::NotEnforced, node.span, &path, message, "without effect");
    }
    let (limits, key_limits) = (quota(reader, &section, "limits"), quota(reader, &section, "key_limits"));
    let (models, facts) = model_facts::read(reader, &section);
    Provider {
        name: Text { text: key.text.clone(), span: key.span },
        keys,
        endpoints,
        catalog: preset.map_or("", |preset| preset.catalog),
        models,
        facts,
        region: reader.text(&section, "region").map(|text| text.text).unwrap_or_default(),
        data: reader.texts(&section, "data").into_iter().map(|text| text.text).collect(),
        headers: sent::headers(reader, &section),
        query: sent::query(reader, &section),
        limits,
        key_limits,
        http2: reader.flag(&section, "http2").unwrap_or(false),
        oauth,
    }
}

fn quota(reader: &mut Reader<'_>, section: &Section<'_>, name: &str) -> Quota {
    let section = reader.inner(section, name);
    let mut limit = |name: &str| reader.integer(section.as_ref()?, name);
    Quota {
        concurrent: limit("concurrent").and_then(|most| u32::try_from(most).ok()),
        requests: ["requests_per_minute", "requests_per_5h", "requests_per_week"].map(&mut limit),
        tokens: ["tokens_per_minute", "tokens_per_5h", "tokens_per_week"].map(&mut limit),
    }
}

/// The preset that is named, or that the provider's own name is.
fn chosen_preset(reader: &mut Reader<'_>, section: &Section<'_>, name: &str) -> Option<&'static Preset> {
    if section.get("preset").is_none() {
        return preset(name);
    }
    let given = reader.text(section, "preset")?;
    let found = preset(&given.text);
    if found.is_none() {
        let path = section.at("preset");
        let shown = reader.written(given.span);
        let diagnostic =
            Diagnostic::new(Finding::UnknownPreset, given.span, path, format!("no preset is called \"{shown}\""), "unknown preset");
        reader.found_with(match nearest(&given.text, PRESETS.iter().map(|preset| preset.name)) {
            Some(near) => diagnostic.help(format!("did you mean \"{near}\"?")),
            None => diagnostic,
        });
    }
    found
}

/// The addresses, and whether the file gives one of its own on this machine.
struct Addresses {
    endpoints: Vec<Endpoint>,
    own_loopback: bool,
}

fn endpoints(reader: &mut Reader<'_>, section: &Section<'_>, key: &Key, preset: Option<&'static Preset>) -> Addresses {
    let dialect = reader.choice(section, "dialect").and_then(Dialect::from_name);
    let plain_http = reader.flag(section, "plain_http").unwrap_or(false);
    let base = url::field(reader, section, "base_url", plain_http);
    let own_loopback = base.as_ref().is_some_and(|base| base.is_loopback);
    let all = preset.map_or(&[][..], |preset| preset.endpoints);
    // A value that is there but wrong has been reported; do not ask for it again.
    let lacks = |name: &str| section.get(name).is_none();
    let preset_is_wrong = !lacks("preset") && preset.is_none();
    let endpoints = match (dialect, base) {
        (None, None) if lacks("dialect") && lacks("base_url") => {
            if all.is_empty() && !preset_is_wrong {
                incomplete(reader, section, key, &["dialect", "base_url"]);
            }
            all.iter().map(|endpoint| of_preset(endpoint, None)).collect()
        }
        (Some(dialect), base) => {
            if let (Some(base), Some(node)) = (&base, section.get("base_url")) {
                fits(reader, section, node, base, dialect);
            }
            match (all.iter().find(|endpoint| endpoint.dialect == dialect), base) {
                (Some(endpoint), base) => vec![of_preset(endpoint, base.map(|base| base.text))],
                (None, Some(base)) => vec![generic(dialect, base.text)],
                (None, None) => {
                    if lacks("base_url") && !preset_is_wrong {
                        incomplete(reader, section, key, &["base_url"]);
                    }
                    Vec::new()
                }
            }
        }
        (None, Some(base)) => match all {
            [only] => {
                if let Some(node) = section.get("base_url") {
                    fits(reader, section, node, &base, only.dialect);
                }
                vec![of_preset(only, Some(base.text))]
            }
            _ => {
                if lacks("dialect") && !preset_is_wrong {
                    incomplete(reader, section, key, &["dialect"]);
                }
                Vec::new()
            }
        },
        (None, None) => Vec::new(),
    };
    Addresses { endpoints, own_loopback }
}

/// Says what a provider lacks, unless a misspelt key or name has been found that explains it.
fn incomplete(reader: &mut Reader<'_>, section: &Section<'_>, key: &Key, names: &[&str]) {
    let names: Vec<String> = names.iter().filter(|name| section.lacks(name)).map(|name| format!("`{name}`")).collect();
    let is_misspelt_preset = !is_name(&key.text) && preset(&key.text.to_lowercase()).is_some();
    if names.is_empty() || is_misspelt_preset || (section.get("preset").is_none() && !section.lacks("preset")) {
        return;
    }
    let message = format!("provider \"{}\" lacks {}", key.text, names.join(" and "));
    let diagnostic = Diagnostic::new(Finding::Incomplete, key.span, &section.path, message, "cannot be reached");
    reader.found_with(match nearest(&key.text, PRESETS.iter().map(|preset| preset.name)) {
        Some(near) if section.get("dialect").is_none() && section.get("base_url").is_none() => {
            diagnostic.help(format!("did you mean \"{near}\"?"))
        }
        _ => diagnostic,
    });
}

fn of_preset(endpoint: &crate::provider::Endpoint, base_url: Option<String>) -> Endpoint {
    Endpoint {
        dialect: endpoint.dialect,
        base_url: base_url.unwrap_or_else(|| endpoint.base_url.to_owned()),
        auth: endpoint.auth,
        quirks: endpoint.quirks.clone(),
        check: endpoint.check,
    }
}

fn generic(dialect: Dialect, base_url: String) -> Endpoint {
    let quirks = match dialect {
        Dialect::AnthropicMessages => Quirks::ANTHROPIC,
        Dialect::OpenAiChat => Quirks::CHAT,
    };
    Endpoint { dialect, base_url, auth: usual_auth(dialect), quirks, check: Check::usual(dialect) }
}

fn usual_auth(dialect: Dialect) -> Auth {
    match dialect {
        Dialect::AnthropicMessages => Auth::XApiKey,
        Dialect::OpenAiChat => Auth::Bearer,
    }
}

fn fits(reader: &mut Reader<'_>, section: &Section<'_>, node: &Node, base: &url::BaseUrl, dialect: Dialect) {
    if let Some(reason) = url::misfit(base, dialect) {
        let path = section.at("base_url");
        let shown = reader.written(node.span);
        reader.found(Finding::BadUrl, node.span, &path, format!("{path} is \"{shown}\": {reason}"), reason);
    }
}
