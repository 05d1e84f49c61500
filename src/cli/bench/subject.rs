//! Who is measured: a target asked directly, and through aimux.
//!
//! Both are targets to the same code: a running aimux is one more provider, as for `aimux route`. The direct one is the first
//! target of the config's own decision. Start with [`Subjects::find`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::ValueEnum;
use http::HeaderMap;

use super::process::{Listening, TOKEN};
use super::scenario::Scenario;
use crate::cli::known::{self, as_provider};
use crate::cli::{CliError, console, serve};
use crate::config::{self, Environment, Options};
use crate::demo::Demo;
use crate::dialect::Dialect;
use crate::error::{Code, Error};
use crate::provider::models::Price;
use crate::route::trial::Trial;
use crate::route::{Facts, Health, Table, Target, decide};
use crate::secret::Secret;
use crate::upstream::Written;
use crate::upstream::blocking::to_server;

/// The deepest nesting of our own requests.
const DEPTH_MAX: usize = 64;

/// The ways to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Via {
    /// Through the config's server, which is started if none runs
    Aimux,
    /// From here to the provider
    Direct,
    /// Both in turn: what aimux adds is told from pairs
    Both,
}

impl Via {
    fn is_direct(self) -> bool {
        self != Self::Aimux
    }

    fn is_aimux(self) -> bool {
        self != Self::Direct
    }
}

/// One target and the ways to it.
pub(super) struct Subject {
    /// As it was asked for.
    pub(super) name: String,
    /// `provider/model`: the one that is asked directly.
    pub(super) target: String,
    /// The ways, `direct` first.
    pub(super) sides: Vec<Side>,
    /// What one request costs at most, in millionths of a dollar; `None`: a price is not known.
    pub(super) most_micro_usd: Option<u64>,
    /// Tokens of input of a request, by estimate.
    pub(super) input_tokens: u64,
    /// What the target's tokens cost.
    pub(super) price: Price,
}

/// A way to a target.
pub(super) struct Side {
    /// `direct` or `aimux`.
    pub(super) via: &'static str,
    /// The requests, to be made in turn.
    pub(super) written: Arc<[Written]>,
}

/// Everything that is measured in one run, and what must live as long.
pub(super) struct Subjects {
    /// The targets.
    pub(super) all: Vec<Subject>,
    /// The process of the aimux that is measured.
    pub(super) pid: Option<u32>,
    _demo: Option<Demo>,
    _aimux: Option<Listening>,
}

/// What is looked for.
pub(super) struct Wanted<'a> {
    /// Models, as clients name them; none: the config's main one.
    pub(super) targets: &'a [String],
    pub(super) via: Via,
    /// What is spoken to aimux.
    pub(super) client: Dialect,
    pub(super) is_demo: bool,
}

/// The aimux that is asked.
struct Server {
    url: String,
    token: Secret,
}

impl Subjects {
    /// Finds the targets, opens the keys that are needed, and writes the requests.
    ///
    /// # Errors
    /// When a target is not known, a key cannot be had, or no server can be found.
    pub(super) async fn find(
        wanted: &Wanted<'_>,
        scenario: &Scenario,
        path: Option<PathBuf>,
        environment: &Environment,
    ) -> Result<Self, CliError> {
        if wanted.is_demo {
            let demo = serve::start_demo().await?;
            return Ok(Self::demo(wanted, scenario, demo)?);
        }
        let server = known::find(path.clone(), environment)?;
        let mut pid = None;
        let (mut table, asked) = if wanted.via.is_aimux() {
            let server = server.running(path.as_deref(), environment)?;
            pid = server.status.as_ref().map(|status| status.pid);
            let asked = Server { url: server.base_url()?, token: server.token.clone() };
            (server.table, Some(asked))
        } else {
            (server.table, None)
        };
        let names = names(wanted, &table)?;
        if wanted.via.is_direct() {
            let mut providers = Vec::new();
            for name in &names {
                providers.push(first_target(&table, scenario, name, wanted.client)?.0.provider.name.clone());
            }
            providers.dedup();
            let options = Options { path, listen: None };
            table = config::ready_for(&options, environment, &known::store(environment), &mut console::ask_passphrase, &providers)?.table;
        }
        let all = names.iter().map(|name| subject(wanted, scenario, &table, asked.as_ref(), name)).collect::<Result<_, _>>()?;
        Ok(Self { all, pid, _demo: None, _aimux: None })
    }

    fn demo(wanted: &Wanted<'_>, scenario: &Scenario, demo: Demo) -> Result<Self, Error> {
        let table = serve::demo_config(demo.address, None).table;
        let aimux = if wanted.via.is_aimux() { Some(demo_server(demo.address)?) } else { None };
        let asked = aimux.as_ref().map(|aimux| Server { url: format!("http://{}", aimux.address), token: Secret::new(TOKEN.to_owned()) });
        let subject = subject(wanted, scenario, &table, asked.as_ref(), "demo/demo")?;
        Ok(Self { all: vec![subject], pid: aimux.as_ref().map(Listening::pid), _demo: Some(demo), _aimux: aimux })
    }
}

fn demo_server(demo: SocketAddr) -> Result<Listening, Error> {
    Listening::aimux(&format!("  demo: {{ dialect: openai-chat, base_url: 'http://{demo}/v1' }}\n"), None)
}

/// The models to measure.
fn names(wanted: &Wanted<'_>, table: &Table) -> Result<Vec<String>, Error> {
    if !wanted.targets.is_empty() {
        return Ok(wanted.targets.to_vec());
    }
    let main = table.providers.iter().find_map(|provider| Some(format!("{}/{}", provider.name, provider.models.first()?)));
    main.map(|name| vec![name])
        .ok_or_else(|| Error::new(Code::Usage, "nothing says which model to measure").hint("name one; `aimux models` lists them"))
}

/// The first target of a name, and what a request costs at most, wherever it goes.
fn first_target(table: &Table, scenario: &Scenario, name: &str, client: Dialect) -> Result<(Target, Option<u64>, u64), Error> {
    let nobody = through(scenario, &Server { url: "http://127.0.0.1:9".to_owned(), token: Secret::new(String::new()) }, name, client)?;
    let longest = nobody.iter().max_by_key(|written| written.body().len());
    let body = longest.map(|written| written.body().clone()).unwrap_or_default();
    let (_, facts) = Facts::read(client, &body, &HeaderMap::new(), DEPTH_MAX)?;
    let now = Instant::now();
    let decision = decide(table, facts.clone(), &mut Health::default(), now).map_err(|refused| refused.error(table))?;
    let target = decision.plan.targets.first().cloned();
    let target = target.ok_or_else(|| Error::new(Code::Bug, "a plan without a target"))?;
    let estimate = Trial::by_facts(table, &mut Health::default(), facts, now).estimate;
    let most = estimate.targets.iter().map(|cost| cost.most_micro_usd).collect::<Option<Vec<u64>>>();
    Ok((target, most.and_then(|most| most.into_iter().max()), estimate.input_tokens))
}

/// The requests as they go to an aimux.
fn through(scenario: &Scenario, server: &Server, name: &str, client: Dialect) -> Result<Vec<Written>, Error> {
    let provider = as_provider(&server.url, server.token.clone(), client);
    let plan = to_server(provider, name);
    let target = plan.targets.first().ok_or_else(|| Error::new(Code::Bug, "a plan without a target"))?;
    written(scenario, target, name, client)
}

fn written(scenario: &Scenario, target: &Target, name: &str, client: Dialect) -> Result<Vec<Written>, Error> {
    let requests = scenario.requests(name)?;
    requests.iter().map(|request| Written::new(request, target, target.provider.keys.first(), client)).collect()
}

fn subject(wanted: &Wanted<'_>, scenario: &Scenario, table: &Table, server: Option<&Server>, name: &str) -> Result<Subject, Error> {
    let (target, most_micro_usd, input_tokens) = first_target(table, scenario, name, wanted.client)?;
    let mut sides = Vec::new();
    if wanted.via.is_direct() {
        // The dialect of the target itself: nothing is judged by where it came from.
        let dialect = target.endpoint().dialect;
        sides.push(Side { via: "direct", written: written(scenario, &target, name, dialect)?.into() });
    }
    if let Some(server) = server {
        sides.push(Side { via: "aimux", written: through(scenario, server, name, wanted.client)?.into() });
    }
    let price = target.info.price;
    Ok(Subject {
        name: name.to_owned(),
        target: format!("{}/{}", target.provider.name, target.model),
        sides,
        most_micro_usd,
        input_tokens,
        price,
    })
}
