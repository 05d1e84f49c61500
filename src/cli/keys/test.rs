//! `aimux keys test`: asks each key's provider whether it accepts it, all at once.
//!
//! The request costs nothing; what it is stands in the provider's row. Start with [`run`].

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::audit::Log;
use crate::cli::console::ask_passphrase;
use crate::cli::fresh::Fresh;
use crate::cli::named::Named;
use crate::cli::{CliError, output};
use crate::config::{self, Environment, KeyOpener, KeyUse, LoadError, Options};
use crate::error::{Code, Error};
use crate::keys::Store;
use crate::secret::Secret;
use crate::upstream::{Probed, Prober};

/// Probes at a time.
const AT_ONCE: usize = 8;
/// Exit code where a key is refused or cannot be opened.
const REFUSED: u8 = 1;

#[derive(Debug, clap::Args)]
pub(super) struct TestArgs {
    /// Keys, by the name of their file or variable; without any: all
    #[arg(add = Named::Keys)]
    names: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One key and one provider, before and after.
struct Row {
    name: String,
    kind: &'static str,
    provider: Option<String>,
    result: Outcome,
}

enum Outcome {
    Probed(Probed),
    /// The key cannot be had; why.
    Unopened(String),
    /// No provider of the config uses it.
    Unused,
}

/// Runs the command; `path` is the one of `--config`.
pub(super) fn run(
    args: &TestArgs,
    path: Option<PathBuf>,
    environment: &Environment,
    store: &Store,
    log: &Log,
) -> Result<ExitCode, CliError> {
    let store = &store.clone().remembering();
    let uses = match config::key_uses(&Options { path: path.clone(), listen: None }, environment, store) {
        Ok(uses) => uses,
        // Keys without a config, and none that a preset has for its own: they are used by nobody.
        Err(LoadError::Other(error)) if error.code == Code::ConfigMissing => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let files = store.names()?;
    for name in &args.names {
        if !files.contains(name) && uses.iter().all(|used| used.name != *name) {
            // Not repeated: a key may stand in its place.
            return Err(Error::new(
                Code::KeyUnavailable,
                "there is no key file of one of these names, and the config uses no such variable",
            )
            .hint("`aimux keys list` has the names")
            .into());
        }
    }
    let is_wanted = |name: &str| args.names.is_empty() || args.names.iter().any(|wanted| wanted == name);
    let unused = files.into_iter().filter(|name| is_wanted(name) && uses.iter().all(|used| used.kind != "file" || used.name != *name));
    let unused: Vec<Row> = unused.map(|name| Row { name, kind: "file", provider: None, result: Outcome::Unused }).collect();
    let wanted: Vec<KeyUse> = uses.into_iter().filter(|used| is_wanted(&used.name)).collect();
    let mut ask = ask_passphrase;
    let mut opener = KeyOpener::new(environment, store, &mut ask);
    let fresh = Fresh { store, log, environment, path };
    let opened: Vec<(KeyUse, Result<Secret, Error>)> = wanted
        .into_iter()
        .map(|used| {
            let secret = fresh.secret(&used, &mut opener);
            (used, secret)
        })
        .collect();
    let mut rows = probe_all(&opened);
    rows.extend(unused);
    output::print(&if args.json { as_json(&rows) } else { as_table(&rows) });
    Ok(exit_code(&rows))
}

/// Probes each key, some at a time, with a line for each on a terminal.
fn probe_all(opened: &[(KeyUse, Result<Secret, Error>)]) -> Vec<Row> {
    let progress = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
    let is_shown = std::io::stderr().is_terminal();
    let bars: Vec<ProgressBar> = opened.iter().map(|(used, _)| progress.add(bar(used, is_shown))).collect();
    let prober = Prober::new();
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((at, (used, secret))) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, opened.get(at)?))) {
            let result = match secret {
                Ok(secret) => Outcome::Probed(prober.probe(&used.provider, secret)),
                Err(error) => Outcome::Unopened(error.message.clone()),
            };
            if let Some(bar) = bars.get(at) {
                bar.finish_with_message(result.word());
            }
            let row = Row { name: used.name.clone(), kind: used.kind, provider: Some(used.provider.name.clone()), result };
            results.lock().unwrap_or_else(PoisonError::into_inner).push((at, row));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(opened.len()) {
            scope.spawn(work);
        }
    });
    // What stays on the terminal is the table.
    let _ = progress.clear();
    let mut rows = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    rows.sort_by_key(|(at, _)| *at);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn bar(used: &KeyUse, is_shown: bool) -> ProgressBar {
    if !is_shown {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_prefix(format!("{} ({})", used.name, used.provider.name)).with_message("asks …");
    bar.set_style(ProgressStyle::with_template("{spinner} {prefix}: {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn exit_code(rows: &[Row]) -> ExitCode {
    let is_bad = |row: &Row| matches!(row.result, Outcome::Probed(Probed::Refused { .. }) | Outcome::Unopened(_));
    let is_silent = |row: &Row| matches!(row.result, Outcome::Probed(Probed::Unreachable { .. }));
    if rows.iter().any(is_bad) {
        return ExitCode::from(REFUSED);
    }
    if rows.iter().any(is_silent) {
        return ExitCode::from(Code::UpstreamFailed.row().exit);
    }
    ExitCode::SUCCESS
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Self::Probed(Probed::Good) => "good",
            Self::Probed(Probed::Refused { .. }) => "refused",
            Self::Probed(Probed::RateLimited { .. }) => "rate-limited",
            Self::Probed(Probed::Unreachable { .. }) => "unreachable",
            Self::Unopened(_) => "unopened",
            Self::Unused => "unused",
        }
    }

    fn reason(&self) -> Option<String> {
        match self {
            Self::Probed(Probed::Good) => None,
            Self::Probed(Probed::Refused { status, message }) => Some(format!("{status}: {message}")),
            Self::Probed(Probed::RateLimited { retry_after }) => {
                Some(retry_after.as_ref().map_or_else(|| "known, but limited now".to_owned(), |wait| format!("known; retry after {wait}")))
            }
            Self::Probed(Probed::Unreachable { reason }) => Some(reason.clone()),
            Self::Unopened(reason) => Some(reason.clone()),
            Self::Unused => Some("no provider of the config uses it".to_owned()),
        }
    }
}

fn as_json(rows: &[Row]) -> String {
    let row = |row: &Row| {
        serde_json::json!({
            "name": row.name, "kind": row.kind, "provider": row.provider, "result": row.result.word(), "reason": row.result.reason(),
        })
    };
    format!("{:#}\n", serde_json::json!({ "keys": rows.iter().map(row).collect::<Vec<_>>() }))
}

fn as_table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no keys to test; add one with `aimux keys add anthropic`\n".to_owned();
    }
    let width = |of: fn(&Row) -> &str, least: usize| rows.iter().map(|row| of(row).len()).max().unwrap_or(0).max(least);
    let (name, provider) = (width(|row| &row.name, 4), width(|row| row.provider.as_deref().unwrap_or("—"), 8));
    let mut lines = vec![format!("{:name$}  {:provider$}  RESULT", "NAME", "PROVIDER")];
    for row in rows {
        let used_by = row.provider.as_deref().unwrap_or("—");
        let reason = row.result.reason().map_or_else(String::new, |reason| format!(": {reason}"));
        lines.push(format!("{:name$}  {used_by:provider$}  {}{}", row.name, row.result.word(), reason.replace('\n', " ")));
    }
    output::printable(&lines.join("\n")) + "\n"
}
