//! `aimux run`: a client with its environment set for aimux, and a server started for it when none runs.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{CliError, claude, clients, known};
use crate::config::Environment;
use crate::error::{Code, Error};

/// Arguments of `aimux run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  aimux run claude\n  aimux run claude -- -p 'What is in this folder?'\n  aimux run aider -- --model openai/glm-5.1\n\nThe exit code is the client's; 128 + n when signal n ended it."
)]
pub(crate) struct RunArgs {
    /// The client
    #[arg(value_enum)]
    client: Client,
    /// Its own arguments, after `--`
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<std::ffi::OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Client {
    /// Claude Code
    Claude,
    /// opencode
    Opencode,
    /// aider
    Aider,
    /// Codex, which aimux does not serve yet
    Codex,
    /// Gemini CLI, which aimux does not serve yet
    Gemini,
}

/// Runs the client and passes its exit code on.
pub(crate) fn run(args: RunArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    // A client that is missing, or cannot be served, is no reason to start a server.
    let program = match args.client {
        Client::Claude => claude::program(environment)?,
        Client::Opencode => claude::find(environment, "opencode", "install opencode, or add its folder to PATH")?,
        Client::Aider => claude::find(environment, "aider", "install aider, or add its folder to PATH")?,
        Client::Codex => return Err(unserved("Codex", "the Responses API").into()),
        Client::Gemini => return Err(unserved("Gemini CLI", "the Gemini API").into()),
    };
    let server = known::find(path.clone(), environment)?.running(path.as_deref(), environment)?;
    server.hold();
    match args.client {
        Client::Opencode => clients::opencode(&program, &server, args.args, environment),
        Client::Aider => clients::aider(&program, &server, args.args),
        _ => claude::run(&program, &server, args.args, environment),
    }
}

fn unserved(client: &str, api: &str) -> Error {
    Error::new(Code::Unsupported, format!("{client} speaks {api} alone, which aimux does not serve yet"))
        .hint("aimux runs claude, opencode and aider; other programs can be given its address: `aimux env`")
}
