//! `aimux config reload`: the running server takes on its config and keys as they are now.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::cli::console::ask_passphrase;
use crate::cli::{CliError, known, output};
use crate::config::Environment;
use crate::error::Code;
use crate::server::control;
use crate::server::reload::Reloaded;

/// Exit code where no server runs, as `status` has it.
const NOT_RUNNING: u8 = 3;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A config with errors is refused, with all of them, and the server goes on with the one it has. Where the server lacks the \
    passphrase of the identity, it is asked for here and handed over. Exit code: 0, also when \
    nothing had changed; 3 where no server runs; 75 when requests still used the former config after --drain."
)]
pub(super) struct ReloadArgs {
    /// Wait so many seconds, at most, until no request uses the former config and keys any more
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=3600))]
    drain: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Asks the server and says what came of it.
pub(super) fn run(args: &ReloadArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let socket = known::socket(path, environment);
    // Only where somebody can be asked: a program that reloads reads what is in the way.
    let mut passphrase = || std::io::stdin().is_terminal().then(ask_passphrase).transpose();
    let Some(reloaded) = control::reload_unlocking(&socket, Duration::from_secs(args.drain), &mut passphrase)? else {
        output::print(if args.json { "null\n" } else { "no server runs for this config\n" });
        return Ok(ExitCode::from(NOT_RUNNING));
    };
    output::print(&if args.json { output::json(&reloaded)? } else { text(&reloaded, args.drain) });
    let is_late = args.drain > 0 && !reloaded.drained;
    Ok(if is_late { ExitCode::from(Code::Overloaded.row().exit) } else { ExitCode::SUCCESS })
}

fn text(reloaded: &Reloaded, drain: u64) -> String {
    let Reloaded { generation: _, changes, notes, drained } = reloaded;
    let mut said = match changes.len() {
        0 => "nothing has changed\n".to_owned(),
        1 => "reloaded: 1 change\n".to_owned(),
        count => format!("reloaded: {count} changes\n"),
    };
    for change in changes {
        let value = |value: &Option<String>| value.as_deref().unwrap_or("not given").to_owned();
        let line = format!("{}: {} -> {}", change.field, value(&change.old), value(&change.new));
        said += &format!("  {}\n", output::printable(&line).replace('\n', " "));
    }
    for note in notes {
        said += &format!("note: {}\n", output::printable(note.trim_end()));
    }
    if drain > 0 {
        said += if *drained { "no request uses the former config any more\n" } else { "requests still use the former config\n" };
    }
    said
}
