//! What the reading threads and whoever interrupts say to the waiting one: a channel, and how long it is listened to.
//!
//! The channel holds little, so that an answer which nobody takes holds its provider back. Start with [`Post::next`].

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http::response::Parts;
use ureq::Agent;

/// News that wait to be read.
const NEWS_MAX: usize = 16;
/// Bytes that are read at a time.
const CHUNK: usize = 16 * 1024;

/// Where news come in.
#[derive(Debug)]
pub struct Post {
    sender: SyncSender<Mail>,
    receiver: Receiver<Mail>,
    /// Connections so far: what a former one still says is not taken for the next one's.
    connections: AtomicU32,
    is_interrupted: Arc<AtomicBool>,
}

/// Ends what waits at a [`Post`], from another thread.
#[derive(Debug, Clone)]
pub struct Interrupter {
    sender: SyncSender<Mail>,
    is_interrupted: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Mail {
    /// Look at the flag.
    Interrupt,
    /// Of the connection with this number.
    News(u32, News),
}

/// What comes of a connection.
#[derive(Debug)]
pub(super) enum News {
    Head(Box<Parts>),
    Chunk(Bytes),
    End,
    Broken(ureq::Error),
}

/// Why there are no news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    Late,
    Interrupted,
}

/// A connection under way. Dropped, it is cut: its provider stops.
#[derive(Debug)]
pub(super) struct Connection {
    agent: Option<Agent>,
    number: u32,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.shutdown();
        }
    }
}

impl Default for Post {
    fn default() -> Self {
        let (sender, receiver) = sync_channel(NEWS_MAX);
        Self { sender, receiver, connections: AtomicU32::new(0), is_interrupted: Arc::default() }
    }
}

impl Interrupter {
    /// Ends what is under way, and all that would follow.
    pub fn interrupt(&self) {
        self.is_interrupted.store(true, Ordering::Release);
        // Where the channel is full, its reader is about to look anyway.
        let _ = self.sender.try_send(Mail::Interrupt);
    }
}

impl Post {
    /// Who can end it.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        Interrupter { sender: self.sender.clone(), is_interrupted: Arc::clone(&self.is_interrupted) }
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::Acquire)
    }

    /// Sends a request; what comes of it is the connection's news.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn send(&self, agent: Agent, request: Request<Bytes>) -> std::io::Result<Connection> {
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        let (sender, reader) = (self.sender.clone(), agent.clone());
        let thread = std::thread::Builder::new().name("answer".to_owned()).stack_size(512 * 1024);
        thread.spawn(move || {
            // Whoever waited has gone: nothing is left to do.
            let _ = read(&reader, request, |news| sender.send(Mail::News(number, news)).is_ok());
        })?;
        Ok(Connection { agent: Some(agent), number })
    }

    /// The next news of a connection, waited for until then.
    pub(super) fn next(&self, connection: &Connection, until: Instant) -> Result<News, Silence> {
        loop {
            match self.take(until)? {
                Mail::News(number, news) if number == connection.number => return Ok(news),
                // Of a connection that was given up.
                Mail::News(..) | Mail::Interrupt => {}
            }
        }
    }

    /// Waits, unless interrupted.
    pub(super) fn pause(&self, time: Duration) -> Result<(), Silence> {
        let until = Instant::now() + time;
        loop {
            match self.take(until) {
                Ok(_) => {}
                Err(Silence::Late) => return Ok(()),
                Err(Silence::Interrupted) => return Err(Silence::Interrupted),
            }
        }
    }

    fn take(&self, until: Instant) -> Result<Mail, Silence> {
        if self.is_interrupted() {
            return Err(Silence::Interrupted);
        }
        let mail = self.receiver.recv_timeout(until.saturating_duration_since(Instant::now()));
        if self.is_interrupted() {
            return Err(Silence::Interrupted);
        }
        // A sender is kept here, so the channel cannot be closed.
        mail.map_err(|_| Silence::Late)
    }
}

/// Asks, and tells what comes until nobody listens.
fn read(agent: &Agent, request: Request<Bytes>, tell: impl Fn(News) -> bool) -> bool {
    let (head, body) = request.into_parts();
    let answer = match agent.run(Request::from_parts(head, &body[..])) {
        Ok(answer) => answer,
        Err(error) => return tell(News::Broken(error)),
    };
    drop(body);
    let (head, body) = answer.into_parts();
    if !tell(News::Head(Box::new(head))) {
        return false;
    }
    let mut reader = body.into_reader();
    let mut buffer = vec![0; CHUNK];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return tell(News::End),
            Ok(length) => {
                if !tell(News::Chunk(Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default()))) {
                    return false;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return tell(News::Broken(ureq::Error::from(error))),
        }
    }
}
