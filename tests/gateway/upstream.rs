//! A provider on a real socket that does what a script says: exact bytes, cuts, pauses, resets. It keeps every request.
//!
//! A script is a function from a request, and how many came before it, to an [`Answer`]. Start with [`Upstream::start`].

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// One thing that an upstream does while it answers.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Writes bytes of the body at once, in a chunk of their own.
    Bytes(Vec<u8>),
    /// Says nothing, and watches whether the other side leaves.
    Pause(Duration),
    /// Ends the connection in the middle of the body.
    Cut,
    /// The same with a TCP reset.
    Reset,
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) acts: Vec<Act>,
    /// Ends the connection before any byte of the answer.
    pub(crate) is_dead: bool,
    /// How long it waits before the status line.
    pub(crate) wait: Duration,
    /// Writes its bytes alone, without a head of its own, and hangs up.
    pub(crate) is_raw: bool,
}

impl Answer {
    /// A whole JSON body.
    pub(crate) fn json(status: u16, body: impl Into<String>) -> Self {
        Self::new(status, "application/json", vec![Act::Bytes(body.into().into_bytes())])
    }

    /// A stream of frames, each in a chunk of its own.
    pub(crate) fn stream(frames: impl IntoIterator<Item = String>) -> Self {
        Self::new(200, "text/event-stream", frames.into_iter().map(|frame| Act::Bytes(frame.into_bytes())).collect())
    }

    /// A connection that ends without an answer.
    pub(crate) fn dead() -> Self {
        Self { is_dead: true, ..Self::new(200, "text/plain", Vec::new()) }
    }

    fn new(status: u16, kind: &str, acts: Vec<Act>) -> Self {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        Self { status, headers, acts, is_dead: false, wait: Duration::ZERO, is_raw: false }
    }

    /// Exactly these bytes, HTTP or not, then the connection's end.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { is_raw: true, ..Self::new(200, "", vec![Act::Bytes(bytes.into())]) }
    }

    /// The same with one more header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, but after `count` frames something else happens, and nothing further.
    pub(crate) fn after(mut self, count: usize, act: Act) -> Self {
        assert!(count < self.acts.len(), "the answer has only {} frames", self.acts.len());
        self.acts.truncate(count);
        self.acts.push(act);
        self
    }

    /// The same with a silence after `count` frames.
    pub(crate) fn pause(mut self, count: usize, pause: Duration) -> Self {
        self.acts.insert(count, Act::Pause(pause));
        self
    }

    /// The same bytes in chunks of `size`, without regard to frames.
    pub(crate) fn chunks_of(mut self, size: usize) -> Self {
        let bytes: Vec<u8> =
            self.acts.iter().flat_map(|act| if let Act::Bytes(bytes) = act { bytes.clone() } else { Vec::new() }).collect();
        self.acts = bytes.chunks(size).map(|chunk| Act::Bytes(chunk.to_vec())).collect();
        self
    }

    /// The same, begun later.
    pub(crate) fn late(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answering,
    Done,
    ClientGone,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) outcome: Outcome,
    pub(crate) began: Instant,
    pub(crate) ended: Option<Instant>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether a stream was asked for.
    pub(crate) fn is_stream(&self) -> bool {
        self.json()["stream"] == true
    }

    /// Whether the request of an agent's main loop: those for titles and the like bring no tools.
    pub(crate) fn has_tools(&self) -> bool {
        self.json()["tools"].as_array().is_some_and(|tools| !tools.is_empty())
    }
}

type Script = dyn Fn(&Seen, usize) -> Answer + Send + Sync;

/// A running upstream. It serves until the test's process ends.
#[derive(Clone)]
pub(crate) struct Upstream {
    address: SocketAddr,
    log: Arc<Mutex<Vec<Seen>>>,
}

impl Upstream {
    /// Listens on a free port.
    pub(crate) fn start(script: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = Self { address: listener.local_addr().unwrap(), log: Arc::default() };
        let (log, script): (_, Arc<Script>) = (Arc::clone(&upstream.log), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                std::thread::spawn(move || serve(stream, &log, script.as_ref()));
            }
        });
        upstream
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.log.lock().unwrap().clone()
    }

    /// The only request so far.
    pub(crate) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{:?}", seen.iter().map(|one| &one.path).collect::<Vec<_>>());
        seen.into_iter().next().unwrap()
    }

    /// The requests that bring tools: an agent's main loop.
    pub(crate) fn turns(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(Seen::has_tools).collect()
    }
}

fn serve(stream: TcpStream, log: &Mutex<Vec<Seen>>, script: &Script) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(seen) = read_request(&mut reader) {
        let (index, place) = {
            let mut log = log.lock().unwrap();
            let index = log.len();
            // Side requests do not move an agent's script on.
            let before = if seen.has_tools() { log.iter().filter(|one| one.has_tools()).count() } else { index };
            log.push(seen.clone());
            (before, index)
        };
        let answer = script(&seen, index);
        let played = play(&stream, &answer);
        let mut log = log.lock().unwrap();
        log[place].outcome = if played == Played::ClientGone { Outcome::ClientGone } else { Outcome::Done };
        log[place].ended = Some(Instant::now());
        if played != Played::Whole {
            return;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Played {
    Whole,
    Ended,
    ClientGone,
}

fn play(stream: &TcpStream, answer: &Answer) -> Played {
    match pause(stream, answer.wait) {
        Played::Whole => {}
        other => return other,
    }
    if answer.is_dead {
        return Played::Ended;
    }
    let is_stream = answer.headers.iter().any(|(_, value)| value.starts_with("text/event-stream"));
    let length: usize = answer.acts.iter().map(|act| if let Act::Bytes(bytes) = act { bytes.len() } else { 0 }).sum();
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", answer.status);
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &if is_stream { "transfer-encoding: chunked\r\n\r\n".to_owned() } else { format!("content-length: {length}\r\n\r\n") };
    let mut out = stream;
    let mut write = |bytes: &[u8]| out.write_all(bytes).is_ok();
    if !answer.is_raw && !write(head.as_bytes()) {
        return Played::ClientGone;
    }
    for act in &answer.acts {
        let is_fine = match act {
            Act::Bytes(bytes) if is_stream => write(&[format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()),
            Act::Bytes(bytes) => write(bytes),
            Act::Pause(time) => pause(stream, *time) == Played::Whole,
            Act::Cut => return Played::Ended,
            Act::Reset => {
                reset(stream);
                return Played::Ended;
            }
        };
        if !is_fine {
            return Played::ClientGone;
        }
    }
    if is_stream && !write(b"0\r\n\r\n") {
        return Played::ClientGone;
    }
    if answer.is_raw { Played::Ended } else { Played::Whole }
}

/// Waits; ends early when the other side closes.
fn pause(stream: &TcpStream, time: Duration) -> Played {
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            stream.set_read_timeout(None).unwrap();
            return Played::Whole;
        }
        stream.set_read_timeout(Some(left.min(Duration::from_millis(20)).max(Duration::from_millis(1)))).unwrap();
        match stream.peek(&mut [0]) {
            Ok(0) => return Played::ClientGone,
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Played::ClientGone,
            _ => {}
        }
    }
}

fn reset(stream: &TcpStream) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let _guard = runtime.enter();
    let copy = stream.try_clone().unwrap();
    copy.set_nonblocking(true).unwrap();
    tokio::net::TcpStream::from_std(copy).unwrap().set_zero_linger().unwrap();
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers = read_headers(reader)?;
    let header = |name: &str| headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
    let body = match header("transfer-encoding") {
        Some(coding) if coding.contains("chunked") => read_chunks(reader)?,
        _ => {
            let mut body = vec![0; header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0)];
            reader.read_exact(&mut body).ok()?;
            body
        }
    };
    Some(Seen { method, path, headers, body, outcome: Outcome::Answering, began: Instant::now(), ended: None })
}

/// Header lines up to the empty one.
pub(crate) fn read_headers(reader: &mut impl BufRead) -> Option<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { return Some(headers) };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn read_chunks(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = read_chunk(reader)? {
        body.extend(chunk);
    }
    Some(body)
}

/// The next chunk of a chunked body; `Some(None)` at its end, `None` when the connection broke.
pub(crate) fn read_chunk(reader: &mut impl BufRead) -> Option<Option<Vec<u8>>> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let size = usize::from_str_radix(line.trim().split(';').next()?, 16).ok()?;
    let mut chunk = vec![0; size + 2];
    reader.read_exact(&mut chunk).ok()?;
    chunk.truncate(size);
    Some((size > 0).then_some(chunk))
}
