//! Writes a Messages request for an upstream, from a client of another dialect.
//!
//! The order of work: refuse what has no equivalent, plan tools, thinking and sampling, then write. The conversation is
//! repaired in `history`, schemas in `schema`; `tools_out`, `messages_out` and `media` write their parts. Start with
//! [`encode`].

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::history::{Message, messages};
use super::schema::output_schema;
use super::thinking::{self, Thought};
use crate::chat::request::{BlockKind, ChatRequest, OutputFormat, ToolChoice, ToolKind};
use crate::chat::{Loss, lose};
use crate::dialect::history;
use crate::dialect::names::{hash, tool_name};
use crate::dialect::quirks::Structured;
use crate::dialect::{Dialect, ReplyMap, TranslateError, Upstream};
use crate::wire::Text;
use crate::wire::json::says_something;
use crate::wire::object::{self, Object, list};

/// What JSON is asked for where no schema is given.
const JSON_ONLY: &str = "Answer with one JSON object and nothing else: no prose, no code fence.";
/// The most cache marks.
const CACHE_MARKS_MAX: usize = 4;

/// Writes a whole request.
///
/// # Errors
/// When the request asks for what this target cannot do, and a client would rely on it.
pub(super) fn encode(
    request: &ChatRequest<'_>,
    upstream: &Upstream<'_>,
    losses: &mut Vec<Loss>,
) -> Result<(Bytes, ReplyMap), TranslateError> {
    refuse(request, upstream)?;
    let mut plan = Plan::new(request, upstream, losses)?;
    let turns = history::repair(&request.turns, losses);
    let history = messages(&turns, upstream, losses);
    plan.thought = thinking::plan(request, upstream, &history, plan.schema_tool.is_some(), losses);
    let mut writer = Writer { upstream, names: &plan.names, marks_to_skip: 0, losses };
    writer.marks_to_skip = cache_marks(request, &history, upstream).saturating_sub(CACHE_MARKS_MAX);
    if writer.marks_to_skip > 0 {
        lose(writer.losses, Loss::normalised("cache_control"));
    }
    let mut out = Vec::with_capacity(4096);
    let mut body = Object::open(&mut out);
    body.str("model", upstream.model).json("max_tokens", plan.thought.max_tokens).json("stream", request.stream);
    writer.tools(&mut body, request, &plan);
    writer.tool_choice(&mut body, request, &plan)?;
    writer.system(&mut body, request);
    writer.messages(&mut body, &history, &plan)?;
    writer.options(&mut body, request, &plan);
    thinking::write(&mut body, &plan.thought, plan.native_schema.as_deref());
    body.close();
    let reply = ReplyMap {
        tools: declared(request).map(|name| name.clone().into_owned()).collect(),
        names: plan.names.into_iter().filter(|(short, original)| short != original).collect(),
        schema_tool: plan.schema_tool,
        // Anthropic always tells the usage; a Chat client gets it only where it asked.
        hide_usage: upstream.client == Dialect::OpenAiChat && !request.stream_usage,
        ..ReplyMap::default()
    };
    Ok((out.into(), reply))
}

/// What no Messages server can do and no client can miss.
fn refuse(request: &ChatRequest<'_>, upstream: &Upstream<'_>) -> Result<(), TranslateError> {
    let lacks = |what: &str| format!("{} speaks Anthropic Messages, which has no {what}", upstream.provider);
    if request.sampling.n.is_some_and(|n| n > 1) {
        return Err(TranslateError::new("n", lacks("second answer")));
    }
    if request.sampling.logprobs == Some(true) || request.sampling.top_logprobs.is_some_and(|n| n > 0) {
        return Err(TranslateError::new("logprobs", lacks("log probabilities")));
    }
    for (n, tool) in request.tools.iter().enumerate() {
        if let ToolKind::Server { kind, name: _, raw: _ } = &tool.kind {
            return Err(TranslateError::new(format!("tools.{n}.type"), lacks(&format!("tool of type {kind:?}"))));
        }
    }
    Ok(())
}

/// What is decided before anything is written.
pub(super) struct Plan<'r> {
    /// Every declared tool: the name that the upstream sees, and the client's.
    pub(super) names: Vec<(String, String)>,
    pub(super) schema_tool: Option<String>,
    pub(super) schema: Option<(&'r RawValue, Option<Text<'r>>)>,
    pub(super) native_schema: Option<Cow<'r, str>>,
    pub(super) choice: Option<ToolChoice<'r>>,
    pub(super) thought: Thought,
    pub(super) is_continued: bool,
}

fn declared<'r>(request: &'r ChatRequest<'_>) -> impl Iterator<Item = &'r Cow<'r, str>> {
    request.tools.iter().map(|tool| match &tool.kind {
        ToolKind::Function { name, description: _, parameters: _, strict: _ } | ToolKind::Server { kind: _, name, raw: _ } => name,
    })
}

impl<'r> Plan<'r> {
    fn new(request: &'r ChatRequest<'r>, upstream: &Upstream<'_>, losses: &mut Vec<Loss>) -> Result<Self, TranslateError> {
        let names_max = upstream.quirks.tool_name_max;
        let names: Vec<_> = declared(request).map(|name| (tool_name(name, names_max).into_owned(), name.clone().into_owned())).collect();
        let mut plan = Self {
            names,
            schema_tool: None,
            schema: None,
            native_schema: None,
            choice: request.tool_choice.clone(),
            thought: Thought::default(),
            is_continued: thinking::refuses_prefill(upstream.model),
        };
        if let Some(OutputFormat::JsonSchema { name, description, schema, strict: _ }) = &request.output {
            match upstream.quirks.structured {
                Structured::Native => plan.native_schema = Some(output_schema(schema)),
                Structured::ForcedTool | Structured::JsonMode => {
                    lose(losses, Loss::emulated("response_format"));
                    let wanted = name.as_ref().map_or(Cow::Borrowed("output"), Text::read);
                    plan.schema_tool = Some(plan.free_name(&tool_name(&wanted, names_max)));
                    plan.schema = Some((schema, description.clone()));
                }
            }
        }
        plan.check_choice(request, losses)?;
        Ok(plan)
    }

    fn free_name(&self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        while self.names.iter().any(|(short, _)| *short == name) {
            name.push('_');
        }
        name
    }

    fn check_choice(&mut self, request: &ChatRequest<'r>, losses: &mut Vec<Loss>) -> Result<(), TranslateError> {
        if request.tools.is_empty() {
            if matches!(self.choice, Some(ToolChoice::Any | ToolChoice::Named(_))) {
                lose(losses, Loss::dropped("tool_choice"));
            }
            self.choice = None;
        }
        match &self.choice {
            Some(ToolChoice::Named(name)) if !declared(request).any(|declared| declared == name) => {
                Err(TranslateError::new("tool_choice", format!("the tool {name:?} is not among the declared tools")))
            }
            _ => Ok(()),
        }
    }
}

/// How many cache marks would be written.
fn cache_marks(request: &ChatRequest<'_>, history: &[Message<'_>], upstream: &Upstream<'_>) -> usize {
    if !upstream.quirks.cache_control {
        return 0;
    }
    let tools = request.tools.iter().filter(|tool| tool.cache.is_some()).count();
    let system = request.system.iter().filter(|block| block.cache.is_some()).count();
    let pieces = history.iter().flat_map(|message| &message.pieces).filter(|piece| piece.takes_mark()).count();
    tools + system + pieces
}

/// Writes the parts.
pub(super) struct Writer<'w> {
    pub(super) upstream: &'w Upstream<'w>,
    /// Every declared tool: the name that the upstream sees, and the client's.
    pub(super) names: &'w [(String, String)],
    marks_to_skip: usize,
    pub(super) losses: &'w mut Vec<Loss>,
}

impl Writer<'_> {
    /// Writes a cache mark, if it is one of the last four.
    pub(super) fn mark(&mut self, object: &mut Object<'_>, cache: Option<&RawValue>) {
        let Some(mark) = cache.filter(|_| self.upstream.quirks.cache_control) else { return };
        if self.marks_to_skip > 0 {
            self.marks_to_skip -= 1;
        } else {
            object.raw("cache_control", mark.get());
        }
    }

    fn system(&mut self, body: &mut Object<'_>, request: &ChatRequest<'_>) {
        let wants_json = matches!(request.output, Some(OutputFormat::JsonObject));
        if wants_json {
            lose(self.losses, Loss::emulated("response_format"));
        }
        let mut texts: Vec<(Text<'_>, Option<&RawValue>)> = Vec::new();
        for block in &request.system {
            block.lose_beside(self.losses);
            match &block.kind {
                BlockKind::Text(text) if text.is_blank() => {}
                BlockKind::Text(text) => texts.push((text.clone(), block.cache)),
                _ => lose(self.losses, Loss::dropped("system[]")),
            }
        }
        if wants_json {
            texts.push((JSON_ONLY.into(), None));
        }
        let has_marks = self.upstream.quirks.cache_control && texts.iter().any(|(_, cache)| cache.is_some());
        match texts.as_slice() {
            [] => {}
            [(text, _)] if !has_marks => {
                body.text("system", text);
            }
            _ if !has_marks => {
                let joined: Vec<Cow<'_, str>> = texts.iter().map(|(text, _)| text.read()).collect();
                body.str("system", &joined.join("\n\n"));
            }
            _ => list(body.key("system"), texts, |out, (text, cache)| {
                let mut object = Object::open(out);
                object.str("type", "text").text("text", &text);
                self.mark(&mut object, cache);
                object.close();
            }),
        }
    }

    fn options(&mut self, body: &mut Object<'_>, request: &ChatRequest<'_>, plan: &Plan<'_>) {
        let ChatRequest {
            model: _,
            system: _,
            turns: _,
            tools: _,
            tool_choice: _,
            parallel_tool_calls: _,
            max_output_tokens: _,
            sampling: _,
            stop,
            output: _,
            thinking: _,
            user_id,
            service_tier,
            stream: _,
            stream_usage: _,
            extras,
            unread,
        } = request;
        unread.lose(self.losses);
        thinking::write_sampling(body, request, self.upstream, &plan.thought, self.losses);
        self.stop(body, stop);
        if let Some(user) = user_id.as_ref().filter(|user| !user.is_blank()) {
            match self.upstream.quirks.user_max {
                Some(max) => {
                    let mut object = Object::open(body.key("metadata"));
                    object.str("user_id", &safe_user_id(&user.read(), max));
                    object.close();
                }
                None => lose(self.losses, Loss::dropped("user")),
            }
        }
        match service_tier.as_ref().map(Text::read).as_deref() {
            None => {}
            Some("auto") if self.upstream.quirks.full_anthropic => {
                body.str("service_tier", "auto");
            }
            Some("auto") => {}
            Some(_) => lose(self.losses, Loss::dropped("service_tier")),
        }
        for extra in extras {
            if says_something(extra.value) {
                lose(self.losses, Loss::dropped(extra.name.clone().into_owned()));
            }
        }
    }

    fn stop(&mut self, body: &mut Object<'_>, stop: &[Text<'_>]) {
        let mut kept: Vec<&Text<'_>> = stop.iter().filter(|text| !text.is_blank()).collect();
        if kept.len() > self.upstream.quirks.stop_max.unwrap_or(usize::MAX) || kept.len() < stop.len() {
            kept.truncate(self.upstream.quirks.stop_max.unwrap_or(usize::MAX));
            lose(self.losses, Loss::normalised("stop"));
        }
        if !kept.is_empty() {
            list(body.key("stop_sequences"), kept, object::text);
        }
    }
}

/// An end user's id as the API allows it: no address, no phone number, not too long. Others are hashed.
fn safe_user_id(user: &str, max: usize) -> String {
    let digits = user.chars().filter(char::is_ascii_digit).count();
    let is_phone =
        (7..=15).contains(&digits) && user.starts_with(['+', '0', '(']) && user.chars().all(|c| c.is_ascii_digit() || "+-() .".contains(c));
    if user.contains('@') || is_phone || user.chars().count() > max { hash(user, 64) } else { user.to_owned() }
}
