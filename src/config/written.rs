//! What a config says, value by value, so that two can be compared: for the log of changes, secrets hidden.
//!
//! It lacks defaults: what is not given is not there. Start with [`changes`].

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::mask;
use super::reader::join;
use super::tree::{Node, Value};
use crate::audit::Change;

/// One value as the file or the environment gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    path: String,
    shown: String,
    /// Of the value itself: two secrets that are hidden alike can still be told apart. Never leaves the process.
    digest: u64,
}

/// Every value of a tree, `${VAR}` not replaced.
pub(super) fn of(root: &Node) -> Vec<Written> {
    let mut values = Vec::new();
    flatten(root, String::new(), Show::Plain, &mut values);
    values
}

/// Whether a value may be shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Show {
    Plain,
    Never,
}

fn flatten(node: &Node, path: String, show: Show, values: &mut Vec<Written>) {
    let text = match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            for (key, node) in entries {
                // What is sent with each request may be a credential under any name.
                let is_sent = matches!(key.text.as_str(), "headers" | "query") && path.starts_with("providers.");
                let show = if is_sent { Show::Never } else { show };
                flatten(node, join(&path, &key.text), show, values);
            }
            return;
        }
        Value::List(nodes) if !nodes.is_empty() => {
            for (index, node) in nodes.iter().enumerate() {
                flatten(node, format!("{path}[{index}]"), show, values);
            }
            return;
        }
        Value::Map(_) => "{}",
        Value::List(_) => "[]",
        Value::Scalar { text, .. } => text,
    };
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let shown = if show == Show::Never { mask::DOTS.to_owned() } else { mask::shown(text) };
    values.push(Written { path: mask::shown(&path), shown, digest: hasher.finish() });
}

/// What is different in `new`, in the order of the paths; values of `headers` and `query`, and what looks like a key, are hidden.
#[must_use]
pub fn changes(old: &[Written], new: &[Written]) -> Vec<Change> {
    let by_path = |values: &'_ [Written]| values.iter().map(|value| (value.path.clone(), value.clone())).collect::<BTreeMap<_, _>>();
    let (old, new) = (by_path(old), by_path(new));
    let mut paths: Vec<&String> = old.keys().chain(new.keys()).collect();
    paths.sort();
    paths.dedup();
    let is_same = |path: &String| old.get(path).map(|value| value.digest) == new.get(path).map(|value| value.digest);
    let shown = |values: &BTreeMap<String, Written>, path: &String| values.get(path).map(|value| value.shown.clone());
    let change = |path: &String| Change { field: path.clone(), old: shown(&old, path), new: shown(&new, path) };
    paths.into_iter().filter(|path| !is_same(path)).map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(old: &str, new: &str) -> Vec<(String, Option<String>, Option<String>)> {
        let read = |text: &str| of(&crate::config::tree::parse(text, 0).unwrap());
        changes(&read(old), &read(new)).into_iter().map(|change| (change.field, change.old, change.new)).collect()
    }

    fn row(field: &str, old: &str, new: &str) -> (String, Option<String>, Option<String>) {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (field.to_owned(), given(old), given(new))
    }

    #[test]
    fn a_value_that_is_new_gone_or_different_is_a_change_with_its_path() {
        let old = "limits: { body_mb: 32, json_depth: 64 }\nmodels: { \"a.b\": [x/1, y/2] }\n";
        assert!(between(old, old).is_empty());
        assert!(between(old, &format!("# a comment\n{old}")).is_empty());
        let new = "limits: { body_mb: 64 }\nmodels: { \"a.b\": [x/1, z/2] }\nproviders: { zai: {} }\n";
        let wanted = [
            row("limits.body_mb", "32", "64"),
            row("limits.json_depth", "64", ""),
            row("models.\"a.b\"[1]", "y/2", "z/2"),
            row("providers.zai", "", "{}"),
        ];
        assert_eq!(between(old, new), wanted);
    }

    #[test]
    fn what_may_be_a_secret_is_seen_to_change_and_never_shown() {
        let with = |header: &str, token: &str| {
            format!("providers: {{ a: {{ key: mine, headers: {{ x-team: {header} }} }} }}\nserver: {{ token: {token} }}\n")
        };
        let found = between(&with("blue", "sk-ant-api03-abcdefgh"), &with("green", "sk-ant-api03-ijklmnop"));
        assert_eq!(found, [row("providers.a.headers.x-team", mask::DOTS, mask::DOTS), row("server.token", mask::DOTS, mask::DOTS)]);
        assert_eq!(between("providers: { a: { key: one } }", "providers: { a: { key: two } }"), [row("providers.a.key", "one", "two")]);
    }
}
