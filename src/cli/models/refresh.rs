//! Asks the providers for their lists, some at a time, and keeps what they say.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::audit::Log;
use crate::cli::fresh::Fresh;
use crate::cli::{CliError, console, known, output};
use crate::config::{self, Environment, KeyOpener, Options};
use crate::provider::lists::Lists;
use crate::route::Table;
use crate::secret::Secret;
use crate::upstream::{Answered, Lister};

/// Providers asked at a time.
const AT_ONCE: usize = 8;

/// A provider that gave no list.
pub(super) struct Failure {
    pub(super) provider: String,
    pub(super) reason: String,
}

/// Asks every provider of the config, with its first key that opens; keeps what came, and says what did not.
pub(super) fn all(
    lists: &mut Lists,
    place: &Path,
    table: &Table,
    options: &Options,
    environment: &Environment,
) -> Result<Vec<Failure>, CliError> {
    let keys = keys(table, options, environment)?;
    let lister = Lister::default();
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((at, provider)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, table.providers.get(at)?))) {
            let result = match keys.get(&provider.name) {
                Some(Err(reason)) => Err(reason.clone()),
                Some(Ok(secret)) => lister.list(provider, Some(secret)),
                None => lister.list(provider, None),
            };
            results.lock().unwrap_or_else(PoisonError::into_inner).push((at, provider.name.clone(), result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(table.providers.len()) {
            scope.spawn(work);
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(at, ..)| *at);
    let mut failures = Vec::new();
    for (_, provider, result) in results {
        match result {
            Ok(Answered { base_url, models }) => lists.put(&provider, &base_url, super::now_s(), &models),
            Err(reason) => failures.push(Failure { provider, reason }),
        }
    }
    for Failure { provider, reason } in &failures {
        output::error(&(output::printable(&format!("note: {provider} gave no list: {}", reason.replace('\n', " "))) + "\n"));
    }
    if failures.len() < table.providers.len() {
        lists.save(place)?;
    }
    Ok(failures)
}

/// The first key of each provider that opens; else why none does, of those that have some.
type Keys = BTreeMap<String, Result<Secret, String>>;

fn keys(table: &Table, options: &Options, environment: &Environment) -> Result<Keys, CliError> {
    let store = known::store(environment).remembering();
    let log = Log::new(&environment.state_folder(), "models");
    let fresh = Fresh { store: &store, log: &log, environment, path: options.path.clone() };
    let uses = if table.providers.is_empty() { Vec::new() } else { config::key_uses(options, environment, &store)? };
    let mut ask = console::ask_passphrase;
    let mut opener = KeyOpener::new(environment, &store, &mut ask);
    let mut keys = Keys::new();
    for used in &uses {
        let name = &used.provider.name;
        if keys.get(name).is_some_and(Result::is_ok) {
            continue;
        }
        match fresh.secret(used, &mut opener) {
            Ok(secret) => drop(keys.insert(name.clone(), Ok(secret))),
            Err(error) => drop(keys.entry(name.clone()).or_insert(Err(error.message))),
        }
    }
    Ok(keys)
}
