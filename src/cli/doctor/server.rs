//! The running server, who holds its port, what a dead one left behind, and the units that start it.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;

use super::At;
use super::finding::{Finding, Fix, Group, quoted};
use crate::cli::{known, service};
use crate::server::control::{self, Status};
use crate::server::port_owner;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Fewer open files than this are soon used up: each stream takes two.
const OPEN_FILES_MIN: u64 = 1024;

pub(super) fn check(at: &At<'_>) -> Vec<Finding> {
    let mut found = runtime_folder(at);
    let socket = known::socket(at.path.clone(), at.environment);
    let status = control::status(&socket);
    let units = service::own_state(at.environment);
    let is_listening = units.as_ref().is_ok_and(|units| units.is_listening);
    match &status {
        Some(status) => found.push(running(status)),
        None => found.extend(
            leftovers(&socket).or_else(|| Some(Finding::ok(Group::Server, "server", "none runs; `aimux run` and `aimux serve` start one"))),
        ),
    }
    if let Some(listen) = at.listen() {
        found.extend(port(listen, status.as_ref(), is_listening));
    }
    found.push(match units {
        Ok(units) if units.units.is_empty() => {
            Finding::ok(Group::Server, "service", "no units are installed; `aimux service install` has the system start the server")
        }
        Ok(units) => installed(&units),
        Err(error) => Finding::warning(Group::Server, "service", &error.message).why(error.advice()).mend("aimux service status"),
    });
    found.extend(open_files());
    found
}

fn runtime_folder(at: &At<'_>) -> Vec<Finding> {
    let folder = at.environment.runtime_folder();
    if let Some(parent) = at.environment.get("XDG_RUNTIME_DIR").map(std::path::Path::new).filter(|parent| !parent.is_dir()) {
        let what = format!("XDG_RUNTIME_DIR is {}, which is no folder", parent.display());
        return vec![
            Finding::error(Group::Server, "runtime-folder", what).why("the control socket belongs there").mend("unset XDG_RUNTIME_DIR"),
        ];
    }
    let Ok(about) = fs::metadata(&folder) else { return Vec::new() };
    let shown = folder.display();
    let why = "who can write there can put a socket that is sent the client token";
    if about.uid() != rustix::process::geteuid().as_raw() {
        let found = Finding::error(Group::Server, "runtime-folder", format!("{shown} belongs to user {}, not to you", about.uid()));
        return vec![found.why(why).mend(format!("sudo chown \"$(id -u)\" {}", quoted(&folder)))];
    }
    if about.mode() & 0o022 != 0 {
        let found =
            Finding::error(Group::Server, "runtime-folder", format!("others may write in {shown} (mode {:o})", about.mode() & 0o777));
        return vec![found.why(why).fix(Fix::Mode(folder, 0o700))];
    }
    Vec::new()
}

fn running(status: &Status) -> Finding {
    let what = format!("aimux {} runs on http://{} (pid {})", status.version, status.address, status.pid);
    if status.version == VERSION {
        return Finding::ok(Group::Server, "server", what);
    }
    let why = format!("this program is {VERSION}; what is started next takes its place");
    Finding::warning(Group::Server, "server", what).why(why).mend(if status.hands_over { "aimux restart" } else { "aimux stop" })
}

/// What is behind a socket that does not answer; `None`: there is none.
fn leftovers(socket: &std::path::Path) -> Option<Finding> {
    socket.symlink_metadata().ok()?;
    let pid = fs::read_to_string(socket.with_extension("pid")).ok().and_then(|pid| pid.trim().parse::<u32>().ok());
    let is_dead = File::open(socket.with_extension("lock")).is_ok_and(|lock| lock.try_lock().is_ok());
    if is_dead {
        let found = Finding::warning(Group::Server, "server", format!("a server that is dead left its socket, {}", socket.display()));
        return Some(found.why("the next server takes it over; nobody holds its lock").fix(Fix::Leftovers(socket.to_owned())));
    }
    let who = pid.map_or_else(|| "a process".to_owned(), |pid| format!("pid {pid}"));
    let found = Finding::error(Group::Server, "server", format!("{who} has the lock of this config's server and does not answer"));
    Some(found.why("it hangs, or was stopped by a signal").mend(pid.map_or_else(|| "aimux stop".to_owned(), |pid| format!("kill {pid}"))))
}

/// Who has the port that the config names.
fn port(listen: SocketAddr, status: Option<&Status>, is_listening: bool) -> Option<Finding> {
    match status {
        Some(status) if listen.port() == 0 || status.address == listen || status.listen.is_some() || is_listening => return None,
        Some(status) => {
            let what = format!("the server listens on {}, the config says {listen}", status.address);
            let why = "a listening address is taken on at the next start";
            return Some(Finding::warning(Group::Server, "port", what).why(why).mend("aimux stop"));
        }
        None if listen.port() == 0 => return None,
        None => {}
    }
    let free = "AIMUX_SERVER__LISTEN=127.0.0.1:0 aimux serve";
    match TcpListener::bind(listen) {
        Ok(_) => Some(Finding::ok(Group::Server, "port", format!("{listen} is free"))),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            if is_listening {
                return Some(Finding::ok(Group::Server, "port", format!("{listen} is the service manager's, which starts the server")));
            }
            let owner = port_owner::of(listen.port());
            let why = match &owner {
                Some(owner) if owner.name == "aimux" => "it is the server of another config, or of another user",
                Some(_) => "aimux does not move to another port by itself: clients would not find it",
                None => "its owner cannot be seen: most likely another user",
            };
            let mend = owner.as_ref().map_or_else(|| free.to_owned(), |owner| format!("kill {}", owner.pid));
            let who = owner.map_or_else(|| "another process".to_owned(), |owner| owner.to_string());
            Some(Finding::error(Group::Server, "port", format!("{listen} is in use by {who}")).why(why).mend(mend))
        }
        Err(error) => {
            let found = Finding::error(Group::Server, "port", format!("{listen} cannot be listened on: {error}"));
            Some(found.why("the config's server.listen names it").mend(free))
        }
    }
}

fn installed(units: &service::State) -> Finding {
    let paths: Vec<String> = units.units.iter().map(|path| path.display().to_string()).collect();
    let paths = paths.join(", ");
    if !units.is_installed {
        let found = Finding::warning(Group::Server, "service", format!("some of the units are missing; there is {paths}"));
        return found.mend("aimux service install");
    }
    if let Some(program) = units.missing_program() {
        let found = Finding::error(Group::Server, "service", format!("the units start {}, which is not there", program.display()));
        return found.why("aimux was moved or removed since they were written").mend("aimux service install");
    }
    if units.is_listening {
        return Finding::ok(Group::Server, "service", "the units are installed, and the service manager listens");
    }
    let found = Finding::warning(Group::Server, "service", "the units are installed, and the service manager does not listen");
    found.why(paths).mend("aimux service start")
}

fn open_files() -> Option<Finding> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    Some(match limit {
        Some(limit) if limit < OPEN_FILES_MIN => {
            let found = Finding::warning(Group::Server, "open-files", format!("a process may have {limit} files open"));
            found.why("each request that is on its way takes two").mend("ulimit -n 8192")
        }
        Some(limit) => Finding::ok(Group::Server, "open-files", format!("{limit} files may be open")),
        None => return None,
    })
}
