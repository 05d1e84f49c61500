//! The upstream and the bare pass-through that aimux is measured against, each a process of its own.
//!
//! They do as little as can be done: no routing, no limits, no log. They end with the bench, whose end of their standard input
//! closes. Start with [`run`].

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use crate::cli::serve::end_with_stdin;
use crate::cli::{known::READY, output};
use crate::error::{Code, Error};

/// Tokens of a stream.
pub(super) const TOKENS: usize = 200;

/// Runs a part until the bench is over.
pub(super) fn run(part: &str, to: Option<&str>) -> Result<(), Error> {
    end_with_stdin();
    let failed = |error: std::io::Error| Error::new(Code::CannotBind, "a part of the bench cannot run").caused_by(error);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(failed)?;
    let served = match (part, to) {
        ("upstream", None) => runtime.block_on(upstream()),
        ("passthrough", Some(upstream)) => runtime.block_on(passthrough(upstream.to_owned())),
        _ => return Err(Error::new(Code::Usage, "the parts are: upstream, passthrough ADDRESS")),
    };
    served.map_err(failed)
}

/// Characters of a line of a request.
const LINE: usize = 45;

/// An Anthropic request of about `padding` bytes.
pub(super) fn request(model: &str, padding: usize, stream: bool) -> Bytes {
    let turn = "Look at this \\\"file\\\" and say what it does.\\n".repeat(20);
    let mut messages = Vec::new();
    let mut length = 0;
    while length < padding {
        let text = turn.get(..turn.len().min((padding - length).max(LINE)) / LINE * LINE).unwrap_or(&turn);
        let role = if messages.len() % 2 == 0 { "user" } else { "assistant" };
        messages.push(format!("{{\"role\":\"{role}\",\"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}]}}"));
        length += text.len() + 60;
    }
    let messages = messages.join(",");
    Bytes::from(format!(
        "{{\"model\":\"{model}\",\"max_tokens\":1000,\"stream\":{stream},\"tools\":[{{\"name\":\"Bash\",\"description\":\"Runs a command\",\"input_schema\":{{\"type\":\"object\",\"properties\":{{\"command\":{{\"type\":\"string\"}}}}}}}}],\"messages\":[{messages}]}}"
    ))
}

fn anthropic_stream() -> Bytes {
    let mut out = String::from(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    );
    for _ in 0..TOKENS {
        out.push_str("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" token\"}}\n\n");
    }
    out.push_str("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":200}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    out.into()
}

fn chat_stream() -> Bytes {
    let chunk = |delta: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let mut out = chunk("{\"role\":\"assistant\",\"content\":\"\"}", "null");
    for _ in 0..TOKENS {
        out.push_str(&chunk("{\"content\":\" token\"}", "null"));
    }
    out.push_str(&chunk("{}", "\"stop\""));
    out.push_str("data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":200,\"total_tokens\":210}}\n\ndata: [DONE]\n\n");
    out.into()
}

/// The frames of a stream, each of which becomes a write of its own, as a provider's would.
struct Frames {
    /// The last comes first.
    left: Vec<Bytes>,
    /// It stays open when so many are left.
    held_at: Option<usize>,
}

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        if self.held_at == Some(self.left.len()) {
            // Nothing will wake this; the client's leaving ends it.
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(self.left.pop().map(|frame| Ok(hyper::body::Frame::data(frame))))
    }
}

fn frames(stream: &Bytes) -> Vec<Bytes> {
    let mut frames = Vec::new();
    let mut from = 0;
    for end in memchr::memmem::find_iter(stream, b"\n\n") {
        frames.push(stream.slice(from..end + 2));
        from = end + 2;
    }
    frames.reverse();
    frames
}

type Body = http_body_util::combinators::BoxBody<Bytes, hyper::Error>;

fn boxed(body: impl hyper::body::Body<Data = Bytes, Error = Infallible> + Send + Sync + 'static) -> Body {
    body.map_err(|never| match never {}).boxed()
}

/// Why a request has no answer; hyper then closes its connection.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Answers at once, in either dialect; a stream of the model `held` stays open after a few frames.
async fn upstream() -> std::io::Result<()> {
    let anthropic = frames(&anthropic_stream());
    let chat = frames(&chat_stream());
    serve(move |request: Request<Incoming>| {
        let (anthropic, chat) = (anthropic.clone(), chat.clone());
        async move {
            let is_anthropic = request.uri().path().ends_with("/messages");
            let body = request.into_body().collect().await?.to_bytes();
            let is_stream = memchr::memmem::find(&body, b"\"stream\":true").is_some();
            let held = |frames: &[Bytes]| memchr::memmem::find(&body, b"held\"").map(|_| frames.len().saturating_sub(5));
            let streamed = |left: Vec<Bytes>| boxed(Frames { held_at: held(&left), left });
            let (body, kind) = match (is_stream, is_anthropic) {
                (true, true) => (streamed(anthropic), "text/event-stream"),
                (true, false) => (streamed(chat), "text/event-stream"),
                (false, true) => (boxed(Full::from(MESSAGE)), "application/json"),
                (false, false) => (boxed(Full::from(COMPLETION)), "application/json"),
            };
            Ok(Response::builder().header("content-type", kind).body(body)?)
        }
    })
    .await
}

const MESSAGE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hello there."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":10,"output_tokens":3}}"#;
const COMPLETION: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello there."},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":3,"total_tokens":13}}"#;

/// A plain proxy on hyper: one upstream connection per client connection, spawned as hyper's examples do.
async fn passthrough(upstream: String) -> std::io::Result<()> {
    let idle: Arc<Mutex<Vec<hyper::client::conn::http1::SendRequest<Incoming>>>> = Arc::default();
    serve(move |mut request: Request<Incoming>| {
        let (idle, upstream) = (Arc::clone(&idle), upstream.clone());
        async move {
            let parked = idle.lock().await.pop();
            let mut sender = match parked {
                Some(sender) => sender,
                None => {
                    let stream = TcpStream::connect(&upstream).await?;
                    stream.set_nodelay(true)?;
                    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
                    tokio::spawn(connection);
                    sender
                }
            };
            request.headers_mut().insert("host", upstream.parse()?);
            sender.ready().await?;
            let response = sender.send_request(request).await?;
            idle.lock().await.push(sender);
            Ok(response.map(BodyExt::boxed))
        }
    })
    .await
}

async fn serve<F, A>(answer: F) -> std::io::Result<()>
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Result<Response<Body>, Failed>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    output::announce(&format!("{READY}{}\n", listener.local_addr()?));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: they come back.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        };
        // The other end knows if it is gone.
        let _ = stream.set_nodelay(true);
        let answer = answer.clone();
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_json_of_about_the_size_that_was_asked_for() {
        for (padding, stream) in [(700, false), (130_000, true)] {
            let body = request("same/m", padding, stream);
            let parsed: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert!(body.len() > padding * 9 / 10 && body.len() < padding * 11 / 10 + 400, "{}", body.len());
            assert_eq!((parsed["model"].as_str(), parsed["stream"].as_bool()), (Some("same/m"), Some(stream)));
        }
    }

    #[test]
    fn a_stream_is_cut_into_its_frames() {
        let stream = anthropic_stream();
        let frames = frames(&stream);
        assert_eq!(frames.iter().map(Bytes::len).sum::<usize>(), stream.len());
        assert_eq!(frames.len(), TOKENS + 5);
        assert!(frames.last().unwrap().starts_with(b"event: message_start"));
    }
}
