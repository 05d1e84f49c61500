//! The names that a config has, for who types one: no key is opened, no promise tried, no program run.
//!
//! Start with [`names`].

use std::sync::Arc;

use super::environment::Environment;
use super::{Options, check, load, providers};
use crate::database::Place;
use crate::history;
use crate::keys::Store;
use crate::ledger;
use crate::route::Table;

/// What a config calls things, and where what is remembered lies.
#[derive(Debug)]
pub struct Names {
    /// The names under `models`, `routes` and `providers`; no key is in it.
    pub table: Table,
    /// The servers under `mcp`.
    pub servers: Vec<String>,
    /// Where the ledger is.
    pub ledger: Place,
    /// Where the conversations are.
    pub history: Place,
}

/// The names of the config that the options lead to; `None` where it has a mistake or is no plain file. Without a config and without
/// keys that could make one: no names, and the usual places.
#[must_use]
pub fn names(options: &Options, environment: &Environment, store: &Store) -> Option<Names> {
    // Opening a pipe could wait for ever.
    if load::locate(options, environment).is_some_and(|path| !path.is_file()) {
        return None;
    }
    let Ok(found) = load::find(options, environment, store) else {
        let state = environment.state_folder();
        let (ledger, history) = (ledger::Settings::usual(&state).place, history::Settings::usual(&state).place);
        return Some(Names { table: Table::default(), servers: Vec::new(), ledger, history });
    };
    let (root, report) = load::parsed(&found.name, &found.bytes, options, environment);
    let (checked, report) = check::check(root?, report, environment, store);
    if report.errors() > 0 {
        return None;
    }
    let servers = checked.mcp.into_iter().map(|read| read.server.name).collect();
    let providers = checked.providers.into_iter().map(|provider| Arc::new(providers::closed(provider))).collect();
    Some(Names { table: Table { providers, ..checked.table }, servers, ledger: checked.ledger.place, history: checked.history.place })
}
