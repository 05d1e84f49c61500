//! Attempts until the first content: renders, sends, holds the preamble back, and asks [`crate::route::Attempts`] what to
//! do about each failure.
//!
//! Before the first content nothing has been said that binds us to one target; after it, [`super::Relay`] goes on alone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use tokio::sync::OwnedSemaphorePermit;

use super::client::{Client, SendError, UpstreamBody};
use super::headers;
use super::relay::{Patience, Relay, read_whole};
use super::settle::{Ending, Settlement};
use crate::chat::{ChatResponse, Event, Failure, FailureKind, Loss, RetryAfter, Usage};
use crate::config::Limits;
use crate::dialect::transcode::{Rendered, Transcoder, render};
use crate::dialect::{Dialect, Progress, ReplyMap, ReplyStream, StreamDecoder};
use crate::error::Code;
use crate::route::table::Key;
use crate::route::{Attempts, Happened, Health, Plan, Step, Table, Target, Verdict};
use crate::secret::Secret;
use crate::wire::peek::Peek;
use crate::wire::sse::Splitter;

/// The most bytes of an error body that are read.
const ERROR_BODY_MAX: usize = 1 << 20;

/// A count that takes longer is estimated.
const COUNT_TOKENS: Duration = Duration::from_secs(10);

/// What all requests share: connections and the memory of targets.
#[derive(Debug)]
pub struct Upstreams {
    /// Connections.
    pub client: Client,
    health: Mutex<Health>,
}

impl Upstreams {
    /// With an empty memory.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, health: Mutex::default() }
    }

    /// The memory of targets and keys, locked for one step.
    pub fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request on its way up.
pub struct Job {
    /// What all requests share.
    pub upstreams: Arc<Upstreams>,
    /// The compiled config.
    pub table: Arc<Table>,
    /// The limits.
    pub limits: Arc<Limits>,
    /// The client's dialect.
    pub client: Dialect,
    /// The client's body.
    pub body: Bytes,
    /// What was seen in it.
    pub peek: Peek,
    /// Where it may go.
    pub plan: Plan,
    /// The client's headers.
    pub headers: HeaderMap,
    /// The client's query, without the question mark.
    pub query: Option<String>,
    /// The request's id.
    pub request_id: String,
    /// When it came.
    pub received: Instant,
    /// The input in tokens, estimated.
    pub input_estimate: u64,
    /// What may be said before the first content.
    pub preamble: Arc<Preamble>,
    /// The request's place among those in flight, given back when the answer has ended.
    pub slot: Option<OwnedSemaphorePermit>,
}

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

/// Why there is no answer, as the client is told.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// aimux's code.
    pub code: Code,
    /// What the body says.
    pub failure: Failure,
    /// Headers for the client.
    pub headers: HeaderMap,
    /// The upstream's own body, where the dialects match.
    pub body: Option<Bytes>,
}

impl Refusal {
    /// A refusal in our own words.
    #[must_use]
    pub fn new(code: Code, failure: Failure) -> Self {
        Self { code, failure, headers: HeaderMap::new(), body: None }
    }
}

/// What is held back of an answer until its content begins, and whether the client's stream has been started without it.
#[derive(Debug, Default)]
pub struct Preamble(Mutex<PreambleState>);

#[derive(Debug, Default)]
struct PreambleState {
    held: Vec<u8>,
    is_sent: bool,
}

impl Preamble {
    fn state(&self) -> MutexGuard<'_, PreambleState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the client's stream now: with what the upstream has said so far, else with a start of our own.
    #[must_use]
    pub fn start_early(&self, client: Dialect, reply: &ReplyMap) -> Vec<u8> {
        let mut state = self.state();
        state.is_sent = true;
        let mut start = std::mem::take(&mut state.held);
        if start.is_empty() {
            (client.codec().stream_encoder)(reply).early_start(&mut start);
        }
        start
    }
}

/// How one attempt went.
enum Attempted {
    Content(Box<Begun>),
    Whole {
        body: Bytes,
        usage: Usage,
        headers: HeaderMap,
    },
    Refused(Refusal),
    Broken(Refusal),
    /// The request cannot be said to this target, or to any.
    Unsayable(Refusal),
}

/// An answer whose content has begun.
struct Begun {
    reply: Box<dyn ReplyStream>,
    upstream: Option<UpstreamBody>,
    held: Bytes,
    headers: HeaderMap,
}

/// Tries the plan's targets until one answers.
pub async fn drive(mut job: Job) -> Answer {
    let started = Instant::now();
    let mut seed = [0; 8];
    // Without randomness the jitter is the same for all, which is no reason to refuse.
    let _ = getrandom::fill(&mut seed);
    let attempts = Attempts::new(&job.plan, &job.table.retry, job.table.breaker.as_ref(), started, u64::from_le_bytes(seed));
    let mut settlement = job.settlement(attempts);
    let mut happened = Happened::Begin;
    let mut last: Option<Refusal> = None;
    let mut losses = Vec::new();
    loop {
        let step = settlement.attempts.next(Instant::now(), &happened, &mut job.upstreams.health());
        match step {
            Step::Send { target, key } => {
                let Some(target) = job.plan.targets.get(target) else { return job.refuse(settlement, bug()) };
                settlement.provider.clone_from(&target.provider.name);
                settlement.model.clone_from(&target.model);
                losses.clear();
                let attempted = job.attempt(target, target.provider.keys.get(key), &mut losses).await;
                settlement.losses = losses.len();
                match attempted {
                    Attempted::Content(begun) => {
                        settlement.attempts.next(Instant::now(), &Happened::Content, &mut job.upstreams.health());
                        let headers = job.headers_for(begun.headers, target, &settlement, &losses);
                        settlement.first_content = Some(job.received.elapsed());
                        if begun.upstream.is_none() {
                            settlement.ending = Ending::Complete;
                            settlement.usage = begun.reply.progress().usage;
                        }
                        let relay = Relay::new(begun.reply, begun.upstream, begun.held, job.patience(), settlement);
                        return Answer::Stream { relay: Box::new(relay), headers };
                    }
                    Attempted::Whole { body, usage, headers } => {
                        settlement.attempts.next(Instant::now(), &Happened::Content, &mut job.upstreams.health());
                        settlement.usage = usage;
                        settlement.ending = Ending::Complete;
                        let headers = job.headers_for(headers, target, &settlement, &losses);
                        return Answer::Whole { body, headers };
                    }
                    Attempted::Unsayable(refusal) => return job.refuse(settlement, refusal),
                    Attempted::Refused(refusal) => {
                        tracing::warn!(request_id = %job.request_id, provider = %target.provider.name, model = %target.model,
                            status = refusal.failure.status, "the provider refused");
                        happened = Happened::Refused {
                            status: refusal.failure.status,
                            kind: refusal.failure.kind,
                            retry_after_ms: refusal.failure.retry_after.as_ref().and_then(|after| after.ms),
                            tool_call_failed: refusal.failure.code.as_deref() == Some("tool_use_failed"),
                        };
                        last = Some(job.with_target_headers(refusal, target, &settlement));
                    }
                    Attempted::Broken(refusal) => {
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
            Step::Commit => return job.refuse(settlement, bug()),
            Step::Fail(verdict) => {
                let refusal = match verdict {
                    Verdict::LastFailure => last.unwrap_or_else(bug),
                    Verdict::AllResting(rest) => all_resting(rest),
                    Verdict::Deadline | Verdict::ClientGone => Refusal::new(
                        Code::UpstreamTimeout,
                        Failure::new(FailureKind::Timeout, "no provider answered within the request's deadline"),
                    ),
                };
                return job.refuse(settlement, refusal);
            }
        }
    }
}

fn bug() -> Refusal {
    Refusal::new(Code::Bug, Failure::from_status(500, "a bug in aimux: the attempt machine asked for the impossible"))
}

fn all_resting(rest: Duration) -> Refusal {
    let seconds = rest.as_secs().max(1);
    let mut failure = Failure::new(FailureKind::RateLimit, format!("every provider of this model rests; the first is back in {seconds} s"));
    failure.retry_after = Some(RetryAfter { text: seconds.to_string(), ms: Some(seconds * 1000) });
    Refusal::new(Code::UpstreamLimited, failure)
}

impl Job {
    fn settlement(&mut self, attempts: Attempts) -> Settlement {
        Settlement {
            upstreams: Arc::clone(&self.upstreams),
            _slot: self.slot.take(),
            attempts,
            request_id: self.request_id.clone(),
            client: self.client.name(),
            asked: self.peek.model.clone(),
            provider: String::new(),
            model: String::new(),
            status: 200,
            received: self.received,
            first_content: None,
            usage: Usage::default(),
            losses: 0,
            ending: Ending::ClientGone,
        }
    }

    fn patience(&self) -> Patience {
        Patience { idle: Duration::from_secs(self.limits.stream_idle_s), keep_alive: Duration::from_secs(self.limits.keep_alive_s) }
    }

    fn refuse(&self, mut settlement: Settlement, refusal: Refusal) -> Answer {
        settlement.status = refusal.failure.status;
        settlement.ending = Ending::Failed;
        Answer::Refused(Box::new(refusal))
    }

    /// What the reply of a translated request must undo, or an early start must say.
    #[must_use]
    pub fn reply_map(&self) -> ReplyMap {
        ReplyMap {
            model: self.peek.model.clone(),
            id: self.request_id.trim_start_matches("req_").to_owned(),
            input_estimate: self.input_estimate,
            ..ReplyMap::default()
        }
    }

    fn headers_for(&self, mut headers: HeaderMap, target: &Target, settlement: &Settlement, losses: &[Loss]) -> HeaderMap {
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        set("x-aimux-provider", &target.provider.name);
        set("x-aimux-model", &target.model);
        set("x-aimux-route", &self.plan.route);
        set("x-aimux-attempts", &settlement.attempts.made.to_string());
        if !losses.is_empty() {
            let mut text: Vec<String> = losses.iter().take(20).map(Loss::to_string).collect();
            text.dedup();
            set("x-aimux-loss", &text.join(", "));
        }
        headers
    }

    fn with_target_headers(&self, refusal: Refusal, target: &Target, settlement: &Settlement) -> Refusal {
        Refusal { headers: self.headers_for(refusal.headers, target, settlement, &[]), ..refusal }
    }

    /// One attempt at one target.
    async fn attempt(&self, target: &Target, key: Option<&Key>, losses: &mut Vec<Loss>) -> Attempted {
        let endpoint = target.endpoint();
        let upstream = target.upstream(self.client);
        let (body, reply_map) = match render(&self.body, &self.peek, self.client, endpoint.dialect, &upstream) {
            Ok(Rendered::Passthrough(body)) => (body, None),
            Ok(Rendered::Translated { body, losses: lost, reply }) => {
                *losses = lost;
                let ours = self.reply_map();
                (body, Some(ReplyMap { model: ours.model, id: ours.id, input_estimate: ours.input_estimate, ..reply }))
            }
            Err(error) => {
                let mut failure = Failure::new(FailureKind::InvalidRequest, error.to_string());
                failure.param = (!error.path.is_empty()).then(|| error.path.into_owned());
                return Attempted::Unsayable(Refusal::new(Code::Unsupported, failure));
            }
        };
        let request = match self.request(target, key, endpoint.dialect.endpoint(), body) {
            Ok(request) => request,
            Err(refusal) => return Attempted::Broken(*refusal),
        };
        let first_byte = if self.peek.stream { self.limits.first_byte_s } else { self.limits.first_byte_whole_s };
        let answer = match tokio::time::timeout(Duration::from_secs(first_byte), self.upstreams.client.send(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Attempted::Broken(unreachable(&target.provider.name, &error)),
            Err(_) => {
                let message = format!("provider \"{}\" sent nothing for {first_byte} s", target.provider.name);
                return Attempted::Broken(Refusal::new(Code::UpstreamTimeout, Failure::new(FailureKind::Timeout, message)));
            }
        };
        let (head, body) = answer.into_parts();
        let headers = headers::downward(&head.headers, self.client == endpoint.dialect);
        if !head.status.is_success() {
            let body = read_whole(body, ERROR_BODY_MAX, self.patience().idle).await.unwrap_or_default();
            return Attempted::Refused(self.refusal(head.status.as_u16(), &body, &head.headers, headers, target, key));
        }
        if self.peek.stream {
            self.begin_stream(target, body, reply_map, headers).await
        } else {
            self.whole(target, key, body, reply_map, headers).await
        }
    }

    /// The HTTP request to `path` under the target's base URL.
    fn request(&self, target: &Target, key: Option<&Key>, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, Box<Refusal>> {
        let endpoint = target.endpoint();
        let is_same = self.client == endpoint.dialect;
        let query = self.query.as_deref().filter(|query| is_same && !query.is_empty());
        let url = match query {
            Some(query) => format!("{}{path}?{query}", endpoint.base_url),
            None => format!("{}{path}", endpoint.base_url),
        };
        let bad = |reason: String| {
            let message = format!("provider \"{}\" cannot be addressed: {reason}", target.provider.name);
            Box::new(Refusal::new(Code::UpstreamFailed, Failure::new(FailureKind::Server, message)))
        };
        let uri = Uri::try_from(url).map_err(|error| bad(error.to_string()))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers::upward(is_same.then_some(&self.headers), &target.provider, endpoint, key);
        Ok(request)
    }

    /// An upstream's error answer, as the client will read it if no other target answers.
    fn refusal(&self, status: u16, body: &Bytes, theirs: &HeaderMap, headers: HeaderMap, target: &Target, key: Option<&Key>) -> Refusal {
        let dialect = target.endpoint().dialect;
        let body = scrub(body.clone(), key.map(|key| &key.secret));
        let mut failure = (dialect.codec().decode_error)(status, &body);
        if failure.retry_after.is_none() {
            failure.retry_after = retry_after(theirs);
        }
        let provider = &target.provider.name;
        let code = match status {
            401 | 403 => Code::UpstreamAuth,
            429 => Code::UpstreamLimited,
            400..=499 => Code::UpstreamRejected,
            _ => Code::UpstreamFailed,
        };
        let is_auth = code == Code::UpstreamAuth;
        if is_auth {
            let key = key.map_or("none", |key| key.name.as_str());
            failure.message = format!("provider \"{provider}\" refused the key \"{key}\": {}", failure.message);
        }
        let is_relayed = self.client == dialect && !is_auth && serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
        Refusal { code, failure, headers, body: is_relayed.then_some(body) }
    }

    /// An error in a 200, before the first content.
    fn disguised(&self, mut failure: Failure, headers: HeaderMap) -> Refusal {
        if failure.status < 400 {
            failure.status = 502;
        }
        let code = if failure.kind == FailureKind::RateLimit { Code::UpstreamLimited } else { Code::UpstreamNonsense };
        Refusal { code, failure, headers, body: None }
    }

    /// Reads a stream until its content begins.
    async fn begin_stream(&self, target: &Target, mut body: UpstreamBody, map: Option<ReplyMap>, headers: HeaderMap) -> Attempted {
        let mut reply = self.reply_stream(target, map.as_ref());
        let mut held = Held::default();
        self.preamble.forget_unsent();
        let mut is_judged = false;
        let mut unjudged = Vec::new();
        loop {
            let frame = match tokio::time::timeout(self.patience().idle, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => {
                    let out = if is_judged { reply.end() } else { Bytes::new() };
                    held.take(out, &self.preamble);
                    return self.ended_early(reply, held, headers);
                }
                Ok(Some(Err(_))) => return Attempted::Broken(broken(&target.provider.name, "broke off before its first content")),
                Err(_) => return Attempted::Broken(broken(&target.provider.name, "was silent before its first content")),
            };
            let Ok(mut chunk) = frame.into_data() else { continue };
            if !is_judged {
                // An answer to a stream request may be JSON or HTML all the same, whatever its content type says; some
                // pad it with blanks first.
                match chunk.iter().find(|byte| !byte.is_ascii_whitespace()) {
                    None => {
                        unjudged.extend_from_slice(&chunk);
                        continue;
                    }
                    Some(b'{' | b'<' | b'[') => {
                        unjudged.extend_from_slice(&chunk);
                        return self.whole_as_stream(target, unjudged, body, map, headers).await;
                    }
                    Some(_) => {
                        is_judged = true;
                        if !unjudged.is_empty() {
                            unjudged.extend_from_slice(&chunk);
                            chunk = std::mem::take(&mut unjudged).into();
                        }
                    }
                }
            }
            held.swallow_start(reply.as_mut(), &self.preamble);
            let out = reply.push(chunk);
            let Progress { content, finished, failure, .. } = reply.progress();
            if let Some(failure) = failure {
                return Attempted::Refused(self.disguised(failure.clone(), headers));
            }
            let has_begun = *content || *finished;
            held.take(out, &self.preamble);
            if has_begun {
                let held = held.release(&self.preamble);
                return Attempted::Content(Box::new(Begun { reply, upstream: Some(body), held, headers }));
            }
        }
    }

    /// The stream ended before any content: an empty answer if it said so, else a failure.
    fn ended_early(&self, reply: Box<dyn ReplyStream>, held: Held, headers: HeaderMap) -> Attempted {
        match &reply.progress().failure {
            None if reply.progress().finished => {
                let held = held.release(&self.preamble);
                Attempted::Content(Box::new(Begun { reply, upstream: None, held, headers }))
            }
            Some(failure) => Attempted::Refused(self.disguised(failure.clone(), headers)),
            None => Attempted::Refused(self.disguised(Failure::new(FailureKind::Server, "the provider's answer was empty"), headers)),
        }
    }

    fn reply_stream(&self, target: &Target, map: Option<&ReplyMap>) -> Box<dyn ReplyStream> {
        let endpoint = target.endpoint();
        let (theirs, ours) = (endpoint.dialect.codec(), self.client.codec());
        match map {
            None => (ours.tap)(&endpoint.quirks),
            Some(map) => Box::new(Transcoder::new(theirs, ours, map, &endpoint.quirks, self.limits.frame_bytes)),
        }
    }

    /// A whole answer to a request that was not to be streamed.
    async fn whole(&self, target: &Target, key: Option<&Key>, body: UpstreamBody, map: Option<ReplyMap>, headers: HeaderMap) -> Attempted {
        let body = match read_whole(body, self.limits.answer_bytes, Duration::from_secs(self.limits.first_byte_whole_s)).await {
            Ok(body) => body,
            Err(reason) => return Attempted::Broken(broken(&target.provider.name, reason)),
        };
        let body = scrub(body, key.map(|key| &key.secret));
        let map_or_ours = map.clone().unwrap_or_else(|| self.reply_map());
        match self.decode_whole(target, &body, &map_or_ours) {
            Err(failure) => Attempted::Refused(self.disguised(failure, headers)),
            Ok((response, is_json)) => {
                let usage = response.usage;
                let body = if map.is_none() && is_json { body } else { (self.client.codec().encode_response)(&response, &map_or_ours) };
                Attempted::Whole { body, usage, headers }
            }
        }
    }

    /// Decodes a whole answer, which may be an event stream although none was asked for. Also tells whether it was JSON.
    fn decode_whole(&self, target: &Target, body: &Bytes, map: &ReplyMap) -> Result<(ChatResponse, bool), Failure> {
        let endpoint = target.endpoint();
        let codec = endpoint.dialect.codec();
        let is_stream = matches!(body.trim_ascii_start().first(), Some(b'd' | b'e' | b':' | b'i' | b'r'));
        if !is_stream {
            return (codec.decode_response)(body, map, &endpoint.quirks).map(|response| (response, true));
        }
        let mut decoder = (codec.stream_decoder)(map, &endpoint.quirks);
        let events = decode_stream(decoder.as_mut(), body, self.limits.frame_bytes);
        ChatResponse::from_events(events).map(|response| (response, false))
    }

    /// A whole answer to a request that was to be streamed.
    async fn whole_as_stream(
        &self,
        target: &Target,
        mut begun: Vec<u8>,
        body: UpstreamBody,
        map: Option<ReplyMap>,
        headers: HeaderMap,
    ) -> Attempted {
        match read_whole(body, self.limits.answer_bytes, self.patience().idle).await {
            Ok(rest) => begun.extend_from_slice(&rest),
            Err(reason) => return Attempted::Broken(broken(&target.provider.name, reason)),
        }
        let endpoint = target.endpoint();
        let map = map.unwrap_or_else(|| self.reply_map());
        let response = match (endpoint.dialect.codec().decode_response)(&begun, &map, &endpoint.quirks) {
            Ok(response) => response,
            Err(failure) => return Attempted::Refused(self.disguised(failure, headers)),
        };
        let mut encoder = (self.client.codec().stream_encoder)(&map);
        let mut out = Vec::new();
        if self.preamble.state().is_sent {
            encoder.early_start(&mut Vec::new());
        }
        let usage = response.usage;
        for event in response.into_events() {
            encoder.event(event, &mut out);
        }
        let reply = Box::new(Done(Progress { content: true, finished: true, failure: None, usage }));
        Attempted::Content(Box::new(Begun { reply, upstream: None, held: out.into(), headers }))
    }
}

/// All events of a stream that is there whole.
fn decode_stream(decoder: &mut dyn StreamDecoder, body: &[u8], frame_max: usize) -> Vec<Event> {
    let mut events = Vec::new();
    let mut splitter = Splitter::new(frame_max);
    splitter.push(body);
    while let Ok(Some(frame)) = splitter.next_frame() {
        decoder.frame(&frame, &mut events);
    }
    if let Some(frame) = splitter.finish() {
        decoder.frame(&frame, &mut events);
    }
    decoder.end(&mut events);
    events
}

/// A reply of which nothing more comes.
struct Done(Progress);

impl ReplyStream for Done {
    fn push(&mut self, _: Bytes) -> Bytes {
        Bytes::new()
    }

    fn end(&mut self) -> Bytes {
        Bytes::new()
    }

    fn fail(&mut self, _: &Failure) -> Bytes {
        Bytes::new()
    }

    fn keep_alive(&mut self) -> Bytes {
        Bytes::new()
    }

    fn early_start(&mut self) -> Bytes {
        Bytes::new()
    }

    fn progress(&self) -> &Progress {
        &self.0
    }
}

/// What one attempt holds back. It lies in the shared preamble until that has been sent, then here.
#[derive(Default)]
struct Held {
    after_start: Vec<u8>,
    /// The usual case: one piece, never copied.
    only: Bytes,
    has_spoken: bool,
    has_swallowed: bool,
}

impl Held {
    /// Once the client's stream has a start that is not this attempt's, this attempt's own start is not wanted.
    fn swallow_start(&mut self, reply: &mut dyn ReplyStream, preamble: &Preamble) {
        if !self.has_spoken && !self.has_swallowed && preamble.state().is_sent {
            let _ = reply.early_start();
            self.has_swallowed = true;
        }
    }

    fn take(&mut self, out: Bytes, preamble: &Preamble) {
        if out.is_empty() {
            return;
        }
        let mut state = preamble.state();
        if state.is_sent {
            self.after_start.extend_from_slice(&out);
        } else if !self.has_spoken {
            self.only = out.clone();
            state.held.clear();
            state.held.extend_from_slice(&out);
        } else {
            state.held.extend_from_slice(&out);
            self.only = Bytes::new();
        }
        self.has_spoken = true;
    }

    fn release(self, preamble: &Preamble) -> Bytes {
        let mut state = preamble.state();
        if state.is_sent {
            self.after_start.into()
        } else if self.only.is_empty() {
            std::mem::take(&mut state.held).into()
        } else {
            self.only
        }
    }
}

impl Preamble {
    /// A new attempt begins: what an earlier one said and the client has not seen is void.
    fn forget_unsent(&self) {
        self.state().held.clear();
    }
}

fn broken(provider: &str, what: &str) -> Refusal {
    let message = format!("provider \"{provider}\": {what}");
    Refusal::new(Code::UpstreamBroken, Failure::new(FailureKind::Server, message))
}

fn unreachable(provider: &str, error: &SendError) -> Refusal {
    let message = format!("provider \"{provider}\" could not be reached: {error}");
    Refusal::new(Code::UpstreamFailed, Failure::new(FailureKind::Server, message))
}

/// `Retry-After` of an answer: `retry-after-ms`, seconds, or a date (relayed, but not understood here).
fn retry_after(headers: &HeaderMap) -> Option<RetryAfter> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let precise = text("retry-after-ms").and_then(|ms| ms.parse::<f64>().ok());
    let after = text("retry-after");
    let ms = precise.or_else(|| after.and_then(|seconds| seconds.parse::<f64>().ok()).map(|seconds| seconds * 1000.0));
    let ms = ms.filter(|ms| ms.is_finite() && *ms >= 0.0).map(|ms| ms.min(86_400_000.0));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a day")]
    let ms = ms.map(|ms| ms as u64);
    let text = after.map(str::to_owned).or_else(|| ms.map(|ms| ms.div_ceil(1000).to_string()))?;
    Some(RetryAfter { text, ms })
}

/// The body without the key, should the upstream have echoed it.
fn scrub(body: Bytes, secret: Option<&Secret>) -> Bytes {
    let Some(secret) = secret.map(Secret::expose).filter(|secret| secret.len() >= 8) else { return body };
    let finder = memchr::memmem::Finder::new(secret);
    if finder.find(&body).is_none() {
        return body;
    }
    let mut out = Vec::with_capacity(body.len());
    let mut rest = &body[..];
    while let Some(at) = finder.find(rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(b"[redacted]");
        rest = &rest[at + secret.len()..];
    }
    out.extend_from_slice(rest);
    out.into()
}

/// The tokens of the job's input, in the target's own count; `None` when it does not tell.
pub async fn count_tokens(job: &Job, target: &Target) -> Option<Bytes> {
    let upstream = target.upstream(job.client);
    let Ok(Rendered::Passthrough(body)) = render(&job.body, &job.peek, job.client, target.endpoint().dialect, &upstream) else {
        return None;
    };
    let request = job.request(target, target.provider.keys.first(), "/v1/messages/count_tokens", body).ok()?;
    let answer = tokio::time::timeout(COUNT_TOKENS, job.upstreams.client.send(request)).await.ok()?.ok()?;
    let (head, body) = answer.into_parts();
    let body = read_whole(body, ERROR_BODY_MAX, COUNT_TOKENS).await.ok()?;
    #[derive(serde::Deserialize)]
    struct Counted {
        #[serde(rename = "input_tokens")]
        _input_tokens: u64,
    }
    (head.status.is_success() && serde_json::from_slice::<Counted>(&body).is_ok()).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echoed_key_is_cut_out() {
        let secret = Secret::new("sk-0123456789".to_owned());
        let body = scrub(Bytes::from_static(b"bad key sk-0123456789, sk-0123456789!"), Some(&secret));
        assert_eq!(body, "bad key [redacted], [redacted]!");
    }

    #[test]
    fn retry_after_is_kept_as_it_came() {
        let read = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            retry_after(&headers)
        };
        assert_eq!(read("retry-after", "7"), Some(RetryAfter { text: "7".to_owned(), ms: Some(7000) }));
        assert_eq!(read("retry-after-ms", "1500"), Some(RetryAfter { text: "2".to_owned(), ms: Some(1500) }));
        let date = "Wed, 21 Oct 2026 07:28:00 GMT";
        assert_eq!(read("retry-after", date), Some(RetryAfter { text: date.to_owned(), ms: None }));
    }
}
