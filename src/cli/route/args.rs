//! The arguments of `aimux route`. Letters are those of `llm`, where it has them.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgGroup, Args, ValueEnum, ValueHint};
use http::header::{HeaderName, HeaderValue};

use super::import::args::RouteCommand;
use crate::cli::named::Named;
use crate::cli::terminal::Colour;
use crate::dialect::Dialect;

/// Arguments of `aimux route`; by default a prompt that is not there yet.
#[derive(Debug, Clone, Default, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    group(ArgGroup::new("asking").multiple(true).args(["explain", "dry_run"])),
    after_help = "Standard input is the prompt, or stands before it. The answer goes to standard output, everything else to standard error. \
    docs/route.md has examples and the exit codes.\n\n\
    With --explain and --dry-run nothing is sent to a provider. FILE is a request's body, or a capture of it: a JSON object with `target`, \
    `headers` (pairs) and `body`. Prices are those of the table for input that no cache holds. The exit code is that of the error where the \
    request would be refused: 65 where no target serves the model, or none can do what it needs, 77 where a policy denies it."
)]
pub(crate) struct RouteArgs {
    #[command(subcommand)]
    pub(super) command: Option<RouteCommand>,
    /// The prompt; one that is just the name of a command stands behind `--`
    pub(super) prompt: Option<String>,
    /// The model asked for [default: the config's `default`, else the first provider's main model; a request's own]
    #[arg(short, long, add = Named::Models)]
    pub(super) model: Option<String>,
    /// What the model is told before the prompt
    #[arg(short, long, value_name = "TEXT", conflicts_with = "request")]
    pub(super) system: Option<String>,
    /// An image, a PDF or sound beside the prompt: a file, an address, or `-` for standard input; may be repeated
    #[arg(short, long = "attachment", value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "request")]
    pub(super) attachments: Vec<String>,
    /// A text beside the prompt, with its name: a file, all files of a folder, or a pattern such as `src/**/*.rs`; may be repeated
    #[arg(short, long = "fragment", value_name = "PATH", value_hint = ValueHint::AnyPath, conflicts_with = "request")]
    pub(super) fragments: Vec<String>,
    /// How the answer is made: temperature, max_tokens, top_p, top_k, seed, stop, thinking, presence_penalty, frequency_penalty
    #[arg(short, long = "option", value_name = "KEY=VALUE", conflicts_with = "request")]
    pub(super) options: Vec<String>,
    /// The form of the answer: JSON Schema, a file of it, or `name, age int, bio: one sentence`; what comes is checked
    #[arg(long, value_name = "SCHEMA", value_hint = ValueHint::FilePath, conflicts_with_all = ["request", "extract", "extract_last"])]
    pub(super) schema: Option<String>,
    /// A prompt that was kept with --save, or the path of one
    #[arg(short, long, value_name = "NAME", conflicts_with = "request", add = Named::Templates)]
    pub(super) template: Option<String>,
    /// A variable of the template; may be repeated
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    pub(super) parameters: Vec<String>,
    /// Keep prompt, -s, -m, -o, --schema, -x and -p under a name, for -t; nobody is asked
    #[arg(long, value_name = "NAME", conflicts_with_all = ["asking", "request", "template", "attachments", "fragments", "compare"], add = Named::Templates)]
    pub(super) save: Option<String>,
    /// Print the first block of code of the answer alone
    #[arg(short = 'x', long)]
    pub(super) extract: bool,
    /// Print the last block of code of the answer alone
    #[arg(long = "extract-last", visible_alias = "xl", conflicts_with = "extract")]
    pub(super) extract_last: bool,
    /// Ask several models at once, and compare: `a,b[,c]`
    #[arg(long, value_name = "MODELS", value_delimiter = ',', conflicts_with_all = ["asking", "model", "schema", "extract", "extract_last"], add = Named::Models)]
    pub(super) compare: Vec<String>,
    /// Go on with the latest conversation
    #[arg(short = 'c', long = "continue", conflicts_with_all = ["asking", "request", "compare", "save", "demo", "cid"])]
    pub(super) continued: bool,
    /// Go on with this conversation, an id of `aimux logs`
    #[arg(long, value_name = "ID", conflicts_with_all = ["asking", "request", "compare", "save", "demo"], add = Named::Conversations)]
    pub(super) cid: Option<String>,
    /// Do not ask if it may cost more than this, in dollars
    #[arg(long, value_name = "USD", value_parser = dollars, conflicts_with = "asking")]
    pub(super) max_cost: Option<u64>,
    /// Let the model call the tools of a server under `mcp`, or one: SERVER, SERVER.TOOL, with `*`; each call is shown and asked about
    #[arg(long = "tool", value_name = "NAME", conflicts_with_all = ["asking", "compare", "save"], add = Named::Tools)]
    pub(super) tools: Vec<String>,
    /// Do not ask about calls of these tools: SERVER or SERVER.TOOL, with `*`; may be repeated
    #[arg(long, value_name = "NAME", requires = "tools", add = Named::Tools)]
    pub(super) yes: Vec<String>,
    /// How often the model may call tools before it has to have answered
    #[arg(long, value_name = "NUMBER", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) steps: u32,
    /// Print the answer when it is complete, not while it comes
    #[arg(long, conflicts_with = "asking")]
    pub(super) no_stream: bool,
    /// Print the answer as it is, not as Markdown set for the terminal; in a pipe it always is
    #[arg(long, conflicts_with = "asking")]
    pub(super) raw: bool,
    /// Whether the answer has colours; `always` sets Markdown in a pipe, too
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN", conflicts_with = "asking")]
    pub(super) color: Colour,
    /// What becomes of what the model thinks aloud [default: dimmed on a terminal, left out in a pipe]
    #[arg(long, value_enum, value_name = "HOW", conflicts_with = "asking")]
    pub(super) reasoning: Option<Reasoning>,
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
pub(super) enum Reasoning {
    /// Before the answer; in a pipe on standard error
    Show,
    /// Nowhere
    Hide,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Speech {
    /// Anthropic Messages
    Anthropic,
    /// OpenAI Chat Completions
    OpenaiChat,
}

impl Speech {
    pub(crate) fn dialect(self) -> Dialect {
        match self {
            Self::Anthropic => Dialect::AnthropicMessages,
            Self::OpenaiChat => Dialect::OpenAiChat,
        }
    }
}

/// Dollars as millionths of one.
pub(crate) fn dollars(text: &str) -> Result<u64, &'static str> {
    let number: f64 = text.trim_start_matches('$').parse().map_err(|_| "expected dollars, 0.05 say")?;
    if !(0.0..=1e9).contains(&number) {
        return Err("expected dollars, 0.05 say");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 10^15")]
    Ok((number * 1e6).round() as u64)
}

pub(super) fn header_line(line: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let (name, value) = line.split_once(':').ok_or("expected `name: value`")?;
    let name = HeaderName::from_str(name.trim()).map_err(|_| "not a header's name")?;
    Ok((name, HeaderValue::from_str(value.trim()).map_err(|_| "not a header's value")?))
}
