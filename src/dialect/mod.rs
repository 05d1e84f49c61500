//! The dialects: each a codec between its wire records and the canonical model in [`crate::chat`].
//!
//! There is no code for a pair of dialects; [`transcode`] joins any two codecs. A codec performs no I/O and knows no
//! provider: what differs between providers of a dialect comes in as [`Quirks`].

use std::borrow::Cow;

use bytes::Bytes;

use crate::chat::{ChatRequest, ChatResponse, Event, Failure, Loss, Usage};
use crate::wire::sse::{Frame, Splitter};

pub mod anthropic;
pub(crate) mod continued;
pub(crate) mod failure;
pub mod go_on;
pub(crate) mod history;
pub(crate) mod names;
pub mod openai_chat;
pub mod quirks;
pub mod said;
pub(crate) mod tap;
#[cfg(test)]
mod tests;
pub mod transcode;

pub use go_on::GoOn;
pub use quirks::Quirks;
use quirks::Structured;

/// The protocols that clients and upstreams speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    /// Anthropic Messages.
    AnthropicMessages,
    /// OpenAI Chat Completions.
    OpenAiChat,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 2] = [Self::AnthropicMessages, Self::OpenAiChat];

    /// The name in the config and in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AnthropicMessages => "anthropic",
            Self::OpenAiChat => "openai-chat",
        }
    }

    /// The dialect of a config name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }

    /// The codec.
    #[must_use]
    pub fn codec(self) -> &'static Codec {
        match self {
            Self::AnthropicMessages => &anthropic::CODEC,
            Self::OpenAiChat => &openai_chat::CODEC,
        }
    }

    /// Path of the chat endpoint under a provider's base URL.
    #[must_use]
    pub fn endpoint(self) -> &'static str {
        match self {
            Self::AnthropicMessages => "/v1/messages",
            Self::OpenAiChat => "/chat/completions",
        }
    }
}

/// What a dialect can do, as plain functions.
pub struct Codec {
    /// Reads a client's request.
    pub decode_request: for<'a> fn(&'a [u8]) -> Result<ChatRequest<'a>, TranslateError>,
    /// Writes a request for an upstream; what cannot be carried is pushed to the losses.
    #[allow(clippy::type_complexity, reason = "named parts would hide the one thing to read here: the signature")]
    pub encode_request: fn(&ChatRequest<'_>, &Upstream<'_>, &mut Vec<Loss>) -> Result<(Bytes, ReplyMap), TranslateError>,
    /// Reads an upstream's stream.
    pub stream_decoder: fn(&ReplyMap, &Quirks) -> Box<dyn StreamDecoder>,
    /// Writes a stream for a client.
    pub stream_encoder: fn(&ReplyMap) -> Box<dyn StreamEncoder>,
    /// Reads an upstream's whole answer (status 2xx). An error in disguise comes out as the failure that it is.
    pub decode_response: fn(&[u8], &ReplyMap, &Quirks) -> Result<ChatResponse, Failure>,
    /// Writes a whole answer for a client; what it has no place for is pushed to the losses.
    pub encode_response: fn(&ChatResponse, &ReplyMap, &mut Vec<Loss>) -> Bytes,
    /// Reads an upstream's error body, in whatever form, never failing. The headers are the caller's.
    pub decode_error: fn(status: u16, &[u8]) -> Failure,
    /// Writes an error body for a client, with the request's id where the dialect has a place for it.
    pub encode_error: fn(&Failure, request_id: &str) -> Bytes,
    /// Relays a stream of the same dialect, mending only its faults. Of the map it reads what is set for relayed answers; the
    /// number bounds one event, in bytes.
    pub tap: fn(&ReplyMap, &Quirks, usize) -> Box<dyn ReplyStream>,
    /// Relays a whole answer (status 2xx) of the same dialect: its faults mended by spans, and by the model's name that the client
    /// knows where the dialect's clients mind. An error in disguise comes out as the failure that it is.
    #[allow(clippy::type_complexity, reason = "as above")]
    pub relay: fn(Bytes, &ReplyMap, &Quirks) -> Result<(Bytes, Usage), Failure>,
    /// The tools of a request that is relayed, for an upstream that leaves calls in the text.
    pub text_tools: fn(&[u8]) -> Vec<TextTool>,
    /// What is changed of a request, as it is written for this target, to have an answer that broke off gone on with: the text
    /// is what was said of it. `None`: nobody can go on with the answer to this request.
    pub go_on: fn(&[u8], said: &str, &Upstream<'_>) -> Option<GoOn>,
    /// Whether a relayed request asks a stream for usage that the dialect has no other place for.
    pub wants_usage: fn(&[u8]) -> bool,
}

/// The model that a request is written for.
#[derive(Debug, Clone, Copy)]
pub struct Upstream<'a> {
    /// The provider's name in the config, for messages.
    pub provider: &'a str,
    /// The model, in the upstream's words.
    pub model: &'a str,
    /// How this provider differs from its dialect.
    pub quirks: &'a Quirks,
    /// The most output tokens that the model gives, where known.
    pub output_max: Option<u64>,
    /// Whether the model sees images; `None`: unknown, assumed.
    pub sees_images: Option<bool>,
    /// Whether the model thinks; `None`: unknown.
    pub thinks: Option<bool>,
    /// Whether the model enforces output schemas; `None`: unknown.
    pub enforces_schemas: Option<bool>,
    /// The dialect of the client, where fields are judged by origin.
    pub client: Dialect,
}

impl Upstream<'_> {
    /// How this model is asked for an answer that fits a schema; never [`Structured::ByModel`].
    #[must_use]
    pub fn structured(&self) -> Structured {
        match self.quirks.structured {
            Structured::ByModel if self.enforces_schemas == Some(true) => Structured::Native,
            Structured::ByModel => Structured::ForcedTool,
            settled => settled,
        }
    }
}

/// What must be undone in the reply to a translated request. Owned, since it outlives the request. A request's encoder
/// leaves the first four to its caller, who knows them for every target.
#[derive(Debug, Clone, Default)]
pub struct ReplyMap {
    /// The model as the client named it.
    pub model: String,
    /// The upstream knows the model by another name, which its answer will say.
    pub is_alias: bool,
    /// The id of the reply, without its dialect's prefix; empty: the upstream's, or a fresh one.
    pub id: String,
    /// An estimate of the input, for the start of a stream.
    pub input_estimate: u64,
    /// Shortened tool names, each with the client's own.
    pub names: Vec<(String, String)>,
    /// All declared tool names, in the client's words; of a relayed request, those that a stream's names are told by.
    pub tools: Vec<String>,
    /// A forced tool that stands for an output schema: its call is turned into text.
    pub schema_tool: Option<String>,
    /// Usage was asked for by aimux, not by the client.
    pub hide_usage: bool,
    /// Only the first tool call is wanted (`disable_parallel_tool_use` where the upstream has no such switch).
    pub single_tool_call: bool,
    /// The tools whose calls are looked for in the answer's text; empty where the server reads them itself.
    pub text_tools: Vec<TextTool>,
}

/// A tool as a model writes of it when its server does not read its calls.
#[derive(Debug, Clone)]
pub struct TextTool {
    /// Its name, as the upstream knows it.
    pub name: String,
    /// The parameters that are no strings.
    pub typed: Vec<String>,
}

impl ReplyMap {
    /// All declared tool names, in the upstream's words.
    #[must_use]
    pub fn upstream_tools(&self) -> Vec<String> {
        let short = |name: &String| self.names.iter().find(|(_, original)| original == name).map_or(name, |(short, _)| short).clone();
        self.tools.iter().map(short).chain(self.schema_tool.clone()).collect()
    }

    /// The client's own name of a tool.
    #[must_use]
    pub fn original_name<'a>(&'a self, name: &'a str) -> &'a str {
        self.names.iter().find(|(short, _)| short == name).map_or(name, |(_, original)| original)
    }
}

/// Reads an upstream's stream, frame by frame. See [`Event`] for what it promises, whatever the upstream does.
pub trait StreamDecoder: Send {
    /// Takes one complete frame.
    fn frame(&mut self, frame: &Frame, out: &mut Vec<Event>);
    /// The stream has ended: gives the terminal that is still owed, which is a failure when none was earned.
    fn end(&mut self, out: &mut Vec<Event>);
    /// Whether the reason to end has come, even if it is kept back because a better one may follow.
    fn is_finished(&self) -> bool {
        false
    }
    /// Reads a stream that is there whole. A frame of more than `frame_max` bytes ends it.
    fn whole(&mut self, body: &[u8], frame_max: usize) -> Vec<Event> {
        let mut events = Vec::new();
        let mut splitter = Splitter::new(frame_max);
        splitter.push(body);
        while let Ok(Some(frame)) = splitter.next_frame() {
            self.frame(&frame, &mut events);
        }
        if let Some(frame) = splitter.finish() {
            self.frame(&frame, &mut events);
        }
        self.end(&mut events);
        events
    }
}

/// Writes a stream for a client; keeps the client's grammar whatever comes.
pub trait StreamEncoder: Send {
    /// Writes one event, or holds it until it can be said; what the client has no place for is pushed to the losses.
    fn event(&mut self, event: Event, out: &mut Vec<u8>, losses: &mut Vec<Loss>);
    /// Writes something real that means nothing, to keep the client's patience. See `docs/architecture.md`.
    fn keep_alive(&mut self, out: &mut Vec<u8>);
    /// Starts the stream before the upstream has said anything.
    fn early_start(&mut self, out: &mut Vec<u8>);
    /// The source has broken off, and another goes on: its blocks are numbered from 0 again. Its first text belongs to the text
    /// that is open.
    fn change_source(&mut self);
}

/// A reply on its way to the client: a tap on the same dialect, or a translation. Bytes in, bytes out.
pub trait ReplyStream: Send {
    /// Takes what the upstream sent; gives what the client gets now, empty while nothing is complete. Where all is
    /// healthy and complete, the same bytes come back uncopied.
    fn push(&mut self, chunk: Bytes) -> Bytes;
    /// The upstream's body has ended; gives the last bytes.
    fn end(&mut self) -> Bytes;
    /// The upstream broke, or a limit was met: gives the dialect's own error event, once.
    fn fail(&mut self, failure: &Failure) -> Bytes;
    /// Something real that means nothing.
    fn keep_alive(&mut self) -> Bytes;
    /// Our own start, said before the upstream's; the upstream's is then swallowed.
    fn early_start(&mut self) -> Bytes;
    /// What has been seen so far.
    fn progress(&self) -> &Progress;
    /// From now on a failure of the upstream's is told by [`ReplyStream::progress`] alone, and said when
    /// [`ReplyStream::fail`] is called.
    fn withhold(&mut self) {}
    /// Gives away the writing of the stream, for another answer to go on; this one says nothing more. `chars`: the characters
    /// of text so far. `None`: nobody can go on here.
    fn hand_over(&mut self, chars: usize) -> Option<Box<dyn StreamEncoder>> {
        let _ = chars;
        None
    }
    /// Goes on where `encoder` stands; gives what was waiting for that. Only for an answer that goes on with another.
    fn go_on(&mut self, encoder: Box<dyn StreamEncoder>) -> Bytes {
        let _ = encoder;
        Bytes::new()
    }
}

/// How far a reply has come.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Content has begun: a block start or a non-empty delta. From here on no failover.
    pub content: bool,
    /// A finish signal or terminal has been seen.
    pub finished: bool,
    /// The upstream reported or caused this failure.
    pub failure: Option<Failure>,
    /// Tokens so far.
    pub usage: Usage,
    /// What the answer said and the client did not get.
    pub losses: Vec<Loss>,
}

/// Why a request cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct TranslateError {
    /// Path of the field, `messages.2.content.0.source` say; empty for the body as a whole.
    pub path: Cow<'static, str>,
    /// What is wrong and, for a target's lack, whose it is.
    pub reason: String,
}

impl TranslateError {
    /// A fault at `path`.
    pub fn new(path: impl Into<Cow<'static, str>>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }
}
