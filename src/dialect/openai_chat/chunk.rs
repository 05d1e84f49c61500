//! An upstream's chunk or whole answer, as it comes: every member may be missing or of another type.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::{StopReason, Usage};
use crate::wire::Text;
use crate::wire::json::{Members, count, items};
use crate::wire::read;

/// A chunk or a whole answer.
#[derive(Deserialize, Default)]
pub(super) struct Chunk<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) choices: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) x_groq: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) base_resp: Option<&'a RawValue>,
}

impl<'a> Chunk<'a> {
    /// The choices, none where the member is missing, null or no list.
    pub(super) fn choices(&self) -> Vec<Choice<'a>> {
        let list = self.choices.and_then(items).unwrap_or_default();
        list.into_iter().filter_map(|raw| read::from_str(raw.get()).ok()).collect()
    }

    /// Whether something other than an answer may be in it.
    pub(super) fn is_suspect(&self) -> bool {
        self.error.is_some_and(|raw| raw.get() != "null") || self.base_resp.is_some() || self.choices.is_none_or(|raw| raw.get() == "null")
    }

    /// The usage, wherever it stands (Groq has a place of its own, Kimi puts it into the choice).
    pub(super) fn usage(&self, choices: &[Choice<'_>]) -> Option<Usage> {
        let groq = || self.x_groq.and_then(Members::of)?.get("usage");
        let choice = || choices.iter().find_map(|choice| choice.usage);
        usage(self.usage.or_else(groq).or_else(choice)?)
    }
}

/// A choice.
#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(borrow, default)]
    pub(super) index: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) stop_reason: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

impl Choice<'_> {
    /// Whether it is the first, which is the only one asked for.
    pub(super) fn is_first(&self) -> bool {
        self.index.and_then(count).is_none_or(|index| index == 0)
    }
}

/// A delta, or the message of a whole answer.
#[derive(Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(borrow, default)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) reasoning: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) reasoning_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) function_call: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) annotations: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) images: Option<&'a RawValue>,
}

/// A string that is not empty.
pub(super) fn text(raw: Option<&RawValue>) -> Option<String> {
    Text::from_raw(raw?).filter(|text| !text.is_empty()).map(|text| text.read().into_owned())
}

/// Reads a usage object. `prompt_tokens` includes what was cached; [`Usage::input`] does not.
pub(super) fn usage(raw: &RawValue) -> Option<Usage> {
    let members = Members::of(raw)?;
    let number = |members: &Members<'_>, names: &[&str]| names.iter().find_map(|name| members.get(name).and_then(count));
    let prompt = ["prompt_tokens_details", "input_tokens_details"].iter().find_map(|name| members.get(name).and_then(Members::of));
    let completion = ["completion_tokens_details", "output_tokens_details"].iter().find_map(|name| members.get(name).and_then(Members::of));
    let in_details = |details: &Option<Members<'_>>, names: &[&str]| details.as_ref().and_then(|details| number(details, names));
    let total = number(&members, &["prompt_tokens", "input_tokens"]);
    let output = number(&members, &["completion_tokens", "output_tokens"]);
    // DeepSeek and Kimi have names of their own for the cached part.
    let cache_read = in_details(&prompt, &["cached_tokens"])
        .or_else(|| number(&members, &["prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens"]));
    let cache_write = in_details(&prompt, &["cache_write_tokens", "cache_creation_tokens"])
        .or_else(|| number(&members, &["cache_creation_input_tokens"]));
    let cached = cache_read.unwrap_or(0).saturating_add(cache_write.unwrap_or(0));
    let usage = Usage {
        input: total.map(|total| total.saturating_sub(cached)),
        cache_read,
        cache_write,
        cache_write_1h: None,
        output,
        reasoning: in_details(&completion, &["reasoning_tokens"]).or_else(|| number(&members, &["reasoning_tokens"])),
    };
    (usage != Usage::default()).then_some(usage)
}

/// What a finish word means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    /// The answer ended.
    Stop(StopReason),
    /// The upstream broke.
    Broken,
}

/// The meaning of a finish word; `None` for the empty word, which means nothing. Unknown words are an end.
pub(super) fn finish(word: &str) -> Option<Finish> {
    use StopReason as S;
    let reason = match word.trim().to_ascii_lowercase().as_str() {
        "" | "null" | "none" => return None,
        "stop_sequence" => S::StopSequence,
        "length" | "max_tokens" | "max_output_tokens" | "max_length" | "model_length" | "token_limit" | "incomplete" => S::Length,
        "model_context_window_exceeded" | "context_length_exceeded" | "context_window_exceeded" => S::ContextFull,
        "tool_calls" | "tool_call" | "tool-calls" | "function_call" | "tool_use" => S::ToolUse,
        "content_filter"
        | "content_filtered"
        | "content-filter"
        | "sensitive"
        | "safety"
        | "refusal"
        | "recitation"
        | "blocklist"
        | "prohibited_content"
        | "spii"
        | "image_safety"
        | "guardrail_intervened" => S::Refusal,
        "pause_turn" => S::Paused,
        "error"
        | "network_error"
        | "server_error"
        | "internal_error"
        | "failed"
        | "abort"
        | "aborted"
        | "cancelled"
        | "insufficient_system_resource"
        | "malformed_function_call"
        | "unexpected_tool_call"
        | "malformed_tool_use"
        | "malformed_model_output" => return Some(Finish::Broken),
        _ => S::End,
    };
    Some(Finish::Stop(reason))
}

/// The word of a reason in this dialect.
pub(super) fn word(reason: StopReason) -> &'static str {
    match reason {
        StopReason::End | StopReason::StopSequence | StopReason::Paused => "stop",
        StopReason::Length | StopReason::ContextFull => "length",
        StopReason::ToolUse => "tool_calls",
        StopReason::Refusal => "content_filter",
    }
}

/// Whether clients of this dialect know the finish word.
pub(super) fn is_known(word: &str) -> bool {
    matches!(word, "stop" | "length" | "tool_calls" | "content_filter" | "function_call")
}
