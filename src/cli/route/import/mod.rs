//! `aimux route import llm`: the templates, aliases and logs of the program `llm` become ours, and it is said what was taken, what
//! was left and what was lost. Doing it again takes only what is new; nothing of `llm`'s is changed.
//!
//! `templates`, `aliases` and `logs` are a file each, `args` says what is asked, `taken` what they share. Start with [`run`].

mod aliases;
pub(super) mod args;
mod logs;
mod taken;
mod templates;

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use self::args::{ImportArgs, Program, RouteCommand};
use super::args::RouteArgs;
use super::way::Way;
use crate::cli::{CliError, output};
use crate::config::Environment;
use crate::error::{Code, Error};
use crate::history;

/// What was done. Members are added, never renamed or left out.
#[derive(Debug, Serialize)]
struct Imported {
    folder: String,
    dry_run: bool,
    templates: Option<templates::Taken>,
    aliases: Option<aliases::Taken>,
    logs: Option<logs::Taken>,
}

/// Takes what there is.
pub(super) fn run(command: &RouteCommand, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let RouteCommand::Import(ImportArgs { program: Program::Llm(args) }) = command;
    let folder = args.path.clone().unwrap_or_else(|| usual(environment));
    if !folder.is_dir() {
        let message = format!("there is no folder {}", folder.display());
        return Err(Error::new(Code::Usage, message).hint("name the folder that `llm logs path` shows").into());
    }
    // Without a config, nothing is known of models, and conversations are where they usually are.
    let plain = RouteArgs { direct: true, ..RouteArgs::default() };
    let way = match Way::find(&plain, path, environment) {
        Ok(way) => Some(way),
        Err(CliError::Coded(error)) if error.code == Code::ConfigMissing => None,
        Err(error) => return Err(error),
    };
    let leads = |model: &str| way.as_ref()?.leads_to(model, &[]).ok();
    let settings = way.as_ref().map_or_else(|| history::Settings::usual(&environment.state_folder()), |way| way.history().clone());
    let imported = Imported {
        folder: folder.display().to_string(),
        dry_run: args.dry_run,
        templates: templates::take(&folder, args, &leads, environment)?,
        aliases: aliases::take(&folder, &leads)?,
        logs: logs::take(&folder, args, &leads, &settings)?,
    };
    if args.json {
        output::print(&output::json(&imported)?);
    } else {
        output::print(&output::printable(&imported.text()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Where `llm` keeps its files.
fn usual(environment: &Environment) -> PathBuf {
    match environment.get("LLM_USER_PATH") {
        Some(path) => PathBuf::from(path),
        // Beside our own folder, which is where the system has them.
        None => environment.config_folder().with_file_name("io.datasette.llm"),
    }
}

impl Imported {
    fn text(&self) -> String {
        let mut text = format!("{}{}\n", self.folder, if self.dry_run { ": nothing is written, this would be taken" } else { "" });
        text += &self.templates.as_ref().map_or_else(|| "templates  none\n".to_owned(), templates::Taken::text);
        text += &self.aliases.as_ref().map_or_else(|| "aliases    none\n".to_owned(), aliases::Taken::text);
        text + &self.logs.as_ref().map_or_else(|| "logs       none\n".to_owned(), logs::Taken::text)
    }
}
