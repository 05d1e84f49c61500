//! Former keys, `keys/.retired/<name>.<since>[.until-<until>].age`: still encrypted, each with the time when it is deleted.
//!
//! The times stand in the file's name, so that deleting one takes no identity. A file whose name says no end is never
//! deleted. Former identities lie here too, as `.identity.…`, encrypted to the identity that followed.

use std::path::PathBuf;

use super::folder::{Folder, Trust};
use super::{Error, RETIRED, Store, file_name, no_such_key};
use crate::date;
use crate::error::Code;

/// What the file of a former identity is called after: no key can be called so.
pub(super) const IDENTITY: &str = ".identity";
const UNTIL: &str = "until-";

/// How long a former key is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Until somebody deletes it.
    Forever,
    /// So many seconds.
    Seconds(u64),
}

/// A former key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retired {
    /// The key's name; `.identity` for a former identity.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// When it was replaced, in seconds since 1970.
    pub since: u64,
    /// When it is deleted; `None`: never.
    pub until: Option<u64>,
}

impl Store {
    /// The former keys, in the order of their files' names.
    ///
    /// # Errors
    /// When their folder exists and cannot be read, or others can enter it.
    pub fn retired(&self) -> Result<Vec<Retired>, Error> {
        let Some(folder) = self.retired_folder()? else { return Ok(Vec::new()) };
        let mut files = folder.list()?;
        files.sort();
        Ok(files.iter().filter_map(|file| parse(file).map(|parsed| Retired { path: folder.path_of(file), ..parsed })).collect())
    }

    pub(super) fn retired_folder(&self) -> Result<Option<Folder>, Error> {
        Folder::open(&self.folder.join(RETIRED), Trust::Private)
    }

    /// Copies the current key to `.retired`; it stays in place until the new one is renamed over it.
    pub(super) fn retire(&self, folder: &Folder, name: &str, now: u64, keep: Keep) -> Result<PathBuf, Error> {
        let Some(content) = folder.read(&file_name(name))? else { return Err(no_such_key(name)) };
        let retired = Folder::open_or_make(&self.folder.join(RETIRED), Trust::Private)?;
        retired.sweep()?;
        let file = free_name(&retired, name, now, keep)?;
        retired.replace(&file, &content.bytes)?;
        Ok(retired.path_of(&file))
    }

    /// Deletes the former keys whose time is over, and copies of current keys that a killed rotation left. Gives how many
    /// were over. Only for who holds the lock.
    pub(super) fn sweep_retired(&self, folder: &Folder, now: u64) -> Result<usize, Error> {
        let Some(retired) = self.retired_folder()? else { return Ok(0) };
        retired.sweep()?;
        let mut over = 0;
        for file in retired.list()? {
            let Some(parsed) = parse(&file) else { continue };
            let Some(until) = parsed.until else { continue };
            if until <= now {
                over += usize::from(retired.remove(&file)?);
            } else if is_copy(folder, &retired, &parsed.name, &file) {
                retired.remove(&file)?;
            }
        }
        Ok(over)
    }
}

/// Whether a former key is the current one: two encryptions are never equal, so it is a copy made for a switch that did
/// not happen. What cannot be read is left alone.
fn is_copy(folder: &Folder, retired: &Folder, name: &str, file: &str) -> bool {
    let current = folder.read(&file_name(name)).ok().flatten();
    let former = retired.read(file).ok().flatten();
    current.zip(former).is_some_and(|(current, former)| current.bytes == former.bytes)
}

/// A name that no file has yet.
pub(super) fn free_name(retired: &Folder, name: &str, now: u64, keep: Keep) -> Result<String, Error> {
    let until = match keep {
        Keep::Forever => String::new(),
        Keep::Seconds(seconds) => format!(".{UNTIL}{}", stamp(now.saturating_add(seconds))),
    };
    let base = format!("{name}.{}{until}", stamp(now));
    let free = (0..1000).map(|count| if count == 0 { format!("{base}.age") } else { format!("{base}-{count}.age") });
    free.into_iter()
        .find(|file| !retired.has(file))
        .ok_or_else(|| Error::new(Code::KeyStore, format!("too many former keys \"{name}\" of this second")))
}

/// `20251121T143736Z`: a date without what some file systems do not take.
fn stamp(seconds: u64) -> String {
    date::rfc3339(seconds).chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

/// Reads a stamp, with the count behind it if there is one.
fn parse_stamp(text: &str) -> Option<u64> {
    let stamp = text.get(..16)?;
    let count = text.get(16..)?;
    if !count.is_empty() && count.strip_prefix('-')?.parse::<u16>().is_err() {
        return None;
    }
    let part = |from: usize, to: usize| stamp.get(from..to);
    date::parse(&format!("{}-{}-{}:{}:{}", part(0, 4)?, part(4, 6)?, part(6, 11)?, part(11, 13)?, part(13, 16)?))
}

fn parse(file: &str) -> Option<Retired> {
    let (rest, last) = file.strip_suffix(".age")?.rsplit_once('.')?;
    let (name, since, until) = match last.strip_prefix(UNTIL) {
        Some(until) => {
            let (name, since) = rest.rsplit_once('.')?;
            (name, parse_stamp(since)?, Some(parse_stamp(until)?))
        }
        None => (rest, parse_stamp(last)?, None),
    };
    Some(Retired { name: name.to_owned(), path: PathBuf::new(), since, until })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_in_a_name_are_read_back() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open_or_make(&root.path().join("retired"), Trust::Private).unwrap();
        for (keep, until) in [(Keep::Forever, None), (Keep::Seconds(86_400), Some(1_763_822_256)), (Keep::Seconds(0), Some(1_763_735_856))]
        {
            for round in 0..3 {
                let file = free_name(&folder, "zai.coding-2", 1_763_735_856, keep).unwrap();
                let parsed = parse(&file).unwrap_or_else(|| panic!("{round}: {file}"));
                assert_eq!((parsed.name.as_str(), parsed.since, parsed.until), ("zai.coding-2", 1_763_735_856, until), "{file}");
                folder.replace(&file, b"x").unwrap();
            }
        }
        for file in [
            "",
            "zai.age",
            "zai.2025.age",
            "zai.20251121T143736Z",
            "zai.until-20251121T143736Z.age",
            "zai.20251121T143736Z-x.age",
            "é.é.age",
        ] {
            assert_eq!(parse(file), None, "{file}");
        }
    }
}
