//! The config of somebody who has none: made from the key files and variables at hand, as text, so that it passes the
//! same checks as a file.

use std::fmt::Write as _;

use super::environment::Environment;
use crate::keys::Store;
use crate::provider::models::models_of;
use crate::provider::{Preset, table::PRESETS};

/// A config, and what to tell the user about it.
#[derive(Debug)]
pub(crate) struct Made {
    /// YAML.
    pub(crate) text: String,
    /// One line.
    pub(crate) note: String,
}

/// How a key file is called in the note.
const FILE: &str = "key file";

/// Makes a config of all presets whose key is there; `None` where there is none.
pub(crate) fn make(environment: &Environment, store: &Store) -> Option<Made> {
    let mut found: Vec<(&'static Preset, String)> = Vec::new();
    for preset in PRESETS.iter().filter(|preset| !preset.is_local) {
        let Some(key) = key(preset, environment, store) else { continue };
        // Some presets share a variable, but a key belongs to one of them: the first.
        if key == FILE || found.iter().all(|(_, other)| *other != key) {
            found.push((preset, key));
        }
    }
    let (first, _) = found.first()?;
    let mut text = "version: 1\nproviders:\n".to_owned();
    for (preset, _) in &found {
        let _ = writeln!(text, "  {}: {{}}", preset.name);
    }
    text.push_str("models:\n");
    // Anthropic's own models keep their names; all other names go to the first provider's main and fast models.
    if let Some((anthropic, _)) = found.iter().find(|(preset, _)| preset.name == "anthropic") {
        for model in models_of(anthropic.catalog) {
            let _ = writeln!(text, "  \"{}\": \"anthropic/{}\"", model.id, model.id);
        }
    }
    for (pattern, model) in [("claude-*haiku*", first.fast), ("claude-*", first.main), ("*", first.main)] {
        if !model.is_empty() {
            let _ = writeln!(text, "  \"{pattern}\": \"{}/{model}\"", first.name);
        }
    }
    let sources: Vec<String> = found.iter().map(|(preset, key)| format!("{} ({key})", preset.name)).collect();
    let note = format!(
        "no config file: made one from the keys at hand: {}; claude-* is served by {}/{}, the small models by {}/{}",
        sources.join(", "),
        first.name,
        first.main,
        first.name,
        first.fast
    );
    Some(Made { text, note })
}

/// Where the preset's key was found.
fn key(preset: &Preset, environment: &Environment, store: &Store) -> Option<String> {
    if store.contains(preset.name) {
        return Some(FILE.to_owned());
    }
    preset.env.iter().find(|name| environment.get(name).is_some()).map(|name| (*name).to_owned())
}
