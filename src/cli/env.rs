//! `aimux env`: the lines that make the clients of a shell use aimux.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{CliError, output};
use crate::config::Environment;
use crate::secret::Secret;

/// Arguments of `aimux env`.
#[derive(Debug, Args)]
pub(crate) struct EnvArgs {
    /// The shell whose syntax is printed
    #[arg(long, value_enum, default_value_t = Shell::Bash)]
    shell: Shell,
    /// Print JSON
    #[arg(long, conflicts_with = "shell")]
    json: bool,
}

/// The shells that `aimux env` speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// bash, and any POSIX shell
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
    /// PowerShell
    #[value(name = "powershell")]
    Pwsh,
}

/// Prints the lines for the running server, else for the address of the config.
pub(crate) fn run(args: &EnvArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let server = super::known::find(path, environment)?;
    let base_url = server.base_url()?;
    output::print(&if args.json {
        let pairs = serde_json::json!({ "ANTHROPIC_BASE_URL": base_url, "ANTHROPIC_AUTH_TOKEN": server.token.expose() });
        format!("{pairs:#}\n")
    } else {
        shell_lines(args.shell, &base_url, &server.token)
    });
    Ok(ExitCode::SUCCESS)
}

/// The lines that set the base URL and the token of Anthropic clients.
#[must_use]
pub(crate) fn shell_lines(shell: Shell, base_url: &str, token: &Secret) -> String {
    [("ANTHROPIC_BASE_URL", base_url), ("ANTHROPIC_AUTH_TOKEN", token.expose())].iter().fold(String::new(), |lines, (name, value)| {
        let line = match shell {
            Shell::Bash | Shell::Zsh => format!("export {name}={}", posix_quoted(value)),
            Shell::Fish => format!("set -gx {name} '{}'", value.replace('\\', "\\\\").replace('\'', "\\'")),
            Shell::Pwsh => format!("$env:{name} = '{}'", value.replace('\'', "''")),
        };
        format!("{lines}{line}\n")
    })
}

/// The value as one word of a POSIX shell.
pub(crate) fn posix_quoted(value: &str) -> String {
    let is_plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&byte));
    if is_plain { value.to_owned() } else { format!("'{}'", value.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_gets_its_own_quotes() {
        let token = Secret::new("it's".to_owned());
        let lines = |shell| shell_lines(shell, "http://127.0.0.1:1", &token);
        assert_eq!(lines(Shell::Bash), "export ANTHROPIC_BASE_URL=http://127.0.0.1:1\nexport ANTHROPIC_AUTH_TOKEN='it'\\''s'\n");
        assert_eq!(lines(Shell::Fish), "set -gx ANTHROPIC_BASE_URL 'http://127.0.0.1:1'\nset -gx ANTHROPIC_AUTH_TOKEN 'it\\'s'\n");
        assert_eq!(lines(Shell::Pwsh), "$env:ANTHROPIC_BASE_URL = 'http://127.0.0.1:1'\n$env:ANTHROPIC_AUTH_TOKEN = 'it''s'\n");
    }
}
