//! Whether a provider can be reached at all, and what its clock says: name, connection, TLS and one request without a key.
//!
//! Blocking, as [`super::probe`] is, and as bounded. Start with [`Reacher::reach`].

use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::header::{AGE, DATE};
use http::{Request, Uri};

use super::certificate::{self, Validity};
use super::headers::upward;
use super::probe::{Agents, address, unreachable_because};
use crate::date;
use crate::route::table::Provider;

/// For a name; the system's own limit is often longer.
const NAME_MAX: Duration = Duration::from_secs(5);
/// For a connection to one of its addresses.
const CONNECT_MAX: Duration = Duration::from_secs(4);
/// So many of a name's addresses are tried.
const ADDRESSES_MAX: usize = 3;

/// Asks providers for nothing. The TLS roots are read at the first one that needs them.
#[derive(Debug, Default)]
pub struct Reacher {
    agents: Agents,
}

/// How far one comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// There is an answer.
    Answered {
        /// Where it was asked: host and port.
        host: String,
        /// From the name to the answer's head, in milliseconds.
        ms: u64,
        /// By how many seconds its clock is ahead of ours; `None`: it does not tell.
        ahead_s: Option<i64>,
        /// How long its certificate is good; `None`: it has none, or none that can be read.
        certificate: Option<Validity>,
    },
    /// The name leads nowhere; why.
    NoName(String),
    /// No address of the name takes a connection; why.
    NoConnection(String),
    /// There is a connection, but no answer: TLS, or what speaks there is not HTTP.
    NoAnswer {
        /// Where it was asked: host and port.
        host: String,
        /// Why.
        reason: String,
        /// How long its certificate is good, be it trusted or not.
        certificate: Option<Validity>,
    },
}

impl Reacher {
    /// Asks `provider`, in some 20 seconds at most. Blocks.
    #[must_use]
    pub fn reach(&self, provider: &Provider) -> Reached {
        let start = Instant::now();
        let Some(endpoint) = provider.endpoints.first() else { return Reached::NoName("it has no address".to_owned()) };
        let uri = match address(endpoint, &provider.query) {
            Ok(uri) => uri,
            Err(reason) => return Reached::NoName(reason),
        };
        let addresses = match resolved(&uri) {
            Ok(addresses) => addresses,
            Err(reason) => return Reached::NoName(reason),
        };
        let host = uri.authority().map_or_else(String::new, ToString::to_string);
        let stream = match connected(&addresses) {
            Ok(stream) => stream,
            Err(error) => return Reached::NoConnection(format!("{host} takes no connection: {error}")),
        };
        let is_secure = uri.scheme_str() == Some("https");
        let name = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let looked = Instant::now();
        let certificate = if is_secure { certificate::look(stream, name) } else { None };
        // The time is that of who asks once.
        let start = start + looked.elapsed();
        let mut request = Request::new(());
        *request.headers_mut() = upward(None, provider, endpoint, None);
        *request.uri_mut() = uri.clone();
        let (asked, before) = (Instant::now(), now_s());
        match self.agents.of(&uri).run(request) {
            Ok(response) => {
                let headers = response.headers();
                let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
                // What a cache kept has the date of when it was made.
                let age = text(AGE).and_then(|age| age.parse::<u64>().ok()).unwrap_or(0);
                let middle = before.saturating_add(asked.elapsed().as_secs() / 2);
                let theirs = text(DATE).and_then(date::parse_http).map(|date| date.saturating_add(age));
                let ahead_s = theirs.and_then(|theirs| i64::try_from(theirs).ok()?.checked_sub(i64::try_from(middle).ok()?));
                Reached::Answered { host, ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX), ahead_s, certificate }
            }
            Err(error) => Reached::NoAnswer { host, reason: unreachable_because(&error, &uri), certificate },
        }
    }
}

/// The addresses of a name, in bounded time: the system's resolver cannot be interrupted, only left alone.
fn resolved(uri: &Uri) -> Result<Vec<SocketAddr>, String> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let (tell, told) = mpsc::channel();
    let name = host.clone();
    let spawned = std::thread::Builder::new().name("resolver".to_owned()).spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs().map(|found| found.take(ADDRESSES_MAX).collect::<Vec<_>>());
        // Whoever asked may have given up.
        let _ = tell.send(found);
    });
    spawned.map_err(|error| error.to_string())?;
    match told.recv_timeout(NAME_MAX) {
        Ok(Ok(found)) if !found.is_empty() => Ok(found),
        Ok(Ok(_)) => Err(format!("the name {host} has no address")),
        Ok(Err(error)) => Err(format!("the name {host} was not found: {error}")),
        Err(_) => Err(format!("the name {host} was not found in {} s", NAME_MAX.as_secs())),
    }
}

fn connected(addresses: &[SocketAddr]) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect_timeout(address, CONNECT_MAX) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
