//! What names tools on the command line: a server, `server.tool`, either with stars.

use crate::config::McpServer;
use crate::config::near::nearest;
use crate::error::{Code, Error};
use crate::mcp::Tool;
use crate::route::glob::Glob;

/// A pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    /// As it was given.
    pub(super) text: String,
    server: Glob,
    tool: Option<Glob>,
}

impl Pattern {
    /// A server's name has no dot, so the first one parts the two.
    pub(super) fn read(text: &str) -> Self {
        let (server, tool) = match text.split_once('.') {
            Some((server, tool)) => (server, Some(Glob::new(tool))),
            None => (text, None),
        };
        Self { text: text.to_owned(), server: Glob::new(server), tool }
    }

    /// Whether it names tools of this server.
    pub(super) fn is_of(&self, server: &str) -> bool {
        self.server.matches(server)
    }

    /// Whether it names this tool.
    pub(super) fn fits(&self, tool: &Tool) -> bool {
        self.is_of(&tool.server) && self.tool.as_ref().is_none_or(|name| name.matches(&tool.name))
    }

    /// An error where no server of the config is meant.
    pub(super) fn must_name_one(&self, servers: &[McpServer]) -> Result<(), Error> {
        if servers.iter().any(|server| self.is_of(&server.name)) {
            return Ok(());
        }
        let names: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
        let message = format!("--tool {}: the config has no such server under `mcp`", self.text);
        Err(Error::new(Code::Usage, message).hint(match nearest(self.server.text(), names.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None if names.is_empty() => "docs/tools.md has examples of servers".to_owned(),
            None => format!("there are {}", names.join(", ")),
        }))
    }
}
