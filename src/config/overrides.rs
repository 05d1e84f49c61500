//! The environment's overrides: `AIMUX_SERVER__LISTEN` stands for `server.listen`, `AIMUX_BREAKER` for the whole section. The
//! value is read as YAML, so that types and findings are the same as in the file; what is no YAML is text.
//!
//! Start with [`apply`]; [`strangers`] finds the `AIMUX_` names that nothing reads.

use super::diagnostic::{Diagnostic, Finding, Report, Source, Span};
use super::environment::{Environment, OWN};
use super::fields::{Field, Kind, ROOT};
use super::near::nearest;
use super::tree::{self, Key, Node, Value};

/// What every variable of aimux's begins with.
const PREFIX: &str = "AIMUX_";

/// Applies every variable that stands for a field, sorted by name, so that a section comes before its fields. An empty one
/// counts as unset, as everywhere.
pub(crate) fn apply(root: &mut Node, report: &mut Report, environment: &Environment) {
    for (name, value) in environment.iter().filter(|(_, value)| !value.is_empty()) {
        let Some(rest) = name.strip_prefix(PREFIX).filter(|rest| is_override(rest)) else { continue };
        let path: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
        set(root, report, name, value, &path);
    }
}

/// Whether a name, after the prefix, means a field. `version` belongs to the file alone: installers use `AIMUX_VERSION`.
fn is_override(rest: &str) -> bool {
    let is_section = |field: &&Field| field.name != "version" && field.name.eq_ignore_ascii_case(rest);
    rest.contains("__") || ROOT.iter().any(|field| is_section(&field))
}

/// Finds the variables that begin as aimux's do and that nothing reads: most are slips. A name that the config itself
/// mentions is the user's own.
pub(crate) fn strangers(report: &mut Report, environment: &Environment) {
    let is_mentioned = |name: &str| report.sources.iter().any(|source| source.text.contains(name));
    let is_known = |name: &str| OWN.contains(&name) || name.starts_with("AIMUX_TEST_");
    let unread = |(name, value): &(&str, &str)| {
        !value.is_empty() && name.strip_prefix(PREFIX).is_some_and(|rest| !is_override(rest)) && !is_known(name) && !is_mentioned(name)
    };
    let found: Vec<(String, String)> = environment.iter().filter(unread).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    for (name, value) in found {
        let span = Span { source: report.sources.len(), start: 0, end: value.len() };
        report.sources.push(Source { name: name.clone(), text: value });
        report.secrets.push(span);
        let diagnostic = Diagnostic::new(Finding::Override, span, "", format!("{name} is no variable of aimux"), "has no effect");
        report.push(match near_variable(&name) {
            Some(near) => diagnostic.help(format!("did you mean {near}?")),
            None => diagnostic,
        });
    }
}

/// The variable that was probably meant: one of aimux's own, a section's, or a field's with one `_` instead of two.
fn near_variable(name: &str) -> Option<String> {
    let sections = ROOT.iter().filter_map(|field| Some((field.name, field.kind.fields()?)));
    let fields = sections.filter(|(section, _)| !matches!(*section, "providers" | "models")).flat_map(|(section, inner)| {
        inner.iter().map(move |field| format!("{PREFIX}{}__{}", section.to_ascii_uppercase(), field.name.to_ascii_uppercase()))
    });
    let sections = ROOT.iter().filter(|field| field.name != "version").map(|field| format!("{PREFIX}{}", field.name.to_ascii_uppercase()));
    let all: Vec<String> = OWN.iter().map(|own| (*own).to_owned()).chain(sections).chain(fields).collect();
    nearest(name, all.iter().map(String::as_str)).map(str::to_owned)
}

/// Puts one value in the place of a field, creating the sections on the way.
pub(crate) fn set(root: &mut Node, report: &mut Report, name: &str, value: &str, path: &[String]) {
    let source = report.sources.len();
    report.sources.push(Source { name: name.to_owned(), text: value.to_owned() });
    let span = Span { source, start: 0, end: value.len() };
    // What is no YAML is text: nobody quotes `[::1]:24689` twice.
    let parsed =
        tree::parse(value, source).unwrap_or_else(|_| Node { span, value: Value::Scalar { text: value.to_owned(), plain: false } });
    // In a copy: a name that leads nowhere leaves nothing behind.
    let mut with = root.clone();
    let placed = place(&mut with, ROOT, path, parsed, span).map(|()| *root = with);
    if let Err(near) = placed {
        // The name is what is wrong; the value might be anything, a secret too.
        report.secrets.push(span);
        let message = format!("{name} names no field of the config");
        let diagnostic = Diagnostic::new(Finding::Override, span, path.join("."), message, "has no effect");
        report.push(match near {
            Some(near) => diagnostic.help(format!("did you mean \"{near}\"?")),
            None => diagnostic,
        });
    }
}

/// A name as an environment variable can write it: `claude-opus-*` is `claude_opus_star`, `hf:zai-org/GLM` is `hf_zai_org_glm`.
fn spelled(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        match c {
            '*' => {
                let joint = if out.is_empty() || out.ends_with('_') { "" } else { "_" };
                out.push_str(&format!("{joint}star_"));
            }
            c if c.is_alphanumeric() => out.extend(c.to_lowercase()),
            // Two of them part a field from its section.
            _ if out.ends_with('_') || out.is_empty() => {}
            _ => out.push('_'),
        }
    }
    out.trim_end_matches('_').to_owned()
}

/// The entry that a variable means: the one of exactly that name, else the only one that is spelled so.
fn entry<'e>(entries: &'e mut [(Key, Node)], wanted: &str) -> Result<&'e mut Node, Option<String>> {
    let exact = entries.iter().position(|(key, _)| key.text.eq_ignore_ascii_case(wanted));
    let mut fits = entries.iter().enumerate().filter(|(_, (key, _))| spelled(&key.text) == wanted).map(|(index, _)| index);
    let found = exact.or_else(|| fits.next().filter(|_| fits.next().is_none()));
    let near = || nearest(wanted, entries.iter().map(|(key, _)| key.text.as_str())).map(str::to_owned);
    match found {
        None => Err(near()),
        Some(index) => entries.get_mut(index).map(|(_, node)| node).ok_or(None),
    }
}

/// The item that a variable means: by its place, from 0 on as messages count, or the only one whose `name` is spelled so.
fn item<'e>(items: &'e mut [Node], wanted: &str) -> Result<&'e mut Node, Option<String>> {
    let name = |item: &Node| match &item.value {
        Value::Map(fields) => fields.iter().find(|(key, _)| key.text == "name").and_then(|(_, node)| match &node.value {
            Value::Scalar { text, .. } => Some(text.clone()),
            _ => None,
        }),
        _ => None,
    };
    let names: Vec<String> = items.iter().map(|item| name(item).unwrap_or_default()).collect();
    let mut fits = names.iter().enumerate().filter(|(_, name)| spelled(name) == wanted).map(|(index, _)| index);
    let found = wanted.parse().ok().or_else(|| fits.next().filter(|_| fits.next().is_none()));
    let near = || nearest(wanted, names.iter().map(String::as_str).filter(|name| !name.is_empty())).map(str::to_owned);
    found.and_then(|index: usize| items.get_mut(index)).ok_or_else(near)
}

fn place(node: &mut Node, fields: &'static [Field], path: &[String], value: Node, span: Span) -> Result<(), Option<String>> {
    let Some((first, rest)) = path.split_first() else { return Err(None) };
    let Some(field) = fields.iter().find(|field| field.name == first) else {
        return Err(nearest(first, fields.iter().map(|field| field.name)).map(str::to_owned));
    };
    let child = child(node, field.name, span).ok_or(None)?;
    if rest.is_empty() {
        *child = value;
        return Ok(());
    }
    match field.kind {
        Kind::Section(inner) | Kind::SectionOrNone(inner) | Kind::SectionOrOff(inner) => place(child, inner, rest, value, span),
        _ => inside(child, &field.kind, rest, value, span),
    }
}

/// Puts a value into an entry of a mapping of names, or an item of a list. The file must have it: a slip would make another.
fn inside(node: &mut Node, kind: &'static Kind, path: &[String], value: Node, span: Span) -> Result<(), Option<String>> {
    let Some((first, rest)) = path.split_first() else { return Err(None) };
    let found = match (&mut node.value, kind) {
        (Value::Map(entries), Kind::Named(_) | Kind::ListOrNamed(..) | Kind::Models(_) | Kind::Texts(_)) => entry(entries, first)?,
        (Value::List(items), _) => item(items, first)?,
        _ => return Err(None),
    };
    if rest.is_empty() {
        *found = value;
        return Ok(());
    }
    if matches!(kind, Kind::Models(_)) && !matches!(found.value, Value::Map(_)) {
        // Its short form is the field `use`.
        let targets = std::mem::replace(found, Node { span, value: Value::Map(Vec::new()) });
        if let Value::Map(fields) = &mut found.value {
            fields.push((Key { text: "use".to_owned(), span: targets.span }, targets));
        }
    }
    place(found, kind.fields().unwrap_or_default(), rest, value, span)
}

/// The value of a key, created empty where it is absent; what is no mapping becomes one.
fn child<'n>(node: &'n mut Node, name: &str, span: Span) -> Option<&'n mut Node> {
    if !matches!(node.value, Value::Map(_)) {
        node.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut node.value else { return None };
    if !entries.iter().any(|(key, _)| key.text == name) {
        let empty = Node { span, value: Value::Scalar { text: String::new(), plain: true } };
        entries.push((Key { text: name.to_owned(), span }, empty));
    }
    entries.iter_mut().find(|(key, _)| key.text == name).map(|(_, node)| node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_can_be_spelled_in_a_variable() {
        for (name, variable) in [
            ("claude-opus-*", "claude_opus_star"),
            ("*", "star"),
            ("*-fast", "star_fast"),
            ("gpt*", "gpt_star"),
            ("a*b", "a_star_b"),
            ("hf:zai-org/GLM-5.2", "hf_zai_org_glm_5_2"),
            ("Mine", "mine"),
            ("a__b", "a_b"),
            ("x[1m]", "x_1m"),
        ] {
            assert_eq!(spelled(name), variable, "{name}");
        }
    }

    #[test]
    fn a_variable_means_one_entry_or_none() {
        let mut node = tree::parse("{ a-b: 1, a.b: 2, a_b: 3, c-d: 4, c.d: 5, e-*: 6 }", 0).unwrap();
        let Value::Map(entries) = &mut node.value else { panic!("a mapping") };
        let mut value = |wanted: &str| match entry(entries, wanted) {
            Ok(Node { value: Value::Scalar { text, .. }, .. }) => text.clone(),
            _ => String::new(),
        };
        assert_eq!((value("a_b").as_str(), value("c_d").as_str(), value("e_star").as_str(), value("f").as_str()), ("3", "", "6", ""));
    }

    /// What becomes of a text by one variable, and how many findings there are.
    fn with(text: &str, name: &str, value: &str) -> (String, usize) {
        let mut root = tree::parse(text, 0).unwrap();
        let mut report = Report::default();
        report.sources.push(Source { name: "c".to_owned(), text: text.to_owned() });
        apply(&mut root, &mut report, &Environment::new([(name.to_owned(), value.to_owned())]));
        (told(&root), report.diagnostics.len())
    }

    fn told(node: &Node) -> String {
        let joined = |parts: Vec<String>| parts.join(" ");
        match &node.value {
            Value::Scalar { text, .. } => text.clone(),
            Value::List(items) => format!("[{}]", joined(items.iter().map(told).collect())),
            Value::Map(entries) => {
                format!("{{{}}}", joined(entries.iter().map(|(key, node)| format!("{}:{}", key.text, told(node))).collect()))
            }
        }
    }

    #[test]
    fn an_entry_of_a_mapping_or_a_list_is_reached_by_its_name_or_place() {
        for (text, name, value, expected) in [
            ("providers: {z-ai: {}}", "AIMUX_PROVIDERS__Z_AI__BASE_URL", "\"http://a\"", "{providers:{z-ai:{base_url:http://a}}}"),
            ("providers: {z: {keys: [a, b]}}", "AIMUX_PROVIDERS__Z__KEYS__1", "c", "{providers:{z:{keys:[a c]}}}"),
            ("providers: {z: {keys: [a, b]}}", "AIMUX_PROVIDERS__Z__KEYS", "[c]", "{providers:{z:{keys:[c]}}}"),
            ("providers: {z: {headers: {x-a: b}}}", "AIMUX_PROVIDERS__Z__HEADERS__X_A", "c", "{providers:{z:{headers:{x-a:c}}}}"),
            ("routes: [{name: far-off, use: a}]", "AIMUX_ROUTES__FAR_OFF__USE", "b", "{routes:[{name:far-off use:b}]}"),
            ("routes: [{name: n}]", "AIMUX_ROUTES__0__WHEN__MODEL", "m", "{routes:[{name:n when:{model:m}}]}"),
            ("routes: [{name: n, use: [a, b]}]", "AIMUX_ROUTES__N__USE__0", "c", "{routes:[{name:n use:[c b]}]}"),
            ("tests: [{expect: a}, {expect: b}]", "AIMUX_TESTS__1__EXPECT", "c", "{tests:[{expect:a} {expect:c}]}"),
            ("models: {m: [a, b]}", "AIMUX_MODELS__M__USE__1", "c", "{models:{m:{use:[a c]}}}"),
            ("limits: {}", "AIMUX_LIMITS__BODY_MB", "5", "{limits:{body_mb:5}}"),
        ] {
            assert_eq!(with(text, name, value), (expected.to_owned(), 0), "{name}");
        }
    }

    #[test]
    fn a_variable_that_means_no_entry_changes_nothing_and_is_told() {
        for (text, name) in [
            ("breaker: off", "AIMUX_BREAKER__FAILURE"),
            ("breaker: off", "AIMUX_BREAKER__FAILURES__0"),
            ("providers: {a: {}}", "AIMUX_PROVIDERS__B__BASE_URL"),
            ("providers: {a: {}}", "AIMUX_PROVIDERS__A__KEYS__0"),
            ("providers: {a: {keys: [k]}}", "AIMUX_PROVIDERS__A__KEYS__1"),
            ("routes: [{name: n}, {name: n}]", "AIMUX_ROUTES__N__USE"),
            ("routes: [{name: n}]", "AIMUX_ROUTES__N__WHEN__MODEL__0"),
            ("routes: [{name: n}]", "AIMUX_ROUTES__18446744073709551615__USE"),
            ("routes: [{name: n}]", "AIMUX_ROUTES__1__USE"),
            ("models: {m: a}", "AIMUX_MODELS__M__USES"),
            ("models: {m: a}", "AIMUX_MODELS__M__USE__0"),
            ("server: {}", "AIMUX_ROUTES__N__USE"),
        ] {
            assert_eq!(with(text, name, "1"), (told(&tree::parse(text, 0).unwrap()), 1), "{name}");
        }
    }
}
