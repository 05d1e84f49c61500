//! The arguments of `aimux route`. Letters are those of `llm`, where it has them.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgGroup, Args, ValueEnum};
use http::header::{HeaderName, HeaderValue};

use crate::dialect::Dialect;

/// Arguments of `aimux route`.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("asking").multiple(true).args(["explain", "dry_run"])),
    after_help = "Standard input is the prompt, or stands before it. The answer goes to standard output, everything else to standard error. \
    docs/route.md has examples and the exit codes.\n\n\
    With --explain and --dry-run nothing is sent to a provider. FILE is a request's body, or a capture of it: a JSON object with `target`, \
    `headers` (pairs) and `body`. Prices are those of the table for input that no cache holds. The exit code is that of the error where the \
    request would be refused: 65 where no target serves the model, or none can do what it needs, 77 where a policy denies it."
)]
pub(crate) struct RouteArgs {
    /// The prompt
    pub(super) prompt: Option<String>,
    /// The model asked for [default: the config's `default`, else the first provider's main model; a request's own]
    #[arg(short, long)]
    pub(super) model: Option<String>,
    /// What the model is told before the prompt
    #[arg(short, long, value_name = "TEXT", conflicts_with = "request")]
    pub(super) system: Option<String>,
    /// Print the answer when it is complete, not while it comes
    #[arg(long, conflicts_with = "asking")]
    pub(super) no_stream: bool,
    /// Print JSON: the answer, or the decision; money in millionths of a dollar
    #[arg(long)]
    pub(super) json: bool,
    /// Write nothing down: no conversation for `aimux logs`, no entry in the ledger
    #[arg(short, long, conflicts_with = "asking")]
    pub(super) no_log: bool,
    /// Ask and decide here, even if a server runs
    #[arg(long)]
    pub(super) direct: bool,
    /// Let the built-in demo model answer: needs no config, account or key
    #[arg(long, conflicts_with_all = ["asking", "direct"])]
    pub(super) demo: bool,
    /// Tell where the request would go, and why
    #[arg(long)]
    pub(super) explain: bool,
    /// The same, with tokens and price
    #[arg(long)]
    pub(super) dry_run: bool,
    /// The request of a client that is asked about; `-` is standard input
    #[arg(long, value_name = "FILE", requires = "asking", conflicts_with = "prompt")]
    pub(super) request: Option<PathBuf>,
    /// The program that asks, `claude-code` say
    #[arg(long, value_name = "PROGRAM", requires = "asking")]
    pub(super) client: Option<String>,
    /// A header of the request, for rules and policies: `x-aimux-project: acme`
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header_line)]
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// The dialect of the request [default: the capture's, else anthropic]
    #[arg(long, value_enum, requires = "asking")]
    pub(super) dialect: Option<Speech>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Speech {
    /// Anthropic Messages
    Anthropic,
    /// OpenAI Chat Completions
    OpenaiChat,
}

impl Speech {
    pub(super) fn dialect(self) -> Dialect {
        match self {
            Self::Anthropic => Dialect::AnthropicMessages,
            Self::OpenaiChat => Dialect::OpenAiChat,
        }
    }
}

fn header_line(line: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let (name, value) = line.split_once(':').ok_or("expected `name: value`")?;
    let name = HeaderName::from_str(name.trim()).map_err(|_| "not a header's name")?;
    Ok((name, HeaderValue::from_str(value.trim()).map_err(|_| "not a header's value")?))
}
