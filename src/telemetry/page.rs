//! The exposition: Prometheus' text format, version 0.0.4, a family for each row of the table in its order.

use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::count::{BREAKS, CLASSES, Classes, Counts, ENDINGS, HEDGES, KINDS, Target};
use super::histogram::Histogram;
use super::metrics::{Metric, Row};
use super::process::Process;

/// What is not counted but looked at.
#[derive(Debug, Clone, Default)]
pub struct Gauges {
    /// Requests in flight.
    pub in_flight: u64,
    /// Streams among them.
    pub streams: u64,
    /// Milliseconds that the oldest has been; 0: there is none.
    pub oldest_ms: u64,
    /// Requests that have outlived their deadline.
    pub stuck: u64,
    /// Places in lines.
    pub in_line: u64,
    /// The longest that the runtime stood still, in milliseconds.
    pub stall_ms: u64,
    /// Open connections of clients.
    pub client_connections: u64,
    /// Requests sent over new connections, and over reused ones.
    pub connections: [u64; 2],
    /// What rests.
    pub rests: Vec<Rest>,
    /// Requests that the ledger has, lacks, and is yet to be given; `None`: there is no ledger.
    pub ledger: Option<[u64; 3]>,
    /// Live tasks.
    pub tasks: u64,
    /// What the system says.
    pub process: Option<Process>,
}

/// A target or a key that rests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    /// Its provider.
    pub provider: String,
    /// The model whose breaker is open; empty for a key.
    pub model: String,
    /// The key's name; empty for a breaker.
    pub key: String,
    /// Why: a word.
    pub why: &'static str,
    /// Milliseconds still.
    pub rest_ms: u64,
}

impl Counts {
    /// All metrics, as text.
    #[must_use]
    pub fn page(&self, gauges: &Gauges) -> String {
        let mut page = Page { text: String::with_capacity(16 << 10), row: Metric::Build.row() };
        let targets = self.targets();
        let rests = self.rests(gauges);
        for metric in Metric::ALL {
            page.begin(metric.row());
            match metric {
                Metric::Build => page.sample(&[env!("CARGO_PKG_VERSION")], 1),
                Metric::Requests => {
                    for (provider, model, target) in &targets {
                        for (route, classes) in target.routes() {
                            page.classes(&[provider, model, &route], &classes);
                        }
                    }
                }
                Metric::Hedges => HEDGES.iter().zip(self.hedges()).for_each(|(outcome, count)| page.sample(&[outcome], count)),
                Metric::Endings => ENDINGS.iter().zip(self.endings()).for_each(|(ending, count)| page.sample(&[ending], count)),
                Metric::Errors => self.errors().for_each(|(code, count)| page.sample(&[code.row().id], count)),
                Metric::Attempts => targets.iter().for_each(|(provider, model, target)| page.classes(&[provider, model], &target.attempts)),
                Metric::Tokens => {
                    for (provider, model, target) in &targets {
                        for (kind, count) in KINDS.iter().zip(&target.tokens) {
                            page.counted(&[provider, model, kind], count);
                        }
                    }
                }
                Metric::Cost => {
                    for (provider, model, target) in &targets {
                        page.sample(&[provider, model], Decimal::<1_000_000>(target.cost.load(Relaxed)));
                    }
                }
                Metric::Failovers => page.each(&targets, |target| &target.failovers),
                Metric::Continued => page.each(&targets, |target| &target.continued),
                Metric::Unpriced => page.each(&targets, |target| &target.unpriced),
                Metric::Estimated => page.each(&targets, |target| &target.estimated),
                Metric::Losses => page.each(&targets, |target| &target.losses),
                Metric::Breaks => {
                    for (provider, model, target) in &targets {
                        for (cause, count) in BREAKS.iter().zip(&target.breaks) {
                            page.counted(&[provider, model, cause], count);
                        }
                    }
                }
                Metric::BreakTokens => page.each(&targets, |target| &target.break_tokens),
                Metric::BreakCost => {
                    for (provider, model, target) in targets.iter().filter(|(.., target)| target.break_cost.load(Relaxed) > 0) {
                        page.sample(&[provider, model], Decimal::<1_000_000>(target.break_cost.load(Relaxed)));
                    }
                }
                Metric::Duration => page.histograms(&targets, |target| &target.duration),
                Metric::FirstContent => page.histograms(&targets, |target| &target.first),
                Metric::TokenUsage => {
                    for (provider, model, target) in &targets {
                        page.histogram(&["chat", provider, model, "input"], &target.input);
                        page.histogram(&["chat", provider, model, "output"], &target.output);
                    }
                }
                Metric::InFlight => page.sample(&[], gauges.in_flight),
                Metric::Streams => page.sample(&[], gauges.streams),
                Metric::Oldest => page.sample(&[], Decimal::<1000>(gauges.oldest_ms)),
                Metric::Stuck => page.sample(&[], gauges.stuck),
                Metric::InLine => page.sample(&[], gauges.in_line),
                Metric::Stall => page.sample(&[], Decimal::<1000>(gauges.stall_ms)),
                Metric::ClientConnections => page.sample(&[], gauges.client_connections),
                Metric::Connections => {
                    ["new", "reused"].iter().zip(gauges.connections).for_each(|(how, count)| page.sample(&[how], count));
                }
                Metric::Breaker => {
                    rests.iter().filter(|rest| rest.key.is_empty()).for_each(|rest| page.sample(&[&rest.provider, &rest.model], 1));
                }
                Metric::Rests => {
                    for rest in &rests {
                        page.sample(&[&rest.provider, &rest.model, &rest.key, rest.why], Decimal::<1000>(rest.rest_ms));
                    }
                }
                Metric::LedgerWritten => page.of(gauges.ledger.map(|[written, _, _]| written)),
                Metric::LedgerDropped => page.of(gauges.ledger.map(|[_, dropped, _]| dropped)),
                Metric::LedgerQueued => page.of(gauges.ledger.map(|[_, _, queued]| queued)),
                Metric::Tasks => page.sample(&[], gauges.tasks),
                Metric::ProcessCpu => page.of(gauges.process.map(|process| Decimal::<100>(process.cpu_cs))),
                Metric::ProcessMemory => page.of(gauges.process.map(|process| process.memory)),
                Metric::ProcessFds => page.of(gauges.process.map(|process| process.fds)),
                Metric::ProcessFdsMax => page.of(gauges.process.and_then(|process| process.fds_max)),
                Metric::ProcessThreads => page.of(gauges.process.map(|process| process.threads)),
                Metric::ProcessStart => page.sample(&[], self.started_s()),
            }
        }
        page.text
    }

    /// What rests, under the names that labels may say; of several with one name, the longest.
    fn rests(&self, gauges: &Gauges) -> Vec<Rest> {
        let names = self.names();
        let mut rests: Vec<Rest> = Vec::new();
        for rest in &gauges.rests {
            let (provider, model) = self.shown(&names, &rest.provider, &rest.model);
            let model = if rest.model.is_empty() { "" } else { model };
            let rest = Rest { provider: provider.to_owned(), model: model.to_owned(), ..rest.clone() };
            let same = |other: &&mut Rest| {
                (&other.provider, &other.model, &other.key, other.why) == (&rest.provider, &rest.model, &rest.key, rest.why)
            };
            match rests.iter_mut().find(same) {
                Some(other) => other.rest_ms = other.rest_ms.max(rest.rest_ms),
                None => rests.push(rest),
            }
        }
        rests.sort_by(|a, b| (&a.provider, &a.model, &a.key, a.why).cmp(&(&b.provider, &b.model, &b.key, b.why)));
        rests
    }
}

type Targets = [(Box<str>, Box<str>, std::sync::Arc<Target>)];

/// A whole number of parts of a unit, written as a decimal fraction: a float would lose some.
struct Decimal<const PARTS: u64>(u64);

impl<const PARTS: u64> Display for Decimal<PARTS> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = PARTS.ilog10() as usize;
        write!(f, "{}.{:0digits$}", self.0 / PARTS, self.0 % PARTS)
    }
}

/// The text under way, and the row whose samples are being written.
struct Page {
    text: String,
    row: Row,
}

impl Page {
    fn begin(&mut self, row: Row) {
        self.row = row;
        // Of the table, which has no line feed and no backslash.
        let _ = write!(self.text, "# HELP {0} {1}\n# TYPE {0} {2}\n", row.name, row.help, row.kind.name());
    }

    fn line(&mut self, suffix: &str, labels: &[&str], le: Option<&str>, value: impl Display) {
        self.text += self.row.name;
        self.text += suffix;
        let le = le.map(|bound| ("le", bound));
        let mut separator = '{';
        for (name, value) in self.row.labels.iter().copied().zip(labels.iter().copied()).chain(le) {
            self.text.push(separator);
            separator = ',';
            self.text += name;
            self.text += "=\"";
            escaped(&mut self.text, value);
            self.text.push('"');
        }
        if separator == ',' {
            self.text.push('}');
        }
        // Writing to a text does not fail.
        let _ = writeln!(self.text, " {value}");
    }

    fn sample(&mut self, labels: &[&str], value: impl Display) {
        self.line("", labels, None, value);
    }

    /// A figure that may be unknown, without labels.
    fn of(&mut self, value: Option<impl Display>) {
        if let Some(value) = value {
            self.sample(&[], value);
        }
    }

    /// A count that is left out while it is 0.
    fn counted(&mut self, labels: &[&str], count: &AtomicU64) {
        let count = count.load(Relaxed);
        if count > 0 {
            self.sample(labels, count);
        }
    }

    fn classes(&mut self, labels: &[&str], classes: &Classes) {
        for (class, count) in CLASSES.iter().zip(classes) {
            self.counted(&[labels, &[class]].concat(), count);
        }
    }

    fn each(&mut self, targets: &Targets, count: impl Fn(&Target) -> &AtomicU64) {
        targets.iter().for_each(|(provider, model, target)| self.counted(&[provider, model], count(target)));
    }

    fn histograms(&mut self, targets: &Targets, of: impl Fn(&Target) -> &Histogram) {
        targets.iter().for_each(|(provider, model, target)| self.histogram(&["chat", provider, model], of(target)));
    }

    /// A histogram of milliseconds or tokens, left out while it is empty.
    fn histogram(&mut self, labels: &[&str], histogram: &Histogram) {
        let buckets = histogram.cumulative();
        let count = buckets.last().map_or(0, |(_, count)| *count);
        if count == 0 {
            return;
        }
        for (bound, count) in buckets {
            self.line("_bucket", labels, Some(bound), count);
        }
        match self.row.unit {
            "seconds" => self.line("_sum", labels, None, Decimal::<1000>(histogram.sum())),
            _ => self.line("_sum", labels, None, histogram.sum()),
        }
        self.line("_count", labels, None, count);
    }
}

fn escaped(text: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
}
