//! The config that an import makes: providers, what serves which name, limits; then its text.

use std::fmt::Write as _;

use crate::config::reader::{is_name, is_variable};
use crate::config::{init, url, write};
use crate::dialect::Dialect;
use crate::provider::{Preset, preset, table::PRESETS};
use crate::secret::Secret;

/// A key that the foreign file held in clear.
#[derive(Debug, Clone)]
pub struct ImportedKey {
    /// The name of the key file that it goes into.
    pub name: String,
    /// The key.
    pub secret: Secret,
}

/// Where a provider's key is, as the foreign file says it.
#[derive(Debug, Clone, Default)]
pub(super) enum Found {
    /// It says nothing.
    #[default]
    Nothing,
    /// In a variable.
    Variable(String),
    /// There, in clear.
    Clear(Secret),
}

impl Found {
    /// Reads a text: `variable` says how the format writes the name of one.
    pub(super) fn read(text: &str, variable: fn(&str) -> Option<&str>) -> Option<Self> {
        match variable(text) {
            Some(name) if is_variable(name) => Some(Self::Variable(name.to_owned())),
            Some(_) => None,
            None if text.len() <= 8192 && text.bytes().all(|byte| matches!(byte, b'!'..=b'~')) => {
                Some(Self::Clear(Secret::new(text.to_owned())))
            }
            None => None,
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nothing, Self::Nothing) => true,
            (Self::Variable(one), Self::Variable(other)) => one == other,
            (Self::Clear(one), Self::Clear(other)) => one.matches(other.expose()),
            _ => false,
        }
    }
}

/// Where a provider is and what it speaks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) preset: Option<&'static str>,
    pub(super) dialect: Option<Dialect>,
    pub(super) base_url: Option<String>,
    pub(super) plain_http: bool,
}

/// A provider of the new config.
#[derive(Debug, Default)]
pub(super) struct Provider {
    pub(super) name: String,
    place: Place,
    found: Found,
    key: Option<String>,
    pub(super) models: Vec<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) query: Vec<(String, String)>,
    pub(super) requests_per_minute: Option<u64>,
    pub(super) tokens_per_minute: Option<u64>,
    pub(super) concurrent: Option<u64>,
}

/// A rule of the new config.
#[derive(Debug)]
struct Rule {
    name: &'static str,
    /// What must hold, as the config writes it.
    when: String,
    targets: Vec<String>,
}

/// The new config.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) listen: Option<String>,
    pub(super) token: Option<String>,
    pub(super) providers: Vec<Provider>,
    pub(super) models: Vec<(String, Vec<String>)>,
    rules: Vec<Rule>,
    /// How a name's target is chosen, by the name; one without is asked in order.
    strategies: Vec<(String, &'static str)>,
    /// Fields of `limits`, `retry` and `breaker`, by their path.
    numbers: Vec<(&'static str, &'static str, u64)>,
    pub(super) breaker_off: bool,
    pub(super) keys: Vec<ImportedKey>,
}

impl Draft {
    /// The provider at a place with a key, made under a name like `wanted` where there is none yet.
    pub(super) fn provider(&mut self, wanted: &str, place: Place, found: Found) -> usize {
        if let Some(index) = self.providers.iter().position(|provider| provider.place == place && provider.found.is(&found)) {
            return index;
        }
        let taken = |name: &str| self.providers.iter().any(|provider| provider.name == name);
        let name = free(&name_like(wanted), taken);
        let key = match &found {
            Found::Nothing => None,
            Found::Variable(variable) => Some(format!("{{ env: {variable} }}")),
            Found::Clear(secret) => Some(write::text(&self.key(&name, secret))),
        };
        self.providers.push(Provider { name, place, found, key, ..Provider::default() });
        self.providers.len() - 1
    }

    /// The name of the key file for a secret: one for each secret, however often it stands in the file.
    fn key(&mut self, wanted: &str, secret: &Secret) -> String {
        if let Some(known) = self.keys.iter().find(|key| key.secret.matches(secret.expose())) {
            return known.name.clone();
        }
        let name = free(wanted, |name| self.keys.iter().any(|key| key.name == name));
        self.keys.push(ImportedKey { name: name.clone(), secret: secret.clone() });
        name
    }

    /// Sets a number, within the field's range; the first one stays.
    pub(super) fn number(&mut self, section: &'static str, field: &'static str, value: u64) {
        let range =
            crate::config::fields::ROOT.iter().find(|row| row.name == section).and_then(|row| row.kind.fields()).and_then(|fields| {
                fields.iter().find(|row| row.name == field).and_then(|row| match row.kind {
                    crate::config::fields::Kind::Integer { min, max } => Some((min, max)),
                    _ => None,
                })
            });
        let (min, max) = range.unwrap_or((0, u64::MAX));
        if !self.numbers.iter().any(|(other, name, _)| (*other, *name) == (section, field)) {
            self.numbers.push((section, field, value.clamp(min, max)));
        }
    }

    /// Adds what serves a name; targets that it has already are not repeated. A name that no config can hold is not added.
    pub(super) fn serve(&mut self, name: &str, targets: &[String]) -> bool {
        if name.is_empty() || name.len() > 256 || name.chars().any(|c| c.is_whitespace() || c.is_control()) || targets.is_empty() {
            return false;
        }
        let at = self.models.iter().position(|(other, _)| other == name).unwrap_or_else(|| {
            self.models.push((name.to_owned(), Vec::new()));
            self.models.len() - 1
        });
        if let Some((_, served)) = self.models.get_mut(at) {
            for target in targets {
                if !served.contains(target) && served.len() < 100 {
                    served.push(target.clone());
                }
            }
        }
        true
    }

    /// Adds a rule behind those that there are. Without targets there is none.
    pub(super) fn rule(&mut self, name: &'static str, when: impl Into<String>, targets: Vec<String>) {
        if !targets.is_empty() {
            self.rules.push(Rule { name, when: when.into(), targets });
        }
    }

    /// Sets how the targets of a name are chosen, where it has several.
    pub(super) fn choose(&mut self, name: &str, strategy: &'static str) {
        if self.models.iter().any(|(other, targets)| other == name && targets.len() > 1) {
            self.strategies.push((name.to_owned(), strategy));
        }
    }

    /// A target; `None` for a model that no target can name.
    pub(super) fn target(&self, provider: usize, model: &str) -> Option<String> {
        let is_model = !model.is_empty() && !model.contains('*') && !model.chars().any(char::is_whitespace);
        self.providers.get(provider).filter(|_| is_model).map(|provider| format!("{}/{model}", provider.name))
    }

    /// The text. `from`: what it was made from, for the first lines.
    pub(super) fn text(&self, from: &str) -> String {
        let mut out = init::modeline();
        let _ = writeln!(out, "# Made by `aimux config import` from {from}.\nversion: 1");
        if self.listen.is_some() || self.token.is_some() {
            out.push_str("\nserver:\n");
            if let Some(listen) = &self.listen {
                let _ = writeln!(out, "  listen: {}", write::text(listen));
            }
            if let Some(token) = &self.token {
                let _ = writeln!(out, "  token: {{ env: {token} }}");
            }
        }
        out.push_str("\nproviders:\n");
        for provider in &self.providers {
            provider.write(&mut out);
        }
        let list = |targets: &[String]| targets.iter().map(|target| write::text(&literal(target))).collect::<Vec<_>>().join(", ");
        if !self.rules.is_empty() {
            out.push_str("\nroutes:\n");
        }
        for Rule { name, when, targets } in &self.rules {
            let _ = writeln!(out, "  - {{ name: {name}, when: {{ {when} }}, use: [{}] }}", list(targets));
        }
        if !self.models.is_empty() {
            out.push_str("\nmodels:\n");
        }
        for (name, targets) in &self.models {
            let targets = match self.strategies.iter().find(|(other, _)| other == name) {
                Some((_, strategy)) => format!("{{ use: [{}], strategy: {strategy} }}", list(targets)),
                None => format!("[{}]", list(targets)),
            };
            let _ = writeln!(out, "  {}: {targets}", write::text(name));
        }
        for section in ["limits", "retry", "breaker"] {
            let fields: Vec<String> = self
                .numbers
                .iter()
                .filter(|(other, ..)| *other == section)
                .map(|(_, name, value)| format!("  {name}: {value}\n"))
                .collect();
            if section == "breaker" && self.breaker_off {
                out.push_str("\nbreaker: off\n");
            } else if !fields.is_empty() {
                let _ = write!(out, "\n{section}:\n{}", fields.concat());
            }
        }
        out
    }
}

impl Provider {
    fn write(&self, out: &mut String) {
        let mut lines: Vec<String> = Vec::new();
        if let Some(preset) = self.place.preset.filter(|preset| *preset != self.name) {
            lines.push(format!("preset: {preset}"));
        }
        lines.extend(self.place.dialect.map(|dialect| format!("dialect: {}", dialect.name())));
        lines.extend(self.place.base_url.as_ref().map(|url| format!("base_url: {}", write::quoted(&literal(url)))));
        if self.place.plain_http {
            lines.push("plain_http: true".to_owned());
        }
        lines.extend(self.key.as_ref().map(|key| format!("key: {key}")));
        if !self.models.is_empty() {
            let models: Vec<String> = self.models.iter().map(|model| write::text(&literal(model))).collect();
            lines.push(format!("models: [{}]", models.join(", ")));
        }
        for (name, pairs) in [("headers", &self.headers), ("query", &self.query)] {
            let pairs: Vec<String> =
                pairs.iter().map(|(key, value)| format!("{}: {}", write::text(key), write::quoted(&literal(value)))).collect();
            if !pairs.is_empty() {
                lines.push(format!("{name}: {{ {} }}", pairs.join(", ")));
            }
        }
        let limits = [
            ("requests_per_minute", self.requests_per_minute, 1_000_000),
            ("tokens_per_minute", self.tokens_per_minute, 10_000_000_000),
            ("concurrent", self.concurrent, 100_000),
        ];
        let limits: Vec<String> =
            limits.iter().filter_map(|(name, value, max)| Some(format!("{name}: {}", value.as_ref()?.clamp(&1, max)))).collect();
        if !limits.is_empty() {
            lines.push(format!("limits: {{ {} }}", limits.join(", ")));
        }
        if lines.is_empty() {
            let _ = writeln!(out, "  {}: {{}}", write::text(&self.name));
            return;
        }
        let _ = writeln!(out, "  {}:", write::text(&self.name));
        for line in lines {
            let _ = writeln!(out, "    {line}");
        }
    }
}

/// A text in which `${` means itself.
fn literal(text: &str) -> String {
    text.replace("${", "$${")
}

/// A name that a provider or a key file may have, as near to a text as can be.
pub(super) fn name_like(text: &str) -> String {
    let lower = text.trim().to_ascii_lowercase();
    let mapped: String = lower
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-') { c } else { '-' })
        .skip_while(|c| !c.is_ascii_alphanumeric())
        .take(48)
        .collect();
    if is_name(&mapped) && !crate::keys::looks_like_secret(&mapped) && !crate::config::mask::looks_like_key(&mapped) {
        mapped
    } else {
        "provider".to_owned()
    }
}

fn free(wanted: &str, taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2..).map(|count| format!("{wanted}-{count}"));
    std::iter::once(wanted.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}

/// What an address means.
///
/// # Errors
/// With the reason, when no provider can be made of it.
pub(super) fn place(address: &str, hint: Option<&'static Preset>, dialect: Option<Dialect>) -> Result<Place, &'static str> {
    let trimmed = address.trim().trim_end_matches('/').replace("://localhost", "://127.0.0.1");
    if trimmed.contains(['?', '#', '@']) || crate::config::mask::looks_like_key(&trimmed) {
        return Err("the address holds more than a place: a query, a user or a key");
    }
    let whole = |end: &str| trimmed.strip_suffix(end).map(|base| base.trim_end_matches('/').to_owned());
    let (base, told) = if let Some(base) = whole("/chat/completions") {
        (base, Some(Dialect::OpenAiChat))
    } else if let Some(base) = whole("/v1/messages").or_else(|| whole("/messages")) {
        (base, Some(Dialect::AnthropicMessages))
    } else {
        (trimmed.clone(), None)
    };
    let dialect = dialect.or(told);
    let owns = |preset: &&Preset| preset.endpoints.iter().any(|endpoint| endpoint.base_url == base);
    if let Some(known) = hint.filter(|hint| owns(hint)).or_else(|| PRESETS.iter().find(owns)) {
        return Ok(Place { preset: Some(known.name), ..Place::default() });
    }
    let (scheme, rest) = base.split_once("://").ok_or("the address has no scheme")?;
    if rest.split_once('/').is_none_or(|(_, path)| path.is_empty()) {
        // A bare host: a known provider's, or a server whose API begins at `/v1`.
        let same_host = |preset: &&Preset| preset.endpoints.iter().any(|endpoint| host(endpoint.base_url) == Some(rest));
        if let Some(known) = hint.filter(|hint| same_host(hint)).or_else(|| PRESETS.iter().find(same_host)) {
            return Ok(Place { preset: Some(known.name), ..Place::default() });
        }
    }
    let dialect = dialect.unwrap_or(if rest.contains("/anthropic") { Dialect::AnthropicMessages } else { Dialect::OpenAiChat });
    let base_url = match dialect {
        Dialect::AnthropicMessages => base.strip_suffix("/v1").unwrap_or(&base).to_owned(),
        Dialect::OpenAiChat if !rest.contains('/') => format!("{base}/v1"),
        Dialect::OpenAiChat => base.clone(),
    };
    let parsed = url::parse(&base_url)?;
    if url::misfit(&parsed, dialect).is_some() {
        return Err("the address does not fit the protocol");
    }
    let preset = hint.filter(|hint| hint.endpoints.iter().any(|endpoint| endpoint.dialect == dialect)).map(|hint| hint.name);
    let plain_http = scheme == "http" && !parsed.is_loopback;
    Ok(Place { preset, dialect: Some(dialect), base_url: Some(base_url), plain_http })
}

/// The host of a URL, port included.
pub(super) fn host(url: &str) -> Option<&str> {
    url.split_once("://").and_then(|(_, rest)| rest.split('/').next())
}

/// The label of a host that names whose it is: `deepinfra` of `api.deepinfra.com`.
pub(super) fn owner(url: &str) -> &str {
    let host = host(url).unwrap_or_default().split(':').next().unwrap_or_default();
    let is_address = host.chars().all(|c| c.is_ascii_digit() || c == '.') || host.starts_with('[') || host == "localhost";
    if is_address {
        return "local";
    }
    let labels: Vec<&str> = host.split('.').collect();
    labels.len().checked_sub(2).and_then(|at| labels.get(at)).copied().unwrap_or(host)
}

/// The preset at its own addresses.
pub(super) fn known(name: &str) -> Option<Place> {
    preset(name).map(|preset| Place { preset: Some(preset.name), ..Place::default() })
}
