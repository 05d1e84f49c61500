//! The built-in upstream of `aimux serve --demo`: the OpenAI chat dialect over a real loopback socket, in this process.
//!
//! It is there to try the road from a client through aimux and back without a key. It is no model: it says so in every
//! answer, repeats what it was told, and calls one harmless tool of the client's when it is asked to. It keeps no state and
//! asks no credentials; it listens on loopback only.
//!
//! Start with [`start`]; `decide` is what it says, `answer` how that looks on the wire.

mod answer;
mod asked;
mod decide;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use self::answer::Paced;

/// The longest request body, in bytes.
const BODY_MAX: usize = 64 * 1024 * 1024;
/// How long a body may take to come in.
const BODY_WAIT: Duration = Duration::from_secs(60);
/// How many connections are served at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 256;
/// The one model that `GET /v1/models` names; any name is answered.
pub const MODEL: &str = "demo";

/// A running demo upstream. It stops when dropped.
#[derive(Debug)]
pub struct Demo {
    /// Where it listens: `127.0.0.1` and a port that the system chose. The base URL is `http://<address>/v1`.
    pub address: SocketAddr,
    accepting: AbortHandle,
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Starts the demo upstream on a free loopback port, in a task of the current tokio runtime.
///
/// # Errors
/// When no loopback port can be had.
pub async fn start() -> io::Result<Demo> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let accepting = tokio::spawn(accept(listener)).abort_handle();
    Ok(Demo { address, accepting })
}

async fn accept(listener: TcpListener) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((socket, _)) => {
                tokio::spawn(async move {
                    serve(socket).await;
                    drop(place);
                });
            }
            // Out of descriptors, most likely: they come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn serve(socket: TcpStream) {
    // Both failures below concern this one connection, whose other end knows already.
    let _ = socket.set_nodelay(true);
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new());
    let _ = http.serve_connection(TokioIo::new(socket), service_fn(|request| async { Ok::<_, Infallible>(handle(request).await) })).await;
}

async fn handle(request: Request<Incoming>) -> Response<Paced> {
    match (request.uri().path(), request.method()) {
        ("/v1/chat/completions", &Method::POST) => chat(request).await,
        ("/v1/models", &Method::GET | &Method::HEAD) => json(StatusCode::OK, answer::models()),
        ("/v1/chat/completions", _) => not_allowed("POST"),
        ("/v1/models", _) => not_allowed("GET, HEAD"),
        _ => refuse(StatusCode::NOT_FOUND, "the demo upstream serves /v1/chat/completions and /v1/models"),
    }
}

async fn chat(request: Request<Incoming>) -> Response<Paced> {
    let body = match tokio::time::timeout(BODY_WAIT, Limited::new(request.into_body(), BODY_MAX).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large");
        }
        Ok(Err(_)) => return refuse(StatusCode::BAD_REQUEST, "the body broke off"),
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"),
    };
    let asked = match asked::Asked::parse(&body) {
        Ok(asked) => asked,
        Err(problem) => return refuse(StatusCode::BAD_REQUEST, &problem),
    };
    let answer = answer::Answer::new(&asked, decide::decide(&asked), body.len());
    if asked.stream {
        let frames = answer.frames(asked.include_usage);
        return response(StatusCode::OK, "text/event-stream", Paced::new(frames));
    }
    json(StatusCode::OK, answer.whole())
}

fn not_allowed(methods: &'static str) -> Response<Paced> {
    let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, "the method is not allowed here");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}

fn refuse(status: StatusCode, message: &str) -> Response<Paced> {
    json(status, answer::error(message))
}

fn json(status: StatusCode, text: String) -> Response<Paced> {
    response(status, "application/json", Paced::new(vec![Bytes::from(text)]))
}

fn response(status: StatusCode, kind: &'static str, body: Paced) -> Response<Paced> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// One exchange on a connection of its own: the head and the body with its chunk sizes taken out.
    async fn exchange(demo: &Demo, head: &str, body: &str) -> (String, String) {
        let mut socket = TcpStream::connect(demo.address).await.unwrap();
        let request = format!("{head} HTTP/1.1\r\nhost: demo\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).await.unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let lines = body.split("\r\n").enumerate();
        let body = if head.contains("chunked") {
            lines.filter(|(index, _)| index % 2 == 1).map(|(_, line)| line).collect()
        } else {
            body.to_owned()
        };
        (head.to_owned(), body)
    }

    fn on_a_runtime<F: Future<Output = ()>>(test: impl FnOnce(Demo) -> F) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { test(start().await.unwrap()).await });
    }

    #[test]
    fn a_stream_says_word_by_word_that_it_is_the_demo() {
        on_a_runtime(|demo| async move {
            let asked = r#"{"model":"demo","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hello there"}]}"#;
            let (head, body) = exchange(&demo, "POST /v1/chat/completions", asked).await;
            assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
            let events: Vec<&str> = body.split("\n\n").filter(|event| !event.is_empty()).collect();
            assert!(events.len() > 10 && events.ends_with(&["data: [DONE]"]), "{body}");
            let mut text = String::new();
            let mut usage = None;
            for event in &events[..events.len() - 1] {
                let chunk: serde_json::Value = serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
                text.push_str(chunk["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
                usage = chunk["usage"]["total_tokens"].as_u64();
            }
            assert_eq!(text, "This is aimux's built-in demo model, not a real language model. You said: hello there");
            assert!(usage.unwrap() > 10);
        });
    }

    #[test]
    fn a_whole_answer_and_the_list_of_models_are_json() {
        on_a_runtime(|demo| async move {
            let (head, body) =
                exchange(&demo, "POST /v1/chat/completions", r#"{"model":"x","messages":[{"role":"user","content":"hi"}]}"#).await;
            let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert!(head.contains("application/json"));
            assert_eq!(
                (answer["object"].as_str(), answer["choices"][0]["finish_reason"].as_str()),
                (Some("chat.completion"), Some("stop"))
            );
            let (_, body) = exchange(&demo, "GET /v1/models", "").await;
            assert!(body.contains(r#""id":"demo""#), "{body}");
        });
    }

    #[test]
    fn nonsense_is_refused_in_the_dialect_and_the_next_request_is_served() {
        on_a_runtime(|demo| async move {
            for body in ["", "{", "[]", "null", r#"{"messages":7}"#, r#"{"model":"x"}"#, &"[".repeat(5000)] {
                let (head, body) = exchange(&demo, "POST /v1/chat/completions", body).await;
                assert!(head.starts_with("HTTP/1.1 400") && body.contains(r#""type":"invalid_request_error""#), "{head} {body}");
            }
            assert!(exchange(&demo, "GET /v1/chat/completions", "").await.0.starts_with("HTTP/1.1 405"));
            assert!(exchange(&demo, "GET /", "").await.0.starts_with("HTTP/1.1 404"));
            assert!(exchange(&demo, "GET /v1/models", "").await.0.starts_with("HTTP/1.1 200"));
        });
    }

    #[test]
    fn a_dropped_demo_listens_no_more() {
        on_a_runtime(|demo| async move {
            let address = demo.address;
            drop(demo);
            tokio::task::yield_now().await;
            assert!(TcpStream::connect(address).await.is_err());
        });
    }
}
