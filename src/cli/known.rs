//! The server of a config, as clients of this machine find it: running already, or started for them.
//!
//! It is found by its control socket, never by its port. Start with [`find`], then [`KnownServer::running`].

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::{CliError, output};
use crate::config::{self, DatabaseKey, Environment, Limits, Options, Ready};
use crate::dialect::{Dialect, Quirks, quirks::Structured};
use crate::error::{Code, Error};
use crate::history;
use crate::keys::Store;
use crate::ledger;
use crate::provider::table::PRESETS;
use crate::provider::{Auth, Check};
use crate::route::Table;
use crate::route::table::{Endpoint, Key, Provider};
use crate::secret::Secret;
use crate::server::control::{self, Status};
use crate::server::token;

/// What `serve` says on standard output once it can be asked.
pub(crate) const READY: &str = "aimux is ready on http://";
/// How long another version's server may take to end its requests: its own limit is 30 s unless the config says more.
const HANDOVER: Duration = Duration::from_secs(45);
/// How soon a server is looked for again that was there.
const HOLD_AGAIN: Duration = Duration::from_millis(500);
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A server that clients can be pointed at.
pub(crate) struct KnownServer {
    /// The token that it accepts.
    pub(crate) token: Secret,
    /// What its config says, keys left out.
    pub(crate) table: Table,
    /// Its limits.
    pub(crate) limits: Limits,
    /// Where requests are remembered.
    pub(crate) ledger: ledger::Settings,
    /// Where conversations are kept.
    pub(crate) history: history::Settings,
    /// Where the password is of what these are kept in.
    pub(crate) database_key: DatabaseKey,
    /// Its control socket.
    pub(crate) socket: PathBuf,
    /// What it says of itself; `None`: it does not run.
    pub(crate) status: Option<Status>,
    /// Where its config has it listen.
    pub(crate) listen: SocketAddr,
}

/// The name of a running server among providers, and that of its key.
pub(crate) const SERVER: &str = "aimux";
/// The name of its key.
pub(crate) const TOKEN: &str = "client token";
/// A running aimux takes all that its dialect can say.
pub(crate) const FULL_MESSAGES: Quirks =
    Quirks { structured: Structured::Native, full_anthropic: true, mid_conversation_system: true, ..Quirks::ANTHROPIC };
/// The same in the other dialect.
pub(crate) const FULL_CHAT: Quirks = Quirks { top_k: true, ..Quirks::CHAT };

/// An aimux at `url` as one more provider, spoken to in `dialect`.
pub(crate) fn as_provider(url: &str, token: Secret, dialect: Dialect) -> Arc<Provider> {
    let (base_url, quirks) = match dialect {
        Dialect::AnthropicMessages => (url.to_owned(), FULL_MESSAGES),
        Dialect::OpenAiChat => (format!("{url}/v1"), FULL_CHAT),
    };
    let endpoint = Endpoint { dialect, base_url, auth: Auth::Bearer, quirks, check: Check::usual(dialect) };
    let keys = vec![Key { name: TOKEN.to_owned(), secret: token, token: None }];
    Arc::new(Provider { keys, ..Provider::new(SERVER, vec![endpoint]) })
}

/// The store of keys that the environment names: its identity is `AIMUX_IDENTITY`, else the systemd credential
/// `aimux-identity`, else the one in the config folder.
pub(crate) fn store(environment: &Environment) -> Store {
    let (folder, named) = (environment.config_folder(), environment.get("AIMUX_IDENTITY"));
    let credential = environment.get("CREDENTIALS_DIRECTORY").map(|folder| Path::new(folder).join("aimux-identity"));
    let store = match (named, credential.filter(|path| path.symlink_metadata().is_ok())) {
        (None, Some(credential)) => Store::with_credential(&folder, &credential),
        (named, _) => Store::new(&folder, named.map(Path::new)),
    };
    store.with_plugins(super::console::person(), PRESETS.iter().flat_map(|preset| preset.env).copied().collect())
}

/// Opens the password of a config's database, where something is kept in one: who only reads needs no other key.
pub(crate) fn open_database(ready: &mut Ready, environment: &Environment) {
    ready.open_database(environment, &store(environment), &mut super::console::ask_passphrase);
}

/// The control socket of a config's server; the config itself is not read, so a broken one does not hide its server.
pub(crate) fn socket(path: Option<PathBuf>, environment: &Environment) -> PathBuf {
    control::find_socket(&environment.runtime_folder(), &config::usual(&Options { path, listen: None }, environment))
}

/// The server of the config, without a key opened: nobody is asked for a passphrase.
pub(crate) fn find(path: Option<PathBuf>, environment: &Environment) -> Result<KnownServer, CliError> {
    let options = Options { path, listen: None };
    let Ready { server, table, limits, ledger, history, database_key, .. } = config::outline(&options, environment, &store(environment))?;
    let socket = control::find_socket(&environment.runtime_folder(), &config::usual(&options, environment));
    let token = match server.token {
        Some(token) => token,
        None => token::load_or_make(&environment.state_folder())?,
    };
    Ok(KnownServer { status: control::status(&socket), token, table, limits, ledger, history, database_key, socket, listen: server.listen })
}

/// The base URL by which clients of this machine reach a listening address; `None`: its port is not chosen yet.
pub(crate) fn url(mut address: SocketAddr) -> Option<String> {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    (address.port() != 0).then(|| format!("http://{address}"))
}

impl KnownServer {
    /// Its base URL, without a slash at the end; the one that it would have where it does not run.
    pub(crate) fn base_url(&self) -> Result<String, Error> {
        url(self.status.as_ref().map_or(self.listen, |status| status.address)).ok_or_else(|| {
            Error::new(Code::Usage, "no server runs, and its port is chosen when it starts").hint("start it with `aimux serve`")
        })
    }

    /// The same, running: started if need be, by one of those who want it at a time.
    pub(crate) fn running(mut self, path: Option<&Path>, environment: &Environment) -> Result<Self, CliError> {
        if self.is_usable() {
            return Ok(self);
        }
        let _lock = control::lock_start(&self.socket)?;
        self.status = control::status(&self.socket);
        if self.is_usable() {
            return Ok(self);
        }
        let mut flags = vec!["--on-demand".into()];
        match &self.status {
            Some(old) if old.hands_over => {
                output::error(&format!("{VERSION} takes over from aimux {}\n", old.version));
                flags.push("--take-over".into());
            }
            Some(old) => {
                output::error(&format!("aimux {} runs and ends its requests; {VERSION} takes over\n", old.version));
                end(&self.socket, old)?;
            }
            None => {}
        }
        start(path, environment, &flags)?;
        self.socket = socket(path.map(Path::to_path_buf), environment);
        self.status = control::status(&self.socket);
        match self.status {
            Some(_) => Ok(self),
            None => Err(Error::new(Code::StateFolder, "the server was started and cannot be found").into()),
        }
    }

    /// Keeps the server from ending for idleness as long as this command runs.
    pub(crate) fn hold(&self) {
        let socket = self.socket.clone();
        std::thread::spawn(move || {
            loop {
                if let Ok(mut held) = UnixStream::connect(&socket) {
                    // Until the server ends, or hands over to the next.
                    let _ = held.read(&mut [0]);
                }
                std::thread::sleep(HOLD_AGAIN);
            }
        });
    }

    /// A server that an operator started is used whatever its version is; one of ours makes way for a newer program.
    fn is_usable(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status.version == VERSION || !status.on_demand)
    }
}

/// Ends a server that cannot hand over, and waits for that.
pub(crate) fn end(socket: &Path, old: &Status) -> Result<(), Error> {
    control::stop(socket).map_err(|error| Error::new(Code::StateFolder, "the running server cannot be asked to stop").caused_by(error))?;
    if control::wait_until_gone(socket, HANDOVER) {
        return Ok(());
    }
    let message = format!("aimux {} (pid {}) still has requests to end", old.version, old.pid);
    Err(Error::new(Code::AddressInUse, message).hint("try again later, or stop it"))
}

/// Starts a server that outlives this command, in `/`, its log in the state folder, and waits for its word.
///
/// The keys are opened here first: what is wrong with them is said on this terminal, which the server has not. `flags`: more for `serve`.
pub(crate) fn start(path: Option<&Path>, environment: &Environment, flags: &[OsString]) -> Result<(), CliError> {
    let mut passphrase = None;
    let mut ask = || super::console::ask_passphrase().inspect(|typed| passphrase = Some(typed.clone()));
    let options = Options { path: path.map(Path::to_path_buf), listen: None };
    let ready = config::ready(&options, environment, &store(environment), &mut ask)?;
    for note in &ready.notes {
        output::error(&format!("{}\n", output::printable(note.trim_end())));
    }
    let log_path = log_path(environment);
    let (log, log_start) = open_log(&log_path)?;
    let mut flags = flags.to_vec();
    if !flags.iter().any(|flag| flag == "--log-file") {
        flags.extend(["--log-file".into(), log_path.clone().into_os_string()]);
    }
    let child =
        spawn(path, environment, passphrase.as_ref(), log, &flags).map_err(|error| failed("the server cannot be started", error))?;
    let mut line = String::new();
    if let Some(stdout) = child {
        // Whatever cannot be read is no word of readiness.
        let _ = BufReader::new(stdout).read_line(&mut line);
    }
    if line.starts_with(READY) { Ok(()) } else { Err(why_not(&log_path, log_start).into()) }
}

fn spawn(
    path: Option<&Path>,
    environment: &Environment,
    passphrase: Option<&Secret>,
    log: File,
    flags: &[OsString],
) -> std::io::Result<Option<std::process::ChildStdout>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("serve").args(flags).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).current_dir("/");
    if let Some(path) = path {
        command.arg("--config").arg(std::path::absolute(path)?);
    }
    if let Some(identity) = environment.get("AIMUX_IDENTITY") {
        command.env("AIMUX_IDENTITY", std::path::absolute(identity)?);
    }
    if passphrase.is_some() {
        command.arg("--passphrase-stdin").stdin(Stdio::piped());
    }
    let mut child = command.spawn()?;
    if let (Some(passphrase), Some(mut stdin)) = (passphrase, child.stdin.take()) {
        // A server that is gone already says why in its log.
        let _ = stdin.write_all(passphrase.expose().as_bytes());
    }
    Ok(child.stdout.take())
}

/// Where a server that has no terminal logs to.
pub(crate) fn log_path(environment: &Environment) -> PathBuf {
    environment.state_folder().join("serve.log")
}

/// The log, and where this start's part of it begins.
fn open_log(path: &Path) -> Result<(File, u64), Error> {
    let open = || -> std::io::Result<(File, u64)> {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let log = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let length = log.metadata()?.len();
        Ok((log, length))
    };
    open().map_err(|error| failed("the server's log cannot be opened", error))
}

/// What a server that did not start wrote into its log.
fn why_not(log_path: &Path, log_start: u64) -> Error {
    let mut said = String::new();
    if let Ok(mut log) = File::open(log_path)
        && log.seek(SeekFrom::Start(log_start)).is_ok()
    {
        // What cannot be read is not told; the hint says where to look.
        let _ = log.take(64 << 10).read_to_string(&mut said);
    }
    let reason = said.lines().rev().find_map(|line| line.strip_prefix("error[")?.split_once("]: "));
    let reason = reason.map_or_else(String::new, |(code, text)| format!(": {text} ({code})"));
    Error::new(Code::CannotBind, format!("the server did not start{reason}")).hint(format!("its log is {}", log_path.display()))
}

fn failed(what: &str, error: std::io::Error) -> Error {
    Error::new(Code::StateFolder, format!("{what}: {error}")).caused_by(error)
}
