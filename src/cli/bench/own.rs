//! `aimux bench --self`: what aimux adds, against a bare pass-through and an upstream that are its own. It needs no network, no
//! config and no key.
//!
//! Three paths lead to the same upstream: the bare pass-through, aimux in the client's dialect, and aimux translating. Each is
//! sent the same requests, in turn. CPU is the kernel's account of the process, so the load's own does not count; what a first
//! byte waits is the difference to asking the upstream itself, in pairs. Start with [`run`].

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use serde::{Deserialize, Serialize};

use super::exchange::{Timed, exchange};
use super::load::closed;
use super::paired::{BLOCKS_MIN, Interval, Series, interval, median};
use super::parts;
use super::process::{Listening, TOKEN, cpu_ns, held, raise_open_files};
use super::stop::Stop;
use crate::cli::progress::Progress;
use crate::error::{Code, Error};
use crate::upstream::client::{Client, ClientSettings, UpstreamBody};
use crate::wire::splice::Spliced;

/// Requests of one measurement, unless `--requests` says otherwise; a tenth more warms up.
const REQUESTS: usize = 2000;
const CONNECTIONS: usize = 4;
/// As many as a comparison with an earlier run needs.
const ROUNDS: usize = BLOCKS_MIN;
/// Starts, for the time until the line that says ready.
const STARTS: usize = 9;
/// No request of ours takes long; one that hangs is a failure.
const LIMIT: Duration = Duration::from_secs(30);
/// Descriptors that are left for all but the open streams.
const SPARE_FILES: u64 = 256;

/// What is sent: its name, the request's padding, whether a stream is asked for.
const WORKS: [(&str, usize, bool); 3] = [("small", 700, false), ("130 KB", 130_000, false), ("stream", 700, true)];
/// The ways it takes: the name, the model that leads there, and the aims for the ratio of CPU, for each work.
const PATHS: [(&str, &str, Option<[f64; 3]>); 3] = [
    ("bare pass-through", "same/m", None),
    ("same dialect", "same/m", Some([2.0, 2.0, 0.3])),
    ("Anthropic to Chat", "other/m", Some([3.0, 6.0, 0.9])),
];
/// The aim for what the first token of a stream waits longer, in milliseconds.
const FIRST_TOKEN_AIM_MS: f64 = 0.2;

/// The figures beside the works: name, unit, aim (to stay below).
const FIGURES: [(&str, &str, f64); 4] = [
    ("ready after", "ms", 30.0),
    ("memory at rest", "MiB", 15.0),
    ("memory after bodies of 130 KB", "MiB", 60.0),
    ("memory with streams open", "MiB", 100.0),
];

/// The parts, for who wants some of them only.
const PARTS: [&str; 4] = ["works", "ready", "bodies", "streams"];

/// What was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Own {
    /// Requests of one measurement.
    pub(super) requests: usize,
    /// A row for each work on each path.
    pub(super) works: Vec<Row>,
    /// What does not depend on a work.
    pub(super) figures: Vec<Figure>,
}

/// One work on one path.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Row {
    /// What is sent.
    pub(super) work: String,
    /// The way it takes.
    pub(super) path: String,
    /// CPU of a request.
    pub(super) cpu_ms: Option<f64>,
    /// The same in times of the bare pass-through's.
    pub(super) ratio: Option<f64>,
    /// What that should stay below.
    pub(super) ratio_aim: Option<f64>,
    /// What the first byte of the body waits longer than at the upstream itself.
    pub(super) added_ms: Option<Interval>,
    /// What that should stay below.
    pub(super) added_aim_ms: Option<f64>,
    /// Resident memory after the work.
    pub(super) rss_mib: Option<f64>,
    /// Open descriptors after the work.
    pub(super) fds: Option<u64>,
    /// CPU of a request in each round, in milliseconds.
    #[serde(default)]
    pub(super) cpu_blocks: Vec<f64>,
    /// What the first byte waited longer, in milliseconds, in blocks.
    #[serde(default)]
    pub(super) added_blocks: Vec<f64>,
}

/// A figure of the process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Figure {
    /// What it is.
    pub(super) name: String,
    /// How much; `None`: it cannot be read on this system.
    pub(super) value: Option<f64>,
    /// In which unit.
    pub(super) unit: String,
    /// What it should stay below.
    pub(super) aim: f64,
    /// What was found each time, where it was measured more than once.
    #[serde(default)]
    pub(super) blocks: Vec<f64>,
}

/// What is asked for.
pub(super) struct Wanted<'a> {
    /// Names of parts; none: all.
    pub(super) parts: &'a [String],
    /// Requests of one measurement.
    pub(super) requests: Option<usize>,
    /// Another aimux to measure.
    pub(super) program: Option<PathBuf>,
}

/// Measures. What a stop leaves out is missing in the result.
///
/// # Errors
/// When a process cannot be started, or does not answer as it should.
pub(super) async fn run(wanted: &Wanted<'_>, stop: &Stop, progress: &Progress) -> Result<Own, Error> {
    if let Some(unknown) = wanted.parts.iter().find(|part| !PARTS.contains(&part.as_str())) {
        let message = format!("--self has no part {unknown:?}");
        return Err(Error::new(Code::Usage, message).hint(format!("its parts are {}", PARTS.join(", "))));
    }
    raise_open_files();
    let client = Client::new(ClientSettings { idle_max: Duration::from_secs(3600), ..ClientSettings::default() })?;
    let bench = Bench { wanted, requests: wanted.requests.unwrap_or(REQUESTS).max(CONNECTIONS), client, stop, progress };
    let is_asked = |part: &str| wanted.parts.is_empty() || wanted.parts.iter().any(|asked| asked == part);
    let upstream = Listening::part("upstream", None)?;
    let mut own = Own { requests: bench.requests, works: Vec::new(), figures: Vec::new() };
    if is_asked("works") {
        bench.works(&upstream, &mut own.works).await?;
    }
    let [ready, rest, bodies, streams] = FIGURES;
    if is_asked("ready") && !stop.is_told() {
        let (after, held) = bench.ready(&upstream)?;
        own.figures.extend([figure_of(ready, after), figure_of(rest, held)]);
    }
    if is_asked("bodies") && !stop.is_told() {
        own.figures.push(figure(bodies, bench.bodies(&upstream).await?));
    }
    if is_asked("streams") && !stop.is_told() {
        own.figures.push(figure(streams, bench.streams(&upstream).await?));
    }
    Ok(own)
}

fn figure((name, unit, aim): (&str, &str, f64), value: Option<f64>) -> Figure {
    Figure { name: name.to_owned(), value, unit: unit.to_owned(), aim, blocks: Vec::new() }
}

/// The middle of what was found each time.
fn figure_of(row: (&str, &str, f64), blocks: Vec<f64>) -> Figure {
    Figure { value: median(&mut blocks.clone()), blocks, ..figure(row, None) }
}

fn start_aimux(upstream: &Listening, program: Option<&Path>) -> Result<Listening, Error> {
    let upstream = &upstream.address;
    let providers = format!(
        "  same: {{ dialect: anthropic, base_url: 'http://{upstream}', key: {{ env: BENCH_KEY }} }}\n  other: {{ dialect: openai-chat, base_url: 'http://{upstream}/v1', key: {{ env: BENCH_KEY }} }}\n"
    );
    Listening::aimux(&providers, program)
}

fn post(address: &str, body: Bytes) -> Result<Request<Full<Spliced>>, Error> {
    let request = Request::post(format!("http://{address}/v1/messages"))
        .header("content-type", "application/json")
        .header("anthropic-version", "2023-06-01")
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(Full::new(body.into()));
    request.map_err(|error| Error::new(Code::Bug, "a request cannot be made").caused_by(error))
}

/// Fails where an answer is none: figures of errors would be fine ones.
fn whole(timed: &Timed) -> Result<(), Error> {
    if timed.is_whole() {
        return Ok(());
    }
    Err(Error::new(Code::UpstreamFailed, format!("a request of the bench failed: status {}, {:?}", timed.status, timed.broken)))
}

/// What all measurements need.
struct Bench<'a> {
    wanted: &'a Wanted<'a>,
    requests: usize,
    client: Client,
    stop: &'a Stop,
    progress: &'a Progress,
}

impl Bench<'_> {
    /// Sends the same request `count` times.
    async fn load(&self, address: &str, body: &Bytes, count: usize, connections: usize) -> Result<Vec<Timed>, Error> {
        let request = post(address, body.clone())?;
        let (client, stop) = (self.client.clone(), self.stop.clone());
        let all = closed(count, connections, self.stop, move |_, since| {
            let (client, request, stop) = (client.clone(), request.clone(), stop.clone());
            async move { exchange(&client, request, since, LIMIT, &stop).await }
        });
        let all = all.await;
        if !self.stop.is_told() {
            all.iter().try_for_each(whole)?;
        }
        Ok(all)
    }

    async fn works(&self, upstream: &Listening, rows: &mut Vec<Row>) -> Result<(), Error> {
        let bare = Listening::part("passthrough", Some(&upstream.address))?;
        let aimux = start_aimux(upstream, self.wanted.program.as_deref())?;
        for (at, (work, padding, stream)) in WORKS.into_iter().enumerate() {
            let servers = [&bare, &aimux, &aimux];
            let bodies = PATHS.map(|(_, model, _)| parts::request(model, padding, stream));
            self.progress.say(&format!("{work}: CPU"));
            let Some(cpu) = self.cpu(&servers, &bodies).await? else { return Ok(()) };
            self.progress.say(&format!("{work}: first byte"));
            let added = self.added(upstream, &servers, &bodies).await?;
            if self.stop.is_told() {
                return Ok(());
            }
            let middle = |rounds: &Vec<f64>| median(&mut rounds.clone());
            for (((path, _, aims), server), (rounds, added)) in PATHS.into_iter().zip(servers).zip(cpu.iter().zip(added)) {
                let held = held(server.pid());
                let (cpu_ms, bare_ms) = (middle(rounds), cpu.first().and_then(middle));
                rows.push(Row {
                    work: work.to_owned(),
                    path: path.to_owned(),
                    cpu_ms,
                    ratio: cpu_ms.and_then(|ms| Some(ms / bare_ms?)),
                    ratio_aim: aims.and_then(|aims| aims.get(at).copied()),
                    added_ms: interval(added.values()),
                    added_aim_ms: (aims.is_some() && stream).then_some(FIRST_TOKEN_AIM_MS),
                    rss_mib: held.map(|held| held.rss_mib),
                    fds: held.map(|held| held.fds),
                    cpu_blocks: rounds.clone(),
                    added_blocks: added.values().to_vec(),
                });
            }
        }
        Ok(())
    }

    /// CPU of a request on each path, in milliseconds, in some rounds, each of which takes the paths in turn.
    async fn cpu(&self, servers: &[&Listening; 3], bodies: &[Bytes; 3]) -> Result<Option<[Vec<f64>; 3]>, Error> {
        let mut rounds: [Vec<f64>; 3] = Default::default();
        for _ in 0..ROUNDS {
            for ((server, body), round) in servers.iter().zip(bodies).zip(&mut rounds) {
                self.load(&server.address, body, self.requests.div_ceil(10), CONNECTIONS).await?;
                let before = cpu_ns(server.pid());
                self.load(&server.address, body, self.requests, CONNECTIONS).await?;
                if self.stop.is_told() {
                    return Ok(None);
                }
                if let (Some(before), Some(after)) = (before, cpu_ns(server.pid())) {
                    round.push(after.saturating_sub(before) as f64 / 1e6 / self.requests as f64);
                }
            }
        }
        Ok(Some(rounds))
    }

    /// What the first byte waits longer on each path than at the upstream itself: one request at a time, the paths in turn, a
    /// quarter as many rounds as there are requests elsewhere.
    async fn added(&self, upstream: &Listening, servers: &[&Listening; 3], bodies: &[Bytes; 3]) -> Result<[Series; 3], Error> {
        let mut differences: [Series; 3] = Default::default();
        let direct = bodies.first().cloned().unwrap_or_default();
        let warm_up = self.requests / 40;
        for round in 0..self.requests / 4 + warm_up {
            let asked = self.load(&upstream.address, &direct, 1, 1).await?;
            let Some(direct) = asked.first().and_then(Timed::first_byte) else { break };
            for step in 0..servers.len() {
                // Another one comes first each time: what the one before leaves behind in caches meets all alike.
                let at = (step + round) % servers.len();
                let (Some(server), Some(body)) = (servers.get(at), bodies.get(at)) else { continue };
                let answered = self.load(&server.address, body, 1, 1).await?;
                let Some(first) = answered.first().and_then(Timed::first_byte) else { continue };
                if let (Some(differences), true) = (differences.get_mut(at), round >= warm_up) {
                    differences.push((first.as_secs_f64() - direct.as_secs_f64()) * 1e3);
                }
            }
        }
        Ok(differences)
    }

    /// From the start of the process to the line that says ready, and memory then.
    fn ready(&self, upstream: &Listening) -> Result<(Vec<f64>, Vec<f64>), Error> {
        self.progress.say("ready after");
        let (mut times, mut rss) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            let began = Instant::now();
            let aimux = start_aimux(upstream, self.wanted.program.as_deref())?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
            rss.extend(held(aimux.pid()).map(|held| held.rss_mib));
        }
        Ok((times, rss))
    }

    /// Memory after many long bodies, half of them translated: five for each request of another measurement.
    async fn bodies(&self, upstream: &Listening) -> Result<Option<f64>, Error> {
        self.progress.say("bodies of 130 KB");
        // A fresh one: memory that another figure took is not this one's.
        let aimux = start_aimux(upstream, self.wanted.program.as_deref())?;
        for model in ["same/m", "other/m"] {
            self.load(&aimux.address, &parts::request(model, 130_000, false), self.requests * 5 / 2, CONNECTIONS).await?;
        }
        Ok(held(aimux.pid()).map(|held| held.rss_mib))
    }

    /// Memory while many streams are open, half of them translated; each has had its first token.
    async fn streams(&self, upstream: &Listening) -> Result<Option<f64>, Error> {
        self.progress.say("streams open");
        let aimux = start_aimux(upstream, self.wanted.program.as_deref())?;
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
        // Two descriptors of aimux each.
        let room = usize::try_from(files.saturating_sub(SPARE_FILES) / 2).unwrap_or(usize::MAX);
        if room < self.requests {
            return Err(Error::new(Code::Usage, format!("{} streams need more open files than the system allows", self.requests))
                .hint("raise `ulimit -n`, or leave the part `streams` out"));
        }
        let mut open: Vec<UpstreamBody> = Vec::with_capacity(self.requests);
        for number in 0..self.requests {
            let body = parts::request(if number % 2 == 0 { "same/held" } else { "other/held" }, 700, true);
            let opening = tokio::time::timeout(LIMIT, self.opened(&aimux.address, body));
            open.push(opening.await.map_err(|_| Error::new(Code::UpstreamTimeout, "a stream of the bench did not begin"))??);
            if self.stop.is_told() {
                return Ok(None);
            }
        }
        // What was freed at the start of each is given back after a moment.
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(held(aimux.pid()).map(|held| held.rss_mib))
    }

    /// A stream that has had its first piece.
    async fn opened(&self, address: &str, body: Bytes) -> Result<UpstreamBody, Error> {
        let failed = |what: String| Error::new(Code::UpstreamFailed, format!("a stream of the bench failed: {what}"));
        let answer = self.client.send(post(address, body)?).await.map_err(|error| failed(error.to_string()))?;
        let status = answer.status();
        let mut body = answer.into_body();
        match body.frame().await {
            Some(Ok(_)) if status.is_success() => Ok(body),
            Some(Err(error)) => Err(failed(error.to_string())),
            _ => Err(failed(format!("status {status}"))),
        }
    }
}

impl Own {
    /// The tables, in Markdown, as docs/performance.md has them.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        if !self.works.is_empty() {
            let head = ["request", "path", "CPU ms", "ratio", "aim", "first byte added, ms", "aim", "RSS MiB", "fds"];
            let rows = self.works.iter().map(|row| {
                let added = |added: Interval| format!("{:.3} ({:.3} to {:.3})", added.estimate, added.low, added.high);
                [
                    row.work.clone(),
                    row.path.clone(),
                    told(row.cpu_ms, 3),
                    told(row.ratio, 2),
                    row.ratio_aim.map_or_else(String::new, |aim| aim.to_string()),
                    row.added_ms.map_or_else(|| "-".to_owned(), added),
                    row.added_aim_ms.map_or_else(String::new, |aim| aim.to_string()),
                    told(row.rss_mib, 1),
                    row.fds.map_or_else(|| "-".to_owned(), |fds| fds.to_string()),
                ]
            });
            super::report::table(&mut out, &head, rows);
        }
        if !self.figures.is_empty() {
            out.push_str(if out.is_empty() { "" } else { "\n" });
            let rows = self.figures.iter().map(|figure| {
                let value = figure.value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1} {}", figure.unit));
                [figure.name.clone(), value, format!("{} {}", figure.aim, figure.unit)]
            });
            super::report::table(&mut out, &["figure", "value", "aim"], rows);
        }
        out
    }
}

fn told(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

/// The names of the thresholds of a row: `130kb.same` and the like.
fn key(work: &str, path: &str) -> String {
    let path = match path {
        "bare pass-through" => "bare",
        "same dialect" => "same",
        _ => "chat",
    };
    format!("{}.{path}", work.replace(' ', "").to_lowercase())
}

/// A figure by the name that thresholds have for it.
pub(super) fn figure_named(own: &Own, name: &str) -> Option<f64> {
    let names = ["ready", "rest.rss", "bodies.rss", "streams.rss"];
    if let Some((_, (title, ..))) = names.iter().zip(FIGURES).find(|(known, _)| **known == name) {
        return own.figures.iter().find(|figure| figure.name == title)?.value;
    }
    let (place, figure) = name.rsplit_once('.')?;
    let row = own.works.iter().find(|row| key(&row.work, &row.path) == place)?;
    match figure {
        "cpu" => row.cpu_ms,
        "ratio" => row.ratio,
        "added" => row.added_ms.map(|added| added.estimate),
        "rss" => row.rss_mib,
        "fds" => row.fds.map(|fds| fds as f64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first two cells of each row of the tables of a page's section.
    fn rows(section: &str) -> Vec<[String; 2]> {
        let cells = |line: &str| {
            let mut cells = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
            Some([cells.next()?, cells.next()?])
        };
        section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| -")).filter_map(cells).collect()
    }

    #[test]
    fn the_page_on_performance_has_the_rows_that_self_prints_and_no_others() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md")).unwrap();
        let section = page.split("\n## ").find(|section| section.contains("    aimux bench --self ")).expect("a section with the command");
        let mut own = Own { requests: REQUESTS, works: Vec::new(), figures: FIGURES.map(|row| figure(row, None)).into() };
        for (work, ..) in WORKS {
            for (path, ..) in PATHS {
                let (work, path) = (work.to_owned(), path.to_owned());
                let (cpu_ms, ratio, ratio_aim, added_ms, added_aim_ms, rss_mib, fds) = Default::default();
                let (cpu_blocks, added_blocks) = Default::default();
                own.works.push(Row {
                    work,
                    path,
                    cpu_ms,
                    ratio,
                    ratio_aim,
                    added_ms,
                    added_aim_ms,
                    rss_mib,
                    fds,
                    cpu_blocks,
                    added_blocks,
                });
            }
        }
        let printed = own.text();
        let names = |rows: Vec<[String; 2]>, is_figure: &dyn Fn(&str) -> bool| {
            rows.into_iter().map(|[name, path]| if is_figure(&name) { [name, String::new()] } else { [name, path] }).collect::<Vec<_>>()
        };
        let is_figure = |name: &str| FIGURES.iter().any(|(known, ..)| *known == name);
        assert_eq!(names(rows(section), &is_figure), names(rows(&printed), &is_figure), "docs/performance.md is not what --self prints");
    }

    #[test]
    fn thresholds_have_short_names() {
        assert_eq!(key("130 KB", "bare pass-through"), "130kb.bare");
        assert_eq!(key("stream", "Anthropic to Chat"), "stream.chat");
    }
}
