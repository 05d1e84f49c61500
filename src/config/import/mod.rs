//! Other programs' configs as one of ours, with a list of what does not come along.
//!
//! A key in clear comes out as a value of its own, never in the text. Nothing is written here. Start with [`import`]; `source`
//! reads the foreign file, `draft` is the config that is made, and each format has a file.

mod aimux;
mod ccr;
mod draft;
mod litellm;
mod source;

pub use draft::ImportedKey;
pub use source::Loss;

use draft::Draft;
use source::{At, Reading};

use super::LoadError;

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The proxy's `config.yaml` of LiteLLM.
    LiteLlm,
    /// `~/.claude-code-router/config.json` of claude-code-router.
    Ccr,
    /// The TypeScript program called aimux: `apiKey`, `baseUrl`, `maxRetries`.
    Aimux1,
    /// The C++ program called aimux: `api_key`, `endpoint`, `retry_attempts`.
    Aimux2,
}

/// What an import makes.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The config, without any key.
    pub text: String,
    /// The keys that the file held in clear.
    pub keys: Vec<ImportedKey>,
    /// What did not come along, in the file's order.
    pub losses: Vec<Loss>,
    /// How many providers the config has; none: nothing could be imported.
    pub providers: usize,
    /// How many names it serves.
    pub models: usize,
}

/// Makes a config of a foreign one. `name` is the file's, for messages.
///
/// # Errors
/// When the file is neither YAML nor JSON.
pub fn import(format: Format, name: &str, bytes: &[u8]) -> Result<Imported, LoadError> {
    let mut reading = Reading::new(name, bytes)?;
    let root = reading.root();
    let root = At::root(&root);
    let mut draft = Draft::default();
    match format {
        Format::LiteLlm => litellm::read(&mut reading, &mut draft, &root),
        Format::Ccr => ccr::read(&mut reading, &mut draft, &root),
        Format::Aimux1 => aimux::read(&mut reading, &mut draft, &root, aimux::First::Highest),
        Format::Aimux2 => aimux::read(&mut reading, &mut draft, &root, aimux::First::Lowest),
    }
    let mut losses = reading.losses;
    losses.sort_by_key(|loss| loss.line);
    let from = match format {
        Format::LiteLlm => "a config of LiteLLM's proxy",
        Format::Ccr => "a config of claude-code-router",
        Format::Aimux1 | Format::Aimux2 => "a config of an earlier program called aimux",
    };
    Ok(Imported { text: draft.text(from), providers: draft.providers.len(), models: draft.models.len(), keys: draft.keys, losses })
}

#[cfg(test)]
mod tests;
