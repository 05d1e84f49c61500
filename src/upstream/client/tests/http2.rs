//! HTTP/2: frames by hand, so that an upstream can refuse, reset and go away when it should not.

use super::*;
use crate::wire::splice::Spliced;

/// A frame: type, flags, stream, payload.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).expect("short").to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Status 200 without a body.
fn fine(stream: u32) -> Vec<u8> {
    frame(1, 5, stream, &[0x88])
}

/// Status 200 whose body is yet to come.
fn begun(stream: u32) -> Vec<u8> {
    frame(1, 4, stream, &[0x88])
}

fn reset(stream: u32, code: u8) -> Vec<u8> {
    frame(3, 0, stream, &[0, 0, 0, code])
}

/// The last stream that was looked at, then NO_ERROR.
fn go_away(last: u8) -> Vec<u8> {
    frame(7, 0, 0, &[0, 0, 0, last, 0, 0, 0, 0])
}

const REFUSED: u8 = 7;
const INTERNAL: u8 = 2;
const CANCEL: u32 = 8;

/// One connection of an upstream: the client's preface has been read and answered.
struct Peer(TcpStream);

impl Peer {
    async fn accept(listener: &TcpListener) -> Self {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        let mut preface = [0; 24];
        socket.read_exact(&mut preface).await.expect("a preface");
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        socket.write_all(&frame(4, 0, 0, &[])).await.expect("settings");
        Self(socket)
    }

    /// The next frame: type, flags, stream, payload. Settings are answered on the way.
    async fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            self.0.read_exact(&mut payload).await.ok()?;
            if (head[3], head[4]) == (4, 0) {
                self.say(&frame(4, 1, 0, &[])).await;
            } else if !matches!(head[3], 4 | 8) {
                return Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload));
            }
        }
    }

    /// Reads a request to its end; gives its stream.
    async fn request(&mut self) -> u32 {
        loop {
            let (kind, flags, stream, _) = self.next().await.expect("a request");
            if matches!(kind, 0 | 1) && flags & 1 == 1 {
                return stream;
            }
        }
    }

    async fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("written");
    }
}

fn offer(address: SocketAddr) -> Request<Full<Spliced>> {
    let mut request = post(address, b"{}");
    *request.version_mut() = Version::HTTP_2;
    request
}

#[tokio::test]
async fn many_requests_share_one_connection() {
    let (listener, address) = listen().await;
    let server = tokio::spawn(async move {
        let mut peer = Peer::accept(&listener).await;
        let first = peer.request().await;
        peer.say(&fine(first)).await;
        // Both are there before either is answered, the later one first.
        let (second, third) = (peer.request().await, peer.request().await);
        peer.say(&[fine(third), fine(second)].concat()).await;
        peer
    });
    let client = client();
    assert_eq!(text(send(&client, offer(address)).await.expect("an answer")).await, Ok(String::new()));
    let (a, b) = tokio::join!(send(&client, offer(address)), send(&client, offer(address)));
    assert!(a.expect("an answer").body().is_reused() && b.expect("an answer").body().is_reused());
    assert_eq!(client.counters(), Counters { opened: 1, reused: 2 });
    drop(server);
}

#[tokio::test]
async fn what_was_refused_or_left_behind_goes_over_a_fresh_connection() {
    for last_words in [reset(3, REFUSED), go_away(1), Vec::new()] {
        let (listener, address) = listen().await;
        let server = tokio::spawn(async move {
            let mut peer = Peer::accept(&listener).await;
            let first = peer.request().await;
            peer.say(&fine(first)).await;
            assert_eq!(peer.request().await, 3);
            peer.say(&last_words).await;
            if last_words.is_empty() {
                drop(peer);
            } else {
                tokio::spawn(async move { while peer.next().await.is_some() {} });
            }
            let mut other = Peer::accept(&listener).await;
            let again = other.request().await;
            other.say(&fine(again)).await;
            other
        });
        let client = client();
        for _ in 0..2 {
            send(&client, offer(address)).await.expect("an answer");
        }
        assert_eq!(client.counters(), Counters { opened: 2, reused: 1 });
        server.await.expect("no panic");
    }
}

#[tokio::test]
async fn a_request_that_was_reset_is_not_sent_again() {
    let (listener, address) = listen().await;
    let server = tokio::spawn(async move {
        let mut peer = Peer::accept(&listener).await;
        let first = peer.request().await;
        peer.say(&fine(first)).await;
        let second = peer.request().await;
        peer.say(&reset(second, INTERNAL)).await;
        let third = peer.request().await;
        peer.say(&fine(third)).await;
        peer
    });
    let client = client();
    send(&client, offer(address)).await.expect("an answer");
    let error = send(&client, offer(address)).await.expect_err("a reset");
    assert_eq!((error.kind, error.sent), (SendErrorKind::Broken, true), "{error}");
    send(&client, offer(address)).await.expect("the connection is still good");
    assert_eq!(client.counters(), Counters { opened: 1, reused: 2 });
    server.await.expect("no panic");
}

#[tokio::test]
async fn who_leaves_resets_the_stream_and_no_other() {
    // Before the head of the answer, then in its body.
    let (listener, address) = listen().await;
    let (seen, mut has_seen) = mpsc::channel(1);
    let server = tokio::spawn(async move {
        let mut peer = Peer::accept(&listener).await;
        let stays = peer.request().await;
        peer.say(&begun(stays)).await;
        let mut left = Vec::new();
        for has_head in [false, true] {
            let stream = peer.request().await;
            if has_head {
                peer.say(&begun(stream)).await;
            }
            seen.send(()).await.expect("awaited");
            while left.last() != Some(&stream) {
                let (kind, _, stream, code) = peer.next().await.expect("a frame");
                if (kind, code) == (3, CANCEL.to_be_bytes().to_vec()) {
                    left.push(stream);
                }
            }
        }
        peer.say(&frame(0, 1, stays, b"hello")).await;
        (peer, left)
    });
    let client = client();
    let stays = send(&client, offer(address)).await.expect("a head");
    tokio::select! {
        _ = client.send(offer(address)) => panic!("no answer was sent"),
        _ = has_seen.recv() => {}
    }
    let answer = send(&client, offer(address)).await.expect("a head");
    has_seen.recv().await;
    drop(answer);
    assert_eq!(text(stays).await, Ok("hello".to_owned()));
    assert_eq!(server.await.expect("no panic").1.len(), 2);
}

#[tokio::test]
async fn an_answer_that_is_reset_in_its_middle_is_an_error() {
    let (listener, address) = listen().await;
    let server = tokio::spawn(async move {
        let mut peer = Peer::accept(&listener).await;
        let stream = peer.request().await;
        peer.say(&[begun(stream), frame(0, 0, stream, b"half"), reset(stream, INTERNAL)].concat()).await;
        peer
    });
    let error = text(send(&client(), offer(address)).await.expect("a head")).await.expect_err("a reset");
    assert_eq!(error.kind, SendErrorKind::Broken);
    server.await.expect("no panic");
}

#[tokio::test]
async fn a_connection_takes_as_many_requests_as_its_upstream_allows() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        loop {
            let mut peer = Peer::accept(&listener).await;
            // SETTINGS_MAX_CONCURRENT_STREAMS is 1.
            peer.say(&frame(4, 0, 0, &[0, 3, 0, 0, 0, 1])).await;
            tokio::spawn(async move {
                loop {
                    let stream = peer.request().await;
                    peer.say(&begun(stream)).await;
                }
            });
        }
    });
    let client = client();
    let first = send(&client, offer(address)).await.expect("a head");
    let second = send(&client, offer(address)).await.expect("a head");
    assert_eq!(client.counters(), Counters { opened: 2, reused: 0 });
    drop((first, second));
    send(&client, offer(address)).await.expect("a head");
    assert_eq!(client.counters(), Counters { opened: 2, reused: 1 });
}

#[tokio::test]
async fn plain_http_to_another_machine_stays_http_1() {
    for (url, offers) in
        [("http://10.0.0.1/", false), ("http://localhost:1/", true), ("http://[::1]/", true), ("https://example.com/", true)]
    {
        let origin = |version| Origin::of(&url.parse().expect("a URL"), version).expect("an origin").offers_http2;
        assert_eq!((origin(Version::HTTP_2), origin(Version::HTTP_11)), (offers, false), "{url}");
    }
}

/// Made by `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj /CN=localhost
/// -addext subjectAltName=DNS:localhost -outform DER`, the key by `openssl pkcs8 -topk8 -nocrypt -outform DER`.
const CERTIFICATE: &[u8] = include_bytes!("../../../../tests/fixtures/tls/localhost.cert.der");
const KEY: &[u8] = include_bytes!("../../../../tests/fixtures/tls/localhost.key.der");

#[tokio::test]
async fn tls_decides_which_version_is_spoken() {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    for (takes, offers, spoken) in [(true, true, "h2"), (false, true, "http/1.1"), (true, false, "http/1.1")] {
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let key = rustls::pki_types::PrivateKeyDer::try_from(KEY).expect("a key");
        let builder = builder.expect("versions").with_no_client_auth();
        let mut config = builder.with_single_cert(vec![CERTIFICATE.into()], key).expect("a certificate");
        config.alpn_protocols = if takes { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
        let (listener, address) = listen().await;
        let server = tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.expect("a connection");
            let mut tls = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(tcp).await.expect("TLS");
            let alpn = tls.get_ref().1.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
            let mut first = [0; 3];
            tls.read_exact(&mut first).await.expect("a request");
            (alpn, first)
        });
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CERTIFICATE.into()).expect("a root");
        let client = Client::with(ClientSettings::default(), tls::Tls::with_roots(roots).expect("TLS"), Names::System);
        let mut request = offer(address);
        *request.uri_mut() = format!("https://localhost:{}/", address.port()).parse().expect("a URL");
        if !offers {
            *request.version_mut() = Version::HTTP_11;
        }
        send(&client, request).await.expect_err("the server hangs up");
        let (alpn, first) = server.await.expect("no panic");
        assert_eq!(alpn.as_deref(), Some(spoken));
        assert_eq!(&first, if spoken == "h2" { b"PRI" } else { b"POS" });
    }
}
