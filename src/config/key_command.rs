//! A key that a program prints: `{ cmd: [op, read, "op://…"] }`. The program comes from the config alone and is run without a
//! shell, for a limited time, its output read to a limit.
//!
//! It is run where keys are opened (`serve`, a reload, `keys test`), never by `config validate`. What it says on standard
//! error is not repeated: it might be the key. Start with [`Command::run`].

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::error::{Code, Error};
use crate::provider::table::PRESETS;
use crate::secret::Secret;

/// How long a program may take.
#[cfg(not(test))]
const TIME_MAX: Duration = Duration::from_secs(10);
/// Short, so that the tests are fast.
#[cfg(test)]
const TIME_MAX: Duration = Duration::from_secs(2);
/// The most bytes of its output.
const OUTPUT_MAX: usize = 16 * 1024;

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// A name for `PATH`, or an absolute path.
    pub(crate) program: String,
    /// The arguments.
    pub(crate) args: Vec<String>,
}

impl Command {
    /// A name for messages and logs: the program's, and a few digits that tell two calls of it apart.
    pub(crate) fn label(&self) -> String {
        let mut hash = Sha256::new();
        for word in std::iter::once(&self.program).chain(&self.args) {
            hash.update(word.as_bytes());
            hash.update([0]);
        }
        let digits: String = hash.finalize().iter().take(2).map(|byte| format!("{byte:02x}")).collect();
        format!("cmd:{}#{digits}", self.program.rsplit('/').next().unwrap_or_default())
    }

    /// Runs the program; the first line of its output, without spaces around it, is the key.
    pub(crate) fn run(&self) -> Result<Secret, Error> {
        let failed = |what: String| {
            let hint = "run it by hand to see what it says; it must print the key on the first line, within 10 s";
            Error::new(Code::KeyUnavailable, format!("the program \"{}\" that prints a key {what}", self.program)).hint(hint)
        };
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        for variable in PRESETS.iter().flat_map(|preset| preset.env) {
            command.env_remove(variable);
        }
        let deadline = Instant::now() + TIME_MAX;
        let mut child = command.spawn().map_err(|error| failed(format!("could not be started: {error}")).caused_by(error))?;
        let output = read(&mut child, deadline);
        let output = match output {
            Ok(output) => output,
            Err(what) => {
                end(&mut child);
                return Err(failed(what.to_owned()));
            }
        };
        match wait(&mut child, deadline) {
            Some(status) if status.success() => {}
            Some(status) => return Err(failed(format!("failed ({status})"))),
            None => {
                end(&mut child);
                return Err(failed(TOO_SLOW.to_owned()));
            }
        }
        let text = std::str::from_utf8(&output).map_err(|_| failed("printed no text".to_owned()))?;
        match text.lines().next().map(str::trim) {
            Some(key) if !key.is_empty() => Ok(Secret::new(key.to_owned())),
            _ => Err(failed("printed nothing on its first line".to_owned())),
        }
    }
}

const TOO_SLOW: &str = "took too long";

/// All that it prints, by a thread of its own: a grandchild may keep the pipe open for ever.
fn read(child: &mut Child, deadline: Instant) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let Some(stdout) = child.stdout.take() else { return Err("has no output") };
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Zeroizing::new(Vec::with_capacity(OUTPUT_MAX + 1));
        let limit = u64::try_from(OUTPUT_MAX).unwrap_or(u64::MAX).saturating_add(1);
        let read = stdout.take(limit).read_to_end(&mut bytes);
        // Nobody waits any more after the deadline.
        let _ = sender.send(read.map(|_| bytes));
    });
    match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(Ok(bytes)) if bytes.len() > OUTPUT_MAX => Err("printed more than 16 KiB"),
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err("has an output that cannot be read"),
        Err(_) => Err(TOO_SLOW),
    }
}

fn wait(child: &mut Child, deadline: Instant) -> Option<std::process::ExitStatus> {
    while Instant::now() < deadline {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

/// Kills the program and what it started.
fn end(child: &mut Child) {
    let group = rustix::process::Pid::from_child(child);
    // One that is gone already needs no killing.
    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        Command { program: "sh".to_owned(), args: vec!["-c".to_owned(), script.to_owned()] }
    }

    #[test]
    fn the_first_line_is_the_key() {
        assert_eq!(shell("echo ' sk-one '; echo more").run().unwrap().expose(), "sk-one");
        let direct = Command { program: "/bin/echo".to_owned(), args: vec!["$HOME; `ls`".to_owned()] };
        assert_eq!(direct.run().unwrap().expose(), "$HOME; `ls`", "no shell reads the arguments");
        assert_eq!(shell("cat; echo sk-two").run().unwrap().expose(), "sk-two", "its input is empty");
    }

    #[test]
    fn what_prints_no_key_is_an_error_without_its_words() {
        for (script, what) in [
            ("echo sk-secret; exit 3", "failed (exit status: 3)"),
            ("echo sk-secret >&2; exit 1", "failed (exit status: 1)"),
            ("kill -9 $$", "failed (signal: 9"),
            ("true", "printed nothing"),
            ("echo; echo sk-secret", "printed nothing"),
            ("printf '\\377'", "printed no text"),
            ("yes sk-secret", "printed more than 16 KiB"),
        ] {
            let error = shell(script).run().unwrap_err();
            assert!(error.message.contains(what) && !error.message.contains("sk-"), "{script}: {}", error.message);
            assert_eq!(error.code, Code::KeyUnavailable);
        }
        let absent = Command { program: "no-such-program".to_owned(), args: Vec::new() };
        assert!(absent.run().unwrap_err().message.contains("could not be started"));
    }

    #[test]
    fn a_program_that_does_not_end_is_ended_with_all_that_it_started() {
        let marker = format!("{}", 300_000 + std::process::id());
        for script in [format!("sleep {marker}"), format!("sleep {marker} & echo sk-one"), format!("echo sk-one; exec >&-; sleep {marker}")]
        {
            let begun = Instant::now();
            let error = shell(&script).run().unwrap_err();
            assert!(error.message.contains(TOO_SLOW), "{script}: {}", error.message);
            assert!(begun.elapsed() < TIME_MAX * 3, "{script}");
        }
        let is_alive = |entry: std::fs::DirEntry| {
            let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            line == format!("sleep\0{marker}\0")
        };
        let alive = || std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).filter(|entry| !entry.path().is_file()).any(is_alive);
        let until = Instant::now() + Duration::from_secs(5);
        while alive() {
            assert!(Instant::now() < until, "a sleep goes on");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn calls_are_told_apart_by_their_label() {
        let (one, other) = (shell("echo 1").label(), shell("echo 2").label());
        assert!(one.starts_with("cmd:sh#") && one != other && one == shell("echo 1").label());
    }
}
