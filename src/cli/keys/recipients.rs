//! `aimux keys recipients`: whose identities open the keys.

use super::Context;
use crate::audit::{Action, Entry};
use crate::cli::console::Console;
use crate::cli::console::ask_passphrase;
use crate::error::{Code, Error};
use crate::keys::{Change, Kind};

#[derive(Debug, clap::Args)]
pub(super) struct RecipientsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the public keys that open the keys
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let another identity open the keys: every file is encrypted anew
    Add {
        /// Its public key, age1…, as `age-keygen -y FILE` or a plugin of age prints it
        #[arg(value_name = "AGE1…")]
        public_key: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let an identity open the keys no more: every file is encrypted anew
    #[command(after_help = "Whoever could open the keys may have kept copies: rotate the keys too.")]
    Remove {
        /// Its public key, age1…
        #[arg(value_name = "AGE1…")]
        public_key: String,
        /// Even the one of this machine's own identity
        #[arg(long)]
        force: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
pub(super) fn run(args: &RecipientsArgs, context: &Context<'_>, console: &mut dyn Console) -> Result<(), Error> {
    match &args.command {
        Command::List { json } => list(*json, context, console),
        Command::Add { public_key, json } => change(Change::Add(public_key), *json, context, console),
        Command::Remove { public_key, force: true, json } => change(Change::RemoveEvenOwn(public_key), *json, context, console),
        Command::Remove { public_key, json, .. } => change(Change::Remove(public_key), *json, context, console),
    }
}

fn list(json: bool, context: &Context<'_>, console: &mut dyn Console) -> Result<(), Error> {
    let store = context.store;
    let listed = store.recipients()?;
    // A protected identity is not asked for its passphrase: which of them is ours is not told then.
    let mut nobody = || Err(Error::new(Code::KeyUnavailable, "not asked for in a list"));
    let own = if store.protected()? == Some(false) { Some(store.opener(&mut nobody)?.public_keys()) } else { None };
    let is_own = |public: &String| own.as_ref().map(|own| own.contains(public));
    console.say(&if json {
        let row = |public: &String| {
            let kind = Kind::of(public);
            let plugin = if let Some(Kind::Plugin(plugin)) = &kind { Some(plugin) } else { None };
            serde_json::json!({ "public_key": public, "kind": kind.as_ref().map(Kind::name), "plugin": plugin, "own": is_own(public) })
        };
        format!("{:#}", serde_json::json!({ "recipients": listed.iter().map(row).collect::<Vec<_>>() }))
    } else if listed.is_empty() {
        "no recipients: the first `aimux keys add` makes an identity and names it".to_owned()
    } else {
        let row = |public: &String| {
            let own = if is_own(public) == Some(true) { "  this machine's own" } else { "" };
            format!("{}{own}", described(public))
        };
        listed.iter().map(row).collect::<Vec<_>>().join("\n")
    });
    Ok(())
}

/// A public key for people: those of post-quantum recipients have 2,000 characters.
pub(super) fn shown_public(public: &str) -> String {
    match (public.get(..24), public.len().checked_sub(8).and_then(|end| public.get(end..))) {
        (Some(head), Some(tail)) if public.len() > 120 => format!("{head}…{tail}"),
        _ => public.to_owned(),
    }
}

/// The same with its kind, where that is not the usual one.
pub(super) fn described(public: &str) -> String {
    let shown = shown_public(public);
    match Kind::of(public) {
        None | Some(Kind::X25519) => shown,
        Some(Kind::Tag) => format!("{shown}  a security key"),
        Some(Kind::TagPq) => format!("{shown}  a security key, post-quantum"),
        Some(Kind::Plugin(plugin)) => format!("{shown}  age-plugin-{plugin}"),
    }
}

fn change(change: Change<'_>, json: bool, context: &Context<'_>, console: &mut dyn Console) -> Result<(), Error> {
    let (action, public) = match change {
        Change::Add(public) => (Action::RecipientAdded, public),
        Change::Remove(public) | Change::RemoveEvenOwn(public) => (Action::RecipientRemoved, public),
    };
    change.check()?;
    context.say_that_it_waits();
    let act = || context.store.change_recipients(change, context.now, &mut ask_passphrase);
    let done = context.log.record(&Entry::new(action, public), act)?;
    if json {
        console.say(&format!("{:#}", serde_json::json!({ "recipients": done.public, "files": done.files })));
        return Ok(());
    }
    let files = if done.files == 1 { "1 file".to_owned() } else { format!("{} files", done.files) };
    let public = shown_public(public);
    console.say(&match action {
        Action::RecipientAdded => format!("added {public}\n{files} encrypted anew"),
        _ => format!(
            "removed {public}\n{files} encrypted anew\nwho could open them before may have kept copies: rotate the keys too (`aimux keys rotate NAME`)"
        ),
    });
    Ok(())
}
