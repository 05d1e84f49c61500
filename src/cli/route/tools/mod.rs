//! `--tool`: the model calls tools of the config's servers. What is called is checked, shown, approved, done, and told to the
//! model, which goes on, as often as `--steps` says.
//!
//! `pattern` (which tools), `approval` (who says yes), `step` (what was said and done), `trace` (what is shown of it). The
//! servers themselves are [`crate::mcp`]'s. Start with [`Toolbox::open`], then [`chain`].

mod approval;
mod pattern;
mod step;
mod trace;

use std::path::PathBuf;
use std::time::Instant;

use self::approval::{Approval, Verdict};
use self::pattern::Pattern;
pub(super) use self::step::{JsonStep, Step};
use self::step::{Made, Outcome};
use super::args::RouteArgs;
use super::prompt::Prompt;
use super::report::Report;
use super::signals::Signals;
use super::sink::Sink;
use super::spinner::Spinner;
use super::way::{Planned, Way};
use super::{Asking, FOLDS_MAX};
use crate::chat::ChatRequest;
use crate::chat::request::{Tool, ToolKind};
use crate::chat::response::ResponseBlock;
use crate::cli::{CliError, console, known, visible};
use crate::config::near::nearest;
use crate::config::{self, Environment, McpServer, Options};
use crate::error::{Code, Error};
use crate::history::Call;
use crate::mcp::{Around, Called, Checks, Fit, Groups, Session};

/// The tools of this command.
pub(super) struct Toolbox {
    session: Session,
    /// What is not asked about.
    yes: Vec<Pattern>,
    steps_max: usize,
}

impl Toolbox {
    /// Starts the servers that the arguments name; `None`: none is wanted, or whoever waited has gone.
    pub(super) fn open(
        args: &RouteArgs,
        path: Option<PathBuf>,
        environment: &Environment,
        groups: &Groups,
        signals: &Signals,
    ) -> Result<Option<Self>, CliError> {
        let wanted: Vec<Pattern> = args.tools.iter().map(|text| Pattern::read(text)).collect();
        if wanted.is_empty() {
            return Ok(None);
        }
        let (options, store) = (Options { path, listen: None }, known::store(environment));
        let is_wanted = |name: &str| wanted.iter().any(|pattern| pattern.is_of(name));
        let servers = config::mcp_servers(&options, environment, &store, &mut console::ask_passphrase, &is_wanted)?;
        for pattern in &wanted {
            pattern.must_name_one(&servers)?;
        }
        let spinner = Spinner::new();
        if let Some(spinner) = &spinner {
            spinner.say("starts the servers of tools");
        }
        let servers: Vec<McpServer> = servers.into_iter().filter(|server| is_wanted(&server.name)).collect();
        let session = Session::start(servers, &around(environment)?, groups, &|| signals.last().is_some())?;
        drop(spinner);
        let Some(mut session) = session else { return Ok(None) };
        for note in session.notes() {
            trace::say(note);
        }
        let yes: Vec<Pattern> = args.yes.iter().map(|text| Pattern::read(text)).collect();
        for (option, pattern) in wanted.iter().map(|pattern| ("--tool", pattern)).chain(yes.iter().map(|pattern| ("--yes", pattern))) {
            let fits = |tool: &&crate::mcp::Tool| pattern.fits(tool) && wanted.iter().any(|pattern| pattern.fits(tool));
            if !session.tools().iter().any(|tool| fits(&tool)) {
                return Err(no_such_tool(option, pattern, &session).into());
            }
        }
        session.keep(|tool| wanted.iter().any(|pattern| pattern.fits(tool)));
        let steps_max = usize::try_from(args.steps).unwrap_or(usize::MAX);
        Ok(Some(Self { session, yes, steps_max }))
    }

    /// Puts the tools into a request.
    pub(super) fn offer<'a>(&'a self, request: &mut ChatRequest<'a>) {
        let each = |tool: &'a crate::mcp::Tool| Tool {
            kind: ToolKind::Function {
                name: tool.offered.as_str().into(),
                description: Some(tool.description.as_str()).filter(|text| !text.is_empty()).map(Into::into),
                parameters: Some(&tool.schema),
                strict: None,
            },
            cache: None,
        };
        request.tools.extend(self.session.tools().iter().map(each));
    }

    /// The name that a tool of former times is offered by, if it is.
    pub(super) fn offered(&self, call: &Call) -> Option<String> {
        let is_it = |tool: &&crate::mcp::Tool| tool.server == call.server && tool.name == call.tool;
        self.session.tools().iter().find(is_it).map(|tool| tool.offered.clone())
    }

    /// Does what the model calls for, in its order; `None`: interrupted.
    fn made(&self, number: usize, blocks: &[ResponseBlock], judge: &mut Judge<'_>, signals: &Signals) -> Option<Vec<Made>> {
        let mut all = Vec::new();
        for block in blocks {
            let ResponseBlock::ToolCall { id, name, arguments } = block else { continue };
            let began = Instant::now();
            let mut made = Made::new(id, name, arguments);
            let tool = self.session.tools().iter().find(|tool| tool.offered == *name);
            let outcome = match tool {
                None => Outcome::Failed(self.no_such(name)),
                Some(tool) => self.one(tool, &mut made, judge, signals)?,
            };
            made.end(outcome);
            trace::made(number, &made);
            made.waited = began.elapsed();
            all.push(made);
        }
        Some(all)
    }

    /// Checks a call, has it approved and makes it; `None`: interrupted.
    fn one(&self, tool: &crate::mcp::Tool, made: &mut Made, judge: &mut Judge<'_>, signals: &Signals) -> Option<Outcome> {
        (made.server, made.tool) = (tool.server.clone(), tool.name.clone());
        match judge.checks.fit(tool, &made.arguments) {
            Fit::Misfit(faults) => return Some(Outcome::Misfit(faults)),
            Fit::Unchecked(reason) => {
                trace::say(&format!("{}: its arguments are not checked, its schema cannot be used: {reason}", tool.full_name()));
            }
            Fit::Fits => {}
        }
        made.approved = match judge.approval.asked(tool, &made.arguments, signals) {
            Verdict::Interrupted => return None,
            Verdict::No(reason) => return Some(Outcome::Refused(reason)),
            Verdict::Yes(by) => by,
        };
        let called = Instant::now();
        let outcome = match self.called(tool, &made.arguments, signals) {
            Called::Interrupted => return None,
            Called::Answered(output) => Outcome::Answered(output),
            Called::Failed(reason) => Outcome::Failed(reason),
        };
        made.took = called.elapsed();
        Some(outcome)
    }

    fn no_such(&self, name: &str) -> String {
        let names: Vec<&str> = self.session.tools().iter().map(|tool| tool.offered.as_str()).collect();
        format!("there is no tool \"{name}\"; there are {}", names.join(", "))
    }

    fn called(&self, tool: &crate::mcp::Tool, arguments: &str, signals: &Signals) -> Called {
        let spinner = Spinner::new();
        if let Some(spinner) = &spinner {
            spinner.say(&tool.full_name());
        }
        self.session.call(tool, arguments, &|| signals.last().is_some())
    }
}

/// What stands before a call.
struct Judge<'a> {
    checks: Checks,
    approval: Approval<'a>,
}

/// Asks, does what the answer calls for and asks again, until an answer calls for nothing.
pub(super) fn chain(
    asking: &Asking<'_>,
    way: &Way,
    prompt: &mut Prompt,
    tools: &Toolbox,
    first: Planned,
    new_sink: &mut dyn FnMut() -> Box<dyn Sink>,
) -> Report {
    let mut steps: Vec<Step> = Vec::new();
    let mut judge = Judge { checks: Checks::default(), approval: Approval::new(&tools.yes) };
    let mut report = asked(asking, way, prompt, tools, &mut steps, first, new_sink);
    while let Some(blocks) = report.calls() {
        if steps.len() >= tools.steps_max {
            let message = format!("the model still calls tools after {} steps", tools.steps_max);
            report.fail(Error::new(Code::ToolSteps, message));
            break;
        }
        let Some(made) = tools.made(steps.len() + 1, &blocks, &mut judge, asking.signals) else {
            report.interrupted();
            break;
        };
        steps.push(Step::new(blocks, made, report.request_id()));
        match next(asking, way, prompt, tools, &mut steps, &report) {
            Err(error) => {
                report.fail(error);
                break;
            }
            Ok(planned) => report = asked(asking, way, prompt, tools, &mut steps, planned, new_sink).going_on(report),
        }
    }
    report.made(steps);
    report
}

/// Asks; where the provider finds it too long that was believed to fit, more of the conversation is folded, and it is asked again.
fn asked(
    asking: &Asking<'_>,
    way: &Way,
    prompt: &mut Prompt,
    tools: &Toolbox,
    steps: &mut [Step],
    planned: Planned,
    new_sink: &mut dyn FnMut() -> Box<dyn Sink>,
) -> Report {
    let mut report = asking.ask(way, &request(prompt, tools, steps), planned, new_sink());
    for _ in 0..FOLDS_MAX {
        if !report.is_too_long() || !prompt.fold_more() {
            break;
        }
        match next(asking, way, prompt, tools, steps, &report) {
            Ok(planned) => report = asking.ask(way, &request(prompt, tools, steps), planned, new_sink()).after(report),
            Err(error) => {
                report.fail(error);
                break;
            }
        }
    }
    report
}

fn request<'a>(prompt: &'a Prompt, tools: &'a Toolbox, steps: &'a [Step]) -> ChatRequest<'a> {
    let mut request = prompt.request();
    tools.offer(&mut request);
    request.turns.extend(steps.iter().flat_map(Step::turns));
    request
}

/// Where the next request goes. Where no target sees pictures, those of the results are named instead.
fn next(asking: &Asking<'_>, way: &Way, prompt: &Prompt, tools: &Toolbox, steps: &mut [Step], before: &Report) -> Result<Planned, Error> {
    let planned = match way.plan(&request(prompt, tools, steps), &asking.args.headers) {
        Err(error) if error.code == Code::NoneCan && steps.iter().any(Step::has_pictures) => {
            steps.iter_mut().for_each(Step::name_pictures);
            way.plan(&request(prompt, tools, steps), &asking.args.headers)?
        }
        planned => planned?,
    };
    if let Some(most) = asking.args.max_cost {
        way.within(&planned, most.saturating_sub(before.json().cost_micro_usd.unwrap_or(0)))?;
    }
    Ok(planned)
}

/// What servers find around them.
fn around(environment: &Environment) -> Result<Around, Error> {
    let folder = std::env::current_dir()
        .map_err(|error| Error::new(Code::Usage, format!("the current folder cannot be used: {error}")).caused_by(error))?;
    Ok(Around {
        variables: environment.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        folder,
        hidden: vec![environment.config_folder(), environment.state_folder(), environment.runtime_folder()],
        home: environment.get("HOME").map(PathBuf::from),
    })
}

fn no_such_tool(option: &str, pattern: &Pattern, session: &Session) -> Error {
    let names: Vec<String> = session.tools().iter().map(crate::mcp::Tool::full_name).collect();
    let message = format!("{option} {} names no tool that is let in", visible::line(&pattern.text));
    let hint = match nearest(&pattern.text, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None if names.is_empty() => "the server has no tools".to_owned(),
        None => format!("there are {}", names.join(", ")),
    };
    Error::new(Code::Usage, message).hint(visible::line(&hint).into_owned())
}
