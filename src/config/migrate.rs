//! Which version of the format a text is written for, and what leads from there to this program's.
//!
//! There is one version so far, so no step is needed yet; files of the programs that were called aimux before are another
//! format, and are imported. Start with [`version_of`].

use super::diagnostic::Report;
use super::load;
use super::tree::{Node, Value};
use super::{Environment, LoadError, Options};

/// The version that this program reads and writes.
pub const VERSION: u64 = 1;

/// What a text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// This program's version: nothing to do.
    Current,
    /// Made for a later program.
    Later(u64),
    /// A file of an earlier program of the name: `aimux1` or `aimux2`, as `config import` calls them.
    Foreign(&'static str),
    /// No version, or none that ever was.
    Unknown,
}

/// Finds out the version of a text.
///
/// # Errors
/// When it is not YAML.
pub fn version_of(name: &str, bytes: &[u8]) -> Result<Version, LoadError> {
    let (root, report) = load::parsed(name, bytes, &Options::default(), &Environment::default());
    let Some(root) = root else { return Err(unreadable(&report)) };
    let version = get(&root, "version").and_then(Node::number).and_then(|text| text.parse::<u64>().ok());
    Ok(match (version, foreign(&root)) {
        (_, Some(program)) => Version::Foreign(program),
        (Some(VERSION), None) => Version::Current,
        (Some(later), None) if later > VERSION => Version::Later(later),
        _ => Version::Unknown,
    })
}

fn unreadable(report: &Report) -> LoadError {
    LoadError::Invalid { rendered: report.render(), errors: report.errors() }
}

/// Whose file it is, told by the spelling of the providers' fields.
fn foreign(root: &Node) -> Option<&'static str> {
    let multi = get(root, "multiProvider");
    let providers = multi.map_or_else(|| get(root, "providers"), |multi| get(multi, "providers"));
    let inner: Vec<&Node> = match providers.map(|node| &node.value) {
        Some(Value::Map(entries)) => entries.iter().map(|(_, node)| node).collect(),
        Some(Value::List(nodes)) => nodes.iter().collect(),
        _ => Vec::new(),
    };
    let has = |names: &[&str]| inner.iter().any(|node| names.iter().any(|name| get(node, name).is_some()));
    if multi.is_some() || has(&["apiKey", "baseUrl", "maxRetries"]) || get(root, "defaultProvider").is_some() {
        return Some("aimux1");
    }
    (has(&["api_key", "endpoint", "retry_attempts", "timeout_ms"]) || get(root, "default_provider").is_some()).then_some("aimux2")
}

fn get<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    match &node.value {
        Value::Map(entries) => entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| node),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_file_is_told_from_the_others() {
        for (text, version) in [
            ("version: 1\nproviders: { ollama: {} }", Version::Current),
            ("version: 2", Version::Later(2)),
            ("version: \"1\"", Version::Unknown),
            ("providers: { ollama: {} }", Version::Unknown),
            ("", Version::Unknown),
            ("{\"providers\": {\"z-ai\": {\"apiKey\": \"x\", \"priority\": 3}}}", Version::Foreign("aimux1")),
            ("multiProvider: { providers: {} }", Version::Foreign("aimux1")),
            ("version: 2.0.0\nproviders: { zai: { api_key: x, endpoint: y } }", Version::Foreign("aimux2")),
            ("providers: [{ name: zai, retry_attempts: 3 }]", Version::Foreign("aimux2")),
        ] {
            assert_eq!(version_of("c", text.as_bytes()).unwrap(), version, "{text}");
        }
        assert!(matches!(version_of("c", b"a: ["), Err(LoadError::Invalid { errors: 1, .. })));
    }
}
