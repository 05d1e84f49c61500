//! `aimux serve`: everything is checked before the address is bound.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use super::log::{self, LogFormat};
use super::{CliError, output};
use crate::config::{Environment, Limits, Options, Ready};
use crate::dialect::{Dialect, Quirks};
use crate::error::{Code, Error};
use crate::history;
use crate::ledger;
use crate::provider::{Auth, Check};
use crate::route::glob::Glob;
use crate::route::sticky::Sticky;
use crate::route::table::{Choice, Endpoint, ModelEntry, Provider, Table, TargetRef};
use crate::secret::Secret;
use crate::server::control::{self, Control, Status};
use crate::server::reload::{Reloader, Source, Trigger};
use crate::server::stamp::Stamp;
use crate::server::{Server, memory, token};
use crate::upstream::Upstreams;
use crate::upstream::client::{ROOTS_VARIABLES, root_faults};
use crate::{config, demo};

/// Arguments of `aimux serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The address to listen on, instead of the config's, such as 127.0.0.1:8080; IPv6 in brackets; port 0 takes a free one
    #[arg(long, value_name = "ADDR", value_parser = config::listen_address)]
    listen: Option<SocketAddr>,
    /// Serve a built-in demo model: needs no config, account or key
    #[arg(long)]
    demo: bool,
    /// Read the passphrase of the identity from standard input
    #[arg(long, hide = true)]
    passphrase_stdin: bool,
    /// Leave the session of the command that starts it
    #[arg(long, hide = true)]
    on_demand: bool,
    /// What the log on standard error shows: `warn`, `aimux=debug` [env: AIMUX_LOG] [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// The log's form [env: AIMUX_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "FORM", value_enum)]
    log_format: Option<LogFormat>,
}

/// Serves until a signal ends it.
pub(crate) fn run(args: ServeArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    super::dumps::forbid_for_good();
    log::start(args.log.as_deref(), args.log_format, environment)?;
    if args.on_demand {
        // The leader of a session already is one: nothing to leave.
        let _ = rustix::process::setsid();
    }
    // Where the system gives huge pages unasked, each buffer of a stream would cost a multiple of itself. Not vital.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let keys = super::known::store(environment).remembering();
    let options = Options { path, listen: args.listen };
    // After the start nobody waits at the terminal for what a plugin asks.
    let source = Source { options: options.clone(), environment: environment.clone(), store: keys.clone().unattended() };
    let stamp = Stamp::take(&source);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(Code::Bug, "the async runtime could not be started").caused_by(error))?;
    let demo = if args.demo { Some(runtime.block_on(start_demo())?) } else { None };
    let ready = match &demo {
        Some(demo) => demo_config(demo.address, args.listen),
        None if args.passphrase_stdin => config::ready(&options, environment, &keys, &mut super::console::piped_passphrase)?,
        None => config::ready(&options, environment, &keys, &mut super::console::ask_passphrase)?,
    };
    for note in &ready.notes {
        output::error(&format!("{}\n", output::printable(note.trim_end())));
    }
    let token = match &ready.server.token {
        Some(token) => token.clone(),
        None => token::load_or_make(&environment.state_folder())?,
    };
    let runtime_folder = environment.runtime_folder();
    let socket = match &demo {
        Some(_) => control::demo_socket_path(&runtime_folder),
        None => control::socket_path(&runtime_folder, &config::usual(&options, environment)),
    };
    if ready.table.providers.iter().flat_map(|provider| &provider.endpoints).any(|endpoint| endpoint.base_url.starts_with("https:")) {
        let variables: Vec<_> = ROOTS_VARIABLES.into_iter().filter_map(|name| Some((name, environment.set(name)?.to_owned()))).collect();
        // Beside the start, which does not wait for files.
        runtime.spawn_blocking(move || {
            for fault in variables.iter().flat_map(|(name, value)| root_faults(name, value)) {
                tracing::warn!("{fault}; without any, the built-in ones are used");
            }
        });
    }
    let source = (!args.demo).then_some((source, stamp));
    let (ended, upstreams) = runtime.block_on(serve(ready, token, &socket, &args, source))?;
    // What is cut off here is settled before the ledger is written for the last time.
    runtime.shutdown_timeout(SHUTDOWN_MAX);
    if let Some(ledger) = upstreams.ledger().as_deref()
        && !ledger.flush(FLUSH_MAX)
    {
        tracing::warn!(code = %Code::Ledger, requests = ledger.counters().queued, "the last requests are missing in the ledger");
    }
    Ok(ExitCode::from(ended.exit()))
}

/// What the tasks that are left get to end, once the server has.
const SHUTDOWN_MAX: Duration = Duration::from_secs(1);
/// Sessions that a status has.
const SESSIONS_SHOWN: usize = 50;
/// What the ledger gets to write its last entries.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// How a server ended.
#[derive(Debug, Clone, Copy)]
enum Ended {
    /// Every request was answered.
    Drained,
    /// Some were not, within `limits.drain_s`.
    Cut,
    /// A second signal would not wait for them.
    Forced(SignalKind),
}

impl Ended {
    fn exit(self) -> u8 {
        match self {
            Self::Drained => 0,
            Self::Cut => 143,
            Self::Forced(kind) => u8::try_from(kind.as_raw_value()).map_or(143, |number| number.saturating_add(128)),
        }
    }
}

/// SIGHUP: a wish for a reload, and what a terminal that closes leaves to its programs.
struct Hangup {
    signal: Signal,
    had_terminal: bool,
}

impl Hangup {
    fn catch() -> Result<Self, Error> {
        let signal = signal(SignalKind::hangup()).map_err(|error| Error::new(Code::Bug, "signals cannot be caught").caused_by(error))?;
        Ok(Self { signal, had_terminal: has_terminal() })
    }
}

/// Whether this process has a terminal that it would end with.
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Reloads at each SIGHUP; where its terminal has gone, the server ends with it.
async fn reload_on_hangup(mut hangup: Hangup, reloader: Arc<Reloader>, stop: Arc<Notify>) {
    while hangup.signal.recv().await.is_some() {
        if hangup.had_terminal && !has_terminal() {
            stop.notify_one();
            return;
        }
        // The log says what came of it.
        let _ = reloader.reload(Trigger::Signal, Duration::ZERO).await;
    }
}

/// The signals that end a server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> Result<Self, Error> {
        let caught = |kind| signal(kind).map_err(|error| Error::new(Code::Bug, "signals cannot be caught").caused_by(error));
        Ok(Self { terminate: caught(SignalKind::terminate())?, interrupt: caught(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        }
    }
}

/// `source`: what the config came from, and how that looked before; `None`: it never changes.
async fn serve(
    ready: Ready,
    token: Secret,
    socket: &Path,
    args: &ServeArgs,
    source: Option<(Source, Stamp)>,
) -> Result<(Ended, Arc<Upstreams>), CliError> {
    let stop = Arc::new(Notify::new());
    let mut signals = Signals::catch()?;
    let mut server = Server::bind(ready, token.clone()).await?;
    let address = server.address().map_err(|error| Error::new(Code::CannotBind, "the address is unknown").caused_by(error))?;
    let control = Control::open(socket)?;
    if let Some((source, _)) = &source {
        // The lock is ours: nobody else writes it.
        server.remember(memory::path(&source.environment.state_folder(), socket));
    }
    let (client, on_demand, upstreams) = (server.client(), args.on_demand, server.upstreams());
    let (tasks, known) = (server.tasks(), server.upstreams());
    let status = move || {
        let (version, pid) = (env!("CARGO_PKG_VERSION").to_owned(), std::process::id());
        let sessions = known.health().sessions(SESSIONS_SHOWN, Instant::now());
        Status { version, pid, address, on_demand, connections: client.counters(), tasks: tasks(), sessions }
    };
    let reloader = source.map(|(source, stamp)| (server.reloader(source), stamp));
    let voice = server.voice();
    let control =
        tokio::spawn(control.serve(status, voice, Arc::clone(&stop), reloader.as_ref().map(|(reloader, _)| Arc::clone(reloader))));
    if let Some((reloader, stamp)) = reloader {
        tokio::spawn(reload_on_hangup(Hangup::catch()?, Arc::clone(&reloader), Arc::clone(&stop)));
        tokio::spawn(Arc::clone(&reloader).renew_ahead());
        tokio::spawn(reloader.watch(stamp));
    }
    output::announce(&format!("{}{address}\n", super::known::READY));
    if args.demo {
        let url = format!("http://{address}");
        output::announce("This is the built-in demo model. For Claude Code, paste these lines, then run `claude`:\n");
        output::announce(&super::env::shell_lines(super::env::Shell::Bash, &url, &token));
    }
    let (ask, asked) = tokio::sync::oneshot::channel();
    let mut running = std::pin::pin!(server.run(async {
        // A sender that is gone cannot happen before the end, and would be one.
        let _ = asked.await;
    }));
    let drained = |is_whole| if is_whole { Ended::Drained } else { Ended::Cut };
    tokio::select! {
        is_whole = &mut running => return Ok((drained(is_whole), upstreams)),
        _ = signals.next() => {}
        () = stop.notified() => {}
    }
    // Whoever received it is the server, which runs.
    let _ = ask.send(());
    let ended = tokio::select! {
        is_whole = &mut running => drained(is_whole),
        kind = signals.next() => Ended::Forced(kind),
    };
    control.abort();
    Ok((ended, upstreams))
}

pub(super) async fn start_demo() -> Result<demo::Demo, Error> {
    demo::start().await.map_err(|error| Error::new(Code::CannotBind, "the demo upstream could not be started").caused_by(error))
}

/// The config of `--demo`: one provider, the built-in upstream, for every model name.
pub(super) fn demo_config(demo: SocketAddr, listen: Option<SocketAddr>) -> Ready {
    let endpoint = Endpoint {
        dialect: Dialect::OpenAiChat,
        base_url: format!("http://{demo}/v1"),
        auth: Auth::None,
        quirks: Quirks::CHAT,
        check: Check::usual(Dialect::OpenAiChat),
    };
    let provider = Provider {
        name: "demo".to_owned(),
        endpoints: vec![endpoint],
        keys: Vec::new(),
        catalog: "",
        facts: Vec::new(),
        region: String::new(),
        data: Vec::new(),
        models: vec!["demo".to_owned()],
        headers: Vec::new(),
        query: String::new(),
        limits: Default::default(),
        key_limits: Default::default(),
        http2: false,
        oauth: None,
    };
    let entry = |name: &str| ModelEntry {
        name: Glob::new(name),
        targets: vec![TargetRef { provider: 0, model: "demo".to_owned() }],
        choice: Choice::default(),
    };
    let table = Table {
        providers: vec![Arc::new(provider)],
        models: vec![entry("claude-*"), entry("*")],
        sticky: Some(Sticky::default()),
        ..Table::default()
    };
    let listen = listen.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, config::DEFAULT_PORT).into());
    Ready {
        path: None,
        server: config::Server { listen, token: None, hosts: Vec::new(), watch: false },
        limits: Limits::default(),
        table,
        ledger: ledger::Settings::off(),
        history: history::Settings::off(),
        notes: Vec::new(),
        written: Vec::new(),
    }
}
