//! A streamed answer that broke off in its text, gone on with by another target, where the rule says so.
//!
//! It waits beside the relay and reads what the client is sent. When the upstream dies, [`crate::route::Attempts`] says who is
//! asked; each attempt is one like those before the first content, but for the request, which ends with what was said. The
//! client's stream is written on by the encoder that began it. Lacks the keep-alives and the deadline, which are the
//! relay's. Start with [`Resume::cut`], then [`Resume::poll`].

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;

use super::attempt::{Attempted, Begun, Told};
use super::echo::Echo;
use super::job::Job;
use super::refusal::Refusal;
use super::settle::Settlement;
use crate::chat::seam::Seam;
use crate::chat::{Event, Failure, FailureKind, Usage};
use crate::dialect::continued::Before;
use crate::dialect::said::{Bar, Said};
use crate::dialect::{Dialect, GoOn, ReplyStream, StreamEncoder};
use crate::error::Code;
use crate::route::table::{Continue, Provider};
use crate::route::{Cut, Happened, Stay, Step, Target, Verdict};
use crate::wire::splice::{Spliced, splice};

/// About how many bytes of text a token has.
const TOKEN_BYTES: u64 = 4;

/// An answer so far, for another target to go on with.
#[derive(Debug, Clone)]
pub struct Partial {
    /// Its text.
    pub(super) text: String,
    /// What it took, as the client is told.
    pub(super) usage: Usage,
    /// Bytes of text and of thinking.
    bytes: usize,
}

/// What stands ready to go on with an answer.
pub(super) struct Resume {
    /// `None` while an attempt has it.
    job: Option<Box<Job>>,
    said: Said,
    state: State,
    /// Writes the client's stream while nobody answers.
    encoder: Option<Box<dyn StreamEncoder>>,
    /// What the client is told if nobody goes on.
    failure: Option<(Failure, Code)>,
}

enum State {
    /// The answer is on its way.
    Beside,
    /// Another target is asked.
    Attempt(Pin<Box<dyn Future<Output = Went> + Send>>),
    /// A target is waited for.
    Pause(Pin<Box<dyn Future<Output = Box<Job>> + Send>>),
}

/// An attempt that is over.
struct Went {
    job: Box<Job>,
    target: Target,
    key: usize,
    attempted: Attempted,
    told: Told,
    asked: Arc<Provider>,
}

/// What came of it.
pub(super) enum Resumed {
    /// Another answers, beginning with these bytes.
    On(Box<Begun>, Bytes, Option<Echo>),
    /// Nobody does: the client's last words, and why.
    Over(Bytes, Code),
}

impl Resume {
    /// For a streamed answer that may be gone on with; `None`: this one may not.
    pub(super) fn of(job: Job, reply: &mut dyn ReplyStream) -> Option<Box<Self>> {
        if job.plan.continues == Continue::Off {
            return None;
        }
        reply.withhold();
        let said = Said::new(job.client, job.limits.frame_bytes);
        Some(Box::new(Self { job: Some(Box::new(job)), said, state: State::Beside, encoder: None, failure: None }))
    }

    /// Takes what the client is sent.
    pub(super) fn hear(&mut self, sent: &[u8]) {
        self.said.hear(sent);
    }

    /// Whether somebody is looked for.
    pub(super) fn is_under_way(&self) -> bool {
        self.encoder.is_some()
    }

    /// The answer broke off. Whether another target is asked to go on.
    pub(super) fn cut(&mut self, reply: &mut dyn ReplyStream, settlement: &mut Settlement, failure: &Failure, code: Code) -> bool {
        let Some(mut job) = self.job.take() else { return false };
        // A schema is not fitted by two halves, and of several answers each would need another.
        let is_text = !job.peek.structured && job.is_for_text();
        let bar = self.said.bar.or((!is_text).then_some(Bar::Other));
        let cut = Cut { bar, status: failure.status, kind: failure.kind };
        let step = settlement.attempts.next(Instant::now(), &Happened::Cut(cut), &mut job.upstreams.health());
        if let Step::Fail(verdict) = step {
            settlement.stayed = Some(if let Verdict::Broken(stay) = verdict { stay } else { Stay::Nobody });
            return false;
        }
        let Some(encoder) = reply.hand_over(self.said.text.chars().count()) else { return false };
        tracing::warn!(request_id = %job.request_id, provider = %settlement.provider, model = %settlement.model,
            reason = %failure.message, "the provider's answer broke off; another goes on with it");
        job.upstreams.call_line();
        let bytes = self.said.text.len() + self.said.thought;
        let (before, counted) = job.partial.take().map(|partial| (partial.usage, partial.bytes)).unwrap_or_default();
        let told = settlement.broken(code, (bytes.saturating_sub(counted) as u64).div_ceil(TOKEN_BYTES));
        job.partial = Some(Partial { text: self.said.text.clone(), usage: joined(before, told), bytes });
        (self.encoder, self.failure) = (Some(encoder), Some((failure.clone(), code)));
        self.step(step, job, settlement);
        true
    }

    /// Does what the attempts say; false: it is over.
    fn step(&mut self, step: Step, job: Box<Job>, settlement: &mut Settlement) -> bool {
        self.state = match step {
            Step::Send { target, key } => {
                let Some(target) = job.plan.targets.get(target).cloned() else { return false };
                settlement.begin(&target, target.provider.keys.get(key));
                State::Attempt(Box::pin(async move {
                    let mut told = Told::default();
                    let (attempted, asked) = job.attempt_with(&target, key, &mut told).await;
                    Went { job, target, key, attempted, told, asked }
                }))
            }
            Step::Wait(wait) => State::Pause(Box::pin(async move {
                tokio::time::sleep(wait).await;
                job
            })),
            Step::Queue(wait) => State::Pause(Box::pin(async move {
                job.upstreams.place_or(wait).await;
                job
            })),
            Step::Commit | Step::Await | Step::Fail(_) => return false,
        };
        true
    }

    /// The next thing that comes of it.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, settlement: &mut Settlement) -> Poll<Resumed> {
        loop {
            let (job, happened) = match &mut self.state {
                State::Beside => return Poll::Ready(self.over()),
                State::Pause(pause) => (std::task::ready!(pause.as_mut().poll(cx)), Happened::Tick),
                State::Attempt(attempt) => {
                    let went = std::task::ready!(attempt.as_mut().poll(cx));
                    self.state = State::Beside;
                    match self.went(went, settlement) {
                        Ok(resumed) => return Poll::Ready(resumed),
                        Err(failed) => failed,
                    }
                }
            };
            self.state = State::Beside;
            let step = settlement.attempts.next(Instant::now(), &happened, &mut job.upstreams.health());
            job.upstreams.call_line();
            if !self.step(step, job, settlement) {
                return Poll::Ready(self.over());
            }
        }
    }

    fn went(&mut self, went: Went, settlement: &mut Settlement) -> Result<Resumed, (Box<Job>, Happened)> {
        let Went { job, target, key, attempted, told: Told { losses, is_reused, room, .. }, asked } = went;
        if let Some(room) = room {
            settlement.attempts.told(Instant::now(), &mut job.upstreams.health(), room);
        }
        settlement.is_reused = is_reused;
        let (refusal, happened) = match attempted {
            Attempted::Content(mut begun) => {
                settlement.attempts.next(Instant::now(), &Happened::Content, &mut job.upstreams.health());
                settlement.answered(&job, &target, target.provider.keys.get(key));
                settlement.losses += losses.len();
                let encoder = self.encoder.take();
                let out = encoder.map(|encoder| begun.reply.go_on(encoder)).unwrap_or_default();
                self.job = Some(job);
                self.said.hear(&out);
                return Ok(Resumed::On(begun, out, Echo::of(&asked, key)));
            }
            Attempted::Refused(refusal) => {
                settlement.failed(Some(refusal.failure.status), refusal.code);
                let happened = Happened::Refused {
                    status: refusal.failure.status,
                    kind: refusal.failure.kind,
                    retry_after_ms: refusal.failure.retry_after.as_ref().and_then(|after| after.ms),
                    tool_call_failed: refusal.failure.code.as_deref() == Some("tool_use_failed"),
                };
                (refusal, happened)
            }
            Attempted::Broken(refusal) => {
                settlement.failed(None, refusal.code);
                (refusal, Happened::Broken)
            }
            // What cannot be said to this one may be sayable to the next, and is no fault of its.
            Attempted::Unsayable(refusal) => {
                settlement.failed(None, refusal.code);
                let (status, kind) = (404, FailureKind::NotFound);
                (refusal, Happened::Refused { status, kind, retry_after_ms: None, tool_call_failed: false })
            }
            // A stream is never answered whole.
            Attempted::Whole { .. } => return Ok(self.over()),
        };
        tracing::warn!(request_id = %job.request_id, provider = %settlement.provider, model = %settlement.model,
            reason = %refusal.failure.message, "the provider did not go on with the answer of another");
        Err((job, happened))
    }

    /// Something real that means nothing.
    pub(super) fn keep_alive(&mut self) -> Bytes {
        let mut out = Vec::new();
        if let Some(encoder) = &mut self.encoder {
            encoder.keep_alive(&mut out);
        }
        out.into()
    }

    /// Nobody goes on: the failure that broke the answer off is said.
    fn over(&mut self) -> Resumed {
        let (failure, code) =
            self.failure.take().unwrap_or_else(|| (Failure::broken_off("the provider's answer broke off"), Code::UpstreamBroken));
        Resumed::Over(self.last_words(failure), code)
    }

    /// The client's stream is ended with a failure.
    pub(super) fn last_words(&mut self, failure: Failure) -> Bytes {
        self.state = State::Beside;
        let mut out = Vec::new();
        if let Some(mut encoder) = self.encoder.take() {
            encoder.event(Event::Failed(failure), &mut out, &mut Vec::new());
        }
        out.into()
    }
}

/// What all before took, as the client is told: the input of the first, and all of the output.
fn joined(before: Usage, now: Usage) -> Usage {
    let first = if before.input.is_some() { before } else { now };
    let output = before.output.unwrap_or(0).saturating_add(now.output.unwrap_or(0));
    Usage { output: Some(output), ..first }
}

/// Whether a client of this dialect tells one block of thinking from the next.
fn parts_thinking(client: Dialect) -> bool {
    match client {
        Dialect::AnthropicMessages => true,
        Dialect::OpenAiChat => false,
    }
}

impl Job {
    /// Whether the client asks for no more than a text that another can go on with.
    fn is_for_text(&self) -> bool {
        let target = self.plan.targets.first();
        target.is_some_and(|target| (self.client.codec().go_on)(&self.body, "", &target.upstream(self.client)).is_some())
    }

    /// The request's body for a target that goes on with an answer, and what is known of that; the body as it is where nothing
    /// broke off.
    pub(super) fn gone_on(&self, target: &Target, body: Spliced) -> Result<(Spliced, Option<Before>), Box<Refusal>> {
        let Some(Partial { text, usage, bytes: _ }) = &self.partial else { return Ok((body, None)) };
        let body = body.into_bytes();
        let edited = (target.endpoint().dialect.codec().go_on)(&body, text, &target.upstream(self.client));
        let GoOn { edits, expected } = edited.ok_or_else(|| {
            let failure = Failure::new(FailureKind::InvalidRequest, "the answer to this request cannot be gone on with");
            Box::new(Refusal::new(Code::Unsupported, failure))
        })?;
        let edits: Vec<_> = edits.iter().map(|(span, with)| (span.clone(), with.as_slice())).collect();
        let shows_thinking = text.is_empty() && parts_thinking(self.client);
        let before = Before { seam: Seam::new(text, &expected), usage: *usage, shows_thinking };
        Ok((splice(&body, &edits), Some(before)))
    }
}
