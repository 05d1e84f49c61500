//! The end of a bench before its time: by Ctrl-C or SIGTERM. What was measured is told all the same; a second signal does
//! not wait for that.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::error::{Code, Error};

/// Whether the bench is to end. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Stop {
    told: watch::Receiver<Option<u8>>,
    tell: Arc<watch::Sender<Option<u8>>>,
}

impl Stop {
    /// One that nobody tells.
    pub(in crate::cli) fn new() -> Self {
        let (tell, told) = watch::channel(None);
        Self { told, tell: Arc::new(tell) }
    }

    /// One that the signals tell from now on; needs a runtime.
    ///
    /// # Errors
    /// When signals cannot be caught.
    pub(in crate::cli) fn at_signals() -> Result<Self, Error> {
        let stop = Self::new();
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            let mut signals = signal(kind).map_err(|error| Error::new(Code::Bug, "signals cannot be caught").caused_by(error))?;
            let exit = u8::try_from(kind.as_raw_value() + 128).unwrap_or(130);
            let tell = Arc::clone(&stop.tell);
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    if tell.send_replace(Some(exit)).is_some() {
                        std::process::exit(i32::from(exit));
                    }
                }
            });
        }
        Ok(stop)
    }

    /// The exit code of the signal that came; `None`: none did.
    pub(in crate::cli) fn exit(&self) -> Option<u8> {
        *self.told.borrow()
    }

    /// Whether it is to end.
    pub(in crate::cli) fn is_told(&self) -> bool {
        self.exit().is_some()
    }

    /// Waits for it.
    pub(in crate::cli) async fn wait(&self) {
        let mut told = self.told.clone();
        // The sender lives as long as we do.
        let _ = told.wait_for(Option::is_some).await;
    }
}
