//! `aimux logs export`: conversations written out, as JSON lines for programs or as Markdown for people.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{FilterArgs, json, opened, show};
use crate::cli::named::Named;
use crate::cli::{CliError, output, visible};
use crate::error::{Code, Error};
use crate::history::{Exchange, History, Settings};

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Conversations [default: all that the filters let pass, the oldest first]
    #[arg(add = Named::Conversations)]
    ids: Vec<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// What was said in it
    #[arg(short = 'q', long, value_name = "TEXT")]
    query: Option<String>,
    /// The form
    #[arg(long, value_enum, default_value_t = Form::Jsonl)]
    format: Form,
    /// With the content of attachments, in base64; for JSON lines
    #[arg(long)]
    contents: bool,
    /// The file to write, for its owner alone [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A line of JSON for each conversation
    Jsonl,
    /// Markdown
    Markdown,
}

pub(super) fn run(args: &ExportArgs, settings: &Settings) -> Result<(), CliError> {
    let history = opened(settings)?;
    let ids = ids(args, &history)?;
    let failed = |error: std::io::Error| Error::new(Code::StateFolder, format!("the export cannot be written: {error}")).caused_by(error);
    let mut file = match &args.output {
        Some(path) => {
            let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
            Some(file.map(std::io::BufWriter::new).map_err(failed)?)
        }
        None => None,
    };
    // One conversation at a time: all of them may be more than memory.
    for (index, id) in ids.iter().enumerate() {
        let exchanges = history.exchanges(id)?;
        let text = match args.format {
            Form::Jsonl => line(id, &exchanges, args.contents)?,
            Form::Markdown => format!("{}{}", if index > 0 { "\n---\n\n" } else { "" }, markdown(id, &exchanges)),
        };
        match &mut file {
            Some(file) => file.write_all(text.as_bytes()).map_err(failed)?,
            None => output::print_exact(&text),
        }
    }
    if let Some(file) = &mut file {
        file.flush().map_err(failed)?;
    }
    Ok(())
}

fn ids(args: &ExportArgs, history: &History) -> Result<Vec<String>, Error> {
    if !args.ids.is_empty() {
        return args.ids.iter().map(|begin| history.find(begin)).collect();
    }
    let found = history.conversations(&args.filter.filter(args.query.as_deref()), usize::MAX >> 1)?;
    Ok(found.into_iter().rev().map(|conversation| conversation.id).collect())
}

fn line(id: &str, exchanges: &[Exchange], with_contents: bool) -> Result<String, Error> {
    let text = serde_json::to_string(&json::whole(id, exchanges, with_contents));
    text.map(|text| text + "\n").map_err(|error| Error::new(Code::Bug, "the export could not be written as JSON").caused_by(error))
}

/// A document that says who said what. Answers are Markdown mostly, and stay what they are but for what a terminal would obey.
pub(in crate::cli) fn markdown(id: &str, exchanges: &[Exchange]) -> String {
    let mut text = format!("# Conversation {id}\n");
    let mut system = "";
    for exchange in exchanges {
        if exchange.system != system {
            system = &exchange.system;
            text += &format!("\n## System\n\n{}\n", visible::prose(system));
        }
        text += &format!("\n## Prompt\n\n{}\n", visible::prose(&exchange.prompt));
        for attachment in &exchange.attachments {
            text += &format!("\n{}\n", visible::line(&show::attached(attachment)));
        }
        for called in show::called(exchange) {
            text += &format!("\n{}\n", visible::line(&called));
        }
        text += &format!("\n## Answer\n\n*{}*\n", visible::line(&show::head(exchange)));
        if !exchange.answer.is_empty() {
            text += &format!("\n{}\n", visible::prose(exchange.answer.trim_end()));
        }
        if let Some(note) = show::unfinished(exchange) {
            text += &format!("\n*({note})*\n");
        }
    }
    text
}
