//! `tests`: requests that a config promises to send somewhere, tried by the same decision that `serve` makes.
//!
//! Nobody is called and nothing rests. Start with [`run`].

use std::collections::HashSet;
use std::time::Instant;

use super::diagnostic::{Diagnostic, Finding, Report};
use super::fields;
use super::near::nearest;
use super::reader::{Reader, Text};
use super::routes;
use super::tree::Node;
use crate::dialect::Dialect;
use crate::route::explain::Told;
use crate::route::facts::Role;
use crate::route::record::Record;
use crate::route::rule::{Condition, Fact, Test};
use crate::route::{Facts, Health, Table, decide};

/// The word that expects that nobody is asked.
const REFUSED: &str = "refused";

/// A request and what is expected of it.
#[derive(Debug)]
pub(crate) struct RouteTest {
    path: String,
    request: Facts,
    expect: Text,
    because: Option<Text>,
}

/// Reads the tests; one that expects nothing is left out, and has been reported.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Vec<RouteTest> {
    let mut tests = Vec::new();
    if node.is_null() {
        return tests;
    }
    for (index, node) in reader.list(node, "tests", "a list of tests").unwrap_or_default().iter().enumerate() {
        let section = reader.section(node, &format!("tests[{index}]"), fields::TEST);
        for name in ["request", "expect"] {
            if section.lacks(name) {
                reader.found(Finding::Missing, section.span, &section.path, format!("{} lacks `{name}`", section.path), "not said");
            }
        }
        let asked = reader.inner(&section, "request").map(|request| routes::conditions(reader, &request));
        let (expect, because) = (reader.text(&section, "expect"), reader.text(&section, "because"));
        if let (Some(asked), Some(expect)) = (asked, expect) {
            let mut request = Facts::default();
            asked.iter().for_each(|condition| set(&mut request, condition));
            tests.push(RouteTest { path: section.path, request, expect, because });
        }
    }
    tests
}

/// Makes a fact what the test says of it: of several words the first, of a range its lowest number.
fn set(facts: &mut Facts, condition: &Condition) {
    let (word, flag, number) = match &condition.test {
        Test::Words(globs) => (globs.first().map(|glob| glob.text().to_owned()), false, 0),
        Test::Flag(flag) => (None, *flag, 0),
        Test::Numbers(bounds) => (None, false, bounds.first().map_or(0, |bounds| bounds.min)),
    };
    match condition.fact {
        Fact::Role => facts.role = word.as_deref().and_then(Role::from_name).unwrap_or_default(),
        Fact::Dialect => facts.dialect = word.as_deref().and_then(Dialect::from_name).unwrap_or(facts.dialect),
        Fact::Client => facts.client = word.map(Into::into),
        Fact::Model => facts.model = word.unwrap_or_default(),
        Fact::Project => facts.project = word,
        Fact::Session => facts.session = word,
        Fact::Agent => facts.agent = word,
        Fact::Stream => facts.stream = flag,
        Fact::WebSearch => facts.web_search = flag,
        Fact::Thinking => facts.thinking = flag,
        Fact::Structured => facts.structured = flag,
        Fact::Tools => facts.tools = number,
        Fact::Images => facts.images = number,
        Fact::ImagesNow => facts.images_now = number,
        Fact::Documents => facts.documents = number,
        Fact::DocumentsNow => facts.documents_now = number,
        Fact::InputTokens => facts.input_tokens = number,
        Fact::OutputTokens => facts.output_tokens = number,
        Fact::Turns => facts.turns = number,
    }
}

/// Runs the tests against the table of their config, which has no error so far, and reports those that fail.
pub(crate) fn run(tests: &[RouteTest], table: &Table, report: &mut Report) {
    let (now, mut health) = (Instant::now(), Health::default());
    let rules = table.rules.iter().map(|rule| rule.name.as_str());
    let entries = table.models.iter().map(|entry| entry.name.text());
    let names: HashSet<&str> = rules.chain(entries).chain(table.policies.iter().map(|policy| policy.name.as_str())).collect();
    for test in tests {
        if let Some(because) = test.because.as_ref().filter(|because| !names.contains(because.text.as_str())) {
            let message = format!("\"{}\" is no rule, no entry of `models` and no policy", because.text);
            let found = Diagnostic::new(Finding::BadValue, because.span, format!("{}.because", test.path), message, "no such name");
            let mut sorted: Vec<&str> = names.iter().copied().collect();
            sorted.sort_unstable();
            let near = nearest(&because.text, sorted).map(|near| format!("did you mean \"{near}\"?"));
            report.push(Diagnostic { help: near, ..found });
            continue;
        }
        report.diagnostics.extend(test.failed(table, &mut health, now));
    }
    report.finish();
}

impl RouteTest {
    /// Where and why the test fails, with the whole decision; `None`: it holds.
    fn failed(&self, table: &Table, health: &mut Health, now: Instant) -> Option<Diagnostic> {
        let Self { path, request, expect, because } = self;
        let decided = decide(table, request.clone(), health, now);
        let (record, goes) = match &decided {
            Ok(decision) => {
                let first = decision.plan.targets.first();
                (&decision.record, first.map(|target| format!("{}/{}", target.provider.name, target.model)).unwrap_or_default())
            }
            Err(refused) => (&refused.record, REFUSED.to_owned()),
        };
        let route = record.chosen.name(table);
        let is_as_expected = expect.text == goes || (decided.is_ok() && expect.text == route);
        let (field, at, message) = if !is_as_expected {
            let place = if decided.is_err() { "is refused".to_owned() } else { format!("goes to {goes}, by {route}") };
            ("expect", expect, format!("the request of {path} {place}, not {}", expect.text))
        } else {
            let because = because.as_ref().filter(|because| because.text != route && !denied_by(record, table, &because.text))?;
            ("because", because, format!("the request of {path} is decided by {route}, not by {}", because.text))
        };
        let found = Diagnostic::new(Finding::TestFailed, at.span, format!("{path}.{field}"), message, "expected");
        let found = found.help("mend the rule or the test; this was decided:");
        Some(Diagnostic { notes: Told::of(record, table).text().lines().map(str::to_owned).collect(), ..found })
    }
}

/// Whether a policy of that name denied a target.
fn denied_by(record: &Record, table: &Table, name: &str) -> bool {
    record.deniers().any(|policy| table.policies.get(policy).is_some_and(|policy| policy.name == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_of_a_test_is_that_of_its_request() {
        for fact in Fact::ALL {
            let field = fields::WHEN.iter().find(|field| field.name == fact.name()).unwrap();
            let test = match field.kind {
                fields::Kind::Flag => Test::Flag(true),
                fields::Kind::Numbers => Test::Numbers(vec![crate::route::rule::Bounds { min: 7, max: 9 }]),
                fields::Kind::Choices(words) => Test::Words(vec![crate::route::glob::Glob::new(*words.last().unwrap())]),
                _ => Test::Words(vec![crate::route::glob::Glob::new("word")]),
            };
            let condition = Condition { fact: *fact, test };
            let mut facts = Facts::default();
            assert!(!condition.holds(&facts), "{}", fact.name());
            set(&mut facts, &condition);
            assert!(condition.holds(&facts), "{}", fact.name());
        }
    }
}
