//! Findings that are known and accepted: test data, a key of history that was replaced long ago. A file of lines, each a
//! fingerprint of key and path, then what it is, for people.
//!
//! It holds no key: a fingerprint is half a SHA-256, and keys are too random to be guessed from it. Start with [`Baseline::read`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::Finding;
use crate::error::{Code, Error};

/// The most bytes of a file.
const BYTES_MAX: u64 = 4 << 20;
/// Hexadecimal digits of a fingerprint.
const DIGITS: usize = 32;

/// What tells a key in a file from every other one, and stays the same when lines move.
pub(super) fn fingerprint(key: &str, path: &str) -> String {
    let mut hash = Sha256::new();
    for part in ["aimux keys scan", path, key] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

/// The accepted fingerprints, and whether each was met.
#[derive(Debug, Default)]
pub(super) struct Baseline(BTreeMap<String, bool>);

impl Baseline {
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::new(Code::Usage, format!("cannot read {}: {error}", path.display())).caused_by(error);
        let mut text = String::new();
        File::open(path).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text)).map_err(failed)?;
        let mut known = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let Some(word) = line.split_whitespace().next().filter(|word| !word.starts_with('#')) else { continue };
            if word.len() != DIGITS || !word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
                let message = format!("line {} of {} begins with no fingerprint", index + 1, path.display());
                return Err(Error::new(Code::Usage, message).hint("`aimux keys scan --write-baseline FILE` makes such a file"));
            }
            known.insert(word.to_owned(), false);
        }
        Ok(Self(known))
    }

    /// Whether a finding is accepted.
    pub(super) fn has(&mut self, fingerprint: &str) -> bool {
        self.0.get_mut(fingerprint).is_some_and(|met| std::mem::replace(met, true) || *met)
    }

    /// How many of its lines fit nothing any more.
    pub(super) fn stale(&self) -> usize {
        self.0.values().filter(|met| !**met).count()
    }
}

/// The file that accepts all of `findings`.
pub(super) fn text(findings: &[Finding]) -> String {
    let head = "# Keys that `aimux keys scan --baseline` passes over: test data, or replaced at their providers. Each was looked at.\n";
    findings.iter().fold(head.to_owned(), |text, finding| {
        let Finding { provider, masked, path, fingerprint, .. } = finding;
        text + &crate::cli::output::printable(&format!("{fingerprint}  {path}  {provider} {masked}")).replace('\n', " ") + "\n"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_tells_keys_and_files_apart_and_no_line() {
        assert_eq!(fingerprint("a", "b").len(), DIGITS);
        assert_eq!(fingerprint("a", "b"), fingerprint("a", "b"));
        assert!(fingerprint("a", "b") != fingerprint("a", "c") && fingerprint("a", "b") != fingerprint("ab", ""));
    }

    #[test]
    fn what_it_met_and_what_is_stale_is_counted() {
        let (one, other) = (fingerprint("a", "b"), fingerprint("c", "d"));
        let mut baseline = Baseline(BTreeMap::from([(one.clone(), false), (other, false)]));
        assert!(baseline.has(&one) && baseline.has(&one) && !baseline.has("x"));
        assert_eq!(baseline.stale(), 1);
    }
}
