//! What is asked: the prompt, what stands beside it and how it is to be answered, as one canonical request.

use std::io::{IsTerminal as _, Read as _};

use super::args::RouteArgs;
use super::explain::main_model;
use crate::chat::ChatRequest;
use crate::chat::request::{Block, BlockKind, Role, Turn};
use crate::error::{Code, Error};
use crate::history;
use crate::route::Table;

/// What is asked.
#[derive(Debug)]
pub(super) struct Prompt {
    /// The model.
    pub(super) model: String,
    system: Option<String>,
    texts: Vec<String>,
    stream: bool,
}

impl Prompt {
    /// Reads it from the arguments and standard input, of `limit` bytes at most.
    pub(super) fn read(args: &RouteArgs, table: &Table, limit: usize) -> Result<Self, Error> {
        let piped = piped(limit)?;
        let texts: Vec<String> = piped.into_iter().chain(args.prompt.clone()).filter(|text| !text.trim().is_empty()).collect();
        if texts.is_empty() {
            return Err(Error::new(Code::Usage, "there is no PROMPT, and nothing on standard input").hint("try: aimux route \"hello\""));
        }
        Ok(Self {
            model: args.model.clone().unwrap_or_else(|| main_model(table)),
            system: args.system.clone().filter(|text| !text.trim().is_empty()),
            texts,
            stream: !args.no_stream,
        })
    }

    /// What is kept of it.
    pub(super) fn kept(&self) -> history::Exchange {
        let system = self.system.clone().unwrap_or_default();
        history::Exchange { system, prompt: self.texts.join("\n\n"), ..history::Exchange::default() }
    }

    /// The same as every dialect can say it.
    pub(super) fn request(&self) -> ChatRequest<'_> {
        ChatRequest {
            model: self.model.as_str().into(),
            system: self.system.as_deref().map(text).into_iter().collect(),
            turns: vec![Turn { role: Role::User, name: None, blocks: self.texts.iter().map(|piece| text(piece)).collect() }],
            stream: self.stream,
            stream_usage: true,
            ..ChatRequest::default()
        }
    }
}

/// What comes through a pipe; `None`: a person sits there.
fn piped(limit: usize) -> Result<Option<String>, Error> {
    let input = std::io::stdin();
    if input.is_terminal() {
        return Ok(None);
    }
    let unreadable = |error: std::io::Error| Error::new(Code::Usage, format!("standard input cannot be read: {error}")).caused_by(error);
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    input.lock().take(most).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > limit {
        return Err(too_long("standard input", limit));
    }
    let not_text = || Error::new(Code::Usage, "standard input is no text").hint("attach it with `-a -`");
    String::from_utf8(bytes).map(Some).map_err(|_| not_text())
}

/// What would not fit into one request.
pub(super) fn too_long(what: &str, limit: usize) -> Error {
    Error::new(Code::BodyTooLarge, format!("{what} is longer than limits.body_mb, {limit} bytes"))
}

fn text(text: &str) -> Block<'_> {
    BlockKind::Text(text.into()).into()
}
