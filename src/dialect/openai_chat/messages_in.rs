//! Reads the messages of a client's Chat request: leading instructions, then turns of blocks.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{annotated, thinking_state};
use crate::chat::Unread;
use crate::chat::request::{Arguments, Block, BlockKind, Document, Media, Role, Source, Thinking, ToolCall, ToolResult, Turn};
use crate::dialect::TranslateError;
use crate::wire::Text;
use crate::wire::json::{Members, is_object, items};

type Result<T> = std::result::Result<T, TranslateError>;

/// The leading system blocks and the turns. What has no field is noted as unread.
///
/// # Errors
/// When a message or part is of an unknown kind or form.
pub(super) fn decode<'a>(raw: &'a RawValue, unread: &mut Unread) -> Result<(Vec<Block<'a>>, Vec<Turn<'a>>)> {
    let list = items(raw).ok_or_else(|| TranslateError::new("messages", "must be a list"))?;
    let mut system = Vec::new();
    let mut turns: Vec<Turn<'_>> = Vec::with_capacity(list.len());
    for (nth, raw) in list.into_iter().enumerate() {
        let at = At { message: nth };
        let members = Members::of(raw).ok_or_else(|| at.fault("", "must be an object"))?;
        let role = members.str("role").ok_or_else(|| at.fault(".role", "is required"))?;
        match &*role {
            "system" | "developer" if turns.is_empty() => system.extend(at.content(&members, unread)?),
            "system" | "developer" => turns.push(at.turn(Role::System, &members, unread)?),
            "user" => turns.push(at.turn(Role::User, &members, unread)?),
            "assistant" => {
                let (name, blocks) = (members.text("name"), at.assistant(&members, unread)?);
                push_answer(&mut turns, Turn { role: Role::Assistant, name, blocks }, unread);
            }
            "tool" | "function" => {
                // It names the tool, which the call does too.
                members.text("name");
                push_result(&mut turns, at.result(&members, unread)?);
            }
            other => return Err(at.fault(".role", &format!("unknown role {other:?}"))),
        }
        unread.note("messages[]", members.unread());
    }
    Ok((system, turns))
}

/// Neighbouring tool messages are one user turn.
fn push_result<'a>(turns: &mut Vec<Turn<'a>>, result: Block<'a>) {
    let is_result = |block: &Block<'_>| matches!(block.kind, BlockKind::ToolResult(_));
    match turns.last_mut() {
        Some(turn) if turn.role == Role::User && !turn.blocks.is_empty() && turn.blocks.iter().all(is_result) => turn.blocks.push(result),
        _ => turns.push(Turn { role: Role::User, name: None, blocks: vec![result] }),
    }
}

/// Neighbouring answers are one turn: a call's result may come only after the text that follows the call.
fn push_answer<'a>(turns: &mut Vec<Turn<'a>>, mut answer: Turn<'a>, unread: &mut Unread) {
    match turns.last_mut().filter(|turn| turn.role == Role::Assistant) {
        Some(turn) => {
            if answer.name.as_ref().map(Text::read) != turn.name.as_ref().map(Text::read) {
                unread.note_value("messages[].name");
            }
            turn.blocks.append(&mut answer.blocks);
        }
        None => turns.push(answer),
    }
}

/// Where in the body we are.
#[derive(Clone, Copy)]
struct At {
    message: usize,
}

impl At {
    fn fault(self, rest: &str, reason: &str) -> TranslateError {
        TranslateError::new(format!("messages.{}{rest}", self.message), reason)
    }

    fn turn<'a>(self, role: Role, members: &Members<'a>, unread: &mut Unread) -> Result<Turn<'a>> {
        Ok(Turn { role, name: members.text("name"), blocks: self.content(members, unread)? })
    }

    fn content<'a>(self, members: &Members<'a>, unread: &mut Unread) -> Result<Vec<Block<'a>>> {
        let Some(raw) = members.get("content") else { return Ok(Vec::new()) };
        if let Some(text) = Text::from_raw(raw) {
            let block = Block { cache: members.get("cache_control"), ..BlockKind::Text(text).into() };
            return Ok(if raw.get() == "\"\"" { Vec::new() } else { vec![block] });
        }
        let parts = items(raw).ok_or_else(|| self.fault(".content", "must be a string or a list of parts"))?;
        parts.into_iter().enumerate().map(|(nth, raw)| self.part(nth, raw, unread)).collect()
    }

    fn part<'a>(self, nth: usize, raw: &'a RawValue, unread: &mut Unread) -> Result<Block<'a>> {
        if let Some(text) = Text::from_raw(raw) {
            return Ok(BlockKind::Text(text).into());
        }
        let fault = |rest: &str, reason: &str| self.fault(&format!(".content.{nth}{rest}"), reason);
        let members = Members::of(raw).ok_or_else(|| fault("", "must be an object"))?;
        let required = |name: &str| members.get(name).ok_or_else(|| fault(&format!(".{name}"), "is required"));
        let kind = members.str("type").ok_or_else(|| fault(".type", "is required"))?;
        let string = |name: &str| Text::from_raw(required(name)?).ok_or_else(|| fault(&format!(".{name}"), "must be a string"));
        let kind = match &*kind {
            "text" | "input_text" | "output_text" => BlockKind::Text(string("text")?),
            "refusal" => BlockKind::Text(string("refusal")?),
            "thinking" => {
                let text = nested_text(required("thinking")?, unread);
                BlockKind::Thinking(Thinking { text: text.into(), opaque: None, is_redacted: false })
            }
            "image_url" | "input_image" => {
                let image = image(required("image_url")?, &members, unread);
                BlockKind::Image(image.ok_or_else(|| fault(".image_url", "must be an http(s) or base64 data URL"))?)
            }
            "file" | "input_file" => {
                let nested = members.get("file").and_then(Members::of);
                let why = "needs file_data (a base64 data URL) or file_id";
                let document = document(nested.as_ref().unwrap_or(&members)).ok_or_else(|| fault(".file", why))?;
                nested.iter().for_each(|file| unread.note("messages[].content[].file", file.unread()));
                BlockKind::Document(document)
            }
            "input_audio" => {
                let audio = Members::of(required("input_audio")?).ok_or_else(|| fault(".input_audio", "must be an object"))?;
                let data = audio.text("data").ok_or_else(|| fault(".input_audio.data", "is required"))?;
                let media_type = format!("audio/{}", audio.str("format").unwrap_or("wav".into())).into();
                unread.note("messages[].content[].input_audio", audio.unread());
                BlockKind::Audio(Media { source: Source::Base64 { media_type, data }, detail: None })
            }
            other => return Err(fault(".type", &format!("unknown kind of part {other:?}"))),
        };
        let block = Block { cache: members.get("cache_control"), ..kind.into() };
        unread.note("messages[].content[]", members.unread());
        Ok(block)
    }

    fn assistant<'a>(self, members: &Members<'a>, unread: &mut Unread) -> Result<Vec<Block<'a>>> {
        let mut content = annotated::attach(self.content(members, unread)?, members, unread);
        let mut calls = Vec::new();
        content.extend(members.text("refusal").filter(|text| !text.is_empty()).map(|text| BlockKind::Text(text).into()));
        if let Some(raw) = members.get("tool_calls") {
            let list = items(raw).ok_or_else(|| self.fault(".tool_calls", "must be a list"))?;
            for (nth, raw) in list.into_iter().enumerate() {
                let fault = |rest: &str, reason: &str| self.fault(&format!(".tool_calls.{nth}{rest}"), reason);
                let call = Members::of(raw).ok_or_else(|| fault("", "must be an object"))?;
                let function = call.get("function").and_then(Members::of).ok_or_else(|| fault(".function", "must be an object"))?;
                let id = call.str("id").unwrap_or_default();
                calls.push(call_of(id, &function).ok_or_else(|| fault(".function.name", "is required"))?);
                // There is but one kind of call.
                call.str("type");
                unread.note("messages[].tool_calls[]", call.unread());
                unread.note("messages[].tool_calls[].function", function.unread());
            }
        }
        if let Some(function) = members.get("function_call").and_then(Members::of) {
            calls.push(call_of("".into(), &function).ok_or_else(|| self.fault(".function_call.name", "is required"))?);
            unread.note("messages[].function_call", function.unread());
        }
        let calls = calls.into_iter().map(|call| BlockKind::ToolCall(call).into()).collect();
        Ok(thinking_state::in_place(thinking_state::thinking(members, unread), content, calls))
    }

    fn result<'a>(self, members: &Members<'a>, unread: &mut Unread) -> Result<Block<'a>> {
        let content = self.content(members, unread)?;
        let call_id = members.str("tool_call_id").unwrap_or_default();
        Ok(BlockKind::ToolResult(ToolResult { call_id, content, is_error: false }).into())
    }
}

fn call_of<'a>(id: Cow<'a, str>, function: &Members<'a>) -> Option<ToolCall<'a>> {
    let name = function.str("name").filter(|name| !name.is_empty())?;
    let arguments = match function.get("arguments") {
        Some(raw) if is_object(raw) => Arguments::Object(raw),
        Some(raw) => Arguments::Encoded(Text::from_raw(raw).unwrap_or_else(|| raw.get().into())),
        None => Arguments::Encoded("".into()),
    };
    Some(ToolCall { id, name, arguments, opaque: None })
}

/// Mistral's thinking part: a string, or a list of text parts.
pub(super) fn nested_text(raw: &RawValue, unread: &mut Unread) -> String {
    let path = "messages[].content[].thinking";
    if let Some(text) = Text::from_raw(raw) {
        return text.read().into_owned();
    }
    let Some(parts) = items(raw) else {
        unread.note_value(path);
        return String::new();
    };
    let mut whole = String::new();
    for raw in parts {
        match Members::of(raw).and_then(|part| Some((part.str("text")?, part))) {
            Some((text, part)) => {
                whole.push_str(&text);
                // Text is the only kind that there is.
                part.str("type");
                unread.note(format_args!("{path}[]"), part.unread());
            }
            None => unread.note_value(&format!("{path}[]")),
        }
    }
    whole
}

/// An image from `{url, detail}` or a bare URL, which has its `detail` in the `part`.
fn image<'a>(raw: &'a RawValue, part: &Members<'a>, unread: &mut Unread) -> Option<Media<'a>> {
    let (url, detail) = match Text::from_raw(raw) {
        Some(url) => (url, part.text("detail")),
        None => {
            let members = Members::of(raw)?;
            let found = (members.text("url")?, members.text("detail"));
            unread.note("messages[].content[].image_url", members.unread());
            found
        }
    };
    let source = match url.read() {
        read if read.starts_with("data:") => data_url(read)?,
        read if read.starts_with("http://") || read.starts_with("https://") => Source::Url(url),
        _ => return None,
    };
    Some(Media { source, detail })
}

fn document<'a>(file: &Members<'a>) -> Option<Document<'a>> {
    let title = file.text("filename");
    if let Some(id) = file.text("file_id") {
        return Some(Document { source: Source::FileId(id), title, context: None });
    }
    let data = file.text("file_data").or_else(|| file.text("file_url"))?;
    let source = match data.read() {
        read if read.starts_with("data:") => data_url(read)?,
        read if read.starts_with("http://") || read.starts_with("https://") => Source::Url(data),
        // Bare base64: what OpenAI's own examples send is PDF.
        _ => Source::Base64 { media_type: "application/pdf".into(), data },
    };
    Some(Document { source, title, context: None })
}

/// `data:<type>;base64,<data>`, borrowed where the URL is.
fn data_url(url: Cow<'_, str>) -> Option<Source<'_>> {
    let split = |url: &str| -> Option<(usize, usize)> {
        let comma = url.find(',')?;
        let head = url.get(..comma)?;
        head.ends_with(";base64").then_some((head.find(';')?, comma + 1))
    };
    let (semicolon, from) = split(&url)?;
    let (media_type, data): (Cow<'_, str>, Text<'_>) = match url {
        Cow::Borrowed(url) => (url.get(5..semicolon)?.into(), url.get(from..)?.into()),
        Cow::Owned(url) => (url.get(5..semicolon)?.to_owned().into(), url.get(from..)?.to_owned().into()),
    };
    let media_type = if media_type == "image/jpg" { "image/jpeg".into() } else { media_type };
    Some(Source::Base64 { media_type, data })
}
