//! Processes of this same program that a bench starts, and what the kernel says of a process: CPU, memory, descriptors.
//!
//! The figures come from `/proc`, so there are none on other systems than Linux. Start with [`Listening::part`].

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::cli::known::READY;
use crate::error::{Code, Error};

/// A process that listens, ended when dropped.
pub(super) struct Listening {
    child: Child,
    /// `127.0.0.1:PORT`.
    pub(super) address: String,
    /// Its home: a second aimux of the same config would find the first.
    _home: tempfile::TempDir,
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It is gone already, or goes now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Listening {
    /// One of our parts: `upstream`, or `passthrough` with where it leads.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn part(part: &str, to: Option<&str>) -> Result<Self, Error> {
        let mut command = own_program()?;
        command.args(["bench", "--part", part]).args(to);
        Self::start(command, folder()?)
    }

    /// An aimux of its own: `providers` is that member of its config. `program` is another one to measure.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn aimux(providers: &str, program: Option<&Path>) -> Result<Self, Error> {
        let home = folder()?;
        let config = home.path().join("config.yaml");
        let text = format!("version: 1\nserver: {{ listen: '127.0.0.1:0', token: {{ env: {TOKEN_NAME} }} }}\nproviders:\n{providers}",);
        std::fs::write(&config, text).map_err(|error| failed(&error))?;
        let mut command = program.map_or_else(own_program, |program| Ok(Command::new(program)))?;
        // The access log and the ledger are part of what aimux does: their writing is not measured away.
        command.env_clear().env("HOME", home.path()).env(TOKEN_NAME, TOKEN).env("BENCH_KEY", "bench-key-0123456789");
        command.arg("serve").arg("--config").arg(config);
        if program.is_none() {
            // Killed, we end nobody; our end of this pipe closes all the same. Another program may not know the flag.
            command.arg("--until-stdin-closes");
        }
        Self::start(command, home)
    }

    /// Starts a command and reads the address from the end of its first line.
    fn start(mut command: Command, home: tempfile::TempDir) -> Result<Self, Error> {
        // A Ctrl-C at the terminal is for us: they answer until we have told what was measured.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).current_dir("/");
        let mut child = command.spawn().map_err(|error| failed(&error))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            // What cannot be read has no address.
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        let address = line.trim().strip_prefix(READY).unwrap_or_default().to_owned();
        let listening = Self { child, address, _home: home };
        if listening.address.is_empty() {
            return Err(Error::new(Code::CannotBind, "a process of the bench did not start").hint("`aimux serve --demo` says more"));
        }
        Ok(listening)
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// What clients of an aimux of ours send. It listens on loopback for as long as the bench runs.
pub(super) const TOKEN: &str = "bench-token-0123456789";
const TOKEN_NAME: &str = "BENCH_TOKEN";

fn own_program() -> Result<Command, Error> {
    std::env::current_exe().map(Command::new).map_err(|error| failed(&error))
}

fn folder() -> Result<tempfile::TempDir, Error> {
    tempfile::tempdir().map_err(|error| failed(&error))
}

fn failed(error: &std::io::Error) -> Error {
    Error::new(Code::StateFolder, format!("a process of the bench cannot be started: {error}"))
}

/// Nanoseconds of CPU that a process has used, all threads together.
pub(super) fn cpu_ns(pid: u32) -> Option<u64> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let used = tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|stat| stat.split(' ').next()?.parse::<u64>().ok());
    Some(used.sum())
}

/// What a process holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Held {
    /// Resident memory.
    pub(super) rss_mib: f64,
    /// Open descriptors.
    pub(super) fds: u64,
}

/// What a process holds now; `None`: it is gone, or this is no Linux.
pub(super) fn held(pid: u32) -> Option<Held> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok())?;
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64;
    Some(Held { rss_mib: kib / 1024.0, fds })
}

/// As many open files as the system lets us have: each of many requests takes one here and two in aimux, which inherits the limit.
pub(super) fn raise_open_files() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    // With fewer, what does not fit fails and is counted.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_is_looked_at_and_one_that_is_gone_has_no_figures() {
        let own = std::process::id();
        let before = cpu_ns(own).unwrap();
        let mut sum = 0_u64;
        while cpu_ns(own).unwrap() < before + 20_000_000 {
            sum = (0..100_000_u64).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
        }
        let held = held(own).unwrap();
        assert!(held.rss_mib > 1.0 && held.fds >= 3, "{held:?}");
        assert_eq!((cpu_ns(u32::MAX), super::held(u32::MAX)), (None, None));
    }
}
