//! `-a`: images, documents and sound beside the prompt. What a file is, its first bytes say, not its name.
//!
//! A target that takes no such thing is left out by the decision, or refuses. Start with [`Attachment::read`].

use std::io::Read as _;

use crate::chat::request::{Block, BlockKind, Document, Media, Source};
use crate::error::{Code, Error};
use crate::history;
use crate::upstream::download;
use crate::wire::base64;

/// Something beside the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attachment {
    kind: Kind,
    media_type: &'static str,
    /// Base64, padded.
    data: String,
    /// What it is called.
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Image,
    Document,
    Audio,
}

/// First bytes, at which place the second part stands, and what they mean.
type Magic = (&'static [u8], usize, &'static [u8], Kind, &'static str);

const KINDS: [Magic; 11] = [
    (b"\x89PNG\r\n\x1a\n", 0, b"", Kind::Image, "image/png"),
    (b"\xff\xd8\xff", 0, b"", Kind::Image, "image/jpeg"),
    (b"GIF87a", 0, b"", Kind::Image, "image/gif"),
    (b"GIF89a", 0, b"", Kind::Image, "image/gif"),
    (b"RIFF", 8, b"WEBP", Kind::Image, "image/webp"),
    (b"%PDF-", 0, b"", Kind::Document, "application/pdf"),
    (b"RIFF", 8, b"WAVE", Kind::Audio, "audio/wav"),
    (b"ID3", 0, b"", Kind::Audio, "audio/mpeg"),
    (b"\xff\xfb", 0, b"", Kind::Audio, "audio/mpeg"),
    (b"fLaC", 0, b"", Kind::Audio, "audio/flac"),
    (b"OggS", 0, b"", Kind::Audio, "audio/ogg"),
];

/// What is attached, in the words of messages.
const KNOWN: &str = "PNG, JPEG, GIF, WebP, PDF, WAV, MP3, FLAC and Ogg are known";

impl Attachment {
    /// Reads what `-a` names: a file, an address, or `-` for what is on standard input. `limit` is that of a whole request, in
    /// bytes.
    ///
    /// # Errors
    /// When it cannot be read, is too large, or is nothing that a model takes.
    pub(super) fn read(named: &str, piped: &mut Option<Vec<u8>>, limit: usize) -> Result<Self, Error> {
        // Base64 takes a third more.
        let most = limit / 4 * 3;
        let bytes = match named {
            "-" => {
                let missing = || Error::new(Code::Usage, "-a - attaches standard input, and there is nothing on it, or it was attached");
                piped.take().filter(|bytes| !bytes.is_empty()).ok_or_else(missing)?
            }
            url if url.starts_with("https://") || url.starts_with("http://") => {
                let failed = |reason: String| Error::new(Code::Usage, format!("{url} cannot be attached: {reason}"));
                download(url, most).map_err(failed)?
            }
            path => file(path, most)?,
        };
        if bytes.len() > most {
            return Err(too_long(named, limit));
        }
        let name = named.rsplit('/').next().unwrap_or(named).to_owned();
        Self::of(&bytes, &name).ok_or_else(|| {
            let is_text = std::str::from_utf8(&bytes).is_ok();
            let error = Error::new(Code::Usage, format!("{named} is nothing that can be attached: {KNOWN}"));
            if is_text { error.hint("it is text: `-f` puts it beside the prompt") } else { error.hint("convert it") }
        })
    }

    /// What it is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What is kept of it.
    pub(super) fn kept(&self) -> history::Attachment {
        let content = base64::decode(&self.data).map(|bytes| bytes.to_vec()).unwrap_or_default();
        history::Attachment::new(&self.name, self.media_type, content)
    }

    /// What these bytes are, if they can be attached.
    pub(super) fn of(bytes: &[u8], name: &str) -> Option<Self> {
        let is =
            |&&(first, at, second, ..): &&Magic| bytes.starts_with(first) && bytes.get(at..).is_some_and(|rest| rest.starts_with(second));
        let (_, _, _, kind, media_type) = KINDS.iter().find(is)?;
        let mut data = std::mem::take(&mut *base64::encode(bytes));
        data.extend(std::iter::repeat_n('=', data.len().wrapping_neg() % 4));
        Some(Self { kind: *kind, media_type, data, name: name.to_owned() })
    }

    /// The same for a request.
    pub(super) fn block(&self) -> Block<'_> {
        let source = Source::Base64 { media_type: self.media_type.into(), data: self.data.as_str().into() };
        let kind = match self.kind {
            Kind::Image => BlockKind::Image(Media { source, detail: None }),
            Kind::Audio => BlockKind::Audio(Media { source, detail: None }),
            Kind::Document => BlockKind::Document(Document { source, title: Some(self.name.as_str().into()), context: None }),
        };
        kind.into()
    }
}

fn file(path: &str, most: usize) -> Result<Vec<u8>, Error> {
    let failed = |error: std::io::Error| Error::new(Code::Usage, format!("{path}: {error}")).caused_by(error);
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path).map_err(failed)?.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// What would not fit into one request.
pub(super) fn too_long(what: &str, limit: usize) -> Error {
    Error::new(Code::BodyTooLarge, format!("{what} is longer than limits.body_mb, {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_is_its_first_bytes_say() {
        for (bytes, media_type) in [
            (&b"\x89PNG\r\n\x1a\nrest"[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"RIFF\0\0\0\0WAVEfmt ", Some("audio/wav")),
            (b"RIFF\0\0\0\0AVI ", None),
            (b"RIFF", None),
            (b"%PDF-1.7", Some("application/pdf")),
            (b"ID3\x04", Some("audio/mpeg")),
            (b"<svg>", None),
            (b"", None),
        ] {
            assert_eq!(Attachment::of(bytes, "x").map(|found| found.media_type), media_type, "{bytes:?}");
        }
    }

    #[test]
    fn base64_is_padded() {
        for (bytes, data) in [(&b"GIF89a"[..], "R0lGODlh"), (b"GIF89a1", "R0lGODlhMQ=="), (b"GIF89a12", "R0lGODlhMTI=")] {
            assert_eq!(Attachment::of(bytes, "x").unwrap().data, data);
        }
    }
}
