//! Requests, tokens, cost and waits, summed up by group in one pass over a store that servers may be writing to.

use std::collections::HashMap;

use super::report::{By, CacheBreaks, Report, Row, Span, Unpriced};
use super::store::{Part, Seen, Store};
use crate::database::Fault;

/// A row under way.
#[derive(Debug, Default)]
struct Group {
    row: Row,
    /// Milliseconds to the first content.
    waits: Vec<u64>,
}

/// The requests of a time, grouped.
pub(super) fn report(store: &mut dyn Store, by: By, span: Span) -> Result<Report, Fault> {
    let mut groups: HashMap<String, Group> = HashMap::new();
    let mut total = Group::default();
    let mut unpriced: HashMap<String, u64> = HashMap::new();
    let mut breaks: HashMap<String, [u64; 3]> = HashMap::new();
    store.requests(by, span, &mut |Seen { group, provider, model, row, wait, broken }| {
        if row.unpriced > 0 {
            *unpriced.entry(format!("{provider}/{model}")).or_default() += 1;
        }
        if let Some(cause) = broken {
            let sum = breaks.entry(cause.to_owned()).or_default();
            *sum = [sum[0] + 1, sum[1].saturating_add(row.cache_break_tokens), sum[2].saturating_add(row.cache_break_micro_usd)];
        }
        total.add(&row, wait);
        match groups.get_mut(group) {
            Some(group) => group.add(&row, wait),
            None => groups.entry(group.to_owned()).or_default().add(&row, wait),
        }
    })?;
    share_out(store, by, span, &mut Sums { groups: &mut groups, total: &mut total.row, unpriced: &mut unpriced })?;
    unpriced.retain(|_, requests| *requests > 0);
    let mut groups: Vec<Row> = groups.into_iter().map(|(name, group)| Row { name, ..group.settled() }).collect();
    groups.sort_by(|a, b| {
        let by_cost = || (b.cost_micro_usd, b.requests).cmp(&(a.cost_micro_usd, a.requests));
        if by.is_time() { a.name.cmp(&b.name) } else { by_cost().then_with(|| a.name.cmp(&b.name)) }
    });
    let mut unpriced: Vec<Unpriced> = unpriced.into_iter().map(|(target, requests)| Unpriced { target, requests }).collect();
    unpriced.sort_by(|a, b| b.requests.cmp(&a.requests).then_with(|| a.target.cmp(&b.target)));
    let told = |(cause, [requests, tokens, micro_usd]): (String, [u64; 3])| CacheBreaks { cause, requests, tokens, micro_usd };
    let mut cache_breaks: Vec<CacheBreaks> = breaks.into_iter().map(told).collect();
    cache_breaks.sort_by(|a, b| (b.micro_usd, b.tokens).cmp(&(a.micro_usd, a.tokens)).then_with(|| a.cause.cmp(&b.cause)));
    Ok(Report { groups, total: total.settled(), unpriced, cache_breaks })
}

/// The sums so far.
struct Sums<'a> {
    groups: &'a mut HashMap<String, Group>,
    total: &'a mut Row,
    unpriced: &'a mut HashMap<String, u64>,
}

/// What was taken before the last attempt, or beside it, goes to whom it was taken by: a request's row names the last one alone,
/// and has no cost at all where one of the prices is unknown.
fn share_out(store: &mut dyn Store, by: By, span: Span, sums: &mut Sums<'_>) -> Result<(), Fault> {
    let mut last = None;
    store.parts(by, span, &mut |part| {
        let is_first = last.replace(part.request) != Some(part.request);
        sums.share(part, is_first);
    })
}

impl Sums<'_> {
    /// Takes in a part; `is_first`: no other of its request came before.
    fn share(&mut self, part: Part, is_first: bool) {
        let Part { groups: [from, to], targets: [answered_by, asked_for], costs: [all, own, cost], tokens, .. } = part;
        if all.is_none() {
            let known = own.filter(|_| is_first).unwrap_or(0).saturating_add(cost.unwrap_or(0));
            self.total.cost_micro_usd = self.total.cost_micro_usd.saturating_add(known);
            if let Some(own) = own.filter(|_| is_first) {
                let answered = &mut self.groups.entry(from.clone()).or_default().row;
                answered.cost_micro_usd = answered.cost_micro_usd.saturating_add(own);
                answered.unpriced = answered.unpriced.saturating_sub(1);
                self.unpriced.entry(answered_by).and_modify(|requests| *requests = requests.saturating_sub(1));
            }
            let asked = &mut self.groups.entry(to.clone()).or_default().row;
            asked.cost_micro_usd = asked.cost_micro_usd.saturating_add(cost.unwrap_or(0));
            if cost.is_none() {
                asked.unpriced += 1;
                *self.unpriced.entry(asked_for).or_default() += 1;
            }
        }
        if from == to {
            return;
        }
        let [input, output, read, written, thinking] = tokens;
        let figures = [input, output, read, written, thinking, cost.filter(|_| all.is_some()).unwrap_or(0)];
        let answered = self.groups.entry(from).or_default().row.parts();
        answered.into_iter().zip(figures).for_each(|(sum, figure)| *sum = sum.saturating_sub(figure));
        let asked = self.groups.entry(to).or_default().row.parts();
        asked.into_iter().zip(figures).for_each(|(sum, figure)| *sum = sum.saturating_add(figure));
    }
}

impl Row {
    /// What is shared out among the attempts of a request.
    fn parts(&mut self) -> [&mut u64; 6] {
        [
            &mut self.input_tokens,
            &mut self.output_tokens,
            &mut self.cache_read_tokens,
            &mut self.cache_write_tokens,
            &mut self.thinking_tokens,
            &mut self.cost_micro_usd,
        ]
    }
}

impl Group {
    fn add(&mut self, other: &Row, wait: Option<u64>) {
        let row = &mut self.row;
        let sum = |to: &mut u64, figure: u64| *to = to.saturating_add(figure);
        sum(&mut row.requests, other.requests);
        sum(&mut row.errors, other.errors);
        sum(&mut row.input_tokens, other.input_tokens);
        sum(&mut row.output_tokens, other.output_tokens);
        sum(&mut row.cache_read_tokens, other.cache_read_tokens);
        sum(&mut row.cache_write_tokens, other.cache_write_tokens);
        sum(&mut row.thinking_tokens, other.thinking_tokens);
        sum(&mut row.cost_micro_usd, other.cost_micro_usd);
        sum(&mut row.unpriced, other.unpriced);
        sum(&mut row.estimated, other.estimated);
        sum(&mut row.cache_breaks, other.cache_breaks);
        sum(&mut row.cache_break_tokens, other.cache_break_tokens);
        sum(&mut row.cache_break_micro_usd, other.cache_break_micro_usd);
        self.waits.extend(wait);
    }

    /// The row, with what follows from the sums.
    fn settled(mut self) -> Row {
        let Self { row, waits } = &mut self;
        waits.sort_unstable();
        // The nearest rank: the smallest wait that so many percent stayed at or below.
        let rank = |percent: usize| (waits.len() * percent).div_ceil(100).checked_sub(1).and_then(|rank| waits.get(rank)).copied();
        let input = row.input_tokens.saturating_add(row.cache_read_tokens).saturating_add(row.cache_write_tokens);
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let cache_share = (input > 0).then(|| row.cache_read_tokens as f64 / input as f64);
        let (first_content_p50_ms, first_content_p95_ms) = (rank(50), rank(95));
        Row { cache_share, first_content_p50_ms, first_content_p95_ms, ..self.row }
    }
}
