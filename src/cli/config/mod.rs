//! `aimux config`: the check of a config, and its reference. One file per subcommand that is more than a line.
//!
//! Start with `validate.rs`.

mod backup;
mod diff;
mod formats;
mod import;
mod init;
mod mend;
mod migrate;
mod reload;
mod sarif;
mod show;
mod validate;

pub(crate) use self::formats::xml;
use std::path::PathBuf;
use std::process::ExitCode;

use super::known::store;
use super::{CliError, output};
use crate::config::{Environment, reference, schema};

/// Check, show and keep the config
#[derive(Debug, clap::Args)]
#[command(disable_help_subcommand = true)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write a first config, from a few questions or the keys at hand
    Init(init::InitArgs),
    /// Find every mistake in a config; exit 78 when there is one
    Validate(validate::ValidateArgs),
    /// Print what holds, and where each value came from
    Show(show::ShowArgs),
    /// Save the config and the encrypted keys
    Backup(backup::BackupArgs),
    /// Restore a backup after it has passed the validator
    Restore(backup::RestoreArgs),
    /// List the backups of the config
    List(backup::ListArgs),
    /// Tell what two configs do differently; exit 1 when they do
    Diff(diff::DiffArgs),
    /// Make a config of another program's, and say what is lost
    Import(import::ImportArgs),
    /// Bring a config to this program's version of the format
    Migrate(migrate::MigrateArgs),
    /// Let the running server take on its config and keys as they are now
    Reload(reload::ReloadArgs),
    /// Print the JSON Schema of the config, for editors
    Schema,
    /// Print the reference of all fields, in Markdown
    Reference,
}

/// Runs `aimux config …`; `path` is the one of `--config`.
pub(crate) fn run(args: &ConfigArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    match &args.command {
        Command::Validate(args) => return validate::run(args, path, environment),
        Command::Show(args) => return show::run(args, path, environment),
        Command::Backup(args) => return backup::save(args, path, environment),
        Command::Restore(args) => return backup::put_back(args, path, environment),
        Command::List(args) => return backup::list(args, path, environment),
        Command::Init(args) => return init::run(args, path, environment),
        Command::Migrate(args) => return migrate::run(args, path, environment),
        Command::Import(args) => return import::run(args, path, environment),
        Command::Diff(args) => return diff::run(args, environment),
        Command::Reload(args) => return reload::run(args, path, environment),
        Command::Schema => output::print(&schema()),
        Command::Reference => output::print(&reference()),
    }
    Ok(ExitCode::SUCCESS)
}

/// A file's argument: `-` is standard input.
fn file(argument: Option<&PathBuf>) -> Option<PathBuf> {
    argument.map(|file| if file.as_os_str() == "-" { PathBuf::from("/dev/stdin") } else { file.clone() })
}
