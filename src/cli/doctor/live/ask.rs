//! One request to the target that is measured, in bounded time and for bounded money; its answer or why there is none.
//!
//! Start with [`Asker::ask`].

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use super::reply::{FRAME_MAX, Reply};
use crate::chat::{ChatRequest, Failure, FailureKind};
use crate::cli::bench::{Broken, Stop, Timed, exchange};
use crate::dialect::failure::{disguised_failure, read_failure};
use crate::error::Error;
use crate::keys::keys_in;
use crate::route::Target;
use crate::upstream::client::Client;
use crate::upstream::{Written, counting, scrub};
use crate::wire::splice::Spliced;

/// The longest wait for a limit that is over soon.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// For all requests to one target.
const WHOLE_MAX: Duration = Duration::from_secs(15 * 60);
/// So many requests in a row that come to nothing end it.
const SILENT_MAX: u32 = 2;
/// The part of a provider's sentence that is told, in characters.
const TOLD_MAX: usize = 200;

/// What a provider said.
#[derive(Debug)]
pub(super) enum Said {
    /// A well-formed answer.
    Answer(Reply),
    /// It refused, in so many words.
    Refused(Failure),
    /// Status 2xx, and no answer in it: why.
    Broken(String),
    /// Nothing that says anything of the model: the network, a limit, an overload, our own bounds. Why.
    Nothing(String),
}

/// Asks one target.
pub(super) struct Asker<'a> {
    pub(super) target: &'a Target,
    pub(super) client: &'a Client,
    pub(super) stop: &'a Stop,
    /// For one request.
    pub(super) timeout: Duration,
    /// What may be spent in all, in millionths of a dollar; `None`: as much as it costs.
    pub(super) allowed: Option<u64>,
    /// What was spent in all, as far as it is known.
    pub(super) spent: u64,
    /// Requests that were made.
    pub(super) requests: u32,
    pub(super) since: Instant,
    pub(super) silent: u32,
}

impl Asker<'_> {
    /// Asks the target this.
    pub(super) async fn ask(&mut self, request: &ChatRequest<'_>) -> Said {
        let target = self.target.clone();
        self.ask_at(&target, request).await
    }

    /// The same at a target that differs from ours in what is known of it.
    pub(super) async fn ask_at(&mut self, target: &Target, request: &ChatRequest<'_>) -> Said {
        let written = match Written::new(request, target, target.provider.keys.first(), target.endpoint().dialect) {
            Ok(written) => written,
            Err(error) => return Said::Nothing(format!("aimux cannot ask it this: {}", error.message)),
        };
        let said = match self.timed(|| written.request()).await {
            Ok(timed) => self.read(timed, &written),
            Err(reason) => Said::Nothing(reason),
        };
        if let Said::Answer(reply) = &said {
            self.spent = self.spent.saturating_add(target.info.price.micro_usd(&reply.usage).unwrap_or(0));
        }
        said
    }

    /// Has the target count a prompt's tokens; `None`: its dialect has no count.
    pub(super) async fn count(&mut self, prompt: &str) -> Option<Result<(u16, Bytes), String>> {
        let key = self.target.provider.keys.first();
        let request: Result<Request<Full<Spliced>>, Error> = counting(self.target, key, prompt)?;
        let timed = match request {
            Ok(request) => self.timed(|| request.clone()).await,
            Err(error) => Err(error.message),
        };
        Some(timed.map(|timed| (timed.status, self.body(&timed))))
    }

    /// Makes a request, again after a short wait where the provider asks for one.
    async fn timed(&mut self, request: impl Fn() -> Request<Full<Spliced>>) -> Result<Timed, String> {
        let mut is_again = false;
        loop {
            self.is_allowed()?;
            self.requests += 1;
            let timed = exchange(self.client, request(), Instant::now(), self.timeout, self.stop).await;
            let wait = timed.headers.get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs));
            if let (Some(wait), false, 429 | 503 | 529) = (wait.filter(|wait| *wait <= WAIT_MAX), is_again, timed.status) {
                is_again = true;
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = self.stop.wait() => {}
                }
                continue;
            }
            let reason = match timed.broken {
                None => {
                    self.silent = 0;
                    return Ok(timed);
                }
                Some(Broken::Send(kind)) => format!("the connection failed: {kind:?}").to_lowercase(),
                Some(Broken::Late) => format!("no whole answer in {} s", self.timeout.as_secs_f32()),
                Some(Broken::TooLong) => "the answer grew too long".to_owned(),
                Some(Broken::Stopped) => "it was stopped".to_owned(),
            };
            self.silent += 1;
            return Err(reason);
        }
    }

    fn is_allowed(&self) -> Result<(), String> {
        if self.stop.is_told() {
            return Err("it was stopped".to_owned());
        }
        if self.silent >= SILENT_MAX {
            return Err(format!("not asked: {SILENT_MAX} requests in a row came to nothing"));
        }
        if self.since.elapsed() > WHOLE_MAX {
            return Err(format!("not asked: it took more than {} minutes", WHOLE_MAX.as_secs() / 60));
        }
        if self.allowed.is_some_and(|allowed| self.spent > 0 && self.spent >= allowed) {
            return Err("not asked: what may be spent is spent".to_owned());
        }
        Ok(())
    }

    fn body(&self, timed: &Timed) -> Bytes {
        let whole: Vec<u8> = timed.chunks.iter().flat_map(|(_, chunk)| chunk.iter().copied()).collect();
        scrub(whole.into(), self.target.provider.keys.first().map(|key| &key.secret))
    }

    fn read(&self, timed: Timed, written: &Written) -> Said {
        let body = self.body(&timed);
        if !(200..300).contains(&timed.status) {
            let failure = read_failure(timed.status, &body);
            // Whatever an overloaded or broken server says of the request, it may say otherwise tomorrow.
            if timed.status == 429 || timed.status >= 500 {
                return Said::Nothing(told(&failure));
            }
            return match failure.kind {
                FailureKind::RateLimit | FailureKind::Timeout | FailureKind::Overloaded | FailureKind::Server => {
                    Said::Nothing(told(&failure))
                }
                _ => Said::Refused(failure),
            };
        }
        let content_type = timed.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        if let Some(failure) = disguised_failure(&body).filter(|_| !content_type.contains("event-stream")) {
            return Said::Broken(format!("status {} with an error in it: {}", timed.status, short(&failure.message)));
        }
        let events = written.read(std::slice::from_ref(&body), FRAME_MAX).into_iter().map(|(_, event)| event).collect();
        match Reply::of(events) {
            Ok(reply) => Said::Answer(Reply { content_type, body: body.to_vec(), ..reply }),
            Err(failure) => Said::Broken(format!("status {} and no whole answer: {}", timed.status, short(&failure.message))),
        }
    }
}

/// A failure in a few words.
pub(super) fn told(failure: &Failure) -> String {
    format!("{}: {}", failure.status, short(&failure.message))
}

/// A text that a provider chose, in a length that can be read and without what looks like a key.
pub(super) fn short(text: &str) -> String {
    let mut text = text.to_owned();
    let keys: Vec<String> = keys_in(&text).iter().map(|found| found.text.to_owned()).collect();
    for key in keys {
        text = text.replace(&key, "[redacted]");
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(TOLD_MAX) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}
