//! The client against small servers over real sockets, each a script of what to read and what to write.

use std::net::SocketAddr;

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::wire::splice::Spliced;

mod http2;

/// A limit for whatever a test waits for.
const PATIENCE: Duration = Duration::from_secs(10);

fn client() -> Client {
    Client::new(ClientSettings::default()).expect("a client")
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

fn post(address: SocketAddr, body: &'static [u8]) -> Request<Full<Spliced>> {
    Request::post(format!("http://{address}/v1/messages?beta=true")).body(Full::from(body)).expect("a request")
}

/// Reads one request, head and body, as text; `None` at the end of the connection.
async fn read_request(socket: &mut TcpStream) -> Option<String> {
    let mut got = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&got);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().expect("a length"));
            if body.len() >= length {
                return Some(text.into_owned());
            }
        }
        if socket.read_buf(&mut got).await.ok()? == 0 {
            return None;
        }
    }
}

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

async fn text(response: Response<UpstreamBody>) -> Result<String, SendError> {
    let body = tokio::time::timeout(PATIENCE, response.into_body().collect()).await.expect("an end in time")?.to_bytes();
    Ok(String::from_utf8_lossy(&body).into_owned())
}

async fn send(client: &Client, request: Request<Full<Spliced>>) -> Result<Response<UpstreamBody>, SendError> {
    tokio::time::timeout(PATIENCE, client.send(request)).await.expect("an answer in time")
}

/// Whether the other side has closed: its end of the stream, or a reset.
async fn sees_close(socket: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, socket.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test]
async fn a_connection_is_used_again_once_its_body_was_read() {
    for answer in [HELLO, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"] {
        let (listener, address) = listen().await;
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            let mut requests = Vec::new();
            while let Some(request) = read_request(&mut socket).await {
                requests.push(request);
                socket.write_all(answer).await.expect("written");
            }
            requests
        });
        let client = client();
        for _ in 0..3 {
            assert_eq!(text(send(&client, post(address, b"{}")).await.expect("an answer")).await, Ok("hello".to_owned()));
        }
        assert_eq!(client.counters(), Counters { opened: 1, reused: 2 });
        drop(client);
        let requests = server.await.expect("no panic");
        assert_eq!(requests.len(), 3);
        assert!(requests[0].starts_with("POST /v1/messages?beta=true HTTP/1.1\r\n"), "{}", requests[0]);
        assert!(requests[0].contains(&format!("host: {address}\r\n")), "{}", requests[0]);
    }
}

#[tokio::test]
async fn an_answer_without_a_body_gives_its_connection_back_unread() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        while read_request(&mut socket).await.is_some() {
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.expect("written");
        }
    });
    let client = client();
    for _ in 0..2 {
        drop(send(&client, post(address, b"{}")).await.expect("an answer"));
    }
    assert_eq!(client.counters(), Counters { opened: 1, reused: 1 });
}

#[tokio::test]
async fn a_kept_connection_that_is_dead_is_replaced_unnoticed() {
    // The upstream closes while the connection rests, or only once it has read the next request.
    for closes_late in [false, true] {
        let (listener, address) = listen().await;
        let (closed, mut has_closed) = mpsc::channel(1);
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            read_request(&mut socket).await;
            socket.write_all(HELLO).await.expect("written");
            if closes_late {
                closed.send(()).await.expect("awaited");
                read_request(&mut socket).await;
                drop(socket);
            } else {
                drop(socket);
                closed.send(()).await.expect("awaited");
            }
            let (mut socket, _) = listener.accept().await.expect("another connection");
            read_request(&mut socket).await;
            socket.write_all(HELLO).await.expect("written");
        });
        let client = client();
        assert_eq!(text(send(&client, post(address, b"{}")).await.expect("an answer")).await, Ok("hello".to_owned()));
        has_closed.recv().await;
        assert_eq!(text(send(&client, post(address, b"{}")).await.expect("an answer")).await, Ok("hello".to_owned()));
        assert_eq!(client.counters().opened, 2);
    }
}

#[tokio::test]
async fn a_kept_connection_that_breaks_inside_the_head_is_an_error() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        read_request(&mut socket).await;
        socket.write_all(HELLO).await.expect("written");
        read_request(&mut socket).await;
        socket.write_all(b"HTTP/1.1 200 O").await.expect("written");
        drop(socket);
        let _kept = listener.accept().await;
    });
    let client = client();
    text(send(&client, post(address, b"{}")).await.expect("an answer")).await.expect("a body");
    let error = send(&client, post(address, b"{}")).await.expect_err("half a head");
    assert_eq!((error.kind, error.sent), (SendErrorKind::Broken, true));
    assert_eq!(client.counters(), Counters { opened: 1, reused: 1 });
}

#[tokio::test]
async fn dropping_the_body_or_the_wait_closes_the_socket() {
    let (listener, address) = listen().await;
    let client = client();
    let (response, mut socket) = tokio::join!(send(&client, post(address, b"{}")), async {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        read_request(&mut socket).await;
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nhello").await.expect("written");
        socket
    });
    drop(response.expect("an answer"));
    assert!(sees_close(&mut socket).await);

    let wait = client.send(post(address, b"{}"));
    let (_, mut socket) = tokio::join!(tokio::time::timeout(Duration::from_millis(100), wait), async {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        read_request(&mut socket).await;
        socket
    });
    assert!(sees_close(&mut socket).await);
    assert_eq!(client.counters().reused, 0);
}

#[tokio::test]
async fn chunks_come_as_they_arrive_and_those_that_wait_are_joined() {
    let (listener, address) = listen().await;
    let (go, mut told) = mpsc::channel::<&'static [u8]>(1);
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        read_request(&mut socket).await;
        socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.expect("written");
        while let Some(bytes) = told.recv().await {
            socket.write_all(bytes).await.expect("written");
        }
    });
    let client = client();
    let mut body = send(&client, post(address, b"{}")).await.expect("an answer").into_body();
    for (bytes, chunk) in [
        (b"5\r\nfirst\r\n".as_slice(), b"first".as_slice()),
        (b"1\r\na\r\n1\r\nb\r\n2\r\ncd\r\n", b"abcd"),
        (b"4\r\nlast\r\n0\r\n\r\n", b"last"),
    ] {
        go.send(bytes).await.expect("awaited");
        let frame = tokio::time::timeout(PATIENCE, body.frame()).await.expect("at once").expect("a frame").expect("no error");
        assert_eq!(frame.into_data().expect("data"), chunk);
    }
    assert!(body.frame().await.is_none());
    assert_eq!(client.shared.pool.len(), 1);
}

#[tokio::test]
async fn large_bodies_pass_both_ways_whole_and_in_bounded_chunks() {
    let (listener, address) = listen().await;
    let sent: &'static [u8] = vec![b'x'; 3_000_000].leak();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        let request = read_request(&mut socket).await.expect("a request");
        let body = request.split_once("\r\n\r\n").expect("a body").1;
        socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.expect("written");
        for part in body.as_bytes().chunks(1000) {
            let head = format!("{:x}\r\n", part.len());
            socket.write_all(&[head.as_bytes(), part, b"\r\n"].concat()).await.expect("written");
        }
        socket.write_all(b"0\r\n\r\n").await.expect("written");
    });
    let client = client();
    let mut body = send(&client, post(address, sent)).await.expect("an answer").into_body();
    let mut got = 0;
    while let Some(frame) = tokio::time::timeout(PATIENCE, body.frame()).await.expect("in time") {
        let data = frame.expect("no error").into_data().expect("data");
        assert!(!data.is_empty() && data.len() <= 64 * 1024, "{}", data.len());
        got += data.len();
    }
    assert_eq!(got, sent.len());
}

#[tokio::test]
async fn an_answer_may_come_before_the_request_was_read() {
    let (listener, address) = listen().await;
    let sent: &'static [u8] = vec![b'x'; 20_000_000].leak();
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        socket.write_all(b"HTTP/1.1 413 Payload Too Large\r\ncontent-length: 5\r\n\r\nlarge").await.expect("written");
        sees_close(&mut socket).await
    });
    let client = client();
    let response = send(&client, post(address, sent)).await.expect("an answer");
    assert_eq!(response.status(), 413);
    assert_eq!(text(response).await, Ok("large".to_owned()));
    assert!(server.await.expect("no panic"), "a connection with an unsent request is not kept");
}

#[tokio::test]
async fn a_head_that_dribbles_in_is_read() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        socket.set_nodelay(true).expect("set");
        for byte in HELLO {
            socket.write_all(&[*byte]).await.expect("written");
            tokio::task::yield_now().await;
        }
        let _ = sees_close(&mut socket).await;
    });
    assert_eq!(text(send(&client(), post(address, b"{}")).await.expect("an answer")).await, Ok("hello".to_owned()));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_after_what_came() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        read_request(&mut socket).await;
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello").await.expect("written");
    });
    let mut body = send(&client(), post(address, b"{}")).await.expect("an answer").into_body();
    assert_eq!(body.frame().await.expect("a frame").expect("no error yet").into_data().expect("data"), "hello");
    let error = body.frame().await.expect("an error").expect_err("an error");
    assert_eq!((error.kind, error.sent), (SendErrorKind::Broken, true));
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn each_failure_to_connect_has_its_kind() {
    let (listener, address) = listen().await;
    drop(listener);
    let error = send(&client(), post(address, b"{}")).await.expect_err("nobody listens");
    assert_eq!((error.kind, error.sent), (SendErrorKind::Connect, false));
    assert!(error.message.contains(&address.to_string()), "{error}");

    let ask = |url: &str| Request::get(url).body(Full::default()).expect("a request");
    let error = send(&client(), ask("http://no-such-host.invalid/secret?key=k")).await.expect_err("no such name");
    assert_eq!((error.kind, error.sent), (SendErrorKind::Resolve, false));
    assert!(!error.message.contains("secret"), "{error}");
    assert_eq!(send(&client(), ask("ftp://localhost/")).await.expect_err("no such scheme").kind, SendErrorKind::Connect);
    assert_eq!(send(&client(), ask("/path")).await.expect_err("no host").kind, SendErrorKind::Connect);
}

#[tokio::test]
async fn a_name_that_was_not_found_is_asked_for_again() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a client");
        read_request(&mut socket).await.expect("a request");
        socket.write_all(HELLO).await.expect("to write");
    });
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let tls = tls::Tls::with_roots(rustls::RootCertStore::empty()).expect("TLS");
    let client = Client::with(ClientSettings::default(), tls, Names::Told(Arc::clone(&told)));
    let ask = || Request::get("http://healing.invalid/").body(Full::default()).expect("a request");
    for _ in 0..2 {
        assert_eq!(send(&client, ask()).await.expect_err("no such name").kind, SendErrorKind::Resolve);
    }
    told.lock().expect("a lock").push(address);
    assert_eq!(text(send(&client, ask()).await.expect("an answer")).await.as_deref(), Ok("hello"));
}

#[tokio::test]
async fn a_connection_that_never_comes_is_a_timeout() {
    // A server that accepts TCP and says nothing: TLS waits for its hello.
    let (listener, address) = listen().await;
    let settings = ClientSettings { connect_timeout: Duration::from_millis(100), ..ClientSettings::default() };
    let client = Client::with(settings, tls::Tls::with_roots(rustls::RootCertStore::empty()).expect("TLS"), Names::System);
    let request = Request::get(format!("https://{address}/")).body(Full::default()).expect("a request");
    let error = send(&client, request).await.expect_err("no hello");
    assert_eq!((error.kind, error.sent), (SendErrorKind::Timeout, false));
    drop(listener);
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_a_tls_error() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        socket.write_all(HELLO).await.expect("written");
        let _ = sees_close(&mut socket).await;
    });
    let request = Request::get(format!("https://{address}/")).body(Full::default()).expect("a request");
    let error = send(&client(), request).await.expect_err("no TLS");
    assert_eq!((error.kind, error.sent), (SendErrorKind::Tls, false));
}

#[tokio::test]
async fn old_and_surplus_connections_are_not_kept() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                while read_request(&mut socket).await.is_some() {
                    socket.write_all(HELLO).await.expect("written");
                }
            });
        }
    });
    let settings = ClientSettings { idle_per_host_max: 1, ..ClientSettings::default() };
    let client = Client::new(settings).expect("a client");
    let (a, b) = tokio::join!(send(&client, post(address, b"{}")), send(&client, post(address, b"{}")));
    text(a.expect("an answer")).await.expect("a body");
    text(b.expect("an answer")).await.expect("a body");
    assert_eq!(client.shared.pool.len(), 1);

    let client = Client::new(ClientSettings { idle_max: Duration::ZERO, ..settings }).expect("a client");
    for _ in 0..2 {
        text(send(&client, post(address, b"{}")).await.expect("an answer")).await.expect("a body");
    }
    assert_eq!(client.counters(), Counters { opened: 2, reused: 0 });
}

/// A runtime on a thread of its own, as those that serve connections are.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

#[test]
fn a_thread_borrows_a_connection_a_few_times_and_then_opens_one_of_its_own() {
    let (theirs, here, there) = (runtime(), runtime(), runtime());
    let address = theirs.block_on(async {
        let (listener, address) = listen().await;
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                tokio::spawn(async move {
                    while read_request(&mut socket).await.is_some() {
                        socket.write_all(HELLO).await.expect("written");
                    }
                });
            }
        });
        address
    });
    let client = client();
    let ask = |runtime: &tokio::runtime::Runtime| {
        let client = client.clone();
        let asked = runtime.spawn(async move { text(send(&client, post(address, b"{}")).await.expect("an answer")).await });
        theirs.block_on(asked).expect("no panic").expect("a body");
    };
    ask(&here);
    for _ in 0..3 {
        ask(&there);
    }
    assert_eq!(client.counters(), Counters { opened: 1, reused: 3 });
    ask(&there);
    assert_eq!(client.counters(), Counters { opened: 2, reused: 3 });
    for _ in 0..5 {
        ask(&there);
        ask(&here);
    }
    assert_eq!(client.counters(), Counters { opened: 2, reused: 13 });
}

#[test]
fn origins_are_read_from_any_form_of_host() {
    for (url, origin, host) in [
        ("https://API.example.com/v1", "api.example.com:443", "api.example.com"),
        ("http://[::1]:8080/", "[::1]:8080", "[::1]:8080"),
        ("http://10.0.0.1", "10.0.0.1:80", "10.0.0.1"),
        ("https://user:pass@example.com:8443/", "example.com:8443", "example.com:8443"),
    ] {
        let found = Origin::of(&url.parse().expect("a URL"), Version::HTTP_11).expect("an origin");
        assert_eq!((found.to_string(), found.host_header()), (origin.to_owned(), host.to_owned()));
    }
}
