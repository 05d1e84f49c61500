//! A key that expires, before a command uses it: refreshed where it is spent, by the running server where one has it.
//!
//! The server comes first because it may hold tokens that it could not write yet: the file's refresh token is spent then.
//! Start with [`Fresh::of`].

use std::path::PathBuf;
use std::sync::Arc;

use super::console::ask_passphrase;
use super::known;
use crate::audit::Log;
use crate::config::{Environment, KeyOpener, KeyUse};
use crate::date;
use crate::error::{Code, Error};
use crate::keys::oauth::{Gives, OAuth};
use crate::keys::{Key, Store};
use crate::secret::Secret;
use crate::server::control;
use crate::upstream::{Keeper, is_due, is_over};

/// What it takes to refresh keys.
pub(super) struct Fresh<'a> {
    /// Remembers the opened identity, so that a passphrase is asked for once.
    pub(super) store: &'a Store,
    pub(super) log: &'a Log,
    pub(super) environment: &'a Environment,
    /// `--config`.
    pub(super) path: Option<PathBuf>,
}

impl Fresh<'_> {
    /// The secret of a key that the config uses, as it may be sent now.
    ///
    /// # Errors
    /// When it cannot be opened, or has expired and cannot be refreshed.
    pub(super) fn secret(&self, used: &KeyUse, opener: &mut KeyOpener<'_>) -> Result<Secret, Error> {
        let opened = opener.open(used)?;
        match opened.token {
            Some(key) => self.of(&used.name, key, used.provider.oauth.as_ref(), &mut ask_passphrase).map(|key| key.secret),
            None => Ok(opened.secret),
        }
    }

    /// The key as it may be used now. `oauth`: the login of the provider that uses it.
    ///
    /// # Errors
    /// When it has expired and cannot be refreshed.
    pub(super) fn of(
        &self,
        name: &str,
        key: Key,
        oauth: Option<&Arc<OAuth>>,
        passphrase: &mut dyn FnMut() -> Result<Secret, Error>,
    ) -> Result<Key, Error> {
        if !is_due(&key) {
            return Ok(key);
        }
        let oauth = oauth.filter(|oauth| oauth.gives == Gives::Tokens && key.refresh.is_some());
        let refreshed = match oauth {
            Some(oauth) => self.refresh(name, oauth, &key, passphrase),
            None => Err(spent(name, &key)),
        };
        match refreshed {
            Ok(key) => Ok(key),
            Err(error) if is_over(&key) => Err(error),
            // Good for a while yet.
            Err(_) => Ok(key),
        }
    }

    fn refresh(&self, name: &str, oauth: &OAuth, key: &Key, passphrase: &mut dyn FnMut() -> Result<Secret, Error>) -> Result<Key, Error> {
        if control::refresh(&known::socket(self.path.clone(), self.environment), name)? {
            let key = self.store.opener(passphrase)?.read(name)?;
            if !is_over(&key) {
                return Ok(key);
            }
            // The server's config was read before this key came into its file.
        }
        let keeper = Keeper { store: self.store.clone(), audit: self.log.clone() };
        keeper.refresh(name, oauth, &key.secret, passphrase)?;
        self.store.opener(passphrase)?.read(name)
    }
}

/// A key that has expired, and that nothing here can refresh.
fn spent(name: &str, key: &Key) -> Error {
    let when = key.expires.map_or_else(String::new, |expires| format!(" at {}", date::rfc3339(expires)));
    let why = match key.refresh {
        Some(_) => "and no provider of the config has an `oauth` section that would refresh it",
        None => "and its login gave nothing to refresh it with",
    };
    Error::new(Code::TokenExpired, format!("key \"{name}\" expired{when}, {why}"))
        .hint(format!("log in again: `aimux keys rotate {name} --login`"))
}
