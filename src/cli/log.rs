//! The log of `aimux serve`: to standard error, a line an event.

use std::fmt::{self, Write};

use clap::ValueEnum;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use crate::config::Environment;
use crate::error::{Code, Error};

/// The form of a line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Starts the log. `filter` says what it shows; what is not given is taken from the environment.
///
/// # Errors
/// When the filter is none, or a variable names no form.
pub(crate) fn start(filter: Option<&str>, format: Option<LogFormat>, environment: &Environment) -> Result<(), Error> {
    let filter = filter.or_else(|| environment.get("AIMUX_LOG")).unwrap_or("info");
    let named = environment.get("AIMUX_LOG_FORMAT").map(|name| {
        let unknown = |_| Error::new(Code::Usage, format!("AIMUX_LOG_FORMAT is {name:?}, expected `text` or `json`"));
        LogFormat::from_str(name, true).map_err(unknown)
    });
    let format = format.map(Ok).or(named).transpose()?.unwrap_or(LogFormat::Text);
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .map_err(|error| Error::new(Code::Usage, format!("the log filter {filter:?} is not one: {error}")))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        // The usual formatter of fields thinks in colours, which costs each request a tenth of its time, and lets a
        // client's words end the line.
        LogFormat::Text => {
            let fields = debug_fn(|writer, field, value| write_field(writer, field.name(), value)).delimited(" ");
            builder.with_ansi(false).fmt_fields(fields).init();
        }
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}

/// Writes one field, `name=value`; the message goes without its name.
fn write_field(writer: &mut Writer<'_>, name: &str, value: &dyn fmt::Debug) -> fmt::Result {
    if name != "message" {
        writer.write_str(name)?;
        writer.write_char('=')?;
    }
    write!(OneLine(writer), "{value:?}")
}

/// Escapes what would end the line or steer a terminal.
struct OneLine<'a, W>(&'a mut W);

impl<W: Write> Write for OneLine<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if !text.chars().any(char::is_control) {
            return self.0.write_str(text);
        }
        for character in text.chars() {
            if character.is_control() {
                write!(self.0, "{}", character.escape_default())?;
            } else {
                self.0.write_char(character)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_words_neither_end_the_line_nor_steer_a_terminal() {
        let mut out = String::new();
        write!(OneLine(&mut out), "gpt-5\n2026 INFO forged \u{1b}[2J\u{9b}é").unwrap();
        assert_eq!(out, "gpt-5\\n2026 INFO forged \\u{1b}[2J\\u{9b}é");
    }
}
