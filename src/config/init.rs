//! The text of a first config: who answers, in which order, and what Claude's names mean.
//!
//! Nothing is asked or written here. Start with [`candidates`], then [`first_config`].

use std::fmt::Write as _;

use super::environment::Environment;
use super::write;
use crate::keys::Store;
use crate::provider::models::models_of;
use crate::provider::{Preset, table::PRESETS};

/// What a config is called by editors' YAML servers: the schema beside it.
pub const SCHEMA_FILE: &str = "config.schema.json";

/// The first line of a config, by which editors complete and check while it is written.
#[must_use]
pub fn modeline() -> String {
    format!("# yaml-language-server: $schema=./{SCHEMA_FILE}\n")
}

/// Where a provider's key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// The key file of that name.
    File(String),
    /// The environment variable of that name.
    Variable(String),
    /// Nowhere: none is needed, or it comes later.
    None,
}

/// A known provider, and whether its key is at hand.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The provider.
    pub preset: &'static Preset,
    /// Where its key is.
    pub key: KeyPlace,
}

/// Every known provider. Two that share a variable cannot both own its key: the first one does.
#[must_use]
pub fn candidates(environment: &Environment, store: &Store) -> Vec<Candidate> {
    let mut taken: Vec<&str> = Vec::new();
    let candidate = |preset: &'static Preset| {
        let variable = preset.env.iter().find(|name| environment.get(name).is_some() && !taken.contains(name));
        let key = match variable {
            _ if store.contains(preset.name) => KeyPlace::File(preset.name.to_owned()),
            Some(name) => {
                taken.push(name);
                KeyPlace::Variable((*name).to_owned())
            }
            None => KeyPlace::None,
        };
        Candidate { preset, key }
    };
    PRESETS.iter().map(candidate).collect()
}

/// A config for these providers, the preferred one first. `main` and `fast` are what the large and the small names of Claude
/// mean, as `provider/model`; the other providers' own follow as fallbacks.
#[must_use]
pub fn first_config(chosen: &[Candidate], main: &str, fast: &str) -> String {
    let mut out = modeline();
    out.push_str("# Every field: `aimux config reference`. Check it with `aimux config validate`.\nversion: 1\n\nproviders:\n");
    for Candidate { preset, key } in chosen {
        let _ = match key {
            KeyPlace::File(name) => writeln!(out, "  {}: {{ key: {} }}", preset.name, write::text(name)),
            KeyPlace::Variable(name) => writeln!(out, "  {}: {{ key: {{ env: {name} }} }}", preset.name),
            KeyPlace::None if preset.is_local => writeln!(out, "  {}: {{}}", preset.name),
            KeyPlace::None => writeln!(out, "  {}: {{}}  # add its key: aimux keys add {}", preset.name, preset.name),
        };
    }
    let others = |first: &str, own: fn(&Preset) -> &'static str| {
        let rest = chosen.iter().map(|candidate| candidate.preset).filter(|preset| !own(preset).is_empty());
        let rest = rest.map(|preset| format!("{}/{}", preset.name, own(preset))).filter(|target| {
            // A provider that is asked already is no fallback for itself.
            target.split('/').next() != first.split('/').next()
        });
        let targets: Vec<String> = std::iter::once(first.to_owned()).chain(rest).filter(|target| !target.is_empty()).collect();
        format!("[{}]", targets.iter().map(|target| write::text(target)).collect::<Vec<_>>().join(", "))
    };
    if main.is_empty() || fast.is_empty() {
        return out;
    }
    out.push_str("\n# What clients ask for, and what serves it, in order; a plain `provider/model` needs no entry.\nmodels:\n");
    // Anthropic's own models keep their names where Anthropic comes first.
    if let Some(first) = chosen.first().filter(|first| first.preset.name == "anthropic") {
        for model in models_of(first.preset.catalog) {
            let targets = if model.id.contains("haiku") {
                others(&format!("anthropic/{}", model.id), |preset| preset.fast)
            } else {
                others(&format!("anthropic/{}", model.id), |preset| preset.main)
            };
            let _ = writeln!(out, "  {}: {targets}", write::text(model.id));
        }
    }
    let _ = writeln!(out, "  \"claude-*haiku*\": {}", others(fast, |preset| preset.fast));
    let _ = writeln!(out, "  \"claude-*\": {}", others(main, |preset| preset.main));
    out
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Options, load};

    fn environment(names: &[&str]) -> Environment {
        Environment::new(names.iter().map(|name| ((*name).to_owned(), "sk-0123456789".to_owned())))
    }

    #[test]
    fn every_choice_of_providers_makes_a_config_that_passes_without_a_word() {
        let store = Store::new(Path::new("/nonexistent"), None);
        let variables: Vec<&str> = PRESETS.iter().flat_map(|preset| preset.env.iter().copied()).collect();
        let environment = environment(&variables);
        let all: Vec<Candidate> = candidates(&environment, &store).into_iter().filter(|one| one.key != KeyPlace::None).collect();
        assert!(all.len() > 8, "{all:?}");
        for first in 0..all.len() {
            let mut chosen = all.clone();
            chosen.rotate_left(first);
            for count in [1, 2, chosen.len()] {
                let preset = chosen[0].preset;
                let target = |model: &str| format!("{}/{model}", preset.name);
                let text = first_config(&chosen[..count], &target(preset.main), &target(preset.fast));
                let report = load::examine("c", text.as_bytes(), &Options::default(), &environment, &store).1;
                assert!(report.diagnostics.is_empty(), "{}\n{text}", report.render());
                assert!(text.starts_with("# yaml-language-server: $schema=./config.schema.json\n"));
            }
        }
    }

    #[test]
    fn a_variable_that_two_providers_share_is_one_providers() {
        let found = candidates(&environment(&["ZAI_API_KEY"]), &Store::new(Path::new("/nonexistent"), None));
        let with_key: Vec<&str> = found.iter().filter(|one| one.key != KeyPlace::None).map(|one| one.preset.name).collect();
        assert_eq!(with_key, ["zai"]);
    }
}
