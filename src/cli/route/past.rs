//! What tools did in the exchanges of a conversation before: where the model is offered tools now, the calls and their results go
//! to it as such; else they are told in words, since providers refuse calls in a request that defines no tool.

use serde_json::value::RawValue;

use crate::chat::request::{Arguments, Block, BlockKind, Role, ToolCall, ToolResult, Turn};
use crate::dialect::names::tool_name;
use crate::history::{Call, Exchange};
use crate::mcp::raw_object;

/// The longest name of a tool that every provider takes.
const NAME_MAX: usize = 64;

/// The calls of one exchange, in their steps.
#[derive(Debug, Default)]
pub(super) struct PastCalls {
    steps: Vec<(String, Vec<PastCall>)>,
}

#[derive(Debug)]
struct PastCall {
    call: Call,
    /// Its own within the conversation: models and servers count anew in each exchange.
    id: String,
    /// The name that the model knows the tool by.
    name: String,
    /// The arguments, where they are an object.
    object: Option<Box<RawValue>>,
}

impl PastCalls {
    /// Those of an exchange, the `number`th of its conversation.
    pub(super) fn of(exchange: &Exchange, number: usize) -> Self {
        let past = |step: usize, at: usize, call: Call| PastCall {
            id: format!("call_{number}_{step}_{at}"),
            name: tool_name(&call.tool, NAME_MAX).into_owned(),
            object: raw_object(&call.arguments),
            call,
        };
        let steps = exchange.tool_steps().into_iter().enumerate().map(|(step, made)| {
            let calls = made.calls.into_iter().enumerate().map(|(at, call)| past(step, at, call));
            (made.text, calls.collect())
        });
        Self { steps: steps.collect() }
    }

    /// Gives each tool the name that it is offered by now, if it is.
    pub(super) fn rename(&mut self, offered: &dyn Fn(&Call) -> Option<String>) {
        for past in self.steps.iter_mut().flat_map(|(_, calls)| calls) {
            if let Some(name) = offered(&past.call) {
                past.name = name;
            }
        }
    }

    /// What was called and what came of it, as turns.
    pub(super) fn turns(&self) -> impl Iterator<Item = Turn<'_>> {
        self.steps.iter().filter(|(_, calls)| !calls.is_empty()).flat_map(|(text, calls)| {
            let text = (!text.trim().is_empty()).then(|| BlockKind::Text(text.as_str().into()).into());
            let said = text.into_iter().chain(calls.iter().map(PastCall::called)).collect();
            let done = calls.iter().map(PastCall::result).collect();
            [Turn { role: Role::Assistant, name: None, blocks: said }, Turn { role: Role::User, name: None, blocks: done }]
        })
    }

    /// The same in words; `None`: there was no call.
    pub(super) fn told(&self) -> Option<Block<'_>> {
        let lines = self.steps.iter().flat_map(|(text, calls)| {
            let said = (!text.trim().is_empty()).then(|| format!("\n- said: {}", text.trim()));
            said.into_iter().chain(calls.iter().map(PastCall::told))
        });
        let lines: String = lines.collect();
        let text = format!("[Tools were called before the answer to this; none can be called now.{lines}]");
        (!lines.is_empty()).then(|| BlockKind::Text(text.into()).into())
    }
}

impl PastCall {
    fn called(&self) -> Block<'_> {
        let encoded = || Arguments::Encoded(self.call.arguments.as_str().into());
        BlockKind::ToolCall(ToolCall {
            id: self.id.as_str().into(),
            name: self.name.as_str().into(),
            arguments: self.object.as_deref().map_or_else(encoded, Arguments::Object),
            opaque: None,
        })
        .into()
    }

    fn result(&self) -> Block<'_> {
        let content = vec![BlockKind::Text(self.call.result.as_str().into()).into()];
        BlockKind::ToolResult(ToolResult { call_id: self.id.as_str().into(), content, is_error: self.call.is_error }).into()
    }

    fn told(&self) -> String {
        let Call { arguments, outcome, result, .. } = &self.call;
        let went = if outcome == "answered" { String::new() } else { format!(", {outcome}") };
        format!("\n- {} {}{went}: {}", self.call.full_name(), arguments.trim(), result.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past() -> PastCalls {
        let steps = r#"[{"text":"let me see","request_id":"r","calls":[
            {"server":"box","tool":"a.b","arguments":"{\"n\":1.10}","approved":"--yes","outcome":"answered","is_error":false,"result":"one","bytes":3},
            {"server":"","tool":"absent","arguments":"[1]","approved":"","outcome":"failed","is_error":true,"result":"there is none"}]}]"#;
        PastCalls::of(&Exchange { steps: steps.to_owned(), ..Exchange::default() }, 7)
    }

    #[test]
    fn calls_go_on_as_turns_with_ids_of_their_own_and_the_names_of_now() {
        let mut past = past();
        past.rename(&|call| (call.server == "box").then(|| "box__a_b".to_owned()));
        let turns: Vec<Turn<'_>> = past.turns().collect();
        let [said, done] = turns.as_slice() else { panic!("{turns:?}") };
        assert_eq!((said.role, said.blocks.len(), done.role, done.blocks.len()), (Role::Assistant, 3, Role::User, 2));
        let named: Vec<(&str, &str)> = said
            .blocks
            .iter()
            .filter_map(|block| if let BlockKind::ToolCall(call) = &block.kind { Some((&*call.id, &*call.name)) } else { None })
            .collect();
        assert_eq!(named, [("call_7_0_0", "box__a_b"), ("call_7_0_1", "absent")]);
        assert!(
            matches!(&said.blocks[1].kind, BlockKind::ToolCall(call) if matches!(&call.arguments, Arguments::Object(raw) if raw.get() == r#"{"n":1.10}"#))
        );
        assert!(matches!(&said.blocks[2].kind, BlockKind::ToolCall(call) if matches!(&call.arguments, Arguments::Encoded(_))));
        assert!(matches!(&done.blocks[1].kind, BlockKind::ToolResult(result) if result.is_error && result.call_id == "call_7_0_1"));
    }

    #[test]
    fn calls_are_told_in_words_and_what_nobody_called_is_not() {
        let past = past();
        let block = past.told().unwrap();
        let BlockKind::Text(text) = &block.kind else { panic!("{block:?}") };
        let expected = "[Tools were called before the answer to this; none can be called now.\n- said: let me see\n\
            - box.a.b {\"n\":1.10}: one\n- absent [1], failed: there is none]";
        assert_eq!(text.read(), expected);
        for steps in ["", "[]", "no JSON", r#"[{"calls":[]}]"#] {
            let past = PastCalls::of(&Exchange { steps: steps.to_owned(), ..Exchange::default() }, 0);
            assert!(past.told().is_none() && past.turns().next().is_none(), "{steps}");
        }
    }
}
