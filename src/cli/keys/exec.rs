//! `aimux keys exec NAME… -- CMD`: one program gets keys, as the variables that it reads; nobody else does.
//!
//! The program takes this process's place, so its exit code and signals are its own. Start with [`run`].

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use crate::audit::{Action, Entry, Log};
use crate::cli::console::ask_passphrase;
use crate::cli::fresh::Fresh;
use crate::cli::named::Named;
use crate::cli::{CliError, output};
use crate::config::{self, Environment, KeyUse, LoadError, Options};
use crate::error::{Code, Error};
use crate::keys::Store;
use crate::keys::oauth::OAuth;
use crate::provider::preset;
use crate::secret::Secret;

/// Exit codes of a shell that finds no program, or none that it may run.
const NOT_FOUND: u8 = 127;
const NOT_RUNNABLE: u8 = 126;

#[derive(Debug, clap::Args)]
pub(super) struct ExecArgs {
    /// Keys, by the name of their file; `NAME=VARIABLE` chooses the variable
    #[arg(required = true, value_name = "NAME", add = Named::Keys)]
    names: Vec<String>,
    /// The program and its arguments, after `--`
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Runs the command; returns only when the program could not be started.
pub(super) fn run(
    args: &ExecArgs,
    path: Option<PathBuf>,
    environment: &Environment,
    store: &Store,
    log: &Log,
) -> Result<ExitCode, CliError> {
    let store = &store.clone().remembering();
    let uses = uses(path.clone(), environment, store)?;
    let wanted: Vec<(String, String)> = args.names.iter().map(|word| choice(word, &uses)).collect::<Result<_, _>>()?;
    for (at, (name, variable)) in wanted.iter().enumerate() {
        // Before a passphrase is asked for.
        store.changed(name)?;
        if wanted.iter().take(at).any(|(_, other)| other == variable) {
            return Err(Error::new(Code::Usage, format!("two keys would be {variable}"))
                .hint(format!("choose the variable of one: `aimux keys exec {name}=ANOTHER_NAME …`"))
                .into());
        }
    }
    let fresh = Fresh { store, log, environment, path };
    let opener = store.opener(&mut ask_passphrase)?;
    let lend = |(name, variable): &(String, String)| {
        let key = fresh.of(name, opener.read(name)?, oauth(name, &uses), &mut ask_passphrase)?;
        Ok((variable.clone(), key.secret))
    };
    let lent: Vec<(String, Secret)> = wanted.iter().map(lend).collect::<Result<_, Error>>()?;
    let Some((program, arguments)) = args.command.split_first() else {
        return Err(Error::new(Code::Usage, "no program was named").into());
    };
    let mut command = Command::new(program);
    command.args(arguments).envs(lent.iter().map(|(variable, secret)| (variable, secret.expose())));
    let shown = program.to_string_lossy();
    for (name, variable) in &wanted {
        log.append(&Entry::new(Action::KeyLent, name).note(format!("as {variable} to {shown}")))?;
    }
    let error = command.exec();
    output::error(&format!("error[{}]: {} could not be started: {error}\n", Code::ClientMissing, output::printable(&shown)));
    Ok(ExitCode::from(if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_RUNNABLE }))
}

/// The keys of the config, where there is one; a config with errors is no obstacle here.
pub(super) fn uses(path: Option<PathBuf>, environment: &Environment, store: &Store) -> Result<Vec<KeyUse>, CliError> {
    let is_named = path.is_some();
    match config::key_uses(&Options { path, listen: None }, environment, store) {
        Ok(uses) => Ok(uses),
        Err(LoadError::Other(error)) if is_named && error.code != Code::ConfigMissing => Err(error.into()),
        Err(_) => Ok(Vec::new()),
    }
}

/// The login of the provider that the config uses the key for.
fn oauth<'a>(name: &str, uses: &'a [KeyUse]) -> Option<&'a Arc<OAuth>> {
    uses.iter().filter(|used| used.kind == "file" && used.name == name).find_map(|used| used.provider.oauth.as_ref())
}

/// `NAME`, or `NAME=VARIABLE`.
fn choice(word: &str, uses: &[KeyUse]) -> Result<(String, String), Error> {
    let (name, chosen) = word.split_once('=').map_or((word, None), |(name, variable)| (name, Some(variable)));
    crate::keys::check_name(name)?;
    let variable = match chosen {
        Some(variable) if is_variable(variable) => variable.to_owned(),
        // Not repeated: it may be a key.
        Some(_) => return Err(Error::new(Code::Usage, "what follows `=` is not the name of a variable").hint("as in zai=OPENAI_API_KEY")),
        None => usual_variable(name, uses),
    };
    Ok((name.to_owned(), variable))
}

fn is_variable(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && text.len() <= 128 && text.chars().all(allowed) && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// The first usual variable of the provider that the config uses the key for, else of the preset of that name, else one
/// made from the name.
pub(super) fn usual_variable(name: &str, uses: &[KeyUse]) -> String {
    let used = uses.iter().find(|used| used.kind == "file" && used.name == name).and_then(|used| used.variables.first());
    let known = used.or_else(|| preset(name).and_then(|preset| preset.env.first()));
    known.map_or_else(|| made_variable(name), |variable| (*variable).to_owned())
}

fn made_variable(name: &str) -> String {
    let upper: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    let front = if upper.starts_with(|c: char| c.is_ascii_digit()) { "_" } else { "" };
    format!("{front}{upper}_API_KEY")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_becomes_the_variable_that_programs_read() {
        for (word, expected) in [
            ("anthropic", ("anthropic", "ANTHROPIC_API_KEY")),
            ("zai-coding", ("zai-coding", "ZAI_API_KEY")),
            ("work.llm-2", ("work.llm-2", "WORK_LLM_2_API_KEY")),
            ("2nd", ("2nd", "_2ND_API_KEY")),
            ("zai=OPENAI_API_KEY", ("zai", "OPENAI_API_KEY")),
        ] {
            let (name, variable) = choice(word, &[]).unwrap();
            assert_eq!((name.as_str(), variable.as_str()), expected);
        }
        for word in ["zai=", "zai=1A", "zai=A B", "=A", "sk-ant-api03-abcdefghij", "zai=sk-ant-api03-abcdefghij"] {
            let error = choice(word, &[]).unwrap_err();
            assert!(!error.message.contains("sk-ant") && error.code == Code::Usage, "{error:?}");
        }
    }
}
