//! Counts by size, in whole units.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The upper bounds of the buckets, each as the exposition writes it; the last bucket has none.
pub(super) type Bounds = &'static [(u64, &'static str)];

/// Milliseconds to the end of an answer: OpenTelemetry's bounds for operations.
pub(super) const DURATION: Bounds = &[
    (10, "0.01"),
    (20, "0.02"),
    (40, "0.04"),
    (80, "0.08"),
    (160, "0.16"),
    (320, "0.32"),
    (640, "0.64"),
    (1280, "1.28"),
    (2560, "2.56"),
    (5120, "5.12"),
    (10_240, "10.24"),
    (20_480, "20.48"),
    (40_960, "40.96"),
    (81_920, "81.92"),
];
/// Milliseconds to the first content: OpenTelemetry's bounds without those below a hundredth of a second, which no model meets.
pub(super) const FIRST: Bounds = &[
    (10, "0.01"),
    (20, "0.02"),
    (40, "0.04"),
    (60, "0.06"),
    (80, "0.08"),
    (100, "0.1"),
    (250, "0.25"),
    (500, "0.5"),
    (750, "0.75"),
    (1000, "1"),
    (2500, "2.5"),
    (5000, "5"),
    (7500, "7.5"),
    (10_000, "10"),
];
/// Tokens: OpenTelemetry's bounds up to what a context holds.
pub(super) const TOKENS: Bounds = &[
    (1, "1"),
    (4, "4"),
    (16, "16"),
    (64, "64"),
    (256, "256"),
    (1024, "1024"),
    (4096, "4096"),
    (16_384, "16384"),
    (65_536, "65536"),
    (262_144, "262144"),
    (1_048_576, "1048576"),
    (4_194_304, "4194304"),
];
/// The most buckets, the last one included.
const BUCKETS_MAX: usize = 15;

#[derive(Debug)]
pub(super) struct Histogram {
    bounds: Bounds,
    /// How many fell into each bucket alone.
    buckets: [AtomicU64; BUCKETS_MAX],
    sum: AtomicU64,
}

impl Histogram {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, buckets: Default::default(), sum: AtomicU64::new(0) }
    }

    pub(super) fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|(bound, _)| *bound < value);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Relaxed);
            self.sum.fetch_add(value, Relaxed);
        }
    }

    /// The buckets with their bounds, each with all that are smaller; the last one has everything.
    pub(super) fn cumulative(&self) -> Vec<(&'static str, u64)> {
        let mut all = 0;
        let bounds = self.bounds.iter().map(|(_, written)| *written).chain(["+Inf"]);
        bounds
            .zip(&self.buckets)
            .map(|(bound, count)| {
                all += count.load(Relaxed);
                (bound, all)
            })
            .collect()
    }

    pub(super) fn sum(&self) -> u64 {
        self.sum.load(Relaxed)
    }
}
