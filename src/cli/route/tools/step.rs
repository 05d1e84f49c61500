//! A step: what the model said and called for, and what came of it; as turns of the next request, and as JSON.

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::chat::request::{Arguments, Block, BlockKind, Media, Role, Source, Thinking, ToolCall, ToolResult, Turn};
use crate::chat::response::ResponseBlock;
use crate::mcp::{Output, Part, raw_object};

/// A step.
#[derive(Debug)]
pub(in crate::cli::route) struct Step {
    said: Vec<(ResponseBlock, Option<Box<RawValue>>)>,
    made: Vec<Made>,
    request_id: String,
}

/// A call that is over.
#[derive(Debug)]
pub(super) struct Made {
    id: String,
    pub(super) server: String,
    pub(super) tool: String,
    pub(super) arguments: String,
    /// `--yes`, `asked`, `always`; empty: it was not made.
    pub(super) approved: &'static str,
    pub(super) outcome: Outcome,
    /// The call alone.
    pub(super) took: Duration,
    /// With the time for the question.
    pub(super) waited: Duration,
}

/// What came of a call.
#[derive(Debug)]
pub(super) enum Outcome {
    Answered(Output),
    /// Why there is no answer.
    Failed(String),
    /// Why it was not made.
    Refused(&'static str),
    /// What of the arguments does not fit the tool: it was not made.
    Misfit(String),
}

/// A step as `--json` and `aimux logs` have it. Members are added, never renamed or left out.
#[derive(Serialize)]
pub(in crate::cli::route) struct JsonStep<'a> {
    text: String,
    request_id: &'a str,
    calls: Vec<JsonCall<'a>>,
}

#[derive(Serialize)]
struct JsonCall<'a> {
    server: &'a str,
    tool: &'a str,
    /// JSON text, as the model wrote it.
    arguments: &'a str,
    approved: &'a str,
    /// `answered`, `failed`, `refused` or `misfit`.
    outcome: &'static str,
    is_error: bool,
    result: String,
    /// Of the result before anything was cut.
    bytes: usize,
    cut: bool,
    ms: u64,
}

impl Made {
    pub(super) fn new(id: &str, name: &str, arguments: &str) -> Self {
        Self {
            id: id.to_owned(),
            server: String::new(),
            tool: name.to_owned(),
            arguments: arguments.to_owned(),
            approved: "",
            outcome: Outcome::Refused(""),
            took: Duration::ZERO,
            waited: Duration::ZERO,
        }
    }

    pub(super) fn end(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }

    pub(super) fn is_error(&self) -> bool {
        !matches!(&self.outcome, Outcome::Answered(output) if !output.is_error)
    }

    /// The result as text; pictures are named.
    pub(super) fn text(&self) -> String {
        match &self.outcome {
            Outcome::Failed(reason) => reason.clone(),
            Outcome::Refused(reason) => (*reason).to_owned(),
            Outcome::Misfit(faults) => misfit(faults),
            Outcome::Answered(output) => output.parts.iter().map(part_text).collect::<Vec<_>>().join("\n"),
        }
    }

    fn block(&self) -> Block<'_> {
        let text = |text: &str| Block::from(BlockKind::Text(text.to_owned().into()));
        let content = match &self.outcome {
            Outcome::Answered(output) => output.parts.iter().map(part_block).collect(),
            Outcome::Failed(reason) => vec![text(reason)],
            Outcome::Refused(reason) => vec![text(reason)],
            Outcome::Misfit(faults) => vec![text(&misfit(faults))],
        };
        BlockKind::ToolResult(ToolResult { call_id: self.id.as_str().into(), content, is_error: self.is_error() }).into()
    }

    fn json(&self) -> JsonCall<'_> {
        let (outcome, bytes, cut) = match &self.outcome {
            Outcome::Answered(output) => ("answered", output.bytes, output.is_cut),
            Outcome::Failed(reason) => ("failed", reason.len(), false),
            Outcome::Refused(_) => ("refused", 0, false),
            Outcome::Misfit(_) => ("misfit", 0, false),
        };
        JsonCall {
            server: &self.server,
            tool: &self.tool,
            arguments: &self.arguments,
            approved: self.approved,
            outcome,
            is_error: self.is_error(),
            result: self.text(),
            bytes,
            cut,
            ms: millis(self.took),
        }
    }
}

impl Step {
    pub(super) fn new(said: Vec<ResponseBlock>, made: Vec<Made>, request_id: String) -> Self {
        // A call whose arguments are no object goes back as it came.
        let object = |block: &ResponseBlock| match block {
            ResponseBlock::ToolCall { arguments, .. } => raw_object(arguments),
            _ => None,
        };
        let said = said.into_iter().map(|block| (object(&block), block)).map(|(object, block)| (block, object)).collect();
        Self { said, made, request_id }
    }

    /// What was said and done, as a model is told.
    pub(in crate::cli::route) fn turns(&self) -> [Turn<'_>; 2] {
        let said = self.said.iter().filter_map(|(block, object)| said_block(block, object.as_deref())).collect();
        let done = self.made.iter().map(Made::block).collect();
        [Turn { role: Role::Assistant, name: None, blocks: said }, Turn { role: Role::User, name: None, blocks: done }]
    }

    pub(super) fn has_pictures(&self) -> bool {
        let has = |made: &Made| matches!(&made.outcome, Outcome::Answered(output) if output.parts.iter().any(is_picture));
        self.made.iter().any(has)
    }

    /// Puts words in the place of pictures.
    pub(super) fn name_pictures(&mut self) {
        for made in &mut self.made {
            let Outcome::Answered(output) = &mut made.outcome else { continue };
            for part in output.parts.iter_mut().filter(|part| is_picture(part)) {
                *part = Part::Text(part_text(part));
                output.is_cut = true;
            }
        }
    }

    /// How long its calls took, and the questions before them.
    pub(in crate::cli::route) fn waited(&self) -> Duration {
        self.made.iter().map(|made| made.waited).sum()
    }

    pub(in crate::cli::route) fn json(&self) -> JsonStep<'_> {
        let texts =
            self.said.iter().filter_map(|(block, _)| if let ResponseBlock::Text { text, .. } = block { Some(text.as_str()) } else { None });
        JsonStep { text: texts.collect(), request_id: &self.request_id, calls: self.made.iter().map(Made::json).collect() }
    }
}

/// What a model is told that has to call otherwise.
fn misfit(faults: &str) -> String {
    format!("The call was not made: its arguments do not fit the tool's input schema. {faults}")
}

fn said_block<'a>(block: &'a ResponseBlock, object: Option<&'a RawValue>) -> Option<Block<'a>> {
    let kind = match block {
        ResponseBlock::Text { text, .. } if text.trim().is_empty() => return None,
        ResponseBlock::Text { text, .. } => BlockKind::Text(text.as_str().into()),
        ResponseBlock::Thinking { text, opaque } => {
            BlockKind::Thinking(Thinking { text: text.as_str().into(), opaque: opaque.clone(), is_redacted: false })
        }
        ResponseBlock::RedactedThinking(opaque) => {
            BlockKind::Thinking(Thinking { text: "".into(), opaque: Some(opaque.clone()), is_redacted: true })
        }
        ResponseBlock::ToolCall { id, name, arguments } => BlockKind::ToolCall(ToolCall {
            id: id.as_str().into(),
            name: name.as_str().into(),
            arguments: object.map_or_else(|| Arguments::Encoded(arguments.as_str().into()), Arguments::Object),
            opaque: None,
        }),
    };
    Some(kind.into())
}

fn part_block(part: &Part) -> Block<'_> {
    match part {
        Part::Text(text) => BlockKind::Text(text.as_str().into()).into(),
        Part::Image { media_type, data } => {
            let source = Source::Base64 { media_type: media_type.as_str().into(), data: data.as_str().into() };
            BlockKind::Image(Media { source, detail: None }).into()
        }
    }
}

fn part_text(part: &Part) -> String {
    match part {
        Part::Text(text) => text.clone(),
        Part::Image { media_type, data } => format!("[a picture, {media_type}, {} bytes]", data.len() / 4 * 3),
    }
}

fn is_picture(part: &Part) -> bool {
    matches!(part, Part::Image { .. })
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
