//! A change of identity or recipients that is under way, as the disk has it: `keys/.rotation`, lines of `field: value`.
//!
//! It is written before the change and deleted last of all. Start with [`Journal`].

use crate::error::Error;
use crate::keys::folder::Folder;

pub(super) const JOURNAL: &str = ".rotation";

/// What is under way, on the disk.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::keys) struct Journal {
    /// The public key of the identity that is put into place; `None`: the recipients alone change.
    pub(in crate::keys) identity: Option<String>,
    pub(in crate::keys) add: Vec<String>,
    pub(in crate::keys) drop: Vec<String>,
    /// The file of the former identity.
    pub(in crate::keys) former: Option<String>,
}

impl Journal {
    fn text(&self) -> String {
        let mut text = "# aimux is exchanging the keys' recipients; the next `aimux keys` command ends it\n".to_owned();
        let rows = [("identity", self.identity.as_slice()), ("add", &self.add), ("drop", &self.drop), ("former", self.former.as_slice())];
        for (field, values) in rows {
            values.iter().for_each(|value| text.push_str(&format!("{field}: {value}\n")));
        }
        text
    }

    fn parse(text: &str) -> Self {
        let mut journal = Self::default();
        for (field, value) in text.lines().filter_map(|line| line.split_once(": ")) {
            let value = value.trim().to_owned();
            match field {
                "identity" => journal.identity = Some(value),
                "add" => journal.add.push(value),
                "drop" => journal.drop.push(value),
                "former" => journal.former = Some(value),
                _ => {}
            }
        }
        journal
    }

    pub(super) fn read(folder: &Folder) -> Result<Option<Self>, Error> {
        Ok(folder.read(JOURNAL)?.map(|content| Self::parse(&String::from_utf8_lossy(&content.bytes))))
    }

    pub(in crate::keys) fn write(&self, folder: &Folder) -> Result<(), Error> {
        folder.replace(JOURNAL, self.text().as_bytes())
    }
}
