//! The arguments of `aimux bench`.

use std::path::PathBuf;

use clap::Args;

/// The most requests of one measurement.
const REQUESTS_MAX: usize = 1_000_000;

/// Arguments of `aimux bench`.
#[derive(Debug, Args)]
#[command(
    after_help = "With --self nothing is asked of anybody: the upstream and the pass-through are aimux's own. Its parts are works, ready, \
    bodies and streams. docs/performance.md has what was found."
)]
pub(crate) struct BenchArgs {
    /// With --self: the parts to measure [default: all]
    #[arg(value_name = "TARGET")]
    pub(super) targets: Vec<String>,
    /// Measure aimux itself against a bare pass-through: needs no network, config or key
    #[arg(long = "self", required_unless_present = "part")]
    pub(super) own: bool,
    /// Requests of a measurement [default: 2000]
    #[arg(short = 'n', long, value_name = "N", value_parser = requests)]
    pub(super) requests: Option<usize>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Be the upstream, or a pass-through to TARGET
    #[arg(long, hide = true, value_name = "PART")]
    pub(super) part: Option<String>,
    /// Another aimux to measure: an earlier one, say
    #[arg(long, hide = true, value_name = "FILE")]
    pub(super) program: Option<PathBuf>,
}

fn requests(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=REQUESTS_MAX).contains(&count) => Ok(count),
        _ => Err(format!("it takes a number from 1 to {REQUESTS_MAX}")),
    }
}
