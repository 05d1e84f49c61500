//! `aimux config show`: what holds, and where it came from. The text is a config itself.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{CliError, output, store};
use crate::config::{Environment, Extent, Options, Shown, ShownRow, ShownValue, show};
use crate::error::Error;

/// Exit code of a config with errors.
const EX_CONFIG: u8 = 78;
/// Where the origins stand, if the values leave room.
const ORIGIN_COLUMN: usize = 48;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Secrets are masked. A value comes from a flag, else from the environment, else from the file, else it is the default."
)]
pub(super) struct ShowArgs {
    /// The file, `-` for standard input; else AIMUX_CONFIG, else the usual one
    file: Option<PathBuf>,
    /// Show every field: defaults too, and variables filled in
    #[arg(long)]
    resolved: bool,
    /// Say where each value came from: file and line, variable, flag or default
    #[arg(long)]
    origin: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Show what holds with this flag of `serve`
    #[arg(long, value_name = "ADDRESS", value_parser = crate::config::listen_address)]
    listen: Option<std::net::SocketAddr>,
}

/// Runs `aimux config show`.
pub(super) fn run(args: &ShowArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let options = Options { path: super::file(args.file.as_ref()).or(path), listen: args.listen };
    let extent = if args.resolved { Extent::Resolved } else { Extent::Given };
    let shown = show(&options, environment, &store(environment), extent)?;
    for note in &shown.notes {
        output::error(&format!("note: {}\n", output::printable(note)));
    }
    output::error(&shown.rendered);
    output::print(&if args.json { json(&shown)? } else { text(&shown, args.origin) });
    Ok(ExitCode::from(if shown.errors > 0 { EX_CONFIG } else { 0 }))
}

fn text(shown: &Shown, origin: bool) -> String {
    let mut out = format!("# {}\n", output::printable(&shown.name));
    for (index, row) in shown.rows.iter().enumerate() {
        let indent = "  ".repeat(row.depth);
        let line = match &row.value {
            ShownValue::Section if has_fields(&shown.rows, index) => format!("{indent}{}:", row.key),
            ShownValue::Section => format!("{indent}{}: {{}}", row.key),
            ShownValue::Unset(what) => format!("{indent}# {}: {what}", row.key),
            ShownValue::Given { yaml, origin: from, .. } => {
                let line = format!("{indent}{}: {yaml}", row.key);
                let place = if from.place().is_empty() { from.kind().to_owned() } else { from.place() };
                if origin { format!("{line:ORIGIN_COLUMN$}  # {place}") } else { line }
            }
        };
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// Whether a row below belongs to the section; without one it would read as nothing at all.
fn has_fields(rows: &[ShownRow], index: usize) -> bool {
    let depth = rows.get(index).map_or(0, |row| row.depth);
    let inner = rows.iter().skip(index + 1).take_while(|row| row.depth > depth);
    inner.into_iter().any(|row| !matches!(row.value, ShownValue::Unset(_)))
}

fn json(shown: &Shown) -> Result<String, Error> {
    let row = |row: &ShownRow| match &row.value {
        ShownValue::Section => None,
        ShownValue::Given { json, origin, .. } => {
            Some(serde_json::json!({ "path": row.path, "value": json, "origin": origin.kind(), "place": origin.place() }))
        }
        ShownValue::Unset(what) => {
            Some(serde_json::json!({ "path": row.path, "value": null, "origin": "default", "place": "", "note": what }))
        }
    };
    let values: Vec<serde_json::Value> = shown.rows.iter().filter_map(row).collect();
    let shape = serde_json::json!({ "file": shown.name, "errors": shown.errors, "values": values });
    output::json(&shape)
}
