//! A shallow look into a request body: the few members that routing and same-dialect relays need, with their places.
//!
//! One pass over the bytes, strict about JSON (a body that passes here parses everywhere), with no tree and no copy.
//! It knows no dialect: `messages[].content[]` is looked at wherever it occurs. Start with [`peek`].

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use super::Text;

/// What the gateway reads of a body on its way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peek {
    /// The decoded `model`.
    pub model: String,
    /// Where the model's JSON string token stands in the body, quotes included.
    pub model_at: Range<usize>,
    /// `stream`, false when absent.
    pub stream: bool,
    /// Our own envelopes and empty keep-alive blocks coming back: spans to cut out, in order, not overlapping, each
    /// with the comma that must go with it.
    pub cuts: Vec<Range<usize>>,
    /// Bytes inside base64 strings, which count little as tokens.
    pub base64_bytes: usize,
    /// Images in the body.
    pub images: usize,
}

/// Why a body cannot be looked into.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeekError {
    /// Not JSON; the byte offset of the fault and what is wrong there.
    #[error("the body is not JSON: {reason} at byte {at}")]
    Syntax {
        /// Byte offset.
        at: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// JSON, but no object.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// A required member is missing, doubled or of the wrong type.
    #[error("{0}")]
    Member(&'static str),
    /// Nested deeper than the limit.
    #[error("the body is nested deeper than {0}")]
    TooDeep(usize),
}

/// Looks into `body`, without copying it. `depth_max` bounds the nesting of objects and arrays; more than 512 is read as 512.
///
/// # Errors
/// When the body is no JSON object, has no `model` string, or has two.
pub fn peek(body: &[u8], depth_max: usize) -> Result<Peek, PeekError> {
    if let Err(error) = std::str::from_utf8(body) {
        return Err(PeekError::Syntax { at: error.valid_up_to(), reason: "the text is not UTF-8" });
    }
    let mut scanner =
        Scanner { body, at: 0, depth_left: depth_max.min(DEPTH_MAX), depth_max: depth_max.min(DEPTH_MAX), seen: Peek::default() };
    let fault = scanner.body()?;
    match fault {
        Some(fault) => Err(fault),
        None => Ok(scanner.seen),
    }
}

/// The scanner recurses once per level, so the stack bounds the depth whatever the config says.
const DEPTH_MAX: usize = 512;

/// How envelopes of ours begin; see [`crate::chat::Opaque::seal`].
const ENVELOPE: &[u8] = b"aimux1.";

/// The state of the pass. Each method consumes exactly one JSON thing, from its first byte to just behind its last.
struct Scanner<'a> {
    body: &'a [u8],
    at: usize,
    depth_left: usize,
    depth_max: usize,
    seen: Peek,
}

/// A string as it stands in the body.
#[derive(Clone, Copy)]
struct Token<'a> {
    /// What is between the quotes, still escaped.
    inner: &'a [u8],
    has_escapes: bool,
}

impl<'a> Token<'a> {
    /// The decoded bytes. Only escaped ones, which are rare for the members looked at, are copied.
    fn decoded(self) -> Cow<'a, [u8]> {
        if !self.has_escapes {
            return Cow::Borrowed(self.inner);
        }
        let quoted = [b"\"", self.inner, b"\""].concat();
        let text = serde_json::from_slice::<Text<'_>>(&quoted).map(|text| text.read().into_owned()).unwrap_or_default();
        Cow::Owned(text.into_bytes())
    }
}

/// The value of a `type` member, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    RedactedThinking,
    Image,
    Base64,
    Other,
}

impl Kind {
    fn of(name: &[u8]) -> Self {
        match name {
            b"text" => Self::Text,
            b"thinking" => Self::Thinking,
            b"redacted_thinking" => Self::RedactedThinking,
            b"image" | b"image_url" | b"input_image" => Self::Image,
            b"base64" => Self::Base64,
            _ => Self::Other,
        }
    }
}

impl<'a> Scanner<'a> {
    /// The whole body. A fault of meaning is given back rather than raised, so that a fault of syntax further on wins.
    fn body(&mut self) -> Result<Option<PeekError>, PeekError> {
        let fault = if self.next_byte() == Some(b'{') {
            self.top()?.map(PeekError::Member)
        } else {
            self.value()?;
            Some(PeekError::NotAnObject)
        };
        match self.next_byte() {
            None => Ok(fault),
            Some(_) => Err(self.syntax("something follows the end")),
        }
    }

    /// The outermost object.
    fn top(&mut self) -> Result<Option<&'static str>, PeekError> {
        let (mut models, mut streams, mut fault) = (0, 0, None);
        self.object(|scanner, key| {
            match key {
                b"model" => {
                    models += 1;
                    let from = scanner.at;
                    match scanner.string_or_value()? {
                        Some(token) => {
                            scanner.seen.model = String::from_utf8_lossy(&token.decoded()).into_owned();
                            scanner.seen.model_at = from..scanner.at;
                        }
                        None => fault = Some("model is not a string"),
                    }
                }
                b"stream" => {
                    streams += 1;
                    match scanner.next_byte() {
                        Some(first @ (b't' | b'f' | b'n')) => scanner.seen.stream = first == b't',
                        _ => fault = Some("stream is not true or false"),
                    }
                    scanner.value()?;
                }
                b"messages" if scanner.next_byte() == Some(b'[') => {
                    scanner.array(Self::message)?;
                }
                _ => scanner.value()?,
            }
            Ok(())
        })?;
        Ok(match (models, streams) {
            (0, _) => Some("model is missing"),
            (1, 0 | 1) => fault,
            (1, _) => Some("two members are called stream"),
            _ => Some("two members are called model"),
        })
    }

    /// An element of `messages`. True: it is an assistant's and nothing in it is for the upstream, so it goes as a whole.
    ///
    /// An empty `content` would be refused, and so would one that holds only an empty text. Leaving the turn out is safe:
    /// neighbours of the same role are allowed, and a turn in which only another provider thought says nothing. Turns of
    /// other roles are not ours to mend.
    fn message(&mut self) -> Result<bool, PeekError> {
        if self.next_byte() != Some(b'{') {
            return self.value().map(|()| false);
        }
        let cuts_before = self.seen.cuts.len();
        let (mut is_assistant, mut is_emptied) = (false, false);
        self.object(|scanner, key| {
            match key {
                b"role" => is_assistant = scanner.string_or_value()?.is_some_and(|role| *role.decoded() == *b"assistant"),
                b"content" if scanner.next_byte() == Some(b'[') => is_emptied = scanner.array(Self::block)?,
                b"content" => {
                    is_emptied = false;
                    scanner.value()?;
                }
                _ => scanner.value()?,
            }
            Ok(())
        })?;
        if !is_assistant {
            self.seen.cuts.truncate(cuts_before);
        }
        Ok(is_assistant && is_emptied)
    }

    /// An element of a message's `content`. True: it is ours and must not go upstream.
    fn block(&mut self) -> Result<bool, PeekError> {
        if self.next_byte() == Some(b'{') { self.record() } else { self.value().map(|()| false) }
    }

    /// Any object below a message's own level. True: as a content block it would be one of ours.
    fn record(&mut self) -> Result<bool, PeekError> {
        let mut kind = Kind::Other;
        let (mut data_bytes, mut is_empty, mut signature_is_ours, mut data_is_ours) = (0, false, false, false);
        self.object(|scanner, key| {
            match key {
                b"type" => kind = scanner.string_or_value()?.map_or(Kind::Other, |token| Kind::of(&token.decoded())),
                b"text" => is_empty = scanner.string_or_value()?.is_some_and(|token| token.inner.is_empty()),
                b"signature" => signature_is_ours = scanner.string_or_value()?.is_some_and(|token| token.inner.starts_with(ENVELOPE)),
                b"data" => {
                    let token = scanner.string_or_value()?;
                    data_bytes = token.map_or(0, |token| token.inner.len());
                    data_is_ours = token.is_some_and(|token| token.inner.starts_with(ENVELOPE));
                }
                _ => scanner.value()?,
            }
            Ok(())
        })?;
        match kind {
            Kind::Base64 => self.seen.base64_bytes += data_bytes,
            Kind::Image => self.seen.images += 1,
            _ => {}
        }
        Ok(match kind {
            Kind::Text => is_empty,
            Kind::Thinking => signature_is_ours,
            Kind::RedactedThinking => data_is_ours,
            Kind::Image | Kind::Base64 | Kind::Other => false,
        })
    }

    /// Any value.
    fn value(&mut self) -> Result<(), PeekError> {
        match self.next_byte() {
            Some(b'"') => {
                let token = self.string()?;
                if token.inner.starts_with(b"data:") {
                    let head = token.inner.get(..token.inner.len().min(128)).unwrap_or_default();
                    if memchr::memmem::find(head, b";base64,").is_some() {
                        self.seen.base64_bytes += token.inner.len();
                    }
                }
                Ok(())
            }
            Some(b'{') => self.record().map(drop),
            Some(b'[') => self.array(|scanner| scanner.value().map(|()| false)).map(drop),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => Err(self.syntax("a value is expected")),
            None => Err(self.syntax("the text ends early")),
        }
    }

    /// Any value; the token when it is a string.
    fn string_or_value(&mut self) -> Result<Option<Token<'a>>, PeekError> {
        if self.next_byte() == Some(b'"') { self.string().map(Some) } else { self.value().map(|()| None) }
    }

    /// An object. `member` gets each decoded key, standing on the first byte of the value, and consumes the value.
    fn object(&mut self, mut member: impl FnMut(&mut Self, &[u8]) -> Result<(), PeekError>) -> Result<(), PeekError> {
        self.enter()?;
        if self.next_byte() != Some(b'}') {
            loop {
                if self.next_byte() != Some(b'"') {
                    return Err(self.syntax("a key is expected"));
                }
                let key = self.string()?;
                if self.next_byte() != Some(b':') {
                    return Err(self.syntax("a colon is expected"));
                }
                self.at += 1;
                self.next_byte();
                member(self, &key.decoded())?;
                match self.next_byte() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => break,
                    _ => return Err(self.syntax("a comma or the end of an object is expected")),
                }
            }
        }
        self.leave();
        Ok(())
    }

    /// An array. `element` consumes an element and says whether it is to be cut; a cut takes the comma with it that keeps
    /// the array valid. True: there are elements, and all would go: then none is cut, and the caller decides.
    fn array(&mut self, element: impl Fn(&mut Self) -> Result<bool, PeekError>) -> Result<bool, PeekError> {
        self.enter()?;
        // Where a run of cut elements began, and where the last kept one and the last of all ended.
        let (mut run_from, mut kept_to, mut last_to) = (None, None, self.at);
        if self.next_byte() != Some(b']') {
            loop {
                self.next_byte();
                let from = self.at;
                let cuts_before = self.seen.cuts.len();
                if element(self)? {
                    self.seen.cuts.truncate(cuts_before);
                    run_from.get_or_insert(from);
                } else {
                    if let Some(run_from) = run_from.take() {
                        self.seen.cuts.insert(cuts_before, run_from..from);
                    }
                    kept_to = Some(self.at);
                }
                last_to = self.at;
                match self.next_byte() {
                    Some(b',') => self.at += 1,
                    Some(b']') => break,
                    _ => return Err(self.syntax("a comma or the end of an array is expected")),
                }
            }
        }
        self.leave();
        if let (Some(_), Some(kept_to)) = (run_from, kept_to) {
            self.seen.cuts.push(kept_to..last_to);
        }
        Ok(run_from.is_some() && kept_to.is_none())
    }

    /// Steps into an object or array.
    fn enter(&mut self) -> Result<(), PeekError> {
        self.depth_left = self.depth_left.checked_sub(1).ok_or(PeekError::TooDeep(self.depth_max))?;
        self.at += 1;
        Ok(())
    }

    /// Steps out of an object or array.
    fn leave(&mut self) {
        self.depth_left += 1;
        self.at += 1;
    }

    /// A string, from quote to quote.
    fn string(&mut self) -> Result<Token<'a>, PeekError> {
        let from = self.at + 1;
        let mut has_escapes = false;
        self.at = from;
        loop {
            self.at = plain_end(self.body, self.at);
            match self.body.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    has_escapes = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.syntax("a string holds a control character")),
                None => return Err(self.syntax("a string does not end")),
            }
        }
        let inner = self.body.get(from..self.at).unwrap_or_default();
        self.at += 1;
        Ok(Token { inner, has_escapes })
    }

    /// One escape. Surrogates need not pair: JSON's grammar does not ask for it.
    fn escape(&mut self) -> Result<(), PeekError> {
        let taken = match self.body.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => match self.body.get(self.at + 2..self.at + 6) {
                Some(hex) if hex.iter().all(u8::is_ascii_hexdigit) => 6,
                _ => return Err(self.syntax("an escape is not valid")),
            },
            _ => return Err(self.syntax("an escape is not valid")),
        };
        self.at += taken;
        Ok(())
    }

    /// `-`, digits without a leading zero, a fraction, an exponent.
    fn number(&mut self) -> Result<(), PeekError> {
        if self.peek_byte() == Some(b'-') {
            self.at += 1;
        }
        if self.peek_byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek_byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek_byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek_byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), PeekError> {
        let from = self.at;
        while self.peek_byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == from { Err(self.syntax("a digit is expected")) } else { Ok(()) }
    }

    /// `true`, `false` or `null`.
    fn word(&mut self, word: &[u8]) -> Result<(), PeekError> {
        if !self.body.get(self.at..).unwrap_or_default().starts_with(word) {
            return Err(self.syntax("a value is expected"));
        }
        self.at += word.len();
        Ok(())
    }

    /// The byte here.
    fn peek_byte(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    /// The first byte from here that is no white space, having gone there.
    fn next_byte(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.body.get(self.at) {
            self.at += 1;
        }
        self.peek_byte()
    }

    fn syntax(&self, reason: &'static str) -> PeekError {
        PeekError::Syntax { at: self.at, reason }
    }
}

/// Where the plain text of a string that goes on at `at` ends: at a quote, a backslash, a control character or the end.
///
/// Eight bytes at a time, because text is full of escaped line ends: calls of memchr for stretches that short cost more.
fn plain_end(body: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    let zeroes_in = |word: u64| word.wrapping_sub(ONES) & !word;
    while let Some(chunk) = body.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let quote = zeroes_in(word ^ (ONES * u64::from(b'"')));
        let backslash = zeroes_in(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        // A borrow can only mark bytes above a true one, so the lowest mark is always true.
        let marks = (quote | backslash | control) & HIGHS;
        if marks != 0 {
            return at + (marks.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = body.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len())
}

/// Copies `body` with each span replaced by its bytes. Spans are in order and do not overlap.
#[must_use]
pub fn splice(body: &Bytes, edits: &[(Range<usize>, &[u8])]) -> Bytes {
    let added: usize = edits.iter().map(|(_, with)| with.len()).sum();
    let mut out = Vec::with_capacity(body.len() + added);
    let mut from = 0;
    for (span, with) in edits {
        out.extend_from_slice(&body[from..span.start]);
        out.extend_from_slice(with);
        from = span.end;
    }
    out.extend_from_slice(&body[from..]);
    out.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn look(body: &str) -> Peek {
        peek(body.as_bytes(), 64).unwrap_or_else(|error| panic!("{body}: {error}"))
    }

    fn fault(body: &str) -> String {
        peek(body.as_bytes(), 64).map(|found| found.model).expect_err(body).to_string()
    }

    /// What is left of the body when the cuts are made, having checked that it parses.
    fn after_cuts(body: &str) -> String {
        let found = look(body);
        let edits: Vec<_> = found.cuts.into_iter().map(|span| (span, b"".as_slice())).collect();
        let out = splice(&Bytes::copy_from_slice(body.as_bytes()), &edits);
        let text = String::from_utf8(out.to_vec()).expect("UTF-8");
        serde_json::from_str::<IgnoredAny>(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        text
    }

    /// A body with one assistant turn of these blocks between two other turns.
    fn turns(blocks: &str) -> String {
        format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"q"}},{{"role":"assistant","content":[{blocks}]}},{{"role":"user","content":"r"}}]}}"#
        )
    }

    #[test]
    fn model_and_stream_are_found_wherever_they_stand() {
        let body = "\n{\"messages\":[{\"model\":1}],\"model\" : \"a/b\",\"stream\":true}\n";
        let found = look(body);
        assert_eq!((found.model.as_str(), &body[found.model_at], found.stream), ("a/b", "\"a/b\"", true));
        let found = look(r#"{"mod\u0065l":"caf\u00e9","stream":null}"#);
        assert_eq!((found.model.as_str(), found.stream), ("café", false));
        assert_eq!(look(r#"{"model":"m","x":{"model":"n"}}"#).model, "m");
    }

    #[test]
    fn each_fault_has_its_sentence() {
        for (body, sentence) in [
            ("{}", "model is missing"),
            (r#"{"model":null}"#, "model is not a string"),
            (r#"{"model":"a","model":"b"}"#, "two members are called model"),
            (r#"{"model":"a","mode\u006c":3}"#, "two members are called model"),
            (r#"{"model":"a","stream":"yes"}"#, "stream is not true or false"),
            (r#"{"model":"a","stream":true,"stream":false}"#, "two members are called stream"),
            ("[1]", "the body is not a JSON object"),
            ("", "the body is not JSON: the text ends early at byte 0"),
            (r#"{"model":"a"} x"#, "the body is not JSON: something follows the end at byte 14"),
            (r#"{"model":"a",}"#, "the body is not JSON: a key is expected at byte 13"),
            (r#"{"model" "a"}"#, "the body is not JSON: a colon is expected at byte 9"),
            (r#"{"model":"a" "b"}"#, "the body is not JSON: a comma or the end of an object is expected at byte 13"),
            (r#"{"model":[1 2]}"#, "the body is not JSON: a comma or the end of an array is expected at byte 12"),
            (r#"{"model":"a"#, "the body is not JSON: a string does not end at byte 11"),
            ("{\"model\":\"a\nb\"}", "the body is not JSON: a string holds a control character at byte 11"),
            (r#"{"model":"\x"}"#, "the body is not JSON: an escape is not valid at byte 10"),
            (r#"{"model":"\u00g0"}"#, "the body is not JSON: an escape is not valid at byte 10"),
            (r#"{"n":-}"#, "the body is not JSON: a digit is expected at byte 6"),
            (r#"{"n":1.}"#, "the body is not JSON: a digit is expected at byte 7"),
            (r#"{"n":01}"#, "the body is not JSON: a comma or the end of an object is expected at byte 6"),
            (r#"{"n":nul}"#, "the body is not JSON: a value is expected at byte 5"),
        ] {
            assert_eq!(fault(body), sentence, "{body}");
        }
        assert_eq!(peek(b"{\"model\":\"\xff\"}", 64), Err(PeekError::Syntax { at: 10, reason: "the text is not UTF-8" }));
    }

    #[test]
    fn depth_is_counted_in_objects_and_arrays_and_never_ends_the_stack() {
        let nested = |depth: usize| format!(r#"{{"model":"m","x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert!(peek(nested(3).as_bytes(), 4).is_ok());
        assert_eq!(peek(nested(4).as_bytes(), 4), Err(PeekError::TooDeep(4)));
        assert_eq!(peek(nested(100_000).as_bytes(), usize::MAX), Err(PeekError::TooDeep(512)));
        assert!(peek(nested(511).as_bytes(), usize::MAX).is_ok());
    }

    #[test]
    fn our_own_blocks_are_cut_with_the_comma_that_must_go() {
        let ours = r#"{"type":"thinking","thinking":"t","signature":"aimux1.zai.00"}"#;
        let redacted = r#"{"data":"aimux1.zai.00","type":"redacted_thinking"}"#;
        let empty = r#"{"type":"text","text":""}"#;
        let theirs = r#"{"type":"thinking","thinking":"t","signature":"EqoB"}"#;
        let text = r#"{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}"#;
        for (before, after) in [
            (format!("{ours},{text}"), text.to_owned()),
            (format!("{text} , {empty}"), text.to_owned()),
            (format!(" {ours} , {empty},{text}, {redacted},{theirs},{empty},{ours} "), format!(" {text}, {theirs} ")),
            (format!("{theirs},{text}"), format!("{theirs},{text}")),
        ] {
            assert_eq!(after_cuts(&turns(&before)), turns(&after));
        }
    }

    #[test]
    fn an_assistant_turn_that_is_all_ours_goes_as_a_whole() {
        let empty = r#"{"type":"text","text":""}"#;
        let kept = r#"{"model":"m","messages":[{"role":"user","content":"q"},{"role":"user","content":"r"}]}"#;
        assert_eq!(after_cuts(&turns(&format!("{empty},{empty}"))), kept);
        // Nothing would be left of the conversation: the upstream may say what it thinks of it.
        let alone = format!(r#"{{"model":"m","messages":[{{"role":"assistant","content":[{empty}]}}]}}"#);
        assert_eq!(after_cuts(&alone), alone);
        assert_eq!(after_cuts(&turns("")), turns(""));
    }

    #[test]
    fn other_roles_and_strings_are_left_alone() {
        for body in [
            r#"{"model":"m","messages":[{"content":[{"type":"text","text":""},{"type":"text","text":"x"}],"role":"user"}]}"#,
            r#"{"model":"m","messages":[{"role":"assistant","content":"{\"type\":\"text\",\"text\":\"\"}"}]}"#,
            r#"{"model":"m","messages":{"role":"assistant","content":[{"type":"text","text":""}]}}"#,
        ] {
            assert!(look(body).cuts.is_empty(), "{body}");
        }
    }

    #[test]
    fn images_and_base64_are_counted_at_any_depth() {
        let found = look(
            r#"{"model":"m","messages":[{"role":"user","content":[
                {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},
                {"type":"tool_result","content":[{"type":"image","source":{"data":"AAAABBBB","type":"base64"}}]},
                {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},
                {"type":"text","text":"data: here","data":"not counted"}]}]}"#,
        );
        assert_eq!((found.images, found.base64_bytes), (3, 4 + 8 + 26));
    }

    /// JSON-like text, mostly valid.
    fn json() -> impl Strategy<Value = String> {
        let key = prop_oneof![
            Just("model"),
            Just("stream"),
            Just("messages"),
            Just("role"),
            Just("content"),
            Just("type"),
            Just("text"),
            Just("signature"),
            Just("data"),
            Just("mod\\u0065l"),
            Just("x")
        ];
        let leaf = prop_oneof![
            Just("\"assistant\"".to_owned()),
            Just("\"text\"".to_owned()),
            Just("\"\"".to_owned()),
            Just("\"thinking\"".to_owned()),
            Just("\"aimux1.a.00\"".to_owned()),
            Just("\"\\ud800 \\n é\"".to_owned()),
            Just("true".to_owned()),
            Just("null".to_owned()),
            "-?[0-9]{1,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?",
        ];
        leaf.prop_recursive(6, 60, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|all| format!("[{}]", all.join(" , "))),
                prop::collection::vec((key.clone(), inner), 0..6).prop_map(|all| {
                    let members: Vec<_> = all.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                    format!("{{{}}}", members.join(", "))
                }),
            ]
        })
    }

    /// Peek and serde_json agree on what is JSON and on the model; what is cut leaves JSON.
    fn agrees(text: &str) {
        let theirs = serde_json::from_str::<IgnoredAny>(text).is_ok();
        match peek(text.as_bytes(), 100) {
            Ok(found) => {
                let value: serde_json::Value = match serde_json::from_str(text) {
                    Ok(value) => value,
                    Err(error) => {
                        assert!(theirs, "{text}: {error}");
                        return;
                    }
                };
                assert_eq!(value["model"].as_str(), Some(found.model.as_str()), "{text}");
                after_cuts(text);
            }
            Err(PeekError::Syntax { .. }) => assert!(!theirs, "{text}"),
            Err(PeekError::TooDeep(_)) => {}
            Err(_) => assert!(theirs, "{text}"),
        }
    }

    proptest! {
        #[test]
        fn peek_agrees_with_serde_json(text in json()) {
            agrees(&text);
            agrees(&format!(r#"{{"messages":[{{"role":"assistant","content":[{text},{{"type":"text","text":""}}]}}],"model":"m","x":{text}}}"#));
        }

        #[test]
        fn a_mutated_body_agrees_too(text in json(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
            let mut bytes = format!(r#"{{"model":"m\"\u0041","messages":[{text}]}}"#).into_bytes();
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            match String::from_utf8(bytes) {
                Ok(text) => agrees(&text),
                Err(error) => assert!(peek(error.as_bytes(), 100).is_err()),
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = peek(&bytes, 8);
        }
    }
}
