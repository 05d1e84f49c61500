//! The refusal of what Anthropic Messages cannot say at all. What one server alone lacks is told where it is met.

use std::borrow::Cow;

use crate::dialect::{TranslateError, Upstream};

/// What a Messages server lacks and a client would miss.
pub(super) fn lacks(path: impl Into<Cow<'static, str>>, what: &str, upstream: &Upstream<'_>) -> TranslateError {
    TranslateError::new(path, format!("{} speaks Anthropic Messages, which has no {what}", upstream.provider))
}
