//! A key on its way out of the store and into it: sealed for others, opened from their files.
//!
//! It lacks reading and writing of files outside the store, which is the caller's. Start with [`Key::sealed_for`] and
//! [`Opener::unseal`].

use age::DecryptError;
use age::armor::Format;
use age::secrecy::SecretString;
use zeroize::Zeroizing;

use super::recipient::Mixture;
use super::{Key, Opener, Store, identity, plugin};
use crate::date;
use crate::error::{Code, Error};
use crate::secret::Secret;

impl Key {
    /// An armored age file of this key, for `recipients` (`age1…`) and nobody else; the store's own identity is not among them.
    ///
    /// # Errors
    /// When one is no public key, there is none, they do not go together, or a plugin fails.
    pub fn sealed_for(&self, recipients: &[String], store: &Store) -> Result<String, Error> {
        let recipients = identity::recipients(recipients.join("\n").as_bytes())?;
        let file = identity::seal(self.plaintext().as_bytes(), &recipients, Mixture::Refuse, &store.plugins, Format::AsciiArmor)?;
        armored(&file)
    }

    /// An armored age file of this key that `passphrase` opens.
    ///
    /// # Errors
    /// When it cannot be encrypted.
    pub fn sealed_with(&self, passphrase: &Secret) -> Result<String, Error> {
        armored(&identity::protect(self.plaintext().as_bytes(), passphrase)?)
    }

    /// What a key file holds: the secret on line one, then lines of `field: value`.
    fn plaintext(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}\ncreated: {}\n", self.secret.expose(), date::rfc3339(self.created)))
    }
}

fn armored(file: &[u8]) -> Result<String, Error> {
    // Armor is ASCII; anything else would be a bug of the age library.
    std::str::from_utf8(file).map(str::to_owned).map_err(|_| Error::new(Code::Bug, "an armored file is no text"))
}

/// Whether these bytes begin as age files do.
#[must_use]
pub fn is_age_file(bytes: &[u8]) -> bool {
    bytes.starts_with(b"age-encryption.org/") || bytes.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
}

/// The key of somebody else's age file that a passphrase opens.
///
/// # Errors
/// When it does not open it, or the content is no key.
pub fn unseal_with(file: &[u8], passphrase: &Secret) -> Result<Secret, Error> {
    let mut opener = age::scrypt::Identity::new(SecretString::from(passphrase.expose().to_owned()));
    opener.set_max_work_factor(identity::WORK_MAX);
    identity::decrypt(file, &[&opener]).map_err(refused).and_then(|plaintext| first_line(&plaintext))
}

/// Whether a passphrase opens the file, rather than an identity.
#[must_use]
pub fn wants_passphrase(file: &[u8]) -> bool {
    age::Decryptor::new_buffered(age::armor::ArmoredReader::new(file)).is_ok_and(|decryptor| decryptor.is_scrypt())
}

impl Opener<'_> {
    /// The key of an age file from elsewhere that this identity opens.
    ///
    /// # Errors
    /// When it does not open it, or the content is no key.
    pub fn unseal(&self, file: &[u8]) -> Result<Secret, Error> {
        identity::open(file, &self.identities, &self.store.plugins).map_err(refused).and_then(|plaintext| first_line(&plaintext))
    }
}

fn refused(error: DecryptError) -> Error {
    if let Some(failure) = plugin::failure_in(&error) {
        return failure;
    }
    match error {
        DecryptError::NoMatchingKeys => Error::new(Code::KeyUnavailable, "it is encrypted for another identity")
            .hint("name the identity that opens it in AIMUX_IDENTITY, or have it exported to yours: `aimux keys list` shows it"),
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
            Error::new(Code::KeyUnavailable, "the passphrase does not open it").hint("try again")
        }
        error => Error::new(Code::KeyStore, "it is damaged or no age file").caused_by(error),
    }
}

/// The secret of a plaintext: printable ASCII on line one.
pub(super) fn first_line(plaintext: &[u8]) -> Result<Secret, Error> {
    let text = std::str::from_utf8(plaintext).unwrap_or_default();
    let secret = text.lines().next().unwrap_or_default().trim();
    if secret.is_empty() || !secret.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(Error::new(Code::KeyStore, "its first line is empty or holds what no key does"));
    }
    Ok(Secret::new(secret.to_owned()))
}
