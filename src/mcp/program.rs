//! Servers that are programs: started in a process group of their own, with few variables, in their sandbox; ended with all
//! that they started.
//!
//! Start with [`start`]; [`end_all`] leaves none behind.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tempfile::TempDir;
use tokio::process::{ChildStdin, ChildStdout};

use super::Around;
use super::groups::Groups;
use super::sandbox::{self, Available, Held, Reach};
use crate::config::{McpProgram, McpSandboxKind};
use crate::secret::Secret;

/// Variables of aimux's own that a server gets: none that could hold a key.
const VARIABLES: &[&str] =
    &["PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"];
/// What is kept of a server's standard error.
const WORDS_MAX: usize = 2 << 10;
/// How long a server may take to end once its input has, and again once it is asked to.
const END_BY_ITSELF: Duration = Duration::from_millis(500);
const END_ASKED: Duration = Duration::from_millis(500);
/// How long what it said may take to be read, once it has ended; one that has not may be about to.
const LAST_WORDS: Duration = Duration::from_millis(250);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A running program.
pub(super) struct Program {
    child: Child,
    group: Pid,
    groups: Groups,
    words: Arc<Mutex<Vec<u8>>>,
    /// What reads these; over when nothing will be said any more.
    listening: Option<JoinHandle<()>>,
    /// Its scratch folder, which goes with it.
    _scratch: TempDir,
}

/// Starts one; within a runtime.
pub(super) fn start(
    name: &str,
    wanted: &McpProgram,
    key: Option<&(String, Secret)>,
    around: &Around,
    groups: &Groups,
    available: &mut Available,
    notes: &mut Vec<String>,
) -> Result<(Program, ChildStdin, ChildStdout), String> {
    let scratch = tempfile::Builder::new().prefix("aimux-mcp-").tempdir().map_err(|error| format!("no scratch folder: {error}"))?;
    let folder = folder(wanted, around)?;
    let mut child = match &wanted.sandbox {
        None => spawn(prepared(plain(wanted), wanted, key, around, &folder, scratch.path())),
        Some(sandbox) => {
            let held = Held { sandbox, writable: writable(wanted, around, &folder, scratch.path())?, folder: &folder, around };
            match available.choose(sandbox.by)? {
                McpSandboxKind::Bubblewrap => {
                    let command = sandbox::wrapped(&held, &wanted.command, &wanted.args);
                    spawn(prepared(command, wanted, key, around, &folder, scratch.path()))
                }
                McpSandboxKind::Landlock => {
                    let command = prepared(plain(wanted), wanted, key, around, &folder, scratch.path());
                    let (child, reach) = spawn_held(command, &held, sandbox.by.is_some())?;
                    notes.extend(said_of(reach).map(|what| format!("mcp server \"{name}\": {what}")));
                    child
                }
            }
        }
    }
    .map_err(|error| format!("\"{}\" cannot be started: {error}", wanted.command))?;
    let group = Pid::from_child(&child);
    groups.add(group);
    let words = Arc::<Mutex<Vec<u8>>>::default();
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let listening = child.stderr.take().and_then(|error| listen(error, Arc::clone(&words)));
    // From here on its end is the program's own.
    let program = Program { child, group, groups: groups.clone(), words, listening, _scratch: scratch };
    let pipes = input.zip(output).map(|(input, output)| (ChildStdin::from_std(input), ChildStdout::from_std(output)));
    match pipes {
        Some((Ok(input), Ok(output))) => Ok((program, input, output)),
        _ => Err("its pipes cannot be used".to_owned()),
    }
}

fn plain(wanted: &McpProgram) -> Command {
    let mut command = Command::new(&wanted.command);
    command.args(&wanted.args);
    command
}

fn prepared(
    mut command: Command,
    wanted: &McpProgram,
    key: Option<&(String, Secret)>,
    around: &Around,
    folder: &Path,
    scratch: &Path,
) -> Command {
    command.env_clear().current_dir(folder).process_group(0);
    command.envs(around.variables.iter().filter(|(name, _)| VARIABLES.contains(&name.as_str())).map(|(name, value)| (name, value)));
    command.env("TMPDIR", scratch);
    command.envs(wanted.env.iter().map(|(name, value)| (name, value)));
    if let Some((name, secret)) = key {
        command.env(name, secret.expose());
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn spawn(mut command: Command) -> std::io::Result<Child> {
    command.spawn()
}

/// Starts a command from a thread that Landlock holds: what it starts is held as well, and aimux itself is not.
fn spawn_held(command: Command, held: &Held<'_>, is_demanded: bool) -> Result<(std::io::Result<Child>, Reach), String> {
    let work = || {
        let reach = sandbox::hold(held)?;
        if is_demanded && reach == Reach::Not {
            return Err("its sandbox is to be Landlock, which this system has not".to_owned());
        }
        Ok((spawn(command), reach))
    };
    std::thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|_| Err("its sandbox could not be made".to_owned()))
}

fn said_of(reach: Reach) -> Option<&'static str> {
    match reach {
        Reach::Whole => None,
        Reach::Part => Some("this kernel's Landlock holds it only in part; bubblewrap would do more"),
        Reach::Not => Some("no sandbox here, neither bubblewrap nor Landlock: it may do all that you may"),
    }
}

fn folder(wanted: &McpProgram, around: &Around) -> Result<PathBuf, String> {
    let folder = wanted.folder.as_ref().unwrap_or(&around.folder);
    folder.canonicalize().map_err(|error| format!("its folder {} cannot be used: {error}", folder.display()))
}

fn writable(wanted: &McpProgram, around: &Around, folder: &Path, scratch: &Path) -> Result<Vec<PathBuf>, String> {
    let mut writable = vec![scratch.to_owned()];
    if wanted.folder.is_some() || sandbox::is_writable_by_itself(folder, around.home.as_deref()) {
        writable.push(folder.to_owned());
    }
    let further = wanted.sandbox.iter().flat_map(|sandbox| &sandbox.write);
    for folder in further {
        let found =
            folder.canonicalize().map_err(|error| format!("the folder {} of its sandbox cannot be used: {error}", folder.display()))?;
        writable.push(found);
    }
    Ok(writable)
}

/// Keeps the end of what it says on standard error.
fn listen(mut error: ChildStderr, words: Arc<Mutex<Vec<u8>>>) -> Option<JoinHandle<()>> {
    let work = move || {
        let mut piece = [0; 1024];
        while let Ok(length @ 1..) = error.read(&mut piece) {
            let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
            words.extend_from_slice(piece.get(..length).unwrap_or_default());
            let excess = words.len().saturating_sub(WORDS_MAX);
            words.drain(..excess);
        }
    };
    // Without the thread its words are lost, and a server that says much may stop: the call's own limit ends that.
    std::thread::Builder::new().name("mcp-stderr".to_owned()).stack_size(128 * 1024).spawn(work).ok()
}

impl Program {
    /// The end of what it said, in one line. One that is just ending is heard to its end.
    pub(super) fn last_words(&self) -> String {
        let (begin, is_heard) = (Instant::now(), || self.listening.as_ref().is_none_or(JoinHandle::is_finished));
        while !is_heard() && begin.elapsed() < if self.has_ended() { LAST_WORDS } else { LAST_WORDS / 5 } {
            std::thread::sleep(LOOK_EVERY);
        }
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&words).into_owned();
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines.iter().rev().take(4).rev().copied().collect::<Vec<_>>().join(" / ")
    }

    /// Whether it has ended; its number stays its own until it is waited for.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::Pid(self.group), options), Ok(Some(_)) | Err(_))
    }

    fn signal(&self, signal: Signal) {
        // A group that is gone needs none.
        let _ = kill_process_group(self.group, signal);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Whatever it started is of its group, and the number is the group's as long as it was not waited for.
        self.signal(Signal::KILL);
        self.groups.remove(self.group);
        let _ = self.child.wait();
    }
}

/// Ends programs whose input has ended: those that do not go are asked to, then killed, with all of their groups.
pub(super) fn end_all<'a>(programs: impl Iterator<Item = &'a mut Program>) {
    let programs: Vec<&mut Program> = programs.collect();
    let until_ended = |limit: Duration| {
        let end = Instant::now() + limit;
        while Instant::now() < end && !programs.iter().all(|program| program.has_ended()) {
            std::thread::sleep(LOOK_EVERY);
        }
    };
    until_ended(END_BY_ITSELF);
    if programs.iter().any(|program| !program.has_ended()) {
        programs.iter().for_each(|program| program.signal(Signal::TERM));
        until_ended(END_ASKED);
    }
    programs.iter().for_each(|program| program.signal(Signal::KILL));
}
