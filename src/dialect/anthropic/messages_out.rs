//! Writes the conversation, which `history` has brought into order. Images and documents are `media`'s part.
//!
//! Start with [`Writer::messages`].

use std::borrow::Cow;

use super::citation::write_url;
use super::history::{Message, Piece, PieceKind};
use super::request_out::{Plan, Writer};
use super::response_out::object_arguments;
use crate::chat::request::{Arguments, Block, BlockKind, ToolCall, ToolResult};
use crate::chat::{Loss, UrlCitation, lose};
use crate::dialect::TranslateError;
use crate::dialect::names::{call_id, tool_name};
use crate::wire::object::{Object, list};

impl Writer<'_> {
    pub(super) fn messages(&mut self, body: &mut Object<'_>, history: &[Message<'_>], plan: &Plan<'_>) -> Result<(), TranslateError> {
        let out = body.key("messages");
        let mut fault = None;
        list(out, history, |out, message| {
            let mut object = Object::open(out);
            object.str("role", if message.is_user { "user" } else { "assistant" });
            match message.pieces.as_slice() {
                [Piece { kind: PieceKind::Text(text), citations, cache: None }] if citations.is_empty() => {
                    object.text("content", text);
                }
                pieces => list(object.key("content"), pieces, |out, piece| {
                    if let Err(error) = self.piece(out, piece) {
                        fault.get_or_insert(error);
                    }
                }),
            }
            object.close();
        });
        let is_prefill = history.last().is_some_and(|last| !last.is_user);
        if is_prefill && (plan.is_continued || plan.thought.is_on()) {
            lose(self.losses, Loss::emulated("messages"));
            out.pop();
            out.extend_from_slice(br#",{"role":"user","content":"Continue exactly where you stopped."}]"#);
        }
        fault.map_or(Ok(()), Err)
    }

    fn piece(&mut self, out: &mut Vec<u8>, piece: &Piece<'_>) -> Result<(), TranslateError> {
        if let PieceKind::Media(block) = &piece.kind {
            return self.media(out, block, piece.cache);
        }
        let mut object = Object::open(out);
        match &piece.kind {
            PieceKind::Text(text) => {
                object.str("type", "text").text("text", text);
                if !piece.citations.is_empty() {
                    list(object.key("citations"), &piece.citations, |out, (page, state)| {
                        // It covers its block, which was parted for it.
                        let UrlCitation { url, title, cited_text, span: _, opaque: _ } = page;
                        write_url(out, url, title.as_deref(), cited_text.as_deref(), state);
                    });
                }
            }
            PieceKind::Thinking { text: _, state, is_redacted: true } => {
                object.str("type", "redacted_thinking").str("data", &state.state);
            }
            PieceKind::Thinking { text, state, is_redacted: false } => {
                object.str("type", "thinking").text("thinking", text).str("signature", &state.state);
            }
            PieceKind::Call(call) => self.call(&mut object, call),
            PieceKind::Result(result) => self.result(&mut object, result)?,
            PieceKind::Media(_) => {}
        }
        if piece.takes_mark() {
            self.mark(&mut object, piece.cache);
        }
        object.close();
        Ok(())
    }

    fn call(&mut self, object: &mut Object<'_>, call: &ToolCall<'_>) {
        let ToolCall { id, name, arguments, opaque } = call;
        if opaque.is_some() {
            lose(self.losses, Loss::dropped("messages[].tool_calls[].state"));
        }
        let declared = self.names.iter().find(|(_, original)| original == name).map(|(short, _)| Cow::Borrowed(short.as_str()));
        let quirks = self.upstream.quirks;
        let name = declared.unwrap_or_else(|| tool_name(name, quirks.tool_name_max));
        object.str("type", "tool_use").str("id", &call_id(id, quirks.tool_ids)).str("name", &name);
        match arguments {
            Arguments::Object(raw) if raw.get().starts_with('{') => {
                object.raw("input", raw.get());
            }
            Arguments::Object(raw) => {
                lose(self.losses, Loss::normalised("messages[].tool_calls[].arguments"));
                object.raw("input", &object_arguments(raw.get()).0);
            }
            Arguments::Encoded(text) => {
                let text = text.read();
                let (input, is_broken) = object_arguments(&text);
                if is_broken {
                    lose(self.losses, Loss::normalised("messages[].tool_calls[].arguments"));
                }
                object.raw("input", &input);
            }
        }
    }

    fn result(&mut self, object: &mut Object<'_>, result: &ToolResult<'_>) -> Result<(), TranslateError> {
        let ToolResult { call_id: id, content, is_error } = result;
        object.str("type", "tool_result").str("tool_use_id", &call_id(id, self.upstream.quirks.tool_ids));
        let says = |block: &&Block<'_>| !matches!(&block.kind, BlockKind::Text(text) if text.is_blank());
        let content: Vec<&Block<'_>> = content.iter().filter(says).collect();
        match content.as_slice() {
            [] => {
                object.str("content", if self.upstream.quirks.full_anthropic { "" } else { self.upstream.quirks.empty_tool_result });
            }
            [Block { kind: BlockKind::Text(text), cache: _, citations: _ }] => {
                object.text("content", text);
            }
            blocks => {
                let mut fault = None;
                list(object.key("content"), blocks, |out, block| match &block.kind {
                    BlockKind::Text(text) => {
                        let mut part = Object::open(out);
                        part.str("type", "text").text("text", text);
                        part.close();
                    }
                    _ => {
                        if let Err(error) = self.media(out, block, None) {
                            fault.get_or_insert(error);
                        }
                    }
                });
                if let Some(error) = fault {
                    return Err(error);
                }
            }
        }
        if *is_error {
            object.json("is_error", true);
        }
        Ok(())
    }
}
