//! A server that nobody needs ends: what started it can start it again. Start with [`wait`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Shared;

/// How often is looked whether anybody is there.
const LOOK: Duration = Duration::from_millis(250);

/// Resolves when no client has been connected, and no command has held the control socket, for as long as the config says;
/// where that says nothing, for `usual`. Zero is never. `loads`: how many connections each thread has.
pub(super) async fn wait(shared: Arc<Shared>, loads: Vec<Arc<AtomicUsize>>, usual: Duration) {
    let (mut arrivals, mut since) = (0, Instant::now());
    loop {
        tokio::time::sleep(LOOK).await;
        let arrived = shared.arrivals.load(Ordering::Relaxed);
        let connections: usize = loads.iter().map(|load| load.load(Ordering::Relaxed)).sum();
        // One that came and went between two looks counts, too.
        if arrived != arrivals || connections + shared.visitors.load(Ordering::Relaxed) > 0 {
            (arrivals, since) = (arrived, Instant::now());
        }
        let limit = shared.current().server.idle_exit.unwrap_or(usual);
        if !limit.is_zero() && since.elapsed() >= limit {
            return;
        }
    }
}
