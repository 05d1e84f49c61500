//! `aimux service`: the units by which the system's service manager keeps aimux's socket and starts the server when somebody connects.
//!
//! `plan.rs` has the steps, `units.rs` the texts. Nothing asks for another account's rights by itself.

mod plan;
mod units;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;

use self::plan::{Manager, Outcome, Place};
use self::units::Facts;
use super::{CliError, known, output};
use crate::config::{self, Environment, Options};
use crate::error::{Code, Error};
use crate::server::control;

/// Exit code of `status` where nobody listens, as service managers have it.
const NOT_ACTIVE: u8 = 3;

/// Arguments of `aimux service`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  aimux service install --dry-run\n  aimux service install\n  aimux service logs -f\n\nThe server is started by the first connection, and ends after server.idle_exit_s without one."
)]
pub(crate) struct ServiceArgs {
    #[command(subcommand)]
    command: ServiceCommand,
}

#[derive(Debug, Subcommand)]
enum ServiceCommand {
    /// Write the units and have the service manager listen; a second time changes nothing
    Install(InstallArgs),
    /// Stop listening and remove the units
    Uninstall(WhereArgs),
    /// Tell whether the units are installed and listened for; exits with 3 if not
    Status(StatusArgs),
    /// Listen again after `stop`
    Start(WhereArgs),
    /// Stop listening, and the server; until `start` or the next login
    Stop(WhereArgs),
    /// Show what the server has logged
    Logs(LogsArgs),
}

/// Whose service manager, and whether it is told.
#[derive(Debug, Args)]
struct WhereArgs {
    /// The machine's service manager instead of the user's own; needs root
    #[arg(long)]
    system: bool,
    /// The kind of service manager [default: this machine's]
    #[arg(long, value_enum, value_name = "KIND")]
    manager: Option<Manager>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct InstallArgs {
    #[command(flatten)]
    place: WhereArgs,
    /// The account that the machine's service runs under, and whose config it has
    #[arg(long = "as", value_name = "ACCOUNT", requires = "system")]
    account: Option<String>,
}

#[derive(Debug, Args)]
struct StatusArgs {
    /// The machine's service manager instead of the user's own
    #[arg(long)]
    system: bool,
    /// The kind of service manager [default: this machine's]
    #[arg(long, value_enum, value_name = "KIND")]
    manager: Option<Manager>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct LogsArgs {
    /// The machine's service manager instead of the user's own
    #[arg(long)]
    system: bool,
    /// The kind of service manager [default: this machine's]
    #[arg(long, value_enum, value_name = "KIND")]
    manager: Option<Manager>,
    /// Go on as lines come
    #[arg(short, long)]
    follow: bool,
    /// How many lines
    #[arg(short = 'n', long, default_value_t = 100)]
    lines: u32,
}

impl WhereArgs {
    fn place(&self) -> Place {
        place(self.system, self.manager)
    }
}

fn place(is_system: bool, manager: Option<Manager>) -> Place {
    Place { manager: manager.unwrap_or_else(Manager::usual), is_system }
}

/// Does what the subcommand says.
pub(crate) fn run(args: &ServiceArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    match &args.command {
        ServiceCommand::Install(args) => install(args, path, environment),
        ServiceCommand::Uninstall(args) => uninstall(args, environment),
        ServiceCommand::Status(args) => status(args, path, environment),
        ServiceCommand::Start(args) => each(&args.place().start(environment), args.dry_run),
        ServiceCommand::Stop(args) => each(&args.place().stop(), args.dry_run),
        ServiceCommand::Logs(args) => {
            let command = place(args.system, args.manager).logs(args.lines, args.follow, &known::log_path(environment));
            plan::demand(&command)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn install(args: &InstallArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let (place, dry) = (args.place.place(), args.place.dry_run);
    if place.is_system && args.account.is_none() {
        return Err(Error::new(Code::Usage, "the machine's service needs an account to run under, which has the config and the keys")
            .hint("name it with --as, `--system --as alice` say; it need not be yours")
            .into());
    }
    let units = place.units(&facts(args.account.clone(), path, environment)?, environment);
    let outcomes = units.iter().map(plan::outcome).collect::<Result<Vec<_>, _>>()?;
    for (unit, outcome) in units.iter().zip(&outcomes) {
        let (would, did) = match outcome {
            Outcome::Written => ("would write", "wrote"),
            Outcome::Changed => ("would change", "changed"),
            Outcome::Kept => ("would leave as it is:", "is as it should be:"),
        };
        if !dry && *outcome != Outcome::Kept {
            plan::write(unit)?;
        }
        output::print(&format!("{} {}\n", if dry { would } else { did }, unit.path.display()));
        if dry && *outcome != Outcome::Kept {
            output::print(&unit.text.lines().map(|line| format!("    {line}\n")).collect::<String>());
        }
    }
    if place.manager == Manager::Launchd && !dry && plan::says_yes(&place.is_active()).unwrap_or(false) {
        if outcomes.iter().all(|outcome| *outcome == Outcome::Kept) {
            return Ok(ExitCode::SUCCESS);
        }
        // launchd reads a list anew only after it has forgotten it.
        each(&place.disable(), dry)?;
    }
    each(&place.enable(environment), dry)
}

fn facts(account: Option<String>, path: Option<PathBuf>, environment: &Environment) -> Result<Facts, CliError> {
    let options = Options { path, listen: None };
    let store = known::store(environment);
    let ready = config::outline(&options, environment, &store)?;
    if ready.server.listen.port() == 0 {
        return Err(Error::new(Code::Usage, "the config lets the server choose its port, and a service manager needs one")
            .hint("set server.listen to an address with a port")
            .into());
    }
    let program = std::env::current_exe().map_err(|error| Error::new(Code::Bug, "our own program is not known").caused_by(error))?;
    let config = ready.path.map(std::path::absolute).transpose();
    let config = config.map_err(|error| Error::new(Code::ConfigUnreadable, "the config's path is not known").caused_by(error))?;
    let identity = Some(store.identity.clone()).filter(|path| path.is_file());
    for variable in config::key_uses(&options, environment, &store)?.iter().filter(|key| key.kind == "env") {
        output::error(&format!("note: ${} is a variable of this shell, which a service has not: keep the key in a file\n", variable.name));
    }
    let paths = [Some(&program), config.as_ref(), identity.as_ref()];
    if let Some(odd) = paths.into_iter().flatten().find(|path| !units::is_plain(path)) {
        return Err(Error::new(Code::Usage, format!("the path {} cannot stand in a unit", odd.display())).into());
    }
    let places = ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"];
    let variables = places.iter().filter_map(|name| Some(((*name).to_owned(), environment.get(name)?.to_owned()))).collect();
    Ok(Facts { program, config, listen: ready.server.listen, identity, variables, account, log: known::log_path(environment) })
}

fn uninstall(args: &WhereArgs, environment: &Environment) -> Result<ExitCode, CliError> {
    let place = args.place();
    let there: Vec<PathBuf> = place.paths(environment).into_iter().filter(|path| path.symlink_metadata().is_ok()).collect();
    if there.is_empty() {
        output::print("not installed\n");
        return Ok(ExitCode::SUCCESS);
    }
    for command in place.disable() {
        if args.dry_run {
            output::print(&format!("would run `{}`\n", command.join(" ")));
        } else if !plan::call(&command)?.success() {
            // What is not known to the manager needs no stop.
            output::error(&format!("note: `{}` failed; the units are removed all the same\n", command.join(" ")));
        }
    }
    for path in there {
        if args.dry_run {
            output::print(&format!("would remove {}\n", path.display()));
        } else if plan::remove(&path)? {
            output::print(&format!("removed {}\n", path.display()));
        }
    }
    each(&place.forget(), args.dry_run)
}

#[derive(Debug, Serialize)]
struct Shown {
    installed: bool,
    listening: bool,
    running: bool,
    units: Vec<PathBuf>,
    pid: Option<u32>,
}

/// What is installed, and what the manager says of it.
pub(crate) struct State {
    /// The units that are there.
    pub(crate) units: Vec<PathBuf>,
    /// Whether all are.
    pub(crate) is_installed: bool,
    /// Whether the manager listens.
    pub(crate) is_listening: bool,
}

impl State {
    /// The program that systemd would start, if it is not there.
    pub(crate) fn missing_program(&self) -> Option<PathBuf> {
        let texts = self.units.iter().filter_map(|unit| std::fs::read_to_string(unit).ok());
        texts.filter_map(|text| units::program_of(&text)).find(|program| !program.is_file())
    }
}

/// The user's own units on this machine.
///
/// # Errors
/// When they are there, and their manager is not.
pub(crate) fn own_state(environment: &Environment) -> Result<State, Error> {
    state(place(false, None), environment)
}

fn state(place: Place, environment: &Environment) -> Result<State, Error> {
    let paths = place.paths(environment);
    let units: Vec<PathBuf> = paths.iter().filter(|path| path.is_file()).cloned().collect();
    let is_installed = units.len() == paths.len();
    let is_listening = is_installed && plan::says_yes(&place.is_active())?;
    Ok(State { units, is_installed, is_listening })
}

fn status(args: &StatusArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let server = control::status(&known::socket(path, environment));
    let State { units, is_installed: installed, is_listening: listening } = state(place(args.system, args.manager), environment)?;
    let shown = Shown { installed, listening, running: server.is_some(), units, pid: server.as_ref().map(|server| server.pid) };
    if args.json {
        output::print(&output::json(&shown)?);
    } else {
        let yes = |holds: bool, yes: &str, no: &str| if holds { yes.to_owned() } else { no.to_owned() };
        output::print(&format!(
            "units: {}\nsocket: {}\nserver: {}\n",
            yes(installed, &shown.units.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "), "not installed"),
            yes(listening, "listened on by the service manager", "not listened on"),
            server.map_or_else(
                || "not running; the next connection starts it if the socket is there".to_owned(),
                |server| format!("runs on http://{} (pid {})", server.address, server.pid)
            ),
        ));
    }
    Ok(if listening { ExitCode::SUCCESS } else { ExitCode::from(NOT_ACTIVE) })
}

/// Runs the commands in order, up to the first that fails; `dry`: says them.
fn each(commands: &[Vec<String>], dry: bool) -> Result<ExitCode, CliError> {
    for command in commands {
        if dry {
            output::print(&format!("would run `{}`\n", command.join(" ")));
        } else {
            plan::demand(command)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
