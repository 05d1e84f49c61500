//! Listening sockets that somebody else has opened: a service manager, by systemd's protocol or on standard input. Whoever
//! connects before the server is there waits in them.
//!
//! What is handed over is taken for nothing but a TCP socket that listens. Source: systemd's `sd_listen_fds(3)`, and `wait` of
//! `inetd(8)`, which launchd has too. Start with [`of_manager`].

use std::fs::File;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};

use listenfd::ListenFd;
use rustix::net::sockopt::{socket_acceptconn, socket_type};
use rustix::net::{AddressFamily, SocketType, getsockname};

use crate::config::Environment;
use crate::error::{Code, Error};

/// More than so many are a mistake.
const SOCKETS_MAX: usize = 16;

/// The sockets that a service manager has passed to this process; none where it has not. To be called once, before any
/// thread is started: the variables are removed, so that no child takes them for its own.
///
/// # Errors
/// When what was passed is not what the variables say, or no TCP socket that listens.
pub fn of_manager(environment: &Environment) -> Result<Vec<TcpListener>, Error> {
    let own = |pid: &str| pid.parse() == Ok(std::process::id());
    // Variables that are left over from a parent are none of our affair.
    let (Some(count), Some(true)) = (environment.get("LISTEN_FDS"), environment.get("LISTEN_PID").map(own)) else {
        return Ok(Vec::new());
    };
    let count: usize = count.parse().ok().filter(|count| *count <= SOCKETS_MAX).ok_or_else(|| {
        Error::new(Code::CannotBind, format!("LISTEN_FDS is {count:?}, expected a number up to {SOCKETS_MAX}"))
            .hint("let the service manager open one socket for aimux")
    })?;
    let names: Vec<&str> = environment.get("LISTEN_FDNAMES").unwrap_or_default().split(':').collect();
    let mut passed = ListenFd::from_env();
    (0..count)
        .map(|index| {
            let name = names.get(index).filter(|name| !name.is_empty()).map_or_else(String::new, |name| format!(" ({name})"));
            let what = format!("socket {}{name} of the service manager", index + 1);
            let socket = passed.take_tcp_listener(index).map_err(|error| refused(&what, &error.to_string()))?;
            listening(socket.ok_or_else(|| refused(&what, "it was not passed"))?, &what)
        })
        .collect()
}

/// The socket on standard input, whose place the null device takes, as it does in standard output and error where the same
/// socket is there.
///
/// # Errors
/// When there is no TCP socket that listens.
pub fn of_stdin() -> Result<TcpListener, Error> {
    let what = "standard input";
    let failed = |error: std::io::Error| refused(what, &error.to_string());
    let socket = std::io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
    let is_tcp = |fd: &OwnedFd| {
        let family = getsockname(fd).map(|address| address.address_family());
        matches!(socket_type(fd), Ok(SocketType::STREAM)) && matches!(family, Ok(AddressFamily::INET | AddressFamily::INET6))
    };
    if !is_tcp(&socket) {
        return Err(refused(what, "it is none"));
    }
    let listener = listening(TcpListener::from(socket), what)?;
    let null = File::options().read(true).write(true).open("/dev/null").map_err(failed)?;
    let failed = |error: rustix::io::Errno| refused(what, &error.to_string());
    rustix::stdio::dup2_stdin(&null).map_err(failed)?;
    if matches!(socket_acceptconn(rustix::stdio::stdout()), Ok(true)) {
        rustix::stdio::dup2_stdout(&null).map_err(failed)?;
    }
    if matches!(socket_acceptconn(rustix::stdio::stderr()), Ok(true)) {
        rustix::stdio::dup2_stderr(&null).map_err(failed)?;
    }
    Ok(listener)
}

fn listening(socket: TcpListener, what: &str) -> Result<TcpListener, Error> {
    if !socket_acceptconn(&socket).unwrap_or(false) {
        return Err(refused(what, "it does not listen"));
    }
    socket.set_nonblocking(true).map_err(|error| refused(what, &error.to_string()))?;
    Ok(socket)
}

fn refused(what: &str, why: &str) -> Error {
    Error::new(Code::CannotBind, format!("{what} is not a TCP socket that listens: {why}"))
        .hint("in a unit, `ListenStream=` with an address and a port, and `Accept=no`")
}
