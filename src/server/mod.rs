//! The HTTP server: listens, authenticates, runs the pipeline, drains.
//!
//! Start with `handler.rs`, which reads as the life of a request; `reload.rs` exchanges the config under it.

mod auth;
pub mod control;
mod count_tokens;
mod explain;
mod handler;
pub mod handover;
mod idle;
mod keeper;
pub mod memory;
mod metrics;
mod models;
pub mod notify;
mod overlong;
pub(crate) mod port_owner;
pub mod redirect;
pub mod reload;
mod reply;
pub mod sockets;
pub mod stamp;
mod switches;
pub mod token;
mod workers;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use overlong::Overlong;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::config::{self, Limits, Ready, Written};
use crate::error::{Code, Error};
use crate::ledger;
use crate::route::Table;
use crate::secret::Secret;
use crate::upstream::Upstreams;
use crate::upstream::client::{Client, ClientSettings};
pub use keeper::Tasks;
use switches::Switches;
use workers::Workers;

/// Bytes of headers that are read beyond the limit, so that the refusal can be in the client's dialect.
const HEADER_SLACK: usize = 16 << 10;

/// What the last stream's connection gets to write its end.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the config says. A request takes it once and reads it to its end; a reload puts another one in its place.
pub(crate) struct Snapshot {
    table: Arc<Table>,
    limits: Arc<Limits>,
    token: Secret,
    server: config::Server,
    /// The config's file.
    path: Option<PathBuf>,
    ledger: ledger::Settings,
    written: Vec<Written>,
}

impl Snapshot {
    fn new(ready: Ready, token: Secret) -> Self {
        let Ready { path, server, limits, table, ledger, history: _, database_key: _, notes: _, written } = ready;
        Self { table: Arc::new(table), limits: Arc::new(limits), token, server, path, ledger, written }
    }
}

/// What outlives a reload: the memory of targets, the connections, the places.
pub(crate) struct Shared {
    current: ArcSwap<Snapshot>,
    upstreams: Arc<Upstreams>,
    connections: Arc<Semaphore>,
    in_flight: Arc<Semaphore>,
    /// As many, for the streams among them: a drain waits for these longer.
    streams: Arc<Semaphore>,
    /// Bytes of bodies that may be held, in KiB.
    buffered: Arc<Semaphore>,
    phase: watch::Receiver<Phase>,
    /// The listening sockets, for who takes them over; none: nothing is listened on any more.
    spare: Mutex<Vec<OwnedFd>>,
    /// Where what is known of providers is kept; empty: nowhere.
    memory: OnceLock<PathBuf>,
    /// Sessions that ask another model than their client does.
    switches: Mutex<Switches>,
    /// Connections that were accepted since the start.
    arrivals: AtomicU64,
    /// Open connections to the control socket.
    visitors: AtomicUsize,
    /// The main runtime and those of the threads that serve connections.
    runtimes: OnceLock<Vec<tokio::runtime::Handle>>,
}

impl Shared {
    /// What the config says now.
    fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    fn phase(&self) -> Phase {
        *self.phase.borrow()
    }
}

/// How far a server is with its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It is not ending.
    Serving,
    /// Another listens, or will: what is connected is served, and told to connect anew for the next request.
    Leaving,
    /// The same; connections that are at rest are closed.
    Closing,
    /// New requests are refused.
    Draining,
}

/// Why a server ends, and so what becomes of requests that come on connections which are open already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// It was told to stop: they are refused.
    Stop,
    /// Nobody is connected; whoever comes starts it anew: they are answered.
    Idle,
    /// Another process listens in its place: they are answered.
    HandedOver,
}

/// How long connections at rest stay open where another server listens already: who sends one more request on them is
/// answered. A connection that is closed while its client writes is a request that fails.
const LINGER: Duration = Duration::from_secs(5);

/// How many places stand for the memory of bodies, in KiB.
fn buffered_places(limits: &Limits) -> usize {
    (limits.buffered_bytes / 1024).min(Semaphore::MAX_PERMITS)
}

/// A server that has bound its address and not yet begun.
pub struct Server {
    listeners: Vec<TcpListener>,
    shared: Arc<Shared>,
    workers: Workers,
    phase: watch::Sender<Phase>,
}

impl Server {
    /// Binds the address.
    ///
    /// # Errors
    /// When the address is in use (its owner is named) or refused by the system, or there is no thread to serve on.
    pub async fn bind(ready: Ready, token: Secret) -> Result<Self, Error> {
        let listen = ready.server.listen;
        let listener = TcpListener::bind(listen).await.map_err(|error| cannot_bind(listen, error))?;
        Self::with(vec![listener], ready, token)
    }

    /// Listens on sockets that somebody else has bound.
    ///
    /// # Errors
    /// When they cannot be watched, reach further than the config says, or there is no thread to serve on.
    pub async fn adopt(sockets: Vec<std::net::TcpListener>, ready: Ready, token: Secret) -> Result<Self, Error> {
        let failed =
            |error: std::io::Error| Error::new(Code::CannotBind, format!("the socket cannot be watched: {error}")).caused_by(error);
        let listeners = sockets.into_iter().map(TcpListener::from_std).collect::<std::io::Result<Vec<_>>>().map_err(failed)?;
        for listener in &listeners {
            let (address, listen) = (listener.local_addr().map_err(failed)?, ready.server.listen);
            // The config's own address was looked at when it was read.
            if !address.ip().is_loopback() && address != listen {
                return Err(Error::new(Code::CannotBind, format!("the socket listens on {address}, which other machines can reach"))
                    .hint(format!("server.listen is {listen}: have both say the same, with `tls: terminated` and a token")));
            }
            if address != listen && listen.port() != 0 {
                tracing::warn!(%address, %listen, "the socket is another one than server.listen");
            }
        }
        Self::with(listeners, ready, token)
    }

    fn with(listeners: Vec<TcpListener>, ready: Ready, token: Secret) -> Result<Self, Error> {
        let spare = listeners.iter().map(|listener| listener.as_fd().try_clone_to_owned()).collect::<std::io::Result<Vec<_>>>();
        let spare = spare.map_err(|error| Error::new(Code::CannotBind, "the socket cannot be shared").caused_by(error))?;
        let limits = &ready.limits;
        let client = Client::new(ClientSettings { connect_timeout: Duration::from_secs(limits.connect_s), ..ClientSettings::default() })?;
        let (phase, its_phase) = watch::channel(Phase::Serving);
        let upstreams = Arc::new(Upstreams::new(client));
        upstreams.remember(&ready.ledger);
        upstreams.counts.name(metrics::names(&ready.table));
        let shared = Arc::new(Shared {
            upstreams,
            connections: Arc::new(Semaphore::new(limits.connections)),
            in_flight: Arc::new(Semaphore::new(limits.requests_in_flight)),
            streams: Arc::new(Semaphore::new(limits.requests_in_flight)),
            buffered: Arc::new(Semaphore::new(buffered_places(limits))),
            phase: its_phase,
            spare: Mutex::new(spare),
            memory: OnceLock::new(),
            switches: Mutex::default(),
            arrivals: AtomicU64::new(0),
            visitors: AtomicUsize::new(0),
            runtimes: OnceLock::new(),
            current: ArcSwap::from_pointee(Snapshot::new(ready, token)),
        });
        let workers = Workers::start(&shared)?;
        // Set once, here.
        let _ = shared.runtimes.set([vec![tokio::runtime::Handle::current()], workers.runtimes()].concat());
        Ok(Self { listeners, shared, workers, phase })
    }

    /// Its first address, the port chosen when none was asked for.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        let no_socket = || std::io::Error::from(std::io::ErrorKind::NotConnected);
        self.listeners.first().ok_or_else(no_socket)?.local_addr()
    }

    /// The connections to upstreams.
    #[must_use]
    pub fn client(&self) -> Client {
        self.shared.upstreams.client.clone()
    }

    /// What all requests share.
    #[must_use]
    pub fn upstreams(&self) -> Arc<Upstreams> {
        Arc::clone(&self.shared.upstreams)
    }

    /// What the server can be asked about its own decisions.
    #[must_use]
    pub fn voice(&self) -> control::Voice {
        control::Voice(Arc::clone(&self.shared))
    }

    /// Takes a new config into the running server; `source` is what the first one came from.
    #[must_use]
    pub fn reloader(&self, source: reload::Source) -> Arc<reload::Reloader> {
        let audit = crate::audit::Log::new(&source.environment.state_folder(), "serve");
        self.shared.upstreams.renewals().keep_in(crate::upstream::Keeper { store: source.store.clone(), audit });
        reload::Reloader::new(Arc::clone(&self.shared), source)
    }

    /// Begins with what the file says of providers and keys, and keeps it up to date. Blocks for the file.
    pub fn remember(&self, file: PathBuf) {
        memory::load(&file, &mut self.shared.upstreams.health());
        // One server has one.
        let _ = self.shared.memory.set(file);
    }

    /// How the server's tasks fare.
    pub fn tasks(&self) -> impl Fn() -> Tasks + use<> {
        let (shared, runtimes) = (Arc::clone(&self.shared), self.workers.runtimes());
        move || keeper::tasks(&shared, &runtimes)
    }

    /// Resolves when the server has had no connection for as long as the config says; where that says nothing, for `usual`.
    /// Zero is never.
    pub fn idle(&self, usual: Duration) -> impl Future<Output = ()> + use<> {
        idle::wait(Arc::clone(&self.shared), self.workers.loads(), usual)
    }

    /// Resolves when every thread has done something for the asker: in no time, unless one hangs.
    pub fn pulse(&self) -> impl Fn() -> notify::Pulse + use<> {
        let runtimes = self.workers.runtimes();
        move || {
            let runtimes = runtimes.clone();
            Box::pin(async move {
                for runtime in runtimes {
                    // A thread that has ended is not stuck.
                    let _ = runtime.spawn(async {}).await;
                }
            })
        }
    }

    /// Serves until `stop` resolves, then drains. Gives whether every request ended in time.
    pub async fn run(self, stop: impl Future<Output = Leave>) -> bool {
        let Self { listeners, shared, workers, phase } = self;
        let keeper = keeper::keep(Arc::clone(&shared), shared.memory.get().cloned());
        let connections = Arc::clone(&shared.connections);
        let accept = async {
            loop {
                let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { break };
                match next(&listeners).await {
                    Ok(stream) => {
                        // Without it each first token waits for the client's delayed ACK.
                        let _ = stream.set_nodelay(true);
                        shared.arrivals.fetch_add(1, Ordering::Relaxed);
                        workers.give(stream, permit);
                    }
                    Err(error) => {
                        // Out of file descriptors, most likely: a busy loop would not free one.
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        };
        let leave = tokio::select! {
            () = accept => Leave::Stop,
            leave = stop => leave,
            () = keeper => Leave::Stop,
        };
        drop(listeners);
        shared.spare.lock().unwrap_or_else(PoisonError::into_inner).clear();
        tracing::info!("draining");
        // A receiver that is gone has nothing to drain.
        if leave != Leave::Stop {
            let _ = phase.send(Phase::Leaving);
            let all = permits(shared.current().limits.connections);
            // Nobody is left, or it is time.
            let _ = tokio::time::timeout(LINGER, shared.connections.acquire_many(all)).await;
        }
        let _ = phase.send(if leave == Leave::Stop { Phase::Draining } else { Phase::Closing });
        let is_whole = drained(&shared).await;
        // The heir writes it now.
        if let (Some(file), true) = (shared.memory.get(), leave != Leave::HandedOver) {
            keeper::save(&shared, file.clone()).await;
        }
        is_whole
    }
}

/// The next connection to any of the listeners.
async fn next(listeners: &[TcpListener]) -> std::io::Result<tokio::net::TcpStream> {
    std::future::poll_fn(|cx| {
        let accepted = listeners.iter().find_map(|listener| match listener.poll_accept(cx) {
            Poll::Ready(accepted) => Some(accepted),
            Poll::Pending => None,
        });
        accepted.map_or(Poll::Pending, |accepted| Poll::Ready(accepted.map(|(stream, _)| stream)))
    })
    .await
}

fn permits(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Waits for the open connections to end: for `drain_s`, and longer while streams are under way. Whether all did.
async fn drained(shared: &Shared) -> bool {
    let limits = Arc::clone(&shared.current().limits);
    let mut all_ended = std::pin::pin!(shared.connections.acquire_many(permits(limits.connections)));
    if tokio::time::timeout(Duration::from_secs(limits.drain_s), all_ended.as_mut()).await.is_ok() {
        return true;
    }
    if shared.streams.available_permits() == limits.requests_in_flight {
        return false;
    }
    let streams_ended = async {
        // A semaphore that is never closed.
        let _ = shared.streams.acquire_many(permits(limits.requests_in_flight)).await;
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        _ = all_ended => true,
        () = streams_ended => false,
        () = tokio::time::sleep(Duration::from_secs(limits.drain_stream_s.saturating_sub(limits.drain_s))) => false,
    }
}

async fn serve_connection(stream: tokio::net::TcpStream, shared: Arc<Shared>) {
    let mut phase = shared.phase.clone();
    let limits = Arc::clone(&shared.current().limits);
    let upstreams = Arc::clone(&shared.upstreams);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(handler::handle(shared, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits.header_read_s))
        .max_buf_size(limits.header_bytes.saturating_add(HEADER_SLACK).max(8192))
        .serve_connection(TokioIo::new(Overlong::new(stream, limits.header_bytes)), service);
    let mut connection = std::pin::pin!(connection);
    let mut is_ending = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                match ended {
                    // hyper has answered by itself; see `overlong`.
                    Err(error) if error.is_parse_too_large() => {
                        tracing::info!(target: "aimux::access", code = %Code::HeadersTooLarge, status = 431, "refused");
                        upstreams.counts.refused(Code::HeadersTooLarge);
                    }
                    Err(error) => tracing::debug!(%error, "a client's connection ended"),
                    Ok(()) => {}
                }
                return;
            }
            Ok(_) = phase.wait_for(|phase| matches!(phase, Phase::Closing | Phase::Draining)), if !is_ending => {
                is_ending = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn cannot_bind(listen: SocketAddr, error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::AddrInUse {
        let owner = port_owner::of(listen.port()).map_or_else(|| "another process".to_owned(), |owner| owner.to_string());
        return Error::new(Code::AddressInUse, format!("{listen} is in use by {owner}"))
            .hint("stop it, or choose another address with --listen")
            .caused_by(error);
    }
    Error::new(Code::CannotBind, format!("{listen} cannot be bound: {error}")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn future_size<A, B, F>(_: impl FnOnce(A, B) -> F) -> usize {
        size_of::<F>()
    }

    /// Thousands of streams may be open, and each keeps all three until its end.
    #[test]
    fn what_an_open_stream_keeps_is_less_than_three_kib() {
        let sizes = [future_size(serve_connection), future_size(handler::handle), size_of::<crate::upstream::Relay>()];
        assert!(sizes.iter().sum::<usize>() < 3 << 10, "connection, request, relay: {sizes:?}");
    }
}
