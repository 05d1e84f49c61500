//! One request, top-down: authenticate, peek, plan, drive, answer.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::sync::OwnedSemaphorePermit;

use super::reply::{self, EarlyBody, Relayed, ReplyBody};
use super::{Phase, Shared, Snapshot, auth, count_tokens, explain, metrics, models};
use crate::config::Limits;
use crate::dialect::Dialect;
use crate::dialect::names::fresh_id;
use crate::error::{Code, Error};
use crate::route::explain::Told;
use crate::route::{Decision, Facts, Plan, Reason, decide};
use crate::upstream::drive::drive;
use crate::upstream::{Answer, Job, Preamble};

/// After so long without content the client's stream is started without an upstream's.
const EARLY_START: Duration = Duration::from_secs(15);

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Chat(Dialect),
    CountTokens,
    Explain,
    Models(Option<String>),
    Metrics,
    Hello,
    Live,
    Ready,
}

/// How much a caller must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Nothing, not even a Host that is ours.
    Probe,
    /// A Host that is ours.
    Open,
    /// The client token too.
    Token,
}

impl Route {
    /// The route of a path; the query and a slash at the end do not count.
    pub(super) fn of(path: &str) -> Option<Self> {
        let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
        Some(match path {
            "/v1/messages" => Self::Chat(Dialect::AnthropicMessages),
            "/v1/chat/completions" => Self::Chat(Dialect::OpenAiChat),
            "/v1/messages/count_tokens" => Self::CountTokens,
            "/api/explain" => Self::Explain,
            "/v1/models" => Self::Models(None),
            "/metrics" => Self::Metrics,
            "/" | "/api/hello" => Self::Hello,
            "/livez" => Self::Live,
            "/readyz" | "/health" => Self::Ready,
            _ => Self::Models(Some(percent_decoded(path.strip_prefix("/v1/models/")?))),
        })
    }

    fn access(&self) -> Access {
        match self {
            Self::Live | Self::Ready => Access::Probe,
            Self::Hello => Access::Open,
            Self::Chat(_) | Self::CountTokens | Self::Explain | Self::Models(_) | Self::Metrics => Access::Token,
        }
    }

    fn method(&self) -> &'static str {
        match self {
            Self::Chat(_) | Self::CountTokens | Self::Explain => "POST",
            _ => "GET, HEAD",
        }
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Answers a request, whatever it is. A panic in it costs this request alone.
pub(super) async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> Response<ReplyBody> {
    let request_id = request_id(&request);
    let dialect = error_dialect(&request);
    let allow = Route::of(request.uri().path()).map(|route| HeaderValue::from_static(route.method()));
    // Boxed here, not further in: the connection keeps room for this future from its start to its end, streams included.
    let (upstreams, phase) = (Arc::clone(&shared.upstreams), shared.phase.clone());
    let work = Box::pin(respond(shared, request, request_id.clone()));
    let mut response = match guarded(work).await {
        Ok(response) => response,
        Err(error) => {
            upstreams.counts.refused(error.code);
            tracing::info!(target: "aimux::access", %request_id, code = %error.code, status = error.code.row().status, "refused");
            let mut response = reply::error(dialect, &error, &request_id);
            if let (Code::MethodNotAllowed, Some(allow)) = (error.code, allow) {
                response.headers_mut().insert(header::ALLOW, allow);
            }
            response
        }
    };
    if let Ok(value) = HeaderValue::try_from(&request_id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    if *phase.borrow() != Phase::Serving {
        // The client's next request goes to who listens now.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The work's outcome; a panic in it is an error like any other.
async fn guarded<T>(mut work: Pin<Box<impl Future<Output = Result<T, Error>>>>) -> Result<T, Error> {
    std::future::poll_fn(move |cx| match std::panic::catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(poll) => poll,
        Err(_) => Poll::Ready(Err(Error::new(Code::Bug, "a bug in aimux ended this request"))),
    })
    .await
}

/// The dialect in which a caller reads errors, known before its route is.
fn error_dialect(request: &Request<Incoming>) -> Dialect {
    match Route::of(request.uri().path()) {
        Some(Route::Chat(dialect)) => dialect,
        Some(Route::CountTokens) => Dialect::AnthropicMessages,
        _ if request.headers().contains_key("anthropic-version") => Dialect::AnthropicMessages,
        _ => Dialect::OpenAiChat,
    }
}

/// The caller's id of the request, if it is one, else a new one.
fn request_id(request: &Request<Incoming>) -> String {
    let theirs = request.headers().get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
    let is_sane =
        |id: &&str| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    theirs.filter(is_sane).map_or_else(|| fresh_id("req_"), str::to_owned)
}

async fn respond(shared: Arc<Shared>, request: Request<Incoming>, request_id: String) -> Result<Response<ReplyBody>, Error> {
    let received = Instant::now();
    let route = Route::of(request.uri().path());
    let access = route.as_ref().map_or(Access::Token, Route::access);
    let current = shared.current();
    check_size(&request, current.limits.header_bytes)?;
    if access != Access::Probe {
        auth::check_host(&current, request.uri(), request.headers())?;
        auth::check_origin(request.headers())?;
    }
    if access == Access::Token {
        auth::check_token(&current, request.headers())?;
    }
    let Some(route) = route else {
        return Err(Error::new(Code::NoSuchRoute, "aimux serves no such path"));
    };
    let is_allowed = match route.method() {
        "POST" => request.method() == Method::POST,
        _ => request.method() == Method::GET || request.method() == Method::HEAD,
    };
    if !is_allowed {
        return Err(Error::new(Code::MethodNotAllowed, format!("use {} here", route.method())));
    }
    if access == Access::Token && route != Route::Metrics && shared.phase() == Phase::Draining {
        return Err(Error::new(Code::Draining, "aimux is stopping and takes no new request"));
    }
    match route {
        Route::Hello => Ok(reply::json(200, concat!("{\"name\":\"aimux\",\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}"))),
        Route::Live => Ok(reply::json(200, "{\"status\":\"ok\"}")),
        Route::Ready if shared.phase() == Phase::Draining => Ok(reply::json(503, "{\"status\":\"draining\"}")),
        Route::Ready if current.table.providers.is_empty() => Ok(reply::json(503, "{\"status\":\"no provider\"}")),
        Route::Ready => Ok(reply::json(200, "{\"status\":\"ok\"}")),
        Route::Metrics => Ok(metrics::answer(&shared, &current).await),
        Route::Models(None) => Ok(reply::json(200, models::list(&current.table))),
        Route::Models(Some(id)) => models::one(&current.table, &id).map(|body| reply::json(200, body)),
        Route::Explain => {
            let dialect = explain::dialect(request.uri().query())?;
            let (head, body) = request.into_parts();
            let (body, _held) = read_body(&shared, &current.limits, body).await?;
            explain::explain(&shared, dialect, &head.headers, &body).map(|trial| reply::json(200, trial))
        }
        Route::CountTokens => {
            let client = Dialect::AnthropicMessages;
            let job = receive(&shared, &current, request, request_id, client, Purpose::Count, received).await?;
            Ok(count_tokens::count(&job).await)
        }
        Route::Chat(dialect) => {
            let place = place(&shared, &current.limits).await?;
            let mut job = receive(&shared, &current, request, request_id, dialect, Purpose::Answer, received).await?;
            // There are as many as places.
            let stream = if job.peek.stream { Arc::clone(&shared.streams).try_acquire_owned().ok() } else { None };
            job.places = [Some(place), stream];
            Ok(answer(job).await)
        }
    }
}

/// Refuses headers over the limit. The connection reads a little more than that, so that most get an answer with a body.
fn check_size(request: &Request<Incoming>, limit: usize) -> Result<(), Error> {
    let lines: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let target = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    if lines + target <= limit {
        return Ok(());
    }
    Err(Error::new(Code::HeadersTooLarge, format!("the request's headers are longer than {limit} bytes")))
}

/// A place among the requests in flight, for which is waited a little.
async fn place(shared: &Shared, limits: &Limits) -> Result<OwnedSemaphorePermit, Error> {
    let places = Arc::clone(&shared.in_flight);
    if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
        return Ok(place);
    }
    match tokio::time::timeout(Duration::from_secs(limits.queue_wait_s), places.acquire_owned()).await {
        Ok(Ok(place)) => Ok(place),
        _ => Err(Error::new(Code::Overloaded, "as many requests are in flight as limits.requests_in_flight allows")),
    }
}

fn out_of_memory() -> Error {
    Error::new(Code::Overloaded, "the bodies of the requests in flight take as much memory as limits.buffered_mb allows")
}

/// Reads the body, looks into it and plans.
async fn receive(
    shared: &Shared,
    current: &Snapshot,
    request: Request<Incoming>,
    request_id: String,
    client: Dialect,
    purpose: Purpose,
    received: Instant,
) -> Result<Job, Error> {
    let (head, body) = request.into_parts();
    if head.headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Error::new(Code::BadRequest, "the body is compressed; send it plain"));
    }
    let (body, held) = read_body(shared, &current.limits, body).await?;
    let (peeked, mut facts) = Facts::read(client, &body, &head.headers, current.limits.json_depth)?;
    shared.switches.lock().unwrap_or_else(PoisonError::into_inner).asked(&mut facts);
    let Decision { plan, record } = decided(shared, current, facts, purpose, &request_id)?;
    let job = Job {
        upstreams: Arc::clone(&shared.upstreams),
        table: Arc::clone(&current.table),
        limits: Arc::clone(&current.limits),
        client,
        input_estimate: record.facts.input_tokens,
        body,
        peek: peeked,
        plan,
        record,
        headers: head.headers,
        query: head.uri.query().map(str::to_owned),
        request_id,
        reply_id: fresh_id(""),
        received,
        prefix: OnceLock::new(),
        preamble: Arc::new(Preamble::default()),
        places: [None, None],
        held: Some(held),
        partial: None,
    };
    Ok(job)
}

/// What a request's body is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To be answered.
    Answer,
    /// To be counted: what no target may or can answer is estimated.
    Count,
}

/// Decides where the request goes. The decision is told in the log, for who asks for `aimux::route=debug`.
fn decided(shared: &Shared, current: &Snapshot, facts: Facts, purpose: Purpose, request_id: &str) -> Result<Decision, Error> {
    let decided = {
        let mut health = shared.upstreams.health();
        let decided = decide(&current.table, facts, &mut health, Instant::now());
        if let (Ok(decision), Purpose::Answer) = (&decided, purpose) {
            decision.taken(&current.table, &mut health);
        }
        decided
    };
    let record = decided.as_ref().map_or_else(|refused| &refused.record, |decision| &decision.record);
    tracing::debug!(target: "aimux::route", %request_id, decision = %Told::of(record, &current.table).line(), "decided");
    match decided {
        Err(refused) if purpose == Purpose::Count && !matches!(refused.reason, Reason::UnknownModel(_)) => {
            Ok(Decision { plan: Plan::new(Vec::new(), ""), record: refused.record })
        }
        decided => decided.map_err(|refused| refused.error(&current.table)),
    }
}

/// Reads a body within its limits. The permit stands for the bytes that it takes of the memory for bodies.
async fn read_body(shared: &Shared, limits: &Limits, mut body: Incoming) -> Result<(Bytes, OwnedSemaphorePermit), Error> {
    let limit = limits.body_bytes;
    let too_large = || Error::new(Code::BodyTooLarge, format!("the body is longer than {limit} bytes"));
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(too_large());
    }
    let permits = |bytes: usize| u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
    let mut permit = Arc::clone(&shared.buffered).try_acquire_many_owned(permits(announced)).map_err(|_| out_of_memory())?;
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    let read = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Error::new(Code::BadRequest, "the body broke off"))?;
            let Ok(data) = frame.into_data() else { continue };
            let length = first.len() + joined.len() + data.len();
            if length > limit {
                return Err(too_large());
            }
            let missing = permits(length).saturating_sub(u32::try_from(permit.num_permits()).unwrap_or(u32::MAX));
            if missing > 0 {
                permit.merge(Arc::clone(&shared.buffered).try_acquire_many_owned(missing).map_err(|_| out_of_memory())?);
            }
            if first.is_empty() && joined.is_empty() {
                first = data;
                continue;
            }
            if joined.is_empty() {
                joined.reserve(announced.max(length));
                joined.extend_from_slice(&std::mem::take(&mut first));
            }
            joined.extend_from_slice(&data);
        }
        Ok(())
    };
    match tokio::time::timeout(Duration::from_secs(limits.body_read_s), read).await {
        Ok(Ok(())) => Ok((if joined.is_empty() { first } else { joined.freeze() }, permit)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::new(Code::BodyTimeout, "the body did not come in time")),
    }
}

/// Drives the job and answers; a stream that stays without content for long is started early.
async fn answer(job: Job) -> Response<ReplyBody> {
    let (client, is_stream, request_id) = (job.client, job.peek.stream, job.request_id.clone());
    let (preamble, reply_map) = (Arc::clone(&job.preamble), job.reply_map());
    let keep_alive = Duration::from_secs(job.limits.keep_alive_s);
    let mut driven: Pin<Box<dyn Future<Output = Answer> + Send>> = Box::pin(drive(job));
    let answer = if is_stream {
        tokio::select! {
            biased;
            answer = driven.as_mut() => answer,
            () = tokio::time::sleep(EARLY_START.min(keep_alive)) => {
                let early = EarlyBody {
                    start: preamble.start_early(client, &reply_map).into(),
                    encoder: reply::early_encoder(client, &reply_map),
                    preamble,
                    answer: driven,
                    client,
                    request_id,
                    keep_alive,
                    timer: Box::pin(tokio::time::sleep(keep_alive)),
                };
                return reply::stream(http::HeaderMap::new(), ReplyBody::Early(Box::new(early)));
            }
        }
    } else {
        driven.await
    };
    match answer {
        Answer::Stream { relay, headers } => reply::stream(headers, ReplyBody::Relayed(Box::new(Relayed { relay, client, request_id }))),
        Answer::Whole { body, headers } => {
            let mut response = reply::json(200, body);
            response.headers_mut().extend(headers);
            response
        }
        Answer::Refused(refusal) => reply::refusal(client, &refusal, &request_id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_route_each() {
        assert_eq!(Route::of("/v1/messages/"), Some(Route::Chat(Dialect::AnthropicMessages)));
        assert_eq!(Route::of("/"), Some(Route::Hello));
        assert_eq!(Route::of("/v1/models/zai%2Fglm-4.6"), Some(Route::Models(Some("zai/glm-4.6".to_owned()))));
        assert_eq!(Route::of("/v1/models/zai/glm-4.6"), Some(Route::Models(Some("zai/glm-4.6".to_owned()))));
        for path in ["/v1", "//v1/messages", "/V1/messages", "/admin", "/v1/messages/x"] {
            assert_eq!(Route::of(path), None, "{path}");
        }
    }

    #[tokio::test]
    async fn a_panic_costs_its_request_alone() {
        let at_once = async { panic!("at once") };
        let later = async {
            tokio::task::yield_now().await;
            panic!("after an await")
        };
        for error in [guarded::<()>(Box::pin(at_once)).await.unwrap_err(), guarded::<()>(Box::pin(later)).await.unwrap_err()] {
            assert_eq!(error.code, Code::Bug);
            for dialect in Dialect::ALL {
                let answer = reply::error(dialect, &error, "req_1");
                assert_eq!((answer.status().as_u16(), answer.headers()["x-aimux-error"].as_bytes()), (500, &b"AIMUX-E0901"[..]));
            }
        }
        assert_eq!(guarded(Box::pin(async { Ok(7) })).await.unwrap(), 7);
    }

    #[test]
    fn only_probes_and_greetings_are_open() {
        for path in ["/v1/messages", "/v1/chat/completions", "/v1/messages/count_tokens", "/v1/models", "/v1/models/x", "/metrics"] {
            assert_eq!(Route::of(path).map(|route| route.access()), Some(Access::Token), "{path}");
        }
    }
}
