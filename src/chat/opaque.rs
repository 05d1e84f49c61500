//! State that a provider hands out and wants back unchanged: thinking signatures, encrypted reasoning.
//!
//! It belongs to a family of providers and travels to no other. Where a client's dialect has one field for it, a foreign
//! state is wrapped in an envelope of ours, so that it is known again when the client sends it back.

/// A provider's state, with the family that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opaque {
    /// The family, as [`crate::dialect::Quirks::family`] names it; lower-case letters, digits and dashes.
    pub family: String,
    /// The state, verbatim; may be empty, when only the origin is known.
    pub state: String,
}

const PREFIX: &str = "aimux1.";

impl Opaque {
    /// State of `family`.
    pub fn new(family: impl Into<String>, state: impl Into<String>) -> Self {
        Self { family: family.into(), state: state.into() }
    }

    /// The envelope: `aimux1.<family>.<state in hex>`. ASCII without blanks, fit for any JSON string.
    #[must_use]
    pub fn seal(&self) -> String {
        use std::fmt::Write;
        let mut sealed = format!("{PREFIX}{}.", self.family);
        for byte in self.state.bytes() {
            // Writing to a String cannot fail.
            let _ = write!(sealed, "{byte:02x}");
        }
        sealed
    }

    /// Opens an envelope; `None` for anything else, such as a provider's own signature.
    #[must_use]
    pub fn open(sealed: &str) -> Option<Self> {
        let (family, hex) = sealed.strip_prefix(PREFIX)?.split_once('.')?;
        let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect();
        Some(Self::new(family, String::from_utf8(bytes?).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_opens_to_what_was_sealed() {
        let opaque = Opaque::new("zai", "é\"{\u{1F600}");
        assert_eq!(Opaque::open(&opaque.seal()), Some(opaque));
        assert_eq!(Opaque::open("EqoBCkgIARABGAIiQL8…"), None);
        assert_eq!(Opaque::open("aimux1.zai.0"), None);
    }
}
