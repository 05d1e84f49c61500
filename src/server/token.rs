//! The owner's client token: made at first start, readable by the owner only, shown by `aimux env`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::error::{Code, Error};
use crate::secret::Secret;

/// The token in `folder/client-token`, made when there is none.
///
/// # Errors
/// When the folder or file cannot be made or read, or is open to others.
pub fn load_or_make(folder: &Path) -> Result<Secret, Error> {
    let path = folder.join("client-token");
    let failed = |error: std::io::Error| Error::new(Code::StateFolder, format!("{}: {error}", path.display())).caused_by(error);
    match fs::symlink_metadata(&path) {
        Ok(_) => read(&path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
            make(folder, &path).map_err(failed)?;
            read(&path)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Writes a new token beside, then gives it its name; whoever comes second keeps the first one's.
fn make(folder: &Path, path: &Path) -> std::io::Result<()> {
    let mut random = [0_u8; 32];
    getrandom::fill(&mut random)?;
    let token = random.iter().fold("aimux-".to_owned(), |token, byte| format!("{token}{byte:02x}"));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(token.as_bytes())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => File::open(folder)?.sync_all(),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error),
    }
}

fn read(path: &Path) -> Result<Secret, Error> {
    let failed = |error: std::io::Error| Error::new(Code::StateFolder, format!("{}: {error}", path.display())).caused_by(error);
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let mut file = OpenOptions::new().read(true).custom_flags(no_follow).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.mode() & 0o077 != 0 || metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(Error::new(Code::Permission, format!("{} is open to others", path.display()))
            .hint("chmod 600 it, or remove it: a new one is made"));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    match text.trim() {
        "" => Err(Error::new(Code::StateFolder, format!("{} is empty", path.display())).hint("remove it: a new one is made")),
        token => Ok(Secret::new(token.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_token_is_made_once_and_refused_when_others_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let first = load_or_make(&state).unwrap();
        assert!(first.expose().len() > 64);
        assert!(load_or_make(&state).unwrap().matches(first.expose()));
        fs::set_permissions(state.join("client-token"), fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(load_or_make(&state).unwrap_err().code, Code::Permission);
    }
}
