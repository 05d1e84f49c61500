//! `aimux run claude`: a client with its environment set for aimux, and a server started for it when none runs.
//!
//! The settings go to that process only; the token is never in argv.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::CliError;
use crate::config::{self, Environment, Options};
use crate::error::{Code, Error};
use crate::keys::Store;
use crate::route::Table;
use crate::secret::Secret;
use crate::server::{control, token};

/// Arguments of `aimux run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The client
    #[arg(value_enum)]
    client: Client,
    /// Its own arguments
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<std::ffi::OsString>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Client {
    /// Claude Code
    Claude,
}

/// A server that clients can be pointed at.
pub(crate) struct KnownServer {
    /// Its base URL, without a slash at the end.
    pub(crate) base_url: String,
    /// The token that it accepts.
    pub(crate) token: Secret,
    /// The smallest context window that a model of its config has, where known.
    context_min: Option<u64>,
    socket: PathBuf,
    is_running: bool,
    /// The identity's passphrase, if it was asked for: a server that is started has nobody to ask.
    passphrase: Option<Secret>,
}

/// The server of the config: the running one's address, else the one that it would have.
pub(crate) fn known_server(path: Option<PathBuf>, environment: &Environment) -> Result<KnownServer, CliError> {
    let keys = Store::new(&environment.config_folder(), environment.get("AIMUX_IDENTITY").map(Path::new));
    let mut passphrase = None;
    let mut ask = || super::keys::ask_passphrase().inspect(|typed| passphrase = Some(typed.clone()));
    let ready = config::ready(&Options { path, listen: None }, environment, &keys, &mut ask)?;
    let socket = control::socket_path(&environment.runtime_folder(), ready.path.as_deref());
    let status = control::status(&socket);
    let address = status.as_ref().map_or(ready.server.listen, |status| status.address);
    let token = match &ready.server.token {
        Some(token) => token.clone(),
        None => token::load_or_make(&environment.state_folder())?,
    };
    Ok(KnownServer {
        base_url: format!("http://{address}"),
        token,
        context_min: context_min(&ready.table),
        socket,
        is_running: status.is_some(),
        passphrase,
    })
}

/// The smallest window among the models that `claude-*` names lead to: Claude Code believes in a context of its own.
fn context_min(table: &Table) -> Option<u64> {
    let targets = table
        .models
        .iter()
        .filter(|entry| entry.name.matches("claude-opus-4-8") || entry.name.text().starts_with("claude"))
        .flat_map(|entry| &entry.targets);
    let windows = targets.filter_map(|target| {
        let provider = table.providers.get(target.provider)?;
        crate::provider::models::model(provider.catalog, &target.model).map(|model| model.context)
    });
    windows.filter(|context| *context > 0).min()
}

/// Runs the client and passes its exit code on.
pub(crate) fn run(args: RunArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let mut server = known_server(path.clone(), environment)?;
    if !server.is_running {
        start_server(path.as_deref(), server.passphrase.as_ref(), environment)?;
        let status =
            control::status(&server.socket).ok_or_else(|| Error::new(Code::StateFolder, "the server was started and cannot be found"))?;
        server.base_url = format!("http://{}", status.address);
    }
    match args.client {
        Client::Claude => run_claude(&server, args.args, environment),
    }
}

/// Starts a server that outlives this command, in `/`, its log in the state folder, and waits for its word.
fn start_server(path: Option<&Path>, passphrase: Option<&Secret>, environment: &Environment) -> Result<(), CliError> {
    let state = environment.state_folder();
    let failed = |what: &str, error: std::io::Error| Error::new(Code::StateFolder, format!("{what}: {error}")).caused_by(error);
    DirBuilder::new().recursive(true).mode(0o700).create(&state).map_err(|error| failed("the state folder cannot be made", error))?;
    let log_path = state.join("serve.log");
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&log_path)
        .map_err(|error| failed("the server's log cannot be opened", error))?;
    let program = std::env::current_exe().map_err(|error| failed("aimux cannot find itself", error))?;
    let mut command = Command::new(program);
    command.arg("serve").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).current_dir("/").process_group(0);
    if let Some(path) = path {
        command.arg("--config").arg(std::path::absolute(path).map_err(|error| failed("the config's path", error))?);
    }
    if passphrase.is_some() {
        command.arg("--passphrase-stdin").stdin(Stdio::piped());
    }
    let mut child = command.spawn().map_err(|error| failed("the server cannot be started", error))?;
    if let (Some(passphrase), Some(mut stdin)) = (passphrase, child.stdin.take()) {
        // A server that is gone already says why in its log.
        let _ = stdin.write_all(passphrase.expose().as_bytes());
    }
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        // Whatever cannot be read is no word of readiness.
        let _ = BufReader::new(stdout).read_line(&mut line);
    }
    if line.starts_with("aimux is ready") {
        return Ok(());
    }
    let hint = format!("its log is {}", log_path.display());
    Err(Error::new(Code::CannotBind, "the server did not start").hint(hint).into())
}

#[derive(Serialize)]
struct ClaudeSettings<'a> {
    env: std::collections::BTreeMap<&'a str, String>,
}

fn run_claude(server: &KnownServer, args: Vec<std::ffi::OsString>, environment: &Environment) -> Result<ExitCode, CliError> {
    let settings = write_settings(server, environment)?;
    let mut command = Command::new("claude");
    command.arg("--settings").arg(&settings).args(args);
    command.env("ANTHROPIC_BASE_URL", &server.base_url).env("ANTHROPIC_AUTH_TOKEN", server.token.expose()).env_remove("ANTHROPIC_API_KEY");
    for (name, _) in environment.iter().filter(|(name, _)| name.starts_with("CLAUDE_CODE_USE_")) {
        command.env_remove(name);
    }
    let status = command.status();
    // The file is of no use to anybody any more.
    let _ = std::fs::remove_file(&settings);
    let status = status.map_err(|error| {
        Error::new(Code::ClientMissing, format!("claude could not be started: {error}"))
            .hint("install Claude Code, or add its folder to PATH")
            .caused_by(error)
    })?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// Claude Code's settings for this run, in a file of its own: settings beat what a user's own settings file says.
fn write_settings(server: &KnownServer, environment: &Environment) -> Result<PathBuf, CliError> {
    let folder = environment.runtime_folder();
    let path = folder.join(format!("claude-{}.json", std::process::id()));
    let mut env = std::collections::BTreeMap::from([
        ("ANTHROPIC_BASE_URL", server.base_url.clone()),
        ("ANTHROPIC_AUTH_TOKEN", server.token.expose().to_owned()),
    ]);
    if let Some(context) = server.context_min {
        env.insert("CLAUDE_CODE_MAX_CONTEXT_TOKENS", context.to_string());
        env.insert("CLAUDE_CODE_AUTO_COMPACT_WINDOW", context.to_string());
    }
    let write = || -> std::io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        // A file of an earlier process with this pid is void.
        let _ = std::fs::remove_file(&path);
        let mut file: File = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path)?;
        file.write_all(&serde_json::to_vec(&ClaudeSettings { env })?)
    };
    write().map_err(|error| Error::new(Code::StateFolder, format!("{}: {error}", path.display())).caused_by(error))?;
    Ok(path)
}
