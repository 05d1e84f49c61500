//! `aimux chat`: prompt after prompt on a terminal, each asked, shown and kept as `aimux route -c` does it.
//!
//! `input` reads what is typed, `command` tells commands from prompts, `act` does what a command says. It lacks what only a
//! program of windows could do: nothing but the line that is typed is ever written again. Start with [`run`].

mod act;
mod command;
mod input;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueHint};
use http::header::{HeaderName, HeaderValue};

use self::act::Spent;
use self::command::Typed;
use self::input::{Input, Line};
use super::args::{Reasoning, RouteArgs, dollars, header_line};
use super::attach::Attachment;
use super::continued::Before;
use super::options::Choice;
use super::prompt::{Beside, Prompt};
use super::report::Report;
use super::signals::Signals;
use super::template::Template;
use super::way::Way;
use super::{Asking, first, keep, screen, with_demo};
use crate::cli::named::Named;
use crate::cli::terminal::{self, Colour};
use crate::cli::{CliError, output, visible};
use crate::config::Environment;
use crate::error::Error;
use crate::provider::lists::Lists;
use crate::route::registry::registry;
use crate::upstream::blocking::Post;

/// Arguments of `aimux chat`, as `aimux route` has them.
#[derive(Debug, Args)]
#[command(
    after_help = "/help in it lists its commands. Answers go to standard output, everything else to standard error. From a pipe each \
    line is a prompt or a command, and the exit code is that of the first prompt that failed. docs/chat.md has examples."
)]
pub(crate) struct ChatArgs {
    /// The model asked for [default: the config's `default`, else the first provider's main model]
    #[arg(short, long, add = Named::Models)]
    model: Option<String>,
    /// What the model is told before the prompts
    #[arg(short, long, value_name = "TEXT")]
    system: Option<String>,
    /// An image, a PDF or sound beside the first prompt: a file or an address; may be repeated
    #[arg(short, long = "attachment", value_name = "FILE", value_hint = ValueHint::FilePath)]
    attachments: Vec<String>,
    /// A text beside the first prompt: a file, all files of a folder, or a pattern; may be repeated
    #[arg(short, long = "fragment", value_name = "PATH", value_hint = ValueHint::AnyPath)]
    fragments: Vec<String>,
    /// How answers are made, as of `aimux route`
    #[arg(short, long = "option", value_name = "KEY=VALUE")]
    options: Vec<String>,
    /// A prompt that was kept with `aimux route --save`: each prompt is its `$input`
    #[arg(short, long, value_name = "NAME", add = Named::Templates)]
    template: Option<String>,
    /// A variable of the template; may be repeated
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    /// Go on with the latest conversation
    #[arg(short = 'c', long = "continue", conflicts_with_all = ["demo", "cid"])]
    continued: bool,
    /// Go on with this conversation, an id of `aimux logs`
    #[arg(long, value_name = "ID", conflicts_with = "demo", add = Named::Conversations)]
    cid: Option<String>,
    /// Do not ask if a prompt may cost more than this, in dollars
    #[arg(long, value_name = "USD", value_parser = dollars)]
    max_cost: Option<u64>,
    /// Print answers as they are, not as Markdown set for the terminal
    #[arg(long)]
    raw: bool,
    /// Whether answers have colours
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    color: Colour,
    /// What becomes of what the model thinks aloud [default: dimmed on a terminal, left out in a pipe]
    #[arg(long, value_enum, value_name = "HOW")]
    reasoning: Option<Reasoning>,
    /// Write nothing down: no conversation, no entry in the ledger, no line for the arrow keys
    #[arg(short, long)]
    no_log: bool,
    /// Ask and decide here, even if a server runs
    #[arg(long)]
    direct: bool,
    /// Let the built-in demo model answer: needs no config, account or key
    #[arg(long, conflicts_with = "direct")]
    demo: bool,
    /// A header of the requests, for rules and policies: `x-aimux-project: acme`
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header_line)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ChatArgs {
    /// The same as of a prompt.
    fn of_route(&self) -> RouteArgs {
        RouteArgs {
            model: self.model.clone(),
            system: self.system.clone(),
            options: self.options.clone(),
            template: self.template.clone(),
            parameters: self.parameters.clone(),
            continued: self.continued,
            cid: self.cid.clone(),
            max_cost: self.max_cost,
            raw: self.raw,
            color: self.color,
            reasoning: self.reasoning,
            no_log: self.no_log,
            direct: self.direct,
            demo: self.demo,
            headers: self.headers.clone(),
            ..RouteArgs::default()
        }
    }
}

/// A chat under way.
struct Chat<'a> {
    environment: &'a Environment,
    /// What the next prompt is asked with.
    args: RouteArgs,
    way: Way,
    /// What was said.
    before: Before,
    /// What is to stand beside the next prompt, and the names of the texts.
    attachments: Vec<Attachment>,
    texts: Vec<(String, String)>,
    signals: Signals,
    spent: Spent,
    /// Where the conversation was saved.
    saved: Option<PathBuf>,
    is_terminal: bool,
}

/// Whether there is a next prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Next,
    End,
}

/// Talks until nobody wants to any more.
pub(crate) fn run(args: &ChatArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let route = args.of_route();
    for option in &args.options {
        Choice::parse(option)?;
    }
    if let Some(name) = &args.template {
        Template::load(name, environment)?;
    }
    let way = Way::find(&route, path, environment).map_err(|error| with_demo(error, "chat"))?;
    let before = Before::find(&route, way.history())?.unwrap_or_default();
    let file = (!args.no_log && way.history().enabled).then(|| environment.state_folder().join("chat-lines"));
    let has_colour = terminal::look(args.color, environment).paint == crate::cli::markdown::Paint::Colour;
    let mut input = Input::new(names(&way, environment), file, has_colour)?;
    let mut chat = Chat {
        environment,
        args: route,
        way,
        before,
        attachments: Vec::new(),
        texts: Vec::new(),
        signals: Signals::of_chat()?,
        spent: Spent::default(),
        saved: None,
        is_terminal: input.is_terminal(),
    };
    args.attachments.iter().chain(&args.fragments).try_for_each(|named| chat.attach(named))?;
    chat.greet();
    let failed = chat.talk(&mut input)?;
    if chat.signals.is_over() {
        return Ok(ExitCode::from(chat.signals.last().unwrap_or(143)));
    }
    // Who sits at a terminal has seen what failed.
    Ok(failed.filter(|_| !chat.is_terminal).unwrap_or(ExitCode::SUCCESS))
}

/// The names that can be asked for, for completion.
fn names(way: &Way, environment: &Environment) -> Vec<String> {
    let lists = Lists::load(&environment.state_folder().join("model-lists.json")).unwrap_or_default();
    let table = way.table();
    let entries = table.models.iter().map(|entry| entry.name.text().to_owned()).filter(|name| !name.contains('*'));
    let rules = table.rules.iter().map(|rule| rule.name.clone());
    let mut names: Vec<String> = entries.chain(rules).chain(registry(table, &lists, false).iter().map(|entry| entry.name())).collect();
    names.sort();
    names.dedup();
    names
}

impl Chat<'_> {
    fn greet(&self) {
        if !self.is_terminal {
            return;
        }
        self.tell(&format!("{}; /help lists what can be done, Ctrl-D ends", self.model_told()));
        if let (Some(id), Some(first)) = (&self.before.id, self.before.exchanges().next()) {
            let count = crate::cli::usage::counted(self.before.count() as u64, "exchange");
            let begin: String = first.prompt.lines().next().unwrap_or_default().chars().take(60).collect();
            self.tell(&format!("goes on with {id}, {count}: {begin}"));
        }
    }

    /// A line about the chat itself.
    fn tell(&self, line: &str) {
        output::error(&format!("aimux: {}\n", visible::line(line)));
    }

    /// Takes what is typed until the end; gives how the first prompt failed that did.
    fn talk(&mut self, input: &mut Input) -> Result<Option<ExitCode>, CliError> {
        let mut failed = None;
        loop {
            let line = match input.next(self.way.limits().body_bytes) {
                Ok(line) => line,
                Err(error) if self.is_terminal && error.code == crate::error::Code::BodyTooLarge => {
                    failed = failed.or(Some(CliError::from(error).report()));
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let text = match line {
                Line::Text(text) => text,
                Line::Interrupted => {
                    self.tell("Ctrl-D or /exit ends the chat");
                    continue;
                }
                Line::End => return Ok(failed),
            };
            let then = match Typed::read(&text) {
                Ok(Typed::Nothing) => Ok(Then::Next),
                Ok(Typed::Prompt(prompt)) => self.ask(prompt, &mut failed),
                Ok(Typed::Command(name, behind)) => self.obey(name, behind).map_err(CliError::from),
                Err(error) => Err(error.into()),
            };
            match then {
                Ok(Then::Next) => {}
                Ok(Then::End) => return Ok(failed),
                Err(error) => {
                    let code = error.report();
                    failed = failed.or(Some(code));
                }
            }
            if self.signals.is_over() {
                return Ok(failed);
            }
        }
    }

    /// Puts a prompt, and keeps what comes of it.
    fn ask(&mut self, text: &str, failed: &mut Option<ExitCode>) -> Result<Then, CliError> {
        let mut prompt = self.prompt(text)?;
        prompt.before = Some(std::mem::take(&mut self.before));
        let answered = self.answer(&mut prompt);
        self.before = prompt.before.take().unwrap_or_default();
        self.before.fold(0);
        let report = answered?;
        let mut kept = report.kept(prompt.kept());
        if !self.args.no_log
            && let Some(id) = keep::keep(self.way.history(), self.before.id.as_deref(), &kept)
        {
            self.before.id = Some(id);
        }
        self.way.close();
        self.spent.add(&kept);
        if !kept.answer.trim().is_empty() {
            (self.attachments, self.texts) = (Vec::new(), Vec::new());
        }
        // Their content is in the prompt's attachments.
        kept.attachments.iter_mut().for_each(|attachment| attachment.content = None);
        self.before.push(kept, prompt.attachments());
        if report.is_unread() {
            return Ok(Then::End);
        }
        if report.is_interrupted() && !self.signals.is_over() {
            self.tell("interrupted: what came is kept");
            return Ok(Then::Next);
        }
        let code = report.exit().map(ExitCode::from);
        if let Err(error) = report.print(false) {
            error.report();
        }
        *failed = failed.or(code);
        if self.is_terminal && output::is_terminal() {
            output::print("\n");
        }
        Ok(Then::Next)
    }

    /// What is asked next, without what was said before it.
    fn prompt(&mut self, text: &str) -> Result<Prompt, Error> {
        self.args.prompt = Some(text.to_owned());
        let texts = self.texts.iter().map(|(_, text)| text.clone()).collect();
        let beside = Beside { piped: None, attachments: self.attachments.clone(), texts };
        let limit = self.way.limits().body_bytes;
        Prompt::of(&self.args, self.environment, self.way.table(), limit, Some(&self.before), beside)
    }

    fn answer(&mut self, prompt: &mut Prompt) -> Result<Report, CliError> {
        let (args, environment) = (&self.args, self.environment);
        let planned = first(args, &mut self.way, environment, prompt)?;
        let post = Post::default();
        self.signals.begin(post.interrupter());
        let asking = Asking { args, environment, post: &post, signals: &self.signals };
        let report = asking.answer(&mut self.way, prompt, planned, &mut || screen::sink(args, environment));
        self.signals.end();
        report
    }
}
