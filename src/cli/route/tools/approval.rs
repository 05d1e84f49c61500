//! Who says that a call may be made: `--yes`, or whoever sits at the terminal. Without either it is refused.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read};
use std::os::fd::AsFd as _;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rustix::termios::{QueueSelector, tcflush};

use super::pattern::Pattern;
use crate::cli::route::signals::Signals;
use crate::cli::{output, visible};
use crate::mcp::Tool;

/// What of arguments is shown before all of them are asked for.
const LINES_MAX: usize = 20;
const CHARS_MAX: usize = 1500;
/// How often a question looks whether it is interrupted.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// The longest answer to a question.
const ANSWER_MAX: u64 = 1024;

const NOBODY: &str = "This call needs the user's approval, and nobody is there to give it. It was not made; do not try it again.";
const NO: &str = "The user refused this call. It was not made.";

/// Who says yes.
pub(super) struct Approval<'a> {
    yes: &'a [Pattern],
    always: HashSet<String>,
}

/// What becomes of a call.
pub(super) enum Verdict {
    /// It is made, because of this.
    Yes(&'static str),
    /// It is not, and the model is told so.
    No(&'static str),
    Interrupted,
}

impl<'a> Approval<'a> {
    pub(super) fn new(yes: &'a [Pattern]) -> Self {
        Self { yes, always: HashSet::new() }
    }

    /// Whether a call may be made.
    pub(super) fn asked(&mut self, tool: &Tool, arguments: &str, signals: &Signals) -> Verdict {
        if self.yes.iter().any(|pattern| pattern.fits(tool)) {
            return Verdict::Yes("--yes");
        }
        let name = tool.full_name();
        if self.always.contains(&name) {
            return Verdict::Yes("always");
        }
        if !output::error_is_terminal() {
            return Verdict::No(NOBODY);
        }
        tell(&name, arguments, Shown::Some);
        loop {
            match answer("run it? [y]es, [n]o, [a]lways from now on, [s]how all: ", signals) {
                Answer::Interrupted => return Verdict::Interrupted,
                Answer::Nobody => {
                    output::error("\n");
                    return Verdict::No(NOBODY);
                }
                Answer::Said(said) => match said.trim().to_lowercase().as_str() {
                    "y" | "yes" => return Verdict::Yes("asked"),
                    "n" | "no" | "" => return Verdict::No(NO),
                    "a" | "always" => {
                        self.always.insert(name);
                        return Verdict::Yes("always");
                    }
                    "s" | "show" => tell(&name, arguments, Shown::All),
                    _ => {}
                },
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Some,
    All,
}

/// Says what is to be called. Whatever a terminal would obey is shown.
fn tell(name: &str, arguments: &str, shown: Shown) {
    let text = visible::prose(arguments.trim());
    let mut lines: Vec<String> = Vec::new();
    let mut left = if shown == Shown::All { usize::MAX } else { CHARS_MAX };
    let most = if shown == Shown::All { usize::MAX } else { LINES_MAX };
    for line in text.lines().take(most) {
        let line: String = line.chars().take(left).collect();
        left = left.saturating_sub(line.chars().count());
        lines.push(format!("  {line}\n"));
    }
    let told: usize = lines.iter().map(|line| line.chars().count().saturating_sub(3)).sum();
    let rest = text.chars().filter(|c| *c != '\n').count().saturating_sub(told);
    let rest = if rest > 0 { format!("  … and {rest} characters more\n") } else { String::new() };
    output::error(&format!("aimux: the model calls {}\n{}{rest}", visible::line(name), lines.concat()));
}

enum Answer {
    Said(String),
    /// The input has ended, or there is none.
    Nobody,
    Interrupted,
}

/// A line from the terminal, which is asked for: standard input, or, where that is a pipe, the terminal of the process.
fn answer(question: &str, signals: &Signals) -> Answer {
    let input = std::io::stdin();
    let terminal: Box<dyn Read + Send> = if input.is_terminal() {
        // What was typed before the question is no answer to it.
        let _ = tcflush(input.as_fd(), QueueSelector::IFlush);
        Box::new(input)
    } else {
        let Ok(terminal) = File::open("/dev/tty") else { return Answer::Nobody };
        let _ = tcflush(terminal.as_fd(), QueueSelector::IFlush);
        Box::new(terminal)
    };
    output::error(question);
    let (tell, told) = channel();
    let read = move || {
        let mut line = String::new();
        let read = BufReader::new(terminal.take(ANSWER_MAX)).read_line(&mut line);
        // Whoever asked may have gone.
        let _ = tell.send(matches!(read, Ok(1..)).then_some(line));
    };
    if std::thread::Builder::new().name("answer".to_owned()).spawn(read).is_err() {
        return Answer::Nobody;
    }
    loop {
        if signals.last().is_some() {
            return Answer::Interrupted;
        }
        match told.recv_timeout(LOOK_EVERY) {
            Ok(Some(line)) => return Answer::Said(line),
            Ok(None) | Err(RecvTimeoutError::Disconnected) => return Answer::Nobody,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}
