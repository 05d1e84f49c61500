//! HTTP to upstreams: connections that the relay drives itself.
//!
//! A connection's future is polled by whoever waits for its answer or reads its body, never spawned: a chunk then crosses
//! no task on its way to the client. HTTP/2, whose connections are shared and driven by tasks, is spoken only where a
//! request offers it (`shared.rs`). It follows no redirect, decodes no encoding and, but for
//! connecting, keeps no time: who drops an answer, or the wait for one, closes the connection, or resets the HTTP/2 stream.
//! Start with [`Client::send`].

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, Uri, Version, header};
use http_body_util::Full;
use serde::{Deserialize, Serialize};

use crate::error::{Code, Error};

mod body;
mod dial;
mod pool;
mod shared;
mod stream;
pub(super) mod tls;

use crate::wire::splice::Spliced;
pub use body::UpstreamBody;
use dial::{Dialed, Names};
use pool::{Link, Pool};
use shared::{Lease, Lines, is_reset};
pub use tls::{ROOTS_VARIABLES, root_faults};

/// The client's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientSettings {
    /// For name, connection and TLS together.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_max: Duration,
    /// How many unused connections are kept for each host.
    pub idle_per_host_max: usize,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self { connect_timeout: Duration::from_secs(10), idle_max: Duration::from_secs(30), idle_per_host_max: 64 }
    }
}

/// Sends requests to upstreams. Cheap to clone; clones share the connections.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

/// What the clones share.
#[derive(Debug)]
struct Shared {
    settings: ClientSettings,
    /// `settings.connect_timeout`, which may change, in milliseconds.
    connect_ms: AtomicU64,
    pool: Arc<Pool>,
    lines: Lines,
    names: Names,
    tls: tls::Tls,
    opened: AtomicU64,
    reused: AtomicU64,
}

/// How the connections came about, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Connections opened.
    pub opened: u64,
    /// Requests that went over a connection kept from before.
    pub reused: u64,
}

/// What went wrong with an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendErrorKind {
    /// The host's name has no address.
    Resolve,
    /// No address takes the connection.
    Connect,
    /// TLS failed, the certificate say.
    Tls,
    /// The connection took longer than the limit.
    Timeout,
    /// The connection broke, or what came is not HTTP.
    Broken,
}

/// Why there is no answer, or no rest of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SendError {
    /// The class.
    pub kind: SendErrorKind,
    /// Whether some of the request may have reached the upstream.
    pub sent: bool,
    /// A lower-case sentence that names host and port; never a path, a query or credentials.
    pub message: String,
    /// What to do about it.
    pub hint: Option<&'static str>,
}

impl SendError {
    /// An error before anything was sent.
    fn unsent(kind: SendErrorKind, message: String) -> Self {
        Self { kind, sent: false, message, hint: None }
    }

    /// The same with a hint.
    fn hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }
}

/// Where a connection leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Origin {
    is_tls: bool,
    /// A name or an address, without brackets.
    host: Arc<str>,
    port: u16,
    /// HTTP/2 may be spoken: by ALPN, or with prior knowledge to a plain one on this machine.
    offers_http2: bool,
}

impl Origin {
    fn of(uri: &Uri, version: Version) -> Result<Self, SendError> {
        let refuse = |what: &str| SendError::unsent(SendErrorKind::Connect, format!("the upstream's URL {what}"));
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(refuse("is neither http nor https")),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| refuse("names no host"))?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let is_loopback = || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let offers_http2 = version == Version::HTTP_2 && (is_tls || is_loopback());
        Ok(Self { is_tls, host: host.to_ascii_lowercase().into(), port, offers_http2 })
    }

    /// The value of the Host header: the port only where it is not the scheme's own.
    fn host_header(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.to_string() };
        if self.port == if self.is_tls { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') { write!(f, "[{}]:{}", self.host, self.port) } else { write!(f, "{}:{}", self.host, self.port) }
    }
}

impl Client {
    /// A client. Nothing is opened or loaded yet: the TLS roots are at the first https connection.
    ///
    /// # Errors
    /// When the TLS library refuses its own defaults.
    pub fn new(settings: ClientSettings) -> Result<Self, Error> {
        let tls = tls::Tls::new().map_err(|error| Error::new(Code::Bug, "TLS cannot be set up").caused_by(error))?;
        Ok(Self::with(settings, tls, Names::System))
    }

    fn with(settings: ClientSettings, tls: tls::Tls, names: Names) -> Self {
        let pool = Arc::new(Pool::new(settings.idle_max, settings.idle_per_host_max));
        let (lines, opened, reused) = Default::default();
        Self {
            shared: Arc::new(Shared {
                settings,
                connect_ms: AtomicU64::new(millis(settings.connect_timeout)),
                pool,
                lines,
                names,
                tls,
                opened,
                reused,
            }),
        }
    }

    /// Sends a request to its absolute URI and gives the answer once its head is here. The Host header is written where
    /// it is missing. A kept connection that turns out dead before any byte of an answer is replaced by a fresh one, once.
    /// A request of version HTTP/2 offers that version; without, or where the upstream does not take it, it is HTTP/1.1.
    ///
    /// # Errors
    /// When there is no answer; an HTTP error status is one.
    pub async fn send(&self, request: Request<Full<Spliced>>) -> Result<Response<UpstreamBody>, SendError> {
        let origin = Origin::of(request.uri(), request.version())?;
        if let Some(kept) = self.kept(&origin).await {
            self.shared.reused.fetch_add(1, Ordering::Relaxed);
            match self.exchange(kept, &origin, request.clone()).await {
                Err(Unanswered { is_silent: true, .. }) => tracing::debug!(host = %origin, "a kept connection was dead"),
                Ok(mut answer) => {
                    answer.body_mut().is_reused = true;
                    return Ok(answer);
                }
                Err(unanswered) => return Err(unanswered.error),
            }
        }
        let fresh = dial::dial(&origin, &self.shared).await?;
        self.shared.opened.fetch_add(1, Ordering::Relaxed);
        self.exchange(fresh, &origin, request).await.map_err(|unanswered| unanswered.error)
    }

    /// A connection from before.
    async fn kept(&self, origin: &Origin) -> Option<Dialed> {
        let lease = if origin.offers_http2 { self.shared.lines.take(origin, self.shared.settings.idle_max) } else { None };
        match lease {
            Some(lease) => Some(Dialed::Two(lease)),
            None => poll_fn(|cx| Poll::Ready(self.shared.pool.take(origin, cx))).await.map(Dialed::One),
        }
    }

    /// How long the connections opened from now on may take.
    pub fn set_connect_timeout(&self, timeout: Duration) {
        self.shared.connect_ms.store(millis(timeout), Ordering::Relaxed);
    }

    /// How the connections came about.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters { opened: self.shared.opened.load(Ordering::Relaxed), reused: self.shared.reused.load(Ordering::Relaxed) }
    }

    async fn exchange(
        &self,
        over: Dialed,
        origin: &Origin,
        mut request: Request<Full<Spliced>>,
    ) -> Result<Response<UpstreamBody>, Unanswered> {
        match over {
            Dialed::One(link) => {
                prepare(&mut request, origin).map_err(|error| Unanswered { error, is_silent: false })?;
                self.exchange_alone(link, origin, request).await
            }
            Dialed::Two(lease) => self.exchange_shared(lease, origin, request).await,
        }
    }

    /// Waits for the head of an HTTP/2 answer. A drop resets the stream.
    async fn exchange_shared(
        &self,
        lease: Lease,
        origin: &Origin,
        mut request: Request<Full<Spliced>>,
    ) -> Result<Response<UpstreamBody>, Unanswered> {
        request.headers_mut().remove(header::HOST);
        let sending = lease.sender().send_request(request);
        match sending.await {
            Ok(response) => {
                let pool = Arc::clone(&self.shared.pool);
                Ok(response.map(|incoming| UpstreamBody::new(incoming, Dialed::Two(lease), origin.clone(), pool)))
            }
            Err(error) => {
                let message = format!("{origin} broke off before an answer: {}", body::reason(&error));
                let is_silent = !is_reset(&error);
                Err(Unanswered {
                    error: SendError { kind: SendErrorKind::Broken, sent: !error.is_canceled(), message, hint: None },
                    is_silent,
                })
            }
        }
    }

    /// Drives connection and answer together until the head is here.
    async fn exchange_alone(
        &self,
        mut link: Box<Link>,
        origin: &Origin,
        request: Request<Full<Spliced>>,
    ) -> Result<Response<UpstreamBody>, Unanswered> {
        let before = link.traffic();
        let mut answer = pin!(link.sender.send_request(request));
        let outcome = poll_fn(|cx| {
            link.drive(cx);
            answer.as_mut().poll(cx)
        })
        .await;
        match outcome {
            Ok(response) => {
                let (head, incoming) = response.into_parts();
                let mut body = UpstreamBody::new(incoming, Dialed::One(link), origin.clone(), Arc::clone(&self.shared.pool));
                poll_fn(|cx| {
                    body.give_back_if_over(cx);
                    Poll::Ready(())
                })
                .await;
                Ok(Response::from_parts(head, body))
            }
            Err(error) => {
                let after = link.traffic();
                let message = format!("{origin} broke off before an answer: {}", body::reason(&error));
                let error = SendError { kind: SendErrorKind::Broken, sent: after.written > before.written, message, hint: None };
                Err(Unanswered { error, is_silent: after.read == before.read })
            }
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// An exchange without an answer.
struct Unanswered {
    error: SendError,
    /// Not one byte of an answer came, or the upstream says that it has not looked at the request.
    is_silent: bool,
}

/// Brings a request into the form that goes over the wire: the path alone, and a Host.
fn prepare(request: &mut Request<Full<Spliced>>, origin: &Origin) -> Result<(), SendError> {
    let refuse = |error: &dyn std::fmt::Display| SendError::unsent(SendErrorKind::Connect, format!("{origin} cannot be asked: {error}"));
    if !request.headers().contains_key(header::HOST) {
        let host = HeaderValue::try_from(origin.host_header()).map_err(|error| refuse(&error))?;
        request.headers_mut().insert(header::HOST, host);
    }
    let path = request.uri().path_and_query().filter(|path| !path.as_str().is_empty()).cloned();
    *request.uri_mut() = path.unwrap_or_else(|| PathAndQuery::from_static("/")).into();
    *request.version_mut() = Version::HTTP_11;
    Ok(())
}

#[cfg(test)]
mod tests;
