//! Opens a connection: name, TCP, TLS, within one limit of time.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::pool::Link;
use super::shared::Lease;
use super::stream::{Stream, Watched};
use super::tls;
use super::{Origin, SendError, SendErrorKind, Shared};

/// What a request goes over.
pub(super) enum Dialed {
    /// A connection of its own, HTTP/1.1.
    One(Box<Link>),
    /// A place on an HTTP/2 connection.
    Two(Lease),
}

/// Who is asked for the addresses of a name. What it says is kept nowhere: a name that was not found is asked for again.
#[derive(Debug)]
pub(super) enum Names {
    /// The system.
    System,
    /// A test, which may change its mind.
    #[cfg(test)]
    Told(std::sync::Arc<std::sync::Mutex<Vec<SocketAddr>>>),
}

impl Names {
    async fn addresses(&self, origin: &Origin) -> std::io::Result<Vec<SocketAddr>> {
        match self {
            Self::System => Ok(tokio::net::lookup_host((&*origin.host, origin.port)).await?.collect()),
            #[cfg(test)]
            Self::Told(addresses) => match addresses.lock() {
                Ok(told) if !told.is_empty() => Ok(told.clone()),
                _ => Err(std::io::Error::other("no such name")),
            },
        }
    }
}

/// Opens a connection to `origin`.
pub(super) async fn dial(origin: &Origin, shared: &Shared) -> Result<Dialed, SendError> {
    let deadline = Instant::now() + Duration::from_millis(shared.connect_ms.load(Ordering::Relaxed));
    let stream = timeout_at(deadline, open(origin, shared, deadline)).await.unwrap_or_else(|_| Err(too_slow(origin)))?;
    let speaks_http2 = origin.offers_http2 && stream.speaks_http2();
    let (watched, traffic) = Watched::new(stream);
    let unspeakable = |error| SendError::unsent(SendErrorKind::Broken, format!("{origin} cannot be spoken to: {error}"));
    if speaks_http2 {
        let begun = timeout_at(deadline, shared.lines.begin(origin, watched)).await.map_err(|_| too_slow(origin))?;
        return begun.map(Dialed::Two).map_err(unspeakable);
    }
    // The handshake of HTTP/1.1 writes nothing; it only makes the two halves.
    let (sender, connection) = http1::handshake(TokioIo::new(watched)).await.map_err(unspeakable)?;
    Ok(Dialed::One(Box::new(Link::new(sender, connection, traffic))))
}

async fn open(origin: &Origin, shared: &Shared, deadline: Instant) -> Result<Stream, SendError> {
    let addresses = shared.names.addresses(origin).await.map_err(|error| {
        SendError::unsent(SendErrorKind::Resolve, format!("the name {} was not found: {error}", origin.host))
            .hint("check base_url, and the network")
    })?;
    let tcp = connect(origin, &addresses, deadline).await?;
    // Small events must leave at once. A socket that refuses the option still works.
    let _ = tcp.set_nodelay(true);
    if !origin.is_tls {
        return Ok(Stream::Plain(tcp));
    }
    match shared.tls.connect(origin, tcp).await {
        Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
        Err(error) => Err(SendError::unsent(SendErrorKind::Tls, format!("TLS with {origin} failed: {error}")).hint(tls::advice(&error))),
    }
}

/// Tries every address in order. Each but the last gets a share of the time, so that a dead one leaves some to the next.
async fn connect(origin: &Origin, addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, SendError> {
    let mut failure = SendError::unsent(SendErrorKind::Resolve, format!("the name {} has no address", origin.host));
    for (tried, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        match timeout_at(now + deadline.saturating_duration_since(now) / left, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(error)) => failure = SendError::unsent(SendErrorKind::Connect, format!("{origin} takes no connection: {error}")),
            Err(_) => failure = too_slow(origin),
        }
    }
    Err(failure)
}

fn too_slow(origin: &Origin) -> SendError {
    SendError::unsent(SendErrorKind::Timeout, format!("{origin} took too long to connect")).hint("limits.connect_s is the limit")
}
