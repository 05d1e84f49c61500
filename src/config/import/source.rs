//! A foreign file as values that know their path and line, and the list of what does not come along.
//!
//! YAML, or JSON with the comments and tabs that JSON's own users write. Start with [`Reading::new`].

use crate::config::diagnostic::{Report, Source};
use crate::config::tree::{self, Node, Value};
use crate::config::{LoadError, mask};

/// Something that did not come along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Its line in the foreign file, from one.
    pub line: usize,
    /// Its path there.
    pub path: String,
    /// What became of it.
    pub what: String,
}

/// A foreign file that is being read.
pub(super) struct Reading {
    report: Report,
    root: Node,
    /// What did not come along so far.
    pub(super) losses: Vec<Loss>,
}

/// A value and its path.
#[derive(Debug, Clone)]
pub(super) struct At<'a> {
    pub(super) path: String,
    pub(super) node: &'a Node,
}

/// The fields of a mapping; what nobody takes is lost.
pub(super) struct Fields<'a> {
    entries: Vec<(At<'a>, String, bool)>,
}

impl Reading {
    /// Reads the bytes.
    ///
    /// # Errors
    /// When they are neither YAML nor JSON.
    pub(super) fn new(name: &str, bytes: &[u8]) -> Result<Self, LoadError> {
        let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).into_owned();
        let text = if text.trim_start().starts_with(['{', '/']) { without_comments(&text) } else { text };
        let mut report = Report { sources: vec![Source { name: name.to_owned(), text: text.clone() }], ..Report::default() };
        match tree::parse(&text, 0) {
            Ok(root) => Ok(Self { report, root, losses: Vec::new() }),
            Err(diagnostic) => {
                // Such files are full of keys: nothing of them is shown.
                report.secrets.push(crate::config::diagnostic::Span { source: 0, start: 0, end: text.len() });
                report.push(*diagnostic);
                Err(LoadError::Invalid { errors: 1, rendered: report.render() })
            }
        }
    }

    /// The whole file. A copy: reading goes on while losses are written down.
    pub(super) fn root(&self) -> Node {
        self.root.clone()
    }

    /// Writes down a loss.
    pub(super) fn lose(&mut self, at: &At<'_>, what: impl Into<String>) {
        let (line, _) = self.report.position(at.node.span);
        self.losses.push(Loss { line, path: mask::shown(&at.path), what: mask::shown(&what.into()) });
    }

    /// Writes down what nobody took.
    pub(super) fn lose_rest(&mut self, fields: Fields<'_>, what: &str) {
        for (at, _, taken) in fields.entries {
            if !taken && !at.node.is_null() {
                self.lose(&at, what);
            }
        }
    }
}

impl<'a> At<'a> {
    pub(super) fn root(node: &'a Node) -> Self {
        Self { path: String::new(), node }
    }

    /// The text of a scalar that is not empty; a number's too.
    pub(super) fn text(&self) -> Option<String> {
        match &self.node.value {
            Value::Scalar { text, .. } if !self.node.is_null() && !text.trim().is_empty() => Some(text.trim().to_owned()),
            _ => None,
        }
    }

    /// A number, rounded up; a text that is one counts.
    pub(super) fn number(&self) -> Option<u64> {
        let number: f64 = self.text()?.parse().ok()?;
        (0.0..1e15).contains(&number).then(|| number.ceil() as u64)
    }

    pub(super) fn flag(&self) -> Option<bool> {
        self.node.flag()
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.node.value, Value::List(_))
    }

    pub(super) fn items(&self) -> Vec<At<'a>> {
        match &self.node.value {
            Value::List(nodes) => {
                nodes.iter().enumerate().map(|(index, node)| At { path: format!("{}[{index}]", self.path), node }).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn entries(&self) -> Vec<(String, At<'a>)> {
        match &self.node.value {
            Value::Map(entries) => {
                let path = |key: &str| if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
                entries.iter().map(|(key, node)| (key.text.clone(), At { path: path(&key.text), node })).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn fields(&self) -> Fields<'a> {
        Fields { entries: self.entries().into_iter().map(|(name, at)| (at, name, false)).collect() }
    }

    /// The texts of a list, or of a single scalar.
    pub(super) fn texts(&self) -> Vec<String> {
        if self.is_list() { self.items().iter().filter_map(At::text).collect() } else { self.text().into_iter().collect() }
    }
}

impl<'a> Fields<'a> {
    /// The first of some spellings of a field.
    pub(super) fn take(&mut self, names: &[&str]) -> Option<At<'a>> {
        let found = self.entries.iter_mut().find(|(_, name, taken)| !taken && names.contains(&name.as_str()))?;
        found.2 = true;
        Some(found.0.clone())
    }
}

/// JSON with its comments blanked out, so that places stay, and tabs as blanks.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let (mut in_string, mut escaped) = (false, false);
    while let Some(c) = chars.next() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            out.push(c);
            continue;
        }
        match (c, chars.peek()) {
            ('"', _) => {
                in_string = true;
                out.push(c);
            }
            ('/', Some('/')) => {
                while chars.peek().is_some_and(|c| *c != '\n') {
                    chars.next();
                }
            }
            ('/', Some('*')) => {
                let mut last = ' ';
                chars.next();
                for c in chars.by_ref() {
                    if c == '\n' {
                        out.push('\n');
                    }
                    if last == '*' && c == '/' {
                        break;
                    }
                    last = c;
                }
                out.push(' ');
            }
            ('\t', _) => out.push(' '),
            _ => out.push(c),
        }
    }
    out
}
