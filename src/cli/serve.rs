//! `aimux serve`: everything is checked before the address is bound.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::{CliError, output};
use crate::config::{Environment, Limits, Options, Ready};
use crate::dialect::{Dialect, Quirks};
use crate::error::{Code, Error};
use crate::keys::Store;
use crate::provider::Auth;
use crate::route::glob::Glob;
use crate::route::table::{Endpoint, ModelEntry, Provider, Table, TargetRef};
use crate::server::control::{self, Control, Status};
use crate::server::{Server, token};
use crate::{config, demo};

/// Arguments of `aimux serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The address to listen on, instead of the config's
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Serve a built-in demo model: needs no config, account or key
    #[arg(long)]
    demo: bool,
    /// Read the passphrase of the identity from standard input
    #[arg(long, hide = true)]
    passphrase_stdin: bool,
    /// What the log shows, as in `aimux=debug`
    #[arg(long, value_name = "FILTER", env = "AIMUX_LOG", default_value = "info")]
    log: String,
    /// The log's form
    #[arg(long, value_enum, env = "AIMUX_LOG_FORMAT", default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Serves until a signal ends it.
pub(crate) fn run(args: ServeArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    start_log(&args)?;
    let keys = Store::new(&environment.config_folder(), environment.get("AIMUX_IDENTITY").map(std::path::Path::new));
    let options = Options { path, listen: args.listen };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(Code::Bug, "the async runtime could not be started").caused_by(error))?;
    let demo = if args.demo { Some(runtime.block_on(start_demo())?) } else { None };
    let ready = match &demo {
        Some(demo) => demo_config(demo, args.listen),
        None if args.passphrase_stdin => config::ready(&options, environment, &keys, &mut super::keys::piped_passphrase)?,
        None => config::ready(&options, environment, &keys, &mut super::keys::ask_passphrase)?,
    };
    for note in &ready.notes {
        output::error(&format!("{}\n", note.trim_end()));
    }
    let token = match &ready.server.token {
        Some(token) => token.clone(),
        None => token::load_or_make(&environment.state_folder())?,
    };
    let socket = control::socket_path(
        &environment.runtime_folder(),
        if args.demo { Some(std::path::Path::new("demo")) } else { ready.path.as_deref() },
    );
    let is_whole = runtime.block_on(serve(ready, token, &socket, args.demo))?;
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(143) })
}

async fn serve(ready: Ready, token: crate::secret::Secret, socket: &std::path::Path, is_demo: bool) -> Result<bool, CliError> {
    let stop = Arc::new(Notify::new());
    let interrupted = |kind| signal(kind).map_err(|error| Error::new(Code::Bug, "signals cannot be caught").caused_by(error));
    let (mut terminated, mut interrupted) = (interrupted(SignalKind::terminate())?, interrupted(SignalKind::interrupt())?);
    let server = Server::bind(ready, token.clone()).await?;
    let address = server.address().map_err(|error| Error::new(Code::CannotBind, "the address is unknown").caused_by(error))?;
    let control = Control::open(socket)?;
    let status = Status { version: env!("CARGO_PKG_VERSION").to_owned(), pid: std::process::id(), address };
    let control = tokio::spawn(control.serve(status, Arc::clone(&stop)));
    output::print(&format!("aimux is ready on http://{address}\n"));
    if is_demo {
        let url = format!("http://{address}");
        output::print("This is the built-in demo model. For Claude Code, paste these lines, then run `claude`:\n");
        output::print(&super::env::shell_lines(super::env::Shell::Bash, &url, &token));
    }
    let is_whole = server
        .run(async {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = interrupted.recv() => {}
                () = stop.notified() => {}
            }
        })
        .await;
    control.abort();
    Ok(is_whole)
}

async fn start_demo() -> Result<demo::Demo, Error> {
    demo::start().await.map_err(|error| Error::new(Code::CannotBind, "the demo upstream could not be started").caused_by(error))
}

/// The config of `--demo`: one provider, the built-in upstream, for every model name.
fn demo_config(demo: &demo::Demo, listen: Option<SocketAddr>) -> Ready {
    let endpoint =
        Endpoint { dialect: Dialect::OpenAiChat, base_url: format!("http://{}/v1", demo.address), auth: Auth::None, quirks: Quirks::CHAT };
    let provider = Provider {
        name: "demo".to_owned(),
        endpoints: vec![endpoint],
        keys: Vec::new(),
        catalog: "",
        models: vec!["demo".to_owned()],
        headers: Vec::new(),
        concurrent_max: None,
        requests_per_minute: None,
        http2: false,
    };
    let entry = |name: &str| ModelEntry { name: Glob::new(name), targets: vec![TargetRef { provider: 0, model: "demo".to_owned() }] };
    let table = Table { providers: vec![Arc::new(provider)], models: vec![entry("claude-*"), entry("*")], ..Table::default() };
    let listen = listen.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, config::DEFAULT_PORT).into());
    Ready {
        path: None,
        server: config::Server { listen, token: None, hosts: Vec::new() },
        limits: Limits::default(),
        table,
        notes: Vec::new(),
    }
}

fn start_log(args: &ServeArgs) -> Result<(), Error> {
    let filter = tracing_subscriber::EnvFilter::try_new(&args.log)
        .map_err(|error| Error::new(Code::Usage, format!("the log filter {:?} is not one: {error}", args.log)))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match args.log_format {
        LogFormat::Text => builder.with_ansi(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}
