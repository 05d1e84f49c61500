//! A request that is decided on and not sent, with what it would cost: behind `aimux route --explain` and `POST /api/explain`.
//!
//! It lacks what only an answer tells: tokens that a cache saves, and how much is really said. Start with [`Trial::of`].

use std::fmt::Write as _;
use std::time::Instant;

use http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::decide::decide;
use super::explain::Told;
use super::facts::Facts;
use super::health::Health;
use super::plan::Target;
use super::record::Record;
use super::table::Table;
use crate::chat::Usage;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::provider::models::usd;

/// The output that is reckoned with where the request does not limit it and the model's own limit is unknown, in tokens.
const OUTPUT_GUESS: u64 = 4096;

/// A decision in words, and what it would cost. The members are those of the JSON: none is ever renamed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trial {
    /// How it was decided.
    pub decision: Told,
    /// What the client would be told at once; `None`: the targets are tried.
    pub refused: Option<Refusal>,
    /// What it would take and cost.
    pub estimate: Estimate,
}

/// An answer without any target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// `AIMUX-E0201` and the like.
    pub code: String,
    /// The HTTP status.
    pub status: u16,
    /// The exit code of a command.
    pub exit: u8,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// What a request would take and cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Tokens of input, estimated from the body's size.
    pub input_tokens: u64,
    /// Each target that would be tried, in order.
    pub targets: Vec<Cost>,
}

/// What a request would cost at one target, in millionths of a US dollar; `None`: a price is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// `provider/model`.
    pub target: String,
    /// The input alone, nothing of it from a cache.
    pub input_micro_usd: Option<u64>,
    /// The most tokens of output: what is asked for, as far as the model gives it.
    pub output_tokens_max: u64,
    /// Input and the most output.
    pub most_micro_usd: Option<u64>,
}

impl Trial {
    /// What would be done with a body of `dialect` under these headers. `depth_max` bounds its nesting.
    ///
    /// # Errors
    /// When the body is no request.
    pub fn of(table: &Table, health: &mut Health, request: &Asked<'_>, depth_max: usize, now: Instant) -> Result<Self, Error> {
        let (_, facts) = Facts::read(request.dialect, request.body, request.headers, depth_max)?;
        Ok(Self::by_facts(table, health, facts, now))
    }

    /// What would be done with a request of which the facts are known.
    #[must_use]
    pub fn by_facts(table: &Table, health: &mut Health, facts: Facts, now: Instant) -> Self {
        let (record, targets, refused) = match decide(table, facts, health, now) {
            Ok(decision) => (decision.record, decision.plan.targets, None),
            Err(refused) => {
                let error = refused.error(table);
                let row = error.code.row();
                let refusal = Refusal {
                    code: error.code.to_string(),
                    status: row.status,
                    exit: row.exit,
                    message: error.to_string(),
                    hint: error.advice(),
                };
                (refused.record, Vec::new(), Some(refusal))
            }
        };
        let costs = targets.iter().map(|target| cost(target, &record)).collect();
        let estimate = Estimate { input_tokens: record.facts.input_tokens, targets: costs };
        Self { decision: Told::of(&record, table), refused, estimate }
    }

    /// Some lines for a terminal, with what it would cost if that is asked for. Names in it come from the client and the
    /// config: to be escaped where they are printed.
    #[must_use]
    pub fn text(&self, with_costs: bool) -> String {
        let mut out = self.decision.text();
        if let Some(Refusal { code, message, hint, .. }) = &self.refused {
            let _ = writeln!(out, "refused  {code}: {message}\n         {hint}");
        }
        if with_costs {
            let _ = writeln!(out, "tokens   about {} of input", self.estimate.input_tokens);
            for (index, cost) in self.estimate.targets.iter().enumerate() {
                let head = if index == 0 { "cost" } else { "" };
                let _ = writeln!(out, "{head:<7}  {} {}", index + 1, cost.text());
            }
        }
        out
    }
}

impl Cost {
    fn text(&self) -> String {
        let Self { target, input_micro_usd, output_tokens_max, most_micro_usd } = self;
        match (input_micro_usd, most_micro_usd) {
            (Some(input), Some(most)) => {
                format!("{target}: {} for the input, {} with {output_tokens_max} tokens of output at most", usd(*input), usd(*most))
            }
            (Some(input), None) => format!("{target}: {} for the input; the price of its output is not known", usd(*input)),
            _ => format!("{target}: its price is not known"),
        }
    }
}

/// A request as a client sends it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its dialect.
    pub dialect: Dialect,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: &'a [u8],
}

fn cost(target: &Target, record: &Record) -> Cost {
    let facts = &record.facts;
    let asked = if facts.output_tokens == 0 { target.info.output_max.unwrap_or(OUTPUT_GUESS) } else { facts.output_tokens };
    let output = asked.min(target.info.output_max.unwrap_or(u64::MAX));
    let input = Usage { input: Some(facts.input_tokens), ..Usage::default() };
    let most = Usage { output: Some(output), ..input };
    Cost {
        target: format!("{}/{}", target.provider.name, target.model),
        input_micro_usd: target.info.price.micro_usd(&input),
        output_tokens_max: output,
        most_micro_usd: target.info.price.micro_usd(&most),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::provider::models::Known;
    use crate::route::glob::Glob;
    use crate::route::table::{Choice, ModelEntry, TargetRef};
    use crate::route::tests::provider;

    /// One name, served by a model of the catalog and by one that nothing is known of.
    fn table() -> Table {
        let providers = ["anthropic", "own"].map(|name| Arc::new(provider(name, 1))).into();
        let targets = [(0, "claude-opus-4-8"), (1, "mine")];
        let targets = targets.map(|(provider, model)| TargetRef { provider, model: model.to_owned() }).into();
        let entry = ModelEntry { name: Glob::new("claude-*"), targets, choice: Choice::default() };
        Table { providers, models: vec![entry], ..Table::default() }
    }

    fn trial(body: &str) -> Trial {
        let asked = Asked { dialect: Dialect::AnthropicMessages, headers: &HeaderMap::new(), body: body.as_bytes() };
        Trial::of(&table(), &mut Health::default(), &asked, 64, Instant::now()).unwrap()
    }

    #[test]
    fn what_is_not_sent_has_its_price_where_one_is_known() {
        let text = "x".repeat(36_000);
        let trial = trial(&format!(r#"{{"model":"claude-opus-4-8","max_tokens":1000,"messages":[{{"role":"user","content":"{text}"}}]}}"#));
        let [known, unknown] = trial.estimate.targets.as_slice() else { panic!("{:?}", trial.estimate) };
        let price = Known::of("anthropic", &[], "claude-opus-4-8").price;
        let input = Usage { input: Some(trial.estimate.input_tokens), ..Usage::default() };
        assert!((10_000..10_100).contains(&trial.estimate.input_tokens), "{}", trial.estimate.input_tokens);
        assert_eq!(known.input_micro_usd, price.micro_usd(&input));
        assert_eq!(known.most_micro_usd, price.micro_usd(&Usage { output: Some(1000), ..input }));
        assert_eq!((unknown.input_micro_usd, unknown.most_micro_usd, unknown.output_tokens_max), (None, None, 1000));
        let told = trial.text(true);
        assert!(told.contains("with 1000 tokens of output at most") && told.contains("2 own/mine: its price is not known"), "{told}");
        assert!(!trial.text(false).contains('$'));
    }

    #[test]
    fn more_output_than_the_model_gives_is_not_reckoned_with() {
        let trial = trial(r#"{"model":"claude-opus-4-8","max_tokens":99000000,"messages":[]}"#);
        assert_eq!(Some(trial.estimate.targets[0].output_tokens_max), Known::of("anthropic", &[], "claude-opus-4-8").output_max);
    }

    #[test]
    fn a_request_that_goes_nowhere_is_told_as_its_client_would_be() {
        let trial = trial(r#"{"model":"cluade-opus-4-8","messages":[]}"#);
        let refused = trial.refused.clone().unwrap();
        assert_eq!((refused.status, refused.exit, trial.estimate.targets.len()), (404, 65, 0));
        assert!(trial.text(true).contains("did you mean claude-opus-4-8"), "{}", trial.text(true));
    }

    #[test]
    fn small_money_is_no_zero() {
        assert_eq!([0, 49, 50, 12_345, 1_999_999].map(usd), ["$0.0000", "$0.0000", "$0.0001", "$0.0123", "$2.0000"]);
    }
}
