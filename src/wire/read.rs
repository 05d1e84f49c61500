//! Reads JSON text into serde's types, at the speed of [`super::scan`]: for texts that are mostly long strings nobody reads.
//!
//! As strict as serde_json, which still reads every leaf that is wanted decoded; what is kept raw or ignored is passed
//! over here, several times as fast. Start with [`from_str`].

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::scan::string_end;

type Error = serde_json::Error;
type Result<T> = std::result::Result<T, Error>;

/// How deep values may be nested. serde_json reads 128 levels and passes over any number; this passes over so many.
const DEPTH_MAX: usize = 512;

/// The name under which serde_json's raw values ask for their text.
const RAW: &str = "$serde_json::private::RawValue";

/// Reads `text` as a `T`.
///
/// # Errors
/// When it is not JSON, or no `T`.
pub(crate) fn from_str<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T> {
    let mut reader = Reader { text, at: 0, depth_left: DEPTH_MAX };
    let value = T::deserialize(&mut reader)?;
    match reader.next_byte() {
        None => Ok(value),
        Some(_) => Err(reader.fault("something follows the end")),
    }
}

/// Reads the UTF-8 text `bytes` as a `T`.
///
/// # Errors
/// When it is not JSON, or no `T`.
pub(crate) fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T> {
    from_str(std::str::from_utf8(bytes).map_err(Error::custom)?)
}

/// A place in a text.
struct Reader<'de> {
    text: &'de str,
    at: usize,
    depth_left: usize,
}

impl<'de> Reader<'de> {
    fn fault(&self, reason: &str) -> Error {
        Error::custom(format_args!("{reason} at byte {}", self.at))
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The first byte from here that is no white space, having gone there.
    fn next_byte(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    /// Steps over `byte`, after white space.
    fn step_over(&mut self, byte: u8, reason: &str) -> Result<()> {
        if self.next_byte() != Some(byte) {
            return Err(self.fault(reason));
        }
        self.at += 1;
        Ok(())
    }

    /// Steps into an object or array.
    fn enter(&mut self) -> Result<()> {
        self.depth_left = self.depth_left.checked_sub(1).ok_or_else(|| self.fault("the text is nested too deeply"))?;
        self.at += 1;
        Ok(())
    }

    /// Steps over the comma before the next item of an object or array. False: it ends here, and was left.
    fn step(&mut self, is_first: &mut bool, end: u8) -> Result<bool> {
        match self.next_byte() {
            Some(byte) if byte == end => {
                self.at += 1;
                self.depth_left += 1;
                return Ok(false);
            }
            Some(b',') if !*is_first => {
                self.at += 1;
                if self.next_byte() == Some(end) {
                    return Err(self.fault("a comma has nothing behind it"));
                }
            }
            Some(_) if *is_first => {}
            _ => return Err(self.fault("a comma or an end is expected")),
        }
        *is_first = false;
        Ok(true)
    }

    /// Passes over a string. Tells whether it has escapes.
    fn pass_string(&mut self) -> Result<bool> {
        let end = string_end(self.text.as_bytes(), self.at + 1).map_err(|fault| {
            self.at = fault.at;
            self.fault(fault.reason)
        })?;
        self.at = end.at + 1;
        Ok(end.has_escapes)
    }

    /// Passes over any value.
    fn pass(&mut self) -> Result<()> {
        match self.next_byte() {
            Some(b'"') => self.pass_string().map(drop),
            Some(b'{') => {
                self.enter()?;
                let mut is_first = true;
                while self.step(&mut is_first, b'}')? {
                    if self.next_byte() != Some(b'"') {
                        return Err(self.fault("a key is expected"));
                    }
                    self.pass_string()?;
                    self.step_over(b':', "a colon is expected")?;
                    self.pass()?;
                }
                Ok(())
            }
            Some(b'[') => {
                self.enter()?;
                let mut is_first = true;
                while self.step(&mut is_first, b']')? {
                    self.pass()?;
                }
                Ok(())
            }
            Some(b't') => self.pass_word("true"),
            Some(b'f') => self.pass_word("false"),
            Some(b'n') => self.pass_word("null"),
            Some(b'-' | b'0'..=b'9') => self.pass_number(),
            _ => Err(self.fault("a value is expected")),
        }
    }

    fn pass_word(&mut self, word: &str) -> Result<()> {
        if !self.text.as_bytes().get(self.at..).unwrap_or_default().starts_with(word.as_bytes()) {
            return Err(self.fault("a value is expected"));
        }
        self.at += word.len();
        Ok(())
    }

    /// `-`, digits without a leading zero, a fraction, an exponent.
    fn pass_number(&mut self) -> Result<()> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        if self.byte() == Some(b'0') {
            self.at += 1
        } else {
            self.pass_digits()?
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.pass_digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.pass_digits()?;
        }
        Ok(())
    }

    fn pass_digits(&mut self) -> Result<()> {
        let from = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == from { Err(self.fault("a digit is expected")) } else { Ok(()) }
    }

    /// Any value as it stands in the text.
    fn raw(&mut self) -> Result<&'de str> {
        self.next_byte();
        let from = self.at;
        self.pass()?;
        Ok(self.text.get(from..self.at).unwrap_or_default())
    }

    /// A string, decoded only where it must be.
    fn string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        let from = self.at;
        let has_escapes = self.pass_string()?;
        let token = self.text.get(from..self.at).unwrap_or_default();
        if has_escapes {
            return serde_json::Deserializer::from_str(token).deserialize_str(visitor);
        }
        visitor.visit_borrowed_str(token.get(1..token.len().saturating_sub(1)).unwrap_or_default())
    }

    fn object<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        self.enter()?;
        let mut items = Items { reader: self, is_first: true, is_over: false };
        let value = visitor.visit_map(&mut items)?;
        items.finish(b'}').map(|()| value)
    }

    fn array<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        self.enter()?;
        let mut items = Items { reader: self, is_first: true, is_over: false };
        let value = visitor.visit_seq(&mut items)?;
        items.finish(b']').map(|()| value)
    }

    /// Any value that serde_json may read in its own way: a number, a word, an enum.
    fn leaf(&mut self) -> Result<serde_json::Deserializer<serde_json::de::StrRead<'de>>> {
        self.raw().map(serde_json::Deserializer::from_str)
    }
}

/// The rest of an object or array.
struct Items<'r, 'de> {
    reader: &'r mut Reader<'de>,
    is_first: bool,
    is_over: bool,
}

impl Items<'_, '_> {
    fn step(&mut self, end: u8) -> Result<bool> {
        self.is_over = self.is_over || !self.reader.step(&mut self.is_first, end)?;
        Ok(!self.is_over)
    }

    /// A visitor that wanted no more may not have seen the end.
    fn finish(mut self, end: u8) -> Result<()> {
        if self.step(end)? { Err(self.reader.fault("the end of an object or a list is expected")) } else { Ok(()) }
    }
}

impl<'de> MapAccess<'de> for &mut Items<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        if !self.step(b'}')? {
            return Ok(None);
        }
        if self.reader.next_byte() != Some(b'"') {
            return Err(self.reader.fault("a key is expected"));
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        self.reader.step_over(b':', "a colon is expected")?;
        seed.deserialize(&mut *self.reader)
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        if self.step(b']')? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }
}

/// The one member that serde_json's raw values ask for.
struct RawMember<'de>(Option<&'de str>);

impl<'de> MapAccess<'de> for RawMember<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        self.0.map(|_| seed.deserialize(RAW.into_deserializer())).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        seed.deserialize(serde::de::value::BorrowedStrDeserializer::new(self.0.take().unwrap_or_default()))
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.next_byte() {
            Some(b'{') => self.object(visitor),
            Some(b'[') => self.array(visitor),
            Some(b'"') => self.string(visitor),
            _ => self.leaf()?.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.next_byte() != Some(b'n') {
            return visitor.visit_some(self);
        }
        self.pass_word("null")?;
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        if name != RAW {
            return visitor.visit_newtype_struct(self);
        }
        let text = self.raw()?;
        visitor.visit_map(RawMember(Some(text)))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.pass()?;
        visitor.visit_unit()
    }

    fn deserialize_enum<V: Visitor<'de>>(self, name: &'static str, variants: &'static [&'static str], visitor: V) -> Result<V::Value> {
        self.leaf()?.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::de::IgnoredAny;
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::*;
    use crate::wire::json::Members;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Record<'a> {
        #[serde(borrow, default)]
        a: std::borrow::Cow<'a, str>,
        b: Option<Vec<u8>>,
        #[serde(default)]
        c: f64,
    }

    /// What is read here and what serde_json reads, faults as nothing.
    fn same<'de, T: Deserialize<'de> + PartialEq + std::fmt::Debug>(text: &'de str) {
        assert_eq!(from_str::<T>(text).ok(), serde_json::from_str::<T>(text).ok(), "{text:?}");
    }

    fn agrees(text: &str) {
        same::<Value>(text);
        same::<Record<'_>>(text);
        same::<Vec<BTreeMap<String, Option<f64>>>>(text);
        same::<(String, IgnoredAny)>(text);
        assert_eq!(from_str::<IgnoredAny>(text).is_ok(), serde_json::from_str::<IgnoredAny>(text).is_ok(), "{text:?}");
        let raw = |raw: &RawValue| raw.get().to_owned();
        let (ours, theirs) = (from_str::<&RawValue>(text).ok().map(raw), serde_json::from_str::<&RawValue>(text).ok().map(raw));
        assert_eq!(ours, theirs, "{text:?}");
        let members = |members: Members<'_>| members.into_iter().map(|(key, value)| (key.into_owned(), raw(value))).collect::<Vec<_>>();
        let (ours, theirs) = (from_str(text).ok().map(members), serde_json::from_str(text).ok().map(members));
        assert_eq!(ours, theirs, "{text:?}");
    }

    #[test]
    fn hand_picked_texts_read_as_serde_json_reads_them() {
        for text in [
            "",
            " ",
            "{",
            "{}",
            " { } x",
            "{,}",
            "[,]",
            "[1,]",
            "[1 2]",
            "[1,,2]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":\"x\\n\",\"b\":[1,2]}",
            "{\"a\":\"x\",\"a\":\"y\"}",
            "{\"b\":null,\"c\":1e3}",
            "{\"c\":01}",
            "{\"c\":-}",
            "nul",
            "null",
            "true",
            "tru",
            "\"\\ud800\"",
            "\"\\ud83d\\ude00\"",
            "\"\\x\"",
            "\"a\nb\"",
            "\"open",
            "1.5",
            "-0",
            "1.",
            "+1",
            "[\"x\",[[{}]]]",
            "[\"x\",1,2]",
            "[\"x\"]",
            "[\"a\",null,2]",
            "\u{feff}{}",
            "{\"a\\u0062\":1}",
        ] {
            agrees(text);
        }
    }

    #[test]
    fn depth_ends_in_a_fault_and_not_in_a_crash() {
        for depth in [10, 512, 513, 200_000] {
            let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            assert_eq!(from_str::<IgnoredAny>(&text).is_ok(), depth <= DEPTH_MAX, "{depth}");
        }
        assert!(from_str::<Value>(&"{\"a\":".repeat(200_000)).is_err());
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("\"\"".to_owned()),
            Just("\"text \\n é \\\" \\u00e9\"".to_owned()),
            Just(format!("\"{}\"", "long \\\"text\\\" ".repeat(12))),
            "-?[0-9]{1,3}(\\.[0-9]{1,2})?([eE][+-]?[0-9]{1,2})?",
            "(true|false|[0-9])",
        ];
        leaf.prop_recursive(5, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|all| format!("[{}]", all.join(" , "))),
                prop::collection::vec(("[abc]", inner), 0..4).prop_map(|all| {
                    let members: Vec<_> = all.iter().map(|(key, value)| format!("\"{key}\" :{value}")).collect();
                    format!("{{ {} }}", members.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_reads_as_serde_json_reads_it(text in json()) {
            agrees(&text);
        }

        #[test]
        fn damaged_json_does_too(text in json(), at in any::<prop::sample::Index>(), with in "[\\[\\]{},:\"\\\\ x0-9ué\n]{0,2}", cut in 0_usize..3) {
            let at = at.index(text.len() + 1);
            if let (Some(head), Some(tail)) = (text.get(..at), text.get((at + cut).min(text.len())..)) {
                agrees(&format!("{head}{with}{tail}"));
            }
        }
    }
}
