//! Provider keys at rest: one age file a key, `keys/<name>.age`, opened by the `age` program too.
//!
//! A file's plaintext is the secret on line one, then lines of `field: value`. Keys are encrypted to every public key in
//! `keys/.age-recipients` and opened by the identity, an X25519 secret or a plugin's, which a passphrase may protect. Former keys go to
//! `keys/.retired`. Plugins of age are spoken to here. Not here: prompts and printing (`cli`), and checking a key with its provider.
//!
//! Start with [`Store`]; `folder` holds the rules for permissions and writes, `identity` the age format.

mod copy;
mod folder;
mod identity;
mod name;
pub mod oauth;
mod opener;
mod patterns;
mod plugin;
mod recipient;
mod recipients;
mod renewal;
mod reseal;
mod retired;
mod rotate;
mod share;
#[cfg(test)]
pub(crate) mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use age::armor::Format;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

pub use self::copy::PutBack;
pub use self::name::{check as check_name, looks_like_secret};
pub use self::opener::Opener;
pub use self::patterns::{FoundKey, keys_in};
pub use self::plugin::Person;
pub use self::recipient::Kind;
pub use self::recipients::{Change, Recipients};
pub use self::renewal::{Due, Renewal};
pub use self::reseal::{IdentityRotated, Mended, NewIdentity, Unfinished};
pub use self::retired::{Keep, Retired};
pub use self::rotate::{Heard, Rotated, Rotation, Surroundings};
pub use self::share::{is_age_file, unseal_with, wants_passphrase};

use self::folder::Content;
#[cfg(test)]
pub(crate) use self::folder::faults;
pub(crate) use self::folder::{Folder, Trust};
use self::identity::{Identity, IdentityFile};
use self::oauth::{Grant, Times};
use self::opener::parse_key;
use self::plugin::Plugins;
use self::recipient::{Mixture, Recipient};
use crate::error::{Code, Error};
use crate::secret::Secret;

const RECIPIENTS: &str = ".age-recipients";
const RETIRED: &str = ".retired";

/// The folder of key files and the identity that opens them.
#[derive(Debug, Clone)]
pub struct Store {
    /// The folder, `$XDG_CONFIG_HOME/aimux/keys`.
    pub folder: PathBuf,
    /// The identity, `$XDG_CONFIG_HOME/aimux/identity.txt`, or the file that `AIMUX_IDENTITY` names.
    pub identity: PathBuf,
    /// Whether the system handed the identity to a service, read-only: a systemd credential.
    is_given: bool,
    /// What a passphrase opened, for the store and its clones; `None`: nothing is remembered.
    opened: Option<Arc<Mutex<Option<Opened>>>>,
    plugins: Plugins,
}

/// A protected identity that was opened, and which file it was. The secrets are wiped when dropped.
struct Opened {
    file: [u8; 32],
    identities: Arc<Vec<Identity>>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opened(…)")
    }
}

/// A key as its file holds it.
#[derive(Debug, Clone)]
pub struct Key {
    /// The secret itself.
    pub secret: Secret,
    /// When it was added or logged in for, in seconds since 1970: the file's own field, else the file's last change.
    pub created: u64,
    /// When it was last exchanged for the next one by its login, in seconds since 1970; `None`: never.
    pub refreshed: Option<u64>,
    /// What gets the next one, where a login gave it.
    pub refresh: Option<Secret>,
    /// When it expires, in seconds since 1970; `None`: it does not, or nobody knows.
    pub expires: Option<u64>,
}

impl Key {
    /// When this secret was given, in seconds since 1970.
    #[must_use]
    pub fn fetched(&self) -> u64 {
        self.refreshed.unwrap_or(self.created)
    }
}

/// What to do with a key of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave it and fail.
    Refuse,
    /// Move it to `.retired` and put the new one in its place.
    Retire,
}

/// What [`Store::add`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// The public key of the identity that was made on the way, if none was there.
    pub identity_made: Option<String>,
    /// Where the former key of that name went.
    pub retired: Option<PathBuf>,
}

type Ask<'a> = &'a mut dyn FnMut() -> Result<Secret, Error>;

impl Store {
    /// The store under aimux's config folder.
    #[must_use]
    pub fn new(config_folder: &Path, identity: Option<&Path>) -> Self {
        Self {
            folder: config_folder.join("keys"),
            identity: identity.map_or_else(|| config_folder.join("identity.txt"), Path::to_path_buf),
            is_given: false,
            opened: None,
            plugins: Plugins::default(),
        }
    }

    /// The same with a person whom age's plugins may ask, and variables that they are not handed on: the providers' keys.
    #[must_use]
    pub fn with_plugins(mut self, person: Option<Arc<dyn Person>>, hidden: Vec<&'static str>) -> Self {
        self.plugins.person = person;
        self.plugins.hidden = hidden;
        self
    }

    /// The store of another config folder, opened by the same identity in the same way.
    #[must_use]
    pub fn elsewhere(&self, config_folder: &Path) -> Self {
        Self { folder: config_folder.join("keys"), ..self.clone() }
    }

    /// The same for when nobody is there any more: a plugin that asks something is refused.
    #[must_use]
    pub fn unattended(self) -> Self {
        Self { plugins: Plugins { person: None, ..self.plugins }, ..self }
    }

    /// The same with an identity that the system hands to a service, such as a systemd credential.
    #[must_use]
    pub fn with_credential(config_folder: &Path, credential: &Path) -> Self {
        Self { is_given: true, ..Self::new(config_folder, Some(credential)) }
    }

    /// The same, for a server: an identity that a passphrase opened stays opened in memory, so that new keys can be read
    /// without asking again. Another identity file is asked for.
    #[must_use]
    pub fn remembering(self) -> Self {
        Self { opened: Some(Arc::default()), ..self }
    }

    /// Whether a key of that name is there, without opening it.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        name::check(name).is_ok() && self.folder.join(file_name(name)).symlink_metadata().is_ok()
    }

    /// The names of the keys, sorted. Files whose names no key may have are left out.
    ///
    /// # Errors
    /// When the folder exists and cannot be read, or others can enter it.
    pub fn names(&self) -> Result<Vec<String>, Error> {
        let Some(folder) = Folder::open(&self.folder, Trust::Private)? else { return Ok(Vec::new()) };
        let files = folder.list()?;
        let stems = files.iter().filter_map(|file| file.strip_suffix(".age"));
        let mut names: Vec<String> = stems.filter(|stem| name::check(stem).is_ok()).map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    /// Decrypts a key. `passphrase` is asked only when the identity is protected by one.
    ///
    /// # Errors
    /// When the file or the identity is absent, unsafe or cannot be opened.
    pub fn read(&self, name: &str, passphrase: Ask<'_>) -> Result<Secret, Error> {
        // The cheap mistakes first: nobody should type a passphrase to learn that there is no such key.
        self.file(name)?;
        Ok(self.opener(passphrase)?.read(name)?.secret)
    }

    /// Opens the identity, so that several keys cost one passphrase.
    ///
    /// # Errors
    /// When the identity is absent, unsafe or cannot be opened.
    pub fn opener(&self, passphrase: Ask<'_>) -> Result<Opener<'_>, Error> {
        let Some(identity) = self.load_identity()? else {
            let missing = format!("there is no identity at {}", self.identity.display());
            return Err(Error::new(Code::KeyUnavailable, missing).hint("put it back from a backup, or begin anew with `aimux keys init`"));
        };
        let identities = match identity {
            IdentityFile::Open(identities) => Arc::new(identities),
            IdentityFile::Protected(file) => self.unlock(&file, passphrase)?,
        };
        Ok(Opener { store: self, identities })
    }

    /// Opens a protected identity, or gives what the same file held before.
    fn unlock(&self, file: &[u8], passphrase: Ask<'_>) -> Result<Arc<Vec<Identity>>, Error> {
        let Some(opened) = &self.opened else { return Ok(Arc::new(identity::unlock(file, &passphrase()?)?)) };
        let digest: [u8; 32] = Sha256::digest(file).into();
        let mut opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = opened.as_ref().filter(|known| known.file == digest) {
            return Ok(Arc::clone(&known.identities));
        }
        let identities = Arc::new(identity::unlock(file, &passphrase()?)?);
        *opened = Some(Opened { file: digest, identities: Arc::clone(&identities) });
        Ok(identities)
    }

    /// When a key's file last changed, in seconds since 1970, without opening it.
    ///
    /// # Errors
    /// When the file is absent or unsafe.
    pub fn changed(&self, name: &str) -> Result<u64, Error> {
        Ok(self.file(name)?.changed)
    }

    /// Whether the identity is protected by a passphrase; `None` when there is none.
    ///
    /// # Errors
    /// When the identity is unsafe or unreadable.
    pub fn protected(&self) -> Result<Option<bool>, Error> {
        Ok(self.load_identity()?.map(|identity| matches!(identity, IdentityFile::Protected(_))))
    }

    /// The names of age's plugins that the identity needs; none where it is protected, or there is none.
    ///
    /// # Errors
    /// When the identity is unsafe or unreadable.
    pub fn plugins(&self) -> Result<Vec<String>, Error> {
        let Some(IdentityFile::Open(identities)) = self.load_identity()? else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for identity in &identities {
            match identity {
                Identity::Plugin(identity) if !names.contains(&identity.plugin) => names.push(identity.plugin.clone()),
                _ => {}
            }
        }
        Ok(names)
    }

    /// The public keys that every new key is encrypted to, as `age1…`.
    ///
    /// # Errors
    /// When the recipients file is unsafe or nonsense.
    pub fn recipients(&self) -> Result<Vec<String>, Error> {
        let Some(folder) = Folder::open(&self.folder, Trust::Private)? else { return Ok(Vec::new()) };
        Ok(read_recipients(&folder)?.iter().map(ToString::to_string).collect())
    }

    /// Whether [`Store::init`] would be let: asked before a passphrase is, so that nobody types one in vain.
    ///
    /// # Errors
    /// When there is an identity already.
    pub fn may_init(&self) -> Result<(), Error> {
        if self.identity.symlink_metadata().is_err() {
            return Ok(());
        }
        Err(Error::new(Code::KeyStore, format!("there is an identity already: {}", self.identity.display()))
            .hint("it opens the keys that you have; to begin anew, move it away first"))
    }

    /// Whether [`Store::add`] would be let: asked before the key is.
    ///
    /// # Errors
    /// When the name is wrong or taken.
    pub fn may_add(&self, name: &str, existing: Existing) -> Result<(), Error> {
        name::check(name)?;
        if existing == Existing::Retire || !self.contains(name) {
            return Ok(());
        }
        Err(Error::new(Code::KeyStore, format!("there is a key \"{name}\" already")).hint(format!(
            "`aimux keys rotate {name}` exchanges it; --force replaces it unseen, and keeps the former one in keys/.retired"
        )))
    }

    /// Makes the identity and names it as a recipient. Returns its public key. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// When there is one already: it is never overwritten, for it opens the keys; or when it cannot be written.
    pub fn init(&self, passphrase: Option<&Secret>, now: u64) -> Result<String, Error> {
        let folder = Folder::open_or_make(&self.folder, Trust::Private)?;
        let _lock = folder.lock()?;
        self.init_locked(&folder, passphrase, now)
    }

    fn init_locked(&self, folder: &Folder, passphrase: Option<&Secret>, now: u64) -> Result<String, Error> {
        self.may_init()?;
        let (parent, file) = self.identity_place()?;
        let home = Folder::open_or_make(parent, Trust::Shared)?;
        home.sweep()?;
        let (text, public) = identity::make(now);
        let bytes = match passphrase {
            Some(passphrase) => Zeroizing::new(identity::protect(text.as_bytes(), passphrase)?),
            None => Zeroizing::new(text.as_bytes().to_vec()),
        };
        // Recipients of another machine stay. The identity comes first: a recipient that nobody can be would lose keys.
        let mut recipients = folder.read(RECIPIENTS)?.map_or_else(Vec::new, |content| content.bytes.to_vec());
        identity::recipients(&recipients)?;
        if recipients.last().is_some_and(|last| *last != b'\n') {
            recipients.push(b'\n');
        }
        recipients.extend_from_slice(public.as_bytes());
        recipients.push(b'\n');
        home.replace(file, &bytes)?;
        folder.replace(RECIPIENTS, &recipients)?;
        Ok(public)
    }

    /// Encrypts a key into `keys/<name>.age`, and makes the identity if there is none. `passphrase` is asked only when the
    /// identity is protected and the recipients file is gone. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// When the name is wrong or taken, the identity could not open the key afterwards, or nothing can be written.
    pub fn add(&self, name: &str, secret: &Secret, existing: Existing, now: u64, passphrase: Ask<'_>) -> Result<Added, Error> {
        self.add_grant(name, &Grant::from(secret.clone()), existing, now, passphrase)
    }

    /// The same for what a login gave.
    ///
    /// # Errors
    /// As for [`Store::add`].
    pub fn add_grant(&self, name: &str, grant: &Grant, existing: Existing, now: u64, passphrase: Ask<'_>) -> Result<Added, Error> {
        self.may_add(name, existing)?;
        let folder = Folder::open_or_make(&self.folder, Trust::Private)?;
        let _lock = folder.lock()?;
        self.mend(&folder, now, None)?;
        let former = folder.has(&file_name(name));
        self.may_add(name, existing)?;
        let identity_made = match self.load_identity()? {
            None => Some(self.init_locked(&folder, None, now)?),
            Some(_) => None,
        };
        let staged = folder.stage(&self.sealed(&folder, grant, Times::of_login(now), passphrase)?)?;
        let retired = if former { Some(self.retire(&folder, name, now, Keep::Forever)?) } else { None };
        staged.commit(&file_name(name))?;
        Ok(Added { identity_made, retired })
    }

    /// An age file that holds a key.
    fn sealed(&self, folder: &Folder, grant: &Grant, times: Times, passphrase: Ask<'_>) -> Result<Vec<u8>, Error> {
        let recipients = self.recipients_for_writing(folder, passphrase)?;
        let plaintext = grant.plaintext(times);
        identity::seal(plaintext.as_bytes(), &recipients, Mixture::Refuse, &self.plugins, Format::Binary)
    }

    /// Whether [`Store::remove`] would find something.
    ///
    /// # Errors
    /// When the name is wrong, or there is no such key.
    pub fn may_remove(&self, name: &str) -> Result<(), Error> {
        name::check(name)?;
        if self.contains(name) { Ok(()) } else { Err(no_such_key(name)) }
    }

    /// Deletes a key for good; former ones in `.retired` stay.
    ///
    /// # Errors
    /// When there is no such key, or it cannot be deleted.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        name::check(name)?;
        let Some(folder) = Folder::open(&self.folder, Trust::Private)? else { return Err(no_such_key(name)) };
        let _lock = folder.lock()?;
        if folder.remove(&file_name(name))? { Ok(()) } else { Err(no_such_key(name)) }
    }

    fn file(&self, name: &str) -> Result<Content, Error> {
        name::check(name)?;
        let Some(folder) = Folder::open(&self.folder, Trust::Private)? else { return Err(no_such_key(name)) };
        folder.read(&file_name(name))?.ok_or_else(|| no_such_key(name))
    }

    fn identity_place(&self) -> Result<(&Path, &str), Error> {
        let file = self.identity.file_name().and_then(|file| file.to_str());
        match (self.identity.parent(), file) {
            (Some(parent), Some(file)) => Ok((if parent.as_os_str().is_empty() { Path::new(".") } else { parent }, file)),
            _ => Err(Error::new(Code::KeyStore, format!("{} is no file for an identity", self.identity.display()))),
        }
    }

    fn load_identity(&self) -> Result<Option<IdentityFile>, Error> {
        let (parent, file) = self.identity_place()?;
        let Some(folder) = Folder::open(parent, if self.is_given { Trust::Given } else { Trust::Shared })? else { return Ok(None) };
        let content = if self.is_given { folder.read_given(file)? } else { folder.read(file)? };
        content.map(|content| identity::parse(&content.bytes)).transpose()
    }

    /// The recipients, among them the store's own identity where that can be told without a passphrase: a key that aimux
    /// could not read back must not replace one that it can.
    fn recipients_for_writing(&self, folder: &Folder, passphrase: Ask<'_>) -> Result<Vec<Recipient>, Error> {
        let listed = read_recipients(folder)?;
        if listed.is_empty() {
            let opener = self.opener(passphrase)?;
            let own = opener.public_keys();
            if own.is_empty() {
                return Err(Error::new(Code::KeyStore, "there is no list of recipients, and the identity's public key is not known")
                    .hint(format!("put it, age1…, into {}: the plugin prints it", folder.path_of(RECIPIENTS).display())));
            }
            let text: String = own.iter().map(|recipient| format!("{recipient}\n")).collect();
            folder.replace(RECIPIENTS, text.as_bytes())?;
            return identity::recipients(text.as_bytes());
        }
        if let Some(IdentityFile::Open(identities)) = self.load_identity()? {
            let is_named = |identity: &Identity| match identity.public() {
                Some(public) => listed.iter().any(|recipient| recipient.to_string() == public),
                // Whether its public key is one of them only the plugin knows.
                None => true,
            };
            if !identities.iter().any(is_named) {
                let own = identities.iter().find_map(Identity::public).unwrap_or_default();
                return Err(Error::new(Code::KeyStore, "the identity could not open the new key: .age-recipients does not name it")
                    .hint(format!("add the line {own} to {}", folder.path_of(RECIPIENTS).display())));
            }
        }
        Ok(listed)
    }
}

fn file_name(name: &str) -> String {
    format!("{name}.age")
}

fn no_such_key(name: &str) -> Error {
    Error::new(Code::KeyUnavailable, format!("key \"{name}\" does not exist")).hint(format!("add it with `aimux keys add {name}`"))
}

fn read_recipients(folder: &Folder) -> Result<Vec<Recipient>, Error> {
    folder.read(RECIPIENTS)?.map_or_else(|| Ok(Vec::new()), |content| identity::recipients(&content.bytes))
}
