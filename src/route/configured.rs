//! A provider as the config has it: its addresses, its keys, and what is known of its models. Start with [`Provider`].

use std::sync::Arc;

use super::quota::Quota;
use crate::dialect::{Dialect, Quirks};
use crate::keys::oauth::OAuth;
use crate::provider::measured::{self, MeasuredFinding, MeasuredTarget};
use crate::provider::models::{Known, model};
use crate::provider::{Auth, Check};
use crate::secret::Secret;

/// A configured provider.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name in the config.
    pub name: String,
    /// Its dialects; the first is preferred when the client's own is not among them.
    pub endpoints: Vec<Endpoint>,
    /// Its keys; empty where none is needed.
    pub keys: Vec<Key>,
    /// The catalog whose models it serves; empty: unknown.
    pub catalog: &'static str,
    /// Models that it is said to serve; empty: any.
    pub models: Vec<String>,
    /// Where it is, by the config, for policies; empty: not known.
    pub region: String,
    /// The classes of data that it may be given, by the config, for policies; empty: not known.
    pub data: Vec<String>,
    /// What the config knows better of some models, by their ids; what it leaves open is the catalog's.
    pub facts: Vec<(String, Known)>,
    /// What its models were found to do, at its addresses.
    pub measured: Vec<MeasuredTarget>,
    /// Headers of the config's, sent with each request.
    pub headers: Vec<(String, String)>,
    /// The config's part of each request's query, percent-encoded; may be empty.
    pub query: String,
    /// What it may be asked for, with all its keys.
    pub limits: Quota,
    /// What each of its keys may be asked for.
    pub key_limits: Quota,
    /// Whether HTTP/2 is offered to it.
    pub http2: bool,
    /// How it is logged in to, and its tokens refreshed.
    pub oauth: Option<Arc<OAuth>>,
}

impl Provider {
    /// One of which nothing is said but where it is: no key, no catalog, no limits.
    #[must_use]
    pub fn new(name: &str, endpoints: Vec<Endpoint>) -> Self {
        Self {
            name: name.to_owned(),
            endpoints,
            keys: Vec::new(),
            catalog: "",
            models: Vec::new(),
            region: String::new(),
            data: Vec::new(),
            facts: Vec::new(),
            measured: Vec::new(),
            headers: Vec::new(),
            query: String::new(),
            limits: Quota::default(),
            key_limits: Quota::default(),
            http2: false,
            oauth: None,
        }
    }

    /// What is known of a model at the endpoint of that index: by the config, else as it was measured, else by the catalog.
    #[must_use]
    pub fn known(&self, endpoint: usize, id: &str) -> Known {
        let measured = self.measured(endpoint, id).map_or(Known::NOTHING, MeasuredTarget::known);
        Known::said(&self.facts, id).or(measured).or(model(self.catalog, id).map_or(Known::NOTHING, Known::from))
    }

    /// What a model was found to do at the endpoint of that index.
    #[must_use]
    pub fn measured(&self, endpoint: usize, id: &str) -> Option<&MeasuredTarget> {
        let base_url = &self.endpoints.get(endpoint)?.base_url;
        self.measured.iter().find(|measured| measured.model == id && measured.base_url == *base_url)
    }

    /// The measurement by which it is decided whether a model has an ability, `tools` say; `None`: there is none, or the config
    /// knows better.
    #[must_use]
    pub fn decided_by(&self, endpoint: usize, id: &str, ability: &str) -> Option<&MeasuredFinding> {
        let own = Known::said(&self.facts, id);
        let said = match ability {
            measured::TOOLS => own.tools,
            measured::THINKING => own.reasoning,
            measured::IMAGES => own.images,
            measured::STRUCTURED => own.structured,
            _ => None,
        };
        if said.is_some() { None } else { self.measured(endpoint, id)?.finding(ability) }
    }
}

/// One dialect of a configured provider.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The dialect.
    pub dialect: Dialect,
    /// The base URL, without a slash at the end.
    pub base_url: String,
    /// How the key is sent.
    pub auth: Auth,
    /// How it differs from the dialect.
    pub quirks: Quirks,
    /// What tells whether a key is accepted.
    pub check: Check,
}

/// A key of a provider.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its name, for messages: the file's, or the variable's.
    pub name: String,
    /// The key.
    pub secret: Secret,
    /// What is known of one that expires and can be refreshed; `None`: it lasts.
    pub token: Option<Token>,
}

/// A key that expires.
#[derive(Debug, Clone)]
pub struct Token {
    /// Where the next one is fetched.
    pub oauth: Arc<OAuth>,
    /// When somebody logged in for it, in seconds since 1970: what is refreshed stays the same login's.
    pub login: u64,
    /// When it was fetched, in seconds since 1970.
    pub fetched: u64,
    /// When it expires, in seconds since 1970; `None`: nobody knows.
    pub expires: Option<u64>,
}
