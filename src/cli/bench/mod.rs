//! `aimux bench`: what providers give, what aimux adds to them, and what aimux itself takes.
//!
//! `own` is `--self`, with its own upstream and pass-through (`parts`) as processes of this program (`process`). For targets,
//! `subject` finds who is asked and writes the requests of `scenario`, `exchange` times one, `sample` reads what came, `load` makes
//! many, `measure` takes the ways in turn, `paired` tells what they differ by. `report` shows it, with `junit`, `html`, `threshold`
//! and `baseline`. It lacks the renewal of keys that expire: the direct way sends them as they are. Start with [`run`].

mod args;
mod baseline;
mod exchange;
mod histogram;
mod html;
mod junit;
mod load;
mod measure;
mod own;
mod paired;
mod parts;
mod process;
mod report;
mod sample;
mod scenario;
mod soak;
mod stop;
mod subject;
mod threshold;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) use self::args::BenchArgs;
pub(in crate::cli) use self::args::duration;
pub(in crate::cli) use self::exchange::{Broken, Timed, exchange};
use self::measure::{Amount, Measured, Pace, measure};
use self::report::{Report, TargetReport};
use self::scenario::Scenario;
pub(in crate::cli) use self::stop::Stop;
use self::subject::{Subject, Subjects, Via, Wanted};
use super::progress::Progress;
use super::{CliError, output, visible};
use crate::config::Environment;
use crate::error::{Code, Error};
use crate::provider::models::usd;
use crate::upstream::client::{Client, ClientSettings};

/// Measures, and tells what was found.
pub(crate) fn run(args: &BenchArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    if let Some(part) = &args.part {
        parts::run(part, args.targets.first().map(String::as_str))?;
        return Ok(ExitCode::SUCCESS);
    }
    // What is wrong with it is said before anything is spent.
    let baseline = args.baseline.as_deref().map(|path| baseline::read(path, args.own)).transpose()?;
    if cfg!(debug_assertions) {
        output::error("aimux: this build is not optimised: its own times mean little\n");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Error::new(Code::Bug, "the async runtime could not be started").caused_by(error))?;
    let (mut report, exit) = runtime.block_on(async {
        let stop = Stop::at_signals()?;
        let mut report = Report::new();
        if args.own {
            let wanted = own::Wanted { parts: &args.targets, requests: args.requests, program: args.program.clone() };
            report.own = Some(own::run(&wanted, &stop, &Progress::new()).await?);
        } else {
            measure_targets(args, path, environment, &stop, &mut report).await?;
        }
        report.complete = !stop.is_told();
        Ok::<_, CliError>((report, stop.exit()))
    })?;
    report.thresholds = args.thresholds.iter().flat_map(|threshold| threshold.judge(&report)).collect();
    if let Some(baseline) = &baseline {
        report.changes = baseline::compare(baseline, &report);
    }
    if let Some(path) = &args.junit {
        write(path, &junit::junit(&report))?;
    }
    if let Some(path) = &args.html {
        write(path, &html::page(&report))?;
    }
    output::print(&if args.json { output::json(&report)? } else { report.text() });
    Ok(match exit {
        Some(exit) => ExitCode::from(exit),
        None if report.is_dead() => ExitCode::from(Code::UpstreamFailed.row().exit),
        None if report.is_failed() => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    })
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|error| Error::new(Code::StateFolder, format!("{}: {error}", path.display())))
}

async fn measure_targets(
    args: &BenchArgs,
    path: Option<PathBuf>,
    environment: &Environment,
    stop: &Stop,
    report: &mut Report,
) -> Result<(), CliError> {
    if args.soak.is_some() && args.via == Via::Direct {
        return Err(Error::new(Code::Usage, "--soak watches the aimux that is asked").hint("leave --via direct out").into());
    }
    process::raise_open_files();
    let prompts = args.prompt_file.as_deref().map(scenario::prompts).transpose()?.unwrap_or_default();
    let scenario = Arc::new(Scenario::new(args.scenario, args.stream, args.max_tokens, prompts)?);
    let wanted = Wanted { targets: &args.targets, via: args.via, client: args.client.dialect(), is_demo: args.demo };
    let subjects = Subjects::find(&wanted, &scenario, path, environment).await?;
    let mut amount = Amount { pace: args.pace(), requests: args.count(), duration: args.time(), timeout: args.timeout, micro_usd: None };
    if !args.demo {
        amount.micro_usd = allowed(args, &subjects.all, &amount)?;
    }
    let workers = if let Pace::Closed(workers) = amount.pace { workers } else { load::UNDER_WAY_MAX };
    let settings = ClientSettings { idle_per_host_max: workers.max(64), ..ClientSettings::default() };
    let client = Client::new(settings)?;
    let progress = Progress::new();
    let load = args.words(&amount);
    let (done, over) = tokio::sync::oneshot::channel::<()>();
    let watching = async {
        let until = async {
            // Dropped or told: it is over.
            let _ = over.await;
        };
        match (args.soak, subjects.pid) {
            (Some(whole), Some(pid)) => soak::watch(pid, whole, until, stop).await,
            _ => None,
        }
    };
    let measuring = async {
        for subject in &subjects.all {
            if stop.is_told() {
                break;
            }
            progress.say(&subject.target);
            let measured: Measured = measure(subject, &scenario, &amount, &client, stop, &progress).await;
            report.targets.push(TargetReport::of(subject, &measured, load.clone()));
        }
        // Whoever watched may be gone.
        let _ = done.send(());
    };
    let ((), soak) = tokio::join!(measuring, watching);
    report.soak = soak;
    Ok(())
}

impl BenchArgs {
    /// What is asked and how, in words.
    fn words(&self, amount: &Amount) -> String {
        let form = if self.stream { "streamed" } else { "whole" };
        let pace = match amount.pace {
            Pace::Closed(workers) => format!("{workers} at a time"),
            Pace::Open(rate) => format!("{rate} a second, timed from when they were due"),
        };
        format!("{}, {form}, {pace}", self.scenario.name())
    }
}

/// Shows what it may cost and has it allowed; gives what may be spent on each target.
///
/// # Errors
/// When it is not allowed.
fn allowed(args: &BenchArgs, subjects: &[Subject], amount: &Amount) -> Result<Option<u64>, Error> {
    let mut most = Some(0_u64);
    for subject in subjects {
        // One more on each way warms up.
        let requests = amount.requests.saturating_add(1).saturating_mul(subject.sides.len() as u64);
        let cost = subject.most_micro_usd.map(|each| each.saturating_mul(requests));
        most = most.zip(cost).map(|(sum, cost)| sum.saturating_add(cost));
        let told = match (subject.most_micro_usd, cost) {
            (Some(each), Some(cost)) => format!("{} at most, {} each", usd(cost), usd(each)),
            _ => "its price is not known".to_owned(),
        };
        let (target, tokens) = (visible::line(&subject.target), subject.input_tokens);
        let requests = if requests > u64::from(u32::MAX) { "requests without number".to_owned() } else { format!("{requests} requests") };
        output::error(&format!("aimux: {target}: {requests} of about {tokens} tokens and {} of output: {told}\n", args.max_tokens));
    }
    spend(most, args.max_cost, args.yes, "fewer --requests cost less")
}

/// Has it allowed that `most` is spent, in millionths of a dollar, `None` being an unknown price: up to `max_cost` without a question, beyond
/// it by `is_given` or a yes on the terminal. Gives what may be spent; `None`: as much as it costs. `less` says how it costs less.
///
/// # Errors
/// When it is not allowed.
pub(in crate::cli) fn spend(most: Option<u64>, max_cost: u64, is_given: bool, less: &str) -> Result<Option<u64>, Error> {
    if most.is_some_and(|most| most <= max_cost) {
        return Ok(Some(max_cost));
    }
    if is_given {
        return Ok(most);
    }
    let told = most.map_or_else(|| "what is not known".to_owned(), usd);
    if !std::io::stdin().is_terminal() || !output::error_is_terminal() {
        let message = format!("it may cost {told}, more than --max-cost {}, and there is no terminal to ask on", usd(max_cost));
        return Err(Error::new(Code::OverBudget, message).hint(format!("allow it with --max-cost USD, or with --yes; {less}")));
    }
    let asked = dialoguer::Confirm::new().with_prompt(format!("Spend up to {told}?")).default(false).interact();
    if asked.unwrap_or(false) {
        return Ok(most);
    }
    Err(Error::new(Code::OverBudget, "nothing was spent").hint(less))
}
