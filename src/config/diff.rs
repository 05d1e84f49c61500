//! What two configs do differently: which names go elsewhere, at what price, and which settings hold other values.
//!
//! Names are put to both tables as requests of a Messages and of a Chat client would be, so that entries which are only written
//! differently are no difference, and another dialect upstream is one. Start with [`diff`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::environment::Environment;
use super::show::{self, Extent, ShownValue};
use super::{LoadError, Options, load};
use crate::dialect::Dialect;
use crate::error::Error;
use crate::keys::Store;
use crate::provider::models::{Price, models_of};
use crate::route::{Table, Target, plan};

/// The clients whose requests are compared.
const CLIENTS: [Dialect; 2] = [Dialect::AnthropicMessages, Dialect::OpenAiChat];

/// What differs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Diff {
    /// Names that go elsewhere, sorted.
    pub names: Vec<NameChange>,
    /// Settings of the server and of providers that are in both, sorted by path.
    pub settings: Vec<SettingChange>,
    /// Providers that are new.
    pub added: Vec<String>,
    /// Providers that are gone.
    pub removed: Vec<String>,
    /// How many names were put to both.
    pub compared: usize,
}

/// A name that goes elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct NameChange {
    /// The name; one with stars stands for every other name that fits it.
    pub name: String,
    /// Whose requests go elsewhere; `None`: everybody's, in the same way.
    pub client: Option<Dialect>,
    /// Where it went, `provider/model`, with its dialect where nothing else differs; empty: nowhere.
    pub before: Vec<String>,
    /// Where it goes.
    pub after: Vec<String>,
    /// The listed price of the first target before.
    pub price_before: Option<Price>,
    /// The listed price of the first target now.
    pub price_after: Option<Price>,
}

/// A setting that holds another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingChange {
    /// Its path.
    pub path: String,
    /// Its value before, as YAML, masked; `None`: none.
    pub before: Option<String>,
    /// Its value now.
    pub after: Option<String>,
}

impl Diff {
    /// Whether both do the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.settings.is_empty() && self.added.is_empty() && self.removed.is_empty()
    }
}

/// One of the two.
struct Side {
    table: Table,
    settings: BTreeMap<String, String>,
}

/// Compares two configs, each a name for messages and its bytes. The environment fills in `${NAME}`, but overrides nothing.
///
/// # Errors
/// When one of them does not pass the validator.
pub fn diff(before: (&str, &[u8]), after: (&str, &[u8]), environment: &Environment, store: &Store) -> Result<Diff, LoadError> {
    let plain = environment.without_overrides();
    let before = side(before, &plain, store)?;
    let after = side(after, &plain, store)?;
    let names = names(&before.table, &after.table);
    let mut out = Diff { compared: names.len(), ..Diff::default() };
    for name in names {
        let changes = CLIENTS.map(|client| change(&before.table, &after.table, &name, client));
        match changes {
            [Some(one), Some(other)] if (&one.before, &one.after) == (&other.before, &other.after) => {
                out.names.push(NameChange { client: None, ..one });
            }
            changes => out.names.extend(changes.into_iter().flatten()),
        }
    }
    let providers = |side: &Side| side.table.providers.iter().map(|provider| provider.name.clone()).collect::<BTreeSet<_>>();
    let (old, new) = (providers(&before), providers(&after));
    out.added = new.difference(&old).cloned().collect();
    out.removed = old.difference(&new).cloned().collect();
    let paths: BTreeSet<&String> = before.settings.keys().chain(after.settings.keys()).collect();
    for path in paths {
        let (old, new) = (before.settings.get(path), after.settings.get(path));
        let is_of = |name: &String| path.starts_with(&format!("{}.", super::reader::join("providers", name)));
        if old != new && !out.added.iter().chain(&out.removed).any(is_of) {
            out.settings.push(SettingChange { path: path.clone(), before: old.cloned(), after: new.cloned() });
        }
    }
    Ok(out)
}

fn side((name, bytes): (&str, &[u8]), environment: &Environment, store: &Store) -> Result<Side, LoadError> {
    let options = Options::default();
    let (checked, report) = load::examine(name, bytes, &options, environment, store);
    let (Some(checked), 0) = (checked, report.errors()) else {
        return Err(LoadError::Invalid { errors: report.errors(), rendered: report.render() });
    };
    let shown = show::shown(name, bytes, &options, environment, store, Extent::Resolved);
    // What serves which name is compared by putting the names to it.
    let rows = shown.rows.into_iter().filter(|row| !row.path.starts_with("models") && row.path != "version");
    let settings = rows.filter_map(|row| match row.value {
        ShownValue::Given { yaml, .. } => Some((row.path, yaml)),
        ShownValue::Section => None,
        ShownValue::Unset(what) => row.path.starts_with("providers.").then_some((row.path, what)),
    });
    let providers = checked.providers.into_iter().map(|provider| Arc::new(super::providers::closed(provider))).collect();
    let table = Table { providers, ..checked.table };
    Ok(Side { settings: settings.collect(), table })
}

/// The names of both: entries as they are written, targets, and what Claude Code and OpenAI's clients ask for.
fn names(before: &Table, after: &Table) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    for table in [before, after] {
        for entry in &table.models {
            names.insert(entry.name.text().to_owned());
            let targets = entry.targets.iter().filter_map(|target| Some((table.providers.get(target.provider)?, &target.model)));
            names.extend(targets.map(|(provider, model)| format!("{}/{model}", provider.name)));
        }
    }
    names.extend(["anthropic", "openai"].into_iter().flat_map(models_of).map(|model| model.id.to_owned()));
    names
}

/// What differs for one name, asked for by one kind of client.
fn change(before: &Table, after: &Table, name: &str, client: Dialect) -> Option<NameChange> {
    let (old, price_before) = route(before, name, client);
    let (new, price_after) = route(after, name, client);
    if old == new {
        return None;
    }
    let targets = |way: &[Hop]| way.iter().map(|hop| hop.target.clone()).collect::<Vec<_>>();
    let (mut before, mut after) = (targets(&old), targets(&new));
    if before == after {
        let spelled = |way: &[Hop]| way.iter().map(|hop| format!("{} in {}", hop.target, hop.dialect.name())).collect();
        (before, after) = (spelled(&old), spelled(&new));
    }
    Some(NameChange { name: name.to_owned(), client: Some(client), before, after, price_before, price_after })
}

/// A target, and how it is spoken to.
#[derive(PartialEq)]
struct Hop {
    target: String,
    dialect: Dialect,
}

fn route(table: &Table, name: &str, client: Dialect) -> (Vec<Hop>, Option<Price>) {
    let Ok(plan) = plan(table, name, client) else { return (Vec::new(), None) };
    let price = plan.targets.first().map(|target| target.info.price);
    let hop = |target: &Target| Hop { target: format!("{}/{}", target.provider.name, target.model), dialect: target.endpoint().dialect };
    (plan.targets.iter().map(hop).collect(), price)
}

/// The bytes of a config to compare.
///
/// # Errors
/// When it is no file, too large, or everybody may write to it.
pub fn read_side(path: &std::path::Path) -> Result<Vec<u8>, Error> {
    load::read(path)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const BASE: &str = "version: 1\nproviders: { anthropic: {}, zai: {} }\nmodels:\n  \"claude-*\": [anthropic/claude-opus-4-8]\n";

    fn compare(before: &str, after: &str) -> Diff {
        let variables = [("AIMUX_LIMITS__BODY_MB".to_owned(), "9".to_owned())];
        let store = Store::new(Path::new("/nonexistent"), None);
        diff(("old", before.as_bytes()), ("new", after.as_bytes()), &Environment::new(variables), &store).unwrap()
    }

    #[test]
    fn what_is_only_written_differently_is_no_difference() {
        let other = "version: 1\nmodels:\n  \"claude-*\": main\n  main: { use: [anthropic/claude-opus-4-8] }\nlimits: { body_mb: 32 }\nproviders:\n  anthropic: { preset: anthropic }\n  zai: {}\n";
        let diff = compare(BASE, other);
        // `main` is a name that can be asked for now.
        assert_eq!(diff.names.iter().map(|change| change.name.as_str()).collect::<Vec<_>>(), ["main"]);
        assert!(diff.settings.is_empty() && diff.compared > 20, "{diff:?}");
        assert!(compare(BASE, BASE).is_empty());
        let spaced = BASE.replace("[anthropic/claude-opus-4-8]", "\"anthropic/claude-opus-4-8\"  # the same");
        assert!(compare(BASE, &spaced).is_empty());
    }

    #[test]
    fn names_that_go_elsewhere_are_told_with_both_prices() {
        let diff = compare(BASE, &BASE.replace("[anthropic/claude-opus-4-8]", "[zai/glm-5.2, anthropic/claude-opus-4-8]"));
        let change = diff.names.iter().find(|change| change.name == "claude-*").unwrap();
        assert_eq!(
            (change.before.join(" "), change.after.join(" ")),
            ("anthropic/claude-opus-4-8".to_owned(), "zai/glm-5.2 anthropic/claude-opus-4-8".to_owned())
        );
        assert_eq!(change.price_before.unwrap().output, Some(25.0));
        assert_ne!(change.price_before, change.price_after);
        assert!(diff.names.iter().any(|change| change.name == "claude-opus-4-8"), "{diff:?}");
        assert!(!diff.names.iter().any(|change| change.name.contains('/')), "{diff:?}");
    }

    #[test]
    fn a_client_that_is_spoken_to_in_another_way_is_told_from_the_others() {
        let config = |dialect: &str, path: &str| {
            let fields = format!("dialect: {dialect}, base_url: \"http://127.0.0.1:1{path}\"");
            format!("version: 1\nproviders: {{ p: {{ {fields} }} }}\nmodels: {{ m: p/x }}\n")
        };
        let diff = compare(&config("openai-chat", "/v1"), &config("anthropic", ""));
        let change = diff.names.iter().find(|change| change.name == "m").unwrap();
        assert_eq!((change.before.join(" "), change.after.join(" ")), ("p/x in openai-chat".to_owned(), "p/x in anthropic".to_owned()));
        assert_eq!(change.client, None, "both are");
        // A provider that has both dialects speaks the client's; one that has Chat alone changes for Messages clients.
        let zai = |fields: &str| format!("version: 1\nproviders: {{ zai: {{ {fields} }} }}\nmodels: {{ m: zai/glm-5.2 }}\n");
        let diff = compare(&zai(""), &zai("dialect: openai-chat"));
        let change = diff.names.iter().find(|change| change.name == "m").unwrap();
        assert_eq!((change.client, change.after.join(" ")), (Some(Dialect::AnthropicMessages), "zai/glm-5.2 in openai-chat".to_owned()));
    }

    #[test]
    fn providers_limits_and_settings_are_compared_by_their_effect() {
        let after = "version: 1\nserver: { listen: \"127.0.0.1:1\" }\nproviders: { anthropic: { limits: { concurrent: 3 } }, groq: {} }\nmodels:\n  \"claude-*\": [anthropic/claude-opus-4-8]\nbreaker: off\nlimits: { body_mb: 512 }\n";
        let diff = compare(BASE, after);
        assert_eq!((diff.added.join(" "), diff.removed.join(" ")), ("groq".to_owned(), "zai".to_owned()));
        let paths: Vec<&str> = diff.settings.iter().map(|change| change.path.as_str()).collect();
        for path in ["breaker", "limits.body_mb", "limits.buffered_mb", "providers.anthropic.limits.concurrent", "server.listen"] {
            assert!(paths.contains(&path), "{path}: {paths:?}");
        }
        assert!(!paths.iter().any(|path| path.starts_with("providers.zai") || path.starts_with("providers.groq")), "{paths:?}");
    }

    #[test]
    fn a_config_that_does_not_pass_is_not_compared() {
        let store = Store::new(Path::new("/nonexistent"), None);
        let result = diff(("old", b"version: 2"), ("new", BASE.as_bytes()), &Environment::default(), &store);
        assert!(matches!(result, Err(LoadError::Invalid { errors: 1.., .. })));
    }
}
