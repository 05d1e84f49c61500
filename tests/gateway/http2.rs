//! A provider that is spoken to in HTTP/2: one connection, many requests.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::sync::mpsc::{Receiver, channel};

use crate::gateway::{Gateway, KEY, until};
use crate::replies::{anthropic_frames, text};

/// What an upstream has seen.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: Mutex<Vec<(String, http::HeaderMap)>>,
    /// Bodies that were dropped before their end: the client reset the stream.
    cancelled: AtomicUsize,
}

/// An upstream that speaks nothing but HTTP/2, in plain, and pauses before its last frames.
fn start(pause: Duration) -> (String, Arc<Seen>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (url, seen) = (format!("http://{}", listener.local_addr().unwrap()), Arc::new(Seen::default()));
    let told = Arc::clone(&seen);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async move {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                socket.set_nodelay(true).unwrap();
                told.connections.fetch_add(1, Ordering::SeqCst);
                let told = Arc::clone(&told);
                let service = service_fn(move |request| answer(Arc::clone(&told), pause, request));
                tokio::spawn(
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service),
                );
            }
        });
    });
    (url, seen)
}

async fn answer(seen: Arc<Seen>, pause: Duration, request: Request<Incoming>) -> Result<Response<Frames>, Infallible> {
    let (head, body) = request.into_parts();
    body.collect().await.unwrap();
    seen.requests.lock().unwrap().push((head.uri.path().to_owned(), head.headers));
    let (tx, rx) = channel::<Bytes>(1);
    tokio::spawn(async move {
        for (index, frame) in anthropic_frames(&[text("an answer over HTTP/2")]).into_iter().enumerate() {
            if index == 4 {
                tokio::time::sleep(pause).await;
            }
            let _ = tx.send(frame.into()).await;
        }
    });
    let body = Frames { rx, is_over: false, seen };
    Ok(Response::builder().header("content-type", "text/event-stream").body(body).unwrap())
}

/// A body of what comes through a channel.
struct Frames {
    rx: Receiver<Bytes>,
    is_over: bool,
    seen: Arc<Seen>,
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.seen.cancelled.fetch_add(usize::from(!self.is_over), Ordering::SeqCst);
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = ready!(self.rx.poll_recv(cx));
        self.is_over = frame.is_none();
        Poll::Ready(frame.map(|frame| Ok(Frame::data(frame))))
    }
}

fn config(url: &str) -> String {
    format!(
        "version: 1\nserver: {{ listen: \"127.0.0.1:0\", token: {{ env: AIMUX_CLIENT_TOKEN }} }}\nproviders:\n  \
         up: {{ dialect: anthropic, base_url: \"{url}\", key: {{ env: UPSTREAM_KEY }}, http2: true }}\n"
    )
}

fn ask() -> serde_json::Value {
    json!({"model": "up/up-model", "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "hi"}]})
}

#[test]
fn requests_share_a_connection_and_the_log_says_so() {
    let (url, seen) = start(Duration::from_millis(300));
    let gateway = Gateway::start(&config(&url));
    let said = anthropic_frames(&[text("an answer over HTTP/2")]).concat().replace("\"model\":\"up-model\"", "\"model\":\"up/up-model\"");
    assert_eq!(gateway.messages(&ask()).text(), said);
    std::thread::scope(|scope| {
        for thread in (0..5).map(|_| scope.spawn(|| gateway.messages(&ask()).text())).collect::<Vec<_>>() {
            assert_eq!(thread.join().unwrap(), said);
        }
    });
    assert_eq!(seen.connections.load(Ordering::SeqCst), 1);
    let requests = seen.requests.lock().unwrap();
    assert!(requests.iter().all(|(path, headers)| path == "/v1/messages" && headers["x-api-key"] == KEY && !headers.contains_key("host")));
    until("six lines", Duration::from_secs(5), || gateway.log().matches("aimux::access: request").count() == 6);
    let log = gateway.log();
    assert_eq!((log.matches("conn=\"new\"").count(), log.matches("conn=\"reused\"").count()), (1, 5), "{log}");
}

#[test]
fn a_client_that_leaves_cancels_its_stream_alone() {
    let (url, seen) = start(Duration::from_secs(2));
    let gateway = Gateway::start(&config(&url));
    let mut leaves = gateway.send("POST", "/v1/messages", ask().to_string().as_bytes());
    assert!(leaves.piece().is_some());
    let stays = gateway.send("POST", "/v1/messages", ask().to_string().as_bytes());
    drop(leaves);
    until("the upstream sees the client go", Duration::from_secs(4), || seen.cancelled.load(Ordering::SeqCst) == 1);
    assert!(stays.whole().text().ends_with("data: {\"type\":\"message_stop\"}\n\n"));
    assert_eq!(seen.connections.load(Ordering::SeqCst), 1);
}
