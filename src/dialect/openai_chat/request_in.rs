//! Reads a client's Chat request into the canonical model.
//!
//! Strict where a mistake would change the meaning (roles, kinds of parts, types of members), lenient about older forms
//! (`functions`, `function_call`, `max_tokens`). Every fault names its path. Messages are [`super::messages_in`]'s part.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::messages_in;
use crate::chat::request::{Effort, Extra, OutputFormat, ThinkingMode, Tool, ToolChoice, ToolKind};
use crate::chat::{ChatRequest, Unread};
use crate::dialect::TranslateError;
use crate::wire::Text;
use crate::wire::json::{Members, items};
use crate::wire::read;

type Result<T> = std::result::Result<T, TranslateError>;

/// Reads a whole request.
///
/// # Errors
/// When the body is no JSON object, or a member that is understood has the wrong form.
pub(super) fn decode(body: &[u8]) -> Result<ChatRequest<'_>> {
    let fault = |reason: String| TranslateError::new("", reason);
    let text = std::str::from_utf8(body).map_err(|error| fault(error.to_string()))?;
    let members: Members<'_> = read::from_str(text).map_err(|error| fault(format!("the body is not a JSON object: {error}")))?;
    let mut request = ChatRequest::default();
    let mut late = Late::default();
    let mut has_messages = false;
    for (name, raw) in members {
        if raw.get() == "null" {
            continue;
        }
        has_messages |= name == "messages";
        if !member(&mut request, &mut late, &name, raw)? {
            request.extras.push(Extra { name, value: raw });
        }
    }
    if !has_messages {
        return Err(TranslateError::new("messages", "is required"));
    }
    settle(&mut request, late);
    Ok(request)
}

/// Members that count only when a newer or more precise one is absent, or that change others.
#[derive(Default)]
struct Late<'a> {
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    user: Option<Text<'a>>,
    allowed_tools: Option<Vec<Cow<'a, str>>>,
}

fn settle<'a>(request: &mut ChatRequest<'a>, late: Late<'a>) {
    request.max_output_tokens = late.max_completion_tokens.or(late.max_tokens);
    if request.user_id.is_some() && late.user.is_some() {
        request.unread.note_value("user");
    }
    request.user_id = request.user_id.take().or(late.user);
    if let Some(allowed) = late.allowed_tools {
        request.tools.retain(|tool| match &tool.kind {
            ToolKind::Function { name, .. } | ToolKind::Server { name, .. } => allowed.contains(name),
        });
    }
}

/// Takes one member; false when the canonical model has no field for it.
fn member<'a>(request: &mut ChatRequest<'a>, late: &mut Late<'a>, name: &str, raw: &'a RawValue) -> Result<bool> {
    let (sampling, unread) = (&mut request.sampling, &mut request.unread);
    match name {
        "model" => request.model = string(name, raw)?.read(),
        "messages" => (request.system, request.turns) = messages_in::decode(raw, unread)?,
        "tools" => request.tools.extend(tools(raw, unread)?),
        "functions" => request.tools.extend(functions(raw, unread)?),
        "tool_choice" | "function_call" => request.tool_choice = Some(tool_choice(name, raw, late, unread)?),
        "web_search_options" => request
            .tools
            .push(Tool { kind: ToolKind::Server { kind: name.to_owned().into(), name: "web_search".into(), raw }, cache: None }),
        "parallel_tool_calls" => request.parallel_tool_calls = Some(read(name, raw)?),
        "max_tokens" => late.max_tokens = Some(read(name, raw)?),
        "max_completion_tokens" => late.max_completion_tokens = Some(read(name, raw)?),
        "temperature" => sampling.temperature = Some(read(name, raw)?),
        "top_p" => sampling.top_p = Some(read(name, raw)?),
        "top_k" => sampling.top_k = Some(read(name, raw)?),
        "seed" => sampling.seed = Some(read(name, raw)?),
        "presence_penalty" => sampling.presence_penalty = Some(read(name, raw)?),
        "frequency_penalty" => sampling.frequency_penalty = Some(read(name, raw)?),
        "logit_bias" => sampling.logit_bias = Some(raw),
        "logprobs" => sampling.logprobs = Some(read(name, raw)?),
        "top_logprobs" => sampling.top_logprobs = Some(read(name, raw)?),
        "n" => sampling.n = Some(read(name, raw)?),
        "stop" => request.stop = stop(raw)?,
        "response_format" => request.output = output(raw, unread)?,
        "reasoning_effort" => request.thinking = Some(effort(name, &string(name, raw)?.read())?),
        "reasoning" => request.thinking = reasoning(raw, unread)?.or(request.thinking.take()),
        "thinking" => request.thinking = thinking(raw, unread)?.or(request.thinking.take()),
        "safety_identifier" => request.user_id = Some(string(name, raw)?),
        "user" => late.user = Some(string(name, raw)?),
        "service_tier" => request.service_tier = Some(string(name, raw)?),
        "stream" => request.stream = read(name, raw)?,
        "stream_options" => {
            let Some(options) = Members::of(raw) else { return Ok(false) };
            request.stream_usage = options.get("include_usage").is_some_and(|value| value.get() == "true");
            unread.note(name, options.unread());
        }
        "modalities" => modalities(raw)?,
        "audio" => return Err(TranslateError::new("audio", "spoken answers have no equivalent in a translation")),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Reads a plain value.
pub(super) fn read<'a, T: Deserialize<'a>>(path: &str, raw: &'a RawValue) -> Result<T> {
    read::from_str(raw.get()).map_err(|error| {
        let reason = error.to_string();
        TranslateError::new(path.to_owned(), reason.split(" at line").next().unwrap_or_default())
    })
}

fn string<'a>(path: &str, raw: &'a RawValue) -> Result<Text<'a>> {
    Text::from_raw(raw).ok_or_else(|| TranslateError::new(path.to_owned(), "must be a string"))
}

/// Text alone is what every answer is; anything else has no equivalent.
fn modalities(raw: &RawValue) -> Result<()> {
    let wanted: Vec<Cow<'_, str>> = items(raw).unwrap_or_default().into_iter().filter_map(Text::from_raw).map(|text| text.read()).collect();
    match wanted.into_iter().find(|kind| kind != "text") {
        Some(kind) => Err(TranslateError::new("modalities", format!("an answer of {kind:?} has no equivalent in a translation"))),
        None => Ok(()),
    }
}

fn stop(raw: &RawValue) -> Result<Vec<Text<'_>>> {
    if let Some(one) = Text::from_raw(raw) {
        return Ok(vec![one]);
    }
    let fault = || TranslateError::new("stop", "must be a string or a list of strings");
    items(raw).ok_or_else(fault)?.into_iter().map(|item| Text::from_raw(item).ok_or_else(fault)).collect()
}

fn tools<'a>(raw: &'a RawValue, unread: &mut Unread) -> Result<Vec<Tool<'a>>> {
    let list = items(raw).ok_or_else(|| TranslateError::new("tools", "must be a list"))?;
    list.into_iter().enumerate().map(|(nth, raw)| tool(nth, raw, unread)).collect()
}

fn tool<'a>(nth: usize, raw: &'a RawValue, unread: &mut Unread) -> Result<Tool<'a>> {
    let path = |rest: &str| format!("tools.{nth}{rest}");
    let members = Members::of(raw).ok_or_else(|| TranslateError::new(path(""), "must be an object"))?;
    let kind = members.str("type").unwrap_or("function".into());
    let cache = members.get("cache_control");
    match &*kind {
        "function" => {
            let nested = members.get("function").and_then(Members::of);
            let kind = function(nested.as_ref().unwrap_or(&members), || path(".function"))?;
            nested.iter().for_each(|nested| unread.note("tools[].function", nested.unread()));
            unread.note("tools[]", members.unread());
            Ok(Tool { kind, cache })
        }
        "custom" => Err(TranslateError::new(path(".type"), "custom tools have no equivalent in a translation; declare a function")),
        _ => {
            let name = members.str("name").unwrap_or_else(|| kind.clone());
            Ok(Tool { kind: ToolKind::Server { kind, name, raw }, cache })
        }
    }
}

fn functions<'a>(raw: &'a RawValue, unread: &mut Unread) -> Result<Vec<Tool<'a>>> {
    let list = items(raw).ok_or_else(|| TranslateError::new("functions", "must be a list"))?;
    let one = |(nth, raw)| {
        let path = || format!("functions.{nth}");
        let members = Members::of(raw).ok_or_else(|| TranslateError::new(path(), "must be an object"))?;
        let kind = function(&members, path)?;
        unread.note("functions[]", members.unread());
        Ok(Tool { kind, cache: None })
    };
    list.into_iter().enumerate().map(one).collect()
}

fn function<'a>(members: &Members<'a>, path: impl Fn() -> String) -> Result<ToolKind<'a>> {
    let name = members.str("name").filter(|name| !name.is_empty());
    Ok(ToolKind::Function {
        name: name.ok_or_else(|| TranslateError::new(format!("{}.name", path()), "is required"))?,
        description: members.text("description"),
        parameters: members.get("parameters"),
        strict: members.get("strict").map(|raw| read("tools[].function.strict", raw)).transpose()?,
    })
}

fn tool_choice<'a>(path: &str, raw: &'a RawValue, late: &mut Late<'a>, unread: &mut Unread) -> Result<ToolChoice<'a>> {
    let fault = || TranslateError::new(path.to_owned(), "must be auto, none, required or an object that names a function");
    if let Some(word) = Text::from_raw(raw) {
        return choice_word(&word.read()).ok_or_else(fault);
    }
    let members = Members::of(raw).ok_or_else(fault)?;
    let allowed = members.get("allowed_tools").and_then(Members::of);
    let choice = match &allowed {
        Some(allowed) => {
            let list = allowed.get("tools").and_then(items).ok_or_else(fault)?;
            let under = format!("{path}.allowed_tools.tools[]");
            let mut named = |raw| named(&Members::of(raw)?, &under, unread);
            late.allowed_tools = Some(list.into_iter().map(|raw| named(raw).ok_or_else(fault)).collect::<Result<_>>()?);
            let choice = allowed.str("mode").map_or(Some(ToolChoice::Auto), |mode| choice_word(&mode)).ok_or_else(fault)?;
            unread.note(format_args!("{path}.allowed_tools"), allowed.unread());
            members.get("type");
            unread.note(path, members.unread());
            choice
        }
        None => ToolChoice::Named(named(&members, path, unread).ok_or_else(fault)?),
    };
    Ok(choice)
}

/// The name in `{"type": "function", "function": {"name": …}}`, or in the flat form of that.
fn named<'a>(tool: &Members<'a>, under: &str, unread: &mut Unread) -> Option<Cow<'a, str>> {
    let nested = tool.get("function").and_then(Members::of);
    let name = nested.as_ref().unwrap_or(tool).str("name")?;
    // A function is the only kind that can be named.
    tool.get("type");
    nested.iter().for_each(|nested| unread.note(format_args!("{under}.function"), nested.unread()));
    unread.note(under, tool.unread());
    Some(name)
}

fn choice_word<'a>(word: &str) -> Option<ToolChoice<'a>> {
    Some(match word {
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "required" | "any" => ToolChoice::Any,
        _ => return None,
    })
}

fn output<'a>(raw: &'a RawValue, unread: &mut Unread) -> Result<Option<OutputFormat<'a>>> {
    let path = "response_format";
    let fault = |reason: &str| TranslateError::new(path, reason);
    let members = Members::of(raw).ok_or_else(|| fault("must be an object"))?;
    let output = match members.str("type").as_deref() {
        Some("text") => None,
        Some("json_object") => Some(OutputFormat::JsonObject),
        Some("json_schema") => {
            let inner = members.get("json_schema").and_then(Members::of).ok_or_else(|| fault("json_schema is missing"))?;
            let output = OutputFormat::JsonSchema {
                name: inner.text("name"),
                description: inner.text("description"),
                schema: inner.get("schema").ok_or_else(|| fault("json_schema.schema is missing"))?,
                strict: inner.get("strict").map(|raw| read("response_format.json_schema.strict", raw)).transpose()?,
            };
            unread.note("response_format.json_schema", inner.unread());
            Some(output)
        }
        _ => return Err(fault("type must be text, json_object or json_schema")),
    };
    unread.note(path, members.unread());
    Ok(output)
}

fn effort(path: &str, word: &str) -> Result<ThinkingMode> {
    Ok(match word {
        "none" => ThinkingMode::Disabled,
        "minimal" => ThinkingMode::Effort(Effort::Minimal),
        "low" => ThinkingMode::Effort(Effort::Low),
        "medium" => ThinkingMode::Effort(Effort::Medium),
        "high" => ThinkingMode::Effort(Effort::High),
        "xhigh" => ThinkingMode::Effort(Effort::XHigh),
        "max" => ThinkingMode::Effort(Effort::Max),
        _ => return Err(TranslateError::new(path.to_owned(), format!("unknown effort {word:?}"))),
    })
}

/// OpenRouter's `reasoning` object.
fn reasoning(raw: &RawValue, unread: &mut Unread) -> Result<Option<ThinkingMode>> {
    let Some(members) = Members::of(raw) else {
        unread.note_value("reasoning");
        return Ok(None);
    };
    let is_off = members.get("enabled").is_some_and(|value| value.get() == "false");
    let budget = || members.get("max_tokens").map(|raw| read("reasoning.max_tokens", raw).map(ThinkingMode::Budget)).transpose();
    let mode = match members.str("effort") {
        _ if is_off => Some(ThinkingMode::Disabled),
        Some(word) => Some(effort("reasoning.effort", &word)?),
        None => budget()?,
    };
    unread.note("reasoning", members.unread());
    Ok(mode)
}

/// The `thinking` object that Z.AI, DeepSeek and Kimi take.
fn thinking(raw: &RawValue, unread: &mut Unread) -> Result<Option<ThinkingMode>> {
    let Some(members) = Members::of(raw) else {
        unread.note_value("thinking");
        return Ok(None);
    };
    let mode = match (members.str("type").as_deref(), members.get("budget_tokens")) {
        (Some("disabled"), _) => Some(ThinkingMode::Disabled),
        (Some("enabled"), Some(budget)) => Some(ThinkingMode::Budget(read("thinking.budget_tokens", budget)?)),
        (Some("enabled" | "auto" | "adaptive"), None) => Some(ThinkingMode::Adaptive(None)),
        _ => {
            unread.note_value("thinking.type");
            None
        }
    };
    unread.note("thinking", members.unread());
    Ok(mode)
}
