//! Key files, their folder, the identity: rights, owners, and whether what is there opens.
//!
//! No passphrase is asked for here: a protected identity is left closed, and said to be.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::At;
use super::finding::{Finding, Fix, Group, quoted};
use crate::cli::program::in_path;
use crate::error::{Code, Error};

/// What other users may not do to a file or folder of ours.
const OTHERS: u32 = 0o077;

pub(super) fn check(at: &At<'_>) -> Vec<Finding> {
    let mut found = rights(at);
    let is_unsafe = !found.is_empty();
    if let Some(opened) = opened(at, is_unsafe) {
        found.extend(opened);
    }
    found
}

/// What is wrong with the rights; empty: nothing.
fn rights(at: &At<'_>) -> Vec<Finding> {
    let folder = &at.store.folder;
    let mut found = Vec::new();
    if let Ok(about) = fs::symlink_metadata(folder) {
        found.extend(private(folder, &about, "key-folder", 0o700));
    }
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_key = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.ends_with(".age") || name == ".age-recipients"
    };
    let mut files: Vec<_> = files.filter(is_key).collect();
    files.sort();
    files.push(at.store.identity.clone());
    for file in files {
        // A service's credential has the rights that its manager gives it.
        let is_given = at.environment.get("CREDENTIALS_DIRECTORY").is_some_and(|folder| file.starts_with(folder));
        if let (Ok(about), false) = (fs::symlink_metadata(&file), is_given) {
            found.extend(private(&file, &about, "key-file", 0o600));
        }
    }
    found
}

/// A finding, unless a path is ours alone.
pub(super) fn private(path: &Path, about: &Metadata, check: &'static str, mode: u32) -> Option<Finding> {
    let group = if check == "state-file" { Group::State } else { Group::Keys };
    let shown = path.display();
    if about.file_type().is_symlink() {
        let why = "whoever may change the link decides what is read; aimux refuses it";
        return Some(Finding::error(group, check, format!("{shown} is a symlink")).why(why).mend(format!("ls -l {}", quoted(path))));
    }
    if about.uid() != rustix::process::geteuid().as_raw() {
        let found = Finding::error(group, check, format!("{shown} belongs to user {}, not to you", about.uid()));
        return Some(found.why("its owner can exchange it").mend(format!("sudo chown \"$(id -u)\" {}", quoted(path))));
    }
    let is = about.permissions().mode() & 0o777;
    if is & OTHERS == 0 {
        return None;
    }
    let found = Finding::error(group, check, format!("others can get at {shown} (mode {is:o})"));
    Some(found.why("aimux does not use it until it is its owner's alone").fix(Fix::Mode(path.to_owned(), mode)))
}

/// Whether the identity opens, and what it opens.
fn opened(at: &At<'_>, is_unsafe: bool) -> Option<Vec<Finding>> {
    let names = match at.store.names() {
        Ok(names) => names,
        // What is wrong with the folder has been said.
        Err(_) if is_unsafe => return None,
        Err(error) => return Some(vec![closed("key-folder", &error)]),
    };
    let count = format!("{} key file{}", names.len(), if names.len() == 1 { "" } else { "s" });
    match at.store.protected() {
        Ok(None) if names.is_empty() => {
            return Some(vec![Finding::ok(Group::Keys, "identity", "there are no key files, and no identity to open any")]);
        }
        Ok(Some(true)) => {
            let what = format!("a passphrase protects the identity; the {count} were not opened");
            return Some(vec![Finding::ok(Group::Keys, "identity", what)]);
        }
        Err(_) if is_unsafe => return None,
        _ => {}
    }
    if let Some(missing) = missing_plugins(at) {
        return Some(vec![missing]);
    }
    // A plugin may want a finger on a token: that is not for a check.
    if at.store.plugins().is_ok_and(|plugins| !plugins.is_empty()) {
        let what = format!("the identity is a plugin's, which is in PATH; the {count} were not opened");
        return Some(vec![Finding::ok(Group::Keys, "identity", what)]);
    }
    let mut never = || Err(Error::new(Code::KeyUnavailable, "the identity is protected by a passphrase"));
    let opener = match at.store.opener(&mut never) {
        Ok(opener) => opener,
        Err(_) if is_unsafe => return None,
        Err(error) => return Some(vec![closed("identity", &error)]),
    };
    let failures: Vec<(&String, Error)> = names.iter().filter_map(|name| Some((name, opener.read(name).err()?))).collect();
    let mut found: Vec<Finding> = failures
        .iter()
        .filter(|(_, error)| !(is_unsafe && error.code == Code::Permission))
        .map(|(name, error)| closed("key-file", error).mend(format!("aimux keys add {name} --force")))
        .collect();
    if failures.is_empty() {
        found.push(Finding::ok(Group::Keys, "identity", format!("{} opens {count}", at.store.identity.display())));
    }
    Some(found)
}

fn closed(check: &'static str, error: &Error) -> Finding {
    Finding::error(Group::Keys, check, &error.message).why(error.advice())
}

fn missing_plugins(at: &At<'_>) -> Option<Finding> {
    let plugins = at.store.plugins().ok()?;
    let missing = plugins.iter().map(|plugin| format!("age-plugin-{plugin}")).find(|name| in_path(name, at.environment).is_none())?;
    let found = Finding::error(Group::Keys, "identity", format!("the identity needs {missing}, which is not in PATH"));
    Some(found.why("without it no key can be opened; install it, or add its folder to PATH"))
}
