//! What the ledger is told of an exchange: its attempts, what it took and what that costs, estimated where the provider had
//! no time to say.
//!
//! It lacks the writing, which is the ledger's. Start with `Account::entry`.

use std::borrow::Cow;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::job::Job;
use crate::chat::Usage;
use crate::dialect::Dialect;
use crate::error::Code;
use crate::ledger::{Attempt, Cancelled, Earlier, Ending, Entry, Hedged, kept};
use crate::provider::models::Price;
use crate::route::facts::{Facts, Role};
use crate::route::sticky::Why;
use crate::route::{Key, Target};
use crate::telemetry::{Asked, Counts, Exchange};

/// What is known so far. A stream keeps it to its end, so it holds no more than that takes.
#[derive(Debug)]
pub(super) struct Account {
    program: Option<Cow<'static, str>>,
    role: Role,
    session: Option<String>,
    agent: Option<String>,
    project: Option<String>,
    stream: bool,
    /// The name of the key of the last attempt.
    key: String,
    earlier: Vec<Earlier>,
    /// The last attempt, once it has failed.
    failed: Option<Box<Attempt>>,
    /// What it took and what that cost, where its answer broke off and another goes on. Rare, and boxed.
    broken: Option<Box<(Usage, Option<u64>)>>,
    /// Some of what the earlier ones took is an estimate.
    is_estimated: bool,
    /// What the target's tokens cost; `None`: unknown.
    price: Option<Price>,
    input_estimate: u64,
    begun: Instant,
    /// An attempt is under way, or its answer is.
    is_live: bool,
    /// The other one, where two are.
    beside: Option<Box<Beside>>,
    said: Said,
    /// The provider has said all that it says of usage.
    pub(super) is_counted: bool,
}

/// An attempt under way beside the one that the settlement names.
#[derive(Debug)]
struct Beside {
    provider: String,
    model: String,
    key: String,
    price: Option<Price>,
    begun: Instant,
    /// It was asked second.
    is_second: bool,
}

/// How much of a stream the client was sent.
#[derive(Debug, Clone, Copy)]
struct Said {
    client: Dialect,
    bytes: u64,
    lines: u64,
}

/// The most failed attempts in the header.
const FAILED_SHOWN: usize = 8;

impl Account {
    pub(super) fn of(job: &Job) -> Self {
        Self::new(&job.record.facts, job.client, job.input_estimate, job.received)
    }

    /// Of a request with these facts, whose client speaks `client`.
    pub(super) fn new(facts: &Facts, client: Dialect, input_estimate: u64, received: Instant) -> Self {
        Self {
            program: facts.client.clone(),
            role: facts.role,
            session: facts.session.clone(),
            agent: facts.agent.clone(),
            project: facts.project.clone(),
            stream: facts.stream,
            key: String::new(),
            earlier: Vec::new(),
            failed: None,
            broken: None,
            is_estimated: false,
            price: None,
            input_estimate,
            begun: received,
            is_live: false,
            beside: None,
            said: Said { client, bytes: 0, lines: 0 },
            is_counted: false,
        }
    }

    /// An attempt begins. `former`: provider and model of the one before.
    pub(super) fn begin(&mut self, target: &Target, key: Option<&Key>, former: [&str; 2]) {
        if let Some(went) = self.failed.take() {
            let [provider, model] = former.map(str::to_owned);
            let (took, cost) = self.broken.take().map_or((Usage::default(), Some(0)), |broken| *broken);
            self.earlier.push(Earlier { provider, model, key: std::mem::take(&mut self.key), went: *went, took, cost, cancelled: None });
        }
        key.map_or("", |key| &key.name).clone_into(&mut self.key);
        self.price = price(target);
        (self.begun, self.is_live) = (Instant::now(), true);
    }

    /// Provider and model of the attempts before the one under way, or beside it, and why they do not answer.
    pub(super) fn asked_in_vain(&self) -> Vec<([&str; 2], Why)> {
        let why = |one: &Earlier| if one.cancelled.is_some() { Why::Hedged } else { Why::Failed };
        self.earlier.iter().map(|one| ([one.provider.as_str(), one.model.as_str()], why(one))).collect()
    }

    /// What the tokens of the target cost.
    pub(super) fn price(&self) -> Option<Price> {
        self.price
    }

    /// The attempt under way failed.
    pub(super) fn failed(&mut self, received: Instant, status: Option<u16>, code: Code, is_reused: Option<bool>) {
        self.is_live = false;
        self.failed = Some(Box::new(self.attempt(received, Instant::now(), status, Some(code), is_reused)));
    }

    /// The attempts before this one that failed, as a header tells them: `provider/model;status;code`, a status of 0 for no answer.
    pub(super) fn failed_before(&self) -> String {
        let failed = self.earlier.iter().filter(|one| one.cancelled.is_none());
        let each = failed.take(FAILED_SHOWN).map(|Earlier { provider, model, went, .. }| {
            let code = went.code.map_or_else(String::new, |code| code.to_string());
            format!("{provider}/{model};{};{code}", went.status.unwrap_or(0))
        });
        each.collect::<Vec<_>>().join(", ")
    }

    /// The client was sent so much of a stream.
    pub(super) fn said(&mut self, bytes: &[u8]) {
        self.said.bytes += bytes.len() as u64;
        self.said.lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
    }

    /// So much of a stream was read that is in the target's own dialect.
    pub(super) fn said_in(&mut self, dialect: Dialect, bytes: &[u8]) {
        self.said.client = dialect;
        self.said(bytes);
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

/// What a target's tokens cost; `None`: unknown.
fn price(target: &Target) -> Option<Price> {
    Some(target.info.price).filter(|price| price.input.is_some() || price.output.is_some())
}

/// Two attempts at a time.
impl Account {
    /// A second attempt begins beside the one under way.
    pub(super) fn beside(&mut self, target: &Target, key: Option<&Key>) {
        self.beside = Some(Box::new(Beside {
            provider: target.provider.name.clone(),
            model: target.model.clone(),
            key: key.map(|key| key.name.clone()).unwrap_or_default(),
            price: price(target),
            begun: Instant::now(),
            is_second: true,
        }));
    }

    /// Turns to the other one, whose provider and model are exchanged for `of`. Gives how it goes with the second; `None`: there
    /// is no other.
    pub(super) fn turn(&mut self, of: [&mut String; 2]) -> Option<Hedged> {
        let beside = self.beside.as_mut()?;
        let [provider, model] = of;
        std::mem::swap(&mut beside.provider, provider);
        std::mem::swap(&mut beside.model, model);
        std::mem::swap(&mut beside.key, &mut self.key);
        std::mem::swap(&mut beside.price, &mut self.price);
        std::mem::swap(&mut beside.begun, &mut self.begun);
        beside.is_second = !beside.is_second;
        Some(if beside.is_second { Hedged::Lost } else { Hedged::Won })
    }

    /// The other one is cancelled. Its input counts as used: it was sent, and nobody says what of it was read.
    pub(super) fn left(&mut self, received: Instant) {
        let input = Usage { input: Some(self.input_estimate), ..Usage::default() };
        let Some(beside) = self.beside.take() else { return };
        let cost = beside.price.and_then(|price| price.micro_usd(&input));
        self.push(*beside, received, (None, None, None), Some(Cancelled { cost }));
    }

    /// The other one has failed, with the provider's status if it gave one. Gives whether it was the second.
    pub(super) fn fell_out(&mut self, received: Instant, status: Option<u16>, code: Code, is_reused: Option<bool>) -> bool {
        let Some(beside) = self.beside.take() else { return false };
        let is_second = beside.is_second;
        self.push(*beside, received, (status, Some(code), is_reused), None);
        is_second
    }

    fn push(
        &mut self,
        beside: Beside,
        received: Instant,
        (status, code, is_reused): (Option<u16>, Option<Code>, Option<bool>),
        cancelled: Option<Cancelled>,
    ) {
        let Beside { provider, model, key, begun, .. } = beside;
        let start_ms = millis(begun.saturating_duration_since(received));
        let went = Attempt { start_ms, ms: millis(begun.elapsed()), status, code, is_reused };
        let (took, cost) = (Usage::default(), Some(0));
        self.earlier.push(Earlier { provider, model: kept(model), key, went, took, cost, cancelled });
    }
}

impl Account {
    /// The answer under way broke off after about so many tokens, having told `usage`, and another goes on with it. Gives what it
    /// took, as told or estimated.
    pub(super) fn broken(&mut self, received: Instant, code: Code, usage: Usage, tokens: u64, is_reused: Option<bool>) -> Usage {
        // How much was said is known better here than by the bytes that the client was sent.
        self.is_counted = true;
        let told = usage.output.unwrap_or(0).max(tokens);
        let (took, _) = self.usage(Usage { output: Some(told), ..usage });
        let cost = self.price.and_then(|price| price.micro_usd(&took));
        self.failed(received, Some(200), code, is_reused);
        self.broken = Some(Box::new((took, cost)));
        self.is_estimated = true;
        (self.is_counted, self.said.bytes, self.said.lines) = (false, 0, 0);
        took
    }
}

/// What an account does not know of an exchange that is over.
#[derive(Debug)]
pub(super) struct Over {
    pub(super) now: Instant,
    pub(super) received: Instant,
    pub(super) request_id: String,
    pub(super) asked: String,
    pub(super) route: String,
    pub(super) provider: String,
    pub(super) model: String,
    pub(super) status: u16,
    pub(super) code: Option<Code>,
    pub(super) ending: Ending,
    pub(super) usage: Usage,
    pub(super) first_content: Option<Duration>,
    pub(super) losses: usize,
    pub(super) is_reused: Option<bool>,
    pub(super) hedge: Option<Hedged>,
    pub(super) dialect: &'static str,
}

impl Account {
    /// What all of the answer took, that of those who broke off included, and what it cost.
    pub(super) fn whole(&self, usage: Usage, cost: Option<u64>) -> (Usage, Option<u64>) {
        let last = self.broken.iter().map(|broken| (&broken.0, broken.1));
        let parts = self.earlier.iter().map(|earlier| (&earlier.took, earlier.cost)).chain(last);
        parts.fold((usage, cost), |(usage, cost), (took, part)| (plus(&usage, took), cost.zip(part).map(|(one, other)| one + other)))
    }

    /// The entry of an exchange that is over.
    pub(super) fn entry(&mut self, over: Over) -> Box<Entry> {
        let Over { now, received, request_id, asked, route, provider, model, status, code, ending, usage, .. } = over;
        let has_content = ending == Ending::Complete || over.first_content.is_some();
        let last = if self.is_live {
            Some(self.attempt(received, now, has_content.then_some(200), code, over.is_reused))
        } else {
            self.failed.take().map(|failed| *failed)
        };
        let is_sent = self.is_live && (has_content || ending == Ending::ClientGone);
        let (usage, is_estimated) = if is_sent { self.usage(usage) } else { (usage, false) };
        // What was refused is not paid for.
        let cost = if is_sent { self.price.and_then(|price| price.micro_usd(&usage)) } else { Some(0) };
        let (usage, cost) = self.whole(usage, cost);
        let is_estimated = is_estimated || self.is_estimated;
        let since = now.saturating_duration_since(received);
        let time = SystemTime::now().checked_sub(since).and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Box::new(Entry {
            time_ms: millis(time.unwrap_or_default()),
            request_id,
            asked: kept(asked),
            route,
            provider,
            model: kept(model),
            status,
            code,
            ending,
            usage,
            is_estimated,
            cost,
            hedge: over.hedge,
            content_ms: over.first_content.map(millis),
            total_ms: millis(since),
            losses: over.losses as u64,
            dialect: over.dialect,
            program: self.program.take().map(Cow::into_owned).unwrap_or_default(),
            role: self.role.name(),
            session: self.session.take().unwrap_or_default(),
            agent: self.agent.take().unwrap_or_default(),
            project: self.project.take().unwrap_or_default(),
            stream: self.stream,
            key: std::mem::take(&mut self.key),
            earlier: std::mem::take(&mut self.earlier),
            last,
            cache_break: None,
        })
    }
}

/// Two sums of tokens in one.
fn plus(one: &Usage, other: &Usage) -> Usage {
    let add = |one: Option<u64>, other: Option<u64>| match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    };
    Usage {
        input: add(one.input, other.input),
        cache_read: add(one.cache_read, other.cache_read),
        cache_write: add(one.cache_write, other.cache_write),
        cache_write_1h: add(one.cache_write_1h, other.cache_write_1h),
        output: add(one.output, other.output),
        reasoning: add(one.reasoning, other.reasoning),
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

/// Counts an exchange that has ended.
pub(super) fn count(counts: &Counts, entry: &Entry) {
    let target = [entry.provider.as_str(), entry.model.as_str()];
    let (usage, cost) = entry.own();
    // What broke off is counted where it was said.
    for earlier in entry.earlier.iter().filter(|earlier| earlier.took != Usage::default()) {
        counts.broken([&earlier.provider, &earlier.model], &earlier.took, earlier.cost);
    }
    counts.settle(&Exchange {
        target: entry.last.map(|_| target),
        route: &entry.route,
        status: entry.status,
        ending: entry.ending.name(),
        code: entry.code,
        usage: &usage,
        is_answered: entry.last.is_some_and(|last| last.status == Some(200)),
        is_estimated: entry.is_estimated,
        cost,
        hedge: entry.hedge.map(Hedged::name),
        content_ms: entry.content_ms,
        total_ms: entry.total_ms,
        losses: entry.losses,
        cache_break: entry.cache_break.as_ref().map(|broken| (broken.cause, broken.tokens, broken.cost)),
    });
    let earlier = entry.earlier.iter().map(|one| Asked {
        target: [&one.provider, &one.model],
        status: one.went.status,
        cancelled: one.cancelled.map(|one| one.cost),
    });
    counts.asked(earlier.chain(entry.last.map(|last| Asked { target, status: last.status, cancelled: None })));
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
