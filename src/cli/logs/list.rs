//! `aimux logs list`: a line for each conversation, made for 80 columns.

use clap::Args;

use super::{FilterArgs, age, cost, json, nothing, one_line};
use crate::cli::{CliError, output, visible};
use crate::history::{Conversation, History, Settings};

/// The prompt's column, in characters.
const PROMPT: usize = 39;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// What was said in it
    #[arg(short = 'q', long, value_name = "TEXT")]
    query: Option<String>,
    /// The most conversations that are listed
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    count: usize,
    /// Print JSON; money in millionths of a dollar
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ListArgs, settings: &Settings) -> Result<(), CliError> {
    let found = match History::read(settings)? {
        Some(history) => history.conversations(&args.filter.filter(args.query.as_deref()), args.count)?,
        None => Vec::new(),
    };
    if args.json {
        output::print(&output::json(&json::listed(&settings.place, &found))?);
    } else if found.is_empty() && !args.filter.is_set() && args.query.is_none() {
        output::print(&output::printable(&format!("{}\n", nothing(settings))));
    } else if found.is_empty() {
        output::print("no conversation is so\n");
    } else {
        output::print(&output::printable(&table(&found)));
    }
    Ok(())
}

fn table(found: &[Conversation]) -> String {
    let mut text = format!("{:16}  {:>6}  {:>3}  {:>8}  PROMPT\n", "ID", "AGE", "N", "COST");
    for conversation in found {
        let Conversation { id, name, updated_ms, exchanges, unfinished, cost_micro_usd, unpriced, .. } = conversation;
        let unfinished = if *unfinished > 0 { format!(" ({unfinished} unfinished)") } else { String::new() };
        let name = one_line(&visible::line(name), PROMPT.saturating_sub(unfinished.chars().count()));
        let cost = cost(*cost_micro_usd, *unpriced, *exchanges);
        text += &format!("{id:16}  {:>6}  {exchanges:>3}  {cost:>8}  {name}{unfinished}\n", age(*updated_ms));
    }
    text
}
