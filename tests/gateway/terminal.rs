//! A terminal for the program under test: keys are typed and the screen is read, as a terminal emulator understands it.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Rows of the screen: so many that nothing scrolls away.
const ROWS: u16 = 200;

/// A command on a terminal, which `script` makes.
pub(crate) struct Terminal {
    child: Child,
    shown: Receiver<Vec<u8>>,
    seen: Vec<u8>,
    columns: u16,
}

impl Terminal {
    /// Starts it in its folder, with more variables.
    pub(crate) fn start(command: &Command, columns: u16, variables: &[(&str, &str)]) -> Self {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let line: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
        let line = format!("stty columns {columns} rows {ROWS} -echoctl; exec {}", line.join(" "));
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]).env_clear();
        script.current_dir(command.get_current_dir().expect("a folder of its own"));
        script
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh");
        script.envs(variables.iter().copied());
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script of bsdutils gives a terminal");
        let mut screen = child.stdout.take().unwrap();
        let (send, shown) = channel();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut piece) {
                let _ = send.send(piece[..length].to_vec());
            }
        });
        Self { child, shown, seen: Vec::new(), columns }
    }

    /// What stands on the screen now.
    pub(crate) fn screen(&self) -> vt100::Screen {
        let mut parser = vt100::Parser::new(ROWS, self.columns, 0);
        parser.process(&self.seen);
        parser.screen().clone()
    }

    /// Waits until the words stand there.
    pub(crate) fn until(&mut self, words: &str) {
        let end = Instant::now() + Duration::from_secs(30);
        while !self.screen().contents().contains(words) {
            assert!(Instant::now() < end, "{words:?} is not shown: {}", self.screen().contents());
            self.seen.extend(self.shown.recv_timeout(Duration::from_millis(100)).unwrap_or_default());
        }
    }

    /// Waits until nothing but blanks stands behind the words.
    pub(crate) fn until_end(&mut self, words: &str) {
        let end = Instant::now() + Duration::from_secs(30);
        while !self.screen().contents().trim_end().ends_with(words) {
            assert!(Instant::now() < end, "{words:?} is not the last: {}", self.screen().contents());
            self.seen.extend(self.shown.recv_timeout(Duration::from_millis(100)).unwrap_or_default());
        }
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the end; the exit code, and what stands on the screen.
    pub(crate) fn end(mut self) -> (Option<i32>, vt100::Screen, String) {
        self.seen.extend(self.shown.iter().flatten());
        let code = self.child.wait().unwrap().code();
        (code, self.screen(), String::from_utf8_lossy(&self.seen).into_owned())
    }
}

/// Row and column where the words stand.
pub(crate) fn place(screen: &vt100::Screen, columns: u16, words: &str) -> (u16, u16) {
    let rows = screen.rows(0, columns).enumerate();
    let (row, column) = rows
        .filter_map(|(row, line)| Some((row, line[..line.find(words)?].chars().count())))
        .next()
        .unwrap_or_else(|| panic!("no {words:?}"));
    (u16::try_from(row).unwrap(), u16::try_from(column).unwrap())
}
