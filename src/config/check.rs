//! The check of a whole config: tree in, typed config and findings out. `serve`, `validate` and the tests call this one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::database;
use super::diagnostic::{Diagnostic, Finding, Report};
use super::environment::Environment;
use super::fields;
use super::key_sources;
use super::key_sources::Source;
use super::mcp;
use super::models;
use super::policies;
use super::providers::{self, Provider};
use super::reader::{Reader, Section};
use super::route_tests::{self, RouteTest};
use super::tree::{Node, Value};
use super::url::is_host;
use super::written::{self, Written};
use super::{Limits, mask};
use super::{routes, rule_findings};
use crate::history;
use crate::keys::Store;
use crate::ledger;
use crate::route::Table;
use crate::route::sticky::Sticky;
use crate::route::table::{Breaker, Retry, TargetRef};

/// Where aimux listens without being told.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 24689);

/// A config that has been read; to be used only where the report has no error.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Where clients reach it.
    pub(crate) server: Server,
    /// The limits.
    pub(crate) limits: Limits,
    /// The providers.
    pub(crate) providers: Vec<Provider>,
    /// What routing reads, but the providers: those still lack their keys.
    pub(crate) table: Table,
    /// What is remembered of requests.
    pub(crate) ledger: ledger::Settings,
    /// `history`.
    pub(crate) history: history::Settings,
    /// Where the password of `postgres` is.
    pub(crate) database_key: Option<Source>,
    /// `mcp`.
    pub(crate) mcp: Vec<mcp::Read>,
    /// What is promised of requests.
    pub(crate) tests: Vec<RouteTest>,
    /// Every value that is given.
    pub(crate) written: Vec<Written>,
}

/// `server`, its token not yet looked up.
#[derive(Debug)]
pub(crate) struct Server {
    /// The address to listen on.
    pub(crate) listen: SocketAddr,
    /// The variable that holds the client token.
    pub(crate) token: Option<String>,
    /// Further names of the server.
    pub(crate) hosts: Vec<String>,
    /// Whether the files are watched.
    pub(crate) watch: bool,
    /// How long it stays without a connection.
    pub(crate) idle_exit: Option<Duration>,
}

/// Checks a tree. Adds to the report and sorts it.
pub(crate) fn check(mut root: Node, report: Report, environment: &Environment, store: &Store) -> (Checked, Report) {
    let written = written::of(&root);
    let mut reader = Reader::new(environment, report);
    reader.expand(&mut root, "");
    let section = reader.section(&root, "", fields::ROOT);
    version(&mut reader, &section);
    let server = server(&mut reader, &section);
    let providers = match section.get("providers") {
        Some(node) => providers::read(&mut reader, node, store),
        None => {
            missing(&mut reader, &section, "providers", "name at least one provider, `anthropic: {}` say");
            Vec::new()
        }
    };
    let models = section.get("models").map(|node| models::read(&mut reader, node, &providers)).unwrap_or_default();
    let rules = section.get("routes").map(|node| routes::read(&mut reader, node, &providers, &models)).unwrap_or_default();
    let policies = section.get("policies").map(|node| policies::read(&mut reader, node)).unwrap_or_default();
    let used: Vec<TargetRef> =
        rules.iter().flat_map(|rule| &rule.what.targets).chain(models.iter().flat_map(|entry| &entry.targets)).cloned().collect();
    rule_findings::look(&mut reader, &rules, &policies, &used, &providers);
    let rules = rules.into_iter().map(|rule| rule.what).collect();
    let policies = policies.into_iter().map(|policy| policy.what).collect();
    let tests = section.get("tests").map(|node| route_tests::read(&mut reader, node)).unwrap_or_default();
    let limits = limits(&mut reader, &section);
    let retry =
        Retry { queue_wait: Duration::from_secs(limits.queue_wait_s), queue_length: limits.queue_length, ..retry(&mut reader, &section) };
    let breaker = breaker(&mut reader, &section);
    let database = database::read(&mut reader, &section, store);
    let ledger = ledger(&mut reader, &section, database.as_ref());
    let history = history(&mut reader, &section, database.as_ref());
    database::unused(&mut reader, &section, [&ledger.place, &history.place]);
    let sticky = sticky(&mut reader, &section);
    let mcp = section.get("mcp").map(|node| mcp::read(&mut reader, node, store)).unwrap_or_default();
    conflicts(&mut reader, &section, &limits, &retry);
    let mut report = reader.report;
    report.finish();
    let table = Table { providers: Vec::new(), policies, rules, models, retry, breaker, sticky };
    let checked = Checked {
        server,
        limits,
        providers,
        table,
        ledger,
        history,
        database_key: database.and_then(|read| read.key),
        mcp,
        tests,
        written,
    };
    (checked, report)
}

fn missing(reader: &mut Reader<'_>, root: &Section<'_>, name: &str, help: &str) {
    if !reader.report.diagnostics.iter().any(|found| found.finding == Finding::WrongType && found.path.is_empty()) {
        let diagnostic = Diagnostic::new(Finding::Missing, root.span, name, format!("`{name}` is missing"), "not in this file");
        // The whole file is no place to underline; its first character is.
        let span = super::diagnostic::Span { end: root.span.start + 1, ..root.span };
        reader.found_with(Diagnostic { span, ..diagnostic }.help(help));
    }
}

fn version(reader: &mut Reader<'_>, root: &Section<'_>) {
    let Some(node) = root.get("version") else {
        return missing(
            reader,
            root,
            "version",
            "begin the file with `version: 1`; a file of LiteLLM, claude-code-router or an earlier aimux is taken over by `aimux config import`",
        );
    };
    if node.is_number() && !matches!(&node.value, Value::Scalar { text, .. } if text == "1") {
        let message = format!("version is {}, expected 1", reader.written(node.span));
        return reader.found(Finding::Version, node.span, "version", message, "unknown version");
    }
    reader.integer(root, "version");
}

fn server(reader: &mut Reader<'_>, root: &Section<'_>) -> Server {
    let Some(section) = reader.inner(root, "server") else {
        return Server { listen: LISTEN, token: None, hosts: Vec::new(), watch: true, idle_exit: None };
    };
    let tls = reader.choice(&section, "tls").is_some();
    let address = listen(reader, &section, tls).unwrap_or(LISTEN);
    let token = section.get("token").and_then(|node| key_sources::variable(reader, node, "server.token"));
    let mut hosts = Vec::new();
    for host in reader.texts(&section, "hosts") {
        let bare = host.text.trim_start_matches('[').trim_end_matches(']');
        if is_host(&host.text) || bare.parse::<std::net::Ipv6Addr>().is_ok() {
            hosts.push(host.text);
        } else {
            let shown = reader.written(host.span);
            let message = format!("\"{shown}\" is not the name of a host");
            let diagnostic = Diagnostic::new(Finding::BadValue, host.span, "server.hosts", message, "not a name alone");
            reader.found_with(diagnostic.help("write it without scheme, port and path, `aimux.example.com` say"));
        }
    }
    let watch = reader.flag(&section, "watch").unwrap_or(true);
    let idle_exit = reader.integer(&section, "idle_exit_s").map(Duration::from_secs);
    Server { listen: address, token, hosts, watch, idle_exit }
}

/// An address with a port; `localhost` is IPv4's.
///
/// # Errors
/// With what is wrong, in a few words.
pub(crate) fn listen_address(text: &str) -> Result<SocketAddr, &'static str> {
    let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let numeric = numeric.as_deref().unwrap_or(text);
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numeric.parse().map_err(|_| match numeric {
        _ if numeric.parse::<IpAddr>().is_ok() || numeric == "localhost" => "it has no port",
        _ if is_port(numeric) || numeric.strip_prefix(':').is_some_and(is_port) => "it has no address",
        _ if numeric.starts_with('/') || numeric.starts_with("unix:") => "a Unix socket cannot be listened on",
        _ if numeric.contains("://") => "it is a URL",
        _ => "it is not an IP address with a port",
    })
}

fn listen(reader: &mut Reader<'_>, section: &Section<'_>, tls: bool) -> Option<SocketAddr> {
    let given = reader.text(section, "listen")?;
    let path = section.at("listen");
    let shown = reader.written(given.span);
    let address = match listen_address(&given.text) {
        Ok(address) => address,
        Err(label) => {
            reader.found(Finding::BadAddress, given.span, &path, format!("{path} is \"{shown}\", expected an address with a port"), label);
            return None;
        }
    };
    // Who names the proxy and a token has thought of it.
    let is_thought_of = tls && section.get("token").is_some();
    if !address.ip().is_loopback() && !is_thought_of {
        let (finding, label) = if tls { (Finding::ExposedBehindProxy, "behind a proxy") } else { (Finding::Exposed, "not on loopback") };
        reader.found(finding, given.span, &path, format!("{path} is \"{shown}\", which other machines can reach"), label);
    }
    Some(address)
}

/// Reads a section's number into a field, where it is given and fits.
macro_rules! take {
    ($reader:ident, $section:ident, $name:literal => $target:expr, $convert:expr) => {
        if let Some(value) = $reader.integer(&$section, $name) {
            $target = $convert(value);
        }
    };
}

fn limits(reader: &mut Reader<'_>, root: &Section<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(section) = reader.inner(root, "limits") else { return limits };
    let mb = |value: u64| usize::try_from(value << 20).unwrap_or(usize::MAX);
    let kb = |value: u64| usize::try_from(value << 10).unwrap_or(usize::MAX);
    let count = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let same = |value: u64| value;
    take!(reader, section, "body_mb" => limits.body_bytes, mb);
    take!(reader, section, "header_kb" => limits.header_bytes, kb);
    take!(reader, section, "json_depth" => limits.json_depth, count);
    take!(reader, section, "header_read_s" => limits.header_read_s, same);
    take!(reader, section, "body_read_s" => limits.body_read_s, same);
    take!(reader, section, "connect_s" => limits.connect_s, same);
    take!(reader, section, "first_byte_s" => limits.first_byte_s, same);
    take!(reader, section, "first_byte_whole_s" => limits.first_byte_whole_s, same);
    match reader.integer(&section, "first_content_s") {
        Some(value) => limits.first_content_s = value,
        None => limits.first_content_s = limits.first_content_s.max(limits.first_byte_s),
    }
    take!(reader, section, "stream_idle_s" => limits.stream_idle_s, same);
    take!(reader, section, "pace_bytes_per_s" => limits.pace_bytes_per_s, same);
    take!(reader, section, "pace_over_s" => limits.pace_over_s, same);
    take!(reader, section, "keep_alive_s" => limits.keep_alive_s, same);
    take!(reader, section, "frame_mb" => limits.frame_bytes, mb);
    take!(reader, section, "answer_mb" => limits.answer_bytes, mb);
    take!(reader, section, "requests_in_flight" => limits.requests_in_flight, count);
    take!(reader, section, "queue_wait_s" => limits.queue_wait_s, same);
    take!(reader, section, "queue_length" => limits.queue_length, count);
    take!(reader, section, "connections" => limits.connections, count);
    take!(reader, section, "drain_s" => limits.drain_s, same);
    take!(reader, section, "drain_stream_s" => limits.drain_stream_s, same);
    match reader.integer(&section, "buffered_mb") {
        Some(value) => limits.buffered_bytes = at_least(reader, &section, "buffered_mb", mb(value), limits.body_bytes, "limits.body_mb"),
        None => limits.buffered_bytes = limits.buffered_bytes.max(limits.body_bytes),
    }
    limits
}

/// Finds a value that is lower than the one it must cover.
fn at_least<T: PartialOrd>(reader: &mut Reader<'_>, section: &Section<'_>, name: &str, value: T, least: T, other: &str) -> T {
    if value >= least {
        return value;
    }
    let path = section.at(name);
    if let Some(node) = section.get(name) {
        reader.found(Finding::OutOfRange, node.span, &path, format!("{path} is lower than {other}"), "too low");
    }
    least
}

/// Finds limits of which one can never take effect, at the one that the file gives.
fn conflicts(reader: &mut Reader<'_>, root: &Section<'_>, limits: &Limits, retry: &Retry) {
    let deadline = retry.deadline.as_secs();
    let pairs = [
        ("limits.connect_s", limits.connect_s, "retry.deadline_s", deadline),
        ("limits.first_byte_s", limits.first_byte_s, "retry.deadline_s", deadline),
        ("limits.first_byte_whole_s", limits.first_byte_whole_s, "retry.deadline_s", deadline),
        ("limits.first_byte_s", limits.first_byte_s, "limits.first_content_s", limits.first_content_s),
        ("limits.first_content_s", limits.first_content_s, "retry.deadline_s", deadline),
        ("limits.stream_idle_s", limits.stream_idle_s, "retry.deadline_s", deadline),
        ("retry.wait_max_s", retry.wait_max.as_secs(), "retry.deadline_s", deadline),
        ("limits.first_byte_s", limits.first_byte_s, "limits.first_byte_whole_s", limits.first_byte_whole_s),
        // A keep-alive that is due when the stream is given up is never sent.
        ("limits.keep_alive_s", limits.keep_alive_s + 1, "limits.stream_idle_s", limits.stream_idle_s),
        ("limits.drain_s", limits.drain_s, "limits.drain_stream_s", limits.drain_stream_s),
    ];
    for (low, value, high, most) in pairs.into_iter().filter(|(_, value, _, most)| value > most) {
        let value = if low == "limits.keep_alive_s" { value - 1 } else { value };
        let Some((given, node)) = [low, high].into_iter().find_map(|path| Some((path, given(root, path)?))) else { continue };
        let (other, amount) = if given == low { (high, most) } else { (low, value) };
        let words = match (given == low, low == "limits.keep_alive_s") {
            (true, false) => "is longer than",
            (true, true) => "is not shorter than",
            (false, false) => "is shorter than",
            (false, true) => "is not longer than",
        };
        let message = format!("{given} {words} {other}, which is {amount}");
        reader.found(Finding::Conflict, node, given, message, "one of them is without effect");
    }
}

/// Where a number of a section of the file stands.
fn given(root: &Section<'_>, path: &str) -> Option<super::diagnostic::Span> {
    let (section, name) = path.split_once('.')?;
    let Value::Map(entries) = &root.get(section)?.value else { return None };
    entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| node.span)
}

fn retry(reader: &mut Reader<'_>, root: &Section<'_>) -> Retry {
    let mut retry = Retry::default();
    let Some(section) = reader.inner(root, "retry") else { return retry };
    let small = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    take!(reader, section, "attempts_per_target" => retry.attempts_per_target, small);
    take!(reader, section, "budget_percent" => retry.budget_ratio, |value| f64::from(small(value)) / 100.0);
    take!(reader, section, "budget_per_s" => retry.budget_per_s, |value| f64::from(small(value)));
    take!(reader, section, "deadline_s" => retry.deadline, Duration::from_secs);
    take!(reader, section, "wait_max_s" => retry.wait_max, Duration::from_secs);
    take!(reader, section, "key_rest_s" => retry.key_rest, Duration::from_secs);
    take!(reader, section, "continuations" => retry.continuations, small);
    retry
}

fn breaker(reader: &mut Reader<'_>, root: &Section<'_>) -> Option<Breaker> {
    let mut breaker = Breaker::default();
    let Some(node) = root.get("breaker") else { return Some(breaker) };
    let is_off = node.flag() == Some(false) || matches!(&node.value, Value::Scalar { text, .. } if text == "off");
    if is_off {
        return None;
    }
    if matches!(node.value, Value::Scalar { .. }) && !node.is_null() {
        let shown = mask::shown(&reader.written(node.span));
        let finding = if node.kind() == "text" { Finding::BadValue } else { Finding::WrongType };
        reader.found(finding, node.span, "breaker", format!("breaker is {shown}, expected a mapping, or `off`"), "neither");
        return Some(breaker);
    }
    let section = reader.inner(root, "breaker")?;
    if let Some(failures) = reader.integer(&section, "failures") {
        breaker.failures = u32::try_from(failures).unwrap_or(u32::MAX);
    }
    take!(reader, section, "rest_s" => breaker.rest, Duration::from_secs);
    match reader.integer(&section, "rest_max_s").map(Duration::from_secs) {
        Some(longest) => breaker.rest_max = at_least(reader, &section, "rest_max_s", longest, breaker.rest, "breaker.rest_s"),
        None => breaker.rest_max = breaker.rest_max.max(breaker.rest),
    }
    Some(breaker)
}

fn sticky(reader: &mut Reader<'_>, root: &Section<'_>) -> Option<Sticky> {
    let mut sticky = Sticky::default();
    let Some(section) = reader.inner(root, "sticky") else { return Some(sticky) };
    take!(reader, section, "idle_s" => sticky.idle, Duration::from_secs);
    take!(reader, section, "sessions_max" => sticky.sessions_max, |value| usize::try_from(value).unwrap_or(usize::MAX));
    reader.flag(&section, "enabled").unwrap_or(true).then_some(sticky)
}

fn ledger(reader: &mut Reader<'_>, root: &Section<'_>, database: Option<&database::Read>) -> ledger::Settings {
    let mut ledger = ledger::Settings::usual(&reader.environment().state_folder());
    let Some(section) = reader.inner(root, "ledger") else { return ledger };
    ledger.enabled = reader.flag(&section, "enabled").unwrap_or(ledger.enabled);
    take!(reader, section, "keep_days" => ledger.keep_days, |value| u32::try_from(value).unwrap_or(u32::MAX));
    if let Some(path) = absolute(reader, &section) {
        ledger.place = ledger::Place::File(path);
    }
    if let Some(place) = database::chosen(reader, root, &section, database) {
        ledger.place = place;
    }
    ledger
}

fn history(reader: &mut Reader<'_>, root: &Section<'_>, database: Option<&database::Read>) -> history::Settings {
    let mut history = history::Settings::usual(&reader.environment().state_folder());
    let Some(section) = reader.inner(root, "history") else { return history };
    history.enabled = reader.flag(&section, "enabled").unwrap_or(history.enabled);
    history.attachments = reader.flag(&section, "attachments").unwrap_or(history.attachments);
    let small = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    take!(reader, section, "keep_days" => history.keep_days, small);
    take!(reader, section, "keep_mb" => history.keep_mb, small);
    if let Some(path) = absolute(reader, &section) {
        history.place = history::Place::File(path);
    }
    if let Some(place) = database::chosen(reader, root, &section, database) {
        history.place = place;
    }
    history
}

/// The section's `path`, a file's. What a relative one would be relative to, a server and a command might not agree on.
fn absolute(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<PathBuf> {
    let path = reader.text(section, "path")?;
    if Path::new(&path.text).is_absolute() && !path.text.ends_with('/') {
        return Some(path.text.into());
    }
    let at = section.at("path");
    let message = format!("{at} is \"{}\", expected the absolute path of a file", reader.written(path.span));
    let diagnostic = Diagnostic::new(Finding::BadValue, path.span, &at, message, "not an absolute path");
    reader.found_with(diagnostic.help("begin it with `/`; `${HOME}` stands for your home"));
    None
}
