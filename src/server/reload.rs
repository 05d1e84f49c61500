//! A new config, and new keys, for a running server: read, checked, and only then put in the old one's place.
//!
//! A request keeps what it began with, a stream too, to its end. What is learnt of targets and keys stays, by their names.
//! The listening address does not change without a restart. Start with [`Reloader::reload`]; `control::reload` asks for it
//! from outside, `stamp.rs` when a file has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::{Shared, Snapshot, buffered_places, metrics, token};
use crate::audit::{Action, Change, Entry, Log};
use crate::config::{self, Environment, LoadError, Options};
use crate::error::{Code, Error};
use crate::keys::Store;
use crate::ledger;
use crate::provider::measured::MeasuredTarget;
use crate::route::Table;
use crate::secret::Secret;

/// How often is looked whether a former config is still in use, while somebody waits for that.
const LOOK: Duration = Duration::from_millis(10);

/// How often is looked whether a key expires soon.
const RENEWAL_LOOK: Duration = Duration::from_secs(1);

/// Where a config and its keys come from, again and again.
#[derive(Debug, Clone)]
pub struct Source {
    /// Which file, and what argv says instead of it.
    pub options: Options,
    /// The variables of the server's start.
    pub environment: Environment,
    /// The key files, with the identity that was opened at the start.
    pub store: Store,
}

/// What asked for a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// A command, by the control socket.
    Socket,
    /// SIGHUP.
    Signal,
    /// A file that changed.
    Watch,
}

impl Trigger {
    fn name(self) -> &'static str {
        match self {
            Self::Socket => "by command",
            Self::Signal => "by signal",
            Self::Watch => "a file changed",
        }
    }
}

/// Exchanges what a server serves from.
pub struct Reloader {
    pub(super) shared: Arc<Shared>,
    pub(super) source: Source,
    audit: Log,
    turn: tokio::sync::Mutex<u64>,
    /// The tables that were served from before, as long as somebody reads them.
    former: std::sync::Mutex<Vec<Weak<Table>>>,
}

impl Reloader {
    /// For a server's shared state. `source` is what its first config came from.
    pub(super) fn new(shared: Arc<Shared>, source: Source) -> Arc<Self> {
        let audit = Log::new(&source.environment.state_folder(), "serve");
        Arc::new(Self { shared, source, audit, turn: Default::default(), former: Default::default() })
    }

    /// Reads config and keys anew and, where they are sound, serves from them; then waits, for `drain` at most, until no
    /// request uses the former ones. One reload at a time; one that has begun is finished, whoever waits for it.
    ///
    /// # Errors
    /// When the server keeps what it has; the log says so too.
    pub async fn reload(self: &Arc<Self>, trigger: Trigger, drain: Duration) -> Result<Reloaded, LoadError> {
        let this = Arc::clone(self);
        let exchanged = tokio::spawn(async move {
            let outcome = this.exchange(trigger).await;
            tell(trigger, &outcome);
            outcome
        });
        let reloaded = exchanged.await.map_err(|error| bug("the reload", error))??;
        Ok(Reloaded { drained: self.drained(drain).await, ..reloaded })
    }

    /// Opens the protected identity, as it is on the disk now, and keeps it opened for the reloads to come. Nothing is read by it yet.
    ///
    /// # Errors
    /// When the passphrase does not open it.
    pub async fn unlock(&self, passphrase: Secret) -> Result<(), Error> {
        let store = self.source.store.clone();
        let opened = tokio::task::spawn_blocking(move || store.opener(&mut || Ok(passphrase.clone())).map(drop)).await;
        let opened = opened.map_err(|error| Error::new(Code::Bug, "opening the identity ended unexpectedly").caused_by(error))?;
        match &opened {
            Ok(()) => tracing::info!("the identity was opened by command"),
            Err(error) => tracing::warn!(code = %error.code, reason = %error.message, "the identity could not be opened by command"),
        }
        opened
    }

    /// Has the key of that name refreshed where that is due. Gives whether the server has it, as one that can be.
    ///
    /// # Errors
    /// When it has expired and cannot be refreshed.
    pub async fn freshen(&self, name: &str) -> Result<bool, Error> {
        let table = Arc::clone(&self.shared.current().table);
        let key = table.providers.iter().flat_map(|provider| &provider.keys).find(|key| key.name == name && key.token.is_some());
        let Some(key) = key else { return Ok(false) };
        self.shared.upstreams.renewals().freshen(key).await.map(|()| true)
    }

    async fn exchange(self: &Arc<Self>, trigger: Trigger) -> Result<Reloaded, LoadError> {
        let mut generation = self.turn.lock().await;
        let former = self.shared.current();
        let this = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || this.read(&former).map(|(new, notes)| (former, new, notes)));
        let (former, new, notes) = read.await.map_err(|error| bug("reading the config", error))??;
        let changes = changes(&former, &new);
        if changes.is_empty() {
            if is_refreshed(&former.table, &new.table) {
                // Another process did it, or we: the audit log has a line of it already.
                self.put(&former, new);
            }
            return Ok(Reloaded { generation: *generation, changes, notes, drained: false });
        }
        let subject = new.path.as_ref().map_or_else(|| "made from the keys at hand".to_owned(), |path| path.display().to_string());
        let entry = Entry::new(Action::ConfigReloaded, subject).note(trigger.name()).changes(changes.clone());
        let audit = self.audit.clone();
        let recorded = tokio::task::spawn_blocking(move || audit.append(&entry));
        // What cannot be recorded is not done.
        recorded.await.map_err(|error| bug("the audit log", error))?.map_err(LoadError::Other)?;
        *generation += 1;
        self.put(&former, new);
        Ok(Reloaded { generation: *generation, changes, notes, drained: false })
    }

    /// The config as it is on the disk now, with lines for the user. Blocks.
    fn read(&self, former: &Snapshot) -> Result<(Snapshot, Vec<String>), LoadError> {
        let Source { options, environment, store } = &self.source;
        // A server that began without a file takes one on that appears; one that has a file does not go back to none.
        let path = former.path.clone().or_else(|| options.path.clone());
        let options = &Options { path, ..options.clone() };
        let mut nobody =
            || Err(Error::new(Code::IdentityLocked, "the identity is protected by a passphrase that the running server was not given"));
        let mut ready = config::ready(options, environment, store, &mut nobody)?;
        let token = match &ready.server.token {
            Some(token) => token.clone(),
            None => token::load_or_make(&environment.state_folder()).map_err(LoadError::Other)?,
        };
        let mut notes = std::mem::take(&mut ready.notes);
        let (old, new) = (former.server.listen, ready.server.listen);
        if old != new {
            notes.push(format!("server.listen is {new} now; the server listens on {old} until it is restarted"));
            ready.server.listen = old;
        }
        Ok((Snapshot::new(ready, token), notes))
    }

    fn put(&self, former: &Snapshot, new: Snapshot) {
        let Shared { upstreams, connections, in_flight, streams, buffered, .. } = &*self.shared;
        let (old, limits) = (&*former.limits, &*new.limits);
        resize(connections, old.connections, limits.connections);
        resize(in_flight, old.requests_in_flight, limits.requests_in_flight);
        resize(streams, old.requests_in_flight, limits.requests_in_flight);
        resize(buffered, buffered_places(old), buffered_places(limits));
        upstreams.client.set_connect_timeout(Duration::from_secs(limits.connect_s));
        upstreams.counts.name(metrics::names(&new.table));
        match upstreams.ledger().as_deref() {
            Some(ledger) if same_place(&former.ledger, &new.ledger) => ledger.keep(new.ledger.keep_days),
            _ => upstreams.remember(&new.ledger),
        }
        for (provider, keys) in replaced(&former.table, &new.table, Exchanged::Anyhow) {
            upstreams.health().keys_replaced(provider, &keys);
        }
        self.former.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&former.table));
        self.shared.current.store(Arc::new(new));
        upstreams.renewals().forget();
    }

    /// Refreshes the keys that expire before they do, whether or not requests come; never ends.
    pub async fn renew_ahead(self: Arc<Self>) {
        let mut looks = tokio::time::interval(RENEWAL_LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let table = Arc::clone(&self.shared.current().table);
            let keys = table.providers.iter().flat_map(|provider| &provider.keys);
            keys.for_each(|key| self.shared.upstreams.renewals().ahead(key));
        }
    }

    /// Waits until nobody reads a former table, for `limit` at most. Whether nobody does.
    async fn drained(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        loop {
            let is_drained = {
                let mut former = self.former.lock().unwrap_or_else(PoisonError::into_inner);
                former.retain(|table| table.strong_count() > 0);
                former.is_empty()
            };
            if is_drained || Instant::now() >= end {
                return is_drained;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Whether a ledger goes on in the same place.
fn same_place(former: &ledger::Settings, new: &ledger::Settings) -> bool {
    new.enabled && former.place == new.place
}

fn bug(what: &str, error: tokio::task::JoinError) -> LoadError {
    LoadError::Other(Error::new(Code::Bug, format!("{what} ended unexpectedly")).caused_by(error))
}

/// Writes what came of it into the server's log.
fn tell(trigger: Trigger, outcome: &Result<Reloaded, LoadError>) {
    let trigger = trigger.name();
    match outcome {
        Ok(Reloaded { changes, .. }) if changes.is_empty() => tracing::debug!(trigger, "nothing to reload"),
        Ok(Reloaded { generation, changes, notes, .. }) => {
            tracing::info!(trigger, generation, changes = changes.len(), "reloaded");
            notes.iter().for_each(|note| tracing::warn!("{note}"));
        }
        Err(LoadError::Invalid { rendered, errors }) => {
            tracing::error!(trigger, errors, code = %Code::ConfigInvalid, "the config is refused; the last good one goes on");
            rendered.lines().filter(|line| !line.is_empty()).for_each(|line| tracing::error!("{line}"));
        }
        Err(LoadError::Other(error)) => {
            tracing::error!(trigger, code = %error.code, reason = %error.message, "the config is refused; the last good one goes on");
        }
    }
}

/// The fields that differ, and the keys and the token that were replaced where no field says so.
fn changes(former: &Snapshot, new: &Snapshot) -> Vec<Change> {
    let mut changes = config::changes(&former.written, &new.written);
    let secret = |field: String| Change { field, old: Some("the former one".to_owned()), new: Some("another one".to_owned()) };
    let mut keys: Vec<&str> = replaced(&former.table, &new.table, Exchanged::ByUser).into_iter().flat_map(|(_, keys)| keys).collect();
    keys.sort_unstable();
    keys.dedup();
    changes.extend(keys.into_iter().map(|name| secret(format!("key \"{name}\""))));
    changes.extend(measured(&former.table, &new.table));
    if !former.token.matches(new.token.expose()) {
        changes.push(secret("the client token".to_owned()));
    }
    changes
}

/// What of the measured abilities of models differs, a change for each.
fn measured(former: &Table, new: &Table) -> Vec<Change> {
    let all = |table: &Table| -> BTreeMap<String, &'static str> {
        let targets = table.providers.iter().flat_map(|provider| &provider.measured);
        let findings = targets.flat_map(|target| target.findings.iter().map(move |finding| (target, finding)));
        let word = |supported| if supported { "supported" } else { "unsupported" };
        findings
            .map(|(target, finding)| {
                let MeasuredTarget { provider, model, dialect, .. } = target;
                (format!("measured {provider}/{model} {dialect} {}", finding.ability), word(finding.supported))
            })
            .collect()
    };
    let (old, new) = (all(former), all(new));
    let fields: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let of = |all: &BTreeMap<String, &'static str>, field: &String| all.get(field).map(|word| (*word).to_owned());
    let differing = fields.into_iter().filter(|field| old.get(*field) != new.get(*field));
    differing.map(|field| Change { field: field.clone(), old: of(&old, field), new: of(&new, field) }).collect()
}

/// How a key came to be another secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exchanged {
    /// By somebody who put another one in its place.
    ByUser,
    /// So, or by a refresh of the same login's.
    Anyhow,
}

/// Whether some key is what a refresh made of the one before.
fn is_refreshed(former: &Table, new: &Table) -> bool {
    !replaced(former, new, Exchanged::Anyhow).is_empty()
}

/// The names of the keys that kept their name and are another secret now, by provider.
fn replaced<'a>(former: &Table, new: &'a Table, how: Exchanged) -> Vec<(&'a str, Vec<&'a str>)> {
    let login = |key: &crate::route::Key| key.token.as_ref().map(|token| token.login);
    let of = |provider: &'a Arc<crate::route::Provider>| {
        let old = former.providers.iter().find(|old| old.name == provider.name)?;
        let is_other = |key: &&'a crate::route::Key| {
            let known = old.keys.iter().find(|known| known.name == key.name && !known.secret.matches(key.secret.expose()));
            known.is_some_and(|known| how == Exchanged::Anyhow || login(known).is_none() || login(known) != login(key))
        };
        let keys: Vec<&str> = provider.keys.iter().filter(is_other).map(|key| key.name.as_str()).collect();
        (!keys.is_empty()).then_some((provider.name.as_str(), keys))
    };
    new.providers.iter().filter_map(of).collect()
}

/// Changes how many places there are. Where fewer are wanted than are free, newcomers wait until enough are given back.
fn resize(places: &Arc<Semaphore>, old: usize, new: usize) {
    if let Some(more) = new.checked_sub(old) {
        places.add_permits(more);
        return;
    }
    let fewer = u32::try_from(old - new).unwrap_or(u32::MAX);
    let places = Arc::clone(places);
    tokio::spawn(async move {
        // A semaphore that is never closed.
        if let Ok(taken) = places.acquire_many_owned(fewer).await {
            taken.forget();
        }
    });
}

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// How often the server has exchanged what it serves from; 0 at the start.
    pub generation: u64,
    /// The fields that changed, secrets masked; empty: nothing did, and nothing was exchanged.
    pub changes: Vec<Change>,
    /// Lines for the user: warnings, and what a restart is needed for.
    pub notes: Vec<String>,
    /// Whether no request uses a former config or key any more.
    pub drained: bool,
}

/// Why the server keeps what it has, as it stands in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused {
    /// `E0102`.
    pub(crate) code: String,
    pub(crate) message: String,
    /// What to do.
    pub(crate) advice: String,
    /// The diagnostics, rendered; empty where it is not the config's form.
    pub(crate) rendered: String,
    /// How many of them are errors.
    pub(crate) errors: usize,
}

impl From<&LoadError> for Refused {
    fn from(error: &LoadError) -> Self {
        match error {
            LoadError::Invalid { rendered, errors } => Self {
                code: Code::ConfigInvalid.row().id.to_owned(),
                message: "the config has errors".to_owned(),
                advice: Code::ConfigInvalid.row().action.to_owned(),
                rendered: rendered.clone(),
                errors: *errors,
            },
            LoadError::Other(error) => Self {
                code: error.code.row().id.to_owned(),
                message: error.message.clone(),
                advice: error.advice(),
                rendered: String::new(),
                errors: 0,
            },
        }
    }
}

impl From<Refused> for LoadError {
    fn from(refused: Refused) -> Self {
        let Refused { code, message, advice, rendered, errors } = refused;
        if errors > 0 {
            return Self::Invalid { rendered, errors };
        }
        let code = Code::ALL.iter().copied().find(|known| known.row().id == code).unwrap_or(Code::Bug);
        Self::Other(Error::new(code, message).hint(advice))
    }
}
