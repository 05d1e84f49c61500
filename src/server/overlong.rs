//! Gives the answer to headers far over the limit a body: hyper refuses these itself, with a bare status, before there is a
//! request to handle.
//!
//! The stream remembers the client's dialect, by how the connection's first request began, and exchanges the bare head when
//! hyper writes it. Everything else passes untouched. Lacks the caller's request id and `anthropic-version`, which
//! stand in the headers that nobody read. Start with [`Overlong`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::handler::Route;
use super::reply;
use crate::dialect::Dialect;
use crate::dialect::names::fresh_id;
use crate::error::{Code, Error};

/// How hyper's refusal begins.
const BARE: &[u8] = b"HTTP/1.1 431 ";
/// As much of a request has its method and path.
const BEGIN_MAX: usize = 48;
/// What a refusal of ours has and hyper's has not.
const OURS: &[u8] = b"x-aimux-error";
/// A client's connection.
pub(super) struct Overlong<S> {
    stream: S,
    limit: usize,
    /// `None` until something was read.
    client: Option<Dialect>,
    /// What is written in the place of the bare head. Boxed: thousands of connections wait, and this is rare.
    instead: Option<Box<Instead>>,
}

struct Instead {
    bytes: Vec<u8>,
    /// How much of it is written.
    from: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Overlong<S> {
    /// A connection whose requests may have `limit` bytes of headers.
    pub(super) fn new(stream: S, limit: usize) -> Self {
        Self { stream, limit, client: None, instead: None }
    }

    fn refusal(&self) -> Vec<u8> {
        let error = Error::new(Code::HeadersTooLarge, format!("the request's headers are longer than {} bytes", self.limit));
        let id = fresh_id("req_");
        reply::raw(reply::error(self.client.unwrap_or(Dialect::OpenAiChat), &error, &id), &id)
    }

    /// Writes what stands in the place of `length` bytes of hyper's, wholly, before these count as written.
    fn poll_instead(&mut self, cx: &mut Context<'_>, length: usize) -> Poll<io::Result<usize>> {
        while let Some(instead) = &mut self.instead {
            let rest = instead.bytes.get(instead.from..).unwrap_or_default();
            if rest.is_empty() {
                self.instead = None;
                break;
            }
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => instead.from += written,
            }
        }
        Poll::Ready(Ok(length))
    }

    /// Whether these bytes are to be exchanged, or are being.
    fn is_bare(&mut self, bytes: &[u8]) -> bool {
        if self.instead.is_none() && bytes.starts_with(BARE) && memchr::memmem::find(bytes, OURS).is_none() {
            self.instead = Some(Box::new(Instead { bytes: self.refusal(), from: 0 }));
        }
        self.instead.is_some()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Overlong<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if this.client.is_none() {
            let begin = buf.filled().get(before..).filter(|begin| !begin.is_empty());
            this.client = begin.map(|begin| client(begin.get(..BEGIN_MAX).unwrap_or(begin)));
        }
        read
    }
}

/// Who sends a request that begins like this.
fn client(begin: &[u8]) -> Dialect {
    let line = String::from_utf8_lossy(begin);
    match Route::of(line.split([' ', '?']).nth(1).unwrap_or_default()) {
        Some(Route::Chat(dialect)) => dialect,
        Some(Route::CountTokens) => Dialect::AnthropicMessages,
        _ => Dialect::OpenAiChat,
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Overlong<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_bare(buf) { this.poll_instead(cx, buf.len()) } else { Pin::new(&mut this.stream).poll_write(cx, buf) }
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let is_bare = bufs.iter().find(|buf| !buf.is_empty()).is_some_and(|buf| this.is_bare(buf));
        if is_bare {
            let length = bufs.iter().map(|buf| buf.len()).sum();
            return this.poll_instead(cx, length);
        }
        Pin::new(&mut this.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
