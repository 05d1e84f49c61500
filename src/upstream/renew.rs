//! One refresh of a key that expires: the turn among processes, one call, one write. It blocks.
//!
//! A server does it once for all who wait (`renewals.rs`), a command where no server runs. It lacks any memory. Start with
//! [`Keeper::refresh`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::tokens::fetch;
use crate::audit::{Action, Entry, Log};
use crate::error::{Code, Error};
use crate::keys::oauth::{Grant, OAuth};
use crate::keys::{Due, Key, Renewal, Store};
use crate::secret::Secret;

/// A key is refreshed so long before it expires, or in the last quarter of its life where that is shorter.
const AHEAD_S: u64 = 300;
/// How often a command tries to write what it has fetched, and how long it waits in between.
const WRITES: (u32, Duration) = (3, Duration::from_millis(200));

/// The key files, and the log of their changes.
#[derive(Debug)]
pub struct Keeper {
    /// Where refreshed keys are kept.
    pub store: Store,
    /// Where that is written down.
    pub audit: Log,
}

/// What was fetched and could not be written: the file's refresh token may be spent already.
#[derive(Debug)]
pub(super) struct Unkept(Due, Grant);

/// A key as it may be used.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) secret: Secret,
    /// When it was fetched, in seconds since 1970.
    pub(super) fetched: u64,
    pub(super) expires: Option<u64>,
}

/// Why a key cannot be refreshed.
#[derive(Debug, Clone)]
pub(super) struct Unrenewed {
    /// A lower-case sentence without a secret.
    pub(super) message: String,
    /// Only a new login helps.
    pub(super) is_final: bool,
}

impl Live {
    pub(super) fn is_over(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Whether the time to refresh it has come.
    pub(super) fn is_due(&self, now: u64) -> bool {
        let ahead = |expires: u64| AHEAD_S.min(expires.saturating_sub(self.fetched) / 4);
        self.expires.is_some_and(|expires| expires.saturating_sub(ahead(expires)) <= now)
    }
}

impl From<&Key> for Live {
    fn from(key: &Key) -> Self {
        Self { secret: key.secret.clone(), fetched: key.fetched(), expires: key.expires }
    }
}

/// Whether a key has expired, or will so soon that it is refreshed before it is used.
#[must_use]
pub fn is_due(key: &Key) -> bool {
    Live::from(key).is_due(now())
}

/// Whether a key has expired.
#[must_use]
pub fn is_over(key: &Key) -> bool {
    Live::from(key).is_over(now())
}

impl Keeper {
    /// Fetches the next key after `spent` and writes it into its file, unless another process has. Blocks: locks, one call, a
    /// write. `passphrase` is asked where the identity is protected by one.
    ///
    /// # Errors
    /// When the provider refuses it or the file cannot be written.
    pub fn refresh(
        &self,
        name: &str,
        oauth: &OAuth,
        spent: &Secret,
        passphrase: &mut dyn FnMut() -> Result<Secret, Error>,
    ) -> Result<(), Error> {
        let mut unkept = None;
        for _ in 1..WRITES.0 {
            match self.renew(name, oauth, spent, &mut unkept, passphrase) {
                Err(_) if unkept.is_some() => std::thread::sleep(WRITES.1),
                other => return other.map(drop).map_err(|unrenewed| unrenewed.error(name)),
            }
        }
        // With this process ends what was fetched.
        self.renew(name, oauth, spent, &mut unkept, passphrase)
            .map(drop)
            .map_err(|unrenewed| Unrenewed { is_final: unrenewed.is_final || unkept.is_some(), ..unrenewed }.error(name))
    }

    /// The same, with a memory for what could not be written: to be tried again with it.
    pub(super) fn renew(
        &self,
        name: &str,
        oauth: &OAuth,
        spent: &Secret,
        unkept: &mut Option<Unkept>,
        passphrase: &mut dyn FnMut() -> Result<Secret, Error>,
    ) -> Result<Live, Unrenewed> {
        let passing = |error: Error| Unrenewed { message: error.message, is_final: error.code == Code::TokenExpired };
        let Unkept(due, grant) = match unkept.take() {
            Some(unkept) => unkept,
            None => {
                let due = match self.store.renewal(name, spent, now(), passphrase).map_err(passing)? {
                    Renewal::Done(key) => return Ok(Live::from(&*key)),
                    Renewal::Due(due) => due,
                };
                let grant = fetch(&oauth.renewal(&due.refresh), now())
                    .map_err(|refused| Unrenewed { message: refused.message, is_final: refused.is_final })?;
                Unkept(*due, grant)
            }
        };
        let fetched = now();
        match due.keep(&grant, fetched, passphrase) {
            Ok(()) => {
                // Requests go on without the log, as they do everywhere; its own troubles are an alert there.
                if let Err(error) = self.audit.append(&Entry::new(Action::KeyRefreshed, name)) {
                    tracing::warn!(key = name, code = %error.code, reason = %error.message, "a refreshed key could not be recorded");
                }
                Ok(Live { secret: grant.secret, fetched, expires: grant.expires })
            }
            // The file has another login's key: it is read at the next look.
            Err(error) if error.code == Code::KeyUnavailable => Err(passing(error)),
            Err(error) => {
                *unkept = Some(Unkept(due, grant));
                let message = format!("it was refreshed, and cannot be kept: {}", error.message);
                Err(Unrenewed { message, is_final: false })
            }
        }
    }
}

impl Unrenewed {
    /// What a command says.
    pub(super) fn error(&self, key: &str) -> Error {
        let error = Error::new(Code::TokenExpired, format!("key \"{key}\" has expired and cannot be refreshed: {}", self.message));
        let hint = if self.is_final { format!("log in again: `aimux keys rotate {key} --login`") } else { "try again later".to_owned() };
        error.hint(hint)
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
