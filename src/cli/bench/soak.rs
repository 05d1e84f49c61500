//! What a process holds while it works: memory and descriptors over time, and whether they grow.
//!
//! The slope is that of least squares over all but the first fifth, in which caches and pools fill. Start with [`watch`].

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::process::held;
use super::stop::Stop;

/// How many looks there are in a soak.
const LOOKS: u32 = 500;

/// What a process held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Soak {
    /// Looks taken.
    pub(super) looks: usize,
    /// The most memory.
    pub(super) rss_max_mib: f64,
    /// What memory grows by in an hour.
    pub(super) rss_mib_per_hour: f64,
    /// The most descriptors.
    pub(super) fds_max: f64,
    /// What descriptors grow by in an hour.
    pub(super) fds_per_hour: f64,
    /// Seconds since the start, memory in MiB, descriptors.
    pub(super) points: Vec<[f64; 3]>,
}

/// Looks at a process until `until` is over, or the process is gone. `None`: there is nothing to see.
pub(super) async fn watch(pid: u32, whole: Duration, until: impl Future<Output = ()>, stop: &Stop) -> Option<Soak> {
    let every = (whole / LOOKS).clamp(Duration::from_millis(100), Duration::from_secs(60));
    let began = Instant::now();
    let mut points = Vec::new();
    let mut until = std::pin::pin!(until);
    loop {
        if let Some(held) = held(pid) {
            points.push([began.elapsed().as_secs_f64(), held.rss_mib, held.fds as f64]);
        }
        tokio::select! {
            () = &mut until => break,
            () = stop.wait() => break,
            () = tokio::time::sleep(every) => {}
        }
    }
    Soak::of(points)
}

impl Soak {
    /// What points tell; `None`: there are fewer than three.
    fn of(points: Vec<[f64; 3]>) -> Option<Self> {
        let settled = points.get(points.len() / 5..).filter(|points| points.len() >= 3)?;
        let most = |column: fn(&[f64; 3]) -> f64| points.iter().map(column).fold(0.0, f64::max);
        Some(Self {
            looks: points.len(),
            rss_max_mib: most(|[_, rss, _]| *rss),
            rss_mib_per_hour: slope(settled, |[_, rss, _]| *rss) * 3600.0,
            fds_max: most(|[.., fds]| *fds),
            fds_per_hour: slope(settled, |[.., fds]| *fds) * 3600.0,
            points,
        })
    }
}

/// The slope of least squares, a second.
fn slope(points: &[[f64; 3]], value: fn(&[f64; 3]) -> f64) -> f64 {
    let count = points.len() as f64;
    let mean_at = points.iter().map(|[at, ..]| at).sum::<f64>() / count;
    let mean = points.iter().map(value).sum::<f64>() / count;
    let spread: f64 = points.iter().map(|[at, ..]| (at - mean_at).powi(2)).sum();
    let common: f64 = points.iter().map(|point| (point[0] - mean_at) * (value(point) - mean)).sum();
    if spread > 0.0 { common / spread } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_is_told_by_the_hour_and_what_filled_at_the_start_is_not() {
        let leaking = Soak::of((0..100).map(|s| [f64::from(s), 10.0 + f64::from(s) * 0.01, 20.0]).collect()).unwrap();
        assert!((leaking.rss_mib_per_hour - 36.0).abs() < 0.01 && leaking.fds_per_hour == 0.0, "{leaking:?}");
        let filling = Soak::of((0..100).map(|s| [f64::from(s), 10.0 + f64::from(s.min(20)), 20.0]).collect()).unwrap();
        assert!(filling.rss_mib_per_hour.abs() < 1e-6 && filling.rss_max_mib == 30.0, "{filling:?}");
        assert_eq!(Soak::of(vec![[0.0, 1.0, 1.0]; 2]), None);
    }
}
