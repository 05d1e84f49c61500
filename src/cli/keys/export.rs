//! `aimux keys export NAME`: one key as an age file for somebody else, or, when told twice, in clear.

use std::fs::OpenOptions;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::audit::{Action, Entry, Log};
use crate::cli::console::{Console, Question, Terminal, Wanted, ask_passphrase};
use crate::cli::named::Named;
use crate::cli::output;
use crate::error::{Code, Error};
use crate::keys::Store;

#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// The key's name
    #[arg(add = Named::Keys)]
    name: String,
    /// A public key that may open the file; several may
    #[arg(long, value_name = "age1…")]
    to: Vec<String>,
    /// A passphrase opens the file: asked for, or read from standard input
    #[arg(long, conflicts_with = "to")]
    passphrase: bool,
    /// No encryption: whoever reads the output has the key
    #[arg(long, conflicts_with_all = ["to", "passphrase"])]
    plaintext: bool,
    /// Write to a new file, mode 0600, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &ExportArgs, store: &Store, log: &Log) -> Result<(), Error> {
    if args.to.is_empty() && !args.passphrase && !args.plaintext {
        return Err(Error::new(Code::Usage, "for whom is the key to be encrypted?")
            .hint("name public keys with --to age1…, or choose --passphrase; --plaintext encrypts nothing"));
    }
    store.changed(&args.name)?;
    let key = store.opener(&mut ask_passphrase)?.read(&args.name)?;
    let text = if args.plaintext {
        Zeroizing::new(format!("{}\n", key.secret.expose()))
    } else if args.passphrase {
        let question = Question { prompt: "Passphrase for the file", wanted: Wanted::Passphrase, confirm: Some("The same again") };
        Zeroizing::new(key.sealed_with(&Terminal.ask(&question)?)?)
    } else {
        Zeroizing::new(key.sealed_for(&args.to, store)?)
    };
    let how = if args.plaintext { "in clear" } else { "encrypted" };
    let entry = Entry::new(Action::KeyExported, &args.name).note(format!("{how}{}", recipients(&args.to)));
    match &args.output {
        Some(path) => {
            log.record(&entry, || write(path, text.as_bytes()))?;
            if std::io::stderr().is_terminal() {
                output::error(&format!("wrote {}\n", output::printable(&path.display().to_string())));
            }
        }
        None => {
            log.append(&entry)?;
            output::print(&text);
        }
    }
    Ok(())
}

fn recipients(to: &[String]) -> String {
    if to.is_empty() { String::new() } else { format!(" for {}", to.join(", ")) }
}

/// A file that is there is left alone: it may be somebody's only copy.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed =
        |error: std::io::Error| Error::new(Code::StateFolder, format!("cannot write {}: {error}", path.display())).caused_by(error);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)
}
