//! `providers`: reads and checks them; what comes out has its addresses, and knows where its keys are.

use super::diagnostic::{Diagnostic, Finding, Span};
use super::fields;
use super::mask;
use super::near::nearest;
use super::reader::{Reader, Section, Text, is_variable, join};
use super::tree::{Key, Node, Value};
use super::url;
use crate::dialect::{Dialect, Quirks};
use crate::keys::{Store, looks_like_secret};
use crate::provider::{Auth, Preset, preset, table::PRESETS};
use crate::route::table::Endpoint;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The key file of that name.
    File(String),
    /// The environment variable of that name.
    Variable(String),
}

/// A provider that has been read.
#[derive(Debug)]
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
    /// Headers to send.
    pub(crate) headers: Vec<(String, String)>,
    /// Requests at a time.
    pub(crate) concurrent_max: Option<u32>,
    /// Requests per minute.
    pub(crate) requests_per_minute: Option<u32>,
    /// Offers HTTP/2.
    pub(crate) http2: bool,
}

/// Whether a text may name a provider or a key file.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-'))
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
        reader.found(Finding::BadName, key.span, &path, format!("\"{}\" is not a provider's name", key.text), "not a name");
    }
    let mut section = reader.section(node, &path, fields::PROVIDER);
    if node.is_null() {
        section.span = key.span;
    }
    let preset = chosen_preset(reader, &section, &key.text);
    let addresses = endpoints(reader, &section, key, preset);
    let keys = keys(reader, &section, key, preset, &addresses, store);
    // A local server needs no key, but some are given one.
    let auth = |mut endpoint: Endpoint| {
        if !keys.is_empty() && endpoint.auth == Auth::None {
            endpoint.auth = usual_auth(endpoint.dialect);
        }
        endpoint
    };
    let endpoints = addresses.endpoints.into_iter().map(auth).collect();
    let limits = reader.inner(&section, "limits");
    not_enforced(reader, &section, limits.as_ref());
    let mut limit = |name: &str| -> Option<u32> {
        let limits = limits.as_ref()?;
        reader.integer(limits, name).and_then(|value| u32::try_from(value).ok())
    };
    let (concurrent_max, requests_per_minute) = (limit("concurrent"), limit("requests_per_minute"));
    Provider {
        name: Text { text: key.text.clone(), span: key.span },
        keys,
        endpoints,
        catalog: preset.map_or("", |preset| preset.catalog),
        models: reader.texts(&section, "models").into_iter().map(|text| text.text).collect(),
        headers: headers(reader, &section),
        concurrent_max,
        requests_per_minute,
        http2: reader.flag(&section, "http2").unwrap_or(false),
    }
}

/// Says which of the fields given have no effect in this version.
fn not_enforced(reader: &mut Reader<'_>, section: &Section<'_>, limits: Option<&Section<'_>>) {
    let http2 = section.get("http2").filter(|node| node.flag() == Some(true)).map(|node| (section.at("http2"), node));
    let tokens = limits.and_then(|limits| Some((limits.at("tokens_per_minute"), limits.get("tokens_per_minute")?)));
    for (path, node) in http2.into_iter().chain(tokens) {
        reader.found(Finding::NotEnforced, node.span, &path, format!("{path} is not in effect yet"), "without effect");
    }
    if let Some(limits) = limits {
        reader.integer(limits, "tokens_per_minute");
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
    let base = base_url(reader, section, plain_http);
    let own_loopback = base.as_ref().is_some_and(|base| base.is_loopback);
    let all = preset.map_or(&[][..], |preset| preset.endpoints);
    // A value that is there but wrong has been reported; do not ask for it again.
    let lacks = |name: &str| section.get(name).is_none();
    let preset_is_wrong = !lacks("preset") && preset.is_none();
    let endpoints = match (dialect, base) {
        (None, None) if lacks("dialect") && lacks("base_url") => {
            if all.is_empty() && !preset_is_wrong {
                incomplete(reader, section, key, "`dialect` and `base_url`");
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
                        incomplete(reader, section, key, "`base_url`");
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
                    incomplete(reader, section, key, "`dialect`, which says what the base URL speaks");
                }
                Vec::new()
            }
        },
        (None, None) => Vec::new(),
    };
    Addresses { endpoints, own_loopback }
}

fn incomplete(reader: &mut Reader<'_>, section: &Section<'_>, key: &Key, what: &str) {
    let message = format!("provider \"{}\" lacks {what}", key.text);
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
    }
}

fn generic(dialect: Dialect, base_url: String) -> Endpoint {
    let quirks = match dialect {
        Dialect::AnthropicMessages => Quirks::ANTHROPIC,
        Dialect::OpenAiChat => Quirks::CHAT,
    };
    Endpoint { dialect, base_url, auth: usual_auth(dialect), quirks }
}

fn usual_auth(dialect: Dialect) -> Auth {
    match dialect {
        Dialect::AnthropicMessages => Auth::XApiKey,
        Dialect::OpenAiChat => Auth::Bearer,
    }
}

fn base_url(reader: &mut Reader<'_>, section: &Section<'_>, plain_http: bool) -> Option<url::BaseUrl> {
    let given = reader.text(section, "base_url")?;
    let path = section.at("base_url");
    let has_password = given.text.split_once("://").is_some_and(|(_, rest)| rest.split('/').next().unwrap_or_default().contains('@'));
    if has_password || mask::looks_like_key(&given.text) {
        reader.report.secrets.push(given.span);
        reader.found(Finding::ClearKey, given.span, &path, format!("{path} holds a user, password or key"), "a secret in clear");
        return None;
    }
    match url::parse(&given.text) {
        Err(reason) => {
            let shown = reader.written(given.span);
            reader.found(Finding::BadUrl, given.span, &path, format!("{path} is \"{shown}\", which is not a base URL: {reason}"), reason);
            None
        }
        Ok(base) => {
            if base.is_plain && !base.is_loopback && !plain_http {
                let shown = reader.written(given.span);
                reader.found(
                    Finding::PlainHttp,
                    given.span,
                    &path,
                    format!("{path} is \"{shown}\", plain http to another machine"),
                    "not encrypted",
                );
            }
            Some(base)
        }
    }
}

fn fits(reader: &mut Reader<'_>, section: &Section<'_>, node: &Node, base: &url::BaseUrl, dialect: Dialect) {
    if let Some(reason) = url::misfit(base, dialect) {
        let path = section.at("base_url");
        let shown = reader.written(node.span);
        reader.found(Finding::BadUrl, node.span, &path, format!("{path} is \"{shown}\": {reason}"), reason);
    }
}

/// Where the keys are; what is not there is noted.
fn keys(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &Key,
    preset: Option<&'static Preset>,
    addresses: &Addresses,
    store: &Store,
) -> Vec<Source> {
    if let (Some(_), Some(several)) = (section.get("key"), section.get("keys")) {
        let message = format!("provider \"{}\" has both `key` and `keys`", key.text);
        reader.found(Finding::Contradiction, several.span, &section.at("keys"), message, "beside `key`");
    }
    let mut sources = Vec::new();
    if let Some(node) = section.get("key") {
        sources.extend(source(reader, node, &section.at("key"), store));
    }
    if let Some(node) = section.get("keys") {
        let path = section.at("keys");
        for (index, node) in reader.list(node, &path, "a list of keys").unwrap_or_default().iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Some(found) = source(reader, node, &path, store) else { continue };
            if sources.contains(&found) {
                reader.found(Finding::Repeated, node.span, &path, format!("{path} is the same key again"), "again");
            } else {
                sources.push(found);
            }
        }
    }
    let given = section.get("key").is_some() || section.get("keys").is_some();
    match preset {
        Some(preset) if !given && !preset.is_local && !addresses.own_loopback => sources.extend(usual(reader, key, preset, store)),
        _ => {}
    }
    sources
}

/// The key that a preset usually has: its file, else its variables.
fn usual(reader: &mut Reader<'_>, key: &Key, preset: &'static Preset, store: &Store) -> Option<Source> {
    if store.contains(preset.name) {
        return Some(Source::File(preset.name.to_owned()));
    }
    if let Some(name) = preset.env.iter().find(|name| reader.environment().get(name).is_some()) {
        return Some(Source::Variable((*name).to_owned()));
    }
    let message = format!("provider \"{}\" has no key: neither a key file \"{}\" nor {}", key.text, preset.name, preset.env.join(", "));
    let help = format!("add it with `aimux keys add {}`, or set {}", preset.name, preset.env.first().copied().unwrap_or("a variable"));
    let path = join("providers", &key.text);
    reader.found_with(Diagnostic::new(Finding::KeyAbsent, key.span, path, message, "no key here").help(help));
    None
}

/// A key's place: the name of a file, or `{ env: NAME }`. A key itself is an error, and hidden.
pub(crate) fn source(reader: &mut Reader<'_>, node: &Node, path: &str, store: &Store) -> Option<Source> {
    if matches!(node.value, Value::Map(_)) {
        return variable(reader, node, path).map(Source::Variable);
    }
    let Value::Scalar { text, .. } = &node.value else {
        reader.wrong_type(node, path, "the name of a key file, or `{ env: NAME }`");
        return None;
    };
    if mask::looks_like_key(text) || looks_like_secret(text) || text.len() > 64 {
        clear(reader, node, path);
        return None;
    }
    if text.len() >= 16 && !is_name(text) {
        reader.secret(node);
    }
    let name = reader.text_of(node, path, "the name of a key file, or `{ env: NAME }`")?;
    if !is_name(&name.text) {
        let diagnostic = Diagnostic::new(Finding::BadName, name.span, path, format!("{path} is not the name of a key file"), "not a name");
        let looks_like_variable = name.text.len() < 64 && is_variable(&name.text) && name.text.contains('_');
        reader.found_with(if looks_like_variable { diagnostic.help("a variable is named with `{ env: NAME }`") } else { diagnostic });
        return None;
    }
    if !store.contains(&name.text) {
        let message = format!("key file \"{}\" does not exist", name.text);
        let diagnostic = Diagnostic::new(Finding::KeyAbsent, name.span, path, message, "not there");
        reader.found_with(diagnostic.help(format!("add it with `aimux keys add {}`", name.text)));
    }
    Some(Source::File(name.text))
}

/// `{ env: NAME }`, checked; an unset variable is noted.
pub(crate) fn variable(reader: &mut Reader<'_>, node: &Node, path: &str) -> Option<String> {
    static ENV: &[fields::Field] =
        &[fields::Field { name: "env", kind: fields::Kind::Text("the name of a variable"), default: "", doc: "The variable." }];
    if !matches!(node.value, Value::Map(_)) {
        if matches!(&node.value, Value::Scalar { text, .. } if !text.is_empty()) && !node.is_null() && node.flag().is_none() {
            clear(reader, node, path);
        } else {
            reader.wrong_type(node, path, "`{ env: NAME }`");
        }
        return None;
    }
    let section = reader.section(node, path, ENV);
    if section.get("env").is_none() {
        reader.found(Finding::Missing, node.span, path, format!("{path} lacks `env`"), "names no variable");
        return None;
    }
    let inner = section.get("env")?;
    if matches!(&inner.value, Value::Scalar { text, .. } if mask::looks_like_key(text)) {
        clear(reader, inner, &section.at("env"));
        return None;
    }
    let name = reader.text(&section, "env")?;
    if !is_variable(&name.text) {
        reader.report.secrets.push(name.span);
        reader.found(Finding::BadName, name.span, &section.at("env"), format!("{path}.env is not the name of a variable"), "not a name");
        return None;
    }
    if reader.environment().get(&name.text).is_none() {
        let diagnostic =
            Diagnostic::new(Finding::KeyAbsent, name.span, section.at("env"), format!("the variable {} is not set", name.text), "not set");
        reader.found_with(diagnostic.help(format!("set {}, or add a key file", name.text)));
    }
    Some(name.text)
}

/// Notes a secret in clear, and hides it.
pub(crate) fn clear(reader: &mut Reader<'_>, node: &Node, path: &str) {
    reader.secret(node);
    reader.found(Finding::ClearKey, node.span, path, format!("{path} holds a secret in clear text"), "a secret in clear");
}

/// Headers that aimux sets itself, or that belong to one connection.
const OWN_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "accept-encoding",
    "proxy-connection",
];

fn headers(reader: &mut Reader<'_>, section: &Section<'_>) -> Vec<(String, String)> {
    let Some(node) = section.get("headers") else { return Vec::new() };
    let path = section.at("headers");
    let mut headers: Vec<(String, String)> = Vec::new();
    for (key, node) in reader.map(node, &path, "a mapping of header names to text").unwrap_or_default() {
        let path = join(&path, &key.text);
        headers.extend(header(reader, key, node, &path));
    }
    headers
}

fn header(reader: &mut Reader<'_>, key: &Key, node: &Node, path: &str) -> Option<(String, String)> {
    let secret_value = matches!(&node.value, Value::Scalar { text, .. } if mask::looks_like_key(text));
    if mask::looks_like_secret_field(&key.text) || secret_value {
        reader.secret(node);
        let message = format!("header \"{}\" holds a credential", key.text);
        let help = "give the key with `key`; aimux sends it the provider's way";
        reader.found_with(Diagnostic::new(Finding::ClearKey, node.span, path, message, "a secret in clear").help(help));
        return None;
    }
    let bad = |reason: String, span: Span| Diagnostic::new(Finding::BadHeader, span, path, reason, "cannot be sent");
    if http::HeaderName::from_bytes(key.text.as_bytes()).is_err() {
        reader.found_with(bad(format!("\"{}\" is not a header's name", key.text), key.span));
        return None;
    }
    let name = key.text.to_ascii_lowercase();
    if OWN_HEADERS.contains(&name.as_str()) {
        reader.found_with(bad(format!("header \"{name}\" is set by aimux itself"), key.span));
        return None;
    }
    let value = reader.text_of(node, path, "text")?;
    if http::HeaderValue::from_str(&value.text).is_err() {
        reader.found_with(bad(format!("the value of header \"{name}\" has a character that no header may have"), value.span));
        return None;
    }
    Some((name, value.text))
}
