//! Which targets serve a model, in which order, and why.

use std::sync::Arc;

use super::table::{Endpoint, Provider, Table};
use crate::dialect::{Dialect, Upstream};
use crate::provider::models::Model;

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
    pub info: Option<&'static Model>,
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
            output_max: self.info.map(|model| model.output_max).filter(|max| *max > 0),
            sees_images: self.info.map(|model| model.images),
            thinks: self.info.map(|model| model.reasoning),
            client,
        }
    }
}

/// Where a request may go.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The targets, in order; never empty.
    pub targets: Vec<Target>,
    /// The entry that decided: a glob of the config's, or `direct`.
    pub route: String,
}

/// No target serves the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("model \"{model}\" is not configured")]
pub struct PlanError {
    /// What was asked for.
    pub model: String,
    /// Names that come near.
    pub near: Vec<String>,
}

/// The targets for `model`, asked for in `client`'s dialect. See `docs/architecture.md` for the precedence of names.
///
/// # Errors
/// When nothing matches.
pub fn plan(table: &Table, model: &str, client: Dialect) -> Result<Plan, PlanError> {
    let _ = (table, client);
    Err(PlanError { model: model.to_owned(), near: Vec::new() })
}
