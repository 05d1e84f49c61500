//! What the server knows of providers and keys, kept in a file across restarts: breakers, rests, what was taken of limits.
//!
//! Losing it costs a few requests to targets that fail, so it is never waited for and no reason not to start: a file that is
//! broken, old or of another form is told of and left out. One server per config writes it, under that server's lock.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::route::Health;
use crate::route::snapshot::{Snapshot, Unusable};

/// The longest file that is read, in bytes: more than the memory's own limits allow for in practice.
const LENGTH_MAX: u64 = 16 << 20;

/// The file of the server whose control socket this is.
#[must_use]
pub fn path(state_folder: &Path, socket: &Path) -> PathBuf {
    let name = socket.file_stem().map_or_else(|| "default".to_owned(), |stem| stem.to_string_lossy().into_owned());
    state_folder.join(format!("health-{name}.json"))
}

/// The time of day, in milliseconds since 1970.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Reads the file into an empty memory; what it cannot use it warns of.
pub fn load(path: &Path, health: &mut Health) {
    let shown = path.display();
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        Err(error) => return tracing::warn!(%error, file = %shown, "what was known of providers could not be read"),
    };
    let mut text = Vec::new();
    if let Err(error) = file.take(LENGTH_MAX).read_to_end(&mut text) {
        return tracing::warn!(%error, file = %shown, "what was known of providers could not be read");
    }
    let snapshot: Snapshot = match serde_json::from_slice(&text) {
        Ok(snapshot) => snapshot,
        Err(error) => return tracing::warn!(%error, file = %shown, "what was known of providers is damaged; the server begins without it"),
    };
    match health.restore(snapshot, Instant::now(), unix_ms()) {
        Ok(()) => tracing::debug!(file = %shown, "what was known of providers is known again"),
        Err(why) => {
            let why = match why {
                Unusable::Version(version) => format!("its form is {version}, not {}", crate::route::snapshot::VERSION),
                Unusable::Old => "it is more than a week old".to_owned(),
                Unusable::Future => "it is from the future: the clock was set back".to_owned(),
            };
            tracing::warn!(%why, file = %shown, "what was known of providers is of no use; the server begins without it");
        }
    }
}

/// Keeps what a command has learnt that asks without a server: nothing where there is nothing to tell.
///
/// # Errors
/// When it cannot be written.
pub fn keep(path: &Path, health: &Health) -> std::io::Result<()> {
    let snapshot = take(health);
    if snapshot.is_empty() && !path.exists() {
        return Ok(());
    }
    save(path, &snapshot)
}

/// Takes what is worth remembering.
pub(super) fn take(health: &Health) -> Snapshot {
    health.snapshot(Instant::now(), unix_ms())
}

/// Writes it, in one step.
pub(super) fn save(path: &Path, snapshot: &Snapshot) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::with_prefix_in(".health-", folder)?;
    serde_json::to_writer(&mut file, snapshot)?;
    file.write_all(b"\n")?;
    file.as_file().sync_data()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
