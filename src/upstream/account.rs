//! What the ledger is told of an exchange: its attempts, what it took and what that costs, estimated where the provider had
//! no time to say.
//!
//! It lacks the writing, which is the ledger's. Start with `Settlement::entry`.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::job::Job;
use super::settle::Settlement;
use crate::chat::Usage;
use crate::dialect::Dialect;
use crate::error::Code;
use crate::ledger::{Attempt, Earlier, Ending, Entry, kept};
use crate::provider::models::Price;
use crate::route::{Key, Target};

/// What is known so far.
#[derive(Debug)]
pub(super) struct Account {
    /// What does not change: who asks, and for what. It is large, and the relay that holds it is moved about.
    entry: Box<Entry>,
    /// What the tokens of the target cost.
    price: Option<Price>,
    input_estimate: u64,
    begun: Instant,
    /// An attempt is under way, or its answer is.
    is_live: bool,
    said: Said,
    /// The provider has said all that it says of usage.
    pub(super) is_counted: bool,
}

/// How much of a stream the client was sent.
#[derive(Debug, Clone, Copy)]
struct Said {
    client: Dialect,
    bytes: u64,
    lines: u64,
}

impl Account {
    pub(super) fn of(job: &Job) -> Self {
        let facts = &job.record.facts;
        let text = |fact: &Option<String>| fact.clone().unwrap_or_default();
        let entry = Entry {
            dialect: job.client.name(),
            program: facts.client.as_deref().unwrap_or_default().to_owned(),
            role: facts.role.name(),
            session: text(&facts.session),
            agent: text(&facts.agent),
            project: text(&facts.project),
            stream: job.peek.stream,
            ..Entry::default()
        };
        Self {
            entry: Box::new(entry),
            price: None,
            input_estimate: job.input_estimate,
            begun: job.received,
            is_live: false,
            said: Said { client: job.client, bytes: 0, lines: 0 },
            is_counted: false,
        }
    }

    /// An attempt begins. `former`: provider and model of the one before.
    fn begin(&mut self, target: &Target, key: Option<&Key>, former: [&str; 2]) {
        if let Some(went) = self.entry.last.take() {
            let [provider, model] = former.map(str::to_owned);
            self.entry.earlier.push(Earlier { provider, model, key: std::mem::take(&mut self.entry.key), went });
        }
        key.map_or("", |key| &key.name).clone_into(&mut self.entry.key);
        self.price = Some(target.info.price).filter(|price| price.input.is_some() || price.output.is_some());
        (self.begun, self.is_live) = (Instant::now(), true);
    }

    /// The attempt under way failed.
    fn failed(&mut self, received: Instant, status: Option<u16>, code: Code, is_reused: Option<bool>) {
        self.is_live = false;
        self.entry.last = Some(self.attempt(received, Instant::now(), status, Some(code), is_reused));
    }

    /// The client was sent so much of a stream.
    pub(super) fn said(&mut self, bytes: &[u8]) {
        self.said.bytes += bytes.len() as u64;
        self.said.lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
    }

    fn attempt(&self, received: Instant, now: Instant, status: Option<u16>, code: Option<Code>, is_reused: Option<bool>) -> Attempt {
        let start_ms = millis(self.begun.saturating_duration_since(received));
        Attempt { start_ms, ms: millis(now.saturating_duration_since(self.begun)), status, code, is_reused }
    }

    /// What an answer that was begun took; the second value tells whether some of it is an estimate.
    fn usage(&self, told: Usage) -> (Usage, bool) {
        let mut usage = told;
        if usage.input.is_none() {
            usage.input = Some(self.input_estimate);
        }
        if !self.is_counted || usage.output.is_none() {
            // What is told at the start of a stream is the first token or two.
            usage.output = Some(usage.output.unwrap_or(0).max(self.said.tokens()));
        }
        (usage, !self.is_counted || told.input.is_none() || told.output.is_none())
    }
}

impl Settlement {
    /// An attempt begins.
    pub(super) fn begin(&mut self, target: &Target, key: Option<&Key>) {
        self.account.begin(target, key, [&self.provider, &self.model]);
        self.provider.clone_from(&target.provider.name);
        self.model.clone_from(&target.model);
    }

    /// The attempt under way failed, with the provider's status if it gave one.
    pub(super) fn failed(&mut self, status: Option<u16>, code: Code) {
        self.account.failed(self.received, status, code, self.is_reused);
    }

    /// The entry of an exchange that is over. Its texts are taken, not copied.
    pub(super) fn entry(&mut self, now: Instant) -> Box<Entry> {
        let account = &mut self.account;
        let has_content = self.ending == Ending::Complete || self.first_content.is_some();
        if account.is_live {
            let status = has_content.then_some(200);
            account.entry.last = Some(account.attempt(self.received, now, status, self.code, self.is_reused));
        }
        let is_sent = account.is_live && (has_content || self.ending == Ending::ClientGone);
        let (usage, is_estimated) = if is_sent { account.usage(self.usage) } else { (self.usage, false) };
        // What was refused is not paid for.
        let cost = if is_sent { account.price.and_then(|price| price.micro_usd(&usage)) } else { Some(0) };
        let since = now.saturating_duration_since(self.received);
        let time = SystemTime::now().checked_sub(since).and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Box::new(Entry {
            time_ms: millis(time.unwrap_or_default()),
            request_id: std::mem::take(&mut self.request_id),
            asked: kept(std::mem::take(&mut self.asked)),
            route: std::mem::take(&mut self.route),
            provider: std::mem::take(&mut self.provider),
            model: kept(std::mem::take(&mut self.model)),
            status: self.status,
            code: self.code,
            ending: self.ending,
            usage,
            is_estimated,
            cost,
            content_ms: self.first_content.map(millis),
            total_ms: millis(since),
            losses: (self.losses + self.lost.len()) as u64,
            ..*std::mem::take(&mut account.entry)
        })
    }
}

impl Said {
    /// Bytes of a Messages stream's event around its text.
    const FRAME: u64 = 118;
    /// Bytes of text a token has.
    const TOKEN: u64 = 4;

    /// About how many tokens it was: one an event at least. Messages events carry several; what surrounds the text of a Chat
    /// chunk differs too much to be subtracted.
    fn tokens(self) -> u64 {
        match self.client {
            Dialect::AnthropicMessages => {
                let events = self.lines / 3;
                events.max(self.bytes.saturating_sub(events * Self::FRAME) / Self::TOKEN)
            }
            Dialect::OpenAiChat => self.lines / 2,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
