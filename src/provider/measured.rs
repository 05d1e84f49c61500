//! What providers were found to do, by `aimux doctor --live`: a file that people can read, and that routing goes by.
//!
//! A finding is of one model at one address: another address is another server. It goes before the built-in catalog, and the config
//! before it. It lacks the measuring, which is the doctor's. Start with [`Measured::load`].

use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::models::Known;
use crate::date;
use crate::error::{Code, Error};

/// The file's name in the state folder.
pub const FILE: &str = "measured.json";
/// After so many days a finding is told to be old: providers exchange models under the same name.
pub const OLD_DAYS: u64 = 30;
/// Taking tools.
pub const TOOLS: &str = "tools";
/// Thinking.
pub const THINKING: &str = "thinking";
/// Seeing images.
pub const IMAGES: &str = "images";
/// Enforcing schemas of answers.
pub const STRUCTURED: &str = "structured";
/// The form of the file.
const VERSION: u32 = 1;
/// The most bytes of the file.
const FILE_MAX: u64 = 16 << 20;
/// The most models that are kept; those that were measured longest ago go first.
const TARGETS_MAX: usize = 1000;

/// All that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    version: u32,
    /// By provider, model and address.
    targets: Vec<MeasuredTarget>,
}

/// What was found of one model at one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasuredTarget {
    /// The provider's name in the config.
    pub provider: String,
    /// The model, in the provider's words.
    pub model: String,
    /// The dialect, in the config's word.
    pub dialect: String,
    /// Where it was asked.
    pub base_url: String,
    /// By what was looked at, each once.
    pub findings: Vec<MeasuredFinding>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasuredFinding {
    /// What: [`TOOLS`] and the like; docs/troubleshooting.md has them all.
    pub ability: String,
    /// Whether it does that.
    pub supported: bool,
    /// When, as RFC 3339 has it.
    pub measured: String,
    /// By which version of aimux.
    pub aimux: String,
    /// What was seen.
    pub why: String,
}

impl Default for Measured {
    fn default() -> Self {
        Self { version: VERSION, targets: Vec::new() }
    }
}

impl Measured {
    /// What a file keeps; nothing where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is not what [`Measured::save`] writes.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let failed = |what: String| {
            Error::new(Code::StateFolder, format!("what was measured of providers, {}, cannot be read: {what}", path.display()))
                .hint("move the file away; `aimux doctor --live` measures anew")
        };
        let mut bytes = Vec::new();
        match std::fs::File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(error.to_string())),
            Ok(file) => file.take(FILE_MAX).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?,
        };
        let read: Self = serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
        if read.version == VERSION { Ok(read) } else { Err(failed(format!("its form {} is not known", read.version))) }
    }

    /// Replaces the file in one step, for its owner alone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let write = || -> std::io::Result<()> {
            let folder = path.parent().unwrap_or(Path::new("/"));
            std::os::unix::fs::DirBuilderExt::mode(std::fs::DirBuilder::new().recursive(true), 0o700).create(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            let mut text = serde_json::to_vec_pretty(self)?;
            text.push(b'\n');
            file.write_all(&text)?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok(())
        };
        write().map_err(|error| {
            Error::new(Code::StateFolder, format!("what was measured, {}, cannot be written: {error}", path.display())).caused_by(error)
        })
    }

    /// Puts what was found now in the place of what was found before; what was not looked at now stays.
    pub fn put(&mut self, new: MeasuredTarget) {
        match self.targets.iter_mut().find(|old| old.is_of(&new.provider, &new.base_url, &new.model)) {
            Some(old) => {
                old.findings.retain(|finding| new.finding(&finding.ability).is_none());
                old.findings.extend(new.findings);
                old.findings.sort_by(|a, b| a.ability.cmp(&b.ability));
                old.dialect = new.dialect;
            }
            None => self.targets.push(new),
        }
        let key = |target: &MeasuredTarget| [target.provider.clone(), target.model.clone(), target.base_url.clone()];
        self.targets.sort_by_key(key);
        while self.targets.len() > TARGETS_MAX {
            let oldest = self.targets.iter().enumerate().min_by_key(|(_, target)| target.newest_s()).map_or(0, |(at, _)| at);
            self.targets.remove(oldest);
        }
    }

    /// Everything, by provider, model and address.
    #[must_use]
    pub fn targets(&self) -> &[MeasuredTarget] {
        &self.targets
    }

    /// What was found of a provider's models at these addresses.
    pub fn of<'a>(&'a self, provider: &'a str, base_urls: &'a [&'a str]) -> impl Iterator<Item = &'a MeasuredTarget> {
        self.targets.iter().filter(move |target| target.provider == provider && base_urls.contains(&target.base_url.as_str()))
    }
}

impl MeasuredTarget {
    /// Whether it is of this model at this address.
    #[must_use]
    pub fn is_of(&self, provider: &str, base_url: &str, model: &str) -> bool {
        self.provider == provider && self.base_url == base_url && self.model == model
    }

    /// What was found of one ability.
    #[must_use]
    pub fn finding(&self, ability: &str) -> Option<&MeasuredFinding> {
        self.findings.iter().find(|finding| finding.ability == ability)
    }

    /// The same as what the catalog would say.
    #[must_use]
    pub fn known(&self) -> Known {
        let said = |ability| self.finding(ability).map(|finding| finding.supported);
        Known { tools: said(TOOLS), reasoning: said(THINKING), structured: said(STRUCTURED), images: said(IMAGES), ..Known::NOTHING }
    }

    /// When it was last measured, in seconds since 1970; 0: its dates cannot be read.
    #[must_use]
    pub fn newest_s(&self) -> u64 {
        self.findings.iter().filter_map(|finding| date::parse(&finding.measured)).max().unwrap_or(0)
    }
}

impl MeasuredFinding {
    /// The day of it, `2026-11-22`.
    #[must_use]
    pub fn day(&self) -> &str {
        self.measured.get(..10).unwrap_or(&self.measured)
    }

    /// Days since then; `None`: its date cannot be read.
    #[must_use]
    pub fn age_days(&self, now_s: u64) -> Option<u64> {
        date::parse(&self.measured).map(|then| now_s.saturating_sub(then) / 86_400)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn finding(ability: &str, supported: bool, measured: &str) -> MeasuredFinding {
        let text = |text: &str| text.to_owned();
        MeasuredFinding { ability: text(ability), supported, measured: text(measured), aimux: text("0.1.0"), why: text("because") }
    }

    fn target(model: &str, findings: Vec<MeasuredFinding>) -> MeasuredTarget {
        let text = |text: &str| text.to_owned();
        MeasuredTarget { provider: text("zai"), model: text(model), dialect: text("openai-chat"), base_url: text("http://a"), findings }
    }

    #[test]
    fn what_is_saved_is_read_again_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join(FILE);
        assert_eq!(Measured::load(&path).unwrap(), Measured::default());
        let mut all = Measured::default();
        all.put(target("m", vec![finding(TOOLS, true, "2026-11-22T01:02:03Z")]));
        all.save(&path).unwrap();
        assert_eq!(Measured::load(&path).unwrap(), all);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        for text in ["", "{}", r#"{"version":2,"targets":[]}"#, "[1]"] {
            std::fs::write(&path, text).unwrap();
            assert!(Measured::load(&path).unwrap_err().message.contains("measured.json"), "{text}");
        }
    }

    #[test]
    fn what_was_not_looked_at_again_stays() {
        let mut all = Measured::default();
        all.put(target("m", vec![finding(IMAGES, false, "2026-01-01T00:00:00Z"), finding(TOOLS, false, "2026-01-01T00:00:00Z")]));
        all.put(target("m", vec![finding(TOOLS, true, "2026-11-22T00:00:00Z")]));
        let [one] = all.targets() else { panic!("{all:?}") };
        assert_eq!(one.known(), Known { tools: Some(true), images: Some(false), ..Known::NOTHING });
        assert_eq!(one.finding(IMAGES).unwrap().day(), "2026-01-01");
        assert_eq!(one.finding(IMAGES).unwrap().age_days(date::parse("2026-11-22T00:00:00Z").unwrap()), Some(325));
        assert_eq!(all.of("zai", &["http://b"]).count() + all.of("other", &["http://a"]).count(), 0);
        assert_eq!(all.of("zai", &["http://b", "http://a"]).count(), 1);
    }

    #[test]
    fn the_file_does_not_grow_without_end() {
        let mut all = Measured::default();
        for number in 0..TARGETS_MAX + 2 {
            let day = if number == 7 { "2020-01-01T00:00:00Z" } else { "2026-01-01T00:00:00Z" };
            all.put(target(&format!("m{number}"), vec![finding(TOOLS, true, day)]));
        }
        assert_eq!(all.targets().len(), TARGETS_MAX);
        assert!(all.targets().iter().all(|target| target.model != "m7"), "the one that was measured longest ago");
    }
}
