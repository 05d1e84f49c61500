//! The task that looks after the others while the server runs: it tells of requests that outlive their deadline and of a
//! runtime that stood still, and saves what is known of providers.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::{Shared, memory};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(1);
/// How often what is known is saved, if it has changed.
const SAVE: Duration = Duration::from_secs(10);
/// How long after its deadline a request that still runs is stuck.
const OVERDUE: Duration = Duration::from_secs(30);
/// A look that comes later than this by itself: something blocked the runtime, or the machine slept.
const STALL: Duration = Duration::from_secs(1);

/// How a server's tasks fare.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Tasks {
    /// Tasks of the runtime: one per client connection, and some of the server's own.
    pub alive: usize,
    /// Requests under way.
    pub requests: usize,
    /// Places in lines for a provider that is full.
    pub in_line: usize,
    /// How long the oldest request has been under way.
    pub oldest_ms: u64,
    /// Requests that have outlived their deadline by half a minute.
    pub stuck: usize,
    /// The longest that the runtime stood still.
    pub stalled_ms: u64,
}

/// Looks after the server until dropped. `file`: where what is known is saved; `None`: nowhere.
pub(super) async fn keep(shared: Arc<Shared>, file: Option<PathBuf>) {
    let mut told = HashSet::new();
    let (mut saved, mut saved_at) = (None, Instant::now());
    loop {
        let asleep = Instant::now();
        tokio::time::sleep(LOOK).await;
        note_lateness(&shared, asleep, LOOK);
        tell_of_stuck(&shared, &mut told);
        if let Some(file) = &file
            && saved_at.elapsed() >= SAVE
        {
            saved_at = Instant::now();
            let changes = shared.upstreams.health().changes();
            if saved != Some(changes) {
                saved = Some(changes);
                save(&shared, file.clone()).await;
            }
        }
    }
}

/// Tells of a thread that slept from `asleep` on and was woken later than after `wait`.
pub(super) fn note_lateness(shared: &Shared, asleep: Instant, wait: Duration) {
    let late = asleep.elapsed().saturating_sub(wait);
    if late > STALL {
        let ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
        shared.upstreams.live().note_stall(late);
        tracing::warn!(ms, "the runtime stood still: the machine slept, or something blocked it");
    }
}

/// How the tasks of the main runtime and of these fare, for a status.
pub(super) fn tasks(shared: &Shared, runtimes: &[Handle]) -> Tasks {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let (now, limit) = (Instant::now(), deadline(shared));
    let in_line = shared.upstreams.health().in_line();
    let live = shared.upstreams.live();
    Tasks {
        alive: Handle::try_current().iter().chain(runtimes).map(|runtime| runtime.metrics().num_alive_tasks()).sum(),
        requests: live.count(),
        in_line,
        oldest_ms: ms(live.oldest(now)),
        stuck: live.stuck(limit, now).len(),
        stalled_ms: ms(live.stalled),
    }
}

/// When a request that still runs is stuck.
fn deadline(shared: &Shared) -> Duration {
    shared.current().table.retry.deadline.saturating_add(OVERDUE)
}

/// Saves what is known.
pub(super) async fn save(shared: &Shared, file: PathBuf) {
    let snapshot = memory::take(&shared.upstreams.health());
    let shown = file.display().to_string();
    let outcome = tokio::task::spawn_blocking(move || memory::save(&file, &snapshot)).await;
    if let Ok(Err(error)) = outcome {
        tracing::warn!(%error, file = %shown, "what is known of providers could not be saved");
    }
}

/// Each request that runs on after its deadline is told of once.
fn tell_of_stuck(shared: &Shared, told: &mut HashSet<u64>) {
    let stuck = shared.upstreams.live().stuck(deadline(shared), Instant::now());
    told.retain(|number| stuck.iter().any(|one| one.number == *number));
    for one in stuck {
        if told.insert(one.number) {
            tracing::error!(request_id = %one.request_id, age_s = one.age.as_secs(), "a request is stuck: it has outlived its deadline");
        }
    }
}
