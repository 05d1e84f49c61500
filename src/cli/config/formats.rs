//! Findings as programs read them: JSON, GitHub's workflow commands, JUnit's XML. SARIF has a file of its own.
//!
//! Each takes what was found in all files and gives one whole document; none decides how the command ends.

use std::fmt::Write as _;

use crate::cli::output;
use crate::config::{FindingLine, Place, Validation};
use crate::error::Error;

/// How findings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Excerpts, for people
    Text,
    /// One JSON document
    Json,
    /// Annotations of GitHub's runners
    Github,
    /// SARIF 2.1.0
    Sarif,
    /// JUnit's XML, a suite a file
    Junit,
}

/// One JSON document; docs/ci.md describes it.
pub(super) fn json(files: &[Validation]) -> Result<String, Error> {
    #[derive(serde::Serialize)]
    struct File<'a> {
        file: &'a str,
        errors: usize,
        warnings: usize,
    }
    #[derive(serde::Serialize)]
    struct Document<'a> {
        version: u8,
        errors: usize,
        warnings: usize,
        files: Vec<File<'a>>,
        findings: Vec<&'a FindingLine>,
        notes: Vec<&'a str>,
    }
    let document = Document {
        version: 1,
        errors: files.iter().map(|file| file.errors).sum(),
        warnings: files.iter().map(|file| file.warnings).sum(),
        files: files.iter().map(|file| File { file: &file.name, errors: file.errors, warnings: file.warnings }).collect(),
        findings: files.iter().flat_map(|file| &file.findings).collect(),
        notes: files.iter().flat_map(|file| &file.notes).map(String::as_str).collect(),
    };
    output::json(&document)
}

/// A workflow command for each finding.
pub(super) fn github(files: &[Validation]) -> String {
    let mut out = String::new();
    for found in files.iter().flat_map(|file| &file.findings) {
        let title = property(&format!("{}: {}", found.code, found.title));
        let place = match found.place {
            Place::Override => String::new(),
            // Columns are refused where the lines differ.
            Place::File if found.line != found.end_line => {
                format!("file={},line={},endLine={},", property(&found.file), found.line, found.end_line)
            }
            Place::File => format!(
                "file={},line={},col={},endLine={},endColumn={},",
                property(&found.file),
                found.line,
                found.column,
                found.end_line,
                found.end_column
            ),
        };
        let origin = if found.place == Place::Override { format!("{}: ", found.file) } else { String::new() };
        let message = data(&format!("{origin}{}\n{}", found.message, found.help));
        let _ = writeln!(out, "::{} {place}title={title}::{message}", found.severity);
    }
    out
}

/// What the runner takes apart in a message.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The same in a property, where two more characters part them.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A suite for each file, a case for each finding; a file without any has one case that passes.
pub(super) fn junit(files: &[Validation]) -> String {
    let sum = |count: fn(&Validation) -> usize| files.iter().map(count).sum::<usize>();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let tests = sum(|file| file.findings.len().max(1));
    let _ = writeln!(
        out,
        "<testsuites name=\"aimux config validate\" tests=\"{tests}\" failures=\"{}\" errors=\"0\">",
        sum(|file| file.errors)
    );
    for file in files {
        let tests = file.findings.len().max(1);
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{tests}\" failures=\"{}\" errors=\"0\" skipped=\"0\">",
            xml(&file.name),
            file.errors
        );
        if file.findings.is_empty() {
            let _ = writeln!(out, "    <testcase name=\"valid\" classname=\"{}\"/>", xml(&file.name));
        }
        file.findings.iter().for_each(|found| case(&mut out, file, found));
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn case(out: &mut String, file: &Validation, found: &FindingLine) {
    let name = format!("{} {}:{}:{}", found.code, found.file, found.line, found.column);
    let body = format!("{}:{}:{}: {}\n{}", found.file, found.line, found.column, found.message, found.help);
    let _ = writeln!(out, "    <testcase name=\"{}\" classname=\"{}\">", xml(&name), xml(&file.name));
    // JUnit knows no warning: the case passes, and its output says what was found.
    let _ = match found.severity {
        "error" => {
            writeln!(out, "      <failure type=\"{}\" message=\"{}\">{}</failure>", xml(&found.code), xml(&found.message), xml(&body))
        }
        severity => writeln!(out, "      <system-out>{severity}: {}</system-out>", xml(&body)),
    };
    out.push_str("    </testcase>\n");
}

/// A text in XML 1.0, which has no place for most control characters, escaped or not.
pub(crate) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\t' => out.push_str("&#9;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_parts_a_command_is_escaped() {
        assert_eq!(property("a:b,c%d\r\ne"), "a%3Ab%2Cc%25d%0D%0Ae");
        assert_eq!(data("a:b,c%d\r\ne"), "a:b,c%25d%0D%0Ae");
    }

    #[test]
    fn no_character_breaks_the_xml() {
        assert_eq!(
            xml("<a b=\"c\">&\u{0}\u{1b}\u{ffff}\n\u{1f600}"),
            "&lt;a b=&quot;c&quot;&gt;&amp;\u{fffd}\u{fffd}\u{fffd}&#10;\u{1f600}"
        );
    }
}
