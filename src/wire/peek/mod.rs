//! A shallow look into a request body: the few members that routing and same-dialect relays need, with their places.
//!
//! One pass over the bytes, strict about JSON (a body that passes here parses everywhere), with no tree and no copy.
//! It knows no dialect: `messages[].content[]` is looked at wherever it occurs. Start with [`peek`].

use std::borrow::Cow;
use std::ops::Range;

use super::Text;

mod facts;
mod grammar;
#[cfg(test)]
mod tests;

/// What the gateway reads of a body on its way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peek {
    /// The decoded `model`.
    pub model: String,
    /// Where the model's JSON string token stands in the body, quotes included.
    pub model_at: Range<usize>,
    /// `stream`, false when absent.
    pub stream: bool,
    /// Our own envelopes (in thinking, citations, annotations, reasoning details) and empty keep-alive blocks coming back:
    /// spans to cut out, in order, not overlapping, each with the comma that must go with it.
    pub cuts: Vec<Range<usize>>,
    /// Where envelopes stand whose state goes back to the family that was looked for; see [`peek_for`].
    pub returns: Vec<Range<usize>>,
    /// Bytes inside base64 strings, which count little as tokens.
    pub base64_bytes: usize,
    /// Images in the body.
    pub images: usize,
    /// Those of them that came since the user last spoke: in that message, or with a tool's results after it.
    pub images_now: usize,
    /// Documents in the body that are not plain text.
    pub documents: usize,
    /// Those of them that came since the user last spoke.
    pub documents_now: usize,
    /// Answers in the conversation so far.
    pub turns: usize,
    /// Tools, the provider's own among them.
    pub tools: usize,
    /// Where the string tokens of functions' names stand (`tools[].function.name`).
    pub names_at: Vec<Range<usize>>,
    /// Whether one of the tools is a search of the web by the provider.
    pub web_search: bool,
    /// Whether the model is asked to think.
    pub thinking: bool,
    /// Whether an answer by a schema, or in JSON, is asked for.
    pub structured: bool,
    /// The most output tokens asked for.
    pub output_tokens: Option<u64>,
    /// Where the string token of `prompt_cache_key` stands.
    pub cache_key_at: Option<Range<usize>>,
    /// Where the string token of `metadata.user_id` stands.
    pub user_id_at: Option<Range<usize>>,
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
    look(body, depth_max, None)
}

/// A family of providers, for whose eyes thinking of the history is or is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family<'a> {
    /// Its name, as it stands in our envelopes.
    pub name: &'a str,
    /// Whether what is in no envelope is its own too.
    pub owns_bare: bool,
}

/// The same for a target of a family: what goes back to it is in [`Peek::returns`], and the thinking of all others among the cuts.
///
/// # Errors
/// As [`peek`].
pub fn peek_for(body: &[u8], depth_max: usize, family: Family<'_>) -> Result<Peek, PeekError> {
    look(body, depth_max, Some(family))
}

fn look(body: &[u8], depth_max: usize, family: Option<Family<'_>>) -> Result<Peek, PeekError> {
    if let Err(error) = std::str::from_utf8(body) {
        return Err(PeekError::Syntax { at: error.valid_up_to(), reason: "the text is not UTF-8" });
    }
    let depth_max = depth_max.min(DEPTH_MAX);
    let mut scanner = Scanner { body, at: 0, depth_left: depth_max, depth_max, family, seen: Peek::default(), turn: Turn::default() };
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
    /// For whom thinking is looked at; `None`: for nobody in particular.
    family: Option<Family<'a>>,
    seen: Peek,
    turn: Turn,
}

/// Where the conversation stands.
#[derive(Default)]
struct Turn {
    /// Images and documents before the user last spoke.
    before: (usize, usize),
    /// Somebody has spoken since the last answer.
    is_open: bool,
    /// Results of tools so far.
    tool_results: usize,
    /// Documents so far that are plain text.
    texts: usize,
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
    #[inline]
    fn decoded(self) -> Cow<'a, [u8]> {
        if self.has_escapes { Cow::Owned(self.unescaped()) } else { Cow::Borrowed(self.inner) }
    }

    #[cold]
    fn unescaped(self) -> Vec<u8> {
        let quoted = [b"\"", self.inner, b"\""].concat();
        serde_json::from_slice::<Text<'_>>(&quoted).map(|text| text.read().into_owned()).unwrap_or_default().into_bytes()
    }
}

/// What becomes of the state of a thought.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is the upstream's own, and stays.
    Theirs,
    /// It is for others: the thought goes.
    Goes,
    /// It stands in an envelope from here to there, and goes back as it was.
    Returns(usize, usize),
}

/// The value of a `type` member, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    RedactedThinking,
    Image,
    Document,
    File,
    ToolResult,
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
            b"document" | b"input_file" => Self::Document,
            b"file" => Self::File,
            b"tool_result" => Self::ToolResult,
            b"base64" => Self::Base64,
            _ => Self::Other,
        }
    }
}

/// Who speaks in a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Assistant,
    User,
    System,
    Other,
}

impl Speaker {
    fn of(role: &[u8]) -> Self {
        match role {
            b"assistant" => Self::Assistant,
            b"user" => Self::User,
            b"system" | b"developer" => Self::System,
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
                    scanner.seen.images_now = scanner.seen.images.saturating_sub(scanner.turn.before.0);
                    scanner.seen.documents_now = scanner.seen.documents.saturating_sub(scanner.turn.before.1);
                }
                _ => scanner.option(key)?,
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
        let (cuts_before, returns_before) = (self.seen.cuts.len(), self.seen.returns.len());
        let before = (self.seen.images, self.seen.documents, self.turn.tool_results);
        let (mut speaker, mut is_emptied) = (Speaker::Other, false);
        self.pruned(|scanner, key| {
            match key {
                b"annotations" if scanner.next_byte() == Some(b'[') => return scanner.array(Self::annotation),
                b"reasoning_details" if scanner.next_byte() == Some(b'[') => return scanner.array(Self::enveloped),
                b"role" => speaker = scanner.string_or_value()?.map_or(Speaker::Other, |role| Speaker::of(&role.decoded())),
                b"content" if scanner.next_byte() == Some(b'[') => is_emptied = scanner.array(Self::block)?,
                b"content" => {
                    is_emptied = false;
                    scanner.value()?;
                }
                _ => scanner.value()?,
            }
            Ok(false)
        })?;
        if speaker != Speaker::Assistant {
            self.seen.cuts.truncate(cuts_before);
            self.seen.returns.truncate(returns_before);
        }
        self.spoke(speaker, before);
        Ok(speaker == Speaker::Assistant && is_emptied)
    }

    /// An item of state. True: it is in an envelope of ours, and is nothing without it.
    fn enveloped(&mut self) -> Result<bool, PeekError> {
        if self.next_byte() != Some(b'{') {
            return self.value().map(|()| false);
        }
        let mut is_ours = false;
        self.object(|scanner, key| match key {
            b"encrypted_index" | b"data" | b"signature" => {
                is_ours |= scanner.envelope()?;
                Ok(())
            }
            _ => scanner.value(),
        })?;
        Ok(is_ours)
    }

    /// A Chat client's annotation, which is a good one without the state of ours in it. True: it is that state alone.
    fn annotation(&mut self) -> Result<bool, PeekError> {
        if self.next_byte() != Some(b'{') {
            return self.value().map(|()| false);
        }
        self.pruned(|scanner, key| match key {
            b"url_citation" => scanner.annotation(),
            b"encrypted_index" => scanner.envelope(),
            _ => scanner.value().map(|()| false),
        })
    }

    /// What becomes of the state of a thought, which begins at `from` and has just been consumed.
    fn state(&self, token: Option<Token<'_>>, from: usize) -> State {
        let Some(token) = token else { return State::Theirs };
        match (token.inner.strip_prefix(ENVELOPE), self.family) {
            (Some(_), None) => State::Goes,
            (Some(sealed), Some(family)) => {
                let state = sealed.strip_prefix(family.name.as_bytes()).and_then(|rest| rest.strip_prefix(b"."));
                if state.is_some_and(|state| !state.is_empty()) { State::Returns(from, self.at) } else { State::Goes }
            }
            (None, Some(Family { name: _, owns_bare: false })) if !token.inner.is_empty() => State::Goes,
            (None, _) => State::Theirs,
        }
    }

    /// Any value. True: it is an envelope of ours.
    fn envelope(&mut self) -> Result<bool, PeekError> {
        Ok(self.string_or_value()?.is_some_and(|token| token.inner.starts_with(ENVELOPE)))
    }

    /// An element of a message's `content`. True: it is ours and must not go upstream.
    fn block(&mut self) -> Result<bool, PeekError> {
        if self.next_byte() == Some(b'{') { self.record() } else { self.value().map(|()| false) }
    }

    /// Any object below a message's own level. True: as a content block it would be one of ours.
    fn record(&mut self) -> Result<bool, PeekError> {
        let mut kind = Kind::Other;
        let (mut data_bytes, mut is_empty) = (0, false);
        let (mut signature, mut data) = (State::Theirs, State::Theirs);
        let (mut has_data, mut has_file, texts_before) = (false, false, self.turn.texts);
        self.pruned(|scanner, key| {
            match key {
                b"citations" if scanner.next_byte() == Some(b'[') => return scanner.array(Self::enveloped),
                b"type" => kind = scanner.string_or_value()?.map_or(Kind::Other, |token| Kind::of(&token.decoded())),
                b"text" => is_empty = scanner.string_or_value()?.is_some_and(|token| token.inner.is_empty()),
                b"signature" => {
                    let from = scanner.at;
                    let token = scanner.string_or_value()?;
                    signature = scanner.state(token, from);
                }
                b"data" => {
                    let from = scanner.at;
                    let token = scanner.string_or_value()?;
                    has_data = true;
                    data_bytes = token.map_or(0, |token| token.inner.len());
                    data = scanner.state(token, from);
                }
                // What a call says is no part of the conversation, whatever it looks like.
                b"input" => {
                    let seen = (scanner.seen.images, scanner.seen.documents);
                    scanner.value()?;
                    (scanner.seen.images, scanner.seen.documents) = seen;
                }
                b"file" => {
                    has_file = true;
                    scanner.value()?;
                }
                _ => scanner.value()?,
            }
            Ok(false)
        })?;
        match kind {
            Kind::Base64 => self.seen.base64_bytes += data_bytes,
            Kind::Image => self.seen.images += 1,
            // A document of plain text is for any model to read.
            Kind::Document => self.seen.documents += usize::from(self.turn.texts == texts_before),
            // Anthropic's sources have this type too.
            Kind::File => self.seen.documents += usize::from(has_file),
            Kind::ToolResult => self.turn.tool_results += 1,
            Kind::Text => self.turn.texts += usize::from(has_data),
            _ => {}
        }
        let state = if kind == Kind::RedactedThinking { data } else { signature };
        if let (State::Returns(from, to), Kind::Thinking | Kind::RedactedThinking) = (state, kind) {
            self.seen.returns.push(from..to);
        }
        Ok(match kind {
            Kind::Text => is_empty,
            Kind::Thinking | Kind::RedactedThinking => state == State::Goes,
            Kind::Image | Kind::Document | Kind::File | Kind::ToolResult | Kind::Base64 | Kind::Other => false,
        })
    }
}
