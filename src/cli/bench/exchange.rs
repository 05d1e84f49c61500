//! One request, timed: when its answer began, when each piece of it came, when it was over.
//!
//! Nothing is read of the pieces while they come, so that reading takes no time from what is measured: `sample.rs` does
//! that afterwards. Start with [`exchange`].

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};

use super::stop::Stop;
use crate::upstream::client::{Client, SendErrorKind};
use crate::wire::splice::Spliced;

/// The longest answer, in bytes.
const ANSWER_MAX: usize = 32 * 1024 * 1024;

/// A request that is over. Times are since its start, as it was planned.
#[derive(Debug)]
pub(in crate::cli) struct Timed {
    /// When the answer's head was there; `None`: it never was.
    pub(in crate::cli) head: Option<Duration>,
    /// The pieces of the answer, as they came.
    pub(in crate::cli) chunks: Vec<(Duration, Bytes)>,
    /// When it was over.
    pub(in crate::cli) end: Duration,
    /// The HTTP status; 0 without an answer.
    pub(in crate::cli) status: u16,
    /// The answer's headers.
    pub(in crate::cli) headers: HeaderMap,
    /// Why the answer is not whole.
    pub(in crate::cli) broken: Option<Broken>,
}

/// Why an answer is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Broken {
    /// By the network.
    Send(SendErrorKind),
    /// It took longer than a request may.
    Late,
    /// It grew longer than an answer may.
    TooLong,
    /// The bench was stopped.
    Stopped,
}

impl Timed {
    /// When the first byte of the body came.
    pub(in crate::cli) fn first_byte(&self) -> Option<Duration> {
        self.chunks.first().map(|(at, _)| *at)
    }

    /// Whether all of a good answer is here.
    pub(in crate::cli) fn is_whole(&self) -> bool {
        self.broken.is_none() && (200..300).contains(&self.status)
    }
}

/// Sends a request and reads its answer to the end, in `limit` at most. `since` is when it was to start.
pub(in crate::cli) async fn exchange(
    client: &Client,
    request: Request<Full<Spliced>>,
    since: Instant,
    limit: Duration,
    stop: &Stop,
) -> Timed {
    let mut timed = Timed { head: None, chunks: Vec::new(), end: Duration::ZERO, status: 0, headers: HeaderMap::new(), broken: None };
    let outcome = tokio::select! {
        read = tokio::time::timeout(limit, read(client, request, since, &mut timed)) => read.unwrap_or(Err(Broken::Late)),
        () = stop.wait() => Err(Broken::Stopped),
    };
    timed.broken = outcome.err();
    timed.end = since.elapsed();
    timed
}

async fn read(client: &Client, request: Request<Full<Spliced>>, since: Instant, timed: &mut Timed) -> Result<(), Broken> {
    let answer = client.send(request).await.map_err(|error| Broken::Send(error.kind))?;
    let (head, mut body) = answer.into_parts();
    timed.head = Some(since.elapsed());
    (timed.status, timed.headers) = (head.status.as_u16(), head.headers);
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Broken::Send(error.kind))?;
        if let Ok(chunk) = frame.into_data() {
            length += chunk.len();
            timed.chunks.push((since.elapsed(), chunk));
        }
        if length > ANSWER_MAX {
            return Err(Broken::TooLong);
        }
    }
    Ok(())
}
