//! `aimux models`: which models the config reaches, what they can and cost, and what leads to them.
//!
//! All of it is known without the network: config, built-in catalog, and the providers' own lists as they were last asked for.
//! Start with [`run`]; `refresh.rs` asks, `table.rs` and `card.rs` draw, `wanted.rs` chooses.

mod card;
mod refresh;
mod table;
mod wanted;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use serde::Serialize;

use self::wanted::{Capability, Money, Tokens, Wanted};
use super::{CliError, known, output};
use crate::cli::named::Named;
use crate::config::{self, Environment, LoadError, Options};
use crate::date;
use crate::dialect::Dialect;
use crate::error::{Code, Error};
use crate::provider::lists::Lists;
use crate::provider::measured::{MeasuredTarget, OLD_DAYS};
use crate::provider::models::AS_OF;
use crate::route::registry::{Entry, list_of, registry};
use crate::route::{Table, plan};

const DAY_S: u64 = 86_400;

/// Arguments of `aimux models`.
#[derive(Debug, Args)]
#[command(
    after_help = "Prices are US dollars per million tokens; CAN: t tools, r thinking, s schemas of answers, i images, d documents (PDF); `–` and `?` are \
    unknown, and what is unknown passes no filter. Figures are the config's, else measured (`aimux doctor --live`), else the built-in \
    catalog's, else the provider's own list's; \
    nothing is routed by the last. The exit code is 65 where a name is known to nobody, 69 where --refresh reached no provider."
)]
pub(crate) struct ModelsArgs {
    /// A model, a name of the config, or a part of one
    #[arg(add = Named::AllModels)]
    name: Option<String>,
    /// What it must be able to do, all of it
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHAT")]
    capability: Vec<Capability>,
    /// The highest price, of input and of output, in dollars per million tokens
    #[arg(long, value_name = "USD", value_parser = wanted::money)]
    max_price: Option<Money>,
    /// The smallest window, in tokens: `200000`, `200k`, `1M`
    #[arg(long, value_name = "TOKENS", value_parser = wanted::tokens)]
    context: Option<Tokens>,
    /// Also models of known providers that the config does not have
    #[arg(long)]
    all: bool,
    /// Ask the providers for their lists, and keep them
    #[arg(long)]
    refresh: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints what is known.
pub(crate) fn run(args: &ModelsArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let options = Options { path, listen: None };
    let place = environment.state_folder().join("model-lists.json");
    let (table, is_bare) = match config::outline(&options, environment, &known::store(environment)) {
        Ok(ready) => (ready.table, false),
        // Who has neither config nor key may still look around.
        Err(LoadError::Other(error)) if error.code == Code::ConfigMissing => (Table::default(), true),
        Err(error) => return Err(error.into()),
    };
    // What cannot be read is replaced, where it is asked for anew.
    let mut lists = if args.refresh { Lists::load(&place).unwrap_or_default() } else { Lists::load(&place)? };
    let failures = if args.refresh { refresh::all(&mut lists, &place, &table, &options, environment)? } else { Vec::new() };
    let all = registry(&table, &lists, args.all || is_bare);
    let wanted = Wanted {
        capabilities: &args.capability,
        price_max: args.max_price.map(|Money(usd)| usd),
        context_min: args.context.map(|Tokens(least)| least),
    };
    let chosen = chosen(&all, &table, args.name.as_deref())?;
    let rows: Vec<&Entry> = chosen.rows.into_iter().filter(|entry| wanted.fits(entry)).collect();
    let known = Lasting { table: &table, lists: &lists, failures: &failures, now_s: now_s() };
    if args.json {
        output::print(&output::json(&shown(&rows, &known))?);
    } else {
        let body = match (rows.as_slice(), &args.name) {
            ([only], Some(_)) => card::text(only, &known),
            _ => table::text(&rows, all.len(), is_bare),
        };
        let asked = chosen.served.map_or_else(String::new, |served| format!("{served}\n\n"));
        output::print(&output::printable(&format!("{asked}{body}{}", known.text())));
    }
    let asked = table.providers.len();
    Ok(if args.refresh && asked > 0 && failures.len() == asked {
        ExitCode::from(Code::UpstreamFailed.row().exit)
    } else {
        ExitCode::SUCCESS
    })
}

/// The rows that a name leads to.
struct Chosen<'a> {
    rows: Vec<&'a Entry>,
    /// How a name of the config is served.
    served: Option<String>,
}

/// All rows without a name; else those that serve it, else those that have it in them.
fn chosen<'a>(all: &'a [Entry], table: &Table, name: Option<&str>) -> Result<Chosen<'a>, Error> {
    let Some(name) = name else { return Ok(Chosen { rows: all.iter().collect(), served: None }) };
    let exact: Vec<&Entry> = all.iter().filter(|entry| entry.name() == name).collect();
    if !exact.is_empty() {
        return Ok(Chosen { rows: exact, served: None });
    }
    let planned = plan(table, name, Dialect::AnthropicMessages);
    if let Ok(plan) = &planned {
        let places: Vec<String> = plan.targets.iter().map(|target| format!("{}/{}", target.provider.name, target.model)).collect();
        let rows = places.iter().filter_map(|place| all.iter().find(|entry| entry.name() == *place)).collect();
        return Ok(Chosen { rows, served: Some(format!("\"{name}\" is served by {}", places.join(", then "))) });
    }
    let lower = name.to_lowercase();
    let has = |entry: &&Entry| {
        let names = std::iter::once(entry.name()).chain(entry.asked_as.iter().cloned()).chain(entry.rules.iter().cloned());
        names.into_iter().any(|known| known.to_lowercase().contains(&lower))
    };
    let rows: Vec<&Entry> = all.iter().filter(has).collect();
    if !rows.is_empty() {
        return Ok(Chosen { rows, served: None });
    }
    let near = planned.err().map(|error| error.near).unwrap_or_default();
    let near = if near.is_empty() { wanted::near(name, all) } else { near };
    let shown: String = name.chars().take(128).collect();
    let error = Error::new(Code::UnknownModel, format!("nobody knows a model \"{shown}\""));
    Err(match near.as_slice() {
        [] => error.hint("`aimux models --all` lists what is known"),
        near => error.hint(format!("did you mean {}?", near.iter().map(|near| format!("\"{near}\"")).collect::<Vec<_>>().join(" or "))),
    })
}

/// How old what is known is.
struct Lasting<'a> {
    table: &'a Table,
    lists: &'a Lists,
    failures: &'a [refresh::Failure],
    now_s: u64,
}

impl Lasting<'_> {
    /// Days since the end of the month that the catalog is of.
    fn catalog_days(&self) -> u64 {
        let (year, month) = AS_OF.split_once('-').unwrap_or((AS_OF, "12"));
        let (year, month) = (year.parse().unwrap_or(1970_u64), month.parse().unwrap_or(12_u64));
        let (year, month) = if month >= 12 { (year + 1, 1) } else { (year, month + 1) };
        date::parse(&format!("{year:04}-{month:02}-01T00:00:00Z")).map_or(0, |end| self.now_s.saturating_sub(end) / DAY_S)
    }

    /// `zai/glm-5.2 (2026-11-22)`, and whether that is old.
    fn age(&self, target: &MeasuredTarget) -> String {
        let newest_s = target.newest_s();
        let day: String = date::rfc3339(newest_s).chars().take(10).collect();
        let old = if self.now_s.saturating_sub(newest_s) / DAY_S > OLD_DAYS { ", old" } else { "" };
        format!("{}/{} ({day}{old})", target.provider, target.model)
    }

    /// The lines below the table.
    fn text(&self) -> String {
        let mut text = format!("\ncatalog of {AS_OF}, {} old\n", days(self.catalog_days()));
        let (mut asked, mut never) = (Vec::new(), Vec::new());
        for provider in &self.table.providers {
            match list_of(self.lists, provider) {
                Some(list) => asked.push(format!("{} ({})", provider.name, ago(self.now_s.saturating_sub(list.fetched_s)))),
                None => never.push(provider.name.as_str()),
            }
        }
        if !asked.is_empty() {
            text += &format!("own lists of {}\n", asked.join(", "));
        }
        let measured: Vec<String> =
            self.table.providers.iter().flat_map(|provider| &provider.measured).map(|target| self.age(target)).collect();
        if !measured.is_empty() {
            text += &format!("measured {}\n", measured.join(", "));
        }
        if !never.is_empty() {
            text += &format!("no own list of {}; `aimux models --refresh` asks\n", never.join(", "));
        }
        text
    }
}

/// `1 day`, `2 days`.
fn days(count: u64) -> String {
    format!("{count} day{}", if count == 1 { "" } else { "s" })
}

/// How long ago, for people.
fn ago(seconds: u64) -> String {
    match seconds {
        0..3600 => "asked just now".to_owned(),
        3600..DAY_S => "asked today".to_owned(),
        _ => format!("asked {} ago", days(seconds / DAY_S)),
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// What `--json` prints; docs/models.md says what each member is.
#[derive(Serialize)]
struct Shown<'a> {
    catalog: ShownCatalog,
    lists: Vec<ShownList<'a>>,
    models: Vec<ShownModel<'a>>,
}

#[derive(Serialize)]
struct ShownCatalog {
    as_of: &'static str,
    age_days: u64,
}

#[derive(Serialize)]
struct ShownList<'a> {
    provider: &'a str,
    fetched: Option<String>,
    age_days: Option<u64>,
    models: Option<usize>,
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct ShownModel<'a> {
    name: String,
    provider: &'a str,
    model: &'a str,
    configured: bool,
    context: Option<u64>,
    output_max: Option<u64>,
    price_input: Option<f64>,
    price_output: Option<f64>,
    price_cache_read: Option<f64>,
    price_cache_write: Option<f64>,
    tools: Option<bool>,
    thinking: Option<bool>,
    structured: Option<bool>,
    images: Option<bool>,
    documents: Option<bool>,
    sources: Vec<&'static str>,
    measured: &'a [MeasuredTarget],
    listed: Option<bool>,
    asked_as: &'a [String],
    routes: &'a [String],
}

fn shown<'a>(rows: &[&'a Entry], known: &Lasting<'a>) -> Shown<'a> {
    let list = |provider: &'a crate::route::Provider| {
        let list = list_of(known.lists, provider);
        ShownList {
            provider: &provider.name,
            fetched: list.map(|list| date::rfc3339(list.fetched_s)),
            age_days: list.map(|list| known.now_s.saturating_sub(list.fetched_s) / DAY_S),
            models: list.map(|list| list.ids().count()),
            error: known.failures.iter().find(|failure| failure.provider == provider.name).map(|failure| failure.reason.as_str()),
        }
    };
    Shown {
        catalog: ShownCatalog { as_of: AS_OF, age_days: known.catalog_days() },
        lists: known.table.providers.iter().map(|provider| list(provider)).collect(),
        models: rows.iter().map(|entry| shown_model(entry)).collect(),
    }
}

fn shown_model(entry: &Entry) -> ShownModel<'_> {
    let known = entry.known;
    ShownModel {
        name: entry.name(),
        provider: &entry.provider,
        model: &entry.model,
        configured: entry.is_configured,
        context: known.context,
        output_max: known.output_max,
        price_input: known.price.input,
        price_output: known.price.output,
        price_cache_read: known.price.cache_read,
        price_cache_write: known.price.cache_write,
        tools: known.tools,
        thinking: known.reasoning,
        structured: known.structured,
        images: known.images,
        documents: known.pdf,
        sources: card::sources(entry.sources),
        measured: &entry.measured,
        listed: entry.listed,
        asked_as: &entry.asked_as,
        routes: &entry.rules,
    }
}
