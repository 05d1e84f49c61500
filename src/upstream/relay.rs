//! An answer on its way to the client: the upstream's body is polled inside the client's, so no chunk crosses a task.
//!
//! It ends politely only after a finish signal; an upstream that dies leaves the client's own error event.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::{Instant, Sleep};

use super::attempt::Begun;
use super::client::UpstreamBody;
use super::echo::Echo;
use super::job::Patience;
use super::resume::{Resume, Resumed};
use super::settle::Settlement;
use crate::chat::{Failure, FailureKind, lose};
use crate::dialect::ReplyStream;
use crate::error::Code;
use crate::ledger::Ending;
use crate::route::pace::Pace;

/// An upstream may send usage or its sentinel after the finish signal; for so long it is waited for.
const AFTER_FINISH: Duration = Duration::from_secs(5);

/// A streamed answer under way.
pub struct Relay {
    reply: Box<dyn ReplyStream>,
    upstream: Option<UpstreamBody>,
    /// What was held back until the first content.
    held: Bytes,
    /// What came along with the first content. It is read when that is on its way.
    unread: Bytes,
    is_to_pause: bool,
    patience: Patience,
    timer: Option<Pin<Box<Sleep>>>,
    heard: Instant,
    said: Instant,
    pace: Option<Pace>,
    echo: Option<Box<Echo>>,
    /// What stands ready to go on, should the answer break off.
    resume: Option<Box<Resume>>,
    /// How much of the reply's losses has been noted.
    noted: u32,
    settlement: Settlement,
}

impl Relay {
    pub(super) fn new(
        reply: Box<dyn ReplyStream>,
        upstream: Option<UpstreamBody>,
        [held, unread]: [Bytes; 2],
        patience: Patience,
        echo: Option<Echo>,
        settlement: Settlement,
    ) -> Self {
        let now = Instant::now();
        let pace = Pace::new(patience.pace.0, patience.pace.1, now.into_std());
        let (timer, is_to_pause) = (None, false);
        Self {
            reply,
            upstream,
            held,
            unread,
            is_to_pause,
            patience,
            timer,
            heard: now,
            said: now,
            pace,
            echo: echo.map(Box::new),
            resume: None,
            noted: 0,
            settlement,
        }
    }

    /// The same for an answer that may be gone on with.
    pub(super) fn gone_on_by(mut self, resume: Option<Box<Resume>>) -> Self {
        self.resume = resume;
        self
    }

    /// Tells that a bug of ours ended it. Nothing may be asked of it afterwards.
    pub(crate) fn note_bug(&mut self) {
        (self.upstream, self.resume) = (None, None);
        (self.settlement.code, self.settlement.ending) = (Some(Code::Bug), Ending::Failed);
    }

    /// Takes a chunk; gives what the client gets.
    fn take(&mut self, chunk: Bytes) -> Bytes {
        self.heard = Instant::now();
        if self.patience.until.is_some_and(|until| self.heard >= until) {
            return self.too_long();
        }
        if let Some(pace) = &mut self.pace {
            pace.took(chunk.len());
        }
        let out = self.reply.push(chunk);
        self.note_losses();
        self.hear(&out);
        match self.reply.progress().failure.clone() {
            Some(failure) => self.broke(out, &failure),
            None => out,
        }
    }

    fn finish(&mut self) -> Bytes {
        let out = self.reply.end();
        self.hear(&out);
        match self.reply.progress().failure.clone() {
            Some(failure) => self.broke(out, &failure),
            None => {
                self.close(Ending::Complete, None);
                out
            }
        }
    }

    fn fail(&mut self, code: Code, kind: FailureKind, message: &str) -> Bytes {
        self.broke(Bytes::new(), &Failure::own(code, kind, message))
    }

    /// The answer broke off behind `out`: another goes on, or it ends with its failure.
    fn broke(&mut self, out: Bytes, failure: &Failure) -> Bytes {
        let code = failure.own_code().unwrap_or(Code::UpstreamFailed);
        if let Some(resume) = &mut self.resume {
            self.settlement.usage.merge(&self.reply.progress().usage);
            if resume.cut(self.reply.as_mut(), &mut self.settlement, failure, code) {
                (self.upstream, self.noted) = (None, 0);
                return out;
            }
        }
        let end = self.reply.fail(failure);
        self.close(Ending::Failed, Some(code));
        if end.is_empty() { out } else { [out, end].concat().into() }
    }

    /// Reads along where the answer may be gone on with.
    fn hear(&mut self, out: &[u8]) {
        if let Some(resume) = &mut self.resume {
            resume.hear(out);
        }
    }

    /// The whole request has taken as long as it may.
    fn too_long(&mut self) -> Bytes {
        if self.reply.progress().finished {
            return self.finish();
        }
        let (code, message) = (Code::UpstreamTimeout, "the answer took longer than retry.deadline_s");
        let failure = Failure::own(code, FailureKind::Timeout, message);
        // Nobody else has more time.
        let out = match self.resume.take().filter(|resume| resume.is_under_way()) {
            Some(mut resume) => resume.last_words(failure),
            None => self.reply.fail(&failure),
        };
        self.close(Ending::Failed, Some(code));
        out
    }

    fn close(&mut self, ending: Ending, code: Option<Code>) {
        (self.upstream, self.resume) = (None, None);
        self.settlement.code = code;
        self.settlement.ending = ending;
        self.count();
        self.note_losses();
    }

    /// Keeps what the answer lost for the settlement, which a client that goes leaves without a last word from here.
    fn note_losses(&mut self) {
        let losses = &self.reply.progress().losses;
        if let Some(new) = losses.get(self.noted as usize..).filter(|new| !new.is_empty()) {
            new.iter().for_each(|loss| lose(&mut self.settlement.lost, loss.clone()));
            self.noted = u32::try_from(losses.len()).unwrap_or(u32::MAX);
        }
    }

    /// Takes over what the provider has said of usage so far.
    fn count(&mut self) {
        let progress = self.reply.progress();
        self.settlement.usage.merge(&progress.usage);
        self.settlement.account.is_counted = progress.finished;
    }

    /// The next bytes that the upstream's progress or silence gives, `None` when the answer is over.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.held.is_empty() {
            self.settlement.account.said(&self.held);
            if let Some(resume) = &mut self.resume {
                resume.hear(&self.held);
            }
            self.is_to_pause = !self.unread.is_empty();
            return Poll::Ready(Some(std::mem::take(&mut self.held)));
        }
        if std::mem::take(&mut self.is_to_pause) {
            // The server writes what it has when it is told to wait.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if self.resume.as_ref().is_some_and(|resume| resume.is_under_way()) {
                let out = std::task::ready!(self.poll_resume(cx));
                if out.is_empty() {
                    continue;
                }
                self.said = Instant::now();
                self.settlement.account.said(&out);
                return Poll::Ready(Some(out));
            }
            let Some(upstream) = &mut self.upstream else { return Poll::Ready(None) };
            let next = if self.unread.is_empty() {
                Pin::new(upstream).poll_frame(cx)
            } else {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.unread)))))
            };
            let out = match next {
                Poll::Ready(Some(Ok(frame))) => frame.into_data().map(|chunk| self.take(chunk)).unwrap_or_default(),
                Poll::Ready(None) => self.finish(),
                Poll::Ready(Some(Err(_))) if self.reply.progress().finished => self.finish(),
                Poll::Ready(Some(Err(_))) => self.fail(Code::UpstreamBroken, FailureKind::Server, "the provider's answer broke off"),
                Poll::Pending => match std::task::ready!(self.poll_silence(cx)) {
                    Some(out) => out,
                    None => continue,
                },
            };
            if !out.is_empty() {
                self.said = Instant::now();
                self.settlement.account.said(&out);
                return Poll::Ready(Some(out));
            }
        }
    }

    /// What comes of looking for another that goes on: its first words, the end, or a sign of life in between; or nothing yet.
    fn poll_resume(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        let Some(resume) = &mut self.resume else { return Poll::Ready(Bytes::new()) };
        match resume.poll(cx, &mut self.settlement) {
            Poll::Ready(Resumed::On(begun, out, echo)) => {
                let Begun { reply, upstream, held: _, unread, headers: _ } = *begun;
                // What waited for the rest of a key is said before.
                let rest = self.echo.as_mut().map(|echo| echo.rest()).unwrap_or_default();
                let out = if rest.is_empty() { out } else { [rest, out].concat().into() };
                (self.reply, self.upstream, self.unread, self.echo) = (reply, upstream, unread, echo.map(Box::new));
                self.heard = Instant::now();
                self.pace = Pace::new(self.patience.pace.0, self.patience.pace.1, self.heard.into_std());
                self.note_losses();
                if self.upstream.is_none() {
                    self.close(Ending::Complete, None);
                }
                return Poll::Ready(out);
            }
            Poll::Ready(Resumed::Over(out, code)) => {
                self.close(Ending::Failed, Some(code));
                return Poll::Ready(out);
            }
            Poll::Pending => {}
        }
        let now = Instant::now();
        if self.patience.until.is_some_and(|until| now >= until) {
            return Poll::Ready(self.too_long());
        }
        let due = self.patience.until.into_iter().fold(self.said + self.patience.keep_alive, Instant::min);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        std::task::ready!(timer.as_mut().poll(cx));
        if self.patience.until.is_some_and(|until| Instant::now() >= until) {
            return Poll::Ready(self.too_long());
        }
        // What has nothing to say now is asked again after as long a silence.
        self.said = Instant::now();
        Poll::Ready(self.resume.as_mut().map(|resume| resume.keep_alive()).unwrap_or_default())
    }

    /// What silence leads to; `None` when the timer was early.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let is_finished = self.reply.progress().finished;
        let idle_at = self.heard + if is_finished { AFTER_FINISH } else { self.patience.idle };
        let over_at = self.patience.until.map_or(idle_at, |until| until.min(idle_at));
        if let Some(pace) = self.pace.as_mut().filter(|_| !is_finished)
            && pace.is_too_slow(std::time::Instant::now())
        {
            let message = format!("the provider's answer came slower than limits.pace_bytes_per_s, {} a second", self.patience.pace.0);
            return Poll::Ready(Some(self.fail(Code::UpstreamTimeout, FailureKind::Timeout, &message)));
        }
        let paced_at = self.pace.filter(|_| !is_finished).map_or(over_at, |pace| Instant::from_std(pace.due()));
        let due = over_at.min(self.said + self.patience.keep_alive).min(paced_at);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if timer.deadline() > due {
            timer.as_mut().reset(due);
        }
        std::task::ready!(timer.as_mut().poll(cx));
        // The timer is not moved at each chunk, only when it fires: it may be early.
        let now = Instant::now();
        if now < due {
            timer.as_mut().reset(due);
            return Poll::Ready(None);
        }
        timer.as_mut().reset(now + self.patience.keep_alive.min(Duration::from_secs(1)));
        if now < over_at && now < self.said + self.patience.keep_alive {
            // The pace was due, and is looked at when this is asked again.
            return Poll::Ready(None);
        }
        Poll::Ready(Some(if now < over_at {
            self.said = now;
            self.reply.keep_alive()
        } else if now < idle_at {
            self.too_long()
        } else if is_finished {
            self.finish()
        } else {
            let message = format!("the provider was silent for {} s", self.patience.idle.as_secs());
            self.fail(Code::UpstreamTimeout, FailureKind::Timeout, &message)
        }))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Who left while another was looked for has been counted when the answer broke off.
        if self.upstream.is_some() {
            self.count();
        }
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let relay = self.get_mut();
        loop {
            let next = std::task::ready!(relay.poll_bytes(cx));
            let is_over = next.is_none();
            let out = match (next, &mut relay.echo) {
                (Some(bytes), Some(echo)) => echo.taken_out_of(bytes),
                (Some(bytes), None) => bytes,
                (None, Some(echo)) => echo.rest(),
                (None, None) => Bytes::new(),
            };
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(out))));
            }
            if is_over {
                return Poll::Ready(None);
            }
        }
    }
}
