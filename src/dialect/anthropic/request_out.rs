//! Writes a Messages request for an upstream, from a client of another dialect.
//!
//! The order of work: refuse what has no equivalent, plan tools, thinking and sampling, then write. The conversation is
//! repaired in `history`, schemas in `schema`; `tools_out`, `messages_out` and `media` write their parts. Start with
//! [`encode`].

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::history::{ANNOTATIONS, Message, messages};
use super::lack::lacks;
use super::schema::output_schema;
use super::thinking::{self, Thought};
use crate::chat::request::{Block, BlockKind, ChatRequest, Extra, OutputFormat, Tool, ToolChoice, ToolKind};
use crate::chat::{Loss, lose};
use crate::dialect::go_on::{self, GoOn, Way};
use crate::dialect::history;
use crate::dialect::names::{hash, tool_name};
use crate::dialect::quirks::{Prefill, Structured};
use crate::dialect::{Dialect, ReplyMap, TranslateError, Upstream};
use crate::wire::json::{Members, count, says_something};
use crate::wire::object::{self, Object, list};
use crate::wire::{Text, read};

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
    let ChatRequest {
        model: _, // the upstream's own name stands in its place
        system,
        turns,
        tools,
        tool_choice,
        parallel_tool_calls,
        max_output_tokens,
        sampling,
        stop,
        output,
        thinking,
        user_id,
        service_tier,
        stream,
        stream_usage,
        extras,
        unread,
    } = request;
    unread.lose(losses);
    refuse(tools, upstream)?;
    let mut plan = Plan::new(tools, tool_choice.as_ref(), output.as_ref(), upstream, losses)?;
    let turns = history::repair(turns, losses);
    let history = messages(&turns, upstream, losses);
    let is_forced = plan.schema_tool.is_some();
    plan.thought = thinking::plan(thinking.as_ref(), *max_output_tokens, upstream, &history, is_forced, losses);
    let mut writer = Writer { upstream, names: &plan.names, marks_to_skip: 0, losses };
    writer.marks_to_skip = cache_marks(tools, system, &history, upstream).saturating_sub(CACHE_MARKS_MAX);
    if writer.marks_to_skip > 0 {
        lose(writer.losses, Loss::normalised("cache_control"));
    }
    let mut out = Vec::with_capacity(4096);
    let mut body = Object::open(&mut out);
    body.str("model", upstream.model).json("max_tokens", plan.thought.max_tokens).json("stream", *stream);
    writer.tools(&mut body, tools, &plan);
    writer.tool_choice(&mut body, tools, *parallel_tool_calls == Some(false), &plan);
    writer.system(&mut body, system, plan.json_only.as_deref());
    writer.messages(&mut body, &history, &plan)?;
    thinking::write_sampling(&mut body, sampling, upstream, &plan.thought, writer.losses)?;
    writer.stop(&mut body, stop);
    writer.account(&mut body, user_id.as_ref(), service_tier.as_ref());
    writer.lose_extras(extras);
    thinking::write(&mut body, &plan.thought, plan.native_schema.as_deref());
    body.close();
    let reply = ReplyMap {
        tools: declared(tools).map(|name| name.clone().into_owned()).collect(),
        names: plan.names.into_iter().filter(|(short, original)| short != original).collect(),
        schema_tool: plan.schema_tool,
        // Anthropic always tells the usage; a Chat client gets it only where it asked.
        hide_usage: upstream.client == Dialect::OpenAiChat && !stream_usage,
        ..ReplyMap::default()
    };
    Ok((out.into(), reply))
}

/// The tools that only another provider runs.
fn refuse(tools: &[Tool<'_>], upstream: &Upstream<'_>) -> Result<(), TranslateError> {
    for (n, Tool { kind, cache: _ }) in tools.iter().enumerate() {
        if let ToolKind::Server { kind, name: _, raw: _ } = kind {
            return Err(lacks(format!("tools.{n}.type"), &format!("tool of type {kind:?}"), upstream));
        }
    }
    Ok(())
}

/// What has a request gone on with. Neither a model that thinks nor Claude from 4.6 on takes the beginning of its own answer.
pub(super) fn go_on(body: &[u8], said: &str, upstream: &Upstream<'_>) -> Option<GoOn> {
    let members: Members<'_> = read::from_slice(body).ok()?;
    let thinking = members.get("thinking").and_then(Members::of);
    let mode = thinking.as_ref().and_then(|thinking| thinking.str("type"));
    let thinks = matches!(mode.as_deref(), Some("enabled" | "adaptive"));
    let takes = upstream.quirks.prefill == Prefill::Plain && !thinks && !thinking::refuses_prefill(upstream.model);
    let way = if takes { Way::Prefill { mark: None, echoes: false } } else { Way::Ask };
    let budget = thinking.as_ref().and_then(|thinking| thinking.get("budget_tokens")).and_then(count).unwrap_or(0);
    go_on::edits(body, said, way, &["max_tokens"], budget.saturating_add(1))
}

/// What is decided before anything is written.
pub(super) struct Plan<'r> {
    /// Every declared tool: the name that the upstream sees, and the client's.
    pub(super) names: Vec<(String, String)>,
    pub(super) schema_tool: Option<String>,
    pub(super) schema: Option<(&'r RawValue, Option<Text<'r>>)>,
    pub(super) native_schema: Option<Cow<'r, str>>,
    /// What the system text says about the answer's form.
    json_only: Option<Cow<'static, str>>,
    pub(super) choice: Option<ToolChoice<'r>>,
    pub(super) thought: Thought,
    pub(super) is_continued: bool,
}

fn declared<'r>(tools: &'r [Tool<'_>]) -> impl Iterator<Item = &'r Cow<'r, str>> {
    tools.iter().map(|Tool { kind, cache: _ }| match kind {
        ToolKind::Function { name, description: _, parameters: _, strict: _ } | ToolKind::Server { kind: _, name, raw: _ } => name,
    })
}

impl<'r> Plan<'r> {
    fn new(
        tools: &'r [Tool<'r>],
        choice: Option<&ToolChoice<'r>>,
        output: Option<&'r OutputFormat<'r>>,
        upstream: &Upstream<'_>,
        losses: &mut Vec<Loss>,
    ) -> Result<Self, TranslateError> {
        let names_max = upstream.quirks.tool_name_max;
        let names: Vec<_> = declared(tools).map(|name| (tool_name(name, names_max).into_owned(), name.clone().into_owned())).collect();
        let mut plan = Self {
            names,
            schema_tool: None,
            schema: None,
            native_schema: None,
            json_only: None,
            choice: choice.cloned(),
            thought: Thought::default(),
            is_continued: thinking::refuses_prefill(upstream.model),
        };
        if let Some(OutputFormat::JsonSchema { name, description, schema, strict: _ }) = output {
            match upstream.structured() {
                Structured::Native => plan.native_schema = Some(output_schema(schema)),
                Structured::JsonMode => {
                    lose(losses, Loss::emulated("response_format"));
                    plan.json_only = Some(format!("{JSON_ONLY} It must fit this JSON Schema:\n{}", schema.get()).into());
                }
                Structured::ForcedTool | Structured::ByModel => {
                    lose(losses, Loss::emulated("response_format"));
                    let wanted = name.as_ref().map_or(Cow::Borrowed("output"), Text::read);
                    plan.schema_tool = Some(plan.free_name(&tool_name(&wanted, names_max)));
                    plan.schema = Some((schema, description.clone()));
                }
            }
        }
        if let Some(OutputFormat::JsonObject) = output {
            lose(losses, Loss::emulated("response_format"));
            plan.json_only = Some(JSON_ONLY.into());
        }
        plan.check_choice(tools, losses)?;
        Ok(plan)
    }

    fn free_name(&self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        while self.names.iter().any(|(short, _)| *short == name) {
            name.push('_');
        }
        name
    }

    fn check_choice(&mut self, tools: &[Tool<'r>], losses: &mut Vec<Loss>) -> Result<(), TranslateError> {
        if tools.is_empty() {
            if matches!(self.choice, Some(ToolChoice::Any | ToolChoice::Named(_))) {
                lose(losses, Loss::dropped("tool_choice"));
            }
            self.choice = None;
        }
        match &self.choice {
            Some(ToolChoice::Named(name)) if !declared(tools).any(|declared| declared == name) => {
                Err(TranslateError::new("tool_choice", format!("the tool {name:?} is not among the declared tools")))
            }
            _ => Ok(()),
        }
    }
}

/// How many cache marks would be written.
fn cache_marks(tools: &[Tool<'_>], system: &[Block<'_>], history: &[Message<'_>], upstream: &Upstream<'_>) -> usize {
    if !upstream.quirks.cache_control {
        return 0;
    }
    let tools = tools.iter().filter(|tool| tool.cache.is_some()).count();
    let system = system.iter().filter(|block| block.cache.is_some()).count();
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

    fn system(&mut self, body: &mut Object<'_>, system: &[Block<'_>], json_only: Option<&str>) {
        let mut texts: Vec<(Text<'_>, Option<&RawValue>)> = Vec::new();
        for block in system {
            block.lose_citations(ANNOTATIONS, self.losses);
            let Block { kind, cache, citations: _ } = block;
            match kind {
                BlockKind::Text(text) if text.is_blank() => {}
                BlockKind::Text(text) => texts.push((text.clone(), *cache)),
                _ => lose(self.losses, Loss::dropped("system[]")),
            }
        }
        texts.extend(json_only.map(|words| (words.into(), None)));
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

    /// Who asks, and on which terms.
    fn account(&mut self, body: &mut Object<'_>, user_id: Option<&Text<'_>>, service_tier: Option<&Text<'_>>) {
        if let Some(user) = user_id.filter(|user| !user.is_blank()) {
            match self.upstream.quirks.user_max {
                Some(max) => {
                    let mut object = Object::open(body.key("metadata"));
                    object.str("user_id", &safe_user_id(&user.read(), max));
                    object.close();
                }
                None => lose(self.losses, Loss::dropped("user")),
            }
        }
        match service_tier.map(Text::read).as_deref() {
            None => {}
            Some("auto") if self.upstream.quirks.full_anthropic => {
                body.str("service_tier", "auto");
            }
            Some("auto") => {}
            Some(_) => lose(self.losses, Loss::dropped("service_tier")),
        }
    }

    fn lose_extras(&mut self, extras: &[Extra<'_>]) {
        for Extra { name, value } in extras {
            if says_something(value) {
                lose(self.losses, Loss::dropped(name.clone().into_owned()));
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
