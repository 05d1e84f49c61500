//! Which keys a config uses, and for which provider: what a command needs to check one.
//!
//! Start with [`key_uses`]; nothing is opened before [`KeyOpener::open`].

use std::sync::Arc;

use super::key_sources::Source;
use super::load;
use super::{Environment, LoadError, Options};
use crate::error::Error;
use crate::keys::oauth::OAuth;
use crate::keys::{Key, Store};
use crate::provider::{Preset, table::PRESETS};
use crate::route::table::Provider;
use crate::secret::Secret;

/// A key that a config names, and the provider that it is for.
#[derive(Debug, Clone)]
pub struct KeyUse {
    /// The file's name, the variable's, or a label for a program.
    pub name: String,
    /// `file`, `env` or `cmd`.
    pub kind: &'static str,
    /// The provider, without its keys.
    pub provider: Arc<Provider>,
    /// The variables that programs usually read the provider's key from; empty where none is known.
    pub variables: &'static [&'static str],
    source: Source,
}

/// Every key that the config names, in its order. No key is opened; that one is not there is no error.
///
/// # Errors
/// When there is no config, or it has errors.
pub fn key_uses(options: &Options, environment: &Environment, store: &Store) -> Result<Vec<KeyUse>, LoadError> {
    let used = load::uses(options, environment, store)?;
    let each = |(provider, sources): load::Used| {
        sources.into_iter().map(move |source| {
            let (kind, name) = match &source {
                Source::File(name) => ("file", name.clone()),
                Source::Variable(name) => ("env", name.clone()),
                Source::Command(command) => ("cmd", command.label()),
            };
            KeyUse { name, kind, provider: Arc::clone(&provider), variables: variables(&provider), source }
        })
    };
    Ok(used.into_iter().flat_map(each).collect())
}

/// A provider that keys can be had for.
#[derive(Debug, Clone)]
pub struct Provided {
    /// Its name.
    pub name: String,
    /// How it is logged in to; `None`: not at all.
    pub oauth: Option<Arc<OAuth>>,
    /// What the file of its key is called.
    pub key: String,
}

/// The providers of the config, and behind them the presets that it does not name. No key is opened.
///
/// # Errors
/// When there is no config, or it has errors.
pub fn provided(options: &Options, environment: &Environment, store: &Store) -> Result<Vec<Provided>, LoadError> {
    let used = load::uses(options, environment, store)?;
    let each = |(provider, sources): load::Used| {
        let file = sources.into_iter().find_map(|source| if let Source::File(name) = source { Some(name) } else { None });
        // A preset's usual key is called after it, whatever the provider is called.
        let usual = || preset_of(&provider).map_or_else(|| provider.name.clone(), |preset| preset.name.to_owned());
        Provided { name: provider.name.clone(), oauth: provider.oauth.clone(), key: file.unwrap_or_else(usual) }
    };
    let mut provided: Vec<Provided> = used.into_iter().map(each).collect();
    for preset in provided_without() {
        if provided.iter().all(|known| known.name != preset.name) {
            provided.push(preset);
        }
    }
    Ok(provided)
}

/// The presets alone, for who has no config.
#[must_use]
pub fn provided_without() -> Vec<Provided> {
    let each = |preset: &Preset| {
        let oauth = preset.login.as_ref().map(|login| Arc::new(super::oauth::of_preset(login)));
        Provided { name: preset.name.to_owned(), oauth, key: preset.name.to_owned() }
    };
    PRESETS.iter().map(each).collect()
}

fn preset_of(provider: &Provider) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| !preset.catalog.is_empty() && preset.catalog == provider.catalog)
}

fn variables(provider: &Provider) -> &'static [&'static str] {
    preset_of(provider).map_or(&[], |preset| preset.env)
}

/// A key that was opened.
#[derive(Debug)]
pub struct OpenedKey {
    /// The key.
    pub secret: Secret,
    /// All that its file says, where it can be refreshed.
    pub token: Option<Key>,
}

/// Opens keys; the identity once, and only when there is a file to open.
pub struct KeyOpener<'a>(load::Opener<'a>);

impl<'a> KeyOpener<'a> {
    /// Asks `passphrase` when the identity is protected by one.
    pub fn new(environment: &'a Environment, store: &'a Store, passphrase: &'a mut dyn FnMut() -> Result<Secret, Error>) -> Self {
        Self(load::Opener::new(environment, store, Some(passphrase)))
    }

    /// The key, as a server would send it.
    ///
    /// # Errors
    /// When it is not there, cannot be opened, or is no key.
    pub fn open(&mut self, used: &KeyUse) -> Result<OpenedKey, Error> {
        let load::Opened { secret, token, .. } = self.0.key(&used.source, &used.provider.name)?;
        Ok(OpenedKey { secret, token })
    }
}

impl std::fmt::Debug for KeyOpener<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyOpener(…)")
    }
}
