//! A config's check as its users see it: findings with places, for people and programs. Key files are opened here, and only
//! here, to tell whether they could be; nothing asks for a passphrase.
//!
//! Start with [`validate_text`].

use std::path::Path;

use super::diagnostic::{Diagnostic, Finding, Report, Severity};
use super::environment::Environment;
use super::{Options, allowances, load, mask};
use crate::error::{Code, Error};
use crate::keys::Store;

/// What [`validate`] found.
#[derive(Debug, Clone)]
pub struct Validation {
    /// The file's name, or what else it is.
    pub name: String,
    /// Each finding with its excerpt, one text for the terminal; empty: none.
    pub rendered: String,
    /// How many errors.
    pub errors: usize,
    /// How many warnings.
    pub warnings: usize,
    /// Lines for the user: what was made up or not looked at.
    pub notes: Vec<String>,
    /// The findings one by one.
    pub findings: Vec<FindingLine>,
}

/// What a finding's place is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A file.
    File,
    /// A variable or a flag that overrides a field.
    Override,
}

/// A finding, for programs. Its fields are those of `--format json`, which docs/ci.md describes: none is ever renamed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct FindingLine {
    /// `AIMUX-E0114`.
    pub code: String,
    /// `error` or `warning`.
    pub severity: &'static str,
    /// The code's few words.
    pub title: &'static str,
    /// What `file` names.
    pub place: Place,
    /// The file, or the variable.
    pub file: String,
    /// From one.
    pub line: usize,
    /// From one, in characters.
    pub column: usize,
    /// The line of the place's end.
    pub end_line: usize,
    /// The column after the place's last character.
    pub end_column: usize,
    /// The field; empty for the file.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
    /// Whether `--fix` mends it.
    pub fixable: bool,
}

/// Whether warnings are errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strict {
    /// They are.
    Yes,
    /// They are not: a build machine has no keys.
    No,
}

/// Whether key files are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// They are, where that needs no passphrase.
    Opened,
    /// It is only looked whether they are there.
    Closed,
}

/// How a config is checked.
#[derive(Debug, Clone, Copy)]
pub struct Checks {
    /// Whether warnings are errors.
    pub strict: Strict,
    /// Whether key files are opened.
    pub keys: Keys,
}

/// Checks a config as `serve` does, without opening keys.
///
/// # Errors
/// When there is no config, or it cannot be read at all.
pub fn validate(options: &Options, environment: &Environment, keys: &Store, strict: Strict) -> Result<Validation, Error> {
    validate_found(options, environment, keys, Checks { strict, keys: Keys::Closed })
}

/// Checks the config that [`super::locate`] finds, or the one made from the keys at hand.
///
/// # Errors
/// When there is none, or it cannot be read at all.
pub fn validate_found(options: &Options, environment: &Environment, keys: &Store, checks: Checks) -> Result<Validation, Error> {
    let loaded = load::load(options, environment, keys)?;
    let name = loaded.path.as_ref().map_or_else(|| "the config made from the keys at hand".to_owned(), |path| path.display().to_string());
    let mut found = judged(name, loaded.report, keys, checks);
    found.notes.splice(0..0, loaded.notes);
    Ok(found)
}

/// Checks the text of a config; `name` is what it is called in findings.
#[must_use]
pub fn validate_text(name: &str, bytes: &[u8], environment: &Environment, keys: &Store, checks: Checks) -> Validation {
    let (_, report) = load::examine(name, bytes, &Options::default(), environment, keys);
    judged(name.to_owned(), report, keys, checks)
}

/// The bytes of a config file.
///
/// # Errors
/// When it is absent, unreadable, too large or writable by everybody.
pub fn read(path: &Path) -> Result<Vec<u8>, Error> {
    load::read(path)
}

/// A file that could not be read, as a finding like any other.
#[must_use]
pub fn unreadable(name: &str, error: &Error) -> Validation {
    let (code, message, help) = (error.code.to_string(), mask::shown(&error.message), mask::shown(&error.advice()));
    let name = mask::shown(name);
    let rendered = format!("error[{code}]: {message}\n --> {name}\n  = help: {help}\n");
    let (line, column, end_line, end_column) = (1, 1, 1, 2);
    let (title, place, path) = (error.code.row().title, Place::File, String::new());
    let file = name.clone();
    let finding = FindingLine {
        code,
        severity: "error",
        title,
        place,
        file,
        line,
        column,
        end_line,
        end_column,
        path,
        message,
        help,
        fixable: false,
    };
    Validation { name, rendered, errors: 1, warnings: 0, notes: Vec::new(), findings: vec![finding] }
}

fn judged(name: String, mut report: Report, store: &Store, checks: Checks) -> Validation {
    let mut notes = Vec::new();
    if checks.keys == Keys::Opened {
        notes.extend(open_keys(&mut report, store));
    }
    if checks.strict == Strict::Yes {
        load::strict(&mut report);
    }
    allowances::apply(&mut report);
    if checks.strict == Strict::Yes {
        report.diagnostics.iter_mut().for_each(|found| found.severity = Severity::Error);
    }
    Validation {
        name: mask::shown(&name),
        rendered: report.render(),
        errors: report.errors(),
        warnings: report.warnings(),
        findings: report.diagnostics.iter().map(|found| finding_line(&report, found)).collect(),
        notes,
    }
}

fn finding_line(report: &Report, found: &Diagnostic) -> FindingLine {
    let (line, column) = report.position(found.span);
    let (end_line, end_column) = report.end(found.span);
    let row = found.finding.row();
    FindingLine {
        code: format!("AIMUX-{}", row.id),
        severity: found.severity.name(),
        title: row.title,
        place: if found.span.source == 0 { Place::File } else { Place::Override },
        file: mask::shown(report.name(found.span)),
        line,
        column,
        end_line,
        end_column,
        path: mask::shown(&found.path),
        message: mask::shown(&found.message),
        help: found.advice(),
        fixable: found.span.source == 0 && found.fix.is_some(),
    }
}

/// Tries to open each key file that the config names and that is there; returns what is to be said of it.
fn open_keys(report: &mut Report, store: &Store) -> Option<String> {
    if report.key_files.is_empty() {
        return None;
    }
    let mut note = None;
    let mut never = || Err(Error::new(Code::KeyUnavailable, "the identity is protected by a passphrase"));
    let opener = match store.protected() {
        // A check in CI has nobody to ask; that the file is there and safe is all that can be said.
        Ok(Some(true)) => {
            note = Some("the key files were not opened: a passphrase protects the identity, and a check asks for none".to_owned());
            None
        }
        _ => match store.plugins() {
            Ok(plugins) if !plugins.is_empty() => {
                let plugins = plugins.join(", age-plugin-");
                note = Some(format!("the key files were not opened: the identity needs age-plugin-{plugins}, and a check runs no plugin"));
                None
            }
            _ => Some(store.opener(&mut never)),
        },
    };
    let mut found = Vec::new();
    for file in &report.key_files {
        let failure = match &opener {
            None => store.changed(&file.name).err(),
            Some(Ok(opener)) => match opener.read(&file.name) {
                Ok(key) if http::HeaderValue::from_str(key.secret.expose()).is_ok() && !key.secret.expose().is_empty() => None,
                Ok(_) => Some(Error::new(Code::KeyStore, format!("key \"{}\" is empty or has characters that no key has", file.name))),
                Err(error) => Some(error),
            },
            Some(Err(error)) => Some(Error::new(error.code, error.message.clone()).hint(error.advice())),
        };
        let Some(error) = failure else { continue };
        let message = format!("key file \"{}\" cannot be opened: {}", file.name, error.message);
        let diagnostic = Diagnostic::new(Finding::KeyClosed, file.span, file.path.clone(), message, "stays closed");
        found.push(diagnostic.help(error.advice()));
    }
    report.diagnostics.extend(found);
    report.finish();
    note
}
