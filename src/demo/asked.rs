//! What the demo reads of a Chat request. Start with [`Asked::parse`].

use serde_json::Value;

/// What is read of a request.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) tokens_max: Option<u64>,
    /// The user's last words, without what a client wraps around them.
    pub(super) user: String,
    /// The text of the last tool result after those words.
    pub(super) result: Option<String>,
    pub(super) tools: Vec<Tool>,
    pub(super) choice: Choice,
    /// The schema that the answer must have.
    pub(super) schema: Option<Value>,
}

#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) schema: Value,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Choice {
    #[default]
    Auto,
    None,
    Required,
    Named(String),
}

impl Asked {
    /// Reads a request; the error is a sentence for the client.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, String> {
        let body: Value = serde_json::from_slice(body).map_err(|error| format!("the body is no JSON: {error}"))?;
        let messages = body.get("messages").and_then(Value::as_array).ok_or("messages must be an array")?;
        let (user, result) = last_turn(messages);
        let number = |name: &str| body.get(name).and_then(Value::as_u64);
        Ok(Self {
            model: body.get("model").and_then(Value::as_str).unwrap_or(super::MODEL).to_owned(),
            stream: body.get("stream").and_then(Value::as_bool).unwrap_or(false),
            include_usage: body.pointer("/stream_options/include_usage").and_then(Value::as_bool).unwrap_or(false),
            tokens_max: number("max_completion_tokens").or(number("max_tokens")),
            user,
            result,
            tools: body
                .get("tools")
                .and_then(Value::as_array)
                .map_or_else(Vec::new, |tools| tools.iter().filter_map(Tool::parse).collect()),
            choice: Choice::parse(body.get("tool_choice")),
            schema: schema(body.get("response_format")),
        })
    }
}

impl Tool {
    fn parse(tool: &Value) -> Option<Self> {
        let function = tool.get("function")?;
        let schema = function.get("parameters").cloned().unwrap_or(Value::Null);
        Some(Self { name: function.get("name")?.as_str()?.to_owned(), schema })
    }
}

impl Choice {
    fn parse(choice: Option<&Value>) -> Self {
        match choice {
            Some(Value::String(word)) if word == "none" => Self::None,
            Some(Value::String(word)) if word == "required" => Self::Required,
            Some(choice) => {
                choice.pointer("/function/name").and_then(Value::as_str).map_or(Self::Auto, |name| Self::Named(name.to_owned()))
            }
            None => Self::Auto,
        }
    }
}

fn schema(format: Option<&Value>) -> Option<Value> {
    let format = format?;
    match format.get("type")?.as_str()? {
        "json_schema" => Some(format.pointer("/json_schema/schema").cloned().unwrap_or(Value::Null)),
        "json_object" => Some(serde_json::json!({ "properties": { "answer": { "type": "string" } } })),
        _ => None,
    }
}

/// The last words of the user's and the last tool result after them. Messages that hold nothing but a client's reminders
/// are no words: agents put them beside tool results.
fn last_turn(messages: &[Value]) -> (String, Option<String>) {
    let mut result = None;
    for message in messages.iter().rev() {
        let content = || text(message.get("content"));
        match message.get("role").and_then(Value::as_str) {
            Some("tool") if result.is_none() => result = Some(content()),
            Some("user") => {
                let words = without_reminders(&content());
                if !words.is_empty() {
                    return (words, result);
                }
            }
            _ => {}
        }
    }
    (String::new(), result)
}

fn text(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part.get("text")?.as_str()).collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

fn without_reminders(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<system-reminder>") {
        kept.push_str(before);
        rest = after.split_once("</system-reminder>").map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept.trim().to_owned()
}
