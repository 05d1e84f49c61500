//! What a server that is a program may do: read, write into its folder and a scratch folder, and, if the config says so, use
//! the network.
//!
//! Bubblewrap gives it a file system, processes and a network of its own; Landlock, in the kernel, forbids what is not
//! allowed. Landlock reaches less far: see docs/tools.md. Where neither works, the server is started all the same, and that
//! is said. Start with [`Available::choose`].

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Around;
use crate::config::{McpSandbox, McpSandboxKind};

/// What works here, looked for once.
#[derive(Debug, Default)]
pub(super) struct Available {
    bubblewrap: Option<bool>,
}

/// A sandbox for one program.
#[derive(Debug)]
pub(super) struct Held<'a> {
    pub(super) sandbox: &'a McpSandbox,
    /// Folders that it may write into; they are there.
    pub(super) writable: Vec<PathBuf>,
    pub(super) folder: &'a Path,
    pub(super) around: &'a Around,
}

impl Available {
    /// What holds a program; `None`: nothing that was looked at does, and Landlock is still to be tried.
    ///
    /// # Errors
    /// When what the config names does not work.
    pub(super) fn choose(&mut self, wanted: Option<McpSandboxKind>) -> Result<McpSandboxKind, String> {
        match wanted {
            Some(McpSandboxKind::Landlock) => Ok(McpSandboxKind::Landlock),
            Some(McpSandboxKind::Bubblewrap) if self.has_bubblewrap() => Ok(McpSandboxKind::Bubblewrap),
            Some(McpSandboxKind::Bubblewrap) => Err("its sandbox is to be bubblewrap, and `bwrap` does not work here".to_owned()),
            None if self.has_bubblewrap() => Ok(McpSandboxKind::Bubblewrap),
            None => Ok(McpSandboxKind::Landlock),
        }
    }

    /// Whether `bwrap` is there and the system lets it work: many containers and some distributions do not.
    fn has_bubblewrap(&mut self) -> bool {
        *self.bubblewrap.get_or_insert_with(|| {
            let mut probe = Command::new("bwrap");
            probe.args(["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-all", "--die-with-parent", "--", "true"]);
            let probe = probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            probe.status().is_ok_and(|status| status.success())
        })
    }
}

/// The command that runs a program in bubblewrap.
pub(super) fn wrapped(held: &Held<'_>, program: &str, args: &[String]) -> Command {
    let mut words: Vec<OsString> = Vec::new();
    let mut say = |parts: &[&OsStr]| words.extend(parts.iter().map(|part| (*part).to_owned()));
    let word = OsStr::new;
    say(&[word("--ro-bind"), word("/"), word("/"), word("--dev"), word("/dev"), word("--proc"), word("/proc")]);
    // Sockets of this machine's services are reached through files; those that names are looked up with stay.
    say(&[word("--tmpfs"), word("/run")]);
    for kept in ["/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager/resolv.conf", "/run/current-system"] {
        say(&[word("--ro-bind-try"), word(kept), word(kept)]);
    }
    for hidden in held.around.hidden.iter().filter(|hidden| hidden.is_dir()) {
        say(&[word("--tmpfs"), hidden.as_os_str()]);
    }
    // What lies in a hidden folder and is needed comes back.
    if !held.writable.iter().any(|folder| folder == held.folder) {
        say(&[word("--ro-bind"), held.folder.as_os_str(), held.folder.as_os_str()]);
    }
    for folder in &held.writable {
        say(&[word("--bind"), folder.as_os_str(), folder.as_os_str()]);
    }
    say(&[word("--unshare-all"), word("--die-with-parent"), word("--new-session")]);
    if held.sandbox.network {
        say(&[word("--share-net")]);
    }
    say(&[word("--chdir"), held.folder.as_os_str(), word("--"), word(program)]);
    let mut command = Command::new("bwrap");
    command.args(words).args(args);
    command
}

/// How far Landlock holds the calling thread, and all that it starts from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// As far as it is meant to.
    Whole,
    /// This kernel knows only some of it.
    Part,
    /// It is not in this kernel.
    Not,
}

/// Holds the calling thread, for good.
///
/// # Errors
/// When the kernel refuses.
#[cfg(target_os = "linux")]
pub(super) fn hold(held: &Held<'_>) -> Result<Reach, String> {
    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope, path_beneath_rules,
    };
    // A later kernel does as this one; an earlier one does what it can.
    let abi = ABI::V6;
    let devices = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/shm"];
    let holding = || {
        let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(abi))?.scope(Scope::from_all(abi))?;
        if !held.sandbox.network {
            ruleset = ruleset.handle_access(AccessNet::from_all(abi))?;
        }
        ruleset
            .create()?
            .add_rules(path_beneath_rules(["/"], AccessFs::from_read(abi)))?
            .add_rules(path_beneath_rules(devices, AccessFs::from_all(abi)))?
            .add_rules(path_beneath_rules(&held.writable, AccessFs::from_all(abi)))?
            .restrict_self()
    };
    match holding().map_err(|error| format!("Landlock refuses: {error}"))?.ruleset {
        RulesetStatus::FullyEnforced => Ok(Reach::Whole),
        RulesetStatus::PartiallyEnforced => Ok(Reach::Part),
        RulesetStatus::NotEnforced => Ok(Reach::Not),
    }
}

/// Holds nothing: only Linux has Landlock.
#[cfg(not(target_os = "linux"))]
pub(super) fn hold(_: &Held<'_>) -> Result<Reach, String> {
    Ok(Reach::Not)
}

/// Whether a server that is run in `folder` may write into it without being told so: not into a home, nor into what holds it.
pub(super) fn is_writable_by_itself(folder: &Path, home: Option<&Path>) -> bool {
    folder.parent().is_some() && !home.is_some_and(|home| home.starts_with(folder))
}
