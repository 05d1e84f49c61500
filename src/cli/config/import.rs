//! `aimux config import`: another program's config as one of ours, its keys into age files, and a list of what is lost.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::backup::now;
use super::{CliError, output, store};
use crate::audit::{Action, Entry, Log};
use crate::cli::console::ask_passphrase;
use crate::config::{
    Environment, Format, Imported, Options, Placing, SCHEMA_FILE, check_text, import, place_config_after, read_config, schema, usual,
    write_beside,
};
use crate::error::{Code, Error};
use crate::keys::{Existing, Store};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  aimux config import litellm config.yaml --dry-run\n  aimux config import ccr ~/.claude-code-router/config.json\n\n\
Keys that stand in the file go into age files; the new config names them, and no output shows them. What aimux has no field for is listed with its \
line. The file itself is left alone: delete it when its keys are no longer wanted in clear."
)]
pub(super) struct ImportArgs {
    /// Whose config it is
    #[arg(value_enum)]
    format: From,
    /// The file, `-` for standard input
    file: PathBuf,
    /// Print the config and the report, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Where the config goes, `-` for standard output; else where `serve` looks for it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace a config and keys of the same names; the former ones are kept
    #[arg(long)]
    force: bool,
    /// Print the config and the report as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum From {
    /// LiteLLM's proxy, config.yaml
    Litellm,
    /// claude-code-router, config.json
    Ccr,
    /// The first aimux: apiKey, baseUrl
    Aimux1,
    /// The second aimux: api_key, endpoint
    Aimux2,
}

/// Runs `aimux config import`.
pub(super) fn run(args: &ImportArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let source = super::file(Some(&args.file)).unwrap_or_default();
    let shown = args.file.display().to_string();
    let format = match args.format {
        From::Litellm => Format::LiteLlm,
        From::Ccr => Format::Ccr,
        From::Aimux1 => Format::Aimux1,
        From::Aimux2 => Format::Aimux2,
    };
    let imported = import(format, &shown, &read_config(&source)?)?;
    if imported.providers == 0 {
        output::error(&output::printable(&losses(&shown, &imported)));
        return Err(Error::new(Code::ConfigInvalid, format!("nothing in {shown} could be imported")).hint("is it of that format?").into());
    }
    let store = store(environment);
    check_text("the new config", &imported.text, environment, &store)?;
    let to_stdout = args.dry_run || args.output.as_deref().is_some_and(|file| file.as_os_str() == "-");
    let target = target(args.output.as_ref(), path, environment);
    if !args.dry_run {
        keep(args, &imported, (!to_stdout).then_some(target.as_path()), environment, &store)?;
    }
    output::error(&output::printable(&losses(&shown, &imported)));
    let said = summary(args, &imported, (!to_stdout).then_some(target.as_path()));
    if args.json {
        output::print(&json(&imported));
        return Ok(ExitCode::SUCCESS);
    }
    if to_stdout {
        output::error(&output::printable(&said));
        output::print(&output::printable(&imported.text));
    } else {
        output::print(&output::printable(&said));
    }
    Ok(ExitCode::SUCCESS)
}

fn target(wanted: Option<&PathBuf>, path: Option<PathBuf>, environment: &Environment) -> PathBuf {
    wanted.cloned().unwrap_or_else(|| usual(&Options { path, listen: None }, environment))
}

/// Stores the keys, then writes the config that names them: a config without its keys is one that `serve` refuses. All that
/// can be refused is refused before anything is written.
fn keep(args: &ImportArgs, imported: &Imported, target: Option<&Path>, environment: &Environment, store: &Store) -> Result<(), Error> {
    let existing = if args.force { Existing::Retire } else { Existing::Refuse };
    if let Some(target) = target.filter(|target| target.symlink_metadata().is_ok() && !args.force) {
        return Err(Error::new(Code::Usage, format!("there is a file already: {}", target.display()))
            .hint("put --force to replace it; the former one is backed up; or name another with -o"));
    }
    for key in &imported.keys {
        store.may_add(&key.name, existing)?;
    }
    let log = Log::new(&environment.state_folder(), "config");
    let placing = Placing { environment, store, replace: args.force, now: now() };
    let mut stored = Vec::new();
    let mut store_keys = || -> Result<(), Error> {
        for key in &imported.keys {
            let entry = Entry::new(Action::KeyImported, &key.name);
            log.record(&entry, || store.add(&key.name, &key.secret, existing, placing.now, &mut ask_passphrase))?;
            stored.push(key.name.as_str());
        }
        Ok(())
    };
    let done = match target {
        Some(target) => write_beside(target, SCHEMA_FILE, schema().as_bytes())
            // The backup of a config that is replaced holds the keys as they were.
            .and_then(|()| place_config_after(target, imported.text.as_bytes(), &placing, &mut store_keys).map(drop)),
        None => store_keys(),
    };
    done.map_err(|error| if stored.is_empty() { error } else { half_done(error, &stored) })
}

/// The keys are there, the config is not, or is the former one.
fn half_done(error: Error, stored: &[&str]) -> Error {
    let keys = stored.join(", ");
    let advice = error.advice();
    Error { message: format!("{}; no config was written, but these keys were stored: {keys}", error.message), ..error }
        .hint(format!("{advice}; then run it again with --force, or take them out: `aimux keys remove NAME`"))
}

fn losses(file: &str, imported: &Imported) -> String {
    imported.losses.iter().map(|loss| format!("lost: {file}:{}: {}: {}\n", loss.line, loss.path, loss.what)).collect()
}

fn summary(args: &ImportArgs, imported: &Imported, target: Option<&Path>) -> String {
    let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    let keys: Vec<&str> = imported.keys.iter().map(|key| key.name.as_str()).collect();
    let mut said = format!(
        "{}, {}, {} in clear, {} lost\n",
        count(imported.providers, "provider"),
        count(imported.models, "name"),
        count(keys.len(), "key"),
        count(imported.losses.len(), "setting")
    );
    if !keys.is_empty() {
        said.push_str(&format!("{} the keys {}\n", if args.dry_run { "would store" } else { "stored" }, keys.join(", ")));
    }
    if let Some(target) = target {
        said.push_str(&format!("wrote {}\n", target.display()));
    }
    said
}

fn json(imported: &Imported) -> String {
    let losses: Vec<serde_json::Value> =
        imported.losses.iter().map(|loss| serde_json::json!({ "line": loss.line, "path": loss.path, "what": loss.what })).collect();
    let keys: Vec<&str> = imported.keys.iter().map(|key| key.name.as_str()).collect();
    let shape = serde_json::json!({ "config": imported.text, "keys": keys, "losses": losses });
    format!("{shape:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::faults::{Fault, at};

    const CCR: &str = r#"{ "Providers": [
        { "name": "openrouter", "api_base_url": "https://openrouter.ai/api/v1/chat/completions", "api_key": "sk-0123456789-one", "models": ["a/b"] },
        { "name": "groq", "api_base_url": "https://api.groq.com/openai/v1/chat/completions", "api_key": "sk-0123456789-two", "models": ["c"] }
    ] }"#;

    fn args(force: bool) -> ImportArgs {
        ImportArgs { format: From::Ccr, file: "x".into(), dry_run: false, output: None, force, json: false }
    }

    /// Whatever step of it fails: where the new config is, its keys are, and what was stored without it is said.
    #[test]
    fn an_import_whose_disk_fails_at_any_step_leaves_no_config_without_its_keys() {
        let imported = import(Format::Ccr, "x", CCR.as_bytes()).unwrap();
        for (is_there, fault) in [(false, Fault::Once), (false, Fault::Dead), (true, Fault::Once)] {
            let mut told = 0;
            for step in 0.. {
                let home = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
                let variables = [("HOME", home.path().to_str().unwrap())].map(|(name, value)| (name.to_owned(), value.to_owned()));
                let environment = Environment::new(variables);
                let store = Store::new(&environment.config_folder(), None);
                let target = environment.config_folder().join("config.yaml");
                if is_there {
                    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
                    std::fs::write(&target, "version: 1\nproviders: { ollama: {} }\n").unwrap();
                }
                let keep = || keep(&args(is_there), &imported, Some(&target), &environment, &store);
                let (done, reached) = at(step, fault, keep);
                let what = format!("{fault:?} at {step}, a config there: {is_there}");
                let is_new = std::fs::read_to_string(&target).is_ok_and(|text| text == imported.text);
                let names = store.names().unwrap();
                if is_new {
                    assert_eq!(names, ["groq", "openrouter"], "{what}");
                    let opener = store.opener(&mut || panic!("nobody is asked")).unwrap();
                    names.iter().for_each(|name| drop(opener.read(name).unwrap()));
                } else if let Err(error) = &done {
                    told += usize::from(error.message.contains("these keys were stored: "));
                    let said: Vec<&String> = names.iter().filter(|name| error.message.contains(name.as_str())).collect();
                    // The one that was being stored may be there without its word.
                    assert!(said.len() + 1 >= names.len(), "{what}: {error}");
                }
                assert!(done.is_err() || is_new, "{what}");
                // Again, without a fault.
                let again = super::keep(&args(true), &imported, Some(&target), &environment, &store);
                again.unwrap_or_else(|error| panic!("{what}: {error}"));
                if !reached {
                    assert!(done.is_ok() && step > 20, "only {step} steps can fail");
                    break;
                }
            }
            assert!(told > 5, "{told}");
        }
    }
}
