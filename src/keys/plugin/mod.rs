//! age's plugins: programs `age-plugin-NAME` on `PATH` that hold what opens a file, a security key say, or know a way to
//! encrypt that the age library does not.
//!
//! The protocol is C2SP's age-plugin.md. It is spoken here rather than by the age library, whose own speaker waits for ever,
//! hands every variable on, and repeats file keys on standard error when `AGEDEBUG` says so. Without a person a plugin may do what
//! it can by itself: whatever it asks is answered with a failure. Start with [`Plugins`].

mod process;
mod stanza;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::ffi::OsString;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use age::secrecy::ExposeSecret as _;
use age::{DecryptError, EncryptError};
use age_core::format::{FileKey, Stanza as Wrapped};
use age_core::primitives::{bech32_decode, bech32_encode};
use zeroize::Zeroizing;

use self::process::Process;
use self::stanza::Stanza;
use crate::error::{Code, Error};
use crate::secret::Secret;
use crate::wire::base64;

/// The most stanzas that a plugin may send in one conversation.
const STANZAS_MAX: usize = 1000;
/// The most characters of a plugin's own words that are repeated.
const WORDS_MAX: usize = 300;
/// The identity of age's own post-quantum kind, which the age library does not know; `age-plugin-pq` does, by its own name.
const PQ_NATIVE: &str = "AGE-SECRET-KEY-PQ-";
const PQ_PLUGIN: &str = "AGE-PLUGIN-PQ-";

/// Whoever sits at the terminal: what a plugin has to say to a person goes there.
pub trait Person: Send + Sync {
    /// Shows a message, such as to touch a device.
    fn tell(&self, message: &str);
    /// Asks for a text, unseen when it is `secret`; `None`: there is no answer.
    fn ask(&self, message: &str, secret: bool) -> Option<Secret>;
    /// Asks to choose: `Some(true)` for `yes`, `Some(false)` for `no`, which may be absent; `None`: there is no answer.
    fn choose(&self, message: &str, yes: &str, no: Option<&str>) -> Option<bool>;
}

/// The way to the plugins, and to the person that they may ask.
#[derive(Clone, Default)]
pub(crate) struct Plugins {
    /// Variables that a plugin has no use for: the providers' keys.
    pub(crate) hidden: Vec<&'static str>,
    /// Who is asked; `None`: nobody is there.
    pub(crate) person: Option<Arc<dyn Person>>,
    /// Where a test has its plugins, instead of `PATH`.
    #[cfg(test)]
    pub(crate) folder: Option<std::path::PathBuf>,
    /// How long a test lets them be silent.
    #[cfg(test)]
    pub(crate) silence: Option<Duration>,
}

impl std::fmt::Debug for Plugins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugins").field("is_attended", &self.person.is_some()).finish()
    }
}

/// A public key that a plugin encrypts to, `age1NAME1…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PluginRecipient {
    pub(crate) plugin: String,
    text: String,
}

impl FromStr for PluginRecipient {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let plugin = prefix(text)?.strip_prefix("age1").map(str::to_owned).filter(|name| is_name(name)).ok_or(())?;
        Ok(Self { plugin, text: text.to_owned() })
    }
}

impl std::fmt::Display for PluginRecipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a plugin opens files with, `AGE-PLUGIN-NAME-1…`: a secret with some plugins, the name of a device with others.
#[derive(Clone)]
pub(crate) struct PluginIdentity {
    pub(crate) plugin: String,
    text: Zeroizing<String>,
    /// The public key, where a comment above it says so.
    pub(crate) public: Option<String>,
}

impl FromStr for PluginIdentity {
    type Err = ();

    /// Reads a plugin's identity, or one of age's own post-quantum kind.
    fn from_str(text: &str) -> Result<Self, ()> {
        let text = if text.starts_with(PQ_NATIVE) { for_pq_plugin(text)? } else { Zeroizing::new(text.to_owned()) };
        let plugin = prefix(&text)?;
        let plugin = plugin.strip_prefix("AGE-PLUGIN-").and_then(|name| name.strip_suffix('-')).map(str::to_ascii_lowercase);
        let plugin = plugin.filter(|name| is_name(name)).ok_or(())?;
        Ok(Self { plugin, text, public: None })
    }
}

impl PluginIdentity {
    /// The same with what a comment says of its public key.
    pub(crate) fn with_public(self, public: Option<String>) -> Self {
        Self { public, ..self }
    }
}

impl std::fmt::Debug for PluginIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginIdentity").field("plugin", &self.plugin).finish_non_exhaustive()
    }
}

/// What stands before bech32's separator, in its own case. Errors when the checksum is wrong.
fn prefix(text: &str) -> Result<String, ()> {
    bech32_decode(text, |_| (), |_| Ok(()), |_, _| Ok(()))?;
    text.rsplit_once('1').map(|(prefix, _)| prefix.to_owned()).ok_or(())
}

/// The same identity under the name that the plugin `pq` takes.
fn for_pq_plugin(text: &str) -> Result<Zeroizing<String>, ()> {
    let bytes = bech32_decode(text, |_| (), |_| Ok(()), |_, bytes| Ok(Zeroizing::new(bytes.collect::<Vec<u8>>())))?;
    let prefix = bech32::Hrp::parse(PQ_PLUGIN).map_err(|_| ())?;
    let mut lower = Zeroizing::new(bech32_encode(prefix, &bytes));
    lower.make_ascii_uppercase();
    Ok(lower)
}

/// What may follow `age-plugin-`: nothing that leads out of the folders of `PATH`.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_'))
}

/// Why a plugin gave nothing.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    plugin: String,
    trouble: Trouble,
}

#[derive(Debug, Clone)]
enum Trouble {
    Missing,
    NotStarted(String),
    Died,
    TooSlow(Duration),
    Nonsense,
    Said(String),
    /// It had a question, and nobody was there.
    Unanswered,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { plugin, trouble } = self;
        write!(f, "age's plugin \"{plugin}\" ")?;
        match trouble {
            Trouble::Missing => write!(f, "is not installed: there is no program age-plugin-{plugin} on PATH"),
            Trouble::NotStarted(why) => write!(f, "could not be started: {why}"),
            Trouble::Died => f.write_str("ended before it had answered"),
            Trouble::TooSlow(time) => write!(f, "said nothing for {} s", time.as_secs()),
            Trouble::Nonsense => f.write_str("does not speak the protocol of age's plugins"),
            Trouble::Said(words) => write!(f, "failed: {words}"),
            Trouble::Unanswered => f.write_str("asks something, and there is no terminal to ask on"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let hint = match &failure.trouble {
            Trouble::Missing => format!("install age-plugin-{} where this PATH finds it; a service has a PATH of its own", failure.plugin),
            Trouble::Unanswered | Trouble::TooSlow(_) => "run it on a terminal, with the device at hand".to_owned(),
            _ => "see whether `age -d -i IDENTITY FILE` works with it".to_owned(),
        };
        Self::new(Code::KeyUnavailable, failure.to_string()).hint(hint)
    }
}

/// The failure of a plugin that an error of the age library carries.
pub(crate) fn failure_in(error: &DecryptError) -> Option<Error> {
    let DecryptError::Io(error) = error else { return None };
    error.get_ref()?.downcast_ref::<Failure>().cloned().map(Error::from)
}

/// The same where something was to be encrypted.
pub(crate) fn failure_in_writing(error: &EncryptError) -> Option<Error> {
    let EncryptError::Io(error) = error else { return None };
    error.get_ref()?.downcast_ref::<Failure>().cloned().map(Error::from)
}

impl Plugins {
    /// A plugin's program.
    fn program(&self, plugin: &str) -> OsString {
        let name = format!("age-plugin-{plugin}");
        #[cfg(test)]
        if let Some(folder) = &self.folder {
            return folder.join(name).into();
        }
        name.into()
    }

    /// The file's key, if one of `identities` opens one of the stanzas; all of them are `plugin`'s.
    pub(super) fn unwrap(&self, plugin: &str, identities: &[&PluginIdentity], stanzas: &[Wrapped]) -> Result<Option<FileKey>, Failure> {
        let mut talk = Talk::start(self, plugin, "identity-v1", identities)?;
        for identity in identities {
            talk.process.say(&["add-identity", &identity.text], &[]);
        }
        for stanza in stanzas {
            let words = ["recipient-stanza", "0", &stanza.tag].into_iter().chain(stanza.args.iter().map(String::as_str));
            talk.process.say(&words.collect::<Vec<_>>(), &stanza.body);
        }
        talk.process.say(&["done"], &[]);
        let mut key = None;
        talk.listen(|stanza| match (stanza.tag(), stanza.argument(0), <&[u8; 16]>::try_from(stanza.body.as_slice())) {
            ("file-key", Some("0"), Ok(bytes)) if key.is_none() => {
                key = Some(FileKey::init_with_mut(|key| key.copy_from_slice(bytes)));
                true
            }
            _ => false,
        })?;
        match key {
            Some(key) => Ok(Some(key)),
            None => talk.errors().map(|()| None),
        }
    }

    /// The stanzas that let `recipients` and `identities` open the file, and what must be true of the others; all are `plugin`'s.
    pub(super) fn wrap(
        &self,
        plugin: &str,
        recipients: &[&PluginRecipient],
        identities: &[&PluginIdentity],
        key: &FileKey,
    ) -> Result<(Vec<Wrapped>, HashSet<String>), Failure> {
        let mut talk = Talk::start(self, plugin, "recipient-v1", identities)?;
        for recipient in recipients {
            talk.process.say(&["add-recipient", &recipient.text], &[]);
        }
        for identity in identities {
            talk.process.say(&["add-identity", &identity.text], &[]);
        }
        talk.process.say(&["extension-labels"], &[]);
        talk.process.say(&["wrap-file-key"], key.expose_secret());
        talk.process.say(&["done"], &[]);
        let (mut stanzas, mut labels) = (Vec::new(), HashSet::new());
        talk.listen(|stanza| match (stanza.tag(), stanza.argument(0), stanza.argument(1)) {
            ("recipient-stanza", Some("0"), Some(tag)) => {
                let args = stanza.words.iter().skip(3).cloned().collect();
                stanzas.push(Wrapped { tag: tag.to_owned(), args, body: stanza.body.to_vec() });
                true
            }
            ("labels", ..) => {
                labels.extend(stanza.words.iter().skip(1).cloned());
                true
            }
            _ => false,
        })?;
        talk.errors()?;
        if stanzas.is_empty() { Err(Failure::nonsense(plugin)) } else { Ok((stanzas, labels)) }
    }
}

/// A conversation with one plugin.
struct Talk<'a> {
    process: Process,
    plugin: &'a str,
    person: Option<&'a dyn Person>,
    /// What must not be repeated, should the plugin do so.
    secrets: &'a [&'a PluginIdentity],
    errors: Vec<String>,
    was_unanswered: bool,
}

impl<'a> Talk<'a> {
    fn start(plugins: &'a Plugins, plugin: &'a str, role: &str, secrets: &'a [&'a PluginIdentity]) -> Result<Self, Failure> {
        let process = Process::start(plugin, role, plugins)?;
        Ok(Self { process, plugin, person: plugins.person.as_deref(), secrets, errors: Vec::new(), was_unanswered: false })
    }

    /// Answers the plugin until it is done; what is its work's result goes to `taken`, which says whether it was.
    fn listen(&mut self, mut taken: impl FnMut(&Stanza) -> bool) -> Result<(), Failure> {
        for _ in 0..STANZAS_MAX {
            let stanza = self.process.hear()?;
            match stanza.tag() {
                "done" => return Ok(()),
                "msg" => match self.person {
                    Some(person) => {
                        person.tell(&self.shown(&stanza));
                        self.process.say(&["ok"], &[]);
                    }
                    None => self.process.say(&["fail"], &[]),
                },
                "confirm" => self.confirm(&stanza),
                "request-public" | "request-secret" => self.ask(&stanza),
                "error" => {
                    self.errors.push(self.shown(&stanza));
                    self.process.say(&["ok"], &[]);
                }
                _ if taken(&stanza) => self.process.say(&["ok"], &[]),
                "file-key" | "recipient-stanza" | "labels" => self.process.say(&["fail"], &[]),
                _ => self.process.say(&["unsupported"], &[]),
            }
        }
        Err(Failure::nonsense(self.plugin))
    }

    fn confirm(&mut self, stanza: &Stanza) {
        let word = |index| stanza.argument(index).and_then(base64::decode_text).map(|word| shortened(&word));
        let chosen = word(0).and_then(|yes| self.person?.choose(&self.shown(stanza), &yes, word(1).as_deref()));
        match chosen {
            Some(is_yes) => self.process.say(&["ok", if is_yes { "yes" } else { "no" }], &[]),
            None => self.unanswered(),
        }
    }

    fn ask(&mut self, stanza: &Stanza) {
        match self.person.and_then(|person| person.ask(&self.shown(stanza), stanza.tag() == "request-secret")) {
            Some(answer) => self.process.say(&["ok"], answer.expose().as_bytes()),
            None => self.unanswered(),
        }
    }

    fn unanswered(&mut self) {
        self.was_unanswered |= self.person.is_none();
        self.process.say(&["fail"], &[]);
    }

    /// A plugin's words, without the identities that it was given.
    fn shown(&self, stanza: &Stanza) -> String {
        let said = stanza.text();
        let said = self.secrets.iter().fold(said, |said, secret| said.replace(secret.text.as_str(), "AGE-PLUGIN-…"));
        shortened(said.trim())
    }

    fn errors(&self) -> Result<(), Failure> {
        let Some(first) = self.errors.first() else { return Ok(()) };
        let trouble = if self.was_unanswered { Trouble::Unanswered } else { Trouble::Said(first.clone()) };
        Err(Failure { plugin: self.plugin.to_owned(), trouble })
    }
}

fn shortened(words: &str) -> String {
    words.chars().take(WORDS_MAX).collect()
}
