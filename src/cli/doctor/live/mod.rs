//! `aimux doctor --live TARGET…`: what a provider's model really does, found out by asking it, and kept for routing.
//!
//! `suite` has the checks, `requests` what they ask, `ask` the asking, `reply` what comes back, `verdict` what may be concluded, `show` the
//! report. What is kept is [`crate::provider::measured`]'s. It lacks the renewal of keys that expire, as `aimux bench` does. Start with [`run`].

mod ask;
mod reply;
mod requests;
mod show;
mod suite;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use self::ask::Asker;
use self::show::Found;
use self::verdict::Check;
use super::show::Marks;
use super::state::now_ms;
use crate::chat::Usage;
use crate::cli::bench::{Stop, duration, spend};
use crate::cli::named::Named;
use crate::cli::progress::Progress;
use crate::cli::route::dollars;
use crate::cli::{CliError, console, known, output, terminal, visible};
use crate::config::{self, Environment, Options};
use crate::date;
use crate::error::{Code, Error};
use crate::provider::measured::{FILE, Measured, MeasuredFinding, MeasuredTarget};
use crate::provider::models::usd;
use crate::route::plan::each_dialect;
use crate::route::{Table, Target};
use crate::upstream::client::{Client, ClientSettings};

/// The arguments of `--live`.
#[derive(Debug, Args)]
pub(super) struct LiveArgs {
    /// Ask these models, `provider/model`, what they really do, and keep it for routing; costs money
    #[arg(long, value_name = "TARGET", num_args = 1.., group = "work", conflicts_with_all = ["offline", "bundle"], add = Named::Models)]
    pub(super) live: Vec<String>,
    /// With --live: ask before more than this is spent, in dollars; without a terminal, refuse
    #[arg(long, value_name = "USD", value_parser = dollars, default_value = "0", requires = "live")]
    max_cost: u64,
    /// With --live: how long one request may take
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "60s", requires = "live")]
    timeout: Duration,
}

/// Measures, keeps and tells.
pub(super) fn run(
    args: &LiveArgs,
    is_given: bool,
    is_json: bool,
    path: Option<PathBuf>,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let options = Options { path, listen: None };
    let store = known::store(environment);
    let outline = config::outline(&options, environment, &store)?;
    let mut providers = Vec::new();
    for name in &args.live {
        providers.extend(targets(&outline.table, name)?.into_iter().map(|target| target.provider.name.clone()));
    }
    // Before a passphrase is asked for.
    let planned = args.live.iter().map(|name| targets(&outline.table, name)).collect::<Result<Vec<_>, _>>()?.concat();
    let allowed = allowed(args, is_given, &planned)?;
    let table = config::ready_for(&options, environment, &store, &mut console::ask_passphrase, &providers)?.table;
    let targets = args.live.iter().map(|name| targets(&table, name)).collect::<Result<Vec<_>, _>>()?.concat();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::new(Code::Bug, "the async runtime could not be started").caused_by(error))?;
    let place = environment.state_folder().join(FILE);
    let progress = Progress::new();
    let (found, kept, exit) = runtime.block_on(async {
        let stop = Stop::at_signals()?;
        let client = Client::new(ClientSettings::default())?;
        let (mut found, mut is_kept, mut spent) = (Vec::new(), false, 0_u64);
        for target in &targets {
            let mut asker = Asker {
                target,
                client: &client,
                stop: &stop,
                timeout: args.timeout,
                allowed,
                spent,
                requests: 0,
                since: Instant::now(),
                silent: 0,
            };
            let name = format!("{}/{}", target.provider.name, target.model);
            let checks = suite::run(&mut asker, |check| progress.say(&format!("{name}: {check}"))).await?;
            let cost = asker.spent.saturating_sub(spent);
            spent = asker.spent;
            is_kept |= keep(target, &checks, &place)?;
            let is_priced = target.info.price.micro_usd(&Usage { input: Some(1), output: Some(1), ..Usage::default() }).is_some();
            found.push(Found {
                target: name,
                dialect: target.endpoint().dialect.name(),
                base_url: target.endpoint().base_url.clone(),
                measured: date::rfc3339(now_ms() / 1000),
                requests: asker.requests,
                micro_usd: is_priced.then_some(cost),
                checks,
            });
        }
        Ok::<_, CliError>((found, is_kept.then(|| place.display().to_string()), stop.exit()))
    })?;
    drop(progress);
    output::print(&if is_json {
        show::json(&found, kept)?
    } else {
        show::text(&found, kept.as_deref(), Marks::of(environment), terminal::edge(environment))
    });
    Ok(ExitCode::from(exit.unwrap_or_else(|| show::worst(&found).exit())))
}

/// The targets of `provider/model`: one for each dialect of the provider.
fn targets(table: &Table, name: &str) -> Result<Vec<Target>, Error> {
    let targets = each_dialect(table, name);
    if targets.is_empty() {
        let message = format!("\"{}\" is no model of a configured provider", visible::line(name));
        return Err(Error::new(Code::Usage, message).hint("name it as provider/model; `aimux models` lists them"));
    }
    Ok(targets)
}

/// Shows what it may cost and has it allowed; gives what may be spent in all.
fn allowed(args: &LiveArgs, is_given: bool, targets: &[Target]) -> Result<Option<u64>, Error> {
    let mut most = Some(0_u64);
    for target in targets {
        let mut cost = Some(0_u64);
        for (requests, input, output) in suite::PLAN {
            let each = target.info.price.micro_usd(&Usage { input: Some(input), output: Some(output), ..Usage::default() });
            cost = cost.zip(each).map(|(sum, each)| sum.saturating_add(each.saturating_mul(requests)));
        }
        let requests: u64 = suite::PLAN.iter().map(|(requests, ..)| requests).sum();
        let tokens = |of: fn(&(u64, u64, u64)) -> u64| suite::PLAN.iter().map(|row| row.0 * of(row)).sum::<u64>();
        let told = cost.map_or_else(|| "its price is not known".to_owned(), |cost| format!("{} at most", usd(cost)));
        let name = format!("{}/{} ({})", target.provider.name, target.model, target.endpoint().dialect.name());
        output::error(&format!(
            "aimux: {}: {requests} requests at most, {} tokens of input and {} of output: {told}\n",
            visible::line(&name),
            tokens(|row| row.1),
            tokens(|row| row.2)
        ));
        most = most.zip(cost).map(|(sum, cost)| sum.saturating_add(cost));
    }
    spend(most, args.max_cost, is_given, "fewer targets cost less")
}

/// Keeps what is certain. Gives whether anything is.
fn keep(target: &Target, checks: &[Check], place: &std::path::Path) -> Result<bool, Error> {
    let measured = date::rfc3339(now_ms() / 1000);
    let finding = |check: &Check| {
        Some(MeasuredFinding {
            ability: check.check.to_owned(),
            supported: check.verdict.supported()?,
            measured: measured.clone(),
            aimux: env!("CARGO_PKG_VERSION").to_owned(),
            why: output::printable(&check.why).replace('\n', " "),
        })
    };
    let findings: Vec<MeasuredFinding> = checks.iter().filter_map(finding).collect();
    if findings.is_empty() {
        return Ok(false);
    }
    // Read again each time: another one may have written meanwhile. What cannot be read is replaced.
    let mut all = Measured::load(place).unwrap_or_default();
    all.put(MeasuredTarget {
        provider: target.provider.name.clone(),
        model: target.model.clone(),
        dialect: target.endpoint().dialect.name().to_owned(),
        base_url: target.endpoint().base_url.clone(),
        findings,
    });
    all.save(place)?;
    Ok(true)
}
