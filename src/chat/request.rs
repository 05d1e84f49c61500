//! A request, as any dialect can say it. It borrows from the body that it was read from.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::citation::Citation;
use super::loss::{Loss, lose};
use super::opaque::Opaque;
use super::unread::Unread;
use crate::wire::Text;

/// A whole request.
#[derive(Debug, Clone, Default)]
pub struct ChatRequest<'a> {
    /// The model, as the client named it.
    pub model: Cow<'a, str>,
    /// Instructions that stand before the first turn.
    pub system: Vec<Block<'a>>,
    /// The conversation, in order. A system turn in its middle stays where it is.
    pub turns: Vec<Turn<'a>>,
    /// What the model may call.
    pub tools: Vec<Tool<'a>>,
    /// Which of them it must or must not call; absent: the model's own choice.
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Whether several calls in one answer are welcome; absent: the provider's default.
    pub parallel_tool_calls: Option<bool>,
    /// The most tokens of the answer, thinking included.
    pub max_output_tokens: Option<u64>,
    /// The knobs of the sampler.
    pub sampling: Sampling<'a>,
    /// Texts that end the answer.
    pub stop: Vec<Text<'a>>,
    /// The form that the answer's text must have.
    pub output: Option<OutputFormat<'a>>,
    /// How much the model may think.
    pub thinking: Option<ThinkingMode>,
    /// The end user, as an opaque id.
    pub user_id: Option<Text<'a>>,
    /// The provider's service tier.
    pub service_tier: Option<Text<'a>>,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether the client asked for usage at the end of a Chat stream. Meaningless in the other dialects.
    pub stream_usage: bool,
    /// Top-level members of the client's dialect that have no field here, verbatim.
    pub extras: Vec<Extra<'a>>,
    /// Members below the top that have no field here.
    pub unread: Unread,
}

/// Sampler settings. Numbers are within JSON's range, unchecked: limits are the target's.
#[derive(Debug, Clone, Default)]
pub struct Sampling<'a> {
    /// 0 to 2 (OpenAI), 0 to 1 (Anthropic).
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    /// Candidates considered.
    pub top_k: Option<u64>,
    /// For repeatable answers.
    pub seed: Option<i64>,
    /// -2 to 2.
    pub presence_penalty: Option<f64>,
    /// -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// Bias per token id, verbatim.
    pub logit_bias: Option<&'a RawValue>,
    /// Whether log probabilities are asked for.
    pub logprobs: Option<bool>,
    /// How many alternatives with them.
    pub top_logprobs: Option<u64>,
    /// How many answers.
    pub n: Option<u64>,
}

/// A member that only the client's dialect knows.
#[derive(Debug, Clone)]
pub struct Extra<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its value, verbatim.
    pub value: &'a RawValue,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instructions in mid-conversation (`system` or `developer`).
    System,
    /// The user, tool results included.
    User,
    /// The model.
    Assistant,
}

/// One turn.
#[derive(Debug, Clone)]
pub struct Turn<'a> {
    /// Who speaks.
    pub role: Role,
    /// The speaker's name where a dialect has one (Chat's `name`).
    pub name: Option<Text<'a>>,
    /// What is said, in order.
    pub blocks: Vec<Block<'a>>,
}

/// A block, with its cache mark.
#[derive(Debug, Clone)]
pub struct Block<'a> {
    /// What it is.
    pub kind: BlockKind<'a>,
    /// Anthropic's `cache_control`, verbatim.
    pub cache: Option<&'a RawValue>,
    /// What a text rests on.
    pub citations: Vec<Citation>,
}

impl Block<'_> {
    /// Records what the block and those in it cite as lost; `path` is where the client's dialect has citations.
    pub(crate) fn lose_citations(&self, path: &'static str, losses: &mut Vec<Loss>) {
        let Self { kind, cache: _, citations } = self;
        if !citations.is_empty() {
            lose(losses, Loss::dropped(path));
        }
        if let BlockKind::ToolResult(result) = kind {
            result.content.iter().for_each(|block| block.lose_citations(path, losses));
        }
    }
}

impl<'a> From<BlockKind<'a>> for Block<'a> {
    fn from(kind: BlockKind<'a>) -> Self {
        Self { kind, cache: None, citations: Vec::new() }
    }
}

/// The kinds of blocks.
#[derive(Debug, Clone)]
pub enum BlockKind<'a> {
    /// Text.
    Text(Text<'a>),
    /// A picture.
    Image(Media<'a>),
    /// A document, PDF or text.
    Document(Document<'a>),
    /// Sound.
    Audio(Media<'a>),
    /// The model's call of a tool.
    ToolCall(ToolCall<'a>),
    /// What the tool gave.
    ToolResult(ToolResult<'a>),
    /// The model's thinking.
    Thinking(Thinking<'a>),
    /// A block of one dialect that the others have no word for (server tools, say).
    Foreign(Foreign<'a>),
}

/// A picture or sound.
#[derive(Debug, Clone)]
pub struct Media<'a> {
    /// Where its bytes are.
    pub source: Source<'a>,
    /// OpenAI's `detail` of an image.
    pub detail: Option<Text<'a>>,
}

/// Where bytes are.
#[derive(Debug, Clone)]
pub enum Source<'a> {
    /// In the body, base64.
    Base64 {
        /// A MIME type, `image/png` say.
        media_type: Cow<'a, str>,
        /// The base64 text, without a `data:` prefix.
        data: Text<'a>,
    },
    /// At an address. aimux never fetches it.
    Url(Text<'a>),
    /// Uploaded to the provider before.
    FileId(Text<'a>),
    /// Plain text in the body (documents only).
    PlainText(Text<'a>),
}

/// A document.
#[derive(Debug, Clone)]
pub struct Document<'a> {
    /// Where its bytes are.
    pub source: Source<'a>,
    /// File name or title.
    pub title: Option<Text<'a>>,
    /// What the model is told about it.
    pub context: Option<Text<'a>>,
}

/// A call of a tool.
#[derive(Debug, Clone)]
pub struct ToolCall<'a> {
    /// The id that its result repeats; may be empty when the client sent none.
    pub id: Cow<'a, str>,
    /// The tool.
    pub name: Cow<'a, str>,
    /// JSON text of the arguments, an object unless the model erred. Never parsed to floats.
    pub arguments: Arguments<'a>,
    /// State of the dialect that made the call, to be given back to it.
    pub opaque: Option<Opaque>,
}

/// JSON text of a call's arguments.
#[derive(Debug, Clone)]
pub enum Arguments<'a> {
    /// A JSON object, verbatim.
    Object(&'a RawValue),
    /// A string that holds JSON text (Chat's form), possibly broken.
    Encoded(Text<'a>),
}

/// The result of a call.
#[derive(Debug, Clone)]
pub struct ToolResult<'a> {
    /// The call's id.
    pub call_id: Cow<'a, str>,
    /// Text, images and documents.
    pub content: Vec<Block<'a>>,
    /// Whether the tool failed.
    pub is_error: bool,
}

/// Thinking that a model did before.
#[derive(Debug, Clone)]
pub struct Thinking<'a> {
    /// The visible text, empty when redacted or omitted.
    pub text: Text<'a>,
    /// The provider's proof that it made it; only its own family gets it back.
    pub opaque: Option<Opaque>,
    /// Whether it was hidden by the provider (`redacted_thinking`).
    pub is_redacted: bool,
}

/// A block that only its own dialect knows.
#[derive(Debug, Clone)]
pub struct Foreign<'a> {
    /// Its `type`.
    pub kind: Cow<'a, str>,
    /// The block, verbatim.
    pub raw: &'a RawValue,
}

/// A tool.
#[derive(Debug, Clone)]
pub struct Tool<'a> {
    /// What it is.
    pub kind: ToolKind<'a>,
    /// Anthropic's `cache_control`, verbatim.
    pub cache: Option<&'a RawValue>,
}

/// The kinds of tools.
#[derive(Debug, Clone)]
pub enum ToolKind<'a> {
    /// A function of the client's.
    Function {
        /// Its name.
        name: Cow<'a, str>,
        /// What it does.
        description: Option<Text<'a>>,
        /// JSON Schema of its arguments.
        parameters: Option<&'a RawValue>,
        /// Whether arguments must fit the schema exactly.
        strict: Option<bool>,
    },
    /// A tool that the provider runs (`web_search_20250305`, say).
    Server {
        /// Its `type`.
        kind: Cow<'a, str>,
        /// Its name, for `tool_choice`.
        name: Cow<'a, str>,
        /// The declaration, verbatim.
        raw: &'a RawValue,
    },
}

/// Which tool must be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice<'a> {
    /// The model decides.
    Auto,
    /// Some tool.
    Any,
    /// None.
    None,
    /// This one.
    Named(Cow<'a, str>),
}

/// The form of the answer's text.
#[derive(Debug, Clone)]
pub enum OutputFormat<'a> {
    /// Any JSON object.
    JsonObject,
    /// JSON that fits a schema.
    JsonSchema {
        /// The schema's name.
        name: Option<Text<'a>>,
        /// What it is for.
        description: Option<Text<'a>>,
        /// JSON Schema.
        schema: &'a RawValue,
        /// Whether it is enforced to the letter.
        strict: Option<bool>,
    },
}

/// How much the model may think.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThinkingMode {
    /// Not at all.
    Disabled,
    /// As it sees fit, with the effort named, if any.
    Adaptive(Option<Effort>),
    /// Up to so many tokens.
    Budget(u64),
    /// With this effort.
    Effort(Effort),
}

/// The efforts that dialects name, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// OpenAI's `none`.
    None,
    /// `minimal`.
    Minimal,
    /// `low`.
    Low,
    /// `medium`.
    Medium,
    /// `high`.
    High,
    /// `xhigh`.
    XHigh,
    /// Anthropic's `max`.
    Max,
}
