//! The clients besides Claude Code: what each is given so that it asks aimux.
//!
//! opencode reads a config file that a variable names, aider reads variables. The token is in a file of the owner's alone or in the
//! environment, never in argv.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use serde_json::{Map, Value, json};

use super::CliError;
use super::claude::{SettingsFile, finish};
use super::known::KnownServer;
use crate::config::Environment;

/// Runs opencode to its end. Its Anthropic and OpenAI providers ask aimux, and a provider `aimux` has the config's own names.
pub(crate) fn opencode(program: &Path, server: &KnownServer, args: Vec<OsString>, environment: &Environment) -> Result<ExitCode, CliError> {
    let base = server.base_url()? + "/v1";
    let options = json!({ "baseURL": base, "apiKey": server.token.expose() });
    let names = server.table.models.iter().map(|entry| entry.name.text()).filter(|name| !name.contains('*'));
    let models: Map<String, Value> = names.map(|name| (name.to_owned(), json!({ "name": name }))).collect();
    let config = json!({
        "$schema": "https://opencode.ai/config.json",
        "provider": {
            "anthropic": { "options": options.clone() },
            "openai": { "options": options.clone() },
            "aimux": { "name": "aimux", "npm": "@ai-sdk/openai-compatible", "options": options, "models": models },
        },
    });
    let Value::Object(config) = config else { return Ok(ExitCode::FAILURE) };
    let file = SettingsFile::write(&environment.runtime_folder(), &config)?;
    let mut command = Command::new(program);
    // It wants some key before it shows a provider's models.
    command.args(args).env("OPENCODE_CONFIG", &file.path).env("ANTHROPIC_API_KEY", server.token.expose());
    finish(command)
}

/// Runs aider to its end. `--model openai/NAME` and `anthropic/NAME` ask aimux for `NAME`.
pub(crate) fn aider(program: &Path, server: &KnownServer, args: Vec<OsString>) -> Result<ExitCode, CliError> {
    let base = server.base_url()?;
    let mut command = Command::new(program);
    command.args(args);
    for name in ["OPENAI_API_BASE", "OPENAI_BASE_URL"] {
        command.env(name, format!("{base}/v1"));
    }
    for name in ["ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"] {
        command.env(name, &base);
    }
    for name in ["OPENAI_API_KEY", "ANTHROPIC_API_KEY"] {
        command.env(name, server.token.expose());
    }
    finish(command)
}
