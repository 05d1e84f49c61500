//! `aimux keys scan`: looks for providers' keys in a tree and in its git history.
//!
//! `tree` reads the files, `history` what git has of former ones, `report` tells; the forms of keys are in `keys::patterns`.
//! A line with `aimux:allow` is passed over, and what a `baseline` accepts. A key is shown masked, never whole. Start with [`run`].

mod baseline;
mod history;
mod report;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sha2::{Digest as _, Sha256};

use self::baseline::Baseline;
use crate::cli::output;
use crate::error::{Code, Error};
use crate::keys::keys_in;
use crate::secret::Secret;

/// A line with one of these is passed over; in a config, the second one allows a warning.
const ALLOW: [&str; 2] = ["aimux:allow", "aimux: allow"];
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
    /// Pass over the findings that this file accepts
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    baseline: Option<PathBuf>,
    /// Write a file that accepts all that is found, and exit 0
    #[arg(long, value_name = "FILE", conflicts_with = "baseline", value_hint = clap::ValueHint::FilePath)]
    write_baseline: Option<PathBuf>,
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
    /// The same for the key in this file whatever its line is.
    fingerprint: String,
}

/// What was found, and what was not looked at.
#[derive(Debug, Default)]
struct Found {
    findings: Vec<Finding>,
    /// Key (its hash) and path, so that one is told once for each file, and where it stands among the findings.
    seen: BTreeMap<([u8; 32], String), usize>,
    /// Findings that need not be told.
    baseline: Baseline,
    accepted: usize,
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
        if keys.is_empty() || ALLOW.iter().any(|allow| text.contains(allow)) {
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
            let fingerprint = baseline::fingerprint(key.text, path);
            if self.baseline.has(&fingerprint) {
                self.seen.insert(id, usize::MAX);
                self.accepted += 1;
                continue;
            }
            self.seen.insert(id, self.findings.len());
            if self.findings.len() >= FINDINGS_MAX {
                self.untold += 1;
                continue;
            }
            let masked = Secret::new(key.text.to_owned()).masked();
            self.findings.push(Finding { provider: key.provider, masked, path: path.to_owned(), line, column, commit, fingerprint });
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &ScanArgs) -> Result<ExitCode, Error> {
    let about = args.path.metadata().map_err(|error| {
        Error::new(Code::Usage, format!("cannot read {}: {error}", args.path.display())).caused_by(error).hint("name a folder or a file")
    })?;
    let mut found = Found::default();
    if let Some(path) = &args.baseline {
        found.baseline = Baseline::read(path)?;
    }
    if about.is_dir() {
        let repository = history::Repository::open(&args.path, &mut found.notes);
        tree::scan(&args.path, repository.as_ref(), &mut found)?;
        if let (Some(repository), false) = (repository, args.no_history) {
            repository.scan(&mut found)?;
        }
    } else {
        tree::scan_file(&args.path, &args.path.display().to_string(), &mut found);
    }
    if found.baseline.stale() > 0 {
        found.notes.push(format!("{} lines of the baseline fit nothing any more", found.baseline.stale()));
    }
    if let Some(path) = &args.write_baseline {
        return write_baseline(path, &found);
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

/// Writes the file that accepts what was found; one that is there is replaced, for it is made of the same.
fn write_baseline(path: &Path, found: &Found) -> Result<ExitCode, Error> {
    let failed =
        |error: std::io::Error| Error::new(Code::StateFolder, format!("cannot write {}: {error}", path.display())).caused_by(error);
    std::fs::write(path, baseline::text(&found.findings)).map_err(failed)?;
    output::error(&report::notes(found));
    let place = output::printable(&path.display().to_string());
    output::print(&format!(
        "wrote {place}: it accepts {} keys; see that each is test data, or replaced at its provider\n",
        found.findings.len()
    ));
    Ok(ExitCode::SUCCESS)
}
