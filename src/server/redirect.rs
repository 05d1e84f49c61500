//! The address of this machine that a browser comes back to after a login: one path, for one login, for a short time.
//!
//! It hands over what belongs to the login and answers everything else with a refusal, so that neither a web page nor
//! another user of this machine ends it or puts a code of theirs in. What the pages say holds no secret. It lacks the
//! exchange of the code. Start with [`Callback::bind`], then [`Callback::wait`].

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

use crate::error::{Code, Error};
use crate::keys::oauth::{Attempt, Redirect, Returned};

/// Connections at a time: browsers open some in advance.
const CONNECTIONS: usize = 16;
/// How long a connection may take to say what it wants.
const HEADERS: Duration = Duration::from_secs(10);
/// The longest head of a request, in bytes.
const HEAD_MAX: usize = 16 * 1024;
/// How long a browser may take to read the last page.
const FAREWELL: Duration = Duration::from_secs(2);

/// The bound address.
#[derive(Debug)]
pub struct Callback {
    listeners: Vec<std::net::TcpListener>,
    host: &'static str,
    port: u16,
}

/// What came back, and the browser that waits for an answer.
pub struct Arrived {
    /// A code, or the provider's no.
    pub returned: Returned,
    answer: oneshot::Sender<bool>,
    accepting: Vec<tokio::task::JoinHandle<()>>,
    open: Arc<Semaphore>,
}

impl Callback {
    /// Takes the address; a port of 0 takes a free one.
    ///
    /// # Errors
    /// When it is in use, or the system refuses it.
    pub fn bind(redirect: &Redirect) -> Result<Self, Error> {
        let Redirect { host, port, .. } = redirect;
        let first: IpAddr = if *host == "[::1]" { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        let bind = |address: SocketAddr| {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok::<_, std::io::Error>(listener)
        };
        let failed = |error: std::io::Error| {
            Error::new(Code::CannotBind, format!("the browser could not come back: {first} port {port} cannot be listened on: {error}"))
                .hint("log in with --no-browser, and paste what the browser ends at")
                .caused_by(error)
        };
        let listener = bind((first, *port).into()).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let mut listeners = vec![listener];
        if *host == "localhost" {
            // Some browsers try this address first; where it cannot be had, they go on to the other one.
            listeners.extend(bind((Ipv6Addr::LOCALHOST, port).into()));
        }
        Ok(Self { listeners, host, port })
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for what belongs to the login. Whoever comes later is told that it is over.
    ///
    /// # Errors
    /// When the system no longer accepts connections.
    pub async fn wait(self, attempt: Arc<Attempt>) -> Result<Arrived, Error> {
        let Self { listeners, host, port } = self;
        let (arrive, arrived) = oneshot::channel();
        let desk =
            Arc::new(Desk { attempt, host: format!("{host}:{port}"), is_over: AtomicBool::new(false), arrive: Mutex::new(Some(arrive)) });
        let open = Arc::new(Semaphore::new(CONNECTIONS));
        let mut accepting = Vec::new();
        for listener in listeners {
            let listener = TcpListener::from_std(listener)
                .map_err(|error| Error::new(Code::CannotBind, "the browser could not come back").caused_by(error))?;
            accepting.push(tokio::spawn(accept(listener, Arc::clone(&desk), Arc::clone(&open))));
        }
        let gone = |_| Error::new(Code::Bug, "the address for the browser was closed");
        let (returned, answer) = arrived.await.map_err(gone)?;
        Ok(Arrived { returned, answer, accepting, open })
    }
}

impl Arrived {
    /// Tells the browser whether it worked, and closes the address.
    pub async fn tell(self, worked: bool) {
        let Self { answer, accepting, open, .. } = self;
        // A browser that has gone reads nothing.
        let _ = answer.send(worked);
        let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
        accepting.iter().for_each(tokio::task::JoinHandle::abort);
        let _ = tokio::time::timeout(FAREWELL, open.acquire_many(all)).await;
    }
}

/// What came back, and where to say whether it worked.
type Return = (Returned, oneshot::Sender<bool>);

/// What the connections of one login share.
struct Desk {
    attempt: Arc<Attempt>,
    /// What the Host header must say.
    host: String,
    is_over: AtomicBool,
    arrive: Mutex<Option<oneshot::Sender<Return>>>,
}

async fn accept(listener: TcpListener, desk: Arc<Desk>, open: Arc<Semaphore>) {
    loop {
        let Ok(permit) = Arc::clone(&open).acquire_owned().await else { return };
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            converse(stream, peer, &desk).await;
            drop(permit);
        });
    }
}

async fn converse(stream: TcpStream, peer: SocketAddr, desk: &Arc<Desk>) {
    let is_stranger = stream.local_addr().is_ok_and(|own| !may_be_ours(own, peer));
    let service = service_fn(move |request: Request<Incoming>| {
        let desk = Arc::clone(desk);
        async move { Ok::<_, Infallible>(desk.answer(&request, is_stranger).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(HEAD_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // What is wrong with a browser's connection is no matter of the login's.
    let _ = connection.await;
}

impl Desk {
    async fn answer(&self, request: &Request<Incoming>, is_stranger: bool) -> Response<Full<Bytes>> {
        let hosts: Vec<&HeaderValue> = request.headers().get_all(header::HOST).iter().collect();
        // A page that has bound its own name to this machine says that name.
        if !matches!(hosts[..], [host] if host.as_bytes().eq_ignore_ascii_case(self.host.as_bytes())) {
            return page(StatusCode::MISDIRECTED_REQUEST, "This is not the address that the login comes back to.");
        }
        if is_stranger {
            return page(StatusCode::FORBIDDEN, "Another user of this machine has begun the login.");
        }
        if request.method() != Method::GET {
            return page(StatusCode::METHOD_NOT_ALLOWED, "A login comes back by GET.");
        }
        let target = request.uri().path_and_query().map_or("", |target| target.as_str());
        let returned = match self.attempt.returned(target) {
            Returned::Elsewhere => return page(StatusCode::NOT_FOUND, "There is nothing here."),
            Returned::Forged => return page(StatusCode::BAD_REQUEST, "This belongs to another login. Nothing was taken over."),
            Returned::Malformed => return page(StatusCode::BAD_REQUEST, "The provider sent no code that could be read."),
            returned => returned,
        };
        let over = || page(StatusCode::GONE, "This login is over. Begin a new one in the terminal.");
        if self.is_over.swap(true, Ordering::AcqRel) {
            return over();
        }
        let is_denied = matches!(returned, Returned::Denied(_));
        let (answer, answered) = oneshot::channel();
        let Some(arrive) = self.arrive.lock().unwrap_or_else(PoisonError::into_inner).take() else { return over() };
        if arrive.send((returned, answer)).is_err() {
            return over();
        }
        match answered.await {
            Ok(true) => page(StatusCode::OK, "You are logged in. The terminal goes on; this page may be closed."),
            _ if is_denied => page(StatusCode::OK, "The login was refused. The terminal says more; this page may be closed."),
            _ => page(StatusCode::OK, "The login did not succeed. The terminal says why; this page may be closed."),
        }
    }
}

fn page(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let html = format!("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>aimux</title><p>{text}</p></html>\n");
    let mut response = Response::new(Full::new(Bytes::from(html)));
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
        // The address has the code in it: it goes nowhere from here.
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether the other end of a connection within this machine may belong to this user: it does, or to root, or the system
/// does not tell. Linux only; elsewhere nothing is told.
fn may_be_ours(own: SocketAddr, peer: SocketAddr) -> bool {
    let table = if own.is_ipv4() { "/proc/net/tcp" } else { "/proc/net/tcp6" };
    let owner = std::fs::read_to_string(table).ok().and_then(|table| owner(&table, peer.port(), own.port()));
    owner.is_none_or(|owner| owner == 0 || owner == rustix::process::geteuid().as_raw())
}

/// The user whose socket leads from one port to another, by a table of `/proc/net/tcp`; both ends are this machine's.
fn owner(table: &str, from: u16, to: u16) -> Option<u32> {
    let (from, to) = (format!(":{from:04X}"), format!(":{to:04X}"));
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let is_its =
        |row: &Vec<&str>| row.get(1).is_some_and(|local| local.ends_with(&from)) && row.get(2).is_some_and(|remote| remote.ends_with(&to));
    rows.into_iter().find(is_its)?.get(7)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_end_of_a_connection_is_this_user() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (own, peer) = (listener.local_addr().unwrap(), client.local_addr().unwrap());
        assert!(may_be_ours(own, peer));
        if cfg!(target_os = "linux") {
            let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
            assert_eq!(owner(&table, peer.port(), own.port()), Some(rustix::process::geteuid().as_raw()));
            assert_eq!(owner(&table, own.port(), own.port()), None);
        }
    }

    #[test]
    fn a_port_is_free_or_the_one_that_is_asked_for() {
        let any = Callback::bind(&Redirect::parse("http://localhost/").unwrap()).unwrap();
        let same = Redirect::parse(&format!("http://127.0.0.1:{}/", any.port())).unwrap();
        assert_eq!(Callback::bind(&same).unwrap_err().code, Code::CannotBind);
    }
}
