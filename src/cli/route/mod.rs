//! `aimux route`: a prompt from the shell, answered through the same routing, keys and failover as `serve`; or, with
//! `--explain`, told where it would go.
//!
//! One file per concern: `args`, `prompt` (what is asked), `way` (through a running server, or from here), `tell` (what is
//! shown meanwhile), `sink` (where the answer goes), `report` (what is said when it is over),
//! `keep` (what is remembered of it), `explain`. Start with [`run`].

mod args;
mod explain;
mod keep;
mod prompt;
mod report;
mod signals;
mod sink;
mod spinner;
mod tell;
mod way;

use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) use self::args::RouteArgs;
use self::prompt::Prompt;
use self::report::Report;
use self::signals::Signals;
use self::sink::{Held, Raw, Sink};
use self::tell::Tell;
use self::way::Way;
use super::CliError;
use crate::config::Environment;
use crate::upstream::blocking::Post;

/// Asks, or tells what asking would do.
pub(crate) fn run(args: &RouteArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    if args.explain || args.dry_run {
        return explain::run(args, path, environment);
    }
    let mut way = Way::find(args, path, environment)?;
    let prompt = Prompt::read(args, way.table(), way.limits().body_bytes)?;
    let request = prompt.request();
    let planned = way.plan(&request, &args.headers)?;
    way.open(std::slice::from_ref(&planned), environment)?;
    let planned = way.plan(&request, &args.headers)?;
    let sink: Box<dyn Sink> = if args.json { Box::new(Held) } else { Box::new(Raw::default()) };
    let mut tell = Tell::new(sink, way.is_served());
    let post = Post::default();
    let signals = Signals::catch([post.interrupter()])?;
    let exchange = way.ask(&request, planned, &post, &mut tell);
    let told = tell.end();
    way.close();
    let report = Report::new(exchange, told, &way, signals.last());
    if !args.no_log {
        keep::keep(way.history(), None, &report.kept(prompt.kept()));
    }
    report.print(args.json)
}
