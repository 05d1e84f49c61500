//! What `aimux route import` is told.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Clone, Subcommand)]
pub(in crate::cli::route) enum RouteCommand {
    /// Take over what another program keeps
    Import(ImportArgs),
}

#[derive(Debug, Clone, Args)]
pub(in crate::cli::route) struct ImportArgs {
    #[command(subcommand)]
    pub(super) program: Program,
}

#[derive(Debug, Clone, Subcommand)]
pub(super) enum Program {
    /// Templates, aliases and logs of `llm`
    Llm(LlmArgs),
}

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "A template whose name is taken by another one is left, and said. Aliases are printed as lines for `models:`: the config is \
    never changed. Each exchange of the logs is taken once, however often this runs."
)]
pub(super) struct LlmArgs {
    /// Its folder [default: LLM_USER_PATH, else io.datasette.llm in the config folder]
    pub(super) path: Option<PathBuf>,
    /// Say what would be taken, and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Replace templates whose names are taken
    #[arg(long)]
    pub(super) overwrite: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}
