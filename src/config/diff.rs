//! What two configs do differently: which names and rules go elsewhere, at what price, and which settings hold other values.
//!
//! Names are put to both tables as requests of a Messages and of a Chat client would be, so that entries which are only written
//! differently are no difference, and another dialect upstream is one. Start with [`diff`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::environment::Environment;
use super::reader::join;
use super::show::{self, Extent, ShownValue};
use super::tree::{Node, Value};
use super::{LoadError, Options, load, mask, write};
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
    /// Names that go elsewhere or cost something else, sorted.
    pub names: Vec<NameChange>,
    /// The same for the rules under `routes`, by their names, in the old order, then the new.
    pub rules: Vec<NameChange>,
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
        self.names.is_empty() && self.rules.is_empty() && self.settings.is_empty() && self.added.is_empty() && self.removed.is_empty()
    }
}

/// One of the two.
struct Side {
    table: Table,
    settings: BTreeMap<String, Setting>,
}

/// A setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Setting {
    /// As YAML, masked.
    Given(String),
    /// None; in a few words, what holds then.
    Unset(String),
}

impl Setting {
    fn is_given(setting: Option<&Self>) -> bool {
        matches!(setting, Some(Self::Given(_)))
    }

    fn text(self) -> String {
        match self {
            Self::Given(text) | Self::Unset(text) => text,
        }
    }
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
        out.names.extend(changes(&name, |client| [&before, &after].map(|side| route(&side.table, &name, client))));
    }
    for name in rules(&before.table, &after.table) {
        out.rules.extend(changes(&name, |client| [&before, &after].map(|side| rule_route(&side.table, &name, client))));
    }
    let providers = |side: &Side| side.table.providers.iter().map(|provider| provider.name.clone()).collect::<BTreeSet<_>>();
    let (old, new) = (providers(&before), providers(&after));
    out.added = new.difference(&old).cloned().collect();
    out.removed = old.difference(&new).cloned().collect();
    let paths: BTreeSet<&String> = before.settings.keys().chain(after.settings.keys()).collect();
    for path in paths {
        let (old, new) = (before.settings.get(path), after.settings.get(path));
        let is_of = |name: &String| path.starts_with(&format!("{}.", join("providers", name)));
        // What holds where nothing is said may be worded differently, and is no difference.
        let is_said = Setting::is_given(old) || Setting::is_given(new);
        if is_said && old != new && !out.added.iter().chain(&out.removed).any(is_of) {
            out.settings.push(SettingChange {
                path: path.clone(),
                before: old.cloned().map(Setting::text),
                after: new.cloned().map(Setting::text),
            });
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
    let settings = shown.rows.into_iter().filter(|row| is_compared(&row.path, &row.value));
    let mut settings: BTreeMap<String, Setting> = settings
        .filter_map(|row| match row.value {
            ShownValue::Given { yaml, .. } => Some((row.path, Setting::Given(yaml))),
            ShownValue::Section => None,
            ShownValue::Unset(what) => row.path.starts_with("providers.").then_some((row.path, Setting::Unset(what))),
        })
        .collect();
    if let (Some(root), _) = load::parsed(name, bytes, &options, environment) {
        settings.extend(entries(&root, "routes").chain(entries(&root, "policies")));
    }
    let providers = checked.providers.into_iter().map(|provider| Arc::new(super::providers::closed(provider))).collect();
    let table = Table { providers, ..checked.table };
    Ok(Side { settings, table })
}

/// Whether a row of `config show` is compared as a setting. What serves which name or rule is compared by putting it to both.
fn is_compared(path: &str, value: &ShownValue) -> bool {
    let is_of_models = path.starts_with("models.");
    let is_choice = [".strategy", ".weights", ".hedge", ".continue", ".on_context"].iter().any(|end| path.ends_with(end));
    // An entry that is a list says nothing of the choice, which is no difference to one that says what holds anyhow.
    let is_default = matches!(value, ShownValue::Given { origin: show::Origin::Default, .. });
    match path {
        "version" | "models" | "routes" | "policies" => false,
        _ if is_of_models => is_choice && !is_default,
        _ => true,
    }
}

/// The fields of a list's entries, by the entries' names, and the order of these.
fn entries(root: &Node, list: &'static str) -> impl Iterator<Item = (String, Setting)> + use<> {
    let get = |node: &Node, name: &str| match &node.value {
        Value::Map(entries) => entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| node.clone()),
        _ => None,
    };
    let nodes = match get(root, list).map(|node| node.value) {
        Some(Value::List(nodes)) => nodes,
        _ => Vec::new(),
    };
    let (mut settings, mut names) = (Vec::new(), Vec::new());
    for (index, node) in nodes.into_iter().enumerate() {
        let name = match get(&node, "name").map(|name| name.value) {
            Some(Value::Scalar { text, .. }) => mask::shown(&text),
            _ => format!("[{index}]"),
        };
        let Value::Map(fields) = node.value else { continue };
        let path = join(list, &name);
        for (key, value) in fields {
            if key.text != "name" && !(list == "routes" && key.text == "use") {
                let yaml = write::flow(&value, &|_, text| mask::shown(text));
                settings.push((join(&path, &key.text), Setting::Given(yaml)));
            }
        }
        names.push(name);
    }
    settings.push((list.to_owned(), Setting::Given(names.join(", "))));
    settings.into_iter()
}

/// The rules of both, by name.
fn rules(before: &Table, after: &Table) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for rule in before.rules.iter().chain(&after.rules) {
        if !names.contains(&rule.name) {
            names.push(rule.name.clone());
        }
    }
    names
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

/// What differs for one name or rule. `ways`: how a client's requests go before and after, and the listed price.
fn changes(name: &str, ways: impl Fn(Dialect) -> [Way; 2]) -> Vec<NameChange> {
    let changes = CLIENTS.map(|client| change(name, client, ways(client)));
    match changes {
        [Some(one), Some(other)] if (&one.before, &one.after) == (&other.before, &other.after) => vec![NameChange { client: None, ..one }],
        changes => changes.into_iter().flatten().collect(),
    }
}

/// What differs for one name, asked for by one kind of client.
fn change(name: &str, client: Dialect, [old, new]: [Way; 2]) -> Option<NameChange> {
    if old == new {
        return None;
    }
    let ((old, price_before), (new, price_after)) = (old, new);
    let targets = |way: &[Hop]| way.iter().map(|hop| hop.target.clone()).collect::<Vec<_>>();
    let (mut before, mut after) = (targets(&old), targets(&new));
    if before == after && old != new {
        let spelled = |way: &[Hop]| way.iter().map(|hop| format!("{} in {}", hop.target, hop.dialect.name())).collect();
        (before, after) = (spelled(&old), spelled(&new));
    }
    Some(NameChange { name: name.to_owned(), client: Some(client), before, after, price_before, price_after })
}

/// Where requests go, in order, and the listed price of the first target.
type Way = (Vec<Hop>, Option<Price>);

/// A target, and how it is spoken to.
#[derive(PartialEq)]
struct Hop {
    target: String,
    dialect: Dialect,
}

/// The way of a rule's requests; none where there is no such rule.
fn rule_route(table: &Table, name: &str, client: Dialect) -> Way {
    let Some(rule) = table.rules.iter().find(|rule| rule.name == name) else { return (Vec::new(), None) };
    let names = rule.targets.iter().filter_map(|target| Some(format!("{}/{}", table.providers.get(target.provider)?.name, target.model)));
    let ways: Vec<Way> = names.map(|target| route(table, &target, client)).collect();
    let price = ways.first().and_then(|(_, price)| *price);
    (ways.into_iter().flat_map(|(hops, _)| hops).collect(), price)
}

fn route(table: &Table, name: &str, client: Dialect) -> Way {
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
    fn rules_policies_strategies_and_prices_are_compared() {
        let config = |zai: &str, strategy: &str, rules: &str, policies: &str| {
            format!(
                "version: 1\nproviders: {{ anthropic: {{}}, zai: {zai}, cerebras: {{}} }}\nmodels:\n  \"claude-*\": {{ use: \
                 [zai/glm-5.1, anthropic/claude-opus-4-8]{strategy} }}\nroutes: [{rules}]\npolicies: [{policies}]\n"
            )
        };
        let (bg, long) =
            ("{ name: bg, when: { role: background }, use: [", "{ name: long, when: { input_tokens: \">9000\" }, use: [zai/glm-5.1] }");
        let policy = "{ name: home, deny: { region: ";
        let old = config("{}", "", &format!("{bg}cerebras/gpt-oss-120b] }}"), &format!("{policy}cn }} }}"));
        let new = config(
            "{ models: { glm-5.1: { price_input: 9, price_output: 19 } } }",
            ", strategy: cost",
            &format!("{long}, {bg}zai/glm-5.1] }}"),
            &format!("{policy}[cn, ru] }} }}"),
        );
        let diff = compare(&old, &new);
        let rules: Vec<_> =
            diff.rules.iter().map(|change| (change.name.as_str(), change.before.join(" "), change.after.join(" "))).collect();
        let zai = || "zai/glm-5.1".to_owned();
        assert_eq!(rules, [("bg", "cerebras/gpt-oss-120b".to_owned(), zai()), ("long", String::new(), zai())]);
        assert!(diff.rules.iter().all(|change| change.price_after.and_then(|price| price.output) == Some(19.0)), "{diff:?}");
        let claude = diff.names.iter().find(|change| change.name == "claude-*").unwrap();
        assert!(claude.before == claude.after && claude.price_before != claude.price_after, "the same way at another price: {claude:?}");
        let settings: Vec<_> =
            diff.settings.iter().map(|change| (change.path.as_str(), change.after.as_deref().unwrap_or("none"))).collect();
        let expected = [
            ("models.\"claude-*\".strategy", "cost"),
            ("policies.home.deny", "{ region: [cn, ru] }"),
            ("providers.zai.models.\"glm-5.1\".price_input", "9"),
            ("providers.zai.models.\"glm-5.1\".price_output", "19"),
            ("routes", "long, bg"),
            ("routes.long.when", "{ input_tokens: \">9000\" }"),
        ];
        assert_eq!(settings, expected);
        assert!(compare(&new, &new).is_empty());
    }

    #[test]
    fn a_config_that_does_not_pass_is_not_compared() {
        let store = Store::new(Path::new("/nonexistent"), None);
        let result = diff(("old", b"version: 2"), ("new", BASE.as_bytes()), &Environment::default(), &store);
        assert!(matches!(result, Err(LoadError::Invalid { errors: 1.., .. })));
    }
}
