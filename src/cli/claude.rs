//! Claude Code as a child process: its settings, its environment, its signals and its exit code.
//!
//! Its settings beat the environment and the user's own settings file, so all that must hold stands there, too. The file is
//! the owner's only and goes when the client does; the token is never in argv.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Map, Value};
use tokio::signal::unix::{SignalKind, signal};

use super::CliError;
use super::known::KnownServer;
use super::program::in_path;
use crate::config::Environment;
use crate::dialect::Dialect;
use crate::error::{Code, Error};
use crate::provider::models::models_of;
use crate::route::plan::plan;
use crate::server::control;

/// What sends Claude Code to another place than `ANTHROPIC_BASE_URL`.
const ELSEWHERE: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "CLAUDE_CODE_USE_ANTHROPIC_AWS",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_GATEWAY",
    "CLAUDE_CODE_USE_MANTLE",
    "CLAUDE_CODE_USE_VERTEX",
];

/// Named like those, but about tools: they stay as the user has them.
const OWN_AFFAIRS: &[&str] = &["CLAUDE_CODE_USE_COWORK_PLUGINS", "CLAUDE_CODE_USE_NATIVE_FILE_SEARCH", "CLAUDE_CODE_USE_POWERSHELL_TOOL"];

/// Where its user says which models it asks for.
const MODEL_VARIABLES: &[&str] = &[
    "ANTHROPIC_MODEL",
    "ANTHROPIC_DEFAULT_FABLE_MODEL",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL",
    "ANTHROPIC_DEFAULT_OPUS_MODEL",
    "ANTHROPIC_DEFAULT_SONNET_MODEL",
    "ANTHROPIC_SMALL_FAST_MODEL",
    "CLAUDE_CODE_SUBAGENT_MODEL",
];

/// Its belief in a context of its own, which a smaller model must shrink.
const CONTEXT_VARIABLES: &[&str] = &["CLAUDE_CODE_MAX_CONTEXT_TOKENS", "CLAUDE_CODE_AUTO_COMPACT_WINDOW"];

/// Where it is installed.
pub(crate) fn program(environment: &Environment) -> Result<PathBuf, Error> {
    find(environment, "claude", "install Claude Code, or add its folder to PATH")
}

/// Where a client is installed; else an error with this hint.
pub(super) fn find(environment: &Environment, name: &str, hint: &'static str) -> Result<PathBuf, Error> {
    in_path(name, environment).ok_or_else(|| Error::new(Code::ClientMissing, format!("there is no program `{name}` in PATH")).hint(hint))
}

/// Whether a variable sends Claude Code to another place than `ANTHROPIC_BASE_URL`.
pub(crate) fn sends_elsewhere(name: &str) -> bool {
    ELSEWHERE.contains(&name) || (name.starts_with("CLAUDE_CODE_USE_") && !OWN_AFFAIRS.contains(&name))
}

/// Runs it to its end.
pub(crate) fn run(program: &Path, server: &KnownServer, args: Vec<OsString>, environment: &Environment) -> Result<ExitCode, CliError> {
    let base_url = server.base_url()?;
    let (args, given) = own_settings(args)?;
    let names = models_asked_for(&args, environment);
    let settings = settings(given, &base_url, server, context_min(server, &names), environment);
    let file = SettingsFile::write(&environment.runtime_folder(), &settings)?;
    let mut command = Command::new(program);
    command.arg("--settings").arg(&file.path).args(args);
    command.env("ANTHROPIC_BASE_URL", &base_url).env("ANTHROPIC_AUTH_TOKEN", server.token.expose());
    for (name, _) in environment.iter().filter(|(name, _)| sends_elsewhere(name)) {
        command.env_remove(name);
    }
    finish(command)
}

/// Runs a client to its end; its exit code is ours.
pub(super) fn finish(command: Command) -> Result<ExitCode, CliError> {
    let status = wait(command)?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// Starts the client and waits for its end.
///
/// A terminal sends its signals to both: the client decides what an interrupt means. What only this process is sent is
/// passed on. Handlers, unlike ignored signals, are not inherited.
fn wait(mut command: Command) -> Result<ExitStatus, Error> {
    let no_signals = |error: std::io::Error| Error::new(Code::Bug, "signals cannot be caught").caused_by(error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_signals)?;
    let caught = runtime.block_on(async {
        let caught = |kind| signal(kind);
        Ok((caught(SignalKind::interrupt())?, caught(SignalKind::quit())?, caught(SignalKind::terminate())?, caught(SignalKind::hangup())?))
    });
    let (_interrupt, _quit, mut terminate, mut hangup) = caught.map_err(no_signals)?;
    let mut child = command.spawn().map_err(|error| {
        let program = command.get_program().to_string_lossy();
        Error::new(Code::ClientMissing, format!("{program} could not be started: {error}"))
            .hint("try it alone; it may have to be installed again")
            .caused_by(error)
    })?;
    let pid = Pid::from_child(&child);
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                let signal = tokio::select! {
                    _ = terminate.recv() => Signal::TERM,
                    _ = hangup.recv() => Signal::HUP,
                };
                // A client that is gone already needs no signal.
                let _ = kill_process(pid, signal);
            }
        })
    });
    child.wait().map_err(|error| Error::new(Code::Bug, "the client's end cannot be waited for").caused_by(error))
}

/// Takes the user's own `--settings` out of the arguments: the client reads the last one only, and ours must count.
fn own_settings(args: Vec<OsString>) -> Result<(Vec<OsString>, Map<String, Value>), Error> {
    let mut kept = Vec::with_capacity(args.len());
    let mut given = None;
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--") => {
                kept.push(arg);
                kept.extend(args.by_ref());
            }
            Some("--settings") => given = args.next(),
            Some(text) if text.starts_with("--settings=") => given = text.strip_prefix("--settings=").map(OsString::from),
            _ => kept.push(arg),
        }
    }
    Ok((kept, given.map_or_else(|| Ok(Map::new()), |given| read_settings(&given))?))
}

/// Settings as Claude Code takes them: JSON, or the path of a file of it.
fn read_settings(given: &OsStr) -> Result<Map<String, Value>, Error> {
    let shown = Path::new(given).display();
    let text = match given.to_str().map(str::trim) {
        Some(text) if text.starts_with('{') => text.to_owned(),
        _ => fs::read_to_string(given)
            .map_err(|error| Error::new(Code::Usage, format!("the settings {shown} cannot be read: {error}")).caused_by(error))?,
    };
    serde_json::from_str(&text).map_err(|error| Error::new(Code::Usage, "the settings are no JSON object").caused_by(error))
}

/// The names that the client may ask for: Anthropic's own, and what its user chose.
fn models_asked_for(args: &[OsString], environment: &Environment) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = models_of("anthropic").map(|model| model.id.to_owned()).collect();
    names.extend(MODEL_VARIABLES.iter().filter_map(|name| environment.get(name)).map(str::to_owned));
    let mut args = args.iter().filter_map(|arg| arg.to_str());
    while let Some(arg) = args.next() {
        let value = if arg == "--model" { args.next() } else { arg.strip_prefix("--model=") };
        names.extend(value.map(str::to_owned));
    }
    names
}

/// The smallest window, in tokens, among the models that the names lead to, as far as it is known.
fn context_min(server: &KnownServer, names: &BTreeSet<String>) -> Option<u64> {
    let plans = names.iter().filter_map(|name| plan(&server.table, name, Dialect::AnthropicMessages).ok());
    plans.flat_map(|plan| plan.targets).filter_map(|target| target.info.context).min()
}

/// What the user gave, with our own variables put over it.
fn settings(
    mut given: Map<String, Value>,
    base_url: &str,
    server: &KnownServer,
    context_min: Option<u64>,
    environment: &Environment,
) -> Map<String, Value> {
    let mut env = match given.remove("env") {
        Some(Value::Object(env)) => env,
        _ => Map::new(),
    };
    if let Some(context) = context_min {
        for name in CONTEXT_VARIABLES.iter().filter(|name| environment.get(name).is_none()) {
            env.entry(*name).or_insert_with(|| context.to_string().into());
        }
    }
    // Empty counts as unset, whatever the user's own settings file says.
    env.extend(ELSEWHERE.iter().map(|name| ((*name).to_owned(), "".into())));
    env.insert("ANTHROPIC_BASE_URL".to_owned(), base_url.into());
    env.insert("ANTHROPIC_AUTH_TOKEN".to_owned(), server.token.expose().into());
    given.insert("env".to_owned(), Value::Object(env));
    given
}

/// A settings file that is removed when dropped.
pub(super) struct SettingsFile {
    pub(super) path: PathBuf,
}

impl SettingsFile {
    /// Writes one, for its owner alone.
    pub(super) fn write(folder: &Path, settings: &Map<String, Value>) -> Result<Self, Error> {
        control::private_folder(folder)?;
        sweep(folder);
        let path = folder.join(format!("{PREFIX}{}{SUFFIX}", std::process::id()));
        let write = || -> std::io::Result<()> {
            // A file of an earlier process with this pid is void.
            let _ = fs::remove_file(&path);
            let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path)?;
            file.write_all(&serde_json::to_vec(settings)?)
        };
        write().map_err(|error| Error::new(Code::StateFolder, format!("{}: {error}", path.display())).caused_by(error))?;
        Ok(Self { path })
    }
}

impl Drop for SettingsFile {
    fn drop(&mut self) {
        // The file is of no use to anybody any more.
        let _ = fs::remove_file(&self.path);
    }
}

const PREFIX: &str = "claude-";
const SUFFIX: &str = ".json";

/// Removes the files of commands that were killed.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()).and_then(Pid::from_raw);
        if pid.is_some_and(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH)) {
            // The next command tries again.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn a_users_own_settings_are_taken_out_of_the_arguments() {
        let (args, given) = own_settings(words("-p hi --settings {\"a\":1} --model x")).unwrap();
        assert_eq!((args, given["a"].as_u64()), (words("-p hi --model x"), Some(1)));
        let (args, given) = own_settings(words("--settings={\"b\":2}")).unwrap();
        assert_eq!((args.len(), given["b"].as_u64()), (0, Some(2)));
        let (args, given) = own_settings(words("-- --settings x")).unwrap();
        assert_eq!((args, given.is_empty()), (words("-- --settings x"), true));
        assert_eq!(own_settings(words("--settings /nonexistent")).unwrap_err().code, Code::Usage);
        assert_eq!(own_settings(words("--settings [1]")).unwrap_err().code, Code::Usage);
    }

    #[test]
    fn the_models_of_flag_and_environment_count() {
        let environment = Environment::new([("ANTHROPIC_MODEL".to_owned(), "mine".to_owned())]);
        let names = models_asked_for(&words("--model one --model=two --model"), &environment);
        for name in ["mine", "one", "two"] {
            assert!(names.contains(name), "{names:?}");
        }
        assert!(names.iter().any(|name| name.starts_with("claude-opus")));
    }
}
