//! A plain HTTP/1.1 client that hides nothing: bytes as they come, and when.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::upstream::{read_chunk, read_headers};

/// A reply whose head has been read.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    reader: BufReader<TcpStream>,
    body: Framing,
    began: Instant,
}

enum Framing {
    Length(usize),
    Chunked,
}

/// A reply that has ended.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body ended as its framing says.
    pub(crate) is_complete: bool,
    /// When each piece came, counted from the request, with the length of the body after it.
    pub(crate) times: Vec<(Duration, usize)>,
}

/// One server-sent event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: Value,
}

/// Sends a request and reads the reply's head.
pub(crate) fn send(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head += &format!("host: 127.0.0.1:{port}\r\n");
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() || method == "POST" {
        head += &format!("content-length: {}\r\n", body.len());
    }
    let began = Instant::now();
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    // A server that refuses by the headers may close before the body is sent.
    let _ = stream.write_all(body);
    read_head(stream, method, began)
}

/// Reads the head of a reply to what was written by hand.
pub(crate) fn read_head(stream: TcpStream, method: &str, began: Instant) -> Reply {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    std::io::BufRead::read_line(&mut reader, &mut line).unwrap();
    let status = line.split_whitespace().nth(1).unwrap_or_else(|| panic!("no status line: {line:?}")).parse().unwrap();
    let headers = read_headers(&mut reader).unwrap();
    let header = |name: &str| headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    let body = match header("transfer-encoding") {
        Some(_) => Framing::Chunked,
        None if method == "HEAD" => Framing::Length(0),
        None => Framing::Length(header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0)),
    };
    Reply { status, headers, reader, body, began }
}

impl Reply {
    /// The next piece of the body; nothing at its end or when it broke.
    pub(crate) fn piece(&mut self) -> Option<Vec<u8>> {
        match &mut self.body {
            Framing::Length(0) => None,
            Framing::Length(left) => {
                let mut piece = vec![0; (*left).min(65536)];
                let count = self.reader.read(&mut piece).ok().filter(|count| *count > 0)?;
                piece.truncate(count);
                *left -= count;
                Some(piece)
            }
            Framing::Chunked => match read_chunk(&mut self.reader) {
                Some(Some(chunk)) => Some(chunk),
                Some(None) => {
                    self.body = Framing::Length(0);
                    None
                }
                None => None,
            },
        }
    }

    /// Everything up to the end.
    pub(crate) fn whole(mut self) -> Whole {
        let (mut body, mut times) = (Vec::new(), Vec::new());
        while let Some(piece) = self.piece() {
            body.extend(piece);
            times.push((self.began.elapsed(), body.len()));
        }
        let is_complete = matches!(self.body, Framing::Length(0));
        Whole { status: self.status, headers: self.headers, body, is_complete, times }
    }
}

impl Whole {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The frames of a stream, `[DONE]` as a text.
    pub(crate) fn events(&self) -> Vec<Event> {
        let text = self.text();
        let frames = text.split("\n\n").filter(|frame| !frame.trim().is_empty());
        frames
            .map(|frame| {
                let field = |name: &str| {
                    let lines = frame.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim_start));
                    lines.collect::<Vec<_>>().join("\n")
                };
                let data = field("data");
                Event { name: field("event"), data: serde_json::from_str(&data).unwrap_or(Value::String(data)) }
            })
            .collect()
    }
}
