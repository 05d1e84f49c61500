//! Writes the tools of a request, which of them must be called, and the form of the answer, which may take a tool too.
//!
//! Start with [`Writer::tools`], then [`Writer::output`].

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::record::{Body, Choice, Content, Function, JsonSchema, Message, Part, ResponseFormat, ToolRecord};
use super::request_out::{Result, Writer};
use super::schema;
use crate::chat::Loss;
use crate::chat::request::{OutputFormat, Tool, ToolChoice, ToolKind};
use crate::dialect::quirks::Structured;
use crate::dialect::{TextTool, TranslateError, names};
use crate::wire::Text;

/// The tool that stands for an output schema, and the schema's name where the client gave none.
const OUTPUT: &str = "output";

impl<'a> Writer<'a, '_> {
    pub(super) fn tools(&mut self, body: &mut Body<'a>, tools: &'a [Tool<'a>], choice: Option<&'a ToolChoice<'a>>) -> Result<()> {
        for (nth, tool) in tools.iter().enumerate() {
            let record = self.tool(nth, tool, choice != Some(&ToolChoice::None))?;
            body.tools.push(record);
        }
        if let Some(ToolChoice::Named(name)) = choice
            && !self.reply.tools.iter().any(|known| known == name)
        {
            return Err(TranslateError::new("tool_choice", format!("names the tool {name:?}, which is not declared")));
        }
        if body.tools.is_empty() {
            return Ok(());
        }
        body.tool_choice = choice.map(|choice| match choice {
            ToolChoice::Auto => Choice::Word("auto"),
            ToolChoice::None => Choice::Word("none"),
            ToolChoice::Any => Choice::Word(self.quirks.tool_choice_any),
            ToolChoice::Named(name) => Choice::Function(names::tool_name(name, self.quirks.tool_name_max)),
        });
        self.fit_choice(body, choice);
        Ok(())
    }

    /// Whether several calls in one answer are welcome, where there is something to call.
    pub(super) fn parallel(&mut self, body: &mut Body<'a>, is_welcome: Option<bool>) {
        match is_welcome {
            _ if body.tools.is_empty() => {}
            Some(is_welcome) if self.quirks.parallel_tool_calls => body.parallel_tool_calls = Some(is_welcome),
            Some(false) => {
                self.lose(Loss::emulated("parallel_tool_calls"));
                self.reply.single_tool_call = true;
            }
            _ => {}
        }
    }

    /// Where only words are known, one function is forced by offering no other; where `auto` is the only word, nothing is
    /// forced, and no tool forbidden but by offering none.
    fn fit_choice(&mut self, body: &mut Body<'a>, choice: Option<&ToolChoice<'a>>) {
        let has_auto_only = self.quirks.tool_choice_any == "auto";
        match choice {
            Some(ToolChoice::None) if has_auto_only => {
                self.lose(Loss::emulated("tool_choice"));
                body.tools.clear();
                body.tool_choice = None;
            }
            Some(ToolChoice::Any) if has_auto_only => self.lose(Loss::normalised("tool_choice")),
            _ => {}
        }
        let wanted = match &body.tool_choice {
            Some(Choice::Function(wanted)) if !self.quirks.tool_choice_object => wanted.clone(),
            _ => return,
        };
        self.lose(Loss::emulated("tool_choice"));
        body.tools.retain(|tool| matches!(tool, ToolRecord::Function(function) if function.name == wanted));
        body.tool_choice = Some(Choice::Word(self.quirks.tool_choice_any));
    }

    fn tool(&mut self, nth: usize, tool: &'a Tool<'a>, may_be_called: bool) -> Result<ToolRecord<'a>> {
        let Tool { kind, cache } = tool;
        match kind {
            ToolKind::Server { kind, raw, name } if self.is_chat_client() && *kind != "web_search_options" => {
                self.reply.tools.push(name.clone().into_owned());
                Ok(ToolRecord::Verbatim(raw))
            }
            ToolKind::Server { kind, name: _, raw: _ } => {
                Err(self.refusal(format!("tools.{nth}.type"), &format!("the server tool {kind:?}")))
            }
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
                if self.quirks.text_calls && may_be_called {
                    let name = short.clone().into_owned();
                    self.reply.text_tools.push(TextTool { name, typed: schema::not_strings(parameters) });
                }
                Ok(ToolRecord::Function(Function {
                    name: short,
                    description: description.as_ref().map(|text| self.description(text)),
                    strict: self.strict(*strict, parameters, "tools[].strict"),
                    parameters,
                    cache: cache.filter(|_| self.quirks.cache_control),
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

    pub(super) fn output(&mut self, body: &mut Body<'a>, output: Option<&'a OutputFormat<'a>>) {
        match output {
            None => {}
            Some(OutputFormat::JsonObject) => body.response_format = Some(ResponseFormat { kind: "json_object", json_schema: None }),
            Some(OutputFormat::JsonSchema { name, description, schema, strict }) if self.upstream.structured() == Structured::Native => {
                let name = name.as_ref().map(Text::read).filter(|name| !name.is_empty());
                let name = name.map_or(OUTPUT.into(), |name| Cow::Owned(names::tool_name(&name, 64).into_owned()));
                // Anthropic's schemas are always enforced, so they arrive without a word about it.
                let strict = if *strict == Some(false) { None } else { schema::is_strict(schema).then_some(true) };
                let json_schema = Some(JsonSchema { name, description: description.as_ref(), schema, strict });
                body.response_format = Some(ResponseFormat { kind: "json_schema", json_schema });
            }
            Some(OutputFormat::JsonSchema { name: _, description: _, schema, strict: _ }) => match self.upstream.structured() {
                Structured::JsonMode => self.json_mode(schema, body),
                Structured::Native | Structured::ForcedTool | Structured::ByModel => self.forced_tool(schema, body),
            },
        }
    }

    /// Any JSON, and the schema in words.
    fn json_mode(&mut self, schema: &'a RawValue, body: &mut Body<'a>) {
        self.lose(Loss::emulated("output schema"));
        body.response_format = Some(ResponseFormat { kind: "json_object", json_schema: None });
        let words = format!("Answer with one JSON object and nothing else. It must fit this JSON Schema:\n{}", schema.get());
        match body.messages.first_mut() {
            Some(first) if first.role == "system" => {
                first.content.joint = Some("\n\n");
                first.content.parts.push(Part::text(words.into()));
            }
            _ => body.messages.insert(0, Message { role: "system", content: Content::text(words), ..Message::default() }),
        }
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
}
