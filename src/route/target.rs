//! Somewhere to send a request to, and the names by which models are asked for. Start with [`Target`].

use std::sync::Arc;

use super::configured::{Endpoint, Provider};
use crate::dialect::{Dialect, Upstream};
use crate::provider::models::Known;

/// A provider, its dialect and a model: somewhere to send to.
#[derive(Debug, Clone)]
pub struct Target {
    /// The provider.
    pub provider: Arc<Provider>,
    /// Index into the provider's endpoints.
    pub endpoint: usize,
    /// The model, in the provider's words.
    pub model: String,
    /// What is known of the model.
    pub info: Known,
}

impl Target {
    /// The dialect's address and quirks.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.provider.endpoints[self.endpoint]
    }

    /// What an encoder needs to know.
    #[must_use]
    pub fn upstream(&self, client: Dialect) -> Upstream<'_> {
        Upstream {
            provider: &self.provider.name,
            model: &self.model,
            quirks: &self.endpoint().quirks,
            output_max: self.info.output_max,
            sees_images: self.info.images,
            thinks: self.info.reasoning,
            enforces_schemas: self.info.structured,
            client,
        }
    }
}

/// A model's name without what Claude Code appends to it.
pub(super) fn plain_name(model: &str) -> &str {
    model.strip_suffix(LONG_CONTEXT).unwrap_or(model)
}

/// What Claude Code appends to a model's name when it wants the long context window.
pub(super) const LONG_CONTEXT: &str = "[1m]";
