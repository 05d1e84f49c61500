//! Attempts until the first content: sends, and asks [`crate::route::Attempts`] what to do about each failure.
//!
//! Before the first content nothing has been said that binds us to one target; after it, [`super::Relay`] goes on alone.
//! One attempt is told in `attempt.rs`.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::account::Account;
use super::attempt::{Attempted, Told};
use super::echo::Echo;
use super::hedge::{Finished, Runner, refused};
use super::job::Job;
use super::refusal::{Refusal, all_resting, bug, full, too_late};
use super::relay::Relay;
use super::resume::Resume;
use super::settle::Settlement;
use crate::chat::{Loss, Usage, lose};
use crate::ledger::Ending;
use crate::route::estimate::output_tokens;
use crate::route::{Attempts, Form, Happened, Step, Target, Verdict};

const X_AIMUX_PROVIDER: HeaderName = HeaderName::from_static("x-aimux-provider");
const X_AIMUX_MODEL: HeaderName = HeaderName::from_static("x-aimux-model");
const X_AIMUX_ROUTE: HeaderName = HeaderName::from_static("x-aimux-route");
const X_AIMUX_ATTEMPTS: HeaderName = HeaderName::from_static("x-aimux-attempts");
const X_AIMUX_FAILED: HeaderName = HeaderName::from_static("x-aimux-failed");
/// What became of the session: `new`, `kept` or `moved (failed)`.
const X_AIMUX_SESSION: HeaderName = HeaderName::from_static("x-aimux-session");
const X_AIMUX_LOSS: HeaderName = HeaderName::from_static("x-aimux-loss");

/// The most losses in the header, which clients and proxies give little room.
const LOSSES_SHOWN: usize = 20;

/// What comes back.
pub enum Answer {
    /// A stream, its content begun.
    Stream {
        /// The body.
        relay: Box<Relay>,
        /// Headers for the client.
        headers: HeaderMap,
    },
    /// A whole answer.
    Whole {
        /// The body, in the client's dialect.
        body: Bytes,
        /// Headers for the client.
        headers: HeaderMap,
    },
    /// No answer.
    Refused(Box<Refusal>),
}

/// Tries the plan's targets until one answers.
pub async fn drive(mut job: Job) -> Answer {
    // Jitter wants to differ, not to be a secret: a map's seed does, and costs no call of the system.
    let seed = RandomState::new().build_hasher().finish();
    let attempts = Attempts::new(&job.plan, &job.table.retry, job.table.breaker.as_ref(), job.received, seed);
    let attempts = attempts.preferring(job.record.stick.as_ref().map_or("", |stick| &stick.key));
    let attempts = attempts
        .of_input(job.input_estimate)
        .of_tokens(job.tokens())
        .in_form(Form::of(job.peek.stream))
        .hedging(&job.plan, &job.record.facts);
    let mut settlement = job.settlement(attempts);
    let mut happened = Happened::Begin;
    let mut last: Option<Refusal> = None;
    loop {
        let step = settlement.attempts.next(Instant::now(), &happened, &mut job.upstreams.health());
        if matches!(happened, Happened::Refused { .. } | Happened::Broken) {
            job.upstreams.call_line();
        }
        match step {
            Step::Send { target, key } => {
                let Some(first) = job.runner(target, key) else { return job.refuse(settlement, bug()) };
                settlement.begin(first.target, first.key());
                let hedge_at = job.plan.hedge.and_then(|_| settlement.attempts.hedge_at(&job.upstreams.health()));
                let Finished { runner, attempted, asked, told } = match hedge_at {
                    None => {
                        let mut told = Told::default();
                        let (attempted, asked) = job.run(first, &mut told).await;
                        Finished { runner: first, attempted, asked, told }
                    }
                    // Seldom, and large: a request that asks no second target keeps no room for it.
                    Some(at) => Box::pin(job.race(first, at, &mut settlement)).await,
                };
                let (Runner { target, key_index }, key) = (runner, runner.key());
                let Told { mut losses, is_reused, room, .. } = told;
                if let Some(room) = room {
                    settlement.attempts.told(Instant::now(), &mut job.upstreams.health(), room);
                }
                (settlement.losses, settlement.is_reused) = (losses.len(), is_reused);
                match attempted {
                    Attempted::Content(mut begun) => {
                        settlement.attempts.next(Instant::now(), &Happened::Content, &mut job.upstreams.health());
                        settlement.answered(&job, target, key);
                        // What the answer loses from here on only the log can tell.
                        let progress = begun.reply.progress();
                        progress.losses.iter().for_each(|loss| lose(&mut losses, loss.clone()));
                        let headers = job.headers_for(begun.headers, target, &settlement, &losses);
                        settlement.first_content = Some(job.received.elapsed());
                        if begun.upstream.is_none() {
                            settlement.ending = Ending::Complete;
                            settlement.usage = progress.usage;
                            settlement.account.is_counted = true;
                        }
                        settlement.lost.clone_from(&progress.losses);
                        let echo = Echo::of(&asked, key_index);
                        let patience = job.patience();
                        let resume = if begun.upstream.is_some() { Resume::of(job, begun.reply.as_mut()) } else { None };
                        let relay = Relay::new(begun.reply, begun.upstream, [begun.held, begun.unread], patience, echo, settlement);
                        return Answer::Stream { relay: Box::new(relay.gone_on_by(resume)), headers };
                    }
                    Attempted::Whole { body, usage, headers, losses: lost } => {
                        settlement.attempts.next(Instant::now(), &Happened::Content, &mut job.upstreams.health());
                        settlement.answered(&job, target, key);
                        settlement.usage = usage;
                        settlement.account.is_counted = true;
                        settlement.ending = Ending::Complete;
                        lost.iter().for_each(|loss| lose(&mut losses, loss.clone()));
                        settlement.losses = losses.len();
                        let headers = job.headers_for(headers, target, &settlement, &losses);
                        return Answer::Whole { body, headers };
                    }
                    Attempted::Unsayable(refusal) => {
                        settlement.failed(None, refusal.code);
                        return job.refuse(settlement, refusal);
                    }
                    Attempted::Refused(refusal) => {
                        settlement.failed(Some(refusal.failure.status), refusal.code);
                        tracing::warn!(request_id = %job.request_id, provider = %target.provider.name, model = %target.model,
                            status = refusal.failure.status, "the provider refused");
                        happened = refused(&refusal);
                        last = Some(job.with_target_headers(refusal, target, &settlement));
                    }
                    Attempted::Broken(refusal) => {
                        settlement.failed(None, refusal.code);
                        tracing::warn!(request_id = %job.request_id, provider = %target.provider.name, model = %target.model,
                            reason = %refusal.failure.message, "the provider broke off");
                        happened = Happened::Broken;
                        last = Some(job.with_target_headers(refusal, target, &settlement));
                    }
                }
            }
            Step::Wait(wait) => {
                tokio::time::sleep(wait).await;
                happened = Happened::Tick;
            }
            Step::Queue(wait) => {
                job.upstreams.place_or(wait).await;
                happened = Happened::Tick;
            }
            // A race ends with one attempt under way.
            Step::Commit | Step::Await => return job.refuse(settlement, bug()),
            Step::Fail(verdict) => {
                let refusal = match verdict {
                    Verdict::LastFailure => last.unwrap_or_else(bug),
                    Verdict::AllResting(rest) => all_resting(rest),
                    Verdict::Full(rest) => full(rest),
                    Verdict::Deadline | Verdict::ClientGone => too_late(),
                    // Of an answer that has begun, which this knows nothing of.
                    Verdict::Broken(_) => last.unwrap_or_else(bug),
                };
                return job.refuse(settlement, refusal);
            }
        }
    }
}

impl Job {
    /// What the request may take of a limit of tokens per minute; looked up only where one of its targets has such a limit.
    fn tokens(&self) -> u64 {
        let counts = |target: &Target| target.provider.limits.counts_tokens() || target.provider.key_limits.counts_tokens();
        let is_limited = self.plan.targets.iter().any(counts);
        if is_limited { self.input_estimate.saturating_add(output_tokens(&self.body)) } else { 0 }
    }

    fn settlement(&mut self, attempts: Attempts) -> Settlement {
        Settlement {
            number: self.upstreams.live().began(self.received, &self.request_id),
            upstreams: Arc::clone(&self.upstreams),
            _places: std::mem::take(&mut self.places),
            _table: Arc::clone(&self.table),
            attempts,
            request_id: self.request_id.clone(),
            client: self.client.name(),
            asked: self.peek.model.clone(),
            route: self.plan.route.clone(),
            why: self.record.chosen.word(),
            provider: String::new(),
            model: String::new(),
            status: 200,
            received: self.received,
            first_content: None,
            usage: Usage::default(),
            losses: 0,
            lost: Vec::new(),
            is_reused: None,
            ending: Ending::ClientGone,
            code: None,
            stayed: None,
            hedge: None,
            account: Account::of(self),
            guard: None,
        }
    }

    fn refuse(&self, mut settlement: Settlement, refusal: Refusal) -> Answer {
        settlement.status = refusal.failure.status;
        settlement.ending = Ending::Failed;
        settlement.code = Some(refusal.code);
        Answer::Refused(Box::new(refusal))
    }

    fn headers_for(&self, mut headers: HeaderMap, target: &Target, settlement: &Settlement, losses: &[Loss]) -> HeaderMap {
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        set(X_AIMUX_PROVIDER, &target.provider.name);
        set(X_AIMUX_MODEL, &target.model);
        set(X_AIMUX_ROUTE, &self.plan.route);
        set(X_AIMUX_ATTEMPTS, &settlement.attempts.made.to_string());
        let failed = settlement.account.failed_before();
        if !failed.is_empty() {
            set(X_AIMUX_FAILED, &failed);
        }
        if let Some(guard) = &settlement.guard {
            set(X_AIMUX_SESSION, &guard.word());
        }
        if !losses.is_empty() {
            let mut text: Vec<String> = losses.iter().take(LOSSES_SHOWN).map(Loss::to_string).collect();
            if losses.len() > LOSSES_SHOWN {
                text.push(format!("and {} more", losses.len() - LOSSES_SHOWN));
            }
            set(X_AIMUX_LOSS, &text.join(", "));
        }
        headers
    }

    fn with_target_headers(&self, refusal: Refusal, target: &Target, settlement: &Settlement) -> Refusal {
        Refusal { headers: self.headers_for(refusal.headers, target, settlement, &[]), ..refusal }
    }
}
