//! Names of tools as a model reads them: letters, digits, `_` and `-`, 64 at most, each once.

use std::collections::{HashMap, HashSet};

use super::Tool;
use crate::dialect::names::tool_name;

/// The longest name that every provider takes.
const NAME_MAX: usize = 64;

/// Gives each tool the name that it is offered by: its own where no other server has one of that name, else with the server's before it.
pub(super) fn tell_apart(tools: &mut [Tool]) {
    let mut count: HashMap<String, usize> = HashMap::new();
    for tool in tools.iter() {
        *count.entry(tool.name.clone()).or_default() += 1;
    }
    let mut taken: HashSet<String> = HashSet::new();
    for tool in tools.iter_mut() {
        let is_alone = count.get(&tool.name) == Some(&1);
        let name = if is_alone { tool.name.clone() } else { format!("{}__{}", tool.server, tool.name) };
        // A server may name two of its tools alike, or one as if it were another's.
        let alike = (2_usize..).map(|time| format!("{name}_{time}"));
        let mut names = std::iter::once(name.clone()).chain(alike).map(|name| tool_name(&name, NAME_MAX).into_owned());
        tool.offered = names.find(|name| taken.insert(name.clone())).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    fn offered(names: &[(&str, &str)]) -> Vec<String> {
        let tool = |(server, name): &(&str, &str)| Tool {
            server: (*server).to_owned(),
            name: (*name).to_owned(),
            offered: String::new(),
            description: String::new(),
            schema: RawValue::from_string("{}".to_owned()).unwrap(),
            at: 0,
        };
        let mut tools: Vec<Tool> = names.iter().map(tool).collect();
        tell_apart(&mut tools);
        tools.into_iter().map(|tool| tool.offered).collect()
    }

    #[test]
    fn a_name_is_its_own_unless_two_servers_have_it() {
        assert_eq!(offered(&[("a", "read"), ("a", "write"), ("b", "read")]), ["a__read", "write", "b__read"]);
    }

    #[test]
    fn whatever_servers_call_their_tools_names_fit_and_differ() {
        let long = "n".repeat(80);
        let other = format!("{}x", "n".repeat(79));
        let names = [
            ("a", long.as_str()),
            ("a", &other),
            ("a", "a.b"),
            ("a", "a/b"),
            ("a", "a_b"),
            ("a", ""),
            ("b", "日本語"),
            ("b", "\u{1b}[2J"),
            ("b", "same"),
            ("b", "same"),
        ];
        let offered = offered(&names);
        let fits =
            |name: &String| (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        assert!(offered.iter().all(fits), "{offered:?}");
        let once: std::collections::HashSet<&String> = offered.iter().collect();
        assert_eq!(once.len(), names.len(), "{offered:?}");
    }
}
