//! `aimux run`: a client with its environment set for aimux, and a server started for it when none runs.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};

use clap::{Args, ValueEnum};

use super::known::KnownServer;
use super::{CliError, claude, clients, known, serve};
use crate::config::{Environment, Ready};
use crate::error::{Code, Error};
use crate::server::{control, token};

/// Arguments of `aimux run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  aimux run claude\n  aimux run claude -- -p 'What is in this folder?'\n  aimux run --demo claude\n  aimux run aider -- --model openai/glm-5.1\n\nThe exit code is the client's; 128 + n when signal n ended it."
)]
pub(crate) struct RunArgs {
    /// The client
    #[arg(value_enum)]
    client: Client,
    /// Have the built-in demo model answer: needs no config, account or key, and ends with the client
    #[arg(long)]
    demo: bool,
    /// Its own arguments, after `--`
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<std::ffi::OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Client {
    /// Claude Code
    Claude,
    /// opencode
    Opencode,
    /// aider
    Aider,
    /// Codex, which aimux does not serve yet
    Codex,
    /// Gemini CLI, which aimux does not serve yet
    Gemini,
}

/// Runs the client and passes its exit code on.
pub(crate) fn run(args: RunArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    // A client that is missing, or cannot be served, is no reason to start a server.
    let program = match args.client {
        Client::Claude => claude::program(environment)?,
        Client::Opencode => claude::find(environment, "opencode", "install opencode, or add its folder to PATH")?,
        Client::Aider => claude::find(environment, "aider", "install aider, or add its folder to PATH")?,
        Client::Codex => return Err(unserved("Codex", "the Responses API").into()),
        Client::Gemini => return Err(unserved("Gemini CLI", "the Gemini API").into()),
    };
    // What was started for this client alone ends where it goes out of scope.
    let (server, _started) = match args.demo {
        true => demo(environment)?,
        false => (known::find(path.clone(), environment)?.running(path.as_deref(), environment)?, None),
    };
    server.hold();
    match args.client {
        Client::Opencode => clients::opencode(&program, &server, args.args, environment),
        Client::Aider => clients::aider(&program, &server, args.args),
        _ => claude::run(&program, &server, args.args, environment),
    }
}

/// The server of the built-in model: one that runs already, or one of this command.
fn demo(environment: &Environment) -> Result<(KnownServer, Option<Started>), Error> {
    let socket = control::demo_socket_path(&environment.runtime_folder());
    let started = if control::status(&socket).is_none() { Some(Started::new(&socket, environment)?) } else { None };
    let Some(status) = control::status(&socket) else { return Err(unstarted(environment)) };
    let Ready { table, limits, ledger, history, database_key, server, .. } = serve::demo_config(status.address, None);
    let token = token::load_or_make(&environment.state_folder())?;
    Ok((KnownServer { token, table, limits, ledger, history, database_key, socket, status: Some(status), listen: server.listen }, started))
}

/// A demo that ends with this.
struct Started {
    child: Child,
    socket: PathBuf,
    /// It may write more there, and would end if nobody could read it.
    _said: Option<BufReader<ChildStdout>>,
}

impl Started {
    /// In a session of its own: what is typed at the client does not end it.
    fn new(socket: &Path, environment: &Environment) -> Result<Self, Error> {
        let failed = |error: std::io::Error| unstarted(environment).caused_by(error);
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.args(["serve", "--demo", "--on-demand", "--listen", "127.0.0.1:0", "--log-file"]).arg(known::log_path(environment));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).current_dir("/").spawn().map_err(failed)?;
        let mut said = child.stdout.take().map(BufReader::new);
        let mut line = String::new();
        if let Some(said) = &mut said {
            said.read_line(&mut line).map_err(failed)?;
        }
        let started = Self { child, socket: socket.to_owned(), _said: said };
        if line.starts_with(known::READY) { Ok(started) } else { Err(unstarted(environment)) }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Who cannot be asked is ended.
        if control::stop(&self.socket).is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

fn unstarted(environment: &Environment) -> Error {
    Error::new(Code::CannotBind, "the demo could not be started").hint(format!("its log is {}", known::log_path(environment).display()))
}

fn unserved(client: &str, api: &str) -> Error {
    Error::new(Code::Unsupported, format!("{client} speaks {api} alone, which aimux does not serve yet"))
        .hint("aimux runs claude, opencode and aider; other programs can be given its address: `aimux env`")
}
