//! Who can open the keys: the public keys in `keys/.age-recipients`, changed together with every file.
//!
//! Taking one out says nothing about copies that were made before: those still open. Start with
//! [`Store::change_recipients`].

use age::armor::Format;

use super::folder::{Folder, Trust};
use super::recipient::{Mixture, Recipient};
use super::reseal::Journal;
use super::{Ask, Error, Store, identity, read_recipients};
use crate::error::Code;

/// A change of who can open the keys. A public key is `age1…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// One more.
    Add(&'a str),
    /// One less; not our own.
    Remove(&'a str),
    /// One less, be it our own: other machines open the keys then.
    RemoveEvenOwn(&'a str),
}

/// What [`Store::change_recipients`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipients {
    /// The public keys now.
    pub public: Vec<String>,
    /// How many files were encrypted anew, former keys included.
    pub files: usize,
}

impl Change<'_> {
    /// Whether the text is a public key.
    ///
    /// # Errors
    /// When it is not. It is never repeated: it may be an identity that was put in the wrong place.
    pub fn check(&self) -> Result<(), Error> {
        let (Self::Add(public) | Self::Remove(public) | Self::RemoveEvenOwn(public)) = self;
        check(public)
    }
}

impl Store {
    /// Adds or takes out a recipient, and encrypts every key and former key anew. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// When the text is no public key, there is nothing to change, nobody or not we could open the keys afterwards, or a
    /// file cannot be opened: nothing has been written then. What cannot be written is ended by the next command.
    pub fn change_recipients(&self, change: Change<'_>, now: u64, passphrase: Ask<'_>) -> Result<Recipients, Error> {
        change.check()?;
        let opener = self.opener(passphrase)?;
        let folder = Folder::open_or_make(&self.folder, Trust::Private)?;
        let _lock = folder.lock()?;
        let opener = opener.renewed()?;
        self.mend_wholly(&folder, now, &opener.identities)?;
        let listed: Vec<String> = read_recipients(&folder)?.iter().map(ToString::to_string).collect();
        let own = opener.public_keys();
        let listed = if listed.is_empty() { own.clone() } else { listed };
        allowed(change, &listed, &own)?;
        // What would fail half-way is tried first: a plugin that is missing, recipients that do not go together.
        let after = match change {
            Change::Add(public) => listed.iter().map(String::as_str).chain([public]).collect::<Vec<_>>(),
            Change::Remove(public) | Change::RemoveEvenOwn(public) => {
                listed.iter().map(String::as_str).filter(|listed| *listed != public).collect()
            }
        };
        let after = identity::recipients(after.join("\n").as_bytes())?;
        identity::seal(b"", &after, Mixture::Refuse, &self.plugins, Format::Binary)?;
        let files = self.unseal_all(&folder, &opener.identities)?;
        let journal = match change {
            Change::Add(public) => Journal { add: vec![public.to_owned()], ..Journal::default() },
            Change::Remove(public) | Change::RemoveEvenOwn(public) => Journal { drop: vec![public.to_owned()], ..Journal::default() },
        };
        journal.write(&folder)?;
        self.end(&folder, &journal, &opener.identities).map_err(super::reseal::half_done)?;
        let public = read_recipients(&folder)?.iter().map(ToString::to_string).collect();
        Ok(Recipients { public, files })
    }
}

fn check(public: &str) -> Result<(), Error> {
    let upper = public.get(..15).unwrap_or_default().to_ascii_uppercase();
    if upper.starts_with("AGE-SECRET-KEY-") || upper.starts_with("AGE-PLUGIN-") {
        return Err(Error::new(Code::Usage, "this is a secret identity, not a public key; it is not repeated here")
            .hint("`age-keygen -y FILE` prints the public key; replace the identity if it stands in your shell's history"));
    }
    public.parse::<Recipient>().map(drop).map_err(|()| {
        Error::new(Code::Usage, "a recipient is a public key age1…: 62 characters, or more of a post-quantum or a plugin's one")
            .hint("`age-keygen -y FILE` prints an identity's; a character may be missing")
    })
}

fn allowed(change: Change<'_>, listed: &[String], own: &[String]) -> Result<(), Error> {
    let has = |public: &str| listed.iter().any(|listed| listed == public);
    let is_own = |public: &str| own.iter().any(|own| own == public);
    let refused = |message: &str, hint: &str| Err(Error::new(Code::Usage, message).hint(hint));
    match change {
        Change::Add(public) if has(public) => refused("this recipient is there already", "`aimux keys recipients list` shows them"),
        Change::Add(_) => Ok(()),
        Change::Remove(public) | Change::RemoveEvenOwn(public) if !has(public) => {
            refused("there is no such recipient", "`aimux keys recipients list` shows them")
        }
        Change::Remove(_) | Change::RemoveEvenOwn(_) if listed.len() == 1 => {
            refused("this is the last recipient: nobody could open the keys", "add another one first")
        }
        Change::Remove(public) if is_own(public) && listed.iter().filter(|listed| is_own(listed)).count() == 1 => refused(
            "this is the recipient of this machine's own identity: aimux could not open its keys here",
            "put --force if that is wanted",
        ),
        Change::Remove(_) | Change::RemoveEvenOwn(_) => Ok(()),
    }
}
