//! The identity that opens the keys: an X25519 secret or a plugin's identity in age's own file format, in the clear (0600) or
//! inside an age file that a passphrase opens. The `age` program reads both (`age -d -i identity.txt`).
//!
//! It lacks SSH keys. Start with [`make`] and [`parse`]; [`seal`] and [`open`] are what the store encrypts with.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::{ExposeSecret, SecretString};
use age::{DecryptError, Decryptor, EncryptError, Encryptor};
use age_core::format::{FileKey, Stanza};
use zeroize::Zeroizing;

use super::plugin::{self, PluginIdentity, Plugins};
use super::recipient::{self, Mixture, Recipient};
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
pub(crate) enum IdentityFile {
    /// The identities, in the file's order; at least one.
    Open(Vec<Identity>),
    /// An age file that a passphrase opens.
    Protected(Zeroizing<Vec<u8>>),
}

/// One identity.
#[derive(Clone)]
pub(crate) enum Identity {
    X25519(age::x25519::Identity),
    Plugin(PluginIdentity),
}

impl Identity {
    /// Its public key; `None`: a plugin's, and no comment says it.
    pub(crate) fn public(&self) -> Option<String> {
        match self {
            Self::X25519(identity) => Some(identity.to_public().to_string()),
            Self::Plugin(identity) => identity.public.clone(),
        }
    }
}

impl From<&Identity> for Recipient {
    fn from(identity: &Identity) -> Self {
        match identity {
            Identity::X25519(identity) => Self::X25519(identity.to_public()),
            Identity::Plugin(identity) => {
                let public = identity.public.as_deref().and_then(|public| public.parse().ok());
                public.unwrap_or_else(|| Self::Own(identity.clone()))
            }
        }
    }
}

/// Identities as the age library wants them: those that need no plugin first, then each plugin once.
struct Opening<'a> {
    identities: &'a [Identity],
    plugins: &'a Plugins,
}

impl age::Identity for Opening<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        let mut groups: BTreeMap<&str, Vec<&PluginIdentity>> = BTreeMap::new();
        for identity in self.identities {
            match identity {
                Identity::X25519(identity) => match identity.unwrap_stanzas(stanzas) {
                    None => {}
                    found => return found,
                },
                Identity::Plugin(identity) => groups.entry(&identity.plugin).or_default().push(identity),
            }
        }
        let mut failure = None;
        for (plugin, identities) in groups {
            match self.plugins.unwrap(plugin, &identities, stanzas) {
                Ok(Some(key)) => return Some(Ok(key)),
                Ok(None) => {}
                // Another plugin may open it.
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map(|failure| Err(DecryptError::Io(std::io::Error::other(failure))))
    }
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
pub(crate) fn protect(text: &[u8], passphrase: &Secret) -> Result<Vec<u8>, Error> {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase.expose().to_owned()));
    recipient.set_work_factor(WORK);
    encrypt(text, &[&recipient], Format::AsciiArmor)
}

/// Reads an identity file.
pub(crate) fn parse(bytes: &[u8]) -> Result<IdentityFile, Error> {
    if bytes.starts_with(b"age-encryption.org/") || bytes.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----") {
        return Ok(IdentityFile::Protected(Zeroizing::new(bytes.to_vec())));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(Error::new(Code::KeyStore, "the identity file is not text"));
    };
    secrets(text).map(IdentityFile::Open)
}

fn secrets(text: &str) -> Result<Vec<Identity>, Error> {
    let mut identities = Vec::new();
    // Where a plugin writes its public key: in a comment above the identity, as the last word.
    let mut public = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if let Some(comment) = line.strip_prefix('#') {
            let word = comment.split_whitespace().last().filter(|word| word.parse::<Recipient>().is_ok());
            public = word.map(str::to_owned).or(public);
            continue;
        }
        let plugin = |()| line.parse().map(|identity: PluginIdentity| Identity::Plugin(identity.with_public(public.take())));
        let identity = line.parse().map(Identity::X25519).map_err(|_: &str| ()).or_else(plugin).map_err(|()| {
            Error::new(Code::KeyStore, format!("line {} of the identity file is no AGE-SECRET-KEY-1… or AGE-PLUGIN-…", index + 1))
                .hint("aimux opens X25519 identities, as `age-keygen` makes them, post-quantum ones and plugins' identities")
        })?;
        identities.push(identity);
        // It was for this one, or for none.
        public = None;
    }
    if identities.is_empty() {
        return Err(Error::new(Code::KeyStore, "the identity file holds no AGE-SECRET-KEY-1… or AGE-PLUGIN-…"));
    }
    Ok(identities)
}

/// Opens a protected identity.
pub(crate) fn unlock(file: &[u8], passphrase: &Secret) -> Result<Vec<Identity>, Error> {
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
pub(crate) fn recipients(bytes: &[u8]) -> Result<Vec<Recipient>, Error> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(index, line)| {
            line.parse().map_err(|()| {
                Error::new(Code::KeyStore, format!("line {} of .age-recipients is no public key age1…", index + 1))
                    .hint("public keys begin with age1, as `age-keygen -y` or a plugin of age prints them")
            })
        })
        .collect()
}

/// An age file of `plaintext` for all of `recipients`.
pub(crate) fn seal(
    plaintext: &[u8],
    recipients: &[Recipient],
    mixture: Mixture,
    plugins: &Plugins,
    format: Format,
) -> Result<Vec<u8>, Error> {
    let sealing = recipient::sealing(recipients, plugins, mixture);
    let sealing: Vec<&dyn age::Recipient> = sealing.iter().map(|recipient| recipient as _).collect();
    encrypt(plaintext, &sealing, format)
}

/// The plaintext of an age file that one of `identities` opens.
pub(crate) fn open(file: &[u8], identities: &[Identity], plugins: &Plugins) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
    decrypt(file, &[&Opening { identities, plugins }])
}

/// An age file of `plaintext` for all of `recipients`.
fn encrypt(plaintext: &[u8], recipients: &[&dyn age::Recipient], format: Format) -> Result<Vec<u8>, Error> {
    let broken = |error: std::io::Error| Error::new(Code::KeyStore, "cannot encrypt").caused_by(error);
    let encryptor = Encryptor::with_recipients(recipients.iter().copied()).map_err(refused)?;
    let mut file = Vec::new();
    let armor = ArmoredWriter::wrap_output(&mut file, format).map_err(broken)?;
    let mut writer = encryptor.wrap_output(armor).map_err(broken)?;
    writer.write_all(plaintext).map_err(broken)?;
    writer.finish().and_then(ArmoredWriter::finish).map_err(broken)?;
    Ok(file)
}

fn refused(error: EncryptError) -> Error {
    if let Some(failure) = plugin::failure_in_writing(&error) {
        return failure;
    }
    if matches!(error, EncryptError::IncompatibleRecipients { .. }) {
        return Error::new(Code::KeyStore, "post-quantum recipients and others cannot share the keys: the weaker ones would decide").hint(
            "`aimux keys rotate --identity --from FILE` goes over to a post-quantum identity; every other recipient must be one too",
        );
    }
    Error::new(Code::KeyStore, "cannot encrypt to these recipients").caused_by(error)
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
        let IdentityFile::Open(identities) = parse(text.as_bytes()).unwrap() else { panic!("it is protected") };
        assert_eq!(identities[0].public(), Some(public));
    }

    #[test]
    fn a_passphrase_opens_what_it_protects_and_another_does_not() {
        let (text, public) = make(0);
        let file = protect(text.as_bytes(), &Secret::new("correct horse".into())).unwrap();
        assert!(file.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----"));
        let IdentityFile::Protected(file) = parse(&file).unwrap() else { panic!("it is open") };
        let identities = unlock(&file, &Secret::new("correct horse".into())).unwrap();
        assert_eq!(identities[0].public(), Some(public));
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
        let IdentityFile::Open(identities) = parse(text.as_bytes()).unwrap() else { panic!("it is protected") };
        let (public, plugins) = (Recipient::from(&identities[0]), Plugins::default());
        let file = seal(b"sk-secret\n", &[public], Mixture::Refuse, &plugins, Format::Binary).unwrap();
        for length in 0..file.len() {
            assert!(open(&file[..length], &identities, &plugins).is_err(), "cut at {length}");
        }
        for index in 0..file.len() {
            let mut changed = file.clone();
            changed[index] ^= 1;
            assert!(open(&changed, &identities, &plugins).is_err(), "changed at {index}");
        }
        assert_eq!(open(&file, &identities, &plugins).unwrap().as_slice(), b"sk-secret\n");
    }

    #[test]
    fn an_identity_that_the_age_program_protected_is_opened() {
        let IdentityFile::Protected(file) = parse(include_bytes!("../../tests/fixtures/age/protected.txt")).unwrap() else {
            panic!("it is open")
        };
        let identities = unlock(&file, &Secret::new("correct horse".into())).unwrap();
        let key = open(include_bytes!("../../tests/fixtures/age/two.age"), &identities, &Plugins::default()).unwrap();
        assert_eq!(key.as_slice(), b"sk-made-by-age-for-two\n");
    }
}
