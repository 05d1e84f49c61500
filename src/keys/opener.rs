//! An opened identity, and what it makes of a key's file.
//!
//! It lacks the files of others, which `share` opens. Start with [`Opener::read`].

use std::sync::Arc;

use age::DecryptError;
use zeroize::Zeroizing;

use super::identity::{self, Identity, IdentityFile};
use super::{Key, Store, oauth, plugin};
use crate::date;
use crate::error::{Code, Error};
use crate::secret::Secret;

/// An opened identity: reads any number of keys without asking again.
pub struct Opener<'a> {
    pub(super) store: &'a Store,
    pub(super) identities: Arc<Vec<Identity>>,
}

impl Opener<'_> {
    /// The same with the identity as it is now, where that needs no passphrase: it may have been exchanged meanwhile.
    pub(super) fn renewed(self) -> Result<Self, Error> {
        match self.store.load_identity()? {
            Some(IdentityFile::Open(identities)) => Ok(Self { identities: Arc::new(identities), ..self }),
            _ => Ok(self),
        }
    }

    /// Decrypts a key.
    ///
    /// # Errors
    /// When the file is absent, unsafe, damaged, for another identity, or its first line is no key.
    pub fn read(&self, name: &str) -> Result<Key, Error> {
        let content = self.store.file(name)?;
        let plaintext = self.decrypt(&content.bytes).map_err(|error| unread(name, error))?;
        parse_key(name, &plaintext, content.changed)
    }

    /// Decrypts a file, with the identity as it is now where it was exchanged since it was opened.
    pub(super) fn decrypt(&self, file: &[u8]) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        match identity::open(file, &self.identities, &self.store.plugins) {
            Err(DecryptError::NoMatchingKeys) => match self.store.load_identity() {
                Ok(Some(IdentityFile::Open(now))) => identity::open(file, &now, &self.store.plugins),
                _ => Err(DecryptError::NoMatchingKeys),
            },
            other => other,
        }
    }

    /// The public keys of the identity, as `age1…`; a plugin's where its file says it.
    #[must_use]
    pub fn public_keys(&self) -> Vec<String> {
        self.identities.iter().filter_map(Identity::public).collect()
    }
}

impl std::fmt::Debug for Opener<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opener").field("store", self.store).finish_non_exhaustive()
    }
}

/// Why a key's file gives no key.
fn unread(name: &str, error: DecryptError) -> Error {
    if let Some(failure) = plugin::failure_in(&error) {
        return Error { message: format!("key \"{name}\" cannot be opened: {}", failure.message), ..failure };
    }
    match error {
        DecryptError::NoMatchingKeys => Error::new(Code::KeyStore, format!("key \"{name}\" is encrypted for another identity"))
            .hint(format!("replace it with `aimux keys add {name} --force`, or put the identity that opens it into place")),
        error => Error::new(Code::KeyStore, format!("key \"{name}\" is damaged or no age file"))
            .hint(format!("replace it with `aimux keys add {name} --force`"))
            .caused_by(error),
    }
}

/// A key from its file's plaintext: the secret on line one, then fields. `changed`: when the file did, for want of a field.
pub(super) fn parse_key(name: &str, plaintext: &[u8], changed: u64) -> Result<Key, Error> {
    let text = std::str::from_utf8(plaintext).map_err(|_| Error::new(Code::KeyStore, format!("key \"{name}\" holds no text")))?;
    let mut lines = text.lines();
    let secret = lines.next().unwrap_or_default().trim();
    if secret.is_empty() || !secret.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(Error::new(Code::KeyStore, format!("the first line of key \"{name}\" is empty or holds what no key does"))
            .hint(format!("replace it with `aimux keys add {name} --force`")));
    }
    let fields: Vec<(&str, &str)> =
        lines.filter_map(|line| line.split_once(':')).map(|(field, value)| (field.trim(), value.trim())).collect();
    let field = |name: &str| fields.iter().find(|(field, value)| *field == name && !value.is_empty()).map(|(_, value)| *value);
    let moment = |name: &str| field(name).and_then(date::parse);
    Ok(Key {
        secret: Secret::new(secret.to_owned()),
        created: moment(oauth::CREATED).unwrap_or(changed),
        refreshed: moment(oauth::REFRESHED),
        refresh: field(oauth::REFRESH).map(|token| Secret::new(token.to_owned())),
        expires: moment(oauth::EXPIRES),
    })
}
