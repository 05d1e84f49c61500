//! Writes turns as Chat messages for an upstream: results first, as `tool` messages, then what the user says; images of
//! results follow in a user message, since a `tool` message holds text only.
//!
//! Start with [`messages`]. What the target cannot take is refused in the newest turns and noted as text in older ones,
//! so that a conversation can go on at a provider that sees less.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::value::RawValue;

use super::annotation::{Annotation, Audience};
use super::record::{Address, Call, CallArguments, Content, File, Message, Part, PartKind};
use crate::chat::request::{Arguments, Block, BlockKind, Document, Foreign, Media, Role, Source, Thinking, ToolCall, ToolResult, Turn};
use crate::chat::{Citation, Loss, UrlCitation, lose};
use crate::dialect::quirks::ReasoningBack;
use crate::dialect::{Dialect, TranslateError, Upstream, names};
use crate::wire::{Text, base64};

type Result<T> = std::result::Result<T, TranslateError>;

/// What stands between tool results and the user where the provider wants an assistant message there.
const BRIDGE: &str = "OK.";
/// Characters of a foreign block that its note keeps.
const NOTE_MAX: usize = 2000;
/// Where a client of another dialect has citations.
const CITATIONS: &str = "messages[].content[].citations";

/// The messages of a request: its instructions and its history, repaired.
///
/// # Errors
/// When the newest turns hold what the target cannot take.
pub(super) fn messages<'a>(
    system: &'a [Block<'a>],
    turns: &'a [Turn<'a>],
    upstream: &'a Upstream<'a>,
    losses: &mut Vec<Loss>,
) -> Result<Vec<Message<'a>>> {
    let last_answer = turns.iter().rposition(|Turn { role, name: _, blocks: _ }| *role == Role::Assistant);
    let mut writer = Writer { upstream, losses, out: Vec::with_capacity(turns.len() + 1), is_old: false, turn: 0 };
    if !system.is_empty() {
        system.iter().for_each(|block| block.lose_citations(CITATIONS, writer.losses));
        writer.system(system, None)?;
    }
    for (nth, turn) in turns.iter().enumerate() {
        let Turn { role, name, blocks } = turn;
        if *role != Role::Assistant {
            blocks.iter().for_each(|block| block.lose_citations(CITATIONS, writer.losses));
        }
        writer.turn = nth;
        writer.is_old = last_answer.is_some_and(|last| nth < last);
        match role {
            Role::System => writer.system(blocks, name.as_ref())?,
            Role::User => writer.user(blocks, name.as_ref())?,
            Role::Assistant => writer.assistant(blocks, name.as_ref())?,
        }
    }
    Ok(writer.out)
}

struct Writer<'a, 'w> {
    upstream: &'a Upstream<'a>,
    losses: &'w mut Vec<Loss>,
    out: Vec<Message<'a>>,
    /// The model has answered since.
    is_old: bool,
    turn: usize,
}

impl<'a> Writer<'a, '_> {
    fn cache(&self, block: &Block<'a>) -> Option<&'a RawValue> {
        block.cache.filter(|_| self.upstream.quirks.cache_control)
    }

    fn push(&mut self, message: Message<'a>) {
        let quirks = self.upstream.quirks;
        let last = self.out.last_mut();
        match last {
            Some(last) if quirks.alternate_roles && last.role == message.role && last.tool_calls.is_empty() && message.role != "tool" => {
                last.content.parts.extend(message.content.parts);
                last.content.joint = Some("\n\n");
                last.tool_calls = message.tool_calls;
                last.reasoning_content = last.reasoning_content.take().or(message.reasoning_content);
                last.reasoning = last.reasoning.take().or(message.reasoning);
                last.reasoning_details = last.reasoning_details.take().or(message.reasoning_details);
                // The characters that they name are others now.
                if !message.annotations.is_empty() {
                    lose(self.losses, Loss::dropped(CITATIONS));
                }
            }
            Some(last) if !quirks.user_after_tool && last.role == "tool" && message.role == "user" => {
                self.out.push(Message { role: "assistant", content: Content::text(BRIDGE), ..Message::default() });
                self.out.push(message);
            }
            _ => self.out.push(message),
        }
    }

    fn system(&mut self, blocks: &'a [Block<'a>], name: Option<&'a Text<'a>>) -> Result<()> {
        let mut content = Content { parts: Vec::new(), joint: Some("\n\n") };
        for block in blocks {
            match &block.kind {
                BlockKind::Text(text) if text.is_empty() => {}
                BlockKind::Text(text) => content.parts.push(Part { kind: PartKind::Text(Cow::Borrowed(text)), cache: self.cache(block) }),
                _ => self.part(block, &mut content.parts)?,
            }
        }
        let is_first = self.out.is_empty();
        if content.parts.is_empty() {
            return Ok(());
        }
        if is_first || self.upstream.quirks.mid_conversation_system {
            self.push(Message { role: "system", name, content, ..Message::default() });
        } else {
            lose(self.losses, Loss::emulated("messages[].role"));
            content.parts.insert(0, Part::text("[system note]".into()));
            self.push(Message { role: "user", content, ..Message::default() });
        }
        Ok(())
    }

    fn user(&mut self, blocks: &'a [Block<'a>], name: Option<&'a Text<'a>>) -> Result<()> {
        let mut parts = Vec::new();
        for block in blocks {
            if let BlockKind::ToolResult(result) = &block.kind {
                self.result(result, &mut parts)?;
            }
        }
        for block in blocks {
            if !matches!(block.kind, BlockKind::ToolResult(_)) {
                self.part(block, &mut parts)?;
            }
        }
        if !parts.is_empty() {
            // A provider of text alone often knows no parts either.
            let joint = (!self.upstream.quirks.images || self.upstream.quirks.alternate_roles).then_some("\n\n");
            self.push(Message { role: "user", name, content: Content { parts, joint }, ..Message::default() });
        }
        Ok(())
    }

    /// One `tool` message; pictures and files go to `after`.
    fn result(&mut self, result: &'a ToolResult<'a>, after: &mut Vec<Part<'a>>) -> Result<()> {
        let ToolResult { call_id, content: blocks, is_error } = result;
        let mut content = Content { parts: Vec::new(), joint: Some("\n") };
        let mut follow = Vec::new();
        for block in blocks {
            match &block.kind {
                BlockKind::Text(text) if text.is_empty() => {}
                BlockKind::Text(text) => content.parts.push(Part { kind: PartKind::Text(Cow::Borrowed(text)), cache: None }),
                _ => {
                    let from = follow.len();
                    self.part(block, &mut follow)?;
                    let is_media = follow.get(from..).is_some_and(|new| new.iter().any(|part| !matches!(part.kind, PartKind::Text(_))));
                    if is_media {
                        lose(self.losses, Loss::emulated("messages[].tool_result.content"));
                        content.parts.push(Part::text("[attachment: see the following user message]".into()));
                    } else {
                        content.parts.extend(follow.drain(from..));
                    }
                }
            }
        }
        let tool_call_id = names::call_id(call_id, self.upstream.quirks.tool_ids);
        if !follow.is_empty() {
            after.push(Part::text(format!("[attachment of tool result {tool_call_id}]").into()));
            after.append(&mut follow);
        }
        if content.parts.is_empty() {
            content.parts.push(Part::text(self.upstream.quirks.empty_tool_result.into()));
        }
        if *is_error {
            content.parts.insert(0, Part::text("[tool error] ".into()));
            content.joint = Some("");
        }
        self.push(Message { role: "tool", tool_call_id: Some(tool_call_id), content, ..Message::default() });
        Ok(())
    }

    fn assistant(&mut self, blocks: &'a [Block<'a>], name: Option<&'a Text<'a>>) -> Result<()> {
        let mut message = Message { role: "assistant", name, ..Message::default() };
        message.content.joint = Some("");
        let mut thoughts = Vec::new();
        let is_cited = blocks.iter().any(|block| !block.citations.is_empty());
        let mut chars = 0;
        for block in blocks {
            let parts_before = message.content.parts.len();
            match &block.kind {
                BlockKind::ToolCall(call) => {
                    let call = self.call(call);
                    message.tool_calls.push(call);
                }
                BlockKind::Thinking(thinking) => thoughts.push(thinking),
                // Pictures that a model made can only be told of.
                BlockKind::Image(_) | BlockKind::Audio(_) | BlockKind::Document(_) => {
                    lose(self.losses, Loss::dropped("messages[].content[]"));
                    message.content.parts.push(Part::text("[attachment left out]".into()));
                }
                _ => self.part(block, &mut message.content.parts)?,
            }
            if is_cited {
                let from = chars;
                chars += message.content.parts.iter().skip(parts_before).map(Part::chars).sum::<usize>();
                self.cite(block, from..chars, &mut message.annotations);
            }
        }
        if message.content.parts.is_empty() && message.tool_calls.is_empty() {
            return Ok(());
        }
        self.thinking(&thoughts, &mut message)?;
        self.push(message);
        Ok(())
    }

    /// What `block`, which stands at `place` in the content, cites. Its state is for who made it.
    fn cite(&mut self, block: &'a Block<'a>, place: Range<usize>, annotations: &mut Vec<Annotation<'a>>) {
        let Block { kind: _, cache: _, citations } = block;
        for citation in citations {
            let Citation::Url(page) = citation else {
                lose(self.losses, Loss::dropped(CITATIONS));
                continue;
            };
            if !self.upstream.quirks.annotations {
                lose(self.losses, Loss::dropped(CITATIONS));
                continue;
            }
            let UrlCitation { url: _, title: _, cited_text, span: _, opaque } = page;
            if cited_text.is_some() {
                lose(self.losses, Loss::dropped("messages[].content[].citations[].cited_text"));
            }
            if opaque.as_ref().is_some_and(|opaque| !opaque.state.is_empty()) {
                lose(self.losses, Loss::dropped("messages[].content[].citations[].encrypted_index"));
            }
            annotations.push(Annotation { citation, block: place.clone(), to: Audience::Upstream });
        }
    }

    fn call(&mut self, call: &'a ToolCall<'a>) -> Call<'a> {
        let ToolCall { id, name, arguments, opaque } = call;
        if opaque.is_some() {
            lose(self.losses, Loss::dropped("messages[].content[].tool_use.state"));
        }
        let quirks = self.upstream.quirks;
        let arguments = match arguments {
            Arguments::Object(raw) => CallArguments::Json(raw.get()),
            Arguments::Encoded(text) if text.is_blank() => CallArguments::Json("{}"),
            Arguments::Encoded(text) => CallArguments::Encoded(text),
        };
        Call { id: names::call_id(id, quirks.tool_ids), name: names::tool_name(name, quirks.tool_name_max), arguments }
    }

    /// Thinking goes back only where the provider asks for it; it never becomes visible text.
    fn thinking(&mut self, thoughts: &[&'a Thinking<'a>], message: &mut Message<'a>) -> Result<()> {
        let texts: Vec<&'a Text<'a>> = thoughts.iter().map(|thinking| &thinking.text).filter(|text| !text.is_empty()).collect();
        let text = || -> Result<Option<Cow<'a, Text<'a>>>> {
            Ok(match texts.as_slice() {
                [] => None,
                [only] => Some(Cow::Borrowed(*only)),
                several => {
                    let all: Vec<Cow<'_, str>> = several.iter().map(|text| text.read()).collect();
                    Some(Cow::Owned(all.join("\n\n").into()))
                }
            })
        };
        match self.upstream.quirks.reasoning_back {
            ReasoningBack::Never if thoughts.is_empty() => {}
            ReasoningBack::Never => lose(self.losses, Loss::dropped("messages[].content[].thinking")),
            ReasoningBack::ReasoningContent => message.reasoning_content = text()?,
            ReasoningBack::Reasoning => message.reasoning = text()?,
            ReasoningBack::ReasoningDetails => {
                message.reasoning_details = details(thoughts, self.upstream.quirks.family);
                message.reasoning = text()?;
            }
        }
        Ok(())
    }

    /// Any block but calls, results and thinking.
    fn part(&mut self, block: &'a Block<'a>, parts: &mut Vec<Part<'a>>) -> Result<()> {
        // The mark is looked at below, citations with the turn.
        let Block { kind, cache: _, citations: _ } = block;
        let cache = self.cache(block);
        let kind = match kind {
            BlockKind::Text(text) if text.is_empty() => return Ok(()),
            BlockKind::Text(text) => PartKind::Text(Cow::Borrowed(text)),
            BlockKind::Image(image) => self.image(image)?,
            BlockKind::Document(document) => self.document(document)?,
            BlockKind::Audio(audio) => self.audio(audio)?,
            BlockKind::Foreign(foreign) => self.foreign(foreign),
            BlockKind::Thinking(_) | BlockKind::ToolCall(_) | BlockKind::ToolResult(_) => {
                lose(self.losses, Loss::dropped("messages[].content[]"));
                return Ok(());
            }
        };
        parts.push(Part { kind, cache });
        Ok(())
    }

    /// A refusal for what is new, a note for what the model has passed already.
    fn lacking(&mut self, what: &str, reason: &str) -> Result<PartKind<'a>> {
        let (provider, model) = (self.upstream.provider, self.upstream.model);
        if self.is_old {
            lose(self.losses, Loss::dropped(format!("messages[].content[].{what}")));
            return Ok(PartKind::Text(Cow::Owned(format!("[{what} left out: {reason}]").into())));
        }
        let path = format!("messages.{}.content.{what}", self.turn);
        Err(TranslateError::new(path, format!("{reason}, asked of {model} at provider {provider}")))
    }

    fn image(&mut self, image: &'a Media<'a>) -> Result<PartKind<'a>> {
        if !self.upstream.quirks.images || self.upstream.sees_images == Some(false) {
            return self.lacking("image", "the model does not see images");
        }
        let Media { source, detail } = image;
        let url = match source {
            Source::Base64 { media_type, data } => Address::Data { media_type, data },
            Source::Url(url) => Address::Url(url),
            Source::FileId(_) | Source::PlainText(_) => return self.lacking("image", "uploaded files exist at their own provider only"),
        };
        Ok(PartKind::Image { url, detail: detail.as_ref() })
    }

    fn document(&mut self, document: &'a Document<'a>) -> Result<PartKind<'a>> {
        let is_own = self.upstream.client == Dialect::OpenAiChat;
        let Document { source, title, context } = document;
        let title = title.as_ref();
        let headed = |text: &str| -> Text<'a> {
            let heads = [title, context.as_ref()].into_iter().flatten();
            heads.map(|head| format!("{}\n\n", head.read())).chain([text.to_owned()]).collect::<String>().into()
        };
        let is_text = match source {
            Source::PlainText(_) => true,
            Source::Base64 { media_type, data: _ } => media_type.starts_with("text/"),
            Source::Url(_) | Source::FileId(_) => false,
        };
        if context.is_some() && !is_text {
            lose(self.losses, Loss::dropped("messages[].content[].context"));
        }
        match source {
            Source::PlainText(text) if title.is_none() && context.is_none() => Ok(PartKind::Text(Cow::Borrowed(text))),
            Source::PlainText(text) => Ok(PartKind::Text(Cow::Owned(headed(&text.read())))),
            Source::Base64 { media_type, data } if media_type.starts_with("text/") => match base64::decode_text(&data.read()) {
                Some(text) => Ok(PartKind::Text(Cow::Owned(headed(&text)))),
                None => self.lacking("document", "the document is not base64 of UTF-8 text"),
            },
            Source::Base64 { media_type, data } if self.upstream.quirks.documents => {
                let filename = Some(title.map_or_else(|| Cow::Owned("document.pdf".into()), Cow::Borrowed));
                Ok(PartKind::File(File { filename, file_data: Some(Address::Data { media_type, data }), file_id: None }))
            }
            Source::FileId(id) if is_own => {
                Ok(PartKind::File(File { filename: title.map(Cow::Borrowed), file_data: None, file_id: Some(id) }))
            }
            Source::Base64 { media_type: _, data: _ } => self.lacking("document", "the provider reads no documents"),
            Source::Url(_) => self.lacking("document", "the provider fetches no documents from addresses"),
            Source::FileId(_) => self.lacking("document", "uploaded files exist at their own provider only"),
        }
    }

    fn audio(&mut self, audio: &'a Media<'a>) -> Result<PartKind<'a>> {
        // OpenAI's `detail` is of images alone.
        let Media { source, detail: _ } = audio;
        match source {
            Source::Base64 { media_type, data } => {
                let format = media_type.strip_prefix("audio/").unwrap_or(media_type);
                Ok(PartKind::Audio { data, format: if format == "mpeg" { "mp3" } else { format } })
            }
            _ => self.lacking("audio", "sound must stand in the request itself"),
        }
    }

    /// What only the client's dialect knows is told in words.
    fn foreign(&mut self, foreign: &'a Foreign<'a>) -> PartKind<'a> {
        let Foreign { kind, raw } = foreign;
        lose(self.losses, Loss::emulated(format!("messages[].content[].{kind}")));
        let raw = raw.get();
        let end = raw.char_indices().nth(NOTE_MAX).map_or(raw.len(), |(at, _)| at);
        PartKind::Text(Cow::Owned(format!("[{kind}] {}", raw.get(..end).unwrap_or_default()).into()))
    }
}

/// The items of `reasoning_details` that `family` gave out, in one list.
fn details(thoughts: &[&Thinking<'_>], family: &str) -> Option<Box<RawValue>> {
    let own = thoughts.iter().filter_map(|thinking| thinking.opaque.as_ref()).filter(|opaque| opaque.family == family);
    let lists: Vec<&str> = own.filter_map(|opaque| opaque.state.trim().strip_prefix('[')?.strip_suffix(']')).collect();
    let inner: Vec<&str> = lists.into_iter().filter(|list| !list.trim().is_empty()).collect();
    if inner.is_empty() { None } else { RawValue::from_string(format!("[{}]", inner.join(","))).ok() }
}
