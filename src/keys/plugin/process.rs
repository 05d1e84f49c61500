//! A plugin's process: started without a shell, spoken to by lines, and ended when it is silent for too long.
//!
//! Reading and writing are done by threads of their own: a plugin that neither reads nor writes must not hold up whoever
//! waits for it. Start with [`Process::start`].

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::stanza::{self, Stanza};
use super::{Failure, Plugins, Trouble};

/// How long a plugin may be silent when nobody is there who could touch a device or type a number.
const SILENCE_ALONE: Duration = Duration::from_secs(15);
/// The same with a person at the terminal.
const SILENCE_ATTENDED: Duration = Duration::from_secs(120);
/// How long it may take to end once all is said.
const END: Duration = Duration::from_secs(1);
/// The most bytes that a plugin may say.
const SAID_MAX: u64 = 1 << 20;
/// The longest line: longer ones are no stanza's.
const LINE_MAX: u64 = 16 * 1024;

type Line = Zeroizing<String>;

/// A plugin at work. Dropped, it is ended, with all that it started where it works alone.
#[derive(Debug)]
pub(super) struct Process {
    plugin: String,
    child: Child,
    words: Option<mpsc::Sender<Line>>,
    lines: mpsc::Receiver<Line>,
    silence: Duration,
    has_own_group: bool,
}

impl Process {
    /// Starts `age-plugin-NAME` from `PATH` in one of its two roles.
    pub(super) fn start(plugin: &str, role: &str, plugins: &Plugins) -> Result<Self, Failure> {
        let is_attended = plugins.person.is_some();
        let failed = |trouble| Failure { plugin: plugin.to_owned(), trouble };
        let mut command = Command::new(plugins.program(plugin));
        command.arg(format!("--age-plugin={role}")).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        for variable in plugins.hidden.iter().chain(&["AGEDEBUG"]) {
            command.env_remove(variable);
        }
        if !is_attended {
            // So that it can be ended with what it started; at a terminal it must stay where Ctrl-C reaches it.
            command.process_group(0);
        }
        let mut child = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => failed(Trouble::Missing),
            _ => failed(Trouble::NotStarted(error.to_string())),
        })?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed(Trouble::NotStarted("it has no pipes".to_owned())));
        };
        let silence = if is_attended { SILENCE_ATTENDED } else { SILENCE_ALONE };
        #[cfg(test)]
        let silence = plugins.silence.unwrap_or(silence * 4);
        let (words, lines) = (writer(input), reader(output));
        Ok(Self { plugin: plugin.to_owned(), child, words: Some(words), lines, silence, has_own_group: !is_attended })
    }

    /// Says a stanza. A plugin that does not listen is noticed when it does not answer.
    pub(super) fn say(&self, words: &[&str], body: &[u8]) {
        if let Some(pipe) = &self.words {
            let _ = pipe.send(stanza::write(words, body));
        }
    }

    /// Waits for the plugin's next stanza.
    pub(super) fn hear(&self) -> Result<Stanza, Failure> {
        let deadline = Instant::now() + self.silence;
        let failed = |trouble| Failure { plugin: self.plugin.clone(), trouble };
        let line = || {
            self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())).map_err(|error| match error {
                mpsc::RecvTimeoutError::Timeout => failed(Trouble::TooSlow(self.silence)),
                mpsc::RecvTimeoutError::Disconnected => failed(Trouble::Died),
            })
        };
        Stanza::read(line, &Failure::nonsense(&self.plugin))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its input is the plugin's sign to go.
        self.words = None;
        let deadline = Instant::now() + END;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                _ => return,
            }
        }
        if self.has_own_group {
            let group = rustix::process::Pid::from_child(&self.child);
            // One that is gone already needs no killing.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn writer(mut input: ChildStdin) -> mpsc::Sender<Line> {
    let (sender, receiver) = mpsc::channel::<Line>();
    std::thread::spawn(move || {
        for words in receiver {
            if input.write_all(words.as_bytes()).and_then(|()| input.flush()).is_err() {
                return;
            }
        }
    });
    sender
}

fn reader(output: ChildStdout) -> mpsc::Receiver<Line> {
    // Bounded, so that what nobody hears is not collected.
    let (sender, receiver) = mpsc::sync_channel(64);
    std::thread::spawn(move || {
        let mut output = BufReader::new(output.take(SAID_MAX));
        loop {
            let mut line = Zeroizing::new(String::with_capacity(128));
            let read = (&mut output).take(LINE_MAX).read_line(&mut line);
            if !matches!(read, Ok(length) if length > 0) || line.pop() != Some('\n') || sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
