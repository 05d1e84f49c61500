//! The command line: one file per subcommand. Only here is printed, argv read and the process ended.
//!
//! Start with `run.rs` for the client programs, `serve.rs` for the server.

mod bench;
mod claude;
mod clients;
mod complete;
mod config;
mod console;
mod doctor;
mod dumps;
mod env;
mod fresh;
mod generate;
mod keys;
mod known;
mod log;
mod log_file;
mod logs;
mod markdown;
mod models;
mod named;
mod output;
mod program;
mod progress;
mod restart;
mod route;
mod run;
mod sarif;
mod serve;
mod service;
mod status;
mod statusline;
mod switch;
mod terminal;
mod usage;
mod visible;
mod wrap;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Environment;
use crate::error::{Code, Error};

/// One local address between coding agents and every language model.
#[derive(Debug, Parser)]
#[command(name = "aimux", version, about)]
pub struct Cli {
    /// The config file [env: AIMUX_CONFIG] [default: config.yaml in aimux's config folder]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve clients on one local address
    Serve(serve::ServeArgs),
    /// Run a client program with its environment set for aimux
    Run(run::RunArgs),
    /// Ask a model from the shell; `--explain` tells where a request would go, and why
    Route(Box<route::RouteArgs>),
    /// Measure providers, what aimux adds to them, and aimux itself
    Bench(Box<bench::BenchArgs>),
    /// Talk with a model: prompt after prompt, on the same way as `route`
    Chat(Box<route::ChatArgs>),
    /// Keep providers' keys in age files
    Keys(keys::KeysArgs),
    /// Check, show and keep the config
    Config(config::ConfigArgs),
    /// Tell whether the config's server runs, and where
    Status(status::StatusArgs),
    /// List, show, search, export and delete conversations
    Logs(logs::LogsArgs),
    /// List models: what they can, what they cost, what leads to them
    Models(models::ModelsArgs),
    /// Show what requests took and cost
    Usage(usage::UsageArgs),
    /// Stop the config's server; requests in flight are answered first
    Stop,
    /// Put a new server in the running one's place; nobody is refused
    Restart,
    /// Have a running session answered by another model
    Switch(switch::SwitchArgs),
    /// Print Claude Code's status line, from the JSON that it gives
    Statusline,
    /// Have the service manager start the server when it is needed
    Service(service::ServiceArgs),
    /// Find what is not as it should be, and say what mends it
    Doctor(doctor::DoctorArgs),
    /// Print the environment that makes clients of this shell use aimux
    Env(env::EnvArgs),
    /// Say what a shell is to offer for the word being typed
    #[command(hide = true)]
    Complete(complete::CompleteArgs),
    /// Write completions or man pages
    #[command(hide = true)]
    Generate(generate::GenerateArgs),
}

/// Runs the program: reads argv and the environment, gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    dumps::forbid();
    let environment =
        Environment::new(std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { Code::Usage.row().exit } else { 0 };
            // Nobody reads any more: the exit code still tells.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    // clap's own reading of variables takes an empty one for a value.
    let cli = Cli { config: cli.config.or_else(|| environment.get("AIMUX_CONFIG").map(PathBuf::from)), ..cli };
    let outcome = match cli.command {
        Command::Serve(args) => serve::run(args, cli.config, &environment),
        Command::Run(args) => run::run(args, cli.config, &environment),
        Command::Route(args) => route::run(&args, cli.config, &environment),
        Command::Bench(args) => bench::run(&args, cli.config, &environment),
        Command::Chat(args) => route::chat(&args, cli.config, &environment),
        Command::Keys(args) => keys::run(&args, cli.config, &environment),
        Command::Config(args) => config::run(&args, cli.config, &environment),
        Command::Env(args) => env::run(&args, cli.config, &environment),
        Command::Status(args) => status::run(&args, cli.config, &environment),
        Command::Logs(args) => logs::run(&args, cli.config, &environment),
        Command::Models(args) => models::run(&args, cli.config, &environment),
        Command::Usage(args) => usage::run(&args, cli.config, &environment),
        Command::Restart => restart::run(cli.config, &environment),
        Command::Switch(args) => switch::run(args, cli.config, &environment),
        Command::Statusline => statusline::run(cli.config, &environment),
        Command::Service(args) => service::run(&args, cli.config, &environment),
        Command::Doctor(args) => doctor::run(&args, cli.config, &environment),
        Command::Stop => status::stop(cli.config, &environment),
        Command::Complete(args) => Ok(complete::run(&args, cli.config, &environment)),
        Command::Generate(args) => generate::run(&args),
    };
    outcome.unwrap_or_else(|failure| failure.report())
}

/// Why a command failed, as its user reads it.
#[derive(Debug)]
pub(crate) enum CliError {
    /// An error with a code.
    Coded(Error),
    /// Diagnostics of a config, rendered, and how many of them are errors.
    Config { rendered: String, errors: usize },
}

impl From<Error> for CliError {
    fn from(error: Error) -> Self {
        Self::Coded(error)
    }
}

impl From<crate::config::LoadError> for CliError {
    fn from(error: crate::config::LoadError) -> Self {
        match error {
            crate::config::LoadError::Invalid { rendered, errors } => Self::Config { rendered, errors },
            crate::config::LoadError::Other(error) => Self::Coded(error),
        }
    }
}

impl CliError {
    fn report(self) -> ExitCode {
        match self {
            Self::Config { rendered, errors } => {
                output::error(&rendered);
                let noun = if errors == 1 { "error" } else { "errors" };
                output::error(&format!("error[{}]: the config has {errors} {noun}\n", Code::ConfigInvalid));
                ExitCode::from(Code::ConfigInvalid.row().exit)
            }
            Self::Coded(error) => {
                output::error(&format!("error[{}]: {}\n", error.code, output::printable(&error.message)));
                output::error(&format!("  = help: {}\n", output::printable(&error.advice())));
                ExitCode::from(error.code.row().exit)
            }
        }
    }
}
