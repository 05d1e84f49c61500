//! `aimux logs`: the conversations that `aimux route` kept: listed, shown, searched, exported, deleted.
//!
//! Start with [`run`]; `list`, `show`, `search` (with `requests.rs`), `export` and `delete` are a file each, `json.rs` is what programs read.

mod delete;
mod export;
mod json;
mod list;
mod requests;
mod search;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};

pub(super) use self::export::markdown;
use super::{CliError, known, output, usage};
use crate::cli::named::Named;
use crate::config::{self, Environment, LoadError, Options};
use crate::error::{Code, Error};
use crate::history::{Filter, History, Settings};

/// Arguments of `aimux logs`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Without a word behind it, `aimux logs` lists. An id may be cut short where it is the only one that begins so. TEXT is words that must \
    all be there, \"a phrase\", or `begin*`. Only prompts from the shell are kept, never those of a server's clients; \
    of their requests `search` finds what the ledger has. The exit code is 74 when the \
    file cannot be read."
)]
pub(crate) struct LogsArgs {
    #[command(subcommand)]
    command: Option<LogsCommand>,
    #[command(flatten)]
    list: list::ListArgs,
}

#[derive(Debug, Subcommand)]
enum LogsCommand {
    /// List conversations, the latest first
    List(list::ListArgs),
    /// Show a conversation whole
    Show(show::ShowArgs),
    /// Find what was said, and requests by session, project, model, error code, …
    Search(search::SearchArgs),
    /// Write conversations out, as JSON lines or Markdown
    Export(export::ExportArgs),
    /// Delete conversations; what is deleted is overwritten
    Delete(delete::DeleteArgs),
}

/// The files that are looked at.
struct Files {
    history: Settings,
    /// The ledger.
    ledger: crate::ledger::Place,
}

/// Which conversations a command is about.
#[derive(Debug, Clone, Args)]
pub(super) struct FilterArgs {
    /// From when on: `24h`, `7d`, `today`, `2026-01-31`, `2026-01-31T12:00`
    #[arg(long, value_name = "WHEN", value_parser = usage::moment)]
    since: Option<u64>,
    /// Up to when, itself not included
    #[arg(long, value_name = "WHEN", value_parser = usage::moment)]
    until: Option<u64>,
    /// A part of the model asked for, or of the one that answered
    #[arg(short, long, value_name = "PART", add = Named::Models)]
    model: Option<String>,
    /// What the conversation, or the request, cost at least, in dollars
    #[arg(long, value_name = "USD", value_parser = micro_usd)]
    min_cost: Option<u64>,
}

impl FilterArgs {
    fn filter(&self, text: Option<&str>) -> Filter {
        Filter {
            since_ms: self.since,
            until_ms: self.until,
            model: self.model.clone(),
            cost_min: self.min_cost,
            text: text.map(str::to_owned),
        }
    }

    /// Whether anything is left out.
    fn is_set(&self) -> bool {
        self.filter(None) != Filter::default()
    }
}

fn micro_usd(text: &str) -> Result<u64, &'static str> {
    let usd = text.trim_start_matches('$').parse::<f64>().ok().filter(|usd| (0.0..1e9).contains(usd));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the bounds above")]
    usd.map(|usd| (usd * 1e6).round() as u64).ok_or("expected dollars, `1` or `0.05`")
}

/// Runs the command.
pub(crate) fn run(args: &LogsArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let Files { history: settings, ledger } = files(path, environment);
    match &args.command {
        None => list::run(&args.list, &settings),
        Some(LogsCommand::List(list)) => list::run(list, &settings),
        Some(LogsCommand::Show(show)) => show::run(show, &settings),
        Some(LogsCommand::Search(search)) => search::run(search, &settings, &ledger),
        Some(LogsCommand::Export(export)) => export::run(export, &settings),
        Some(LogsCommand::Delete(delete)) => delete::run(delete, &settings),
    }
    .map(|()| ExitCode::SUCCESS)
}

/// Where the conversations of a config are, and its ledger. What is wrong with a config does not hide them, unless it says where
/// they are.
fn files(path: Option<PathBuf>, environment: &Environment) -> Files {
    match config::outline(&Options { path, listen: None }, environment, &known::store(environment)) {
        Ok(mut ready) => {
            known::open_database(&mut ready, environment);
            return Files { history: ready.history, ledger: ready.ledger.place };
        }
        Err(LoadError::Other(error)) if error.code == Code::ConfigMissing => {}
        Err(_) => {
            output::error("note: the config cannot be used; the usual place is looked at. `aimux config validate` says what is wrong\n");
        }
    }
    let folder = environment.state_folder();
    Files { history: Settings::usual(&folder), ledger: crate::ledger::Settings::usual(&folder).place }
}

/// The file, to read from it.
///
/// # Errors
/// When there is none; or it cannot be read.
fn opened(settings: &Settings) -> Result<History, Error> {
    History::read(settings)?.ok_or_else(|| Error::new(Code::Usage, nothing(settings)).hint("`aimux route PROMPT` begins one"))
}

/// What is said where there are no conversations.
fn nothing(settings: &Settings) -> String {
    let off = if settings.enabled { "" } else { "; the config keeps none" };
    format!("there are no conversations in {}{off}", settings.place)
}

/// How long ago, in five characters at most.
fn age(then_ms: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).saturating_sub(then_ms) / 1000;
    match seconds {
        0..60 => "now".to_owned(),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// What exchanges cost, as the table of usage shows it.
fn cost(micro_usd: u64, unpriced: u64, exchanges: u64) -> String {
    usage::cost(&crate::ledger::Row { requests: exchanges, unpriced, cost_micro_usd: micro_usd, ..crate::ledger::Row::default() })
}

/// The text on one line of `width` characters at most.
fn one_line(text: &str, width: usize) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match joined.char_indices().nth(width) {
        None => joined,
        Some(_) => joined.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_a_character() {
        assert_eq!(one_line("  a\n\tb  ", 9), "a b");
        assert_eq!((one_line("éééé", 4), one_line("ééééé", 4)), ("éééé".to_owned(), "ééé…".to_owned()));
        assert_eq!((micro_usd("0.05"), micro_usd("$1")), (Ok(50_000), Ok(1_000_000)));
        assert!(["", "-1", "NaN", "x", "1e99"].iter().all(|text| micro_usd(text).is_err()));
    }
}
