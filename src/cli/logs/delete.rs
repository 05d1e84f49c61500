//! `aimux logs delete`: asks first, where somebody can be asked.

use std::io::{BufRead as _, IsTerminal as _};

use clap::{ArgGroup, Args};

use super::opened;
use crate::cli::named::Named;
use crate::cli::usage::counted;
use crate::cli::{CliError, output, usage};
use crate::error::{Code, Error};
use crate::history::{Filter, History, Settings};

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["ids", "older_than", "all"])))]
pub(super) struct DeleteArgs {
    /// Conversations
    #[arg(add = Named::Conversations)]
    ids: Vec<String>,
    /// Those that did not go on since: `30d`, `2026-01-31`
    #[arg(long, value_name = "WHEN", value_parser = usage::moment)]
    older_than: Option<u64>,
    /// All of them
    #[arg(long)]
    all: bool,
    /// Ask nothing
    #[arg(short, long)]
    yes: bool,
}

pub(super) fn run(args: &DeleteArgs, settings: &Settings) -> Result<(), CliError> {
    let ids = ids(args, &opened(settings)?)?;
    let what = counted(ids.len() as u64, "conversation");
    if ids.is_empty() {
        output::print("nothing is to be deleted\n");
        return Ok(());
    }
    if !args.yes && !is_wanted(&what)? {
        output::print("nothing was deleted\n");
        return Ok(());
    }
    let count = History::open(settings)?.delete(&ids)?;
    output::print(&format!("deleted {}\n", counted(count as u64, "conversation")));
    Ok(())
}

fn ids(args: &DeleteArgs, history: &History) -> Result<Vec<String>, Error> {
    if !args.ids.is_empty() {
        return args.ids.iter().map(|begin| history.find(begin)).collect();
    }
    let found = history.conversations(&Filter::default(), usize::MAX >> 1)?;
    let is_old = |updated_ms: u64| args.older_than.is_none_or(|end| updated_ms < end);
    Ok(found.into_iter().filter(|conversation| is_old(conversation.updated_ms)).map(|conversation| conversation.id).collect())
}

fn is_wanted(what: &str) -> Result<bool, Error> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(Error::new(Code::Usage, format!("nobody is there to be asked whether {what} may be deleted")).hint("put --yes"));
    }
    output::error(&format!("Delete {what} for good? [y/N] "));
    let mut answer = String::new();
    // No answer is a no.
    let _ = input.lock().read_line(&mut answer);
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
