//! `aimux keys`: make the identity, add, list, rotate and remove provider keys.
//!
//! A key comes from a hidden prompt or standard input, never from argv: other users see argv, and shells keep it. Start with
//! [`run`].

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use self::list::Listing;
use super::CliError;
use crate::audit::{Action, Entry, Log};
use crate::cli::console::{Console, Question, Terminal, Wanted, ask_passphrase};
use crate::cli::named::Named;
use crate::config::Environment;
use crate::error::{Code, Error};
use crate::keys::{Existing, Store, Unfinished};
use crate::ledger::{self, KeyRecord};

mod audit;
mod browser;
mod exec;
mod export;
mod import;
mod life;
mod list;
mod login;
mod recipients;
mod rotate;
mod scan;
mod show;
mod test;

/// What follows `aimux keys`.
#[derive(Debug, clap::Args)]
#[command(disable_help_subcommand = true)]
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
        #[arg(add = Named::NewKeys)]
        name: String,
        /// Replace a key of that name; the former one is kept in keys/.retired
        #[arg(long)]
        force: bool,
        /// Taken only to be refused: clap's own error would repeat a key that somebody puts here.
        #[arg(hide = true)]
        rest: Vec<std::ffi::OsString>,
    },
    /// Get a key by logging in to a provider in the browser
    #[command(
        after_help = "OAuth with PKCE; the key goes into an age file as `keys add` has it. OpenRouter's needs nothing else; other providers \
        need an `oauth` section in the config.\n\nExamples:\n  aimux keys login openrouter\n  aimux keys login openrouter --no-browser"
    )]
    Login(login::LoginArgs),
    /// List the keys, masked
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// From which age on a key is called stale, in days
        #[arg(long, value_name = "DAYS", default_value_t = list::STALE_DAYS)]
        stale_after: u64,
    },
    /// Exchange a key, wholly or not at all; the running server takes it without losing a request
    #[command(
        after_help = "The new key comes from a hidden prompt or standard input. The provider is asked whether it accepts it, the running server takes it, \
        and the former one is kept encrypted for a while. Whatever fails is undone.\n\n\
        Examples:\n  aimux keys rotate anthropic\n  pass show zai | aimux keys rotate zai --keep 7d\n  \
        aimux keys rotate openrouter --login\n  aimux keys rotate --identity"
    )]
    Rotate(rotate::RotateArgs),
    /// Show or change whose identities open the keys
    Recipients(recipients::RecipientsArgs),
    /// Ask providers whether they accept the keys; exit 1 when one is refused
    #[command(
        after_help = "A free request for each key and provider, such as the list of models. Exit 0: all are good or known but limited; \
        1: one is refused or cannot be opened; 69: a provider could not be reached.\n\n\
        Examples:\n  aimux keys test\n  aimux keys test anthropic --json"
    )]
    Test(test::TestArgs),
    /// Show what is known of a key, masked
    #[command(after_help = "Examples:\n  aimux keys show anthropic\n  aimux keys show anthropic --reveal")]
    Show(show::ShowArgs),
    /// Run a program with keys in its environment, as the variables that it reads
    #[command(after_help = "A key is the variable that its provider's programs read: ANTHROPIC_API_KEY, or the one that NAME=VARIABLE \
        chooses. The program takes the place of this process: exit code and signals are its own; 127: it was not found, 126: it could \
        not be run.\n\nExamples:\n  aimux keys exec anthropic -- claude\n  aimux keys exec zai=OPENAI_API_KEY -- python3 script.py")]
    Exec(exec::ExecArgs),
    /// Write a key as an age file for somebody else
    #[command(
        after_help = "Examples:\n  aimux keys export anthropic --to age1… -o anthropic.age\n  aimux keys export anthropic --passphrase"
    )]
    Export(export::ExportArgs),
    /// Take keys from an age file, a folder of them or an .env file
    #[command(after_help = "Exit 1 where a key could not be taken. An .env file is left as it is: delete it once its keys are here.\n\n\
        Examples:\n  aimux keys import .env\n  aimux keys import ~/.passage/store/llm\n  aimux keys import anthropic.age")]
    Import(import::ImportArgs),
    /// Look for providers' keys in files and git's history; exit 1 when there is one
    #[command(
        after_help = "In a git repository, files that it ignores are not looked at, and neither is what only a merge brought. Binary \
        files are passed over, and so is a line with the words aimux:allow.\n\n\
        Examples:\n  aimux keys scan\n  aimux keys scan --format sarif > keys.sarif"
    )]
    Scan(scan::ScanArgs),
    /// Delete a key for good
    Remove {
        /// The key's name
        #[arg(add = Named::Keys)]
        name: String,
    },
    /// Show the log of changes to keys and config, or check it
    #[command(after_help = "Examples:\n  aimux keys audit\n  aimux keys audit verify")]
    Audit(audit::AuditArgs),
}

/// Runs the command; `path` is the one of `--config`.
///
/// # Errors
/// What the key store says, or when nothing usable is typed or piped in.
pub(crate) fn run(args: &KeysArgs, path: Option<PathBuf>, env: &Environment) -> Result<ExitCode, CliError> {
    let store = super::known::store(env);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    let log = Log::new(&env.state_folder(), "keys");
    tidy(&store, &log, now);
    let context = |path| Context { store: &store, log: &log, environment: env, path, now };
    match &args.command {
        Command::Test(args) => return test::run(args, path, env, &store, &log),
        Command::Rotate(args) => rotate::run(args, &context(path), &mut Terminal)?,
        Command::Login(args) => login::run(args, &context(path), &mut Terminal)?,
        Command::Recipients(args) => recipients::run(args, &context(path), &mut Terminal)?,
        Command::Exec(args) => return exec::run(args, path, env, &store, &log),
        Command::Scan(args) => return Ok(scan::run(args)?),
        Command::Import(args) => return Ok(import::run(args, &store, &log, now)?),
        Command::Show(args) => show::run(args, &context(path))?,
        Command::Export(args) => export::run(args, &store, &log)?,
        command => execute(command, &store, &log, now, &|| records(path.clone(), env), &mut Terminal)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What a command knows that changes keys which others use.
struct Context<'a> {
    store: &'a Store,
    log: &'a Log,
    environment: &'a Environment,
    /// `--config`.
    path: Option<PathBuf>,
    /// Seconds since 1970.
    now: u64,
}

impl Context<'_> {
    /// Says why nothing seems to happen, where that is about to be so.
    fn say_that_it_waits(&self) {
        if self.store.is_busy() {
            super::output::error("another aimux is writing keys; waiting for it\n");
        }
    }
}

/// Ends what earlier commands left, and says so. What is in the way of that is in the way of the command itself.
fn tidy(store: &Store, log: &Log, now: u64) {
    let Ok(tidied) = store.tidy(now) else { return };
    let place = store.identity.display().to_string();
    let mut said = Vec::new();
    if tidied.expired > 0 {
        let note = format!("former keys whose time was over were deleted: {}", tidied.expired);
        said.push((Some(Entry::new(Action::KeyRemoved, "former keys")), note));
    }
    match tidied.change {
        Unfinished::None => {}
        Unfinished::TakenBack => {
            let note = "an identity rotation that was cut short is taken back: all is as it was before";
            said.push((Some(Entry::new(Action::IdentityRotated, place)), note.to_owned()));
        }
        Unfinished::Ended => {
            let note = "a change of identity or recipients that was cut short is complete now";
            said.push((Some(Entry::new(Action::IdentityRotated, place)), note.to_owned()));
        }
        Unfinished::Waits => {
            let note = "a change of identity or recipients was cut short; every key opens, and the next `aimux keys rotate` ends it";
            said.push((None, note.to_owned()));
        }
    }
    for (entry, note) in said {
        if let Some(entry) = entry {
            // The log's own troubles are told by the command that must write to it.
            let _ = log.append(&entry.note(&note));
        }
        super::output::error(&format!("{note}\n"));
    }
}

/// What the ledger of the config tells of keys, by name.
type Records<'a> = &'a dyn Fn() -> HashMap<String, KeyRecord>;

fn records(path: Option<PathBuf>, environment: &Environment) -> HashMap<String, KeyRecord> {
    let (ledger, _) = super::usage::settings(path, environment);
    ledger::key_records(&ledger.place).unwrap_or_else(|error| {
        // The keys are there all the same.
        super::output::error(&format!("note: {}; when keys were used is not known\n", super::output::printable(&error.message)));
        HashMap::new()
    })
}

fn execute(command: &Command, store: &Store, log: &Log, now: u64, records: Records<'_>, console: &mut dyn Console) -> Result<(), Error> {
    match command {
        Command::Init { passphrase } => init(store, log, *passphrase, now, console),
        Command::Add { rest, .. } if !rest.is_empty() => {
            Err(Error::new(Code::Usage, "`keys add` takes one name and nothing else; a key does not belong on the command line")
                .hint("leave it out and paste it when asked, or pipe it in; a key that stands in your shell's history should be replaced"))
        }
        Command::Add { name, force, .. } => add(store, log, name, if *force { Existing::Retire } else { Existing::Refuse }, now, console),
        Command::List { json, stale_after } => {
            let listing = Listing::read(store, now, *stale_after, records())?;
            console.say(&if *json { listing.json() } else { listing.table(store) });
            Ok(())
        }
        Command::Remove { name } => {
            store.may_remove(name)?;
            log.record(&Entry::new(Action::KeyRemoved, name), || store.remove(name))?;
            console.say(&format!("removed key \"{name}\""));
            Ok(())
        }
        Command::Audit(args) => audit::run(args, log),
        Command::Test(_)
        | Command::Scan(_)
        | Command::Exec(_)
        | Command::Import(_)
        | Command::Show(_)
        | Command::Export(_)
        | Command::Login(_)
        | Command::Rotate(_)
        | Command::Recipients(_) => Err(Error::new(Code::Bug, "a command was run in the wrong place")),
    }
}

fn init(store: &Store, log: &Log, protected: bool, now: u64, console: &mut dyn Console) -> Result<(), Error> {
    store.may_init()?;
    let passphrase = if protected {
        let question = Question { prompt: "Passphrase for the identity", wanted: Wanted::Passphrase, confirm: Some("The same again") };
        Some(console.ask(&question)?)
    } else {
        None
    };
    let entry = Entry::new(Action::IdentityMade, store.identity.display().to_string());
    let public = log.record(&entry, || store.init(passphrase.as_ref(), now))?;
    console.say(&format!(
        "made the identity {}\npublic key {public}\nkeep a copy of it: without it no key can be opened",
        store.identity.display()
    ));
    Ok(())
}

fn add(store: &Store, log: &Log, name: &str, existing: Existing, now: u64, console: &mut dyn Console) -> Result<(), Error> {
    store.may_add(name, existing)?;
    let secret = console.ask(&Question { prompt: &format!("Key for {name}"), wanted: Wanted::Key, confirm: None })?;
    let action = if store.contains(name) { Action::KeyReplaced } else { Action::KeyAdded };
    let added = log.record(&Entry::new(action, name), || store.add(name, &secret, existing, now, &mut ask_passphrase))?;
    if added.identity_made.is_some() {
        log.append(&Entry::new(Action::IdentityMade, store.identity.display().to_string()).note("on the way"))?;
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::usable;
    use crate::keys::tests::{Fixture, fixture};
    use crate::secret::Secret;

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

    impl Fixture {
        fn keys(&self, words: &str, answers: &[&'static str]) -> Result<String, Error> {
            #[derive(clap::Parser)]
            struct Line {
                #[command(flatten)]
                keys: KeysArgs,
            }
            let line = <Line as clap::Parser>::parse_from(format!("keys {words}").split(' '));
            let mut script = Script { answers: answers.to_vec(), ..Script::default() };
            let log = Log::new(&self.root.path().join("state"), "test");
            let result = execute(&line.keys.command, &self.store, &log, 1_763_735_856, &HashMap::new, &mut script);
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
        let key = serde_json::json!({
            "name": "anthropic", "masked": "sk-a…89", "age_days": 0, "stale": false, "problem": null,
            "last_used": null, "last_error": null, "expires": null, "refreshed": null, "renews": false,
        });
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
}
