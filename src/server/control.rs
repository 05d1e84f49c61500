//! How the command line finds and steers a running server: a Unix socket, named by the config's path, in a folder of the
//! user's own. A port is never asked: another user may sit on it.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

pub use super::switches::Switch;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::net::UnixListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::handover::{self, Offer, Taken};
use super::keeper::Tasks;
use super::reload::{Refused, Reloaded, Reloader, Trigger};
use super::{Shared, explain, keeper};
use crate::config::LoadError;
use crate::dialect::Dialect;
use crate::error::{Code, Error};
use crate::ledger;
use crate::route::plan::plan;
use crate::route::sticky::Known as Sessions;
use crate::route::trial::Trial;
use crate::secret::Secret;
use crate::upstream::client::Counters;

/// Beside a socket: the path of its server's config.
const CONFIG_NOTE: &str = "config";

/// What a server says of itself.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether a command started it for a client, not an operator.
    #[serde(default)]
    pub on_demand: bool,
    /// Whether a service manager looks after it.
    #[serde(default)]
    pub is_managed: bool,
    /// Whether another server can take its place without a refused connection.
    #[serde(default)]
    pub hands_over: bool,
    /// The address that it was given instead of the config's.
    #[serde(default)]
    pub listen: Option<SocketAddr>,
    /// The connections to upstreams.
    #[serde(default)]
    pub connections: Counters,
    /// Its tasks.
    #[serde(default)]
    pub tasks: Tasks,
    /// The sessions that it remembers.
    #[serde(default)]
    pub sessions: Sessions,
}

/// The socket of the server of a config. The config need not be there, and may be a link that appears later or is pointed
/// elsewhere while the server runs: its own path counts, in the folder that it is really in.
#[must_use]
pub fn socket_path(runtime_folder: &Path, config: &Path) -> PathBuf {
    let config = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
    socket_of(runtime_folder, &link_path(&config))
}

/// The same for who looks for a running server: where none is there, that of the same file by another path, a link to it or
/// the file behind one.
#[must_use]
pub fn find_socket(runtime_folder: &Path, config: &Path) -> PathBuf {
    let usual = socket_path(runtime_folder, config);
    let answers = |socket: &PathBuf| UnixStream::connect(socket).is_ok();
    let Ok(file) = fs::canonicalize(config) else { return usual };
    if answers(&usual) {
        return usual;
    }
    let behind = std::iter::once(socket_of(runtime_folder, &file));
    behind.chain(sockets_of(runtime_folder, &file)).find(answers).unwrap_or(usual)
}

/// The sockets of all servers whose config leads to this file now, running or not.
fn sockets_of(runtime_folder: &Path, file: &Path) -> Vec<PathBuf> {
    let notes = fs::read_dir(runtime_folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let leads_there = |note: &PathBuf| {
        let config = || fs::canonicalize(OsStr::from_bytes(&fs::read(note).ok()?)).ok();
        note.extension().is_some_and(|extension| extension == CONFIG_NOTE) && config().is_some_and(|behind| behind == file)
    };
    let mut sockets: Vec<PathBuf> = notes.filter(leads_there).map(|note| note.with_extension("sock")).collect();
    sockets.sort();
    sockets
}

fn socket_of(runtime_folder: &Path, path: &Path) -> PathBuf {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    let name = digest.iter().take(8).fold(String::new(), |name, byte| format!("{name}{byte:02x}"));
    runtime_folder.join(format!("{name}.sock"))
}

/// The path with its folder resolved, as far as that is there; its last part is left as it is.
fn link_path(path: &Path) -> PathBuf {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return path.to_owned() };
    fs::canonicalize(parent).unwrap_or_else(|_| link_path(parent)).join(name)
}

/// The socket of the demo, which has no config.
#[must_use]
pub fn demo_socket_path(runtime_folder: &Path) -> PathBuf {
    runtime_folder.join("demo.sock")
}

/// The folder of the sockets, made when it is not there. Only its owner may have a say in it: who else could put a socket
/// there would be sent the client token.
///
/// # Errors
/// When it cannot be made, or others may write in it.
pub fn private_folder(folder: &Path) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::new(Code::StateFolder, format!("{}: {error}", folder.display())).caused_by(error);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let about = fs::metadata(folder).map_err(failed)?;
    if about.uid() != rustix::process::geteuid().as_raw() || about.mode() & 0o022 != 0 {
        return Err(Error::new(Code::Permission, format!("{} belongs to another user or may be written by others", folder.display()))
            .hint("chmod 700 it, or set XDG_RUNTIME_DIR to a folder of your own"));
    }
    Ok(())
}

/// Makes this process the only one of its user that starts a server for the socket, until the lock is dropped. Waits for
/// another one that does.
///
/// # Errors
/// When the folder is unsafe or the lock cannot be had.
pub fn lock_start(socket: &Path) -> Result<File, Error> {
    socket.parent().map_or(Ok(()), private_folder)?;
    let failed = |error: std::io::Error| Error::new(Code::StateFolder, format!("{}: {error}", socket.display())).caused_by(error);
    let lock = File::create(socket.with_extension("start")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    Ok(lock)
}

/// Waits until the server behind a socket is gone. Gives whether it went in time.
#[must_use]
pub fn wait_until_gone(socket: &Path, time: Duration) -> bool {
    let end = Instant::now() + time;
    let is_gone = || File::open(socket.with_extension("lock")).is_ok_and(|lock| lock.try_lock().is_ok());
    while !is_gone() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

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
    let read = move || if settings.enabled { ledger::session(&settings.path, &session) } else { Ok(None) };
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

/// What a server tells of a client's session.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq)]
pub struct SessionTold {
    /// What the ledger has of it; `None`: nothing.
    pub sum: Option<ledger::SessionSum>,
    /// The model that it was switched to.
    pub switched: Option<String>,
}

/// Asks the server behind a socket about a client's session. Blocks for two seconds at most.
///
/// # Errors
/// When nobody answers there.
pub fn session(path: &Path, session: &str) -> std::io::Result<SessionTold> {
    let body = call(path, &format!("GET /api/session?{session}"))?;
    serde_json::from_slice(&body).map_err(std::io::Error::other)
}

/// Asks the server behind a socket to have a session ask another model. Gives what holds then. Blocks for some seconds at most.
///
/// # Errors
/// When nobody answers there, or the model leads nowhere.
pub fn switch(path: &Path, wish: &Switch) -> Result<Switch, Error> {
    let failed =
        |error: std::io::Error| Error::new(Code::StateFolder, format!("the running server cannot be asked: {error}")).caused_by(error);
    let body = serde_json::to_vec(wish).map_err(|error| failed(error.into()))?;
    let Answer { status, body } = exchange(path, "POST /api/switch", &HeaderMap::new(), &body, EXPLAIN_WAIT, ANSWER_MAX).map_err(failed)?;
    let other_version = || Error::new(Code::StateFolder, "the running server is another version").hint("`aimux restart` exchanges it");
    if status == 200 {
        return serde_json::from_slice(&body).map_err(|error| other_version().caused_by(error));
    }
    Err(match serde_json::from_slice::<Refused>(&body).map(LoadError::from) {
        Ok(LoadError::Other(error)) => error,
        _ => other_version(),
    })
}

/// Takes over the sockets and the lock of the server behind a socket. Blocks for some seconds at most.
///
/// # Errors
/// When it does not give them.
pub fn take_over(path: &Path) -> Result<Taken, Error> {
    handover::ask(path, |pid| {
        let request = format!("POST /api/handover?{pid}");
        exchange(path, &request, &HeaderMap::new(), b"", EXPLAIN_WAIT, ANSWER_MAX).map(|answer| answer.status == 200)
    })
}

/// A passphrase, alone in the body. It never stands in a path, a header or an argument, where something might write it down.
async fn read_secret(request: Request<Incoming>) -> Option<Secret> {
    let body = Limited::new(request.into_body(), SECRET_MAX).collect().await.ok()?.to_bytes();
    let text = std::str::from_utf8(&body).ok().filter(|text| !text.is_empty())?;
    Some(Secret::new(text.to_owned()))
}

async fn explained(request: Request<Incoming>, voice: &Voice) -> Result<Vec<u8>, Error> {
    let dialect = explain::dialect(request.uri().query())?;
    let (head, body) = request.into_parts();
    let body = Limited::new(body, voice.0.current().limits.body_bytes).collect().await;
    let body = body.map_err(|error| Error::new(Code::BodyTooLarge, error.to_string()))?.to_bytes();
    explain::explain(&voice.0, dialect, &head.headers, &body)
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

/// The status of the server behind a socket; `None` when there is none. Blocks for two seconds at most.
#[must_use]
pub fn status(path: &Path) -> Option<Status> {
    path.symlink_metadata().ok()?;
    private_folder(path.parent()?).ok()?;
    serde_json::from_slice(&call(path, "GET /api/status").ok()?).ok()
}

/// Asks the server behind a socket to stop. Blocks for two seconds at most.
///
/// # Errors
/// When nobody answers there.
pub fn stop(path: &Path) -> std::io::Result<()> {
    call(path, "POST /api/stop").map(drop)
}

/// Asks the server behind a socket to read its config and keys anew, and to wait, for `drain` at most, until no request
/// uses the former ones any more. `None`: no server runs there. Blocks for as long as that takes.
///
/// # Errors
/// When the server keeps what it has: with the config's diagnostics, or with what else was in the way.
pub fn reload(path: &Path, drain: Duration) -> Result<Option<Reloaded>, LoadError> {
    if status(path).is_none() {
        return Ok(None);
    }
    let failed = |error: std::io::Error| {
        LoadError::Other(Error::new(Code::StateFolder, format!("the running server cannot be asked to reload: {error}")).caused_by(error))
    };
    let nonsense = || LoadError::Other(Error::new(Code::StateFolder, "the running server does not say whether it has reloaded"));
    let request = format!("POST /api/reload?drain_s={}", drain.as_secs());
    let Answer { status, body } =
        exchange(path, &request, &HeaderMap::new(), b"", RELOAD_WAIT.saturating_add(drain), ANSWER_MAX).map_err(failed)?;
    match status {
        200 => serde_json::from_slice(&body).map(Some).map_err(|_| nonsense()),
        404 => Err(LoadError::Other(
            Error::new(Code::StateFolder, "the running server is older than `reload`, or the demo, which has no config")
                .hint("stop it with `aimux stop` and start it again"),
        )),
        _ => Err(serde_json::from_slice::<Refused>(&body).map_or_else(|_| nonsense(), LoadError::from)),
    }
}

/// The same, and where the server lacks the passphrase of the identity, `passphrase` is asked for it once; what it gives is
/// handed over. `None` from it: nobody knows.
///
/// # Errors
/// As for [`reload`], and when the passphrase does not open the identity.
pub fn reload_unlocking(
    path: &Path,
    drain: Duration,
    passphrase: &mut dyn FnMut() -> Result<Option<Secret>, Error>,
) -> Result<Option<Reloaded>, LoadError> {
    match reload(path, drain) {
        Err(LoadError::Other(locked)) if locked.code == Code::IdentityLocked => match passphrase().map_err(LoadError::Other)? {
            Some(passphrase) => {
                unlock(path, &passphrase).map_err(LoadError::Other)?;
                reload(path, drain)
            }
            None => Err(LoadError::Other(locked)),
        },
        other => other,
    }
}

/// Hands the passphrase of the identity to the server behind a socket, which opens it and keeps it opened. Gives whether
/// one runs there. Blocks for as long as that takes, a second as a rule.
///
/// # Errors
/// When it does not open the identity, or the server is older than this.
pub fn unlock(path: &Path, passphrase: &Secret) -> Result<bool, Error> {
    if status(path).is_none() {
        return Ok(false);
    }
    let failed = |error: std::io::Error| {
        Error::new(Code::StateFolder, format!("the running server cannot be given the passphrase: {error}")).caused_by(error)
    };
    let Answer { status, body } =
        exchange(path, "POST /api/unlock", &HeaderMap::new(), passphrase.expose().as_bytes(), RELOAD_WAIT, ANSWER_MAX).map_err(failed)?;
    if status == 200 {
        return Ok(true);
    }
    Err(match serde_json::from_slice::<Refused>(&body).map(LoadError::from) {
        Ok(LoadError::Other(error)) => error,
        _ => Error::new(Code::StateFolder, "the running server does not take a passphrase: it is another version, or the demo")
            .hint("restart it: it asks for the passphrase"),
    })
}

/// Has the server behind a socket refresh the key of that name, if it is due. Gives whether one runs there that has the key.
/// Blocks for as long as the provider's login takes.
///
/// # Errors
/// When the key has expired and cannot be refreshed.
pub fn refresh(path: &Path, name: &str) -> Result<bool, Error> {
    if status(path).is_none() {
        return Ok(false);
    }
    let request = format!("POST /api/refresh?{name}");
    let answer = exchange(path, &request, &HeaderMap::new(), b"", RELOAD_WAIT, ANSWER_MAX);
    let Answer { status, body } = answer.map_err(|error| {
        Error::new(Code::StateFolder, format!("the running server cannot be asked to refresh the key: {error}")).caused_by(error)
    })?;
    match (status, serde_json::from_slice::<Refused>(&body).map(LoadError::from)) {
        (200, _) => Ok(true),
        (422, Ok(LoadError::Other(error))) => Err(error),
        // It has no such key, or is another version, which knows nothing of it.
        _ => Ok(false),
    }
}

/// Asks the server behind a socket what it would do with a request of `dialect` under these headers. Blocks for some seconds
/// at most.
///
/// # Errors
/// When nobody answers there, or the request is none.
pub fn explain(path: &Path, dialect: Dialect, headers: &HeaderMap, body: &[u8]) -> Result<Trial, Error> {
    let failed = |error: std::io::Error| {
        Error::new(Code::StateFolder, format!("the running server cannot be asked: {error}"))
            .caused_by(error)
            .hint("add --direct to decide without it")
    };
    let request = format!("POST /api/explain?dialect={}", dialect.name());
    let Answer { status, body } = exchange(path, &request, headers, body, EXPLAIN_WAIT, ANSWER_MAX).map_err(failed)?;
    let other_version = || Error::new(Code::StateFolder, "the running server is another version").hint("restart it, or add --direct");
    if status == 200 {
        return serde_json::from_slice(&body).map_err(|error| other_version().caused_by(error));
    }
    Err(match serde_json::from_slice::<Refused>(&body).map(LoadError::from) {
        Ok(LoadError::Other(error)) => error,
        _ => other_version(),
    })
}

/// How long an explanation may take: it is a matter of milliseconds.
const EXPLAIN_WAIT: Duration = Duration::from_secs(5);
/// The longest that a reload waits for requests on the former config.
const DRAIN_MAX_S: u64 = 3600;
/// The longest passphrase, in bytes.
const SECRET_MAX: usize = 16 << 10;
/// The longest answer of our own server, in bytes: the diagnostics of a bad config.
const ANSWER_MAX: u64 = 4 << 20;
/// How long a reload may take, its drain apart: key commands, a lock on the audit log.
const RELOAD_WAIT: Duration = Duration::from_secs(60);

/// What our own server answered.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

/// One short HTTP exchange with our own server.
fn call(path: &Path, request: &str) -> std::io::Result<Vec<u8>> {
    exchange(path, request, &HeaderMap::new(), b"", Duration::from_secs(2), 64 << 10).map(|answer| answer.body)
}

fn exchange(path: &Path, request: &str, headers: &HeaderMap, body: &[u8], wait: Duration, length_max: u64) -> std::io::Result<Answer> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(wait))?;
    stream.set_write_timeout(Some(Duration::from_secs(2)))?;
    let mut head = format!("{request} HTTP/1.1\r\nhost: aimux\r\nconnection: close\r\ncontent-length: {}\r\n", body.len()).into_bytes();
    for (name, value) in headers {
        head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    head.extend_from_slice(b"\r\n");
    stream.write_all(&head)?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.take(length_max).read_to_end(&mut answer)?;
    let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()).unwrap_or(0);
    let body = memchr::memmem::find(&answer, b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    Ok(Answer { status, body: answer.split_off(body) })
}
