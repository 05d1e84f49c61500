//! One attempt at one target: rendered, sent, and read until its content begins or it has failed.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri, Version};
use http_body_util::{BodyExt, Full};

use super::client::UpstreamBody;
use super::guard::meanwhile;
use super::headers;
use super::job::Job;
use super::preamble::Held;
use super::refusal::{self, Refusal, broken, disguised, refused, scrub, unreachable};
use crate::chat::{ChatResponse, Failure, FailureKind, Loss, Usage};
use crate::dialect::continued::{Before, Continued};
use crate::dialect::transcode::{Rendered, Transcoder, Unrendered, render};
use crate::dialect::{Progress, ReplyMap, ReplyStream};
use crate::error::Code;
use crate::route::Target;
use crate::route::room::Room;
use crate::route::table::{Continue, Key, Provider, Token};
use crate::secret::Secret;
use crate::wire::splice::Spliced;

/// The most bytes of an error body that are read.
pub(super) const ERROR_BODY_MAX: usize = 1 << 20;

/// How long its words are waited for: the status says enough to go on.
pub(super) const ERROR_BODY_WAIT: Duration = Duration::from_secs(5);

/// How one attempt went.
pub(super) enum Attempted {
    Content(Box<Begun>),
    Whole {
        body: Bytes,
        usage: Usage,
        headers: HeaderMap,
        /// What the answer said and the client does not get.
        losses: Vec<Loss>,
    },
    Refused(Refusal),
    Broken(Refusal),
    /// The request cannot be said to this target, or to any.
    Unsayable(Refusal),
}

/// What is told of an attempt, however it went.
#[derive(Default)]
pub(super) struct Told {
    /// To be said before: it runs beside another one, and keeps what it holds back to itself.
    pub(super) is_apart: bool,
    pub(super) losses: Vec<Loss>,
    /// Whether the connection had carried another answer before; `None`: no answer came.
    pub(super) is_reused: Option<bool>,
    /// What the answer's headers say of the room that is left.
    pub(super) room: Option<Room>,
}

/// An answer whose content has begun.
pub(super) struct Begun {
    pub(super) reply: Box<dyn ReplyStream>,
    pub(super) upstream: Option<UpstreamBody>,
    pub(super) held: Bytes,
    /// What came along with the first content and waits until that is on its way.
    pub(super) unread: Bytes,
    pub(super) headers: HeaderMap,
}

impl Job {
    /// One attempt at one target, with a key that is good now, and the provider as it was asked: with that key.
    pub(super) async fn attempt_with(&self, target: &Target, index: usize, told: &mut Told) -> (Attempted, Arc<Provider>) {
        let key = target.provider.keys.get(index);
        match key.and_then(|key| Some((key, key.token.as_ref()?))) {
            None => (self.attempt(target, key, told).await, Arc::clone(&target.provider)),
            // Seldom, and large: a request without such a key keeps no room for it.
            Some((key, token)) => Box::pin(self.attempt_renewing(target, index, key, token, told)).await,
        }
    }

    /// The same with a key that expires: refreshed before where it has, and once afterwards where the provider refuses it.
    async fn attempt_renewing(
        &self,
        target: &Target,
        index: usize,
        key: &Key,
        token: &Token,
        told: &mut Told,
    ) -> (Attempted, Arc<Provider>) {
        let renewals = self.upstreams.renewals();
        let mut live = match renewals.usable(key, token).await {
            Ok(live) => live,
            Err(unrenewed) => {
                let refusal = unrenewed.refusal(&target.provider.name, &key.name);
                return (Attempted::Refused(refusal), Arc::clone(&target.provider));
            }
        };
        let mut is_again = false;
        loop {
            let fresh = with_secret(target, index, live.secret.clone());
            let attempted = self.attempt(&fresh, fresh.provider.keys.get(index), told).await;
            let is_spent = matches!(&attempted, Attempted::Refused(refusal) if refusal.failure.status == 401);
            if !is_spent || is_again {
                return (attempted, fresh.provider);
            }
            match renewals.after_refusal(key, token, &live).await {
                Some(next) => (live, is_again) = (next, true),
                // The provider's own words say more than that nothing could be done about them.
                None => return (attempted, fresh.provider),
            }
        }
    }

    /// The target with a key that is good now; `Some(None)`: the one that it has is. `None`: it has expired and cannot be refreshed.
    pub(super) async fn with_live_key(&self, target: &Target, index: usize) -> Option<Option<Target>> {
        let Some((key, token)) = target.provider.keys.get(index).and_then(|key| Some((key, key.token.as_ref()?))) else {
            return Some(None);
        };
        let live = self.upstreams.renewals().usable(key, token).await.ok()?;
        Some(Some(with_secret(target, index, live.secret)))
    }

    /// One attempt at one target.
    pub(super) async fn attempt(&self, target: &Target, key: Option<&Key>, told: &mut Told) -> Attempted {
        let endpoint = target.endpoint();
        let upstream = target.upstream(self.client);
        let (body, reply_map) = match render(&self.body, &self.peek, self.client, endpoint.dialect, &upstream) {
            Ok(Rendered::Passthrough(body)) => (body, None),
            Ok(Rendered::Translated { body, losses: lost, reply }) => {
                told.losses = lost;
                let ours = self.reply_map();
                (body.into(), Some(ReplyMap { model: ours.model, id: ours.id, input_estimate: ours.input_estimate, ..reply }))
            }
            Err(unrendered) => {
                let (code, error) = match unrendered {
                    Unrendered::Unreadable(error) => (Code::BadRequest, error),
                    Unrendered::Unsayable(error) => (Code::Unsupported, error),
                };
                let mut failure = Failure::new(FailureKind::InvalidRequest, error.to_string());
                failure.param = (!error.path.is_empty()).then(|| error.path.into_owned());
                return Attempted::Unsayable(Refusal::new(code, failure));
            }
        };
        let (body, before) = match self.gone_on(target, body) {
            Ok(gone_on) => gone_on,
            Err(refusal) => return Attempted::Unsayable(*refusal),
        };
        let request = match self.request(target, key, endpoint.dialect.endpoint(), body) {
            Ok(request) => request,
            Err(refusal) => return Attempted::Broken(*refusal),
        };
        let content_at = tokio::time::Instant::now() + Duration::from_secs(self.limits.first_content_s);
        let first_byte = if self.peek.stream { self.limits.first_byte_s } else { self.limits.first_byte_whole_s };
        // The blocks of a session's request are hashed while it is on its way: nobody waits for that.
        let sent = meanwhile(self.upstreams.client.send(request), || {
            self.prefix();
        });
        let answer = match tokio::time::timeout(Duration::from_secs(first_byte), sent).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Attempted::Broken(unreachable(&target.provider.name, &error)),
            Err(_) => return late(format!("provider \"{}\" sent nothing for {first_byte} s", target.provider.name)),
        };
        let (mut head, body) = answer.into_parts();
        headers::forget(&mut head.headers, key);
        told.is_reused = Some(body.is_reused());
        told.room = headers::room(&head.headers);
        let headers = headers::downward(&head.headers, self.client == endpoint.dialect);
        if !head.status.is_success() {
            let reading = body.read_whole(ERROR_BODY_MAX, self.patience().idle);
            let body = tokio::time::timeout(ERROR_BODY_WAIT, reading).await.ok().and_then(Result::ok).unwrap_or_default();
            return Attempted::Refused(refused(head.status.as_u16(), &body, &head.headers, headers, target, key, self.client));
        }
        let attempted = if self.peek.stream {
            let held = if told.is_apart { Held::apart() } else { Held::default() };
            let begun = self.begin_stream(target, body, reply_map, headers, before, held);
            tokio::time::timeout_at(content_at, begun).await.unwrap_or_else(|_| {
                let waited = self.limits.first_content_s;
                late(format!("provider \"{}\" brought no content for {waited} s", target.provider.name))
            })
        } else {
            let whole = self.whole(target, key, body, reply_map, headers);
            tokio::time::timeout(Duration::from_secs(first_byte), whole)
                .await
                .unwrap_or_else(|_| late(format!("provider \"{}\" did not end its answer for {first_byte} s", target.provider.name)))
        };
        match attempted {
            Attempted::Refused(refusal) => Attempted::Refused(refusal.without(key.map(|key| &key.secret))),
            attempted => attempted,
        }
    }

    /// The HTTP request to `path` under the target's base URL.
    pub(super) fn request(
        &self,
        target: &Target,
        key: Option<&Key>,
        path: &str,
        body: Spliced,
    ) -> Result<Request<Full<Spliced>>, Box<Refusal>> {
        let endpoint = target.endpoint();
        let is_same = self.client == endpoint.dialect;
        let theirs = self.query.as_deref().filter(|_| is_same).unwrap_or_default();
        let mut url = format!("{}{path}", endpoint.base_url);
        for (separator, query) in [target.provider.query.as_str(), theirs].into_iter().filter(|query| !query.is_empty()).enumerate() {
            url.push(if separator == 0 { '?' } else { '&' });
            url.push_str(query);
        }
        let bad = |reason: String| {
            let message = format!("provider \"{}\" cannot be addressed: {reason}", target.provider.name);
            Box::new(Refusal::new(Code::UpstreamFailed, Failure::new(FailureKind::Server, message)))
        };
        let uri = Uri::try_from(url).map_err(|error| bad(error.to_string()))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        if target.provider.http2 {
            *request.version_mut() = Version::HTTP_2;
        }
        *request.headers_mut() = headers::upward(is_same.then_some(&self.headers), &target.provider, endpoint, key);
        Ok(request)
    }

    /// Reads a stream until its content begins.
    async fn begin_stream(
        &self,
        target: &Target,
        mut body: UpstreamBody,
        map: Option<ReplyMap>,
        headers: HeaderMap,
        before: Option<Before>,
        mut held: Held,
    ) -> Attempted {
        let mut reply = self.reply_stream(target, map.as_ref(), before.clone());
        held.begin(&self.preamble);
        let mut is_judged = false;
        let mut unjudged = Vec::new();
        loop {
            let frame = tokio::time::timeout(self.patience().idle, body.frame()).await;
            if let Some((again, said)) = held.outrun(&self.preamble) {
                // The client's stream was started without this one, whose start is not wanted any more: all is read again.
                (held, reply) = (again, self.reply_stream(target, map.as_ref(), before.clone()));
                held.catch_up(reply.as_mut(), &self.preamble);
                for chunk in said {
                    held.note(&chunk);
                    let out = reply.push(chunk);
                    held.take(out, &self.preamble);
                }
            }
            let frame = match frame {
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
                        return self.whole_as_stream(target, (unjudged, body), map, headers, before).await;
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
            held.catch_up(reply.as_mut(), &self.preamble);
            held.note(&chunk);
            // A block's start is content and shows nothing yet: the event behind it goes along.
            let mut has_begun = false;
            while !chunk.is_empty() {
                let is_enough = has_begun;
                let out = reply.push(next_event(&mut chunk));
                let Progress { content, finished, failure, .. } = reply.progress();
                if let Some(failure) = failure {
                    return Attempted::Refused(disguised(failure.clone(), headers));
                }
                has_begun = *content || *finished;
                held.take(out, &self.preamble);
                if has_begun && (is_enough || chunk.is_empty()) {
                    let held = held.release(&self.preamble);
                    return Attempted::Content(Box::new(Begun { reply, upstream: Some(body), held, unread: chunk, headers }));
                }
            }
        }
    }

    /// The stream ended before any content: an empty answer if it said so, else a failure.
    fn ended_early(&self, reply: Box<dyn ReplyStream>, held: Held, headers: HeaderMap) -> Attempted {
        match &reply.progress().failure {
            None if reply.progress().finished => {
                let held = held.release(&self.preamble);
                Attempted::Content(Box::new(Begun { reply, upstream: None, held, unread: Bytes::new(), headers }))
            }
            Some(failure) => Attempted::Refused(disguised(failure.clone(), headers)),
            None => Attempted::Refused(disguised(Failure::new(FailureKind::Server, "the provider's answer was empty"), headers)),
        }
    }

    /// What a reply that is not translated must undo.
    fn map_for(&self, target: &Target) -> ReplyMap {
        let has_text_tools = target.endpoint().quirks.text_calls && self.peek.tools > 0;
        let text_tools = if has_text_tools { (self.client.codec().text_tools)(&self.body) } else { Vec::new() };
        let name = |at: &Range<usize>| serde_json::from_slice(self.body.get(at.clone())?).ok();
        let tools = self.peek.names_at.iter().filter_map(name).collect();
        // Only another's stream that goes on is written by aimux, and must say no more than the client asked for.
        let hide_usage = self.plan.continues != Continue::Off && !(self.client.codec().wants_usage)(&self.body);
        ReplyMap { is_alias: self.peek.model != target.model, tools, text_tools, hide_usage, ..self.reply_map() }
    }

    fn reply_stream(&self, target: &Target, map: Option<&ReplyMap>, before: Option<Before>) -> Box<dyn ReplyStream> {
        let endpoint = target.endpoint();
        let (theirs, ours) = (endpoint.dialect.codec(), self.client.codec());
        if let Some(before) = before {
            let decoder = match map {
                Some(map) => (theirs.stream_decoder)(map, &endpoint.quirks),
                None => (theirs.stream_decoder)(&self.map_for(target), &endpoint.quirks),
            };
            return Box::new(Continued::new(decoder, before, self.limits.frame_bytes));
        }
        match map {
            None => (ours.tap)(&self.map_for(target), &endpoint.quirks, self.limits.frame_bytes),
            Some(map) => Box::new(Transcoder::new(theirs, ours, map, &endpoint.quirks, self.limits.frame_bytes)),
        }
    }

    /// A whole answer to a request that was not to be streamed.
    async fn whole(&self, target: &Target, key: Option<&Key>, body: UpstreamBody, map: Option<ReplyMap>, headers: HeaderMap) -> Attempted {
        let body = match body.read_whole(self.limits.answer_bytes, Duration::from_secs(self.limits.first_byte_whole_s)).await {
            Ok(body) => body,
            Err(reason) => return Attempted::Broken(broken(&target.provider.name, reason)),
        };
        let body = scrub(body, key.map(|key| &key.secret));
        let answered = match map {
            None if !is_stream(&body) => {
                let relayed = (self.client.codec().relay)(body, &self.map_for(target), &target.endpoint().quirks);
                relayed.map(|(body, usage)| (body, usage, Vec::new()))
            }
            map => self.translated(target, &body, &map.unwrap_or_else(|| self.map_for(target))),
        };
        match answered {
            Ok((body, usage, losses)) => Attempted::Whole { body, usage, headers, losses },
            Err(failure) => Attempted::Refused(disguised(failure, headers)),
        }
    }

    /// A whole answer in the client's dialect. It may be an event stream although none was asked for.
    fn translated(&self, target: &Target, body: &Bytes, map: &ReplyMap) -> Result<(Bytes, Usage, Vec<Loss>), Failure> {
        let endpoint = target.endpoint();
        let codec = endpoint.dialect.codec();
        let response = if is_stream(body) {
            let mut decoder = (codec.stream_decoder)(map, &endpoint.quirks);
            ChatResponse::from_events(decoder.whole(body, self.limits.frame_bytes))
        } else {
            (codec.decode_response)(body, map, &endpoint.quirks)
        }?;
        let mut losses = Vec::new();
        Ok(((self.client.codec().encode_response)(&response, map, &mut losses), response.usage, losses))
    }

    /// A whole answer to a request that was to be streamed.
    async fn whole_as_stream(
        &self,
        target: &Target,
        (mut begun, body): (Vec<u8>, UpstreamBody),
        map: Option<ReplyMap>,
        headers: HeaderMap,
        before: Option<Before>,
    ) -> Attempted {
        match body.read_whole(self.limits.answer_bytes, self.patience().idle).await {
            Ok(rest) => begun.extend_from_slice(&rest),
            Err(reason) => return Attempted::Broken(broken(&target.provider.name, reason)),
        }
        let endpoint = target.endpoint();
        let map = map.unwrap_or_else(|| self.map_for(target));
        let response = match (endpoint.dialect.codec().decode_response)(&begun, &map, &endpoint.quirks) {
            Ok(response) => response,
            Err(failure) => return Attempted::Refused(disguised(failure, headers)),
        };
        if let Some(before) = before {
            let decoder = (endpoint.dialect.codec().stream_decoder)(&map, &endpoint.quirks);
            let mut reply = Continued::new(decoder, before, self.limits.frame_bytes);
            reply.take(response.into_events());
            let (held, unread) = (Bytes::new(), Bytes::new());
            return Attempted::Content(Box::new(Begun { reply: Box::new(reply), upstream: None, held, unread, headers }));
        }
        let mut encoder = (self.client.codec().stream_encoder)(&map);
        let mut out = Vec::new();
        if self.preamble.is_sent() {
            encoder.early_start(&mut Vec::new());
            (0..self.preamble.kept_alive()).for_each(|_| encoder.keep_alive(&mut Vec::new()));
        }
        let mut progress = Progress { content: true, finished: true, usage: response.usage, ..Progress::default() };
        for event in response.into_events() {
            encoder.event(event, &mut out, &mut progress.losses);
        }
        Attempted::Content(Box::new(Begun {
            reply: Box::new(Done(progress)),
            upstream: None,
            held: out.into(),
            unread: Bytes::new(),
            headers,
        }))
    }
}

/// A limit of time was met.
fn late(message: String) -> Attempted {
    Attempted::Broken(refusal::late(message))
}

/// The target with another secret in the place of one of its keys.
pub(super) fn with_secret(target: &Target, index: usize, secret: Secret) -> Target {
    let mut provider = Provider::clone(&target.provider);
    if let Some(key) = provider.keys.get_mut(index) {
        key.secret = secret;
    }
    Target { provider: Arc::new(provider), ..target.clone() }
}

/// Whether a whole body is an event stream: by the first letter of its first field.
pub(super) fn is_stream(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), Some(b'd' | b'e' | b':' | b'i' | b'r'))
}

/// Less than this is not worth a write of its own, in bytes.
const LATER_MIN: usize = 4 * 1024;

/// The next event off a chunk, or all of it where what follows is short or the end of an event is not seen.
fn next_event(chunk: &mut Bytes) -> Bytes {
    match memchr::memmem::find(chunk, b"\n\n").map(|at| at + 2) {
        Some(end) if chunk.len() - end >= LATER_MIN => chunk.split_to(end),
        _ => std::mem::take(chunk),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_one_by_one_while_much_follows() {
        let long = "data: x\n\n".repeat(LATER_MIN);
        let mut chunk = Bytes::from(format!("event: a\ndata: 1\n\n{long}"));
        assert_eq!(next_event(&mut chunk), "event: a\ndata: 1\n\n");
        assert_eq!(next_event(&mut chunk), "data: x\n\n");
        for all in
            ["data: 1\n\ndata: 2\n\n".to_owned(), "data: 1\r\n\r\n".repeat(LATER_MIN), "data: ".to_owned() + &"x".repeat(LATER_MIN * 2)]
        {
            let mut chunk = Bytes::from(all.clone());
            assert_eq!((next_event(&mut chunk), chunk), (Bytes::from(all), Bytes::new()));
        }
    }
}
