//! What is asked: short prompts, of which the answer tells whether a thing was done.

use serde_json::value::RawValue;

use crate::chat::ChatRequest;
use crate::chat::request::{Block, BlockKind, Media, OutputFormat, Role, Source, Tool, ToolKind, ToolResult, Turn};
use crate::error::{Code, Error};

/// The most tokens of a plain answer: models that think before they answer need so many.
pub(super) const OUTPUT_MAX: u64 = 1024;
/// The same where thinking is asked for.
pub(super) const THINKING_MAX: u64 = 6144;
/// Of these, for thinking.
pub(super) const BUDGET: u64 = 4096;
/// The limit that an answer must end at.
pub(super) const CUT_AT: u64 = 24;
/// A limit that no model has.
pub(super) const TOO_MANY: u64 = 100_000_000;

/// The word that the system prompt wants.
pub(super) const WORD: &str = "PINEAPPLE";
/// The word that the tool's result holds.
pub(super) const FOUND: &str = "MAGPIE";
/// The tool.
pub(super) const TOOL: &str = "get_weather";
/// Its schema.
pub(super) const TOOL_SCHEMA: &str = r#"{"type":"object","properties":{"city":{"type":"string","description":"The city"},"unit":{"type":"string","enum":["celsius","fahrenheit"]}},"required":["city","unit"],"additionalProperties":false}"#;
/// The schema that an answer must fit, against what the prompt wants.
pub(super) const ANSWER_SCHEMA: &str = r#"{"type":"object","properties":{"colour":{"type":"string","enum":["red","green","blue"]},"count":{"type":"integer"}},"required":["colour","count"],"additionalProperties":false}"#;
/// A red square of 64 by 64.
const RED: &str = "iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAIAAAAlC+aJAAAAS0lEQVR42u3PQQkAAAgAsetfWiP4FgYrsKZeS0BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEDgsqnc8OJg6Ln3AAAAAElFTkSuQmCC";
const CACHE: &str = r#"{"type":"ephemeral"}"#;
const PARAGRAPH: &str = "The keeper of the light wrote down each night what the wind did, which ships he saw, how much oil the lamp took, \
    and at what hour the fog came in from the north and left again over the low hills behind the village. ";
/// Some models cache nothing that is shorter than 4,096 tokens.
const DOCUMENT_BYTES: usize = 26_000;

/// The document that is to be cached.
pub(super) fn document() -> String {
    PARAGRAPH.repeat(DOCUMENT_BYTES / PARAGRAPH.len())
}

/// A question.
pub(super) fn question(prompt: &str) -> ChatRequest<'_> {
    ChatRequest { max_output_tokens: Some(OUTPUT_MAX), turns: vec![said(prompt)], ..ChatRequest::default() }
}

/// The user's words.
pub(super) fn said(prompt: &str) -> Turn<'_> {
    Turn { role: Role::User, name: None, blocks: vec![BlockKind::Text(prompt.into()).into()] }
}

/// A question under instructions.
pub(super) fn instructed<'a>(system: &'a str, prompt: &'a str) -> ChatRequest<'a> {
    ChatRequest { system: vec![BlockKind::Text(system.into()).into()], ..question(prompt) }
}

/// The same, the instructions to be cached.
///
/// # Errors
/// When our own JSON is none.
pub(super) fn cached<'a>(document: &'a str, prompt: &'a str) -> Result<ChatRequest<'a>, Error> {
    let mut request = instructed(document, prompt);
    for block in &mut request.system {
        block.cache = Some(raw(CACHE)?);
    }
    Ok(request)
}

/// A question with the tool at hand.
///
/// # Errors
/// When our own JSON is none.
pub(super) fn with_tool(prompt: &str) -> Result<ChatRequest<'_>, Error> {
    let description = Some("Tells the weather in a city.".into());
    let kind = ToolKind::Function { name: TOOL.into(), description, parameters: Some(raw(TOOL_SCHEMA)?), strict: None };
    Ok(ChatRequest { tools: vec![Tool { kind, cache: None }], ..question(prompt) })
}

/// What the tool gave.
pub(super) fn results<'a>(ids: impl Iterator<Item = &'a str>) -> Turn<'a> {
    let text = || Block::from(BlockKind::Text("18 degrees, light rain. The code word of today is MAGPIE.".into()));
    let result = |id: &'a str| BlockKind::ToolResult(ToolResult { call_id: id.into(), content: vec![text()], is_error: false }).into();
    Turn { role: Role::User, name: None, blocks: ids.map(result).collect() }
}

/// A question about a picture.
pub(super) fn with_image(prompt: &str) -> ChatRequest<'_> {
    let source = Source::Base64 { media_type: "image/png".into(), data: RED.into() };
    let image = BlockKind::Image(Media { source, detail: None });
    let mut request = question(prompt);
    if let Some(turn) = request.turns.first_mut() {
        turn.blocks.insert(0, image.into());
    }
    request
}

/// A question whose answer must fit a schema.
///
/// # Errors
/// When our own JSON is none.
pub(super) fn structured(prompt: &str) -> Result<ChatRequest<'_>, Error> {
    let schema = raw(ANSWER_SCHEMA)?;
    let output = OutputFormat::JsonSchema { name: Some("light".into()), description: None, schema, strict: Some(true) };
    Ok(ChatRequest { output: Some(output), ..question(prompt) })
}

fn raw(text: &str) -> Result<&RawValue, Error> {
    serde_json::from_str(text).map_err(|error| Error::new(Code::Bug, format!("the doctor's own request is wrong: {error}")))
}
