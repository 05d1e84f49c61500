//! What one request has shown, read off its pieces when it is over.

use std::time::Duration;

use bytes::Bytes;

use super::exchange::{Broken, Timed};
use super::scenario::Scenario;
use crate::chat::{BlockStart, Delta, Event, Usage};
use crate::upstream::Written;
use crate::upstream::client::SendErrorKind;

/// One event of a stream is no longer than this, in bytes.
const FRAME_MAX: usize = 8 << 20;

/// What one request has shown. Times are since it was to start.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    /// To the head of the answer.
    pub(super) ttfb: Option<Duration>,
    /// To the first piece of text, thinking or a call.
    pub(super) ttft: Option<Duration>,
    /// To the end.
    pub(super) total: Duration,
    /// Between pieces that brought content.
    pub(super) gaps: Vec<Duration>,
    /// Tokens, as the answer says.
    pub(super) usage: Usage,
    /// Tokens of output a second, from the first to the last.
    pub(super) tokens_per_s: Option<f64>,
    /// Why it failed.
    pub(super) error: Option<String>,
    /// Calls that fit their tools, and those that do not.
    pub(super) calls: [u64; 2],
    /// Which target an aimux says has answered.
    pub(super) answered_by: Option<String>,
    /// The bench ended before it did.
    pub(super) is_stopped: bool,
}

impl Sample {
    /// Reads what came.
    pub(super) fn read(timed: &Timed, written: &Written, scenario: &Scenario) -> Self {
        let mut sample = Self {
            ttfb: timed.head,
            total: timed.end,
            answered_by: crate::cli::route::who_answers(&timed.headers),
            is_stopped: timed.broken == Some(Broken::Stopped),
            ..Self::default()
        };
        let code = timed.headers.get("x-aimux-error").and_then(|value| value.to_str().ok());
        sample.error = match (timed.broken, timed.status) {
            (Some(broken), _) => Some(word(broken).to_owned()),
            (None, 200..300) => None,
            (None, status) => Some(code.map_or_else(|| format!("HTTP {status}"), |code| format!("HTTP {status} {code}"))),
        };
        if sample.error.is_none() {
            let chunks: Vec<Bytes> = timed.chunks.iter().map(|(_, chunk)| chunk.clone()).collect();
            sample.events(timed, written.read(&chunks, FRAME_MAX), scenario);
        }
        sample
    }

    fn events(&mut self, timed: &Timed, events: Vec<(usize, Event)>, scenario: &Scenario) {
        let at = |chunk: usize| timed.chunks.get(chunk).map_or(timed.end, |(at, _)| *at);
        let mut last: Option<(usize, Duration)> = None;
        let mut calls: Vec<(u32, String, String)> = Vec::new();
        let mut is_over = false;
        for (chunk, event) in events {
            let is_content = match &event {
                Event::BlockStart { index, block: BlockStart::ToolCall { name, .. } } => {
                    calls.push((*index, name.clone(), String::new()));
                    true
                }
                Event::Delta { index, delta: Delta::Arguments(piece) } => {
                    if let Some((.., arguments)) = calls.iter_mut().find(|(known, ..)| known == index) {
                        arguments.push_str(piece);
                    }
                    !piece.is_empty()
                }
                Event::Delta { delta: Delta::Text(piece) | Delta::Thinking(piece), .. } => !piece.is_empty(),
                _ => false,
            };
            match event {
                Event::Usage(usage) => self.usage.merge(&usage),
                Event::End => is_over = true,
                Event::Failed(failure) => {
                    // A stream of an aimux names its code at the end of the sentence.
                    let code = failure.message.rsplit_once("(AIMUX-").and_then(|(_, code)| code.strip_suffix(')'));
                    self.error = Some(code.map_or_else(|| "in the stream".to_owned(), |code| format!("in the stream AIMUX-{code}")));
                }
                _ => {}
            }
            if is_content && last.is_none_or(|(former, _)| former != chunk) {
                let now = at(chunk);
                match last {
                    None => self.ttft = Some(now),
                    Some((_, former)) => self.gaps.push(now.saturating_sub(former)),
                }
                last = Some((chunk, now));
            }
        }
        if !is_over && self.error.is_none() {
            self.error = Some("incomplete".to_owned());
        }
        for (_, name, arguments) in &calls {
            let [valid, invalid] = &mut self.calls;
            *(if scenario.is_valid(name, arguments) { valid } else { invalid }) += 1;
        }
        if let (Some(first), Some((_, end)), Some(output)) = (self.ttft, last, self.usage.output) {
            // An answer that came in one piece was made before: its time began with the request.
            let took = if end > first { end - first } else { end };
            self.tokens_per_s = (took > Duration::ZERO && output > 0).then(|| output as f64 / took.as_secs_f64());
        }
    }
}

fn word(broken: Broken) -> &'static str {
    match broken {
        Broken::Send(SendErrorKind::Resolve) => "no such host",
        Broken::Send(SendErrorKind::Connect) => "no connection",
        Broken::Send(SendErrorKind::Tls) => "TLS",
        Broken::Send(SendErrorKind::Timeout) => "connecting took too long",
        Broken::Send(SendErrorKind::Broken) => "broke off",
        Broken::Late => "took too long",
        Broken::TooLong => "too long an answer",
        Broken::Stopped => "stopped",
    }
}
