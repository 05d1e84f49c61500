//! `aimux doctor`: what is not as it should be, why, and the command that mends it.
//!
//! A module for each group of checks: `settings`, `keys`, `server`, `state`, `clients`, `providers`. Each gives [`finding`]s;
//! `show` writes them, `mend` is `--fix`, `bundle` is `--bundle`, and `live` is `--live`, the only one that costs money. Start with [`run`].

mod bundle;
mod clients;
mod finding;
mod keys;
mod live;
mod mend;
mod providers;
mod server;
mod settings;
mod show;
mod state;

use std::cell::OnceCell;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use self::finding::Finding;
use self::live::LiveArgs;
use self::mend::Consent;
use self::show::Marks;
use super::{CliError, known, output, terminal};
use crate::config::{self, Environment, Options, Ready};
use crate::keys::Store;
use crate::secret::Secret;
use crate::server::{control, token};
use crate::{history, ledger};

/// Arguments of `aimux doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "But for --live, nothing that costs money is asked of a provider: what a key check and a list of models are is in docs/troubleshooting.md. The exit code is the \
    worst finding: 0 all in order, 1 a warning, 2 an error."
)]
pub(crate) struct DoctorArgs {
    /// Ask no provider
    #[arg(long)]
    offline: bool,
    /// Mend what loses nothing: rights of files, missing folders, what a dead server left; asks before each
    #[arg(long, group = "work")]
    fix: bool,
    /// With --fix or --live: do not ask
    #[arg(long, requires = "work")]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Also write a report without secrets, for whoever helps, into this new file
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    live: LiveArgs,
}

/// What the checks look at.
struct At<'a> {
    /// `--config`.
    path: Option<PathBuf>,
    environment: &'a Environment,
    store: Store,
    /// The config, its keys closed; `None`: it cannot be used.
    outline: OnceCell<Option<Ready>>,
}

impl At<'_> {
    fn options(&self) -> Options {
        Options { path: self.path.clone(), listen: None }
    }

    fn outline(&self) -> Option<&Ready> {
        let outlined = || {
            let mut ready = config::outline(&self.options(), self.environment, &self.store).ok()?;
            known::open_database(&mut ready, self.environment);
            Some(ready)
        };
        self.outline.get_or_init(outlined).as_ref()
    }

    fn listen(&self) -> Option<std::net::SocketAddr> {
        Some(self.outline()?.server.listen)
    }

    /// Where the ledger and the conversations are; the usual places where the config cannot tell.
    fn remembered(&self) -> (ledger::Settings, history::Settings) {
        let folder = self.environment.state_folder();
        match self.outline() {
            Some(ready) => (ready.ledger.clone(), ready.history.clone()),
            None => (ledger::Settings::usual(&folder), history::Settings::usual(&folder)),
        }
    }

    /// Where clients find the server; `None`: it is not known before it starts.
    fn base_url(&self) -> Option<String> {
        let status = control::status(&known::socket(self.path.clone(), self.environment));
        let address = status.map(|status| status.address).or_else(|| self.listen())?;
        known::url(address)
    }

    /// The token of the config, else that of the state folder; none is made.
    fn token(&self) -> Option<Secret> {
        let folder = self.environment.state_folder();
        let made = || folder.join("client-token").is_file().then(|| token::load_or_make(&folder).ok()).flatten();
        self.outline().and_then(|ready| ready.server.token.clone()).or_else(made)
    }
}

/// Checks, mends if asked to, and tells.
pub(crate) fn run(args: &DoctorArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    if !args.live.live.is_empty() {
        return live::run(&args.live, args.yes, args.json, path, environment);
    }
    let at = || At { path: path.clone(), environment, store: known::store(environment).remembering(), outline: OnceCell::new() };
    let mut place = at();
    let mut findings = local(&place);
    if args.fix && mend::mend(&findings, if args.yes { Consent::Given } else { Consent::Asked })? {
        place = at();
        findings = local(&place);
    }
    findings.extend(clients::check(&place));
    let mut secrets = Vec::new();
    if !args.offline {
        findings.extend(providers::check(&place, &mut secrets));
    }
    if let Some(file) = &args.bundle {
        bundle::write(file, &findings, &place, secrets)?;
        output::error(&format!("wrote {}\n", output::printable(&file.display().to_string())));
    }
    output::print(&if args.json {
        show::json(&findings)?
    } else {
        show::text(&findings, Marks::of(environment), terminal::edge(environment))
    });
    Ok(ExitCode::from(show::worst(&findings).exit()))
}

/// What is looked at without asking anybody.
fn local(at: &At<'_>) -> Vec<Finding> {
    [settings::check(at), keys::check(at), server::check(at), state::check(at)].concat()
}
