//! `aimux logs show`: a conversation as it went.

use std::io::IsTerminal as _;

use clap::Args;

use super::{cost, json, opened};
use crate::cli::named::Named;
use crate::cli::{CliError, output, visible};
use crate::date;
use crate::error::{Code, Error};
use crate::history::{Attachment, Call, Ending, Exchange, History, Settings};

/// What of a tool's result is shown, in characters.
const RESULT_MAX: usize = 200;

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The conversation [default: the latest with an answer]
    #[arg(add = Named::Conversations)]
    id: Option<String>,
    /// Only the last answer; in a pipe, byte for byte
    #[arg(short = 'r', long, conflicts_with = "json")]
    response: bool,
    /// Also what the model thought
    #[arg(long, conflicts_with_all = ["json", "response"])]
    reasoning: bool,
    /// Print JSON; money in millionths of a dollar
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ShowArgs, settings: &Settings) -> Result<(), CliError> {
    let history = opened(settings)?;
    let id = wanted(&history, args.id.as_deref())?;
    let exchanges = history.exchanges(&id)?;
    if args.json {
        output::print(&output::json(&json::whole(&id, &exchanges, false))?);
    } else if args.response {
        let last = exchanges.iter().rev().find(|exchange| !exchange.answer.is_empty());
        let answer = last.map_or("", |exchange| exchange.answer.as_str());
        let end = if answer.ends_with('\n') { "" } else { "\n" };
        // A terminal must not obey what a model wrote; a file is to have it as it was.
        if std::io::stdout().is_terminal() {
            output::print(&format!("{}{end}", visible::prose(answer)));
        } else {
            output::print_exact(&format!("{answer}{end}"));
        }
    } else {
        output::print(&text(&id, &exchanges, args.reasoning));
    }
    Ok(())
}

/// The id of the conversation that is meant.
fn wanted(history: &History, id: Option<&str>) -> Result<String, Error> {
    match id {
        Some(begin) => history.find(begin),
        None => history.latest()?.ok_or_else(|| Error::new(Code::Usage, "there is no conversation with an answer yet")),
    }
}

/// The conversation for a person's eyes.
fn text(id: &str, exchanges: &[Exchange], with_reasoning: bool) -> String {
    let mut text = format!("conversation {id}\n");
    let mut system = "";
    for (number, exchange) in (1..).zip(exchanges) {
        text += &format!("\n── {number} ── {}\n", visible::line(&head(exchange)));
        if exchange.system != system {
            system = &exchange.system;
            text += &quoted(if system.is_empty() { "(no system prompt any more)" } else { system }, "s ");
        }
        text += &quoted(&exchange.prompt, "> ");
        for attachment in &exchange.attachments {
            text += &quoted(&attached(attachment), "> ");
        }
        if with_reasoning && !exchange.reasoning.is_empty() {
            text += &format!("\n{}", quoted(&exchange.reasoning, "~ "));
        }
        for called in called(exchange) {
            text += &quoted(&called, "+ ");
        }
        if !exchange.answer.is_empty() {
            text += &format!("\n{}\n", visible::prose(exchange.answer.trim_end()));
        }
        if let Some(note) = unfinished(exchange) {
            text += &format!("\n[{note}]\n");
        }
    }
    text
}

/// When, by whom, at what cost.
pub(super) fn head(exchange: &Exchange) -> String {
    let target = match (exchange.target(), exchange.asked.as_str()) {
        (target, asked) if target.is_empty() => format!("{asked} (nobody answered)"),
        (target, asked) if asked.is_empty() || asked == target => target,
        (target, asked) => format!("{target} for {asked}"),
    };
    let cost = exchange.cost.map_or_else(String::new, |spent| format!(", {}", cost(spent, 0, 1)));
    format!("{}, {target}{cost}", date::rfc3339(exchange.time_ms / 1000))
}

/// Why an answer is not whole.
pub(super) fn unfinished(exchange: &Exchange) -> Option<String> {
    let code = exchange.code.as_ref().map_or_else(String::new, |code| format!(": AIMUX-{code}"));
    match exchange.ending {
        Ending::Whole => None,
        Ending::Partial => Some(format!("the answer is not whole{code}")),
        Ending::Failed => Some(format!("there was no answer{code}")),
    }
}

/// The calls of tools before an answer, each in a line.
pub(super) fn called(exchange: &Exchange) -> Vec<String> {
    let line = |call: Call| {
        let name = call.full_name();
        let Call { arguments, outcome, result, .. } = call;
        let joined = result.split_whitespace().collect::<Vec<_>>().join(" ");
        let cut: String = joined.chars().take(RESULT_MAX).collect();
        let more = if cut.len() < joined.len() { "…" } else { "" };
        format!("[{name} {}, {outcome}: {cut}{more}]", arguments.trim().replace('\n', " "))
    };
    exchange.tool_steps().into_iter().flat_map(|step| step.calls).map(line).collect()
}

/// An attachment, in a line.
pub(super) fn attached(attachment: &Attachment) -> String {
    let Attachment { name, media_type, size, content, .. } = attachment;
    let kept = if content.is_some() { "" } else { ", not kept" };
    format!("[attached: {name}, {media_type}, {size} bytes{kept}]")
}

fn quoted(text: &str, mark: &str) -> String {
    visible::prose(text).lines().map(|line| format!("{mark}{line}\n")).collect()
}
