//! The body of an answer, which drives its own connection as it is read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::dial::Dialed;
use super::pool::{Link, Pool};
use super::shared::Lease;
use super::{Origin, SendError, SendErrorKind};

/// What is joined at most, in bytes. A single chunk may be longer.
const JOIN_MAX: usize = 64 * 1024;

/// An upstream's body. Everything that has arrived comes as one chunk; it never waits for more. Read to its end, the
/// connection is kept for the next request; dropped before, the connection is closed, of HTTP/2 the stream. Trailers are
/// left out.
pub struct UpstreamBody {
    incoming: Incoming,
    /// `None` once it was given back or has failed, and over HTTP/2.
    link: Option<Box<Link>>,
    /// The place on an HTTP/2 connection.
    lease: Option<Lease>,
    /// The connection had carried another answer before.
    pub(super) is_reused: bool,
    origin: Origin,
    pool: Arc<Pool>,
    /// What was read too far and comes next.
    held: Option<Result<Bytes, SendError>>,
    is_over: bool,
}

impl std::fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamBody").field("origin", &self.origin).field("is_over", &self.is_over).finish_non_exhaustive()
    }
}

impl UpstreamBody {
    pub(super) fn new(incoming: Incoming, over: Dialed, origin: Origin, pool: Arc<Pool>) -> Self {
        let (link, lease) = match over {
            Dialed::One(link) => (Some(link), None),
            Dialed::Two(lease) => (None, Some(lease)),
        };
        Self { incoming, link, lease, is_reused: false, origin, pool, held: None, is_over: false }
    }

    /// Whether the answer came over a connection that had carried another before.
    #[must_use]
    pub fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Reads it whole.
    ///
    /// # Errors
    /// What stood in the way: it broke off, grew past `limit` bytes, or was silent for `idle`.
    pub(in crate::upstream) async fn read_whole(mut self, limit: usize, idle: Duration) -> Result<Bytes, &'static str> {
        let mut joined = Joined::default();
        loop {
            let frame = tokio::time::timeout(idle, self.frame()).await.map_err(|_| "the provider was silent in mid-answer")?;
            let Some(frame) = frame else { return Ok(joined.into_bytes()) };
            let Ok(chunk) = frame.map_err(|_| "the provider's answer broke off")?.into_data() else { continue };
            if joined.len() + chunk.len() > limit {
                return Err("the provider's answer is too large");
            }
            joined.push(chunk);
        }
    }

    /// Gives the connection back when nothing is left to read: a reader that knows the length never asks for the end.
    pub(super) fn give_back_if_over(&mut self, cx: &mut Context<'_>) {
        if self.is_over || self.incoming.is_end_stream() {
            self.is_over = true;
            self.lease = None;
            if let Some(mut link) = self.link.take()
                && link.settle(cx)
            {
                self.pool.put(self.origin.clone(), link);
            }
        }
    }

    /// The next chunk as it came over the wire.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, SendError>>> {
        loop {
            if let Some(link) = &mut self.link {
                link.drive(cx);
            }
            let frame = match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(error))) => {
                    let message = format!("{} broke off in its answer: {}", self.origin, reason(&error));
                    return Poll::Ready(Some(Err(SendError { kind: SendErrorKind::Broken, sent: true, message, hint: None })));
                }
            };
            match frame.into_data() {
                Ok(chunk) if !chunk.is_empty() => return Poll::Ready(Some(Ok(chunk))),
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// What has arrived, as one chunk. A lone chunk is passed uncopied.
    fn poll_joined(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, SendError>>> {
        let mut joined = Joined::default();
        while !self.is_over && self.held.is_none() {
            match self.poll_chunk(cx) {
                Poll::Pending if joined.is_empty() => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(None) => self.is_over = true,
                Poll::Ready(Some(Ok(chunk))) if joined.has_room_for(&chunk) => joined.push(chunk),
                Poll::Ready(Some(chunk_or_error)) => self.held = Some(chunk_or_error),
            }
        }
        self.give_back_if_over(cx);
        if !joined.is_empty() {
            return Poll::Ready(Some(Ok(joined.into_bytes())));
        }
        let held = self.held.take();
        if let Some(Err(_)) = &held {
            self.is_over = true;
            self.link = None;
            self.lease = None;
        }
        Poll::Ready(held)
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = SendError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, SendError>>> {
        self.poll_joined(cx).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over && self.held.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.as_ref().and_then(|held| held.as_ref().ok()).map_or(0, Bytes::len) as u64;
        let incoming = self.incoming.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(incoming.lower().saturating_add(held));
        if let Some(upper) = incoming.upper() {
            hint.set_upper(upper.saturating_add(held));
        }
        hint
    }
}

/// Chunks on their way to be one.
#[derive(Default)]
struct Joined {
    first: Bytes,
    all: Option<BytesMut>,
}

impl Joined {
    fn len(&self) -> usize {
        self.all.as_ref().map_or(self.first.len(), BytesMut::len)
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first chunk always has.
    fn has_room_for(&self, chunk: &Bytes) -> bool {
        self.is_empty() || self.len() + chunk.len() <= JOIN_MAX
    }

    fn push(&mut self, chunk: Bytes) {
        if self.is_empty() {
            self.first = chunk;
            return;
        }
        let all = self.all.get_or_insert_with(|| {
            let mut all = BytesMut::with_capacity((self.first.len() + chunk.len()).max(4096));
            all.extend_from_slice(&self.first);
            all
        });
        all.extend_from_slice(&chunk);
    }

    fn into_bytes(self) -> Bytes {
        self.all.map_or(self.first, BytesMut::freeze)
    }
}

/// hyper's error with its cause: on its own it often says no more than "connection error".
pub(super) fn reason(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
