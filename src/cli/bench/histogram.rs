//! A histogram of durations with a bounded size, whatever is put in: an hour of requests costs what a second of them does.
//!
//! Its buckets are those that HdrHistogram made common: linear up to [`LINEAR`], then 256 to each doubling, so that a value
//! is told within 0.4 %. It is our own because it is one screen long. Start with [`Histogram::record`].

/// Values below are kept as they are, in nanoseconds.
const LINEAR: u64 = 512;
/// Bits of a value that are kept above.
const BITS: u32 = 8;

/// How often which duration was seen, in nanoseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

impl Histogram {
    /// Counts one value.
    pub(super) fn record(&mut self, value: u64) {
        let bucket = bucket(value);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = self.max.max(value);
        self.count += 1;
        self.sum += u128::from(value);
    }

    /// How many values there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The value that the part `rank` (0 to 1) of all does not exceed; `None`: there are none.
    pub(super) fn at(&self, rank: f64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let wanted = ((rank * self.count as f64).ceil() as u64).clamp(1, self.count);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Some(middle(index).clamp(self.min, self.max));
            }
        }
        Some(self.max)
    }

    /// The sum over the number.
    pub(super) fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// The least.
    pub(super) fn min(&self) -> Option<u64> {
        (self.count > 0).then_some(self.min)
    }

    /// The greatest.
    pub(super) fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }
}

fn bucket(value: u64) -> usize {
    if value < LINEAR {
        return value as usize;
    }
    let shift = 63 - value.leading_zeros() - BITS;
    let part = (value >> shift) - (1 << BITS);
    (LINEAR + u64::from(shift - 1) * (1 << BITS) + part) as usize
}

/// The value in the middle of a bucket.
fn middle(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < LINEAR {
        return bucket;
    }
    let (doubling, part) = ((bucket - LINEAR) >> BITS, (bucket - LINEAR) & ((1 << BITS) - 1));
    let shift = doubling + 1;
    (((1 << BITS) + part) << shift) + (1 << (shift - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_comes_back_within_four_thousandths() {
        for value in (0..2000).chain((1..45).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 7, (3 << bit) / 2])) {
            let told = middle(bucket(value));
            assert!(told.abs_diff(value) as f64 <= value as f64 * 0.004, "{value} is told as {told}");
            assert!(bucket(value) <= bucket(value + 1), "{value}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_values() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.at(0.5), histogram.mean(), histogram.min()), (None, None, None));
        (1..=1000).rev().for_each(|ms| histogram.record(ms * 1_000_000));
        for (rank, ms) in [(0.0, 1.0), (0.5, 500.0), (0.99, 990.0), (0.999, 999.0), (1.0, 1000.0)] {
            let told = histogram.at(rank).unwrap() as f64 / 1e6;
            assert!((told - ms).abs() <= ms * 0.004, "{rank}: {told}");
        }
        assert_eq!((histogram.count(), histogram.min(), histogram.max()), (1000, Some(1_000_000), Some(1_000_000_000)));
        assert!((histogram.mean().unwrap() - 500.5e6).abs() < 1.0);
    }
}
