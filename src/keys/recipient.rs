//! A public key that files are encrypted to: X25519, the two kinds of tagged ones that are for security keys, or a plugin's.
//!
//! It lacks passphrases, which no list of recipients may have. Start with [`Recipient`]; [`sealing`] is what the age library
//! encrypts to.

use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;

use age::EncryptError;
use age_core::format::{FileKey, Stanza};

use super::plugin::{PluginIdentity, PluginRecipient, Plugins};

/// Whom a file is encrypted to.
#[derive(Clone)]
pub(crate) enum Recipient {
    X25519(age::x25519::Recipient),
    /// P-256 in a security key, `age1tag1…`.
    Tag(age::tag::Recipient),
    /// The same with ML-KEM-768, `age1tagpq1…`.
    TagPq(Box<age::tagpq::Recipient>),
    Plugin(PluginRecipient),
    /// An identity whose public key is not known: its plugin encrypts to it.
    Own(PluginIdentity),
}

/// What kind of public key a text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `age1…`.
    X25519,
    /// `age1tag1…`, opened by a plugin.
    Tag,
    /// `age1tagpq1…`, post-quantum, opened by a plugin.
    TagPq,
    /// `age1NAME1…`: the plugin's name.
    Plugin(String),
}

impl Kind {
    /// The kind of a public key; `None`: the text is none.
    #[must_use]
    pub fn of(public: &str) -> Option<Self> {
        match public.parse().ok()? {
            Recipient::X25519(_) => Some(Self::X25519),
            Recipient::Tag(_) => Some(Self::Tag),
            Recipient::TagPq(_) => Some(Self::TagPq),
            Recipient::Plugin(recipient) => Some(Self::Plugin(recipient.plugin)),
            Recipient::Own(_) => None,
        }
    }

    /// A name for programs: `x25519`, `tag`, `tagpq` or `plugin`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::X25519 => "x25519",
            Self::Tag => "tag",
            Self::TagPq => "tagpq",
            Self::Plugin(_) => "plugin",
        }
    }
}

impl FromStr for Recipient {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim();
        text.parse()
            .map(Self::X25519)
            .or_else(|_| text.parse().map(Self::Tag))
            .or_else(|_| text.parse().map(|recipient| Self::TagPq(Box::new(recipient))))
            .or_else(|_| text.parse().map(Self::Plugin))
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::X25519(recipient) => recipient.fmt(f),
            Self::Tag(recipient) => recipient.fmt(f),
            Self::TagPq(recipient) => recipient.fmt(f),
            Self::Plugin(recipient) => recipient.fmt(f),
            Self::Own(identity) => write!(f, "an identity of age-plugin-{}", identity.plugin),
        }
    }
}

/// Whether recipients of different strength may share a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mixture {
    /// No: age's own rule, for the weakest one decides what the file is worth.
    Refuse,
    /// Yes, for as long as an exchange of identities takes: the weaker one opened the file before, too.
    Allow,
}

/// What the age library is given to encrypt to: one for each native recipient, one for all of a plugin's.
pub(crate) fn sealing<'a>(recipients: &'a [Recipient], plugins: &'a Plugins, mixture: Mixture) -> Vec<Sealing<'a>> {
    let mut rows = Vec::new();
    let mut groups: BTreeMap<&str, (Vec<&PluginRecipient>, Vec<&PluginIdentity>)> = BTreeMap::new();
    for recipient in recipients {
        match recipient {
            Recipient::X25519(recipient) => rows.push(To::Native(recipient)),
            Recipient::Tag(recipient) => rows.push(To::Native(recipient)),
            Recipient::TagPq(recipient) => rows.push(To::Native(&**recipient)),
            Recipient::Plugin(recipient) => groups.entry(&recipient.plugin).or_default().0.push(recipient),
            Recipient::Own(identity) => groups.entry(&identity.plugin).or_default().1.push(identity),
        }
    }
    rows.extend(groups.into_iter().map(|(plugin, (recipients, identities))| To::Plugin { plugins, plugin, recipients, identities }));
    rows.into_iter().map(|to| Sealing { to, mixture }).collect()
}

/// One recipient, or several of one plugin's, as the age library wants them.
pub(crate) struct Sealing<'a> {
    to: To<'a>,
    mixture: Mixture,
}

enum To<'a> {
    Native(&'a dyn age::Recipient),
    Plugin { plugins: &'a Plugins, plugin: &'a str, recipients: Vec<&'a PluginRecipient>, identities: Vec<&'a PluginIdentity> },
}

impl age::Recipient for Sealing<'_> {
    fn wrap_file_key(&self, key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let (stanzas, labels) = match &self.to {
            To::Native(recipient) => recipient.wrap_file_key(key)?,
            To::Plugin { plugins, plugin, recipients, identities } => {
                plugins.wrap(plugin, recipients, identities, key).map_err(|failure| EncryptError::Io(std::io::Error::other(failure)))?
            }
        };
        Ok((stanzas, if self.mixture == Mixture::Allow { HashSet::new() } else { labels }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_public_key_is_told_apart_and_printed_as_it_came() {
        let tagpq = include_str!("../../tests/fixtures/age/tagpq.txt").trim();
        let rows = [
            ("age1lvyvwawkr0mcnnnncaghunadrqkmuf9e6507x9y920xxpp866cnql7dp2z", Kind::X25519),
            (tagpq, Kind::TagPq),
            ("age1se1qfn44rsw0xvmez3pky46nghmnd5up0jpj97nd39zptlh83a0nja6skde3ak", Kind::Plugin("se".to_owned())),
        ];
        for (text, kind) in rows {
            assert_eq!(Kind::of(text), Some(kind), "{text}");
            assert_eq!(text.parse::<Recipient>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "age1",
            "age1nonsense",
            "age11qqqq",
            "AGE-SECRET-KEY-1",
            "age1se1qfn44rsw0xvmez3pky46nghmnd5up0jpj97nd39zptlh83a0nja6skde3al",
        ] {
            assert_eq!(Kind::of(text), None, "{text}");
        }
    }
}
