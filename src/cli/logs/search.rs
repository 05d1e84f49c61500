//! `aimux logs search`: pieces of what was said, the best first; then requests of the ledger, the latest first.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::requests::FOUND;
use super::{FilterArgs, age, requests};
use crate::cli::{CliError, output, visible};
use crate::date;
use crate::error::Error;
use crate::history::{self, History, Hit, MARKS, Settings};
use crate::ledger::{self, Request, Sought, Span};

#[derive(Debug, Args)]
pub(super) struct SearchArgs {
    /// Words that must all be there, "a phrase", or `begin*`
    #[arg(required = true)]
    text: Vec<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Where to look [default: in both]
    #[arg(long = "in", value_enum, value_name = "WHERE")]
    place: Option<Place>,
    /// The most that is shown of each
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    count: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Where a search looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Place {
    /// Prompts and answers of `aimux route` and `aimux chat`
    Conversations,
    /// All requests, by what the ledger has of them: session, project, program, model, provider, key's name, id, error code, status
    Requests,
}

#[derive(Serialize)]
struct Found<'a> {
    query: &'a str,
    hits: Vec<Shown<'a>>,
    requests: Vec<requests::Shown<'a>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    kind: &'static str,
    conversation: &'a str,
    exchange: u64,
    time: String,
    target: &'a str,
    prompt: String,
    answer: String,
}

pub(super) fn run(args: &SearchArgs, settings: &Settings, ledger: &ledger::Place) -> Result<(), CliError> {
    let text = args.text.join(" ");
    let looks = |place| args.place.is_none_or(|only| only == place);
    let said = if looks(Place::Conversations) { said(args, settings, &text) } else { Ok(Vec::new()) };
    let asked = if looks(Place::Requests) { asked(args, ledger, &text) } else { Ok(Vec::new()) };
    // A file that cannot be read does not hide what the other one has.
    let (said, no_said) = said.map_or_else(|error| (Vec::new(), Some(error)), |said| (said, None));
    let (asked, no_asked) = asked.map_or_else(|error| (Vec::new(), Some(error)), |asked| (asked, None));
    if args.json {
        let found = Found { query: &text, hits: said.iter().map(shown).collect(), requests: asked.iter().map(requests::shown).collect() };
        output::print(&output::json(&found)?);
    } else if said.is_empty() && asked.is_empty() {
        output::print(if no_said.is_none() && no_asked.is_none() { "nothing was found\n" } else { "" });
    } else {
        let terms = history::terms(&text);
        let blocks: Vec<String> = said.iter().map(block).chain(asked.iter().map(|request| requests::block(request, &terms))).collect();
        output::print(&blocks.join("\n"));
    }
    no_said.or(no_asked).map_or(Ok(()), |error| Err(error.into()))
}

fn said(args: &SearchArgs, settings: &Settings, text: &str) -> Result<Vec<Hit>, Error> {
    match History::read(settings)? {
        Some(history) => history.search(text, &args.filter.filter(None), args.count),
        None => Ok(Vec::new()),
    }
}

fn asked(args: &SearchArgs, ledger: &ledger::Place, text: &str) -> Result<Vec<Request>, Error> {
    let FilterArgs { since, until, model, min_cost } = &args.filter;
    let span = Span { since_ms: *since, until_ms: *until };
    let sought = Sought { terms: history::terms(text), span, model: model.clone(), cost_min: *min_cost };
    ledger::search(ledger, &sought, args.count)
}

fn shown(hit: &Hit) -> Shown<'_> {
    let plain = |piece: &str| piece.replace(MARKS, "");
    Shown {
        kind: "exchange",
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
