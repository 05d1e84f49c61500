//! What the command line asks a running server over its control socket: short HTTP exchanges, blocking, each within a time.
//!
//! It starts no server and looks for none, which is [`super::place`]'s. Start with [`status`].

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use http::HeaderMap;

use super::place::private_folder;
use super::told::{SessionTold, Status};
use crate::config::LoadError;
use crate::dialect::Dialect;
use crate::error::{Code, Error};
use crate::route::trial::Trial;
use crate::secret::Secret;
use crate::server::handover::{self, Taken};
use crate::server::reload::{Refused, Reloaded};
use crate::server::switches::Switch;

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
    Err(said(&body).unwrap_or_else(other_version))
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
    Err(said(&body).unwrap_or_else(|| {
        Error::new(Code::StateFolder, "the running server does not take a passphrase: it is another version, or the demo")
            .hint("restart it: it asks for the passphrase")
    }))
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
    match (status, said(&body)) {
        (200, _) => Ok(true),
        (422, Some(error)) => Err(error),
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
    Err(said(&body).unwrap_or_else(other_version))
}

/// How long an explanation may take: it is a matter of milliseconds.
const EXPLAIN_WAIT: Duration = Duration::from_secs(5);

/// The longest answer of our own server, in bytes: the diagnostics of a bad config.
const ANSWER_MAX: u64 = 4 << 20;

/// How long a reload may take, its drain apart: key commands, a lock on the audit log.
const RELOAD_WAIT: Duration = Duration::from_secs(60);

/// The error that an answer's body tells; `None`: it is another version's, or a config's diagnostics.
fn said(body: &[u8]) -> Option<Error> {
    match serde_json::from_slice::<Refused>(body).map(LoadError::from) {
        Ok(LoadError::Other(error)) => Some(error),
        _ => None,
    }
}

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
