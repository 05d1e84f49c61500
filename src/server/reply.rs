//! Answers as the client gets them: bodies, and every error in the client's dialect.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Body, Frame};
use tokio::time::{Instant, Sleep};

use crate::chat::{Failure, FailureKind, RetryAfter};
use crate::dialect::{Dialect, ReplyMap, StreamEncoder};
use crate::error::{Code, Error, Retry};
use crate::upstream::{Answer, Preamble, Refusal, Relay};

/// A body: whole, relayed, or started before an upstream has answered.
pub(super) enum ReplyBody {
    Whole(Full<Bytes>),
    Relayed(Box<Relayed>),
    Early(Box<EarlyBody>),
}

/// A relayed answer, with what an error event of our own needs.
pub(super) struct Relayed {
    pub(super) relay: Box<Relay>,
    pub(super) client: Dialect,
    pub(super) request_id: String,
}

/// A stream that was begun because no upstream had said anything for a while.
pub(super) struct EarlyBody {
    pub(super) answer: Pin<Box<dyn Future<Output = Answer> + Send>>,
    pub(super) start: Bytes,
    pub(super) encoder: Box<dyn StreamEncoder>,
    pub(super) preamble: Arc<Preamble>,
    pub(super) client: Dialect,
    pub(super) request_id: String,
    pub(super) keep_alive: Duration,
    pub(super) timer: Pin<Box<Sleep>>,
}

impl ReplyBody {
    pub(super) fn whole(body: impl Into<Bytes>) -> Self {
        Self::Whole(Full::new(body.into()))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    /// A panic on the way ends this stream alone, with an error event: what is polled after it is that event.
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if let Ok(polled) = std::panic::catch_unwind(AssertUnwindSafe(|| this.poll(cx))) {
            return polled;
        }
        *this = Self::whole(this.last_words());
        Pin::new(this).poll_frame(cx)
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Relayed(_) | Self::Early(_) => hyper::body::SizeHint::default(),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Relayed(_) | Self::Early(_) => false,
        }
    }
}

impl ReplyBody {
    /// What a bug leaves to be said. The codecs that were at work are not asked: they may be what is broken.
    fn last_words(&mut self) -> Vec<u8> {
        let (client, request_id) = match self {
            Self::Whole(_) => return Vec::new(),
            Self::Relayed(relayed) => {
                relayed.relay.note_bug();
                (relayed.client, &relayed.request_id)
            }
            Self::Early(early) => (early.client, &early.request_id),
        };
        tracing::error!(%request_id, code = %Code::Bug, "a bug in aimux ended this stream");
        let failure = Failure::own(Code::Bug, FailureKind::Server, "a bug in aimux ended this answer");
        error_event(client, &Refusal::new(Code::Bug, failure), request_id)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self {
            Self::Whole(body) => Pin::new(body).poll_frame(cx),
            Self::Relayed(relayed) => Pin::new(relayed.relay.as_mut()).poll_frame(cx),
            Self::Early(early) => {
                if !early.start.is_empty() {
                    return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut early.start)))));
                }
                match early.answer.as_mut().poll(cx) {
                    Poll::Ready(Answer::Stream { relay, .. }) => {
                        let (client, request_id) = (early.client, std::mem::take(&mut early.request_id));
                        *self = Self::Relayed(Box::new(Relayed { relay, client, request_id }));
                        self.poll(cx)
                    }
                    Poll::Ready(Answer::Refused(refusal)) => {
                        let event = error_event(early.client, &refusal, &early.request_id);
                        *self = Self::whole(event);
                        self.poll(cx)
                    }
                    // A stream is never answered whole.
                    Poll::Ready(Answer::Whole { .. }) => Poll::Ready(None),
                    Poll::Pending => {
                        std::task::ready!(early.timer.as_mut().poll(cx));
                        let next = Instant::now() + early.keep_alive;
                        early.timer.as_mut().reset(next);
                        let mut out = Vec::new();
                        early.encoder.keep_alive(&mut out);
                        early.preamble.note_keep_alive();
                        // The timer's next wake-up must be known before this poll ends.
                        let _ = early.timer.as_mut().poll(cx);
                        Poll::Ready(Some(Ok(Frame::data(out.into()))))
                    }
                }
            }
        }
    }
}

/// An error inside a started stream, with the code that would stand in a header.
fn error_event(client: Dialect, refusal: &Refusal, request_id: &str) -> Vec<u8> {
    let mut failure = refusal.failure.clone();
    if failure.own_code().is_none() {
        failure.message += &format!(" ({})", refusal.code);
    }
    let body = (client.codec().encode_error)(&failure, request_id);
    let mut out = Vec::with_capacity(body.len() + 32);
    let event = match client {
        Dialect::AnthropicMessages => "error",
        Dialect::OpenAiChat => "",
    };
    crate::wire::sse::write(&mut out, event, &body);
    out
}

/// A JSON answer of aimux's own.
pub(super) fn json(status: u16, body: impl Into<Bytes>) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::whole(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A stream's head.
pub(super) fn stream(headers: HeaderMap, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// What an early start needs to know of the reply.
pub(super) fn early_encoder(client: Dialect, reply: &ReplyMap) -> Box<dyn StreamEncoder> {
    let mut encoder = (client.codec().stream_encoder)(reply);
    // Its start has been sent already; from here on it only keeps the client's patience.
    encoder.early_start(&mut Vec::new());
    encoder
}

/// An error of aimux's own, in the client's dialect.
pub(super) fn error(client: Dialect, error: &Error, request_id: &str) -> Response<ReplyBody> {
    let row = error.code.row();
    let message = match &error.hint {
        Some(hint) => format!("{} ({hint})", error.message),
        None => error.message.clone(),
    };
    let mut failure = Failure::from_status(row.status, message);
    match error.code {
        Code::Bug => failure.kind = FailureKind::Server,
        Code::PromptTooLong => failure.kind = FailureKind::ContextLength,
        _ => {}
    }
    if row.retry == Retry::Later {
        failure.retry_after = Some(RetryAfter { text: "1".to_owned(), ms: Some(1000) });
    }
    failure.code = match error.code {
        Code::UnknownModel => Some("model_not_found".to_owned()),
        Code::Unauthorized => Some("invalid_api_key".to_owned()),
        Code::PromptTooLong => Some("context_length_exceeded".to_owned()),
        code => Some(code.to_string()),
    };
    refusal(client, &Refusal::new(error.code, failure), request_id)
}

/// A whole answer as the bytes that end a connection.
pub(super) fn raw(response: Response<ReplyBody>, request_id: &str) -> Vec<u8> {
    let (head, mut body) = response.into_parts();
    let mut content = Vec::new();
    // A whole body is there at once.
    let mut cx = Context::from_waker(std::task::Waker::noop());
    while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut cx) {
        content.extend_from_slice(frame.data_ref().map(AsRef::as_ref).unwrap_or_default());
    }
    let mut out =
        format!("HTTP/1.1 {}\r\nconnection: close\r\ncontent-length: {}\r\nx-request-id: {request_id}\r\n", head.status, content.len())
            .into_bytes();
    for (name, value) in &head.headers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.append(&mut content);
    out
}

/// A refusal, in the client's dialect. 529 is known to Anthropic clients only; the others get 503.
pub(super) fn refusal(client: Dialect, refusal: &Refusal, request_id: &str) -> Response<ReplyBody> {
    let failure = &refusal.failure;
    let status = match (failure.status, client) {
        (529, Dialect::OpenAiChat) => 503,
        (status @ 400..=599, _) => status,
        _ => 502,
    };
    let body = refusal.body.clone().unwrap_or_else(|| (client.codec().encode_error)(failure, request_id));
    let mut response = json(status, body);
    let headers = response.headers_mut();
    for (name, value) in &refusal.headers {
        headers.append(name.clone(), value.clone());
    }
    if let Some(after) = &failure.retry_after
        && !headers.contains_key(header::RETRY_AFTER)
        && let Ok(value) = HeaderValue::try_from(&after.text)
    {
        headers.insert(header::RETRY_AFTER, value);
    }
    if let Ok(code) = HeaderValue::try_from(refusal.code.to_string()) {
        headers.insert("x-aimux-error", code);
    }
    if let Some(advice) = should_retry(refusal.code, status)
        && !headers.contains_key("x-should-retry")
    {
        headers.insert("x-should-retry", HeaderValue::from_static(advice));
    }
    response
}

/// `x-should-retry`: Claude Code obeys it both ways. Without it a refused key costs ten requests. A 429 is left to the
/// client, which knows how long it is willing to wait.
fn should_retry(code: Code, status: u16) -> Option<&'static str> {
    match (code.row().retry, status) {
        (_, 400..=404 | 413 | 421 | 422) => Some("false"),
        (Retry::Never, _) => Some("false"),
        (Retry::Later | Retry::NextTarget, 500..=599) => Some("true"),
        (Retry::Later | Retry::NextTarget, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn early(client: Dialect, answer: impl Future<Output = Answer> + Send + 'static) -> ReplyBody {
        let reply = ReplyMap::default();
        ReplyBody::Early(Box::new(EarlyBody {
            answer: Box::pin(answer),
            start: Bytes::from_static(b"start "),
            encoder: early_encoder(client, &reply),
            preamble: Arc::new(Preamble::default()),
            client,
            request_id: "req_1".to_owned(),
            keep_alive: Duration::from_secs(20),
            timer: Box::pin(tokio::time::sleep(Duration::from_secs(20))),
        }))
    }

    #[tokio::test]
    async fn a_panic_in_a_started_stream_ends_it_with_the_dialects_error_event() {
        for (client, event) in [(Dialect::AnthropicMessages, "start event: error\ndata: "), (Dialect::OpenAiChat, "start data: {\"error\"")]
        {
            let at_once = early(client, async { panic!("at once") });
            let later = early(client, async {
                tokio::task::yield_now().await;
                panic!("later")
            });
            for body in [at_once, later] {
                let said = body.collect().await.unwrap().to_bytes();
                let said = String::from_utf8_lossy(&said);
                assert!(said.starts_with(event) && said.ends_with("\n\n"), "{said}");
                assert!(said.contains("AIMUX-E0901") && !said.contains("[DONE]") && !said.contains("message_stop"), "{said}");
            }
        }
    }
}
