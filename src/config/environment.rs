//! The environment, read once by `cli` and passed down as a value.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The variables that begin as aimux's do and are no override of a field. A test looks for names in the source that are not
/// here. `AIMUX_CLIENT_TOKEN` is what the docs call the client token's variable; a config names it or not.
pub(crate) const OWN: &[&str] = &["AIMUX_CLIENT_TOKEN", "AIMUX_CONFIG", "AIMUX_IDENTITY", "AIMUX_LOG", "AIMUX_LOG_FORMAT"];

/// Environment variables and the folders that follow from them.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// From pairs; `cli` passes the process's own, tests whatever they like. Variables that are not UTF-8 are left out.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { variables: variables.into_iter().collect() }
    }

    /// A variable that is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A variable that is set, be it to nothing.
    #[must_use]
    pub fn set(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Every variable, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The same without the variables that begin as aimux's do: no override of a field is left.
    #[must_use]
    pub fn without_overrides(&self) -> Self {
        Self {
            variables: self
                .variables
                .iter()
                .filter(|(name, _)| !name.starts_with("AIMUX_"))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        }
    }

    /// `$XDG_CONFIG_HOME/aimux`, else `~/.config/aimux`.
    #[must_use]
    pub fn config_folder(&self) -> PathBuf {
        self.folder("XDG_CONFIG_HOME", ".config")
    }

    /// `$XDG_STATE_HOME/aimux`, else `~/.local/state/aimux`.
    #[must_use]
    pub fn state_folder(&self) -> PathBuf {
        self.folder("XDG_STATE_HOME", ".local/state")
    }

    /// `$XDG_RUNTIME_DIR/aimux`, else `run` in the state folder.
    #[must_use]
    pub fn runtime_folder(&self) -> PathBuf {
        self.get("XDG_RUNTIME_DIR").map_or_else(|| self.state_folder().join("run"), |dir| PathBuf::from(dir).join("aimux"))
    }

    fn folder(&self, variable: &str, under_home: &str) -> PathBuf {
        let base = self.get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        base.unwrap_or_else(|| PathBuf::from(self.get("HOME").unwrap_or("/")).join(under_home)).join("aimux")
    }
}
