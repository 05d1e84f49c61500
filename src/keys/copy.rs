//! Key files as they lie there, still encrypted: copied into a backup and put back. Nothing is opened.

use std::path::Path;

use super::folder::{Folder, Trust};
use super::{Keep, RECIPIENTS, Store, file_name};
use crate::error::Error;

/// What [`Store::put_back`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PutBack {
    /// The keys whose files were written; a former file of the name went to `.retired`.
    pub written: Vec<String>,
    /// Those whose file is the same already.
    pub same: Vec<String>,
}

impl Store {
    /// Copies every key file and the list of recipients into a folder, made with mode 0700. The identity stays where it is,
    /// former keys too. Returns the keys' names, sorted.
    ///
    /// # Errors
    /// When a file is unsafe, or one cannot be read or written.
    pub fn copy_into(&self, folder: &Path) -> Result<Vec<String>, Error> {
        let names = self.names()?;
        let Some(own) = Folder::open(&self.folder, Trust::Private)? else { return Ok(names) };
        let copy = Folder::open_or_make(folder, Trust::Private)?;
        let files = names.iter().map(|name| file_name(name)).chain([RECIPIENTS.to_owned()]);
        for file in files {
            if let Some(content) = own.read(&file)? {
                copy.replace(&file, &content.bytes)?;
            }
        }
        Ok(names)
    }

    /// Puts the key files of another store into this one. A key that is there with another content is retired first; keys
    /// that the other store lacks stay. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// When a file is unsafe, or one cannot be read or written.
    pub fn put_back(&self, from: &Self, now: u64) -> Result<PutBack, Error> {
        let mut done = PutBack::default();
        let Some(source) = Folder::open(&from.folder, Trust::Private)? else { return Ok(done) };
        let folder = Folder::open_or_make(&self.folder, Trust::Private)?;
        let _lock = folder.lock()?;
        for name in from.names()? {
            let file = file_name(&name);
            let Some(content) = source.read(&file)? else { continue };
            let present = folder.read(&file)?;
            if present.as_ref().is_some_and(|present| present.bytes == content.bytes) {
                done.same.push(name);
                continue;
            }
            if present.is_some() {
                self.retire(&folder, &name, now, Keep::Forever)?;
            }
            folder.replace(&file, &content.bytes)?;
            done.written.push(name);
        }
        if !folder.has(RECIPIENTS)
            && let Some(content) = source.read(RECIPIENTS)?
        {
            folder.replace(RECIPIENTS, &content.bytes)?;
        }
        Ok(done)
    }
}
