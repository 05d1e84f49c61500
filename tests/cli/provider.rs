//! A provider of a few lines: it answers each request by the key that comes with it, and keeps what it was asked.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// A running provider; its threads end with the test.
pub(crate) struct Provider {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    /// The heads of the requests, in no order.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    /// Answers a request's head with a status line and a body.
    pub(crate) fn start(answer: impl Fn(&str) -> (&'static str, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, answer, kept) = (stream.unwrap(), Arc::clone(&answer), Arc::clone(&kept));
                std::thread::spawn(move || {
                    let mut head = Vec::new();
                    let mut byte = [0];
                    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                        head.push(byte[0]);
                    }
                    let head = String::from_utf8(head).unwrap();
                    let (status, body) = answer(&head);
                    kept.lock().unwrap().push(head);
                    let length = body.len();
                    // Whoever has gone meanwhile is no matter of the provider's.
                    let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                });
            }
        });
        Self { url, asked }
    }

    /// Takes one key, refuses all others with an echo.
    pub(crate) fn taking(key: &'static str) -> Self {
        Self::start(move |head| match bearer(head) {
            given if given == key => ("200 OK", r#"{"data":[]}"#.to_owned()),
            "limited-key-0123456789" => ("429 Too Many Requests", r#"{"error":{"message":"slow down"}}"#.to_owned()),
            given => ("401 Unauthorized", format!(r#"{{"error":{{"message":"no such key: {given}"}}}}"#)),
        })
    }
}

fn bearer(head: &str) -> &str {
    head.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")).unwrap_or_default()
}
