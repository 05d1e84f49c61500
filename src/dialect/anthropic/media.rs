//! Writes images and documents: what the target takes, in the forms that it takes.
//!
//! What it does not take is refused, never dropped: the client's question would be about something else. Start with
//! [`Writer::media`].

use serde_json::value::RawValue;

use super::request_out::Writer;
use crate::chat::request::{Block, BlockKind, Document, Media, Source};
use crate::chat::{Loss, lose};
use crate::dialect::TranslateError;
use crate::wire::object::Object;
use crate::wire::{Text, base64};

impl Writer<'_> {
    pub(super) fn media(&mut self, out: &mut Vec<u8>, block: &Block<'_>, cache: Option<&RawValue>) -> Result<(), TranslateError> {
        match &block.kind {
            BlockKind::Image(image) => {
                if !self.upstream.quirks.images || self.upstream.sees_images == Some(false) {
                    return Err(self.lacks("images"));
                }
                let Media { source, detail } = image;
                if detail.is_some() {
                    lose(self.losses, Loss::dropped("messages[].content[].image_url.detail"));
                }
                let mut object = Object::open(out);
                object.str("type", "image");
                self.image_source(object.key("source"), source)?;
                self.mark(&mut object, cache);
                object.close();
                Ok(())
            }
            BlockKind::Document(document) => self.document(out, document, cache),
            BlockKind::Audio(_) => Err(self.lacks("audio")),
            _ => Err(TranslateError::new("messages", "a tool's result may hold text, images and documents only")),
        }
    }

    fn lacks(&self, what: &str) -> TranslateError {
        TranslateError::new("messages", format!("{}/{} takes no {what}", self.upstream.provider, self.upstream.model))
    }

    fn image_source(&self, out: &mut Vec<u8>, source: &Source<'_>) -> Result<(), TranslateError> {
        match source {
            Source::Base64 { media_type, data } => {
                let media_type = match media_type.to_ascii_lowercase().as_str() {
                    "image/jpg" | "image/jpeg" => "image/jpeg",
                    "image/png" => "image/png",
                    "image/gif" => "image/gif",
                    "image/webp" => "image/webp",
                    other => return Err(self.lacks(&format!("images of type {other:?}; PNG, JPEG, GIF and WebP are known"))),
                };
                base64_source(out, media_type, data);
                Ok(())
            }
            Source::Url(url) => {
                let mut object = Object::open(out);
                object.str("type", "url").text("url", url);
                object.close();
                Ok(())
            }
            Source::FileId(_) | Source::PlainText(_) => Err(self.lacks("files of another provider")),
        }
    }

    fn document(&mut self, out: &mut Vec<u8>, document: &Document<'_>, cache: Option<&RawValue>) -> Result<(), TranslateError> {
        let Document { source, title, context } = document;
        let is_known = self.upstream.quirks.documents;
        let mut object = Object::open(out);
        match source {
            Source::PlainText(text) if !is_known => {
                let before = |text: &Option<Text<'_>>| text.as_ref().map(|text| format!("[{}]\n", text.read())).unwrap_or_default();
                object.str("type", "text").str("text", &format!("{}{}{}", before(title), before(context), text.read()));
                self.mark(&mut object, cache);
                object.close();
                return Ok(());
            }
            _ if !is_known => return Err(self.lacks("documents")),
            Source::FileId(_) => return Err(self.lacks("files of another provider")),
            Source::PlainText(text) => {
                object.str("type", "document");
                let mut source = Object::open(object.key("source"));
                source.str("type", "text").str("media_type", "text/plain").text("data", text);
                source.close();
            }
            Source::Url(url) => {
                object.str("type", "document");
                let mut source = Object::open(object.key("source"));
                source.str("type", "url").text("url", url);
                source.close();
            }
            Source::Base64 { media_type, data } if media_type.eq_ignore_ascii_case("application/pdf") => {
                object.str("type", "document");
                base64_source(object.key("source"), "application/pdf", data);
            }
            Source::Base64 { media_type, data } if media_type.to_ascii_lowercase().starts_with("text/") => {
                let text = base64::decode_text(&data.read());
                let text = text.ok_or_else(|| TranslateError::new("messages", "a text file's base64 does not decode to UTF-8"))?;
                object.str("type", "document");
                let mut source = Object::open(object.key("source"));
                source.str("type", "text").str("media_type", "text/plain").str("data", &text);
                source.close();
            }
            Source::Base64 { media_type, data: _ } => {
                return Err(self.lacks(&format!("documents of type {media_type:?}; PDF and text are known")));
            }
        }
        if let Some(title) = title {
            object.text("title", title);
        }
        if let Some(context) = context {
            object.text("context", context);
        }
        self.mark(&mut object, cache);
        object.close();
        Ok(())
    }
}

fn base64_source(out: &mut Vec<u8>, media_type: &str, data: &Text<'_>) {
    let mut object = Object::open(out);
    object.str("type", "base64").str("media_type", media_type).text("data", data);
    object.close();
}
