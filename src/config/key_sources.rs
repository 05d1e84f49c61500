//! Where secrets are: a key file's name, a variable's or a program, never the secret itself. What is not there is noted.
//!
//! Nothing is opened here. Start with [`keys`].

use super::diagnostic::{Diagnostic, Finding, KeyFile};
use super::fields;
use super::key_command::Command;
use super::mask;
use super::reader::{Reader, Section, is_name, is_variable, join};
use super::tree::{Key, Node, Value};
use crate::keys::{Store, looks_like_secret};
use crate::provider::Preset;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The key file of that name.
    File(String),
    /// The environment variable of that name.
    Variable(String),
    /// What a program prints.
    Command(Command),
}

/// Where a provider's keys are. `preset`: the one whose usual key counts where the config names none.
pub(crate) fn keys(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &Key,
    preset: Option<&'static Preset>,
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
        Some(preset) if !given => sources.extend(usual(reader, key, preset, store)),
        _ => {}
    }
    sources
}

/// The key that a preset usually has: its file, else its variables.
fn usual(reader: &mut Reader<'_>, key: &Key, preset: &'static Preset, store: &Store) -> Option<Source> {
    if store.contains(preset.name) {
        let path = join("providers", &key.text);
        reader.report.key_files.push(KeyFile { name: preset.name.to_owned(), span: key.span, path });
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

/// What a key's place may be.
const EXPECTED: &str = "the name of a key file, `{ env: NAME }` or `{ cmd: [PROGRAM, …] }`";

/// A key's place: the name of a file, `{ env: NAME }` or `{ cmd: [PROGRAM, …] }`. A key itself is an error, and hidden.
pub(crate) fn source(reader: &mut Reader<'_>, node: &Node, path: &str, store: &Store) -> Option<Source> {
    if let Value::Map(entries) = &node.value {
        return match entries.iter().any(|(key, _)| key.text == "cmd") {
            true => command(reader, node, path).map(Source::Command),
            false => variable(reader, node, path).map(Source::Variable),
        };
    }
    let Value::Scalar { text, .. } = &node.value else {
        reader.wrong_type(node, path, EXPECTED);
        return None;
    };
    if mask::looks_like_key(text) || looks_like_secret(text) || text.len() > 64 {
        clear(reader, node, path);
        return None;
    }
    if text.len() >= 16 && !is_name(text) {
        reader.secret(node);
    }
    let name = reader.text_of(node, path, EXPECTED)?;
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
    } else {
        reader.report.key_files.push(KeyFile { name: name.text.clone(), span: name.span, path: path.to_owned() });
    }
    Some(Source::File(name.text))
}

/// `{ cmd: [PROGRAM, ARGUMENT…] }`, checked, not run.
fn command(reader: &mut Reader<'_>, node: &Node, path: &str) -> Option<Command> {
    static CMD: &[fields::Field] = &[fields::Field {
        name: "cmd",
        kind: fields::Kind::List("a program and its arguments"),
        default: "",
        doc: "The program, and its arguments.",
    }];
    let section = reader.section(node, path, CMD);
    let (inner, path) = (section.get("cmd")?, section.at("cmd"));
    let nodes = reader.list(inner, &path, "a list of a program and its arguments")?;
    let mut words = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let word = reader.text_of(node, &path, "text")?;
        if mask::looks_like_key(&word.text) {
            clear(reader, node, &path);
            return None;
        }
        if index == 0 && word.text.contains('/') && !word.text.starts_with('/') {
            let message =
                format!("{path} is \"{}\", a program in a folder that depends on where aimux is started", reader.written(word.span));
            let diagnostic = Diagnostic::new(Finding::BadValue, word.span, &path, message, "neither a name nor an absolute path");
            reader.found_with(diagnostic.help("write its absolute path, or its name alone, which is looked for in PATH"));
            return None;
        }
        words.push(word.text);
    }
    let mut words = words.into_iter();
    Some(Command { program: words.next()?, args: words.collect() })
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
    let diagnostic =
        Diagnostic::new(Finding::ClearKey, node.span, path, format!("{path} holds a secret in clear text"), "a secret in clear");
    reader.found_with(match path {
        "server.token" => diagnostic.help("write `{ env: NAME }`, or leave it out: a token is made at the first start"),
        _ => diagnostic,
    });
}
