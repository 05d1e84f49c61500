//! The log of `aimux serve`: to standard error or a file, a line an event.

use std::ffi::OsString;
use std::fmt::{self, Write};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

use super::log_file::{LogFile, Rotation};
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

/// What is logged, where to, and in which form.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// What the log shows: `warn`, `aimux=debug` [env: AIMUX_LOG] [default: info]
    #[arg(long = "log", value_name = "FILTER")]
    filter: Option<String>,
    /// The log's form [env: AIMUX_LOG_FORMAT] [default: text]
    #[arg(long = "log-format", value_name = "FORM", value_enum)]
    format: Option<LogFormat>,
    /// Log to this file instead of standard error; it may be moved away at any time
    #[arg(long = "log-file", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Put the file aside when it is as long, in MB; 0: never
    #[arg(long, value_name = "MB", default_value_t = 8, requires = "file")]
    log_mb: u64,
    /// Put the file aside when it is as old, in hours; 0: never
    #[arg(long, value_name = "HOURS", default_value_t = 0, requires = "file")]
    log_hours: u64,
    /// Keep so many files that were put aside
    #[arg(long, value_name = "COUNT", default_value_t = 4, requires = "file")]
    log_keep: u32,
}

impl LogArgs {
    /// The same as arguments, for a server that is started with them.
    pub(crate) fn flags(&self) -> Vec<OsString> {
        let mut flags: Vec<OsString> = Vec::new();
        if let Some(filter) = &self.filter {
            flags.extend(["--log".into(), filter.into()]);
        }
        if let Some(format) = self.format {
            let name = if matches!(format, LogFormat::Json) { "json" } else { "text" };
            flags.extend(["--log-format".into(), name.into()]);
        }
        if let Some(file) = &self.file {
            flags.extend(["--log-file".into(), std::path::absolute(file).unwrap_or_else(|_| file.clone()).into_os_string()]);
            for (flag, value) in [("--log-mb", self.log_mb), ("--log-hours", self.log_hours), ("--log-keep", self.log_keep.into())] {
                flags.extend([flag.into(), value.to_string().into()]);
            }
        }
        flags
    }
}

/// The log's file, where it has one.
static FILE: OnceLock<LogFile> = OnceLock::new();

/// Starts the log; what is not given is taken from the environment.
///
/// # Errors
/// When the filter is none, a variable names no form, or the file cannot be written.
pub(crate) fn start(args: &LogArgs, environment: &Environment) -> Result<(), Error> {
    let filter = args.filter.as_deref().or_else(|| environment.get("AIMUX_LOG")).unwrap_or("info");
    let named = environment.get("AIMUX_LOG_FORMAT").map(|name| {
        let unknown = |_| Error::new(Code::Usage, format!("AIMUX_LOG_FORMAT is {name:?}, expected `text` or `json`"));
        LogFormat::from_str(name, true).map_err(unknown)
    });
    let format = args.format.map(Ok).or(named).transpose()?.unwrap_or(LogFormat::Text);
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .map_err(|error| Error::new(Code::Usage, format!("the log filter {filter:?} is not one: {error}")))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    let file = args.file.as_ref().map(|path| open(path, args)).transpose()?;
    match (format, file) {
        (LogFormat::Text, Some(file)) => builder.with_writer(move || file).with_ansi(false).fmt_fields(PlainFields).init(),
        (LogFormat::Text, None) => builder.with_writer(std::io::stderr).with_ansi(false).fmt_fields(PlainFields).init(),
        (LogFormat::Json, Some(file)) => builder.with_writer(move || file).json().flatten_event(true).init(),
        (LogFormat::Json, None) => builder.with_writer(std::io::stderr).json().flatten_event(true).init(),
    }
    Ok(())
}

fn open(path: &std::path::Path, args: &LogArgs) -> Result<&'static LogFile, Error> {
    let rotation = Rotation {
        length_max: args.log_mb.saturating_mul(1 << 20),
        age_max: Duration::from_secs(args.log_hours.saturating_mul(3600)),
        keep: args.log_keep,
    };
    let file = LogFile::open(path, rotation)
        .map_err(|error| Error::new(Code::StateFolder, format!("the log {}: {error}", path.display())).caused_by(error))?;
    Ok(FILE.get_or_init(|| file))
}

/// Opens the log's file anew, where it has one: it may have been moved away.
pub(crate) fn reopen() {
    if let Some(file) = FILE.get()
        && let Err(error) = file.reopen()
    {
        tracing::warn!(%error, "the log's file could not be opened anew");
    }
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
