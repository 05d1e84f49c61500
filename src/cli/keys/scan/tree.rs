//! The files of a folder as they are now: what git tracks or would track, else all. Symlinks, binary and huge files are
//! passed over.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::Found;
use super::history::Repository;
use crate::error::{Code, Error};

/// The longest file that is read, in bytes.
const FILE_MAX: u64 = 16 << 20;
/// Where a NUL makes a file a binary one, as git has it.
const BINARY_LOOK: usize = 8000;
/// The deepest folder.
const DEPTH_MAX: usize = 64;

/// Looks through a folder.
pub(super) fn scan(root: &Path, repository: Option<&Repository>, found: &mut Found) -> Result<(), Error> {
    let Some(repository) = repository else {
        let failed = |error: std::io::Error| Error::new(Code::Usage, format!("cannot read {}: {error}", root.display())).caused_by(error);
        return walk(root, "", 0, found).map_err(failed);
    };
    for path in repository.files()? {
        scan_file(&root.join(&path), &path, found);
    }
    Ok(())
}

fn walk(folder: &Path, front: &str, depth: usize, found: &mut Found) -> std::io::Result<()> {
    let mut entries: Vec<std::fs::DirEntry> = std::fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (kind, name) = (entry.file_type()?, entry.file_name());
        let path = format!("{front}{}", name.to_string_lossy());
        if kind.is_file() {
            scan_file(&entry.path(), &path, found);
        } else if kind.is_dir() && name != ".git" {
            let read = if depth < DEPTH_MAX { walk(&entry.path(), &format!("{path}/"), depth + 1, found) } else { Ok(()) };
            if read.is_err() || depth >= DEPTH_MAX {
                found.notes.push(format!("{path} was left out: it cannot be read, or is nested too deep"));
            }
        }
    }
    Ok(())
}

/// Looks through one file, called `path` in the report.
pub(super) fn scan_file(file: &Path, path: &str, found: &mut Found) {
    // A symlink leads to a file of the tree, or to one that is not asked about; a pipe would not end.
    match file.symlink_metadata() {
        Ok(about) if about.is_file() && about.len() <= FILE_MAX => {}
        Ok(about) if about.is_file() => return found.notes.push(format!("{path} was left out: it is longer than 16 MiB")),
        _ => return,
    }
    let mut bytes = Zeroizing::new(Vec::new());
    match File::open(file).and_then(|file| file.take(FILE_MAX).read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) => return found.notes.push(format!("{path} was left out: {error}")),
    }
    found.files += 1;
    if bytes.iter().take(BINARY_LOOK).any(|byte| *byte == 0) {
        return;
    }
    for (index, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
        found.line(line, path, index + 1, None);
    }
}
