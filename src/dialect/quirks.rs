//! How providers of one dialect differ, as data. The values stand in the provider rows; the encoders and decoders read
//! them and know no provider.

/// The differences, with defaults for an unknown server of the dialect.
#[derive(Debug, Clone, PartialEq)]
pub struct Quirks {
    /// Who takes back whose opaque state; `anthropic`, `openai`, `zai` … An unknown address is its own family, `other`.
    pub family: &'static str,
    /// Prefixes of the models that take `max_completion_tokens` alone, `reasoning_effort`, and no sampler settings.
    pub reasoning_models: &'static [&'static str],
    /// How thinking is sent back in the history (Chat).
    pub reasoning_back: ReasoningBack,
    /// How thinking is switched (Chat).
    pub thinking_switch: ThinkingSwitch,
    /// Model prefixes whose thinking cannot be switched off.
    pub thinking_always: &'static [&'static str],
    /// Calls of tools may stand in the text, unread by the server (Chat).
    pub text_calls: bool,
    /// Answers may begin with `<think>…</think>` in their text.
    pub inline_think: bool,
    /// The lowest and highest temperature; values outside are brought in.
    pub temperature: (f64, f64),
    /// The most stop sequences.
    pub stop_max: Option<usize>,
    /// Whether `top_k` is known (Chat).
    pub top_k: bool,
    /// Whether `tool_choice` may be an object (Chat).
    pub tool_choice_object: bool,
    /// The word for "some tool" (Chat): `required`, `any`, or `auto` where that is the only word.
    pub tool_choice_any: &'static str,
    /// Whether the model may think while a tool is forced upon it (Chat).
    pub forced_tool_thinks: bool,
    /// What call ids may look like.
    pub tool_ids: ToolIds,
    /// The most characters of a tool's name.
    pub tool_name_max: usize,
    /// The most characters of a tool's description.
    pub tool_description_max: Option<usize>,
    /// Whether `stream_options` is known (Chat).
    pub stream_options: bool,
    /// Whether `parallel_tool_calls` is known (Chat).
    pub parallel_tool_calls: bool,
    /// The member that carries the seed; `None`: not known.
    pub seed: Option<&'static str>,
    /// Whether presence and frequency penalties and logit bias are known.
    pub penalties: bool,
    /// Whether log probabilities are known.
    pub logprobs: bool,
    /// The most characters of the `user` member; `None`: not known.
    pub user_max: Option<usize>,
    /// Whether a user message may follow a tool message directly.
    pub user_after_tool: bool,
    /// Whether neighbouring messages of one role must be merged.
    pub alternate_roles: bool,
    /// Whether a message of the history may have `annotations` (Chat).
    pub annotations: bool,
    /// Whether `cache_control` is kept on parts (Chat), or known at all (Anthropic).
    pub cache_control: bool,
    /// How an output schema is asked for.
    pub structured: Structured,
    /// Send `tool_stream: true` beside `stream` and tools.
    pub tool_stream: bool,
    /// Whether images are known at all.
    pub images: bool,
    /// Whether documents (PDF) are known.
    pub documents: bool,
    /// Whether tools may be marked `strict`.
    pub strict_tools: bool,
    /// Text put where a tool gave nothing.
    pub empty_tool_result: &'static str,
    /// Anthropic: betas, context management and other members beyond the core are known (the provider's own API).
    pub full_anthropic: bool,
    /// Anthropic: there is a count_tokens endpoint.
    pub count_tokens: bool,
    /// Anthropic: system messages may stand in mid-conversation.
    pub mid_conversation_system: bool,
    /// Whether a request may end with the beginning of its own answer.
    pub prefill: Prefill,
}

/// How a request may end with the beginning of its own answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefill {
    /// Not at all, or nobody knows.
    Never,
    /// As a last assistant message, where the model's version allows it (Anthropic).
    Plain,
    /// The same, marked `prefix: true`; the answer may repeat it (Chat).
    Prefix,
    /// The same, marked `partial: true` (Chat).
    Partial,
}

/// How thinking is sent back to a Chat upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasoningBack {
    /// Not at all.
    Never,
    /// As `reasoning_content`.
    ReasoningContent,
    /// As `reasoning`.
    Reasoning,
    /// As `reasoning_details`, unmodified, beside `reasoning`.
    ReasoningDetails,
}

/// How thinking is switched at a Chat upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkingSwitch {
    /// There is no switch.
    None,
    /// `reasoning_effort`, with the least effort that the provider knows.
    Effort(&'static str),
    /// `thinking: {type: enabled | disabled}`.
    ThinkingType,
    /// `reasoning: {effort | max_tokens}`.
    ReasoningObject,
    /// `chat_template_kwargs: {enable_thinking}`.
    ChatTemplate,
    /// `reasoning_split: true`, always.
    ReasoningSplit,
}

/// What call ids may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolIds {
    /// Letters, digits, `_` and `-`, up to so many.
    UpTo(usize),
    /// Exactly nine letters or digits.
    Nine,
}

/// How an output schema is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Structured {
    /// The dialect's own member (`response_format`, `output_config.format`).
    Native,
    /// A forced tool whose call is the answer.
    ForcedTool,
    /// In words, in the system text, and in Chat with `json_object` beside them.
    JsonMode,
    /// The dialect's own member for models that are known to enforce schemas, a forced tool for the others.
    ByModel,
}

/// The family whose signatures are in no envelope: they are told by that.
const BARE: &str = "anthropic";
/// The family of servers that nobody knows. What is bare may be theirs: they may hand on anybody's.
const UNKNOWN: &str = "other";

impl Quirks {
    /// Whether a signature of this family goes to a Messages client in an envelope of ours, even where the answer is relayed: it
    /// looks like any other's, and comes back to whoever is asked next.
    #[must_use]
    pub(crate) fn seals(&self) -> bool {
        self.family != BARE
    }

    /// Whether a signature in no envelope goes back to this family.
    #[must_use]
    pub(crate) fn owns_bare(&self) -> bool {
        self.family == BARE || self.family == UNKNOWN
    }

    /// An unknown server that speaks Chat Completions (vLLM, llama.cpp, a proxy …): the most common subset.
    pub const CHAT: Self = Self {
        family: "other",
        reasoning_models: &[],
        reasoning_back: ReasoningBack::Never,
        thinking_switch: ThinkingSwitch::None,
        thinking_always: &[],
        text_calls: false,
        inline_think: false,
        temperature: (0.0, 2.0),
        stop_max: None,
        top_k: false,
        tool_choice_object: true,
        tool_choice_any: "required",
        forced_tool_thinks: true,
        tool_ids: ToolIds::UpTo(40),
        tool_name_max: 64,
        tool_description_max: None,
        stream_options: true,
        parallel_tool_calls: true,
        seed: Some("seed"),
        penalties: true,
        logprobs: true,
        user_max: Some(64),
        user_after_tool: true,
        alternate_roles: false,
        annotations: true,
        cache_control: false,
        structured: Structured::Native,
        tool_stream: false,
        images: true,
        documents: true,
        strict_tools: true,
        empty_tool_result: "(no output)",
        full_anthropic: false,
        count_tokens: false,
        mid_conversation_system: true,
        prefill: Prefill::Never,
    };

    /// An unknown server that speaks Anthropic Messages.
    pub const ANTHROPIC: Self = Self {
        temperature: (0.0, 1.0),
        stop_max: None,
        top_k: true,
        tool_ids: ToolIds::UpTo(64),
        tool_name_max: 128,
        seed: None,
        penalties: false,
        logprobs: false,
        user_max: Some(256),
        cache_control: true,
        structured: Structured::ForcedTool,
        strict_tools: false,
        mid_conversation_system: false,
        ..Self::CHAT
    };
}
