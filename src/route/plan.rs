//! Which targets serve a model, in which order, and why.

use std::collections::HashSet;
use std::sync::Arc;

use super::table::{Continue, Hedge, ModelEntry, OnContext, Provider, Table, TargetRef};
pub use super::target::Target;
use super::target::{LONG_CONTEXT, plain_name};
use crate::dialect::Dialect;
use crate::error::{Code, Error};
use crate::provider::models::{self, Known, model, models_of};

/// Where a request may go.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The targets, in order; never empty.
    pub targets: Vec<Target>,
    /// What decided: a rule's name, a glob of the config's models, or `direct`.
    pub route: String,
    /// What is done where an answer breaks off.
    pub continues: Continue,
    /// What is done where the input is too long for a target.
    pub on_context: OnContext,
    /// When a second target is asked beside the first.
    pub hedge: Option<Hedge>,
}

impl Plan {
    /// These targets in turn, with nothing that a route of the config may add.
    #[must_use]
    pub fn new(targets: Vec<Target>, route: impl Into<String>) -> Self {
        Self { targets, route: route.into(), continues: Continue::Off, on_context: OnContext::Refuse, hedge: None }
    }
}

/// The route of a plan that no entry of the config decided.
pub const DIRECT: &str = "direct";

/// No target serves the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("model \"{model}\" is not configured")]
pub struct PlanError {
    /// What was asked for.
    pub model: String,
    /// Names that come near.
    pub near: Vec<String>,
}

impl PlanError {
    /// What who asked is told.
    #[must_use]
    pub fn error(&self) -> Error {
        let hint = match self.near.is_empty() {
            true => "GET /v1/models lists what is".to_owned(),
            false => format!("did you mean {}?", self.near.join(", ")),
        };
        Error::new(Code::UnknownModel, self.to_string()).hint(hint)
    }
}

/// The targets for `model`, asked for in `client`'s dialect.
///
/// In this order: an entry that is the name itself; of the globs that match, the one with the most literal characters,
/// then the first; `provider/model` where the left part is a configured provider; a bare model id that a configured
/// provider is known to serve, the first of them. Claude Code's suffix `[1m]` counts only for entries that spell it.
///
/// # Errors
/// When nothing matches.
pub fn plan(table: &Table, model: &str, client: Dialect) -> Result<Plan, PlanError> {
    let (by, targets) = named(table, model, client)?;
    let route = match by {
        Named::Entry(index) => table.models.get(index).map_or(DIRECT, |entry| entry.name.text()),
        Named::Direct => DIRECT,
    };
    Ok(Plan::new(targets, route))
}

/// What a name was found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// An entry of [`Table::models`].
    Entry(usize),
    /// The provider or the model itself.
    Direct,
}

/// The targets of a name, and what it was found by.
pub(super) fn named(table: &Table, model: &str, client: Dialect) -> Result<(Named, Vec<Target>), PlanError> {
    let plain = plain_name(model);
    let spelled = (plain != model).then(|| entry(table, model, |name| name.ends_with(LONG_CONTEXT))).flatten();
    let of_entry = |(index, entry): (usize, &ModelEntry)| {
        let targets = targets(table, &entry.targets, client);
        (!targets.is_empty()).then_some((Named::Entry(index), targets))
    };
    let of_target = |target: Target| (Named::Direct, vec![target]);
    spelled
        .or_else(|| entry(table, plain, |_| true))
        .and_then(of_entry)
        .or_else(|| direct(table, plain, client).map(of_target))
        .or_else(|| bare(table, plain, client).map(of_target))
        .ok_or_else(|| PlanError { model: plain.chars().take(NAME_MAX).collect(), near: near(table, plain) })
}

/// The targets that the config writes, as far as their providers are there.
pub(super) fn targets(table: &Table, wanted: &[TargetRef], client: Dialect) -> Vec<Target> {
    wanted.iter().filter_map(|wanted| target(table.providers.get(wanted.provider)?, &wanted.model, client)).collect()
}

/// The longest name that is echoed or compared.
pub(super) const NAME_MAX: usize = 128;
/// The most rows of a listing.
const LISTED_MAX: usize = 1000;

fn entry<'a>(table: &'a Table, model: &str, wanted: impl Fn(&str) -> bool) -> Option<(usize, &'a ModelEntry)> {
    let mut best: Option<(usize, &ModelEntry)> = None;
    let entries = table.models.iter().enumerate();
    for (index, entry) in entries.filter(|(_, entry)| wanted(entry.name.text()) && entry.name.matches(model)) {
        if best.is_none_or(|(_, best)| rank(entry) > rank(best)) {
            best = Some((index, entry));
        }
    }
    best
}

fn rank(entry: &ModelEntry) -> (bool, usize) {
    (entry.name.is_exact(), entry.name.literals())
}

fn direct(table: &Table, name: &str, client: Dialect) -> Option<Target> {
    let (provider, model) = name.split_once('/')?;
    let provider = table.providers.iter().find(|configured| configured.name == provider)?;
    let is_served = provider.models.is_empty() || provider.models.iter().any(|served| served == model);
    if model.is_empty() || !is_served {
        return None;
    }
    target(provider, model, client)
}

/// The first provider only: the next one may be another account, whose money nobody has offered for this name.
fn bare(table: &Table, id: &str, client: Dialect) -> Option<Target> {
    let exact = table.providers.iter().find(|provider| serves(provider, id));
    let is_foreign = |provider: &&Arc<Provider>| id.starts_with(models::HUB) && own_id(provider, id) != id;
    let provider = exact.or_else(|| table.providers.iter().find(is_foreign))?;
    target(provider, id, client)
}

fn serves(provider: &Provider, id: &str) -> bool {
    if provider.models.is_empty() {
        model(provider.catalog, id).is_some() || provider.facts.iter().any(|(known, _)| known == id)
    } else {
        provider.models.iter().any(|served| served == id)
    }
}

/// The provider's own id of a model that another one names otherwise.
fn own_id<'a>(provider: &Provider, id: &'a str) -> &'a str {
    if serves(provider, id) || !provider.models.is_empty() { id } else { models::own_id(provider.catalog, id).unwrap_or(id) }
}

fn target(provider: &Arc<Provider>, id: &str, client: Dialect) -> Option<Target> {
    let id = own_id(provider, id);
    let own = provider.endpoints.iter().position(|endpoint| endpoint.dialect == client);
    let endpoint = own.or_else(|| (!provider.endpoints.is_empty()).then_some(0))?;
    Some(Target { provider: Arc::clone(provider), endpoint, model: id.to_owned(), info: provider.known(endpoint, id) })
}

/// The targets of `provider/model`, one for each of the provider's dialects; none where there is no such provider, or it does not
/// serve the model.
#[must_use]
pub fn each_dialect(table: &Table, name: &str) -> Vec<Target> {
    let dialects =
        Dialect::ALL.into_iter().filter_map(|dialect| direct(table, name, dialect).filter(|target| target.endpoint().dialect == dialect));
    dialects.collect()
}

/// Up to three names that differ least, if they differ little.
fn near(table: &Table, asked: &str) -> Vec<String> {
    if asked.len() > NAME_MAX {
        return Vec::new();
    }
    let entries = table.models.iter().filter(|entry| entry.name.is_exact()).map(|entry| entry.name.text().to_owned());
    let ids =
        table.providers.iter().flat_map(|provider| served(provider).flat_map(|id| [id.to_owned(), format!("{}/{id}", provider.name)]));
    // A provider's name may be the only slip; where it is right, the model is what is wrong.
    let misnamed = asked.split_once('/').filter(|(left, _)| table.providers.iter().all(|provider| provider.name != *left));
    let misnamed = misnamed.into_iter().flat_map(|(_, id)| {
        let providers = table.providers.iter().filter(move |provider| provider.models.is_empty() || serves(provider, id));
        providers.map(move |provider| format!("{}/{id}", provider.name))
    });
    let allowed = (asked.chars().count() / 3).max(2);
    let mut found: Vec<(usize, String)> =
        entries.chain(ids).chain(misnamed).map(|name| (distance(asked, &name), name)).filter(|(away, _)| *away <= allowed).collect();
    // Of ids that are equally near, the later version.
    found.sort_by(|(near, a), (far, b)| near.cmp(far).then_with(|| b.cmp(a)));
    found.dedup();
    found.into_iter().map(|(_, name)| name).take(3).collect()
}

/// Levenshtein's distance, in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut diagonal = i;
        for (cell, cb) in row.iter_mut().skip(1).zip(&b) {
            let cost = usize::from(!ca.eq_ignore_ascii_case(cb));
            let here = (diagonal + cost).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, here);
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

fn served(provider: &Provider) -> Box<dyn Iterator<Item = &str> + '_> {
    if provider.models.is_empty() {
        let own = provider.facts.iter().map(|(id, _)| id.as_str()).filter(|id| model(provider.catalog, id).is_none());
        Box::new(models_of(provider.catalog).map(|model| model.id).chain(own))
    } else {
        Box::new(provider.models.iter().map(String::as_str))
    }
}

/// A row of `GET /v1/models`.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// What a client may ask for.
    pub id: String,
    /// The same for people: an alias says what serves it first.
    pub display_name: String,
    /// The provider that serves it first.
    pub provider: String,
    /// What is known of the model that serves it first.
    pub info: Known,
}

/// What clients may ask for, at most 1000 rows: entries, catalog ids that a glob covers (Claude Code's discovery keeps
/// names that begin with `claude` or `anthropic`), then `provider/model` of each provider's models.
#[must_use]
pub fn listing(table: &Table) -> Vec<Listed> {
    let entries = table.models.iter().filter(|entry| entry.name.is_exact()).map(|entry| entry.name.text().to_owned());
    let globs: Vec<_> = table.models.iter().filter(|entry| !entry.name.is_exact() && entry.name.literals() > 0).collect();
    let covered = ["anthropic", "openai"].into_iter().flat_map(models_of).map(|model| model.id.to_owned());
    let covered = covered.filter(|id| globs.iter().any(|entry| entry.name.matches(id)));
    let direct = table.providers.iter().flat_map(|provider| served(provider).map(|id| format!("{}/{id}", provider.name)));
    let mut seen = HashSet::new();
    let names = entries.chain(covered).chain(direct).filter(|name| seen.insert(name.clone()));
    names.filter_map(|name| listed(table, name)).take(LISTED_MAX).collect()
}

fn listed(table: &Table, id: String) -> Option<Listed> {
    let plan = plan(table, &id, Dialect::AnthropicMessages).ok()?;
    let first = plan.targets.into_iter().next()?;
    let place = format!("{}/{}", first.provider.name, first.model);
    let display_name = if place == id { place } else { format!("{id} ({place})") };
    Some(Listed { id, display_name, provider: first.provider.name.clone(), info: first.info })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::glob::Glob;
    use crate::route::table::Choice;
    use crate::route::tests::provider;

    const CLIENT: Dialect = Dialect::AnthropicMessages;

    fn table(entries: &[(&str, &[&str])]) -> Table {
        let providers: Vec<_> = ["anthropic", "zai", "openrouter"].map(|name| Arc::new(provider(name, 1))).into();
        let models = entries
            .iter()
            .map(|(name, targets)| ModelEntry {
                name: Glob::new(*name),
                choice: Choice::default(),
                targets: targets
                    .iter()
                    .map(|text| {
                        let (left, right) = text.split_once('/').unwrap();
                        TargetRef { provider: providers.iter().position(|p| p.name == left).unwrap(), model: right.to_owned() }
                    })
                    .collect(),
            })
            .collect();
        Table { providers, models, ..Table::default() }
    }

    fn places(table: &Table, model: &str) -> String {
        match plan(table, model, CLIENT) {
            Ok(plan) => {
                let targets: Vec<_> = plan.targets.iter().map(|t| format!("{}/{}", t.provider.name, t.model)).collect();
                format!("{}: {}", plan.route, targets.join(" "))
            }
            Err(error) => format!("none, near {:?}", error.near),
        }
    }

    #[test]
    fn names_are_resolved_in_their_documented_order() {
        let table = table(&[
            ("*", &["zai/any"]),
            ("claude-*", &["zai/glm-4.7"]),
            ("claude-opus-*", &["zai/glm-5.2", "anthropic/claude-opus-4-8"]),
            ("claude-opus-4-8", &["anthropic/claude-opus-4-8"]),
            ("claude-opus-*[1m]", &["openrouter/long"]),
        ]);
        for (asked, expected) in [
            ("claude-opus-4-8", "claude-opus-4-8: anthropic/claude-opus-4-8"),
            ("claude-opus-4-7", "claude-opus-*: zai/glm-5.2 anthropic/claude-opus-4-8"),
            ("claude-opus-4-8[1m]", "claude-opus-*[1m]: openrouter/long"),
            ("claude-sonnet-5[1m]", "claude-*: zai/glm-4.7"),
            ("gpt-5", "*: zai/any"),
        ] {
            assert_eq!(places(&table, asked), expected, "{asked}");
        }
    }

    #[test]
    fn the_first_of_equal_globs_wins() {
        let table = table(&[("a*c", &["zai/one"]), ("ac*", &["zai/two"])]);
        assert_eq!(places(&table, "acc"), "a*c: zai/one");
    }

    #[test]
    fn a_suffix_for_the_long_context_is_dropped_where_no_entry_spells_it() {
        let table = table(&[("claude-opus-4-8", &["zai/glm-5.2"])]);
        assert_eq!(places(&table, "claude-opus-4-8[1m]"), "claude-opus-4-8: zai/glm-5.2");
        assert_eq!(places(&table, "anthropic/claude-sonnet-5[1m]"), "direct: anthropic/claude-sonnet-5");
    }

    #[test]
    fn a_plain_name_needs_no_entry() {
        let table = table(&[]);
        assert_eq!(places(&table, "openrouter/anthropic/claude-opus-4.8"), "direct: openrouter/anthropic/claude-opus-4.8");
        assert_eq!(places(&table, "anthropic/unheard-of"), "direct: anthropic/unheard-of");
        assert_eq!(places(&table, "claude-opus-4-8"), "direct: anthropic/claude-opus-4-8");
        assert_eq!(places(&table, "glm-5.2"), "direct: zai/glm-5.2");
        // Not a configured provider, but an id of one.
        assert_eq!(places(&table, "z-ai/glm-5.2"), "direct: openrouter/z-ai/glm-5.2");
    }

    #[test]
    fn an_unknown_name_comes_with_those_that_are_near() {
        let table = table(&[("my-model", &["zai/glm-5.2"])]);
        assert_eq!(places(&table, "my-modle"), "none, near [\"my-model\"]");
        assert!(plan(&table, "claude-opus-4-9", CLIENT).unwrap_err().near.iter().any(|name| name == "claude-opus-4-8"));
        assert_eq!(places(&table, "zia/unheard-of"), "none, near [\"zai/unheard-of\"]");
        assert_eq!(places(&table, "zai/"), "none, near []");
        assert!(plan(&table, &"x".repeat(1 << 20), CLIENT).unwrap_err().model.len() <= NAME_MAX);
        for odd in ["", "/", "//", "[1m]", "é/é", "*"] {
            assert!(plan(&table, odd, CLIENT).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_name_in_the_manner_of_hugging_face_becomes_the_providers_own() {
        let mut table = table(&[]);
        table.providers.push(Arc::new(provider("synthetic", 1)));
        assert_eq!(places(&table, "zai/hf:zai-org/GLM-5.2"), "direct: zai/glm-5.2");
        assert_eq!(places(&table, "synthetic/glm-5.2"), "direct: synthetic/hf:zai-org/GLM-5.2");
        assert_eq!(places(&table, "hf:zai-org/GLM-5.2"), "direct: synthetic/hf:zai-org/GLM-5.2");
        assert_eq!(places(&table, "zai/hf:nobody/unheard-of"), "direct: zai/hf:nobody/unheard-of");
        table.providers.pop();
        assert_eq!(places(&table, "hf:zai-org/GLM-5.2"), "direct: zai/glm-5.2");
    }

    #[test]
    fn a_provider_that_names_its_models_serves_no_others() {
        let mut table = table(&[]);
        let named = Provider { models: vec!["qwen3:8b".to_owned()], ..provider("ollama", 0) };
        table.providers.push(Arc::new(named));
        assert_eq!(places(&table, "ollama/qwen3:8b"), "direct: ollama/qwen3:8b");
        assert_eq!(places(&table, "qwen3:8b"), "direct: ollama/qwen3:8b");
        assert_eq!(places(&table, "ollama/qwen3:9b"), "none, near [\"ollama/qwen3:8b\"]");
    }

    #[test]
    fn a_target_speaks_the_clients_dialect_where_the_provider_does() {
        let table = table(&[]);
        for client in Dialect::ALL {
            let plan = plan(&table, "zai/glm-5.2", client).unwrap();
            assert_eq!(plan.targets[0].endpoint().dialect, client);
        }
        let plan = plan(&table, "anthropic/claude-opus-4-8", Dialect::OpenAiChat).unwrap();
        assert_eq!(plan.targets[0].endpoint().dialect, Dialect::AnthropicMessages);
        assert_eq!(plan.targets[0].info.context, Some(1_000_000));
    }

    #[test]
    fn a_listing_has_entries_then_aliases_then_every_model() {
        let table = table(&[("fast", &["zai/glm-4.7"]), ("claude-opus-*", &["zai/glm-5.2"])]);
        let rows = listing(&table);
        assert_eq!(rows[0].display_name, "fast (zai/glm-4.7)");
        let opus = rows.iter().find(|row| row.id == "claude-opus-4-8").unwrap();
        assert_eq!((opus.provider.as_str(), opus.info), ("zai", Known::from(model("zai", "glm-5.2").unwrap())));
        assert!(rows.iter().any(|row| row.id == "anthropic/claude-sonnet-5" && row.display_name == row.id));
        assert!(rows.len() <= LISTED_MAX);
        assert!(rows.iter().all(|row| plan(&table, &row.id, CLIENT).is_ok()));
    }

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, away) in [("", "", 0), ("abc", "", 3), ("", "abc", 3), ("kitten", "sitting", 3), ("gpt-5", "GPT-5", 0), ("é", "e", 1)] {
            assert_eq!(distance(a, b), away, "{a} {b}");
        }
    }
}
