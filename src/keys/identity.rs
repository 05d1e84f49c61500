//! The identity that opens the keys: an X25519 secret in age's own file format, in the clear (0600) or inside an age file
//! that a passphrase opens. The `age` program reads both (`age -d -i identity.txt`).
//!
//! It lacks plugins and SSH keys. Start with [`make`] and [`parse`].

use std::io::{Read, Write};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::{ExposeSecret, SecretString};
use age::{DecryptError, Decryptor, Encryptor};
use zeroize::Zeroizing;

use crate::date;
use crate::error::{Code, Error};
use crate::secret::Secret;

/// scrypt's cost when a passphrase is set, as log2 N: what the `age` program takes (256 MiB, about a second).
#[cfg(not(test))]
const WORK: u8 = 18;
/// Cheap, so that the tests are fast.
#[cfg(test)]
const WORK: u8 = 10;
/// The dearest file that is tried: 1 GiB of memory. Dearer ones were not made by `age` on its own.
pub(super) const WORK_MAX: u8 = 20;

/// An identity file's content, not yet opened.
pub(crate) enum Identity {
    /// The secrets, in the file's order; at least one.
    Open(Vec<age::x25519::Identity>),
    /// An age file that a passphrase opens.
    Protected(Zeroizing<Vec<u8>>),
}

/// A new identity: the file's text and the public key.
pub(crate) fn make(now: u64) -> (Zeroizing<String>, String) {
    let identity = age::x25519::Identity::generate();
    let public = identity.to_public().to_string();
    let secret = identity.to_string();
    let text = format!("# created: {}\n# public key: {public}\n{}\n", date::rfc3339(now), secret.expose_secret());
    (Zeroizing::new(text), public)
}

/// Wraps an identity's text into an armored age file that `passphrase` opens.
pub(crate) fn protect(text: &str, passphrase: &Secret) -> Result<Vec<u8>, Error> {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase.expose().to_owned()));
    recipient.set_work_factor(WORK);
    encrypt(text.as_bytes(), &[&recipient], Format::AsciiArmor)
}

/// Reads an identity file.
pub(crate) fn parse(bytes: &[u8]) -> Result<Identity, Error> {
    if bytes.starts_with(b"age-encryption.org/") || bytes.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----") {
        return Ok(Identity::Protected(Zeroizing::new(bytes.to_vec())));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(Error::new(Code::KeyStore, "the identity file is not text"));
    };
    secrets(text).map(Identity::Open)
}

fn secrets(text: &str) -> Result<Vec<age::x25519::Identity>, Error> {
    let mut identities = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let identity = line.parse().map_err(|_: &str| {
            Error::new(Code::KeyStore, format!("line {} of the identity file is no AGE-SECRET-KEY-1…", index + 1))
                .hint("aimux opens X25519 identities, as `age-keygen` makes them")
        })?;
        identities.push(identity);
    }
    if identities.is_empty() {
        return Err(Error::new(Code::KeyStore, "the identity file holds no AGE-SECRET-KEY-1…"));
    }
    Ok(identities)
}

/// Opens a protected identity.
pub(crate) fn unlock(file: &[u8], passphrase: &Secret) -> Result<Vec<age::x25519::Identity>, Error> {
    let mut opener = age::scrypt::Identity::new(SecretString::from(passphrase.expose().to_owned()));
    opener.set_max_work_factor(WORK_MAX);
    let text = decrypt(file, &[&opener]).map_err(|error| match error {
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
            Error::new(Code::KeyUnavailable, "the passphrase does not open the identity").hint("try again")
        }
        DecryptError::ExcessiveWork { .. } => {
            Error::new(Code::KeyStore, "the identity's passphrase is too dear to try (scrypt above 2^20)")
        }
        DecryptError::NoMatchingKeys => Error::new(Code::KeyStore, "the identity file is encrypted, but not with a passphrase"),
        error => Error::new(Code::KeyStore, "the identity file is damaged").caused_by(error),
    })?;
    let Ok(text) = std::str::from_utf8(&text) else {
        return Err(Error::new(Code::KeyStore, "the identity file is not text"));
    };
    secrets(text)
}

/// Reads a recipients file: a public key a line, `#` begins a comment.
pub(crate) fn recipients(bytes: &[u8]) -> Result<Vec<age::x25519::Recipient>, Error> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(index, line)| {
            line.parse().map_err(|_: &str| {
                Error::new(Code::KeyStore, format!("line {} of .age-recipients is no public key age1…", index + 1))
                    .hint("aimux encrypts to X25519 recipients, as `age-keygen -y` prints them")
            })
        })
        .collect()
}

/// An age file of `plaintext` for all of `recipients`.
pub(crate) fn encrypt(plaintext: &[u8], recipients: &[&dyn age::Recipient], format: Format) -> Result<Vec<u8>, Error> {
    let broken = |error: std::io::Error| Error::new(Code::KeyStore, "cannot encrypt").caused_by(error);
    let encryptor = Encryptor::with_recipients(recipients.iter().copied())
        .map_err(|error| Error::new(Code::KeyStore, "cannot encrypt to these recipients").caused_by(error))?;
    let mut file = Vec::new();
    let armor = ArmoredWriter::wrap_output(&mut file, format).map_err(broken)?;
    let mut writer = encryptor.wrap_output(armor).map_err(broken)?;
    writer.write_all(plaintext).map_err(broken)?;
    writer.finish().and_then(ArmoredWriter::finish).map_err(broken)?;
    Ok(file)
}

/// The plaintext of an age file, armored or binary.
pub(crate) fn decrypt(file: &[u8], identities: &[&dyn age::Identity]) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
    let mut reader = Decryptor::new_buffered(ArmoredReader::new(file))?.decrypt(identities.iter().copied())?;
    // A plaintext is shorter than its file, so the vector never grows and leaves no copy behind.
    let mut plaintext = Zeroizing::new(Vec::with_capacity(file.len()));
    reader.read_to_end(&mut plaintext)?;
    Ok(plaintext)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_back_with_its_public_key() {
        let (text, public) = make(1_763_735_856);
        assert!(text.starts_with("# created: 2025-11-21T14:37:36Z\n# public key: age1"), "{}", text.lines().next().unwrap());
        let Identity::Open(identities) = parse(text.as_bytes()).unwrap() else { panic!("it is protected") };
        assert_eq!(identities[0].to_public().to_string(), public);
    }

    #[test]
    fn a_passphrase_opens_what_it_protects_and_another_does_not() {
        let (text, public) = make(0);
        let file = protect(&text, &Secret::new("correct horse".into())).unwrap();
        assert!(file.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----"));
        let Identity::Protected(file) = parse(&file).unwrap() else { panic!("it is open") };
        let identities = unlock(&file, &Secret::new("correct horse".into())).unwrap();
        assert_eq!(identities[0].to_public().to_string(), public);
        let refused = unlock(&file, &Secret::new("wrong".into())).err().unwrap();
        assert_eq!(refused.code, Code::KeyUnavailable);
    }

    #[test]
    fn what_is_no_identity_is_refused_without_its_words() {
        for text in ["", "# nothing\n", "AGE-PLUGIN-YUBIKEY-1QQQQ", "hunter2", "\u{feff}AGE-SECRET-KEY-1"] {
            let error = parse(text.as_bytes()).err().unwrap();
            assert_eq!(error.code, Code::KeyStore);
            assert!(!error.message.contains("hunter2") && !error.message.contains("YUBIKEY"));
        }
        assert!(parse(b"\xff\xfe").is_err());
        assert!(recipients(b"age1nonsense").is_err());
        assert!(recipients(b"# none\n\n").unwrap().is_empty());
    }

    #[test]
    fn a_file_cut_or_changed_anywhere_is_refused() {
        let (text, _) = make(0);
        let Identity::Open(identities) = parse(text.as_bytes()).unwrap() else { panic!("it is protected") };
        let public = identities[0].to_public();
        let file = encrypt(b"sk-secret\n", &[&public], Format::Binary).unwrap();
        for length in 0..file.len() {
            assert!(decrypt(&file[..length], &[&identities[0]]).is_err(), "cut at {length}");
        }
        for index in 0..file.len() {
            let mut changed = file.clone();
            changed[index] ^= 1;
            assert!(decrypt(&changed, &[&identities[0]]).is_err(), "changed at {index}");
        }
        assert_eq!(decrypt(&file, &[&identities[0]]).unwrap().as_slice(), b"sk-secret\n");
    }

    #[test]
    fn an_identity_that_the_age_program_protected_is_opened() {
        let Identity::Protected(file) = parse(include_bytes!("../../tests/fixtures/age/protected.txt")).unwrap() else {
            panic!("it is open")
        };
        let identities = unlock(&file, &Secret::new("correct horse".into())).unwrap();
        let key = decrypt(include_bytes!("../../tests/fixtures/age/two.age"), &[&identities[0]]).unwrap();
        assert_eq!(key.as_slice(), b"sk-made-by-age-for-two\n");
    }
}
