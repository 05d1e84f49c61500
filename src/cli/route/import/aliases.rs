//! `aliases.json`: other names of models. Ours are entries of `models`, which the user writes: here are the lines.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::taken::{Leads, line};
use crate::error::{Code, Error};

/// The longest file, in bytes.
const LENGTH_MAX: u64 = 1 << 20;

#[derive(Debug, Default, Serialize)]
pub(super) struct Taken {
    /// Those that lead somewhere already.
    there: Vec<String>,
    /// Lines for `models:`, as a name and its targets.
    entries: BTreeMap<String, String>,
    /// Those whose model nobody here serves.
    unserved: Vec<String>,
}

/// Reads the file; `None`: there is none.
pub(super) fn take(folder: &Path, leads: Leads<'_>) -> Result<Option<Taken>, Error> {
    let path = folder.join("aliases.json");
    let Some(text) = super::templates::read(&path, LENGTH_MAX)? else { return Ok(None) };
    let wrong = |error: serde_json::Error| Error::new(Code::Usage, format!("{}: {error}", path.display())).caused_by(error);
    let aliases: BTreeMap<String, String> = serde_json::from_str(&text).map_err(wrong)?;
    let mut taken = Taken::default();
    for (name, model) in aliases {
        match (leads(&name), leads(&model)) {
            (Some(_), _) => taken.there.push(name),
            (None, Some(target)) => drop(taken.entries.insert(name, target)),
            (None, None) => taken.unserved.push(format!("{name} ({model})")),
        }
    }
    Ok(Some(taken))
}

impl Taken {
    pub(super) fn text(&self) -> String {
        let mut text = line("aliases", "that the config has already", &self.there);
        if !self.entries.is_empty() {
            text += &format!("{:<10} {} to put under `models:` of the config:\n", "aliases", self.entries.len());
            for (name, target) in &self.entries {
                // JSON's strings are YAML's.
                text += &format!("  {}: [{}]\n", serde_json::Value::from(name.as_str()), serde_json::Value::from(target.as_str()));
            }
        }
        text + &line("aliases", "whose model nothing in the config serves", &self.unserved)
    }
}
