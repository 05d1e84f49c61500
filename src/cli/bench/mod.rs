//! `aimux bench`: what providers give, what aimux adds to them, and what aimux itself takes.
//!
//! `own` is `--self`, with its own upstream and pass-through (`parts`) as processes of this program (`process`). `exchange` times one
//! request, `load` makes many, `paired` tells what two ways differ by, `report` shows it. Start with [`run`].

#![allow(dead_code, reason = "what measures providers comes next")]

mod args;
mod exchange;
mod histogram;
mod load;
mod own;
mod paired;
mod parts;
mod process;
mod progress;
mod report;
mod stop;

use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) use self::args::BenchArgs;
use self::progress::Progress;
use self::stop::Stop;
use super::{CliError, output};
use crate::config::Environment;
use crate::error::{Code, Error};

/// Measures, and tells what was found.
pub(crate) fn run(args: &BenchArgs, _path: Option<PathBuf>, _environment: &Environment) -> Result<ExitCode, CliError> {
    if let Some(part) = &args.part {
        parts::run(part, args.targets.first().map(String::as_str))?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Error::new(Code::Bug, "the async runtime could not be started").caused_by(error))?;
    runtime.block_on(measure_self(args))
}

async fn measure_self(args: &BenchArgs) -> Result<ExitCode, CliError> {
    let stop = Stop::at_signals()?;
    let progress = Progress::new();
    let wanted = own::Wanted { parts: &args.targets, requests: args.requests, program: args.program.clone() };
    let own = own::run(&wanted, &stop, &progress).await?;
    drop(progress);
    if args.json {
        output::print(&output::json(&own)?);
    } else {
        output::print(&own.text());
    }
    Ok(stop.exit().map_or(ExitCode::SUCCESS, ExitCode::from))
}
