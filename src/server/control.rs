//! How the command line finds and steers a running server: a Unix socket, named by the config's path, in a folder of the
//! user's own. A port is never asked: another user may sit on it.

use std::convert::Infallible;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::net::UnixListener;
use tokio::sync::Notify;

use crate::error::{Code, Error};
use crate::upstream::client::Counters;

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
    /// The connections to upstreams.
    #[serde(default)]
    pub connections: Counters,
}

/// The socket of the server of a config; `None`: of the one without a file.
#[must_use]
pub fn socket_path(runtime_folder: &Path, config: Option<&Path>) -> PathBuf {
    let name = config.map_or_else(
        || "default".to_owned(),
        |path| {
            let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            Sha256::digest(path.as_os_str().as_encoded_bytes()).iter().take(8).fold(String::new(), |name, byte| format!("{name}{byte:02x}"))
        },
    );
    runtime_folder.join(format!("{name}.sock"))
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
    _lock: File,
}

impl Control {
    /// Takes the lock and opens the socket.
    ///
    /// # Errors
    /// When another server of the same config runs, or the folder cannot be written.
    pub fn open(path: &Path) -> Result<Self, Error> {
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
        Ok(Self { listener, path: path.to_owned(), _lock: lock })
    }

    /// Answers until dropped. `stop` is notified when a caller asks for the server's end.
    pub async fn serve(self, status: impl Fn() -> Status, stop: Arc<Notify>) {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (status, stop) = (Bytes::from(serde_json::to_vec(&status()).unwrap_or_default()), Arc::clone(&stop));
            let service = service_fn(move |request: Request<Incoming>| {
                let response = route(&request, &status, &stop);
                async move { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // A file that is gone already is as good.
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(self.path.with_extension("pid"));
    }
}

fn route(request: &Request<Incoming>, status: &Bytes, stop: &Notify) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/api/status") => Response::new(Full::new(status.clone())),
        (&Method::POST, "/api/stop") => {
            stop.notify_one();
            Response::new(Full::new(Bytes::from_static(b"{}")))
        }
        _ => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
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

/// One HTTP exchange with our own server, whose answers are short.
fn call(path: &Path, request: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.set_write_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(format!("{request} HTTP/1.1\r\nhost: aimux\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(64 << 10).read_to_end(&mut answer)?;
    let body = memchr::memmem::find(&answer, b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    Ok(answer.split_off(body))
}
