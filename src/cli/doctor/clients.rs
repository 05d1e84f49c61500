//! The clients of this machine: which are there, and what in the environment or in their settings leads them past aimux.
//!
//! `aimux run claude` sets all of this right by itself; who starts a client by hand has what is told here.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::At;
use super::finding::{Finding, Group, quoted};
use crate::cli::claude::sends_elsewhere;
use crate::cli::program::{in_path, waited};
use crate::config::Environment;

/// Programs, and what they are called.
const PROGRAMS: &[(&str, &str)] =
    &[("claude", "Claude Code"), ("codex", "Codex"), ("gemini", "Gemini CLI"), ("opencode", "opencode"), ("aider", "aider")];
/// How long a program may take to tell its version: some start an interpreter first.
const VERSION_MAX: Duration = Duration::from_secs(10);
/// The part of what it says that is read, in bytes.
const SAID_MAX: u64 = 4096;
/// The longest settings file that is read, in bytes.
const SETTINGS_MAX: u64 = 1 << 20;
/// What sets aimux's address and token in this shell.
const SET: &str = "eval \"$(aimux env)\"";

pub(super) fn check(at: &At<'_>) -> Vec<Finding> {
    let mut found = installed(at.environment);
    let address = Address::of(at);
    found.extend(shell(at.environment, &address));
    for file in settings_files(at.environment) {
        found.extend(settings(&file, &address));
    }
    found.extend(proxy(at.environment));
    found
}

fn installed(environment: &Environment) -> Vec<Finding> {
    let there: Vec<(&str, PathBuf)> = PROGRAMS.iter().filter_map(|(name, title)| Some((*title, in_path(name, environment)?))).collect();
    if there.is_empty() {
        let names: Vec<&str> = PROGRAMS.iter().map(|(name, _)| *name).collect();
        return vec![Finding::ok(Group::Clients, "program", format!("none of {} is in PATH", names.join(", ")))];
    }
    // Some take a second each.
    std::thread::scope(|scope| {
        let asked: Vec<_> = there.iter().map(|(title, path)| scope.spawn(move || told(title, path))).collect();
        asked.into_iter().filter_map(|asked| asked.join().ok()).collect()
    })
}

fn told(title: &str, path: &Path) -> Finding {
    let shown = path.display();
    match version(path) {
        Ok(version) if version.to_lowercase().contains(&title.to_lowercase()) => {
            Finding::ok(Group::Clients, "program", format!("{version}, {shown}"))
        }
        Ok(version) => Finding::ok(Group::Clients, "program", format!("{title} {version}, {shown}")),
        Err(reason) => Finding::warning(Group::Clients, "program", format!("{title}, {shown}, does not tell its version: {reason}"))
            .why("it may have to be installed again")
            .mend(format!("{} --version", quoted(path))),
    }
}

/// The first line that a program says of itself, in bounded time.
fn version(path: &Path) -> Result<String, String> {
    let command = Command::new(path).arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = command.map_err(|error| error.to_string())?;
    let (tell, said) = std::sync::mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        // Ends with the program, or with this one: a child of the program's may keep the pipe open.
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stdout.take(SAID_MAX).read_to_end(&mut text);
            let _ = tell.send(text);
        });
    }
    let Some(status) = waited(&mut child, VERSION_MAX) else { return Err(format!("nothing in {} s", VERSION_MAX.as_secs())) };
    if !status.success() {
        return Err(status.to_string());
    }
    let text = said.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line: String = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().chars().take(80).collect();
    if line.is_empty() { Err("it says nothing".to_owned()) } else { Ok(line) }
}

/// Where clients should be sent, as far as it is known.
struct Address {
    /// `http://127.0.0.1:24689`; `None`: the port is chosen at the start, or the config cannot be read.
    base_url: Option<String>,
    token: Option<crate::secret::Secret>,
}

impl Address {
    fn of(at: &At<'_>) -> Self {
        Self { base_url: at.base_url(), token: at.token() }
    }

    /// What is wrong with a base URL of Claude Code's; `None`: nothing, or it cannot be told.
    fn fault(&self, given: &str) -> Option<(String, &'static str)> {
        let own = self.base_url.as_deref()?;
        let given = given.trim_end_matches('/');
        if given == own || given == own.replace("127.0.0.1", "localhost") {
            return None;
        }
        if given.strip_suffix("/v1").is_some_and(|given| given == own) {
            return Some((format!("{given}, which ends in /v1"), "Anthropic's clients put /v1 behind it themselves"));
        }
        let is_local = ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|local| given.starts_with(local));
        let why = if is_local { "the server has another address now" } else { "requests go there, past aimux" };
        Some((format!("{given}, aimux is on {own}"), why))
    }
}

fn shell(environment: &Environment, address: &Address) -> Vec<Finding> {
    let mut found = Vec::new();
    let (key, token) = (environment.get("ANTHROPIC_API_KEY"), environment.get("ANTHROPIC_AUTH_TOKEN"));
    if key.is_some() && token.is_some() {
        let found_both = Finding::warning(Group::Clients, "tokens", "ANTHROPIC_API_KEY and ANTHROPIC_AUTH_TOKEN are both set");
        found.push(
            found_both
                .why("Claude Code sends one of them and warns; aimux wants the token, and `aimux run claude` takes the key away")
                .mend("unset ANTHROPIC_API_KEY"),
        );
    }
    let base_url = environment.get("ANTHROPIC_BASE_URL");
    match base_url.map(|given| (given, address.fault(given))) {
        Some((_, Some((what, why)))) => {
            found.push(Finding::warning(Group::Clients, "base-url", format!("ANTHROPIC_BASE_URL is {what}")).why(why).mend(SET));
        }
        Some((_, None)) => {
            let is_other = |known: &crate::secret::Secret| token.is_some_and(|given| !known.matches(given));
            if address.base_url.is_some() && address.token.as_ref().is_some_and(is_other) {
                let what = "ANTHROPIC_AUTH_TOKEN is not the token of this server, which ANTHROPIC_BASE_URL leads to";
                found.push(Finding::error(Group::Clients, "tokens", what).why("every request is answered with 401").mend(SET));
            }
        }
        None => {}
    }
    for (name, value) in environment.iter().filter(|(name, value)| name.starts_with("CLAUDE_CODE_USE_") && is_on(value)) {
        if sends_elsewhere(name) {
            let what = format!("{name} is {value}");
            let why = "Claude Code then asks that cloud, and heeds no ANTHROPIC_BASE_URL";
            found.push(Finding::warning(Group::Clients, "cloud", what).why(why).mend(format!("unset {name}")));
        }
    }
    if let (Some(given), Some(own)) = (environment.get("OPENAI_BASE_URL"), &address.base_url)
        && given.trim_end_matches('/') == own
    {
        let what = format!("OPENAI_BASE_URL is {given}, without /v1");
        found.push(
            Finding::warning(Group::Clients, "base-url", what)
                .why("OpenAI's clients want it with /v1")
                .mend(format!("export OPENAI_BASE_URL={own}/v1")),
        );
    }
    found
}

fn is_on(value: &str) -> bool {
    !matches!(value.trim().to_ascii_lowercase().as_str(), "" | "0" | "false" | "no" | "off")
}

/// Claude Code's settings that hold here: the user's, and those of the folder.
fn settings_files(environment: &Environment) -> Vec<PathBuf> {
    let home = environment.get("HOME").map(|home| Path::new(home).join(".claude"));
    let own = environment.get("CLAUDE_CONFIG_DIR").map(PathBuf::from).or(home);
    let here = PathBuf::from(".claude");
    let mut files: Vec<PathBuf> = own.iter().map(|folder| folder.join("settings.json")).collect();
    // In the home folder, they are the same.
    if own.as_deref().and_then(|own| own.canonicalize().ok()) != here.canonicalize().ok() {
        files.extend(["settings.json", "settings.local.json"].map(|name| here.join(name)));
    }
    files
}

/// What a settings file leads elsewhere; it beats the shell.
fn settings(file: &Path, address: &Address) -> Vec<Finding> {
    if fs::metadata(file).map_or(true, |about| about.len() > SETTINGS_MAX) {
        return Vec::new();
    }
    let shown = file.display();
    let mend = format!("${{EDITOR:-vi}} {}", quoted(file));
    let read = fs::read_to_string(file).map_err(|error| error.to_string());
    let settings: Value = match read.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string())) {
        Ok(settings) => settings,
        Err(reason) => {
            let what = format!("{shown} cannot be read: {reason}");
            return vec![Finding::warning(Group::Clients, "settings", what).why("Claude Code leaves such a file out").mend(mend)];
        }
    };
    let warning = |what: String, why: &str| {
        Finding::warning(Group::Clients, "settings", what).why(format!("settings beat the shell's variables; {why}")).mend(&mend)
    };
    let mut found = Vec::new();
    for (name, value) in settings.get("env").and_then(Value::as_object).into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match name.as_str() {
            "ANTHROPIC_BASE_URL" => {
                if let Some((what, why)) = address.fault(&text) {
                    found.push(warning(format!("{shown} sets ANTHROPIC_BASE_URL to {what}"), why));
                }
            }
            "ANTHROPIC_AUTH_TOKEN" if address.token.as_ref().is_some_and(|token| !token.matches(&text)) => {
                found.push(warning(
                    format!("{shown} sets another ANTHROPIC_AUTH_TOKEN than this server's"),
                    "every request is answered with 401",
                ));
            }
            name if sends_elsewhere(name) && is_on(&text) => {
                found.push(warning(format!("{shown} sets {name}"), "Claude Code then goes past aimux, or sends it a key for a token"));
            }
            _ => {}
        }
    }
    if settings.get("apiKeyHelper").is_some() {
        found.push(warning(format!("{shown} has an apiKeyHelper"), "what it prints is sent in place of aimux's token"));
    }
    found
}

/// A proxy that clients are told of is asked for the loopback address, too, unless it is excepted.
fn proxy(environment: &Environment) -> Option<Finding> {
    let either =
        |name: &str| environment.get(&name.to_ascii_lowercase()).or_else(|| environment.get(name)).map(|value| (name.to_owned(), value));
    let (name, _) = either("HTTP_PROXY").or_else(|| either("ALL_PROXY"))?;
    let excepted = either("NO_PROXY").map(|(_, value)| value).unwrap_or_default();
    if excepted.split(',').map(str::trim).any(|part| matches!(part, "*" | "127.0.0.1" | "localhost" | "127.0.0.0/8")) {
        return None;
    }
    let found = Finding::warning(Group::Clients, "proxy", format!("{name} is set, and NO_PROXY does not except 127.0.0.1"));
    Some(found.why("clients ask the proxy for aimux's address, which is not there").mend("export NO_PROXY=127.0.0.1,localhost"))
}
