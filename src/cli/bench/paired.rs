//! What two ways differ by, from pairs that were measured in turn, and how sure that is.
//!
//! Requests of one block share what the machine and the provider did just then, so whole blocks are drawn again, not requests: each
//! block is one number, its median difference. The draws come from a seeded generator: the same measurements give the same
//! interval. Start with [`interval`].

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// Draws of a bootstrap.
const DRAWS: usize = 2000;
/// Fewer blocks than this say nothing about how sure their median is.
pub(super) const BLOCKS_MIN: usize = 6;
/// More are joined with their neighbours: a day of blocks costs what a thousand do.
const BLOCKS_MAX: usize = 1000;

/// A value and where it lies with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Interval {
    /// The value, by what was measured.
    pub(super) estimate: f64,
    /// The lower end; that of the value itself where there are too few blocks to tell.
    pub(super) low: f64,
    /// The upper end.
    pub(super) high: f64,
}

impl Interval {
    /// Whether all of it lies above zero, or all of it below.
    pub(super) fn is_told(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// The median of one number for each block, with its interval; `None`: too few blocks.
pub(super) fn interval(blocks: &[f64]) -> Option<Interval> {
    drawn(&[blocks], |medians| medians.first().copied().unwrap_or(0.0))
}

/// By how much the median of `now` differs from that of `before`, as a part of `base`, with its interval; `None`: too few blocks.
pub(super) fn change(before: &[f64], now: &[f64], base: f64) -> Option<Interval> {
    drawn(&[before, now], |medians| match medians {
        [before, now] => (now - before) / base,
        _ => 0.0,
    })
}

/// A figure of medians, drawn again and again.
fn drawn(series: &[&[f64]], figure: impl Fn(&[f64]) -> f64) -> Option<Interval> {
    if series.iter().any(|blocks| blocks.len() < BLOCKS_MIN) {
        return None;
    }
    let joined: Vec<Vec<f64>> = series.iter().map(|blocks| joined(blocks)).collect();
    let medians = |series: Vec<Vec<f64>>| series.into_iter().map(|mut blocks| median(&mut blocks).unwrap_or(0.0)).collect::<Vec<_>>();
    let estimate = figure(&medians(joined.clone()));
    let mut random = Random::new(0x0A11);
    let mut draws: Vec<f64> = (0..DRAWS)
        .map(|_| figure(&medians(joined.iter().map(|blocks| blocks.iter().map(|_| one_of(blocks, &mut random)).collect()).collect())))
        .collect();
    draws.sort_by(f64::total_cmp);
    let at = |rank: f64| draws.get((rank * DRAWS as f64) as usize).copied().unwrap_or(estimate);
    Some(Interval { estimate, low: at(0.025).min(estimate), high: at(0.975).max(estimate) })
}

/// Neighbours joined until there are no more than [`BLOCKS_MAX`].
fn joined(blocks: &[f64]) -> Vec<f64> {
    let size = blocks.len().div_ceil(BLOCKS_MAX).max(1);
    blocks.chunks(size).filter_map(|chunk| median(&mut chunk.to_vec())).collect()
}

/// Numbers in the order in which they came, of bounded length: when there are too many, neighbours become their mean.
#[derive(Debug, Clone, Default)]
pub(super) struct Series {
    values: Vec<f64>,
    /// How many numbers one of the values stands for, as a power of two.
    doublings: u32,
    pending: (f64, u32),
}

impl Series {
    /// Takes one more.
    pub(super) fn push(&mut self, value: f64) {
        let (sum, count) = self.pending;
        self.pending = (sum + value, count + 1);
        if self.pending.1 < 1 << self.doublings {
            return;
        }
        self.values.push(self.pending.0 / f64::from(self.pending.1));
        self.pending = (0.0, 0);
        if self.values.len() >= 2 * BLOCKS_MAX {
            self.values = self.values.chunks(2).map(|pair| pair.iter().sum::<f64>() / pair.len() as f64).collect();
            self.doublings += 1;
        }
    }

    /// What there is.
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }
}

/// The one in the middle, of two their mean; `None`: there are none.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let is_odd = values.len() % 2 == 1;
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    if is_odd {
        return Some(upper);
    }
    let lower = below.iter().copied().max_by(f64::total_cmp)?;
    Some((lower + upper) / 2.0)
}

fn one_of(values: &[f64], random: &mut Random) -> f64 {
    let place = (u128::from(random.next()) * values.len() as u128) >> 64;
    values.get(place as usize).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` values around `middle`, spread by `spread` to either side.
    fn noisy(count: usize, middle: f64, spread: f64, seed: u64) -> Vec<f64> {
        let mut random = Random::new(seed);
        (0..count).map(|_| middle + spread * ((random.next() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0)).collect()
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two_there() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [3.0]), Some(3.0));
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn a_difference_is_found_in_noise_and_one_that_is_not_there_is_not() {
        let there = interval(&noisy(200, 0.5, 1.0, 7)).unwrap();
        assert!(there.low > 0.2 && there.low <= 0.5 && there.high >= 0.5 && there.high < 0.8, "{there:?}");
        assert!(there.is_told());
        assert!(!interval(&noisy(200, 0.0, 1.0, 11)).unwrap().is_told());
        assert_eq!(interval(&noisy(200, 0.5, 1.0, 7)), interval(&noisy(200, 0.5, 1.0, 7)), "the same measurements, the same interval");
    }

    #[test]
    fn nineteen_of_twenty_intervals_hold_the_truth() {
        let holds = |seed: &u64| interval(&noisy(30, 1.0, 1.0, seed * 7919)).is_some_and(|told| told.low <= 1.0 && told.high >= 1.0);
        let held = (0..60).filter(holds).count();
        assert!((53..=60).contains(&held), "{held} of 60");
    }

    #[test]
    fn too_few_blocks_have_no_interval_and_very_many_are_joined() {
        assert_eq!(interval(&[1.0; BLOCKS_MIN - 1]), None);
        assert!(interval(&[1.0; BLOCKS_MIN]).is_some());
        assert_eq!(joined(&vec![1.0; 86_400]).len(), 994);
        assert!(interval(&noisy(5_000, 2.0, 1.0, 3)).unwrap().is_told());
    }

    #[test]
    fn a_series_stays_bounded_and_keeps_its_mean() {
        let mut series = Series::default();
        (0..100_000).for_each(|n| series.push(f64::from(n % 10)));
        assert!(series.values().len() < 2 * BLOCKS_MAX, "{}", series.values().len());
        let mean = series.values().iter().sum::<f64>() / series.values().len() as f64;
        assert!((mean - 4.5).abs() < 0.05, "{mean}");
    }

    #[test]
    fn a_change_between_two_runs_is_told_as_a_part_of_the_former() {
        let (before, now) = (noisy(100, 10.0, 1.0, 3), noisy(100, 12.0, 1.0, 5));
        let worse = change(&before, &now, 10.0).unwrap();
        assert!(worse.low > 0.1 && worse.high < 0.3, "{worse:?}");
        assert!(!change(&before, &noisy(100, 10.0, 1.0, 23), 10.0).unwrap().is_told());
    }
}
