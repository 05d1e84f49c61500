//! Ctrl-C and SIGTERM while an answer is on its way: the first cancels the provider and lets the rest be settled, the second
//! does not wait for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::{Code, Error};
use crate::upstream::blocking::Interrupter;

/// The signals of this process, from now on.
pub(super) struct Signals {
    last: Arc<AtomicI32>,
}

impl Signals {
    /// Catches them: the first interrupts all of these.
    pub(super) fn catch(interrupted: impl IntoIterator<Item = Interrupter>) -> Result<Self, Error> {
        Self::catch_and(interrupted, || {})
    }

    /// The same; `at_last` is done before the second ends the process.
    pub(super) fn catch_and(
        interrupted: impl IntoIterator<Item = Interrupter>,
        at_last: impl Fn() + Send + 'static,
    ) -> Result<Self, Error> {
        let interrupted: Vec<Interrupter> = interrupted.into_iter().collect();
        let failed = |error: std::io::Error| Error::new(Code::Bug, "signals cannot be caught").caused_by(error);
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
        let last = Arc::new(AtomicI32::new(0));
        let noted = Arc::clone(&last);
        let thread = std::thread::Builder::new().name("signals".to_owned()).stack_size(128 * 1024);
        thread
            .spawn(move || {
                for signal in &mut signals {
                    if noted.swap(signal, Ordering::AcqRel) != 0 {
                        at_last();
                        std::process::exit(128 + signal);
                    }
                    interrupted.iter().for_each(Interrupter::interrupt);
                }
            })
            .map_err(failed)?;
        Ok(Self { last })
    }

    /// The exit code of the signal that came, if one did.
    pub(super) fn last(&self) -> Option<u8> {
        let signal = self.last.load(Ordering::Acquire);
        (signal != 0).then(|| u8::try_from(128 + signal).unwrap_or(u8::MAX))
    }
}
