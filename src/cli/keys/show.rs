//! `aimux keys show NAME`: what is known of one key, masked; the key itself on a terminal and nowhere else.

use std::io::IsTerminal as _;

use super::life::Life;
use super::{Context, exec};
use crate::audit::{Action, Entry};
use crate::cli::console::ask_passphrase;
use crate::cli::named::Named;
use crate::cli::{CliError, output};
use crate::date;
use crate::error::{Code, Error};

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// The key's name
    #[arg(add = Named::Keys)]
    name: String,
    /// Print the key itself; on a terminal only
    #[arg(long, conflicts_with = "json")]
    reveal: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &ShowArgs, context: &Context<'_>) -> Result<(), CliError> {
    let Context { store, log, environment, ref path, now } = *context;
    if args.reveal && !std::io::stdout().is_terminal() {
        return Err(Error::new(Code::Usage, "a key is shown on a terminal only, not in a pipe or file")
            .hint("`aimux keys exec` hands it to a program, `aimux keys export` to another person")
            .into());
    }
    // Before a passphrase is asked for.
    store.changed(&args.name)?;
    let key = store.opener(&mut ask_passphrase)?.read(&args.name)?;
    if args.reveal {
        log.append(&Entry::new(Action::KeyExported, &args.name).note("shown on a terminal"))?;
        output::print(&format!("{}\n", key.secret.expose()));
        return Ok(());
    }
    let uses = exec::uses(path.clone(), environment, store)?;
    let providers: Vec<&str> =
        uses.iter().filter(|used| used.kind == "file" && used.name == args.name).map(|used| used.provider.name.as_str()).collect();
    let (variable, created) = (exec::usual_variable(&args.name, &uses), date::rfc3339(key.created));
    let life = Life::of(&key);
    let (masked, file) = (key.secret.masked(), store.folder.join(format!("{}.age", args.name)));
    let text = if args.json {
        let value = serde_json::json!({
            "name": args.name, "masked": masked, "created": created, "file": file, "providers": providers, "variable": variable,
            "expires": life.expires.map(date::rfc3339), "refreshed": life.refreshed.map(date::rfc3339), "renews": life.renews,
        });
        format!("{value:#}\n")
    } else {
        let used_by = if providers.is_empty() { "no provider of the config".to_owned() } else { providers.join(", ") };
        let file = output::printable(&file.display().to_string());
        let life = life.words(now).map_or_else(String::new, |words| format!("lasts     {words}\n"));
        format!("key       {masked}\ncreated   {created}\n{life}file      {file}\nused by   {used_by}\nvariable  {variable}\n")
    };
    output::print(&text);
    Ok(())
}
