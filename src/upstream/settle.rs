//! What is owed when an exchange is over, however it ends: health is told, the access log gets its line, the ledger its entry.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::account::{Account, Over, count};
use super::guard::Guard;
use super::job::{Job, Upstreams};
use crate::chat::{Loss, Usage};
use crate::error::Code;
use crate::ledger::{Ending, Entry, Hedged};
use crate::route::{Attempts, Key, Stay, Table, Target};

/// Settles when dropped.
pub(super) struct Settlement {
    /// Its number among the requests under way.
    pub(super) number: u64,
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) _places: [Option<tokio::sync::OwnedSemaphorePermit>; 2],
    /// What the exchange reads of the config: whoever waits for the end of a former one waits for this.
    pub(super) _table: Arc<Table>,
    pub(super) attempts: Attempts,
    pub(super) request_id: String,
    pub(super) client: &'static str,
    pub(super) asked: String,
    pub(super) route: String,
    /// What decided it.
    pub(super) why: &'static str,
    pub(super) provider: String,
    pub(super) model: String,
    pub(super) status: u16,
    pub(super) received: Instant,
    pub(super) first_content: Option<Duration>,
    pub(super) usage: Usage,
    /// How much the request lost, and the answer where it is whole.
    pub(super) losses: usize,
    /// What a streamed answer lost: its head has left too early to say so.
    pub(super) lost: Vec<Loss>,
    pub(super) is_reused: Option<bool>,
    pub(super) ending: Ending,
    /// Why it failed.
    pub(super) code: Option<Code>,
    /// Why nobody went on with what broke off, where somebody might have.
    pub(super) stayed: Option<Stay>,
    /// How it went with a second target, if one was asked beside the first.
    pub(super) hedge: Option<Hedged>,
    pub(super) account: Account,
    /// What becomes of its session.
    pub(super) guard: Option<Box<Guard>>,
}

/// What is learnt while the exchange is under way.
impl Settlement {
    /// An attempt begins.
    pub(super) fn begin(&mut self, target: &Target, key: Option<&Key>) {
        self.account.begin(target, key, [&self.provider, &self.model]);
        self.provider.clone_from(&target.provider.name);
        self.model.clone_from(&target.model);
    }

    /// A second attempt begins beside the one under way.
    pub(super) fn beside(&mut self, target: &Target, key: Option<&Key>) {
        self.hedge = Some(Hedged::Lost);
        self.account.beside(target, key);
    }

    /// Turns to the other one: it is the one that counts from here on.
    pub(super) fn turn(&mut self) {
        self.hedge = self.account.turn([&mut self.provider, &mut self.model]).or(self.hedge);
    }

    /// The other one is cancelled.
    pub(super) fn left(&mut self) {
        self.account.left(self.received);
    }

    /// The other one has failed, with the provider's status if it gave one.
    pub(super) fn fell_out(&mut self, status: Option<u16>, code: Code, is_reused: Option<bool>) {
        if self.account.fell_out(self.received, status, code, is_reused) {
            self.hedge = Some(Hedged::Failed);
        }
    }

    /// The attempt under way failed, with the provider's status if it gave one.
    pub(super) fn failed(&mut self, status: Option<u16>, code: Code) {
        if self.hedge == Some(Hedged::Won) && self.first_content.is_none() {
            self.hedge = Some(Hedged::Failed);
        }
        self.account.failed(self.received, status, code, self.is_reused);
    }

    /// The answer has begun: its session stays with who gives it.
    pub(super) fn answered(&mut self, job: &Job, target: &Target, key: Option<&Key>) {
        self.guard = Guard::of(job, target, key, &self.account.asked_in_vain(), self.account.price()).or(self.guard.take());
    }

    /// The answer under way broke off after about so many tokens, and another goes on with it. Gives what it took.
    pub(super) fn broken(&mut self, code: Code, tokens: u64) -> Usage {
        let took = self.account.broken(self.received, code, self.usage, tokens, self.is_reused);
        let told = Usage { output: took.output, ..self.usage };
        self.usage = Usage::default();
        told
    }

    /// Tokens in and out, as far as they were told, those of answers that broke off included.
    fn tokens(&self) -> (u64, u64) {
        let (usage, _) = self.account.whole(self.usage, None);
        (usage.input_total(), usage.output.unwrap_or(0))
    }

    /// The entry of an exchange that is over. Its texts are taken, not copied.
    fn entry(&mut self, now: Instant) -> Box<Entry> {
        // The client went while both were under way.
        self.left();
        self.account.entry(Over {
            now,
            received: self.received,
            request_id: std::mem::take(&mut self.request_id),
            asked: std::mem::take(&mut self.asked),
            route: std::mem::take(&mut self.route),
            provider: std::mem::take(&mut self.provider),
            model: std::mem::take(&mut self.model),
            status: self.status,
            code: self.code,
            ending: self.ending,
            usage: self.usage,
            first_content: self.first_content,
            losses: self.losses + self.lost.len(),
            is_reused: self.is_reused,
            hedge: self.hedge,
            dialect: self.client,
        })
    }
}

impl Drop for Settlement {
    fn drop(&mut self) {
        let now = Instant::now();
        if std::thread::panicking() {
            (self.ending, self.code) = (Ending::Failed, Some(Code::Bug));
        }
        // An answer that the client left is no fault of the target's.
        let is_well = self.ending != Ending::Failed;
        if self.usage.input.is_some() && self.usage.output.is_some() {
            let tokens = self.usage.input_total().saturating_add(self.usage.output.unwrap_or(0));
            self.attempts.took(now, &mut self.upstreams.health(), tokens);
        }
        self.attempts.finish(now, &mut self.upstreams.health(), is_well);
        self.upstreams.call_line();
        self.upstreams.live().ended(self.number);
        let (input_tokens, output_tokens) = self.tokens();
        let continued = self.attempts.continued;
        tracing::info!(
            target: "aimux::access",
            request_id = %self.request_id,
            client = self.client,
            asked = %self.asked,
            route = %self.route,
            why = %self.why,
            provider = %self.provider,
            model = %self.model,
            status = self.status,
            attempts = self.attempts.made,
            ms = u64::try_from(now.duration_since(self.received).as_millis()).unwrap_or(u64::MAX),
            first_content_ms = self.first_content.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            input_tokens = input_tokens,
            output_tokens = output_tokens,
            session = self.guard.as_ref().map(|guard| tracing::field::display(guard.word())),
            losses = self.losses + self.lost.len(),
            lost = (!self.lost.is_empty()).then(|| self.lost.iter().map(Loss::to_string).collect::<Vec<_>>().join(", ")),
            conn = self.is_reused.map(|is_reused| if is_reused { "reused" } else { "new" }),
            continued = (continued > 0).then_some(continued),
            not_continued = self.stayed.map(Stay::words),
            hedge = self.hedge.map(Hedged::name),
            ending = self.ending.name(),
            code = self.code.map(tracing::field::display),
            "request"
        );
        let reported = self.usage;
        let is_counted = self.account.is_counted;
        let mut entry = self.entry(now);
        if let Some(guard) = self.guard.take() {
            entry.cache_break = guard.settle(&self.upstreams, &reported, is_counted, &entry);
        }
        count(&self.upstreams.counts, &entry);
        if let Some(ledger) = &*self.upstreams.ledger() {
            ledger.put(entry);
        }
    }
}
