//! Two attempts at a time: where the first brings no content in time, a second target is asked beside it, and whose content comes
//! first answers. The other one's connection is dropped, which cancels it.
//!
//! Whether and when is decided by [`crate::route::Attempts`]. Start with [`Job::race`].

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use super::attempt::{Attempted, Told};
use super::job::Job;
use super::refusal::{Refusal, too_late};
use super::settle::Settlement;
use crate::chat::FailureKind;
use crate::route::table::{Key, Provider};
use crate::route::{Happened, Step, Target};

/// An attempt to be made: the target, and which of its keys.
#[derive(Clone, Copy)]
pub(super) struct Runner<'a> {
    pub(super) target: &'a Target,
    pub(super) key_index: usize,
}

impl<'a> Runner<'a> {
    /// The key; `None`: the provider needs none.
    pub(super) fn key(&self) -> Option<&'a Key> {
        self.target.provider.keys.get(self.key_index)
    }
}

/// An attempt that is over, or whose content has begun.
pub(super) struct Finished<'a> {
    pub(super) runner: Runner<'a>,
    pub(super) attempted: Attempted,
    /// The provider as it was asked.
    pub(super) asked: Arc<Provider>,
    pub(super) told: Told,
}

type Running<'a> = Pin<Box<dyn Future<Output = Finished<'a>> + Send + 'a>>;

impl Job {
    /// An attempt at one of the plan's targets.
    pub(super) fn runner(&self, target: usize, key_index: usize) -> Option<Runner<'_>> {
        Some(Runner { target: self.plan.targets.get(target)?, key_index })
    }

    /// Makes an attempt, within the request's deadline.
    pub(super) async fn run(&self, runner: Runner<'_>, told: &mut Told) -> (Attempted, Arc<Provider>) {
        let attempt = self.attempt_with(runner.target, runner.key_index, told);
        let late = |_| (Attempted::Broken(too_late()), Arc::clone(&runner.target.provider));
        match self.patience().until {
            Some(until) => tokio::time::timeout_at(until, attempt).await.unwrap_or_else(late),
            None => attempt.await,
        }
    }

    fn running<'a>(&'a self, runner: Runner<'a>, is_apart: bool) -> Running<'a> {
        Box::pin(async move {
            let mut told = Told { is_apart, ..Told::default() };
            let (attempted, asked) = self.run(runner, &mut told).await;
            Finished { runner, attempted, asked, told }
        })
    }

    /// Makes an attempt, and at the given time a second one beside it. Gives the one that counts: the first whose content
    /// comes, or the last that failed; the machine and the settlement are turned to it.
    pub(super) async fn race<'a>(&'a self, first: Runner<'a>, at: Instant, settlement: &mut Settlement) -> Finished<'a> {
        let mut one = self.running(first, false);
        tokio::select! {
            biased;
            finished = &mut one => return finished,
            () = tokio::time::sleep_until(at.into()) => {}
        }
        let second = settlement.attempts.hedge(Instant::now(), &mut self.upstreams.health());
        let Some(second) = second.and_then(|(target, key)| self.runner(target, key)) else { return one.await };
        tracing::info!(request_id = %self.request_id, provider = %second.target.provider.name, model = %second.target.model,
            late = %first.target.provider.name, "a second target is asked");
        settlement.beside(second.target, second.key());
        let mut two = self.running(second, true);
        let (finished, other, is_second) = tokio::select! {
            biased;
            finished = &mut one => (finished, two, false),
            finished = &mut two => (finished, one, true),
        };
        match happened(&finished.attempted) {
            // The content has come; or the request is at fault, which nobody else will mend.
            None => {
                drop(other);
                if is_second {
                    settlement.attempts.turn();
                    settlement.turn();
                }
                settlement.left();
                finished
            }
            Some(happened) if !is_second && settlement.attempts.is_final(&happened) => {
                drop(other);
                settlement.left();
                finished
            }
            Some(happened) => {
                self.fell_out(&finished, is_second, &happened, settlement);
                other.await
            }
        }
    }

    /// One of two has failed: the machine hears it, and goes on with the other.
    fn fell_out(&self, failed: &Finished<'_>, is_second: bool, happened: &Happened, settlement: &mut Settlement) {
        if is_second {
            settlement.attempts.turn();
        } else {
            settlement.turn();
            // What it held back is void; the other one holds back its own.
            self.preamble.forget_unsent();
        }
        let now = Instant::now();
        {
            let mut health = self.upstreams.health();
            if let Some(room) = failed.told.room {
                settlement.attempts.told(now, &mut health, room);
            }
            let step = settlement.attempts.next(now, happened, &mut health);
            debug_assert_eq!(step, Step::Await, "the other one is under way");
        }
        self.upstreams.call_line();
        if let Attempted::Refused(refusal) | Attempted::Broken(refusal) | Attempted::Unsayable(refusal) = &failed.attempted {
            let status = matches!(failed.attempted, Attempted::Refused(_)).then_some(refusal.failure.status);
            tracing::warn!(request_id = %self.request_id, provider = %failed.runner.target.provider.name, model = %failed.runner.target.model,
                status, reason = %refusal.failure.message, "one of two targets failed");
            settlement.fell_out(status, refusal.code, failed.told.is_reused);
        }
    }
}

/// What is reported of an attempt that failed; `None`: it brought content.
pub(super) fn happened(attempted: &Attempted) -> Option<Happened> {
    match attempted {
        Attempted::Content(_) | Attempted::Whole { .. } => None,
        Attempted::Refused(refusal) => Some(refused(refusal)),
        Attempted::Broken(_) => Some(Happened::Broken),
        // What this target cannot be told, another one may be.
        Attempted::Unsayable(_) => {
            let (kind, retry_after_ms, tool_call_failed) = (FailureKind::InvalidRequest, None, false);
            Some(Happened::Refused { status: 400, kind, retry_after_ms, tool_call_failed })
        }
    }
}

/// What is reported of a refusal.
pub(super) fn refused(refusal: &Refusal) -> Happened {
    Happened::Refused {
        status: refusal.failure.status,
        kind: refusal.failure.kind,
        retry_after_ms: refusal.failure.retry_after.as_ref().and_then(|after| after.ms),
        tool_call_failed: refusal.failure.code.as_deref() == Some("tool_use_failed"),
    }
}
