//! `aimux status` and `aimux stop`: the server of a config, one started on demand above all, asked by its control socket.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::{CliError, known, output, usage};
use crate::config::Environment;
use crate::error::{Code, Error};
use crate::ledger;
use crate::route::sticky;
use crate::server::{Tasks, control};

/// How long `stop` waits for the requests in flight: longer than `limits.drain_s` is by default.
const STOP_MAX: Duration = Duration::from_secs(40);

/// Exit code of `status` where no server runs, as service managers have it.
const NOT_RUNNING: u8 = 3;

/// Sessions that people are told of; JSON has more.
const SESSIONS_TOLD: usize = 5;

/// Arguments of `aimux status`.
#[derive(Debug, Args)]
#[command(after_help = "The exit code is 0 when the server runs and 3 when it does not.")]
pub(crate) struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    running: bool,
    version: Option<&'a str>,
    pid: Option<u32>,
    url: Option<String>,
    socket: String,
    tasks: Option<&'a Tasks>,
    sessions: Option<&'a sticky::Known>,
    /// What the ledger says of today; `None`: nothing, or there is none.
    today: Option<ledger::Row>,
}

/// Says whether the server runs, and what requests came to today.
pub(crate) fn run(args: &StatusArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let socket = known::socket(path.clone(), environment);
    let status = control::status(&socket);
    let today = ledger::today(&usage::settings(path, environment).0.place).filter(|today| today.requests > 0);
    let shown = Shown {
        running: status.is_some(),
        version: status.as_ref().map(|status| status.version.as_str()),
        pid: status.as_ref().map(|status| status.pid),
        url: status.as_ref().map(|status| format!("http://{}", status.address)),
        socket: socket.display().to_string(),
        tasks: status.as_ref().map(|status| &status.tasks),
        sessions: status.as_ref().map(|status| &status.sessions),
        today,
    };
    if args.json {
        output::print(&output::json(&shown)?);
    } else {
        output::print(&match &status {
            Some(status) => format!("aimux {} runs on http://{} (pid {})\n", status.version, status.address, status.pid),
            None => "no server runs for this config\n".to_owned(),
        });
        if let Some(sessions) = shown.sessions.filter(|sessions| sessions.count > 0) {
            output::print(&output::printable(&told(sessions)));
        }
        if let Some(today) = &shown.today {
            let [requests, errors] =
                [(today.requests, "request"), (today.errors, "error")].map(|(count, noun)| usage::counted(count, noun));
            output::print(&format!("today: {requests}, {errors}, {}\n", usage::cost(today)));
        }
    }
    Ok(if status.is_some() { ExitCode::SUCCESS } else { ExitCode::from(NOT_RUNNING) })
}

/// The sessions that were answered last, with how full their windows are.
fn told(sessions: &sticky::Known) -> String {
    let mut text = format!("sessions: {}\n", sessions.count);
    for session in sessions.last.iter().take(SESSIONS_TOLD) {
        let window = session.window.filter(|window| *window > 0);
        let used = session.used_tokens.map_or_else(String::new, |used| {
            let about = if session.is_estimated { "about " } else { "" };
            match window {
                Some(window) => format!(", {about}{used} of {window} tokens ({} %)", used.saturating_mul(100) / window),
                None => format!(", {about}{used} tokens"),
            }
        });
        text += &format!("  {}  {}{used}, {} s ago\n", session.id, session.target, session.idle_s);
    }
    text
}

/// Stops the server and waits for its end. That none runs is as good.
pub(crate) fn stop(path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let socket = known::socket(path, environment);
    let Some(status) = control::status(&socket) else {
        output::print("no server runs for this config\n");
        return Ok(ExitCode::SUCCESS);
    };
    control::stop(&socket).map_err(|error| Error::new(Code::StateFolder, "the server cannot be asked to stop").caused_by(error))?;
    if control::wait_until_gone(&socket, STOP_MAX) {
        output::print(&format!("stopped the server on http://{} (pid {})\n", status.address, status.pid));
        return Ok(ExitCode::SUCCESS);
    }
    let message = format!("the server (pid {}) still answers requests after {} s", status.pid, STOP_MAX.as_secs());
    Err(Error::new(Code::AddressInUse, message).hint("it takes no new ones and ends when they do").into())
}
