//! `mcp`: servers whose tools `aimux route --tool` offers to a model. Nothing is started or asked here.
//!
//! Start with [`read`]; [`McpServer`] is what a caller gets, its key opened.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::diagnostic::{Diagnostic, Finding};
use super::fields;
use super::key_sources::{self, Source, clear};
use super::mask;
use super::reader::{Reader, Section, Text, is_variable, join};
use super::sent;
use super::tree::{Key, Node, Value};
use super::url;
use crate::keys::Store;
use crate::secret::Secret;

/// A server of tools.
#[derive(Debug)]
pub struct McpServer {
    /// Its name: 1 to 32 of `a-z`, `0-9`, `-` and `_`.
    pub name: String,
    /// How it is reached.
    pub reach: McpReach,
    /// Its key, and the variable or header that it goes into; `None`: it has none, or it was not asked for.
    pub key: Option<(String, Secret)>,
    /// How long it may take to start.
    pub start: Duration,
    /// How long a call may take.
    pub timeout: Duration,
    /// How many bytes of a result the model is given.
    pub output_bytes: usize,
}

/// How a server is reached.
#[derive(Debug, Clone)]
pub enum McpReach {
    /// As a program of its own.
    Program(McpProgram),
    /// Over HTTP.
    Url {
        /// The address that messages are posted to.
        url: String,
        /// What is sent along.
        headers: Vec<(String, String)>,
    },
}

/// A server that is a program.
#[derive(Debug, Clone)]
pub struct McpProgram {
    /// Its name, which is looked for in `PATH`, or its absolute path.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables for it.
    pub env: Vec<(String, String)>,
    /// Its working folder; `None`: where aimux is run.
    pub folder: Option<PathBuf>,
    /// What it may do; `None`: whatever aimux may.
    pub sandbox: Option<McpSandbox>,
}

/// What a sandboxed server may do besides reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct McpSandbox {
    /// Use the network.
    pub network: bool,
    /// Write into these folders, besides its working folder.
    pub write: Vec<PathBuf>,
    /// What holds it; `None`: the first that works here.
    pub by: Option<McpSandboxKind>,
}

/// What a sandbox is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum McpSandboxKind {
    /// The program `bwrap`.
    Bubblewrap,
    /// The kernel's Landlock.
    Landlock,
}

impl McpSandboxKind {
    /// Each of them, the better one first.
    pub const ALL: [Self; 2] = [Self::Bubblewrap, Self::Landlock];

    /// The word in the config.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bubblewrap => "bubblewrap",
            Self::Landlock => "landlock",
        }
    }
}

/// A server as it is read: its key is still closed.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) server: McpServer,
    /// Where its key is, and where that goes.
    pub(crate) key: Option<(String, Source)>,
}

/// The header that a key goes into, as a bearer token, where nothing else is said.
pub(crate) const BEARER: &str = "authorization";
/// The longest name: tools of servers are told apart by it, and a tool's name has 64 characters at most.
const NAME_MAX: usize = 32;

/// Reads the servers. One that is not whole is left out, and has been reported as an error.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node, store: &Store) -> Vec<Read> {
    let entries = reader.map(node, "mcp", "a mapping of names").unwrap_or_default();
    let mut same: HashMap<String, String> = HashMap::new();
    let each = |(key, node): &(Key, Node)| {
        let read = server(reader, key, node, store)?;
        let what = format!("{:?} {:?}", read.server.reach, read.key);
        if let Some(first) = same.insert(what, key.text.clone()) {
            let message = format!("mcp server \"{}\" is \"{first}\" again", key.text);
            reader.found(Finding::Repeated, key.span, &join("mcp", &key.text), message, "the same server");
        }
        Some(read)
    };
    entries.into_iter().filter_map(each).collect()
}

fn server(reader: &mut Reader<'_>, key: &Key, node: &Node, store: &Store) -> Option<Read> {
    let path = join("mcp", &key.text);
    if !is_server_name(&key.text) {
        let message = format!("\"{}\" cannot stand before the name of a tool", key.text);
        let diagnostic = Diagnostic::new(Finding::BadName, key.span, &path, message, "not such a name");
        reader.found_with(diagnostic.help(format!("choose 1 to {NAME_MAX} of a-z, 0-9, `-` and `_`, none of these twice in a row")));
    }
    let mut section = reader.section(node, &path, fields::MCP);
    if node.is_null() {
        section.span = key.span;
    }
    let reach = match (section.get("command"), section.get("url")) {
        (Some(_), Some(url)) => {
            let message = format!("mcp server \"{}\" has both `command` and `url`", key.text);
            reader.found(Finding::Contradiction, url.span, &section.at("url"), message, "beside `command`");
            None
        }
        (Some(_), None) => program(reader, &section).map(McpReach::Program),
        (None, Some(_)) => address(reader, &section),
        (None, None) => {
            if section.lacks("command") && section.lacks("url") {
                let message = format!("mcp server \"{}\" has neither `command` nor `url`", key.text);
                reader.found(Finding::Missing, key.span, &path, message, "cannot be reached");
            }
            None
        }
    };
    idle(reader, &section);
    let key_place = secret(reader, &section, store);
    let seconds = |reader: &mut Reader<'_>, name: &str, usual: u64| Duration::from_secs(reader.integer(&section, name).unwrap_or(usual));
    let (start, timeout) = (seconds(reader, "start_s", START_S), seconds(reader, "timeout_s", TIMEOUT_S));
    let output_kb = reader.integer(&section, "output_kb").unwrap_or(OUTPUT_KB);
    let output_bytes = usize::try_from(output_kb << 10).unwrap_or(usize::MAX);
    Some(Read { server: McpServer { name: key.text.clone(), reach: reach?, key: None, start, timeout, output_bytes }, key: key_place })
}

/// Defaults, which the table of fields repeats in words.
pub(crate) const START_S: u64 = 30;
pub(crate) const TIMEOUT_S: u64 = 60;
pub(crate) const OUTPUT_KB: u64 = 64;

/// Whether a text may stand before the name of a tool: `__` parts the two where a model must be told them apart.
fn is_server_name(text: &str) -> bool {
    (1..=NAME_MAX).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'))
        && !text.contains("__")
        && !text.ends_with('_')
}

/// Finds fields of the one kind of server that the other has.
fn idle(reader: &mut Reader<'_>, section: &Section<'_>) {
    let (others, kind): (&[&str], _) = match (section.get("command"), section.get("url")) {
        (Some(_), None) => (&["headers", "plain_http"], "a program"),
        (None, Some(_)) => (&["args", "env", "cwd", "sandbox"], "reached by its address"),
        _ => return,
    };
    for name in others {
        if let Some(node) = section.get(name) {
            let path = section.at(name);
            let message = format!("{path} has no effect: the server is {kind}");
            reader.found(Finding::NotEnforced, node.span, &path, message, "without effect");
        }
    }
}

fn program(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<McpProgram> {
    let command = reader.text(section, "command")?;
    let path = section.at("command");
    if command.text.contains('/') && !command.text.starts_with('/') {
        let shown = reader.written(command.span);
        let message = format!("{path} is \"{shown}\", a program in a folder that depends on where aimux is started");
        let diagnostic = Diagnostic::new(Finding::BadValue, command.span, &path, message, "neither a name nor an absolute path");
        reader.found_with(diagnostic.help("write its absolute path, or its name alone, which is looked for in PATH"));
        return None;
    }
    let args = arguments(reader, section);
    let folder = reader.text(section, "cwd").and_then(|text| absolute(reader, &text, &section.at("cwd")));
    Some(McpProgram { command: command.text, args, env: variables(reader, section), folder, sandbox: sandbox(reader, section) })
}

/// The arguments: unlike other lists, the same may stand in it twice, and none at all is well.
fn arguments(reader: &mut Reader<'_>, section: &Section<'_>) -> Vec<String> {
    let Some(node) = section.get("args") else { return Vec::new() };
    let path = section.at("args");
    if matches!(&node.value, Value::List(nodes) if nodes.is_empty()) {
        return Vec::new();
    }
    let nodes = reader.list(node, &path, "a list of arguments").unwrap_or_default();
    let mut words = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(word) = reader.text_of(node, &path, "text") else { continue };
        if is_clear(reader, &word) {
            clear(reader, node, &path);
            continue;
        }
        words.push(word.text);
    }
    words
}

/// Whether the file itself holds what looks like a key; what `${NAME}` brings stands elsewhere.
fn is_clear(reader: &Reader<'_>, text: &Text) -> bool {
    mask::looks_like_key(&text.text) && !reader.is_from_variable(text.span)
}

fn variables(reader: &mut Reader<'_>, section: &Section<'_>) -> Vec<(String, String)> {
    let Some(node) = section.get("env") else { return Vec::new() };
    let path = section.at("env");
    let entries = reader.map(node, &path, "a mapping of variables to text").unwrap_or_default();
    let mut variables = Vec::new();
    for (key, node) in entries {
        let path = join(&path, &key.text);
        if !is_variable(&key.text) {
            let message = format!("\"{}\" is not the name of a variable", key.text);
            reader.found(Finding::BadName, key.span, &path, message, "not a name");
            continue;
        }
        let Some(value) = reader.text_of(node, &path, "text") else { continue };
        let is_secret = mask::looks_like_secret_field(&key.text) && !reader.is_from_variable(value.span);
        if is_secret || is_clear(reader, &value) {
            reader.secret(node);
            let message = format!("{path} holds a secret in clear text");
            let diagnostic = Diagnostic::new(Finding::ClearKey, node.span, &path, message, "a secret in clear");
            let help = format!("give it with `key` and `key_in: {}`, or as \"${{{}}}\" from aimux's own environment", key.text, key.text);
            reader.found_with(diagnostic.help(help));
            continue;
        }
        variables.push((key.text.clone(), value.text));
    }
    variables
}

/// The sandbox; `None`: none is wanted.
fn sandbox(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<McpSandbox> {
    let mut sandbox = McpSandbox::default();
    let Some(node) = section.get("sandbox") else { return Some(sandbox) };
    if node.flag() == Some(false) || matches!(&node.value, Value::Scalar { text, .. } if text == "off") {
        return None;
    }
    let path = section.at("sandbox");
    if matches!(node.value, Value::Scalar { .. }) && !node.is_null() {
        let shown = mask::shown(&reader.written(node.span));
        let finding = if node.kind() == "text" { Finding::BadValue } else { Finding::WrongType };
        reader.found(finding, node.span, &path, format!("{path} is {shown}, expected a mapping, or `off`"), "neither");
        return Some(sandbox);
    }
    let inner = reader.inner(section, "sandbox")?;
    sandbox.network = reader.flag(&inner, "network").unwrap_or(false);
    for folder in reader.texts(&inner, "write") {
        sandbox.write.extend(absolute(reader, &folder, &inner.at("write")));
    }
    let by = reader.choice(&inner, "by");
    sandbox.by = by.and_then(|word| McpSandboxKind::ALL.into_iter().find(|kind| kind.name() == word));
    Some(sandbox)
}

fn absolute(reader: &mut Reader<'_>, given: &Text, path: &str) -> Option<PathBuf> {
    if Path::new(&given.text).is_absolute() {
        return Some(given.text.clone().into());
    }
    let message = format!("{path} is \"{}\", expected the absolute path of a folder", reader.written(given.span));
    let diagnostic = Diagnostic::new(Finding::BadValue, given.span, path, message, "not an absolute path");
    reader.found_with(diagnostic.help("begin it with `/`; `${HOME}` stands for your home"));
    None
}

fn address(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<McpReach> {
    let plain_http = reader.flag(section, "plain_http").unwrap_or(false);
    let base = url::field(reader, section, "url", plain_http)?;
    Some(McpReach::Url { url: base.text, headers: sent::headers(reader, section) })
}

/// Where the key is, and the variable or header that it goes into.
fn secret(reader: &mut Reader<'_>, section: &Section<'_>, store: &Store) -> Option<(String, Source)> {
    let is_program = section.get("command").is_some();
    let place = reader.text(section, "key_in");
    let Some(node) = section.get("key") else {
        if let Some(place) = place {
            let path = section.at("key_in");
            reader.found(Finding::NotEnforced, place.span, &path, format!("{path} has no effect without `key`"), "without effect");
        }
        return None;
    };
    let source = key_sources::source(reader, node, &section.at("key"), store)?;
    let path = section.at("key_in");
    let Some(place) = place else {
        if is_program && section.lacks("key_in") {
            let message = format!("{} lacks `key_in`, the variable that the program reads its key from", section.path);
            reader.found(Finding::Missing, node.span, &path, message, "goes nowhere");
            return None;
        }
        return Some((BEARER.to_owned(), source));
    };
    let lower = place.text.to_ascii_lowercase();
    let (is_fit, what) = if is_program {
        (is_variable(&place.text), "variable")
    } else {
        (http::HeaderName::from_bytes(lower.as_bytes()).is_ok() && !sent::is_own(&lower), "header")
    };
    if !is_fit {
        let message = format!("{path} is \"{}\", not the name of a {what}", reader.written(place.span));
        reader.found(Finding::BadName, place.span, &path, message, "not such a name");
        return None;
    }
    Some((if is_program { place.text } else { lower }, source))
}
