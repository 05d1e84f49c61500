//! What is asked: a question, a step of an agent, a long document; or the user's own prompts.
//!
//! A scenario is the same each time, so that two runs can be compared. Start with [`Scenario::requests`].

use std::path::Path;

use clap::ValueEnum;
use serde_json::value::RawValue;

use crate::chat::ChatRequest;
use crate::chat::request::{Arguments, Block, BlockKind, Role, Tool, ToolCall, ToolKind, ToolResult, Turn};
use crate::error::{Code, Error};

/// The longest file of prompts, in bytes.
const FILE_MAX: u64 = 8 << 20;
/// The most prompts of a file.
const PROMPTS_MAX: usize = 1000;

/// What kind of work it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// A short question
    Chat,
    /// A step of an agent: instructions, tools, a call with its result, and one more call wanted
    Agent,
    /// A document of 100 KB, marked for the cache, and a question about it
    Long,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Agent => "agent",
            Self::Long => "long",
        }
    }
}

/// The tools of an agent's step: name, description, schema of the arguments.
const TOOLS: [(&str, &str, &str); 3] = [
    (
        "Bash",
        "Runs a command in the shell and returns its output.",
        r#"{"type":"object","properties":{"command":{"type":"string","description":"The command"},"timeout":{"type":"integer","minimum":1}},"required":["command"],"additionalProperties":false}"#,
    ),
    (
        "Read",
        "Reads a file.",
        r#"{"type":"object","properties":{"file_path":{"type":"string"},"limit":{"type":"integer","minimum":1}},"required":["file_path"],"additionalProperties":false}"#,
    ),
    (
        "Grep",
        "Searches files for a pattern.",
        r#"{"type":"object","properties":{"pattern":{"type":"string"},"path":{"type":"string"}},"required":["pattern"],"additionalProperties":false}"#,
    ),
];
const CACHE: &str = r#"{"type":"ephemeral"}"#;
const CALLED: &str = r#"{"command":"ls"}"#;
const RULES: &str = "You help with a repository. Work in small steps. Look before you change anything. Use the tools that you are \
    given, one at a time, and say nothing that the user can see for themselves. Never invent a file.\n";
const PARAGRAPH: &str = "The harbour master kept a log of every vessel that came in with the tide: its name, its draught, the cargo that was \
    declared and the cargo that was found, the hour at which the pilot went aboard and the hour at which he left. ";

/// What is asked, and how an answer's calls are judged.
pub(super) struct Scenario {
    kind: Kind,
    is_stream: bool,
    tokens_max: u64,
    prompts: Vec<String>,
    document: String,
    rules: String,
    validators: Vec<(&'static str, jsonschema::Validator)>,
}

impl Scenario {
    /// A scenario; `prompts` stand in for its last question.
    ///
    /// # Errors
    /// When our own schemas are none.
    pub(super) fn new(kind: Kind, is_stream: bool, tokens_max: u64, prompts: Vec<String>) -> Result<Self, Error> {
        let validator = |(name, _, schema): (&'static str, _, &str)| {
            let schema = serde_json::from_str(schema).map_err(bug)?;
            jsonschema::validator_for(&schema).map(|validator| (name, validator)).map_err(bug)
        };
        let validators = TOOLS.into_iter().map(validator).collect::<Result<_, _>>()?;
        let question = match kind {
            Kind::Chat => "Explain in about fifty words why the sky is blue.",
            Kind::Agent => "Now list the files in the folder `src`, with the Bash tool.",
            Kind::Long => "Say in one sentence what the text above is about.",
        };
        let prompts = if prompts.is_empty() { vec![question.to_owned()] } else { prompts };
        let document = if kind == Kind::Long { PARAGRAPH.repeat(100_000 / PARAGRAPH.len()) } else { String::new() };
        Ok(Self { kind, is_stream, tokens_max, prompts, document, rules: RULES.repeat(4096 / RULES.len()), validators })
    }

    /// The requests, one for each prompt, to be made in turn.
    ///
    /// # Errors
    /// When our own JSON is none.
    pub(super) fn requests(&self, model: &str) -> Result<Vec<ChatRequest<'_>>, Error> {
        self.prompts.iter().map(|prompt| self.request(prompt, model)).collect()
    }

    fn request<'a>(&'a self, prompt: &'a str, model: &str) -> Result<ChatRequest<'a>, Error> {
        let text = |text: &'a str| Block::from(BlockKind::Text(text.into()));
        let said = |role, block| Turn { role, name: None, blocks: vec![block] };
        let mut request = ChatRequest {
            model: model.to_owned().into(),
            stream: self.is_stream,
            stream_usage: self.is_stream,
            max_output_tokens: Some(self.tokens_max),
            ..ChatRequest::default()
        };
        match self.kind {
            Kind::Chat => {}
            Kind::Agent => {
                request.system.push(text(&self.rules));
                for (name, description, schema) in TOOLS {
                    let parameters = Some(raw(schema)?);
                    let kind = ToolKind::Function { name: name.into(), description: Some(description.into()), parameters, strict: None };
                    request.tools.push(Tool { kind, cache: None });
                }
                let call =
                    ToolCall { id: "toolu_bench1".into(), name: "Bash".into(), arguments: Arguments::Object(raw(CALLED)?), opaque: None };
                let result =
                    ToolResult { call_id: "toolu_bench1".into(), content: vec![text("Cargo.toml\nREADME.md\nsrc")], is_error: false };
                request.turns.push(said(Role::User, text("What is in this folder?")));
                request.turns.push(said(Role::Assistant, BlockKind::ToolCall(call).into()));
                request.turns.push(said(Role::User, BlockKind::ToolResult(result).into()));
                request.turns.push(said(Role::Assistant, text("A Rust project: Cargo.toml, README.md and src.")));
            }
            Kind::Long => {
                request.system.push(Block { cache: Some(raw(CACHE)?), ..text(&self.document) });
            }
        }
        request.turns.push(said(Role::User, text(prompt)));
        Ok(request)
    }

    /// Whether a call names a tool of ours and its arguments fit.
    pub(super) fn is_valid(&self, name: &str, arguments: &str) -> bool {
        let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
        let Ok(arguments) = serde_json::from_str(arguments) else { return false };
        self.validators.iter().any(|(known, validator)| *known == name && validator.is_valid(&arguments))
    }
}

fn raw(text: &str) -> Result<&RawValue, Error> {
    serde_json::from_str(text).map_err(bug)
}

fn bug(error: impl std::fmt::Display) -> Error {
    Error::new(Code::Bug, format!("the bench's own request is wrong: {error}"))
}

/// The prompts of a file: one, or of a `.jsonl` one a line, as a JSON string.
///
/// # Errors
/// When it cannot be read, or holds none.
pub(super) fn prompts(path: &Path) -> Result<Vec<String>, Error> {
    let name = path.display();
    let wrong = |what: String| Error::new(Code::Usage, format!("--prompt-file {name}: {what}"));
    let about = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    if about.len() > FILE_MAX {
        return Err(wrong(format!("it is longer than {} MiB", FILE_MAX >> 20)));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let prompts: Vec<String> = if path.extension().is_some_and(|extension| extension == "jsonl") {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).take(PROMPTS_MAX);
        let parsed =
            lines.map(|(at, line)| serde_json::from_str::<String>(line).map_err(|_| wrong(format!("line {} is no JSON string", at + 1))));
        parsed.collect::<Result<_, _>>()?
    } else {
        vec![text]
    };
    if prompts.iter().all(|prompt| prompt.trim().is_empty()) {
        return Err(wrong("it holds no prompt".to_owned()));
    }
    Ok(prompts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_valid_when_its_tool_is_declared_and_its_arguments_fit() {
        let scenario = Scenario::new(Kind::Agent, true, 100, Vec::new()).unwrap();
        assert!(scenario.is_valid("Bash", r#"{"command":"ls src"}"#));
        for (name, arguments) in [
            ("Bash", "{}"),
            ("Bash", ""),
            ("Bash", r#"{"command":7}"#),
            ("Bash", r#"{"command":"ls"#),
            ("Bash", r#"{"command":"ls","more":1}"#),
            ("Rm", r#"{"command":"ls"}"#),
        ] {
            assert!(!scenario.is_valid(name, arguments), "{name} {arguments}");
        }
    }

    #[test]
    fn prompts_come_from_a_text_or_from_lines_of_json() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            prompts(&path)
        };
        assert_eq!(file("a.txt", "one\ntwo\n").unwrap(), ["one\ntwo\n"]);
        assert_eq!(file("b.jsonl", "\"one\"\n\n\"two\\n\"\n").unwrap(), ["one", "two\n"]);
        assert!(file("c.jsonl", "\"one\"\nno\n").unwrap_err().message.contains("line 2"));
        assert!(file("d.txt", " \n").unwrap_err().message.contains("no prompt"));
        assert!(prompts(&folder.path().join("none")).is_err());
    }
}
