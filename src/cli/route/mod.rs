//! `aimux route`: a prompt from the shell, answered through the same routing, keys and failover as `serve`; or, with
//! `--explain`, told where it would go.
//!
//! One file per concern: `args`, `prompt` (what is asked, with `attach`, `fragment`, `options`, `schema`, `template`, `continued` with `past`), `way` (through
//! a running server, or from here), `tell` (what is shown meanwhile), `sink` and `screen` (where the answer goes, how it
//! looks), `report` (what is said when it is over), `keep` (what is remembered of it), `compare`, `explain`; `chat` does the same
//! again and again; `import` takes over what another program kept. Start with [`run`].

mod args;
mod attach;
mod chat;
mod compare;
mod continued;
mod explain;
mod extract;
mod fragment;
mod import;
mod keep;
mod options;
mod past;
mod prompt;
mod report;
mod schema;
mod screen;
mod signals;
mod sink;
mod spinner;
mod tell;
mod template;
mod tools;
mod way;

use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) use self::args::{RouteArgs, Speech, dollars};
pub(crate) use self::chat::{ChatArgs, run as chat};
use self::continued::Before;
use self::prompt::Prompt;
use self::report::Report;
use self::signals::Signals;
use self::sink::{Held, Sink};
use self::tell::Tell;
pub(crate) use self::tell::who_answers;
use self::template::Template;
pub(crate) use self::template::saved as templates;
use self::tools::Toolbox;
use self::way::{Planned, Way};
use super::{CliError, output, visible};
use crate::chat::ChatRequest;
use crate::chat::request::ToolChoice;
use crate::config::Environment;
use crate::error::{Code, Error};
use crate::mcp::Groups;
use crate::upstream::blocking::Post;

/// How often more of a conversation is folded because a provider finds it too long; each time half of what is left is.
const FOLDS_MAX: usize = 4;

/// Asks, or tells what asking would do.
pub(crate) fn run(args: &RouteArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    if let Some(command) = &args.command {
        return import::run(command, path, environment);
    }
    if let Some(name) = &args.save {
        let path = Template::save(name, args, environment)?;
        output::error(&format!("saved {}\n", visible::line(&path.display().to_string())));
        return Ok(ExitCode::SUCCESS);
    }
    if args.explain || args.dry_run {
        return explain::run(args, path, environment);
    }
    let mut way = Way::find(args, path.clone(), environment).map_err(|error| with_demo(error, "route"))?;
    let before = Before::find(args, way.history())?;
    let mut prompt = Prompt::read(args, environment, way.table(), way.limits().body_bytes, before)?;
    if !args.compare.is_empty() {
        return compare::run(args, way, &prompt, environment);
    }
    let (post, groups) = (Post::default(), Groups::default());
    let signals = if args.tools.is_empty() { None } else { Some(signals(&post, &groups)?) };
    let tools = match &signals {
        None => None,
        Some(signals) => match Toolbox::open(args, path, environment, &groups, signals)? {
            None => return Ok(ExitCode::from(signals.last().unwrap_or(130))),
            tools => tools,
        },
    };
    if let (Some(tools), Some(before)) = (&tools, &mut prompt.before) {
        before.offer(&|call| tools.offered(call));
    }
    let offered = |request: &ChatRequest<'_>, is_enough: &dyn Fn(&ChatRequest<'_>) -> bool| {
        let mut request = request.clone();
        tools.iter().for_each(|tools| tools.offer(&mut request));
        is_enough(&request)
    };
    prompt.fold(|request| offered(request, &|request| way.has_room(request, &args.headers)));
    let planned = {
        let mut request = prompt.request();
        tools.iter().for_each(|tools| tools.offer(&mut request));
        planned_one(args, &mut way, environment, &request)?
    };
    let is_held = args.json || prompt.schema.is_some() || prompt.which.is_some();
    let mut sink = || -> Box<dyn Sink> { if is_held { Box::new(Held) } else { screen::sink(args, environment) } };
    let signals = match signals {
        Some(signals) => signals,
        None => self::signals(&post, &groups)?,
    };
    let asking = Asking { args, environment, post: &post, signals: &signals };
    let mut report = match &tools {
        None => asking.answer(&mut way, &mut prompt, planned, &mut sink)?,
        Some(tools) => tools::chain(&asking, &way, &mut prompt, tools, planned, &mut sink),
    };
    if prompt.schema.is_some() && report.exit().is_none() {
        report = asking.fitting(&mut way, &prompt, tools.as_ref(), report)?;
    }
    drop(tools);
    if !args.no_log {
        let conversation = prompt.before.as_ref().and_then(|before| before.id.as_deref());
        keep::keep(way.history(), conversation, &report.kept(prompt.kept()));
    }
    if let (Some(which), Some(answer)) = (prompt.which, report.whole()) {
        report.show(extract::code(answer, which));
    }
    way.close();
    report.print(args.json)
}

/// Ctrl-C cancels what is under way; the second one waits for nothing, and leaves no server of tools behind.
fn signals(post: &Post, groups: &Groups) -> Result<Signals, Error> {
    let groups = groups.clone();
    Signals::catch_and([post.interrupter()], move || groups.kill())
}

/// Plans requests, opens the keys that they need, and holds them against `--max-cost`.
fn planned(args: &RouteArgs, way: &mut Way, environment: &Environment, requests: &[&ChatRequest<'_>]) -> Result<Vec<Planned>, CliError> {
    let mut closed = Vec::new();
    for request in requests {
        let planned = way.plan(request, &args.headers)?;
        if let Some(most) = args.max_cost {
            way.within(&planned, most)?;
        }
        closed.push(planned);
    }
    way.open(&closed, environment)?;
    Ok(requests.iter().map(|request| way.plan(request, &args.headers)).collect::<Result<_, _>>()?)
}

/// The same for one request.
fn planned_one(args: &RouteArgs, way: &mut Way, environment: &Environment, request: &ChatRequest<'_>) -> Result<Planned, CliError> {
    let planned = planned(args, way, environment, &[request])?.pop();
    Ok(planned.ok_or_else(|| Error::new(Code::Bug, "a request was lost while it was planned"))?)
}

/// Folds what has no room, by estimate, and plans.
fn first(args: &RouteArgs, way: &mut Way, environment: &Environment, prompt: &mut Prompt) -> Result<Planned, CliError> {
    prompt.fold(|request| way.has_room(request, &args.headers));
    planned_one(args, way, environment, &prompt.request())
}

/// Who has neither config nor key may try the demo.
fn with_demo(error: CliError, command: &str) -> CliError {
    match error {
        CliError::Coded(error) if error.code == Code::ConfigMissing => {
            let hint = format!("add a key with `aimux keys add anthropic`, set a provider's variable, or try `aimux {command} --demo`");
            CliError::Coded(error.hint(hint))
        }
        error => error,
    }
}

/// What each call of this process needs.
struct Asking<'a> {
    args: &'a RouteArgs,
    environment: &'a Environment,
    post: &'a Post,
    signals: &'a Signals,
}

impl Asking<'_> {
    fn ask(&self, way: &Way, request: &ChatRequest<'_>, planned: Planned, sink: Box<dyn Sink>) -> Report {
        let mut tell = Tell::new(sink, way.is_served()).keeping(!self.args.tools.is_empty());
        let exchange = way.ask(request, planned, self.post, &mut tell);
        Report::new(exchange, tell.end(), way, self.signals.last())
    }

    /// Asks; where the provider finds a conversation too long that was believed to fit, more of it is folded, and it is asked again.
    fn answer(
        &self,
        way: &mut Way,
        prompt: &mut Prompt,
        planned: Planned,
        sink: &mut dyn FnMut() -> Box<dyn Sink>,
    ) -> Result<Report, CliError> {
        let mut report = self.ask(way, &prompt.request(), planned, sink());
        for _ in 0..FOLDS_MAX {
            if !report.is_too_long() || !prompt.fold_more() {
                break;
            }
            let planned = planned_one(self.args, way, self.environment, &prompt.request())?;
            report = self.ask(way, &prompt.request(), planned, sink()).after(report);
        }
        Ok(report)
    }

    /// The answer if it fits the schema, else the next one; a second that does not fit is an error.
    fn fitting(&self, way: &mut Way, prompt: &Prompt, tools: Option<&Toolbox>, mut first: Report) -> Result<Report, CliError> {
        let (Some(schema), Some(answer)) = (&prompt.schema, first.whole()) else { return Ok(first) };
        let faults = match schema.check(answer) {
            Ok(json) => {
                first.show(json);
                return Ok(first);
            }
            Err(faults) => faults,
        };
        let line = format!("the answer does not fit the schema ({faults}); it is asked for once more");
        output::error(&format!("aimux: {}\n", visible::line(&line)));
        let mut request = prompt.request();
        if let Some(tools) = tools {
            // What they did stands there; nothing more is to be called.
            tools.offer(&mut request);
            request.tool_choice = Some(ToolChoice::None);
        }
        request.turns.extend(first.turns_before());
        request.turns.extend(Prompt::repair(answer, &faults));
        // It may go elsewhere than the first, being longer: to a provider whose key is not open yet.
        let planned = planned_one(self.args, way, self.environment, &request)?;
        let mut second = self.ask(way, &request, planned, Box::new(Held)).after(first);
        match second.whole().map(|answer| schema.check(answer)) {
            None => {}
            Some(Ok(json)) => second.show(json),
            Some(Err(faults)) => {
                let message = format!("the answer does not fit the schema, the second one neither: {faults}");
                second.fail(Error::new(Code::UpstreamNonsense, message).hint("ask a model that enforces schemas, or loosen this one"));
            }
        }
        Ok(second)
    }
}
