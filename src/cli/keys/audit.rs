//! `aimux keys audit`: the log of who changed keys and config, and whether it is what was written.

use crate::audit::{Log, Record, Verified};
use crate::cli::output;
use crate::error::Error;

#[derive(Debug, clap::Args)]
#[command(disable_help_subcommand = true, args_conflicts_with_subcommands = true)]
pub(super) struct AuditArgs {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show the last entries
    List(ListArgs),
    /// Check that no entry was edited, cut out, moved or inserted; exit 74 with the first line that was
    #[command(after_help = "A chain of hashes shows what was done to the log by hand. Who may write to the state folder can make another \
        chain: note the hash that this prints elsewhere, and hand it in with --seen.")]
    Verify {
        /// A hash that an earlier verify printed: it must still be in the chain
        #[arg(long, value_name = "HASH", value_parser = hash)]
        seen: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// How many entries, the last ones
    #[arg(long, value_name = "N", default_value_t = 20)]
    last: usize,
    /// Print the entries as they are written, a JSON object a line
    #[arg(long)]
    json: bool,
}

fn hash(text: &str) -> Result<String, &'static str> {
    let is_hash = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash { Ok(text.to_ascii_lowercase()) } else { Err("a hash has 64 hexadecimal digits") }
}

/// Runs the command.
pub(super) fn run(args: &AuditArgs, log: &Log) -> Result<(), Error> {
    match &args.command {
        Some(Command::Verify { seen, json }) => {
            let verified = log.verify(seen.as_deref())?;
            output::print(&if *json { output::json(&verified)? } else { as_text(&verified, log) });
        }
        Some(Command::List(list)) => output::print(&listed(list, log)?),
        None => output::print(&listed(&args.list, log)?),
    }
    Ok(())
}

fn as_text(verified: &Verified, log: &Log) -> String {
    let Verified { lines, hash, uncounted } = verified;
    let noun = if *lines == 1 { "entry" } else { "entries" };
    let note = match uncounted {
        0 => String::new(),
        _ => "note: a writer was ended before it could count its last entry; the next one does\n".to_owned(),
    };
    format!("{}: {lines} {noun}, all as they were written\nlast hash {hash}\n{note}", output::printable(&log.path().display().to_string()))
}

fn listed(args: &ListArgs, log: &Log) -> Result<String, Error> {
    let last = log.last(args.last)?;
    if args.json {
        return Ok(last.iter().map(|(line, _)| format!("{}\n", output::printable(line))).collect());
    }
    if last.is_empty() {
        return Ok(format!("no entries in {}\n", log.path().display()));
    }
    Ok(last.iter().map(|(_, record)| record.as_ref().map_or_else(|| "?  a line that is no entry\n".to_owned(), shown)).collect())
}

fn shown(record: &Record) -> String {
    let Record { n, at, by, pid, uid, action, subject, failed, note, changes } = record;
    let failed = if *failed { "  failed" } else { "" };
    let note = if note.is_empty() { String::new() } else { format!("  ({note})") };
    let mut text = output::printable(&format!("{n}  {at}  {by}[{pid}] uid {uid}  {action} {subject}{failed}{note}")).replace('\n', " ");
    for change in changes {
        let value = |value: &Option<String>| value.as_deref().unwrap_or("not set").to_owned();
        let line = format!("{}: {} -> {}", change.field, value(&change.old), value(&change.new));
        text += &format!("\n    {}", output::printable(&line).replace('\n', " "));
    }
    text + "\n"
}
