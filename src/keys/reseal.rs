//! Every key file encrypted anew: for a new identity, or for other recipients. Killed at any point, each file opens with
//! the identity that is in place, and the next writer ends what was begun, or takes it back.
//!
//! The order makes that so. A new identity is put beside the old one (`STAGED`), then a journal is written, then every file
//! is encrypted to both, then the identity is renamed into place. Before that rename nobody needs the new one: taking it
//! back is deleting it. After it nobody needs the old one: files and recipients are written without it, and the journal is
//! deleted last. A change of recipients is that second half alone. Start with [`Store::rotate_identity`].

mod journal;

use age::DecryptError;
use age::armor::Format;
use zeroize::Zeroizing;

use self::journal::JOURNAL;
pub(super) use self::journal::Journal;
use super::folder::{Folder, Trust};
use super::identity::{self, Identity, IdentityFile};
use super::recipient::{Mixture, Recipient};
use super::{Ask, Error, Keep, Opener, RECIPIENTS, RETIRED, Store, plugin, retired};
use crate::error::Code;
use crate::secret::Secret;

/// What [`Store::rotate_identity`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityRotated {
    /// The new public key.
    pub public: String,
    /// How many files were encrypted anew, former keys included.
    pub files: usize,
    /// Where the former identity is, encrypted to the new one; `None`: it was not to be kept.
    pub retired: Option<std::path::PathBuf>,
}

/// What was left to do from earlier commands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mended {
    /// Former keys whose time was over, deleted.
    pub expired: usize,
    /// A change of identity or recipients that was cut short.
    pub change: Unfinished,
}

/// What became of a change of identity or recipients that was cut short.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unfinished {
    /// There was none.
    #[default]
    None,
    /// It had not come to the switch: all is as it was before.
    TakenBack,
    /// It is complete now.
    Ended,
    /// It waits for the identity to be opened.
    Waits,
}

/// The identity that takes the place of the old one.
#[derive(Debug, Clone, Copy)]
pub enum NewIdentity<'a> {
    /// An X25519 one, made on the way; a passphrase may protect it.
    Made(Option<&'a Secret>),
    /// The content of an identity file, a plugin's or a post-quantum one say, its public keys in comments. A passphrase may
    /// protect it from now on.
    Given(&'a [u8], Option<&'a Secret>),
    /// The content of one that this passphrase protects already.
    Protected(&'a [u8], &'a Secret),
}

impl<'a> NewIdentity<'a> {
    /// What its file is to hold, and what that opens as.
    fn read(self, now: u64) -> Result<(Zeroizing<Vec<u8>>, Vec<Identity>), Error> {
        let made = if matches!(self, Self::Made(_)) { identity::make(now).0 } else { Zeroizing::default() };
        let text = match self {
            Self::Made(_) => made.as_bytes(),
            Self::Given(file, _) => file,
            Self::Protected(file, passphrase) => return Ok((Zeroizing::new(file.to_vec()), identity::unlock(file, passphrase)?)),
        };
        let IdentityFile::Open(identities) = identity::parse(text)? else {
            return Err(Error::new(Code::Usage, "a passphrase protects the new identity"));
        };
        let file = match self.passphrase() {
            Some(passphrase) => identity::protect(text, passphrase)?,
            None => text.to_vec(),
        };
        Ok((Zeroizing::new(file), identities))
    }

    fn passphrase(self) -> Option<&'a Secret> {
        match self {
            Self::Made(passphrase) | Self::Given(_, passphrase) => passphrase,
            Self::Protected(_, passphrase) => Some(passphrase),
        }
    }
}

/// A file's plaintext, and where it came from.
struct Unsealed {
    is_retired: bool,
    file: String,
    plaintext: Zeroizing<Vec<u8>>,
    is_armored: bool,
}

/// What to do with a file that is for somebody else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    Refuse,
    /// A change that is cut short may have been to leave us out.
    Leave,
}

impl Store {
    /// Ends what earlier commands left: former keys whose time is over, a rotation that was killed. Without anything to do
    /// it writes nothing and does not wait. Meant for the beginning of every command that looks at the keys.
    ///
    /// # Errors
    /// When the folder is unsafe, or something cannot be written.
    pub fn tidy(&self, now: u64) -> Result<Mended, Error> {
        let Some(folder) = Folder::open(&self.folder, Trust::Private)? else { return Ok(Mended::default()) };
        let over = self.retired()?.iter().any(|retired| retired.until.is_some_and(|until| until <= now));
        let staged = folder.has_staged()? || self.retired_folder()?.map_or(Ok(false), |retired| retired.has_staged())?;
        if !(over || staged || folder.has(JOURNAL) || self.staged_identity()?.is_some()) || folder.is_locked() {
            return Ok(Mended::default());
        }
        let _lock = folder.lock()?;
        self.mend(&folder, now, None)
    }

    /// Whether another process writes keys now: who is about to wait may say so.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        Folder::open(&self.folder, Trust::Private).ok().flatten().is_some_and(|folder| folder.is_locked())
    }

    /// The same for who holds the lock. `identities`: opened already, else taken where they need no passphrase.
    pub(super) fn mend(&self, folder: &Folder, now: u64, identities: Option<&[Identity]>) -> Result<Mended, Error> {
        let expired = self.sweep_retired(folder, now)?;
        let journal = Journal::read(folder)?;
        if let Some((home, staged)) = self.staged_identity()? {
            self.take_back(folder, journal.as_ref(), &home, &staged)?;
            return Ok(Mended { expired, change: Unfinished::TakenBack });
        }
        let Some(journal) = journal else { return Ok(Mended { expired, change: Unfinished::None }) };
        let loaded = match (identities, self.load_identity()?) {
            (None, Some(IdentityFile::Open(identities))) => identities,
            _ => Vec::new(),
        };
        let identities = identities.unwrap_or(&loaded);
        // With another identity in place than the one that the journal speaks of, the keys would be lost.
        let is_ours = |public: &String| identities.iter().any(|identity| identity.public().as_ref() == Some(public));
        if identities.is_empty() || journal.identity.as_ref().is_some_and(|public| !is_ours(public)) {
            return Ok(Mended { expired, change: Unfinished::Waits });
        }
        self.end(folder, &journal, identities)?;
        Ok(Mended { expired, change: Unfinished::Ended })
    }

    /// [`Store::mend`] for who changes recipients: two such changes cannot overlap.
    pub(super) fn mend_wholly(&self, folder: &Folder, now: u64, identities: &[Identity]) -> Result<(), Error> {
        if self.mend(folder, now, Some(identities))?.change != Unfinished::Waits {
            return Ok(());
        }
        Err(Error::new(Code::KeyStore, "a rotation to another identity was cut short, and that identity is not the one in place")
            .hint("name it in AIMUX_IDENTITY and run `aimux keys list`, which ends the rotation"))
    }

    /// Puts a new identity into place, and encrypts every key and former key to it instead of the old one.
    /// `passphrase` is asked for that of the old one.
    ///
    /// # Errors
    /// When a file cannot be opened, or the new identity would not open what is encrypted to it: nothing has been written
    /// then. Or when something cannot be written: then all is as before, or the next command ends it.
    pub fn rotate_identity(&self, given: NewIdentity<'_>, keep: Keep, now: u64, passphrase: Ask<'_>) -> Result<IdentityRotated, Error> {
        if self.is_given {
            return Err(Error::new(Code::KeyStore, format!("{} is a credential of the system's, and read-only", self.identity.display()))
                .hint("exchange it where it comes from: add the new public key with `aimux keys recipients add` first"));
        }
        let (bytes, new) = given.read(now)?;
        let added = self.proven(&new)?;
        let opener = self.opener(passphrase)?;
        let folder = Folder::open_or_make(&self.folder, Trust::Private)?;
        let _lock = folder.lock()?;
        let opener = opener.renewed()?;
        self.mend_wholly(&folder, now, &opener.identities)?;
        no_folders_within(&folder)?;
        let old = former_keys(&opener, &added)?;
        self.goes_together(&folder, &old, &new)?;
        let files = self.unseal(&folder, &opener.identities, Foreign::Refuse)?;
        let (home, current) = self.home()?;
        let staged = staged_name(current);
        let public = added.first().cloned().unwrap_or_default();
        let mut journal = Journal { identity: Some(public.clone()), add: added.clone(), drop: old.clone(), former: None };
        let before_switch = || -> Result<Option<std::path::PathBuf>, Error> {
            home.create(&staged, &bytes)?;
            check_staged(&home, &staged, given.passphrase(), &public)?;
            let former = if keep == Keep::Seconds(0) { None } else { Some(self.former_identity(&home, current, now, keep)?) };
            journal.former = former.as_ref().map(|(_, file, _)| file.clone());
            journal.write(&folder)?;
            let kept = former.map(|(retired, file, content)| self.seal_former(&retired, &file, &content, &new)).transpose()?;
            let both = with(&self.recipients_or(&folder, &old)?, &new);
            self.seal(&folder, &files, &both, &[&new, &opener.identities], Mixture::Allow)?;
            write_recipients(&folder, &old, &added, &[])?;
            Ok(kept)
        };
        let switched = { before_switch }().and_then(|kept| home.rename(&staged, current).map(|()| kept));
        let kept = match switched {
            Ok(kept) => kept,
            Err(error) if home.has(&staged) => {
                // What cannot be taken back now is taken back by the next command.
                let _ = self.take_back(&folder, Some(&journal), &home, &staged);
                return Err(error);
            }
            Err(error) => return Err(half_done(error)),
        };
        let files = files.len();
        self.end(&folder, &journal, &new).map_err(half_done)?;
        Ok(IdentityRotated { public, files, retired: kept })
    }

    /// The public keys of a new identity, each of which opens what is encrypted to it: it is about to be the only one.
    fn proven(&self, new: &[Identity]) -> Result<Vec<String>, Error> {
        let mut public = Vec::new();
        for identity in new {
            let Some(own) = identity.public() else {
                return Err(Error::new(Code::KeyStore, "the public key of the new identity is not known")
                    .hint("put the line `# public key: age1…` above it, as the plugin prints it"));
            };
            let file = identity::seal(b"", &[Recipient::from(identity)], Mixture::Refuse, &self.plugins, Format::Binary)?;
            identity::open(&file, std::slice::from_ref(identity), &self.plugins).map_err(|error| {
                plugin::failure_in(&error).unwrap_or_else(|| {
                    Error::new(Code::KeyStore, "the new identity does not open what is encrypted to the public key above it")
                        .hint("the comment may belong to another one")
                })
            })?;
            public.push(own);
        }
        Ok(public)
    }

    /// Whether the new identity's public keys and those of the others can share a file afterwards.
    fn goes_together(&self, folder: &Folder, old: &[String], new: &[Identity]) -> Result<(), Error> {
        let listed = super::read_recipients(folder)?.into_iter().filter(|listed| !old.contains(&listed.to_string()));
        let after = with(&listed.collect::<Vec<_>>(), new);
        identity::seal(b"", &after, Mixture::Refuse, &self.plugins, Format::Binary).map(drop)
    }

    /// The second half of every change: recipients and files as the journal wants them, and its end.
    pub(super) fn end(&self, folder: &Folder, journal: &Journal, identities: &[Identity]) -> Result<(), Error> {
        if journal.identity.is_some() {
            // The rename of the identity must last before anything is written that only the new one opens.
            self.home()?.0.sync()?;
        }
        let files = self.unseal(folder, identities, Foreign::Leave)?;
        let own: Vec<String> = identities.iter().filter_map(Identity::public).collect();
        write_recipients(folder, &own, &journal.add, &journal.drop)?;
        let recipients = super::read_recipients(folder)?;
        self.seal(folder, &files, &recipients, &[identities], Mixture::Refuse)?;
        folder.remove(JOURNAL).map(drop)
    }

    /// Before the switch: nobody needs the new identity, so it is deleted, last of all.
    fn take_back(&self, folder: &Folder, journal: Option<&Journal>, home: &Folder, staged: &str) -> Result<(), Error> {
        if let Some(journal) = journal {
            if folder.has(RECIPIENTS) {
                write_recipients(folder, &[], &[], &journal.add)?;
            }
            if let (Some(file), Some(retired)) = (&journal.former, self.retired_folder()?) {
                retired.remove(file)?;
            }
            folder.remove(JOURNAL)?;
        }
        home.remove(staged).map(drop)
    }

    /// The identity that a rotation put beside the current one, if there is one.
    fn staged_identity(&self) -> Result<Option<(Folder, String)>, Error> {
        if self.is_given {
            return Ok(None);
        }
        let (parent, current) = self.identity_place()?;
        let staged = staged_name(current);
        Ok(Folder::open(parent, Trust::Shared)?.filter(|home| home.has(&staged)).map(|home| (home, staged)))
    }

    fn home(&self) -> Result<(Folder, &str), Error> {
        let (parent, file) = self.identity_place()?;
        Ok((Folder::open_or_make(parent, Trust::Shared)?, file))
    }

    /// Where the former identity will be kept: the folder, the file's name, and what it is to hold.
    fn former_identity(&self, home: &Folder, current: &str, now: u64, keep: Keep) -> Result<(Folder, String, Zeroizing<Vec<u8>>), Error> {
        let Some(content) = home.read(current)? else {
            return Err(Error::new(Code::KeyStore, format!("{} vanished", self.identity.display())));
        };
        let retired = Folder::open_or_make(&self.folder.join(RETIRED), Trust::Private)?;
        let file = retired::free_name(&retired, retired::IDENTITY, now, keep)?;
        Ok((retired, file, content.bytes))
    }

    fn recipients_or(&self, folder: &Folder, own: &[String]) -> Result<Vec<Recipient>, Error> {
        let listed = super::read_recipients(folder)?;
        if listed.is_empty() { identity::recipients(own.join("\n").as_bytes()) } else { Ok(listed) }
    }

    /// Opens every age file, the former ones too.
    pub(super) fn unseal_all(&self, folder: &Folder, identities: &[Identity]) -> Result<usize, Error> {
        Ok(self.unseal(folder, identities, Foreign::Refuse)?.len())
    }

    fn unseal(&self, folder: &Folder, identities: &[Identity], foreign: Foreign) -> Result<Vec<Unsealed>, Error> {
        let mut files = Vec::new();
        for (place, is_retired) in [(Some(folder), false), (self.retired_folder()?.as_ref(), true)] {
            let Some(place) = place else { continue };
            let mut names = place.list()?;
            names.sort();
            for file in names.into_iter().filter(|file| file.ends_with(".age")) {
                let Some(content) = place.read(&file)? else { continue };
                let is_armored = content.bytes.starts_with(b"-----BEGIN");
                match identity::open(&content.bytes, identities, &self.plugins) {
                    Ok(plaintext) => files.push(Unsealed { is_retired, file, plaintext, is_armored }),
                    Err(DecryptError::NoMatchingKeys) if foreign == Foreign::Leave => {}
                    Err(error) => return Err(unopened(&place.path_of(&file), error)),
                }
            }
        }
        Ok(files)
    }

    /// The former identity, for the new one alone: those who share the keys have no use for it.
    fn seal_former(&self, retired: &Folder, file: &str, content: &[u8], new: &[Identity]) -> Result<std::path::PathBuf, Error> {
        let new = with(&[], new);
        retired.replace(file, &identity::seal(content, &new, Mixture::Refuse, &self.plugins, Format::Binary)?)?;
        Ok(retired.path_of(file))
    }

    /// Writes files for `recipients`, each in one step. Former identities are for the holder of the identity alone.
    fn seal(
        &self,
        folder: &Folder,
        files: &[Unsealed],
        recipients: &[Recipient],
        own: &[&[Identity]],
        mixture: Mixture,
    ) -> Result<(), Error> {
        let own: Vec<Recipient> = own.iter().copied().flatten().map(Recipient::from).collect();
        let retired = self.retired_folder()?;
        for unsealed in files {
            let for_whom = if unsealed.file.starts_with(retired::IDENTITY) { &own } else { recipients };
            let format = if unsealed.is_armored { Format::AsciiArmor } else { Format::Binary };
            let sealed = identity::seal(&unsealed.plaintext, for_whom, mixture, &self.plugins, format)?;
            let place = if unsealed.is_retired { retired.as_ref() } else { Some(folder) };
            if let Some(place) = place {
                place.replace(&unsealed.file, &sealed)?;
            }
        }
        Ok(())
    }
}

/// The recipients file with lines added and dropped; comments and the others' lines stay. `own` stands for a lost file.
fn write_recipients(folder: &Folder, own: &[String], add: &[String], drop: &[String]) -> Result<(), Error> {
    let before = folder.read(RECIPIENTS)?.map_or_else(Vec::new, |content| content.bytes.to_vec());
    let is_empty = identity::recipients(&before)?.is_empty();
    let text = String::from_utf8_lossy(&before);
    let mut lines: Vec<&str> = text.lines().filter(|line| !drop.iter().any(|dropped| dropped == line.trim())).collect();
    let own = if is_empty { own } else { &[] };
    for added in own.iter().chain(add) {
        if !lines.iter().any(|line| line.trim() == added) && !drop.contains(added) {
            lines.push(added);
        }
    }
    let after = lines.iter().fold(String::new(), |text, line| text + line + "\n");
    if after.as_bytes() == before { Ok(()) } else { folder.replace(RECIPIENTS, after.as_bytes()) }
}

fn with(recipients: &[Recipient], identities: &[Identity]) -> Vec<Recipient> {
    recipients.iter().cloned().chain(identities.iter().map(Recipient::from)).collect()
}

/// The public keys of the identity that goes.
fn former_keys(opener: &Opener<'_>, new: &[String]) -> Result<Vec<String>, Error> {
    let old = opener.public_keys();
    if old.len() < opener.identities.len() {
        return Err(Error::new(Code::KeyStore, "the public key of the identity in place is not known: it could not be taken out")
            .hint("put the line `# public key: age1…` above it in its file"));
    }
    if old.iter().any(|old| new.contains(old)) {
        return Err(Error::new(Code::Usage, "this is the identity that is in place already"));
    }
    Ok(old)
}

/// Reads the new identity back from the disk: it is about to become the only one.
fn check_staged(home: &Folder, staged: &str, protect: Option<&Secret>, public: &str) -> Result<(), Error> {
    let unreadable = || Error::new(Code::KeyStore, "the new identity cannot be read back from the disk");
    let content = home.read(staged)?.ok_or_else(unreadable)?;
    let identities = match (identity::parse(&content.bytes)?, protect) {
        (IdentityFile::Open(identities), None) => identities,
        (IdentityFile::Protected(file), Some(passphrase)) => identity::unlock(&file, passphrase)?,
        _ => return Err(unreadable()),
    };
    if identities.iter().any(|identity| identity.public().as_deref() == Some(public)) { Ok(()) } else { Err(unreadable()) }
}

/// Keys in folders of their own are not aimux's, but they would be lost with the identity that opens them.
fn no_folders_within(folder: &Folder) -> Result<(), Error> {
    match folder.list()?.into_iter().find(|name| !name.starts_with('.') && folder.is_folder(name)) {
        None => Ok(()),
        Some(name) => {
            let place = folder.path_of(&name);
            Err(Error::new(Code::KeyStore, format!("{} is a folder: keys in it would not be encrypted anew", place.display()))
                .hint("move it elsewhere first"))
        }
    }
}

fn staged_name(current: &str) -> String {
    format!(".{current}.aimux-new")
}

fn unopened(path: &std::path::Path, error: DecryptError) -> Error {
    if let Some(failure) = plugin::failure_in(&error) {
        return Error { message: format!("{} cannot be opened: {}; nothing was changed", path.display(), failure.message), ..failure };
    }
    let why = if matches!(error, DecryptError::NoMatchingKeys) { "is encrypted for another identity" } else { "is damaged or no age file" };
    Error::new(Code::KeyStore, format!("{} {why}; nothing was changed", path.display()))
        .hint("move it elsewhere if it is not needed, then try again")
        .caused_by(error)
}

pub(super) fn half_done(error: Error) -> Error {
    Error { message: format!("{}; the change is half done, every key opens", error.message), ..error }
        .hint("the next `aimux keys` command ends it, once the cause is mended")
}
