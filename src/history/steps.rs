//! What tools did before an answer, read back from an exchange.

use serde::Deserialize;

use super::Exchange;

/// What the model said and called for at once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Step {
    /// What it said; empty: nothing.
    #[serde(default)]
    pub text: String,
    /// What it called.
    pub calls: Vec<Call>,
}

/// A call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Call {
    /// The server; empty: there was no such tool.
    pub server: String,
    /// The tool's name there.
    pub tool: String,
    /// JSON text, as the model wrote it.
    pub arguments: String,
    /// `answered`, `failed`, `refused`, `misfit`, or what a later version has.
    pub outcome: String,
    /// Whether the model was told that it went wrong.
    #[serde(default)]
    pub is_error: bool,
    /// What the model was told, as text.
    pub result: String,
}

impl Exchange {
    /// What tools did before its answer. What another version kept otherwise is none.
    #[must_use]
    pub fn tool_steps(&self) -> Vec<Step> {
        serde_json::from_str(&self.steps).unwrap_or_default()
    }
}

impl Call {
    /// `server.tool`, as people write it.
    #[must_use]
    pub fn full_name(&self) -> String {
        if self.server.is_empty() { self.tool.clone() } else { format!("{}.{}", self.server, self.tool) }
    }
}
