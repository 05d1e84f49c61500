//! Says how much the model may think, in the provider's own member. Thinking that was done before is `messages_out`'s part.
//!
//! Start with [`Writer::thinking`].

use super::record::{Body, Choice, Reasoning, TemplateArguments, Typed};
use super::request_out::{Writer, is_one_of};
use crate::chat::Loss;
use crate::chat::request::{Effort, ThinkingMode, ToolChoice};
use crate::dialect::quirks::ThinkingSwitch;

impl Writer<'_, '_> {
    pub(super) fn thinking(&mut self, body: &mut Body<'_>, mode: Option<&ThinkingMode>, choice: Option<&ToolChoice<'_>>) {
        if self.quirks.thinking_switch == ThinkingSwitch::ReasoningSplit {
            body.reasoning_split = Some(true);
        }
        if self.is_kept_from_thinking(body, mode, choice) {
            return;
        }
        let Some(mode) = mode else { return };
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

    /// Where a tool cannot be forced upon a model that thinks: it does not think this once, or, where it always does, the
    /// tool is not forced.
    fn is_kept_from_thinking(&mut self, body: &mut Body<'_>, mode: Option<&ThinkingMode>, choice: Option<&ToolChoice<'_>>) -> bool {
        let is_forced = matches!(choice, Some(ToolChoice::Any | ToolChoice::Named(_))) && body.tool_choice.is_some();
        if self.quirks.forced_tool_thinks || !is_forced || self.upstream.thinks == Some(false) {
            return false;
        }
        if is_one_of(self.upstream.model, self.quirks.thinking_always) {
            self.lose(Loss::normalised("tool_choice"));
            body.tool_choice = Some(Choice::Word("auto"));
            return false;
        }
        if mode.is_some_and(|mode| !matches!(mode, ThinkingMode::Disabled | ThinkingMode::Effort(Effort::None))) {
            self.lose(Loss::dropped("thinking"));
        }
        body.thinking = Some(Typed { kind: "disabled" });
        true
    }
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
