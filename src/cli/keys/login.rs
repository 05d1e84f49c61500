//! `aimux keys login`: a key from the provider's own login in the browser, kept as `keys add` keeps one.
//!
//! The login itself is in `browser.rs`. Start with [`run`]; [`oauth_of`] tells which providers have a login.

use std::sync::Arc;

use super::Context;
use super::browser::{LoginHow, log_in};
use crate::audit::{Action, Entry};
use crate::cli::CliError;
use crate::cli::console::{Console, ask_passphrase};
use crate::cli::named::Named;
use crate::config::{self, KeyUse, LoadError, Options, Provided};
use crate::date;
use crate::error::{Code, Error};
use crate::keys::Existing;
use crate::keys::oauth::{Grant, OAuth};

#[derive(Debug, clap::Args)]
pub(super) struct LoginArgs {
    /// The provider: openrouter, or one whose `oauth` the config has
    #[arg(add = Named::Logins)]
    provider: String,
    /// What the key is called [default: the provider's key in the config, else the provider's name]
    #[arg(long, value_name = "NAME", add = Named::Keys)]
    key: Option<String>,
    /// Replace a key of that name; the former one is kept in keys/.retired
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    how: LoginHow,
}

/// Runs the command.
pub(super) fn run(args: &LoginArgs, context: &Context<'_>, console: &mut dyn Console) -> Result<(), CliError> {
    let (oauth, usual) = of_provider(&args.provider, context)?;
    let name = args.key.as_deref().unwrap_or(&usual);
    let existing = if args.force { Existing::Retire } else { Existing::Refuse };
    // Before the browser opens: nobody should log in in vain.
    context.store.may_add(name, existing).map_err(|error| match error.code {
        Code::KeyStore => error.hint(format!("`aimux keys rotate {name} --login` exchanges it; --force replaces it unseen")),
        _ => error,
    })?;
    let grant = log_in(&oauth, &args.provider, &args.how, context.environment)?;
    context.say_that_it_waits();
    let action = if context.store.contains(name) { Action::KeyReplaced } else { Action::KeyAdded };
    let entry = Entry::new(action, name).note(format!("by login to {}", args.provider));
    let add = || context.store.add_grant(name, &grant, existing, context.now, &mut ask_passphrase);
    let added = context.log.record(&entry, add).map_err(|error| unkept(error, &args.provider))?;
    if added.identity_made.is_some() {
        context.log.append(&Entry::new(Action::IdentityMade, context.store.identity.display().to_string()).note("on the way"))?;
    }
    let mut said = String::new();
    if let Some(public) = added.identity_made {
        said = format!("made the identity {} (public key {public}); keep a copy of it\n", context.store.identity.display());
    }
    said.push_str(&format!("logged in to {}: added key \"{name}\" ({})", args.provider, grant.secret.masked()));
    if let Some(retired) = added.retired {
        said.push_str(&format!("; the former one is {}", retired.display()));
    }
    if let Some(line) = life(&grant) {
        said.push_str(&format!("\n{line}"));
    }
    console.say(&said);
    Ok(())
}

/// What there is to say of a key that expires.
pub(super) fn life(grant: &Grant) -> Option<String> {
    let until = date::rfc3339(grant.expires?);
    Some(match grant.refresh {
        Some(_) => format!("it expires at {until}; a running server refreshes it before that"),
        None => format!("it expires at {until}, and the provider gave nothing to refresh it with: log in again then"),
    })
}

/// A key that was given and cannot be kept stays good at the provider.
fn unkept(error: Error, provider: &str) -> Error {
    let hint = format!("{}; the key that {provider} has just given is lost: revoke it there", error.advice());
    error.hint(hint)
}

/// The login of a provider of the config, else of the presets, and what its key is called.
fn of_provider(name: &str, context: &Context<'_>) -> Result<(Arc<OAuth>, String), CliError> {
    let options = Options { path: context.path.clone(), listen: None };
    let provided = match config::provided(&options, context.environment, context.store) {
        Ok(provided) => provided,
        Err(LoadError::Other(error)) if error.code == Code::ConfigMissing => config::provided_without(),
        Err(error) => return Err(error.into()),
    };
    let found = provided.iter().find(|provided| provided.name == name);
    match found {
        Some(Provided { oauth: Some(oauth), key, .. }) => Ok((Arc::clone(oauth), key.clone())),
        Some(Provided { .. }) => Err(no_login(name, &provided).into()),
        None => {
            // Not repeated: a key may stand in its place.
            let with = with_login(&provided);
            Err(Error::new(Code::Usage, "no provider of this name is in the config or built in")
                .hint(format!("logins are known of: {with}"))
                .into())
        }
    }
}

/// The login of the provider that uses a key.
pub(super) fn oauth_of(key: &str, uses: &[KeyUse], context: &Context<'_>) -> Result<(Arc<OAuth>, String), CliError> {
    let used = uses.iter().find_map(|used| Some((Arc::clone(used.provider.oauth.as_ref()?), used.provider.name.clone())));
    match used {
        Some(found) => Ok(found),
        None => of_provider(key, context).map(|(oauth, _)| (oauth, key.to_owned())),
    }
}

fn no_login(name: &str, provided: &[Provided]) -> Error {
    let with = with_login(provided);
    Error::new(Code::Usage, format!("{name} has no login that aimux knows; its keys are made at the provider")).hint(format!(
        "add one with `aimux keys add {name}`, or give the provider an `oauth` section in the config; logins are known of: {with}"
    ))
}

fn with_login(provided: &[Provided]) -> String {
    let names: Vec<&str> = provided.iter().filter(|provided| provided.oauth.is_some()).map(|provided| provided.name.as_str()).collect();
    names.join(", ")
}
