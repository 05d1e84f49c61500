//! The log of `aimux serve`: to standard error, a line an event.

use std::fmt::{self, Write};

use clap::ValueEnum;
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

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
        LogFormat::Text => builder.with_ansi(false).fmt_fields(PlainFields).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}

/// Writes fields as `name=value`, the message without its name. The usual writer thinks in colours, which costs each
/// request a tenth of its time, and lets a client's words end the line.
struct PlainFields;

impl<'w> FormatFields<'w> for PlainFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = Line { writer, is_begun: false, outcome: Ok(()) };
        fields.record(&mut line);
        line.outcome
    }
}

/// The fields of a line under way.
struct Line<'w> {
    writer: Writer<'w>,
    is_begun: bool,
    outcome: fmt::Result,
}

impl Line<'_> {
    /// Writes one field, `value` its value.
    fn field(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.outcome.is_ok() {
            self.outcome = self.name(field.name()).and_then(|()| value(&mut self.writer));
        }
    }

    fn name(&mut self, name: &str) -> fmt::Result {
        if std::mem::replace(&mut self.is_begun, true) {
            self.writer.write_char(' ')?;
        }
        if name == "message" {
            return Ok(());
        }
        self.writer.write_str(name)?;
        self.writer.write_char('=')
    }
}

impl Visit for Line<'_> {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, |writer| write_number(writer, value));
    }

    /// In quotes, as `{:?}` writes it, which goes through each character with care.
    fn record_str(&mut self, field: &Field, value: &str) {
        if !value.bytes().all(|byte| is_plain(byte) && byte != b'"' && byte != b'\\') {
            return self.record_debug(field, &value);
        }
        self.field(field, |writer| {
            writer.write_char('"')?;
            writer.write_str(value)?;
            writer.write_char('"')
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, |writer| write!(OneLine(writer), "{value:?}"));
    }
}

/// A byte that stands for itself in a line.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// Writes a number. Half a dozen stand in each request's line, and the usual formatter would take longer than the rest.
fn write_number(writer: &mut impl Write, mut value: u64) -> fmt::Result {
    let mut digits = [b'0'; 20];
    let mut from = digits.len();
    for digit in digits.iter_mut().rev() {
        // A remainder of ten.
        *digit += (value % 10) as u8;
        value /= 10;
        from -= 1;
        if value == 0 {
            break;
        }
    }
    writer.write_str(std::str::from_utf8(&digits[from..]).unwrap_or_default())
}

/// Escapes what would end the line or steer a terminal.
struct OneLine<'a, W>(&'a mut W);

impl<W: Write> Write for OneLine<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // What is ASCII for the most part is looked at by bytes; of the rest, some characters steer too.
        if text.bytes().all(is_plain) || !text.chars().any(char::is_control) {
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
    fn numbers_are_written_as_they_are() {
        for value in [0, 7, 10, 99, 100, 12_345_678_901, u64::MAX] {
            let mut out = String::new();
            write_number(&mut out, value).unwrap();
            assert_eq!(out, value.to_string());
        }
    }

    #[test]
    fn a_clients_words_neither_end_the_line_nor_steer_a_terminal() {
        let mut out = String::new();
        write!(OneLine(&mut out), "gpt-5\n2026 INFO forged \u{1b}[2J\u{9b}é").unwrap();
        assert_eq!(out, "gpt-5\\n2026 INFO forged \\u{1b}[2J\\u{9b}é");
    }
}
