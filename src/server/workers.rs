//! The threads that serve connections, each with a runtime of its own.
//!
//! A client's connection stays on the thread that it was given, with its requests, their timers and, as far as the pool has
//! one there, its connection to the upstream: nothing is woken on another thread for a chunk. What blocks has no place here.
//! It lacks the stealing of work: a long computation holds up its thread's other connections. Start with [`Workers::give`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Shared, keeper, serve_connection};
use crate::error::{Code, Error};

/// So many connections go to one thread before another gets some. A client's few find each other's upstream connections
/// there, and a thread that has something to do is woken less often than two that have half as much; one alone takes
/// 20,000 small requests a second.
const TOGETHER: usize = 8;

/// A thread with connections wakes so often, and tells if that was late. It has another use: a timer that ends before the one for which its thread last slept
/// costs a call of the system, which wakes the thread it comes from; with one always near, no request's timer does.
const TICK: Duration = Duration::from_secs(1);

/// The threads. Dropped, they end at once, and what they serve with them.
pub(super) struct Workers(Vec<Worker>);

struct Worker {
    /// How many connections it has.
    load: Arc<AtomicUsize>,
    newcomers: Option<UnboundedSender<Newcomer>>,
    thread: Option<JoinHandle<()>>,
    runtime: Handle,
}

/// A connection on its way to its thread, or there.
struct Newcomer {
    stream: std::net::TcpStream,
    place: Place,
}

/// A connection's place, among all and on its thread.
struct Place {
    load: Arc<AtomicUsize>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// One for each processor that this process may use.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(shared: &Arc<Shared>) -> Result<Self, Error> {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        (0..count)
            .map(|_| Worker::start(Arc::clone(shared)))
            .collect::<std::io::Result<_>>()
            .map(Self)
            .map_err(|error| Error::new(Code::Bug, "the threads that serve connections could not be started").caused_by(error))
    }

    /// Their runtimes, to be asked how they fare.
    pub(super) fn runtimes(&self) -> Vec<Handle> {
        self.0.iter().map(|worker| worker.runtime.clone()).collect()
    }

    /// How many connections each has.
    pub(super) fn loads(&self) -> Vec<Arc<AtomicUsize>> {
        self.0.iter().map(|worker| Arc::clone(&worker.load)).collect()
    }

    /// Gives a connection to the thread that has fewest, by groups: a few stay together on the first one.
    pub(super) fn give(&self, stream: TcpStream, permit: OwnedSemaphorePermit) {
        let Some(worker) = self.0.iter().min_by_key(|worker| worker.load.load(Ordering::Relaxed) / TOGETHER) else { return };
        // Watched by this thread's runtime until now; a socket that cannot be handed over is closed.
        let Ok(stream) = stream.into_std() else { return };
        worker.load.fetch_add(1, Ordering::Relaxed);
        let place = Place { load: Arc::clone(&worker.load), _permit: permit };
        if let Some(newcomers) = &worker.newcomers {
            // Who does not receive has ended, and the connection with it.
            let _ = newcomers.send(Newcomer { stream, place });
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &mut self.0 {
            worker.newcomers = None;
        }
        for thread in self.0.iter_mut().filter_map(|worker| worker.thread.take()) {
            // A panic there was told there.
            let _ = thread.join();
        }
    }
}

impl Worker {
    fn start(shared: Arc<Shared>) -> std::io::Result<Self> {
        let load: Arc<AtomicUsize> = Arc::default();
        let its_load = Arc::clone(&load);
        let (newcomers, queue) = unbounded_channel();
        let (ready, is_ready) = sync_channel(1);
        let thread = std::thread::Builder::new().name("aimux-worker".to_owned()).spawn(move || {
            // Made here: it may not be dropped where another one is at work.
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(error))),
            };
            // Who started it waits for this.
            let _ = ready.send(Ok(runtime.handle().clone()));
            runtime.block_on(work(queue, its_load, shared));
            // What blocks, the look-up of a name say, is not waited for.
            runtime.shutdown_background();
        })?;
        let runtime = is_ready.recv().map_err(std::io::Error::other)??;
        Ok(Self { load, newcomers: Some(newcomers), thread: Some(thread), runtime })
    }
}

/// Serves what it is given until the queue ends.
async fn work(mut queue: UnboundedReceiver<Newcomer>, load: Arc<AtomicUsize>, shared: Arc<Shared>) {
    loop {
        let asleep = Instant::now();
        let newcomer = tokio::select! {
            newcomer = queue.recv() => newcomer,
            () = tokio::time::sleep(TICK), if load.load(Ordering::Relaxed) > 0 => {
                keeper::note_lateness(&shared, asleep, TICK);
                continue;
            }
        };
        let Some(Newcomer { stream, place }) = newcomer else { return };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => serve_connection(stream, shared).await,
                Err(error) => tracing::warn!(%error, "a connection could not be watched"),
            }
            drop(place);
        });
    }
}
