//! What programs read of conversations. Members are added, never renamed or left out; docs/logs.md has them.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::chat::Usage;
use crate::date;
use crate::history::{Attachment, Conversation, Exchange, Place};
use crate::wire::base64;

#[derive(Serialize)]
pub(super) struct Listed<'a> {
    file: String,
    conversations: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    name: &'a str,
    created: String,
    updated: String,
    exchanges: u64,
    unfinished: u64,
    targets: &'a [String],
    cost_micro_usd: u64,
    unpriced: u64,
}

/// A conversation whole.
#[derive(Serialize)]
pub(super) struct Whole<'a> {
    id: &'a str,
    exchanges: Vec<Said<'a>>,
}

#[derive(Serialize)]
struct Said<'a> {
    time: String,
    request_id: &'a str,
    system: &'a str,
    prompt: &'a str,
    attachments: Vec<Attached<'a>>,
    answer: &'a str,
    reasoning: &'a str,
    asked: &'a str,
    target: String,
    route: &'a str,
    options: Option<Box<RawValue>>,
    /// As `aimux route --json` has them; null: none.
    steps: Option<Box<RawValue>>,
    ending: &'static str,
    code: Option<&'a str>,
    attempts: u64,
    usage: Used,
    cost_micro_usd: Option<u64>,
    first_content_ms: Option<u64>,
    total_ms: u64,
}

#[derive(Serialize)]
struct Attached<'a> {
    name: &'a str,
    r#type: &'a str,
    size: u64,
    sha256: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Used {
    input_tokens: Option<u64>,
    cache_read_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    output_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
    estimated: bool,
}

pub(super) fn listed<'a>(place: &Place, found: &'a [Conversation]) -> Listed<'a> {
    let line = |conversation: &'a Conversation| {
        let Conversation { id, name, created_ms, updated_ms, exchanges, unfinished, targets, cost_micro_usd, unpriced } = conversation;
        Line {
            id,
            name,
            created: date::rfc3339(created_ms / 1000),
            updated: date::rfc3339(updated_ms / 1000),
            exchanges: *exchanges,
            unfinished: *unfinished,
            targets,
            cost_micro_usd: *cost_micro_usd,
            unpriced: *unpriced,
        }
    };
    Listed { file: place.to_string(), conversations: found.iter().map(line).collect() }
}

/// A conversation with its exchanges; attachments with their content in base64, if `with_contents`.
pub(super) fn whole<'a>(id: &'a str, exchanges: &'a [Exchange], with_contents: bool) -> Whole<'a> {
    Whole { id, exchanges: exchanges.iter().map(|exchange| said(exchange, with_contents)).collect() }
}

fn said(exchange: &Exchange, with_contents: bool) -> Said<'_> {
    let attached = |attachment: &'_ Attachment| -> Option<String> {
        attachment.content.as_ref().filter(|_| with_contents).map(|content| base64::encode(content).to_string())
    };
    Said {
        time: date::rfc3339(exchange.time_ms / 1000),
        request_id: &exchange.request_id,
        system: &exchange.system,
        prompt: &exchange.prompt,
        attachments: exchange
            .attachments
            .iter()
            .map(|attachment| Attached {
                name: &attachment.name,
                r#type: &attachment.media_type,
                size: attachment.size,
                sha256: &attachment.sha256,
                content: attached(attachment),
            })
            .collect(),
        answer: &exchange.answer,
        reasoning: &exchange.reasoning,
        asked: &exchange.asked,
        target: exchange.target(),
        route: &exchange.route,
        options: RawValue::from_string(exchange.options.clone()).ok(),
        steps: RawValue::from_string(exchange.steps.clone()).ok(),
        ending: exchange.ending.name(),
        code: exchange.code.as_deref(),
        attempts: exchange.attempts,
        usage: used(&exchange.usage, exchange.is_estimated),
        cost_micro_usd: exchange.cost,
        first_content_ms: exchange.content_ms,
        total_ms: exchange.total_ms,
    }
}

/// What an exchange or a request took.
pub(super) fn used(usage: &Usage, estimated: bool) -> Used {
    let Usage { input, cache_read, cache_write, cache_write_1h: _, output, reasoning } = *usage;
    Used {
        input_tokens: input,
        cache_read_tokens: cache_read,
        cache_write_tokens: cache_write,
        output_tokens: output,
        reasoning_tokens: reasoning,
        estimated,
    }
}
