//! The one writer of standard output and standard error. A reader that has gone is a clean exit.

use std::io::{ErrorKind, IsTerminal, Write};

use serde::Serialize;

use super::visible;
use crate::error::{Code, Error};

/// Exit code of output that could not be written: `EX_IOERR`.
const EX_IOERR: i32 = 74;

/// Writes to standard output at once.
pub(crate) fn print(text: &str) {
    let mut out = anstream::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.unwrap_or_else(|failure| unwritten(&failure));
}

/// Writes to standard output what a file or another program is to have byte for byte.
pub(crate) fn print_exact(text: &str) {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.unwrap_or_else(|failure| unwritten(&failure));
}

/// Ends the program: nobody reads any more, or the disk is full.
fn unwritten(failure: &std::io::Error) -> ! {
    if failure.kind() == ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    error(&format!("error: standard output cannot be written: {failure}\n"));
    std::process::exit(EX_IOERR);
}

/// Writes a piece of an answer to standard output at once.
///
/// # Errors
/// When it cannot be written: most often, nobody reads any more.
pub(crate) fn stream(text: &str) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes to standard output at once, styles and all: whether there are any was decided by who made the text.
///
/// # Errors
/// As [`stream`].
pub(crate) fn styled(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Whether a person sees standard output.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Whether a person sees standard error.
pub(crate) fn error_is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Writes to standard output at once, for a server: it goes on when nobody reads.
pub(crate) fn announce(text: &str) {
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes to standard error. There is nowhere to report that it failed.
pub(crate) fn error(text: &str) {
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// A value as JSON for people and programs, with a line feed behind it.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::new(Code::Bug, "the result could not be written as JSON").caused_by(error))?;
    Ok(text + "\n")
}

/// The text with control characters shown, not obeyed; line feeds stay.
pub(crate) fn printable(text: &str) -> String {
    visible::lines(text).into_owned()
}
