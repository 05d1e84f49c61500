//! Keeps what was asked and answered, for `aimux logs` and the next `-c`.

use crate::cli::{output, visible};
use crate::history::{Exchange, History, Settings};

/// Keeps an exchange in its conversation, or begins one; gives its id. What is in the way is said, and costs nobody the answer.
pub(super) fn keep(settings: &Settings, conversation: Option<&str>, exchange: &Exchange) -> Option<String> {
    if !settings.enabled {
        return None;
    }
    match History::open(settings).and_then(|mut history| history.put(conversation, exchange)) {
        Ok(id) => Some(id),
        Err(error) => {
            let line = format!("warning: this is not kept for `aimux logs`: {} [{}]", error.message, error.code);
            output::error(&format!("aimux: {}\n", visible::line(&line)));
            None
        }
    }
}
