//! `aimux config import`: another program's config as one of ours, its keys into age files, and a list of what is lost.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::backup::now;
use super::{CliError, output, store};
use crate::config::{
    Environment, Format, Imported, Options, Placing, SCHEMA_FILE, check_text, import, locate, place_config, read_config, schema,
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
    let usual = || locate(&Options { path, listen: None }, environment).unwrap_or_else(|| environment.config_folder().join("config.yaml"));
    wanted.cloned().unwrap_or_else(usual)
}

/// Writes the config, then stores the keys that it names. All that can be refused is refused before anything is written.
fn keep(args: &ImportArgs, imported: &Imported, target: Option<&Path>, environment: &Environment, store: &Store) -> Result<(), Error> {
    let existing = if args.force { Existing::Retire } else { Existing::Refuse };
    if let Some(target) = target.filter(|target| target.symlink_metadata().is_ok() && !args.force) {
        return Err(Error::new(Code::Usage, format!("there is a file already: {}", target.display()))
            .hint("put --force to replace it; the former one is backed up; or name another with -o"));
    }
    for key in &imported.keys {
        store.may_add(&key.name, existing)?;
    }
    // The backup of a config that is replaced holds the keys as they were.
    let placing = Placing { environment, store, replace: args.force, now: now() };
    if let Some(target) = target {
        place_config(target, imported.text.as_bytes(), &placing)?;
        write_beside(target, SCHEMA_FILE, schema().as_bytes())?;
    }
    for key in &imported.keys {
        store.add(&key.name, &key.secret, existing, placing.now, &mut crate::cli::console::ask_passphrase)?;
    }
    Ok(())
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
