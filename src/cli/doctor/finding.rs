//! What a check found: how bad, what, why, and the command that mends it.

use std::path::PathBuf;

use serde::Serialize;

/// How bad it is; the worst of all is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// It works, but somebody will wonder one day.
    Warning,
    /// Something does not work.
    Error,
}

impl Level {
    /// The exit code.
    pub(super) fn exit(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Error => 2,
        }
    }

    /// The colour of its mark, as terminals number them.
    pub(super) fn colour(self) -> u8 {
        match self {
            Self::Ok => 32,
            Self::Warning => 33,
            Self::Error => 31,
        }
    }
}

/// What the checks are about; their order is that of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Group {
    Config,
    Keys,
    Server,
    State,
    Clients,
    Providers,
}

impl Group {
    pub(super) const ALL: [Self; 6] = [Self::Config, Self::Keys, Self::Server, Self::State, Self::Clients, Self::Providers];

    /// The heading.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Config => "Config",
            Self::Keys => "Keys",
            Self::Server => "Server",
            Self::State => "State",
            Self::Clients => "Clients",
            Self::Providers => "Providers",
        }
    }
}

/// One finding. Its fields but the last are members of `--json`, which docs/troubleshooting.md describes: none is ever renamed.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    pub(super) group: Group,
    /// The check's own name, for programs: `key-file`.
    pub(super) check: &'static str,
    pub(super) level: Level,
    /// A lower-case sentence that names the thing and its value.
    pub(super) what: String,
    /// Why it matters, or what caused it.
    pub(super) why: Option<String>,
    /// The command that mends it.
    pub(super) mend: Option<String>,
    /// Whether `--fix` does.
    pub(super) fixable: bool,
    #[serde(skip)]
    pub(super) fix: Option<Fix>,
}

/// What `--fix` may do: each of them loses nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fix {
    /// Take rights from others; the mode that is left.
    Mode(PathBuf, u32),
    /// Make a folder that is missing, for its owner alone.
    Folder(PathBuf),
    /// Remove what a server that is dead left behind, by its socket.
    Leftovers(PathBuf),
}

impl Finding {
    fn new(level: Level, group: Group, check: &'static str, what: impl Into<String>) -> Self {
        Self { group, check, level, what: what.into(), why: None, mend: None, fixable: false, fix: None }
    }

    pub(super) fn ok(group: Group, check: &'static str, what: impl Into<String>) -> Self {
        Self::new(Level::Ok, group, check, what)
    }

    pub(super) fn warning(group: Group, check: &'static str, what: impl Into<String>) -> Self {
        Self::new(Level::Warning, group, check, what)
    }

    pub(super) fn error(group: Group, check: &'static str, what: impl Into<String>) -> Self {
        Self::new(Level::Error, group, check, what)
    }

    pub(super) fn why(self, why: impl Into<String>) -> Self {
        Self { why: Some(why.into()), ..self }
    }

    pub(super) fn mend(self, mend: impl Into<String>) -> Self {
        Self { mend: Some(mend.into()), ..self }
    }

    /// With what `--fix` does, and the command that does the same.
    pub(super) fn fix(self, fix: Fix) -> Self {
        let mend = match &fix {
            Fix::Mode(path, mode) => format!("chmod {mode:o} {}", quoted(path)),
            Fix::Folder(path) => format!("mkdir -p -m 700 {}", quoted(path)),
            Fix::Leftovers(path) => format!("rm {}", quoted(path)),
        };
        Self { mend: Some(mend), fixable: true, fix: Some(fix), ..self }
    }
}

/// A path as one word of a shell.
pub(super) fn quoted(path: &std::path::Path) -> String {
    crate::cli::env::posix_quoted(&path.display().to_string())
}
