//! `aimux generate`: shell completions and man pages, made from the same definition that parses argv. Hidden: packagers and tests use it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::{Cli, CliError};
use crate::error::{Code, Error};

/// Arguments of `aimux generate`.
#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// What to make
    #[arg(value_enum)]
    what: What,
    /// The folder to write into
    folder: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// For bash, zsh, fish, PowerShell and elvish
    Completions,
    /// One page a command
    Man,
}

/// Writes the files.
pub(crate) fn run(args: &GenerateArgs) -> Result<ExitCode, CliError> {
    let folder = &args.folder;
    let made = match args.what {
        What::Completions => completions(folder),
        What::Man => clap_mangen::generate_to(command(), folder),
    };
    let failed = |error: std::io::Error| Error::new(Code::StateFolder, format!("{}: {error}", folder.display())).caused_by(error);
    made.map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}

/// The command without `help`, whose tree would repeat every other.
fn command() -> clap::Command {
    Cli::command().disable_help_subcommand(true)
}

/// The scripts that ask `aimux complete`, as they are in the source; for the other shells what clap makes, which knows no names.
fn completions(folder: &Path) -> std::io::Result<()> {
    let scripts = [
        ("aimux.bash", include_str!("../../completions/aimux.bash")),
        ("_aimux", include_str!("../../completions/_aimux")),
        ("aimux.fish", include_str!("../../completions/aimux.fish")),
    ];
    for (name, script) in scripts {
        std::fs::write(folder.join(name), script)?;
    }
    for shell in [Shell::PowerShell, Shell::Elvish] {
        clap_complete::generate_to(shell, &mut command(), "aimux", folder)?;
    }
    Ok(())
}
