//! `GET /metrics`: what was counted, and what is looked at when it is asked for.

use std::collections::HashSet;
use std::time::Instant;

use http::{HeaderValue, Response, header};

use super::reply::{self, ReplyBody};
use super::{Shared, Snapshot, keeper};
use crate::provider::models::models_of;
use crate::route::Table;
use crate::route::health::Why;
use crate::route::plan::DIRECT;
use crate::route::table::TargetRef;
use crate::telemetry::{Gauges, Names, Process, Rest};

/// Prometheus' text format.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The answer.
pub(super) async fn answer(shared: &Shared, current: &Snapshot) -> Response<ReplyBody> {
    // A few small files of the kernel's, which take long where a process has thousands of descriptors.
    let process = tokio::task::spawn_blocking(Process::read).await.ok().flatten();
    let page = shared.upstreams.counts.page(&Gauges { process, ..gauges(shared, current) });
    let mut response = reply::json(200, page);
    response.headers_mut().insert(header::CONTENT_TYPE, TEXT);
    response
}

fn gauges(shared: &Shared, current: &Snapshot) -> Gauges {
    let Shared { upstreams, connections, in_flight, streams, .. } = shared;
    let (limits, now) = (&current.limits, Instant::now());
    let taken = |most: usize, places: &tokio::sync::Semaphore| most.saturating_sub(places.available_permits()) as u64;
    let tasks = keeper::tasks(shared, &[]);
    // A scrape is served by one of the runtimes, and asks all of them.
    let alive = shared.runtimes.get().into_iter().flatten().map(|runtime| runtime.metrics().num_alive_tasks()).sum::<usize>();
    let made = upstreams.client.counters();
    let rests = upstreams.health().resting(now);
    Gauges {
        in_flight: taken(limits.requests_in_flight, in_flight),
        streams: taken(limits.requests_in_flight, streams),
        oldest_ms: tasks.oldest_ms,
        stuck: tasks.stuck as u64,
        in_line: tasks.in_line as u64,
        stall_ms: tasks.stalled_ms,
        client_connections: taken(limits.connections, connections),
        connections: [made.opened, made.reused],
        rests: rests
            .into_iter()
            .map(|rest| Rest {
                why: match rest.why {
                    None => "breaker",
                    Some(Why::Refused) => "refused",
                    Some(Why::Limited) => "limited",
                    Some(Why::UsedUp) => "used_up",
                },
                provider: rest.provider,
                model: rest.model,
                key: rest.key,
                rest_ms: millis(rest.rest),
            })
            .collect(),
        ledger: upstreams.ledger().as_deref().map(|ledger| {
            let counters = ledger.counters();
            [counters.written, counters.dropped, counters.queued]
        }),
        tasks: alive as u64,
        process: None,
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The names that labels may say under a config: its targets and routes, and what the catalog knows of its providers.
pub(super) fn names(table: &Table) -> Names {
    let mut names = Names::default();
    for provider in &table.providers {
        let listed = provider.models.iter().map(String::as_str);
        let known = models_of(provider.catalog).map(|model| model.id);
        names.models.insert(provider.name.clone(), listed.chain(known).map(str::to_owned).collect::<HashSet<_>>());
    }
    let mut target = |target: &TargetRef| {
        if let Some(provider) = table.providers.get(target.provider)
            && let Some(models) = names.models.get_mut(&provider.name)
        {
            models.insert(target.model.clone());
        }
    };
    table.models.iter().flat_map(|entry| &entry.targets).for_each(&mut target);
    table.rules.iter().flat_map(|rule| &rule.targets).for_each(&mut target);
    let entries = table.models.iter().map(|entry| entry.name.text());
    let rules = table.rules.iter().map(|rule| rule.name.as_str());
    names.routes = entries.chain(rules).chain([DIRECT]).map(str::to_owned).collect();
    names
}
