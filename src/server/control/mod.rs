//! How the command line finds and steers a running server: a Unix socket, named by the config's path, in a folder of the
//! user's own. A port is never asked: another user may sit on it.
//!
//! Here is what the server does with it; `place` is where it lies, `client` is who asks. Start with [`Control`].

mod client;
mod place;
mod told;

use std::convert::Infallible;
use std::fs::{self, File, TryLockError};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::UnixListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

pub use client::{explain, refresh, reload, reload_unlocking, session, status, stop, switch, take_over, unlock};
use place::CONFIG_NOTE;
pub use place::{demo_socket_path, find_socket, lock_start, private_folder, socket_path, wait_until_gone};

use super::handover::{self, Offer};
use super::keeper;
use super::reload::{Refused, Reloader, Trigger};
pub use super::switches::Switch;
use super::{Shared, explain as explaining};
use crate::config::LoadError;
use crate::dialect::Dialect;
use crate::error::{Code, Error};
use crate::ledger;
use crate::route::plan::plan;
use crate::secret::Secret;
pub use told::{SessionTold, Status};

/// The open control socket, with the lock that makes its server the only one.
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    lock: File,
    /// Whether the files are another server's by now.
    is_released: bool,
}

/// What is asked of a server from outside.
#[derive(Debug, Default)]
pub struct Wishes {
    /// It is to stop.
    pub stop: Notify,
    /// Another server has taken its sockets.
    pub handed_over: Notify,
}

/// What the answers are made of.
#[derive(Clone)]
struct Desk {
    voice: Voice,
    wishes: Arc<Wishes>,
    reloader: Option<Arc<Reloader>>,
    /// `None`: it could not be made; nothing is handed over.
    offer: Option<Arc<Offer>>,
    /// Where heirs that are ready are sent.
    heirs: mpsc::Sender<tokio::net::UnixStream>,
}

impl Control {
    /// Takes the lock and opens the socket, for the server of `config`; `None`: of the demo.
    ///
    /// # Errors
    /// When another server of the same config runs, or the folder cannot be written.
    pub fn open(path: &Path, config: Option<&Path>) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::new(Code::StateFolder, format!("{}: {error}", path.display())).caused_by(error);
        path.parent().map_or(Ok(()), private_folder)?;
        let lock = File::create(path.with_extension("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let who = status(path)
                    .map_or_else(|| "another process".to_owned(), |status| format!("pid {} on http://{}", status.pid, status.address));
                return Err(
                    Error::new(Code::AddressInUse, format!("a server of this config runs already: {who}")).hint("use it, or stop it first")
                );
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Whoever left it is gone: the lock is ours.
        let _ = fs::remove_file(path);
        let listener = UnixListener::bind(path).map_err(|error| {
            failed(error).hint("the path of a socket has about 100 bytes at most: set XDG_RUNTIME_DIR to a short one if this is longer")
        })?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        fs::write(path.with_extension("pid"), format!("{}\n", std::process::id())).map_err(failed)?;
        if let Some(config) = config.and_then(|config| std::path::absolute(config).ok()) {
            fs::write(path.with_extension(CONFIG_NOTE), config.as_os_str().as_bytes()).map_err(failed)?;
        }
        Ok(Self { listener, path: path.to_owned(), lock, is_released: false })
    }

    /// Goes on with the socket and the lock of the server before.
    ///
    /// # Errors
    /// When the socket cannot be watched.
    pub fn inherit(path: &Path, listener: std::os::unix::net::UnixListener, lock: File) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::new(Code::StateFolder, format!("{}: {error}", path.display())).caused_by(error);
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = UnixListener::from_std(listener).map_err(failed)?;
        fs::write(path.with_extension("pid"), format!("{}\n", std::process::id())).map_err(failed)?;
        Ok(Self { listener, path: path.to_owned(), lock, is_released: false })
    }

    /// Answers until dropped, or handed over, for the server behind `voice`. `wishes`: what callers want of it; without
    /// `reloader`, there is nothing to reload.
    pub async fn serve(self, status: impl Fn() -> Status, voice: Voice, wishes: Arc<Wishes>, reloader: Option<Arc<Reloader>>) {
        let (heirs, mut heir) = mpsc::channel(1);
        let offer = Offer::new(&self.path, self.listener.as_fd(), self.lock.as_fd()).ok().map(Arc::new);
        let desk = Desk { voice, wishes, reloader, offer, heirs };
        // Ended with this: a command that holds its connection is to find the server that comes after.
        let mut visits = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(talk) = heir.recv() => return self.release(talk, &desk).await,
            };
            while visits.try_join_next().is_some() {}
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let visit = Visit::begin(&desk.voice);
            let (status, desk) = (Bytes::from(serde_json::to_vec(&status()).unwrap_or_default()), desk.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let (status, desk) = (status.clone(), desk.clone());
                async move { Ok::<_, Infallible>(route(request, status, &desk).await) }
            });
            visits.spawn(async move {
                // Who has left, left.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                drop(visit);
            });
        }
    }

    /// Leaves everything to the heir, which is ready.
    async fn release(mut self, mut talk: tokio::net::UnixStream, desk: &Desk) {
        let shared = &desk.voice.0;
        if let Some(file) = shared.memory.get() {
            keeper::save(shared, file.clone()).await;
        }
        self.is_released = true;
        if let Some(offer) = &desk.offer {
            offer.withdraw();
        }
        drop(self);
        desk.wishes.handed_over.notify_one();
        handover::yield_to(&mut talk).await;
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if self.is_released {
            return;
        }
        // A file that is gone already is as good.
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(self.path.with_extension("pid"));
        let _ = fs::remove_file(self.path.with_extension(CONFIG_NOTE));
    }
}

/// What the running server can be asked about its own decisions.
#[derive(Clone)]
pub struct Voice(pub(super) Arc<Shared>);

/// An open connection to the control socket: while there is one, the server is needed.
struct Visit(Arc<Shared>);

impl Visit {
    fn begin(voice: &Voice) -> Self {
        voice.0.visitors.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&voice.0))
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.visitors.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn route(request: Request<Incoming>, status: Bytes, desk: &Desk) -> Response<Full<Bytes>> {
    let voice = &desk.voice;
    match (request.method(), request.uri().path(), &desk.reloader) {
        (&Method::GET, "/api/status", _) => Response::new(Full::new(status)),
        (&Method::POST, "/api/reload", Some(reloader)) => {
            let drain = Duration::from_secs(drain_s(request.uri().query().unwrap_or_default()));
            match reloader.reload(Trigger::Socket, drain).await {
                Ok(reloaded) => json(StatusCode::OK, &reloaded),
                Err(error) => json(StatusCode::UNPROCESSABLE_ENTITY, &Refused::from(&error)),
            }
        }
        (&Method::POST, "/api/unlock", Some(reloader)) => match read_secret(request).await {
            Some(passphrase) => match reloader.unlock(passphrase).await {
                Ok(()) => Response::new(Full::new(Bytes::from_static(b"{}"))),
                Err(error) => json(StatusCode::UNPROCESSABLE_ENTITY, &Refused::from(&LoadError::Other(error))),
            },
            None => json(StatusCode::BAD_REQUEST, &serde_json::json!({})),
        },
        (&Method::POST, "/api/refresh", Some(reloader)) => match reloader.freshen(request.uri().query().unwrap_or_default()).await {
            Ok(true) => Response::new(Full::new(Bytes::from_static(b"{}"))),
            Ok(false) => json(StatusCode::NOT_FOUND, &serde_json::json!({})),
            Err(error) => json(StatusCode::UNPROCESSABLE_ENTITY, &Refused::from(&LoadError::Other(error))),
        },
        (&Method::POST, "/api/explain", _) => match explained(request, voice).await {
            Ok(trial) => Response::new(Full::new(trial.into())),
            Err(error) => json(StatusCode::UNPROCESSABLE_ENTITY, &Refused::from(&LoadError::Other(error))),
        },
        (&Method::POST, "/api/handover", _) => {
            let granted = pass_on(request.uri().query().unwrap_or_default(), desk).await;
            let status = if granted.is_ok() { StatusCode::OK } else { StatusCode::CONFLICT };
            json(status, &serde_json::json!({ "reason": granted.err().map(|error| error.to_string()) }))
        }
        (&Method::GET, "/api/session", _) => match told_of_session(request.uri().query().unwrap_or_default(), voice).await {
            Ok(session) => json(StatusCode::OK, &session),
            Err(error) => json(StatusCode::UNPROCESSABLE_ENTITY, &Refused::from(&LoadError::Other(error))),
        },
        (&Method::POST, "/api/switch", _) => match switched(request, voice).await {
            Ok(switch) => json(StatusCode::OK, &switch),
            Err(error) => json(StatusCode::UNPROCESSABLE_ENTITY, &Refused::from(&LoadError::Other(error))),
        },
        (&Method::POST, "/api/stop", _) => {
            desk.wishes.stop.notify_one();
            Response::new(Full::new(Bytes::from_static(b"{}")))
        }
        _ => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

/// Sends the sockets to the process of that number, and waits for its word beside.
async fn pass_on(pid: &str, desk: &Desk) -> std::io::Result<()> {
    let refused = || std::io::Error::from(std::io::ErrorKind::InvalidInput);
    let (Ok(pid), Some(offer)) = (pid.parse(), desk.offer.clone()) else { return Err(refused()) };
    let (shared, heirs) = (Arc::clone(&desk.voice.0), desk.heirs.clone());
    let sent = tokio::task::spawn_blocking(move || offer.send(pid, &shared.spare)).await;
    let talk = sent.map_err(std::io::Error::other)??;
    talk.set_nonblocking(true)?;
    let mut talk = tokio::net::UnixStream::from_std(talk)?;
    tracing::info!(pid, "another server starts in this one's place");
    tokio::spawn(async move {
        if handover::is_ready(&mut talk).await {
            // Another was faster, or the server ends: who waits there hears nothing.
            let _ = heirs.send(talk).await;
        } else {
            tracing::warn!(pid, "the other server did not come up; this one goes on");
        }
    });
    Ok(())
}

/// What is known of a client's session; blocks elsewhere, for the ledger.
async fn told_of_session(session: &str, voice: &Voice) -> Result<SessionTold, Error> {
    let (session, settings) = (session.to_owned(), voice.0.current().ledger.clone());
    let switched = voice.0.switches.lock().unwrap_or_else(PoisonError::into_inner).of(&session);
    let read = move || if settings.enabled { ledger::session(&settings.place, &session) } else { Ok(None) };
    let sum =
        tokio::task::spawn_blocking(read).await.map_err(|error| Error::new(Code::Bug, "the ledger was not read").caused_by(error))??;
    Ok(SessionTold { sum, switched })
}

/// Has a session ask another model from its next request on; without one, what its client asks.
async fn switched(request: Request<Incoming>, voice: &Voice) -> Result<Switch, Error> {
    let body = Limited::new(request.into_body(), SECRET_MAX).collect().await;
    let body = body.map_err(|error| Error::new(Code::BodyTooLarge, error.to_string()))?.to_bytes();
    let wish: Switch = serde_json::from_slice(&body).map_err(|error| Error::new(Code::BadRequest, error.to_string()))?;
    if let Some(model) = &wish.model {
        let table = Arc::clone(&voice.0.current().table);
        let is_rule = table.rules.iter().any(|rule| rule.name == *model);
        if !is_rule {
            plan(&table, model, Dialect::AnthropicMessages).map_err(|unknown| unknown.error())?;
        }
    }
    let switch = voice.0.switches.lock().unwrap_or_else(PoisonError::into_inner).put(wish);
    switch.ok_or_else(|| {
        Error::new(Code::Usage, "no session has asked anything yet").hint("ask something first, or name the session with --session")
    })
}

/// A passphrase, alone in the body. It never stands in a path, a header or an argument, where something might write it down.
async fn read_secret(request: Request<Incoming>) -> Option<Secret> {
    let body = Limited::new(request.into_body(), SECRET_MAX).collect().await.ok()?.to_bytes();
    let text = std::str::from_utf8(&body).ok().filter(|text| !text.is_empty())?;
    Some(Secret::new(text.to_owned()))
}

async fn explained(request: Request<Incoming>, voice: &Voice) -> Result<Vec<u8>, Error> {
    let dialect = explaining::dialect(request.uri().query())?;
    let (head, body) = request.into_parts();
    let body = Limited::new(body, voice.0.current().limits.body_bytes).collect().await;
    let body = body.map_err(|error| Error::new(Code::BodyTooLarge, error.to_string()))?.to_bytes();
    explaining::explain(&voice.0, dialect, &head.headers, &body)
}

/// How long is waited for requests on the former config: an hour at most, without a word not at all.
fn drain_s(query: &str) -> u64 {
    let given = query.split('&').find_map(|pair| pair.strip_prefix("drain_s="));
    given.and_then(|seconds| seconds.parse::<u64>().ok()).unwrap_or(0).min(DRAIN_MAX_S)
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(serde_json::to_vec(value).unwrap_or_default().into()));
    *response.status_mut() = status;
    response
}

/// The longest that a reload waits for requests on the former config.
const DRAIN_MAX_S: u64 = 3600;

/// The longest passphrase, in bytes.
const SECRET_MAX: usize = 16 << 10;
