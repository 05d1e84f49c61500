//! The names that arguments take, as config and state folder have them now. What cannot be read has none.
//!
//! Start with [`Source::names`].

use std::path::PathBuf;

use crate::cli::named::Named;
use crate::cli::{known, route};
use crate::config::{self, Environment, Options};
use crate::provider::lists::Lists;
use crate::provider::table::PRESETS;
use crate::route::registry::registry;
use crate::{history, ledger};

/// What is offered at most of what piles up.
const LAST: u32 = 50;

/// A name, and a few words of what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) word: String,
    /// May be empty.
    pub(super) help: String,
}

impl From<String> for Name {
    fn from(word: String) -> Self {
        Self { word, help: String::new() }
    }
}

/// Where names come from.
#[derive(Debug)]
pub(super) struct Source {
    /// The file of `--config`.
    pub(super) path: Option<PathBuf>,
    pub(super) environment: Environment,
}

impl Source {
    /// The names, in the order in which they are best offered.
    pub(super) fn names(&self, named: Named) -> Vec<Name> {
        let store = || known::store(&self.environment);
        match named {
            Named::Keys => store().names().unwrap_or_default().into_iter().map(Name::from).collect(),
            Named::Templates => route::templates(&self.environment).into_iter().map(Name::from).collect(),
            Named::Backups => {
                let config = config::usual(&self.options(), &self.environment);
                config::backups(&config, &self.environment).unwrap_or_default().into_iter().map(|backup| Name::from(backup.name)).collect()
            }
            named => {
                config::names(&self.options(), &self.environment, &store()).map(|names| self.of_config(named, &names)).unwrap_or_default()
            }
        }
    }

    fn options(&self) -> Options {
        Options { path: self.path.clone(), listen: None }
    }

    fn of_config(&self, named: Named, names: &config::Names) -> Vec<Name> {
        match named {
            Named::Models => self.models(names),
            Named::ModelsAndRules => {
                let rules = names.table.rules.iter().map(|rule| Name { word: rule.name.clone(), help: "a rule".to_owned() });
                self.models(names).into_iter().chain(rules).collect()
            }
            Named::AllModels => {
                let patterns = names.table.models.iter().filter(|entry| !entry.name.is_exact()).map(|entry| entry.name.text().to_owned());
                let providers = names.table.providers.iter().map(|provider| provider.name.clone());
                self.models(names).into_iter().chain(patterns.chain(providers).map(Name::from)).collect()
            }
            Named::NewKeys => {
                let configured = names.table.providers.iter().map(|provider| provider.name.as_str());
                let known = PRESETS.iter().filter(|preset| !preset.is_local).map(|preset| preset.name);
                once(configured.chain(known))
            }
            Named::Logins => {
                let configured =
                    names.table.providers.iter().filter(|provider| provider.oauth.is_some()).map(|provider| provider.name.as_str());
                once(configured.chain(PRESETS.iter().filter(|preset| preset.login.is_some()).map(|preset| preset.name)))
            }
            Named::Conversations => {
                // A database is not asked: what is typed does not wait for the network.
                let all = names.history.file().map(|file| history::last(file, LAST)).unwrap_or_default();
                all.into_iter().map(|last| Name { word: last.id, help: last.name }).collect()
            }
            Named::Sessions => {
                let all = names.ledger.file().map(ledger::last_sessions).unwrap_or_default().into_iter().take(LAST as usize);
                all.map(|session| Name { word: session.id, help: session.target }).collect()
            }
            Named::Tools => names.servers.iter().cloned().map(Name::from).collect(),
            Named::Keys | Named::Templates | Named::Backups => Vec::new(),
        }
    }

    /// The config's own names first, with what serves them; then all that its providers are known to have.
    fn models(&self, names: &config::Names) -> Vec<Name> {
        let table = &names.table;
        let target = |target: &crate::route::table::TargetRef| {
            let provider = table.providers.get(target.provider).map_or("?", |provider| provider.name.as_str());
            format!("{provider}/{}", target.model)
        };
        let own = table.models.iter().filter(|entry| entry.name.is_exact()).map(|entry| Name {
            word: entry.name.text().to_owned(),
            help: entry.targets.iter().map(target).collect::<Vec<_>>().join(", "),
        });
        let lists = Lists::load(&self.environment.state_folder().join("model-lists.json")).unwrap_or_default();
        own.chain(registry(table, &lists, false).iter().map(|entry| Name::from(entry.name()))).collect()
    }
}

/// Each once.
fn once<'a>(words: impl Iterator<Item = &'a str>) -> Vec<Name> {
    let mut all: Vec<&str> = Vec::new();
    words.for_each(|word| {
        if !all.contains(&word) {
            all.push(word);
        }
    });
    all.into_iter().map(|word| Name::from(word.to_owned())).collect()
}
