//! Writes a Chat stream for a client: one id, a role first, annotations at the end, one finish, the usage if asked for,
//! `[DONE]`.

use std::ops::Range;

use serde::Serialize;

use super::annotation::{Annotation, Audience, is_sayable};
use super::chunk::word;
use super::error;
use super::response_out::{lose_stop, usage_json};
use super::thinking_state::{Detail, Place};
use crate::chat::{BlockStart, Citation, Delta, Event, Loss, StopReason, Usage, lose};
use crate::dialect::names::answer_id;
use crate::dialect::{ReplyMap, StreamEncoder};

/// The encoder.
pub(super) struct Encoder {
    /// Id and model, until the first chunk fixes them.
    id: String,
    model: String,
    created: u64,
    hide_usage: bool,
    /// The beginning of each chunk, `choices` not included; empty before the first.
    head: String,
    blocks: Vec<Block>,
    calls: u32,
    thoughts: u32,
    /// Characters of text so far.
    chars: usize,
    /// What was cited, each with the characters of its block. It leaves in one delta before the finish, as OpenAI's does:
    /// openai-python's stream helper joins lists only where their items have an `index`.
    cited: Vec<(Citation, Range<usize>)>,
    usage: Usage,
    is_over: bool,
}

/// An open block.
struct Block {
    index: u32,
    kind: Kind,
}

enum Kind {
    /// Where it begins, in characters of the content, and what it cites.
    Text { from: usize, citations: Vec<Citation> },
    /// Characters so far, the number of the block, and its place.
    Thinking { length: usize, nth: u32, place: Place },
    /// The call's number, and whether it has had arguments.
    Call { nth: u32, has_arguments: bool },
}

impl Encoder {
    pub(super) fn new(map: &ReplyMap) -> Self {
        Self {
            id: map.id.clone(),
            model: map.model.clone(),
            created: super::now(),
            hide_usage: map.hide_usage,
            head: String::new(),
            blocks: Vec::new(),
            calls: 0,
            thoughts: 0,
            chars: 0,
            cited: Vec::new(),
            usage: Usage::default(),
            is_over: false,
        }
    }

    /// Goes on with a stream whose beginning the client has: its id and model as they stand there, and the characters of its text.
    pub(super) fn resume(&mut self, id: &str, model: &str, chars: usize) {
        let (id, model) = (if id.is_empty() { "\"\"" } else { id }, if model.is_empty() { "\"\"" } else { model });
        self.head = format!(r#"{{"id":{id},"object":"chat.completion.chunk","created":{},"model":{model}"#, self.created);
        self.chars = chars;
    }

    fn start(&mut self, id: Option<String>, model: Option<String>, out: &mut Vec<u8>) {
        if !self.head.is_empty() {
            return;
        }
        let id = answer_id(super::ID, &self.id, id.as_deref());
        let model = if self.model.is_empty() { model.unwrap_or_default() } else { std::mem::take(&mut self.model) };
        let head = Head { id: &id, object: "chat.completion.chunk", created: self.created, model: &model };
        self.head = serde_json::to_string(&head).unwrap_or_default();
        self.head.pop();
        self.delta(r#"{"role":"assistant","content":""}"#, None, out);
    }

    fn delta(&self, delta: &str, finish: Option<&str>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(self.head.as_bytes());
        out.extend_from_slice(br#","choices":[{"index":0,"delta":"#);
        out.extend_from_slice(delta.as_bytes());
        out.extend_from_slice(br#","logprobs":null,"finish_reason":"#);
        match finish {
            Some(word) => {
                out.push(b'"');
                out.extend_from_slice(word.as_bytes());
                out.push(b'"');
            }
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b"}]}\n\n");
    }

    fn member(&self, name: &str, value: &impl Serialize, out: &mut Vec<u8>) {
        let value = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
        self.delta(&format!("{{\"{name}\":{value}}}"), None, out);
    }

    fn place(&self) -> Place {
        Place { chars: self.chars, calls: self.calls as usize }
    }

    fn begin(&mut self, index: u32, block: BlockStart, out: &mut Vec<u8>) {
        let kind = match block {
            BlockStart::Text => Kind::Text { from: self.chars, citations: Vec::new() },
            BlockStart::Thinking => {
                self.thoughts += 1;
                Kind::Thinking { length: 0, nth: self.thoughts - 1, place: self.place() }
            }
            BlockStart::RedactedThinking(opaque) => {
                self.thoughts += 1;
                self.member("reasoning_details", &[Detail::of_redacted(&opaque, self.thoughts - 1, self.place())], out);
                return;
            }
            BlockStart::ToolCall { id, name } => {
                self.calls += 1;
                let function = Function { name: Some(&name), arguments: "" };
                self.member("tool_calls", &[Call { index: self.calls - 1, id: Some(&id), kind: Some("function"), function }], out);
                Kind::Call { nth: self.calls - 1, has_arguments: false }
            }
        };
        self.blocks.push(Block { index, kind });
    }

    fn go_on(&mut self, index: u32, delta: Delta, out: &mut Vec<u8>) {
        let Some(block) = self.blocks.iter_mut().find(|block| block.index == index) else { return };
        match (&mut block.kind, delta) {
            (_, Delta::Text(text) | Delta::Thinking(text) | Delta::Arguments(text)) if text.is_empty() => {}
            (Kind::Text { from: _, citations }, Delta::Citation(citation)) => citations.push(*citation),
            (Kind::Text { from: _, citations: _ }, Delta::Text(text)) => {
                self.chars += text.chars().count();
                self.member("content", &text, out);
            }
            (Kind::Thinking { length, nth: _, place: _ }, Delta::Thinking(text)) => {
                *length += text.chars().count();
                self.member("reasoning_content", &text, out);
            }
            (Kind::Thinking { length, nth, place }, Delta::Signature(opaque)) => {
                let detail = Detail::of_thinking(&opaque, *nth, *length, *place);
                self.member("reasoning_details", &[detail], out);
            }
            (Kind::Call { nth, has_arguments }, Delta::Arguments(text)) => {
                *has_arguments = true;
                let call = Call::arguments(*nth, &text);
                self.member("tool_calls", &[call], out);
            }
            // A delta of another kind than its block has no place.
            _ => {}
        }
    }

    fn stop(&mut self, index: u32, out: &mut Vec<u8>) {
        let Some(at) = self.blocks.iter().position(|block| block.index == index) else { return };
        match self.blocks.swap_remove(at).kind {
            Kind::Call { nth, has_arguments: false } => self.member("tool_calls", &[Call::arguments(nth, "{}")], out),
            Kind::Text { from, citations } => {
                let block = from..self.chars;
                self.cited.extend(citations.into_iter().map(|citation| (citation, block.clone())));
            }
            Kind::Call { nth: _, has_arguments: true } | Kind::Thinking { length: _, nth: _, place: _ } => {}
        }
    }

    fn finish(&mut self, reason: StopReason, out: &mut Vec<u8>) {
        for index in self.blocks.iter().map(|block| block.index).collect::<Vec<_>>() {
            self.stop(index, out);
        }
        if !self.cited.is_empty() {
            let annotations: Vec<_> =
                self.cited.iter().map(|(citation, block)| Annotation { citation, block: block.clone(), to: Audience::Client }).collect();
            self.member("annotations", &annotations, out);
        }
        self.delta("{}", Some(word(reason)), out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if !self.hide_usage {
            out.extend_from_slice(b"data: ");
            out.extend_from_slice(self.head.as_bytes());
            out.extend_from_slice(br#","choices":[],"usage":"#);
            out.extend_from_slice(usage_json(&self.usage).as_bytes());
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
        self.is_over = true;
    }
}

impl StreamEncoder for Encoder {
    fn event(&mut self, event: Event, out: &mut Vec<u8>, losses: &mut Vec<Loss>) {
        if self.is_over {
            return;
        }
        match event {
            Event::Start { id, model } => return self.start(id, model, out),
            Event::Failed(failure) => {
                self.is_over = true;
                error::write_event(&failure, out);
                return;
            }
            _ => self.start(None, None, out),
        }
        match event {
            Event::BlockStart { index, block } => self.begin(index, block, out),
            Event::Delta { index: _, delta: Delta::Citation(citation) } if !is_sayable(&citation, losses) => {}
            Event::Delta { index, delta } => self.go_on(index, delta, out),
            Event::BlockStop { index } => self.stop(index, out),
            Event::Usage(usage) => self.usage.merge(&usage),
            Event::Lost(loss) => lose(losses, loss),
            Event::Finish { reason, stop_sequence } => {
                lose_stop(reason, stop_sequence.as_deref(), losses);
                self.finish(reason, out);
            }
            Event::End => self.end(out),
            Event::Start { id: _, model: _ } | Event::Failed(_) => {}
        }
    }

    fn keep_alive(&mut self, out: &mut Vec<u8>) {
        if self.head.is_empty() {
            self.start(None, None, out);
        } else if !self.is_over {
            self.delta("{}", None, out);
        }
    }

    fn early_start(&mut self, out: &mut Vec<u8>) {
        self.start(None, None, out);
    }

    fn change_source(&mut self) {
        for index in self.blocks.iter().map(|block| block.index).collect::<Vec<_>>() {
            // Nothing but calls says anything at its end, and with a call under way nobody goes on.
            self.stop(index, &mut Vec::new());
        }
    }
}

#[derive(Serialize)]
struct Head<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
}

#[derive(Serialize)]
struct Call<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: Function<'a>,
}

impl<'a> Call<'a> {
    fn arguments(index: u32, arguments: &'a str) -> Self {
        Self { index, id: None, kind: None, function: Function { name: None, arguments } }
    }
}

#[derive(Serialize)]
struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}
