//! The attempt machine: what to do next, told what happened. The drivers hold the sockets and the clock.
//!
//! Targets are tried in rounds: each once, in order; then, within the retry budget and the deadline, those that failed
//! through no fault of the request's, after a pause. A refused key makes way for another key of its provider at once.
//! What rests is skipped while something better is left (see `Overlook` in `standing.rs` for what counts as better).
//! Who that is, `choose.rs` says; where a second target is asked beside the first, `race.rs` does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::figures::Form;
use super::health::Health;
use super::judge::{Judgement, judge};
use super::plan::Plan;
use super::race::Race;
use super::resume;
use super::room::Room;
use super::step::{Cut, Happened, Stay, Step, Verdict};
use super::table::{Breaker, Continue, OnContext, Provider, Retry};
use super::window::Reserved;
use crate::chat::FailureKind;
use crate::random::Random;

/// The state of one request's attempts.
#[derive(Debug)]
pub struct Attempts {
    /// Attempts made so far.
    pub made: u32,
    /// What the request takes of a provider's tokens per minute, by estimate.
    pub(super) tokens: u64,
    /// What is done where a target finds the prompt too long, and its tokens, estimated.
    on_context: OnContext,
    input: u64,
    pub(super) form: Form,
    pub(super) slots: Vec<Slot>,
    pub(super) retry: Retry,
    breaker: Option<Breaker>,
    pub(super) deadline: Option<Instant>,
    pub(super) round: u32,
    pub(super) waited: Duration,
    /// Since when it has stood in line for a place, or stood there once.
    pub(super) queued: Option<Instant>,
    pub(super) ticket: Option<u64>,
    pub(super) live: Option<Live>,
    /// Of a route that asks a second target beside the first.
    pub(super) race: Option<Box<Race>>,
    pub(super) ended: Option<Step>,
    pub(super) last_was_limit: bool,
    continues: Continue,
    /// How often an answer that broke off was gone on with.
    pub continued: u32,
    /// Open breakers overlooked so far.
    pub(super) forced: u32,
    pub(super) random: Random,
}

/// A target and how it went so far.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) provider: Arc<Provider>,
    pub(super) model: String,
    /// Attempts that count: a refused key whose sister goes next does not.
    pub(super) tries: u32,
    keys_refused: usize,
    /// The keys that it was asked with, one bit each; those beyond share the last.
    pub(super) keys_asked: u64,
    /// The name of the key that goes first if it can; empty: none does.
    pub(super) prefers: String,
    /// Tokens that the model takes.
    window: Option<u64>,
    /// Not to be tried again by this request.
    pub(super) is_out: bool,
    /// The upstream's own wish.
    pub(super) not_before: Option<Instant>,
}

/// The attempt under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Live {
    pub(super) slot: usize,
    pub(super) key: usize,
    pub(super) since: Instant,
    pub(super) has_content: bool,
    /// It was sent beside another.
    pub(super) is_hedge: bool,
    pub(super) is_probe: bool,
    pub(super) reserved: Option<Reserved>,
}

/// Attempts of one request in all, whatever the numbers of targets and keys.
pub(super) const ATTEMPTS_MAX: u32 = 32;
impl Attempts {
    /// A machine for a plan. `seed` drives the jitter.
    #[must_use]
    pub fn new(plan: &Plan, retry: &Retry, breaker: Option<&Breaker>, now: Instant, seed: u64) -> Self {
        let slots = plan.targets.iter().map(|target| Slot {
            provider: Arc::clone(&target.provider),
            model: target.model.clone(),
            tries: 0,
            keys_refused: 0,
            keys_asked: 0,
            prefers: String::new(),
            window: target.info.context,
            is_out: false,
            not_before: None,
        });
        Self {
            made: 0,
            tokens: 0,
            on_context: plan.on_context,
            input: 0,
            form: Form::default(),
            slots: slots.collect(),
            retry: retry.clone(),
            breaker: breaker.cloned(),
            deadline: now.checked_add(retry.deadline),
            round: 0,
            waited: Duration::ZERO,
            queued: None,
            ticket: None,
            live: None,
            race: None,
            ended: None,
            last_was_limit: false,
            continues: plan.continues,
            continued: 0,
            forced: 0,
            random: Random::new(seed),
        }
    }

    /// Attempts made so far.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.made
    }

    /// The same for a request of about so many tokens, input and output.
    #[must_use]
    pub fn of_tokens(self, tokens: u64) -> Self {
        Self { tokens, ..self }
    }

    /// The same for an answer that comes in this form.
    #[must_use]
    pub fn in_form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// The same for a prompt of which so many tokens are estimated.
    #[must_use]
    pub fn of_input(self, input: u64) -> Self {
        Self { input, ..self }
    }

    /// The same with a key, by its name, that the first target is asked with if it can be.
    #[must_use]
    pub fn preferring(mut self, key: &str) -> Self {
        if let Some(first) = self.slots.first_mut() {
            key.clone_into(&mut first.prefers);
        }
        self
    }

    /// What to do next. After [`Step::Fail`] the answer stays the same, and after [`Step::Commit`] to all but
    /// [`Happened::Cut`].
    pub fn next(&mut self, now: Instant, happened: &Happened, health: &mut Health) -> Step {
        match (&self.ended, happened) {
            (Some(Step::Commit), Happened::Cut(cut)) => return self.cut(now, cut, health),
            (Some(ended), _) => return ended.clone(),
            (None, _) => {}
        }
        let step = match happened {
            Happened::Begin => {
                health.budget.request(now, &self.retry);
                self.choose(now, health)
            }
            Happened::Tick => self.choose(now, health),
            Happened::ClientGone => {
                self.release_rival(now, health);
                self.release(now, health);
                Step::Fail(Verdict::ClientGone)
            }
            Happened::Content => {
                self.revived(now, health);
                self.release_rival(now, health);
                Step::Commit
            }
            // Nothing had been said, as far as this machine knows.
            Happened::Broken | Happened::Cut(_) => {
                self.judged(now, Judgement::Failed, None, health);
                if self.goes_on() { Step::Await } else { self.choose(now, health) }
            }
            Happened::Refused { status, kind, retry_after_ms, tool_call_failed } => {
                let judgement = self.judgement(*status, *kind, *tool_call_failed);
                // What is wrong with the request only the first one says: the other was not called for.
                let is_final = judgement == Judgement::Client && !self.live.is_some_and(|live| live.is_hedge && self.is_raced());
                self.judged(now, judgement, retry_after_ms.map(Duration::from_millis), health);
                if is_final {
                    self.release_rival(now, health);
                    Step::Fail(Verdict::LastFailure)
                } else if self.goes_on() {
                    Step::Await
                } else if judgement == Judgement::TooLong && self.slots.iter().all(|slot| slot.is_out) {
                    Step::Fail(Verdict::LastFailure)
                } else {
                    self.choose(now, health)
                }
            }
        };
        if matches!(step, Step::Commit | Step::Fail(_)) {
            self.leave_lines(health);
            self.ended = Some(step.clone());
        }
        step
    }

    /// The answer broke off: another target goes on, or it is over. Who goes on is chosen as before the first content; what
    /// was said so far makes it a repeat, whoever it is.
    fn cut(&mut self, now: Instant, cut: &Cut, health: &mut Health) -> Step {
        let stay = resume::refusal(self.continues, cut, self.continued, self.retry.continuations);
        let stay = stay.or_else(|| (!health.budget.take(now, &self.retry)).then_some(Stay::Budget));
        if let Some(stay) = stay {
            return Step::Fail(Verdict::Broken(stay));
        }
        self.continued += 1;
        self.ended = None;
        // What it said is not given back.
        if let Some(live) = &mut self.live {
            live.reserved = None;
        }
        self.judged(now, judge(cut.status, cut.kind), None, health);
        let step = self.choose(now, health);
        if let Step::Fail(_) = step {
            self.leave_lines(health);
            self.ended = Some(step.clone());
        }
        step
    }

    /// Whether this ends the request: it is at fault itself, and nobody else will take it.
    #[must_use]
    pub fn is_final(&self, happened: &Happened) -> bool {
        match happened {
            Happened::Refused { status, kind, tool_call_failed, .. } => {
                self.judgement(*status, *kind, *tool_call_failed) == Judgement::Client
            }
            _ => false,
        }
    }

    /// What a refusal means for this request.
    fn judgement(&self, status: u16, kind: FailureKind, tool_call_failed: bool) -> Judgement {
        let is_too_long = kind == FailureKind::ContextLength && self.on_context == OnContext::Larger;
        match (tool_call_failed, is_too_long) {
            (true, _) => Judgement::Unlucky,
            (_, true) => Judgement::TooLong,
            _ => judge(status, kind),
        }
    }

    /// The tokens that the answer reports, input and output. Without a report the estimate stands.
    pub fn took(&mut self, now: Instant, health: &mut Health, tokens: u64) {
        if let Some(live) = &mut self.live
            && let Some(slot) = self.slots.get(live.slot)
        {
            health.took(&slot.provider, live.key, live.reserved.take(), tokens, now);
        }
    }

    /// What the headers of the attempt under way say of the room that is left.
    pub fn told(&mut self, now: Instant, health: &mut Health, room: Room) {
        if let Some(live) = self.live
            && let Some(slot) = self.slots.get(live.slot)
        {
            health.told(&slot.provider.name, live.key, room, now);
        }
    }

    /// The answer's body has ended, or the driver lets go of the request. `ok`: with its terminal, or because the client
    /// left. To be called once, whatever happened; without a commit it only gives the place back.
    pub fn finish(&mut self, now: Instant, health: &mut Health, ok: bool) {
        self.leave_lines(health);
        self.release_rival(now, health);
        if self.ended != Some(Step::Commit) {
            self.release(now, health);
            return;
        }
        let Some((live, provider, model)) = self.take_live() else { return };
        self.ended(live, &provider, &model, now, health);
        if ok {
            health.succeeded(&provider.name, live.key, &model);
        } else {
            health.failed(&provider.name, &model, now, self.breaker.as_ref(), false);
        }
    }

    /// Gives the place of the attempt under way back, without a verdict on its target.
    pub(super) fn release(&mut self, now: Instant, health: &mut Health) {
        let Some((live, provider, model)) = self.take_live() else { return };
        self.ended(live, &provider, &model, now, health);
        if live.is_probe {
            health.probe_released(&provider.name, &model);
        }
    }

    /// An attempt is no longer in flight.
    fn ended(&self, live: Live, provider: &Provider, model: &str, now: Instant, health: &mut Health) {
        let waited = (!live.has_content).then_some(live.since);
        health.ended(&provider.name, live.key, model, (self.form, waited), now);
    }

    fn revived(&mut self, now: Instant, health: &mut Health) {
        let Some(live) = &mut self.live else { return };
        live.has_content = true;
        if let Some(slot) = self.slots.get(live.slot) {
            health.content(&slot.provider.name, &slot.model, self.form, live.since, now);
            health.revived(&slot.provider.name, &slot.model, now, self.breaker.as_ref());
        }
    }

    fn take_live(&mut self) -> Option<(Live, Arc<Provider>, String)> {
        let live = self.live.take()?;
        let slot = self.slots.get(live.slot)?;
        Some((live, Arc::clone(&slot.provider), slot.model.clone()))
    }

    /// Settles the attempt under way.
    fn judged(&mut self, now: Instant, judgement: Judgement, retry_after: Option<Duration>, health: &mut Health) {
        let Some((live, provider, model)) = self.take_live() else { return };
        let (name, key) = (provider.name.as_str(), live.key);
        self.ended(live, &provider, &model, now, health);
        // Who gave no answer has counted nothing, as a rule.
        health.took(&provider, key, live.reserved, 0, now);
        self.last_was_limit = judgement == Judgement::KeyLimited;
        match judgement {
            Judgement::KeyRefused => health.key_refused(name, key, &model, now, self.retry.key_rest),
            Judgement::KeyLimited => health.key_limited(name, key, &model, now, retry_after),
            Judgement::Failed => health.failed(name, &model, now, self.breaker.as_ref(), live.is_probe),
            Judgement::Client | Judgement::Elsewhere | Judgement::TooLong | Judgement::Unlucky => {}
        }
        if live.is_probe && judgement != Judgement::Failed {
            health.probe_released(name, &model);
        }
        let Some(slot) = self.slots.get_mut(live.slot) else { return };
        if live.is_hedge && judgement == Judgement::Client {
            slot.is_out = true;
        }
        match judgement {
            Judgement::KeyRefused | Judgement::KeyLimited => {
                slot.keys_refused += 1;
                if slot.keys_refused < provider.keys.len() {
                    slot.tries = slot.tries.saturating_sub(1);
                } else if judgement == Judgement::KeyRefused {
                    slot.is_out = true;
                }
            }
            Judgement::Elsewhere => slot.is_out = true,
            Judgement::TooLong => {
                let least = slot.window.unwrap_or(self.input);
                slot.is_out = true;
                for other in self.slots.iter_mut().filter(|other| other.window.is_none_or(|window| window <= least)) {
                    other.is_out = true;
                }
            }
            Judgement::Failed => slot.not_before = retry_after.and_then(|wait| now.checked_add(wait)),
            Judgement::Client | Judgement::Unlucky => {}
        }
    }
}
