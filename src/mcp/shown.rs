//! A call's result, as the model gets it: text and pictures, cut where it is too long; what no model reads is named.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};

/// Pictures that every model that sees takes.
const PICTURES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];
/// The longest picture, in characters of base64: what providers take.
const PICTURE_MAX: usize = 5 << 20;
/// The most pictures of one result.
const PICTURES_MAX: usize = 8;

/// What a call gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its parts, in order.
    pub parts: Vec<Part>,
    /// Whether the tool says that it failed.
    pub is_error: bool,
    /// How long all of it was, in bytes, before anything was cut.
    pub bytes: usize,
    /// Whether something was cut off or left out.
    pub is_cut: bool,
}

/// A part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text.
    Text(String),
    /// A picture.
    Image {
        /// `image/png`, say.
        media_type: String,
        /// Its bytes in base64.
        data: String,
    },
}

/// The result with `limit` bytes of text at most.
pub(super) fn output(result: CallToolResult, limit: usize) -> Output {
    let mut out = Output { parts: Vec::new(), is_error: result.is_error.unwrap_or(false), bytes: 0, is_cut: false };
    let mut left = limit;
    let has_content = !result.content.is_empty();
    for block in result.content {
        match block {
            ContentBlock::Text(text) => out.text(&text.text, &mut left),
            ContentBlock::Image(image) => out.picture(image.mime_type, image.data, &mut left),
            ContentBlock::Audio(audio) => out.left_out("sound", &audio.mime_type, audio.data.len(), &mut left),
            ContentBlock::Resource(embedded) => match embedded.resource {
                ResourceContents::TextResourceContents { uri, text, .. } => out.text(&format!("[{uri}]\n{text}"), &mut left),
                ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
                    let media_type = mime_type.unwrap_or_else(|| "of no known type".to_owned());
                    out.left_out(&uri, &media_type, blob.len(), &mut left);
                }
                _ => out.left_out("a resource", "of no known kind", 0, &mut left),
            },
            ContentBlock::ResourceLink(link) => out.text(&format!("[{}: {}]", link.name, link.uri), &mut left),
            _ => out.left_out("a part", "of no known kind", 0, &mut left),
        }
    }
    if let Some(value) = result.structured_content.filter(|_| !has_content) {
        out.text(&value.to_string(), &mut left);
    }
    if out.parts.is_empty() {
        out.parts.push(Part::Text("(nothing)".to_owned()));
    }
    out
}

impl Output {
    fn text(&mut self, text: &str, left: &mut usize) {
        self.bytes = self.bytes.saturating_add(text.len());
        if text.len() <= *left {
            *left -= text.len();
            self.parts.push(Part::Text(text.to_owned()));
            return;
        }
        self.is_cut = true;
        let end = (0..=*left).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let kept = text.get(..end).unwrap_or_default();
        *left = 0;
        self.parts.push(Part::Text(format!("{kept}\n[cut off by aimux: {} more bytes]", text.len() - end)));
    }

    fn picture(&mut self, media_type: String, data: String, left: &mut usize) {
        let count = self.parts.iter().filter(|part| matches!(part, Part::Image { .. })).count();
        let is_base64 = data.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
        if !PICTURES.contains(&media_type.as_str()) || !is_base64 || data.len() > PICTURE_MAX || count >= PICTURES_MAX {
            return self.left_out("a picture", &media_type, data.len(), left);
        }
        self.bytes = self.bytes.saturating_add(data.len() / 4 * 3);
        self.parts.push(Part::Image { media_type, data });
    }

    /// Names what is not given on.
    fn left_out(&mut self, what: &str, media_type: &str, base64_length: usize, left: &mut usize) {
        let bytes = base64_length / 4 * 3;
        self.text(&format!("[{what}, {media_type}, {bytes} bytes: left out by aimux]"), left);
        self.bytes = self.bytes.saturating_add(bytes);
        self.is_cut = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str, limit: usize) -> Output {
        output(serde_json::from_str(json).unwrap(), limit)
    }

    fn texts(output: &Output) -> String {
        output.parts.iter().map(|part| if let Part::Text(text) = part { text.as_str() } else { "<image>" }).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn text_is_cut_between_characters_and_the_cut_is_told() {
        let whole = of(r#"{"content":[{"type":"text","text":"ab"},{"type":"text","text":"日本"}]}"#, 8);
        assert_eq!((texts(&whole).as_str(), whole.bytes, whole.is_cut, whole.is_error), ("ab|日本", 8, false, false));
        let cut = of(
            r#"{"content":[{"type":"text","text":"ab"},{"type":"text","text":"日本"},{"type":"text","text":"more"}],"isError":true}"#,
            7,
        );
        assert!(cut.is_cut && cut.is_error && cut.bytes == 12, "{cut:?}");
        assert!(texts(&cut).starts_with("ab|日\n[cut off by aimux: 3 more bytes]|\n[cut"), "{cut:?}");
    }

    #[test]
    fn pictures_go_on_and_what_no_model_reads_is_named() {
        let png = r#"{"type":"image","data":"iVBORw0K","mimeType":"image/png"}"#;
        let out = of(&format!(r#"{{"content":[{png},{{"type":"audio","data":"AAAA","mimeType":"audio/wav"}}]}}"#), 1000);
        assert_eq!(out.parts[0], Part::Image { media_type: "image/png".into(), data: "iVBORw0K".into() });
        assert!(texts(&out).contains("[sound, audio/wav, 3 bytes: left out by aimux]") && out.is_cut, "{out:?}");
        for bad in [
            r#"{"type":"image","data":"iVBORw0K","mimeType":"image/svg+xml"}"#,
            r#"{"type":"image","data":"not base64!","mimeType":"image/png"}"#,
            r#"{"type":"resource","resource":{"uri":"x://y","blob":"AAAA"}}"#,
        ] {
            let out = of(&format!(r#"{{"content":[{bad}]}}"#), 1000);
            assert!(texts(&out).contains("left out by aimux") && out.is_cut, "{out:?}");
        }
        let many = [png; PICTURES_MAX + 2].join(",");
        let out = of(&format!(r#"{{"content":[{many}]}}"#), 1000);
        assert_eq!(out.parts.iter().filter(|part| matches!(part, Part::Image { .. })).count(), PICTURES_MAX);
    }

    #[test]
    fn what_is_structured_stands_in_for_content_that_is_not_there() {
        assert_eq!(texts(&of(r#"{"content":[],"structuredContent":{"a":1}}"#, 100)), "{\"a\":1}");
        assert_eq!(texts(&of(r#"{"content":[{"type":"text","text":"x"}],"structuredContent":{"a":1}}"#, 100)), "x");
        assert_eq!(texts(&of(r#"{"content":[]}"#, 100)), "(nothing)");
    }
}
