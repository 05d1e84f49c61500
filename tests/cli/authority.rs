//! A provider's login of a few lines: it hands out codes as a browser would get them, and exchanges each once, for who can
//! prove to have begun.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// What is answered to an exchange that is in order: a status line and a body.
type Answer = Box<dyn Fn() -> (&'static str, String) + Send + Sync>;

/// A running login server; its threads end with the test.
pub(crate) struct Authority {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    /// The bodies that came to the token address.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
    codes: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Authority {
    /// Gives `body` for each good code.
    pub(crate) fn giving(body: &str) -> Self {
        let body = body.to_owned();
        Self::answering(Box::new(move || ("200 OK", body.clone())))
    }

    pub(crate) fn answering(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, codes) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(BTreeMap::new())));
        let (kept, known) = (Arc::clone(&asked), Arc::clone(&codes));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let (head, body) = read(&mut stream);
                assert!(head.starts_with("POST /token HTTP/1.1"), "{head}");
                let is_proven = is_proven(&known, &body);
                kept.lock().unwrap().push(body);
                let (status, answer) = if is_proven { answer() } else { ("403 Forbidden", INVALID.to_owned()) };
                // Whoever has gone meanwhile is no matter of the server's.
                let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}", answer.len());
            }
        });
        Self { url, asked, codes }
    }

    /// Whether a code has come to be exchanged.
    pub(crate) fn has_asked(&self) -> bool {
        !self.asked.lock().unwrap().is_empty()
    }

    /// What a browser that was sent to `url`, and whose user agrees, is sent back to.
    pub(crate) fn agree(&self, url: &str, code: &str) -> String {
        let query = pairs(url.split_once('?').unwrap().1);
        assert_eq!(query["code_challenge_method"], "S256", "{url}");
        self.codes.lock().unwrap().insert(code.to_owned(), query["code_challenge"].clone());
        match query.get("callback_url") {
            Some(back) => format!("{back}?code={code}"),
            None => format!("{}?state={}&code={code}", query["redirect_uri"], query["state"]),
        }
    }
}

const INVALID: &str = r#"{"error":{"message":"Invalid code or code_verifier","code":403}}"#;

/// Whether the code is known, and whoever brings it has made its challenge. A code is forgotten at once.
fn is_proven(codes: &Mutex<BTreeMap<String, String>>, body: &str) -> bool {
    let fields = match serde_json::from_str::<BTreeMap<String, String>>(body) {
        Ok(fields) => fields,
        Err(_) => pairs(body),
    };
    let challenge = fields.get("code").and_then(|code| codes.lock().unwrap().remove(code));
    challenge.is_some_and(|challenge| challenge == url_base64(&Sha256::digest(fields["code_verifier"].as_bytes())))
}

fn url_base64(bytes: &[u8]) -> String {
    let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']).collect();
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let six = |bits: &[u8]| usize::from_str_radix(&format!("{:0<6}", std::str::from_utf8(bits).unwrap()), 2).unwrap();
    bits.as_bytes().chunks(6).map(|bits| alphabet[six(bits)]).collect()
}

/// The pairs of a query or a form, decoded.
pub(crate) fn pairs(text: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| {
        let mut parts = text.split('%');
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |out, part| out + &char::from(u8::from_str_radix(&part[..2], 16).unwrap()).to_string() + &part[2..])
    };
    text.split('&').map(|pair| pair.split_once('=').unwrap()).map(|(name, value)| (name.to_owned(), decoded(value))).collect()
}

fn read(stream: &mut TcpStream) -> (String, String) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

/// A program in `home` that stands for a browser: it writes down where it was sent.
pub(crate) fn browser(home: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let program = home.join("browser");
    std::fs::write(&program, format!("#!/bin/sh\nprintf %s \"$1\" > '{0}/url.new' && mv '{0}/url.new' '{0}/url'\n", home.display()))
        .unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    program
}

/// Where the browser in `home` was sent.
pub(crate) fn sent_to(home: &Path) -> String {
    let (file, end) = (home.join("url"), Instant::now() + Duration::from_secs(20));
    while Instant::now() < end {
        if let Ok(url) = std::fs::read_to_string(&file) {
            std::fs::remove_file(&file).unwrap();
            return url;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("no browser was opened");
}

/// Status and whole text of what a browser is answered at an address of this machine.
pub(crate) fn visit(url: &str) -> (u16, String) {
    let host = url.split('/').nth(2).unwrap().to_owned();
    visit_as("GET", url, &host)
}

/// The same, by another method or with another Host header.
pub(crate) fn visit_as(method: &str, url: &str, host: &str) -> (u16, String) {
    let (authority, target) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "{method} /{target} HTTP/1.1\r\nhost: {host}\r\nreferer: https://login.example/\r\ncontent-length: 0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer[9..12].parse().unwrap(), answer)
}
