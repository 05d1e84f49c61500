//! Which way a prompt takes: through the running server of the config, which has keys, rests and limits; else from here, by
//! the same decision and the same attempts; or to the built-in demo model.
//!
//! A running server is one more target to the driver, so that the answer is the same either way. Start with [`Way::find`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::args::RouteArgs;
use crate::audit::Log;
use crate::chat::request::{BlockKind, Role, Turn};
use crate::chat::{ChatRequest, Usage};
use crate::cli::known::{self, FULL_CHAT, FULL_MESSAGES, KnownServer, SERVER};
use crate::cli::{CliError, console, output, serve};
use crate::config::{self, Environment, Limits, Options};
use crate::dialect::{Dialect, Upstream, names::fresh_id};
use crate::error::{Code, Error};
use crate::history;
use crate::ledger;
use crate::provider::models::usd;
use crate::route::table::{Provider, Retry};
use crate::route::trial::{Asked, Cost, Trial};
use crate::route::{Decision, Facts, Health, Plan, Table, decide};
use crate::secret::Secret;
use crate::server::{control, memory};
use crate::upstream::blocking::{Call, Driver, Exchange, Post, Watcher, to_server};

/// What the ledger gets to write the entry.
const FLUSH_MAX: Duration = Duration::from_secs(5);
/// Tokens that are left for the answer when a conversation goes on; a small window leaves a quarter.
const ANSWER_ROOM: u64 = 4096;
const AGENT: &str = concat!("aimux-route/", env!("CARGO_PKG_VERSION"));

/// The way of this process's prompts.
pub(super) struct Way {
    kind: Kind,
    /// The config as far as it is known here.
    table: Table,
    limits: Limits,
    history: history::Settings,
    driver: Driver,
    /// The providers whose keys are open.
    opened: Vec<String>,
    /// What was typed for them: nobody is asked twice.
    passphrase: Option<Secret>,
}

enum Kind {
    /// Through the server: as a provider of each dialect, its control socket and its process.
    Served {
        messages: Arc<Provider>,
        chat: Arc<Provider>,
        socket: PathBuf,
        pid: u32,
    },
    /// From here.
    Direct {
        options: Options,
        memory: Option<PathBuf>,
    },
    Demo,
}

/// A request that is planned.
#[derive(Debug)]
pub(super) struct Planned {
    dialect: Dialect,
    facts: Facts,
    plan: Plan,
    /// How that came about; `None`: the server knows.
    decision: Option<Decision>,
    headers: HeaderMap,
}

impl Way {
    /// The way that the arguments and the running server leave.
    pub(super) fn find(args: &RouteArgs, path: Option<PathBuf>, environment: &Environment) -> Result<Self, CliError> {
        if args.demo {
            return Ok(Self::demo(start_demo()?));
        }
        let mut server = known::find(path.clone(), environment)?;
        let mut typed = None;
        let mut ask = || console::ask_passphrase().inspect(|passphrase| typed = Some(passphrase.clone()));
        let places = [&mut server.ledger.place, &mut server.history.place];
        server.database_key.open(environment, &known::store(environment), &mut ask, places);
        if server.status.is_some() && !args.direct {
            return Ok(Self::served(server)?);
        }
        // A running server writes its memory itself.
        let file = memory::path(&environment.state_folder(), &server.socket);
        let mut health = Health::default();
        memory::load(&file, &mut health);
        let memory = server.status.is_none().then_some(file);
        let KnownServer { table, limits, ledger, history, .. } = server;
        let settings = if args.no_log { ledger::Settings::off() } else { ledger };
        let kind = Kind::Direct { options: Options { path, listen: None }, memory };
        Ok(Self { passphrase: typed, ..Self::of(kind, table, limits, history, Driver::new(health, settings)) })
    }

    fn demo(address: SocketAddr) -> Self {
        let ready = serve::demo_config(address, None);
        Self::of(Kind::Demo, ready.table, ready.limits, ready.history, Driver::new(Health::default(), ready.ledger))
    }

    fn of(kind: Kind, table: Table, limits: Limits, history: history::Settings, driver: Driver) -> Self {
        Self { kind, table, limits, history, driver, opened: Vec::new(), passphrase: None }
    }

    fn served(server: KnownServer) -> Result<Self, Error> {
        let url = server.base_url()?;
        let provider = |dialect| known::as_provider(&url, server.token.clone(), dialect);
        let (messages, chat) = (provider(Dialect::AnthropicMessages), provider(Dialect::OpenAiChat));
        // How long its targets are waited for is the server's to say.
        let patience = server.table.retry.deadline.as_secs();
        let limits = Limits { first_byte_s: patience, first_byte_whole_s: patience, first_content_s: patience, ..server.limits };
        let driver = Driver::new(Health::default(), ledger::Settings::off());
        let pid = server.status.as_ref().map_or(0, |status| status.pid);
        let kind = Kind::Served { messages, chat, socket: server.socket, pid };
        Ok(Self::of(kind, server.table, limits, server.history, driver))
    }

    /// The config's providers and models; their keys are not needed to read it.
    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Where conversations are kept; the demo's never are.
    pub(super) fn history(&self) -> &history::Settings {
        &self.history
    }

    /// Whether a running server answers.
    pub(super) fn is_served(&self) -> bool {
        matches!(self.kind, Kind::Served { .. })
    }

    /// `server`, `direct` or `demo`.
    pub(super) fn word(&self) -> &'static str {
        match self.kind {
            Kind::Served { .. } => "server",
            Kind::Direct { .. } => "direct",
            Kind::Demo => "demo",
        }
    }

    /// Whether a target of the config has room for a request and an answer, by estimate. What is unknown has.
    pub(super) fn has_room(&self, request: &ChatRequest<'_>, headers: &[(HeaderName, HeaderValue)]) -> bool {
        let Ok((dialect, body)) = written(request, None) else { return true };
        let mut all: HeaderMap = headers.iter().cloned().collect();
        all.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
        let Ok((_, facts)) = Facts::read(dialect, &body, &all, self.limits.json_depth) else { return true };
        let tokens = facts.input_tokens;
        let is_roomy = |window: u64| tokens.saturating_add((window / 4).min(ANSWER_ROOM)) <= window;
        // Without what rests just now: a conversation is not folded because a large model is busy.
        match decide(&self.table, facts, &mut Health::default(), Instant::now()) {
            Ok(decision) => {
                body.len() <= self.limits.body_bytes && decision.plan.targets.iter().any(|to| to.info.context.is_none_or(is_roomy))
            }
            Err(refused) => refused.error(&self.table).code != Code::PromptTooLong,
        }
    }

    /// Decides where a request goes; a running server decides itself.
    ///
    /// # Errors
    /// When it goes nowhere, or is larger than a request may be.
    pub(super) fn plan(&self, request: &ChatRequest<'_>, headers: &[(HeaderName, HeaderValue)]) -> Result<Planned, Error> {
        let (dialect, body) = written(request, None)?;
        if body.len() > self.limits.body_bytes {
            return Err(super::attach::too_long("the request", self.limits.body_bytes));
        }
        let mut all: HeaderMap = headers.iter().cloned().collect();
        all.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
        let (_, facts) = Facts::read(dialect, &body, &all, self.limits.json_depth)?;
        let (plan, decision) = match &self.kind {
            Kind::Served { messages, chat, .. } => {
                let provider = if dialect == Dialect::AnthropicMessages { messages } else { chat };
                (to_server(Arc::clone(provider), &request.model), None)
            }
            Kind::Direct { .. } | Kind::Demo => {
                let decided = decide(&self.table, facts.clone(), &mut self.driver.health(), Instant::now());
                let decision = decided.map_err(|refused| refused.error(&self.table))?;
                (decision.plan.clone(), Some(decision))
            }
        };
        Ok(Planned { dialect, facts, plan, decision, headers: all })
    }

    /// Where a request would go, in words and figures, and who says so. With a client's headers; `dialect` is what it is said
    /// in, if not in the one that loses least.
    ///
    /// # Errors
    /// When it is no request, or the running server cannot be asked.
    pub(super) fn explain(
        &self,
        request: &ChatRequest<'_>,
        headers: &[(HeaderName, HeaderValue)],
        dialect: Option<Dialect>,
    ) -> Result<(Trial, String), Error> {
        let (dialect, body) = written(request, dialect)?;
        let mut all = HeaderMap::from_iter([(header::USER_AGENT, HeaderValue::from_static(AGENT))]);
        all.extend(headers.iter().cloned());
        match &self.kind {
            Kind::Served { socket, pid, .. } => {
                let trial = control::explain(socket, dialect, &all, &body)?;
                Ok((trial, format!("decided by the running server (pid {pid}), with all that it has learnt")))
            }
            Kind::Direct { .. } | Kind::Demo => {
                let asked = Asked { dialect, headers: &all, body: &body };
                let trial = Trial::of(&self.table, &mut self.driver.health(), &asked, self.limits.json_depth, Instant::now())?;
                Ok((trial, "decided here, with what is remembered of targets: what is busy, only a running server knows".to_owned()))
            }
        }
    }

    /// Refuses a request that may cost more than `most`, in millionths of a dollar, at one of its targets.
    ///
    /// # Errors
    /// With the estimate, or where a price is not known.
    pub(super) fn within(&self, planned: &Planned, most: u64) -> Result<(), Error> {
        let trial = Trial::by_facts(&self.table, &mut self.driver.health(), planned.facts.clone(), Instant::now());
        for Cost { target, input_micro_usd, output_tokens_max, most_micro_usd } in &trial.estimate.targets {
            let Some(cost) = most_micro_usd else {
                return Err(Error::new(Code::OverBudget, format!("the price of {target} is not known, so --max-cost cannot be kept"))
                    .hint("providers.NAME.models of the config says what a model costs"));
            };
            if *cost <= most {
                continue;
            }
            let input = input_micro_usd.unwrap_or(0);
            let per_token = cost.saturating_sub(input).div_ceil((*output_tokens_max).max(1)).max(1);
            let fits = most.saturating_sub(input) / per_token;
            let message = format!(
                "{target} may cost {}, more than --max-cost {}: {} for the input, the rest for {output_tokens_max} tokens of \
                output at most",
                usd(*cost),
                usd(most),
                usd(input)
            );
            let hint = if fits > 0 { format!("-o max_tokens={fits} would do") } else { "the input alone costs more".to_owned() };
            return Err(Error::new(Code::OverBudget, message).hint(hint));
        }
        Ok(())
    }

    /// Opens the keys that these requests may need; what was planned before is to be planned anew.
    pub(super) fn open(&mut self, planned: &[Planned], environment: &Environment) -> Result<(), CliError> {
        let Kind::Direct { options, .. } = &self.kind else { return Ok(()) };
        let targets = planned.iter().flat_map(|planned| &planned.plan.targets);
        let mut names: Vec<String> = targets.map(|target| target.provider.name.clone()).collect();
        if !self.opened.is_empty() && names.iter().all(|name| self.opened.contains(name)) {
            return Ok(());
        }
        names.append(&mut self.opened);
        names.sort();
        names.dedup();
        let store = known::store(environment);
        let mut typed = self.passphrase.clone();
        let mut ask = || match &typed {
            Some(passphrase) => Ok(passphrase.clone()),
            None => console::ask_passphrase().inspect(|passphrase| typed = Some(passphrase.clone())),
        };
        let ready = config::ready_for(options, environment, &store, &mut ask, &names)?;
        (self.table, self.opened, self.passphrase) = (ready.table, names, typed);
        self.driver.keep_in(store.unattended(), Log::new(&environment.state_folder(), "route"));
        Ok(())
    }

    /// Asks, and tells the watcher what comes.
    pub(super) fn ask(&self, request: &ChatRequest<'_>, planned: Planned, post: &Post, watcher: &mut dyn Watcher) -> Exchange {
        let Planned { dialect, facts, plan, decision, mut headers } = planned;
        if let Some(decision) = decision {
            decision.taken(&self.table, &mut self.driver.health());
        }
        let request_id = fresh_id("req_");
        if let Ok(id) = HeaderValue::try_from(&request_id) {
            headers.insert("x-request-id", id);
        }
        // A server has tried all that there is before it says no.
        let once = Table { retry: Retry { attempts_per_target: 1, ..self.table.retry.clone() }, ..Table::default() };
        let (table, headers) = if self.is_served() { (&once, Some(&headers)) } else { (&self.table, None) };
        let limits = &self.limits;
        self.driver.drive(&Call { table, limits, plan, facts, request, client: dialect, headers, request_id, post }, watcher)
    }

    /// Writes down what is to be remembered.
    pub(super) fn close(&self) {
        if !self.driver.flush(FLUSH_MAX) {
            output::error(&format!("aimux: warning: the request is missing in the ledger [{}]\n", Code::Ledger));
        }
        if let Kind::Direct { memory: Some(path), .. } = &self.kind {
            // Losing it costs a request to a target that rests.
            let _ = memory::keep(path, &self.driver.health());
        }
    }

    /// Who would be asked first for a model: `provider/model`. By the config alone, whatever rests.
    ///
    /// # Errors
    /// When nobody would be.
    pub(super) fn leads_to(&self, model: &str, headers: &[(HeaderName, HeaderValue)]) -> Result<String, Error> {
        let turns = vec![Turn { role: Role::User, name: None, blocks: vec![BlockKind::Text("hello".into()).into()] }];
        let request = ChatRequest { model: model.into(), turns, stream: true, ..ChatRequest::default() };
        let (dialect, body) = written(&request, None)?;
        let mut all = HeaderMap::from_iter([(header::USER_AGENT, HeaderValue::from_static(AGENT))]);
        all.extend(headers.iter().cloned());
        let (_, facts) = Facts::read(dialect, &body, &all, self.limits.json_depth)?;
        let decision = decide(&self.table, facts, &mut Health::default(), Instant::now()).map_err(|refused| refused.error(&self.table))?;
        let first = decision.plan.targets.first().map(|target| format!("{}/{}", target.provider.name, target.model));
        Ok(first.unwrap_or_else(|| model.to_owned()))
    }

    /// The window of a target, in tokens, where it is known.
    pub(super) fn window(&self, target: &str) -> Option<u64> {
        let (name, model) = target.split_once('/')?;
        self.table.providers.iter().find(|provider| provider.name == name)?.known(0, model).context
    }

    /// What so much costs at a target, in millionths of a dollar; `None`: its price is not known.
    pub(super) fn cost(&self, target: &str, usage: &Usage) -> Option<u64> {
        let (name, model) = target.split_once('/')?;
        let provider = self.table.providers.iter().find(|provider| provider.name == name)?;
        provider.known(0, model).price.micro_usd(usage)
    }
}

/// The request as a client would say it, in the dialect that loses least of it, or in one.
fn written(request: &ChatRequest<'_>, only: Option<Dialect>) -> Result<(Dialect, Bytes), Error> {
    let mut best: Option<(usize, Dialect, Bytes)> = None;
    let mut refused = None;
    let dialects = [(Dialect::AnthropicMessages, FULL_MESSAGES), (Dialect::OpenAiChat, FULL_CHAT)];
    for (dialect, quirks) in dialects.into_iter().filter(|(dialect, _)| only.is_none_or(|only| only == *dialect)) {
        let upstream = Upstream {
            provider: SERVER,
            model: &request.model,
            quirks: &quirks,
            output_max: None,
            sees_images: None,
            thinks: None,
            enforces_schemas: None,
            client: dialect,
        };
        let mut losses = Vec::new();
        match (dialect.codec().encode_request)(request, &upstream, &mut losses) {
            Ok((body, _)) if losses.is_empty() => return Ok((dialect, body)),
            Ok((body, _)) if best.as_ref().is_none_or(|(least, ..)| losses.len() < *least) => best = Some((losses.len(), dialect, body)),
            Ok(_) => {}
            Err(error) => refused = Some(error),
        }
    }
    match (best, refused) {
        (Some((_, dialect, body)), _) => Ok((dialect, body)),
        (None, error) => Err(Error::new(Code::Unsupported, error.map_or_else(|| "no dialect".to_owned(), |error| error.to_string()))),
    }
}

/// Starts the demo model in this process, on a thread of its own, which ends with it.
fn start_demo() -> Result<SocketAddr, Error> {
    let failed = |error: std::io::Error| Error::new(Code::CannotBind, "the demo upstream could not be started").caused_by(error);
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("demo".to_owned());
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return drop(tell.send(Err(failed(error)))),
        };
        runtime.block_on(async {
            let demo = serve::start_demo().await;
            let address = demo.as_ref().map(|demo| demo.address);
            let is_there = address.is_ok();
            let _ = tell.send(demo.as_ref().map(|demo| demo.address).map_err(|error| Error::new(error.code, error.message.clone())));
            if is_there {
                std::future::pending::<()>().await;
            }
        });
    };
    thread.spawn(work).map_err(failed)?;
    told.recv().unwrap_or_else(|_| Err(Error::new(Code::Bug, "the demo upstream ended at once")))
}
