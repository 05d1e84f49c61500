//! `models`: reads the entries, resolves their targets and finds circles.

use std::collections::{HashMap, HashSet};

use super::choices::{self, Written};
use super::diagnostic::{Diagnostic, Finding};
use super::fields;
use super::near::nearest;
use super::providers::Provider;
use super::reader::{Reader, Section, Text, join};
use super::tree::{Node, Value};
use crate::provider::models::{AS_OF, Known, model, models_of, own_id};
use crate::provider::preset;
use crate::route::glob::Glob;
use crate::route::table::{Choice, ModelEntry, TargetRef};

/// The most targets of one entry, those of the entries that it names included.
const TARGETS_MAX: usize = 100;
/// The most findings of a file for which it is asked what was meant.
const NEAR_MAX: usize = 100;

/// An entry as it is written.
struct Entry {
    name: Text,
    path: String,
    targets: Vec<(Text, Step)>,
    choice: Written,
}

/// Where a target leads.
enum Step {
    To(TargetRef),
    Entry(usize),
}

/// Reads the entries; those in a circle come out without targets, and are reported.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node, providers: &[Provider]) -> Vec<ModelEntry> {
    let mut written = Vec::new();
    for (key, node) in reader.map(node, "models", "a mapping of names to targets").unwrap_or_default() {
        let path = join("models", &key.text);
        if key.text.is_empty() || key.text.len() > 256 || key.text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            reader.found(
                Finding::BadName,
                key.span,
                &path,
                format!("\"{}\" cannot be a model's name", key.text),
                "empty, too long or with blanks",
            );
        }
        let used = targets(reader, node, &path);
        written.push((Text { text: key.text.clone(), span: key.span }, path, used));
    }
    shadowed(reader, &written);
    let names: HashMap<String, usize> = written.iter().enumerate().map(|(index, (name, ..))| (name.text.clone(), index)).collect();
    let mut entries: Vec<Entry> = Vec::new();
    for (name, path, (targets, choice)) in written {
        let steps = targets.into_iter().filter_map(|(text, path)| {
            let step = resolve(reader, &text, &path, providers, &names)?;
            Some((text, step))
        });
        let targets = steps.collect();
        entries.push(Entry { name, path, targets, choice });
    }
    flatten(reader, entries, providers)
}

/// Finds names that can never match. A longer name goes before a shorter one, so only one with as many literal characters
/// and an earlier place can take all of another's names.
fn shadowed<T>(reader: &mut Reader<'_>, written: &[(Text, String, T)]) {
    let mut earlier: HashMap<String, Vec<&Text>> = HashMap::new();
    for (name, path, _) in written.iter().filter(|(name, ..)| name.text.contains('*')) {
        // Whoever takes all of them takes the shortest, in which every star is nothing: its literals are the same.
        let same = earlier.entry(name.text.replace('*', "")).or_default();
        // No pattern can have this character as a literal, so only a star takes it.
        let every = name.text.replace('*', "\u{0}");
        if let Some(other) = same.iter().find(|other| Glob::new(other.text.clone()).matches(&every)) {
            let (line, _) = reader.report.position(other.span);
            let message = format!("\"{}\" can never match: \"{}\" in line {line} takes every name that fits it", name.text, other.text);
            reader.found(Finding::Shadowed, name.span, path, message, "never reached");
        }
        same.push(name);
    }
}

/// A target's text and path.
type Wanted = (Text, String);

/// The targets as texts, whatever form they are written in, and how one of them is chosen.
fn targets(reader: &mut Reader<'_>, node: &Node, path: &str) -> (Vec<Wanted>, Written) {
    let expected = "a target `provider/model`, a list of them, or `{ use: [...] }`";
    let targets = match &node.value {
        Value::Scalar { .. } => reader.text_of(node, path, expected).map(|text| vec![(text, path.to_owned())]).unwrap_or_default(),
        Value::List(_) => list(reader, node, path, expected),
        Value::Map(_) => {
            let section = reader.section(node, path, fields::MODEL);
            return used(reader, &section, node);
        }
    };
    (targets, Written::default())
}

/// `use` of an entry or a rule, and what it says of the choice.
fn used(reader: &mut Reader<'_>, section: &Section<'_>, node: &Node) -> (Vec<Wanted>, Written) {
    let choice = choices::read(reader, section);
    let Some(inner) = section.get("use") else {
        if section.lacks("use") {
            reader.found(Finding::Missing, node.span, &section.path, format!("{} lacks `use`", section.path), "no targets");
        }
        return (Vec::new(), choice);
    };
    let path = section.at("use");
    let targets = match &inner.value {
        Value::List(_) => list(reader, inner, &path, "a list of targets"),
        _ => reader.text_of(inner, &path, "a list of targets").map(|text| vec![(text, path)]).unwrap_or_default(),
    };
    (targets, choice)
}

/// The targets of a rule, those of the entries that it names included, and how one of them is chosen.
pub(crate) fn of_rule(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    node: &Node,
    providers: &[Provider],
    models: &[ModelEntry],
) -> (Vec<TargetRef>, Choice) {
    let (wanted, choice) = used(reader, section, node);
    let names: HashMap<String, usize> = models.iter().enumerate().map(|(index, entry)| (entry.name.text().to_owned(), index)).collect();
    let mut targets: Vec<TargetRef> = Vec::new();
    let (is_one, mut of) = (wanted.len() == 1, None);
    for (text, path) in wanted {
        let found = match resolve(reader, &text, &path, providers, &names) {
            Some(Step::To(target)) => vec![target],
            Some(Step::Entry(index)) => {
                let entry = models.get(index);
                of = entry.filter(|_| is_one).map(|entry| &entry.choice);
                entry.map(|entry| entry.targets.clone()).unwrap_or_default()
            }
            None => continue,
        };
        targets.extend(found.into_iter().filter(|target| !targets.contains(target)).collect::<Vec<_>>());
    }
    if targets.len() > TARGETS_MAX {
        let message = format!("{} has more than {TARGETS_MAX} targets", section.path);
        reader.found(Finding::TooMuch, section.span, &section.path, message, "too many targets");
    }
    let choice = choice.choice(reader, of, &targets, providers);
    (targets, choice)
}

fn list(reader: &mut Reader<'_>, node: &Node, path: &str, expected: &str) -> Vec<(Text, String)> {
    let mut seen: HashSet<String> = HashSet::new();
    let mut targets = Vec::new();
    for (index, node) in reader.list(node, path, expected).unwrap_or_default().iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(text) = reader.text_of(node, &path, "a target `provider/model`") else { continue };
        if seen.insert(text.text.clone()) {
            targets.push((text, path));
        } else {
            let shown = reader.written(text.span);
            reader.found(Finding::Repeated, text.span, &path, format!("target \"{shown}\" is listed twice"), "again");
        }
    }
    targets
}

fn resolve(reader: &mut Reader<'_>, text: &Text, path: &str, providers: &[Provider], names: &HashMap<String, usize>) -> Option<Step> {
    let (left, model) = text.text.split_once('/').map_or((text.text.as_str(), None), |(left, model)| (left, Some(model)));
    let index = model.and_then(|_| providers.iter().position(|provider| provider.name.text == left));
    let (Some(index), Some(model)) = (index, model) else {
        if let Some(entry) = names.get(&text.text) {
            return Some(Step::Entry(*entry));
        }
        let slashless = model.is_none();
        nowhere(reader, text, path, left, slashless, providers, names);
        return None;
    };
    if model.is_empty() || model.contains('*') || model.chars().any(char::is_whitespace) {
        let shown = reader.written(text.span);
        let message = format!("target \"{shown}\" names no single model");
        reader.found(Finding::BadValue, text.span, path, message, "expected `provider/model`");
        return None;
    }
    known(reader, text, path, providers.get(index)?, model);
    Some(Step::To(TargetRef { provider: index, model: model.to_owned() }))
}

/// Notes a target that leads nowhere, with what was probably meant.
fn nowhere(
    reader: &mut Reader<'_>,
    text: &Text,
    path: &str,
    left: &str,
    slashless: bool,
    providers: &[Provider],
    names: &HashMap<String, usize>,
) {
    let configured = providers.iter().map(|provider| provider.name.text.as_str());
    let (message, label) = if slashless {
        let shown = reader.written(text.span);
        (format!("target \"{shown}\" is neither `provider/model` nor an entry of `models`"), "leads nowhere")
    } else {
        (format!("provider \"{left}\" is not configured"), "no such provider")
    };
    let near = match slashless {
        // Looking for what was meant costs a walk over all names, which a file with thousands of mistakes is not worth.
        _ if reader.report.diagnostics.len() > NEAR_MAX => None,
        true => {
            let mut sorted: Vec<&str> = names.keys().map(String::as_str).collect();
            sorted.sort_unstable();
            nearest(left, sorted).or_else(|| nearest(left, configured.clone()))
        }
        false => nearest(left, configured.clone()),
    };
    let help = match near {
        Some(near) => format!("did you mean \"{near}\"?"),
        None if preset(left).is_some() => format!("add `{left}: {{}}` under `providers`"),
        None => format!("configured: {}", configured.take(20).collect::<Vec<_>>().join(", ")),
    };
    reader.found_with(Diagnostic::new(Finding::UnknownProvider, text.span, path, message, label).help(help));
}

/// Checks the model against the provider's own list, else the catalog.
fn known(reader: &mut Reader<'_>, text: &Text, path: &str, provider: &Provider, name: &str) {
    let (finding, message, label, near) = if !provider.models.is_empty() {
        if provider.models.iter().any(|listed| listed == name) {
            return;
        }
        let near = nearest(name, provider.models.iter().map(String::as_str));
        (
            Finding::UnlistedModel,
            format!("provider \"{}\" does not list the model \"{name}\"", provider.name.text),
            "not in its `models`",
            near,
        )
    } else {
        let catalogued = !provider.catalog.is_empty() && models_of(provider.catalog).next().is_some();
        let own = provider.facts.iter().find(|(id, _)| id == name).map(|(_, known)| *known);
        if let Some(row) = model(provider.catalog, name) {
            let price = own.unwrap_or(Known::NOTHING).or(Known::from(row)).price;
            if price.input.is_none() || price.output.is_none() {
                let message = format!("the price of \"{}\" is not known", text.text);
                reader.found(Finding::NoPrice, text.span, path, message, "no price in the catalog");
            }
            return;
        }
        if !catalogued || own.is_some() || own_id(provider.catalog, name).is_some() {
            return;
        }
        let near = nearest(name, models_of(provider.catalog).map(|model| model.id));
        (
            Finding::UnknownModel,
            format!("provider \"{}\" has no model \"{name}\" in the catalog of {AS_OF}", provider.name.text),
            "not in the catalog",
            near,
        )
    };
    let diagnostic = Diagnostic::new(finding, text.span, path, message, label);
    reader.found_with(match near {
        Some(near) => diagnostic.help(format!("did you mean \"{}/{near}\"?", provider.name.text)),
        None => diagnostic,
    });
}

/// Puts the targets of named entries in their place. Entries are taken in the order of what they need, so that no
/// depth of names costs stack or repeats work; what is never ready stands in a circle.
fn flatten(reader: &mut Reader<'_>, mut entries: Vec<Entry>, providers: &[Provider]) -> Vec<ModelEntry> {
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); entries.len()];
    let mut open: Vec<usize> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let needs = entry.targets.iter().filter_map(|(_, step)| if let Step::Entry(other) = step { Some(*other) } else { None });
        open.push(needs.clone().count());
        for other in needs {
            if let Some(list) = needed_by.get_mut(other) {
                list.push(index);
            }
        }
    }
    let mut ready: Vec<usize> = open.iter().enumerate().filter(|(_, count)| **count == 0).map(|(index, _)| index).collect();
    let mut done: Vec<Option<Vec<TargetRef>>> = vec![None; entries.len()];
    let mut order = Vec::new();
    while let Some(index) = ready.pop() {
        order.push(index);
        let Some(entry) = entries.get(index) else { continue };
        let targets = joined(reader, entry, &done);
        if let Some(slot) = done.get_mut(index) {
            *slot = Some(targets);
        }
        for other in needed_by.get(index).into_iter().flatten() {
            if let Some(count) = open.get_mut(*other) {
                *count -= 1;
                if *count == 0 {
                    ready.push(*other);
                }
            }
        }
    }
    circles(reader, &entries, &done);
    let choices = chosen(reader, &mut entries, &order, &done, providers);
    let made = entries.into_iter().zip(done).zip(choices);
    made.map(|((entry, targets), choice)| ModelEntry { name: Glob::new(entry.name.text), targets: targets.unwrap_or_default(), choice })
        .collect()
}

/// How each entry chooses. In the order of what they need: one that is another's name for the same is chosen as that one.
fn chosen(
    reader: &mut Reader<'_>,
    entries: &mut [Entry],
    order: &[usize],
    done: &[Option<Vec<TargetRef>>],
    providers: &[Provider],
) -> Vec<Choice> {
    let mut choices = vec![Choice::default(); entries.len()];
    for &index in order {
        let Some(entry) = entries.get_mut(index) else { continue };
        let of = match entry.targets.as_slice() {
            [(_, Step::Entry(other))] => choices.get(*other),
            _ => None,
        };
        let targets = done.get(index).and_then(Option::as_deref).unwrap_or_default();
        let choice = std::mem::take(&mut entry.choice).choice(reader, of, targets, providers);
        if let Some(slot) = choices.get_mut(index) {
            *slot = choice;
        }
    }
    choices
}

fn joined(reader: &mut Reader<'_>, entry: &Entry, done: &[Option<Vec<TargetRef>>]) -> Vec<TargetRef> {
    let mut targets: Vec<TargetRef> = Vec::new();
    for (text, step) in &entry.targets {
        let steps = match step {
            Step::To(target) => std::slice::from_ref(target),
            Step::Entry(other) => done.get(*other).and_then(Option::as_deref).unwrap_or_default(),
        };
        if matches!(step, Step::Entry(_)) && !steps.is_empty() && steps.iter().all(|target| targets.contains(target)) {
            let message = format!("\"{}\" leads only to targets that {} has already", text.text, entry.path);
            reader.found(Finding::Repeated, text.span, &entry.path, message, "nothing new");
        }
        for target in steps {
            if !targets.contains(target) && targets.len() <= TARGETS_MAX {
                targets.push(target.clone());
            }
        }
    }
    if targets.len() > TARGETS_MAX {
        let message = format!("{} has more than {TARGETS_MAX} targets", entry.path);
        reader.found(Finding::TooMuch, entry.name.span, &entry.path, message, "too many targets");
    }
    targets
}

/// Reports each circle once, at the target that closes it.
fn circles(reader: &mut Reader<'_>, entries: &[Entry], done: &[Option<Vec<TargetRef>>]) {
    let is_open = |index: usize| done.get(index).is_some_and(Option::is_none);
    let next = |index: usize| {
        let targets = entries.get(index).map(|entry| entry.targets.as_slice()).unwrap_or_default();
        targets.iter().find_map(|(text, step)| match step {
            Step::Entry(other) if is_open(*other) => Some((text, *other)),
            _ => None,
        })
    };
    let mut visited: HashSet<usize> = HashSet::new();
    for start in (0..entries.len()).filter(|index| is_open(*index)) {
        let mut walk: Vec<usize> = Vec::new();
        let mut on_walk: HashSet<usize> = HashSet::new();
        let mut at = start;
        while visited.insert(at) {
            walk.push(at);
            on_walk.insert(at);
            let Some((text, other)) = next(at) else { break };
            if on_walk.contains(&other) {
                let circle = walk.iter().skip_while(|index| **index != other).chain([&other]);
                let shown: Vec<String> =
                    circle.filter_map(|index| entries.get(*index)).map(|entry| format!("\"{}\"", entry.name.text)).collect();
                let message = format!("entries of models refer to each other: {}", shown.join(" → "));
                let path = entries.get(at).map_or("models", |entry| entry.path.as_str());
                reader.found(Finding::Cycle, text.span, path, message, "leads back");
                break;
            }
            at = other;
        }
    }
}
