//! A line that moves on standard error while something is measured or asked: what, how far it is, since when. On a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::{output, visible};

/// The line; gone when dropped.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A line, where standard error is a terminal.
    pub(crate) fn new() -> Self {
        if !output::error_is_terminal() {
            return Self { bar: None };
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        bar.enable_steady_tick(Duration::from_millis(200));
        let progress = Self { bar: Some(bar) };
        progress.style("{spinner} {msg} {elapsed}");
        progress
    }

    fn style(&self, template: &str) {
        if let (Some(bar), Ok(style)) = (&self.bar, ProgressStyle::with_template(template)) {
            bar.set_style(style);
        }
    }

    /// Says what is done.
    pub(crate) fn say(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(visible::line(what).into_owned());
        }
    }

    /// Says how far it is: `done` of `all` of something.
    pub(crate) fn at(&self, done: u64, all: u64) {
        if let Some(bar) = &self.bar {
            if bar.length() != Some(all) {
                bar.set_length(all);
                self.style("{spinner} {msg} {bar:24} {pos}/{len} {elapsed}");
            }
            bar.set_position(done);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
