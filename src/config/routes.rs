//! `routes`: reads the rules, what they ask of a request and where they send it.
//!
//! Start with [`read`].

use std::collections::HashMap;

use super::diagnostic::{Diagnostic, Finding};
use super::fields::{self, Kind};
use super::models;
use super::near::nearest;
use super::providers::Provider;
use super::reader::{Reader, Section, is_name};
use super::rule_findings::Placed;
use super::tree::{Node, Value};
use crate::route::glob::Glob;
use crate::route::rule::{Bounds, Condition, Fact, Rule, Test};
use crate::route::table::ModelEntry;

/// Reads the rules; one without targets is left out, and has been reported.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node, providers: &[Provider], models: &[ModelEntry]) -> Vec<Placed<Rule>> {
    let mut rules = Vec::new();
    let mut names: HashMap<String, usize> = HashMap::new();
    if node.is_null() {
        return rules;
    }
    for (index, node) in reader.list(node, "routes", "a list of rules").unwrap_or_default().iter().enumerate() {
        let section = reader.section(node, &format!("routes[{index}]"), fields::ROUTE);
        let name = name(reader, &section, "rule", &mut names);
        let when = reader.inner(&section, "when").map(|when| conditions(reader, &when)).unwrap_or_default();
        let (targets, choice) = models::of_rule(reader, &section, node, providers, models);
        if let Some(name) = name.filter(|_| !targets.is_empty()) {
            let path = section.path.clone();
            let at = |field: &str| section.get(field).map_or(section.span, |node| node.span);
            rules.push(Placed { what: Rule { name, when, targets, choice }, path, name: at("name"), targets: at("use") });
        }
    }
    rules
}

/// The name of a rule or a policy; `what` it is.
pub(crate) fn name(reader: &mut Reader<'_>, section: &Section<'_>, what: &str, names: &mut HashMap<String, usize>) -> Option<String> {
    if section.lacks("name") {
        reader.found(Finding::Missing, section.span, &section.path, format!("{} lacks `name`", section.path), "no name");
    }
    let given = reader.text(section, "name")?;
    let path = section.at("name");
    if !is_name(&given.text) {
        let message = format!("\"{}\" is not a {what}'s name", reader.written(given.span));
        let diagnostic = Diagnostic::new(Finding::BadName, given.span, &path, message, "not a name");
        reader.found_with(diagnostic.help("choose one of a-z, 0-9, `.`, `_` and `-`"));
        return None;
    }
    let (line, _) = reader.report.position(given.span);
    if let Some(first) = names.insert(given.text.clone(), line) {
        let message = format!("the {what} in line {first} is called \"{}\" too", given.text);
        let diagnostic = Diagnostic::new(Finding::BadName, given.span, &path, message, "again");
        reader.found_with(diagnostic.help("the name tells it from the others, in headers, logs and tests"));
    }
    Some(given.text)
}

/// The conditions of a `when`, in the order of the facts.
pub(crate) fn conditions(reader: &mut Reader<'_>, section: &Section<'_>) -> Vec<Condition> {
    let facts = Fact::ALL.iter().zip(fields::WHEN);
    let tests = facts.filter_map(|(fact, field)| {
        let node = section.get(field.name)?;
        let path = section.at(field.name);
        let test = match field.kind {
            Kind::Flag => Test::Flag(reader.flag(section, field.name)?),
            Kind::Numbers => Test::Numbers(numbers(reader, node, &path)),
            Kind::Choices(words) => Test::Words(words_of(reader, node, &path, Some(words))),
            _ => Test::Words(words_of(reader, node, &path, None)),
        };
        Some(Condition { fact: *fact, test })
    });
    tests.collect()
}

/// One value or a list of them, each with its path.
fn one_or_more<'n>(reader: &mut Reader<'_>, node: &'n Node, path: &str, expected: &str) -> Vec<(&'n Node, String)> {
    match &node.value {
        Value::List(_) => {
            let nodes = reader.list(node, path, expected).unwrap_or_default();
            nodes.iter().enumerate().map(|(index, node)| (node, format!("{path}[{index}]"))).collect()
        }
        _ => vec![(node, path.to_owned())],
    }
}

/// Words with stars, one or more.
pub(crate) fn words_of(reader: &mut Reader<'_>, node: &Node, path: &str, known: Option<&'static [&'static str]>) -> Vec<Glob> {
    let mut globs = Vec::new();
    for (node, path) in one_or_more(reader, node, path, "a text, or a list of them") {
        let Some(text) = reader.text_of(node, &path, "a text, or a list of them") else { continue };
        if let Some(words) = known.filter(|words| !words.contains(&text.text.as_str())) {
            let expected = Kind::Choices(words).describe();
            let message = format!("{path} is \"{}\", expected {expected}", reader.written(text.span));
            let diagnostic = Diagnostic::new(Finding::BadValue, text.span, &path, message, "not one of them");
            reader.found_with(match nearest(&text.text, words.iter().copied()) {
                Some(near) => diagnostic.help(format!("did you mean \"{near}\"?")),
                None => diagnostic,
            });
            continue;
        }
        globs.push(Glob::new(text.text));
    }
    globs
}

fn numbers(reader: &mut Reader<'_>, node: &Node, path: &str) -> Vec<Bounds> {
    let expected = Kind::Numbers.describe();
    if let Some(flag) = node.flag() {
        return vec![if flag { Bounds { min: 1, max: u64::MAX } } else { Bounds { min: 0, max: 0 } }];
    }
    let mut bounds = Vec::new();
    for (node, path) in one_or_more(reader, node, path, &expected) {
        let text = match &node.value {
            Value::Scalar { text, .. } if !node.is_null() && node.flag().is_none() => text,
            _ => {
                reader.wrong_type(node, &path, &expected);
                continue;
            }
        };
        match Bounds::read(text) {
            Ok(found) => bounds.push(found),
            Err(label) => {
                let message = format!("{path} is \"{}\", expected {expected}", reader.written(node.span));
                let diagnostic = Diagnostic::new(Finding::BadValue, node.span, &path, message, label);
                reader.found_with(diagnostic.help("`3`, `\">150000\"`, `\"<=10k\"`, `\">=1000 <5000\"`"));
            }
        }
    }
    bounds
}
