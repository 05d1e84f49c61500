//! What becomes of a request's session: it stays with who answers, and what was read from the cache is compared with what the
//! request before had left there.
//!
//! It lacks the judgement, which is [`crate::route::cache`]. Start with [`Guard::of`], then [`Guard::settle`].

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use super::job::{Job, Upstreams};
use crate::chat::Usage;
use crate::ledger::{CacheBreak, Entry};
use crate::provider::models::Price;
use crate::route::cache::{Asked, Left, Served};
use crate::route::sticky::{Answered, Before, Id, Taken, Why};
use crate::route::{Key, Target};
use crate::wire::prefix::Prefix;

/// A session whose answer has begun.
#[derive(Debug)]
pub(super) struct Guard {
    id: Id,
    served: Served,
    prefix: Arc<Prefix>,
    before: Before,
    price: Option<Price>,
    received: Instant,
    answered: Instant,
}

impl Guard {
    /// The answer has begun: the session stays with who gives it; `None`: the request is of none. `in_vain`: who was asked before,
    /// and why they do not answer.
    pub(super) fn of(
        job: &Job,
        target: &Target,
        key: Option<&Key>,
        in_vain: &[([&str; 2], Why)],
        price: Option<Price>,
    ) -> Option<Box<Self>> {
        let (stick, sticky, prefix) = (job.record.stick.as_ref()?, job.table.sticky.as_ref()?, job.prefix()?);
        let key = key.map_or("", |key| key.name.as_str());
        let now = Instant::now();
        let answered = Answered { id: stick.id, target, key, in_vain, verdict: &stick.verdict };
        let before = job.upstreams.health().answered(&answered, sticky, now);
        Some(Box::new(Self {
            id: stick.id,
            served: Served { provider: target.provider.name.clone(), model: target.model.clone(), key: key.to_owned() },
            prefix: Arc::clone(prefix),
            before,
            price,
            received: job.received,
            answered: now,
        }))
    }

    /// What became of the session: `new`, `kept`, `moved (failed)`.
    pub(super) fn word(&self) -> Cow<'static, str> {
        match &self.before.moved {
            Some((_, why)) => format!("moved ({})", why.word()).into(),
            None if !self.before.is_known => "new".into(),
            None => "kept".into(),
        }
    }

    /// Remembers what the answer took and left in the cache, and gives the break if there was one; `reported`: what the provider
    /// said of usage, and whether that is all.
    ///
    /// Of an answer that was cut off, the figures at its start are believed where they speak of a cache: some hosts begin with zeros.
    pub(super) fn settle(self: Box<Self>, upstreams: &Upstreams, reported: &Usage, is_counted: bool, entry: &Entry) -> Option<CacheBreak> {
        let is_told = is_counted || reported.cache_read.unwrap_or(0) > 0 || reported.cache_write.unwrap_or(0) > 0;
        let asked = Asked { served: &self.served, prefix: &self.prefix, usage: reported, at: self.received, price: self.price };
        let left = is_told.then(|| Left::by(&asked, Arc::clone(&self.prefix), self.answered)).flatten().map(Arc::new);
        let taken = Taken {
            usage: reported,
            input_estimate: entry.usage.input.unwrap_or(0),
            output: entry.usage.output.unwrap_or(0),
            left: left.as_ref(),
        };
        upstreams.health().session_took(self.id, &taken);
        let why = self.before.moved.as_ref().map_or(Why::Busy, |(_, why)| *why);
        let broken = self.before.left.as_ref().filter(|_| is_told)?.broken(&asked, why)?;
        let (cause, detail) = (broken.cause.word(), broken.cause.words());
        tracing::info!(target: "aimux::cache", request_id = %entry.request_id, cause, detail = %detail, tokens = broken.tokens,
            cost_micro_usd = broken.cost, provider = %self.served.provider, model = %self.served.model,
            "the session's prompt cache was missed");
        Some(CacheBreak { cause, detail, tokens: broken.tokens, cost: broken.cost })
    }
}

/// The work's outcome, and `aside` done the first time that the work has to wait.
pub(super) async fn meanwhile<T>(work: impl Future<Output = T>, aside: impl FnOnce()) -> T {
    let mut work = std::pin::pin!(work);
    let mut aside = Some(aside);
    std::future::poll_fn(move |cx| {
        let poll = work.as_mut().poll(cx);
        if poll.is_pending()
            && let Some(aside) = aside.take()
        {
            aside();
        }
        poll
    })
    .await
}
