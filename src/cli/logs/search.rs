//! `aimux logs search`: pieces of what was said, the best first.

use clap::Args;
use clap::builder::styling::{Effects, Style};
use serde::Serialize;

use super::{FilterArgs, age};
use crate::cli::{CliError, output, visible};
use crate::date;
use crate::history::{History, Hit, MARKS, Settings};

/// What was found, on a terminal.
const FOUND: Style = Style::new().effects(Effects::BOLD);

#[derive(Debug, Args)]
pub(super) struct SearchArgs {
    /// Words that must all be there, "a phrase", or `begin*`
    #[arg(required = true)]
    text: Vec<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// The most exchanges that are shown
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    count: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Found<'a> {
    query: &'a str,
    hits: Vec<Shown<'a>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    conversation: &'a str,
    exchange: u64,
    time: String,
    target: &'a str,
    prompt: String,
    answer: String,
}

pub(super) fn run(args: &SearchArgs, settings: &Settings) -> Result<(), CliError> {
    let text = args.text.join(" ");
    let hits = match History::read(settings)? {
        Some(history) => history.search(&text, &args.filter.filter(None), args.count)?,
        None => Vec::new(),
    };
    if args.json {
        output::print(&output::json(&Found { query: &text, hits: hits.iter().map(shown).collect() })?);
    } else if hits.is_empty() {
        output::print("nothing was found\n");
    } else {
        output::print(&hits.iter().map(block).collect::<Vec<_>>().join("\n"));
    }
    Ok(())
}

fn shown(hit: &Hit) -> Shown<'_> {
    let plain = |piece: &str| piece.replace(MARKS, "");
    Shown {
        conversation: &hit.conversation,
        exchange: hit.number,
        time: date::rfc3339(hit.time_ms / 1000),
        target: &hit.target,
        prompt: plain(&hit.prompt),
        answer: plain(&hit.answer),
    }
}

fn block(hit: &Hit) -> String {
    let mut text = format!("{}  {}  #{}  {}\n", hit.conversation, age(hit.time_ms), hit.number, visible::line(&hit.target));
    for (mark, piece) in [('>', &hit.prompt), (' ', &hit.answer)] {
        // A piece without a mark only says how the prompt or the answer begins.
        if !piece.trim().is_empty() {
            text += &format!("  {mark} {}\n", marked(piece));
        }
    }
    text
}

/// The piece on one line, what was found in bold, and nothing in it obeyed.
fn marked(piece: &str) -> String {
    let [begin, end] = MARKS;
    let mut text = String::new();
    for (place, part) in piece.split(begin).enumerate() {
        let (found, rest) = if place == 0 { ("", part) } else { part.split_once(end).unwrap_or(("", part)) };
        if !found.is_empty() {
            text += &format!("{FOUND}{}{FOUND:#}", visible::line(found));
        }
        let mut is_blank = false;
        for c in rest.chars() {
            if c.is_whitespace() {
                if !is_blank {
                    text.push(' ');
                }
            } else {
                visible::push(&mut text, c);
            }
            is_blank = c.is_whitespace();
        }
    }
    text
}
