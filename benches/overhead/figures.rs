//! What is not CPU: how soon the server is ready, what a first token waits, how much memory it takes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;

use super::{Listening, connect, load, median, parts, post, rss_mib, start_aimux};

/// Starts, for the time until the line that says ready.
const STARTS: usize = 9;
/// Streams one after the other over one connection, for the first token.
const STREAMS_IN_TURN: usize = 500;
/// Bodies of 130 KB after which memory is read.
const BODIES: usize = 10_000;
/// Streams open at a time.
const STREAMS_AT_ONCE: usize = 2000;

/// Prints one figure with its aim.
fn figure(name: &str, value: f64, unit: &str, aim: &str) {
    println!("{name:<44} {value:>9.3} {unit:<4} aim {aim}");
}

/// From exec to the line that says ready, and memory then.
pub(crate) fn ready(upstream: &str) {
    let mut times = Vec::new();
    let mut rss = Vec::new();
    for _ in 0..STARTS {
        let began = Instant::now();
        let aimux = start_aimux(upstream);
        times.push(began.elapsed().as_secs_f64() * 1e3);
        rss.push(rss_mib(aimux.child.id()));
    }
    figure("ready after", median(times, |time| *time), "ms", "< 30");
    figure("memory at rest", median(rss, |mib| *mib), "MiB", "< 15");
}

/// The first body byte of a stream, one request at a time: what aimux adds to asking the upstream itself.
pub(crate) async fn first_token(upstream: &Listening, bare: &Listening, aimux: &Listening) {
    let mut direct_ms = 0.0;
    for (name, server, model) in [
        ("directly", upstream, "same/m"),
        ("bare pass-through", bare, "same/m"),
        ("aimux, same dialect", aimux, "same/m"),
        ("aimux, Anthropic to Chat", aimux, "other/m"),
    ] {
        let body = parts::request(model, 700, true);
        load(&server.address, &body, STREAMS_IN_TURN / 10, 1).await;
        let waits = load(&server.address, &body, STREAMS_IN_TURN, 1).await;
        let ms = waits[waits.len() / 2].as_secs_f64() * 1e3;
        if direct_ms == 0.0 {
            direct_ms = ms;
            figure("first token, directly", ms, "ms", "-");
        } else {
            figure(&format!("first token added, {name}"), ms - direct_ms, "ms", "< 0.2");
        }
    }
}

/// Memory after many long bodies, half of them translated.
pub(crate) async fn bodies(aimux: &Listening) {
    for model in ["same/m", "other/m"] {
        load(&aimux.address, &parts::request(model, 130_000, false), BODIES / 2, super::CONNECTIONS).await;
    }
    figure(&format!("memory after {BODIES} bodies of 130 KB"), rss_mib(aimux.child.id()), "MiB", "< 60");
}

/// Memory while many streams are open, half of them translated; each has had its first token.
pub(crate) async fn streams(aimux: &Listening) {
    let mut open = Vec::with_capacity(STREAMS_AT_ONCE);
    for n in 0..STREAMS_AT_ONCE {
        let body: Bytes = parts::request(if n % 2 == 0 { "same/held" } else { "other/held" }, 700, true);
        let mut sender = connect(&aimux.address).await;
        let mut answer = sender.send_request(post(&aimux.address, body)).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.body_mut().frame().await.expect("a frame").expect("a whole frame");
        open.push((sender, answer));
    }
    // What was freed at the start of each is given back after a moment.
    tokio::time::sleep(Duration::from_secs(1)).await;
    figure(&format!("memory with {} streams open", open.len()), rss_mib(aimux.child.id()), "MiB", "< 100");
}
