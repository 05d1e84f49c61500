//! Sees that the config or a key file has changed, by looking at them once a second. An event of the kernel would come
//! sooner, and not at all from some network file systems, bind mounts and chains of links.
//!
//! What has changed is taken on when it has stood still for a look: a writer that is half-way gets its time. Start with
//! [`Reloader::watch`].

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::reload::{Reloader, Source, Trigger};
use crate::provider::measured;

const LOOK: Duration = Duration::from_secs(1);

/// What can be told of the files without opening them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(Vec<(PathBuf, Option<Seen>)>);

/// Device, file, length, and the times of the last change of content and of anything.
type Seen = (u64, u64, i64, [i64; 4]);

impl Stamp {
    /// Looks at a source's files. Blocks, shortly. To be taken before the config is read: what changes afterwards is seen.
    #[must_use]
    pub fn take(source: &Source) -> Self {
        let Source { options, environment, store } = source;
        let mut paths: Vec<PathBuf> = crate::config::locate(options, environment).into_iter().collect();
        let state = environment.state_folder();
        paths.extend([state.join("client-token"), state.join(measured::FILE), store.identity.clone()]);
        // A folder that cannot be listed has no key that could be read.
        paths.extend(store.names().unwrap_or_default().iter().map(|name| store.folder.join(format!("{name}.age"))));
        Self(paths.into_iter().map(|path| (seen(&path), path)).map(|(seen, path)| (path, seen)).collect())
    }
}

fn seen(path: &Path) -> Option<Seen> {
    let about = rustix::fs::stat(path).ok()?;
    let nanos = |value| i64::try_from(value).unwrap_or_default();
    Some((
        about.st_dev,
        about.st_ino,
        about.st_size,
        [about.st_mtime, nanos(about.st_mtime_nsec), about.st_ctime, nanos(about.st_ctime_nsec)],
    ))
}

impl Reloader {
    /// Reloads when a file differs from what `known` was taken of; never ends. Where the config says `watch: false`, it
    /// looks at nothing.
    pub async fn watch(self: Arc<Self>, mut known: Stamp) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut moving = None;
        loop {
            looks.tick().await;
            if !self.shared.current().server.watch {
                continue;
            }
            let this = Arc::clone(&self);
            let Ok(now) = tokio::task::spawn_blocking(move || Stamp::take(&this.source)).await else { continue };
            if now == known {
                moving = None;
            } else if moving.as_ref() == Some(&now) {
                (known, moving) = (now, None);
                // A refusal is in the log, and is not repeated until the file changes again.
                let _ = self.reload(Trigger::Watch, Duration::ZERO).await;
            } else {
                moving = Some(now);
            }
        }
    }
}
