//! The measurement of one target: blocks of requests on each way in turn, and what is kept of them.
//!
//! What is kept does not grow with the number of requests. Start with [`measure`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::exchange::exchange;
use super::histogram::Histogram;
use super::load::{closed, open};
use super::paired::{Series, median};
use super::sample::Sample;
use super::scenario::Scenario;
use super::stop::Stop;
use super::subject::{Side, Subject};
use crate::chat::Usage;
use crate::cli::progress::Progress;
use crate::upstream::client::Client;

/// How long a block of the open loop takes, about, in seconds: long enough to have requests in it, short enough to have many.
const BLOCK_S: f64 = 1.0;
/// What the ways differ by is told of these, in this order.
pub(super) const PAIRED: [&str; 3] = ["ttfb", "ttft", "total"];

/// How requests follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pace {
    /// So many at a time.
    Closed(usize),
    /// So many a second.
    Open(f64),
}

/// How much is asked.
#[derive(Debug, Clone)]
pub(super) struct Amount {
    pub(super) pace: Pace,
    /// Requests on each way, at most.
    pub(super) requests: u64,
    /// For so long, at most.
    pub(super) duration: Option<Duration>,
    /// One request, at most.
    pub(super) timeout: Duration,
    /// What all may cost, in millionths of a dollar.
    pub(super) micro_usd: Option<u64>,
}

/// What was seen on one way.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) requests: u64,
    pub(super) errors: BTreeMap<String, u64>,
    pub(super) ttfb: Histogram,
    pub(super) ttft: Histogram,
    pub(super) gap: Histogram,
    pub(super) total: Histogram,
    /// Thousandths of a token a second.
    pub(super) tps: Histogram,
    pub(super) calls: [u64; 2],
    pub(super) usage: Usage,
    pub(super) with_cache: u64,
    /// Answers of another target than the one that is asked directly.
    pub(super) elsewhere: u64,
    pub(super) micro_usd: Option<u64>,
    /// For each block, the medians of [`PAIRED`] in milliseconds.
    pub(super) blocks: [Series; 3],
}

/// What was seen of one target.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// In the order of the subject's ways.
    pub(super) sides: Vec<Tally>,
    /// For each block, the median differences of the pairs of [`PAIRED`] in milliseconds: the second way minus the first.
    pub(super) differences: [Series; 3],
    pub(super) pairs: u64,
    /// Why it ended before its time.
    pub(super) cut: Option<&'static str>,
    pub(super) took: Duration,
}

/// Measures one target. A stop leaves what was measured.
pub(super) async fn measure(
    subject: &Subject,
    scenario: &Arc<Scenario>,
    amount: &Amount,
    client: &Client,
    stop: &Stop,
    progress: &Progress,
) -> Measured {
    let mut measured =
        Measured { sides: vec![Tally { micro_usd: Some(0), ..Tally::default() }; subject.sides.len()], ..Measured::default() };
    let asking = Asking { scenario, amount, client, stop };
    // Neither way pays for the connection, or for the prompt cache of the other.
    for side in &subject.sides {
        asking.block(side, 1, 0).await;
    }
    let began = Instant::now();
    let size = block_size(amount);
    let (mut done, mut block) = (0, 0_usize);
    while done < amount.requests && !stop.is_told() {
        if amount.duration.is_some_and(|most| began.elapsed() >= most) {
            break;
        }
        let count = usize::try_from((amount.requests - done).min(size)).unwrap_or(1);
        if !measured.affords(subject, amount, count) {
            measured.cut = Some("what may be spent is spent");
            break;
        }
        let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); subject.sides.len()];
        for step in 0..subject.sides.len() {
            // Each way comes first in turn.
            let at = (step + block) % subject.sides.len();
            if let (Some(side), Some(into)) = (subject.sides.get(at), samples.get_mut(at)) {
                *into = asking.block(side, count, usize::try_from(done).unwrap_or(0)).await;
            }
        }
        measured.take(subject, samples);
        done += count as u64;
        block += 1;
        progress.at(done.min(amount.requests), amount.requests);
    }
    if stop.is_told() {
        measured.cut = Some("it was interrupted");
    }
    measured.took = began.elapsed();
    measured
}

/// Requests of a block on each way.
fn block_size(amount: &Amount) -> u64 {
    let size = match amount.pace {
        Pace::Closed(1) => 1,
        Pace::Closed(workers) => workers as u64 * 2,
        Pace::Open(rate) => (rate * BLOCK_S).ceil().max(5.0) as u64,
    };
    // At least ten blocks, where there is a number to part.
    let least = if let Pace::Closed(workers) = amount.pace { workers as u64 } else { 1 };
    size.min((amount.requests / 10).max(least)).max(1)
}

/// What each block needs.
struct Asking<'a> {
    scenario: &'a Arc<Scenario>,
    amount: &'a Amount,
    client: &'a Client,
    stop: &'a Stop,
}

impl Asking<'_> {
    /// Makes a block of requests; `first` is the number of the first.
    async fn block(&self, side: &Side, count: usize, first: usize) -> Vec<Sample> {
        let (client, scenario, stop, written) =
            (self.client.clone(), Arc::clone(self.scenario), self.stop.clone(), Arc::clone(&side.written));
        let timeout = self.amount.timeout;
        let make = move |number: usize, since: Instant| {
            let (client, scenario, stop, written) = (client.clone(), Arc::clone(&scenario), stop.clone(), Arc::clone(&written));
            async move {
                let Some(written) = written.get((first + number) % written.len().max(1)) else { return Sample::default() };
                let timed = exchange(&client, written.request(), since, timeout, &stop).await;
                Sample::read(&timed, written, &scenario)
            }
        };
        match self.amount.pace {
            Pace::Closed(workers) => closed(count, workers, self.stop, make).await,
            Pace::Open(rate) => open(count, Duration::from_secs_f64(1.0 / rate), self.stop, make).await,
        }
    }
}

impl Measured {
    /// Whether another block stays within what may be spent. What was spent is told by the answers; a price that is not known was
    /// allowed as such.
    fn affords(&self, subject: &Subject, amount: &Amount, count: usize) -> bool {
        let (Some(most), Some(each)) = (amount.micro_usd, subject.most_micro_usd) else { return true };
        let spent: u64 = self.sides.iter().filter_map(|side| side.micro_usd).sum();
        spent.saturating_add(each.saturating_mul((count * subject.sides.len()) as u64)) <= most
    }

    /// Keeps what a block has shown.
    fn take(&mut self, subject: &Subject, samples: Vec<Vec<Sample>>) {
        for (tally, samples) in self.sides.iter_mut().zip(&samples) {
            samples.iter().for_each(|sample| tally.take(subject, sample));
            for (at, series) in tally.blocks.iter_mut().enumerate() {
                let mut values: Vec<f64> =
                    samples.iter().filter(|sample| sample.error.is_none()).filter_map(|sample| paired(sample, at)).collect();
                median(&mut values).into_iter().for_each(|value| series.push(value));
            }
        }
        let [direct, aimux] = samples.as_slice() else { return };
        let is_fit = |sample: &Sample| sample.error.is_none();
        let is_here = |sample: &Sample| sample.answered_by.as_ref().is_none_or(|target| *target == subject.target);
        let pairs: Vec<(&Sample, &Sample)> =
            direct.iter().zip(aimux).filter(|(one, other)| is_fit(one) && is_fit(other) && is_here(other)).collect();
        self.pairs += pairs.len() as u64;
        for (at, series) in self.differences.iter_mut().enumerate() {
            let mut values: Vec<f64> = pairs.iter().filter_map(|(one, other)| Some(paired(other, at)? - paired(one, at)?)).collect();
            median(&mut values).into_iter().for_each(|value| series.push(value));
        }
    }
}

/// A figure of [`PAIRED`], in milliseconds.
fn paired(sample: &Sample, at: usize) -> Option<f64> {
    let time = match at {
        0 => sample.ttfb?,
        1 => sample.ttft?,
        _ => sample.total,
    };
    Some(time.as_secs_f64() * 1e3)
}

impl Tally {
    fn take(&mut self, subject: &Subject, sample: &Sample) {
        if sample.is_stopped {
            // It was cut off by us and says nothing.
            return;
        }
        self.requests += 1;
        if let Some(error) = &sample.error {
            *self.errors.entry(error.clone()).or_default() += 1;
            return;
        }
        let record = |histogram: &mut Histogram, time: Duration| histogram.record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        sample.ttfb.into_iter().for_each(|time| record(&mut self.ttfb, time));
        sample.ttft.into_iter().for_each(|time| record(&mut self.ttft, time));
        sample.gaps.iter().for_each(|time| record(&mut self.gap, *time));
        record(&mut self.total, sample.total);
        sample.tokens_per_s.into_iter().for_each(|rate| self.tps.record((rate * 1e3) as u64));
        self.calls.iter_mut().zip(sample.calls).for_each(|(sum, calls)| *sum += calls);
        let add = |sum: &mut Option<u64>, more: Option<u64>| *sum = more.map_or(*sum, |more| Some(sum.unwrap_or(0).saturating_add(more)));
        add(&mut self.usage.input, sample.usage.input);
        add(&mut self.usage.output, sample.usage.output);
        add(&mut self.usage.cache_read, sample.usage.cache_read);
        add(&mut self.usage.cache_write, sample.usage.cache_write);
        self.with_cache += u64::from(sample.usage.cache_read.unwrap_or(0) > 0);
        self.elsewhere += u64::from(sample.answered_by.as_ref().is_some_and(|target| *target != subject.target));
        self.micro_usd = self.micro_usd.zip(subject.price.micro_usd(&sample.usage)).map(|(sum, cost)| sum.saturating_add(cost));
    }
}
