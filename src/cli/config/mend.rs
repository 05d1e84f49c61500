//! `--fix`: writes a mended config in the place of the old one, or says why not. What may be mended, `config::fix` decides.
//!
//! Start with [`mend`].

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::config::{Environment, Fixed, fix};
use crate::error::{Code, Error};
use crate::keys::Store;

/// What became of a file.
pub(super) enum Mended {
    /// Nothing in it can be mended safely.
    Nothing,
    /// It was written anew.
    Written(Fixed),
}

/// Mends a file whose bytes are known.
///
/// # Errors
/// When something could be mended, but the file is a link, somebody else's, was changed meanwhile or cannot be written.
pub(super) fn mend(path: &Path, bytes: &[u8], environment: &Environment, store: &Store) -> Result<Mended, Error> {
    let Some(fixed) = fix(bytes, environment, store) else { return Ok(Mended::Nothing) };
    let refused = |what: String| Error::new(Code::ConfigUnreadable, format!("config {} is not mended: {what}", path.display()));
    let failed = |error: std::io::Error| refused(error.to_string()).hint("check the folder's owner, permissions and free space");
    let about = path.symlink_metadata().map_err(failed)?;
    if about.is_symlink() {
        let target = std::fs::read_link(path).map_err(failed)?;
        return Err(refused(format!("it is a link to {}", target.display())).hint("name the file itself"));
    }
    if !about.is_file() {
        return Err(refused("it is no plain file".to_owned()).hint("name a file"));
    }
    // A new file would be ours, and the old name's other links would keep the old bytes.
    if about.uid() != rustix::process::geteuid().as_raw() {
        return Err(refused(format!("it belongs to another user (uid {})", about.uid())).hint("let its owner mend it"));
    }
    if about.nlink() > 1 {
        return Err(refused(format!("it has {} names", about.nlink())).hint("mend it by hand"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    new.write_all(fixed.text.as_bytes()).map_err(failed)?;
    new.as_file().set_permissions(about.permissions()).map_err(failed)?;
    new.as_file().sync_all().map_err(failed)?;
    if std::fs::read(path).map_err(failed)? != bytes {
        return Err(refused("it was changed meanwhile".to_owned()).hint("try again"));
    }
    new.persist(path).map_err(|error| failed(error.error))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(Mended::Written(fixed))
}
