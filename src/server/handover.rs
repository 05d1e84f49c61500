//! A server's sockets and its lock, handed to the one that takes its place: nobody who connects is refused meanwhile.
//!
//! The new server makes a Unix socket beside the control socket and asks the old one, over the latter, to connect to it. The old one sends
//! its listening sockets, its control socket and its lock as descriptors. When the new one has done all that can fail, it says so on that
//! connection; only then does the old one stop accepting, answer with a word of its own, and drain. A new server that dies before
//! that changes nothing. Start with [`Taken`].

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::error::{Code, Error};

/// As many descriptors are passed at most: the sockets of a service manager, the control socket, the lock.
const PASSED_MAX: usize = 18;
/// What is sent beside the descriptors: they cannot be sent alone.
const HELLO: &[u8] = b"aimux";
/// The new server is ready.
const READY: u8 = b'r';
/// The old one has stopped accepting.
const YOURS: u8 = b'y';
/// How long the old server waits for the new one.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How long the new one waits for the old one's word.
const ANSWER: Duration = Duration::from_secs(10);

/// What a running server has given away, once its heir is ready.
#[derive(Debug)]
pub struct Taken {
    /// The listening sockets.
    pub listeners: Vec<TcpListener>,
    pub(super) control: UnixListener,
    pub(super) lock: File,
    talk: UnixStream,
}

/// Asks the server behind a control socket for its sockets. `request` sends the question and gives whether it was granted.
///
/// # Errors
/// When it does not answer, or not with what was asked for.
pub(super) fn ask(socket: &Path, request: impl FnOnce(u32) -> std::io::Result<bool>) -> Result<Taken, Error> {
    let failed = |error: std::io::Error| refused(&error.to_string());
    let meeting = Meeting(meeting(socket, std::process::id()));
    // Of a process that had our number and was killed.
    let _ = std::fs::remove_file(&meeting.0);
    let listener = UnixListener::bind(&meeting.0).map_err(failed)?;
    if !request(std::process::id()).map_err(failed)? {
        return Err(refused("it does not hand over"));
    }
    // It has connected before it answered.
    listener.set_nonblocking(true).map_err(failed)?;
    let (talk, _) = listener.accept().map_err(failed)?;
    talk.set_nonblocking(false).map_err(failed)?;
    talk.set_read_timeout(Some(ANSWER)).map_err(failed)?;
    talk.set_write_timeout(Some(ANSWER)).map_err(failed)?;
    let mut passed = receive(&talk).map_err(failed)?.into_iter();
    let (Some(control), Some(lock)) = (passed.next(), passed.next()) else {
        return Err(refused("it passed too few descriptors"));
    };
    let listeners: Vec<TcpListener> = passed.map(TcpListener::from).collect();
    if listeners.is_empty() {
        return Err(refused("it is ending"));
    }
    Ok(Taken { listeners, control: UnixListener::from(control), lock: File::from(lock), talk })
}

impl Taken {
    /// Says that this server is ready, and waits until the old one has stopped accepting. To be called when nothing is left
    /// that can fail.
    ///
    /// # Errors
    /// When the old one has given it up: it serves on, or is gone.
    pub fn settle(mut self) -> Result<(UnixListener, File), Error> {
        let mut word = [0];
        let said = self.talk.write_all(&[READY]).and_then(|()| self.talk.read_exact(&mut word));
        match (said, word) {
            (Ok(()), [YOURS]) => Ok((self.control, self.lock)),
            (Ok(()), _) => Err(refused("it says something else than was agreed on")),
            (Err(error), _) => Err(refused(&error.to_string())),
        }
    }
}

/// The path at which the old and the new server meet, gone when dropped.
struct Meeting(PathBuf);

impl Drop for Meeting {
    fn drop(&mut self) {
        // What is gone already is as good.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Beside the control socket, in the folder that is its owner's alone.
fn meeting(socket: &Path, pid: u32) -> PathBuf {
    socket.with_extension(format!("h{pid}"))
}

/// What a running server would pass on: its control socket and lock; the listening sockets stand elsewhere, as long as it listens.
#[derive(Debug)]
pub(super) struct Offer {
    socket: PathBuf,
    own: Mutex<Vec<OwnedFd>>,
}

impl Offer {
    pub(super) fn new(socket: &Path, control: BorrowedFd<'_>, lock: BorrowedFd<'_>) -> std::io::Result<Self> {
        let own = vec![control.try_clone_to_owned()?, lock.try_clone_to_owned()?];
        Ok(Self { socket: socket.to_owned(), own: Mutex::new(own) })
    }

    /// Sends all to the process that asked. Gives the connection on which it will say that it is ready. Blocks, shortly.
    ///
    /// # Errors
    /// When it is not there.
    pub(super) fn send(&self, pid: u32, listeners: &Mutex<Vec<OwnedFd>>) -> std::io::Result<UnixStream> {
        let talk = UnixStream::connect(meeting(&self.socket, pid))?;
        talk.set_write_timeout(Some(ANSWER))?;
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let listeners = listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let passed: Vec<BorrowedFd<'_>> = own.iter().chain(listeners.iter()).map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PASSED_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&passed)) {
            return Err(std::io::Error::other("too many sockets"));
        }
        sendmsg(&talk, &[IoSlice::new(HELLO)], &mut control, SendFlags::empty())?;
        Ok(talk)
    }

    /// Lets go of what was offered: as long as one descriptor is left, so is the lock.
    pub(super) fn withdraw(&self) {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Waits until the heir says that it is ready. Whether it did.
pub(super) async fn is_ready(talk: &mut tokio::net::UnixStream) -> bool {
    let mut word = [0];
    let heard = tokio::time::timeout(PATIENCE, tokio::io::AsyncReadExt::read_exact(talk, &mut word)).await;
    matches!(heard, Ok(Ok(_))) && word == [READY]
}

/// Tells the heir that it is alone now.
pub(super) async fn yield_to(talk: &mut tokio::net::UnixStream) {
    // One that is gone by now was ready a moment ago; whoever comes next starts anew.
    let _ = tokio::time::timeout(ANSWER, tokio::io::AsyncWriteExt::write_all(talk, &[YOURS])).await;
}

/// Where the system can, what comes is not inherited by programs that are started at the same moment.
#[cfg(target_os = "linux")]
const CLOSED_ON_EXEC: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(not(target_os = "linux"))]
const CLOSED_ON_EXEC: RecvFlags = RecvFlags::empty();

fn receive(talk: &UnixStream) -> std::io::Result<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PASSED_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut hello = [0; HELLO.len()];
    recvmsg(talk, &mut [IoSliceMut::new(&mut hello)], &mut control, CLOSED_ON_EXEC)?;
    let passed = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(passed) => Some(passed.collect::<Vec<_>>()),
        _ => None,
    });
    let passed = passed.flatten().collect();
    if hello == HELLO { Ok(passed) } else { Err(std::io::Error::other("it says something else than was agreed on")) }
}

fn refused(why: &str) -> Error {
    Error::new(Code::StateFolder, format!("the running server did not hand over: {why}")).hint("it serves on; `aimux stop` ends it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(folder: &Path) -> (PathBuf, Offer, Mutex<Vec<OwnedFd>>, TcpListener) {
        let socket = folder.join("a.sock");
        let control = UnixListener::bind(&socket).unwrap();
        let lock = File::create(folder.join("a.lock")).unwrap();
        lock.try_lock().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let offer = Offer::new(&socket, control.as_fd(), lock.as_fd()).unwrap();
        let listeners = Mutex::new(vec![listener.as_fd().try_clone_to_owned().unwrap()]);
        (socket, offer, listeners, listener)
    }

    #[test]
    fn sockets_and_lock_come_over() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, offer, listeners, listener) = offer(folder.path());
        let mut talk = None;
        let taken = ask(&socket, |pid| {
            talk = Some(offer.send(pid, &listeners)?);
            Ok(true)
        })
        .unwrap();
        assert_eq!(taken.listeners[0].local_addr().unwrap(), listener.local_addr().unwrap());
        offer.withdraw();
        let elsewhere = File::open(folder.path().join("a.lock")).unwrap();
        assert!(elsewhere.try_lock().is_err(), "the heir holds the lock");
        let mut talk = talk.unwrap();
        let other = std::thread::spawn(move || {
            let mut word = [0];
            talk.read_exact(&mut word).unwrap();
            talk.write_all(&[YOURS]).unwrap();
            word
        });
        let (_control, lock) = taken.settle().unwrap();
        assert_eq!(other.join().unwrap(), [READY]);
        drop(lock);
        assert!(elsewhere.try_lock().is_ok() && std::fs::read_dir(folder.path()).unwrap().count() == 2, "nothing is left behind");
    }

    #[test]
    fn an_old_server_that_withdraws_is_no_heirs_loss() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, offer, listeners, _listener) = offer(folder.path());
        let taken = ask(&socket, |pid| offer.send(pid, &listeners).map(|_gone| true)).unwrap();
        assert!(taken.settle().is_err());
        listeners.lock().unwrap().clear();
        assert!(ask(&socket, |pid| offer.send(pid, &listeners).map(|_gone| true)).unwrap_err().message.contains("it is ending"));
        assert!(ask(&socket, |_| Ok(false)).is_err());
    }
}
