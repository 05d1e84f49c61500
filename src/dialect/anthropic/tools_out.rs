//! Writes the tools of a request and which of them must be called, the tool that stands for an output schema included.
//!
//! What is to be written was decided by [`Plan`]. Start with [`Writer::tools`].

use super::request_out::{Plan, Writer};
use super::schema::input_schema;
use crate::chat::request::{Tool, ToolChoice, ToolKind};
use crate::chat::{Loss, lose};
use crate::wire::Text;
use crate::wire::object::{Object, list};

impl Writer<'_> {
    pub(super) fn tools(&mut self, body: &mut Object<'_>, tools: &[Tool<'_>], plan: &Plan<'_>) {
        if tools.is_empty() && plan.schema_tool.is_none() {
            return;
        }
        let out = body.key("tools");
        list(out, tools.iter().zip(&plan.names), |out, (tool, (short, _))| {
            let Tool { kind, cache } = tool;
            let ToolKind::Function { name: _, description, parameters, strict } = kind else { return };
            let mut object = Object::open(out);
            object.str("name", short);
            if let Some(description) = description.as_ref().filter(|text| !text.is_empty()) {
                object.text("description", &self.fitting(description));
            }
            let (schema, is_changed) = input_schema(*parameters);
            if is_changed {
                lose(self.losses, Loss::normalised("tools[].parameters"));
            }
            object.raw("input_schema", &schema);
            match strict {
                Some(strict) if self.upstream.quirks.strict_tools => {
                    object.json("strict", strict);
                }
                Some(true) => lose(self.losses, Loss::dropped("tools[].strict")),
                Some(false) | None => {}
            }
            self.mark(&mut object, *cache);
            object.close();
        });
        if let (Some(name), Some((schema, description))) = (&plan.schema_tool, &plan.schema) {
            // The list was closed; reopen it for one more.
            out.pop();
            if !tools.is_empty() {
                out.push(b',');
            }
            let mut object = Object::open(out);
            object.str("name", name);
            match description {
                Some(description) => object.text("description", description),
                None => object.str("description", "Gives the final answer to the user, in the form asked for."),
            };
            object.raw("input_schema", &input_schema(Some(schema)).0);
            object.close();
            out.push(b']');
        }
    }

    /// The description within the provider's limit.
    fn fitting<'t>(&mut self, description: &Text<'t>) -> Text<'t> {
        let Some(max) = self.upstream.quirks.tool_description_max else { return description.clone() };
        let text = description.read();
        match text.char_indices().nth(max) {
            Some((at, _)) => {
                lose(self.losses, Loss::normalised("tools[].description"));
                text.get(..at).unwrap_or_default().to_owned().into()
            }
            None => description.clone(),
        }
    }

    pub(super) fn tool_choice(&mut self, body: &mut Object<'_>, tools: &[Tool<'_>], wants_single: bool, plan: &Plan<'_>) {
        let is_single = wants_single && !tools.is_empty();
        let mut choice = plan.choice.clone();
        if let Some(name) = &plan.schema_tool {
            let is_alone = tools.is_empty() || choice == Some(ToolChoice::None);
            choice = Some(if is_alone { ToolChoice::Named(name.clone().into()) } else { ToolChoice::Any });
        } else if plan.thought.is_on() && matches!(choice, Some(ToolChoice::Any | ToolChoice::Named(_))) {
            lose(self.losses, Loss::normalised("tool_choice"));
            choice = Some(ToolChoice::Auto);
        }
        let choice = match choice {
            // The flag alone means auto, never any.
            None if is_single => ToolChoice::Auto,
            None => return,
            Some(choice) => choice,
        };
        let mut object = Object::open(body.key("tool_choice"));
        match &choice {
            ToolChoice::Auto => object.str("type", "auto"),
            ToolChoice::Any => object.str("type", "any"),
            ToolChoice::None => object.str("type", "none"),
            ToolChoice::Named(name) => object.str("type", "tool").str("name", self.short(name)),
        };
        if is_single && choice != ToolChoice::None {
            object.json("disable_parallel_tool_use", true);
        }
        object.close();
    }

    /// The name that the upstream knows a declared tool by.
    fn short<'n>(&'n self, name: &'n str) -> &'n str {
        self.names.iter().find(|(_, original)| original == name).map_or(name, |(short, _)| short)
    }
}
