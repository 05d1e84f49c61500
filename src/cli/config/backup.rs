//! `aimux config backup`, `restore` and `list`: the config and the key files, as they were.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{CliError, output, store};
use crate::cli::named::Named;
use crate::config::{Backup, Environment, Options, Parts, Wanted, backup, backups, backups_folder, locate, restore};
use crate::error::{Code, Error};

/// How many backups of a config are kept without being told.
const KEEP: u16 = 10;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A backup is a folder in ~/.config/aimux/backups: the config, and the key files as they are encrypted. The identity that \
opens them is in no backup: keep a copy of it elsewhere."
)]
pub(super) struct BackupArgs {
    /// How many backups of this config to keep; older ones are removed
    #[arg(long, value_name = "N", default_value_t = KEEP, value_parser = clap::value_parser!(u16).range(1..=1000))]
    keep: u16,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The backup must pass `aimux config validate`, and with --keys this identity must open its keys; else nothing changes. What \
is replaced is backed up first. A running server goes on with what it has until it is reloaded or restarted."
)]
pub(super) struct RestoreArgs {
    /// The backup's name; else the last one
    #[arg(add = Named::Backups)]
    name: Option<String>,
    /// Put the key files back too; those that differ are retired, further ones stay
    #[arg(long)]
    keys: bool,
    /// How many backups of this config to keep
    #[arg(long, value_name = "N", default_value_t = KEEP, value_parser = clap::value_parser!(u16).range(1..=1000))]
    keep: u16,
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `aimux config backup`.
pub(super) fn save(args: &BackupArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let (config, store) = (config(path, environment)?, store(environment));
    let made = backup(&Wanted { config: &config, environment, store: &store, keep: usize::from(args.keep), now: now() })?;
    let Backup { name, config, keys, .. } = &made.backup;
    let keys = if keys.is_empty() { "no keys".to_owned() } else { format!("the keys {}", keys.join(", ")) };
    let removed = if made.removed.is_empty() { String::new() } else { format!("removed {}\n", made.removed.join(", ")) };
    let place = backups_folder(environment).join(name);
    output::print(&output::printable(&format!("backed up {} and {keys} as {}\n{removed}", config.display(), place.display())));
    Ok(ExitCode::SUCCESS)
}

/// Runs `aimux config restore`.
pub(super) fn put_back(args: &RestoreArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let parts = if args.keys { Parts::ConfigAndKeys } else { Parts::Config };
    let config = config(path, environment)?;
    let store = store(environment);
    let wanted = Wanted { config: &config, environment, store: &store, keep: usize::from(args.keep), now: now() };
    let restored = restore(args.name.as_deref(), parts, &wanted, &mut crate::cli::console::ask_passphrase)?;
    output::error(&restored.rendered);
    let mut said = format!("restored {} from {}\n", restored.backup.config.display(), restored.backup.name);
    if !restored.keys.is_empty() {
        said.push_str(&format!("put back the keys {}\n", restored.keys.join(", ")));
    } else if !args.keys && !restored.backup.keys.is_empty() {
        said.push_str("left the keys as they are; --keys puts those of the backup back\n");
    }
    if let Some(former) = restored.former {
        said.push_str(&format!("what it replaced is {}\n", former.name));
    }
    output::print(&output::printable(&said));
    Ok(ExitCode::SUCCESS)
}

/// Runs `aimux config list`.
pub(super) fn list(args: &ListArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let config = config(path, environment)?;
    let all = backups(&config, environment)?;
    if args.json {
        let rows: Vec<serde_json::Value> = all
            .iter()
            .map(|backup| serde_json::json!({ "name": backup.name, "config": backup.config, "created": backup.created, "bytes": backup.bytes, "keys": backup.keys }))
            .collect();
        output::print(&format!("{:#}\n", serde_json::Value::Array(rows)));
        return Ok(ExitCode::SUCCESS);
    }
    if all.is_empty() {
        output::print(&output::printable(&format!("no backups of {}\n", config.display())));
    }
    for Backup { name, bytes, keys, .. } in all {
        let keys = if keys.is_empty() { "no keys".to_owned() } else { keys.join(", ") };
        output::print(&output::printable(&format!("{name:20}  {bytes:>7} bytes  {keys}\n")));
    }
    Ok(ExitCode::SUCCESS)
}

/// The file that the command is about: there is none to back up where the config is made from the keys at hand.
fn config(path: Option<PathBuf>, environment: &Environment) -> Result<PathBuf, Error> {
    let usual = || environment.config_folder().join("config.yaml");
    let found = locate(&Options { path, listen: None }, environment).unwrap_or_else(usual);
    if found.as_os_str().is_empty() { Err(Error::new(Code::Usage, "the path of the config is empty")) } else { Ok(found) }
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
