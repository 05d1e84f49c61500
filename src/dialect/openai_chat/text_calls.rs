//! Finds tool calls that a model wrote into its text because its server did not read them: `<tool_call>{json}</tool_call>`,
//! Qwen's `<function=name><parameter=key>value</parameter></function>` and GLM's
//! `<tool_call>name<arg_key>key</arg_key><arg_value>value</arg_value></tool_call>`, wherever the stream is cut.
//!
//! A call is one only when it is whole and names a declared tool; anything else stays text, late but to the letter. Tags in
//! code (a fence, or right behind a backtick) are talk about calls, tags in thinking at the beginning are plans. Lacks every
//! other model's notation. Reports: lmstudio-ai/lmstudio-bug-tracker#2115, #829 (GLM, 2025-08), ollama/ollama#16686 (2026-06),
//! #17742 (2026-08), #18357 (`args`, 2026-09). Start with [`TextCalls::push`].

use serde_json::value::RawValue;

use super::schema;
use crate::dialect::TextTool;
use crate::wire::json::{Members, is_object, items};
use crate::wire::{Text, read};

const OPEN: &str = "<tool_call>";
const CLOSE: &str = "</tool_call>";
const FUNCTION: &str = "<function=";
const FUNCTION_CLOSE: &str = "</function>";
const PARAMETER: &str = "<parameter=";
const PARAMETER_CLOSE: &str = "</parameter>";
const KEY: &str = "<arg_key>";
const KEY_CLOSE: &str = "</arg_key>";
const VALUE: &str = "<arg_value>";
const VALUE_CLOSE: &str = "</arg_value>";
const THINK: &str = "<think>";
const THINK_CLOSE: &str = "</think>";
/// The longest text that is held as a call in the making, in bytes.
const HELD_MAX: usize = 1 << 20;
/// The longest name between `=` and `>`, in bytes.
const NAME_MAX: usize = 256;

/// The tools that a request declares, unless none may be called.
pub(super) fn tools_of(body: &[u8]) -> Vec<TextTool> {
    let tools = read::from_slice::<Members<'_>>(body).ok().and_then(|members| {
        let is_barred = members.str("tool_choice").is_some_and(|word| word == "none");
        members.get("tools").filter(|_| !is_barred).and_then(items)
    });
    let tool = |raw| {
        let members = Members::of(raw)?;
        let function = members.get("function").and_then(Members::of).unwrap_or(members);
        let typed = function.get("parameters").map(schema::not_strings).unwrap_or_default();
        Some(TextTool { name: function.str("name")?.into_owned(), typed })
    };
    tools.unwrap_or_default().into_iter().filter_map(tool).collect()
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Text(String),
    /// The tool, as the upstream knows it, and its arguments as JSON text.
    Call {
        name: String,
        arguments: String,
    },
}

/// Where the text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but white space so far; it is part of a call's form if one follows.
    Start,
    /// In thinking that the server left in the text.
    Thinking,
    Text,
    /// An opening tag stands at the beginning of what is held.
    Call,
    /// Behind a call: white space and a closing tag that is left over are its form.
    After,
}

/// What a text that begins with an opening tag is.
enum Parsed {
    /// These bytes are a call.
    Call { name: String, arguments: String, length: usize },
    /// More text is needed.
    Open,
    /// No call.
    Not,
}

/// The finder.
#[derive(Debug)]
pub(super) struct TextCalls {
    tools: Vec<TextTool>,
    held: String,
    state: State,
    /// The backticks in a row at the end of what was given out, and whether a fence is open.
    ticks: usize,
    is_fenced: bool,
}

impl TextCalls {
    pub(super) fn new(tools: &[TextTool]) -> Self {
        Self { tools: tools.to_vec(), held: String::new(), state: State::Start, ticks: 0, is_fenced: false }
    }

    /// What it holds: nothing is decided about this yet.
    pub(super) fn held(&self) -> &str {
        &self.held
    }

    /// Takes more text; what may still become a call is held.
    pub(super) fn push(&mut self, more: &str, out: &mut Vec<Found>) {
        if self.held.is_empty() && self.state == State::Text && !more.contains('<') {
            return self.give(more.to_owned(), out);
        }
        self.held.push_str(more);
        // A call in the making is looked at again only when something in it has ended.
        if self.state == State::Call && !more.contains('>') && self.held.len() <= HELD_MAX {
            return;
        }
        while self.step(out) {}
    }

    /// Gives what is still held. A call that only lacks its last tag is one.
    pub(super) fn end(&mut self, out: &mut Vec<Found>) {
        let held = std::mem::take(&mut self.held);
        match (self.state, held.strip_prefix(OPEN).and_then(|body| json_call(body, &self.tools))) {
            (State::Call, Some((name, arguments))) => out.push(Found::Call { name, arguments }),
            (State::After, _) if held.trim().is_empty() => {}
            _ => self.give(held, out),
        }
        self.state = State::Start;
    }

    /// One change of state; false when more text is needed.
    fn step(&mut self, out: &mut Vec<Found>) -> bool {
        match self.state {
            State::Start | State::After => {
                let text = self.held.trim_start();
                if text.is_empty() || (self.state == State::After && text.len() < CLOSE.len() && CLOSE.starts_with(text)) {
                    return false;
                }
                if let (State::After, Some(rest)) = (self.state, text.strip_prefix(CLOSE)) {
                    self.held = rest.to_owned();
                    return true;
                }
                if self.state == State::Start && THINK.starts_with(text) && text != THINK {
                    return false;
                }
                match opener(text) {
                    _ if self.state == State::Start && text.starts_with(THINK) => {
                        self.state = State::Thinking;
                        true
                    }
                    Some(true) => {
                        self.held = text.to_owned();
                        self.state = State::Call;
                        true
                    }
                    Some(false) => false,
                    None => {
                        self.state = State::Text;
                        true
                    }
                }
            }
            State::Thinking => {
                let (end, is_over) = match self.held.find(THINK_CLOSE) {
                    Some(at) => (at + THINK_CLOSE.len(), true),
                    // The closing tag may have begun.
                    None => {
                        (self.held.rfind('<').filter(|at| THINK_CLOSE.starts_with(&self.held[*at..])).unwrap_or(self.held.len()), false)
                    }
                };
                self.give_first(end, out);
                if is_over {
                    (self.state, self.ticks, self.is_fenced) = (State::Start, 0, false);
                }
                is_over
            }
            State::Text => self.text(out),
            State::Call => {
                let parsed = match parse(&self.held, &self.tools) {
                    Parsed::Open if self.held.len() > HELD_MAX => Parsed::Not,
                    parsed => parsed,
                };
                match parsed {
                    Parsed::Call { name, arguments, length } => {
                        out.push(Found::Call { name, arguments });
                        self.held.drain(..length);
                        self.state = State::After;
                        true
                    }
                    Parsed::Open => false,
                    Parsed::Not => {
                        self.state = State::Text;
                        self.give_first(1, out);
                        true
                    }
                }
            }
        }
    }

    /// Gives text up to what may be an opening tag.
    fn text(&mut self, out: &mut Vec<Found>) -> bool {
        let Some(at) = self.held.find('<') else {
            self.give_first(self.held.len(), out);
            return false;
        };
        self.give_first(at, out);
        match opener(&self.held) {
            Some(_) if self.is_fenced || self.ticks > 0 => self.give_first(1, out),
            Some(true) => self.state = State::Call,
            Some(false) => return false,
            None => self.give_first(1, out),
        }
        true
    }

    fn give_first(&mut self, length: usize, out: &mut Vec<Found>) {
        let text: String = self.held.drain(..length).collect();
        self.give(text, out);
    }

    fn give(&mut self, text: String, out: &mut Vec<Found>) {
        for byte in text.bytes() {
            self.ticks = if byte == b'`' { self.ticks + 1 } else { 0 };
            self.is_fenced ^= self.ticks == 3;
        }
        match out.last_mut() {
            _ if text.is_empty() => {}
            Some(Found::Text(before)) => before.push_str(&text),
            _ => out.push(Found::Text(text)),
        }
    }
}

/// Whether a text begins with an opening tag; `Some(false)` where it may yet.
fn opener(text: &str) -> Option<bool> {
    if [OPEN, FUNCTION].iter().any(|tag| text.starts_with(tag)) {
        Some(true)
    } else if [OPEN, FUNCTION].iter().any(|tag| tag.starts_with(text)) {
        Some(false)
    } else {
        None
    }
}

/// Reads a call from a text that begins with an opening tag.
fn parse(text: &str, tools: &[TextTool]) -> Parsed {
    let body = text.strip_prefix(OPEN).unwrap_or(text).trim_start();
    let from = text.len() - body.len();
    if body.starts_with(FUNCTION) {
        return function(body, from, tools);
    }
    if FUNCTION.starts_with(body) {
        return Parsed::Open;
    }
    if !body.starts_with('{') {
        return if text.starts_with(OPEN) { pairs(body, from, tools) } else { Parsed::Not };
    }
    // The closing tag may stand in an argument too.
    for (at, _) in body.match_indices(CLOSE) {
        let inner = body.get(..at).unwrap_or_default();
        if let Some((name, arguments)) = json_call(inner, tools) {
            return Parsed::Call { name, arguments, length: from + at + CLOSE.len() };
        }
        // Cut off, it may go on behind this tag; whole or broken, it is something else.
        if !serde_json::from_str::<&RawValue>(inner).is_err_and(|error| error.is_eof()) {
            return Parsed::Not;
        }
    }
    Parsed::Open
}

/// A call as `{"name": …, "arguments": …}`.
fn json_call(text: &str, tools: &[TextTool]) -> Option<(String, String)> {
    let raw: &RawValue = serde_json::from_str(text.trim()).ok()?;
    let members = Members::of(raw)?;
    let name = members.str("name").filter(|name| tools.iter().any(|tool| tool.name == **name))?.into_owned();
    let arguments = match ["arguments", "parameters", "args"].iter().find_map(|name| members.get(name)) {
        None => "{}".to_owned(),
        Some(raw) if is_object(raw) => raw.get().to_owned(),
        Some(raw) => Text::from_raw(raw)?.read().into_owned(),
    };
    Some((name, arguments))
}

/// A call as `<function=name>` and parameters; `from` is what stands before it.
fn function(text: &str, from: usize, tools: &[TextTool]) -> Parsed {
    let Some((name, mut rest)) = named(text, FUNCTION) else {
        return if text.len() < NAME_MAX { Parsed::Open } else { Parsed::Not };
    };
    let Some(tool) = tools.iter().find(|tool| tool.name == name) else { return Parsed::Not };
    let mut arguments = Vec::new();
    let mut object = crate::wire::object::Object::open(&mut arguments);
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(FUNCTION_CLOSE) {
            object.close();
            let length = from + text.len() - after.len();
            return Parsed::Call { name: name.to_owned(), arguments: String::from_utf8(arguments).unwrap_or_default(), length };
        }
        if PARAMETER.starts_with(rest) || FUNCTION_CLOSE.starts_with(rest) {
            return Parsed::Open;
        }
        if !rest.starts_with(PARAMETER) {
            return Parsed::Not;
        }
        let Some((key, value)) = named(rest, PARAMETER) else {
            return if rest.len() < NAME_MAX { Parsed::Open } else { Parsed::Not };
        };
        let Some((value, after)) = closed(value, PARAMETER_CLOSE, [PARAMETER, FUNCTION_CLOSE]) else { return Parsed::Open };
        tool.write(&mut object, key, value);
        rest = after;
    }
}

/// A call as a name and pairs of keys and values; `from` is what stands before it.
fn pairs(text: &str, from: usize, tools: &[TextTool]) -> Parsed {
    let name_end = text.find(['<', '\n']);
    let name = text.get(..name_end.unwrap_or(text.len())).unwrap_or_default().trim_end();
    if name_end.is_none() {
        return if tools.iter().any(|tool| tool.name.starts_with(name)) { Parsed::Open } else { Parsed::Not };
    }
    let Some(tool) = tools.iter().find(|tool| tool.name == name) else { return Parsed::Not };
    let mut rest = text.get(name.len()..).unwrap_or_default();
    let mut arguments = Vec::new();
    let mut object = crate::wire::object::Object::open(&mut arguments);
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(CLOSE) {
            object.close();
            let length = from + text.len() - after.len();
            return Parsed::Call { name: name.to_owned(), arguments: String::from_utf8(arguments).unwrap_or_default(), length };
        }
        if KEY.starts_with(rest) || CLOSE.starts_with(rest) {
            return Parsed::Open;
        }
        let Some(inner) = rest.strip_prefix(KEY) else { return Parsed::Not };
        let Some((key, after)) = inner.split_once(KEY_CLOSE) else {
            return if inner.len() < NAME_MAX { Parsed::Open } else { Parsed::Not };
        };
        let after = after.trim_start();
        let Some(inner) = after.strip_prefix(VALUE) else {
            return if VALUE.starts_with(after) { Parsed::Open } else { Parsed::Not };
        };
        let Some((value, after)) = closed(inner, VALUE_CLOSE, [KEY, CLOSE]) else { return Parsed::Open };
        tool.write(&mut object, key.trim(), value);
        rest = after;
    }
}

/// The name behind an opening tag, and what follows its `>`.
fn named<'t>(text: &'t str, tag: &str) -> Option<(&'t str, &'t str)> {
    let (name, rest) = text.strip_prefix(tag)?.split_once('>')?;
    Some((name.trim().trim_matches(['"', '\'']), rest))
}

/// A value up to its closing tag, and what follows it. The tag inside the value is told from the right one by what comes
/// `next`.
fn closed<'t>(text: &'t str, tag: &str, next: [&str; 2]) -> Option<(&'t str, &'t str)> {
    let ends = |after: &str| next.iter().any(|next| after.starts_with(next));
    text.match_indices(tag).find_map(|(at, tag)| {
        let after = text.get(at + tag.len()..)?;
        ends(after.trim_start()).then_some((text.get(..at)?, after))
    })
}

impl TextTool {
    /// Writes an argument: verbatim where the schema wants something other than a string, and the value is that.
    fn write(&self, object: &mut crate::wire::object::Object<'_>, key: &str, value: &str) {
        let inner = value.strip_prefix('\n').unwrap_or(value);
        let inner = inner.strip_suffix('\n').unwrap_or(inner);
        let plain = match inner.trim() {
            "True" => "true",
            "False" => "false",
            "None" => "null",
            other => other,
        };
        if self.typed.iter().any(|name| name == key) && serde_json::from_str::<&RawValue>(plain).is_ok() {
            object.raw(key, plain);
        } else {
            object.str(key, inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text, and the calls by name and arguments.
    type Heard = (String, Vec<(String, String)>);

    fn found(parts: &[&str]) -> Heard {
        let tools = [TextTool { name: "run".to_owned(), typed: vec!["n".to_owned()] }];
        let (mut finder, mut out) = (TextCalls::new(&tools), Vec::new());
        for part in parts {
            finder.push(part, &mut out);
        }
        finder.end(&mut out);
        let (mut text, mut calls) = (String::new(), Vec::new());
        for found in out {
            match found {
                Found::Text(more) => text.push_str(&more),
                Found::Call { name, arguments } => calls.push((name, arguments)),
            }
        }
        (text, calls)
    }

    fn call(arguments: &str) -> (String, String) {
        ("run".to_owned(), arguments.to_owned())
    }

    #[test]
    fn every_split_finds_the_same() {
        let big = r#"{"n":9007199254740993,"command":"</tool_call> {"}"#;
        let json = format!("{{\"name\":\"run\",\"arguments\":{big}}}");
        let cases: Vec<(String, &str, Vec<_>)> = vec![
            (format!("So: é\n<tool_call>\n{json}\n</tool_call>\n"), "So: é\n", vec![call(big)]),
            (format!("<tool_call>{json}</tool_call>\n<tool_call>{json}</tool_call>"), "", vec![call(big), call(big)]),
            (format!("\n\n<tool_call>{json}"), "", vec![call(big)]),
            ("<tool_call>{\"name\":\"run\",\"arguments\":\"{}\"}</tool_call> done".to_owned(), " done", vec![call("{}")]),
            ("<tool_call>\n<function=run>\n<parameter=command>\necho \"a\" > b\nls\n</parameter>\n<parameter=n>\n5\n</parameter>\n</function>\n</tool_call>".to_owned(), "", vec![call(r#"{"command":"echo \"a\" > b\nls","n":5}"#)]),
            ("I run.\n<function=run>\n<parameter=command>\n5\n</parameter>\n</function>\n</tool_call>".to_owned(), "I run.\n", vec![call(r#"{"command":"5"}"#)]),
            ("<function=run></function>and more".to_owned(), "and more", vec![call("{}")]),
            ("Yes.\n<tool_call>run\n<arg_key>command</arg_key>\n<arg_value>a</arg_value> \"b\"\nc</arg_value>\n<arg_key>n</arg_key>\n<arg_value>9007199254740993</arg_value>\n</tool_call>".to_owned(), "Yes.\n", vec![call(r#"{"command":"a</arg_value> \"b\"\nc","n":9007199254740993}"#)]),
            ("<tool_call>run<arg_key>command</arg_key><arg_value>ls</arg_value></tool_call>\n<tool_call>run</tool_call> ok".to_owned(), " ok", vec![call(r#"{"command":"ls"}"#), call("{}")]),
            ("<tool_call>{\"name\":\"run\",\"args\":{}}</tool_call>".to_owned(), "", vec![call("{}")]),
            (format!("<think>I could <tool_call>{json}</tool_call> `` ```</think>\n\n<tool_call>{json}</tool_call>"), &*Box::leak(format!("<think>I could <tool_call>{json}</tool_call> `` ```</think>").into_boxed_str()), vec![call(big)]),
            ("<think>never closed, a < b".to_owned(), "<think>never closed, a < b", vec![]),
            ("<think>a</thin".to_owned(), "<think>a</thin", vec![]),
            ("<thing>".to_owned(), "<thing>", vec![]),
            ("<function=run><parameter=command>a</parameter> b</parameter></function>".to_owned(), "", vec![call(r#"{"command":"a</parameter> b"}"#)]),
            // What is no call stays to the letter.
            ("<tool_call>{\"name\":\"other\",\"arguments\":{}}</tool_call>".to_owned(), "<tool_call>{\"name\":\"other\",\"arguments\":{}}</tool_call>", vec![]),
            ("<function=other>x</function>".to_owned(), "<function=other>x</function>", vec![]),
            ("a < b, <tool_ca".to_owned(), "a < b, <tool_ca", vec![]),
            ("<tool_call>{\"name\":\"run\",\"argu".to_owned(), "<tool_call>{\"name\":\"run\",\"argu", vec![]),
            ("<function=run><parameter=command>ls".to_owned(), "<function=run><parameter=command>ls", vec![]),
            ("<tool_call>other\n</tool_call>".to_owned(), "<tool_call>other\n</tool_call>", vec![]),
            ("<tool_call>run<arg_key>a</arg_key>b</tool_call>".to_owned(), "<tool_call>run<arg_key>a</arg_key>b</tool_call>", vec![]),
            // Cut off, there may have been more of it.
            ("<tool_call>run<arg_key>n</arg_key><arg_value>1</arg_value>".to_owned(), "<tool_call>run<arg_key>n</arg_key><arg_value>1</arg_value>", vec![]),
            ("<tool_call>run".to_owned(), "<tool_call>run", vec![]),
            (format!("```\n<tool_call>{json}</tool_call>\n```"), &*Box::leak(format!("```\n<tool_call>{json}</tool_call>\n```").into_boxed_str()), vec![]),
            ("write `<tool_call>` to call".to_owned(), "write `<tool_call>` to call", vec![]),
            ("  \n".to_owned(), "  \n", vec![]),
        ];
        for (whole, text, calls) in cases {
            let expected = (text.to_owned(), calls);
            for (at, _) in whole.char_indices() {
                let (a, b) = whole.split_at(at);
                assert_eq!(found(&[a, b]), expected, "{whole} at {at}");
            }
            let single: Vec<String> = whole.chars().map(String::from).collect();
            assert_eq!(found(&single.iter().map(String::as_str).collect::<Vec<_>>()), expected, "{whole}");
        }
    }
}
