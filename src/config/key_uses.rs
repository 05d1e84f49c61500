//! Which keys a config uses, and for which provider: what a command needs to check one.
//!
//! Start with [`key_uses`]; nothing is opened before [`KeyOpener::open`].

use std::sync::Arc;

use super::key_sources::Source;
use super::load;
use super::{Environment, LoadError, Options};
use crate::error::Error;
use crate::keys::Store;
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

fn variables(provider: &Provider) -> &'static [&'static str] {
    let is_its = |preset: &&Preset| !preset.catalog.is_empty() && preset.catalog == provider.catalog;
    PRESETS.iter().find(is_its).map_or(&[], |preset| preset.env)
}

/// Opens keys; the identity once, and only when there is a file to open.
pub struct KeyOpener<'a>(load::Opener<'a>);

impl<'a> KeyOpener<'a> {
    /// Asks `passphrase` when the identity is protected by one.
    pub fn new(environment: &'a Environment, store: &'a Store, passphrase: &'a mut dyn FnMut() -> Result<Secret, Error>) -> Self {
        Self(load::Opener { environment, store, passphrase: Some(passphrase), identity: None })
    }

    /// The key, as a server would send it.
    ///
    /// # Errors
    /// When it is not there, cannot be opened, or is no key.
    pub fn open(&mut self, used: &KeyUse) -> Result<Secret, Error> {
        Ok(self.0.key(&used.source, &used.provider.name)?.secret)
    }
}

impl std::fmt::Debug for KeyOpener<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyOpener(…)")
    }
}
