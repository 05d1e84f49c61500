//! `aimux config migrate`: says whether a file is of this program's version, and what to do when it is not.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{CliError, output};
use crate::config::{Environment, Options, VERSION, Version, locate, read_config, version_of};
use crate::error::{Code, Error};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "There is one version of the format so far, so nothing is ever changed. Files of the programs that were called aimux before, of \
LiteLLM and of claude-code-router are imported: see `aimux config import --help`."
)]
pub(super) struct MigrateArgs {
    /// The file, `-` for standard input; else AIMUX_CONFIG, else the usual one
    file: Option<PathBuf>,
    /// Say what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs `aimux config migrate`.
pub(super) fn run(args: &MigrateArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let path = super::file(args.file.as_ref()).or(path);
    let Some(path) = locate(&Options { path, listen: None }, environment) else {
        return Err(Error::new(Code::ConfigMissing, "there is no config to migrate").hint("make one with `aimux config init`").into());
    };
    let shown = path.display().to_string();
    let bytes = read_config(&path)?;
    let invalid = |message: String| Error::new(Code::ConfigInvalid, message);
    match version_of(&shown, &bytes)? {
        Version::Current => {
            output::print(&output::printable(&format!("{shown}: version {VERSION}, nothing to do\n")));
            Ok(ExitCode::SUCCESS)
        }
        Version::Later(version) => Err(invalid(format!("{shown} is of version {version}; this program knows version {VERSION}"))
            .hint("use the aimux that wrote it, or restore a backup: `aimux config list`")
            .into()),
        Version::Foreign(program) => Err(invalid(format!("{shown} is a file of another program that was called aimux"))
            .hint(format!("import it: `aimux config import {program} {shown}`"))
            .into()),
        Version::Unknown => Err(invalid(format!("{shown} says no version"))
            .hint(format!("begin it with `version: {VERSION}`, then `aimux config validate`"))
            .into()),
    }
}
