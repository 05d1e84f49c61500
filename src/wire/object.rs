//! Writes JSON straight into bytes: an object member by member, a list item by item, text with its escapes as they came.
//!
//! For bodies and events that are put together from many small decisions; a record of fixed shape is serde's. Lacks any
//! check that keys are unique. Start with [`Object`].

use super::Text;

/// Writes one JSON object, member by member, commas included.
pub(crate) struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_first: bool,
}

impl<'o> Object<'o> {
    /// Opens an object.
    pub(crate) fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_first: true }
    }

    /// Writes the key; the caller writes exactly one value into what comes back.
    pub(crate) fn key(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.is_first {
            self.out.push(b',');
        }
        self.is_first = false;
        string(self.out, name);
        self.out.push(b':');
        self.out
    }

    /// A string member.
    pub(crate) fn str(&mut self, name: &str, value: &str) -> &mut Self {
        string(self.key(name), value);
        self
    }

    /// A text member, its escapes kept as they came.
    pub(crate) fn text(&mut self, name: &str, value: &Text<'_>) -> &mut Self {
        text(self.key(name), value);
        self
    }

    /// A member that is JSON already (or prints as JSON: a number, a boolean).
    pub(crate) fn json(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        use std::io::Write;
        // Writing to a Vec cannot fail.
        let _ = write!(self.key(name), "{value}");
        self
    }

    /// A member that is JSON already, verbatim.
    pub(crate) fn raw(&mut self, name: &str, value: &str) -> &mut Self {
        self.key(name).extend_from_slice(value.as_bytes());
        self
    }

    /// Closes the object.
    pub(crate) fn close(self) {
        self.out.push(b'}');
    }
}

/// Appends a JSON string.
pub(crate) fn string(out: &mut Vec<u8>, value: &str) {
    // Writing a str to a Vec cannot fail.
    let _ = serde_json::to_writer(out, value);
}

/// Appends a text as its JSON string.
pub(crate) fn text(out: &mut Vec<u8>, value: &Text<'_>) {
    match value {
        Text::Escaped(raw) => out.extend_from_slice(raw.get().as_bytes()),
        Text::Plain(plain) => string(out, plain),
    }
}

/// Appends a list, one item per call of `write`.
pub(crate) fn list<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (n, item) in items.into_iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}
