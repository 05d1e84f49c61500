//! One attempt at one target: encoded, sent, and read until its content begins or it has failed.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, Request, StatusCode, Uri};
use ureq::Agent;
use ureq::tls::RootCerts;

use super::decode::Decode;
use super::post::{Connection, News, Silence};
use super::{Call, Driver, Post};
use crate::chat::{ChatResponse, Event, Failure, FailureKind, Loss};
use crate::dialect::ReplyMap;
use crate::error::Code;
use crate::route::room::Room;
use crate::route::{Key, Target};
use crate::upstream::attempt::{ERROR_BODY_MAX, ERROR_BODY_WAIT, is_stream, with_secret};
use crate::upstream::direct::post;
use crate::upstream::echo::Echo;
use crate::upstream::headers;
use crate::upstream::probe::{roots, tls_settings, unreachable_because};
use crate::upstream::refusal::{self, Refusal, broken, disguised, refused, scrub};

/// How one attempt went.
pub(super) enum Attempted {
    Content(Box<Begun>),
    Refused(Box<Refusal>),
    Broken(Box<Refusal>),
    /// The request cannot be said to this target.
    Unsayable(Box<Refusal>),
    Interrupted,
}

impl Attempted {
    fn refused(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }

    fn broken(refusal: Refusal) -> Self {
        Self::Broken(Box::new(refusal))
    }
}

/// An answer whose content has begun.
pub(super) struct Begun {
    pub(super) decode: Decode,
    /// `None`: all of it is there.
    pub(super) connection: Option<Connection>,
    pub(super) events: Vec<Event>,
    pub(super) headers: HeaderMap,
}

/// What is told of an attempt, however it went.
#[derive(Default)]
pub(super) struct Told {
    pub(super) losses: Vec<Loss>,
    pub(super) room: Option<Room>,
    pub(super) headers: HeaderMap,
}

/// One attempt under way.
pub(super) struct Attempt<'a> {
    pub(super) driver: &'a Driver,
    pub(super) call: &'a Call<'a>,
    pub(super) post: &'a Post,
    pub(super) target: &'a Target,
    /// When the whole request is given up.
    pub(super) deadline: Option<Instant>,
}

impl Attempt<'_> {
    /// One attempt with a key that is good now: refreshed before where it has expired, and once afterwards where the
    /// provider refuses it.
    pub(super) fn run(&self, key_index: usize, told: &mut Told) -> Attempted {
        let key = self.target.provider.keys.get(key_index);
        let Some((key, token)) = key.and_then(|key| Some((key, key.token.as_ref()?))) else {
            return self.with_key(self.target, key_index, told);
        };
        let renewals = &self.driver.renewals;
        let mut live = match renewals.usable_blocking(key, token) {
            Ok(live) => live,
            Err(unrenewed) => return Attempted::refused(unrenewed.refusal(&self.target.provider.name, &key.name)),
        };
        let mut is_again = false;
        loop {
            let fresh = with_secret(self.target, key_index, live.secret.clone());
            let attempted = self.with_key(&fresh, key_index, told);
            let is_spent = matches!(&attempted, Attempted::Refused(refusal) if refusal.failure.status == 401);
            if !is_spent || is_again {
                return attempted;
            }
            match renewals.after_refusal_blocking(key, token, &live) {
                Some(next) => (live, is_again) = (next, true),
                None => return attempted,
            }
        }
    }

    fn with_key(&self, target: &Target, key_index: usize, told: &mut Told) -> Attempted {
        let key = target.provider.keys.get(key_index);
        let attempted = self.ask(target, key_index, told);
        match attempted {
            Attempted::Refused(refusal) => Attempted::refused(refusal.without(key.map(|key| &key.secret))),
            Attempted::Broken(refusal) => Attempted::broken(refusal.without(key.map(|key| &key.secret))),
            attempted => attempted,
        }
    }

    fn ask(&self, target: &Target, key_index: usize, told: &mut Told) -> Attempted {
        let key = target.provider.keys.get(key_index);
        let limits = self.call.limits;
        let endpoint = target.endpoint();
        let codec = endpoint.dialect.codec();
        told.losses.clear();
        let (body, map) = match (codec.encode_request)(self.call.request, &target.upstream(self.call.client), &mut told.losses) {
            Ok(encoded) => encoded,
            Err(error) => {
                let mut failure = Failure::new(FailureKind::InvalidRequest, error.to_string());
                failure.param = (!error.path.is_empty()).then(|| error.path.into_owned());
                return Attempted::Unsayable(Box::new(Refusal::new(Code::Unsupported, failure)));
            }
        };
        let request = match self.request(target, key, body) {
            Ok(request) => request,
            Err(refusal) => return Attempted::Broken(refusal),
        };
        let provider = &target.provider.name;
        let uri = request.uri().clone();
        let begun = Instant::now();
        let first_byte_s = if self.call.request.stream { limits.first_byte_s } else { limits.first_byte_whole_s };
        let agent = self.agent(&uri);
        let connection = match self.post.send(agent, request) {
            Ok(connection) => connection,
            Err(error) => return Attempted::broken(broken(provider, &format!("no thread could be had: {error}"))),
        };
        let first_byte_at = begun + Duration::from_secs(first_byte_s);
        let mut head = match self.post.next(&connection, self.by(first_byte_at)) {
            Ok(News::Head(head)) => head,
            Ok(News::Broken(error)) => return Attempted::broken(unreachable(provider, &error, &uri)),
            Ok(News::Chunk(_) | News::End) => return Attempted::broken(broken(provider, "answers with what is not HTTP")),
            Err(silence) => {
                return self.silent(silence, first_byte_at, || format!("provider \"{provider}\" sent nothing for {first_byte_s} s"));
            }
        };
        headers::forget(&mut head.headers, key);
        told.room = headers::room(&head.headers);
        told.headers = head.headers.clone();
        if !head.status.is_success() {
            return self.refused(target, key, &head, &connection);
        }
        let until = if self.call.request.stream { limits.first_content_s } else { first_byte_s };
        let mut reading = Reading {
            attempt: self,
            target,
            key,
            headers: head.headers.clone(),
            decode: Decode::new(codec, &map, &endpoint.quirks, limits.frame_bytes, Echo::of(&target.provider, key_index)),
            map: &map,
            content_at: if self.call.request.stream {
                begun + Duration::from_secs(until)
            } else {
                Instant::now() + Duration::from_secs(until)
            },
            content_s: until,
        };
        reading.head(connection, head.status)
    }

    /// The request, with the target's own headers; `headers` of the call go along where the target is an aimux.
    fn request(&self, target: &Target, key: Option<&Key>, body: Bytes) -> Result<Request<Bytes>, Box<Refusal>> {
        let mut request = post(target, key, body)?;
        for (name, value) in self.call.headers.into_iter().flatten() {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        Ok(request)
    }

    fn agent(&self, uri: &Uri) -> Agent {
        let roots = match uri.scheme_str() {
            Some("https") => self.driver.roots.get_or_init(roots).clone(),
            _ => RootCerts::WebPki,
        };
        let connect = Duration::from_secs(self.call.limits.connect_s);
        let config = Agent::config_builder()
            .tls_config(tls_settings(roots))
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_resolve(Some(connect))
            .timeout_connect(Some(connect))
            .max_idle_connections(0)
            .build();
        config.new_agent()
    }

    /// The sooner of `at` and the request's own deadline.
    fn by(&self, at: Instant) -> Instant {
        self.deadline.map_or(at, |deadline| deadline.min(at))
    }

    fn silent(&self, silence: Silence, at: Instant, message: impl FnOnce() -> String) -> Attempted {
        match silence {
            Silence::Interrupted => Attempted::Interrupted,
            Silence::Late if self.deadline.is_some_and(|deadline| deadline < at) => Attempted::broken(refusal::too_late()),
            Silence::Late => Attempted::broken(refusal::late(message())),
        }
    }

    /// An error answer: its words are waited for a little.
    fn refused(&self, target: &Target, key: Option<&Key>, head: &Parts, connection: &Connection) -> Attempted {
        let until = self.by(Instant::now() + ERROR_BODY_WAIT);
        let mut body = Vec::new();
        loop {
            match self.post.next(connection, until) {
                Ok(News::Chunk(chunk)) if body.len() + chunk.len() <= ERROR_BODY_MAX => body.extend_from_slice(&chunk),
                Err(Silence::Interrupted) => return Attempted::Interrupted,
                _ => break,
            }
        }
        let headers = head.headers.clone();
        Attempted::refused(refused(head.status.as_u16(), &body.into(), &head.headers, headers, target, key, self.call.client))
    }
}

/// An answer that is read until its content begins.
struct Reading<'a> {
    attempt: &'a Attempt<'a>,
    target: &'a Target,
    key: Option<&'a Key>,
    headers: HeaderMap,
    decode: Decode,
    map: &'a ReplyMap,
    content_at: Instant,
    content_s: u64,
}

impl Reading<'_> {
    fn head(&mut self, connection: Connection, status: StatusCode) -> Attempted {
        if self.attempt.call.request.stream && status != StatusCode::NO_CONTENT {
            return self.stream(connection);
        }
        match self.rest(&connection, Vec::new(), self.content_at) {
            Ok(body) => self.whole(&body),
            Err(attempted) => attempted,
        }
    }

    /// Reads a stream until its content begins.
    fn stream(&mut self, connection: Connection) -> Attempted {
        let provider = &self.target.provider.name;
        let idle = Duration::from_secs(self.attempt.call.limits.stream_idle_s);
        let mut events = Vec::new();
        let mut unjudged: Option<Vec<u8>> = Some(Vec::new());
        loop {
            let idle_at = Instant::now() + idle;
            let at = idle_at.min(self.content_at);
            let mut chunk = match self.attempt.post.next(&connection, self.attempt.by(at)) {
                Ok(News::Chunk(chunk)) => chunk,
                Ok(News::End) => {
                    self.decode.end(&mut events);
                    return self.ended_early(events);
                }
                Ok(News::Head(_) | News::Broken(_)) => return Attempted::broken(broken(provider, "broke off before its first content")),
                Err(silence) if idle_at < self.content_at => {
                    return self.attempt.silent(silence, at, || format!("provider \"{provider}\": was silent before its first content"));
                }
                Err(silence) => {
                    let content_s = self.content_s;
                    return self.attempt.silent(silence, at, || format!("provider \"{provider}\" brought no content for {content_s} s"));
                }
            };
            if let Some(held) = &mut unjudged {
                // An answer to a stream request may be JSON or HTML all the same; some pad it with blanks first.
                held.extend_from_slice(&chunk);
                match held.iter().find(|byte| !byte.is_ascii_whitespace()) {
                    None => continue,
                    Some(b'{' | b'<' | b'[') => {
                        let begun = std::mem::take(held);
                        return match self.rest(&connection, begun, self.content_at) {
                            Ok(body) => self.whole(&body),
                            Err(attempted) => attempted,
                        };
                    }
                    Some(_) => chunk = std::mem::take(held).into(),
                }
                unjudged = None;
            }
            self.decode.push(chunk, &mut events);
            if let Some(failure) = &self.decode.progress.failure {
                return Attempted::refused(disguised(failure.clone(), self.headers.clone()));
            }
            if self.decode.progress.content || self.decode.progress.finished {
                return self.content(Some(connection), events);
            }
        }
    }

    fn content(&mut self, connection: Option<Connection>, events: Vec<Event>) -> Attempted {
        let limits = self.attempt.call.limits;
        let endpoint = self.target.endpoint();
        let empty = Decode::new(endpoint.dialect.codec(), self.map, &endpoint.quirks, limits.frame_bytes, None);
        let decode = std::mem::replace(&mut self.decode, empty);
        let headers = std::mem::take(&mut self.headers);
        Attempted::Content(Box::new(Begun { decode, connection, events, headers }))
    }

    /// The stream ended before any content: an empty answer if it said so, else a failure.
    fn ended_early(&mut self, events: Vec<Event>) -> Attempted {
        match &self.decode.progress.failure {
            None if self.decode.progress.finished => self.content(None, events),
            Some(failure) => Attempted::refused(disguised(failure.clone(), self.headers.clone())),
            None => {
                let failure = Failure::new(FailureKind::Server, "the provider's answer was empty");
                Attempted::refused(disguised(failure, self.headers.clone()))
            }
        }
    }

    /// Reads the body to its end.
    fn rest(&self, connection: &Connection, mut body: Vec<u8>, until: Instant) -> Result<Vec<u8>, Attempted> {
        let provider = &self.target.provider.name;
        let most = self.attempt.call.limits.answer_bytes;
        loop {
            match self.attempt.post.next(connection, self.attempt.by(until)) {
                Ok(News::Chunk(chunk)) if body.len() + chunk.len() <= most => body.extend_from_slice(&chunk),
                Ok(News::Chunk(_)) => return Err(Attempted::broken(broken(provider, "its answer is longer than limits.answer_mb"))),
                Ok(News::End) => return Ok(body),
                Ok(News::Head(_) | News::Broken(_)) => return Err(Attempted::broken(broken(provider, "its answer broke off"))),
                Err(silence) => {
                    let content_s = self.content_s;
                    let message = || format!("provider \"{provider}\" did not end its answer for {content_s} s");
                    return Err(self.attempt.silent(silence, until, message));
                }
            }
        }
    }

    /// An answer that is there whole. It may be an event stream although none was asked for.
    fn whole(&mut self, body: &[u8]) -> Attempted {
        let endpoint = self.target.endpoint();
        let codec = endpoint.dialect.codec();
        let body = scrub(Bytes::copy_from_slice(body), self.key.map(|key| &key.secret));
        let response = if is_stream(&body) {
            let mut decoder = (codec.stream_decoder)(self.map, &endpoint.quirks);
            ChatResponse::from_events(decoder.whole(&body, self.attempt.call.limits.frame_bytes))
        } else {
            (codec.decode_response)(&body, self.map, &endpoint.quirks)
        };
        match response {
            Ok(response) => {
                let mut events = Vec::new();
                self.decode.whole(response, &mut events);
                self.content(None, events)
            }
            Err(failure) => Attempted::refused(disguised(failure, self.headers.clone())),
        }
    }
}

/// Why there is no answer, as `serve` would put it.
fn unreachable(provider: &str, error: &ureq::Error, uri: &Uri) -> Refusal {
    let because = unreachable_because(error, uri);
    let is_tls = because.starts_with("TLS with ");
    let (code, kind) = match error {
        ureq::Error::Timeout(_) => (Code::UpstreamTimeout, FailureKind::Timeout),
        _ if is_tls => (Code::UpstreamTls, FailureKind::Server),
        ureq::Error::Io(error) if is_broken(error) => (Code::UpstreamBroken, FailureKind::Server),
        ureq::Error::Io(_) | ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => (Code::UpstreamFailed, FailureKind::Server),
        _ => (Code::UpstreamBroken, FailureKind::Server),
    };
    Refusal::new(code, Failure::new(kind, format!("provider \"{provider}\" could not be reached: {because}")))
}

/// Whether a connection was there and broke.
fn is_broken(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}
