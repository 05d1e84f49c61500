//! `--bundle`: what a helper has to know, without what nobody may.
//!
//! Values of the config are masked as `aimux config show` masks them. Then every text goes through [`Redaction`]: what is known
//! to be a secret here, and what looks like one.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use super::At;
use super::finding::Finding;
use super::show::Shown;
use super::state::{RECENT_MS, now_ms};
use crate::cli::output;
use crate::config::{self, Environment, Extent, ShownValue};
use crate::date;
use crate::error::{Code, Error};
use crate::keys::keys_in;
use crate::ledger::recent_errors;
use crate::secret::Secret;

/// What stands for a secret.
const REDACTED: &str = "[redacted]";
/// A shorter value is no secret, and may be a part of any word.
const SECRET_MIN: usize = 8;

/// Writes the report into a new file, its owner's alone. `secrets`: the keys that were opened.
///
/// # Errors
/// When there is a file of that name, or it cannot be written.
pub(super) fn write(file: &Path, findings: &[Finding], at: &At<'_>, secrets: Vec<Secret>) -> Result<(), Error> {
    let failed = |error: std::io::Error| {
        Error::new(Code::StateFolder, format!("the report {} cannot be written: {error}", file.display()))
            .hint("name a file that is not there yet")
            .caused_by(error)
    };
    let report = Redaction::of(at, secrets).value(report(findings, at)?);
    let text = output::json(&report)?;
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(failed)?;
    out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(failed)
}

fn report(findings: &[Finding], at: &At<'_>) -> Result<Value, Error> {
    let findings =
        serde_json::to_value(Shown::new(findings)).map_err(|error| Error::new(Code::Bug, "the findings are no JSON").caused_by(error))?;
    let (ledger, _) = at.remembered();
    let errors: Vec<Value> = recent_errors(&ledger.place, now_ms().saturating_sub(RECENT_MS))
        .unwrap_or_default()
        .into_iter()
        .map(|error| json!({ "code": error.code, "requests": error.requests, "last": date::rfc3339(error.last_ms / 1000), "target": error.target }))
        .collect();
    let variables: Vec<&str> = at.environment.iter().map(|(name, _)| name).filter(|name| tells(name)).collect();
    Ok(json!({
        "made": date::rfc3339(now_ms() / 1000),
        "system": { "os": std::env::consts::OS, "arch": std::env::consts::ARCH },
        "doctor": findings,
        "config": config(at),
        "errors": errors,
        "variables": variables,
    }))
}

/// Whether the name of a variable that is set says something; no value is ever told.
fn tells(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["AIMUX_", "ANTHROPIC_", "CLAUDE_", "OPENAI_", "GEMINI_", "XDG_"].iter().any(|begin| name.starts_with(begin))
        || name.ends_with("_PROXY")
        || ["SSL_CERT_FILE", "SSL_CERT_DIR", "LANG", "LC_ALL", "TERM"].contains(&name.as_str())
}

/// The config's values, masked, with where they are from.
fn config(at: &At<'_>) -> Value {
    let Ok(shown) = config::show(&at.options(), at.environment, &at.store, Extent::Given) else { return Value::Null };
    let row = |row: &config::ShownRow| match &row.value {
        ShownValue::Given { yaml, origin, .. } => Some(json!({ "path": row.path, "value": yaml, "origin": origin.place() })),
        _ => None,
    };
    shown.rows.iter().filter_map(row).collect::<Vec<_>>().into()
}

/// What is taken out of texts.
struct Redaction {
    secrets: Vec<Secret>,
    home: Option<String>,
}

impl Redaction {
    /// The secrets that are known here: keys that were opened, the client token, variables that are named like one.
    fn of(at: &At<'_>, opened: Vec<Secret>) -> Self {
        let mut secrets = opened;
        secrets.extend(at.token());
        secrets.extend(named(at.environment));
        secrets.retain(|secret| secret.expose().len() >= SECRET_MIN);
        // Of two that begin alike the longer one goes first, so that nothing of it stays.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        let home = at.environment.get("HOME").filter(|home| home.len() > 1).map(|home| home.trim_end_matches('/').to_owned());
        Self { secrets, home }
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(values) => values.into_iter().map(|value| self.value(value)).collect(),
            Value::Object(members) => {
                Value::Object(members.into_iter().map(|(name, value)| (self.text(name), self.value(value))).collect())
            }
            other => other,
        }
    }

    fn text(&self, mut text: String) -> String {
        for secret in &self.secrets {
            if text.contains(secret.expose()) {
                text = text.replace(secret.expose(), REDACTED);
            }
        }
        let looks: Vec<String> = keys_in(&text).iter().map(|found| found.text.to_owned()).collect();
        for key in looks {
            text = text.replace(&key, REDACTED);
        }
        match &self.home {
            Some(home) => text.replace(home, "~"),
            None => text,
        }
    }
}

fn named(environment: &Environment) -> impl Iterator<Item = Secret> + '_ {
    let is_secret = |name: &str| {
        let name = name.to_ascii_uppercase();
        ["KEY", "TOKEN", "SECRET", "PASSWORD", "AUTHORIZATION", "CREDENTIAL", "HEADERS"].iter().any(|word| name.contains(word))
    };
    environment.iter().filter(move |(name, _)| is_secret(name)).map(|(_, value)| Secret::new(value.to_owned()))
}
