//! One request to one target as it stands: written in the target's dialect, with its key, and its answer read afterwards.
//!
//! For commands that send by themselves, `aimux bench` say: it lacks attempts, deadlines and renewal of keys. Start with
//! [`Written::new`].

use bytes::Bytes;
use http::{Method, Request, Uri, Version};
use http_body_util::Full;

use super::blocking::Decode;
use super::headers;
use super::refusal::Refusal;
use crate::chat::{ChatRequest, Event, Failure, FailureKind};
use crate::dialect::{Dialect, Quirks, ReplyMap};
use crate::error::{Code, Error};
use crate::route::Target;
use crate::route::table::Key;
use crate::wire::splice::Spliced;

/// A request, ready to be sent as often as is wanted.
#[derive(Debug, Clone)]
pub struct Written {
    request: Request<Bytes>,
    dialect: Dialect,
    quirks: Quirks,
    map: ReplyMap,
    is_stream: bool,
}

impl Written {
    /// Writes a request for a target. `client` is the dialect that its fields are judged by.
    ///
    /// # Errors
    /// When the target cannot be asked this, or its address cannot be used.
    pub fn new(request: &ChatRequest<'_>, target: &Target, key: Option<&Key>, client: Dialect) -> Result<Self, Error> {
        let endpoint = target.endpoint();
        let encoded = (endpoint.dialect.codec().encode_request)(request, &target.upstream(client), &mut Vec::new());
        let (body, map) = encoded.map_err(|error| Error::new(Code::Unsupported, error.to_string()))?;
        let written = post(target, key, body);
        let mut request_out = written.map_err(|refusal| Error::new(refusal.code, refusal.failure.message.clone()))?;
        *request_out.version_mut() = if target.provider.http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        Ok(Self { request: request_out, dialect: endpoint.dialect, quirks: endpoint.quirks.clone(), map, is_stream: request.stream })
    }

    /// The request, to be sent by [`super::client::Client`].
    #[must_use]
    pub fn request(&self) -> Request<Full<Spliced>> {
        self.request.clone().map(|body| Full::new(body.into()))
    }

    /// Its body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        self.request.body()
    }

    /// What an answer of status 2xx said, each event with the number of the chunk that completed it. `frame_max` bounds one
    /// event of a stream, in bytes.
    #[must_use]
    pub fn read(&self, chunks: &[Bytes], frame_max: usize) -> Vec<(usize, Event)> {
        let codec = self.dialect.codec();
        let mut decode = Decode::new(codec, &self.map, &self.quirks, frame_max, None);
        let (mut out, mut events) = (Vec::new(), Vec::new());
        let last = chunks.len().saturating_sub(1);
        if !self.is_stream {
            match (codec.decode_response)(&chunks.concat(), &self.map, &self.quirks) {
                Ok(response) => decode.whole(response, &mut events),
                Err(failure) => events.push(Event::Failed(failure)),
            }
            return events.into_iter().map(|event| (last, event)).collect();
        }
        for (number, chunk) in chunks.iter().enumerate() {
            decode.push(chunk.clone(), &mut events);
            out.extend(events.drain(..).map(|event| (number, event)));
        }
        if !decode.is_over {
            decode.end(&mut events);
            out.extend(events.drain(..).map(|event| (last, event)));
        }
        out
    }
}

/// A request for the target's own count of a prompt's tokens; `None`: its dialect has no such count.
///
/// # Errors
/// When the target's address cannot be used.
pub fn counting(target: &Target, key: Option<&Key>, prompt: &str) -> Option<Result<Request<Full<Spliced>>, Error>> {
    if target.endpoint().dialect != Dialect::AnthropicMessages {
        return None;
    }
    let body = serde_json::json!({ "model": target.model, "messages": [{ "role": "user", "content": prompt }] }).to_string();
    let written = post_to(target, key, "/v1/messages/count_tokens", body.into()).map(|request| request.map(|body| Full::new(body.into())));
    Some(written.map_err(|refusal| Error::new(refusal.code, refusal.failure.message.clone())))
}

/// A request to a target as it stands, with the target's own headers.
pub(super) fn post(target: &Target, key: Option<&Key>, body: Bytes) -> Result<Request<Bytes>, Box<Refusal>> {
    post_to(target, key, target.endpoint().dialect.endpoint(), body)
}

/// The same to another path below the target's base URL.
fn post_to(target: &Target, key: Option<&Key>, path: &str, body: Bytes) -> Result<Request<Bytes>, Box<Refusal>> {
    let uri = address(target, path)?;
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers::upward(None, &target.provider, target.endpoint(), key);
    Ok(request)
}

/// Where a target is asked.
fn address(target: &Target, path: &str) -> Result<Uri, Box<Refusal>> {
    let endpoint = target.endpoint();
    let mut url = format!("{}{path}", endpoint.base_url);
    if !target.provider.query.is_empty() {
        url.push('?');
        url.push_str(&target.provider.query);
    }
    Uri::try_from(url).map_err(|error| {
        let message = format!("provider \"{}\" cannot be addressed: {error}", target.provider.name);
        Box::new(Refusal::new(Code::UpstreamFailed, Failure::new(FailureKind::Server, message)))
    })
}
