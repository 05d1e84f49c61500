//! `aimux switch`: another model for a session that runs. The client goes on asking what it asks; what answers is another.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{CliError, known, output};
use crate::cli::named::Named;
use crate::config::Environment;
use crate::error::{Code, Error};
use crate::server::control::{self, Switch};

/// Arguments of `aimux switch`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  aimux switch zai/glm-5.1\n  aimux switch --back\n\nRules under `routes` still go before the name; the name of a rule is one too. Titles, subagents and other sessions stay as they are. A restart forgets it."
)]
pub(crate) struct SwitchArgs {
    /// The model: a name that a client may ask for, or that of a rule
    #[arg(required_unless_present = "back", add = Named::ModelsAndRules)]
    model: Option<String>,
    /// Undo it: what the client asks for answers again
    #[arg(long, conflicts_with = "model")]
    back: bool,
    /// The client's id of the session [default: the one that asked last]
    #[arg(long, value_name = "ID", add = Named::Sessions)]
    session: Option<String>,
}

/// Tells the running server.
pub(crate) fn run(args: SwitchArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let socket = known::socket(path, environment);
    if control::status(&socket).is_none() {
        return Err(Error::new(Code::StateFolder, "no server runs for this config, and so no session")
            .hint("start one with `aimux run claude`")
            .into());
    }
    let done = control::switch(&socket, &Switch { session: args.session, model: args.model })?;
    let session = output::printable(&done.session.unwrap_or_default());
    output::print(&match done.model {
        Some(model) => format!("session {session} is answered by {} from its next request on\n", output::printable(&model)),
        None => format!("session {session} is answered by what its client asks for\n"),
    });
    Ok(ExitCode::SUCCESS)
}
