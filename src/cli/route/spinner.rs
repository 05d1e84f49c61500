//! A line that moves on standard error until the first token: who is asked, and since when. On a terminal only.

use std::sync::LazyLock;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::{output, visible};

/// It appears after so long: a quick answer needs none.
const AFTER: Duration = Duration::from_millis(100);

/// All lines of the process, which has one terminal: models that are compared have a line each.
static LINES: LazyLock<MultiProgress> = LazyLock::new(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));

/// The line; gone when dropped.
pub(super) struct Spinner {
    bar: ProgressBar,
}

impl Spinner {
    /// A line, where standard error is a terminal.
    pub(super) fn new() -> Option<Self> {
        if !output::error_is_terminal() {
            return None;
        }
        let bar = LINES.add(ProgressBar::no_length());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(AFTER);
        Some(Self { bar })
    }

    /// Says who is asked.
    pub(super) fn say(&self, who: &str) {
        self.bar.set_message(visible::line(who).into_owned());
    }

    /// Writes above all of them.
    pub(super) fn above(&self, write: impl FnOnce()) {
        LINES.suspend(write);
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        LINES.remove(&self.bar);
    }
}
