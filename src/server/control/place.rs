//! Where a server's control socket is: named by its config's path, in a folder of the user's own, with locks beside it.
//!
//! Nothing is asked or served here. Start with [`socket_path`].

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::error::{Code, Error};

/// Beside a socket: the path of its server's config.
pub(super) const CONFIG_NOTE: &str = "config";

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
