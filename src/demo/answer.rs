//! How the demo's answer looks on the wire: one JSON object, or a stream of chunks with pauses between the words.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use serde_json::{Value, json};
use tokio::time::{Instant, Sleep};

use super::MODEL;
use super::asked::Asked;
use super::decide::Reply;

/// The pause between two words, unless there are so many that the whole would take longer than [`STREAM_MAX`].
const PAUSE: Duration = Duration::from_millis(8);
const STREAM_MAX: Duration = Duration::from_secs(3);

/// An answer with its id, model and counts.
pub(crate) struct Answer {
    id: String,
    created: u64,
    model: String,
    reply: Reply,
    finish: &'static str,
    usage: Value,
}

impl Answer {
    /// Wraps a reply; a text is cut to the tokens that were asked for, a word counting as one.
    pub(crate) fn new(asked: &Asked, reply: Reply, body_bytes: usize) -> Self {
        let (reply, finish) = match reply {
            Reply::Text(text) => match cut(&text, asked.tokens_max) {
                Some(cut) => (Reply::Text(cut), "length"),
                None => (Reply::Text(text), "stop"),
            },
            call @ Reply::Call { .. } => (call, "tool_calls"),
        };
        // About four bytes a token: a demo has no tokenizer.
        let prompt = body_bytes / 4 + 1;
        let completion = match &reply {
            Reply::Text(text) => words(text).len(),
            Reply::Call { arguments, .. } => arguments.len() / 4 + 1,
        };
        let usage = json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion });
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        Self { id: unique(created), created, model: asked.model.clone(), reply, finish, usage }
    }

    /// The answer as one `chat.completion`.
    pub(crate) fn whole(&self) -> String {
        let message = match &self.reply {
            Reply::Text(text) => json!({ "role": "assistant", "content": text }),
            Reply::Call { name, arguments } => {
                json!({ "role": "assistant", "content": null, "tool_calls": [self.call(name, arguments)] })
            }
        };
        let choice = json!({ "index": 0, "message": message, "finish_reason": self.finish, "logprobs": null });
        let (id, created, model, usage) = (&self.id, self.created, &self.model, &self.usage);
        json!({ "id": format!("chatcmpl-{id}"), "object": "chat.completion", "created": created, "model": model, "choices": [choice], "usage": usage })
            .to_string()
    }

    /// The answer as server-sent events, one a frame, `[DONE]` last.
    pub(crate) fn frames(&self, include_usage: bool) -> Vec<Bytes> {
        let mut frames = vec![self.delta(json!({ "role": "assistant", "content": "" }), None)];
        match &self.reply {
            Reply::Text(text) => frames.extend(words(text).iter().map(|word| self.delta(json!({ "content": word }), None))),
            Reply::Call { name, arguments } => {
                let mut first = self.call(name, "");
                if let Some(call) = first.as_object_mut() {
                    call.insert("index".to_owned(), json!(0));
                }
                frames.push(self.delta(json!({ "tool_calls": [first] }), None));
                let rest = json!({ "index": 0, "function": { "arguments": arguments } });
                frames.push(self.delta(json!({ "tool_calls": [rest] }), None));
            }
        }
        frames.push(self.delta(json!({}), Some(self.finish)));
        if include_usage {
            frames.push(self.chunk(json!([]), &self.usage));
        }
        frames.push(Bytes::from_static(b"data: [DONE]\n\n"));
        frames
    }

    fn call(&self, name: &str, arguments: &str) -> Value {
        json!({ "id": format!("call_{}", self.id), "type": "function", "function": { "name": name, "arguments": arguments } })
    }

    fn delta(&self, delta: Value, finish: Option<&str>) -> Bytes {
        self.chunk(json!([{ "index": 0, "delta": delta, "finish_reason": finish, "logprobs": null }]), &Value::Null)
    }

    fn chunk(&self, choices: Value, usage: &Value) -> Bytes {
        let (id, created, model) = (&self.id, self.created, &self.model);
        let chunk = json!({ "id": format!("chatcmpl-{id}"), "object": "chat.completion.chunk", "created": created, "model": model, "choices": choices, "usage": usage });
        Bytes::from(format!("data: {chunk}\n\n"))
    }
}

/// An id that no other answer has, of this process or one before it.
fn unique(created: u64) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut random = [0; 4];
    // Without random bytes the second and the count still tell answers apart.
    let _ = getrandom::fill(&mut random);
    format!("demo{created:x}{:08x}{count:x}", u32::from_le_bytes(random))
}

/// The words of a text with the blanks that follow them; joined, they are the text.
fn words(text: &str) -> Vec<&str> {
    text.split_inclusive([' ', '\n']).collect()
}

fn cut(text: &str, tokens_max: Option<u64>) -> Option<String> {
    let max = usize::try_from(tokens_max?).unwrap_or(usize::MAX);
    let words = words(text);
    (words.len() > max).then(|| words.get(..max).unwrap_or_default().concat())
}

/// The body of `GET /v1/models`.
pub(crate) fn models() -> String {
    json!({ "object": "list", "data": [{ "id": MODEL, "object": "model", "created": 0, "owned_by": "aimux" }] }).to_string()
}

/// An error body.
pub(crate) fn error(message: &str) -> String {
    json!({ "error": { "message": message, "type": "invalid_request_error", "param": null, "code": null } }).to_string()
}

/// A body whose frames come one by one, with a pause before each but the first.
#[derive(Debug)]
pub(crate) struct Paced {
    frames: VecDeque<Bytes>,
    gap: Duration,
    // Made at the first pause: a body of one frame needs no timer.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    pub(crate) fn new(frames: Vec<Bytes>) -> Self {
        let count = u32::try_from(frames.len()).unwrap_or(u32::MAX).max(1);
        Self { frames: frames.into(), gap: PAUSE.min(STREAM_MAX / count), pause: None }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.frames.is_empty() {
            return Poll::Ready(None);
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
        }
        let frame = self.frames.pop_front();
        if !self.frames.is_empty() {
            let until = Instant::now() + self.gap;
            match &mut self.pause {
                Some(pause) => pause.as_mut().reset(until),
                None => self.pause = Some(Box::pin(tokio::time::sleep_until(until))),
            }
        }
        Poll::Ready(frame.map(|frame| Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        // A single frame is a whole answer, and gets a content-length; a stream is chunked.
        match (self.frames.len(), self.frames.front()) {
            (1, Some(frame)) => SizeHint::with_exact(u64::try_from(frame.len()).unwrap_or(u64::MAX)),
            (0, _) => SizeHint::with_exact(0),
            _ => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Asked {
        Asked::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_text_longer_than_asked_for_is_cut_and_says_so() {
        let asked = asked(r#"{"max_tokens":2,"messages":[]}"#);
        let answer = Answer::new(&asked, Reply::Text("one two three".into()), 40);
        let whole: Value = serde_json::from_str(&answer.whole()).unwrap();
        assert_eq!(
            (&whole["choices"][0]["message"]["content"], &whole["choices"][0]["finish_reason"]),
            (&json!("one two "), &json!("length"))
        );
        assert_eq!(whole["usage"], json!({ "prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13 }));
    }

    #[test]
    fn a_call_has_one_id_in_all_its_frames_and_another_one_the_next_time() {
        let asked = asked(r#"{"messages":[]}"#);
        let call = || Answer::new(&asked, Reply::Call { name: "Bash".into(), arguments: r#"{"command":"ls"}"#.into() }, 40);
        let (one, two) = (call(), call());
        assert_ne!(one.id, two.id);
        let frames = one.frames(false);
        let parse = |frame: &Bytes| -> Value { serde_json::from_slice(&frame[6..]).unwrap() };
        let first = parse(&frames[1]);
        assert_eq!(first["choices"][0]["delta"]["tool_calls"][0]["function"], json!({ "name": "Bash", "arguments": "" }));
        let rest = parse(&frames[2]);
        assert_eq!(rest["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"], r#"{"command":"ls"}"#);
        assert_eq!(parse(&frames[3])["choices"][0]["finish_reason"], "tool_calls");
        assert_eq!(frames.len(), 5);
    }
}
