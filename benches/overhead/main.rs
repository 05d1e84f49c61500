//! CPU per request, latency and memory of aimux against a bare hyper pass-through, in one run.
//!
//! `cargo bench --bench overhead` starts, each as a process of its own: an upstream that answers at once, a bare
//! pass-through, and aimux with two providers of either dialect. Each is sent the same requests over the same number of
//! connections; CPU time is read from the kernel's per-thread accounts (`/proc/PID/task/*/schedstat`). Then come readiness,
//! the first token and memory. About a minute, loopback only, Linux only. Arguments choose among the parts `cpu`, `first`,
//! `ready`, `bodies` and `streams`. Start with `main`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a program that measures and prints")]

mod figures;
mod parts;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;

/// Requests of one measurement; the first tenth warms up.
const REQUESTS: usize = 2000;
const CONNECTIONS: usize = 4;
const ROUNDS: usize = 3;
/// Names another aimux to measure: an earlier one, say.
const PROGRAM: &str = "AIMUX_BENCH_PROGRAM";

/// A process that listens, ended when dropped.
struct Listening {
    child: Child,
    address: String,
    /// Its home; a second aimux of the same config would find the first.
    _home: tempfile::TempDir,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a command and reads the address from the end of its first line.
fn start(command: &mut Command, home: tempfile::TempDir) -> Listening {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let address = line.trim().rsplit('/').next().unwrap_or_default().to_owned();
    assert!(address.contains(':'), "no address in {line:?}");
    Listening { child, address, _home: home }
}

fn start_part(part: &str, args: &[&str]) -> Listening {
    start(Command::new(std::env::current_exe().expect("our path")).arg(part).args(args), tempfile::tempdir().expect("a folder"))
}

fn start_aimux(upstream: &str) -> Listening {
    let home = tempfile::tempdir().expect("a folder");
    let config = home.path().join("config.yaml");
    let text = format!(
        "version: 1\nserver: {{ listen: '127.0.0.1:0', token: {{ env: BENCH_TOKEN }} }}\nproviders:\n  same: {{ dialect: anthropic, base_url: 'http://{upstream}', key: {{ env: BENCH_KEY }} }}\n  other: {{ dialect: openai-chat, base_url: 'http://{upstream}/v1', key: {{ env: BENCH_KEY }} }}\n"
    );
    std::fs::write(&config, text).expect("the config is written");
    let program = std::env::var_os(PROGRAM).unwrap_or_else(|| env!("CARGO_BIN_EXE_aimux").into());
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home.path()).env("BENCH_TOKEN", "bench-token-0123456789").env("BENCH_KEY", "bench-key-0123456789");
    // The access log is part of what aimux does; its writing is not measured away.
    start(command.arg("serve").arg("--config").arg(config), home)
}

/// Nanoseconds of CPU that a process has used.
fn cpu_ns(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a living process");
    tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|stat| stat.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

fn rss_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

async fn connect(address: &str) -> hyper::client::conn::http1::SendRequest<Full<Bytes>> {
    let stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
    stream.set_nodelay(true).expect("a TCP socket");
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::spawn(connection);
    sender
}

fn post(address: &str, body: Bytes) -> Request<Full<Bytes>> {
    Request::post("/v1/messages")
        .header("host", address)
        .header("content-type", "application/json")
        .header("anthropic-version", "2023-06-01")
        .header("authorization", "Bearer bench-token-0123456789")
        .body(Full::new(body))
        .expect("a request")
}

/// Sends `count` requests over all connections; gives the latencies to the first body byte, sorted.
async fn load(address: &str, body: &Bytes, count: usize, connections: usize) -> Vec<Duration> {
    let workers = (0..connections).map(|_| {
        let (address, body) = (address.to_owned(), body.clone());
        tokio::spawn(async move {
            let mut sender = connect(&address).await;
            let mut waits = Vec::with_capacity(count / connections);
            for _ in 0..count / connections {
                let request = post(&address, body.clone());
                let sent = Instant::now();
                sender.ready().await.expect("open");
                let mut answer = sender.send_request(request).await.expect("an answer");
                assert_eq!(answer.status(), 200);
                let mut first = None;
                while let Some(frame) = answer.body_mut().frame().await {
                    frame.expect("a whole answer");
                    first.get_or_insert_with(|| sent.elapsed());
                }
                waits.push(first.unwrap_or_else(|| sent.elapsed()));
            }
            waits
        })
    });
    let mut waits = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        waits.extend(worker.await.expect("no panic"));
    }
    waits.sort();
    waits
}

struct Measured {
    cpu_ms: f64,
    median_ms: f64,
}

async fn measure(server: &Listening, body: &Bytes) -> Measured {
    load(&server.address, body, REQUESTS / 10, CONNECTIONS).await;
    let before = cpu_ns(server.child.id());
    let waits = load(&server.address, body, REQUESTS, CONNECTIONS).await;
    let used = cpu_ns(server.child.id()) - before;
    Measured { cpu_ms: used as f64 / 1e6 / REQUESTS as f64, median_ms: waits[waits.len() / 2].as_secs_f64() * 1e3 }
}

/// The one in the middle, by `key`.
fn median<T>(mut all: Vec<T>, key: impl Fn(&T) -> f64) -> T {
    all.sort_by(|a, b| key(a).total_cmp(&key(b)));
    all.swap_remove(all.len() / 2)
}

/// As many open files as the system lets us have: each of many streams takes two in aimux.
fn raise_open_files() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).expect("up to the hard limit");
}

fn main() {
    let mut args = std::env::args().skip(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    match args.next().as_deref() {
        Some("upstream") => return runtime.block_on(parts::upstream()),
        Some("passthrough") => return runtime.block_on(parts::passthrough(args.next().expect("an upstream"))),
        _ => {}
    }
    // What `cargo bench` adds is not a part.
    let asked: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let is_asked = |part: &str| asked.is_empty() || asked.iter().any(|asked| asked == part);
    raise_open_files();
    let upstream = start_part("upstream", &[]);
    let bare = start_part("passthrough", &[&upstream.address]);
    let aimux = start_aimux(&upstream.address);
    if is_asked("cpu") {
        cpu(&runtime, &bare, &aimux);
    }
    if is_asked("first") {
        runtime.block_on(figures::first_token(&upstream, &bare, &aimux));
    }
    if is_asked("ready") {
        figures::ready(&upstream.address);
    }
    // Fresh ones: memory that another figure took is not this one's.
    if is_asked("bodies") {
        runtime.block_on(figures::bodies(&start_aimux(&upstream.address)));
    }
    if is_asked("streams") {
        runtime.block_on(figures::streams(&start_aimux(&upstream.address)));
    }
}

/// CPU per request, each path in turn, several times.
fn cpu(runtime: &tokio::runtime::Runtime, bare: &Listening, aimux: &Listening) {
    println!("{:<10} {:<24} {:>10} {:>8} {:>12}", "request", "path", "CPU ms", "ratio", "first ms p50");
    for (name, padding, stream) in [("small", 700, false), ("130 KB", 130_000, false), ("stream", 700, true)] {
        let mut results: [Vec<Measured>; 3] = Default::default();
        for _ in 0..ROUNDS {
            let paths = [(bare, "same/m"), (aimux, "same/m"), (aimux, "other/m")];
            for (result, (server, model)) in results.iter_mut().zip(paths) {
                result.push(runtime.block_on(measure(server, &parts::request(model, padding, stream))));
            }
        }
        let results = results.map(|rounds| median(rounds, |round| round.cpu_ms));
        for (path, result) in ["bare pass-through", "aimux, same dialect", "aimux, Anthropic to Chat"].iter().zip(&results) {
            println!("{name:<10} {path:<24} {:>10.4} {:>8.2} {:>12.3}", result.cpu_ms, result.cpu_ms / results[0].cpu_ms, result.median_ms);
        }
        std::io::stdout().flush().expect("printed");
    }
    println!();
}
