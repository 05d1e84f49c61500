//! `aimux serve`: everything is checked before the address is bound.

mod demo;
mod signals;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::signal::unix::SignalKind;
use tokio::sync::oneshot;

use self::signals::{Hangup, Signals, reload_on_hangup};
use super::log::{self, LogArgs};
use super::{CliError, output};
use crate::config::{self, Environment, Options, Ready};
use crate::error::{Code, Error};
use crate::secret::Secret;
use crate::server::control::{self, Control, Status, Wishes};
use crate::server::handover::Taken;
use crate::server::notify::Notifier;
use crate::server::reload::Source;
use crate::server::stamp::Stamp;
use crate::server::{Leave, Server, memory, sockets, token};
use crate::upstream::Upstreams;
use crate::upstream::client::{ROOTS_VARIABLES, root_faults};

pub(crate) use self::demo::{demo_config, start_demo};

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
    /// Take the listening socket from standard input, as launchd and inetd pass it on
    #[arg(long, conflicts_with_all = ["listen", "passphrase_stdin"])]
    stdin_socket: bool,
    /// Serve in the background, and return when the server is ready; one that runs already is as good
    #[arg(long, conflicts_with_all = ["demo", "stdin_socket", "passphrase_stdin"])]
    background: bool,
    /// End when standard input does: a bench's own server ends with it, however it ends
    #[arg(long, hide = true, conflicts_with_all = ["stdin_socket", "passphrase_stdin", "background"])]
    until_stdin_closes: bool,
    /// Leave the session of the command that starts it, for a client
    #[arg(long, hide = true)]
    on_demand: bool,
    /// The same, for an operator
    #[arg(long, hide = true)]
    detached: bool,
    /// Take the place of the server that runs
    #[arg(long, hide = true, conflicts_with_all = ["demo", "stdin_socket"])]
    take_over: bool,
    #[command(flatten)]
    log: LogArgs,
}

/// Serves until a signal ends it.
pub(crate) fn run(args: ServeArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    if args.background {
        return super::restart::background(args.listen, &args.log, path, environment);
    }
    super::dumps::forbid_for_good();
    log::start(&args.log, environment)?;
    if args.until_stdin_closes {
        end_with_stdin();
    }
    if args.on_demand || args.detached {
        // The leader of a session already is one: nothing to leave.
        let _ = rustix::process::setsid();
    }
    // Where the system gives huge pages unasked, each buffer of a stream would cost a multiple of itself. Not vital.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    // Before there are threads: variables are removed.
    let passed = passed_sockets(&args, environment)?;
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
    // From here on the other one waits for us, and not for long.
    let taken = if args.take_over { Some(control::take_over(&socket)?) } else { None };
    let begun = Begun { ready, token, passed, taken, notifier: Arc::new(Notifier::of(environment)) };
    let (ended, upstreams) = runtime.block_on(serve(begun, &socket, &args, source))?;
    // What is cut off here is settled before the ledger is written for the last time.
    runtime.shutdown_timeout(SHUTDOWN_MAX);
    if let Some(ledger) = upstreams.ledger().as_deref()
        && !ledger.flush(FLUSH_MAX)
    {
        tracing::warn!(code = %Code::Ledger, requests = ledger.counters().queued, "the last requests are missing in the ledger");
    }
    Ok(ExitCode::from(ended.exit()))
}

/// Ends this process when nobody can write to its standard input any more.
pub(crate) fn end_with_stdin() {
    std::thread::spawn(|| {
        // Nothing is ever written there.
        let _ = std::io::Read::read(&mut std::io::stdin(), &mut [0; 1]);
        std::process::exit(0);
    });
}

/// The sockets that are listened on already, by whoever started this server.
fn passed_sockets(args: &ServeArgs, environment: &Environment) -> Result<Vec<TcpListener>, Error> {
    if args.stdin_socket {
        return sockets::of_stdin().map(|socket| vec![socket]);
    }
    let passed = sockets::of_manager(environment)?;
    if let (Some(listen), false) = (args.listen, passed.is_empty()) {
        return Err(Error::new(Code::Usage, format!("the service manager has opened the socket, and --listen is {listen}"))
            .hint("leave --listen out: the unit of the socket has the address"));
    }
    Ok(passed)
}

/// What the tasks that are left get to end, once the server has.
const SHUTDOWN_MAX: Duration = Duration::from_secs(1);
/// Sessions that a status has.
const SESSIONS_SHOWN: usize = 50;
/// What the ledger gets to write its last entries.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// How long a server stays without a connection when a service manager keeps its socket, and starts it again at the next one.
const IDLE_EXIT: Duration = Duration::from_secs(30 * 60);

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

/// What a server begins with.
struct Begun {
    ready: Ready,
    token: Secret,
    /// The sockets that it was given; none: it opens its own.
    passed: Vec<TcpListener>,
    /// What the server before gives away.
    taken: Option<Taken>,
    notifier: Arc<Notifier>,
}

/// Whether sockets that listen on these addresses are what the config wants.
fn is_wanted(listeners: &[TcpListener], listen: SocketAddr) -> bool {
    let addresses: Vec<SocketAddr> = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    addresses.iter().any(|address| *address == listen || (listen.port() == 0 && address.ip() == listen.ip()))
}

/// `source`: what the config came from, and how that looked before; `None`: it never changes.
async fn serve(
    begun: Begun,
    socket: &Path,
    args: &ServeArgs,
    source: Option<(Source, Stamp)>,
) -> Result<(Ended, Arc<Upstreams>), CliError> {
    let Begun { ready, token, mut passed, mut taken, notifier } = begun;
    let wishes = Arc::new(Wishes::default());
    let mut signals = Signals::catch()?;
    let idle_exit = if passed.is_empty() { Duration::ZERO } else { IDLE_EXIT };
    let drain = Duration::from_secs(ready.limits.drain_stream_s.max(ready.limits.drain_s)) + SHUTDOWN_MAX + FLUSH_MAX;
    if let Some(taken) = &mut taken {
        let listeners = std::mem::take(&mut taken.listeners);
        if is_wanted(&listeners, ready.server.listen) {
            passed = listeners;
        }
    }
    let server = match passed.is_empty() {
        true => Server::bind(ready, token.clone()).await?,
        false => Server::adopt(passed, ready, token.clone()).await?,
    };
    let address = server.address().map_err(|error| Error::new(Code::CannotBind, "the address is unknown").caused_by(error))?;
    let config = source.as_ref().map(|(source, _)| config::usual(&source.options, &source.environment));
    let hangup = Hangup::catch()?;
    let control = match taken {
        Some(taken) => {
            let settled = tokio::task::spawn_blocking(|| taken.settle()).await;
            let (listener, lock) = settled.map_err(|error| Error::new(Code::Bug, "the handover broke off").caused_by(error))??;
            Control::inherit(socket, listener, lock)?
        }
        None => Control::open(socket, config.as_deref())?,
    };
    if let Some((source, _)) = &source {
        // The lock is ours: nobody else writes it.
        server.remember(memory::path(&source.environment.state_folder(), socket));
    }
    let (client, upstreams) = (server.client(), server.upstreams());
    let (on_demand, listen, is_managed) = (args.on_demand, args.listen, notifier.is_there());
    let (tasks, known) = (server.tasks(), server.upstreams());
    let status = move || {
        let (version, pid) = (env!("CARGO_PKG_VERSION").to_owned(), std::process::id());
        let sessions = known.health().sessions(SESSIONS_SHOWN, Instant::now());
        let (connections, tasks) = (client.counters(), tasks());
        Status { version, pid, address, on_demand, is_managed, hands_over: true, listen, connections, tasks, sessions }
    };
    let reloader = source.map(|(source, stamp)| (server.reloader(source), stamp));
    let voice = server.voice();
    let control =
        tokio::spawn(control.serve(status, voice, Arc::clone(&wishes), reloader.as_ref().map(|(reloader, _)| Arc::clone(reloader))));
    if let Some((reloader, stamp)) = reloader {
        tokio::spawn(reload_on_hangup(hangup, Arc::clone(&reloader), Arc::clone(&wishes), Arc::clone(&notifier)));
        tokio::spawn(Arc::clone(&reloader).renew_ahead());
        tokio::spawn(reloader.watch(stamp));
    }
    let (mut idle, pulse) = (std::pin::pin!(server.idle(idle_exit)), server.pulse());
    let watched = Arc::clone(&notifier);
    tokio::spawn(async move { watched.live(pulse).await });
    let (ask, asked) = oneshot::channel();
    let mut running = std::pin::pin!(server.run(async {
        // A sender that is gone cannot happen before the end, and would be one.
        asked.await.unwrap_or(Leave::Stop)
    }));
    notifier.ready(&format!("serving on http://{address}"));
    output::announce(&format!("{}{address}\n", super::known::READY));
    if args.demo {
        let url = format!("http://{address}");
        output::announce("This is the built-in demo model. For Claude Code, paste these lines, then run `claude`:\n");
        output::announce(&super::env::shell_lines(super::env::Shell::Bash, &url, &token));
    }
    let drained = |is_whole| if is_whole { Ended::Drained } else { Ended::Cut };
    let leave = tokio::select! {
        is_whole = &mut running => return Ok((drained(is_whole), upstreams)),
        _ = signals.next() => Leave::Stop,
        () = wishes.stop.notified() => Leave::Stop,
        () = wishes.handed_over.notified() => {
            tracing::info!("another server has taken over");
            Leave::HandedOver
        }
        () = &mut idle => {
            tracing::info!("nobody is connected: the server ends");
            Leave::Idle
        }
    };
    notifier.stopping(drain);
    // Whoever received it is the server, which runs.
    let _ = ask.send(leave);
    let ended = tokio::select! {
        is_whole = &mut running => drained(is_whole),
        kind = signals.next() => Ended::Forced(kind),
    };
    control.abort();
    Ok((ended, upstreams))
}
