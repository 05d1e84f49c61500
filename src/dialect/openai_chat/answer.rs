//! The state of an answer while it comes: turns chunks (or one whole answer) into events that keep the promises of
//! [`Event`], whatever the upstream does.
//!
//! Text and thinking have at most one open block; calls may be open side by side. Start with [`Answer::chunk`].

mod cited;
mod content;

use serde_json::value::RawValue;

use self::cited::Cited;
use super::calls::{Calls, Piece};
use super::chunk::{self, Choice, Chunk, Finish};
use super::details::Details;
use super::inline_think::InlineThink;
use super::text_calls::TextCalls;
use crate::chat::{BlockStart, Delta, Event, Failure, FailureKind, Opaque, StopReason};
use crate::dialect::quirks::ReasoningBack;
use crate::dialect::{Quirks, ReplyMap, failure};
use crate::wire::json::{is_object, items};
use crate::wire::read;

/// Where a stream's thinking comes from: the first member that had any, since some send it under two names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    ReasoningContent,
    Reasoning,
    Details,
}

/// An answer under way.
pub(super) struct Answer {
    map: ReplyMap,
    family: &'static str,
    keeps_details: bool,
    inline: Option<InlineThink>,
    text_calls: Option<TextCalls>,
    details: Details,
    origin: Option<Origin>,
    calls: Calls,
    /// The schema tool's call became text.
    has_schema_text: bool,
    is_started: bool,
    has_content: bool,
    is_over: bool,
    next_block: u32,
    text: Option<u32>,
    cited: Cited,
    thinking: Option<u32>,
    reason: Option<StopReason>,
    stop_sequence: Option<String>,
    id: String,
}

impl Answer {
    pub(super) fn new(map: &ReplyMap, quirks: &Quirks) -> Self {
        Self {
            map: map.clone(),
            family: quirks.family,
            keeps_details: quirks.reasoning_back == ReasoningBack::ReasoningDetails,
            inline: quirks.inline_think.then(InlineThink::new),
            text_calls: (!map.text_tools.is_empty()).then(|| TextCalls::new(&map.text_tools)),
            details: Details::default(),
            origin: None,
            calls: Calls::of(map.upstream_tools()),
            has_schema_text: false,
            is_started: false,
            has_content: false,
            is_over: false,
            next_block: 0,
            text: None,
            cited: Cited::default(),
            thinking: None,
            reason: None,
            stop_sequence: None,
            id: super::fresh_id(""),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn is_started(&self) -> bool {
        self.is_started
    }

    /// Takes one chunk or a whole answer. `data` is its text, for a look at errors.
    pub(super) fn chunk(&mut self, data: &[u8], out: &mut Vec<Event>) {
        if self.is_over {
            return;
        }
        let Ok(chunk) = read::from_slice::<Chunk<'_>>(data) else {
            return self.fail(failure::read_failure(200, data), out);
        };
        if chunk.is_suspect()
            && let Some(failure) = failure::disguised_failure(data).filter(|_| chunk.usage.is_none() || chunk.error.is_some())
        {
            return self.fail(failure, out);
        }
        let choices = chunk.choices();
        let says_something = choices.iter().any(|choice| choice.delta.or(choice.message).is_some());
        self.start(&chunk, says_something, out);
        if let Some(usage) = chunk.usage(&choices) {
            self.start_anyway(out);
            out.push(Event::Usage(usage));
        }
        for choice in choices.iter().filter(|choice| choice.is_first()) {
            self.choice(choice, data, out);
            if self.is_over {
                return;
            }
        }
    }

    /// Azure's first chunks have neither id nor delta: a later one tells.
    fn start(&mut self, chunk: &Chunk<'_>, says_something: bool, out: &mut Vec<Event>) {
        let id = chunk::text(chunk.id);
        if !self.is_started && (says_something || id.is_some()) {
            self.is_started = true;
            out.push(Event::Start { id, model: chunk::text(chunk.model) });
        }
    }

    fn start_anyway(&mut self, out: &mut Vec<Event>) {
        if !self.is_started {
            self.is_started = true;
            out.push(Event::Start { id: None, model: None });
        }
    }

    fn choice(&mut self, choice: &Choice<'_>, data: &[u8], out: &mut Vec<Event>) {
        // MiniMax repeats the whole message at the end of a stream.
        let message = choice.message.filter(|_| !self.has_content);
        if let Some(raw) = choice.delta.filter(|raw| raw.get() != "null").or(message) {
            self.delta(raw, out);
        }
        if let Some(raw) = choice.error.filter(|raw| is_object(raw)) {
            return self.fail(failure::read_failure(200, raw.get().as_bytes()), out);
        }
        let word = choice.finish_reason.and_then(|raw| chunk::text(Some(raw)));
        match word.as_deref().and_then(chunk::finish) {
            Some(Finish::Stop(reason)) => self.finish(reason, choice),
            Some(Finish::Broken) => {
                let known = failure::disguised_failure(data);
                let words = format!("the provider ended its answer with {:?}", word.unwrap_or_default());
                self.fail(known.unwrap_or_else(|| Failure::new(FailureKind::Server, words)), out);
            }
            None => {}
        }
    }

    /// Of two finishes the one that says more counts: a cut, then calls, then an end.
    fn finish(&mut self, reason: StopReason, choice: &Choice<'_>) {
        let rank = |reason: StopReason| match reason {
            StopReason::End | StopReason::Paused => 0,
            StopReason::StopSequence => 1,
            StopReason::ToolUse => 2,
            StopReason::Refusal => 3,
            StopReason::Length | StopReason::ContextFull => 4,
        };
        // vLLM names the stop sequence beside the finish.
        let met = chunk::text(choice.stop_reason).filter(|_| reason == StopReason::End);
        let reason = if met.is_some() { StopReason::StopSequence } else { reason };
        if self.reason.is_none_or(|old| rank(reason) > rank(old)) {
            self.reason = Some(reason);
            self.stop_sequence = met;
        }
    }

    fn delta(&mut self, raw: &RawValue, out: &mut Vec<Event>) {
        let Ok(delta) = read::from_str::<chunk::Delta<'_>>(raw.get()) else { return };
        self.reasoning(&delta, out);
        self.content(delta.content, out);
        if let Some(text) = chunk::text(delta.refusal) {
            self.reason = Some(StopReason::Refusal);
            self.text(&text, out);
        }
        self.cite(&delta, out);
        let mut pieces: Vec<Piece> = Vec::new();
        if let Some(raw) = delta.tool_calls {
            // One call instead of a list is a list of one.
            let list = items(raw).unwrap_or_else(|| vec![raw]);
            pieces.extend(list.into_iter().filter_map(Piece::read));
        }
        pieces.extend(delta.function_call.and_then(Piece::read));
        if !pieces.is_empty() {
            self.flush_text_calls(out);
        }
        let mut touched = Vec::new();
        for piece in pieces {
            if let Some(at) = self.calls.piece(piece, &mut touched) {
                self.announce_before(at, out);
                self.call(at, out);
            }
        }
    }

    fn reasoning(&mut self, delta: &chunk::Delta<'_>, out: &mut Vec<Event>) {
        if let Some(raw) = delta.reasoning_details.filter(|_| self.keeps_details) {
            self.details.push(raw);
        }
        let said = chunk::text(delta.reasoning_content)
            .map(|text| (Origin::ReasoningContent, text))
            .or_else(|| chunk::text(delta.reasoning).map(|text| (Origin::Reasoning, text)))
            .or_else(|| Some((Origin::Details, Details::text(delta.reasoning_details?)?)));
        let Some((origin, text)) = said else { return };
        if *self.origin.get_or_insert(origin) == origin {
            self.inline = None;
            self.thinking(&text, out);
        }
    }

    fn open(&mut self, block: BlockStart, out: &mut Vec<Event>) -> u32 {
        self.start_anyway(out);
        self.has_content = true;
        let index = self.next_block;
        self.next_block += 1;
        out.push(Event::BlockStart { index, block });
        index
    }

    fn text(&mut self, text: &str, out: &mut Vec<Event>) {
        if text.is_empty() {
            return;
        }
        self.close_thinking(out);
        let index = match self.text {
            Some(index) => index,
            None => self.open(BlockStart::Text, out),
        };
        if self.text.is_none() {
            self.text = Some(index);
            self.cited.begin_text();
        }
        self.cited.said(text);
        out.push(Event::Delta { index, delta: Delta::Text(text.to_owned()) });
        self.cite_waiting(out);
    }

    fn thinking(&mut self, text: &str, out: &mut Vec<Event>) {
        if text.is_empty() {
            return;
        }
        self.close_text(out);
        let index = match self.thinking {
            Some(index) => index,
            None => self.open(BlockStart::Thinking, out),
        };
        self.thinking = Some(index);
        out.push(Event::Delta { index, delta: Delta::Thinking(text.to_owned()) });
    }

    fn close_text(&mut self, out: &mut Vec<Event>) {
        if let Some(index) = self.text.take() {
            out.push(Event::BlockStop { index });
        }
    }

    fn close_thinking(&mut self, out: &mut Vec<Event>) {
        if let Some(index) = self.thinking.take() {
            let state = self.details.take();
            out.push(Event::Delta { index, delta: Delta::Signature(Opaque::new(self.family, state)) });
            out.push(Event::BlockStop { index });
        }
    }

    /// Says what can be said of the call at `at`.
    fn call(&mut self, at: usize, out: &mut Vec<Event>) {
        let Some(call) = self.calls.list.get(at) else { return };
        if call.block.is_none() && !call.is_ignored && self.calls.is_ready(at) {
            self.announce(at, out);
        }
        let Some(call) = self.calls.list.get_mut(at) else { return };
        let (Some(index), false) = (call.block, call.is_closed) else { return };
        if let Some(more) = call.next_arguments() {
            out.push(Event::Delta { index, delta: self.arguments(at, more) });
        }
    }

    fn is_schema(&self, at: usize) -> bool {
        self.calls.list.get(at).is_some_and(|call| self.map.schema_tool.as_deref() == Some(&*call.name))
    }

    /// The arguments of the schema tool are the answer's text.
    fn arguments(&self, at: usize, more: String) -> Delta {
        if self.is_schema(at) { Delta::Text(more) } else { Delta::Arguments(more) }
    }

    /// Announces the calls before `at` that wait for more: what comes after them shows that there is none.
    fn announce_before(&mut self, at: usize, out: &mut Vec<Event>) {
        for earlier in 0..at {
            if self.calls.list.get(earlier).is_some_and(|call| call.block.is_none() && !call.is_ignored && !call.name.is_empty()) {
                self.announce(earlier, out);
            }
        }
    }

    fn announce(&mut self, at: usize, out: &mut Vec<Event>) {
        self.flush_inline(out);
        self.close_thinking(out);
        self.close_text(out);
        let is_second = self.calls.list.iter().take(at).any(|call| call.block.is_some());
        let is_schema = self.is_schema(at);
        for earlier in 0..at {
            if self.calls.list.get(earlier).is_some_and(|call| call.is_finished() && !call.is_closed) {
                self.close_call(earlier, out);
            }
        }
        if self.map.single_tool_call && is_second {
            if let Some(call) = self.calls.list.get_mut(at) {
                call.is_ignored = true;
            }
            return;
        }
        let id = self.calls.unique_id(at, &self.id);
        let name = self.calls.list.get(at).map(|call| self.map.original_name(&call.name).to_owned()).unwrap_or_default();
        let block = if is_schema { BlockStart::Text } else { BlockStart::ToolCall { id, name } };
        self.has_schema_text |= is_schema;
        let index = self.open(block, out);
        if let Some(call) = self.calls.list.get_mut(at) {
            call.block = Some(index);
        }
    }

    fn close_call(&mut self, at: usize, out: &mut Vec<Event>) {
        let Some(call) = self.calls.list.get_mut(at) else { return };
        let (Some(index), false) = (call.block, call.is_closed) else { return };
        call.is_closed = true;
        if let Some(rest) = call.last_arguments() {
            out.push(Event::Delta { index, delta: self.arguments(at, rest) });
        }
        out.push(Event::BlockStop { index });
    }

    /// The upstream says that it is done.
    pub(super) fn done(&mut self, out: &mut Vec<Event>) {
        if self.is_over {
            return;
        }
        self.is_over = true;
        self.start_anyway(out);
        self.flush_inline(out);
        self.flush_text_calls(out);
        for at in 0..self.calls.list.len() {
            if self.calls.list.get(at).is_some_and(|call| call.block.is_none() && !call.is_ignored && !call.name.is_empty()) {
                self.announce(at, out);
            }
            self.close_call(at, out);
        }
        self.close_text(out);
        if self.thinking.is_none() && !self.details.is_empty() {
            // State that came after the thinking it belongs to.
            self.thinking = Some(self.open(BlockStart::Thinking, out));
        }
        self.close_thinking(out);
        self.lose_waiting(out);
        let (reason, stop_sequence) = (self.reason(), self.stop_sequence.take());
        out.push(Event::Finish { reason, stop_sequence });
        out.push(Event::End);
    }

    /// The reason that fits what was said: calls are calls even when the upstream says "stop".
    fn reason(&self) -> StopReason {
        let has_calls =
            (0..self.calls.list.len()).any(|at| !self.is_schema(at) && self.calls.list.get(at).is_some_and(|c| c.block.is_some()));
        match self.reason {
            Some(reason @ (StopReason::Length | StopReason::ContextFull | StopReason::Refusal)) => reason,
            _ if has_calls => StopReason::ToolUse,
            Some(StopReason::ToolUse) | None => StopReason::End,
            Some(reason) => reason,
        }
    }

    /// Whether a reason to end has come.
    pub(super) fn is_finished(&self) -> bool {
        self.reason.is_some()
    }

    /// The body has ended: in order after a finish, else broken off.
    pub(super) fn end(&mut self, out: &mut Vec<Event>) {
        if self.is_over {
            return;
        }
        if self.reason.is_some() {
            self.done(out);
        } else {
            self.fail(Failure::broken_off("the provider's answer broke off before its end"), out);
        }
    }

    pub(super) fn fail(&mut self, failure: Failure, out: &mut Vec<Event>) {
        if !self.is_over {
            self.is_over = true;
            out.push(Event::Failed(failure));
        }
    }
}
