//! What aimux knows about providers and models before anybody configures anything: rows of data.
//!
//! An OpenAI-compatible provider is one row in [`table`]; a model's price or limit one row in [`models`].

pub mod lists;
pub mod measured;
pub mod models;
mod reference;
pub mod table;

pub use reference::reference;

use crate::dialect::{Dialect, Quirks};

/// A provider that aimux knows by name.
#[derive(Debug)]
pub struct Preset {
    /// The name in the config.
    pub name: &'static str,
    /// The name for people.
    pub title: &'static str,
    /// Environment variables that usually hold its key, in order of precedence.
    pub env: &'static [&'static str],
    /// Where and how it is spoken to; the first one is preferred when the client's own dialect is not among them.
    pub endpoints: &'static [Endpoint],
    /// The model that serves `claude-opus-*` and other main names where nothing is configured; empty for local servers.
    pub main: &'static str,
    /// The model for small, quick requests.
    pub fast: &'static str,
    /// Whether it runs on the user's machine and needs no key.
    pub is_local: bool,
    /// The provider whose rows in the model table apply; empty for none.
    pub catalog: &'static str,
    /// How a browser gets a key of it; `None`: it has to be copied by hand.
    pub login: Option<Login>,
}

/// Where a browser gets a lasting key, in OpenRouter's form of PKCE.
#[derive(Debug)]
pub struct Login {
    /// Where the browser goes.
    pub auth_url: &'static str,
    /// Where its code is exchanged for a key.
    pub token_url: &'static str,
    /// The name of this machine that the provider sends browsers back to.
    pub redirect_host: &'static str,
}

/// One dialect of a provider.
#[derive(Debug)]
pub struct Endpoint {
    /// The dialect.
    pub dialect: Dialect,
    /// What the provider's own SDK takes as base URL, without a slash at the end.
    pub base_url: &'static str,
    /// How the key is sent.
    pub auth: Auth,
    /// How it differs from the dialect.
    pub quirks: &'static Quirks,
    /// What tells whether a key is accepted.
    pub check: Check,
}

/// A request that costs nothing and is answered only for an accepted key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// `GET` of this path below the base URL.
    Below(&'static str),
    /// `GET` of this path at the base URL's host.
    AtHost(&'static str),
}

impl Check {
    /// The list of models, where the dialect has it; most providers ask for a key there.
    #[must_use]
    pub fn usual(dialect: Dialect) -> Self {
        match dialect {
            Dialect::OpenAiChat => Self::Below("/models"),
            Dialect::AnthropicMessages => Self::Below("/v1/models"),
        }
    }
}

/// How a key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// `x-api-key: KEY`.
    XApiKey,
    /// No key.
    None,
}

/// The preset called `name`.
#[must_use]
pub fn preset(name: &str) -> Option<&'static Preset> {
    table::PRESETS.iter().find(|preset| preset.name == name)
}
