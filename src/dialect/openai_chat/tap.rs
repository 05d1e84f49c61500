//! Relays a Chat stream to a Chat client as it is, mending only its faults.
//!
//! Complete healthy frames leave as the bytes they came as. What is mended: a missing `[DONE]` after a finish, an end
//! without either, comments, pieces of calls that no SDK can put together (the frame that
//! begins a tool's name waits for the next one, unless the name is whole), calls in the text where the provider leaves them there ([`text`]), finish
//! words that no client knows, errors in odd shapes, a JSON answer in place of a stream, and whatever follows the end.

use bytes::Bytes;
use memchr::memmem;
use serde_json::value::RawValue;

use super::chunk::{self, Choice, Chunk, Delta, Finish};
use super::error;
use super::naming::Held;
use super::renumber::{self, Edits, Naming, Renumber};
use super::stream_in::{self, is_done};
use super::stream_out::Encoder;
use super::text_calls::TextCalls;
use crate::chat::{Failure, FailureKind, StopReason};
use crate::dialect::names::answer_id;
use crate::dialect::tap::Verdict;
use crate::dialect::{Progress, Quirks, ReplyMap, ReplyStream, StreamEncoder, failure};
use crate::wire::json::Members;
use crate::wire::read;
use crate::wire::sse::{Frame, Splitter};
use text::TextRelay;

#[cfg(test)]
mod tests;
mod text;

/// The relay.
pub(super) struct Tap {
    splitter: Splitter,
    /// Bytes of an incomplete frame are in the splitter.
    frame_max: usize,
    is_holding: bool,
    progress: Progress,
    is_over: bool,
    /// Id and model tokens of the stream, for chunks of our own.
    id: String,
    model: String,
    map: ReplyMap,
    /// The stream was begun by us: its chunks get our id, its role chunk is dropped.
    is_ours: bool,
    calls: Renumber,
    /// The beginning of a call's name, which the client has not seen yet.
    naming: Option<Held>,
    /// The calls in the text, where they are looked for.
    text: Option<TextRelay>,
    /// What was held and leaves before all else.
    released: Vec<u8>,
    /// The first choice, which is mostly the only one, has been given its reason to stop.
    has_reason: bool,
    /// What came in place of an event stream.
    body: Vec<u8>,
    quirks: Quirks,
    withholds: bool,
    /// The end of a stream that failed, not said yet.
    withheld: Vec<u8>,
}

impl Tap {
    pub(super) fn new(map: &ReplyMap, quirks: &Quirks, frame_max: usize) -> Self {
        Self {
            splitter: Splitter::new(frame_max),
            frame_max,
            is_holding: false,
            progress: Progress::default(),
            is_over: false,
            id: String::new(),
            model: serde_json::to_string(&map.model).unwrap_or_default(),
            map: map.clone(),
            is_ours: false,
            calls: Renumber::of(map.tools.clone()),
            naming: None,
            text: (!map.text_tools.is_empty()).then(|| TextRelay::new(TextCalls::new(&map.text_tools))),
            released: Vec::new(),
            has_reason: false,
            body: Vec::new(),
            quirks: quirks.clone(),
            withholds: false,
            withheld: Vec::new(),
        }
    }

    /// The frames at the chunk's beginning that are whole and plain (`data: …` and a blank line); where they end.
    fn plain_frames(chunk: &[u8]) -> usize {
        if memchr::memchr(b'\r', chunk).is_some() || !chunk.starts_with(b"data:") {
            return 0;
        }
        memmem::rfind(chunk, b"\n\n").map_or(0, |at| at + 2)
    }

    /// Judges plain frames in place; true when all may pass as they are.
    fn plain(&mut self, chunk: &Bytes, out: &mut Vec<u8>) -> bool {
        let mut is_untouched = true;
        let mut start = 0;
        while start < chunk.len() && !self.is_over {
            let end = memmem::find(&chunk[start..], b"\n\n").map_or(chunk.len(), |at| start + at + 2);
            let raw = chunk.slice(start..end);
            self.note_raw(&raw);
            let verdict = match plain_data(&raw) {
                Some(data) => self.judge(&raw.slice(data)),
                None => match reparse(&raw) {
                    Some(frame) => self.frame(&frame),
                    None => Verdict::Drop,
                },
            };
            if is_untouched && !(matches!(verdict, Verdict::Pass) && self.released.is_empty()) {
                is_untouched = false;
                out.extend_from_slice(&chunk[..start]);
            }
            if !is_untouched {
                self.write(verdict, &raw, out);
            }
            start = end;
        }
        if start < chunk.len() && is_untouched {
            // The end came before the chunk did.
            is_untouched = false;
            out.extend_from_slice(&chunk[..start]);
        }
        is_untouched
    }

    /// Appends what leaves of a frame, and before it what was held.
    fn write(&mut self, verdict: Verdict, raw: &Bytes, out: &mut Vec<u8>) {
        out.append(&mut self.released);
        if let Some(held) = self.naming.as_mut().filter(|held| held.raw.is_empty()) {
            held.raw = raw.clone();
        }
        verdict.write(raw, out);
    }

    /// Remembers a frame for the time that it is judged.
    fn note_raw(&mut self, raw: &Bytes) {
        if let Some(relay) = &mut self.text {
            relay.raw = raw.clone();
        }
    }

    /// Lets go of what is held.
    fn release(&mut self) {
        if let Some(held) = self.naming.take() {
            self.released.extend_from_slice(&held.into_frame());
        }
    }

    /// Judges what a frame does to a name: it waits, adds to what waits, or sets it free.
    fn name(&mut self, naming: Naming<'_>, is_plain: bool, data: &[u8], edits: Edits<'_>) -> Verdict {
        match naming {
            Naming::Begins { call, token } if is_plain => {
                self.release();
                self.naming = Some(Held::new(call, data, edits, token));
                return Verdict::Drop;
            }
            Naming::GoesOn { name, has_arguments } => {
                if let Some(held) = &mut self.naming {
                    held.joined(name);
                }
                if is_plain && !has_arguments {
                    return Verdict::Drop;
                }
            }
            Naming::Begins { .. } | Naming::Nothing => {}
        }
        self.release();
        if edits.is_empty() { Verdict::Pass } else { Verdict::Replace(renumber::replaced(data, edits)) }
    }

    fn frame(&mut self, frame: &Frame) -> Verdict {
        if frame.is_foreign() || (!self.body.is_empty() && frame.data.is_empty()) {
            if self.body.len() + frame.raw.len() <= self.frame_max {
                self.body.extend_from_slice(&frame.raw);
            }
            return Verdict::Drop;
        }
        if frame.is_comment() {
            return Verdict::Drop;
        }
        if &*frame.event == b"error" {
            return self.failed(failure::read_failure(200, &frame.data));
        }
        self.judge(&frame.data)
    }

    fn judge(&mut self, data: &Bytes) -> Verdict {
        if self.is_over || data.trim_ascii().is_empty() {
            return Verdict::Drop;
        }
        if is_done(data) {
            self.release();
            self.release_text(true);
            self.is_over = true;
            self.progress.finished = true;
            return Verdict::Pass;
        }
        // A chunk has choices; what has none may be an error in any shape.
        let is_dull = self.progress.content
            && !self.is_ours
            && self.text.is_none()
            && memmem::find(data, b"\"choices\"").is_some()
            && !["finish_reason", "usage", "error", "base_resp", "tool_calls"].iter().any(|name| may_have(data, name));
        if !is_dull {
            return self.look(data);
        }
        self.release();
        Verdict::Pass
    }

    /// A close look at one chunk.
    fn look(&mut self, data: &[u8]) -> Verdict {
        let Ok(chunk) = read::from_slice::<Chunk<'_>>(data) else {
            return self.failed(failure::read_failure(200, data));
        };
        if chunk.is_suspect()
            && let Some(failure) = failure::disguised_failure(data).filter(|_| chunk.usage.is_none() || chunk.error.is_some())
        {
            return self.failed(failure);
        }
        let choices = chunk.choices();
        if let Some(usage) = chunk.usage(&choices) {
            self.progress.usage.merge(&usage);
        }
        let mut edits = Edits::new();
        let mut is_role_only = !choices.is_empty();
        let mut naming = Naming::Nothing;
        let said = match self.text {
            Some(_) => choices.iter().find(|choice| choice.is_first()).map(said).unwrap_or_default(),
            None => Said::default(),
        };
        self.hear(&said.text, said.is_end);
        let held = self.naming.as_ref().map(|held| held.call);
        for choice in &choices {
            let has_content = choice.delta.is_some_and(has_content);
            self.progress.content |= has_content;
            if let Some(calls) = choice.delta.filter(|_| choice.is_first()).and_then(calls) {
                naming = self.calls.mend(calls, held, &mut edits);
            }
            is_role_only &= !has_content && choice.finish_reason.is_none_or(|raw| raw.get() == "null") && chunk.usage.is_none();
            let Some(token) = choice.finish_reason.filter(|raw| raw.get() != "null") else { continue };
            let word = chunk::text(Some(token)).unwrap_or_default();
            match chunk::finish(&word) {
                None => edits.push((token.get(), "null".to_owned())),
                Some(Finish::Broken) => {
                    let known = choice.error.map(|raw| failure::read_failure(200, raw.get().as_bytes()));
                    let words = format!("the provider ended its answer with {word:?}");
                    return self.failed(known.unwrap_or_else(|| Failure::new(FailureKind::Server, words)));
                }
                // A second reason would undo the first in the client's hands.
                Some(Finish::Stop(_)) if choice.is_first() && self.has_reason => edits.push((token.get(), "null".to_owned())),
                Some(Finish::Stop(reason)) => {
                    self.has_reason |= choice.is_first();
                    self.progress.finished = true;
                    let reason = match (&self.text, reason) {
                        (Some(relay), StopReason::End) if choice.is_first() && relay.has_calls() => StopReason::ToolUse,
                        _ => reason,
                    };
                    if !chunk::is_known(&word) || (word == "stop" && reason == StopReason::ToolUse) {
                        edits.push((token.get(), format!("\"{}\"", chunk::word(reason))));
                    }
                }
            }
        }
        if self.is_ours {
            if is_role_only {
                return Verdict::Drop;
            }
            edits.extend(chunk.id.map(|id| (id.get(), self.id.clone())));
        } else {
            self.remember(&chunk);
        }
        // A frame that says more than a name cannot wait.
        let is_plain = matches!(choices.as_slice(), [only] if only.finish_reason.is_none_or(|raw| raw.get() == "null"))
            && !choices.iter().filter_map(|choice| choice.delta).any(says_more);
        let verdict = self.name(naming, is_plain, data, edits);
        self.with_text(verdict, &said.text)
    }

    fn remember(&mut self, chunk: &Chunk<'_>) {
        if let (true, Some(id)) = (self.id.is_empty(), chunk.id.filter(|id| id.get().len() > 2)) {
            self.id = id.get().to_owned();
            if let Some(model) = chunk.model {
                model.get().clone_into(&mut self.model);
            }
        }
    }

    fn failed(&mut self, failure: Failure) -> Verdict {
        self.release();
        self.release_text(false);
        let mut event = Vec::new();
        error::write_event(&failure, &mut event);
        self.is_over = true;
        self.progress.failure = Some(failure);
        if self.withholds {
            self.withheld = std::mem::take(&mut event);
        }
        Verdict::Replace(event)
    }

    fn own_chunk(&self, delta: &str) -> Bytes {
        let (id, model, created) = (if self.id.is_empty() { "\"\"" } else { &self.id }, &self.model, super::now());
        format!(
            "data: {{\"id\":{id},\"object\":\"chat.completion.chunk\",\"created\":{created},\"model\":{model},\
             \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}]}}\n\n"
        )
        .into()
    }

    fn held(&mut self, out: &mut Vec<u8>) {
        loop {
            match self.splitter.next_frame() {
                Ok(Some(frame)) => {
                    self.note_raw(&frame.raw);
                    let verdict = self.frame(&frame);
                    self.write(verdict, &frame.raw, out);
                }
                Ok(None) => break,
                Err(long) => {
                    if !self.is_over {
                        let verdict = self.failed(Failure::nonsense(long));
                        self.write(verdict, &Bytes::new(), out);
                    }
                    break;
                }
            }
        }
        self.is_holding = !self.splitter.pending().is_empty();
    }

    /// A whole answer in place of a stream becomes one.
    fn whole(&mut self, out: &mut Vec<u8>) {
        match stream_in::whole(&self.body, &self.map, &self.quirks) {
            Ok(response) => {
                self.progress.usage.merge(&response.usage);
                (self.progress.content, self.progress.finished) = (true, true);
                let mut encoder = Encoder::new(&self.map);
                for event in response.into_events() {
                    encoder.event(event, out, &mut self.progress.losses);
                }
                self.is_over = true;
            }
            Err(failure) => {
                let verdict = self.failed(failure);
                self.write(verdict, &Bytes::new(), out);
            }
        }
    }
}

/// Where the data of a frame of one `data:` line stands.
fn plain_data(raw: &[u8]) -> Option<std::ops::Range<usize>> {
    let line = raw.strip_suffix(b"\n\n")?;
    let value = line.strip_prefix(b"data:").filter(|value| memchr::memchr(b'\n', value).is_none())?;
    let blank = usize::from(value.starts_with(b" "));
    Some(5 + blank..line.len())
}

fn reparse(raw: &Bytes) -> Option<Frame> {
    let mut splitter = Splitter::new(raw.len());
    splitter.push(raw);
    splitter.next_frame().ok().flatten().or_else(|| splitter.finish())
}

/// Whether the data has a member of this name with a value that is not null; may err towards yes.
fn may_have(data: &[u8], name: &str) -> bool {
    memmem::find_iter(data, name.as_bytes()).any(|at| {
        let rest = data.get(at + name.len()..).unwrap_or_default();
        match rest.strip_prefix(b"\"") {
            Some(rest) => {
                let value = rest.trim_ascii_start().strip_prefix(b":").unwrap_or_default().trim_ascii_start();
                !value.is_empty() && !value.starts_with(b"null")
            }
            None => false,
        }
    })
}

/// Whether a delta says something: any text, thinking or call.
fn has_content(raw: &RawValue) -> bool {
    let Ok(delta) = read::from_str::<Delta<'_>>(raw.get()) else { return false };
    [delta.content, delta.refusal, delta.reasoning_content, delta.reasoning, delta.reasoning_details, delta.tool_calls, delta.function_call]
        .into_iter()
        .any(is_said)
        || Members::of(raw).is_some_and(|members| is_said(members.get("audio")))
}

/// Whether a delta says something beside its calls.
fn says_more(raw: &RawValue) -> bool {
    let Ok(delta) = read::from_str::<Delta<'_>>(raw.get()) else { return false };
    [delta.content, delta.refusal, delta.reasoning_content, delta.reasoning, delta.reasoning_details].into_iter().any(is_said)
}

/// Whether a delta says something beside its text.
fn says_more_than_text(raw: &RawValue) -> bool {
    let Ok(delta) = read::from_str::<Delta<'_>>(raw.get()) else { return true };
    let Delta { content: _, refusal, reasoning_content, reasoning, reasoning_details, tool_calls, function_call, annotations, images } =
        delta;
    let others = [refusal, reasoning_content, reasoning, reasoning_details, tool_calls, function_call, annotations, images];
    others.into_iter().any(is_said)
}

/// What a frame means for the text of the answer.
#[derive(Default)]
struct Said {
    text: String,
    /// No text follows that could belong to it: calls or a reason to stop.
    is_end: bool,
}

fn said(choice: &Choice<'_>) -> Said {
    let delta = choice.delta.and_then(|raw| read::from_str::<Delta<'_>>(raw.get()).ok());
    let is_over = choice.finish_reason.and_then(|raw| chunk::text(Some(raw))).is_some_and(|word| chunk::finish(&word).is_some());
    let Some(delta) = delta else { return Said { text: String::new(), is_end: is_over } };
    let is_end = is_over || is_said(delta.tool_calls) || is_said(delta.function_call);
    Said { text: chunk::text(delta.content).unwrap_or_default(), is_end }
}

fn is_said(raw: Option<&RawValue>) -> bool {
    raw.is_some_and(|raw| !matches!(raw.get(), "null" | "\"\"" | "[]" | "{}"))
}

/// Whether a frame's data, if it has any, is not cut off.
fn is_whole(frame: &Frame) -> bool {
    frame.data.is_empty() || is_done(&frame.data) || serde_json::from_slice::<&RawValue>(&frame.data).is_ok()
}

/// The pieces of calls in a delta.
fn calls(raw: &RawValue) -> Option<&RawValue> {
    serde_json::from_str::<Delta<'_>>(raw.get()).ok()?.tool_calls.filter(|raw| raw.get() != "null")
}

impl ReplyStream for Tap {
    fn push(&mut self, chunk: Bytes) -> Bytes {
        if self.is_over {
            return Bytes::new();
        }
        let mut out = Vec::new();
        let end = if self.is_holding { 0 } else { Self::plain_frames(&chunk) };
        let whole = chunk.slice(..end);
        let is_untouched = self.plain(&whole, &mut out);
        if end < chunk.len() && !self.is_over {
            self.splitter.push(&chunk[end..]);
            let before = out.len();
            self.held(&mut out);
            if is_untouched && out.len() > before {
                out.splice(0..0, whole.iter().copied());
                return out.into();
            }
        }
        if is_untouched { whole } else { out.into() }
    }

    fn end(&mut self) -> Bytes {
        let mut out = Vec::new();
        if self.is_over {
            return Bytes::new();
        }
        // A last frame without its blank line counts when it is whole.
        if let Some(frame) = self.splitter.finish().filter(is_whole) {
            self.note_raw(&renumber::replaced(&frame.data, Edits::new()).into());
            let verdict = match self.frame(&frame) {
                Verdict::Pass => Verdict::Replace(renumber::replaced(&frame.data, Edits::new())),
                other => other,
            };
            self.write(verdict, &Bytes::new(), &mut out);
        }
        self.release();
        self.release_text(self.progress.finished);
        out.append(&mut self.released);
        if self.is_over {
        } else if !self.body.is_empty() && !self.progress.content {
            self.whole(&mut out);
        } else if self.progress.finished {
            self.is_over = true;
            out.extend_from_slice(b"data: [DONE]\n\n");
        } else {
            let verdict = self.failed(Failure::broken_off("the provider's answer broke off before its end"));
            self.write(verdict, &Bytes::new(), &mut out);
        }
        out.into()
    }

    fn fail(&mut self, failure: &Failure) -> Bytes {
        self.withholds = false;
        if self.is_over {
            return std::mem::take(&mut self.withheld).into();
        }
        let (mut out, verdict) = (Vec::new(), self.failed(failure.clone()));
        self.write(verdict, &Bytes::new(), &mut out);
        out.into()
    }

    fn keep_alive(&mut self) -> Bytes {
        // Half a frame may be under way to the client only where we let it: never.
        if self.is_over {
            Bytes::new()
        } else if self.naming.is_some() {
            // A name that has not gone on for so long is whole.
            self.release();
            std::mem::take(&mut self.released).into()
        } else if self.id.is_empty() {
            self.early_start()
        } else {
            self.own_chunk("{}")
        }
    }

    fn early_start(&mut self) -> Bytes {
        if self.is_over || !self.id.is_empty() {
            return Bytes::new();
        }
        self.id = format!("\"{}\"", answer_id(super::ID, &self.map.id, None));
        self.is_ours = true;
        self.own_chunk(r#"{"role":"assistant","content":""}"#)
    }

    fn progress(&self) -> &Progress {
        &self.progress
    }

    fn withhold(&mut self) {
        self.withholds = true;
    }

    fn hand_over(&mut self, chars: usize) -> Option<Box<dyn StreamEncoder>> {
        let mut encoder = Encoder::new(&self.map);
        encoder.resume(&self.id, &self.model, chars);
        self.is_over = true;
        Some(Box::new(encoder))
    }
}
