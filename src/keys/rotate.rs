//! The exchange of one key as a transaction: what is staged is switched by rename, the server hears of it, and any failure
//! puts the former key back.
//!
//! It knows neither provider, server nor audit log: those are [`Surroundings`]. A killed rotation leaves the former key or
//! the new one in place; what else it left is cleared away by the next writer. Start with [`Store::rotate`].

use std::path::{Path, PathBuf};

use super::folder::{Folder, Trust};
use super::oauth::{Grant, Times};
use super::{Ask, Error, Keep, Opener, RETIRED, Store, file_name, name, no_such_key, parse_key};
use crate::error::Code;
use crate::secret::Secret;

/// What is to be exchanged.
#[derive(Debug)]
pub struct Rotation<'a> {
    /// The key's name.
    pub name: &'a str,
    /// The new secret, and what came with it.
    pub grant: &'a Grant,
    /// How long the former one is kept.
    pub keep: Keep,
    /// Seconds since 1970.
    pub now: u64,
}

/// What a rotation asks of the world around the store.
pub trait Surroundings {
    /// Whether the provider takes the secret.
    ///
    /// # Errors
    /// When it does not: nothing has been written then.
    fn probe(&mut self, secret: &Secret) -> Result<(), Error>;

    /// Makes the running server read its keys again.
    ///
    /// # Errors
    /// When it runs and refuses: the former key is put back, and the server is told again.
    fn tell(&mut self) -> Result<Heard, Error>;

    /// Writes a step down: `begun`, `switched`, `done` or `undone`.
    ///
    /// # Errors
    /// When it cannot be written: the rotation is undone.
    fn record(&mut self, step: &'static str) -> Result<(), Error>;
}

/// Who heard of a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The server, which uses it from now on.
    Server,
    /// Nobody: no server runs.
    Nobody,
}

/// What [`Store::rotate`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// Where the former key is; `None`: it was not to be kept.
    pub retired: Option<PathBuf>,
    /// When that is deleted, in seconds since 1970.
    pub until: Option<u64>,
    /// Who uses the new one already.
    pub heard: Heard,
}

impl Store {
    /// Whether [`Store::rotate`] would be let: asked before the new key is.
    ///
    /// # Errors
    /// When the name is wrong, or there is no such key, or its file is unsafe.
    pub fn may_rotate(&self, name: &str) -> Result<(), Error> {
        self.file(name).map(drop)
    }

    /// Exchanges a key, wholly or not at all.
    ///
    /// # Errors
    /// When the secret is the one in use, the provider refuses it, the server refuses it, or anything cannot be written.
    pub fn rotate(&self, rotation: &Rotation<'_>, around: &mut dyn Surroundings, passphrase: Ask<'_>) -> Result<Rotated, Error> {
        self.may_rotate(rotation.name)?;
        let opener = self.opener(passphrase)?;
        differs(&opener, rotation)?;
        // The provider may take its time: nobody else waits for it.
        around.probe(&rotation.grant.secret)?;
        let Some(folder) = Folder::open(&self.folder, Trust::Private)? else { return Err(no_such_key(rotation.name)) };
        let _lock = folder.lock()?;
        self.mend(&folder, rotation.now, Some(&opener.identities))?;
        let former = differs(&opener, rotation)?;
        let sealed = self.sealed(&folder, rotation.grant, Times::of_login(rotation.now), passphrase)?;
        opens(&opener, rotation, &sealed)?;
        let mut exchange = Exchange { store: self, folder: &folder, rotation, former, retired: None, told: Server::Unasked };
        match exchange.run(&sealed, around) {
            Ok(heard) => {
                // One that is not kept goes now; if it cannot, the next command tries again.
                let _ = self.sweep_retired(&folder, rotation.now);
                let retired = exchange.retired.take().filter(|path| path.exists());
                let until = match rotation.keep {
                    Keep::Seconds(seconds) if retired.is_some() => Some(rotation.now.saturating_add(seconds)),
                    _ => None,
                };
                Ok(Rotated { retired, until, heard })
            }
            Err(error) => Err(exchange.undo(error, around)),
        }
    }
}

/// Reads the current key's file, and refuses a secret that is the current one: it would look exchanged and not be.
fn differs(opener: &Opener<'_>, rotation: &Rotation<'_>) -> Result<Vec<u8>, Error> {
    let content = opener.store.file(rotation.name)?;
    // A current key that cannot be read is no reason to keep it.
    let current = opener.decrypt(&content.bytes).ok().and_then(|plaintext| parse_key(rotation.name, &plaintext, 0).ok());
    if current.is_some_and(|current| current.secret.matches(rotation.grant.secret.expose())) {
        return Err(Error::new(Code::Usage, format!("this is the key \"{}\" that is in use already", rotation.name))
            .hint("make a new one at the provider, then paste that"));
    }
    Ok(content.bytes.to_vec())
}

/// A key that aimux could not read back must not replace one that it can.
fn opens(opener: &Opener<'_>, rotation: &Rotation<'_>, sealed: &[u8]) -> Result<(), Error> {
    let read = opener.decrypt(sealed).ok().and_then(|plaintext| parse_key(rotation.name, &plaintext, 0).ok());
    if read.is_some_and(|key| key.secret.matches(rotation.grant.secret.expose())) {
        return Ok(());
    }
    let own = opener.public_keys().into_iter().next().unwrap_or_default();
    Err(Error::new(Code::KeyStore, "the identity could not open the new key: .age-recipients does not name it")
        .hint(format!("add the line {own} to {}", opener.store.folder.join(super::RECIPIENTS).display())))
}

/// A rotation from the first write on, with what it takes to undo it.
struct Exchange<'a> {
    store: &'a Store,
    folder: &'a Folder,
    rotation: &'a Rotation<'a>,
    former: Vec<u8>,
    retired: Option<PathBuf>,
    told: Server,
}

/// What the server was told of the new key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Server {
    Unasked,
    /// It refused, or did not answer.
    Asked,
    Taken,
}

impl Exchange<'_> {
    fn run(&mut self, sealed: &[u8], around: &mut dyn Surroundings) -> Result<Heard, Error> {
        let Rotation { name, keep, now, .. } = *self.rotation;
        name::check(name)?;
        around.record("begun")?;
        let staged = self.folder.stage(sealed)?;
        self.retired = Some(self.store.retire(self.folder, name, now, keep)?);
        staged.commit(&file_name(name))?;
        around.record("switched")?;
        self.told = Server::Asked;
        let heard = around.tell()?;
        self.told = Server::Taken;
        around.record("done")?;
        Ok(heard)
    }

    /// Puts the former key back. Gives the error that made it necessary, with a word on what could not be put back.
    fn undo(&mut self, error: Error, around: &mut dyn Surroundings) -> Error {
        let error = match self.put_back() {
            Ok(()) => error,
            Err(worse) => {
                let message = format!("{}; and the former key could not be put back: {}", error.message, worse.message);
                let place = self.retired.as_ref().map_or_else(String::new, |path| format!("; it is {}", path.display()));
                return Error { message, ..error }.hint(format!("the new key may be in place{place}"));
            }
        };
        // The step that failed is the news; that its undoing was not written down as well changes nothing for the user.
        let _ = around.record("undone");
        // One that refused keeps the former key anyway, and may refuse again, for the same reason.
        if self.told != Server::Unasked && around.tell().is_err() && self.told == Server::Taken {
            let message = format!("{}; the former key is back, but the server could not be told", error.message);
            return Error { message, ..error }.hint("reload it: `aimux config reload`, or restart it");
        }
        error
    }

    fn put_back(&mut self) -> Result<(), Error> {
        let file = file_name(self.rotation.name);
        if self.folder.read(&file)?.is_none_or(|content| *content.bytes != self.former) {
            self.folder.replace(&file, &self.former)?;
        }
        let retired = self.retired.as_deref().and_then(Path::file_name).and_then(|file| file.to_str());
        let Some(retired) = retired else { return Ok(()) };
        if let Some(folder) = Folder::open(&self.store.folder.join(RETIRED), Trust::Private)? {
            folder.remove(retired)?;
        }
        self.retired = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
