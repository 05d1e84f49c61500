//! Streamable HTTP over the connections that upstreams have: the SDK's own client would bring another one, with its own TLS.
//!
//! What a server answers is bounded. No redirect is followed. Start with [`Poster`].

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpClientTransportConfig, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::SseStream;

use super::arguments;
use crate::secret::Secret;
use crate::upstream::client::{Client, SendError, UpstreamBody};
use crate::wire::splice::Spliced;

/// The most bytes of an answer, and of the reason of a refusal.
const ANSWER_MAX: usize = 16 << 20;
const REFUSAL_MAX: usize = 16 << 10;
/// The most characters of a refusal that are told.
const REASON_MAX: usize = 200;
const SESSION: &str = "mcp-session-id";
const STREAM: &str = "text/event-stream";
const JSON: &str = "application/json";

/// A transport to a server at an address.
///
/// # Errors
/// When a header cannot be sent.
pub(super) fn transport(
    client: Client,
    url: &str,
    headers: &[(String, String)],
    key: Option<&(String, Secret)>,
) -> Result<StreamableHttpClientTransport<Poster>, String> {
    let mut own = HeaderMap::new();
    let mut put = |name: &str, value: &str| {
        let name = HeaderName::try_from(name).map_err(|_| format!("the header \"{name}\" cannot be sent"))?;
        let mut value = HeaderValue::try_from(value).map_err(|_| format!("the header \"{name}\" cannot be sent"))?;
        value.set_sensitive(true);
        own.insert(name, value);
        Ok::<_, String>(())
    };
    put(USER_AGENT.as_str(), concat!("aimux/", env!("CARGO_PKG_VERSION")))?;
    for (name, value) in headers {
        put(name, value)?;
    }
    if let Some((name, secret)) = key {
        let is_bearer = *name == AUTHORIZATION.as_str();
        put(name, &if is_bearer { format!("Bearer {}", secret.expose()) } else { secret.expose().to_owned() })?;
    }
    let poster = Poster { client, headers: Arc::new(own) };
    Ok(StreamableHttpClientTransport::with_client(poster, StreamableHttpClientTransportConfig::with_uri(url)))
}

/// Posts messages.
#[derive(Clone)]
pub(super) struct Poster {
    client: Client,
    /// Those of the config, and the key.
    headers: Arc<HeaderMap>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Unposted(String);

impl fmt::Display for Unposted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unposted {}

type Failure = StreamableHttpError<Unposted>;
type Events = std::pin::Pin<Box<dyn futures_core::Stream<Item = Result<sse_stream::Sse, SseError>> + Send>>;

fn unposted(error: impl fmt::Display) -> Failure {
    StreamableHttpError::Client(Unposted(error.to_string()))
}

impl Poster {
    async fn send(
        &self,
        method: Method,
        uri: &str,
        body: Bytes,
        session: Option<&str>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<Response<UpstreamBody>, Failure> {
        let mut request = Request::new(Full::new(Spliced::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = uri.parse().map_err(unposted)?;
        let all = request.headers_mut();
        all.extend((*self.headers).clone());
        all.extend(headers);
        all.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        all.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        if let Some(session) = session {
            all.insert(SESSION, HeaderValue::try_from(session).map_err(unposted)?);
        }
        self.client.send(request).await.map_err(|error: SendError| unposted(error))
    }
}

/// Why a server refuses, in its words.
async fn refusal(response: Response<UpstreamBody>) -> Failure {
    let status = response.status();
    let body = Limited::new(response.into_body(), REFUSAL_MAX).collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let text = String::from_utf8_lossy(&body);
    let words: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(REASON_MAX).collect();
    let hint = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "; does it want a `key`?",
        status if status.is_redirection() => "; redirects are not followed: give the address that it leads to",
        _ => "",
    };
    unposted(format!("the server answers {}{}{words}{hint}", status.as_u16(), if words.is_empty() { "" } else { ": " }))
}

fn says(response: &Response<UpstreamBody>, kind: &str) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(kind.as_bytes()))
}

fn events(response: Response<UpstreamBody>) -> Events {
    Box::pin(SseStream::new(Limited::new(response.into_body(), ANSWER_MAX).map_err(|error| Unposted(error.to_string()))))
}

impl StreamableHttpClient for Poster {
    type Error = Unposted;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        _: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let body = Bytes::from(arguments::written(&message)?);
        let response = self.send(Method::POST, &uri, body, session_id.as_deref(), custom_headers).await?;
        let is_request = matches!(message, ClientJsonRpcMessage::Request(_));
        match response.status() {
            StatusCode::NOT_FOUND if session_id.is_some() => return Err(StreamableHttpError::SessionExpired),
            status if !status.is_success() => return Err(refusal(response).await),
            StatusCode::ACCEPTED | StatusCode::NO_CONTENT => return Ok(StreamableHttpPostResponse::Accepted),
            _ => {}
        }
        let session = response.headers().get(SESSION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        if says(&response, STREAM) {
            return Ok(StreamableHttpPostResponse::Sse(events(response), session));
        }
        if !is_request {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        if !says(&response, JSON) {
            return Err(unposted("the server's answer is neither JSON nor a stream: is it the address of an MCP server?"));
        }
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await.map_err(unposted)?.to_bytes();
        let message: ServerJsonRpcMessage = serde_json::from_slice(&body)?;
        Ok(StreamableHttpPostResponse::Json(message, session))
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        _: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Failure> {
        // A server that keeps the session forgets it by itself.
        self.send(Method::DELETE, &uri, Bytes::new(), Some(&session_id), custom_headers).await.map(|_| ())
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        _: Option<String>,
        mut custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<Events, Failure> {
        if let Some(id) = last_event_id {
            custom_headers.insert(HeaderName::from_static("last-event-id"), HeaderValue::try_from(id).map_err(unposted)?);
        }
        let response = self.send(Method::GET, &uri, Bytes::new(), session_id.as_deref(), custom_headers).await?;
        match response.status() {
            StatusCode::METHOD_NOT_ALLOWED => Err(StreamableHttpError::ServerDoesNotSupportSse),
            StatusCode::NOT_FOUND if session_id.is_some() => Err(StreamableHttpError::SessionExpired),
            status if status.is_success() && says(&response, STREAM) => Ok(events(response)),
            status if status.is_success() => Err(StreamableHttpError::ServerDoesNotSupportSse),
            _ => Err(refusal(response).await),
        }
    }
}
