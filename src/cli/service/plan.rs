//! What an installation is on this machine: which files with which texts, and what the service manager is told.
//!
//! Programs are started by their arguments, never by a shell, and never with another account's rights.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use clap::ValueEnum;

use super::units::{self, Facts, LABEL, MARK};
use crate::cli::program::waited;
use crate::config::Environment;
use crate::error::{Code, Error};

/// How long a question to the manager may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Who keeps the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Manager {
    /// Linux
    Systemd,
    /// macOS
    Launchd,
}

impl Manager {
    /// This machine's.
    pub(super) fn usual() -> Self {
        if cfg!(target_os = "macos") { Self::Launchd } else { Self::Systemd }
    }
}

/// A service manager, and whose.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) manager: Manager,
    /// The machine's, not the user's.
    pub(super) is_system: bool,
}

/// A unit's file.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was not there.
    Written,
    /// It said something else.
    Changed,
    /// It says what it should.
    Kept,
}

impl Place {
    /// The folder of its units.
    pub(super) fn folder(self, environment: &Environment) -> PathBuf {
        let home = PathBuf::from(environment.get("HOME").unwrap_or("/"));
        let config = || environment.get("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
        match (self.manager, self.is_system) {
            (Manager::Systemd, true) => PathBuf::from("/etc/systemd/system"),
            (Manager::Systemd, false) => config().join("systemd/user"),
            (Manager::Launchd, true) => PathBuf::from("/Library/LaunchDaemons"),
            (Manager::Launchd, false) => home.join("Library/LaunchAgents"),
        }
    }

    /// The paths of its units.
    pub(super) fn paths(self, environment: &Environment) -> Vec<PathBuf> {
        let names: &[&str] = match self.manager {
            Manager::Systemd => &["aimux.socket", "aimux.service"],
            Manager::Launchd => &["aimux.plist"],
        };
        let folder = self.folder(environment);
        names.iter().map(|name| folder.join(name)).collect()
    }

    /// Its units, as they should be.
    pub(super) fn units(self, facts: &Facts, environment: &Environment) -> Vec<Unit> {
        let texts = match self.manager {
            Manager::Systemd => vec![units::socket(facts), units::service(facts)],
            Manager::Launchd => vec![units::plist(facts)],
        };
        self.paths(environment).into_iter().zip(texts).map(|(path, text)| Unit { path, text }).collect()
    }

    /// What makes the manager listen, from files that were just written.
    pub(super) fn enable(self, environment: &Environment) -> Vec<Vec<String>> {
        match self.manager {
            Manager::Systemd => vec![self.systemctl(&["daemon-reload"]), self.systemctl(&["enable", "--now", "aimux.socket"])],
            Manager::Launchd => vec![words(&["launchctl", "bootstrap", &domain(self), &self.plist(environment)])],
        }
    }

    /// What makes it forget them.
    pub(super) fn disable(self) -> Vec<Vec<String>> {
        match self.manager {
            Manager::Systemd => vec![self.systemctl(&["disable", "--now", "aimux.socket"]), self.systemctl(&["stop", "aimux.service"])],
            Manager::Launchd => vec![words(&["launchctl", "bootout", &job(self)])],
        }
    }

    /// What follows when the files are gone.
    pub(super) fn forget(self) -> Vec<Vec<String>> {
        match self.manager {
            Manager::Systemd => vec![self.systemctl(&["daemon-reload"])],
            Manager::Launchd => Vec::new(),
        }
    }

    pub(super) fn start(self, environment: &Environment) -> Vec<Vec<String>> {
        match self.manager {
            Manager::Systemd => vec![self.systemctl(&["start", "aimux.socket"])],
            Manager::Launchd => self.enable(environment),
        }
    }

    pub(super) fn stop(self) -> Vec<Vec<String>> {
        match self.manager {
            Manager::Systemd => vec![self.systemctl(&["stop", "aimux.socket", "aimux.service"])],
            Manager::Launchd => self.disable(),
        }
    }

    /// Succeeds where the manager listens.
    pub(super) fn is_active(self) -> Vec<String> {
        match self.manager {
            Manager::Systemd => self.systemctl(&["is-active", "--quiet", "aimux.socket"]),
            Manager::Launchd => words(&["launchctl", "print", &job(self)]),
        }
    }

    /// Shows what the server has logged.
    pub(super) fn logs(self, lines: u32, follow: bool, log: &Path) -> Vec<String> {
        let lines = lines.to_string();
        let mut command = match (self.manager, self.is_system) {
            (Manager::Systemd, false) => words(&["journalctl", "--user", "--unit", "aimux.service", "--lines", &lines]),
            (Manager::Systemd, true) => words(&["journalctl", "--unit", "aimux.service", "--lines", &lines]),
            (Manager::Launchd, _) => words(&["tail", "-n", &lines]),
        };
        command.extend(follow.then(|| "-f".to_owned()));
        if self.manager == Manager::Launchd {
            command.push(log.to_string_lossy().into_owned());
        } else {
            command.push("--no-pager".to_owned());
        }
        command
    }

    fn plist(self, environment: &Environment) -> String {
        self.paths(environment).first().map_or_else(String::new, |path| path.to_string_lossy().into_owned())
    }

    fn systemctl(self, args: &[&str]) -> Vec<String> {
        let whose: &[&str] = if self.is_system { &["systemctl"] } else { &["systemctl", "--user"] };
        words(&[whose, args].concat())
    }
}

/// launchd's name for whose jobs these are.
fn domain(place: Place) -> String {
    if place.is_system { "system".to_owned() } else { format!("gui/{}", rustix::process::getuid().as_raw()) }
}

fn job(place: Place) -> String {
    format!("{}/{LABEL}", domain(place))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What writing the unit would do.
///
/// # Errors
/// When something that we did not write is in its place.
pub(super) fn outcome(unit: &Unit) -> Result<Outcome, Error> {
    match fs::read_to_string(&unit.path) {
        Ok(text) if text == unit.text => Ok(Outcome::Kept),
        Ok(text) if is_ours(&text) => Ok(Outcome::Changed),
        Ok(_) => Err(foreign(&unit.path)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Outcome::Written),
        Err(error) => Err(failed(&unit.path, error)),
    }
}

/// Writes the unit, in one step.
///
/// # Errors
/// When its folder cannot be written: the machine's is root's.
pub(super) fn write(unit: &Unit) -> Result<(), Error> {
    let write = || -> std::io::Result<()> {
        let folder = unit.path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new().permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644)).tempfile_in(folder)?;
        file.write_all(unit.text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&unit.path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error| failed(&unit.path, error))
}

/// Removes a unit of ours. Gives whether there was one.
///
/// # Errors
/// When it is not ours, or cannot be removed.
pub(super) fn remove(path: &Path) -> Result<bool, Error> {
    match fs::read_to_string(path) {
        Ok(text) if !is_ours(&text) => Err(foreign(path)),
        Ok(_) => fs::remove_file(path).map(|()| true).map_err(|error| failed(path, error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(path, error)),
    }
}

fn is_ours(text: &str) -> bool {
    text.lines().take(2).any(|line| line.contains(MARK))
}

fn foreign(path: &Path) -> Error {
    Error::new(Code::Permission, format!("{} is there already and was not written by aimux", path.display()))
        .hint("look at it, and move it away if it may go")
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    let code = if error.kind() == std::io::ErrorKind::PermissionDenied { Code::Permission } else { Code::StateFolder };
    let hint = "a system's units are root's: run the same command as root, with --dry-run first to see what it does";
    Error::new(code, format!("{}: {error}", path.display())).hint(hint).caused_by(error)
}

/// Runs a program of the manager's to its end; what it says goes where ours does.
///
/// # Errors
/// When it is not there.
pub(super) fn call(command: &[String]) -> Result<ExitStatus, Error> {
    let Some((program, args)) = command.split_first() else {
        return Err(Error::new(Code::Bug, "there is no program to run"));
    };
    let mut child = Command::new(program);
    child.args(args).stdin(Stdio::null());
    child.status().map_err(|error| Error::new(Code::ServiceManager, format!("{program} cannot be run: {error}")).caused_by(error))
}

/// Whether a program that is asked something says yes, in bounded time; what else it says is not shown.
///
/// # Errors
/// When it is not there, or does not answer.
pub(super) fn says_yes(command: &[String]) -> Result<bool, Error> {
    let Some((program, args)) = command.split_first() else {
        return Err(Error::new(Code::Bug, "there is no program to run"));
    };
    let failed = |what: String| Error::new(Code::ServiceManager, format!("{program} {what}"));
    let child = Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = child.map_err(|error| failed(format!("cannot be run: {error}")).caused_by(error))?;
    match waited(&mut child, ANSWER_MAX) {
        Some(status) => Ok(status.success()),
        None => Err(failed(format!("does not answer in {} s: `{}`", ANSWER_MAX.as_secs(), command.join(" ")))
            .hint("the service manager hangs; look at its log")),
    }
}

/// The same as [`call`]; another exit code than 0 is an error.
///
/// # Errors
/// When it is not there or fails.
pub(super) fn demand(command: &[String]) -> Result<(), Error> {
    let status = call(command)?;
    if status.success() {
        return Ok(());
    }
    Err(Error::new(Code::ServiceManager, format!("`{}` failed ({status})", command.join(" "))))
}
