//! Reads a client's Messages request into the canonical model, borrowing all text from the body.
//!
//! Lacks limits (they are the target's) and repairs (they are the encoders'). Start with [`decode`].

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::wire::{Raw, WireBlock, WireMessage, WireOptions, WireSource, boolean, count, number, optional, parse, required, under};
use crate::chat::Opaque;
use crate::chat::request::{
    Arguments, Block, BlockKind, ChatRequest, Document, Effort, Extra, Foreign, Media, OutputFormat, Role, Source, Thinking, ThinkingMode,
    Tool, ToolCall, ToolChoice, ToolKind, ToolResult, Turn,
};
use crate::dialect::TranslateError;
use crate::wire::Text;
use crate::wire::json::Members;
use crate::wire::read;

/// The family whose signatures come without an envelope of ours.
pub(super) const FAMILY: &str = "anthropic";

/// Reads a whole request.
///
/// # Errors
/// With the path of the field that breaks the dialect's rules.
pub(super) fn decode(body: &[u8]) -> Result<ChatRequest<'_>, TranslateError> {
    let members: Members<'_> =
        read::from_slice(body).map_err(|error| TranslateError::new("", format!("the body is no JSON object: {error}")))?;
    let mut request = ChatRequest::default();
    let mut effort = None;
    let mut has_messages = false;
    for (name, value) in members.0 {
        let raw = (value.get() != "null").then_some(value);
        match name.as_ref() {
            "model" => request.model = required(raw, "model")?.read(),
            "messages" => {
                has_messages = true;
                request.turns = turns(raw)?;
            }
            "system" => request.system = system(raw)?,
            "tools" => request.tools = tools(raw, &mut request.extras)?,
            "tool_choice" => tool_choice(raw, &mut request)?,
            "max_tokens" => request.max_output_tokens = count(raw, "max_tokens")?,
            "temperature" => request.sampling.temperature = number(raw, "temperature")?,
            "top_p" => request.sampling.top_p = number(raw, "top_p")?,
            "top_k" => request.sampling.top_k = count(raw, "top_k")?,
            "stop_sequences" => request.stop = stop_sequences(raw)?,
            "stream" => request.stream = boolean(raw, "stream")?.unwrap_or(false),
            "thinking" => {
                request.thinking = thinking_mode(raw)?;
                beside_in(raw, "thinking", &["type", "budget_tokens"], &mut request.extras);
            }
            "output_config" => effort = output_config(raw, value, &mut request)?,
            "output_format" => request.output = output_format(raw, "output_format")?,
            "metadata" => {
                request.user_id = user_id(raw)?;
                beside_in(raw, "metadata", &["user_id"], &mut request.extras);
            }
            "service_tier" => request.service_tier = optional(raw, "service_tier")?,
            _ if raw.is_some() => request.extras.push(Extra { name, value }),
            _ => {}
        }
    }
    if !has_messages {
        return Err(TranslateError::new("messages", "the field is missing"));
    }
    request.thinking = match (request.thinking.take(), effort) {
        (Some(ThinkingMode::Adaptive(None)), effort) => Some(ThinkingMode::Adaptive(effort)),
        (None, Some(effort)) => Some(ThinkingMode::Effort(effort)),
        (mode, _) => mode,
    };
    Ok(request)
}

fn turns(raw: Raw<'_>) -> Result<Vec<Turn<'_>>, TranslateError> {
    let raw = raw.ok_or_else(|| TranslateError::new("messages", "the field is missing"))?;
    let messages: Vec<WireMessage<'_>> = parse(raw, "messages", "a list of messages")?;
    if messages.is_empty() {
        return Err(TranslateError::new("messages", "at least one message is required"));
    }
    messages.iter().enumerate().map(|(n, message)| turn(message).map_err(under(format_args!("messages.{n}")))).collect()
}

fn turn<'a>(message: &WireMessage<'a>) -> Result<Turn<'a>, TranslateError> {
    let role = match required(message.role, "role")?.read().as_ref() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => return Err(TranslateError::new("role", format!("expected user, assistant or system, not {other:?}"))),
    };
    let content = message.content.ok_or_else(|| TranslateError::new("content", "the field is missing"))?;
    Ok(Turn { role, name: None, blocks: content_blocks(content).map_err(under("content"))? })
}

/// A string or a list of blocks.
fn content_blocks(raw: &RawValue) -> Result<Vec<Block<'_>>, TranslateError> {
    if let Some(text) = Text::from_raw(raw) {
        return Ok(if text.is_empty() { Vec::new() } else { vec![BlockKind::Text(text).into()] });
    }
    if !raw.get().starts_with('[') {
        return Err(TranslateError::new("", "expected a string or a list of blocks"));
    }
    // The outer list is walked raw only when a block needs its own bytes: server-side blocks are rare.
    let blocks: Vec<WireBlock<'_>> = parse(raw, "", "a list of block objects")?;
    let mut verbatim: Option<Vec<&RawValue>> = None;
    let mut out = Vec::with_capacity(blocks.len());
    for (n, wire) in blocks.iter().enumerate() {
        let mut whole = || -> Result<&RawValue, TranslateError> {
            if verbatim.is_none() {
                verbatim = Some(parse(raw, "", "a list of blocks")?);
            }
            verbatim.as_ref().and_then(|list| list.get(n).copied()).ok_or_else(|| TranslateError::new("", "expected a block"))
        };
        if let Some(kind) = block(wire, &mut whole).map_err(under(n))? {
            // What is kept verbatim has lost nothing.
            let is_read = !matches!(kind, BlockKind::Foreign(_));
            let unread = wire.unread.iter().filter(|_| is_read).map(|name| format!("messages[].content[].{name}").into()).collect();
            out.push(Block { kind, cache: wire.cache_control, citations: wire.citations, unread });
        }
    }
    Ok(out)
}

/// One block; `None` for an empty text, which is our own keep-alive coming back and no target takes.
fn block<'a>(
    wire: &WireBlock<'a>,
    whole: &mut dyn FnMut() -> Result<&'a RawValue, TranslateError>,
) -> Result<Option<BlockKind<'a>>, TranslateError> {
    let kind = required(wire.kind, "type")?.read();
    Ok(Some(match kind.as_ref() {
        "text" => {
            let text = required(wire.text, "text")?;
            if text.is_empty() {
                return Ok(None);
            }
            BlockKind::Text(text)
        }
        "image" => BlockKind::Image(Media { source: image_source(wire.source).map_err(under("source"))?, detail: None }),
        "document" => return document(wire, kind.clone(), whole).map(Some),
        "tool_use" => BlockKind::ToolCall(ToolCall {
            id: required(wire.id, "id")?.read(),
            name: required(wire.name, "name")?.read(),
            arguments: arguments(wire.input)?,
            opaque: None,
        }),
        "tool_result" => BlockKind::ToolResult(ToolResult {
            call_id: required(wire.tool_use_id, "tool_use_id")?.read(),
            content: wire.content.map(content_blocks).transpose().map_err(under("content"))?.unwrap_or_default(),
            is_error: boolean(wire.is_error, "is_error")?.unwrap_or(false),
        }),
        "thinking" => {
            let signature = optional(wire.signature, "signature")?.map(|text| text.read()).filter(|text| !text.is_empty());
            BlockKind::Thinking(Thinking {
                text: required(wire.thinking, "thinking")?,
                opaque: signature.map(|state| opaque(&state)),
                is_redacted: false,
            })
        }
        "redacted_thinking" => {
            BlockKind::Thinking(Thinking { text: "".into(), opaque: Some(opaque(&required(wire.data, "data")?.read())), is_redacted: true })
        }
        other if is_foreign(other) => BlockKind::Foreign(Foreign { kind: kind.clone(), raw: whole()? }),
        other => return Err(TranslateError::new("type", format!("unknown block type {other:?}"))),
    }))
}

/// Blocks of Anthropic's own server-side features.
fn is_foreign(kind: &str) -> bool {
    kind.ends_with("_tool_result")
        || matches!(kind, "server_tool_use" | "mcp_tool_use" | "search_result" | "container_upload" | "tool_reference" | "compaction")
}

fn opaque(state: &str) -> Opaque {
    Opaque::open(state).unwrap_or_else(|| Opaque::new(FAMILY, state))
}

fn arguments(input: Raw<'_>) -> Result<Arguments<'_>, TranslateError> {
    match input {
        None => Ok(Arguments::Encoded("".into())),
        Some(raw) if raw.get().starts_with('{') => Ok(Arguments::Object(raw)),
        Some(raw) => Text::from_raw(raw).map(Arguments::Encoded).ok_or_else(|| TranslateError::new("input", "expected an object")),
    }
}

fn image_source(raw: Raw<'_>) -> Result<Source<'_>, TranslateError> {
    let raw = raw.ok_or_else(|| TranslateError::new("", "the field is missing"))?;
    let source: WireSource<'_> = parse(raw, "", "an object")?;
    source_of(&source)?.ok_or_else(|| TranslateError::new("type", "expected base64, url or file"))
}

/// The sources that images and documents share.
fn source_of<'a>(source: &WireSource<'a>) -> Result<Option<Source<'a>>, TranslateError> {
    Ok(Some(match required(source.kind, "type")?.read().as_ref() {
        "base64" => Source::Base64 { media_type: required(source.media_type, "media_type")?.read(), data: required(source.data, "data")? },
        "url" => Source::Url(required(source.url, "url")?),
        "file" => Source::FileId(required(source.file_id, "file_id")?),
        _ => return Ok(None),
    }))
}

fn document<'a>(
    wire: &WireBlock<'a>,
    kind: Cow<'a, str>,
    whole: &mut dyn FnMut() -> Result<&'a RawValue, TranslateError>,
) -> Result<BlockKind<'a>, TranslateError> {
    let raw = wire.source.ok_or_else(|| TranslateError::new("source", "the field is missing"))?;
    let wire_source: WireSource<'a> = parse(raw, "source", "an object")?;
    let title = optional(wire.title, "title")?;
    let context = optional(wire.context, "context")?;
    let source = match source_of(&wire_source).map_err(under("source"))? {
        Some(source) => source,
        None => match required(wire_source.kind, "source.type")?.read().as_ref() {
            "text" => Source::PlainText(required(wire_source.data, "source.data")?),
            "content" => match joined_text(wire_source.content).map_err(under("source.content"))? {
                Some(text) => Source::PlainText(text),
                // Pictures in a document of blocks have no equivalent elsewhere; the encoders name the block as a loss.
                None => return Ok(BlockKind::Foreign(Foreign { kind, raw: whole()? })),
            },
            other => return Err(TranslateError::new("source.type", format!("unknown source type {other:?}"))),
        },
    };
    Ok(BlockKind::Document(Document { source, title, context }))
}

/// The text of a document made of blocks; `None` when there is more than text.
fn joined_text(raw: Raw<'_>) -> Result<Option<Text<'_>>, TranslateError> {
    let raw = raw.ok_or_else(|| TranslateError::new("", "the field is missing"))?;
    let blocks = content_blocks(raw)?;
    let texts: Option<Vec<Cow<'_, str>>> = blocks
        .iter()
        .map(|block| match &block.kind {
            BlockKind::Text(text) => Some(text.read()),
            _ => None,
        })
        .collect();
    Ok(texts.map(|texts| Text::from(texts.join("\n"))))
}

fn system(raw: Raw<'_>) -> Result<Vec<Block<'_>>, TranslateError> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let blocks = content_blocks(raw).map_err(under("system"))?;
    match blocks.iter().position(|block| !matches!(block.kind, BlockKind::Text(_))) {
        Some(n) => Err(TranslateError::new(format!("system.{n}.type"), "only text may stand here")),
        None => Ok(blocks),
    }
}

fn tools<'a>(raw: Raw<'a>, extras: &mut Vec<Extra<'a>>) -> Result<Vec<Tool<'a>>, TranslateError> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let list: Vec<&RawValue> = parse(raw, "tools", "a list of tools")?;
    list.iter().enumerate().map(|(n, raw)| tool(raw, extras).map_err(under(format_args!("tools.{n}")))).collect()
}

fn tool<'a>(raw: &'a RawValue, extras: &mut Vec<Extra<'a>>) -> Result<Tool<'a>, TranslateError> {
    let members = Members::of(raw).ok_or_else(|| TranslateError::new("", "expected an object"))?;
    let kind = optional(members.get("type"), "type")?.map(|kind| kind.read()).filter(|kind| kind != "custom");
    let name = required(members.get("name"), "name");
    let cache = members.get("cache_control");
    let kind = match kind {
        // An MCP toolset has a server's name instead of its own.
        Some(kind) => ToolKind::Server { name: name.map_or_else(|_| kind.clone(), |name| name.read()), kind, raw },
        None => {
            let known = ["type", "name", "description", "input_schema", "strict", "cache_control"];
            beside(&members, "tools[]", &known, extras);
            ToolKind::Function {
                name: name?.read(),
                description: optional(members.get("description"), "description")?,
                parameters: members.get("input_schema"),
                strict: boolean(members.get("strict"), "strict")?,
            }
        }
    };
    Ok(Tool { kind, cache })
}

fn beside_in<'a>(raw: Raw<'a>, path: &str, known: &[&str], extras: &mut Vec<Extra<'a>>) {
    if let Some(members) = raw.and_then(Members::of) {
        beside(&members, path, known, extras);
    }
}

/// Keeps the members of an object that are not `known` here, under `path`.
fn beside<'a>(members: &Members<'a>, path: &str, known: &[&str], extras: &mut Vec<Extra<'a>>) {
    let unknown = members.0.iter().filter(|(name, value)| !known.contains(&name.as_ref()) && value.get() != "null");
    extras.extend(unknown.map(|(name, value)| Extra { name: format!("{path}.{name}").into(), value }));
}

fn tool_choice<'a>(raw: Raw<'a>, request: &mut ChatRequest<'a>) -> Result<(), TranslateError> {
    let Some(raw) = raw else { return Ok(()) };
    let wire: WireOptions<'a> = parse(raw, "tool_choice", "an object")?;
    request.tool_choice = Some(match required(wire.kind, "tool_choice.type")?.read().as_ref() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Any,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(required(wire.name, "tool_choice.name")?.read()),
        other => return Err(TranslateError::new("tool_choice.type", format!("expected auto, any, tool or none, not {other:?}"))),
    });
    request.parallel_tool_calls = boolean(wire.disable_parallel_tool_use, "tool_choice.disable_parallel_tool_use")?.map(|disable| !disable);
    Ok(())
}

fn stop_sequences(raw: Raw<'_>) -> Result<Vec<Text<'_>>, TranslateError> {
    raw.map(|raw| parse(raw, "stop_sequences", "a list of strings")).transpose().map(Option::unwrap_or_default)
}

fn thinking_mode(raw: Raw<'_>) -> Result<Option<ThinkingMode>, TranslateError> {
    let Some(raw) = raw else { return Ok(None) };
    let wire: WireOptions<'_> = parse(raw, "thinking", "an object")?;
    Ok(Some(match required(wire.kind, "thinking.type")?.read().as_ref() {
        "enabled" => {
            let budget = count(wire.budget_tokens, "thinking.budget_tokens")?;
            budget.map_or(ThinkingMode::Adaptive(None), ThinkingMode::Budget)
        }
        "adaptive" => ThinkingMode::Adaptive(None),
        "disabled" => ThinkingMode::Disabled,
        other => return Err(TranslateError::new("thinking.type", format!("expected enabled, adaptive or disabled, not {other:?}"))),
    }))
}

/// Effort and output format. A word for the effort that is not known here yet is kept as an extra, not refused.
fn output_config<'a>(raw: Raw<'a>, whole: &'a RawValue, request: &mut ChatRequest<'a>) -> Result<Option<Effort>, TranslateError> {
    let Some(raw) = raw else { return Ok(None) };
    let wire: WireOptions<'a> = parse(raw, "output_config", "an object")?;
    beside_in(Some(raw), "output_config", &["format", "effort"], &mut request.extras);
    if let Some(format) = output_format(wire.format, "output_config.format")? {
        request.output = Some(format);
    }
    let Some(word) = optional(wire.effort, "output_config.effort")? else { return Ok(None) };
    let effort = effort(&word.read());
    if effort.is_none() {
        request.extras.push(Extra { name: "output_config.effort".into(), value: whole });
    }
    Ok(effort)
}

fn effort(word: &str) -> Option<Effort> {
    Some(match word {
        "none" => Effort::None,
        "minimal" => Effort::Minimal,
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" => Effort::XHigh,
        "max" => Effort::Max,
        _ => return None,
    })
}

fn output_format<'a>(raw: Raw<'a>, path: &'static str) -> Result<Option<OutputFormat<'a>>, TranslateError> {
    let Some(raw) = raw else { return Ok(None) };
    let wire: WireOptions<'a> = parse(raw, path, "an object")?;
    let kind = required(wire.kind, path)?.read();
    if kind != "json_schema" {
        return Err(TranslateError::new(path, format!("expected type json_schema, not {kind:?}")));
    }
    let schema = wire.schema.ok_or_else(|| TranslateError::new(path, "the schema is missing"))?;
    let (name, description) = (optional(wire.name, path)?, optional(wire.description, path)?);
    Ok(Some(OutputFormat::JsonSchema { name, description, schema, strict: None }))
}

fn user_id(raw: Raw<'_>) -> Result<Option<Text<'_>>, TranslateError> {
    let Some(raw) = raw else { return Ok(None) };
    let wire: WireOptions<'_> = parse(raw, "metadata", "an object")?;
    optional(wire.user_id, "metadata.user_id")
}
