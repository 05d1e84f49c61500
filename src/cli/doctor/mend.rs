//! `--fix`: what loses nothing is done, each after a question.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::IsTerminal as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::finding::{Finding, Fix};
use crate::cli::output;
use crate::error::{Code, Error};

/// Whether somebody is asked before each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consent {
    Asked,
    Given,
}

/// Mends what can be; says what was done, on standard error. Gives whether anything was.
///
/// # Errors
/// When somebody is to be asked and nobody is there.
pub(super) fn mend(findings: &[Finding], consent: Consent) -> Result<bool, Error> {
    let fixable: Vec<(&Finding, &Fix)> = findings.iter().filter_map(|finding| Some((finding, finding.fix.as_ref()?))).collect();
    if consent == Consent::Asked && !fixable.is_empty() && !std::io::stdin().is_terminal() {
        return Err(Error::new(Code::Usage, "there is no terminal to ask on").hint("put --yes to mend without a question"));
    }
    let mut is_any = false;
    for (finding, fix) in fixable {
        let command = finding.mend.as_deref().unwrap_or_default();
        let question = output::printable(&format!("{}: `{command}`?", finding.what)).replace('\n', " ");
        // Yes or no; `q` and a terminal that is gone end the questions.
        let ask = || dialoguer::Confirm::new().with_prompt(format!("{question} (q: no more)")).default(true).interact_opt();
        match if consent == Consent::Given { Some(true) } else { ask().unwrap_or(None) } {
            Some(true) => {}
            Some(false) => continue,
            None => break,
        }
        let said = match done(fix) {
            Ok(()) => format!("mended: {command}"),
            Err(reason) => format!("not mended: {command}: {reason}"),
        };
        is_any = true;
        output::error(&(output::printable(&said).replace('\n', " ") + "\n"));
    }
    Ok(is_any)
}

fn done(fix: &Fix) -> Result<(), String> {
    match fix {
        Fix::Mode(path, mode) => set_mode(path, *mode),
        Fix::Folder(path) => DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| error.to_string()),
        Fix::Leftovers(socket) => remove_leftovers(socket),
    }
}

/// By the open file, so that nothing that is swapped under the path meanwhile is changed instead; only what is ours.
fn set_mode(path: &Path, mode: u32) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits();
    let file = OpenOptions::new().read(true).custom_flags(i32::try_from(flags).unwrap_or_default()).open(path).map_err(text)?;
    if file.metadata().map_err(text)?.uid() != rustix::process::geteuid().as_raw() {
        return Err("it belongs to another user".to_owned());
    }
    file.set_permissions(fs::Permissions::from_mode(mode)).map_err(text)
}

/// The lock is what proves that nobody lives behind the socket: who has it is the only one.
fn remove_leftovers(socket: &Path) -> Result<(), String> {
    let lock = File::open(socket.with_extension("lock")).map_err(|error| error.to_string())?;
    lock.try_lock().map_err(|_| "a server has the lock again".to_owned())?;
    for path in [socket.to_owned(), socket.with_extension("pid"), socket.with_extension("config")] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.to_string()),
            _ => {}
        }
    }
    Ok(())
}
