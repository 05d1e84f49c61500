//! Which models a config reaches, what is known of each, and what leads there: what `aimux models` shows. Pure.
//!
//! Start with [`registry`].

use std::collections::{BTreeMap, BTreeSet};

use super::table::{Provider, Table, TargetRef};
use crate::provider::lists::{List, Lists};
use crate::provider::measured::MeasuredTarget;
use crate::provider::models::{Known, model, models_of};
use crate::provider::table::PRESETS;

/// A model of a provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The provider's name in the config, or the preset's.
    pub provider: String,
    /// The model, in the provider's words.
    pub model: String,
    /// Whether the config has the provider.
    pub is_configured: bool,
    /// What is known of it.
    pub known: Known,
    /// Who says so.
    pub sources: Sources,
    /// What it was found to do, at each address where it was measured.
    pub measured: Vec<MeasuredTarget>,
    /// Whether the provider's own list has it; `None`: it was not asked.
    pub listed: Option<bool>,
    /// The names under `models` that lead to it, in the config's order.
    pub asked_as: Vec<String>,
    /// The rules under `routes` that lead to it, in the config's order.
    pub rules: Vec<String>,
}

impl Entry {
    /// What a client may always ask for: `provider/model`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.provider, self.model)
    }
}

/// Who says something of a model, in the order in which they are believed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sources {
    /// `providers.NAME.models` of the config.
    pub config: bool,
    /// What was measured.
    pub measured: bool,
    /// The built-in catalog.
    pub catalog: bool,
    /// The provider's own list: shown, but nothing is routed by it.
    pub list: bool,
}

/// Every model that is known, by provider in the config's order, then by id; with the presets that the config does not name, if
/// `with_rest`.
#[must_use]
pub fn registry(table: &Table, lists: &Lists, with_rest: bool) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (index, provider) in table.providers.iter().enumerate() {
        let list = list_of(lists, provider);
        let leads = Leads::to(table, index);
        entries.extend(ids(provider, list, &leads).into_iter().map(|id| entry(provider, id, list, &leads)));
    }
    if with_rest {
        let is_new = |name: &str| table.providers.iter().all(|provider| provider.name != name);
        for preset in PRESETS.iter().filter(|preset| is_new(preset.name)) {
            entries.extend(models_of(preset.catalog).map(|model| Entry {
                provider: preset.name.to_owned(),
                model: model.id.to_owned(),
                is_configured: false,
                known: Known::from(model),
                sources: Sources { catalog: true, ..Sources::default() },
                measured: Vec::new(),
                listed: None,
                asked_as: Vec::new(),
                rules: Vec::new(),
            }));
        }
    }
    entries
}

/// What a configured provider listed, wherever of its addresses it was asked.
#[must_use]
pub fn list_of<'a>(lists: &'a Lists, provider: &Provider) -> Option<&'a List> {
    lists.of(&provider.name, provider.endpoints.iter().map(|endpoint| endpoint.base_url.as_str()))
}

/// What leads to the models of one provider: names and rules, by model.
#[derive(Default)]
struct Leads<'a> {
    names: BTreeMap<&'a str, Vec<&'a str>>,
    rules: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Leads<'a> {
    fn to(table: &'a Table, provider: usize) -> Self {
        let of = |pairs: &mut dyn Iterator<Item = (&'a str, &'a [TargetRef])>| {
            let mut leads: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (name, targets) in pairs {
                for target in targets.iter().filter(|target| target.provider == provider) {
                    leads.entry(&target.model).or_default().push(name);
                }
            }
            leads
        };
        Self {
            names: of(&mut table.models.iter().map(|entry| (entry.name.text(), entry.targets.as_slice()))),
            rules: of(&mut table.rules.iter().map(|rule| (rule.name.as_str(), rule.targets.as_slice()))),
        }
    }
}

/// The ids of a provider: those that it may serve by the config, else all that somebody knows of.
fn ids<'a>(provider: &'a Provider, list: Option<&'a List>, leads: &Leads<'a>) -> BTreeSet<&'a str> {
    let named = leads.names.keys().chain(leads.rules.keys()).copied();
    if !provider.models.is_empty() {
        return provider.models.iter().map(String::as_str).chain(named).collect();
    }
    let own = provider.facts.iter().map(|(id, _)| id.as_str());
    models_of(provider.catalog).map(|model| model.id).chain(own).chain(list.into_iter().flat_map(List::ids)).chain(named).collect()
}

fn entry(provider: &Provider, id: &str, list: Option<&List>, leads: &Leads<'_>) -> Entry {
    let said = list.map(|list| list.known(id));
    let of_list = said.flatten().unwrap_or(Known::NOTHING);
    let at = (0..provider.endpoints.len()).find(|at| provider.measured(*at, id).is_some());
    let known = provider.known(at.unwrap_or(0), id);
    let all = known.or(of_list);
    let copied = |names: Option<&Vec<&str>>| names.into_iter().flatten().map(|name| (*name).to_owned()).collect();
    Entry {
        provider: provider.name.clone(),
        model: id.to_owned(),
        is_configured: true,
        known: all,
        sources: Sources {
            config: provider.facts.iter().any(|(known, _)| known == id),
            measured: at.is_some(),
            catalog: model(provider.catalog, id).is_some(),
            list: all != known,
        },
        measured: provider.measured.iter().filter(|measured| measured.model == id).cloned().collect(),
        listed: said.map(|known| known.is_some()),
        asked_as: copied(leads.names.get(id)),
        rules: copied(leads.rules.get(id)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::provider::lists::ListedModel;
    use crate::provider::models::Price;
    use crate::route::glob::Glob;
    use crate::route::rule::Rule;
    use crate::route::table::{Choice, ModelEntry};
    use crate::route::tests::provider;

    fn find<'a>(entries: &'a [Entry], name: &str) -> &'a Entry {
        entries.iter().find(|entry| entry.name() == name).unwrap_or_else(|| panic!("{name}"))
    }

    #[test]
    fn a_model_has_what_config_catalog_and_list_say_in_that_order() {
        let context = |context| Known { context: Some(context), ..Known::NOTHING };
        let mut cerebras = provider("cerebras", 1);
        cerebras.catalog = "cerebras";
        cerebras.facts = vec![("gpt-oss-120b".to_owned(), context(5)), ("mine".to_owned(), context(6))];
        let url = cerebras.endpoints[0].base_url.clone();
        let mut lists = Lists::default();
        let price = Price { cache_read: Some(0.1), input: Some(9.0), ..Known::NOTHING.price };
        let listed = |id: &str, known| ListedModel { id: id.to_owned(), known };
        lists.put("cerebras", &url, 1, &[listed("gpt-oss-120b", Known { price, ..context(7) }), listed("new", context(8))]);
        let targets = |model: &str| vec![TargetRef { provider: 0, model: model.to_owned() }];
        let table = Table {
            providers: vec![Arc::new(cerebras)],
            models: vec![ModelEntry { name: Glob::new("fast-*"), targets: targets("gpt-oss-120b"), choice: Choice::default() }],
            rules: vec![Rule { name: "titles".to_owned(), when: Vec::new(), targets: targets("unheard-of"), choice: Choice::default() }],
            ..Table::default()
        };
        let entries = registry(&table, &lists, false);
        assert_eq!(
            entries.iter().map(|e| e.model.as_str()).collect::<Vec<_>>(),
            ["gpt-oss-120b", "mine", "new", "unheard-of", "zai-glm-4.7"]
        );
        let oss = find(&entries, "cerebras/gpt-oss-120b");
        assert_eq!((oss.known.context, oss.known.price.input, oss.known.price.cache_read), (Some(5), Some(0.35), Some(0.1)));
        assert_eq!((oss.sources, oss.listed), (Sources { config: true, measured: false, catalog: true, list: true }, Some(true)));
        assert_eq!((oss.asked_as.as_slice(), oss.rules.len()), (["fast-*".to_owned()].as_slice(), 0));
        let new = find(&entries, "cerebras/new");
        assert_eq!((new.known.context, new.sources), (Some(8), Sources { list: true, ..Sources::default() }));
        let gone = find(&entries, "cerebras/zai-glm-4.7");
        assert_eq!((gone.listed, gone.sources), (Some(false), Sources { catalog: true, ..Sources::default() }));
        let unheard = find(&entries, "cerebras/unheard-of");
        assert_eq!(
            (unheard.known, unheard.sources, unheard.rules.as_slice()),
            (Known::NOTHING, Sources::default(), ["titles".to_owned()].as_slice())
        );
        let all = registry(&table, &lists, true);
        assert!(!find(&all, "openai/gpt-4o").is_configured && find(&all, "cerebras/new").is_configured);
        assert_eq!(all.iter().filter(|entry| entry.provider == "cerebras").count(), 5, "a configured preset comes once");
    }

    #[test]
    fn a_provider_with_models_of_its_own_serves_no_others() {
        let mut one = provider("zai", 1);
        one.catalog = "zai";
        one.models = vec!["glm-5.1".to_owned(), "mine".to_owned()];
        let table = Table { providers: vec![Arc::new(one)], ..Table::default() };
        let entries = registry(&table, &Lists::default(), false);
        assert_eq!(
            entries.iter().map(|entry| (entry.model.as_str(), entry.listed)).collect::<Vec<_>>(),
            [("glm-5.1", None), ("mine", None)]
        );
        assert_eq!(entries[0].known.context, Some(200_000));
    }
}
