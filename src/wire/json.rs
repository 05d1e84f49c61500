//! JSON read without judgement: the members of an object in order, each value raw until somebody asks for its kind.
//!
//! An object remembers which members were asked for, so that a reader can name what it had no use for. Lacks every opinion
//! about what a member means: that is the dialects'. Start with [`Members`].

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Text, read};

/// The members of an object in order, values unread.
pub(crate) struct Members<'a>(Vec<Member<'a>>);

/// One member of an object.
pub(crate) struct Member<'a> {
    name: Cow<'a, str>,
    value: &'a RawValue,
    is_read: Cell<bool>,
}

impl<'a> Members<'a> {
    /// The members of `raw`; `None` when it is no object.
    pub(crate) fn of(raw: &'a RawValue) -> Option<Self> {
        read::from_str(raw.get()).ok()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first member `name`, null or not.
    pub(crate) fn token(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|member| member.name == name).map(Member::read)
    }

    /// The value of the member `name`, unless it is absent or null.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.find(name).map(Member::read)
    }

    /// The member as text, when it is a string.
    pub(crate) fn text(&self, name: &str) -> Option<Text<'a>> {
        let member = self.find(name)?;
        let text = Text::from_raw(member.value)?;
        member.read();
        Some(text)
    }

    /// The member as decoded text, when it is a string.
    pub(crate) fn str(&self, name: &str) -> Option<Cow<'a, str>> {
        self.text(name).map(|text| text.read())
    }

    /// The names of members that nobody has asked for and that say something.
    pub(crate) fn unread(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|member| !member.is_read.get() && says_something(member.value)).map(|member| &*member.name)
    }

    fn find(&self, name: &str) -> Option<&Member<'a>> {
        self.0.iter().find(|member| member.name == name && member.value.get() != "null")
    }
}

impl<'a> Member<'a> {
    fn read(&self) -> &'a RawValue {
        self.is_read.set(true);
        self.value
    }
}

impl<'a> IntoIterator for Members<'a> {
    type Item = (Cow<'a, str>, &'a RawValue);
    type IntoIter = std::iter::Map<std::vec::IntoIter<Member<'a>>, fn(Member<'a>) -> Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().map(|member| (member.name, member.value))
    }
}

/// Whether leaving a value out would change anything: null, false and what is empty stand for nothing.
pub(crate) fn says_something(value: &RawValue) -> bool {
    !matches!(value.get(), "null" | "false" | "[]" | "{}" | "\"\"")
}

/// A member's name, borrowed where it holds no escape.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some((Key(name), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    members.push(Member { name, value, is_read: Cell::new(false) });
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// The items of an array; `None` when `raw` is none.
pub(crate) fn items(raw: &RawValue) -> Option<Vec<&RawValue>> {
    read::from_str(raw.get()).ok()
}

/// A whole number that is not negative, whatever its spelling.
pub(crate) fn count(raw: &RawValue) -> Option<u64> {
    let number: serde_json::Number = serde_json::from_str(raw.get()).ok()?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, which is what is wanted")]
    number.as_u64().or_else(|| number.as_f64().filter(|n| *n >= 0.0).map(|n| n as u64))
}

/// Whether the value is an object.
pub(crate) fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}
