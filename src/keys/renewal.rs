//! A key file's tokens exchanged for the next ones: by one process at a time, and on the disk before anybody uses them.
//!
//! A refresh token is good once at many providers, and one that comes a second time may cost the whole login. So who
//! refreshes holds a lock that others wait for, and reads the file anew under it: what another one has fetched meanwhile is
//! taken over. Everything that can fail on this machine is tried before the provider is asked; after its answer there is one
//! write. It lacks the asking. Start with [`Store::renewal`].

use super::folder::{Folder, Lock, Trust};
use super::oauth::{Grant, Times};
use super::{Ask, Error, Key, Store, file_name, no_such_key, parse_key};
use crate::error::Code;
use crate::secret::Secret;

/// What there is to do about a token that is to be refreshed.
#[derive(Debug)]
pub enum Renewal {
    /// Nothing: the file has another one by now.
    Done(Box<Key>),
    /// It is to be fetched; nobody else does.
    Due(Box<Due>),
}

/// A refresh under way. Dropped without [`Due::keep`], the file is as it was.
#[derive(Debug)]
pub struct Due {
    /// What gets the next tokens.
    pub refresh: Secret,
    store: Store,
    name: String,
    folder: Folder,
    former: Vec<u8>,
    created: u64,
    _turn: Lock,
}

impl Store {
    /// Takes the turn to refresh a key of which the caller has `ours`. Waits for another process's, ten seconds at most.
    ///
    /// # Errors
    /// When the file has no refresh token, cannot be read, or could not be written afterwards.
    pub fn renewal(&self, name: &str, ours: &Secret, now: u64, passphrase: Ask<'_>) -> Result<Renewal, Error> {
        let Some(folder) = Folder::open(&self.folder, Trust::Private)? else { return Err(no_such_key(name)) };
        self.file(name)?;
        let turn = folder.turn(&format!(".{name}.refresh"))?;
        let content = self.file(name)?;
        let opener = self.opener(passphrase)?;
        let key = opener.read_content(name, &content)?;
        let is_over = key.expires.is_some_and(|expires| expires <= now);
        if !key.secret.matches(ours.expose()) && !is_over {
            return Ok(Renewal::Done(Box::new(key)));
        }
        let Some(refresh) = key.refresh.clone() else {
            return Err(Error::new(Code::TokenExpired, format!("key \"{name}\" has no refresh token"))
                .hint(format!("log in again: `aimux keys rotate {name} --login`")));
        };
        // The same content once more, written and read back, then deleted: a full disk or lost recipients show now, while
        // the refresh token is still good.
        let (created, times) = (key.created, Times { created: key.created, refreshed: Some(now) });
        let same = Grant { secret: key.secret, refresh: Some(refresh.clone()), expires: key.expires };
        let rehearsed = self.sealed(&folder, &same, times, passphrase)?;
        opener.opens(&rehearsed)?;
        drop(folder.stage(&rehearsed)?);
        Ok(Renewal::Due(Box::new(Due {
            refresh,
            store: self.clone(),
            name: name.to_owned(),
            folder,
            former: content.bytes.to_vec(),
            created,
            _turn: turn,
        })))
    }
}

impl Due {
    /// Writes what was fetched into the file. May be tried again where it fails: the turn is kept. A key that somebody has
    /// exchanged meanwhile stays; what was fetched is then of no use any more.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, grant: &Grant, now: u64, passphrase: Ask<'_>) -> Result<(), Error> {
        // Most providers give another refresh token each time; of those that do not, the old one stays good.
        let refresh = grant.refresh.clone().unwrap_or_else(|| self.refresh.clone());
        let grant = Grant { refresh: Some(refresh), ..grant.clone() };
        let _lock = self.folder.lock()?;
        let file = file_name(&self.name);
        if self.folder.read(&file)?.is_none_or(|content| *content.bytes != self.former) {
            let exchanged = format!("key \"{}\" was exchanged while it was refreshed", self.name);
            return Err(Error::new(Code::KeyUnavailable, exchanged).hint("nothing has to be done: the new one is used from now on"));
        }
        let sealed = self.store.sealed(&self.folder, &grant, Times { created: self.created, refreshed: Some(now) }, passphrase)?;
        self.folder.replace(&file, &sealed)
    }
}

impl super::Opener<'_> {
    fn read_content(&self, name: &str, content: &super::Content) -> Result<Key, Error> {
        let plaintext = self
            .decrypt(&content.bytes)
            .map_err(|error| Error::new(Code::KeyStore, format!("key \"{name}\" cannot be opened to refresh it")).caused_by(error))?;
        parse_key(name, &plaintext, content.changed)
    }

    fn opens(&self, sealed: &[u8]) -> Result<(), Error> {
        self.decrypt(sealed).map(drop).map_err(|error| {
            Error::new(Code::KeyStore, "the identity could not open the refreshed key: .age-recipients does not name it").caused_by(error)
        })
    }
}

#[cfg(test)]
mod tests;
