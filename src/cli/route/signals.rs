//! Ctrl-C and SIGTERM while an answer is on its way: the first cancels the provider and lets the rest be settled, the second
//! does not wait for that. A chat outlives its Ctrl-C: that ends an answer, never the program.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::cli::output;
use crate::error::{Code, Error};
use crate::upstream::blocking::Interrupter;

/// The signals of this process, from now on.
pub(super) struct Signals {
    shared: Arc<Shared>,
}

struct Shared {
    /// What came last; 0: nothing.
    last: AtomicI32,
    /// What is on its way.
    running: Mutex<Vec<Interrupter>>,
    /// The terminal as it was, where a chat sits at it.
    chat: Option<Option<Termios>>,
    /// What is done before the process is ended.
    at_last: Box<dyn Fn() + Send + Sync>,
}

impl Signals {
    /// Catches them: the first interrupts all of these.
    pub(super) fn catch(interrupted: impl IntoIterator<Item = Interrupter>) -> Result<Self, Error> {
        Self::catch_and(interrupted, || {})
    }

    /// The same; `at_last` is done before the second ends the process.
    pub(super) fn catch_and(
        interrupted: impl IntoIterator<Item = Interrupter>,
        at_last: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        Self::watch(interrupted.into_iter().collect(), None, Box::new(at_last))
    }

    /// Catches them for a chat: Ctrl-C interrupts what is on its way, if anything is; SIGTERM ends it all.
    pub(super) fn of_chat() -> Result<Self, Error> {
        Self::watch(Vec::new(), Some(tcgetattr(std::io::stdin()).ok()), Box::new(|| {}))
    }

    fn watch(running: Vec<Interrupter>, chat: Option<Option<Termios>>, at_last: Box<dyn Fn() + Send + Sync>) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::new(Code::Bug, "signals cannot be caught").caused_by(error);
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
        let shared = Arc::new(Shared { last: AtomicI32::new(0), running: Mutex::new(running), chat, at_last });
        let told = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("signals".to_owned()).stack_size(128 * 1024);
        thread.spawn(move || signals.forever().for_each(|signal| told.came(signal))).map_err(failed)?;
        Ok(Self { shared })
    }

    /// From now on this is on its way.
    pub(super) fn begin(&self, interrupter: Interrupter) {
        let mut running = self.shared.running();
        self.shared.last.store(0, Ordering::Release);
        *running = vec![interrupter];
    }

    /// Nothing is on its way any more.
    pub(super) fn end(&self) {
        self.shared.running().clear();
    }

    /// The exit code of the signal that came, if one did.
    pub(super) fn last(&self) -> Option<u8> {
        let signal = self.shared.last.load(Ordering::Acquire);
        (signal != 0).then(|| exit_code(signal))
    }

    /// Whether SIGTERM came: there is to be no next prompt.
    pub(super) fn is_over(&self) -> bool {
        self.shared.last.load(Ordering::Acquire) == SIGTERM
    }
}

impl Shared {
    fn running(&self) -> MutexGuard<'_, Vec<Interrupter>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn came(&self, signal: i32) {
        let running = self.running();
        let last = self.last.swap(signal, Ordering::AcqRel);
        let is_enough = match &self.chat {
            None => last != 0,
            Some(_) => signal == SIGTERM && (running.is_empty() || last == SIGTERM),
        };
        if is_enough {
            if let Some(Some(terminal)) = &self.chat {
                // The line editor had it in modes of its own: one of them tells pasted text from typed.
                output::error("\u{1b}[?2004l\n");
                let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, terminal);
            }
            (self.at_last)();
            std::process::exit(i32::from(exit_code(signal)));
        }
        running.iter().for_each(Interrupter::interrupt);
    }
}

fn exit_code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}
