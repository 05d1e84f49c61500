//! Reads values out of the tree, by the table of fields, and collects what is wrong instead of stopping.
//!
//! Start with [`Reader::section`]; the getters then take the type and range from the field's own row.

use std::collections::HashMap;

use super::diagnostic::{Diagnostic, Finding, Report, Span};
use super::environment::Environment;
use super::fields::{Field, Kind};
use super::former::called_here;
use super::mask;
use super::near::{nearest, only};
use super::tree::{Key, Node, Value};

/// A text and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    /// The text, never empty.
    pub(crate) text: String,
    /// Its place.
    pub(crate) span: Span,
}

/// The entries of a mapping whose keys are known.
#[derive(Debug)]
pub(crate) struct Section<'n> {
    /// `limits`, `providers.zai` …; empty for the file.
    pub(crate) path: String,
    /// The mapping's own place, or its key's.
    pub(crate) span: Span,
    entries: Vec<(&'static Field, &'n Node)>,
    fields: &'static [Field],
    /// Fields that misspelt keys meant, most likely: they are not missing, too.
    slips: Vec<&'static str>,
    /// Every key as it is written.
    written: Vec<String>,
    /// Whether anything else might stand in it: it is no mapping, or one that aimux cannot read whole.
    is_doubtful: bool,
}

impl<'n> Section<'n> {
    /// Whether a field is not there and nothing that has been found explains it.
    pub(crate) fn lacks(&self, name: &str) -> bool {
        !self.is_doubtful && self.get(name).is_none() && !self.slips.contains(&name)
    }

    /// The value of a field, where it is given.
    pub(crate) fn get(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(field, _)| field.name == name).map(|(_, node)| *node)
    }

    /// Whether any key is written, known or not.
    pub(crate) fn has_entries(&self) -> bool {
        !self.written.is_empty()
    }

    /// A field's path.
    pub(crate) fn at(&self, name: &str) -> String {
        join(&self.path, name)
    }

    pub(crate) fn field(&self, name: &str) -> Option<(&'static Field, &'n Node)> {
        self.entries.iter().find(|(field, _)| field.name == name).copied()
    }
}

/// A path one step deeper; names with dots or stars are quoted.
pub(crate) fn join(path: &str, name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    let name = if plain { name.to_owned() } else { format!("\"{name}\"") };
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

/// The reader: the environment that variables come from, and the findings so far.
pub(crate) struct Reader<'a> {
    environment: &'a Environment,
    /// What was found.
    pub(crate) report: Report,
}

impl<'a> Reader<'a> {
    /// A reader that adds to a report.
    pub(crate) fn new(environment: &'a Environment, report: Report) -> Self {
        Self { environment, report }
    }

    /// The environment.
    pub(crate) fn environment(&self) -> &'a Environment {
        self.environment
    }

    /// Notes a finding.
    pub(crate) fn found(&mut self, finding: Finding, span: Span, path: &str, message: impl Into<String>, label: impl Into<String>) {
        self.report.push(Diagnostic::new(finding, span, path, message, label));
    }

    /// Notes a finding with help of its own.
    pub(crate) fn found_with(&mut self, diagnostic: Diagnostic) {
        self.report.push(diagnostic);
    }

    /// Puts the environment's values where `${NAME}` stands, in values, never in keys. Text that comes from a variable
    /// may hold a secret by mistake, so messages show what the file says.
    pub(crate) fn expand(&mut self, node: &mut Node, path: &str) {
        match &mut node.value {
            Value::Scalar { text, .. } if text.contains("${") => match expand(text, self.environment) {
                Ok(expanded) => *text = expanded,
                Err((message, help)) => {
                    let message = format!("{path}: {message}");
                    self.found_with(Diagnostic::new(Finding::Variable, node.span, path, message, "cannot be filled in").help(help));
                    // Read on with the text as it stands: other checks would only repeat the finding.
                    *text = String::from("unset");
                }
            },
            Value::Scalar { .. } => {}
            Value::List(nodes) => {
                for (index, node) in nodes.iter_mut().enumerate() {
                    self.expand(node, &format!("{path}[{index}]"));
                }
            }
            Value::Map(entries) => {
                for (key, node) in entries {
                    self.expand(node, &join(path, &key.text));
                }
            }
        }
    }

    /// The entries of a mapping, each key once; `None` where it is none. Nothing at all is an empty mapping.
    pub(crate) fn map<'n>(&mut self, node: &'n Node, path: &str, expected: &str) -> Option<Vec<&'n (Key, Node)>> {
        if node.is_null() {
            return Some(Vec::new());
        }
        let Value::Map(entries) = &node.value else {
            self.wrong_type(node, path, expected);
            return None;
        };
        let mut seen: HashMap<&str, Span> = HashMap::new();
        let mut once = Vec::new();
        for entry in entries {
            let key = &entry.0;
            if let Some(first) = seen.get(key.text.as_str()) {
                let (line, _) = self.report.position(*first);
                let message = format!("key \"{}\" is given twice", key.text);
                self.found(Finding::DuplicateKey, key.span, &join(path, &key.text), message, format!("first given in line {line}"));
                continue;
            }
            seen.insert(&key.text, key.span);
            once.push(entry);
        }
        Some(once)
    }

    /// The known entries of a mapping; unknown keys are found.
    pub(crate) fn section<'n>(&mut self, node: &'n Node, path: &str, fields: &'static [Field]) -> Section<'n> {
        let is_doubtful = !node.is_null() && !matches!(node.value, Value::Map(_));
        let entries = self.map(node, path, "a mapping").unwrap_or_default();
        let written = entries.iter().map(|(key, _)| key.text.clone()).collect();
        let mut section =
            Section { path: path.to_owned(), span: node.span, entries: Vec::new(), fields, slips: Vec::new(), written, is_doubtful };
        for (key, value) in entries {
            match fields.iter().find(|field| field.name == key.text) {
                Some(field) => section.entries.push((field, value)),
                None => self.unknown_key(key, value, &mut section),
            }
        }
        section
    }

    fn unknown_key(&mut self, key: &Key, value: &Node, section: &mut Section<'_>) {
        if mask::looks_like_secret_field(&key.text) {
            self.secret(value);
        }
        let place = if section.path.is_empty() { "the file".to_owned() } else { section.path.clone() };
        let near = nearest(&key.text, section.fields.iter().map(|field| field.name));
        section.slips.extend(near);
        section.is_doubtful |= key.text == MERGE;
        let help = match near {
            _ if key.text == MERGE => "merge keys are not read: repeat the fields, or refer to a whole mapping with `*name`".to_owned(),
            Some(near) => format!("did you mean \"{near}\"?"),
            None if let Some(instead) = called_here(&key.text) => instead.to_owned(),
            None => format!("known here: {}", section.fields.iter().map(|field| field.name).collect::<Vec<_>>().join(", ")),
        };
        let message = format!("unknown key \"{}\" in {place}", key.text);
        let path = join(&section.path, &key.text);
        let diagnostic = Diagnostic::new(Finding::UnknownKey, key.span, path, message, "no such field").help(help);
        self.found_with(diagnostic.fix(meant(&key.text, section).map(str::to_owned)));
    }

    /// The section inside of a field, empty where it is absent.
    pub(crate) fn inner<'n>(&mut self, section: &Section<'n>, name: &str) -> Option<Section<'n>> {
        let (field, node) = section.field(name)?;
        Some(self.section(node, &section.at(name), field.kind.fields().unwrap_or_default()))
    }

    /// A whole number within the field's range.
    pub(crate) fn integer(&mut self, section: &Section<'_>, name: &str) -> Option<u64> {
        let (field, node) = section.field(name)?;
        let Kind::Integer { min, max } = field.kind else { return None };
        self.integer_of(node, &section.at(name), (min, max), &field.kind.describe())
    }

    /// The same of any value.
    pub(crate) fn integer_of(&mut self, node: &Node, path: &str, (min, max): (u64, u64), expected: &str) -> Option<u64> {
        let Some(text) = node.number() else {
            let message = format!("{path} is {}, expected {expected}", node.kind());
            let diagnostic = Diagnostic::new(Finding::WrongType, node.span, path, message, format!("this is {}", node.kind()));
            let digits =
                matches!(&node.value, Value::Scalar { text, .. } if text.parse::<u64>().is_ok_and(|value| (min..=max).contains(&value)));
            let bare = self.written(node.span);
            let is_quoted = digits && bare.bytes().all(|byte| byte.is_ascii_digit());
            self.found_with(diagnostic.help("write a number in digits, without quotes").fix(is_quoted.then_some(bare)));
            return None;
        };
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let message = format!("{path} is {}, expected {expected}", self.written(node.span));
            let diagnostic = Diagnostic::new(Finding::WrongType, node.span, path, message, "not a whole number in digits");
            self.found_with(diagnostic.help("write it in digits alone"));
            return None;
        }
        match text.parse::<u64>() {
            Ok(value) if (min..=max).contains(&value) => Some(value),
            _ => {
                let label =
                    if text.starts_with('-') || text.parse::<u64>().is_ok_and(|value| value < min) { "too low" } else { "too high" };
                let message = format!("{path} is {}, expected {expected}", self.written(node.span));
                self.found(Finding::OutOfRange, node.span, path, message, label);
                None
            }
        }
    }

    /// An amount of US dollars.
    pub(crate) fn amount(&mut self, section: &Section<'_>, name: &str) -> Option<f64> {
        let (field, node) = section.field(name)?;
        let (path, expected) = (section.at(name), field.kind.describe());
        let Some(amount) = node.number().and_then(|text| text.parse::<f64>().ok()) else {
            self.wrong_type(node, &path, &expected);
            return None;
        };
        if (0.0..=AMOUNT_MAX).contains(&amount) {
            return Some(amount);
        }
        let message = format!("{path} is {}, expected {expected}", self.written(node.span));
        self.found(Finding::OutOfRange, node.span, &path, message, if amount < 0.0 { "too low" } else { "too high" });
        None
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, section: &Section<'_>, name: &str) -> Option<bool> {
        let node = section.get(name)?;
        let flag = node.flag();
        if flag.is_none() {
            let (path, expected) = (section.at(name), Kind::Flag.describe());
            let diagnostic = mistyped(node, &path, &expected);
            // What YAML 1.1 took for a flag.
            let meant = match self.written(node.span).to_ascii_lowercase().as_str() {
                "yes" | "on" | "true" => Some("true"),
                "no" | "off" | "false" => Some("false"),
                _ => None,
            };
            self.found_with(diagnostic.fix(meant.map(str::to_owned)));
        }
        flag
    }

    /// The text of a field.
    pub(crate) fn text(&mut self, section: &Section<'_>, name: &str) -> Option<Text> {
        let (field, node) = section.field(name)?;
        self.text_of(node, &section.at(name), &field.kind.describe())
    }

    /// The text of a node: no number, flag or nothing, and not empty.
    pub(crate) fn text_of(&mut self, node: &Node, path: &str, expected: &str) -> Option<Text> {
        match &node.value {
            Value::Scalar { text, plain } if !(*plain && (node.is_null() || node.flag().is_some() || node.is_number())) => {
                if text.trim().is_empty() {
                    self.found(Finding::Empty, node.span, path, format!("{path} is empty, expected {expected}"), "empty");
                    return None;
                }
                Some(Text { text: text.clone(), span: node.span })
            }
            Value::Scalar { text, .. } if !node.is_null() => {
                let written = self.written(node.span);
                let quoted = (written == *text).then(|| format!("\"{written}\""));
                self.found_with(mistyped(node, path, expected).fix(quoted));
                None
            }
            _ => {
                self.wrong_type(node, path, expected);
                None
            }
        }
    }

    /// One of the field's words.
    pub(crate) fn choice(&mut self, section: &Section<'_>, name: &str) -> Option<&'static str> {
        let (field, _) = section.field(name)?;
        let Kind::Choice(words) = field.kind else { return None };
        let given = self.text(section, name)?;
        if let Some(word) = words.iter().find(|word| **word == given.text) {
            return Some(word);
        }
        let path = section.at(name);
        let message = format!("{path} is \"{}\", expected {}", self.written(given.span), field.kind.describe());
        let mut diagnostic = Diagnostic::new(Finding::BadValue, given.span, &path, message, "not one of them");
        if let Some(near) = nearest(&given.text, words.iter().copied()) {
            diagnostic = diagnostic.help(format!("did you mean \"{near}\"?"));
        }
        let meant = only(&given.text, words.iter().copied()).map(str::to_owned);
        self.found_with(diagnostic.fix(meant));
        None
    }

    /// The nodes of a list; a list of nothing is an error.
    pub(crate) fn list<'n>(&mut self, node: &'n Node, path: &str, expected: &str) -> Option<&'n [Node]> {
        match &node.value {
            Value::List(nodes) if nodes.is_empty() => {
                self.found(Finding::Empty, node.span, path, format!("{path} is an empty list, expected {expected}"), "empty");
                None
            }
            Value::List(nodes) => Some(nodes),
            _ => {
                self.wrong_type(node, path, expected);
                None
            }
        }
    }

    /// A list of texts; those that are none are found and left out, repeated ones too.
    pub(crate) fn texts(&mut self, section: &Section<'_>, name: &str) -> Vec<Text> {
        let Some((field, node)) = section.field(name) else { return Vec::new() };
        let path = section.at(name);
        let nodes = self.list(node, &path, &field.kind.describe()).unwrap_or_default();
        let mut texts: Vec<Text> = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Some(text) = self.text_of(node, &path, "text") else { continue };
            if texts.iter().any(|other| other.text == text.text) {
                self.found(
                    Finding::Repeated,
                    text.span,
                    &path,
                    format!("\"{}\" is listed twice in {}", self.written(text.span), section.at(name)),
                    "again",
                );
                continue;
            }
            texts.push(text);
        }
        texts
    }

    /// Notes a wrong type.
    pub(crate) fn wrong_type(&mut self, node: &Node, path: &str, expected: &str) {
        self.found_with(mistyped(node, path, expected));
    }

    /// Hides every scalar of a node from all excerpts.
    pub(crate) fn secret(&mut self, node: &Node) {
        match &node.value {
            Value::Scalar { .. } => self.report.secrets.push(node.span),
            Value::List(nodes) => nodes.iter().for_each(|node| self.secret(node)),
            Value::Map(entries) => entries.iter().for_each(|(_, node)| self.secret(node)),
        }
    }

    /// Whether a scalar is filled in from the environment, `${NAME}`.
    pub(crate) fn is_from_variable(&self, span: Span) -> bool {
        let text = self.report.sources.get(span.source).and_then(|source| source.text.get(span.start..span.end));
        text.is_some_and(|text| text.contains("${"))
    }

    /// A scalar as the file writes it, for messages: what a variable holds is not shown.
    pub(crate) fn written(&self, span: Span) -> String {
        let text = self.report.sources.get(span.source).map_or("", |source| &source.text);
        let text = text.get(span.start..span.end).unwrap_or_default();
        mask::shown(text.trim().trim_matches(['"', '\'']))
    }
}

/// The largest amount of dollars that is no slip.
const AMOUNT_MAX: f64 = 100_000.0;

/// The field that a misspelt key can only have meant: it is not there yet, and no other key may have meant it.
fn meant(key: &str, section: &Section<'_>) -> Option<&'static str> {
    let meant = only(key, section.fields.iter().map(|field| field.name))?;
    let mut others = section.written.iter().filter(|other| *other != key);
    others.all(|other| other != meant && nearest(other, section.fields.iter().map(|field| field.name)) != Some(meant)).then_some(meant)
}

fn mistyped(node: &Node, path: &str, expected: &str) -> Diagnostic {
    let what = if path.is_empty() { "the file" } else { path };
    let message = format!("{what} is {}, expected {expected}", node.kind());
    Diagnostic::new(Finding::WrongType, node.span, path, message, format!("this is {}", node.kind()))
}

/// YAML 1.1's key that takes over another mapping's entries.
const MERGE: &str = "<<";

/// A text with `${NAME}` filled in; `$${` stands for `${`.
///
/// # Errors
/// With what is wrong, and what to do.
fn expand(text: &str, environment: &Environment) -> Result<String, (String, &'static str)> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let before = rest.get(..at).unwrap_or_default();
        let after = rest.get(at + 2..).unwrap_or_default();
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else { return Err(("`${` has no closing brace".to_owned(), MALFORMED)) };
        if !is_variable(name) {
            return Err((format!("`${{{name}}}` is not a variable's name"), MALFORMED));
        }
        out.push_str(environment.get(name).ok_or_else(|| (format!("the variable {name} is not set"), UNSET))?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Whether a text may name a provider or a key file.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-'))
}

const UNSET: &str = "set it, or write `$${` for a literal `${`";
const MALFORMED: &str = "write `${NAME}`, or `$${` for a literal `${`";

/// Whether a text may name an environment variable.
pub(crate) fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && (1..=128).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
