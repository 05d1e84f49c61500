//! `aimux keys scan`: looks for providers' keys in a tree and in its git history.
//!
//! `tree` reads the files, `history` what git has of former ones, `report` tells; the forms of keys are in `keys::patterns`.
//! A line with `aimux:allow` is passed over. A key is shown masked, never whole. Start with [`run`].

mod history;
mod report;
mod tree;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use sha2::{Digest as _, Sha256};

use crate::cli::output;
use crate::error::{Code, Error};
use crate::keys::keys_in;
use crate::secret::Secret;

/// A line with this is passed over.
const ALLOW: &str = "aimux:allow";
/// More findings than this are counted, not told.
const FINDINGS_MAX: usize = 1000;
/// Exit code where a key was found.
const FOUND: u8 = 1;

#[derive(Debug, clap::Args)]
pub(super) struct ScanArgs {
    /// A folder or file
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Look at the files as they are now, not at git's history
    #[arg(long)]
    no_history: bool,
    /// How to print what is found
    #[arg(long, value_enum, default_value = "text", conflicts_with = "json")]
    format: Format,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A line for each key
    Text,
    /// One JSON object
    Json,
    /// SARIF 2.1.0, for code-scanning services
    Sarif,
}

/// A key that was found.
#[derive(Debug)]
struct Finding {
    provider: &'static str,
    masked: String,
    /// Relative to the folder that was scanned.
    path: String,
    /// From one.
    line: usize,
    /// From one, in characters.
    column: usize,
    /// The commit that brought it; `None`: it is in a file now.
    commit: Option<String>,
}

/// What was found, and what was not looked at.
#[derive(Debug, Default)]
struct Found {
    findings: Vec<Finding>,
    /// Key (its hash) and path, so that one is told once for each file, and where it stands among the findings.
    seen: BTreeMap<([u8; 32], String), usize>,
    /// Findings beyond the limit.
    untold: usize,
    files: usize,
    commits: usize,
    /// What was left out and why, in words.
    notes: Vec<String>,
}

impl Found {
    /// Takes the keys of a line; `commit`: where it is from.
    fn line(&mut self, text: &str, path: &str, line: usize, commit: Option<&str>) {
        let keys = keys_in(text);
        if keys.is_empty() || text.contains(ALLOW) {
            return;
        }
        for key in keys {
            let column = text.get(..key.start).map_or(1, |before| before.chars().count() + 1);
            let commit = commit.map(str::to_owned);
            let id = (Sha256::digest(key.text.as_bytes()).into(), path.to_owned());
            if let Some(known) = self.seen.get(&id) {
                // History is read from its newest commit: the oldest one that has the key is the one that brought it.
                if let Some(known) = self.findings.get_mut(*known).filter(|known| known.commit.is_some()) {
                    (known.commit, known.line, known.column) = (commit, line, column);
                }
                continue;
            }
            self.seen.insert(id, self.findings.len());
            if self.findings.len() >= FINDINGS_MAX {
                self.untold += 1;
                continue;
            }
            let masked = Secret::new(key.text.to_owned()).masked();
            self.findings.push(Finding { provider: key.provider, masked, path: path.to_owned(), line, column, commit });
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &ScanArgs) -> Result<ExitCode, Error> {
    let about = args.path.metadata().map_err(|error| {
        Error::new(Code::Usage, format!("cannot read {}: {error}", args.path.display())).caused_by(error).hint("name a folder or a file")
    })?;
    let mut found = Found::default();
    if about.is_dir() {
        let repository = history::Repository::open(&args.path, &mut found.notes);
        tree::scan(&args.path, repository.as_ref(), &mut found)?;
        if let (Some(repository), false) = (repository, args.no_history) {
            repository.scan(&mut found)?;
        }
    } else {
        tree::scan_file(&args.path, &args.path.display().to_string(), &mut found);
    }
    let format = if args.json { Format::Json } else { args.format };
    output::print(&match format {
        Format::Text => report::text(&found),
        Format::Json => report::json(&found),
        Format::Sarif => report::sarif(&found),
    });
    if format != Format::Text {
        output::error(&report::notes(&found));
    }
    Ok(if found.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}
