//! `aimux restart` and `aimux serve --background`: a server without a terminal, and a new one in the place of an old one.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use super::log::LogArgs;
use super::{CliError, known, output};
use crate::config::Environment;
use crate::error::{Code, Error};
use crate::server::control;

/// Starts a server that outlives the command, and waits until it is ready. One that runs is as good.
pub(crate) fn background(
    listen: Option<SocketAddr>,
    log: &LogArgs,
    path: Option<PathBuf>,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let socket = known::socket(path.clone(), environment);
    let _lock = control::lock_start(&socket)?;
    let is_new = control::status(&socket).is_none();
    if is_new {
        let mut flags: Vec<OsString> = vec!["--detached".into()];
        flags.extend(listen.into_iter().flat_map(|listen| ["--listen".into(), listen.to_string().into()]));
        flags.extend(log.flags());
        known::start(path.as_deref(), environment, &flags)?;
    }
    let status = control::status(&socket).ok_or_else(|| Error::new(Code::StateFolder, "the server was started and cannot be found"))?;
    let verb = if is_new { "serves" } else { "serves already" };
    output::print(&format!("aimux {} {verb} on http://{} (pid {})\n", status.version, status.address, status.pid));
    Ok(ExitCode::SUCCESS)
}

/// Puts a new server in the place of the one that runs, which ends when it has answered what is under way. Who connects
/// meanwhile is not refused; if the new one does not come up, the old one goes on.
pub(crate) fn run(path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let socket = known::socket(path.clone(), environment);
    let _lock = control::lock_start(&socket)?;
    let old = control::status(&socket);
    let mut flags: Vec<OsString> = Vec::new();
    flags.push(if old.as_ref().is_some_and(|old| old.on_demand) { "--on-demand" } else { "--detached" }.into());
    if let Some(old) = &old {
        if old.is_managed {
            return Err(Error::new(Code::ServiceManager, format!("a service manager has started the server (pid {})", old.pid))
                .hint(
                    "have it restart the server, `systemctl --user restart aimux.service` say: who connects meanwhile waits in its socket",
                )
                .into());
        }
        flags.extend(old.listen.into_iter().flat_map(|listen| ["--listen".into(), listen.to_string().into()]));
        if old.hands_over {
            flags.push("--take-over".into());
        } else {
            known::end(&socket, old)?;
        }
    }
    if let Err(failure) = known::start(path.as_deref(), environment, &flags) {
        if let Some(still) = control::status(&socket) {
            output::error(&format!("the server that runs goes on: http://{} (pid {})\n", still.address, still.pid));
        }
        return Err(failure);
    }
    let new = control::status(&socket).ok_or_else(|| Error::new(Code::StateFolder, "the server was started and cannot be found"))?;
    let from = old.map_or_else(|| ", where none ran".to_owned(), |old| format!(" in the place of pid {}", old.pid));
    output::print(&format!("aimux {} serves on http://{} (pid {}){from}\n", new.version, new.address, new.pid));
    Ok(ExitCode::SUCCESS)
}
