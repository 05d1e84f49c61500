//! Writes a whole Chat answer for a client.

use bytes::Bytes;
use serde::Serialize;

use super::annotation::{Annotation, Audience, is_sayable};
use super::chunk::word;
use super::thinking_state::{Detail, Place};
use crate::chat::response::ResponseBlock;
use crate::chat::{ChatResponse, Loss, StopReason, Usage, lose};
use crate::dialect::ReplyMap;
use crate::dialect::names::answer_id;

#[derive(Serialize)]
struct Completion<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [Choice<'a>; 1],
    usage: UsageRecord,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    message: Message<'a>,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<String>,
    refusal: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasoning_details: Vec<Detail>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<Annotation<'a>>,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
struct UsageRecord {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Serialize)]
struct PromptDetails {
    cached_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_tokens: Option<u64>,
}

#[derive(Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
}

impl From<&Usage> for UsageRecord {
    fn from(usage: &Usage) -> Self {
        // All input is one sum here, and there is one lifetime of what was cached.
        let Usage { input: _, cache_read, cache_write, cache_write_1h: _, output, reasoning } = usage;
        let (prompt_tokens, completion_tokens) = (usage.input_total(), output.unwrap_or(0));
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            prompt_tokens_details: PromptDetails {
                cached_tokens: cache_read.unwrap_or(0),
                cache_write_tokens: cache_write.filter(|n| *n > 0),
            },
            completion_tokens_details: CompletionDetails { reasoning_tokens: reasoning.unwrap_or(0) },
        }
    }
}

/// The usage object as JSON.
pub(super) fn usage_json(usage: &Usage) -> String {
    serde_json::to_string(&UsageRecord::from(usage)).unwrap_or_else(|_| "{}".to_owned())
}

/// The whole answer as JSON.
pub(super) fn encode(response: &ChatResponse, map: &ReplyMap, losses: &mut Vec<Loss>) -> Bytes {
    let ChatResponse { id, model, blocks, stop, stop_sequence, usage, losses: said } = response;
    said.iter().for_each(|loss| lose(losses, loss.clone()));
    let stop = stop.unwrap_or(StopReason::End);
    lose_stop(stop, stop_sequence.as_deref(), losses);
    let model = if map.model.is_empty() { model.as_deref().unwrap_or_default() } else { &map.model };
    let completion = Completion {
        id: answer_id(super::ID, &map.id, id.as_deref()),
        object: "chat.completion",
        created: super::now(),
        model,
        choices: [Choice { index: 0, message: message(blocks, losses), logprobs: None, finish_reason: word(stop) }],
        usage: UsageRecord::from(usage),
    };
    serde_json::to_vec(&completion).unwrap_or_default().into()
}

/// Records what the finish word does not tell.
pub(super) fn lose_stop(reason: StopReason, stop_sequence: Option<&str>, losses: &mut Vec<Loss>) {
    if reason == StopReason::Paused {
        lose(losses, Loss::normalised("answer.stop_reason"));
    }
    if stop_sequence.is_some() {
        lose(losses, Loss::dropped("answer.stop_sequence"));
    }
}

fn message<'a>(blocks: &'a [ResponseBlock], losses: &mut Vec<Loss>) -> Message<'a> {
    let mut message = Message {
        role: "assistant",
        content: None,
        refusal: None,
        reasoning_content: None,
        reasoning_details: Vec::new(),
        tool_calls: Vec::new(),
        annotations: Vec::new(),
    };
    let (mut thoughts, mut place) = (0, Place::default());
    for block in blocks {
        match block {
            ResponseBlock::Text { text, citations } => {
                let block = place.chars..place.chars + text.chars().count();
                place.chars = block.end;
                message.content.get_or_insert_default().push_str(text);
                let sayable = citations.iter().filter(|citation| is_sayable(citation, losses));
                message.annotations.extend(sayable.map(|citation| Annotation { citation, block: block.clone(), to: Audience::Client }));
            }
            ResponseBlock::Thinking { text, opaque } => {
                if !text.is_empty() {
                    message.reasoning_content.get_or_insert_default().push_str(text);
                }
                message
                    .reasoning_details
                    .extend(opaque.iter().map(|state| Detail::of_thinking(state, thoughts, text.chars().count(), place)));
                thoughts += 1;
            }
            ResponseBlock::RedactedThinking(opaque) => {
                message.reasoning_details.push(Detail::of_redacted(opaque, thoughts, place));
                thoughts += 1;
            }
            ResponseBlock::ToolCall { id, name, arguments } => {
                let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
                place.calls += 1;
                message.tool_calls.push(Call { id, kind: "function", function: Function { name, arguments } });
            }
        }
    }
    if message.tool_calls.is_empty() {
        message.content.get_or_insert_default();
    }
    message
}
