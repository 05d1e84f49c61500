//! `aimux run claude`: a client with its environment set for aimux, and a server started for it when none runs.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{CliError, claude, known};
use crate::config::Environment;

/// Arguments of `aimux run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  aimux run claude\n  aimux run claude -- -p 'What is in this folder?'\n\nThe exit code is the client's; 128 + n when signal n ended it."
)]
pub(crate) struct RunArgs {
    /// The client
    #[arg(value_enum)]
    client: Client,
    /// Its own arguments, after `--`
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<std::ffi::OsString>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Client {
    /// Claude Code
    Claude,
}

/// Runs the client and passes its exit code on.
pub(crate) fn run(args: RunArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    // A client that is missing is no reason to start a server.
    let program = match args.client {
        Client::Claude => claude::program(environment)?,
    };
    let server = known::find(path.clone(), environment)?.running(path.as_deref(), environment)?;
    match args.client {
        Client::Claude => claude::run(&program, &server, args.args, environment),
    }
}
