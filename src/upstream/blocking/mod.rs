//! The driver of `aimux route`: no runtime, one thread that reads, and the caller's own, which waits with deadlines and for an
//! interrupt. It does what [`crate::route::Attempts`] says, as the server's driver does: no rule stands here twice.
//!
//! A request comes as the canonical one and is written for each target; the answer goes to a [`Watcher`] as events. It lacks
//! what only a server needs: keep-alives, kept connections, hedging. Start with [`Driver::drive`], then `attempt.rs`.

mod attempt;
mod decode;
mod post;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use ureq::tls::RootCerts;

use self::attempt::{Attempt, Attempted, Begun, Told};
pub(super) use self::decode::Decode;
pub use self::post::{Interrupter, Post};
use self::post::{News, Silence};
use super::account::{Account, Over};
use super::refusal::{Refusal, all_resting, bug, full, late, too_late};
use super::renew::Keeper;
use super::renewals::Renewals;
use crate::audit::Log;
use crate::chat::{ChatRequest, Event, Failure, FailureKind, Loss, Usage, lose};
use crate::config::Limits;
use crate::dialect::Dialect;
use crate::error::Code;
use crate::keys::Store;
use crate::ledger::{self, Ending, Entry, Ledger};
use crate::route::pace::Pace;
use crate::route::{Attempts, Facts, Form, Happened, Health, Plan, Step, Table, Target, Verdict};

/// An upstream may send usage after the finish signal; for so long it is waited for.
const AFTER_FINISH: Duration = Duration::from_secs(5);
/// The most output that is reserved of a limit of tokens, as [`crate::route::estimate`] has it.
const OUTPUT_RESERVED: u64 = 4096;

/// What all calls of a process share: the memory of targets, the roots of TLS, the ledger.
#[derive(Debug)]
pub struct Driver {
    roots: OnceLock<RootCerts>,
    health: Mutex<Health>,
    renewals: Renewals,
    settings: ledger::Settings,
    /// Started by the first entry: the first token does not wait for a database.
    ledger: OnceLock<Option<Ledger>>,
}

/// One request.
pub struct Call<'a> {
    /// The compiled config.
    pub table: &'a Table,
    /// The limits.
    pub limits: &'a Limits,
    /// The targets.
    pub plan: Plan,
    /// What the request is.
    pub facts: Facts,
    /// The request, which is written anew for each target.
    pub request: &'a ChatRequest<'a>,
    /// The dialect that the facts were read in.
    pub client: Dialect,
    /// Headers for a target that is an aimux; providers get none.
    pub headers: Option<&'a HeaderMap>,
    /// The request's id.
    pub request_id: String,
    /// Where an interrupt comes in.
    pub post: &'a Post,
}

/// Who is told of a call while it goes on.
pub trait Watcher {
    /// A target is asked.
    fn asks(&mut self, target: &Target);
    /// The target failed, before any content; another attempt follows, or none.
    fn failed(&mut self, target: &Target, refusal: &Refusal);
    /// An answer has begun, with these headers: from here on, events follow.
    fn begins(&mut self, target: &Target, headers: &HeaderMap);
    /// The next event; none is [`Event::Failed`].
    ///
    /// # Errors
    /// When nobody reads any more: the call ends.
    fn event(&mut self, event: Event) -> Result<(), Gone>;
}

/// Nobody reads any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// How a call ended.
#[derive(Debug)]
pub enum Ended {
    /// The whole answer was told.
    Whole,
    /// Without an answer, or in its middle.
    Failed(Box<Refusal>),
    /// By an interrupt.
    Interrupted,
    /// Because nobody reads.
    Unread,
}

/// A call that is over.
#[derive(Debug)]
pub struct Exchange {
    /// How it ended.
    pub ended: Ended,
    /// What is remembered of it: who answered, what it took and cost, the attempts.
    pub entry: Box<Entry>,
    /// What the target could not carry, and what the answer lost.
    pub losses: Vec<Loss>,
    /// The headers of the last answer.
    pub headers: HeaderMap,
}

impl Driver {
    /// With what is known of targets, and where calls are remembered.
    #[must_use]
    pub fn new(health: Health, settings: ledger::Settings) -> Self {
        let (roots, renewals, ledger) = (OnceLock::new(), Renewals::default(), OnceLock::new());
        Self { roots, health: Mutex::new(health), renewals, settings, ledger }
    }

    /// Keys that expire are refreshed and kept there.
    pub fn keep_in(&self, store: Store, audit: Log) {
        self.renewals.keep_in(Keeper { store, audit });
    }

    /// The memory of targets and keys, locked for one step.
    pub fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until what was remembered is in the file. Whether it is; nothing to remember is well.
    #[must_use]
    pub fn flush(&self, limit: Duration) -> bool {
        match self.ledger.get() {
            None => true,
            Some(None) => !self.settings.enabled,
            Some(Some(ledger)) => ledger.flush(limit),
        }
    }

    /// Tries the plan's targets until one answers, and tells its answer to the end.
    pub fn drive(&self, call: &Call<'_>, watcher: &mut dyn Watcher) -> Exchange {
        let mut trip = Trip::new(self, call);
        let ended = trip.run(watcher);
        trip.settled(ended)
    }
}

/// A call on its way.
struct Trip<'a> {
    driver: &'a Driver,
    call: &'a Call<'a>,
    attempts: Attempts,
    account: Account,
    received: Instant,
    deadline: Option<Instant>,
    target: Option<&'a Target>,
    first_content: Option<Duration>,
    usage: Usage,
    losses: Vec<Loss>,
    headers: HeaderMap,
}

impl<'a> Trip<'a> {
    fn new(driver: &'a Driver, call: &'a Call<'a>) -> Self {
        let received = Instant::now();
        // Jitter wants to differ, not to be a secret.
        let seed = RandomState::new().build_hasher().finish();
        let table = call.table;
        let attempts = Attempts::new(&call.plan, &table.retry, table.breaker.as_ref(), received, seed)
            .of_input(call.facts.input_tokens)
            .of_tokens(call.tokens())
            .in_form(Form::of(call.request.stream));
        Self {
            driver,
            call,
            attempts,
            account: Account::new(&call.facts, call.client, call.facts.input_tokens, received),
            received,
            deadline: received.checked_add(table.retry.deadline),
            target: None,
            first_content: None,
            usage: Usage::default(),
            losses: Vec::new(),
            headers: HeaderMap::new(),
        }
    }

    fn run(&mut self, watcher: &mut dyn Watcher) -> Ended {
        let mut happened = Happened::Begin;
        let mut last: Option<Refusal> = None;
        loop {
            let step = self.attempts.next(Instant::now(), &happened, &mut self.driver.health());
            happened = match step {
                Step::Send { target, key } => {
                    let Some(target) = self.call.plan.targets.get(target) else { return failed(bug()) };
                    match self.attempt(target, key, watcher) {
                        Attempted::Content(begun) => {
                            self.attempts.next(Instant::now(), &Happened::Content, &mut self.driver.health());
                            self.first_content = Some(self.received.elapsed());
                            watcher.begins(target, &begun.headers);
                            self.headers.clone_from(&begun.headers);
                            return self.relay(*begun, watcher);
                        }
                        Attempted::Interrupted => Happened::ClientGone,
                        Attempted::Unsayable(refusal) => {
                            self.account.failed(self.received, None, refusal.code, None);
                            return Ended::Failed(refusal);
                        }
                        Attempted::Refused(refusal) => {
                            let failure = &refusal.failure;
                            self.account.failed(self.received, Some(failure.status), refusal.code, None);
                            let happened = Happened::Refused {
                                status: failure.status,
                                kind: failure.kind,
                                retry_after_ms: failure.retry_after.as_ref().and_then(|after| after.ms),
                                tool_call_failed: failure.code.as_deref() == Some("tool_use_failed"),
                            };
                            watcher.failed(target, &refusal);
                            last = Some(*refusal);
                            happened
                        }
                        Attempted::Broken(refusal) => {
                            self.account.failed(self.received, None, refusal.code, None);
                            watcher.failed(target, &refusal);
                            last = Some(*refusal);
                            Happened::Broken
                        }
                    }
                }
                // Those in line of other processes are not known here: the place is looked for again.
                Step::Wait(wait) | Step::Queue(wait) => match self.call.post.pause(wait) {
                    Ok(()) => Happened::Tick,
                    Err(_) => Happened::ClientGone,
                },
                Step::Commit | Step::Await => return failed(bug()),
                Step::Fail(Verdict::ClientGone) => return Ended::Interrupted,
                // This driver tells nobody of an answer that broke off.
                Step::Fail(Verdict::LastFailure | Verdict::Broken(_)) => return failed(last.unwrap_or_else(bug)),
                Step::Fail(Verdict::AllResting(rest)) => return failed(all_resting(rest)),
                Step::Fail(Verdict::Full(rest)) => return failed(full(rest)),
                Step::Fail(Verdict::Deadline) => return failed(too_late()),
            };
        }
    }

    fn attempt(&mut self, target: &'a Target, key: usize, watcher: &mut dyn Watcher) -> Attempted {
        let former = self.target.map_or(["", ""], |target| [&target.provider.name, &target.model]);
        self.account.begin(target, target.provider.keys.get(key), former);
        self.target = Some(target);
        watcher.asks(target);
        let (call, deadline) = (self.call, self.deadline);
        let attempt = Attempt { driver: self.driver, call, post: call.post, target, deadline };
        let mut told = Told::default();
        let attempted = attempt.run(key, &mut told);
        (self.losses, self.headers) = (told.losses, told.headers);
        if let Some(room) = told.room {
            self.attempts.told(Instant::now(), &mut self.driver.health(), room);
        }
        attempted
    }

    /// Tells an answer whose content has begun.
    fn relay(&mut self, begun: Begun, watcher: &mut dyn Watcher) -> Ended {
        let Begun { mut decode, mut connection, mut events, headers: _ } = begun;
        let limits = self.call.limits;
        let dialect = self.target.map_or(self.call.client, |target| target.endpoint().dialect);
        let idle = Duration::from_secs(limits.stream_idle_s);
        let mut heard = Instant::now();
        let mut pace = Pace::new(limits.pace_bytes_per_s, limits.pace_over_s, heard);
        loop {
            let mut failure = None;
            let mut is_read = true;
            for event in events.drain(..) {
                match event {
                    Event::Failed(why) => failure = Some(why),
                    event => is_read = is_read && watcher.event(event).is_ok(),
                }
            }
            self.usage.merge(&decode.progress.usage);
            for loss in &decode.progress.losses {
                lose(&mut self.losses, loss.clone());
            }
            self.account.is_counted = decode.progress.finished;
            if let Some(failure) = failure {
                return failed(Refusal::new(failure.own_code().unwrap_or(Code::UpstreamFailed), failure));
            }
            if !is_read {
                return Ended::Unread;
            }
            let Some(open) = connection.as_ref().filter(|_| !decode.is_over) else { return Ended::Whole };
            let is_finished = decode.progress.finished;
            let idle_at = heard + if is_finished { AFTER_FINISH } else { idle };
            let over_at = self.deadline.map_or(idle_at, |deadline| deadline.min(idle_at));
            let due = pace.filter(|_| !is_finished).map_or(over_at, |pace| over_at.min(pace.due()));
            match self.call.post.next(open, due) {
                Ok(News::Chunk(chunk)) => {
                    heard = Instant::now();
                    pace.iter_mut().for_each(|pace| pace.took(chunk.len()));
                    self.account.said_in(dialect, &chunk);
                    decode.push(chunk, &mut events);
                }
                Ok(News::End) => {
                    decode.end(&mut events);
                    connection = None;
                }
                Ok(News::Head(_) | News::Broken(_)) if is_finished => {
                    decode.end(&mut events);
                    connection = None;
                }
                Ok(News::Head(_) | News::Broken(_)) => {
                    return failed(own(Code::UpstreamBroken, FailureKind::Server, "the provider's answer broke off"));
                }
                Err(Silence::Interrupted) => return Ended::Interrupted,
                Err(Silence::Late) if is_finished => {
                    decode.end(&mut events);
                    connection = None;
                }
                Err(Silence::Late) => {
                    let now = Instant::now();
                    if now >= over_at {
                        let why = if idle_at <= over_at {
                            format!("the provider was silent for {} s", limits.stream_idle_s)
                        } else {
                            "the answer took longer than retry.deadline_s".to_owned()
                        };
                        return failed(late(why));
                    }
                    if pace.as_mut().is_some_and(|pace| pace.is_too_slow(now)) {
                        let least = limits.pace_bytes_per_s;
                        return failed(late(format!("the provider's answer came slower than limits.pace_bytes_per_s, {least} a second")));
                    }
                }
            }
        }
    }

    /// What is owed when a call is over: the memory of targets is told, the ledger gets its entry.
    fn settled(mut self, ended: Ended) -> Exchange {
        let now = Instant::now();
        let health = || self.driver.health();
        if self.usage.input.is_some() && self.usage.output.is_some() {
            let tokens = self.usage.input_total().saturating_add(self.usage.output.unwrap_or(0));
            self.attempts.took(now, &mut health(), tokens);
        }
        self.attempts.finish(now, &mut health(), !matches!(ended, Ended::Failed(_)));
        let (ending, code, status) = match &ended {
            Ended::Whole => (Ending::Complete, None, 200),
            Ended::Failed(refusal) => (Ending::Failed, Some(refusal.code), refusal.failure.status),
            Ended::Interrupted | Ended::Unread => (Ending::ClientGone, None, 200),
        };
        let [provider, model] = self.target.map_or_else(Default::default, |target| [target.provider.name.clone(), target.model.clone()]);
        let entry = self.account.entry(Over {
            now,
            received: self.received,
            request_id: self.call.request_id.clone(),
            asked: self.call.facts.model.clone(),
            route: self.call.plan.route.clone(),
            provider,
            model,
            status,
            code,
            ending,
            usage: self.usage,
            first_content: self.first_content,
            losses: self.losses.len(),
            is_reused: None,
            hedge: None,
            dialect: self.call.client.name(),
        });
        if self.driver.settings.enabled {
            let ledger = self.driver.ledger.get_or_init(|| Ledger::start(&self.driver.settings));
            ledger.iter().for_each(|ledger| ledger.put(entry.clone()));
        }
        Exchange { ended, entry, losses: self.losses, headers: self.headers }
    }
}

impl Call<'_> {
    /// What the request may take of a limit of tokens; looked up only where one of its targets has such a limit.
    fn tokens(&self) -> u64 {
        let counts = |target: &Target| target.provider.limits.counts_tokens() || target.provider.key_limits.counts_tokens();
        let output = Some(self.facts.output_tokens).filter(|tokens| *tokens > 0).unwrap_or(OUTPUT_RESERVED).min(OUTPUT_RESERVED);
        if self.plan.targets.iter().any(counts) { self.facts.input_tokens.saturating_add(output) } else { 0 }
    }
}

fn failed(refusal: Refusal) -> Ended {
    Ended::Failed(Box::new(refusal))
}

fn own(code: Code, kind: FailureKind, message: &str) -> Refusal {
    Refusal::new(code, Failure::new(kind, message))
}

/// The plan of a request to a running aimux, which has the targets, the keys and the memory.
#[must_use]
pub fn to_server(provider: Arc<crate::route::Provider>, model: &str) -> Plan {
    let target = Target { provider, endpoint: 0, model: model.to_owned(), info: crate::provider::models::Known::of("", &[], "") };
    Plan::new(vec![target], "")
}
