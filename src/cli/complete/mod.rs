//! `aimux complete`: what a shell offers for the word being typed, for the scripts in `completions/`. Hidden: they alone call it.
//!
//! It writes nothing, asks nobody, opens no key, and says nothing of what is wrong: who presses Tab wants no message. The tree of
//! commands and clap's own engine say which argument is typed; `names.rs` has what the config and the state folder call
//! things, `line.rs` the words of a line of bash. Start with [`run`].

mod line;
mod names;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, CommandFactory, ValueEnum, ValueHint};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete};

use self::line::Line;
use self::names::{Name, Source};
use super::named::Named;
use super::{Cli, output, visible};
use crate::config::Environment;

/// Arguments of `aimux complete`.
#[derive(Debug, Args)]
pub(crate) struct CompleteArgs {
    /// The shell that asks
    #[arg(value_enum)]
    shell: Shell,
    /// bash: the line up to the cursor, and what readline takes for the word; others: the words up to the cursor
    #[arg(last = true)]
    words: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// What is offered.
#[derive(Debug, PartialEq, Eq)]
enum Offer {
    /// These.
    Words(Vec<Name>),
    /// Whatever the shell offers for files.
    Files,
}

/// Prints `words`, and a line for each word that fits, its help behind a tab; or `files`.
pub(crate) fn run(args: &CompleteArgs, path: Option<PathBuf>, environment: &Environment) -> ExitCode {
    let said = match args.shell {
        Shell::Bash => bash(args, path, environment),
        Shell::Zsh | Shell::Fish => {
            shown(
                offer(&args.words, path, environment),
                |Name { word, help }| if help.is_empty() { word } else { format!("{word}\t{help}") },
            )
        }
    };
    output::print_exact(&said);
    ExitCode::SUCCESS
}

/// As bash inserts it: quoted, without what readline does not replace.
fn bash(args: &CompleteArgs, path: Option<PathBuf>, environment: &Environment) -> String {
    let [line, replaced] = args.words.as_slice() else { return String::new() };
    let (Some(line), Some(replaced)) = (line.to_str(), replaced.to_str()) else { return String::new() };
    let line = Line::read(line);
    let words: Vec<OsString> = line.words.iter().map(OsString::from).collect();
    match offer(&words, path, environment) {
        Offer::Files => shown(Offer::Files, |name| name.word),
        Offer::Words(names) => {
            let inserted = names.into_iter().filter_map(|name| Some(Name { word: line.inserted(&name.word, replaced)?, ..name }));
            shown(Offer::Words(inserted.collect()), |name| name.word)
        }
    }
}

fn shown(offer: Offer, line: impl Fn(Name) -> String) -> String {
    match offer {
        Offer::Files => "files\n".to_owned(),
        Offer::Words(names) => names.into_iter().fold("words\n".to_owned(), |said, name| said + &line(name) + "\n"),
    }
}

/// What fits the last of the words, the first of which is the program.
fn offer(words: &[OsString], path: Option<PathBuf>, environment: &Environment) -> Offer {
    let none = Offer::Words(Vec::new());
    let Some((typed, before)) = words.split_last().filter(|(_, before)| !before.is_empty()) else { return none };
    // Behind it stand the words of another program, or of a prompt.
    if before.iter().any(|word| word == "--") {
        return Offer::Files;
    }
    let files = Arc::new(AtomicBool::new(false));
    let source = Arc::new(Source { path: config(before, environment).or(path), environment: environment.clone() });
    let mut command = prepared(Cli::command(), &source, &files);
    let Ok(found) = complete(&mut command, words.to_vec(), before.len(), None) else { return none };
    if files.load(Ordering::Relaxed) {
        return Offer::Files;
    }
    let mut names: Vec<Name> = found.iter().filter_map(name).collect();
    // Options are for who begins one, or where there is nothing else.
    if !typed.to_string_lossy().starts_with('-') && names.iter().any(|name| !name.word.starts_with('-')) {
        names.retain(|name| !name.word.starts_with('-'));
    }
    Offer::Words(names)
}

/// A word that a shell can take: one line.
fn name(found: &CompletionCandidate) -> Option<Name> {
    let word = found.get_value().to_str()?.to_owned();
    let help = found.get_help().map(ToString::to_string).unwrap_or_default();
    let help = visible::line(help.lines().next().unwrap_or_default()).into_owned();
    (!word.chars().any(visible::is_hidden)).then_some(Name { word, help })
}

/// The file of `--config`, where one stands before.
fn config(before: &[OsString], environment: &Environment) -> Option<PathBuf> {
    let mut words = before.iter();
    let mut found = None;
    while let Some(word) = words.next().map(|word| word.to_string_lossy()) {
        if word == "--config" {
            found = words.next().map(|word| word.to_string_lossy().into_owned());
        } else if let Some(path) = word.strip_prefix("--config=") {
            found = Some(path.to_owned());
        }
    }
    let found = found?;
    match (found.strip_prefix("~/"), environment.get("HOME")) {
        (Some(rest), Some(home)) => Some(PathBuf::from(home).join(rest)),
        _ => Some(PathBuf::from(found)),
    }
}

/// The tree of commands, its arguments joined to the names that they take.
fn prepared(command: clap::Command, source: &Arc<Source>, files: &Arc<AtomicBool>) -> clap::Command {
    let command = command.mut_args(|arg| match arg.get::<Named>().copied() {
        Some(named) => {
            let source = Arc::clone(source);
            arg.add(ArgValueCompleter::new(move |typed: &OsStr| fitting(source.names(named), typed)))
        }
        None if is_path(&arg) => {
            let files = Arc::clone(files);
            arg.add(ArgValueCompleter::new(move |_: &OsStr| {
                files.store(true, Ordering::Relaxed);
                Vec::new()
            }))
        }
        None => arg,
    });
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, |sub| prepared(sub, source, files)))
}

fn is_path(arg: &clap::Arg) -> bool {
    matches!(arg.get_value_hint(), ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath | ValueHint::ExecutablePath)
}

fn fitting(names: Vec<Name>, typed: &OsStr) -> Vec<CompletionCandidate> {
    let Some(typed) = typed.to_str() else { return Vec::new() };
    let fit = names.into_iter().filter(|name| name.word.starts_with(typed));
    fit.map(|Name { word, help }| CompletionCandidate::new(word).help((!help.is_empty()).then(|| help.into()))).collect()
}
