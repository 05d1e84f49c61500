//! `aimux keys`: make the identity, add, list and remove provider keys.
//!
//! A key comes from a hidden prompt or standard input, never from argv: other users see argv, and shells keep it. Start with
//! [`run`].

use std::io::{self, IsTerminal, Read};
use std::time::{SystemTime, UNIX_EPOCH};

use zeroize::Zeroizing;

use crate::config::Environment;
use crate::error::{Code, Error};
use crate::keys::{Existing, Opener, Store};
use crate::secret::Secret;

/// The longest secret that is read, in bytes.
const SECRET_MAX: usize = 16 * 1024;
const DAY_S: u64 = 86_400;

/// What follows `aimux keys`.
#[derive(Debug, clap::Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make the identity that opens the keys
    #[command(after_help = "The first `keys add` makes one too, without a passphrase.")]
    Init {
        /// Protect the identity with a passphrase: asked for, or read from standard input
        #[arg(long)]
        passphrase: bool,
    },
    /// Add a provider's key: from a hidden prompt or standard input
    #[command(after_help = "Examples:\n  aimux keys add anthropic\n  pass show zai | aimux keys add zai")]
    Add {
        /// What the config calls the key; a provider's name needs no config
        name: String,
        /// Replace a key of that name; the former one is kept in keys/.retired
        #[arg(long)]
        force: bool,
        /// Taken only to be refused: clap's own error would repeat a key that somebody puts here.
        #[arg(hide = true)]
        rest: Vec<std::ffi::OsString>,
    },
    /// List the keys, masked
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete a key for good
    Remove {
        /// The key's name
        name: String,
    },
}

/// How the command speaks with the user.
trait Console {
    fn say(&mut self, text: &str);
    fn ask(&mut self, question: &Question<'_>) -> Result<Secret, Error>;
}

struct Question<'a> {
    prompt: &'a str,
    wanted: Wanted,
    /// Asked a second time, where a slip would only be noticed when it is too late.
    confirm: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// What goes into an HTTP header: ASCII.
    Key,
    /// What a person can remember, in whatever script.
    Passphrase,
}

/// Runs the command.
///
/// # Errors
/// What the key store says, or when nothing usable is typed or piped in.
pub(crate) fn run(args: &KeysArgs, env: &Environment) -> Result<(), Error> {
    let store = Store::new(&env.config_folder(), env.get("AIMUX_IDENTITY").map(std::path::Path::new));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    execute(&args.command, &store, now, &mut Terminal)
}

/// Asks for the passphrase of a protected identity, on the terminal only: what [`Store::read`] wants as its callback.
pub(crate) fn ask_passphrase() -> Result<Secret, Error> {
    if !io::stdin().is_terminal() {
        return Err(Error::new(Code::KeyUnavailable, "the identity is protected by a passphrase, and there is no terminal to ask on")
            .hint("run it on a terminal, or name an unprotected identity in AIMUX_IDENTITY"));
    }
    prompt(&Question { prompt: "Passphrase of the identity", wanted: Wanted::Passphrase, confirm: None })
}

/// The passphrase that `aimux run` hands to the server it starts, through a pipe: neither argv nor the environment has it.
pub(crate) fn piped_passphrase() -> Result<Secret, Error> {
    read_secret(&mut io::stdin().lock(), Wanted::Passphrase)
}

fn execute(command: &Command, store: &Store, now: u64, console: &mut dyn Console) -> Result<(), Error> {
    match command {
        Command::Init { passphrase } => init(store, *passphrase, now, console),
        Command::Add { rest, .. } if !rest.is_empty() => {
            Err(Error::new(Code::Usage, "`keys add` takes one name and nothing else; a key does not belong on the command line")
                .hint("leave it out and paste it when asked, or pipe it in; a key that stands in your shell's history should be replaced"))
        }
        Command::Add { name, force, .. } => add(store, name, if *force { Existing::Retire } else { Existing::Refuse }, now, console),
        Command::List { json } => {
            let listing = Listing::read(store, now)?;
            console.say(&if *json { listing.json() } else { listing.table(store) });
            Ok(())
        }
        Command::Remove { name } => {
            store.remove(name)?;
            console.say(&format!("removed key \"{name}\""));
            Ok(())
        }
    }
}

fn init(store: &Store, protected: bool, now: u64, console: &mut dyn Console) -> Result<(), Error> {
    store.may_init()?;
    let passphrase = if protected {
        let question = Question { prompt: "Passphrase for the identity", wanted: Wanted::Passphrase, confirm: Some("The same again") };
        Some(console.ask(&question)?)
    } else {
        None
    };
    let public = store.init(passphrase.as_ref(), now)?;
    console.say(&format!(
        "made the identity {}\npublic key {public}\nkeep a copy of it: without it no key can be opened",
        store.identity.display()
    ));
    Ok(())
}

fn add(store: &Store, name: &str, existing: Existing, now: u64, console: &mut dyn Console) -> Result<(), Error> {
    store.may_add(name, existing)?;
    let secret = console.ask(&Question { prompt: &format!("Key for {name}"), wanted: Wanted::Key, confirm: None })?;
    let added = store.add(name, &secret, existing, now, &mut ask_passphrase)?;
    let mut said = String::new();
    if let Some(public) = added.identity_made {
        said = format!("made the identity {} (public key {public}); keep a copy of it\n", store.identity.display());
    }
    said.push_str(&format!("added key \"{name}\" ({})", secret.masked()));
    if let Some(retired) = added.retired {
        said.push_str(&format!("; the former one is {}", retired.display()));
    }
    console.say(&said);
    Ok(())
}

/// What `list` shows.
struct Listing {
    protected: Option<bool>,
    recipients: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    masked: Option<String>,
    age_days: Option<u64>,
    problem: Option<String>,
}

impl Listing {
    fn read(store: &Store, now: u64) -> Result<Self, Error> {
        let protected = store.protected()?;
        let mut nobody = || Err(Error::new(Code::KeyUnavailable, "not asked for in a list"));
        let opener = if protected == Some(false) { Some(store.opener(&mut nobody)?) } else { None };
        let rows = store.names()?.into_iter().map(|name| Row::read(store, opener.as_ref(), name, now)).collect();
        Ok(Self { protected, recipients: store.recipients()?, rows })
    }

    fn json(&self) -> String {
        let row =
            |row: &Row| serde_json::json!({ "name": row.name, "masked": row.masked, "age_days": row.age_days, "problem": row.problem });
        let keys: Vec<serde_json::Value> = self.rows.iter().map(row).collect();
        let identity = serde_json::json!({ "present": self.protected.is_some(), "protected": self.protected.unwrap_or(false) });
        let all = serde_json::json!({ "identity": identity, "recipients": self.recipients, "keys": keys });
        format!("{all:#}")
    }

    fn table(&self, store: &Store) -> String {
        if self.rows.is_empty() {
            return format!("no keys in {}; add one with `aimux keys add anthropic`", store.folder.display());
        }
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max(4);
        let mut lines = vec![format!("{:width$}  {:10}  {}", "NAME", "KEY", "AGE")];
        lines.extend(self.rows.iter().map(|row| row.line(width)));
        lines.push(String::new());
        lines.push(match self.protected {
            None => format!("no identity at {}: the keys cannot be opened", store.identity.display()),
            Some(true) => format!("identity {}, protected by a passphrase", store.identity.display()),
            Some(false) => format!("identity {}", store.identity.display()),
        });
        lines.extend(self.recipients.iter().map(|public| format!("recipient {public}")));
        lines.join("\n")
    }
}

impl Row {
    fn read(store: &Store, opener: Option<&Opener<'_>>, name: String, now: u64) -> Self {
        let days = |created: u64| Some(now.saturating_sub(created) / DAY_S);
        let read = match opener {
            Some(opener) => opener.read(&name).map(|key| (Some(key.secret.masked()), days(key.created))),
            None => store.changed(&name).map(|changed| (None, days(changed))),
        };
        match read {
            Ok((masked, age_days)) => Self { name, masked, age_days, problem: None },
            Err(error) => Self { name, masked: None, age_days: None, problem: Some(error.message) },
        }
    }

    fn line(&self, width: usize) -> String {
        let masked = self.masked.as_deref().unwrap_or("—");
        let rest = match (&self.problem, self.age_days) {
            (Some(problem), _) => problem.clone(),
            (None, Some(1)) => "1 day".to_owned(),
            (None, Some(days)) => format!("{days} days"),
            (None, None) => "—".to_owned(),
        };
        format!("{:width$}  {masked:10}  {rest}", self.name)
    }
}

/// The process's own terminal, or whatever standard input and output are.
struct Terminal;

impl Console for Terminal {
    fn say(&mut self, text: &str) {
        super::output::print(&format!("{}\n", super::output::printable(text)));
    }

    fn ask(&mut self, question: &Question<'_>) -> Result<Secret, Error> {
        if io::stdin().is_terminal() { prompt(question) } else { read_secret(&mut io::stdin().lock(), question.wanted) }
    }
}

fn prompt(question: &Question<'_>) -> Result<Secret, Error> {
    let mut password = dialoguer::Password::new().with_prompt(question.prompt).allow_empty_password(true);
    if let Some(again) = question.confirm {
        password = password.with_confirmation(again, "they differ, once more");
    }
    let typed = password.interact().map_err(|error| Error::new(Code::Usage, "nothing was typed").caused_by(error.to_string()))?;
    usable(&Zeroizing::new(typed), question.wanted)
}

/// Reads one secret from a pipe: all of it, one line.
fn read_secret(input: &mut dyn Read, wanted: Wanted) -> Result<Secret, Error> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_MAX + 1));
    let limit = u64::try_from(SECRET_MAX).unwrap_or(u64::MAX).saturating_add(1);
    input.take(limit).read_to_end(&mut bytes).map_err(|error| Error::new(Code::Usage, "cannot read standard input").caused_by(error))?;
    if bytes.len() > SECRET_MAX {
        return Err(Error::new(Code::Usage, format!("standard input is longer than {SECRET_MAX} bytes; a key is one line")));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| Error::new(Code::Usage, "standard input is no text; a key is one line"))?;
    usable(text, wanted)
}

fn usable(text: &str, wanted: Wanted) -> Result<Secret, Error> {
    let text = text.trim();
    let problem = if text.is_empty() {
        "nothing was given"
    } else if text.contains('\n') {
        "more than one line was given"
    } else if text.len() > SECRET_MAX {
        "what was given is too long"
    } else if text.chars().any(char::is_control) {
        "what was given holds control characters"
    } else if wanted == Wanted::Key && !text.is_ascii() {
        "what was given holds characters that are not ASCII: was it copied in its masked form?"
    } else {
        return Ok(Secret::new(text.to_owned()));
    };
    Err(Error::new(Code::Usage, problem).hint("type or paste it at the prompt, or pipe it in: one line"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-ant-api03-0123456789";

    #[derive(Default)]
    struct Script {
        answers: Vec<&'static str>,
        asked: Vec<String>,
        said: String,
    }

    impl Console for Script {
        fn say(&mut self, text: &str) {
            self.said.push_str(text);
            self.said.push('\n');
        }

        fn ask(&mut self, question: &Question<'_>) -> Result<Secret, Error> {
            self.asked.push(question.prompt.to_owned());
            usable(self.answers.pop().expect("a question too many"), question.wanted)
        }
    }

    struct Fixture {
        _root: tempfile::TempDir,
        store: Store,
    }

    fn fixture() -> Fixture {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(&root.path().join("aimux"), None);
        Fixture { _root: root, store }
    }

    impl Fixture {
        fn keys(&self, words: &str, answers: &[&'static str]) -> Result<String, Error> {
            #[derive(clap::Parser)]
            struct Line {
                #[command(flatten)]
                keys: KeysArgs,
            }
            let line = <Line as clap::Parser>::parse_from(format!("keys {words}").split(' '));
            let mut script = Script { answers: answers.to_vec(), ..Script::default() };
            let result = execute(&line.keys.command, &self.store, 1_763_735_856, &mut script);
            assert!(!script.said.contains(KEY));
            assert!(script.answers.is_empty(), "an answer was not asked for");
            result.map(|()| script.said)
        }
    }

    #[test]
    fn the_first_key_makes_the_identity_and_says_so() {
        let fixture = fixture();
        let said = fixture.keys("add anthropic", &[KEY]).unwrap();
        assert!(said.starts_with("made the identity ") && said.ends_with("added key \"anthropic\" (sk-a…89)\n"), "{said}");
        assert_eq!(fixture.keys("add zai", &[KEY]).unwrap(), "added key \"zai\" (sk-a…89)\n");
    }

    #[test]
    fn a_wrong_or_taken_name_is_refused_before_the_key_is_asked_for() {
        let fixture = fixture();
        fixture.keys("add zai", &[KEY]).unwrap();
        assert_eq!(fixture.keys("add zai", &[]).unwrap_err().message, "there is a key \"zai\" already");
        assert_eq!(fixture.keys(&format!("add {KEY}"), &[]).unwrap_err().code, Code::Usage);
        let error = fixture.keys(&format!("add zai {KEY}"), &[]).unwrap_err();
        assert!(error.code == Code::Usage && !format!("{error:?}").contains(KEY));
        let said = fixture.keys("add zai --force", &[KEY]).unwrap();
        assert!(said.contains("the former one is") && said.contains("/.retired/zai.20251121T143736Z.age"), "{said}");
    }

    #[test]
    fn a_list_shows_masked_keys_and_their_age() {
        let fixture = fixture();
        assert!(fixture.keys("list", &[]).unwrap().starts_with("no keys in "));
        fixture.keys("add anthropic", &[KEY]).unwrap();
        let said = fixture.keys("list", &[]).unwrap();
        assert!(said.starts_with("NAME       KEY         AGE\nanthropic  sk-a…89     0 days\n\nidentity "), "{said}");
        let json: serde_json::Value = serde_json::from_str(&fixture.keys("list --json", &[]).unwrap()).unwrap();
        let key = serde_json::json!({ "name": "anthropic", "masked": "sk-a…89", "age_days": 0, "problem": null });
        assert_eq!((&json["keys"][0], &json["identity"]["protected"]), (&key, &serde_json::Value::Bool(false)));
        assert!(json["recipients"][0].as_str().unwrap().starts_with("age1"));
    }

    #[test]
    fn a_list_with_a_protected_identity_asks_nothing_and_masks_all() {
        let fixture = fixture();
        fixture.keys("init --passphrase", &["schönes Wetter"]).unwrap();
        fixture.keys("add anthropic", &[KEY]).unwrap();
        let said = fixture.keys("list", &[]).unwrap();
        assert!(said.contains("anthropic  —") && said.contains("protected by a passphrase"), "{said}");
    }

    #[test]
    fn one_broken_file_does_not_hide_the_others() {
        let fixture = fixture();
        fixture.keys("add a", &[KEY]).unwrap();
        fixture.keys("add b", &[KEY]).unwrap();
        std::fs::write(fixture.store.folder.join("a.age"), "nonsense").unwrap();
        let said = fixture.keys("list", &[]).unwrap();
        assert!(said.contains("key \"a\" is damaged or no age file\nb     sk-a…89"), "{said}");
    }

    #[test]
    fn init_refuses_before_it_asks_for_a_passphrase() {
        let fixture = fixture();
        assert!(fixture.keys("init", &[]).unwrap().contains("public key age1"));
        assert_eq!(fixture.keys("init --passphrase", &[]).unwrap_err().code, Code::KeyStore);
    }

    #[test]
    fn a_removed_key_is_said_to_be_gone() {
        let fixture = fixture();
        fixture.keys("add a", &[KEY]).unwrap();
        assert_eq!(fixture.keys("remove a", &[]).unwrap(), "removed key \"a\"\n");
        assert_eq!(fixture.keys("remove a", &[]).unwrap_err().code, Code::KeyUnavailable);
    }

    #[test]
    fn a_piped_secret_is_one_line_of_limited_length() {
        let read =
            |text: &[u8]| read_secret(&mut &text[..], Wanted::Key).map(|secret| secret.expose().to_owned()).map_err(|error| error.message);
        assert_eq!(read(b" sk-one \r\n\n").unwrap(), "sk-one");
        assert_eq!(read(b"").unwrap_err(), "nothing was given");
        assert_eq!(read(b"sk-one\nsk-two\n").unwrap_err(), "more than one line was given");
        assert_eq!(read(b"sk-\x1b[1m").unwrap_err(), "what was given holds control characters");
        assert!(read("sk-••••".as_bytes()).unwrap_err().contains("not ASCII"));
        assert!(read(b"\xff").unwrap_err().contains("no text"));
        assert_eq!(read(&[b'x'; SECRET_MAX]).unwrap().len(), SECRET_MAX);
        assert!(read(&[b'x'; SECRET_MAX + 1]).unwrap_err().contains("longer than 16384 bytes"));
    }
}
