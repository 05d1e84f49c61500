//! Keys that expire: refreshed ahead of time, by one call for all requests that wait, and used only once they are on the disk.
//!
//! A key that is good is used as it is, without a lock or a wait. One that will expire soon is refreshed beside the requests;
//! one that has expired, or that the provider refuses, is waited for. What cannot be refreshed rests, with the reason. The
//! call itself blocks, on a thread that may (`tokens.rs`). Start with [`Renewals::usable`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;

use super::refusal::Refusal;
use super::renew::{Keeper, Live, Unkept, Unrenewed, now};
use crate::chat::{Failure, FailureKind, RetryAfter};
use crate::error::{Code, Error};
use crate::keys::oauth::OAuth;
use crate::route::table::{Key, Token};
use crate::secret::Secret;

/// How long nothing is tried after a failure that may pass.
const PAUSE: Duration = Duration::from_secs(15);
/// The youngest key that is refreshed because a provider refuses it: one that is fresh is refused for another reason.
const REFUSED_AGE_S: u64 = 30;

/// Where refreshed keys are kept, and what came of refreshing so far.
#[derive(Debug, Default)]
pub(crate) struct Renewals {
    keeper: OnceLock<Keeper>,
    /// By the name of the key's file.
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

/// One key's memory.
#[derive(Debug, Default)]
struct Slot {
    /// Held by who refreshes.
    flight: Arc<tokio::sync::Mutex<()>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What the file has now, where that is newer than what the config was read with.
    live: Option<Live>,
    /// Why nothing is tried, and until when; `None`: until somebody logs in again.
    failed: Option<(Unrenewed, Option<Instant>)>,
    /// What was fetched and could not be written: the file's refresh token may be spent already.
    unkept: Option<Unkept>,
}

impl Live {
    fn of(key: &Key, token: &Token) -> Self {
        Self { secret: key.secret.clone(), fetched: token.fetched, expires: token.expires }
    }

    /// Whether it is old enough for a refusal to mean that it is spent.
    fn may_be_spent(&self) -> bool {
        self.fetched.saturating_add(REFUSED_AGE_S) <= now()
    }
}

impl Renewals {
    /// Keeps refreshed keys there, from now on; once.
    pub(crate) fn keep_in(&self, keeper: Keeper) {
        // A second server in one process would be another one with the same files.
        let _ = self.keeper.set(keeper);
    }

    /// Forgets what was refreshed: the config was read anew, and the files with it.
    pub(crate) fn forget(&self) {
        let slots: Vec<Arc<Slot>> = self.slots().values().map(Arc::clone).collect();
        for slot in slots {
            let mut state = slot.state();
            (state.live, state.failed) = (None, None);
        }
    }

    /// The key as it is to be sent: refreshed where it has expired.
    pub(super) async fn usable(self: &Arc<Self>, key: &Key, token: &Token) -> Result<Live, Unrenewed> {
        let (slot, now) = (self.slot(&key.name), now());
        let live = slot.latest(key, token);
        if live.is_over(now) {
            return self.renewed(key, token, &live).await;
        }
        if live.is_due(now) && slot.state().may_try() {
            self.begin(key, token, &live);
        }
        Ok(live)
    }

    /// Has the key of that name refreshed if it is due, for a command that is about to use it. A failure counts only where
    /// the key is no good any more.
    ///
    /// # Errors
    /// When it has expired and cannot be refreshed.
    pub(crate) async fn freshen(self: &Arc<Self>, key: &Key) -> Result<(), Error> {
        let Some(token) = &key.token else { return Ok(()) };
        let live = self.slot(&key.name).latest(key, token);
        if !live.is_due(now()) {
            return Ok(());
        }
        match self.renewed(key, token, &live).await {
            Err(unrenewed) if live.is_over(now()) => Err(unrenewed.error(&key.name)),
            _ => Ok(()),
        }
    }

    /// Refreshes ahead of time, without waiting for it.
    pub(crate) fn ahead(self: &Arc<Self>, key: &Key) {
        let Some(token) = &key.token else { return };
        let slot = self.slot(&key.name);
        let live = slot.latest(key, token);
        if live.is_due(now()) && slot.state().may_try() {
            self.begin(key, token, &live);
        }
    }

    /// The next key after `spent`, which is not to be used any more. Whoever asks at a time gets the same.
    pub(super) async fn renewed(self: &Arc<Self>, key: &Key, token: &Token, spent: &Live) -> Result<Live, Unrenewed> {
        let refreshed = self.begin(key, token, spent).await;
        refreshed.unwrap_or_else(|_| Err(Unrenewed { message: "refreshing it ended unexpectedly".to_owned(), is_final: false }))
    }

    /// [`Renewals::usable`] for a command that asks once and may wait. Blocks.
    pub(super) fn usable_blocking(&self, key: &Key, token: &Token) -> Result<Live, Unrenewed> {
        let slot = self.slot(&key.name);
        let live = slot.latest(key, token);
        if live.is_over(now()) { self.renewed_blocking(key, token, &live) } else { Ok(live) }
    }

    /// [`Renewals::after_refusal`] for the same. Blocks.
    pub(super) fn after_refusal_blocking(&self, key: &Key, token: &Token, refused: &Live) -> Option<Live> {
        if refused.may_be_spent() { self.renewed_blocking(key, token, refused).ok() } else { None }
    }

    fn renewed_blocking(&self, key: &Key, token: &Token, spent: &Live) -> Result<Live, Unrenewed> {
        let slot = self.slot(&key.name);
        let _turn = slot.flight.blocking_lock();
        if let Some(known) = slot.state().known(spent) {
            return known;
        }
        let refreshed = self.refresh(&slot, &key.name, &token.oauth, &spent.secret);
        slot.state().settle(&key.name, &refreshed);
        refreshed
    }

    /// What to try after the provider has refused a key that had not expired; `None`: nothing would be another one.
    pub(super) async fn after_refusal(self: &Arc<Self>, key: &Key, token: &Token, refused: &Live) -> Option<Live> {
        let slot = self.slot(&key.name);
        let latest = slot.latest(key, token);
        if !latest.secret.matches(refused.secret.expose()) {
            return Some(latest);
        }
        // Some providers end the former key with the answer that brings the next one, which is then on its way here.
        let is_under_way = slot.flight.try_lock().is_err();
        if is_under_way || refused.may_be_spent() { self.renewed(key, token, refused).await.ok() } else { None }
    }

    /// Begins to refresh, or to wait for who does. It goes on whoever stops waiting: a refresh token that was sent is spent.
    fn begin(self: &Arc<Self>, key: &Key, token: &Token, spent: &Live) -> tokio::task::JoinHandle<Result<Live, Unrenewed>> {
        let (this, slot) = (Arc::clone(self), self.slot(&key.name));
        let (name, oauth, spent) = (key.name.clone(), Arc::clone(&token.oauth), spent.clone());
        tokio::spawn(async move {
            let turn = Arc::clone(&slot.flight).lock_owned().await;
            if let Some(known) = slot.state().known(&spent) {
                return known;
            }
            let refreshing = tokio::task::spawn_blocking(move || {
                let refreshed = this.refresh(&slot, &name, &oauth, &spent.secret);
                slot.state().settle(&name, &refreshed);
                drop(turn);
                refreshed
            });
            refreshing.await.unwrap_or_else(|_| Err(Unrenewed { message: "refreshing it ended unexpectedly".to_owned(), is_final: false }))
        })
    }

    /// Blocks: locks, one call, a write.
    fn refresh(&self, slot: &Slot, name: &str, oauth: &OAuth, spent: &Secret) -> Result<Live, Unrenewed> {
        let Some(keeper) = self.keeper.get() else {
            return Err(Unrenewed { message: "there is no place to keep what it would be".to_owned(), is_final: false });
        };
        let mut unkept = slot.state().unkept.take();
        let refreshed = keeper.renew(name, oauth, spent, &mut unkept, &mut nobody);
        slot.state().unkept = unkept;
        refreshed
    }

    fn slot(&self, name: &str) -> Arc<Slot> {
        let mut slots = self.slots();
        match slots.get(name) {
            Some(slot) => Arc::clone(slot),
            None => Arc::clone(slots.entry(name.to_owned()).or_default()),
        }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<String, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the file has, as far as is known here.
    fn latest(&self, key: &Key, token: &Token) -> Live {
        self.state().live.clone().unwrap_or_else(|| Live::of(key, token))
    }
}

impl State {
    fn may_try(&self) -> bool {
        self.failed.as_ref().is_none_or(|(_, until)| until.is_some_and(|until| until <= Instant::now()))
    }

    /// What who waited for the turn need not ask for any more.
    fn known(&self, spent: &Live) -> Option<Result<Live, Unrenewed>> {
        if let Some(live) = self.live.as_ref().filter(|live| !live.secret.matches(spent.secret.expose()) && !live.is_over(now())) {
            return Some(Ok(live.clone()));
        }
        if self.may_try() { None } else { self.failed.as_ref().map(|(failed, _)| Err(failed.clone())) }
    }

    fn settle(&mut self, name: &str, refreshed: &Result<Live, Unrenewed>) {
        match refreshed {
            Ok(live) => {
                tracing::info!(key = name, "the key was refreshed");
                (self.live, self.failed) = (Some(live.clone()), None);
            }
            Err(failed) => {
                tracing::warn!(key = name, code = %Code::TokenExpired, reason = %failed.message, is_final = failed.is_final, "the key cannot be refreshed");
                self.failed = Some((failed.clone(), (!failed.is_final).then(|| Instant::now() + PAUSE)));
            }
        }
    }
}

impl Unrenewed {
    /// What a client is told. A failure that may pass rests the key shortly, a final one as a refused key does.
    pub(super) fn refusal(&self, provider: &str, key: &str) -> Refusal {
        let said = format!("the key \"{key}\" of provider \"{provider}\" has expired and cannot be refreshed: {}", self.message);
        let failure = if self.is_final {
            Failure {
                status: 401,
                ..Failure::new(FailureKind::Authentication, format!("{said}; log in again: `aimux keys rotate {key} --login`"))
            }
        } else {
            let wait = PAUSE.as_secs();
            let retry_after = RetryAfter { text: wait.to_string(), ms: Some(wait * 1000) };
            Failure { retry_after: Some(retry_after), ..Failure::new(FailureKind::RateLimit, said) }
        };
        Refusal { code: Code::TokenExpired, failure, headers: HeaderMap::new(), body: None }
    }
}

fn nobody() -> Result<Secret, Error> {
    Err(Error::new(Code::IdentityLocked, "the identity is protected by a passphrase that the running server was not given"))
}
