//! Reads a client's Messages request into the canonical model, borrowing all text from the body.
//!
//! Lacks limits (they are the target's) and repairs (they are the encoders'). Start with [`decode`].

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::citation::read_citation;
use super::wire::{FAMILY, Raw, WireBlock, WireMessage, boolean, count, number, optional, parse, required, under};
use crate::chat::request::{
    Arguments, Block, BlockKind, ChatRequest, Document, Effort, Extra, Foreign, Media, OutputFormat, Role, Source, Thinking, ThinkingMode,
    Tool, ToolCall, ToolChoice, ToolKind, ToolResult, Turn,
};
use crate::chat::{Citation, Opaque, Unread};
use crate::dialect::TranslateError;
use crate::wire::Text;
use crate::wire::json::{Members, items};
use crate::wire::read;

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
    for (name, value) in members {
        let raw = (value.get() != "null").then_some(value);
        let unread = &mut request.unread;
        match name.as_ref() {
            "model" => request.model = required(raw, "model")?.read(),
            "messages" => {
                has_messages = true;
                request.turns = turns(raw, unread)?;
            }
            "system" => request.system = system(raw, unread)?,
            "tools" => request.tools = tools(raw, unread)?,
            "tool_choice" => tool_choice(raw, &mut request)?,
            "max_tokens" => request.max_output_tokens = count(raw, "max_tokens")?,
            "temperature" => request.sampling.temperature = number(raw, "temperature")?,
            "top_p" => request.sampling.top_p = number(raw, "top_p")?,
            "top_k" => request.sampling.top_k = count(raw, "top_k")?,
            "stop_sequences" => request.stop = stop_sequences(raw)?,
            "stream" => request.stream = boolean(raw, "stream")?.unwrap_or(false),
            "thinking" => request.thinking = thinking_mode(raw, unread)?,
            "output_config" => effort = output_config(raw, &mut request)?,
            "output_format" => request.output = output_format(raw, "output_format", unread)?,
            "metadata" => request.user_id = user_id(raw, unread)?,
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

fn turns<'a>(raw: Raw<'a>, unread: &mut Unread) -> Result<Vec<Turn<'a>>, TranslateError> {
    let raw = raw.ok_or_else(|| TranslateError::new("messages", "the field is missing"))?;
    let messages: Vec<WireMessage<'_>> = parse(raw, "messages", "a list of messages")?;
    if messages.is_empty() {
        return Err(TranslateError::new("messages", "at least one message is required"));
    }
    messages.into_iter().enumerate().map(|(n, message)| turn(message, unread).map_err(under(format_args!("messages.{n}")))).collect()
}

fn turn<'a>(mut message: WireMessage<'a>, unread: &mut Unread) -> Result<Turn<'a>, TranslateError> {
    let role = match required(message.role.take(), "role")?.read().as_ref() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => return Err(TranslateError::new("role", format!("expected user, assistant or system, not {other:?}"))),
    };
    let content = message.content.take().ok_or_else(|| TranslateError::new("content", "the field is missing"))?;
    unread.note("messages[]", message.unread());
    Ok(Turn { role, name: None, blocks: content_blocks(content, "messages[].content[]", unread).map_err(under("content"))? })
}

/// A string or a list of blocks. `place` is the blocks' path, without numbers.
fn content_blocks<'a>(raw: &'a RawValue, place: &str, unread: &mut Unread) -> Result<Vec<Block<'a>>, TranslateError> {
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
    for (n, mut wire) in blocks.into_iter().enumerate() {
        let mut whole = || -> Result<&RawValue, TranslateError> {
            if verbatim.is_none() {
                verbatim = Some(parse(raw, "", "a list of blocks")?);
            }
            verbatim.as_ref().and_then(|list| list.get(n).copied()).ok_or_else(|| TranslateError::new("", "expected a block"))
        };
        let kind = block(&mut wire, &mut whole, place, unread).map_err(under(n))?;
        let (cache, raw_citations) = (wire.cache_control.take(), wire.citations.take());
        let mut citations = Vec::new();
        // What is kept verbatim has lost nothing.
        if !matches!(kind, Some(BlockKind::Foreign(_))) {
            unread.note(place, wire.unread());
            citations = citations_of(kind.as_ref(), raw_citations, place, unread);
        }
        out.extend(kind.map(|kind| Block { kind, cache, citations }));
    }
    Ok(out)
}

/// What a text cites. Whether a document may be cited is Anthropic's alone, so `true` is noted as unread.
fn citations_of(kind: Option<&BlockKind<'_>>, raw: Raw<'_>, place: &str, unread: &mut Unread) -> Vec<Citation> {
    let Some(raw) = raw else { return Vec::new() };
    let Some(list) = items(raw).filter(|_| matches!(kind, Some(BlockKind::Text(_)))) else {
        if raw.get().contains("true") {
            unread.note(place, ["citations"]);
        }
        return Vec::new();
    };
    let found: Vec<Citation> = list.iter().filter_map(|raw| read_citation(raw, FAMILY, unread)).collect();
    if found.len() < list.len() {
        unread.note(place, ["citations"]);
    }
    found
}

/// One block; `None` for an empty text, which is our own keep-alive coming back and no target takes. What is read is taken
/// out of `wire`.
fn block<'a>(
    wire: &mut WireBlock<'a>,
    whole: &mut dyn FnMut() -> Result<&'a RawValue, TranslateError>,
    place: &str,
    unread: &mut Unread,
) -> Result<Option<BlockKind<'a>>, TranslateError> {
    let kind = required(wire.kind.take(), "type")?.read();
    Ok(Some(match kind.as_ref() {
        "text" => {
            let text = required(wire.text.take(), "text")?;
            if text.is_empty() {
                return Ok(None);
            }
            BlockKind::Text(text)
        }
        "image" => {
            let source = image_source(wire.source.take(), place, unread).map_err(under("source"))?;
            BlockKind::Image(Media { source, detail: None })
        }
        "document" => return document(wire, kind.clone(), whole, place, unread).map(Some),
        "tool_use" => BlockKind::ToolCall(ToolCall {
            id: required(wire.id.take(), "id")?.read(),
            name: required(wire.name.take(), "name")?.read(),
            arguments: arguments(wire.input.take())?,
            opaque: None,
        }),
        "tool_result" => {
            let content = wire.content.take().map(|raw| content_blocks(raw, "messages[].content[].content[]", unread));
            BlockKind::ToolResult(ToolResult {
                call_id: required(wire.tool_use_id.take(), "tool_use_id")?.read(),
                content: content.transpose().map_err(under("content"))?.unwrap_or_default(),
                is_error: boolean(wire.is_error.take(), "is_error")?.unwrap_or(false),
            })
        }
        "thinking" => {
            let signature = optional(wire.signature.take(), "signature")?.map(|text| text.read()).filter(|text| !text.is_empty());
            BlockKind::Thinking(Thinking {
                text: required(wire.thinking.take(), "thinking")?,
                opaque: signature.map(|state| opaque(&state)),
                is_redacted: false,
            })
        }
        "redacted_thinking" => {
            let state = opaque(&required(wire.data.take(), "data")?.read());
            BlockKind::Thinking(Thinking { text: "".into(), opaque: Some(state), is_redacted: true })
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

fn image_source<'a>(raw: Raw<'a>, place: &str, unread: &mut Unread) -> Result<Source<'a>, TranslateError> {
    let raw = raw.ok_or_else(|| TranslateError::new("", "the field is missing"))?;
    let members = Members::of(raw).ok_or_else(|| TranslateError::new("", "expected an object"))?;
    let source = source_of(&members)?.ok_or_else(|| TranslateError::new("type", "expected base64, url or file"))?;
    unread.note(format_args!("{place}.source"), members.unread());
    Ok(source)
}

/// The sources that images and documents share.
fn source_of<'a>(source: &Members<'a>) -> Result<Option<Source<'a>>, TranslateError> {
    let text = |name: &'static str| required(source.get(name), name);
    Ok(Some(match text("type")?.read().as_ref() {
        "base64" => Source::Base64 { media_type: text("media_type")?.read(), data: text("data")? },
        "url" => Source::Url(text("url")?),
        "file" => Source::FileId(text("file_id")?),
        _ => return Ok(None),
    }))
}

fn document<'a>(
    wire: &mut WireBlock<'a>,
    kind: Cow<'a, str>,
    whole: &mut dyn FnMut() -> Result<&'a RawValue, TranslateError>,
    place: &str,
    unread: &mut Unread,
) -> Result<BlockKind<'a>, TranslateError> {
    let raw = wire.source.take().ok_or_else(|| TranslateError::new("source", "the field is missing"))?;
    let members = Members::of(raw).ok_or_else(|| TranslateError::new("source", "expected an object"))?;
    let title = optional(wire.title.take(), "title")?;
    let context = optional(wire.context.take(), "context")?;
    let source = match source_of(&members).map_err(under("source"))? {
        Some(source) => source,
        None => match required(members.get("type"), "source.type")?.read().as_ref() {
            "text" => {
                // Plain text is the only type that there is.
                members.get("media_type");
                Source::PlainText(required(members.get("data"), "source.data")?)
            }
            "content" => match joined_text(members.get("content"), unread).map_err(under("source.content"))? {
                Some(text) => Source::PlainText(text),
                // Pictures in a document of blocks have no equivalent elsewhere; the encoders name the block as a loss.
                None => return Ok(BlockKind::Foreign(Foreign { kind, raw: whole()? })),
            },
            other => return Err(TranslateError::new("source.type", format!("unknown source type {other:?}"))),
        },
    };
    unread.note(format_args!("{place}.source"), members.unread());
    Ok(BlockKind::Document(Document { source, title, context }))
}

/// The text of a document made of blocks; `None` when there is more than text.
fn joined_text<'a>(raw: Raw<'a>, unread: &mut Unread) -> Result<Option<Text<'a>>, TranslateError> {
    let raw = raw.ok_or_else(|| TranslateError::new("", "the field is missing"))?;
    let place = "messages[].content[].source.content[]";
    let mut inner = Unread::default();
    let blocks = content_blocks(raw, place, &mut inner)?;
    let mut texts: Vec<Cow<'_, str>> = Vec::with_capacity(blocks.len());
    for Block { kind, cache: _, citations } in &blocks {
        let BlockKind::Text(text) = kind else { return Ok(None) };
        texts.push(text.read());
        if !citations.is_empty() {
            inner.note(place, ["citations"]);
        }
    }
    unread.append(inner);
    Ok(Some(Text::from(texts.join("\n"))))
}

fn system<'a>(raw: Raw<'a>, unread: &mut Unread) -> Result<Vec<Block<'a>>, TranslateError> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let blocks = content_blocks(raw, "system[]", unread).map_err(under("system"))?;
    match blocks.iter().position(|block| !matches!(block.kind, BlockKind::Text(_))) {
        Some(n) => Err(TranslateError::new(format!("system.{n}.type"), "only text may stand here")),
        None => Ok(blocks),
    }
}

fn tools<'a>(raw: Raw<'a>, unread: &mut Unread) -> Result<Vec<Tool<'a>>, TranslateError> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let list: Vec<&RawValue> = parse(raw, "tools", "a list of tools")?;
    list.iter().enumerate().map(|(n, raw)| tool(raw, unread).map_err(under(format_args!("tools.{n}")))).collect()
}

fn tool<'a>(raw: &'a RawValue, unread: &mut Unread) -> Result<Tool<'a>, TranslateError> {
    let members = Members::of(raw).ok_or_else(|| TranslateError::new("", "expected an object"))?;
    let kind = optional(members.get("type"), "type")?.map(|kind| kind.read()).filter(|kind| kind != "custom");
    let name = required(members.get("name"), "name");
    let cache = members.get("cache_control");
    let kind = match kind {
        // An MCP toolset has a server's name instead of its own.
        Some(kind) => ToolKind::Server { name: name.map_or_else(|_| kind.clone(), |name| name.read()), kind, raw },
        None => {
            let function = ToolKind::Function {
                name: name?.read(),
                description: optional(members.get("description"), "description")?,
                parameters: members.get("input_schema"),
                strict: boolean(members.get("strict"), "strict")?,
            };
            unread.note("tools[]", members.unread());
            function
        }
    };
    Ok(Tool { kind, cache })
}

/// The members of one of the small objects at the top.
fn object<'a>(raw: &'a RawValue, path: &'static str) -> Result<Members<'a>, TranslateError> {
    Members::of(raw).ok_or_else(|| TranslateError::new(path, "expected an object"))
}

fn tool_choice<'a>(raw: Raw<'a>, request: &mut ChatRequest<'a>) -> Result<(), TranslateError> {
    let Some(raw) = raw else { return Ok(()) };
    let members = object(raw, "tool_choice")?;
    request.tool_choice = Some(match required(members.get("type"), "tool_choice.type")?.read().as_ref() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Any,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(required(members.get("name"), "tool_choice.name")?.read()),
        other => return Err(TranslateError::new("tool_choice.type", format!("expected auto, any, tool or none, not {other:?}"))),
    });
    let disable = boolean(members.get("disable_parallel_tool_use"), "tool_choice.disable_parallel_tool_use")?;
    request.parallel_tool_calls = disable.map(|disable| !disable);
    request.unread.note("tool_choice", members.unread());
    Ok(())
}

fn stop_sequences(raw: Raw<'_>) -> Result<Vec<Text<'_>>, TranslateError> {
    raw.map(|raw| parse(raw, "stop_sequences", "a list of strings")).transpose().map(Option::unwrap_or_default)
}

fn thinking_mode(raw: Raw<'_>, unread: &mut Unread) -> Result<Option<ThinkingMode>, TranslateError> {
    let Some(raw) = raw else { return Ok(None) };
    let members = object(raw, "thinking")?;
    let mode = match required(members.get("type"), "thinking.type")?.read().as_ref() {
        "enabled" => {
            let budget = count(members.get("budget_tokens"), "thinking.budget_tokens")?;
            budget.map_or(ThinkingMode::Adaptive(None), ThinkingMode::Budget)
        }
        "adaptive" => ThinkingMode::Adaptive(None),
        "disabled" => ThinkingMode::Disabled,
        other => return Err(TranslateError::new("thinking.type", format!("expected enabled, adaptive or disabled, not {other:?}"))),
    };
    unread.note("thinking", members.unread());
    Ok(Some(mode))
}

/// Effort and output format. A word for the effort that is not known here yet is left out, not refused.
fn output_config<'a>(raw: Raw<'a>, request: &mut ChatRequest<'a>) -> Result<Option<Effort>, TranslateError> {
    let Some(raw) = raw else { return Ok(None) };
    let members = object(raw, "output_config")?;
    if let Some(format) = output_format(members.get("format"), "output_config.format", &mut request.unread)? {
        request.output = Some(format);
    }
    let word = optional(members.get("effort"), "output_config.effort")?;
    request.unread.note("output_config", members.unread());
    let Some(word) = word else { return Ok(None) };
    let effort = effort(&word.read());
    if effort.is_none() {
        request.unread.note_value("output_config.effort");
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

fn output_format<'a>(raw: Raw<'a>, path: &'static str, unread: &mut Unread) -> Result<Option<OutputFormat<'a>>, TranslateError> {
    let Some(raw) = raw else { return Ok(None) };
    let members = object(raw, path)?;
    let kind = required(members.get("type"), path)?.read();
    if kind != "json_schema" {
        return Err(TranslateError::new(path, format!("expected type json_schema, not {kind:?}")));
    }
    let schema = members.get("schema").ok_or_else(|| TranslateError::new(path, "the schema is missing"))?;
    let (name, description) = (optional(members.get("name"), path)?, optional(members.get("description"), path)?);
    unread.note(path, members.unread());
    Ok(Some(OutputFormat::JsonSchema { name, description, schema, strict: None }))
}

fn user_id<'a>(raw: Raw<'a>, unread: &mut Unread) -> Result<Option<Text<'a>>, TranslateError> {
    let Some(raw) = raw else { return Ok(None) };
    let members = object(raw, "metadata")?;
    let user = optional(members.get("user_id"), "metadata.user_id")?;
    unread.note("metadata", members.unread());
    Ok(user)
}
