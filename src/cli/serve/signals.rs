//! The signals of a server: what ends it, and what has it read its config anew.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::log;
use crate::error::{Code, Error};
use crate::server::control::Wishes;
use crate::server::notify::Notifier;
use crate::server::reload::{Reloader, Trigger};

/// SIGHUP: a wish for a reload, and what a terminal that closes leaves to its programs.
pub(super) struct Hangup {
    signal: Signal,
    had_terminal: bool,
}

impl Hangup {
    pub(super) fn catch() -> Result<Self, Error> {
        let signal = signal(SignalKind::hangup()).map_err(|error| Error::new(Code::Bug, "signals cannot be caught").caused_by(error))?;
        Ok(Self { signal, had_terminal: has_terminal() })
    }
}

/// Whether this process has a terminal that it would end with.
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Reloads at each SIGHUP; where its terminal has gone, the server ends with it.
pub(super) async fn reload_on_hangup(mut hangup: Hangup, reloader: Arc<Reloader>, wishes: Arc<Wishes>, notifier: Arc<Notifier>) {
    while hangup.signal.recv().await.is_some() {
        if hangup.had_terminal && !has_terminal() {
            wishes.stop.notify_one();
            return;
        }
        log::reopen();
        notifier.reloading();
        // The log says what came of it.
        let _ = reloader.reload(Trigger::Signal, Duration::ZERO).await;
        notifier.ready("serving");
    }
}

/// The signals that end a server.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn catch() -> Result<Self, Error> {
        let caught = |kind| signal(kind).map_err(|error| Error::new(Code::Bug, "signals cannot be caught").caused_by(error));
        Ok(Self { terminate: caught(SignalKind::terminate())?, interrupt: caught(SignalKind::interrupt())? })
    }

    /// The next of them.
    pub(super) async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        }
    }
}
