//! `aimux keys rotate`: a key or the identity exchanged, with the provider asked before and the server told after.
//!
//! What is written in which order is the store's own matter; here it meets provider, server and audit log. Start with
//! [`run`].

use std::cell::RefCell;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::Context;
use super::browser::{LoginHow, log_in};
use super::login::{life, oauth_of};
use super::recipients::shown_public;
use crate::audit::{Action, Entry};
use crate::cli::console::{Console, Question, Wanted, ask_passphrase, ask_passphrase_of};
use crate::cli::named::Named;
use crate::cli::{CliError, known, output};
use crate::config::{self, KeyUse, LoadError, Options};
use crate::date;
use crate::error::{Code, Error};
use crate::keys::oauth::Grant;
use crate::keys::{Heard, Keep, NewIdentity, Rotated, Rotation, Surroundings, wants_passphrase};
use crate::secret::Secret;
use crate::server::control;
use crate::upstream::{Probed, Prober};

/// How long the command waits for requests that use the former key; they go on afterwards, too.
const DRAIN: Duration = Duration::from_secs(30);
/// The most bytes of an identity file that is taken in.
const IDENTITY_MAX: usize = 64 * 1024;
/// The longest time that a former key is kept: ten years.
const KEEP_MAX_S: u64 = 3_660 * 86_400;

#[derive(Debug, clap::Args)]
pub(super) struct RotateArgs {
    /// The key's name
    #[arg(required_unless_present = "identity", add = Named::Keys)]
    name: Option<String>,
    /// How long the former one is kept, encrypted: 30m, 24h, 7d, 0
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = keep)]
    keep: Keep,
    /// Do not ask the provider whether it accepts the new key
    #[arg(long, conflicts_with = "identity")]
    no_probe: bool,
    /// Get the new key by logging in to the provider in the browser
    #[arg(long, conflicts_with = "identity")]
    login: bool,
    #[command(flatten)]
    how: LoginHow,
    /// Make a new identity instead, and encrypt every key to it
    #[arg(long)]
    identity: bool,
    /// Take the new identity from this file: a plugin's or a post-quantum one, its public key in a comment; `-` is standard input
    #[arg(long, requires = "identity", value_name = "FILE")]
    from: Option<PathBuf>,
    /// Protect the new identity with a passphrase: asked for, or read from standard input
    #[arg(long, requires = "identity")]
    passphrase: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Taken only to be refused: clap's own error would repeat a key that somebody puts here.
    #[arg(hide = true)]
    rest: Vec<std::ffi::OsString>,
}

/// `24h`, `90m`, `30s`, `7d`, or `0`.
fn keep(text: &str) -> Result<Keep, String> {
    let wrong = || "a number with s, m, h or d, as in 24h".to_owned();
    let unit = text.chars().last().filter(char::is_ascii_alphabetic);
    let number = unit.map_or(text, |unit| text.strip_suffix(unit).unwrap_or(text));
    let number: u64 =
        if number.bytes().all(|byte| byte.is_ascii_digit()) { number.parse().map_err(|_| wrong())? } else { return Err(wrong()) };
    let factor = match unit {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        None if number == 0 => 1,
        _ => return Err(wrong()),
    };
    let seconds = number.checked_mul(factor).filter(|seconds| *seconds <= KEEP_MAX_S);
    seconds.map(Keep::Seconds).ok_or_else(|| "ten years (3660d) at most".to_owned())
}

/// Runs the command.
pub(super) fn run(args: &RotateArgs, context: &Context<'_>, console: &mut dyn Console) -> Result<(), CliError> {
    if !args.rest.is_empty() || (args.identity && args.name.is_some()) {
        return Err(Error::new(
            Code::Usage,
            "`keys rotate` takes one name, or --identity, and nothing else; a key does not belong on the command line",
        )
        .hint("leave it out and paste it when asked, or pipe it in; a key that stands in your shell's history should be replaced")
        .into());
    }
    if args.how.is_given() && !args.login {
        return Err(Error::new(Code::Usage, "--no-browser says how to log in, and belongs to --login").into());
    }
    match &args.name {
        Some(name) => key(name, args, context, console),
        None => identity(args, context, console).map_err(CliError::from),
    }
}

fn key(name: &str, args: &RotateArgs, context: &Context<'_>, console: &mut dyn Console) -> Result<(), CliError> {
    let store = context.store;
    store.may_rotate(name)?;
    let mut uses = if args.no_probe && !args.login { Vec::new() } else { uses(name, context)? };
    let store = &store.clone().remembering();
    // What opens the identity here opens it for the running server as well.
    let typed = RefCell::new(None);
    let mut ask = || ask_passphrase().inspect(|passphrase| *typed.borrow_mut() = Some(passphrase.clone()));
    let grant = if args.login {
        let (oauth, provider) = oauth_of(name, &uses, context)?;
        // Whatever passphrase it takes is asked for before the browser opens, and once.
        store.opener(&mut ask)?;
        log_in(&oauth, &provider, &args.how, context.environment)?
    } else {
        Grant::from(console.ask(&Question { prompt: &format!("New key for {name}"), wanted: Wanted::Key, confirm: None })?)
    };
    if args.no_probe {
        uses.clear();
    }
    context.say_that_it_waits();
    let mut around = Around { name, context, uses, typed: &typed, probed: Vec::new(), notes: Vec::new() };
    let rotation = Rotation { name, grant: &grant, keep: args.keep, now: context.now };
    let rotated = store.rotate(&rotation, &mut around, &mut ask)?;
    let drained = around.drain(rotated.heard);
    let told = Told { name, grant: &grant, args, around: &around, rotated: &rotated, drained };
    console.say(&if args.json { told.json() } else { told.text() });
    around.notes.iter().for_each(|note| output::error(&format!("{}\n", output::printable(note.trim_end()))));
    Ok(())
}

/// The providers of the config that use the key.
fn uses(name: &str, context: &Context<'_>) -> Result<Vec<KeyUse>, CliError> {
    match config::key_uses(&Options { path: context.path.clone(), listen: None }, context.environment, context.store) {
        Ok(uses) => Ok(uses.into_iter().filter(|used| used.kind == "file" && used.name == name).collect()),
        // A key without a config is used by nobody.
        Err(LoadError::Other(error)) if error.code == Code::ConfigMissing => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Provider, server and audit log of a rotation.
struct Around<'a> {
    name: &'a str,
    context: &'a Context<'a>,
    uses: Vec<KeyUse>,
    /// The passphrase of the identity, once it was asked for.
    typed: &'a RefCell<Option<Secret>>,
    probed: Vec<(String, Probed)>,
    notes: Vec<String>,
}

impl Around<'_> {
    fn socket(&self) -> PathBuf {
        known::socket(self.context.path.clone(), self.context.environment)
    }

    /// Waits until no request uses the former key; `None`: there is no server, or it does not say.
    fn drain(&mut self, heard: Heard) -> Option<bool> {
        if heard == Heard::Nobody {
            return None;
        }
        // It was told already: what fails now changes nothing about the keys.
        control::reload(&self.socket(), DRAIN).ok().flatten().map(|reloaded| reloaded.drained)
    }
}

impl Surroundings for Around<'_> {
    fn probe(&mut self, secret: &Secret) -> Result<(), Error> {
        let prober = Prober::new();
        for used in &self.uses {
            let provider = &used.provider.name;
            let probed = prober.probe(&used.provider, secret);
            match &probed {
                Probed::Good | Probed::RateLimited { .. } => {}
                Probed::Refused { status, message } => {
                    return Err(Error::new(Code::UpstreamAuth, format!("{provider} refuses the new key ({status}: {message})"))
                        .hint("nothing was changed; make a key at the provider, then paste that"));
                }
                Probed::Unreachable { reason } => {
                    return Err(Error::new(Code::UpstreamFailed, format!("{provider} cannot be asked about the new key: {reason}"))
                        .hint("nothing was changed; try again, or put --no-probe if you are sure of the key"));
                }
            }
            self.probed.push((provider.clone(), probed));
        }
        Ok(())
    }

    fn tell(&mut self) -> Result<Heard, Error> {
        match control::reload_unlocking(&self.socket(), Duration::ZERO, &mut || Ok(self.typed.borrow().clone())) {
            Ok(None) => Ok(Heard::Nobody),
            Ok(Some(reloaded)) => {
                self.notes = reloaded.notes;
                Ok(Heard::Server)
            }
            Err(LoadError::Other(error)) => {
                let advice = error.advice();
                let message = format!("the running server does not take the new key: {}", error.message);
                Err(Error { message, ..error }.hint(advice))
            }
            Err(LoadError::Invalid { errors, .. }) => {
                let noun = if errors == 1 { "error" } else { "errors" };
                let message = format!("the running server does not take the new key: the config has {errors} {noun}");
                Err(Error::new(Code::ConfigInvalid, message).hint("`aimux config validate` shows what is wrong; the former key is in use"))
            }
        }
    }

    fn record(&mut self, step: &'static str) -> Result<(), Error> {
        let action = match step {
            "done" => Action::KeyRotated,
            "undone" => Action::KeyRotationUndone,
            _ => Action::KeyRotating,
        };
        self.context.log.append(&Entry::new(action, self.name).note(step))
    }
}

/// What is said of a rotation.
struct Told<'a> {
    name: &'a str,
    grant: &'a Grant,
    args: &'a RotateArgs,
    around: &'a Around<'a>,
    rotated: &'a Rotated,
    drained: Option<bool>,
}

impl Told<'_> {
    fn json(&self) -> String {
        let word = |probed: &Probed| if matches!(probed, Probed::Good) { "good" } else { "rate-limited" };
        let probed =
            self.around.probed.iter().map(|(provider, probed)| serde_json::json!({ "provider": provider, "result": word(probed) }));
        let all = serde_json::json!({
            "key": self.name,
            "masked": self.grant.secret.masked(),
            "expires": self.grant.expires.map(date::rfc3339),
            "probed": probed.collect::<Vec<_>>(),
            "server": if self.rotated.heard == Heard::Server { "told" } else { "none" },
            "drained": self.drained,
            "retired": self.rotated.retired.as_ref().map(|path| path.display().to_string()),
            "kept_until": self.rotated.until.map(date::rfc3339),
        });
        format!("{all:#}")
    }

    fn text(&self) -> String {
        let mut lines = vec![format!("rotated key \"{}\" ({})", self.name, self.grant.secret.masked())];
        lines.push(match &self.around.probed[..] {
            [] if self.args.no_probe => "no provider was asked about it".to_owned(),
            [] => "no provider of the config uses it, so none was asked about it".to_owned(),
            probed => {
                let word = |(name, probed): &(String, Probed)| {
                    if matches!(probed, Probed::Good) { name.clone() } else { format!("{name}, which is limited now") }
                };
                format!("accepted by {}", probed.iter().map(word).collect::<Vec<_>>().join(" and "))
            }
        });
        lines.push(match (self.rotated.heard, self.drained) {
            (Heard::Nobody, _) => "no server runs for this config: the next one uses it".to_owned(),
            (Heard::Server, Some(true)) => "the running server uses it; no request uses the former one any more".to_owned(),
            (Heard::Server, _) => {
                "the running server uses it for new requests; some older ones still use the former one: revoke it at the provider later"
                    .to_owned()
            }
        });
        lines.push(match (&self.rotated.retired, self.rotated.until) {
            (Some(path), Some(until)) => format!("the former one is {}, until {}", path.display(), date::rfc3339(until)),
            (Some(path), None) => format!("the former one is {}", path.display()),
            (None, _) => "the former one is deleted".to_owned(),
        });
        lines.extend(life(self.grant));
        lines.join("\n")
    }
}

fn identity(args: &RotateArgs, context: &Context<'_>, console: &mut dyn Console) -> Result<(), Error> {
    let store = context.store;
    if store.protected()?.is_none() {
        let missing = format!("there is no identity at {}", store.identity.display());
        return Err(Error::new(Code::KeyUnavailable, missing).hint("make one with `aimux keys init`"));
    }
    let file = args.from.as_deref().map(read_identity).transpose()?;
    let is_protected = file.as_ref().is_some_and(|file| wants_passphrase(file));
    let protect = if is_protected {
        Some(ask_passphrase_of("Passphrase of the new identity")?)
    } else if args.passphrase {
        let question = Question { prompt: "Passphrase for the new identity", wanted: Wanted::Passphrase, confirm: Some("The same again") };
        Some(console.ask(&question)?)
    } else {
        None
    };
    let new = match (&file, &protect) {
        (Some(file), Some(passphrase)) if is_protected => NewIdentity::Protected(file, passphrase),
        (Some(file), protect) => NewIdentity::Given(file, protect.as_ref()),
        (None, protect) => NewIdentity::Made(protect.as_ref()),
    };
    context.say_that_it_waits();
    let place = store.identity.display();
    let entry = Entry::new(Action::IdentityRotated, place.to_string());
    let rotate = || store.rotate_identity(new, args.keep, context.now, &mut ask_passphrase);
    let done = context.log.record(&entry, rotate)?;
    let handed = hand_over(protect.as_ref(), context);
    if args.json {
        let retired = done.retired.map(|path| path.display().to_string());
        let all = serde_json::json!({
            "public_key": done.public, "files": done.files, "protected": protect.is_some(), "server": handed.word(), "retired": retired,
        });
        console.say(&format!("{all:#}"));
        return Ok(());
    }
    let files = if done.files == 1 { "1 file".to_owned() } else { format!("{} files", done.files) };
    let former = done.retired.map_or_else(
        || "the former one is deleted".to_owned(),
        |path| format!("the former one is {}, encrypted to the new one, for what else it may open", path.display()),
    );
    let made = if file.is_some() { "put the new identity into" } else { "made a new identity" };
    console.say(&format!(
        "{made} {place}\npublic key {}\n{files} encrypted to it; {former}\n\
        keep a copy of it; old copies of the keys still open with the former one: if somebody may have both, rotate the keys too",
        shown_public(&done.public)
    ));
    if handed == Handed::Opened {
        console.say("the running server was handed the passphrase, and has opened it");
    }
    Ok(())
}

/// What the running server knows of a new identity.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Handed {
    /// It runs, and reads the file itself when it needs to.
    Needless,
    /// It has opened it.
    Opened,
    /// It has not; that was said.
    Refused,
    /// None runs for this config.
    Nobody,
}

impl Handed {
    fn word(self) -> &'static str {
        match self {
            Self::Needless => "not needed",
            Self::Opened => "told",
            Self::Refused => "refused",
            Self::Nobody => "none",
        }
    }
}

/// Hands a new identity's passphrase to the running server: it reads keys with it, and nobody is there to ask. The rotation
/// is complete, so that a refusal is said and no more.
fn hand_over(passphrase: Option<&Secret>, context: &Context<'_>) -> Handed {
    let Some(passphrase) = passphrase else { return Handed::Needless };
    match control::unlock(&known::socket(context.path.clone(), context.environment), passphrase) {
        Ok(true) => Handed::Opened,
        Ok(false) => Handed::Nobody,
        Err(error) => {
            let said =
                format!("the running server could not open the new identity: {}; it goes on with the keys that it has\n", error.message);
            output::error(&output::printable(&said));
            output::error("  = help: run `aimux config reload` on a terminal, or restart it, before the next rotation of a key\n");
            Handed::Refused
        }
    }
}

/// The content of an identity file from elsewhere.
fn read_identity(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(IDENTITY_MAX + 1));
    let limit = u64::try_from(IDENTITY_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|error| Error::new(Code::Usage, format!("cannot read {}: {error}", path.display())).caused_by(error))?;
    if bytes.len() > IDENTITY_MAX {
        return Err(Error::new(Code::Usage, format!("{} is longer than {IDENTITY_MAX} bytes", path.display())));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_keep_are_read() {
        for (text, seconds) in [("24h", 86_400), ("90m", 5_400), ("30s", 30), ("7d", 604_800), ("0", 0), ("0h", 0), ("3660d", KEEP_MAX_S)] {
            assert_eq!(keep(text), Ok(Keep::Seconds(seconds)), "{text}");
        }
        for text in ["", "h", "24", "-1h", "1.5h", "1w", "24 h", "3661d", "99999999999999999999d", "ä"] {
            assert!(keep(text).is_err(), "{text}");
        }
    }
}
