//! Many requests: so many at a time (closed loop), or so many a second whatever becomes of them (open loop).
//!
//! In the open loop a request's time is counted from when it was to start. A stall of the server then delays all that were
//! due meanwhile, and each of them says so; a loop that waits for an answer before it asks again would see it once. Start with
//! [`closed`] and [`open`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::stop::Stop;

/// Requests of an open loop that are under way at a time; more wait in line, and their clocks run.
pub(super) const UNDER_WAY_MAX: usize = 4096;

/// Makes `count` requests, `workers` at a time; gives what came, in the order of their numbers. `make` is told its number
/// and when it starts. A stop leaves out those that had not begun.
pub(super) async fn closed<T, F, Fut>(count: usize, workers: usize, stop: &Stop, make: F) -> Vec<T>
where
    T: Send + 'static,
    F: Fn(usize, Instant) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = T> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..workers.min(count) {
        let (next, stop, make) = (Arc::clone(&next), stop.clone(), make.clone());
        tasks.spawn(async move {
            let mut done = Vec::new();
            while !stop.is_told() {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    break;
                }
                done.push((number, make(number, Instant::now()).await));
            }
            done
        });
    }
    in_order(tasks.join_all().await.into_iter().flatten())
}

/// Makes `count` requests, one each `every`, whether or not those before are answered; otherwise as [`closed`].
pub(super) async fn open<T, F, Fut>(count: usize, every: Duration, stop: &Stop, make: F) -> Vec<T>
where
    T: Send + 'static,
    F: Fn(usize, Instant) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = T> + Send,
{
    open_within(UNDER_WAY_MAX, count, every, stop, make).await
}

/// The same with no more than `most` under way: who waits for a place was due all the same.
async fn open_within<T, F, Fut>(most: usize, count: usize, every: Duration, stop: &Stop, make: F) -> Vec<T>
where
    T: Send + 'static,
    F: Fn(usize, Instant) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = T> + Send,
{
    let places = Arc::new(Semaphore::new(most));
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0..count {
        let due = began + every.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {}
            () = stop.wait() => break,
        }
        let (places, make) = (Arc::clone(&places), make.clone());
        tasks.spawn(async move {
            // It is never closed.
            let _place = places.acquire_owned().await;
            (number, make(number, due).await)
        });
    }
    in_order(tasks.join_all().await.into_iter())
}

fn in_order<T>(done: impl Iterator<Item = (usize, T)>) -> Vec<T> {
    let mut done: Vec<(usize, T)> = done.collect();
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_a_runtime<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn the_closed_loop_makes_each_request_once_and_no_more_at_a_time_than_asked() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted, highest) = (Arc::clone(&now), Arc::clone(&most));
        let numbers = on_a_runtime(closed(50, 4, &Stop::new(), move |number, _| {
            let (counted, highest) = (Arc::clone(&counted), Arc::clone(&highest));
            async move {
                highest.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(2)).await;
                counted.fetch_sub(1, Ordering::SeqCst);
                number
            }
        }));
        assert_eq!(numbers, (0..50).collect::<Vec<_>>());
        assert_eq!(most.load(Ordering::SeqCst), 4);
    }

    /// A server that answers one after the other and sleeps once, at the third request.
    fn dozing() -> impl Fn(usize, Instant) -> std::pin::Pin<Box<dyn Future<Output = Duration> + Send>> + Clone + Send + use<> {
        let line = Arc::new(tokio::sync::Mutex::new(0));
        move |_, due| {
            let line = Arc::clone(&line);
            Box::pin(async move {
                let mut count = line.lock().await;
                *count += 1;
                if *count == 3 {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                due.elapsed()
            })
        }
    }

    #[test]
    fn a_stall_is_seen_by_all_that_were_due_in_the_open_loop_and_by_one_in_the_closed() {
        let slow = |times: &[Duration]| times.iter().filter(|time| **time > Duration::from_millis(100)).count();
        let opened = on_a_runtime(open(40, Duration::from_millis(10), &Stop::new(), dozing()));
        assert!((15..=25).contains(&slow(&opened)), "{opened:?}");
        // Who could not even be sent, because all places were taken, was due as well.
        let held_up = on_a_runtime(open_within(1, 40, Duration::from_millis(10), &Stop::new(), dozing()));
        assert!((15..=25).contains(&slow(&held_up)), "{held_up:?}");
        let closed_ones = on_a_runtime(closed(40, 1, &Stop::new(), dozing()));
        assert_eq!(slow(&closed_ones), 1);
    }
}
