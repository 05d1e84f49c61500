//! Writes a request for a Chat upstream, by the provider's quirks. What has no equivalent becomes a loss, or is refused
//! where the client would depend on it.
//!
//! Start with [`encode`]; messages are [`super::messages_out`]'s part, the records [`super::record`]'s.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::messages_out::{lose, messages};
use super::record::{Body, Choice, Function, JsonSchema, Reasoning, ResponseFormat, StreamOptions, TemplateArguments, ToolRecord, Typed};
use super::schema;
use crate::chat::request::{
    BlockKind, Document, Effort, Extra, Media, OutputFormat, Source, ThinkingMode, Tool, ToolChoice, ToolKind, Turn,
};
use crate::chat::{ChatRequest, Loss};
use crate::dialect::quirks::{Structured, ThinkingSwitch};
use crate::dialect::{Dialect, Quirks, ReplyMap, TranslateError, Upstream, history, names};
use crate::wire::Text;

type Result<T> = std::result::Result<T, TranslateError>;

/// The tool that stands for an output schema, and the schema's name where the client gave none.
const OUTPUT: &str = "output";

/// The body for the upstream, and what its reply needs.
///
/// # Errors
/// When the client asks for what the target cannot do and would miss it.
pub(super) fn encode(request: &ChatRequest<'_>, upstream: &Upstream<'_>, losses: &mut Vec<Loss>) -> Result<(Bytes, ReplyMap)> {
    let turns = history::repair(&request.turns, losses);
    let id = super::fresh_id(if upstream.client == Dialect::OpenAiChat { "chatcmpl-" } else { "msg_" });
    let mut reply = ReplyMap { model: request.model.clone().into_owned(), id, ..ReplyMap::default() };
    let mut body = Body { model: upstream.model, messages: messages(request, &turns, upstream, losses)?, ..Body::default() };
    let mut writer = Writer { request, upstream, quirks: upstream.quirks, losses, reply: &mut reply };
    writer.tools(&mut body)?;
    writer.output(&mut body)?;
    writer.sampling(&mut body)?;
    writer.thinking(&mut body);
    writer.envelope(&mut body);
    let extras = writer.extras()?;
    let mut out = serde_json::to_vec(&body).map_err(|error| TranslateError::new("", error.to_string()))?;
    append(&mut out, extras)?;
    reply.input_estimate = estimate(out.len(), &turns);
    Ok((out.into(), reply))
}

/// Tokens, from bytes; what is base64 counts as a picture, whatever its size.
fn estimate(bytes: usize, turns: &[Turn<'_>]) -> u64 {
    let attached = turns.iter().flat_map(|turn| &turn.blocks).flat_map(|block| match &block.kind {
        BlockKind::ToolResult(result) => result.content.as_slice(),
        _ => std::slice::from_ref(block),
    });
    let sizes = attached.filter_map(|block| match &block.kind {
        BlockKind::Image(Media { source: Source::Base64 { data, .. }, .. })
        | BlockKind::Document(Document { source: Source::Base64 { data, .. }, .. }) => Some(data.read().len()),
        _ => None,
    });
    let (count, encoded) = sizes.fold((0, 0), |(count, sum), size| (count + 1, sum + size));
    u64::try_from(bytes.saturating_sub(encoded) / 4 + count * 1500).unwrap_or(u64::MAX).max(1)
}

/// Adds members to a written object.
fn append(out: &mut Vec<u8>, extras: &[Extra<'_>]) -> Result<()> {
    for Extra { name, value } in extras {
        out.pop();
        out.push(b',');
        serde_json::to_writer(&mut *out, name).map_err(|error| TranslateError::new(name.clone().into_owned(), error.to_string()))?;
        out.push(b':');
        out.extend_from_slice(value.get().as_bytes());
        out.push(b'}');
    }
    Ok(())
}

/// Whether the model, with or without its maker in front, begins with one of the prefixes.
fn is_one_of(model: &str, prefixes: &[&str]) -> bool {
    let bare = model.rsplit('/').next().unwrap_or(model);
    prefixes.iter().any(|prefix| bare.starts_with(prefix) || model.starts_with(prefix))
}

struct Writer<'a, 'w> {
    request: &'a ChatRequest<'a>,
    upstream: &'a Upstream<'a>,
    quirks: &'a Quirks,
    losses: &'w mut Vec<Loss>,
    reply: &'w mut ReplyMap,
}

impl<'a> Writer<'a, '_> {
    fn lose(&mut self, loss: Loss) {
        lose(self.losses, loss);
    }

    fn refusal(&self, path: impl Into<Cow<'static, str>>, what: &str) -> TranslateError {
        TranslateError::new(path, format!("{what} has no equivalent at provider {}", self.upstream.provider))
    }

    fn is_chat_client(&self) -> bool {
        self.upstream.client == Dialect::OpenAiChat
    }

    fn is_reasoning_model(&self) -> bool {
        is_one_of(self.upstream.model, self.quirks.reasoning_models)
    }

    fn tools(&mut self, body: &mut Body<'a>) -> Result<()> {
        let request = self.request;
        for (nth, tool) in request.tools.iter().enumerate() {
            let record = self.tool(nth, tool)?;
            body.tools.push(record);
        }
        if let Some(ToolChoice::Named(name)) = &request.tool_choice
            && !self.reply.tools.iter().any(|known| known == name)
        {
            return Err(TranslateError::new("tool_choice", format!("names the tool {name:?}, which is not declared")));
        }
        if body.tools.is_empty() {
            return Ok(());
        }
        body.tool_choice = request.tool_choice.as_ref().map(|choice| match choice {
            ToolChoice::Auto => Choice::Word("auto"),
            ToolChoice::None => Choice::Word("none"),
            ToolChoice::Any => Choice::Word(self.quirks.tool_choice_any),
            ToolChoice::Named(name) => Choice::Function(names::tool_name(name, self.quirks.tool_name_max)),
        });
        self.fit_choice(body);
        match request.parallel_tool_calls {
            Some(is_wanted) if self.quirks.parallel_tool_calls => body.parallel_tool_calls = Some(is_wanted),
            Some(false) => {
                self.lose(Loss::emulated("parallel_tool_calls"));
                self.reply.single_tool_call = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// Where only words are known, one function is forced by offering no other.
    fn fit_choice(&mut self, body: &mut Body<'a>) {
        let wanted = match &body.tool_choice {
            Some(Choice::Function(wanted)) if !self.quirks.tool_choice_object => wanted.clone(),
            _ => return,
        };
        self.lose(Loss::emulated("tool_choice"));
        body.tools.retain(|tool| matches!(tool, ToolRecord::Function(function) if function.name == wanted));
        body.tool_choice = Some(Choice::Word(self.quirks.tool_choice_any));
    }

    fn tool(&mut self, nth: usize, tool: &'a Tool<'a>) -> Result<ToolRecord<'a>> {
        match &tool.kind {
            ToolKind::Server { kind, raw, name } if self.is_chat_client() && *kind != "web_search_options" => {
                self.reply.tools.push(name.clone().into_owned());
                Ok(ToolRecord::Verbatim(raw))
            }
            ToolKind::Server { kind, .. } => Err(self.refusal(format!("tools.{nth}.type"), &format!("the server tool {kind:?}"))),
            ToolKind::Function { name, description, parameters, strict } => {
                let short = names::tool_name(name, self.quirks.tool_name_max);
                if let Cow::Owned(short) = &short {
                    self.reply.names.push((short.clone(), name.clone().into_owned()));
                }
                self.reply.tools.push(name.clone().into_owned());
                let parameters: &'a RawValue = match *parameters {
                    Some(raw) if schema::is_declared(raw) => raw,
                    _ => schema::empty(),
                };
                Ok(ToolRecord::Function(Function {
                    name: short,
                    description: description.as_ref().map(|text| self.description(text)),
                    strict: self.strict(*strict, parameters, "tools[].strict"),
                    parameters,
                    cache: tool.cache.filter(|_| self.quirks.cache_control),
                }))
            }
        }
    }

    fn description(&mut self, text: &'a Text<'a>) -> Cow<'a, Text<'a>> {
        let Some(max) = self.quirks.tool_description_max else { return Cow::Borrowed(text) };
        let read = text.read();
        let Some((end, _)) = read.char_indices().nth(max) else { return Cow::Borrowed(text) };
        self.lose(Loss::normalised("tools[].description"));
        Cow::Owned(read.get(..end).unwrap_or_default().to_owned().into())
    }

    /// `strict` where the provider knows it and the schema allows it; else arguments are merely likely to fit.
    fn strict(&mut self, strict: Option<bool>, schema: &RawValue, field: &'static str) -> Option<bool> {
        if strict != Some(true) {
            return None;
        }
        let is_legal = self.quirks.strict_tools && schema::is_strict(schema);
        if !is_legal {
            self.lose(Loss::dropped(field));
        }
        is_legal.then_some(true)
    }

    fn output(&mut self, body: &mut Body<'a>) -> Result<()> {
        match &self.request.output {
            None => {}
            Some(OutputFormat::JsonObject) => body.response_format = Some(ResponseFormat { kind: "json_object", json_schema: None }),
            Some(OutputFormat::JsonSchema { name, description, schema, strict }) if self.quirks.structured == Structured::Native => {
                let name = name.as_ref().map(Text::read).filter(|name| !name.is_empty());
                let name = name.map_or(OUTPUT.into(), |name| Cow::Owned(names::tool_name(&name, 64).into_owned()));
                // Anthropic's schemas are always enforced, so they arrive without a word about it.
                let strict = if *strict == Some(false) { None } else { schema::is_strict(schema).then_some(true) };
                let json_schema = Some(JsonSchema { name, description: description.as_ref(), schema, strict });
                body.response_format = Some(ResponseFormat { kind: "json_schema", json_schema });
            }
            Some(OutputFormat::JsonSchema { schema, .. }) => self.forced_tool(schema, body),
        }
        Ok(())
    }

    fn forced_tool(&mut self, schema: &'a RawValue, body: &mut Body<'a>) {
        self.lose(Loss::emulated("output schema"));
        let mut name = OUTPUT.to_owned();
        while self.reply.tools.contains(&name) {
            name.push('_');
        }
        let is_alone = body.tools.is_empty();
        body.tools.push(ToolRecord::Function(Function {
            name: name.clone().into(),
            description: Some(Cow::Owned("Gives the final answer.".into())),
            parameters: schema,
            strict: None,
            cache: None,
        }));
        body.tool_choice = Some(if is_alone && self.quirks.tool_choice_object {
            Choice::Function(name.clone().into())
        } else {
            Choice::Word(self.quirks.tool_choice_any)
        });
        self.reply.schema_tool = Some(name);
    }

    fn sampling(&mut self, body: &mut Body<'a>) -> Result<()> {
        let sampling = &self.request.sampling;
        if sampling.n.is_some_and(|n| n > 1) {
            return Err(self.refusal("n", "more than one answer"));
        }
        if sampling.logprobs == Some(true) || sampling.top_logprobs.is_some_and(|n| n > 0) {
            return Err(self.refusal("logprobs", "a translated answer with log probabilities"));
        }
        let limit = self.request.max_output_tokens.map(|asked| match self.upstream.output_max {
            Some(max) if asked > max && max > 0 => {
                self.lose(Loss::normalised("max_tokens"));
                max
            }
            _ => asked,
        });
        if self.is_reasoning_model() {
            body.max_completion_tokens = limit;
            self.drop_sampler();
        } else {
            body.max_tokens = limit;
            self.sampler(body);
        }
        match (sampling.seed, self.quirks.seed) {
            (Some(_), None) => self.lose(Loss::dropped("seed")),
            (seed, Some("random_seed")) => body.random_seed = seed,
            (seed, _) => body.seed = seed,
        }
        match sampling.top_k {
            Some(_) if !self.quirks.top_k => self.lose(Loss::dropped("top_k")),
            top_k => body.top_k = top_k,
        }
        Ok(())
    }

    /// Reasoning models refuse these, whatever their value; temperature 1 and penalty 0 are what they do anyway.
    fn drop_sampler(&mut self) {
        let request = self.request;
        let sampling = &request.sampling;
        let is_not = |value: Option<f64>, usual: f64| value.is_some_and(|value| (value - usual).abs() > f64::EPSILON);
        for (is_lost, field) in [
            (is_not(sampling.temperature, 1.0), "temperature"),
            (is_not(sampling.top_p, 1.0), "top_p"),
            (is_not(sampling.presence_penalty, 0.0), "presence_penalty"),
            (is_not(sampling.frequency_penalty, 0.0), "frequency_penalty"),
            (sampling.logit_bias.is_some(), "logit_bias"),
            (request.stop.iter().any(|stop| !stop.is_empty()), "stop"),
        ] {
            if is_lost {
                self.lose(Loss::dropped(field));
            }
        }
    }

    fn sampler(&mut self, body: &mut Body<'a>) {
        let request = self.request;
        let sampling = &request.sampling;
        let (low, high) = self.quirks.temperature;
        body.temperature = sampling.temperature.map(|asked| asked.clamp(low, high));
        if body.temperature != sampling.temperature {
            self.lose(Loss::normalised("temperature"));
        }
        body.top_p = sampling.top_p;
        if self.quirks.penalties {
            body.presence_penalty = sampling.presence_penalty;
            body.frequency_penalty = sampling.frequency_penalty;
            body.logit_bias = sampling.logit_bias;
        } else if sampling.presence_penalty.or(sampling.frequency_penalty).is_some_and(|n| n != 0.0) || sampling.logit_bias.is_some() {
            self.lose(Loss::dropped("penalties"));
        }
        body.stop = request.stop.iter().filter(|stop| !stop.is_empty()).collect();
        if let Some(max) = self.quirks.stop_max.filter(|max| body.stop.len() > *max) {
            body.stop.truncate(max);
            self.lose(Loss::normalised("stop"));
        }
    }

    fn thinking(&mut self, body: &mut Body<'a>) {
        if self.quirks.thinking_switch == ThinkingSwitch::ReasoningSplit {
            body.reasoning_split = Some(true);
        }
        let Some(mode) = &self.request.thinking else { return };
        let is_off = matches!(mode, ThinkingMode::Disabled | ThinkingMode::Effort(Effort::None));
        let is_always = is_one_of(self.upstream.model, self.quirks.thinking_always);
        let is_known = self.upstream.thinks == Some(true) || is_always || self.is_reasoning_model();
        if self.upstream.thinks == Some(false) && !is_always {
            if !is_off {
                self.lose(Loss::dropped("thinking"));
            }
            return;
        }
        let is_least_off = !matches!(self.quirks.thinking_switch, ThinkingSwitch::Effort(least) if least != "none");
        if is_off && (is_always || is_known && !is_least_off) {
            self.lose(Loss::normalised("thinking"));
        }
        match self.quirks.thinking_switch {
            // A model without this member refuses it, so it goes only to those that are known to think.
            ThinkingSwitch::Effort(least) if is_known => body.reasoning_effort = effort_word(mode, least),
            ThinkingSwitch::ThinkingType => {
                body.thinking = Some(Typed { kind: if is_off && !is_always { "disabled" } else { "enabled" } });
            }
            ThinkingSwitch::ReasoningObject => body.reasoning = Some(reasoning(mode, is_off, is_always)),
            ThinkingSwitch::ChatTemplate => {
                body.chat_template_kwargs = Some(TemplateArguments { enable_thinking: !is_off || is_always });
            }
            ThinkingSwitch::ReasoningSplit => {}
            ThinkingSwitch::Effort(_) | ThinkingSwitch::None if is_off => {}
            ThinkingSwitch::Effort(_) | ThinkingSwitch::None => self.lose(Loss::dropped("thinking")),
        }
    }

    fn envelope(&mut self, body: &mut Body<'a>) {
        let request = self.request;
        body.stream = request.stream;
        if request.stream {
            body.stream_options = self.quirks.stream_options.then_some(StreamOptions { include_usage: true });
            body.tool_stream = (self.quirks.tool_stream && !body.tools.is_empty()).then_some(true);
            self.reply.hide_usage = self.is_chat_client() && !request.stream_usage;
        }
        if let Some(id) = &request.user_id {
            match self.quirks.user_max {
                Some(max) => body.user = Some(user(id.read(), max)),
                None => self.lose(Loss::dropped("user")),
            }
        }
        match &request.service_tier {
            Some(tier) if self.is_chat_client() => body.service_tier = Some(tier),
            Some(tier) if tier.read() != "auto" => self.lose(Loss::dropped("service_tier")),
            _ => {}
        }
    }

    /// The members of the client's own dialect that the upstream gets too: all of them, or none.
    fn extras(&mut self) -> Result<&'a [Extra<'a>]> {
        if self.is_chat_client() {
            return Ok(&self.request.extras);
        }
        for Extra { name, value } in &self.request.extras {
            let is_empty = matches!(value.get(), "null" | "[]" | "{}" | "false");
            match &**name {
                "container" | "mcp_servers" if !is_empty => return Err(self.refusal(name.clone().into_owned(), &format!("{name:?}"))),
                _ if is_empty => {}
                _ => self.lose(Loss::dropped(name.clone().into_owned())),
            }
        }
        Ok(&[])
    }
}

/// An id within the limit and without a mail address: else its hash.
fn user(id: Cow<'_, str>, max: usize) -> Cow<'_, str> {
    if id.chars().count() <= max && !id.contains('@') { id } else { Cow::Owned(names::hash(&id, max.min(64))) }
}

/// Budgets as efforts: up to 2048 tokens is low, up to 8192 medium, above high.
fn effort(mode: &ThinkingMode) -> Option<Effort> {
    match mode {
        ThinkingMode::Disabled => Some(Effort::None),
        ThinkingMode::Adaptive(effort) => *effort,
        ThinkingMode::Effort(effort) => Some(*effort),
        ThinkingMode::Budget(..=2048) => Some(Effort::Low),
        ThinkingMode::Budget(..=8192) => Some(Effort::Medium),
        ThinkingMode::Budget(_) => Some(Effort::High),
    }
}

/// The words that all providers share; `least` stands for what is below them.
fn effort_word(mode: &ThinkingMode, least: &'static str) -> Option<&'static str> {
    Some(match effort(mode)? {
        Effort::None | Effort::Minimal => least,
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::XHigh | Effort::Max => "high",
    })
}

fn reasoning(mode: &ThinkingMode, is_off: bool, is_always: bool) -> Reasoning {
    match mode {
        _ if is_off && !is_always => Reasoning { enabled: Some(false), ..Reasoning::default() },
        ThinkingMode::Budget(tokens) => Reasoning { max_tokens: Some(*tokens), ..Reasoning::default() },
        _ => match effort_word(mode, "low") {
            Some(word) => Reasoning { effort: Some(word), ..Reasoning::default() },
            None => Reasoning { enabled: Some(true), ..Reasoning::default() },
        },
    }
}
