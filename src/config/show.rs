//! What holds, and where each value came from: the rows of `config show`.
//!
//! A row per field, in the table's order. Secrets are masked as in findings; a value that a variable with a secret's name
//! filled in is hidden whole. Start with [`show`].

use serde_json::Value as Json;

use super::check::{self, Checked};
use super::diagnostic::{Report, Span};
use super::environment::Environment;
use super::fields::{self, Field, Kind};
use super::key_sources::Source;
use super::providers::Provider;
use super::reader::{Reader, join};
use super::tree::{Node, Value};
use super::{Options, load, mask, write};
use crate::error::Error;
use crate::keys::Store;
use crate::provider::preset;

/// The fields of a config.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The file, or what else it is.
    pub name: String,
    /// The fields, in the table's order.
    pub rows: Vec<ShownRow>,
    /// What is wrong with the config, one text for the terminal; empty: nothing.
    pub rendered: String,
    /// How many errors that has: values that are wrong are shown as they were given.
    pub errors: usize,
    /// Lines for the user.
    pub notes: Vec<String>,
}

/// A field.
#[derive(Debug, Clone)]
pub struct ShownRow {
    /// Its path, `providers.zai.key` say.
    pub path: String,
    /// How deep it stands; 0: at the top.
    pub depth: usize,
    /// Its key, as YAML.
    pub key: String,
    /// Its value.
    pub value: ShownValue,
}

/// What a row says.
#[derive(Debug, Clone)]
pub enum ShownValue {
    /// The rows below, one level deeper, are its fields.
    Section,
    /// A value.
    Given {
        /// On one line of YAML.
        yaml: String,
        /// The same for programs.
        json: Json,
        /// Where it came from.
        origin: Origin,
    },
    /// No value; in a few words, what holds then.
    Unset(String),
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: it is what holds without one.
    Default,
    /// The file, and the line, from one.
    File(String, usize),
    /// The environment variable of that name.
    Variable(String),
    /// The flag of that name.
    Flag(String),
}

impl Origin {
    /// One word: `default`, `file`, `environment` or `flag`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File(..) => "file",
            Self::Variable(_) => "environment",
            Self::Flag(_) => "flag",
        }
    }

    /// The place: a file with its line, the name of a variable or flag; empty for a default.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::Default => String::new(),
            Self::File(name, line) => format!("{name}:{line}"),
            Self::Variable(name) | Self::Flag(name) => name.clone(),
        }
    }
}

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What is given, as it is written.
    Given,
    /// Every field: defaults too, and `${NAME}` filled in.
    Resolved,
}

/// The fields of a config and where they came from.
///
/// # Errors
/// When there is no config, or it cannot be read at all.
pub fn show(options: &Options, environment: &Environment, store: &Store, extent: Extent) -> Result<Shown, Error> {
    let found = load::find(options, environment, store)?;
    Ok(Shown { notes: found.notes, ..shown(&found.name, &found.bytes, options, environment, store, extent) })
}

/// The fields of a config's text.
pub(crate) fn shown(name: &str, bytes: &[u8], options: &Options, environment: &Environment, store: &Store, extent: Extent) -> Shown {
    let (root, report) = load::parsed(name, bytes, options, environment);
    let name = name.to_owned();
    let Some(root) = root else {
        return Shown { name, rows: Vec::new(), rendered: report.render(), errors: report.errors(), notes: Vec::new() };
    };
    let (checked, report) = check::check(root.clone(), report, environment, store);
    let root = match extent {
        Extent::Given => root,
        Extent::Resolved => expanded(root, environment),
    };
    let mut walk = Walk { report: &report, checked: &checked, extent, rows: Vec::new() };
    walk.section(Some(&root), fields::ROOT, "", 0);
    let rows = walk.rows;
    Shown { name, rows, rendered: report.render(), errors: report.errors(), notes: Vec::new() }
}

/// The tree with `${NAME}` filled in; what cannot be is in the report already.
fn expanded(mut root: Node, environment: &Environment) -> Node {
    Reader::new(environment, Report::default()).expand(&mut root, "");
    root
}

struct Walk<'a> {
    report: &'a Report,
    checked: &'a Checked,
    extent: Extent,
    rows: Vec<ShownRow>,
}

impl Walk<'_> {
    fn section(&mut self, node: Option<&Node>, fields: &'static [Field], path: &str, depth: usize) {
        for field in fields {
            self.field(node.and_then(|node| get(node, field.name)), field, &join(path, field.name), depth);
        }
    }

    fn field(&mut self, node: Option<&Node>, field: &'static Field, path: &str, depth: usize) {
        let is_mapping = node.is_none_or(|node| node.is_null() || matches!(node.value, Value::Map(_)));
        match field.kind {
            Kind::SectionOrNone(_) if node.is_none() => {
                if self.extent == Extent::Resolved {
                    self.push(path, depth, field.name, ShownValue::Unset("none".to_owned()));
                }
            }
            Kind::Section(inner) | Kind::SectionOrNone(inner) | Kind::SectionOrOff(inner) if is_mapping => {
                if node.is_some() || self.extent == Extent::Resolved {
                    self.push(path, depth, field.name, ShownValue::Section);
                    self.section(node, inner, path, depth + 1);
                }
            }
            Kind::ListOrNamed(_, inner) if is_mapping && node.is_some() => {
                self.push(path, depth, field.name, ShownValue::Section);
                for (key, node) in entries(node) {
                    let path = join(path, &key.text);
                    self.push(&path, depth + 1, &key.text, ShownValue::Section);
                    self.section(Some(node), inner, &path, depth + 2);
                }
            }
            Kind::Named(inner) if is_mapping && node.is_some() => self.named(node, inner, path, depth, field.name),
            Kind::Models(inner) if is_mapping && node.is_some() => self.models(node, inner, path, depth, field.name),
            Kind::Texts(_) if is_mapping && node.is_some() => {
                self.push(path, depth, field.name, ShownValue::Section);
                for (key, node) in entries(node) {
                    self.given(&join(path, &key.text), depth + 1, &key.text, node);
                }
            }
            _ => match node {
                Some(node) => self.given(path, depth, field.name, node),
                None if self.extent == Extent::Resolved => {
                    let value = default(field, path, self.checked);
                    self.push(path, depth, field.name, value);
                }
                None => {}
            },
        }
    }

    fn named(&mut self, node: Option<&Node>, inner: &'static [Field], path: &str, depth: usize, name: &str) {
        self.push(path, depth, name, ShownValue::Section);
        for (key, node) in entries(node) {
            let path = join(path, &key.text);
            if entries(Some(node)).is_empty() && self.extent == Extent::Given {
                let empty = Node { span: key.span, value: Value::Map(Vec::new()) };
                self.given(&path, depth + 1, &key.text, &empty);
                continue;
            }
            self.push(&path, depth + 1, &key.text, ShownValue::Section);
            let provider = self.checked.providers.iter().find(|provider| provider.name.text == key.text);
            for field in inner {
                let given = get(node, field.name);
                let resolved = given.is_none() && self.extent == Extent::Resolved;
                match provider.filter(|_| resolved).and_then(|provider| implied(field.name, provider, node)) {
                    Some(value) => self.push(&join(&path, field.name), depth + 2, field.name, value),
                    None => self.field(given, field, &join(&path, field.name), depth + 2),
                }
            }
        }
    }

    fn models(&mut self, node: Option<&Node>, inner: &'static [Field], path: &str, depth: usize, name: &str) {
        self.push(path, depth, name, ShownValue::Section);
        for (key, node) in entries(node) {
            let path = join(path, &key.text);
            if matches!(node.value, Value::Map(_)) {
                self.push(&path, depth + 1, &key.text, ShownValue::Section);
                self.section(Some(node), inner, &path, depth + 2);
            } else {
                self.given(&path, depth + 1, &key.text, node);
            }
        }
    }

    fn given(&mut self, path: &str, depth: usize, key: &str, node: &Node) {
        let seen = |node: &Node, text: &str| self.seen(node, text);
        let value = ShownValue::Given { yaml: write::flow(node, &seen), json: json(node, &seen), origin: self.origin(node.span) };
        self.push(path, depth, key, value);
    }

    fn push(&mut self, path: &str, depth: usize, key: &str, value: ShownValue) {
        self.rows.push(ShownRow { path: mask::shown(path), depth, key: write::text(&mask::shown(key)), value });
    }

    fn origin(&self, span: Span) -> Origin {
        let name = mask::shown(self.report.name(span));
        match span.source {
            0 => Origin::File(name, self.report.position(span).0),
            _ if name.starts_with('-') => Origin::Flag(name),
            _ => Origin::Variable(name),
        }
    }

    /// A scalar's text as it may be seen.
    fn seen(&self, node: &Node, text: &str) -> String {
        let span = node.span;
        let is_secret =
            |secret: &&Span| secret.source == span.source && secret.start < span.end.max(span.start + 1) && span.start < secret.end;
        if self.report.secrets.iter().any(|secret| is_secret(&secret)) || self.is_filled_by_secret(span) {
            return mask::DOTS.to_owned();
        }
        let text = mask::shown(text);
        if self.extent == Extent::Resolved { text.replace("${", "$${") } else { text }
    }

    /// Whether the place names, as `${NAME}`, a variable that is called as secrets are.
    fn is_filled_by_secret(&self, span: Span) -> bool {
        let source = self.report.sources.get(span.source).map_or("", |source| &source.text);
        let written = source.get(span.start..span.end).unwrap_or_default();
        let names = written.split("${").skip(1).filter_map(|rest| rest.split('}').next());
        self.extent == Extent::Resolved && names.into_iter().any(mask::looks_like_secret_field)
    }
}

fn get<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    entries(Some(node)).iter().find(|(key, _)| key.text == name).map(|(_, node)| node)
}

fn entries(node: Option<&Node>) -> &[(super::tree::Key, Node)] {
    match node.map(|node| &node.value) {
        Some(Value::Map(entries)) => entries,
        _ => &[],
    }
}

/// What follows for a provider's field from its preset and the keys at hand; `None`: nothing but the table's default.
fn implied(field: &str, provider: &Provider, node: &Node) -> Option<ShownValue> {
    let name = &provider.name.text;
    match field {
        "preset" => preset(name).map(|preset| text(preset.name)),
        "dialect" | "base_url" if provider.endpoints.is_empty() => None,
        "dialect" => {
            let names: Vec<&str> = provider.endpoints.iter().map(|endpoint| endpoint.dialect.name()).collect();
            Some(ShownValue::Unset(names.join(", ")))
        }
        "base_url" => {
            let urls: Vec<String> =
                provider.endpoints.iter().map(|endpoint| format!("{} ({})", endpoint.base_url, endpoint.dialect.name())).collect();
            Some(ShownValue::Unset(urls.join(", ")))
        }
        "key" if get(node, "keys").is_some() => Some(ShownValue::Unset("in `keys`".to_owned())),
        "key" => Some(match provider.keys.first() {
            Some(Source::File(name)) => text(name),
            Some(Source::Variable(name)) => {
                ShownValue::Given { yaml: format!("{{ env: {name} }}"), json: serde_json::json!({ "env": name }), origin: Origin::Default }
            }
            // A program is never usual: the file says so, and is shown as it is written.
            Some(Source::Command(command)) => ShownValue::Unset(command.label()),
            None => ShownValue::Unset("no key".to_owned()),
        }),
        _ => None,
    }
}

/// A field's default: a value where it is one, else in words.
fn default(field: &Field, path: &str, checked: &Checked) -> ShownValue {
    // Two defaults follow another field.
    let followed = match path {
        "limits.buffered_mb" => Some(checked.limits.buffered_bytes as u64 >> 20),
        "breaker.rest_max_s" => checked.table.breaker.as_ref().map(|breaker| breaker.rest_max.as_secs()),
        _ => None,
    };
    let given = |yaml: String, json: Json| ShownValue::Given { yaml, json, origin: Origin::Default };
    match (&field.kind, followed) {
        (Kind::Integer { .. }, Some(number)) => given(number.to_string(), number.into()),
        (Kind::Integer { .. } | Kind::Flag, None) if serde_json::from_str::<Json>(field.default).is_ok() => {
            given(field.default.to_owned(), serde_json::from_str(field.default).unwrap_or_default())
        }
        (Kind::Choice(words), _) if words.contains(&field.default) => text(field.default),
        (Kind::Text(_), _) if !field.default.is_empty() && !field.default.contains(' ') => text(field.default),
        _ if matches!(field.default, "" | "[]" | "{}") => ShownValue::Unset("not set".to_owned()),
        _ => ShownValue::Unset(field.default.to_owned()),
    }
}

fn text(text: &str) -> ShownValue {
    ShownValue::Given { yaml: write::text(text), json: text.into(), origin: Origin::Default }
}

fn json(node: &Node, seen: &dyn Fn(&Node, &str) -> String) -> Json {
    match &node.value {
        _ if node.is_null() => Json::Null,
        Value::Scalar { text, .. } => {
            let text = seen(node, text);
            node.flag()
                .map(Json::Bool)
                .or_else(|| serde_json::from_str(&text).ok().filter(|_| node.is_number()))
                .unwrap_or(Json::String(text))
        }
        Value::List(nodes) => Json::Array(nodes.iter().map(|node| json(node, seen)).collect()),
        Value::Map(entries) => Json::Object(entries.iter().map(|(key, node)| (key.text.clone(), json(node, seen))).collect()),
    }
}

#[cfg(test)]
mod tests;
