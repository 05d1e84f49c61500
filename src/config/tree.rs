//! The YAML text as a tree in which every key and value knows its place.
//!
//! serde's own way into types stops at the first mistake; this tree lets the reader find all of them. Tags and several
//! documents are refused, aliases are copied within a limit. The types of plain scalars are the reader's business.

use std::collections::HashMap;

use serde_yaml::granit_parser::{Event, Options, Parser, ScalarStyle, Span as YamlSpan};

use super::diagnostic::{Diagnostic, Finding, Span};

/// How deep values may be nested.
const DEPTH_MAX: usize = 32;
/// How many values a file may have, copies by aliases included.
const NODES_MAX: usize = 50_000;

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Its place.
    pub(crate) span: Span,
    /// What it is.
    pub(crate) value: Value,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// Text; `plain` text may mean a number, a flag or nothing at all.
    Scalar {
        /// After YAML's own escapes.
        text: String,
        /// Written without quotes.
        plain: bool,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the file's order, duplicates included.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// The text.
    pub(crate) text: String,
    /// Its place.
    pub(crate) span: Span,
}

impl Node {
    /// Whether nothing is given: `null`, `~` or no value at all.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The flag that a plain scalar means.
    pub(crate) fn flag(&self) -> Option<bool> {
        match &self.value {
            Value::Scalar { text, plain: true } => match text.as_str() {
                "true" | "True" | "TRUE" => Some(true),
                "false" | "False" | "FALSE" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether a plain scalar is a number, whole or not.
    pub(crate) fn is_number(&self) -> bool {
        match &self.value {
            Value::Scalar { text, plain: true } => {
                text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) && text.parse::<f64>().is_ok()
            }
            _ => false,
        }
    }

    /// The text of a number.
    pub(crate) fn number(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } if self.is_number() => Some(text),
            _ => None,
        }
    }

    /// The node's own word for its type, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
            Value::Scalar { .. } if self.is_null() => "nothing",
            Value::Scalar { .. } if self.flag().is_some() => "a flag",
            Value::Scalar { .. } if self.is_number() => "a number",
            Value::Scalar { .. } => "text",
        }
    }

    fn count(&self) -> usize {
        1 + match &self.value {
            Value::Scalar { .. } => 0,
            Value::List(nodes) => nodes.iter().map(Self::count).sum(),
            Value::Map(entries) => entries.iter().map(|(_, node)| node.count()).sum(),
        }
    }
}

/// Reads a text; an empty one is an empty mapping.
///
/// # Errors
/// With the first fault of the grammar; there is nothing to read after it.
pub(crate) fn parse(text: &str, source: usize) -> Result<Node, Box<Diagnostic>> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut builder = Builder { source, stack: Vec::new(), root: None, anchors: HashMap::new(), nodes: 0, documents: 0 };
    let mut parser = Parser::new_from_str_with_options(text, options);
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| {
            let at = error.marker().byte_offset().unwrap_or(0);
            // At the end of the text there is nothing to point at: the last thing written is what lacks its end.
            let at = if at >= text.len() { text.trim_end().len().saturating_sub(1) } else { at };
            let reason = error.to_string();
            let reason = reason.split(" at byte").next().unwrap_or_default().split(" at char").next().unwrap_or_default();
            let place = Span { source, start: at, end: at + 1 };
            let diagnostic =
                Diagnostic::new(Finding::Syntax, place, "", format!("the file is not YAML: {reason}"), "the parser stops here");
            let is_variable = text.get(..at).is_some_and(|before| before.ends_with("${") || before.ends_with('$'));
            Box::new(match reason {
                _ if text.lines().any(|line| line.starts_with("<<<<<<< ")) => {
                    diagnostic.help("finish the merge: its markers are left in the file")
                }
                _ if is_variable => diagnostic.help("between braces or brackets, write \"${NAME}\" in quotes"),
                _ if reason.contains("tab") => diagnostic.help("indent with blanks"),
                _ if reason.contains("anchor") => diagnostic.help("an alias `*name` needs its `&name` before it"),
                _ if reason.contains("recursion") => diagnostic.help("write it flatter"),
                _ => diagnostic,
            })
        })?;
        builder.event(event, span)?;
    }
    Ok(builder.root.unwrap_or(Node { span: Span { source, start: 0, end: 0 }, value: Value::Map(Vec::new()) }))
}

struct Builder {
    source: usize,
    stack: Vec<Frame>,
    root: Option<Node>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    documents: usize,
}

/// A collection that is still open.
struct Frame {
    anchor: usize,
    start: usize,
    open: Open,
}

enum Open {
    List(Vec<Node>),
    Map(Vec<(Key, Node)>, Option<Key>),
}

impl Builder {
    fn event(&mut self, event: Event<'_>, yaml: YamlSpan) -> Result<(), Box<Diagnostic>> {
        let range = yaml.byte_range().unwrap_or(0..0);
        let span = Span { source: self.source, start: range.start, end: range.end };
        if event.tag().is_some() {
            let diagnostic = Diagnostic::new(Finding::Syntax, span, "", "tags (`!…`) are not taken in a config", "has a tag");
            return Err(Box::new(diagnostic.help("remove the tag")));
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "the file holds more than one document";
                    return Err(Box::new(Diagnostic::new(Finding::Documents, span, "", message, "another document starts here")));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, _) => {
                let value = Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                self.add(Node { span, value }, anchor)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => {
                    let copy = node.clone();
                    self.nodes += copy.count();
                    self.add(copy, 0)
                }
                None => Err(Box::new(Diagnostic::new(Finding::Syntax, span, "", "an alias inside of its own anchor", "refers to itself"))),
            },
            Event::SequenceStart(_, anchor, _) => self.open(span, anchor, Open::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => self.open(span, anchor, Open::Map(Vec::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => self.close(span.end),
            _ => Ok(()),
        }
    }

    fn open(&mut self, span: Span, anchor: usize, open: Open) -> Result<(), Box<Diagnostic>> {
        if self.stack.len() >= DEPTH_MAX {
            let message = format!("values are nested deeper than {DEPTH_MAX} levels");
            return Err(Box::new(Diagnostic::new(Finding::TooMuch, span, "", message, "too deep")));
        }
        self.stack.push(Frame { anchor, start: span.start, open });
        Ok(())
    }

    fn close(&mut self, end: usize) -> Result<(), Box<Diagnostic>> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let value = match frame.open {
            Open::List(nodes) => Value::List(nodes),
            Open::Map(entries, _) => Value::Map(entries),
        };
        self.add(Node { span: Span { source: self.source, start: frame.start, end }, value }, frame.anchor)
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Box<Diagnostic>> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            let message = format!("the file holds more than {NODES_MAX} values");
            return Err(Box::new(Diagnostic::new(Finding::TooMuch, node.span, "", message, "one too many")));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut().map(|frame| &mut frame.open) {
            None => self.root = Some(node),
            Some(Open::List(nodes)) => nodes.push(node),
            Some(Open::Map(entries, pending)) => match (pending.take(), node) {
                (Some(key), node) => entries.push((key, node)),
                (None, Node { span, value: Value::Scalar { text, .. } }) => *pending = Some(Key { text, span }),
                (None, node) => {
                    let message = format!("a key is {}, expected text", node.kind());
                    return Err(Box::new(Diagnostic::new(Finding::WrongType, node.span, "", message, "not a key")));
                }
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, span: Span) -> &str {
        &text[span.start..span.end]
    }

    #[test]
    fn keys_and_values_know_their_place() {
        let text = "a: 1\nbäh: { c: [x, \"y z\"] }\n";
        let Value::Map(entries) = parse(text, 0).unwrap().value else { panic!("a mapping") };
        assert_eq!(entries.iter().map(|(key, _)| place(text, key.span)).collect::<Vec<_>>(), ["a", "bäh"]);
        let Value::Map(inner) = &entries[1].1.value else { panic!("a mapping") };
        let Value::List(items) = &inner[0].1.value else { panic!("a list") };
        assert_eq!(items.iter().map(|item| place(text, item.span)).collect::<Vec<_>>(), ["x", "\"y z\""]);
    }

    #[test]
    fn faults_of_the_grammar_have_a_code_and_a_place() {
        for (text, finding) in [
            ("a: [1, 2", Finding::Syntax),
            ("a: b: c", Finding::Syntax),
            ("a:\n\tb: 1", Finding::Syntax),
            ("a: !!str 1", Finding::Syntax),
            ("a: *b", Finding::Syntax),
            ("a: &x [*x]", Finding::Syntax),
            ("a: 1\n---\nb: 2", Finding::Documents),
            ("? [a]\n: 1", Finding::WrongType),
        ] {
            let error = parse(text, 0).unwrap_err();
            assert_eq!(error.finding, finding, "{text}: {}", error.message);
            assert!(error.span.start <= text.len(), "{text}");
        }
        assert_eq!(parse(&format!("{}{}", "[".repeat(40), "]".repeat(40)), 0).unwrap_err().finding, Finding::TooMuch);
    }

    #[test]
    fn aliases_cannot_multiply_without_end() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = level - 1;
            text += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{before}"); 8].join(", "));
        }
        assert_eq!(parse(&text, 0).unwrap_err().finding, Finding::TooMuch);
    }

    #[test]
    fn an_empty_text_is_an_empty_mapping() {
        for text in ["", "# only a comment\n", "---\n"] {
            let node = parse(text, 0).unwrap();
            assert!(node.is_null() || matches!(&node.value, Value::Map(entries) if entries.is_empty()), "{text:?}");
        }
    }
}
